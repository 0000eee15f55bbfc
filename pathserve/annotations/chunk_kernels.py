"""Machine code that takes the arrays of chunks out of their bytes. Loaded when it is worth it; see `packing`."""

from typing import Any, cast

import numba
import numpy as np

from pathserve.annotations.compiling import BYTE, FLOAT, INT, Array, Kernel, entry, given

_BYTES, _INTS, _FLOATS = given(BYTE), given(INT), given(FLOAT)


def _inline(function: Kernel) -> Kernel:
    """Compile what only other kernels call into each of them: how many planes there are is a constant there."""
    options: dict[str, Any] = {"nogil": True, "forceinline": True, "error_model": "numpy"}
    compiled: Any = numba.njit(**options)(function)
    return cast(Kernel, compiled)


@_inline
def _value(data: Array, at: Any, count: Any, width: int, index: Any) -> int:  # noqa: ANN401 - uint64
    """Give one whole number, whose bytes lie in planes of ``count`` bytes from ``at`` on, the lowest first."""
    place = at + np.uint64(width - 1) * count + index
    value = np.int64(np.int8(data[place]))
    for _ in range(width - 1):
        place -= count
        value = (value << 8) | np.int64(data[place])
    return value  # type: ignore[return-value]


@_inline
def _take(data: Array, at: Any, width: int, out: Array) -> None:  # noqa: ANN401 - uint64
    count = np.uint64(len(out))
    for index in range(count):
        out[index] = _value(data, at, count, width, index)


@entry(numba.void, _BYTES, INT, INT, INT[::1])
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


@entry(INT, _BYTES, INT, INT, INT[::1])
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


@entry(numba.void, INT[:, ::1])
def sum_boxes(k: Array) -> None:
    """Turn (N, 4) differences into boxes: of x0 and y0 to the row above, of x1 and y1 to the box's own."""
    x, y = np.int64(0), np.int64(0)
    for row in range(len(k)):
        x += k[row, 0]
        y += k[row, 1]
        k[row, 0], k[row, 1] = x, y
        k[row, 2] += x
        k[row, 3] += y


@_inline
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


@entry(INT, _BYTES, INT, INT, FLOAT, _INTS, INT, _INTS, _FLOATS, FLOAT[:, ::1])
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
