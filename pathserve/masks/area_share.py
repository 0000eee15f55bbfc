"""Share of each pixel's area that polygons cover, exact but for snapping their vertices to 2^-24 of a pixel.

After the snap everything is integer arithmetic relative to the pixel grid, so sums do not depend on their order and
a tile holds the same bits as that part of the whole.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from pathserve.errors import TooLarge
from pathserve.masks.axis import Axis, Floats, Integers
from pathserve.masks.outlines import Outlines
from pathserve.masks.ranges import ranges

Geometries = npt.NDArray[np.object_]

_UNIT_BITS = 24
_UNIT = 2**_UNIT_BITS
_FARTHEST = 2.0**52
_PIECES = 1_000_000


@dataclass(frozen=True, slots=True)
class _Edges:
    """Edges in units of 2^-24 pixel, upper end first; ``sign`` is +1 where the inside lies right of the edge."""

    x0: Integers
    y0: Integers
    x1: Integers
    y1: Integers
    sign: Integers


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
        When an outline reaches more than 2^28 output pixels away from the grid's corner.
    """
    width, height = x_axis.count, y_axis.count
    area = np.zeros((height, width + 1), np.int64)
    edges = _edges(_union(_polygons(outlines, x_axis, y_axis)))
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


def _union(polygons: Geometries) -> Geometries:
    """Merge the polygons that meet one another; the others are left alone, as most are."""
    one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    meets = np.zeros(len(polygons), bool)
    meets[one[one != other]] = True
    merged = shapely.get_parts(shapely.union_all(polygons[meets], grid_size=1))
    # Twice, for the collections that a repair may give.
    parts = shapely.get_parts(shapely.get_parts(np.concatenate([polygons[~meets], merged])))
    return np.asarray(shapely.orient_polygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]))


def _edges(polygons: Geometries) -> _Edges:
    """Take the edges out of oriented polygons that do not overlap."""
    coordinates, ring = shapely.get_coordinates(shapely.get_rings(polygons), return_index=True)
    xy = coordinates.astype(np.int64)
    start = np.flatnonzero((ring[1:] == ring[:-1]) & (xy[1:, 1] != xy[:-1, 1]))
    # Shells run anticlockwise in the sense of y up: where y falls, the inside lies at larger x.
    falls = xy[start + 1, 1] < xy[start, 1]
    upper, lower = np.where(falls, start + 1, start), np.where(falls, start, start + 1)
    return _Edges(xy[upper, 0], xy[upper, 1], xy[lower, 0], xy[lower, 1], np.where(falls, 1, -1))


def _chunks(edges: _Edges, width: int, height: int) -> list[_Edges]:
    """Put the edges that meet the grid's rows into chunks of about `_PIECES` pieces."""
    rows = np.clip(-(-edges.y1 // _UNIT), 0, height) - np.clip(edges.y0 // _UNIT, 0, height)
    low, high = np.minimum(edges.x0, edges.x1), np.maximum(edges.x0, edges.x1)
    columns = np.clip(-(-high // _UNIT), 0, width) - np.clip(low // _UNIT, 0, width)
    chosen = np.flatnonzero(rows > 0)
    chunk = np.cumsum((rows + columns)[chosen]) // _PIECES
    cuts = np.flatnonzero(np.diff(chunk)) + 1
    return [
        _Edges(edges.x0[k], edges.y0[k], edges.x1[k], edges.y1[k], edges.sign[k])
        for k in np.split(chosen, cuts)
        if len(k)
    ]


def _accumulate(edges: _Edges, width: int, height: int, area: Integers) -> None:
    """Add the edges' areas; summed along a row, ``area`` becomes the covered area in units of 1/2 unit squared."""
    first = np.maximum(edges.y0 // _UNIT, 0)
    count = np.minimum(-(-edges.y1 // _UNIT), height) - first
    edge = np.repeat(np.arange(len(count)), count)
    row = ranges(first, count)
    y_start = np.maximum(edges.y0[edge], row * _UNIT)
    y_end = np.minimum(edges.y1[edge], (row + 1) * _UNIT)
    x_start, x_end = _x_at(edges, edge, y_start), _x_at(edges, edge, y_end)
    low, high = np.minimum(x_start, x_end), np.maximum(x_start, x_end)
    fall = y_end - y_start
    sign = edges.sign[edge]
    stride = width + 1
    # Left of the grid an edge counts in full for every pixel of its row.
    before = _fall_at(low, high, fall, np.zeros_like(low))
    np.add.at(area, row * stride, sign * before * (2 * _UNIT))
    first = np.clip(low // _UNIT, 0, width)
    last = np.clip(high // _UNIT + 1, 0, width)
    count = np.maximum(last - first, 0)
    piece = np.repeat(np.arange(len(count)), count)
    column = ranges(first, count)
    left = np.maximum(low[piece], column * _UNIT)
    right = np.minimum(high[piece], (column + 1) * _UNIT)
    ends = low[piece], high[piece], fall[piece]
    # An upright edge has all its fall in its one column.
    within = np.where(ends[0] == ends[1], ends[2], _fall_at(*ends, right) - _fall_at(*ends, left)) * sign[piece]
    inner = left + right - 2 * column * _UNIT
    cell = row[piece] * stride + column
    np.add.at(area, cell, within * (2 * _UNIT - inner))
    np.add.at(area, cell + 1, within * inner)


def _x_at(edges: _Edges, edge: Integers, y: Integers) -> Integers:
    """Find the x of edges at some y; depends on differences only, so it is the same in every tile."""
    x0, y0 = edges.x0[edge], edges.y0[edge]
    share = (y - y0) / (edges.y1[edge] - y0)
    across: Integers = np.rint(share * (edges.x1[edge] - x0)).astype(np.int64)
    return x0 + across


def _fall_at(low: Integers, high: Integers, fall: Integers, x: Integers) -> Integers:
    """Find how much of a piece's fall lies left of some x; 0 before it and all of it behind."""
    reach = np.clip(x - low, 0, high - low)
    # An upright piece lies left of x or not at all.
    share = np.where(high == low, x > low, reach / np.maximum(high - low, 1))
    part: Integers = np.rint(share * fall).astype(np.int64)
    return part
