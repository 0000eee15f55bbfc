"""Measurements out of JSON texts: what is left of many cells' properties is nearly the same, and packs to nothing.

A cell of QuPath has some hundred measurements as text of 17 digits each. As float64 they take 8 bytes at most.
"""

from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.native import kernels_of


def take_out(text: bytes) -> tuple[bytes, bytes, int] | None:
    """Take the decimal numbers (with a point or an exponent) out of JSON texts that follow each other.

    Returns
    -------
    tuple or None
        The text with a byte 1 in the place of each; the numbers as they stand, each with a comma behind; how many. None
        when the text has a byte 1 itself.
    """
    given = np.frombuffer(text, np.uint8)
    rest, numbers, sizes = np.empty(len(text), np.uint8), np.empty(2 * len(text), np.uint8), np.empty(2, np.int64)
    count = int(_kernels().take_out(given, rest, numbers, sizes))
    if count < 0:
        return None
    return rest[: sizes[0]].tobytes(), numbers[: sizes[1]].tobytes(), count


def put_back(rest: bytes, numbers: bytes, size: int) -> bytes | None:
    """Give the text of ``size`` bytes that `take_out` took apart; None when these are not its parts."""
    text = np.empty(size, np.uint8)
    written = _kernels().put_back(np.frombuffer(rest, np.uint8), np.frombuffer(numbers, np.uint8), text)
    return text.tobytes() if written == size else None


def by_column(count: int, stride: int) -> npt.NDArray[np.int64]:
    """Give the order of numbers in which those of one measurement follow each other; what fills no row is last.

    Parameters
    ----------
    count
        How many numbers there are.
    stride
        How many one text has; when texts differ in this, the order is as good, but packs less well.
    """
    whole = count // stride * stride
    return np.concatenate((np.arange(whole).reshape(-1, stride).T.reshape(-1), np.arange(whole, count)))


def as_floats(numbers: bytes) -> npt.NDArray[np.float64] | None:
    """Read numbers that `take_out` gave, when they can be written again to the same text; else None."""
    try:
        values = np.array(orjson.loads(b"[" + numbers[:-1] + b"]"), np.float64)
    except orjson.JSONDecodeError:
        return None
    return values if as_text(values) == numbers else None


def as_text(values: npt.NDArray[np.float64]) -> bytes:
    """Write numbers as `take_out` gives them."""
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","


def _kernels() -> SimpleNamespace:
    return kernels_of("pathserve.annotations.json_number_kernels")
