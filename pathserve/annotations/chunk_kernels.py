"""Machine code that takes the arrays of chunks out of their bytes. Loaded when it is worth it; see `packing`."""

from typing import Any

import numpy as np

from pathserve.native.compiling import BYTE, FLOAT, INT, NOTHING, Array, called, given, inlined


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


@inlined
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


@inlined
def take_starts(data: Array, at: int, width: int, out: Array) -> int:
    """Take N lengths and put down (N + 1,) where each begins and the last ends; gives the smallest length."""
    take_ints(data, at, width, out[1:])
    least, total = np.int64(2**62), np.int64(0)
    out[0] = 0
    for index in range(1, len(out)):
        least = min(least, out[index])
        total += out[index]
        out[index] = total
    return least  # type: ignore[return-value]


@inlined
def take_columns(data: Array, at: int, out: Array) -> int:
    """Take rows of whole numbers, each behind its width, one after another; gives the place behind them.

    That is -1 when the bytes are too few, or a width is none.
    """
    columns, rows = out.shape
    for column in range(columns):
        if at >= len(data):
            return -1
        width: Any = np.int64(data[at])
        if width not in (1, 2, 4, 8) or len(data) - at - 1 < width * rows:
            return -1
        take_ints(data, at + 1, width, out[column])
        at += 1 + width * rows
    return at


@inlined
def sum_boxes(corners: Array, extents: Array, k: Array) -> None:
    """Put down (N, 4) boxes: (2 N,) differences from each x0 and y0 to the next, and widths and heights."""
    x, y = np.int64(0), np.int64(0)
    for row in range(len(k)):
        x += corners[2 * row]
        y += corners[2 * row + 1]
        k[row, 0], k[row, 1] = x, y
        k[row, 2], k[row, 3] = x + extents[2 * row], y + extents[2 * row + 1]


@inlined
def _walk(
    data: Array,
    at: Any,  # noqa: ANN401 - uint64
    width: int,
    scale: float,
    ring_starts: Array,
    closed: int,
    firsts: Array,
    far_places: Array,
    far: Array,
    xy: Array,
) -> None:
    rings, one = np.uint64(len(ring_starts) - 1), np.uint64(1)
    count = np.uint64(2) * (np.uint64(len(xy)) - rings - np.uint64(closed) * rings)
    index, fars = np.uint64(0), 0
    following = np.uint64(far_places[0]) if len(far) else count
    first_x, first_y = np.int64(0), np.int64(0)
    for ring in range(rings):
        row, end = np.uint64(ring_starts[ring]), np.uint64(ring_starts[ring + one] - closed)
        first_x += firsts[np.uint64(2) * ring]
        first_y += firsts[np.uint64(2) * ring + one]
        x, y = first_x, first_y
        xy[row, np.uint64(0)], xy[row, one] = x / scale, y / scale
        row += one
        while row < end:
            while following - index <= one and fars < len(far):
                if following == index:
                    x += far[fars]
                else:
                    y += far[fars]
                fars += 1
                following = np.uint64(far_places[fars]) if fars < len(far) else count
            stop = min(end, row + ((following - index) >> one))
            for near in range(row, stop):
                x += _value(data, at, count, width, index)
                y += _value(data, at, count, width, index + one)
                xy[near, np.uint64(0)], xy[near, one] = x / scale, y / scale
                index += np.uint64(2)
            row = stop


@inlined
def _put_exceptions(ring_starts: Array, closed: int, places: Array, values: Array, xy: Array) -> None:
    """Put down numbers that are kept as they are, and the last position of each ring that ends where it starts."""
    exception, left_out = 0, 0
    for ring in range(len(ring_starts) - 1):
        end = ring_starts[ring + 1] - closed
        while exception < len(places) and places[exception] < 2 * (end - left_out):
            row = (places[exception] >> 1) + left_out
            xy[row, places[exception] & 1] = values[exception]
            exception += 1
        if closed:
            xy[end, 0], xy[end, 1] = xy[ring_starts[ring], 0], xy[ring_starts[ring], 1]
            left_out += 1


@inlined
def take_positions(
    data: Array,
    at: int,
    width: int,
    scale: float,
    ring_starts: Array,
    closed: int,
    firsts: Array,
    far_places: Array,
    far: Array,
    places: Array,
    values: Array,
    xy: Array,
) -> None:
    """Take the positions of rings out of their differences.

    Parameters
    ----------
    data, at, width
        Bytes, where the steps begin in them, and of how many bytes each is (1, 2, 4 or 8).
    ring_starts
        (R + 1,): where rings begin in ``xy``; each has a position of its own.
    closed
        1 when the last position of each ring is its first one and has no step; else 0.
    firsts
        (2 R,): differences from the first position of a ring to that of the next.
    far_places, far
        Which steps, rising, are larger than what stands in ``data``, and by how much.
    places, values
        Which numbers of positions, rising and without those left out, are exceptions, and what these are.
    xy
        (V, 2) float64, filled.
    """
    start = np.uint64(at)
    if width == 1:
        _walk(data, start, 1, scale, ring_starts, closed, firsts, far_places, far, xy)
    elif width == 2:
        _walk(data, start, 2, scale, ring_starts, closed, firsts, far_places, far, xy)
    elif width == 4:
        _walk(data, start, 4, scale, ring_starts, closed, firsts, far_places, far, xy)
    else:
        _walk(data, start, 8, scale, ring_starts, closed, firsts, far_places, far, xy)
    _put_exceptions(ring_starts, closed, places, values, xy)


_BYTES, _INTS, _FLOATS = given(BYTE), given(INT), given(FLOAT)

ENTRIES = {
    "take_ints": called(take_ints, NOTHING, _BYTES, INT, INT, INT[::1]),
    "take_starts": called(take_starts, INT, _BYTES, INT, INT, INT[::1]),
    "take_columns": called(take_columns, INT, _BYTES, INT, INT[:, ::1]),
    "sum_boxes": called(sum_boxes, NOTHING, _INTS, _INTS, INT[:, ::1]),
    "take_positions": called(
        take_positions,
        NOTHING,
        *(_BYTES, INT, INT, FLOAT, _INTS, INT, _INTS, _INTS, _INTS, _INTS, _FLOATS, FLOAT[:, ::1]),
    ),
}
