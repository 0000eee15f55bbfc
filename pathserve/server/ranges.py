"""Parts of files over HTTP (RFC 9110, section 14): which bytes a Range header asks for. Pure."""

import re
from dataclasses import dataclass

from pathserve.errors import Unsatisfiable

MAX_HEADER = 4096
"""Most characters of a Range header that is looked at; a longer one is refused without looking."""

_ONE_RANGE = re.compile(r"bytes=[ \t,]*(?:(\d+)-(\d*)|-(\d+))[ \t,]*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from ``start`` up to and without ``stop``."""

    start: int
    stop: int


def requested_range(header: str | None, size: int) -> ByteRange | None:
    """Find which part of a file of ``size`` bytes is asked for; None means the whole.

    What a server may pass over is passed over: other units, ranges that end before they begin, and several ranges in
    one header, which no reader of Zarr sends.

    Raises
    ------
    Unsatisfiable
        When the range begins behind the end, takes the last 0 bytes, or the header is longer than ``MAX_HEADER``.
    """
    if header is None:
        return None
    if len(header) > MAX_HEADER:
        raise Unsatisfiable("A Range header has at most 4,096 characters; ask for one range at a time.")
    match = _ONE_RANGE.fullmatch(header.strip(" \t"))
    if match is None:
        return None
    first, last, suffix = match[1], match[2], match[3]
    if suffix is not None:
        start, stop = size - min(_number(suffix, size), size), size
    else:
        start, stop = _number(first, size), _number(last, size) + 1 if last else size
        if last and _is_less(last, first):
            return None
    if start >= size:
        raise Unsatisfiable("The file ends before this range begins.")
    return ByteRange(start, min(stop, size))


def _number(digits: str, size: int) -> int:
    """Read a number; one with far more digits than any file needs is as good as the file's size."""
    return int(digits) if len(digits) < 19 else size


def _is_less(one: str, other: str) -> bool:
    one, other = one.lstrip("0"), other.lstrip("0")
    return (len(one), one) < (len(other), other)
