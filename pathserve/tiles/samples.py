"""The samples of one tile as they are stored, before anything is made of them that can be looked at."""

import numpy as np
from PIL import Image

from pathserve.geometry import LevelRegion, Size
from pathserve.pixels import Plane, Samples
from pathserve.pyramid import Pyramid
from pathserve.tiles.deepzoom import DeepZoom


def tile_samples(pyramid: Pyramid, grid: DeepZoom, level: int, region: LevelRegion, plane: Plane) -> Samples:
    """Decode a tile of one plane; below the smallest stored level that one is made to fit, as OpenSlide does.

    Parameters
    ----------
    level, region
        As :meth:`pathserve.tiles.deepzoom.DeepZoom.tile_region` takes and gives them.

    Returns
    -------
    (h, w, 3) uint8, RGB, of a colour scan; (h, w, 1) of the scan's type of others.

    Raises
    ------
    NotFound, Corrupt, Busy
        As the pyramid raises them.
    """
    reduction, smallest = grid.reduction(level), len(pyramid.levels) - 1
    if reduction <= smallest:
        return pyramid.read(reduction, region, plane)
    size = pyramid.levels[smallest]
    whole = pyramid.read(smallest, LevelRegion(0, 0, size.width, size.height), plane)
    right, bottom = region.lv_x + region.width, region.lv_y + region.height
    return _fitted(whole, grid.level_size(level))[region.lv_y : bottom, region.lv_x : right]


def _fitted(pixels: Samples, size: Size) -> Samples:
    """Resample to a size; integers of more than 8 bits by way of float32, rounded and cut to their type's range."""
    exact = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)
    image = Image.fromarray(exact if pixels.shape[2] == 3 else exact[..., 0])
    fitted = np.asarray(image.resize((size.width, size.height), Image.Resampling.LANCZOS))
    fitted = fitted.reshape(size.height, size.width, pixels.shape[2])
    if pixels.dtype.kind == "f" or pixels.dtype == np.uint8:
        return fitted
    limits = np.iinfo(pixels.dtype)
    return np.clip(np.rint(fitted.astype(np.float64)), limits.min, limits.max).astype(pixels.dtype)
