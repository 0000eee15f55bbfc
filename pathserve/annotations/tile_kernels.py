"""Machine code that chooses what a vector tile shows, and draws it."""

from typing import Any, NamedTuple

import numpy as np

from pathserve.annotations.mvt_kernels import FEATURE_BYTES, LINES, POINTS, POLYGONS, put_feature, put_path
from pathserve.annotations.shape_kernels import (
    CLIPPED,
    HIGH,
    LOW,
    Work,
    clip_ring,
    cut_segment,
    doubled_area,
    is_inside,
    load,
    open_ring,
    round_off,
    simplify,
)
from pathserve.native.compiling import (
    BYTE,
    FLOAT,
    INT,
    NOTHING,
    SMALL,
    TRUTH,
    Array,
    Arrays,
    called,
    found_in_table,
    given,
    inlined,
    inner,
    plain,
    together,
)

_COLLECTION = 7
_CLOSED = 4

_MIN_SIDE = 16.0
"""Sides of what stands for a polygon that is too small to be drawn: one screen pixel of a tile of 256."""

_MIN_LINE = plain(np.int64(8))

_PART_BYTES = 64
"""Most bytes of a part besides its positions. These take 16 at most, in a line whose every segment leaves the tile.
No step within what a tile keeps takes more than 4 bytes, so 4 times `CLIPPED` is more than that."""

_ZERO = plain(np.int64(0))
_NO, _YES = plain(np.bool_(0)), plain(np.bool_(1))

_MOST_BIN = 131072.0
_BYTES, _INTS, _FLOATS = given(BYTE), given(INT), given(FLOAT)


class Room(NamedTuple):
    """What is worked on in, and written to, by `put_objects`.

    Parameters
    ----------
    work
        As simplifying and clipping need it.
    cursor
        (2,) int64.
    geometry, out
        uint8: room for one feature's geometry, and for all features.
    """

    work: Work
    cursor: Array
    geometry: Array
    out: Array


class Looked(NamedTuple):
    """What `select` is told of each part of a tile.

    Parameters
    ----------
    boxes, classes, states, exhaustive
        (N, 4) float64, (N,) int32, int32 and bool, of all rows of a source.
    rows
        (M,) int64: those that are asked for.
    looks
        (C + 1, S, 2) flattened: tags of each class (none is the last), state, and whether exhaustive; -1 for those
        that are not made yet.
    counted
        (C + 1,) what is counted of each class; the last is of those without one.
    """

    boxes: Array
    classes: Array
    states: Array
    exhaustive: Array
    rows: Array
    looks: Array
    counted: Array


class Drawn(NamedTuple):
    """What `put_objects` is told of each part of a tile.

    Parameters
    ----------
    xy, ring_starts, part_starts, starts, kinds, numbers
        As in `labels.Columns`.
    boxes
        (N, 4) float64 of all rows.
    rows
        (M,) int64: rows to write.
    tags
        (M,) int64: the place of each one's tags in ``looks``.
    looks
        Which tags those are.
    """

    xy: Array
    ring_starts: Array
    part_starts: Array
    starts: Array
    kinds: Array
    numbers: Array
    boxes: Array
    rows: Array
    tags: Array
    looks: Array


_WORK = together(FLOAT[:, ::1], FLOAT[:, ::1], INT[:, ::1], TRUTH[::1], INT[:, ::1], of=Work)
_ROOM: Any = found_in_table(together(_WORK, INT[::1], BYTE[::1], BYTE[::1], of=Room))
_BOXES, _SMALLS = given(FLOAT, 2), given(SMALL)
_LOOKED: Any = found_in_table(together(_BOXES, _SMALLS, _SMALLS, given(TRUTH), _INTS, INT[::1], _INTS, of=Looked))
_DRAWN: Any = found_in_table(together(given(FLOAT, 2), *3 * (_INTS,), _BYTES, _INTS, _BOXES, *3 * (_INTS,), of=Drawn))


@inner
def _put_needle(whole: Array, kept: int) -> int:
    """Make a triangle from the first position to the one that is farthest from it."""
    far, at = -1, 0
    for i in range(1, kept):
        d = abs(whole[i, 0] - whole[0, 0]) + abs(whole[i, 1] - whole[0, 1])
        if d > far:
            far, at = d, i
    x, y = whole[at, 0], whole[at, 1]
    steep = abs(y - whole[0, 1]) > abs(x - whole[0, 0])
    whole[1, 0], whole[1, 1] = x, y
    whole[2, 0] = x + 1 if steep else x
    whole[2, 1] = y if steep else y + 1
    return 3


@inner
def _stand_in(points: Array, count: int, whole: Array) -> int:
    """Make what stands for a polygon that fell to nothing: a square of a pixel, or a needle when it is long."""
    x0, y0, x1, y1 = points[0, 0], points[0, 1], points[0, 0], points[0, 1]
    for i in range(count):
        x0, x1 = min(x0, points[i, 0]), max(x1, points[i, 0])
        y0, y1 = min(y0, points[i, 1]), max(y1, points[i, 1])
    if max(x1 - x0, y1 - y0) > 2.0 * _MIN_SIDE:
        kept = round_off(points, count, whole, _YES)
        return kept if doubled_area(whole, kept) != 0.0 else _put_needle(whole, kept)
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    w, h = max(x1 - x0, _MIN_SIDE) / 2, max(y1 - y0, _MIN_SIDE) / 2
    left, right = np.int64(np.floor(cx - w + 0.5)), np.int64(np.floor(cx + w + 0.5))
    top, bottom = np.int64(np.floor(cy - h + 0.5)), np.int64(np.floor(cy + h + 0.5))
    whole[0, 0], whole[0, 1] = left, top
    whole[1, 0], whole[1, 1] = right, top
    whole[2, 0], whole[2, 1] = right, bottom
    whole[3, 0], whole[3, 1] = left, bottom
    return 4


@inlined
def _put_ring(
    out: Array,
    at: int,
    xy: Array,
    first: int,
    end: int,
    place: Array,
    shell: bool,
    inside: bool,
    work: Work,
    cursor: Array,
) -> int:
    """Write one ring; gives the place behind it, which is ``at`` when nothing of it is in the tile."""
    points, whole = work.points, work.whole
    count = load(xy, first, end, place, points)
    count = simplify(work, count, place[3], _YES, inside)
    count = open_ring(points, count) if inside else clip_ring(work, count)
    kept = round_off(points, count, whole, _YES)
    area = doubled_area(whole, kept) if kept > 2 else 0.0
    if area == 0.0:
        if not shell:
            return at
        count = load(xy, first, end, place, points)
        had_area = doubled_area(points, count) != 0.0
        count = clip_ring(work, count)
        # Who only touches the border of what the tile keeps is not in it.
        if count == 0 or (had_area and doubled_area(points, count) == 0.0):
            return at
        kept = _stand_in(points, count, whole)
        area = doubled_area(whole, kept)
    return put_path(out, at, whole, kept, POLYGONS, (area > 0.0) != shell, cursor)


@inner
def _put_piece(out: Array, at: int, piece: Array, count: int, whole: Array, cursor: Array) -> int:
    """Write a piece of a line; one that is shorter than a unit is made just long enough to be seen."""
    kept = round_off(piece, count, whole, _NO)
    if kept == 1:
        whole[1, 0], whole[1, 1] = whole[0, 0] + _MIN_LINE, whole[0, 1]
        kept = 2
    return put_path(out, at, whole, kept, LINES, _NO, cursor)


@inner
def _put_line(out: Array, at: int, xy: Array, first: int, end: int, place: Array, work: Work, cursor: Array) -> int:
    """Write the pieces of one line that are in the tile; gives the place behind them."""
    points, piece, whole = work.points, work.other, work.whole
    count = load(xy, first, end, place, points)
    count = simplify(work, count, place[3], _NO, _NO)
    length = _ZERO
    for i in range(count):
        # Behind the last segment comes one that is nowhere: it ends the last piece.
        t0, t1 = 1.0, 0.0
        ax, ay = points[i, 0], points[i, 1]
        bx, by = ax, ay
        if i + 1 < count:
            bx, by = points[i + 1, 0], points[i + 1, 1]
            t0, t1 = cut_segment(ax, ay, bx, by)
        if length and (t0 > 0.0 or t0 > t1):
            at = _put_piece(out, at, piece, length, whole, cursor)
            length = _ZERO
        if t0 > t1:
            continue
        if length == 0:
            piece[0, 0], piece[0, 1] = ax + t0 * (bx - ax), ay + t0 * (by - ay)
            length = 1
        piece[length, 0], piece[length, 1] = ax + t1 * (bx - ax), ay + t1 * (by - ay)
        length += 1
    return at


@inner
def _put_points(out: Array, at: int, xy: Array, first: int, end: int, place: Array, work: Work, cursor: Array) -> int:
    """Write the points that are in the tile; gives the place behind them."""
    points, whole = work.points, work.whole
    kept = _ZERO
    for i in range(first, end):
        load(xy, i, i + 1, place, points)
        if is_inside(points, 1):
            whole[kept, 0], whole[kept, 1] = (
                np.int64(np.floor(points[0, 0] + 0.5)),
                np.int64(np.floor(points[0, 1] + 0.5)),
            )
            kept += 1
    return put_path(out, at, whole, kept, POINTS, _NO, cursor) if kept else at


@inner
def _first_type(kind: int) -> int:
    """Give the only type of geometry that an object has in a tile; the lowest one of a collection."""
    return LINES if 3 <= kind <= 4 else POLYGONS if 5 <= kind < _COLLECTION else POINTS


@inner
def _last_type(kind: int) -> int:
    return POINTS if kind <= 2 else LINES if kind <= 4 else POLYGONS


@inner
def _part_type(xy: Array, kind: int, rings: int, first: int, end: int) -> int:
    """Give the type of geometry that a part has in a tile."""
    if kind != _COLLECTION:
        return POINTS if kind <= 2 else LINES if kind <= 4 else POLYGONS
    closed = xy[first, 0] == xy[end - 1, 0] and xy[first, 1] == xy[end - 1, 1]
    if rings > 1 or (end - first >= _CLOSED and closed):
        return POLYGONS
    return LINES if end - first > 1 else POINTS


@inlined
def _put_part(
    out: Array,
    at: int,
    shapes: Arrays,
    part: int,
    kind: int,
    wanted: int,
    place: Array,
    inside: bool,
    work: Work,
    cursor: Array,
) -> int:
    """Write a part when it has the type that is wanted."""
    xy, ring_starts, part_starts = shapes
    r0, r1 = part_starts[part], part_starts[part + 1]
    first, end = ring_starts[r0], ring_starts[r0 + 1]
    if _part_type(xy, kind, r1 - r0, first, end) != wanted:
        return at
    if wanted == POINTS:
        return _put_points(out, at, xy, first, ring_starts[r1], place, work, cursor)
    if wanted == LINES:
        return _put_line(out, at, xy, first, ring_starts[r1], place, work, cursor)
    behind = at
    for ring in range(r0, r1):
        behind = _put_ring(
            out, behind, xy, ring_starts[ring], ring_starts[ring + 1], place, ring == r0, inside, work, cursor
        )
        if behind == at:
            break
    return behind


@inlined
def _is_inside(boxes: Array, row: int, place: Array) -> bool:
    """Tell whether the tile keeps all of a box."""
    x0, y0 = (boxes[row, 0] - place[0]) * place[2], (boxes[row, 1] - place[1]) * place[2]
    x1, y1 = (boxes[row, 2] - place[0]) * place[2], (boxes[row, 3] - place[1]) * place[2]
    inside: bool = x0 >= LOW and y0 >= LOW and x1 <= HIGH and y1 <= HIGH
    return inside


@inner
def _sizes(places: Array, tag_starts: Array) -> tuple[int, int, int]:
    """Give the most positions that one part of some rows has, and the most bytes of one row and of all."""
    longest_tags = _ZERO
    for i in range(len(tag_starts) - 1):
        longest_tags = max(longest_tags, tag_starts[i + 1] - tag_starts[i])
    longest, most, total = _ZERO, _ZERO, _ZERO
    for n in range(len(places)):
        (drawn,) = _DRAWN(places[n])
        for row in drawn.rows:
            total += (POLYGONS if drawn.kinds[row] == _COLLECTION else POINTS) * (longest_tags + FEATURE_BYTES)
            size = _ZERO
            for part in range(drawn.starts[row], drawn.starts[row + 1]):
                r0, r1 = drawn.part_starts[part], drawn.part_starts[part + 1]
                count = drawn.ring_starts[r1] - drawn.ring_starts[r0]
                longest = max(longest, count)
                size += 4 * CLIPPED * count + _PART_BYTES * (r1 - r0)
            most, total = max(most, size), total + size
    return longest, most, total


@inlined
def _bin(place: float, width: float) -> int:
    """Give the bin of level 0 that has a place, as `density.summarize` does."""
    return int(min(max(np.floor(place / width), -_MOST_BIN), _MOST_BIN - 1.0))


@inner
def _put_part_of_tile(drawn: Drawn, at: int, tag_bytes: Array, tag_starts: Array, place: Array, space: Room) -> int:
    """Write the features of a part of a tile; gives the place behind them."""
    shapes, work, cursor, geometry, out = (
        (drawn.xy, drawn.ring_starts, drawn.part_starts),
        space.work,
        space.cursor,
        space.geometry,
        space.out,
    )
    for m in range(len(drawn.rows)):
        row, tag = drawn.rows[m], drawn.looks[drawn.tags[m]]
        inside, kind = _is_inside(drawn.boxes, row, place), drawn.kinds[row]
        for wanted in range(_first_type(kind), _last_type(kind) + 1):
            size = _ZERO
            cursor[0] = cursor[1] = 0
            for part in range(drawn.starts[row], drawn.starts[row + 1]):
                size = _put_part(geometry, size, shapes, part, kind, wanted, place, inside, work, cursor)
            if size:
                first, end = tag_starts[tag], tag_starts[tag + 1]
                at = put_feature(out, at, drawn.numbers[row], tag_bytes, first, end, wanted, geometry, size)
    return at


@inner
def put_objects(places: Array, tag_bytes: Array, tag_starts: Array, place: Array, room: Array, sizes: Array) -> int:
    """Write the features of all parts of a tile.

    Parameters
    ----------
    places
        (P, 21): where the arrays of a `Drawn` lie in memory for each part, and their shapes.
    tag_bytes, tag_starts
        uint8 and int64: packed tags t are ``tag_bytes[tag_starts[t]:tag_starts[t + 1]]``.
    place
        (4,) float64: level-0 x and y of the tile's corner, units per level-0 pixel, units that simplification may move.
    room
        Where the arrays of a `Room` lie in memory, and their shapes.
    sizes
        (4,) int64: gets the lengths that a `Room` needs: of what is clipped, of a part and 2 more, of ``geometry`` and
        of ``out``.

    Returns
    -------
    int
        Bytes written to ``out``: the features as field 2 of a layer, none for rows of which nothing is in the tile. -1
        when the room is not enough, and nothing is written.
    """
    longest, most, total = _sizes(places, tag_starts)
    sizes[0], sizes[1], sizes[2], sizes[3] = CLIPPED * (longest + 2), longest + 2, most, total
    (space,) = _ROOM(room)
    if (
        len(space.work.points) < sizes[0]
        or len(space.work.keep) < sizes[1]
        or len(space.geometry) < most
        or len(space.out) < total
    ):
        return -1
    at = _ZERO
    for n in range(len(places)):
        (drawn,) = _DRAWN(places[n])
        at = _put_part_of_tile(drawn, at, tag_bytes, tag_starts, place, space)
    return at


@inner
def _select_of(looked: Looked, n: int, reach: Array, grid: Array, out: Array, first: int, end: int) -> tuple[int, int]:
    """Choose the rows of the n-th part; gives how many are drawn, and how many counted."""
    boxes, counted = looked.boxes, looked.counted
    x0, y0, x1, y1, smallest, width = reach[0], reach[1], reach[2], reach[3], reach[4], reach[5]
    level, left, top, right, bottom = grid[0], grid[1], grid[2], grid[3], grid[4]
    across, bins = right - left, (right - left) * (bottom - top)
    shown, small = _ZERO, _ZERO
    for row in looked.rows:
        a, b, c, d = boxes[row, 0], boxes[row, 1], boxes[row, 2], boxes[row, 3]
        kind = looked.classes[row] if looked.classes[row] >= 0 else len(counted) - 1
        if max(c - a, d - b) >= smallest:
            if a <= x1 and c >= x0 and b <= y1 and d >= y0:
                states = len(looked.looks) // (2 * len(counted))
                out[0, first + shown] = row
                look = (kind * states + looked.states[row]) * 2 + looked.exhaustive[row]
                out[1, first + shown] = look
                if looked.looks[look] == -1:
                    looked.looks[look] = -2 - n
                shown += 1
            continue
        # Halves first: the sum of two large corners may not be a number.
        x = _bin(a / 2 + c / 2, width) >> level
        y = _bin(b / 2 + d / 2, width) >> level
        if left <= x < right and top <= y < bottom:
            small += 1
            out[2, end - small] = counted[kind] * bins + (y - top) * across + x - left
    return shown, small


@inner
def select(places: Array, reach: Array, grid: Array, out: Array, found: Array) -> None:
    """Choose by their boxes which of some rows a tile draws, and which it counts where.

    Parameters
    ----------
    places
        (P, 15): where the arrays of a `Looked` lie in memory for each part, and their shapes.
    reach
        (6,) float64: x0, y0, x1, y1 of all that the tile shows in level-0 pixels; longest side of a box below which a
        row is counted instead of drawn; width of a bin of level 0.
    grid
        (5,) int64: level, and half-open range x0, y0, x1, y1, of the bins that belong to the tile.
    out
        (3, M) int64, for all M rows of all parts, each of which has its place behind the part before. Rows to draw are
        written to the front of it in the first, and the places of their tags in ``looks`` beside them in the second;
        where these are not made yet, the part is noted there, as -2 less its number. Of rows that are counted in
        a bin of the tile, what is counted times the number of bins, and the bin in the order of rows, are written to
        the end of it in the third, last first.
    found
        (P, 2) int64: gets how many rows of each part are drawn, and how many counted.
    """
    first = _ZERO
    for n in range(len(places)):
        (looked,) = _LOOKED(places[n])
        end = first + len(looked.rows)
        found[n, 0], found[n, 1] = _select_of(looked, n, reach, grid, out, first, end)
        first = end


_PLACES = given(INT, 2)

ENTRIES = {
    "select": called(select, NOTHING, _PLACES, _FLOATS, _INTS, INT[:, ::1], INT[:, ::1]),
    "put_objects": called(put_objects, INT, _PLACES, _BYTES, _INTS, _FLOATS, _INTS, INT[::1]),
}
