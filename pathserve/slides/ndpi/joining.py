"""Complete JPEGs out of the pieces between restart markers: coded data stays as it is, only headers are made. Pure.

A piece is one row of MCUs. The predictions of a JPEG begin anew at each restart marker, so pieces of the same width can
be put below each other when a marker stands between them; markers count from 0 to 7 and over.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from pathserve.errors import Corrupt
from pathserve.geometry import Size
from pathserve.slides import jpeg

_BASELINE, _TABLES, _RESTART, _SCAN = 0xC0, 0xC4, 0xDD, 0xDA
_FIRST_RESTART = 0xD0
_MARKER = re.compile(rb"\xff[^\x00]")

Codes = dict[int, str]
"""Huffman code of each symbol, as a text of 0 and 1."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What the header of a level says about its pieces.

    Parameters
    ----------
    header
        From the start of the picture to the start of its coded data.
    size_at
        Where height and width stand in it.
    mcu
        Pixels of one MCU.
    interval
        MCUs of one piece.
    blank
        The coded data of a grey piece, for rows below the end of a level.
    """

    header: bytes = field(repr=False)
    size_at: int
    mcu: Size
    interval: int
    blank: bytes = field(repr=False)

    @property
    def width(self) -> int:
        """Pixels of a piece."""
        return self.interval * self.mcu.width


def read_pieces(header: bytes) -> Pieces | None:
    """Read the header of a level; None when its pieces cannot be joined, or not so that OpenSlide's pixels come out.

    Raises
    ------
    Corrupt
        When it is no header of a JPEG.
    """
    frame_at, interval, tables = 0, 0, dict[int, Codes]()
    for marker, start, end in jpeg.segments(header):
        body = header[start + 4 : end]
        if marker == _BASELINE:
            frame_at = start
        elif marker == _RESTART:
            interval = int.from_bytes(body[:2], "big")
        elif marker == _TABLES:
            tables |= _huffman(body)
        elif marker == _SCAN:
            factors = _factors(header, frame_at, body) if frame_at and end == len(header) else None
            if factors is None or interval == 0:
                return None
            blank = _blank(tables, body, factors, interval)
            return None if blank is None else Pieces(header, frame_at + 5, Size(8 * max(factors), 8), interval, blank)
    return None


def _factors(header: bytes, frame_at: int, scan: bytes) -> list[int] | None:
    """Give how often each component is sampled along x; None unless it is three of 8 bits in one scan, once along y.

    Colours that are halved along y are smoothed over the edge of a piece by decoders that see both sides.
    """
    frame = header[frame_at + 4 : frame_at + 19]
    if len(frame) < 15 or frame[0] != 8 or frame[5] != 3 or len(scan) < 10 or scan[0] != 3:
        return None
    sampled = [frame[7 + 3 * index] for index in range(3)]
    ordered = [scan[1 + 2 * index] for index in range(3)] == [frame[6 + 3 * index] for index in range(3)]
    if not ordered or any(each & 15 != 1 or each >> 4 not in (1, 2) for each in sampled):
        return None
    return [each >> 4 for each in sampled]


def _huffman(body: bytes) -> dict[int, Codes]:
    """Read Huffman tables by class and number, 0x00 to 0x13."""
    found: dict[int, Codes] = {}
    at = 0
    while at + 17 <= len(body):
        counts, symbols = body[at + 1 : at + 17], at + 17
        codes: Codes = {}
        code = 0
        for length, count in enumerate(counts, start=1):
            for symbol in body[symbols : symbols + count]:
                codes[symbol] = format(code, f"0{length}b")
                code += 1
            symbols += count
            code <<= 1
        found[body[at]] = codes
        at = symbols
    return found


def _blank(tables: dict[int, Codes], scan: bytes, factors: list[int], interval: int) -> bytes | None:
    """Code a piece without change and without detail; None when the tables have no codes for that."""
    mcu = ""
    for index, factor in enumerate(factors):
        chosen = scan[2 + 2 * index]
        steady, end = tables.get(chosen >> 4, {}).get(0), tables.get(0x10 | chosen & 15, {}).get(0)
        if steady is None or end is None:
            return None
        mcu += (steady + end) * factor
    bits = mcu * interval
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")


def join(pieces: Pieces, rows: Sequence[bytes | None]) -> bytes:
    """Put pieces below each other.

    Parameters
    ----------
    rows
        Coded data of each piece without the marker at its end, from the top; None for a grey one.

    Returns
    -------
    A complete JPEG, ``pieces.width`` wide and as high as there are rows.

    Raises
    ------
    Corrupt
        When a piece holds a marker, so that it is none.
    """
    head = bytearray(pieces.header)
    struct.pack_into(">2H", head, pieces.size_at, len(rows) * pieces.mcu.height, pieces.width)
    parts = [bytes(head)]
    for index, row in enumerate(rows):
        if row is not None and (not row or _MARKER.search(row)):
            raise Corrupt("A part of the scan is damaged.")
        parts.append(pieces.blank if row is None else row)
        if index < len(rows) - 1:
            parts.append(bytes((0xFF, _FIRST_RESTART + index % 8)))
    return jpeg.to_interchange(b"", b"".join([*parts, jpeg.EOI]), rgb=False)


def without_marker(piece: bytes) -> bytes:
    """Take the restart marker, or the end of the picture, off the end of a piece.

    Raises
    ------
    Corrupt
        When there is none.
    """
    if len(piece) < 3 or piece[-2] != 0xFF or not (_FIRST_RESTART <= piece[-1] < _FIRST_RESTART + 10):
        raise Corrupt("A part of the scan is damaged.")
    return piece[:-2]
