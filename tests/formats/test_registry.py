import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.errors import Invalid, Unsupported
from pathserve.formats.contract import HEAD_BYTES
from pathserve.formats.json_head import Outline, outline
from pathserve.formats.registry import FORMATS, by_name, recognise

POINT = b'{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{}}'


def head_of(shared_data, name):
    return (shared_data / "annotations" / name).read_bytes()[:HEAD_BYTES]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("qupath/CD163_CD31_CDH1.geojson", "qupath"),
        ("qupath/Single_cells.geojson", "qupath"),
        ("qupath/TD_01_verysmall_mIF.geojson", "qupath"),
        ("qupath/rois.geojson", "qupath"),
        ("qupath/wsidicom/qupath-ellipse.json", "qupath"),
        ("qupath/wsidicom/qupath-point.json", "qupath"),
        ("qupath/polygon-geometry-only.geojson", "geojson"),
        ("qupath/test-anno-data.geojson", "qupath"),
        ("dsa/sample.geojson", "geojson"),
        ("spatialdata/polygon.json", "geojson"),
    ],
)
def test_real_files_are_told_by_content(shared_data, name, wanted):
    assert recognise(head_of(shared_data, name)).name == wanted


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("qupath/project/data/1/data.qpdata", "qupath_data"),
        ("qupath/project/project.qpproj", "qupath_project"),
        ("qupath/project/classifiers/classes.json", "class_list"),
        ("qupath/project/data/1/server.json", "qupath_project"),
        ("qupath/project/data/1/summary.json", "qupath_project"),
        ("histomicstk/sample_GTcodes.csv", "table"),
    ],
)
def test_what_holds_no_annotations_is_refused_with_its_reason(shared_data, name, code):
    with pytest.raises(Unsupported) as refused:
        recognise(head_of(shared_data, name))
    assert refused.value.code == code
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (POINT, "geojson"),
        (b"\xef\xbb\xbf \n" + POINT, "geojson"),
        (b"[" + POINT + b"]", "geojson"),
        (b'{"features":[' + POINT + b'],"type":"FeatureCollection"}', "geojson"),
        (b'{"features":[' + POINT * 5, "geojson"),
        (b'{"name":"x","crs":{"type":"name"},"type":"FeatureCollection","features":[]}', "geojson"),
        (POINT + b"\n" + POINT, "geojsonl"),
        (POINT + b"\r\n\r\n" + POINT[:20], "geojsonl"),
        (b"\x1e" + POINT + b"\n\x1e" + POINT, "geojsonl"),
        (b"\x1e" + POINT, "geojsonl"),
        (POINT.replace(b"{}", b'{"objectType":"cell"}'), "qupath"),
    ],
)
def test_every_wrapping_is_told(head, wanted):
    assert recognise(head).name == wanted


@pytest.mark.parametrize(
    ("head", "error", "code"),
    [
        (b"", Invalid, "empty_file"),
        (b" \n\xef", Unsupported, "unknown_format"),
        (b"\x1f\x8b\x08" + POINT, Unsupported, "compressed"),
        (b"PK\x03\x04" + bytes(40), Unsupported, "archive"),
        (b"{", Unsupported, "unknown_json"),
        (b"[" * HEAD_BYTES, Unsupported, "unknown_json"),
        (b'{"a":' * 9_000, Unsupported, "unknown_json"),
        (b"\x00" * 100, Unsupported, "unknown_format"),
        (b"hello", Unsupported, "unknown_format"),
        (b'"' + b"\\" * HEAD_BYTES, Unsupported, "unknown_format"),
        (b'<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///x"><ASAP_Annotations/>', Invalid, "xml_doctype"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><ASAP_Annotations><Annotations/>', Invalid, "xml_doctype"),
        ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x><a/>'.encode("utf-16"), Invalid, "xml_doctype"),
        (b"<!DOCTYPE html><html><body>Not found", Unsupported, "unknown_format"),
    ],
)
def test_anything_else_is_refused(head, error, code):
    with pytest.raises(error) as refused:
        recognise(head)
    assert refused.value.code == code


def test_names_are_unique_and_found():
    names = [known.name for known in FORMATS]
    assert len(set(names)) == len(names)
    assert [by_name(name).name for name in names] == names
    with pytest.raises(Invalid):
        by_name("shapefile")


def test_an_outline_shows_members_two_objects_deep():
    text = {"type": "a", "n": 3, "list": [1, {"type": "b", "deep": {"type": "c"}}, {"type": "d"}], "o": {"p": "q"}}
    found = outline(orjson.dumps(text))
    assert found.members == {"type": "a", "n": None, "list": None, "o": None}
    assert found.first["list"].members == {"type": "b", "deep": None}
    assert found.first["o"].members == {"p": "q"}
    assert outline(orjson.dumps([text])).first[""].members["type"] == "a"
    for cut in range(len(orjson.dumps(text))):
        outline(orjson.dumps(text)[:cut])


_VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | st.sampled_from(["", "a", ']"', "[{", "\\", "a:b,"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from('ab"[:'), inner, max_size=3),
    max_leaves=30,
)


def _outlined(value):
    """Say what an outline is, of a whole text that was read."""
    if not isinstance(value, dict | list):
        return Outline()
    found = Outline("{" if isinstance(value, dict) else "[")
    members = value.items() if isinstance(value, dict) else [("", item) for item in value]
    for name, member in members:
        if isinstance(value, dict):
            found.members[name] = member if isinstance(member, str) else None
        for item in member if isinstance(member, list) and isinstance(value, dict) else [member]:
            if isinstance(item, dict) and name not in found.first:
                found.first[name] = Outline("{", {key: e if isinstance(e, str) else None for key, e in item.items()})
    return found


@settings(max_examples=400, deadline=None)
@given(_VALUES | st.lists(_VALUES) | st.dictionaries(st.sampled_from("abc"), _VALUES), st.booleans())
def test_an_outline_is_what_reading_the_whole_text_tells(value, wide):
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if wide else None)
    assert outline(text) == _outlined(value)
    for cut in range(len(text)):
        outline(text[:cut])
