"""Pixel centres along one axis of a grid, compared with coordinates in exact arithmetic.

Floats decide whatever lies clear of a pixel centre. What lies within their error of one is settled in 64-bit
integers when the numbers have few enough binary digits (halves, 1/256 and the like), and in fractions otherwise.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from pathserve.errors import Invalid

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

EPS = float(np.finfo(np.float64).eps)

MAX_COORDINATE = 2.0**52
"""Largest coordinate that takes part in the arithmetic."""

_STEPS = (2.0**-40, 2.0**40)
INT_BITS = 61
"""Exact comparisons are made in int64 as long as no number in them needs more bits than this."""


@dataclass(frozen=True, slots=True)
class Axis:
    """``count`` pixel centres along x or y; that of pixel i lies at ``origin + (first + i + 0.5) * step``.

    Parameters
    ----------
    origin
        Level-0 pixels.
    step
        Level-0 pixels per output pixel, above 0.
    first
        Index of the first pixel, counted from the origin; may be negative.
    count
        Pixels.
    """

    origin: float
    step: float
    first: int
    count: int

    def __post_init__(self) -> None:
        if not _STEPS[0] <= self.step <= _STEPS[1]:
            raise Invalid("The downsample is out of range.")
        if max(abs(self.origin), abs(self.first) * self.step, self.count * self.step) > MAX_COORDINATE:
            raise Invalid("The region is out of range.")

    @property
    def centres(self) -> Floats:
        """The centres, rounded to float64, in level-0 pixels."""
        return self.origin + (self.first + np.arange(self.count, dtype=np.float64) + 0.5) * self.step

    @property
    def bits(self) -> int:
        """Binary digits after the point that every centre can be written with."""
        origin, half_step = fraction_bits(np.array([self.origin, self.step / 2]))
        return int(max(origin, half_step))

    @property
    def reach(self) -> float:
        """No centre, origin or distance between the two is larger than this."""
        return abs(self.origin) + (abs(self.first) + self.count + 1) * self.step

    def position(self, values: Floats) -> tuple[Floats, Floats]:
        """Give fractional pixel indices (0 at the first centre) and a bound of their error."""
        pixels = (values - self.origin) / self.step
        position = pixels - 0.5 - self.first
        return position, 4 * EPS * (np.abs(pixels) + abs(self.first) + 1)

    def scaled_centres(self, index: Integers, bits: Integers) -> Integers:
        """Give the centres of pixels ``index`` exactly, in units of ``2 ** -bits``; bits must be at least `bits`."""
        origin = np.ldexp(self.origin, bits).astype(np.int64)
        half_step = np.ldexp(self.step / 2, bits).astype(np.int64)
        return origin + (2 * (index + self.first) + 1) * half_step

    def first_at_or_after(self, values: Floats) -> Integers:
        """Find the first pixel whose centre is at or after each value, exactly; ``count`` when there is none.

        Parameters
        ----------
        values
            Array (n,), level-0 pixels, each at most `MAX_COORDINATE` in size.

        Returns
        -------
        Array (n,) of 0 to ``count``.
        """
        position, error = self.position(values)
        first = np.clip(np.ceil(position), 0, self.count).astype(np.int64)
        nearest = np.rint(position)
        unsure = (np.abs(position - nearest) <= error) & (nearest >= 0) & (nearest < self.count)
        picked = np.flatnonzero(unsure)
        if len(picked):
            first[picked] = self._settle(values[picked], nearest[picked].astype(np.int64), error[picked])
        return first

    def _settle(self, values: Floats, nearest: Integers, error: Floats) -> Integers:
        """Decide exactly between ``nearest`` and the pixel after it."""
        bits = np.maximum(fraction_bits(values), self.bits)
        reach = np.abs(values) + self.reach
        fits = (bits + np.log2(reach) < INT_BITS) & (error < 0.25)
        bits = np.where(fits, bits, 0)
        settled = np.empty_like(nearest)
        some = np.flatnonzero(fits)
        scaled = np.ldexp(values[some], bits[some]).astype(np.int64)
        before = self.scaled_centres(nearest[some], bits[some]) < scaled
        settled[some] = nearest[some] + before
        for index in np.flatnonzero(~fits):
            settled[index] = self.exact_first(Fraction(float(values[index])))
        return settled

    def exact_first(self, value: Fraction) -> int:
        """Do the same as `first_at_or_after` for one rational number."""
        pixel = math.ceil((value - Fraction(self.origin)) / Fraction(self.step) - Fraction(1, 2)) - self.first
        return min(max(pixel, 0), self.count)

    def exact_centre(self, index: int) -> Fraction:
        """Give the centre of one pixel as a fraction."""
        return Fraction(self.origin) + (self.first + index + Fraction(1, 2)) * Fraction(self.step)


def fraction_bits(values: Floats) -> Integers:
    """Count the binary digits after the point of each float; 0 for whole numbers."""
    mantissa, exponent = np.frexp(values)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    return np.where(whole == 0, 0, np.maximum(53 - exponent - lowest, 0)).astype(np.int64)
