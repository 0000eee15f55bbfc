"""Reading a published pyramid: chunks as they lie, and decoded regions. No zarr-python here."""

import hashlib
from collections.abc import Callable, Hashable, MutableSequence
from pathlib import Path

import numpy as np
import orjson

from pathserve.cache import ByteBudgetCache
from pathserve.errors import Busy, Corrupt, NotFound
from pathserve.geometry import LevelRegion, Size
from pathserve.pixels import FIRST_PLANE, Plane, Samples
from pathserve.pyramid.chunks import made_chunk
from pathserve.pyramid.coding import Coding
from pathserve.pyramid.histograms import Histogram, measure, parse
from pathserve.pyramid.layout import HISTOGRAMS, METADATA, SHARD_CHUNKS, Facts, grid_of, parse_facts, shard_path
from pathserve.pyramid.manifest import Manifest
from pathserve.pyramid.shards import INDEX_BYTES
from pathserve.pyramid.storage import Files, Shard, as_files, load_manifest
from pathserve.slides.limits import require_inside

MOST_STEPS = 3
"""How many times a tile of a level that is not built yet is halved on request; each time takes four times the tiles."""

MADE_BUDGET = 4 << 20
"""Bytes of chunks made on request that a pyramid under construction keeps."""

_ENTRY_BYTES = 256  # of the cache itself, so that empty chunks count too
SHARD_BYTES = INDEX_BYTES + 1024
"""What an open shard takes: its index, the objects around it, and its place in the cache."""

INDEX_BUDGET = 256 * SHARD_BYTES
"""Bytes of open shards that a pyramid alone keeps; as each holds one open file, this also bounds those to 256."""

_FILE_BYTES = 400  # of a manifest's record: path, size, digest
_PYRAMID_BYTES = 6 << 10  # of everything else that an open pyramid holds

_Place = tuple[Hashable, int, int, int, int, int, int]  # owner, level, t, c, z, row, column; cheap to compare


class ReadCache:
    """What pyramids keep of what they have read and made; all pyramids of a process can share one.

    Parameters
    ----------
    index_budget
        Bytes of open shards. Each counts as ``SHARD_BYTES`` and holds one open file, so this bounds those too.
    made_budget
        Bytes of chunks that were made of levels under construction.
    counts
        Two cells, in which open shards that were found and that were not are counted.
    """

    def __init__(
        self,
        *,
        index_budget: int = INDEX_BUDGET,
        made_budget: int = MADE_BUDGET,
        counts: MutableSequence[int] | None = None,
    ) -> None:
        self.shards: ByteBudgetCache[_Place, Shard] = ByteBudgetCache(
            index_budget, lambda _: SHARD_BYTES, counts=counts
        )
        self.made: ByteBudgetCache[_Place, bytes] = ByteBudgetCache(made_budget, lambda data: len(data) + _ENTRY_BYTES)

    def discard(self, wanted: Callable[[Hashable], bool]) -> None:
        """Let go of what belongs to every owner that is wanted gone."""
        self.shards.discard(lambda place: wanted(place[0]))
        self.made.discard(lambda place: wanted(place[0]))


class Pyramid:
    """A published pyramid, open for reading by several threads.

    Memory: ``held_bytes``, and what its cache may hold.

    Parameters
    ----------
    cache, owner
        A cache that is shared, and under which name this pyramid keeps things there: one that no other content has.
        Without them the pyramid has a cache of its own.
    """

    def __init__(
        self,
        where: Path | Files,
        facts: Facts,
        manifest: Manifest,
        *,
        cache: ReadCache | None = None,
        owner: Hashable = None,
    ) -> None:
        self.files = as_files(where)
        self.facts = facts
        self.manifest = manifest
        self.levels: tuple[Size, ...] = facts.levels
        self.grids = tuple(grid_of(size, facts.tile) for size in self.levels)
        self.coding = Coding.of(facts)
        self._axes = facts.axes
        self._histograms: tuple[Histogram, ...] | None = None
        self._cache = ReadCache() if cache is None else cache
        self._owner = owner

    @classmethod
    def open(cls, where: Path | Files, *, cache: ReadCache | None = None, owner: Hashable = None) -> "Pyramid":
        """Open a pyramid: that in a folder, or one that lies elsewhere; parameters as of the class.

        Raises
        ------
        NotFound
            When there is none.
        Corrupt
            When its manifest or metadata is damaged or missing.
        """
        files = as_files(where)
        manifest = load_manifest(files)
        expected = manifest.files.get(METADATA)
        raw = _checked(files, METADATA, "" if expected is None else expected.sha256)
        return cls(files, parse_facts(orjson.loads(raw)), manifest, cache=cache, owner=owner)

    @property
    def held_bytes(self) -> int:
        """Estimate what this holds in memory without its cache: nearly all of it is the manifest."""
        return _PYRAMID_BYTES + _FILE_BYTES * len(self.manifest.files) + len(self.facts.icc_profile or b"")

    def chunk(self, level: int, col: int, row: int, plane: Plane = FIRST_PLANE, *, wait: bool = True) -> bytes | None:
        """Give a chunk as it lies, of the tile size, padding included: one complete JPEG where such are stored.

        Parameters
        ----------
        wait
            When False, only what needs no wait for the disk is given.

        Returns
        -------
        None where the pyramid holds no chunk because all of it has the fill value.

        Raises
        ------
        NotFound
            When the address lies outside the pyramid.
        Corrupt
            When the shard is missing or damaged.
        Busy
            When the level is still being built and too coarse to be made on request.
        BlockingIOError
            When ``wait`` is False and the disk would have to be waited for.
        """
        if not 0 <= level < len(self.levels):
            raise NotFound("The slide has no such level.")
        columns, rows = self.grids[level]
        if not (0 <= col < columns and 0 <= row < rows):
            raise NotFound("The slide has no such tile.")
        if level in self.manifest.missing_levels:
            return self._made(level, col, row, plane, wait=wait)
        shard = self._shard(level, plane, row // SHARD_CHUNKS, col // SHARD_CHUNKS, wait=wait)
        return shard.chunk((row % SHARD_CHUNKS) * SHARD_CHUNKS + col % SHARD_CHUNKS, wait=wait)

    def chunk_at_hand(self, level: int, col: int, row: int, plane: Plane) -> bytearray | None:
        """Give a chunk as :meth:`chunk` does, of an address that lies inside, when its shard is open already.

        Raises
        ------
        BlockingIOError
            When the disk would have to be waited for.
        """
        place = (self._owner, level, plane.t, plane.c, plane.z, row // SHARD_CHUNKS, col // SHARD_CHUNKS)
        shard = self._cache.shards.get(place)
        if shard is None:
            return None
        return shard.chunk_at_hand((row % SHARD_CHUNKS) * SHARD_CHUNKS + col % SHARD_CHUNKS)

    def read(self, level: int, region: LevelRegion, plane: Plane = FIRST_PLANE) -> Samples:
        """Decode a region of one plane of a level; the region must lie inside the level.

        Returns
        -------
        (h, w, 3) uint8, RGB, of a colour scan; (h, w, 1) of the scan's type of others.

        Memory: the answer and one chunk.

        Raises
        ------
        NotFound
            When there is no such level or plane.
        ValueError
            When the region does not lie inside the level.
        Corrupt
            When stored bytes are missing or damaged.
        """
        if not 0 <= level < len(self.levels):
            raise NotFound("The slide has no such level.")
        require_inside(region, self.levels[level])
        tile = self.facts.tile
        out = np.full((region.height, region.width, self.facts.samples), self.facts.fill, self.facts.dtype)
        for row in range(region.lv_y // tile.height, -(-(region.lv_y + region.height) // tile.height)):
            for col in range(region.lv_x // tile.width, -(-(region.lv_x + region.width) // tile.width)):
                data = self.chunk(level, col, row, plane)
                if data is None:
                    continue
                x0, y0 = col * tile.width - region.lv_x, row * tile.height - region.lv_y
                left, top = max(0, -x0), max(0, -y0)
                pixels = self.coding.decode(data)[top : region.height - y0, left : region.width - x0]
                out[y0 + top : y0 + top + pixels.shape[0], x0 + left : x0 + left + pixels.shape[1]] = pixels
        return out

    def histograms(self) -> tuple[Histogram, ...]:
        """Give the histogram of every channel: as stored at ingest, or taken now of a pyramid that has none yet.

        Raises
        ------
        Corrupt
            When stored bytes are missing or damaged.
        Busy
            When they have to be taken on a level that is still being built.
        """
        if self._histograms is None:
            expected = self.manifest.files.get(HISTOGRAMS)
            if expected is None:
                self._histograms = measure(self.facts, self.levels, self.read)
            else:
                self._histograms = parse(_checked(self.files, HISTOGRAMS, expected.sha256))
        return self._histograms

    def _shard(self, level: int, plane: Plane, row: int, col: int, *, wait: bool) -> Shard:
        key = (self._owner, level, plane.t, plane.c, plane.z, row, col)
        shard = self._cache.shards.get(key)
        if shard is not None:
            return shard
        if not self._has(plane):
            raise NotFound("The slide has no such channel, plane or time.")
        if not wait:
            raise BlockingIOError
        path = shard_path(self._axes, level, plane, row, col)
        expected = self.manifest.files.get(path)
        if expected is None:
            raise Corrupt("A part of a stored slide is missing in its manifest.")
        shard = self.files.shard(path, expected.size)
        self._cache.shards.put(key, shard)
        return shard

    def _made(self, level: int, col: int, row: int, plane: Plane, *, wait: bool) -> bytes | None:
        """Make a chunk of a level that is still to be built: the same bytes as the build will write."""
        key = (self._owner, level, plane.t, plane.c, plane.z, row, col)
        made = self._cache.made.get(key)
        if made is not None:
            return made or None
        if not wait:
            raise BlockingIOError
        stored = max(k for k in range(level) if k not in self.manifest.missing_levels)
        if level - stored > MOST_STEPS:
            raise Busy("This level of the slide is still being built.", code="building")

        def finer(child_col: int, child_row: int) -> bytes | None:
            return self.chunk(level - 1, child_col, child_row, plane)

        facts = self.facts
        encoding, above = facts.encodings[level], self.levels[level - 1]
        data = made_chunk(finer, self.coding, facts.fill, above, encoding, col, row)
        self._cache.made.put(key, data or b"")
        return data

    def _has(self, plane: Plane) -> bool:
        channels = 1 if self.facts.rgb else len(self.facts.channels)
        return 0 <= plane.t < self.facts.times and 0 <= plane.c < channels and 0 <= plane.z < self.facts.planes


def _checked(files: Files, path: str, sha256: str) -> bytes:
    """Read a small file that has this SHA-256."""
    try:
        raw = files.read(path)
    except OSError:
        raise Corrupt("The metadata of a stored slide is missing.") from None
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise Corrupt("The metadata of a stored slide is damaged.")
    return raw
