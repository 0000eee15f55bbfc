"""Formats of pixels against other decoders."""

import io

import numpy as np
import pytest
from PIL import Image

from pathserve.errors import Invalid
from pathserve.tiles import MEDIA_TYPES, encode_image


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


def test_other_formats_and_jpegs_that_cannot_be_are_refused(pixels):
    with pytest.raises(Invalid, match="one of"):
        encode_image(pixels, "bmp")
    with pytest.raises(Invalid, match="65,535"):
        encode_image(np.zeros((1, 65_536, 3), np.uint8), "jpeg")
