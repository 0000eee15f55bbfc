"""What OpenSlide opens, decoded level by level."""

import numpy as np
import openslide
import pytest

from pathserve.errors import Corrupt, Unsupported
from pathserve.geometry import LevelRegion, Size
from pathserve.slides import open_slide
from pathserve.slides.openslide import OpenSlideSource


@pytest.fixture(scope="module")
def jpeg2000(shared_data):
    return shared_data / "slides" / "aperio" / "TCGA-DU-6399-01A-01-TS1.svs"


def test_a_jpeg_2000_scan_has_openslide_s_pixels_and_facts(jpeg2000):
    with open_slide(jpeg2000) as source, openslide.OpenSlide(jpeg2000) as slide:
        assert isinstance(source, OpenSlideSource)
        info = source.info
        assert (info.vendor, info.codec) == ("aperio", "jpeg2000")
        assert tuple((level.size.width, level.size.height) for level in info.levels) == slide.level_dimensions
        assert {level.encoding for level in info.levels} == {"other"}
        assert info.levels[0].tile == Size(240, 240)
        assert info.mpp is not None
        assert info.mpp.x == float(slide.properties["openslide.mpp-x"])
        assert info.objective_power == 40
        assert info.icc_profile == slide.color_profile.tobytes()
        expected = np.asarray(slide.read_region((12_000, 6_000), 0, (300, 200)))[..., :3]
        np.testing.assert_array_equal(source.read(0, LevelRegion(12_000, 6_000, 300, 200)), expected)


def test_identity_in_the_metadata_is_named_never_quoted(jpeg2000):
    with open_slide(jpeg2000) as source, openslide.OpenSlide(jpeg2000) as slide:
        assert {"aperio.User", "aperio.Date", "aperio.ScanScope ID"} <= set(source.info.dropped_metadata)
        shown = repr(source.info)
        for name in ("aperio.User", "aperio.Date", "aperio.ScanScope ID", "aperio.ImageID"):
            assert slide.properties[name] not in shown


def test_coarser_levels_are_read_in_their_own_pixels(shared_data):
    path = shared_data / "slides" / "generic-tiff" / "boxes.tiff"
    with open_slide(path) as source, openslide.OpenSlide(path) as slide:
        for level, (width, height) in enumerate(slide.level_dimensions):
            expected = np.asarray(slide.read_region((0, 0), level, (width, height)))[..., :3]
            np.testing.assert_array_equal(source.read(level, LevelRegion(0, 0, width, height)), expected)


def test_transparent_places_are_white(shared_data):
    path = shared_data / "broken" / "corrupted.svs"  # one tile of 256 px is there, 32,704 are not
    with OpenSlideSource(path, "jpeg") as source, openslide.OpenSlide(path) as slide:
        rgba = np.asarray(slide.read_region((0, 0), 0, (300, 256))).astype(float)
        alpha = rgba[..., 3:] / 255
        assert (alpha.min(), alpha.max()) == (0, 1)
        expected = rgba[..., :3] * alpha + 255 * (1 - alpha)
        np.testing.assert_array_equal(source.read(0, LevelRegion(0, 0, 300, 256)), expected)


def test_a_fluorescence_ndpi_opens(shared_data):
    path = shared_data / "slides" / "hamamatsu" / "test3-DAPI-2-(387).ndpi"
    with open_slide(path) as source, openslide.OpenSlide(path) as slide:
        assert source.info.vendor == "hamamatsu"
        expected = np.asarray(slide.read_region((1000, 1000), 0, (64, 64)))[..., :3]
        np.testing.assert_array_equal(source.read(0, LevelRegion(1000, 1000, 64, 64)), expected)


def test_a_known_format_in_an_unknown_variant_is_unsupported(tmp_path):
    # OpenSlide knows MIRAX by this file in the folder beside it, and then finds nothing that it needs in it.
    path = tmp_path / "slide.mrxs"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "slide").mkdir()
    (tmp_path / "slide" / "Slidedat.ini").write_text("[GENERAL]\n")
    with pytest.raises(Unsupported, match="variant"):
        open_slide(path)


def test_tiles_that_cannot_be_decoded_are_corrupt(shared_data):
    with open_slide(shared_data / "broken" / "unreadable.svs") as source:
        size = source.info.size
        with pytest.raises(Corrupt):
            source.read(0, LevelRegion(0, 0, size.width, size.height))
