"""The first image of a TIFF whose samples are labels, strip by strip or row of tiles by row of tiles.

Only what label images need (TIFF 6.0, BigTIFF): one sample of whole numbers a pixel; no compression, LZW, Deflate,
PackBits or Zstandard; horizontal differences. Nothing is believed that the file does not hold: each size has a limit,
and each stretch of bytes must lie in the file.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
import numpy.typing as npt

from pathserve.errors import Invalid, TooLarge, Unsupported

MAX_SEGMENT_PIXELS = 64 * 1024 * 1024
"""Most pixels of one strip or tile."""

MAX_SIDE = 10_000_000
_MAX_SEGMENTS = 16 * 1024 * 1024
_MAX_ENTRIES = 4096
_MAX_BAND = 256 * 1024 * 1024

_SIZES = {1: "u1", 3: "u2", 4: "u4", 16: "u8", 13: "u4", 18: "u8"}
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _SAMPLES, _PREDICTOR, _FORMAT = 256, 257, 258, 259, 277, 317, 339
_STRIP_OFFSETS, _ROWS, _STRIP_COUNTS = 273, 278, 279
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325

Decoder = Callable[[bytes, int], bytes]


@dataclass(frozen=True, slots=True)
class LabelTiff:
    """Where the strips or tiles of an image lie.

    Parameters
    ----------
    across, down
        Pixels of a tile; a strip is as wide as the image.
    """

    path: Path
    width: int
    height: int
    dtype: np.dtype[Any]
    across: int
    down: int
    offsets: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    compression: int
    differences: bool

    def bands(self) -> Iterator[npt.NDArray[Any]]:
        """Give the image in bands of rows, from the top."""
        columns = -(-self.width // self.across)
        with self.path.open("rb") as file:
            for row in range(-(-self.height // self.down)):
                rows = min(self.down, self.height - row * self.down)
                band = np.zeros((rows, columns * self.across), self.dtype.newbyteorder("="))
                for column in range(columns):
                    tile = self._segment(file, row * columns + column)
                    if tile is not None:
                        band[:, column * self.across : (column + 1) * self.across] = tile[:rows]
                yield band[:, : self.width]

    def _segment(self, file: BinaryIO, index: int) -> npt.NDArray[Any] | None:
        """Decode a strip or tile; None for one that the file leaves out."""
        count = int(self.counts[index])
        if count == 0:
            return None
        file.seek(int(self.offsets[index]))
        data = file.read(count)
        tiled = self.across != self.width or len(self.offsets) * self.down > self.height + self.down
        rows = self.down if tiled else min(self.down, self.height - index * self.down)
        wanted = rows * self.across * self.dtype.itemsize
        try:
            found = _DECODERS[self.compression](data, wanted)
        except (ValueError, RuntimeError, zlib.error):
            found = b""
        if len(found) < wanted:
            raise Invalid("The TIFF is damaged, or was cut off.", code="damaged")
        samples = np.frombuffer(found, self.dtype, count=rows * self.across).reshape(rows, self.across)
        if self.differences:
            samples = np.cumsum(samples, axis=1, dtype=self.dtype.newbyteorder("="))
        return samples


def _inflate(data: bytes, wanted: int) -> bytes:
    return zlib.decompressobj().decompress(data, wanted)


_DECODERS: dict[int, Decoder] = {
    1: lambda data, wanted: data[:wanted],
    5: lambda data, wanted: bytes(imagecodecs.lzw_decode(data, out=wanted)),
    8: _inflate,
    32946: _inflate,
    32773: lambda data, wanted: bytes(imagecodecs.packbits_decode(data, out=wanted)),
    50000: lambda data, wanted: bytes(imagecodecs.zstd_decode(data, out=wanted)),
}


def is_tiff(head: bytes) -> bool:
    """Tell whether a file is a TIFF."""
    return head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def open_tiff(path: Path) -> LabelTiff:
    """Read what the first image of a TIFF is.

    Raises
    ------
    Invalid
        When it is damaged.
    Unsupported
        When its samples are no labels.
    TooLarge
        When a size is over its limit.
    """
    with path.open("rb") as file:
        tags = _Tags(file, path.stat().st_size)
    width, height = tags.one(_WIDTH), tags.one(_LENGTH)
    dtype = _dtype(tags)
    compression, predictor = tags.one(_COMPRESSION, 1), tags.one(_PREDICTOR, 1)
    if compression not in _DECODERS or predictor not in (1, 2):
        raise Unsupported(
            "Label images in TIFF may use LZW, Deflate, PackBits, Zstandard or nothing.", code="bad_codec"
        )
    tiled = _TILE_OFFSETS in tags.values
    across = tags.one(_TILE_WIDTH) if tiled else width
    down = tags.one(_TILE_LENGTH) if tiled else min(tags.one(_ROWS, height), height)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and across > 0 and down > 0):
        raise Invalid("The TIFF states an impossible size.", code="damaged")
    columns = -(-width // across)
    band = down * columns * across * dtype.itemsize
    if across * down > MAX_SEGMENT_PIXELS or band > _MAX_BAND:
        raise TooLarge("A strip or tile of the TIFF is too large.", code="mask_too_large")
    offsets = tags.all(_TILE_OFFSETS if tiled else _STRIP_OFFSETS)
    counts = tags.all(_TILE_COUNTS if tiled else _STRIP_COUNTS)
    segments = columns * -(-height // down)
    if len(offsets) != segments or len(counts) != segments:
        raise Invalid("The TIFF is damaged, or was cut off.", code="damaged")
    within = (
        (offsets >= 0) & (counts >= 0) & (counts <= tags.size) & (offsets <= tags.size - np.minimum(counts, tags.size))
    )
    if not within.all():
        raise Invalid("The TIFF is damaged, or was cut off.", code="damaged")
    return LabelTiff(path, width, height, dtype, across, down, offsets, counts, compression, predictor == 2)


def _dtype(tags: "_Tags") -> np.dtype[Any]:
    bits, kind = tags.one(_BITS, 1), tags.one(_FORMAT, 1)
    if tags.one(_SAMPLES, 1) != 1 or bits not in (8, 16, 32, 64) or kind not in (1, 2):
        raise Unsupported("A label image has one whole number of 8 to 64 bits a pixel.", code="no_labels")
    return np.dtype(f"{tags.order}{'u' if kind == 1 else 'i'}{bits // 8}")


class _Tags:
    """The tags of the first image."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        head = file.read(16)
        self.order = "<" if head[:1] == b"I" else ">"
        big = self._number(head[2:4]) == 43
        start = self._number(head[8:16] if big else head[4:8])
        self._wide = 8 if big else 4
        count = self._number(self._at(start, 8 if big else 2))
        if not 0 < count <= _MAX_ENTRIES:
            raise Invalid("The TIFF is damaged, or was cut off.", code="damaged")
        each = 20 if big else 12
        table = self._at(start + (8 if big else 2), count * each)
        self.values = {
            self._number(entry[:2]): self._value(entry[2:])
            for entry in (table[place : place + each] for place in range(0, len(table), each))
        }

    def _number(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self.order == "<" else "big")

    def _at(self, place: int, count: int) -> bytes:
        if place + count > self.size:
            raise Invalid("The TIFF is damaged, or was cut off.", code="damaged")
        self._file.seek(place)
        return self._file.read(count)

    def _value(self, entry: bytes) -> npt.NDArray[np.int64]:
        kind, count = self._number(entry[:2]), self._number(entry[2 : 2 + self._wide])
        code = _SIZES.get(kind)
        if code is None:
            return np.empty(0, np.int64)
        if count > _MAX_SEGMENTS:
            raise TooLarge("The TIFF has too many strips or tiles.", code="mask_too_large")
        length = count * int(code[1])
        inline = entry[2 + self._wide :]
        data = inline[:length] if length <= self._wide else self._at(self._number(inline), length)
        return np.frombuffer(data, f"{self.order}{code}").astype(np.int64)

    def all(self, tag: int) -> npt.NDArray[np.int64]:
        """Give all values of a tag."""
        return self.values.get(tag, np.empty(0, np.int64))

    def one(self, tag: int, default: int | None = None) -> int:
        """Give the first value of a tag."""
        found = self.all(tag)
        if len(found):
            return int(found[0])
        if default is None:
            raise Invalid("The TIFF does not say how large it is.", code="damaged")
        return default
