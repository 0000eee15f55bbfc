"""CPU of the server per tile, tiles per second and latency of PathServe and of other tile servers.

One interleaved run over the same tiles of the same slide in one shuffled order: nginx with the tiles as files,
PathServe with and without its fast path, OpenSlide's DeepZoomGenerator, large_image, TIAToolbox's TileServer. The
client is another process and its time counts for nobody. ``--growth`` adds what PathServe's tile costs with more
levels, slides and processes.
"""

import argparse
import io
import tempfile
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks import growth
from benchmarks.client import fetch
from benchmarks.measure import Runs, Spread, interleave, machine, ratio, spreads, table, write_json
from benchmarks.peers import open_deepzoom
from benchmarks.tile_peers import versions
from benchmarks.tile_setup import (
    DEEPZOOM,
    DEFAULT_GRID,
    LARGE_CACHED,
    LARGE_DEFAULT,
    LARGE_LOOP,
    LARGE_TUNED,
    NGINX,
    NGINX_OPEN,
    OURS,
    PLAIN,
    TILESERVER,
    Setup,
    TileList,
    set_up,
)

_HEADING = """\
# Tiles

Printed by `benchmarks.tiles`, {machine[date]}, commit {machine[commit]}: {machine[cores]} cores of {machine[cpu]}, \
{machine[memory_gib]} GiB, Python {machine[python]}; load before the run \
{machine[load_average_before]:.2f}. {packages}

Peers: {others}

Median (least-most) of {rounds} rounds; ratios are taken round by round.
"""

_COMPARED = 40
_MOST_DIFFERENCE = 12.0
"""Grey levels, mean over a tile. Encoding at quality 75 with halved colour alone moves single tiles by 8.5."""

_MOST_OF_TILESERVER = 20.0
"""TIAToolbox cuts tiles of levels that the file lacks a part of a pixel elsewhere: 14.1. Wrong tiles: 53 as a rule."""

_COLUMNS = (
    ("CPU us a tile", "cpu_us", "{:,.1f}", True),
    ("tiles/s", "tiles_s", "{:,.0f}", True),
    ("p50 ms", "p50_ms", "{:,.2f}", False),
    ("p95 ms", "p95_ms", "{:,.2f}", False),
    ("p99 ms", "p99_ms", "{:,.2f}", True),
    ("cores of the server", "server_cores", "{:.2f}", False),
    ("of the client", "client_cores", "{:.2f}", False),
    ("bytes a tile", "bytes", "{:,.0f}", False),
)
"""Headings, names of figures, how they are shown, and whether with their least and most."""

_TARGETS = (
    (OURS, NGINX, "<= 1.5"),
    (OURS, NGINX_OPEN, ""),
    (DEEPZOOM, OURS, ">= 100"),
    (DEFAULT_GRID, OURS, ">= 100"),
    (LARGE_TUNED, OURS, ">= 10"),
    (LARGE_LOOP, OURS, ""),
    (LARGE_CACHED, OURS, ""),
    (LARGE_DEFAULT, OURS, ""),
    (TILESERVER, OURS, ""),
    (PLAIN, OURS, ""),
)


def compare_pictures(setup: Setup, slide: Path) -> dict[str, float]:
    """Hold tiles of all servers of one grid against PathServe's; gives mean absolute differences in grey levels.

    Returns
    -------
    The most of any tile by server; ``finest`` is that of PathServe's tiles of the finest level against the pixels of
    DeepZoomGenerator before they are encoded.

    Raises
    ------
    RuntimeError
        When a server does not show the same; with files or with the plain route, not the same bytes.
    """
    bodies = {name: fetch(server.order(4, 0.0)) for name, server in setup.servers.items() if name != DEFAULT_GRID}
    ours = bodies.pop(OURS)
    for name in (NGINX, NGINX_OPEN, PLAIN):
        if bodies.pop(name) != ours:
            raise RuntimeError(f"{name} does not send the same tiles.")
    pixels = list(map(_pixels, ours[:_COMPARED]))
    found = {name: max(map(_apart, map(_pixels, theirs[:_COMPARED]), pixels)) for name, theirs in bodies.items()}
    deepzoom, last = open_deepzoom(slide, setup.tile_size, 0), max(level for level, _, _ in setup.tiles)
    finest = [
        _apart(shown, np.asarray(deepzoom.get_tile(level, (col, row)), np.int16))
        for shown, (level, col, row) in zip(pixels, setup.tiles, strict=False)
        if level == last
    ]
    found["finest"] = max(finest, default=0.0)
    limits = {name: _MOST_OF_TILESERVER if name == TILESERVER else _MOST_DIFFERENCE for name in found}
    if any(most > limits[name] for name, most in found.items()) or found["finest"]:
        raise RuntimeError(f"The servers do not show the same picture: {found}")
    return found


def _pixels(body: bytes) -> npt.NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB"), np.int16)


def _apart(a: npt.NDArray[np.int16], b: npt.NDArray[np.int16]) -> float:
    return float(np.abs(a - b).mean()) if a.shape == b.shape else 255.0


def measure_slide(slide: Path, scratch: Path, port: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one slide with each list of tiles and each number of clients, and print the tables."""
    scratch.mkdir()
    with set_up(slide, scratch, arguments.peers, port, arguments.lists) as setups:
        lists = {str(chosen): _measure_list(slide, setup, arguments) for chosen, setup in setups.items()}
    return {"slide": slide.name, "lists": lists}


def _measure_list(slide: Path, setup: Setup, arguments: argparse.Namespace) -> dict[str, Any]:
    of_levels = dict(sorted(Counter(str(level) for level, _, _ in setup.tiles).items()))
    most = compare_pictures(setup, slide)
    by_level = ", ".join(f"{count} of level {level}" for level, count in of_levels.items())
    print(f"## {slide.name}: {len(setup.tiles):,} tiles, {by_level}\n")
    shown = ", ".join(f"{name} {difference:.2f}" for name, difference in most.items())
    print(f"Grey levels between a tile and PathServe's, mean over the tile, at most: {shown}.\n", flush=True)
    clients = {}
    for connections in arguments.clients:
        cases = {
            name: partial(server.measure, connections, arguments.seconds)
            for name, server in setup.servers.items()
            if not arguments.only or name in arguments.only
        }
        clients[str(connections)] = _report(interleave(cases, rounds=arguments.rounds), connections)
    return {"tiles_of_levels": of_levels, "most_difference": most, "clients": clients}


def _report(runs: Runs, connections: int) -> dict[str, Any]:
    """Print the tables of one number of clients and give their figures."""
    figures = {figure: spreads(runs, figure) for _, figure, _, _ in _COLUMNS}
    rows = [
        (
            name,
            *(
                figures[figure][name].text(pattern) if whole else pattern.format(figures[figure][name].median)
                for _, figure, pattern, whole in _COLUMNS
            ),
        )
        for name in runs
    ]
    print(table((f"{connections} client(s)", *(shown for shown, _, _, _ in _COLUMNS)), rows) + "\n", flush=True)
    ratios = _ratios(runs)
    print(table(("CPU a tile", "target", "reached"), ratios.rows) + "\n", flush=True)
    return {"figures": {name: {key: figures[key][name] for key in figures} for name in runs}, "ratios": ratios.found}


class _Ratios:
    """The ratios that matter: rows of a table, and spreads by name."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []
        self.found: dict[str, Spread] = {}


def _ratios(runs: Runs) -> _Ratios:
    ratios = _Ratios()
    for above, below, target in _TARGETS:
        if above in runs and below in runs:
            name = f"{above} / {below}"
            ratios.found[name] = ratio(runs, "cpu_us", above, below)
            ratios.rows.append((name, target, ratios.found[name].text("{:,.2f}")))
    return ratios


def _told(installed: Mapping[str, Mapping[str, str]]) -> str:
    groups = [", ".join(f"{package} {number}" for package, number in group.items()) for group in installed.values()]
    return "; ".join(groups) + "."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", nargs="*", type=Path, metavar="SLIDE")
    parser.add_argument("--peers", type=Path, required=True, help="folder that benchmarks.tile_peers set up")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="least time of one case in one round")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument(
        "--lists",
        type=TileList.parse,
        nargs="+",
        default=[TileList(5, 100)],
        metavar="LEVELSxTILES",
        help="how many of the finest levels, and most tiles of a level; several are measured one after the other",
    )
    parser.add_argument("--only", nargs="+", metavar="SERVER", help="servers to measure, by name; default: all")
    parser.add_argument("--growth", type=Path, metavar="SLIDE", help="a slide of many levels, to measure growth with")
    parser.add_argument("--listed", type=int, default=10_000, help="slides in the catalog, to measure growth with")
    parser.add_argument("--port", type=int, default=8800, help="the first port")
    parser.add_argument("--scratch", type=Path, help="where data folders are made; default: the system's")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "peers": versions(arguments.peers), "rounds": arguments.rounds}
    print(_HEADING.format(others=_told(found["peers"]), packages=_told({"": found["machine"]["packages"]}), **found))
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        found["slides"] = [
            measure_slide(slide, Path(scratch) / str(number), arguments.port + 20 * number, arguments)
            for number, slide in enumerate(arguments.slides)
        ]
        if arguments.growth is not None:
            print(f"## PathServe as it grows: {arguments.growth.name}, {arguments.listed:,} slides listed\n")
            place, port = Path(scratch) / "growth", arguments.port + 20 * len(arguments.slides)
            found["growth"] = growth.measure(arguments.growth, place, port, arguments)
    if arguments.json is not None:
        write_json(arguments.json, **found)


if __name__ == "__main__":
    main()
