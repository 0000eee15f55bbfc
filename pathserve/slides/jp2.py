"""What the boxes of a JP2 file say (ISO 15444-1, annex I): its colour profile, and where its codestream begins."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pathserve.slides.limits import MAX_ICC_BYTES

SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_MOST_BOXES = 1000
_PROFILE_METHODS = (2, 3)  # restricted (JP2) and any (JPX)
_PROFILE_AT = 3  # behind method, precedence and approximation


def find_profile(path: Path) -> bytes | None:
    """Take the ICC profile of a JP2; None when its colours are of a named space, or it is no JP2.

    As the standard has it, the first colour specification counts and all others are passed over.
    """
    with path.open("rb") as file:
        for start, end in _inside(file, b"jp2h"):
            for kind, at, until in _boxes(file, start, end):
                if kind == b"colr":
                    return _profile(file, at, until)
    return None


def find_codestream(path: Path) -> int | None:
    """Tell where the codestream of a JP2 begins; None when it is no JP2, or has none."""
    with path.open("rb") as file:
        return next((start for start, _ in _inside(file, b"jp2c")), None)


def _inside(file: BinaryIO, wanted: bytes) -> Iterator[tuple[int, int]]:
    """Give what lies in each box of a kind at the top of the file."""
    if file.read(len(SIGNATURE)) == SIGNATURE:
        size = file.seek(0, 2)
        yield from ((start, end) for kind, start, end in _boxes(file, 0, size) if kind == wanted)


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Walk boxes: kind, where the content starts and ends. Ends at the first one that does not fit."""
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if at + 8 > end or len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        start = at + 8
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
            start = at + 16
        until = at + size if size else end  # 0: up to the end
        if until < start or until > end:
            return
        yield kind, start, until
        at = until


def _profile(file: BinaryIO, start: int, end: int) -> bytes | None:
    if not 0 < end - start - _PROFILE_AT <= MAX_ICC_BYTES:
        return None
    file.seek(start)
    content = file.read(end - start)
    return content[_PROFILE_AT:] if content[0] in _PROFILE_METHODS else None
