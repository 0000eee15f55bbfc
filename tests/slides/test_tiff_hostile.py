"""TIFFs that lie: refused before memory or time is spent on them. What is counted is bytes read and images listed."""

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pathserve.errors import Corrupt, PathServeError, TooLarge, Unsupported
from pathserve.geometry import LevelRegion
from pathserve.slides import open_slide, xml_tree
from pathserve.slides.tiff import ome_xml, segments

BROKEN = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "broken"
DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "slides"


def read_corner(path):
    """Open a scan and read its last pixels, each plane of the first few."""
    with open_slide(path) as source:
        size = source.info.size
        width, height = min(256, size.width), min(256, size.height)
        for plane in list(source.info.each_plane())[:3]:
            got = source.read(0, LevelRegion(size.width - width, size.height - height, width, height), plane)
            assert got.shape == (height, width, source.info.samples)
            assert got.dtype == np.dtype(source.info.dtype)


def set_tag(path, code, value, *, page=0, count=None, kind=4):
    """Write another value, stated as one LONG, into a tag of a classic little-endian TIFF."""
    with tifffile.TiffFile(path) as tiff:
        where = tiff.pages[page].tags[code].offset
    with path.open("r+b") as file:
        file.seek(where + 2)
        file.write(struct.pack("<HII", kind, 1 if count is None else count, value))


def tiled(path, **more):
    array = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    how = {"photometric": "rgb", "tile": (32, 32), "metadata": None, "compression": "adobe_deflate", **more}
    tifffile.imwrite(path, array, **how)
    return path


@pytest.mark.parametrize("path", sorted([*BROKEN.glob("*.tif"), *BROKEN.glob("*.svs")]), ids=lambda path: path.name)
def test_broken_files_are_refused_or_read_as_tifffile_reads_them(path):
    refusal = None
    try:
        with open_slide(path) as source:
            size = source.info.size
            got = source.read(0, LevelRegion(0, 0, size.width, size.height))
    except PathServeError as error:
        refusal = error
    if refusal is not None:
        assert refusal.message.endswith(".")
        assert path.stem not in refusal.message
        return
    expected = tifffile.imread(path, key=0)  # grey with transparency, which is no channel
    np.testing.assert_array_equal(got[..., 0], expected[..., 0] if expected.ndim == 3 else expected)


def test_images_that_follow_each_other_in_a_circle_end(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((2, 64, 64), np.uint8), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as tiff:
        first, last = (page.offset for page in tiff.pages)
        tags = len(tiff.pages[1].tags)
    with path.open("r+b") as file:
        file.seek(last + 2 + 12 * tags)
        file.write(struct.pack("<I", first))
    with pytest.raises((Corrupt, TooLarge, Unsupported)):
        read_corner(path)


def make_sub_image(path):
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(np.zeros((64, 64), np.uint8), photometric="minisblack", subifds=1, metadata=None)
        tiff.write(np.zeros((32, 32), np.uint8), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as tiff:
        return tiff.pages[0].offset, tiff.pages[0].tags[330].offset


def test_a_sub_image_that_is_the_image_itself_is_no_level(tmp_path):
    image, _ = make_sub_image(tmp_path / "a.tif")
    set_tag(tmp_path / "a.tif", 330, image)
    with open_slide(tmp_path / "a.tif") as source:
        assert len(source.info.levels) == 1
    read_corner(tmp_path / "a.tif")


def test_a_sub_image_that_is_none_is_corrupt(tmp_path):
    _, tag = make_sub_image(tmp_path / "a.tif")
    set_tag(tmp_path / "a.tif", 330, tag)
    with pytest.raises(Corrupt):
        open_slide(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (256, 0),
        (256, 1 << 31),
        (257, 1 << 20),
        (277, 60_000),
        (258, 7_000),
        (259, 61_234),
        (262, 999),
        (322, 0),
        (322, 1 << 30),
        (323, 16),
        (317, 77),
        (284, 2),
    ],
)
def test_a_tag_that_lies_gives_a_clear_error(tmp_path, code, value):
    path = tiled(tmp_path / "a.tif", predictor=2)
    set_tag(path, code, value)
    with pytest.raises((Corrupt, TooLarge, Unsupported)):
        read_corner(path)


@pytest.mark.parametrize("code", [324, 325])
def test_a_list_of_a_billion_tiles_is_not_read(tmp_path, code):
    path = tiled(tmp_path / "a.tif")
    set_tag(path, code, 8, count=1_000_000_000)
    with pytest.raises((Corrupt, TooLarge, Unsupported)):
        open_slide(path)


def test_a_compressed_strip_of_a_gigapixel_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="adobe_deflate", metadata=None)
    for code, value in ((256, 1 << 15), (257, 1 << 15), (278, 1 << 15)):
        set_tag(path, code, value)
    with pytest.raises(TooLarge, match="tile"):
        open_slide(path)


def test_a_bare_strip_is_read_row_by_row_however_large(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.arange(64, dtype=np.uint8).reshape(8, 8), photometric="minisblack", metadata=None)
    set_tag(path, 257, 1 << 20)
    set_tag(path, 278, 1 << 20)
    with pytest.raises(Corrupt, match=r"shorter than its rows|cut off"):
        open_slide(path)


@pytest.mark.parametrize("compression", ["webp", "png", "jpeg2000", "jpeg"])
def test_a_tile_that_holds_a_larger_picture_is_not_decoded(tmp_path, compression, monkeypatch):
    """The directory says 32 px, the picture inside says 64: a picture of 16,383 px would take a gigabyte."""
    array = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, photometric="rgb", tile=(64, 64), compression=compression, metadata=None)
    for code, value in ((256, 32), (257, 32), (322, 32), (323, 32)):
        set_tag(path, code, value)
    decoded = []
    monkeypatch.setattr(segments.jpeg, "decode", lambda *given, **more: decoded.append((given, more)))
    with pytest.raises(Corrupt, match="size"):
        read_corner(path)
    assert decoded == []


@pytest.mark.parametrize(
    ("inner", "error"),
    [
        ('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>', Corrupt),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd">', Corrupt),
    ],
)
def test_metadata_with_entities_is_refused(tmp_path, inner, error):
    text = f'<?xml version="1.0"?>{inner}<OME><Image><Pixels/></Image></OME>'
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.uint8), description=text, metadata=None)
    with pytest.raises(error, match="document type"):
        open_slide(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "inner",
    [
        "<a>" * 100_000 + "</a>" * 100_000,
        "<a/>" * (xml_tree.MAX_ELEMENTS + 1),
        '<Image><Pixels DimensionOrder="XYZCT" SizeX="8" SizeY="8" SizeZ="100000" SizeC="1" SizeT="1"/></Image>',
        '<Image><Pixels DimensionOrder="XYZCT" SizeX="8" SizeY="8" SizeZ="1" SizeC="1" SizeT="1"/></Image>'
        * (ome_xml.MAX_IMAGES + 1),
    ],
    ids=["deep", "long", "100,000 planes", "many pictures"],
)
def test_metadata_without_measure_is_refused(tmp_path, inner):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.uint8), description=f"<OME>{inner}</OME>", metadata=None)
    with pytest.raises(TooLarge):
        open_slide(tmp_path / "a.tif")


def test_metadata_that_names_every_plane_over_and_over_is_refused(tmp_path):
    blocks = "<TiffData/>" * 10_000
    pixels = f'<Pixels DimensionOrder="XYZCT" SizeX="8" SizeY="8" SizeZ="50" SizeC="1" SizeT="1">{blocks}</Pixels>'
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.zeros((50, 8, 8), np.uint8),
        photometric="minisblack",
        description=f"<OME><Image>{pixels}</Image></OME>",
        metadata=None,
    )
    with pytest.raises(Corrupt, match="over and over"):
        open_slide(tmp_path / "a.tif")


@pytest.mark.parametrize("stated", ["images=5000000", "images=3\nchannels=0", "images=-1", "images=2000\nslices=2000"])
def test_imagej_that_states_planes_that_are_not_there_is_refused(tmp_path, stated):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), description=f"ImageJ=1.53\n{stated}\n", metadata=None)
    with pytest.raises((Corrupt, Unsupported)):
        open_slide(path)


MUTATED = ["generic-tiff/boxes.tiff", "ome-tiff/cells.ome.tif", "ome-tiff/test_pyramid.ome.tif", "plain/kather1.tif"]


@given(
    st.sampled_from(MUTATED),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    st.booleans(),
)
@hypothesis_settings(max_examples=200)
def test_mutated_files_give_a_clear_error_or_pixels(tmp_path_factory, name, changes, cut):
    data = bytearray((DATA / name).read_bytes())
    with tifffile.TiffFile(DATA / name) as tiff:
        starts = [page.offset for page in tiff.pages]
    for number, (share, value) in enumerate(changes):
        start = starts[number % len(starts)]
        data[min(start + int(share * 400), len(data) - 1)] = value
    if cut:
        data = data[: int(len(data) * changes[0][0])]
    path = tmp_path_factory.mktemp("mutated") / "a.tif"
    path.write_bytes(data)
    with contextlib.suppress(PathServeError):
        read_corner(path)
