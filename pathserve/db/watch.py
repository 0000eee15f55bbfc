"""Noticing that somebody has committed, in any process, for less than a microsecond.

SQLite keeps, for a database with a write-ahead log, the header of the log's index in memory that all processes share
(the ``-shm`` file; https://www.sqlite.org/walformat.html, "The WAL-Index Header"). Every commit changes it before it
returns, and a reader of SQLite's own learns of new content by comparing it with what it saw last. That comparison is
what is done here, on the mapping that SQLite has already made: opening and closing the file once more would take
SQLite's locks away, which belong to the process and not to the descriptor.
"""

import ctypes
import os
from pathlib import Path

_HEADER_BYTES = 2 * 48  # it stands there twice, and a writer changes the second copy first
_MAPS = Path("/proc/self/maps")


def shared_header(database: Path) -> memoryview | None:
    """Find the header in the memory of this process; None where it cannot be found, as outside of Linux.

    It may be read for as long as a connection to the database that has read from it is open in this process, and never
    after that.
    """
    try:
        status = os.stat(f"{database}-shm")
        lines = _MAPS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for line in lines:
        # proc_pid_maps(5): addresses, permissions, offset, device, inode, path
        addresses, permissions, offset, on, inode, *_ = line.split(maxsplit=5)
        if (on, inode, int(offset, 16)) == (device, str(status.st_ino), 0) and permissions.startswith("r"):
            start, end = (int(part, 16) for part in addresses.split("-"))
            if end - start >= _HEADER_BYTES:
                return memoryview((ctypes.c_ubyte * _HEADER_BYTES).from_address(start)).toreadonly()
    return None


class Watch:
    """Counts the changes of the header; for one thread at a time."""

    def __init__(self, header: memoryview) -> None:
        self._header = header
        self._seen = b""
        self._number = 0

    def number(self) -> int:
        """Give a number that is another one after every commit."""
        now = self._header.tobytes()
        if now != self._seen:
            self._seen = now
            self._number += 1
        return self._number
