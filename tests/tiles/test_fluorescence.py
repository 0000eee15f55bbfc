"""Channels, planes and times of real slides, against tifffile, zarr-python and CZI blocks decoded by imagecodecs."""

import io
import math
import tracemalloc
import warnings
from dataclasses import replace

import czifile
import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs import zstd
from PIL import Image

from pathserve.errors import Invalid, NotFound, TooLarge
from pathserve.geometry import LevelRegion, PixelGrid
from pathserve.pyramid import Pyramid
from pathserve.server.params import ViewQuery, parse_query
from pathserve.tiles import TileService, pictures

COLORS = {"z-series": [(0, 114, 255), (0, 220, 90), (255, 70, 40)], "vectra": [(0, 0, 255), (0, 255, 0), (255, 255, 0)]}


def czi_planes(path):
    """Lay a file whose planes are one block each out as (t, c, z, y, x); its blocks are Zstandard with split bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = czifile.CziFile(path)
    planes = {}
    with file:
        for entry in file.subblock_directory:
            at = {dimension.dimension: dimension.start for dimension in entry.dimension_entries}
            sizes = {dimension.dimension: dimension.size for dimension in entry.dimension_entries}
            data = entry.data_segment().data(raw=True)
            split = data[0] > 1 and data[1] == 1 and data[2] & 1
            raw = np.frombuffer(imagecodecs.zstd_decode(data[data[0] :]), np.uint8)
            raw = np.ascontiguousarray(raw.reshape(2, -1).T) if split else raw
            planes[at["T"], at["C"], at["Z"]] = raw.view("<u2").reshape(sizes["Y"], sizes["X"])
    times, channels, depth = (max(place[axis] for place in planes) + 1 for axis in range(3))
    return np.array([[[planes[t, c, z] for z in range(depth)] for c in range(channels)] for t in range(times)])


@pytest.fixture(scope="module")
def real(tmp_path_factory, shared_data, publish_scan):
    """Published slides, and by name their samples as (t, c, z, y, x)."""
    folder, data = tmp_path_factory.mktemp("real"), shared_data / "slides"
    paths = {
        "z-series": data / "ome-tiff" / "multi-channel-z-series.ome.tif",
        "czi": data / "czi" / "CellDivision_T3_Z5_CH2_comp1.czi",
        "vectra": data / "qptiff" / "small_vectra.qptiff",
        "tubhiswt": data / "ome-zarr" / "tubhiswt4D_sub.zarr",
        "sixteen": data / "aperio" / "aperio-16bit-1channel.tif",
    }
    for name, path in paths.items():
        publish_scan(path, folder, name)
    truth = {
        "z-series": tifffile.imread(paths["z-series"])[None],  # c, z, y, x
        "czi": czi_planes(paths["czi"]),
        "vectra": tifffile.imread(paths["vectra"], series=0)[None, :, None],  # c, y, x
        "tubhiswt": zarr.open(paths["tubhiswt"], mode="r")["0"][...],
        "sixteen": tifffile.imread(paths["sixteen"])[None, None, None],
    }
    return folder, truth


@pytest.fixture
def service(real):
    return TileService(real[0])


def view(query):
    return parse_query(query.encode(), ViewQuery).view


def composed(planes, channels):
    """Add up the lights of (values, colour, window, gamma) in float64."""
    total = 0.0
    for values, (color, (start, end), gamma) in zip(planes, channels, strict=True):
        share = np.clip((values.astype(np.float64) - start) / (end - start), 0, 1) ** gamma
        total = total + share[..., None] * np.array(color, np.float64)
    return np.rint(np.minimum(total, 255))


def rgb(body):
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))


def unpacked(tile):
    body = zstd.decompress(tile.body) if tile.packed else tile.body
    return np.frombuffer(body, np.dtype(tile.dtype).newbyteorder("<")).reshape(tile.shape)


@pytest.mark.parametrize(
    ("name", "query", "pick", "channels"),
    [
        ("z-series", "c=1:ff0000:0-90:0.5", [(0, 1, 2)], [((255, 0, 0), (0, 90), 0.5)]),
        (
            "z-series",
            "c=0:00ff00:-1-50,2:ff00ff:90-10&z=4",
            [(0, 0, 4), (0, 2, 4)],
            [((0, 255, 0), (-1, 50), 1), ((255, 0, 255), (90, 10), 1)],
        ),
        (
            "czi",
            "c=0:0000ff:200-4000,1:ffff00:100-900:2&z=1&t=2",
            [(2, 0, 1), (2, 1, 1)],
            [((0, 0, 255), (200, 4000), 1), ((255, 255, 0), (100, 900), 2)],
        ),
        ("tubhiswt", "c=0:ffffff:20.5-99.5&z=0&t=1", [(1, 0, 0)], [((255, 255, 255), (20.5, 99.5), 1)]),
        (
            "vectra",
            "c=2:00ffff:3-40:1.5,0:12ff00:0-255",
            [(0, 0, 0), (0, 2, 0)],
            [((18, 255, 0), (0, 255), 1), ((0, 255, 255), (3, 40), 1.5)],
        ),
        ("sixteen", "c=0:ff8000:1000-30000", [(0, 0, 0)], [((255, 128, 0), (1000, 30000), 1)]),
    ],
)
def test_a_region_is_the_formula_s_of_the_file_s_own_samples(service, real, name, query, pick, channels):
    planes = [real[1][name][place] for place in pick]
    height, width = planes[0].shape
    got = service.region(name, PixelGrid(0, 0, width, height, 1, 1), view=view(query))
    assert np.abs(got - composed(planes, channels)).max() <= 1


@pytest.mark.parametrize(("query", "planes"), [("z=max", slice(0, 5)), ("z=1-3", slice(1, 4)), ("z=0-0", slice(0, 1))])
def test_a_projection_is_the_greatest_value_over_planes(service, real, query, planes):
    values = real[1]["czi"][1, :, planes].max(axis=1)
    height, width = values[0].shape
    got = service.region(
        "czi", PixelGrid(0, 0, width, height, 1, 1), view=view(f"c=0:ff0000:0-3000,1:00ff00:0-3000&t=1&{query}")
    )
    expected = composed(values, [((255, 0, 0), (0, 3000), 1), ((0, 255, 0), (0, 3000), 1)])
    assert np.abs(got - expected).max() <= 1
    tile = service.samples("czi", 8, 0, 0, view=view(f"c=1&t=1&{query}"), packed=False)
    np.testing.assert_array_equal(unpacked(tile)[0], values[1])


@pytest.mark.parametrize("packed", [True, False])
def test_a_whole_raw_tile_of_a_projection_is_made(service, real, packed):
    tile = service.samples("tubhiswt", 9, 1, 0, view=view("z=max&t=2"), packed=packed)
    np.testing.assert_array_equal(unpacked(tile)[0], real[1]["tubhiswt"][2, 0].max(axis=0)[:256, 256:])


def test_the_default_view_shows_what_states_no_window_in_that_of_its_histogram(service, real):
    for name in ("z-series", "vectra"):
        samples = real[1][name][0]
        middle = samples[:, samples.shape[1] // 2]
        windows = [tuple(np.percentile(channel, (0.1, 99.9))) for channel in samples]
        channels = [(color, window, 1) for color, window in zip(COLORS[name], windows, strict=True)]
        height, width = middle[0].shape
        grid = PixelGrid(0, 0, width, height, 1, 1)
        got = service.region(name, grid)
        assert np.abs(got - composed(middle, channels)).max() <= 1
        asked = ",".join(f"{channel}:auto" for channel in range(len(samples)))
        np.testing.assert_array_equal(service.region(name, grid, view=view(f"c={asked}")), got)


def test_auto_takes_the_histogram_s_window_where_the_slide_states_one(service, real):
    samples = real[1]["tubhiswt"]  # states 54 to 107
    (window,) = [histogram.window for histogram in Pyramid.open(real[0] / "tubhiswt.zarr").histograms()]
    assert window == pytest.approx(tuple(np.percentile(samples, (0.1, 99.9))))
    got = service.region("tubhiswt", PixelGrid(0, 0, 512, 512, 1, 1), view=view("c=0:ffffff:auto"))
    assert np.abs(got - composed([samples[0, 0, 1]], [((255, 255, 255), window, 1)])).max() <= 1
    stated = service.region("tubhiswt", PixelGrid(0, 0, 512, 512, 1, 1), view=view("c=0:ffffff"))
    assert np.abs(stated - composed([samples[0, 0, 1]], [((255, 255, 255), (54, 107), 1)])).max() <= 1


def test_tiles_regions_and_thumbnails_of_a_view_agree(service):
    query = view("c=0:ff0000:2-60:0.7,2:00ff00:auto")
    grid = service.deepzoom("vectra")
    top = grid.level_count - 1
    for level in (top, top - 2):
        factor = 2 ** (top - level)
        for col, row in ((0, 0), (1, 1)):
            part = grid.tile_region(level, col, row)
            body = service.tile("vectra", level, col, row, view=query, image_format="png").body
            tile = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))
            where = PixelGrid(part.lv_x * factor, part.lv_y * factor, part.width, part.height, factor, factor)
            np.testing.assert_array_equal(tile, service.region("vectra", where, view=query))
    thumbnail = np.asarray(
        Image.open(io.BytesIO(service.thumbnail("vectra", 240, view=query, image_format="png"))).convert("RGB")
    )
    np.testing.assert_array_equal(thumbnail, service.region("vectra", PixelGrid(0, 0, 240, 180, 8, 8), view=query))


@pytest.mark.parametrize("downsample", [0.25, 1, 2, 3.25])
def test_outside_the_slide_is_dark_whatever_the_window(service, downsample):
    size = service.deepzoom("vectra").size
    grid = PixelGrid(size.width - 20.5 * downsample, -7.5 * downsample, 40, 30, downsample, downsample)
    shown = service.region("vectra", grid, view=view("c=0:ff0000:40-0"))
    # Row 7 and column 20 have their centres on the slide's edges: the upper one belongs to it, the right one does not.
    assert (shown[7:, :20, 0] > 0).mean() > 0.9
    assert not shown[:7].any()
    assert not shown[:, 20:].any()
    assert not service.region("vectra", replace(grid, l0_x=-1e6), view=view("c=0:ff0000:40-0")).any()


@pytest.mark.parametrize("downsample", [0.5, 1, 2, 8])
def test_channels_are_put_together_in_strips_that_show_no_seams(service, monkeypatch, downsample):
    grid = PixelGrid(-100, 31, 900, 700, downsample, downsample)
    look = view("c=0:ff0000:0.5,1:00ff00:auto,2:0000ff")
    at_once = service.region("vectra", grid, view=look)
    monkeypatch.setattr(pictures, "STRIP_PIXELS", 900 * 37)
    np.testing.assert_array_equal(service.region("vectra", grid, view=look), at_once)


def test_large_pictures_of_channels_take_little_memory(service, monkeypatch):
    grid, look = PixelGrid(0, 0, 1800, 1200, 0.1, 0.1), view("")  # resampled, so in floats
    monkeypatch.setattr(pictures, "STRIP_PIXELS", 1800 * 40)
    service.region("vectra", grid, view=look)
    tracemalloc.start()
    try:
        picture = service.region("vectra", grid, view=look)
        assert tracemalloc.get_traced_memory()[1] < 2 * picture.nbytes  # a float32 of each sample alone would be 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", ["z-series", "czi", "vectra", "tubhiswt", "sixteen"])
def test_raw_tiles_of_level_0_put_together_are_the_file_s_planes(service, real, name, packed):
    samples = real[1][name]
    t, c, z = (size - 1 for size in samples.shape[:3])
    plane, grid = samples[t, c, z], service.deepzoom(name)
    level, found = grid.level_count - 1, np.zeros(plane.shape, plane.dtype)
    for col in range(grid.level_tiles(level)[0]):
        for row in range(grid.level_tiles(level)[1]):
            tile = service.samples(name, level, col, row, view=view(f"c={c}&z={z}&t={t}"), packed=packed)
            part = grid.tile_region(level, col, row)
            assert (tile.shape, tile.dtype) == ((1, part.height, part.width), plane.dtype.name)
            found[part.lv_y : part.lv_y + part.height, part.lv_x : part.lv_x + part.width] = unpacked(tile)[0]
    np.testing.assert_array_equal(found, plane)


def test_a_whole_raw_tile_is_the_stored_frame_and_others_are_made_once(service, real, monkeypatch):
    grid, pyramid = service.deepzoom("vectra"), Pyramid.open(real[0] / "vectra.zarr")
    level = grid.level_count - 1
    whole = service.samples("vectra", level, 1, 0, view=view("c=1"), packed=True)
    assert whole.body == pyramid.chunk(0, 1, 0, view("c=1").shown(pyramid.facts)[0].planes[0])
    edge = service.samples("vectra", level, *(n - 1 for n in grid.level_tiles(level)), view=view("c=1"), packed=True)
    below = service.samples("vectra", 3, 0, 0, view=view("c=1"), packed=True)
    monkeypatch.setattr(Pyramid, "read", lambda *_: pytest.fail("it was made again"))
    ends = tuple(n - 1 for n in grid.level_tiles(level))
    for address, made in (((level, 1, 0), whole), ((level, *ends), edge), ((3, 0, 0), below)):
        assert service.samples("vectra", *address, view=view("c=1"), packed=True) == made
        assert service.samples_at_once("vectra", *address, view=view("c=1"), packed=True) == made
    assert service.samples_at_once("vectra", level, 1, 0, view=view("c=1"), packed=False) is None


def by_formula(stored, halvings, size):
    """Halve (h, w) samples in float64 with Hamming's window on sinc, as wide as an output pixel to either side.

    The last row and column go on where the pixels of the smaller size reach beyond them.
    """

    def weights(count, made):
        step = 2**halvings
        centres, places = (np.arange(made) + 0.5) * step, np.arange(-3 * step, count + 3 * step)
        x = (places + 0.5 - centres[:, None]) / step
        weight = np.where(np.abs(x) < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0.0)
        weight /= weight.sum(axis=1, keepdims=True)
        last = np.zeros((len(places), count))
        last[np.arange(len(places)), np.clip(places, 0, count - 1)] = 1
        return weight @ last

    down, across = weights(stored.shape[0], size.height), weights(stored.shape[1], size.width)
    return down @ stored.astype(np.float64) @ across.T


@pytest.mark.parametrize("name", ["z-series", "czi", "vectra", "tubhiswt", "sixteen"])
def test_below_the_smallest_stored_level_samples_are_those_of_the_formula(service, real, name):
    pyramid, grid = Pyramid.open(real[0] / f"{name}.zarr"), service.deepzoom(name)
    smallest = len(pyramid.levels) - 1
    stored = zarr.open(real[0] / f"{name}.zarr", mode="r")[str(smallest)][...]
    stored = stored.reshape(-1, *stored.shape[-2:])[0]
    for halvings in (1, 2, 5):
        level = grid.level_count - 1 - smallest - halvings
        expected = by_formula(stored, halvings, grid.level_size(level))
        tile = service.samples(name, level, 0, 0, view=view("c=0&z=0"), packed=False)
        assert tile.dtype == pyramid.facts.dtype
        # One is rounding: of 8 bits there are two, since one direction is done after the other.
        assert np.abs(unpacked(tile)[0] - expected).max() <= 1.01


@pytest.mark.parametrize("name", ["z-series", "czi", "vectra", "tubhiswt", "sixteen"])
@pytest.mark.parametrize("query", ["", "c=0:ff8000:0.6", "c=0:auto&z=max"])
def test_below_the_smallest_stored_level_tiles_regions_and_thumbnails_agree(service, name, query):
    grid, levels = service.deepzoom(name), len(service.pyramid(name).levels)
    for halvings in range(levels, grid.level_count - 2):
        level, step = grid.level_count - 1 - halvings, 2**halvings
        size = grid.level_size(level)
        assert grid.level_tiles(level) == (1, 1)
        tile = rgb(service.tile(name, level, 0, 0, view=view(query), image_format="png").body)
        longer = max(size.width, size.height)
        thumbnail = rgb(service.thumbnail(name, longer, view=view(query), image_format="png"))
        np.testing.assert_array_equal(thumbnail, tile)
        region = service.region(name, PixelGrid(0, 0, size.width, size.height, step, step), view=view(query))
        columns, rows = (np.arange(size.width) + 0.5) * step, (np.arange(size.height) + 0.5) * step
        inside = (rows < grid.size.height)[:, None] & (columns < grid.size.width)
        np.testing.assert_array_equal(region[inside], tile[inside])
        assert tile.any()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_part_of_a_far_level_is_that_part_of_the_region(coarse, data):
    service, grid = coarse, coarse.deepzoom("coarse")
    halvings = data.draw(st.integers(2, grid.level_count - 1))
    level, step = grid.level_count - 1 - halvings, 2**halvings
    columns, rows = grid.level_tiles(level)
    col, row = data.draw(st.integers(0, columns - 1)), data.draw(st.integers(0, rows - 1))
    part = grid.tile_region(level, col, row)
    tile = rgb(service.tile("coarse", level, col, row, image_format="png").body)
    x, width = data.draw(st.integers(0, part.width - 1)), data.draw(st.integers(1, part.width))
    y, height = data.draw(st.integers(0, part.height - 1)), data.draw(st.integers(1, part.height))
    where = PixelGrid((part.lv_x + x) * step, (part.lv_y + y) * step, width, height, step, step)
    region = service.region("coarse", where)
    right = min(width, part.width - x, math.ceil((grid.size.width - where.l0_x) / step - 0.5))
    bottom = min(height, part.height - y, math.ceil((grid.size.height - where.l0_y) / step - 0.5))
    np.testing.assert_array_equal(region[:bottom, :right], tile[y : y + bottom, x : x + right])


@pytest.fixture(scope="module")
def coarse(tmp_path_factory, sample_field, publish_scan):
    """A real field as a slide whose smallest stored level, 750 x 651 pixels, is larger than a tile of 256."""
    folder = tmp_path_factory.mktemp("coarse")
    pixels = np.asarray(Image.open(sample_field).convert("RGB"))[:1301]
    tifffile.imwrite(folder / "field.tiff", pixels, photometric="rgb", tile=(1040, 1040), compression="jpeg")
    publish_scan(folder / "field.tiff", folder / "slides", "coarse")
    return TileService(folder / "slides")


def test_levels_below_the_smallest_stored_one_are_cut_into_tiles(coarse):
    grid, pyramid = coarse.deepzoom("coarse"), coarse.pyramid("coarse")
    assert (grid.tile_size, len(pyramid.levels)) == (256, 2)
    level = grid.level_count - 1 - 2  # 375 x 326 pixels, made from 750 x 651
    assert grid.level_tiles(level) == (2, 2)
    smallest = pyramid.levels[-1]
    stored = pyramid.read(1, LevelRegion(0, 0, smallest.width, smallest.height))

    def samples(col, row):
        return unpacked(coarse.samples("coarse", level, col, row, view=view(""), packed=True))

    together = np.concatenate([np.concatenate([samples(0, row), samples(1, row)], axis=2) for row in (0, 1)], axis=1)
    for place in range(3):
        assert np.abs(together[place] - by_formula(stored[..., place], 1, grid.level_size(level))).max() <= 1.01


def test_raw_samples_of_a_colour_scan_are_red_green_and_blue_one_after_the_other(slides, sample_slide):
    service = TileService(slides)
    tile = service.samples("sample", 12, 7, 4, view=view(""), packed=True)
    assert (tile.shape, tile.dtype) == ((3, 240, 240), "uint8")
    body = service.tile("sample", 12, 7, 4).body
    jpeg = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))
    np.testing.assert_array_equal(np.moveaxis(unpacked(tile), 0, 2), jpeg)


@pytest.mark.parametrize("query", ["", "c=0,1", "c=0:ff0000", "c=0:auto", "c=0:0.5", "c=0:1-2"])
def test_raw_samples_are_those_of_one_plain_channel(service, query):
    with pytest.raises(Invalid):
        service.samples("vectra", 11, 0, 0, view=view(query), packed=False)


@pytest.mark.parametrize(("query", "address"), [("c=3", (11, 0, 0)), ("c=0&z=1", (11, 0, 0)), ("c=0", (11, 8, 0))])
def test_raw_samples_that_are_not_there_are_not_found(service, query, address):
    for ask in (service.samples, service.samples_at_once):
        service.pyramid("vectra")
        with pytest.raises(NotFound):
            ask("vectra", *address, view=view(query), packed=True)


def test_what_takes_too_many_samples_is_refused(service, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_SAMPLES", 240 * 170 * 7)
    grid = PixelGrid(0, 0, 240, 170, 1, 1)
    service.region("czi", grid, view=view("c=0&z=max"))
    with pytest.raises(TooLarge):
        service.region("czi", grid, view=view("c=0,1&z=max"))
    with pytest.raises(TooLarge):
        service.tile("czi", 8, 0, 0, view=view("z=0-3"))
