"""Tiles per second, and CPU time of the server per tile, of PathServe and of OpenSlide's DeepZoomGenerator.

One interleaved run over the same tiles of the same slide: all whole tiles of the topmost levels of the Deep Zoom
pyramid, or a sample of them, in one shuffled order. The client is another process and its time counts for nobody.
"""

import argparse
import io
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.client import Order, fetch, load
from benchmarks.measure import (
    Figures,
    Runs,
    interleave,
    machine,
    process_cpu_seconds,
    ratio,
    spreads,
    table,
    write_json,
)
from benchmarks.peers import deepzoom_tile, open_deepzoom
from benchmarks.servers import ingest, make_token, serve_pathserve, serve_peer
from pathserve.config import Settings
from pathserve.tiles import DeepZoom, TileService

OURS, DEEPZOOM, MEMORY, ALONE = "PathServe", "DeepZoom server", "memory server", "DeepZoom alone"
DEFAULT = "DeepZoom server, its default grid"
_DEFAULT_GRID = 254, 1
"""Tile size and overlap of DeepZoomGenerator when nobody says otherwise."""

_SEED = 20_240_501
_COMPARED = 60
_MOST_DIFFERENCE = 12.0
"""Grey levels, mean over a tile. Encoding at quality 75 with halved colour alone moves single tiles by 8.5."""

_DIFFERENCE = (
    "{compared} tiles of both servers: {mean:.2f} grey levels apart in the mean, {most:.2f} at most; "
    "{compared_finest} of the finest level against DeepZoomGenerator's own pixels: {finest:.2f}\n"
)

Address = tuple[int, int, int]
_Order = Callable[[int, float], Order]
"""Makes an order from the number of connections and the seconds."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One slide under all servers: ports by case, process ids by case, and the tiles to ask for."""

    orders: dict[str, _Order]
    pids: dict[str, int]
    tiles: list[Address]
    tile_size: int


def whole_tiles(grid: DeepZoom, *, levels: int, per_level: int) -> list[Address]:
    """Choose tiles of full size of the finest levels, at most so many of each, in one fixed random order."""
    chosen: list[Address] = []
    rng = random.Random(_SEED)  # noqa: S311 - an order, no secret
    for level in range(grid.level_count - 1, max(-1, grid.level_count - 1 - levels), -1):
        size = grid.level_size(level)
        columns, rows = size.width // grid.tile_size, size.height // grid.tile_size
        whole = [(level, col, row) for row in range(rows) for col in range(columns)]
        chosen += rng.sample(whole, min(per_level, len(whole)))
    rng.shuffle(chosen)
    return chosen


@contextmanager
def _set_up(slide: Path, scratch: Path, port: int, levels: int, per_level: int) -> Iterator[Setup]:
    data = scratch / "data"
    slide_id = ingest(slide, data)
    token = make_token(data)
    service = TileService(Settings(data=data).slides)
    grid = service.deepzoom(slide_id)
    tiles = whole_tiles(grid, levels=levels, per_level=per_level)
    bodies = scratch / f"tiles-{slide_id}"
    bodies.mkdir()
    for address in tiles:
        (bodies / "_".join(map(str, address))).write_bytes(service.tile(slide_id, *address).body)

    theirs = whole_tiles(replace(grid, tile_size=_DEFAULT_GRID[0]), levels=levels, per_level=per_level)

    def order(
        number: int, tiles: list[Address], name: str = "slide", query: str = "", token: str | None = None
    ) -> _Order:
        paths = [f"/dzi/{name}_files/{level}/{col}_{row}.jpeg{query}" for level, col, row in tiles]
        return lambda connections, seconds: Order(port + number, paths, connections, seconds, token)

    with ExitStack() as running:
        yield Setup(
            {
                OURS: order(0, tiles, slide_id, f"?g={grid.generation}", token),
                DEEPZOOM: order(1, tiles),
                DEFAULT: order(2, theirs),
                MEMORY: order(3, tiles),
            },
            {
                OURS: running.enter_context(serve_pathserve(data, port)),
                DEEPZOOM: running.enter_context(serve_peer("deepzoom", slide, port + 1, grid.tile_size, 0)),
                DEFAULT: running.enter_context(serve_peer("deepzoom", slide, port + 2, *_DEFAULT_GRID)),
                MEMORY: running.enter_context(serve_peer("memory", bodies, port + 3)),
            },
            tiles,
            grid.tile_size,
        )


def _served(setup: Setup, case: str, connections: int, seconds: float) -> Figures:
    order = setup.orders[case](connections, seconds)
    before = process_cpu_seconds(setup.pids[case])
    tiles, wall, received = load(order)
    cpu = process_cpu_seconds(setup.pids[case]) - before
    return {"tiles": tiles, "tiles_s": tiles / wall, "cpu_us": cpu / tiles * 1e6, "bytes": received / tiles}


def _alone(slide: Path, tile_size: int, tiles: Sequence[Address]) -> Callable[[], Figures]:
    deepzoom = open_deepzoom(slide, tile_size, 0)

    def run() -> Figures:
        wall, cpu = time.perf_counter(), time.process_time()
        size = sum(len(deepzoom_tile(deepzoom, *address)) for address in tiles)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        count = len(tiles)
        return {"tiles": count, "tiles_s": count / wall, "cpu_us": cpu / count * 1e6, "bytes": size / count}

    return run


def compare_pictures(setup: Setup, slide: Path) -> dict[str, float]:
    """Hold tiles of both servers against each other; gives mean absolute differences in grey levels.

    ``finest`` compares PathServe's tiles of the finest level with DeepZoomGenerator's pixels before they are encoded.

    Raises
    ------
    RuntimeError
        When they do not show the same.
    """
    bodies = [fetch(setup.orders[case](4, 0.0)) for case in (OURS, DEEPZOOM)]
    served = [_apart(_pixels(a), _pixels(b)) for a, b in list(zip(*bodies, strict=True))[:_COMPARED]]
    deepzoom, last = open_deepzoom(slide, setup.tile_size, 0), max(level for level, _, _ in setup.tiles)
    finest = [
        _apart(_pixels(body), np.asarray(deepzoom.get_tile(level, (col, row)), np.int16))
        for body, (level, col, row) in list(zip(bodies[0], setup.tiles, strict=True))[:_COMPARED]
        if level == last
    ]
    if max(served) > _MOST_DIFFERENCE or any(finest):
        raise RuntimeError(f"The servers do not show the same picture: {max(served):.1f} grey levels apart.")
    return {
        "compared": len(served),
        "mean": float(np.mean(served)),
        "most": max(served),
        "compared_finest": len(finest),
        "finest": max(finest),
    }


def _pixels(body: bytes) -> npt.NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB"), np.int16)


def _apart(a: npt.NDArray[np.int16], b: npt.NDArray[np.int16]) -> float:
    return float(np.abs(a - b).mean()) if a.shape == b.shape else 255.0


def measure_slide(slide: Path, scratch: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one slide with each number of clients, and print the tables."""
    found: dict[str, Any] = {"slide": slide.name, "clients": {}}
    with _set_up(slide, scratch, arguments.port, arguments.levels, arguments.per_level) as setup:
        found["tiles_of_levels"] = dict(sorted(Counter(str(level) for level, _, _ in setup.tiles).items()))
        found["difference"] = compare_pictures(setup, slide)
        print(f"\n{slide.name}: {len(setup.tiles):,} tiles, by level {found['tiles_of_levels']}")
        print(_DIFFERENCE.format(**found["difference"]))
        for connections in arguments.clients:
            cases: dict[str, Callable[[], Figures]] = {
                case: partial(_served, setup, case, connections, arguments.seconds) for case in setup.orders
            }
            if connections == 1:
                cases[ALONE] = _alone(slide, setup.tile_size, setup.tiles)
            runs = interleave(cases, rounds=arguments.rounds)
            found["clients"][str(connections)] = _report(runs, connections)
    return found


def _report(runs: Runs, connections: int) -> dict[str, Any]:
    """Print the table of one number of clients and give its figures."""
    per_second, cpu, size = (spreads(runs, figure) for figure in ("tiles_s", "cpu_us", "bytes"))
    times = {case: ratio(runs, "cpu_us", case, OURS) for case in runs}
    rows = [
        (
            case,
            per_second[case].text("{:,.0f}"),
            cpu[case].text("{:,.0f}"),
            times[case].text("{:,.2f}"),
            f"{size[case].median / 1000:.1f}",
        )
        for case in runs
    ]
    header = (f"{connections} client(s)", "tiles/s", "CPU us a tile", "CPU, times PathServe's", "kB a tile")
    print(table(header, rows) + "\n", flush=True)
    return {
        case: {"tiles_s": per_second[case], "cpu_us": cpu[case], "cpu_times_ours": times[case], "bytes": size[case]}
        for case in runs
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", nargs="+", type=Path, metavar="SLIDE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="least time of one case in one round")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--levels", type=int, default=5, help="how many of the finest levels")
    parser.add_argument("--per-level", type=int, default=100, help="most tiles of a level")
    parser.add_argument("--port", type=int, default=8950, help="the first of four ports")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory() as scratch:
        found = [measure_slide(slide, Path(scratch), arguments) for slide in arguments.slides]
    if arguments.json is not None:
        write_json(arguments.json, machine=facts, rounds=arguments.rounds, slides=found)


if __name__ == "__main__":
    main()
