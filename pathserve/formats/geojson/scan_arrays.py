"""What the kernels of `scan` read and fill: arrays, and the places of numbers in them."""

from typing import Any, Final, NamedTuple

import numpy.typing as npt

Array = npt.NDArray[Any]

# How a scan ends.
MORE: Final = 0
"""The text ends within what was looked at."""

END: Final = 1
BAD: Final = 2
FOUND: Final = 3
FULL: Final = FOUND
"""A scan ended because the arrays are full."""

# What stands around the items.
ARRAY: Final = 0
LINES: Final = 1
RECORDS: Final = 2

# Flags of a row.
NORMALISE: Final = 1
"""What was copied is perhaps not written as orjson writes it, or not UTF-8."""

INSPECT: Final = 2
"""Its properties say more than the kernels read out of them."""

# Places in `Rows.counts`.
ITEMS: Final = 0
ROWS: Final = 1
POSITIONS: Final = 2
RINGS: Final = 3
PARTS: Final = 4
BYTES: Final = 5
CLASSES: Final = 6
EXPECT: Final = 7
COORDINATES: Final = 8
"""The place of a geometry's coordinates, if its type stands before them and nothing behind; else 0."""
START: Final = 9
"""Where the Feature begins whose beginning others are compared with; 0 for none."""
HEAD: Final = 10
"""Bytes of it up to its id, or up to its coordinates when it has none; its id follows."""
MIDDLE: Final = 11
"""Bytes from its id to its coordinates; 0 when it has no id."""
KIND: Final = 12
MET: Final = 13
"""How often properties were taken into ``met``."""
PLACE: Final = 14
"""Up to where all is read."""
COUNTERS: Final = 15

MEMBERS: Final = 6
"""Numbers of each of the ``met``."""

MAX_DEPTH: Final = 60
TABLE: Final = 2048


class Shapes(NamedTuple):
    """Positions, rings and parts as `Columns` has them; ``bits`` is ``xy`` as uint64, ``part_rings`` is scratch."""

    xy: Array
    bits: Array
    ring_starts: Array
    part_starts: Array
    starts: Array
    part_rings: Array


class Rows(NamedTuple):
    """What is read of each Feature of the common form.

    Parameters
    ----------
    class_at
        Index into ``classes``, -1 for none; ``classes`` holds the extents of different classifications in the text.
    out, out_ends
        Properties as JSON one behind another, and where each ends.
    flags
        `NORMALISE`, `INSPECT`.
    foreign
        Scratch: extents of members that GeoJSON does not define.
    met
        (M + 1, `MEMBERS`) properties that were read: place and bytes in the text, the same in ``out``, row, flags. The
        last ones are scratch.
    counts
        How much of each array is used, by `ITEMS`, `ROWS` ...; ``counts[EXPECT]`` says what may follow in an array
        (0: item or end, 1: comma or end, 2: item).
    """

    ids: Array
    kinds: Array
    class_at: Array
    classes: Array
    scores: Array
    score_bits: Array
    flags: Array
    out: Array
    out_ends: Array
    foreign: Array
    met: Array
    counts: Array


class Items(NamedTuple):
    """Extent of each item in the text, and its row, -1 when it is not of the common form."""

    starts: Array
    ends: Array
    rows: Array


class Memory(NamedTuple):
    """What a walk through one item remembers.

    Parameters
    ----------
    names, stamps
        (TABLE,) uint64 and int64: members' names that were met, and in which item.
    stack
        (MAX_DEPTH,) int64: number of each open object, 0 for an array.
    marks
        (2,) int64: the item's number at `STAMP`, and how many objects it has at `OBJECTS`.
    """

    names: Array
    stamps: Array
    stack: Array
    marks: Array
