"""Machine code that writes the bytes of a vector tile, as the Mapbox Vector Tile Specification 2.1 (4.3) has them.

Functions write into arrays that are large enough, and give the place behind what they wrote.
"""

import numpy as np

from pathserve.native.compiling import BYTE, INT, Array, called, given, inlined, inner, plain

POINTS, LINES, POLYGONS = plain(np.int64(1)), plain(np.int64(2)), plain(np.int64(3))

FEATURE_BYTES = 64
"""Most bytes of a feature beside its tags and geometry."""

_ZERO, _MOVE_ONCE, _CLOSE = plain(np.int64(0)), plain(np.int64(1 << 3 | 1)), plain(np.int64(1 << 3 | 7))
_BYTES, _INTS = given(BYTE), given(INT)


@inlined
def _varint(out: Array, at: int, value: int) -> int:
    """Write an unsigned number in base 128; gives the place behind it."""
    while value >= 128:
        out[at] = (value & 127) | 128
        value >>= 7
        at += 1
    out[at] = value
    return at + 1


@inner
def _length(value: int) -> int:
    """Give the bytes that an unsigned number takes."""
    length = 1
    while value >= 128:
        value >>= 7
        length += 1
    return length


@inlined
def _zigzag(out: Array, at: int, value: int) -> int:
    return _varint(out, at, (value << 1) ^ (value >> 63))


@inlined
def put_path(out: Array, at: int, whole: Array, count: int, kind: int, backwards: int, cursor: Array) -> int:
    """Write one ring (kind POLYGONS), line, or run of points; gives the place behind it."""
    x, y = cursor[0], cursor[1]
    at = _varint(out, at, (count << 3) | 1) if kind == POINTS else _varint(out, at, _MOVE_ONCE)
    for i in range(count):
        j = count - i if backwards and i else i
        if kind != POINTS and i == 1:
            at = _varint(out, at, ((count - 1) << 3) | 2)
        at = _zigzag(out, at, whole[j, 0] - x)
        at = _zigzag(out, at, whole[j, 1] - y)
        x, y = whole[j, 0], whole[j, 1]
    cursor[0], cursor[1] = x, y
    return _varint(out, at, _CLOSE) if kind == POLYGONS else at


@inlined
def put_feature(
    out: Array, at: int, number: int, tags: Array, first: int, end: int, kind: int, geometry: Array, size: int
) -> int:
    """Write one feature (4.2); a number of 0 means none."""
    length = end - first + _length(end - first) + size + _length(size) + 4
    if number > 0:
        length += 1 + _length(number)
    out[at] = 0x12
    at = _varint(out, at + 1, length)
    if number > 0:
        out[at] = 0x08
        at = _varint(out, at + 1, number)
    out[at] = 0x12
    at = _varint(out, at + 1, end - first)
    for i in range(first, end):
        out[at] = tags[i]
        at += 1
    out[at], out[at + 1], out[at + 2] = 0x18, kind, 0x22
    at = _varint(out, at + 3, size)
    for i in range(size):
        out[at + i] = geometry[i]
    return at + size


@inner
def put_counts(
    xs: Array,
    ys: Array,
    starts: Array,
    tags: Array,
    tag_bytes: Array,
    tag_starts: Array,
    values: Array,
    geometry: Array,
    mine: Array,
    out: Array,
) -> int:
    """Write features of points (4.3.4.2): feature g has those from ``starts[g]`` to ``starts[g + 1]``.

    Places (xs, ys) are whole units. Tags are as in `put_objects`, with the place of a value behind each.

    Parameters
    ----------
    geometry
        Scratch: 20 bytes for each of the most points of a feature, and 10.
    mine
        Scratch: as many bytes as ``tag_bytes``, and 16.
    out
        For each feature its tags and 128 bytes, and 20 bytes for each point.
    """
    at = _ZERO
    for g in range(len(values)):
        size = _varint(geometry, _ZERO, ((starts[g + 1] - starts[g]) << 3) | 1)
        x, y = _ZERO, _ZERO
        for i in range(starts[g], starts[g + 1]):
            size = _zigzag(geometry, size, xs[i] - x)
            size = _zigzag(geometry, size, ys[i] - y)
            x, y = xs[i], ys[i]
        first, end = tag_starts[tags[g]], tag_starts[tags[g] + 1]
        for i in range(first, end):
            mine[i - first] = tag_bytes[i]
        tagged = _varint(mine, end - first, values[g])
        at = put_feature(out, at, _ZERO, mine, _ZERO, tagged, POINTS, geometry, size)
    return at


@inner
def put_numbers(numbers: Array, out: Array) -> int:
    """Write whole numbers from 0 on as values of a layer (4.1), of 16 bytes at most."""
    at = _ZERO
    for number in numbers:
        length = _varint(out, at + 3, number) - at - 2
        out[at], out[at + 1], out[at + 2] = 0x22, length, 0x28
        at += length + 2
    return at


_OUT = BYTE[::1]

ENTRIES = {
    "put_counts": called(put_counts, INT, *4 * (_INTS,), _BYTES, *2 * (_INTS,), *3 * (_OUT,)),
    "put_numbers": called(put_numbers, INT, _INTS, _OUT),
}
