"""Formats of pixels against other decoders."""

import io

import numpy as np
import pytest
from PIL import Image

from pathserve.errors import Invalid
from pathserve.tiles import MEDIA_TYPES, encode_image, require_encodable
from pathserve.tiles.encode import REGION, THUMBNAIL, TILE


@pytest.fixture
def pixels():
    y, x = np.mgrid[0:30, 0:50]
    return np.stack([x * 5, y * 8, x + y], axis=-1).astype(np.uint8)


def test_png_is_lossless(pixels):
    image = Image.open(io.BytesIO(encode_image(pixels, "png")))
    assert image.format == "PNG"
    np.testing.assert_array_equal(np.asarray(image), pixels)


def test_npy_is_the_array_itself(pixels):
    np.testing.assert_array_equal(np.load(io.BytesIO(encode_image(pixels, "npy")), allow_pickle=False), pixels)


def test_jpeg_is_close(pixels):
    image = Image.open(io.BytesIO(encode_image(pixels, "jpeg")))
    assert image.format == "JPEG"
    assert np.abs(np.asarray(image).astype(int) - pixels).mean() < 2


def test_every_format_has_a_media_type(pixels):
    for name in MEDIA_TYPES:
        assert encode_image(pixels, name)


def test_webp_and_avif_are_close_in_every_quality(pixels):
    for kind in ("webp", "avif"):
        errors = []
        for quality in (TILE, REGION, THUMBNAIL):
            image = Image.open(io.BytesIO(encode_image(pixels, kind, quality)))
            assert (image.format, image.size, image.mode) == (kind.upper(), (50, 30), "RGB")
            errors.append(np.abs(np.asarray(image).astype(int) - pixels).mean())
        assert errors == sorted(errors)
        assert errors[-1] < 5


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_the_same_pixels_are_always_the_same_bytes(pixels, kind):
    assert encode_image(pixels, kind) == encode_image(pixels.copy(), kind)


def test_other_formats_are_refused(pixels):
    with pytest.raises(Invalid, match="one of"):
        encode_image(pixels, "bmp")


@pytest.mark.parametrize(("kind", "most"), [("jpeg", 65_500), ("webp", 16_383), ("avif", 32_768)])
def test_a_picture_is_as_large_as_its_format_can_be_and_no_larger(kind, most):
    for shape in ((1, most, 3), (most, 1, 3)):
        image = Image.open(io.BytesIO(encode_image(np.zeros(shape, np.uint8), kind)))
        image.load()
        assert image.size == shape[1::-1]
    for shape in ((1, most + 1, 3), (most + 1, 1, 3)):
        with pytest.raises(Invalid, match=f"{most:,}"):
            encode_image(np.zeros(shape, np.uint8), kind)


def test_an_avif_has_no_more_pixels_than_there_is_memory_for():
    require_encodable("avif", 4096, 4096)
    for kind in ("jpeg", "webp", "png", "npy"):
        require_encodable(kind, 8192, 8192)
    with pytest.raises(Invalid, match="16,777,216"):
        require_encodable("avif", 4096, 4097)
    with pytest.raises(Invalid, match="16,777,216"):
        encode_image(np.broadcast_to(np.uint8(0), (4097, 4096, 3)), "avif")


def test_png_and_npy_have_no_such_limit():
    pixels = np.full((1, 100_000, 3), 7, np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_image(pixels, "png")))), pixels)
    assert np.load(io.BytesIO(encode_image(pixels, "npy")), allow_pickle=False).shape == pixels.shape
