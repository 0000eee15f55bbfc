from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pathserve.annotations import AnnotationStore, ClassSchemas
from pathserve.db import Database, SqliteDatabase, Transaction
from pathserve.db.schema import MIGRATIONS
from pathserve.errors import Invalid, NotFound, Stale
from pathserve.labels import AnnotationClass, CodedTerm, NewAnnotation

pytestmark = pytest.mark.databases("sqlite", "postgresql")

NEOPLASM = CodedTerm("SCT", "108369006", "Neoplasm")


def a_class(name: str, color: tuple[int, int, int] = (1, 2, 3), **rest: Any) -> AnnotationClass:
    return AnnotationClass(name, color, 0, **rest)


def test_every_version_can_be_read_again(schemas: ClassSchemas) -> None:
    assert schemas.of("p") == schemas.at("p", 0)
    first = schemas.set("p", [a_class("A", code=NEOPLASM), a_class("B")], author="ada")
    second = schemas.set("p", [a_class("A", (9, 9, 9), priority=3)], author="bob")
    third = schemas.set("p", [a_class("C", hotkey="x")], author="ada")
    assert [s.version for s in (first, second, third)] == [1, 2, 3]
    assert [schemas.at("p", version) for version in (1, 2, 3)] == [first, second, third]
    assert first.get("A") == AnnotationClass("A", (1, 2, 3), 1, code=NEOPLASM)
    assert second.get("A") == AnnotationClass("A", (9, 9, 9), 1, priority=3)
    assert schemas.of("p") == third
    assert [(v.version, v.author, v.changed) for v in schemas.history("p")] == [
        (1, "ada", ("A", "B")),
        (2, "bob", ("A",)),
        (3, "ada", ("C",)),
    ]
    with pytest.raises(NotFound):
        schemas.at("p", 4)
    assert schemas.history("q") == []


def test_a_moment_shows_the_classes_of_then(schemas: ClassSchemas) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    schema = schemas.set("p", [a_class("A")], author="ada")
    assert schemas.at("p", before).classes == ()
    assert schemas.at("p", datetime.now(UTC) + timedelta(seconds=1)) == schema
    assert schemas.at("p", schemas.history("p")[0].at) == schema


def test_a_writer_who_saw_another_version_is_told_so(schemas: ClassSchemas) -> None:
    schemas.set("p", [a_class("A")], author="ada", expected=0)
    with pytest.raises(Stale):
        schemas.set("p", [a_class("A", (0, 0, 0))], author="bob", expected=0)
    assert schemas.of("p").get("A") == AnnotationClass("A", (1, 2, 3), 1)
    assert schemas.set("p", [a_class("A")], author="bob", expected=1).version == 2


def test_a_write_of_annotations_adds_one_version_for_all_new_classes(
    store: AnnotationStore, schemas: ClassSchemas, slide: str
) -> None:
    point = {"type": "Point", "coordinates": [1, 1]}
    new = [NewAnnotation(point, class_name=name) for name in ("A", "B", "A")]
    store.add(slide, new, layer="a", author="a")
    assert (schemas.of("default").version, set(schemas.history("default")[0].changed)) == (1, {"A", "B"})
    store.add(slide, new, layer="a", author="a")
    assert schemas.of("default").version == 1


def test_a_name_with_blanks_at_an_end_that_is_there_already_goes_on(
    store: AnnotationStore, schemas: ClassSchemas, db: Database, slide: str
) -> None:
    point = {"type": "Point", "coordinates": [1, 1]}
    store.add(slide, [NewAnnotation(point, class_name="A")], layer="a", author="a")
    # As earlier ones took it.
    db.write(lambda tx: tx.run("update class set name = ' A '"))
    added = store.add(slide, [NewAnnotation(point, class_name=" A ")], layer="a", author="a")
    assert len(added.ids) == 1
    assert [c.name for c in schemas.set("default", [a_class(" A ", (7, 8, 9))])] == [" A "]
    with pytest.raises(Invalid) as refused:
        store.add(slide, [NewAnnotation(point, class_name="B ")], layer="a", author="a")
    assert refused.value.code == "bad_name"


def test_values_are_never_used_again_and_keys_move(schemas: ClassSchemas) -> None:
    schemas.set("p", [a_class("A", hotkey="1"), a_class("B", hotkey="2")])
    changed = schemas.set("p", [a_class("C", hotkey="1")])
    assert [(c.name, c.value, c.hotkey) for c in changed] == [("A", 1, None), ("B", 2, "2"), ("C", 3, "1")]
    assert schemas.history("p")[1].changed == ("A", "C")
    schemas.set("p", [a_class("A", hotkey="4")])
    added = schemas.set("p", [a_class("D", hotkey=None)])
    assert [(c.name, c.value, c.hotkey) for c in added][0::3] == [("A", 1, "4"), ("D", 4, None)]


@pytest.mark.parametrize(
    "wanted",
    [
        [a_class("A"), a_class("A")],
        [a_class("A", hotkey="1"), a_class("B", hotkey="1")],
        [a_class("A", hotkey="12")],
        [a_class("A", hotkey=" ")],
        [a_class("A", hotkey="\n")],
        [a_class(" ")],
        [a_class(" A")],
        [a_class("A ")],
        [a_class("A", (1, 2, 256))],
        [a_class("A", priority=10**7)],
        [a_class("A", code=CodedTerm("", "1", "x"))],
        [a_class("A", code=CodedTerm("SCT", "1\n", "x"))],
        [a_class("A", code=CodedTerm("SCT", "1", "x" * 201))],
    ],
)
def test_what_breaks_the_rules_changes_nothing(schemas: ClassSchemas, wanted: list[AnnotationClass]) -> None:
    with pytest.raises(Invalid):
        schemas.set("p", wanted)
    assert schemas.of("p").version == 0


def test_classes_of_an_older_folder_become_version_1(tmp_path: Path) -> None:
    old = SqliteDatabase(tmp_path / "old.db", MIGRATIONS[:8])
    row = "insert into class (project, name, color, value, priority, hotkey) values ('p', 'A', '[7,8,9]', 5, 2, 'q')"

    def fill(tx: Transaction) -> None:
        tx.run("insert into project (name, created) values ('p', '2025-01-01T00:00:00.000+00:00')")
        tx.run("insert into project (name, created) values ('empty', '2025-01-01T00:00:00.000+00:00')")
        tx.run(row)

    old.write(fill)
    old.close()
    db = SqliteDatabase(tmp_path / "old.db")
    schemas = ClassSchemas(db)
    expected = AnnotationClass("A", (7, 8, 9), 5, 2, "q")
    assert (schemas.of("p").version, schemas.of("p").classes) == (1, (expected,))
    assert schemas.at("p", 1).classes == (expected,)
    assert schemas.history("p")[0].author == ""
    assert schemas.of("empty").version == 0
    db.close()
