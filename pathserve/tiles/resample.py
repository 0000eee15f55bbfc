"""Pixels of a slide on exactly the grid that was asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pathserve.errors import Invalid
from pathserve.geometry import LevelRegion, PixelGrid, Size
from pathserve.pixels import FIRST_PLANE, Plane, Samples
from pathserve.pyramid import Pyramid

STRIP_PIXELS = 4 << 20
"""About how many stored pixels are decoded at a time."""

MAX_ANISOTROPY = 16.0
"""How many times the downsample along one axis may be that along the other."""

_ROUNDING = 1e-9  # a quotient of two mpp that means 2 may be a little less
# Neither filter overshoots: clipped overshoot would make a part differ from the same part of a larger region.
_REDUCING, _ENLARGING = Image.Resampling.HAMMING, Image.Resampling.BILINEAR
_SUPPORT = 1.0  # of both, in output pixels when reducing and in stored pixels when enlarging


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of a request.

    Output pixels ``start`` to ``stop`` show the slide. In stored pixels the first begins at
    ``origin`` and each is ``step`` long.
    """

    start: int
    stop: int
    origin: float
    step: float

    def window(self, first: int, last: int) -> tuple[float, float]:
        """Where output pixels ``first`` to ``last`` begin and end, in stored pixels."""
        return self.origin + (first - self.start) * self.step, self.origin + (last - self.start) * self.step

    def reach(self, first: int, last: int) -> tuple[int, int]:
        """Which stored pixels the filter looks at; may go beyond the level."""
        low, high = self.window(first, last)
        margin = _SUPPORT * max(self.step, 1.0) + 1
        return int(np.floor(low - margin)), int(np.ceil(high + margin))


def _axis(corner: float, downsample: float, count: int, slide: int, factor: int) -> _Axis:
    """Find the output pixels of an axis whose centres lie on the slide, half-open as everywhere."""
    start = int(np.clip(np.ceil(-corner / downsample - 0.5), 0, count))
    stop = int(np.clip(np.ceil((slide - corner) / downsample - 0.5), start, count))
    return _Axis(start, stop, (corner + start * downsample) / factor, downsample / factor)


def coarsest_level(grid: PixelGrid, level_count: int) -> int:
    """Find the stored level with the least pixels that is not coarser than the grid along either axis."""
    finest = min(grid.downsample_x, grid.downsample_y)
    level = 0
    while level + 1 < level_count and 2 ** (level + 1) <= finest * (1 + _ROUNDING):
        level += 1
    return level


def sample(pyramid: Pyramid, grid: PixelGrid, plane: Plane = FIRST_PLANE) -> Samples:
    """Give the pixels of one plane of a slide on a grid; what lies outside has the fill value (white in colour scans).

    Where grid and stored pixels coincide the stored pixels are given unchanged. Otherwise the coarsest stored level
    that is fine enough is resampled once, with a filter that widens as the picture shrinks, so that nothing aliases.
    Pixels whose centres lie outside the slide never mix into those inside.

    Memory: the answer, and strips of about ``STRIP_PIXELS`` stored pixels (at least one output row).

    Returns
    -------
    (h, w, 3) uint8, RGB, of a colour scan; else (h, w, 1) of the scan's type, and float32 where wider types than uint8
    are resampled.

    Raises
    ------
    Invalid
        When a pixel of the grid is larger than the slide, or more than ``MAX_ANISOTROPY`` times as long as wide.
    NotFound, Corrupt
        As the pyramid raises them.
    """
    _require_sensible(pyramid, grid)
    level = coarsest_level(grid, len(pyramid.levels))
    slide, factor = pyramid.facts.size, 2**level
    x = _axis(grid.l0_x, grid.downsample_x, grid.width, slide.width, factor)
    y = _axis(grid.l0_y, grid.downsample_y, grid.height, slide.height, factor)
    return _painted(pyramid, plane, level, x, y, Size(grid.width, grid.height))


def sample_level(pyramid: Pyramid, reduction: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> Samples:
    """Give a part of one plane of the whole slide halved ``reduction`` times, sizes rounded up.

    Stored levels are given as they are. Below them, each pixel whose centre lies on the slide is what `sample` makes of
    it. One in the last row or column whose centre lies outside has the slide's colour too, as in stored levels: there
    the slide's last pixels count as if they went on.

    Parameters
    ----------
    region
        Pixels of that level; none outside it.

    Memory, types, errors: as `sample`.
    """
    smallest = len(pyramid.levels) - 1
    if reduction <= smallest:
        return pyramid.read(reduction, region, plane)
    step = 2.0 ** (reduction - smallest)
    x = _Axis(0, region.width, region.lv_x * step, step)
    y = _Axis(0, region.height, region.lv_y * step, step)
    return _painted(pyramid, plane, smallest, x, y, Size(region.width, region.height))


def on_slide(pyramid: Pyramid, grid: PixelGrid) -> tuple[slice, slice]:
    """Tell which columns and rows of a grid have their centres on the slide."""
    slide = pyramid.facts.size
    x = _axis(grid.l0_x, grid.downsample_x, grid.width, slide.width, 1)
    y = _axis(grid.l0_y, grid.downsample_y, grid.height, slide.height, 1)
    return slice(x.start, x.stop), slice(y.start, y.stop)


def _painted(pyramid: Pyramid, plane: Plane, level: int, x: _Axis, y: _Axis, size: Size) -> Samples:
    """Make a picture of a size, with the pixels of the axes and the fill value around them."""
    facts = pyramid.facts
    kind = facts.dtype if facts.dtype == "uint8" or _coincide(x, y) else "float32"
    out = np.full((size.height, size.width, facts.samples), facts.fill, kind)
    if x.start == x.stop or y.start == y.stop:
        return out
    for first, last in _strips(x, y):
        out[first:last, x.start : x.stop] = _resampled(pyramid, plane, level, x, y, first, last)
    return out


def _require_sensible(pyramid: Pyramid, grid: PixelGrid) -> None:
    """Refuse grids whose pixels would take far more memory to make than to send."""
    size = pyramid.facts.size
    low, high = sorted((grid.downsample_x, grid.downsample_y))
    if high > 2 * max(size.width, size.height):
        raise Invalid("The downsample is larger than the slide.")
    if high > MAX_ANISOTROPY * low:
        raise Invalid(f"The downsample along one axis may be at most {MAX_ANISOTROPY:g} times that along the other.")


def _strips(x: _Axis, y: _Axis) -> Iterator[tuple[int, int]]:
    low, high = x.reach(x.start, x.stop)
    rows = max(1, int(STRIP_PIXELS / (high - low) / y.step))
    for first in range(y.start, y.stop, rows):
        yield first, min(first + rows, y.stop)


def _resampled(pyramid: Pyramid, plane: Plane, level: int, x: _Axis, y: _Axis, first: int, last: int) -> Samples:
    left, right = x.window(x.start, x.stop)
    top, bottom = y.window(first, last)
    if _coincide(x, y):
        return pyramid.read(level, LevelRegion(int(left), int(top), x.stop - x.start, last - first), plane)
    columns, rows = x.reach(x.start, x.stop), y.reach(first, last)
    patch = _patch(pyramid, plane, level, columns, rows)
    image = Image.fromarray(patch if pyramid.facts.rgb else patch[..., 0])
    kind = _REDUCING if min(x.step, y.step) >= 1 else _ENLARGING
    # One axis after the other, always in this order: Pillow chooses it by the picture's shape, and rounds in between.
    wide = (left - columns[0], 0, right - columns[0], image.height)
    image = image.resize((x.stop - x.start, image.height), kind, box=wide)
    tall = (0, top - rows[0], image.width, bottom - rows[0])
    image = image.resize((image.width, last - first), kind, box=tall)
    return np.asarray(image).reshape(last - first, x.stop - x.start, -1)


def _coincide(x: _Axis, y: _Axis) -> bool:
    """Tell whether output pixels are stored pixels."""
    return x.step == y.step == 1 and x.origin.is_integer() and y.origin.is_integer()


def _patch(pyramid: Pyramid, plane: Plane, level: int, columns: tuple[int, int], rows: tuple[int, int]) -> Samples:
    """Read stored pixels, the last ones repeated beyond the level's edge; wider types as float32."""
    size = pyramid.levels[level]
    x0, x1 = max(columns[0], 0), min(columns[1], size.width)
    y0, y1 = max(rows[0], 0), min(rows[1], size.height)
    pixels = pyramid.read(level, LevelRegion(x0, y0, x1 - x0, y1 - y0), plane)
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.float32)
    beyond = ((y0 - rows[0], rows[1] - y1), (x0 - columns[0], columns[1] - x1), (0, 0))
    return np.pad(pixels, beyond, mode="edge")
