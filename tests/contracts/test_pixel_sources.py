"""One suite for every reader of scans: whatever the file, a PixelSource behaves the same."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from pathserve.geometry import LevelRegion
from pathserve.pixels import RGB_CHANNELS, Plane
from pathserve.slides import open_slide


@pytest.fixture(
    params=["tiff", "dicom", "openslide", "jpeg", "png", "ome-tiff", "strips", "16 bits", "channels", "czi", "ndpi"]
)
def path(request, shared_data, sample_slide, sample_field):
    return {
        "tiff": sample_slide,
        "openslide": shared_data / "slides" / "aperio" / "TCGA-DU-6399-01A-01-TS1.svs",
        "dicom": shared_data / "slides" / "dicom-wsm" / "cmu-1-small-region" / "volume.dcm",
        "jpeg": sample_field,
        "png": shared_data / "slides" / "plain" / "ihc.png",
        "ome-tiff": shared_data / "slides" / "ome-tiff" / "XYC-bfconvert-lzw.ome.tiff",
        "strips": shared_data / "slides" / "generic-tiff" / "grey10kx5k.tif",
        "16 bits": shared_data / "slides" / "aperio" / "aperio-16bit-1channel.tif",
        "channels": shared_data / "slides" / "qptiff" / "small_vectra.qptiff",
        "ndpi": shared_data / "slides" / "hamamatsu" / "test3-DAPI-2-(387).ndpi",
        "czi": shared_data / "slides" / "czi" / "mini_czi.czi",
    }[request.param]


@pytest.fixture
def source(path):
    with open_slide(path) as opened:
        yield opened


def test_levels_are_finest_first_and_begin_at_one(source):
    levels = source.info.levels
    assert levels[0].downsample == 1.0
    assert [level.downsample for level in levels] == sorted(level.downsample for level in levels)
    assert source.info.size == levels[0].size
    assert source.info.channels == RGB_CHANNELS or not source.info.rgb


def test_regions_are_of_the_asked_size_and_the_stated_kind(source):
    for plane in source.info.each_plane():
        got = source.read(0, LevelRegion(3, 5, 40, 30), plane)
        assert got.shape == (30, 40, 3 if source.info.rgb else 1)
        assert got.dtype == np.dtype(source.info.dtype)


def test_a_plane_that_is_not_there_is_the_caller_s_fault(source):
    info = source.info
    for plane in (Plane(t=info.times), Plane(c=len(info.channels)), Plane(z=info.planes), Plane(z=-1)):
        with pytest.raises(ValueError, match="plane"):
            source.read(0, LevelRegion(0, 0, 10, 10), plane)


def test_a_region_is_the_same_alone_and_as_part_of_a_larger_one(source):
    large = source.read(0, LevelRegion(100, 120, 300, 200))
    np.testing.assert_array_equal(source.read(0, LevelRegion(150, 170, 60, 70)), large[50:120, 50:110])


@pytest.mark.parametrize("move", [(-1, 0), (0, -1), (1, 0), (0, 1)])
def test_a_region_beyond_the_level_is_the_caller_s_fault(source, move):
    size = source.info.size
    x = 0 if move[0] <= 0 else size.width - 10
    y = 0 if move[1] <= 0 else size.height - 10
    source.read(0, LevelRegion(x, y, 10, 10))
    with pytest.raises(ValueError, match="inside"):
        source.read(0, LevelRegion(x + move[0], y + move[1], 10, 10))


def test_only_jpeg_levels_hand_out_tiles_and_those_decode_to_the_region(source, tmp_path):
    level = source.info.levels[0]
    if level.encoding == "other":
        with pytest.raises(ValueError, match="tile"):
            source.encoded_tile(0, 0, 0)
        return
    width, height = level.tile.width, level.tile.height
    col = min(3, level.size.width // width - 1)
    (tmp_path / "tile.jpg").write_bytes(source.encoded_tile(0, col, 2))
    tile = np.asarray(Image.open(tmp_path / "tile.jpg").convert("RGB"))
    np.testing.assert_array_equal(tile, source.read(0, LevelRegion(col * width, 2 * height, width, height)))
    with pytest.raises(ValueError, match="inside"):
        source.encoded_tile(0, 10_000, 0)


def test_threads_read_what_one_thread_reads(source):
    regions = [LevelRegion(37 * i, 23 * i, 100, 90) for i in range(10)]
    alone = [source.read(0, region) for region in regions]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(lambda r: source.read(0, r), regions), strict=True):
            np.testing.assert_array_equal(one, other)


def test_closing_twice_is_fine(path):
    source = open_slide(path)
    source.close()
    source.close()
