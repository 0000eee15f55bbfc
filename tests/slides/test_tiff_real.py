"""Real TIFFs of every dialect: each pixel against tifffile or OpenSlide, each fact against what the file says."""

from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile

from pathserve.geometry import LevelRegion, Mpp
from pathserve.pixels import RGB_CHANNELS, Plane
from pathserve.slides import open_slide
from pathserve.slides.associated import read_associated
from pathserve.slides.tiff import TiffSource

SLIDES = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "slides"
FILES = sorted(
    path
    for folder in ("generic-tiff", "ome-tiff", "qptiff", "aperio")
    for path in (SLIDES / folder).iterdir()
    if path.suffix in (".tif", ".tiff", ".svs", ".qptiff")
)
FILES.append(SLIDES / "plain" / "kather1.tif")
# OpenSlide undoes the colour transform of Aperio's JPEG 2000, and reads it.
READ_HERE = [path for path in FILES if path.name != "TCGA-DU-6399-01A-01-TS1.svs"]


def whole(source, level=0, plane=Plane()):  # noqa: B008 - frozen
    size = source.info.levels[level].size
    return source.read(level, LevelRegion(0, 0, size.width, size.height), plane)


def planes_of(series):
    """Give tifffile's pixels of a series by plane, each (h, w, n)."""
    axes, values = series.axes, series.asarray()
    for axis in "TCZ":
        if axis not in axes:
            axes, values = axis + axes, values[np.newaxis]
    if "S" not in axes:
        axes, values = axes + "S", values[..., np.newaxis]
    values = np.transpose(values, [axes.index(axis) for axis in "TCZYXS"])
    for t, c, z in np.ndindex(*values.shape[:3]):
        yield Plane(t, c, z), values[t, c, z]


def test_there_are_real_files():
    assert len(FILES) >= 18
    assert len(OPENSLIDE) >= 5


@pytest.mark.parametrize("path", READ_HERE, ids=lambda path: path.name)
def test_every_plane_has_tifffile_s_pixels(path):
    with open_slide(path) as source, tifffile.TiffFile(path) as tiff:
        assert isinstance(source, TiffSource)
        expected = dict(planes_of(tiff.series[0].levels[0]))
        assert list(source.info.each_plane()) == sorted(expected)
        for plane, pixels in expected.items():
            got = whole(source, 0, plane)
            assert got.dtype == pixels.dtype == np.dtype(source.info.dtype)
            np.testing.assert_array_equal(got, pixels)


# OpenSlide reads no WebP, squeezes 16 bits into 8, and turns each tile of a grey TIFF by the Orientation tag.
BEYOND_OPENSLIDE = {
    "CMU-1-Small-Region.webp.tiff",
    "aperio-16bit-1channel.tif",
    "test_orient3.tif",
    "test_orient5.tif",
    "test_orient7.tif",
}
OPENSLIDE = [
    path
    for path in READ_HERE
    if openslide.OpenSlide.detect_format(path) is not None and path.name not in BEYOND_OPENSLIDE
]


@pytest.mark.parametrize("path", OPENSLIDE, ids=lambda path: path.name)
def test_every_level_of_what_openslide_opens_has_openslide_s_pixels(path):
    with open_slide(path) as source, openslide.OpenSlide(path) as slide:
        assert tuple((level.size.width, level.size.height) for level in source.info.levels) == slide.level_dimensions
        for level, size in enumerate(slide.level_dimensions):
            expected = np.asarray(slide.read_region((0, 0), level, size))[..., :3]
            got = whole(source, level)
            np.testing.assert_array_equal(np.broadcast_to(got, expected.shape), expected)


def test_sub_images_of_ome_tiff_are_levels(shared_data):
    path = shared_data / "slides" / "ome-tiff" / "test_pyramid.ome.tif"
    with open_slide(path) as source, tifffile.TiffFile(path) as tiff:
        levels = tiff.series[0].levels
        assert len(source.info.levels) == len(levels) == 3
        for index, level in enumerate(levels):
            np.testing.assert_array_equal(whole(source, index)[..., 0], level.asarray())


def test_a_qptiff_has_its_channels_and_pictures_of_the_glass(shared_data):
    path = shared_data / "slides" / "qptiff" / "small_vectra.qptiff"
    with open_slide(path) as source, tifffile.TiffFile(path) as tiff:
        info = source.info
        assert [channel.name for channel in info.channels] == ["DAPI", "FITC", "Cy3"]
        assert [channel.color for channel in info.channels] == [(0, 0, 255), (0, 255, 0), (255, 255, 0)]
        assert info.objective_power == 10
        pixels, centimetres = tiff.pages[0].tags[282].value
        assert info.mpp is not None
        assert info.mpp.x == pytest.approx(10_000 * centimetres / pixels)
        assert info.associated == ("thumbnail", "label", "macro")
        for name, kind in (("label", "Label"), ("macro", "Overview"), ("thumbnail", "Thumbnail")):
            (page,) = (page for page in tiff.pages if f"<ImageType>{kind}" in page.description)
            got = read_associated(source, path, name)
            assert got is not None
            np.testing.assert_array_equal(got, page.asarray())


def test_aperio_with_16_bits_keeps_every_value_and_its_facts(shared_data):
    path = shared_data / "slides" / "aperio" / "aperio-16bit-1channel.tif"
    with open_slide(path) as source, openslide.OpenSlide(path) as slide:
        info = source.info
        assert (info.vendor, info.dtype, info.rgb, info.levels[0].encoding) == ("aperio", "uint16", False, "other")
        assert whole(source).max() > 255
        assert info.mpp is not None
        assert info.mpp.x == float(slide.properties["openslide.mpp-x"])
        assert info.objective_power == float(slide.properties["openslide.objective-power"])


@pytest.mark.parametrize(
    ("name", "channels", "planes", "mpp"),
    [
        ("cells.ome.tif", RGB_CHANNELS, 1, Mpp(0.25, 0.25)),
        ("cells-2c.ome.tif", ["Channel 1", "Channel 2"], 1, Mpp(0.25, 0.25)),
        ("multi-channel-z-series.ome.tif", ["Channel 1", "Channel 2", "Channel 3"], 5, None),
        ("test_ome.tiff", ["Ch1-T1", "ChS2-T3"], 4, Mpp(0.07752248561765859, 0.07752248561765859)),
        ("XYC-bfconvert-lzw.ome.tiff", RGB_CHANNELS, 1, None),
    ],
)
def test_ome_tiff_says_what_its_channels_and_planes_are(shared_data, name, channels, planes, mpp):
    with open_slide(shared_data / "slides" / "ome-tiff" / name) as source:
        info = source.info
        assert (info.vendor, info.planes, info.times, info.mpp) == ("ome-tiff", planes, 1, mpp)
        stated = info.channels if info.rgb else [channel.name for channel in info.channels]
        assert stated == channels


def test_stated_colours_and_spacing_are_kept(shared_data):
    # <Channel Color="-16776961"> is red, "65535" is blue; the planes lie 0.21 micrometres apart.
    with open_slide(shared_data / "slides" / "ome-tiff" / "test_ome.tiff") as source:
        assert [channel.color for channel in source.info.channels] == [(255, 0, 0), (0, 0, 255)]
        assert source.info.plane_spacing == pytest.approx(0.21)


@pytest.mark.parametrize("orientation", [3, 5, 7])
def test_the_stored_raster_is_level_0_of_what_openslide_opens_whatever_its_orientation(shared_data, orientation):
    folder = shared_data / "slides" / "generic-tiff"
    path = folder / f"test_orient{orientation}.tif"
    with open_slide(path) as source, open_slide(folder / "test_orient1.tif") as upright:
        np.testing.assert_array_equal(whole(source), whole(upright))
