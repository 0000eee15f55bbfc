"""Reading a published pyramid: chunks as they lie, and decoded regions. No zarr-python here."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.errors import Corrupt, NotFound
from pathserve.geometry import LevelRegion, Size
from pathserve.pyramid.cache import ByteBudgetCache
from pathserve.pyramid.layout import FILL, METADATA, SHARD_CHUNKS, Facts, grid_of, parse_facts, shard_path
from pathserve.pyramid.manifest import Manifest
from pathserve.pyramid.shards import INDEX_BYTES, ShardFile
from pathserve.slides import jpeg
from pathserve.slides.limits import require_inside

INDEX_BUDGET = 1 << 20
"""Bytes of shard indexes that a pyramid keeps; as each holds one open file, this also bounds those to 256."""


class Pyramid:
    """A published pyramid, open for reading by several threads.

    Memory: the manifest, and ``INDEX_BUDGET`` of shard indexes.
    """

    def __init__(self, folder: Path, facts: Facts, manifest: Manifest, *, index_budget: int = INDEX_BUDGET) -> None:
        self.folder = folder
        self.facts = facts
        self.manifest = manifest
        self.levels: tuple[Size, ...] = facts.levels
        self.grids = tuple(grid_of(size, facts.tile) for size in self.levels)
        self._shards: ByteBudgetCache[tuple[int, int, int], ShardFile] = ByteBudgetCache(
            index_budget, lambda _: INDEX_BYTES
        )

    @classmethod
    def open(cls, folder: Path) -> "Pyramid":
        """Open the pyramid in a folder.

        Raises
        ------
        NotFound
            When there is none.
        Corrupt
            When its manifest or metadata is damaged or missing.
        """
        manifest = Manifest.load(folder)
        expected = manifest.files.get(METADATA)
        try:
            raw = (folder / METADATA).read_bytes()
        except OSError:
            raise Corrupt("The metadata of a stored slide is missing.") from None
        if expected is None or hashlib.sha256(raw).hexdigest() != expected.sha256:
            raise Corrupt("The metadata of a stored slide is damaged.")
        return cls(folder, parse_facts(orjson.loads(raw)), manifest)

    def chunk(self, level: int, col: int, row: int, *, wait: bool = True) -> bytes | None:
        """Give a chunk as it lies: one complete JPEG of the tile size, padding included.

        Parameters
        ----------
        wait
            When False, only what needs no wait for the disk is given.

        Returns
        -------
        None where the pyramid holds no chunk because all of it is white.

        Raises
        ------
        NotFound
            When the address lies outside the pyramid.
        Corrupt
            When the shard is missing or damaged.
        BlockingIOError
            When ``wait`` is False and the disk would have to be waited for.
        """
        if not 0 <= level < len(self.levels):
            raise NotFound("The slide has no such level.")
        columns, rows = self.grids[level]
        if not (0 <= col < columns and 0 <= row < rows):
            raise NotFound("The slide has no such tile.")
        shard = self._shard(level, row // SHARD_CHUNKS, col // SHARD_CHUNKS, wait=wait)
        return shard.chunk((row % SHARD_CHUNKS) * SHARD_CHUNKS + col % SHARD_CHUNKS, wait=wait)

    def read(self, level: int, region: LevelRegion) -> npt.NDArray[np.uint8]:
        """Decode a region of a level to (h, w, 3) uint8, RGB; the region must lie inside the level.

        Memory: the answer and one chunk.

        Raises
        ------
        NotFound
            When there is no such level.
        ValueError
            When the region does not lie inside the level.
        Corrupt
            When stored bytes are missing or damaged.
        """
        if not 0 <= level < len(self.levels):
            raise NotFound("The slide has no such level.")
        require_inside(region, self.levels[level])
        tile = self.facts.tile
        out = np.full((region.height, region.width, 3), FILL, np.uint8)
        for row in range(region.lv_y // tile.height, -(-(region.lv_y + region.height) // tile.height)):
            for col in range(region.lv_x // tile.width, -(-(region.lv_x + region.width) // tile.width)):
                data = self.chunk(level, col, row)
                if data is None:
                    continue
                x0, y0 = col * tile.width - region.lv_x, row * tile.height - region.lv_y
                left, top = max(0, -x0), max(0, -y0)
                pixels = self.decode(data)[top : region.height - y0, left : region.width - x0]
                out[y0 + top : y0 + top + pixels.shape[0], x0 + left : x0 + left + pixels.shape[1]] = pixels
        return out

    def decode(self, data: bytes) -> npt.NDArray[np.uint8]:
        """Decode a chunk to an array of the tile size, (h, w, 3) uint8.

        Raises
        ------
        Corrupt
            When it is damaged or not of the tile size.
        """
        pixels = jpeg.decode(data)
        if pixels.shape[:2] != (self.facts.tile.height, self.facts.tile.width):
            raise Corrupt("A tile of a stored slide is damaged.")
        return pixels

    def _shard(self, level: int, row: int, col: int, *, wait: bool) -> ShardFile:
        key = (level, row, col)
        shard = self._shards.get(key)
        if shard is not None:
            return shard
        if not wait:
            raise BlockingIOError
        path = shard_path(level, row, col)
        expected = self.manifest.files.get(path)
        if expected is None:
            raise Corrupt("A part of a stored slide is missing in its manifest.")
        shard = ShardFile(self.folder / path, expected.size)
        self._shards.put(key, shard)
        return shard
