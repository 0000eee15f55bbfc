"""How times, boxes and rings are written that somebody asks for: in addresses, and in options of commands."""

import math
import re
from datetime import datetime

from pathserve.errors import Invalid

MAX_LIMIT = 10_000
"""Most items of one answer."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in level-0 pixels; half-open."""

_WKT = re.compile(r"\s*polygon\s*\(\s*\(([^()]*)\)\s*\)\s*", re.IGNORECASE)


def parse_as_of(text: str) -> int | datetime:
    """Read a revision or version number, or an RFC 3339 time with its zone.

    Raises
    ------
    Invalid
        When it is neither.
    """
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid("as_of takes a revision number or an RFC 3339 time such as 2026-01-31T12:00:00Z.") from error
    if moment.tzinfo is None:
        raise Invalid("as_of takes a time with its zone, such as 2026-01-31T12:00:00Z.")
    return moment


def parse_box(text: str) -> Box:
    """Read ``x0,y0,x1,y1``.

    Raises
    ------
    Invalid
        When it is not four finite numbers in order.
    """
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError as error:
        raise Invalid("A bbox is four numbers: x0,y0,x1,y1.") from error
    if not all(map(math.isfinite, (x0, y0, x1, y1))) or x1 < x0 or y1 < y0:
        raise Invalid("A bbox is four finite numbers x0,y0,x1,y1 with x0 <= x1 and y0 <= y1.")
    return x0, y0, x1, y1


def parse_polygon(text: str) -> tuple[tuple[float, float], ...]:
    """Read one ring, ``x,y,x,y,...`` or ``POLYGON((x y, x y, ...))``; whether it encloses anything is not looked at.

    Raises
    ------
    Invalid
        When it is neither, or a number is not finite.
    """
    found = _WKT.fullmatch(text)
    try:
        if found is not None:
            positions = tuple((float(x), float(y)) for x, y in (pair.split() for pair in found[1].split(",")))
        else:
            numbers = [float(part) for part in text.split(",")]
            positions = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    except ValueError as error:
        raise Invalid("A polygon is x,y,x,y,... or POLYGON((x y, x y, ...)), one ring without holes.") from error
    if not all(math.isfinite(number) for position in positions for number in position):
        raise Invalid("A polygon has finite numbers.")
    return positions
