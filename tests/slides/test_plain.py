"""Plain pictures against Pillow."""

import numpy as np
import pytest
from PIL import Image

from pathserve.errors import Corrupt, TooLarge, Unsupported
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


def test_sixteen_bits_are_refused_not_squeezed(tmp_path):
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "field.png")
    with pytest.raises(Unsupported, match="8 bits"):
        open_slide(tmp_path / "field.png")


@pytest.mark.parametrize("ending", ["png", "jpg"])
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
