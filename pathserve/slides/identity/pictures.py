"""JPEG, PNG and JPEG 2000 files, and the colour profiles in any file: segments, chunks, boxes, text tags."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import ExifTags, Image

from pathserve.slides.icc import profile_texts
from pathserve.slides.identity.findings import Findings, Kind
from pathserve.slides.identity.text import MAX_TEXT, decode_text, search_text

_MAX_PARTS = 10_000
_MAX_PART = MAX_TEXT
_EXIF_IFDS = ((0x8769, "EXIF"), (0x8825, "GPS"), (0xA005, "interoperability"))
_EXIF_STRUCTURE = {
    0x8769,
    0x8825,
    0xA005,
    0x0112,
    0x011A,
    0x011B,
    0x0128,
    0x0213,
    0xA001,
    0xA002,
    0xA003,
    0x9000,
    0xA000,
}
_IPTC: dict[int, tuple[str, Kind]] = {
    5: ("ObjectName", "free text"), 25: ("Keywords", "free text"), 55: ("DateCreated", "date"),
    60: ("TimeCreated", "date"), 80: ("By-line", "name"), 90: ("City", "place"), 92: ("Sub-location", "place"),
    101: ("Country", "place"), 105: ("Headline", "free text"), 110: ("Credit", "name"), 115: ("Source", "name"),
    116: ("CopyrightNotice", "name"), 118: ("Contact", "name"), 120: ("Caption", "free text"), 122: ("Writer", "name"),
}  # fmt: skip
_PNG_PIXELS = {
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"sBIT", b"bKGD", b"hIST", b"sPLT",
    b"cICP", b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT",
}  # fmt: skip
_JP2_PIXELS = {b"jP  ", b"ftyp", b"jp2h", b"ihdr", b"bpcc", b"pclr", b"cmap", b"cdef", b"res ", b"jp2c", b"rreq"}
_XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\x00"
_EXTENDED_XMP_HEAD = b"http://ns.adobe.com/xmp/extension/\x00"


def search_icc(found: Findings, place: str, profile: bytes) -> None:
    """Note the texts of a colour profile; ingest keeps none of them."""
    for name, data in profile_texts(profile):
        text = decode_text(data)
        found.add(f"{place} / colour profile", name, text, kind="free text", known=name in ("desc", "cprt"))


def search_iptc(found: Findings, place: str, data: bytes) -> None:
    """Note the records of an IPTC block, wherever in ``data`` they begin."""
    at, parts = data.find(b"\x1c\x02"), 0
    while at >= 0 and at + 5 <= len(data) and data[at] == 0x1C and parts < _MAX_PARTS:
        record, dataset, length = struct.unpack_from(">BBH", data, at + 1)
        name, kind = _IPTC.get(dataset, (f"dataset {record}:{dataset}", "unknown"))
        found.add(f"{place} / IPTC", name, decode_text(data[at + 5 : at + 5 + length]), kind=kind, known=True)
        at += 5 + length
        parts += 1


def search_exif(found: Findings, place: str, block: bytes) -> None:
    """Note the fields of an EXIF block (with or without its ``Exif`` mark)."""
    exif = Image.Exif()
    try:
        exif.load(block)
        tables = [("EXIF", dict(exif))] + [(name, exif.get_ifd(tag)) for tag, name in _EXIF_IFDS]
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        found.stopped(f"{place} / EXIF")
        return
    for table, fields in tables:
        for tag, value in fields.items():
            if tag in _EXIF_STRUCTURE:
                continue
            names = ExifTags.GPSTAGS if table == "GPS" else ExifTags.TAGS
            name = names.get(tag, f"tag {tag}")
            _search_exif_value(found, f"{place} / EXIF", name, value, gps=table == "GPS")


def _search_exif_value(found: Findings, place: str, name: str, value: object, *, gps: bool) -> None:
    kind: Kind | None = "place" if gps else None
    if isinstance(value, bytes):
        mark, rest = value[:8].rstrip(b"\x00 "), value[8:]
        text = decode_text(rest if mark in (b"ASCII", b"UNICODE", b"JIS") else value)
        search_text(found, place, name, text, kind=kind, known=True)
    elif isinstance(value, str):
        search_text(found, place, name, value, kind=kind, known=True)
    elif not isinstance(value, dict):
        found.add(place, name, str(value), kind=kind, known=True)


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the segments before the picture data, as (marker, content), as far as they are whole."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in (0xDA, 0xD9):
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, data[at + 4 : end]
        at = end


def search_jpeg(found: Findings, place: str, data: bytes) -> None:
    """Note what the segments of a JPEG say besides its pixels."""
    for marker, content in jpeg_segments(data):
        if marker == 0xFE:
            search_text(found, place, "JPEG comment", decode_text(content), kind="free text", known=True)
        elif 0xE0 <= marker <= 0xEF:
            _search_application(found, place, marker - 0xE0, content)


def _search_application(found: Findings, place: str, number: int, content: bytes) -> None:
    if content.startswith((b"JFIF\x00", b"Adobe")):
        return
    if content.startswith(b"JFXX\x00"):
        found.add(place, "JFIF thumbnail", f"{len(content):,} bytes", kind="picture", known=True)
    elif content.startswith(b"Exif\x00"):
        search_exif(found, place, content)
    elif content.startswith((_XMP_HEAD, _EXTENDED_XMP_HEAD)):
        skip = len(_XMP_HEAD) if content.startswith(_XMP_HEAD) else len(_EXTENDED_XMP_HEAD) + 40
        search_text(found, place, "XMP", decode_text(content[skip:]), kind="unknown", known=True)
    elif content.startswith(b"ICC_PROFILE\x00"):
        search_icc(found, place, content[14:])
    elif content.startswith(b"Photoshop 3.0\x00"):
        search_iptc(found, place, content)
    else:
        search_text(found, place, f"APP{number} segment", decode_text(content), kind="unknown", known=True)


def search_jpeg_file(found: Findings, path: Path) -> None:
    """Note what a JPEG file says, and whether anything follows its end."""
    with path.open("rb") as file:
        search_jpeg(found, "JPEG", file.read(_MAX_PART))
        size = file.seek(0, 2)
        file.seek(max(0, size - (1 << 16)))
        tail = file.read()
    search_jpeg_end(found, "after the picture's end", tail)


def search_jpeg_end(found: Findings, place: str, tail: bytes) -> None:
    """Note what follows the end of a JPEG in its last bytes."""
    end = tail.rfind(b"\xff\xd9")
    if end >= 0 and tail[end + 2 :].strip(b"\x00\xff\r\n "):
        found.add(place, "further bytes", decode_text(tail[end + 2 :]), kind="unknown", known=True)


def search_png_file(found: Findings, path: Path) -> None:
    """Note the text, date, EXIF and unknown chunks of a PNG file."""
    with path.open("rb") as file:
        file.seek(8)
        for _ in range(_MAX_PARTS):
            head = file.read(8)
            if len(head) < 8:
                return
            length, kind = struct.unpack(">I4s", head)
            if kind in _PNG_PIXELS:
                file.seek(length + 4, 1)
                continue
            content = file.read(min(length, _MAX_PART))
            file.seek(length - len(content) + 4, 1)
            _search_chunk(found, kind, content)
    found.stopped("PNG chunks")


def _search_chunk(found: Findings, kind: bytes, content: bytes) -> None:
    place = f"PNG {kind.decode('ascii', 'replace')}"
    if kind in (b"tEXt", b"zTXt", b"iTXt"):
        key, _, rest = content.partition(b"\x00")
        text = _chunk_text(kind, rest)
        if text is None:
            found.stopped(place)
            return
        name = decode_text(key)
        search_text(found, place, "XMP" if name.startswith("XML:com.adobe") else name, text)
    elif kind == b"eXIf":
        search_exif(found, "PNG", content)
    elif kind == b"tIME":
        found.add(place, "time of last change", content.hex(), kind="date", known=True)
    elif kind == b"iCCP":
        title, _, rest = content.partition(b"\x00")
        found.add(place, "profile name", decode_text(title), kind="free text", known=True)
        profile = _inflate(rest[1:])
        if profile is not None:
            search_icc(found, "PNG", profile)
    else:
        search_text(found, "PNG", "private chunk", decode_text(content), kind="unknown", known=True)


def _chunk_text(kind: bytes, rest: bytes) -> str | None:
    """Decode what follows the key of a text chunk; None when it is damaged."""
    if kind == b"tEXt":
        return decode_text(rest)
    if kind == b"zTXt":
        data = _inflate(rest[1:])
        return None if data is None else decode_text(data)
    compressed, body = rest[:1] == b"\x01", rest[2:].split(b"\x00", 2)
    if len(body) < 3:
        return None
    data = _inflate(body[2]) if compressed else body[2]
    return None if data is None else data.decode("utf-8", "replace")


def _inflate(data: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(data, _MAX_PART)
    except zlib.error:
        return None


def search_jp2_file(found: Findings, path: Path) -> None:
    """Note the XML, UUID and unknown boxes of a JP2 file, and the comments of its codestream."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        at = 0
        for _ in range(_MAX_PARTS):
            file.seek(at)
            head = file.read(16)
            if len(head) < 8:
                return
            length, kind = struct.unpack_from(">I4s", head)
            body = 16 if length == 1 else 8
            if length == 1 and len(head) == 16:
                (length,) = struct.unpack_from(">Q", head, 8)
            end = size if length == 0 else at + length
            if end < at + body:
                break
            file.seek(at + body)
            content = file.read(min(end - at - body, _MAX_PART))
            if kind == b"jp2c":
                search_codestream(found, content)
            elif kind not in _JP2_PIXELS:
                _search_box(found, kind, content)
            at = end
    found.stopped("JP2 boxes")


def _search_box(found: Findings, kind: bytes, content: bytes) -> None:
    if kind == b"uuid":
        content = content[16:]
        if content.startswith((b"II*\x00", b"MM\x00*")):
            search_exif(found, "JP2 uuid box", content)
            return
    known = {b"xml ": "XML", b"uuid": "UUID box", b"uinf": "UUID info", b"jp2i": "rights"}.get(kind, "private box")
    search_text(found, f"JP2 {known}", known, decode_text(content), kind="unknown", known=True)


def search_codestream(found: Findings, data: bytes) -> None:
    """Note the comments in the main header of a JPEG 2000 codestream."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0x90:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2:
            return
        if data[at + 1] == 0x64:
            comment = decode_text(data[at + 6 : at + 2 + length])
            search_text(found, "JPEG 2000", "comment", comment, kind="free text", known=True)
        at += 2 + length
