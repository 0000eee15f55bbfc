"""A flat walk over the last elements of a DICOM file: what differs from frame to frame, and where the pixels lie.

A slide can have a million frames. pydicom makes some twenty objects for each of them (11 s and 470 MB for 100,000
frames); what is wanted is a handful of numbers, so the walk goes into every sequence and keeps only those.
"""

import struct
from collections.abc import Set
from dataclasses import dataclass
from typing import BinaryIO

from pathserve.errors import Corrupt, TooLarge

UNDEFINED = 0xFFFFFFFF
PER_FRAME = 0x52009230
PIXELS = 0x7FE00010
FLOAT_PIXELS = 0x7FE00008
DOUBLE_PIXELS = 0x7FE00009
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_SEQUENCES = {
    0x00189114,  # MREchoSequence
    0x00209111,  # FrameContentSequence
    0x00209113,  # PlanePositionSequence
    0x00209116,  # PlaneOrientationSequence
    0x00289110,  # PixelMeasuresSequence
    0x00289132,  # FrameVOILUTSequence
    0x00289145,  # PixelValueTransformationSequence
    0x00480207,  # OpticalPathIdentificationSequence
    0x0048021A,  # PlanePositionSlideSequence
    0x52009230,  # PerFrameFunctionalGroupsSequence
}
"""The sequences that hold what is wanted, for files whose elements do not state their type."""

_MAX_VALUE = 1 << 10
_MAX_VALUES = 1 << 22
_MAX_HEADS = 1 << 14


@dataclass(frozen=True, slots=True)
class PixelElement:
    """The element that holds the frames.

    Parameters
    ----------
    tag
        ``PIXELS`` or ``FLOAT_PIXELS``.
    words
        Whether its representation is 16-bit words (OW).
    offset
        Where its value begins.
    length
        Bytes of its value, None when the frames are encapsulated.
    """

    tag: int
    words: bool
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    vr: bytes
    length: int


class _Reader:
    """Reads the heads of elements, one after the other."""

    def __init__(self, file: BinaryIO, *, explicit: bool, little: bool) -> None:
        order = "<" if little else ">"
        self._file = file
        self._head, self._short, self._long = (struct.Struct(order + code) for code in ("HH", "H", "L"))
        self.explicit = explicit

    def next(self) -> _Element:
        data = self._bytes(8)
        group, number = self._head.unpack_from(data)
        tag = group << 16 | number
        if not self.explicit or group == 0xFFFE:
            (length,) = self._long.unpack_from(data, 4)
            # Without a stated type a sequence of known length is skipped as a whole, except one that is looked for.
            return _Element(tag, b"SQ" if tag in _SEQUENCES else b"", length)
        vr = data[4:6]
        if vr not in _LONG:
            return _Element(tag, vr, self._short.unpack_from(data, 6)[0])
        return _Element(tag, vr, self._long.unpack(self._bytes(4))[0])

    def _bytes(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise Corrupt("The scan was cut off: the file ends before its pixels.")
        return data


def walk(
    file: BinaryIO, *, explicit: bool, little: bool, wanted: Set[int]
) -> tuple[dict[int, list[bytes]], PixelElement]:
    """Walk from where ``file`` stands to the pixels.

    Parameters
    ----------
    wanted
        Tags of short values that are kept wherever they stand.

    Returns
    -------
    The values of each wanted tag in the order of the file, and the element of the pixels.

    Raises
    ------
    Corrupt
        When the file ends before, or holds no pixels.
    TooLarge
        When it has values for more frames than any scan.
    """
    found: dict[int, list[bytes]] = {tag: [] for tag in wanted}
    reader = _Reader(file, explicit=explicit, little=little)
    kept = 0
    while True:
        element = reader.next()
        tag, length = element.tag, element.length
        if tag in (PIXELS, FLOAT_PIXELS, DOUBLE_PIXELS):
            return found, PixelElement(
                tag, element.vr in (b"OW", b""), file.tell(), None if length == UNDEFINED else length
            )
        if tag in (_ITEM, _ITEM_END, _SEQUENCE_END) or element.vr == b"SQ" or length == UNDEFINED:
            continue  # go in
        if tag not in found:
            file.seek(length, 1)
            continue
        kept += 1
        if length > _MAX_VALUE or kept > _MAX_VALUES:
            raise TooLarge("The scan states more about its frames than PathServe handles.")
        found[tag].append(file.read(length))


def first_values(file: BinaryIO, *, explicit: bool, little: bool, wanted: Set[int], last: int) -> dict[int, bytes]:
    """Read short values from where ``file`` stands, and leave it at the first element after ``last``.

    Sequences are passed over, however deep they are nested: nothing is built of them.

    Parameters
    ----------
    wanted
        Tags; one that stands only inside a sequence is not found.

    Raises
    ------
    Corrupt
        When the file ends before, or states more than any real one in front of ``last``.
    """
    found: dict[int, bytes] = {}
    reader = _Reader(file, explicit=explicit, little=little)
    depth = 0  # of sequences and items whose end is marked instead of stated
    unstated = 0  # depth of the one that an element of unknown type opened: what it holds states no types
    for _ in range(_MAX_HEADS):
        start = file.tell()
        element = reader.next()
        if depth == 0 and element.tag > last and element.tag >> 16 != 0xFFFE:
            file.seek(start)
            return found
        if element.tag in (_ITEM_END, _SEQUENCE_END):
            depth = max(0, depth - 1)
            if depth < unstated:
                unstated, reader.explicit = 0, explicit
        elif element.length == UNDEFINED:
            depth += 1
            if element.vr == b"UN":
                unstated, reader.explicit = unstated or depth, False
        elif depth == 0 and element.tag in wanted and element.length <= _MAX_VALUE:
            found[element.tag] = file.read(element.length)
        else:
            file.seek(element.length, 1)
    raise Corrupt("The header of a DICOM file is damaged.")
