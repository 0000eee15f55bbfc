"""The oracles: shapely's answer for every centre clear of an edge, rational arithmetic for every centre."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import orjson
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, mapping, shape

from pathserve.errors import Invalid
from pathserve.geometry import PixelGrid
from pathserve.masks import rasterize, scanline
from pathserve.masks.outlines import outlines_of
from pathserve.masks.raster import axes_of

SQUARE = [[2, 1], [5, 1], [5, 4], [2, 4], [2, 1]]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


def exact_inside(rings, x, y):
    """Even-odd in rational arithmetic: crossings at or left of the point, an edge's lower end not its own."""
    odd = False
    for ring in rings:
        closed = [*ring, ring[0]]
        for (x0, y0), (x1, y1) in pairwise([(Fraction(a), Fraction(b)) for a, b in closed]):
            if (y0 <= y) != (y1 <= y) and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x:
                odd = not odd
    return odd


def exact_mask(parts_of_each, grid):
    """The mask (1, 2, ... in drawing order) by testing each centre on its own."""
    mask = np.zeros((grid.height, grid.width), np.uint8)
    for j in range(grid.height):
        y = Fraction(grid.l0_y) + (j + Fraction(1, 2)) * Fraction(grid.downsample_y)
        for i in range(grid.width):
            x = Fraction(grid.l0_x) + (i + Fraction(1, 2)) * Fraction(grid.downsample_x)
            for value, parts in enumerate(parts_of_each, 1):
                if any(exact_inside(rings, x, y) for rings in parts):
                    mask[j, i] = value
    return mask


def shapely_mask(geometry, grid):
    """Whether each centre lies inside, and whether it lies clear of every edge."""
    x_axis, y_axis = axes_of(grid)
    x, y = np.meshgrid(x_axis.centres, y_axis.centres)
    edge = geometry.boundary
    shapely.prepare([geometry, edge])
    clear = shapely.distance(edge, shapely.points(x, y)) > 1e-9
    return shapely.contains_xy(geometry, x, y), clear


def test_a_square_covers_the_pixels_between_its_edges():
    expected = np.zeros((6, 8), np.uint8)
    expected[1:4, 2:5] = 7
    assert np.array_equal(rasterize([polygon(SQUARE)], [7], (0, 0, 8, 6)), expected)
    assert np.array_equal(rasterize([shape(polygon(SQUARE))], [7], (0, 0, 8, 6)), expected)


def test_centres_on_left_and_top_edges_are_in_and_on_right_and_bottom_edges_out():
    through_centres = [[x + 0.5, y + 0.5] for x, y in SQUARE]
    mask = rasterize([polygon(through_centres)], [1], (0, 0, 8, 6))
    assert mask.tolist() == rasterize([polygon(SQUARE)], [1], (0, 0, 8, 6)).tolist()
    assert mask[1, 2]
    assert not mask[4, 2]
    assert not mask[1, 5]


def test_neighbours_that_share_an_edge_leave_no_gap_and_no_overlap():
    # Diagonal and upright edges through many pixel centres.
    left = polygon([[0, 0], [6.5, 0], [0.5, 6], [0, 6]])
    right = polygon([[6.5, 0], [8, 0], [8, 6], [0.5, 6]])
    masks = [rasterize([part], [1], (0, 0, 8, 6)) for part in (left, right)]
    assert np.array_equal(masks[0] + masks[1], np.ones((6, 8), np.uint8))


def test_region_is_level_0_corner_and_output_size():
    square = polygon([[x * 4 + 100, y * 4 + 200] for x, y in SQUARE])
    expected = rasterize([polygon(SQUARE)], [1], (0, 0, 8, 6))
    assert np.array_equal(rasterize([square], [1], (100, 200, 8, 6), 4.0), expected)
    assert np.array_equal(rasterize([square], [1], PixelGrid(100, 200, 8, 6, 4, 4)), expected)
    stretched = polygon([[x * 4, y * 0.5] for x, y in SQUARE])
    assert np.array_equal(rasterize([stretched], [1], (0, 0, 8, 6), (4.0, 0.5)), expected)


def test_corners_and_steps_may_be_whole_numbers_of_any_type():
    # A centre that is settled exactly, with more binary digits than half precision has.
    thin = polygon([[0.0, 0.0], [0.5, 7.5], [0.0, 1.0], [0.0, 0.0]])
    expected = exact_mask([[thin["coordinates"]]], PixelGrid(-1.0, -1.0, 36, 60, 0.5, 0.3))
    assert expected.any()
    for corner in (-1, -1.0, np.int8(-1), np.float32(-1)):
        assert np.array_equal(rasterize([thin], [1], PixelGrid(corner, corner, 36, 60, 0.5, 0.3)), expected)


def test_holes_parts_and_crossings():
    frame = polygon([[0, 0], [6, 0], [6, 6], [0, 6], [0, 0]], [[2, 2], [4, 2], [4, 4], [2, 4], [2, 2]])
    assert rasterize([frame], [1], (0, 0, 6, 6)).sum() == 32
    overlapping = {"type": "MultiPolygon", "coordinates": [[SQUARE], [[[x + 1, y] for x, y in SQUARE]]]}
    assert rasterize([overlapping], [1], (0, 0, 8, 6)).sum() == 12
    bow_tie = polygon([[0, 0], [6, 6], [6, 0], [0, 6], [0, 0]])
    mask = rasterize([bow_tie], [1], (0, 0, 6, 6))
    assert np.array_equal(mask, exact_mask([[bow_tie["coordinates"]]], PixelGrid(0, 0, 6, 6)))
    assert not mask[0, 2]
    assert mask[2, 0]


def test_later_geometries_lie_on_top_whatever_their_size():
    large, small = polygon([[0, 0], [3000, 0], [3000, 20], [0, 20]]), polygon(SQUARE)
    on_top = rasterize([large, small], [1, 2], (0, 0, 3000, 20))
    assert (on_top == 2).sum() == 9
    assert (on_top == 1).sum() == 3000 * 20 - 9
    assert not (rasterize([small, large], [2, 1], (0, 0, 3000, 20)) == 2).any()


def test_what_has_no_area_leaves_nothing():
    line = [[0, 0], [8, 6], [1, 5]]
    geometries = [
        {"type": "Point", "coordinates": [1.5, 1.5]},
        {"type": "MultiPoint", "coordinates": line},
        {"type": "LineString", "coordinates": line},
        {"type": "MultiLineString", "coordinates": [line]},
        polygon([[1, 1], [5, 5], [1, 1]]),
        Polygon(),
    ]
    assert not rasterize(geometries, [1] * 6, (0, 0, 8, 6)).any()
    assert not rasterize(geometries[-1:], [1], (0, 0, 8, 6)).any()
    assert not rasterize([], [], (0, 0, 8, 6)).any()


def test_kinds_of_input_give_the_same_mask():
    parts = MultiPolygon([Polygon(SQUARE), Polygon([[6, 1], [8, 1], [8, 3]])])
    expected = rasterize([mapping(parts)], [3], (0, 0, 9, 6))
    with_heights = {
        "type": "MultiPolygon",
        "coordinates": [[[[x, y, 9] for x, y in SQUARE]], [[[6, 1], [8, 1], [8, 3]]]],
    }
    collection = shapely.GeometryCollection([shapely.Point(1, 1), parts])
    for same in (parts, with_heights, collection, mapping(collection)):
        assert np.array_equal(rasterize([same], [3], (0, 0, 9, 6)), expected)
        assert np.array_equal(
            rasterize([Polygon(), {"type": "Point", "coordinates": [0, 0]}, same], [1, 2, 3], (0, 0, 9, 6)), expected
        )
    assert np.array_equal(rasterize(np.array([parts], dtype=object), [3], (0, 0, 9, 6)), expected)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: rasterize([polygon(SQUARE)], [], (0, 0, 8, 6)),
        lambda: rasterize([polygon(SQUARE)], [256], (0, 0, 8, 6)),
        lambda: rasterize([polygon(SQUARE)], [-1], (0, 0, 8, 6)),
        lambda: rasterize([polygon(SQUARE)], [1.5], (0, 0, 8, 6)),
        lambda: rasterize([polygon(SQUARE)], [10**30], (0, 0, 8, 6)),
        lambda: rasterize([polygon(SQUARE)], [1], (0, 0, 8, 6), dtype=np.float32),
        lambda: rasterize([polygon(SQUARE)], [1], (0, 0, 8, 6), background=-1),
        lambda: rasterize([polygon(SQUARE)], [1], (0, 0, 8)),
        lambda: rasterize([polygon(SQUARE)], [1], (0, 0, 8.5, 6)),
        lambda: rasterize([polygon(SQUARE)], [1], (0, 0, 0, 6)),
        lambda: rasterize([polygon(SQUARE)], [1], (0, np.nan, 8, 6)),
        lambda: rasterize([polygon(SQUARE)], [1], (0, 1e300, 8, 6)),
        lambda: rasterize([polygon(SQUARE)], [1], (0, 0, 8, 6), 0.0),
        lambda: rasterize([polygon(SQUARE)], [1], (0, 0, 8, 6), 1e-300),
        lambda: rasterize([polygon(SQUARE)], [1], (0, 0, 8, 6), window=(0, 0, 0, 1)),
        lambda: rasterize([polygon([[0, 0], [np.nan, 1], [2, 2]])], [1], (0, 0, 8, 6)),
        lambda: rasterize([polygon([[0, 0], [1e308, 1], [2, 2]])], [1], (0, 0, 8, 6)),
        lambda: rasterize([polygon([[0, 0], [1], [2, 2]])], [1], (0, 0, 8, 6)),
        lambda: rasterize([polygon([[0, 0], ["a", 1], [2, 2]])], [1], (0, 0, 8, 6)),
        lambda: rasterize([polygon([[0, 0], [10**400, 1], [2, 2]])], [1], (0, 0, 8, 6)),
        lambda: rasterize([polygon([0, 0, 1])], [1], (0, 0, 8, 6)),
        lambda: rasterize([{"type": "Polygon"}], [1], (0, 0, 8, 6)),
        lambda: rasterize([{"type": "Circle", "coordinates": []}], [1], (0, 0, 8, 6)),
        lambda: rasterize([None], [1], (0, 0, 8, 6)),
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(Invalid):
        wrong()


@pytest.fixture(scope="module")
def nuclei(sample_field):
    features = orjson.loads(sample_field.with_suffix(".geojson").read_bytes())["features"]
    return [feature["geometry"] for feature in features]


@pytest.mark.parametrize(
    "grid",
    [
        PixelGrid(0, 0, 1500, 1500),
        PixelGrid(0, 0, 375, 375, 4, 4),
        PixelGrid(100.25, 200.5, 512, 512, 2.0161290322580645, 2.0161290322580645),
        PixelGrid(700, 700, 600, 500, 0.3, 0.25),
    ],
)
def test_real_nuclei_have_no_wrong_pixel(nuclei, grid):
    mask = rasterize(nuclei, range(1, len(nuclei) + 1), grid, dtype=np.uint32)
    x_axis, y_axis = axes_of(grid)
    x, y = np.meshgrid(x_axis.centres, y_axis.centres)
    points = shapely.points(x, y)
    tree = shapely.STRtree([shape(nucleus) for nucleus in nuclei])
    pixel, nucleus = tree.query(points.ravel(), predicate="intersects")
    expected = np.zeros(mask.size, np.uint32)
    np.maximum.at(expected, pixel, nucleus + 1)
    on_edge, _ = tree.query(points.ravel(), predicate="touches")
    clear = np.ones(mask.size, bool)
    clear[on_edge] = False
    assert clear.mean() > 0.99
    assert np.array_equal(mask.ravel()[clear], expected[clear])
    assert (mask > 0).mean() > 0.05


@pytest.mark.parametrize("downsample", [1.0, 0.3, 2.0161290322580645, 16.0])
def test_windows_put_together_equal_the_whole(nuclei, downsample):
    grid = PixelGrid(600.125, 600, 160, 130, downsample, downsample)
    numbers = range(1, len(nuclei) + 1)
    whole = rasterize(nuclei, numbers, grid, dtype=np.uint32)
    assert len(np.unique(whole)) > 3
    together = np.zeros_like(whole)
    for row in range(0, 130, 50):
        for column in range(0, 160, 64):
            window = (column, row, min(64, 160 - column), min(50, 130 - row))
            part = rasterize(nuclei, numbers, grid, dtype=np.uint32, window=window)
            together[row : row + 50, column : column + 64] = part
    assert np.array_equal(whole, together)


def test_tiles_by_their_own_corners_equal_the_whole(nuclei):
    numbers = range(1, len(nuclei) + 1)
    whole = rasterize(nuclei, numbers, (0, 0, 750, 750), 2.0, dtype=np.uint32)
    tiles = [
        [rasterize(nuclei, numbers, (x, y, 250, 250), 2.0, dtype=np.uint32) for x in range(0, 1500, 500)]
        for y in range(0, 1500, 500)
    ]
    assert np.array_equal(whole, np.block(tiles))


def test_many_crossings_go_band_by_band(monkeypatch, nuclei):
    numbers = range(1, len(nuclei) + 1)
    whole = rasterize(nuclei, numbers, (0, 0, 1500, 1500), dtype=np.uint32)
    monkeypatch.setattr("pathserve.masks.scanline._BAND_CROSSINGS", 500)
    monkeypatch.setattr("pathserve.masks.scanline._PAINT_PIXELS", 1000)
    assert np.array_equal(whole, rasterize(nuclei, numbers, (0, 0, 1500, 1500), dtype=np.uint32))


def test_a_huge_outline_over_a_small_grid_is_cut_with_the_grid_only():
    turn = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    outline = Polygon(np.stack([1e6 + 1e6 * np.cos(turn), 1e6 + 1e6 * np.sin(turn)], axis=1))
    grid = PixelGrid(291_000, 291_000, 64, 64, 64, 64)
    inside, clear = shapely_mask(outline, grid)
    mask = rasterize([outline], [1], grid).astype(bool)
    assert np.array_equal(mask[clear], inside[clear])
    assert 0 < mask.mean() < 1
    assert len(scanline._edges(outlines_of([outline]), *axes_of(grid)).part) < 1000


def halves(limit):
    return st.integers(-2, 2 * limit).map(lambda k: k / 2)


coordinates = st.one_of(halves(10), st.integers(-256, 2560).map(lambda k: k / 256), st.floats(-3, 13))
points = st.tuples(coordinates, coordinates)
half_points = st.tuples(halves(10), halves(10))
ring = st.one_of(st.lists(half_points, min_size=3, max_size=7), st.lists(points, min_size=3, max_size=7))
part = st.lists(ring, min_size=1, max_size=2)
steps = st.one_of(st.sampled_from([1.0, 0.5, 2.0, 0.3, 1 / 3, 1.1, 4.0]), st.floats(0.3, 5))
grids = st.builds(
    PixelGrid,
    l0_x=st.one_of(st.sampled_from([0.0, 0.5, -1.0, 0.1]), st.floats(-2, 2)),
    l0_y=st.one_of(st.sampled_from([0.0, 0.25, -0.5, 0.7]), st.floats(-2, 2)),
    width=st.integers(1, 9),
    height=st.integers(1, 9),
    downsample_x=steps,
    downsample_y=steps,
)


@given(st.lists(st.lists(part, min_size=1, max_size=2), min_size=1, max_size=3), grids)
@settings(max_examples=300, deadline=None)
def test_every_pixel_of_any_outline_is_exact(parts_of_each, grid):
    geometries = [{"type": "MultiPolygon", "coordinates": parts} for parts in parts_of_each]
    mask = rasterize(geometries, range(1, len(geometries) + 1), grid)
    assert np.array_equal(mask, exact_mask(parts_of_each, grid))


@given(st.lists(part, min_size=1, max_size=2), grids, st.integers(-5, 5), st.integers(-5, 5))
@settings(deadline=None)
def test_any_window_equals_that_part_of_the_whole(parts, grid, column, row):
    geometry = {"type": "MultiPolygon", "coordinates": parts}
    margin = 5
    around = rasterize(
        [geometry], [1], grid, window=(-margin, -margin, grid.width + 2 * margin, grid.height + 2 * margin)
    )
    window = rasterize([geometry], [1], grid, window=(column, row, grid.width, grid.height))
    expected = around[margin + row :, margin + column :][: grid.height, : grid.width]
    assert np.array_equal(window, expected)


# Shapely's distance, which tells the centres near an edge, does not bear edges of a length near to none.
far = st.floats(-1e4, 3e4).map(lambda value: round(value, 9))


@given(
    st.lists(st.tuples(far, far), min_size=3, max_size=12),
    st.floats(0.3, 64),
    st.floats(-1e4, 2e4),
    st.floats(-1e4, 2e4),
)
@settings(deadline=None)
def test_far_corners_and_steep_steps_agree_with_shapely(ring, downsample, x, y):
    polygon = Polygon(ring)
    grid = PixelGrid(x, y, 12, 10, downsample, downsample)
    if not polygon.is_valid:
        return
    inside, clear = shapely_mask(polygon, grid)
    mask = rasterize([polygon], [1], grid).astype(bool)
    assert np.array_equal(mask[clear], inside[clear])
