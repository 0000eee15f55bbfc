"""OME-TIFF: pictures by their OME-XML, reduced resolutions below each image (SubIFDs), planes in one or more files."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import tifffile

from pathserve.errors import Corrupt, NotFound, PathServeError, TooLarge, Unsupported
from pathserve.pixels import RGB_CHANNELS, Channel
from pathserve.slides.channels import make_channel
from pathserve.slides.tiff.directory import PARSE_ERRORS, Page, dropped_tags, list_pages, sub_pages
from pathserve.slides.tiff.ome_xml import Ome, OmeFile, OmeImage, Place, own_uuid, parse_ome
from pathserve.slides.tiff.picture import LevelPlanes, Picture, icc_of, planes_of, reduced
from pathserve.slides.tiff.raster import Raster, raster_of

OME = "ome-tiff"
_ASSOCIATED = {"label": "label", "macro": "macro", "overview": "macro", "thumbnail": "thumbnail"}
_MAX_FILES = 256
_PARTS = "This OME-TIFF consists of several files, and not all of them are here."


@dataclass(frozen=True, slots=True)
class _File:
    number: int
    pages: list[Page]
    size: int


class _Files:
    """The files that an OME-TIFF consists of: the one that is read, and its neighbours as they are needed."""

    def __init__(self, stack: ExitStack, path: Path, pages: list[Page], size: int) -> None:
        self._stack = stack
        self.paths = [path]
        self._own = _File(0, pages, size)
        self._others: dict[str, _File] = {}
        self._rasters: dict[tuple[int, int], Raster] = {}

    def file(self, file: OmeFile) -> _File:
        """Open a file, once.

        Raises
        ------
        Unsupported
            When it is not here.
        TooLarge
            When there are more than ``_MAX_FILES``.
        Corrupt
            When it is damaged.
        """
        if file.name is None or file.name == self.paths[0].name:
            return self._own
        if file.name not in self._others:
            if len(self.paths) >= _MAX_FILES:
                raise TooLarge(f"An OME-TIFF may consist of at most {_MAX_FILES:,} files.")
            path = _neighbour(self.paths[0], file.name)
            self._others[file.name] = self._opened(path, file.uuid)
            self.paths.append(path)
        return self._others[file.name]

    def _opened(self, path: Path, uuid: str | None) -> _File:
        try:
            tiff = self._stack.enter_context(tifffile.TiffFile(path))
            pages = list_pages(tiff)
            # Only a file that says itself that it belongs here: its neighbours may be somebody else's scans.
            if uuid is None or own_uuid(pages[0].description) != uuid:
                raise Unsupported(_PARTS)
            return _File(len(self.paths), pages, tiff.filehandle.size)
        except PathServeError:
            raise
        except PARSE_ERRORS:
            raise Corrupt("A file of this OME-TIFF is damaged.") from None

    def page(self, image: OmeImage, place: Place) -> tuple[Page, _File]:
        """Find the image of a plane.

        Raises
        ------
        Corrupt
            When its file has fewer.
        """
        file, index = image.images[place]
        opened = self.file(file)
        if index >= len(opened.pages):
            raise Corrupt("The scan was cut off: the file ends before its last image.")
        return opened.pages[index], opened

    def raster(self, image: OmeImage, page: Page, file: _File) -> Raster:
        """Describe an image; a colour image that is one of several channels is taken as values."""
        key = (file.number, int(page.offset))
        if key not in self._rasters:
            described = raster_of(page, file_size=file.size, palette=False)
            self._rasters[key] = replace(described, file=file.number)
        raster = self._rasters[key]
        return raster.as_samples() if raster.rgb and len(image.channels) > 1 else raster


def read_ome(path: Path, pages: list[Page], file_size: int, scene: int) -> tuple[Picture, int, tuple[Path, ...]]:
    """Read a picture of an OME-TIFF.

    Returns
    -------
    The picture, how many there are, and the files that it lies in: this one first, others are its neighbours in the
    same folder.

    Raises
    ------
    NotFound
        When it has no such picture.
    Unsupported
        When it is one of several files and another one is not here, or is the one to be read.
    """
    ome = parse_ome(pages[0].description, len(pages))
    specimens = [image for image in ome.images if _glass(image) is None]
    if not specimens:
        raise Corrupt("The scan's metadata describes no picture of the specimen.")
    if not 0 <= scene < len(specimens):
        raise NotFound("The scan has no such scene.")
    with ExitStack() as stack:
        files = _Files(stack, path, pages, file_size)
        if files.file(specimens[0].images[0, 0, 0][0]).number != 0:
            raise Unsupported("This file is a part of an OME-TIFF; ingest the one that holds its first plane.")
        picture = _picture(specimens[scene], ome, files, pages)
        associated = {
            glass: raster
            for image in ome.images
            if (glass := _glass(image)) is not None and (raster := _glass_raster(image, files)) is not None
        }
        return replace(picture, associated=associated), len(specimens), tuple(files.paths)


def _glass(image: OmeImage) -> str | None:
    """Tell which picture of the glass an image is, if any."""
    return _ASSOCIATED.get(image.name.lower().removesuffix(" image").strip())


def _glass_raster(image: OmeImage, files: _Files) -> Raster | None:
    """Describe a picture of the glass; one that cannot be read is none, for the scan itself is whole."""
    try:
        raster = files.raster(image, *files.page(image, (0, 0, 0)))
    except PathServeError:
        return None
    return raster if raster.rgb or raster.dtype == "uint8" else None


def _neighbour(path: Path, name: str) -> Path:
    """Find a file of the same folder by its bare name, wherever the metadata would like to lead."""
    neighbour = path.parent / name
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\x00" in name or neighbour.is_symlink():
        raise Unsupported(_PARTS)
    if not neighbour.is_file():
        raise Unsupported(_PARTS)
    return neighbour


def _picture(image: OmeImage, ome: Ome, files: _Files, pages: list[Page]) -> Picture:
    rasters = {place: files.raster(image, *files.page(image, place)) for place in sorted(image.images)}
    base = rasters[0, 0, 0]
    if (base.size.width, base.size.height) != (image.width, image.height):
        raise Corrupt("The scan's metadata and its images state different sizes.")
    return Picture(
        vendor=OME,
        levels=(planes_of(rasters), *_levels(image, rasters, files)),
        channels=_channels(image, base),
        planes=image.planes,
        times=image.times,
        mpp=image.mpp,
        plane_spacing=image.spacing if image.planes > 1 else None,
        objective_power=image.objective_power,
        icc_profile=icc_of(pages[0]),
        dropped=(*dropped_tags(pages), *ome.dropped),
    )


def _levels(image: OmeImage, rasters: Mapping[Place, Raster], files: _Files) -> list[LevelPlanes]:
    """Find the reduced resolutions that every plane has."""
    by_size: dict[tuple[int, int], dict[Place, Raster]] = {}
    for place, base in rasters.items():
        page, file = files.page(image, place)

        def describe(sub: Page, file: _File = file) -> Raster:
            return files.raster(image, sub, file)

        for raster in reduced(base, sub_pages(page), describe):
            by_size.setdefault((raster.size.width, raster.size.height), {})[place] = raster
    return [
        planes_of(found)
        for _, found in sorted(by_size.items(), key=lambda item: item[0], reverse=True)
        if len(found) == len(rasters)
    ]


def _channels(image: OmeImage, base: Raster) -> tuple[Channel, ...]:
    """Name every channel; one that stands for several values of a pixel is named for each."""
    if base.rgb or (base.samples == 3 and len(image.channels) == 1):
        return RGB_CHANNELS
    count = len(image.channels) * base.samples
    stated = [channel for channel in image.channels for _ in range(base.samples)]
    return tuple(
        make_channel(index, count, name=channel.name, color=channel.color if base.samples == 1 else None)
        for index, channel in enumerate(stated)
    )
