"""Decimal text to the nearest float64, as `float` gives it, in machine code without the interpreter lock.

One exact operation where that is enough (Clinger, "How to read floating point numbers accurately", 1990), else the
algorithm of Lemire ("Number parsing at a gigabyte per second", 2021).
"""

from typing import Any, Final

import numpy as np

from pathserve.native.compiling import Array, inlined, inner

_MIN_POWER: Final = -60
_MAX_POWER: Final = 40
_MOST_DIGITS: Final = 19
_PLAIN_SIZE: Final = np.uint64(16)
"""Most characters of a number of which all digits together are surely below 2^53."""

_MINUS, _PLUS, _DOT, _ZERO = map(ord, "-+.0")


@inner
def signed(value: Any) -> int:  # noqa: ANN401 - uint64
    """Give a place as the type that can be negative: walks use the other, by which arrays are entered faster."""
    # A Python int is what this is to all callers; machine code knows but one kind of it.
    return np.int64(value)  # type: ignore[return-value]


def _powers() -> tuple[Array, Array]:
    """Give the first 128 bits of 5^q for q from `_MIN_POWER` to `_MAX_POWER`, as Lemire's algorithm wants them."""
    high, low = [], []
    for q in range(_MIN_POWER, _MAX_POWER + 1):
        if q >= 0:
            power = 5**q
            power = power << 128 >> power.bit_length()
        else:
            bits = (5**-q - 1).bit_length()
            power = 2 ** (bits + 127 if q >= -27 else 2 * bits + 128) // 5**-q + 1
            power >>= max(0, power.bit_length() - 128)
        high.append(power >> 64)
        low.append(power & (2**64 - 1))
    return np.array(high, np.uint64), np.array(low, np.uint64)


_HIGH, _LOW = _powers()
_TENS = np.array([10.0**q for q in range(23)])


@inner
def _multiply(a: Any, b: Any) -> Any:  # noqa: ANN401 - uint64
    """Multiply two uint64; gives the high and the low half of the product."""
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a0, a1, b0, b1 = a & mask, a >> half, b & mask, b >> half
    low, middle, other, high = a0 * b0, a1 * b0, a0 * b1, a1 * b1
    carry = (low >> half) + (middle & mask) + (other & mask)
    return high + (middle >> half) + (other >> half) + (carry >> half), (low & mask) | (carry << half)


@inner
def _nearest(digits: Any, power: int) -> Any:  # noqa: ANN401 - uint64
    """Give the bits of the float64 nearest to digits (uint64, not 0) * 10^power; power lies within the table."""
    one = np.uint64(1)
    zeros = 0
    while digits >> np.uint64(63) == 0:
        digits <<= one
        zeros += 1
    high, low = _multiply(digits, _HIGH[power - _MIN_POWER])
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):
        more, _ = _multiply(digits, _LOW[power - _MIN_POWER])
        low += more
        if more > low:
            high += one
    upper: Any = np.int64(high >> np.uint64(63))
    shift = np.uint64(upper + 9)
    mantissa = high >> shift
    exponent = ((217706 * power) >> 16) + 63 + upper - zeros + 1023
    if low <= one and -4 <= power <= 23 and mantissa & np.uint64(3) == one and mantissa << shift == high:
        mantissa &= ~one  # halfway between two: the even one
    mantissa = (mantissa + (mantissa & one)) >> one
    if mantissa >> np.uint64(53) != 0:
        mantissa >>= one
        exponent += 1
    return (mantissa & np.uint64(0xFFFFFFFFFFFFF)) | (np.uint64(exponent) << np.uint64(52))


@inner
def _read_exponent(text: Array, place: int) -> Any:  # noqa: ANN401 - two int64
    """Read what follows an ``e``; its end (or -1) and value."""
    minus = text[place] == _MINUS
    first = place + 1 if minus or text[place] == _PLUS else place
    place, value = _add_digits(text, first, np.uint64(0))
    if place == first or place - first > 4:
        return -1, 0
    return place, (-np.int64(value) if minus else np.int64(value))


@inner
def _significant(text: Array, start: int, end: int) -> int:
    """Count the digits from the first one that is not 0."""
    while start < end and (text[start] == _ZERO or text[start] == _DOT):
        start += 1
    count = 0
    for place in range(start, end):
        count += text[place] != _DOT
    return count


@inner
def digits_end(text: Array, place: int) -> int:
    """Give the place behind the digits that begin at ``place``."""
    at, one = np.uint64(place), np.uint64(1)
    while np.uint64(text[at]) - np.uint64(_ZERO) <= np.uint64(9):
        at += one
    return signed(at)


@inner
def _add_digits(text: Array, place: int, digits: Any) -> Any:  # noqa: ANN401 - uint64
    """Append the digits that begin at ``place`` to a number; gives the place behind them, and the number."""
    at, one, ten = np.uint64(place), np.uint64(1), np.uint64(10)
    digit = np.uint64(text[at]) - np.uint64(_ZERO)
    while digit <= np.uint64(9):
        digits = digits * ten + digit
        at += one
        digit = np.uint64(text[at]) - np.uint64(_ZERO)
    return signed(at), digits


@inner
def _put_nearest(digits: Any, power: int, negative: bool, values: Array, bits: Array, index: int) -> bool:  # noqa: ANN401 - uint64
    """Put digits * 10^power down; False when it is too large or too small for here."""
    if digits == 0:
        values[index] = -0.0 if negative else 0.0
        return True
    if power < _MIN_POWER or power > _MAX_POWER:
        return False
    sign = np.uint64(1) << np.uint64(63) if negative else np.uint64(0)
    bits[index] = _nearest(digits, power) | sign
    return True


@inner
def read_number(text: Array, place: int, values: Array, bits: Array, index: int) -> int:  # noqa: C901 - calls would cost more than the work
    """Read a JSON number into ``values[index]``, of which ``bits`` is the view as uint64.

    The text ends with a byte 0. Gives the number's end; -1 for what is no number, and for those of more than 19 digits
    or of very large or small powers.
    """
    at, one, ten, zero = np.uint64(place), np.uint64(1), np.uint64(10), np.uint64(_ZERO)
    negative = text[at] == _MINUS
    if negative:
        at += one
    start, digits = at, np.uint64(0)
    digit = np.uint64(text[at]) - zero
    while digit <= np.uint64(9):
        digits = digits * ten + digit
        at += one
        digit = np.uint64(text[at]) - zero
    if at == start or (text[start] == _ZERO and at > start + one):
        return -1
    power, whole = 0, True
    if text[at] == _DOT:
        whole = False
        at += one
        first = at
        digit = np.uint64(text[at]) - zero
        while digit <= np.uint64(9):
            digits = digits * ten + digit
            at += one
            digit = np.uint64(text[at]) - zero
        power = signed(first - at)
        if power == 0:
            return -1
    end = signed(at)
    if at - start > np.uint64(_MOST_DIGITS) and _significant(text, signed(start), end) > _MOST_DIGITS:
        return -1
    if text[at] | 0x20 == 0x65:
        whole = False
        end, exponent = _read_exponent(text, end + 1)
        power += exponent
        if end < 0:
            return -1
    if digits - one < np.uint64(1 << 53) and -22 <= power <= 0:
        value = np.float64(digits) / _TENS[-power]
    elif digits - one < np.uint64(1 << 53) and 0 < power <= 22:
        value = np.float64(digits) * _TENS[power]
    else:
        return end if _put_nearest(digits, power, negative and not whole, values, bits, index) else -1
    values[index] = -value if negative else value
    return end


@inlined
def read_plain(text: Array, place: int) -> Any:  # noqa: ANN401 - int64 and float64
    """Read a number that is short and has no exponent; its end, -1 for any other text, and its value.

    Where numbers are many: a call of `read_number` takes as long as all that it does with such a number.
    """
    at, one, ten, zero = np.uint64(place), np.uint64(1), np.uint64(10), np.uint64(_ZERO)
    negative = text[at] == _MINUS
    if negative:
        at += one
    start, digits, places = at, np.uint64(0), np.uint64(0)
    digit = np.uint64(text[at]) - zero
    while digit <= np.uint64(9):
        digits = digits * ten + digit
        at += one
        digit = np.uint64(text[at]) - zero
    is_good = at == start + one or (at > start and text[start] != _ZERO)
    if text[at] == _DOT:
        at += one
        places = at
        digit = np.uint64(text[at]) - zero
        while digit <= np.uint64(9):
            digits = digits * ten + digit
            at += one
            digit = np.uint64(text[at]) - zero
        places = at - places
        is_good = is_good and places != 0
    if not is_good or at - start > _PLAIN_SIZE or text[at] | 0x20 == 0x65 or (negative and digits == 0):
        return -1, 0.0
    value = np.float64(digits) / _TENS[places]
    return signed(at), (-value if negative else value)
