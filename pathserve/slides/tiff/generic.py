"""TIFF without a dialect, and Aperio's: one picture, its reduced resolutions, or a stack of equal images."""

from functools import partial

from pathserve.errors import PathServeError, TooLarge, Unsupported
from pathserve.slides.limits import positive_number, stated_mpp
from pathserve.slides.tiff.directory import ORIENTATION, Page, dropped_tags, sub_pages
from pathserve.slides.tiff.orientation import UPRIGHT, read_orientation
from pathserve.slides.tiff.picture import (
    GENERIC,
    Picture,
    channels_of,
    icc_of,
    planes_of,
    reduced,
    stated_resolution,
)
from pathserve.slides.tiff.raster import Raster, raster_of

APERIO = "aperio"
_APERIO_KEPT = {"MPP", "AppMag"}
_REDUCED = 1
_ASSOCIATED = ("thumbnail", "label", "macro")


def read_generic(pages: list[Page], file_size: int, *, upright: bool) -> Picture:
    """Read a TIFF without a dialect.

    Parameters
    ----------
    upright
        Whether the Orientation tag is followed, and images of the same kind are a stack: not in files that OpenSlide
        opens, whose level 0 is the frame of coordinates.
    """
    describe = partial(raster_of, file_size=file_size)
    first = pages[0]
    base = describe(first)
    candidates = [*sub_pages(first), *(page for page in pages[1:] if page.subfiletype & _REDUCED)]
    levels = reduced(base, candidates, describe)
    stack = [base]
    if upright and not levels:
        stack += _equal(base, [page for page in pages[1:] if not page.subfiletype & _REDUCED], describe)
    return Picture(
        vendor=GENERIC,
        levels=(
            planes_of({(0, 0, z): raster for z, raster in enumerate(stack)}),
            *(planes_of({(0, 0, 0): raster}) for raster in levels),
        ),
        channels=channels_of(base),
        planes=len(stack),
        mpp=stated_resolution(first),
        icc_profile=icc_of(first),
        dropped=tuple(dropped_tags(pages)),
        orientation=read_orientation(first.tags.valueof(ORIENTATION)) if upright else UPRIGHT,
    )


def _equal(base: Raster, pages: list[Page], describe: "partial[Raster]") -> list[Raster]:
    """Find the images of the same size and kind."""
    found = []
    for page in pages:
        try:
            raster = describe(page)
        except (Unsupported, TooLarge):
            continue
        if raster.size == base.size and raster.like(base):
            found.append(raster)
    return found


def read_aperio(pages: list[Page], file_size: int) -> Picture:
    """Read an Aperio file: tiled images are levels, the others pictures of the glass."""
    describe = partial(raster_of, file_size=file_size)
    first = pages[0]
    base = describe(first)
    fields = aperio_fields(first.description)
    associated = _aperio_associated(pages, describe)
    return Picture(
        vendor=APERIO,
        levels=tuple(
            planes_of({(0, 0, 0): raster})
            for raster in [base, *reduced(base, [page for page in pages[1:] if page.is_tiled], describe)]
        ),
        channels=channels_of(base),
        mpp=stated_mpp(fields.get("MPP"), fields.get("MPP")),
        objective_power=positive_number(fields.get("AppMag")),
        icc_profile=icc_of(first),
        associated=associated,
        dropped=(*dropped_tags(pages), *(name for name in fields if name not in _APERIO_KEPT)),
    )


def aperio_fields(description: str) -> dict[str, str]:
    """Split Aperio's description, ``library text|key = value|key = value``."""
    fields: dict[str, str] = {}
    for part in description.split("|")[1:]:
        key, equals, value = part.partition("=")
        if equals:
            fields.setdefault(key.strip(), value.strip())
    return fields


def _aperio_associated(pages: list[Page], describe: "partial[Raster]") -> dict[str, Raster]:
    """Find the label, macro and thumbnail pictures, which are not tiled."""
    found: dict[str, Raster] = {}
    for index, page in enumerate(pages[1:], start=1):
        if page.is_tiled:
            continue
        lines = page.description.splitlines()
        word = lines[1].split(" ")[0].lower() if len(lines) > 1 else ""
        name = "thumbnail" if index == 1 else word
        if name not in _ASSOCIATED:
            continue
        try:
            found[name] = describe(page)
        except PathServeError:
            continue  # the scan itself is whole; a picture of the glass that cannot be read is none
    return found
