"""Machine code for vector tiles: simplifying, clipping, and the bytes of features. Loaded by who needs it, when needed.

All of it works on one tile's own units: 4096 across the tile, y down, and keeps what lies up to `BUFFER` units outside.
Nothing here holds the interpreter lock. Compiled code is kept beside this file or in the user's cache.

Simplification is Douglas and Peucker's (Cartographica 10(2), 1973), on the whole object before it is clipped, so that
neighbouring tiles agree about a line that crosses their border. Every `RUN`-th position is kept, which bounds the time
(Douglas-Peucker alone can take n**2 steps) and lets runs outside the tile be skipped. Polygons are clipped as by
Sutherland and Hodgman (CACM 17(1), 1974), lines as by Liang and Barsky (ACM TOG 3(1), 1984). The bytes are those of the
Mapbox Vector Tile Specification 2.1, section 4.3.
"""

import numpy as np

from pathserve.annotations.compiling import BYTE, FLOAT, INT, Array, Arrays, entry, given, inner, plain

BUFFER = 256.0
EXTENT = 4096.0
RUN = 256

POINTS, LINES, POLYGONS = plain(np.int64(1)), plain(np.int64(2)), plain(np.int64(3))
_COLLECTION = 7
_CLOSED = 4

_MIN_SIDE = 16.0
"""Sides of what stands for a polygon that is too small to be drawn: one screen pixel of a tile of 256."""

_MIN_LINE = plain(np.int64(8))

_ZERO, _MOVE_ONCE, _CLOSE = plain(np.int64(0)), plain(np.int64(1 << 3 | 1)), plain(np.int64(1 << 3 | 7))
_NO, _YES = plain(np.bool_(0)), plain(np.bool_(1))

_BYTES, _INTS = given(BYTE), given(INT)


@inner
def _varint(out: Array, at: int, value: int) -> int:
    """Write an unsigned number in base 128; gives the place behind it."""
    while value >= 128:
        out[at] = (value & 127) | 128
        value >>= 7
        at += 1
    out[at] = value
    return at + 1


@inner
def _zigzag(out: Array, at: int, value: int) -> int:
    return _varint(out, at, (value << 1) ^ (value >> 63))


@inner
def _room(out: Array, at: int, more: int) -> Array:
    """Give an array with what is in ``out`` and room for ``more`` bytes at ``at``."""
    if at + more <= len(out):
        return out
    larger = np.empty(2 * (at + more), np.uint8)
    larger[:at] = out[:at]
    return larger


@inner
def _distance(px: float, py: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Give the squared distance of a point to a segment."""
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    if length > 0.0:
        t = ((px - ax) * dx + (py - ay) * dy) / length
        t = min(1.0, max(0.0, t))
        ax += t * dx
        ay += t * dy
    return (px - ax) ** 2 + (py - ay) ** 2


@inner
def _peucker(points: Array, first: int, last: int, tolerance: float, keep: Array, stack: Array) -> None:
    """Mark in ``keep`` what must stay between two positions that stay; both are marked by the caller."""
    stack[0, 0], stack[0, 1] = first, last
    depth = 1
    while depth:
        depth -= 1
        a, b = stack[depth, 0], stack[depth, 1]
        worst, at = tolerance * tolerance, -1
        for i in range(a + 1, b):
            d = _distance(points[i, 0], points[i, 1], points[a, 0], points[a, 1], points[b, 0], points[b, 1])
            if d > worst:
                worst, at = d, i
        if at >= 0:
            keep[at] = True
            stack[depth, 0], stack[depth, 1] = a, at
            stack[depth + 1, 0], stack[depth + 1, 1] = at, b
            depth += 2


@inner
def _outside(points: Array, first: int, last: int) -> bool:
    """Tell whether a run lies on one side of what the tile keeps."""
    low, high = -BUFFER, EXTENT + BUFFER
    left = right = above = below = True
    for i in range(first, last + 1):
        x, y = points[i, 0], points[i, 1]
        left &= x < low
        right &= x > high
        above &= y < low
        below &= y > high
    return left or right or above or below


@inner
def _farthest(points: Array, count: int) -> int:
    """Give the position that is farthest from the first one."""
    far, at = -1.0, _ZERO
    for i in range(1, count):
        d = (points[i, 0] - points[0, 0]) ** 2 + (points[i, 1] - points[0, 1]) ** 2
        if d > far:
            far, at = d, i
    return at


@inner
def _simplify_run(points: Array, first: int, last: int, tolerance: float, keep: Array, stack: Array) -> None:
    """Mark in ``keep`` what stays between two positions that stay; nothing does in a run outside the tile."""
    if last - first < 2:
        return
    if _outside(points, first, last):
        keep[first + 1 : last] = False
    elif tolerance > 0.0:
        _peucker(points, first, last, tolerance, keep, stack)
    else:
        keep[first + 1 : last] = True


@inner
def _simplify(points: Array, count: int, tolerance: float, ring: int, keep: Array, stack: Array) -> int:
    """Move the positions that stay to the front and give their number; a closed ring has its first position last."""
    if count <= 2:
        return count
    keep[:count] = False
    keep[:count:RUN] = True
    keep[count - 1] = True
    if ring:
        keep[_farthest(points, count)] = True
    first = _ZERO
    for i in range(1, count):
        if keep[i]:
            _simplify_run(points, first, i, tolerance, keep, stack)
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
        return 0
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
def _clip_ring(points: Array, count: int) -> tuple[Array, int]:
    """Clip an open list of a ring's corners; gives the corners and their number."""
    source = points
    for side in range(4):
        target = np.empty((2 * count + 2, 2))
        bound = -BUFFER if side < 2 else EXTENT + BUFFER
        sign = -1.0 if side < 2 else 1.0
        count = _clip_side(source, count, target, side % 2, bound, sign)
        source = target
    return source, count


@inner
def _rounded(points: Array, count: int, whole: Array, ring: int) -> int:
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


@inner
def _doubled_area(whole: Array, count: int) -> int:
    """Give twice the signed area by the surveyor's formula: positive is an exterior ring (4.3.3.3)."""
    total = _ZERO
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        total += whole[i, 0] * whole[j, 1] - whole[j, 0] * whole[i, 1]
    return total


@inner
def _put_path(
    out: Array, at: int, whole: Array, count: int, kind: int, backwards: int, cursor: Array
) -> tuple[Array, int]:
    """Write one ring (kind POLYGONS), line, or run of points; gives the array and the place behind it."""
    out = _room(out, at, 10 * count + 24)
    if kind == POINTS:
        at = _varint(out, at, (count << 3) | 1)
    for i in range(count):
        j = count - i if backwards and i else i
        if kind != POINTS and i == 0:
            at = _varint(out, at, _MOVE_ONCE)
        elif kind != POINTS and i == 1:
            at = _varint(out, at, ((count - 1) << 3) | 2)
        at = _zigzag(out, at, whole[j, 0] - cursor[0])
        at = _zigzag(out, at, whole[j, 1] - cursor[1])
        cursor[0], cursor[1] = whole[j, 0], whole[j, 1]
    if kind == POLYGONS:
        at = _varint(out, at, _CLOSE)
    return out, at


@inner
def _load(xy: Array, first: int, end: int, origin: Array, scale: float, points: Array) -> int:
    for i in range(first, end):
        points[i - first, 0] = (xy[i, 0] - origin[0]) * scale
        points[i - first, 1] = (xy[i, 1] - origin[1]) * scale
    return end - first


@inner
def _inside(points: Array, count: int) -> bool:
    low, high = -BUFFER, EXTENT + BUFFER
    inside = True
    for i in range(count):
        inside &= low <= points[i, 0] <= high and low <= points[i, 1] <= high
    return inside


@inner
def _stand_in(points: Array, count: int, whole: Array) -> int:
    """Make what stands for a polygon that fell to nothing: a square of a pixel, or a needle when it is long."""
    x0, y0, x1, y1 = points[0, 0], points[0, 1], points[0, 0], points[0, 1]
    for i in range(count):
        x0, x1 = min(x0, points[i, 0]), max(x1, points[i, 0])
        y0, y1 = min(y0, points[i, 1]), max(y1, points[i, 1])
    if max(x1 - x0, y1 - y0) > 2.0 * _MIN_SIDE:
        kept = _rounded(points, count, whole, _YES)
        if _doubled_area(whole, kept) != 0:
            return kept
        far, at = -1, 0
        for i in range(1, kept):
            d = abs(whole[i, 0] - whole[0, 0]) + abs(whole[i, 1] - whole[0, 1])
            if d > far:
                far, at = d, i
        x, y = whole[at, 0], whole[at, 1]
        steep = abs(y - whole[0, 1]) > abs(x - whole[0, 0])
        whole[1, 0], whole[1, 1] = x, y
        whole[2, 0], whole[2, 1] = (x + 1, y) if steep else (x, y + 1)
        return 3
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    w, h = max(x1 - x0, _MIN_SIDE) / 2, max(y1 - y0, _MIN_SIDE) / 2
    left, right = np.int64(np.floor(cx - w + 0.5)), np.int64(np.floor(cx + w + 0.5))
    top, bottom = np.int64(np.floor(cy - h + 0.5)), np.int64(np.floor(cy + h + 0.5))
    whole[0, 0], whole[0, 1] = left, top
    whole[1, 0], whole[1, 1] = right, top
    whole[2, 0], whole[2, 1] = right, bottom
    whole[3, 0], whole[3, 1] = left, bottom
    return 4


@inner
def _clipped(points: Array, count: int) -> tuple[Array, int]:
    """Give the open corners of a ring in the tile; none when it only touches it."""
    if count > 1 and points[0, 0] == points[count - 1, 0] and points[0, 1] == points[count - 1, 1]:
        count -= 1
    if not _inside(points, count):
        return _clip_ring(points, count)
    return points, count


@inner
def _float_area(points: Array, count: int) -> float:
    total = 0.0
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        ax, ay = points[i, 0] - points[0, 0], points[i, 1] - points[0, 1]
        bx, by = points[j, 0] - points[0, 0], points[j, 1] - points[0, 1]
        total += ax * by - bx * ay
    return abs(total)


@inner
def _put_ring(
    out: Array,
    at: int,
    xy: Array,
    first: int,
    end: int,
    origin: Array,
    scale: float,
    tolerance: float,
    shell: bool,
    work: Arrays,
    cursor: Array,
) -> tuple[Array, int, bool]:
    """Write one ring; gives the array, the place behind it, and whether the ring is there."""
    points, whole, keep, stack = work
    count = _load(xy, first, end, origin, scale, points)
    count = _simplify(points, count, tolerance, _YES, keep, stack)
    corners, count = _clipped(points, count)
    if len(whole) < count + 4:
        whole = np.empty((count + 4, 2), np.int64)
    kept = _rounded(corners, count, whole, _YES)
    area = _doubled_area(whole, kept) if kept > 2 else np.int64(0)
    if area == 0 and not shell:
        return out, at, False
    if area == 0:
        count = _load(xy, first, end, origin, scale, points)
        corners, count = _clipped(points, count)
        # Who only touches the border of what the tile keeps is not in it.
        if count == 0 or (_float_area(corners, count) == 0.0 and _float_area(points, end - first) > 0.0):
            return out, at, False
        if len(whole) < count + 4:
            whole = np.empty((count + 4, 2), np.int64)
        kept = _stand_in(corners, count, whole)
        area = _doubled_area(whole, kept)
    out, at = _put_path(out, at, whole, kept, POLYGONS, (area > 0) != shell, cursor)
    return out, at, True


@inner
def _cut_segment(ax: float, ay: float, bx: float, by: float) -> tuple[float, float]:
    """Give the share of a segment that is in the tile, as two parameters; the first above the second when none is."""
    low, high = -BUFFER, EXTENT + BUFFER
    dx, dy = bx - ax, by - ay
    t0, t1 = 0.0, 1.0
    for side in range(4):
        p = (-dx, dx, -dy, dy)[side]
        q = (ax - low, high - ax, ay - low, high - ay)[side]
        if p == 0.0:
            if q < 0.0:
                return 1.0, 0.0
        elif p < 0.0:
            t0 = max(t0, q / p)
        else:
            t1 = min(t1, q / p)
    return t0, t1


@inner
def _put_piece(out: Array, at: int, piece: Array, count: int, whole: Array, cursor: Array) -> tuple[Array, int]:
    """Write a piece of a line; one that is shorter than a unit is made just long enough to be seen."""
    kept = _rounded(piece, count, whole, _NO)
    if kept == 1:
        whole[1, 0], whole[1, 1] = whole[0, 0] + _MIN_LINE, whole[0, 1]
        kept = 2
    return _put_path(out, at, whole, kept, LINES, _NO, cursor)


@inner
def _put_line(
    out: Array,
    at: int,
    xy: Array,
    first: int,
    end: int,
    origin: Array,
    scale: float,
    tolerance: float,
    work: Arrays,
    cursor: Array,
) -> tuple[Array, int]:
    """Write the pieces of one line that are in the tile; gives the array and the place behind them."""
    points, whole, keep, stack = work
    count = _load(xy, first, end, origin, scale, points)
    count = _simplify(points, count, tolerance, _NO, keep, stack)
    piece = np.empty((count + 1, 2))
    length = _ZERO
    for i in range(count - 1):
        ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
        t0, t1 = _cut_segment(ax, ay, bx, by)
        if t0 > t1:
            continue
        if length and t0 > 0.0:
            out, at = _put_piece(out, at, piece, length, whole, cursor)
            length = _ZERO
        if length == 0:
            piece[0, 0], piece[0, 1] = ax + t0 * (bx - ax), ay + t0 * (by - ay)
            length = 1
        piece[length, 0], piece[length, 1] = ax + t1 * (bx - ax), ay + t1 * (by - ay)
        length += 1
        if t1 < 1.0:
            out, at = _put_piece(out, at, piece, length, whole, cursor)
            length = _ZERO
    if length:
        out, at = _put_piece(out, at, piece, length, whole, cursor)
    return out, at


@inner
def _put_points(
    out: Array, at: int, xy: Array, first: int, end: int, origin: Array, scale: float, whole: Array, cursor: Array
) -> tuple[Array, int]:
    """Write the points that are in the tile; gives the array and the place behind them."""
    low, high = -BUFFER, EXTENT + BUFFER
    kept = _ZERO
    for i in range(first, end):
        x, y = (xy[i, 0] - origin[0]) * scale, (xy[i, 1] - origin[1]) * scale
        if low <= x <= high and low <= y <= high:
            whole[kept, 0], whole[kept, 1] = np.int64(np.floor(x + 0.5)), np.int64(np.floor(y + 0.5))
            kept += 1
    if kept:
        out, at = _put_path(out, at, whole, kept, POINTS, _NO, cursor)
    return out, at


@inner
def _part_type(xy: Array, kind: int, rings: int, first: int, end: int) -> int:
    """Give the type of geometry that a part has in a tile."""
    if kind != _COLLECTION:
        return POINTS if kind <= 2 else LINES if kind <= 4 else POLYGONS
    closed = xy[first, 0] == xy[end - 1, 0] and xy[first, 1] == xy[end - 1, 1]
    if rings > 1 or (end - first >= _CLOSED and closed):
        return POLYGONS
    return LINES if end - first > 1 else POINTS


@inner
def _put_part(
    out: Array,
    at: int,
    shapes: Arrays,
    part: int,
    wanted: int,
    origin: Array,
    scale: float,
    tolerance: float,
    work: Arrays,
    cursor: Array,
) -> tuple[Array, int]:
    xy, ring_starts, part_starts = shapes
    r0, r1 = part_starts[part], part_starts[part + 1]
    if wanted == POINTS:
        return _put_points(out, at, xy, ring_starts[r0], ring_starts[r1], origin, scale, work[1], cursor)
    if wanted == LINES:
        return _put_line(out, at, xy, ring_starts[r0], ring_starts[r1], origin, scale, tolerance, work, cursor)
    for ring in range(r0, r1):
        f, e = ring_starts[ring], ring_starts[ring + 1]
        out, at, there = _put_ring(out, at, xy, f, e, origin, scale, tolerance, ring == r0, work, cursor)
        if ring == r0 and not there:
            break
    return out, at


@inner
def _put_feature(
    out: Array, at: int, number: int, tags: Array, kind: int, geometry: Array, size: int
) -> tuple[Array, int]:
    """Write one feature (4.2); a number of 0 means none."""
    start = at
    out = _room(out, at, size + len(tags) + 64)
    at += 5  # the most that the length in front can take
    if number > 0:
        out[at] = 0x08
        at = _varint(out, at + 1, number)
    out[at] = 0x12
    at = _varint(out, at + 1, len(tags))
    out[at : at + len(tags)] = tags
    at += len(tags)
    out[at], out[at + 1] = 0x18, kind
    out[at + 2] = 0x22
    at = _varint(out, at + 3, size)
    out[at : at + size] = geometry[:size]
    at += size
    length = at - start - 5
    out[start] = 0x12
    behind = _varint(out, start + 1, length)
    for i in range(length):
        out[behind + i] = out[start + 5 + i]
    return out, behind + length


@inner
def _longest(ring_starts: Array, part_starts: Array, starts: Array, rows: Array) -> int:
    """Give the most positions that one part of the rows has, and 4 more."""
    most = _ZERO
    for row in rows:
        for part in range(starts[row], starts[row + 1]):
            most = max(most, ring_starts[part_starts[part + 1]] - ring_starts[part_starts[part]])
    return most + 4


@entry(BYTE[::1], given(FLOAT, 2), *3 * (_INTS,), _BYTES, *3 * (_INTS,), _BYTES, _INTS, given(FLOAT))
def put_objects(
    xy: Array,
    ring_starts: Array,
    part_starts: Array,
    starts: Array,
    kinds: Array,
    numbers: Array,
    rows: Array,
    tags: Array,
    tag_bytes: Array,
    tag_starts: Array,
    place: Array,
) -> Array:
    """Write the features of some rows.

    Parameters
    ----------
    xy, ring_starts, part_starts, starts, kinds, numbers
        As in `labels.Columns`.
    rows
        (M,) int64: rows to write.
    tags
        (M,) int64: which tags each of them has.
    tag_bytes, tag_starts
        uint8 and int64: packed tags t are ``tag_bytes[tag_starts[t]:tag_starts[t + 1]]``.
    place
        (4,) float64: level-0 x and y of the tile's corner, units per level-0 pixel, units that simplification may move.

    Returns
    -------
    ndarray
        uint8, the features as field 2 of a layer; rows of which nothing is in the tile write nothing.
    """
    origin, scale, tolerance = place[:2], place[2], place[3]
    most = _longest(ring_starts, part_starts, starts, rows)
    work = (np.empty((most, 2)), np.empty((most, 2), np.int64), np.empty(most, np.bool_), np.empty((most, 2), np.int64))
    shapes = (xy, ring_starts, part_starts)
    cursor = np.zeros(2, np.int64)
    out, at = np.empty(64 * len(rows) + 256, np.uint8), _ZERO
    geometry = np.empty(1024, np.uint8)
    for m in range(len(rows)):
        row = rows[m]
        kind = kinds[row]
        mine = tag_bytes[tag_starts[tags[m]] : tag_starts[tags[m] + 1]].copy()
        for wanted in range(POINTS, POLYGONS + 1):
            size = _ZERO
            cursor[:] = 0
            for part in range(starts[row], starts[row + 1]):
                r0, r1 = part_starts[part], part_starts[part + 1]
                if _part_type(xy, kind, r1 - r0, ring_starts[r0], ring_starts[r0 + 1]) == wanted:
                    geometry, size = _put_part(
                        geometry, size, shapes, part, wanted, origin, scale, tolerance, work, cursor
                    )
            if size:
                out, at = _put_feature(out, at, numbers[row], mine, wanted, geometry, size)
    return out[:at]


@entry(BYTE[::1], _INTS, _INTS, _INTS, _INTS, _BYTES, _INTS, _INTS)
def put_counts(
    xs: Array, ys: Array, starts: Array, tags: Array, tag_bytes: Array, tag_starts: Array, values: Array
) -> Array:
    """Write features of points (4.3.4.2): feature g has those from ``starts[g]`` to ``starts[g + 1]``.

    Places (xs, ys) are whole units. Tags are as in `put_objects`, with the place of a value behind each.
    """
    out, at = np.empty(4 * len(xs) + 32 * len(values) + 64, np.uint8), _ZERO
    geometry, mine = np.empty(1024, np.uint8), np.empty(len(tag_bytes) + 16, np.uint8)
    for g in range(len(values)):
        geometry = _room(geometry, _ZERO, 20 * (starts[g + 1] - starts[g]) + 10)
        size = _varint(geometry, _ZERO, ((starts[g + 1] - starts[g]) << 3) | 1)
        x, y = _ZERO, _ZERO
        for i in range(starts[g], starts[g + 1]):
            size = _zigzag(geometry, size, xs[i] - x)
            size = _zigzag(geometry, size, ys[i] - y)
            x, y = xs[i], ys[i]
        first, end = tag_starts[tags[g]], tag_starts[tags[g] + 1]
        mine[: end - first] = tag_bytes[first:end]
        tagged = _varint(mine, end - first, values[g])
        out, at = _put_feature(out, at, _ZERO, mine[:tagged], POINTS, geometry, size)
    return out[:at]


@entry(BYTE[::1], _INTS)
def put_numbers(numbers: Array) -> Array:
    """Write whole numbers from 0 on as values of a layer (4.1)."""
    out, at = np.empty(16 * len(numbers) + 16, np.uint8), _ZERO
    for number in numbers:
        length = _varint(out, at + 3, number) - at - 2
        out[at], out[at + 1], out[at + 2] = 0x22, length, 0x28
        at += length + 2
    return out[:at]
