"""Label images to polygons: the exact outlines of their regions, along the edges of pixels.

A region is what hangs together over the sides of pixels (4-connected) and has one label. Its outline is one shell and
any number of holes, each a simple ring; where rings touch, they do so in single points, so that every polygon is
valid. Drawn with `rasterize`, at the same grid, the polygons give the label image back bit by bit.

The image is taken in bands of rows and turned into runs (stretches of one label in one row); all else goes by runs, so
that memory follows what lies in a band and what is not finished yet, never the size of the image. The ends of runs
are the upright edges of outlines; each one's successor along its ring follows from the runs of the same region in
the row before or after, and rings are put in order by pointer jumping: no loop of Python runs over pixels or edges.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.errors import Invalid, TooLarge
from pathserve.masks.ranges import ranges

Integers = npt.NDArray[np.int64]
LabelImage = npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]
Bands = Iterable[LabelImage]

MAX_RUNS = 30_000_000
"""Runs that may be unfinished at once: about 2.5 GB while they are traced."""

_CELLS = 2**62


@dataclass(frozen=True, slots=True)
class Traced:
    """Polygons of N labelled objects as arrays, laid out as in `labels.Columns`.

    Parameters
    ----------
    labels
        (N,) int64.
    xy
        (V, 2) int64: corners of pixels, x right and y down; the outer corner of the image's first pixel is (0, 0).
        Shells have a positive signed area (x0 * y1 - x1 * y0), holes a negative one; rings repeat their first position.
    ring_starts, part_starts, starts
        (R + 1,), (P + 1,), (N + 1,) int64: positions of each ring, rings of each polygon (the shell first), polygons of
        each object.
    """

    labels: Integers
    xy: Integers
    ring_starts: Integers
    part_starts: Integers
    starts: Integers

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs in the order of rows and columns; ``region`` is any number that all runs of one region share."""

    row: Integers
    x0: Integers
    x1: Integers
    label: Integers
    region: Integers

    def __len__(self) -> int:
        return len(self.row)

    def take(self, chosen: npt.NDArray[Any]) -> "_Runs":
        return _Runs(*(getattr(self, each.name)[chosen] for each in fields(self)))

    def extended(self, other: "_Runs") -> "_Runs":
        pairs = ((getattr(self, each.name), getattr(other, each.name)) for each in fields(self))
        return _Runs(*(np.concatenate(pair) for pair in pairs))


def vectorize(labels: LabelImage, *, merge: bool = False) -> Traced:
    """Trace a label image that is in memory.

    Parameters
    ----------
    labels
        (h, w) of integers or booleans; 0 is no object.
    merge
        False: each region is an object. True: each label is one, of as many polygons as it has regions.

    Returns
    -------
    Objects: regions in no particular order, or labels ascending. Memory: about 250 bytes a run.
    """
    found = list(trace_bands([labels]))
    if not found:
        none = np.zeros(1, np.int64)
        return Traced(np.empty(0, np.int64), np.empty((0, 2), np.int64), none, none, none)
    traced = join(found)
    return merge_labels(traced) if merge else traced


def trace_bands(bands: Bands, *, max_runs: int = MAX_RUNS) -> Iterator[Traced]:
    """Trace a label image that comes as bands of whole rows, from the top.

    Parameters
    ----------
    bands
        Arrays (rows, w) of integers or booleans, all of one width; 0 is no object.

    Yields
    ------
    After each band its finished regions, if any: those that cannot go on in the next band. Each region is an object.

    Raises
    ------
    Invalid
        When a band is no such array.
    TooLarge
        When more than ``max_runs`` runs are unfinished at once.
    """
    open_runs = _Runs(*(np.empty(0, np.int64) for _ in range(5)))
    top, width = 0, None
    for band in bands:
        if band.ndim != 2 or band.dtype.kind not in "iub" or (width is not None and band.shape[1] != width):
            raise Invalid("A label image has rows and columns of whole numbers.")
        width = band.shape[1]
        if band.size == 0:
            continue
        runs = _join(open_runs, _runs_of(band, top, int(open_runs.region.max(initial=-1)) + 1), top)
        top += band.shape[0]
        if len(runs) > max_runs:
            raise TooLarge(
                "The label image has too many pixels of different labels side by side.", code="mask_too_fine"
            )
        last = runs.row == top - 1
        unfinished = np.zeros(len(runs), np.bool_)
        unfinished[runs.region[last]] = True
        waits = unfinished[runs.region]
        open_runs = runs.take(waits)
        if not waits.all():
            yield _trace(runs.take(~waits), width)
    if len(open_runs) and width is not None:
        yield _trace(open_runs, width)


def merge_labels(traced: Traced) -> Traced:
    """Make one object of all regions of a label, labels ascending; their polygons keep their order."""
    order = np.argsort(traced.labels, kind="stable")
    labels, first = np.unique(traced.labels[order], return_index=True)
    moved = reorder(traced, order)
    return Traced(labels, moved.xy, moved.ring_starts, moved.part_starts, moved.starts[np.append(first, len(order))])


def join(several: list[Traced]) -> Traced:
    """Put the objects of several results one after the other."""
    return Traced(
        np.concatenate([each.labels for each in several]),
        np.concatenate([each.xy for each in several]),
        *(
            np.concatenate(([0], np.cumsum(np.concatenate([np.diff(getattr(each, name)) for each in several]))))
            for name in ("ring_starts", "part_starts", "starts")
        ),
    )


def reorder(traced: Traced, order: Integers) -> Traced:
    """Give some objects, in the order asked for."""
    parts, starts = _gather(traced.starts, order)
    rings, part_starts = _gather(traced.part_starts, parts)
    places, ring_starts = _gather(traced.ring_starts, rings)
    return Traced(traced.labels[order], traced.xy[places], ring_starts, part_starts, starts)


def last_rows(bands: Bands) -> dict[int, int]:
    """Tell the last row of each label, for who has to know when a label of several regions is complete."""
    found: dict[int, int] = {}
    top = 0
    for band in bands:
        runs = _runs_of(band, top, 0)
        order = np.argsort(runs.label, kind="stable")
        labels, first = np.unique(runs.label[order], return_index=True)
        ends = np.append(first, len(order))[1:] - 1
        found.update(zip(labels.tolist(), runs.row[order][ends].tolist(), strict=True))
        top += band.shape[0]
    return found


def _gather(offsets: Integers, chosen: Integers) -> tuple[Integers, Integers]:
    """Give the members of some stretches, and where each begins among them."""
    count = offsets[chosen + 1] - offsets[chosen]
    return ranges(offsets[chosen], count), np.concatenate(([0], np.cumsum(count)))


def _runs_of(band: LabelImage, top: int, first_region: int) -> _Runs:
    """Find the runs of a band, each a region of its own for now."""
    height, width = band.shape
    begins = np.ones((height, width), np.bool_)
    np.not_equal(band[:, 1:], band[:, :-1], out=begins[:, 1:])
    start = np.flatnonzero(begins)
    label = band.reshape(-1)[start]
    end = np.append(start[1:], height * width)
    some = label != 0
    row, x0 = np.divmod(start[some], width)
    # A run ends where the next begins, that of the next row included.
    return _Runs(
        row=row + top,
        x0=x0,
        x1=x0 + (end - start)[some],
        label=label[some].astype(np.int64),
        region=np.arange(first_region, first_region + len(row)),
    )


def _join(before: _Runs, fresh: _Runs, top: int) -> _Runs:
    """Give the runs of both with their regions renumbered, each by the place of one of its runs."""
    runs = before.extended(fresh)
    edge = np.flatnonzero(runs.row >= top - 1)
    near = runs.take(edge)
    upper, lower = _touching(near, int(near.row[0]) if len(near) else 0)
    root = _components(int(runs.region.max(initial=-1)) + 1, near.region[upper], near.region[lower])
    _, place, region = np.unique(root[runs.region], return_index=True, return_inverse=True)
    return _Runs(runs.row, runs.x0, runs.x1, runs.label, place[region].astype(np.int64))


def _touching(runs: _Runs, top: int) -> tuple[Integers, Integers]:
    """Find the pairs of runs of one label that lie above each other."""
    if not len(runs):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    stride = int(runs.x1.max()) + 1
    line = (runs.row - top) * stride
    # For each run: the runs of the next row that end right of its start and begin left of its end.
    low = np.searchsorted(line + runs.x1, line + stride + runs.x0, side="right")
    high = np.searchsorted(line + runs.x0, line + stride + runs.x1, side="left")
    count = np.maximum(high - low, 0)
    upper, lower = np.repeat(np.arange(len(runs)), count), ranges(low, count)
    same = runs.label[upper] == runs.label[lower]
    return upper[same], lower[same]


def _components(count: int, one: Integers, other: Integers) -> Integers:
    """Give each of ``count`` nodes the lowest node that it hangs together with."""
    root = np.arange(count)
    while len(one):
        low, high = np.minimum(root[one], root[other]), np.maximum(root[one], root[other])
        differ = low != high
        if not differ.any():
            break
        one, other, low, high = one[differ], other[differ], low[differ], high[differ]
        np.minimum.at(root, high, low)
        while True:
            shorter = root[root]
            if np.array_equal(shorter, root):
                break
            root = shorter
    return root


def _trace(runs: _Runs, width: int) -> Traced:
    """Trace whole regions."""
    order = np.lexsort((runs.x0, runs.row, runs.region))
    runs = runs.take(order)
    _, region = np.unique(runs.region, return_inverse=True)
    follows, turn_y = _successors(runs, region, width)
    count = len(runs)
    x = np.concatenate((runs.x0, runs.x1))
    ring, rank = _cycles(follows)
    walk = np.lexsort((rank, ring))
    # A step to an edge at another x makes two corners, from one x to the other; a step straight on makes none.
    steps = walk[x[walk] != x[follows[walk]]]
    corners = np.empty((len(steps), 2, 2), np.int64)
    corners[:, 0, 0], corners[:, 1, 0] = x[steps], x[follows[steps]]
    corners[:, :, 1] = turn_y[steps, None]
    _, first, corner_count = np.unique(ring[steps], return_index=True, return_counts=True)
    xy = corners.reshape(-1, 2)
    ring_first, ring_count = 2 * first, 2 * corner_count
    owner = region[steps[first] % count]
    area = _twice_area(xy, ring_first, ring_count)
    # Regions in their order, the shell of each before its holes.
    in_order = np.lexsort((area < 0, owner))
    places = ranges(ring_first[in_order], ring_count[in_order] + 1)
    ring_starts = np.concatenate(([0], np.cumsum(ring_count[in_order] + 1)))
    places[ring_starts[1:] - 1] = ring_first[in_order]
    regions, part_first = np.unique(owner[in_order], return_index=True)
    labels = runs.label[np.searchsorted(region, regions)]
    part_starts = np.append(part_first, len(in_order)).astype(np.int64)
    return Traced(labels, xy[places], ring_starts, part_starts, np.arange(len(regions) + 1))


def _successors(runs: _Runs, region: Integers, width: int) -> tuple[Integers, Integers]:
    """Find the upright edge that follows each one along its ring, and the y where it turns to it.

    Edge k is the left one of run k, upwards; edge ``count + k`` its right one, downwards: inside lies on the right
    hand. Where two pixels of one region touch in a corner, the ring goes from the one to the other, which keeps rings
    simple; pixels of other regions are not looked at at all.

    Parameters
    ----------
    runs, region
        In the order of regions, rows and columns.
    """
    count, height = len(runs), int(runs.row.max()) + 3
    stride = width + 2
    if (int(region[-1]) + 1) * height * stride >= _CELLS:
        raise TooLarge("The label image is too large.", code="mask_too_large")
    line = (region * height + runs.row + 1) * stride
    starts, ends = line + runs.x0, line + runs.x1
    place = np.arange(count)
    # Downwards at the right end: is there, in the next row, a run over the pixel right of the corner?
    at = ends + stride
    below = np.searchsorted(ends, at, side="right")
    below_start = np.append(starts, _CELLS)[below]
    over = below_start <= at
    beyond = np.append(starts, _CELLS)[place + 1]
    held = np.minimum(below, count - 1)
    # Along the top of that run to its end, unless a run of this row hangs over it; else back along the own bottom.
    to_next = over & (beyond <= ends[held] - stride)
    earlier = np.searchsorted(ends, at, side="right") - 1
    earlier_end = np.where(earlier >= 0, ends[np.maximum(earlier, 0)], -1)
    to_earlier = ~over & (earlier_end >= starts + stride)
    right_follows = np.select(
        [to_next, over, to_earlier], [place + 1, count + held, count + np.maximum(earlier, 0)], place
    )
    # Upwards at the left end, the same turned by half a circle.
    at = starts - stride
    above = np.searchsorted(starts, at, side="left") - 1
    held = np.maximum(above, 0)
    over = (above >= 0) & (ends[held] >= at)
    beyond = np.concatenate(([-1], ends))[place]
    to_next = over & (beyond >= starts[held] + stride)
    later = np.minimum(above + 1, count - 1)
    to_later = ~over & (starts[later] >= at) & (starts[later] <= ends - stride) & (above + 1 < count)
    left_follows = np.select([to_next, over, to_later], [count + place - 1, held, later], count + place)
    return np.concatenate((left_follows, right_follows)), np.concatenate((runs.row, runs.row + 1))


def _cycles(follows: Integers) -> tuple[Integers, Integers]:
    """Give each member of a permutation the lowest one of its cycle and its distance from it along the cycle."""
    lowest, jump = np.arange(len(follows)), follows
    while True:
        lower = np.minimum(lowest, lowest[jump])
        if np.array_equal(lower, lowest):
            break
        lowest, jump = lower, jump[jump]
    # Distances to the lowest, which is made the end of its cycle.
    ends = lowest == np.arange(len(follows))
    jump = np.where(ends, np.arange(len(follows)), follows)
    left = (~ends).astype(np.int64)
    while True:
        further = left[jump]
        if not further.any():
            break
        left += further
        jump = jump[jump]
    # ``left`` members are still to come before the cycle closes; the lowest itself comes first of all.
    length = np.bincount(lowest, minlength=len(follows))
    return lowest, np.where(ends, 0, length[lowest] - left)


def _twice_area(xy: Integers, first: Integers, count: Integers) -> Integers:
    """Give twice the signed area of each ring."""
    following = np.arange(1, len(xy) + 1)
    following[first + count - 1] = first
    cross = xy[:, 0] * xy[following, 1] - xy[following, 0] * xy[:, 1]
    return np.add.reduceat(cross, first)
