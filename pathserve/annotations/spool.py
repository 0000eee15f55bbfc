"""A whole import on disk: rows come in any order and go out as neighbourhoods, in constant memory.

Rows are sorted a run at a time and each run is written to a temporary file, column after column. Reading goes through
all runs together in the order of one Hilbert curve over the slide.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from pathserve.annotations.hilbert import CHUNK_ROWS, hilbert_distance
from pathserve.labels import Columns, Texts

Keys = npt.NDArray[np.uint32]
Order = npt.NDArray[np.int64]

_RUN_ROWS = 32 * CHUNK_ROWS
_RUN_BYTES = 48 * 1024 * 1024
_BLOCK_ROWS = 16 * CHUNK_ROWS
_CHUNK_POSITIONS = 256 * CHUNK_ROWS
_ORDER = 16

_PLAIN = ("ids", "numbers", "revisions", "firsts", "kinds", "classes", "states", "scores", "exhaustive")


@dataclass(frozen=True, slots=True)
class _Section:
    """Where an array lies in the file: its first byte, its type, and the shape of one row."""

    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        return int(self.dtype.itemsize * np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class _Run:
    """Rows in the order of their keys."""

    keys: Keys
    class_names: tuple[str, ...]
    state_names: tuple[str, ...]
    sections: dict[str, _Section]


class Spool:
    """Holds rows until they are read; for one thread.

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
        self._end = 0
        self._runs = list[_Run]()
        self._pending = list[Columns]()
        self._pending_rows = self._pending_bytes = 0
        self._rows = self._bytes = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, columns: Columns) -> None:
        """Take some rows."""
        if not len(columns):
            return
        size = columns.nbytes
        self._pending.append(columns)
        self._pending_rows += len(columns)
        self._pending_bytes += size
        self._rows += len(columns)
        self._bytes += size
        if self._pending_rows >= _RUN_ROWS or self._pending_bytes >= _RUN_BYTES:
            self._flush()

    def chunks(self) -> Iterator[Columns]:
        """Give all rows as neighbourhoods of about 1,024, in the order of the Hilbert curve."""
        for block, order in self._blocks():
            yield from _cut(block, order)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _flush(self) -> None:
        if not self._pending:
            return
        columns = Columns.join(self._pending)
        keys = self._keys(columns)
        order = np.argsort(keys, kind="stable")
        self._runs.append(self._write(columns.take(order), keys[order]))
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def _keys(self, columns: Columns) -> Keys:
        boxes = columns.boxes()
        # Halves first: the sum of two large corners may not be a number.
        cells = (boxes[:, :2] / 2 + boxes[:, 2:] / 2) * ((1 << _ORDER) / self._side)
        whole = np.clip(cells, 0, (1 << _ORDER) - 1).astype(np.int64)
        return hilbert_distance(whole[:, 0], whole[:, 1], _ORDER).astype(np.uint32)

    def _write(self, columns: Columns, keys: Keys) -> _Run:
        arrays: dict[str, npt.NDArray[Any]] = {name: getattr(columns, name) for name in _PLAIN}
        arrays |= {"starts": columns.starts, "part_starts": columns.part_starts, "ring_starts": columns.ring_starts}
        arrays["xy"] = columns.xy
        rows = range(len(columns))
        for name, texts in (
            ("properties", columns.properties),
            ("geometries", Texts.of(columns.geometries.get(row, b"") for row in rows) if columns.geometries else None),
            ("drawn", Texts.of(columns.drawn.get(row, b"") for row in rows) if columns.drawn else None),
        ):
            if texts is not None:
                arrays[f"{name}_starts"], arrays[name] = texts.starts, texts.data
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - `close` ends it
        sections = dict[str, _Section]()
        for name, array in arrays.items():
            data = np.ascontiguousarray(array)
            self._file.write(data.data)
            sections[name] = _Section(self._end, data.dtype, data.shape[1:])
            self._end += data.nbytes
        self._file.flush()
        return _Run(keys, columns.class_names, columns.state_names, sections)

    def _blocks(self) -> Iterator[tuple[Columns, Order]]:
        """Give blocks of neighbours, each with the order of its rows; a block is in memory as a whole."""
        if not self._runs:
            if self._pending:
                columns = Columns.join(self._pending)
                yield columns, np.argsort(self._keys(columns), kind="stable")
            return
        self._flush()
        keys = np.sort(np.concatenate([run.keys for run in self._runs]))
        block = int(np.clip(_RUN_BYTES // max(1, self._bytes // max(1, self._rows)), 1, _BLOCK_ROWS))
        edges = [0, *keys[block::block].tolist(), 1 << 2 * _ORDER]
        for low, high in pairwise(edges):
            pieces = list[tuple[_Run, int, int]]()
            for run in self._runs:
                first, last = np.searchsorted(run.keys, np.array([low, high], np.uint64)).tolist()
                # Many at one place make one long range; their order does not matter.
                pieces += [(run, at, min(at + block, last)) for at in range(first, last, block)]
            yield from self._join(pieces, 2 * block)

    def _join(self, pieces: Sequence[tuple[_Run, int, int]], most: int) -> Iterator[tuple[Columns, Order]]:
        while pieces:
            count = max(1, int(np.searchsorted(np.cumsum([last - first for _, first, last in pieces]), most)))
            some, pieces = pieces[:count], pieces[count:]
            joined = Columns.join([self._read(run, first, last) for run, first, last in some])
            keys = np.concatenate([run.keys[first:last] for run, first, last in some])
            yield joined, np.argsort(keys, kind="stable")

    def _read(self, run: _Run, first: int, last: int) -> Columns:
        plain: dict[str, Any] = {name: self._array(run, name, first, last) for name in _PLAIN}
        starts = self._array(run, "starts", first, last + 1)
        part_starts = self._array(run, "part_starts", starts[0], starts[-1] + 1)
        ring_starts = self._array(run, "ring_starts", part_starts[0], part_starts[-1] + 1)
        return Columns(
            **plain,
            class_names=run.class_names,
            state_names=run.state_names,
            xy=self._array(run, "xy", ring_starts[0], ring_starts[-1]),
            ring_starts=ring_starts - ring_starts[0],
            part_starts=part_starts - part_starts[0],
            starts=starts - starts[0],
            properties=self._texts(run, "properties", first, last),
            geometries={n: text for n, text in enumerate(self._texts(run, "geometries", first, last)) if text},
            drawn={n: text for n, text in enumerate(self._texts(run, "drawn", first, last)) if text},
        )

    def _texts(self, run: _Run, name: str, first: int, last: int) -> Texts:
        if name not in run.sections:
            return Texts.empty(0)
        starts = self._array(run, f"{name}_starts", first, last + 1)
        return Texts(self._array(run, name, starts[0], starts[-1]), starts - starts[0])

    def _array(self, run: _Run, name: str, first: int, last: int) -> npt.NDArray[Any]:
        section = run.sections[name]
        size = section.row_bytes
        if self._file is None:
            raise ValueError("the spool has no file")
        data = os.pread(self._file.fileno(), int(last - first) * size, section.offset + int(first) * size)
        return np.frombuffer(data, section.dtype).reshape(-1, *section.shape)


def _cut(block: Columns, order: Order) -> Iterator[Columns]:
    """Cut into chunks of about the same number of rows; fewer where they have very many positions."""
    lengths = np.diff(block.first_positions())[order]
    for some in np.array_split(np.arange(len(order)), -(-len(order) // CHUNK_ROWS)):
        group = np.cumsum(lengths[some]) // _CHUNK_POSITIONS
        for rows in np.split(order[some], np.flatnonzero(np.diff(group)) + 1):
            yield block.take(rows)
