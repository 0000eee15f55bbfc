"""Cells of rows, read by their kind, and the forms in which moments and lists are stored and asked for."""

from datetime import UTC, datetime
from math import isnan

from pathserve.errors import Invalid

Value = str | int | float | bytes | None
"""What one cell of one row can hold."""

Row = tuple[Value, ...]
"""The cells of one row."""

Statement = tuple[str, Row]
"""SQL with ``?`` for each value, and the values."""

_ALWAYS_STORABLE = frozenset((int, bool, bytes, type(None)))
_UPPER_TO_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def as_int(value: Value) -> int:
    """Read a whole number out of a row."""
    if not isinstance(value, int):
        raise TypeError("a whole number was expected in this column")
    return value


def as_real(value: Value) -> float:
    """Read a number out of a row."""
    if not isinstance(value, int | float):
        raise TypeError("a number was expected in this column")
    return float(value)


def now() -> str:
    """Give this moment as it is stored: RFC 3339 in UTC, so that texts sort as moments do."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def placeholders(count: int) -> str:
    """Give what stands between the brackets of ``in (...)`` for that many values; nothing is in a list of none."""
    return ", ".join("?" * count) or "null"


def ascii_lower(text: str) -> str:
    """Make letters of ASCII lower case and leave all others: what ``lower`` does to a column in every database."""
    return text.translate(_UPPER_TO_LOWER)


def require_storable(values: Row) -> Row:
    """Give the values of a statement as every database stores them: NaN is null.

    Raises
    ------
    Invalid
        When a text holds the character NUL.
    """
    if _ALWAYS_STORABLE.issuperset(map(type, values)):
        return values
    has_nan = False
    for value in values:
        if isinstance(value, str):
            if "\0" in value:
                raise Invalid("A text holds the character NUL, which cannot be stored.")
        elif isinstance(value, float) and isnan(value):
            has_nan = True
    return tuple(None if isinstance(v, float) and isnan(v) else v for v in values) if has_nan else values
