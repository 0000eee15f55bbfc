"""Value types for places and sizes, and the one output grid that images and masks share."""

import math
from dataclasses import dataclass
from typing import Self

from pathserve.errors import Invalid, TooLarge

MIN_DOWNSAMPLE, MAX_DOWNSAMPLE = 2.0**-20, 2.0**40
"""Bounds of level-0 pixels per output pixel; beyond them grids lose themselves in rounding."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise Invalid("A size must be at least one pixel by one pixel.")

    def halved(self) -> "Size":
        """Give the size one pyramid level down, rounded up so that no pixel is lost."""
        return Size(-(-self.width // 2), -(-self.height // 2))


@dataclass(frozen=True, slots=True)
class Region:
    """Half-open rectangle in level-0 pixels; fractions and places outside the slide are allowed."""

    l0_x: float
    l0_y: float
    l0_width: float
    l0_height: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.l0_x, self.l0_y, self.l0_width, self.l0_height))):
            raise Invalid("A region needs finite numbers.")
        if self.l0_width < 0 or self.l0_height < 0:
            raise Invalid("A region's width and height must not be negative.")

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """``(x0, y0, x1, y1)`` in level-0 pixels."""
        return self.l0_x, self.l0_y, self.l0_x + self.l0_width, self.l0_y + self.l0_height


@dataclass(frozen=True, slots=True)
class LevelRegion:
    """Half-open rectangle of whole pixels of one level."""

    lv_x: int
    lv_y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Mpp:
    """Micrometres per level-0 pixel along x and y; both finite and above 0."""

    x: float
    y: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x) and math.isfinite(self.y) and self.x > 0 and self.y > 0):
            raise Invalid("Micrometres per pixel must be finite and above 0.")


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """The output pixel grid that a region, its mask and their pair have in common.

    The centre of pixel (i, j), column i and row j, lies at
    ``(l0_x + (i + 0.5) * downsample_x, l0_y + (j + 0.5) * downsample_y)`` in level-0 pixels.

    Parameters
    ----------
    l0_x, l0_y
        Top-left corner in level-0 pixels; fractions and negatives are allowed.
    width, height
        Output pixels.
    downsample_x, downsample_y
        Level-0 pixels per output pixel, a real number from 2^-20 to 2^40 (below 1 enlarges).
    """

    l0_x: float
    l0_y: float
    width: int
    height: int
    downsample_x: float = 1.0
    downsample_y: float = 1.0

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise Invalid("Width and height must be at least one output pixel.")
        if not (math.isfinite(self.l0_x) and math.isfinite(self.l0_y)):
            raise Invalid("The corner of a region needs finite numbers.")
        for downsample in (self.downsample_x, self.downsample_y):
            if not MIN_DOWNSAMPLE <= downsample <= MAX_DOWNSAMPLE:
                raise Invalid("The downsample must lie between 2^-20 and 2^40.")

    @classmethod
    def at_mpp(cls, l0_x: float, l0_y: float, width: int, height: int, *, mpp: float, slide_mpp: Mpp) -> Self:
        """Make the grid of ``mpp`` micrometres per output pixel on a slide of ``slide_mpp``."""
        if not math.isfinite(mpp) or mpp <= 0:
            raise Invalid("Micrometres per pixel must be finite and above 0.")
        return cls(l0_x, l0_y, width, height, mpp / slide_mpp.x, mpp / slide_mpp.y)

    @property
    def region(self) -> Region:
        """The level-0 rectangle that the grid covers."""
        return Region(self.l0_x, self.l0_y, self.width * self.downsample_x, self.height * self.downsample_y)

    def require_at_most(self, pixels: int) -> None:
        """Refuse a grid of more than ``pixels`` output pixels.

        Raises
        ------
        TooLarge
            When width times height is over the limit.
        """
        if self.width * self.height > pixels:
            raise TooLarge(f"At most {pixels:,} output pixels can be asked for at once.")
