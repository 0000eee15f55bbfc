"""The XML of dlup (version 1.0): polygons with holes, boxes and points, each with a label, and regions of interest.

https://github.com/NKI-AI/dlup, dlup/utils/schemas/dlup_schema_v1.0.xsd: polygons and boxes stand before points, regions
of interest in a list of their own. The schema allows nothing beside label, colour and order.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from pathserve.errors import Invalid, PathServeError
from pathserve.formats.contract import Format, Item, ReadContext, WriteContext
from pathserve.formats.tools import drawn_shapes as shapes
from pathserve.formats.tools import number_texts, pieces, reading
from pathserve.formats.tools.colors import hex_color, parse_color
from pathserve.formats.tools.pieces import Row
from pathserve.formats.tools.sections import Sections
from pathserve.formats.tools.xml_events import Element, Found, attribute, number, opening_tags, read_elements
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

ROI = "roi"
"""Property of what stands among the regions of interest."""

_RECORDS = ("Polygon", "MultiPolygon", "Box", "Point", "MultiPoint", "BoundingBox", "Metadata", "Tag")
_OWN = frozenset(("label", "color", "x", "y", "xMin", "yMin", "xMax", "yMax", "order"))
_KEPT = frozenset((ROI, "dlup", shapes.SHAPE))


def recognise(head: bytes) -> bool:
    """Tell by the outermost element."""
    tags = opening_tags(head)
    return bool(tags) and tags[0][0] == "DlupAnnotations"


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file."""
    return reading.limited(_read(path, context), context)


def _read(path: Path, context: ReadContext) -> Iterator[Item]:
    points = {"Point": ("x", "y")}
    most = context.max_vertices
    for found in read_elements(path, records=_RECORDS, points=points, max_points=most, texts=False):
        if found.element.name == "Metadata":
            context.losses.note("metadata_dropped", "What the file says of the picture and its makers is left out.")
        elif found.element.name == "Tag":
            context.losses.note("tags_dropped", "Tags of the whole slide are left out.")
        elif found.element.name != "BoundingBox":
            try:
                yield _annotation(found, context)
            except PathServeError as error:
                yield FeatureIssue(0, error.code, error.message)


def _annotation(found: Found, context: ReadContext) -> NewAnnotation:
    element = found.element
    properties: dict[str, Any] = {}
    if found.around("RegionsOfInterest") is not None:
        properties[ROI] = True
    if element.name == "Box":
        properties[shapes.SHAPE] = "rectangle"
    kept = {key: value for key, value in element.attributes.items() if key not in _OWN}
    if kept:
        properties["dlup"] = kept
    return NewAnnotation(
        geometry=_geometry(element, context),
        class_name=reading.read_class(element.get("label")),
        class_color=parse_color(element.get("color")),
        properties=properties,
    )


def _geometry(element: Element, context: ReadContext) -> dict[str, Any]:
    match element.name:
        case "Point":
            position = reading.positions([number(element.get("x")), number(element.get("y"))])
            return {"type": "Point", "coordinates": position[0]}
        case "MultiPoint":
            return {"type": "MultiPoint", "coordinates": _ring(element, context)}
        case "Box":
            corners = [number(element.get(name)) for name in ("xMin", "yMin", "xMax", "yMax")]
            reading.positions(corners)
            return {"type": "Polygon", "coordinates": [shapes.box_ring(*corners)]}
        case "Polygon":
            return {"type": "Polygon", "coordinates": _polygon(element, context)}
        case _:
            members = [_polygon(child, context) for child in element.children if child.name == "Polygon"]
            return {"type": "MultiPolygon", "coordinates": members}


def _polygon(element: Element, context: ReadContext) -> list[shapes.Ring]:
    exterior, interiors = element.child("Exterior"), element.child("Interiors")
    if exterior is None:
        raise Invalid("The polygon has no exterior.", code="no_geometry")
    holes = [] if interiors is None else [child for child in interiors.children if child.name == "Interior"]
    return [shapes.close_ring(_ring(ring, context)) for ring in (exterior, *holes)]


def _ring(element: Element, context: ReadContext) -> shapes.Ring:
    return reading.vertices(element, context)


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write a file."""
    order = 0
    with Sections() as sections:
        for row in pieces.rows(blocks, context):
            annotation = row.annotation
            _note_dropped(annotation, context)
            roi = annotation.properties.get(ROI) is True
            for kind, body in _bodies(row, context):
                order += 1
                attributes = f"label={attribute(annotation.class_name or '')}"
                if annotation.class_color is not None and not roi:
                    attributes += f' color="{hex_color(annotation.class_color)}"'
                section = "points" if kind == "Point" else "multipoints" if kind == "MultiPoint" else "areas"
                if section == "areas":
                    attributes += f' order="{order}"'
                elif roi:
                    context.losses.note("roi_dropped", "Points cannot be regions of interest.")
                sections.write("rois" if roi and section == "areas" else section, body.format(attributes).encode())
        file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<DlupAnnotations version="1.0">\n')
        file.write(_metadata(context).encode() + b"<Geometries>\n")
        for section in ("areas", "points", "multipoints"):
            sections.copy(section, file)
        file.write(b"</Geometries>\n")
        if "rois" in sections.names:
            file.write(b"<RegionsOfInterest>\n")
            sections.copy("rois", file)
            file.write(b"</RegionsOfInterest>\n")
        file.write(b"</DlupAnnotations>\n")


def _metadata(context: WriteContext) -> str:
    """Write what the schema asks for, with the day of the newest revision; nothing tells which picture it is."""
    day = max((at for _, at in context.revisions.values()), default=datetime(1970, 1, 1, tzinfo=UTC)).date()
    members = (
        f"<ImageID/><Version>1</Version><DateCreated>{day.isoformat()}</DateCreated><Software>PathServe</Software>"
    )
    return f"<Metadata>{members}</Metadata>\n"


def _note_dropped(annotation: NewAnnotation, context: WriteContext) -> None:
    if annotation.id is not None:
        context.losses.note("id_dropped", "The format does not hold ids of objects.")
    if annotation.properties.keys() - _KEPT:
        context.losses.note("properties_dropped", "The format does not hold properties of objects.")


def _bodies(row: Row, context: WriteContext) -> Iterator[tuple[str, str]]:
    """Give the elements of an annotation, each with ``{}`` where its attributes belong."""
    annotation = row.annotation
    box = shapes.box_of(annotation.properties, annotation.geometry)
    if box is not None and box[0] <= box[2] and box[1] <= box[3]:
        yield "Box", f'<Box {{}} xMin="{box[0]}" yMin="{box[1]}" xMax="{box[2]}" yMax="{box[3]}"/>\n'
        return
    polygons: list[list[shapes.Ring]] = []
    split = pieces.split(row, context)
    lines = sum(piece.kind == "LineString" for piece in split)
    if lines:
        dropped = "lines_dropped", "The format does not hold lines; they are left out."
        (context.losses.note if lines < len(split) else context.losses.leave_out)(*dropped)
    for piece in split:
        if piece.hole:
            polygons[-1].append(piece.positions)
        elif piece.kind == "Polygon":
            polygons.append([piece.positions])
        elif piece.kind == "Point":
            x, y = piece.positions[0]
            yield "Point", f'<Point x="{x}" y="{y}" {{}}/>\n'
        elif piece.kind == "MultiPoint":
            yield "MultiPoint", f"<MultiPoint {{}}>{_points(piece.positions)}</MultiPoint>\n"
    if annotation.geometry["type"] == "Polygon":
        yield "Polygon", f"<Polygon {{}}>{_rings(polygons[0])}</Polygon>\n"
    elif polygons:
        members = "".join(f"<Polygon>{_rings(rings)}</Polygon>\n" for rings in polygons)
        yield "MultiPolygon", f"<MultiPolygon {{}}>\n{members}</MultiPolygon>\n"


def _rings(rings: list[shapes.Ring]) -> str:
    holes = "".join(f"<Interior>{_points(ring)}</Interior>\n" for ring in rings[1:])
    interiors = f"<Interiors>{holes}</Interiors>\n" if holes else ""
    return f"<Exterior>{_points(rings[0])}</Exterior>\n{interiors}"


def _points(ring: shapes.Ring) -> str:
    return number_texts.formatted(ring, ('<Point x="', '" y="', '"/>\n'))[:-1]


DLUP = Format("dlup", "dlup XML", (".xml",), "application/xml", recognise, read, write)
