"""Which files are one scan, told without parsing headers."""

import struct

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from pathserve.slides.dicom import elements, group_files, series_of
from pathserve.slides.dicom.group import read_heading

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def decoys(dataset):
    """Put the series of other files into sequences before the file's own."""
    item, deeper = Dataset(), Dataset()
    deeper.SeriesInstanceUID = "9.9.9"
    item.SeriesInstanceUID = "8.8.8"
    item.ReferencedInstanceSequence = Sequence([deeper, deeper])
    dataset.ReferencedSeriesSequence = Sequence([item, item])


def marked_ends(dataset):
    """Have sequences and items whose ends are marked instead of stated."""
    decoys(dataset)
    dataset["ReferencedSeriesSequence"].is_undefined_length = True
    for item in dataset.ReferencedSeriesSequence:
        item.is_undefined_length_sequence_item = True
        item["ReferencedInstanceSequence"].is_undefined_length = True


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("change", [decoys, marked_ends])
def test_the_series_is_the_file_s_own_in_every_encoding(picture, write_slice, syntax, change):
    path = write_slice(picture(48, 32), "a.dcm", syntax=syntax, change=change)
    assert read_heading(path).series == "1.2.3"


def test_a_sequence_of_unknown_type_is_passed_over(picture, write_slice):
    path = write_slice(picture(48, 32), "a.dcm")
    data = path.read_bytes()
    at = data.index(struct.pack("<HH", 0x20, 0x0E))
    unknown = (
        struct.pack("<HH2sHL", 0x19, 0x1010, b"UN", 0, 0xFFFFFFFF)
        + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
        + struct.pack("<HHL", 0x20, 0x0E, 6)
        + b"7.7.7\0"  # implicit inside
        + struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    )
    path.write_bytes(data[:at] + unknown + data[at:])
    assert read_heading(path).series == "1.2.3"


def test_files_of_one_series_in_one_folder_are_one_scan(picture, write_slice, tmp_path):
    (tmp_path / "copy").mkdir()
    names = {"b.dcm": "1.1", "a.dcm": "1.1", "c.dcm": "2.2", "copy/a.dcm": "1.1"}
    files = {name: write_slice(picture(48, 32), name, SeriesInstanceUID=series) for name, series in names.items()}
    assert group_files(files.values()) == [
        (files["a.dcm"], files["b.dcm"]),
        (files["c.dcm"],),
        (files["copy/a.dcm"],),
    ]


def test_a_named_file_has_its_series_with_it(shared_data):
    folder = shared_data / "slides/dicom-wsm/cmu-1-small-region"
    assert series_of(folder / "volume.dcm") == tuple(sorted(folder.iterdir()))
    loose = shared_data / "slides/dicom-wsm/highdicom/sm_image.dcm"
    assert series_of(loose) == (loose,)


def test_indexes_are_left_out_and_files_that_say_nothing_stand_alone(picture, write_slice, tmp_path):
    silent = [
        write_slice(picture(48, 32), name, change=lambda dataset: dataset.pop("SeriesInstanceUID")) for name in "ab"
    ]
    index = write_slice(picture(48, 32), "DICOMDIR", SOPClassUID=MediaStorageDirectoryStorage)
    (tmp_path / "c").write_bytes(bytes(128) + b"DICM" + b"\xff" * 500)
    assert group_files([index, *silent, tmp_path / "c"]) == [(silent[0],), (silent[1],), (tmp_path / "c",)]
    assert series_of(silent[0]) == (silent[0],)


@pytest.mark.parametrize(
    "bulk",
    [
        b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 200_000,  # nested
        b"\x08\x00\x60\x00CS\x00\x00" * 500_000,  # many
        struct.pack("<HH2sHL", 0x08, 0x1140, b"UT", 0, 0xFFFFFFF0),  # longer than the file
    ],
)
def test_a_header_without_an_end_is_looked_at_for_so_long_only(picture, write_slice, monkeypatch, bulk):
    path = write_slice(picture(48, 32), "a.dcm")
    data = path.read_bytes()
    at = data.index(struct.pack("<HH", 0x08, 0x16))
    path.write_bytes(data[:at] + bulk + data[at:])
    heads = []
    original = elements._Reader.next
    monkeypatch.setattr(elements._Reader, "next", lambda self: (heads.append(1), original(self))[1])
    assert read_heading(path).series == ""
    assert len(heads) < 20_000
