"""One inner chunk as bytes and back: JPEG, or Zstandard without any loss."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numcodecs import zstd

from pathserve.errors import Corrupt
from pathserve.geometry import Size
from pathserve.pixels import Samples
from pathserve.pyramid.layout import ZSTD_LEVEL, Facts, Storage
from pathserve.slides import jpeg

_DAMAGED = "A tile of a stored slide is damaged."
_LARGEST_HEADER = 18  # bytes of a Zstandard frame's magic number and header


@dataclass(frozen=True, slots=True)
class Coding:
    """How the chunks of one pyramid are encoded.

    Parameters
    ----------
    tile
        Size of every chunk, padding included.
    samples
        Samples per pixel: 3 (RGB) or 1.
    """

    storage: Storage
    tile: Size
    dtype: str
    samples: int

    @classmethod
    def of(cls, facts: Facts) -> "Coding":
        """Give the coding of a pyramid."""
        return cls(facts.storage, facts.tile, facts.dtype, facts.samples)

    def decode(self, data: bytes) -> Samples:
        """Decode a chunk to an array of the tile size, (h, w, samples).

        Raises
        ------
        Corrupt
            When it is damaged or not of the tile size.
        """
        if self.storage == "zstd":
            return self._unpacked(data)
        pixels = jpeg.decode(data, grey=self.samples == 1)
        if pixels.shape[:2] != (self.tile.height, self.tile.width):
            raise Corrupt(_DAMAGED)
        return pixels

    def decode_halved(self, data: bytes) -> Samples:
        """Decode a chunk at half its size: means of 2 x 2 pixels, of a JPEG straight from its coefficients."""
        if self.storage == "zstd":
            return mean_2x2(self._unpacked(data))
        return jpeg.decode(data, half_of=self.tile, grey=self.samples == 1)

    def encode(self, pixels: Samples, encoding: jpeg.Encoding) -> bytes:
        """Encode an array of the tile size; ``encoding`` only matters to JPEG."""
        if self.storage == "jpeg":
            return jpeg.encode(pixels, encoding)
        little = np.ascontiguousarray(np.moveaxis(pixels, 2, 0)).astype(f"<{np.dtype(self.dtype).str[1:]}", copy=False)
        packed: bytes = zstd.compress(little.tobytes(), level=ZSTD_LEVEL, checksum=True)
        return packed

    def _unpacked(self, data: bytes) -> Samples:
        shape = (self.samples, self.tile.height, self.tile.width)
        dtype = np.dtype(self.dtype).newbyteorder("<")
        expected = int(np.prod(shape)) * dtype.itemsize
        if _stated_size(data) != expected:
            raise Corrupt(_DAMAGED)
        try:
            raw = zstd.decompress(data)
        except (RuntimeError, ValueError):
            raise Corrupt(_DAMAGED) from None
        return np.moveaxis(np.frombuffer(raw, dtype).reshape(shape), 0, 2)


def _stated_size(frame: bytes) -> int:
    """Read how many bytes a Zstandard frame says that it holds (RFC 8878, 3.1.1.1), or -1; so that none is a bomb."""
    head = frame[:_LARGEST_HEADER]
    if len(head) < 6 or head[:4] != b"\x28\xb5\x2f\xfd":
        return -1
    single, flag = bool(head[4] & 0x20), head[4] >> 6
    width = {0: 1 if single else 0, 1: 2, 2: 4, 3: 8}[flag]
    start = 5 + (0 if single else 1) + (0, 1, 2, 4)[head[4] & 3]
    if not width or len(head) < start + width:
        return -1
    return int.from_bytes(head[start : start + width], "little") + (256 if width == 2 else 0)


def mean_2x2(pixels: Samples) -> Samples:
    """Average blocks of 2 x 2 pixels, halves rounded up; an odd last row or column is taken twice."""
    height, width, _ = pixels.shape
    even = pad_to(pixels, Size(width + width % 2, height + height % 2))
    exact = np.float64 if even.dtype.kind == "f" else np.uint16 if even.dtype == np.uint8 else np.int64
    wide: npt.NDArray[Any] = even.astype(exact)
    total: Any = wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2]
    mean: Samples = (total / 4 if exact is np.float64 else (total + 2) >> 2).astype(pixels.dtype)
    return mean


def pad_to(pixels: Samples, size: Size) -> Samples:
    """Repeat the last row and column until ``size`` is reached."""
    height, width, _ = pixels.shape
    if (width, height) == (size.width, size.height):
        return pixels
    return np.pad(pixels, ((0, size.height - height), (0, size.width - width), (0, 0)), mode="edge")
