"""Share of each pixel's area that polygons cover, exact but for snapping their vertices to 2^-28 of a pixel.

After the snap the sums are of whole numbers relative to the pixel grid, so they do not depend on their order, and each
edge is followed along its line as drawn, so that a tile which knows only its own objects holds the same bits as that
part of the whole. Where outlines cross within some 2^-28 of a pixel's border, the last bit may differ.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from pathserve.errors import TooLarge
from pathserve.masks.axis import Axis, Floats, Integers
from pathserve.masks.outlines import Outlines
from pathserve.masks.ranges import ranges

Geometries = npt.NDArray[np.object_]

_UNIT_BITS = 28
_UNIT = 2**_UNIT_BITS
_FARTHEST = 2.0**52
MAX_MEETINGS = 10_000_000
"""Outlines may meet each other this often in one mask of shares: about half a gigabyte."""

_QUERY_BLOCK = 16
_NEAR = 2.0
_PIECES = 1_000_000


@dataclass(frozen=True, slots=True)
class _Edges:
    """Edges in units of 2^-28 pixel: the piece from ``top`` to ``bottom`` of the line through two points.

    The line is that of the whole edge as it was drawn, also where a merge has cut it, so that the cut changes nothing
    in pixels away from it. ``sign`` is +1 where the inside lies right of the edge, else -1.
    """

    x0: Integers
    y0: Integers
    x1: Integers
    y1: Integers
    top: Integers
    bottom: Integers
    sign: Integers

    def take(self, chosen: Integers) -> "_Edges":
        """Give some of the edges."""
        return _Edges(
            self.x0[chosen],
            self.y0[chosen],
            self.x1[chosen],
            self.y1[chosen],
            self.top[chosen],
            self.bottom[chosen],
            self.sign[chosen],
        )

    def x_at(self, y: Integers, *, origin: Integers) -> Floats:
        """Find each edge's x, counted from ``origin``, at some y.

        Like all here it depends on differences of whole numbers only, so it is the same in every tile.
        """
        across: Floats = (y - self.y0) / (self.y1 - self.y0) * (self.x1 - self.x0)
        return (self.x0 - origin) + across

    def y_at(self, x: Integers) -> Integers:
        """Find each edge's y at some x; an upright edge's is its upper end."""
        run = self.x1 - self.x0
        share = np.clip((x - self.x0) / np.where(run == 0, 1, run), 0, 1)
        down: Integers = np.rint(share * (self.y1 - self.y0)).astype(np.int64)
        return self.y0 + down


def covered_share(outlines: Outlines, x_axis: Axis, y_axis: Axis) -> npt.NDArray[np.float32]:
    """Measure how much of each pixel the outlines cover together.

    Parameters
    ----------
    outlines
        Polygons in level-0 pixels; where they overlap, the area counts once.
    x_axis, y_axis
        The grid.

    Returns
    -------
    float32 array (h, w), 0 to 1. Memory: 16 bytes a pixel, and about 300 bytes for each of a million pieces of edges.

    Raises
    ------
    TooLarge
        When an outline reaches more than 2^24 output pixels away from the grid's corner.
    """
    width, height = x_axis.count, y_axis.count
    area = np.zeros((height, width + 1), np.int64)
    edges = _merged_edges(_polygons(outlines, x_axis, y_axis))
    for some in _chunks(edges, width, height):
        _accumulate(some, width, height, area.reshape(-1))
    np.cumsum(area, axis=1, out=area)
    return np.clip(area[:, :width] / float(2 * _UNIT * _UNIT), 0, 1).astype(np.float32)


def _polygons(outlines: Outlines, x_axis: Axis, y_axis: Axis) -> Geometries:
    """Snap the polygons that meet the grid to whole units; those that are not valid follow the even-odd rule."""
    last = np.flatnonzero(outlines.following != np.arange(1, len(outlines.xy) + 1))
    first = outlines.following[last]
    ring = np.repeat(np.arange(len(last)), last - first + 1)
    large = last - first + 1 >= 3
    kept = large[ring]
    if not kept.any():
        return np.zeros(0, dtype=np.object_)
    xy = np.stack([_snapped(outlines.xy[kept, 0], x_axis), _snapped(outlines.xy[kept, 1], y_axis)], axis=1)
    _, ring_index = np.unique(ring[kept], return_inverse=True)
    _, part_index = np.unique(outlines.part[first[large]], return_inverse=True)
    rings = shapely.linearrings(xy, indices=ring_index)
    polygons = np.asarray(shapely.polygons(np.asarray(rings), indices=part_index))
    x0, y0, x1, y1 = shapely.bounds(polygons).T
    inside = (x1 > 0) & (y1 > 0) & (x0 < x_axis.count * _UNIT) & (y0 < y_axis.count * _UNIT)
    near: Geometries = polygons[inside]
    invalid = ~shapely.is_valid(near)
    near[invalid] = shapely.make_valid(near[invalid])
    return near


def _snapped(values: Floats, axis: Axis) -> Floats:
    """Give coordinates in whole units from the window's corner; the snap itself is relative to the grid's corner."""
    snapped: Floats = np.rint((values - axis.origin) / axis.step * _UNIT)
    if np.abs(snapped).max() > _FARTHEST:
        raise TooLarge("An outline reaches too far beyond the region for shares of pixels; ask for a coarser mask.")
    return snapped - float(axis.first * _UNIT)


def _merged_edges(polygons: Geometries) -> _Edges:
    """Take the edges of the area that the polygons cover together."""
    tree = shapely.STRtree(polygons)
    one, other = _meetings(polygons, lambda some: tree.query(some, predicate="intersects"))
    meets = np.zeros(len(polygons), bool)
    meets[one[one != other]] = True
    alone, sign = _directed_edges(polygons[~meets])
    together, signs = _directed_edges(shapely.get_parts(shapely.union_all(polygons[meets], grid_size=1)))
    lines = np.concatenate([alone, _lines_of(together, _directed_edges(polygons[meets])[0])])
    ends = np.concatenate([alone, together])
    (x0, y0), (x1, y1) = lines[:, 0].T, lines[:, 1].T
    return _Edges(x0, y0, x1, y1, ends[:, 0, 1], ends[:, 1, 1], np.concatenate([sign, signs]))


def _meetings(asked: Geometries, query: Callable[[Geometries], Integers]) -> tuple[Integers, Integers]:
    """Ask a tree which of its geometries ``asked`` meet, a few at a time so that memory stays bounded.

    Returns
    -------
    Places in ``asked``, and in the tree.

    Raises
    ------
    TooLarge
        When there are more than `MAX_MEETINGS` pairs.
    """
    found, count = [np.zeros((2, 0), np.int64)], 0
    for first in range(0, len(asked), _QUERY_BLOCK):
        pairs = query(asked[first : first + _QUERY_BLOCK])
        count += pairs.shape[1]
        if count > MAX_MEETINGS:
            raise TooLarge("These outlines lie over each other too often to measure shares of pixels.")
        pairs[0] += first
        found.append(pairs)
    one, other = np.concatenate(found, axis=1)
    return one, other


def _directed_edges(polygons: Geometries) -> tuple[Integers, Integers]:
    """Give the edges of polygons, array (n, 2, 2) with the upper end first, and on which side their inside lies."""
    # Twice, for the multipolygons within collections that a repair may give.
    parts = shapely.get_parts(shapely.get_parts(polygons))
    parts = shapely.orient_polygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])
    coordinates, ring = shapely.get_coordinates(shapely.get_rings(parts), return_index=True)
    xy = coordinates.astype(np.int64)
    start = np.flatnonzero((ring[1:] == ring[:-1]) & (xy[1:, 1] != xy[:-1, 1]))
    # Shells run anticlockwise in the sense of y up: where y falls, the inside lies at larger x.
    falls = xy[start + 1, 1] < xy[start, 1]
    upper, lower = np.where(falls, start + 1, start), np.where(falls, start, start + 1)
    return np.stack([xy[upper], xy[lower]], axis=1), np.where(falls, 1, -1)


def _lines_of(pieces: Integers, drawn: Integers) -> Integers:
    """Find for each piece of a merged outline the edge as drawn that it is a piece of; itself when there is none."""
    lines = pieces.copy()
    known = np.isin(_as_keys(pieces), _as_keys(drawn))
    cut = np.flatnonzero(~known)
    if len(cut) == 0:
        return lines
    edges = np.asarray(shapely.linestrings(drawn.astype(np.float64)))
    middles = shapely.points(pieces[cut].mean(axis=1))
    tree = shapely.STRtree(edges)
    piece, edge = _meetings(np.asarray(middles), lambda some: tree.query(some, predicate="dwithin", distance=_NEAR))
    ends = np.asarray(shapely.points(pieces[cut].astype(np.float64)))
    away = np.maximum(shapely.distance(ends[piece, 0], edges[edge]), shapely.distance(ends[piece, 1], edges[edge]))
    order = np.lexsort((edge, away, piece))
    order = order[away[order] <= _NEAR]
    found, first = np.unique(piece[order], return_index=True)
    lines[cut[found]] = drawn[edge[order[first]]]
    return lines


def _as_keys(edges: Integers) -> npt.NDArray[np.void]:
    """Make each edge one value that can be looked up."""
    return np.ascontiguousarray(edges.reshape(-1, 4)).view(np.dtype((np.void, 32)))[:, 0]


def _chunks(edges: _Edges, width: int, height: int) -> list[_Edges]:
    """Put the edges that meet the grid's rows into chunks of about `_PIECES` pieces."""
    rows = np.clip(-(-edges.bottom // _UNIT), 0, height) - np.clip(edges.top // _UNIT, 0, height)
    low, high = np.minimum(edges.x0, edges.x1), np.maximum(edges.x0, edges.x1)
    columns = np.clip(-(-high // _UNIT), 0, width) - np.clip(low // _UNIT, 0, width)
    chosen = np.flatnonzero(rows > 0)
    chunk = np.cumsum((rows + columns)[chosen]) // _PIECES
    cuts = np.flatnonzero(np.diff(chunk)) + 1
    return [edges.take(some) for some in np.split(chosen, cuts) if len(some)]


def _accumulate(edges: _Edges, width: int, height: int, area: Integers) -> None:
    """Add the edges' areas; summed along a row, ``area`` becomes the covered area in units of 1/2 unit squared."""
    first = np.maximum(edges.top // _UNIT, 0)
    count = np.minimum(-(-edges.bottom // _UNIT), height) - first
    edge = np.repeat(np.arange(len(count)), count)
    row = ranges(first, count)
    rows = edges.take(edge)
    top, bottom = np.maximum(rows.top, row * _UNIT), np.minimum(rows.bottom, (row + 1) * _UNIT)
    at_top, at_bottom = (rows.x0 + np.rint(rows.x_at(y, origin=rows.x0)).astype(np.int64) for y in (top, bottom))
    low, high = np.minimum(at_top, at_bottom), np.maximum(at_top, at_bottom)
    stride = width + 1
    # Left of the grid an edge counts in full for every pixel of its row; `split` is where it enters the grid.
    rightwards = rows.x1 > rows.x0
    split = np.clip(rows.y_at(np.zeros_like(low)), top, bottom)
    before = np.where(high <= 0, bottom - top, np.where(rightwards, split - top, bottom - split))
    before[low >= 0] = 0
    np.add.at(area, row * stride, rows.sign * before * (2 * _UNIT))
    first, last = low // _UNIT, np.maximum(-(-high // _UNIT), low // _UNIT + 1)
    start = np.clip(first, 0, width)
    count = np.maximum(np.clip(last, 0, width) - start, 0)
    piece = np.repeat(np.arange(len(count)), count)
    column = ranges(start, count)
    cells = rows.take(piece)
    # Where the edge passes from column to column is the line's own affair; its first and last column take the rest.
    near = np.clip(cells.y_at(column * _UNIT), top[piece], bottom[piece])
    far = np.clip(cells.y_at((column + 1) * _UNIT), top[piece], bottom[piece])
    forth = rightwards[piece]
    near = np.where(column == first[piece], np.where(forth, top[piece], bottom[piece]), near)
    far = np.where(column == last[piece] - 1, np.where(forth, bottom[piece], top[piece]), far)
    fall = np.abs(far - near)
    ends = (np.clip(cells.x_at(y[piece], origin=column * _UNIT), 0, _UNIT) for y in (top, bottom))
    # What lies left of the edge in its column; not rounded before, as a cut's own place is only known to one unit.
    left = np.rint(fall * sum(ends)).astype(np.int64)
    cell = row[piece] * stride + column
    np.add.at(area, cell, cells.sign * (fall * 2 * _UNIT - left))
    np.add.at(area, cell + 1, cells.sign * left)
