"""Decoding single frames, whatever their transfer syntax."""

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.pixels.processing import convert_color_space

from pathserve.errors import Corrupt
from pathserve.pixels import Samples
from pathserve.slides import jpeg
from pathserve.slides.dicom.layout import NATIVE, Layout

_DECODE_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, MemoryError, OverflowError)
_CODESTREAM = b"\xff\x4f\xff\x51"


def decode(data: bytes, layout: Layout) -> Samples:
    """Decode a frame.

    Returns
    -------
    (height, width, samples) of the layout's type; RGB when it has three samples.

    Raises
    ------
    Corrupt
        When the bytes cannot be decoded, or give another picture than the header states.
    """
    if layout.codec == NATIVE:
        image = _native(data, layout)
    elif layout.codec == "jpeg" and layout.dtype == np.uint8:
        return jpeg.decode(interchange(data, layout), grey=layout.samples == 1)
    else:
        image = _decompressed(data, layout)
    image = image.reshape(layout.height, layout.width, layout.samples)
    return _to_rgb(image, layout) if layout.samples == 3 else image


def interchange(data: bytes, layout: Layout) -> bytes:
    """Make a complete JPEG of a frame, with its own coefficients.

    What the stream says about its colour wins over the header, as in every decoder.

    Raises
    ------
    Corrupt
        When it is not a JPEG of 8 bits and of the layout's size and components.
    """
    stated = jpeg.stated_rgb(data)
    rgb = layout.photometric == "RGB" if stated is None else stated
    stream = jpeg.to_interchange(b"", data, rgb=rgb)
    frame = jpeg.read_frame(stream)
    if (frame.width, frame.height) != (layout.width, layout.height):
        raise Corrupt("A JPEG tile of the scan is not of the size that the scan states.")
    if (frame.components, frame.precision) != (layout.samples, 8):
        raise Corrupt("A JPEG tile of the scan has not the components that the scan states.")
    return stream


def _native(data: bytes, layout: Layout) -> Samples:
    if layout.swapped:
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    stored = np.frombuffer(data, layout.dtype.newbyteorder(">" if layout.big else "<"))
    image: Samples = stored.astype(layout.dtype)
    if layout.subsampled:
        pairs = image.reshape(-1, 4)
        colour = np.repeat(pairs[:, 2:], 2, axis=0)
        image = np.concatenate([pairs[:, :2].reshape(-1, 1), colour], axis=1)
    elif layout.planar and layout.samples == 3:
        image = np.moveaxis(image.reshape(3, layout.height, layout.width), 0, -1)
    return _used_bits(image, layout)


def _used_bits(image: Samples, layout: Layout) -> Samples:
    """Leave out the bits that hold no pixels, keeping the sign."""
    bits = layout.dtype.itemsize * 8
    if layout.dtype.kind == "f" or (layout.stored == bits and layout.high == bits - 1):
        return image
    return (image << (bits - 1 - layout.high)) >> (bits - layout.stored)


def _decompressed(data: bytes, layout: Layout) -> Samples:
    _require_stated_size(data, layout)
    try:
        image = _run_codec(data, layout)
    except _DECODE_ERRORS:
        raise Corrupt("A tile of the scan cannot be decoded.") from None
    if image.size != layout.width * layout.height * layout.samples:
        raise Corrupt("A tile of the scan is not of the size that the scan states.")
    if image.dtype.itemsize != layout.dtype.itemsize:
        image = image.astype(layout.dtype)
    return _used_bits(image.view(layout.dtype), layout)


def _run_codec(data: bytes, layout: Layout) -> Samples:
    if layout.codec == "rle":
        little = np.frombuffer(imagecodecs.dicomrle_decode(data, layout.dtype.newbyteorder("<").str), layout.dtype)
        planes = little.reshape(layout.samples, layout.height, layout.width)
        return np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    if layout.codec in ("jpeg2000", "htj2k"):
        image: Samples = imagecodecs.jpeg2k_decode(data)
    elif layout.codec == "jpeg-ls":
        image = imagecodecs.jpegls_decode(data)
    elif layout.codec == "jpeg":
        image = imagecodecs.jpeg8_decode(data)
    else:
        image = imagecodecs.ljpeg_decode(data)
    return image


def _require_stated_size(data: bytes, layout: Layout) -> None:
    """Check the size in a compressed frame before a decoder allocates what it says."""
    if layout.codec == "rle":
        return  # the size is not in there; the decoder writes what is
    if layout.codec in ("jpeg2000", "htj2k"):
        at = data.find(_CODESTREAM, 0, 4096)
        if at < 0 or len(data) < at + 24:
            raise Corrupt("A tile of the scan cannot be decoded.")
        right, bottom, left, top = (int.from_bytes(data[at + k : at + k + 4], "big") for k in (8, 12, 16, 20))
        size = (right - left, bottom - top)
    else:
        frame = jpeg.read_frame(data, lossless=True)
        size = (frame.width, frame.height)
    if size != (layout.width, layout.height):
        raise Corrupt("A tile of the scan is not of the size that the scan states.")


def _to_rgb(image: Samples, layout: Layout) -> Samples:
    """Turn stored luminance and chrominance into RGB; JPEG 2000 decoders have done so by themselves."""
    if layout.photometric not in ("YBR_FULL", "YBR_FULL_422"):
        return image
    rgb: npt.NDArray[np.uint8] = convert_color_space(image.astype(np.uint8), "YBR_FULL", "RGB")
    return rgb
