"""Writes and reads of annotations. Nothing is ever overwritten: a write appends a version and moves the head."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

from pathserve.annotations.query import AnnotationPage, AnnotationQuery, current_revision, read_page
from pathserve.annotations.rows import COLUMNS, JOINS, Content, as_int, to_annotation, to_content
from pathserve.db import Database, Transaction, Value
from pathserve.errors import Invalid, NotFound, Stale
from pathserve.labels import Annotation, FeatureIssue, Layer, NewAnnotation

_BATCH = 5000
_INSERT_VERSION = (
    "insert into feature_version (id, revision, slide, layer, previous, deleted, x0, y0, x1, y1, class, state, "
    "score, geometry, properties, drawn, author, at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class Added:
    """What a write of many did.

    Parameters
    ----------
    ids
        One for each annotation of the input, in its order; None where it was refused.
    created
        How many are new; the others were there already with the same content.
    refused
        Conflicts, with the index into the input.
    revision
        The slide's revision after the write.
    """

    ids: list[UUID | None]
    created: int
    refused: list[FeatureIssue]
    revision: int


@dataclass(frozen=True, slots=True)
class _Head:
    slide: str
    layer: int
    revision: int
    deleted: bool


class AnnotationStore:
    """The annotations of all slides; every method blocks its thread, and a write is durable when it returns.

    A slide's revision grows by one with each write of any of its annotations (with each batch of at most 5,000 for
    writes of many), so a revision names one state of the whole slide.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    # reads

    def page(self, query: AnnotationQuery, *, limit: int, cursor: str | None = None) -> AnnotationPage:
        """Read one page of a question's answer."""
        return self._db.read(lambda tx: read_page(tx, query, limit=limit, cursor=cursor))

    def each(self, query: AnnotationQuery) -> Iterator[Annotation]:
        """Read all answers, a page at a time, all of the same revision."""
        page = self.page(query, limit=_BATCH)
        yield from page.annotations
        while page.next is not None:
            page = self.page(query, limit=_BATCH, cursor=page.next)
            yield from page.annotations

    def get(self, feature_id: UUID) -> Annotation:
        """Read one annotation as it is now.

        Raises
        ------
        NotFound
            When there never was one of this id, or it is deleted.
        """
        annotation = self._db.read(lambda tx: _current(tx, feature_id))
        if annotation is None or annotation.deleted:
            raise NotFound("There is no such annotation.")
        return annotation

    def latest(self, feature_id: UUID) -> Annotation:
        """Read the newest version of one annotation, a deleted one too (`Annotation.deleted`)."""
        annotation = self._db.read(lambda tx: _current(tx, feature_id))
        if annotation is None:
            raise NotFound("There is no such annotation.")
        return annotation

    def history(self, feature_id: UUID) -> list[Annotation]:
        """Give every version of one annotation, oldest first."""
        rows = self._db.read(
            lambda tx: tx.rows(
                f"select {COLUMNS} from feature_version v {JOINS} where v.id = ? order by v.revision",  # noqa: S608 - constants only
                str(feature_id),
            )
        )
        if not rows:
            raise NotFound("There is no such annotation.")
        return [to_annotation(row) for row in rows]

    def revision(self, slide: str) -> int:
        """Give the slide's newest revision."""
        return self._db.read(lambda tx: current_revision(tx, slide))

    def layers(self, slide: str) -> list[tuple[Layer, int]]:
        """Give the slide's layers, each with its count of annotations."""
        rows = self._db.read(
            lambda tx: tx.rows(
                "select l.id, l.slide, l.name, l.author, count(h.id) from layer l "
                "left join head h on h.layer = l.id and h.deleted = 0 where l.slide = ? group by l.id order by l.id",
                slide,
            )
        )
        return [(Layer(as_int(i), str(s), str(name), str(author)), as_int(n)) for i, s, name, author, n in rows]

    def counts(self, slides: Sequence[str]) -> dict[str, int]:
        """Count the annotations of some slides."""

        def work(tx: Transaction) -> dict[str, int]:
            places = ", ".join("?" * len(slides))
            rows = tx.rows(
                f"select slide, count(*) from head where deleted = 0 and slide in ({places}) group by slide",  # noqa: S608 - placeholders only
                *slides,
            )
            return dict.fromkeys(slides, 0) | {str(slide): as_int(n) for slide, n in rows}

        return self._db.read(work)

    # writes

    def add(self, slide: str, new: Sequence[NewAnnotation], *, layer: str, author: str) -> Added:
        """Write new annotations, in batches of at most 5,000, each one revision.

        An annotation whose id is there with the same content is nothing new, so that a retry after a lost answer
        changes nothing; with other content it is refused.

        Raises
        ------
        NotFound
            When there is no such slide.
        """
        contents = [to_content(item) for item in new]
        ids = list[UUID | None]()
        refused = list[FeatureIssue]()
        created = 0
        revision = self.revision(slide)
        for start in range(0, len(new), _BATCH):
            batch = [(item.id, content) for item, content in zip(new, contents, strict=True)][start : start + _BATCH]
            done = self._db.write(
                partial(_add_batch, slide=slide, batch=batch, start=start, layer=layer, author=author)
            )
            ids += done.ids
            refused += done.refused
            created += done.created
            revision = done.revision
        return Added(ids, created, refused, revision)

    def replace(self, feature_id: UUID, new: NewAnnotation, *, expected: int, author: str) -> Annotation:
        """Write the next version of one annotation.

        Parameters
        ----------
        expected
            The revision that the writer saw.

        Raises
        ------
        Stale
            When another version is current, or it was deleted.
        NotFound
            When there never was one of this id.
        """
        content = to_content(new)
        return self._next_version(feature_id, content, expected=expected, author=author)

    def delete(self, feature_id: UUID, *, expected: int, author: str) -> Annotation:
        """Mark one annotation as deleted; its history stays and `revert` brings it back."""

        def work(tx: Transaction) -> Annotation:
            head = _require_head(tx, feature_id, expected)
            if head.deleted:
                raise NotFound("There is no such annotation.")
            content = _content_at(tx, feature_id, head.revision)
            return _append(tx, feature_id, head, content, author=author, deleted=True)

        return self._db.write(work)

    def revert(self, feature_id: UUID, revision: int, *, expected: int, author: str) -> Annotation:
        """Write the content of an earlier revision as the next version; undeletes.

        Raises
        ------
        Invalid
            When the annotation has no version of this revision, or that version is a deletion.
        """

        def work(tx: Transaction) -> Annotation:
            head = _require_head(tx, feature_id, expected)
            row = tx.row("select deleted from feature_version where id = ? and revision = ?", str(feature_id), revision)
            if row is None or row[0]:
                raise Invalid("This annotation has no content at that revision.")
            return _append(tx, feature_id, head, _content_at(tx, feature_id, revision), author=author)

        return self._db.write(work)

    def _next_version(self, feature_id: UUID, content: Content, *, expected: int, author: str) -> Annotation:
        def work(tx: Transaction) -> Annotation:
            head = _require_head(tx, feature_id, expected)
            if head.deleted:
                raise Stale("This annotation was deleted meanwhile.")
            return _append(tx, feature_id, head, content, author=author)

        return self._db.write(work)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _current(tx: Transaction, feature_id: UUID) -> Annotation | None:
    row = tx.row(
        f"select {COLUMNS} from feature_version v {JOINS} where v.id = ? and v.revision = h.revision",  # noqa: S608 - constants only
        str(feature_id),
    )
    return None if row is None else to_annotation(row)


def _require_head(tx: Transaction, feature_id: UUID, expected: int) -> _Head:
    row = tx.row("select slide, layer, revision, deleted from head where id = ?", str(feature_id))
    if row is None:
        raise NotFound("There is no such annotation.")
    head = _Head(str(row[0]), as_int(row[1]), as_int(row[2]), bool(row[3]))
    if head.revision != expected:
        raise Stale("This annotation was changed meanwhile; read it again and write with its current revision.")
    return head


def _content_at(tx: Transaction, feature_id: UUID, revision: int) -> Content:
    row = tx.row(
        "select x0, y0, x1, y1, class, state, score, geometry, properties, drawn from feature_version "
        "where id = ? and revision = ?",
        str(feature_id),
        revision,
    )
    if row is None:
        raise NotFound("There is no such annotation.")
    x0, y0, x1, y1, class_name, state, score, geometry, properties, drawn = row
    return Content(
        box=(_real(x0), _real(y0), _real(x1), _real(y1)),
        class_name=None if class_name is None else str(class_name),
        state=str(state),
        score=None if score is None else _real(score),
        geometry=str(geometry),
        properties=str(properties),
        drawn=None if drawn is None else str(drawn),
    )


def _real(value: Value) -> float:
    if not isinstance(value, int | float):
        raise TypeError("a number was expected in this column")
    return float(value)


def _next_revision(tx: Transaction, slide: str, author: str, at: str) -> int:
    revision = current_revision(tx, slide) + 1
    tx.run("update slide set revision = ? where id = ?", revision, slide)
    tx.run("insert into revision (slide, revision, author, at) values (?, ?, ?, ?)", slide, revision, author, at)
    return revision


def _version_row(
    feature_id: str,
    revision: int,
    slide: str,
    layer: int,
    previous: int | None,
    deleted: bool,
    content: Content,
    author: str,
    at: str,
) -> tuple[Value, ...]:
    return (
        feature_id,
        revision,
        slide,
        layer,
        previous,
        int(deleted),
        *content.box,
        content.class_name,
        content.state,
        content.score,
        content.geometry,
        content.properties,
        content.drawn,
        author,
        at,
    )


def _append(
    tx: Transaction, feature_id: UUID, head: _Head, content: Content, *, author: str, deleted: bool = False
) -> Annotation:
    at = _now()
    revision = _next_revision(tx, head.slide, author, at)
    row = _version_row(str(feature_id), revision, head.slide, head.layer, head.revision, deleted, content, author, at)
    tx.run(_INSERT_VERSION, *row)
    tx.run(
        "update head set revision = ?, deleted = ?, x0 = ?, y0 = ?, x1 = ?, y1 = ? where id = ?",
        revision,
        int(deleted),
        *content.box,
        str(feature_id),
    )
    annotation = _current(tx, feature_id)
    if annotation is None:
        raise NotFound("There is no such annotation.")
    return annotation


def _layer_id(tx: Transaction, slide: str, name: str, author: str, at: str) -> int:
    row = tx.row("select id from layer where slide = ? and name = ?", slide, name)
    if row is None:
        tx.run("insert into layer (slide, name, author, created) values (?, ?, ?, ?)", slide, name, author, at)
        row = tx.row("select id from layer where slide = ? and name = ?", slide, name)
    return as_int(row[0]) if row else 0


def _add_batch(
    tx: Transaction, *, slide: str, batch: list[tuple[UUID | None, Content]], start: int, layer: str, author: str
) -> Added:
    ids = list[UUID | None]()
    refused = list[FeatureIssue]()
    fresh = dict[UUID, Content]()
    for place, (given, content) in enumerate(batch):
        feature_id = given or uuid4()
        there = fresh.get(feature_id) or _stored_content(tx, slide, feature_id)
        if there is None:
            fresh[feature_id] = content
        elif there != content:
            refused.append(
                FeatureIssue(start + place, "conflict", "An annotation of this id is there with other content.")
            )
            ids.append(None)
            continue
        ids.append(feature_id)
    revision = current_revision(tx, slide)
    if fresh:
        revision = _insert(tx, slide, fresh, layer, author)
    return Added(ids, len(fresh), refused, revision)


def _stored_content(tx: Transaction, slide: str, feature_id: UUID) -> Content | str | None:
    """Give the content of a live annotation of this slide, None when the id is free, a word when it is taken."""
    row = tx.row("select slide, revision, deleted from head where id = ?", str(feature_id))
    if row is None:
        return None
    if row[0] != slide or row[2]:
        return "taken"
    return _content_at(tx, feature_id, as_int(row[1]))


def _insert(tx: Transaction, slide: str, fresh: dict[UUID, Content], layer: str, author: str) -> int:
    at = _now()
    layer_id = _layer_id(tx, slide, layer, author, at)
    revision = _next_revision(tx, slide, author, at)
    row = tx.row("select last_number from slide where id = ?", slide)
    last = as_int(row[0]) if row else 0
    tx.run("update slide set last_number = ? where id = ?", last + len(fresh), slide)
    tx.run_many(
        _INSERT_VERSION,
        (
            _version_row(str(i), revision, slide, layer_id, None, False, content, author, at)
            for i, content in fresh.items()
        ),
    )
    tx.run_many(
        "insert into head (id, slide, number, layer, revision, deleted, x0, y0, x1, y1, created) "
        "values (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)",
        (
            (str(i), slide, last + n, layer_id, revision, *content.box, at)
            for n, (i, content) in enumerate(fresh.items(), start=1)
        ),
    )
    return revision
