"""Replacing many rows of a chunk at once: it is written anew beside it, row by row in the same places, and takes over.

Writing takes small transactions and changes no answer. Taking over is a few statements about chunks, however many rows
they have: that is why rows keep their places, and the table `successor` says for a while what `placed` does not say
yet. The chunk before ends and stays: it holds the versions before, and `heads.each_version` goes back to it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.chunk_writer import NewChunk, insert_chunks, make_chunk
from pathserve.annotations.heads import IDS_AT_ONCE, PlacedRows, find_placed_rows, rows_with_heads
from pathserve.annotations.hilbert import CHUNK_ROWS
from pathserve.annotations.known_rows import id_list
from pathserve.annotations.revisions import NAMED_IDS, Box, Replaced, current_revision
from pathserve.db import Database, Row, Transaction, as_int, placeholders
from pathserve.errors import Corrupt, NotFound
from pathserve.labels import Columns

Rows = npt.NDArray[np.int64]

FEWEST_ROWS = 16
"""Of fewer rows that are replaced it is not worth to write a chunk of about 1,024 anew."""

_HELD_ROWS = 64 * CHUNK_ROWS
_WRITTEN_AT_ONCE = 16
_SETTLED_AT_ONCE = 256
_MOVED_AT_ONCE = 4096

_NEW = "from chunk n where n.batch = ? and n.replaces is not null"


@dataclass(slots=True)
class _Waiting:
    """Rows that replace some of a chunk, and their places in it."""

    ref: ChunkRef
    columns: list[Columns] = field(default_factory=list)
    places: list[Rows] = field(default_factory=list)
    count: int = 0


@dataclass(frozen=True, slots=True)
class _Unit:
    """A chunk made ready to take the place of another: which of its rows say something new, and the box of these."""

    layer: int
    new: NewChunk
    places: Rows
    ids: npt.NDArray[np.uint8]
    box: Box


class OvertakenError(Exception):
    """Others were faster; what they touched is named by the chunks written anew.

    Parameters
    ----------
    gone
        Of which the chunk before has ended, or has rows that are about to be edited.
    edited
        Of which rows were edited, and their places.
    """

    def __init__(self, gone: set[int], edited: dict[int, set[int]]) -> None:
        super().__init__()
        self.gone, self.edited = gone, edited


class Successors:
    """The chunks that one import writes anew; for one thread.

    Memory: 24 bytes for each row, and 65,536 rows that wait for others of their chunks.

    Parameters
    ----------
    go_on
        Called first in each transaction; refuses when the import shall not go on.
    """

    def __init__(
        self, db: Database, reader: ChunkReader, slide: str, batch: str, go_on: Callable[[Transaction], object]
    ) -> None:
        self._db, self._reader, self._slide, self._batch, self._go_on = db, reader, slide, batch, go_on
        self._seen, self._adopted = 0, dict[int, int]()
        self._units = dict[int, _Unit]()
        self._ready = list[tuple[int, _Unit]]()

    def lay(self, rows: Callable[[], Iterable[Columns]]) -> Iterator[Columns]:
        """Write chunks anew, and give the rows that lie in none of these.

        Parameters
        ----------
        rows
            Gives all rows, each id once, neighbours together; called twice.
        """
        # Whatever is edited after this is looked for in the end; what was edited before has a head.
        self._seen = self._db.read(lambda tx: current_revision(tx, self._slide))
        left = dict[int, int]()
        for columns in rows():
            for group in self._groups(columns):
                left[group.ref.id] = left.get(group.ref.id, 0) + len(group.rows)
        left = {chunk: count for chunk, count in left.items() if count >= FEWEST_ROWS}
        if not left:
            yield from rows()
            return
        self._adopted = self._db.read(partial(_adopted, chunks=list(left)))
        waiting = dict[int, _Waiting]()
        for columns in rows():
            yield columns.take(self._take(columns, left, waiting))
            while sum(some.count for some in waiting.values()) > _HELD_ROWS:
                # The rows that are still to come of this one come alone.
                fullest = max(waiting, key=lambda chunk: waiting[chunk].count)
                left.pop(fullest, None)
                self._make(waiting.pop(fullest))
        for some in waiting.values():
            self._make(some)
        self._write()

    def _take(self, columns: Columns, left: dict[int, int], waiting: dict[int, _Waiting]) -> Rows:
        """Take the rows of chunks that are written anew; gives all others."""
        alone: npt.NDArray[np.bool_] = np.ones(len(columns), np.bool_)
        for group in self._groups(columns):
            chunk = group.ref.id
            if chunk in left:
                alone[group.rows] = False
                some = waiting.setdefault(chunk, _Waiting(group.ref))
                some.columns.append(columns.take(group.rows))
                some.places.append(group.places)
                some.count += len(group.rows)
                left[chunk] -= len(group.rows)
                if left[chunk] <= 0:
                    self._make(waiting.pop(chunk))
        return np.flatnonzero(alone)

    def _groups(self, columns: Columns) -> list[PlacedRows]:
        """Find which rows lie in chunks alone, by chunk; those with a head have versions."""

        def work(tx: Transaction) -> list[PlacedRows]:
            others = np.setdiff1d(np.arange(len(columns)), rows_with_heads(tx, columns.ids))
            found = find_placed_rows(tx, columns.ids[others])
            return [replace(group, rows=others[group.rows]) for group in found if group.slide == self._slide]

        return self._db.read(work)

    def _make(self, some: _Waiting) -> None:
        (unread,) = self._db.read(partial(self._reader.unread, refs=[some.ref]))
        old = unread.columns(unread.attributes(), layer="")
        new = replace(Columns.join(some.columns), layer=old.layer)
        places = np.concatenate(some.places)
        rows = np.arange(len(old))
        rows[places] = len(old) + np.arange(len(new))
        revisions = old.revisions.copy()
        revisions[places] = 0  # that of the publication
        columns = replace(
            Columns.join([old, new]).take(rows), numbers=old.numbers, revisions=revisions, firsts=old.firsts
        )
        boxes = np.concatenate((old.boxes()[places], new.boxes()))
        x0, y0 = boxes[:, :2].min(axis=0).tolist()
        x1, y1 = boxes[:, 2:].max(axis=0).tolist()
        unit = _Unit(some.ref.layer, make_chunk(columns, scattered=True), places, new.ids, (x0, y0, x1, y1))
        self._ready.append((some.ref.id, unit))
        if len(self._ready) == _WRITTEN_AT_ONCE:
            self._write()

    def _write(self) -> None:
        """Write what is ready, so that nobody sees it."""

        def work(tx: Transaction) -> dict[int, _Unit]:
            self._go_on(tx)
            written = dict[int, _Unit]()
            for old, unit in self._ready:
                (chunk,) = insert_chunks(tx, [unit.new], slide=self._slide, batch=self._batch, layer=unit.layer)
                facts = old, self._adopted[old]
                tx.run("update chunk set replaces = ?, adopted = ? where id = ?", *facts, chunk)
                written[chunk] = replace(unit, new=replace(unit.new, parts=(b"", b"", b""), density=b""))
            return written

        if self._ready:
            self._units |= self._db.write(work)
            self._ready = []

    def take_over(self, tx: Transaction, revision: int) -> list[Replaced]:
        """Put all chunks in their places, as part of a revision; tells what is replaced.

        Raises
        ------
        OvertakenError
            When some cannot, as somebody has written meanwhile.
        """
        if not self._units:
            return []
        self._refuse_overtaken(tx)
        tx.run(f"update chunk set died = ? where id in (select n.replaces {_NEW})", revision, self._batch)  # noqa: S608 - constants only
        tx.run("update chunk set born = ? where batch = ? and replaces is not null", revision, self._batch)
        # What an earlier import has put in the place of another is not everywhere noted yet.
        tx.run(
            f"update successor set next = (select n.id {_NEW} and n.replaces = successor.next) "  # noqa: S608 - constants only
            f"where next in (select n.replaces {_NEW})",
            self._batch,
            self._batch,
        )
        tx.run(f"insert into successor (chunk, next) select n.replaces, n.id {_NEW}", self._batch)
        tx.run(
            "insert into overridden (chunk, place, revision) select n.id, o.place, o.revision from chunk n "
            "join overridden o on o.chunk = n.replaces where n.batch = ?",
            self._batch,
        )
        units = [unit for unit in self._units.values() if len(unit.places)]
        are_few = sum(len(unit.places) for unit in units) <= NAMED_IDS
        return [
            Replaced(unit.layer, len(unit.places), tuple(id_list(unit.ids)) if are_few else (), unit.box)
            for unit in units
        ]

    def _refuse_overtaken(self, tx: Transaction) -> None:
        gone = tx.rows(
            "select n.id from chunk n join chunk o on o.id = n.replaces where n.batch = ? "
            "and (o.died is not null or o.adopted <> n.adopted)",
            self._batch,
        )
        edited = dict[int, set[int]]()
        for new, row in tx.rows(
            "select n.id, o.place from chunk n join overridden o on o.chunk = n.replaces where n.batch = ? "
            "and o.revision > ?",
            self._batch,
            self._seen,
        ):
            if as_int(row) in self._units[as_int(new)].places:
                edited.setdefault(as_int(new), set()).add(as_int(row))
        if gone or edited:
            raise OvertakenError({as_int(new) for (new,) in gone}, edited)

    def withdraw(self, overtaken: OvertakenError) -> Iterator[Columns]:
        """Give the rows that were overtaken, and let go of them."""
        for chunk in {*overtaken.gone, *overtaken.edited}:
            unit = self._units[chunk]
            low, high = unit.new.numbers or (0, 0)
            ref = ChunkRef(chunk, unit.layer, unit.new.size, True, low, high, 0)
            (unread,) = self._db.read(partial(self._reader.unread, refs=[ref]))
            columns = unread.columns(unread.attributes(), layer="")
            if chunk in overtaken.gone:
                rows = unit.places
                self._db.write(partial(self._forget, chunk=chunk))
                del self._units[chunk]
            else:
                rows = np.array(sorted(overtaken.edited[chunk]), np.int64)
                kept = ~np.isin(unit.places, rows)
                self._units[chunk] = replace(unit, places=unit.places[kept], ids=unit.ids[kept])
            yield columns.take(rows)

    def _forget(self, tx: Transaction, chunk: int) -> None:
        self._go_on(tx)
        tx.run("delete from chunk where id = ? and born is null", chunk)


def _adopted(tx: Transaction, chunks: list[int]) -> dict[int, int]:
    found = dict[int, int]()
    for start in range(0, len(chunks), IDS_AT_ONCE):
        some = chunks[start : start + IDS_AT_ONCE]
        rows = tx.rows(f"select id, adopted from chunk where id in ({placeholders(len(some))})", *some)  # noqa: S608 - placeholders only
        found |= {as_int(chunk): as_int(adopted) for chunk, adopted in rows}
    return found


def settle_places(db: Database, reader: ChunkReader) -> None:
    """Note where annotations lie whose chunks have successors, some at a time; changes no answer.

    Those of chunks that cannot be read, or are gone with their slide meanwhile, stay as they are: they concern nobody
    else.
    """
    after = -1

    def some(tx: Transaction) -> list[Row]:
        return tx.rows(
            "select s.chunk, c.id, c.layer, c.size, c.scattered, c.first_number, c.last_number, c.born "
            "from successor s join chunk c on c.id = s.next where s.chunk > ? order by s.chunk limit ?",
            after,
            _SETTLED_AT_ONCE,
        )

    while rows := db.read(some):
        after = as_int(rows[-1][0])
        moves, ended = list[tuple[bytes, Row]](), list[Row]()
        for old, chunk, layer, size, scattered, *numbers in rows:
            low, high, born = map(as_int, numbers)
            ref = ChunkRef(as_int(chunk), as_int(layer), as_int(size), bool(scattered), low, high, born)
            with suppress(Corrupt, NotFound):
                (told,) = db.read(partial(reader.attributes, refs=[ref]))
                moves += [(i, (chunk, i, old)) for i in map(bytes, told.ids)]
                ended.append((old, chunk))
        moves.sort()  # neighbours in the table are written together
        for start in range(0, len(moves), _MOVED_AT_ONCE):
            part = [move for _, move in moves[start : start + _MOVED_AT_ONCE]]
            db.write(partial(_run_many, sql="update placed set chunk = ? where id = ? and chunk = ?", rows=part))
        # Another import may have put one more in the place of some since.
        db.write(partial(_run_many, sql="delete from successor where chunk = ? and next = ?", rows=ended))


def _run_many(tx: Transaction, sql: str, rows: list[Row]) -> None:
    tx.run_many(sql, rows)
