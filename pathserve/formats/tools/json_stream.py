"""JSON documents of other tools, object by object, with limits on depth and on the size of one object.

They name their arrays differently, and put them within lists and objects, so who reads says where the objects stand.
GeoJSON and COCO, which are the largest by far, have faster readers of their own (`scan`, `json_members`).
"""

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import ijson
import numpy as np

from pathserve.errors import Invalid, PathServeError, TooLarge
from pathserve.formats.json_head import BYTE_ORDER_MARK, Outline, outline

MAX_DEPTH = 64
"""Objects and arrays may lie this deep within one another."""

MAX_ITEM_BYTES = 64 * 1024 * 1024
"""Bytes of one object, or of what stands between two of them."""

WHOLE = ""
"""Route of the whole text, as one object."""

ITEMS = "item"
"""Route of the items of the outermost array; ``elements.item`` is that of the array that a member holds."""

_NUMBER_TOO_LONG = "integer overflow"
_MOST_DIGITS = 4_000
_TOO_MANY_DIGITS = re.compile(rb"[0-9]{%d}" % _MOST_DIGITS)
_BLOCK = 64 * 1024
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_ENDS_ESCAPING = re.compile(rb"(?:^|[^\\])(?:\\\\)*\\\Z", re.DOTALL)
_KEPT = b'[]{}"'
_OTHERS = bytes(byte for byte in range(256) if byte not in _KEPT)


def outline_of_first(head: bytes) -> tuple[Outline, str]:
    """Give the outline of a text's object, or of the first object of its outermost array, and the route to it."""
    text = head.removeprefix(BYTE_ORDER_MARK).lstrip()
    if text.startswith(b"["):
        return outline(text[1:]), f"{ITEMS}."
    return outline(text), ""


def read_items(path: Path, route: str) -> Iterator[Any]:
    """Walk through the objects at a route; of members named twice the last one counts.

    Raises
    ------
    Invalid
        When the text is not JSON, is cut off, nested too deeply or holds a number that is none or too long.
    TooLarge
        When an object is.
    """
    yield from _walk(path, partial(ijson.items, prefix=route))


def read_column(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    """Walk through the members of the object that the outermost object's member ``name`` is; errors as `read_items`."""
    yield from _walk(path, partial(ijson.kvitems, prefix=name))


def _walk(path: Path, begin: Any) -> Iterator[Any]:  # noqa: ANN401 - ijson has no types
    count = 0
    try:
        try:
            for found in _read(path, begin, use_float=True):
                count += 1
                yield found
        except ijson.JSONError as error:
            if _NUMBER_TOO_LONG not in str(error):
                raise
            # What makes floats at once takes no whole number beyond 64 bits; what makes decimals needs twice as long.
            for found in islice(_read(path, begin, use_float=False), count, None):
                value = _with_floats(found)
                count += 1
                yield value
    except (ijson.JSONError, ValueError, OverflowError):
        raise Invalid(f"The text is not JSON, or is cut off, after {count:,} objects.", code="not_json") from None
    except _TooDeepError:
        message = f"The text is nested more than {MAX_DEPTH} levels deep, after {count:,} objects."
        raise Invalid(message, code="too_deep") from None


def _read(path: Path, begin: Any, *, use_float: bool) -> Iterator[Any]:  # noqa: ANN401 - as above
    with path.open("rb") as file:
        source = _Source(file if use_float else _ShortNumbers(file))
        for found in begin(source, buf_size=_BLOCK, use_float=use_float):
            source.waiting = 0
            yield found


def _with_floats(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Make a float of each decimal, and of each whole number that 64 bits do not hold, as in GeoJSON."""
    if isinstance(value, dict):
        return {name: _with_floats(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_with_floats, value))
    if isinstance(value, Decimal) or (type(value) is int and not -(2**63) <= value < 2**64):
        number = float(value)
        if not math.isfinite(number):
            raise OverflowError
        return number
    return value


class _TooDeepError(PathServeError):
    """The text goes deeper than it may."""


class _ShortNumbers:
    """The bytes of a text whose numbers have less than thousands of digits.

    Python makes no numbers of so many, and the parser that asks it for one ends the process.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = b""

    def read(self, count: int) -> bytes:
        """Read the next bytes; raises OverflowError where so many digits are."""
        block = self._file.read(count)
        if _TOO_MANY_DIGITS.search(self._end + block):
            raise OverflowError
        self._end = block[-_MOST_DIGITS:]
        return block


class _Source:
    """The bytes of a text, looked at for their depth before they are parsed."""

    def __init__(self, file: BinaryIO | _ShortNumbers) -> None:
        self._file = file
        self._begun = self._within_text = self._escaping = False
        self._depth = 0
        self.waiting = 0

    def read(self, count: int) -> bytes:
        """Read the next bytes."""
        block = self._file.read(count)
        if not self._begun:
            self._begun = True
            block = block.removeprefix(BYTE_ORDER_MARK) or self._file.read(count)
        self.waiting += len(block)
        if self.waiting > MAX_ITEM_BYTES:
            raise TooLarge(f"One object of the file has more than {MAX_ITEM_BYTES:,} bytes.", code="item_too_large")
        self._follow(block)
        return block

    def _follow(self, block: bytes) -> None:
        """Follow the brackets outside of texts."""
        if b"\\" in block or self._escaping:
            block = block[self._escaping :]
            self._escaping = _ENDS_ESCAPING.search(block) is not None
            block = _ESCAPED.sub(b"", block)
        parts = block.translate(None, _OTHERS).split(b'"')
        outside = np.frombuffer(b"".join(parts[self._within_text :: 2]), np.uint8)
        self._within_text ^= bool((len(parts) - 1) % 2)
        if len(outside):
            # Of the four brackets, those that open have the lower code of their pair: [ 91, ] 93, { 123, } 125.
            depths = self._depth + np.cumsum(np.where((outside == 91) | (outside == 123), 1, -1))
            if int(depths.max()) > MAX_DEPTH:
                raise _TooDeepError("")
            self._depth = int(depths[-1])
