"""Distance from pixel centres to outlines, exact, by halving blocks of pixels and dropping edges that are too far."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pathserve.errors import TooLarge
from pathserve.masks.axis import Axis, Floats, Integers
from pathserve.masks.outlines import Outlines
from pathserve.masks.ranges import ranges

MAX_PAIRS = 2_000_000_000
"""Most pairs of pixel (or block of pixels) and edge that are measured for one mask; about a minute."""

_LEAF_PAIRS = 512
_PAIRS = 1_000_000
_SLACK = 1e-9
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Rectangles of pixels of one object each, with the edges that can be nearest to one of their centres.

    ``edge`` holds the edges of all blocks one after the other, ``count`` of them for each block.
    """

    owner: Integers
    top: Integers
    bottom: Integers
    left: Integers
    right: Integers
    edge: Integers
    count: Integers

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def pixels(self) -> Integers:
        return (self.bottom - self.top) * (self.right - self.left)

    def take(self, chosen: Integers) -> "_Blocks":
        """Give some of the blocks, in the order asked for."""
        count = self.count[chosen]
        offset = (np.cumsum(self.count) - self.count)[chosen]
        edge = self.edge[ranges(offset, count)]
        return _Blocks(
            self.owner[chosen],
            self.top[chosen],
            self.bottom[chosen],
            self.left[chosen],
            self.right[chosen],
            edge,
            count,
        )


@dataclass(frozen=True, slots=True)
class _Segments:
    """Edges by start, extent, and one over the squared length (0 for an edge next to none)."""

    x: Floats
    y: Floats
    along_x: Floats
    along_y: Floats
    per_square: Floats

    def squares(self, edge: Integers, x: Floats, y: Floats) -> Floats:
        """Measure squared distances from points to edges, pair by pair."""
        along_x, along_y = self.along_x[edge], self.along_y[edge]
        from_x, from_y = x - self.x[edge], y - self.y[edge]
        share = np.clip((from_x * along_x + from_y * along_y) * self.per_square[edge], 0, 1)
        from_x -= share * along_x
        from_y -= share * along_y
        return from_x * from_x + from_y * from_y


def edge_distance(
    outlines: Outlines, topmost: npt.NDArray[np.uint32], x_axis: Axis, y_axis: Axis
) -> npt.NDArray[np.float32]:
    """Measure from the centre of each pixel to the nearest edge of the geometry on top there.

    Parameters
    ----------
    outlines
        The geometries, whole, in level-0 pixels.
    topmost
        Array (h, w): place (from 1) of the geometry on top of each pixel; 0 where there is none.
    x_axis, y_axis
        The grid of ``topmost``.

    Returns
    -------
    float32 array (h, w), level-0 pixels, 0 where there is no geometry. Memory: the arrays, and about 200 bytes for
    each of a million pairs of block and edge, or for each edge of the largest geometry when they are more.

    Raises
    ------
    TooLarge
        When it would take more than `MAX_PAIRS` measurements: a large region whose pixels are about as far from very
        many edges, such as the middle of a circle of thousands of vertices.
    """
    out = np.zeros(topmost.shape, np.float32)
    x, y = x_axis.centres, y_axis.centres
    segments = _segments(outlines)
    waiting = [_first_blocks(outlines, x_axis, y_axis)]
    pairs = 0
    while waiting:
        blocks = waiting.pop()
        if len(blocks) == 0:
            continue
        if len(blocks) > 1 and len(blocks.edge) > _PAIRS:
            half = len(blocks) // 2
            waiting += [blocks.take(np.arange(half)), blocks.take(np.arange(half, len(blocks)))]
            continue
        near = _near_edges(blocks, segments, x, y)
        is_leaf = near.pixels * near.count <= _LEAF_PAIRS
        is_leaf |= near.pixels == 1
        pairs += len(blocks.edge) + int((near.pixels * near.count)[is_leaf].sum())
        if pairs > MAX_PAIRS:
            raise TooLarge("These outlines are too fine for distances at this size; ask for a smaller region.")
        _measure(near.take(np.flatnonzero(is_leaf)), segments, topmost, (x, y), out)
        waiting.append(_halves(near.take(np.flatnonzero(~is_leaf))))
    return out


def _first_blocks(outlines: Outlines, x_axis: Axis, y_axis: Axis) -> _Blocks:
    """Give one block for each geometry: the pixels that its box covers, with all its edges."""
    owner_of_vertex = outlines.owner[outlines.part]
    first = np.flatnonzero(np.diff(owner_of_vertex, prepend=-1))
    if len(first) == 0:
        empty = np.zeros(0, np.int64)
        return _Blocks(empty, empty, empty, empty, empty, empty, empty)
    low, high = np.minimum.reduceat(outlines.xy, first), np.maximum.reduceat(outlines.xy, first)
    count = np.diff(first, append=len(owner_of_vertex))
    blocks = _Blocks(
        owner=owner_of_vertex[first],
        top=y_axis.first_at_or_after(low[:, 1]),
        bottom=y_axis.first_at_or_after(high[:, 1]),
        left=x_axis.first_at_or_after(low[:, 0]),
        right=x_axis.first_at_or_after(high[:, 0]),
        edge=np.arange(len(owner_of_vertex)),
        count=count,
    )
    return blocks.take(np.flatnonzero(blocks.pixels > 0))


def _near_edges(blocks: _Blocks, segments: _Segments, x: Floats, y: Floats) -> _Blocks:
    """Drop the edges that are nearest to no centre of their block."""
    left, right, top, bottom = x[blocks.left], x[blocks.right - 1], y[blocks.top], y[blocks.bottom - 1]
    radius = np.hypot(right - left, bottom - top) / 2
    block = np.repeat(np.arange(len(blocks)), blocks.count)
    away = np.sqrt(segments.squares(blocks.edge, ((left + right) / 2)[block], ((top + bottom) / 2)[block]))
    start = np.cumsum(blocks.count) - blocks.count
    # A centre lies at most a radius from the middle, so an edge two radii farther than the nearest cannot be its own.
    limit = np.minimum.reduceat(away, start) + 2 * radius
    kept = away <= (limit * (1 + _SLACK) + _SLACK)[block]
    return _Blocks(
        owner=blocks.owner,
        top=blocks.top,
        bottom=blocks.bottom,
        left=blocks.left,
        right=blocks.right,
        edge=blocks.edge[kept],
        count=np.add.reduceat(kept.astype(np.int64), start),
    )


def _halves(blocks: _Blocks) -> _Blocks:
    """Cut each block in two across its longer side."""
    index = np.arange(len(blocks))
    both = blocks.take(np.repeat(index, 2))
    second = np.tile([False, True], len(blocks))
    tall = both.bottom - both.top >= both.right - both.left
    row, column = (both.top + both.bottom) // 2, (both.left + both.right) // 2
    return _Blocks(
        owner=both.owner,
        top=np.where(tall & second, row, both.top),
        bottom=np.where(tall & ~second, row, both.bottom),
        left=np.where(~tall & second, column, both.left),
        right=np.where(~tall & ~second, column, both.right),
        edge=both.edge,
        count=both.count,
    )


def _measure(
    blocks: _Blocks,
    segments: _Segments,
    topmost: npt.NDArray[np.uint32],
    centres: tuple[Floats, Floats],
    out: npt.NDArray[np.float32],
) -> None:
    """Write the distances of the blocks' pixels, where their geometry is on top."""
    pixels = blocks.pixels
    block = np.repeat(np.arange(len(blocks)), pixels)
    place = ranges(np.zeros_like(pixels), pixels)
    down, across = np.divmod(place, (blocks.right - blocks.left)[block])
    row, column = blocks.top[block] + down, blocks.left[block] + across
    own = np.flatnonzero(topmost[row, column] == blocks.owner[block] + 1)
    block, row, column = block[own], row[own], column[own]
    count = blocks.count[block]
    offset = (np.cumsum(blocks.count) - blocks.count)[block]
    total = np.cumsum(count)
    at = 0
    while at < len(block):
        done = total[at - 1] if at else 0
        stop = max(at + 1, int(np.searchsorted(total, done + _PAIRS, side="right")))
        some = slice(at, stop)
        edge = blocks.edge[ranges(offset[some], count[some])]
        x, y = centres[0][column[some]], centres[1][row[some]]
        square = segments.squares(edge, np.repeat(x, count[some]), np.repeat(y, count[some]))
        out[row[some], column[some]] = np.sqrt(np.minimum.reduceat(square, total[some] - count[some] - done))
        at = stop


def _segments(outlines: Outlines) -> _Segments:
    (x, y), (end_x, end_y) = outlines.xy.T, outlines.xy[outlines.following].T
    along_x, along_y = end_x - x, end_y - y
    square = along_x * along_x + along_y * along_y
    per_square = np.divide(1, square, out=np.zeros_like(square), where=square > _TINY)
    return _Segments(x.copy(), y.copy(), along_x, along_y, per_square)
