"""Plain JPEG and PNG fields: one level, decoded once."""

import warnings
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from pathserve.errors import Corrupt, TooLarge, Unsupported
from pathserve.geometry import LevelRegion
from pathserve.pixels import FIRST_PLANE, Level, Plane, SlideInfo
from pathserve.slides.limits import MAX_ICC_BYTES, field_names, require_inside, require_plane, require_size

_COLOUR_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"}
_FORMATS = ("JPEG", "PNG")
_TECHNICAL = {"jfif", "jfif_version", "jfif_density", "jfif_unit", "icc_profile", "transparency", "gamma", "interlace"}
_TECHNICAL |= {"adobe", "adobe_transform", "progressive", "progression", "srgb", "dpi", "aspect", "chromaticity"}


class PlainSource:
    """A JPEG or PNG picture as a scan of one level; its resolution tags are a camera's habit and no pixel size.

    Memory: the whole picture, 3 bytes a pixel, at most twice Pillow's ``MAX_IMAGE_PIXELS`` (179 million).
    """

    def __init__(self, path: Path) -> None:
        try:
            with warnings.catch_warnings():
                # Between one and two times its limit Pillow only warns; beyond it refuses, and so do we.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(path, formats=_FORMATS) as image:
                    self._pixels = _decode(image)
                    self._info = _info(image, self._pixels)
        except Image.DecompressionBombError:
            raise TooLarge("A plain picture may have at most 178 million pixels.") from None
        except UnidentifiedImageError:
            raise Unsupported("This file is no scan of a kind that PathServe reads.") from None
        except (OSError, ValueError, SyntaxError, EOFError):
            raise Corrupt("The picture cannot be decoded: it is damaged or cut off.") from None

    @property
    def info(self) -> SlideInfo:
        """The technical facts of the picture."""
        return self._info

    def read(self, level: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> npt.NDArray[np.uint8]:
        """Give a region as (h, w, 3) uint8, RGB."""
        require_plane(plane, self._info)
        require_inside(region, self._info.levels[level].size)
        rows = slice(region.lv_y, region.lv_y + region.height)
        return self._pixels[rows, region.lv_x : region.lv_x + region.width].copy()

    def encoded_tile(self, level: int, t_col: int, t_row: int, plane: Plane = FIRST_PLANE) -> bytes | None:
        """Refuse: a plain picture has no tiles."""
        raise ValueError(f"Level {level} of {plane} has no tile ({t_col}, {t_row}) that can be copied as it lies.")

    def close(self) -> None:
        """Let go of the pixels."""
        self._pixels = np.empty((0, 0, 3), np.uint8)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _decode(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Decode to (h, w, 3) uint8 RGB: upright by its EXIF orientation, transparent places white."""
    if image.mode not in _COLOUR_MODES:
        raise Unsupported("Pictures of more than 8 bits a channel are not handled yet.")
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.array(upright.convert("RGB"))


def _info(image: Image.Image, pixels: npt.NDArray[np.uint8]) -> SlideInfo:
    kind = "jpeg" if image.format == "JPEG" else "png"
    icc = image.info.get("icc_profile")
    height, width, _ = pixels.shape
    return SlideInfo(
        vendor=kind,
        levels=(Level(require_size(width, height), 1.0),),
        mpp=None,
        mpp_plausible=True,
        objective_power=None,
        codec=kind,
        icc_profile=icc if isinstance(icc, bytes) and 0 < len(icc) <= MAX_ICC_BYTES else None,
        dropped_metadata=field_names([str(name) for name in image.info if name not in _TECHNICAL]),
    )
