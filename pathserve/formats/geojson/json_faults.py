"""What is wrong with a JSON text, where, and which of the items in it can be read all the same.

For texts that a parser has refused already. Nothing in it recurses.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from pathserve.formats.json_members import value_end

MAX_DEPTH = 64
"""Objects and arrays may lie this deep within one another, the coordinates of a geometry apart."""

TOO_DEEP = ("too_deep", f"It is nested more than {MAX_DEPTH} levels deep.")

Where = Callable[[int], str]
"""Says where a byte of a text is: ``at byte 1,234, line 5``."""

_BLANK = re.compile(rb"[ \t\r\n]*+")
_CAUSES = (  # a part of the parser's sentence, and ours
    ("UTF-8", "not_json", "some bytes are not UTF-8"),
    ("surrogate", "not_json", "a text holds half of a surrogate pair"),
    ("control character", "not_json", "a text holds a control character that is not escaped"),
    ("infinity", "out_of_range", "a number is larger than 64-bit floats are"),
    ("unexpected end", "not_json", "it ends in the middle"),
)
_NO_NUMBER = re.compile(rb"-?(?:NaN|Infinity)\b")


class Places:
    """Says where bytes of a text are; asked in their order, it counts each line once.

    Parameters
    ----------
    byte, line
        Where the text begins in its file.
    """

    def __init__(self, text: bytes, byte: int = 0, line: int = 1) -> None:
        self._text, self._byte, self._line = text, byte, line
        self._counted, self._lines = 0, line

    def where(self, place: int) -> str:
        """Say where a byte is."""
        if place < self._counted:
            self._counted, self._lines = 0, self._line
        self._lines += self._text.count(b"\n", self._counted, place)
        self._counted = place
        return f"at byte {self._byte + place:,}, line {self._lines:,}"


def within_record(place: int) -> str:
    """Say where a byte of a record is, whose own place is that of its feature."""
    return f"at byte {place:,} of its record"


def fault(text: bytes, error: orjson.JSONDecodeError, where: Where) -> tuple[str, str]:
    """Give the code and a sentence of what the parser found; the sentence repeats nothing of the text."""
    place = _byte_of(text, error)
    if "depth" in error.msg:
        return TOO_DEEP
    for part, code, cause in _CAUSES:
        if part in error.msg:
            start = "It cannot be kept" if code == "out_of_range" else "It is not JSON"
            return code, f"{start} {where(place)}: {cause}."
    cause = "NaN and Infinity are no numbers" if _NO_NUMBER.match(text, place) else "something else should stand there"
    return "not_json", f"It is not JSON {where(place)}: {cause}."


def _byte_of(text: bytes, error: orjson.JSONDecodeError) -> int:
    """Turn the parser's place, which counts characters, into bytes."""
    try:
        return len(text.decode()[: error.pos].encode())
    except UnicodeDecodeError as found:
        return found.start


@dataclass(frozen=True, slots=True)
class Apart:
    """An array of items and what stands around it.

    Parameters
    ----------
    items
        Extent of each item in the text.
    start, end
        Extent of the array with its brackets.
    """

    items: list[tuple[int, int]]
    start: int
    end: int


def take_apart(text: bytes, name: str) -> Apart | None:
    """Find the items of a text by its brackets and commas alone.

    Parameters
    ----------
    text
        An array, or an object whose first array ``name`` is looked for.

    Returns
    -------
    None when the text is neither, or cannot be followed to its end.
    """
    place = _skip(text, 0)
    first = text[place : place + 1]
    if first == b"[":
        found = _array(text, place)
        return found if found is not None and _skip(text, found.end) == len(text) else None
    return _member(text, place + 1, name.encode()) if first == b"{" else None


def _skip(text: bytes, place: int) -> int:
    match = _BLANK.match(text, place)
    return match.end() if match else place


def _array(text: bytes, start: int) -> Apart | None:
    """Find the items of the array whose bracket is at ``start``."""
    items = list[tuple[int, int]]()
    place = _skip(text, start + 1)
    while text[place : place + 1] != b"]" or items:
        end = value_end(text, place)
        if end <= place:
            return None
        items.append((place, end))
        place = _skip(text, end)
        if text[place : place + 1] == b"]":
            break
        if text[place : place + 1] != b",":
            return None
        place = _skip(text, place + 1)
    return Apart(items, start, place + 1)


def _member(text: bytes, place: int, name: bytes) -> Apart | None:
    """Walk through an object's members from ``place`` to its end for the first array of a name."""
    found: Apart | None = None
    while True:
        place = _skip(text, place)
        end = value_end(text, place)
        colon = _skip(text, end)
        if text[place : place + 1] != b'"' or end < 0 or text[colon : colon + 1] != b":":
            return None
        value = _skip(text, colon + 1)
        if found is None and text[place + 1 : end - 1] == name and text[value : value + 1] == b"[":
            found = _array(text, value)
            if found is None:
                return None
            end = found.end
        else:
            end = value_end(text, value)
        if end <= value:
            return None
        place = _skip(text, end)
        if text[place : place + 1] == b"}":
            return found if _skip(text, place + 1) == len(text) else None
        if text[place : place + 1] != b",":
            return None
        place += 1
