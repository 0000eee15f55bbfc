"""The shortest text of a float64 that is read as the same one, as orjson writes it; machine code without the lock.

Coordinates are mostly whole ten-thousandths: one division proves it, and tables of four digits write them. All others
go through Schubfach (Giulietti, "The Schubfach way to render doubles", 2020).
"""

from typing import Any, Final

import numpy as np
from numba import types

from pathserve.formats.geojson.number_kernels import signed
from pathserve.formats.geojson.text_places import SLACK
from pathserve.native.compiling import Array, inlined, inner, made_by

_PLAIN = 1e8
_SCALE = 10_000
_DOT, _MINUS, _PLUS, _ZERO, _E = map(ord, ".-+0e")
_MOST_PLAIN_DIGITS: Final = 16
_MIN_POWER: Final = -292
_MAX_POWER: Final = 324


@made_by
def store(_: Any, out: Any, at: Any, value: Any) -> Any:  # noqa: ANN401 - numba's own types
    """Put a whole number at any place of an array of bytes, lowest byte first."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        array, place, number = arguments
        start = context.make_array(signature.args[0])(context, builder, array).data
        builder.store(number, builder.bitcast(builder.gep(start, [place]), number.type.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(out, at, value), generate


@made_by
def load(_: Any, text: Any, at: Any) -> Any:  # noqa: ANN401 - numba's own types
    """Take eight bytes from any place of an array of bytes, as `store` puts them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        array, place = arguments
        start = context.make_array(signature.args[0])(context, builder, array).data
        number = context.get_value_type(types.uint64)
        return builder.load(builder.bitcast(builder.gep(start, [place]), number.as_pointer()), align=1)

    return types.uint64(text, at), generate


@made_by
def copy_block(_: Any, text: Any, first: Any, out: Any, at: Any) -> Any:  # noqa: ANN401 - numba's own types
    """Copy `SLACK` bytes from any place of an array of bytes to any place of another."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        word = context.get_value_type(types.uint64)
        block = type(word)(8 * SLACK).as_pointer()
        source, place, target, to = arguments
        start = context.make_array(signature.args[0])(context, builder, source).data
        end = context.make_array(signature.args[2])(context, builder, target).data
        copied = builder.load(builder.bitcast(builder.gep(start, [place]), block), align=1)
        builder.store(copied, builder.bitcast(builder.gep(end, [to]), block), align=1)
        return context.get_dummy_value()

    return types.void(text, first, out, at), generate


@made_by
def _high(_: Any, a: Any, b: Any) -> Any:  # noqa: ANN401, ARG001 - numba's own types; names that tell what is given
    """Give the high half of the product of two uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        word = context.get_value_type(signature.return_type)
        double = type(word)(2 * word.width)
        product = builder.mul(*(builder.zext(argument, double) for argument in arguments))
        return builder.trunc(builder.lshr(product, double(word.width)), word)

    return types.uint64(types.uint64, types.uint64), generate


def _packed(texts: list[str]) -> Array:
    """Put texts of up to seven bytes into a number each, their length in its highest byte."""
    return np.array([int.from_bytes(t.encode(), "little") | len(t) << 56 for t in texts], np.uint64)


_WHOLE = _packed([str(n) for n in range(_SCALE)])
_PADDED = _packed([f"{n:04}" for n in range(_SCALE)]).astype(np.uint32)
_FRACTION = _packed(["." + (f"{n:04}".rstrip("0") or "0") for n in range(_SCALE)])


def _powers() -> tuple[Array, Array]:
    """Give 10^k as 128 bits, the highest one set, rounded up; high and low half of each."""
    numbers = []
    for k in range(_MIN_POWER, _MAX_POWER + 1):
        if k >= 0:
            power = 10**k
            shift = power.bit_length() - 128
            numbers.append(-(-power >> shift) if shift > 0 else power << -shift)
        else:
            power = 10**-k
            numbers.append(-(-(1 << 127 + power.bit_length()) // power))
    return np.array([n >> 64 for n in numbers], np.uint64), np.array([n & (2**64 - 1) for n in numbers], np.uint64)


_HIGH, _LOW = _powers()


@inner
def _round_to_odd(row: int, value: Any) -> Any:  # noqa: ANN401 - uint64
    """Multiply with a power of ten; what is cut off makes the number odd."""
    product = _HIGH[row] * value
    low = product + _high(_LOW[row], value)
    high = _high(_HIGH[row], value)
    if low < product:
        high += np.uint64(1)
    return high | np.uint64(low > np.uint64(1))


@inner
def _shortest(bits: Any) -> Any:  # noqa: ANN401 - uint64 and int64
    """Give the digits (uint64) and the power of ten of a float64 that is positive and finite."""
    mantissa, biased = bits & np.uint64(0xFFFFFFFFFFFFF), np.int64(bits >> np.uint64(52))
    value, power = mantissa, np.int64(-1074)
    if biased:
        value, power = mantissa | np.uint64(1 << 52), biased - 1075
    if -53 < power <= 0 and value & ((np.uint64(1) << np.uint64(-power)) - np.uint64(1)) == 0:
        return value >> np.uint64(-power), np.int64(0)
    closer = mantissa == 0 and biased > 1
    odd = value & np.uint64(1)
    tens = (power * 1262611 - (524031 if closer else 0)) >> 22
    shift = np.uint64(power + ((-tens * 1741647) >> 19) + 1)
    row = signed(-tens - _MIN_POWER)
    four, two = value << np.uint64(2), np.uint64(2)
    lower = _round_to_odd(row, (four - two + np.uint64(closer)) << shift) + odd
    middle = _round_to_odd(row, four << shift)
    upper = _round_to_odd(row, (four + two) << shift) - odd
    digits, one = middle >> two, np.uint64(1)
    if digits >= np.uint64(10):
        fewer = digits // np.uint64(10)
        below, above = lower <= np.uint64(40) * fewer, np.uint64(40) * fewer + np.uint64(40) <= upper
        if below != above:
            return fewer + np.uint64(above), tens + 1
    below, above = lower <= digits << two, (digits << two) + np.uint64(4) <= upper
    if below != above:
        return digits + np.uint64(above), tens
    half = (digits << two) + two
    return digits + np.uint64(middle > half or (middle == half and digits & one != 0)), tens


@inlined
def _put_digits(digits: Any, count: int, out: Array, size: int) -> int:  # noqa: ANN401 - uint64
    """Write so many digits of a uint64, the last ones; gives the new size."""
    ten = np.uint64(10)
    for place in range(size + count - 1, size - 1, -1):
        out[np.uint64(place)] = np.uint64(_ZERO) + digits % ten
        digits //= ten
    return size + count


@inner
def _put_any(bits: Any, out: Array, size: int) -> int:  # noqa: ANN401 - uint64
    """Write a float64 that is positive and finite."""
    digits, power = _shortest(bits)
    ten = np.uint64(10)
    while digits % ten == 0:
        digits //= ten
        power += 1
    count, rest = 1, digits // ten
    while rest:
        count += 1
        rest //= ten
    point = count + power  # where the point stands, from the first digit
    if 0 < point <= _MOST_PLAIN_DIGITS:
        if power >= 0:
            size = _put_digits(digits, count, out, size)
            for _ in range(power):
                out[size] = _ZERO
                size += 1
            out[size], out[size + 1] = _DOT, _ZERO
            return size + 2
        divisor = np.uint64(1)
        for _ in range(-power):
            divisor *= ten
        size = _put_digits(digits // divisor, point, out, size)
        out[size] = _DOT
        return _put_digits(digits % divisor, -power, out, size + 1)
    if -5 < point <= 0:
        out[size], out[size + 1] = _ZERO, _DOT
        return _put_digits(digits, count - point, out, size + 2)
    last = size + 1
    _put_digits(digits, count, out, last)
    out[size] = out[last]
    if count > 1:
        out[last] = _DOT
        last += count
    return _put_exponent(point - 1, out, last)


@inner
def _put_exponent(power: int, out: Array, size: int) -> int:
    out[size] = _E
    size += 1
    out[size] = _PLUS
    if power < 0:
        out[size] = _MINUS
        power = -power
    size += 1
    count = 1 + (power >= 10) + (power >= 100)
    return _put_digits(np.uint64(power), count, out, size)


@inner
def _put_long(value: Any, out: Array, size: int) -> int:  # noqa: ANN401 - uint64
    """Write a long whole number but for its last four digits."""
    value //= np.uint64(_SCALE)
    count, rest = 1, value // np.uint64(10)
    while rest:
        count += 1
        rest //= np.uint64(10)
    return _put_digits(value, count, out, size)


@inlined
def put_whole(value: int, out: Array, size: int) -> int:
    """Write a whole number that is not negative; gives the new size. `SLACK` bytes behind it are not kept."""
    rest = np.uint64(value)
    if rest < np.uint64(_SCALE):
        text = _WHOLE[rest]
        store(out, size, text)
        return size + signed(text >> np.uint64(56))
    if rest >= np.uint64(_PLAIN):
        size = _put_long(rest, out, size)
    else:
        text = _WHOLE[rest // np.uint64(_SCALE)]
        store(out, size, text)
        size += signed(text >> np.uint64(56))
    store(out, size, _PADDED[rest % np.uint64(_SCALE)])
    return size + 4


@inlined
def put_number(value: Any, bits: Any, out: Array, size: int) -> int:  # noqa: ANN401 - float64 and its uint64
    """Write a float64; gives the new size, or -1 when it is not finite. `SLACK` bytes behind it are not kept.

    Parameters
    ----------
    bits
        The same 64 bits.
    """
    if bits >> np.uint64(63):
        out[size] = _MINUS
        size += 1
        value = -value
    if value < _PLAIN:
        tens = np.int64(value * 10_000.0 + 0.5)
        # Both are exact, so this is the float64 nearest to the decimal number of at most 12 digits.
        if np.float64(tens) / 10_000.0 == value:
            whole = signed(value)
            size = put_whole(whole, out, size)
            text = _FRACTION[np.uint64(tens - whole * _SCALE)]
            store(out, size, text)
            return size + signed(text >> np.uint64(56))
    elif not value < np.inf:
        return -1
    return _put_any(bits & np.uint64(0x7FFFFFFFFFFFFFFF), out, size)
