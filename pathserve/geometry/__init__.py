"""Points, sizes, regions and frames: plain values, no files, no storage.

Frames carry their name as a prefix: ``l0_`` level-0 pixels, ``lv_`` pixels of a level, ``t_`` tile column and row,
``um_`` micrometres. x grows right, y grows down, (0, 0) is the outer top-left corner of the first pixel, so the
centre of pixel (col, row) is (col + 0.5, row + 0.5). Regions are half-open.

The geometry gate, `pathserve.geometry.validity`, is imported by its own name: it needs shapely, which the pixel wing
and its worker processes have no use for.
"""

from pathserve.geometry.frames import LevelRegion, Mpp, PixelGrid, Region, Size

__all__ = ["LevelRegion", "Mpp", "PixelGrid", "Region", "Size"]
