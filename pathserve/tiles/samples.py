"""The samples of one tile as they are stored, before anything is made of them that can be looked at."""

from dataclasses import dataclass

import numpy as np
from numcodecs import zstd
from PIL import Image

from pathserve.errors import Invalid
from pathserve.geometry import LevelRegion, Size
from pathserve.pixels import Plane, Samples
from pathserve.pyramid import Pyramid
from pathserve.pyramid.layout import Facts
from pathserve.tiles.compose import project
from pathserve.tiles.deepzoom import DeepZoom
from pathserve.tiles.view import ChannelView, View

_PACKED_LEVEL = 1  # of what is made on request


@dataclass(frozen=True, slots=True)
class SampleTile:
    """The samples of one tile: little-endian, channel by channel and row by row.

    Parameters
    ----------
    body
        The samples, or a Zstandard frame of them.
    shape
        Samples per pixel (3 of a colour scan, else 1), height, width.
    dtype
        Numpy name of the samples' type.
    packed
        Whether ``body`` is a Zstandard frame.
    """

    body: bytes
    shape: tuple[int, int, int]
    dtype: str
    packed: bool


def sample_planes(facts: Facts, view: View) -> tuple[Plane, ...]:
    """Tell which planes' greatest values a view without colours is about.

    Raises
    ------
    Invalid
        When it is not one channel without colour, window and gamma.
    NotFound, TooLarge
        As :meth:`pathserve.tiles.view.View.shown`.
    """
    shown = view.shown(facts)
    if any(channel != ChannelView(channel.number) for channel in view.channels):
        raise Invalid("Raw samples have no colour, window or gamma: name the channel alone, as c=0.")
    if len(shown) != 1:
        raise Invalid("Raw samples are those of one channel: name it, as c=0.")
    return shown[0].planes


def stored_samples(
    pyramid: Pyramid,
    grid: DeepZoom,
    address: tuple[int, int, int],
    region: LevelRegion,
    planes: tuple[Plane, ...],
    *,
    wait: bool = True,
) -> bytes | None:
    """Give the stored Zstandard frame where it is the tile; None where there is none or it is another tile's.

    Raises
    ------
    BlockingIOError
        When ``wait`` is False and the disk would have to be waited for.
    """
    facts, tile, (level, col, row) = pyramid.facts, grid.tile_size, address
    reduction = grid.reduction(level)
    if facts.storage != "zstd" or len(planes) > 1 or (facts.tile.width, facts.tile.height) != (tile, tile):
        return None
    if reduction >= facts.level_count or (region.width, region.height) != (tile, tile):
        return None
    return pyramid.chunk(reduction, col, row, planes[0], wait=wait)


def made_samples(
    pyramid: Pyramid, grid: DeepZoom, level: int, region: LevelRegion, planes: tuple[Plane, ...], *, packed: bool
) -> bytes:
    """Make the samples of a tile, as `SampleTile` has them, by decoding its planes."""
    pixels = project(planes, lambda plane: tile_samples(pyramid, grid, level, region, plane))
    little = np.moveaxis(pixels, 2, 0).astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    return zstd.compress(little, level=_PACKED_LEVEL, checksum=True) if packed else little


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
