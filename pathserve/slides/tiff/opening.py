"""Which dialect a TIFF speaks, told by what its first image says."""

from pathlib import Path
from typing import Any

import tifffile

from pathserve.errors import NotFound, PathServeError, Unsupported
from pathserve.slides.tiff.directory import (
    PARSE_ERRORS,
    Page,
    forget_places,
    is_left_to_openslide,
    list_pages,
    require_whole_chain,
)
from pathserve.slides.tiff.generic import APERIO, read_aperio, read_generic
from pathserve.slides.tiff.imagej import is_imagej, read_imagej
from pathserve.slides.tiff.ome import read_ome
from pathserve.slides.tiff.ome_xml import is_ome
from pathserve.slides.tiff.picture import Picture, require_whole
from pathserve.slides.tiff.qptiff import is_qptiff, read_qptiff
from pathserve.slides.tiff.source import TiffSource


def open_tiff(path: Path, vendor: str | None, *, scene: int = 0) -> TiffSource | None:
    """Open a TIFF; None when OpenSlide, which knows it by this vendor, reads its colours more faithfully.

    Parameters
    ----------
    vendor
        ``"aperio"``, ``"generic-tiff"`` or None, as OpenSlide names the format.
    scene
        Which of its pictures.

    Raises
    ------
    NotFound
        When it has no such picture.
    Unsupported
        When it is no TIFF, or one that is stored in a way that is not read.
    Corrupt, TooLarge
        When what the file claims about itself is impossible or over a limit.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            pages = list_pages(tiff)
            if vendor is not None and scene == 0 and pages and is_left_to_openslide(pages[0]):
                return None
            picture, scenes, files = _picture(path, tiff, pages, vendor, scene)
            for page in pages:
                forget_places(page)
    except PathServeError:
        raise
    except PARSE_ERRORS:
        raise Unsupported("This file is no scan of a kind that PathServe reads.") from None
    if picture is None:
        raise NotFound("The scan has no such scene.")
    return TiffSource(files, require_whole(picture), scenes)


def _picture(
    path: Path,
    tiff: Any,  # noqa: ANN401 - tifffile is untyped
    pages: list[Page],
    vendor: str | None,
    scene: int,
) -> tuple[Picture | None, int, tuple[Path, ...]]:
    """Read a picture; give it, how many there are, and the files that it lies in."""
    size = tiff.filehandle.size
    if not pages:
        raise Unsupported("This TIFF holds no image.")
    require_whole_chain(tiff, pages[-1])
    description = pages[0].description
    if vendor != APERIO and is_ome(description):
        return read_ome(path, pages, size, scene)
    if scene != 0:
        return None, 1, (path,)
    if vendor == APERIO:
        return read_aperio(pages, size), 1, (path,)
    if is_qptiff(description):
        return read_qptiff(pages, size), 1, (path,)
    if is_imagej(description):
        return read_imagej(pages, size, tiff.imagej_metadata), 1, (path,)
    return read_generic(pages, size, upright=vendor is None), 1, (path,)
