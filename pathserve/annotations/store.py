"""Writes and reads of annotations. Nothing is ever overwritten: a write appends versions or chunks and moves heads."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from pathserve.annotations.bulk import BulkWriter
from pathserve.annotations.chunk_reader import ChunkReader
from pathserve.annotations.compaction import CompactionRule, compact, compact_later
from pathserve.annotations.counting import count_by_layer
from pathserve.annotations.differences import Difference
from pathserve.annotations.directory import Directories, read_state
from pathserve.annotations.edits import Edit, Edited, NotEdited, apply_edits
from pathserve.annotations.gathering import Gatherer
from pathserve.annotations.known_rows import id_list
from pathserve.annotations.layers import LayerKind, layers_at
from pathserve.annotations.paging import read_page, summarise
from pathserve.annotations.query import AnnotationPage, AnnotationQuery, Order, Summary
from pathserve.annotations.reading import SOURCES_AT_ONCE, Plan, Source, make_plan, read_columns
from pathserve.annotations.revisions import current_revision, resolve_revision
from pathserve.annotations.rows import to_content
from pathserve.annotations.schema import ensure_classes
from pathserve.annotations.single_edit import append_version, content_at, require_current
from pathserve.annotations.streaming import stream_columns
from pathserve.annotations.versions import (
    Added,
    add_batch,
    conflict_at,
    find_current,
    read_history,
)
from pathserve.db import Database, Transaction
from pathserve.errors import Invalid, NotFound, Stale
from pathserve.labels import Annotation, Columns, FeatureIssue, Layer, NewAnnotation

_BATCH = 5000


class AnnotationStore:
    """The annotations of all slides; every method blocks its thread, and a write is durable when it returns.

    A slide's revision grows by one with each write of any of its annotations, so a revision names one state of the
    whole slide. A class that the project's schema does not have yet is added by the write that names it.

    Parameters
    ----------
    spool
        Folder for what an import holds until it is published; the system's own for temporary files when None.
    reader, directories
        Who else reads chunks can share them, so that each is read once; its own when None.
    """

    def __init__(
        self,
        db: Database,
        *,
        spool: Path | None = None,
        reader: ChunkReader | None = None,
        directories: Directories | None = None,
    ) -> None:
        self._db = db
        self._reader = reader or ChunkReader()
        self._directories = directories or Directories()
        self._gatherer = Gatherer()
        self._spool = spool

    # reads

    def page(
        self, query: AnnotationQuery, *, limit: int, cursor: str | None = None, order: Order | None = None
    ) -> AnnotationPage:
        """Read one page of a question's answer; with a cursor of the same question, in the order of its first page."""
        return self._db.read(
            lambda tx: read_page(tx, self._reader, self._directories, query, limit=limit, cursor=cursor, order=order)
        )

    def each(self, query: AnnotationQuery) -> Iterator[Annotation]:
        """Read all answers, a page at a time, all of the same revision."""
        page = self.page(query, limit=_BATCH)
        yield from page.annotations
        while page.next is not None:
            page = self.page(query, limit=_BATCH, cursor=page.next)
            yield from page.annotations

    def columns(self, query: AnnotationQuery, *, properties: bool = True, keep: bool = True) -> Iterator[Columns]:
        """Read all answers as arrays, all of the same revision, each of one layer; in no particular order.

        Memory: at most `SOURCES_AT_ONCE` chunks at a time, and a copy of what is given of those that lie there partly.

        Parameters
        ----------
        properties
            Without them ``properties`` are empty texts and ``geometries`` and ``drawn`` have no entries; no JSON is
            decoded.
        keep
            Whether what is unpacked is kept for others. What goes through whole slides keeps nothing, and gets a chunk
            at a time, with its properties.
        """
        if not keep:
            yield from stream_columns(self._db, self._reader, self._directories, query)
            return

        def first(tx: Transaction) -> tuple[Plan, list[Source], list[Columns]]:
            state = read_state(tx, query.slide)
            newest = state.revision
            revision = newest if query.as_of is None else resolve_revision(tx, query.slide, query.as_of)
            plan = make_plan(tx, query, revision=revision, newest=newest, directories=self._directories, state=state)
            sources = plan.sources
            some = sources[:SOURCES_AT_ONCE]
            return plan, sources, read_columns(tx, self._reader, self._gatherer, plan, some, properties=properties)

        plan, sources, found = self._db.read(first)
        yield from found
        for start in range(SOURCES_AT_ONCE, len(sources), SOURCES_AT_ONCE):
            some = sources[start : start + SOURCES_AT_ONCE]
            yield from self._db.read(
                partial(
                    read_columns,
                    reader=self._reader,
                    gatherer=self._gatherer,
                    plan=plan,
                    sources=some,
                    properties=properties,
                )
            )

    def summary(self, query: AnnotationQuery) -> Summary:
        """Count an answer, all of it and by class, layer and state, exactly."""
        return self._db.read(lambda tx: summarise(tx, self._reader, self._directories, query))

    def get(self, feature_id: UUID) -> Annotation:
        """Read one annotation as it is now.

        Raises
        ------
        NotFound
            When there never was one of this id, or it is deleted.
        """
        annotation = self._db.read(lambda tx: find_current(tx, self._reader, feature_id))
        if annotation is None or annotation.deleted:
            raise NotFound("There is no such annotation.")
        return annotation

    def latest(self, feature_id: UUID) -> Annotation:
        """Read the newest version of one annotation, a deleted one too (`Annotation.deleted`)."""
        annotation = self._db.read(lambda tx: find_current(tx, self._reader, feature_id))
        if annotation is None:
            raise NotFound("There is no such annotation.")
        return annotation

    def history(self, feature_id: UUID) -> list[Annotation]:
        """Give every version of one annotation, oldest first."""
        versions = self._db.read(lambda tx: read_history(tx, self._reader, feature_id))
        if not versions:
            raise NotFound("There is no such annotation.")
        return versions

    def revision(self, slide: str) -> int:
        """Give the slide's newest revision."""
        return self._db.read(lambda tx: current_revision(tx, slide))

    def resolve(self, slide: str, as_of: int | datetime | None) -> int:
        """Give the revision that a number, a moment or None (now) names; several reads of it show one state."""
        return self._db.read(lambda tx: resolve_revision(tx, slide, as_of))

    def layers(self, slide: str, *, revision: int | None = None) -> list[tuple[Layer, int]]:
        """Give the slide's layers, now or as they were at a revision, each with its count of annotations now."""

        def work(tx: Transaction) -> list[tuple[Layer, int]]:
            counts = count_by_layer(tx, [slide])
            states = layers_at(tx, slide, current_revision(tx, slide) if revision is None else revision).values()
            return [(s.layer, counts.get(s.layer.id, (slide, 0))[1]) for s in states if not s.deleted]

        return self._db.read(work)

    def layer_names(self, slide: str, revision: int) -> list[str]:
        """Give the names of the slide's layers as they were at a revision."""
        states = self._db.read(lambda tx: layers_at(tx, slide, revision)).values()
        return [state.layer.name for state in states if not state.deleted]

    def counts(self, slides: Sequence[str]) -> dict[str, int]:
        """Count the annotations of some slides."""

        def work(tx: Transaction) -> dict[str, int]:
            totals = dict.fromkeys(slides, 0)
            for slide, count in count_by_layer(tx, slides).values():
                totals[slide] += count
            return totals

        return self._db.read(work)

    # writes

    def add(self, slide: str, new: Sequence[NewAnnotation], *, layer: str, author: str) -> Added:
        """Write new annotations as one revision.

        An annotation whose id is there with the same content is nothing new, so that a retry after a lost answer
        changes nothing; with other content it is refused. More than 5,000 are written as `bulk` does.

        Raises
        ------
        NotFound
            When there is no such slide.
        Conflict
            As `BulkWriter.publish`.
        """
        if len(new) > _BATCH:
            with self.bulk(slide, layer=layer, author=author, kind="author") as bulk:
                return _add_many(bulk, new)
        added = self._db.write(
            partial(add_batch, reader=self._reader, slide=slide, batch=new, layer=layer, author=author)
        )
        compact_later(self._db, self._reader, slide, added.revision, added.created)
        return added

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
            current = require_current(tx, self._reader, feature_id, expected)
            if current.deleted:
                raise Stale("This annotation was deleted meanwhile.", revision=current.revision)
            if new.class_name not in (None, current.class_name):
                ensure_classes(tx, current.project, [(new.class_name, new.class_color)], author=author)
            return append_version(tx, current, content, author=author)

        return _edit(self._db, self._reader, work)

    def delete(self, feature_id: UUID, *, expected: int, author: str) -> Annotation:
        """Mark one annotation as deleted; its history stays and `revert` brings it back."""

        def work(tx: Transaction) -> Annotation:
            current = require_current(tx, self._reader, feature_id, expected)
            content = content_at(tx, self._reader, current, current.revision)
            if content is None:
                raise NotFound("There is no such annotation.")
            return append_version(tx, current, content, author=author, deleted=True)

        return _edit(self._db, self._reader, work)

    def revert(self, feature_id: UUID, revision: int, *, expected: int, author: str) -> Annotation:
        """Write the content of an earlier revision as the next version; undeletes.

        Raises
        ------
        Invalid
            When the annotation has no version of this revision, or that version is a deletion.
        """

        def work(tx: Transaction) -> Annotation:
            current = require_current(tx, self._reader, feature_id, expected)
            content = content_at(tx, self._reader, current, revision)
            if content is None:
                raise Invalid("This annotation has no content at that revision.")
            return append_version(tx, current, content, author=author)

        return _edit(self._db, self._reader, work)

    def edit_many(self, slide: str, edits: Sequence[Edit], *, author: str) -> list[Edited | NotEdited]:
        """Make those of some edits whose annotations are still as their writer saw them, as one revision.

        Returns
        -------
        An answer for each edit, in their order; `NotEdited` says what is current instead.
        """
        answers = self._db.write(lambda tx: apply_edits(tx, self._reader, slide, edits, author=author))
        made = [answer.revision for answer in answers if isinstance(answer, Edited)]
        if made:
            compact_later(self._db, self._reader, slide, made[0], len(made))
        return answers

    def bulk(self, slide: str, *, layer: str, author: str, kind: LayerKind = "imported") -> BulkWriter:
        """Begin to add very many annotations to one layer as one revision.

        Raises
        ------
        NotFound
            When there is no such slide.
        """
        return BulkWriter(self._db, self._reader, slide, layer=layer, author=author, kind=kind, spool=self._spool)

    def compact(self, slide: str, rule: CompactionRule | None = None) -> int:
        """Fold what is due on a slide (`compaction`); changes no answer, and gives how many things were folded."""
        return compact(self._db, self._reader, slide, rule)


def _edit(db: Database, reader: ChunkReader, work: Callable[[Transaction], Annotation]) -> Annotation:
    annotation = db.write(work)
    compact_later(db, reader, annotation.slide, annotation.revision, 1)
    return annotation


def _add_many(bulk: BulkWriter, new: Sequence[NewAnnotation]) -> Added:
    ids = list[UUID | None]()
    refused = list[FeatureIssue]()
    known = 0
    for start in range(0, len(new), _BATCH):
        some = new[start : start + _BATCH]
        colors = {n.class_name: n.class_color for n in reversed(some) if n.class_name and n.class_color}
        done = bulk.add(Columns.of(some), colors=colors)
        conflicts = set(done.conflicts.tolist())
        ids += [None if row in conflicts else i for row, i in enumerate(id_list(done.ids))]
        pairs = zip(done.conflicts.tolist(), done.differences.tolist(), strict=True)
        refused += [conflict_at(start + row, Difference(difference)) for row, difference in pairs]
        known += len(done.known)
    return Added(ids, len(new) - known - len(refused), refused, bulk.publish())
