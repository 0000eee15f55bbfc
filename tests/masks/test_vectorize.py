"""The oracles: the pixels themselves, and shapely's union of one square a pixel."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pathserve.errors import Invalid, TooLarge
from pathserve.masks import rasterize
from pathserve.masks.vectorize import join, last_rows, merge_labels, trace_bands, vectorize

INSTANCES = Path(__file__).resolve().parents[3] / "shared/data/annotations/histolytics/hgsc_nest_inst_mask.npz"

label_images = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)).flatmap(
    lambda s: arrays(np.int32, s[:2], elements=st.integers(0, s[2]))
)


def polygons(traced):
    """One shapely geometry for each object."""
    rings = [
        shapely.linearrings(traced.xy[a:b]) for a, b in zip(traced.ring_starts, traced.ring_starts[1:], strict=False)
    ]
    parts = [
        shapely.Polygon(rings[a], rings[a + 1 : b])
        for a, b in zip(traced.part_starts, traced.part_starts[1:], strict=False)
    ]
    return [shapely.MultiPolygon(parts[a:b]) for a, b in zip(traced.starts, traced.starts[1:], strict=False)]


def drawn(traced, image):
    height, width = image.shape
    return rasterize(polygons(traced), traced.labels, (0, 0, width, height), dtype=image.dtype)


@settings(max_examples=300, deadline=None)
@given(label_images)
def test_drawing_the_outlines_gives_the_image_back(image):
    for merge in (False, True):
        traced = vectorize(image, merge=merge)
        np.testing.assert_array_equal(drawn(traced, image), image)


@settings(max_examples=300, deadline=None)
@given(label_images)
def test_every_region_is_a_valid_polygon_and_equals_the_union_of_its_pixels(image):
    traced = vectorize(image, merge=True)
    found = dict(zip(traced.labels.tolist(), polygons(traced), strict=True))
    assert sorted(found) == sorted(set(image[image != 0].tolist()))
    for label, outline in found.items():
        rows, columns = np.nonzero(image == label)
        union = shapely.union_all(shapely.box(columns, rows, columns + 1, rows + 1))
        assert shapely.is_valid(outline)
        assert shapely.equals(outline, union)
        assert outline.area == len(rows)


@settings(max_examples=300, deadline=None)
@given(label_images, st.lists(st.integers(0, 9), max_size=4))
def test_bands_give_the_regions_of_the_whole(image, cuts):
    bands = np.split(image, sorted(min(cut, len(image)) for cut in cuts))
    parts = list(trace_bands(bands))
    whole = vectorize(image)
    if not len(whole):
        assert parts == []
        return
    shapes = [[shapely.normalize(p).wkt for p in polygons(traced)] for traced in (join(parts), whole)]
    assert sorted(shapes[0]) == sorted(shapes[1])
    np.testing.assert_array_equal(drawn(join(parts), image), image)
    assert last_rows(bands) == {int(v): int(np.nonzero(image == v)[0].max()) for v in np.unique(image) if v}


def test_corners_that_touch():
    checkers = np.indices((6, 6)).sum(axis=0) % 2
    traced = vectorize(checkers)
    assert len(traced) == 18
    assert {p.area for p in polygons(traced)} == {1.0}
    # A ring of pixels that closes over a corner: the hole touches the shell, and is a hole.
    closed = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]])
    (outline,) = polygons(vectorize(closed))
    assert shapely.is_valid(outline)
    assert [len(part.interiors) for part in outline.geoms] == [1]
    # Two holes that touch in a corner are two.
    (outline,) = polygons(vectorize(np.pad(np.eye(2, dtype=int) ^ 1, 1, constant_values=1)))
    assert shapely.is_valid(outline)
    assert [len(part.interiors) for part in outline.geoms] == [2]


def test_shells_and_holes_turn_opposite_ways_and_straight_sides_have_no_vertices():
    ring = np.ones((5, 7), np.uint8)
    ring[1:4, 2:5] = 0
    traced = vectorize(ring)
    shell, hole = [[0, 0], [7, 0], [7, 5], [0, 5], [0, 0]], [[5, 1], [2, 1], [2, 4], [5, 4], [5, 1]]
    assert traced.xy.tolist() == shell + hole
    assert traced.ring_starts.tolist() == [0, 5, 10]
    assert traced.part_starts.tolist() == [0, 2]
    assert traced.starts.tolist() == [0, 1]


@pytest.mark.usefixtures("shared_data")
def test_a_real_instance_mask():
    image = np.load(INSTANCES)["nuc_raster"]
    traced = vectorize(image, merge=True)
    labels, counts = np.unique(image[image != 0], return_counts=True)
    np.testing.assert_array_equal(traced.labels, labels)
    np.testing.assert_array_equal([p.area for p in polygons(traced)], counts)
    np.testing.assert_array_equal(drawn(traced, image), image)


def test_extreme_labels_and_types():
    for dtype, value in ((np.bool_, 1), (np.uint8, 255), (np.int32, -5), (np.uint32, 2**32 - 1), (np.int64, 2**62)):
        assert vectorize(np.full((2, 2), value, dtype)).labels.tolist() == [value]
    assert len(vectorize(np.zeros((3, 3), np.int8))) == 0
    assert len(vectorize(np.zeros((0, 3), np.int8))) == 0


def test_memory_follows_what_is_unfinished():
    """A band sees only what the one before it left open."""
    band = np.zeros((4, 200_000), np.uint8)
    band[1:3, ::2] = 1
    assert sum(len(traced) for traced in trace_bands([band] * 3, max_runs=200_000)) == 300_000
    with pytest.raises(TooLarge):
        list(trace_bands([band], max_runs=199_999))
    through = np.zeros((4, 10), np.uint8)
    through[:, ::2] = 1
    with pytest.raises(TooLarge):
        list(trace_bands([through] * 3, max_runs=50))


def test_what_is_no_label_image():
    with pytest.raises(Invalid):
        vectorize(np.zeros((2, 2)))  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        vectorize(np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(Invalid):
        list(trace_bands([np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8)]))


def test_merging_keeps_the_regions_of_a_label_together():
    image = np.array([[2, 0, 1], [0, 0, 0], [1, 0, 2]])
    merged = merge_labels(vectorize(image))
    assert merged.labels.tolist() == [1, 2]
    assert np.diff(merged.starts).tolist() == [2, 2]
