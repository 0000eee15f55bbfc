"""Machine code that makes shapes fit a vector tile: simplified, and cut at its border. Loaded by who needs it.

All of it works on one tile's own units: 4096 across the tile, y down, and keeps what lies up to `BUFFER` units outside.

Simplification is Douglas and Peucker's (Cartographica 10(2), 1973), on the whole object before it is clipped, so that
neighbouring tiles agree about a line that crosses their border. Every `RUN`-th position is kept, which bounds the time
(Douglas-Peucker alone can take n**2 steps) and lets runs outside the tile be skipped. Polygons are clipped as by
Sutherland and Hodgman (CACM 17(1), 1974), lines as by Liang and Barsky (ACM TOG 3(1), 1984).

Functions write into arrays that their caller has made large enough, and give how much they wrote: arrays that are made
or handed back cost more than all that is calculated with a cell.
"""

from typing import NamedTuple

import numpy as np

from pathserve.native.compiling import Array, inlined, inner, plain

BUFFER = 256.0
EXTENT = 4096.0
RUN = 256

CLIPPED = 6
"""A ring of n corners has at most so many times n + 2 when it has been clipped: each of four sides can add a half."""

LOW, HIGH = -BUFFER, EXTENT + BUFFER
_ZERO = plain(np.int64(0))


class Work(NamedTuple):
    """What shapes are worked on in: room for M positions, and for all that clipping can add.

    Parameters
    ----------
    points, other
        (CLIPPED * (M + 2), 2) float64 in units of the tile.
    whole
        The same in whole units, int64.
    keep
        (M,) bool.
    stack
        (M, 2) int64.
    """

    points: Array
    other: Array
    whole: Array
    keep: Array
    stack: Array


@inlined
def load(xy: Array, first: int, end: int, place: Array, points: Array) -> int:
    """Put positions into units of the tile whose place is (x, y, units a pixel, ...); gives their number."""
    x, y, scale = place[0], place[1], place[2]
    for i in range(end - first):
        points[i, 0] = (xy[first + i, 0] - x) * scale
        points[i, 1] = (xy[first + i, 1] - y) * scale
    return end - first


@inner
def is_inside(points: Array, count: int) -> bool:
    """Tell whether the tile keeps all positions."""
    inside = True
    for i in range(count):
        inside &= LOW <= points[i, 0] <= HIGH and LOW <= points[i, 1] <= HIGH
    return inside


@inlined
def _peucker(points: Array, first: int, last: int, tolerance: float, keep: Array, stack: Array) -> None:
    """Mark in ``keep`` what must stay between two positions that stay; both are marked by the caller."""
    stack[0, 0], stack[0, 1] = first, last
    depth = 1
    while depth > 0:
        depth -= 1
        a, b = stack[depth, 0], stack[depth, 1]
        ax, ay = points[a, 0], points[a, 1]
        dx, dy = points[b, 0] - ax, points[b, 1] - ay
        length = dx * dx + dy * dy
        share = 1.0 / length if length > 0.0 else 0.0
        worst, at = tolerance * tolerance, -1
        for i in range(a + 1, b):
            px, py = points[i, 0] - ax, points[i, 1] - ay
            t = min(1.0, max(0.0, (px * dx + py * dy) * share))
            px, py = px - t * dx, py - t * dy
            d = px * px + py * py
            if d > worst:
                worst, at = d, i
        if at >= 0:
            keep[at] = True
            if at - a > 1:
                stack[depth, 0], stack[depth, 1] = a, at
                depth += 1
            if b - at > 1:
                stack[depth, 0], stack[depth, 1] = at, b
                depth += 1


@inner
def _outside(points: Array, first: int, last: int) -> bool:
    """Tell whether a run lies on one side of what the tile keeps."""
    left = right = above = below = True
    for i in range(first, last + 1):
        x, y = points[i, 0], points[i, 1]
        left &= x < LOW
        right &= x > HIGH
        above &= y < LOW
        below &= y > HIGH
    return left or right or above or below


@inlined
def _farthest(points: Array, count: int) -> int:
    """Give the position that is farthest from the first one."""
    far, at = -1.0, _ZERO
    x, y = points[0, 0], points[0, 1]
    for i in range(1, count):
        dx, dy = points[i, 0] - x, points[i, 1] - y
        d = dx * dx + dy * dy
        if d > far:
            far, at = d, i
    return at


@inlined
def _simplify_run(points: Array, first: int, last: int, tolerance: float, inside: int, work: Work) -> None:
    """Mark what stays between two positions that stay; nothing does in a run outside the tile."""
    is_out = not inside and _outside(points, first, last)
    if tolerance > 0.0 and not is_out:
        _peucker(points, first, last, tolerance, work.keep, work.stack)
    else:
        for i in range(first + 1, last):
            work.keep[i] = not is_out


@inlined
def simplify(work: Work, count: int, tolerance: float, ring: int, inside: int) -> int:
    """Move the positions that stay to the front and give their number; a closed ring has its first position last.

    Parameters
    ----------
    inside
        Whether all positions are known to be kept by the tile.
    """
    points, keep = work.points, work.keep
    if count <= 2 or (inside and tolerance == 0.0):
        return count
    for i in range(count):
        keep[i] = False
    for i in range(0, count, RUN):
        keep[i] = True
    keep[count - 1] = True
    if ring:
        keep[_farthest(points, count)] = True
    first = _ZERO
    for i in range(1, count):
        if keep[i]:
            if i - first > 1:
                _simplify_run(points, first, i, tolerance, inside, work)
            first = i
    kept = _ZERO
    for i in range(count):
        if keep[i]:
            points[kept, 0], points[kept, 1] = points[i, 0], points[i, 1]
            kept += 1
    return kept


@inner
def _clip_side(source: Array, count: int, target: Array, axis: int, bound: float, sign: float) -> int:
    """Keep what is on one side of a line: sign * (coordinate - bound) <= 0; gives the number of positions."""
    kept = _ZERO
    if count == 0:
        return kept
    before = count - 1
    d0 = sign * (source[before, axis] - bound)
    for i in range(count):
        d1 = sign * (source[i, axis] - bound)
        if (d0 <= 0.0) != (d1 <= 0.0):
            t = d0 / (d0 - d1)
            target[kept, 1 - axis] = source[before, 1 - axis] + t * (source[i, 1 - axis] - source[before, 1 - axis])
            target[kept, axis] = bound
            kept += 1
        if d1 <= 0.0:
            target[kept, 0], target[kept, 1] = source[i, 0], source[i, 1]
            kept += 1
        before, d0 = i, d1
    return kept


@inner
def clip_ring(work: Work, count: int) -> int:
    """Clip a closed or open ring to an open list of corners in ``points``; none when it only touches the tile."""
    points, other = work.points, work.other
    count = open_ring(points, count)
    if is_inside(points, count):
        return count
    for axis in range(2):
        count = _clip_side(points, count, other, axis, LOW, -1.0)
        count = _clip_side(other, count, points, axis, HIGH, 1.0)
    return count


@inlined
def open_ring(points: Array, count: int) -> int:
    """Give the corners of a ring whose last position may be its first."""
    closed = count > 1 and points[0, 0] == points[count - 1, 0] and points[0, 1] == points[count - 1, 1]
    return count - 1 if closed else count


@inner
def cut_segment(ax: float, ay: float, bx: float, by: float) -> tuple[float, float]:
    """Give the share of a segment that is in the tile, as two parameters; the first above the second when none is."""
    dx, dy = bx - ax, by - ay
    t0, t1 = 0.0, 1.0
    for side in range(4):
        p = (-dx, dx, -dy, dy)[side]
        q = (ax - LOW, HIGH - ax, ay - LOW, HIGH - ay)[side]
        if p == 0.0:
            if q < 0.0:
                return 1.0, 0.0
        elif p < 0.0:
            t0 = max(t0, q / p)
        else:
            t1 = min(t1, q / p)
    return t0, t1


@inlined
def round_off(points: Array, count: int, whole: Array, ring: int) -> int:
    """Round to whole units without repeating one; gives the number that is left."""
    kept = _ZERO
    for i in range(count):
        x, y = np.int64(np.floor(points[i, 0] + 0.5)), np.int64(np.floor(points[i, 1] + 0.5))
        if kept == 0 or whole[kept - 1, 0] != x or whole[kept - 1, 1] != y:
            whole[kept, 0], whole[kept, 1] = x, y
            kept += 1
    while ring and kept > 1 and whole[kept - 1, 0] == whole[0, 0] and whole[kept - 1, 1] == whole[0, 1]:
        kept -= 1
    return kept


@inlined
def doubled_area(corners: Array, count: int) -> float:
    """Give twice the signed area by the surveyor's formula: positive is an exterior ring (4.3.3.3)."""
    total = 0.0
    x0, y0 = corners[0, 0], corners[0, 1]
    bx, by = x0 - x0, y0 - y0
    for i in range(1, count):
        ax, ay = bx, by
        bx, by = corners[i, 0] - x0, corners[i, 1] - y0
        total += ax * by - bx * ay
    return total
