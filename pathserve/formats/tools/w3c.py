"""W3C Web Annotations with fragment and SVG selectors, as Annotorious and IIIF viewers write them.

https://www.w3.org/TR/annotation-model/: one annotation, a list of them, or a page or collection with ``items``. The
first body with the purpose ``tagging`` is the class, the first other text the description. ``xywh`` of no size is a
point, as Annotorious has it. What is ours stands in the member ``pathserve``, which other programs pass over.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import shapely

from pathserve.errors import Invalid, PathServeError
from pathserve.formats.contract import HEAD_BYTES, Format, Item, ReadContext, WriteContext
from pathserve.formats.json_head import Outline, outline
from pathserve.formats.tools import drawn_shapes as shapes
from pathserve.formats.tools import number_texts, pieces, reading
from pathserve.formats.tools.json_stream import ITEMS, WHOLE, read_items
from pathserve.formats.tools.marks import Mark
from pathserve.formats.tools.pieces import Part, Piece, Row
from pathserve.formats.tools.svg import Drawn, parse_svg, write_path
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

_CONTEXT = "http://www.w3.org/ns/anno.jsonld"
_FRAGMENT = "http://www.w3.org/TR/media-frags/"
_MARK = "pathserve"
_NUMBER = r"([+-]?[\d.]+(?:[eE][+-]?\d+)?)"
_XYWH = re.compile(rf"#?(?:.*&)?xywh=(pixel:|percent:|pct:)?{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}")
_OWN = frozenset(("@context", "id", "type", "body", "target", "creator", "created", _MARK))
_TARGET_OWN = frozenset(("selector",))


def recognise(head: bytes) -> bool:
    """Tell by targets, or by the context of web annotations."""
    found = outline(head)
    firsts = (found, *(found.first.get(name, Outline()) for name in ("", "items", "@graph", "first")))
    if any(item.members.get("type") == "Annotation" and "target" in item.members for item in firsts):
        return True
    return any(item.members.get("@context") == _CONTEXT for item in firsts)


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file."""
    return reading.limited(pieces.join(_read(path, context)), context)


def _read(path: Path, context: ReadContext) -> Iterator[Part | FeatureIssue]:
    with path.open("rb") as file:
        route = _route(outline(file.read(HEAD_BYTES)))
    for value in read_items(path, route):
        try:
            yield _part(value, context)
        except PathServeError as error:
            yield FeatureIssue(0, error.code, error.message)


def _route(found: Outline) -> str:
    """Tell where annotations stand: the whole text is one only when it has a target."""
    if found.kind == "[":
        return ITEMS
    if "target" in found.members:
        return WHOLE
    listed = next((name for name in ("items", "@graph", "resources") if name in found.members), "first.items")
    return f"{listed}.{ITEMS}"


def _part(value: object, context: ReadContext) -> Part:
    if not isinstance(value, dict):
        raise Invalid("This is not an annotation.", code="not_an_annotation")
    properties: dict[str, Any] = {}
    bodies = value.get("body", [])
    bodies = bodies if isinstance(bodies, list) else [bodies]
    name = _bodies(bodies, properties)
    target = value.get("target")
    geometry = _geometry(target, properties, context)
    kept: dict[str, Any] = {key: part for key, part in value.items() if key not in _OWN}
    if bodies:
        kept["body"] = bodies
    if isinstance(target, dict):
        rest = {key: part for key, part in target.items() if key not in _TARGET_OWN}
        if rest:
            kept["target"] = rest
    if kept:
        properties["w3c"] = kept
    creator = value.get("creator")
    reading.set_text(properties, pieces.ORIGINAL_AUTHOR, creator.get("name") if isinstance(creator, dict) else creator)
    reading.set_text(properties, pieces.ORIGINAL_CREATED, value.get("created"))
    identity = value.get("id")
    short = identity.removeprefix("#").removeprefix("urn:uuid:") if isinstance(identity, str) else None
    found = reading.read_id(short, {})
    if found is None:
        reading.read_id(identity, properties)
    return Part(
        NewAnnotation(geometry=geometry, id=found, class_name=name, properties=properties), Mark.parse(value.get(_MARK))
    )


def _bodies(bodies: list[Any], properties: dict[str, Any]) -> str | None:
    """Read the texts; gives the class."""
    name = None
    for body in bodies:
        value = body.get("value") if isinstance(body, dict) else body
        if not isinstance(value, str) or not value.strip():
            continue
        if isinstance(body, dict) and body.get("purpose") in ("tagging", "classifying"):
            name = name or reading.read_class(value)
        else:
            properties.setdefault(pieces.DESCRIPTION, value)
    return name


def _geometry(target: object, properties: dict[str, Any], context: ReadContext) -> dict[str, Any]:
    selectors = target.get("selector", []) if isinstance(target, dict) else target
    for selector in selectors if isinstance(selectors, list) else [selectors]:
        if isinstance(selector, str):
            selector = {"type": "FragmentSelector", "value": selector.partition("#")[2]}
        kind = selector.get("type") if isinstance(selector, dict) else None
        value = selector.get("value") if isinstance(selector, dict) else None
        if kind == "FragmentSelector" and isinstance(value, str):
            return _fragment(value, properties, context)
        if kind == "SvgSelector" and isinstance(value, str):
            return _svg(value, properties, context)
    raise Invalid("The annotation has no selector of a place in a picture.", code="no_geometry")


def _fragment(value: str, properties: dict[str, Any], context: ReadContext) -> dict[str, Any]:
    found = _XYWH.fullmatch(value.strip())
    if found is None:
        raise Invalid("The selector names no place in a picture.", code="bad_selector")
    x, y, width, height = (
        reading.positions([float(part) for part in found.groups()[1:]], width=4)[0]
        + reading.positions([float(part) for part in found.groups()[1:]], width=4, first=2)[0]
    )
    if found[1] in ("percent:", "pct:"):
        size = context.slide.size
        if size is None:
            raise Invalid("Percentages need a slide of known size.", code="size_needed")
        x, width = x * size.width / 100, width * size.width / 100
        y, height = y * size.height / 100, height * size.height / 100
    if width == 0 and height == 0:
        return {"type": "Point", "coordinates": [x, y]}
    properties[shapes.SHAPE] = "rectangle"
    return {"type": "Polygon", "coordinates": [shapes.box_ring(x, y, x + width, y + height)]}


def _svg(value: str, properties: dict[str, Any], context: ReadContext) -> dict[str, Any]:
    drawn = parse_svg(value, max_vertices=context.max_vertices)
    properties.update(drawn.properties)
    if drawn.curved:
        context.losses.note("curve_flattened", "Curves became polygons that differ from them by at most 0.1 px.")
    if drawn.lines and drawn.rings:
        context.losses.note("lines_dropped", "Lines beside outlines in one selector are left out.")
    return _areas(drawn) if drawn.rings else _lines(drawn)


def _lines(drawn: Drawn) -> dict[str, Any]:
    if len(drawn.lines) == 1:
        return {"type": "LineString", "coordinates": drawn.lines[0]}
    return {"type": "MultiLineString", "coordinates": drawn.lines}


def _areas(drawn: Drawn) -> dict[str, Any]:
    """Make polygons of rings by the even-odd rule: a ring within an odd number of others is a hole."""
    if len(drawn.rings) == 1:
        return reading.polygon(drawn.rings[0][:-1])
    rings = [ring for ring in drawn.rings if len(ring) > 3]
    if not rings:
        raise Invalid("The outlines of the selector have fewer than three corners.", code="short_ring")
    outlines = [shapely.Polygon(ring) for ring in rings]
    tree = shapely.STRtree(outlines)
    inner, outer = tree.query(outlines, predicate="covered_by")
    around: dict[int, list[int]] = {}
    for one, other in zip(inner.tolist(), outer.tolist(), strict=True):
        if one != other:
            around.setdefault(one, []).append(other)
    polygons: dict[int, list[shapes.Ring]] = {
        index: [ring] for index, ring in enumerate(rings) if len(around.get(index, ())) % 2 == 0
    }
    for index, ring in enumerate(rings):
        if len(around.get(index, ())) % 2:
            shells = [other for other in around[index] if len(around.get(other, ())) % 2 == 0]
            innermost = min(shells, key=lambda other: outlines[other].area, default=None)
            if innermost is not None:
                polygons[innermost].append(ring)
    found = list(polygons.values())
    if len(found) == 1:
        return {"type": "Polygon", "coordinates": found[0]}
    return {"type": "MultiPolygon", "coordinates": found}


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write a list of annotations; sets of points, and points beside areas, become several."""
    file.write(b"[\n")
    separator = b""
    for row in pieces.rows(blocks, context, authors=True, marked=True):
        selectors = _selectors(row, pieces.split(row, context, points=False, marked=True))
        if len(selectors) > 1:
            context.losses.note("parts_split", "Objects of several parts became one object for each part.")
        marks = pieces.marks(row, [piece for piece, _ in selectors], has_colors=False)
        for (_, selector), mark in zip(selectors, marks, strict=True):
            file.write(separator + orjson.dumps(_web_annotation(row, selector, mark)))
            separator = b",\n"
    file.write(b"\n]\n")


def _selectors(row: Row, split: list[Piece]) -> list[tuple[Piece, dict[str, Any]]]:
    """Give the selectors of an annotation, each with one piece that it has; all areas are in one."""
    found: list[tuple[Piece, dict[str, Any]]] = []
    for piece in split:
        if piece.kind == "Point":
            x, y = piece.positions[0]
            found.append((piece, _fragment_selector(f"xywh=pixel:{x},{y},0,0")))
        elif piece.kind == "LineString":
            points = number_texts.joined(piece.positions)
            found.append((piece, _svg_selector(f'<polyline points="{points}" fill="none"/>')))
    areas = [piece for piece in split if piece.kind == "Polygon"]
    if areas:
        found.insert(0, (areas[0], _area(row, areas)))
    return found


def _area(row: Row, areas: list[Piece]) -> dict[str, Any]:
    properties, geometry = row.annotation.properties, row.annotation.geometry
    ellipse, box = shapes.ellipse_of(properties, geometry), shapes.box_of(properties, geometry)
    if ellipse is not None and ellipse[4] == 0:
        x, y, rx, ry, _ = ellipse
        return _svg_selector(f'<ellipse cx="{x}" cy="{y}" rx="{rx}" ry="{ry}"/>')
    if box is not None:
        x, y, width, height = box[0], box[1], box[2] - box[0], box[3] - box[1]
        if width > 0 and height > 0 and (x + width, y + height) == box[2:]:
            return _fragment_selector(f"xywh=pixel:{x},{y},{width},{height}")
    return _svg_selector(f'<path fill-rule="evenodd" d="{write_path([piece.positions for piece in areas])}"/>')


def _fragment_selector(value: str) -> dict[str, Any]:
    return {"type": "FragmentSelector", "conformsTo": _FRAGMENT, "value": value}


def _svg_selector(value: str) -> dict[str, Any]:
    return {"type": "SvgSelector", "value": f'<svg xmlns="http://www.w3.org/2000/svg">{value}</svg>'}


def _web_annotation(row: Row, selector: dict[str, Any], mark: Mark) -> dict[str, Any]:
    annotation = row.annotation
    kept = annotation.properties.get("w3c")
    rest = dict(kept) if isinstance(kept, Mapping) else {}
    target, bodies = rest.pop("target", None), rest.pop("body", None)
    identity = "" if annotation.id is None else str(annotation.id)
    suffix = f"-{mark.piece}" if mark.piece else ""
    made: dict[str, Any] = {"@context": _CONTEXT, "id": f"#{identity or f'annotation-{row.number}'}{suffix}"}
    made |= {"type": "Annotation", "body": _written_bodies(row, bodies)}
    made["target"] = (dict(target) if isinstance(target, Mapping) else {}) | {"selector": selector}
    if row.author is not None:
        made["creator"] = {"type": "Person", "name": row.author}
    if row.moment is not None:
        made["created"] = pieces.moment(row.moment)
    return {
        **{key: value for key, value in rest.items() if key not in _OWN},
        **made,
        _MARK: orjson.Fragment(mark.text()),
    }


def _written_bodies(row: Row, kept: object) -> list[Any]:
    """Give the bodies that came in, but for the first tag, which is the class as it is now."""
    bodies = list(kept) if isinstance(kept, list) else []
    tags = [body for body in bodies if isinstance(body, Mapping) and body.get("purpose") == "tagging"]
    if tags:
        bodies.remove(tags[0])
    name = row.annotation.class_name
    if name is not None:
        bodies.insert(0, {"type": "TextualBody", "purpose": "tagging", "value": name})
    description = row.annotation.properties.get(pieces.DESCRIPTION)
    if isinstance(description, str) and not isinstance(kept, list):
        bodies.append({"type": "TextualBody", "purpose": "commenting", "value": description})
    return bodies


W3C = Format("w3c", "W3C Web Annotation", (".json",), "application/ld+json", recognise, read, write)
