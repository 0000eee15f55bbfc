"""Cells of rows, read by their kind, and the form in which moments are stored."""

from datetime import UTC, datetime

Value = str | int | float | bytes | None
"""What one cell of one row can hold."""


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
