"""Well-known text: one geometry a line, or a table with a column of them.

OGC Simple Features Access 1.2.1, 7. Level-0 pixels, y down; Cytomine's, whose y grows up, has a module of its own
(`cytomine`).
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import shapely
import shapely.geometry
from shapely.errors import ShapelyError

from pathserve.errors import Invalid, PathServeError, TooLarge
from pathserve.formats import pieces
from pathserve.formats.contract import HEAD_BYTES, Format, Item, ReadContext, WriteContext
from pathserve.formats.delimited import header_of, lines_of, rows_of
from pathserve.formats.rows import class_column, read_row
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

TEXT = re.compile(
    r"\s*(?:SRID=\d+;)?\s*((?:MULTI)?(?:POINT|LINESTRING|POLYGON)|GEOMETRYCOLLECTION)\b\s*(?:Z|M|ZM)?\s*(?:\(|EMPTY)",
    re.IGNORECASE,
)
"""How a geometry begins."""

MAX_COLLECTIONS = 16
"""Most collections within one geometry."""

_SRID = re.compile(r"\s*SRID=\d+;", re.IGNORECASE)
_COLUMNS = ("wkt", "geometry", "geom", "the_geom")


def recognise(head: bytes) -> bool:
    """Tell by a geometry at the beginning, or by a column of them."""
    if TEXT.match(head[:200].decode("utf-8-sig", "replace")) is not None:
        return True
    return _table_of(head) is not None


def _table_of(head: bytes) -> tuple[str, str] | None:
    """Give the column of geometries and the mark between columns."""
    found = header_of(head)
    if found is None:
        return None
    names, mark = found
    column = next((name for name in names if name.lower() in _COLUMNS), None)
    rest = head.split(b"\n", 1)[-1].decode("utf-8", "replace")
    is_text = column is not None and re.search(rf"(?:^|[{mark}\"\s]){TEXT.pattern}", rest, re.IGNORECASE) is not None
    return (column, mark) if is_text and column is not None else None


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file; in a table, one column may name the class (``--option class=NAME`` says which)."""
    with path.open("rb") as file:
        table = _table_of(file.read(HEAD_BYTES))
    items = _read_lines(path, context) if table is None else _read_table(path, *table, context)
    return pieces.limited(items, context)


def _read_lines(path: Path, context: ReadContext) -> Iterator[Item]:
    for line in lines_of(path):
        if line.strip():
            try:
                yield NewAnnotation(parse_wkt(line, context))
            except PathServeError as error:
                yield FeatureIssue(0, error.code, error.message)


def _read_table(path: Path, column: str, mark: str, context: ReadContext) -> Iterator[Item]:
    for given in rows_of(path, mark):
        text = given.pop(column, "")
        try:
            geometry = parse_wkt(text, context)
            row = read_row(given, context, class_in=class_column(tuple(given), context))
        except PathServeError as error:
            yield FeatureIssue(0, error.code, error.message)
            continue
        if isinstance(row, FeatureIssue):
            yield row
        else:
            color = None if row.class_name is None else context.colors.get(row.class_name)
            yield NewAnnotation(geometry, row.id, row.class_name, color, row.properties)


def parse_wkt(text: str, context: ReadContext) -> dict[str, Any]:
    """Read one geometry.

    Raises
    ------
    Invalid
        When it is none, or empty.
    TooLarge
        When it has too many vertices.
    """
    if text.count(",") >= context.max_vertices:
        most = context.max_vertices
        raise TooLarge(f"A geometry may have at most {most:,} vertices.", code="too_many_vertices")
    # The parser below goes into collections by recursion, as deep as the text does.
    if TEXT.match(text) is None or text.upper().count("GEOMETRYCOLLECTION") > MAX_COLLECTIONS:
        raise Invalid("The text is no well-known text of a geometry.", code="bad_wkt")
    try:
        found = shapely.from_wkt(_SRID.sub("", text.strip(), count=1))
        if found.is_empty:
            raise Invalid("The geometry is empty.", code="no_geometry")
        return _listed(shapely.geometry.mapping(found))
    except (ShapelyError, ValueError, TypeError, NotImplementedError):
        raise Invalid("The text is no well-known text of a geometry.", code="bad_wkt") from None


def _listed(mapped: Mapping[str, Any]) -> dict[str, Any]:
    """Give a geometry with lists, as JSON has them."""
    if mapped["type"] == "GeometryCollection":
        return {"type": mapped["type"], "geometries": [_listed(member) for member in mapped["geometries"]]}
    if mapped["type"] == "LinearRing":
        return {"type": "LineString", "coordinates": _lists(mapped["coordinates"])}
    return {"type": mapped["type"], "coordinates": _lists(mapped["coordinates"])}


def _lists(value: Any) -> Any:  # noqa: ANN401 - depth goes by geometry type
    return [_lists(inner) for inner in value] if isinstance(value, tuple | list) else value


def write_wkt(geometry: Mapping[str, Any]) -> str:
    """Write one geometry, with all digits of its numbers."""
    kind = geometry["type"]
    if kind == "GeometryCollection":
        return f"GEOMETRYCOLLECTION ({', '.join(write_wkt(member) for member in geometry['geometries'])})"
    coordinates = geometry["coordinates"]
    if kind == "Point":
        return f"POINT ({_position(coordinates)})"
    has_height = _first(coordinates) == 3
    return f"{kind.upper()}{' Z' if has_height else ''} {_nested(coordinates)}"


def _position(position: Any) -> str:  # noqa: ANN401 - two numbers or three
    return " ".join(str(float(number)) for number in position[:3])


def _first(coordinates: Any) -> int:  # noqa: ANN401 - depth goes by geometry type
    while isinstance(coordinates[0], list):
        coordinates = coordinates[0]
    return len(coordinates)


def _nested(coordinates: Any) -> str:  # noqa: ANN401 - depth goes by geometry type
    inner = [_nested(c) if isinstance(c[0], list) else _position(c) for c in coordinates]
    return f"({', '.join(inner)})"


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write a table: id, class, geometry, and all properties as JSON."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(("id", "class_name", "wkt", "properties"))
    for row in pieces.rows(blocks, context):
        annotation = row.annotation
        properties = orjson.dumps(annotation.properties).decode() if annotation.properties else ""
        identity = "" if annotation.id is None else str(annotation.id)
        table.writerow((identity, annotation.class_name or "", write_wkt(annotation.geometry), properties))
        file.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()
    file.write(text.getvalue().encode())


WKT = Format("wkt", "Well-known text", (".csv", ".wkt"), "text/csv", recognise, read, write)
