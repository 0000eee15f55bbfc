"""What the server spends on a stored tile that is asked for alone, and on one of many in one answer.

One interleaved run over the same whole tiles of the finest level in one shuffled order: single GETs by the protocol's
fast path and by the plain route, and POSTs for 16, 64 and 256 tiles. One connection each; the batch client runs in this
process, the single one in its own, and neither's time counts.
"""

import argparse
import http.client
import io
import random
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

from benchmarks.client import Order, fetch, load
from benchmarks.measure import Figures, interleave, machine, ratio, spreads, table, write_json
from benchmarks.servers import ingest, make_token, serve_pathserve, serve_peer, server_cpu_seconds
from pathserve.tiles import TileService

FAST, PLAIN = "single, fast path", "single, plain route"
BATCHES = (16, 64, 256)
_TARGET = 9.0
"""From the design: a tile of a batch takes at most a ninth of one by the plain route."""

Tile = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: where it listens, its process, and how it is asked."""

    port: int
    pid: int
    token: str
    slide: str

    def order(self, tiles: Sequence[Tile], seconds: float) -> Order:
        """Give the order for single tiles."""
        paths = [f"/dzi/{self.slide}_files/{level}/{col}_{row}.jpeg?g=1" for level, col, row in tiles]
        return Order(self.port, paths, 1, seconds, self.token)

    def single(self, tiles: Sequence[Tile], seconds: float) -> Figures:
        """Ask for one tile after the other."""
        cpu = server_cpu_seconds(self.pid)
        found = load(self.order(tiles, seconds))
        return {
            "cpu_us": (server_cpu_seconds(self.pid) - cpu) / found.tiles * 1e6,
            "tiles_s": found.tiles / found.seconds,
        }

    def post(self, wire: http.client.HTTPConnection, tiles: Sequence[Tile]) -> bytes:
        """Ask for many tiles at once.

        Raises
        ------
        RuntimeError
            When the server refuses.
        """
        headers = {"Authorization": f"Bearer {self.token}"}
        wire.request("POST", f"/api/slides/{self.slide}/tiles", orjson.dumps({"tiles": tiles}), headers)
        answer = wire.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"The server answered with {answer.status}.")
        return body

    def batches(self, tiles: Sequence[Tile], size: int, seconds: float) -> Figures:
        """Ask for all tiles again and again, ``size`` at a time."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port)
        cpu, start, count = server_cpu_seconds(self.pid), time.perf_counter(), 0
        while count == 0 or time.perf_counter() - start < seconds:
            for first in range(0, len(tiles), size):
                part = tiles[first : first + size]
                self.post(wire, part)
                count += len(part)
        took = time.perf_counter() - start
        wire.close()
        return {"cpu_us": (server_cpu_seconds(self.pid) - cpu) / count * 1e6, "tiles_s": count / took}


def compare(server: Server, tiles: Sequence[Tile]) -> None:
    """Make sure that both ways give the same bytes.

    Raises
    ------
    RuntimeError
        When they do not.
    """
    wire = http.client.HTTPConnection("127.0.0.1", server.port)
    with tarfile.open(fileobj=io.BytesIO(server.post(wire, tiles)), mode="r:") as archive:
        members = [file.read() for member in archive if (file := archive.extractfile(member)) is not None]
    wire.close()
    if members != fetch(server.order(tiles, 0.0)):
        raise RuntimeError("A batch does not hold the tiles that single requests give.")


def report(runs: Mapping[str, Sequence[Figures]]) -> None:
    """Print the tables."""
    cpu, speed = spreads(runs, "cpu_us"), spreads(runs, "tiles_s")
    rows = [(name, cpu[name].text(), speed[name].text("{:,.0f}")) for name in runs]
    print(table(("case", "server CPU us a tile", "tiles/s, one connection"), rows))
    times = [
        (f"{other} / {name}", ratio(runs, "cpu_us", other, name).text())
        for name in runs
        if name not in (FAST, PLAIN)
        for other in (PLAIN, FAST)
    ]
    print()
    print(table(("CPU a tile, within one round", f"times (target against the plain route: {_TARGET:g})"), times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--tiles", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--port", type=int, default=8970)
    parser.add_argument("--data", type=Path, help="a data folder to keep the slide in")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        data = arguments.data or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        slide, token = ingest(arguments.slide, data), make_token(data)
        grid = TileService(data / "slides").deepzoom(slide)
        top = grid.level_count - 1
        whole = [
            (top, col, row)
            for row in range(grid.size.height // grid.tile_size)
            for col in range(grid.size.width // grid.tile_size)
        ]
        tiles = random.Random(0).sample(whole, min(arguments.tiles, len(whole)))  # noqa: S311 - no secret
        pids = [
            stack.enter_context(serve_pathserve(data, arguments.port)),
            stack.enter_context(serve_peer("plain", data, arguments.port + 1)),
        ]
        fast, plain = (Server(arguments.port + n, pid, token, slide) for n, pid in enumerate(pids))
        compare(fast, tiles[:256])
        cases = {
            FAST: partial(fast.single, tiles, arguments.seconds),
            PLAIN: partial(plain.single, tiles, arguments.seconds),
        } | {f"batches of {size}": partial(fast.batches, tiles, size, arguments.seconds) for size in BATCHES}
        runs = interleave(cases, rounds=arguments.rounds)
    report(runs)
    if arguments.json is not None:
        write_json(arguments.json, machine=machine(), runs=runs)


if __name__ == "__main__":
    main()
