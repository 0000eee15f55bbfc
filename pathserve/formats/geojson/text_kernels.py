# ruff: noqa: SIM109, SIM110 - a chain of comparisons is machine code; a search in a tuple is a loop
"""GeoJSON text of Features out of arrays, in machine code without the interpreter lock."""

import numpy as np

from pathserve.formats.geojson.decimal_kernels import copy_block, load, put_number, put_whole, store
from pathserve.formats.geojson.json_kernels import is_word, string_end, word
from pathserve.formats.geojson.text_places import (
    AFTER,
    BEFORE,
    CLASSES,
    GEOMETRY,
    HEADS,
    PROPERTIES,
    SLACK,
    STATE,
    TYPE,
)
from pathserve.native.compiling import BYTE, FLOAT, INT, SMALL, WORD, Array, called, given, inlined

_COMMA, _OPEN, _CLOSE, _QUOTE, _OPEN_OBJECT, _CLOSE_OBJECT, _BACKSLASH = map(ord, ',[]"{}\\')
_NEXT = int.from_bytes(b"],[", "little")
_DASH = ord("-")
_HEX = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16).copy()
"""Both digits of each byte."""

_OBJECT_TYPE, _STATE, _CLASSIFICATION, _FOREIGN = map(word, ("objectType", "state", "classification", "foreignMembers"))
_LAYER, _AUTHOR, _NUMBER, _REVISION, _PROVENANCE = map(word, ("layer", "author", "number", "revision", "provenance"))


@inlined
def _put(text: Array, first: int, last: int, out: Array, size: int) -> int:
    """Copy some bytes; gives the new size. `SLACK` bytes behind it are not kept."""
    whole, end = len(text) - SLACK, size + last - first
    while first < last and first <= whole:
        copy_block(text, first, out, size)
        first += SLACK
        size += SLACK
    while first < last:
        out[np.uint64(size)] = text[np.uint64(first)]
        first += 1
        size += 1
    return end


@inlined
def _put_id(ids: Array, row: int, out: Array, size: int) -> int:
    """Write a UUID."""
    for place in range(16):
        store(out, size, _HEX[ids[np.uint64(row), np.uint64(place)]])
        size += 2
        if place == 3 or place == 5 or place == 7 or place == 9:
            out[np.uint64(size)] = _DASH
            size += 1
    return size


@inlined
def _put_ring(xy: Array, bits: Array, first: int, last: int, out: Array, size: int) -> int:
    """Write positions with commas between; the new size, or -1."""
    for row in range(np.uint64(first), np.uint64(last)):
        out[np.uint64(size)] = _OPEN
        size = put_number(xy[row, np.uint64(0)], bits[row, np.uint64(0)], out, size + 1)
        if size < 0:
            return -1
        out[np.uint64(size)] = _COMMA
        size = put_number(xy[row, np.uint64(1)], bits[row, np.uint64(1)], out, size + 1)
        if size < 0:
            return -1
        store(out, size, np.uint32(_NEXT))
        size += 2
    return size - 1


@inlined
def _put_shape(
    kind: int,
    row: int,
    xy: Array,
    bits: Array,
    ring_starts: Array,
    part_starts: Array,
    starts: Array,
    out: Array,
    size: int,
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
            size = _put_ring(xy, bits, ring_starts[ring], ring_starts[ring + 1], out, size)
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


@inlined
def _is_same(text: Array, first: int, other: int, count: int) -> bool:
    """Tell whether the bytes at two places are the same."""
    whole = max(first, other) + 8
    while count >= 8 and whole <= len(text):
        if load(text, first) != load(text, other):
            return False
        first, other, whole, count = first + 8, other + 8, whole + 8, count - 8
    for place in range(count):
        if text[first + place] != text[other + place]:
            return False
    return True


@inlined
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
        elif char == _OPEN_OBJECT or char == _OPEN:
            depth += 1
            is_key = depth == 1
        elif char == _CLOSE_OBJECT or char == _CLOSE:
            depth -= 1
        elif char == _COMMA and depth == 1:
            is_key = True
        place += 1
    return found


@inlined
def _is_moved(text: Array, first: int, last: int) -> bool:
    """Tell whether a member is written elsewhere, or is the server's own; a name with an escape may be one."""
    for place in range(first, last):
        if text[place] == _BACKSLASH:
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


@inlined
def _put_text(texts: Array, ends: Array, index: int, out: Array, size: int) -> int:
    return _put(texts, ends[index], ends[index + 1], out, size)


@inlined
def write_features(
    kinds: Array,
    xy: Array,
    bits: Array,
    ring_starts: Array,
    part_starts: Array,
    starts: Array,
    ids: Array,
    class_at: Array,
    source_at: Array,
    numbers: Array,
    given: Array,
    given_starts: Array,
    texts: Array,
    ends: Array,
    sources: int,
    out: Array,
    row_ends: Array,
) -> int:
    """Write N Features one behind another; gives the bytes written.

    Parameters
    ----------
    kinds, xy, ring_starts, part_starts, starts, ids, numbers
        As `pathserve.labels.Columns` has them; a kind of 0 is a row that is not for here.
    bits
        ``xy`` as uint64.
    class_at, source_at
        (N,): which of the classes (-1: none) and of the sources.
    given, given_starts
        Properties, each empty or an object as orjson writes it: that of row i is
        ``given[given_starts[i]:given_starts[i + 1]]``.
    texts, ends
        Text i is ``texts[ends[i]:ends[i + 1]]``: what stands between (see `text_places`), at `HEADS` + kind - 1
        the beginnings of geometries, from `CLASSES` on the members of classes with a comma behind, then those of
        sources, which end with the name of the number.
    sources
        Index of the first source among the texts.
    out
        uint8, large enough, with `SLACK` bytes behind.
    row_ends
        (N + 1,) int64: gets where each ends; one that is not for here has no text.
    """
    size, before, before_end, found = 0, 0, 0, 0
    for row in range(len(kinds)):
        row_ends[row + 1] = size
        if kinds[row] == 0 or kinds[row] > 6:
            continue
        first, end = given_starts[row], given_starts[row + 1]
        # Neighbours often have the same properties.
        if end - first != before_end - before or not _is_same(given, first, before, end - first):
            found = _has_type(given, first, end)
        before, before_end = first, end
        if found < 0:
            continue
        last = _put_text(texts, ends, BEFORE, out, size)
        last = _put_id(ids, row, out, last)
        last = _put_text(texts, ends, GEOMETRY, out, last)
        last = _put_text(texts, ends, HEADS - 1 + kinds[row], out, last)
        last = _put_shape(kinds[row], row, xy, bits, ring_starts, part_starts, starts, out, last)
        if last < 0:
            continue
        last = _put_text(texts, ends, PROPERTIES, out, last)
        last = _put_text(texts, ends, STATE, out, last)
        if not found:
            last = _put_text(texts, ends, TYPE, out, last)
        if end > first + 2:
            last = _put(given, first + 1, end - 1, out, last)
            out[last] = _COMMA
            last += 1
        if class_at[row] >= 0:
            last = _put_text(texts, ends, CLASSES + class_at[row], out, last)
        source = sources + source_at[row]
        if ends[source + 1] > ends[source]:
            last = _put_text(texts, ends, source, out, last)
            last = put_whole(numbers[row], out, last) + 1
        size = _put_text(texts, ends, AFTER, out, last - 1)  # over the last comma
        row_ends[row + 1] = size
    return size


_BYTES, _INTS = given(BYTE), given(INT)

ENTRIES = {
    "write_features": called(
        write_features,
        INT,
        *(_BYTES, given(FLOAT, 2), given(WORD, 2), _INTS, _INTS, _INTS, given(BYTE, 2), given(SMALL), _INTS, _INTS),
        *(_BYTES, _INTS, _BYTES, _INTS, INT, BYTE[::1], INT[::1]),
    )
}
