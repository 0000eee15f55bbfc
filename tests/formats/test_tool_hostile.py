"""Broken and hostile files of other tools' formats end in a sentence that says where, and never in a hang."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.errors import Invalid, PathServeError, TooLarge, Unsupported
from pathserve.formats import registry
from pathserve.formats.contract import HEAD_BYTES, ReadContext, SlideFrame
from pathserve.formats.tools import json_stream, xml_events
from pathserve.geometry import Mpp, Size
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

FRAME = SlideFrame(Size(10_000, 8_000), Mpp(0.25, 0.25))
POLYGON = (
    '<Annotation Name="a" Type="Polygon" PartOfGroup="None" Color="#ff0000"><Coordinates>{}</Coordinates></Annotation>'
)
CORNERS = "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate([(0, 0), (9, 0), (9, 9)]))


def asap(body: str, before: str = "") -> str:
    return f"{before}<ASAP_Annotations><Annotations>{body}</Annotations><AnnotationGroups/></ASAP_Annotations>"


def read(path: Path, text: str | bytes, **context: Any) -> list[Any]:
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(data)
    known = registry.recognise(data[:HEAD_BYTES])
    assert known.read is not None
    return list(known.read(path, ReadContext(slide=FRAME, **context)))


def test_a_document_type_is_refused_and_with_it_entities_and_other_files(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("patient")
    laughs = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9))
    for doctype in (
        f'<!DOCTYPE x [<!ENTITY e0 "ha">{laughs}]>',
        f'<!DOCTYPE x [<!ENTITY e9 SYSTEM "file://{secret}">]>',
        f'<!DOCTYPE x SYSTEM "file://{secret}">',
    ):
        path = tmp_path / "hostile.xml"
        path.write_text(asap('<Annotation Name="&e9;"/>', doctype))
        with pytest.raises(Invalid) as refused:
            list(xml_events.read_elements(path, records=("Annotation",)))
        assert refused.value.code == "xml_doctype"
        assert "patient" not in refused.value.message


def test_an_undeclared_entity_is_broken_xml(tmp_path):
    with pytest.raises(Invalid, match="line 1") as refused:
        read(tmp_path / "a.xml", asap(POLYGON.format("&x;")))
    assert refused.value.code == "bad_xml"


@pytest.mark.parametrize("name", ["asap", "imagescope", "halo", "ndpa", "dlup", "omexml"])
def test_deep_nesting_ends_at_the_limit(tmp_path, name):
    roots = {
        "asap": "<ASAP_Annotations>",
        "imagescope": '<Annotations MicronsPerPixel="1">',
        "halo": '<Annotations><Annotation><Regions><Region HasEndcaps="0"/></Regions></Annotation>',
        "ndpa": "<annotations><ndpviewstate/>",
        "dlup": "<DlupAnnotations>",
        "omexml": "<OME>",
    }
    known = registry.by_name(name)
    path = tmp_path / "deep.xml"
    path.write_text(roots[name] + "<x>" * 100_000)
    assert known.recognise(path.read_bytes()[:HEAD_BYTES])
    assert known.read is not None
    with pytest.raises(Invalid) as refused:
        list(known.read(path, ReadContext(slide=FRAME, options={"offset": "0,0"})))
    assert refused.value.code == "too_deep"


def test_a_tag_that_does_not_end_is_not_collected_without_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(xml_events, "MAX_TOKEN_BYTES", 1_000_000)
    path = tmp_path / "huge.xml"
    path.write_text(asap(f'<Annotation Name="{"x" * 3_000_000}"/>'))
    with pytest.raises(TooLarge) as refused:
        list(xml_events.read_elements(path, records=("Annotation",)))
    assert refused.value.code == "xml_token_too_long"


def test_a_text_of_json_that_does_not_end_is_not_collected_without_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, "MAX_ITEM_BYTES", 1_000_000)
    with pytest.raises(TooLarge) as refused:
        read(tmp_path / "huge.json", '{"elements":[{"type":"point","label":"' + "x" * 3_000_000 + '"}]}')
    assert refused.value.code == "item_too_large"


def test_a_record_with_too_many_members_is_refused(tmp_path):
    with pytest.raises(TooLarge) as refused:
        read(tmp_path / "many.xml", asap(POLYGON.format("<x/>" * 30_000)))
    assert refused.value.code == "xml_record_too_large"


@pytest.mark.parametrize("number", ["NaN", "inf", "-inf", "1e999", "", "x", "0x10"])
def test_what_is_no_finite_number_is_named_with_its_place(tmp_path, number):
    bad = CORNERS.replace('X="9"', f'X="{number}"')
    items = read(tmp_path / "a.xml", asap(POLYGON.format(CORNERS) + POLYGON.format(bad) + POLYGON.format(CORNERS)))
    assert [type(item) for item in items] == [NewAnnotation, FeatureIssue, NewAnnotation]
    assert items[1].code == "out_of_range"


def test_huge_numbers_are_left_to_the_geometry_gate_and_make_no_curve_without_end(tmp_path):
    text = '<OME><ROI ID="ROI:1"><Union><Ellipse X="0" Y="0" RadiusX="1e308" RadiusY="1e308"/></Union></ROI></OME>'
    (item,) = read(tmp_path / "a.xml", text)
    assert len(item.geometry["coordinates"][0]) <= 70_000
    control = "".join(
        f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate([(0, 0), (1e308, 0), (9, -1e308)])
    )
    items = read(tmp_path / "b.xml", asap(POLYGON.format(control).replace("Polygon", "Spline")))
    assert [item.code for item in items] == ["bad_curve"]


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        ('<Ellipse X="0" Y="0" RadiusX="-5" RadiusY="5"/>', "bad_ellipse"),
        ('<Ellipse X="0" Y="0" RadiusX="0" RadiusY="5"/>', "bad_ellipse"),
        ('<Rectangle X="0" Y="0" Width="nan" Height="5"/>', "out_of_range"),
        ('<Polygon Points="1,2 3"/>', "bad_coordinates"),
        ('<Polygon Points=""/>', "out_of_range"),
        ('<Mask X="0" Y="0" Width="-2" Height="2"><BinData>AA==</BinData></Mask>', "bad_mask"),
        ('<Mask X="0" Y="0" Width="1e6" Height="1e6"><BinData>AA==</BinData></Mask>', "mask_too_large"),
        ('<Mask X="0" Y="0" Width="3" Height="3"><BinData>!!</BinData></Mask>', "bad_mask"),
        ('<Mask X="0" Y="0" Width="3" Height="3"><BinData>AAAAAAAA</BinData></Mask>', "bad_mask"),
        ('<Mask X="0" Y="0" Width="3" Height="3"><BinData Compression="zlib">AAAA</BinData></Mask>', "bad_mask"),
        ('<Mask X="0" Y="0" Width="2" Height="2"><BinData>AA==</BinData></Mask>', "empty_geometry"),
        ('<Point X="1" Y="1"><Transform A00="x"/></Point>', "bad_transform"),
        ("<Spiral/>", "unknown_shape"),
    ],
)
def test_shapes_of_ome_that_cannot_be_are_refused_one_by_one(tmp_path, shape, code):
    good = '<Point X="1" Y="2"/>'
    text = f'<OME><ROI ID="ROI:1"><Union>{good}{shape}{good}</Union></ROI></OME>'
    items = read(tmp_path / "a.xml", text)
    assert [getattr(item, "code", None) for item in items] == [None, code, None]


@pytest.mark.parametrize("cut", [10, 60, 200, -3])
def test_cut_off_xml_says_at_which_line(tmp_path, cut):
    text = asap("\n".join(POLYGON.format(CORNERS) for _ in range(3)))[:cut]
    path = tmp_path / "a.xml"
    path.write_text(text)
    known = registry.by_name("asap")
    assert known.read is not None
    with pytest.raises(Invalid, match="line ") as refused:
        list(known.read(path, ReadContext()))
    assert refused.value.code == "bad_xml"


def test_text_that_is_no_utf_8_is_refused(tmp_path):
    for data in (
        b"\xff\xfe<\x00A",
        b'<?xml version="1.0" encoding="utf-7"?><ASAP_Annotations/>',
        b"<ASAP_Annotations>\xff",
    ):
        path = tmp_path / "a.xml"
        path.write_bytes(data)
        with pytest.raises(Invalid) as refused:
            list(xml_events.read_elements(path, records=("Annotation",)))
        assert refused.value.code == "bad_xml"


def test_too_many_vertices_and_features_are_refused(tmp_path):
    body = POLYGON.format(CORNERS) + POLYGON.format(CORNERS + CORNERS)
    items = read(tmp_path / "a.xml", asap(body), max_vertices=4)
    assert [getattr(item, "code", None) for item in items] == [None, "too_many_vertices"]
    with pytest.raises(TooLarge) as refused:
        read(tmp_path / "a.xml", asap(body), max_features=1)
    assert refused.value.code == "too_many_features"


def element(**members: Any) -> str:
    return json.dumps({"type": "point", "center": [1, 2, 0], **members})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"elements":[' + element() + "," + element(), "not_json"),
        ('{"elements":[' + element() + ',{"type":"point","center":[NaN,0,0]}]}', "not_json"),
        ('{"elements":[' + element() + ',{"type":"point","center":[1e999,0,0]}]}', "not_json"),
        ('{"elements":[' + element() + ',{"type":"point","center":[' + "9" * 5000 + ",0,0]}]}", "not_json"),
        ('{"elements":[' + element() + ',{"type":"point","user":' + '{"a":' * 100_000, "too_deep"),
        ('{"elements":[' + element() + "," + "[" * 100_000, "too_deep"),
    ],
)
def test_broken_json_says_after_how_many_objects(tmp_path, text, code):
    with pytest.raises(Invalid, match=r"after [012] objects") as refused:
        read(tmp_path / "a.json", text)
    assert refused.value.code == code


def test_whole_numbers_beyond_64_bits_are_floats_as_in_geojson(tmp_path):
    user = '{"id":18446744073709551615,"n":9223372036854775808,"m":[-99999999999999999999,{"f":0.1}],"t":"1e9"}'
    # More objects than a block of the text holds come before.
    listed = [element()] * 3_000 + [element().removesuffix("}") + f',"user":{user}}}', element(center=[3, 4, 0])]
    items = read(tmp_path / "a.json", '{"elements":[' + ",".join(listed) + "]}")
    assert len(items) == 3_002
    kept = items[3_000].properties["dsa"]["user"]
    assert kept == {"id": 18446744073709551615, "n": 9223372036854775808, "m": [-1e20, {"f": 0.1}], "t": "1e9"}
    assert (type(kept["id"]), type(kept["m"][0])) == (int, float)
    assert items[-1].geometry == {"type": "Point", "coordinates": [3.0, 4.0]}
    for number in ("1e400", "9" * 400, "9" * 9_000):
        listed[-1] = f'{{"type":"point","center":[{number},0,0]}}'
        with pytest.raises(Invalid, match=r"after 3,00[01] objects"):
            read(tmp_path / "a.json", '{"elements":[' + ",".join(listed) + "]}")


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ('{"type":"point"}', "bad_coordinates"),
        ('{"type":"point","center":[true,false,0]}', "bad_coordinates"),
        ('{"type":"point","center":["1",2,0]}', "bad_coordinates"),
        ('{"type":"polyline","points":[]}', "no_geometry"),
        ('{"type":"polyline","closed":true,"points":[[0,0,0],[1,0,0],[1,1,0]],"holes":7}', "bad_coordinates"),
        ('{"type":"circle","center":[0,0,0],"radius":-1}', "bad_ellipse"),
        ('{"type":"heatmap","points":[[0,0,0,1]]}', "not_an_outline"),
        ('{"type":"spiral"}', "unknown_shape"),
        ('"point"', "not_an_element"),
        ('{"type":"polyline","points":[' + ",".join(["[1,1,0]"] * 101) + "]}", "too_many_vertices"),
    ],
)
def test_elements_that_cannot_be_are_refused_one_by_one(tmp_path, bad, code):
    text = '{"elements":[' + ",".join((element(), bad, element())) + "]}"
    items = read(tmp_path / "a.json", text, max_vertices=100)
    assert [getattr(item, "code", None) for item in items] == [None, code, None]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("<svg><polygon points='1,1 2,2 3'/></svg>", "bad_svg"),
        ("<svg><polygon points='1,1 2,2 3,3' transform='scale(2)'/></svg>", "svg_transform"),
        ("<!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>", "xml_doctype"),
        ("<svg><path d='L 1 1'/></svg>", None),
        ("<svg><path d='5 5'/></svg>", "bad_svg"),
        ("<svg><path d='M 1'/></svg>", "bad_svg"),
        ("<svg><path d='M1e999 0 L1 1'/></svg>", "bad_svg"),
        ("<svg><circle r='0'/></svg>", "bad_ellipse"),
        ("<svg>", "bad_svg"),
        ("<svg/>", "no_geometry"),
        ("<svg>" + "<rect width='1' height='1'/>" * 10_001 + "</svg>", "too_many_shapes"),
    ],
)
def test_selectors_that_cannot_be_are_refused_one_by_one(tmp_path, value, code):
    item = {"type": "Annotation", "target": {"selector": {"type": "SvgSelector", "value": value}}}
    items = read(tmp_path / "a.json", json.dumps([item]))
    assert [getattr(item, "code", None) for item in items] == [code]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("POLYGON (0 0, 1 0, 1 1)", "bad_wkt"),
        ("POINT ((1 2))", "bad_wkt"),
        ("POINT (1)", "bad_wkt"),
        ("LINESTRING ()", "bad_wkt"),
        ("POINT (1 2) x", "bad_wkt"),
        ("POLYGON ((0 0, 1 0, 1 1, 0 0)", "bad_wkt"),
        ("POINT EMPTY", "no_geometry"),
        ("POINT (x y)", "bad_wkt"),
        ("CIRCULARSTRING (0 0, 1 1, 2 0)", "bad_wkt"),
        ("GEOMETRYCOLLECTION (" * 10_000, "bad_wkt"),
        ("LINESTRING (" + ", ".join(["1 1"] * 200) + ")", "too_many_vertices"),
    ],
)
def test_well_known_text_that_is_none_is_refused_line_by_line(tmp_path, line, code):
    items = read(tmp_path / "a.wkt", f"POINT (1 2)\n{line}\nSRID=0;POINT (3 4)\n", max_vertices=100)
    assert [getattr(item, "code", None) for item in items] == [None, code, None]
    assert items[2].geometry == {"type": "Point", "coordinates": [3.0, 4.0]}


def test_tables_with_broken_rows_say_where(tmp_path):
    header = "group\tcolor\tcoords_x\tcoords_y\n"
    items = read(tmp_path / "a.tsv", header + "a\t\t1,2,3\t1,2\nb\t\t1,5,5\t1,1,5\nc\t\t1,x,5\t1,1,5\n")
    assert [getattr(item, "code", None) for item in items] == ["bad_coordinates", None, "out_of_range"]
    with pytest.raises(PathServeError, match="line 2"):
        read(tmp_path / "a.tsv", header + 'a\t"x"y\t1\t1\n')


def test_tables_whose_lines_end_in_the_old_way_are_read(tmp_path):
    lines = ("group\tcolor\tcoords_x\tcoords_y", "a\t\t1,5,5\t1,1,5", "b\t\t2,6,6\t2,2,6")
    assert len(read(tmp_path / "a.tsv", "\r".join(lines))) == 2
    with pytest.raises(Unsupported, match="no outlines"):
        registry.recognise(b"a,b\rc,d\r")


def test_memory_goes_by_the_largest_object_and_not_by_the_file(tmp_path):
    """2 MB of XML and of JSON are read in less than one."""
    polygon = POLYGON.format(CORNERS * 40)
    outline = '{"type":"polyline","closed":true,"points":[' + ",".join(["[1234.5,678.25,0]"] * 120) + "]}"
    texts = {
        "a.xml": asap(polygon * (2_000_000 // len(polygon))),
        "a.json": '{"elements":[' + ",".join([outline] * (2_000_000 // len(outline))) + "]}",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.write_text(text)
        known = registry.recognise(text[:HEAD_BYTES].encode())
        assert known.read is not None
        tracemalloc.start()
        count = sum(1 for _ in known.read(path, ReadContext()))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count > 300
        assert peak < 1_000_000


READABLE = [
    known
    for known in registry.FORMATS
    if known.name
    in (
        *("asap", "imagescope", "halo", "ndpa", "dlup", "omexml", "dsa", "w3c"),
        *("camelyon", "sectra", "cytomine", "histomicstk", "patches", "wkt"),
    )
]
SAMPLES = {
    "asap": asap(POLYGON.format(CORNERS) + POLYGON.format(CORNERS).replace("Polygon", "Spline")),
    "imagescope": '<Annotations MicronsPerPixel="0.5"><Annotation Id="1" Name="a" LineColor="65280"><Regions>'
    '<Region Id="1" Type="0" NegativeROA="0"><Vertices><Vertex X="1" Y="2"/><Vertex X="9" Y="2"/><Vertex X="9" Y="9"/>'
    '</Vertices></Region><Region Type="2" NegativeROA="1"><Vertices><Vertex X="7" Y="3"/><Vertex X="8" '
    'Y="4"/></Vertices>'
    "</Region></Regions></Annotation></Annotations>",
    "halo": '<Annotations><Annotation Name="a" LineColor="65280"><Regions><Region Type="Ellipse" HasEndcaps="0" '
    'NegativeROA="0"><Vertices><V X="1" Y="2"/><V X="9" Y="9"/></Vertices><Comments><Comment Body="b"/></Comments>'
    "</Region></Regions></Annotation></Annotations>",
    "ndpa": '<annotations><ndpviewstate id="1"><title>t</title><coordformat>nanometers</coordformat><annotation '
    'type="freehand"><closed>1</closed><pointlist><point><x>1</x><y>2</y></point><point><x>900</x><y>2</y></point>'
    "<point><x>900</x><y>900</y></point></pointlist></annotation></ndpviewstate></annotations>",
    "dlup": '<DlupAnnotations version="1.0"><Geometries><Polygon label="a" '
    'color="#FF0000"><Exterior><Point x="0" y="0"/>'
    '<Point x="1" y="0"/><Point x="1" y="1"/></Exterior></Polygon><Box label="b" xMin="0" yMin="0" xMax="1" yMax="1"/>'
    "</Geometries></DlupAnnotations>",
    "omexml": '<OME><ROI ID="ROI:1"><Union><Polygon Points="1,2 3,4 5,7"/><Ellipse X="1" Y="1" '
    'RadiusX="3" RadiusY="2"/>'
    '<Mask X="0" Y="0" Width="2" Height="2"><BinData>/w==</BinData></Mask></Union></ROI></OME>',
    "dsa": '{"name":"n","elements":[{"type":"polyline","closed":true,"points":[[0,0,0],[9,0,0],[9,9,0]],"holes":[]},'
    '{"type":"ellipse","center":[1,2,0],"width":3,"height":4,"rotation":0.5,"label":{"value":"l"}}]}',
    "w3c": '[{"type":"Annotation","id":"#1","body":[{"purpose":"tagging","value":"t"}],"target":{"selector":{"type":'
    '"SvgSelector","value":"<svg><path d=\'M0 0 L9 0 L9 9 Z M1 1 A2 3 4 0 1 5 6 Z\'/></svg>"}}}]',
    "camelyon": '{"positive":[{"name":"a","vertices":[[0,0],[9,0],[9,9]]}],'
    '"negative":[{"name":"b","vertices":[[7,1],[8,1],[8,2]]}]}',
    "sectra": '{"id":"x","type":"Area","rowVersion":1,"slideId":"y","result":"5.33 mm²","content":[{"x":0.1,"y":0.2},'
    '{"x":0.3,"y":0.2},{"x":0.3,"y":0.4}]}',
    "cytomine": '{"collection":[{"id":1,"image":2,"term":["t"],"location":"POLYGON ((1 2, 3 4, 5 7, 1 2))"}]}',
    "histomicstk": "group\tcolor\thas_holes\tcoords_x\tcoords_y\na\trgb(1,2,3)\t0.0\t1,9,9\t1,1,9\n",
    "patches": '{"x":{"0":14.0,"1":3.0},"y":{"0":3.0,"1":15.0},"class":{"0":0.0,"1":1.0}}',
    "wkt": 'id,class,wkt\n1,a,"POLYGON ((1 2, 3 4, 5 7, 1 2))"\n2,b,POINT (1 2)\n',
}


@pytest.mark.parametrize("known", READABLE, ids=lambda known: known.name)
@settings(max_examples=25)
@given(data=st.data())
def test_whatever_is_changed_in_a_file_ends_in_objects_or_in_a_sentence(known, data, tmp_path_factory):
    text = bytearray(SAMPLES[known.name].encode())
    assert known.recognise(bytes(text))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        text[place : place + length] = data.draw(
            st.binary(max_size=6)
            | st.sampled_from([b"", b"-1", b"NaN", b"1e308", b'"', b"<", b"[", b"}", b"\\", b"null"])
        )
    path = tmp_path_factory.getbasetemp() / f"changed-{known.name}"
    path.write_bytes(bytes(text))
    known.recognise(bytes(text))
    assert known.read is not None
    try:
        items = list(known.read(path, ReadContext(slide=FRAME, options={"offset": "0,0"})))
    except PathServeError:
        return
    for item in items:
        if isinstance(item, NewAnnotation):
            orjson.dumps(item.properties)
            Columns.of([item])
