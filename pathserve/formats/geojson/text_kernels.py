"""GeoJSON text of Features out of arrays, in machine code without the interpreter lock.

A number is written as orjson writes it, the shortest text that is read as the same float64, wherever it has at most
15 digits and no exponent; a geometry with any other number is left to orjson.
"""

from typing import Final, NamedTuple

import numpy as np

from pathserve.formats.geojson.json_kernels import is_word, string_end, word
from pathserve.formats.geojson.number_kernels import Array, jit, signed

_MOST = 1e15
_PLACES = 12
_TENS = np.array([10**q for q in range(_PLACES + 1)], np.int64)
_COMMA, _DOT, _MINUS, _ZERO, _OPEN, _CLOSE = map(ord, ",.-0[]")

_QUOTE = 0x22
_OBJECT_TYPE, _STATE, _CLASSIFICATION, _FOREIGN = map(word, ("objectType", "state", "classification", "foreignMembers"))
_LAYER, _AUTHOR, _NUMBER, _REVISION, _PROVENANCE = map(word, ("layer", "author", "number", "revision", "provenance"))

# Places in ``fixed`` of `write_features`.
BEFORE: Final = 0
GEOMETRY: Final = 1
PROPERTIES: Final = 2
STATE: Final = 3
TYPE: Final = 4
AFTER: Final = 5


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
def _put(text: Array, first: int, last: int, out: Array, size: int) -> int:
    """Copy some bytes; gives the new size."""
    at, end, to, one = np.uint64(first), np.uint64(last), np.uint64(size), np.uint64(1)
    while at < end:
        out[to] = text[at]
        at += one
        to += one
    return signed(to)


@jit
def _has_type(text: Array, first: int, last: int) -> int:
    """Look at the members of a JSON object as orjson writes it: 1 when it has an ``objectType``, 0 when not.

    -1 when it has a member that is not written where it stands.
    """
    found, depth, place = 0, 0, first
    is_key = False
    while place < last:
        char = text[place]
        if char == _QUOTE:
            end = string_end(text, place + 1, last)
            if depth == 1 and is_key:
                if is_word(text, place + 1, end, _OBJECT_TYPE):
                    found = 1
                elif _is_moved(text, place + 1, end):
                    return -1
                is_key = False
            place = end
        elif char == 0x7B or char == _OPEN:
            depth += 1
            is_key = depth == 1
        elif char == 0x7D or char == _CLOSE:
            depth -= 1
        elif char == _COMMA and depth == 1:
            is_key = True
        place += 1
    return found


@jit
def _is_moved(text: Array, first: int, last: int) -> bool:
    """Tell whether a member is written elsewhere, or is the server's own; a name with an escape may be one."""
    for place in range(first, last):
        if text[place] == 0x5C:
            return True
    return (
        is_word(text, first, last, _STATE)
        or is_word(text, first, last, _CLASSIFICATION)
        or is_word(text, first, last, _FOREIGN)
        or is_word(text, first, last, _LAYER)
        or is_word(text, first, last, _AUTHOR)
        or is_word(text, first, last, _NUMBER)
        or is_word(text, first, last, _REVISION)
        or is_word(text, first, last, _PROVENANCE)
    )


class Texts(NamedTuple):
    """Texts one behind another: text i is ``data[ends[i]:ends[i + 1]]``."""

    data: Array
    ends: Array


@jit
def _put_text(texts: Texts, index: int, out: Array, size: int) -> int:
    return _put(texts.data, texts.ends[index], texts.ends[index + 1], out, size)


@jit
def _write_properties(
    row: int,
    source: int,
    index: int,
    number: int,
    rows: Texts,
    fixed: Texts,
    classes: Texts,
    sources: Texts,
    out: Array,
    size: int,
) -> int:
    """Write the properties of one row; the new size, or -1 when they need a look inside."""
    first, last = rows.ends[row], rows.ends[row + 1]
    has_type = _has_type(rows.data, first, last)
    if has_type < 0:
        return -1
    size = _put_text(fixed, STATE, out, size)
    if not has_type:
        size = _put_text(fixed, TYPE, out, size)
    if last > first + 2:
        size = _put(rows.data, first + 1, last - 1, out, size)
        out[size] = _COMMA
        size += 1
    if index >= 0:
        size = _put_text(classes, index, out, size)
    if sources.ends[source + 1] > sources.ends[source]:
        size = _put_text(sources, source, out, size)
        size = _write_digits(number, 1, out, size) + 1
    return size - 1  # over the last comma


@jit
def write_features(
    kinds: Array,
    xy: Array,
    ring_starts: Array,
    part_starts: Array,
    starts: Array,
    ids: Array,
    class_at: Array,
    source_at: Array,
    numbers: Array,
    rows: Texts,
    heads: Texts,
    fixed: Texts,
    classes: Texts,
    sources: Texts,
    out: Array,
    ends: Array,
) -> None:
    """Write N Features one behind another.

    Parameters
    ----------
    kinds, xy, ring_starts, part_starts, starts
        As `pathserve.labels.Columns` has them; a kind of 0 is a row that is not for here.
    ids
        (N, 36) uint8: UUIDs as text.
    class_at, source_at, numbers
        (N,): index into ``classes`` (-1: none) and ``sources``, and the number behind the latter.
    rows
        Properties, each empty or an object as orjson writes it.
    heads
        By kind, the beginning of a geometry.
    fixed
        What stands between, by `BEFORE`, `GEOMETRY`, ...
    classes, sources
        Members with a comma behind each; a source ends with the name of the number.
    out
        uint8, large enough.
    ends
        (N + 1,) int64: gets where each ends; one that is not for here has no text.
    """
    size = 0
    for row in range(len(kinds)):
        ends[row + 1] = size
        if kinds[row] == 0 or kinds[row] > 6:
            continue
        last = _put_text(fixed, BEFORE, out, size)
        last = _put(ids[row], 0, 36, out, last)
        last = _put_text(fixed, GEOMETRY, out, last)
        last = _put_text(heads, kinds[row], out, last)
        last = _write_shape(kinds[row], row, xy, ring_starts, part_starts, starts, out, last)
        if last < 0:
            continue
        last = _put_text(fixed, PROPERTIES, out, last)
        last = _write_properties(
            row, source_at[row], class_at[row], numbers[row], rows, fixed, classes, sources, out, last
        )
        if last < 0:
            continue
        size = _put_text(fixed, AFTER, out, last)
        ends[row + 1] = size
