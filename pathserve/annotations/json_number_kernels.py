"""Machine code that takes decimal numbers out of JSON text and puts them back. Loaded when first needed."""

from pathserve.native.compiling import BYTE, INT, Array, called, given, inner

_BYTES = given(BYTE)

MARK = 1
"""Stands for a number; no JSON text has this byte."""

END = 44
"""Comes after each number: a comma."""

_QUOTE, _ESCAPE, _MINUS, _PLUS, _POINT, _E, _SMALL_E, _ZERO, _NINE = 34, 92, 45, 43, 46, 69, 101, 48, 57


@inner
def number_end(text: Array, at: int) -> int:
    """Give the place behind the decimal number (with a point or an exponent) that starts at a place; else the place."""
    end = at
    decimal = False
    while end < len(text):
        c = text[end]
        if c in (_POINT, _E, _SMALL_E):
            decimal = True
        elif c != _MINUS and c != _PLUS and (c < _ZERO or c > _NINE):
            break
        end += 1
    return end if decimal else at


@inner
def take_out(text: Array, rest: Array, numbers: Array, sizes: Array) -> int:
    """Put ``text`` without its decimal numbers into ``rest``, and those into ``numbers``.

    Parameters
    ----------
    text
        JSON texts one after another.
    rest
        At least as long as ``text``.
    numbers
        At least twice as long as ``text``.
    sizes
        (2,) int64, filled with the bytes used in ``rest`` and ``numbers``.

    Returns
    -------
    int
        How many numbers there are; -1 when the text has a byte `MARK`.
    """
    at, r, n, count = 0, 0, 0, 0
    string = False
    while at < len(text):
        c = text[at]
        if c == MARK:
            return -1
        end = at
        if not string and (c == _MINUS or _ZERO <= c <= _NINE):
            end = number_end(text, at)
        if end > at:
            rest[r] = MARK
            r += 1
            while at < end:
                numbers[n] = text[at]
                n += 1
                at += 1
            numbers[n] = END
            n += 1
            count += 1
            continue
        if c == _QUOTE:
            string = not string
        elif string and c == _ESCAPE and at + 1 < len(text):
            rest[r] = c
            r += 1
            at += 1
            c = text[at]
            if c == MARK:
                return -1
        rest[r] = c
        r += 1
        at += 1
    sizes[0], sizes[1] = r, n
    return count


@inner
def put_back(rest: Array, numbers: Array, text: Array) -> int:
    """Undo `take_out` into ``text``; gives the bytes written, or -1 when they do not fit or numbers are missing."""
    t, n = 0, 0
    for c in rest:
        if c != MARK:
            if t >= len(text):
                return -1
            text[t] = c
            t += 1
            continue
        while n < len(numbers) and numbers[n] != END:
            if t >= len(text):
                return -1
            text[t] = numbers[n]
            t += 1
            n += 1
        if n >= len(numbers):
            return -1
        n += 1
    return t


ENTRIES = {
    "take_out": called(take_out, INT, _BYTES, BYTE[::1], BYTE[::1], INT[::1]),
    "put_back": called(put_back, INT, _BYTES, _BYTES, BYTE[::1]),
}
