"""JSON documents of other tools, event by event, with limits on depth, tokens and the size of one object.

They name their arrays differently, and put them within lists and objects, so who reads says where the objects stand.
GeoJSON and COCO, which are the largest by far, have faster readers of their own (`scan`, `json_members`).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ijson

from pathserve.errors import Invalid, TooLarge
from pathserve.formats.contract import Losses
from pathserve.formats.json_head import BYTE_ORDER_MARK

MAX_DEPTH = 64
"""Objects and arrays may lie this deep within one another."""

MAX_TOKEN_BYTES = 64 * 1024 * 1024
"""Bytes of one text or number."""

ITEM = "[]"
"""Stands in a route for any item of an array."""

Route = tuple[str, ...]

_BLOCK = 64 * 1024
_VALUES_BESIDE_POSITIONS = 200_000


@dataclass(frozen=True, slots=True)
class Member:
    """One of the values asked for, or a single value outside of them.

    Parameters
    ----------
    route
        Names of members from the outside in, `ITEM` for items of arrays: ``("elements", "[]")``.
    value
        The object or array asked for, or the text, number, boolean or null.
    item
        Whether it was asked for.
    too_large
        Whether it has more values than there is room for; ``value`` is None then.
    """

    route: Route
    value: Any
    item: bool
    too_large: bool = False


def read_members(
    path: Path, items: Collection[Route], losses: Losses, *, max_vertices: int = 1_000_000
) -> Iterator[Member]:
    """Walk through a text.

    Parameters
    ----------
    items
        Routes of what is given whole: ``("elements", "[]")`` for the items of that member's array, ``()`` for the whole
        text.
    max_vertices
        Most positions of an item; an item has room for three numbers a position, and for much else.

    Raises
    ------
    Invalid
        When the text is not JSON, is cut off, nested too deeply or holds a number that JSON cannot.
    TooLarge
        When a text within it is too long.
    """
    walk = _Walk(frozenset(items), losses, 4 * max_vertices + _VALUES_BESIDE_POSITIONS)
    with path.open("rb") as file:
        source = _Source(file)
        try:
            for event, value in ijson.basic_parse(source, buf_size=_BLOCK, use_float=True):
                source.waiting = 0
                found = walk.take(event, value)
                if found is not None:
                    yield found
        except (ijson.JSONError, ValueError, OverflowError):
            message = f"The text is not JSON, or is cut off, after {walk.items:,} objects."
            raise Invalid(message, code="not_json") from None


class _Source:
    """The bytes of a text without the mark of their order, as many of them as one token may have."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._begun = False
        self.waiting = 0

    def read(self, count: int) -> bytes:
        """Read the next bytes."""
        block = self._file.read(count)
        if not self._begun:
            self._begun = True
            block = block.removeprefix(BYTE_ORDER_MARK) or self._file.read(count)
        self.waiting += len(block)
        if self.waiting > MAX_TOKEN_BYTES:
            raise TooLarge("A text within the JSON is too long.", code="json_token_too_long")
        return block


class _Walk:
    """Puts values together out of the events of one text."""

    def __init__(self, wanted: frozenset[Route], losses: Losses, most: int) -> None:
        self._wanted, self._losses, self._most = wanted, losses, most
        self._open: list[Any] = []  # objects and arrays from the outside in; None outside of an item
        self._names: list[str] = []  # the newest member's name in each of them; `ITEM` in arrays
        self._values = 0
        self._item_depth = -1
        self.items = 0

    def take(self, event: str, value: object) -> Member | None:
        """Take the next event; gives what is complete with it."""
        match event:
            case "map_key":
                self._names[-1] = str(value)
            case "start_map" | "start_array":
                self._start(array=event == "start_array")
            case "end_map" | "end_array":
                return self._end()
            case _:
                return self._single(value)
        return None

    def _start(self, *, array: bool) -> None:
        if len(self._open) >= MAX_DEPTH:
            message = f"The text is nested more than {MAX_DEPTH} levels deep, after {self.items:,} objects."
            raise Invalid(message, code="too_deep")
        if self._item_depth < 0 and tuple(self._names) in self._wanted:
            self._item_depth = len(self._open)
            self._values = 0
        made: Any = None
        if self._item_depth >= 0:
            self._values += 1
            made = [] if array else {}
            if len(self._open) > self._item_depth:
                self._put(made)
        self._open.append(made)
        self._names.append(ITEM if array else "")

    def _end(self) -> Member | None:
        made = self._open.pop()
        self._names.pop()
        if self._item_depth != len(self._open):
            return None
        self._item_depth = -1
        self.items += 1
        if self._values > self._most:
            return Member(tuple(self._names), None, item=True, too_large=True)
        return Member(tuple(self._names), made, item=True)

    def _single(self, value: object) -> Member | None:
        if self._item_depth >= 0:
            self._values += 1
            self._put(value)
            return None
        route = tuple(self._names)
        return Member(route, value, item=route in self._wanted)

    def _put(self, value: object) -> None:
        """Put a value into the innermost object or array, while there is room."""
        if self._values > self._most:
            return
        holder = self._open[-1]
        if isinstance(holder, list):
            holder.append(value)
        else:
            if self._names[-1] in holder:
                self._losses.note("duplicate_key", "An object named a member twice; the last one was taken.")
            holder[self._names[-1]] = value
