"""Rows of arrays written as text against single annotations written as objects, and against what came in."""

import io
import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import geojson as reference
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.formats.contract import ReadContext, WriteContext
from pathserve.formats.geojson.geojson import feature
from pathserve.formats.geojson.geojson_file import GEOJSON, QUPATH, SEQUENCE
from pathserve.formats.geojson.geojson_text import FeatureWriter
from pathserve.labels import Annotation, AnnotationClass, ClassSchema, Columns, FeatureIssue, NewAnnotation
from pathserve.native import functions

MOMENT = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
SCHEMA = ClassSchema((AnnotationClass("Tumor", (200, 0, 0), 1), AnnotationClass('a "b"', (1, 2, 3), 2)))
CONTEXT = WriteContext(schema=SCHEMA, revisions={3: ("ana", MOMENT)})
ID = UUID("6f3c0b0e-8d1a-4f5e-9f2a-0123456789ab")

SERVER = ("layer", "author", "number", "revision", "provenance")

_NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(10**17), 10**17).map(float)
    | st.decimals(-99999, 99999, places=3).map(float)
    | st.sampled_from(
        [0.0, -0.0, 0.001, 0.1, 1e15, 1e16, 1e-7, 0.30000000000000004, 999999999999999.9, 123456.789012345]
    )
)
_POSITIONS = st.lists(st.tuples(_NUMBERS, _NUMBERS).map(list), min_size=1, max_size=4)
_RINGS = st.lists(_POSITIONS, min_size=1, max_size=2)
_GEOMETRIES = st.one_of(
    st.builds(lambda c: {"type": "Point", "coordinates": c[0]}, _POSITIONS),
    st.builds(lambda t, c: {"type": t, "coordinates": c}, st.sampled_from(["MultiPoint", "LineString"]), _POSITIONS),
    st.builds(lambda t, c: {"type": t, "coordinates": c}, st.sampled_from(["MultiLineString", "Polygon"]), _RINGS),
    st.builds(lambda c: {"type": "MultiPolygon", "coordinates": c}, st.lists(_RINGS, min_size=1, max_size=2)),
    st.builds(lambda c: {"type": "Polygon", "coordinates": c, "plane": {"z": 1}}, _RINGS),
)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
_PROPERTIES = st.dictionaries(st.text(max_size=5), _VALUES, max_size=3) | st.fixed_dictionaries(
    {},
    optional={
        "objectType": st.sampled_from(["cell", 'odd "type"', "back\\slash", 3, None]),
        "name": st.text(max_size=5),
        "state": st.sampled_from(["approved", "draft"]),
        "classification": st.just({"grade": 2}) | _VALUES,
        "foreignMembers": st.just({"nucleusGeometry": {"type": "Point"}, "id": 3}) | _VALUES,
        "measurements": st.dictionaries(st.text(max_size=5), _NUMBERS, max_size=3),
        "nested": st.just({"state": "x", "objectType": "y"}),
    },
)


def columns_of(items):
    made = Columns.of([NewAnnotation(g, id=ID, class_name=c, properties=p) for g, c, p in items])
    many = len(items)
    return Columns(
        **{name: getattr(made, name) for name in made.__slots__}
        | {
            "numbers": np.arange(1, many + 1),
            "revisions": np.full(many, 3),
            "firsts": np.full(many, 3),
            "layer": "Nuclei",
        }
    )


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(_GEOMETRIES, st.sampled_from(["Tumor", 'a "b"', "none", None]), _PROPERTIES), max_size=4, min_size=1
    )
)
def test_many_are_written_as_one_is(items):
    written = bytes(FeatureWriter(CONTEXT).block(columns_of(items))).split(b"\n")[:-1]
    colors = {c.name: c.color for c in SCHEMA}
    for number, (text, (geometry, class_name, properties)) in enumerate(zip(written, items, strict=True), start=1):
        properties = orjson.loads(orjson.dumps(properties))
        one = Annotation(ID, number, "s", "Nuclei", "ana", 3, geometry, class_name, properties, MOMENT, MOMENT)
        wanted = orjson.loads(orjson.dumps(feature(one, colors.get(class_name or ""))))
        assert json.loads(text) == wanted
        assert repr(json.loads(text)["geometry"]["coordinates"]).replace(".0", "") == repr(
            geometry["coordinates"]
        ).replace(".0", "")


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("machine-code")


@contextmanager
def nothing_compiled(folder):
    """Keep machine code in another folder, where there is none yet, as after an installation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(folder))
        patch.delitem(functions._loaded(), "pathserve.formats.geojson.text_kernels", raising=False)
        yield
        assert not list(folder.iterdir())


@settings(max_examples=100, deadline=None)
@given(
    items=st.lists(
        st.tuples(_GEOMETRIES, st.sampled_from(["Tumor", 'a "b"', "none", None]), _PROPERTIES), max_size=4, min_size=1
    ),
    is_qupath=st.booleans(),
)
def test_the_bytes_are_the_same_before_machine_code_is_compiled(empty_folder, items, is_qupath):
    columns = columns_of(items)
    wanted = bytes(FeatureWriter(CONTEXT, is_qupath=is_qupath).block(columns, before=b"<", after=b">\n"))
    with nothing_compiled(empty_folder):
        assert bytes(FeatureWriter(CONTEXT, is_qupath=is_qupath).block(columns, before=b"<", after=b">\n")) == wanted


def coordinates_of(text):
    return text.split(b'"coordinates":', 1)[1].split(b'},"properties"', 1)[0]


@settings(max_examples=300, deadline=None)
@given(st.lists(_NUMBERS | st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=8, max_size=8))
def test_numbers_are_written_in_their_shortest_form(values):
    points = np.array(values).reshape(-1, 2).tolist()
    text = FeatureWriter(CONTEXT).block(columns_of([({"type": "LineString", "coordinates": points}, None, {})]))
    assert coordinates_of(bytes(text)) == orjson.dumps(points)


def test_every_power_of_two_and_of_ten_is_written_in_its_shortest_form():
    twos = np.ldexp(1.0, np.arange(-1074, 1024))
    tens = np.array([float(f"1e{power}") for power in range(-323, 309)])
    hard = [5e-324, 2.2250738585072014e-308, 2.225073858507201e-308, 1.7976931348623157e308, 9007199254740993.0]
    hard += [99_999_999.9999, 99_999_999.99995, 9999.99995, 0.99995, 1e-5, 1e-4, 12345678901234567.0, -0.0]
    values = np.concatenate((twos, tens, hard))
    with np.errstate(over="ignore", under="ignore"):
        values = np.concatenate((values, -values, np.nextafter(values, np.inf), np.nextafter(values, -np.inf)))
    finite = values[np.isfinite(values)]
    points = np.stack((finite, finite[::-1]), axis=1).tolist()
    text = bytes(FeatureWriter(CONTEXT).block(columns_of([({"type": "LineString", "coordinates": points}, None, {})])))
    assert coordinates_of(text) == orjson.dumps(points)
    assert repr(json.loads(coordinates_of(text))) == repr(points)


@pytest.mark.parametrize("number", [0, 9, 10, 9999, 10_000, 99_999_999, 100_000_000, 123_400_005_678, 2**63 - 1])
def test_annotation_numbers_of_every_length_are_written(number):
    columns = replace(columns_of([({"type": "Point", "coordinates": [1, 2]}, None, {})]), numbers=np.array([number]))
    assert json.loads(bytes(FeatureWriter(CONTEXT).block(columns)))["properties"]["number"] == number


def test_rows_are_told_apart_by_their_own_properties():
    """Neighbours with texts of the same length, some with a type or a member that is written elsewhere."""
    several = [{"objectType": "cell"}, {"objectTypf": "cell"}, {"objectTypf": "cell"}, {"objectType": "tile"}, {}]
    several += [{"state": "approvedx", "a": 1}, {"statf": "approvedx", "a": 1}, {"a": 1}, {"b": 1}, {}, {}]
    items = [({"type": "Point", "coordinates": [1, 2]}, None, properties) for properties in several]
    lines = bytes(FeatureWriter(CONTEXT).block(columns_of(items))).splitlines()
    for line, properties in zip(lines, several, strict=True):
        read = json.loads(line)["properties"]
        assert {key: read[key] for key in properties} == properties
        assert read["objectType"] == properties.get("objectType", "annotation")
        assert read["state"] == properties.get("state", "draft")
        assert len(read) == len({"objectType", "state", *properties}) + len(SERVER)


def test_a_writer_writes_blocks_of_any_size_one_after_another():
    writer = FeatureWriter(CONTEXT)
    for many in (1, 40, 3, 200):
        items = [({"type": "Point", "coordinates": [n + 0.5, 2]}, "Tumor", {"k": "v" * n}) for n in range(many)]
        read = [json.loads(line) for line in bytes(writer.block(columns_of(items))).splitlines()]
        assert [item["properties"]["k"] for item in read] == ["v" * n for n in range(many)]
        assert [item["geometry"]["coordinates"][0] for item in read] == [n + 0.5 for n in range(many)]


def test_a_collection_and_a_sequence_are_geojson_to_another_package():
    items = [({"type": "Point", "coordinates": [1.5, 2]}, "Tumor", {"name": "a"})] * 3
    for form in (GEOJSON, QUPATH):
        out = io.BytesIO()
        assert form.write is not None
        form.write(iter([columns_of(items), columns_of(items[:1])]), out, CONTEXT)
        read = reference.loads(out.getvalue().decode())
        assert read.is_valid
        assert len(read["features"]) == 4
    out = io.BytesIO()
    assert GEOJSON.write is not None
    GEOJSON.write(iter([]), out, CONTEXT)
    assert json.loads(out.getvalue()) == {"type": "FeatureCollection", "features": []}
    out = io.BytesIO()
    assert SEQUENCE.write is not None
    SEQUENCE.write(iter([columns_of(items)]), out, CONTEXT)
    records = out.getvalue().split(b"\x1e")[1:]
    assert [json.loads(record)["properties"]["number"] for record in records] == [1, 2, 3]


# Every file of QuPath's comes back as it was. What is compared is made canonical here, by rules of its own.


def canonical(item):
    """Give a Feature or geometry as (type, id, geometry to 0.005 px, properties, other members)."""
    if item["type"] != "Feature":
        item = {"type": "Feature", "geometry": item}
    properties = dict(item.get("properties") or {})
    properties.setdefault("objectType", "annotation")
    classification = properties.get("classification")
    if isinstance(classification, dict):
        classification = dict(classification)
        if "colorRGB" in classification:
            packed = classification.pop("colorRGB") & 0xFFFFFF
            classification["color"] = [packed >> 16, packed >> 8 & 255, packed & 255]
        properties["classification"] = classification
    geometry = {key: value for key, value in item["geometry"].items() if key != "coordinates"}
    beside = {k: v for k, v in item.items() if k not in ("type", "id", "geometry", "properties", "bbox")}
    return item.get("id"), geometry, flat(item["geometry"]["coordinates"]), properties, beside


def flat(value):
    return [value] if not isinstance(value, list) else ["[", *(part for inner in value for part in flat(inner)), "]"]


def assert_same_shape(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a == b if isinstance(a, str) or isinstance(b, str) else abs(a - b) <= 0.005


@pytest.mark.parametrize(
    "name",
    [
        "CD163_CD31_CDH1.geojson",
        "Single_cells.geojson",
        "TD_01_verysmall_mIF.geojson",
        "polygon-geometry-only.geojson",
        "rois.geojson",
        "test-anno-data.geojson",
        "wsidicom/qupath-ellipse.json",
        "wsidicom/qupath-multipoint.json",
        "wsidicom/qupath-point.json",
        "wsidicom/qupath-polygon.json",
        "wsidicom/qupath-rectangle.json",
    ],
)
def test_qupaths_files_come_back_whole(shared_data, name):
    path = shared_data / "annotations" / "qupath" / name
    document = json.loads(path.read_bytes())
    items = document if isinstance(document, list) else document.get("features", [document])
    context = ReadContext()
    assert QUPATH.read is not None
    assert QUPATH.write is not None
    read = list[NewAnnotation]()
    for item in QUPATH.read(path, context):
        assert not isinstance(item, FeatureIssue)
        read += map(item.new_annotation, range(len(item))) if isinstance(item, Columns) else [item]
    assert len(read) == len(items)
    colors = {name: AnnotationClass(name, color, 1) for name, color in context.colors.items()}
    out = io.BytesIO()
    QUPATH.write(iter([Columns.of(read)]), out, WriteContext(schema=ClassSchema(tuple(colors.values()))))
    back = json.loads(out.getvalue())["features"]
    for was, now in zip(map(canonical, items), map(canonical, back), strict=True):
        (old_id, old_geometry, old_xy, old_properties, old_beside), (new_id, geometry, xy, properties, beside) = (
            was,
            now,
        )
        UUID(new_id)  # QuPath takes nothing else
        if old_id is not None and new_id != old_id and properties.pop("original_id", None) != old_id:
            assert new_id == old_id
        assert geometry == old_geometry
        assert_same_shape(xy, old_xy)
        assert properties == old_properties
        assert beside == old_beside
