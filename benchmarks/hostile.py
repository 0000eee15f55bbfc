"""What good clients feel of bad ones: latency of tiles without and with a crowd that keeps the server waiting.

The crowd is a process of its own: connections that never finish a request (silent ones, half heads that get a byte a
second, bodies that do not come), clients that ask for much, tiles one by one or a batch of thousands, and read a
trickle, clients that ask for pictures that have to be made and leave a second later, and clients that ask for what
nobody needs (100,000 ranges, a region of 10^12 pixels, channels that are not there). Whom the server closes comes back.
"""

import argparse
import contextlib
import http.client
import resource
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import orjson

from benchmarks.client import Order, load
from benchmarks.make_slide import SMALL
from benchmarks.measure import Figures, interleave, machine, process_cpu_seconds, ratio, spreads, table, write_json
from benchmarks.servers import ingest, make_token, serve_pathserve
from benchmarks.tile_setup import grid_of, paths_of, whole_tiles

ALONE, CROWDED = "good clients alone", "among bad ones"
_BEGINNINGS = (b"", b"GET /dzi/", b"POST /sign-in HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
_RANGES = "bytes=" + ",".join(f"{start}-{start}" for start in range(100_000))
_TRICKLE = 256
_PIPELINED = 50
_LEAVING = 50
_BATCH = 4096


class Crowd:
    """The bad clients of one process; each beats once a second."""

    def __init__(self, port: int, paths: list[str], token: str, *, half_open: int, slow: int) -> None:
        self._port = port
        self._bearer = f"Authorization: Bearer {token}"
        self._asked = "".join(
            f"GET {path} HTTP/1.1\r\nHost: a\r\n{self._bearer}\r\n\r\n" for path in paths[:_PIPELINED]
        )
        self._path = paths[0]
        level, place = paths[0].partition("?")[0].removesuffix(".jpeg").split("/")[-2:]
        body = orjson.dumps({"tiles": [[int(level), *map(int, place.split("_"))]] * _BATCH}).decode()
        self._batch = (
            f"POST /api/slides/{paths[0].split('/')[2].removesuffix('_files')}/tiles HTTP/1.1\r\nHost: a\r\n"
            f"{self._bearer}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        self._half_open = [self._begin(number) for number in range(half_open)]
        self._slow = [self._begin_slow(number) for number in range(slow)]
        self._leaving: list[socket.socket] = []
        self._pictures = 0
        self.closed = 0

    def beat(self) -> None:
        """Do what keeps each of them going, and come again where the server has closed."""
        for number, wire in enumerate(self._half_open):
            if _is_closed(wire):
                self.closed += 1
                wire.close()
                self._half_open[number] = self._begin(number)
            elif number % len(_BEGINNINGS) == 1:
                with contextlib.suppress(OSError):
                    wire.send(b"a")
        for number, wire in enumerate(self._slow):
            with contextlib.suppress(BlockingIOError, ConnectionError):
                if wire.recv(_TRICKLE):
                    continue
                self.closed += 1
                wire.close()
                self._slow[number] = self._begin_slow(number)
        for wire in self._leaving:
            wire.close()
        self._leaving = [self._begin_picture() for _ in range(_LEAVING)]

    def ask_for_too_much(self, answers: Counter[str]) -> None:
        """Ask for what nobody needs, and count the answers by status."""
        slide = self._path.split("/")[2].removesuffix("_files")
        region = f"/api/slides/{slide}/region?x=0&y=0"
        for name, path, headers in (
            ("100,000 ranges", self._path, {"Range": _RANGES}),
            ("10^12 pixels", f"{region}&width=1000000&height=1000000", {}),
            ("a region 10^6 + 1 wide", f"{region}&width=1000001&height=1", {}),
            ("channel 9", f"{self._path.partition('?')[0]}?c=9", {}),
        ):
            answers[f"{name}: {self._status(path, headers)}"] += 1

    def _status(self, path: str, headers: dict[str, str]) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        name, _, value = self._bearer.partition(": ")
        try:
            connection.request("GET", path, headers={name: value} | headers)
            return str(connection.getresponse().status)
        except OSError:
            return "closed"
        finally:
            connection.close()

    def _begin(self, number: int) -> socket.socket:
        wire = socket.create_connection(("127.0.0.1", self._port))
        wire.sendall(_BEGINNINGS[number % len(_BEGINNINGS)])
        wire.setblocking(False)
        return wire

    def _begin_picture(self) -> socket.socket:
        self._pictures += 1  # another window each time, so none is there already
        path = f"{self._path.partition('.')[0]}.png?c=0:ff0000:0-{self._pictures}"
        wire = socket.create_connection(("127.0.0.1", self._port))
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{self._bearer}\r\n\r\n".encode())
        return wire

    def _begin_slow(self, number: int) -> socket.socket:
        wire = socket.socket()
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.connect(("127.0.0.1", self._port))
        wire.sendall((self._asked if number % 2 else self._batch).encode())
        wire.setblocking(False)
        return wire


def _is_closed(wire: socket.socket) -> bool:
    try:
        return not wire.recv(1 << 16)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def _be_the_crowd() -> None:
    """Be bad until the standard input ends, then say what came of it."""
    order = orjson.loads(sys.stdin.buffer.readline())
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd, answers, ended = Crowd(**order), Counter[str](), threading.Event()
    print("ready", flush=True)
    threading.Thread(target=lambda: sys.stdin.buffer.read() or ended.set(), daemon=True).start()
    while not ended.wait(1.0):
        crowd.beat()
        crowd.ask_for_too_much(answers)
    print(orjson.dumps({"closed": crowd.closed, "answers": answers}).decode(), flush=True)


@contextmanager
def _crowd(order: dict[str, object], found: Counter[str]) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.hostile", "--crowd"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("The crowd has no pipes.")
        process.stdin.write(orjson.dumps(order) + b"\n")
        process.stdin.flush()
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("The crowd did not come together.")
        yield
        process.stdin.close()
        told = orjson.loads(process.stdout.readline())
        found["closed by the server"] += told["closed"]
        found.update(told["answers"])


def _measure(order: Order, pid: int, crowd: dict[str, object] | None, found: Counter[str]) -> Figures:
    with contextlib.nullcontext() if crowd is None else _crowd(crowd, found):
        before = process_cpu_seconds(pid)
        got = load(order)
        cpu = process_cpu_seconds(pid) - before
    return {
        "p50_ms": got.p50_ms,
        "p95_ms": got.p95_ms,
        "p99_ms": got.p99_ms,
        "most_ms": got.most_ms,
        "tiles_s": got.tiles / got.seconds,
        "cpu_share": cpu / got.seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", nargs="?", type=Path, default=SMALL, metavar="SLIDE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="least time of one case in one round")
    parser.add_argument("--clients", type=int, default=4, help="good clients")
    parser.add_argument("--half-open", type=int, default=1500)
    parser.add_argument("--slow", type=int, default=100, help="slow readers")
    parser.add_argument("--port", type=int, default=8980)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--crowd", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.crowd:
        _be_the_crowd()
        return
    facts, found = machine(), Counter[str]()
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data"
        slide_id, token = ingest(arguments.slide, data), make_token(data)
        grid = grid_of(data, slide_id)
        paths = paths_of(whole_tiles(grid, levels=5, per_level=100), slide_id, f"?g={grid.generation}")
        order = Order(arguments.port, paths, arguments.clients, arguments.seconds, token)
        crowd = {
            "port": arguments.port,
            "paths": paths[:_PIPELINED],
            "token": token,
            "half_open": arguments.half_open,
            "slow": arguments.slow,
        }
        with serve_pathserve(data, arguments.port) as pid:
            cases = {
                ALONE: partial(_measure, order, pid, None, found),
                CROWDED: partial(_measure, order, pid, crowd, found),
            }
            runs = interleave(cases, rounds=arguments.rounds)
    figures = {name: spreads(runs, name) for name in runs[ALONE][0]}
    shown = ("p50_ms", "p95_ms", "p99_ms", "tiles_s", "cpu_share")
    rows = [(case, *(figures[name][case].text("{:,.2f}") for name in shown)) for case in runs]
    print(table(("case", "p50 ms", "p95 ms", "p99 ms", "tiles/s", "cores of the server"), rows))
    times = ratio(runs, "p95_ms", CROWDED, ALONE)
    print(f"\np95 among bad ones: {times.text('{:,.2f}')} times that alone")
    print("\n".join(f"{count:,} x {name}" for name, count in sorted(found.items())))
    if arguments.json is not None:
        write_json(arguments.json, machine=facts, cases=figures, p95_times=times, crowd=dict(found))


if __name__ == "__main__":
    main()
