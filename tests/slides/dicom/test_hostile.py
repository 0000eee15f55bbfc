"""Headers that lie: refused with one sentence, before anything large is read or made."""

import random
import struct
import tracemalloc
from contextlib import suppress

import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from pathserve.errors import Corrupt, PathServeError, TooLarge, Unsupported
from pathserve.geometry import LevelRegion
from pathserve.slides.dicom.opening import open_dicom


def read_all(path):
    """Open a file and read a piece of every tile's row, as ingest does."""
    with open_dicom([path]) as source:
        size = source.info.size
        for plane in source.info.each_plane():
            for y in range(0, size.height, 64):
                source.read(0, LevelRegion(0, y, min(size.width, 4096), min(64, size.height - y)), plane)


@pytest.mark.parametrize(
    ("elements", "error"),
    [
        ({"Rows": 0}, Corrupt),
        ({"Rows": 65535, "Columns": 65535}, TooLarge),
        ({"Rows": 60000, "Columns": 1000}, Corrupt),  # more than the file holds
        ({"NumberOfFrames": -1}, Corrupt),
        ({"NumberOfFrames": 0}, Corrupt),
        ({"NumberOfFrames": 2**31 - 1}, Corrupt),
        ({"NumberOfFrames": 7}, Corrupt),
        ({"TotalPixelMatrixColumns": 2**31}, TooLarge),
        ({"TotalPixelMatrixColumns": 2**20, "TotalPixelMatrixRows": 2**20}, Corrupt),
        ({"TotalPixelMatrixRows": 0}, Corrupt),
        ({"BitsStored": 9}, Corrupt),
        ({"BitsStored": 0}, Corrupt),
        ({"HighBit": 200}, Corrupt),
        ({"SamplesPerPixel": 4}, Unsupported),
        ({"SamplesPerPixel": 65535}, Unsupported),
        ({"BitsAllocated": 65535}, Unsupported),
        ({"TotalPixelMatrixFocalPlanes": 2**31}, Corrupt),
        ({"NumberOfOpticalPaths": 2**31}, Corrupt),
        ({"DimensionOrganizationType": "TILED_SPARSE"}, Corrupt),
        ({"ConcatenationUID": "1.2", "ConcatenationFrameOffsetNumber": 2**31}, Corrupt),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_impossible_numbers_are_refused_without_memory(picture, write_slide, elements, error):
    def change(dataset):
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    path = write_slide(picture(96, 64, rgb=True), change=change)
    tracemalloc.start()
    try:
        with pytest.raises(error):
            read_all(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


def with_pixels(data, syntax=JPEGBaseline8Bit):
    def change(dataset):
        dataset.PixelData = data
        dataset["PixelData"].VR = "OB"

    return {"syntax": syntax, "change": change}


def jpeg_tiles(picture):
    image = picture(96, 64, rgb=True)
    tiles = [image[y : y + 32, x : x + 32] for y in (0, 32) for x in (0, 32, 64)]
    return [imagecodecs.jpeg8_encode(np.ascontiguousarray(tile), level=92) for tile in tiles]


@pytest.mark.parametrize("table", [(0, 1 << 31, 5, 6, 7, 8), (8, 16, 24, 32, 40, 48), (0, 8, 16, 24, 32, 40)])
def test_an_offset_table_that_lies_is_passed_over_or_refused(picture, write_slide, pixels, table):
    image = picture(96, 64, rgb=True)
    good = write_slide(image, name="good.dcm", syntax=JPEGBaseline8Bit)
    data = bytearray(encapsulate(jpeg_tiles(picture)))
    struct.pack_into("<6L", data, 8, *table)
    path = write_slide(image, name="bad.dcm", **with_pixels(bytes(data)))
    try:
        got = pixels(path)
    except Corrupt:
        return
    np.testing.assert_array_equal(got, pixels(good))


def test_an_extended_offset_table_is_followed_and_a_wrong_one_passed_over(picture, write_slide, pixels):
    image = picture(96, 64, rgb=True)
    good = pixels(write_slide(image, name="good.dcm", syntax=JPEGBaseline8Bit))
    data, offsets, lengths = encapsulate_extended(jpeg_tiles(picture))
    for stated in (offsets, b"\xff" * 48, offsets[:-8], bytes(48)):

        def change(dataset, stated=stated):
            dataset.PixelData = data
            dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = stated, lengths

        np.testing.assert_array_equal(pixels(write_slide(image, syntax=JPEGBaseline8Bit, change=change)), good)


def test_frames_in_several_fragments_are_put_together(picture, write_slide, pixels):
    image = picture(96, 64, rgb=True)
    good = pixels(write_slide(image, name="good.dcm", syntax=JPEGBaseline8Bit))
    for has_bot in (True, False):
        data = encapsulate(jpeg_tiles(picture), fragments_per_frame=3, has_bot=has_bot)
        np.testing.assert_array_equal(pixels(write_slide(image, **with_pixels(data))), good)


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_frames_that_are_missing_empty_or_of_another_size_are_refused(picture, write_slide, syntax):
    image = picture(96, 64, rgb=True)
    tiles = jpeg_tiles(picture)
    for frames in (tiles[:5], [b"\0\0"] * 6, [b"\xff\xd8\xff\xd9"] * 6, [tile[:40] for tile in tiles]):
        with pytest.raises(Corrupt):
            read_all(write_slide(image, **with_pixels(encapsulate(frames), syntax)))

    good = write_slide(image, syntax=syntax, name="good.dcm")
    other = write_slide(image, tile=48, syntax=syntax, name="other.dcm")
    read_all(good)
    read_all(other)
    swapped = good.read_bytes()
    rows = struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, 32)
    assert swapped.count(rows) == 1
    good.write_bytes(swapped.replace(rows, struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, 31)))
    with pytest.raises(PathServeError):
        read_all(good)


def test_sequences_nested_too_deep_are_refused(picture, write_slide):
    path = write_slide(picture(96, 64, rgb=True))
    data = path.read_bytes()
    at = data.index(struct.pack("<HH", 0x08, 0x60))  # Modality
    deep = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 20_000
    path.write_bytes(data[:at] + deep + data[at:])
    with pytest.raises(Corrupt):
        open_dicom([path])


def test_a_deflated_file_that_is_cut_off_or_too_large_is_refused(picture, write_slide, monkeypatch):
    path = write_slide(picture(96, 64, rgb=True), syntax=DeflatedExplicitVRLittleEndian)
    data = path.read_bytes()
    read_all(path)
    path.write_bytes(data[:-200])
    with pytest.raises(Corrupt):
        open_dicom([path])
    path.write_bytes(data)
    monkeypatch.setattr("pathserve.slides.dicom.bytesource.MAX_INFLATED", 1 << 10)
    with pytest.raises(TooLarge):
        open_dicom([path])


def test_a_sparse_file_with_places_that_are_no_numbers_is_refused(picture, write_slide):
    def change(dataset):
        dataset.DimensionOrganizationType = "TILED_SPARSE"
        frames = []
        for _ in range(6):
            place, frame = Dataset(), Dataset()
            place.ColumnPositionInTotalImagePixelMatrix = -(2**31)
            place.RowPositionInTotalImagePixelMatrix = 1
            frame.PlanePositionSlideSequence = Sequence([place])
            frames.append(frame)
        dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)

    with pytest.raises(Corrupt, match="outside"):
        open_dicom([write_slide(picture(96, 64, rgb=True), change=change)])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGBaseline8Bit, DeflatedExplicitVRLittleEndian])
def test_damage_anywhere_gives_pixels_or_one_of_our_errors(picture, write_slide, syntax):
    path = write_slide(picture(96, 64, rgb=True), syntax=syntax)
    data = path.read_bytes()
    random_ = random.Random(7)  # noqa: S311 - damage, no secret
    header = min(len(data), 1400)
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(random_.randint(1, 4)):
            damaged[random_.randrange(132, header)] = random_.randrange(256)
        if random_.random() < 0.2:
            del damaged[random_.randrange(132, len(data)) :]
        path.write_bytes(damaged)
        with suppress(PathServeError):
            read_all(path)
