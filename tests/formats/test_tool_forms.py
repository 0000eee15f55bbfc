"""Forms of other tools' files that no file at hand has: what their own documents, sources and formulas say of them."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import shapely
import shapely.geometry
from hypothesis import given
from hypothesis import strategies as st
from shapely import affinity

from pathserve.errors import Invalid
from pathserve.formats import registry
from pathserve.formats.contract import HEAD_BYTES, ReadContext, SlideFrame
from pathserve.formats.tools.drawn_shapes import bezier, ellipse_ring, spline
from pathserve.formats.tools.svg import parse_svg
from pathserve.geometry import Mpp, Size
from pathserve.labels import NewAnnotation


def read(path: Path, text: str, **context: Any) -> list[Any]:
    path.write_text(text)
    known = registry.recognise(path.read_bytes()[:HEAD_BYTES])
    assert known.read is not None
    return list(known.read(path, ReadContext(**context)))


def shape(item: NewAnnotation) -> Any:
    return shapely.geometry.shape(item.geometry)


def asap(annotations: list[tuple[str, str, list[tuple[float, float]]]], groups: dict[str, str]) -> str:
    lines = []
    for group, kind, points in annotations:
        inner = "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate(points))
        head = f'<Annotation Name="n" Type="{kind}" PartOfGroup="{group}" Color="#00FF00">'
        lines.append(f"{head}<Coordinates>{inner}</Coordinates></Annotation>")
    listed = "".join(f'<Group Name="{name}" PartOfGroup="{p}" Color="#ff0000"/>' for name, p in groups.items())
    return (
        f"<ASAP_Annotations><Annotations>{''.join(lines)}</Annotations>"
        f"<AnnotationGroups>{listed}</AnnotationGroups></ASAP_Annotations>"
    )


SQUARE = [(0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0)]
INNER = [(10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)]
OUTER = [(500.0, 500.0), (600.0, 500.0), (600.0, 600.0)]


def test_camelyon_groups_become_tumour_with_holes(tmp_path):
    text = asap(
        [("_2", "Polygon", INNER), ("_0", "Polygon", SQUARE), ("_1", "Polygon", OUTER)],
        {"_0": "None", "_1": "None", "_2": "None"},
    )
    first, second = read(tmp_path / "a.xml", text)
    assert {first.class_name, second.class_name} == {"Tumor"}
    assert shape(first).equals(shapely.Polygon(SQUARE, [INNER]))
    assert first.properties["asap"]["PartOfGroup"] == "_0"
    assert first.class_color == (255, 0, 0)
    assert shape(second).equals(shapely.Polygon(OUTER))


def test_the_same_groups_among_others_are_classes_like_any(tmp_path):
    text = asap([("_2", "Polygon", INNER), ("Other", "Polygon", SQUARE)], {"_2": "None", "Other": "None"})
    assert [item.class_name for item in read(tmp_path / "a.xml", text)] == ["_2", "Other"]


def test_a_group_of_holes_below_another_is_cut_out_of_it_alone(tmp_path):
    text = asap(
        [
            ("A", "Polygon", SQUARE),
            ("B", "Polygon", SQUARE),
            ("A holes", "Polygon", INNER),
            ("A holes", "Polygon", OUTER),
        ],
        {"A": "None", "B": "None", "A holes": "A"},
    )
    a, b, left = read(tmp_path / "a.xml", text)
    assert shape(a).equals(shapely.Polygon(SQUARE, [INNER]))
    assert shape(b).equals(shapely.Polygon(SQUARE))
    assert (left.class_name, left.properties["negative"]) == (None, "A holes")


def test_other_types_of_asap(tmp_path):
    points = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]
    kinds = ("Dot", "Measurement", "Spline", "Rectangle")
    annotations = [("G", kind, points[:1] if kind == "Dot" else points) for kind in kinds]
    dot, ruler, curve, box = read(tmp_path / "a.xml", asap(annotations, {"G": "None"}))
    assert dot.geometry == {"type": "Point", "coordinates": [0.0, 0.0]}
    assert (ruler.geometry["type"], ruler.properties["shape"]) == ("LineString", "ruler")
    assert all(shape(curve).exterior.distance(shapely.Point(point)) < 1e-9 for point in points)
    assert shape(curve).area > 100
    assert (shape(box).area, box.properties["shape"]) == (100, "rectangle")


def test_asap_coordinates_are_taken_by_their_order(tmp_path):
    text = asap([("None", "Polygon", SQUARE)], {})
    text = text.replace('Order="1"', 'Order="x"').replace('Order="2"', 'Order="1"').replace('Order="x"', 'Order="2"')
    (item,) = read(tmp_path / "a.xml", text)
    assert item.geometry["coordinates"][0][:4] == [list(SQUARE[i]) for i in (0, 2, 1, 3)]


def region(kind: int, points: list[tuple[float, float]], **attributes: str) -> str:
    more = "".join(f' {name}="{value}"' for name, value in attributes.items())
    inner = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in points)
    return f'<Region Id="1" Type="{kind}"{more}><Attributes/><Vertices>{inner}</Vertices></Region>'


def test_types_of_imagescope(tmp_path):
    regions = (
        region(0, SQUARE, NegativeROA="0"),
        region(0, INNER, NegativeROA="1"),
        region(1, SQUARE),
        region(2, [(0, 0), (40, 20)]),
        region(3, [(5, 6), (7, 8)]),
        region(4, [(5, 6), (7, 8)], Text="Length"),
    )
    text = (
        '<Annotations MicronsPerPixel="0.25"><Annotation Id="1" Name="Gland" LineColor="16711680">'
        '<Attributes><Attribute Name="Description" Value="seen"/></Attributes>'
        f"<Regions>{''.join(regions)}</Regions></Annotation></Annotations>"
    )
    outline, box, ellipse, arrow, ruler = read(tmp_path / "a.xml", text)
    assert {item.class_name for item in (outline, box, ellipse, arrow, ruler)} == {"Gland"}
    assert outline.class_color == (0, 0, 255)  # 16711680 is 65536 times 255: blue
    assert shape(outline).equals(shapely.Polygon(SQUARE, [INNER]))
    assert shape(box).equals(shapely.Polygon(SQUARE, [INNER]))  # a negative region takes away from all around it
    assert shape(ellipse).area == pytest.approx(math.pi * 20 * 10, rel=0.02)
    assert shape(ellipse).bounds == pytest.approx((0, 0, 40, 20))
    assert (arrow.properties["shape"], ruler.properties["shape"]) == ("arrow", "ruler")
    assert outline.properties["imagescope"]["layer"]["Attributes"] == {"Description": "seen"}
    assert ruler.properties["name"] == "Length"


def ndpa(inner: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><annotations><ndpviewstate id="1">'
        "<title>Tumour</title><details>d</details>"
        f"<coordformat>nanometers</coordformat><lens>20</lens>{inner}</ndpviewstate></annotations>"
    )


SLIDE = SlideFrame(Size(10_000, 8_000), Mpp(0.25, 0.5))


def test_ndpa_is_in_nanometres_from_the_middle_of_the_glass(tmp_path):
    points = [(1000, 2000), (501_000, 2000), (501_000, 802_000)]
    inner = "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x, y in points)
    drawn = f'<annotation type="freehand" color="#ff8000"><closed>1</closed><pointlist>{inner}</pointlist></annotation>'
    (item,) = read(tmp_path / "a.ndpa", ndpa(drawn), slide=SLIDE, options={"offset": "-4000,6000"})
    wanted = [((x + 4000) / 250 + 5000, (y - 6000) / 500 + 4000) for x, y in points]
    assert item.geometry["coordinates"][0][:3] == [pytest.approx(position) for position in wanted]
    assert (item.class_name, item.class_color) == ("Tumour", (255, 128, 0))
    assert item.properties["description"] == "d"
    assert item.properties["ndpa"]["view"]["lens"] == "20"


def test_other_types_of_ndpa(tmp_path):
    ends = "<x1>0</x1><y1>0</y1><x2>250</x2><y2>500</y2>"
    drawn = (
        '<annotation type="circle"><x>0</x><y>0</y><radius>10000</radius></annotation>'
        '<annotation type="pin"><x>250</x><y>500</y></annotation>'
        f'<annotation type="pointer">{ends}</annotation><annotation type="linearmeasure">{ends}</annotation>'
    )
    items = read(tmp_path / "a.ndpa", ndpa(drawn), slide=SLIDE, options={"offset": "0,0"})
    circle, pin, pointer, measure = items
    assert circle.properties["ellipse"]["radii"] == [40.0, 20.0]
    assert shape(circle).area == pytest.approx(math.pi * 40 * 20, rel=0.01)
    assert pin.geometry == {"type": "Point", "coordinates": [5001.0, 4001.0]}
    assert pointer.geometry["coordinates"] == measure.geometry["coordinates"] == [[5000.0, 4000.0], [5001.0, 4001.0]]


@pytest.mark.parametrize(
    ("context", "code"),
    [
        ({"slide": SlideFrame(), "options": {"offset": "0,0"}}, "mpp_needed"),
        ({"slide": SLIDE}, "offset_needed"),
        ({"slide": SLIDE, "options": {"offset": "1,nan"}}, "offset_needed"),
    ],
)
def test_ndpa_is_refused_when_its_frame_is_not_known(tmp_path, context, code):
    with pytest.raises(Invalid) as refused:
        read(tmp_path / "a.ndpa", ndpa(""), **context)
    assert refused.value.code == code


def test_cytomine_counts_from_the_bottom(tmp_path):
    given = {"id": 434593, "location": "POLYGON ((10 20, 30 20, 30 50, 10 20))", "image": 80624, "term": [12]}
    forms = ({"annotation": given}, {"collection": [given]}, [given], [{"annotation": given}], given)
    for form in forms:
        (item,) = read(tmp_path / "a.json", json.dumps(form), slide=SlideFrame(Size(100, 1000)))
        assert item.geometry["coordinates"] == [[[10.0, 980.0], [30.0, 980.0], [30.0, 950.0], [10.0, 980.0]]]
        assert item.properties["original_id"] == 434593
        assert item.properties["cytomine"] == {"image": 80624, "term": [12]}
    table = 'id;location;term\n7;"POINT (10 20)";Tumour\n'
    (item,) = read(tmp_path / "a.csv", table, slide=SlideFrame(Size(100, 1000)))
    assert (item.geometry["coordinates"], item.class_name) == ([10.0, 980.0], "Tumour")
    with pytest.raises(Invalid, match="size must be known"):
        read(tmp_path / "a.json", json.dumps(given))


def test_forms_of_well_known_text_and_tables_of_it(tmp_path):
    forms = {
        "POINT(1 2)": shapely.Point(1, 2),
        "point z (1 2 3)": shapely.Point(1, 2, 3),
        "LineString (-1.5e3 .5, 2 +3)": shapely.LineString([(-1500, 0.5), (2, 3)]),
        "MULTIPOINT ((1 2), (3 4))": shapely.MultiPoint([(1, 2), (3, 4)]),
        "MULTIPOINT (1 2, 3 4)": shapely.MultiPoint([(1, 2), (3, 4)]),
        "POLYGON((0 0,9 0,9 9,0 0),(1 1,2 1,2 2,1 1))": None,
        "MULTIPOLYGON (((0 0, 9 0, 9 9, 0 0)), ((20 0, 29 0, 29 9, 20 0), (21 1, 22 1, 22 2, 21 1)))": None,
        "GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (1 2, 3 4))": None,
    }
    for item, (text, wanted) in zip(read(tmp_path / "a.wkt", "\n".join(forms)), forms.items(), strict=True):
        assert shape(item).equals_exact(wanted or shapely.from_wkt(text), 0)
    table = 'wkt,class,grade\n"POLYGON ((0 0, 4 0, 4 4, 0 0))",Tumour,3\nPOINT Z (1 2 3),,\n'
    polygon, point = read(tmp_path / "a.csv", table)
    assert (polygon.class_name, polygon.properties) == ("Tumour", {"grade": "3"})
    assert shape(polygon).area == 8
    assert point.geometry["coordinates"] == [1.0, 2.0, 3.0]


def test_histomicsui_turns_from_x_to_y(tmp_path):
    elements = [
        {"type": "rectangle", "center": [100, 50, 0], "width": 40, "height": 10, "rotation": math.pi / 6},
        {"type": "ellipse", "center": [100, 50, 0], "width": 40, "height": 10, "rotation": math.pi / 6, "group": "g"},
        {"type": "arrow", "points": [[1, 2, 0], [3, 4, 0]], "lineColor": "#f00"},
        {
            "type": "polyline",
            "closed": True,
            "points": [[x, y, 0] for x, y in SQUARE],
            "holes": [[[x, y, 0] for x, y in INNER]],
            "label": {"value": "Stroma"},
        },
    ]
    forms = ({"elements": elements}, [{"annotation": {"name": "n", "elements": elements}}], elements)
    for form in forms:
        box, ellipse, arrow, area = read(tmp_path / "a.json", json.dumps(form))
        turned = affinity.rotate(shapely.geometry.box(80, 45, 120, 55), math.pi / 6, use_radians=True)
        assert shape(box).symmetric_difference(turned).area < 1e-6
        assert shape(ellipse).area == pytest.approx(math.pi * 20 * 5, rel=0.02)
        assert ellipse.class_name == "g"
        # The long axis lies along the direction (cos 30, sin 30) with y down.
        tip = (100 + 20 * math.cos(math.pi / 6), 50 + 20 * math.sin(math.pi / 6))
        assert shape(ellipse).exterior.distance(shapely.Point(tip)) < 1e-6
        assert arrow.properties["shape"] == "arrow"
        assert shape(area).equals(shapely.Polygon(SQUARE, [INNER]))
        assert area.class_name == "Stroma"


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.01, 5e5), st.floats(0.01, 5e5), st.floats(-360, 360))
def test_polygons_of_ellipses_lie_within_a_tenth_of_a_pixel(x, y, rx, ry, rotation):
    ring = ellipse_ring(x, y, rx, ry, rotation)
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    assert ring[0] == ring[-1]
    for (x0, y0), (x1, y1) in list(pairwise(ring))[:: max(len(ring) // 16, 1)]:
        # The farthest an edge is from its arc is at the middle of the arc, seen in the ellipse's own frame.
        u, v = ((x0 + x1) / 2 - x, (y0 + y1) / 2 - y)
        a, b = (u * cos + v * sin) / rx, (v * cos - u * sin) / ry
        far = math.hypot(a, b)
        assert max(rx, ry) * (1 - far) <= 0.1 + 1e-6 * max(rx, ry) / min(rx, ry)


place = st.floats(-1e4, 1e4).map(lambda x: round(x, 3))


@given(st.lists(st.tuples(place, place), min_size=3, max_size=4))
def test_flattened_curves_lie_within_a_tenth_of_a_pixel(points):
    degree = len(points) - 1
    line = shapely.LineString([points[0], *bezier(points)])
    for step in range(101):
        t = step / 100
        weights = [math.comb(degree, i) * t**i * (1 - t) ** (degree - i) for i in range(degree + 1)]
        exact = [sum(w * p[axis] for w, p in zip(weights, points, strict=True)) for axis in (0, 1)]
        assert line.distance(shapely.Point(exact)) <= 0.1 + 1e-6


def test_a_spline_goes_through_its_points_and_is_smooth():
    points = [(0.0, 0.0), (100.0, 10.0), (120.0, 90.0), (10.0, 100.0)]
    ring = spline(points)
    assert ring[0] == ring[-1]
    assert all(list(point) in ring for point in points)
    for (x0, y0), (x1, y1), (x2, y2) in zip(ring, ring[1:], ring[2:], strict=False):
        turn = math.atan2(y2 - y1, x2 - x1) - math.atan2(y1 - y0, x1 - x0)
        assert abs((turn + math.pi) % (2 * math.pi) - math.pi) < 0.5


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("M0 0 h10 v10 h-10 z", shapely.geometry.box(0, 0, 10, 10)),
        ("m 5,5 l 10,0 0,10 -10,0 Z", shapely.geometry.box(5, 5, 15, 15)),
        (
            "M0,0L10,0L10,10L0,10Z M2,2L2,4L4,4L4,2Z",
            shapely.geometry.box(0, 0, 10, 10) - shapely.geometry.box(2, 2, 4, 4),
        ),
        ("M-50 0 A50 50 0 0 1 50 0 A50 50 0 0 1 -50 0 Z", shapely.Point(0, 0).buffer(50, quad_segs=512)),
        (
            "M0-50a50,50,0,1,0,50,50L0 0Z",
            shapely.Point(0, 0).buffer(50, quad_segs=512) - shapely.geometry.box(0, -60, 60, 0),
        ),
        ("M0 0Q50 100 100 0Z", None),
        ("M0 0Q50 100 100 0T200 0Z", None),
        ("M0 0C0 50 100 50 100 0S200-50 200 0Z", None),
    ],
)
def test_paths_of_svg(tmp_path, path, wanted):
    selector = {"type": "SvgSelector", "value": f'<svg xmlns="http://www.w3.org/2000/svg"><path d="{path}"/></svg>'}
    item = {"type": "Annotation", "target": {"source": "x", "selector": selector}}
    (found,) = read(tmp_path / "a.json", json.dumps(item))
    if wanted is not None:
        assert shape(found).symmetric_difference(wanted).area < 0.11 * wanted.length
    elif "T" not in path and "S" not in path:
        assert shape(found).area == pytest.approx(2 / 3 * 100 * 50, rel=0.005)  # a parabola's area is 2/3 of its box's
    else:
        # The second half is the first one turned around its end, so both have the same area.
        ring = found.geometry["coordinates"][0]
        assert shapely.LineString(ring).length == pytest.approx(
            2 * shapely.LineString([p for p in ring if p[0] <= 100 + 1e-9][:-1]).length + 200, rel=0.01
        )


def test_svg_shapes_apart_from_paths():
    drawn = parse_svg(
        '<svg><g><circle cx="5" cy="6" r="2"/></g><rect x="1" y="2" width="3" height="4"/><line x2="3"/></svg>',
        max_vertices=1000,
    )
    circle, rect = (shapely.Polygon(ring) for ring in drawn.rings)
    assert circle.centroid.coords[0] == pytest.approx((5, 6))
    assert rect.equals(shapely.geometry.box(1, 2, 4, 6))
    assert drawn.lines == [[[0.0, 0.0], [3.0, 0.0]]]


def test_selectors_in_percent_and_pages_of_annotations(tmp_path):
    selector = {"type": "FragmentSelector", "value": "xywh=percent:10,20,30,40"}
    annotation = {"type": "Annotation", "id": "https://example.org/1", "target": {"selector": selector}}
    creator = {"type": "Person", "name": "Ada"}
    annotation |= {"creator": creator, "created": "2026-01-01T00:00:00Z", "motivation": "commenting"}
    for form in (annotation, [annotation], {"@context": "http://www.w3.org/ns/anno.jsonld", "items": [annotation]}):
        (item,) = read(tmp_path / "a.json", json.dumps(form), slide=SlideFrame(Size(1000, 500)))
        assert shape(item).bounds == (100, 100, 400, 300)
        assert item.properties["original_id"] == "https://example.org/1"
        assert item.properties["original_author"] == "Ada"
        assert item.properties["w3c"]["motivation"] == "commenting"


def test_negative_polygons_of_camelyon_are_holes(tmp_path):
    text = json.dumps({"positive": [{"name": "a", "vertices": SQUARE}], "negative": [{"name": "b", "vertices": INNER}]})
    (item,) = read(tmp_path / "a.json", text)
    assert shape(item).equals(shapely.Polygon(SQUARE, [INNER]))
    assert item.class_name == "Tumor"
