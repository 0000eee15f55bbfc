"""Colour profiles: what they do to colours is kept; what they say about anything else is not.

A profile carries texts (description, copyright, maker, model), dates and private data beside its curves and tables.
"""

import struct
from collections.abc import Iterator

from pathserve.slides.limits import MAX_ICC_BYTES

_HEADER = 128
_MAX_TAGS = 100
_COLOUR = {
    b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"bkpt", b"chad", b"A2B0", b"A2B1", b"A2B2",
    b"B2A0", b"B2A1", b"B2A2", b"D2B0", b"D2B1", b"D2B2", b"D2B3", b"B2D0", b"B2D1", b"B2D2", b"B2D3", b"gamt", b"lumi",
}  # fmt: skip
_NUMERIC = {b"XYZ ", b"curv", b"para", b"mft1", b"mft2", b"mAB ", b"mBA ", b"mpet", b"sf32"}
_TEXT_TYPES = (b"text", b"desc", b"mluc", b"utf8", b"utf1", b"zut8", b"dict", b"pseq", b"psid", b"data", b"tagS")
_DESCRIPTION = "Scan"
_DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)


def profile_tags(profile: bytes) -> Iterator[tuple[bytes, int, int]]:
    """List a profile's tags as (signature, offset, size); those that lie outside of it are left out."""
    if len(profile) < _HEADER + 4 or profile[36:40] != b"acsp":
        return
    (count,) = struct.unpack_from(">I", profile, _HEADER)
    for index in range(min(count, _MAX_TAGS)):
        at = _HEADER + 4 + 12 * index
        if at + 12 > len(profile):
            return
        signature, offset, size = struct.unpack_from(">4sII", profile, at)
        if offset >= _HEADER and size >= 8 and offset + size <= len(profile):
            yield signature, offset, size


def profile_texts(profile: bytes) -> Iterator[tuple[str, bytes]]:
    """Give the raw text of every tag that holds some, as (name of the tag, bytes)."""
    for signature, offset, size in profile_tags(profile):
        if profile[offset : offset + 4] in _TEXT_TYPES:
            yield signature.decode("ascii", "replace").strip(), _text(profile[offset : offset + size])


def _text(element: bytes) -> bytes:
    """Take the text out of an element; of several translations, the first."""
    if element[:4] == b"desc" and len(element) >= 12:
        (length,) = struct.unpack_from(">I", element, 8)
        return element[12 : 12 + length]
    if element[:4] == b"mluc" and len(element) >= 28:
        length, offset = struct.unpack_from(">II", element, 20)
        return element[offset : offset + length]
    return element[8:]


def neutral_profile(profile: bytes | None) -> bytes | None:
    """Make the profile that converts colours alike and holds nothing else; None when it cannot be one.

    Colour tags of numeric types are kept to the byte, and so are the header's fields that conversions read. The
    description becomes a constant; dates, makers, identifiers, other tags and bytes that no tag owns are gone.

    Parameters
    ----------
    profile
        The scan's profile, or None when it has none.
    """
    if profile is None or len(profile) > MAX_ICC_BYTES:
        return None
    kept = [
        (signature, profile[offset : offset + size])
        for signature, offset, size in profile_tags(profile)
        if signature in _COLOUR and profile[offset : offset + 4] in _NUMERIC
    ]
    if not kept:
        return None
    version4 = profile[8] >= 4
    texts = [(b"desc", _localised() if version4 else _described()), (b"cprt", _localised() if version4 else _plain())]
    return _assembled(_header(profile), [*texts, *kept])


def _header(profile: bytes) -> bytes:
    """Keep size, version, class, spaces, intent and white point; clear all that names who, when and with what."""
    header = bytearray(profile[:_HEADER])
    header[4:8] = bytes(4)  # preferred CMM
    header[24:36] = _DATE
    header[40:44] = bytes(4)  # platform
    header[48:64] = bytes(16)  # maker, model, attributes
    header[80:128] = bytes(48)  # creator, profile id, reserved
    header[36:40] = b"acsp"
    return bytes(header)


def _assembled(header: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    """Lay out header, table and elements; equal elements are stored once, as profiles commonly do."""
    table, end = struct.pack(">I", len(tags)), _HEADER + 4 + 12 * len(tags)
    places, parts = dict[bytes, int](), list[bytes]()
    for signature, element in tags:
        if element not in places:
            places[element] = end
            parts.append(element + bytes(-len(element) % 4))
            end += len(parts[-1])
        table += struct.pack(">4sII", signature, places[element], len(element))
    whole = header + table + b"".join(parts)
    return struct.pack(">I", len(whole)) + whole[4:]


def _described() -> bytes:
    text = _DESCRIPTION.encode("ascii") + b"\x00"
    return b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)


def _plain() -> bytes:
    return b"text" + bytes(4) + b"None\x00"


def _localised() -> bytes:
    text = _DESCRIPTION.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
