"""Masks and pairs over HTTP against shapely on pixel centres."""

import io
import itertools

import numpy as np
import orjson
import pytest
import shapely
from PIL import Image


def feature(ring, name="Tumour", **properties):
    shape = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    if name:
        properties["classification"] = {"name": name, "color": [200, 0, 0]}
    return {"type": "Feature", "geometry": shape, "properties": properties}


A = [[100.3, 100.7], [180.2, 110], [170.9, 190.1], [95, 160]]
B = [[150.6, 130.2], [230.4, 140.1], [200.5, 220.9]]
EVERYTHING = {"x": 80, "y": 90, "width": 170, "height": 150}


def inside(ring, x=80.0, y=90.0, width=170, height=150, d=1.0):
    xs, ys = np.meshgrid(x + (np.arange(width) + 0.5) * d, y + (np.arange(height) + 0.5) * d)
    return shapely.contains_xy(shapely.Polygon(ring), xs, ys)


@pytest.fixture
def annotated(site):
    client = site.client("annotator")
    body = {"type": "FeatureCollection", "features": [feature(A, "Stroma"), feature(B, "Tumour")]}
    assert client.post(f"/api/slides/{site.slide}/annotations", json=body).json()["created"] == 2
    return site


def get(site, what="mask", **query):
    answer = site.client("viewer").get(f"/api/slides/{site.slide}/{what}", params=EVERYTHING | query)
    assert answer.status_code == 200, answer.text
    return answer


def mask(site, **query) -> np.ndarray:
    return np.load(io.BytesIO(get(site, format="npy", **query).content), allow_pickle=False)


def test_semantic_masks_have_no_pixel_that_differs_from_shapely(annotated) -> None:
    for d in (1.0, 0.37, 2.9):
        expected = np.where(inside(B, d=d), 2, np.where(inside(A, d=d), 1, 0))
        got = mask(annotated, downsample=d)
        assert got.dtype == np.uint8
        assert np.array_equal(got, expected), d
    picture = Image.open(io.BytesIO(get(annotated).content))
    assert np.array_equal(np.asarray(picture), np.where(inside(B), 2, np.where(inside(A), 1, 0)))


def test_priority_decides_before_age(annotated) -> None:
    schema = annotated.services.classes
    schema.set("default", [type(c)(c.name, c.color, c.value, int(c.name == "Stroma")) for c in schema.of("default")])
    assert np.array_equal(mask(annotated), np.where(inside(A), 1, np.where(inside(B), 2, 0)))


def test_an_edit_comes_to_lie_on_top(annotated) -> None:
    client = annotated.client("annotator")
    first = client.get(f"/api/slides/{annotated.slide}/annotations").json()["features"][0]
    client.put(f"/api/annotations/{first['id']}", json=first, headers={"if-match": '"r1"'})
    assert np.array_equal(mask(annotated), np.where(inside(A), 1, np.where(inside(B), 2, 0)))
    assert np.array_equal(mask(annotated, as_of=1), np.where(inside(B), 2, np.where(inside(A), 1, 0)))


def test_tiles_put_together_are_the_whole(annotated) -> None:
    for kind in ("semantic", "instance", "boundary", "distance", "coverage"):
        whole = mask(annotated, kind=kind)
        parts = np.zeros_like(whole)
        for left, top in itertools.product(range(0, 170, 34), range(0, 150, 50)):
            part = mask(annotated, kind=kind, x=80 + left, y=90 + top, width=34, height=50)
            parts[top : top + 50, left : left + 34] = part
        assert np.array_equal(parts, whole), kind


def test_kinds(annotated) -> None:
    numbers = mask(annotated, kind="instance")
    assert numbers.dtype == np.uint32
    assert np.array_equal(numbers, np.where(inside(B), 2, np.where(inside(A), 1, 0)))
    covered = mask(annotated, kind="coverage")
    union = shapely.union(shapely.Polygon(A), shapely.Polygon(B))
    assert covered.dtype == np.float32
    assert covered.sum() == pytest.approx(union.area, rel=1e-4)
    far = mask(annotated, kind="distance")
    assert far.dtype == np.float32
    row, col = np.unravel_index(np.argmax(np.where(inside(A) & ~inside(B), far, 0)), far.shape)
    centre = shapely.Point(80 + col + 0.5, 90 + row + 0.5)
    assert far[row, col] == pytest.approx(shapely.Polygon(A).exterior.distance(centre), abs=1e-3)
    edge = mask(annotated, kind="boundary")
    assert edge.dtype == np.uint8
    assert set(np.unique(edge)) == {0, 1}


def test_filters_are_those_of_annotations(annotated) -> None:
    assert np.array_equal(mask(annotated, **{"class": "Stroma"}), inside(A).astype(np.uint8))
    both = mask(annotated, **{"class": ["Stroma", "Tumour"]})
    assert np.array_equal(both > 0, inside(A) | inside(B))
    assert not mask(annotated, layer="nobody").any()
    assert not mask(annotated, **{"class": "nothing"}).any()
    assert not mask(annotated, as_of=0).any()


def test_outside_of_exhaustive_areas_nothing_is_known(annotated) -> None:
    client = annotated.client("annotator")
    path = f"/api/slides/{annotated.slide}/annotations"
    area = [[90, 95], [160, 95], [160, 200], [90, 200]]
    client.post(path, json=feature(area, None, exhaustive=True))
    known = inside(area)
    drawn = np.where(inside(B), 2, np.where(inside(A), 1, 0))
    assert np.array_equal(mask(annotated), np.where(known, drawn, 255))
    assert np.array_equal(mask(annotated, **{"class": "Stroma"}), np.where(known, inside(A), 255))
    assert (mask(annotated, x=1000, y=1000) == 255).all()
    assert not mask(annotated, x=1000, y=1000, as_of=1).any()
    assert np.array_equal(mask(annotated, kind="instance") > 0, drawn > 0)


def test_points_and_lines_leave_no_trace(site) -> None:
    client = site.client("annotator")
    for geometry in (
        {"type": "Point", "coordinates": [100, 100]},
        {"type": "LineString", "coordinates": [[90, 90], [200, 200]]},
    ):
        client.post(
            f"/api/slides/{site.slide}/annotations", json={"type": "Feature", "geometry": geometry, "properties": {}}
        )
    assert not mask(site, kind="instance").any()


def test_a_pair_is_image_mask_and_classes_and_always_the_same_bytes(annotated) -> None:
    answer = get(annotated, "pair", downsample=1.5)
    assert answer.content == get(annotated, "pair", downsample=1.5).content
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as members:
        assert set(members) == {"image", "mask", "classes"}
        region = get(annotated, "region", downsample=1.5, format="npy")
        assert np.array_equal(members["image"], np.load(io.BytesIO(region.content)))
        assert np.array_equal(members["mask"], mask(annotated, downsample=1.5))
        assert orjson.loads(str(members["classes"])) == {"Stroma": 1, "Tumour": 2}


@pytest.mark.parametrize("kind", ["distance", "coverage"])
def test_float_kinds_refuse_png(annotated, kind: str) -> None:
    answer = annotated.client().get(
        f"/api/slides/{annotated.slide}/mask", params=EVERYTHING | {"kind": kind, "format": "png"}
    )
    assert answer.status_code == 422
    assert "npy" in answer.json()["detail"]


@pytest.mark.parametrize("query", [{"kind": "x"}, {"format": "jpeg"}, {"width": 0}, {"as_of": 9}, {"colour": 1}])
def test_wrong_questions(annotated, query) -> None:
    answer = annotated.client().get(f"/api/slides/{annotated.slide}/mask", params=EVERYTHING | query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
