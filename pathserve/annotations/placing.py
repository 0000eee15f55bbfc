"""Where the annotations of an import lie, in the order of their ids: neighbours in the table are written together."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_writer import Placed
from pathserve.annotations.sorted_runs import SortedRuns, Words

_RUN_ROWS = 256 * 1024


class Placing:
    """Takes what chunks hold, one after the other; for one thread.

    Memory: 30 MB. What is more lies in a file, 32 bytes for each annotation.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._runs = SortedRuns(4, folder)  # halves of the id, chunk and place
        self._waiting = list[Placed]()
        self._size = 0

    def add(self, ids: npt.NDArray[np.uint8], chunk: int) -> None:
        """Take the ids (N, 16) of a chunk's rows."""
        self._waiting.append(Placed.of(ids, chunk))
        self._size += len(ids)
        if self._size >= _RUN_ROWS:
            self._runs.add(_rows(self._in_order()))

    def parts(self, most: int) -> Iterator[Placed]:
        """Give all in parts of at most so many."""
        if not len(self._runs):
            yield from _cut(self._in_order(), most)
            return
        if self._size:
            self._runs.add(_rows(self._in_order()))
        for block in self._runs.blocks(most):
            yield from _cut(_placed(block), most)

    def close(self) -> None:
        """Let go of the file."""
        self._runs.close()

    def _in_order(self) -> Placed:
        """Give what waits in memory."""
        whole = Placed.join(self._waiting)
        self._waiting, self._size = [], 0
        return whole.in_order()


def _cut(placed: Placed, most: int) -> Iterator[Placed]:
    for start in range(0, len(placed), most):
        yield placed.part(slice(start, start + most))


def _rows(placed: Placed) -> Words:
    rows = np.empty((len(placed), 4), np.uint64)
    # As numbers they are in the same order as their bytes.
    rows[:, :2] = np.ascontiguousarray(placed.ids).view(">u8")
    rows[:, 2], rows[:, 3] = placed.chunks, placed.places
    return rows


def _placed(rows: Words) -> Placed:
    ids = rows[:, :2].astype(">u8").view(np.uint8)
    return Placed(ids, rows[:, 2].astype(np.int64), rows[:, 3].astype(np.int32))
