"""Regions on exactly the grid that was asked for."""

import numpy as np
import openslide
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pathserve.errors import Invalid
from pathserve.geometry import LevelRegion, PixelGrid
from pathserve.pyramid import Pyramid
from pathserve.tiles import resample
from pathserve.tiles.resample import coarsest_level, sample


@pytest.fixture(scope="session")
def pyramid(slides):
    return Pyramid.open(slides / "sample.zarr")


@pytest.fixture(scope="session")
def level_0(sample_slide):
    with openslide.OpenSlide(sample_slide) as slide:
        return np.asarray(slide.read_region((0, 0), 0, slide.dimensions))[..., :3]


def mean_of_footprints(level_0, grid):
    """The exact mean of each output pixel's footprint: an oracle for whole-number downsamples inside the slide."""
    d, x, y = int(grid.downsample_x), int(grid.l0_x), int(grid.l0_y)
    part = level_0[y : y + grid.height * d, x : x + grid.width * d].astype(float)
    return part.reshape(grid.height, d, grid.width, d, 3).mean(axis=(1, 3))


@settings(max_examples=60, deadline=None)
@given(st.integers(-300, 2400), st.integers(-300, 3100), st.integers(1, 400), st.integers(1, 300))
def test_at_level_0_whole_pixels_are_openslide_s_and_outside_is_white(pyramid, level_0, x, y, width, height):
    expected = np.full((height, width, 3), 255, np.uint8)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + width, 2220), min(y + height, 2967)
    if x0 < x1 and y0 < y1:
        expected[y0 - y : y1 - y, x0 - x : x1 - x] = level_0[y0:y1, x0:x1]
    np.testing.assert_array_equal(sample(pyramid, PixelGrid(x, y, width, height)), expected)


@pytest.mark.parametrize("downsample", [2, 3, 4, 5, 8])
def test_smaller_regions_look_like_the_mean_of_what_each_pixel_covers(pyramid, level_0, downsample):
    grid = PixelGrid(241, 307, 200, 180, downsample, downsample)
    difference = sample(pyramid, grid) - mean_of_footprints(level_0, grid)
    assert np.abs(difference).mean() < 7
    assert np.abs(difference.mean(axis=(0, 1))).max() < 1.5


@pytest.fixture(scope="session")
def ramps(tmp_path_factory, publish_scan):
    """Slides whose red and green tell x and y: one value a pixel (again after 256), and one value in eight pixels.

    The latter are dithered, so that their means are exact between the values as well.
    """
    folder = tmp_path_factory.mktemp("ramps")
    y, x = np.mgrid[0:1600, 0:1600] + 0.5
    found, random = {}, np.random.default_rng(7)
    for step in (1, 8):
        dither = random.random((1600, 1600)) if step > 1 else 0.5
        red, green = np.floor(x / step + dither - 0.5 / step) % 256, np.floor(y / step + dither - 0.5 / step) % 256
        ramp = np.stack([red, green, np.full_like(x, 90)], axis=-1).astype(np.uint8)
        Image.fromarray(ramp).save(folder / f"{step}.png")
        publish_scan(folder / f"{step}.png", folder, f"ramp-{step}", recompress=100)
        found[step] = Pyramid.open(folder / f"ramp-{step}.zarr")
    return found


@pytest.mark.parametrize("downsample", [0.5, 1.0, 1.3, 1.7, 2.0, 2.6, 4.0, 6.3, 8.0])
def test_pixel_centres_lie_where_the_grid_says(ramps, downsample):
    step, wraps = (1, 256) if downsample <= 2 else (8, 0)
    errors = []
    for x, y in np.random.default_rng(3).uniform(262, 290, (20, 2)):  # many corners, so that rounding evens out
        grid = PixelGrid(x, y, 100, 90, downsample, downsample)
        got = sample(ramps[step], grid).astype(float)
        seen_x = got[..., 0] * step + 0.5 + wraps
        seen_y = got[..., 1] * step + 0.5 + wraps
        error_x = seen_x - (x + (np.arange(100) + 0.5) * downsample)[None, :]
        error_y = seen_y - (y + (np.arange(90) + 0.5) * downsample)[:, None]
        errors.append((error_x.mean(), error_y.mean()))
    # A slip of half an output pixel would be half a downsample; one of half a stored pixel a quarter and more.
    assert np.abs(np.mean(errors, axis=0)).max() < 0.15 * downsample


@pytest.mark.parametrize("downsample", [1.0, 2.0, 3.7, 8.0, 21.0])
def test_outside_the_slide_is_white_and_does_not_bleed_in(slides, sample_field, downsample):
    pyramid = Pyramid.open(slides / "field.zarr")  # 1500 x 1500, tissue up to its edges
    level_0 = np.asarray(Image.open(sample_field).convert("RGB")).astype(float)
    # Column 12 has its centre a tenth of a pixel inside the slide and nearly half of itself outside.
    left = 1499.9 - 12.5 * downsample
    got = sample(pyramid, PixelGrid(left, 300.0, 20, 50, downsample, downsample))
    assert (got[:, 13:] == 255).all()
    covered = level_0[300 : round(300 + 50 * downsample), round(1499.9 - 0.5 * downsample) : 1500]
    # White mixed in by half would lift the last column by 30 and more.
    assert np.abs(got[:, 12].mean(axis=0) - covered.mean(axis=(0, 1))).max() < 6


def test_wholly_outside_is_all_white(pyramid):
    for x, y in [(-500, 0), (0, -500), (2220, 0), (0, 2967)]:
        assert (sample(pyramid, PixelGrid(x, y, 100, 100, 3.3, 3.3)) == 255).all()


@settings(max_examples=25, deadline=None)
@given(st.floats(0.6, 9.0), st.floats(-100, 2000), st.floats(-100, 2500), st.integers(1, 99), st.integers(1, 79))
def test_regions_put_together_are_the_region_of_the_whole(pyramid, downsample, x, y, split_x, split_y):
    whole = sample(pyramid, PixelGrid(x, y, 100, 80, downsample, downsample)).astype(int)
    for i, width in ((0, split_x), (split_x, 100 - split_x)):
        for j, height in ((0, split_y), (split_y, 80 - split_y)):
            grid = PixelGrid(x + i * downsample, y + j * downsample, width, height, downsample, downsample)
            part = sample(pyramid, grid)
            assert np.abs(part - whole[j : j + height, i : i + width]).max() <= 2  # rounding of filter weights


def test_strips_change_nothing_but_rounding(pyramid, monkeypatch):
    grid = PixelGrid(-20.5, 33.25, 500, 400, 2.9, 3.1)
    at_once = sample(pyramid, grid)
    monkeypatch.setattr(resample, "STRIP_PIXELS", 20_000)
    in_strips = sample(pyramid, grid).astype(int)
    assert np.abs(in_strips - at_once).max() <= 1  # rounding of filter weights
    assert (in_strips != at_once).mean() < 0.01


@pytest.mark.parametrize(
    ("downsample", "level"),
    [(0.3, 0), (1.0, 0), (1.99, 0), (2.0, 1), (1.9999999999, 1), (3.99, 1), (16.0, 4), (99.0, 4)],
)
def test_the_coarsest_level_that_is_fine_enough_is_read(downsample, level):
    assert coarsest_level(PixelGrid(0, 0, 1, 1, downsample, downsample), 5) == level
    assert coarsest_level(PixelGrid(0, 0, 1, 1, downsample, 99.0), 5) == level


def test_stored_pixels_are_given_unchanged_where_the_grids_coincide(pyramid):
    got = sample(pyramid, PixelGrid(480, 960, 120, 110, 4.0, 4.0))
    whole = pyramid.read(2, _all_of(pyramid, 2))
    np.testing.assert_array_equal(got, whole[240:350, 120:240])


def test_few_chunks_are_read_for_a_small_view_of_the_whole(pyramid, monkeypatch):
    read = []
    real = pyramid.chunk
    monkeypatch.setattr(pyramid, "chunk", lambda *address, **more: read.append(address) or real(*address, **more))
    sample(pyramid, PixelGrid(0, 0, 111, 148, 20.0, 20.0))
    assert len(read) == 1


@pytest.mark.parametrize("downsamples", [(1e9, 1e9), (10.0, 0.5), (1.0, 17.0)])
def test_grids_that_would_eat_the_memory_are_refused(pyramid, downsamples):
    with pytest.raises(Invalid):
        sample(pyramid, PixelGrid(0, 0, 10, 10, *downsamples))


def _all_of(pyramid, level):
    size = pyramid.levels[level]
    return LevelRegion(0, 0, size.width, size.height)
