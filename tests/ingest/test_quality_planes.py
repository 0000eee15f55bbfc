"""The tools over whole pictures, against slower ways to the same answers."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pathserve.ingest.quality.planes import boxes_of, dilated, eroded, label_parts, optical_density, otsu, without_small

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


def parts_by_flood(mask):
    """Find the parts by walking over neighbours, corners included."""
    left = {tuple(place) for place in np.argwhere(mask).tolist()}
    parts = []
    while left:
        seed = left.pop()
        part, todo = {seed}, deque([seed])
        while todo:
            y, x = todo.popleft()
            for place in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                if place in left:
                    left.remove(place)
                    part.add(place)
                    todo.append(place)
        parts.append(frozenset(part))
    return set(parts)


@given(masks)
def test_parts_are_those_that_a_flood_finds(mask) -> None:
    labels, count = label_parts(mask)
    assert np.array_equal(labels > 0, mask)
    found = {frozenset(map(tuple, np.argwhere(labels == n).tolist())) for n in range(1, count + 1)}
    assert found == parts_by_flood(mask)
    for number, (area, x0, y0, x1, y1) in enumerate(boxes_of(labels, count).tolist(), start=1):
        y, x = np.nonzero(labels == number)
        assert (area, x0, y0, x1, y1) == (len(x), x.min(), y.min(), x.max() + 1, y.max() + 1)


@given(masks, st.integers(1, 10))
def test_small_parts_go_and_the_others_stay(mask, least) -> None:
    kept = {place for part in parts_by_flood(mask) if len(part) >= least for place in part}
    assert set(map(tuple, np.argwhere(without_small(mask, least)).tolist())) == kept


@given(masks, st.integers(1, 3))
def test_growing_and_shrinking_look_at_a_square(mask, radius) -> None:
    height, width = mask.shape
    for y in range(height):
        for x in range(width):
            square = mask[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            assert dilated(mask, radius)[y, x] == square.any()
            assert eroded(mask, radius)[y, x] == square.all()


def test_density_counts_powers_of_ten() -> None:
    picture = np.array([[[255, 127, 0]]], np.uint8)
    np.testing.assert_allclose(optical_density(picture)[0, 0], [0, np.log10(2), np.log10(256)], atol=1e-6)


def test_otsu_parts_two_heaps() -> None:
    values = np.concatenate([np.full(500, 0.2), np.full(100, 0.8)]).astype(np.float32)
    assert 0.2 < otsu(values, 0.0, 1.0) < 0.8
    assert otsu(np.full(5, 0.5, np.float32), 0.0, 1.0) == pytest.approx(1.0)
