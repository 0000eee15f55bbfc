"""Codecs of Zarr chunks: those that are known, and never more bytes out of one than its chunk has."""

import bz2
import zlib
from collections.abc import Callable

import google_crc32c
import numpy as np
from numcodecs import blosc, lz4, zstd

from pathserve.errors import Corrupt

_DAMAGED = "A chunk of the Zarr store is damaged."
_BLOSC_HEADER = 16
_CRC_BYTES = 4
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

Unpack = Callable[[bytes, int], bytes]
"""Takes stored bytes and the number of bytes that must come out; raises Corrupt when they do not."""


def _unblosc(data: bytes, size: int) -> bytes:
    """Decode a Blosc buffer, whose header says how many bytes it holds and has."""
    stated = int.from_bytes(data[4:8], "little"), int.from_bytes(data[12:16], "little")
    if len(data) < _BLOSC_HEADER or stated != (size, len(data)):
        raise Corrupt(_DAMAGED)
    return _called(blosc.decompress, data)


def _unlz4(data: bytes, size: int) -> bytes:
    """Decode numcodecs' form of LZ4: the size in four bytes, then one block."""
    if int.from_bytes(data[:4], "little") != size:
        raise Corrupt(_DAMAGED)
    return _called(lz4.decompress, data)


def _unzstd(data: bytes, size: int) -> bytes:
    """Decode one Zstandard frame; one that does not state its size is first decoded into a space of that size."""
    stated = zstd_size(data)
    if stated is None:
        try:
            zstd.decompress(data, np.empty(size, np.uint8))
        except (RuntimeError, ValueError):
            raise Corrupt(_DAMAGED) from None
    elif stated != size:
        raise Corrupt(_DAMAGED)
    return _called(zstd.decompress, data)


def _inflate(data: bytes, size: int) -> bytes:
    """Decode zlib or gzip, told apart by their headers."""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(data, size + 1)
    except zlib.error:
        raise Corrupt(_DAMAGED) from None


def _unbzip2(data: bytes, size: int) -> bytes:
    try:
        return bz2.BZ2Decompressor().decompress(data, size + 1)
    except OSError:
        raise Corrupt(_DAMAGED) from None


def unchecked(data: bytes) -> bytes:
    """Take a CRC-32C off the end.

    Raises
    ------
    Corrupt
        When it is not that of the bytes before it.
    """
    body = data[:-_CRC_BYTES]
    if google_crc32c.value(body) != int.from_bytes(data[-_CRC_BYTES:], "little"):
        raise Corrupt(_DAMAGED)
    return body


UNPACK: dict[str, Unpack] = {
    "blosc": _unblosc,
    "bz2": _unbzip2,
    "gzip": _inflate,
    "lz4": _unlz4,
    "zlib": _inflate,
    "zstd": _unzstd,
}
"""Every codec of bytes that is read, by its name in metadata."""

ZARR_2 = frozenset({"blosc", "bz2", "gzip", "lz4", "zlib", "zstd"})
ZARR_3 = frozenset({"blosc", "gzip", "zstd"})


def unpack(codec: str, data: bytes, size: int) -> bytes:
    """Decode the bytes of a chunk.

    Parameters
    ----------
    codec
        A key of ``UNPACK``.
    size
        Bytes that must come out.

    Raises
    ------
    Corrupt
        When the bytes are damaged or are of another number.
    """
    out = UNPACK[codec](data, size)
    if len(out) != size:
        raise Corrupt(_DAMAGED)
    return out


def zstd_size(frame: bytes) -> int | None:
    """Read how many bytes a Zstandard frame states (RFC 8878, 3.1.1.1), or None when it does not.

    Raises
    ------
    Corrupt
        When it is no such frame.
    """
    if len(frame) < 6 or frame[:4] != _ZSTD_MAGIC:
        raise Corrupt(_DAMAGED)
    descriptor = frame[4]
    single, flag = bool(descriptor & 0x20), descriptor >> 6
    width = {0: 1 if single else 0, 1: 2, 2: 4, 3: 8}[flag]
    start = 5 + (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3]
    if width == 0:
        return None
    if len(frame) < start + width:
        raise Corrupt(_DAMAGED)
    return int.from_bytes(frame[start : start + width], "little") + (256 if width == 2 else 0)


def _called(decode: Callable[[bytes], bytes], data: bytes) -> bytes:
    try:
        return bytes(decode(data))
    except (RuntimeError, ValueError):
        raise Corrupt(_DAMAGED) from None
