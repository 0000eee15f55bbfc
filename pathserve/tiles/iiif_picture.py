"""What the IIIF Image API does to pixels after they were cut out and scaled: mirror, turn, take the colour away."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from pathserve.tiles.encode import encode_image
from pathserve.tiles.iiif import Plan

_BLACK_OR_WHITE = 128
"""Grey values from here on are white in a bitonal picture."""

_WHITE = (255, 255, 255)


def finish(plan: Plan, pixels: npt.NDArray[np.uint8]) -> bytes:
    """Turn the pixels of a plan's grid into the picture that was asked for, as bytes to send.

    Parameters
    ----------
    pixels
        (h, w, 3) uint8, RGB.

    Memory: some copies of the pixels, up to seven times as many bytes.
    """
    if plan.mirrored:
        pixels = pixels[:, ::-1]
    if plan.degrees % 90 == 0:
        # numpy turns against the clock.
        return encode_image(_in_quality(plan, np.rot90(pixels, -round(plan.degrees / 90))), plan.format)
    turned = _turned(plan, pixels)
    coloured = _in_quality(plan, turned[..., :3])
    if turned.shape[2] == 3:
        return encode_image(coloured, plan.format)
    return encode_image(
        np.concatenate([np.broadcast_to(coloured, turned[..., :3].shape), turned[..., 3:]], 2), plan.format
    )


def _turned(plan: Plan, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Turn by any angle; what shows around the corners is transparent, or white where a format has no transparency."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if plan.format == "jpeg":
        return np.asarray(image.rotate(-plan.degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=_WHITE))
    image.putalpha(255)
    return np.asarray(image.rotate(-plan.degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(*_WHITE, 0)))


def _in_quality(plan: Plan, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if plan.quality == "default":
        return pixels
    grey = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))[..., np.newaxis]
    if plan.quality == "gray":
        return grey
    return np.where(grey >= _BLACK_OR_WHITE, np.uint8(255), np.uint8(0))
