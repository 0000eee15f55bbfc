"""An import that replaces very many holds others up for a few statements, and is there as a whole or not at all."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from pathserve.annotations import AnnotationQuery, AnnotationStore, CompactionRule, Edit
from pathserve.annotations.bulk import BulkWriter, sweep_unpublished
from pathserve.annotations.chunk_reader import ChunkReader
from pathserve.annotations.replacements import LAID_AT_ONCE
from pathserve.annotations.successors import settle_places
from pathserve.db import Database, Row, Transaction, as_int
from pathserve.errors import Stale
from pathserve.labels import Columns, NewAnnotation


def cells(count: int, **said: Any) -> list[NewAnnotation]:
    """Points in a row, with the same ids each time."""
    return [
        NewAnnotation(
            {"type": "Point", "coordinates": [n % 1000, n // 1000]},
            id=UUID(int=(4 << 76) | (8 << 60) | n),
            class_name="A",
            properties=said,
        )
        for n in range(count)
    ]


class Counting:
    """A database that counts the statements of each write and the rows that Python hands them one by one."""

    def __init__(self, db: Database, before_write: Callable[[int], object] = lambda _: None) -> None:
        self._db, self._before_write = db, before_write
        self.writes = list[tuple[int, int]]()

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        self._before_write(len(self.writes))

        def counted(tx: Any) -> Any:
            counting = _Counted(tx)
            try:
                return work(counting)
            finally:
                self.writes.append((counting.statements, counting.rows_given))

        return self._db.write(counted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class _Counted:
    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.statements = self.rows_given = 0

    def run_many(self, sql: str, rows: Iterable[Row]) -> None:
        given = list(rows)
        self.statements += 1
        self.rows_given += len(given)
        self._tx.run_many(sql, given)

    def __getattr__(self, name: str) -> Any:
        self.statements += 1
        return getattr(self._tx, name)


def bring(db: Any, slide: str, new: list[NewAnnotation]) -> int:
    with AnnotationStore(db).bulk(slide, layer="cells", author="model") as bulk:
        bulk.add(Columns.of(new), on_conflict="replace")
        return bulk.publish()


def left(db: Database) -> list[Row]:
    return db.read(lambda tx: tx.rows("select batch, count(*) from replacement group by batch"))


def end(db: Database, bulk: BulkWriter, how: str) -> None:
    """Let an import that was stopped clear what it wrote, or be swept as one whose process was killed."""
    if how == "left":
        bulk._db = db  # nobody interrupts this time
        bulk.__exit__(None, None, None)
    else:
        db.write(lambda tx: tx.run("update batch set touched = '2000' where revision is null"))
        assert sweep_unpublished(db) == 1


def touch_each(db: Database, slide: str, count: int) -> None:
    """Give each a version beside its chunk."""
    for start in range(0, count, 600):
        edits = [Edit(item.id, 1, class_name="B") for item in cells(count)[start : start + 600] if item.id]
        AnnotationStore(db).edit_many(slide, edits, author="ada")


def test_publishing_takes_the_same_statements_for_few_and_many(db: Database, slide: str) -> None:
    bring(db, slide, cells(1800))
    touch_each(db, slide, 1800)
    found = []
    for count in (200, 1800):
        counting = Counting(db)
        bring(counting, slide, cells(count, note=f"changed {count}"))
        # Begun, laid ready in pieces, published, cleared; then compaction, which is no part of it.
        published = next(n for n, (_, rows) in enumerate(counting.writes) if n > 0 and rows == 0)
        assert count <= LAID_AT_ONCE * (published - 1)
        assert 0 < max(rows for _, rows in counting.writes[1:published]) <= 3 * LAID_AT_ONCE
        found.append(counting.writes[published])
    assert found[0] == found[1]
    assert found[0][1] == 0
    assert left(db) == []


def test_others_write_meanwhile(db: Database, slide: str) -> None:
    store = AnnotationStore(db)
    bring(db, slide, cells(1800))
    same, other = cells(1800)[7].id, uuid4()
    assert same is not None
    store.add(slide, [NewAnnotation({"type": "Point", "coordinates": [1, 1]}, id=other)], layer="ada", author="ada")
    seen = list[int]()

    def edit(writes: int) -> None:
        if writes in (2, 4):  # between two pieces, and after the last one
            seen.append(store.summary(AnnotationQuery(slide, text="changed")).total)
            for i in (same, other):
                new = replace(cells(8)[7], id=None, class_name="B")
                store.replace(i, new, expected=store.get(i).revision, author="ada")

    revision = bring(Counting(db, edit), slide, cells(1800, note="changed"))
    assert seen == [0, 0]
    assert revision == 2 + 4 + 1
    assert [(v.author, v.class_name, v.revision) for v in store.history(same)] == [
        ("model", "A", 1),
        ("ada", "B", 3),
        ("ada", "B", 5),
        ("model", "A", 7),
    ]
    assert [v.revision for v in store.history(other)] == [2, 4, 6]
    every = list(store.each(AnnotationQuery(slide)))
    assert [a.properties for a in every if a.id != other] == [{"note": "changed"}] * 1800
    before = {a.id: a.class_name for a in store.each(AnnotationQuery(slide, as_of=6))}
    assert (len(before), before[same]) == (1801, "B")


@pytest.mark.parametrize("how", ["left", "killed"])
def test_what_was_laid_ready_and_not_published_leaves_no_trace(db: Database, slide: str, how: str) -> None:
    bring(db, slide, cells(1200))
    touch_each(db, slide, 1200)
    before = list(AnnotationStore(db).each(AnnotationQuery(slide)))

    def stop(writes: int) -> None:
        if writes == 3:
            raise KeyboardInterrupt

    bulk = AnnotationStore(Counting(db, stop)).bulk(slide, layer="cells", author="model")
    bulk.add(Columns.of(cells(1200, note="changed")), on_conflict="replace")
    with pytest.raises(KeyboardInterrupt):
        bulk.publish()
    assert [count for _, count in left(db)] != []
    end(db, bulk, how)
    assert left(db) == []
    assert list(AnnotationStore(db).each(AnnotationQuery(slide))) == before
    assert {len(AnnotationStore(db).history(a.id)) for a in before[::100]} == {2}


def test_what_has_taken_over_and_was_not_cleared_is_swept(db: Database, slide: str) -> None:
    bring(db, slide, cells(600))
    touch_each(db, slide, 600)

    def stop(writes: int) -> None:
        if writes == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(Counting(db, stop), slide, cells(600, note="changed"))
    assert AnnotationStore(db).summary(AnnotationQuery(slide, text="changed")).total == 600
    assert [count for _, count in left(db)] == [600]
    sweep_unpublished(db)
    assert left(db) == []


ALWAYS = CompactionRule(overridden=0.0, versions=1)


def told(db: Database, slide: str, revision: int | None = None) -> dict[UUID, tuple[Any, ...]]:
    """Say all of a state, by a store that has nothing in memory."""
    every = AnnotationStore(db).each(AnnotationQuery(slide, as_of=revision))
    return {a.id: (a.number, a.class_name, a.properties, a.revision, a.author, a.layer, a.created) for a in every}


def count(db: Database, table: str) -> int:
    return as_int((db.read(lambda tx: tx.row(f"select count(*) from {table}")) or ("",))[0])  # noqa: S608 - names of ours


pair = pytest.mark.databases("sqlite", "postgresql")


EDITED, GONE = (UUID(str(item.id)) for item in cells(7)[5:])
ONE, OTHER, THIRD, FOURTH = (UUID(str(item.id)) for item in cells(4))
SAME = UUID(str(cells(551)[550].id))


def replace_many(db: Database, slide: str, *, settled: bool) -> list[dict[UUID, tuple[Any, ...]]]:
    """Bring 1,100 cells, edit one, delete one, and replace all but a hundred; gives the three states."""
    new = cells(1100, note="changed")
    new[500:600] = cells(600)[500:]  # the same as before
    bring(db, slide, cells(1100))
    states = [told(db, slide)]
    edits = [Edit(EDITED, 1, class_name="B"), Edit(GONE, 1, deleted=True)]
    AnnotationStore(db).edit_many(slide, edits, author="ada")
    states.append(told(db, slide))

    def stop(_: int) -> None:
        if count(db, "successor") and not settled:
            raise KeyboardInterrupt

    if settled:
        assert bring(db, slide, new) == 3
    else:
        with pytest.raises(KeyboardInterrupt):
            bring(Counting(db, stop), slide, new)
    assert (count(db, "successor") == 0) == settled
    return [*states, told(db, slide)]


@pair
@pytest.mark.parametrize("settled", [True, False])
def test_many_rows_of_a_chunk_are_replaced_with_their_chunk(db: Database, slide: str, settled: bool) -> None:
    first, second, third = replace_many(db, slide, settled=settled)
    # Only what had a version has one more: all other chunks took each other's places.
    assert count(db, "feature_version") == 4
    for n, i in enumerate(UUID(str(item.id)) for item in cells(1100)):
        number, _, _, revision, author, layer, created = first[i]
        says = ({}, revision) if 500 <= n < 600 else ({"note": "changed"}, 3)
        assert third[i] == (number, "A", *says, author, layer, created)
    assert [told(db, slide, revision) for revision in (1, 2)] == [first, second]
    assert AnnotationStore(db).counts([slide]) == {slide: 1100}
    for _ in range(2):
        store = AnnotationStore(db)
        assert [(v.revision, v.properties) for v in store.history(ONE)] == [(1, {}), (3, {"note": "changed"})]
        assert [v.revision for v in store.history(EDITED)] == [1, 2, 3]
        assert [v.deleted for v in store.history(GONE)] == [False, True, False]
        assert [v.revision for v in store.history(SAME)] == [1]
        assert list(store.each(AnnotationQuery(slide, ids=(ONE,)))) == [store.get(ONE)]
        sweep_unpublished(db)
        assert count(db, "successor") == 0


@pair
def test_a_chunk_that_cannot_be_read_holds_no_other_import_up(db: Database, slide: str) -> None:
    replace_many(db, slide, settled=False)
    waiting = count(db, "successor")
    assert waiting > 1
    damage = "update chunk_data set attributes = ? where chunk = (select min(next) from successor)"
    db.write(lambda tx: tx.run(damage, b"damaged"))
    assert bring(db, slide, [replace(cell, id=uuid4()) for cell in cells(3)]) == 4
    assert count(db, "successor") == 1


@pair
def test_what_was_replaced_with_its_chunk_is_edited_and_folded_like_any_other(db: Database, slide: str) -> None:
    states = replace_many(db, slide, settled=False)
    store = AnnotationStore(db)
    with pytest.raises(Stale):
        store.replace(ONE, replace(cells(1)[0], id=None), expected=1, author="eve")
    back = store.revert(ONE, 1, expected=3, author="eve")
    assert (back.properties, back.created) == ({}, states[0][ONE][-1])
    assert [v.revision for v in store.history(ONE)] == [1, 3, 4]
    states.append(told(db, slide))
    store.edit_many(slide, [Edit(OTHER, 3, class_name="C")], author="eve")
    states.append(told(db, slide))
    assert bring(db, slide, cells(1100, note="again")) == 6
    states.append(told(db, slide))
    for _ in range(2):
        store = AnnotationStore(db)
        assert [v.properties.get("note") for v in store.history(THIRD)] == [None, "changed", "again"]
        assert [v.revision for v in store.history(OTHER)] == [1, 3, 5, 6]
        assert [told(db, slide, revision) for revision in range(1, 7)] == states
        store.compact(slide, ALWAYS)  # keeps all that lies before the rows that it moves
    assert count(db, "chunk where died is null") < count(db, "chunk")
    assert store.revert(THIRD, 3, expected=6, author="eve").properties == {"note": "changed"}
    assert store.revert(FOURTH, 1, expected=6, author="eve").properties == {}
    store = AnnotationStore(db)
    assert [v.revision for v in store.history(THIRD)] == [1, 3, 6, 7]
    assert [v.revision for v in store.history(FOURTH)] == [1, 3, 6, 8]
    assert store.counts([slide]) == {slide: 1100}


@pair
@pytest.mark.parametrize("folded", [False, True])
def test_what_is_edited_while_chunks_are_written_anew_stays_in_its_history(
    db: Database, slide: str, folded: bool
) -> None:
    bring(db, slide, cells(1100))
    store = AnnotationStore(db)
    some = [UUID(str(item.id)) for item in cells(1100)[::250]]
    meddled = list[int]()

    def meddle(writes: int) -> None:
        if not meddled and count(db, "chunk where replaces is not null"):
            meddled.append(writes)
            for i in some:
                new = replace(cells(1)[0], id=None, class_name="B")
                meddled.append(store.replace(i, new, expected=1, author="ada").revision)
            if folded:
                assert store.compact(slide, ALWAYS)

    revision = bring(Counting(db, meddle), slide, cells(1100, note="changed"))
    assert revision == 2 + len(some)
    store = AnnotationStore(db)
    for n, i in enumerate(some):
        assert [(v.revision, v.author) for v in store.history(i)] == [(1, "model"), (2 + n, "ada"), (revision, "model")]
    assert {(p[2]["note"], p[3]) for p in told(db, slide).values()} == {("changed", revision)}
    assert len(told(db, slide)) == 1100
    assert {i for i, p in told(db, slide, revision - 1).items() if p[1] == "B"} == set(some)
    assert AnnotationStore(db).counts([slide]) == {slide: 1100}
    assert AnnotationStore(db).summary(AnnotationQuery(slide)).total == 1100
    assert (count(db, "chunk where born is null"), left(db), count(db, "successor")) == (0, [], 0)


def test_what_others_only_looked_at_while_chunks_are_written_anew_is_found_by_its_new_revision(
    db: Database, slide: str
) -> None:
    bring(db, slide, cells(300))
    tried = list[int]()

    def meddle(writes: int) -> None:
        if not tried and count(db, "chunk where replaces is not null"):
            tried.append(writes)
            AnnotationStore(db).edit_many(slide, [Edit(ONE, 77, class_name="B")], author="ada")  # refused

    assert bring(Counting(db, meddle), slide, cells(300, note="changed")) == 2
    assert tried
    store = AnnotationStore(db)
    assert [v.revision for v in store.history(ONE)] == [1, 2]
    assert {a.properties["note"] for a in store.each(AnnotationQuery(slide))} == {"changed"}
    assert store.replace(ONE, replace(cells(1)[0], id=None), expected=2, author="ada").revision == 3


def test_taking_over_takes_the_same_statements_for_few_and_many_chunks(db: Database, slide: str) -> None:
    bring(db, slide, cells(3000))
    found = []
    for many in (300, 3000):
        counting = Counting(db)
        bring(counting, slide, cells(many, note=f"changed {many}"))
        settled = [n for n, (statements, rows) in enumerate(counting.writes) if rows and statements == 1]
        found.append(counting.writes[settled[0] - 1])
    assert found[0] == found[1]
    assert found[0][1] == 0


@pytest.mark.parametrize("how", ["left", "killed"])
def test_chunks_written_anew_and_not_published_leave_no_trace(db: Database, slide: str, how: str) -> None:
    bring(db, slide, cells(1200))
    before = told(db, slide)

    def stop(_: int) -> None:
        if count(db, "chunk where replaces is not null"):
            raise KeyboardInterrupt

    bulk = AnnotationStore(Counting(db, stop)).bulk(slide, layer="cells", author="model")
    bulk.add(Columns.of(cells(1200, note="changed")), on_conflict="replace")
    with pytest.raises(KeyboardInterrupt):
        bulk.publish()
    assert told(db, slide) == before
    end(db, bulk, how)
    assert count(db, "chunk where replaces is not null") == 0
    assert told(db, slide) == before


def test_few_rows_of_a_chunk_are_no_reason_to_write_it_anew(db: Database, slide: str) -> None:
    bring(db, slide, cells(1000))
    assert bring(db, slide, cells(10, note="changed")) == 2
    assert (count(db, "chunk"), count(db, "feature_version")) == (1, 10)


def test_two_imports_that_replace_follow_each_other_before_places_are_settled(db: Database, slide: str) -> None:
    bring(db, slide, cells(300))

    def stop(_: int) -> None:
        if count(db, "successor"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(Counting(db, stop), slide, cells(300, note="one"))
    seen = list[int]()

    def stop_again(_: int) -> None:
        if count(db, "successor") > seen[0]:
            raise KeyboardInterrupt

    seen.append(count(db, "successor"))
    with pytest.raises(KeyboardInterrupt):
        bring(Counting(db, stop_again), slide, cells(300, note="two"))
    now = told(db, slide)
    assert {(p[2]["note"], p[3]) for p in now.values()} == {("two", 3)}
    i = UUID(str(cells(1)[0].id))
    for _ in range(2):
        assert [v.properties.get("note") for v in AnnotationStore(db).history(i)] == [None, "one", "two"]
        settle_places(db, ChunkReader())
    assert told(db, slide) == now
    assert AnnotationStore(db).replace(i, replace(cells(1)[0], id=None), expected=3, author="ada").revision == 4
    assert len(told(db, slide)) == 300
