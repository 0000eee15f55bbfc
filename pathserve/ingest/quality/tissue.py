"""Where on a slide there is tissue, at low power. Pure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from pathserve.ingest.quality.planes import (
    Grey,
    Mask,
    Picture,
    blurred,
    dilated,
    eroded,
    largest,
    optical_density,
    otsu,
    smallest,
    without_small,
)

_FILL_LIGHT = 12
"""A scanner's padding is at most this bright, without a grain; no stain absorbs all light of all colours."""

_GLASS_LIGHT, _GLASS_CHROMA, _GLASS_GRAIN = 170, 24, 4
_GLASS_LEAST = 0.002
_FAINT, _STRONG = 0.02, 0.06
"""Bounds of the threshold on coloured density: what glass's own noise reaches; what pale eosin or fat still has."""

_GREY_FAINT, _GREY_STRONG = 0.06, 0.25
_DARK = 0.45
"""Density that counts as tissue without any colour; edges of cover slips and dust stay below."""

_CLOSING = 3
_LEAST_PART = 0.0002
"""Share of the picture; smaller parts are specks."""


@dataclass(frozen=True, slots=True)
class Tissue:
    """What is where on a low-power picture; masks are (h, w) bool.

    Parameters
    ----------
    mask
        Tissue.
    fill
        What the scanner padded and nobody scanned.
    fluorescent
        Whether tissue is what is bright.
    """

    mask: Mask
    fill: Mask
    fluorescent: bool

    @property
    def share(self) -> float:
        """Share of the scanned area that is tissue, 0 to 1."""
        scanned = self.mask.size - int(self.fill.sum())
        return float(self.mask.sum()) / scanned if scanned else 0.0


def find_tissue(picture: Picture) -> Tissue:
    """Tell tissue from glass, or from darkness in fluorescence.

    Memory: about ten float32 pictures.
    """
    fluorescent = is_fluorescent(picture)
    if fluorescent:
        fill = np.zeros(picture.shape[:2], np.bool_)
        found = _bright(picture)
    else:
        fill = _padding(picture)
        found = _stained(picture, fill) & ~fill
    closed = eroded(dilated(found, _CLOSING), _CLOSING) & ~fill
    opened = dilated(eroded(closed, 1), 1) & closed
    return Tissue(without_small(opened, max(16, _LEAST_PART * opened.size)), fill, fluorescent)


def is_fluorescent(picture: Picture) -> bool:
    """Tell whether a picture is bright on dark: most of it dark, and none of it like lit glass."""
    lightest, darkest = largest(picture), smallest(picture)
    return bool(np.mean(darkest > 180) < 0.005 and np.mean(lightest < 64) > 0.3)


def _padding(picture: Picture) -> Mask:
    black = largest(picture) <= _FILL_LIGHT
    return dilated(eroded(black, 3), 5) if black.any() else black


def _stained(picture: Picture, fill: Mask) -> Mask:
    """Tell what absorbs light by colour, after Beer and Lambert, against the glass of this very slide.

    Shade without colour (uneven light, edges of cover slips) changes the density of all three channels alike and so not
    the difference between the largest and the smallest.
    """
    glass = _glass(picture, fill)
    if glass is None:
        return ~fill
    density = optical_density(blurred(picture, 1)) - optical_density(glass.colour[None, None])
    shade = smallest(density)
    colour = largest(density) - shade
    seen = ~fill
    if _is_grey(picture):
        return np.asarray(shade > np.clip(otsu(shade[seen], 0.0, 1.0), _GREY_FAINT, _GREY_STRONG))
    noise = 1.5 * float(np.quantile(colour[glass.where], 0.95))
    limit = np.clip(max(noise, _FAINT), _FAINT, _STRONG)
    return np.asarray((colour > limit) | (shade > _DARK))


@dataclass(frozen=True, slots=True)
class _Glass:
    colour: npt.NDArray[np.uint8]
    where: Mask


def _glass(picture: Picture, fill: Mask) -> _Glass | None:
    """Find bare glass: the commonest colour that is bright, has hardly a hue and no grain; None without any."""
    light = _grey(picture)
    apart = np.abs(light.astype(np.int16) - blurred(light, 2)).astype(np.uint8)
    grain = blurred(apart, 2)
    low, high = smallest(picture), largest(picture)
    where = (low >= _GLASS_LIGHT) & (high - low <= _GLASS_CHROMA) & (grain < _GLASS_GRAIN) & ~fill
    if where.sum() < max(64, _GLASS_LEAST * where.size):
        return None
    counts = np.bincount(light[where], minlength=256)
    peak = int(np.convolve(counts, np.ones(5), "same").argmax())
    where &= np.abs(light.astype(np.int16) - peak) <= 6
    return _Glass(np.rint(np.median(picture[where], axis=0)).astype(np.uint8), where)


def _bright(picture: Picture) -> Mask:
    """Tell what shines: above the dark's own noise, and not demanding more than Otsu's threshold."""
    light = blurred(largest(picture), 2).astype(np.float32)
    dark = float(np.quantile(light, 0.1))
    below = light[light <= np.median(light)]
    noise = 1.4826 * float(np.median(np.abs(below - np.median(below))))
    return np.asarray(light > min(dark + max(6.0, 6.0 * noise), max(otsu(light, 0.0, 256.0), dark + 6.0)))


def _is_grey(picture: Picture) -> bool:
    """Tell whether a scan has no colour at all; an empty slide in colour has at least a grain of it."""
    return bool(np.mean(largest(picture) - smallest(picture) > 1) < 0.01)


def _grey(picture: Picture) -> Grey:
    return np.asarray(Image.fromarray(picture).convert("L"))
