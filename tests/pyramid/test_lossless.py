"""Scans that are kept without loss: every sample type, channels, planes and times, read back by zarr-python."""

import numpy as np
import pytest
import zarr

from pathserve.errors import Corrupt, NotFound
from pathserve.geometry import LevelRegion, Size
from pathserve.pixels import DTYPES, RGB_CHANNELS, Channel, Level, Plane, SlideInfo
from pathserve.pyramid import Pyramid, plan_pyramid, publish
from pathserve.pyramid.build import build_pyramid
from pathserve.pyramid.coding import Coding
from pathserve.pyramid.plan import DECODED

SIZE = Size(601, 333)


class FormulaSource:
    """A scan whose samples follow from their place alone."""

    def __init__(self, info):
        self.info = info

    def read(self, level, region, plane):
        assert level == 0
        y = np.arange(region.lv_y, region.lv_y + region.height)[:, None, None]
        x = np.arange(region.lv_x, region.lv_x + region.width)[None, :, None]
        s = np.arange(self.info.samples)[None, None, :]
        return formula(self.info.dtype, plane, y, x, s)


def formula(dtype, plane, y, x, s):
    value = (y * 31 + x * 17 + s * 5 + plane.t * 101 + plane.c * 53 + plane.z * 29) * 257
    return (value * 0.125 if dtype == "float32" else value).astype(dtype)


def scan(dtype="uint16", *, channels=1, planes=1, times=1, rgb=False, size=SIZE):
    return SlideInfo(
        vendor="formula",
        levels=(Level(size, 1.0),),
        mpp=None,
        mpp_plausible=True,
        objective_power=None,
        codec="none",
        channels=RGB_CHANNELS if rgb else tuple(Channel(f"Channel {n}", (0, 255, 0)) for n in range(channels)),
        rgb=rgb,
        dtype=dtype,
        planes=planes,
        plane_spacing=1.5,
        times=times,
    )


@pytest.fixture
def built(tmp_path):
    def run(info, **options):
        staging = tmp_path / "staging"
        staging.mkdir()
        plan = plan_pyramid(info, **options)
        made = build_pyramid(
            FormulaSource(info), plan, staging, content_hash="c" * 64, workers=2, progress=lambda done, total: None
        )
        publish(made.folder, tmp_path / "slide.zarr")
        return tmp_path / "slide.zarr"

    return run


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_sample_type_comes_back_bit_by_bit(built, dtype):
    info = scan(dtype)
    folder = built(info)
    stored = zarr.open(folder, mode="r")["0"]
    assert stored.dtype == dtype
    y, x = np.mgrid[:333, :601]
    expected = formula(dtype, Plane(), y, x, 0)
    np.testing.assert_array_equal(stored[0], expected)
    region = LevelRegion(200, 100, 300, 200)
    np.testing.assert_array_equal(Pyramid.open(folder).read(0, region)[..., 0], expected[100:300, 200:500])


def test_channels_planes_and_times_are_axes_in_the_order_that_ome_asks_for(built):
    info = scan(channels=2, planes=3, times=2, size=Size(70, 40))
    folder = built(info)
    group = zarr.open(folder, mode="r")
    axes = [axis["name"] for axis in group.attrs["ome"]["multiscales"][0]["axes"]]
    assert axes == ["t", "c", "z", "y", "x"]
    stored = group["0"][...]
    assert stored.shape == (2, 2, 3, 40, 70)
    pyramid = Pyramid.open(folder)
    y, x = np.mgrid[:40, :70]
    for plane in info.each_plane():
        expected = formula("uint16", plane, y, x, 0)
        np.testing.assert_array_equal(stored[plane.t, plane.c, plane.z], expected)
        np.testing.assert_array_equal(pyramid.read(0, LevelRegion(0, 0, 70, 40), plane)[..., 0], expected)
    scale = group.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == [1.0, 1.0, 1.5, 1.0, 1.0]


@pytest.mark.parametrize("plane", [Plane(c=2), Plane(z=3), Plane(t=1), Plane(c=-1)])
def test_a_plane_that_is_not_there_is_not_found(built, plane):
    pyramid = Pyramid.open(built(scan(channels=2, planes=3, size=Size(70, 40))))
    with pytest.raises(NotFound):
        pyramid.read(0, LevelRegion(0, 0, 10, 10), plane)


def test_a_colour_scan_is_kept_without_loss_on_request(built):
    stored = zarr.open(built(scan("uint8", rgb=True), lossless=True), mode="r")["0"][...]
    y, x, s = np.mgrid[:333, :601, :3]
    np.testing.assert_array_equal(stored, np.moveaxis(formula("uint8", Plane(), y, x, s), 2, 0))


@pytest.mark.parametrize(("dtype", "half"), [("int16", "up"), ("uint32", "up"), ("float32", "exact")])
def test_reduced_levels_are_means_of_four(built, dtype, half):
    stored = zarr.open(built(scan(dtype, size=Size(600, 332))), mode="r")
    fine = stored["0"][0].astype(np.float64)
    mean = (fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]) / 4
    expected = mean if half == "exact" else np.floor(mean + 0.5)
    np.testing.assert_array_equal(stored["1"][0], expected.astype(dtype))


def test_the_window_of_a_channel_that_states_none_holds_nearly_all_of_its_values(built):
    pyramid = Pyramid.open(built(scan("uint16")))
    low, high = pyramid.facts.channels[0].window
    values = pyramid.read(0, LevelRegion(0, 0, 601, 333))
    assert 0.99 < ((values >= low) & (values <= high)).mean() < 1


def test_damaged_chunks_are_told_apart_from_pixels():
    coding = Coding("zstd", Size(8, 4), "int16", 1)
    pixels = np.arange(32, dtype=np.int16).reshape(4, 8, 1)
    data = coding.encode(pixels, DECODED)
    np.testing.assert_array_equal(coding.decode(data), pixels)
    for damaged in (b"", data[:10], data[:-1], data[:-6] + bytes([data[-6] ^ 1]) + data[-5:], b"\xff" + data[1:]):
        with pytest.raises(Corrupt):
            coding.decode(damaged)
    with pytest.raises(Corrupt):  # more than the tile size: refused before it is unpacked
        Coding("zstd", Size(8, 2), "int16", 1).decode(data)
