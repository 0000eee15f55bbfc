"""Replacing annotations by one import: what they will say is laid ready beside them, and then takes over.

Laying ready takes small transactions, between which others write, and changes no answer. Taking over is a few
statements about rows that are all there, so others wait for a fraction of what writing the rows takes. Where many lie
together in a chunk, `successors` takes less.
"""

from uuid import UUID

from pathserve.annotations.chunk_reader import ChunkReader
from pathserve.annotations.heads import adopt
from pathserve.annotations.known_rows import id_list
from pathserve.annotations.revisions import NAMED_IDS, Replaced
from pathserve.annotations.rows import content_of_row
from pathserve.db import Database, Row, Transaction, as_int, as_real
from pathserve.labels import Columns

LAID_AT_ONCE = 500
"""Annotations that one transaction lays ready."""

_CLEARED_AT_ONCE = 2000

_CONTENT = "x0, y0, x1, y1, class, state, score, exhaustive, geometry, properties, drawn"
_DONE = "(select id from batch where revision is not null)"
_OF_BATCH = "(select id from replacement where batch = ?)"


def lay_ready(tx: Transaction, reader: ChunkReader, batch: str, slide: str, columns: Columns) -> None:
    """Lay some rows ready, at most `LAID_AT_ONCE`; those whose id is no longer on this slide are left out."""
    ids = id_list(columns.ids)
    heads = adopt(tx, reader, ids)
    tx.run_many(
        f"insert into replacement (batch, id, key, {_CONTENT}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants only
        (_row(batch, i, columns, row) for row, i in enumerate(ids) if i in heads and heads[i].slide == slide),
    )


def _row(batch: str, i: UUID, columns: Columns, row: int) -> Row:
    content = content_of_row(columns, row)
    return (
        batch,
        str(i),
        i.bytes,
        *content.box,
        content.class_name,
        content.state,
        content.score,
        int(content.exhaustive),
        content.geometry,
        content.properties,
        content.drawn,
    )


def take_over(tx: Transaction, batch: str, revision: int, *, author: str, at: str) -> list[Replaced]:
    """Make what was laid ready the next version of each of its annotations, whatever is current of them by now."""
    replaced = _replaced(tx, batch)
    tx.run(
        f"update feature_version set until = ? where until is null and id in {_OF_BATCH}",  # noqa: S608 - constants only
        revision,
        batch,
    )
    tx.run(
        f"insert into feature_version (id, revision, slide, layer, previous, deleted, {_CONTENT}, author, at) "  # noqa: S608 - constants only
        f"select h.id, ?, h.slide, h.layer, h.revision, 0, {', '.join(f'r.{name}' for name in _CONTENT.split(', '))}, "
        "?, ? from replacement r join head h on h.id = r.id where r.batch = ?",
        revision,
        author,
        at,
        batch,
    )
    tx.run(
        "insert into overridden (chunk, place, revision) select p.chunk, p.place, ? from replacement r "
        "join located p on p.id = r.key join chunk c on c.id = p.chunk "
        "where r.batch = ? and c.born is not null on conflict do nothing",
        revision,
        batch,
    )
    tx.run(
        "update head set revision = ?, deleted = 0, x0 = r.x0, y0 = r.y0, x1 = r.x1, y1 = r.y1 "
        "from replacement r where r.batch = ? and r.id = head.id",
        revision,
        batch,
    )
    return replaced


def _replaced(tx: Transaction, batch: str) -> list[Replaced]:
    """Tell of each layer how many of its annotations are replaced, which when they are few, and the box of all."""
    found = []
    for layer, count, *edges in tx.rows(
        "select h.layer, count(*), min(h.x0), min(r.x0), min(h.y0), min(r.y0), max(h.x1), max(r.x1), max(h.y1), "
        "max(r.y1) from replacement r join head h on h.id = r.id where r.batch = ? group by h.layer",
        batch,
    ):
        ids = []
        if as_int(count) <= NAMED_IDS:
            ids = tx.rows(
                "select h.id from replacement r join head h on h.id = r.id where r.batch = ? and h.layer = ? "
                "order by h.number",
                batch,
                layer,
            )
        a, b, c, d, e, f, g, h = map(as_real, edges)
        box = min(a, b), min(c, d), max(e, f), max(g, h)
        found.append(Replaced(as_int(layer), as_int(count), tuple(UUID(str(i)) for (i,) in ids), box))
    return found


def clear_replaced(db: Database) -> None:
    """Take away what was laid ready and has taken over, some rows at a time."""
    while db.read(lambda tx: tx.row(f"select 1 from replacement where batch in {_DONE} limit 1")):  # noqa: S608 - constants only
        db.write(
            lambda tx: tx.run(
                f"delete from replacement where (batch, id) in (select batch, id from replacement "  # noqa: S608 - constants only
                f"where batch in {_DONE} limit ?)",
                _CLEARED_AT_ONCE,
            )
        )
