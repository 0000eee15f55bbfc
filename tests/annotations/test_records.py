"""Rows that went through records are the rows that went in, and the chunks made of records hold them."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.annotations import records as records_module
from pathserve.annotations.chunks import Chunk, encode_chunk
from pathserve.annotations.record_chunks import chunk_of_records
from pathserve.annotations.records import RecordBuffer, Records, words_of
from pathserve.labels import Columns, NewAnnotation, Texts
from pathserve.labels.columns import areas

ODD = [-0.0, 5e-324, 1e300, -1e300, 2.0**53 + 2, 0.1, float(np.float32(0.1)), np.pi, 1e6 + 0.005]


def geometries_of(value):
    position = st.tuples(value, value).map(list)
    runs = st.lists(position, min_size=3, max_size=5)
    rings = st.lists(runs.map(lambda r: [*r, r[0]]), min_size=1, max_size=2)
    coordinates = {
        "Point": position,
        "LineString": runs,
        "MultiPoint": runs,
        "Polygon": rings,
        "MultiPolygon": st.lists(rings, min_size=1, max_size=2),
    }
    plain = [st.fixed_dictionaries({"type": st.just(kind), "coordinates": of}) for kind, of in coordinates.items()]
    members = st.tuples(plain[3], plain[1]).map(list)
    return st.one_of(*plain, st.fixed_dictionaries({"type": st.just("GeometryCollection"), "geometries": members}))


def grid(denominator):
    return st.integers(0, 60_000).map(lambda k: k / denominator)


GEOMETRIES = st.one_of(*(geometries_of(grid(denominator)) for denominator in (1, 4, 100))) | geometries_of(
    st.one_of(grid(1), grid(100), st.sampled_from(ODD))
)
ANNOTATIONS = st.builds(
    NewAnnotation,
    geometry=GEOMETRIES,
    id=st.uuids(),
    class_name=st.none() | st.sampled_from(["tumour", "Ki-67 β"]),
    properties=st.fixed_dictionaries(
        {},
        optional={"score": st.floats(0, 1), "state": st.just("approved"), "exhaustive": st.just(value=True)},
    ),
    drawn=st.none() | GEOMETRIES,
)


def recorded(several: list[Columns]) -> Records:
    """Put rows into one buffer, some after others."""
    buffer = RecordBuffer(sum(map(words_of, several)))
    places = [buffer.add(columns)[0] for columns in several]
    return Records(buffer.views, np.concatenate(places), buffer.class_names, buffer.state_names)


def assert_same(got: Columns, expected: Columns) -> None:
    for item in fields(Columns):
        left, right = getattr(got, item.name), getattr(expected, item.name)
        if isinstance(right, np.ndarray):
            assert (left.dtype, left.shape) == (right.dtype, right.shape), item.name
            assert left.tobytes() == right.tobytes(), item.name
        else:
            assert left == right, item.name


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(ANNOTATIONS, min_size=1, max_size=5), min_size=1, max_size=3), st.randoms())
def test_rows_come_back_to_the_last_bit(several, random):
    given_ = [Columns.of(some) for some in several]
    whole, records = Columns.join(given_), recorded(given_)
    assert_same(records.columns(), whole)
    assert records.positions().tolist() == np.diff(whole.first_positions()).tolist()
    order = np.array(random.sample(range(len(whole)), len(whole)))
    assert_same(replace(records, places=records.places[order]).columns(), whole.take(order))


@settings(max_examples=50, deadline=None)
@given(st.lists(ANNOTATIONS, min_size=1, max_size=6))
def test_areas_are_those_of_columns_and_boxes_those_of_positions(annotations):
    columns = Columns.of(annotations)
    records = recorded([columns])
    found = records.unpack(records.told(), with_positions=False)[1]
    assert found.tobytes() == areas(columns).astype(np.float32).tobytes()
    made = chunk_of_records(records)
    if made is not None:
        assert made.boxes.tobytes() == (columns.boxes() + 0.0).tobytes()


def cells(count: int, denominator: int, spread: float = 2000.0, *, closed: bool = True) -> Columns:
    """Rings, or lines, of 10 or 11 corners at random places on a grid."""
    rng = np.random.default_rng(5)
    made = []
    for row in range(count):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 10 + row % 2))
        shape = 10 + rng.uniform(0, spread, 2) + 8 * np.stack((np.cos(angles), np.sin(angles)), axis=1)
        ring = (np.round(shape * denominator) / denominator).tolist()
        holes = [[[x + 1, y] for x, y in ring]] if denominator == 1 and row % 5 == 0 else []
        polygon = {"type": "Polygon", "coordinates": [[*r, r[0]] for r in (ring, *holes)]}
        geometry = polygon if closed else {"type": "LineString", "coordinates": ring}
        made.append(NewAnnotation(geometry, class_name=f"c{row % 3}", properties={"n": row}))
    columns = Columns.of(made)
    return replace(columns, ids=rng.integers(0, 256, columns.ids.shape, np.uint8))


@pytest.mark.parametrize(
    ("denominator", "spread", "closed"),
    [(1, 40, True), (2, 2000, True), (4, 2000, False), (100, 2000, True), (100, 9e6, True), (1000, 9e9, True)],
)
def test_a_chunk_of_records_is_the_chunk_of_their_columns(denominator, spread, closed):
    columns = cells(200, denominator, spread, closed=closed)
    records = recorded([columns.take(np.arange(150)), columns.take(np.arange(150, 200))])
    made = chunk_of_records(records)
    assert made is not None
    whole = records.columns()
    assert b"".join(made.data) == encode_chunk(whole)
    assert_same(whole, columns)


@settings(max_examples=50, deadline=None)
@given(st.lists(ANNOTATIONS, min_size=1, max_size=4))
def test_a_chunk_of_any_records_holds_them(annotations):
    records = recorded([Columns.of(annotations)])
    made = chunk_of_records(records)
    if made is None:
        return
    chunk = Chunk(b"".join(made.data))
    whole = records.columns()
    assert_same(chunk.columns(with_properties=True), whole)
    assert chunk.attributes().boxes.tobytes() == (whole.boxes() + 0.0).tobytes()
    assert chunk.attributes().areas.tobytes() == areas(whole).astype("<f4").tobytes()


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("step", [127, -128, 128, -129, 32_767, -32_768])
def test_steps_are_as_wide_as_those_of_columns(step, closed):
    line = [[40_000, 7], [40_000 + step, 7], [40_000 + step, 9]]
    geometry = {"type": "LineString", "coordinates": line}
    if closed:  # back by a step of which nothing is kept
        geometry = {"type": "Polygon", "coordinates": [[*line, line[0]]]}
    records = recorded([Columns.of([NewAnnotation(geometry)])])
    made = chunk_of_records(records)
    assert made is not None
    assert b"".join(made.data) == encode_chunk(records.columns())


def test_rows_of_two_scales_or_some_closed_are_left_to_columns():
    fine, coarse, lines = cells(300, 1000), cells(300, 10), cells(300, 1000, closed=False)
    assert chunk_of_records(recorded([coarse, fine])) is None
    assert chunk_of_records(recorded([fine, lines])) is None
    assert chunk_of_records(recorded([fine, coarse])) is not None  # the finer scale gives the coarser values too


def test_rows_fit_into_the_words_that_are_reckoned():
    many = [[[[x, 0.1], [x + 1, 0.1], [x, 1.3], [x, 0.1]]] for x in np.random.default_rng(1).random(50).tolist()]
    texts = [b"", b"{}", b"x" * 1001]
    for geometry in ({"type": "Point", "coordinates": [0.1, 0.2]}, {"type": "MultiPolygon", "coordinates": many}):
        columns = Columns.of([NewAnnotation(geometry, drawn=geometry)] * 3)
        columns = replace(columns, properties=Texts.of(texts))
        buffer = RecordBuffer(words_of(columns))
        buffer.add(columns)
        assert buffer.used <= buffer.most
        assert records_module.words_of(columns) == buffer.most
