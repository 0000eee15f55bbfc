"""NDPI tiles that are copied: pixels against OpenSlide, coefficients' order against Pillow's own JPEGs."""

import contextlib
import io
import struct

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from pathserve.errors import Corrupt, PathServeError
from pathserve.geometry import Size
from pathserve.pyramid import plan_pyramid
from pathserve.pyramid.build import build_pyramid
from pathserve.pyramid.plan import Verbatim
from pathserve.slides import jpeg, open_slide
from pathserve.slides.ndpi.joining import join, read_pieces, without_marker
from pathserve.slides.ndpi.source import NdpiSource
from pathserve.slides.openslide import OpenSlideSource

MCU_STARTS = 65426


@pytest.fixture
def ndpi(shared_data):
    return shared_data / "slides" / "hamamatsu" / "test3-DAPI-2-(387).ndpi"


def openslide_level(path, level):
    with openslide.OpenSlide(path) as slide:
        return np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level]))[..., :3]


def test_every_tile_of_the_real_file_has_openslide_s_pixels(ndpi):
    with open_slide(ndpi) as source:
        assert isinstance(source, NdpiSource)
        copied = [index for index, level in enumerate(source.info.levels) if level.encoding == "jpeg"]
        assert copied[0] == 0
        assert source.info.levels[0].tile == Size(3968, 256)
        for index in copied:
            expected = openslide_level(ndpi, index)
            height, width = expected.shape[:2]
            for row in range(-(-height // 256)):
                tile = jpeg.decode(source.encoded_tile(index, 0, row))
                part = expected[256 * row : 256 * (row + 1)]
                np.testing.assert_array_equal(tile[: len(part), :width], part)


def test_the_coded_data_is_the_file_s_own(ndpi):
    data = ndpi.read_bytes()
    with open_slide(ndpi) as source, tifffile.TiffFile(ndpi) as tiff:
        tile = source.encoded_tile(0, 0, 3)
        for row in range(3 * 32, 4 * 32):
            offset, count = tiff.pages[0].dataoffsets[row], tiff.pages[0].databytecounts[row]
            assert data[offset : offset + count - 2] in tile
        assert b"Hamamatsu" not in tile


def test_a_pyramid_of_it_is_copied_and_equal_to_openslide(ndpi, tmp_path):
    with open_slide(ndpi) as source:
        plan = plan_pyramid(source.info)
        assert plan.levels[0].source == Verbatim(0, Size(3968, 4864))
        built = build_pyramid(source, plan, tmp_path, content_hash="0" * 64, workers=1, progress=lambda *_: None)
    assert sum(path.stat().st_size for path in built.folder.rglob("*")) < 1.06 * ndpi.stat().st_size


def patched(ndpi, tmp_path, change):
    data = bytearray(ndpi.read_bytes())
    with tifffile.TiffFile(ndpi) as tiff:
        change(data, tiff.pages[0])
    path = tmp_path / "a.ndpi"
    path.write_bytes(data)
    return path


def without_starts(data, page):
    data[page.tags[MCU_STARTS].offset : page.tags[MCU_STARTS].offset + 2] = struct.pack("<H", 65_499)


def with_wrong_starts(data, page):
    where = page.tags[MCU_STARTS].valueoffset
    data[where + 40 : where + 44] = struct.pack("<I", 0x7FFFFFFF)


def with_another_interval(data, page):
    start = page.dataoffsets[0] - page.tags[MCU_STARTS].value[0]
    at = data.index(b"\xff\xdd\x00\x04", start)
    data[at + 4 : at + 6] = struct.pack(">H", 100)


@pytest.mark.parametrize("change", [without_starts, with_wrong_starts, with_another_interval])
def test_without_good_restarts_it_is_decoded_or_refused(ndpi, tmp_path, change):
    path = patched(ndpi, tmp_path, change)
    with contextlib.suppress(PathServeError), open_slide(path) as source:
        assert isinstance(source, OpenSlideSource)
        assert source.info.levels[0].encoding == "other"


def test_a_damaged_piece_is_corrupt(ndpi, tmp_path):
    def damage(data, page):
        at = page.dataoffsets[100] + 50
        data[at : at + 2] = b"\xff\xd9"

    with open_slide(patched(ndpi, tmp_path, damage)) as source, pytest.raises(Corrupt):
        source.encoded_tile(0, 0, 100 // 32)


def pieces_of(data):
    """Split a JPEG at its restart markers: its header, and the coded data of each piece."""
    (end,) = (end for marker, _, end in jpeg.segments(data) if marker == 0xDA)
    parts, start = [], end
    for at in range(end, len(data) - 1):
        if data[at] == 0xFF and (0xD0 <= data[at + 1] <= 0xD7 or data[at + 1] == 0xD9):
            parts.append(without_marker(data[start : at + 2]))
            start = at + 2
    return data[:end], parts


def encoded(width, height, subsampling, **more):
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(0).integers(0, 60, (height, width))
    pixels = np.stack([x % 256, y % 256, (x + y + noise) % 256], axis=-1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90, subsampling=subsampling, restart_marker_rows=1, **more)
    return file.getvalue()


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2"])
@pytest.mark.parametrize("width", [160, 250])
def test_pieces_are_joined_in_any_order_and_below_the_end_it_is_grey(subsampling, width):
    data = encoded(width, 160, subsampling)
    header, rows = pieces_of(data)
    assert len(rows) == 20  # so that the numbers of restarts go round twice
    pieces = read_pieces(header)
    assert pieces is not None
    whole = jpeg.decode(data)
    turned = jpeg.decode(join(pieces, [*reversed(rows), None, None]))
    assert turned.shape == (176, pieces.width, 3)
    for index in range(20):
        expected = whole[8 * (19 - index) : 8 * (20 - index)]
        np.testing.assert_array_equal(turned[8 * index : 8 * (index + 1), : width - 16], expected[:, : width - 16])
    assert (turned[160:] == 128).all()


@pytest.mark.parametrize(
    "data",
    [
        encoded(160, 160, "4:2:0"),
        encoded(160, 160, "4:4:4", progressive=True),
        (lambda file: (Image.new("L", (64, 64)).save(file, "JPEG", restart_marker_rows=1), file.getvalue())[1])(
            io.BytesIO()
        ),
    ],
    ids=["halved along y", "progressive", "grey"],
)
def test_what_cannot_be_joined_exactly_is_left_to_openslide(data):
    end = next(end for marker, _, end in jpeg.segments(data) if marker == 0xDA)
    assert read_pieces(data[:end]) is None


def test_a_header_without_coded_data_is_corrupt():
    with pytest.raises(Corrupt):
        read_pieces(encoded(64, 64, "4:4:4")[:100])
