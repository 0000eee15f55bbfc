"""Positions as text, many numbers at a time: a million outlines have some twenty million vertices.

orjson writes a float64 ten times as fast as Python does, with the same digits: both give the shortest that are read as
the same number. They differ only in how they write very small and very large ones, which Python then does.
"""

import orjson

from pathserve.formats.tools.drawn_shapes import Ring

_LARGE, _SMALL = "e", "0.0000"
_FIRST = 256

Vertex = tuple[str, str, str]
"""What stands before, between and behind the two numbers of a vertex; before and behind there is no comma."""


def joined(ring: Ring) -> str:
    """Write ``x,y x,y``, each number as Python writes it."""
    text = orjson.dumps(ring).decode()
    if _LARGE in text or _SMALL in text:
        return " ".join(",".join(map(str, position)) for position in ring)
    return text[2:-2].replace("],[", " ")


def formatted(ring: Ring, vertex: Vertex) -> str:
    """Write each position (two numbers) as a vertex."""
    before, between, behind = vertex
    return before + joined(ring).replace(" ", behind + before).replace(",", between) + behind


def rounded(ring: Ring, vertex: Vertex) -> str:
    """Write each position as `formatted` does, in whole numbers."""
    return formatted([[round(x), round(y)] for x, y in ring], vertex)


class Numbered:
    """Writes each position as `formatted` does, with its place among them where the text before it has ``{}``."""

    def __init__(self, vertex: Vertex) -> None:
        self._before, self._between, self._behind = vertex
        self._heads = [self._head(place) for place in range(_FIRST)]

    def _head(self, place: int) -> str:
        return (self._behind if place else "") + self._before.format(place)

    def text(self, ring: Ring) -> str:
        """Write them all."""
        numbers = joined(ring).replace(" ", "\n").replace(",", self._between).split("\n")
        parts = [""] * (2 * len(numbers))
        parts[::2] = self._heads[: len(numbers)] + [self._head(place) for place in range(_FIRST, len(numbers))]
        parts[1::2] = numbers
        return "".join(parts) + self._behind
