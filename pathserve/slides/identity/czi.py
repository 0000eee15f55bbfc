"""Zeiss CZI: its metadata document and its attachments."""

import struct
from pathlib import Path

from pathserve.slides.identity.findings import Findings
from pathserve.slides.identity.text import MAX_TEXT, decode_text, search_text

_SEGMENT = 32
_ENTRY = 128
_MAX_ATTACHMENTS = 1_000
_PICTURES = ("label", "preview", "thumbnail")


def search_czi(found: Findings, path: Path) -> None:
    """Note the fields of the metadata document, and every attachment by its name."""
    try:
        with path.open("rb") as file:
            head = file.read(_SEGMENT + 80)
            guid = head[_SEGMENT + 16 : _SEGMENT + 48]
            metadata, attachments = struct.unpack_from("<q4xq", head, _SEGMENT + 60)
            if guid.strip(b"\x00"):
                found.add("CZI header", "file GUID", guid.hex(), kind="id", known=True)
            if metadata > 0:
                file.seek(metadata + _SEGMENT)
                (size,) = struct.unpack("<i", file.read(4))
                file.seek(metadata + _SEGMENT + 256)
                document = decode_text(file.read(max(0, min(size, MAX_TEXT))))
                search_text(found, "CZI metadata", "document", document, kind="free text")
            if attachments > 0:
                file.seek(attachments + _SEGMENT)
                (count,) = struct.unpack("<i", file.read(4))
                file.seek(attachments + _SEGMENT + 256)
                table = file.read(max(0, min(count, _MAX_ATTACHMENTS)) * _ENTRY)
                _search_attachments(found, table)
    except (OSError, struct.error):
        found.stopped("CZI segments")


def _search_attachments(found: Findings, table: bytes) -> None:
    for at in range(0, len(table) - _ENTRY + 1, _ENTRY):
        entry = table[at : at + _ENTRY]
        content = decode_text(entry[40:48].split(b"\x00")[0])
        name = decode_text(entry[48:128].split(b"\x00")[0])
        picture = any(word in name.lower() for word in _PICTURES) or content in ("JPG", "PNG", "TIF")
        found.add("CZI attachments", name, content or "attachment", kind="picture" if picture else "unknown")
