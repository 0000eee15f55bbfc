"""Whether a CZI is whole: its lists of tiles and attachments, and what they list, lie inside the file."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pathserve.errors import Corrupt, TooLarge

HEADER = 32
"""Bytes in front of every segment: its name, the bytes set aside for it, the bytes in use."""

MAX_TILES = 2_000_000
MAX_ATTACHMENTS = 1_000
MAX_DIRECTORY_BYTES = 512 << 20
_DIRECTORY, _METADATA, _ATTACHMENTS = 52, 60, 72  # where the file's header says that they begin
_FIXED = 128  # bytes of a list of tiles in front of its entries
_ENTRY, _DIMENSION = 32, 20
_ATTACHMENTS_FIXED, _ATTACHMENT = 256, 128
_CUT_OFF = "The CZI file was cut off: it ends before its last tile, or is still being copied."


def require_whole(path: Path) -> None:
    """Refuse a file that ends too early; the library finds that out tile by tile, and sometimes crashes.

    Raises
    ------
    Corrupt
        When a part of it lies beyond its end.
    TooLarge
        When it lists more than ``MAX_TILES``.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            for place in _places(file, size):
                _require_inside(file, place, size)
    except (OSError, struct.error, OverflowError, ValueError):
        raise Corrupt(_CUT_OFF) from None


def _places(file: BinaryIO, size: int) -> Iterator[int]:
    """Give where the lists and the last tile begin."""
    file.seek(HEADER)
    header = file.read(80)
    (directory,) = struct.unpack_from("<q", header, _DIRECTORY)
    yield directory
    (metadata, attachments) = (struct.unpack_from("<q", header, at)[0] for at in (_METADATA, _ATTACHMENTS))
    if metadata:
        yield metadata
    if attachments:
        yield attachments
        yield from _attachments(file, attachments)
    yield _last_tile(file, directory, size)


def _attachments(file: BinaryIO, directory: int) -> Iterator[int]:
    """Give where each picture or list beside the scan begins."""
    file.seek(directory + HEADER)
    (count,) = struct.unpack("<i", file.read(4))
    file.seek(directory + HEADER + _ATTACHMENTS_FIXED)
    table = file.read(min(max(count, 0), MAX_ATTACHMENTS) * _ATTACHMENT)
    for at in range(0, len(table) - _ATTACHMENT + 1, _ATTACHMENT):
        yield struct.unpack_from("<q", table, at + 12)[0]


def _last_tile(file: BinaryIO, directory: int, size: int) -> int:
    """Find where the tile begins that lies behind all others."""
    file.seek(directory + HEADER)
    (count,) = struct.unpack("<i", file.read(4))
    if count > MAX_TILES:
        raise TooLarge(f"A CZI file may hold at most {MAX_TILES:,} tiles.")
    file.seek(directory + HEADER + _FIXED)
    table = file.read(min(size, MAX_DIRECTORY_BYTES))
    last, at = 0, 0
    for _ in range(count):
        (place,) = struct.unpack_from("<q", table, at + 6)
        (dimensions,) = struct.unpack_from("<i", table, at + 28)
        if not 0 <= dimensions <= 64 or place < 0:
            raise Corrupt("The CZI file's list of tiles is damaged.")
        last, at = max(last, place), at + _ENTRY + _DIMENSION * dimensions
    return last


def _require_inside(file: BinaryIO, place: int, size: int) -> None:
    """Check that a segment ends inside the file.

    Raises
    ------
    Corrupt
        When it does not.
    """
    file.seek(place)
    name, _, used = struct.unpack("<16sqq", file.read(HEADER))
    if not name.startswith(b"ZISRAW") or used < 0 or place + HEADER + used > size:
        raise Corrupt(_CUT_OFF)
