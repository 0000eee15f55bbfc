"""Many geometries looked at together against the gate that looks at one."""

import math

import numpy as np
import orjson
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.errors import PathServeError
from pathserve.geometry import Size, gate
from pathserve.geometry.gate import Gate, passing, too_far
from pathserve.geometry.ring_boxes import BOXES
from pathserve.geometry.validity import FORCED_NOTE, REPAIRED_NOTE, check_geometry
from pathserve.labels import Columns, NewAnnotation
from pathserve.native import kernels_of

FRAME = Size(100, 80)


@pytest.fixture(autouse=True)
def _kernels_always(monkeypatch):
    monkeypatch.setattr(gate, "FEW", 0)


def of(geometries):
    return Columns.of([NewAnnotation(geometry) for geometry in geometries])


def certain(columns):
    shapes = columns.kinds, columns.xy, columns.ring_starts, columns.part_starts, columns.starts
    found = np.empty(len(columns), np.bool_)
    kernels = kernels_of("pathserve.geometry.ring_kernels")
    kernels.certainly_passing(*shapes, 1e9, 10_000, np.empty((BOXES, 4)), found)
    return found


def passed(geometries, *, frame=FRAME, max_vertices=40):
    c = of(geometries)
    return passing(c, frame=frame, max_vertices=max_vertices).tolist()


def passes_alone(geometry, *, max_vertices=40):
    try:
        return not check_geometry(geometry, frame=FRAME, max_vertices=max_vertices).repaired
    except PathServeError:
        return False


_SMALL = st.integers(0, 6).map(float)
_FAR = st.sampled_from([1000.0, 1000.5, -1000.0, math.nan, math.inf, 1e308, 999.9999999])
_COORDINATE = _SMALL | st.floats(-3, 9) | st.integers(0, 60).map(lambda n: n / 10)
_POSITION = st.tuples(_COORDINATE, _COORDINATE).map(list) | st.tuples(_COORDINATE, _FAR | _SMALL).map(list)
_RUN = st.lists(st.tuples(_COORDINATE, _COORDINATE).map(list), min_size=1, max_size=9) | st.lists(
    _POSITION, min_size=1, max_size=60
)
_RING = _RUN | _RUN.map(lambda ring: [*ring, ring[0]])
_STAR = st.builds(
    lambda turns, x: [
        [x + (2 + r) * math.cos(2 * math.pi * i / len(turns)), 5 + (2 + r) * math.sin(2 * math.pi * i / len(turns))]
        for i, r in enumerate(turns)
    ],
    st.lists(st.floats(-1.9, 3), min_size=3, max_size=30),
    st.floats(-5, 50),
).map(lambda ring: [*ring, ring[0]])
_RINGS = st.lists(_RING | _STAR, min_size=1, max_size=2)
_GEOMETRIES = st.one_of(
    st.builds(lambda c: {"type": "Point", "coordinates": c}, _POSITION),
    st.builds(lambda t, c: {"type": t, "coordinates": c}, st.sampled_from(["MultiPoint", "LineString"]), _RUN),
    st.builds(lambda c: {"type": "LineString", "coordinates": [c, c]}, _POSITION),
    st.builds(lambda c: {"type": "MultiLineString", "coordinates": c}, st.lists(_RUN, min_size=1, max_size=3)),
    st.builds(lambda c: {"type": "Polygon", "coordinates": c}, _RINGS),
    st.builds(lambda c: {"type": "Polygon", "coordinates": [c]}, _STAR),
    st.builds(lambda c: {"type": "MultiPolygon", "coordinates": c}, st.lists(_RINGS, min_size=1, max_size=2)),
)


@settings(max_examples=250, deadline=None)
@given(st.lists(_GEOMETRIES, min_size=1, max_size=6))
def test_the_verdicts_are_those_of_the_gate_for_one(geometries):
    assert passed(geometries) == [passes_alone(geometry) for geometry in geometries]


def alone(geometry):
    try:
        return check_geometry(geometry, frame=FRAME, max_vertices=40)
    except PathServeError as error:
        return error.code


_ODD = [
    {"type": "Polygon", "coordinates": "x"},
    {"type": "Polygon"},
    {"type": 1},
    [],
    None,
    {"type": "Polygon", "coordinates": []},
]
_COLLECTIONS = _GEOMETRIES.map(lambda geometry: {"type": "GeometryCollection", "geometries": [geometry]})


@settings(max_examples=200, deadline=None)
@given(st.lists(_GEOMETRIES | _COLLECTIONS | st.sampled_from(_ODD), max_size=6))
def test_many_that_are_looked_at_together_fare_as_each_alone(geometries):
    gate = Gate(frame=FRAME, max_vertices=40, seconds=60)
    together = [getattr(outcome, "code", outcome) for outcome in gate.check(geometries)]
    assert together == [alone(geometry) for geometry in geometries]


HARD = [
    [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]],
    [[0, 0], [4, 0], [4, 4], [0, 4], [0, 1]],  # open
    [[0, 0], [4, 4], [4, 0], [0, 4], [0, 0]],  # bow-tie
    [[0, 0], [4, 0], [2, 0], [2, 3], [0, 0]],  # goes back over itself
    [[0, 0], [2, 0], [4, 0], [4, 4], [0, 0]],  # straight on
    [[0, 0], [4, 0], [4, 4], [2, 0], [0, 4], [0, 0]],  # touches its own edge
    [[0, 0], [4, 0], [4, 0], [4, 4], [0, 0]],  # a position twice
    [[0, 0], [4, 0], [2, 0], [0, 0]],  # no area
    [[0, 0], [4, 0], [0, 0]],  # too short
    [[0, 0], [1, 0], [1, 1e-12], [0, 0]],
    [[0, 0], [4, 0], [4, 4], [0, 0], [-4, 4], [-4, 0], [0, 0]],  # touches itself in a corner
    [[0.1, 0.1], [0.3, 0.3], [0.2, 0.2], [0.2, 5], [0.1, 0.1]],
]


@settings(max_examples=200, deadline=None)
@given(st.lists(_GEOMETRIES, min_size=1, max_size=6))
def test_what_is_too_far_is_refused_for_that_by_the_gate_for_one(geometries):
    c = of(geometries)
    found = too_far(c, frame=FRAME, max_vertices=40)
    for geometry, far in zip(geometries, found, strict=True):
        if far:
            with pytest.raises(PathServeError) as refused:
                check_geometry(geometry, frame=FRAME, max_vertices=40)
            assert refused.value.code == "out_of_range"


def test_most_that_is_too_far_needs_no_second_look():
    square = [[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]
    moved = [[[x + 1001, y] for x, y in square]]
    c = of([{"type": "Polygon", "coordinates": rings} for rings in ([square], moved, [square, *moved], moved)])
    found = too_far(c, frame=FRAME, max_vertices=40)
    assert found.tolist() == [False, True, False, True]


def test_rings_that_are_hard():
    geometries = [{"type": "Polygon", "coordinates": [ring]} for ring in HARD]
    assert passed(geometries) == [passes_alone(geometry) for geometry in geometries]


@settings(max_examples=150, deadline=None)
@given(st.lists(_STAR | _RING.filter(lambda ring: len(ring) > 3 and ring[0] == ring[-1]), min_size=1, max_size=5))
def test_what_is_certainly_simple_is_valid_to_geos(rings):
    rings = [ring for ring in rings if np.isfinite(ring).all()]
    if not rings:
        return
    c = of([{"type": "Polygon", "coordinates": [ring]} for ring in rings])
    for ring, simple in zip(rings, certain(c), strict=True):
        if simple:
            shape = shapely.Polygon(ring)
            assert shape.is_valid
            assert shape.area > 0


def comb(teeth, moved=None, to=None):
    """Give a ring of 2 * teeth + 3 positions that goes up and down, and back below; one of them may lie elsewhere."""
    ring = [[float(i), 1.0 + 9 * (i % 2)] for i in range(2 * teeth)] + [[2.0 * teeth, 0.0], [-1.0, 0.0]]
    if moved is not None:
        ring[moved % len(ring)] = to
    return [*ring, ring[0]]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 248),
    st.integers(0, 1000),
    st.tuples(st.integers(-2, 500).map(float) | st.floats(-2, 500), st.integers(-2, 12).map(float)).map(list),
)
def test_long_outlines_that_are_no_stars_are_told_as_geos_does(teeth, moved, to):
    rings = [comb(teeth), comb(teeth, moved, to)]
    c = of([{"type": "Polygon", "coordinates": [ring]} for ring in rings])
    first, second = certain(c)
    assert first
    assert not second or shapely.Polygon(rings[1]).is_valid


def test_an_outline_that_crosses_itself_far_along_is_not_simple():
    rings = [comb(240, moved, [x, -0.5]) for moved in (0, 7, 8, 15, 200, 479) for x in (3.5, 200.5, 470.5)]
    valid = [shapely.Polygon(ring).is_valid for ring in rings]
    found = certain(of([{"type": "Polygon", "coordinates": [ring]} for ring in rings])).tolist()
    assert found == valid
    assert not any(valid)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_ring_that_goes_around_its_middle_twice_is_not_simple(backwards):
    def around(corners, turns):
        angles = 2 * math.pi * turns * np.arange(corners) / corners
        ring = (50 + 20 * np.stack([np.cos(angles), np.sin(angles)], axis=1)).tolist()
        return [*ring, ring[0]][:: -1 if backwards else 1]

    rings = [around(corners, turns) for corners in (5, 7, 9, 25) for turns in (1, 2)]
    c = of([{"type": "Polygon", "coordinates": [ring]} for ring in rings])
    found = certain(c)
    assert found.tolist() == [True, False] * 4 == [shapely.Polygon(ring).is_valid for ring in rings]


def test_most_real_outlines_need_no_second_look(sample_field):
    features = orjson.loads(sample_field.with_suffix(".geojson").read_bytes())["features"]
    c = of([feature["geometry"] for feature in features])
    single = np.diff(c.part_starts[c.starts]) == 1
    assert certain(c)[single].mean() > 0.95
    assert all(passed([feature["geometry"] for feature in features], frame=None, max_vertices=10_000))


def test_what_geos_cannot_tell_of_is_refused_alone():
    # Edges of 1e-162 and less: products of their lengths underflow to 0, and GEOS raises an error for the whole call.
    shell = [[1e-162, 0], [3e-163, 9e-163], [-8e-163, 5e-163], [-8e-163, -5e-163], [3e-163, -9e-163], [1e-162, 0]]
    hole = [[0, 0], [1e-199, 0], [1e-199, 1e-199], [5e-200, 1e-199], [4.9e-200, 1e-212], [4e-200, 1e-199], [0, 0]]
    tiny = {"type": "Polygon", "coordinates": [shell, hole]}
    with pytest.raises(shapely.errors.GEOSException):
        shapely.is_valid(shapely.geometry.shape(tiny))
    good = {"type": "Polygon", "coordinates": [HARD[0]]}
    geometries = [good, tiny, good, good, tiny]
    assert passed(geometries) == [True, False, True, True, False]
    outcomes = list(Gate(frame=FRAME, max_vertices=40, seconds=60).check(geometries))
    assert [getattr(outcome, "code", "good") for outcome in outcomes] == ["good", "no_area", "good", "good", "no_area"]


def test_nothing_is_in_order():
    assert passed([]) == []


def test_a_repair_can_be_forced():
    hole = [[19, 10], [22, 10], [22, 20], [19, 20], [19, 10]]  # sticks out of its shell
    shell = [[10, 10], [20, 10], [20, 20], [10, 20], [10, 10]]
    geometry = {"type": "Polygon", "coordinates": [shell, hole]}
    with pytest.raises(PathServeError) as refused:
        check_geometry(geometry, frame=FRAME, max_vertices=40)
    assert refused.value.code == "not_repairable"
    forced = check_geometry(geometry, frame=FRAME, max_vertices=40, force=True)
    assert (forced.note, forced.drawn, forced.area) == (FORCED_NOTE, geometry, 90)
    bow_tie = {"type": "Polygon", "coordinates": [HARD[2]]}
    assert check_geometry(bow_tie, frame=FRAME, max_vertices=40, force=True).note == REPAIRED_NOTE
