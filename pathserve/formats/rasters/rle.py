"""COCO's run-length codes of masks: lengths of runs down the columns, background first, as numbers or as a text.

The text (maskApi of pycocotools, 2014) has six bits a character from ``0`` on: five of a value, lowest first, and one
that says whether more follow; from the fourth on, values are differences to the one two places before.
"""

import numpy as np
import numpy.typing as npt

from pathserve.errors import Invalid, TooLarge

Integers = npt.NDArray[np.int64]

MAX_PIXELS = 256 * 1024 * 1024
"""Most pixels of the box around a mask that is drawn."""

_MAX_SIDE = 10_000_000
_FIRST, _LAST = 48, 48 + 63
_MORE, _SIGN, _BITS = 0x20, 0x10, 5
_MOST_CHARACTERS = 12


def parse_counts(text: bytes) -> Integers:
    """Read the text form.

    Raises
    ------
    Invalid
        When it is none.
    """
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - _FIRST
    if len(codes) == 0 or codes.min() < 0 or codes.max() > _LAST - _FIRST or codes[-1] & _MORE:
        raise Invalid("The run-length code of a mask is damaged.", code="bad_rle")
    ends = np.flatnonzero((codes & _MORE) == 0)
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > _MOST_CHARACTERS:
        raise Invalid("The run-length code of a mask is damaged.", code="bad_rle")
    place = np.arange(len(codes)) - np.repeat(ends - lengths + 1, lengths)
    counts = np.add.reduceat((codes & (_MORE - 1)) << (_BITS * place), ends - lengths + 1)
    counts -= np.where(codes[ends] & _SIGN, 1, 0) << (_BITS * lengths)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts


def write_counts(counts: Integers) -> bytes:
    """Write the text form."""
    left = counts.copy()
    left[3:] -= counts[1:-2]
    codes = np.zeros((len(counts), _MOST_CHARACTERS), np.uint8)
    used = np.zeros((len(counts), _MOST_CHARACTERS), np.bool_)
    open_values = np.ones(len(counts), np.bool_)
    for place in range(_MOST_CHARACTERS):
        code = left & (_MORE - 1)
        left >>= _BITS
        more = np.where(code & _SIGN, left != -1, left != 0)
        codes[:, place] = code + np.where(more, _MORE, 0) + _FIRST
        used[:, place] = open_values
        open_values &= more
        if not open_values.any():
            break
    return codes[used].tobytes()


def check_counts(counts: Integers, height: int, width: int) -> Integers:
    """Give the lengths back when they cover a mask of this size.

    Raises
    ------
    Invalid
        When they do not.
    """
    fits = 0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE and len(counts) > 0
    # The sum as floats too, for that of whole numbers may come round to the right one.
    fits = fits and bool(counts.min() >= 0) and float(counts.sum(dtype=np.float64)) < 2 * _MAX_SIDE**2
    if not fits or int(counts.sum()) != height * width:
        raise Invalid("The run-length code of a mask does not cover its picture.", code="bad_rle")
    return counts


def draw_counts(counts: Integers, height: int) -> tuple[npt.NDArray[np.bool_], int, int]:
    """Draw a mask, only as large as what is in it.

    Parameters
    ----------
    counts, height
        As `check_counts` lets them through.

    Returns
    -------
    Mask (h, w), and the column and the row at which it begins in the whole; (0, 0) pixels for an empty one.

    Raises
    ------
    TooLarge
        When it has more than `MAX_PIXELS`.
    """
    ends = np.cumsum(counts)
    start, end = ends[0:-1:2], ends[1::2]
    start, end = start[: len(end)][end > start[: len(end)]], end[end > start[: len(end)]]
    if not len(start):
        return np.zeros((0, 0), np.bool_), 0, 0
    left, right = int(start[0] // height), int((end[-1] - 1) // height) + 1
    within = (start // height) == ((end - 1) // height)
    # A run that goes on in the next column reaches from top to bottom.
    top = int((start % height).min()) if within.all() else 0
    bottom = int(((end - 1) % height).max()) + 1 if within.all() else height
    if (right - left) * height > MAX_PIXELS:
        raise TooLarge("The mask is too large to be drawn.", code="mask_too_large")
    steps = np.zeros((right - left) * height + 1, np.int8)
    steps[start - left * height] += 1
    steps[end - left * height] -= 1
    filled = np.cumsum(steps[:-1], dtype=np.int8).reshape(right - left, height)
    return np.ascontiguousarray(filled[:, top:bottom].T).astype(np.bool_), left, top


def count_mask(mask: npt.NDArray[np.bool_], column: int, row: int, height: int, width: int) -> Integers:
    """Give the lengths of a mask (h, w) that lies at a column and a row of a picture; what is outside is cut off."""
    inside = mask[max(0, -row) : max(0, height - row), max(0, -column) : max(0, width - column)]
    column, row = max(column, 0), max(row, 0)
    down = np.zeros((inside.shape[1], inside.shape[0] + 2), np.int8)
    down[:, 1:-1] = inside.T
    steps = np.diff(down, axis=1)
    columns, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    first, last = (columns + column) * height + row + starts, (columns + column) * height + row + ends
    # Runs that meet over the edge between two columns are one.
    apart = first[1:] != last[:-1]
    first, last = first[np.append(True, apart)[: len(first)]], last[np.append(apart, True)[: len(last)]]
    edges = np.stack((first, last), axis=1).reshape(-1)
    counts = np.diff(edges, prepend=0, append=height * width).astype(np.int64)
    # As pycocotools has it, nothing is said of a last run without pixels.
    return counts[:-1] if len(counts) > 1 and counts[-1] == 0 else counts
