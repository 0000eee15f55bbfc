"""JPEG-tiled TIFF, BigTIFF and Aperio SVS: tiles are handed on with the scan's own coefficients."""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import tifffile

from pathserve.errors import Corrupt, PathServeError, TooLarge
from pathserve.geometry import LevelRegion, Mpp, Size
from pathserve.pixels import FIRST_PLANE, Level, Plane, SlideInfo
from pathserve.slides import jpeg
from pathserve.slides.limits import (
    MAX_DIRECTORIES,
    MAX_ICC_BYTES,
    MAX_TILE_PIXELS,
    field_names,
    is_plausible,
    positive_number,
    require_inside,
    require_plane,
    require_size,
    stated_mpp,
)

APERIO = "aperio"
_JPEG = 7
_CODECS = {
    1: "none",
    5: "lzw",
    _JPEG: "jpeg",
    8: "deflate",
    32946: "deflate",
    33003: "jpeg2000",
    33005: "jpeg2000",
    34712: "jpeg2000",
    50000: "zstd",
    50001: "webp",
}
_RGB, _YCBCR = 2, 6
_REDUCED = 1
_MICROMETRES = {2: 25_400.0, 3: 10_000.0}  # per inch, per centimetre
_RESOLUTION = (282, 283, 296)
_ICC = 34675
# Tags that say how the pixels are stored; every other one is metadata and is not kept.
_STRUCTURAL = {
    254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 322, 323, 324, 325, 330, 338, 339, 347,
    529, 530, 531, 532, 32997, *_RESOLUTION, _ICC,
}  # fmt: skip
_APERIO_KEPT = {"MPP", "AppMag"}
_ASSOCIATED = ("thumbnail", "label", "macro")
# What tifffile raises on files that are no TIFF or whose directories lead nowhere.
_PARSE_ERRORS = (
    tifffile.TiffFileError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    EOFError,
    OSError,
    struct.error,
)


_MOST_MISSING = 0.5
"""Sparse scans leave out empty glass; one that leaves out more than this share was not written to its end."""


@dataclass(frozen=True, slots=True)
class _TiledPage:
    """Where the JPEG tiles of one level lie in the file."""

    size: Size
    tile: Size
    rgb: bool
    tables: bytes
    offsets: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    @property
    def missing(self) -> int:
        return int(np.count_nonzero(self.counts == 0))

    @property
    def columns(self) -> int:
        return -(-self.size.width // self.tile.width)

    @property
    def rows(self) -> int:
        return -(-self.size.height // self.tile.height)


def compression_name(path: Path) -> str:
    """Name the compression of the first image of a TIFF, ``"unknown"`` when it has no name here or is no TIFF."""
    try:
        with tifffile.TiffFile(path) as tiff:
            return _CODECS.get(int(tiff.pages.first.compression), "unknown")
    except _PARSE_ERRORS:
        return "unknown"


def open_jpeg_tiff(path: Path, vendor: str | None) -> "TiffSource | None":
    """Open a TIFF whose full-resolution image consists of JPEG tiles.

    Parameters
    ----------
    vendor
        ``"aperio"``, ``"generic-tiff"`` or None, as OpenSlide names the format.

    Returns
    -------
    None when the file is no such TIFF; another reader may know it.

    Raises
    ------
    Corrupt, TooLarge
        When what the file claims about itself is impossible or over a limit.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            pages = _pages(tiff)
            base = _tiled_page(pages[0])
            if base is None:
                return None
            _require_whole_file(tiff, pages[-1], base)
            levels = [base, *_reduced(pages[1:], base, aperio=vendor == APERIO)]
            info = _info(pages, levels, vendor or "generic-tiff")
    except PathServeError:
        raise
    except _PARSE_ERRORS:
        return None
    source = TiffSource(path, info, levels)
    if not source.looks_verbatim():
        source.close()
        return None
    return source


def _pages(tiff: Any) -> list[Any]:  # noqa: ANN401 - tifffile is untyped
    """List the images of the main chain, one by one so that an endless chain is noticed."""
    pages = []
    for index in range(MAX_DIRECTORIES + 1):
        try:
            pages.append(tiff.pages.get(index))
        except IndexError:
            return pages
    raise TooLarge(f"A TIFF may hold at most {MAX_DIRECTORIES:,} images.")


def _require_whole_file(tiff: Any, last: Any, base: _TiledPage) -> None:  # noqa: ANN401 - tifffile is untyped
    """Refuse a file that was cut off: tifffile stops silently where the chain of images leaves the file.

    Raises
    ------
    Corrupt
        When an image or tile lies beyond the end of the file, or most tiles hold nothing.
    """
    layout, file = tiff.tiff, tiff.filehandle
    file.seek(last.offset)
    (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
    file.seek(last.offset + layout.tagnosize + tags * layout.tagsize)
    (following,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
    if following >= file.size or np.any(base.offsets + base.counts > file.size):
        raise Corrupt("The scan was cut off: the file ends before its last image.")
    empty = base.missing
    if empty > _MOST_MISSING * len(base.counts):
        raise Corrupt(f"{empty:,} of the scan's {len(base.counts):,} tiles hold nothing.")


def _tiled_page(page: Any) -> _TiledPage | None:  # noqa: ANN401 - tifffile is untyped
    """Take a page when its tiles are 8-bit three-component JPEGs, otherwise None."""
    fits = (
        page.is_tiled
        and page.compression == _JPEG
        and page.photometric in (_RGB, _YCBCR)
        and page.samplesperpixel == 3
        and page.bitspersample == 8
        and page.planarconfig == 1
        and page.imagedepth == 1
    )
    if not fits:
        return None
    size = require_size(page.imagewidth, page.imagelength)
    tile = Size(page.tilewidth, page.tilelength)
    if tile.width * tile.height > MAX_TILE_PIXELS:
        raise TooLarge(f"A tile may have at most {MAX_TILE_PIXELS:,} pixels.")
    offsets, counts = np.asarray(page.dataoffsets, np.int64), np.asarray(page.databytecounts, np.int64)
    found = _TiledPage(size, tile, page.photometric == _RGB, page.jpegtables or b"", offsets, counts)
    if not len(offsets) == len(counts) == found.columns * found.rows:
        raise Corrupt("The scan's list of tiles does not fit its size.")
    return found


def _reduced(pages: list[Any], base: _TiledPage, *, aperio: bool) -> list[_TiledPage]:
    """Find the pages that are the same picture at lower resolution, finest first."""
    found = []
    for page in pages:
        if not aperio and not page.subfiletype & _REDUCED:
            continue
        tiled = _tiled_page(page)
        if tiled is not None and tiled.size.width < base.size.width and _same_aspect(base.size, tiled.size):
            found.append(tiled)
    return sorted(found, key=lambda tiled: -tiled.size.width)


def _same_aspect(base: Size, reduced: Size) -> bool:
    """Tell whether one factor explains both sides when each may be off by one pixel."""
    low = max(base.width / (reduced.width + 1), base.height / (reduced.height + 1))
    high = min(base.width / max(reduced.width - 1, 0.5), base.height / max(reduced.height - 1, 0.5))
    return low <= high


def _info(pages: list[Any], levels: list[_TiledPage], vendor: str) -> SlideInfo:
    first = pages[0]
    described = _aperio_fields(first.description) if vendor == APERIO else {}
    aperio_mpp = described.get("MPP")
    mpp = stated_mpp(aperio_mpp, aperio_mpp) if vendor == APERIO else _stated_resolution(first)
    icc = first.tags.valueof(_ICC)
    base = levels[0].size
    dropped = [tag.name for page in pages for tag in page.tags if tag.code not in _STRUCTURAL]
    return SlideInfo(
        vendor=vendor,
        levels=tuple(
            Level(
                tiled.size,
                (base.width / tiled.size.width + base.height / tiled.size.height) / 2,
                tiled.tile,
                "jpeg",
            )
            for tiled in levels
        ),
        mpp=mpp,
        mpp_plausible=is_plausible(mpp),
        objective_power=positive_number(described.get("AppMag")),
        codec="jpeg",
        missing_tiles=levels[0].missing,
        icc_profile=bytes(icc) if isinstance(icc, bytes) and 0 < len(icc) <= MAX_ICC_BYTES else None,
        associated=_associated(pages) if vendor == APERIO else (),
        dropped_metadata=field_names(dropped + [name for name in described if name not in _APERIO_KEPT]),
    )


def _aperio_fields(description: str) -> dict[str, str]:
    """Split Aperio's description, ``library text|key = value|key = value``."""
    fields: dict[str, str] = {}
    for part in description.split("|")[1:]:
        key, equals, value = part.partition("=")
        if equals:
            fields.setdefault(key.strip(), value.strip())
    return fields


def _associated(pages: list[Any]) -> tuple[str, ...]:
    """Name the label, macro and thumbnail pictures of an Aperio file, which are not tiled."""
    names = set()
    for index, page in enumerate(pages[1:], start=1):
        if page.is_tiled:
            continue
        lines = page.description.splitlines()
        word = lines[1].split(" ")[0].lower() if len(lines) > 1 else ""
        names.add("thumbnail" if index == 1 else word)
    return tuple(name for name in _ASSOCIATED if name in names)


def _stated_resolution(page: Any) -> Mpp | None:  # noqa: ANN401 - tifffile is untyped
    """Read the resolution tags; without a unit they are no size."""
    x, y, unit = (page.tags.valueof(code) for code in _RESOLUTION)
    micrometres = _MICROMETRES.get(int(unit) if unit is not None else 2)
    if micrometres is None or x is None or y is None or 0 in (*x, *y):
        return None
    return Mpp(micrometres * x[1] / x[0], micrometres * y[1] / y[0])


class TiffSource:
    """An open JPEG-tiled TIFF. Holds the lists of tiles in memory (16 bytes a tile), pixels never.

    The Orientation tag is ignored, as OpenSlide ignores it for JPEG tiles: level 0 is the stored raster.
    """

    def __init__(self, path: Path, info: SlideInfo, levels: list[_TiledPage]) -> None:
        self._info = info
        self._levels = levels
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def info(self) -> SlideInfo:
        """The technical facts of the scan."""
        return self._info

    def looks_verbatim(self) -> bool:
        """Tell whether the first tile of every level is a JPEG that can be kept."""
        try:
            for level, page in enumerate(self._levels):
                first = int(np.argmax(page.counts > 0))
                self.encoded_tile(level, first % page.columns, first // page.columns)
        except Corrupt:
            return False
        return True

    def encoded_tile(self, level: int, t_col: int, t_row: int, plane: Plane = FIRST_PLANE) -> bytes | None:
        """Give one tile as a complete JPEG; see :class:`pathserve.pixels.PixelSource`."""
        require_plane(plane, self._info)
        page = self._levels[level]
        if not (0 <= t_col < page.columns and 0 <= t_row < page.rows):
            raise ValueError("The tile does not lie inside the level.")
        index = t_row * page.columns + t_col
        offset, count = int(page.offsets[index]), int(page.counts[index])
        if count == 0:
            return None
        # A JPEG larger than twice its pixels is not one that an encoder made.
        if offset <= 0 or count > 6 * page.tile.width * page.tile.height + (1 << 20):
            raise Corrupt("The scan's list of tiles is damaged.")
        try:
            data = os.pread(self._file, count, offset)
        except OSError:
            raise Corrupt("A part of the scan cannot be read.") from None
        if len(data) != count:
            raise Corrupt("The scan ends before its last tile.")
        tile = jpeg.to_interchange(page.tables, data, rgb=page.rgb)
        frame = jpeg.read_frame(tile)
        if (frame.width, frame.height) != (page.tile.width, page.tile.height):
            raise Corrupt("A JPEG tile of the scan is not of the size that the scan states.")
        if frame.components != 3 or frame.precision != 8:
            raise Corrupt("A JPEG tile of the scan has not three 8-bit components.")
        return tile

    def read(self, level: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> npt.NDArray[np.uint8]:
        """Decode a region to (h, w, 3) uint8, RGB; tiles without bytes are white."""
        page = self._levels[level]
        require_plane(plane, self._info)
        require_inside(region, page.size)
        out = np.full((region.height, region.width, 3), 255, np.uint8)
        width, height = page.tile.width, page.tile.height
        for t_row in range(region.lv_y // height, -(-(region.lv_y + region.height) // height)):
            for t_col in range(region.lv_x // width, -(-(region.lv_x + region.width) // width)):
                tile = self.encoded_tile(level, t_col, t_row)
                if tile is None:
                    continue
                x0, y0 = t_col * width - region.lv_x, t_row * height - region.lv_y
                left, top = max(0, -x0), max(0, -y0)
                pixels = jpeg.decode(tile)[top : region.height - y0, left : region.width - x0]
                out[y0 + top : y0 + top + pixels.shape[0], x0 + left : x0 + left + pixels.shape[1]] = pixels
        return out

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
