"""How many objects of each class lie where: what is drawn where single objects would be too small to see.

Bins are squares of 4 screen pixels: 64 level-0 pixels at a downsample of 16, twice that at every further level. An
object counts in the bin of the centre of its box, and only where the longer side of its box is under 2.5 screen pixels;
elsewhere it is drawn. Level 0 of this module is a downsample of 16, level 1 one of 32, and so on.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.integer[Any]]

NEAREST = 16
"""Smallest downsample at which small objects are counted instead of drawn."""

BIN_PIXELS = 4
"""Side of a bin in screen pixels."""

SMALL = 2.5
"""An object whose box is smaller than this many screen pixels is counted."""

PYRAMID_FROM = 1
"""First level that a `DensityPyramid` holds (a downsample of 32)."""

_BIN = NEAREST * BIN_PIXELS
_THRESHOLDS = SMALL * NEAREST * 2.0 ** np.arange(100)  # of levels: a side below is small there
_MOST_BIN = 1 << 17
_BLOCK_BITS = 6

BLOCK = 1 << _BLOCK_BITS
"""Bins across a block of a `DensityPyramid`: those of a tile of 256 pixels."""

_ROW_BITS, _HALF = 32, 1 << 31
_ENTRIES_AT_ONCE = 1 << 20
_DENSE, _DENSE_ANYWAY = 8, 1 << 16
"""Counts are added up in a table of all that can be when it has at most so many places for each, and so many more."""


def first_levels(boxes: Floats) -> npt.NDArray[np.uint8]:
    """Give the first level at which each object is counted, from (N, 4) boxes; before it, the object is drawn."""
    levels: npt.NDArray[np.uint8] = np.searchsorted(_THRESHOLDS, longer_sides(boxes), side="right").astype(np.uint8)
    return levels


def level_0_width() -> float:
    """Give the side of a bin of level 0 in level-0 pixels."""
    return float(_BIN)


def longer_sides(boxes: Floats) -> Floats:
    """Give the longer side of each of (N, 4) boxes."""
    with np.errstate(over="ignore"):
        sides: Floats = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return sides


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of objects, by bin, class and review state.

    Parameters
    ----------
    bins
        (K, 2) whole numbers: column and row on the grid of bins of a level.
    classes, states
        (K,) whole numbers: indices into the names; class -1 is none.
    counts
        (K,) whole numbers; below 0 for what is to be taken away.
    """

    bins: Whole
    classes: Whole
    states: Whole
    counts: Whole
    class_names: tuple[str, ...]
    state_names: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.bins.nbytes + self.classes.nbytes + self.states.nbytes + self.counts.nbytes

    def negated(self) -> "Counts":
        """Give what takes these away."""
        return replace(self, counts=-self.counts)


@dataclass(frozen=True, slots=True)
class Bins:
    """The bins that belong to one tile: those of a level whose centres are in it.

    Parameters
    ----------
    level
        Level of this module.
    x0, y0, x1, y1
        Half-open range of columns and rows.
    """

    level: int
    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def of(cls, x: float, y: float, side: float, downsample: int) -> "Bins":
        """Give the bins of a square of level-0 pixels at a downsample of at least 16."""
        width = BIN_PIXELS * downsample
        edges = np.ceil(np.array([x, y, x + side, y + side]) / width - 0.5).astype(np.int64)
        return cls(downsample.bit_length() - NEAREST.bit_length(), *edges.tolist())

    @property
    def range(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def across(self) -> int:
        """How many columns there are."""
        return self.x1 - self.x0

    @property
    def count(self) -> int:
        """How many bins there are."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def blocks(self) -> list[tuple[int, int]]:
        """Give column and row of the blocks in which they lie, row by row."""
        columns = range(self.x0 >> _BLOCK_BITS, ((self.x1 - 1) >> _BLOCK_BITS) + 1)
        return [(x, y) for y in range(self.y0 >> _BLOCK_BITS, ((self.y1 - 1) >> _BLOCK_BITS) + 1) for x in columns]

    def hold(self, bins: Whole) -> npt.NDArray[np.bool_]:
        """Tell which of (K, 2) bins are among these."""
        x, y = bins[:, 0], bins[:, 1]
        inside: npt.NDArray[np.bool_] = (x >= self.x0) & (x < self.x1) & (y >= self.y0) & (y < self.y1)
        return inside


@dataclass(frozen=True, slots=True)
class Summary:
    """Where the objects of some rows are, for every level: bins of level 0, each entry with its first level.

    Parameters
    ----------
    counts
        K entries on the bins of level 0.
    levels
        (K,) uint8: the first level at which the objects of each are counted.
    """

    counts: Counts
    levels: npt.NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.counts.nbytes + self.levels.nbytes

    def of_rows(self, rows: Ints) -> "Summary":
        """Give some of the entries."""
        return Summary(_some(self.counts, rows), self.levels[rows])

    def negated(self) -> "Summary":
        """Give what takes these away."""
        return replace(self, counts=self.counts.negated())

    @classmethod
    def join(cls, several: Sequence["Summary"]) -> "Summary":
        """Put at least one after another; what is negated is not taken away yet."""
        (classes, class_names), (states, state_names), bins, counts = _together(one.counts for one in several)
        levels = np.concatenate([one.levels for one in several])
        return cls(Counts(bins, classes, states, counts, class_names, state_names), levels)

    def at(self, level: int) -> Counts:
        """Give the counts of a level, unmerged."""
        now = self.levels <= level
        moved = replace(self.counts, bins=self.counts.bins >> level)
        return moved if now.all() else _some(moved, now)

    def tile(self, bins: Bins) -> Counts:
        """Give the counts of a tile, unmerged."""
        moved = self.counts.bins >> bins.level
        wanted = np.flatnonzero(bins.hold(moved) & (self.levels <= bins.level))
        kept = self.counts
        return Counts(
            moved[wanted],
            kept.classes[wanted],
            kept.states[wanted],
            kept.counts[wanted],
            kept.class_names,
            kept.state_names,
        )


def summarize(
    boxes: Floats,
    classes: npt.NDArray[np.int32],
    class_names: Sequence[str],
    states: npt.NDArray[np.int32],
    state_names: Sequence[str],
) -> Summary:
    """Count rows, given as `Columns` and `Attributes` have them; places beyond +-8 million pixels count there.

    Entry k of the summary is row k.
    """
    # Halves first: the sum of two large corners may not be a number.
    centres = np.floor((boxes[:, :2] / 2 + boxes[:, 2:] / 2) / _BIN)
    bins = np.clip(centres, -_MOST_BIN, _MOST_BIN - 1).astype(np.int32)
    ones = np.ones(len(boxes), np.int32)
    counts = Counts(bins, classes, states, ones, tuple(class_names), tuple(state_names))
    return Summary(counts, first_levels(boxes))


@dataclass(frozen=True, slots=True)
class _Level:
    """Entries of one level in the order of blocks of 64 x 64 bins.

    Parameters
    ----------
    blocks
        (B,) numbers of the blocks that have entries, in order.
    starts
        (B + 1,): block b has the entries ``starts[b]`` to ``starts[b + 1]``.
    """

    blocks: Ints
    starts: Ints
    counts: Counts


class DensityPyramid:
    """Counts of one layer at a downsample of 32 and above, so that a tile far out is a short run of a few arrays.

    The nearest level takes the summaries of the few chunks under a tile. Immutable; some 14 bytes for each object of a
    slide full of cells.

    Parameters
    ----------
    summaries
        Those of all chunks of the layer, each of one or of many.
    levels
        How many levels, from a downsample of 32 on, it shall answer.
    """

    def __init__(self, summaries: Iterable[Summary], *, levels: int = 15) -> None:
        near, far = _joined(summaries)
        self._levels: list[_Level] = []
        for level in range(PYRAMID_FROM, PYRAMID_FROM + levels):
            if level > PYRAMID_FROM:
                near = replace(near, bins=near.bins >> 1)
            made = _in_blocks((near, *(_starting(one, level) for one in far)))
            near = made.counts
            self._levels.append(made)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(kept.blocks.nbytes + kept.starts.nbytes + kept.counts.nbytes for kept in self._levels)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes of all levels."""
        return self._levels[-1].counts.class_names

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states of all levels."""
        return self._levels[-1].counts.state_names

    def blocks(self) -> Iterator[tuple[int, int, int, Counts]]:
        """Give level, column, row and counts of every block that has any, named by the names of all levels."""
        for number, kept in enumerate(self._levels):
            classes = _codes_in(kept.counts.class_names, self.class_names)
            states = _codes_in(kept.counts.state_names, self.state_names)
            for block, start, end in zip(
                kept.blocks.tolist(), kept.starts.tolist(), kept.starts[1:].tolist(), strict=False
            ):
                some = _some(kept.counts, np.arange(start, end))
                some = replace(
                    some,
                    classes=classes[some.classes],
                    states=states[some.states],
                    class_names=self.class_names,
                    state_names=self.state_names,
                )
                row = (block + _HALF) >> _ROW_BITS
                yield PYRAMID_FROM + number, block - (row << _ROW_BITS), row, some

    def tile(self, bins: Bins) -> Counts:
        """Give the counts of a tile at a level from `PYRAMID_FROM` on."""
        kept = self._levels[bins.level - PYRAMID_FROM]
        blocks = np.array(bins.blocks(), np.int64)
        places = np.searchsorted(kept.blocks, _block(blocks[:, 0], blocks[:, 1]))
        runs = [np.empty(0, np.int64)]
        for place, (x, y) in zip(places.tolist(), blocks.tolist(), strict=True):
            if place < len(kept.blocks) and kept.blocks[place] == (y << _ROW_BITS) + x:
                runs.append(np.arange(kept.starts[place], kept.starts[place + 1]))
        return some_of_bins(_some(kept.counts, np.concatenate(runs)), bins)


def some_of_bins(counts: Counts, bins: Bins) -> Counts:
    """Give the counts that are in some bins."""
    inside = bins.hold(counts.bins)
    return counts if inside.all() else _some(counts, inside)


def _codes_in(own: Sequence[str], names: Sequence[str]) -> npt.NDArray[np.int32]:
    """Give the place of each own name among others; the last is that of -1."""
    places = {name: place for place, name in enumerate(names)}
    return np.array([*(places[name] for name in own), -1], np.int32)


def _in_blocks(several: Iterable[Counts]) -> _Level:
    """Add counts of one level and put them in the order of blocks."""
    (classes, class_names), (states, state_names), bins, counts = _together(several)
    x, y, low = bins[:, 0], bins[:, 1], (1 << _BLOCK_BITS) - 1
    places = ((y & low) << _BLOCK_BITS) + (x & low)
    table, counts = _merged((y >> _BLOCK_BITS, x >> _BLOCK_BITS, places, classes, states), counts)
    rows, columns, places, classes, states = table
    blocks = _block(columns, rows)
    firsts = np.flatnonzero(np.diff(blocks, prepend=blocks[:1] - 1))
    bins = np.empty((len(places), 2), np.int32)
    bins[:, 0] = (columns << _BLOCK_BITS) + (places & low)
    bins[:, 1] = (rows << _BLOCK_BITS) + (places >> _BLOCK_BITS)
    made = Counts(
        bins,
        _narrow(classes, len(class_names)),
        _narrow(states, len(state_names)),
        counts.astype(np.int32),
        class_names,
        state_names,
    )
    return _Level(blocks[firsts], np.append(firsts, len(blocks)), made)


def _narrow(codes: Whole, names: int) -> Whole:
    return codes.astype(np.int16 if names < 1 << 15 else np.int32)


def _block(columns: Whole, rows: Whole) -> Ints:
    """Give the numbers of blocks in some columns and rows of blocks."""
    found: Ints = (rows.astype(np.int64) << _ROW_BITS) + columns
    return found


def _some(counts: Counts, wanted: npt.NDArray[np.bool_] | Ints) -> Counts:
    return replace(
        counts,
        bins=counts.bins[wanted],
        classes=counts.classes[wanted],
        states=counts.states[wanted],
        counts=counts.counts[wanted],
    )


def _merged(columns: Sequence[Whole], counts: Whole) -> tuple[list[Ints], Ints]:
    """Add up the counts of equal rows of a table.

    Gives the rows whose sum is not 0, in order, the first column counting most.
    """
    if not len(counts):
        return [np.empty(0, np.int64) for _ in columns], np.empty(0, np.int64)
    low = [int(column.min()) for column in columns]
    # One number for each row is sorted, or looked up, many times faster than rows are. Even the widest bins leave room
    # for 2**20 names.
    shape = [int(column.max()) - least + 1 for column, least in zip(columns, low, strict=True)]
    keys = np.zeros(len(counts), np.int64)
    for column, least, size in zip(columns, low, shape, strict=True):
        keys *= size
        keys += column
        keys -= least
    rows, sums = summed(keys, counts, math.prod(shape))
    found = list[Ints]()
    for least, size in zip(reversed(low), reversed(shape), strict=True):
        rows, places = (rows, np.zeros(len(rows), np.int64)) if size == 1 else np.divmod(rows, size)
        found.append(places + least)
    return found[::-1], sums


def summed(keys: Ints, counts: Whole, size: int) -> tuple[Ints, Ints]:
    """Add up the counts of equal keys below ``size``; gives the keys whose sum is not 0, in order, and the sums."""
    if size <= _DENSE * len(keys) + _DENSE_ANYWAY:
        # float64 holds every sum that can come exactly.
        sums = np.bincount(keys, counts, minlength=size)
        there = np.flatnonzero(sums)
        return there, sums[there].astype(np.int64)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    added = np.add.reduceat(counts[order].astype(np.int64), first)
    kept = added != 0
    return keys[first[kept]], added[kept]


def merge(several: Iterable[Counts]) -> Counts:
    """Add counts of one level, negated ones too; each bin, class and state comes once, and none with 0."""
    (classes, class_names), (states, state_names), bins, numbers = _together(several)
    (rows, columns, classes, states), counts = _merged((bins[:, 1], bins[:, 0], classes, states), numbers)
    return Counts(np.stack((columns, rows), axis=1), classes, states, counts, class_names, state_names)


def some_of(counts: Counts, classes: Collection[str] | None = None, states: Collection[str] | None = None) -> Counts:
    """Give the counts of some classes and states; all when None."""
    kept = np.ones(len(counts.counts), np.bool_)
    if classes is not None:
        kept &= np.array([*(name in classes for name in counts.class_names), False])[counts.classes]
    if states is not None:
        kept &= np.array([*(name in states for name in counts.state_names), False])[counts.states]
    return counts if kept.all() else _some(counts, kept)


def _together(
    several: Iterable[Counts],
) -> tuple[tuple[Whole, tuple[str, ...]], tuple[Whole, tuple[str, ...]], Whole, Whole]:
    """Put counts one after another: classes and states with one list of names each, bins, counts."""
    several = list(several)
    classes = _renamed([(one.class_names, one.classes) for one in several])
    states = _renamed([(one.state_names, one.states) for one in several])
    bins = np.concatenate([one.bins for one in several] or [np.empty((0, 2), np.int64)])
    return classes, states, bins, np.concatenate([one.counts for one in several] or [np.empty(0, np.int64)])


def _renamed(several: Sequence[tuple[tuple[str, ...], Whole]]) -> tuple[Whole, tuple[str, ...]]:
    """Put indices into different lists of names into indices into one."""
    if len(several) == 1:
        return several[0][1], several[0][0]
    names: dict[str, int] = {}
    found: list[Whole] = [np.empty(0, np.int16)]
    for own, indices in several:
        table = [*(names.setdefault(name, len(names)) for name in own), -1]
        is_same = table[:-1] == list(range(len(own)))  # as nearly always
        found.append(indices if is_same else np.array(table, np.int32)[indices])
    return np.concatenate(found), tuple(names)


def _joined(summaries: Iterable[Summary]) -> tuple[Counts, list[Summary]]:
    """Give what is counted at `PYRAMID_FROM`, merged now and then, and what is counted only further out."""
    near = list[Counts]()
    far = list[Summary]()
    waiting = 0
    for one in summaries:
        near.append(one.at(PYRAMID_FROM))
        waiting += len(one.levels)
        if waiting > _ENTRIES_AT_ONCE:
            near, waiting = [merge(near)], 0
        if (one.levels > PYRAMID_FROM).any():
            far.append(_later(one))
    return merge(near), far


def _starting(summary: Summary, level: int) -> Counts:
    """Give what is first counted at a level."""
    found = _some(summary.counts, summary.levels == level)
    return replace(found, bins=found.bins >> level)


def _later(summary: Summary) -> Summary:
    wanted = summary.levels > PYRAMID_FROM
    return Summary(_some(summary.counts, wanted), summary.levels[wanted])
