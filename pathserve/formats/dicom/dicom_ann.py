"""DICOM Microscopy Bulk Simple Annotations (PS3.3, A.87 and C.37): groups of points, lines and rings of one class.

Two-dimensional coordinates are pixels of the slide's full resolution, (0, 0) its outer corner, as here.
Three-dimensional ones are millimetres on the glass; where the picture lies there stands in the slide's own file, so the
user says it (``--option matrix_origin=X,Y``, ``--option matrix_orientation=r1,r2,r3,c1,c2,c3``), and the slide's pixel
size is needed.

A group's property type becomes the class and its coded term; what else is said of the group (category, algorithm,
label, generation type) is kept with each of its objects in the property ``dicom``. Measurements become
``measurements``.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from pydicom.dataset import Dataset

from pathserve.errors import Invalid, TooLarge, Unsupported
from pathserve.formats.contract import Item, ReadContext
from pathserve.formats.dicom.cielab import color_of
from pathserve.formats.dicom.dicom_ann_writer import OURS, PRIVATE, PRIVATE_GROUP, SCHEME
from pathserve.formats.dicom.dicom_file import DAMAGED, ERRORS, algorithm_of, read_file, term, term_json
from pathserve.formats.tables.attributes import parse_numbers, read_row
from pathserve.formats.tables.wkb import Row, columns_of
from pathserve.formats.tools.drawn_shapes import ELLIPSE, SHAPE, ellipse_property, ellipse_ring
from pathserve.labels import Columns, FeatureIssue, GeometryKind, NewAnnotation, require_name

_BATCH = 4096
_FIXED = {"POINT": 1, "ELLIPSE": 4, "RECTANGLE": 4}
_VARIABLE = ("POLYGON", "POLYLINE")

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def read_annotations(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read all groups, some thousand objects at a time; memory holds the file."""
    try:
        # The package warns of many a harmless fault, and its warnings hold values.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            groups = _groups(read_file(path), context)
    except ERRORS:
        raise Invalid(DAMAGED, code="damaged") from None
    for group in groups:
        yield from group.items()


def _groups(dataset: Dataset, context: ReadContext) -> "list[_Group]":
    """Read all groups as far as their arrays."""
    groups = list(dataset["AnnotationGroupSequence"].value or [])
    kind = dataset.AnnotationCoordinateType
    if kind not in ("2D", "3D"):
        raise Invalid(DAMAGED, code="damaged")
    if kind == "2D" and dataset.get("PixelOriginInterpretation", "VOLUME") != "VOLUME":
        raise Unsupported("Coordinates within single frames are not read.", code="frame_coordinates")
    if sum(int(group.NumberOfAnnotations) for group in groups) > context.max_features:
        raise TooLarge(f"At most {context.max_features:,} annotations are taken at once.")
    frame = _Flat() if kind == "2D" else _Glass.of(context)
    return [_Group(group, dataset, frame, context) for group in groups]


class _Flat:
    """Coordinates that are pixels already."""

    width = 2

    def pixels(self, points: Floats) -> Floats:
        """Give them back."""
        return points


@dataclass(frozen=True, slots=True)
class _Glass:
    """Where the picture lies on the glass, in millimetres; its first pixel has its centre at ``origin``."""

    origin: Floats
    along_x: Floats
    along_y: Floats

    width = 3

    @classmethod
    def of(cls, context: ReadContext) -> "_Glass":
        """Make it of what the user says.

        Raises
        ------
        Invalid
            When something is missing or makes no sense.
        """
        stated, mpp = context.options, context.slide.mpp
        if "matrix_origin" not in stated or "matrix_orientation" not in stated or mpp is None:
            raise Invalid(
                "The coordinates are millimetres on the glass. Say where the picture lies there, as the slide's own"
                " file states it, with the options matrix_origin=X,Y and matrix_orientation=r1,r2,r3,c1,c2,c3. The"
                " slide's pixel size must be known too.",
                code="slide_coordinates",
            )
        origin = parse_numbers(stated["matrix_origin"], 2, "matrix_origin")
        turned = parse_numbers(stated["matrix_orientation"], 6, "matrix_orientation")
        rows, columns = np.array(turned[:3]), np.array(turned[3:])
        if (
            not np.isclose(np.hypot(*rows[:2]), 1)
            or not np.isclose(np.hypot(*columns[:2]), 1)
            or abs(rows @ columns) > 1e-6
        ):
            raise Invalid("The orientation is no two directions across each other.", code="bad_option")
        return cls(np.array(origin), rows[:2] * (1000 / mpp.x), columns[:2] * (1000 / mpp.y))

    def pixels(self, points: Floats) -> Floats:
        """Turn millimetres (n, 2 or 3) into pixels (n, 2)."""
        away = points[:, :2] - self.origin
        return np.stack((away @ self.along_x, away @ self.along_y), axis=1) + 0.5


class _Group:
    """One annotation group."""

    def __init__(self, group: Dataset, dataset: Dataset, frame: _Flat | _Glass, context: ReadContext) -> None:
        self._group, self._frame, self._context = group, frame, context
        self._type = str(group.GraphicType)
        self._count = int(group.NumberOfAnnotations)
        self._points = self._coordinates(dataset)
        self._starts = self._first_points()
        self._name, self._about = self._describe()
        self._measured = self._measurements()
        self._own = self._lines()

    def _coordinates(self, dataset: Dataset) -> Floats:
        """Give the group's points (n, 2 or 3) as they stand there."""
        order = "<" if dataset.original_encoding[1] is not False else ">"
        double = self._group.get("DoublePointCoordinatesData")
        single = self._group.get("PointCoordinatesData")
        data, kind = (double, "f8") if double is not None else (single, "f4")
        if not isinstance(data, bytes):
            raise Invalid("A group of annotations has no coordinates.", code="no_coordinates")
        width = 2 if "CommonZCoordinateValue" in self._group else self._frame.width
        values = np.frombuffer(data, f"{order}{kind}")
        if len(values) % width:
            raise Invalid("The coordinates of a group do not fit together.", code="bad_points")
        self._width, self._order = width, order
        return np.asarray(values.reshape(-1, width), np.float64)

    def _first_points(self) -> Integers:
        """Give (N + 1,): where the points of each object begin."""
        total = len(self._points)
        if self._type in _FIXED:
            step = _FIXED[self._type]
            starts = (
                np.arange(self._count + 1, dtype=np.int64) * step if self._count <= total else np.zeros(1, np.int64)
            )
        elif self._type in _VARIABLE:
            data = self._group.get("LongPrimitivePointIndexList")
            if not isinstance(data, bytes):
                raise Invalid("A group of annotations does not say where its objects begin.", code="bad_points")
            # The index is of a number, from 1, not of a point.
            places = np.frombuffer(data, f"{self._order}u4").astype(np.int64) - 1
            if (places % self._width).any():
                raise Invalid("Objects of a group begin within a point.", code="bad_points")
            starts = np.append(places // self._width, total)
        else:
            raise Unsupported(
                "A group of annotations is of a graphic type that DICOM does not have.", code="bad_graphic"
            )
        lengths = np.diff(starts)
        if (
            len(starts) != self._count + 1
            or (lengths < 1).any()
            or starts[-1] != total
            or (len(starts) > 1 and starts[0])
        ):
            raise Invalid("The numbers of objects and points of a group do not agree.", code="bad_points")
        return starts

    def _describe(self) -> tuple[str | None, dict[str, Any]]:
        """Give the group's class, and what else is said of it."""
        group = self._group
        coded = term(group.get("AnnotationPropertyTypeCodeSequence"))
        category = term(group.get("AnnotationPropertyCategoryCodeSequence"))
        label = str(group.get("AnnotationGroupLabel") or "")
        name = coded.meaning if coded is not None else (label or None)
        if name is not None:
            name = require_name(name, "class name")
        # A scheme of our own says no more than the name does.
        self._coded = None if coded is None or coded.system == SCHEME else coded
        self._color = color_of(group)
        about = {
            "group": label or None,
            "uid": str(group.get("AnnotationGroupUID") or "") or None,
            "category": term_json(category),
            "type": term_json(coded),
            "generation": str(group.get("AnnotationGroupGenerationType") or "") or None,
            "description": str(group.get("AnnotationGroupDescription") or "") or None,
            "algorithm": algorithm_of(group, "AnnotationGroupAlgorithmIdentificationSequence"),
        }
        return name, {key: value for key, value in about.items() if value is not None}

    def _measurements(self) -> list[tuple[str, Floats]]:
        """Give name and values (N,) of each measurement; NaN where there is none."""
        found, terms = [], {}
        for item in self._group.get("MeasurementsSequence") or []:
            name, unit = term(item.get("ConceptNameCodeSequence")), term(item.get("MeasurementUnitsCodeSequence"))
            values = item.MeasurementValuesSequence[0]
            numbers = np.frombuffer(values.FloatingPointValues, f"{self._order}f4").astype(np.float64)
            places = values.get("AnnotationIndexList")
            rows = (
                np.arange(self._count) if places is None else np.frombuffer(places, f"{self._order}u4").astype(int) - 1
            )
            if len(rows) != len(numbers) or (len(rows) and not (rows.min() >= 0 and rows.max() < self._count)):
                raise Invalid("The measurements of a group do not fit its objects.", code="bad_measurements")
            label = "value" if name is None else name.meaning
            all_of_them = np.full(self._count, np.nan)
            all_of_them[rows] = numbers
            found.append((label, all_of_them))
            terms[label] = {"name": term_json(name), "unit": term_json(unit)}
        if terms:
            self._about["measurements"] = terms
        return found

    def _lines(self) -> list[bytes]:
        """Give what our own writer says of each object, or nothing."""
        try:
            data = self._group.private_block(PRIVATE_GROUP, PRIVATE)[OURS].value
        except KeyError:
            return []
        lines = data.split(b"\n") if isinstance(data, bytes) else []
        return lines if len(lines) == self._count else []

    def items(self) -> Iterator[Item]:
        """Give the group's objects."""
        for first in range(0, self._count, _BATCH):
            end = min(first + _BATCH, self._count)
            points = self._frame.pixels(self._points[self._starts[first] : self._starts[end]])
            yield from self._some(first, points, self._starts[first : end + 1] - self._starts[first])

    def _some(self, first: int, points: Floats, starts: Integers) -> Iterator[Item]:
        rows = [self._row(first + place) for place in range(len(starts) - 1)]
        lengths = np.diff(starts)
        plain = all(isinstance(row, Row) for row in rows) and lengths.max() <= self._context.max_vertices
        if plain and self._type in ("POINT", "POLYLINE", "POLYGON") and (self._type != "POLYLINE" or lengths.min() > 1):
            yield self._arrays([row for row in rows if isinstance(row, Row)], points, starts)
            return
        for place, row in enumerate(rows):
            if isinstance(row, NewAnnotation | FeatureIssue):
                yield row
            elif row is not None:
                yield self._single(row, points[starts[place] : starts[place + 1]])

    def _row(self, place: int) -> Row | NewAnnotation | FeatureIssue | None:
        """Give what is known of an object beside its points; None when it is part of the one before."""
        ours = self._own[place] if self._own else b""
        if ours:
            found = self._own_row(ours)
            self._note_class(found.class_name if isinstance(found, Row | NewAnnotation) else None)
            return found
        self._note_class(self._name)
        properties: dict[str, Any] = {"dicom": self._about} if self._about else {}
        measured = {name: float(values[place]) for name, values in self._measured if np.isfinite(values[place])}
        if measured:
            properties = {**properties, "measurements": measured}
        return Row(None, self._name, properties)

    def _note_class(self, name: str | None) -> None:
        if name is None:
            return
        if self._coded is not None:
            self._context.codes.setdefault(name, self._coded)
        if self._color is not None:
            self._context.colors.setdefault(name, self._color)

    def _own_row(self, text: bytes) -> Row | NewAnnotation | FeatureIssue | None:
        try:
            ours = orjson.loads(text)
        except orjson.JSONDecodeError:
            ours = None
        if not isinstance(ours, dict):
            return FeatureIssue(0, "damaged", "What PathServe wrote of an object cannot be read.")
        if ours.get("part"):
            return None
        given = {"id": ours.get("id"), "class": ours.get("class"), "properties": ours.get("properties")}
        row = read_row(given, self._context, class_in="class")
        geometry = ours.get("geometry")
        if isinstance(row, Row) and isinstance(geometry, dict):
            return NewAnnotation(geometry, row.id, row.class_name, properties=row.properties)
        return row

    def _arrays(self, rows: Sequence[Row], points: Floats, starts: Integers) -> Columns:
        count = len(rows)
        each = np.arange(count + 1)
        if self._type == "POLYGON":
            # Rings are open in DICOM.
            closing = starts[1:]
            points = np.insert(points, closing, points[starts[:-1]], axis=0)
            starts = starts + each
        kind = {"POINT": GeometryKind.POINT, "POLYLINE": GeometryKind.LINE}.get(self._type, GeometryKind.POLYGON)
        kinds = np.full(count, kind, np.uint8)
        return columns_of(rows, kinds=kinds, xy=points, ring_starts=starts, part_starts=each, starts=each)

    def _single(self, row: Row, points: Floats) -> NewAnnotation | FeatureIssue:
        if len(points) > self._context.max_vertices:
            return FeatureIssue(0, "too_many_vertices", "The geometry has too many vertices.")
        ring, properties = points.tolist(), row.properties
        kind = "LineString" if self._type == "POLYLINE" and len(ring) > 1 else "Polygon"
        if self._type == "POINT" or (self._type == "POLYLINE" and len(ring) == 1):
            kind = "Point"
        if self._type == "RECTANGLE":
            properties = {**properties, SHAPE: "rectangle"}
        elif self._type == "ELLIPSE":
            made = _ellipse(points)
            if made is None:
                return FeatureIssue(0, "bad_ellipse", "The axes of an ellipse do not lie across each other.")
            ring, value = made
            properties = {**properties, ELLIPSE: value}
        coordinates: Any = ring[0] if kind == "Point" else ring
        if kind == "Polygon":
            coordinates = [ring if ring[0] == ring[-1] and len(ring) > 3 else [*ring, ring[0]]]
        made_row = replace(row, properties=properties)
        geometry = {"type": kind, "coordinates": coordinates}
        return NewAnnotation(geometry, made_row.id, made_row.class_name, properties=made_row.properties)


def _ellipse(points: Floats) -> tuple[list[list[float]], dict[str, Any]] | None:
    """Make a ring of the ends of the long axis and of the short one."""
    long_axis, short_axis = points[1] - points[0], points[3] - points[2]
    centre = points.mean(axis=0)
    radii = float(np.hypot(*long_axis)) / 2, float(np.hypot(*short_axis)) / 2
    if min(radii) <= 0 or not np.isfinite(points).all() or abs(long_axis @ short_axis) > 0.01 * 4 * radii[0] * radii[1]:
        return None
    rotation = math.degrees(math.atan2(long_axis[1], long_axis[0]))
    shape = (float(centre[0]), float(centre[1]), *radii, rotation)
    return ellipse_ring(*shape), ellipse_property(*shape)
