"""Open connections of one process: how many there may be, how long each may keep the server waiting, who goes first."""

import asyncio
import resource
from collections import deque
from collections.abc import Iterable
from enum import IntEnum
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from pathserve.server.problems import problem

HEAD_SECONDS = 20.0
"""From the first byte of a request, or from the connection's beginning, to the end of the request's head."""

BODY_SECONDS = 60.0
"""Longest silence inside a request's body; uploads end earlier by a rule of their own."""

WRITE_SECONDS = 30.0
"""Longest time in which a client takes less than ``WRITE_BYTES`` of what it is sent."""

WRITE_BYTES = 32 * 1024
"""What a client must take of a long answer in that time: about a kilobyte a second, which the slowest line carries."""

IDLE_SECONDS = 75
"""How long a connection stays open between requests; longer than nginx keeps one, which so never meets a closed one."""

MAX_HEAD = 64 * 1024
"""Bytes of a request's address and headers."""

MAX_CONNECTIONS = 4096
_SWEEP_SECONDS = 1.0
_REST_SECONDS = 0.1
_MOST_FILES = 65_536


class Waiting(IntEnum):
    """What a connection does; of those that can be closed the lowest goes first."""

    FOR_HEAD = 0
    """It has not asked for anything yet, or not to the end."""
    BETWEEN = 1
    """It was answered and stays open."""
    BUSY = 2
    """A request is under way, or an answer is still being sent: never closed to make room."""


class Connection(Protocol):
    """One connection as its keeper sees it."""

    def waiting(self) -> Waiting:
        """Tell what it does now."""

    def waiting_since(self) -> float:
        """Tell when that began, by the loop's clock."""

    def is_overdue(self, now: float) -> bool:
        """Tell whether it has kept the server waiting for too long."""

    def drop(self) -> None:
        """Close it at once."""

    def time_out(self) -> None:
        """Close it because it is overdue."""


class Connections:
    """Keeps the connections of one process; only for the event loop's thread.

    Once a second it closes those that are overdue. When a new one comes and there are ``most`` already, the one that
    has waited longest is closed: of those first that have not asked for anything, then of those between two requests.
    Where all are busy, the new one's first request is answered with 503.

    Parameters
    ----------
    most
        Connections that may be open.
    """

    def __init__(self, most: int = MAX_CONNECTIONS) -> None:
        self._most = most
        self._open = set[Connection]()
        self._next_to_go = deque[Connection]()
        self._looked = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> bool:
        """Take a new connection in; False when all places are taken by others that are busy."""
        fits = len(self._open) < self._most or self._make_room(loop.time())
        self._open.add(connection)
        if self._timer is None:
            self._timer = loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        return fits

    def leave(self, connection: Connection) -> None:
        """Forget one that is closed."""
        self._open.discard(connection)
        if not self._open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sweep(self, now: float) -> None:
        """Close what is overdue."""
        for connection in [c for c in self._open if c.is_overdue(now)]:
            connection.time_out()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self.sweep(loop.time())
        self._timer = loop.call_later(_SWEEP_SECONDS, self._sweep, loop) if self._open else None

    def _make_room(self, now: float) -> bool:
        # The order is worked out once for many newcomers, so that a flood of them costs no search for each.
        if now - self._looked >= _SWEEP_SECONDS:
            self._next_to_go.clear()
        while True:
            while self._next_to_go:
                connection = self._next_to_go.popleft()
                if connection in self._open and connection.waiting() is not Waiting.BUSY:
                    self._open.discard(connection)
                    connection.drop()
                    return True
            if now - self._looked < _REST_SECONDS:
                return False
            self._looked = now
            self._next_to_go.extend(_in_order(self._open))


def _in_order(connections: Iterable[Connection]) -> list[Connection]:
    free = [connection for connection in connections if connection.waiting() is not Waiting.BUSY]
    return sorted(free, key=lambda connection: (connection.waiting(), connection.waiting_since()))


def open_files() -> int:
    """Tell how many files and connections this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def allow_open_files() -> None:
    """Take as many open files as the system lets this process have; what most start with is too few for a server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections(descriptors: int) -> int:
    """Tell how many connections a process may have that may open so many files: half of them at most."""
    return max(16, min(MAX_CONNECTIONS, descriptors // 2))


def refusal(*, status: int, code: str, title: str, detail: str) -> ASGIApp:
    """Make the application that answers every request with one problem and ends its connection."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"connection": "close"} | ({"retry-after": "1"} if status == 503 else {})
        made = problem(scope, status=status, code=code, title=title, detail=detail, headers=headers)
        await made(scope, receive, send)

    return answer
