"""A whole import, in memory or on disk: rows come in any order and go out as neighbourhoods, in constant memory.

Rows are held as records (`records`). When there are more than a buffer holds, they are sorted and written to a
temporary file as one run, and the buffer begins anew. Reading goes through all runs together in the order of one
Hilbert curve over the slide. Few rows stay as they came.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from pathserve.annotations.hilbert import CHUNK_ROWS, hilbert_distance
from pathserve.annotations.records import RecordBuffer, Records, kernels, views, words_of
from pathserve.labels import Columns

Keys = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Neighbours = Columns | Records

_FEW_ROWS = 2 * CHUNK_ROWS
"""So many rows stay columns: loading machine code would take longer."""

_BUFFER_WORDS = 8 * 1024 * 1024
_BLOCK_WORDS = 2 * 1024 * 1024
_BLOCK_ROWS = 64 * CHUNK_ROWS
_CHUNK_POSITIONS = 256 * CHUNK_ROWS
_ORDER = 16


@dataclass(frozen=True, slots=True)
class _Run:
    """Records in the order of their keys: record i lies in the file from word ``starts[i]`` to ``starts[i + 1]``."""

    keys: Keys
    starts: Ints


class Spool:
    """Holds rows until they are read; for one thread.

    Memory: 64 MB, while it is read some 32 MB more, and 12 bytes for each row.

    Parameters
    ----------
    side
        Longer side of the slide, in level-0 pixels.
    folder
        Where the temporary file lies, if one is needed; the system's own place when None. The file has no name, so it
        ends with the process.
    """

    def __init__(self, side: float, folder: Path | None = None) -> None:
        self._side = side
        self._folder = folder
        self._file: IO[bytes] | None = None  # opened when memory is not enough
        self._end = 0  # of the file, in words
        self._runs = list[_Run]()
        self._few = list[Columns]()
        self._buffer: RecordBuffer | None = None
        self._places, self._keys = list[Ints](), list[Keys]()  # of the records in the buffer
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, columns: Columns) -> None:
        """Take some rows."""
        if not len(columns):
            return
        self._rows += len(columns)
        if self._rows <= _FEW_ROWS:
            self._few.append(columns)
            return
        for some in (*self._few, columns):
            self._pack(some)
        self._few = []

    def neighbours(self) -> Iterator[Neighbours]:
        """Give all rows as neighbourhoods of about 1,024, in the order of the Hilbert curve."""
        if self._few:
            columns = Columns.join(self._few)
            order = np.argsort(self._curve(_centres(columns)), kind="stable")
            lengths = np.diff(columns.first_positions())
            yield from (columns.take(rows) for rows in _cut(order, lengths))
        for block, order in self._blocks():
            lengths = block.positions()
            for rows in _cut(order, lengths):
                yield Records(block.views, block.places[rows], block.class_names, block.state_names)

    def chunks(self) -> Iterator[Columns]:
        """Give the same as columns."""
        for some in self.neighbours():
            yield some.columns() if isinstance(some, Records) else some

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _pack(self, columns: Columns) -> None:
        count = words_of(columns)
        if self._buffer is None:
            self._buffer = RecordBuffer(max(count, _BUFFER_WORDS))
        elif self._buffer.used + count > self._buffer.most:
            self._flush(self._buffer)
            self._buffer.make_room(count)
        places, centres = self._buffer.add(columns)
        self._places.append(places)
        self._keys.append(self._curve(centres))

    def _curve(self, centres: Floats) -> Keys:
        cells = np.nan_to_num(centres * ((1 << _ORDER) / self._side))
        whole = np.clip(cells, 0, (1 << _ORDER) - 1).astype(np.int64)
        return hilbert_distance(whole[:, 0], whole[:, 1], _ORDER).astype(np.uint32)

    def _flush(self, buffer: RecordBuffer) -> None:
        """Write what is in the buffer as a run."""
        places, keys = np.concatenate(self._places), np.concatenate(self._keys)
        sizes = np.diff(places, append=buffer.used)
        order = np.argsort(keys, kind="stable")
        starts = np.concatenate(([0], np.cumsum(sizes[order])))
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - `close` ends it
        for first, end in pairwise(_edges(starts, _BLOCK_WORDS)):
            rows, out = order[first:end], np.empty(starts[end] - starts[first], np.int64)
            kernels().gather(buffer.views[0], places[rows], sizes[rows], out)
            self._file.write(out.data)
        self._file.flush()
        self._runs.append(_Run(keys[order], starts + self._end))
        self._end += int(starts[-1])
        self._places, self._keys = [], []

    def _blocks(self) -> Iterator[tuple[Records, Ints]]:
        """Give blocks of neighbours, each with the order of its rows; a block is in memory as a whole."""
        buffer = self._buffer
        if buffer is None:
            return
        names = buffer.class_names, buffer.state_names
        if not self._runs:
            places, order = np.concatenate(self._places), np.argsort(np.concatenate(self._keys), kind="stable")
            yield Records(buffer.views, places, *names), order
            return
        if self._places:
            self._flush(buffer)
            buffer.forget()
        keys = np.sort(np.concatenate([run.keys for run in self._runs]))
        block = int(np.clip(_BLOCK_WORDS * self._rows // self._end, 1, _BLOCK_ROWS))
        edges = [0, *keys[block::block].tolist(), 1 << 2 * _ORDER]
        for low, high in pairwise(edges):
            pieces = list[tuple[_Run, int, int]]()
            for run in self._runs:
                first, last = np.searchsorted(run.keys, np.array([low, high], np.uint64)).tolist()
                # Many at one place make one long range; their order does not matter.
                cuts = [first + cut for cut in _edges(run.starts[first : last + 1], _BLOCK_WORDS)]
                pieces += [(run, *cut) for cut in pairwise(cuts)]
            for some in _together(pieces, 2 * _BLOCK_WORDS):
                words, places, keys_of = self._read(some)
                yield Records(views(words), places, *names), np.argsort(keys_of, kind="stable")

    def _read(self, pieces: Sequence[tuple[_Run, int, int]]) -> tuple[Ints, Ints, Keys]:
        """Read records; gives their words, where each begins in them, and their keys."""
        if self._file is None:
            raise ValueError("the spool has no file")
        words, places, size = list[Ints](), list[Ints](), 0
        for run, first, last in pieces:
            begin, end = int(run.starts[first]), int(run.starts[last])
            words.append(np.frombuffer(os.pread(self._file.fileno(), 8 * (end - begin), 8 * begin), np.int64))
            places.append(run.starts[first:last] - begin + size)
            size += end - begin
        keys = np.concatenate([run.keys[first:last] for run, first, last in pieces])
        return words[0] if len(words) == 1 else np.concatenate(words), np.concatenate(places), keys


def _centres(columns: Columns) -> Floats:
    boxes = columns.boxes()
    # Halves first: the sum of two large corners may not be a number.
    return np.asarray(boxes[:, :2] / 2 + boxes[:, 2:] / 2)


def _edges(starts: Ints, most: int) -> list[int]:
    """Cut runs into pieces of about so many words, at least a run each; gives where pieces begin, and the end."""
    if len(starts) < 2:
        return [0]
    group = (starts[:-1] - starts[0]) // most
    return [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(starts) - 1]


def _together(pieces: list[tuple[_Run, int, int]], most: int) -> Iterator[list[tuple[_Run, int, int]]]:
    """Put pieces together up to about so many words."""
    some, size = list[tuple[_Run, int, int]](), 0
    for run, first, last in pieces:
        count = int(run.starts[last] - run.starts[first])
        if some and size + count > most:
            yield some
            some, size = [], 0
        some.append((run, first, last))
        size += count
    if some:
        yield some


def _cut(order: Ints, lengths: Ints) -> Iterator[Ints]:
    """Cut rows into chunks of about the same number; fewer where they have very many positions (lengths, of all)."""
    for rows in np.array_split(order, -(-len(order) // CHUNK_ROWS)):
        group = np.cumsum(lengths[rows]) // _CHUNK_POSITIONS
        yield from np.split(rows, np.flatnonzero(np.diff(group)) + 1)
