import copy
import math
import tracemalloc
from itertools import pairwise

import numpy as np
import orjson
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon, mapping, shape

from pathserve.errors import Invalid, PathServeError, TooLarge, Unsupported
from pathserve.geometry import Size
from pathserve.geometry.repair import MAX_REPAIR_CROSSINGS, drawn_area
from pathserve.geometry.validity import check_geometry

FRAME = Size(1000, 800)
SQUARE = [[10, 10], [20, 10], [20, 20], [10, 20], [10, 10]]
BOW_TIE = [[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]


def check(geometry, *, frame=FRAME, max_vertices=10_000):
    return check_geometry(geometry, frame=frame, max_vertices=max_vertices)


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


@pytest.mark.parametrize(
    ("geometry", "bounds", "area"),
    [
        ({"type": "Point", "coordinates": [1, 2]}, (1, 2, 1, 2), 0),
        ({"type": "MultiPoint", "coordinates": [[1, 2], [3, 0.5]]}, (1, 0.5, 3, 2), 0),
        ({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}, (1, 2, 3, 4), 0),
        ({"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]], [[0, 0], [9, 9]]]}, (0, 0, 9, 9), 0),
        (polygon(SQUARE), (10, 10, 20, 20), 100),
        (polygon(SQUARE, [[12, 12], [14, 12], [14, 14], [12, 12]]), (10, 10, 20, 20), 98),
        (polygon(SQUARE[::-1]), (10, 10, 20, 20), 100),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE]]}, (10, 10, 20, 20), 100),
        (polygon([[x, y, 7.5] for x, y in SQUARE]), (10, 10, 20, 20), 100),
        ({**polygon(SQUARE), "plane": {"c": -1, "z": 3, "t": 0}, "isEllipse": True}, (10, 10, 20, 20), 100),
    ],
)
def test_a_valid_geometry_passes_unchanged(geometry, bounds, area):
    before = copy.deepcopy(geometry)
    checked = check(geometry)
    assert checked.geometry is geometry
    assert geometry == before
    assert checked.bounds == bounds
    assert checked.area == area
    assert not checked.repaired
    assert checked.drawn is None
    assert checked.note is None


def test_an_open_ring_is_closed_and_reported():
    checked = check(polygon(SQUARE[:-1]))
    assert checked.repaired
    assert checked.geometry["coordinates"] == [SQUARE]
    assert checked.drawn == polygon(SQUARE[:-1])
    assert "not closed" in checked.note


def test_a_bow_tie_keeps_both_halves_and_the_ring_as_drawn():
    drawn = {**polygon(BOW_TIE), "plane": {"z": 1}}
    checked = check(drawn)
    assert checked.repaired
    assert checked.drawn is drawn
    assert checked.geometry["type"] == "MultiPolygon"
    assert checked.geometry["plane"] == {"z": 1}
    assert shape(checked.geometry).is_valid
    assert checked.area == shape(checked.geometry).area == 50
    assert orjson.loads(orjson.dumps(checked.geometry)) == checked.geometry


def test_a_lasso_that_enters_itself_again_gets_no_hole():
    # A spiral stroke whose end lies inside its beginning: even-odd would punch the overlap out.
    lasso = [[0, 0], [100, 0], [100, 100], [0, 100], [0, 20], [30, 20], [30, 40], [-20, 40], [-20, 0], [0, 0]]
    checked = check(polygon(lasso))
    repaired = shape(checked.geometry)
    assert repaired.contains(shapely.Point(15, 30))
    assert repaired.area > 0.99 * drawn_area([[np.array(lasso, float)]])


def test_a_ring_that_touches_itself_is_what_shapely_says():
    touching = [[0, 0], [10, 0], [5, 5], [10, 10], [0, 10], [5, 5], [0, 0]]
    checked = check(polygon(touching))
    assert checked.repaired == (not Polygon(touching).is_valid)
    assert checked.area == 50


def test_a_hole_outside_its_shell_is_dropped():
    far = [[500, 500], [600, 500], [600, 600], [500, 500]]
    checked = check(polygon(SQUARE, far))
    assert checked.repaired
    assert checked.area == 100
    assert shape(checked.geometry).equals(Polygon(SQUARE))


def test_overlapping_parts_become_their_union():
    checked = check({"type": "MultiPolygon", "coordinates": [[SQUARE], [[[x + 5, y] for x, y in SQUARE]]]})
    assert checked.repaired
    assert checked.area == 150


def test_a_repair_that_loses_area_is_refused():
    # The hole sticks out of its shell by more than half: shapely's repair keeps 90 of the 120 square pixels drawn.
    hole = [[19, 10], [22, 10], [22, 20], [19, 20], [19, 10]]
    with pytest.raises(Invalid) as refused:
        check(polygon(SQUARE, hole))
    assert refused.value.code == "not_repairable"


def test_lengths_that_underflow_are_refused_without_a_warning():
    shell = [[0, 0], [5e-101, 0], [1e-203, -1e-100], [1e-100, 1e-203], [0, 0]]
    hole = [[0, 0], [1e-203, 0], [1e-100, 0], [-1e-203, -1e-100], [5e-101, 5e-101], [0, 0]]
    with pytest.raises(Invalid):  # tests take warnings for errors: GEOS divides by 0
        check(polygon(shell, hole))


@pytest.mark.parametrize(
    ("geometry", "code"),
    [
        (polygon([[0, 0], [1, 1], [2, 2], [0, 0]]), "no_area"),
        (polygon([[0, 0], [0, 0], [0, 0], [0, 0]]), "no_area"),
        (polygon([[0, 0], [5, 0], [0, 0]]), "short_ring"),
        (polygon([[0, 0], [5, 0]]), "too_few_positions"),
        (polygon([]), "too_few_positions"),
        (polygon(), "empty_geometry"),
        ({"type": "MultiPolygon", "coordinates": []}, "empty_geometry"),
        ({"type": "MultiPoint", "coordinates": []}, "too_few_positions"),
        ({"type": "LineString", "coordinates": [[1, 1]]}, "too_few_positions"),
        ({"type": "LineString", "coordinates": [[1, 1], [1, 1]]}, "no_length"),
        ({"type": "MultiLineString", "coordinates": []}, "empty_geometry"),
        ({"type": "Point", "coordinates": [1]}, "bad_coordinates"),
        ({"type": "Point", "coordinates": [True, 1]}, "bad_coordinates"),
        ({"type": "Point", "coordinates": ["1", "2"]}, "bad_coordinates"),
        ({"type": "Point", "coordinates": [None, 2]}, "bad_coordinates"),
        ({"type": "Point", "coordinates": 3}, "bad_coordinates"),
        ({"type": "Point"}, "bad_coordinates"),
        ({"type": "Polygon", "coordinates": SQUARE}, "too_few_positions"),
        ({"type": "Polygon", "coordinates": [[SQUARE] * 4]}, "bad_coordinates"),
        ({"type": "Polygon", "coordinates": {"a": 1}}, "bad_coordinates"),
        ({"type": "Polygon", "coordinates": "SQUARE"}, "bad_coordinates"),
        ({"type": "Point", "coordinates": [math.nan, 1]}, "out_of_range"),
        ({"type": "Point", "coordinates": [1, math.inf]}, "out_of_range"),
        ({"type": "Point", "coordinates": [1e308, 1]}, "out_of_range"),
        ({"type": "Point", "coordinates": [10**400, 1]}, "out_of_range"),
        ({"type": "Point", "coordinates": [1, 1, math.nan]}, "out_of_range"),
        ({"type": "Point", "coordinates": [1, 1, 10**400]}, "out_of_range"),
        ({"type": "Point", "coordinates": [10_001, 1]}, "out_of_range"),
        ({"type": "Circle", "coordinates": [1, 1]}, "not_a_geometry"),
        ({"type": ["Point"], "coordinates": [1, 1]}, "not_a_geometry"),
        ({}, "not_a_geometry"),
        ([1, 2], "not_a_geometry"),
        (None, "not_a_geometry"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_cause(geometry, code):
    with pytest.raises(Invalid) as refused:
        check(geometry)
    assert refused.value.code == code


def test_coordinates_may_lie_up_to_ten_times_the_longer_side_away():
    assert check({"type": "Point", "coordinates": [-10_000, 10_000]}).bounds == (-10_000, 10_000, -10_000, 10_000)


def test_without_a_slide_coordinates_are_limited_all_the_same():
    assert check({"type": "Point", "coordinates": [1e9, 0]}, frame=None).area == 0
    with pytest.raises(Invalid):
        check({"type": "Point", "coordinates": [1.1e9, 0]}, frame=None)


def test_deep_nesting_is_refused_not_followed():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(Invalid):
        check({"type": "Polygon", "coordinates": nested})


def test_the_vertex_cap_counts_all_rings_together():
    small = [[12, 12], [14, 12], [14, 14], [12, 12]]
    assert check(polygon(SQUARE, small), max_vertices=9)
    with pytest.raises(TooLarge) as refused:
        check(polygon(SQUARE, small), max_vertices=8)
    assert refused.value.code == "too_many_vertices"


def test_a_collection_of_one_is_unwrapped_and_others_are_refused():
    checked = check({"type": "GeometryCollection", "geometries": [polygon(SQUARE)]})
    assert checked.geometry == polygon(SQUARE)
    assert checked.repaired
    point = {"type": "Point", "coordinates": [1, 1]}
    nested = {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": [point]}]}
    for refused in ({"type": "GeometryCollection", "geometries": [point, point]}, nested, {"type": nested["type"]}):
        with pytest.raises(Unsupported):
            check(refused)


def test_a_tangle_is_refused_before_it_costs_anything():
    tangle = (np.random.default_rng(1).random((600, 2)) * 1000).tolist()
    with pytest.raises(TooLarge, match=f"{MAX_REPAIR_CROSSINGS:,} times"):
        check(polygon(tangle))


def test_a_large_outline_that_crosses_itself_a_few_times_is_repaired():
    turn = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
    far = 300 + 5 * np.sin(40 * turn)
    ring = np.stack([500 + far * np.cos(turn), 400 + far * np.sin(turn)], axis=1)
    ring[50_000] = ring[50_030]  # goes ahead and comes back
    checked = check(polygon(ring.tolist()), max_vertices=10**6)
    assert checked.repaired
    assert not Polygon(ring).is_valid
    assert checked.area == pytest.approx(Polygon(ring).area, rel=1e-6)


def test_the_swept_area_is_that_of_the_union_of_even_odd_parts():
    square = np.array(SQUARE, float)
    bow_tie = np.array(BOW_TIE, float)
    assert drawn_area([[square]]) == pytest.approx(100)
    assert drawn_area([[bow_tie]]) == pytest.approx(50, rel=1e-3)
    assert drawn_area([[square], [square + np.array([5, 0])]]) == pytest.approx(150)
    assert drawn_area([[square, np.array([[12, 12], [14, 12], [14, 14], [12, 12.0]])]]) == pytest.approx(98, rel=1e-3)


numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-(10**400), 10**400),
    st.booleans(),
    st.none(),
    st.text(),
)
trees = st.recursive(numbers, lambda inner: st.lists(inner, max_size=5), max_leaves=30)
kinds = st.sampled_from(["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"])


@given(kinds, trees)
def test_anything_at_all_is_passed_or_refused_with_our_own_error(kind, coordinates):
    try:
        checked = check({"type": kind, "coordinates": coordinates})
    except PathServeError:
        return
    assert shape(checked.geometry).is_valid
    assert np.isfinite(checked.bounds).all()


rings = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda p: [p[0] / 2, p[1] / 2]), min_size=3, max_size=9
)


def even_odd_area(closed):
    """A fan of triangles, put together by symmetric difference."""
    area = Polygon()
    for first, second in pairwise(closed):
        area = area.symmetric_difference(Polygon([(-1, -1), first, second]).buffer(0))
    return area.area


@given(rings)
@settings(max_examples=300)
def test_what_passes_is_valid_and_has_lost_nothing(ring):
    closed = [*ring, ring[0]]
    even_odd = even_odd_area(closed)
    kept = shapely.make_valid(Polygon(closed), method="structure", keep_collapsed=False).area
    assume(not 0 < kept < 1e-9)
    assume(not 0.98 * even_odd < kept < 0.9999 * even_odd)
    if kept == 0 or kept < 0.99 * even_odd:
        with pytest.raises(Invalid):
            check(polygon(closed))
        return
    checked = check(polygon(closed))
    passed = shape(checked.geometry)
    assert passed.is_valid
    assert passed.area == pytest.approx(checked.area)
    assert passed.area >= 0.99 * even_odd
    assert checked.repaired == (not Polygon(closed).is_valid)
    if not checked.repaired:
        assert checked.geometry["coordinates"] == [closed]
        assert passed.equals_exact(shape(mapping(Polygon(closed))))


def test_a_star_of_many_crossings_is_refused_in_little_memory() -> None:
    n = 3_999
    turn = np.arange(n) * (2 * np.pi * 1_999 / n)
    ring = np.stack([500 + 300 * np.cos(turn), 400 + 300 * np.sin(turn)], axis=1).tolist()
    tracemalloc.start()
    with pytest.raises(TooLarge, match="too often"):
        check_geometry({"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, frame=FRAME, max_vertices=100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20
