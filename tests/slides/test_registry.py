"""Which reader opens what, and clear refusals."""

import struct

import numpy as np
import pytest
import tifffile

from pathserve.errors import Corrupt, NotFound, PathServeError, Unsupported
from pathserve.slides import open_slide


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        open_slide(tmp_path / "nothing.svs")


def test_an_empty_file_is_corrupt(tmp_path):
    (tmp_path / "empty.svs").touch()
    with pytest.raises(Corrupt):
        open_slide(tmp_path / "empty.svs")


def test_a_folder_is_unsupported_and_called_one(tmp_path):
    with pytest.raises(Unsupported, match="This folder is no Zarr store"):
        open_slide(tmp_path)


@pytest.mark.parametrize("content", [b"hello, I am a text file\n" * 50, b"\x00" * 4096, b"II*\x00" + b"\xff" * 200])
def test_what_is_no_scan_is_unsupported_whatever_its_name(tmp_path, content):
    path = tmp_path / "text.svs"
    path.write_bytes(content)
    with pytest.raises(Unsupported, match=r"no scan|no image"):
        open_slide(path)


def test_no_refusal_names_the_file(tmp_path):
    path = tmp_path / "DOE^JANE.svs"
    path.write_bytes(b"nothing to see")
    with pytest.raises(PathServeError) as caught:
        open_slide(path)
    assert "JANE" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def write_vsi(path, ets, *, marked):
    """Write what Olympus cellSens does: an overview as TIFF, a header of its own (24, "IS") at 8, tiles beside it."""
    tifffile.imwrite(path, np.full((64, 48, 3), 200, np.uint8), photometric="rgb", tile=(32, 32), software=False)
    if marked:  # tifffile begins its first directory at 8; it is put behind the end, and the header in its place
        content = bytearray(path.read_bytes())
        content += bytes(len(content) % 2)
        (count,) = struct.unpack_from("<H", content, 8)
        directory = content[8 : 8 + 2 + 12 * count + 4]
        struct.pack_into("<I", content, 4, len(content))
        struct.pack_into("<HHIqII", content, 8, 24, 21321, 1, 0, 0, 0)
        path.write_bytes(content + directory)
    if ets:
        (path.parent / f"_{path.stem}_" / "stack10001").mkdir(parents=True)
        (path.parent / f"_{path.stem}_" / "stack10001" / "frame_t.ets").write_bytes(b"SIS\x00" + bytes(60))


@pytest.mark.parametrize(("ets", "marked"), [(True, False), (False, True), (True, True)])
def test_the_overview_of_an_olympus_scan_is_not_taken_for_the_slide(tmp_path, ets, marked):
    path = tmp_path / "scan.vsi"
    write_vsi(path, ets, marked=marked)
    assert tifffile.imread(path).shape == (64, 48, 3)  # a TIFF like any other
    with pytest.raises(Unsupported, match="Olympus VSI"):
        open_slide(path)


def test_the_ending_alone_makes_no_olympus_scan(tmp_path):
    path = tmp_path / "scan.vsi"
    write_vsi(path, ets=False, marked=False)
    (tmp_path / "_scan_").mkdir()
    with open_slide(path) as source:
        assert (source.info.size.width, source.info.size.height) == (48, 64)
