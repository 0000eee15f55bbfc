"""Ink of pens and folds of the section, at low power. Pure."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pathserve.ingest.quality.planes import (
    Box,
    Mask,
    Picture,
    Real,
    blurred,
    boxes_of,
    dilated,
    eroded,
    label_parts,
    largest,
    optical_density,
    smallest,
    summed,
)
from pathserve.ingest.quality.tissue import Tissue

InkColour = Literal["green", "blue", "red", "black"]

MOST_BOXES = 8
"""Boxes that are told of one kind, largest first."""

_INK_DENSITY = 0.45
"""Least density, summed over the channels; paler, no hue can be trusted."""

_RED_DENSITY = 1.0
_BLACK_DENSITY, _BLACK_SPREAD = 0.7, 0.3
_INK_MM2, _INK_SHARE = 0.15, 0.002
"""Least area of a stroke: in square millimetres, or as a share of the picture when no pixel size is known."""

_STAIN_SHARE = 0.5
"""A hue that makes up more of what is not glass is the slide's own stain."""

_BARE_RING = 0.6
"""Share of glass around red and black: ink lies on glass, blood and pigment lie in tissue."""

_FOLD_MPP = (4.0, 16.0)
"""Micrometres per pixel at which folds are looked for: nuclei vanish, folds are some pixels wide."""

_FOLD_AROUND_UM = 300.0
_FOLD_RATIO, _FOLD_MEAN_RATIO, _FOLD_RISE = 1.5, 1.75, 0.15
"""Density against that of the tissue around: of each pixel, of a part on average; and rise of saturation less light."""

_FOLD_MM2, _FOLD_LENGTH_UM, _FOLD_WIDTH_UM, _FOLD_SLENDER = 0.009, 240.0, 120.0, 2.5
_DENSE_SHARE = 0.1
"""Share of dense places from which a tissue is so uneven by itself that none of them can be called a fold."""


@dataclass(frozen=True, slots=True)
class Found:
    """Marks of one kind; boxes are half-open pixels of the picture, largest part first, at most ``MOST_BOXES``."""

    mask: Mask
    boxes: tuple[Box, ...]


def find_ink(picture: Picture, tissue: Tissue, mpp: float | None) -> dict[InkColour, Found]:
    """Find strokes of felt pens by hues that neither haematoxylin, eosin nor DAB nor a mixture of them has.

    The hue is the share that each channel has in the density, which does not change with the amount of dye (van der
    Laak et al. 2000); stain vectors as in Ruifrok and Johnston 2001.

    Parameters
    ----------
    mpp
        Micrometres per pixel of the picture, or None.
    """
    if tissue.fluorescent:
        return {}
    density = optical_density(blurred(picture, 1))
    total = summed(density)
    red, green, blue = (density[..., c] / np.maximum(total, 1e-6) for c in range(3))
    hues: dict[InkColour, Mask] = {
        "green": (total > _INK_DENSITY) & (green < blue - 0.04) & (green < red - 0.12),
        "blue": (total > _INK_DENSITY) & (red > 0.47) & (red > green + 0.08) & (blue < 0.16),
        "red": (total > _RED_DENSITY) & (red < 0.1) & (blue > 0.4),
        "black": (smallest(density) > _BLACK_DENSITY) & (_spread(density) < _BLACK_SPREAD * total / 3),
    }
    least = _INK_SHARE * total.size if mpp is None else _INK_MM2 * 1e6 / mpp**2
    stained = tissue.mask.sum()
    found = dict[InkColour, Found]()
    for colour, hue in hues.items():
        seen = eroded(dilated(hue & ~tissue.fill, 2), 2)
        parts = _large_parts(seen, least)
        if colour in ("red", "black"):
            parts = [part for part in parts if _bare_around(part, tissue, seen)]
        mask = _union(parts, seen.shape)
        if parts and mask.sum() < _STAIN_SHARE * max(stained, mask.sum() + 1):
            found[colour] = Found(mask, tuple(part.box for part in parts[:MOST_BOXES]))
    return found


def find_folds(picture: Picture, tissue: Tissue, mpp: float | None) -> Found:
    """Find folds of the section: slender bands that are darker and more saturated than the tissue around them.

    Saturation less intensity sets doubled tissue apart (Bautista and Yagi 2009); where they take one threshold for a
    slide, here the band is compared with its own surroundings, since dense tissue is no fold.
    """
    nothing = Found(np.zeros(tissue.mask.shape, np.bool_), ())
    if mpp is None or not _FOLD_MPP[0] <= mpp <= _FOLD_MPP[1] or tissue.fluorescent or not tissue.mask.any():
        return nothing
    radius = max(2, round(_FOLD_AROUND_UM / mpp))
    smooth = blurred(picture, 1)
    high, low = largest(smooth).astype(np.float32), smallest(smooth).astype(np.float32)
    shift = np.float32(1) - low / np.maximum(high, 1) - high / np.float32(255)
    density = summed(optical_density(smooth)) / np.float32(3)
    around = np.maximum(_mean_inside(density, tissue.mask, radius), 0.02)
    ratio = np.asarray(density / around, np.float32)
    rise = shift - _mean_inside(shift + 1, tissue.mask, radius) + 1
    seen = eroded(dilated(tissue.mask & (ratio > _FOLD_RATIO) & (rise > _FOLD_RISE), 1), 1)
    if seen.sum() > _DENSE_SHARE * tissue.mask.sum():
        return nothing
    parts = [part for part in _large_parts(seen, _FOLD_MM2 * 1e6 / mpp**2) if _is_fold(part, ratio, mpp)]
    return Found(_union(parts, seen.shape), tuple(part.box for part in parts[:MOST_BOXES])) if parts else nothing


@dataclass(frozen=True, slots=True)
class _Part:
    box: Box
    mask: Mask
    """Inside the box."""


def _large_parts(mask: Mask, least: float) -> list[_Part]:
    labels, count = label_parts(mask)
    parts = []
    for number, (area, x0, y0, x1, y1) in enumerate(boxes_of(labels, count).tolist(), start=1):
        if area >= least:
            parts.append((area, _Part((x0, y0, x1, y1), labels[y0:y1, x0:x1] == number)))
    return [part for _, part in sorted(parts, key=lambda sized: -sized[0])]


def _union(parts: list[_Part], shape: tuple[int, ...]) -> Mask:
    out = np.zeros(shape, np.bool_)
    for part in parts:
        x0, y0, x1, y1 = part.box
        out[y0:y1, x0:x1] |= part.mask
    return out


def _bare_around(part: _Part, tissue: Tissue, ink: Mask) -> bool:
    """Tell whether glass lies around a part, rather than tissue."""
    x0, y0, x1, y1 = part.box
    window = slice(max(0, y0 - 10), y1 + 10), slice(max(0, x0 - 10), x1 + 10)
    own = _union([part], tissue.mask.shape)[window]
    ring = dilated(own, 10) & ~dilated(own, 5) & ~ink[window]
    return bool(ring.any()) and float(np.mean(~tissue.mask[window][ring] & ~tissue.fill[window][ring])) >= _BARE_RING


def _is_fold(part: _Part, ratio: Real, mpp: float) -> bool:
    """Tell whether a part is dense enough, long, narrow and slender; length and width by its second moments."""
    x0, y0, x1, y1 = part.box
    y, x = np.nonzero(part.mask)
    spread = np.linalg.eigvalsh(np.cov(np.stack([x, y]).astype(np.float64)) + np.eye(2) / 12)
    width, length = (float(np.sqrt(12 * value)) * mpp for value in spread)
    return (
        float(ratio[y0:y1, x0:x1][part.mask].mean()) >= _FOLD_MEAN_RATIO
        and length >= max(_FOLD_LENGTH_UM, _FOLD_SLENDER * width)
        and width <= _FOLD_WIDTH_UM
    )


def _spread(density: Real) -> Real:
    return np.asarray(largest(density) - smallest(density))


def _mean_inside(values: Real, mask: Mask, radius: int) -> Real:
    """Average what lies inside a mask over squares; in steps of 1/64, which is finer than the thresholds."""
    weight = blurred((mask * 255).astype(np.uint8), radius).astype(np.float32)
    scaled = np.clip(np.where(mask, values, 0) * 64, 0, 255).astype(np.uint8)
    return np.asarray(blurred(scaled, radius) / np.maximum(weight, 1) * (255 / 64), np.float32)
