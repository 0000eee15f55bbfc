"""Writes and reads of annotations. Nothing is ever overwritten: a write appends a version and moves the head."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from pathserve.annotations.query import AnnotationPage, AnnotationQuery, current_revision, read_page, resolve_revision
from pathserve.annotations.rows import COLUMNS, JOINS, to_annotation, to_content
from pathserve.annotations.versions import (
    Added,
    add_batch,
    add_missing_classes,
    append_version,
    content_at,
    find_current,
    require_head,
)
from pathserve.db import Database, Transaction, as_int
from pathserve.errors import Invalid, NotFound, Stale
from pathserve.labels import Annotation, FeatureIssue, Layer, NewAnnotation

_BATCH = 5000


class AnnotationStore:
    """The annotations of all slides; every method blocks its thread, and a write is durable when it returns.

    A slide's revision grows by one with each write of any of its annotations (with each batch of at most 5,000 for
    writes of many), so a revision names one state of the whole slide. A class that the project's schema does not
    have yet is added by the write that names it.
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
        annotation = self._db.read(lambda tx: find_current(tx, feature_id))
        if annotation is None or annotation.deleted:
            raise NotFound("There is no such annotation.")
        return annotation

    def latest(self, feature_id: UUID) -> Annotation:
        """Read the newest version of one annotation, a deleted one too (`Annotation.deleted`)."""
        annotation = self._db.read(lambda tx: find_current(tx, feature_id))
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

    def resolve(self, slide: str, as_of: int | datetime | None) -> int:
        """Give the revision that a number, a moment or None (now) names; several reads of it show one state."""
        return self._db.read(lambda tx: resolve_revision(tx, slide, as_of))

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
        ids = list[UUID | None]()
        refused = list[FeatureIssue]()
        created = 0
        revision = self.revision(slide)
        if len(new) > _BATCH:
            # What a later batch would be refused for is refused before the first one is written.
            self._db.write(lambda tx: add_missing_classes(tx, slide, new))
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            done = self._db.write(partial(add_batch, slide=slide, batch=batch, start=start, layer=layer, author=author))
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

        def work(tx: Transaction) -> Annotation:
            head = require_head(tx, feature_id, expected)
            if head.deleted:
                raise Stale("This annotation was deleted meanwhile.")
            add_missing_classes(tx, head.slide, [new])
            return append_version(tx, feature_id, head, content, author=author)

        return self._db.write(work)

    def delete(self, feature_id: UUID, *, expected: int, author: str) -> Annotation:
        """Mark one annotation as deleted; its history stays and `revert` brings it back."""

        def work(tx: Transaction) -> Annotation:
            head = require_head(tx, feature_id, expected)
            if head.deleted:
                raise NotFound("There is no such annotation.")
            content = content_at(tx, feature_id, head.revision)
            return append_version(tx, feature_id, head, content, author=author, deleted=True)

        return self._db.write(work)

    def revert(self, feature_id: UUID, revision: int, *, expected: int, author: str) -> Annotation:
        """Write the content of an earlier revision as the next version; undeletes.

        Raises
        ------
        Invalid
            When the annotation has no version of this revision, or that version is a deletion.
        """

        def work(tx: Transaction) -> Annotation:
            head = require_head(tx, feature_id, expected)
            row = tx.row("select deleted from feature_version where id = ? and revision = ?", str(feature_id), revision)
            if row is None or row[0]:
                raise Invalid("This annotation has no content at that revision.")
            return append_version(tx, feature_id, head, content_at(tx, feature_id, revision), author=author)

        return self._db.write(work)
