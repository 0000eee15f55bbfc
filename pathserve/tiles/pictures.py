"""An open slide, and the pictures that are made of it: parts of levels and any grid, put together of its channels."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from pathserve.errors import TooLarge
from pathserve.geometry import LevelRegion, PixelGrid, Size
from pathserve.pixels import Plane, Samples
from pathserve.pyramid import Pyramid
from pathserve.pyramid.storage import Files
from pathserve.tiles.colour import Color, Convert
from pathserve.tiles.compose import compose
from pathserve.tiles.deepzoom import DeepZoom
from pathserve.tiles.resample import on_slide, sample, sample_level
from pathserve.tiles.view import View, Window

MAX_SAMPLES = 1 << 29
"""Samples of all channels and planes that one picture can be put together of."""

STRIP_PIXELS = 1 << 22
"""About how many pixels of channels are put together at a time."""

Picture = npt.NDArray[np.uint8]
"""(h, w, 3), RGB."""


def require_few(samples: int) -> None:
    """Refuse a picture of more than ``MAX_SAMPLES`` samples as `TooLarge`."""
    if samples > MAX_SAMPLES:
        raise TooLarge("This picture takes too many samples: ask for fewer channels, planes or pixels.")


@dataclass(frozen=True, slots=True)
class OpenSlide:
    """A pyramid that is open, its grid, where it lies and which manifest it had there, and its way to sRGB.

    Raises
    ------
    NotFound
        By what makes pictures: when the slide has no such channel, plane or time.
    Corrupt
        When stored bytes are missing or damaged.
    Busy
        When the level that it takes is still being built.
    TooLarge
        When channels and planes together have more than ``MAX_SAMPLES`` samples.
    """

    pyramid: Pyramid
    grid: DeepZoom
    files: Files
    identity: Hashable
    to_srgb: Convert | None

    def converts(self, color: Color) -> bool:
        """Tell whether pixels of this colour differ from those that are stored."""
        return color == "srgb" and self.to_srgb is not None

    def in_color(self, pixels: Picture, color: Color) -> Picture:
        """Give pixels in a colour; themselves when it is that in which they are stored."""
        return self.to_srgb(pixels) if color == "srgb" and self.to_srgb is not None else pixels

    def part_of_level(self, level: int, region: LevelRegion, view: View) -> Picture:
        """Make a picture of a part of a Deep Zoom level."""
        reduction = self.grid.reduction(level)

        def read(first: int, last: int, plane: Plane) -> Samples:
            rows = LevelRegion(region.lv_x, region.lv_y + first, region.width, last - first)
            return sample_level(self.pyramid, reduction, rows, plane)

        return self._composed(view, Size(region.width, region.height), read)

    def sampled(self, grid: PixelGrid, view: View) -> Picture:
        """Make a picture on a grid; of the whole slide at a level's size it is that level, whoever asks for it.

        Outside the slide it is white where the slide is in colour, else black.
        """
        level = self.grid.level_on(grid)
        if level is not None:
            return self.part_of_level(level, LevelRegion(0, 0, grid.width, grid.height), view)

        def read(first: int, last: int, plane: Plane) -> Samples:
            rows = replace(grid, l0_y=grid.l0_y + first * grid.downsample_y, height=last - first)
            return sample(self.pyramid, rows, plane)

        picture = self._composed(view, Size(grid.width, grid.height), read)
        if not self.pyramid.facts.rgb:  # a window can make the fill value bright
            columns, rows = on_slide(self.pyramid, grid)
            picture[: rows.start] = picture[rows.stop :] = 0
            picture[:, : columns.start] = picture[:, columns.stop :] = 0
        return picture

    def _composed(self, view: View, size: Size, read: Callable[[int, int, Plane], Samples]) -> Picture:
        """Compose so many rows at a time that channels take little more memory than the picture.

        Parameters
        ----------
        read
            Gives rows ``first`` to ``last`` of a plane.
        """
        facts = self.pyramid.facts
        require_few(size.width * size.height * sum(len(channel.planes) for channel in view.shown(facts)))
        rows = size.height if facts.rgb else max(1, STRIP_PIXELS // size.width)
        if rows >= size.height:
            return compose(facts, view, partial(read, 0, size.height), auto=self._window)
        picture = np.empty((size.height, size.width, 3), np.uint8)
        for first in range(0, size.height, rows):
            last = min(first + rows, size.height)
            picture[first:last] = compose(facts, view, partial(read, first, last), auto=self._window)
        return picture

    def _window(self, channel: int) -> Window:
        return self.pyramid.histograms()[channel].window
