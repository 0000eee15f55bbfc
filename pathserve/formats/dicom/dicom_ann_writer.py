"""Writes DICOM Microscopy Bulk Simple Annotations: a group for each class and type of shape.

DICOM has no holes, objects of several parts, ids of single objects or properties that are no measurements. What others
read is the outer outlines, each an object; what our own reader needs to have the object back stands in a private
element of its group, a line of JSON for each object.
"""

from array import array
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import orjson
import shapely
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from pathserve.errors import TooLarge
from pathserve.formats.contract import Losses, WriteContext
from pathserve.formats.dicom.cielab import to_cielab
from pathserve.formats.dicom.dicom import ANNOTATIONS
from pathserve.formats.dicom.dicom_file import (
    new_file,
    reference,
    term_of_json,
    term_sequence,
    write_algorithm,
    write_file,
    write_label,
)
from pathserve.formats.tables.attributes import note_drawn, own_columns
from pathserve.formats.tables.wkb import shapes_of
from pathserve.formats.tools.drawn_shapes import ELLIPSE, SHAPE, box_of, ellipse_of, rectangle_ring
from pathserve.labels import AnnotationClass, CodedTerm, Columns, GeometryKind

PRIVATE_GROUP, PRIVATE, OURS = 0x0077, "PATHSERVE 1", 0x01

MAX_BYTES = 2**31
"""Most bytes of a file; it is held in memory until all groups are complete."""

_CATEGORY = CodedTerm("SCT", "91723000", "Anatomical Structure")
SCHEME = "99PATHSERVE"
"""Scheme of classes that have no coded term."""

_NO_CLASS = "unclassified"
_BATCH = 1024
_SIMPLE = {int(GeometryKind.POINT): "POINT", int(GeometryKind.LINE): "POLYLINE", int(GeometryKind.POLYGON): "POLYGON"}

Points = npt.NDArray[np.float64]
Piece = tuple[str, Points]


def write_annotations(batches: Iterator[Columns], out: BinaryIO, context: WriteContext) -> None:
    """Write a file; memory holds its coordinates."""
    groups: dict[bytes, _Group] = {}
    classes = {known.name: known for known in context.schema}
    size = 0
    for columns in batches:
        note_drawn(columns, context.losses)
        for first in range(0, len(columns), _BATCH):
            size += _add(columns.take(np.arange(first, min(first + _BATCH, len(columns)))), groups, context)
            if size > MAX_BYTES:
                raise TooLarge(
                    "DICOM annotations have at most 2 GiB; export fewer, or another format.", code="file_too_large"
                )
    made, _, instance = new_file(ANNOTATIONS, "ANN", context)
    made.Laterality = ""
    made.ReferencedImageSequence = Sequence([reference(instance)])
    made.AnnotationCoordinateType = "2D"
    made.PixelOriginInterpretation = "VOLUME"
    used: set[str] = set()
    made.AnnotationGroupSequence = Sequence(
        [group.item(number, classes, used, context.losses) for number, group in enumerate(groups.values(), 1)]
    )
    write_file(made, out)


def _add(columns: Columns, groups: dict[bytes, "_Group"], context: WriteContext) -> int:
    """Add some annotations to their groups; gives about how many bytes they took."""
    shapes, size = shapes_of(columns, context.losses), 0
    own = own_columns(columns, context)
    for row in range(len(columns)):
        properties = orjson.loads(columns.properties[row] or b"{}")
        pieces, whole = _pieces(columns, row, shapes[row], properties)
        name = own["class_name"][row]
        ours: dict[str, Any] = {"id": own["id"][row], "class": name, "properties": properties}
        if not whole:
            ours["geometry"] = columns.geometry(row)
        if properties or not whole:
            context.losses.note(
                "private_members", "Properties, holes and parts are held in elements of PathServe's own."
            )
        about = properties.get("dicom")
        stated = (
            {key: value for key, value in about.items() if key != "measurements"} if isinstance(about, dict) else {}
        )
        line = orjson.dumps(ours)
        for place, (graphic, points) in enumerate(pieces):
            key = orjson.dumps([name, graphic, stated])
            if key not in groups:
                groups[key] = _Group(name, graphic, about if isinstance(about, dict) else {})
            text = line if place == 0 else b'{"part":true}'
            groups[key].add(points, text, properties if place == 0 else {})
            size += points.nbytes + len(text)
    return size


def _pieces(columns: Columns, row: int, shape: Any, properties: Mapping[str, Any]) -> tuple[list[Piece], bool]:  # noqa: ANN401
    """Take a geometry apart into what DICOM has; tells also whether its one piece is all of it."""
    kind = int(columns.kinds[row])
    if row in columns.geometries or kind not in _SIMPLE:
        return [_piece(part) for part in _single(shape)], False
    part = columns.starts[row]
    ring, end = columns.part_starts[part], columns.part_starts[part + 1]
    points = columns.xy[columns.ring_starts[ring] : columns.ring_starts[ring + 1]]
    if kind != GeometryKind.POLYGON:
        return [(_SIMPLE[kind], points)], True
    if ELLIPSE in properties or SHAPE in properties:
        drawn = _drawn(columns.geometry(row), properties)
        if drawn is not None:
            return [drawn], drawn[0] == "RECTANGLE"
    # Rings are open in DICOM.
    return [("POLYGON", points[:-1])], bool(end - ring == 1)


def _drawn(geometry: Mapping[str, Any], properties: Mapping[str, Any]) -> Piece | None:
    """Give the ellipse or the rectangle that a polygon was drawn as, if it still is."""
    ellipse, box = ellipse_of(properties, geometry), box_of(properties, geometry)
    if ellipse is not None:
        x, y, rx, ry, rotation = ellipse
        long, short, turn = (rx, ry, rotation) if rx >= ry else (ry, rx, rotation + 90)
        corners = np.array(rectangle_ring(0, 0, 2 * long, 2 * short, turn))
        # The ends of the long axis, then those of the short one: the middles of opposite sides.
        middles = (corners[[3, 1, 0, 2]] + corners[[0, 2, 1, 3]]) / 2
        return "ELLIPSE", middles + np.array((x, y))
    return None if box is None else ("RECTANGLE", np.array(geometry["coordinates"][0][:4], np.float64))


def _single(shape: Any) -> Iterator[Any]:  # noqa: ANN401 - of shapely
    for part in shapely.get_parts(shape):
        if hasattr(part, "geoms"):
            yield from _single(part)
        else:
            yield part


def _piece(part: Any) -> Piece:  # noqa: ANN401 - of shapely
    if part.geom_type == "Polygon":
        # Rings are open in DICOM.
        return "POLYGON", shapely.get_coordinates(part.exterior)[:-1]
    return "POINT" if part.geom_type == "Point" else "POLYLINE", shapely.get_coordinates(part)


class _Group:
    """Objects of one class and one type of shape; holds the bytes that are to be written, and little else."""

    def __init__(self, name: str | None, graphic: str, about: Mapping[str, Any]) -> None:
        self._name, self._graphic, self._about = name, graphic, about
        self._points, self._lines = bytearray(), bytearray()
        self._starts = array("L")
        self._is_single = True
        self._measured: dict[str, tuple[list[int], list[float]]] = {}

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, points: Points, line: bytes, properties: Mapping[str, Any]) -> None:
        """Add one object."""
        # An index is of a number, from 1.
        self._starts.append(len(self._points) // 8 + 1)
        self._points += points.tobytes()
        self._is_single = self._is_single and bool((points.astype(np.float32) == points).all())
        if self._lines:
            self._lines += b"\n"
        self._lines += line
        terms, values = self._about.get("measurements"), properties.get("measurements")
        if not isinstance(terms, dict) or not isinstance(values, dict):
            return
        for name, value in values.items():
            if name in terms and isinstance(value, int | float) and not isinstance(value, bool):
                rows, numbers = self._measured.setdefault(name, ([], []))
                rows.append(len(self))
                numbers.append(float(value))

    def item(self, number: int, classes: Mapping[str, AnnotationClass], used: set[str], losses: Losses) -> Dataset:
        """Make the group's item."""
        made, about = Dataset(), self._about
        made.AnnotationGroupNumber = number
        uid = str(about.get("uid") or "")
        made.AnnotationGroupUID = uid if uid and uid not in used else generate_uid(prefix=None)
        used.add(str(made.AnnotationGroupUID))
        made.AnnotationGroupLabel = write_label(str(about.get("group") or self._name or _NO_CLASS), losses)
        if about.get("description"):
            made.AnnotationGroupDescription = str(about["description"])
        algorithm = write_algorithm(about.get("algorithm"))
        made.AnnotationGroupGenerationType = "MANUAL"
        if algorithm is not None:
            automatic = about.get("generation") != "SEMIAUTOMATIC"
            made.AnnotationGroupGenerationType = "AUTOMATIC" if automatic else "SEMIAUTOMATIC"
            made.AnnotationGroupAlgorithmIdentificationSequence = algorithm
        name = self._name or _NO_CLASS
        known = classes.get(self._name or "")
        coded = (known and known.code) or term_of_json(about.get("type")) or CodedTerm(SCHEME, name[:16], name)
        made.AnnotationPropertyCategoryCodeSequence = term_sequence(term_of_json(about.get("category")) or _CATEGORY)
        made.AnnotationPropertyTypeCodeSequence = term_sequence(coded)
        if known is not None:
            made.RecommendedDisplayCIELabValue = to_cielab(known.color)
        made.AnnotationAppliesToAllOpticalPaths = "YES"
        made.NumberOfAnnotations = len(self)
        made.GraphicType = self._graphic
        self._write_points(made)
        self._write_measurements(made)
        block = made.private_block(PRIVATE_GROUP, PRIVATE, create=True)
        # A value has an even length; a blank behind JSON is none of it.
        block.add_new(OURS, "OB", bytes(self._lines + b" " * (len(self._lines) % 2)))
        return made

    def _write_points(self, made: Dataset) -> None:
        # Half as long where nothing is lost by it.
        if self._is_single:
            made.PointCoordinatesData = np.frombuffer(self._points, np.float64).astype("<f4").tobytes()
        else:
            made.DoublePointCoordinatesData = np.frombuffer(self._points, np.float64).astype("<f8").tobytes()
        if self._graphic in ("POLYGON", "POLYLINE"):
            made.LongPrimitivePointIndexList = np.array(self._starts, "<u4").tobytes()

    def _write_measurements(self, made: Dataset) -> None:
        items = []
        for name, (rows, numbers) in self._measured.items():
            stated = self._about["measurements"][name]
            meaning, unit = (
                term_of_json(stated.get(key)) if isinstance(stated, dict) else None for key in ("name", "unit")
            )
            if meaning is None or unit is None:
                continue
            values = Dataset()
            values.FloatingPointValues = np.array(numbers, "<f4").tobytes()
            if len(rows) < len(self):
                values.AnnotationIndexList = np.array(rows, "<u4").tobytes()
            item = Dataset()
            item.ConceptNameCodeSequence, item.MeasurementUnitsCodeSequence = (
                term_sequence(meaning),
                term_sequence(unit),
            )
            item.MeasurementValuesSequence = Sequence([values])
            items.append(item)
        if items:
            made.MeasurementsSequence = Sequence(items)
