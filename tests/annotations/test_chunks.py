"""A chunk gives back, to the last bit, what was put into it; damaged bytes give an error and never other data."""

import struct
from dataclasses import fields, replace
from uuid import UUID

import google_crc32c
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.annotations.chunks import VERSION, Chunk, encode_chunk
from pathserve.annotations.hilbert import cut, hilbert_distance, hilbert_order
from pathserve.errors import Corrupt, Unsupported
from pathserve.labels import Columns, NewAnnotation, Texts

COORDINATES = st.one_of(
    st.integers(0, 200_000).map(float),
    st.integers(-4_000_000, 4_000_000).map(lambda k: k / 1000),
    st.integers(0, 400_000).map(lambda k: k / 4),
    st.integers(0, 10**8).map(lambda k: float(np.float32(k / 977))),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, 5e-324, 1.7976931348623157e308, -1e300, 2.0**53 + 2, 0.1]),
)


@st.composite
def rings(draw):
    """Lists of positions, closed as GeoJSON has them; now and then all of one grid, as programs write them."""
    coordinate = draw(st.sampled_from([COORDINATES, st.integers(0, 10**6).map(lambda k: k / 1000)]))
    ring = draw(st.lists(st.tuples(coordinate, coordinate).map(list), min_size=3, max_size=8))
    return [*ring, ring[0]]


GEOMETRIES = st.one_of(
    st.tuples(COORDINATES, COORDINATES).map(lambda p: {"type": "Point", "coordinates": list(p)}),
    rings().map(lambda r: {"type": "LineString", "coordinates": r[:-1]}),
    rings().map(lambda r: {"type": "MultiPoint", "coordinates": r[:-1]}),
    st.lists(rings(), min_size=1, max_size=3).map(lambda p: {"type": "Polygon", "coordinates": p}),
    st.lists(st.lists(rings(), min_size=1, max_size=2), min_size=1, max_size=3).map(
        lambda p: {"type": "MultiPolygon", "coordinates": p}
    ),
    rings().map(
        lambda r: {"type": "GeometryCollection", "geometries": [{"type": "Polygon", "coordinates": [r]}], "note": "x"}
    ),
    st.tuples(COORDINATES, COORDINATES).map(lambda p: {"type": "Point", "coordinates": [*p, 3.5]}),
)
ANNOTATIONS = st.builds(
    NewAnnotation,
    geometry=GEOMETRIES,
    id=st.none() | st.uuids(),
    class_name=st.none() | st.sampled_from(["tumour", "stroma", "Ki-67 β"]),
    properties=st.fixed_dictionaries(
        {},
        optional={
            "score": st.floats(0, 1),
            "state": st.sampled_from(["draft", "approved"]),
            "exhaustive": st.just(value=True),
            "measurements": st.dictionaries(st.text(max_size=4), st.integers(-9, 9), max_size=3),
        },
    ),
    drawn=st.none() | GEOMETRIES,
)


def assert_same(got: Columns, expected: Columns) -> None:
    for item in fields(Columns):
        left, right = getattr(got, item.name), getattr(expected, item.name)
        if isinstance(right, np.ndarray):
            assert left.dtype == right.dtype, item.name
            assert left.shape == right.shape, item.name
            assert left.tobytes() == right.tobytes(), item.name
        elif item.name == "properties":
            assert list(left) == list(right)
        else:
            assert left == right, item.name


def stored(columns: Columns) -> Columns:
    """What the store adds: numbers, revisions, a layer."""
    count = len(columns)
    return replace(
        columns,
        numbers=np.arange(count, dtype=np.int64)[::-1] + 2**40,
        revisions=np.arange(count, dtype=np.int64) % 3 + 7,
        firsts=np.full(count, 7, np.int64),
        layer="Zellen ü",
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(ANNOTATIONS, min_size=1, max_size=8))
def test_everything_comes_back_to_the_last_bit(annotations):
    columns = stored(Columns.of(annotations))
    chunk = Chunk(encode_chunk(columns))
    assert len(chunk) == len(annotations)
    assert_same(chunk.columns(with_properties=True), columns)
    attributes = chunk.attributes()
    assert attributes.boxes.tobytes() == columns.boxes().tobytes()
    assert attributes.scores.tobytes() == columns.scores.tobytes()


@settings(max_examples=80, deadline=None)
@given(st.lists(ANNOTATIONS, min_size=1, max_size=4), st.data())
def test_damaged_bytes_are_refused(annotations, data):
    good = encode_chunk(Columns.of(annotations))
    bad = bytearray(good)
    for place in data.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=3, unique=True)):
        bad[place] ^= data.draw(st.integers(1, 255))
    end = data.draw(st.sampled_from([len(bad), len(bad), data.draw(st.integers(0, len(bad)))]))
    with pytest.raises(Corrupt):
        Chunk(bytes(bad[:end])).columns(with_properties=True)


@pytest.mark.parametrize(
    ("name", "most"), [("Single_cells.geojson", 620), ("TD_01_verysmall_mIF.geojson", 2000), ("rois.geojson", 800)]
)
def test_real_files_come_back(shared_data, name, most):
    document = orjson.loads((shared_data / "annotations" / "qupath" / name).read_bytes())
    features = document["features"] if isinstance(document, dict) else document
    annotations = [NewAnnotation(f["geometry"], properties=f["properties"]) for f in features if f["geometry"]]
    data = encode_chunk(Columns.of(annotations))
    columns = Chunk(data).columns(with_properties=True)
    assert [columns.geometry(row) for row in range(len(columns))] == [item.geometry for item in annotations]
    assert [orjson.loads(text or b"{}") for text in columns.properties] == [item.properties for item in annotations]
    assert len(data) / len(annotations) < most


MEASURED = st.dictionaries(
    st.text(max_size=6) | st.sampled_from(['a "1.5" b', "\\2.5\\", "x1.25"]),
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(10**6), 10**6)
    | st.text(max_size=5)
    | st.lists(st.floats(0, 1), max_size=3),
    max_size=6,
)
TEXTS = st.one_of(
    MEASURED.map(orjson.dumps),
    # As other programs write numbers: Java's exponents, more digits than needed, none at all.
    st.sampled_from(
        [b'{"a":1.0E-4,"b":1.50,"c":-0.0}', b'{"a":0.1000000000000000055511151231257827}', b"{}", b"", b'{"\\":1.5}']
    ),
    st.binary(max_size=40),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_properties_come_back_byte_by_byte_however_long(texts):
    padded = [b'{"note":"' + b"x" * 600 + b'"}', *texts]
    columns = Columns.of([NewAnnotation({"type": "Point", "coordinates": [1, 2]})] * len(padded))
    columns = replace(columns, properties=Texts.of(padded))
    assert list(Chunk(encode_chunk(columns)).columns(with_properties=True).properties) == padded


@pytest.mark.parametrize("text", [b'{"a":1.25,"b":[2.5,-1e-7,3]}', b'{"a":1.250,"b":1.0E-4}'])
def test_measurements_are_packed_as_numbers(text):
    columns = Columns.of([NewAnnotation({"type": "Point", "coordinates": [1, 2]})] * 50)
    rng = np.random.default_rng(3)
    measured = [b'{"m":[' + b",".join(repr(v).encode() for v in rng.random(50).tolist()) + b"]}" for _ in range(49)]
    data = encode_chunk(replace(columns, properties=Texts.of([*measured, text])))
    assert list(Chunk(data).columns(with_properties=True).properties) == [*measured, text]
    assert len(data) < 0.6 * sum(map(len, measured))


def test_a_part_that_is_not_asked_for_is_not_read():
    columns = Columns.of([NewAnnotation({"type": "Point", "coordinates": [1.5, 2]}, properties={"a": 1})])
    chunk = Chunk(encode_chunk(columns))
    data = encode_chunk(columns)
    attributes_alone = Chunk(data[: chunk.attributes_end])
    assert attributes_alone.attributes().boxes.tolist() == [[1.5, 2, 1.5, 2]]
    with pytest.raises(Corrupt):
        attributes_alone.columns(with_properties=False)
    damaged_json = Chunk(data[:-1] + bytes((data[-1] ^ 1,)))
    assert damaged_json.columns(with_properties=False).xy.tolist() == [[1.5, 2]]
    with pytest.raises(Corrupt):
        damaged_json.columns(with_properties=True)


@pytest.mark.parametrize(
    "changed",
    [
        {"classes": np.array([1], np.int32)},
        {"classes": np.array([-2], np.int32)},
        {"states": np.array([1], np.int32)},
        {"states": np.array([-1], np.int32)},
        {"kinds": np.array([8], np.uint8)},
        {"kinds": np.array([0], np.uint8)},
        {"class_names": ()},
        {"class_names": (7,)},
        {"layer": None},
    ],
)
def test_a_row_says_nothing_that_has_no_name(changed):
    columns = Columns.of([NewAnnotation({"type": "Point", "coordinates": [1.5, 2]}, class_name="A")])
    assert Chunk(encode_chunk(columns)).attributes().class_names == ("A",)
    with pytest.raises(Corrupt):
        Chunk(encode_chunk(replace(columns, **changed))).attributes()


@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_another_version_is_refused_as_such_and_not_as_damage(version):
    data = bytearray(encode_chunk(Columns.of([NewAnnotation({"type": "Point", "coordinates": [1, 2]})])))
    data[4] = version  # the head: 4 letters, then the version
    with pytest.raises(Corrupt):
        Chunk(bytes(data))
    head = struct.calcsize("<4sHH4I9I")
    data[head : head + 4] = google_crc32c.value(bytes(data[:head])).to_bytes(4, "little")
    with pytest.raises(Unsupported, match="Another version"):
        Chunk(bytes(data))


@pytest.mark.parametrize("rows", [0, (1 << 20) + 1])
def test_a_chunk_has_a_number_of_rows_that_can_be_read_again(rows):
    one = Columns.of([NewAnnotation({"type": "Point", "coordinates": [1, 2]})])
    with pytest.raises(ValueError, match="1 to 1,048,576"):
        encode_chunk(one.take(np.zeros(rows, np.int64)))


def cells(count: int, denominator: int) -> Columns:
    """Ten-cornered rings of 8 px radius at random places, on a grid of 1 / denominator px."""
    rng = np.random.default_rng(5)
    angles = np.linspace(0, 2 * np.pi, 11)[:-1]
    shape = 8 * np.stack((np.cos(angles), np.sin(angles)), axis=1)
    centres = rng.uniform(0, 2000, (count, 1, 2))
    xy = np.round((centres + shape + rng.uniform(-2, 2, (count, 10, 2))) * denominator) / denominator
    xy = np.concatenate((xy, xy[:, :1]), axis=1)
    one = Columns.of([NewAnnotation({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]})])
    return replace(
        one.take(np.zeros(count, np.int64)),
        xy=xy.reshape(-1, 2),
        ring_starts=np.arange(count + 1) * 11,
        ids=rng.integers(0, 256, (count, 16), np.uint8),
    )


@pytest.mark.parametrize(("denominator", "most"), [(1, 55), (4, 60), (100, 70), (1000, 75)])
def test_cells_take_few_bytes(denominator, most):
    columns = cells(1024, denominator)
    # 16 of these bytes are the id; ten positions as float64 alone would be 160.
    assert len(encode_chunk(next(cut(columns)))) / 1024 < most


def test_one_odd_coordinate_does_not_make_its_neighbours_large():
    columns = cells(1024, 100)
    xy = columns.xy.copy()
    xy[5] = (np.pi, -0.0)
    odd = replace(columns, xy=xy)
    assert Chunk(encode_chunk(odd)).columns(with_properties=True).xy.tobytes() == xy.tobytes()
    assert len(encode_chunk(odd)) < len(encode_chunk(columns)) * 1.1


@pytest.mark.parametrize("order", [1, 2, 5])
def test_the_curve_meets_every_cell_and_never_jumps(order):
    side = 1 << order
    x, y = (a.ravel() for a in np.meshgrid(np.arange(side), np.arange(side)))
    place = hilbert_distance(x, y, order)
    assert sorted(place) == list(range(side * side))
    along = np.argsort(place)
    steps = np.abs(np.diff(x[along])) + np.abs(np.diff(y[along]))
    assert (steps == 1).all()


def test_cutting_loses_nothing_and_keeps_neighbours_together():
    columns = cells(1000, 10)
    chunks = list(cut(columns, size=100))
    assert [len(chunk) for chunk in chunks] == [100] * 10
    assert sorted(map(bytes, np.concatenate([c.ids for c in chunks]))) == sorted(map(bytes, columns.ids))
    areas = []
    for chunk in chunks:
        boxes = chunk.boxes()
        areas.append(np.prod(boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)))
    # Ten chunks in the order of arrival would each cover nearly all of 2,000 x 2,000 px: ten times the whole.
    assert sum(areas) < 2.5 * 2000 * 2000


@pytest.mark.parametrize("far", [0.0, 1e308])
def test_order_bears_one_place_and_far_places(far):
    points = [NewAnnotation({"type": "Point", "coordinates": [x, -x]}) for x in (far, -far, far)]
    assert sorted(hilbert_order(Columns.of(points)).tolist()) == [0, 1, 2]


def test_names_and_ids_stand_in_the_attributes():
    identity = UUID("2f1b2f0e-5c3f-4a0e-9d0a-0a1b2c3d4e5f")
    made = NewAnnotation(
        {"type": "Point", "coordinates": [1, 2]}, id=identity, class_name="tumour", properties={"state": "approved"}
    )
    attributes = Chunk(encode_chunk(replace(Columns.of([made]), layer="AI"))).attributes()
    assert UUID(bytes=attributes.ids[0].tobytes()) == identity
    assert [attributes.class_names[i] for i in attributes.classes] == ["tumour"]
    assert [attributes.state_names[i] for i in attributes.states] == ["approved"]
    assert attributes.layer == "AI"
    assert orjson.loads(Chunk(encode_chunk(Columns.of([made]))).columns(with_properties=True).properties[0]) == {
        "state": "approved"
    }
