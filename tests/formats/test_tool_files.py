"""Files of other tools, against what lxml, json and shapely say of them."""

import csv
import json
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import lxml.etree
import pytest
import shapely.geometry
from shapely import affinity

from pathserve.formats import registry
from pathserve.formats.contract import HEAD_BYTES, ReadContext, SlideFrame
from pathserve.geometry import Mpp, Size
from pathserve.labels import FeatureIssue, NewAnnotation

BGR_GREEN, BGR_ORANGE = (0, 255, 0), (255, 247, 85)


def imported(
    path: Path, slide: SlideFrame | None = None, **options: str
) -> tuple[str, list[NewAnnotation], list[FeatureIssue], dict[str, int]]:
    with path.open("rb") as file:
        known = registry.recognise(file.read(HEAD_BYTES))
    assert known.read is not None
    context = ReadContext(slide=slide or SlideFrame(), options=options)
    items = list(known.read(path, context))
    good = [item for item in items if isinstance(item, NewAnnotation)]
    bad = [item for item in items if isinstance(item, FeatureIssue)]
    return known.name, good, bad, {code: count for code, _, count in context.losses.items()}


def shape(annotation: NewAnnotation) -> Any:
    return shapely.geometry.shape(annotation.geometry)


@pytest.mark.parametrize("name", ["asap-polygon.xml", "asap-pointset.xml"])
def test_asap(shared_data, name):
    path = shared_data / "annotations" / "asap" / name
    known, (found,), bad, losses = imported(path)
    vertices = [(float(c.get("X")), float(c.get("Y"))) for c in lxml.etree.parse(str(path)).iter("Coordinate")]
    assert (known, bad, losses) == ("asap", [], {})
    assert found.class_name is None
    assert found.properties == {"name": "Annotation 0"}
    if name == "asap-pointset.xml":
        assert shape(found).equals_exact(shapely.geometry.MultiPoint(vertices))
    else:
        assert shape(found).equals_exact(shapely.geometry.Polygon(vertices))


def test_imagescope(shared_data):
    path = shared_data / "annotations" / "aperio" / "CMU-1-JP2K-33005.xml"
    known, found, bad, losses = imported(path)
    regions = [
        [(float(v.get("X")), float(v.get("Y"))) for v in region.iter("Vertex")]
        for region in lxml.etree.parse(str(path)).iter("Region")
    ]
    assert (known, bad, losses) == ("imagescope", [], {"curve_flattened": 1})
    assert [item.class_name for item in found] == [None, "Necrosis", "Fold", None]
    assert {item.class_color for item in found} == {BGR_GREEN}
    for item, vertices in zip(found[:3], regions, strict=False):
        assert shape(item).equals_exact(shapely.geometry.Polygon(vertices))
    # The last one is an ellipse by the ends of its axes, which stand for its box.
    xs, ys = zip(*regions[3], strict=True)
    rx, ry = (max(xs) - min(xs)) / 2, (max(ys) - min(ys)) / 2
    assert shape(found[3]).area == pytest.approx(math.pi * rx * ry, rel=0.003)
    assert shape(found[3]).bounds == pytest.approx((min(xs), min(ys), max(xs), max(ys)))
    assert found[1].properties["measurements"]["AreaMicrons"] == 13560170.4
    assert found[1].properties["imagescope"]["region"]["Id"] == "2"
    assert found[1].properties["shape"] == "rectangle"


def test_halo_with_negative_regions(shared_data):
    path = shared_data / "annotations" / "halo" / "halo_holes.annotations"
    known, found, bad, losses = imported(path)
    outlines = []
    for region in lxml.etree.parse(str(path)).iter("Region"):
        points = [(float(v.get("X")), float(v.get("Y"))) for v in region.iter("V")]
        made: Any = (
            shapely.geometry.Polygon(points) if len(points) > 2 else shapely.geometry.box(*points[0], *points[1])
        )
        if region.get("Type") == "Ellipse":
            (x0, y0), (x1, y1) = points
            circle = shapely.geometry.Point((x0 + x1) / 2, (y0 + y1) / 2).buffer(1, quad_segs=512)
            made = affinity.scale(circle, (x1 - x0) / 2, (y1 - y0) / 2)
        outlines.append((region.get("NegativeROA") == "1", made))
    positive = [made for negative, made in outlines if not negative]
    negative = [made for is_negative, made in outlines if is_negative]
    assert (known, bad, losses) == ("halo", [], {"curve_flattened": 3})
    assert len(found) == len(positive) == 4
    for item, made in zip(found, positive, strict=True):
        inside = [hole for hole in negative if made.contains(hole)]
        assert len(shape(item).interiors) == len(inside)
        area = made.area - sum(hole.area for hole in inside)
        assert shape(item).area == pytest.approx(area, rel=2e-5)
    assert sum(len(shape(item).interiors) for item in found) == len(negative) == 6
    assert {(item.class_name, item.class_color) for item in found} == {("Layer 1", BGR_ORANGE)}


@pytest.mark.parametrize("name", ["Tumor_001.json", "Tumor_009.json", "Tumor_042.json"])
def test_camelyon_contours(shared_data, name):
    path = shared_data / "annotations" / "camelyon16-ncrf" / name
    known, found, bad, losses = imported(path)
    given = json.loads(path.read_text())
    assert (known, bad, losses) == ("camelyon", [], {})
    assert given["negative"] == []
    assert [item.properties["name"] for item in found] == [polygon["name"] for polygon in given["positive"]]
    assert {item.class_name for item in found} == {"Tumor"}
    for item, polygon in zip(found, given["positive"], strict=True):
        assert shape(item).equals_exact(shapely.geometry.Polygon(polygon["vertices"]))


def test_dlup(shared_data):
    path = shared_data / "annotations" / "dlup" / "dlup_xml_example.xml"
    known, found, bad, losses = imported(path)
    root = lxml.etree.parse(str(path)).getroot()
    assert (known, bad, losses) == ("dlup", [], {"metadata_dropped": 1})
    listed = [child for list_of in root if list_of.tag in ("Geometries", "RegionsOfInterest") for child in list_of]
    assert [item.class_name for item in found] == [child.get("label") for child in listed]
    assert [item.properties.get("roi", False) for item in found] == [
        child.getparent().tag != "Geometries" for child in listed
    ]
    assert [item.geometry["type"] for item in found] == [
        *("MultiPolygon", "Polygon", "Polygon", "Point", "Point", "Polygon", "Polygon")
    ]
    vertices = [(float(p.get("x")), float(p.get("y"))) for p in root.iter("Point")]
    boxes = [[float(b.get(n)) for n in ("xMin", "yMin", "xMax", "yMax")] for b in root.iter("Box")]
    # The one interior of the file is not closed; closing it repeats its first position.
    expected = (
        math.fsum(map(sum, vertices)) + sum(3 * x0 + 2 * x1 + 3 * y0 + 2 * y1 for x0, y0, x1, y1 in boxes) + 4 + 5
    )
    assert math.fsum(n for item in found for p in _positions(item.geometry) for n in p) == pytest.approx(expected)
    assert found[1].class_color == (255, 87, 51)


def _positions(geometry: Any) -> list[list[float]]:
    found: list[list[float]] = []
    waiting = [geometry["coordinates"]]
    while waiting:
        item = waiting.pop()
        if isinstance(item[0], list):
            waiting += item
        else:
            found.append(item)
    return found


def test_histomicsui(shared_data):
    folder = shared_data / "annotations" / "dsa"
    known, (point, outline), bad, losses = imported(folder / "sample.anot")
    given = json.loads((folder / "sample.anot").read_text())["elements"]
    assert (known, bad, losses) == ("dsa", [], {})
    assert point.geometry["coordinates"] == given[0]["center"][:2]
    assert shape(outline).equals_exact(shapely.geometry.Polygon([p[:2] for p in given[1]["points"]]))
    assert outline.properties["dsa"]["lineWidth"] == 2
    assert outline.properties["dsa"]["annotation"] == {"name": "Sample"}

    known, (rectangle, point), bad, losses = imported(folder / "sample_annotation.json")
    given = json.loads((folder / "sample_annotation.json").read_text())["elements"]
    assert (known, bad, losses) == ("dsa", [], {})
    assert shape(rectangle).area == pytest.approx(given[0]["width"] * given[0]["height"])
    assert shape(rectangle).centroid.coords[0] == pytest.approx(tuple(given[0]["center"][:2]))
    assert point.geometry["coordinates"] == given[1]["center"][:2]


def test_ome_xml(shared_data):
    folder = shared_data / "annotations" / "ome-xml"
    known, found, bad, losses = imported(folder / "ROI.ome.xml")
    assert (known, bad, losses) == ("omexml", [], {"parts_split": 2, "mask_traced": 1})
    assert [item.properties["ome"]["shape"]["ID"] for item in found] == [f"Shape:{i}" for i in (1, 2, 5, 3, 4, 6, 7)]
    assert [item.geometry["type"] for item in found] == [
        *("Point", "Point", "LineString", "Polygon", "Point", "Polygon", "MultiPolygon")
    ]
    assert shape(found[3]).equals(shapely.geometry.box(1, 2, 4, 6))
    assert shape(found[5]).equals(shapely.geometry.box(3.82, 2.21, 5.32, 3.71))
    # AOnpAA== is 0, 233, 233, 0: a 2 x 2 mask at (1, 1) with two pixels set, moved by (2, 2).
    pixels = [shapely.geometry.box(4, 3, 5, 4), shapely.geometry.box(3, 4, 4, 5)]
    assert shape(found[6]).normalize() == shapely.geometry.MultiPolygon(pixels).normalize()

    path = folder / "transformations-upgrade.ome.xml"
    _, found, bad, losses = imported(path)
    root = lxml.etree.parse(str(path)).getroot()
    shapes = [child for union in root.iter("{*}Union") for child in union]
    assert (len(found), bad, losses) == (len(shapes), [], {"parts_split": 2})
    corners = [(x, y) for x, y in ((1, 2), (4, 2), (4, 6), (1, 6))]
    moved = [(10 * x + 30 * y + 50, 20 * x + 40 * y + 60) for x, y in corners]
    assert shape(found[2]).equals_exact(shapely.geometry.Polygon(moved))
    for item, drawn in zip(found, shapes, strict=True):
        points = drawn.get("Points")
        if points is not None:
            numbers = [float(n) for n in points.replace(",", " ").split()]
            given = _positions(item.geometry)
            unique = given[:-1] if item.geometry["type"] == "Polygon" else given
            assert math.fsum(n for p in unique for n in p) == pytest.approx(math.fsum(numbers))


def test_w3c(shared_data):
    path = shared_data / "annotations" / "w3c" / "annotations.w3c.json"
    known, (box, outline, point), bad, losses = imported(path)
    assert (known, bad, losses) == ("w3c", [], {})
    assert shape(box).equals(shapely.geometry.box(273, 171, 273 + 123, 171 + 94))
    given = json.loads(path.read_text())
    text = given[1]["target"]["selector"][0]["value"].split("points='")[1].split("'")[0]
    ring = [tuple(float(n) for n in pair.split(",")) for pair in text.split()]
    assert shape(outline).equals_exact(shapely.geometry.Polygon(ring))
    assert point.geometry == {"type": "Point", "coordinates": [315.0, 150.0]}
    assert [str(item.id) for item in (box, outline, point)] == [item["id"][1:] for item in given]
    assert [item.class_name for item in (box, outline, point)] == ["Hallstatt", "Church", None]
    assert box.properties["description"] == "It's Hallstatt in Upper Austria"
    assert box.properties["w3c"]["body"] == given[0]["body"]


def test_sectra_tells_how_its_fractions_count_by_the_area_it_states(shared_data):
    path = shared_data / "annotations" / "sectra" / "pathologycore-area.json"
    given = json.loads(path.read_text())
    ring = [(p["x"], p["y"]) for p in given["content"]]
    unit = shapely.geometry.Polygon(ring).area
    # A slide on which 5.33 square millimetres are what the outline covers when both axes count in widths.
    width = math.sqrt(5.33e6 / unit) / 0.25
    slide = SlideFrame(Size(round(width), round(width / 3)), Mpp(0.25, 0.25))
    known, (found,), bad, losses = imported(path, slide)
    assert (known, bad, losses) == ("sectra", [], {"fractions_told": 1})
    assert shape(found).area * 0.25**2 == pytest.approx(5.33e6, rel=0.001)
    assert shape(found).bounds[2] == pytest.approx(max(x for x, _ in ring) * round(width))
    assert found.properties["original_author"] == given["modifiedInfo"]
    assert found.properties["original_id"] == given["id"]

    other = SlideFrame(Size(1000, 800), Mpp(0.25, 0.25))
    _, none, (issue,), _ = imported(path, other)
    assert (none, issue.code) == ([], "fractions_needed")
    _, (own,), _, _ = imported(path, other, fractions="own")
    assert shape(own).area == pytest.approx(unit * 1000 * 800)


def test_histomicstk_contours(shared_data):
    path = shared_data / "annotations" / "histomicstk" / "sample_contours_df.tsv"
    known, found, bad, losses = imported(path)
    csv.field_size_limit(sys.maxsize)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert (known, bad) == ("histomicstk", [])
    assert losses == {"holes_missing": sum(row["has_holes"] == "1.0" for row in rows)}
    assert Counter(item.class_name for item in found) == Counter(row["group"] for row in rows)
    for item, row in zip(found, rows, strict=True):
        ring = list(zip(map(int, row["coords_x"].split(",")), map(int, row["coords_y"].split(",")), strict=True))
        assert shape(item).equals_exact(shapely.geometry.Polygon(ring))
        box = [float(row[name]) for name in ("xmin", "ymin", "xmax", "ymax")]
        assert list(shape(item).bounds) == box
    assert found[0].class_color == (200, 0, 150)


def test_a_table_of_patches_becomes_points(shared_data):
    path = shared_data / "annotations" / "tiatoolbox" / "sample_patch_extraction.json"
    known, found, bad, losses = imported(path)
    given = json.loads(path.read_text())
    assert (known, bad, losses) == ("patches", [], {})
    assert [item.geometry["coordinates"] for item in found] == [[given["x"][k], given["y"][k]] for k in given["x"]]
    assert {item.class_name for item in found} == {"0"}


def test_class_tables_are_refused_with_a_reason(shared_data):
    path = shared_data / "annotations" / "histomicstk" / "sample_GTcodes.csv"
    with pytest.raises(Exception, match="table of texts"):
        registry.recognise(path.read_bytes()[:HEAD_BYTES])
