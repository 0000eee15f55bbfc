"""What readers of other tools' files share: numbers, positions, names and ids, with their limits."""

import math
from array import array
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from pathserve.errors import Invalid, TooLarge
from pathserve.formats import ids
from pathserve.formats.contract import Item, ReadContext
from pathserve.formats.tools.drawn_shapes import Ring, close_ring
from pathserve.formats.tools.xml_events import Element, number
from pathserve.labels import require_name

_BLOCK = 64 * 1024


def limited(items: Iterator[Item], context: ReadContext) -> Iterator[Item]:
    """Pass items on.

    Raises
    ------
    TooLarge
        When there are more than the context allows.
    """
    for count, item in enumerate(items, start=1):
        if count > context.max_features:
            raise TooLarge(f"At most {context.max_features:,} features are taken at once.", code="too_many_features")
        yield item


def check_count(count: int, context: ReadContext) -> None:
    """Refuse a geometry of too many vertices.

    Raises
    ------
    TooLarge
        When it has more than the context allows.
    """
    if count > context.max_vertices:
        raise TooLarge(f"A geometry may have at most {context.max_vertices:,} vertices.", code="too_many_vertices")


def vertices(holder: Element | None, context: ReadContext, *, width: int = 2, first: int = 0) -> Ring:
    """Give the positions that an element holds, as `positions` does it.

    Raises
    ------
    Invalid
        When there is no such element, or it has no vertices or one that is no finite number.
    TooLarge
        When it has too many.
    """
    if holder is None:
        raise Invalid("The object has no vertices.", code="no_geometry")
    check_count(context.max_vertices + holder.full, context)
    return positions(holder.numbers, width=width, first=first)


def read_numbers(text: str, mark: str, context: ReadContext) -> "array[float]":
    """Read many numbers of a text with blanks or ``mark`` between them; NaN for what is none.

    They are read in blocks, so that a long text holds nobody up.

    Raises
    ------
    TooLarge
        When there are more than positions can have.
    """
    found = array("d")
    place = 0
    while place < len(text):
        end = place + _BLOCK
        while end < len(text) and text[end] != mark and not text[end].isspace():
            end += 1
        found.extend(number(part) for part in text[place:end].replace(mark, " ").split())
        check_count(len(found) // 2, context)
        place = end
    return found


def positions(numbers: "array[float] | Sequence[float]", *, width: int = 2, first: int = 0) -> Ring:
    """Give the positions out of ``width`` numbers for each, of which x and y stand at ``first`` and after it.

    Raises
    ------
    Invalid
        When there is none, or one is no finite number.
    """
    xs, ys = numbers[first::width], numbers[first + 1 :: width]
    if not len(xs) or not all(map(math.isfinite, xs)) or not all(map(math.isfinite, ys)):
        raise Invalid("The object has no vertices, or one that is no finite number.", code="out_of_range")
    return [[x, y] for x, y in zip(xs, ys, strict=True)]


def polygon(ring: Ring) -> dict[str, Any]:
    """Make a polygon of one ring, which is closed if it is not; what is less than a ring stays a line or a point."""
    if len(ring) == 1:
        return {"type": "Point", "coordinates": ring[0]}
    if len(ring) == 2:
        return {"type": "LineString", "coordinates": ring}
    return {"type": "Polygon", "coordinates": [close_ring(ring)]}


def read_class(value: object) -> str | None:
    """Read the name of a class; blank is None.

    Raises
    ------
    Invalid
        When it is too long or cannot be printed.
    """
    if not isinstance(value, str) or not value.strip():
        return None
    return require_name(value.strip(), "class name")


def class_from_label(value: object) -> str | None:
    """Read a class out of a text that need not be one: None when it is blank or cannot name a class."""
    try:
        return read_class(value)
    except Invalid:
        return None


def read_id(value: object, properties: dict[str, Any]) -> UUID | None:
    """Read an id as `ids.read_id` does; an empty text is none."""
    return None if value == "" else ids.read_id(value, properties)


def set_text(properties: dict[str, Any], name: str, value: object) -> None:
    """Set a property unless the text is blank."""
    if isinstance(value, str) and value.strip():
        properties[name] = value
