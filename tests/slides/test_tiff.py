"""JPEG-tiled TIFF and SVS against OpenSlide and tifffile."""

import struct

import numpy as np
import openslide
import pytest
import tifffile

from pathserve.errors import Corrupt, TooLarge
from pathserve.geometry import LevelRegion, Mpp, Size
from pathserve.slides import open_slide
from pathserve.slides.tiff import TiffSource


def whole(source, level=0):
    size = source.info.levels[level].size
    return source.read(level, LevelRegion(0, 0, size.width, size.height))


def openslide_level(path, level=0):
    with openslide.OpenSlide(path) as slide:
        return np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level]))[..., :3]


def _tile_table(tiff):
    return tiff.pages[0].dataoffsets, tiff.pages[0].databytecounts


def test_the_sample_slide_has_openslide_s_pixels(sample_slide):
    with open_slide(sample_slide) as source:
        assert isinstance(source, TiffSource)
        np.testing.assert_array_equal(whole(source), openslide_level(sample_slide))


def test_the_sample_slide_s_facts_are_openslide_s(sample_slide):
    with open_slide(sample_slide) as source, openslide.OpenSlide(sample_slide) as slide:
        info = source.info
        assert info.vendor == slide.properties["openslide.vendor"]
        assert (info.size.width, info.size.height) == slide.dimensions
        assert info.mpp == Mpp(float(slide.properties["openslide.mpp-x"]), float(slide.properties["openslide.mpp-y"]))
        assert info.mpp_plausible
        assert info.objective_power == float(slide.properties["openslide.objective-power"])
        assert sorted(info.associated) == sorted(slide.associated_images)
        assert info.levels[0].tile == Size(240, 240)
        assert info.levels[0].encoding == info.codec == "jpeg"


def test_metadata_that_is_not_kept_is_named_but_never_quoted(sample_slide):
    with open_slide(sample_slide) as source, openslide.OpenSlide(sample_slide) as slide:
        info = source.info
        aperio = {name.removeprefix("aperio.") for name in slide.properties if name.startswith("aperio.")}
        assert aperio - {"MPP", "AppMag"} <= set(info.dropped_metadata)
        assert not {"MPP", "AppMag"} & set(info.dropped_metadata)
        stored = repr(info)
        for name in ("aperio.User", "aperio.Date", "aperio.ScanScope ID", "aperio.ImageID"):
            assert slide.properties[name] not in stored


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.jpeg.tiff", "CMU-0-small.tiff"])
def test_generic_tiffs_have_openslide_s_pixels_and_size_at_every_level(shared_data, name):
    path = shared_data / "slides" / "generic-tiff" / name
    with open_slide(path) as source, openslide.OpenSlide(path) as slide:
        assert isinstance(source, TiffSource)
        sizes = tuple((level.size.width, level.size.height) for level in source.info.levels)
        assert sizes == slide.level_dimensions
        for level in range(len(sizes)):
            np.testing.assert_array_equal(whole(source, level), openslide_level(path, level))
        assert source.info.mpp is not None
        assert source.info.mpp.x == pytest.approx(float(slide.properties["openslide.mpp-x"]), rel=1e-12)


def test_a_pixel_size_that_cannot_be_is_kept_and_marked(shared_data):
    with open_slide(shared_data / "slides" / "generic-tiff" / "CMU-1-Small-Region.jpeg.tiff") as source:
        assert source.info.mpp is not None
        assert source.info.mpp.x == pytest.approx(0.00499, rel=1e-4)
        assert not source.info.mpp_plausible


def test_without_a_resolution_there_is_no_pixel_size(make_tiff):
    with open_slide(make_tiff([(300, 200)])) as source:
        assert source.info.mpp is None
        assert source.info.mpp_plausible


@pytest.mark.parametrize(("unit", "expected"), [(3, 0.5), (2, 1.27), (1, None)])
def test_the_resolution_unit_counts(make_tiff, unit, expected):
    path = make_tiff([(300, 200)], resolution=(20_000, 20_000), resolutionunit=unit)
    with open_slide(path) as source, openslide.OpenSlide(path) as slide:
        stated = slide.properties.get("openslide.mpp-x")
        assert (source.info.mpp is None) == (expected is None) == (stated is None)
        if expected is not None:
            assert source.info.mpp is not None
            assert source.info.mpp.x == pytest.approx(expected)
            assert source.info.mpp.x == pytest.approx(float(str(stated)))


def test_reduced_pages_become_levels_only_when_they_are_the_same_picture(make_tiff):
    with open_slide(make_tiff([(1000, 600), (500, 300), (250, 150)])) as source:
        assert [level.size for level in source.info.levels] == [Size(1000, 600), Size(500, 300), Size(250, 150)]
        assert [level.downsample for level in source.info.levels] == [1.0, 2.0, 4.0]
    with open_slide(make_tiff([(1000, 600), (400, 400)], name="other.tiff")) as source:
        assert [level.size for level in source.info.levels] == [Size(1000, 600)]


def test_an_orientation_tag_is_ignored_as_openslide_ignores_it(make_tiff):
    path = make_tiff([(300, 200)], extratags=[(274, "H", 1, 3, False)])
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages[0].tags[274].value == 3
    with open_slide(path) as source:
        np.testing.assert_array_equal(whole(source), openslide_level(path))


def test_an_icc_profile_is_kept(make_tiff):
    with open_slide(make_tiff([(300, 200)], iccprofile=b"profile of a scanner")) as source:
        assert source.info.icc_profile == b"profile of a scanner"


def test_the_name_plays_no_part(sample_slide, tmp_path):
    copy = tmp_path / "holiday.png"
    copy.write_bytes(sample_slide.read_bytes())
    with open_slide(copy) as source:
        assert source.info.vendor == "aperio"


def test_regions_across_tiles_are_cut_out_of_the_whole(sample_slide):
    expected = openslide_level(sample_slide)
    with open_slide(sample_slide) as source:
        for x, y, width, height in [(0, 0, 1, 1), (239, 239, 2, 2), (2100, 2900, 120, 67), (7, 300, 1000, 700)]:
            got = source.read(0, LevelRegion(x, y, width, height))
            np.testing.assert_array_equal(got, expected[y : y + height, x : x + width])


def test_a_tile_without_bytes_is_none_and_white(make_tiff):
    path = make_tiff([(512, 256)])
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[0].tags[325]
        where, count = tag.valueoffset, tag.value
    data = bytearray(path.read_bytes())
    data[where : where + 8] = struct.pack("<2I", 0, count[1])
    path.write_bytes(data)
    with open_slide(path) as source:
        assert source.encoded_tile(0, 0, 0) is None
        assert source.encoded_tile(0, 1, 0) is not None
        assert (source.read(0, LevelRegion(0, 0, 256, 256)) == 255).all()


def test_a_file_that_ends_before_its_tiles_is_corrupt(make_tiff):
    path = make_tiff([(512, 256)])
    data = path.read_bytes()
    with tifffile.TiffFile(path) as tiff:
        end = max(offset + count for offset, count in zip(*_tile_table(tiff), strict=True))
    assert end == len(data)
    path.write_bytes(data[:-100])
    with pytest.raises(Corrupt, match="cut off"):
        open_slide(path)


def test_a_sparse_scan_has_openslide_s_pixels_and_is_white_elsewhere(make_tiff, empty_tiles):
    path = empty_tiles(make_tiff([(600, 500)]), [1, 4])
    with open_slide(path) as source, openslide.OpenSlide(path) as slide:
        assert source.info.missing_tiles == 2
        there = np.asarray(slide.read_region((0, 0), 0, (256, 256)))[..., :3]
        np.testing.assert_array_equal(source.read(0, LevelRegion(0, 0, 256, 256)), there)
        assert np.asarray(slide.read_region((256, 0), 0, (256, 256)))[..., 3].max() == 0
        assert (source.read(0, LevelRegion(256, 0, 256, 256)) == 255).all()


def test_a_tile_list_that_points_nowhere_is_corrupt(make_tiff):
    path = make_tiff([(512, 256)])
    with tifffile.TiffFile(path) as tiff:
        where = tiff.pages[0].tags[325].valueoffset
    data = bytearray(path.read_bytes())
    data[where + 4 : where + 8] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(data)
    with pytest.raises(Corrupt, match="cut off"):
        open_slide(path)


def test_more_than_a_thousand_images_are_refused(tmp_path, sample_slide):
    # A chain of tiny directories behind one small tiled image.
    path = tmp_path / "chain.tiff"
    with tifffile.TiffWriter(path) as tiff:
        for _ in range(1_001):
            tiff.write(np.zeros((16, 16, 3), np.uint8), tile=(16, 16), compression="jpeg", metadata=None)
    with pytest.raises(TooLarge, match="1,000 images"):
        open_slide(path)


def test_a_claimed_tile_of_a_gigapixel_is_refused_before_it_is_read(make_tiff):
    path = make_tiff([(512, 256)])
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags
        entries = {code: tags[code].valueoffset for code in (322, 323)}
        sizes = {code: tags[code].dtype for code in (322, 323)}
    data = bytearray(path.read_bytes())
    for code, where in entries.items():
        wide = int(sizes[code]) == 4  # LONG
        data[where : where + (4 if wide else 2)] = struct.pack("<I" if wide else "<H", 32_768)
    path.write_bytes(data)
    with pytest.raises(TooLarge, match="tile"):
        open_slide(path)
