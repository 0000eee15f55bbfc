"""Compaction: chunks with many overridden rows, and many versions beside chunks, are written again as new chunks.

It changes no answer at any revision. What it folds at revision N is born and dies at N, without a revision of its own:
earlier states still read the old chunks and versions, and history stays in ``feature_version``.

A chunk at a time is read and encoded beside the writes, and put in its place by one transaction of some milliseconds,
so that who is killed meanwhile leaves nothing behind. What was written in between holds, not what was read.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.chunk_writer import NewChunk, Placed, insert_chunks, make_chunk, place
from pathserve.annotations.heads import IDS_AT_ONCE, INSERT_HEAD
from pathserve.annotations.hilbert import CHUNK_ROWS, cut, order_of_boxes
from pathserve.annotations.reading import read_versions
from pathserve.annotations.revisions import current_revision, lock_slide, moments
from pathserve.db import Database, Row, Transaction, as_int, as_real, now, placeholders
from pathserve.labels import Columns

_PLANNED_AT_ONCE = 16 * CHUNK_ROWS
"""Versions whose neighbourhoods are looked for together."""

_READ_AT_ONCE = 64
_PAUSE = 0.001

_MANY = 1000
_EVERY = 512


@dataclass(frozen=True, slots=True)
class CompactionRule:
    """When something is folded.

    Parameters
    ----------
    overridden
        Share of a chunk's rows that are no longer current; beyond it the chunk is written again.
    versions
        Versions of one layer that lie beside chunks; from this many on they are folded.
    """

    overridden: float = 0.03
    versions: int = 4096


@dataclass(frozen=True, slots=True)
class _Unit:
    """What shall be folded together: some chunks of a layer, or annotations with versions beside chunks.

    About as much as a chunk holds. What is current of it is asked when it is read: others may have written since.
    """

    layer: int
    chunks: tuple[ChunkRef, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Folded:
    """What a unit was at a revision: rows of chunks, and versions (id, revision), some of which took others' places.

    Parameters
    ----------
    heads
        Of annotations whose versions all lie in chunks, several of them: heads go on naming the newest one.
    """

    revision: int
    columns: tuple[Columns, ...]
    versions: tuple[tuple[str, int], ...]
    heads: tuple[Row, ...]


class _OvertakenError(Exception):
    """Somebody else has folded some of it meanwhile."""


def compact(db: Database, reader: ChunkReader, slide: str, rule: CompactionRule | None = None) -> int:
    """Fold what is due on one slide; many small transactions, between which others write. Gives how many units.

    Memory: a few chunks, and 300 bytes for each of 16,384 versions.
    """
    return sum(_fold(db, reader, slide, unit) for unit in _due(db, slide, rule or CompactionRule()))


def compact_later(db: Database, reader: ChunkReader, slide: str, revision: int, touched: int) -> None:
    """Have folded what is due after a write that touched many annotations, and after every 512th revision.

    Nobody waits for it. However fast writes come, a slide waits for it once.
    """
    if touched >= _MANY or revision % _EVERY == 0:
        db.later(f"compact {slide}", partial(compact, db, reader, slide))


def _due(db: Database, slide: str, rule: CompactionRule) -> Iterator[_Unit]:
    yield from db.read(lambda tx: _worn_chunks(tx, slide, rule))
    for layer in db.read(lambda tx: _full_layers(tx, slide, rule)):
        after: Row = ()
        while rows := db.read(partial(_loose_versions, slide=slide, layer=layer, after=after)):
            yield from _neighbourhoods(layer, rows)
            i, x0, y0, *_ = rows[-1]
            after = (x0, y0, i)


def _worn_chunks(tx: Transaction, slide: str, rule: CompactionRule) -> list[_Unit]:
    rows = tx.rows(
        "select c.id, c.layer, c.size, c.scattered, c.first_number, c.last_number, c.born, count(*) "
        "from chunk c join overridden o on o.chunk = c.id "
        "where c.slide = ? and c.born is not null and c.died is null "
        "group by c.id, c.layer, c.size, c.scattered, c.first_number, c.last_number, c.born order by c.layer, c.id",
        slide,
    )
    together = list[list[ChunkRef]]()
    for i, layer, size, scattered, first, last, born, overridden in rows:
        if as_int(overridden) <= rule.overridden * as_int(size):
            continue
        ref = ChunkRef(
            as_int(i), as_int(layer), as_int(size), bool(scattered), as_int(first), as_int(last), as_int(born)
        )
        others = together[-1] if together and together[-1][0].layer == ref.layer else []
        if others and sum(other.size for other in others) + ref.size <= CHUNK_ROWS:
            others.append(ref)  # small ones become one again
        else:
            together.append([ref])
    return [_Unit(refs[0].layer, chunks=tuple(refs)) for refs in together]


def _full_layers(tx: Transaction, slide: str, rule: CompactionRule) -> list[int]:
    counts = tx.rows(
        "select layer, count(*) from feature_version where slide = ? and until is null and deleted = 0 group by layer",
        slide,
    )
    return sorted(as_int(layer) for layer, count in counts if as_int(count) >= rule.versions)


def _loose_versions(tx: Transaction, slide: str, layer: int, after: Row) -> list[Row]:
    """List annotations with versions beside chunks from left to right: id, box."""
    further = "and (x0, y0, id) > (?, ?, ?) " if after else ""
    return tx.rows(
        "select id, x0, y0, x1, y1 from feature_version "  # noqa: S608 - constants only
        f"where slide = ? and until is null and deleted = 0 and layer = ? {further}order by x0, y0, id limit ?",
        slide,
        layer,
        *after,
        _PLANNED_AT_ONCE,
    )


def _neighbourhoods(layer: int, rows: Sequence[Row]) -> Iterator[_Unit]:
    order = order_of_boxes(np.array([[as_real(edge) for edge in row[1:]] for row in rows], np.float64))
    for some in np.array_split(order, -(-len(order) // CHUNK_ROWS)):
        yield _Unit(layer, ids=tuple(str(rows[n][0]) for n in some.tolist()))


def _fold(db: Database, reader: ChunkReader, slide: str, unit: _Unit) -> bool:
    folded = db.read(lambda tx: _read(tx, reader, slide, unit))
    if not unit.chunks and not folded.versions:
        return False
    columns = [*folded.columns, *_each_version(db, folded.versions)]
    pieces = list(cut(Columns.join(columns))) if columns else []
    made = [make_chunk(piece, scattered=True) for piece in pieces]
    try:
        db.write(lambda tx: _replace(tx, slide, unit, folded, pieces, made))
    except _OvertakenError:
        return False
    return True


def _each_version(db: Database, keys: Sequence[tuple[str, int]]) -> Iterator[Columns]:
    """Read versions, which never change, in pieces that take less than a millisecond each.

    So threads that serve others get the interpreter in between, and there is never much garbage to be looked for.
    """
    for start in range(0, len(keys), _READ_AT_ONCE):
        found = db.read(partial(read_versions, keys=keys[start : start + _READ_AT_ONCE], layer=""))
        if len(found):
            yield found
        time.sleep(_PAUSE)


def _read(tx: Transaction, reader: ChunkReader, slide: str, unit: _Unit) -> _Folded:
    revision = current_revision(tx, slide)
    columns, keys, heads = list[Columns](), _newest(tx, unit.ids), list[Row]()
    for ref, told in zip(unit.chunks, reader.columns(tx, unit.chunks, properties=True), strict=True):
        rows = tx.rows("select place from overridden where chunk = ?", ref.id)
        hidden = np.array([as_int(row) for (row,) in rows], np.int64)
        shown = np.ones(len(told), np.bool_)
        shown[hidden] = False
        if shown.any():
            columns.append(told.take(shown))
            heads += _heads(tx, slide, ref, told, shown)
        keys += _newest(tx, [str(UUID(bytes=told.ids[row].tobytes())) for row in hidden.tolist()])
    # Two chunks may both hold rows of the same annotation that are history.
    return _Folded(revision, tuple(columns), tuple(dict.fromkeys(keys)), tuple(heads))


def _heads(tx: Transaction, slide: str, ref: ChunkRef, told: Columns, shown: npt.NDArray[np.bool_]) -> list[Row]:
    """Give heads for rows of a chunk that took the place of another one where these have a version before."""
    if tx.row("select 1 from chunk where id = ? and replaces is not null", ref.id) is None:
        return []
    rows = np.flatnonzero(shown & (told.revisions != told.firsts))
    when, boxes = moments(tx, slide, told.firsts[rows].tolist()), told.boxes()
    return [
        (
            str(UUID(bytes=told.ids[row].tobytes())),
            slide,
            int(told.numbers[row]),
            ref.layer,
            int(told.revisions[row]),
            0,
            *boxes[row].tolist(),
            when[first := int(told.firsts[row])][1],
            first,
            ref.id,
            row,
        )
        for row in rows.tolist()
    ]


def _newest(tx: Transaction, ids: Sequence[str]) -> list[tuple[str, int]]:
    """Give the versions of some annotations that are current and lie beside chunks, but for deletions."""
    found = list[tuple[str, int]]()
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = ids[start : start + IDS_AT_ONCE]
        rows = tx.rows(
            "select v.id, v.revision from head h join feature_version v on v.id = h.id and v.revision = h.revision "  # noqa: S608 - placeholders only
            f"where h.deleted = 0 and v.until is null and h.id in ({placeholders(len(some))})",
            *some,
        )
        found += [(str(i), as_int(revision)) for i, revision in rows]
    return found


def _replace(
    tx: Transaction,
    slide: str,
    unit: _Unit,
    folded: _Folded,
    pieces: Sequence[Columns],
    made: Sequence[NewChunk],
) -> None:
    """Put new chunks in the place of what was folded.

    Raises
    ------
    _OvertakenError
        When somebody else has folded any of it.
    """
    revision = lock_slide(tx, slide).revision
    rows = tx.rows("select distinct id from feature_version where slide = ? and revision > ?", slide, folded.revision)
    touched = {str(i) for (i,) in rows}
    _end(tx, unit, folded, revision, touched)
    tx.run_many(f"{INSERT_HEAD} on conflict do nothing", folded.heads)
    batch = uuid4().hex
    tx.run("insert into batch values (?, ?, ?, ?, ?)", batch, slide, unit.layer, revision, now())
    chunks = insert_chunks(tx, made, slide=slide, batch=batch, layer=unit.layer)
    tx.run("update chunk set born = ? where batch = ?", revision, batch)
    changed = {UUID(i).bytes for i in touched}
    for chunk, columns in zip(chunks, pieces, strict=True):
        # What was written since the rows were read holds, not what was read; it may lie in another chunk by now.
        holds = np.array([i.tobytes() not in changed for i in columns.ids], np.bool_)
        place(tx, Placed.of(columns.ids, chunk).part(np.flatnonzero(holds)).in_order())
        tx.run_many(
            "insert into overridden (chunk, place, revision) values (?, ?, ?)",
            ((chunk, row, revision) for row in np.flatnonzero(~holds).tolist()),
        )


def _end(tx: Transaction, unit: _Unit, folded: _Folded, revision: int, touched: set[str]) -> None:
    """Make what was folded history, but for what was written since: that is history already."""
    refs = [ref.id for ref in unit.chunks]
    ended = tx.run(
        f"update chunk set died = ? where died is null and id in ({placeholders(len(refs))})",  # noqa: S608 - placeholders only
        revision,
        *refs,
    )
    if ended != len(refs):
        raise _OvertakenError
    ids = [i for i, _ in folded.versions if i not in touched]
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = ids[start : start + IDS_AT_ONCE]
        ended = tx.run(
            f"update feature_version set until = ? where until is null and id in ({placeholders(len(some))})",  # noqa: S608 - placeholders only
            revision,
            *some,
        )
        if ended != len(some):
            raise _OvertakenError
