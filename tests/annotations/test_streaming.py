"""A stream gives what an answer is, whatever is asked: chunks, edits beside them, versions, and states long gone."""

from uuid import UUID, uuid5

import pytest

from pathserve.annotations import AnnotationQuery
from pathserve.annotations.filters import parse_filter
from pathserve.labels import Columns, NewAnnotation

SPACE = UUID("6f3c0b0e-8d1a-4f5e-9f2a-0123456789ab")


def square(index, shift=0.0):
    x, y = 20.0 * (index % 40) + shift, 20.0 * (index // 40)
    return {"type": "Polygon", "coordinates": [[[x, y], [x + 9, y], [x + 9, y + 9.5], [x, y]]]}


def made(many, name="cells"):
    return [
        NewAnnotation(
            square(n),
            id=uuid5(SPACE, f"{name}{n}"),
            class_name=f"class {n % 3}",
            properties={"score": n / many, "n": n},
        )
        for n in range(many)
    ]


@pytest.fixture
def filled(store, slide):
    """Two layers of chunks, of which some rows were changed or deleted, and single annotations beside them."""
    for layer, many in (("a", 2500), ("b", 30)):
        with store.bulk(slide, layer=layer, author="m") as writer:
            writer.add(Columns.of(made(many, layer)))
            writer.publish()
    for n in (3, 900):
        changed = NewAnnotation(square(n, 0.25), id=uuid5(SPACE, f"a{n}"), class_name="changed", properties={"n": -n})
        store.replace(uuid5(SPACE, f"a{n}"), changed, expected=1, author="x")
    store.delete(uuid5(SPACE, "a7"), expected=1, author="x")
    store.add(slide, [NewAnnotation(square(5, 0.5), class_name="single")], layer="c", author="x")
    return store


def expected(given, *, changed=True):
    """List what there is, by what was put in: class, number ``n``, left edge."""
    several = [(f"class {n % 3}", n, 20.0 * (n % 40)) for many in (2500, 30) for n in range(many)]
    if changed:
        for n in (3, 900, 7):
            several.remove((f"class {n % 3}", n, 20.0 * (n % 40)))
        several += [("changed", -3, 60.25), ("changed", -900, 400.25), ("single", None, 100.5)]
    return sorted(filter(given, several), key=repr)


def streamed(store, query):
    found = []
    for columns in store.columns(query, keep=False):
        for row in range(len(columns)):
            item = columns.new_annotation(row)
            left = item.geometry["coordinates"][0][0][0]
            found.append((item.class_name, item.properties.get("n"), left))
    return sorted(found, key=repr)


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ({}, lambda _: True),
        ({"classes": ("class 1", "single")}, lambda item: item[0] in ("class 1", "single")),
        ({"classes": ("none",)}, lambda _: False),
        ({"bbox": (0, 0, 60.1, 1300)}, lambda item: item[2] < 60.1),
        ({"layers": ("c",)}, lambda item: item[0] == "single"),
        ({"where": parse_filter("properties.n < 0")}, lambda item: (item[1] or 0) < 0),
        ({"authors": ("x",)}, lambda item: item[0] in ("changed", "single")),
    ],
)
def test_a_stream_gives_all_that_is_asked_for_once(filled, slide, said, given):
    assert streamed(filled, AnnotationQuery(slide, **said)) == expected(given)


def test_a_stream_gives_an_earlier_state(filled, slide):
    assert streamed(filled, AnnotationQuery(slide, as_of=2)) == expected(lambda _: True, changed=False)


def test_a_stream_is_of_one_layer_at_a_time_and_reads_in_bounded_steps(filled, slide):
    several = list(filled.columns(AnnotationQuery(slide), keep=False))
    assert {columns.layer for columns in several} == {"a", "b", "c"}
    assert all(columns.revisions.min() > 0 and columns.numbers.min() > 0 for columns in several)
    assert max(map(len, several)) <= 2048
    numbers = [number for columns in several for number in columns.numbers.tolist()]
    assert len(numbers) == len(set(numbers)) == 2530
    assert (min(numbers), max(numbers)) == (1, 2531)
