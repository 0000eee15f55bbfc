"""Indica Labs HALO's XML (``.annotations``): one layer for each class, regions in it, negative regions as holes.

Rectangles and ellipses are two opposite corners, rulers two ends, pins one position; coordinates are whole pixels.
``NegativeROA`` takes away from the layer's other regions. Regions have comments with author and moments, nothing else.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pathserve.errors import Invalid, PathServeError
from pathserve.formats.contract import Format, Item, ReadContext, WriteContext
from pathserve.formats.tools import drawn_shapes as shapes
from pathserve.formats.tools import number_texts, pieces, reading
from pathserve.formats.tools.colors import bgr_color, packed_bgr
from pathserve.formats.tools.holes import Outline, cut
from pathserve.formats.tools.pieces import Part, Piece, Row
from pathserve.formats.tools.sections import Sections
from pathserve.formats.tools.xml_events import Element, attribute, mentions, opening_tags, read_elements
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

_REGION_OWN = frozenset(("Type", "NegativeROA"))
_LAYER_OWN = frozenset(("Name", "LineColor"))
_NO_MOMENT = "1970-01-01T00:00:00.000Z"
_YELLOW = (255, 255, 0)
_COMMENT = {"Author": "", "Body": "", "CreatedTime": _NO_MOMENT, "ModifiedTime": _NO_MOMENT}
"""A comment's members, and what stands there when nothing is known: readers of HALO's files want a time."""
_KEPT = frozenset((pieces.NAME, pieces.DESCRIPTION, "halo", shapes.SHAPE, shapes.ELLIPSE))


def recognise(head: bytes) -> bool:
    """Tell by ``Annotations`` around regions of the form that only HALO writes."""
    tags = opening_tags(head)
    if not tags or tags[0][0] != "Annotations":
        return False
    return any(name == "V" or (name == "Region" and "HasEndcaps" in given) for name, given in tags)


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file; twice when it has negative regions, which may stand before or after what they take away from."""

    def outlines(context: ReadContext) -> Iterator[Outline | FeatureIssue]:
        layer: Element | None = None
        number = 0
        points = {"V": ("X", "Y")}
        most = context.max_vertices
        for found in read_elements(path, records=("Region",), points=points, max_points=most, texts=False):
            around = found.around("Annotation")
            if around is not layer:
                layer, number = around, number + 1
            try:
                yield _outline(found.element, layer, number, context)
            except PathServeError as error:
                yield FeatureIssue(0, error.code, error.message)

    first = mentions(path, "NegativeROA", "1")
    return reading.limited(pieces.join(cut(outlines, context, first=first)), context)


def _outline(element: Element, layer: Element | None, number: int, context: ReadContext) -> Outline:
    given = {} if layer is None else layer.attributes
    properties: dict[str, Any] = {}
    region: dict[str, Any] = {key: value for key, value in element.attributes.items() if key not in _REGION_OWN}
    holder = element.child("Comments")
    comments = [] if holder is None else [child.attributes for child in holder.children if child.name == "Comment"]
    if comments:
        region["Comments"] = comments
        reading.set_text(properties, pieces.DESCRIPTION, comments[0].get("Body"))
        reading.set_text(properties, pieces.ORIGINAL_AUTHOR, comments[0].get("Author"))
        reading.set_text(properties, pieces.ORIGINAL_CREATED, comments[0].get("CreatedTime"))
    properties["halo"] = {
        "region": region,
        "layer": {key: value for key, value in given.items() if key not in _LAYER_OWN},
    }
    annotation = NewAnnotation(
        geometry=_geometry(element, properties, context),
        class_name=reading.read_class(given.get("Name")),
        class_color=bgr_color(given.get("LineColor")),
        properties=properties,
    )
    return Outline(Part(annotation), number, negative=element.get("NegativeROA") == "1")


def _geometry(element: Element, properties: dict[str, Any], context: ReadContext) -> dict[str, Any]:
    ring = reading.vertices(element.child("Vertices"), context)
    match element.get("Type"), len(ring):
        case "Rectangle", 2:
            properties[shapes.SHAPE] = "rectangle"
            return {"type": "Polygon", "coordinates": [shapes.box_ring(*ring[0], *ring[1])]}
        case "Ellipse", 2:
            (x0, y0), (x1, y1) = ring
            ellipse = ((x0 + x1) / 2, (y0 + y1) / 2, abs(x1 - x0) / 2, abs(y1 - y0) / 2)
            properties[shapes.ELLIPSE] = shapes.ellipse_property(*ellipse)
            context.losses.note("curve_flattened", "Curves became polygons that differ from them by at most 0.1 px.")
            return {"type": "Polygon", "coordinates": [shapes.ellipse_ring(*ellipse)]}
        case "Ruler", _ if len(ring) > 1:
            properties[shapes.SHAPE] = "ruler"
            return {"type": "LineString", "coordinates": ring}
        case "Pin", _:
            return {"type": "Point", "coordinates": ring[0]}
        case "Polygon" | "Rectangle" | "Ellipse", _:
            return reading.polygon(ring)
        case _:
            raise Invalid("The type of the region is none of HALO's.", code="unknown_shape")


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write a file with a layer for each class; coordinates are rounded to whole pixels, as HALO has them."""
    colors: dict[str, int] = {}
    with Sections() as sections:
        for row in pieces.rows(blocks, context, authors=True):
            annotation = row.annotation
            split = pieces.split(row, context, points=False)
            if len([piece for piece in split if not piece.hole]) > 1:
                context.losses.note("parts_split", "Objects of several parts became one object for each part.")
            _note_dropped(annotation, split, context)
            layer = annotation.class_name or ""
            colors.setdefault(layer, packed_bgr(annotation.class_color or _YELLOW))
            comments = _comments(row)
            if row.author is not None and not comments:
                context.losses.note("author_dropped", "Who wrote an object stands in its comment, and it has none.")
            for index, piece in enumerate(split):
                kind, ring = _typed(piece, annotation, alone=len(split) == 1)
                region = _region(kind, ring, comments if index == 0 else "", negative=piece.hole)
                sections.write(layer, region.encode())
        file.write(b"<Annotations>\n")
        for layer in sections.names:
            head = f'Name={attribute(layer)} Visible="True" LineColor="{colors[layer]}"'
            file.write(f"<Annotation {head}>\n<Regions>\n".encode())
            sections.copy(layer, file)
            file.write(b"</Regions>\n</Annotation>\n")
        file.write(b"</Annotations>\n")


def _note_dropped(annotation: NewAnnotation, split: list[Piece], context: WriteContext) -> None:
    if annotation.id is not None:
        context.losses.note("id_dropped", "The format does not hold ids of objects.")
    if annotation.properties.keys() - _KEPT:
        context.losses.note("properties_dropped", "The format does not hold properties of objects.")
    if any(float(number) % 1 for piece in split for position in piece.positions for number in position):
        context.losses.note("rounded", "Coordinates were rounded to whole pixels.")


def _comments(row: Row) -> str:
    """Write the comments that a region had; else name and description as one, with who wrote it and when."""
    properties = row.annotation.properties
    kept = properties.get("halo")
    region = kept.get("region") if isinstance(kept, Mapping) else None
    comments = region.get("Comments") if isinstance(region, Mapping) else None
    if not isinstance(comments, list):
        told = [properties.get(name) for name in (pieces.NAME, pieces.DESCRIPTION)]
        body = "\n".join(text for text in told if isinstance(text, str) and text)
        at = _NO_MOMENT if row.moment is None or not body else pieces.moment(row.moment)
        comments = [{"Author": row.author or "", "Body": body, "CreatedTime": at, "ModifiedTime": at}] if body else []
    lines = []
    for comment in comments:
        if isinstance(comment, Mapping):
            texts = [f"{name}={attribute(str(comment.get(name) or _COMMENT[name]))}" for name in _COMMENT]
            lines.append(f"<Comment {' '.join(texts)}/>")
    return "".join(lines)


def _region(kind: str, ring: shapes.Ring, comments: str, *, negative: bool) -> str:
    head = f'<Region Type="{kind}" HasEndcaps="0" NegativeROA="{int(negative)}">'
    vertices = number_texts.rounded(ring, ('<V X="', '" Y="', '"/>\n'))
    return f"{head}\n<Vertices>\n{vertices}</Vertices>\n<Comments>{comments}</Comments>\n</Region>\n"


def _typed(piece: Piece, annotation: NewAnnotation, *, alone: bool) -> tuple[str, shapes.Ring]:
    """Give HALO's type of a piece and its vertices."""
    if piece.kind == "Point":
        return "Pin", piece.positions
    if piece.kind == "LineString":
        return "Ruler", piece.positions
    if alone:
        ellipse = shapes.ellipse_of(annotation.properties, annotation.geometry)
        if ellipse is not None and ellipse[4] == 0:
            x, y, rx, ry, _ = ellipse
            return "Ellipse", [[x - rx, y - ry], [x + rx, y + ry]]
        box = shapes.box_of(annotation.properties, annotation.geometry)
        if box is not None:
            return "Rectangle", [[box[0], box[1]], [box[2], box[3]]]
    return "Polygon", piece.positions


HALO = Format("halo", "Indica HALO XML", (".annotations",), "application/xml", recognise, read, write)
