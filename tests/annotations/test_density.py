"""Counts of what is too small to be drawn: at every level each object is counted once or drawn, never both."""

from dataclasses import replace

import mapbox_vector_tile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from pathserve.annotations.density import (
    PYRAMID_FROM,
    Bins,
    Counts,
    DensityPyramid,
    Summary,
    first_levels,
    merge,
    summarize,
)
from pathserve.annotations.reading import attributes_of
from pathserve.annotations.vector_tiles import TileBox, TileCounts, TilePart, encode_tile
from pathserve.labels import Columns, NewAnnotation

CLASSES, STATES = ("tumour", "stroma"), ("draft", "approved")
SIDES = st.one_of(st.floats(0, 3000), st.sampled_from([0.0, 40.0, 80.0, 79.99999999999999, 160.0, 1e9]))
ROWS = st.lists(
    st.tuples(st.floats(0, 60_000), st.floats(0, 60_000), SIDES, SIDES, st.integers(-1, 1), st.integers(0, 1)),
    min_size=1,
    max_size=60,
)


def table(rows):
    values = np.array(rows, np.float64)
    boxes = np.column_stack((values[:, :2] - values[:, 2:4] / 2, values[:, :2] + values[:, 2:4] / 2))
    return boxes, values[:, 4].astype(np.int32), values[:, 5].astype(np.int32)


def summary(boxes, classes, states) -> Summary:
    return summarize(boxes, classes, CLASSES, states, STATES)


def tiles(downsample: int, tile_size: int) -> list[TileBox]:
    side = tile_size * downsample
    count = -(-60_001 // side)
    return [TileBox(x * side, y * side, side, downsample) for x in range(count) for y in range(count)]


def bins_of(tile: TileBox) -> Bins:
    bins = tile.bins
    assert bins is not None
    return bins


def total(counts: Counts) -> dict[tuple[str | None, str], int]:
    found: dict[tuple[str | None, str], int] = {}
    for cls, state, count in zip(counts.classes, counts.states, counts.counts, strict=True):
        key = (None if cls < 0 else counts.class_names[cls], counts.state_names[state])
        found[key] = found.get(key, 0) + int(count)
    return found


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sampled_from([240, 254, 256, 512]), st.integers(1, 5))
def test_every_object_is_counted_once_or_drawn(rows, tile_size, pieces):
    boxes, classes, states = table(rows)
    places = np.array_split(np.arange(len(rows)), pieces)
    summaries = [summary(boxes[p], classes[p], states[p]) for p in places if len(p)]
    pyramid = DensityPyramid(summaries)
    for level, downsample in enumerate((16, 32, 64, 128, 512)):
        level = downsample.bit_length() - 5
        expected: dict[tuple[str | None, str], int] = {}
        drawn = 0
        for box, cls, state in zip(boxes, classes, states, strict=True):
            if max(box[2] - box[0], box[3] - box[1]) >= 2.5 * downsample:
                drawn += 1
            else:
                key = (None if cls < 0 else CLASSES[cls], STATES[state])
                expected[key] = expected.get(key, 0) + 1
        assert int((first_levels(boxes) > level).sum()) == drawn
        grid = [bins_of(tile) for tile in tiles(downsample, tile_size)]
        if downsample <= 64:
            assert total(merge(one.tile(bins) for one in summaries for bins in grid)) == expected
        if level >= PYRAMID_FROM:
            assert total(merge(pyramid.tile(bins) for bins in grid)) == expected


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_a_count_lies_where_the_object_is(rows):
    boxes, classes, states = table(rows)
    for level in (0, 1, 4):
        width = 64 * 2**level
        small = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) < 40 * 2**level
        centres = (boxes[small, :2] / 2 + boxes[small, 2:] / 2) // width
        counts = merge([summary(boxes, classes, states).at(level)])
        found = {}
        for place, count in zip(counts.bins.tolist(), counts.counts.tolist(), strict=True):
            found[tuple(place)] = found.get(tuple(place), 0) + count
        places, numbers = np.unique(centres, axis=0, return_counts=True)
        assert found == dict(zip(map(tuple, places.astype(int).tolist()), numbers.tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS, st.data())
def test_edits_are_taken_away_and_added(rows, fresh, data):
    """A pyramid less the rows that were edited, and with their new versions, is that of what holds now."""
    gone = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    old, new = table(rows), table(fresh)
    pyramid = DensityPyramid([summary(*old)])
    now = [np.concatenate((o[~gone], n)) for o, n in zip(old, new, strict=True)]
    for tile in tiles(256, 256):
        bins = bins_of(tile)
        edited = merge(
            [
                pyramid.tile(bins),
                summary(*(o[gone] for o in old)).tile(bins).negated(),
                summary(*new).tile(bins),
            ]
        )
        assert total(edited) == total(merge([summary(*now).tile(bins)]))
        assert (edited.counts > 0).all()


@pytest.mark.parametrize("far", [1e7, 1e300, -1e300])
def test_places_out_of_all_reason_still_count(far):
    boxes = np.array([[far, far, far, far], [5, 5, 6, 6]])
    none = np.zeros(2, np.int32)
    assert int(summary(boxes, none, none).at(0).counts.sum()) == 2
    assert int(DensityPyramid([summary(boxes, none, none)]).tile(Bins(2, 0, 0, 64, 64)).counts.sum()) == 1


def cells(count: int, size: float) -> Columns:
    rng = np.random.default_rng(2)
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size], [0, 0]])
    rings = (rng.uniform(100, 4000, (count, 1, 2)) + corners).tolist()
    made = [
        NewAnnotation({"type": "Polygon", "coordinates": [ring]}, class_name=("tumour", "stroma", None)[i % 3])
        for i, ring in enumerate(rings)
    ]
    return replace(Columns.of(made), numbers=np.arange(1, count + 1), layer="AI")


def test_a_tile_holds_each_object_once_in_one_of_its_layers():
    parts = [cells(300, 12.0), replace(cells(40, 44.0), numbers=np.arange(301, 341))]
    tile = TileBox(0, 0, 4096, 16)
    summaries = [summarize(one.boxes(), one.classes, one.class_names, one.states, one.state_names) for one in parts]
    data = encode_tile(
        [TilePart(attributes_of(columns), columns, "AI", np.arange(len(columns))) for columns in parts],
        tile,
        [TileCounts("AI", [one.tile(bins_of(tile)) for one in summaries])],
    )
    read = mapbox_vector_tile.decode(data, default_options={"y_coord_down": True})
    # 12 px are under 2.5 screen pixels of 16, 44 are not.
    assert sorted(feature["id"] for feature in read["objects"]["features"]) == list(range(301, 341))
    features = read["density"]["features"]
    # One feature for all bins of a class that have the same count.
    assert len({tuple(feature["properties"].items()) for feature in features}) == len(features)
    by_class, places = dict.fromkeys(("tumour", "stroma", None), 0), 0
    for feature in features:
        assert set(feature["properties"]) <= {"class", "layer", "count"}
        points = shape(feature["geometry"])
        for point in getattr(points, "geoms", [points]):
            by_class[feature["properties"].get("class")] += feature["properties"]["count"]
            places += 1
            # Centres of bins of 4 of 256 pixels: 64 units wide.
            assert (point.x % 64, point.y % 64) == (32, 32)
    assert places > len(features)
    assert by_class == {"tumour": 100, "stroma": 100, None: 100}


def test_counts_are_filtered_by_class_and_state():
    boxes = np.array([[10, 10, 12, 12]] * 6, np.float64)
    classes, states = np.array([0, 0, 1, 1, -1, -1], np.int32), np.array([0, 1] * 3, np.int32)
    tile = TileBox(0, 0, 4096, 16)

    def counted(**chosen) -> list[tuple[str | None, int]]:
        pieces = [summary(boxes, classes, states).tile(bins_of(tile))]
        data = encode_tile([], tile, [TileCounts("AI", pieces)], **chosen)
        if not data:
            return []
        found = mapbox_vector_tile.decode(data)["density"]["features"]
        return [(point["properties"].get("class"), point["properties"]["count"]) for point in found]

    assert counted() == [(None, 2), ("tumour", 2), ("stroma", 2)]
    assert counted(classes={"stroma"}) == [("stroma", 2)]
    assert counted(states={"approved"}) == [(None, 1), ("tumour", 1), ("stroma", 1)]
    assert counted(classes={"stroma"}, states={"approved"}) == [("stroma", 1)]
    assert counted(classes={"nothing"}) == []


def test_nothing_is_counted_where_all_is_drawn():
    assert TileBox(0, 0, 2048, 8).bins is None
    assert not len(DensityPyramid([]).tile(Bins(3, 0, 0, 64, 64)).counts)
