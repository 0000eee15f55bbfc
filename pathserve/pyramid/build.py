"""Building a pyramid: one Dask task per shard, each after the shards that it is made from.

Shards that are copied or decoded need nothing but the scan. Levels that are reduced need nothing but shards, so they
can be built when the others are published already and the scan is gone.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import dask
import dask.threaded
import orjson

from pathserve.errors import Corrupt
from pathserve.geometry import LevelRegion
from pathserve.pixels import PixelSource, Plane, Samples, SlideInfo
from pathserve.pyramid.chunks import ChunkReader, encoded_chunk, made_chunk, reduced_chunk, valid_part
from pathserve.pyramid.coding import Coding, pad_to
from pathserve.pyramid.histograms import to_bytes
from pathserve.pyramid.journal import Journal
from pathserve.pyramid.layout import (
    HISTOGRAMS,
    METADATA,
    SHARD_CHUNKS,
    Facts,
    array_metadata,
    array_path,
    group_metadata,
)
from pathserve.pyramid.manifest import FileRecord, Manifest, write_file
from pathserve.pyramid.plan import Decode, LevelPlan, PyramidPlan, ShardTask, Verbatim, plan_missing
from pathserve.pyramid.publish import seal
from pathserve.pyramid.reader import Pyramid
from pathserve.pyramid.shards import ShardFile, ShardWriter
from pathserve.pyramid.windows import with_windows

Progress = Callable[[int, int], None]
"""Told how many chunks are done and how many there are; called from several threads, one at a time."""

_STRIP_CHUNKS = 2
"""Chunks that are decoded at once: as few as keep the seams rare at which a tile of the scan is decoded twice."""

Chunks = Iterator[tuple[tuple[int, int], bytes | None]]
Sizes = Mapping[str, int]
"""Bytes of shards that are finished, by their path inside the group."""


@dataclass(frozen=True, slots=True)
class Work:
    """Shards that are to be written, and what they depend on.

    Parameters
    ----------
    tasks
        Each after the shards that it needs.
    finished
        Those of them, and of what they need, that an earlier build has written.
    fingerprint
        Names everything that the bytes of the shards depend on.
    """

    maker: "ShardMaker"
    tasks: tuple[ShardTask, ...]
    finished: Mapping[str, FileRecord]
    fingerprint: str


class Runner(Protocol):
    """Runs the tasks of a work that are not finished, in any order that keeps what a shard needs before it."""

    def __call__(self, work: Work, advance: Callable[[int], None], done: Callable[[str, FileRecord], None]) -> None:
        """Write the shards.

        Parameters
        ----------
        advance
            Told how many more chunks are made; from several threads.
        done
            Told the path and record of each shard when it is complete and on the disk; from several threads.
        """


@dataclass(frozen=True, slots=True)
class Built:
    """What was built and is not published yet, and how many of its shards an earlier build had finished."""

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
    reduced: bool = True,
    run: Runner | None = None,
) -> Built:
    """Build a pyramid in a staging folder, going on with what an earlier build of the same finished there.

    Memory: per worker the pixels of four chunks, beside what the source holds and takes to decode as many; never a
    level, whatever the size of the scan.

    Parameters
    ----------
    staging
        Existing folder that nobody else writes to.
    content_hash
        SHA-256 of the scan's bytes.
    workers
        Threads.
    reduced
        Whether levels that are made of other levels are built too. Without them the pyramid can be published, and
        :func:`build_reduced` makes them later.
    run
        Runs the shards elsewhere; None: on threads of this process.

    Raises
    ------
    Corrupt
        When a part of the scan cannot be decoded.
    """
    facts = facts_of(source.info, plan, generation=generation)
    left_out = () if reduced else plan.reduced_levels
    tasks = tuple(task for task in plan.tasks() if task.level not in left_out)
    fingerprint = fingerprint_of(content_hash, facts, plan)
    journal = Journal(staging, fingerprint)
    try:
        resumed = len(journal.finished)
        maker = ShardMaker(plan, facts, journal.folder, source=source)
        files = _run(maker, tasks, journal, fingerprint, progress, run or Threads(workers))
    finally:
        journal.close()
    if not facts.rgb and not left_out:
        made = Pyramid(journal.folder, facts, Manifest(content_hash, files))
        files[HISTOGRAMS] = write_file(journal.folder / HISTOGRAMS, to_bytes(made.histograms()))
        facts = with_windows(made) if facts.storage == "zstd" else facts
    for level in range(facts.level_count):
        metadata = orjson.dumps(array_metadata(facts, level))
        files[array_path(level)] = write_file(journal.folder / array_path(level), metadata)
    files[METADATA] = write_file(journal.folder / METADATA, orjson.dumps(group_metadata(facts)))
    seal(journal.folder, Manifest(content_hash, files, left_out))
    return Built(journal.folder, resumed)


def build_reduced(
    published: Path, staging: Path, *, workers: int, progress: Progress, run: Runner | None = None
) -> Built:
    """Build the levels that a published pyramid lacks, going on with what an earlier build finished.

    The folder that it gives holds these levels alone, and as its manifest that of the whole pyramid. Parameters and
    memory as :func:`build_pyramid`.

    Raises
    ------
    Corrupt
        When a published tile cannot be decoded.
    """
    pyramid = Pyramid.open(published)
    known = pyramid.manifest
    plan = plan_missing(pyramid.facts, known.missing_levels)
    tasks = tuple(task for task in plan.tasks() if task.level in known.missing_levels)
    fingerprint = fingerprint_of(known.content_hash, pyramid.facts, plan)
    journal = Journal(staging, fingerprint)
    try:
        resumed = len(journal.finished)
        maker = ShardMaker(plan, pyramid.facts, journal.folder, below=pyramid)
        files = _run(maker, tasks, journal, fingerprint, progress, run or Threads(workers))
    finally:
        journal.close()
    seal(journal.folder, Manifest(known.content_hash, {**known.files, **files}))
    return Built(journal.folder, resumed)


def facts_of(info: SlideInfo, plan: PyramidPlan, *, generation: int = 1) -> Facts:
    """Give the facts of the pyramid that a plan makes of a scan."""
    facts = Facts.of(info, tile=plan.tile, level_count=len(plan.levels), generation=generation, storage=plan.storage)
    return replace(facts, encodings=tuple(level.encoding for level in plan.levels))


def fingerprint_of(content_hash: str, facts: Facts, plan: PyramidPlan) -> str:
    """Name everything that the bytes of the shards depend on."""
    return hashlib.sha256(repr((content_hash, facts, plan.levels)).encode()).hexdigest()


class Threads:
    """Runs shards as a Dask graph on the threads of this process; Dask is half typed, so it is met here only."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def __call__(self, work: Work, advance: Callable[[int], None], done: Callable[[str, FileRecord], None]) -> None:
        """Write the shards; see :class:`Runner`."""
        sizes = {path: record.size for path, record in work.finished.items()}

        def write(task: ShardTask, needs: list[None]) -> None:
            del needs  # they only order the tasks: what a shard is made from lies on the disk by now
            record = work.maker.write(task, sizes, advance)
            sizes[task.path] = record.size
            done(task.path, record)

        untyped: Any = dask
        shard = untyped.delayed(write, pure=False, traverse=False)
        nodes: dict[str, object] = {}
        for task in work.tasks:
            if task.path not in work.finished:
                needs = [nodes[path] for path in task.needs if path in nodes]
                nodes[task.path] = shard(task, needs, dask_key_name=task.path)
        # The function itself, not its name "threads": looking a name up loads dask.distributed where it is installed.
        untyped.compute(*nodes.values(), scheduler=untyped.threaded.get, num_workers=self._workers)


class _Progress:
    """Counts chunks for whoever wants to know; for several threads."""

    def __init__(self, told: Progress, total: int) -> None:
        self._told = told
        self._total = total
        self._done = 0
        self._lock = Lock()

    def advance(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._told(self._done, self._total)


def _run(
    maker: "ShardMaker",
    tasks: tuple[ShardTask, ...],
    journal: Journal,
    fingerprint: str,
    progress: Progress,
    run: Runner,
) -> dict[str, FileRecord]:
    """Write what an earlier build has not, note each shard in the journal, and give what the manifest says of all."""
    counts = {task.path: maker.chunk_count(task) for task in tasks}
    counter = _Progress(progress, sum(counts.values()))
    finished = {path: journal.finished[path] for path in counts if path in journal.finished}
    if finished:
        counter.advance(sum(counts[path] for path in finished))
    run(Work(maker, tasks, finished, fingerprint), counter.advance, journal.add)
    return {path: journal.finished[path] for path in counts}


class ShardMaker:
    """Makes and writes shards; one object for all threads of a process.

    Parameters
    ----------
    folder
        The group under construction.
    source
        The scan; None when only levels that are made of others are built.
    below
        The published pyramid that holds those others; None when they are in ``folder``.
    """

    def __init__(
        self,
        plan: PyramidPlan,
        facts: Facts,
        folder: Path,
        *,
        source: PixelSource | None = None,
        below: Pyramid | None = None,
    ) -> None:
        self._plan = plan
        self._coding = Coding.of(facts)
        self._fill = facts.fill
        self._folder = folder
        self._source = source
        self._below = below

    def chunk_count(self, task: ShardTask) -> int:
        """How many chunks of a shard lie on its level."""
        return sum(1 for _ in self._plan.chunks_of(task))

    def write(
        self, task: ShardTask, sizes: Sizes, advance: Callable[[int], None], *, temporary: Path | None = None
    ) -> FileRecord:
        """Write one whole shard: it has its name only when it is complete and on the disk.

        Parameters
        ----------
        sizes
            Bytes of those of the shards that this one needs which are in ``folder``.
        temporary
            Where it is written first, on the same disk, while the shard's folder exists; None: beside its place.
        """
        path = self._folder / task.path
        if temporary is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(path.name + ".tmp")
        with temporary.open("wb") as file:
            writer = ShardWriter(file)
            for (col, row), data in self._encoded(task, list(self._plan.chunks_of(task)), sizes):
                # A writer owns its shard alone: two that shared one would lose each other's chunks.
                if (col // SHARD_CHUNKS, row // SHARD_CHUNKS) != (task.col, task.row):
                    raise ValueError("The chunk does not belong to this shard.")
                if data is not None:
                    writer.add((row % SHARD_CHUNKS) * SHARD_CHUNKS + col % SHARD_CHUNKS, data)
                advance(1)
            size, digest = writer.finish()
        temporary.replace(path)
        return FileRecord(size, digest)

    def _encoded(self, task: ShardTask, chunks: list[tuple[int, int]], sizes: Sizes) -> Chunks:
        """Make the chunks of a shard one after the other."""
        plan = self._plan.levels[task.level]
        if isinstance(plan.source, Decode):
            yield from self._decoded(task.plane, chunks)
        elif isinstance(plan.source, Verbatim):
            for col, row in chunks:
                yield (col, row), self._from_scan(task.level, col, row, task.plane)
        else:
            above, size = self._reader(task, sizes), self._plan.levels[task.level - 1].size
            for col, row in chunks:
                yield (col, row), made_chunk(above, self._coding, self._fill, size, plan.encoding, col, row)

    def _opened(self) -> PixelSource:
        if self._source is None:
            raise ValueError("Levels that come from the scan need the scan.")
        return self._source

    def _decoded(self, plane: Plane, chunks: list[tuple[int, int]]) -> Chunks:
        """Decode level 0 of the scan in strips: a few chunks of one row of the shard at a time."""
        tile, first, source = self._plan.tile, self._plan.levels[0], self._opened()
        strip: Samples | None = None
        for col, row in chunks:
            valid = valid_part(first.size, tile, col, row)
            left = col - col % _STRIP_CHUNKS
            if col == left or strip is None:
                width = min((left + _STRIP_CHUNKS) * tile.width, first.size.width) - left * tile.width
                strip = source.read(0, LevelRegion(left * tile.width, row * tile.height, width, valid.height), plane)
            x = (col - left) * tile.width
            yield (col, row), self._encode(strip[:, x : x + valid.width], first)

    def _from_scan(self, level: int, col: int, row: int, plane: Plane) -> bytes | None:
        """Give a tile of the scan as it lies; where it lacks a row or column, that is made of the finer tiles."""
        plan = self._plan.levels[level]
        kept = plan.source if isinstance(plan.source, Verbatim) else None
        if kept is not None and self._plan.copies(level, col, row):
            return self._opened().encoded_tile(kept.source_level, col, row, plane)
        above = self._plan.levels[level - 1].size

        def finer(child_col: int, child_row: int) -> bytes | None:
            if kept is not None and self._covers(kept, child_col, child_row):
                return None
            return self._from_scan(level - 1, child_col, child_row, plane)

        pixels = reduced_chunk(finer, self._coding, self._fill, above, col, row)
        if kept is not None:
            pixels = self._overlaid(kept, plan, (col, row), plane, pixels)
        return None if pixels is None else self._encode(pixels, plan)

    def _covers(self, kept: Verbatim, child_col: int, child_row: int) -> bool:
        """Tell whether a chunk of the finer level shows nothing that the scan's own level lacks."""
        right, bottom = (child_col + 1) * self._plan.tile.width // 2, (child_row + 1) * self._plan.tile.height // 2
        return right <= kept.size.width and bottom <= kept.size.height

    def _overlaid(
        self, kept: Verbatim, plan: LevelPlan, chunk: tuple[int, int], plane: Plane, pixels: Samples | None
    ) -> Samples | None:
        """Lay what the scan's own level has of a chunk over what was made from the level before."""
        tile = self._plan.tile
        x, y = chunk[0] * tile.width, chunk[1] * tile.height
        width, height = min(tile.width, kept.size.width - x), min(tile.height, kept.size.height - y)
        if width < 1 or height < 1:
            return pixels
        own = self._opened().read(kept.source_level, LevelRegion(x, y, width, height), plane)
        if pixels is None:
            return pad_to(own, valid_part(plan.size, tile, *chunk))
        pixels[:height, :width] = own
        return pixels

    def _encode(self, pixels: Samples, plan: LevelPlan) -> bytes | None:
        return encoded_chunk(pixels, self._coding, self._fill, plan.encoding)

    def _reader(self, task: ShardTask, sizes: Sizes) -> ChunkReader:
        """Read chunks of the level before out of the shards that this one needs."""
        level = task.level - 1
        shards = {path: ShardFile(self._folder / path, sizes[path]) for path in task.needs if path in sizes}

        def read(col: int, row: int) -> bytes | None:
            path = self._plan.path(level, task.plane, row // SHARD_CHUNKS, col // SHARD_CHUNKS)
            shard = shards.get(path)
            if shard is not None:
                return shard.chunk((row % SHARD_CHUNKS) * SHARD_CHUNKS + col % SHARD_CHUNKS)
            if self._below is None:
                raise Corrupt("A part of the pyramid under construction is missing.")
            return self._below.chunk(level, col, row, task.plane)

        return read
