"""Machine code that finds the rows of a box and puts rows of several columns one behind another. Loaded when needed.

Rows that are neighbours are moved together: a box takes the rows of a chunk in some dozens of runs, for they lie in the
order of a Hilbert curve.
"""

from typing import NamedTuple

import numpy as np

from pathserve.native.compiling import (
    BYTE,
    FLOAT,
    INT,
    NOTHING,
    SMALL,
    TRUTH,
    Array,
    entry,
    given,
    inlined,
    plain,
    together,
)

ROWS, PARTS, RINGS, POSITIONS, BYTES = (plain(np.int64(n)) for n in range(5))
SIZES = 5


class Table(NamedTuple):
    """The arrays of `pathserve.labels.Columns`; ids and xy as one run each, texts as `pathserve.labels.Texts`."""

    ids: Array
    numbers: Array
    revisions: Array
    firsts: Array
    kinds: Array
    classes: Array
    states: Array
    scores: Array
    exhaustive: Array
    starts: Array
    part_starts: Array
    ring_starts: Array
    xy: Array
    text_starts: Array
    texts: Array


_KINDS = (BYTE, INT, INT, INT, BYTE, SMALL, SMALL, FLOAT, TRUTH, INT, INT, INT, FLOAT, INT, BYTE)
_GIVEN = map(given, _KINDS)
_OUT = together(*(kind[::1] for kind in _KINDS), of=Table)


@entry(INT, given(FLOAT, 2), FLOAT, FLOAT, FLOAT, FLOAT, INT[::1])
def meet(boxes: Array, x0: float, y0: float, x1: float, y1: float, rows: Array) -> int:
    """Put the places of those of (N, 4) boxes that meet a half-open one into (N,) ``rows``; gives how many they are."""
    count = 0
    for row in range(len(boxes)):
        rows[count] = row
        count += (boxes[row, 0] < x1) & (boxes[row, 2] >= x0) & (boxes[row, 1] < y1) & (boxes[row, 3] >= y0)
    return count


@inlined
def _run(rows: Array, at: int) -> int:
    """Give how many rows from a place on are neighbours."""
    count = 1
    while at + count < len(rows) and rows[at + count] == rows[at] + count:
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


@entry(NOTHING, given(INT), given(INT), given(INT), given(INT), given(INT), INT[::1])
def measure(
    rows: Array, starts: Array, part_starts: Array, ring_starts: Array, text_starts: Array, sizes: Array
) -> None:
    """Add to ``sizes`` how many rows, parts, rings, positions and bytes of texts some rows have."""
    at = 0
    while at < len(rows):
        count = _run(rows, at)
        row, end = rows[at], rows[at] + count
        part, part_end = starts[row], starts[end]
        ring, ring_end = part_starts[part], part_starts[part_end]
        sizes[ROWS] += count
        sizes[PARTS] += part_end - part
        sizes[RINGS] += ring_end - ring
        sizes[POSITIONS] += ring_starts[ring_end] - ring_starts[ring]
        sizes[BYTES] += text_starts[end] - text_starts[row]
        at += count


@inlined
def _put_facts(
    rows: Array,
    numbers: Array,
    revisions: Array,
    firsts: Array,
    kinds: Array,
    classes: Array,
    states: Array,
    scores: Array,
    exhaustive: Array,
    class_names: Array,
    state_names: Array,
    out: Table,
    sizes: Array,
) -> None:
    """Put what each row has one of."""
    to = np.uint64(sizes[ROWS])
    for at in range(np.uint64(len(rows))):
        row = np.uint64(rows[at])
        out.numbers[to + at] = numbers[row]
        out.revisions[to + at] = revisions[row]
        out.firsts[to + at] = firsts[row]
        out.kinds[to + at] = kinds[row]
        out.classes[to + at] = class_names[np.uint64(classes[row] + 1)]
        out.states[to + at] = state_names[np.uint64(states[row] + 1)]
        out.scores[to + at] = scores[row]
        out.exhaustive[to + at] = exhaustive[row]


@entry(NOTHING, given(INT), *_GIVEN, given(SMALL), given(SMALL), _OUT, INT[::1])
def put(
    rows: Array,
    ids: Array,
    numbers: Array,
    revisions: Array,
    firsts: Array,
    kinds: Array,
    classes: Array,
    states: Array,
    scores: Array,
    exhaustive: Array,
    starts: Array,
    part_starts: Array,
    ring_starts: Array,
    xy: Array,
    text_starts: Array,
    texts: Array,
    class_names: Array,
    state_names: Array,
    out: Table,
    sizes: Array,
) -> None:
    """Put some rows behind those that are there.

    Parameters
    ----------
    ids, ...
        The arrays of the columns, as `Table` has them.
    class_names, state_names
        What the indices -1, 0, ... are among the names of all.
    out
        Room for all; no ``starts`` and ``part_starts`` when every row has one ring, no ``text_starts`` when there are
        no texts.
    sizes
        How much is there; moved on.
    """
    _put_facts(
        rows,
        numbers,
        revisions,
        firsts,
        kinds,
        classes,
        states,
        scores,
        exhaustive,
        class_names,
        state_names,
        out,
        sizes,
    )
    at = 0
    while at < len(rows):
        count = _run(rows, at)
        row, end, to = rows[at], rows[at] + count, sizes[ROWS]
        part, part_end = starts[row], starts[end]
        ring, ring_end = part_starts[part], part_starts[part_end]
        position, position_end = ring_starts[ring], ring_starts[ring_end]
        _copy(ids, 16 * row, 16 * count, out.ids, 16 * to)
        if len(out.starts):
            _shift(starts, row, count, out.starts, to, sizes[PARTS])
            _shift(part_starts, part, part_end - part, out.part_starts, sizes[PARTS], sizes[RINGS])
        _shift(ring_starts, ring, ring_end - ring, out.ring_starts, sizes[RINGS], sizes[POSITIONS])
        _copy(xy, 2 * position, 2 * (position_end - position), out.xy, 2 * sizes[POSITIONS])
        if len(out.text_starts):
            byte, byte_end = text_starts[row], text_starts[end]
            _shift(text_starts, row, count, out.text_starts, to, sizes[BYTES])
            _copy(texts, byte, byte_end - byte, out.texts, sizes[BYTES])
            sizes[BYTES] += byte_end - byte
        sizes[ROWS] += count
        sizes[PARTS] += part_end - part
        sizes[RINGS] += ring_end - ring
        sizes[POSITIONS] += position_end - position
        at += count
