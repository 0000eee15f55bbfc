"""A light HTTP client: keeps connections open and asks for tiles one after the other on each.

Runs in a process of its own, so that its time counts for no server: ``python -m benchmarks.client`` reads an order as
JSON on standard input and answers with JSON on standard output. It has to keep up with nginx, so it is a loop around
epoll with one buffer, and looks at an answer no more than it must.
"""

import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import orjson

_PATIENCE_SECONDS = 300.0
"""How long no server may stay silent on all connections."""

_BUFFER_BYTES = 1 << 20
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)

_BROWSER = (
    "Host: 127.0.0.1",
    "Connection: keep-alive",
    'sec-ch-ua-platform: "Linux"',
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"',
    "sec-ch-ua-mobile: ?0",
    "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: no-cors",
    "Sec-Fetch-Dest: image",
    "Referer: http://127.0.0.1/",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
)
"""What a browser says beside the address; every server has to read it."""


@dataclass(frozen=True, slots=True)
class Order:
    """Ask for all ``paths``, again and again as whole walks, for at least ``seconds``.

    With the session's ``cookie``, as a browser does, or with a ``token``, as a program does, or with neither.
    """

    port: int
    paths: Sequence[str]
    connections: int
    seconds: float
    token: str | None = None
    cookie: str | None = None

    def requests(self) -> list[bytes]:
        """Give the requests as they go over the wire."""
        headers = list(_BROWSER)
        if self.token is not None:
            headers.append(f"Authorization: Bearer {self.token}")
        if self.cookie is not None:
            headers.append(f"Cookie: {self.cookie}")
        rest = "\r\n".join((*headers, "", ""))
        return [f"GET {path} HTTP/1.1\r\n{rest}".encode() for path in self.paths]


@dataclass(frozen=True, slots=True)
class Load:
    """What came back: tiles, wall-clock seconds, bytes of all pictures, latencies over all tiles, the client's own CPU.

    A latency is from sending a request until the answer's last byte is there.
    """

    tiles: int
    seconds: float
    received: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    most_ms: float
    client_cpu_seconds: float


@dataclass(slots=True)
class Walk:
    """One walk over the requests by several connections, and what came back."""

    requests: list[bytes]
    seconds: float
    keep: bool = False
    received: int = 0
    latencies: list[float] = field(default_factory=list)
    bodies: dict[int, bytes] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    _asked: int = 0

    def next(self, now: float) -> int:
        """Give the number of the next request; -1 when a walk is complete and the time is over."""
        number = self._asked % len(self.requests)
        if number == 0 and self._asked and now - self.started >= self.seconds:
            return -1
        self._asked += 1
        return number


class _Connection:
    """One connection with one request under way."""

    __slots__ = ("_asked_at", "_head", "_left", "_number", "_parts", "_walk", "wire")

    def __init__(self, walk: Walk, port: int) -> None:
        self._walk = walk
        self.wire = socket.create_connection(("127.0.0.1", port))
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = b""
        self._left = -1
        self._parts: list[bytes] = []

    def ask(self, now: float) -> bool:
        """Send the next request; False when there is none."""
        number = self._walk.next(now)
        if number < 0:
            self.wire.close()
            return False
        self._number, self._asked_at = number, now
        self.wire.send(self._walk.requests[number])
        return True

    def take(self, buffer: bytearray) -> bool:
        """Read what is there, and ask anew after a whole answer; False at the end.

        Raises
        ------
        RuntimeError
            When the answer is no picture.
        """
        count, start = self.wire.recv_into(buffer), 0
        if not count:
            raise RuntimeError("A server closed a connection.")
        if self._left < 0:
            # The head comes in one piece but for strange cases, which may cost more.
            if self._head:
                self._head += buffer[:count]
                buffer[: len(self._head)] = self._head
                count = len(self._head)
            start = buffer.find(b"\r\n\r\n", 0, count) + 4
            if start < 4:
                self._head = bytes(buffer[:count])
                return True
            length = _LENGTH.search(buffer, 0, start)
            if not buffer.startswith(b"HTTP/1.1 200 ") or length is None:
                raise RuntimeError(f"A server answered: {bytes(buffer[:40])!r}")
            self._left = int(length[1])
            self._walk.received += self._left
            self._head = b""
        self._left -= count - start
        if self._walk.keep:
            self._parts.append(bytes(buffer[start:count]))
        return True if self._left else self._answered()

    def _answered(self) -> bool:
        now = time.perf_counter()
        self._walk.latencies.append(now - self._asked_at)
        self._left = -1
        if self._walk.keep:
            self._walk.bodies[self._number] = b"".join(self._parts)
            self._parts.clear()
        return self.ask(now)


def _walk(order: Order, *, keep: bool) -> Walk:
    walk = Walk(order.requests(), order.seconds, keep)
    buffer = bytearray(_BUFFER_BYTES)
    with select.epoll() as waiting:
        connections: dict[int, _Connection] = {}
        for _ in range(min(order.connections, len(order.paths))):
            connection = _Connection(walk, order.port)
            connections[connection.wire.fileno()] = connection
            waiting.register(connection.wire, select.EPOLLIN)
        walk.started = time.perf_counter()
        for connection in connections.values():
            connection.ask(time.perf_counter())
        while connections:
            ready = waiting.poll(_PATIENCE_SECONDS)
            if not ready:
                raise RuntimeError("A server does not answer.")
            for number, _ in ready:
                if not connections[number].take(buffer):
                    del connections[number]
    return walk


def fetch(order: Order) -> list[bytes]:
    """Get every path once, in this process, and give the bodies in order."""
    walk = _walk(order, keep=True)
    return [walk.bodies[number] for number in range(len(order.paths))]


def load(order: Order) -> Load:
    """Carry out an order in a client process."""
    command = [sys.executable, "-m", "benchmarks.client"]
    done = subprocess.run(command, input=orjson.dumps(asdict(order)), stdout=subprocess.PIPE, check=True)
    return Load(**orjson.loads(done.stdout))


def main() -> None:
    order = Order(**orjson.loads(sys.stdin.buffer.read()))
    cpu = time.process_time()
    walk = _walk(order, keep=False)
    seconds, cpu = time.perf_counter() - walk.started, time.process_time() - cpu
    taken = sorted(walk.latencies)

    def part(share: float) -> float:
        return taken[min(len(taken) - 1, int(share * len(taken)))] * 1000

    found = Load(len(taken), seconds, walk.received, part(0.5), part(0.95), part(0.99), part(1.0), cpu)
    print(orjson.dumps(asdict(found)).decode())


if __name__ == "__main__":
    main()
