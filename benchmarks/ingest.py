"""Ingest of whole slides: time, memory of each process, bytes on the disk; beside what no ingest can go below.

In one interleaved run for each slide: ``pathserve ingest`` into an empty data folder; a copy of the file brought to
the disk; every tile of level 0 read through OpenSlide in one thread; and for JPEG-tiled slides every tile of level 0
decoded by libjpeg-turbo in one thread.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import tifffile
from openslide import OpenSlide

from benchmarks import processes
from benchmarks.measure import Figures, Runs, Spread, interleave, machine, ratio, spreads, table, write_json
from pathserve.slides import jpeg

INGEST, COPY, OPENSLIDE, TURBO = "pathserve ingest", "cp and fsync", "OpenSlide decodes", "libjpeg-turbo decodes"
_BLOCK = 4 << 20
_JPEG, _RGB = 7, 2


def ingest(slide: Path, scratch: Path) -> Figures:
    """Ingest into an empty data folder, and measure that and the result."""
    data = scratch / "data"
    shutil.rmtree(data, ignore_errors=True)
    finished = processes.run("pathserve", "ingest", slide, "--data", data, "--json")
    slide_id = orjson.loads(finished.output)["items"][0]["slide"]
    levels = _level_bytes(data / "slides" / f"{slide_id}.zarr")
    parent, *workers = finished.peaks
    return {
        "wall_s": finished.wall_seconds,
        "cpu_s": finished.cpu_seconds,
        "parent_rss": parent,
        "worker_rss": max(workers),
        "workers": len(workers),
        "level_0_bytes": levels[0],
        "all_bytes": sum(levels),
    }


def _level_bytes(folder: Path) -> list[int]:
    """Sum the bytes of each level of a pyramid, finest first."""
    levels = sorted((entry for entry in folder.iterdir() if entry.is_dir()), key=lambda entry: int(entry.name))
    return [sum(file.stat().st_size for file in level.rglob("*") if file.is_file()) for level in levels]


def copy(slide: Path, scratch: Path) -> Figures:
    """Copy the file and wait until it is on the disk."""
    wall, cpu = time.perf_counter(), time.process_time()
    with slide.open("rb") as source, (scratch / "copy").open("wb") as target:
        while block := source.read(_BLOCK):
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    return _spent(wall, cpu)


def decode_openslide(slide: Path, scratch: Path) -> Figures:
    """Read level 0 tile by tile through OpenSlide."""
    del scratch
    wall, cpu = time.perf_counter(), time.process_time()
    with OpenSlide(slide) as opened:
        width, height = opened.dimensions
        tile = int(opened.properties.get("openslide.level[0].tile-width", "256"))
        for y in range(0, height, tile):
            for x in range(0, width, tile):
                opened.read_region((x, y), 0, (min(tile, width - x), min(tile, height - y)))
    return _spent(wall, cpu)


def decode_turbo(slide: Path, scratch: Path) -> Figures:
    """Decode the JPEG tiles of level 0."""
    del scratch
    wall, cpu = time.perf_counter(), time.process_time()
    with tifffile.TiffFile(slide) as tiff:
        page, handle = tiff.pages.first, tiff.filehandle
        tables, rgb = page.jpegtables or b"", page.photometric == _RGB
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            handle.seek(offset)
            jpeg.decode(jpeg.to_interchange(tables, handle.read(count), rgb=rgb))
    return _spent(wall, cpu)


def _spent(wall: float, cpu: float) -> Figures:
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def measure_slide(slide: Path, scratch: Path, rounds: int) -> dict[str, Any]:
    """Measure one slide and print its tables."""
    with OpenSlide(slide) as opened, tifffile.TiffFile(slide) as tiff:
        width, height = opened.dimensions
        source_levels = len(opened.level_dimensions)
        is_jpeg = tiff.pages.first.compression == _JPEG
    steps = {INGEST: ingest, COPY: copy, OPENSLIDE: decode_openslide}
    if is_jpeg:
        steps[TURBO] = decode_turbo
    cases: dict[str, Callable[[], Figures]] = {name: partial(step, slide, scratch) for name, step in steps.items()}
    runs = interleave(cases, rounds=rounds, warm_up=False)
    pixels, size = width * height, slide.stat().st_size
    print(f"\n{slide.name}: {width:,} x {height:,} px = {pixels / 1e9:.2f} Gpx, {size / 1e6:,.1f} MB, ", end="")
    print(f"{source_levels} level(s) in the file\n\n{_times(runs, pixels)}\n\n{_sizes(runs, size)}\n", flush=True)
    return {
        "slide": slide.name,
        "width": width,
        "height": height,
        "levels_in_file": source_levels,
        "file_bytes": size,
        "ingest": {figure: Spread.of(run[figure] for run in runs[INGEST]) for figure in runs[INGEST][0]},
        "floors": {
            name: {
                figure: {"seconds": spreads(runs, figure)[name], "ingest_times": ratio(runs, figure, INGEST, name)}
                for figure in ("wall_s", "cpu_s")
            }
            for name in runs
            if name != INGEST
        },
    }


def _times(runs: Runs, pixels: int) -> str:
    wall, cpu = spreads(runs, "wall_s"), spreads(runs, "cpu_s")
    rows = [
        (
            name,
            wall[name].text("{:,.2f}"),
            cpu[name].text("{:,.2f}"),
            f"{pixels / wall[name].median / 1e6:,.0f}",
            f"{pixels / cpu[name].median / 1e6:,.0f}",
            ratio(runs, "wall_s", INGEST, name).text("{:,.2f}"),
            ratio(runs, "cpu_s", INGEST, name).text("{:,.2f}"),
        )
        for name in runs
    ]
    header = ("", "wall s", "CPU s", "Mpx/s", "Mpx per CPU s", "ingest, times its wall", "ingest, times its CPU")
    return table(header, rows)


def _sizes(runs: Runs, size: int) -> str:
    def of(figure: str, unit: float, pattern: str) -> str:
        return Spread.of(run[figure] / unit for run in runs[INGEST]).text(pattern)

    rows = [
        ("peak RSS of the parent, MB", of("parent_rss", 1e6, "{:,.0f}")),
        ("peak RSS of the worker, MB", of("worker_rss", 1e6, "{:,.0f}")),
        ("level 0, bytes per byte of the file", of("level_0_bytes", size, "{:.3f}")),
        ("all levels, bytes per byte of the file", of("all_bytes", size, "{:.3f}")),
    ]
    return table(("pathserve ingest", ""), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", nargs="+", type=Path, metavar="SLIDE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="existing folder on the disk to measure; default: a temporary one")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        found = [measure_slide(slide, Path(scratch), arguments.rounds) for slide in arguments.slides]
    if arguments.json is not None:
        write_json(arguments.json, machine=facts, rounds=arguments.rounds, slides=found)


if __name__ == "__main__":
    main()
