"""The server's end of a connection: uvicorn's own, with a short way for tiles, and with limits.

`pathserve.server.fast_path` answers whole requests for stored tiles; everything else goes the way that uvicorn has for
it. `pathserve.server.connections` closes what keeps the server waiting.
"""

import asyncio
import fcntl
import logging
import sys
import termios
from typing import Any, cast

from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from pathserve.server.connections import (
    BODY_SECONDS,
    HEAD_SECONDS,
    IDLE_SECONDS,
    MAX_HEAD,
    WRITE_BYTES,
    WRITE_SECONDS,
    Connections,
    Waiting,
    refusal,
)
from pathserve.server.fast_path import START, FastPath, Visit
from pathserve.server.middleware import Envelope
from pathserve.server.problems import log_unexpected

STATE = "pathserve"
"""Under which name the application's lifespan gives its `Door`."""

TOO_LONG = Envelope(
    refusal(
        status=431,
        code="head_too_long",
        title="Request header fields too large",
        detail=f"The address and the headers of a request have at most {MAX_HEAD:,} bytes.",
    )
)
TOO_MANY = Envelope(refusal(status=503, code="busy", title="Busy", detail="Too many connections are open; try again."))
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_CUT_OFF = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Leave out of the log what anybody could fill it with: that what came was no HTTP."""
    return record.msg != "Invalid HTTP request received."


class Door:
    """What all connections of a process share."""

    def __init__(self, fast: FastPath | None, connections: Connections) -> None:
        self.fast = fast
        self.connections = connections
        self._headers: list[tuple[bytes, bytes]] = []
        self._standing = b""

    def standing(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Give the server's headers for every answer, such as the date, as bytes; it makes them once a second."""
        if headers is not self._headers:
            self._headers = headers
            self._standing = b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._standing


class TileProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger.addFilter(_is_worth_a_line)  # once, however often it is done
        self._door: Door = app_state[STATE]
        usual = not (config.access_log or self.root_path or self.limit_concurrency is not None)
        self._fast = self._door.fast if usual else None
        self._visit = Visit()
        self._refused = False
        self._has_asked = False
        self._in_message = False
        self._wants_other = False  # it asked for another protocol
        self._head_done = True
        self._head_bytes = 0
        self._since = self.loop.time()  # when it began to wait for what it waits for now
        self._answering: RequestResponseCycle | None = None
        self._unsent = self._taken = 0
        self._moved = self._since  # when what is taken was counted anew

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection in, or refuse it."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._refused = not self._door.connections.enter(self, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; whoever answers learns that nobody listens."""
        self._door.connections.leave(self)
        if self._answering is not None:
            # uvicorn tells only the last one of several requests that came at once.
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Answer a tile at once where that is possible; else let the parser have what came."""
        if self._wants_other:
            return
        if self._in_message:
            if self._head_done:
                self._since = self.loop.time()
            else:
                self._head_bytes += len(data)
                if self._head_bytes > MAX_HEAD:
                    self._end_with(_CUT_OFF)
                    return
        elif self._fast is not None and data.startswith(START) and self._answer(self._fast, data):
            return
        super().data_received(data)

    def _answer(self, fast: FastPath, data: bytes) -> bool:
        transport = self.transport
        if (
            (self.cycle is not None and not self.cycle.response_complete)
            or self._refused
            or self.flow.write_paused
            or transport.is_closing()
        ):
            return False
        try:
            parts = fast.answer(data, self._visit, self._door.standing(self.server_state.default_headers))
        except Exception as error:  # noqa: BLE001 - let through, it would end the connection, and its text be logged
            log_unexpected(error, "the short way of tiles")
            self._visit = Visit()
            return False
        if parts is None:
            return False
        self._unset_keepalive_if_required()
        transport.writelines(parts)
        self.server_state.total_requests += 1
        self._since = self.loop.time()
        self._has_asked = True
        return True

    # the parser's side

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_message, self._head_done, self._head_bytes = True, False, 0
        self._since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Start the answer; of a request that is over a limit, its refusal."""
        self._head_done = self._has_asked = True
        usual, refusal = self.app, self._refusal()
        if refusal is TOO_LONG:
            self.url = b"/"  # of an address that is too long for it, uvicorn would make a bad request
        self.app = refusal or usual
        try:
            super().on_headers_complete()
        finally:
            self.app = usual
        if self.parser.should_upgrade():
            # What the parser takes for the other protocol's is a request's body or more requests: which, nobody knows.
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """End a request."""
        self._in_message = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer: the connection is idle from now on."""
        self._since = self.loop.time()
        super().on_response_complete()

    def _unsupported_upgrade_warning(self) -> None:
        # Nothing is said: anybody could fill the log with it.
        self._wants_other = True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _refusal(self) -> Envelope | None:
        if self._refused:
            return TOO_MANY
        if len(self.url) + sum((len(name) + len(value) + 4 for name, value in self.headers), 2) > MAX_HEAD:
            return TOO_LONG
        return None

    # its keeper's side

    def waiting(self) -> Waiting:
        """Tell what it does now."""
        if (self.cycle is not None and not self.cycle.response_complete) or self.transport.get_write_buffer_size():
            return Waiting.BUSY
        return Waiting.BETWEEN if self._has_asked and self._head_done else Waiting.FOR_HEAD

    def waiting_since(self) -> float:
        """Tell when that began."""
        return self._since

    def is_overdue(self, now: float) -> bool:
        """Tell whether it has kept the server waiting for too long."""
        if self._takes_too_little(now):
            return True
        waited = now - self._since
        if self.cycle is not None and not self.cycle.response_complete:
            # Not the client's fault is a body that nobody reads, or that it was not told to send yet.
            held_back = self.flow.read_paused or self.cycle.waiting_for_100_continue
            return self.cycle.more_body and not held_back and waited >= BODY_SECONDS
        if self._in_message:
            return waited >= (BODY_SECONDS if self._head_done else HEAD_SECONDS)
        return waited >= (IDLE_SECONDS if self._has_asked else HEAD_SECONDS)

    def _takes_too_little(self, now: float) -> bool:
        unsent = self._waiting_bytes()
        # Where there is more than before, so much was taken that an answer could go on.
        going_on = not unsent or unsent > self._unsent
        self._taken += max(0, self._unsent - unsent)
        self._unsent = unsent
        if going_on or self._taken >= WRITE_BYTES:
            self._taken, self._moved = 0, now
        return now - self._moved >= WRITE_SECONDS

    def _waiting_bytes(self) -> int:
        """Tell how much a client has still to take; 0 when the system has taken it all.

        The system's own part counts too: it can be megabytes, and the system takes more only when a third is gone.
        """
        here = self.transport.get_write_buffer_size()
        if not here:
            return 0
        there = bytearray(4)
        fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, there)
        return here + int.from_bytes(there, sys.byteorder)

    def drop(self) -> None:
        """Close it at once."""
        self.transport.abort()

    def time_out(self) -> None:
        """Close it because it is overdue; who began to ask is told."""
        if self._in_message and not self._head_done and not self._unsent:
            self._end_with(_TIMED_OUT)
        else:
            self.transport.abort()

    def _end_with(self, answer: bytes) -> None:
        """Send a last answer, unless another one is under way, and close."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(answer)
            self.transport.close()
        else:
            self.transport.abort()
