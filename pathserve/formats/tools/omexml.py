"""Regions of interest (``ROI``) of OME-XML 2016-06.

https://www.openmicroscopy.org/Schemas/OME/2016-06: a ROI is a union of shapes, in pixels of its image. No shape has a
hole, and no place is there for a class: our writer puts the class into each shape's ``Text``, which OMERO shows, and
all else as JSON into the ROI's ``Description``, where our reader finds it. Masks are one bit a pixel, highest bit
first (some files have one byte a pixel, as the number of bytes tells); their areas become polygons along pixels' edges.
"""

import base64
import binascii
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pathserve.errors import Invalid, PathServeError, TooLarge, Unsupported
from pathserve.formats.contract import Format, Item, ReadContext, WriteContext
from pathserve.formats.tools import drawn_shapes as shapes
from pathserve.formats.tools import number_texts, pieces, reading
from pathserve.formats.tools.colors import packed_rgba, rgba_color
from pathserve.formats.tools.marks import Mark
from pathserve.formats.tools.pieces import Part, Piece
from pathserve.formats.tools.xml_events import Element, attribute, number, opening_tags, read_elements, text
from pathserve.labels import Columns, FeatureIssue, NewAnnotation
from pathserve.masks.vectorize import vectorize

MAX_MASK_PIXELS = 64 * 1024 * 1024
"""Pixels of one mask."""

_NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_PLACED = frozenset(("X", "Y", "X1", "Y1", "X2", "Y2", "RadiusX", "RadiusY", "Width", "Height", "Points", "Text"))
_AFFINE = ("A00", "A01", "A02", "A10", "A11", "A12")
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_BLACK = (0, 0, 0)


def recognise(head: bytes) -> bool:
    """Tell by the outermost element."""
    tags = opening_tags(head)
    return bool(tags) and tags[0][0] == "OME"


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file's regions of interest; pictures and all else in it are passed over."""
    return reading.limited(pieces.join(_read(path, context)), context)


def _read(path: Path, context: ReadContext) -> Iterator[Part | FeatureIssue]:
    for found in read_elements(path, records=("ROI",)):
        roi = found.element
        union = roi.child("Union")
        drawn = [] if union is None else union.children
        if any(child.name == "AnnotationRef" for child in roi.children):
            context.losses.note("annotations_dropped", "Structured annotations of ROIs are left out.")
        marks = _marks(roi)
        if len(drawn) > 1 and not marks:
            context.losses.note("parts_split", "ROIs of several shapes became one object for each shape.")
        for index, shape in enumerate(drawn):
            mark = marks[index] if len(marks) == len(drawn) else None
            try:
                yield _part(roi, shape, mark, context)
            except PathServeError as error:
                yield FeatureIssue(0, error.code, error.message)


def _marks(roi: Element) -> list[Mark]:
    """Give our marks of a ROI's shapes: the first as it is written, the others follow from which are holes."""
    first = Mark.parse(roi.text_of("Description"))
    if first is None or first.piece != 0 or first.of > len(roi.children) + 1_000_000:
        return []
    union = roi.child("Union")
    drawn = [] if union is None else union.children
    if len(drawn) != first.of:
        return []
    return [first] + [
        Mark(first.id, first.type, index, first.of, shape.get("ID").endswith(":hole"))
        for index, shape in enumerate(drawn[1:], start=1)
    ]


def _part(roi: Element, shape: Element, mark: Mark | None, context: ReadContext) -> Part:
    properties: dict[str, Any] = {}
    label = shape.get("Text")
    name = roi.get("Name") or ("" if mark else label)
    reading.set_text(properties, pieces.NAME, name)
    if mark is None:
        reading.set_text(properties, pieces.DESCRIPTION, roi.text_of("Description"))
    kept: dict[str, Any] = {key: value for key, value in shape.attributes.items() if key not in _PLACED}
    refs = [child.get("ID") for child in roi.children if child.name == "AnnotationRef"]
    properties["ome"] = {"roi": dict(roi.attributes), "shape": kept} | ({"annotations": refs} if refs else {})
    geometry = _geometry(shape, properties, context)
    class_name = reading.read_class(label) if mark else None
    color = None if class_name is None else rgba_color(shape.get("StrokeColor"))
    return Part(NewAnnotation(geometry, None, class_name, color, properties), mark)


def _geometry(shape: Element, properties: dict[str, Any], context: ReadContext) -> dict[str, Any]:
    """Read a shape, its transform applied."""
    affine = _affine(shape)
    geometry = _Shapes(shape, properties, context).read()
    if affine == _IDENTITY:
        return geometry
    properties.pop(shapes.ELLIPSE, None)
    if affine[1] or affine[3]:
        properties.pop(shapes.SHAPE, None)
    properties["ome"]["transform"] = dict(zip(_AFFINE, affine, strict=True))
    return {**geometry, "coordinates": _moved(geometry["coordinates"], affine)}


def _affine(shape: Element) -> tuple[float, ...]:
    transform = shape.child("Transform")
    if transform is None:
        return _IDENTITY
    affine = tuple(number(transform.get(name)) for name in _AFFINE)
    if not all(map(math.isfinite, affine)):
        raise Invalid("The transform of the shape has numbers that are missing or not finite.", code="bad_transform")
    return affine


def _moved(coordinates: Any, affine: tuple[float, ...]) -> Any:  # noqa: ANN401 - depth goes by geometry type
    if isinstance(coordinates[0], list):
        return [_moved(inner, affine) for inner in coordinates]
    x, y = coordinates
    a00, a01, a02, a10, a11, a12 = affine
    return [a00 * x + a01 * y + a02, a10 * x + a11 * y + a12]


class _Shapes:
    """Reads one shape."""

    def __init__(self, shape: Element, properties: dict[str, Any], context: ReadContext) -> None:
        self._shape, self._properties, self._context = shape, properties, context

    def read(self) -> dict[str, Any]:
        """Give its geometry, before its transform."""
        match self._shape.name:
            case "Point" | "Label":
                if self._shape.name == "Label":
                    self._properties[shapes.SHAPE] = "label"
                return {"type": "Point", "coordinates": self._numbers("X", "Y")}
            case "Line":
                arrow = "Arrow" in (self._shape.get("MarkerStart"), self._shape.get("MarkerEnd"))
                self._properties[shapes.SHAPE] = "arrow" if arrow else "line"
                return {"type": "LineString", "coordinates": [self._numbers("X1", "Y1"), self._numbers("X2", "Y2")]}
            case "Polyline":
                return {"type": "LineString", "coordinates": self._points()}
            case "Polygon":
                return reading.polygon(self._points())
            case "Rectangle":
                x, y, width, height = self._numbers("X", "Y", "Width", "Height")
                self._properties[shapes.SHAPE] = "rectangle"
                return {"type": "Polygon", "coordinates": [shapes.box_ring(x, y, x + width, y + height)]}
            case "Ellipse":
                return self._ellipse()
            case "Mask":
                return self._mask()
            case _:
                raise Unsupported("The shape is none that OME-XML of 2016-06 has.", code="unknown_shape")

    def _numbers(self, *names: str) -> list[float]:
        found = [number(self._shape.get(name)) for name in names]
        if not all(map(math.isfinite, found)):
            raise Invalid("The shape has a coordinate that is missing or no finite number.", code="out_of_range")
        return found

    def _points(self) -> shapes.Ring:
        numbers = reading.read_numbers(self._shape.get("Points"), ",", self._context)
        if len(numbers) % 2:
            raise Invalid("The points of the shape are not pairs of numbers.", code="bad_coordinates")
        return reading.positions(numbers)

    def _ellipse(self) -> dict[str, Any]:
        x, y, rx, ry = self._numbers("X", "Y", "RadiusX", "RadiusY")
        ring = shapes.ellipse_ring(x, y, rx, ry)
        self._properties[shapes.ELLIPSE] = shapes.ellipse_property(x, y, rx, ry)
        note = "Curves became polygons that differ from them by at most 0.1 px."
        self._context.losses.note("curve_flattened", note)
        return {"type": "Polygon", "coordinates": [ring]}

    def _mask(self) -> dict[str, Any]:
        x, y, width, height = self._numbers("X", "Y", "Width", "Height")
        if not (width.is_integer() and height.is_integer() and width >= 1 and height >= 1):
            raise Invalid("A mask needs whole pixels.", code="bad_mask")
        if width * height > MAX_MASK_PIXELS:
            raise TooLarge(f"A mask may have at most {MAX_MASK_PIXELS:,} pixels.", code="mask_too_large")
        self._context.losses.note("mask_traced", "Masks became polygons along the edges of their pixels.")
        traced = vectorize(_pixels(self._shape, int(width), int(height)), merge=True)
        if len(traced.starts) < 2:
            raise Invalid("The mask is empty.", code="empty_geometry")
        xy = np.add(traced.xy, (x, y)).tolist()
        polygons = [
            [
                xy[traced.ring_starts[ring] : traced.ring_starts[ring + 1]]
                for ring in range(traced.part_starts[part], traced.part_starts[part + 1])
            ]
            for part in range(len(traced.part_starts) - 1)
        ]
        if len(polygons) == 1:
            return {"type": "Polygon", "coordinates": polygons[0]}
        return {"type": "MultiPolygon", "coordinates": polygons}


def _pixels(shape: Element, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Unpack a mask; (h, w)."""
    data = shape.child("BinData")
    if data is None:
        raise Invalid("The mask has no pixels.", code="bad_mask")
    try:
        packed = base64.b64decode("".join(data.text.split()), validate=True)
        if data.get("Compression", "none") == "zlib":
            packed = zlib.decompressobj().decompress(packed, width * height + 1)
        elif data.get("Compression", "none") != "none":
            raise Unsupported("The mask is compressed in a way that is not read.", code="bad_mask")
    except (binascii.Error, zlib.error, ValueError):
        raise Invalid("The pixels of the mask cannot be read.", code="bad_mask") from None
    flat = np.frombuffer(packed, np.uint8)
    count = width * height
    if len(flat) == -(-count // 8):
        flat = np.unpackbits(flat)[:count]
    elif len(flat) != count:
        raise Invalid("The mask has more or fewer pixels than it says.", code="bad_mask")
    pixels: npt.NDArray[np.uint8] = (flat != 0).astype(np.uint8).reshape(height, width)
    return pixels


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write a file: one ROI for each annotation, with its class as the text of its shapes."""
    file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<OME xmlns="{_NAMESPACE}">\n'.encode())
    for count, row in enumerate(pieces.rows(blocks, context, marked=True), start=1):
        annotation = row.annotation
        split = pieces.split(row, context, points=False, marked=True)
        if not split:
            context.losses.leave_out("empty_dropped", "Objects without any position are left out.")
            continue
        pieces.note_split(split, context)
        lines = [f'<ROI ID="ROI:{count}" Name={attribute(row.name)}>\n<Union>\n']
        for index, piece in enumerate(split):
            identity = f"Shape:{count}:{index}" + (":hole" if piece.hole else "")
            style = f'ID="{identity}" Text={attribute(annotation.class_name or "")}'
            style += f' StrokeColor="{packed_rgba(annotation.class_color or _BLACK)}"'
            lines.append(_shape(piece, annotation.properties, annotation.geometry, style))
        mark = pieces.marks(row, split)[0]
        lines.append(f"</Union>\n<Description>{text(mark.text())}</Description>\n</ROI>\n")
        file.write("".join(lines).encode())
    file.write(b"</OME>\n")


def _shape(piece: Piece, properties: Mapping[str, Any], geometry: Mapping[str, Any], style: str) -> str:
    if piece.kind == "Point":
        x, y = piece.positions[0]
        kind = "Label" if properties.get(shapes.SHAPE) == "label" else "Point"
        return f'<{kind} {style} X="{x}" Y="{y}"/>\n'
    if piece.kind == "LineString":
        return _line(piece, properties, style)
    ellipse = shapes.ellipse_of(properties, geometry)
    if ellipse is not None and ellipse[4] == 0:
        x, y, rx, ry, _ = ellipse
        return f'<Ellipse {style} X="{x}" Y="{y}" RadiusX="{rx}" RadiusY="{ry}"/>\n'
    box = shapes.box_of(properties, geometry)
    if box is not None and box[0] < box[2] and box[1] < box[3]:
        x0, y0, x1, y1 = box
        if x0 + (x1 - x0) == x1 and y0 + (y1 - y0) == y1:
            return f'<Rectangle {style} X="{x0}" Y="{y0}" Width="{x1 - x0}" Height="{y1 - y0}"/>\n'
    return f'<Polygon {style} Points="{number_texts.joined(shapes.open_ring(piece.positions))}"/>\n'


def _line(piece: Piece, properties: Mapping[str, Any], style: str) -> str:
    hint = properties.get(shapes.SHAPE)
    if len(piece.positions) == 2 and hint in ("line", "arrow"):
        (x1, y1), (x2, y2) = piece.positions
        arrow = ' MarkerStart="Arrow"' if hint == "arrow" else ""
        return f'<Line {style} X1="{x1}" Y1="{y1}" X2="{x2}" Y2="{y2}"{arrow}/>\n'
    return f'<Polyline {style} Points="{number_texts.joined(piece.positions)}"/>\n'


OMEXML = Format("omexml", "OME-XML ROI", (".ome.xml",), "application/xml", recognise, read, write)
