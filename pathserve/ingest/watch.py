"""Which scans of a folder have come in whole: they look the same twice, and nobody has them open for writing.

The folder is looked at again and again. The system's own notices of changes would cost less and say nothing of folders
that other machines write to over a network, where scans come from.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pathserve.errors import NotFound, PathServeError
from pathserve.ingest.content import Identity, identity_of
from pathserve.ingest.find import find_scans
from pathserve.slides import Scan

_WRITING = os.O_WRONLY | os.O_RDWR
_SIZE = 2

Look = tuple[tuple[str, ...], Identity]
"""The names of a scan's files, and of each its disk, number, size and time of change."""


class FolderWatch:
    """Looks at a folder.

    Parameters
    ----------
    writers
        Gives the files of this machine that some process has open for writing, as disk and number.
    """

    def __init__(self, folder: Path, *, writers: Callable[[], Iterable[tuple[int, int]]] | None = None) -> None:
        self._folder = folder
        self._writers = writers or open_for_writing
        self._last = dict[Path, Look]()
        self._settled = dict[Path, tuple[Look, Scan]]()
        self._present = list[Scan]()

    @property
    def known(self) -> list[Scan]:
        """The scans that the folder held at the last look, whole or not, and those that were settled and have gone."""
        present = {scan.main for scan in self._present}
        return [*self._present, *(scan for main, (_, scan) in self._settled.items() if main not in present)]

    def ready(self) -> list[Scan]:
        """Look once, and give the scans that have stopped growing and are not settled as they are.

        Raises
        ------
        NotFound
            When the folder is gone.
        """
        if not self._folder.is_dir():
            raise NotFound("There is no such folder.")
        scans = self._scans()
        if scans is None:
            return []
        looks = {scan.main: look for scan in scans if (look := _look(scan)) is not None}
        still = [
            scan
            for scan in scans
            if (look := looks.get(scan.main)) is not None
            and self._last.get(scan.main) == look
            and not (scan.main in self._settled and self._settled[scan.main][0] == look)
        ]
        self._last, self._present = looks, scans
        # A scan that is gone stays settled, for a disk may be away for a moment; one that was only moved does not.
        here = {files for _, files in looks.values()}
        self._settled = {
            main: (look, scan) for main, (look, scan) in self._settled.items() if main in looks or look[1] not in here
        }
        writers = set(self._writers()) if still else set()
        return [scan for scan in still if not writers & {file[:2] for file in looks[scan.main][1]}]

    def settle(self, scan: Scan) -> None:
        """Leave a scan alone, ingested or refused, until it is another one than at the last look."""
        if scan.main in self._last:
            self._settled[scan.main] = self._last[scan.main], scan

    def _scans(self) -> list[Scan] | None:
        try:
            return find_scans([self._folder])
        except (OSError, PathServeError):
            return None  # something went away in the middle of the look: this one does not count


def open_for_writing() -> Iterator[tuple[int, int]]:
    """Give disk and number of the files that processes have open for writing, as far as this one may know.

    Linux tells it of one's own processes, and root of all; elsewhere nothing is given.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for number in os.listdir(process / "fd"):
                with suppress(OSError, ValueError, StopIteration):
                    if _flags(process / "fdinfo" / number) & _WRITING:
                        status = os.stat(process / "fd" / number)
                        yield status.st_dev, status.st_ino


def _flags(path: Path) -> int:
    lines = path.read_text("ascii", "replace").splitlines()
    return int(next(line for line in lines if line.startswith("flags:")).split()[1], 8)


def _look(scan: Scan) -> Look | None:
    """Take down what a scan looks like; None when it is not there, odd, or a file of it is empty yet."""
    try:
        identity = identity_of(scan)
    except PathServeError:
        return None
    if any(file[_SIZE] == 0 for file in identity):
        return None
    return tuple(map(str, scan.files)), identity
