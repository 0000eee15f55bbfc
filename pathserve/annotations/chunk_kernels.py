"""Machine code that takes the arrays of chunks out of their bytes. Loaded when it is worth it; see `packing`."""

from typing import Any

import numpy as np

from pathserve.native.entries import Array, carray, inline, pointer


@inline
def _value(data: Array, at: Any, count: Any, width: int, index: Any) -> int:  # noqa: ANN401 - uint64
    """Give one whole number, whose bytes lie in planes of ``count`` bytes from ``at`` on, the lowest first."""
    place = at + np.uint64(width - 1) * count + index
    value = np.int64(np.int8(data[place]))
    for _ in range(width - 1):
        place -= count
        value = (value << 8) | np.int64(data[place])
    return value  # type: ignore[return-value]


@inline
def _take(data: Array, at: Any, width: int, out: Array) -> None:  # noqa: ANN401 - uint64
    count = np.uint64(len(out))
    for index in range(count):
        out[index] = _value(data, at, count, width, index)


@inline
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


@inline
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


@inline
def sum_boxes(k: Array) -> None:
    """Turn (N, 4) differences into boxes: of x0 and y0 to the row above, of x1 and y1 to the box's own."""
    x, y = np.int64(0), np.int64(0)
    for row in range(len(k)):
        x += k[row, 0]
        y += k[row, 1]
        k[row, 0], k[row, 1] = x, y
        k[row, 2] += x
        k[row, 3] += y


@inline
def _walk(
    data: Array,
    at: Any,  # noqa: ANN401 - uint64
    width: int,
    scale: float,
    ring_starts: Array,
    closed: int,
    places: Array,
    values: Array,
    xy: Array,
) -> int:
    count, one = np.uint64(2 * (len(xy) - closed * (len(ring_starts) - 1))), np.uint64(1)
    index, exception = np.uint64(0), 0
    following = np.uint64(places[0]) if len(places) else count
    first_x, first_y = np.int64(0), np.int64(0)
    for ring in range(len(ring_starts) - 1):
        start, end = np.uint64(ring_starts[ring]), np.uint64(ring_starts[ring + 1] - closed)
        x, y = first_x, first_y
        for row in range(start, end):
            x += _value(data, at, count, width, index)
            y += _value(data, at, count, width, index + one)
            xy[row, np.uint64(0)], xy[row, one] = x / scale, y / scale
            while following - index <= one:
                xy[row, following - index] = values[exception]
                exception += 1
                following = np.uint64(places[exception]) if exception < len(places) else count
            index += np.uint64(2)
            if row == start:
                first_x, first_y = x, y
        if closed:
            xy[end, np.uint64(0)], xy[end, one] = xy[start, np.uint64(0)], xy[start, one]
    return exception


@inline
def take_positions(
    data: Array,
    at: int,
    width: int,
    scale: float,
    ring_starts: Array,
    closed: int,
    places: Array,
    values: Array,
    xy: Array,
) -> int:
    """Take the positions of rings out of their differences.

    Parameters
    ----------
    data, at, width
        Bytes, where the differences begin in them, and of how many bytes each is (1, 2, 4 or 8).
    ring_starts
        (R + 1,): where rings begin in ``xy``; each has a position of its own.
    closed
        1 when the last position of each ring is its first one and has no difference; else 0.
    places, values
        Which numbers, in the order of the differences, are exceptions, and what these are.
    xy
        (V, 2) float64, filled.

    Returns
    -------
    int
        How many exceptions were put in; fewer than there are when their places do not rise.
    """
    start = np.uint64(at)
    if width == 1:
        return _walk(data, start, 1, scale, ring_starts, closed, places, values, xy)
    if width == 2:
        return _walk(data, start, 2, scale, ring_starts, closed, places, values, xy)
    if width == 4:
        return _walk(data, start, 4, scale, ring_starts, closed, places, values, xy)
    return _walk(data, start, 8, scale, ring_starts, closed, places, values, xy)


def _take_ints(given: Array) -> int:
    a = carray(given, 8)
    take_ints(carray(pointer(a[0]), (a[1],), np.uint8), a[2], a[4], carray(pointer(a[6]), (a[7],), np.int64))
    return 0


def _take_starts(given: Array) -> int:
    a = carray(given, 8)
    data, out = carray(pointer(a[0]), (a[1],), np.uint8), carray(pointer(a[6]), (a[7],), np.int64)
    return take_starts(data, a[2], a[4], out)


def _sum_boxes(given: Array) -> int:
    a = carray(given, 2)
    sum_boxes(carray(pointer(a[0]), (a[1] // 4, 4), np.int64))
    return 0


def _take_positions(given: Array) -> int:
    a = carray(given, 18)
    return take_positions(
        carray(pointer(a[0]), (a[1],), np.uint8),
        a[2],
        a[4],
        np.float64(a[6]),
        carray(pointer(a[8]), (a[9],), np.int64),
        a[10],
        carray(pointer(a[12]), (a[13],), np.int64),
        carray(pointer(a[14]), (a[15],), np.float64),
        carray(pointer(a[16]), (a[17] // 2, 2), np.float64),
    )


ENTRIES = {
    "take_ints": (_take_ints, ("u1", "int", "int", "i8")),
    "take_starts": (_take_starts, ("u1", "int", "int", "i8")),
    "sum_boxes": (_sum_boxes, ("i8",)),
    "take_positions": (_take_positions, ("u1", "int", "int", "int", "i8", "int", "i8", "f8", "f8")),
}
