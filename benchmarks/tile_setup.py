"""One slide under all servers of the tile benchmark, and the tiles that all of them are asked for."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.client import Order, fetch, load
from benchmarks.measure import Figures
from benchmarks.pyramid_peers import python_of
from benchmarks.servers import (
    ingest,
    make_link,
    make_token,
    serve_module,
    serve_nginx,
    serve_pathserve,
    serve_peer,
    server_cpu_seconds,
    sign_in,
)
from benchmarks.tile_peers import LARGE_IMAGE, TIATOOLBOX, find_nginx, has
from pathserve.config import Settings
from pathserve.tiles import DeepZoom, TileService

OURS, OURS_TOKEN, PLAIN = "PathServe, session", "PathServe, token", "PathServe, plain route"
NGINX, NGINX_OPEN, MEMORY = "nginx", "nginx, files kept open", "memory server"
DEEPZOOM, DEFAULT_GRID = "DeepZoom server", "DeepZoom server, its default grid"
LARGE_DEFAULT, LARGE_TUNED = "large_image, default", "large_image, tuned"
LARGE_LOOP, LARGE_CACHED = "large_image, tuned, no threads", "large_image, tuned, from its cache"
TILESERVER = "TIAToolbox TileServer"

_GRID_OF_DEFAULT = 254, 1
"""Tile size and overlap of DeepZoomGenerator when nobody says otherwise."""

_SEED = 20_240_501

Address = tuple[int, int, int]
"""Level, column and row of a .dzi."""


@dataclass(frozen=True, slots=True)
class Served:
    """One server with the paths that it is asked for, and what its caller shows."""

    pid: int
    port: int
    paths: Sequence[str]
    token: str | None = None
    cookie: str | None = None

    def order(self, connections: int, seconds: float) -> Order:
        """Say what a client does with it."""
        return Order(self.port, self.paths, connections, seconds, self.token, self.cookie)

    def measure(self, connections: int, seconds: float) -> Figures:
        """Let a client ask; CPU is that of all processes of the server."""
        before = server_cpu_seconds(self.pid)
        found = load(self.order(connections, seconds))
        cpu = server_cpu_seconds(self.pid) - before
        return {
            "tiles": found.tiles,
            "tiles_s": found.tiles / found.seconds,
            "cpu_us": cpu / found.tiles * 1e6,
            "bytes": found.received / found.tiles,
            "p50_ms": found.p50_ms,
            "p95_ms": found.p95_ms,
            "p99_ms": found.p99_ms,
            "most_ms": found.most_ms,
            "server_cores": cpu / found.seconds,
            "client_cores": found.client_cpu_seconds / found.seconds,
        }


@dataclass(frozen=True, slots=True)
class TileList:
    """So many whole tiles of each of the finest levels, where a level has as many."""

    levels: int
    per_level: int

    @classmethod
    def parse(cls, text: str) -> "TileList":
        """Read what ``str`` writes: ``LEVELSxTILES``."""
        levels, per_level = map(int, text.split("x"))
        return cls(levels, per_level)

    def __str__(self) -> str:
        return f"{self.levels}x{self.per_level}"

    def tiles(self, grid: DeepZoom) -> list[Address]:
        """Choose them, in one fixed random order."""
        return whole_tiles(grid, levels=self.levels, per_level=self.per_level)


@dataclass(frozen=True, slots=True)
class Setup:
    """All servers of one slide by name, and the tiles of one list that they are asked for."""

    servers: Mapping[str, Served]
    tiles: Sequence[Address]
    tile_size: int


_Known = dict[str, tuple[Served, Callable[[TileList], Sequence[str]]]]
"""Servers by name, each with what says under which addresses it has the tiles of a list."""


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


def grid_of(data: Path, slide_id: str) -> DeepZoom:
    """Give the grid of the slide's .dzi."""
    return TileService(Settings(data=data).slides).deepzoom(slide_id)


def paths_of(tiles: Sequence[Address], name: str = "slide", query: str = "") -> list[str]:
    """Give the addresses of tiles as OpenSeadragon asks for them."""
    return [f"/dzi/{name}_files/{level}/{col}_{row}.jpeg{query}" for level, col, row in tiles]


@contextmanager
def set_up(
    slide: Path, scratch: Path, peers: Path, first_port: int, lists: Sequence[TileList]
) -> Iterator[dict[TileList, Setup]]:
    """Ingest a slide and start all servers; they stop at the end.

    Parameters
    ----------
    scratch
        An empty folder.
    peers
        The folder of `benchmarks.tile_peers`.
    """
    data = scratch / "data"
    slide_id = ingest(slide, data)
    token, code = make_token(data), make_link(data)
    grid = grid_of(data, slide_id)
    ours = partial(_paths, grid, name=slide_id, query=f"?g={grid.generation}")
    with ExitStack() as running:
        start = _Starts(running, first_port)
        server = start(partial(serve_pathserve, data))
        cookie = sign_in(server.port, code)
        known: _Known = {
            OURS: (replace(server, cookie=cookie), ours),
            OURS_TOKEN: (replace(server, token=token), ours),
            PLAIN: (replace(start(partial(serve_peer, "plain", data)), cookie=cookie), ours),
        }
        for chosen in lists:
            order = replace(server, cookie=cookie, paths=ours(chosen)).order(1, 0.0)
            _keep(fetch(order), _paths(grid, chosen), scratch / "www")
        known |= _peers(start, slide, scratch, peers, grid)
        yield {
            chosen: Setup(
                {name: replace(server, paths=paths(chosen)) for name, (server, paths) in known.items()},
                chosen.tiles(grid),
                grid.tile_size,
            )
            for chosen in lists
        }


def _paths(grid: DeepZoom, chosen: TileList, name: str = "slide", query: str = "") -> list[str]:
    return paths_of(chosen.tiles(grid), name, query)


class _Starts:
    """Starts servers on one port after the other; they run as long as the stack."""

    def __init__(self, running: ExitStack, first_port: int) -> None:
        self._running = running
        self._port = first_port - 1

    def __call__(self, serve: Callable[[int], AbstractContextManager[int]]) -> Served:
        self._port += 1
        return Served(self._running.enter_context(serve(self._port)), self._port, ())


def _peers(start: _Starts, slide: Path, scratch: Path, peers: Path, grid: DeepZoom) -> _Known:
    """Start all servers that are not ours."""
    nginx, www = find_nginx(), scratch / "www"
    large_image, tiatoolbox = python_of(peers, LARGE_IMAGE), python_of(peers, TIATOOLBOX)
    same, (tile_size, overlap) = partial(_paths, grid), _GRID_OF_DEFAULT

    def run_nginx(port: int, *, file_cache: bool) -> AbstractContextManager[int]:
        return serve_nginx(nginx, www, scratch / f"nginx-{port}", port, file_cache=file_cache)

    def run_deepzoom(port: int, *cut: int) -> AbstractContextManager[int]:
        return serve_peer("deepzoom", slide, port, *cut)

    def run_large_image(port: int, *, kind: str) -> AbstractContextManager[int]:
        return serve_module(large_image, "large_image_server", str(slide), str(port), kind, port=port)

    def run_tiatoolbox(port: int) -> AbstractContextManager[int]:
        return serve_module(tiatoolbox, "tiatoolbox_server", str(slide), str(port), str(grid.tile_size), port=port)

    known: _Known = {
        NGINX: (start(partial(run_nginx, file_cache=False)), same),
        NGINX_OPEN: (start(partial(run_nginx, file_cache=True)), same),
        MEMORY: (start(partial(serve_peer, "memory", www / "dzi" / "slide_files")), same),
        DEEPZOOM: (start(lambda port: run_deepzoom(port, grid.tile_size, 0)), same),
        DEFAULT_GRID: (
            start(lambda port: run_deepzoom(port, tile_size, overlap)),
            partial(_paths, replace(grid, tile_size=tile_size)),
        ),
        LARGE_DEFAULT: (start(partial(run_large_image, kind="default")), same),
        LARGE_TUNED: (start(partial(run_large_image, kind="tuned")), same),
        LARGE_LOOP: (start(partial(run_large_image, kind="loop")), same),
        LARGE_CACHED: (start(partial(run_large_image, kind="cached")), same),
    }
    if has(peers, TIATOOLBOX):
        known[TILESERVER] = start(run_tiatoolbox), lambda chosen: _zoomify(grid, chosen.tiles(grid))
    return known


def _zoomify(grid: DeepZoom, tiles: Sequence[Address]) -> list[str]:
    """Give the addresses of the same tiles in TIAToolbox, whose level 0 is the first that fits into one tile."""
    longer = max(grid.size.width, grid.size.height)
    below = (longer - 1).bit_length() - (-(-longer // grid.tile_size) - 1).bit_length()
    folder = "/tileserver/layer/slide/default/zoomify/TileGroup0"
    return [f"{folder}/{level - below}-{col}-{row}@1x.jpg" for level, col, row in tiles]


def _keep(bodies: Sequence[bytes], paths: Sequence[str], top: Path) -> None:
    """Write tiles as files under their addresses, readable for whoever nginx's worker runs as."""
    for body, path in zip(bodies, paths, strict=True):
        file = top / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    for folder in (top.parent.parent, top.parent):
        folder.chmod(0o755)
