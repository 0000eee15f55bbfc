"""How much of the disk is left to those who read and to the database: ingest and uploads keep away from it."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pathserve.config import Settings
from pathserve.errors import DISK_FULL, Busy

_MOST_RESERVE = 5 << 30
_RESERVE_SHARE = 0.05
_LOOK_SECONDS = 1.0


def require_room(settings: Settings, more_bytes: int = 0) -> None:
    """Refuse to write more when too little of the disk would be left.

    Parameters
    ----------
    more_bytes
        How much is about to be written.

    Raises
    ------
    Busy
        With the code ``disk_full``.
    """
    for place in (settings.data, settings.store_folder):
        if place is not None:
            _require_room(place, settings.disk_reserve_bytes, more_bytes)


@dataclass(frozen=True, slots=True)
class Room:
    """A disk in bytes: what is free for PathServe's account, what it holds in all, what ingest leaves free of it."""

    free: int
    total: int
    reserve: int


def room_of(place: Path, reserve: int | None) -> Room:
    """Look at the disk of a folder; ``reserve`` is what the settings say, None for what is usual."""
    disk = os.statvfs(_there(place))
    total = disk.f_blocks * disk.f_frsize
    usual = min(_MOST_RESERVE, int(total * _RESERVE_SHARE))
    return Room(disk.f_bavail * disk.f_frsize, total, usual if reserve is None else reserve)


def _require_room(place: Path, reserve: int | None, more_bytes: int) -> None:
    room = room_of(place, reserve)
    if room.free - more_bytes < room.reserve:
        raise Busy(
            f"The disk is nearly full: {_shown(room.free)} are free, {_shown(more_bytes)} are needed, "
            f"and {_shown(room.reserve)} are kept free for reading.",
            code=DISK_FULL,
        )


class RoomWatch:
    """Looks at the disk while something is built, at most once a second.

    Parameters
    ----------
    clock
        Gives seconds that only grow.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._next = clock()

    def look(self) -> None:
        """Ask whether there is room still.

        Raises
        ------
        Busy
            As :func:`require_room`.
        """
        if self._clock() >= self._next:
            self._next = self._clock() + _LOOK_SECONDS
            require_room(self._settings)


def _there(path: Path) -> Path:
    """Give the folder, or the first one above it that is there already."""
    path = path.absolute()
    return next((place for place in (path, *path.parents) if place.exists()), path)


def _shown(count: int) -> str:
    size, unit = float(max(0, count)), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
