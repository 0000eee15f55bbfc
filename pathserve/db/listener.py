"""Noticing on PostgreSQL that somebody has committed, in any process, for less than a microsecond a question.

Every write tells a channel (NOTIFY) with its commit. A thread listens there and counts. What this process commits
itself is counted before `write` returns. A question is then a look at a number in memory; but only for a short time
after the server has last given a sign of life over the listening connection, on which it tells everything in order.
After that time each question has another answer, so that whoever remembers by it asks the database itself.
"""

import os
import select
import threading
from contextlib import suppress
from time import monotonic

import psycopg

from pathserve.db.postgres_connection import Connection, connect
from pathserve.errors import PathServeError

CHANNEL = "pathserve_commit"

TRUST_SECONDS = 3.0
"""How long a sign of life holds: the longest time for which another process's commit can go unnoticed."""

_SIGN_SECONDS = 1.0
_AGAIN_SECONDS = 0.5


class Listener:
    """Counts the commits of all processes; for several threads.

    Parameters
    ----------
    address
        Of the database.
    token
        What this process tells the channel: its own commits are counted already.
    """

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._token = token.encode()
        self._lock = threading.Lock()
        self._number = 0
        self._trusted_until = 0.0
        self._thread: threading.Thread | None = None
        self._first: Connection | None = None
        self._stop, self._stopped = os.pipe()
        self._closed = False

    def version(self) -> int:
        """Give a number that is another one after every commit, and with each call while nothing is known of others."""
        if monotonic() < self._trusted_until:
            return self._number
        if self._thread is None:
            self._start()
        return self._number if monotonic() < self._trusted_until else self.count()

    def count(self) -> int:
        """Count one commit."""
        with self._lock:
            self._number += 1
            return self._number

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            closed, self._closed = self._closed, True
        if closed:
            return
        self._trusted_until = 0.0
        os.close(self._stopped)  # the thread sees the end of the pipe
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()
        os.close(self._stop)

    def _start(self) -> None:
        """Begin with the first question: commands that end soon never ask."""
        with self._lock:
            if self._thread is not None or self._closed:
                return
            self._thread = threading.Thread(target=self._listen_always, name="pathserve-listener", daemon=True)
        with suppress(psycopg.Error, PathServeError):
            self._first = self._connected()
        self._thread.start()

    def _connected(self) -> Connection:
        connection = connect(self._address)
        try:
            connection.execute(f"listen {CHANNEL}")
            self._ask(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _listen_always(self) -> None:
        connection, self._first = self._first, None
        while True:
            with suppress(psycopg.Error, PathServeError, OSError):
                connection = connection or self._connected()
                self._listen(connection)
            self._trusted_until = 0.0
            if connection is not None:
                connection.close()
                connection = None
            self.count()  # what was committed meanwhile is not told again
            if self._is_stopped(None, _AGAIN_SECONDS):
                return

    def _listen(self, connection: Connection) -> None:
        """Hear what is told, and ask for a sign of life now and then, until it is time to stop."""
        asked = monotonic()
        while not self._is_stopped(connection.fileno(), asked + _SIGN_SECONDS - monotonic()):
            if monotonic() < asked + _SIGN_SECONDS:
                self._hear(connection)
            else:
                asked = monotonic()
                self._ask(connection)

    def _hear(self, connection: Connection) -> None:
        raw = connection.pgconn
        raw.consume_input()
        while (notice := raw.notifies()) is not None:
            if notice.extra != self._token:
                self.count()

    def _ask(self, connection: Connection) -> None:
        """Ask for a sign of life, and hear what was told before the answer.

        Raises
        ------
        psycopg.OperationalError
            When none comes in time.
        """
        raw, sent = connection.pgconn, monotonic()
        raw.send_query(b"select 1")
        while True:
            left = sent + TRUST_SECONDS - monotonic()
            if left <= 0 or self._is_stopped(raw.socket, left):
                raise psycopg.OperationalError
            self._hear(connection)
            while not raw.is_busy():
                if raw.get_result() is None:
                    self._trusted_until = sent + TRUST_SECONDS
                    return

    def _is_stopped(self, descriptor: int | None, seconds: float) -> bool:
        """Wait until something comes from the server, it is time to stop, or the time is over."""
        waiting = [self._stop] if descriptor is None else [self._stop, descriptor]
        return self._stop in select.select(waiting, [], [], max(0.0, seconds))[0]
