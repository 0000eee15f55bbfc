"""Plain pictures against Pillow."""

import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from pathserve.errors import Corrupt, TooLarge
from pathserve.geometry import LevelRegion, Size
from pathserve.slides import open_slide
from pathserve.slides.plain import PlainSource


def whole(path):
    with open_slide(path) as source:
        assert isinstance(source, PlainSource)
        size = source.info.size
        return source.read(0, LevelRegion(0, 0, size.width, size.height))


def gradient(mode):
    y, x = np.mgrid[0:40, 0:60]
    rgb = Image.fromarray(np.stack([x * 4, y * 6, x + y], axis=-1).astype(np.uint8))
    return rgb.convert(mode)


def test_a_real_jpeg_field_has_pillow_s_pixels(sample_field):
    np.testing.assert_array_equal(whole(sample_field), np.asarray(Image.open(sample_field).convert("RGB")))
    with open_slide(sample_field) as source:
        assert source.info.vendor == source.info.codec == "jpeg"
        assert source.info.size == Size(1500, 1500)
        assert source.info.mpp is None


def test_a_real_png_field_has_pillow_s_pixels_and_names_what_it_drops(shared_data):
    path = shared_data / "slides" / "plain" / "ihc.png"
    np.testing.assert_array_equal(whole(path), np.asarray(Image.open(path).convert("RGB")))
    with open_slide(path) as source:
        assert source.info.vendor == "png"
        assert len(source.info.dropped_metadata) == 2


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGB"])
def test_grey_palette_and_bitmap_become_rgb(tmp_path, mode):
    image = gradient(mode)
    image.save(tmp_path / "field.png")
    np.testing.assert_array_equal(whole(tmp_path / "field.png"), np.asarray(image.convert("RGB")))


def test_cmyk_jpegs_become_rgb(tmp_path):
    gradient("CMYK").save(tmp_path / "field.jpg", quality=95)
    expected = np.asarray(Image.open(tmp_path / "field.jpg").convert("RGB"))
    np.testing.assert_array_equal(whole(tmp_path / "field.jpg"), expected)


def test_transparent_places_are_white(tmp_path):
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[:, 0] = (10, 20, 30, 255)
    rgba[:, 1] = (10, 20, 30, 0)
    rgba[:, 2] = (0, 0, 0, 128)
    Image.fromarray(rgba).save(tmp_path / "field.png")
    assert whole(tmp_path / "field.png")[0].tolist() == [[10, 20, 30], [255, 255, 255], [127, 127, 127]]


def test_a_transparent_palette_colour_is_white(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.save(tmp_path / "field.png", transparency=1)
    assert (whole(tmp_path / "field.png") == 255).all()


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (39, 59)), (6, (0, 39)), (8, (59, 0))])
def test_the_exif_orientation_is_honoured(tmp_path, orientation, corner):
    array = np.zeros((40, 60, 3), np.uint8)
    array[:8, :8] = (255, 0, 0)  # a red mark at the stored top left
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(array).save(tmp_path / "field.png", exif=exif)
    pixels = whole(tmp_path / "field.png")
    assert pixels.shape[:2] == ((40, 60) if orientation in (1, 3) else (60, 40))
    assert pixels[corner].tolist() == [255, 0, 0]
    with open_slide(tmp_path / "field.png") as source:
        assert source.info.size == Size(pixels.shape[1], pixels.shape[0])


def test_an_icc_profile_is_kept(tmp_path):
    gradient("RGB").save(tmp_path / "field.png", icc_profile=b"profile of a camera")
    with open_slide(tmp_path / "field.png") as source:
        assert source.info.icc_profile == b"profile of a camera"


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 2), (40, 60, 3), (40, 60, 4)])
@pytest.mark.parametrize("kind", ["png", "jp2", "j2k"])
def test_sixteen_bits_are_kept_as_channels(tmp_path, kind, shape):
    values = np.random.default_rng(4).integers(0, 65_535, shape, np.uint16)
    path = tmp_path / f"field.{kind}"
    if kind == "png":
        path.write_bytes(imagecodecs.png_encode(values))
    else:
        path.write_bytes(imagecodecs.jpeg2k_encode(values, codecformat=kind, reversible=True))
    colours = 3 if len(shape) == 3 and shape[2] > 2 else 1
    with open_slide(path) as source:
        assert (source.info.dtype, source.info.rgb, len(source.info.channels)) == ("uint16", False, colours)
        for plane in source.info.each_plane():
            got = source.read(0, LevelRegion(0, 0, 60, 40), plane)
            np.testing.assert_array_equal(got[..., 0], values.reshape(40, 60, -1)[..., plane.c])


def test_a_deep_picture_is_turned_upright(tmp_path):
    values = np.random.default_rng(4).integers(0, 65_535, (40, 60), np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(tmp_path / "field.png", exif=exif)
    with open_slide(tmp_path / "field.png") as source:
        assert source.info.size == Size(40, 60)
        np.testing.assert_array_equal(source.read(0, LevelRegion(0, 0, 40, 60))[..., 0], np.rot90(values, -1))


def test_a_real_jpeg_2000_field_has_imagecodecs_pixels(shared_data):
    path = shared_data / "slides" / "jp2" / "cells-1.jp2"
    np.testing.assert_array_equal(whole(path), imagecodecs.jpeg2k_decode(path.read_bytes()))
    with open_slide(path) as source:
        assert source.info.vendor == source.info.codec == "jpeg2000"
        assert source.info.size == Size(185, 261)
        assert source.info.mpp is None


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
@pytest.mark.parametrize("kind", ["jp2", "j2k"])
def test_jpeg_2000_files_and_bare_codestreams_become_rgb(tmp_path, kind, mode):
    image = gradient("RGB").convert(mode)
    path = tmp_path / f"field.{kind}"
    path.write_bytes(imagecodecs.jpeg2k_encode(np.asarray(image), codecformat=kind, reversible=True))
    np.testing.assert_array_equal(whole(path), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("ending", ["png", "jpg", "jp2"])
def test_a_cut_off_picture_is_corrupt(tmp_path, ending):
    path = tmp_path / f"field.{ending}"
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:3_000])
    with pytest.raises(Corrupt):
        open_slide(path)


def test_a_picture_of_too_many_pixels_is_refused_from_its_header(tmp_path):
    path = tmp_path / "field.png"
    Image.new("1", (20_000, 20_000)).save(path)
    assert path.stat().st_size < 100_000
    with pytest.raises(TooLarge):
        open_slide(path)


def test_a_jpeg_2000_picture_of_too_many_pixels_is_refused_from_its_header(tmp_path):
    path = tmp_path / "field.j2k"
    data = bytearray(imagecodecs.jpeg2k_encode(np.zeros((8, 8), np.uint8), codecformat="j2k"))
    data[8:16] = struct.pack(">2I", 60_000, 60_000)  # the width and height of its SIZ marker
    path.write_bytes(data)
    with pytest.raises(TooLarge):
        open_slide(path)


def test_a_cut_off_deep_picture_is_corrupt(tmp_path):
    noise = np.random.default_rng(0).integers(0, 65_535, (200, 200), np.uint16)
    path = tmp_path / "field.png"
    path.write_bytes(imagecodecs.png_encode(noise)[:3_000])
    with pytest.raises(Corrupt):
        open_slide(path)
