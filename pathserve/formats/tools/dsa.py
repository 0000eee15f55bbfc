"""Annotations of HistomicsUI and the Digital Slide Archive (large_image's annotation schema), also as ``.anot`` files.

https://github.com/girder/large_image, girder_annotation/girder_large_image_annotation/models/annotation.py: a document
with ``elements`` in level-0 pixels; the same within ``annotation``, as the server gives it; a list of either; or a list
of elements. Closed polylines have holes. ``rotation`` is in radians, from the x axis towards the y axis (as the
project's own conversion to GeoJSON does it). Shapes may have no other members than the schema's, but for ``user``.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from pathserve.errors import Invalid, PathServeError, Unsupported
from pathserve.formats.contract import HEAD_BYTES, Format, Item, ReadContext, WriteContext
from pathserve.formats.ids import ORIGINAL_ID
from pathserve.formats.json_head import Outline
from pathserve.formats.tools import drawn_shapes as shapes
from pathserve.formats.tools import pieces, reading
from pathserve.formats.tools.colors import parse_color
from pathserve.formats.tools.json_stream import ITEMS, outline_of_first, read_items
from pathserve.formats.tools.marks import Mark
from pathserve.formats.tools.pieces import Part, Piece, Row
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

TYPES = frozenset(
    (
        *("point", "arrow", "circle", "ellipse", "polyline", "rectangle", "rectanglegrid"),
        *("heatmap", "griddata", "image", "pixelmap"),
    )
)
"""Types of elements."""

_MARK = "pathserve"
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_STYLE = ("lineWidth", "fillColor")
_PLACED = frozenset(
    (
        "type",
        "center",
        "points",
        "holes",
        "closed",
        "radius",
        "width",
        "height",
        "rotation",
        "id",
        "group",
        "label",
        "user",
    )
)


def recognise(head: bytes) -> bool:
    """Tell by ``elements``, or by a list whose first object is of a type that elements have."""
    found, route = outline_of_first(head)
    if route and found.members.get("type") in TYPES:
        return True
    if "elements" in found.members:
        kind = found.first.get("elements", Outline()).members.get("type")
        return kind is None or kind in TYPES
    return "annotation" in found.members and "elements" in found.first.get("annotation", Outline()).members


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file."""
    return reading.limited(pieces.join(_read(path, context)), context)


def _read(path: Path, context: ReadContext) -> Iterator[Part | FeatureIssue]:
    with path.open("rb") as file:
        route, document = _route(file.read(HEAD_BYTES))
    if document is None and route != ITEMS:
        context.losses.note("document_name", "Names of the documents that a list holds are left out.")
    for element in read_items(path, route):
        try:
            yield _part(element, document or {}, context)
        except PathServeError as error:
            yield FeatureIssue(0, error.code, error.message)


def _route(head: bytes) -> tuple[str, dict[str, str] | None]:
    """Tell where elements stand, and name and description of the document when there is one."""
    found, within = outline_of_first(head)
    if within and found.members.get("type") in TYPES:
        return ITEMS, None
    if "elements" not in found.members:
        found = found.first.get("annotation", Outline())
        within += "annotation."
    texts = {name: value for name in ("name", "description") if (value := found.members.get(name))}
    return f"{within}elements.{ITEMS}", None if within.startswith(ITEMS) else texts


def _part(element: object, documents: Mapping[str, str], context: ReadContext) -> Part:
    if not isinstance(element, dict):
        raise Invalid("This is not an element of an annotation.", code="not_an_element")
    properties: dict[str, Any] = {}
    group, label = element.get("group"), element.get("label")
    value = label.get("value") if isinstance(label, dict) else label
    if isinstance(value, str):
        reading.set_text(properties, pieces.NAME, value)
    kept: dict[str, Any] = {key: part for key, part in element.items() if key not in _PLACED}
    if isinstance(label, dict) and len(label) > 1:
        kept["label"] = {key: part for key, part in label.items() if key != "value"}
    user = element.get("user")
    mark = None
    if isinstance(user, dict):
        mark = Mark.parse(user.get(_MARK))
        rest = {key: part for key, part in user.items() if key != _MARK or mark is None}
        if rest:
            kept["user"] = rest
    geometry = _Shapes(element, properties, kept, context).read()
    if documents:
        kept["annotation"] = dict(documents)
    if kept:
        properties["dsa"] = kept
    name = reading.read_class(group) or (None if mark is not None else reading.class_from_label(value))
    annotation = NewAnnotation(
        geometry=geometry,
        id=reading.read_id(element.get("id"), properties),
        class_name=name,
        class_color=None if name is None else parse_color(element.get("lineColor")),
        properties=properties,
    )
    return Part(annotation, mark)


class _Shapes:
    """Reads the geometry of one element."""

    def __init__(
        self, element: dict[str, Any], properties: dict[str, Any], kept: dict[str, Any], context: ReadContext
    ) -> None:
        self._element, self._properties, self._kept, self._context = element, properties, kept, context

    def read(self) -> dict[str, Any]:
        """Give the geometry."""
        kind = self._element.get("type")
        match kind:
            case "point":
                return {"type": "Point", "coordinates": self._position(self._element.get("center"))}
            case "polyline":
                return self._polyline()
            case "arrow":
                self._properties[shapes.SHAPE] = "arrow"
                return {"type": "LineString", "coordinates": self._ring(self._element.get("points"))}
            case "rectangle" | "rectanglegrid":
                self._properties[shapes.SHAPE] = "rectangle"
                if kind == "rectanglegrid":
                    self._kept["type"] = kind
                (x, y), width, height, turned = self._box()
                if turned:
                    self._kept["rotation"] = turned
                    return self._area(shapes.rectangle_ring(x, y, width, height, math.degrees(turned)))
                x0, y0 = x - width / 2, y - height / 2
                return self._area(shapes.box_ring(x0, y0, x + width / 2, y + height / 2))
            case "circle":
                x, y = self._position(self._element.get("center"))
                radius = _number(self._element.get("radius"))
                return self._ellipse(x, y, radius, radius, 0.0)
            case "ellipse":
                (x, y), width, height, turned = self._box()
                return self._ellipse(x, y, width / 2, height / 2, math.degrees(turned))
            case "heatmap" | "griddata" | "image" | "pixelmap":
                raise Unsupported("Heat maps, grids, images and pixel maps are no outlines.", code="not_an_outline")
            case _:
                raise Invalid("The type of the element is none that annotations have.", code="unknown_shape")

    def _polyline(self) -> dict[str, Any]:
        points = self._ring(self._element.get("points"))
        if self._element.get("closed") is not True:
            return {"type": "LineString", "coordinates": points}
        if len(points) < 3:
            return reading.polygon(points)
        holes = self._element.get("holes") or []
        if not isinstance(holes, list):
            raise Invalid("The holes of the element are no array.", code="bad_coordinates")
        rings = [shapes.close_ring(ring) for ring in (points, *(self._ring(hole) for hole in holes))]
        return {"type": "Polygon", "coordinates": rings}

    def _ellipse(self, x: float, y: float, rx: float, ry: float, rotation: float) -> dict[str, Any]:
        ring = shapes.ellipse_ring(x, y, rx, ry, rotation)
        self._properties[shapes.ELLIPSE] = shapes.ellipse_property(x, y, rx, ry, rotation)
        note = "Curves became polygons that differ from them by at most 0.1 px."
        self._context.losses.note("curve_flattened", note)
        return self._area(ring)

    def _area(self, ring: shapes.Ring) -> dict[str, Any]:
        return {"type": "Polygon", "coordinates": [ring]}

    def _box(self) -> tuple[list[float], float, float, float]:
        center = self._position(self._element.get("center"))
        width, height = _number(self._element.get("width")), _number(self._element.get("height"))
        return center, width, height, _number(self._element.get("rotation", 0))

    def _ring(self, points: object) -> shapes.Ring:
        if not isinstance(points, list) or not points:
            raise Invalid("The element has no points.", code="no_geometry")
        reading.check_count(len(points), self._context)
        return [self._position(point) for point in points]

    def _position(self, point: object) -> list[float]:
        if not isinstance(point, list) or len(point) not in (2, 3):
            raise Invalid("A position needs two or three numbers.", code="bad_coordinates")
        x, y, *rest = (_number(part) for part in point)
        if rest and rest[0] != 0:
            self._context.losses.note("height_dropped", "Positions of more than two numbers keep the first two.")
        return [x, y]


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid("A position must consist of numbers.", code="bad_coordinates")
    return float(value)


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write one document; what elements cannot hold stands in their ``user``."""
    file.write(b'{"name":"PathServe","description":"","elements":[\n')
    separator = b""
    for row in pieces.rows(blocks, context, marked=True):
        groups = _grouped(pieces.split(row, context, points=False, marked=True))
        if len(groups) > 1:
            context.losses.note("parts_split", "Objects of several parts became one object for each part.")
        for group, mark in zip(groups, pieces.marks(row, [group[0] for group in groups]), strict=True):
            element = _element(group, row, alone=len(groups) == 1)
            user = element.get("user")
            element["user"] = {**(user if isinstance(user, dict) else {}), _MARK: orjson.Fragment(mark.text())}
            file.write(separator + orjson.dumps(element))
            separator = b",\n"
    file.write(b"\n]}\n")


def _grouped(split: list[Piece]) -> list[list[Piece]]:
    """Put holes to the ring before them."""
    groups: list[list[Piece]] = []
    for piece in split:
        if piece.hole and groups:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return groups


def _element(group: list[Piece], row: Row, *, alone: bool) -> dict[str, Any]:
    annotation = row.annotation
    kept = annotation.properties.get("dsa")
    element = _shape(group, annotation, alone=alone)
    if isinstance(kept, Mapping):
        element |= {name: kept[name] for name in _STYLE if name in kept}
        if isinstance(kept.get("user"), Mapping):
            element["user"] = dict(kept["user"])
    original = annotation.properties.get(ORIGINAL_ID)
    if isinstance(original, str) and _OBJECT_ID.fullmatch(original) and alone:
        element["id"] = original
    if annotation.class_name is not None:
        element["group"] = annotation.class_name
        if annotation.class_color is not None:
            element["lineColor"] = "rgb({}, {}, {})".format(*annotation.class_color)
    name = annotation.properties.get(pieces.NAME)
    if isinstance(name, str) and name:
        element["label"] = {"value": name}
    return element


def _shape(group: list[Piece], annotation: NewAnnotation, *, alone: bool) -> dict[str, Any]:
    piece = group[0]
    if piece.kind == "Point":
        return {"type": "point", "center": _flat(piece.positions)[0]}
    if piece.kind == "LineString":
        arrow = annotation.properties.get(shapes.SHAPE) == "arrow" and len(piece.positions) == 2
        return {"type": "arrow" if arrow else "polyline", "points": _flat(piece.positions)}
    ellipse = shapes.ellipse_of(annotation.properties, annotation.geometry) if alone else None
    if ellipse is not None:
        x, y, rx, ry, rotation = ellipse
        if rx == ry and rotation == 0:
            return {"type": "circle", "center": [x, y, 0], "radius": rx}
        size = {"width": 2 * rx, "height": 2 * ry, "rotation": math.radians(rotation)}
        return {"type": "ellipse", "center": [x, y, 0], **size}
    box = shapes.box_of(annotation.properties, annotation.geometry) if alone else None
    if box is not None:
        x, y, width, height = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]
        same = (x - width / 2, y - height / 2, x + width / 2, y + height / 2) == box
        if same and width >= 0 and height >= 0:
            return {"type": "rectangle", "center": [x, y, 0], "width": width, "height": height, "rotation": 0}
    rings = [_flat(shapes.open_ring(part.positions)) for part in group]
    element: dict[str, Any] = {"type": "polyline", "closed": True, "points": rings[0]}
    return element | ({"holes": rings[1:]} if len(rings) > 1 else {})


def _flat(ring: shapes.Ring) -> list[list[float]]:
    return [[x, y, 0] for x, y in ring]


DSA = Format("dsa", "HistomicsUI and DSA JSON", (".json", ".anot"), "application/json", recognise, read, write)
