"""Channels as lights that add up: against the formula, worked out in float64 by itself."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.geometry import Size
from pathserve.pixels import Channel, Plane
from pathserve.pyramid.layout import Facts
from pathserve.tiles.compose import compose, project, stored_plane
from pathserve.tiles.view import ChannelView, Projection, View

colors = st.sampled_from([(255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 114, 255), (1, 2, 3), (0, 0, 0)])


def facts(dtype, channels):
    return Facts(
        size=Size(64, 64),
        tile=Size(64, 64),
        level_count=1,
        generation=1,
        vendor="formula",
        codec="none",
        mpp=None,
        mpp_plausible=True,
        objective_power=None,
        icc_profile=None,
        channels=tuple(Channel(f"C{n}", (255, 255, 255)) for n in range(channels)),
        rgb=False,
        dtype=dtype,
        planes=4,
        storage="zstd",
    )


def formula(planes, channels):
    """Share of the window, to the power of gamma, times the colour; added up, cut to full light and rounded."""
    total = 0.0
    for values, channel in zip(planes, channels, strict=True):
        start, end = channel.window
        share = np.clip((values.astype(np.float64) - start) / (end - start), 0, 1) ** channel.gamma
        total = total + share[..., None] * np.array(channel.color, np.float64)
    return np.rint(np.minimum(total, 255))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"])
@given(data=st.data())
@settings(max_examples=25)
def test_a_picture_is_the_formula_s_within_one_grey_level(dtype, data):
    count = data.draw(st.integers(1, 6))
    low, high = (-3.0, 3.0) if dtype == "float32" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    ends = st.floats(float(low), float(high), width=32) if dtype == "float32" else st.integers(low, high).map(float)
    least = 0.01 if dtype == "float32" else 1 if dtype in ("uint8", "int8") else (high - low) / 1000
    window = st.tuples(ends, ends).filter(lambda pair: abs(pair[0] - pair[1]) >= least)
    gamma = st.sampled_from([1.0, 0.1, 0.5, 2.2, 10.0])
    channels = tuple(data.draw(st.builds(ChannelView, st.just(n), colors, window, gamma)) for n in range(count))
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    planes = [
        (
            random.uniform(low, high, (64, 64))
            if dtype == "float32"
            else random.integers(low, high, (64, 64), endpoint=True)
        ).astype(dtype)
        for _ in range(count)
    ]
    got = compose(facts(dtype, count), View(channels), lambda plane: planes[plane.c][..., None])
    assert (got.dtype, got.shape) == (np.uint8, (64, 64, 3))
    assert np.abs(got - formula(planes, channels)).max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_most_channels_of_full_light_stay_white_and_of_faint_light_stay_within_one_level(dtype):
    full = np.full((8, 8, 1), np.iinfo(dtype).max, dtype)
    window = (0.0, float(np.iinfo(dtype).max))
    white = View(tuple(ChannelView(n, (255, 255, 255), window) for n in range(64)))
    assert (compose(facts(dtype, 64), white, lambda _: full) == 255).all()
    faint = View(tuple(ChannelView(n, (255, 85, 3), (0.0, 1000 * window[1])) for n in range(64)))
    got = compose(facts(dtype, 64), faint, lambda _: full)
    assert np.abs(got - formula([full[..., 0]] * 64, faint.channels)).max() <= 1


@pytest.mark.parametrize("count", [2, 5, 16, 17, 40, 64])
def test_many_lights_of_any_strength_stay_within_one_level(count):
    random = np.random.default_rng(count)
    planes = random.integers(0, 65_536, (count, 40, 40)).astype(np.uint16)
    for strength in (1.0, 5 / count):
        channels = tuple(
            ChannelView(n, tuple(random.integers(0, 256, 3).tolist()), (0.0, 65_535.0 / strength)) for n in range(count)
        )
        got = compose(facts("uint16", count), View(channels), lambda plane: planes[plane.c][..., None])
        assert np.abs(got - formula(planes, channels)).max() <= 1


def test_what_is_no_number_is_dark_and_what_is_infinite_is_at_its_end():
    values = np.array([[np.nan, np.inf, -np.inf, 0.5]], np.float32)[..., None]
    got = compose(facts("float32", 1), View((ChannelView(0, (255, 0, 0), (0.0, 1.0)),)), lambda _: values)
    assert got[0, :, 0].tolist() == [0, 255, 0, 128]


def test_the_window_is_asked_for_where_none_is_said():
    asked = list[int]()

    def auto(channel):
        asked.append(channel)
        return 100.0, 355.0

    values = np.arange(0, 512, dtype=np.uint16).reshape(16, 32, 1)
    expected = np.clip(np.arange(512).reshape(16, 32) - 100, 0, 255)
    for view in (View((ChannelView(0, (255, 0, 0), "auto"),)), View((ChannelView(0, (255, 0, 0)),))):
        np.testing.assert_array_equal(compose(facts("uint16", 1), view, lambda _: values, auto=auto)[..., 0], expected)
    assert asked == [0, 0]
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)  # eight bits without a window are shown as they are
    np.testing.assert_array_equal(compose(facts("uint8", 1), View(), lambda _: grey, auto=auto)[..., :1], grey)
    assert asked == [0, 0]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_a_projection_has_the_greatest_value_of_each_pixel(dtype):
    stack = (np.random.default_rng(1).normal(0, 60, (4, 16, 16, 1))).astype(dtype)
    before = stack.copy()
    planes = [Plane(0, 0, z) for z in range(4)]
    np.testing.assert_array_equal(project(planes, lambda plane: stack[plane.z]), stack.max(axis=0))
    np.testing.assert_array_equal(stack, before)
    view = View((ChannelView(0, (255, 0, 0), (0.0, 100.0)),), Projection(1, 2))
    got = compose(facts(dtype, 1), view, lambda plane: stack[plane.z])
    assert np.abs(got - formula([stack[1:3].max(axis=0)[..., 0]], view.channels)).max() <= 1


def test_a_projection_passes_over_what_is_no_number():
    stack = np.array([[np.nan, 1.0, np.nan], [2.0, np.nan, np.nan]], np.float32).reshape(2, 1, 3, 1)
    got = project([Plane(z=0), Plane(z=1)], lambda plane: stack[plane.z])
    np.testing.assert_array_equal(got[0, :, 0], np.array([2.0, 1.0, np.nan], np.float32))


def test_a_grey_jpeg_is_a_picture_as_it_lies_only_where_the_view_changes_nothing_of_it():
    grey = replace(facts("uint8", 1), storage="jpeg")
    white = (255, 255, 255)
    for channel in (ChannelView(0), ChannelView(0, white), ChannelView(0, white, (0.0, 255.0))):
        assert stored_plane(grey, View((channel,), 1)) == Plane(0, 0, 1)
    changed = (
        ChannelView(0, (255, 255, 254)),
        ChannelView(0, None, (0.0, 254.0)),
        ChannelView(0, None, "auto"),
        ChannelView(0, None, None, 0.9),
    )
    for channel in changed:
        assert stored_plane(grey, View((channel,))) is None
    assert stored_plane(grey, View((), Projection(1, 2))) is None
    assert stored_plane(replace(grey, storage="zstd"), View()) is None
    assert stored_plane(replace(facts("uint8", 2), storage="jpeg"), View()) is None
    colour = replace(facts("uint8", 3), storage="jpeg", rgb=True)
    assert stored_plane(colour, View((ChannelView(2, (1, 2, 3), "auto", 2.0),), 3)) == Plane(0, 0, 3)
    assert stored_plane(colour, View((), Projection())) is None
