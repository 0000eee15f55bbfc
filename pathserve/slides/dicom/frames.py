"""Where the frames of a DICOM file lie, and their bytes."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom.encaps import parse_basic_offsets

from pathserve.errors import Corrupt
from pathserve.slides.dicom.bytesource import ByteSource
from pathserve.slides.dicom.elements import PixelElement

_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_HEAD = struct.Struct("<HHL")  # encapsulated files are always little-endian
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")  # a JPEG of any kind, a JPEG 2000 codestream


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Places of the frames: 16 bytes each.

    Parameters
    ----------
    offsets, lengths
        int64, of each frame; with the heads of its items when ``encapsulated``. Length 0: the file holds no bytes.
    """

    source: ByteSource
    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    encapsulated: bool

    def read(self, frame: int, at_most: int) -> bytes:
        """Read the bytes of a frame.

        Raises
        ------
        Corrupt
            When they lie outside the file, are more than ``at_most``, or are no items.
        """
        offset, length = int(self.offsets[frame]), int(self.lengths[frame])
        if length > at_most:
            raise Corrupt("The scan's list of tiles is damaged.")
        data = self.source.read(offset, length)
        return _joined(data) if self.encapsulated else data

    def read_part(self, frame: int, start: int, count: int) -> bytes:
        """Read some bytes of a frame that is not encapsulated."""
        return self.source.read(int(self.offsets[frame]) + start, count)


def _joined(data: bytes) -> bytes:
    """Join the fragments of a frame."""
    parts, at = [], 0
    while at + 8 <= len(data):
        group, number, length = _HEAD.unpack_from(data, at)
        if group << 16 | number != _ITEM or at + 8 + length > len(data):
            raise Corrupt("The scan's list of tiles is damaged.")
        parts.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    return b"".join(parts)


def native_frames(source: ByteSource, pixels: PixelElement, frames: int, frame_bytes: int) -> FrameTable:
    """List the frames of pixels that are not encapsulated.

    Raises
    ------
    Corrupt
        When the file is too short for them.
    """
    if pixels.length is None or pixels.length < frames * frame_bytes:
        raise Corrupt("The scan holds fewer pixels than it states.")
    if pixels.offset + frames * frame_bytes > source.size():
        raise Corrupt("The scan was cut off: the file ends before its last picture.")
    offsets = pixels.offset + frame_bytes * np.arange(frames, dtype=np.int64)
    return FrameTable(source, offsets, np.full(frames, frame_bytes, np.int64), encapsulated=False)


def encapsulated_frames(source: ByteSource, pixels: PixelElement, frames: int, extended: bytes | None) -> FrameTable:
    """List the frames of encapsulated pixels: by an offset table when there is a sound one, else item by item.

    Parameters
    ----------
    extended
        The extended offset table as the header holds it.

    Raises
    ------
    Corrupt
        When the items do not make up the frames, or the file was cut off.
    """
    if pixels.length is not None:
        raise Corrupt("The scan's pixels are not stored as it states.")
    size = source.size()
    with source.open() as file:
        file.seek(pixels.offset)
        try:
            basic = parse_basic_offsets(file)
        except (ValueError, struct.error):
            raise Corrupt("The scan's list of tiles is damaged.") from None
        first = file.tell()
        starts = _stated_starts(basic, extended, frames)
        if starts is not None and first + int(starts[-1]) + 8 <= size and _are_items(file, first + starts):
            last = _walk(file, first + int(starts[-1]), size)[-1]
            bounds = np.append(first + starts, sum(last))
            return FrameTable(source, bounds[:-1], np.diff(bounds), encapsulated=True)
        return _scanned(source, file, _walk(file, first, size), frames)


def _stated_starts(basic: list[int], extended: bytes | None, frames: int) -> npt.NDArray[np.int64] | None:
    """Read where the frames begin, from the first item; None when no table can be right."""
    if extended is not None and len(extended) == 8 * frames:
        starts = np.frombuffer(extended, "<u8").astype(np.int64)
    elif len(basic) == frames:
        starts = np.array(basic, np.int64)
    else:
        return None
    # 32-bit offsets of writers that did not know the extended table start again at 0 after 4 GiB.
    return starts if starts[0] == 0 and bool(np.all(np.diff(starts) >= 8)) else None


def _are_items(file: BinaryIO, offsets: npt.NDArray[np.int64]) -> bool:
    """Tell whether an item begins at the first, the middle and the last of some places."""
    for offset in offsets[[0, len(offsets) // 2, -1]]:
        file.seek(int(offset))
        if file.read(4) != b"\xfe\xff\x00\xe0":
            return False
    return True


def _walk(file: BinaryIO, start: int, size: int) -> list[tuple[int, int]]:
    """List offset and length, heads included, of the items from ``start`` to the end of the sequence."""
    found, at = [], start
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            raise Corrupt("The scan was cut off: the file ends before its last picture.")
        group, number, length = _HEAD.unpack(head)
        if group << 16 | number == _SEQUENCE_END:
            break
        if group << 16 | number != _ITEM or at + 8 + length > size:
            raise Corrupt("The scan was cut off, or its list of tiles is damaged.")
        found.append((at, 8 + length))
        at += 8 + length
    if not found:
        raise Corrupt("The scan holds no picture.")
    return found


def _scanned(source: ByteSource, file: BinaryIO, items: list[tuple[int, int]], frames: int) -> FrameTable:
    """Make frames of items: one each, all of one frame, or beginning where a picture begins."""
    places = np.array(items, np.int64)
    if len(items) == frames:
        firsts = np.arange(frames)
    elif frames == 1:
        firsts = np.zeros(1, np.int64)
    else:
        firsts = np.array([i for i, (offset, _) in enumerate(items) if _begins_picture(file, offset + 8)], np.int64)
        if len(firsts) != frames or firsts[0] != 0:
            raise Corrupt("The scan does not say which of its bytes belong to which tile.")
    bounds = np.append(places[firsts, 0], places[-1].sum())
    return FrameTable(source, bounds[:-1], np.diff(bounds), encapsulated=True)


def _begins_picture(file: BinaryIO, offset: int) -> bool:
    file.seek(offset)
    return file.read(4).startswith(_STARTS)
