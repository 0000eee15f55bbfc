"""Where the pieces of an NDPI's levels lie, and how many of them make a tile."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from pathserve.errors import Corrupt, PathServeError
from pathserve.geometry import Size
from pathserve.slides.ndpi.joining import Pieces, read_pieces
from pathserve.slides.tiff.directory import JPEG, PARSE_ERRORS, YCBCR, Page, list_pages
from pathserve.slides.tiff.picture import icc_of

TILE_HEIGHT = 256
"""Rows of a tile: pieces are 8 px high, and a viewer's tile then lies in one row of tiles."""

WIDTHS = range(128, 4097)
"""Widths of pieces that make good tiles; each tile of a viewer decodes one as a whole."""

_LENS, _FOCUS = 65421, 65424


@dataclass(frozen=True, slots=True, eq=False)
class LevelPieces:
    """One level: its pieces row by row, where each lies in the file and how many bytes it has."""

    pieces: Pieces
    columns: int
    rows: int
    offsets: npt.NDArray[np.int64] = field(repr=False)
    counts: npt.NDArray[np.int64] = field(repr=False)

    @property
    def tile(self) -> Size:
        """Pixels of a tile."""
        return Size(self.pieces.width, TILE_HEIGHT)


def find_levels(path: Path, sizes: Sequence[Size]) -> list[LevelPieces | None]:
    """Find the pieces of each level; None for those whose pieces are not stated, or make no good tiles.

    Parameters
    ----------
    sizes
        Of the levels, as OpenSlide gives them.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            pages, end = list_pages(tiff), tiff.filehandle.size
            return [_level([page for page in pages if _is_level(page, size)], size, end) for size in sizes]
    except (PathServeError, *PARSE_ERRORS):
        return [None] * len(sizes)


def find_profile(path: Path) -> bytes | None:
    """Take the colour profile of the scan, which is the first image; None when it has none that can be read."""
    try:
        with tifffile.TiffFile(path) as tiff:
            return icc_of(tiff.pages.get(0))
    except (PathServeError, *PARSE_ERRORS):
        return None


def _is_level(page: Page, size: Size) -> bool:
    """Tell whether an image is a level of the plane in focus."""
    tags = page.tags
    in_focus = tags.valueof(_FOCUS) in (None, 0)
    return (page.imagewidth, page.imagelength) == (size.width, size.height) and tags.valueof(_LENS) > 0 and in_focus


def _level(pages: list[Page], size: Size, end: int) -> LevelPieces | None:
    if len(pages) != 1 or not pages[0].jpegheader:
        return None
    (page,) = pages
    if int(page.compression) != JPEG or int(page.photometric) != YCBCR:
        return None
    try:
        pieces = read_pieces(page.jpegheader)
    except Corrupt:
        return None
    if pieces is None or pieces.width not in WIDTHS:
        return None
    columns, rows = -(-size.width // pieces.width), -(-size.height // pieces.mcu.height)
    # A row of MCUs must end where a piece ends; otherwise pieces do not lie below each other.
    if -(-size.width // pieces.mcu.width) != columns * pieces.interval:
        return None
    offsets, counts = np.asarray(page.dataoffsets, np.int64), np.asarray(page.databytecounts, np.int64)
    whole = len(offsets) == len(counts) == columns * rows
    if not whole or np.any((offsets <= 0) | (counts <= 2) | (offsets > end - counts)):
        return None
    return LevelPieces(pieces, columns, rows, offsets, counts)
