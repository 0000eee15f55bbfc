"""A whole import, in memory or on disk: rows come in any order and go out as neighbourhoods, in constant memory.

Rows are held as records (`records`). When there are more than a buffer holds, they are sorted and written to a
temporary file as one run, and the buffer begins anew. Reading goes through all runs together in the order of one
Hilbert curve, over the slide and as far beyond it as anything may lie. Few rows stay as they came.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pathserve.annotations.hilbert import CHUNK_ROWS, hilbert_distance
from pathserve.annotations.records import RecordBuffer, Records, kernels, views, words_of
from pathserve.annotations.sorted_runs import ScratchFile, SortedRuns, Words
from pathserve.geometry.validity import FRAME_FACTOR
from pathserve.labels import Columns

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Neighbours = Columns | Records

_FEW_ROWS = 2 * CHUNK_ROWS
"""So many rows stay columns: loading machine code would take longer."""

_BUFFER_WORDS = 12 * 1024 * 1024
_BLOCK_WORDS = 2 * 1024 * 1024
_BLOCK_ROWS = 64 * CHUNK_ROWS
_CHUNK_POSITIONS = 256 * CHUNK_ROWS

_MARGIN = 0.25
_SQUARE = 1 + 2 * _MARGIN
"""Sides of the slide along a square about it. What lies a little outside is so beside its neighbours on the slide."""

_SQUARE_ORDER = 16
_BEYOND_ORDER = _SQUARE_ORDER + (FRAME_FACTOR - 1).bit_length()
_ORDER = _BEYOND_ORDER + 1
"""The curve goes through that square, and through so many beside it that all which the gate lets pass is inside."""


class Spool:
    """Holds rows until they are read; for one thread.

    Memory: 96 MB, while it is read some 48 MB more.

    Parameters
    ----------
    side
        Longer side of the slide, in level-0 pixels.
    folder
        Where temporary files lie, if any are needed; the system's own place when None.
    """

    def __init__(self, side: float, folder: Path | None = None) -> None:
        self._side = side
        self._records = ScratchFile(folder)  # those of each run in the order of their keys
        self._index = SortedRuns(3, folder)  # of these: key, where it begins, words
        self._few = list[Columns]()
        self._buffer: RecordBuffer | None = None
        self._places, self._keys = list[Ints](), list[Words]()  # of the records in the buffer
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
        """Let go of the files."""
        self._records.close()
        self._index.close()

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

    def _curve(self, centres: Floats) -> Words:
        cells = centres * ((1 << _SQUARE_ORDER) / (_SQUARE * self._side))
        cells += (1 << _BEYOND_ORDER) + (1 << _SQUARE_ORDER) * _MARGIN / _SQUARE
        whole = np.clip(np.nan_to_num(cells), 0, (1 << _ORDER) - 1).astype(np.int64)
        return hilbert_distance(whole[:, 0], whole[:, 1], _ORDER).astype(np.uint64)

    def _flush(self, buffer: RecordBuffer) -> None:
        """Write what is in the buffer as a run."""
        places, sizes, keys = self._in_order(buffer)
        starts = np.concatenate(([0], np.cumsum(sizes)))
        self._note(keys, starts[:-1] + self._records.end, sizes)
        for rows in np.split(np.arange(len(keys)), _edges(sizes, _BLOCK_WORDS)):
            out = np.empty(starts[rows[-1] + 1] - starts[rows[0]], np.int64)
            kernels().gather(buffer.views[0], places[rows], sizes[rows], out)
            self._records.append(out)

    def _in_order(self, buffer: RecordBuffer) -> tuple[Ints, Ints, Words]:
        """Give where each record in the buffer begins, its words and its key, in the order of the keys."""
        places, keys = np.concatenate(self._places), np.concatenate(self._keys)
        self._places, self._keys = [], []
        order = np.argsort(keys, kind="stable")
        return places[order], np.diff(places, append=buffer.used)[order], keys[order]

    def _note(self, keys: Words, begins: Ints, sizes: Ints) -> None:
        index = np.empty((len(keys), 3), np.uint64)
        index[:, 0], index[:, 1], index[:, 2] = keys, begins, sizes
        self._index.add(index)

    def _blocks(self) -> Iterator[tuple[Records, Ints]]:
        """Give blocks of neighbours, each with the order of its rows; a block is in memory as a whole."""
        buffer = self._buffer
        if buffer is None:
            return
        names = buffer.class_names, buffer.state_names
        if not len(self._index):
            places, order = np.concatenate(self._places), np.argsort(np.concatenate(self._keys), kind="stable")
            yield Records(buffer.views, places, *names), order
            return
        if self._places:
            # The last ones stay where they are, as if that were behind the end of the file.
            places, sizes, keys = self._in_order(buffer)
            self._note(keys, places + self._records.end, sizes)
        most = int(np.clip(_BLOCK_WORDS * self._rows // (self._records.end + buffer.used), 1, _BLOCK_ROWS))
        for block in self._index.blocks(most):
            # Some may be much longer than others.
            for some in np.split(block, _edges(block[:, 2].astype(np.int64), 2 * _BLOCK_WORDS)):
                words, places = self._read(buffer, some[:, 1].astype(np.int64), some[:, 2].astype(np.int64))
                yield Records(views(words), places, *names), np.arange(len(some))

    def _read(self, buffer: RecordBuffer, begins: Ints, sizes: Ints) -> tuple[Ints, Ints]:
        """Read records; gives their words, and where each begins in them."""
        order = np.argsort(begins, kind="stable")
        begins, sizes = begins[order], sizes[order]
        ends = np.cumsum(sizes)
        places = np.empty(len(order), np.int64)
        places[order] = ends - sizes
        words = np.empty(int(ends[-1]), np.int64)
        written = int(np.searchsorted(begins, self._records.end))
        # Those of one run lie one behind another.
        breaks = np.flatnonzero(begins[1:] != begins[:-1] + sizes[:-1]) + 1
        for rows in np.split(np.arange(written), breaks[breaks < written]):
            if len(rows):
                begin, count = int(begins[rows[0]]), int(sizes[rows].sum())
                end = int(ends[rows[-1]])
                words[end - count : end] = self._records.read(begin, count).view(np.int64)
        rest = words[len(words) - int(sizes[written:].sum()) :]
        kernels().gather(buffer.views[0], begins[written:] - self._records.end, sizes[written:], rest)
        return words, places


def _centres(columns: Columns) -> Floats:
    boxes = columns.boxes()
    # Halves first: the sum of two large corners may not be a number.
    return np.asarray(boxes[:, :2] / 2 + boxes[:, 2:] / 2)


def _edges(sizes: Ints, most: int) -> Ints:
    """Tell where to cut rows into pieces of about so many words, at least a row each."""
    return np.flatnonzero(np.diff((np.cumsum(sizes) - sizes) // most)) + 1


def _cut(order: Ints, lengths: Ints) -> Iterator[Ints]:
    """Cut rows into chunks of about the same number; fewer where they have very many positions (lengths, of all)."""
    for rows in np.array_split(order, -(-len(order) // CHUNK_ROWS)):
        group = np.cumsum(lengths[rows]) // _CHUNK_POSITIONS
        yield from np.split(rows, np.flatnonzero(np.diff(group)) + 1)
