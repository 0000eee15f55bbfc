"""The images of a TIFF as a list, whatever its chain of directories claims."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from pathserve.errors import Corrupt, TooLarge
from pathserve.slides.limits import MAX_DIRECTORIES

Page = Any
"""An image of a TIFF as tifffile describes it; tifffile is untyped."""

# What tifffile raises on files that are no TIFF or whose directories lead nowhere.
PARSE_ERRORS = (
    tifffile.TiffFileError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    EOFError,
    OSError,
    struct.error,
)

JPEG = 7
OLD_JPEG = 6
CODECS = {
    1: "none",
    5: "lzw",
    OLD_JPEG: "old-jpeg",
    JPEG: "jpeg",
    8: "deflate",
    22610: "jpeg-xr",
    32773: "packbits",
    32946: "deflate",
    33003: "jpeg2000",
    33005: "jpeg2000",
    34712: "jpeg2000",
    34887: "lerc",
    34892: "jpeg",
    34925: "lzma",
    34926: "zstd",
    34927: "webp",
    34933: "png",
    34934: "jpeg-xr",
    50000: "zstd",
    50001: "webp",
    50002: "jpeg-xl",
    52546: "jpeg-xl",
}
"""Compressions of TIFF by number; the ones that have a name here are the ones that are read."""

ICC = 34675
RESOLUTION = (282, 283, 296)
ORIENTATION = 274
# Tags that say how the pixels are stored; every other one is metadata and is not kept.
_STRUCTURAL = {
    254, 255, 256, 257, 258, 259, 262, 266, ORIENTATION, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 330,
    338, 339, 347, 512, 513, 514, 519, 520, 521, 529, 530, 531, 532, 32997, *RESOLUTION, ICC,
}  # fmt: skip
_PLACES = (273, 279, 324, 325)
_MOST_SUB_IMAGES = 32
YCBCR = 6
_APERIO_JPEG_2000 = (33003, 33005)
_CONVERTED = (5, 8, 9)  # separated, CIELAB, ICCLAB


def list_pages(tiff: Any) -> list[Page]:  # noqa: ANN401 - tifffile is untyped
    """List the images of the main chain, one by one so that an endless chain is noticed.

    Raises
    ------
    TooLarge
        When there are more than ``MAX_DIRECTORIES``.
    """
    pages = []
    for index in range(MAX_DIRECTORIES + 1):
        try:
            pages.append(tiff.pages.get(index))
        except IndexError:
            return pages
    raise TooLarge(f"A TIFF may hold at most {MAX_DIRECTORIES:,} images.")


def sub_pages(page: Page) -> list[Page]:
    """List the images that hang below one (SubIFDs): its reduced resolutions."""
    if not page.subifds or len(page.subifds) > _MOST_SUB_IMAGES:
        return []
    return [sub for sub in page.pages if isinstance(sub, tifffile.TiffPage)]


def forget_places(page: Page) -> None:
    """Let go of where an image's segments lie, once that is known: tifffile's lists take 80 bytes a segment.

    Its decoders, which stay, hold the whole page.
    """
    for each in (page, *sub_pages(page)):
        each.dataoffsets = each.databytecounts = ()
        for code in _PLACES:
            if code in each.tags:
                del each.tags[code]


def require_whole_chain(tiff: Any, last: Page) -> None:  # noqa: ANN401 - tifffile is untyped
    """Refuse a file that was cut off: tifffile stops silently where the chain of images leaves the file.

    Raises
    ------
    Corrupt
        When an image lies beyond the end of the file.
    """
    layout, file = tiff.tiff, tiff.filehandle
    file.seek(last.offset)
    (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
    file.seek(last.offset + layout.tagnosize + tags * layout.tagsize)
    (following,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
    if following >= file.size:
        raise cut_off()


def require_inside_file(offsets: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], size: int) -> None:
    """Refuse an image of which a part lies beyond the end of the file.

    Raises
    ------
    Corrupt
        When one does.
    """
    if np.any((counts < 0) | (offsets < 0) | (offsets > size - counts)):
        raise cut_off()


def cut_off() -> Corrupt:
    """Make the error for files that end too early."""
    return Corrupt("The scan was cut off: the file ends before its last image.")


def is_left_to_openslide(page: Page) -> bool:
    """Tell whether OpenSlide, when it opens the file, reads the image's colours more faithfully than is done here.

    It undoes the colour transform of Aperio's JPEG 2000 (33003), and reads separated, Lab and plain YCbCr colours and
    old-style JPEG through libtiff.
    """
    compression, photometric = int(page.compression), int(page.photometric)
    if compression in _APERIO_JPEG_2000:
        return bool(page.samplesperpixel == 3 and page.bitspersample == 8)
    return compression == OLD_JPEG or photometric in _CONVERTED or (photometric == YCBCR and compression != JPEG)


def rational(value: object) -> float | None:
    """Read a tag that is a ratio, a number, or nothing of use."""
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, int) for part in value):
        return value[0] / value[1] if value[1] else None
    return float(value) if isinstance(value, int | float) else None


def compression_name(path: Path) -> str:
    """Name the compression of the first image of a TIFF, ``"unknown"`` when it has no name here or is no TIFF."""
    try:
        with tifffile.TiffFile(path) as tiff:
            return CODECS.get(int(tiff.pages.first.compression), "unknown")
    except PARSE_ERRORS:
        return "unknown"


def dropped_tags(pages: list[Page]) -> list[str]:
    """Name the tags that are metadata."""
    return [str(tag.name) for page in pages for tag in page.tags if tag.code not in _STRUCTURAL]
