"""Machine code that takes the arrays of chunks out of their bytes. Loaded when it is worth it; see `packing`.

Where a kernel gives the place behind what it took, -1 says that the bytes are too few or not of the form.
"""

from typing import Any

import numpy as np

from pathserve.native.compiling import BYTE, FLOAT, INT, NOTHING, SMALL, Array, called, given, inlined, inner


@inlined
def _value(data: Array, at: Any, count: Any, width: int, index: Any) -> int:  # noqa: ANN401 - uint64
    """Give one whole number, whose bytes lie in planes of ``count`` bytes from ``at`` on, the lowest first."""
    place = at + np.uint64(width - 1) * count + index
    value = np.int64(np.int8(data[place]))
    for _ in range(width - 1):
        place -= count
        value = (value << 8) | np.int64(data[place])
    return value  # type: ignore[return-value]


@inlined
def _take(data: Array, at: Any, width: int, out: Array) -> None:  # noqa: ANN401 - uint64
    count = np.uint64(len(out))
    for index in range(count):
        out[index] = _value(data, at, count, width, index)


@inner
def take_ints(data: Array, at: int, width: int, out: Array) -> None:
    """Take whole numbers of ``width`` bytes (1, 2, 4 or 8), which begin at ``at``."""
    start = np.uint64(at)
    if width == 1:
        _take(data, start, 1, out)
    elif width == 2:
        _take(data, start, 2, out)
    elif width == 4:
        _take(data, start, 4, out)
    else:
        _take(data, start, 8, out)


@inner
def _planes_end(data: Array, at: int, count: int) -> int:
    """Give the place behind so many whole numbers, whose width stands at ``at``."""
    if at < 0 or at >= len(data):
        return -1
    width: Any = np.int64(data[at])
    if width not in (1, 2, 4, 8) or len(data) - at - 1 < width * count:
        return -1
    end: int = at + 1 + width * count
    return end


@inner
def _take_behind_width(data: Array, at: int, out: Array) -> int:
    """Take whole numbers whose width stands at ``at``; gives the place behind."""
    end = _planes_end(data, at, len(out))
    if end >= 0:
        take_ints(data, at + 1, np.int64(data[at]), out)  # type: ignore[arg-type]
    return end


@inner
def _one(data: Array, at: int, count: int, index: int) -> int:
    """Give one of ``count`` whole numbers whose width stands at ``at``."""
    return _value(data, np.uint64(at + 1), np.uint64(count), np.int64(data[at]), np.uint64(index))  # type: ignore[arg-type]


@inner
def _u32(data: Array, at: int) -> int:
    """Give the uint32 at a place; -1 when the bytes are too few."""
    if at < 0 or len(data) - at < 4:
        return -1
    low, high = np.int64(data[at]) | np.int64(data[at + 1]) << 8, np.int64(data[at + 2]) | np.int64(data[at + 3]) << 8
    return low | high << 16  # type: ignore[return-value]


@inner
def _places_end(data: Array, at: int, end: int) -> int:
    """Give the place behind places: how many, and then themselves, which rise and are below ``end``."""
    count = _u32(data, at)
    behind = _planes_end(data, at + 4, count) if count >= 0 else -1
    last = -1
    if behind >= 0:
        for index in range(count):
            place = _one(data, at + 4, count, index)
            if place <= last or place >= end:
                return -1
            last = place
    return behind


@inner
def _exceptions_end(data: Array, at: int, count: int) -> int:
    """Give the place behind the exceptions of ``count`` numbers: their places and their values."""
    behind = _places_end(data, at, count)
    if behind < 0 or len(data) - behind < 8 * _u32(data, at):
        return -1
    return behind + 8 * _u32(data, at)


@inner
def _word(data: Array, at: int) -> int:
    """Give the eight bytes at a place."""
    value = np.int64(0)
    for place in range(at + 7, at - 1, -1):
        value = value << 8 | np.int64(data[place])
    return value  # type: ignore[return-value]


@inner
def _put_exceptions(data: Array, at: int, end: int, bits: Array) -> None:
    """Put exceptions, which stand between two places, where they belong among all numbers."""
    count = _u32(data, at)
    for index in range(count):
        bits[_one(data, at + 4, count, index)] = _word(data, end - 8 * (count - index))


@inner
def _take_numbers(data: Array, at: int, out: Array, bits: Array) -> int:
    """Take float64 numbers that are told one by one; ``bits`` are theirs. Gives the place behind."""
    count = len(out)
    scale = _u32(data, at)
    if scale <= 0:
        if scale < 0 or len(data) - at - 4 < 8 * count:
            return -1
        take_ints(data, at + 4, 8, bits)
        return at + 4 + 8 * count
    start = _exceptions_end(data, at + 4, count)
    end = _planes_end(data, start, count)
    if end >= 0:
        for index in range(count):
            out[index] = _one(data, start, count, index) / np.float64(scale)
        _put_exceptions(data, at + 4, start, bits)
    return end


@inner
def _take_boxes(data: Array, at: int, room: Array, out: Array, bits: Array) -> int:
    """Take boxes: differences from each x0 and y0 to the next, and widths and heights. Gives the place behind."""
    count = len(out)
    scale = _u32(data, at)
    if scale <= 0:
        if scale < 0 or len(data) - at - 4 < 32 * count:
            return -1
        take_ints(data, at + 4, 8, bits)
        return at + 4 + 32 * count
    start = _exceptions_end(data, at + 4, 4 * count)
    end = _take_behind_width(data, start, room[: 2 * count])
    if end >= 0:
        end = _take_behind_width(data, end, room[2 * count : 4 * count])
    if end >= 0:
        x, y = np.int64(0), np.int64(0)
        for row in range(count):
            x += room[2 * row]
            y += room[2 * row + 1]
            out[row, 0], out[row, 1] = x / np.float64(scale), y / np.float64(scale)
            out[row, 2] = (x + room[2 * (count + row)]) / np.float64(scale)
            out[row, 3] = (y + room[2 * (count + row) + 1]) / np.float64(scale)
        _put_exceptions(data, at + 4, start, bits)
    return end


@inner
def _take_sums(data: Array, at: int, out: Array) -> int:
    """Take whole numbers that are told by their differences; gives the place behind."""
    end, total = _take_behind_width(data, at, out), np.int64(0)
    if end >= 0:
        for row in range(len(out)):
            total += out[row]
            out[row] = total
    return end


@inlined
def take_attributes(
    data: Array,
    at: int,
    numbers: Array,
    revisions: Array,
    firsts: Array,
    kinds: Array,
    classes: Array,
    states: Array,
    exhaustive: Array,
    scores: Array,
    score_bits: Array,
    boxes: Array,
    box_bits: Array,
    room: Array,
) -> int:
    """Take all attributes of N annotations that stand between ids and areas; gives the place behind.

    Parameters
    ----------
    data, at
        Bytes, and where numbers begin in them.
    score_bits, box_bits
        The same as ``scores`` and ``boxes`` as int64, the latter (4 N,).
    room
        (4 N,) int64.
    """
    at = _take_sums(data, at, numbers)
    at = _take_sums(data, at, revisions)
    at = _take_sums(data, at, firsts)
    few = room[: len(kinds)]
    at = _take_behind_width(data, at, few)
    for row in range(len(kinds)):
        kinds[row] = few[row]
    at = _take_behind_width(data, at, few)
    for row in range(len(kinds)):
        classes[row] = few[row]
    at = _take_behind_width(data, at, few)
    for row in range(len(kinds)):
        states[row] = few[row]
    at = _take_behind_width(data, at, few)
    for row in range(len(kinds)):
        exhaustive[row] = few[row] != 0
    at = _take_numbers(data, at, scores, score_bits)
    return _take_boxes(data, at, room, boxes, box_bits)


@inner
def _take_lengths(data: Array, at: int, total: int, out: Array) -> int:
    """Take N lengths of 1 or more, which make ``total``, and put down (N + 1,) where each begins and the last ends."""
    end = _take_behind_width(data, at, out[1:])
    if end < 0:
        return -1
    out[0], begin = 0, np.int64(0)
    for index in range(1, len(out)):
        if out[index] < 1 or out[index] > total - begin:
            return -1
        begin += out[index]
        out[index] = begin
    return end if begin == total else -1


@inlined
def _walk(
    data: Array,
    at: Any,  # noqa: ANN401 - uint64
    width: int,
    scale: float,
    ring_starts: Array,
    closed: int,
    firsts: int,
    far_places: int,
    far: int,
    xy: Array,
) -> None:
    rings, one = np.uint64(len(ring_starts) - 1), np.uint64(1)
    count = np.uint64(2) * (np.uint64(len(xy)) - rings - np.uint64(closed) * rings)
    index, fars, all_far = np.uint64(0), 0, _u32(data, far_places - 4)
    following = np.uint64(_one(data, far_places, all_far, 0)) if all_far else count
    first_x, first_y = np.int64(0), np.int64(0)
    for ring in range(rings):
        row, end = np.uint64(ring_starts[ring]), np.uint64(ring_starts[ring + one] - closed)
        first_x += _one(data, firsts, 2 * np.int64(rings), 2 * np.int64(ring))  # type: ignore[arg-type]
        first_y += _one(data, firsts, 2 * np.int64(rings), 2 * np.int64(ring) + 1)  # type: ignore[arg-type]
        x, y = first_x, first_y
        xy[row, np.uint64(0)], xy[row, one] = x / scale, y / scale
        row += one
        while row < end:
            while following - index <= one and fars < all_far:
                step = _one(data, far, all_far, fars)
                if following == index:
                    x += step
                else:
                    y += step
                fars += 1
                following = np.uint64(_one(data, far_places, all_far, fars)) if fars < all_far else count
            stop = min(end, row + ((following - index) >> one))
            for near in range(row, stop):
                x += _value(data, at, count, width, index)
                y += _value(data, at, count, width, index + one)
                xy[near, np.uint64(0)], xy[near, one] = x / scale, y / scale
                index += np.uint64(2)
            row = stop


@inlined
def _put_given(data: Array, at: int, end: int, ring_starts: Array, closed: int, bits: Array) -> None:
    """Put down numbers that are kept as they are, and the last position of each ring that ends where it starts."""
    exception, exceptions, left_out = 0, _u32(data, at), 0
    for ring in range(len(ring_starts) - 1):
        stop = ring_starts[ring + 1] - closed
        while exception < exceptions:
            place = _one(data, at + 4, exceptions, exception)
            if place >= 2 * (stop - left_out):
                break
            bits[(place >> 1) + left_out, place & 1] = _word(data, end - 8 * (exceptions - exception))
            exception += 1
        if closed:
            bits[stop, 0], bits[stop, 1] = bits[ring_starts[ring], 0], bits[ring_starts[ring], 1]
            left_out += 1


@inlined
def _take_plain(data: Array, at: int, ring_starts: Array, closed: int, bits: Array) -> int:
    """Take positions as they are; gives the place behind."""
    rings = len(ring_starts) - 1
    count = 2 * (len(bits) - closed * rings)
    if len(data) - at < 8 * count:
        return -1
    index = np.int64(0)
    for ring in range(rings):
        stop = ring_starts[ring + 1] - closed
        for row in range(ring_starts[ring], stop):
            bits[row, 0] = _value(data, np.uint64(at), np.uint64(count), 8, np.uint64(index))
            bits[row, 1] = _value(data, np.uint64(at), np.uint64(count), 8, np.uint64(index + 1))
            index += 2
        if closed:
            bits[stop, 0], bits[stop, 1] = bits[ring_starts[ring], 0], bits[ring_starts[ring], 1]
    return at + 8 * count


@inlined
def _take_positions(data: Array, at: int, ring_starts: Array, closed: int, xy: Array, bits: Array) -> int:
    """Take the positions of rings, which begin with their scale; gives the place behind."""
    scale, rings = _u32(data, at), len(ring_starts) - 1
    if scale <= 0:
        return _take_plain(data, at + 4, ring_starts, closed, bits) if scale == 0 else -1
    count = 2 * (len(xy) - closed * rings)
    steps = count - 2 * rings
    firsts = _exceptions_end(data, at + 4, count)
    far_places = _planes_end(data, firsts, 2 * rings)
    far = _places_end(data, far_places, steps)
    start = _planes_end(data, far, _u32(data, far_places))
    end = _planes_end(data, start, steps)
    if end < 0:
        return -1
    begin, width, divisor = np.uint64(start + 1), np.int64(data[start]), np.float64(scale)
    if width == 1:
        _walk(data, begin, 1, divisor, ring_starts, closed, firsts, far_places + 4, far, xy)
    elif width == 2:
        _walk(data, begin, 2, divisor, ring_starts, closed, firsts, far_places + 4, far, xy)
    elif width == 4:
        _walk(data, begin, 4, divisor, ring_starts, closed, firsts, far_places + 4, far, xy)
    else:
        _walk(data, begin, 8, divisor, ring_starts, closed, firsts, far_places + 4, far, xy)
    _put_given(data, at + 4, firsts, ring_starts, closed, bits)
    return end


@inlined
def take_shapes(data: Array, starts: Array, part_starts: Array, ring_starts: Array, xy: Array, bits: Array) -> int:
    """Take the whole geometry of a chunk; gives the place behind.

    Parameters
    ----------
    starts, part_starts, ring_starts, xy
        As `labels.Columns` has them, filled.
    bits
        ``xy`` as int64.
    """
    at = _take_lengths(data, 0, len(part_starts) - 1, starts)
    at = _take_lengths(data, at, len(ring_starts) - 1, part_starts)
    at = _take_lengths(data, at, len(xy), ring_starts)
    if at < 0 or at >= len(data):
        return -1
    closed = 1 if data[at] == 1 else 0
    if closed:
        for ring in range(len(ring_starts) - 1):
            if ring_starts[ring + 1] - ring_starts[ring] < 2:
                return -1
    return _take_positions(data, at + 1, ring_starts, closed, xy, bits)


_BYTES = given(BYTE)

ENTRIES = {
    "take_ints": called(take_ints, NOTHING, _BYTES, INT, INT, INT[::1]),
    "take_attributes": called(
        take_attributes,
        INT,
        *(_BYTES, INT, INT[::1], INT[::1], INT[::1], BYTE[::1], SMALL[::1], SMALL[::1], BYTE[::1]),
        *(FLOAT[::1], INT[::1], FLOAT[:, ::1], INT[::1], INT[::1]),
    ),
    "take_shapes": called(take_shapes, INT, _BYTES, INT[::1], INT[::1], INT[::1], FLOAT[:, ::1], INT[:, ::1]),
}
