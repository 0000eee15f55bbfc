"""The pictures that a CZI holds apart from the scan: label, overview and thumbnail."""

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from pathserve.errors import Corrupt, TooLarge
from pathserve.slides.czi.segments import MAX_ATTACHMENTS
from pathserve.slides.limits import MAX_TILE_PIXELS

MAX_BYTES = 256 << 20
"""Most bytes of one attachment that is read."""

_SEGMENT, _ENTRY, _FIXED = 32, 128, 256
_NAMES = {b"Label": "label", b"SlidePreview": "macro", b"Thumbnail": "thumbnail"}
_DAMAGED = "The list of the scan's attachments is damaged: it was cut off, or is still being copied."


@dataclass(frozen=True, slots=True)
class Attachment:
    """One picture beside the scan: where it lies, and whether it is a CZI itself (else a JPEG)."""

    offset: int
    is_czi: bool

    def read(self, path: Path) -> bytes:
        """Read its bytes.

        Raises
        ------
        Corrupt, TooLarge
            When it is cut off, or over ``MAX_BYTES``.
        """
        try:
            with path.open("rb") as file:
                file.seek(self.offset + _SEGMENT)
                (size,) = struct.unpack("<i", file.read(4))
                if size > MAX_BYTES:
                    raise TooLarge(f"A picture beside the scan may have at most {MAX_BYTES >> 20} MiB.")
                file.seek(self.offset + _SEGMENT + _FIXED)
                data = file.read(max(size, 0))
        except (OSError, struct.error, OverflowError):
            raise Corrupt(_DAMAGED) from None
        if len(data) != size:
            raise Corrupt(_DAMAGED)
        return data


def find_attachments(path: Path) -> dict[str, Attachment]:
    """List the pictures beside the scan by PathServe's names for them.

    Raises
    ------
    Corrupt
        When the list lies beyond the end of the file.
    """
    found: dict[str, Attachment] = {}
    try:
        with path.open("rb") as file:
            header = file.read(_SEGMENT + 80)
            (directory,) = struct.unpack_from("<q", header, _SEGMENT + 72)
            if directory <= 0:
                return found
            file.seek(directory + _SEGMENT)
            (count,) = struct.unpack("<i", file.read(4))
            file.seek(directory + _SEGMENT + _FIXED)
            table = file.read(min(max(count, 0), MAX_ATTACHMENTS) * _ENTRY)
    except (OSError, struct.error, OverflowError):
        raise Corrupt(_DAMAGED) from None
    for at in range(0, len(table) - _ENTRY + 1, _ENTRY):
        kind = table[at + 40 : at + 48].rstrip(b"\x00")
        name = _NAMES.get(table[at + 48 : at + _ENTRY].rstrip(b"\x00"))
        (offset,) = struct.unpack_from("<q", table, at + 12)
        if name is not None and kind in (b"CZI", b"JPG") and offset > 0:
            found.setdefault(name, Attachment(offset, kind == b"CZI"))
    return found


def decode_picture(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode a JPEG to (h, w, 3) uint8, RGB.

    Raises
    ------
    Corrupt, TooLarge
        When it is damaged, or has more pixels than a tile may have.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if image.width * image.height > MAX_TILE_PIXELS:
                raise TooLarge(f"A picture beside the scan may have at most {MAX_TILE_PIXELS:,} pixels.")
            return np.array(image.convert("RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        raise Corrupt("A picture beside the scan cannot be decoded.") from None
