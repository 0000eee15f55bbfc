"""Machine code that finds the rows of a box and puts rows of several columns one behind another.

Rows that are neighbours are moved together: a box takes the rows of a chunk in some dozens of runs, for they lie in the
order of a Hilbert curve.
"""

from typing import Any

import numpy as np

from pathserve.annotations.gather_table import BYTES, PARTS, POSITIONS, RINGS, ROWS, Table
from pathserve.native.compiling import (
    BYTE,
    FLOAT,
    INT,
    NOTHING,
    SMALL,
    TRUTH,
    Array,
    called,
    found_in_table,
    given,
    inlined,
    inner,
    together,
)

_KINDS = (BYTE, INT, INT, INT, BYTE, SMALL, SMALL, FLOAT, TRUTH, INT, INT, INT, FLOAT, INT, BYTE)
_OUT = together(*(kind[::1] for kind in _KINDS), of=Table)
_TABLE: Any = found_in_table(together(*map(given, _KINDS), of=Table))
_BOXES: Any = found_in_table(given(FLOAT, 2))


@inner
def _meet(boxes: Array, x0: float, y0: float, x1: float, y1: float, rows: Array, count: int) -> int:
    for row in range(len(boxes)):
        rows[count] = row
        count += (boxes[row, 0] < x1) & (boxes[row, 2] >= x0) & (boxes[row, 1] < y1) & (boxes[row, 3] >= y0)
    return count


@inner
def meet(places: Array, x0: float, y0: float, x1: float, y1: float, rows: Array, ends: Array) -> None:
    """Find those of several (N, 4) boxes that meet a half-open one.

    Parameters
    ----------
    places
        (C, 3): where each of the boxes lie in memory, how many they are, and 4.
    rows
        Gets the places of those found among each of the boxes, one behind another; there must be room for all.
    ends
        (C,): gets where those of each of the boxes end.
    """
    count = 0
    for n in range(len(places)):
        (boxes,) = _BOXES(places[n])
        count = _meet(boxes, x0, y0, x1, y1, rows, count)
        ends[n] = count


@inlined
def _run(rows: Array, at: int, end: int) -> int:
    """Give how many rows from a place on, before the end, are neighbours."""
    count = 1
    while at + count < end and rows[at + count] == rows[at] + count:
        count += 1
    return count


@inlined
def _copy(source: Array, first: int, count: int, target: Array, at: int) -> None:
    # Numbers without a sign: numba has nothing to turn round for places before the first, and copies them in blocks.
    begin, to = np.uint64(first), np.uint64(at)
    for n in range(np.uint64(count)):
        target[to + n] = source[begin + n]


@inlined
def _shift(source: Array, first: int, count: int, target: Array, at: int, base: int) -> None:
    """Copy the ends of some runs, moved so that the first of them begins at ``base``."""
    by = base - source[first]
    begin, to = np.uint64(first + 1), np.uint64(at + 1)
    for n in range(np.uint64(count)):
        target[to + n] = source[begin + n] + by


@inner
def measure(places: Array, rows: Array, ends: Array, sizes: Array) -> None:
    """Add to ``sizes`` how many rows, parts, rings, positions and bytes of texts some rows have.

    Parameters
    ----------
    places, rows, ends
        As `put` takes them.
    """
    at = 0
    for n in range(len(places)):
        (table,) = _TABLE(places[n])
        while at < ends[n]:
            count = _run(rows, at, ends[n])
            row, end = rows[at], rows[at] + count
            part, part_end = table.starts[row], table.starts[end]
            ring, ring_end = table.part_starts[part], table.part_starts[part_end]
            sizes[ROWS] += count
            sizes[PARTS] += part_end - part
            sizes[RINGS] += ring_end - ring
            sizes[POSITIONS] += table.ring_starts[ring_end] - table.ring_starts[ring]
            sizes[BYTES] += table.text_starts[end] - table.text_starts[row]
            at += count


@inlined
def _put_facts(
    table: Table,
    rows: Array,
    first: int,
    end: int,
    class_names: Array,
    class_at: int,
    state_names: Array,
    state_at: int,
    out: Table,
) -> None:
    """Put what each row has one of."""
    for at in range(np.uint64(first), np.uint64(end)):
        row = np.uint64(rows[at])
        out.numbers[at] = table.numbers[row]
        out.revisions[at] = table.revisions[row]
        out.firsts[at] = table.firsts[row]
        out.kinds[at] = table.kinds[row]
        out.classes[at] = class_names[np.uint64(class_at + table.classes[row])]
        out.states[at] = state_names[np.uint64(state_at + table.states[row])]
        out.scores[at] = table.scores[row]
        out.exhaustive[at] = table.exhaustive[row]


@inner
def put(
    places: Array,
    rows: Array,
    ends: Array,
    names_at: Array,
    class_names: Array,
    state_names: Array,
    out: Table,
) -> None:
    """Put rows of several columns one behind another.

    Parameters
    ----------
    places
        (C, 30): where the arrays of each of the columns lie in memory, and how long each is, in the order of `Table`.
    rows, ends
        Those of each of the columns, and (C,) where among all they end.
    names_at
        (C, 2): where the first class and the first state of each of the columns stand among ``class_names`` and
        ``state_names``; what stands before the first is for those that have none.
    class_names, state_names
        What the indices of each of the columns are among the names of all.
    out
        Room for all; no ``starts`` and ``part_starts`` when every row has one ring, no ``text_starts`` when there are
        no texts.
    """
    at, parts, rings, positions, size = 0, 0, 0, 0, 0
    for n in range(len(places)):
        (table,) = _TABLE(places[n])
        _put_facts(table, rows, at, ends[n], class_names, names_at[n, 0], state_names, names_at[n, 1], out)
        while at < ends[n]:
            count = _run(rows, at, ends[n])
            row, end = rows[at], rows[at] + count
            part, part_end = table.starts[row], table.starts[end]
            ring, ring_end = table.part_starts[part], table.part_starts[part_end]
            position, position_end = table.ring_starts[ring], table.ring_starts[ring_end]
            _copy(table.ids, 16 * row, 16 * count, out.ids, 16 * at)
            if len(out.starts):
                _shift(table.starts, row, count, out.starts, at, parts)
                _shift(table.part_starts, part, part_end - part, out.part_starts, parts, rings)
            _shift(table.ring_starts, ring, ring_end - ring, out.ring_starts, rings, positions)
            _copy(table.xy, 2 * position, 2 * (position_end - position), out.xy, 2 * positions)
            if len(out.text_starts):
                byte, byte_end = table.text_starts[row], table.text_starts[end]
                _shift(table.text_starts, row, count, out.text_starts, at, size)
                _copy(table.texts, byte, byte_end - byte, out.texts, size)
                size += byte_end - byte
            parts += part_end - part
            rings += ring_end - ring
            positions += position_end - position
            at += count


_PLACES, _INTS, _SMALLS = given(INT, 2), given(INT), given(SMALL)

ENTRIES = {
    "meet": called(meet, NOTHING, _PLACES, *4 * (FLOAT,), INT[::1], INT[::1]),
    "measure": called(measure, NOTHING, _PLACES, _INTS, _INTS, INT[::1]),
    "put": called(put, NOTHING, _PLACES, _INTS, _INTS, _PLACES, _SMALLS, _SMALLS, _OUT),
}
