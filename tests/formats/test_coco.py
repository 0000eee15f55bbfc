"""COCO. The oracles: pycocotools, shapely, and the pixels of drawn masks."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import coco as pycoco
from pycocotools import mask as cocomask
from shapely.geometry import shape

from pathserve.errors import Invalid, PathServeError, TooLarge
from pathserve.formats import json_members, registry
from pathserve.formats.contract import HEAD_BYTES, ReadContext, SlideFrame, WriteContext
from pathserve.formats.rasters.coco import COCO
from pathserve.formats.rasters.rle import check_counts, count_mask, draw_counts, parse_counts, write_counts
from pathserve.geometry import Size
from pathserve.labels import AnnotationClass, ClassSchema, Columns, FeatureIssue, NewAnnotation
from pathserve.masks import rasterize

MIDOG = Path(__file__).resolve().parents[3] / "shared/data/annotations/coco/MIDOG++_human.json"
SQUARE = [[1.0, 1.0], [30.5, 1.0], [30.5, 20.0], [1.0, 20.0], [1.0, 1.0]]
HOLE = [[5.0, 5.0], [5.0, 9.0], [9.0, 9.0], [9.0, 5.0], [5.0, 5.0]]
FAR = [[x + 40.1, y + 30] for x, y in SQUARE]
SCHEMA = ClassSchema((AnnotationClass("Tumor", (200, 0, 0), 3),))

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda size: arrays(np.bool_, size))


def sample():
    geometries = [
        {"type": "Polygon", "coordinates": [SQUARE]},
        {"type": "Polygon", "coordinates": [SQUARE, HOLE]},
        {"type": "MultiPolygon", "coordinates": [[SQUARE], [FAR]]},
        {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [FAR]]},
        {"type": "MultiPolygon", "coordinates": [[FAR]]},
        {"type": "Point", "coordinates": [3.5, 4.5]},
        {"type": "LineString", "coordinates": [[3.5, 4.5], [8.0, 9.0]]},
        {"type": "Polygon", "coordinates": [SQUARE], "plane": {"z": 1}},
    ]
    return [
        NewAnnotation(
            geometry,
            id=UUID(int=5000 + place),
            class_name=["Tumor", None, "new"][place % 3],
            properties={"score": 0.5, "id": "an own property", "bbox": 1, "measurements": {"a": None}}
            if place % 2
            else {},
        )
        for place, geometry in enumerate(geometries)
    ]


def write(annotations, **options):
    out = io.BytesIO()
    context = WriteContext(SlideFrame(Size(100, 80)), schema=SCHEMA, options=options)
    COCO.write(iter([Columns.of(annotations)] if annotations else []), out, context)
    return out.getvalue(), {code: count for code, _, count in context.losses.items()}


def read(path, data=None, **options):
    if data is not None:
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    context = ReadContext(options=options)
    return list(COCO.read(path, context)), context


def peer(path):
    with redirect_stdout(io.StringIO()):
        return pycoco.COCO(str(path))


def file_of(*annotations, **image):
    return {
        "images": [{"id": 1, "file_name": "x", "width": 100, "height": 80, **image}],
        "categories": [{"id": 2, "name": "Tumor", "color": [1, 2, 3]}],
        "annotations": [{"id": 7, "image_id": 1, "category_id": 2, **annotation} for annotation in annotations],
    }


@pytest.mark.parametrize("rle", ["none", "holes", "all"])
def test_our_own_export_comes_back_whole(tmp_path, rle):
    data, losses = write(sample(), rle=rle)
    assert registry.recognise(data[:HEAD_BYTES]) is COCO
    found, context = read(tmp_path / "file", data)
    assert found == sample()
    assert context.losses.items() == []
    assert context.colors == {"Tumor": (200, 0, 0)}
    assert losses.get("holes_dropped", 0) == (2 if rle == "none" else 0)
    assert losses.get("rasterized", 0) == {"none": 0, "holes": 2, "all": 6}[rle]
    assert losses["no_area"] == 2


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # their own, with numpy 2
@pytest.mark.parametrize("rle", ["none", "all"])
def test_pycocotools_opens_our_export(tmp_path, rle):
    path = tmp_path / "file"
    path.write_bytes(write(sample(), rle=rle)[0])
    opened = peer(path)
    assert [opened.cats[c]["name"] for c in sorted(opened.cats)] == ["unclassified", "Tumor", "new"]
    (image,) = opened.imgs.values()
    assert (image["width"], image["height"]) == (100, 80)
    for annotation, ours in zip(opened.loadAnns(opened.getAnnIds()), sample(), strict=True):
        if ours.geometry["type"] in ("Point", "LineString"):
            continue
        if rle == "all":
            expected = rasterize([ours.geometry], [1], (0, 0, 100, 80))
            np.testing.assert_array_equal(opened.annToMask(annotation), expected)
        assert annotation["area"] == shape(ours.geometry).area
        x0, y0, x1, y1 = shape(ours.geometry).bounds
        assert annotation["bbox"] == [x0, y0, x1 - x0, y1 - y0]


@settings(max_examples=200, deadline=None)
@given(masks)
def test_run_length_codes_equal_those_of_pycocotools(mask):
    height, width = mask.shape
    theirs = cocomask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    counts = count_mask(mask, 0, 0, height, width)
    assert write_counts(counts) == theirs
    np.testing.assert_array_equal(parse_counts(theirs), counts)
    drawn, left, top = draw_counts(check_counts(counts, height, width), height)
    whole = np.zeros_like(mask)
    whole[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    np.testing.assert_array_equal(whole, mask)


@settings(max_examples=100, deadline=None)
@given(masks, st.integers(-3, 6), st.integers(-3, 6), st.integers(1, 14), st.integers(1, 14))
def test_a_part_of_a_mask_is_cut_at_the_edges_of_its_picture(mask, column, row, height, width):
    whole = np.zeros((height + 40, width + 40), np.bool_)
    whole[row + 20 : row + 20 + mask.shape[0], column + 20 : column + 20 + mask.shape[1]] = mask
    expected = whole[20 : 20 + height, 20 : 20 + width]
    theirs = cocomask.encode(np.asfortranarray(expected.astype(np.uint8)))["counts"]
    assert write_counts(count_mask(mask, column, row, height, width)) == theirs


@given(st.lists(st.integers(0, 2**45), min_size=1, max_size=30))
def test_large_lengths_survive_the_text_form(lengths):
    counts = np.array(lengths, np.int64)
    np.testing.assert_array_equal(parse_counts(write_counts(counts)), counts)


@pytest.mark.parametrize("compressed", [False, True])
def test_masks_become_the_outlines_of_their_pixels(tmp_path, compressed):
    mask = np.zeros((80, 100), np.uint8)
    mask[10:30, 20:50] = 1
    mask[15:20, 25:30] = 0
    mask[30:40, 50:60] = 1
    counts = count_mask(mask.astype(bool), 0, 0, 80, 100)
    code = cocomask.encode(np.asfortranarray(mask))["counts"].decode() if compressed else counts.tolist()
    found, _ = read(tmp_path / "file", file_of({"segmentation": {"size": [80, 100], "counts": code}, "iscrowd": 1}))
    np.testing.assert_array_equal(rasterize([found[0].geometry], [1], (0, 0, 100, 80)), mask)
    assert found[0].class_name == "Tumor"
    assert found[0].properties == {"iscrowd": 1, "original_id": 7}


def test_polygons_and_boxes(tmp_path):
    triangle = [0, 0, 10, 0, 10, 10.5]
    found, context = read(
        tmp_path / "file",
        file_of(
            {"segmentation": [triangle], "score": 0.5, "labels": [1, 2]},
            {"segmentation": [triangle, [50, 50, 60, 50, 60, 60, 50, 50]]},
            {"bbox": [1.5, 2, 3, 4]},
            {"segmentation": [], "bbox": [1, 2, 3, 4], "area": 12},
        ),
    )
    assert found[0].geometry == {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 10.5], [0, 0]]]}
    assert found[0].properties == {"score": 0.5, "labels": [1, 2], "original_id": 7}
    assert found[1].geometry["coordinates"][1] == [[[50, 50], [60, 50], [60, 60], [50, 50]]]
    assert shape(found[2].geometry).bounds == (1.5, 2, 4.5, 6)
    assert shape(found[3].geometry).bounds == (1, 2, 4, 6)
    assert context.colors == {"Tumor": (1, 2, 3)}


def test_a_name_that_looks_like_json_is_a_name(tmp_path):
    ring = [[[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 0.0]]]
    given = [
        NewAnnotation({"type": "Polygon", "coordinates": ring}, class_name=name) for name in ('{"a":1}', '{"name":"b"}')
    ]
    found, _ = read(tmp_path / "file", write(given)[0])
    assert [a.class_name for a in found] == [a.class_name for a in given]
    assert [a.properties.get("classification") for a in found] == [None, None]


def test_which_image_is_never_guessed(tmp_path):
    given = file_of({"bbox": [1, 2, 3, 4]})
    given["images"].append({"id": 2, "file_name": "y"})
    given["annotations"].append({"id": 8, "image_id": 2, "category_id": 2, "bbox": [5, 5, 1, 1]})
    with pytest.raises(Invalid) as caught:
        read(tmp_path / "file", given)
    assert caught.value.code == "choose_image"
    for choice, count in (("1", 7), ("x", 7), ("2", 8), ("y", 8)):
        found, _ = read(tmp_path / "file", given, image=choice)
        assert [item.properties["original_id"] for item in found] == [count]
    with pytest.raises(Invalid):
        read(tmp_path / "file", given, image="3")


@pytest.mark.usefixtures("shared_data")
def test_a_real_data_set_whose_boxes_are_corners():
    assert registry.recognise(MIDOG.read_bytes()[:HEAD_BYTES]) is COCO
    with pytest.raises(Invalid) as caught:
        read(MIDOG)
    assert "304 images" in caught.value.message
    with pytest.raises(Invalid) as caught:
        read(MIDOG, image="1")
    assert caught.value.code == "bbox_unclear"
    content = json.loads(MIDOG.read_bytes())
    names = {category["id"]: category["name"] for category in content["categories"]}
    total = 0
    for image in content["images"][:12]:
        expected = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        found, context = read(MIDOG, image=str(image["id"]), bbox="xyxy")
        assert [list(shape(item.geometry).bounds) for item in found] == [a["bbox"] for a in expected]
        assert [item.class_name for item in found] == [names[a["category_id"]] for a in expected]
        assert [item.properties["labels"] for item in found] == [a["labels"] for a in expected]
        total += len(found)
        assert context.losses.items() == []
    assert total > 100


def test_what_is_wrong_with_single_annotations(tmp_path):
    rle = {"size": [80, 100], "counts": [8000]}
    cases = [
        ({"segmentation": [[0, 0, 1, 1]]}, "bad_polygon"),
        ({"segmentation": [[0, 0, 1, 1, 2, "x"]]}, "bad_polygon"),
        ({"segmentation": {**rle, "counts": [2**60, 2**60]}}, "bad_rle"),
        ({"segmentation": {**rle, "counts": [2**60] * 16 + [8000]}}, "bad_rle"),
        ({"segmentation": {**rle, "counts": [-1, 8001]}}, "bad_rle"),
        ({"segmentation": {**rle, "counts": [0.5]}}, "bad_rle"),
        ({"segmentation": {**rle, "counts": []}}, "bad_rle"),
        ({"segmentation": {**rle, "counts": "é"}}, "bad_rle"),
        ({"segmentation": {**rle, "counts": "o" * 40}}, "bad_rle"),
        ({"segmentation": {**rle, "counts": "0" * 9}}, "bad_rle"),
        ({"segmentation": {"size": [10**9, 10**9], "counts": [0, 10**18]}}, "bad_rle"),
        ({"segmentation": {"size": [10**6, 10**6], "counts": [0, 10**12]}}, "mask_too_large"),
        ({"segmentation": {"size": "x", "counts": [1]}}, "bad_rle"),
        ({"segmentation": rle}, "empty_mask"),
        ({"segmentation": None}, "no_geometry"),
        ({"bbox": [1, 2, 3]}, "no_geometry"),
        ({"bbox": [1, 2, 3, 4], "category_id": 9}, "no_category"),
        ({"bbox": [1, 2, 3, 4], "category_id": [2]}, "no_category"),
        ({"bbox": [1, 2, 3, 4], "exhaustive": 7}, "bad_exhaustive"),
    ]
    found, _ = read(tmp_path / "file", file_of(*(case for case, _ in cases)))
    assert [item.code if isinstance(item, FeatureIssue) else None for item in found] == [code for _, code in cases]


def test_what_is_wrong_with_the_file(tmp_path):
    good = json.dumps(file_of({"bbox": [1, 2, 3, 4]}, {"bbox": [1, 2, 3, 4]})).encode()
    for cut in range(1, len(good) - 1, 7):
        with pytest.raises(Invalid):
            read(tmp_path / "file", good[:cut])
    for bad in (
        b"[]",
        b"{",
        b'{"a" 1}',
        b'{"images":[{"id":1}{"id":2}]}',
        b'{"images":[1]}',
        b'{"images":[,]}',
        b"{1:2}",
    ):
        with pytest.raises(Invalid):
            read(tmp_path / "file", bad)
    with pytest.raises(PathServeError):
        read(tmp_path / "file", b'{"images":' + b"[" * 100_000)


def test_memory_and_limits(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text(json.dumps(file_of(*[{"bbox": [1, 2, 3, 4], "pad": "x" * 200}] * 3000)))
    monkeypatch.setattr(json_members, "BLOCK_BYTES", 1000)
    assert len(read(path)[0]) == 3000
    monkeypatch.setattr(json_members, "MAX_ITEM_BYTES", 200)
    with pytest.raises(TooLarge):
        read(path)
    monkeypatch.undo()
    with pytest.raises(TooLarge):
        list(COCO.read(path, ReadContext(max_features=2999)))


def test_nothing_to_write(tmp_path):
    data, _ = write([])
    assert read(tmp_path / "file", data)[0] == []
    with pytest.raises(Invalid):
        write([], rle="some")
