"""Rows of arrays written as text against single annotations written as objects, and against what came in."""

import io
import json
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
from pathserve.formats.geojson.text_kernels import write_number
from pathserve.labels import Annotation, AnnotationClass, ClassSchema, Columns, NewAnnotation

MOMENT = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
SCHEMA = ClassSchema((AnnotationClass("Tumor", (200, 0, 0), 1), AnnotationClass('a "b"', (1, 2, 3), 2)))
CONTEXT = WriteContext(schema=SCHEMA, revisions={3: ("ana", MOMENT)})
ID = UUID("6f3c0b0e-8d1a-4f5e-9f2a-0123456789ab")

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
    written = FeatureWriter(CONTEXT).block(columns_of(items)).split(b"\n")[:-1]
    colors = {c.name: c.color for c in SCHEMA}
    for number, (text, (geometry, class_name, properties)) in enumerate(zip(written, items, strict=True), start=1):
        properties = orjson.loads(orjson.dumps(properties))
        one = Annotation(ID, number, "s", "Nuclei", "ana", 3, geometry, class_name, properties, MOMENT, MOMENT)
        wanted = orjson.loads(orjson.dumps(feature(one, colors.get(class_name or ""))))
        assert json.loads(text) == wanted
        assert repr(json.loads(text)["geometry"]["coordinates"]).replace(".0", "") == repr(
            geometry["coordinates"]
        ).replace(".0", "")


@settings(max_examples=800, deadline=None)
@given(_NUMBERS)
def test_numbers_are_written_in_their_shortest_form(value):
    out = np.zeros(40, np.uint8)
    size = write_number(value, out, 0)
    if size >= 0:
        assert out[:size].tobytes() == orjson.dumps(value)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.5, 0.1, 12345.678, 37603.985, 1e14, 999999.999999, 0.25])
def test_usual_numbers_are_not_left_to_others(value):
    assert write_number(value, np.zeros(40, np.uint8), 0) > 0


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
    read = [item for item in QUPATH.read(path, context) if isinstance(item, NewAnnotation)]
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
