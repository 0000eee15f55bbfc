"""A client that costs little: as the server answers a tile in microseconds, a usual client would measure itself."""

import re
import selectors
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter

from pathserve.errors import Busy

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_MOST_READ = 1 << 18
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What came of asking for a while.

    Parameters
    ----------
    seconds
        How long it took.
    latencies
        Seconds from each request to the last byte of its answer, in ascending order.
    received
        Bytes, heads of answers included.
    """

    seconds: float
    latencies: tuple[float, ...]
    received: int

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        """Give the latency in seconds within which so many percent of the answers came (nearest rank)."""
        rank = max(1, -(-len(self.latencies) * percent // 100))
        return self.latencies[rank - 1]


class _Lane:
    """One connection, with at most one request under way."""

    def __init__(self, address: tuple[str, int]) -> None:
        try:
            self.socket = socket.create_connection(address, timeout=_PATIENCE_SECONDS)
        except OSError as error:
            raise Busy("The server takes no connections.") from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = b""
        self._missing = -1  # bytes of the answer that are still to come; -1: its head has not come yet
        self.asked_at = 0.0

    def ask(self, request: bytes) -> None:
        self._head, self._missing = b"", -1
        self.asked_at = perf_counter()
        self.socket.sendall(request)

    def receive(self) -> tuple[int, bool]:
        """Take what has come; gives its bytes and whether the answer is complete."""
        data = self.socket.recv(_MOST_READ)
        if not data:
            raise Busy("The server closed a connection before it had answered.")
        if self._missing >= 0:
            self._missing -= len(data)
        else:
            self._head += data
            self._missing = _still_missing(self._head)
        return len(data), self._missing == 0


def _still_missing(data: bytes) -> int:
    end = data.find(_HEAD_END)
    if end < 0:
        return -1
    status = data[9:12]
    length = _LENGTH.search(data, 0, end + 2)
    if status != b"200" or length is None:
        raise Busy(
            f"The server answered with status {status.decode('ascii', 'replace')} instead of what was asked for."
        )
    return end + len(_HEAD_END) + int(length[1]) - len(data)


def drive(address: tuple[str, int], requests: Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Ask over and over for a while, the next question of a connection as soon as its answer is complete.

    Parameters
    ----------
    requests
        Whole requests of HTTP/1.1, asked in this order, again from the beginning at the end.

    Raises
    ------
    Busy
        When an answer has another status than 200, is not of a known length, or does not come.
    """
    lanes = [_Lane(address) for _ in range(connections)]
    try:
        return _drive(lanes, cycle(requests), seconds)
    except OSError as error:
        raise Busy("The server did not answer.") from error
    finally:
        for lane in lanes:
            lane.socket.close()


def _drive(lanes: list[_Lane], requests: Iterator[bytes], seconds: float) -> Load:
    latencies, received = list[float](), 0
    with selectors.DefaultSelector() as ready:
        began = perf_counter()
        end = began + seconds
        for lane in lanes:
            ready.register(lane.socket, selectors.EVENT_READ, lane)
            lane.ask(next(requests))
        under_way = len(lanes)
        while under_way:
            events = ready.select(_PATIENCE_SECONDS)
            if not events:
                raise Busy("The server did not answer.")
            for key, _ in events:
                lane = key.data
                got, complete = lane.receive()
                received += got
                if not complete:
                    continue
                now = perf_counter()
                latencies.append(now - lane.asked_at)
                if now < end:
                    lane.ask(next(requests))
                else:
                    under_way -= 1
    return Load(perf_counter() - began, tuple(sorted(latencies)), received)


def ask_each_once(address: tuple[str, int], requests: Sequence[bytes], *, seconds: float) -> int:
    """Ask every question once, until the time is over; gives how many were asked."""
    lane = _Lane(address)
    end, asked = perf_counter() + seconds, 0
    try:
        for request in requests:
            lane.ask(request)
            while not lane.receive()[1]:
                pass
            asked += 1
            if perf_counter() >= end:
                break
    except OSError as error:
        raise Busy("The server did not answer.") from error
    finally:
        lane.socket.close()
    return asked
