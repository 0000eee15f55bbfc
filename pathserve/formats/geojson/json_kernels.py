# ruff: noqa: SIM109, SIM110 - a chain of comparisons is machine code; a search in a tuple is a loop
"""JSON text walked through and copied in its shortest form, in machine code without the interpreter lock.

Every text ends with a byte 0 behind its last one, where all walks stop.
"""

from typing import Any, Final

import numpy as np

from pathserve.formats.geojson.number_kernels import digits_end, signed
from pathserve.formats.geojson.scan_arrays import BAD, END, FOUND, MAX_DEPTH, MORE, NORMALISE, TABLE, Memory
from pathserve.native.compiling import Array, inner

STAMP: Final = 0
OBJECTS: Final = 1

_SPACE = 0x20
_QUOTE, _BACKSLASH, _COMMA, _COLON, _MINUS, _PLUS, _DOT, _ZERO = map(ord, '"\\,:-+.0')
_OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = map(ord, "{}[]")


def word(text: str) -> Array:
    """Give a text as bytes to compare with."""
    return np.frombuffer(text.encode(), np.uint8).copy()


_TRUE, _FALSE, _NULL, _FEATURES = map(word, ("true", "false", "null", "features"))


@inner
def skip_space(text: Array, place: int) -> int:
    """Give the place of the next byte that is no blank."""
    at, one = np.uint64(place), np.uint64(1)
    while text[at] <= 0x20 and (text[at] == 0x20 or text[at] == 0x0A or text[at] == 0x0D or text[at] == 0x09):
        at += one
    return signed(at)


@inner
def is_word(text: Array, start: int, end: int, wanted: Array) -> bool:
    """Tell whether some bytes are a word."""
    if end - start != len(wanted):
        return False
    at = np.uint64(start)
    for index in range(len(wanted)):
        if text[at + np.uint64(index)] != wanted[index]:
            return False
    return True


@inner
def _eight(text: Array, at: Any) -> Any:  # noqa: ANN401 - uint64
    """Give the eight bytes at a place (uint64) as one number, which machine code loads at once."""
    found = np.uint64(0)
    for index in range(8):
        found |= np.uint64(text[at + np.uint64(index)]) << np.uint64(8 * index)
    return found


@inner
def is_repeated(text: Array, first: int, start: int, size: int) -> bool:
    """Tell whether the bytes at ``first`` stand at ``start`` again, behind which there are so many."""
    at, other, eight, one = np.uint64(first), np.uint64(start), np.uint64(8), np.uint64(1)
    end = at + np.uint64(size)
    while at + eight <= end:
        if _eight(text, at) != _eight(text, other):
            return False
        at += eight
        other += eight
    while at < end:
        if text[at] != text[other]:
            return False
        at += one
        other += one
    return True


@inner
def string_end(text: Array, place: int, end: int) -> int:
    """Give the place of the quote that ends a text whose first character is at ``place``, or -1."""
    at, one, two, last = np.uint64(place), np.uint64(1), np.uint64(2), np.uint64(end)
    while at < last:
        char = text[at]
        if char == _QUOTE:
            return signed(at)
        at += two if char == _BACKSLASH else one
    return -1


@inner
def plain_key(text: Array, place: int) -> int:
    """Give the end of a text without escapes that begins behind a quote, or -1."""
    at, one = np.uint64(place), np.uint64(1)
    while text[at] != _QUOTE:
        if text[at] == _BACKSLASH or text[at] < _SPACE:
            return -1
        at += one
    return signed(at)


@inner
def after_key(text: Array, place: int) -> int:
    """Give the place of the value behind the quote that ends a member's name, or -1."""
    place = skip_space(text, place + 1)
    return skip_space(text, place + 1) if text[place] == _COLON else -1


@inner
def is_new(text: Array, start: int, end: int, serial: int, memory: Memory) -> bool:
    """Remember a member's name of the object ``serial``; False when it may have had it before, or there are too many.

    The table is that of one item: entries with another stamp are empty.
    """
    value = np.uint64(14695981039346656037) ^ (np.uint64(serial) * np.uint64(0x9E3779B97F4A7C15))
    for place in range(start, end):
        value = (value ^ np.uint64(text[place])) * np.uint64(1099511628211)
    slot = np.int64((value ^ (value >> np.uint64(29))) & np.uint64(TABLE - 1))
    stamp = memory.marks[STAMP]
    for _ in range(64):
        if memory.stamps[slot] != stamp:
            memory.stamps[slot] = stamp
            memory.names[slot] = value
            return True
        if memory.names[slot] == value:
            return False
        slot = (slot + 1) & (TABLE - 1)
    return False


@inner
def _skip_plain(text: Array, place: int, end: int) -> int:
    start = place
    while place < end:
        char = text[place]
        if char <= _SPACE or char == _COMMA or char == _CLOSE or char == _CLOSE_LIST or char == _COLON:
            return place if place > start else -2
        if char == _QUOTE or char == _OPEN or char == _OPEN_LIST:
            return -2
        place += 1
    return -1


@inner
def skip_value(text: Array, place: int, end: int) -> int:
    """Give the end of the JSON value at ``place`` by its brackets alone, -1 when the text ends before, -2 for none."""
    depth = 0
    if place < end and text[place] != _QUOTE and text[place] != _OPEN and text[place] != _OPEN_LIST:
        return _skip_plain(text, place, end)
    while place < end:
        char = text[place]
        if char == _QUOTE:
            place = string_end(text, place + 1, end)
            if place < 0:
                return -1
        elif char == _OPEN or char == _OPEN_LIST:
            depth += 1
        elif char == _CLOSE or char == _CLOSE_LIST:
            depth -= 1
        else:
            place += 1
            continue
        place += 1
        if depth == 0:
            return place
    return -1


@inner
def find_in_members(text: Array, place: int, end: int, stops: bool) -> tuple[int, int]:  # noqa: C901 - one loop over a grammar
    """Look for the array ``features`` among the members of an object, from one of them on.

    Parameters
    ----------
    stops
        Whether to stop at that array, rather than to go on to the end.

    Returns
    -------
    `FOUND` and the place behind its bracket; `END` and the object's end when it has none; `MORE`; or `BAD`.
    """
    while True:
        place = skip_space(text, place)
        if place >= end:
            return MORE, place
        if text[place] == _CLOSE:
            return END, place + 1
        if text[place] == _COMMA:
            place += 1
            continue
        if text[place] != _QUOTE:
            return BAD, place
        start = place + 1
        last = string_end(text, start, end)
        if last < 0:
            return MORE, place
        colon = skip_space(text, last + 1)
        if colon >= end:
            return MORE, place
        value = skip_space(text, colon + 1)
        if value >= end:
            return MORE, place
        if text[colon] != _COLON:
            return BAD, colon
        if stops and text[value] == _OPEN_LIST and is_word(text, start, last, _FEATURES):
            return FOUND, value + 1
        place = skip_value(text, value, end)
        if place < 0:
            return (BAD if place == -2 else MORE), value


@inner
def copy_string(text: Array, place: int, out: Array, size: int) -> tuple[int, int, int]:
    """Copy a text whose quote is at ``place``; its end (or -1), the new size, and flags."""
    flags = 0
    at, to, one = np.uint64(place), np.uint64(size), np.uint64(1)
    out[to] = _QUOTE
    while True:
        at += one
        to += one
        char = text[at]
        if char < _SPACE:
            return -1, signed(to), flags
        out[to] = char
        if char == _QUOTE:
            return signed(at + one), signed(to + one), flags
        if char >= 0x80:
            flags = NORMALISE
        elif char == _BACKSLASH:
            flags = NORMALISE
            at += one
            to += one
            if text[at] < _SPACE:
                return -1, signed(to), flags
            out[to] = text[at]


@inner
def _is_short(text: Array, start: int, first: int, dot: int, end: int) -> bool:
    """Tell whether a number without exponent is surely written in the one way in which orjson writes it."""
    if end - first > 16 or (dot == end and first > start and text[first] == _ZERO):
        return False  # many digits; or -0, which is 0
    if dot == end:
        return True
    if text[end - 1] == _ZERO and end > dot + 2:
        return False
    # What is very small is written with an exponent.
    return not (text[first] == _ZERO and text[dot + 1] == _ZERO and text[dot + 2] == _ZERO)


@inner
def _number_end(text: Array, first: int, dot: int) -> int:
    """Give the end of a number that begins at ``first`` and whose whole part ends at ``dot``, or -1."""
    if dot == first or (text[first] == _ZERO and dot > first + 1):
        return -1
    end = dot
    if text[dot] == _DOT:
        end = digits_end(text, dot + 1)
        if end == dot + 1:
            return -1
    if text[end] | 0x20 != 0x65:
        return end
    place = end + 2 if text[end + 1] == _MINUS or text[end + 1] == _PLUS else end + 1
    last = digits_end(text, place)
    return last if last > place else -1


@inner
def _copy_number(text: Array, place: int, out: Array, size: int) -> tuple[int, int, int]:
    """Copy a number; it is flagged unless it is surely written as orjson writes it."""
    first = place + 1 if text[place] == _MINUS else place
    dot = digits_end(text, first)
    end = _number_end(text, first, dot)
    if end < 0:
        return -1, size, 0
    at, to, one = np.uint64(place), np.uint64(size), np.uint64(1)
    exponent = 0
    while at < np.uint64(end):
        char = text[at]
        exponent |= char & 0x40
        out[to] = char
        at += one
        to += one
    is_short = exponent == 0 and _is_short(text, place, first, dot, end)
    return end, signed(to), (0 if is_short else NORMALISE)


@inner
def _copy_word(text: Array, place: int, out: Array, size: int, wanted: Array) -> tuple[int, int, int]:
    for index in range(len(wanted)):
        if text[place + index] != wanted[index]:
            return -1, size, 0
        out[size + index] = wanted[index]
    return place + len(wanted), size + len(wanted), 0


@inner
def _copy_plain(text: Array, place: int, out: Array, size: int) -> tuple[int, int, int]:
    """Copy a value that is neither object nor array."""
    char = text[place]
    if char == _QUOTE:
        return copy_string(text, place, out, size)
    if char == 0x74:
        return _copy_word(text, place, out, size, _TRUE)
    if char == 0x66:
        return _copy_word(text, place, out, size, _FALSE)
    if char == 0x6E:
        return _copy_word(text, place, out, size, _NULL)
    return _copy_number(text, place, out, size)


@inner
def _copy_key(text: Array, place: int, out: Array, size: int, serial: int, memory: Memory) -> tuple[int, int, int]:
    """Copy a member's name and its colon; the place of its value (or -1), the new size, and flags."""
    if text[place] != _QUOTE:
        return -1, size, 0
    last = plain_key(text, place + 1)
    if last < 0 or not is_new(text, place + 1, last, serial, memory):
        return -1, size, 0
    _, size, flags = copy_string(text, place, out, size)
    out[size] = _COLON
    return after_key(text, last), size + 1, flags


@inner
def copy_value(text: Array, place: int, out: Array, size: int, memory: Memory) -> tuple[int, int, int]:  # noqa: C901, PLR0915 - one loop over a grammar
    """Copy a JSON value without the blanks around its marks, looking whether it is one.

    Its end in the text, the new size of ``out``, and flags. The end is -1 for what is no JSON, is cut off, is nested
    too deeply or names a member twice.
    """
    depth, flags = 0, 0
    stack = memory.stack
    while True:
        char = text[place]
        is_key = False
        if char == _OPEN or char == _OPEN_LIST:
            if depth == MAX_DEPTH:
                return -1, size, flags
            memory.marks[OBJECTS] += 1
            stack[depth] = memory.marks[OBJECTS] if char == _OPEN else 0
            depth += 1
            out[size] = char
            size += 1
            place = skip_space(text, place + 1)
            if text[place] != char + 2:
                if char == _OPEN_LIST:
                    continue
                is_key = True
        else:
            place, size, more = _copy_plain(text, place, out, size)
            flags |= more
            if place < 0:
                return -1, size, flags
        while not is_key:
            # A value ended here, or an empty one is to be closed.
            if depth == 0:
                return place, size, flags
            place = skip_space(text, place)
            char = text[place]
            out[size] = char
            size += 1
            place += 1
            if char == _COMMA:
                place = skip_space(text, place)
                if stack[depth - 1] == 0:
                    break
                is_key = True
            elif char == (_CLOSE if stack[depth - 1] else _CLOSE_LIST):
                depth -= 1
            else:
                return -1, size, flags
        if is_key:
            place, size, more = _copy_key(text, place, out, size, stack[depth - 1], memory)
            flags |= more
            if place < 0:
                return -1, size, flags
