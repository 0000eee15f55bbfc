"""What is told to people about a slide's quality, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pathserve.geometry import Mpp
from pathserve.ingest.quality.planes import Box

HintKind = Literal[
    "no-tissue",
    "little-tissue",
    "pen",
    "fold",
    "blur",
    "soft",
    "clipped",
    "mpp-missing",
    "mpp-implausible",
]

_NO_TISSUE, _LITTLE_TISSUE = 0.0005, 0.005
_BLUR_SHARE, _CLIPPED_SHARE = 0.25, 0.01
_LEAST_TILES = 8
"""Tiles that must have been judged before anything is said about a whole slide's focus."""

_POWER_TIMES_MPP = (2.5, 40.0)
"""Objective power times micrometres per pixel: 10 in most scanners; beyond these bounds one of both is wrong."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Something that somebody should look at before the slide is used.

    Parameters
    ----------
    share
        Of the tissue (fold), of the tiles that were looked at (blur, soft), of their pixels (clipped), of the scanned
        area (pen, no-tissue, little-tissue); None where there is nothing to measure.
    boxes
        Half-open, level-0 pixels; the largest or worst ones.
    """

    kind: HintKind
    share: float | None
    boxes: tuple[Box, ...]
    sentence: str


def size_hints(mpp: Mpp | None, objective_power: float | None, *, plausible: bool) -> list[Hint]:
    """Tell what is wrong with the stated pixel size."""
    if mpp is None:
        return [Hint("mpp-missing", None, (), "The scan states no pixel size, so nothing can be measured on it.")]
    if not plausible:
        return [Hint("mpp-implausible", None, (), "The scan states a pixel size that no microscope has.")]
    low, high = _POWER_TIMES_MPP
    if objective_power is not None and not low <= objective_power * (mpp.x + mpp.y) / 2 <= high:
        return [Hint("mpp-implausible", None, (), "The stated pixel size does not go with the stated objective.")]
    return []


def tissue_hints(share: float) -> list[Hint]:
    """Tell when a slide shows hardly any tissue."""
    if share < _NO_TISSUE:
        return [Hint("no-tissue", share, (), "No tissue was found.")]
    if share < _LITTLE_TISSUE:
        return [Hint("little-tissue", share, (), "Less than half a percent of the scanned area is tissue.")]
    return []


def pen_hint(colours: Sequence[str], share: float, boxes: tuple[Box, ...]) -> Hint:
    """Tell about pen marks."""
    return Hint("pen", share, boxes, f"There seem to be pen marks ({', '.join(colours)}).")


def fold_hint(share: float, boxes: tuple[Box, ...]) -> Hint:
    """Tell about folds."""
    return Hint("fold", share, boxes, "The section seems to be folded.")


def focus_hints(blurred: float, judged: int, boxes: tuple[Box, ...], *, all_soft: bool) -> list[Hint]:
    """Tell about focus; ``blurred`` is the share of the ``judged`` tiles that are out of focus."""
    if judged < _LEAST_TILES:
        return []
    if all_soft:
        sentence = "Not even the sharpest places have detail as fine as a pixel: out of focus, or enlarged."
        return [Hint("soft", 1.0, (), sentence)]
    if blurred >= _BLUR_SHARE:
        return [
            Hint("blur", blurred, boxes, f"{round(100 * blurred)} % of the tissue tiles looked at are out of focus.")
        ]
    return []


def clipped_hints(share: float | None) -> list[Hint]:
    """Tell when bright fluorescence was cut off by the camera."""
    if share is None or share < _CLIPPED_SHARE:
        return []
    return [Hint("clipped", share, (), "The brightest pixels all have the largest value: the exposure was too long.")]
