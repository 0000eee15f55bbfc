"""Revisions of a slide: one number for each state of all its annotations, and what each did."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast
from uuid import UUID

import orjson

from pathserve.db import Database, Statement, Transaction, as_int, as_real, now, placeholders
from pathserve.errors import Invalid, NotFound

Box = tuple[float, float, float, float]
ChangeKind = Literal["created", "updated", "deleted", "imported", "renamed", "removed", "restored"]

NAMED_IDS = 100
"""A change that touches more annotations than this gives their count alone."""

_INSERT_REVISION = "insert into revision (slide, revision, author, at) values (?, ?, ?, ?)"
_INSERT_CHANGE = (
    "insert into change (slide, revision, layer, kind, size, x0, y0, x1, y1, ids) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class Change:
    """What one revision did to one layer.

    Parameters
    ----------
    kind
        ``created``, ``updated`` and ``deleted`` are about annotations one by one, ``imported`` about many at once;
        ``renamed``, ``removed`` and ``restored`` about the layer itself.
    count
        How many annotations it touched.
    ids
        Which, when they are at most `NAMED_IDS`; otherwise none.
    box
        (x0, y0, x1, y1) in level-0 pixels of all that was touched, as it was written; None for a layer itself.
    """

    revision: int
    author: str
    at: datetime
    layer: str
    kind: ChangeKind
    count: int
    ids: tuple[UUID, ...]
    box: Box | None


@dataclass(frozen=True, slots=True)
class Replaced:
    """What an import has replaced of a layer: how many annotations, which when they are few, the box of all."""

    layer: int
    count: int
    ids: tuple[UUID, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class Locked:
    """A slide that nobody else writes to until the transaction ends."""

    slide: str
    project: str
    revision: int
    last_number: int


def lock_slide(tx: Transaction, slide: str) -> Locked:
    """Keep every other writer of a slide out until the transaction ends.

    Raises
    ------
    NotFound
        When there is no such slide.
    """
    row = tx.row(
        "update slide set revision = revision where id = ? returning project, revision, last_number",
        slide,
    )
    if row is None:
        raise NotFound("There is no such slide.")
    return Locked(slide, str(row[0]), as_int(row[1]), as_int(row[2]))


def begin_revision(tx: Transaction, slide: str, author: str, at: str | None = None) -> int:
    """Count the slide's revision on; the slide is locked."""
    row = tx.row("update slide set revision = revision + 1 where id = ? returning revision", slide)
    if row is None:
        raise NotFound("There is no such slide.")
    revision = as_int(row[0])
    tx.run(_INSERT_REVISION, slide, revision, author, at or now())
    return revision


def revision_statements(slide: str, revision: int, author: str, at: str) -> list[Statement]:
    """Give what `begin_revision` does to a slide whose newest revision is known: the one before."""
    return [
        ("update slide set revision = ? where id = ?", (revision, slide)),
        (_INSERT_REVISION, (slide, revision, author, at)),
    ]


def reserve_numbers(tx: Transaction, slide: str, count: int) -> int:
    """Take ``count`` numbers that nobody had before; gives the first of them."""
    row = tx.row("update slide set last_number = last_number + ? where id = ? returning last_number", count, slide)
    if row is None:
        raise NotFound("There is no such slide.")
    return as_int(row[0]) - count + 1


def current_revision(tx: Transaction, slide: str) -> int:
    """Give the slide's newest revision; 0 before the first write.

    Raises
    ------
    NotFound
        When there is no such slide.
    """
    row = tx.row("select revision from slide where id = ?", slide)
    if row is None:
        raise NotFound("There is no such slide.")
    return as_int(row[0])


def resolve_revision(tx: Transaction, slide: str, as_of: int | datetime | None) -> int:
    """Turn a revision number or a moment into the revision that was current then.

    Raises
    ------
    Invalid
        When the number is negative or not yet reached.
    """
    newest = current_revision(tx, slide)
    if as_of is None:
        return newest
    if isinstance(as_of, datetime):
        try:
            moment = as_of.astimezone(UTC).isoformat(timespec="milliseconds")
        except OverflowError:
            raise Invalid("This time lies outside of the calendar.") from None
        row = tx.row("select coalesce(max(revision), 0) from revision where slide = ? and at <= ?", slide, moment)
        return as_int(row[0]) if row else 0
    if not 0 <= as_of <= newest:
        raise Invalid(f"This slide has the revisions 0 to {newest}.")
    return as_of


def moments(tx: Transaction, slide: str, revisions: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Give author and moment of some revisions of a slide."""
    wanted = sorted(set(revisions))
    found = dict[int, tuple[str, str]]()
    for start in range(0, len(wanted), 1000):
        some = wanted[start : start + 1000]
        rows = tx.rows(
            f"select revision, author, at from revision where slide = ? and revision in ({placeholders(len(some))})",  # noqa: S608 - placeholders only
            slide,
            *some,
        )
        found |= {as_int(revision): (str(author), str(at)) for revision, author, at in rows}
    return found


def revisions_of(tx: Transaction, slide: str, authors: Sequence[str]) -> set[int]:
    """Give the revisions that some authors wrote."""
    rows = tx.rows(
        f"select revision from revision where slide = ? and author in ({placeholders(len(authors))})",  # noqa: S608 - placeholders only
        slide,
        *authors,
    )
    return {as_int(row[0]) for row in rows}


def note_change(
    tx: Transaction,
    slide: str,
    revision: int,
    layer: int,
    kind: ChangeKind,
    *,
    count: int,
    ids: Sequence[UUID] = (),
    box: Box | None = None,
) -> None:
    """Keep what a revision did to a layer; once for each revision, layer and kind."""
    sql, values = change_statement(slide, revision, layer, kind, count=count, ids=ids, box=box)
    tx.run(sql, *values)


def note_replaced(tx: Transaction, slide: str, revision: int, parts: Iterable[Replaced]) -> None:
    """Keep what a revision has replaced, of which several parts may be of one layer."""
    by_layer = dict[int, list[Replaced]]()
    for part in parts:
        by_layer.setdefault(part.layer, []).append(part)
    for layer, some in by_layer.items():
        count, box = sum(part.count for part in some), union_of(part.box for part in some)
        ids = [i for part in some for i in part.ids] if count <= NAMED_IDS else []
        note_change(tx, slide, revision, layer, "updated", count=count, ids=ids, box=box)


def change_statement(
    slide: str,
    revision: int,
    layer: int,
    kind: ChangeKind,
    *,
    count: int,
    ids: Sequence[UUID] = (),
    box: Box | None = None,
) -> Statement:
    """Give what `note_change` does."""
    named = orjson.dumps([str(i) for i in ids]).decode() if 0 < len(ids) <= NAMED_IDS else None
    return _INSERT_CHANGE, (slide, revision, layer, kind, count, *(box or (None, None, None, None)), named)


def union_of(boxes: Iterable[Box]) -> Box:
    """Give the box of some boxes, at least one."""
    x0s, y0s, x1s, y1s = zip(*boxes, strict=True)
    return min(x0s), min(y0s), max(x1s), max(y1s)


def revision_log(db: Database, slide: str) -> dict[int, tuple[str, datetime]]:
    """Give author and moment of every revision, for those who give many annotations away; about 200 bytes each."""
    rows = db.read(lambda tx: tx.rows("select revision, author, at from revision where slide = ?", slide))
    return {as_int(revision): (str(author), datetime.fromisoformat(str(at))) for revision, author, at in rows}


def changes_since(db: Database, slide: str, revision: int, *, limit: int) -> list[Change]:
    """List what the revisions after one did, oldest first, for whoever follows a slide.

    A revision's changes are given whole or not at all, so the last one's number is where to go on; there may be
    more than ``limit`` of them when one revision alone has more.
    """
    rows = db.read(
        lambda tx: tx.rows(
            "select c.revision, r.author, r.at, coalesce(n.name, l.name), c.kind, c.size, c.ids, "
            "c.x0, c.y0, c.x1, c.y1 from change c "
            "join revision r on r.slide = c.slide and r.revision = c.revision join layer l on l.id = c.layer "
            "left join layer_change n on n.layer = c.layer and n.revision = "
            "(select max(m.revision) from layer_change m where m.layer = c.layer and m.revision <= c.revision) "
            "where c.slide = ? and c.revision > ? order by c.revision, c.layer, c.kind limit ?",
            slide,
            revision,
            limit + 1,
        )
    )
    if len(rows) > limit and rows[0][0] != rows[limit][0]:
        rows = [row for row in rows if row[0] != rows[limit][0]]
    return [
        Change(
            revision=as_int(number),
            author=str(author),
            at=datetime.fromisoformat(str(at)),
            layer=str(layer),
            kind=cast(ChangeKind, kind),
            count=as_int(count),
            ids=() if ids is None else tuple(UUID(i) for i in orjson.loads(str(ids))),
            box=None if box[0] is None else (as_real(box[0]), as_real(box[1]), as_real(box[2]), as_real(box[3])),
        )
        for number, author, at, layer, kind, count, ids, *box in rows
    ]
