"""Histograms of channels: against numpy and zarr-python, and the same bytes every time."""

import numpy as np
import orjson
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pathserve.errors import Corrupt
from pathserve.geometry import Size
from pathserve.pyramid import Pyramid, verify_pyramid
from pathserve.pyramid.histograms import MOST_BINS, MOST_SAMPLES, Histogram, measure, parse, to_bytes
from pathserve.pyramid.layout import HISTOGRAMS, MANIFEST

dtypes = st.sampled_from(["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"])


@given(dtypes.flatmap(lambda dtype: arrays.arrays(dtype, st.integers(0, 300))))
def test_every_sample_that_is_a_number_is_counted_in_the_bin_whose_edges_hold_it(values):
    histogram = Histogram.of(values)
    finite = values[np.isfinite(values)].astype(np.float64)
    assert sum(histogram.counts) == finite.size
    assert len(histogram.counts) <= MOST_BINS
    if finite.size == 0:
        assert histogram.counts == ()
        return
    assert (histogram.low, histogram.high) == (finite.min(), finite.max())
    start, end = histogram.window
    assert start < end
    edges = np.array(histogram.edges)
    assert edges[0] <= finite.min()
    assert edges[-1] >= finite.max() - abs(finite.max()) * 1e-6 - 1e-30
    if values.dtype.kind in "ui":
        assert (edges == np.round(edges)).all()
        expected, _ = np.histogram(finite, edges)
        assert expected.tolist() == list(histogram.counts)


@given(dtypes.flatmap(lambda dtype: arrays.arrays(dtype, st.integers(0, 300))))
def test_the_stored_form_gives_the_histograms_back(values):
    histograms = (Histogram.of(values), Histogram.of(values[:1]))
    assert parse(to_bytes(histograms)) == histograms


def test_the_suggested_window_holds_all_but_a_thousandth_at_each_end():
    values = np.random.default_rng(3).normal(5000, 800, 100_000).astype(np.uint16)
    start, end = Histogram.of(values).window
    assert abs((values < start).mean() - 0.001) < 2e-4
    assert abs((values > end).mean() - 0.001) < 2e-4


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"channels": [{}]}', b'{"channels": 3}', b"\xff"])
def test_what_is_damaged_is_told(raw):
    with pytest.raises(Corrupt):
        parse(raw)


@pytest.mark.parametrize(
    "name", ["ome-tiff/test_ome.tiff", "ome-tiff/multi-channel-z-series.ome.tif", "qptiff/small_vectra.qptiff"]
)
def test_ingest_stores_the_histogram_of_all_planes_of_each_channel(build, shared_data, name):
    folder = build(shared_data / "slides" / name)
    stored = Pyramid.open(folder).histograms()
    group = zarr.open(folder, mode="r")
    axes = [axis["name"] for axis in group.attrs["ome"]["multiscales"][0]["axes"]]
    channels = np.moveaxis(group["0"][...], axes.index("c"), 0)  # all of these are small enough for level 0
    assert len(stored) == len(channels)
    for histogram, values in zip(stored, channels, strict=True):
        expected, _ = np.histogram(values.astype(float), histogram.edges)
        assert expected.tolist() == list(histogram.counts)
        assert sum(histogram.counts) == values.size
        assert histogram.window == pytest.approx(tuple(np.percentile(values, (0.1, 99.9))))
    omero = group.attrs["ome"]["omero"]["channels"]
    assert [(each["window"]["start"], each["window"]["end"]) for each in omero] == [each.window for each in stored]


def test_histograms_are_the_same_bytes_of_every_build_and_are_verified(build, shared_data):
    path = shared_data / "slides" / "ome-tiff" / "test_ome.tiff"
    first, again = build(path, name="first"), build(path, name="again", workers=1)
    assert (first / MANIFEST).read_bytes() == (again / MANIFEST).read_bytes()
    assert HISTOGRAMS in orjson.loads((first / MANIFEST).read_bytes())["files"]
    (first / HISTOGRAMS).write_bytes((first / HISTOGRAMS).read_bytes() + b" ")
    assert [damage.path for damage in verify_pyramid(first)] == [HISTOGRAMS]
    with pytest.raises(Corrupt):
        Pyramid.open(first).histograms()


def test_a_pyramid_without_histograms_gets_the_same_ones_on_request(build, shared_data):
    folder = build(shared_data / "slides" / "ome-tiff" / "test_ome.tiff")
    stored = Pyramid.open(folder).histograms()
    manifest = orjson.loads((folder / MANIFEST).read_bytes())
    del manifest["files"][HISTOGRAMS]  # as pyramids were before there were histograms
    (folder / HISTOGRAMS).unlink()
    (folder / MANIFEST).write_bytes(orjson.dumps(manifest))
    assert Pyramid.open(folder).histograms() == stored


def test_a_colour_scan_stores_none_and_has_those_of_red_green_and_blue(sample_pyramid):
    pyramid = Pyramid.open(sample_pyramid)
    assert HISTOGRAMS not in pyramid.manifest.files
    histograms = pyramid.histograms()
    assert len(histograms) == 3
    level = next(k for k, size in enumerate(pyramid.levels) if size.width * size.height <= MOST_SAMPLES)
    pixels = zarr.open(sample_pyramid, mode="r")[str(level)][...]
    for sample, histogram in enumerate(histograms):
        assert sum(histogram.counts) == pixels[sample].size
        assert (histogram.low, histogram.high) == (pixels[sample].min(), pixels[sample].max())


def test_of_many_planes_a_bounded_number_is_looked_at_and_they_are_spread(build, shared_data):
    facts = Pyramid.open(build(shared_data / "slides" / "ome-tiff" / "test_ome.tiff")).facts
    size, seen = Size(512, 512), []

    def read(level, region, plane):
        seen.append((level, plane))
        return np.full((region.height, region.width, 1), plane.z, np.uint16)

    object.__setattr__(facts, "planes", 100)
    measure(facts, (Size(2048, 2048), Size(1024, 1024), size), read)
    assert {level for level, _ in seen} == {2}
    for channel in range(2):
        planes = [plane.z for _, plane in seen if plane.c == channel]
        assert len(planes) * size.width * size.height <= MOST_SAMPLES
        assert len(planes) == 16
        assert planes[0] < 5
        assert planes[-1] > 94
        assert max(np.diff(planes)) <= 7
