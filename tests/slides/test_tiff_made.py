"""TIFFs of every way of storing pixels, made here with tifffile and Pillow, which say what the pixels are."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from pathserve.geometry import LevelRegion, Mpp, Size
from pathserve.pixels import RGB_CHANNELS, Plane
from pathserve.slides import open_slide
from pathserve.slides.tiff import TiffSource, segments

LOSSLESS = ("none", "lzw", "deflate", "adobe_deflate", "zstd", "packbits", "lzma", "png", "jpegxl", "webp", "jpeg2000")
LOSSY = ("jpeg", "webp", "jpeg2000", "jpegxr")


def whole(source, plane=Plane()):  # noqa: B008 - frozen
    size = source.info.size
    return source.read(0, LevelRegion(0, 0, size.width, size.height), plane)


def values(shape, dtype, seed=0):
    """Make noise over the full range of a type, with smooth parts that compress."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        array = rng.normal(0, 1e6, shape).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        array = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    array[: shape[0] // 2] = array[0, 0]
    return array


@st.composite
def kinds(draw):
    """Draw a way to store an image that tifffile can write."""
    dtype = draw(st.sampled_from(["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"]))
    samples = draw(st.sampled_from([1, 2, 3, 5]))
    compression = draw(st.sampled_from(["none", "lzw", "adobe_deflate", "zstd", "packbits", "lzma"]))
    predictor = compression in ("lzw", "adobe_deflate", "zstd", "lzma") and draw(st.booleans())
    return {
        "shape": (draw(st.integers(1, 70)), draw(st.integers(1, 70)), samples),
        "dtype": dtype,
        "separate": samples > 1 and draw(st.booleans()),
        "compression": compression,
        "predictor": (3 if dtype == "float32" else 2) if predictor else 1,
        "layout": draw(st.sampled_from([{"tile": (16, 32)}, {"tile": (32, 16)}, {"rowsperstrip": 7}, {}])),
        "byteorder": draw(st.sampled_from("<>")),
        "bigtiff": draw(st.booleans()),
        "seed": draw(st.integers(0, 1000)),
    }


@given(kinds())
@hypothesis_settings(max_examples=150)
def test_whatever_is_stored_without_loss_is_read_without_loss(tmp_path_factory, kind):
    path = tmp_path_factory.mktemp("made") / "made.tif"
    array = values(kind["shape"], kind["dtype"], kind["seed"])
    stored = np.moveaxis(array, -1, 0) if kind["separate"] else array
    colour = kind["shape"][2] == 3 and kind["dtype"] == "uint8"
    tifffile.imwrite(
        path,
        stored if kind["shape"][2] > 1 else array[..., 0],
        photometric="rgb" if kind["shape"][2] == 3 else "minisblack",
        planarconfig=("separate" if kind["separate"] else "contig") if kind["shape"][2] > 1 else None,
        compression=kind["compression"],
        predictor=kind["predictor"],
        byteorder=kind["byteorder"],
        bigtiff=kind["bigtiff"],
        metadata=None,
        **kind["layout"],
    )
    with open_slide(path) as source:
        assert isinstance(source, TiffSource)
        info = source.info
        assert (info.dtype, info.rgb) == (kind["dtype"], colour)
        if colour:
            np.testing.assert_array_equal(whole(source), array)
            return
        assert len(info.channels) == kind["shape"][2]
        for plane in info.each_plane():
            np.testing.assert_array_equal(whole(source, plane)[..., 0], array[..., plane.c])


@pytest.mark.parametrize(
    ("compression", "dtype"),
    [(each, dtype) for each in LOSSLESS for dtype in ("uint8", "uint16") if (each, dtype) != ("webp", "uint16")],
)
def test_lossless_colour_of_8_bits_is_colour_and_of_16_bits_three_channels(tmp_path, compression, dtype):
    array = values((100, 90, 3), dtype)
    how = {"webp": {"lossless": True}, "jpeg2000": {"reversible": True}, "jpegxl": {"lossless": True}}
    path = tmp_path / "made.tif"
    tifffile.imwrite(
        path, array, photometric="rgb", tile=(32, 32), compression=compression, compressionargs=how.get(compression)
    )
    with open_slide(path) as source:
        assert source.info.channels == RGB_CHANNELS
        assert source.info.dtype == dtype
        got = [whole(source, plane) for plane in source.info.each_plane()]
        np.testing.assert_array_equal(np.concatenate(got, axis=2), array)


@pytest.mark.parametrize("layout", [{"tile": (64, 64)}, {"rowsperstrip": 16}])
@pytest.mark.parametrize("compression", LOSSY)
def test_lossy_compressions_are_decoded_as_tifffile_does(tmp_path, compression, layout):
    y, x = np.mgrid[0:150, 0:170]
    array = np.stack([x, y, (x + y) // 2], axis=-1).astype(np.uint8)
    path = tmp_path / "made.tif"
    tifffile.imwrite(path, array, photometric="rgb", compression=compression, **layout)
    with open_slide(path) as source:
        assert source.info.codec == {"jpegxr": "jpeg-xr"}.get(compression, compression)
        np.testing.assert_array_equal(whole(source), tifffile.imread(path))
        assert (source.info.levels[0].encoding == "jpeg") == (compression == "jpeg" and "tile" in layout)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_is_colour(tmp_path, bits):
    indices = np.random.default_rng(bits).integers(0, 1 << bits, (40, 60), np.uint8)
    table = np.random.default_rng(9).integers(0, 256, (256, 3), np.uint8)
    path = tmp_path / "made.tif"
    tifffile.imwrite(
        path,
        indices,
        photometric="palette",
        colormap=table.T.astype(np.uint16) * 257,
        bitspersample=bits,
        compression="adobe_deflate" if bits == 8 else None,
        metadata=None,
    )
    with open_slide(path) as source:
        assert source.info.rgb
        np.testing.assert_array_equal(whole(source), table[indices])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_white_is_zero_is_turned_over(tmp_path, dtype):
    array = values((50, 40), dtype)
    tifffile.imwrite(tmp_path / "made.tif", array, photometric="miniswhite", metadata=None)
    with open_slide(tmp_path / "made.tif") as source:
        np.testing.assert_array_equal(whole(source)[..., 0], np.iinfo(dtype).max - array)


def test_single_bits_are_black_and_white(tmp_path):
    bits = np.random.default_rng(1).integers(0, 2, (30, 50)).astype(bool)
    tifffile.imwrite(tmp_path / "made.tif", bits, photometric="minisblack", metadata=None)
    with open_slide(tmp_path / "made.tif") as source:
        np.testing.assert_array_equal(whole(source)[..., 0], np.where(bits, 255, 0))


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_transparent_places_are_white(tmp_path, kind, planar):
    colours = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128], [200, 100, 0, 128]]], np.uint8)
    if kind == "assocalpha":
        colours = np.array([[[10, 20, 30, 255], [0, 0, 0, 0], [0, 0, 0, 128], [100, 50, 0, 128]]], np.uint8)
    stored = np.moveaxis(colours, -1, 0) if planar == "separate" else colours
    path = tmp_path / "made.tif"
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig=planar, extrasamples=[kind], metadata=None)
    with open_slide(path) as source:
        expected = [[10, 20, 30], [255, 255, 255], [127, 127, 127], [227, 177, 127]]
        np.testing.assert_allclose(whole(source)[0], expected, atol=1)


def test_values_beside_a_grey_one_are_channels_and_transparency_is_none(tmp_path):
    array = values((20, 30, 2), "uint16")
    for kind, channels in (("unspecified", 2), ("unassalpha", 1)):
        path = tmp_path / f"{kind}.tif"
        tifffile.imwrite(
            path, array, photometric="minisblack", planarconfig="contig", extrasamples=[kind], metadata=None
        )
        with open_slide(path) as source:
            assert len(source.info.channels) == channels
            np.testing.assert_array_equal(whole(source)[..., 0], array[..., 0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_without_a_dialect_are_turned_as_pillow_turns_them(tmp_path, orientation):
    array = values((40, 60, 3), "uint8")
    path = tmp_path / "made.tif"
    tifffile.imwrite(
        path, array, photometric="rgb", rowsperstrip=16, metadata=None, extratags=[(274, "H", 1, orientation, False)]
    )
    expected = np.asarray(Image.open(path))
    assert expected.shape[:2] == ((40, 60) if orientation < 5 else (60, 40))
    with open_slide(path) as source:
        size = source.info.size
        assert size == Size(expected.shape[1], expected.shape[0])
        np.testing.assert_array_equal(whole(source), expected)
        part = source.read(0, LevelRegion(3, 5, 20, 11))
        np.testing.assert_array_equal(part, expected[5:16, 3:23])


def test_equal_images_without_a_dialect_are_focal_planes(tmp_path):
    array = values((4, 30, 20), "uint16")
    tifffile.imwrite(tmp_path / "made.tif", array, photometric="minisblack", metadata=None)
    with open_slide(tmp_path / "made.tif") as source:
        assert source.info.planes == 4
        for plane in source.info.each_plane():
            np.testing.assert_array_equal(whole(source, plane)[..., 0], array[plane.z])


@pytest.mark.parametrize("contiguous", [True, False])
def test_imagej_hyperstacks_have_times_planes_channels_colours_and_size(tmp_path, contiguous):
    array = values((2, 3, 2, 30, 20), "uint16")  # t, z, c
    tables = [np.zeros((3, 256), np.uint8), np.zeros((3, 256), np.uint8)]
    tables[0][1], tables[1][0] = range(256), range(256)
    path = tmp_path / "made.tif"
    tifffile.imwrite(
        path,
        array,
        imagej=True,
        resolution=(4, 2),
        compression=None if contiguous else "adobe_deflate",
        metadata={"axes": "TZCYX", "unit": "um", "spacing": 1.5, "LUTs": tables, "Ranges": [5, 900, 7, 65_000]},
    )
    with open_slide(path) as source:
        info = source.info
        assert (info.vendor, info.times, info.planes, len(info.channels)) == ("imagej", 2, 3, 2)
        assert info.mpp == Mpp(0.25, 0.5)
        assert info.plane_spacing == 1.5
        assert [channel.color for channel in info.channels] == [(0, 255, 0), (255, 0, 0)]
        assert [channel.window for channel in info.channels] == [(5, 900), (7, 65_000)]
        for plane in info.each_plane():
            np.testing.assert_array_equal(whole(source, plane)[..., 0], array[plane.t, plane.z, plane.c])


def test_a_region_reads_only_the_strips_that_it_needs(tmp_path, monkeypatch):
    array = values((2_000, 3_000), "uint16")
    tifffile.imwrite(tmp_path / "made.tif", array, photometric="minisblack", rowsperstrip=2_000, metadata=None)
    read = []
    real = segments.os.pread
    monkeypatch.setattr(segments.os, "pread", lambda *given: (read.append(given[1]), real(*given))[1])
    with open_slide(tmp_path / "made.tif") as source:
        got = source.read(0, LevelRegion(100, 1_000, 50, 10))
    np.testing.assert_array_equal(got[..., 0], array[1_000:1_010, 100:150])
    assert sum(read) <= 2 << 20  # of 12 MB
