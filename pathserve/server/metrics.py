"""What the processes of one server count: a few whole numbers in shared memory, cheap enough for every tile."""

import fcntl
import mmap
import os
import secrets
import shutil
from array import array
from bisect import bisect_left
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds in seconds of the steps of every histogram; the last step has none."""

_BOUNDS = tuple(round(bound * 1e9) for bound in BOUNDS)
_MAX_KINDS = 256
_TALLIES = 16
_NANOSECONDS = 6  # after the bytes, and after the counts of five classes of status
_STEPS = _NANOSECONDS + 1
_WIDTH = _STEPS + len(_BOUNDS) + 1
_CELLS = _TALLIES + _MAX_KINDS * _WIDTH
_CELL_BYTES = 8
_FILE_BYTES = _CELLS * _CELL_BYTES

PATH = "/metrics"
"""The address that tells it."""

TILE = ("GET", "/dzi/{slide}_files/{level}/{col}_{row}.{format}")
ACCESS = ("GET", "/api/slides/{slide}/access")
OTHER = ("other", "other")
"""The kind of requests that no address answers, or that are refused before one is looked for."""


class Tally(IntEnum):
    """What is counted beside the requests; each is the number of its cell."""

    TILES_FAST = 0
    """Tiles that the protocol answered, without a route."""
    TILES_PLAIN = 1
    """Tiles that the route answered as they lie, or as they had been made before."""
    TILES_MADE = 2
    """Tiles that the route had to make: cut, composed, converted, or of a level that is not built yet."""
    INDEX_HITS = 3
    INDEX_MISSES = 4
    STREAMS = 5
    """Streams of events that are open: of the processes that are alive only."""
    ACCESS_FAST = 6
    """Questions of a proxy that the protocol answered; a part of those that are counted as requests."""
    VECTOR_TILES_KEPT = 7
    """Vector tiles that were kept from before."""
    VECTOR_TILES_MADE = 8


@dataclass(frozen=True, slots=True)
class KindCounts:
    """What was counted of one kind of request, over all processes.

    Parameters
    ----------
    method, route
        The method, and the address with the names of its parts in place of any id.
    statuses
        Answers by class of status, 1xx to 5xx.
    sent
        Bytes of all bodies.
    nanoseconds
        Time until answers began, all together.
    steps
        How many answers fell into each step of the histogram, not cumulative; one more than ``BOUNDS``.
    """

    method: str
    route: str
    statuses: tuple[int, ...]
    sent: int
    nanoseconds: int
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """A sum over the processes of a server at one moment."""

    kinds: tuple[KindCounts, ...]
    tallies: dict[Tally, int]
    processes: int


class Metrics:
    """Counts of this process, and their sum over all processes of its server.

    Each process has a file of its own, so nobody waits for anybody: a count is a plain addition. A process that takes
    the place of one that has ended goes on in its file, so that no count ever goes back. Two processes that never
    share a folder share nothing. Counting is for the event loop's thread only; a `tally` given away is guarded by
    whoever counts in it.

    Parameters
    ----------
    folder
        Where the processes of one server keep their files; None: this process is alone, and nothing is kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock, self._map = (None, mmap.mmap(-1, _FILE_BYTES)) if folder is None else _take_file(folder)
        self._cells = memoryview(self._map).cast("Q")
        self._cells[Tally.STREAMS] = 0  # whoever had this file before has ended, and its streams with it
        self._kinds = dict[tuple[str, str], int]()
        self._other = self.kind(*OTHER)
        self._tile = self.kind(*TILE)
        self._access = self.kind(*ACCESS)

    def kind(self, method: str, route: str) -> int:
        """Give the number of a kind of request; the same for the same names. All are named before the first request.

        Raises
        ------
        ValueError
            When there are too many.
        """
        number = self._kinds.setdefault((method, route), len(self._kinds))
        if number >= _MAX_KINDS:
            raise ValueError("there are more kinds of requests than cells to count them in")
        return number

    @property
    def other(self) -> int:
        """The kind of what no address answers."""
        return self._other

    def count(self, kind: int, status: int, sent: int, nanoseconds: int) -> None:
        """Count one answer.

        Parameters
        ----------
        kind
            What :meth:`kind` gave.
        status
            HTTP status, 100 to 599.
        sent
            Bytes of the body.
        nanoseconds
            From the request's arrival until its answer began.
        """
        cells = self._cells
        first = _TALLIES + kind * _WIDTH
        cells[first] += sent
        cells[first + status // 100] += 1
        cells[first + _NANOSECONDS] += nanoseconds
        cells[first + _STEPS + bisect_left(_BOUNDS, nanoseconds)] += 1

    def fast_tile(self, status: int, sent: int, nanoseconds: int) -> None:
        """Count a tile that is answered without a route, in one call; parameters as in :meth:`count`."""
        self.count(self._tile, status, sent, nanoseconds)
        self._cells[Tally.TILES_FAST] += 1

    def fast_access(self, nanoseconds: int) -> None:
        """Count a question of a proxy that is answered with yes, without a route."""
        self.count(self._access, 204, 0, nanoseconds)
        self._cells[Tally.ACCESS_FAST] += 1

    def add(self, tally: Tally) -> None:
        """Count one more of something."""
        self._cells[tally] += 1

    def tally(self, first: Tally, cells: int = 1) -> MutableSequence[int]:
        """Give cells to count in, beginning with ``first``; for what knows nothing of this room, such as a cache."""
        return self._cells[first : first + cells]  # type: ignore[return-value]  # a view is as good as a list here

    def close(self) -> None:
        """Let another process go on in this one's file."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def snapshot(self) -> Counts:
        """Sum over all processes; reads some 50 KB of each, and blocks."""
        total = array("Q", bytes(_FILE_BYTES))
        processes = 0
        for cells, alive in self._all():
            processes += alive
            if not alive:
                cells[Tally.STREAMS] = 0
            for number, value in enumerate(cells):
                if value:
                    total[number] += value
        kinds = tuple(_kind_counts(total, *names, number) for names, number in self._kinds.items())
        return Counts(kinds, {tally: total[tally] for tally in Tally}, processes)

    def _all(self) -> Iterator[tuple[MutableSequence[int], bool]]:
        if self._folder is None:
            yield _array(bytes(self._map)), True
            return
        for path in sorted(self._folder.glob("*.counts")):
            with path.open("rb") as file:
                data = file.read(_FILE_BYTES)
                if len(data) == _FILE_BYTES:  # else its process has only just made it
                    yield _array(data), not _lock(file.fileno(), fcntl.LOCK_SH)


@contextmanager
def counters_folder(parent: Path) -> Iterator[Path]:
    """Make the folder in which the processes of one server count, for as long as that server runs.

    What servers left behind that were killed is deleted.
    """
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    guard = os.open(parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        for old in parent.iterdir():
            _delete_if_left(old)
        folder = parent / secrets.token_urlsafe(12)
        folder.mkdir(mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(guard)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _delete_if_left(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    except (NotADirectoryError, FileNotFoundError):
        return
    try:
        if _lock(descriptor, fcntl.LOCK_EX):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _take_file(folder: Path) -> tuple[int | None, mmap.mmap]:
    """Take the file of a process that has ended, or make one; it stays locked until this process ends."""
    for path in sorted(folder.glob("*.counts")):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        if os.fstat(descriptor).st_size == _FILE_BYTES and _lock(descriptor, fcntl.LOCK_EX):
            return descriptor, _map(path)
        os.close(descriptor)
    path = folder / f"{secrets.token_urlsafe(12)}.counts"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.ftruncate(descriptor, _FILE_BYTES)  # only now can others see that it is one
    return descriptor, _map(path)


def _map(path: Path) -> mmap.mmap:
    # A map keeps what it was made of open: made of the locked descriptor it would hold the lock as long as it lives.
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return mmap.mmap(descriptor, _FILE_BYTES)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _array(data: bytes) -> MutableSequence[int]:
    cells = array("Q")
    cells.frombytes(data)
    return cells


def _kind_counts(cells: MutableSequence[int], method: str, route: str, number: int) -> KindCounts:
    first = _TALLIES + number * _WIDTH
    return KindCounts(
        method,
        route,
        tuple(cells[first + 1 : first + _NANOSECONDS]),
        cells[first],
        cells[first + _NANOSECONDS],
        tuple(cells[first + _STEPS : first + _WIDTH]),
    )
