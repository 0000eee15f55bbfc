"""Cytomine's annotations: well-known text in ``location``, with y growing up from the bottom of the picture.

https://doc.cytomine.org: an annotation, a ``collection`` of them, a list, or a table with such a column. Positions are
level-0 pixels from the bottom left corner, so both ways need the slide's height: y = height - location's y.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from pathserve.errors import Invalid, PathServeError
from pathserve.formats.contract import HEAD_BYTES, Format, Item, ReadContext, SlideFrame, WriteContext
from pathserve.formats.ids import ORIGINAL_ID
from pathserve.formats.json_head import Outline
from pathserve.formats.tools import pieces, reading
from pathserve.formats.tools.delimited import header_of, rows_of
from pathserve.formats.tools.json_stream import ITEMS, WHOLE, outline_of_first, read_items
from pathserve.formats.tools.marks import Mark
from pathserve.formats.tools.pieces import Part
from pathserve.formats.tools.wkt import TEXT, parse_wkt, write_wkt
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

_MARK = "pathserve"
_OWN = frozenset(("location", "id", "created", _MARK))


def recognise(head: bytes) -> bool:
    """Tell by a ``location`` that is well-known text."""
    found, _ = outline_of_first(head)
    objects = (found, *(found.first.get(name, Outline()) for name in ("collection", "annotation")))
    if any(TEXT.match(item.members.get("location") or "") for item in objects):
        return True
    return any("location" in item.members and "image" in item.members for item in objects) or _column(head) is not None


def _column(head: bytes) -> tuple[str, str] | None:
    """Give the column of a table that is ``location``, and the mark between columns."""
    found = header_of(head)
    if found is None:
        return None
    name = next((name for name in found[0] if name.lower() == "location"), None)
    return None if name is None else (name, found[1])


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file.

    Raises
    ------
    Invalid
        When the size of the slide is not known.
    """
    height = _height(context.slide)
    return reading.limited(pieces.join(_parts(path, height, context)), context)


def _height(slide: SlideFrame) -> int:
    if slide.size is None:
        raise Invalid("Cytomine counts from the bottom: the slide's size must be known.", code="size_needed")
    return slide.size.height


def _parts(path: Path, height: int, context: ReadContext) -> Iterator[Part | FeatureIssue]:
    for given in _given(path):
        try:
            yield _part(given, height, context)
        except PathServeError as error:
            yield FeatureIssue(0, error.code, error.message)


def _given(path: Path) -> Iterator[object]:
    """Walk through what a file holds."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    column = _column(head)
    if column is None:
        yield from read_items(path, _route(head))
        return
    for row in rows_of(path, column[1]):
        yield {(key if key != column[0] else "location"): value for key, value in row.items()}


def _route(head: bytes) -> str:
    found, within = outline_of_first(head)
    if "location" in found.members:
        return within.removesuffix(".") if within else WHOLE
    return f"{within}annotation" if "annotation" in found.members else f"collection.{ITEMS}"


def _part(given: object, height: int, context: ReadContext) -> Part:
    location = given.get("location") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(location, str):
        raise Invalid("The annotation has no location.", code="no_geometry")
    properties: dict[str, Any] = {}
    kept = {key: value for key, value in given.items() if key not in _OWN and value is not None}
    if kept:
        properties["cytomine"] = kept
    identity = given.get("id", given.get("ID"))
    created = given.get("created")
    reading.set_text(properties, pieces.ORIGINAL_CREATED, str(created) if isinstance(created, int) else created)
    annotation = NewAnnotation(
        geometry=_turned(parse_wkt(location, context), height),
        id=reading.read_id(identity, properties),
        class_name=_class(kept),
        properties=properties,
    )
    return Part(annotation, Mark.parse(given.get(_MARK)))


def _class(given: Mapping[str, Any]) -> str | None:
    """Give the first term that is a name; numbers of terms mean nothing outside their project, and stay as they are."""
    for name in ("term", "Term", "terms", "termName"):
        value = given.get(name)
        for term in value if isinstance(value, list) else [value]:
            if isinstance(term, str) and term.strip() and not term.strip().isdigit():
                return reading.read_class(term)
    return None


def _turned(geometry: Mapping[str, Any], height: int) -> dict[str, Any]:
    """Turn a geometry upside down; ring start and order stay."""
    if geometry["type"] == "GeometryCollection":
        return {**geometry, "geometries": [_turned(member, height) for member in geometry["geometries"]]}
    return {**geometry, "coordinates": _flipped(geometry["coordinates"], height)}


def _flipped(coordinates: Any, height: int) -> Any:  # noqa: ANN401 - depth goes by geometry type
    if isinstance(coordinates[0], list):
        return [_flipped(inner, height) for inner in coordinates]
    return [coordinates[0], height - coordinates[1], *coordinates[2:]]


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write a collection.

    Raises
    ------
    Invalid
        When the size of the slide is not known.
    """
    height = _height(context.slide)
    file.write(b'{"collection":[\n')
    separator = b""
    for row in pieces.rows(blocks, context, marked=True):
        annotation = row.annotation
        original = annotation.properties.get(ORIGINAL_ID)
        made: dict[str, Any] = {"id": original} if isinstance(original, int) else {}
        turned = _turned(annotation.geometry, height)
        rounded = _turned(turned, height) != annotation.geometry
        mark = pieces.first_mark(row, row.name, has_colors=False, rounded=rounded)
        made["location"] = write_wkt(turned)
        made["term"] = [] if annotation.class_name is None else [annotation.class_name]
        made[_MARK] = orjson.Fragment(mark.text())
        file.write(separator + orjson.dumps(made))
        separator = b",\n"
    file.write(b"\n]}\n")


CYTOMINE = Format(
    "cytomine", "Cytomine", (".json",), "application/json", recognise, read, write, origin=None, unit=None
)
