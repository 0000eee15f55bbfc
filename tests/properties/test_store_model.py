"""The store of annotations against a plain dict, in any order of writes, at every revision."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

import pathserve.annotations.bulk as bulks
from pathserve.annotations import (
    AnnotationQuery,
    AnnotationStore,
    CompactionRule,
    Edit,
    Edited,
    NotEdited,
    OnConflict,
    successors,
    sweep_unpublished,
)
from pathserve.catalog import Catalog, make_slide_id
from pathserve.db import Database, SqliteDatabase, open_database
from pathserve.errors import Invalid, NotFound, Stale
from pathserve.geometry import Size
from pathserve.labels import Annotation, Columns, NewAnnotation
from pathserve.pixels import Level, SlideInfo

INFO = SlideInfo("jpeg", (Level(Size(200, 200), 1.0),), None, True, None, "jpeg")
CLASSES = ("A", "B", None)
LAYERS = ("one", "two")
BOX = (40.0, 40.0, 120.0, 90.0)


@dataclass(frozen=True)
class Thing:
    """What the model knows of one version."""

    x: int
    y: int
    class_name: str | None
    note: str
    layer: str
    revision: int
    deleted: bool = False


contents = st.tuples(st.integers(0, 190), st.integers(0, 190), st.sampled_from(CLASSES), st.sampled_from("abc"))
numbers = st.integers(0, 24)
Content = tuple[int, int, str | None, str]


def identity(number: int) -> UUID:
    return UUID(int=number + 1, version=4)


def made(content: Content, i: UUID | None = None) -> NewAnnotation:
    x, y, class_name, note = content
    ring = [[x, y], [x + 8, y], [x + 8, y + 8], [x, y + 8], [x, y]]
    return NewAnnotation({"type": "Polygon", "coordinates": [ring]}, i, class_name, None, {"note": note})


def thing_of(content: Content, layer: str, revision: int) -> Thing:
    return Thing(*content, layer, revision)


def seen(annotation: Annotation) -> Thing:
    x, y = annotation.geometry["coordinates"][0][0]
    note = annotation.properties["note"]
    return Thing(x, y, annotation.class_name, note, annotation.layer, annotation.revision, annotation.deleted)


class StoreAgainstDict(RuleBasedStateMachine):
    """Every write is done to both; every state that there ever was is compared."""

    def __init__(self, db: Database | None = None) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self._is_shared = db is not None
        self.db = db or SqliteDatabase(folder / "pathserve.db")
        self.slide = make_slide_id()
        facts: dict[str, Any] = {"project": "p", "name": None, "info": INFO, "levels": 1, "tile_size": 256}
        Catalog(self.db).add_slide(slide_id=self.slide, content_hash="c", **facts)
        self.store = AnnotationStore(self.db, spool=folder)
        self.now: dict[UUID, Thing] = {}
        self.histories: dict[UUID, list[Thing]] = {}
        self.states: list[dict[UUID, Thing]] = [{}]
        self.numbers: dict[UUID, int] = {}

    def teardown(self) -> None:
        done = Event()
        self.db.later("done", done.set)
        assert done.wait(60)
        if self._is_shared:  # the next one has the same ids
            self.db.write(lambda tx: tx.run("delete from slide where id = ?", self.slide))
        else:
            self.db.close()
        self._folder.cleanup()

    # the model

    def put(self, changes: dict[UUID, Thing]) -> None:
        """Make the next state."""
        assert self.store.revision(self.slide) == len(self.states)
        self.now = self.now | changes
        for i, thing in changes.items():
            self.histories.setdefault(i, []).append(thing)
        self.states.append({i: thing for i, thing in self.now.items() if not thing.deleted})

    def same(self, there: Thing, content: Content) -> bool:
        return not there.deleted and (there.x, there.y, there.class_name, there.note) == content

    @property
    def next(self) -> int:
        return len(self.states)

    # writes

    @rule(several=st.dictionaries(numbers, contents, min_size=1, max_size=6), layer=st.sampled_from(LAYERS))
    def add(self, several: dict[int, Content], layer: str) -> None:
        added = self.store.add(
            self.slide, [made(content, identity(n)) for n, content in several.items()], layer=layer, author="ada"
        )
        fresh = {identity(n): content for n, content in several.items() if identity(n) not in self.now}
        for (n, content), i in zip(several.items(), added.ids, strict=True):
            there = self.now.get(identity(n))
            assert (i is None) == (there is not None and not self.same(there, content))
        assert added.created == len(fresh)
        if fresh:
            self.put({i: thing_of(content, layer, self.next) for i, content in fresh.items()})

    @rule(
        several=st.lists(st.tuples(numbers, contents), min_size=1, max_size=12),
        layer=st.sampled_from(LAYERS),
        on_conflict=st.sampled_from(("report", "replace")),
        fewest=st.sampled_from((1, 2, successors.FEWEST_ROWS)),
        stopped=st.booleans(),
    )
    def bulk(
        self, several: list[tuple[int, Content]], layer: str, on_conflict: OnConflict, fewest: int, stopped: bool
    ) -> None:
        fresh, replaced = dict[UUID, Content](), dict[UUID, Content]()
        expected = list[str]()
        for n, content in several:
            i = identity(n)
            written = fresh.get(i) or replaced.get(i)
            there = self.now.get(i)
            if written is not None:
                expected.append("known" if written == content else "conflict")
            elif there is None:
                expected.append("new")
                fresh[i] = content
            elif self.same(there, content):
                expected.append("known")
            elif on_conflict == "report":
                expected.append("conflict")
            else:
                expected.append("replaced")
                replaced[i] = content
        with self.store.bulk(self.slide, layer=layer, author="model") as bulk:
            columns = Columns.of([made(content, identity(n)) for n, content in several])
            added = bulk.add(columns, on_conflict=on_conflict)
            answers = ["new"] * len(several)
            for name in ("known", "conflicts", "replaced"):
                for row in getattr(added, name).tolist():
                    answers[row] = name.rstrip("s")
            assert answers == expected
            with pytest.MonkeyPatch.context() as patch:
                # A few rows make a chunk worth writing anew; who is stopped right after publishing settles nothing.
                patch.setattr(successors, "FEWEST_ROWS", fewest)
                if stopped:
                    patch.setattr(bulks, "settle_places", lambda *_: None)
                bulk.publish()
        changes = {i: thing_of(content, layer, self.next) for i, content in fresh.items()}
        changes |= {i: thing_of(content, self.now[i].layer, self.next) for i, content in replaced.items()}
        if changes:
            self.put(changes)

    @rule(n=numbers, content=contents, behind=st.booleans())
    def replace(self, n: int, content: Content, behind: bool) -> None:
        i = identity(n)
        there = self.now.get(i)
        expected = (there.revision if there else 1) - behind
        if there is None:
            with pytest.raises(NotFound):
                self.store.replace(i, made(content), expected=expected, author="bob")
        elif behind or there.deleted:
            with pytest.raises(Stale):
                self.store.replace(i, made(content), expected=expected, author="bob")
        else:
            self.store.replace(i, made(content), expected=expected, author="bob")
            self.put({i: thing_of(content, there.layer, self.next)})

    @rule(n=numbers)
    def delete(self, n: int) -> None:
        i = identity(n)
        there = self.now.get(i)
        if there is None or there.deleted:
            with pytest.raises(NotFound):
                self.store.delete(i, expected=there.revision if there else 1, author="bob")
        else:
            self.store.delete(i, expected=there.revision, author="bob")
            self.put({i: replace(there, deleted=True, revision=self.next)})

    @rule(n=numbers, back=st.integers(1, 5))
    def revert(self, n: int, back: int) -> None:
        i = identity(n)
        there = self.now.get(i)
        if there is None:
            return
        old = self.histories[i][-min(back, len(self.histories[i]))]
        if old.deleted:
            with pytest.raises(Invalid):
                self.store.revert(i, old.revision, expected=there.revision, author="eve")
        else:
            self.store.revert(i, old.revision, expected=there.revision, author="eve")
            self.put({i: replace(old, revision=self.next)})

    @rule(
        several=st.dictionaries(
            numbers, st.tuples(st.sampled_from(("A", "", None)), st.sampled_from((True, False, None)), st.booleans())
        )
    )
    def edit_many(self, several: dict[int, tuple[str | None, bool | None, bool]]) -> None:
        edits, expected, changes = list[Edit](), list[Edited | NotEdited](), dict[UUID, Thing]()
        for n, (class_name, deleted, behind) in several.items():
            i = identity(n)
            there = self.now.get(i)
            revision = (there.revision if there else 1) - behind
            edits.append(Edit(i, revision, class_name=class_name, deleted=deleted))
            if there is None:
                expected.append(NotEdited(i, None, False))
            elif behind or (there.deleted and deleted is not False):
                expected.append(NotEdited(i, there.revision, there.deleted))
            else:
                new = there.class_name if class_name is None else (class_name or None)
                changes[i] = replace(there, class_name=new, deleted=bool(deleted), revision=self.next)
                expected.append(Edited(i, self.next))
        assert self.store.edit_many(self.slide, edits, author="eve") == expected
        if changes:
            self.put(changes)

    @rule(overridden=st.sampled_from((0.0, 0.3, 1.0)), versions=st.sampled_from((1, 8, 1000)))
    def compact(self, overridden: float, versions: int) -> None:
        self.store.compact(self.slide, CompactionRule(overridden, versions))

    @rule(versions=st.sampled_from((1, 8)))
    def compact_beside_what_comes_next(self, versions: int) -> None:
        self.db.later("compact", partial(self.store.compact, self.slide, CompactionRule(0.0, versions)))

    @rule(swept=st.booleans())
    def reopen(self, swept: bool) -> None:
        self.store = AnnotationStore(self.db)
        if swept:
            sweep_unpublished(self.db)

    # reads

    @rule(back=st.integers(0, 100))
    def state_at_any_revision(self, back: int) -> None:
        revision = max(0, len(self.states) - 1 - back)
        expected = self.states[revision]
        query = AnnotationQuery(self.slide, as_of=revision)
        self.agrees(self.store.each(query), expected)
        assert self.store.summary(query).total == len(expected)
        inside = {i: t for i, t in expected.items() if t.x < 120 and t.x + 8 >= 40 and t.y < 90 and t.y + 8 >= 40}
        self.agrees(self.store.each(replace(query, bbox=BOX)), inside)
        asked = {i: t for i, t in inside.items() if t.class_name == "A" and t.layer == "one"}
        query = replace(query, bbox=BOX, classes=("A",), layers=("one",))
        self.agrees(self.store.each(query), asked)
        assert self.store.summary(query).total == len(asked)

    @rule(n=numbers)
    def one_and_its_history(self, n: int) -> None:
        i = identity(n)
        if i not in self.now:
            with pytest.raises(NotFound):
                self.store.latest(i)
        else:
            assert seen(self.store.latest(i)) == self.now[i]
            assert [seen(version) for version in self.store.history(i)] == self.histories[i]

    @invariant()
    def the_newest_state_is_that_of_the_dict(self) -> None:
        self.agrees(self.store.each(AnnotationQuery(self.slide)), self.states[-1])
        assert self.store.counts([self.slide]) == {self.slide: len(self.states[-1])}

    def agrees(self, found: Iterable[Annotation], expected: dict[UUID, Thing]) -> None:
        listed = list(found)
        assert {a.id: seen(a) for a in listed} == expected
        assert len(listed) == len(expected)
        assert [a.number for a in listed] == sorted({a.number for a in listed})
        for a in listed:
            assert self.numbers.setdefault(a.id, a.number) == a.number


StoreAgainstDict.TestCase.settings = settings(max_examples=30, stateful_step_count=25)
TestStoreAgainstDict = StoreAgainstDict.TestCase


def test_store_against_dict_on_postgresql(postgres_url: str) -> None:
    db = open_database(postgres_url)

    class OnThis(StoreAgainstDict):
        def __init__(self) -> None:
            super().__init__(db)

    run_state_machine_as_test(OnThis, settings=settings(max_examples=6, stateful_step_count=20))
    db.close()
