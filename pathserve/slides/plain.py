"""Plain JPEG, PNG and JPEG 2000 fields: one level, decoded once."""

import struct
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from pathserve.errors import Corrupt, TooLarge, Unsupported
from pathserve.geometry import LevelRegion
from pathserve.pixels import FIRST_PLANE, RGB_CHANNELS, Channel, Level, Plane, Samples, SlideInfo
from pathserve.slides import jp2
from pathserve.slides.channels import make_channel
from pathserve.slides.limits import MAX_ICC_BYTES, field_names, require_inside, require_plane, require_size
from pathserve.slides.tiff.orientation import read_orientation, turn

_COLOUR_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"}
_FORMATS = ("JPEG", "PNG", "JPEG2000")
_KINDS = {"JPEG": "jpeg", "PNG": "png", "JPEG2000": "jpeg2000"}
_ORIENTATION = 0x0112
_PNG = b"\x89PNG\r\n\x1a\n"
_CODESTREAM = b"\xff\x4f\xff\x51"
MAGIC = (b"\xff\xd8\xff", _PNG, jp2.SIGNATURE, _CODESTREAM)
"""First bytes of the pictures that are read here."""

_HEADER_BYTES = 1 << 10
_TECHNICAL = {"jfif", "jfif_version", "jfif_density", "jfif_unit", "icc_profile", "transparency", "gamma", "interlace"}
_TECHNICAL |= {"adobe", "adobe_transform", "progressive", "progression", "srgb", "dpi", "aspect", "chromaticity"}


class PlainSource:
    """A JPEG, PNG or JPEG 2000 picture as a scan of one level; its resolution is a camera's habit and no pixel size.

    Pictures of 8 bits are in colour, grey ones too; those of more are channels of 16 bits, without transparency.
    Memory: the whole picture, 3 or 6 bytes a pixel, at most twice Pillow's ``MAX_IMAGE_PIXELS`` (179 million).
    """

    def __init__(self, path: Path) -> None:
        try:
            with warnings.catch_warnings():
                # Between one and two times its limit Pillow only warns; beyond it refuses, and so do we.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(path, formats=_FORMATS) as image:
                    deep = _bits(path) > 8
                    self._pixels: Samples = _decode_deep(path, image) if deep else _decode(image)
                    icc = image.info.get("icc_profile") or jp2.find_profile(path)  # Pillow passes over that of a JP2
                    self._info = _info(image, self._pixels, icc)
        except Image.DecompressionBombError:
            raise TooLarge("A plain picture may have at most 178 million pixels.") from None
        except UnidentifiedImageError:
            raise Unsupported("This file is no scan of a kind that PathServe reads.") from None
        except (OSError, ValueError, SyntaxError, EOFError, RuntimeError, LookupError, struct.error):
            raise Corrupt("The picture cannot be decoded: it is damaged or cut off.") from None

    @property
    def info(self) -> SlideInfo:
        """The technical facts of the picture."""
        return self._info

    def read(self, level: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> Samples:
        """Give a region; see :class:`pathserve.pixels.PixelSource`."""
        require_plane(plane, self._info)
        require_inside(region, self._info.levels[level].size)
        rows, columns = slice(region.lv_y, region.lv_y + region.height), slice(region.lv_x, region.lv_x + region.width)
        samples = slice(0, 3) if self._info.rgb else slice(plane.c, plane.c + 1)
        return self._pixels[rows, columns, samples].copy()

    def encoded_tile(self, level: int, t_col: int, t_row: int, plane: Plane = FIRST_PLANE) -> bytes | None:
        """Refuse: a plain picture has no tiles."""
        raise ValueError(f"Level {level} of {plane} has no tile ({t_col}, {t_row}) that can be copied as it lies.")

    def close(self) -> None:
        """Let go of the pixels."""
        self._pixels = np.empty((0, 0, 3), self._pixels.dtype)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _decode(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Decode to (h, w, 3) uint8 RGB: upright by its EXIF orientation, transparent places white."""
    if image.mode not in _COLOUR_MODES:
        raise Unsupported("The colours of this picture are of a kind that PathServe does not read.")
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.array(upright.convert("RGB"))


def _bits(path: Path) -> int:
    """Read how many bits a sample has: Pillow takes the upper 8 of 16 and does not say so."""
    with path.open("rb") as file:
        file.seek(jp2.find_codestream(path) or 0)
        head = file.read(_HEADER_BYTES)
    if head.startswith(_PNG):
        return head[24]
    if not head.startswith(_CODESTREAM):
        return 8
    (count,) = struct.unpack_from(">H", head, 40)
    return max((head[42 + 3 * index] & 0x7F) + 1 for index in range(min(count, 4)))


def _decode_deep(path: Path, image: Image.Image) -> npt.NDArray[Any]:
    """Decode a picture of more than 8 bits to (h, w, 1) or (h, w, 3) uint16, upright, without its transparency.

    Parameters
    ----------
    image
        The same picture, whose size is known to be within the limits.
    """
    data = path.read_bytes()
    pixels = imagecodecs.png_decode(data) if data.startswith(_PNG) else imagecodecs.jpeg2k_decode(data)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.dtype != np.uint16 or pixels.shape[:2] != (image.height, image.width) or pixels.shape[2] > 4:
        raise Unsupported("The samples of this picture are of a kind that PathServe does not read.")
    colours = pixels[..., : 3 if pixels.shape[2] > 2 else 1]
    return turn(colours, read_orientation(image.getexif().get(_ORIENTATION)))


def _channels(pixels: Samples) -> tuple[Channel, ...]:
    return RGB_CHANNELS if pixels.shape[2] == 3 else (make_channel(0, 1, name="grey"),)


def _info(image: Image.Image, pixels: Samples, icc: object) -> SlideInfo:
    kind = _KINDS[image.format or ""]
    height, width, _ = pixels.shape
    return SlideInfo(
        vendor=kind,
        levels=(Level(require_size(width, height), 1.0),),
        mpp=None,
        mpp_plausible=True,
        objective_power=None,
        codec=kind,
        channels=_channels(pixels),
        rgb=pixels.dtype == np.uint8,
        dtype=pixels.dtype.name,
        icc_profile=icc if isinstance(icc, bytes) and 0 < len(icc) <= MAX_ICC_BYTES else None,
        dropped_metadata=field_names([str(name) for name in image.info if name not in _TECHNICAL]),
    )
