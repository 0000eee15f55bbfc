"""One suite for the store of annotations on every database."""

import json
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from pathserve.annotations import (
    AnnotationQuery,
    AnnotationStore,
    ClassSchemas,
    CompactionRule,
    Edit,
    Edited,
    NotEdited,
    sweep_unpublished,
)
from pathserve.annotations.filters import parse_filter
from pathserve.annotations.heads import INSERT_VERSION
from pathserve.annotations.layers import Layers
from pathserve.annotations.query import ORDERS
from pathserve.annotations.revisions import changes_since
from pathserve.annotations.rows import content_of_row, version_row
from pathserve.catalog import Catalog, make_slide_id
from pathserve.db import Database, Row, Transaction, as_int
from pathserve.errors import Conflict, Invalid, NotFound, Stale, TooLarge
from pathserve.geometry import Mpp, Size
from pathserve.labels import Annotation, Columns, NewAnnotation
from pathserve.pixels import Level, SlideInfo

INFO = SlideInfo("aperio", (Level(Size(1000, 1000), 1.0),), Mpp(0.25, 0.25), True, 40.0, "jpeg")
ALWAYS = CompactionRule(overridden=0.0, versions=1)


pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def database(db: Database) -> Database:
    return db


@pytest.fixture
def store(database: Database, tmp_path: Path) -> AnnotationStore:
    return AnnotationStore(database, spool=tmp_path)


MakeSlide = Callable[[], str]


@pytest.fixture
def make_slide(database: Database) -> MakeSlide:
    def make() -> str:
        new = make_slide_id()
        facts: dict[str, Any] = {"project": "default", "name": None, "info": INFO, "levels": 1, "tile_size": 256}
        Catalog(database).add_slide(slide_id=new, content_hash=new, **facts)
        return new

    return make


@pytest.fixture
def slide(make_slide: MakeSlide) -> str:
    return make_slide()


def square(x: float, y: float, side: float = 10.0, **rest: Any) -> NewAnnotation:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return NewAnnotation({"type": "Polygon", "coordinates": [ring]}, **rest)


def field(count: int, seed: int = 0) -> list[NewAnnotation]:
    """Squares all over the slide, of several sizes, classes, states and scores; some without."""
    random = np.random.default_rng(seed)
    made = []
    for n in range(count):
        x, y = random.integers(0, 900, 2).tolist()
        properties: dict[str, Any] = {"name": f"Cell Nº{n}"}
        if n % 3:
            properties["score"] = int(random.integers(0, 100)) / 100
        if n % 4 == 0:
            properties["state"] = ["approved", "rejected"][n % 8 // 4]
        side = float(random.integers(1, 60))
        class_name = [None, "A", "B", "C"][n % 4]
        made.append(square(x, y, side, id=uuid4(), class_name=class_name, properties=properties))
    return made


def write(store: AnnotationStore, slide: str, new: list[NewAnnotation], *, layer: str = "cells", **rest: Any) -> int:
    """Import as chunks."""
    with store.bulk(slide, layer=layer, author="model") as bulk:
        bulk.add(Columns.of(new), **rest)
        return bulk.publish()


def said(annotations: Any) -> dict[UUID, tuple[Any, ...]]:
    return {a.id: (a.class_name, a.geometry, a.properties, a.revision, a.number, a.layer) for a in annotations}


def from_columns(store: AnnotationStore, query: AnnotationQuery) -> dict[UUID, tuple[Any, ...]]:
    """Say the same from arrays."""
    found = {}
    for columns in store.columns(query):
        for row in range(len(columns)):
            new = columns.new_annotation(row)
            assert new.id is not None
            numbers = int(columns.revisions[row]), int(columns.numbers[row])
            found[new.id] = (new.class_name, new.geometry, new.properties, *numbers, columns.layer)
    return found


GEOMETRIES: list[dict[str, Any]] = [
    {"type": "Point", "coordinates": [1.25, 2.5]},
    {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4.1]]},
    {"type": "LineString", "coordinates": [[0, 0], [1e-9, 7], [3, 3]]},
    {"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]], [[5, 5], [6, 6], [7, 5]]]},
    {
        "type": "Polygon",
        "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]], [[3, 3], [3, 4], [4, 4], [4, 3], [3, 3]]],
        "plane": {"z": 3},
    },
    {
        "type": "MultiPolygon",
        "coordinates": [
            [[[0, 0], [9, 0], [9, 9], [0, 0]]],
            [[[20, 20], [29, 20], [29, 29], [20, 20]], [[22, 21], [23, 21], [23, 22], [22, 21]]],
        ],
    },
    {"type": "Polygon", "coordinates": [[[0.1, 0.3, 5], [3.0000000000000004, 0, 5], [3, 3, 5], [0.1, 0.3, 5]]]},
    {
        "type": "GeometryCollection",
        "geometries": [
            {"type": "Point", "coordinates": [5, 5]},
            {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]},
        ],
    },
]


def count(database: Database, table: str) -> int:
    row = database.read(lambda tx: tx.row(f"select count(*) from {table}"))  # noqa: S608 - names of ours
    return as_int(row[0]) if row else 0


def test_what_went_in_comes_out_of_chunks(store: AnnotationStore, slide: str) -> None:
    properties = {"measurements": {"Area µm^2": 1.25}, "foreign": [1, {"a": None}, "\\u0041"], "state": "approved"}
    drawn = {"type": "Polygon", "coordinates": [[[0, 0], [9, 9], [9, 0], [0, 9], [0, 0]]]}
    new = [
        NewAnnotation(g, uuid4(), "Tumour", None, properties, drawn if n == 0 else None)
        for n, g in enumerate(GEOMETRIES)
    ]
    revision = write(store, slide, new)
    found = {a.id: a for a in store.each(AnnotationQuery(slide))}
    for item in new:
        assert item.id is not None
        there = found[item.id]
        assert (there.geometry, there.properties, there.drawn) == (item.geometry, properties, item.drawn)
        assert (there.class_name, there.layer, there.author, there.revision) == ("Tumour", "cells", "model", revision)
        assert store.get(item.id) == store.latest(item.id) == there
        assert store.history(item.id) == [there]
        assert there.created == there.updated
    assert sorted(a.number for a in found.values()) == list(range(1, len(new) + 1))
    assert from_columns(store, AnnotationQuery(slide)) == said(found.values())


def test_a_bulk_write_is_one_revision_and_not_there_before(
    store: AnnotationStore, slide: str, database: Database
) -> None:
    new = field(3000)
    with store.bulk(slide, layer="cells", author="model") as bulk:
        for start in range(0, 3000, 500):
            added = bulk.add(Columns.of(new[start : start + 500]))
            assert len(added.known) == len(added.conflicts) == len(added.replaced) == 0
        assert store.counts([slide]) == {slide: 0}
        assert store.layers(slide) == []
        assert ClassSchemas(database).of("default").values == {}
        told: list[int] = []
        assert bulk.publish(told.append) == 1
    assert told[-1] == 3000
    assert store.counts([slide]) == {slide: 3000}
    [(layer, count)] = store.layers(slide)
    assert (layer.name, layer.kind, layer.author, count) == ("cells", "imported", "model", 3000)
    assert set(ClassSchemas(database).of("default").values) == {"A", "B", "C"}
    assert set(said(store.each(AnnotationQuery(slide)))) == {a.id for a in new}
    chunks = database.read(
        lambda tx: tx.rows("select size, first_number, last_number from chunk order by first_number")
    )
    assert [row[1] for row in chunks] == [1, *(int(str(row[2])) + 1 for row in chunks[:-1])]
    assert max(int(str(row[0])) for row in chunks) <= 1024
    assert store.revision(slide) == 1


def test_leaving_a_bulk_write_forgets_it(store: AnnotationStore, slide: str, database: Database) -> None:
    with store.bulk(slide, layer="cells", author="model") as bulk:
        bulk.add(Columns.of(field(10)))
    with store.bulk(slide, layer="cells", author="model") as bulk:
        bulk.add(Columns.of(field(10)))
        with pytest.raises(ZeroDivisionError):
            bulk.publish(lambda done: done // 0)
    assert store.revision(slide) == 0
    for table in ("chunk", "chunk_data", "placed", "batch", "layer"):
        assert count(database, table) == 0


def test_neighbours_share_a_chunk(store: AnnotationStore, slide: str, database: Database) -> None:
    write(store, slide, field(8000))
    boxes = database.read(lambda tx: tx.rows("select x0, y0, x1, y1 from chunk"))
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes]  # type: ignore[operator]
    assert len(boxes) == 8
    assert sum(areas) < 2 * 960 * 960  # eight chunks in the order of the input would cover it eight times


def test_importing_again_is_nothing_new(store: AnnotationStore, slide: str) -> None:
    new = field(1500)
    assert write(store, slide, new) == 1
    with store.bulk(slide, layer="cells", author="model") as bulk:
        added = bulk.add(Columns.of(new[::-1]))
        assert (len(added.known), len(added.conflicts)) == (1500, 0)
        assert bulk.publish() == 1
    single = store.add(slide, new[:10], layer="x", author="ada")
    assert (single.created, single.refused, single.revision) == (0, [], 1)


def changed(new: list[NewAnnotation]) -> list[NewAnnotation]:
    return [replace(item, properties={**item.properties, "more": True}) for item in new]


@pytest.mark.parametrize("edited", [False, True])
def test_an_id_with_other_content_is_a_conflict(store: AnnotationStore, slide: str, edited: bool) -> None:
    new = field(20)
    write(store, slide, new)
    if edited:  # its head is found then, not its chunk
        store.edit_many(slide, [Edit(_id(item), 1, properties={}) for item in new], author="ada")
    before = said(store.each(AnnotationQuery(slide)))
    others = [*new[:5], *changed(new[5:8]), *field(2, seed=9)]
    with store.bulk(slide, layer="again", author="model") as bulk:
        added = bulk.add(Columns.of(others))
        assert (added.known.tolist(), added.conflicts.tolist()) == ([0, 1, 2, 3, 4], [5, 6, 7])
        assert not added.ids[5:8].any()
        bulk.publish()
    after = said(store.each(AnnotationQuery(slide)))
    assert {i: after[i] for i in before} == before
    assert set(after) - set(before) == {others[8].id, others[9].id}
    refused = store.add(slide, changed(new[5:6]), layer="again", author="ada").refused
    assert [issue.code for issue in refused] == ["conflict"]


@pytest.mark.parametrize("edited", [False, True])
def test_conflicts_may_replace(store: AnnotationStore, slide: str, edited: bool) -> None:
    new = field(10)
    write(store, slide, new)
    if edited:
        assert new[0].id is not None
        store.delete(new[0].id, expected=1, author="ada")
    before = said(store.each(AnnotationQuery(slide)))
    revision = store.revision(slide)
    with store.bulk(slide, layer="again", author="later") as bulk:
        added = bulk.add(Columns.of([*changed(new[:4]), *new[4:], *field(1, seed=3)]), on_conflict="replace")
        assert (added.replaced.tolist(), added.known.tolist()) == ([0, 1, 2, 3], [4, 5, 6, 7, 8, 9])
        assert bulk.publish() == revision + 1
    for item in new[:4]:
        assert item.id is not None
        there = store.get(item.id)
        assert (there.properties["more"], there.layer, there.author) == (True, "cells", "later")
        assert there.revision == revision + 1
        assert len(store.history(item.id)) == (3 if edited and item is new[0] else 2)
    assert store.counts([slide]) == {slide: 11}
    assert said(store.each(AnnotationQuery(slide, as_of=revision))) == before


def test_an_id_of_another_slide_is_taken(store: AnnotationStore, make_slide: MakeSlide) -> None:
    one, other = make_slide(), make_slide()
    new = field(4)
    write(store, one, new)
    for on_conflict in ("report", "replace"):
        with store.bulk(other, layer="x", author="model") as bulk:
            added = bulk.add(Columns.of(new), on_conflict=on_conflict)
            assert added.conflicts.tolist() == [0, 1, 2, 3]
    assert len(store.add(other, new, layer="x", author="ada").refused) == 4


def test_an_id_that_repeats_within_an_import(store: AnnotationStore, slide: str) -> None:
    new = field(4)
    with store.bulk(slide, layer="x", author="model") as bulk:
        added = bulk.add(Columns.of([new[0], new[1], new[0], *changed(new[1:2])]))
        assert (added.known.tolist(), added.conflicts.tolist()) == ([2], [3])
        added = bulk.add(Columns.of([*changed(new[:1]), new[1], new[2]]))
        assert (added.known.tolist(), added.conflicts.tolist()) == ([1], [0])
        bulk.publish()
    assert store.counts([slide]) == {slide: 3}


def test_an_id_that_repeats_what_was_refused_is_refused_too(store: AnnotationStore, slide: str) -> None:
    new = field(1)
    write(store, slide, new)
    twice = changed(new) * 2
    with store.bulk(slide, layer="x", author="model") as bulk:
        assert bulk.add(Columns.of([*twice, *new])).conflicts.tolist() == [0, 1]
        added = bulk.add(Columns.of([*twice, *new]), on_conflict="replace")
        assert (added.replaced.tolist(), added.known.tolist(), added.conflicts.tolist()) == ([0], [1], [2])


def test_what_is_there_already_takes_its_id_within_an_import(store: AnnotationStore, slide: str) -> None:
    new = field(3)
    write(store, slide, new)
    before = said(store.each(AnnotationQuery(slide)))
    for _ in range(2):
        with store.bulk(slide, layer="x", author="model") as bulk:
            added = bulk.add(Columns.of([*new[:2], *changed(new[:1])]), on_conflict="replace")
            assert (added.known.tolist(), added.conflicts.tolist(), len(added.replaced)) == ([0, 1], [2], 0)
            added = bulk.add(Columns.of([*changed(new[1:2]), *new, *changed(new[2:])]), on_conflict="replace")
            assert (added.known.tolist(), added.conflicts.tolist(), len(added.replaced)) == ([1, 2, 3], [0, 4], 0)
            bulk.publish()
    assert said(store.each(AnnotationQuery(slide))) == before


def test_rows_without_an_id_get_one(store: AnnotationStore, slide: str) -> None:
    with store.bulk(slide, layer="x", author="model") as bulk:
        added = bulk.add(Columns.of([replace(item, id=None) for item in field(5)]))
        bulk.publish()
    assert {store.get(UUID(bytes=row.tobytes())).id.version for row in added.ids} == {4}


def test_of_two_imports_of_the_same_ids_one_is_refused(store: AnnotationStore, slide: str) -> None:
    new = field(50)
    with store.bulk(slide, layer="a", author="one") as first, store.bulk(slide, layer="b", author="two") as second:
        first.add(Columns.of(new))
        second.add(Columns.of(new))
        second.publish()
        with pytest.raises(Conflict):
            first.publish()
    assert [a.layer for a in store.each(AnnotationQuery(slide))] == ["b"] * 50
    assert store.counts([slide]) == {slide: 50}


def test_of_two_imports_that_write_at_the_same_time_one_is_refused(store: AnnotationStore, slide: str) -> None:
    new = field(50)
    with store.bulk(slide, layer="a", author="one") as first, store.bulk(slide, layer="b", author="two") as second:
        first.add(Columns.of(new))
        second.add(Columns.of(new))
        # The second one writes and publishes while the first one's chunks are there and not published.
        with pytest.raises(Conflict):
            first.publish(lambda _: second.publish())
    assert [a.layer for a in store.each(AnnotationQuery(slide))] == ["b"] * 50


def test_what_is_drawn_during_an_import_wins(store: AnnotationStore, slide: str) -> None:
    new = field(50)
    with store.bulk(slide, layer="a", author="one") as bulk:
        bulk.add(Columns.of(new))
        with pytest.raises(Conflict):
            bulk.publish(lambda _: store.add(slide, new[7:8], layer="b", author="ada"))
    assert [a.id for a in store.each(AnnotationQuery(slide))] == [new[7].id]


def test_what_an_import_left_behind_is_swept(store: AnnotationStore, slide: str, database: Database) -> None:
    new = field(50)
    bulk = store.bulk(slide, layer="a", author="one")
    bulk.add(Columns.of(new))
    with pytest.raises(KeyboardInterrupt):
        bulk.publish(_interrupt)  # and its context never ends, as when the process is killed
    assert sweep_unpublished(database) == 0  # it might go on
    assert sweep_unpublished(database, age=timedelta(seconds=-1)) == 1
    for table in ("chunk", "chunk_data", "placed", "batch"):
        assert count(database, table) == 0
    assert write(store, slide, new) == 1
    assert store.counts([slide]) == {slide: 50}


def _interrupt(_: int) -> None:
    raise KeyboardInterrupt


def test_a_class_too_many_is_refused_at_once(store: AnnotationStore, slide: str) -> None:
    with store.bulk(slide, layer="a", author="one") as bulk, pytest.raises(TooLarge):
        bulk.add(Columns.of([square(0, 0, class_name=f"c{n}") for n in range(255)]))
    with store.bulk(slide, layer="a", author="one") as bulk, pytest.raises(Invalid):
        bulk.add(Columns.of([square(0, 0, class_name=" ")]))
    with pytest.raises(NotFound):
        store.bulk("nothing", layer="a", author="one")


def test_an_object_of_a_chunk_is_edited_like_any_other(store: AnnotationStore, slide: str) -> None:
    new = field(30)
    write(store, slide, new)
    base = store.get(_id(new[3]))
    second = store.replace(base.id, square(1, 1, class_name="Z"), expected=1, author="ada")
    assert (second.number, second.layer, second.created) == (base.number, "cells", base.created)
    with pytest.raises(Stale):
        store.replace(base.id, square(2, 2), expected=1, author="bob")
    store.delete(base.id, expected=2, author="ada")
    assert store.counts([slide]) == {slide: 29}
    with pytest.raises(NotFound):
        store.get(base.id)
    with pytest.raises(Stale):
        store.delete(_id(new[4]), expected=0, author="ada")
    back = store.revert(base.id, 1, expected=3, author="eve")
    assert (back.geometry, back.properties, back.class_name) == (base.geometry, base.properties, base.class_name)
    history = store.history(base.id)
    assert [(v.revision, v.deleted, v.author) for v in history] == [
        (1, False, "model"),
        (2, False, "ada"),
        (3, True, "ada"),
        (4, False, "eve"),
    ]
    assert history[0] == base
    counts = [len(list(store.each(AnnotationQuery(slide, as_of=r)))) for r in range(5)]
    assert counts == [0, 30, 30, 29, 30]
    names = [said(store.each(AnnotationQuery(slide, as_of=r))).get(base.id, ("gone",))[0] for r in range(1, 5)]
    assert names == [base.class_name, "Z", "gone", base.class_name]


def _id(new: NewAnnotation) -> UUID:
    assert new.id is not None
    return new.id


@pytest.fixture
def mixed(store: AnnotationStore, slide: str) -> list[Annotation]:
    """Chunks of two layers, single ones, edits, deletions and folded chunks."""
    cells = field(1200)
    write(store, slide, cells)
    store.add(slide, field(40, seed=1), layer="ada", author="ada")
    edits = [Edit(_id(item), 1, class_name="B") for item in cells[:40]]
    store.edit_many(slide, [*edits, *(Edit(_id(item), 1, deleted=True) for item in cells[40:60])], author="bob")
    store.compact(slide, CompactionRule(overridden=0.0, versions=10_000))
    write(
        store,
        slide,
        [*field(300, seed=2), square(5, 5, 800, id=uuid4(), properties={"exhaustive": True})],
        layer="model",
    )
    store.replace(_id(cells[70]), replace(cells[70], id=None, class_name="B"), expected=1, author="eve")
    return list(store.each(AnnotationQuery(slide)))


POLYGON = ((100.0, 100.0), (700.0, 150.0), (400.0, 300.0), (500.0, 800.0))


def _area(a: Annotation) -> float:
    return float(np.float32(shape(dict(a.geometry)).area))


FILTERS: list[tuple[dict[str, Any], Callable[[Annotation], bool]]] = [
    ({}, lambda _: True),
    ({"bbox": (200, 200, 300.5, 280)}, lambda a: _meets(a, (200, 200, 300.5, 280))),
    ({"classes": ("A", "nothing")}, lambda a: a.class_name == "A"),
    ({"layers": ("cells", "ada")}, lambda a: a.layer in ("cells", "ada")),
    ({"authors": ("bob", "ada")}, lambda a: a.author in ("bob", "ada")),
    ({"authors": ("nobody",)}, lambda _: False),
    ({"states": ("draft",)}, lambda a: a.properties.get("state", "draft") == "draft"),
    ({"min_score": 0.25, "max_score": 0.5}, lambda a: 0.25 <= a.properties.get("score", 7) <= 0.5),
    ({"min_area": 400, "max_area": 900}, lambda a: 400 <= _area(a) <= 900),
    ({"exhaustive_only": True}, lambda a: "exhaustive" in a.properties),
    ({"polygon": POLYGON}, lambda a: shapely.Polygon(POLYGON).intersects(shape(dict(a.geometry)))),
    ({"text": "cELL nº11"}, lambda a: "cell nº11" in a.properties.get("name", "").casefold()),
    ({"numbers": (1, 700, 1230, 1400, 99_999)}, lambda a: a.number in (1, 700, 1230, 1400)),
    (
        {"where": parse_filter("class = 'B' and score > 0.5")},
        lambda a: a.class_name == "B" and a.properties.get("score", 0) > 0.5,
    ),
    ({"where": parse_filter("author = 'bob'")}, lambda a: a.author == "bob"),
    ({"where": parse_filter("layer = 'cells'")}, lambda a: a.layer == "cells"),
    (
        {"where": parse_filter("layer <> 'model' and class = 'A'")},
        lambda a: a.layer != "model" and a.class_name == "A",
    ),
    (
        {"bbox": (0, 0, 500, 500), "classes": ("B", "C"), "text": "9"},
        lambda a: _meets(a, (0, 0, 500, 500)) and a.class_name in ("B", "C") and "9" in a.properties.get("name", ""),
    ),
]


def _meets(a: Annotation, box: tuple[float, float, float, float]) -> bool:
    x0, y0, x1, y1 = shape(dict(a.geometry)).bounds
    return bool(x0 < box[2] and x1 >= box[0] and y0 < box[3] and y1 >= box[1])


def test_every_filter_finds_what_a_look_at_each_finds(
    store: AnnotationStore, slide: str, mixed: list[Annotation]
) -> None:
    assert len(mixed) == 1200 + 40 - 20 + 301
    for asked, holds in FILTERS:
        query = AnnotationQuery(slide, **asked)
        expected = said(a for a in mixed if holds(a))
        assert said(store.each(query)) == expected, asked
        assert from_columns(store, query) == expected, asked
        summary = store.summary(query)
        assert summary.total == len(expected)
        assert summary.classes == Counter(name for name, *_ in expected.values())
        assert summary.layers == Counter(layer for *_, layer in expected.values())
        assert summary.states == Counter(p.get("state", "draft") for _, _, p, *_ in expected.values())
    for some in (mixed[3:9], mixed[-2:], mixed[::300]):
        query = AnnotationQuery(slide, ids=(*(a.id for a in some), uuid4()))
        assert said(store.each(query)) == said(some)
        assert store.summary(replace(query, as_of=store.revision(slide))).total == len(some)
    assert len(POLYGON) < sum(FILTERS[10][1](a) for a in mixed) < len(mixed)


def test_ids_are_found_as_they_were(store: AnnotationStore, slide: str, mixed: list[Annotation]) -> None:
    ids = tuple(a.id for a in mixed if a.author == "bob")
    assert {a.author for a in store.each(AnnotationQuery(slide, ids=ids, as_of=1))} == {"model"}
    assert store.summary(AnnotationQuery(slide, ids=ids, as_of=1)).total == len(ids) == 40


@pytest.mark.parametrize("polygon", [((0, 0), (1, 1)), ((0, 0), (1, 1), (2, 2)), ((0, 0), (1, 1), (2, float("nan")))])
def test_a_polygon_to_search_in_encloses_an_area(store: AnnotationStore, slide: str, polygon: Any) -> None:
    with pytest.raises(Invalid):
        store.summary(AnnotationQuery(slide, polygon=polygon))


KEYS: dict[str, Callable[[Annotation], Any]] = {
    "number": lambda a: a.number,
    "area": _area,
    "score": lambda a: a.properties.get("score"),
    "class": lambda a: a.class_name,
    "updated": lambda a: a.revision,
    "state": lambda a: a.properties.get("state", "draft"),
}


def made(parts: object) -> str:
    return urlsafe_b64encode(json.dumps(parts).encode()).decode()


@pytest.mark.parametrize("order", ["number", "-area", "score", "-score", "class", "-class", "updated", "-state"])
def test_pages_come_in_the_order_asked_for(
    store: AnnotationStore, slide: str, mixed: list[Annotation], order: Any
) -> None:
    key = KEYS[order.lstrip("-")]
    having = sorted((a for a in mixed if key(a) is not None), key=lambda a: a.number)
    having.sort(key=key, reverse=order.startswith("-"))
    expected = [a.id for a in (*having, *(a for a in mixed if key(a) is None))]
    page = store.page(AnnotationQuery(slide), limit=400, order=order)
    seen = [a.id for a in page.annotations]
    # What is written meanwhile changes nothing in this answer.
    store.delete(mixed[-1].id, expected=mixed[-1].revision, author="x")
    store.compact(slide, ALWAYS)
    while page.next is not None:
        page = store.page(AnnotationQuery(slide), limit=400, cursor=page.next)
        seen += [a.id for a in page.annotations]
    assert seen == expected


def test_an_order_that_there_is_none_of_is_refused(store: AnnotationStore, slide: str) -> None:
    with pytest.raises(Invalid):
        store.page(AnnotationQuery(slide), limit=1, order="colour")  # type: ignore[arg-type]
    write(store, slide, [square(0, 0, class_name="A")])
    write(store, slide, [square(0, 0, class_name="B")])
    cursor = store.page(AnnotationQuery(slide), limit=1).next
    assert cursor is not None
    asked = json.loads(urlsafe_b64decode(cursor + "=="))[4:]
    sound = made([1, "number", None, 0, *asked])
    assert len(store.page(AnnotationQuery(slide), limit=1, cursor=sound).annotations) == 1
    foreign: Any = (
        [1, "area", "a", 1, *asked],
        [1, "class", 1, 1, *asked],
        [1, "colour", 1, 1, *asked],
        [1, [], 1, 1, *asked],
        [1, "area", [], 1, *asked],
        [1, "number", None, 0, "", None],
        [1, "number", None, 0, *asked, 1],
        [1],
        [],
        {},
        1,
    )
    for parts in foreign:
        with pytest.raises(Invalid):
            store.page(AnnotationQuery(slide), limit=1, cursor=made(parts))


OTHERS: list[dict[str, Any]] = [
    {"classes": ("B",)},
    {},
    {"classes": ("A",), "layers": ("a",)},
    {"classes": ("A",), "where": parse_filter("area > 1")},
    {"classes": ("A",), "as_of": 2},
]


@pytest.mark.parametrize("order", ["number", "-class"])
def test_a_cursor_goes_on_with_its_own_filters_only(store: AnnotationStore, slide: str, order: Any) -> None:
    write(store, slide, [square(n, 0, class_name=name) for n, name in enumerate("ABAABA")])
    query = AnnotationQuery(slide, classes=("A",), where=parse_filter("area > 0"))
    first = store.page(query, limit=1, order=order)
    write(store, slide, [square(9, 9, class_name="A")])
    for same in (query, replace(query, as_of=1)):
        for again in (order, None):
            rest = store.page(same, limit=9, cursor=first.next, order=again)
            assert [a.number for a in rest.annotations] == [3, 4, 6]
    for other in OTHERS:
        with pytest.raises(Invalid):
            store.page(replace(query, **({"classes": (), "where": query.where} | other)), limit=9, cursor=first.next)
    with pytest.raises(Invalid):
        store.page(query, limit=9, cursor=first.next, order="area")
    then = store.page(replace(query, as_of=datetime.now(UTC) + timedelta(hours=1)), limit=1, order=order)
    with pytest.raises(Invalid):
        store.page(replace(query, as_of=datetime.now(UTC)), limit=9, cursor=then.next)


def test_folding_changes_no_answer(
    store: AnnotationStore, slide: str, mixed: list[Annotation], database: Database
) -> None:
    revisions = range(store.revision(slide) + 1)
    before = {r: said(store.each(AnnotationQuery(slide, as_of=r))) for r in revisions}
    histories = {a.id: store.history(a.id) for a in mixed[::50]}
    assert store.compact(slide, ALWAYS) > 0
    assert store.compact(slide, ALWAYS) == 0
    assert database.read(
        lambda tx: tx.row("select count(*) from feature_version where until is null and deleted = 0")
    ) == (0,)
    assert store.revision(slide) == revisions[-1]
    for revision in revisions:
        query = AnnotationQuery(slide, as_of=revision)
        assert said(store.each(query)) == from_columns(store, query) == before[revision]
    assert {i: store.history(i) for i in histories} == histories
    assert store.counts([slide]) == {slide: len(mixed)}
    again = store.replace(mixed[0].id, square(0, 0), expected=mixed[0].revision, author="x")
    assert again.number == mixed[0].number
    assert said(store.each(AnnotationQuery(slide)))[again.id][3] == again.revision


def test_history_in_two_chunks_is_folded_once(store: AnnotationStore, slide: str) -> None:
    new = field(20)
    write(store, slide, new)
    store.edit_many(slide, [Edit(_id(new[0]), 1, class_name="X")], author="ada")
    # The version becomes a chunk beside the one whose row it took the place of; then that row is history too.
    assert store.compact(slide, CompactionRule(overridden=1.0, versions=1)) == 1
    store.edit_many(slide, [Edit(_id(new[0]), 2, class_name="Y")], author="ada")
    assert store.compact(slide, CompactionRule(overridden=0.0, versions=1000)) == 1
    assert store.edit_many(slide, [Edit(_id(new[0]), 3, class_name="Z")], author="ada") == [Edited(_id(new[0]), 4)]
    found = [a.class_name for a in store.each(AnnotationQuery(slide)) if a.id == new[0].id]
    assert found == ["Z"]
    assert store.counts([slide]) == {slide: 20}


def test_what_is_written_while_something_is_folded_holds(
    store: AnnotationStore, slide: str, database: Database
) -> None:
    new = field(100)
    write(store, slide, new)
    store.edit_many(slide, [Edit(_id(item), 1, class_name="X") for item in new[:50]], author="ada")
    folding = _Meddling(database, lambda: _meddle(store, slide, new))
    assert AnnotationStore(folding).compact(slide, ALWAYS) == 2  # the chunk, and what was written meanwhile
    folded = said(store.each(AnnotationQuery(slide)))
    assert len(folded) == 99
    assert folded[_id(new[0])][0] == folded[_id(new[60])][0] == "Y"
    assert _id(new[1]) not in folded
    assert store.counts([slide]) == {slide: 99}
    assert said(store.each(AnnotationQuery(slide, as_of=2)))[_id(new[1])][0] == "X"


def _meddle(store: AnnotationStore, slide: str, new: list[NewAnnotation]) -> None:
    edits = [
        Edit(_id(new[0]), 2, class_name="Y"),
        Edit(_id(new[1]), 2, deleted=True),
        Edit(_id(new[60]), 1, class_name="Y"),
    ]
    assert all(isinstance(answer, Edited) for answer in store.edit_many(slide, edits, author="eve"))


class _Meddling:
    """A database in which something happens right before the next write, or before one of the next reads."""

    def __init__(self, database: Database, happens: Callable[[], None], reads: int = 0) -> None:
        self._database, self._happens, self._reads = database, happens, reads

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def read(self, work: Callable[[Transaction], Any]) -> Any:
        self._reads -= 1
        if self._reads == 0:
            self._meddle()
        return self._database.read(work)

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        if self._reads < 0:
            self._meddle()
        return self._database.write(work)

    def _meddle(self) -> None:
        happens, self._happens = self._happens, lambda: None
        happens()


@pytest.mark.parametrize("reads", [1, 2, 3, 4, 5, 6])
def test_what_is_written_between_two_reads_of_who_folds_holds(
    store: AnnotationStore, slide: str, database: Database, reads: int
) -> None:
    new = field(100)
    write(store, slide, new)
    store.add(slide, drawn := field(20, seed=7), layer="ada", author="ada")
    store.edit_many(slide, [Edit(_id(item), 1, class_name="X") for item in new[:50]], author="ada")
    edits = [Edit(_id(item), None, class_name="Y", unless_changed_since=3) for item in (*drawn, new[0], new[60])]
    revised, earlier = list[int](), said(store.each(AnnotationQuery(slide)))

    def meddle() -> None:
        revised.append(sum(isinstance(answer, Edited) for answer in store.edit_many(slide, edits, author="eve")))

    AnnotationStore(_Meddling(database, meddle, reads)).compact(slide, ALWAYS)
    assert revised == [22]
    for _ in range(2):
        found = list(store.each(AnnotationQuery(slide)))
        assert len(found) == len(said(found)) == 120
        assert {a.id for a in found if a.class_name == "Y"} == {edit.id for edit in edits}
        assert said(store.each(AnnotationQuery(slide, as_of=3))) == earlier
        assert store.counts([slide]) == {slide: 120}
        store.compact(slide, ALWAYS)


def test_what_others_write_and_fold_while_something_is_folded_is_found(
    store: AnnotationStore, slide: str, database: Database
) -> None:
    new = field(20)
    write(store, slide, new)
    first = _id(new[0])
    store.edit_many(slide, [Edit(first, 1, class_name="X")], author="ada")

    def meddle() -> None:
        store.edit_many(slide, [Edit(first, 2, class_name="Y")], author="eve")
        assert store.compact(slide, CompactionRule(overridden=1.0, versions=1)) == 1

    AnnotationStore(_Meddling(database, meddle)).compact(slide, ALWAYS)
    store.edit_many(slide, [Edit(first, 3, class_name="Z")], author="ada")
    assert [a.class_name for a in store.each(AnnotationQuery(slide)) if a.id == first] == ["Z"]
    assert store.counts([slide]) == {slide: 20}


def test_two_who_fold_the_same_fold_it_once(
    store: AnnotationStore, slide: str, mixed: list[Annotation], database: Database
) -> None:
    before = {r: said(store.each(AnnotationQuery(slide, as_of=r))) for r in range(store.revision(slide) + 1)}
    folded = list[int]()
    late = AnnotationStore(_Meddling(database, lambda: folded.append(store.compact(slide, ALWAYS))))
    assert late.compact(slide, ALWAYS) == 0
    assert folded[0] > 0
    assert {r: said(store.each(AnnotationQuery(slide, as_of=r))) for r in before} == before
    assert store.counts([slide]) == {slide: len(mixed)}


def test_who_is_stopped_while_something_is_folded_leaves_nothing(
    store: AnnotationStore, slide: str, mixed: list[Annotation], database: Database
) -> None:
    def tables() -> list[int]:
        names = ("batch", "chunk", "chunk_data", "placed", "overridden", "feature_version where until is null")
        return [count(database, name) for name in names]

    whole, before = said(store.each(AnnotationQuery(slide))), tables()
    with pytest.raises(KeyboardInterrupt):
        AnnotationStore(_Stopping(database)).compact(slide, ALWAYS)
    assert tables() == before
    assert said(store.each(AnnotationQuery(slide))) == whole
    assert store.compact(slide, ALWAYS) > 0
    assert said(store.each(AnnotationQuery(slide))) == whole


def test_nobody_waits_while_something_is_folded(store: AnnotationStore, slide: str, database: Database) -> None:
    new = field(2000)
    write(store, slide, new)
    seen = _Seen(database)
    editing = AnnotationStore(seen)
    edits = [Edit(_id(item), 1, class_name="X") for item in new[::2]]
    assert len(editing.edit_many(slide, edits, author="ada")) == 1000
    wait_for_later(database)
    assert len(seen.writes.pop(threading.get_ident())) == 1
    (chunks,) = seen.writes.values()
    assert count(database, "feature_version where until is null") == 0
    for seed in (1, 2):
        store.add(slide, field(700, seed=seed), layer="ada", author="ada")
    assert editing.compact(slide, CompactionRule(versions=1)) == 2
    versions = seen.writes[threading.get_ident()]
    assert (len(chunks), len(versions)) == (2, 2)
    # A chunk a transaction, in which each row has three values that say where it lies, and the id of its version.
    assert all(statements <= 25 and values <= 4 * 1024 + 100 for statements, values in chunks + versions)
    assert store.counts([slide]) == {slide: 3400}


class _Stopping:
    """A database in which the end of a write does not come."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        def stopped(tx: Transaction) -> None:
            work(tx)
            raise KeyboardInterrupt

        return self._database.write(stopped)


class _Seen:
    """A database that counts the statements and the values of each write, by thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.writes: dict[int, list[tuple[int, int]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        statements = list[int]()

        def counted(tx: Transaction) -> Any:
            return work(_Measured(tx, statements))

        result = self._database.write(counted)
        self.writes.setdefault(threading.get_ident(), []).append((len(statements), sum(statements)))
        return result


class _Measured:
    def __init__(self, tx: Transaction, statements: list[int]) -> None:
        self._tx, self._statements = tx, statements

    def run_many(self, sql: str, rows: Iterable[Row]) -> None:
        several = list(rows)
        self._statements += map(len, several)
        self._tx.run_many(sql, several)

    def __getattr__(self, name: str) -> Any:
        def run(sql: Any, *values: Any) -> Any:
            self._statements.append(len(values))
            return getattr(self._tx, name)(sql, *values)

        return run


def wait_for_later(database: Database) -> None:
    """Wait for all that shall be done later by now."""
    done = threading.Event()
    database.later("wait", done.set)
    assert done.wait(60)


def test_many_edits_are_one_revision_with_an_answer_each(
    store: AnnotationStore, slide: str, database: Database
) -> None:
    cells = field(2000)
    write(store, slide, cells)
    single = store.add(slide, [square(1, 1)], layer="ada", author="ada").ids[0]
    assert single is not None
    edits = [Edit(_id(item), 1, class_name="Tumour", state="approved") for item in cells]
    assert store.edit_many(slide, edits, author="ada") == [Edited(_id(item), 3) for item in cells]
    assert store.summary(AnnotationQuery(slide, classes=("Tumour",), states=("approved",))).total == 2000
    # So many are folded soon: only the one that was drawn lies beside chunks.
    wait_for_later(database)
    assert count(database, "feature_version where until is null") == 1
    first, second, third = (_id(item) for item in cells[:3])
    unknown = uuid4()
    answers = store.edit_many(
        slide,
        [
            Edit(first, 1, class_name="X"),
            Edit(second, 3, deleted=True),
            Edit(single, 2, class_name="", properties={"a": {"b": 1}, "gone": None}),
            Edit(unknown, 1, deleted=True),
        ],
        author="bob",
    )
    assert answers == [
        NotEdited(first, 3, False),
        Edited(second, 4),
        Edited(single, 4),
        NotEdited(unknown, None, False),
    ]
    assert store.get(single).properties == {"a": {"b": 1}}
    assert store.latest(second).deleted
    assert store.edit_many(slide, [Edit(second, 4, class_name="X")], author="bob") == [NotEdited(second, 4, True)]
    assert store.edit_many(slide, [Edit(second, 4, deleted=False)], author="bob") == [Edited(second, 5)]
    assert store.get(second).class_name == "Tumour"
    merge = Edit(third, 3, properties={"name": None, "n": [1], "state": "rejected"})
    store.edit_many(slide, [merge, Edit(single, 4, properties={"a": {"b": None, "c": 2}})], author="bob")
    assert store.get(third).properties == {"n": [1], "state": "rejected"} | _score(cells[2])
    assert store.get(single).properties == {"a": {"c": 2}}
    assert store.summary(AnnotationQuery(slide, states=("rejected",))).total == 1
    with pytest.raises(Invalid):
        store.edit_many(slide, [merge, merge], author="bob")
    with pytest.raises(TooLarge):
        store.edit_many(slide, [Edit(uuid4(), 1) for _ in range(10_001)], author="bob")


def test_many_added_one_by_one_are_one_revision(store: AnnotationStore, slide: str) -> None:
    first = field(3)
    store.add(slide, first, layer="hand", author="ada")
    new = field(6000, seed=1)
    clash = square(5, 5, id=first[1].id)
    whole = [*new[:5500], first[0], clash, new[0], *new[5500:], square(1, 1, class_name="New", class_color=(1, 2, 3))]
    added = store.add(slide, whole, layer="hand", author="ada")
    assert (added.created, added.revision) == (6001, 2)
    assert [(issue.index, issue.code) for issue in added.refused] == [(5501, "conflict")]
    known = [item.id for item in whole]
    assert added.ids[:-1] == [*known[:5501], None, *known[5502:-1]]
    state = said(store.each(AnnotationQuery(slide)))
    assert {i for i, (*_, revision, _, _) in state.items() if revision == 2} == {*(_id(n) for n in new), added.ids[-1]}
    assert len(state) == 6004
    assert {(layer.name, layer.kind, count) for layer, count in store.layers(slide)} == {("hand", "author", 6004)}
    again = store.add(slide, new, layer="hand", author="ada")
    assert (again.created, again.revision, again.refused) == (0, 2, [])


@pytest.mark.parametrize("name", [".", ".."])
def test_no_layer_is_called_like_a_step_of_a_path(
    store: AnnotationStore, database: Database, slide: str, name: str
) -> None:
    layers = Layers(database)
    layers.make(slide, "...", author="ada")
    for attempt in (
        lambda: layers.make(slide, name, author="ada"),
        lambda: layers.rename(slide, "...", name, author="ada"),
        lambda: store.add(slide, [square(1, 1)], layer=name, author="ada"),
        lambda: store.bulk(slide, layer=name, author="ada"),
    ):
        with pytest.raises(Invalid) as caught:
            attempt()
        assert caught.value.code == "bad_name"
    assert [layer.name for layer, _ in store.layers(slide)] == ["..."]


def test_an_import_may_replace_more_than_a_chunk(store: AnnotationStore, slide: str, database: Database) -> None:
    new = field(3000)
    write(store, slide, new)
    store.add(slide, [drawn := square(1, 1, id=uuid4())], layer="hand", author="ada")
    newer = [*(replace(item, class_name="Z") for item in new), replace(drawn, class_name="Z")]
    assert write(store, slide, newer, on_conflict="replace") == 3
    assert store.summary(AnnotationQuery(slide, classes=("Z",))).total == 3001
    changes = changes_since(database, slide, 2, limit=10)
    assert [(c.layer, c.kind, c.count, c.ids) for c in changes] == [
        ("cells", "updated", 3000, ()),
        ("hand", "updated", 1, (_id(drawn),)),
    ]
    boxes = [shape(item.geometry).bounds for item in new]
    assert changes[0].box == (*(min(b[k] for b in boxes) for k in (0, 1)), *(max(b[k] for b in boxes) for k in (2, 3)))


def test_an_edit_to_a_draft_says_what_an_import_of_one_says(store: AnnotationStore, slide: str) -> None:
    (cell,) = new = [square(1, 1, id=uuid4(), properties={"state": "approved", "name": "n"})]
    write(store, slide, new)
    store.edit_many(slide, [Edit(_id(cell), 1, state="draft")], author="ada")
    assert store.get(_id(cell)).properties == {"name": "n"}
    assert store.summary(AnnotationQuery(slide, states=("draft",))).total == 1


def test_edits_that_name_the_slides_revision(store: AnnotationStore, slide: str) -> None:
    cells = field(4)
    write(store, slide, cells)
    first, second, third, fourth = map(_id, cells)
    store.edit_many(slide, [Edit(first, 1, class_name="X"), Edit(second, 1, deleted=True)], author="ada")

    def since(i: UUID, revision: int) -> Edit:
        return Edit(i, None, class_name="Y", unless_changed_since=revision)

    answers = store.edit_many(slide, [since(i, 1) for i in (first, second, third)], author="bob")
    assert answers == [NotEdited(first, 2, False), NotEdited(second, 2, True), Edited(third, 3)]
    assert store.edit_many(slide, [since(first, 2)], author="bob") == [Edited(first, 4)]
    with pytest.raises(Invalid):
        store.edit_many(slide, [since(fourth, 5)], author="bob")
    with pytest.raises(Invalid):
        Edit(fourth, None, class_name="Y")
    assert store.get(fourth).class_name == cells[3].class_name


def _score(new: NewAnnotation) -> dict[str, Any]:
    return {"score": new.properties["score"]} if "score" in new.properties else {}


def test_changes_say_who_touched_what_and_where(store: AnnotationStore, slide: str, database: Database) -> None:
    cells = [square(100, 100, id=uuid4()), square(500, 600, id=uuid4())]
    write(store, slide, cells)
    drawn = store.add(slide, [square(1, 1)], layer="ada", author="ada").ids[0]
    assert drawn is not None
    store.replace(drawn, square(50, 1), expected=2, author="bob")
    edits = [Edit(drawn, 3, deleted=True), Edit(_id(cells[0]), 1, class_name="A")]
    store.edit_many(slide, edits, author="eve")
    store.add(slide, field(101), layer="ada", author="ada")
    Layers(database).rename(slide, "ada", "Ada's", author="ada")
    store.compact(slide, ALWAYS)
    found = [
        (c.revision, c.author, c.layer, c.kind, c.count, c.box) for c in changes_since(database, slide, 0, limit=100)
    ]
    assert found[:5] == [
        (1, "model", "cells", "imported", 2, (100, 100, 510, 610)),
        (2, "ada", "ada", "created", 1, (1, 1, 11, 11)),
        (3, "bob", "ada", "updated", 1, (1, 1, 60, 11)),
        (4, "eve", "cells", "updated", 1, (100, 100, 110, 110)),
        (4, "eve", "ada", "deleted", 1, (50, 1, 60, 11)),
    ]
    assert [change[:5] for change in found[5:]] == [
        (5, "ada", "ada", "created", 101),
        (6, "ada", "Ada's", "renamed", 0),
    ]
    ids = [c.ids for c in changes_since(database, slide, 0, limit=100)]
    assert ids == [(), (drawn,), (drawn,), (_id(cells[0]),), (drawn,), (), ()]
    assert [c.revision for c in changes_since(database, slide, 2, limit=2)] == [3]  # the fourth one does not fit whole
    assert [c.revision for c in changes_since(database, slide, 3, limit=1)] == [4, 4]
    assert changes_since(database, slide, 6, limit=10) == []


def test_layers_are_renamed_and_taken_away_as_revisions(store: AnnotationStore, slide: str, database: Database) -> None:
    layers = Layers(database)
    cells = field(20)
    write(store, slide, cells, layer="old")
    drawn = store.add(slide, [square(1, 1)], layer="ada", author="ada").ids[0]
    assert drawn is not None
    assert layers.rename(slide, "old", "new", author="ada") == 3
    assert layers.remove(slide, "new", author="ada") == 4
    assert [(layer.name, count) for layer, count in store.layers(slide)] == [("ada", 1)]
    assert store.counts([slide]) == {slide: 1}
    by_revision = [store.summary(AnnotationQuery(slide, as_of=r)).layers for r in range(1, 5)]
    assert by_revision == [{"old": 20}, {"old": 20, "ada": 1}, {"new": 20, "ada": 1}, {"ada": 1}]
    assert store.summary(AnnotationQuery(slide, layers=("old",), as_of=2)).total == 20
    assert {a.layer for a in store.each(AnnotationQuery(slide, as_of=3))} == {"new", "ada"}
    gone = store.latest(_id(cells[0]))
    assert (gone.deleted, gone.layer) == (True, "new")
    with pytest.raises(NotFound):
        store.get(gone.id)
    with pytest.raises(NotFound):
        store.replace(gone.id, square(0, 0), expected=1, author="ada")
    assert store.edit_many(slide, [Edit(gone.id, 1, deleted=True)], author="x") == [NotEdited(gone.id, None, False)]
    assert len(store.add(slide, cells[:3], layer="new", author="ada").refused) == 3
    assert {each.layer for each in store.history(_id(gone))} == {gone.layer}
    assert layers.restore(slide, "new", author="ada") == 5
    assert store.counts([slide]) == {slide: 21}
    assert store.replace(gone.id, square(0, 0), expected=1, author="ada").layer == "new"
    layers.remove(slide, "new", author="ada")
    write(store, slide, field(3, seed=5), layer="new")
    assert [(layer.name, count) for layer, count in store.layers(slide)] == [("ada", 1), ("new", 3)]
    with pytest.raises(Conflict):
        layers.restore(slide, "new", author="ada")
    with pytest.raises(Conflict):
        layers.rename(slide, "ada", "new", author="ada")
    with pytest.raises(NotFound):
        layers.remove(slide, "nothing", author="ada")
    told = [(c.kind, c.count) for c in changes_since(database, slide, 2, limit=100) if c.kind != "updated"]
    assert told == [("renamed", 0), ("removed", 20), ("restored", 20), ("removed", 20), ("imported", 3)]


class _Counting:
    """A database that counts statements."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.statements: list[str] = []
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        self.writes += 1
        return self._database.write(lambda tx: work(_Noting(tx, self.statements)))

    def read(self, work: Callable[[Transaction], Any]) -> Any:
        return self._database.read(lambda tx: work(_Noting(tx, self.statements)))


class _Noting:
    def __init__(self, tx: Transaction, statements: list[str]) -> None:
        self._tx, self._statements = tx, statements

    def __getattr__(self, name: str) -> Any:
        def run(sql: Any, *values: Any) -> Any:
            self._statements.append(sql)  # of `run_all` all that go together
            return getattr(self._tx, name)(sql, *values)

        return run


def test_a_viewport_is_a_constant_number_of_statements(store: AnnotationStore, slide: str, database: Database) -> None:
    new = field(12_000)
    write(store, slide, new)
    counting = _Counting(database)
    reading = AnnotationStore(counting)

    def look(box: tuple[float, float, float, float]) -> tuple[int, int]:
        counting.statements.clear()
        found = sum(map(len, reading.columns(AnnotationQuery(slide, bbox=box), properties=False)))
        return found, len(counting.statements)

    few, statements = look((100, 100, 140, 140))
    assert 0 < few < 200
    assert statements == 7
    assert look((100, 100, 140, 140)) == (few, 1)  # from memory: only which state it is
    many, statements = look((0, 0, 1000, 1000))
    assert (many, statements) == (12_000, 3)
    assert not any("json" in sql for sql in counting.statements)
    store.edit_many(slide, [Edit(_id(item), 1, class_name="X") for item in new[:100]], author="x")
    assert look((0, 0, 1000, 1000)) == (12_000, 7)
    # What was edited is read, and not all chunks again.
    assert not any("from chunk " in sql for sql in counting.statements)
    assert look((0, 0, 1000, 1000)) == (12_000, 3)  # there are versions beside the chunks now


def test_an_import_of_what_is_there_makes_no_object_for_each_row(
    store: AnnotationStore, slide: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = field(3000)
    write(store, slide, new)
    store.edit_many(slide, [Edit(_id(item), 1, class_name="X") for item in new[:10]], author="x")
    columns, begin, made = Columns.of(new), UUID.__init__, Counter[str]()

    def counted(*args: Any, **rest: Any) -> None:
        made["ids"] += 1
        begin(*args, **rest)

    monkeypatch.setattr(UUID, "__init__", counted)
    with store.bulk(slide, layer="cells", author="model") as bulk:
        added = bulk.add(columns)
    assert (len(added.known), added.conflicts.tolist()) == (2990, list(range(10)))
    # Collecting garbage stops everybody, for longer the more of them there are.
    assert made["ids"] < 100


def test_an_edit_is_one_writing_transaction(store: AnnotationStore, slide: str, database: Database) -> None:
    new = field(1000)
    write(store, slide, new)
    counting = _Counting(database)
    editing = AnnotationStore(counting)
    made = editing.replace(_id(new[0]), square(1, 1), expected=1, author="ada")
    editing.delete(made.id, expected=made.revision, author="ada")
    assert counting.writes == 2
    editing.edit_many(slide, [Edit(_id(item), 1, class_name="X") for item in new[1:20]], author="ada")
    assert counting.writes == 3


def test_an_edit_is_one_question_and_one_group_of_statements(
    store: AnnotationStore, slide: str, database: Database
) -> None:
    new = [replace(item, class_name="AB"[n % 2]) for n, item in enumerate(field(100))]
    write(store, slide, new)
    counting = _Counting(database)
    editing = AnnotationStore(counting, reader=store._reader)
    first, other = _id(new[0]), _id(new[2])
    store.get(first)  # whoever edits has seen it: its chunk is in memory

    def edited(target: UUID, *, class_name: str = "A") -> tuple[int, list[int]]:
        """Count the questions, and the statements of each group."""
        counting.statements.clear()
        changed = square(1, 1, class_name=class_name)
        editing.replace(target, changed, expected=store.get(target).revision, author="ada")
        groups = [len(sql) for sql in counting.statements if not isinstance(sql, str)]
        return len(counting.statements) - len(groups), groups

    # Out of its chunk: has it a head, where does it lie. What the chunk says is not written again.
    assert edited(first) == (2, [6])
    assert edited(first) == (1, [6])
    assert edited(first, class_name="B") == (2, [6])  # is this a class of the project
    store.compact(slide, ALWAYS)
    assert edited(first, class_name="B") == (1, [6])  # what has been folded already has a head
    assert edited(other) == (3, [6])  # the chunk is younger than its rows: when was this one made


def test_a_first_version_is_read_where_it_lies(store: AnnotationStore, slide: str, database: Database) -> None:
    new = [replace(item, properties={"n": n}) for n, item in enumerate(field(2000))]
    write(store, slide, new)
    was = store.get(_id(new[0]))
    one, other, gone = (_id(new[n]) for n in (0, 1, 1999))
    store.replace(one, square(5, 5), expected=1, author="bob")
    store.delete(gone, expected=1, author="bob")
    store.edit_many(slide, [Edit(other, 1, class_name="X")], author="eve")
    assert count(database, "feature_version") == 3
    for _ in range(2):
        store = AnnotationStore(database)  # that has nothing in memory
        assert [(v.revision, v.author, v.created, v.properties) for v in store.history(one)] == [
            (1, "model", was.created, {"n": 0}),
            (2, "bob", was.created, {}),
        ]
        assert store.history(one)[0] == was
        assert [v.revision for v in store.history(gone)] == [1, 3]
        assert [(v.revision, v.class_name, v.geometry) for v in store.history(other)] == [
            (1, new[1].class_name, new[1].geometry),
            (4, "X", new[1].geometry),
        ]
        assert store.compact(slide, ALWAYS) in {0, 2}  # the chunks of the first versions are history from then on
    # A version is brought back out of a chunk that is no more, and so is what was deleted.
    assert store.revert(one, 1, expected=2, author="ada").geometry == was.geometry
    back = store.edit_many(slide, [Edit(gone, 3, deleted=False)], author="ada")
    assert isinstance(back[0], Edited)
    assert [store.get(i).properties for i in (one, gone)] == [{"n": 0}, {"n": 1999}]
    assert [v.deleted for v in store.history(gone)] == [False, True, False]
    with pytest.raises(Invalid, match="no content"):
        store.revert(gone, 2, expected=6, author="ada")


def test_first_versions_that_were_copied_are_read_as_well(
    store: AnnotationStore, slide: str, database: Database
) -> None:
    new = field(3)
    write(store, slide, new)
    i = _id(new[0])
    store.replace(i, square(5, 5), expected=1, author="bob")
    as_it_is = store.history(i)

    def copied(tx: Transaction) -> None:
        """Leave what was written before heads named rows of chunks."""
        content = content_of_row(Columns.of(new[:1]), 0)
        layer = as_int((tx.row("select layer from head") or ("",))[0])
        first = (str(i), 1, slide, layer, None, False, content)
        tx.run(INSERT_VERSION, *version_row(*first, author="model", at=as_it_is[0].updated.isoformat(), until=1))
        tx.run("update head set chunk = null, place = null")

    database.write(copied)
    assert store.history(i) == as_it_is
    assert store.revert(i, 1, expected=2, author="ada").geometry == new[0].geometry
    assert [v.revision for v in store.history(i)] == [1, 2, 3]


def test_an_edit_that_is_refused_writes_nothing(store: AnnotationStore, slide: str, database: Database) -> None:
    new = field(10)
    write(store, slide, new)
    with pytest.raises(Stale) as caught:
        store.replace(_id(new[0]), square(1, 1), expected=7, author="ada")
    assert caught.value.revision == 1
    with pytest.raises(Invalid, match="no content"):
        store.revert(_id(new[0]), 2, expected=1, author="ada")
    assert (count(database, "head"), count(database, "feature_version"), store.revision(slide)) == (0, 0, 1)


def test_what_lies_in_a_chunk_alone_can_be_deleted_and_reverted(store: AnnotationStore, slide: str) -> None:
    new = field(3)
    write(store, slide, new)
    before = said(store.each(AnnotationQuery(slide)))
    assert store.delete(_id(new[0]), expected=1, author="ada").deleted
    again = store.revert(_id(new[1]), 1, expected=1, author="bob")
    assert (again.revision, again.author, again.created) == (3, "bob", store.history(_id(new[2]))[0].created)
    after = said(store.each(AnnotationQuery(slide)))
    assert after.keys() == {_id(new[1]), _id(new[2])}
    assert all(after[i][:3] == before[i][:3] for i in after)
    with pytest.raises(Invalid, match="no content"):
        store.revert(_id(new[0]), 2, expected=2, author="ada")
    back = store.revert(_id(new[0]), 1, expected=2, author="ada")
    assert said([back])[_id(new[0])][:3] == before[_id(new[0])][:3]
    assert back == store.get(_id(new[0]))
    assert [a.deleted for a in store.history(_id(new[0]))] == [False, True, False]


def test_a_removed_slide_leaves_nothing(store: AnnotationStore, slide: str, database: Database) -> None:
    new = field(50)
    write(store, slide, new)
    store.edit_many(slide, [Edit(_id(new[0]), 1, deleted=True)], author="x")
    Layers(database).rename(slide, "cells", "other", author="x")
    Catalog(database).remove_slide(slide)
    names = ("chunk", "chunk_data", "placed", "batch", "layer", "layer_change", "overridden", "head", "feature_version")
    for table in (*names, "revision", "change"):
        assert count(database, table) == 0


@pytest.mark.parametrize("operations", [200, pytest.param(20_000, marks=[pytest.mark.long, pytest.mark.timeout(7200)])])
def test_of_eight_editors_in_competition_none_loses_an_update(
    store: AnnotationStore, slide: str, operations: int, database_url: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    won, lost = compete(store, slide, editors=8, operations=operations // 8)
    if operations >= 20_000:
        kind, seconds = "SQLite" if database_url is None else "PostgreSQL", time.monotonic() - begun
        with capsys.disabled():
            print(f"\n  {kind}: {won} edits made, {lost} refused with what is current, none lost, {seconds:.0f} s")  # noqa: T201


def count_on(store: AnnotationStore, slide: str, target: UUID, author: str, *, as_many: bool) -> int | None:
    """Add one to what an object counts; when somebody else was faster, give what the store says is current."""
    seen = store.get(target)
    count = {"n": seen.properties["n"] + 1}
    if as_many:
        (answer,) = store.edit_many(slide, [Edit(target, seen.revision, properties=count)], author=author)
        current = None if isinstance(answer, Edited) else answer.revision
    else:
        current = None
        try:
            content = NewAnnotation(seen.geometry, properties=count)
            store.replace(target, content, expected=seen.revision, author=author)
        except Stale as error:
            current = error.revision
            assert current is not None
    assert current is None or seen.revision < current <= store.latest(target).revision
    return current


def compete(store: AnnotationStore, slide: str, *, editors: int, operations: int) -> tuple[int, int]:
    """Let editors count on few objects, some of them in chunks, while what they write is folded.

    Every count that was accepted is there, once; who was refused was told a revision that the object had. Gives how
    many were accepted and refused.
    """
    new = [square(n, n, id=uuid4(), properties={"n": 0}) for n in range(6)]
    write(store, slide, new[:3])
    store.add(slide, new[3:], layer="drawn", author="x")
    ids = [_id(item) for item in new]

    def edit(editor: int) -> tuple[Counter[UUID], set[tuple[UUID, int]], int]:
        random = np.random.default_rng(editor)
        won, told, lost = Counter[UUID](), set[tuple[UUID, int]](), 0
        for step in range(operations):
            target = ids[int(random.integers(len(ids)))]
            current = count_on(store, slide, target, f"e{editor}", as_many=bool(step % 2))
            if current is None:
                won[target] += 1
            else:
                told.add((target, current))
                lost += 1
        return won, told, lost

    folded = 0
    with ThreadPoolExecutor(editors) as pool:
        running = [pool.submit(edit, n) for n in range(editors)]
        while not all(future.done() for future in running):
            folded += store.compact(slide, ALWAYS)
            time.sleep(0.02)
    won = sum((future.result()[0] for future in running), Counter[UUID]())
    told = set[tuple[UUID, int]]().union(*(future.result()[1] for future in running))
    lost = sum(future.result()[2] for future in running)
    assert folded > 1
    listed = {a.id: a.properties["n"] for a in store.each(AnnotationQuery(slide))}
    assert listed == {i: won[i] for i in ids}
    assert sum(won.values()) > operations
    assert sum(won.values()) + lost == editors * operations
    histories = {i: store.history(i) for i in ids}
    for i, history in histories.items():
        assert [version.properties["n"] for version in history] == list(range(won[i] + 1))
        assert all(a.revision < b.revision for a, b in pairwise(history))
    assert told <= {(i, version.revision) for i, history in histories.items() for version in history}
    return sum(won.values()), lost


def test_every_order_is_known() -> None:
    assert {order.lstrip("-") for order in ORDERS} == set(KEYS)
