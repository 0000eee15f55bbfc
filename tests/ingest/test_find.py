"""Files and folders to files."""

import os

import pytest

from pathserve.errors import NotFound, Unsupported
from pathserve.ingest import find_scans


@pytest.fixture
def tree(tmp_path):
    for name in ("b.svs", "a.tif", "deep/er/c.png", ".hidden.svs", ".folder/d.svs", "store.zarr/0/c/0/0/0"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def mains(paths):
    return [scan.main for scan in find_scans(paths)]


def test_folders_give_their_scans_at_any_depth_sorted_without_hidden_ones(tree):
    assert mains([tree]) == [tree / "a.tif", tree / "b.svs", tree / "deep/er/c.png", tree / "store.zarr"]


def test_a_named_file_is_always_in_and_nothing_is_in_twice(tree):
    assert mains([tree / ".hidden.svs", tree / "deep", tree / "deep/er/c.png"]) == [
        tree / ".hidden.svs",
        tree / "deep/er/c.png",
    ]


def test_pathserve_s_own_slides_are_no_scans_in_a_folder(tree):
    (tree / "store.zarr" / "manifest.json").touch()
    assert tree / "store.zarr" not in mains([tree])


def test_a_mirax_scan_has_its_folder_with_it(tmp_path):
    for name in ("slide.mrxs", "slide/Slidedat.ini", "slide/Data0000.dat", "other.svs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    other, mirax = find_scans([tmp_path])
    assert (other.main, mirax.main) == (tmp_path / "other.svs", tmp_path / "slide.mrxs")
    assert mirax.files == (
        tmp_path / "slide.mrxs",
        tmp_path / "slide" / "Data0000.dat",
        tmp_path / "slide" / "Slidedat.ini",
    )


def test_a_vms_scan_has_the_files_that_it_names_and_no_other(tmp_path):
    (tmp_path / "a.vms").write_text("[Virtual Microscope Specimen]\nImageFile=a(1).jpg\nMapFile=../outside.jpg\n")
    for name in ("a(1).jpg", "b.jpg"):
        (tmp_path / name).touch()
    (tmp_path.parent / "outside.jpg").touch()
    picture, scan = find_scans([tmp_path])[::-1]
    assert picture.main == tmp_path / "b.jpg"
    assert scan.files == (tmp_path / "a.vms", tmp_path / "a(1).jpg")


def test_the_dicom_files_of_a_series_are_one_scan_whichever_is_named(shared_data):
    folder = shared_data / "slides" / "dicom-wsm" / "fluorcell-4"
    (scan,) = find_scans([folder])
    assert scan.files == tuple(sorted(folder.iterdir()))
    assert find_scans([folder / "5_0.dcm", folder / "6_0.dcm"]) == [scan]
    assert find_scans([folder, folder / "5_0.dcm"]) == [scan]


def test_a_folder_of_several_series_is_a_scan_each_and_its_index_none(shared_data):
    folder = shared_data / "slides" / "dicom-radiology" / "dicomdir"
    scans = {scan.main.relative_to(folder).as_posix(): len(scan.files) for scan in find_scans([folder])}
    assert scans["98892003/MR700/4467"] == 7
    assert {name for name in scans if name.startswith("98892003/MR2")} == {
        "98892003/MR2/15970",
        "98892003/MR2/4950",
        "98892003/MR2/6273",
    }
    assert not [name for name in scans if "DICOMDIR" in name]
    assert find_scans([folder / "DICOMDIR"])[0].files == (folder / "DICOMDIR",)  # named: refused with the reason


def test_what_does_not_exist_is_not_found_and_not_named(tree):
    with pytest.raises(NotFound) as caught:
        find_scans([tree / "DOE^JANE.svs"])
    assert "JANE" not in caught.value.message


def test_an_empty_folder_gives_nothing(tmp_path):
    assert find_scans([tmp_path]) == []


def test_folders_that_cannot_be_read_are_told_and_the_others_are_searched(tree, monkeypatch):
    real = os.scandir

    def scandir(path):  # as the system answers anybody but root, who may read everything
        if os.fspath(path) == os.fspath(tree / "deep"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    closed = []
    found = find_scans([tree], unreadable=closed.append)
    assert closed == [tree / "deep"]
    assert [scan.main.name for scan in found] == ["a.tif", "b.svs", "store.zarr"]


def test_what_is_neither_file_nor_folder_is_refused_when_it_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert find_scans([tmp_path]) == []
    with pytest.raises(Unsupported, match="Only ordinary files"):
        find_scans([tmp_path / "pipe"])


def test_links_to_files_are_followed_and_links_to_folders_are_not(tree):
    (tree / "deep" / "link.svs").symlink_to(tree / "b.svs")
    (tree / "deep" / "linked").symlink_to(tree / ".folder")
    assert mains([tree / "deep"]) == [tree / "deep/er/c.png", tree / "deep/link.svs"]
    assert mains([tree / "deep" / "linked"]) == [tree / "deep" / "linked" / "d.svs"]  # named
