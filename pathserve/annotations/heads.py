"""Where annotations are found by their ids: in the table of heads, or in chunks. Functions on an open transaction.

An annotation without a head lies in a chunk and has one version; it gets a head when it is first written to. The head
then names the row of the chunk, which never changes and stays: it is the first version. All later ones, and the first
too of what was written alone, are in ``feature_version``. Where an import has replaced rows of a chunk, the chunk of
which its own chunk is the successor has the version before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.chunks import Attributes
from pathserve.annotations.matching import id_keys
from pathserve.annotations.revisions import Box, moments
from pathserve.annotations.rows import Content, content_of_row
from pathserve.db import Row, Transaction, Value, as_int, as_real, placeholders
from pathserve.errors import NotFound, Stale

_T = TypeVar("_T")

IDS_AT_ONCE = 1000

INSERT_VERSION = (
    "insert into feature_version (id, revision, slide, layer, previous, deleted, x0, y0, x1, y1, class, state, "
    "score, exhaustive, geometry, properties, drawn, author, at, until) "
    "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
INSERT_HEAD = (
    "insert into head (id, slide, number, layer, revision, deleted, x0, y0, x1, y1, created, first_revision, chunk, "
    "place) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# The order in which `_place_of` reads; p has the column ``place``, c is chunk.
_PLACE = "c.slide, p.place, c.id, c.layer, c.size, c.scattered, c.first_number, c.last_number, c.born"


@dataclass(frozen=True, slots=True)
class Head:
    """What is current of one annotation."""

    slide: str
    layer: int
    revision: int
    deleted: bool
    box: Box


@dataclass(frozen=True, slots=True)
class Place:
    """A row of a published chunk."""

    slide: str
    ref: ChunkRef
    row: int


def find_heads(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Head]:
    """Find the heads of some annotations; those without one are left out."""
    found = dict[UUID, Head]()
    for some in _in_parts(ids):
        rows = tx.rows(
            "select id, slide, layer, revision, deleted, x0, y0, x1, y1 from head "  # noqa: S608 - placeholders only
            f"where id in ({placeholders(len(some))})",
            *map(str, some),
        )
        for i, slide, layer, revision, deleted, *box in rows:
            x0, y0, x1, y1 = map(as_real, box)
            found[UUID(str(i))] = Head(str(slide), as_int(layer), as_int(revision), bool(deleted), (x0, y0, x1, y1))
    return found


def find_deleted(tx: Transaction, slide: str, numbers: Sequence[int]) -> dict[int, UUID]:
    """Find the ids of a slide's deleted annotations by their numbers, which they keep."""
    found = dict[int, UUID]()
    for some in _in_parts(numbers):
        rows = tx.rows(
            "select number, id from head "  # noqa: S608 - placeholders only
            f"where slide = ? and deleted = 1 and number in ({placeholders(len(some))})",
            slide,
            *some,
        )
        found |= {as_int(number): UUID(str(i)) for number, i in rows}
    return found


def find_places(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Place]:
    """Find where some annotations lie in published chunks; those that do not are left out."""
    found = dict[UUID, Place]()
    for some in _in_parts(ids):
        rows = tx.rows(
            f"select p.id, {_PLACE} from located p join chunk c on c.id = p.chunk where c.born is not null "  # noqa: S608 - placeholders only
            f"and p.id in ({placeholders(len(some))})",
            *(i.bytes for i in some),
        )
        found |= {UUID(bytes=_bytes(i)): _place_of(row) for i, *row in rows}
    return found


def find_firsts(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Place]:
    """Find the rows of chunks that annotations with heads began with; those that began alone are left out."""
    found = dict[UUID, Place]()
    for some in _in_parts(ids):
        rows = tx.rows(
            f"select p.id, {_PLACE} from head p join chunk c on c.id = p.chunk "  # noqa: S608 - placeholders only
            f"where p.id in ({placeholders(len(some))})",
            *map(str, some),
        )
        found |= {UUID(str(i)): _place_of(row) for i, *row in rows}
    return found


def each_version(tx: Transaction, reader: ChunkReader, place: Place) -> Iterator[tuple[int, Place]]:
    """Give the versions of an annotation that lie in chunks, newest first, each with its revision.

    Parameters
    ----------
    place
        The newest one.
    """
    newer = -1
    while True:
        (told,) = reader.attributes(tx, [place.ref])
        revision = int(told.revisions[place.row])
        if revision != newer:
            yield revision, place
        newer = revision
        row = tx.row(
            f"select {_PLACE.replace('p.place', '?')} from chunk n join chunk c on c.id = n.replaces where n.id = ?",  # noqa: S608 - constants only
            place.row,
            place.ref.id,
        )
        if row is None:
            return
        place = _place_of(row)


def content_in_chunks(tx: Transaction, reader: ChunkReader, place: Place, revision: int) -> Content | None:
    """Read what a version of an annotation said that lies in a chunk, its newest one there or one before."""
    for found, where in each_version(tx, reader, place):
        if found == revision:
            (columns,) = reader.columns(tx, [where.ref], properties=True)
            return content_of_row(columns, where.row)
    return None


def _place_of(row: Sequence[Value]) -> Place:
    slide, place, chunk, layer, size, scattered, first, last, born = row
    ref = ChunkRef(
        as_int(chunk), as_int(layer), as_int(size), bool(scattered), as_int(first), as_int(last), as_int(born)
    )
    return Place(str(slide), ref, as_int(place))


@dataclass(frozen=True, slots=True)
class PlacedRows:
    """Which of many annotations lie in one published chunk: ``rows`` (M,) of those asked for, ``places`` (M,) in it."""

    slide: str
    ref: ChunkRef
    rows: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]


def rows_with_heads(tx: Transaction, ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Tell which of (N, 16) ids, each there once, have heads; makes no object for each of them that stays."""
    found = set[str]()
    texts = [_id_text(i) for i in _id_bytes(ids)]
    for some in _in_parts(texts):
        found.update(
            str(i)
            for (i,) in tx.rows(f"select id from head where id in ({placeholders(len(some))})", *some)  # noqa: S608 - placeholders only
        )
    return np.flatnonzero(np.fromiter((text in found for text in texts), np.bool_, len(texts)))


def find_placed_rows(tx: Transaction, ids: npt.NDArray[np.uint8]) -> list[PlacedRows]:
    """Find where many annotations, (N, 16) ids, each there once, lie in published chunks, by chunk."""
    keys = id_keys(ids)
    order = np.argsort(keys)
    places = list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]]()
    for some in _in_parts(_id_bytes(ids)):
        found = tx.rows(f"select id, chunk, place from located where id in ({placeholders(len(some))})", *some)  # noqa: S608 - placeholders only
        if found:
            there, chunks, at = zip(*found, strict=True)
            where = np.searchsorted(keys, np.array(there, "S16"), sorter=order)
            places.append((order[where], np.array(chunks, np.int64), np.array(at, np.int64)))
    if not places:
        return []
    rows, chunk_of, place_of = (np.concatenate(parts) for parts in zip(*places, strict=True))
    refs = _published(tx, np.unique(chunk_of).tolist())
    by_chunk = np.argsort(chunk_of, kind="stable")
    groups = np.split(by_chunk, np.flatnonzero(np.diff(chunk_of[by_chunk])) + 1)
    return [
        PlacedRows(*refs[chunk], rows[group], place_of[group])
        for group in groups
        if (chunk := int(chunk_of[group[0]])) in refs
    ]


def _published(tx: Transaction, chunks: Sequence[int]) -> dict[int, tuple[str, ChunkRef]]:
    """Give slide and facts of those of some chunks that are published."""
    found = dict[int, tuple[str, ChunkRef]]()
    for some in _in_parts(chunks):
        rows = tx.rows(
            "select slide, id, layer, size, scattered, first_number, last_number, born from chunk "  # noqa: S608 - placeholders only
            f"where born is not null and id in ({placeholders(len(some))})",
            *some,
        )
        for slide, *facts in rows:
            chunk, layer, size, scattered, first, last, born = map(as_int, facts)
            found[chunk] = str(slide), ChunkRef(chunk, layer, size, bool(scattered), first, last, born)
    return found


def slide_of(tx: Transaction, feature_id: UUID) -> str:
    """Find on which slide an annotation is.

    Raises
    ------
    NotFound
        When there never was one of this id.
    """
    row = tx.row("select slide from head where id = ?", str(feature_id))
    if row is not None:
        return str(row[0])
    place = find_places(tx, [feature_id]).get(feature_id)
    if place is None:
        raise NotFound("There is no such annotation.")
    return place.slide


def adopt(tx: Transaction, reader: ChunkReader, ids: Sequence[UUID]) -> dict[UUID, Head]:
    """Give heads to those of some annotations that lie in chunks alone, and find the heads of all.

    Nothing is copied: these heads are about what the chunks say, and name it.
    """
    heads = find_heads(tx, ids)
    places = find_places(tx, [i for i in ids if i not in heads])
    for members in _by_chunk(places):
        slide, ref = members[0][1].slide, members[0][1].ref
        (told,) = reader.attributes(tx, [ref])
        when = moments(tx, slide, told.firsts[[place.row for _, place in members]].tolist())
        made = list[Row]()
        for i, place in members:
            revision, first = int(told.revisions[place.row]), int(told.firsts[place.row])
            x0, y0, x1, y1 = box = box_of(told, place.row)
            about = int(told.numbers[place.row]), ref.layer, revision, 0, x0, y0, x1, y1
            made.append((str(i), slide, *about, when[first][1], first, ref.id, place.row))
            heads[i] = Head(slide, ref.layer, revision, False, box)
        tx.run_many(INSERT_HEAD, made)
        tx.run("update chunk set adopted = adopted + 1 where id = ?", ref.id)
    return heads


def box_of(told: Attributes, row: int) -> Box:
    """Give the box of one row."""
    x0, y0, x1, y1 = told.boxes[row].tolist()
    return x0, y0, x1, y1


def _by_chunk(places: Mapping[UUID, Place]) -> Iterable[list[tuple[UUID, Place]]]:
    found = dict[int, list[tuple[UUID, Place]]]()
    for i, place in places.items():
        found.setdefault(place.ref.id, []).append((i, place))
    return found.values()


def contents_at(
    tx: Transaction, reader: ChunkReader, keys: Sequence[tuple[UUID, int]], *, but_deletions: bool = False
) -> dict[UUID, Content]:
    """Read what some versions (id, revision) of annotations with heads say, one of each.

    Those that are not there are left out.
    """
    found = _versions_at(tx, keys, but_deletions=but_deletions)
    missing = {i: revision for i, revision in keys if i not in found}
    for i, place in find_firsts(tx, list(missing)).items():
        if (content := content_in_chunks(tx, reader, place, missing[i])) is not None:
            found[i] = content
    return found


def _versions_at(tx: Transaction, keys: Sequence[tuple[UUID, int]], *, but_deletions: bool) -> dict[UUID, Content]:
    which = " where v.deleted = 0" if but_deletions else ""
    found = dict[UUID, Content]()
    for some in _in_parts(keys):
        wanted = ", ".join(["(?, ?)"] * len(some))
        rows = tx.rows(
            f"with wanted (id, revision) as (values {wanted}) "  # noqa: S608 - placeholders only
            "select v.id, v.x0, v.y0, v.x1, v.y1, v.class, v.state, v.score, v.exhaustive, v.geometry, v.properties, "
            f"v.drawn from wanted w join feature_version v on v.id = w.id and v.revision = w.revision{which}",
            *(value for i, revision in some for value in (str(i), revision)),
        )
        for i, *row in rows:
            x0, y0, x1, y1, class_name, state, score, exhaustive, geometry, properties, drawn = row
            found[UUID(str(i))] = Content(
                box=(as_real(x0), as_real(y0), as_real(x1), as_real(y1)),
                class_name=None if class_name is None else str(class_name),
                state=str(state),
                score=None if score is None else as_real(score),
                exhaustive=bool(exhaustive),
                geometry=str(geometry),
                properties=str(properties),
                drawn=None if drawn is None else str(drawn),
            )
    return found


def move_heads(tx: Transaction, revision: int, moved: Mapping[UUID, tuple[Head, Box, bool]]) -> None:
    """Move the heads of some annotations to a revision that nothing had before.

    Parameters
    ----------
    moved
        By id: the head that the writer saw, the box from now on, and whether it is a deletion.

    Raises
    ------
    Stale
        When one of them is no longer where the writer saw it.
    """
    tx.run_many(
        "update head set revision = ?, deleted = ?, x0 = ?, y0 = ?, x1 = ?, y1 = ? where id = ? and revision = ?",
        ((revision, int(deleted), *box, str(i), head.revision) for i, (head, box, deleted) in moved.items()),
    )
    for some in _in_parts(list(map(str, moved))):
        row = tx.row(
            f"select count(*) from head where revision = ? and id in ({placeholders(len(some))})",  # noqa: S608 - placeholders only
            revision,
            *some,
        )
        if row is None or row[0] != len(some):
            raise Stale("This annotation was changed meanwhile; read it again and write with its current revision.")


def release_unpublished(tx: Transaction, ids: Sequence[UUID], *, but: str = "") -> None:
    """Take ids that an import has placed but not published for somebody else; that import then fails as a whole.

    Parameters
    ----------
    but
        The batch that they are taken for.
    """
    for some in _in_parts(ids):
        tx.run(
            "delete from batch where revision is null and id <> ? and id in (select c.batch from placed p "  # noqa: S608 - placeholders only
            f"join chunk c on c.id = p.chunk where c.born is null and p.id in ({placeholders(len(some))}))",
            but,
            *(i.bytes for i in some),
        )


def override(tx: Transaction, ids: Iterable[UUID], revision: int) -> None:
    """Take the rows of some annotations out of the state of their chunks from a revision on."""
    tx.run_many(
        "insert into overridden (chunk, place, revision) select p.chunk, p.place, ? from located p "
        "join chunk c on c.id = p.chunk where p.id = ? and c.born is not null on conflict do nothing",
        ((revision, i.bytes) for i in ids),
    )


def _in_parts(items: Sequence[_T]) -> Iterable[Sequence[_T]]:
    return (items[start : start + IDS_AT_ONCE] for start in range(0, len(items), IDS_AT_ONCE))


def _id_bytes(ids: npt.NDArray[np.uint8]) -> list[bytes]:
    found: list[bytes] = np.ascontiguousarray(ids).view("V16").ravel().tolist()
    return found


def _id_text(i: bytes) -> str:
    """Write an id as `uuid.UUID` does."""
    text = i.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("bytes were expected in this column")
    return value
