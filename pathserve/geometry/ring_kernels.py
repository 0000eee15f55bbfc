"""Which rings are certainly simple, in machine code without the interpreter lock; loaded when first needed."""

from pathserve.geometry.ring_boxes import MOST_POSITIONS, TOGETHER
from pathserve.native.compiling import BYTE, FLOAT, INT, NOTHING, TRUTH, Array, called, given, inner

_ERROR = 4e-16
"""What an orientation may be wrong by, relative to its two products (Shewchuk 1997: (3 + 16 e) e, here with room)."""

_LEAST_AREA = 1e-9
_POLYGON, _MULTI_POLYGON = 5, 6


@inner
def _side(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> int:
    """Tell on which side of the line a b the point c lies: 1 or -1 when that is certain, else 0."""
    left, right = (ax - cx) * (by - cy), (ay - cy) * (bx - cx)
    found, error = left - right, _ERROR * (abs(left) + abs(right))
    return 1 if found > error else -1 if found < -error else 0


@inner
def _are_apart(xy: Array, i: int, j: int) -> bool:
    """Tell whether the edges that begin at i and j have certainly no position in common."""
    ax, ay, bx, by = xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1]
    cx, cy, dx, dy = xy[j, 0], xy[j, 1], xy[j + 1, 0], xy[j + 1, 1]
    if max(ax, bx) < min(cx, dx) or max(cx, dx) < min(ax, bx):
        return True
    if max(ay, by) < min(cy, dy) or max(cy, dy) < min(ay, by):
        return True
    if _side(ax, ay, bx, by, cx, cy) * _side(ax, ay, bx, by, dx, dy) > 0:
        return True
    return _side(cx, cy, dx, dy, ax, ay) * _side(cx, cy, dx, dy, bx, by) > 0


@inner
def _go_on(xy: Array, a: int, b: int, c: int) -> bool:
    """Tell whether the edges a b and b c have certainly nothing but b in common."""
    if _side(xy[a, 0], xy[a, 1], xy[b, 0], xy[b, 1], xy[c, 0], xy[c, 1]) != 0:
        return True
    along = (xy[a, 0] - xy[b, 0]) * (xy[c, 0] - xy[b, 0]) + (xy[a, 1] - xy[b, 1]) * (xy[c, 1] - xy[b, 1])
    return bool(along < 0.0)


@inner
def _has_area(xy: Array, first: int, last: int) -> bool:
    total, size = 0.0, 0.0
    for i in range(first, last):
        left = (xy[i, 0] - xy[first, 0]) * (xy[i + 1, 1] - xy[first, 1])
        right = (xy[i, 1] - xy[first, 1]) * (xy[i + 1, 0] - xy[first, 0])
        total += left - right
        size += abs(left) + abs(right)
    return abs(total) > _LEAST_AREA * size


@inner
def _is_star(xy: Array, first: int, last: int) -> bool:
    """Tell whether a ring certainly goes once around the mean of its positions and never back, as most cells do.

    Every edge is then seen from there under an angle of its own, so none meets another: no pairs need be compared.
    """
    x, y = 0.0, 0.0
    for i in range(first, last):
        x += xy[i, 0]
        y += xy[i, 1]
    x /= last - first
    y /= last - first
    way = _side(xy[first, 0], xy[first, 1], xy[first + 1, 0], xy[first + 1, 1], x, y)
    if way == 0:
        return False
    turns = 0
    ax, ay = xy[first, 0] - x, xy[first, 1] - y
    for i in range(first + 1, last + 1):
        bx, by = xy[i, 0] - x, xy[i, 1] - y
        left, right = ax * by, ay * bx
        # As `_side`, whose products these are.
        if not way * (left - right) > _ERROR * (abs(left) + abs(right)):
            return False
        # Once in each turn it comes up through the horizontal line.
        turns += ay < 0.0 <= by
        ax, ay = bx, by
    return turns == 1


@inner
def _put_boxes(xy: Array, first: int, last: int, boxes: Array) -> None:
    """Put down the box (x0, y0, x1, y1) of each `TOGETHER` edges."""
    for i in range(first, last, TOGETHER):
        x0, y0 = xy[i, 0], xy[i, 1]
        x1, y1 = x0, y0
        for j in range(i + 1, min(i + TOGETHER, last) + 1):
            x, y = xy[j, 0], xy[j, 1]
            x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
        block = (i - first) // TOGETHER
        boxes[block, 0], boxes[block, 1], boxes[block, 2], boxes[block, 3] = x0, y0, x1, y1


@inner
def _is_apart(xy: Array, i: int, start: int, end: int, first: int, boxes: Array) -> bool:
    """Tell whether an edge has certainly no position in common with those from ``start`` to ``end``."""
    ax, ay, bx, by = xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1]
    x0, x1, y0, y1 = min(ax, bx), max(ax, bx), min(ay, by), max(ay, by)
    j = start
    while j < end:
        block = (j - first) // TOGETHER
        stop = min(end, first + TOGETHER * (block + 1))
        if x1 < boxes[block, 0] or boxes[block, 2] < x0 or y1 < boxes[block, 1] or boxes[block, 3] < y0:
            j = stop
            continue
        while j < stop:
            if not _are_apart(xy, i, j):
                return False
            j += 1
    return True


@inner
def _is_simple(xy: Array, first: int, last: int, boxes: Array) -> bool:
    """Tell whether the closed ring of positions ``first`` to ``last`` certainly neither crosses nor touches itself."""
    if _is_star(xy, first, last):
        return _has_area(xy, first, last)
    _put_boxes(xy, first, last, boxes)
    for i in range(first, last):
        before = last - 1 if i == first else i - 1
        if not _go_on(xy, before, i, i + 1):
            return False
        # Its neighbours share a position with it; all others must be apart from it.
        if not _is_apart(xy, i, i + 2, last - 1 if i == first else last, first, boxes):
            return False
    return _has_area(xy, first, last)


@inner
def certainly_passing(
    kinds: Array,
    xy: Array,
    ring_starts: Array,
    part_starts: Array,
    starts: Array,
    far: float,
    most: int,
    boxes: Array,
    found: Array,
) -> None:
    """Tell which geometries are certainly polygons of one simple ring that has an area.

    Parameters
    ----------
    kinds, xy, ring_starts, part_starts, starts
        As `pathserve.labels.Columns` has them.
    far, most
        Largest coordinate, and largest number of positions, that are let pass.
    boxes
        (`BOXES`, 4): scratch.
    found
        (N,) bool, filled; False says nothing.
    """
    for row in range(len(kinds)):
        found[row] = False
        part = starts[row]
        if kinds[row] < _POLYGON or kinds[row] > _MULTI_POLYGON or starts[row + 1] - part != 1:
            continue
        ring = part_starts[part]
        if part_starts[part + 1] - ring != 1:
            continue
        first, last = ring_starts[ring], ring_starts[ring + 1] - 1
        if last - first < 3 or last - first >= min(most, MOST_POSITIONS):
            continue
        if xy[first, 0] != xy[last, 0] or xy[first, 1] != xy[last, 1]:
            continue
        near = True
        for i in range(first, last):
            near &= abs(xy[i, 0]) <= far and abs(xy[i, 1]) <= far
        found[row] = near and _is_simple(xy, first, last, boxes)


_SHAPES = given(BYTE), given(FLOAT, 2), given(INT), given(INT), given(INT)

ENTRIES = {
    "certainly_passing": called(certainly_passing, NOTHING, *_SHAPES, FLOAT, INT, FLOAT[:, ::1], TRUTH[::1]),
}
