"""Bringing SQLite's write-ahead log into the database beside the writes, and not within somebody's commit.

A checkpoint writes many pages and waits for the disk twice or three times as often as a commit. SQLite by itself makes
whoever commits do it (https://www.sqlite.org/wal.html#automatic_checkpoint).
"""

import threading
from collections.abc import Callable
from contextlib import closing, suppress

import apsw

ENOUGH_PAGES = 1000
"""Pages of the log that are worth a checkpoint: what SQLite takes by default."""

MOST_PAGES = 4 * ENOUGH_PAGES
"""From there on who commits does the rest, so that the log begins anew even if the thread never keeps up."""

FEW_PAGES = ENOUGH_PAGES // 4
"""So many that were written beside a checkpoint are brought in by the next who commits: then the log begins anew, and
is written over instead of growing, which takes the disk half as long."""


class Checkpoints:
    """A thread that makes checkpoints, begun with the first one that is due.

    Parameters
    ----------
    connect
        Opens one more connection to the database.
    """

    def __init__(self, connect: Callable[[], apsw.Connection]) -> None:
        self._connect = connect
        self._thread: threading.Thread | None = None
        self._due = threading.Event()
        self._closed = False
        self._brought = 0
        self._is_nearly_done = False

    def after_commit(self, connection: apsw.Connection, database: str, pages: int) -> int:
        """Take note of a commit; what `apsw.Connection.set_wal_hook` calls.

        Parameters
        ----------
        pages
            How many the log holds by now.
        """
        if pages < self._brought:
            self._brought, self._is_nearly_done = 0, False  # it has begun anew
        left = pages - self._brought
        if pages >= MOST_PAGES or (self._is_nearly_done and left <= FEW_PAGES):
            self._is_nearly_done = False
            with suppress(apsw.BusyError):  # the thread is at it
                self._brought = connection.wal_checkpoint(database, apsw.SQLITE_CHECKPOINT_PASSIVE)[1]
        elif left >= ENOUGH_PAGES and not self._due.is_set():
            self._due.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pathserve-checkpoints", daemon=True)
                self._thread.start()
        return apsw.SQLITE_OK

    def close(self) -> None:
        """End the thread; nobody commits any more."""
        self._closed = True
        self._due.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with suppress(apsw.Error), closing(self._connect()) as connection:
            while not self._closed:
                self._due.wait()
                # What fails, as on a full disk, is tried again after a later commit.
                with suppress(apsw.Error):
                    self._brought = connection.wal_checkpoint("main", apsw.SQLITE_CHECKPOINT_PASSIVE)[1]
                    self._is_nearly_done = True
                self._due.clear()
