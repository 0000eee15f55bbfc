"""What other tools' formats give back of what was written in them, and whether it obeys those tools' own schemas."""

import hashlib
import io
import json
import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import hypothesis.strategies as st
import jsonschema
import lxml.etree
import numpy as np
import ome_types
import pytest
import shapely.geometry
from hypothesis import given, settings

from pathserve.formats import registry
from pathserve.formats.contract import HEAD_BYTES, ReadContext, SlideFrame, WriteContext
from pathserve.geometry import Mpp, Size
from pathserve.labels import AnnotationClass, ClassSchema, Columns, FeatureIssue, NewAnnotation

FRAME = SlideFrame(Size(50_000, 40_000), Mpp(0.25, 0.5))
SCHEMA = ClassSchema(
    (
        AnnotationClass("Tumor", (200, 0, 10), 1),
        AnnotationClass("_0", (1, 2, 3), 2),
        AnnotationClass('<b> & "co" é', (0, 250, 9), 3),
    )
)
DATA = Path(__file__).parent.parent / "data"
DSA_SCHEMA = DATA / "large_image_annotation_1.35.6.schema.json"
OFFSET = {"offset": "1500000,-2500000"}

WHOLE = ("asap", "imagescope", "omexml", "dsa", "w3c", "cytomine", "wkt")
"""Formats that have room for all that an annotation is, but for colours of classes in some."""
MARKED = tuple(name for name in WHOLE if name != "wkt")
"""Those of them that carry a mark of ours."""
COLORLESS = ("wkt",)
PARTIAL = ("halo", "ndpa", "dlup", "camelyon", "histomicstk")
"""Formats that have not."""

OWN_NAMES = {"asap": "asap", "imagescope": "imagescope", "omexml": "ome", "dsa": "dsa", "w3c": "w3c"}

number = st.floats(-1e5, 1e5, allow_subnormal=False, width=64).map(lambda x: 0.0 if x == 0 else x)
position = st.tuples(number, number).map(list)


@st.composite
def ring(draw: st.DrawFn, x: float = 0.0, y: float = 0.0, size: float = 1000.0) -> list[list[float]]:
    corners = draw(st.integers(3, 12))
    turn = draw(st.floats(0, 6))
    made = [
        [x + size * math.cos(turn + 2 * math.pi * i / corners), y + size * math.sin(turn + 2 * math.pi * i / corners)]
        for i in range(corners)
    ]
    return [*made, list(made[0])]


@st.composite
def rings(draw: st.DrawFn, x: float = 0.0, y: float = 0.0) -> list[list[list[float]]]:
    holes = draw(st.integers(0, 2))
    return [draw(ring(x, y)), *(draw(ring(x + 300 * (2 * hole - 1), y, 120)) for hole in range(holes))]


@st.composite
def geometry(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"]))
    x, y = draw(position)
    line = st.lists(position, min_size=2, max_size=5)
    coordinates: Any = {
        "Point": lambda: [x, y],
        "MultiPoint": lambda: draw(st.lists(position, min_size=1, max_size=4)),
        "LineString": lambda: draw(line),
        "MultiLineString": lambda: draw(st.lists(line, min_size=1, max_size=3)),
        "Polygon": lambda: draw(rings(x, y)),
        "MultiPolygon": lambda: [draw(rings(x + 5000 * part, y)) for part in range(draw(st.integers(1, 3)))],
    }[kind]()
    return {"type": kind, "coordinates": coordinates}


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
value = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), number, words, st.lists(number, max_size=3))
properties = st.dictionaries(words.map(lambda word: "p" + word), value, max_size=3)


@st.composite
def annotation(draw: st.DrawFn) -> NewAnnotation:
    given_properties = draw(properties)
    if draw(st.booleans()):
        given_properties["name"] = draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9))
    name = draw(st.sampled_from([None, *(known.name for known in SCHEMA)]))
    return NewAnnotation(draw(geometry()), UUID(int=draw(st.integers(1, 2**128 - 1))), name, None, given_properties)


def written(name: str, annotations: list[NewAnnotation], **options: str) -> tuple[bytes, dict[str, int]]:
    file = io.BytesIO()
    context = WriteContext(slide=FRAME, schema=SCHEMA, options=options)
    write = registry.by_name(name).write
    assert write is not None
    half = len(annotations) // 2
    blocks = [Columns.of(part) for part in (annotations[:half], annotations[half:]) if part]
    write(iter(blocks), file, context)
    return file.getvalue(), {code: count for code, _, count in context.losses.items()}


def read_again(folder: Path, text: bytes, **options: str) -> tuple[str, list[NewAnnotation]]:
    path = folder / f"{uuid4()}.bin"
    path.write_bytes(text)
    known = registry.recognise(text[:HEAD_BYTES])
    assert known.read is not None
    items = list(known.read(path, ReadContext(slide=FRAME, options=options)))
    path.unlink()
    assert not [item for item in items if isinstance(item, FeatureIssue)]
    return known.name, [item for item in items if isinstance(item, NewAnnotation)]


def by_id(annotations: list[NewAnnotation]) -> dict[UUID | None, NewAnnotation]:
    return {item.id: item for item in annotations}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round-trips")


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=20)
@given(annotations=st.lists(annotation(), min_size=1, max_size=5, unique_by=lambda item: item.id))
def test_what_a_format_has_room_for_comes_back_as_it_was(name, annotations, folder):
    text, losses = written(name, annotations)
    recognised, found = read_again(folder, text)
    assert recognised == name
    again = by_id(found)
    assert set(again) == {item.id for item in annotations}
    for item in annotations:
        back = again[item.id]
        assert back.class_name == item.class_name
        assert dict(back.properties) == dict(item.properties)
        assert back.geometry["type"] == item.geometry["type"]
        assert back.geometry == item.geometry
        if item.class_name is not None:
            color = SCHEMA.get(item.class_name).color  # type: ignore[union-attr]
            assert back.class_color == (None if name in COLORLESS else color)
    is_classed = any(item.class_name is not None for item in annotations)
    assert ("color_dropped" in losses) == (name in COLORLESS and is_classed)
    assert set(losses) <= {"holes_split", "parts_split", "color_dropped"}


@pytest.mark.parametrize("name", MARKED)
def test_what_pieces_do_not_say_comes_back_unless_they_were_changed(name, folder):
    ring = [[0, 0, 7.5], [41.25, 0, 7.5], [41.25, 4, 7.5], [0, 0, 7.5]]
    ellipse = {"type": "Polygon", "coordinates": [ring], "isEllipse": True, "plane": {"c": -1, "z": 3, "t": 0}}
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [9, 9], [9, 0], [0, 9], [0, 0]]]}
    points = {"type": "MultiPoint", "coordinates": [[1, 2, 3], [4, 5, 6]]}
    both = {"type": "GeometryCollection", "geometries": [ellipse, {"type": "Point", "coordinates": [1, 2]}]}
    given = [
        NewAnnotation(ellipse, UUID(int=1), "Tumor", drawn=bow),
        NewAnnotation(points, UUID(int=2)),
        NewAnnotation(both, UUID(int=3), "Tumor"),
    ]
    text, losses = written(name, given)
    assert set(losses) <= {"parts_split"}
    found = by_id(read_again(folder, text)[1])
    for item in given:
        assert (found[item.id].geometry, found[item.id].drawn) == (item.geometry, item.drawn)
    assert found[UUID(int=1)].class_color == (200, 0, 10)
    # Another tool moves a corner: its outline counts, and nothing is said of what it was before.
    outside_marks = re.compile(rb"41\.25(?!,[04](\.0)?,7\.5)")
    changed, count = outside_marks.subn(b"42.25", text)
    assert count
    moved = by_id(read_again(folder, changed)[1])[UUID(int=1)]
    assert (max(flat(moved.geometry)), moved.geometry.get("isEllipse"), moved.drawn) == (42.25, None, None)


@pytest.mark.parametrize("name", ["wkt", "halo", "ndpa", "dlup", "histomicstk"])
def test_members_of_a_geometry_that_are_left_out_are_named(name):
    ellipse = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 0]]], "isEllipse": True}
    _, losses = written(
        name, [NewAnnotation(ellipse), NewAnnotation({"type": "Point", "coordinates": [1, 2]})], **OFFSET
    )
    assert losses["geometry_members"] == 1


@pytest.mark.parametrize("name", PARTIAL)
@settings(max_examples=15)
@given(annotations=st.lists(annotation(), min_size=1, max_size=5, unique_by=lambda item: item.id))
def test_what_a_format_has_no_room_for_is_named_and_the_rest_comes_back(name, annotations, folder):
    text, losses = written(name, annotations, **OFFSET)
    _, found = read_again(folder, text, **OFFSET)
    wanted = [item for item in annotations if name != "camelyon" or item.class_name == "Tumor"]
    assert ("class_dropped" in losses) == (name == "camelyon" and len(wanted) < len(annotations))
    assert ("id_dropped" in losses) == bool(wanted)
    extra = {key for item in wanted for key in item.properties} - {"name"}
    named = {key for item in wanted for key in item.properties}
    no_names = name in ("dlup", "histomicstk")
    assert ("properties_dropped" in losses) == bool(named if no_names else extra)
    kinds = {"camelyon": {"Polygon"}, "histomicstk": {"Polygon"}, "dlup": {"Polygon", "Point", "MultiPoint"}}
    held = [
        item
        for item in wanted
        if item.geometry["type"].removeprefix("Multi") in kinds.get(name, {"Polygon", "Point", "LineString"})
    ]
    assert ("lines_dropped" in losses) == (len(held) < len(wanted))
    tolerance = {"halo": 0.51, "histomicstk": 0.51, "ndpa": 0.003}.get(name, 1e-9)
    sums = {"before": total(held, losses), "after": total(found, {})}
    assert sums["after"][0] == pytest.approx(sums["before"][0], abs=tolerance * max(sums["before"][1], 1))
    if not losses.keys() & {"holes_split", "holes_dropped"}:
        before, after = (sum(shapely.geometry.shape(i.geometry).area for i in items) for items in (held, found))
        assert after == pytest.approx(before, rel=0.01)


@pytest.mark.parametrize("name", MARKED)
def test_characters_that_xml_does_not_have_come_back(name, folder):
    point = {"type": "Point", "coordinates": [1.0, 2.0]}
    texts = ["a\ufffe\uffff", "\ufffe", "\x0b", "a\x0b\x00b", " \t", "\\ufffe \u2028\x85\x7f"]
    items = [NewAnnotation(point, uuid4(), None, None, {"name": t, "note": t, t: [t]}) for t in texts]
    text, losses = written(name, items)
    assert not losses
    found = by_id(read_again(folder, text)[1])
    assert [dict(found[item.id].properties) for item in items] == [item.properties for item in items]


@pytest.mark.parametrize("first", ["Tumor", "Tumor holes", "Tumor holes holes"])
def test_a_class_that_is_named_as_asap_names_holes_keeps_its_colour(first, folder):
    shell = [[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0], [0.0, 0.0]]
    ring = {"type": "Polygon", "coordinates": [shell, [[x / 2 + 10, y / 2 + 10] for x, y in shell]]}
    names = ["Tumor", "Tumor holes", "Tumor holes holes"]
    schema = ClassSchema(tuple(AnnotationClass(name, (n, n, n), n) for n, name in enumerate(names, 1)))
    items = [NewAnnotation(ring, uuid4(), name) for name in sorted(names, key=lambda name: name != first)]
    out = io.BytesIO()
    registry.by_name("asap").write(iter([Columns.of(items)]), out, WriteContext(slide=FRAME, schema=schema))
    _, found = read_again(folder, out.getvalue())
    told = {i.class_name: (i.class_color, i.geometry == ring) for i in found}
    assert told == {name: ((n, n, n), True) for n, name in enumerate(names, 1)}


def test_what_has_no_class_comes_back_from_ndpa_without_one(folder):
    point = {"type": "Point", "coordinates": [1.0, 2.0]}
    given = [(None, {}), (None, {"name": " a line "}), ("Tumor", {"name": "b"})]
    items = [NewAnnotation(point, uuid4(), name, properties=properties) for name, properties in given]
    text, _ = written("ndpa", items, **OFFSET)
    _, found = read_again(folder, text, **OFFSET)
    told = [(i.class_name, i.class_color, i.properties.get("name")) for i in found]
    assert told == [(None, None, None), (None, None, "a line"), ("Tumor", (200, 0, 10), "Tumor")]
    # A title that somebody changed since then is the class, as in any other file.
    changed = text.replace(b"<title>Annotation 0", b"<title>New").replace(b"<title> a line ", b"<title>Other")
    _, found = read_again(folder, changed, **OFFSET)
    assert [(i.class_name, i.properties.get("name")) for i in found[:2]] == [("New", "New"), ("Other", "Other")]


def test_a_name_that_another_tool_changed_is_the_new_one(folder):
    item = NewAnnotation({"type": "Point", "coordinates": [1.0, 2.0]}, uuid4(), "Tumor", None, {"name": "old", "a": 1})
    for name in ("asap", "imagescope", "dsa"):
        text, _ = written(name, [item])
        before = {"asap": b'Name="old"', "imagescope": b'Text="old"', "dsa": b'"label":{"value":"old"}'}[name]
        assert before in text
        _, found = read_again(folder, text.replace(before, before.replace(b"old", b"new")))
        assert [(i.id, dict(i.properties)) for i in found] == [(item.id, {"name": "new", "a": 1})]


@pytest.mark.parametrize("name", ["asap", "imagescope"])
def test_a_hole_whose_outline_another_tool_deleted_paints_nothing(name, folder):
    shell = [[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0], [0.0, 0.0]]
    hole = [[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 10.0]]
    item = NewAnnotation({"type": "Polygon", "coordinates": [shell, hole]}, uuid4(), "Tumor")
    text, _ = written(name, [item])
    start, end = {"asap": (b"\t\t<Annotation ", b"</Annotation>\n"), "imagescope": (b"<Region ", b"</Region>\n")}[name]
    first = text.index(start)
    without = text[:first] + text[text.index(end, first) + len(end) :]
    _, found = read_again(folder, without)
    assert [(i.class_name, i.geometry["coordinates"]) for i in found] == [(None, [hole])]
    assert "negative" in found[0].properties


@pytest.mark.parametrize("name", ["imagescope", "halo", "omexml", "dsa", "w3c", "ndpa"])
def test_an_ellipse_is_written_as_one_as_long_as_it_is_one(name, folder):
    sides = 64
    mpp = FRAME.mpp
    assert mpp is not None
    rx, ry = (200.0, 100.0) if name == "ndpa" else (200.0, 120.0)
    imported, _ = written("omexml", [])
    drawn = f'<Ellipse ID="Shape:1" X="1000" Y="2000" RadiusX="{rx}" RadiusY="{ry}"/>'
    roi = f'<ROI ID="ROI:1"><Union>{drawn}</Union></ROI></OME>'
    text = imported.replace(b"</OME>", roi.encode())
    _, (ellipse,) = read_again(folder, text)
    assert ellipse.properties["ellipse"] == {"center": [1000.0, 2000.0], "radii": [rx, ry], "rotation": 0.0}
    assert shapely.geometry.shape(ellipse.geometry).area == pytest.approx(math.pi * rx * ry, rel=0.002)
    again, _ = written(name, [ellipse], **OFFSET)
    mark = {
        "imagescope": b'Type="2"',
        "halo": b'Type="Ellipse"',
        "omexml": b"<Ellipse ",
        "dsa": b'"type":"ellipse"',
        "w3c": b"<ellipse ",
        "ndpa": b'type="circle"',
    }[name]
    assert mark in again
    ring = [list(p) for p in ellipse.geometry["coordinates"][0]]
    ring[sides // 4][0] += 5
    moved = NewAnnotation({"type": "Polygon", "coordinates": [ring]}, properties=ellipse.properties)
    assert mark not in written(name, [moved], **OFFSET)[0]
    _, (back,) = read_again(folder, again, **OFFSET)
    assert flat(back.geometry) == pytest.approx(flat(ellipse.geometry), abs=0.6 if name == "halo" else 0.003)


def test_who_wrote_an_object_and_when_stands_where_a_format_has_room_for_it(folder):
    at = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    columns = Columns.of([NewAnnotation({"type": "Point", "coordinates": [5.0, 6.0]}, uuid4(), "Tumor")])
    columns = _with_revision(columns, 7)
    for name, told in (("w3c", True), ("asap", False)):
        context = WriteContext(slide=FRAME, schema=SCHEMA, revisions={7: ("Ada", at)})
        file = io.BytesIO()
        write = registry.by_name(name).write
        assert write is not None
        write(iter([columns]), file, context)
        assert (b"Ada" in file.getvalue()) == told
        assert ("author_dropped" in {code for code, _, _ in context.losses.items()}) == (not told)


def _with_revision(columns: Columns, revision: int) -> Columns:
    fields = {name: getattr(columns, name) for name in Columns.__dataclass_fields__}
    return Columns(**{**fields, "revisions": np.full(len(columns), revision, np.int64)})


def flat(geometry: Any) -> list[float]:
    found: list[float] = []
    waiting = [geometry["coordinates"]]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        else:
            found.append(item)
    return found


def total(annotations: list[NewAnnotation], losses: dict[str, int]) -> tuple[float, int]:
    """Sum of all coordinates, without the repeated ends of rings, and how many there are."""
    numbers: list[float] = []
    for item in annotations:
        for part in _parts(shapely.geometry.shape(item.geometry)):
            rings = [part]
            if part.geom_type == "Polygon":
                rings = [part.exterior, *(() if "holes_dropped" in losses else part.interiors)]
            for ring in rings:
                positions = list(ring.coords)
                numbers += [n for p in (positions[:-1] if part.geom_type == "Polygon" else positions) for n in p]
    return math.fsum(numbers), len(numbers)


def _parts(shape: Any) -> list[Any]:
    return list(shape.geoms) if hasattr(shape, "geoms") else [shape]


many = st.lists(annotation(), min_size=1, max_size=5, unique_by=lambda item: item.id)


def test_the_schema_is_the_one_that_its_list_tells():
    assert hashlib.sha256(DSA_SCHEMA.read_bytes()).hexdigest() in (DATA / "README.md").read_text()


@settings(max_examples=15)
@given(annotations=many)
def test_histomicsui_takes_what_we_write(annotations):
    text, _ = written("dsa", annotations)
    jsonschema.Draft6Validator(json.loads(DSA_SCHEMA.read_text())).validate(json.loads(text))


@settings(max_examples=15)
@given(annotations=many)
def test_ome_xml_obeys_its_schema_and_ome_types_reads_it(annotations):
    text, _ = written("omexml", annotations)
    document = lxml.etree.fromstring(text)
    schema = lxml.etree.XMLSchema(lxml.etree.parse(Path(ome_types.__file__).parent / "ome-2016-06.xsd"))
    schema.assertValid(document)
    rois = ome_types.from_xml(text.decode()).rois
    assert len(rois) == len(annotations)
    for roi, item in zip(rois, annotations, strict=True):
        assert roi.union is not None
        assert roi.union[0].text == (item.class_name or "")
        if item.geometry["type"] == "Point":
            assert [roi.union[0].x, roi.union[0].y] == item.geometry["coordinates"]


def test_asap_finds_every_group_in_its_list():
    """ASAP refuses a file with a group that is not listed (XmlRepository.cpp)."""
    hole = [[1.0, 1.0], [2.0, 1.0], [2.0, 2.0], [1.0, 1.0]]
    shell = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 0.0]]
    items = [
        NewAnnotation({"type": "Polygon", "coordinates": [shell, hole]}, class_name="Tumor"),
        NewAnnotation({"type": "Polygon", "coordinates": [shell, hole]}),
        NewAnnotation({"type": "Point", "coordinates": [0.0, 0.0]}, class_name="_0"),
    ]
    document = lxml.etree.fromstring(written("asap", items)[0])
    listed = {group.get("Name"): group.get("PartOfGroup") for group in document.iter("Group")}
    named = {item.get("PartOfGroup") for item in document.iter("Annotation")} | set(listed.values())
    assert named - {"None"} <= set(listed)
    for item in document.iter("Annotation"):
        orders = [int(c.get("Order")) for c in item.iter("Coordinate")]
        assert orders == list(range(len(orders)))
        assert item.get("Type") in ("Dot", "PointSet", "Polygon", "Spline", "Rectangle", "Measurement")


@pytest.mark.parametrize("known", registry.FORMATS, ids=lambda known: known.name)
def test_formats_are_told_apart_by_content(known):
    """What we write in one format is taken for that one."""
    names = {"asap", "imagescope", "halo", "ndpa", "dlup", "omexml", "dsa", "w3c", "camelyon", "cytomine", "wkt"}
    if known.name in names | {"histomicstk"}:
        shell = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 0.0]]
        items = [NewAnnotation({"type": "Polygon", "coordinates": [shell]}, class_name="Tumor")]
        text, _ = written(known.name, items, offset="0,0")
        assert [other.name for other in registry.FORMATS if other.recognise(text)] == [known.name]
