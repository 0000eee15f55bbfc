"""ASAP's XML, and with it CAMELYON's.

https://github.com/computationalpathologygroup/ASAP, annotation/XmlRepository.cpp: annotations of type Dot, PointSet,
Polygon, Spline, Rectangle or Measurement belong to groups, groups to groups. ASAP has no holes. In CAMELYON16 the
groups ``_0``, ``_1`` (or ``Tumor``) are tumour and ``_2`` (or ``Exclusion``) was cut out of it, as its README says.

ASAP refuses a file whose annotations name a group that is not listed, so a writer lists all.
"""

import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pathserve.errors import Invalid, PathServeError
from pathserve.formats.contract import Format, Item, ReadContext, WriteContext
from pathserve.formats.tools import drawn_shapes as shapes
from pathserve.formats.tools import number_texts, pieces, reading
from pathserve.formats.tools.colors import hex_color, parse_color
from pathserve.formats.tools.holes import Outline, cut
from pathserve.formats.tools.marks import Mark
from pathserve.formats.tools.pieces import Part
from pathserve.formats.tools.xml_events import Element, attribute, opening_tags, read_elements
from pathserve.labels import Color, Columns, FeatureIssue, NewAnnotation

_NO_GROUP = "None"
_NEUTRAL = "#F4FA58"
_CAMELYON_TUMOUR, _CAMELYON_CUT = frozenset(("_0", "_1", "Tumor")), frozenset(("_2", "Exclusion"))
_HOLES = re.compile(r"hole|exclu", re.IGNORECASE)
_HOLES_OF = " holes"
_MARK = "PathServe"
_OWN = frozenset(("Name", "Type", "PartOfGroup", "Color", _MARK))
_POINTS = {"Coordinate": ("Order", "X", "Y")}
_VERTICES = number_texts.Numbered(('\t\t\t\t<Coordinate Order="{}" X="', '" Y="', '" />\n'))


@dataclass(slots=True)
class _Groups:
    """The groups that a file lists, and those that its annotations name."""

    colors: dict[str, Color | None] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)

    @property
    def camelyon(self) -> bool:
        """Whether the groups are those of CAMELYON16 and no others."""
        return bool(self.named & _CAMELYON_TUMOUR) and self.named <= _CAMELYON_TUMOUR | _CAMELYON_CUT | {_NO_GROUP, ""}

    def hole_of(self, group: str) -> str | None:
        """Give the group out of which the outlines of a group are cut, or None."""
        if self.camelyon:
            return "Tumor" if group in _CAMELYON_CUT else None
        parent = self.parents.get(group)
        return parent if parent is not None and _HOLES.search(group) else None

    @property
    def has_holes(self) -> bool:
        """Whether annotations are cut out of others."""
        return any(self.hole_of(group) is not None for group in self.named)

    def class_of(self, group: str) -> str:
        return "Tumor" if self.camelyon and group in _CAMELYON_TUMOUR else group


def recognise(head: bytes) -> bool:
    """Tell by the outermost element."""
    tags = opening_tags(head)
    return bool(tags) and tags[0][0] == "ASAP_Annotations"


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file; twice, since groups stand at its end, and once more when some are holes."""
    try:
        groups = _read_groups(path)
    except Invalid:
        deque(read_elements(path, records=()), maxlen=0)  # which says where it is broken
        raise
    if groups.camelyon and groups.named & {"_0", "_1"}:
        context.losses.note("camelyon_groups", "CAMELYON's groups _0 and _1 became the class Tumor, _2 holes in it.")

    def outlines(context: ReadContext) -> Iterator[Outline | FeatureIssue]:
        most = context.max_vertices
        for found in read_elements(path, records=("Annotation",), points=_POINTS, max_points=most, texts=False):
            try:
                yield _outline(found.element, groups, context)
            except PathServeError as error:
                yield FeatureIssue(0, error.code, error.message)

    return reading.limited(pieces.join(cut(outlines, context, first=groups.has_holes)), context)


def _read_groups(path: Path) -> _Groups:
    groups = _Groups()
    records = ("Annotation", "Group")
    for found in read_elements(path, records=records, points={"Coordinate": ()}, texts=False, unread="Coordinate"):
        element = found.element
        parent = element.get("PartOfGroup").strip()
        if element.name == "Annotation":
            groups.named.add(parent)
            continue
        name = element.get("Name").strip()
        groups.colors[name] = parse_color(element.get("Color"))
        if parent not in ("", _NO_GROUP):
            groups.parents[name] = parent
    return groups


def _outline(element: Element, groups: _Groups, context: ReadContext) -> Outline:
    group = element.get("PartOfGroup").strip()
    hole_of = groups.hole_of(group)
    properties: dict[str, Any] = {}
    reading.set_text(properties, pieces.NAME, element.get("Name"))
    geometry, kept = _geometry(element, properties, context)
    kept |= {key: value for key, value in element.attributes.items() if key not in _OWN}
    color, own = groups.colors.get(group), parse_color(element.get("Color"))
    if color is not None and own is not None and own != color:
        kept["Color"] = element.get("Color")
    if group in groups.parents:
        kept["group"] = groups.parents[group]
    mark = Mark.parse(element.get(_MARK))
    name = groups.class_of(group) if mark is None else group
    if name != group:
        kept["PartOfGroup"] = group
    if kept:
        properties["asap"] = kept
    annotation = NewAnnotation(
        geometry=geometry,
        class_name=None if group == _NO_GROUP else reading.read_class(name),
        class_color=color or own,
        properties=properties,
    )
    part = Part(annotation, mark)
    return Outline(part, name if hole_of is None else hole_of, negative=hole_of is not None)


def _geometry(
    element: Element, properties: dict[str, Any], context: ReadContext
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the coordinates; gives the geometry and what must be kept to write it again as it was."""
    holder = element.child("Coordinates")
    ring = reading.vertices(holder, context, width=3, first=1)
    orders = [] if holder is None else list(holder.numbers[0::3])
    if orders != sorted(orders):
        ring = [position for _, position in sorted(zip(orders, ring, strict=True), key=lambda pair: pair[0])]
    kind = element.get("Type")
    match kind:
        case "Dot" if len(ring) == 1:
            return {"type": "Point", "coordinates": ring[0]}, {}
        case "Dot" | "PointSet":
            return {"type": "MultiPoint", "coordinates": ring}, {}
        case "Measurement" if len(ring) > 1:
            properties[shapes.SHAPE] = "ruler"
            return {"type": "LineString", "coordinates": ring}, {}
        case "Spline" if len(ring) > 2:
            properties[shapes.SHAPE] = "spline"
            context.losses.note("curve_flattened", "Curves became polygons that differ from them by at most 0.1 px.")
            return {"type": "Polygon", "coordinates": [shapes.spline(ring)]}, {"control": ring}
        case "Rectangle":
            properties[shapes.SHAPE] = "rectangle"
            return reading.polygon(ring), {}
        case "Polygon" | "Spline":
            return reading.polygon(ring), {}
        case _:
            raise Invalid("The type of the annotation is none of ASAP's.", code="unknown_shape")


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write a file; holes become annotations of a group below the class's, each piece with a mark for our reader."""
    groups: dict[str, tuple[str, str]] = {}
    classes = {known.name for known in context.schema}
    file.write(b'<?xml version="1.0"?>\n<ASAP_Annotations>\n\t<Annotations>\n')
    for row in pieces.rows(blocks, context, marked=True):
        annotation = row.annotation
        split = pieces.split(row, context, marked=True)
        pieces.note_split(split, context)
        color = hex_color(annotation.class_color) if annotation.class_color else _NEUTRAL
        group = annotation.class_name or _NO_GROUP
        if annotation.class_name is not None:
            classes.add(group)
            groups.setdefault(group, (_NO_GROUP, color))
        for piece, mark in zip(split, pieces.marks(row, split), strict=True):
            own = _holes_of(group, classes) if piece.hole else group
            if piece.hole:
                groups.setdefault(own, (group, color))
            kind, ring = _typed(piece, annotation)
            _write_annotation(file, (row.name, kind, own, color), mark, ring)
    file.write(b"\t</Annotations>\n\t<AnnotationGroups>\n")
    for name, (parent, color) in groups.items():
        line = f"\t\t<Group Name={attribute(name)} PartOfGroup={attribute(parent)} Color={attribute(color)}>"
        file.write(f"{line}<Attributes /></Group>\n".encode())
    file.write(b"\t</AnnotationGroups>\n</ASAP_Annotations>\n")


def _holes_of(group: str, classes: Collection[str]) -> str:
    """Name the group of a class's holes, as no class is named."""
    name = group + _HOLES_OF
    while name in classes:
        name += _HOLES_OF
    return name


def _typed(piece: pieces.Piece, annotation: NewAnnotation) -> tuple[str, Any]:
    """Give ASAP's type of a piece and its coordinates."""
    match piece.kind:
        case "Point":
            return "Dot", piece.positions
        case "MultiPoint":
            return "PointSet", piece.positions
        case "LineString":
            return "Measurement", piece.positions
    if shapes.box_of(annotation.properties, annotation.geometry) is not None:
        return "Rectangle", piece.positions[:-1]
    control = _control(annotation.properties)
    if control is not None and annotation.geometry.get("coordinates") == [shapes.spline(control)]:
        return "Spline", control
    return "Polygon", shapes.open_ring(piece.positions)


def _control(properties: Mapping[str, Any]) -> shapes.Ring | None:
    """Give the control points of what was a spline."""
    kept = properties.get("asap")
    control = kept.get("control") if isinstance(kept, Mapping) else None
    if not isinstance(control, list) or not 3 <= len(control) <= 10_000:
        return None
    pairs = (isinstance(pair, list) and [type(number) for number in pair] == [float, float] for pair in control)
    return control if all(pairs) else None


def _write_annotation(file: BinaryIO, texts: tuple[str, str, str, str], mark: Mark, ring: shapes.Ring) -> None:
    name, kind, group, color = map(attribute, texts)
    head = f"Name={name} Type={kind} PartOfGroup={group} Color={color} {_MARK}={attribute(mark.text())}"
    vertices = _VERTICES.text(ring)
    text = f"\t\t<Annotation {head}>\n\t\t\t<Coordinates>\n{vertices}\t\t\t</Coordinates>\n\t\t</Annotation>\n"
    file.write(text.encode())


ASAP = Format("asap", "ASAP XML", (".xml",), "application/xml", recognise, read, write)
