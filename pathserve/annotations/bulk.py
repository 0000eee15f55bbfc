"""Writing many annotations as chunks: all of them become visible at once, or none.

What comes in is held in a `Spool`. Publishing writes chunks that nobody sees, in small transactions, and then makes
them visible in a tiny one. What was left over by somebody who stopped in between is swept (`sweep_unpublished`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Literal
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_reader import ChunkReader
from pathserve.annotations.chunk_writer import NewChunk, Placed, Placing, forget_batch, insert_chunks, make_chunk, place
from pathserve.annotations.compaction import compact_later
from pathserve.annotations.differences import Difference, Standing
from pathserve.annotations.digests import row_digests
from pathserve.annotations.heads import find_heads, find_places, release_unpublished
from pathserve.annotations.import_ids import ImportIds
from pathserve.annotations.known_rows import (
    Differences,
    compare_stored,
    fresh_ids,
    id_list,
    is_nothing_stored,
    repeats,
    rounds,
)
from pathserve.annotations.layers import LayerKind, ensure_layer, layers_at, require_layer_name
from pathserve.annotations.records import Records
from pathserve.annotations.replacements import LAID_AT_ONCE, clear_replaced, lay_ready, take_over
from pathserve.annotations.revisions import (
    Box,
    begin_revision,
    current_revision,
    lock_slide,
    note_change,
    note_replaced,
    reserve_numbers,
    union_of,
)
from pathserve.annotations.schema import ensure_classes, read_schema
from pathserve.annotations.spool import Spool
from pathserve.annotations.successors import OvertakenError, Successors, settle_places
from pathserve.db import Database, Transaction, as_int, now
from pathserve.errors import Conflict, NotFound, TooLarge
from pathserve.labels import MAX_CLASSES, CodedTerm, Color, Columns, require_name

OnConflict = Literal["report", "replace"]
Rows = npt.NDArray[np.int64]

_CHUNKS_AT_ONCE = 16
_IDS_AT_ONCE = 20_000
_STALE = timedelta(hours=1)
"""An import that has not written anything for this long does not go on."""


@dataclass(frozen=True, slots=True)
class BulkAdded:
    """What became of some rows; every index is into these rows.

    Parameters
    ----------
    ids
        (N, 16) uint8: the id of each row; all zero where it was refused.
    known
        Rows whose id is there already with the same content: nothing is new about them.
    conflicts
        Rows whose id is there with other content, or is taken by another slide: they were refused. With ``replace``
        only those are here that could not replace anything.
    replaced
        Rows that become the next version of what is there.
    differences
        `Difference` of each of the ``conflicts``.
    """

    ids: npt.NDArray[np.uint8]
    known: Rows
    conflicts: Rows
    replaced: Rows
    differences: Differences


class BulkWriter:
    """Adds many annotations to one layer as one revision; for one thread.

    Memory: 11 to 22 bytes for each row, and 150 MB; the rows lie in files. With rows that take the place of others 100
    MB more, and 24 bytes for each of these. Use it as a context manager: leaving it without `publish` forgets
    everything.
    """

    def __init__(
        self,
        db: Database,
        reader: ChunkReader,
        slide: str,
        *,
        layer: str,
        author: str,
        kind: LayerKind = "imported",
        spool: Path | None = None,
    ) -> None:
        self._db, self._reader = db, reader
        self._slide, self._layer, self._author, self._kind = slide, require_layer_name(layer), author, kind
        row = db.read(lambda tx: tx.row("select project, width, height from slide where id = ?", slide))
        if row is None:
            raise NotFound("There is no such slide.")
        self._project = str(row[0])
        side = float(max(as_int(row[1]), as_int(row[2])))
        self._batch = uuid4().hex
        self._fresh, self._next = Spool(side, spool), Spool(side, spool)
        self._ids, self._placing = ImportIds(spool), Placing(spool)
        self._successors = Successors(db, reader, slide, self._batch, self._go_on)
        self._classes: dict[str, Color | None] = {}
        self._codes: dict[str, CodedTerm] = {}
        self._known_layers = Counter[int]()
        self._written = False
        self._seen = db.read(state_of_all)

    def __enter__(self) -> "BulkWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for held in (self._fresh, self._next, self._ids, self._placing):
            held.close()
        if self._written:
            self._db.write(lambda tx: forget_batch(tx, self._batch))
            self._written = False

    def add(
        self,
        columns: Columns,
        *,
        on_conflict: OnConflict = "report",
        colors: Mapping[str, Color] | None = None,
        codes: Mapping[str, CodedTerm] | None = None,
    ) -> BulkAdded:
        """Take some rows, which have passed the geometry gate.

        Parameters
        ----------
        columns
            Rows whose id is all zero get one. Numbers and revisions are not looked at.
        on_conflict
            What happens to rows whose id is there with other content. Of rows with one id the first has it.
        colors, codes
            Colours of classes that the schema does not have yet, and what they mean in a terminology.

        Raises
        ------
        TooLarge
            When the schema would pass 254 classes.
        Invalid
            When the name of a class breaks the rules.
        """
        self._take_classes(columns, colors or {})
        self._codes.update(codes or {})
        replaces, zero = on_conflict == "replace", np.zeros(len(columns), np.int64)
        ids = columns.ids.copy()
        given = columns.identified()
        ids[~given] = fresh_ids(int((~given).sum()))
        columns = replace(columns, ids=ids, numbers=zero, revisions=zero, firsts=zero)
        told = columns if given.all() else columns.take(given)
        digests = row_digests(told)
        met = self._ids.compare(told.ids, digests)
        standing, differing = self._standing(told, met)
        # What is there already takes its id too where something could replace it later.
        taking = (standing != Standing.TAKEN) & (met == Standing.NEW) if replaces else standing == Standing.NEW
        again = repeats(told.ids, digests, taking)
        standing = np.where(again == Standing.NEW, standing, again)
        differing[again == Standing.TAKEN] = Difference.REPEATED
        of = {code: np.flatnonzero(given)[standing == code] for code in Standing}
        replaced, conflicts = of[Standing.CHANGED], of[Standing.TAKEN]
        if not replaces:
            conflicts, replaced = np.sort(np.concatenate((conflicts, replaced))), replaced[:0]
        new: npt.NDArray[np.bool_] = np.ones(len(columns), np.bool_)
        new[of[Standing.KNOWN]] = new[conflicts] = new[replaced] = False
        taking &= again == Standing.NEW
        if taking.any():
            self._ids.add(told.ids[taking], digests[taking])
        self._next.add(columns.take(replaced))
        self._fresh.add(columns if new.all() else columns.take(new))
        ids = ids.copy()
        ids[conflicts] = 0
        differences = differing[np.searchsorted(np.flatnonzero(given), conflicts)]
        return BulkAdded(ids, of[Standing.KNOWN], conflicts, replaced, differences)

    def known_elsewhere(self) -> dict[str, int]:
        """Count the rows that are known in other layers than this one, by the layer's name."""
        if not self._known_layers:
            return {}
        layers = self._db.read(lambda tx: layers_at(tx, self._slide, current_revision(tx, self._slide)))
        counts = {layers[i].layer.name: many for i, many in self._known_layers.items() if i in layers}
        return {name: counts[name] for name in sorted(counts) if name != self._layer}

    def publish(self, progress: Callable[[int], object] | None = None) -> int:
        """Make everything visible as one revision and give its number; nothing new is no revision.

        Parameters
        ----------
        progress
            Told how many rows have been written so far.

        Raises
        ------
        Conflict
            When somebody else wrote annotations of the same ids meanwhile; nothing is written then.
        """
        if not len(self._fresh) and not len(self._next):
            return self._db.read(lambda tx: current_revision(tx, self._slide))
        self._ids.close()  # nobody asks any more
        self._db.write(self._begin)
        self._written = True
        touched = self._write_chunks(progress or (lambda _: None))
        for columns in self._successors.lay(self._next.chunks):
            self._lay_ready(columns)
        while (revision := self._publish(touched)) is None:
            pass
        self._written = False
        clear_replaced(self._db)
        settle_places(self._db, self._reader)
        compact_later(self._db, self._reader, self._slide, revision, len(self._next))
        return revision

    def _take_classes(self, columns: Columns, colors: Mapping[str, Color]) -> None:
        used = np.flatnonzero(np.bincount(columns.classes + 1)[1:])  # without sorting them
        names = [columns.class_names[index] for index in used.tolist()]
        for name in names:
            self._classes[name] = self._classes.get(name) or colors.get(name)
        if names:
            for name in names:
                require_name(name, "class name")
            schema = self._db.read(lambda tx: read_schema(tx, self._project))
            if len({c.name for c in schema} | set(self._classes)) > MAX_CLASSES:
                raise TooLarge(f"A project has at most {MAX_CLASSES} classes.")

    def _standing(self, told: Columns, met: npt.NDArray[np.int8]) -> tuple[npt.NDArray[np.int8], Differences]:
        """Say what is there under each id, and in what it differs; ``met`` are the ids of this import so far."""
        standing = met.copy()
        differing = np.where(standing == Standing.TAKEN, Difference.REPEATED, 0).astype(np.uint8)
        if self._db.read(is_nothing_stored):
            return standing, differing
        asked = np.flatnonzero(standing == Standing.NEW)
        for turn in rounds(told.ids[asked]):
            for start in range(0, len(turn), _IDS_AT_ONCE):
                rows = asked[turn[start : start + _IDS_AT_ONCE]]
                some = told.take(rows)
                standing[rows], layers, differing[rows] = self._db.read(
                    partial(compare_stored, reader=self._reader, slide=self._slide, columns=some)
                )
                self._known_layers.update(layers[standing[rows] == Standing.KNOWN].tolist())
        return standing, differing

    def _lay_ready(self, columns: Columns) -> None:
        def work(tx: Transaction, some: Columns) -> None:
            self._go_on(tx)
            lay_ready(tx, self._reader, self._batch, self._slide, some)

        for start in range(0, len(columns), LAID_AT_ONCE):
            rows = np.arange(start, min(start + LAID_AT_ONCE, len(columns)))
            self._db.write(partial(work, some=columns.take(rows)))

    def _begin(self, tx: Transaction) -> None:
        lock_slide(tx, self._slide)
        tx.run("insert into batch (id, slide, layer, touched) values (?, ?, 0, ?)", self._batch, self._slide, now())

    def _write_chunks(self, progress: Callable[[int], object]) -> Box | None:
        """Write all chunks and where each id lies, invisibly; gives the box of all."""
        boxes, done = list[Box](), 0
        for several in _in_groups(self._fresh.neighbours(), _CHUNKS_AT_ONCE):
            made = [make_chunk(rows) for rows in several]
            chunks = self._db.write(partial(self._insert, made=made, after_number=done))
            for new, chunk in zip(made, chunks, strict=True):
                self._placing.add(new.ids, chunk)
            boxes = [union_of([*boxes, *(new.box for new in made)])]
            done += sum(map(len, several))
            progress(done)
        if not boxes:
            return None
        for some in self._placing.parts(_IDS_AT_ONCE):
            self._db.write(partial(self._place, some=some))
        return boxes[0]

    def _insert(self, tx: Transaction, made: Sequence[NewChunk], after_number: int) -> list[int]:
        self._go_on(tx)
        return insert_chunks(tx, made, slide=self._slide, batch=self._batch, after_number=after_number)

    def _place(self, tx: Transaction, some: Placed) -> None:
        self._go_on(tx)
        ids = id_list(some.ids) if self._is_contested(tx) else []
        if find_heads(tx, ids) or find_places(tx, ids):
            raise _taken()
        release_unpublished(tx, ids, but=self._batch)
        place(tx, some)

    def _is_contested(self, tx: Transaction) -> bool:
        """Tell whether anybody has written since the ids were looked up, or is about to."""
        others = tx.row("select 1 from batch where revision is null and id <> ? limit 1", self._batch)
        return others is not None or state_of_all(tx) != self._seen

    def _go_on(self, tx: Transaction) -> None:
        """Refuse when somebody has taken ids of this import, or swept it as forgotten."""
        if not tx.run("update batch set touched = ? where id = ? and revision is null", now(), self._batch):
            raise _taken()

    def _publish(self, box: Box | None) -> int | None:
        """Publish all; None when others were faster: what they have written has to be looked at first."""
        try:
            return self._db.write(lambda tx: self._make_visible(tx, box))
        except OvertakenError as overtaken:
            for columns in self._successors.withdraw(overtaken):
                self._lay_ready(columns)
            return None

    def _make_visible(self, tx: Transaction, box: Box | None) -> int:
        self._go_on(tx)
        lock_slide(tx, self._slide)
        ensure_classes(tx, self._project, self._classes.items(), codes=self._codes, author=self._author)
        at = now()
        layer = ensure_layer(tx, self._slide, self._layer, author=self._author, kind=self._kind, at=at).id
        revision = begin_revision(tx, self._slide, self._author, at)
        if box is not None:
            number = reserve_numbers(tx, self._slide, len(self._fresh))
            tx.run(
                "update chunk set layer = ?, born = ?, first_number = first_number + ?, last_number = last_number + ? "
                "where batch = ? and replaces is null",
                layer,
                revision,
                number - 1,
                number - 1,
                self._batch,
            )
            note_change(tx, self._slide, revision, layer, "imported", count=len(self._fresh), box=box)
        if len(self._next):
            replaced = self._successors.take_over(tx, revision)
            replaced += take_over(tx, self._batch, revision, author=self._author, at=at)
            note_replaced(tx, self._slide, revision, replaced)
        tx.run("update batch set layer = ?, revision = ? where id = ?", layer, revision, self._batch)
        return revision


def sweep_unpublished(db: Database, *, age: timedelta = _STALE) -> int:
    """Take away what imports have left behind that were stopped before they were published, and say how many.

    Parameters
    ----------
    age
        An import that has written something since then may still go on.
    """
    before = (datetime.now(UTC) - age).isoformat(timespec="milliseconds")

    def work(tx: Transaction) -> int:
        left = tx.rows("select id from batch where revision is null and touched <= ?", before)
        # A batch whose ids somebody else took has no row any more.
        left += tx.rows(
            "select distinct c.batch from chunk c left join batch b on b.id = c.batch "
            "where c.born is null and b.id is null"
        )
        for (batch,) in left:
            forget_batch(tx, str(batch))
        return len(left)

    swept = db.write(work)
    clear_replaced(db)
    settle_places(db, ChunkReader())
    return swept


def _in_groups(columns: Iterator[Columns | Records], count: int) -> Iterator[list[Columns | Records]]:
    while some := list(islice(columns, count)):
        yield some


def state_of_all(tx: Transaction) -> str:
    """Give a text that changes with every revision of every slide."""
    return str(tx.row("select count(*), coalesce(sum(revision), 0) from slide"))


def _taken() -> Conflict:
    return Conflict("Somebody else wrote annotations of the same ids meanwhile; import again.")
