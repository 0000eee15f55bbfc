"""GeoJSON text of geometries out of arrays, in machine code without the interpreter lock.

A number is written as orjson writes it, the shortest text that is read as the same float64, wherever it has at most
15 digits and no exponent; a geometry with any other number is left to orjson.
"""

import numpy as np

from pathserve.formats.number_kernels import Array, jit, signed

_MOST = 1e15
_PLACES = 12
_TENS = np.array([10**q for q in range(_PLACES + 1)], np.int64)
_COMMA, _DOT, _MINUS, _ZERO, _OPEN, _CLOSE = map(ord, ",.-0[]")

NUMBER_BYTES = 20
"""Most bytes of one number here."""


@jit
def _write_digits(value: int, least: int, out: Array, size: int) -> int:
    """Write a whole number that is not negative with at least so many digits; gives the new size."""
    count, rest = 1, value // 10
    while rest:
        count += 1
        rest //= 10
    count = max(count, least)
    for place in range(size + count - 1, size - 1, -1):
        out[place] = _ZERO + value % 10
        value //= 10
    return size + count


@jit
def write_number(value: float, out: Array, size: int) -> int:
    """Write a float64; the new size, or -1 when it is not for here."""
    if not -_MOST < value < _MOST or (value == 0.0 and np.copysign(1.0, value) < 0):
        return -1
    if value < 0:
        out[size] = _MINUS
        size += 1
        value = -value
    whole = signed(value)
    if whole == value:
        size = _write_digits(whole, 1, out, size)
        out[size], out[size + 1] = _DOT, _ZERO
        return size + 2
    if value < 1e-3:
        return -1
    for places in range(1, _PLACES + 1):
        ten = np.float64(_TENS[places])
        scaled = np.rint(value * ten)
        if scaled >= _MOST:
            return -1
        # Both are exact, so this is the float64 nearest to the decimal number.
        if scaled / ten == value:
            digits = signed(scaled)
            size = _write_digits(digits // _TENS[places], 1, out, size)
            out[size] = _DOT
            return _write_digits(digits % _TENS[places], places, out, size + 1)
    return -1


@jit
def _write_ring(xy: Array, first: int, last: int, out: Array, size: int) -> int:
    """Write positions with commas between; the new size, or -1."""
    for row in range(first, last):
        out[size] = _OPEN
        size = write_number(xy[row, 0], out, size + 1)
        if size < 0:
            return -1
        out[size] = _COMMA
        size = write_number(xy[row, 1], out, size + 1)
        if size < 0:
            return -1
        out[size], out[size + 1] = _CLOSE, _COMMA
        size += 2
    return size - 1


@jit
def _write_shape(
    kind: int, row: int, xy: Array, ring_starts: Array, part_starts: Array, starts: Array, out: Array, size: int
) -> int:
    """Write the coordinates of one geometry; the new size, or -1."""
    by_part, by_ring = kind == 6 or kind == 4, kind == 6 or kind == 5
    if by_part:
        out[size] = _OPEN
        size += 1
    for part in range(starts[row], starts[row + 1]):
        if by_ring:
            out[size] = _OPEN
            size += 1
        for ring in range(part_starts[part], part_starts[part + 1]):
            if kind > 1:
                out[size] = _OPEN
                size += 1
            size = _write_ring(xy, ring_starts[ring], ring_starts[ring + 1], out, size)
            if size < 0:
                return -1
            if kind > 1:
                out[size] = _CLOSE
                size += 1
            out[size] = _COMMA
            size += 1
        if by_ring:
            out[size - 1], out[size] = _CLOSE, _COMMA
            size += 1
    if by_part:
        out[size - 1], out[size] = _CLOSE, _COMMA
        size += 1
    return size - 1


@jit
def write_coordinates(
    kinds: Array, xy: Array, ring_starts: Array, part_starts: Array, starts: Array, out: Array, ends: Array
) -> None:
    """Write the coordinates of N geometries (`pathserve.labels.Columns`) one behind another.

    Parameters
    ----------
    out
        uint8, at least 44 bytes a position and 8 a ring and part.
    ends
        (N + 1,) int64: gets where each ends; one that is not for here has no text.
    """
    size = 0
    for row in range(len(kinds)):
        last = -1
        if kinds[row] < 7:
            last = _write_shape(kinds[row], row, xy, ring_starts, part_starts, starts, out, size)
        size = last if last >= 0 else size
        ends[row + 1] = size
