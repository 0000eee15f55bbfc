"""Vector tiles as an independent reader sees them, against shapely's geometry."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import mapbox_vector_tile
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from pathserve.annotations.reading import attributes_of
from pathserve.annotations.vector_tiles import TileBox, TilePart, encode_tile
from pathserve.labels import Columns, NewAnnotation

FULL = TileBox(0, 0, 256, 1)
REACH = shapely.box(-256, -256, 4352, 4352)


def part_of(geometries: Sequence[dict[str, Any]], **changes: Any) -> TilePart:
    columns = Columns.of([NewAnnotation(geometry) for geometry in geometries])
    numbers = np.arange(1, len(geometries) + 1)
    columns = replace(columns, numbers=numbers, layer="AI", **changes)
    return TilePart(attributes_of(columns), columns, "AI", np.arange(len(columns)))


def read(data: bytes, layer: str = "objects") -> list[dict[str, Any]]:
    if not data:
        return []
    decoded = mapbox_vector_tile.decode(data, default_options={"y_coord_down": True})
    if layer not in decoded:
        return []
    assert decoded[layer]["extent"] == 4096
    assert decoded[layer]["version"] == 2
    found: list[dict[str, Any]] = decoded[layer]["features"]
    return found


def in_tile(geometry: dict[str, Any], tile: TileBox) -> shapely.Geometry:
    """The geometry in the tile's units."""
    units = 4096 / tile.side
    return shapely.transform(shape(geometry), lambda xy: (xy - (tile.x, tile.y)) * units)


def blob(x: float, y: float, radius: float, corners: int, seed: int, rough: float = 0.3) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radii = radius * (1 + rough * rng.uniform(-1, 1, corners))
    ring = np.round(np.stack((x + radii * np.cos(angles), y + radii * np.sin(angles)), axis=1), 3).tolist()
    return [*ring, ring[0]]


def polygon(*rings: list[list[float]]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def surveyor(ring: list[list[float]]) -> float:
    """Twice the signed area of a closed ring."""
    x, y = np.array(ring).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


def square(x: float, y: float, side: float) -> list[list[float]]:
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]


def test_cells_are_where_they_are():
    rng = np.random.default_rng(1)
    cells = [polygon(blob(*rng.uniform(-40, 300, 2), 8, 11, seed)) for seed in range(200)]
    features = {feature["id"]: feature for feature in read(encode_tile([part_of(cells)], FULL))}
    expected = {
        number: shapely.intersection(in_tile(cell, FULL), REACH)
        for number, cell in enumerate(cells, 1)
        if shapely.intersects(in_tile(cell, FULL), REACH)
    }
    assert set(features) == {number for number, cut in expected.items() if cut.area > 0}
    for number, feature in features.items():
        drawn, true = shape(feature["geometry"]), expected[number]
        # Rounding moves an edge by at most 0.71 units.
        assert drawn.symmetric_difference(true).area <= 0.75 * true.length + 1


@pytest.mark.parametrize("turn", [1, -1])
def test_holes_and_several_parts_survive_whatever_their_direction(turn):
    shell, hole, other = square(10, 10, 100)[::turn], square(30, 30, 20)[::-turn], square(150, 150, 50)[::turn]
    second = square(60, 60, 20)[::turn]
    geometry = {"type": "MultiPolygon", "coordinates": [[shell, hole, second], [other]]}
    (feature,) = read(encode_tile([part_of([geometry])], FULL))
    assert feature["geometry"]["type"] == "MultiPolygon"
    drawn = shape(feature["geometry"])
    for part in feature["geometry"]["coordinates"]:
        # In the order in which they lie in the tile; 4.3.3.3: shells have a positive area, holes a negative one.
        signs = [np.sign(surveyor(ring)) for ring in part]
        assert signs == [1] + [-1] * (len(part) - 1)
    assert [len(part.interiors) for part in drawn.geoms] == [2, 0]
    assert drawn.equals(
        shapely.MultiPolygon(
            [[square(160, 160, 1600), [square(480, 480, 320), square(960, 960, 320)]], [square(2400, 2400, 800), []]]
        )
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(4, 900),
    st.floats(-300, 500),
    st.floats(-300, 500),
    st.floats(20, 700),
    st.sampled_from([1, 2, 4, 8]),
)
def test_large_regions_are_clipped_and_simplified_within_half_a_pixel(seed, corners, x, y, radius, downsample):
    tile = TileBox(0, 0, 256 * downsample, downsample)
    region = polygon(blob(x * downsample, y * downsample, radius * downsample, corners, seed, 0.1))
    whole = in_tile(region, tile)
    true = shapely.intersection(whole, REACH)
    features = read(encode_tile([part_of([region])], tile))
    if not features:
        assert true.area == 0
        return
    drawn = shapely.make_valid(shape(features[0]["geometry"]), method="structure", keep_collapsed=False)
    moved = 0.75 if downsample == 1 else 8.75
    # Every drawn edge is near a true one or on the border of what the tile keeps, and the same the other way round.
    near = shapely.buffer(shapely.union(whole.exterior, REACH.exterior), moved)
    assert near.covers(shapely.boundary(drawn))
    assert shapely.symmetric_difference(drawn, true).difference(near).area < 1e-6


def test_fewer_positions_further_out():
    ring = blob(1000, 1000, 900, 4000, 3, 0.001)
    counts = []
    for downsample in (8, 32, 128):
        tile = TileBox(0, 0, 256 * downsample, downsample)
        (feature,) = read(encode_tile([part_of([polygon(ring)])], tile))
        counts.append(len(feature["geometry"]["coordinates"][0]))
    assert counts[2] < counts[1] < counts[0] < 1000


def test_neighbours_agree_about_an_outline_that_crosses_their_border():
    region = polygon(blob(1024, 512, 400, 3000, 7, 0.05))
    left, right = TileBox(0, 0, 1024, 4), TileBox(1024, 0, 1024, 4)
    rings = [
        np.array(read(encode_tile([part_of([region])], tile))[0]["geometry"]["coordinates"][0])
        for tile in (left, right)
    ]
    rings[1] = rings[1] + (4096, 0)
    shared = [{tuple(p) for p in ring.tolist() if 4096 - 200 < p[0] < 4096 + 200} for ring in rings]
    assert len(shared[0]) > 5
    assert shared[0] == shared[1]


LINES = [
    [[-500, 10], [500, 10.5]],
    [[10, 10], [20, 300], [100, 300], [110, 20]],
    [[-100, -100], [-100, 400], [400, 400]],
    [[5, 5], [50, 50], [60, 20]],
    [[10, 10], [500, 20], [500, 100], [10, 110]],
]


@pytest.mark.parametrize("line", LINES)
def test_lines_are_cut_at_the_border(line):
    geometry = {"type": "LineString", "coordinates": line}
    features = read(encode_tile([part_of([geometry])], FULL))
    true = shapely.intersection(in_tile(geometry, FULL), REACH)
    assert bool(features) == (true.length > 0)
    if features:
        drawn = shape(features[0]["geometry"])
        assert drawn.hausdorff_distance(true) <= 0.75
        assert shapely.get_num_geometries(drawn) == shapely.get_num_geometries(true)


def test_points_are_kept_in_and_around_the_tile():
    geometry = {"type": "MultiPoint", "coordinates": [[0, 0], [255.97, 10], [-16, -16], [-16.1, 0], [300, 0]]}
    (feature,) = read(encode_tile([part_of([geometry, {"type": "Point", "coordinates": [300, 300]}])], FULL))
    assert feature["geometry"]["coordinates"] == [[0, 0], [4096, 160], [-256, -256]]


def test_each_type_of_a_collection_is_a_feature_of_the_same_object():
    geometry = {
        "type": "GeometryCollection",
        "geometries": [
            {"type": "Point", "coordinates": [1, 1]},
            {"type": "Polygon", "coordinates": [square(10, 10, 10)]},
            {"type": "LineString", "coordinates": [[0, 0], [100, 100]]},
            {"type": "MultiPoint", "coordinates": [[2, 2], [200, 150]]},
        ],
    }
    features = read(encode_tile([part_of([geometry])], FULL))
    assert [(f["id"], f["geometry"]["type"]) for f in features] == [
        (1, "MultiPoint"),
        (1, "LineString"),
        (1, "Polygon"),
    ]
    assert features[0]["geometry"]["coordinates"] == [[16, 16], [32, 32], [3200, 2400]]


SPECKS = [
    polygon(square(100, 100, 0.01)),
    polygon(square(2000, 2000, 3)),
    polygon([[500, 500], [1500, 1500.001], [1500, 1500], [500, 500]]),
    polygon([[500, 900], [1500, 900], [1200, 900.001], [500, 900]]),
    polygon(square(400, 400, 2), square(400.5, 400.5, 1)),
    {"type": "LineString", "coordinates": [[700, 700], [700.1, 700]]},
    {"type": "Point", "coordinates": [900, 900]},
]


@pytest.mark.parametrize("geometry", SPECKS)
def test_nothing_falls_out_however_small(geometry):
    tile = TileBox(0, 0, 2048, 8)
    (feature,) = read(encode_tile([part_of([geometry])], tile))
    drawn, true = shape(feature["geometry"]), in_tile(geometry, tile)
    assert drawn.is_valid
    assert drawn.distance(true) < 1
    assert drawn.hausdorff_distance(true) < 24
    if geometry["type"] == "Polygon":
        assert drawn.area > 0


def test_a_neighbour_who_only_touches_is_not_drawn():
    # Its right edge is exactly on the border of what the tile keeps: 256 units, 16 pixels.
    assert encode_tile([part_of([polygon(square(-26, 100, 10))])], FULL) == b""
    assert read(encode_tile([part_of([polygon(square(-26, 100, 10.25))])], FULL))


def test_tags_tell_class_layer_state_and_exhaustive_areas():
    part = part_of(
        [polygon(square(x, 10, 5)) for x in (0, 20, 40)],
        classes=np.array([0, -1, 1], np.int32),
        class_names=("tumour", "stroma β"),
        states=np.array([0, 1, 1], np.int32),
        state_names=("draft", "approved"),
        exhaustive=np.array([False, False, True]),
    )
    other = replace(part, layer="Müller", rows=np.array([0]))
    features = read(encode_tile([part, other], FULL))
    assert [feature["properties"] for feature in features] == [
        {"class": "tumour", "layer": "AI"},
        {"layer": "AI", "state": "approved"},
        {"class": "stroma β", "layer": "AI", "state": "approved", "exhaustive": True},
        {"class": "tumour", "layer": "Müller"},
    ]
    assert [feature["id"] for feature in features] == [1, 2, 3, 1]


def test_a_part_may_have_fewer_tags_than_came_before_it_and_some_of_them_made():
    names = tuple(f"class {n}" for n in range(20))
    many = part_of([polygon(square(9 * n, 10, 5)) for n in range(20)], classes=np.arange(20), class_names=names)
    shapes = [polygon(square(x, 50, 5)) for x in (0, 20)]
    few = part_of(shapes, classes=np.arange(2), class_names=("tumour", "stroma"))
    parts = [replace(few, layer="BB", rows=np.array(rows)) for rows in ([0], [0, 1])]
    features = read(encode_tile([many, *parts], FULL))
    assert [feature["properties"].get("class") for feature in features] == [*names, "tumour", "tumour", "stroma"]


def test_numbers_of_any_size_come_back():
    part = part_of([polygon(square(1, 1, 5))] * 3)
    part = replace(part, told=replace(part.told, numbers=np.array([1, 128, 2**53 + 1])))
    assert [feature["id"] for feature in read(encode_tile([part], FULL))] == [1, 128, 2**53 + 1]


def test_an_empty_tile_has_no_bytes():
    assert encode_tile([part_of([polygon(square(5000, 1, 5))])], FULL) == b""


def test_tiles_lie_on_the_grid_of_the_dzi():
    # A slide of 1,000 px has Deep Zoom levels 0 to 10; at level 8 a pixel is 4 level-0 pixels.
    assert TileBox.at(8, 0, 1, max_level=10, tile_size=240) == TileBox(0, 960, 960, 4)


PLACES = st.tuples(st.integers(-60, 300), st.integers(-60, 300)).map(list) | st.tuples(
    st.floats(-400, 600), st.floats(-400, 600)
).map(list)
RUNS = st.lists(PLACES, min_size=2, max_size=9)
RINGS = st.lists(PLACES, min_size=3, max_size=9).map(lambda ring: [*ring, ring[0]])
ANYTHING = st.one_of(
    PLACES.map(lambda p: {"type": "Point", "coordinates": p}),
    RUNS.map(lambda r: {"type": "LineString", "coordinates": r}),
    st.lists(RUNS, min_size=1, max_size=3).map(lambda r: {"type": "MultiLineString", "coordinates": r}),
    RINGS.map(lambda r: {"type": "Polygon", "coordinates": [r]}),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(ANYTHING, min_size=1, max_size=5), st.sampled_from([1, 2, 8]))
def test_whatever_comes_the_tile_can_be_read_and_misses_nobody(geometries, downsample):
    """Crossing, spiky, repeated and collapsed outlines too, as they come where nobody has repaired them."""
    tile = TileBox(0, 0, 256 * downsample, downsample)
    features = read(encode_tile([part_of(geometries)], tile))
    drawn = {feature["id"] for feature in features}
    inner = shapely.box(-255, -255, 4351, 4351)
    for number, geometry in enumerate(geometries, 1):
        true = in_tile(geometry, tile)
        if geometry["type"] == "Polygon":
            there = shapely.make_valid(true).intersection(inner).area > 1
        else:
            there = true.intersects(inner)
        assert number in drawn or not there
        assert number not in drawn or true.intersects(REACH.buffer(1))
    for feature in features:
        x0, y0, x1, y1 = shape(feature["geometry"]).bounds
        assert min(x0, y0) >= -256 - 16
        assert max(x1, y1) <= 4352 + 16
