"""How many objects of each class lie where: what is drawn where single objects would be too small to see.

Bins are squares of 4 screen pixels: 64 level-0 pixels at a downsample of 16, twice that at every further level. An
object counts in the bin of the centre of its box, and only where the longer side of its box is under 2.5 screen pixels;
elsewhere it is drawn. Level 0 of this module is a downsample of 16, level 1 one of 32, and so on.
"""

from collections.abc import Iterable, Iterator, Sequence
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


def first_levels(boxes: Floats) -> npt.NDArray[np.uint8]:
    """Give the first level at which each object is counted, from (N, 4) boxes; before it, the object is drawn."""
    levels: npt.NDArray[np.uint8] = np.searchsorted(_THRESHOLDS, longer_sides(boxes), side="right").astype(np.uint8)
    return levels


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

    def at(self, level: int) -> Counts:
        """Give the counts of a level, unmerged."""
        now = self.levels <= level
        return _some(replace(self.counts, bins=self.counts.bins >> level), now)

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
    """Count rows, given as `Columns` and `Attributes` have them; places beyond +-8 million pixels count there."""
    # Halves first: the sum of two large corners may not be a number.
    centres = np.floor((boxes[:, :2] / 2 + boxes[:, 2:] / 2) / _BIN)
    bins = np.clip(centres, -_MOST_BIN, _MOST_BIN - 1).astype(np.int64)
    names = (tuple(class_names), tuple(state_names))
    levels = first_levels(boxes).astype(np.int64)
    table, counts = _merged(
        (bins[:, 1], bins[:, 0], levels, classes.astype(np.int64), states.astype(np.int64)),
        np.ones(len(boxes), np.int64),
    )
    rows, columns, levels, class_indices, state_indices = table
    merged = Counts(np.stack((columns, rows), axis=1), class_indices, state_indices, counts, *names)
    return Summary(merged, levels.astype(np.uint8))


@dataclass(frozen=True, slots=True)
class _Level:
    """Entries of one level in the order of blocks of 64 x 64 bins."""

    blocks: Ints
    counts: Counts


class DensityPyramid:
    """Counts of one layer at a downsample of 32 and above, so that a tile far out is a short run of a few arrays.

    The nearest level takes the summaries of the few chunks under a tile. Immutable; some 14 bytes for each object of a
    slide full of cells.

    Parameters
    ----------
    summaries
        Those of all chunks of the layer.
    levels
        How many levels, from a downsample of 32 on, it shall answer.
    """

    def __init__(self, summaries: Iterable[Summary], *, levels: int = 15) -> None:
        near, far = _joined(summaries)
        self._levels: list[_Level] = []
        for level in range(PYRAMID_FROM, PYRAMID_FROM + levels):
            if self._levels:
                before = self._levels[-1].counts
                near = replace(before, bins=before.bins >> 1)
            near = merge((near, *(_starting(one, level) for one in far)))
            blocks = _block(near.bins[:, 0], near.bins[:, 1])
            order = np.argsort(blocks, kind="stable")
            self._levels.append(_Level(blocks[order], _compact(_some(near, order))))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(kept.blocks.nbytes + kept.counts.nbytes for kept in self._levels)

    def tile(self, bins: Bins) -> Counts:
        """Give the counts of a tile at a level from `PYRAMID_FROM` on."""
        kept = self._levels[bins.level - PYRAMID_FROM]
        rows = range(bins.y0 >> _BLOCK_BITS, ((bins.y1 - 1) >> _BLOCK_BITS) + 1)
        columns = np.array((bins.x0 >> _BLOCK_BITS, (bins.x1 - 1) >> _BLOCK_BITS))
        runs = [np.empty(0, np.int64)]
        for row in rows:
            first, last = _block(columns << _BLOCK_BITS, np.full(2, row << _BLOCK_BITS))
            runs.append(
                np.arange(np.searchsorted(kept.blocks, first, "left"), np.searchsorted(kept.blocks, last, "right"))
            )
        found = _some(kept.counts, np.concatenate(runs))
        return _some(found, bins.hold(found.bins))


def _compact(counts: Counts) -> Counts:
    """Give the same in half the bytes."""
    return replace(
        counts,
        bins=counts.bins.astype(np.int32),
        classes=counts.classes.astype(np.int32),
        states=counts.states.astype(np.int32),
        counts=counts.counts.astype(np.int32),
    )


def _block(columns: Whole, rows: Whole) -> Ints:
    """Give the numbers of the blocks that have some bins."""
    found: Ints = ((rows.astype(np.int64) >> _BLOCK_BITS) << 32) + (columns >> _BLOCK_BITS)
    return found


def _some(counts: Counts, wanted: npt.NDArray[np.bool_] | Ints) -> Counts:
    return replace(
        counts,
        bins=counts.bins[wanted],
        classes=counts.classes[wanted],
        states=counts.states[wanted],
        counts=counts.counts[wanted],
    )


def _merged(columns: Sequence[Ints], counts: Ints) -> tuple[list[Ints], Ints]:
    """Add up the counts of equal rows of a table; gives the rows in order, the first column counting most."""
    if not len(counts):
        return list(columns), counts
    low = [int(column.min()) for column in columns]
    # One number for each row sorts many times faster than rows do. Even the widest bins leave room for 2**20 names.
    shape = [int(column.max()) - least + 1 for column, least in zip(columns, low, strict=True)]
    keys = np.ravel_multi_index([column - least for column, least in zip(columns, low, strict=True)], shape)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    rows = order[first]
    return [column[rows] for column in columns], np.add.reduceat(counts[order], first)


def merge(several: Iterable[Counts]) -> Counts:
    """Add counts of one level, negated ones too; each bin, class and state comes once, and none with 0."""
    several = list(several)
    classes, class_names = _renamed([(one.class_names, one.classes) for one in several])
    states, state_names = _renamed([(one.state_names, one.states) for one in several])
    bins = np.concatenate([np.empty((0, 2), np.int64), *(one.bins for one in several)])
    numbers = np.concatenate([np.empty(0, np.int64), *(one.counts for one in several)])
    table, counts = _merged((bins[:, 1], bins[:, 0], classes, states), numbers)
    there = counts != 0
    rows, columns, classes, states = (column[there] for column in table)
    return Counts(np.stack((columns, rows), axis=1), classes, states, counts[there], class_names, state_names)


def _renamed(several: Sequence[tuple[tuple[str, ...], Whole]]) -> tuple[Ints, tuple[str, ...]]:
    """Put indices into different lists of names into indices into one."""
    names: dict[str, int] = {}
    found = [np.empty(0, np.int64)]
    for own, indices in several:
        table = np.array([*(names.setdefault(name, len(names)) for name in own), -1], np.int64)
        found.append(table[indices])
    return np.concatenate(found), tuple(names)


def _joined(summaries: Iterable[Summary]) -> tuple[Counts, list[Summary]]:
    """Give what is counted at `PYRAMID_FROM`, merged, and what is counted only further out."""
    near: list[Counts] = []
    far: list[Summary] = []
    for batch in _batches(summaries, 256):
        near.append(merge(one.at(PYRAMID_FROM) for one in batch))
        far += [_later(one) for one in batch if (one.levels > PYRAMID_FROM).any()]
    return merge(near), far


def _starting(summary: Summary, level: int) -> Counts:
    """Give what is first counted at a level."""
    found = _some(summary.counts, summary.levels == level)
    return replace(found, bins=found.bins >> level)


def _later(summary: Summary) -> Summary:
    wanted = summary.levels > PYRAMID_FROM
    return Summary(_some(summary.counts, wanted), summary.levels[wanted])


def _batches(items: Iterable[Summary], size: int) -> Iterator[list[Summary]]:
    batch: list[Summary] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
