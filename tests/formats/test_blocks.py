"""Features found and read by the kernels against those that are read one by one as objects."""

import io
import json
import struct
from uuid import UUID

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.errors import Invalid, PathServeError, TooLarge
from pathserve.formats.contract import ReadContext
from pathserve.formats.geojson import blocks
from pathserve.formats.geojson.blocks import Blocks, read_found
from pathserve.formats.geojson.json_text import find_features
from pathserve.labels import Columns, FeatureIssue, NewAnnotation
from pathserve.native import kernels_of

ID = "6f3c0b0e-8d1a-4f5e-9f2a-0123456789ab"
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [9.25, 0], [9.25, 9], [0, 9], [0, 0]]]}
POINT = {"type": "Point", "coordinates": [1, 2]}


def feature(geometry=POINT, **members):
    return {"type": "Feature", "geometry": geometry, "properties": {}, **members}


@pytest.fixture
def small(monkeypatch):
    """Blocks so small that everything lies across their edges."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)


def fast(data, context=None):
    """Give (items one by one, how many of them the kernels read)."""
    found, many = list[NewAnnotation | FeatureIssue](), 0
    for item in Blocks(io.BytesIO(data), context or ReadContext()):
        if isinstance(item, Columns):
            many += len(item)
            found += [item.new_annotation(row) for row in range(len(item))]
        else:
            found.append(item)
    return found, many


def plain(data):
    context = ReadContext()
    return [read_found(found, context) for found in find_features(data, max_features=1000)], context


def said(item):
    """What one item says, but for colours, which columns have no place for."""
    if isinstance(item, FeatureIssue):
        return item.code, item.message
    return item.geometry, item.id, item.class_name, list(orjson.loads(orjson.dumps(item.properties)).items())


def assert_agree(data):
    context = ReadContext()
    (found, many), (wanted, known) = fast(data, context), plain(data)
    assert list(map(said, found)) == list(map(said, wanted))
    assert context.losses.items() == known.losses.items()
    assert context.colors == known.colors
    return many


# what JSON may hold

_TEXTS = st.text(max_size=8) | st.sampled_from(["a:b", 'quote"', "back\\slash", "\x7f", "ü", "\U0001f600", "\u2028"])
_NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(-999, 999)
    | st.decimals(-100, 100, places=3).map(float)
    | st.sampled_from([0.0, -0.0, 1e16, 1e15, 1e-5, 0.0001, 5e-324, 1e22])
)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_COORDINATES = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6) | st.decimals(-9999, 9999, places=2).map(float)
_POSITIONS = st.tuples(_COORDINATES, _COORDINATES).map(list)
_MANY = st.lists(_POSITIONS, min_size=1, max_size=5)
_RINGS = st.lists(_MANY, min_size=1, max_size=3)
_GEOMETRIES = st.one_of(
    st.builds(lambda c: {"type": "Point", "coordinates": c}, _POSITIONS),
    st.builds(lambda t, c: {"type": t, "coordinates": c}, st.sampled_from(["MultiPoint", "LineString"]), _MANY),
    st.builds(lambda t, c: {"type": t, "coordinates": c}, st.sampled_from(["MultiLineString", "Polygon"]), _RINGS),
    st.builds(lambda c: {"type": "MultiPolygon", "coordinates": c}, st.lists(_RINGS, min_size=1, max_size=2)),
    st.builds(lambda c: {"coordinates": c, "type": "Polygon"}, _RINGS),
    st.builds(lambda c: {"type": "Polygon", "coordinates": c}, st.lists(st.just([]) | _MANY, max_size=2)),
    st.builds(lambda c, z: {"type": "Point", "coordinates": [*c, z]}, _POSITIONS, _NUMBERS),
    st.builds(lambda c, v: {"type": "Point", "coordinates": c, "plane": v}, _POSITIONS, _VALUES),
    st.builds(lambda c: {"type": "GeometryCollection", "geometries": [c]}, st.just(POINT) | _VALUES),
    _VALUES,
)
_CLASSES = st.one_of(
    st.fixed_dictionaries({"name": _TEXTS}, optional={"color": st.just([1, 2, 3]) | _VALUES, "colorRGB": _NUMBERS}),
    st.just({"name": "Tumor", "color": [200, 0, 0]}),
    _VALUES,
)
_PROPERTIES = st.dictionaries(_TEXTS, _VALUES, max_size=3) | st.fixed_dictionaries(
    {},
    optional={
        "objectType": st.sampled_from(["annotation", "cell", 3]),
        "classification": _CLASSES,
        "state": st.sampled_from(["draft", "approved", None]),
        "score": _NUMBERS | st.booleans() | _TEXTS,
        "exhaustive": st.booleans() | st.lists(_TEXTS, max_size=2) | st.none(),
        "author": _VALUES,
        "number": _VALUES,
        "slide": _TEXTS,
        "measurements": st.dictionaries(_TEXTS, _NUMBERS, max_size=4) | st.just([{"name": "a", "value": "NaN"}]),
        "foreignMembers": _VALUES,
        "original_id": _VALUES,
    },
)
_FEATURES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("Feature") | _TEXTS,
        "id": st.uuids().map(str) | st.just(ID.upper()) | _VALUES,
        "geometry": _GEOMETRIES,
        "properties": _PROPERTIES | st.none(),
        "nucleusGeometry": _GEOMETRIES,
        "bbox": st.just([0, 0, 1, 1]) | _VALUES,
        "title": _VALUES,
    },
).map(lambda item: {"type": "Feature", **item})
_LAYOUTS = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"indent": 2},
        {"indent": "\t", "ensure_ascii": False},
        {"separators": (" , ", " : "), "sort_keys": True},
    ]
)


def written(item, layout):
    return json.dumps(item, **layout).encode("utf-8", "surrogatepass")


@settings(max_examples=150, deadline=None)
@given(st.lists(_FEATURES | _VALUES, max_size=4), _LAYOUTS)
def test_kernels_and_objects_say_the_same(items, layout):
    try:
        data = written({"type": "FeatureCollection", "features": items}, layout)
        plain(data)
    except (PathServeError, UnicodeError):
        return
    assert_agree(data)
    if items:
        assert_agree(written(items, layout))


@settings(max_examples=60, deadline=None)
@given(st.lists(_FEATURES, min_size=2, max_size=4), st.booleans())
def test_sequences_and_lines_too(items, records):
    start, between = (b"\x1e", b"\n\x1e") if records else (b"", b"\n")
    data = start + between.join(json.dumps(item).encode() for item in items)
    assert_agree(data)
    assert_agree(data + b"\n\n")


@settings(max_examples=60, deadline=None)
@given(st.lists(_PROPERTIES, min_size=1, max_size=12), st.lists(_FEATURES, min_size=1, max_size=3), _LAYOUTS, st.data())
def test_features_that_repeat_others_are_read_as_if_they_were_the_first(several, features, layout, data):
    rings = data.draw(st.lists(_RINGS, min_size=4, max_size=30))
    items = []
    for number, coordinates in enumerate(rings):
        item = {"type": "Feature", "id": str(UUID(int=number + 1)), "geometry": {"type": "Polygon"}}
        item["geometry"]["coordinates"] = coordinates
        item["properties"] = several[number * number % len(several)]
        items += [item, {**features[number % len(features)], "properties": several[0]}] if number % 3 else [item]
    try:
        text = written({"type": "FeatureCollection", "features": items}, layout)
        plain(text)
    except (PathServeError, UnicodeError):
        return
    assert_agree(text)


def test_more_different_properties_than_are_kept_to_compare_with():
    every = [{"name": f"cell {n % 9}", "score": n % 5, "classification": {"name": "ab"[n % 2]}} for n in range(400)]
    unique = [{"name": f"cell {n}", "measurements": {"Area": n}} for n in range(400)]
    for properties in (every, unique, [*unique, *every]):
        items = [feature(SQUARE, id=str(UUID(int=n + 1)), properties=some) for n, some in enumerate(properties)]
        assert assert_agree(json.dumps(items).encode()) == len(items)


@pytest.mark.parametrize(
    "other",
    [
        '{"type":"Feature","id":"ID","geometry":{"type":"Point","coordinates":[1,2]},"properties":{},"id":"ID"}',
        '{"type":"Feature","id":"ID","geometry":{"type":"Point","coordinates":[1,2]},"geometry":null,"properties":{}}',
        '{"type":"Feature","id":"ID","geometry":{"type":"Point","coordinates":[1,2],"type":"Point"},"properties":{}}',
        '{"type":"Feature","id":"ID","geometry":{"type":"Point","coordinates":[[1,2]]},"properties":{}}',
        '{"type":"Feature","id":"ID","geometry":{"type":"Point","coordinates":[1,2,3]},"properties":{}}',
        '{"type":"Feature","id":"not an id, but as long as one is: 36 .","geometry":{"type":"Point"}}',
        '{"type":"Feature","id":"ID","geometry":{"type":"Point","coordinates":[1,2]},"type":"Feature","properties":{}}',
        '{"type":"Feature","id":"ID","geometry":{"type":"Point","coordinates":[1,2]},"properties":{},"properties":{}}',
        '{"type":"Feature","id":"ID","geometry":{"type":"Point","coordinates":[1,2]} , "title":1,"properties":{}}',
    ],
)
def test_what_only_begins_as_others_do(other):
    usual = '{"type":"Feature","id":"ID","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"a":1}}'
    texts = [usual, usual, other, usual, other]
    ids = [text.replace("ID", str(UUID(int=n + 1))) for n, text in enumerate(texts)]
    assert_agree(f"[{','.join(ids)}]".encode())


def test_the_common_form_is_read_by_the_kernels_whatever_its_layout(small):
    classed = {"classification": {"name": "Tumor", "color": [200, 0, 0]}, "objectType": "cell", "score": 0.5}
    cell = feature(SQUARE, id=ID, properties={**classed, "measurements": {"Area": 3.25}}, nucleusGeometry=SQUARE)
    others = [feature(), feature(SQUARE, properties={"name": "é\n"}), feature(bbox=[0, 0, 1, 1]), cell]
    for indent in (None, 1):
        data = json.dumps({"type": "FeatureCollection", "features": [cell, *others]}, indent=indent).encode()
        assert assert_agree(data) == 5


@pytest.mark.parametrize(
    "name",
    [
        "qupath/CD163_CD31_CDH1.geojson",
        "qupath/Single_cells.geojson",
        "qupath/TD_01_verysmall_mIF.geojson",
        "qupath/polygon-geometry-only.geojson",
        "qupath/rois.geojson",
        "qupath/test-anno-data.geojson",
        "qupath/wsidicom/qupath-ellipse.json",
        "dsa/sample.geojson",
        "spatialdata/polygon.json",
    ],
)
def test_real_files(shared_data, name, small):
    data = (shared_data / "annotations" / name).read_bytes()
    assert_agree(data)
    assert_agree(b"\xef\xbb\xbf\r\n " + data + b" \n")


# numbers


def read_position(text):
    data = f'[{{"type":"Feature","geometry":{{"type":"Point","coordinates":[{text},1]}},"properties":{{}}}}]'
    (item,), _ = fast(data.encode())
    return None if isinstance(item, FeatureIssue) else item.geometry["coordinates"][0]


@settings(max_examples=300, deadline=None)
@given(
    st.floats(-1e6, 1e6).map(repr)
    | st.builds(lambda m, n, k: f"{m}.{n:0{k}}", st.integers(-(10**9), 10**9), st.integers(0, 99), st.integers(2, 12))
    | st.builds("{}e{}".format, st.integers(-99, 99), st.integers(-9, 9))
    | st.sampled_from(["0", "-0.0", "-0", "9007199254740993", "999999999999999.9", "0.000001", "00", "1.", "-", "01.5"])
)
def test_coordinates_become_the_nearest_float(text):
    try:
        wanted = float(orjson.loads(text))
    except orjson.JSONDecodeError:
        assert read_position(text) is None
        return
    assert bits(read_position(text)) == bits(wanted)


def read(text):
    values = np.zeros(1)
    data = np.frombuffer(text.encode() + b" \0", np.uint8)
    end = kernels_of("pathserve.formats.geojson.scan").read_number(data, 0, values, values.view(np.uint64), 0)
    return values[0] if end == len(text) else None


def bits(value):
    return struct.pack("<d", value)


@settings(max_examples=600, deadline=None)
@given(
    st.floats(-1e12, 1e12).map(repr)
    | st.builds(lambda m, e: f"{m}e{e}", st.integers(-(10**19) + 1, 10**19 - 1), st.integers(-40, 20))
    | st.builds(lambda m, n: f"{m}.{n:07}", st.integers(-(10**11), 10**11), st.integers(0, 10**7))
)
def test_decimal_numbers_become_the_nearest_float(text):
    value = read(text)
    if value is None:
        assert len(text.strip("-").split("e")[0].replace(".", "").lstrip("0")) > 19 or abs(float(text)) < 1e-20
    else:
        assert bits(value) == bits(float(text))


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740993",  # halfway between two: 2^53 + 1
        "9007199254740995",
        "9007199254740992.5",
        "0.1",
        "123456789012345.6",
        "1.7976931348623157",
        "4503599627370497.5",
        "4503599627370496.5",
        "1e23",
        "8.5e22",
        "9223372036854775808",
        "0.30000000000000004",
        "-0.0",
        "1E+2",
        "2.2250738585072014e-10",
        "6250000000000000125e-3",
    ],
)
def test_hard_numbers(text):
    assert bits(read(text)) == bits(float(text))


@pytest.mark.parametrize("text", ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "1.2.3", "0x1", "NaN", "1e999", "--1"])
def test_what_is_no_number_is_none(text):
    assert read(text) is None


# texts that are wrong


GOOD = orjson.dumps(feature(SQUARE, id=ID))


@pytest.mark.parametrize(
    ("data", "code", "place"),
    [
        (b"", "not_json", "byte 0, line 1"),
        (b"3", "not_json", "byte 0, line 1"),
        (b"\x00\xff", "not_json", "byte 0, line 1"),
        (b"[\n" + GOOD + b",\n" + GOOD[:-1], "not_json", "line 3"),
        (b"[" + GOOD, "not_json", "after 1 features"),
        (b"[" + GOOD + b",]", "not_json", "line 1"),
        (b"[" + GOOD + b" " + GOOD + b"]", "not_json", "line 1"),
        (b"[" + GOOD + b"] x", "not_json", "goes on"),
        (b"[" * 100_000, "not_json", "after 0 features"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep", "levels"),
        (b'{"type":"FeatureCollection","features":[' + GOOD + b"]", "not_json", "cut off"),
        (b'{"type":"FeatureCollection","features":[' + GOOD + b'],"a":}', "not_json", ""),
        (b'{"type":"Feature","features":[' + GOOD + b"]}", "not_geojson", ""),
        (b'{"features":[' + GOOD + b"]}", "not_geojson", ""),
        (b'{"type":"FeatureCollection","features":[],"features":[1]}', "features_repeated", ""),
        (b'{"type":"FeatureCollection","features":[],\n"features":[]}', "features_repeated", ""),
        (b'{"type":"FeatureCollection",\n"features":[],\n"a":NaN}', "not_json", "byte 48, line 3: NaN"),
        (b'{"type":"FeatureCollection",\n"a":NaN,"features":[]}', "not_json", "byte 33, line 2: NaN"),
        (GOOD + b"{}", "not_json", "goes on"),
        (b"{", "not_json", "line 1"),
    ],
)
def test_a_wrong_text_is_refused_with_its_place(data, code, place, small):
    with pytest.raises(Invalid) as refused:
        fast(data)
    assert refused.value.code == code
    assert place in refused.value.message


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (b'{"type":"Point","coordinates":[NaN,1]}', "not_json", 31),
        (b'{"type":"Point","coordinates":[1e999,1]}', "out_of_range", 31),
        (GOOD.replace(b"9.25", b"Infinity"), "not_json", GOOD.index(b"9.25")),
        (b'{"a":"b\xff"}', "not_json", 7),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep", None),
    ],
)
def test_a_feature_that_is_no_json_is_refused_alone_with_its_place(text, code, place, small):
    before = b'{"type":"FeatureCollection","features":[\n' + GOOD + b",\n"
    found, many = fast(before + text + b",\n" + GOOD + b"]}")
    assert many == 2
    assert [item.code if isinstance(item, FeatureIssue) else "" for item in found] == ["", code, ""]
    assert place is None or f"at byte {len(before) + place:,}, line 3:" in found[1].message


def test_what_a_collection_says_beside_its_features_is_told(small):
    context = ReadContext()
    fast(b'{"crs":{},"type":"FeatureCollection","bbox":[1],"features":[' + GOOD + b'],"name":"x"}', context)
    assert [(code, count) for code, _, count in context.losses.items()] == [
        ("crs_ignored", 1),
        ("collection_members", 1),
    ]


def test_a_damaged_record_of_a_sequence_is_refused_alone(small):
    for start, between in ((b"", b"\n"), (b"\x1e", b"\n\x1e")):
        data = start + between.join([GOOD, b'{"type": "Fea', b"7", GOOD + b" x", orjson.dumps(POINT), GOOD[:-1]])
        found, many = fast(data)
        codes = [item.code if isinstance(item, FeatureIssue) else "" for item in found]
        assert codes == ["", "not_json", "not_geojson", "not_json", "", "not_json"]
        assert many == 1


def test_a_member_named_twice_is_read_as_an_object():
    twice = GOOD.replace(b'"properties":{}', b'"properties":{"a":{"b":1,"b":2}}')
    context = ReadContext()
    (item,), many = fast(b"[" + twice + b"]", context)
    assert isinstance(item, NewAnnotation)
    assert (item.properties, many) == ({"a": {"b": 2}}, 0)
    assert [code for code, _, _ in context.losses.items()] == ["duplicate_key"]
    for place in (b'"type":"Feature"', b'"id":"%s"' % ID.encode(), b'"properties":{}'):
        assert assert_agree(b"[" + GOOD.replace(place, place + b"," + place) + b"]") == 0


def test_many_members_are_all_kept():
    properties = {f"measure {n}": n / 7 for n in range(1500)}
    assert assert_agree(orjson.dumps([feature(properties=properties)])) == 1
    assert_agree(orjson.dumps([feature(properties={f"m{n}": n for n in range(3000)})]))


def test_limits(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 256)
    monkeypatch.setattr(blocks, "MAX_ITEM_BYTES", 2048)
    monkeypatch.setattr(blocks, "MAX_OBJECT_BYTES", 1024)
    with pytest.raises(TooLarge) as refused:
        fast(b"[" + b",".join([GOOD] * 5) + b"]", ReadContext(max_features=4))
    assert refused.value.code == "too_many_features"
    long = orjson.dumps([feature(), feature(original=[1, 2], properties={"a": "x" * 1100}), {"b": "y" * 1100}])
    found, many = fast(long)
    assert many == 2
    assert [item.code for item in found if isinstance(item, FeatureIssue)] == ["feature_too_large"]
    for data in (b'[{"a":"' + b"x" * 9000, b'{"a":"' + b"x" * 9000, b"\x1e" + b"{" * 9000):
        with pytest.raises(TooLarge) as refused:
            fast(data)
        assert refused.value.code == "feature_too_large"


def test_more_classes_than_a_block_remembers():
    items = [feature(properties={"classification": {"name": f"class {n}"}}) for n in range(600)]
    assert assert_agree(orjson.dumps(items)) == 512


def test_a_collection_in_one_line_may_be_followed_by_others(small):
    data = orjson.dumps({"type": "FeatureCollection", "features": [feature(SQUARE)]})
    assert assert_agree(data + b"\n" + data + b"\n\n" + GOOD) == 2
    pretty = orjson.dumps({"type": "FeatureCollection", "features": [feature(SQUARE)]}, option=orjson.OPT_INDENT_2)
    with pytest.raises(Invalid):
        fast(pretty + b"\n" + data)


def test_a_stream_of_any_length_takes_no_more_memory():
    """What is made while they are read; what is counted is what is held, not the time."""

    class Stream(io.RawIOBase):
        def __init__(self, times):
            self.piece = memoryview(b",\n".join([GOOD] * 500) + b",\n")
            self.left, self.at, self.started = times, 0, False

        def readinto(self, into):
            if not self.started:
                into[:1] = b"["
                self.started = True
                return 1
            if not self.left:
                return 0
            size = min(len(into), len(self.piece) - self.at)
            into[:size] = self.piece[self.at : self.at + size]
            self.at += size
            if self.at == len(self.piece):
                self.at, self.left = 0, self.left - 1
            return size

    reader = Blocks(Stream(1500), ReadContext())
    largest = rows = 0
    items = iter(reader)
    for item in items:
        assert isinstance(item, Columns)
        rows += len(item)
        largest = max(largest, reader._window.size, reader._arrays.size)
        if rows == 750_000:
            break
    with pytest.raises(Invalid) as refused:
        next(items)
    assert rows == 750_000
    assert largest == blocks.BLOCK_BYTES
    assert "after 750,000 features" in refused.value.message
    assert UUID(ID).bytes == item.ids[-1].tobytes()
