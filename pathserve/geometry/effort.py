"""How much work a check or a repair of outlines can be at most, told before it begins: neither can be stopped.

What GEOS does for them grows with the pairs of edges that lie side by side, which for an honest outline are a few for
each edge, and for a hostile one all with all; and with the positions that are gone through to see which ring lies in
which.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pathserve.errors import TooLarge

Values = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOO_INTRICATE = "too_intricate"

FEW_POSITIONS = 2000
"""Outlines of no more positions are cheap, whatever they are: two million pairs."""

MAX_PAIRS = 50_000_000
"""Pairs of edges of an outline that is checked: up to 40 ns each, so two seconds."""

MAX_REPAIR_PAIRS = 10_000_000
"""Pairs of edges of an outline that is repaired: up to 200 ns each, so two seconds as well."""

MAX_STEPS = 500_000_000
"""Positions that are gone through for rings within rings: up to 3 ns each."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Upper bounds of what has to be looked at.

    Parameters
    ----------
    pairs
        Pairs of edges whose boxes can overlap: those that do so along x, or along y if these are fewer.
    steps
        Positions of rings, once for each other ring whose box can overlap theirs.
    """

    pairs: float
    steps: float

    def require_check(self) -> None:
        """Refuse what a check could take minutes or hours for.

        Raises
        ------
        TooLarge
            When there is too much to look at.
        """
        if self.pairs > MAX_PAIRS or self.steps > MAX_STEPS:
            raise TooLarge("Too many edges or rings of the outline lie side by side to check it.", code=TOO_INTRICATE)

    def require_repair(self) -> None:
        """Refuse what a repair could take as long for; raises as `require_check`."""
        if self.pairs > MAX_REPAIR_PAIRS or self.steps > MAX_STEPS:
            raise TooLarge(
                "The outline crosses itself, and too many of its edges or rings lie side by side to repair it.",
                code=TOO_INTRICATE,
            )


def effort(xy: Values, ring_starts: Ints) -> Effort:
    """Tell how much there is to look at in one geometry.

    Parameters
    ----------
    xy
        (n, 2) positions of all its rings.
    ring_starts
        (R + 1,) where each ring begins; every ring has two positions at least.

    Returns
    -------
    Upper bounds. Takes a few sorts of n numbers: 30 ms for 100,000 positions. Memory: ten times the input.
    """
    if len(xy) <= FEW_POSITIONS:
        return Effort(0.5 * len(xy) ** 2, float(len(xy) ** 2))
    edges = np.ones(len(xy) - 1, np.bool_)
    edges[ring_starts[1:-1] - 1] = False
    low, high = np.minimum(xy[:-1], xy[1:])[edges], np.maximum(xy[:-1], xy[1:])[edges]
    first = ring_starts[:-1]
    lengths = np.diff(ring_starts).astype(np.float64)
    lowest, highest = np.minimum.reduceat(xy, first), np.maximum.reduceat(xy, first)
    return Effort(
        pairs=min(_overlaps(low[:, axis], high[:, axis], 0.5) for axis in (0, 1)),
        steps=min(_overlaps(lowest[:, axis], highest[:, axis], lengths) for axis in (0, 1)),
    )


def _overlaps(low: Values, high: Values, weights: Values | float) -> float:
    """Sum up the weight of each interval for every other one that it overlaps or touches."""
    begun = np.searchsorted(np.sort(low), high, side="right")
    ended = np.searchsorted(np.sort(high), low, side="left")
    return float(((begun - ended - 1) * weights).sum())
