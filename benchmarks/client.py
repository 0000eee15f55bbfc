"""A light HTTP client: keeps connections open and asks for tiles one after the other on each.

Runs in a process of its own, so that its time counts for no server: ``python -m benchmarks.client`` reads an order as
JSON on standard input and answers with JSON on standard output.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import cast

import orjson
import uvloop

_PATIENCE_SECONDS = 300.0
"""What a whole walk over the slowest server may take beyond the time asked for."""


@dataclass(frozen=True, slots=True)
class Order:
    """Ask for all ``paths``, again and again as whole walks, for at least ``seconds``."""

    port: int
    paths: Sequence[str]
    connections: int
    seconds: float
    token: str | None = None

    def requests(self) -> list[bytes]:
        """Give the requests as they go over the wire."""
        bearer = "" if self.token is None else f"Authorization: Bearer {self.token}\r\n"
        return [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}\r\n".encode() for path in self.paths]


@dataclass(slots=True)
class Walk:
    """One walk over the requests by several connections, and what came back."""

    requests: list[bytes]
    seconds: float
    keep: bool = False
    tiles: int = 0
    received: int = 0
    bodies: dict[int, bytes] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    _asked: int = 0

    def next(self) -> tuple[int, bytes] | None:
        """Give the next request; None when a walk is complete and the time is over."""
        number = self._asked % len(self.requests)
        if number == 0 and self._asked and time.perf_counter() - self.started >= self.seconds:
            return None
        self._asked += 1
        return number, self.requests[number]

    def answered(self, number: int, head: bytes, body: bytes) -> None:
        """Count an answer; anything but a picture ends the benchmark."""
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"A server answered: {head[:40]!r}")
        self.tiles += 1
        self.received += len(body)
        if self.keep:
            self.bodies[number] = body


class _Connection(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(self, walk: Walk, ended: asyncio.Future[None]) -> None:
        self._walk = walk
        self._ended = ended
        self._buffer = bytearray()
        self._body_at = 0
        self._total = 0
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._total:
            self._body_at = self._buffer.find(b"\r\n\r\n") + 4
            if self._body_at < 4:
                return
            length_at = self._buffer.lower().index(b"content-length:", 0, self._body_at) + 15
            length = int(self._buffer[length_at : self._buffer.index(b"\r\n", length_at)])
            self._total = self._body_at + length
        if len(self._buffer) >= self._total:
            head, body = bytes(self._buffer[: self._body_at]), bytes(self._buffer[self._body_at :])
            try:
                self._walk.answered(self._number, head, body)
            except RuntimeError as error:
                self._finish(error)
                return
            self._buffer.clear()
            self._total = 0
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or ConnectionError("The server closed a connection."))

    def _ask(self) -> None:
        wanted = self._walk.next()
        if wanted is None:
            self._finish(None)
            return
        self._number, request = wanted
        self._transport.write(request)

    def _finish(self, error: Exception | None) -> None:
        if not self._ended.done():
            if error is None:
                self._ended.set_result(None)
            else:
                self._ended.set_exception(error)
        self._transport.close()


async def _walk(order: Order, *, keep: bool) -> Walk:
    loop = asyncio.get_running_loop()
    walk = Walk(order.requests(), order.seconds, keep)
    ends = []
    for _ in range(order.connections):
        end: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(partial(_Connection, walk, end), "127.0.0.1", order.port)
        ends.append(end)
    async with asyncio.timeout(order.seconds + _PATIENCE_SECONDS):
        await asyncio.gather(*ends)
    return walk


def fetch(order: Order) -> list[bytes]:
    """Get every path once, in this process, and give the bodies in order."""
    walk = uvloop.run(_walk(order, keep=True))
    return [walk.bodies[number] for number in range(len(order.paths))]


def load(order: Order) -> tuple[int, float, int]:
    """Carry out an order in a client process; gives tiles, wall-clock seconds, and bytes of all pictures."""
    command = [sys.executable, "-m", "benchmarks.client"]
    done = subprocess.run(command, input=orjson.dumps(asdict(order)), stdout=subprocess.PIPE, check=True)
    answer = orjson.loads(done.stdout)
    return answer["tiles"], answer["seconds"], answer["received"]


def main() -> None:
    order = Order(**orjson.loads(sys.stdin.buffer.read()))
    walk = uvloop.run(_walk(order, keep=False))
    seconds = time.perf_counter() - walk.started
    print(orjson.dumps({"tiles": walk.tiles, "seconds": seconds, "received": walk.received}).decode())


if __name__ == "__main__":
    main()
