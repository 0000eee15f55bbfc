from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from pathserve.annotations import AnnotationQuery, AnnotationStore, ClassSchemas
from pathserve.catalog import Catalog
from pathserve.errors import Invalid, NotFound, Stale, TooLarge
from pathserve.labels import AnnotationClass, NewAnnotation

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def square(x: float, y: float, side: float = 10.0, **rest) -> NewAnnotation:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return NewAnnotation({"type": "Polygon", "coordinates": [ring]}, **rest)


def one(store: AnnotationStore, slide: str, new: NewAnnotation, author: str = "ada"):
    added = store.add(slide, [new], layer=author, author=author)
    return store.get(added.ids[0])


def test_what_went_in_comes_out(store: AnnotationStore, slide: str) -> None:
    geometry = {
        "type": "Polygon",
        "coordinates": [[[0.1, 1e-9], [3.0000000000000004, 0], [3, 3, 7], [0.1, 1e-9]]],
        "plane": {"c": -1, "z": 2, "t": 0},
    }
    properties = {"measurements": {"Area µm^2": 1.25}, "foreign": [1, {"a": None}]}
    found = one(store, slide, NewAnnotation(geometry, uuid4(), "Tumour", (1, 2, 3), properties))
    assert (found.geometry, found.properties, found.class_name) == (geometry, properties, "Tumour")
    assert (found.layer, found.author, found.revision, found.number) == ("ada", "ada", 1, 1)


def test_a_retry_adds_nothing_and_another_content_is_refused(store: AnnotationStore, slide: str) -> None:
    new = square(0, 0, id=uuid4())
    assert store.add(slide, [new], layer="a", author="a").created == 1
    again = store.add(slide, [new], layer="a", author="a")
    assert (again.created, again.ids, again.refused, again.revision) == (0, [new.id], [], 1)
    other = store.add(slide, [square(5, 5), square(1, 1, id=new.id)], layer="a", author="a")
    assert (other.created, other.ids[1], [(i.index, i.code) for i in other.refused]) == (1, None, [(1, "conflict")])
    assert store.get(new.id).geometry == new.geometry


def test_an_id_of_another_slide_or_of_a_deleted_annotation_is_taken(store: AnnotationStore, slide: str) -> None:
    made = one(store, slide, square(0, 0, id=uuid4()))
    store.delete(made.id, expected=1, author="ada")
    again = store.add(slide, [square(0, 0, id=made.id)], layer="a", author="a")
    assert [issue.code for issue in again.refused] == ["conflict"]


def test_a_stale_write_changes_nothing(store: AnnotationStore, slide: str) -> None:
    made = one(store, slide, square(0, 0))
    newer = store.replace(made.id, square(1, 1), expected=1, author="bob")
    for write in (
        lambda: store.replace(made.id, square(2, 2), expected=1, author="eve"),
        lambda: store.delete(made.id, expected=1, author="eve"),
        lambda: store.revert(made.id, 1, expected=1, author="eve"),
    ):
        with pytest.raises(Stale):
            write()
    assert store.get(made.id) == newer
    assert (newer.revision, newer.author, newer.number) == (2, "bob", made.number)


def test_equal_content_is_a_new_revision_all_the_same(store: AnnotationStore, slide: str) -> None:
    made = one(store, slide, square(0, 0))
    assert store.replace(made.id, square(0, 0), expected=1, author="ada").revision == 2


def test_history_keeps_every_version_and_revert_undeletes(store: AnnotationStore, slide: str) -> None:
    made = one(store, slide, square(0, 0, class_name="A"))
    store.replace(made.id, square(5, 5, class_name="B"), expected=1, author="bob")
    store.delete(made.id, expected=2, author="bob")
    with pytest.raises(NotFound):
        store.get(made.id)
    with pytest.raises(NotFound):
        store.delete(made.id, expected=3, author="bob")
    with pytest.raises(Stale):
        store.replace(made.id, square(0, 0), expected=3, author="bob")
    with pytest.raises(Invalid):
        store.revert(made.id, 3, expected=3, author="bob")
    back = store.revert(made.id, 1, expected=3, author="eve")
    assert (back.geometry, back.class_name, back.revision, back.deleted) == (made.geometry, "A", 4, False)
    assert [(v.revision, v.class_name, v.deleted, v.author) for v in store.history(made.id)] == [
        (1, "A", False, "ada"),
        (2, "B", False, "bob"),
        (3, "B", True, "bob"),
        (4, "A", False, "eve"),
    ]


def test_every_state_can_be_read_again(store: AnnotationStore, slide: str) -> None:
    made = one(store, slide, square(0, 0))
    store.add(slide, [square(20, 20), square(40, 40)], layer="a", author="a")
    store.delete(made.id, expected=1, author="ada")
    counts = [len(list(store.each(AnnotationQuery(slide, as_of=r)))) for r in range(4)]
    assert counts == [0, 1, 3, 2]
    assert len(list(store.each(AnnotationQuery(slide)))) == 2
    with pytest.raises(Invalid):
        store.page(AnnotationQuery(slide, as_of=4), limit=1)
    now = datetime.now(UTC)
    assert len(list(store.each(AnnotationQuery(slide, as_of=now + timedelta(seconds=1))))) == 2
    assert list(store.each(AnnotationQuery(slide, as_of=now - timedelta(hours=1)))) == []


def test_pages_show_one_revision_while_others_write(store: AnnotationStore, slide: str) -> None:
    added = store.add(slide, [square(n, 0) for n in range(5)], layer="a", author="a")
    first = store.page(AnnotationQuery(slide), limit=2)
    store.delete(added.ids[4], expected=1, author="b")
    store.add(slide, [square(99, 0)], layer="a", author="a")
    second = store.page(AnnotationQuery(slide), limit=2, cursor=first.next)
    third = store.page(AnnotationQuery(slide), limit=2, cursor=second.next)
    seen = [a.id for page in (first, second, third) for a in page.annotations]
    assert seen == added.ids
    assert (third.next, third.revision) == (None, 1)


@pytest.mark.parametrize("cursor", ["x", "MS4", "OTkuMQ", "MS45OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk", "é"])
def test_a_foreign_cursor_is_refused(store: AnnotationStore, slide: str, cursor: str) -> None:
    with pytest.raises(Invalid):
        store.page(AnnotationQuery(slide), limit=1, cursor=cursor)


def test_filters(store: AnnotationStore, slide: str) -> None:
    store.add(
        slide,
        [
            square(0, 0, class_name="A", properties={"score": 0.2, "state": "approved"}),
            square(100, 0, class_name="B", properties={"score": 0.9}),
            square(0, 100, properties={"exhaustive": True}),
        ],
        layer="first",
        author="ada",
    )
    store.add(slide, [square(100, 100, class_name="A")], layer="second", author="bob")

    def corners(**asked) -> list[tuple[float, float]]:
        found = store.each(AnnotationQuery(slide, **asked))
        return [tuple(a.geometry["coordinates"][0][0]) for a in found]

    assert corners(classes=("A",)) == [(0, 0), (100, 100)]
    assert corners(classes=("A", "B"), layers=("first",)) == [(0, 0), (100, 0)]
    assert corners(authors=("bob",)) == [(100, 100)]
    assert corners(states=("approved",)) == [(0, 0)]
    assert corners(states=("draft",)) == [(100, 0), (0, 100), (100, 100)]
    assert corners(min_score=0.5) == [(100, 0)]
    assert corners(exhaustive_only=True) == [(0, 100)]
    assert corners(bbox=(0, 0, 50, 50)) == [(0, 0)]
    assert corners(bbox=(10, 10, 100, 100)) == [(0, 0)]  # touches at (10, 10); the others begin at 100, half-open
    assert corners(bbox=(10.5, 0, 100, 50)) == []


def test_numbers_are_never_used_again(store: AnnotationStore, slide: str) -> None:
    first = one(store, slide, square(0, 0))
    store.delete(first.id, expected=1, author="a")
    assert one(store, slide, square(0, 0)).number == 2


def test_classes_are_added_by_the_write_that_names_them(
    store: AnnotationStore, schemas: ClassSchemas, slide: str
) -> None:
    store.add(slide, [square(0, 0, class_name="A", class_color=(9, 8, 7))], layer="a", author="a")
    store.add(slide, [square(0, 0, class_name="B"), square(0, 0, class_name="A")], layer="a", author="a")
    assert schemas.of("default").values == {"A": 1, "B": 2}
    assert schemas.of("default").get("A").color == (9, 8, 7)
    changed = schemas.set("default", [AnnotationClass("B", (1, 1, 1), 77, priority=5, hotkey="b")])
    assert [(c.name, c.value, c.priority) for c in changed] == [("A", 1, 0), ("B", 2, 5)]


def test_a_project_has_at_most_254_classes(store: AnnotationStore, schemas: ClassSchemas, slide: str) -> None:
    store.add(slide, [square(0, 0, class_name=f"c{n}") for n in range(254)], layer="a", author="a")
    assert max(schemas.of("default").values.values()) == 254
    with pytest.raises(TooLarge):
        store.add(slide, [square(0, 0, class_name="one more")], layer="a", author="a")
    assert store.counts([slide]) == {slide: 254}


def test_many_annotations_are_one_revision(store: AnnotationStore, slide: str) -> None:
    added = store.add(slide, [square(n % 100, n // 100) for n in range(5001)], layer="a", author="a")
    assert (added.created, added.revision, len(set(added.ids))) == (5001, 1, 5001)
    assert [(layer.name, count) for layer, count in store.layers(slide)] == [("a", 5001)]


def test_removing_a_slide_removes_its_annotations(store: AnnotationStore, slide: str, db) -> None:
    made = one(store, slide, square(0, 0))
    Catalog(db).remove_slide(slide)
    with pytest.raises(NotFound):
        store.latest(made.id)
    assert db.read(lambda tx: tx.row("select count(*) from feature_version")) == (0,)


def test_what_a_later_batch_would_be_refused_for_is_refused_before_the_first(
    store: AnnotationStore, schemas: ClassSchemas, slide: str
) -> None:
    many = [square(n % 100, n // 100, class_name=f"c{max(0, n - 4900)}") for n in range(5200)]
    with pytest.raises(TooLarge):
        store.add(slide, many, layer="a", author="a")
    assert store.counts([slide]) == {slide: 0}
    assert schemas.of("default").values == {}
