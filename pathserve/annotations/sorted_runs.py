"""Numbers that an import keeps on disk: a file that grows, and rows sorted by their first number.

Files have no names, so they end with the process.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from pathserve.errors import busy_when_full

Words = npt.NDArray[np.uint64]

_STEP = 256
"""Of so many rows of a run one is remembered: where others lie is read from the file."""

_READ_AT_ONCE = 64 * _STEP
_AHEAD = 4


class ScratchFile:
    """Numbers of 64 bits one behind another; nothing is opened before the first are written."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self.end = 0
        """Numbers so far."""

    def append(self, words: npt.NDArray[np.uint64] | npt.NDArray[np.int64]) -> None:
        """Write some numbers.

        Raises
        ------
        Busy
            When the disk is full.
        """
        if self._file is None:
            # Without a buffer: what is written may be read at once.
            self._file = tempfile.TemporaryFile(buffering=0, dir=self._folder)  # noqa: SIM115 - `close` ends it
        view = words.reshape(-1).view(np.uint8).data
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            if (full := busy_when_full(error)) is not None:
                raise full from error
            raise
        self.end += words.size

    def read(self, first: int, count: int) -> Words:
        """Read some numbers; they are there."""
        if self._file is None:
            return np.empty(0, np.uint64)
        return np.frombuffer(os.pread(self._file.fileno(), 8 * count, 8 * first), np.uint64)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(frozen=True, slots=True)
class _Run:
    """Rows from number ``begin`` of the file on, and the first number of every `_STEP`-th of them."""

    begin: int
    count: int
    samples: Words


class SortedRuns:
    """Rows of a few numbers, given back in the order of the first.

    Memory: 8 bytes for 256 rows, and while it is read a few times what a block takes.

    Parameters
    ----------
    width
        Numbers of a row.
    """

    def __init__(self, width: int, folder: Path | None = None) -> None:
        self._width = width
        self._file = ScratchFile(folder)
        self._runs = list[_Run]()

    def __len__(self) -> int:
        return sum(run.count for run in self._runs)

    def add(self, rows: Words) -> None:
        """Take rows (N, width) as a run; they are in order already."""
        self._runs.append(_Run(self._file.end, len(rows), rows[::_STEP, 0].copy()))
        self._file.append(rows)

    def blocks(self, most: int) -> Iterator[Words]:
        """Give all rows in blocks of about so many, each in order and none before the last one.

        Of very many rows with one first number some are given after others, whichever these are.
        """
        if not self._runs:
            return
        samples = np.sort(np.concatenate([run.samples for run in self._runs]))
        step = max(1, most // _STEP)
        edges = np.unique(samples[step::step]).tolist()
        for low, high in pairwise([0, *edges, 1 << 64]):
            pieces, size = list[Words](), 0
            for run in self._runs:
                for piece in self._between(run, low, high):
                    if size + len(piece) > _AHEAD * most and pieces:
                        yield _in_order(pieces)
                        pieces, size = [], 0
                    pieces.append(piece)
                    size += len(piece)
            if pieces:
                yield _in_order(pieces)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _between(self, run: _Run, low: int, high: int) -> Iterator[Words]:
        """Give the rows of a run whose first number is at least ``low`` and below ``high``."""
        # Those of one number may begin before the sample that has it.
        first = _STEP * max(0, int(np.searchsorted(run.samples, np.uint64(low))) - 1)
        last = min(run.count, _STEP * int((run.samples < high).sum()))
        for start in range(first, last, _READ_AT_ONCE):
            count = min(_READ_AT_ONCE, last - start)
            rows = self._file.read(run.begin + self._width * start, self._width * count).reshape(-1, self._width)
            keys = rows[:, 0]
            rows = rows[(keys >= low) & (keys < high)]
            if len(rows):
                yield rows


def _in_order(pieces: list[Words]) -> Words:
    rows = np.concatenate(pieces)
    ordered: Words = rows[np.argsort(rows[:, 0], kind="stable")]
    return ordered
