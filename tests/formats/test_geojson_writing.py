from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import geojson as reference
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import shape

from pathserve.formats.geojson.geojson import feature, feature_collection, feature_sequence, parse_features
from pathserve.labels import Annotation

ID = UUID("6f3c0b0e-8d1a-4f5e-9f2a-0123456789ab")
GEOMETRY = {"type": "Polygon", "coordinates": [[[0, 0], [9.123456789012345, 0], [9, 9], [0, 0]]], "plane": {"z": 1}}
CREATED = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


def annotation(**changes):
    given = {
        "id": ID,
        "number": 7,
        "slide": "s1",
        "layer": "Nuclei",
        "author": "ana",
        "revision": 3,
        "geometry": GEOMETRY,
        "class_name": "Tumor",
        "properties": {},
        "created": CREATED,
        "updated": CREATED.astimezone(timezone(timedelta(hours=2))) + timedelta(seconds=1),
    }
    return Annotation(**{**given, **changes})


def test_a_feature_says_everything():
    assert orjson.loads(orjson.dumps(feature(annotation(), (200, 0, 0)))) == {
        "type": "Feature",
        "id": str(ID),
        "geometry": GEOMETRY,
        "properties": {
            "state": "draft",
            "objectType": "annotation",
            "classification": {"name": "Tumor", "color": [200, 0, 0]},
            "layer": "Nuclei",
            "author": "ana",
            "number": 7,
            "revision": 3,
            "provenance": {"created": "2024-05-06T07:08:09.123Z", "updated": "2024-05-06T07:08:10.123Z"},
        },
    }


def test_a_feature_is_geojson_to_another_package():
    text = orjson.dumps(feature(annotation(), None)).decode()
    assert reference.loads(text).is_valid
    collection = orjson.dumps(feature_collection([feature(annotation(), None)] * 2, next=None)).decode()
    read = reference.loads(collection)
    assert read.is_valid
    assert len(read["features"]) == 2
    assert read["next"] is None


def test_no_class_writes_no_classification_and_a_class_always_has_a_colour():
    assert "classification" not in feature(annotation(class_name=None), None)["properties"]
    kept = annotation(class_name=None, properties={"classification": {"color": [1, 2, 3]}})
    assert feature(kept, None)["properties"]["classification"] == {"color": [1, 2, 3]}
    assert len(feature(annotation(), None)["properties"]["classification"]["color"]) == 3


def test_properties_never_speak_for_the_server_or_for_geojson():
    lies = {"author": "eve", "revision": 99, "layer": "x", "provenance": {"created": "1999"}, "number": 0}
    foreign = {"foreignMembers": {"id": "x", "type": "y", "geometry": None, "bbox": [0], "nucleusGeometry": GEOMETRY}}
    written = feature(annotation(properties={**lies, **foreign, "state": "approved"}), None)
    assert (written["id"], written["type"], written["geometry"]) == (str(ID), "Feature", GEOMETRY)
    assert written["nucleusGeometry"] == GEOMETRY
    assert "bbox" not in written
    assert written["properties"]["author"] == "ana"
    assert written["properties"]["revision"] == 3
    assert written["properties"]["state"] == "approved"
    assert "foreignMembers" not in written["properties"]


def test_writing_changes_nothing_of_the_annotation():
    properties = {"foreignMembers": {"a": 1}, "classification": {"grade": 2}, "mine": [1]}
    before = orjson.dumps(properties)
    feature(annotation(properties=properties), None)
    assert orjson.dumps(properties) == before


def test_a_sequence_has_one_record_each():
    records = list(feature_sequence(feature(annotation(number=n), None) for n in (1, 2)))
    assert len(records) == 2
    for record in records:
        assert record.startswith(b"\x1e{")
        assert record.endswith(b"}\n")
    assert len(parse_features(b"".join(records), frame=None).annotations) == 2


@pytest.mark.parametrize("name", ["CD163_CD31_CDH1.geojson", "Single_cells.geojson", "rois.geojson"])
def test_real_qupath_features_come_back_with_all_their_members(shared_data, name):
    features = orjson.loads((shared_data / "annotations" / "qupath" / name).read_bytes())["features"]
    parsed = parse_features(orjson.dumps(features), frame=None)
    for item, new in zip(features, parsed.annotations, strict=True):
        stored = annotation(
            id=new.id, geometry=new.geometry, class_name=new.class_name, properties=new.properties, drawn=new.drawn
        )
        back = orjson.loads(orjson.dumps(feature(stored, new.class_color)))
        added = {"state", "layer", "author", "number", "revision", "provenance"} - item["properties"].keys()
        for key in added:
            del back["properties"][key]
        assert back.pop("asDrawn", {}).get("geometry") == new.drawn
        expected = {**item, "properties": {"objectType": "annotation", **item["properties"]}}
        assert back == {**expected, "geometry": new.geometry}
        assert shape(back["geometry"]).equals_exact(shape(item["geometry"]))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.text(min_size=1, max_size=20).filter(lambda name: name.strip() and name.isprintable())
coordinates = st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6)
geometries = st.builds(
    lambda x, y, size, extra: {
        "type": "Polygon",
        "coordinates": [[[x, y], [x + size, y], [x + size, y + size], [x, y]]],
        **extra,
    },
    coordinates,
    coordinates,
    st.integers(1, 1000),
    st.just({}) | st.just({"plane": {"c": 0, "z": 4}}),
)
properties = st.dictionaries(
    st.text().filter(lambda key: key not in ("classification", "foreignMembers", "original_id")),
    json_values,
    max_size=4,
)
foreign = st.dictionaries(
    st.text().filter(lambda key: key not in ("type", "id", "geometry", "properties", "bbox")), json_values, max_size=2
)


@given(geometries, properties, foreign, st.none() | names, st.none() | st.tuples(*[st.integers(0, 255)] * 3))
def test_what_is_written_is_read_back_the_same(geometry, given_properties, foreign_members, class_name, color):
    item = {"type": "Feature", "id": str(ID), "geometry": geometry, "properties": given_properties, **foreign_members}
    if class_name is not None:
        item["properties"] = {**given_properties, "classification": {"name": class_name, "color": color}}
    first = parse_features(orjson.dumps(item), frame=None)
    (new,) = first.annotations
    assert first.repaired == []
    assert new.geometry == geometry
    stored = annotation(geometry=new.geometry, class_name=new.class_name, properties=new.properties)
    second = parse_features(orjson.dumps(feature(stored, color)), frame=None)
    assert second.repaired == []
    (again,) = second.annotations
    assert (again.id, again.geometry, again.class_name) == (ID, new.geometry, new.class_name)
    assert again.properties == new.properties
    if class_name is not None and color is not None:
        assert again.class_color == color
