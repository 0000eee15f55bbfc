"""Writing chunks and where each annotation lies. Functions on an open transaction.

Nobody sees a chunk until it is born.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_density import pack_summary, summary_of
from pathserve.annotations.chunk_reader import split_chunk
from pathserve.annotations.chunks import encode_chunk
from pathserve.annotations.matching import id_keys
from pathserve.annotations.record_chunks import chunk_of_records
from pathserve.annotations.records import Records
from pathserve.annotations.revisions import Box
from pathserve.annotations.sorted_runs import SortedRuns, Words
from pathserve.db import Transaction, as_int
from pathserve.labels import Columns

_COUNTER = "chunk"
_PLACED_AT_ONCE = 200
_RUN_ROWS = 256 * 1024


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk made ready: what is stored of it, and what its row tells.

    Parameters
    ----------
    ids
        (N, 16) uint8: the ids of its rows.
    numbers
        (lowest, highest) number; None when its rows get theirs when it is published.
    max_extent
        Longest side of a box in it, in level-0 pixels.
    exhaustive
        How many of its rows are marked as exhaustively annotated areas.
    density
        What far vector tiles count of it, as `chunk_density.pack_summary` makes it.
    """

    ids: npt.NDArray[np.uint8]
    parts: tuple[bytes, bytes, bytes]
    size: int
    numbers: tuple[int, int] | None
    box: Box
    max_extent: float
    exhaustive: int
    density: bytes


@dataclass(frozen=True, slots=True)
class Placed:
    """Where N annotations lie: ids (N, 16), chunks (N,) and rows in these (N,)."""

    ids: npt.NDArray[np.uint8]
    chunks: npt.NDArray[np.int64]
    places: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.chunks)

    @classmethod
    def of(cls, ids: npt.NDArray[np.uint8], chunk: int) -> "Placed":
        """Tell where the rows of one chunk lie."""
        return cls(ids, np.full(len(ids), chunk), np.arange(len(ids), dtype=np.int32))

    @classmethod
    def join(cls, several: Sequence["Placed"]) -> "Placed":
        """Put at least one after another."""
        return cls(
            np.concatenate([p.ids for p in several]),
            np.concatenate([p.chunks for p in several]),
            np.concatenate([p.places for p in several]),
        )

    def in_order(self) -> "Placed":
        """Sort by id: neighbours in the table are then written together."""
        # Numbers sort much faster than ids; hardly ever are two halves alike.
        halves = np.ascontiguousarray(self.ids).view(">u8")[:, 0].astype(np.uint64)
        order = np.argsort(halves)
        halves = halves[order]
        if (halves[1:] == halves[:-1]).any():
            order = np.argsort(id_keys(self.ids))
        return self.part(order)

    def part(self, rows: npt.NDArray[np.int64] | slice) -> "Placed":
        """Give some of them."""
        # As one number each: rows of many small ones are moved one by one.
        ids = np.ascontiguousarray(self.ids).view(np.complex128)[:, 0][rows]
        return Placed(ids.view(np.uint8).reshape(-1, 16), self.chunks[rows], self.places[rows])


class Placing:
    """Where the annotations of an import lie, in the order of their ids; for one thread.

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


def make_chunk(rows: Columns | Records, *, scattered: bool = False) -> NewChunk:
    """Encode rows; with ``scattered`` their numbers and revisions stay as they are, else they come with publication."""
    made = chunk_of_records(rows) if isinstance(rows, Records) else None
    if made is not None:
        parts, columns, boxes = made.data, made.columns, made.boxes
    else:
        columns = rows.columns() if isinstance(rows, Records) else rows
        boxes = columns.boxes()
        parts = split_chunk(encode_chunk(columns, boxes))
    x0, y0, _, _ = boxes.min(axis=0).tolist()
    _, _, x1, y1 = boxes.max(axis=0).tolist()
    return NewChunk(
        ids=columns.ids,
        parts=parts,
        size=len(columns),
        numbers=(int(columns.numbers.min()), int(columns.numbers.max())) if scattered else None,
        box=(x0, y0, x1, y1),
        max_extent=float((boxes[:, 2:] - boxes[:, :2]).max()),
        exhaustive=int(columns.exhaustive.sum()),
        density=pack_summary(summary_of(columns, boxes)),
    )


def reserve_chunks(tx: Transaction, count: int) -> int:
    """Take ids for chunks; gives the first. None is ever given twice, so what is kept by id never goes stale."""
    row = tx.row(
        "insert into counter (name, value) values (?, ?) "
        "on conflict (name) do update set value = counter.value + excluded.value returning value",
        _COUNTER,
        count,
    )
    return as_int(row[0]) - count + 1 if row else 1


def insert_chunks(
    tx: Transaction, made: Sequence[NewChunk], *, slide: str, batch: str, layer: int = 0, after_number: int = 0
) -> list[int]:
    """Write chunks that nobody sees yet, and give their ids.

    Parameters
    ----------
    after_number
        Chunks whose rows have no numbers yet count on from here; publication adds to it.
    """
    ids = list(range(first := reserve_chunks(tx, len(made)), first + len(made)))
    for chunk, new in zip(ids, made, strict=True):
        low, high = new.numbers or (after_number + 1, after_number + new.size)
        after_number += new.size
        tx.run(
            "insert into chunk (id, slide, batch, layer, size, scattered, first_number, last_number, x0, y0, x1, y1, "
            "max_extent, exhaustive) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            chunk,
            slide,
            batch,
            layer,
            new.size,
            int(new.numbers is not None),
            low,
            high,
            *new.box,
            new.max_extent,
            new.exhaustive,
        )
        tx.run("insert into chunk_data (chunk, attributes, geometry, json) values (?, ?, ?, ?)", chunk, *new.parts)
        tx.run("insert into chunk_density (chunk, data) values (?, ?)", chunk, new.density)
    return ids


def place(tx: Transaction, some: Placed) -> None:
    """Write where annotations lie; whatever stood there before is forgotten."""
    # Without a tuple for each row, of which garbage collection would have to look after a million.
    cells: list[bytes | int] = [0] * (3 * len(some))
    cells[0::3] = np.ascontiguousarray(some.ids).view("V16").ravel().tolist()
    cells[1::3], cells[2::3] = some.chunks.tolist(), some.places.tolist()
    # Many rows in one statement: a third of the time.
    for start in range(0, len(cells), 3 * _PLACED_AT_ONCE):
        values = cells[start : start + 3 * _PLACED_AT_ONCE]
        rows = ", ".join(["(?, ?, ?)"] * (len(values) // 3))
        tx.run(
            f"insert into placed (id, chunk, place) values {rows} "  # noqa: S608 - constants only
            "on conflict (id) do update set chunk = excluded.chunk, place = excluded.place",
            *values,
        )


def forget_batch(tx: Transaction, batch: str) -> None:
    """Take an unpublished batch away with all that was written of it."""
    tx.run("delete from placed where chunk in (select id from chunk where batch = ? and born is null)", batch)
    tx.run("delete from chunk where batch = ? and born is null", batch)
    tx.run("delete from batch where id = ? and revision is null", batch)


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
