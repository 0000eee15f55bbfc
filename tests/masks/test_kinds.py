import numpy as np
import orjson
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon, box, shape

from pathserve.errors import Invalid, TooLarge
from pathserve.geometry import PixelGrid, Region
from pathserve.masks import (
    MaskKind,
    boundary,
    coverage,
    distance,
    dtype_of,
    instance,
    needed_region,
    semantic,
)
from pathserve.masks.raster import axes_of

SQUARE = box(2, 1, 5, 4)
GRID = PixelGrid(0, 0, 8, 6)


@pytest.fixture(scope="module")
def nuclei(sample_field):
    features = orjson.loads(sample_field.with_suffix(".geojson").read_bytes())["features"]
    return [feature["geometry"] for feature in features]


def pixel_boxes(grid):
    columns, rows = np.meshgrid(np.arange(grid.width), np.arange(grid.height))
    x, y = grid.l0_x + columns * grid.downsample_x, grid.l0_y + rows * grid.downsample_y
    return shapely.box(x, y, x + grid.downsample_x, y + grid.downsample_y)


def test_each_kind_has_its_dtype():
    arrays = {
        "semantic": semantic([SQUARE], [1], GRID),
        "instance": instance([SQUARE], [70_000], GRID),
        "boundary": boundary([SQUARE], GRID),
        "distance": distance([SQUARE], GRID),
        "coverage": coverage([SQUARE], GRID),
    }
    assert list(arrays) == list(MaskKind)
    for kind, array in arrays.items():
        assert array.dtype == dtype_of(kind)
        assert array.shape == (6, 8)
        assert array.any()
    with pytest.raises(Invalid, match="semantic, instance"):
        dtype_of("colour")


def test_nothing_gives_nothing():
    line = {"type": "LineString", "coordinates": [[0, 0], [8, 6]]}
    for geometries in ([], [line], [Polygon()], [box(100, 100, 200, 200)]):
        for draw in (boundary, distance, coverage):
            assert not draw(geometries, GRID).any()


def test_outside_exhaustive_areas_is_unknown_even_where_something_is_annotated():
    annotated = [box(0, 0, 2, 2), box(4, 0, 6, 2)]
    whole = semantic(annotated, [1, 2], GRID, exhaustive=[box(3, 0, 8, 4)])
    assert np.all(whole[:, :3] == 255)
    assert np.all(whole[4:] == 255)
    assert np.all(whole[:2, 4:6] == 2)
    assert np.all(whole[2:4, 3:] == 0)
    assert np.all(semantic(annotated, [1, 2], GRID, exhaustive=[]) == 255)
    assert not np.any(semantic(annotated, [1, 2], GRID) == 255)


def test_areas_exhaustive_for_some_classes_say_what_is_there_but_not_what_is_not():
    area = box(3, 0, 8, 4)
    mask = semantic([box(4, 0, 6, 2)], [2], GRID, exhaustive=[], partly_exhaustive=[area])
    assert np.all(mask[:2, 4:6] == 2)
    assert (mask == 255).sum() == 48 - 4
    both = semantic([box(4, 0, 6, 2)], [2], GRID, exhaustive=[area], partly_exhaustive=[area])
    assert (both == 0).sum() == 20 - 4


def test_boundary_marks_both_sides_and_compares_beyond_the_rim():
    mask = boundary([SQUARE, box(5, 1, 7, 4), box(-5, -5, 0, 20)], GRID)
    expected = [
        [1, 0, 1, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 0, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1, 1, 1],
        [1, 0, 1, 1, 1, 1, 1, 0],
        [1, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert mask.tolist() == expected


def test_needed_region_reaches_one_pixel_further_for_boundaries_only():
    grid = PixelGrid(10, 20, 100, 50, 2, 4)
    assert needed_region(grid, "boundary") == Region(8, 16, 204, 208)
    for kind in ("semantic", "instance", "distance", "coverage"):
        assert needed_region(grid, kind) == Region(10, 20, 200, 200)


def test_distance_is_that_to_the_outline_in_level_0_pixels():
    ring = Polygon([(2, 2), (40, 2), (40, 30), (2, 30)], [[(10, 10), (20, 10), (15, 20)]])
    grid = PixelGrid(0, 0, 25, 20, 2, 2)
    x_axis, y_axis = axes_of(grid)
    points = shapely.points(*np.meshgrid(x_axis.centres, y_axis.centres))
    expected = np.where(shapely.contains(ring, points), shapely.distance(ring.boundary, points), 0)
    assert np.allclose(distance([ring], grid), expected, rtol=1e-6)
    assert expected.max() > 8


def test_distance_on_real_nuclei_is_shapelys(nuclei):
    grid = PixelGrid(600, 600, 400, 300)
    shapes = np.array([shape(nucleus) for nucleus in nuclei])
    top = instance(nuclei, range(1, len(nuclei) + 1), grid)
    rows, columns = np.nonzero(top)
    x_axis, y_axis = axes_of(grid)
    points = shapely.points(x_axis.centres[columns], y_axis.centres[rows])
    expected = shapely.distance(shapely.boundary(shapes[top[rows, columns] - 1]), points)
    found = distance(nuclei, grid)
    assert np.allclose(found[rows, columns], expected, rtol=1e-6, atol=1e-6)
    assert not found[top == 0].any()


def test_distance_looks_past_what_lies_on_top():
    below, above = box(0, 0, 100, 100), box(40, 40, 60, 60)
    grid = PixelGrid(0, 0, 100, 100)
    alone, both = distance([below], grid), distance([below, above], grid)
    assert np.array_equal(np.delete(both[:40], [], axis=0), alone[:40])
    assert both[50, 50] == pytest.approx(9.5)
    assert alone[50, 50] == pytest.approx(49.5)


def test_distances_that_would_take_too_long_are_refused(monkeypatch):
    monkeypatch.setattr("pathserve.masks.outline_distance.MAX_PAIRS", 20_000)
    assert distance([SQUARE], GRID).any()
    with pytest.raises(TooLarge):
        distance([shapely.Point(50, 50).buffer(48, quad_segs=200)], PixelGrid(0, 0, 100, 100))


def test_distance_in_small_portions_is_the_same(monkeypatch, nuclei):
    grid = PixelGrid(600, 600, 200, 200)
    whole = distance(nuclei, grid)
    monkeypatch.setattr("pathserve.masks.outline_distance._PAIRS", 300)
    assert np.array_equal(distance(nuclei, grid), whole)


def test_coverage_is_the_area_of_the_union():
    mask = coverage([box(0.25, 0, 2.5, 1), box(2, 0.5, 3, 1), box(2.25, 0, 2.75, 0.75)], PixelGrid(0, 0, 4, 2))
    assert mask.tolist() == [[0.75, 1, 0.5 + 0.5 * 0.5 + 0.25 * 0.5, 0], [0, 0, 0, 0]]


def test_coverage_respects_holes_and_even_odd():
    hole = Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(1, 1), (3, 1), (3, 3), (1, 3)]])
    assert coverage([hole], PixelGrid(0, 0, 2, 2, 2, 2)).tolist() == [[0.75, 0.75], [0.75, 0.75]]
    assert coverage([hole], PixelGrid(0, 0, 1, 1, 8, 8)).tolist() == [[12 / 64]]
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 0], [4, 4], [4, 0], [0, 4], [0, 0]]]}
    assert coverage([bow_tie], PixelGrid(0, 0, 1, 1, 4, 4)).tolist() == [[0.5]]
    with_a_spike = Polygon([(0, 4), (4, 0), (4, 4), (0, 0), (0, -4)])
    assert coverage([with_a_spike], PixelGrid(0, 0, 1, 1, 2, 2)).tolist() == [[0.5]]


def test_coverage_adds_up_to_the_area_of_real_nuclei(nuclei):
    union = shapely.union_all([shape(nucleus) for nucleus in nuclei])
    mask = coverage(nuclei, PixelGrid(0, 0, 1500, 1500))
    assert mask.sum(dtype=np.float64) == pytest.approx(union.area, rel=1e-7)
    grid = PixelGrid(700.5, 650.25, 60, 50, 2.5, 2)
    expected = shapely.area(shapely.intersection(union, pixel_boxes(grid))) / 5
    assert np.allclose(coverage(nuclei, grid), expected, atol=1e-6)


def test_coverage_of_outlines_that_reach_very_far():
    assert np.all(coverage([box(-1e7, -1e7, 1e7, 1e7)], GRID) == 1)
    with pytest.raises(TooLarge):
        coverage([box(-2e7, -1e7, 1e7, 1e7)], GRID)


def test_coverage_in_small_portions_is_the_same(monkeypatch, nuclei):
    grid = PixelGrid(600, 600, 200, 200)
    whole = coverage(nuclei, grid)
    monkeypatch.setattr("pathserve.masks.area_share._PIECES", 300)
    assert np.array_equal(coverage(nuclei, grid), whole)


@pytest.mark.parametrize("draw", [boundary, distance, coverage])
@pytest.mark.parametrize(
    "grid", [PixelGrid(600, 600, 130, 110), PixelGrid(600.25, 610, 130, 110, 2.0161290322580645, 1.7)]
)
def test_windows_put_together_equal_the_whole(nuclei, draw, grid):
    whole = draw(nuclei, grid)
    together = np.zeros_like(whole)
    for row in range(0, 110, 40):
        for column in range(0, 130, 64):
            window = (column, row, min(64, 130 - column), min(40, 110 - row))
            together[row : row + 40, column : column + 64] = draw(nuclei, grid, window=window)
    assert np.array_equal(whole, together)
    assert len(np.unique(whole)) > 1


@pytest.mark.parametrize(("draw", "kind"), [(boundary, "boundary"), (distance, "distance"), (coverage, "coverage")])
def test_tiles_that_know_only_their_own_objects_equal_the_whole(nuclei, draw, kind):
    whole = draw(nuclei, PixelGrid(500, 500, 256, 256, 2, 2))
    shapes = np.array([shape(nucleus) for nucleus in nuclei])
    for row in range(0, 256, 128):
        for column in range(0, 256, 64):
            grid = PixelGrid(500 + 2 * column, 500 + 2 * row, 64, 128, 2, 2)
            known = shapes[shapely.intersects(shapes, box(*needed_region(grid, kind).bounds))]
            assert len(known) < len(shapes)
            assert np.array_equal(draw(known, grid), whole[row : row + 128, column : column + 64])


@pytest.mark.parametrize("seed", range(12))
def test_tiles_equal_the_whole_where_objects_overlap_and_share_borders(seed):
    # Coordinates with decimals, so that nothing falls on the grid by itself.
    random = np.random.default_rng(seed)
    outlines = []
    for corners in range(3, 11):
        turn = np.sort(random.random(corners)) * 2 * np.pi
        spread = (8 + 12 * random.random((corners, 1))) * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        outlines.append(Polygon(np.round(random.random(2) * 64 + spread, seed % 4)))
    border = round(random.random() * 64, 2)
    outlines += [box(border - 10.3, 5.01, border, 40.7), box(border, 5.01, border + 7.77, 40.7)]
    shapes = np.array([outline for outline in outlines if outline.is_valid])
    for draw, kind in ((boundary, "boundary"), (distance, "distance"), (coverage, "coverage")):
        whole = draw(shapes, PixelGrid(-2, 3, 64, 64))
        for row, column in np.ndindex(4, 4):
            grid = PixelGrid(16 * column - 2, 16 * row + 3, 16, 16)
            known = shapes[shapely.intersects(shapes, box(*needed_region(grid, kind).bounds))]
            expected = whole[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            assert np.array_equal(draw(known, grid), expected), (kind, row, column)


# Coordinates in 1/256: on finer slivers shapely's own union loses area.
numbers = st.one_of(st.integers(-4, 20).map(lambda k: k / 2), st.integers(-512, 2560).map(lambda k: k / 256))
rings = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=8)
corners = st.integers(-(2**21), 2**21).map(lambda k: k / 2**20)
steps = st.integers(2**18, 5 * 2**20).map(lambda k: k / 2**20)
grids = st.builds(PixelGrid, corners, corners, st.integers(1, 6), st.integers(1, 6), steps, steps)


def even_odd(ring):
    return shapely.make_valid(Polygon(ring), method="linework") if not Polygon(ring).is_valid else Polygon(ring)


@given(st.lists(rings, min_size=1, max_size=4), grids)
@settings(deadline=None)
def test_coverage_of_anything_is_shapelys(outlines, grid):
    geometries = [Polygon(ring) for ring in outlines]
    union = shapely.union_all([even_odd(ring) for ring in outlines])
    boxes = pixel_boxes(grid)
    expected = shapely.area(shapely.intersection(union, boxes)) / shapely.area(boxes)
    assert np.allclose(coverage(geometries, grid), expected, atol=2e-6)


@given(st.lists(rings, min_size=1, max_size=3), grids)
@settings(deadline=None)
def test_distance_of_anything_is_shapelys(outlines, grid):
    top = instance([Polygon(ring) for ring in outlines], range(1, len(outlines) + 1), grid)
    x_axis, y_axis = axes_of(grid)
    x, y = np.meshgrid(x_axis.centres, y_axis.centres)
    edges = np.array([shapely.LineString([*ring, ring[0]]) for ring in outlines])
    expected = np.where(top > 0, shapely.distance(edges[top.astype(int) - 1], shapely.points(x, y)), 0)
    found = distance([Polygon(ring) for ring in outlines], grid)
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_a_hundred_thousand_outlines_in_one_place_are_refused_in_bounded_memory() -> None:
    triangle = {"type": "Polygon", "coordinates": [[[0, 0], [9, 9], [9, 0], [0, 0]]]}
    with pytest.raises(TooLarge, match="over each other"):
        coverage([triangle] * 100_000, PixelGrid(0, 0, 64, 64))
