"""Vector tiles of many cells: every level, with nothing in memory and again.

``python -m benchmarks.annotation_tiles --counts 1000000 5000000 --scratch /tmp``: nuclei of the sample field side by
side, written by the store itself; no pixels, no server. A database that is there already is used again.
"""

import argparse
import math
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson

from benchmarks.make_cells import FIELD, made, side_of
from benchmarks.measure import Figures, machine, table, write_json
from pathserve.annotations import AnnotationQuery, AnnotationStore
from pathserve.annotations.chunk_reader import ChunkReader
from pathserve.annotations.tile_reader import VectorTiles
from pathserve.annotations.vector_tiles import TileBox
from pathserve.catalog import Catalog
from pathserve.db import Database, open_database
from pathserve.geometry import Mpp, Size
from pathserve.labels import Columns, NewAnnotation
from pathserve.pixels import Level, SlideInfo
from pathserve.server.kernels import load_kernels

_TILE = 256
_MOST_TILES = 48
"""Tiles of a level that are measured, chosen at random."""

_SEED = 7

_FIELD_CELLS = 1295


@dataclass(frozen=True, slots=True)
class Cells:
    """A database with one slide full of cells."""

    file: Path
    count: int

    @property
    def max_level(self) -> int:
        """Deep Zoom level of full resolution."""
        return math.ceil(math.log2(side_of(self.count)))

    def tiles(self, z: int) -> list[TileBox]:
        """Choose tiles of a level."""
        across = math.ceil(side_of(self.count) / (_TILE << (self.max_level - z)))
        random = np.random.default_rng(_SEED)
        chosen = random.choice(across**2, min(across**2, _MOST_TILES), replace=False).tolist()
        return [TileBox.at(z, n % across, n // across, max_level=self.max_level, tile_size=_TILE) for n in chosen]


def _field() -> Columns:
    features = map(orjson.loads, made(_FIELD_CELLS))
    return Columns.of(
        [NewAnnotation(f["geometry"], None, f["properties"]["classification"]["name"], None, {}) for f in features]
    )


def _fields(count: int) -> Iterator[Columns]:
    field, across = _field(), side_of(count) // FIELD
    for number in range(-(-count // len(field))):
        place = np.array([number % across, number // across]) * FIELD
        moved = replace(field, xy=(field.xy + place).round(2))
        left = count - number * len(field)
        yield moved if left >= len(field) else moved.take(np.arange(left))


def fill(db: Database, cells: Cells) -> Figures:
    """Write the cells into one layer of a new slide."""
    side = side_of(cells.count)
    info = SlideInfo("aperio", (Level(Size(side, side), 1.0),), Mpp(0.25, 0.25), True, 40.0, "jpeg")
    slide = Catalog(db).add_slide(
        slide_id="cells", project="default", name=None, info=info, levels=1, tile_size=_TILE, content_hash="content"
    )
    wall, cpu = time.perf_counter(), time.process_time()
    with AnnotationStore(db, spool=cells.file.parent).bulk(slide.id, layer="cells", author="benchmark") as bulk:
        for columns in _fields(cells.count):
            bulk.add(columns)
        bulk.publish()
    return {"fill_s": time.perf_counter() - wall, "fill_cpu_s": time.process_time() - cpu}


def measure(db: Database, cells: Cells, rounds: int) -> dict[int, Figures]:
    """Ask for tiles of every level; gives the figures by downsample."""
    query = AnnotationQuery("cells")
    found: dict[int, Figures] = {}
    warm = VectorTiles(db, ChunkReader())
    for z in range(cells.max_level, -1, -1):
        tiles = cells.tiles(z)
        cold, cold_cpu, _ = _timed(VectorTiles(db, ChunkReader()), query, tiles[len(tiles) // 2])
        for tile in tiles:
            warm.tile(query, tile, revision=1)
        took = [[_timed(warm, query, tile) for _ in range(rounds)] for tile in tiles]
        best = [min(ms for ms, _, _ in some) for some in took]
        cpus = [min(cpu for _, cpu, _ in some) for some in took]
        sizes = [some[0][2] / 1e3 for some in took]
        found[1 << (cells.max_level - z)] = {
            "tiles": len(tiles),
            "cold_ms": cold,
            "cold_cpu_ms": cold_cpu,
            "median_ms": statistics.median(best),
            "worst_ms": max(best),
            "cpu_ms": statistics.median(cpus),
            "worst_cpu_ms": max(cpus),
            "kb": statistics.median(sizes),
            "worst_kb": max(sizes),
        }
    return found


def _timed(reader: VectorTiles, query: AnnotationQuery, tile: TileBox) -> tuple[float, float, int]:
    wall, cpu = time.perf_counter(), time.thread_time()
    data = reader.tile(query, tile, revision=1)
    return (time.perf_counter() - wall) * 1e3, (time.thread_time() - cpu) * 1e3, len(data)


def report(found: dict[int, Figures]) -> str:
    """Write a table with a row for each level."""
    header = ("downsample", "tiles", "first, ms", "CPU", "again, ms", "worst", "CPU", "worst", "kB", "worst")
    names = ("tiles", "cold_ms", "cold_cpu_ms", "median_ms", "worst_ms", "cpu_ms", "worst_cpu_ms", "kb", "worst_kb")
    rows = [
        (f"{downsample:,}", *(f"{figures[name]:,.{0 if name == 'tiles' else 1}f}" for name in names))
        for downsample, figures in found.items()
    ]
    return table(header, rows)


def _parts(counts: Sequence[int], scratch: Path, rounds: int) -> Iterator[tuple[int, dict[int, Figures]]]:
    for count in counts:
        cells = Cells(scratch / f"tiles-{count}" / "pathserve.db", count)
        is_new = not cells.file.exists()
        cells.file.parent.mkdir(parents=True, exist_ok=True)
        with closing(open_database(cells.file)) as db:
            if is_new:
                figures = fill(db, cells)
                print(f"{count:,} cells written: {figures['fill_s']:.1f} s, CPU {figures['fill_cpu_s']:.1f} s")
            found = measure(db, cells, rounds)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"\n{count:,} cells, {cells.file.stat().st_size / count:.0f} bytes each; peak {peak:,.0f} MB\n")
        print(report(found), flush=True)
        yield count, found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure vector tiles of many cells.")
    parser.add_argument("--counts", type=int, nargs="*", default=[1_000_000, 5_000_000])
    parser.add_argument("--scratch", type=Path, default=Path("/tmp"))  # noqa: S108 - a default that is told
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    wall = time.perf_counter()
    load_kernels()
    print(f"machine code ready after {time.perf_counter() - wall:.1f} s", file=sys.stderr)
    parts = dict(_parts(options.counts, options.scratch, options.rounds))
    if options.json:
        levels = {str(count): {str(down): figures for down, figures in part.items()} for count, part in parts.items()}
        write_json(options.json, machine=machine(), counts=levels)


if __name__ == "__main__":
    main()
