"""Points, sizes, regions and frames: plain values, no files, no storage.

Frames carry their name as a prefix: ``l0_`` level-0 pixels, ``lv_`` pixels of a level, ``t_`` tile column and row,
``um_`` micrometres. x grows right, y grows down, (0, 0) is the outer top-left corner of the first pixel, so the
centre of pixel (col, row) is (col + 0.5, row + 0.5). Regions are half-open.
"""

from pathserve.geometry.frames import Affine, LevelRegion, Mpp, PixelGrid, Region, Size
from pathserve.geometry.validity import CheckedGeometry, check_geometry

__all__ = [
    "Affine",
    "CheckedGeometry",
    "LevelRegion",
    "Mpp",
    "PixelGrid",
    "Region",
    "Size",
    "check_geometry",
]
