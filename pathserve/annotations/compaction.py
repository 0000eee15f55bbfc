"""Compaction: chunks with many overridden rows, and many versions beside chunks, are written again as new chunks.

It changes no answer at any revision. What it folds at revision N is born and dies at N, without a revision of its own:
earlier states still read the old chunks and versions, and history stays in ``feature_version``.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID, uuid4

import numpy as np

from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.chunk_writer import NewChunk, Placed, insert_chunks, make_chunk, place
from pathserve.annotations.heads import IDS_AT_ONCE
from pathserve.annotations.hilbert import cut
from pathserve.annotations.reading import read_versions
from pathserve.annotations.revisions import current_revision, lock_slide
from pathserve.db import Database, Transaction, as_int, now, placeholders
from pathserve.errors import Busy
from pathserve.labels import Columns

# Others wait while a unit is put in its place: 20 us for each row.
_CHUNKS_AT_ONCE = 8
_VERSIONS_AT_ONCE = 8 * 1024
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
    """What is folded together: some chunks of a layer, or some versions (id, revision) that lie beside chunks."""

    layer: int
    chunks: tuple[ChunkRef, ...] = ()
    versions: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Folded:
    """The rows of a unit as they were at a revision, and the versions among them."""

    revision: int
    columns: tuple[Columns, ...]
    versions: tuple[tuple[str, int], ...]


def compact(db: Database, reader: ChunkReader, slide: str, rule: CompactionRule | None = None) -> int:
    """Fold what is due on one slide; many small transactions, between which others write. Gives how many units.

    Memory: 8 chunks at a time.
    """
    rule = rule or CompactionRule()
    units = db.read(lambda tx: [*_worn_chunks(tx, slide, rule), *_loose_versions(tx, slide, rule)])
    return sum(_fold(db, reader, slide, unit) for unit in units)


def tidy(db: Database, reader: ChunkReader, slide: str, revision: int, touched: int) -> None:
    """Fold what is due after a write that touched many annotations, and after every 512th revision.

    The write is done by then: should others keep the database busy, a later one folds.
    """
    if touched >= _MANY or revision % _EVERY == 0:
        with suppress(Busy):
            compact(db, reader, slide)


def _worn_chunks(tx: Transaction, slide: str, rule: CompactionRule) -> list[_Unit]:
    rows = tx.rows(
        "select c.id, c.layer, c.size, c.scattered, c.first_number, c.last_number, c.born, count(*) "
        "from chunk c join overridden o on o.chunk = c.id "
        "where c.slide = ? and c.born is not null and c.died is null "
        "group by c.id, c.layer, c.size, c.scattered, c.first_number, c.last_number, c.born order by c.layer, c.id",
        slide,
    )
    by_layer = dict[int, list[ChunkRef]]()
    for i, layer, size, scattered, first, last, born, overridden in rows:
        if as_int(overridden) > rule.overridden * as_int(size):
            ref = ChunkRef(
                as_int(i), as_int(layer), as_int(size), bool(scattered), as_int(first), as_int(last), as_int(born)
            )
            by_layer.setdefault(ref.layer, []).append(ref)
    return [
        _Unit(layer, chunks=tuple(refs[start : start + _CHUNKS_AT_ONCE]))
        for layer, refs in by_layer.items()
        for start in range(0, len(refs), _CHUNKS_AT_ONCE)
    ]


def _loose_versions(tx: Transaction, slide: str, rule: CompactionRule) -> list[_Unit]:
    counts = tx.rows(
        "select layer, count(*) from feature_version where slide = ? and until is null and deleted = 0 group by layer",
        slide,
    )
    units = list[_Unit]()
    for layer in [as_int(layer) for layer, count in counts if as_int(count) >= rule.versions]:
        rows = tx.rows(
            "select id, revision from feature_version "
            "where slide = ? and until is null and deleted = 0 and layer = ? order by x0, y0, id",
            slide,
            layer,
        )
        keys = tuple((str(i), as_int(revision)) for i, revision in rows)
        units += [
            _Unit(layer, versions=keys[start : start + _VERSIONS_AT_ONCE])
            for start in range(0, len(keys), _VERSIONS_AT_ONCE)
        ]
    return units


def _fold(db: Database, reader: ChunkReader, slide: str, unit: _Unit) -> bool:
    folded = db.read(lambda tx: _read(tx, reader, slide, unit))
    pieces = list(cut(Columns.join(folded.columns))) if folded.columns else []
    made = [make_chunk(piece, scattered=True) for piece in pieces]
    return db.write(lambda tx: _replace(tx, slide, unit, folded, pieces, made))


def _read(tx: Transaction, reader: ChunkReader, slide: str, unit: _Unit) -> _Folded:
    revision = current_revision(tx, slide)
    columns, keys = list[Columns](), list[tuple[str, int]](unit.versions)
    for ref, told in zip(unit.chunks, reader.columns(tx, unit.chunks, properties=True), strict=True):
        rows = tx.rows("select place from overridden where chunk = ?", ref.id)
        hidden = np.array([as_int(row) for (row,) in rows], np.int64)
        shown = np.ones(len(told), np.bool_)
        shown[hidden] = False
        if shown.any():
            columns.append(told.take(shown))
        keys += _newest(tx, [UUID(bytes=told.ids[row].tobytes()) for row in hidden.tolist()])
    # Two chunks may both hold rows of the same annotation that are history.
    keys = list(dict.fromkeys(keys))
    for start in range(0, len(keys), IDS_AT_ONCE):
        some = read_versions(tx, keys[start : start + IDS_AT_ONCE], layer="")
        if len(some):
            columns.append(some)
    return _Folded(revision, tuple(columns), tuple(keys))


def _newest(tx: Transaction, ids: Sequence[UUID]) -> list[tuple[str, int]]:
    """Give the versions that took the places of some rows, but for those that are deletions."""
    found = list[tuple[str, int]]()
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = ids[start : start + IDS_AT_ONCE]
        rows = tx.rows(
            "select v.id, v.revision from head h join feature_version v on v.id = h.id and v.revision = h.revision "  # noqa: S608 - placeholders only
            f"where h.deleted = 0 and v.until is null and h.id in ({placeholders(len(some))})",
            *map(str, some),
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
) -> bool:
    """Put new chunks in the place of what was folded; False when somebody else has folded any of it."""
    revision = lock_slide(tx, slide).revision
    touched = {
        UUID(str(i)).bytes
        for (i,) in tx.rows(
            "select distinct id from feature_version where slide = ? and revision > ?", slide, folded.revision
        )
    }
    if not _is_unfolded(tx, unit, folded, touched):
        return False
    for ref in unit.chunks:
        tx.run("update chunk set died = ? where id = ?", revision, ref.id)
    tx.run_many(
        "update feature_version set until = ? where id = ? and revision = ? and until is null",
        ((revision, i, version) for i, version in folded.versions),
    )
    batch = uuid4().hex
    tx.run("insert into batch values (?, ?, ?, ?, ?)", batch, slide, unit.layer, revision, now())
    chunks = insert_chunks(tx, made, slide=slide, batch=batch, layer=unit.layer)
    tx.run("update chunk set born = ? where batch = ?", revision, batch)
    for chunk, columns in zip(chunks, pieces, strict=True):
        place(tx, Placed.of(columns.ids, chunk))
        # What was written since the rows were read holds, not what was read.
        tx.run_many(
            "insert into overridden (chunk, place, revision) values (?, ?, ?)",
            ((chunk, row, revision) for row, i in enumerate(columns.ids) if i.tobytes() in touched),
        )
    return True


def _is_unfolded(tx: Transaction, unit: _Unit, folded: _Folded, touched: set[bytes]) -> bool:
    for ref in unit.chunks:
        if tx.row("select 1 from chunk where id = ? and died is null", ref.id) is None:
            return False
    for i, version in folded.versions:
        row = tx.row("select until from feature_version where id = ? and revision = ?", i, version)
        if row is None or (row[0] is not None and UUID(i).bytes not in touched):
            return False
    return True
