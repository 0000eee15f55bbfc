"""One edit of one annotation: one question for all that it has to know, and one group of statements for all it writes.

A durable edit is little more than one fsync, so every statement counts; over a network, every exchange.
"""

from dataclasses import dataclass
from uuid import UUID

from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.heads import INSERT_HEAD, INSERT_VERSION, Place, box_of, content_in_chunks, contents_at
from pathserve.annotations.layers import is_name_of_removed
from pathserve.annotations.revisions import Box, change_statement, moments, revision_statements, union_of
from pathserve.annotations.rows import Content, to_annotation, version_row
from pathserve.db import Row, Statement, Transaction, as_int, as_real, now
from pathserve.errors import NotFound, Stale
from pathserve.labels import Annotation

_STALE = "This annotation was changed meanwhile; read it again and write with its current revision."

_HEAD = (
    "select s.id, s.project, s.revision, l.id, l.name, h.number, h.revision, h.deleted, h.x0, h.y0, h.x1, h.y1, "
    "h.created, v.class, case when v.revision is null or v.until is not null then 1 else 0 end "
    "from head h join slide s on s.id = h.slide join layer l on l.id = h.layer "
    "left join feature_version v on v.id = h.id and v.revision = h.revision where h.id = ?"
)
_CHUNK = (
    "select s.id, s.project, s.revision, l.id, l.name, p.place, c.id, c.layer, c.size, c.scattered, c.first_number, "
    "c.last_number, c.born, r.at from located p join chunk c on c.id = p.chunk join slide s on s.id = c.slide "
    "join layer l on l.id = c.layer join revision r on r.slide = c.slide and r.revision = c.born where p.id = ?"
)
_MOVE = "update head set revision = ?, deleted = ?, x0 = ?, y0 = ?, x1 = ?, y1 = ? where id = ? and revision = ?"
_END = "update feature_version set until = ? where id = ? and revision = ? and until is null"
_OVERRIDE = (
    "insert into overridden (chunk, place, revision) select p.chunk, p.place, ? from located p where p.id = ? "
    "on conflict do nothing"
)
_OVERRIDE_ROW = "insert into overridden (chunk, place, revision) values (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class _InChunk:
    """The row of a chunk that is all of an annotation so far."""

    ref: ChunkRef
    row: int
    first_revision: int


@dataclass(frozen=True, slots=True)
class Current:
    """What is current of one annotation, with all that its next version has to know.

    Parameters
    ----------
    slide_revision
        The slide's, which is counted on from there: nobody else writes until the transaction ends.
    folded
        Whether a row of a chunk shows it, and not its newest version.
    created
        When its first revision was written.
    in_chunk
        Where it lies, when it has no head; otherwise None.
    """

    id: UUID
    number: int
    slide: str
    project: str
    slide_revision: int
    layer: int
    layer_name: str
    revision: int
    deleted: bool
    box: Box
    class_name: str | None
    created: str
    folded: bool
    in_chunk: _InChunk | None


def require_current(tx: Transaction, reader: ChunkReader, feature_id: UUID, expected: int) -> Current:
    """Find what is current and refuse when it is not the revision that the writer saw.

    One statement; one more for what lies in a chunk alone, and one each when that chunk has not been read yet or holds
    what came at several times.

    Raises
    ------
    NotFound
        When there never was one of this id, or its layer was removed.
    Stale
        When another version is current.
    """
    row = tx.row(_HEAD, str(feature_id))
    if row is not None:
        current = _of_head(feature_id, row)
    elif (row := tx.row(_CHUNK, feature_id.bytes)) is not None:
        current = _of_chunk(tx, reader, feature_id, row)
    if row is None or is_name_of_removed(current.layer_name):
        raise NotFound("There is no such annotation.")
    if current.revision != expected:
        raise Stale(_STALE, revision=current.revision)
    return current


def content_at(tx: Transaction, reader: ChunkReader, current: Current, revision: int) -> Content | None:
    """Read what an annotation said at a revision of its own; None when that is a deletion or no version of it."""
    if (found := current.in_chunk) is not None:
        return content_in_chunks(tx, reader, Place(current.slide, found.ref, found.row), revision)
    return contents_at(tx, reader, [(current.id, revision)], but_deletions=True).get(current.id)


def append_version(
    tx: Transaction, current: Current, content: Content, *, author: str, deleted: bool = False
) -> Annotation:
    """Write the next version of an annotation as a new revision of its slide.

    Raises
    ------
    Stale
        When another version than that is current after all.
    """
    revision, at = current.slide_revision + 1, now()
    history = _history(current, revision, content.box, deleted=deleted)
    version = version_row(
        str(current.id),
        revision,
        current.slide,
        current.layer,
        current.revision,
        deleted,
        content,
        author=author,
        at=at,
    )
    change = change_statement(
        current.slide,
        revision,
        current.layer,
        "deleted" if deleted else "updated",
        count=1,
        ids=[current.id],
        box=union_of((current.box, content.box)),
    )
    changed = tx.run_all(
        [*history, *revision_statements(current.slide, revision, author, at), (INSERT_VERSION, version), change]
    )
    if changed[0] != 1:
        raise Stale(_STALE)
    return to_annotation(
        (
            str(current.id),
            current.number,
            current.slide,
            current.layer_name,
            author,
            revision,
            content.geometry,
            content.class_name,
            content.properties,
            current.created,
            at,
            int(deleted),
            content.drawn,
        )
    )


def _history(current: Current, revision: int, box: Box, *, deleted: bool) -> list[Statement]:
    """Move the head, the first statement, and make what was current history."""
    i, found = str(current.id), current.in_chunk
    if found is None:
        move = _MOVE, (revision, int(deleted), *box, i, current.revision)
        end = (_OVERRIDE, (revision, current.id.bytes)) if current.folded else (_END, (revision, i, current.revision))
        return [move, end]
    facts = i, current.slide, current.number, current.layer, revision, int(deleted)
    head = INSERT_HEAD, (*facts, *box, current.created, found.first_revision, found.ref.id, found.row)
    return [head, (_OVERRIDE_ROW, (found.ref.id, found.row, revision))]


def _of_head(feature_id: UUID, row: Row) -> Current:
    number, revision, deleted, x0, y0, x1, y1, created, class_name, folded = row[5:]
    return Current(
        feature_id,
        as_int(number),
        *_slide_of(row),
        revision=as_int(revision),
        deleted=bool(deleted),
        box=(as_real(x0), as_real(y0), as_real(x1), as_real(y1)),
        class_name=None if class_name is None else str(class_name),
        created=str(created),
        folded=bool(folded),
        in_chunk=None,
    )


def _of_chunk(tx: Transaction, reader: ChunkReader, feature_id: UUID, row: Row) -> Current:
    place, chunk, layer, size, scattered, first_number, last_number, born = map(as_int, row[5:-1])
    ref = ChunkRef(chunk, layer, size, bool(scattered), first_number, last_number, born)
    (told,) = reader.attributes(tx, [ref])
    first, class_index = int(told.firsts[place]), int(told.classes[place])
    created = str(row[-1]) if first == born else moments(tx, str(row[0]), [first])[first][1]
    return Current(
        feature_id,
        int(told.numbers[place]),
        *_slide_of(row),
        revision=int(told.revisions[place]),
        deleted=False,
        box=box_of(told, place),
        class_name=None if class_index < 0 else told.class_names[class_index],
        created=created,
        folded=True,
        in_chunk=_InChunk(ref, place, first),
    )


def _slide_of(row: Row) -> tuple[str, str, int, int, str]:
    slide, project, revision, layer, layer_name = row[:5]
    return str(slide), str(project), as_int(revision), as_int(layer), str(layer_name)
