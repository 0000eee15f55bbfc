"""Transfer syntaxes: what was encoded comes back, whatever the encoding."""

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from pathserve.errors import Unsupported
from pathserve.slides.dicom.opening import open_dicom

LOSSLESS = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
]


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_colour_comes_back(picture, write_slide, pixels, syntax):
    image = picture(90, 70, rgb=True)
    path = write_slide(image, syntax=syntax)
    np.testing.assert_array_equal(pixels(path), image)


@pytest.mark.parametrize(
    ("syntax", "dtype"),
    # JPEG-LS knows no signed samples: see below for those.
    [(syntax, dtype) for syntax in LOSSLESS for dtype in ("uint8", "uint16")]
    + [(syntax, "int16") for syntax in LOSSLESS if syntax != JPEGLSLossless],
)
def test_grey_comes_back_in_its_own_type(picture, write_slice, pixels, syntax, dtype):
    image = picture(64, 48, dtype=dtype)
    got = pixels(write_slice(image, "one.dcm", syntax=syntax))
    assert got.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(got[..., 0], image)


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint32"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian], ids=["little", "big"])
def test_rarer_types_come_back(picture, write_slice, pixels, dtype, syntax):
    image = picture(64, 48, dtype=dtype)
    got = pixels(write_slice(image, "one.dcm", syntax=syntax))
    assert got.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(got[..., 0], image)


def test_real_numbers_come_back(picture, write_slice, pixels):
    image = picture(64, 48, dtype="int16").astype(np.float32) / 7

    def change(dataset):
        del dataset.PixelData
        dataset.FloatPixelData = image.tobytes()

    np.testing.assert_array_equal(pixels(write_slice(image, "one.dcm", change=change))[..., 0], image)


def test_signed_samples_in_jpeg_ls_are_the_same_bits(picture, write_slice, pixels):
    image = picture(64, 48, dtype="uint16")
    path = write_slice(image, "one.dcm", syntax=JPEGLSLossless, PixelRepresentation=1)
    np.testing.assert_array_equal(pixels(path)[..., 0], image.view(np.int16))


def test_signed_twelve_bits_in_jpeg_ls_keep_their_sign(write_slice, pixels):
    values = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)
    stored = imagecodecs.jpegls_encode((values & 0xFFF).astype(np.uint16))

    def change(dataset):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 1
        dataset.PixelData = encapsulate([stored])

    path = write_slice(values.view(np.uint16), "one.dcm", syntax=JPEGLSLossless, change=change)
    np.testing.assert_array_equal(pixels(path)[..., 0], values)


@pytest.mark.parametrize("signed", [True, False])
def test_signed_twelve_bits_in_jpeg_2000_keep_their_sign(write_slice, pixels, signed):
    values = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)
    given = values if signed else (values & 0xFFF).astype(np.uint16)  # some writers state the sign in the header alone
    stored = imagecodecs.jpeg2k_encode(given, level=0, reversible=True, codecformat="j2k", bitspersample=12)

    def change(dataset):
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.PixelData = encapsulate([stored])

    path = write_slice(values, "one.dcm", syntax=JPEG2000Lossless, change=change)
    np.testing.assert_array_equal(pixels(path)[..., 0], values)


def test_lossless_jpeg_comes_back(picture, write_slice, pixels):
    image = picture(64, 48, dtype="uint16")

    def change(dataset):
        dataset.PixelData = encapsulate([imagecodecs.ljpeg_encode(image)])
        dataset["PixelData"].VR = "OB"

    path = write_slice(image, "one.dcm", syntax=JPEGLosslessSV1, change=change)
    np.testing.assert_array_equal(pixels(path)[..., 0], image)


def test_twelve_bit_jpeg_is_what_its_decoder_gives(write_slice, pixels):
    y, x = np.mgrid[0:48, 0:64]
    image = (2000 + 1500 * np.sin(x / 17) * np.cos(y / 13)).astype(np.uint16)
    stream = imagecodecs.jpeg8_encode(image, level=95, bitspersample=12)

    def change(dataset):
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.PixelData = encapsulate([stream])
        dataset["PixelData"].VR = "OB"

    got = pixels(write_slice(image, "one.dcm", syntax=JPEGExtended12Bit, change=change))[..., 0]
    np.testing.assert_array_equal(got, imagecodecs.jpeg8_decode(stream))
    assert np.abs(got.astype(int) - image).mean() < 20


def test_unused_bits_are_left_out_and_the_sign_is_kept(write_slice, pixels):
    values = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)
    stored = (values & 0xFFF) | np.int16(0x5000)  # an old overlay in the upper bits

    def change(dataset):
        dataset.BitsStored, dataset.HighBit = 12, 11

    np.testing.assert_array_equal(pixels(write_slice(stored, "one.dcm", change=change))[..., 0], values)


def test_planes_of_colour_one_after_the_other(picture, write_slice, pixels):
    image = picture(64, 48, rgb=True)

    def change(dataset):
        dataset.PlanarConfiguration = 1
        dataset.PixelData = np.moveaxis(image, -1, 0).tobytes()

    np.testing.assert_array_equal(pixels(write_slice(image, "one.dcm", change=change)), image)


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
def test_luminance_and_chrominance_become_what_pydicom_makes_of_them(picture, write_slice, pixels, photometric):
    image = picture(64, 48, rgb=True)

    def change(dataset):
        dataset.PhotometricInterpretation = photometric
        if photometric == "YBR_FULL_422":
            halved = np.concatenate([image[:, 0::2, :1], image[:, 1::2, :1], image[:, 0::2, 1:]], axis=-1)
            dataset.PixelData = halved.tobytes()

    path = write_slice(image, "one.dcm", change=change)
    np.testing.assert_array_equal(pixels(path), pydicom.pixels.pixel_array(path))


def test_colour_of_sixteen_bits_is_three_channels(picture, write_slice, pixels):
    image = np.stack([picture(64, 48, dtype="uint16", seed=seed) for seed in range(3)], axis=-1)
    path = write_slice(image, "one.dcm")
    with open_dicom([path]) as source:
        assert (source.info.rgb, source.info.dtype, len(source.info.channels)) == (False, "uint16", 3)
        for plane in source.info.each_plane():
            np.testing.assert_array_equal(pixels(path, plane=plane)[..., 0], image[..., plane.c])


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "palette"),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "1 or 64 bits"),
        ({"PhotometricInterpretation": "HSV"}, "colours"),
    ],
)
def test_what_is_not_read_says_why(picture, write_slice, elements, reason):
    path = write_slice(picture(64, 48), "one.dcm", **elements)
    with pytest.raises(Unsupported, match=reason):
        open_dicom([path])


def test_an_unknown_compression_is_refused(picture, write_slice):
    path = write_slice(picture(64, 48), "one.dcm")
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    with pytest.raises(Unsupported, match="compressed"):
        open_dicom([path])
