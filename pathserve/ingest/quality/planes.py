"""Small tools over whole pictures that the judges of quality share. Pure."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

_Number = TypeVar("_Number", np.uint8, np.float32)
Mask = npt.NDArray[np.bool_]
Real = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]
"""(h, w) uint8."""

Picture = npt.NDArray[np.uint8]
"""(h, w, 3) uint8, RGB."""

Box = tuple[int, int, int, int]
"""Half-open (x0, y0, x1, y1)."""


def blurred(picture: Picture | Grey, radius: int) -> npt.NDArray[np.uint8]:
    """Average over squares of ``2 * radius + 1`` pixels; the outermost pixels go on beyond the edge."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.BoxBlur(radius)))


def dilated(mask: Mask, radius: int) -> Mask:
    """Grow a mask by a square."""
    for axis in (0, 1):
        grown = mask.copy()
        for step in range(1, radius + 1):
            ahead, behind = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
            grown[tuple(behind)] |= mask[tuple(ahead)]
            grown[tuple(ahead)] |= mask[tuple(behind)]
        mask = grown
    return mask


def eroded(mask: Mask, radius: int) -> Mask:
    """Shrink a mask by a square; beyond the picture it goes on."""
    return ~dilated(~mask, radius)


def largest(channels: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    """Give the largest of three channels, (h, w); several times faster than ``max`` over so short an axis."""
    return np.asarray(np.maximum(np.maximum(channels[..., 0], channels[..., 1]), channels[..., 2]))


def smallest(channels: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    """Give the smallest of three channels, (h, w)."""
    return np.asarray(np.minimum(np.minimum(channels[..., 0], channels[..., 1]), channels[..., 2]))


def summed(channels: Real) -> Real:
    """Give the sum of three channels, (h, w)."""
    return channels[..., 0] + channels[..., 1] + channels[..., 2]


def optical_density(picture: Picture) -> Real:
    """Give -log10 of the share of light that came through, (h, w, 3); 0 is all of it (Ruifrok and Johnston 2001)."""
    table = -np.log10((np.arange(256, dtype=np.float32) + 1) / 256)
    return table[picture]


def otsu(values: Real, low: float, high: float) -> float:
    """Find what parts ``values`` best into two classes (Otsu 1979), over 256 bins from ``low`` to ``high``."""
    counts, edges = np.histogram(values, bins=256, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * centres).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = 1.0 * below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    if not np.isfinite(between).any():
        return high
    return float(edges[1 + int(np.nanargmax(np.where(np.isfinite(between), between, np.nan)))])


def label_parts(mask: Mask) -> tuple[npt.NDArray[np.int32], int]:
    """Give each part of a mask that hangs together, over edges or corners, a number from 1; 0 is outside.

    Rosenfeld and Pfaltz 1966, over runs of rows: memory and time grow with the runs, not with the pixels.

    Returns
    -------
    The numbers, (h, w) int32, and how many there are.
    """
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    first = np.searchsorted(rows, np.arange(mask.shape[0] + 1)).tolist()
    left, right = starts.tolist(), ends.tolist()
    for row in range(1, mask.shape[0]):
        over, run = first[row - 1], first[row]
        while over < first[row] and run < first[row + 1]:
            if left[over] <= right[run] and left[run] <= right[over]:
                one, other = root(over), root(run)
                parent[max(one, other)] = min(one, other)
            if right[over] < right[run]:
                over += 1
            else:
                run += 1
    _, numbers = np.unique(np.array([root(run) for run in range(len(parent))], np.int32), return_inverse=True)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = np.repeat(numbers.astype(np.int32) + 1, ends - starts)
    return labels, int(numbers.max(initial=-1)) + 1


def boxes_of(labels: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.int64]:
    """Give each part's area in pixels and half-open box as (count, 5): area, x0, y0, x1, y1."""
    y, x = np.nonzero(labels)
    numbers = labels[y, x] - 1
    out = np.zeros((count, 5), np.int64)
    out[:, 0] = np.bincount(numbers, minlength=count)
    out[:, 1:3] = np.iinfo(np.int64).max
    np.minimum.at(out[:, 1], numbers, x)
    np.minimum.at(out[:, 2], numbers, y)
    np.maximum.at(out[:, 3], numbers, x + 1)
    np.maximum.at(out[:, 4], numbers, y + 1)
    return out


def without_small(mask: Mask, least: float) -> Mask:
    """Drop the parts of a mask of fewer than ``least`` pixels."""
    labels, count = label_parts(mask)
    keep = np.append(False, np.bincount(labels.ravel(), minlength=count + 1)[1:] >= least)
    return np.asarray(keep[labels], np.bool_)
