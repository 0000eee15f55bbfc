"""JPEG tiles: tables joined, colour made explicit, coefficients untouched."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from pathserve.errors import Corrupt
from pathserve.geometry import Size
from pathserve.slides import jpeg

ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
ADOBE_YCBCR = ADOBE_RGB[:-1] + b"\x01"


def picture(width=48, height=32):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 5, y * 7, x + y], axis=-1).astype(np.uint8)


def pillow_jpeg(array, **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def pillow_decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def aperio_tile(path, index):
    with tifffile.TiffFile(path) as tiff, path.open("rb") as file:
        page = tiff.pages[0]
        file.seek(page.dataoffsets[index])
        return page.jpegtables, file.read(page.databytecounts[index])


def test_an_aperio_tile_keeps_its_coefficients_and_gets_its_colour_marker(sample_slide):
    tables, tile = aperio_tile(sample_slide, 47)
    joined = jpeg.to_interchange(tables, tile, rgb=True)
    assert joined[:18] == b"\xff\xd8" + ADOBE_RGB
    scan = tile[tile.index(b"\xff\xda") :]
    assert joined.endswith(scan)
    assert jpeg.read_frame(joined) == jpeg.Frame(240, 240, 8, 3)


def test_pillow_decodes_the_joined_tile_as_rgb(sample_slide):
    tables, tile = aperio_tile(sample_slide, 47)
    pixels = pillow_decoded(jpeg.to_interchange(tables, tile, rgb=True))
    with tifffile.TiffFile(sample_slide) as tiff:
        expected = tiff.pages[0].asarray()[4 * 240 : 5 * 240, 7 * 240 : 8 * 240]
    np.testing.assert_array_equal(pixels, expected)
    # Told the wrong colour space the same coefficients make another picture: the marker matters.
    wrong = pillow_decoded(jpeg.to_interchange(tables, tile, rgb=False))
    assert np.abs(wrong.astype(int) - expected).mean() > 10


def test_application_data_and_comments_are_dropped_and_the_marker_is_there_once():
    array = picture()
    data = pillow_jpeg(array, comment=b"SMITH^JOHN 1950", exif=b"Exif\x00\x00secret", icc_profile=b"x" * 500)
    assert b"SMITH" in data
    joined = jpeg.to_interchange(b"", data, rgb=False)
    assert joined.count(b"Adobe") == 1
    assert joined[2:18] == ADOBE_YCBCR
    for secret in (b"SMITH", b"secret", b"JFIF", b"xxxx"):
        assert secret not in joined
    np.testing.assert_array_equal(pillow_decoded(joined), pillow_decoded(data))


def test_a_jfif_marker_does_not_win_over_the_photometric_interpretation():
    array = picture()
    data = pillow_jpeg(array, subsampling=0)  # Pillow writes JFIF and YCbCr
    as_rgb = pillow_decoded(jpeg.to_interchange(b"", data, rgb=True))
    components = np.asarray(Image.open(io.BytesIO(data)).convert("YCbCr"))
    assert np.abs(as_rgb.astype(int) - components).max() <= 3


def test_a_marker_that_is_there_already_is_replaced_not_doubled():
    data = pillow_jpeg(picture())
    once = jpeg.to_interchange(b"", data, rgb=False)
    assert jpeg.to_interchange(b"", once, rgb=False) == once


def test_what_follows_the_end_of_the_image_is_cut_and_a_missing_end_is_set():
    whole = jpeg.to_interchange(b"", pillow_jpeg(picture()), rgb=False)
    assert jpeg.to_interchange(b"", whole + b"\x00" * 9, rgb=False) == whole
    assert jpeg.to_interchange(b"", whole[:-2], rgb=False) == whole


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8", b"not a jpeg at all", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xdb\xff\xff", b"\xff\xd8\x00\x00\x00"],
)
def test_what_is_no_jpeg_is_corrupt(data):
    with pytest.raises(Corrupt):
        jpeg.to_interchange(b"", data, rgb=True)
    with pytest.raises(Corrupt):
        jpeg.read_frame(data)


def test_a_lossless_or_arithmetic_frame_is_refused():
    data = bytearray(pillow_jpeg(picture()))
    data[data.index(b"\xff\xc0") + 1] = 0xC3
    with pytest.raises(Corrupt, match="kind"):
        jpeg.to_interchange(b"", bytes(data), rgb=False)


def test_decoding_refuses_a_stream_that_ends_early():
    data = pillow_jpeg(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    with pytest.raises(Corrupt):
        jpeg.decode(data[: len(data) // 2])


@pytest.mark.parametrize(("width", "height"), [(48, 32), (47, 33), (240, 16)])
def test_half_size_decoding_is_close_to_the_mean_of_2x2(width, height):
    array = picture(width, height) // 2
    data = pillow_jpeg(array, subsampling=0)
    half = jpeg.decode(data, half_of=Size(width, height))
    assert half.shape == (-(-height // 2), -(-width // 2), 3)
    full = pillow_decoded(data)[: height // 2 * 2, : width // 2 * 2].astype(float)
    mean = full.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))
    assert np.abs(half[: height // 2, : width // 2] - mean).mean() < 2


def test_encoding_is_what_another_decoder_reads():
    array = picture(64, 64)
    data = jpeg.encode(array[:, ::-1], jpeg.Encoding(95, "444"))
    assert np.abs(pillow_decoded(data).astype(int) - array[:, ::-1]).mean() < 2


def test_comments_between_scans_and_bytes_after_the_end_are_dropped():
    whole = pillow_jpeg(picture(), progressive=True)
    second = whole.index(b"\xff\xda", whole.index(b"\xff\xda") + 2)
    comment = b"\xff\xfe\x00\x0aJANE DOE"
    said = whole[:second] + comment + b"\xff\xe5\x00\x0aJANE DOE" + whole[second:] + b"JANE DOE\xff\xd9"
    kept = jpeg.to_interchange(b"", said, rgb=False)
    assert said.count(b"JANE DOE") == 3
    assert kept == jpeg.to_interchange(b"", whole, rgb=False)
    np.testing.assert_array_equal(pillow_decoded(kept), pillow_decoded(whole))


def test_restarts_and_a_missing_end_are_no_segments():
    whole = pillow_jpeg(picture(200, 160), restart_marker_blocks=1)
    assert b"\xff\xd3" in whole
    kept = jpeg.to_interchange(b"", whole[:-2], rgb=False)
    assert kept == jpeg.to_interchange(b"", whole, rgb=False)
    np.testing.assert_array_equal(pillow_decoded(kept), pillow_decoded(whole))
