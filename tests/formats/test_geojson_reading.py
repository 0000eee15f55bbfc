import copy
import gc
import json
from uuid import UUID

import orjson
import pytest
from shapely.geometry import shape

from pathserve.errors import Invalid, TooLarge
from pathserve.formats.contract import Losses
from pathserve.formats.geojson import json_text
from pathserve.formats.geojson.geojson import parse_features
from pathserve.geometry import Size

FRAME = Size(5000, 4000)
ID = "6f3c0b0e-8d1a-4f5e-9f2a-0123456789ab"
POINT = {"type": "Point", "coordinates": [1, 2]}
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [9.25, 0], [9.25, 9], [0, 9], [0, 0]]]}


def feature(geometry=POINT, **members):
    return {"type": "Feature", "geometry": geometry, "properties": {}, **members}


def parse(value, **limits):
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    return parse_features(data, frame=FRAME, **limits)


def one(value):
    parsed = parse(value)
    assert parsed.refused == []
    (annotation,) = parsed.annotations
    return annotation


COLLECTION = {"type": "FeatureCollection", "features": [feature(), feature(SQUARE)], "next": {"a": 1}}
LINES = b"\n".join(orjson.dumps(item) for item in COLLECTION["features"])


@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        (orjson.dumps(feature()), ["Point"]),
        (orjson.dumps(POINT), ["Point"]),
        (orjson.dumps(COLLECTION), ["Point", "Polygon"]),
        (orjson.dumps(COLLECTION, option=orjson.OPT_INDENT_2), ["Point", "Polygon"]),
        (orjson.dumps(COLLECTION["features"]), ["Point", "Polygon"]),
        (orjson.dumps([POINT, feature(SQUARE)]), ["Point", "Polygon"]),
        (LINES, ["Point", "Polygon"]),
        (LINES.replace(b"\n", b"\r\n\r\n") + b"\n", ["Point", "Polygon"]),
        (b"\x1e" + LINES.replace(b"\n", b"\n\x1e") + b"\n", ["Point", "Polygon"]),
        (b"\x1e" + orjson.dumps(COLLECTION, option=orjson.OPT_INDENT_2) + b"\x1e\n", ["Point", "Polygon"]),
        (b"\xef\xbb\xbf" + orjson.dumps(feature()), ["Point"]),
        (b'{"type":"FeatureCollection","features":[]}', []),
        (b"[]", []),
    ],
)
def test_every_wrapping_is_read(data, kinds):
    parsed = parse(data)
    assert [annotation.geometry["type"] for annotation in parsed.annotations] == kinds
    assert parsed.sources == list(range(len(kinds)))
    assert parsed.repaired == parsed.refused == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\x00\xff", "not_json"),
        (orjson.dumps(COLLECTION)[:-20], "not_json"),
        (orjson.dumps(COLLECTION, option=orjson.OPT_INDENT_2)[:-20], "not_json"),
        (b'{"type": "Point", "coordinates": [NaN, 1]}', "not_json"),
        (b'{"type": "Point", "coordinates": [1e999, 1]}', "out_of_range"),
        (b"[" * 100_000, "too_deep"),
        (b'{"type":"FeatureCollection","features":[],"features":[' + orjson.dumps(POINT) + b"]}", "features_repeated"),
        (b'{"features":null,"type":"FeatureCollection","features":[]}', "features_repeated"),
        (b"3", "not_geojson"),
        (b'"text"', "not_geojson"),
        (b'{"type": "FeatureCollection"}', "not_geojson"),
        (b'{"type": "FeatureCollection", "features": {}}', "not_geojson"),
    ],
)
def test_a_text_that_is_not_geojson_is_refused_as_a_whole(data, code):
    with pytest.raises(Invalid) as refused:
        parse(data)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (3, "not_a_feature"),
        (None, "not_a_feature"),
        ({}, "not_a_feature"),
        ({"type": ["Feature"]}, "not_a_feature"),
        (COLLECTION, "not_a_feature"),
        (feature(None), "no_geometry"),
        ({"type": "Feature"}, "no_geometry"),
        (feature("here"), "not_a_geometry"),
        (feature({"type": "Circle"}), "not_a_geometry"),
        (feature({"type": "Point", "coordinates": [50_001, 0]}), "out_of_range"),
        (feature(properties=[1]), "bad_properties"),
        (feature(properties={"classification": 3}), "bad_classification"),
        (feature(properties={"classification": {"name": 3}}), "bad_classification"),
        (feature(properties={"classification": {"name": "a\nb"}}), "bad_name"),
        (feature(properties={"classification": {"name": "a" * 201}}), "bad_name"),
        (feature(properties={"classification": "  "}), "bad_name"),
    ],
)
def test_a_wrong_feature_is_refused_alone_with_its_place(item, code):
    parsed = parse([feature(), item, feature(SQUARE)])
    assert [(issue.index, issue.code) for issue in parsed.refused] == [(1, code)]
    assert parsed.refused[0].message.endswith(".")
    assert parsed.sources == [0, 2]


UNREADABLE = [
    (b'{"type":"Point","coordinates":[NaN,1]}', "not_json", 31),
    (b'{"type":"Point","coordinates":[1,-Infinity]}', "not_json", 34),
    (b'{"type":"Point","coordinates":[1e999,1]}', "out_of_range", 31),
    (b'{"type":"Point","coordinates":[1,2],"a":' + b"9" * 400 + b"}", "out_of_range", 40),
    (b'{"type":"Point","coordinates":[1,2],"a":"\xc3\xa9\\ud800"}', "not_json", 43),
    (b'{"type":"Point","coordinates":[1,2],"a":"b\xff"}', "not_json", 42),
    (b'{"type":"Point","coordinates":[1,2],"a":"b\0"}', "not_json", 42),
    (b'{"type":"Point","coordinates":[1,2],"a":"\\"\\x]"}', "not_json", 43),
    (b'{"type":"Point","coordinates":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep", None),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep", None),
    (b'{"a":1,"a":' + b"[" * 1000 + b"]" * 1000 + b"}", "too_deep", None),
]
AROUND = [
    (b"[", b"]"),
    (b'{"features":[', b'],"type":"FeatureCollection"}'),
    (b'{\n"type":"FeatureCollection","a":{"features":[1]},"features" : [', b"]}"),
]


@pytest.mark.parametrize(("start", "end"), AROUND)
@pytest.mark.parametrize(("text", "code", "place"), UNREADABLE)
def test_a_feature_that_is_no_json_is_refused_alone_with_its_place(start, end, text, code, place):
    good = orjson.dumps(feature(SQUARE))
    before = start + good + b",\n"
    parsed = parse(before + text + b" , " + good + end)
    assert parsed.sources == [0, 2]
    (issue,) = parsed.refused
    assert (issue.index, issue.code) == (1, code)
    if place is not None:
        lines = before.count(b"\n") + 1
        assert f"at byte {len(before) + place:,}, line {lines}:" in issue.message


@pytest.mark.parametrize(("text", "code", "place"), UNREADABLE)
def test_a_line_that_is_no_json_is_refused_alone_wherever_it_stands(text, code, place):
    good = orjson.dumps(feature(SQUARE))
    for texts in ([text, good, good], [good, text, good], [good, good, text]):
        parsed = parse(b"\n".join(texts))
        assert [(issue.index, issue.code) for issue in parsed.refused] == [(texts.index(text), code)]
        assert place is None or f"at byte {place} of its record" in parsed.refused[0].message


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'{"type":"FeatureCollection",\n"features":[{"type":"Feature"}],\n"a":NaN}', "byte 66, line 3: NaN"),
        (b'{"type":"FeatureCollection",\n"b":\x01,"features":[{"type":"Feature"}]}', "byte 33, line 2:"),
        (b"[{},\n{}\n{}]", "byte 8, line 3:"),
        (b'[{},\n{"a":"b]', "it ends in the middle"),
    ],
)
def test_a_text_that_cannot_be_followed_is_refused_with_its_place(data, place):
    with pytest.raises(Invalid) as refused:
        parse(data)
    assert refused.value.code == "not_json"
    assert place in refused.value.message


def test_whole_numbers_beyond_64_bits_are_floats_whether_members_are_repeated_or_not():
    for before in (b"", b'"b":1,"b":1,'):
        (found,) = json_text.find_features(b'{"type":"Point",' + before + b'"a":18446744073709551616}', max_features=1)
        assert found.value["a"] == 2.0**64


def test_what_a_collection_says_beside_its_features_is_told():
    losses = Losses()
    text = orjson.dumps({**COLLECTION, "crs": {"type": "name"}, "name": "x", "next": None, "bbox": [0, 0, 1, 1]})
    for data in (text, text.replace(b'"features":[', b'"features":[{"a":NaN},')):
        list(json_text.find_features(data, max_features=100, note=losses.note))
    assert [(code, count) for code, _, count in losses.items()] == [("crs_ignored", 2), ("collection_members", 4)]


def test_a_damaged_record_of_a_sequence_is_refused_alone():
    for start, between in ((b"", b"\n"), (b"\x1e", b"\n\x1e")):
        parsed = parse(start + between.join([orjson.dumps(feature()), b'{"type": "Fea', b"7", orjson.dumps(POINT)]))
        assert [(issue.index, issue.code) for issue in parsed.refused] == [(1, "not_json"), (2, "not_geojson")]
        assert parsed.sources == [0, 3]


def test_too_many_features_are_refused_as_a_whole():
    assert len(parse(COLLECTION, max_features=2).annotations) == 2
    for data in (COLLECTION, LINES):
        with pytest.raises(TooLarge) as refused:
            parse(data, max_features=1)
        assert refused.value.code == "too_many_features"


def test_too_many_vertices_refuse_the_feature():
    parsed = parse(COLLECTION, max_vertices=4)
    assert [(issue.index, issue.code) for issue in parsed.refused] == [(1, "too_many_vertices")]


def test_depth_is_limited():
    def nested(depth):
        value = 1
        for _ in range(depth):
            value = [value]
        return value

    # The Feature and its properties are two levels themselves.
    fits = feature(properties={"a": nested(json_text.MAX_DEPTH - 2)})
    deep = feature(properties={"a": nested(json_text.MAX_DEPTH - 1)})
    deep_foreign = feature(nucleusGeometry={"type": "Polygon", "coordinates": nested(900)})
    parsed = parse(json.dumps([fits, deep, deep_foreign]).encode())
    assert parsed.sources == [0]
    assert [issue.code for issue in parsed.refused] == ["too_deep", "too_deep"]


def test_a_member_named_twice_is_reported_and_the_last_one_counts():
    twice = b'{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"a":1,"a":2}}'
    colons = orjson.dumps(feature(properties={"a:b": 'quote " and : and \\', "\\": ":"}))
    parsed = parse(b"[" + colons + b"," + twice + b"," + orjson.dumps(feature(SQUARE)) + b"]")
    assert [(issue.index, issue.code) for issue in parsed.repaired] == [(1, "duplicate_key")]
    assert parsed.annotations[1].properties == {"a": 2}
    assert parsed.annotations[0].properties == {"a:b": 'quote " and : and \\', "\\": ":"}


def test_members_are_counted_across_blocks(monkeypatch):
    monkeypatch.setattr(json_text, "_COUNT_BLOCK", 7)
    text = orjson.dumps({**COLLECTION, "note": 'a ":" b \\": c'})
    assert json_text._count_colons(text) == 15
    assert parse(text).repaired == []


def test_a_valid_geometry_is_kept_to_the_letter():
    geometry = {**SQUARE, "plane": {"c": -1, "z": 2, "t": 0}, "isEllipse": False, "bbox": [0, 0, 1, 1]}
    annotation = one(feature(copy.deepcopy(geometry)))
    assert annotation.geometry == geometry
    assert annotation.drawn is None


def test_a_repaired_geometry_is_reported_and_kept_as_drawn():
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]}
    parsed = parse([feature(), feature(bow_tie)])
    assert [(issue.index, issue.code) for issue in parsed.repaired] == [(1, "geometry_repaired")]
    assert parsed.annotations[1].drawn == bow_tie
    assert shape(parsed.annotations[1].geometry).area == 50


def test_a_uuid_stays_and_any_other_id_is_replaced_and_kept():
    assert one(feature(id=ID)).id == UUID(ID)
    assert one(feature(id=ID.upper())).id == UUID(ID)
    assert one(feature()).id is None
    assert one(feature(id=None)).id is None
    for other in ("PathAnnotationObject", 17, "x" * 36, [1], "{" + ID[1:]):
        parsed = parse(feature(id=other))
        assert parsed.annotations[0].id is None
        assert parsed.annotations[0].properties == {"original_id": other}
        assert [issue.code for issue in parsed.repaired] == ["id_replaced"]


@pytest.mark.parametrize(
    ("classification", "name", "color", "rest"),
    [
        ({"name": "Tumor", "color": [200, 0, 0]}, "Tumor", (200, 0, 0), None),
        ({"name": "Tumor", "color": [200, 0, 0, 128]}, "Tumor", (200, 0, 0), None),
        ({"name": "Tumor", "colorRGB": -3670016}, "Tumor", (200, 0, 0), None),
        ({"name": "Tumor", "colorRGB": 0xC80000}, "Tumor", (200, 0, 0), None),
        ({"name": "Tumor"}, "Tumor", None, None),
        ({"name": "Tumor", "grade": 3}, "Tumor", None, {"grade": 3}),
        ({"names": ["Tumor", "Positive"], "color": [1, 2, 3]}, "Tumor: Positive", (1, 2, 3), None),
        ("Tumor", "Tumor", None, None),
        (None, None, None, None),
        ({}, None, None, None),
        ({"color": [1, 2, 3]}, None, None, {"color": [1, 2, 3]}),
    ],
)
def test_classes_in_all_their_forms(classification, name, color, rest):
    annotation = one(feature(properties={"classification": classification}))
    assert (annotation.class_name, annotation.class_color) == (name, color)
    assert annotation.properties.get("classification") == rest


@pytest.mark.parametrize(
    "wrong", [{"color": [1, 2]}, {"color": [1, 2, 300]}, {"color": [1, 2, True]}, {"color": "red"}, {"colorRGB": 2**40}]
)
def test_a_colour_that_is_none_is_left_out_and_reported(wrong):
    parsed = parse(feature(properties={"classification": {"name": "Tumor", **wrong}}))
    assert parsed.annotations[0].class_color is None
    assert [issue.code for issue in parsed.repaired] == ["bad_color"]


def test_what_is_the_servers_is_ignored_and_what_is_unknown_is_kept():
    owned = dict.fromkeys(("author", "revision", "layer", "provenance", "created", "updated", "number", "slide"), "me")
    kept = {"measurements": {"Area": 3.5}, "isLocked": True, "name": "A", "score": 0.5, "mine": [1, {"a": None}]}
    annotation = one(feature(properties={**owned, **kept}, nucleusGeometry=SQUARE, bbox=[0, 0, 1, 1], title="t"))
    assert annotation.properties == {**kept, "foreignMembers": {"nucleusGeometry": SQUARE, "title": "t"}}


def test_what_goes_without_saying_is_not_stored():
    assert one(feature(properties={"state": "draft", "objectType": "annotation"})).properties == {}
    assert one(feature(properties={"state": None})).properties == {}
    said = {"state": "approved", "objectType": "detection"}
    assert one(feature(properties=said)).properties == said


def test_the_garbage_collector_runs_again_whatever_happens():
    assert gc.isenabled()
    parse(COLLECTION)
    with pytest.raises(TooLarge):
        parse(COLLECTION, max_features=1)
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("name", "features", "repaired"),
    [
        ("CD163_CD31_CDH1.geojson", 56, set()),
        ("Single_cells.geojson", 131, set()),
        ("TD_01_verysmall_mIF.geojson", 9, set()),
        ("rois.geojson", 4, {"geometry_repaired"}),
        ("test-anno-data.geojson", 4, set()),
        ("polygon-geometry-only.geojson", 1, set()),
        ("wsidicom/qupath-ellipse.json", 1, {"id_replaced"}),
        ("wsidicom/qupath-multipoint.json", 1, {"id_replaced"}),
        ("wsidicom/qupath-rectangle.json", 1, {"id_replaced"}),
    ],
)
def test_real_qupath_files(shared_data, name, features, repaired):
    text = (shared_data / "annotations" / "qupath" / name).read_bytes()
    parsed = parse_features(text, frame=None)
    assert parsed.refused == []
    assert len(parsed.annotations) == features
    assert {issue.code for issue in parsed.repaired} == repaired
    document = orjson.loads(text)
    items = document.get("features", [document]) if isinstance(document, dict) else document
    for annotation, item in zip(parsed.annotations, items, strict=True):
        assert (annotation.drawn or annotation.geometry) == item.get("geometry", item)
        stated = item.get("properties", {}).get("classification")
        assert annotation.class_name == (stated["name"] if stated else None)


def test_cells_keep_their_measurements(shared_data):
    text = (shared_data / "annotations" / "qupath" / "Single_cells.geojson").read_bytes()
    parsed = parse_features(text, frame=None)
    kept = {str(annotation.id): annotation.properties for annotation in parsed.annotations}
    cells = [item for item in orjson.loads(text)["features"] if item["properties"].get("measurements")]
    assert len(cells) == 121
    for cell in cells:
        assert kept[cell["id"]] == {"objectType": "cell", "measurements": cell["properties"]["measurements"]}


def test_the_sample_that_ships_with_the_package(sample_field):
    parsed = parse_features(sample_field.with_suffix(".geojson").read_bytes(), frame=Size(1500, 1500))
    assert parsed.repaired == parsed.refused == []
    assert len({annotation.id for annotation in parsed.annotations}) == 1295
    names = [annotation.class_name for annotation in parsed.annotations]
    counts = {name: names.count(name) for name in set(names)}
    assert counts == {"inflammatory": 633, "connective": 374, "neoplastic": 288}
