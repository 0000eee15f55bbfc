"""TIAToolbox's table of patches: places ``x``, ``y`` of patches' centres and a ``class``, as JSON columns or as text.

https://tia-toolbox.readthedocs.io, PointsPatchExtractor: a table of pandas, which writes columns one after another, so
it is held in memory until all are read. The places become points.
"""

from collections.abc import Iterator
from pathlib import Path

from pathserve.errors import PathServeError, TooLarge
from pathserve.formats.contract import HEAD_BYTES, Format, Item, ReadContext
from pathserve.formats.json_head import outline
from pathserve.formats.tools import reading
from pathserve.formats.tools.delimited import header_of, rows_of
from pathserve.formats.tools.json_stream import read_column
from pathserve.formats.tools.xml_events import number
from pathserve.labels import FeatureIssue, NewAnnotation

MAX_PATCHES = 5_000_000
"""Most rows of one table of JSON columns."""

_COLUMNS = frozenset(("x", "y", "class"))


def recognise(head: bytes) -> bool:
    """Tell by the columns, which are these and no others."""
    found = outline(head)
    if found.kind == "{":
        return set(found.members) <= _COLUMNS and {"x", "y"} <= set(found.members) | _COLUMNS and _is_column(head)
    table = header_of(head)
    return table is not None and {"x", "y"} <= set(table[0]) <= _COLUMNS


def _is_column(head: bytes) -> bool:
    """Tell whether the first member is a column of numbers by row: ``{"x":{"0":14.0,``."""
    compact = b"".join(head[:256].split())
    return compact.startswith((b'{"x":{"', b'{"y":{"', b'{"class":{"'))


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file."""
    with path.open("rb") as file:
        table = header_of(file.read(HEAD_BYTES)) if not _starts_object(path) else None
    rows = _json_rows(path) if table is None else rows_of(path, table[1])
    return reading.limited(_read(rows), context)


def _starts_object(path: Path) -> bool:
    with path.open("rb") as file:
        return outline(file.read(HEAD_BYTES)).kind == "{"


def _read(rows: Iterator[dict[str, str]]) -> Iterator[Item]:
    for row in rows:
        try:
            position = reading.positions([number(row.get("x", "")), number(row.get("y", ""))])[0]
            name = reading.read_class(row.get("class"))
        except PathServeError as error:
            yield FeatureIssue(0, error.code, error.message)
        else:
            yield NewAnnotation({"type": "Point", "coordinates": position}, class_name=name)


def _json_rows(path: Path) -> Iterator[dict[str, str]]:
    """Put columns together, in the order of the first one."""
    columns: dict[str, dict[str, str]] = {}
    for name in sorted(_COLUMNS):
        for key, value in read_column(path, name):
            if len(columns.setdefault(name, {})) >= MAX_PATCHES:
                message = f"A table of JSON columns may have at most {MAX_PATCHES:,} rows."
                raise TooLarge(message, code="too_many_features")
            columns[name][key] = "" if value is None else _text(value)
    for key in columns.get("x", {}):
        yield {name: column[key] for name, column in columns.items() if key in column}


def _text(value: object) -> str:
    """Write a class as people read it: 0.0 of a column of floats is the class 0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else str(value)


PATCHES = Format("patches", "TIAToolbox patch table", (".json", ".csv"), "application/json", recognise, read)
