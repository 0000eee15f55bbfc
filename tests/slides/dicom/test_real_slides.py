"""Real slides: the pixels that OpenSlide gives, or Pillow and pydicom where it does not open them."""

import io

import numpy as np
import openslide
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import generate_frames

from pathserve.errors import Unsupported
from pathserve.geometry import LevelRegion, Mpp, Size
from pathserve.ingest import find_scans
from pathserve.pixels import Plane
from pathserve.slides import open_slide
from pathserve.slides.associated import read_associated


@pytest.fixture
def opened(shared_data):
    """Open the scan that a file or a folder of the slides is."""
    sources = []

    def open_(name):
        (scan,) = find_scans([shared_data / "slides" / "dicom-wsm" / name])
        sources.append(open_slide(scan))
        return sources[-1]

    yield open_
    for source in sources:
        source.close()


def whole(source, level=0, plane=None):
    size = source.info.levels[level].size
    return source.read(level, LevelRegion(0, 0, size.width, size.height), plane or Plane())


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("camelyon-jpeg.dcm", ""),
        ("cmu-1-small-region", "volume.dcm"),
        ("cytomine-a", "level2.dcm"),
        ("openslide-boxes", "boxes_0.dcm"),
        ("wsi2dcm-jpeg.dicom", ""),
        ("wsi2dcm-jpeg2000.dicom", ""),
        ("highdicom/sm_image.dcm", ""),
        ("highdicom/sm_image_dots.dcm", ""),
    ],
)
def test_every_level_has_openslide_s_pixels(opened, shared_data, name, file):
    source = opened(name)
    with openslide.OpenSlide(shared_data / "slides" / "dicom-wsm" / name / file) as reference:
        assert [(level.size.width, level.size.height) for level in source.info.levels] == list(
            reference.level_dimensions
        )
        for level, size in enumerate(reference.level_dimensions):
            expected = np.asarray(reference.read_region((0, 0), level, size))[..., :3]
            np.testing.assert_array_equal(whole(source, level), expected)
        assert source.info.mpp.x == pytest.approx(float(reference.properties[openslide.PROPERTY_NAME_MPP_X]))


@pytest.mark.parametrize(("name", "reference"), [("label", "label"), ("macro", "macro"), ("thumbnail", "thumbnail")])
def test_pictures_apart_are_openslide_s_associated_images(opened, shared_data, name, reference):
    source = opened("cmu-1-small-region")
    with openslide.OpenSlide(shared_data / "slides/dicom-wsm/cmu-1-small-region/volume.dcm") as slide:
        expected = np.asarray(slide.associated_images[reference].convert("RGB"))
    np.testing.assert_array_equal(source.associated_image(name), expected)
    assert source.info.associated == ("label", "macro", "thumbnail")


def test_label_and_macro_can_be_kept(opened, tmp_path):
    source = opened("cmu-1-small-region")
    assert read_associated(source, tmp_path, "label").shape == (463, 387, 3)
    assert read_associated(source, tmp_path, "macro").shape == (431, 1280, 3)


def test_tiles_are_the_file_s_own_jpeg_streams(opened, shared_data):
    source = opened("camelyon-jpeg.dcm")
    dataset = pydicom.dcmread(shared_data / "slides/dicom-wsm/camelyon-jpeg.dcm")
    frames = list(generate_frames(dataset.PixelData, number_of_frames=15))
    for col, row in ((0, 0), (4, 0), (1, 2)):
        tile = source.encoded_tile(0, col, row)
        own = frames[row * 5 + col]
        scan = own.index(b"\xff\xda")
        assert own[scan:].rstrip(b"\0") == tile[tile.index(b"\xff\xda") :]
        np.testing.assert_array_equal(
            np.asarray(Image.open(io.BytesIO(tile))), np.asarray(Image.open(io.BytesIO(own)).convert("RGB"))
        )


def test_optical_paths_are_channels_with_the_pixels_of_their_frames(opened, shared_data):
    source = opened("fluorcell-4")
    info = source.info
    assert [channel.name for channel in info.channels] == ["DAPI (Blue)", "FITC (green)", "Rhodamine (orange)"]
    assert (info.rgb, info.dtype, info.size) == (False, "uint8", Size(2816, 2816))
    assert [level.size.width for level in info.levels] == [2816, 1408, 704, 352, 176, 88, 44, 22]
    dataset = pydicom.dcmread(shared_data / "slides/dicom-wsm/fluorcell-4/5_0.dcm")
    frames = list(generate_frames(dataset.PixelData, number_of_frames=27))
    for channel in range(3):
        mosaic = np.zeros((3072, 3072), np.uint8)
        for tile in range(9):
            y, x = tile // 3 * 1024, tile % 3 * 1024
            mosaic[y : y + 1024, x : x + 1024] = Image.open(io.BytesIO(frames[channel * 9 + tile]))
        np.testing.assert_array_equal(whole(source, plane=Plane(c=channel))[..., 0], mosaic[:2816, :2816])


def test_sixteen_bits_are_kept(opened, shared_data):
    source = opened("highdicom/sm_image_grayscale.dcm")
    frames = pydicom.dcmread(shared_data / "slides/dicom-wsm/highdicom/sm_image_grayscale.dcm").pixel_array
    expected = frames.reshape(5, 5, 10, 10).swapaxes(1, 2).reshape(50, 50)
    got = whole(source)[..., 0]
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, expected)


def test_a_pixel_size_that_no_microscope_has_is_marked(opened):
    info = opened("cytomine-a").info
    assert info.mpp.x == pytest.approx(800_000, rel=1e-6)
    assert not info.mpp_plausible
    assert opened("highdicom/sm_image.dcm").info.mpp == Mpp(0.499, 0.499)


def test_the_colour_profile_is_that_of_the_optical_path(opened, shared_data):
    header = pydicom.dcmread(shared_data / "slides/dicom-wsm/openslide-boxes/boxes_0.dcm", stop_before_pixels=True)
    assert opened("openslide-boxes").info.icc_profile == header.OpticalPathSequence[0].ICCProfile
    assert opened("openslide-boxes").info.objective_power == 20.0


def test_a_series_without_a_slide_is_refused(shared_data):
    (scan,) = find_scans([shared_data / "broken" / "wsic-dicom-image-type-typo"])
    with pytest.raises(Unsupported, match="only its label"):
        open_slide(scan)
