"""What a tile costs as levels, slides in the catalog and server processes grow; a part of `benchmarks.tiles`.

The catalog is filled through its own class. The slides in it are copies of the sample slide. Those that are asked for
have a pyramid, by hard links, so that all of them lie in the page cache, but each has its own folder, manifest and
index to open.
"""

import argparse
import os
import random
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

from benchmarks.make_slide import SMALL
from benchmarks.measure import Runs, interleave, ratio, spreads, table
from benchmarks.servers import ingest, make_link, serve_pathserve, sign_in
from benchmarks.tile_setup import Served, grid_of, paths_of, whole_tiles
from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import Database, Transaction, open_database
from pathserve.ingest import inspect_scan

_T = TypeVar("_T")

_LEVELS = 1, 2, 4, 8
_TILES = 480
_VISITED = 1, 20, 200, 2_000
_VISITS = 4_000
_CONNECTIONS = 16
_SEED = 20_240_501
_PROJECT = "Copies"


def measure(slide: Path, scratch: Path, port: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all of it in one interleaved run and print the tables; ``slide`` has many levels."""
    scratch.mkdir()
    few, many = scratch / "few", scratch / "many"
    large, small = ingest(slide, few), ingest(SMALL, few)
    copies = [ingest(SMALL, many)]
    copies += list_copies(many, copies[0], arguments.listed - 1)
    codes = {data: make_link(data) for data in (few, many)}
    with ExitStack() as running:
        one = _start(running, few, port, codes[few])
        # A session is a row of the database, so the other processes know it too.
        two = replace(one, port=port + 1, pid=running.enter_context(serve_pathserve(few, port + 1, workers=2)))
        full = _start(running, many, port + 2, codes[many])
        groups = {
            "levels": _by_levels(one, few, large),
            "slides": _by_slides(one, full, few, small, many, copies),
            "processes": _by_processes(one, two, few, large),
        }
        cases = {
            name: partial(server.measure, _CONNECTIONS, arguments.seconds)
            for group in groups.values()
            for name, server in group.items()
        }
        runs = interleave(cases, rounds=arguments.rounds)
    return {group: _report(group, {name: runs[name] for name in names}) for group, names in groups.items()}


def list_copies(data: Path, slide_id: str, count: int) -> list[str]:
    """List copies of a slide, each as a slide of its own, and publish those that are visited; gives their ids."""
    settings = Settings(data=data)
    grid, info = grid_of(data, slide_id), inspect_scan(SMALL)
    db, ids = open_database(settings.database), [f"copy-{number}" for number in range(count)]
    levels = Catalog(db).slide(slide_id).levels
    for copied in ids[: max(_VISITED)]:
        shutil.copytree(settings.slides / f"{slide_id}.zarr", settings.slides / f"{copied}.zarr", copy_function=os.link)

    def work(tx: Transaction) -> None:
        catalog = Catalog(cast("Database", _Within(tx)))
        for copied in ids:
            catalog.add_slide(
                slide_id=copied,
                project=_PROJECT,
                name=None,
                info=info,
                levels=levels,
                tile_size=grid.tile_size,
                content_hash=sha256(copied.encode()).hexdigest(),
                generation=grid.generation,
            )

    db.write(work)
    db.close()
    return ids


class _Within:
    """A database for the catalog that puts everything into one transaction: a disk takes minutes for 10,000."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def write(self, work: Callable[[Transaction], _T]) -> _T:
        """Do the work, to be committed later."""
        return work(self._tx)


def _start(running: ExitStack, data: Path, port: int, code: str) -> Served:
    pid = running.enter_context(serve_pathserve(data, port))
    return Served(pid, port, (), cookie=sign_in(port, code))


def _by_levels(server: Served, data: Path, slide_id: str) -> dict[str, Served]:
    grid = grid_of(data, slide_id)
    cases = {}
    for levels in _LEVELS:
        tiles = whole_tiles(grid, levels=levels, per_level=_TILES // levels)
        name = f"tiles of {levels} level(s)"
        cases[name] = replace(server, paths=paths_of(tiles, slide_id, f"?g={grid.generation}"))
    return cases


def _by_slides(one: Served, full: Served, few: Path, small: str, many: Path, copies: list[str]) -> dict[str, Served]:
    """Visit tiles of so many slides at random; the first case is the same slide in a catalog of two."""
    cases = {"2 slides listed, tiles of 1": replace(one, paths=_visits(few, [small]))}
    for visited in _VISITED:
        if visited <= len(copies):
            name = f"{len(copies):,} slides listed, tiles of {visited:,}"
            cases[name] = replace(full, paths=_visits(many, copies[:visited]))
    return cases


def _visits(data: Path, slides: list[str]) -> list[str]:
    grid = grid_of(data, slides[0])
    tiles = whole_tiles(grid, levels=grid.level_count, per_level=_TILES)
    rng = random.Random(_SEED)  # noqa: S311 - an order, no secret
    query = f"?g={grid.generation}"
    return [paths_of([rng.choice(tiles)], rng.choice(slides), query)[0] for _ in range(_VISITS)]


def _by_processes(one: Served, two: Served, data: Path, slide_id: str) -> dict[str, Served]:
    grid = grid_of(data, slide_id)
    tiles = whole_tiles(grid, levels=4, per_level=_TILES // 4)
    paths = paths_of(tiles, slide_id, f"?g={grid.generation}")
    return {"1 process": replace(one, paths=paths), "2 processes": replace(two, paths=paths)}


def _report(group: str, runs: Runs) -> dict[str, Any]:
    first = next(iter(runs))
    figures = {figure: spreads(runs, figure) for figure in ("tiles_s", "cpu_us", "p50_ms", "p99_ms", "client_cores")}
    times = {name: ratio(runs, "cpu_us", name, first) for name in runs}
    rows = [
        (
            name,
            figures["tiles_s"][name].text("{:,.0f}"),
            figures["cpu_us"][name].text("{:,.1f}"),
            times[name].text("{:,.2f}"),
            figures["p50_ms"][name].text("{:,.2f}"),
            figures["p99_ms"][name].text("{:,.2f}"),
        )
        for name in runs
    ]
    header = (f"{group}, {_CONNECTIONS} clients", "tiles/s", "CPU us a tile", "times the first", "p50 ms", "p99 ms")
    print(table(header, rows) + "\n", flush=True)
    return {name: {"cpu_times_first": times[name]} | {key: figures[key][name] for key in figures} for name in runs}
