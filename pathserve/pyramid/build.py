"""Building a pyramid: one Dask task per shard, each after the shards that it is made from."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import dask
import orjson

from pathserve.errors import Corrupt
from pathserve.geometry import LevelRegion
from pathserve.pixels import PixelSource
from pathserve.pyramid.chunks import ChunkReader, Pixels, is_white, pad_to, reduced_chunk, valid_part
from pathserve.pyramid.journal import Journal
from pathserve.pyramid.layout import (
    METADATA,
    SHARD_CHUNKS,
    Facts,
    array_metadata,
    array_path,
    group_metadata,
    shard_path,
)
from pathserve.pyramid.manifest import FileRecord, Manifest, write_file
from pathserve.pyramid.plan import Decode, PyramidPlan, ShardTask, Verbatim
from pathserve.pyramid.publish import seal
from pathserve.pyramid.shards import ShardFile, ShardWriter
from pathserve.slides import jpeg

Progress = Callable[[int, int], None]
"""Told how many chunks are done and how many there are; called from several threads, one at a time."""


@dataclass(frozen=True, slots=True)
class Built:
    """A complete pyramid that is not published yet, and how many of its shards an earlier build had finished."""

    folder: Path
    resumed_shards: int


def build_pyramid(
    source: PixelSource,
    plan: PyramidPlan,
    staging: Path,
    *,
    content_hash: str,
    workers: int,
    progress: Progress,
    generation: int = 1,
) -> Built:
    """Build a pyramid in a staging folder, going on with what an earlier build of the same finished there.

    Memory: per worker the pixels of four chunks where levels are reduced, or of one row of chunks of a shard where
    the scan is decoded, beside what the source holds; never a level, whatever the size of the scan.

    Parameters
    ----------
    staging
        Existing folder that nobody else writes to.
    content_hash
        SHA-256 of the scan's bytes.
    workers
        Threads.

    Raises
    ------
    Corrupt
        When a part of the scan cannot be decoded.
    """
    facts = Facts.of(source.info, tile=plan.tile, level_count=len(plan.levels), generation=generation)
    group = orjson.dumps(group_metadata(facts))
    fingerprint = hashlib.sha256(repr((content_hash, plan)).encode() + group).hexdigest()
    journal = Journal(staging, fingerprint)
    try:
        resumed = len(journal.finished)
        tasks = plan.tasks()
        _compute(_Builder(source, plan, journal, progress), tasks, workers)
        files = {task.path: journal.finished[task.path] for task in tasks}
    finally:
        journal.close()
    for level in plan.levels:
        metadata = orjson.dumps(array_metadata(level.size, plan.tile))
        files[array_path(level.index)] = write_file(journal.folder / array_path(level.index), metadata)
    files[METADATA] = write_file(journal.folder / METADATA, group)
    seal(journal.folder, Manifest(content_hash, files))
    return Built(journal.folder, resumed)


def _compute(builder: "_Builder", tasks: tuple[ShardTask, ...], workers: int) -> None:
    """Run the shards as a Dask graph on threads; Dask is half typed, so it is met here only."""
    untyped: Any = dask
    shard = untyped.delayed(builder.build, pure=False, traverse=False)
    nodes: dict[str, object] = {}
    for task in tasks:
        needs = [nodes[path] for path in task.needs]
        nodes[task.path] = shard(task, needs, dask_key_name=task.path)
    untyped.compute(*nodes.values(), scheduler="threads", num_workers=workers)


class _Builder:
    """Writes shards; one object for all threads."""

    def __init__(self, source: PixelSource, plan: PyramidPlan, journal: Journal, progress: Progress) -> None:
        self._source = source
        self._plan = plan
        self._journal = journal
        self._progress = progress
        self._total = plan.chunk_count()
        self._done = 0
        self._lock = Lock()

    def build(self, task: ShardTask, needs: list[None]) -> None:
        """Write one whole shard and note it in the journal, unless an earlier build did.

        ``needs`` only orders the tasks: what a shard is made from lies on the disk by now.
        """
        del needs
        chunks = list(self._plan.chunks_of(task))
        if task.path in self._journal.finished:
            self._advance(len(chunks))
            return
        path = self._journal.folder / task.path
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        with temporary.open("wb") as file:
            writer = ShardWriter(file)
            for (col, row), data in self._encoded(task, chunks):
                # A writer owns its shard alone: two that shared one would lose each other's chunks.
                if (col // SHARD_CHUNKS, row // SHARD_CHUNKS) != (task.col, task.row):
                    raise ValueError("The chunk does not belong to this shard.")
                if data is not None:
                    writer.add((row % SHARD_CHUNKS) * SHARD_CHUNKS + col % SHARD_CHUNKS, data)
                self._advance(1)
            size, digest = writer.finish()
        temporary.replace(path)
        self._journal.add(task.path, FileRecord(size, digest))

    def _encoded(
        self, task: ShardTask, chunks: list[tuple[int, int]]
    ) -> Iterator[tuple[tuple[int, int], bytes | None]]:
        """Make the chunks of a shard one after the other."""
        if isinstance(self._plan.levels[task.level].source, Decode):
            yield from self._decoded(chunks)
            return
        above = self._reader(task)
        for col, row in chunks:
            yield (col, row), self._kept_or_made(task.level, col, row, above)

    def _decoded(self, chunks: list[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], bytes | None]]:
        """Decode level 0 of the scan in strips: one row of the shard's chunks at a time."""
        tile, size = self._plan.tile, self._plan.levels[0].size
        left = chunks[0][0]
        width = min((chunks[-1][0] + 1) * tile.width, size.width) - left * tile.width
        strip: Pixels | None = None
        for col, row in chunks:
            valid = valid_part(size, tile, col, row)
            if col == left or strip is None:
                strip = self._source.read(0, LevelRegion(left * tile.width, row * tile.height, width, valid.height))
            x = (col - left) * tile.width
            yield (col, row), self._encode(strip[:, x : x + valid.width], 0)

    def _kept_or_made(self, level: int, col: int, row: int, above: ChunkReader) -> bytes | None:
        plan = self._plan.levels[level]
        if self._plan.copies(level, col, row) and isinstance(plan.source, Verbatim):
            return self._source.encoded_tile(plan.source.source_level, col, row)
        pixels = reduced_chunk(above, self._plan.levels[level - 1].size, self._plan.tile, col, row)
        if isinstance(plan.source, Verbatim):
            pixels = self._overlaid(plan.source, level, col, row, pixels)
        return None if pixels is None else self._encode(pixels, level)

    def _overlaid(self, kept: Verbatim, level: int, col: int, row: int, pixels: Pixels | None) -> Pixels | None:
        """Lay what the scan's own level has of a chunk over what was made from the level before."""
        tile = self._plan.tile
        x, y = col * tile.width, row * tile.height
        width, height = min(tile.width, kept.size.width - x), min(tile.height, kept.size.height - y)
        if width < 1 or height < 1:
            return pixels
        own = self._source.read(kept.source_level, LevelRegion(x, y, width, height))
        if pixels is None:
            valid = valid_part(self._plan.levels[level].size, tile, col, row)
            return pad_to(own, valid)
        pixels[:height, :width] = own
        return pixels

    def _encode(self, pixels: Pixels, level: int) -> bytes | None:
        if is_white(pixels):
            return None
        return jpeg.encode(pad_to(pixels, self._plan.tile), self._plan.levels[level].encoding)

    def _reader(self, task: ShardTask) -> ChunkReader:
        """Read chunks of the level before out of the shards that this one needs."""
        finished = self._journal.finished
        shards = {path: ShardFile(self._journal.folder / path, finished[path].size) for path in task.needs}

        def read(col: int, row: int) -> bytes | None:
            shard = shards.get(shard_path(task.level - 1, row // SHARD_CHUNKS, col // SHARD_CHUNKS))
            if shard is None:
                raise Corrupt("A part of the pyramid under construction is missing.")
            return shard.chunk((row % SHARD_CHUNKS) * SHARD_CHUNKS + col % SHARD_CHUNKS)

        return read

    def _advance(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._progress(self._done, self._total)
