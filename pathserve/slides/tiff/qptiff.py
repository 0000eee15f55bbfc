"""QPTIFF of PerkinElmer and Akoya (Vectra, PhenoImager): one image a channel, each described in XML."""

from collections.abc import Iterator
from functools import partial

from pathserve.errors import Corrupt, PathServeError, TooLarge, Unsupported
from pathserve.pixels import RGB_CHANNELS, Channel
from pathserve.slides.channels import make_channel
from pathserve.slides.limits import positive_number
from pathserve.slides.tiff.directory import Page, dropped_tags
from pathserve.slides.tiff.picture import (
    LevelPlanes,
    Picture,
    icc_of,
    planes_of,
    same_aspect,
    stated_resolution,
)
from pathserve.slides.tiff.raster import Raster, raster_of
from pathserve.slides.xml_tree import MAX_CHARACTERS, Element, names_in, parse_xml

QPTIFF = "qptiff"
_ROOT = "PerkinElmer-QPI-ImageDescription"
_ASSOCIATED = {"Label": "label", "Overview": "macro", "Thumbnail": "thumbnail"}
_KEPT = {"ImageType", "Objective", "Name", "Color"}


def is_qptiff(description: str) -> bool:
    """Tell whether a description is that of a QPTIFF."""
    return f"<{_ROOT}" in description[:512]


def read_qptiff(pages: list[Page], file_size: int) -> Picture:
    """Read a QPTIFF: full and reduced resolutions by channel; label, overview and thumbnail apart."""
    described = [(page, parse_xml(text)) for page, text in _descriptions(pages)]
    describe = partial(raster_of, file_size=file_size)
    full = [(page, xml) for page, xml in described if xml.text_of("ImageType") == "FullResolution"]
    if not full:
        raise Corrupt("The scan holds no image of full resolution.")
    first, first_xml = full[0]
    bases = [describe(page) for page, _ in full]
    levels = [planes_of({(0, c, 0): raster for c, raster in enumerate(bases)})]
    smaller = [page for page, xml in described if xml.text_of("ImageType") == "ReducedResolution"]
    levels += _reduced(bases, smaller, describe)
    return Picture(
        vendor=QPTIFF,
        levels=tuple(levels),
        channels=_channels(bases[0], [xml for _, xml in full]),
        mpp=stated_resolution(first),
        objective_power=positive_number((first_xml.text_of("Objective") or "").lower().removesuffix("x")),
        icc_profile=icc_of(first),
        associated=_associated(described, describe),
        dropped=(
            *dropped_tags(pages),
            *(name for _, xml in described for name in names_in(xml) if name not in _KEPT),
        ),
    )


def _descriptions(pages: list[Page]) -> Iterator[tuple[Page, str]]:
    """Give the images that have a description, as long as all of them together are no longer than one may be."""
    total = 0
    for page in pages:
        text = page.description
        if is_qptiff(text):
            total += len(text)
            if total > MAX_CHARACTERS:
                raise TooLarge("The scan's metadata is too long or too deep.")
            yield page, text


def _reduced(bases: list[Raster], pages: list[Page], describe: "partial[Raster]") -> list[LevelPlanes]:
    """Group the reduced images by size; a level has one for each channel, in the same order."""
    groups: dict[tuple[int, int], list[Raster]] = {}
    for page in pages:
        try:
            raster = describe(page)
        except (Unsupported, TooLarge):
            continue
        if raster.like(bases[0]) and same_aspect(bases[0].size, raster.size):
            groups.setdefault((raster.size.width, raster.size.height), []).append(raster)
    return [
        planes_of({(0, c, 0): raster for c, raster in enumerate(group)})
        for (width, _), group in sorted(groups.items(), reverse=True)
        if len(group) == len(bases) and width < bases[0].size.width
    ]


def _channels(base: Raster, described: list[Element]) -> tuple[Channel, ...]:
    if base.rgb:
        return RGB_CHANNELS
    count = len(described) * base.samples
    if base.samples > 1:
        return tuple(make_channel(index, count) for index in range(count))
    return tuple(
        make_channel(index, count, name=xml.text_of("Name"), color=_color(xml.text_of("Color")))
        for index, xml in enumerate(described)
    )


def _color(stated: str | None) -> tuple[int, int, int] | None:
    """Read ``red,green,blue``."""
    parts = (stated or "").split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() and int(part) < 256 for part in parts):
        return None
    red, green, blue = (int(part) for part in parts)
    return red, green, blue


def _associated(described: list[tuple[Page, Element]], describe: "partial[Raster]") -> dict[str, Raster]:
    found: dict[str, Raster] = {}
    for page, xml in described:
        name = _ASSOCIATED.get(xml.text_of("ImageType") or "")
        if name is None:
            continue
        try:
            found.setdefault(name, describe(page))
        except PathServeError:
            continue  # the scan itself is whole; a picture of the glass that cannot be read is none
    return found
