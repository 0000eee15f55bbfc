"""Label and macro, the pictures beside a scan's pixels: they show names, so nothing keeps them unasked."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import openslide
from PIL import Image

from pathserve.errors import PathServeError
from pathserve.pixels import PixelSource
from pathserve.slides import jpeg
from pathserve.slides.limits import MAX_TILE_PIXELS

Picture = npt.NDArray[np.uint8]

NAMES = ("label", "macro")
"""The pictures that can be kept; readers may call the macro image ``"overview"``."""

_ALSO_CALLED = {"macro": ("macro", "overview")}
_ENCODING = jpeg.Encoding(90, "444")


@runtime_checkable
class AssociatedImages(Protocol):
    """What a reader offers besides :class:`pathserve.pixels.PixelSource` when its format holds such pictures."""

    def associated_image(self, name: str) -> Picture | None:
        """Decode one picture to (h, w, 3) uint8, RGB; None when the scan has none of this name.

        Raises
        ------
        Corrupt
            When its bytes cannot be decoded.
        """
        ...


def read_associated(source: PixelSource, path: Path, name: str) -> Picture | None:
    """Decode the label or macro picture of an open scan to (h, w, 3) uint8, RGB; None when there is none to be read.

    Parameters
    ----------
    source
        Asked first, when its reader knows of such pictures; otherwise OpenSlide is.
    path
        The file of the scan.
    name
        One of ``NAMES``.
    """
    for called in _ALSO_CALLED.get(name, (name,)):
        picture = _of_reader(source, called)
        if picture is None:
            picture = _of_openslide(path, called)
        if picture is not None:
            return picture
    return None


def encode_neutral(picture: Picture) -> bytes:
    """Encode a picture from its pixels alone: nothing that its file said about it goes along."""
    return jpeg.encode(picture, _ENCODING)


def _of_reader(source: PixelSource, name: str) -> Picture | None:
    if not isinstance(source, AssociatedImages):
        return None
    try:
        picture = source.associated_image(name)
    except PathServeError:
        return None
    fits = picture is not None and picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8
    return picture if fits else None


def _of_openslide(path: Path, name: str) -> Picture | None:
    try:
        with openslide.OpenSlide(path) as slide:
            width = slide.properties.get(f"openslide.associated.{name}.width", "0")
            height = slide.properties.get(f"openslide.associated.{name}.height", "0")
            if not 0 < int(width) * int(height) <= MAX_TILE_PIXELS:
                return None
            picture = slide.associated_images[name]
    except (openslide.OpenSlideError, OSError, ValueError, KeyError):
        return None
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB"))
