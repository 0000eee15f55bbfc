"""Annotations of a database from before there were chunks read as they did then."""

from pathlib import Path

import orjson
import pytest

from pathserve.annotations import AnnotationQuery, AnnotationStore, CompactionRule
from pathserve.db import SqliteDatabase, Transaction
from pathserve.db.schema import MIGRATIONS

BEFORE = next(n for n, migration in enumerate(MIGRATIONS) if migration.name == "annotations in chunks")
FIRST, SECOND, THIRD = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
AT = "2026-01-0{}T00:00:00.000+00:00"

# What was done: two objects at revision 1, another class for the first at 2, the second deleted at 3, a third one at 4.
VERSIONS = [
    (FIRST, 1, None, 0, "A", "ada"),
    (SECOND, 1, None, 0, None, "ada"),
    (FIRST, 2, 1, 0, "B", "bob"),
    (SECOND, 3, 1, 1, None, "bob"),
    (THIRD, 4, None, 0, "A", "ada"),
]
HEADS = [(FIRST, 1, 2, 0, 1), (SECOND, 2, 3, 1, 1), (THIRD, 3, 4, 0, 4)]


def fill(tx: Transaction) -> None:
    tx.run("insert into project values ('p', ?)", AT.format(1))
    tx.run(
        "insert into slide (id, number, project, name, width, height, mpp_plausible, levels, tile_size, channels, "
        "planes, status, generation, content_hash, revision, last_number, created) "
        "values ('s', 1, 'p', 'Slide 1', 100, 100, 1, 1, 256, '[]', 1, 'ready', 1, 'c', 4, 3, ?)",
        AT.format(1),
    )
    tx.run("insert into class values ('p', 'A', '[1,2,3]', 1, 0, '1')")
    tx.run("insert into layer values (1, 's', 'ada', 'ada', ?)", AT.format(1))
    for revision, author in ((1, "ada"), (2, "bob"), (3, "bob"), (4, "ada")):
        tx.run("insert into revision values ('s', ?, ?, ?)", revision, author, AT.format(revision))
    geometry = orjson.dumps({"type": "Point", "coordinates": [5, 7.5]}).decode()
    for i, revision, previous, deleted, name, author in VERSIONS:
        tx.run(
            "insert into feature_version values (?, ?, 's', 1, ?, ?, 5, 7.5, 5, 7.5, ?, 'draft', null, 0, ?, '{}', "
            "null, ?, ?)",
            i,
            revision,
            previous,
            deleted,
            name,
            geometry,
            author,
            AT.format(revision),
        )
    for i, number, revision, deleted, made in HEADS:
        tx.run(
            "insert into head values (?, 's', ?, 1, ?, ?, 5, 7.5, 5, 7.5, ?)",
            i,
            number,
            revision,
            deleted,
            AT.format(made),
        )


@pytest.mark.parametrize("folded", [False, True])
def test_every_state_and_history_is_as_it_was(tmp_path: Path, folded: bool) -> None:
    path = tmp_path / "pathserve.db"
    old = SqliteDatabase(path, MIGRATIONS[:BEFORE])
    old.write(fill)
    old.close()
    db = SqliteDatabase(path)
    store = AnnotationStore(db)
    if folded:
        assert store.compact("s", CompactionRule(overridden=0.0, versions=1)) == 1
    states = [
        {str(a.id): (a.class_name, a.revision, a.number) for a in store.each(AnnotationQuery("s", as_of=r))}
        for r in range(5)
    ]
    assert states == [
        {},
        {FIRST: ("A", 1, 1), SECOND: (None, 1, 2)},
        {FIRST: ("B", 2, 1), SECOND: (None, 1, 2)},
        {FIRST: ("B", 2, 1)},
        {FIRST: ("B", 2, 1), THIRD: ("A", 4, 3)},
    ]
    assert store.counts(["s"]) == {"s": 2}
    [first, third] = store.each(AnnotationQuery("s"))
    assert (first.created.day, first.updated.day, first.author) == (1, 2, "bob")
    assert (third.created.day, third.updated.day, third.geometry["coordinates"]) == (4, 4, [5, 7.5])
    assert [(v.revision, v.class_name) for v in store.history(first.id)] == [(1, "A"), (2, "B")]
    again = store.delete(first.id, expected=2, author="eve")
    assert (again.revision, again.number) == (5, 1)
    assert [a.id for a in store.each(AnnotationQuery("s"))] == [third.id]
    db.close()
