"""Reducing and padding against plain arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pathserve.geometry import Size
from pathserve.pyramid.chunks import reduced_chunk, valid_part
from pathserve.pyramid.coding import Coding, mean_2x2, pad_to
from pathserve.slides import jpeg

TILE = Size(64, 64)
CODING = Coding("jpeg", TILE, "uint8", 3)
BEST = jpeg.Encoding(100, "444")

pictures = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


@given(pictures)
def test_means_of_2x2_with_the_last_row_and_column_taken_twice(pixels):
    height, width, _ = pixels.shape
    got = mean_2x2(pixels)
    assert got.shape == (-(-height // 2), -(-width // 2), 3)
    for y in range(got.shape[0]):
        for x in range(got.shape[1]):
            rows, cols = [2 * y, min(2 * y + 1, height - 1)], [2 * x, min(2 * x + 1, width - 1)]
            block = pixels[np.ix_(rows, cols)].astype(float)
            np.testing.assert_array_equal(got[y, x], np.floor(block.mean(axis=(0, 1)) + 0.5))


@given(pictures)
def test_padding_repeats_the_edge(pixels):
    padded = pad_to(pixels, Size(12, 11))
    assert padded.shape == (11, 12, 3)
    height, width, _ = pixels.shape
    rows, cols = np.minimum(np.arange(11), height - 1), np.minimum(np.arange(12), width - 1)
    np.testing.assert_array_equal(padded, pixels[np.ix_(rows, cols)])


def tiles_of(picture, padding):
    """Cut a picture into JPEG tiles whose padding has a loud colour."""
    height, width, _ = picture.shape
    tiles = {}
    for row in range(-(-height // 64)):
        for col in range(-(-width // 64)):
            tile = np.full((64, 64, 3), padding, np.uint8)
            part = picture[row * 64 : row * 64 + 64, col * 64 : col * 64 + 64]
            tile[: part.shape[0], : part.shape[1]] = part
            tiles[col, row] = jpeg.encode(tile, BEST)
    return tiles


@pytest.mark.parametrize(("width", "height"), [(128, 128), (127, 127), (100, 70), (65, 129), (64, 64), (3, 5)])
def test_padding_never_bleeds_into_the_reduced_picture(width, height):
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([60 + x % 50, 90 + y % 40, np.full_like(x, 30)], axis=-1).astype(np.uint8)
    tiles = tiles_of(picture, (255, 0, 255))
    got = reduced_chunk(lambda col, row: tiles[col, row], CODING, 255, Size(width, height), 0, 0)
    assert got is not None
    valid = valid_part(Size(width, height).halved(), TILE, 0, 0)
    assert got.shape == (valid.height, valid.width, 3)
    expected = mean_2x2(picture)[: valid.height, : valid.width].astype(int)
    assert np.abs(got - expected).max() <= 12  # JPEG of a hard edge inside the source tile
    assert np.abs(got - expected).mean() < 2
    assert (got[..., 2] < 80).all()


def test_a_missing_quarter_is_white_and_four_missing_are_nothing():
    grey = jpeg.encode(np.full((64, 64, 3), 90, np.uint8), BEST)
    tiles = {(0, 0): grey, (1, 0): None, (0, 1): None, (1, 1): grey}
    got = reduced_chunk(lambda col, row: tiles[col, row], CODING, 255, Size(128, 128), 0, 0)
    assert got is not None
    assert np.abs(got[:32, :32].astype(int) - 90).max() <= 1
    assert (got[:32, 32:] == 255).all()
    assert reduced_chunk(lambda col, row: None, CODING, 255, Size(128, 128), 0, 0) is None
