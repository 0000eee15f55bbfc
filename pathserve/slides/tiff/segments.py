"""Tiles and strips of a TIFF as pixels: read, checked before they are decoded, decoded, and a few of them kept."""

import os
import struct
from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.errors import Corrupt, PathServeError
from pathserve.slides import jpeg
from pathserve.slides.tiff.directory import PARSE_ERRORS
from pathserve.slides.tiff.raster import Jpeg, Raster

Pixels = npt.NDArray[Any]

CACHE_BYTES = 32 << 20
"""Decoded segments that are kept: strips as wide as the scan are needed by several regions in turn."""

SMALL_CACHE_BYTES = 8 << 20
"""The same where all segments are small tiles: two rows of them across a shard."""

_SMALL_TILE_PIXELS = 512 * 512

_J2K_SIZE = b"\xff\x4f\xff\x51"
_SLACK = 1 << 20
_HEADER_BYTES = 4_096
_MOST_COMPONENTS = 64


def read_bytes(file: int, raster: Raster, index: int) -> bytes | None:
    """Read a segment as it lies in the file, None when the file leaves it out.

    Raises
    ------
    Corrupt
        When it cannot be read, or is larger than anything an encoder would make of its pixels.
    """
    offset, count = int(raster.offsets[index]), int(raster.counts[index])
    if count == 0:
        return None
    pixels = raster.segment.width * raster.segment.height * (1 if raster.separate else raster.stored)
    if offset <= 0 or count > 2 * pixels * np.dtype(raster.dtype).itemsize + _SLACK:
        raise Corrupt("The scan's list of tiles is damaged.")
    try:
        data = os.pread(file, count, offset)
    except OSError:
        raise Corrupt("A part of the scan cannot be read.") from None
    if len(data) != count:
        raise Corrupt("The scan ends before its last tile.")
    return data


def complete_jpeg(raster: Raster, coding: Jpeg, data: bytes) -> bytes:
    """Make the complete JPEG of a segment, with the scan's own coefficients.

    Raises
    ------
    Corrupt
        When it is no JPEG of the segment's size and samples that can be kept.
    """
    tile = jpeg.to_interchange(coding.tables, data, rgb=coding.rgb)
    frame = jpeg.read_frame(tile)
    size = raster.segment
    # The last strip may be as high as the others, or as what is left.
    fits = frame.height == size.height if raster.tiled else frame.height <= size.height
    if frame.width != size.width or not fits:
        raise Corrupt("A JPEG tile of the scan is not of the size that the scan states.")
    if frame.components != raster.stored or frame.precision != 8:
        raise Corrupt("A JPEG tile of the scan has not the 8-bit components that the scan states.")
    return tile


def decode(raster: Raster, index: int, data: bytes) -> Pixels:
    """Decode a segment to (h, w, samples) as stored; h may be below the segment's height in the last strip.

    Raises
    ------
    Corrupt
        When its bytes are damaged or hold another size than the scan states.
    """
    if raster.jpeg is not None:
        return jpeg.decode(complete_jpeg(raster, raster.jpeg, data), grey=raster.stored == 1)
    _require_stated_size(raster, data)
    try:
        values = raster.decode(data, index)
    except PathServeError:
        raise
    except PARSE_ERRORS:
        raise Corrupt("A tile of the scan is damaged.") from None
    expected = (raster.segment.width, 1 if raster.separate else raster.stored)
    if values.ndim != 3 or values.shape[1:] != expected or values.shape[0] > raster.segment.height:
        raise Corrupt("A tile of the scan is not of the size that the scan states.")
    return values


def _require_stated_size(raster: Raster, data: bytes) -> None:
    """Refuse pictures within tiles that state another size than the tile, before memory is taken for them."""
    if raster.codec in _HEADERS:
        stated = _HEADERS[raster.codec](data)
        if stated is None or stated[0] > raster.segment.width or stated[1] > raster.segment.height:
            raise Corrupt("A tile of the scan is not of the size that the scan states.")


def _jpeg2000_size(data: bytes) -> tuple[int, int] | None:
    at = data.find(_J2K_SIZE, 0, _HEADER_BYTES)
    if at < 0 or len(data) < at + 42:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", data, at + 8)
    (components,) = struct.unpack_from(">H", data, at + 40)
    return (right - left, bottom - top) if components <= _MOST_COMPONENTS else None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Read the size out of the first chunk, which is one of three kinds."""
    kind, body = data[12:16], data[20:30]
    if data[:4] != b"RIFF" or len(body) < 10:
        return None
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<2H", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR" or len(data) < 24:
        return None
    width, height = struct.unpack_from(">2I", data, 16)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    frame = jpeg.read_frame(data, lossless=True)
    return frame.width, frame.height


_HEADERS = {"jpeg": _jpeg_size, "jpeg2000": _jpeg2000_size, "webp": _webp_size, "png": _png_size}


def finish(raster: Raster, values: Pixels) -> Pixels:
    """Make samples as stored into what they mean.

    Parameters
    ----------
    values
        (h, w, n): all stored samples of colour images, any of others.

    Returns
    -------
    (h, w, 3) uint8 for colour, transparent places white; else (h, w, n) of the raster's type, low values dark.
    """
    if raster.colours is not None:
        colours: Pixels = raster.colours[np.minimum(values[..., 0], len(raster.colours) - 1)]
        return colours
    if raster.form == "rgb":
        return _on_white(raster, values) if raster.alpha is not None else values[..., :3]
    if raster.bits < 8 and raster.dtype == "uint8":
        values = values.astype(np.uint8) * np.uint8(255 // ((1 << raster.bits) - 1))
    if raster.inverted:
        highest = (1 << max(8, raster.bits)) - 1
        values = (highest - values).astype(raster.dtype)
    return values.astype(raster.dtype, copy=False)


def _on_white(raster: Raster, values: Pixels) -> Pixels:
    alpha = values[..., -1:] / np.float32(255)
    colour = values[..., :3] * (alpha if raster.alpha == "unassociated" else np.float32(1))
    white = np.float32(255) * (np.float32(1) - alpha)
    covered: Pixels = np.rint(np.minimum(colour + white, np.float32(255))).astype(np.uint8)
    return covered


def cache_bytes(rasters: Iterable[Raster]) -> int:
    """Say how many bytes of decoded segments are worth keeping of images."""
    small = all(each.tiled and each.segment.width * each.segment.height <= _SMALL_TILE_PIXELS for each in rasters)
    return SMALL_CACHE_BYTES if small else CACHE_BYTES


class SegmentCache:
    """Keeps the decoded segments that were used last, at most ``limit`` bytes of them, but always the newest one."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._bytes = 0
        self._kept: OrderedDict[tuple[int, ...], Pixels] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[int, ...]) -> Pixels | None:
        """Give a kept segment."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: tuple[int, ...], pixels: Pixels) -> None:
        """Keep a segment, letting go of those that were not used for longest."""
        with self._lock:
            before = self._kept.pop(key, None)
            self._bytes += pixels.nbytes - (0 if before is None else before.nbytes)
            self._kept[key] = pixels
            while self._bytes > self._limit and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
