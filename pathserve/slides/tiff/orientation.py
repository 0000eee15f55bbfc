"""Pictures that are stored lying on a side: the Orientation tag as TIFF 6.0 defines it, 1 to 8."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.geometry import LevelRegion, Size

UPRIGHT = 1
_ORIENTATIONS = range(1, 9)
_TRANSPOSED = (5, 6, 7, 8)
_FROM_RIGHT = (2, 3, 7, 8)
_FROM_BOTTOM = (3, 4, 6, 7)
# From right and bottom in terms of the stored picture: 6 and 8 are 5 with one side swapped.


def read_orientation(value: object) -> int:
    """Read the tag; what is no orientation counts as upright."""
    return value if isinstance(value, int) and value in _ORIENTATIONS else UPRIGHT


def turned(size: Size, orientation: int) -> Size:
    """Give the size of the upright picture."""
    return Size(size.height, size.width) if orientation in _TRANSPOSED else size


def stored_region(region: LevelRegion, stored: Size, orientation: int) -> LevelRegion:
    """Find where a region of the upright picture lies in the stored one.

    Parameters
    ----------
    region
        Pixels of the upright picture.
    stored
        Size of the stored picture.
    """
    x, y, width, height = region.lv_x, region.lv_y, region.width, region.height
    if orientation in _TRANSPOSED:
        x, y, width, height = y, x, height, width
    if orientation in _FROM_RIGHT:
        x = stored.width - x - width
    if orientation in _FROM_BOTTOM:
        y = stored.height - y - height
    return LevelRegion(x, y, width, height)


def turn(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn stored pixels, (h, w, n), upright."""
    if orientation in _FROM_RIGHT:
        pixels = pixels[:, ::-1]
    if orientation in _FROM_BOTTOM:
        pixels = pixels[::-1]
    if orientation in _TRANSPOSED:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels)
