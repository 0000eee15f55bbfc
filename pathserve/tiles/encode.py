"""Pixels as bytes to send. The same pixels and quality always give the same bytes."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from pathserve.errors import Invalid
from pathserve.slides import jpeg

PictureFormat = Literal["jpeg", "png", "webp", "avif"]
"""What browsers show."""

ImageFormat = Literal["jpeg", "png", "webp", "avif", "npy"]
"""And the array itself, for programs."""

PICTURE_TYPES: Mapping[PictureFormat, str] = MappingProxyType(
    {"jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif", "png": "image/png"}
)
"""What pictures are called over HTTP; what is cheapest to make and small stands first."""

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {str(name): kind for name, kind in PICTURE_TYPES.items()} | {"npy": "application/x-npy"}
)
"""All formats that an image can be asked in."""

MAX_SIDE: Mapping[str, int] = MappingProxyType({"jpeg": 65_500, "webp": 16_383, "avif": 32_768})
"""Most pixels a side: of JPEG what libjpeg writes, of WebP what the format holds, of AVIF what decoders open."""

MAX_PIXELS: Mapping[str, int] = MappingProxyType({"avif": 1 << 24})
"""Most pixels in all: the AVIF encoder takes 38 bytes of memory for each."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How much of the pixels is kept by the formats that lose some; each on its own scale of 1 to 100.

    Parameters
    ----------
    jpeg
        Quality and chroma subsampling; AVIF subsamples alike, WebP always halves both axes (4:2:0).
    """

    jpeg: jpeg.Encoding
    webp: int
    avif: int


TILE = Quality(jpeg.Encoding(95, "444"), webp=95, avif=90)
"""For tiles, which stand beside others that are stored bytes: a difference must not be seen."""

REGION = Quality(jpeg.Encoding(90, "444"), webp=90, avif=80)
"""For pixels that were cut or resampled."""

THUMBNAIL = Quality(jpeg.Encoding(85, "420"), webp=85, avif=70)
"""For small pictures that many are loaded of."""

_NAMES = {"jpeg": "A JPEG", "webp": "A WebP", "avif": "An AVIF"}
_PNG_LEVEL = 1  # scans are grainy: level 6 makes them 4 % smaller and takes a third longer
_WEBP_METHOD = 2  # method 4 makes them 3 % smaller and takes twice as long
_AVIF_SPEED = 9  # speed 8 makes them 2 % smaller and takes four times as long


def require_encodable(image_format: str, width: int, height: int) -> None:
    """Make sure that a format is known and can hold a picture of so many pixels, before that is drawn.

    Raises
    ------
    Invalid
        When it is not, or cannot.
    """
    if image_format not in MEDIA_TYPES:
        raise Invalid(f"The format must be one of {', '.join(MEDIA_TYPES)}.")
    most = MAX_SIDE.get(image_format)
    if most is not None and max(width, height) > most:
        raise Invalid(f"{_NAMES[image_format]} can have at most {most:,} pixels a side; ask for png.")
    most = MAX_PIXELS.get(image_format)
    if most is not None and width * height > most:
        raise Invalid(f"{_NAMES[image_format]} can have at most {most:,} pixels in all; ask for jpeg or png.")


def encode_image(pixels: npt.NDArray[np.uint8], image_format: str, quality: Quality = REGION) -> bytes:
    """Encode an (h, w, 3) uint8 RGB array as ``jpeg``, ``webp``, ``avif``, ``png`` (lossless) or ``npy`` (itself).

    An (h, w, 1) array becomes a grey picture; an (h, w, 4) one, RGB and opacity, any of them but a JPEG.

    Raises
    ------
    Invalid
        When the format is none of these, or the picture is wider or higher than the format can be.
    """
    require_encodable(image_format, pixels.shape[1], pixels.shape[0])
    if image_format == "jpeg":
        return jpeg.encode(pixels, quality.jpeg)
    buffer = io.BytesIO()
    if image_format == "npy":
        np.save(buffer, pixels, allow_pickle=False)
        return buffer.getvalue()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if image_format == "png":
        image.save(buffer, "PNG", compress_level=_PNG_LEVEL)
    elif image_format == "webp":
        image.save(buffer, "WEBP", quality=quality.webp, method=_WEBP_METHOD)
    else:
        # One thread: more would take the processor from others, who wait for tiles too.
        image.save(
            buffer,
            "AVIF",
            quality=quality.avif,
            speed=_AVIF_SPEED,
            subsampling=":".join(quality.jpeg.subsampling),
            max_threads=1,
        )
    return buffer.getvalue()
