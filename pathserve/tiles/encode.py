"""Pixels as bytes to send."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from pathserve.errors import Invalid
from pathserve.slides import jpeg

MEDIA_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "npy": "application/x-npy"}
"""Formats that an image can be asked in, and what they are called over HTTP."""

REGION = jpeg.Encoding(90, "444")
"""For pixels that were cut or resampled."""

_PNG_LEVEL = 1


def encode_image(pixels: npt.NDArray[np.uint8], image_format: str) -> bytes:
    """Encode an (h, w, 3) uint8 RGB array as ``jpeg``, ``png`` (lossless) or ``npy`` (the array itself).

    Raises
    ------
    Invalid
        When the format is none of these, or the picture is wider or higher than a JPEG can be.
    """
    if image_format == "jpeg":
        if max(pixels.shape) > 65_535:
            raise Invalid("A JPEG can have at most 65,535 pixels a side; ask for png or npy.")
        return jpeg.encode(pixels, REGION)
    if image_format not in MEDIA_TYPES:
        raise Invalid("The format must be one of jpeg, png and npy.")
    buffer = io.BytesIO()
    if image_format == "png":
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=_PNG_LEVEL)
    else:
        np.save(buffer, pixels, allow_pickle=False)
    return buffer.getvalue()
