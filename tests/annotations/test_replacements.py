"""An import that replaces very many holds others up for a few statements, and is there as a whole or not at all."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from pathserve.annotations import AnnotationQuery, AnnotationStore
from pathserve.annotations.bulk import sweep_unpublished
from pathserve.annotations.replacements import LAID_AT_ONCE
from pathserve.db import Database, Row, Transaction
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


def test_publishing_takes_the_same_statements_for_few_and_many(db: Database, slide: str) -> None:
    bring(db, slide, cells(1800))
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
    before = list(AnnotationStore(db).each(AnnotationQuery(slide)))

    def stop(writes: int) -> None:
        if writes == 3:
            raise KeyboardInterrupt

    bulk = AnnotationStore(Counting(db, stop)).bulk(slide, layer="cells", author="model")
    bulk.add(Columns.of(cells(1200, note="changed")), on_conflict="replace")
    with pytest.raises(KeyboardInterrupt):
        bulk.publish()
    assert [count for _, count in left(db)] != []
    if how == "left":
        bulk._db = db  # nobody interrupts this time
        bulk.__exit__(None, None, None)
    else:
        db.write(lambda tx: tx.run("update batch set touched = '2000' where revision is null"))
        assert sweep_unpublished(db) == 1
    assert left(db) == []
    assert list(AnnotationStore(db).each(AnnotationQuery(slide))) == before
    assert {len(AnnotationStore(db).history(a.id)) for a in before[::100]} == {1}


def test_what_has_taken_over_and_was_not_cleared_is_swept(db: Database, slide: str) -> None:
    bring(db, slide, cells(600))

    def stop(writes: int) -> None:
        if writes == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(Counting(db, stop), slide, cells(600, note="changed"))
    assert AnnotationStore(db).summary(AnnotationQuery(slide, text="changed")).total == 600
    assert [count for _, count in left(db)] == [600]
    sweep_unpublished(db)
    assert left(db) == []
