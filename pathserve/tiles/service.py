"""The one door to the pixels of published slides: tiles, regions, thumbnails."""

import re
import resource
from collections.abc import Hashable, MutableSequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pathserve.cache import ByteBudgetCache
from pathserve.errors import Invalid, NotFound
from pathserve.geometry import LevelRegion, PixelGrid
from pathserve.pyramid import Pyramid, ReadCache
from pathserve.pyramid.disk import as_slides
from pathserve.pyramid.reader import SHARD_BYTES
from pathserve.pyramid.storage import Slides
from pathserve.tiles.colour import Color, ColorFacts, to_srgb
from pathserve.tiles.compose import stored_plane
from pathserve.tiles.deepzoom import DeepZoom
from pathserve.tiles.encode import MEDIA_TYPES, THUMBNAIL, TILE, PictureFormat, encode_image
from pathserve.tiles.pictures import OpenSlide, require_few
from pathserve.tiles.samples import SampleTile, made_samples, sample_planes, stored_samples
from pathserve.tiles.stored import StoredTiles
from pathserve.tiles.view import DEFAULT_VIEW, View

MAX_THUMBNAIL = 4096
_SLIDE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MADE_BUDGET = 16 << 20
_ENTRY_BYTES = 512  # of a tile's key, so that small tiles count too
_OPEN_BUDGET = 128 << 20
"""Bytes of open pyramids: some hundreds of large slides, or many thousand small ones."""

_INDEX_BUDGET = 32 << 20
_CONVERSION_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile as it is sent: a complete picture, and a strong ETag with its quotation marks.

    ``made`` says that it was cut, composed, converted or encoded for this answer.
    """

    body: bytes
    media_type: str
    etag: str
    made: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which tile of a slide, and how it shall look."""

    level: int
    col: int
    row: int
    view: View
    converts: bool
    image_format: PictureFormat


@dataclass(frozen=True, slots=True)
class _WantedSamples:
    """Which samples of a slide."""

    level: int
    col: int
    row: int
    view: View


_MadeKey = tuple[str, int, _Wanted | _WantedSamples]  # slide, its generation, tile


class TileService:
    """Serves the slides of one data folder; for several threads.

    Pyramids never change, so they stay open; before each use one ``stat`` makes sure that the slide has not been
    removed, by whatever process. Of an object store that is asked every few seconds only.

    Memory: 128 MiB of open pyramids, 32 MiB of their shards' indexes, 16 MiB of tiles that were made, 4 MiB of chunks
    of levels under construction, and what one request needs. All slides share these, so that many slides in use at
    once take no more memory, and no more open files, than one.

    Parameters
    ----------
    slides
        The published slides, or the folder of them.
    most_files
        Shards that may be open at a time; a quarter of what the process may open when not given.
    counts
        Two cells, in which open shards that were found and that were not are counted.
    """

    def __init__(
        self, slides: Path | Slides, *, most_files: int | None = None, counts: MutableSequence[int] | None = None
    ) -> None:
        self._slides = as_slides(slides)
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4 if most_files is None else most_files
        self._read = ReadCache(index_budget=min(_INDEX_BUDGET, files * SHARD_BYTES), counts=counts)
        self._open: ByteBudgetCache[str, OpenSlide] = ByteBudgetCache(_OPEN_BUDGET, _held_bytes)
        self._made: ByteBudgetCache[_MadeKey, bytes] = ByteBudgetCache(
            _MADE_BUDGET, lambda body: len(body) + _ENTRY_BYTES
        )

    def pyramid(self, slide_id: str) -> Pyramid:
        """Give the pyramid of a slide.

        Raises
        ------
        NotFound
            When there is no such slide, or no longer.
        Corrupt
            When its manifest or metadata is damaged.
        """
        return self._slide(slide_id).pyramid

    def deepzoom(self, slide_id: str, *, wait: bool = True) -> DeepZoom:
        """Give the DeepZoom grid of a slide; raises as :meth:`pyramid`.

        Without ``wait`` it raises BlockingIOError where the disk would have to be waited for.
        """
        return self._slide(slide_id, wait=wait).grid

    def color_facts(self, slide_id: str) -> ColorFacts:
        """Tell of a slide's colours; raises as :meth:`pyramid`."""
        slide = self._slide(slide_id)
        return ColorFacts(slide.pyramid.facts.icc_profile is not None, slide.converts("srgb"))

    def tile(
        self,
        slide_id: str,
        level: int,
        col: int,
        row: int,
        *,
        color: Color = "source",
        view: View = DEFAULT_VIEW,
        image_format: PictureFormat = "jpeg",
    ) -> Tile:
        """Give a tile by its DeepZoom address.

        As a JPEG, a whole tile of a slide in colour is the stored chunk as it lies. One at the right or bottom edge is
        cut to its size, one below the smallest stored level is made from that, and channels are put together. A PNG
        has exactly the decoded pixels.

        Raises
        ------
        NotFound
            When there is no such slide, tile, channel, plane or time.
        Corrupt
            When stored bytes are missing or damaged.
        Busy
            When the level is still being built.
        """
        slide = self._slide(slide_id)
        region = slide.grid.tile_region(level, col, row)
        wanted = _Wanted(level, col, row, view, slide.converts(color), image_format)
        body = _stored(slide, wanted)
        if body is not None:
            return _answer(slide, body, wanted)
        return _answer(slide, self._made_tile(slide_id, slide, wanted, region), wanted, made=True)

    def tile_at_once(
        self,
        slide_id: str,
        level: int,
        col: int,
        row: int,
        *,
        color: Color = "source",
        view: View = DEFAULT_VIEW,
        image_format: PictureFormat = "jpeg",
        reads: bool = False,
    ) -> Tile | None:
        """Give a tile only when neither the disk nor a decoder has to be waited for; otherwise None.

        With ``reads`` it waits for the disk, so None means that the tile has to be made. For an event loop, which
        on None asks in a thread, at last with :meth:`tile`. Raises as :meth:`tile`.
        """
        try:
            slide = self._slide(slide_id, wait=reads)
        except BlockingIOError:
            return None
        slide.grid.tile_region(level, col, row)  # raises where there is no such tile
        wanted = _Wanted(level, col, row, view, slide.converts(color), image_format)
        try:
            body = _stored(slide, wanted, wait=reads)
        except BlockingIOError:
            return None
        if body is None:
            body = self._made.get((slide_id, slide.grid.generation, wanted))
        return None if body is None else _answer(slide, body, wanted)

    def tile_pixels(
        self, slide_id: str, level: int, col: int, row: int, *, color: Color = "source", view: View = DEFAULT_VIEW
    ) -> npt.NDArray[np.uint8]:
        """Give the pixels of a tile as (h, w, 3) uint8, RGB: those of its PNG; raises as :meth:`tile`."""
        slide = self._slide(slide_id)
        region = slide.grid.tile_region(level, col, row)
        return slide.in_color(slide.part_of_level(level, region, view), color)

    def stored_tiles(self, slide_id: str, *, color: Color = "source", view: View = DEFAULT_VIEW) -> StoredTiles | None:
        """Give the short way to those tiles of a slide that are stored as they look, as JPEGs; waits for nothing.

        It may be used for a moment only: it goes on giving tiles of a slide that is removed.

        Returns
        -------
        None when tiles that look so have to be made, or when the slide is not open.

        Raises
        ------
        NotFound, TooLarge
            As :meth:`tile`.
        """
        try:
            slide = self._slide(slide_id, wait=False)
        except BlockingIOError:
            return None
        plane = None if slide.converts(color) else stored_plane(slide.pyramid.facts, view)
        return None if plane is None else StoredTiles(slide.pyramid, slide.grid, plane, view.tag)

    def samples(self, slide_id: str, level: int, col: int, row: int, *, view: View, packed: bool) -> SampleTile:
        """Give the samples of one channel of a tile, by its DeepZoom address, as they are stored.

        A whole tile of what is stored without loss is the stored Zstandard frame as it lies. What has to be decoded and
        cut, projected or resampled is made.

        Parameters
        ----------
        packed
            Whether a Zstandard frame is wanted.

        Raises
        ------
        Invalid
            When the view is not one channel without colour, window and gamma.
        NotFound, Corrupt, Busy
            As :meth:`tile`.
        TooLarge
            As :meth:`region`.
        """
        slide = self._slide(slide_id)
        region, planes = slide.grid.tile_region(level, col, row), sample_planes(slide.pyramid.facts, view)
        require_few(len(planes) * region.width * region.height)
        body = stored_samples(slide.pyramid, slide.grid, (level, col, row), planes) if packed else None
        if body is None:
            key = (slide_id, slide.grid.generation, _WantedSamples(level, col, row, view))
            body = self._made.get(key) if packed else None
            if body is None:
                body = made_samples(slide.pyramid, slide.grid, level, region, planes, packed=packed)
                if packed:  # what is not packed is large, and soon made again
                    self._made.put(key, body)
        return _sample_answer(slide, body, region, packed=packed)

    def samples_at_once(
        self, slide_id: str, level: int, col: int, row: int, *, view: View, packed: bool, reads: bool = False
    ) -> SampleTile | None:
        """Give the samples of a tile only when neither the disk nor a decoder has to be waited for; otherwise None.

        ``reads`` as in :meth:`tile_at_once`. Raises as :meth:`samples`.
        """
        if not packed:
            return None
        try:
            slide = self._slide(slide_id, wait=reads)
            region, planes = slide.grid.tile_region(level, col, row), sample_planes(slide.pyramid.facts, view)
            body = stored_samples(slide.pyramid, slide.grid, (level, col, row), planes, wait=reads)
        except BlockingIOError:
            return None
        if body is None:
            body = self._made.get((slide_id, slide.grid.generation, _WantedSamples(level, col, row, view)))
        return None if body is None else _sample_answer(slide, body, region, packed=True)

    def region(
        self, slide_id: str, grid: PixelGrid, *, color: Color = "source", view: View = DEFAULT_VIEW
    ) -> npt.NDArray[np.uint8]:
        """Give the pixels of a slide on a grid as (h, w, 3) uint8, RGB; see :func:`pathserve.tiles.resample.sample`.

        The caller limits the size of the grid.

        Raises
        ------
        NotFound
            When there is no such slide, channel, plane or time.
        Corrupt
            When stored bytes are missing or damaged.
        Busy
            When the level that it takes is still being built.
        TooLarge
            When channels and planes together have more than ``MAX_SAMPLES`` samples.
        """
        slide = self._slide(slide_id)
        return slide.in_color(slide.sampled(grid, view), color)

    def thumbnail(
        self,
        slide_id: str,
        size: int,
        *,
        color: Color = "source",
        view: View = DEFAULT_VIEW,
        image_format: PictureFormat = "jpeg",
    ) -> bytes:
        """Give the whole slide as a picture whose longer side has ``size`` pixels, or fewer when the slide has fewer.

        With the size of a Deep Zoom level it is that level, pixel by pixel.

        Raises
        ------
        Invalid
            When ``size`` is not between 1 and ``MAX_THUMBNAIL``.
        NotFound, Corrupt
            As :meth:`region`.
        """
        if not 1 <= size <= MAX_THUMBNAIL:
            raise Invalid(f"A thumbnail can have 1 to {MAX_THUMBNAIL:,} pixels a side.")
        slide = self._slide(slide_id)
        pixels = slide.sampled(slide.grid.whole(size), view)
        return encode_image(slide.in_color(pixels, color), image_format, THUMBNAIL)

    def forget(self, slide_id: str) -> None:
        """Let go of a slide that is about to be removed."""
        self._open.discard(lambda known: known == slide_id)
        self._read.discard(lambda owner: isinstance(owner, tuple) and owner[0] == slide_id)
        self._made.discard(lambda key: key[0] == slide_id)

    def sweep(self) -> None:
        """Let go of slides that are no longer there, whoever removed them: open files keep their space on the disk."""
        opened = {(slide_id, slide.identity) for slide_id, slide in self._open.items()}
        for slide_id, identity in opened | self._owners():
            try:
                gone = self._slides.files(slide_id).identity(wait=False) != identity
            except BlockingIOError:  # an object store, of which no file is open
                continue
            if gone:
                self.forget(slide_id)

    def _owners(self) -> set[tuple[str, Hashable]]:
        """Name whose shards are open; of pyramids that made room for others, too."""
        return {owner for (owner, *_), _ in self._read.shards.items() if isinstance(owner, tuple)}

    def _slide(self, slide_id: str, *, wait: bool = True) -> OpenSlide:
        if not _SLIDE_ID.fullmatch(slide_id):
            raise NotFound("There is no such slide.")
        slide = self._open.get(slide_id)
        if slide is not None:
            if slide.identity == slide.files.identity(wait=wait):
                return slide
            self.forget(slide_id)
        if not wait:
            raise BlockingIOError
        files = self._slides.files(slide_id)
        # Taken before opening: a slide that goes meanwhile is then seen to have gone.
        identity = files.identity()
        pyramid = Pyramid.open(files, cache=self._read, owner=(slide_id, identity))
        facts = pyramid.facts
        converts = to_srgb(facts.icc_profile) if facts.rgb else None
        slide = OpenSlide(pyramid, DeepZoom.of(facts), files, identity, converts)
        self._open.put(slide_id, slide)
        return slide

    def _made_tile(self, slide_id: str, slide: OpenSlide, wanted: _Wanted, region: LevelRegion) -> bytes:
        key = (slide_id, slide.grid.generation, wanted)
        body = self._made.get(key)
        if body is None:
            pixels = slide.part_of_level(wanted.level, region, wanted.view)
            pixels = slide.in_color(pixels, "srgb" if wanted.converts else "source")
            body = encode_image(pixels, wanted.image_format, TILE)
            self._made.put(key, body)
        return body


def _held_bytes(slide: OpenSlide) -> int:
    return slide.pyramid.held_bytes + (0 if slide.to_srgb is None else _CONVERSION_BYTES)


def _stored(slide: OpenSlide, wanted: _Wanted, *, wait: bool = True) -> bytes | None:
    """Give the stored chunk where it is the tile; None where the tile has to be made."""
    if wanted.converts or wanted.image_format != "jpeg":
        return None
    facts = slide.pyramid.facts
    columns, rows = slide.grid.whole_chunks(facts, wanted.level)
    plane = stored_plane(facts, wanted.view)
    if plane is None or wanted.col >= columns or wanted.row >= rows:
        return None
    return slide.pyramid.chunk(slide.grid.reduction(wanted.level), wanted.col, wanted.row, plane, wait=wait)


def _answer(slide: OpenSlide, body: bytes, wanted: _Wanted, *, made: bool = False) -> Tile:
    address = f"{slide.grid.generation}-{wanted.level}-{wanted.col}-{wanted.row}"
    colour = "-srgb" if wanted.converts else ""
    kind = "" if wanted.image_format == "jpeg" else f"-{wanted.image_format}"
    return Tile(body, MEDIA_TYPES[wanted.image_format], f'"g{address}{wanted.view.tag}{colour}{kind}"', made)


def _sample_answer(slide: OpenSlide, body: bytes, region: LevelRegion, *, packed: bool) -> SampleTile:
    facts = slide.pyramid.facts
    return SampleTile(body, (facts.samples, region.height, region.width), facts.dtype, packed)
