"""The samples of one tile as they are stored, before anything is made of them that can be looked at."""

from dataclasses import dataclass

import numpy as np
from numcodecs import zstd

from pathserve.errors import Invalid
from pathserve.geometry import LevelRegion
from pathserve.pixels import Plane, Samples
from pathserve.pyramid import Pyramid
from pathserve.pyramid.layout import Facts
from pathserve.tiles.compose import project
from pathserve.tiles.deepzoom import DeepZoom
from pathserve.tiles.resample import sample_level
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
    level, col, row = address
    columns, rows = grid.whole_chunks(pyramid.facts, level)
    if pyramid.facts.storage != "zstd" or len(planes) > 1 or col >= columns or row >= rows:
        return None
    return pyramid.chunk(grid.reduction(level), col, row, planes[0], wait=wait)


def made_samples(
    pyramid: Pyramid, grid: DeepZoom, level: int, region: LevelRegion, planes: tuple[Plane, ...], *, packed: bool
) -> bytes:
    """Make the samples of a tile, as `SampleTile` has them, by decoding its planes."""
    reduction = grid.reduction(level)
    made = project(planes, lambda plane: sample_level(pyramid, reduction, region, plane))
    pixels = _in_type(made, pyramid.facts.dtype)
    little = np.moveaxis(pixels, 2, 0).astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    return zstd.compress(little, level=_PACKED_LEVEL, checksum=True) if packed else little


def _in_type(pixels: Samples, dtype: str) -> Samples:
    """Give samples in the slide's type: what was resampled is rounded, and cut to the range of integers."""
    if pixels.dtype == dtype:
        return pixels
    limits = np.iinfo(dtype)
    return np.clip(np.rint(pixels.astype(np.float64)), limits.min, limits.max).astype(dtype)
