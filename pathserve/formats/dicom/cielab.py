"""Colours of classes as DICOM has them: CIELab in three whole numbers of 16 bits (PS3.3 C.10.7.1.1).

The white point is that of sRGB (D65), as the readers and writers in use have it (highdicom, dcmqi); the standard's
profile connection space would have D50.
"""

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

from pathserve.labels import Color

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Of linear sRGB (IEC 61966-2-1)."""

_WHITE = _TO_XYZ.sum(axis=1)
_LAB = np.array([[0, 116, 0], [500, -500, 0], [0, 200, -200]])
_START = np.array([-16, 0, 0])
_LEAST, _SPAN = np.array([0, -128, -128]), np.array([100, 255, 255])
_EDGE = 6 / 29


def to_cielab(color: Color) -> list[int]:
    """Give what `Recommended Display CIELab Value` says of a colour (r, g, b)."""
    share = np.array(color) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    ratio = _TO_XYZ @ linear / _WHITE
    lab = _LAB @ np.where(ratio > _EDGE**3, np.cbrt(ratio), ratio / (3 * _EDGE**2) + 4 / 29) + _START
    scaled: list[int] = np.clip(np.rint((lab - _LEAST) / _SPAN * 0xFFFF), 0, 0xFFFF).astype(int).tolist()
    return scaled


def color_of(item: Dataset) -> Color | None:
    """Give the colour (r, g, b) that an annotation group or a segment states, or None."""
    values = item.get("RecommendedDisplayCIELabValue")
    if not isinstance(values, Sequence) or len(values) != 3:
        return None
    lab = np.array([int(value) for value in values]) / 0xFFFF * _SPAN + _LEAST
    root = np.linalg.solve(_LAB, lab - _START)
    ratio = np.where(root > _EDGE, root**3, 3 * _EDGE**2 * (root - 4 / 29))
    linear = np.clip(np.linalg.solve(_TO_XYZ, ratio * _WHITE), 0, 1)
    share = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.rint(share * 255).astype(int).tolist()
    return red, green, blue
