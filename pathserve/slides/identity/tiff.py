"""Every TIFF dialect: images of all chains, their fields, their tiles' headers, the bytes that none of them owns."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from pathserve.slides.identity.findings import Findings, Kind
from pathserve.slides.identity.pictures import search_icc, search_iptc, search_jpeg, search_jpeg_end
from pathserve.slides.identity.text import MAX_TEXT, decode_text, search_text
from pathserve.slides.limits import MAX_DIRECTORIES

MAX_TILES = 4_096
"""Most tiles of one file whose headers are read, evenly spread; copying drops what they hold in every tile."""

_FIELDS: dict[int, Kind] = {
    269: "file name", 270: "free text", 271: "free text", 272: "free text", 285: "free text", 305: "free text",
    306: "date", 315: "name", 316: "place", 333: "name", 337: "free text", 32932: "free text", 33432: "name",
    36867: "date", 36868: "date", 37510: "free text", 40091: "free text", 40092: "free text", 40093: "name",
    40094: "free text", 40095: "free text", 42016: "id", 42032: "name", 42033: "id", 65427: "id", 65442: "id",
    65468: "id", 65477: "id", 65480: "id",
}  # fmt: skip
# How pixels are stored, and Hamamatsu's and Aperio's numbers of that kind.
_PIXELS = {
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 286, 287,
    288, 289, 290, 291, 292, 293, 296, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 336, 338, 339,
    340, 341, 347, 512, 513, 514, 515, 519, 520, 521, 529, 530, 531, 532, 32995, 32996, 32997, 65420, 65421, 65422,
    65423, 65424, 65425, 65426, 65432,
}  # fmt: skip
_XMP, _IPTC, _PHOTOSHOP, _ICC, _EXIF, _GPS = 700, 33723, 34377, 34675, 34665, 34853
_PLACES = (273, 279, 324, 325)
_BYTES = (1, 2, 7)  # BYTE, ASCII, UNDEFINED
_JPEG = 7
_HEADER_BYTES = 4_096
_MAX_NESTING = 4
_LEAST_PICTURE = 16
_GAP = 16
_MAX_GAPS = 1_000
_NAMED_PICTURE = re.compile(r"(?:^|[\n>])\s*(label|macro|overview|thumbnail)\b", re.IGNORECASE)
_ERRORS = (
    tifffile.TiffFileError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, EOFError,
    OSError, struct.error,
)  # fmt: skip


def search_tiff(found: Findings, path: Path) -> None:
    """Note what a TIFF says besides its pixels; what cannot be read is named as such."""
    try:
        with tifffile.TiffFile(path) as tiff:
            _search(found, tiff)
    except _ERRORS:
        found.stopped("TIFF directories")


def _search(found: Findings, tiff: Any) -> None:  # noqa: ANN401 - tifffile is untyped
    pages = list(_pages(found, tiff))
    shape: float | None = None
    for place, page in pages:
        for tag in page.tags:
            _search_tag(found, tiff, place, tag)
        shape = shape or page.imagewidth / max(1, page.imagelength)
        _search_picture(found, place, page, shape)
    fields = np.concatenate([_field_spans(tiff, page) for _, page in pages] or [np.empty((0, 2), np.int64)])
    for _, page in pages:
        _compact(page)
    _search_tiles(found, tiff, pages)
    _search_gaps(found, tiff, fields, [page for _, page in pages])


def _pages(found: Findings, tiff: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - tifffile is untyped
    """Give every image of the file with its place, sub-images after the one that names them."""
    left = [MAX_DIRECTORIES]

    def walk(pages: Any, name: str, nesting: int) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - tifffile is untyped
        index = 0
        while True:
            try:
                page = pages.get(index)
            except IndexError:
                return
            if left[0] == 0 or nesting > _MAX_NESTING:
                found.stopped("TIFF directories")
                return
            left[0] -= 1
            if isinstance(page, tifffile.TiffPage):
                yield f"{name} {index}", page
                if page.subifds:
                    yield from walk(page.pages, f"{name} {index} / SubIFD", nesting + 1)
            index += 1

    tiff.pages.useframes = False
    yield from walk(tiff.pages, "IFD", 0)


def _search_tag(found: Findings, tiff: Any, place: str, tag: Any) -> None:  # noqa: ANN401 - tifffile is untyped
    code = int(tag.code)
    if code in _PIXELS:
        return
    if code in (_EXIF, _GPS):
        for name, value in tag.value.items() if isinstance(tag.value, dict) else ():
            where = f"{place} / {'GPS' if code == _GPS else 'EXIF'}"
            text = decode_text(value) if isinstance(value, bytes) else str(value)
            search_text(found, where, str(name), text, kind="place" if code == _GPS else None, known=True)
        return
    data = _raw(tiff, tag)
    if data is None:
        name = _name(code)
        found.add(
            place, name, str(tag.value)[:200], kind=_FIELDS.get(code, None if code < 32768 else "unknown"), known=True
        )
    elif code == _ICC:
        search_icc(found, place, data)
    elif code == _XMP:
        search_text(found, place, "XMP", decode_text(data), kind="unknown", known=True)
    elif code in (_IPTC, _PHOTOSHOP) and b"\x1c\x02" in data:
        search_iptc(found, place, data)
    else:
        kind = _FIELDS.get(code, "unknown")
        search_text(found, place, _name(code), decode_text(data), kind=kind, known=True)


def _name(code: int) -> str:
    return str(tifffile.TIFF.TAGS.get(code, f"private tag {code}"))


def _raw(tiff: Any, tag: Any) -> bytes | None:  # noqa: ANN401 - tifffile is untyped
    """Read the bytes of a field of text or bytes; None when it holds numbers.

    They are decoded here, because a field of the type ASCII may well hold UTF-16.
    """
    if int(tag.dtype) not in _BYTES and int(tag.code) not in (_IPTC, _PHOTOSHOP):
        return None
    tiff.filehandle.seek(tag.valueoffset)
    return bytes(tiff.filehandle.read(min(int(tag.valuebytecount), MAX_TEXT)))


def _search_picture(found: Findings, place: str, page: Any, shape: float) -> None:  # noqa: ANN401 - tifffile is untyped
    """Note an image that is no resolution of the first one: a label, a macro, a thumbnail."""
    if place == "IFD 0":
        return
    width, height = max(1, page.imagewidth), max(1, page.imagelength)
    size = f"{width} x {height} pixels"
    named = _NAMED_PICTURE.search(page.description[: 1 << 16]) if page.description else None
    magnification = page.tags.valueof(65421)
    if named:
        found.add(place, named[1].lower(), size, kind="picture", known=True)
    elif isinstance(magnification, float) and magnification < 0:
        found.add(place, "macro" if magnification > -2 else "map", size, kind="picture", known=True)
    elif min(width, height) > _LEAST_PICTURE and not 0.9 < shape * height / width < 1.1:
        found.add(place, "picture of another shape", size, kind="picture", known=True)


def _search_tiles(found: Findings, tiff: Any, pages: list[tuple[str, Any]]) -> None:  # noqa: ANN401 - tifffile is untyped
    """Note what the headers of JPEG tiles and strips say; each kind of segment counts once a tile."""
    tiled = [(place, page) for place, page in pages if page.compression == _JPEG and len(page.dataoffsets)]
    each = max(1, MAX_TILES // max(1, len(tiled)))
    for place, page in tiled:
        offsets, counts = page.dataoffsets, page.databytecounts
        count = min(len(offsets), len(counts))
        for index in np.unique(np.linspace(0, count - 1, min(count, each)).astype(np.int64)) if count else ():
            offset, size = int(offsets[index]), int(counts[index])
            tiff.filehandle.seek(offset)
            search_jpeg(found, f"{place} / JPEG tiles", bytes(tiff.filehandle.read(min(size, _HEADER_BYTES))))
            tiff.filehandle.seek(offset + max(0, size - _HEADER_BYTES))
            search_jpeg_end(found, f"{place} / JPEG tiles", bytes(tiff.filehandle.read(min(size, _HEADER_BYTES))))
        tables = page.jpegtables
        if tables:
            search_jpeg(found, f"{place} / JPEGTables", bytes(tables))


def _field_spans(tiff: Any, page: Any) -> npt.NDArray[np.int64]:  # noqa: ANN401 - tifffile is untyped
    """Say where an image's directory and the values of its fields lie: start and length of each, (n, 2)."""
    layout = tiff.tiff
    entries = [[page.offset, layout.tagnosize + len(page.tags) * layout.tagsize + layout.offsetsize]]
    entries += [[tag.valueoffset, tag.valuebytecount] for tag in page.tags]
    return np.array(entries, np.int64).reshape(-1, 2)


def _compact(page: Any) -> None:  # noqa: ANN401 - tifffile is untyped
    """Keep where an image's tiles lie as arrays: tifffile's lists take 80 bytes a tile."""
    page.dataoffsets = np.asarray(page.dataoffsets, np.int64)
    page.databytecounts = np.asarray(page.databytecounts, np.int64)
    for code in _PLACES:
        if code in page.tags:
            del page.tags[code]


def _search_gaps(
    found: Findings,
    tiff: Any,  # noqa: ANN401 - tifffile is untyped
    fields: npt.NDArray[np.int64],
    pages: list[Any],
) -> None:
    """Note bytes of the file that no image and no field points to."""
    layout, size = tiff.tiff, int(tiff.filehandle.size)
    spans = [np.array([[0, 16 if layout.offsetsize == 8 else 8]], np.int64), fields]
    spans += [
        np.stack([page.dataoffsets, page.databytecounts], axis=1).reshape(-1, 2)
        for page in pages
        if len(page.dataoffsets) == len(page.databytecounts)
    ]
    starts, ends = _gaps(np.concatenate(spans), size)
    for start, end in zip(starts[:_MAX_GAPS].tolist(), ends[:_MAX_GAPS].tolist(), strict=True):
        tiff.filehandle.seek(start)
        data = bytes(tiff.filehandle.read(min(end - start, 1 << 16)))
        if data.strip(b"\x00\xff"):
            text = decode_text(data)
            found.add("between the images", "bytes that nothing points to", text, kind="unknown", known=True)


def _gaps(spans: npt.NDArray[np.int64], size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find where no span (start, length) lies: starts and ends of gaps of at least ``_GAP`` bytes."""
    spans = spans[(spans[:, 1] > 0) & (spans[:, 0] >= 0) & (spans[:, 0] < size)]
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    reached = np.maximum.accumulate(np.concatenate([[0], spans[:, 0] + spans[:, 1]]))
    starts, ends = reached, np.concatenate([spans[:, 0], [size]])
    wide = ends - starts >= _GAP
    return starts[wide], ends[wide]
