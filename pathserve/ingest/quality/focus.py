"""How sharp a tile is, whatever its stain and however strong. Pure.

The measure is the energy of fine detail in proportion to that of detail twice as coarse. Both grow alike with the
strength of a stain and with the amount of structure, so what is left is blur.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pathserve.ingest.quality.planes import Picture, Real

_FINE, _MIDDLE, _COARSE = 0.8, 1.6, 3.2
"""Standard deviations, in pixels, of the three Gaussians whose differences are the two bands."""

_LEAST_CONTRAST = 0.6
"""Grey levels (root mean square) of the coarser band; below, a tile shows nothing that could be sharp."""

MOST_BLUR = 6.0
"""Pixels; more blur than this cannot be told apart."""

BLURRED_UM = 0.75
"""Micrometres of blur from which a tile counts as out of focus: nuclear detail is lost."""

BLURRED_PX = (1.5, 3.0)
"""Bounds of that limit in pixels: good scans stay below the first; beyond the second all looks alike."""

UNKNOWN_PX = 2.0
"""The limit in pixels for scans that state no pixel size."""

COARSEST_MPP = 2.0
"""Micrometres per pixel beyond which a scan shows no detail that focus would spoil."""

EMPTY_PX = 1.8
"""Blur of even the sharpest tiles from which pixels are finer than anything in the picture."""

FINEST_MPP = 0.2
"""Micrometres per pixel below which optics resolve no pixel, so that all good scans are soft."""


def blur_of(tile: Picture) -> float | None:
    """Estimate how far a tile is blurred.

    The scene is taken as edges, whose power falls with the square of the frequency w (Field 1987). Blurred by a
    Gaussian of standard deviation s, the band between Gaussians a and b then holds the energy

        integral of (exp(-a2 w2 / 2) - exp(-b2 w2 / 2))2 exp(-s2 w2) / w2 dw
        = sqrt(pi) (2 sqrt((a2 + b2) / 2 + s2) - sqrt(a2 + s2) - sqrt(b2 + s2))

    and the ratio of two bands (as in the re-blur measure of Crete et al. 2007, without its threshold) tells s.

    Returns
    -------
    s in pixels, 0 (as sharp as pixels are) to ``MOST_BLUR``; None when the tile shows too little.
    """
    light = tile.mean(axis=2, dtype=np.float32)
    window = _window(*light.shape)
    seen = (light - (light * window).sum() / window.sum()) * window
    power = np.abs(np.fft.rfft2(seen)) ** 2
    fine, coarse = _bands(*light.shape)
    energy = float((power * coarse).sum()) / (light.size * float((window**2).sum()))
    if energy < _LEAST_CONTRAST**2:
        return None
    ratio = math.log(float((power * coarse).sum()) / max(float((power * fine).sum()), 1e-12))
    blurs, ratios = _scale()
    return float(np.interp(ratio, ratios, blurs))


def focus_limit(mpp: float | None) -> float | None:
    """Give the blur in pixels from which a tile is out of focus; None when the scan is too coarse to say.

    Parameters
    ----------
    mpp
        Micrometres per pixel of the tile, or None when they are not known.
    """
    if mpp is None:
        return UNKNOWN_PX
    if mpp > COARSEST_MPP:
        return None
    return min(max(BLURRED_UM / mpp, BLURRED_PX[0]), BLURRED_PX[1])


@lru_cache(maxsize=8)
def _window(height: int, width: int) -> Real:
    return np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)


@lru_cache(maxsize=8)
def _bands(height: int, width: int) -> tuple[Real, Real]:
    """Give the weights of the power spectrum's half that ``rfft2`` returns, for the fine and for the coarse band."""
    squared = (2 * np.pi * np.fft.fftfreq(height)[:, None]) ** 2 + (2 * np.pi * np.fft.rfftfreq(width)) ** 2
    halves = np.full(squared.shape[1], 2.0)
    halves[0] = 1.0
    if width % 2 == 0:
        halves[-1] = 1.0
    gauss = [np.exp(-(sigma**2) * squared / 2) for sigma in (_FINE, _MIDDLE, _COARSE)]
    fine, coarse = ((gauss[k] - gauss[k + 1]) ** 2 * halves for k in (0, 1))
    return fine.astype(np.float32), coarse.astype(np.float32)


@lru_cache(maxsize=1)
def _scale() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give blurs in pixels and the logarithm of coarse to fine energy that an edge of that blur has; both rise."""
    blurs = np.linspace(0, MOST_BLUR, 601)

    def energy(a: float, b: float) -> npt.NDArray[np.float64]:
        root = [np.sqrt(x + blurs**2) for x in (a * a, (a * a + b * b) / 2, b * b)]
        return 2 * root[1] - root[0] - root[2]

    return blurs, np.log(energy(_MIDDLE, _COARSE) / energy(_FINE, _MIDDLE))
