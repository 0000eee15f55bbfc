"""Well-known text: one geometry a line, or a table with a column of them.

OGC Simple Features Access 1.2.1, 7. Level-0 pixels, y down; Cytomine's, whose y grows up, has a module of its own
(`cytomine`).
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from pathserve.errors import Invalid, PathServeError
from pathserve.formats.contract import HEAD_BYTES, Format, Item, ReadContext, WriteContext
from pathserve.formats.tables.attributes import class_column, read_row
from pathserve.formats.tools import number_texts, pieces, reading
from pathserve.formats.tools.delimited import header_of, lines_of, rows_of
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

TEXT = re.compile(
    r"\s*(?:SRID=\d+;)?\s*((?:MULTI)?(?:POINT|LINESTRING|POLYGON)|GEOMETRYCOLLECTION)\b\s*(?:Z|M|ZM)?\s*(?:\(|EMPTY)",
    re.IGNORECASE,
)
"""How a geometry begins."""

MAX_COLLECTIONS = 4
"""Collections may lie this deep within one another."""

_TYPES = ("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection")
_KINDS = {name.upper(): name for name in _TYPES}
_LEVELS = {"Point": 0, "LineString": 1, "Polygon": 2, "MultiPoint": 1, "MultiLineString": 2, "MultiPolygon": 3}
_TOKEN = re.compile(r"[A-Za-z]+|[(),]|[^\s(),A-Za-z][^\s(),]*|\s+")

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
    return reading.limited(items, context)


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
    """Read one geometry, token by token, so that a large one holds nobody up for long.

    Raises
    ------
    Invalid
        When it is none, or empty.
    TooLarge
        When it has too many vertices.
    """
    start = _SRID.match(text)
    return _Parser(text, 0 if start is None else start.end(), context).whole()


class _Parser:
    """Reads the geometry that a text is."""

    def __init__(self, text: str, start: int, context: ReadContext) -> None:
        self._tokens = (match[0] for match in _TOKEN.finditer(text, start) if not match[0].isspace())
        self._context = context
        self._vertices = 0

    def whole(self) -> dict[str, Any]:
        """Read it all."""
        geometry = self._geometry(self._next(), 0)
        if next(self._tokens, None) is not None:
            raise _none()
        return geometry

    def _next(self) -> str:
        word = next(self._tokens, None)
        if word is None:
            raise _none()
        return word

    def _geometry(self, name: str, depth: int) -> dict[str, Any]:
        kind = _KINDS.get(name.upper())
        word = self._next()
        if word.upper() in ("Z", "M", "ZM"):
            word = self._next()
        if word.upper() == "EMPTY":
            raise Invalid("The geometry is empty.", code="no_geometry")
        if kind is None or word != "(" or depth > MAX_COLLECTIONS:
            raise _none()
        if kind == "GeometryCollection":
            return {"type": kind, "geometries": self._members(depth)}
        coordinates = self._nested(1)
        levels = _LEVELS[kind]
        if kind == "MultiPoint":
            coordinates = [part[0] if isinstance(part[0], list) else part for part in coordinates]
        if kind == "Point":
            coordinates = coordinates[0]
        if not _has_levels(coordinates, levels):
            raise _none()
        return {"type": kind, "coordinates": coordinates}

    def _members(self, depth: int) -> list[dict[str, Any]]:
        found = [self._geometry(self._next(), depth + 1)]
        while (word := self._next()) == ",":
            found.append(self._geometry(self._next(), depth + 1))
        if word != ")":
            raise _none()
        return found

    def _nested(self, depth: int) -> list[Any]:
        """Read what stands in brackets, of which the first one was read."""
        found: list[Any] = []
        position: list[float] = []
        for word in self._tokens:
            if word == "(":
                if depth > 3 or position:
                    raise _none()
                found.append(self._nested(depth + 1))
            elif word in ",)":
                if position:
                    found.append(position)
                    position = []
                    self._count()
                if word == ")":
                    return found if found else _empty()
            else:
                position.append(_number(word))
        raise _none()

    def _count(self) -> None:
        self._vertices += 1
        reading.check_count(self._vertices, self._context)


def _none() -> Invalid:
    return Invalid("The text is no well-known text of a geometry.", code="bad_wkt")


def _empty() -> list[Any]:
    raise _none()


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise _none() from None


def _has_levels(coordinates: Any, levels: int) -> bool:  # noqa: ANN401 - depth goes by geometry type
    """Tell whether lists lie as deep within one another as the type wants, with two or three numbers at the bottom."""
    if levels == 0:
        return len(coordinates) in (2, 3, 4) and all(isinstance(part, float) for part in coordinates)
    return all(isinstance(part, list) and _has_levels(part, levels - 1) for part in coordinates)


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
    if isinstance(coordinates[0][0], list):
        return f"({', '.join(map(_nested, coordinates))})"
    if len(coordinates[0]) > 3 or set(map(type, chain.from_iterable(coordinates))) != {float}:
        return f"({', '.join(map(_position, coordinates))})"
    return f"({number_texts.joined(coordinates).replace(' ', ';').replace(',', ' ').replace(';', ', ')})"


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write a table: id, class, geometry, and all properties as JSON."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(("id", "class_name", "wkt", "properties"))
    for row in pieces.rows(blocks, context, has_colors=False):
        annotation = row.annotation
        properties = orjson.dumps(annotation.properties).decode() if annotation.properties else ""
        identity = "" if annotation.id is None else str(annotation.id)
        table.writerow((identity, annotation.class_name or "", write_wkt(annotation.geometry), properties))
        file.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()
    file.write(text.getvalue().encode())


WKT = Format("wkt", "Well-known text", (".csv", ".wkt"), "text/csv", recognise, read, write, options=("class",))
