"""Aperio ImageScope's XML: one layer (``Annotation``) for each class, regions in it, negative regions as holes.

A ``Region`` has a Type (0 outline, 1 rectangle, 2 ellipse, 3 arrow, 4 ruler); an ellipse is given by two opposite
corners of its box. Other programs that write the format put every vertex of an ellipse or a rectangle there, and name
the shape in ``GeoShape``: then the vertices count. ``LineColor`` is 65536 blue + 256 green + red. A region that is
``NegativeROA`` takes away from the layer's other regions, or only from the one that ``InputRegionId`` names.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pathserve.errors import PathServeError
from pathserve.formats.contract import Format, Item, ReadContext, WriteContext
from pathserve.formats.tools import drawn_shapes as shapes
from pathserve.formats.tools import number_texts, pieces, reading
from pathserve.formats.tools.colors import bgr_color, packed_bgr
from pathserve.formats.tools.holes import Outline, cut
from pathserve.formats.tools.marks import Mark
from pathserve.formats.tools.pieces import Part, Piece
from pathserve.formats.tools.sections import Sections
from pathserve.formats.tools.xml_events import Element, Found, attribute, mentions, number, opening_tags, read_elements
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

_MEASUREMENTS = ("Length", "Area", "LengthMicrons", "AreaMicrons")
_MARK = "PathServe"
_NO_TEXT = ("", "null")
_REGION_OWN = frozenset((*_MEASUREMENTS, "Type", "Text", "NegativeROA"))
_LAYER_OWN = frozenset(("Name", "LineColor"))
_GREEN = (0, 255, 0)


def recognise(head: bytes) -> bool:
    """Tell by ``Annotations`` around ``Annotation``, and by what only ImageScope's have in them."""
    tags = opening_tags(head)
    names = {name for name, _ in tags}
    if not tags or tags[0][0] != "Annotations" or "V" in names:
        return False
    if any(name == "Region" and "HasEndcaps" in given for name, given in tags):
        return False
    return "MicronsPerPixel" in tags[0][1] or any(name == "Annotation" and "Id" in given for name, given in tags)


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file; twice when it has negative regions, which may stand before or after what they take away from."""

    def outlines(context: ReadContext) -> Iterator[Outline | FeatureIssue]:
        layer = _Layer()
        records = ("Region", "Attribute")
        points = {"Vertex": ("X", "Y")}
        most = context.max_vertices
        for found in read_elements(path, records=records, points=points, max_points=most, texts=False):
            layer.look(found)
            if found.element.name == "Region":
                try:
                    yield _outline(found.element, layer, context)
                except PathServeError as error:
                    yield FeatureIssue(0, error.code, error.message)

    first = mentions(path, "NegativeROA", "1")
    return reading.limited(pieces.join(cut(outlines, context, first=first)), context)


class _Layer:
    """The layer whose regions are being read."""

    def __init__(self) -> None:
        self.element: Element | None = None
        self.number = 0
        self.attributes: dict[str, str] = {}

    def look(self, found: Found) -> None:
        """See whether a record is of the next layer, or one of the layer's own attributes."""
        element = found.around("Annotation")
        if element is not None and element is not self.element:
            self.element, self.number, self.attributes = element, self.number + 1, {}
        if found.element.name == "Attribute" and found.around("Regions") is None:
            name, value = found.element.get("Name"), found.element.get("Value")
            if name and value:
                self.attributes[name] = value

    def kept(self) -> dict[str, Any]:
        """Give what is not in class and colour."""
        given = {} if self.element is None else self.element.attributes
        kept: dict[str, Any] = {key: value for key, value in given.items() if key not in _LAYER_OWN}
        if self.attributes:
            kept["Attributes"] = self.attributes
        return kept


def _outline(element: Element, layer: _Layer, context: ReadContext) -> Outline:
    properties: dict[str, Any] = {}
    text = element.get("Text")
    if text.strip() not in _NO_TEXT:
        properties[pieces.NAME] = text
    measured = {name: number(element.get(name)) for name in _MEASUREMENTS if name in element.attributes}
    measured = {name: value for name, value in measured.items() if value == value and abs(value) != float("inf")}
    if measured:
        properties["measurements"] = measured
    mark, given = _attributes(element)
    region: dict[str, Any] = {key: value for key, value in element.attributes.items() if key not in _REGION_OWN}
    if given:
        region["Attributes"] = given
    properties["imagescope"] = {"region": region, "layer": layer.kept()}
    geometry = _geometry(element, properties, context)
    layer_name = "" if layer.element is None else layer.element.get("Name")
    label = None if mark is not None else reading.class_from_label(properties.get(pieces.NAME))
    annotation = NewAnnotation(
        geometry=geometry,
        class_name=reading.read_class(layer_name) or label,
        class_color=None if layer.element is None else bgr_color(layer.element.get("LineColor")),
        properties=properties,
    )
    return Outline(Part(annotation, mark), layer.number, negative=element.get("NegativeROA") == "1")


def _attributes(element: Element) -> tuple[Mark | None, dict[str, str]]:
    """Give our mark, and the region's other attributes that have a value."""
    mark, given = None, {}
    holder = element.child("Attributes")
    for child in () if holder is None else holder.children:
        name, value = child.get("Name"), child.get("Value")
        if name == _MARK:
            mark = Mark.parse(value)
        elif name and value:
            given[name] = value
    return mark, given


def _geometry(element: Element, properties: dict[str, Any], context: ReadContext) -> dict[str, Any]:
    ring = reading.vertices(element.child("Vertices"), context)
    kind, shape = element.get("Type"), element.get("GeoShape")
    if kind in ("3", "4") and len(ring) > 1:
        properties[shapes.SHAPE] = "arrow" if kind == "3" else "ruler"
        return {"type": "LineString", "coordinates": ring}
    if shape == "Rectangle" or (kind == "1" and shape == ""):
        if len(ring) == 2:
            ring = shapes.box_ring(*ring[0], *ring[1])
        if len(ring) in (4, 5):
            properties[shapes.SHAPE] = "rectangle"
        return reading.polygon(ring)
    corners = ring if kind == "2" and len(ring) == 2 else _box_of_tips(ring) if shape == "Ellipse" else None
    if corners is not None:
        (x0, y0), (x1, y1) = corners
        ellipse = ((x0 + x1) / 2, (y0 + y1) / 2, abs(x1 - x0) / 2, abs(y1 - y0) / 2)
        properties[shapes.ELLIPSE] = shapes.ellipse_property(*ellipse)
        context.losses.note("curve_flattened", "Curves became polygons that differ from them by at most 0.1 px.")
        return {"type": "Polygon", "coordinates": [shapes.ellipse_ring(*ellipse)]}
    return reading.polygon(ring)


def _box_of_tips(ring: shapes.Ring) -> shapes.Ring | None:
    """Give two corners of the box of an ellipse of which the ends of its two axes are given, as QuPath's scripts do."""
    if len(ring) != 4:
        return None
    (a, b), (c, d), (e, f), (g, h) = ring
    if not ((a == e and d == h) or (c == g and b == f)):
        return None
    return [[min(a, c, e, g), min(b, d, f, h)], [max(a, c, e, g), max(b, d, f, h)]]


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write a file with a layer for each class; what regions cannot hold stands in an attribute of theirs."""
    colors: dict[str, int] = {}
    count = 0
    with Sections() as sections:
        for row in pieces.rows(blocks, context, marked=True):
            annotation = row.annotation
            split = pieces.split(row, context, points=False, marked=True)
            if len([piece for piece in split if not piece.hole]) > 1:
                context.losses.note("parts_split", "Objects of several parts became one object for each part.")
            layer = annotation.class_name or ""
            colors.setdefault(layer, packed_bgr(annotation.class_color or _GREEN))
            for piece, mark in zip(split, pieces.marks(row, split), strict=True):
                count += 1
                sections.write(layer, _region(piece, mark, annotation, (count, len(split))).encode())
        mpp = "" if context.slide.mpp is None else f' MicronsPerPixel="{context.slide.mpp.x}"'
        file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<Annotations{mpp}>\n'.encode())
        for index, layer in enumerate(sections.names, start=1):
            head = f'Id="{index}" Name={attribute(layer)} ReadOnly="0" Incremental="0" Type="4"'
            file.write(f'<Annotation {head} LineColor="{colors[layer]}" Visible="1" Selected="0">\n'.encode())
            file.write(b"<Attributes/>\n<Regions>\n<RegionAttributeHeaders/>\n")
            sections.copy(layer, file)
            file.write(b"</Regions>\n<Plots/>\n</Annotation>\n")
        file.write(b"</Annotations>\n")


def _region(piece: Piece, mark: Mark, annotation: NewAnnotation, place: tuple[int, int]) -> str:
    count, of = place
    kind, ring = _typed(piece, annotation, alone=of == 1)
    name = annotation.properties.get(pieces.NAME)
    text = name if isinstance(name, str) and name.strip() else ""
    head = f'<Region Id="{count}" Type="{kind}" Selected="0" Text={attribute(text)}'
    measured = annotation.properties.get("measurements")
    known = measured if isinstance(measured, Mapping) and mark.piece == 0 else {}
    for name in _MEASUREMENTS:
        if isinstance(known.get(name), int | float):
            head += f' {name}="{known[name]}"'
    value = f'<Attribute Name="{_MARK}" Id="0" Value={attribute(mark.text())}/>'
    head += f' NegativeROA="{int(piece.hole)}" InputRegionId="0" Analyze="1" DisplayId="{count}">'
    vertices = number_texts.formatted(ring, ('<Vertex X="', '" Y="', '" Z="0"/>\n'))
    return f"{head}\n<Attributes>{value}</Attributes>\n<Vertices>\n{vertices}</Vertices>\n</Region>\n"


def _typed(piece: Piece, annotation: NewAnnotation, *, alone: bool) -> tuple[int, shapes.Ring]:
    """Give ImageScope's type of a piece and its vertices."""
    if piece.kind == "LineString":
        return (3 if annotation.properties.get(shapes.SHAPE) == "arrow" else 4), piece.positions
    if alone and piece.kind == "Polygon":
        ellipse = shapes.ellipse_of(annotation.properties, annotation.geometry)
        if ellipse is not None and ellipse[4] == 0:
            x, y, rx, ry, _ = ellipse
            corners = [[x - rx, y - ry], [x + rx, y + ry]]
            if _is_exact(corners, ellipse):
                return 2, corners
        if shapes.box_of(annotation.properties, annotation.geometry) is not None:
            return 1, piece.positions[:-1]
    return 0, shapes.open_ring(piece.positions)


def _is_exact(corners: shapes.Ring, ellipse: tuple[float, float, float, float, float]) -> bool:
    """Tell whether the reader gets the very same numbers back; with others the vertices say more than the corners."""
    (x0, y0), (x1, y1) = corners
    return ((x0 + x1) / 2, (y0 + y1) / 2, abs(x1 - x0) / 2, abs(y1 - y0) / 2) == ellipse[:4]


IMAGESCOPE = Format("imagescope", "Aperio ImageScope XML", (".xml",), "application/xml", recognise, read, write)
