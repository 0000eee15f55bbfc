"""From a scan's own values to sRGB, by the ICC profile that its scanner wrote: one transform for a whole slide."""

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

Color = Literal["source", "srgb"]
"""``source``: the scan's own values. ``srgb``: converted by its profile; the same as ``source`` when it has none."""

Convert = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]

INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
"""White of the glass stays white, and colours that both devices know stay what they are."""

INTENT_NAME = "relative colorimetric"


UNSEEN = 1
"""A transform that changes no colour by more than this (of 255) is none: a JPEG tile made anew would change more."""


@dataclass(frozen=True, slots=True)
class ColorFacts:
    """What is known of a slide's colours: whether it has a profile, and whether that changes anything."""

    profile: bool
    converted: bool


_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE  # no cache: threads share the transform
_PROBES = 18  # values of each channel that are tried: multiples of 15
_SPACE = slice(16, 20)  # of a profile's header: the space of the values that it describes
_LOG = logging.getLogger(__name__)


def to_srgb(icc_profile: bytes | None) -> Convert | None:
    """Make the conversion of (h, w, 3) uint8 RGB arrays; None when there is nothing to convert.

    There is nothing to convert without a profile, and with one that is sRGB itself: then pixels are given as they are
    stored, and tiles as the bytes that lie there. A profile of greys belongs to grey pictures, whose channels are
    equal. A profile that cannot be read converts nothing and is logged: a slide without its colours is of more use than
    none.
    """
    if icc_profile is None:
        return None
    grey = icc_profile[_SPACE] == b"GRAY"
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(icc_profile)),
            ImageCms.createProfile("sRGB"),
            "L" if grey else "RGB",
            "RGB",
            renderingIntent=INTENT,
            flags=_FLAGS,
        )
    except (ImageCms.PyCMSError, OSError):
        _LOG.warning("a slide's colour profile cannot be read; its colours are left as they are")
        return None

    def convert(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return np.asarray(transform.apply(Image.fromarray(pixels[..., 1] if grey else pixels)))

    return None if _changes_nothing(convert, grey=grey) else convert


def _changes_nothing(convert: Convert, *, grey: bool) -> bool:
    """Tell whether no colour of a grid over the whole cube, nor any grey, is changed so that it could be seen."""
    steps = np.linspace(0, 255, 1 if grey else _PROBES).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    greys = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, -1, 3)
    colours = np.concatenate([cube, greys], axis=1)
    return int(np.abs(convert(colours).astype(np.int16) - colours).max()) <= UNSEEN
