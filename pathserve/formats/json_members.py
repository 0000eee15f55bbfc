"""A JSON object of any size, walked through member by member, and array by array: memory holds one item at a time.

It gives the texts of all items of all members in their order, where `json_stream` gives the values at one route: COCO
has several large arrays, which are read in one pass.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import orjson

from pathserve.errors import Invalid, TooLarge
from pathserve.formats.json_head import BYTE_ORDER_MARK

BLOCK_BYTES = 256 * 1024
"""How much is read at once; scanning it takes a few milliseconds."""

MAX_ITEM_BYTES = 8 * 1024 * 1024
"""Most bytes of one item."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\]]|"', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,\]}{\["]+')
_CLOSED = (b"{", b"[", b'"')
_BLANK = re.compile(rb"[ \t\r\n]*+")


def items_of_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Walk through the outermost object of a file.

    Yields
    ------
    Name of a member and the text of its value; when that is an array, the text of each of its values, one by one.

    Raises
    ------
    Invalid
        When the file is no JSON object, or is cut off. What is within an item is not looked at.
    TooLarge
        When an item is.
    """
    with path.open("rb") as file:
        walk = _Walk(file)
        walk.skip(BYTE_ORDER_MARK)
        walk.expect(b"{")
        if walk.look() == b"}":
            return
        while True:
            name = walk.name()
            walk.expect(b":")
            if walk.look() == b"[":
                walk.expect(b"[")
                yield from ((name, item) for item in walk.array())
            else:
                yield name, walk.value()
            if walk.look() != b",":
                walk.expect(b"}")
                return
            walk.expect(b",")


class _Walk:
    """A place in a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._text, self._place = file, b"", 0

    def _more(self) -> bool:
        """Read on; False at the end of the file."""
        kept = self._text[self._place :]
        if len(kept) > MAX_ITEM_BYTES:
            raise TooLarge(f"One item of the file has more than {MAX_ITEM_BYTES:,} bytes.", code="item_too_large")
        # As much again as there is, so that a large item is not scanned over and over.
        block = self._file.read(max(BLOCK_BYTES, len(kept)))
        self._text, self._place = kept + block, 0
        return bool(block)

    def skip(self, mark: bytes) -> None:
        """Pass over a mark if it stands here."""
        self._more()
        if self._text.startswith(mark):
            self._place += len(mark)

    def look(self) -> bytes:
        """Give the next character that is no blank."""
        while True:
            match = _BLANK.match(self._text, self._place)
            self._place = match.end() if match else self._place
            if self._place < len(self._text):
                return self._text[self._place : self._place + 1]
            if not self._more():
                raise _cut_off()

    def expect(self, mark: bytes) -> None:
        """Pass over a character that has to stand here."""
        if self.look() != mark:
            raise Invalid("The file is not the JSON that it should be.", code="not_json")
        self._place += 1

    def name(self) -> str:
        """Read the name of a member."""
        try:
            found = orjson.loads(self.value())
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, str):
            raise Invalid("The file is not the JSON that it should be.", code="not_json")
        return found

    def array(self) -> Iterator[bytes]:
        """Walk through an array whose bracket was read."""
        if self.look() == b"]":
            self.expect(b"]")
            return
        while True:
            yield self.value()
            if self.look() == b"]":
                self.expect(b"]")
                return
            self.expect(b",")

    def value(self) -> bytes:
        """Read the text of a value."""
        self.look()
        while (end := self._end()) < 0:
            if not self._more():
                raise _cut_off()
        text = self._text[self._place : end]
        if not text:
            raise Invalid("The file is not the JSON that it should be.", code="not_json")
        self._place = end
        return text

    def _end(self) -> int:
        """Find the end of the value here; -1 when it lies beyond what was read."""
        end = value_end(self._text, self._place)
        return end if end < len(self._text) or self._text[self._place : self._place + 1] in _CLOSED else -1


def value_end(text: bytes, place: int) -> int:
    """Give the end of the value at ``place`` by its quotes and brackets alone; -1 when the text ends before."""
    if text[place : place + 1] not in _CLOSED:
        match = _SCALAR.match(text, place)
        return match.end() if match else place
    depth = 0
    for match in _TOKEN.finditer(text, place):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
        elif token == b'"':
            return -1
        if depth == 0:
            return match.end()
    return -1


def _cut_off() -> Invalid:
    return Invalid("The file ends in the middle.", code="damaged")
