"""JPEG streams as scans hold them: headers read, tables joined, colour made explicit; coefficients untouched."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simplejpeg

from pathserve.errors import Corrupt
from pathserve.geometry import Size

SOI = b"\xff\xd8"
EOI = b"\xff\xd9"
_SOS = 0xDA
_EOI = 0xD9
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive: what every decoder of the web reads
_OTHER_FRAMES = {0xC3, 0xF7}  # lossless and JPEG-LS: what medical devices write besides
_TABLES = {0xC4, 0xDB, 0xDD}  # Huffman, quantisation, restart interval
_DROPPED = {*range(0xE0, 0xF0), 0xFE}  # application data and comments: may say anything about anybody
_APP0, _APP14 = 0xE0, 0xEE
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
# In coded data 0xFF is followed by 0 or by the number of a restart; anything else begins a segment.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame header (SOF) of a JPEG says; the only place to trust about it."""

    width: int
    height: int
    precision: int
    components: int


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Walk the segments up to the first scan: marker, where it starts, where the next one starts.

    Raises
    ------
    Corrupt
        When it is no JPEG, or its header ends before the first scan.
    """
    if data[:2] != SOI:
        raise Corrupt("A tile of the scan is not a JPEG.")
    at = 2
    while at + 2 <= len(data):
        if data[at] != 0xFF:
            raise Corrupt("A JPEG tile of the scan has a damaged header.")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _STANDALONE or marker == _EOI:
            yield marker, at, at + 2
            if marker == _EOI:
                return
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(data):
            break
        yield marker, at, end
        if marker == _SOS:
            return
        at = end
    raise Corrupt("A JPEG tile of the scan has a damaged header.")


def read_frame(data: bytes, *, lossless: bool = False) -> Frame:
    """Read the frame header of a complete JPEG.

    Parameters
    ----------
    lossless
        Whether lossless JPEG and JPEG-LS will do as well.

    Raises
    ------
    Corrupt
        When there is none before the first scan, or the kind is one that browsers do not decode.
    """
    kinds = _FRAMES | _OTHER_FRAMES if lossless else _FRAMES
    for marker, start, end in segments(data):
        if marker in kinds and end - start >= 10:
            return Frame(
                width=int.from_bytes(data[start + 7 : start + 9], "big"),
                height=int.from_bytes(data[start + 5 : start + 7], "big"),
                precision=data[start + 4],
                components=data[start + 9],
            )
    raise Corrupt("A JPEG tile of the scan has no frame of a known kind.")


def stated_rgb(data: bytes) -> bool | None:
    """Tell whether a complete JPEG says itself that its components are RGB, or YCbCr; None when it says neither.

    Raises
    ------
    Corrupt
        When its header is damaged.
    """
    stated = None
    for marker, start, end in segments(data):
        if marker == _APP0 and data[start + 4 : start + 9] == b"JFIF\x00":
            return False  # decoders let it win over everything else
        if marker == _APP14 and end - start >= 16 and data[start + 4 : start + 9] == b"Adobe":
            stated = data[start + 15] == 0
    return stated


def _adobe(*, rgb: bool) -> bytes:
    """Make the 16-byte APP14 segment that tells every decoder whether the components are RGB or YCbCr."""
    return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + (b"\x00" if rgb else b"\x01")


def to_interchange(tables: bytes, tile: bytes, *, rgb: bool) -> bytes:
    """Make one complete JPEG of a TIFF tile and its shared tables.

    The entropy-coded data stays as it is. Application segments and comments are dropped: they may carry identity, and
    a JFIF marker would win over the photometric interpretation of the TIFF, which OpenSlide goes by.

    Parameters
    ----------
    tables
        The JPEGTables of the page, or nothing.
    tile
        The tile as the file holds it.
    rgb
        Whether the components are RGB (photometric 2) instead of YCbCr (photometric 6).

    Raises
    ------
    Corrupt
        When either is not a JPEG stream of a kind that browsers decode.
    """
    parts = [SOI, _adobe(rgb=rgb)]
    if tables:
        parts += [tables[start:end] for marker, start, end in segments(tables) if marker in _TABLES]
    for marker, start, end in segments(tile):
        if marker == _SOS:
            return b"".join([*parts, *_scans(tile, start, end)])
        if marker in _FRAMES or marker in _TABLES:
            parts.append(tile[start:end])
        elif marker not in _DROPPED:
            break
    raise Corrupt("A JPEG tile of the scan is of a kind that cannot be kept.")


def _scans(tile: bytes, start: int, end: int) -> Iterator[bytes]:
    """Give the scans of a tile and the tables between them: no comment, nothing after the end of the picture.

    ``start`` and ``end`` are those of the first scan's header.
    """
    while found := _MARKER.search(tile, end):
        yield tile[start : found.start()]
        start, marker = found.start(), tile[found.start() + 1]
        if marker == _EOI:
            break
        end = found.end() + int.from_bytes(tile[found.end() : found.end() + 2], "big")
        if marker in _DROPPED:
            start = end
        elif marker not in _TABLES and marker != _SOS:
            raise Corrupt("A JPEG tile of the scan is of a kind that cannot be kept.")
    else:
        yield tile[start:]
    yield EOI


def decode(data: bytes, *, half_of: Size | None = None, grey: bool = False) -> npt.NDArray[np.uint8]:
    """Decode a complete JPEG to an (h, w, 3) uint8 array, RGB, or to (h, w, 1).

    Parameters
    ----------
    half_of
        The size of the picture when it shall be decoded at half of it (each side rounded up), straight from the
        coefficients and so without the cost of the full size.
    grey
        Whether the one component of a grey JPEG is wanted as it is.

    Raises
    ------
    Corrupt
        When the stream is damaged, even if a lenient decoder would go on with grey.
    """
    least = half_of.halved() if half_of is not None else None
    try:
        image: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data,
            "GRAY" if grey else "RGB",
            min_height=least.height if least else 0,
            min_width=least.width if least else 0,
            strict=True,
        )
    except ValueError:
        raise Corrupt("A JPEG tile is damaged.") from None
    return image


@dataclass(frozen=True, slots=True)
class Encoding:
    """How pixels are encoded: JPEG quality 1 to 100 and chroma subsampling ``"444"``, ``"422"`` or ``"420"``."""

    quality: int
    subsampling: str


def encode(image: npt.NDArray[np.uint8], encoding: Encoding) -> bytes:
    """Encode an (h, w, 3) uint8 RGB array, or an (h, w, 1) one, as a JFIF stream."""
    grey = image.shape[2] == 1
    data: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(image),
        quality=encoding.quality,
        colorspace="GRAY" if grey else "RGB",
        colorsubsampling="Gray" if grey else encoding.subsampling,
    )
    return data
