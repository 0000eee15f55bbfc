"""Which scans of a folder are ready: those that have stopped growing, once each."""

import os
import shutil
import subprocess
import sys

import pytest

from pathserve.errors import NotFound
from pathserve.ingest.watch import FolderWatch, open_for_writing


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    return made


@pytest.fixture
def watch(folder):
    return FolderWatch(folder, writers=lambda: ())


def names(scans):
    return [scan.main.name for scan in scans]


def test_a_scan_is_ready_when_it_looks_the_same_twice(watch, folder):
    (folder / "a.svs").write_bytes(b"1")
    assert watch.ready() == []
    (folder / "a.svs").write_bytes(b"12")
    assert watch.ready() == []
    assert names(watch.ready()) == ["a.svs"]
    assert names(watch.ready()) == ["a.svs"]  # until somebody settles it


def test_the_same_size_at_another_time_is_a_change(watch, folder):
    (folder / "a.svs").write_bytes(b"1")
    watch.ready()
    os.utime(folder / "a.svs", ns=(1, 1))
    assert watch.ready() == []
    assert names(watch.ready()) == ["a.svs"]


def test_what_is_settled_comes_again_only_when_it_has_changed(watch, folder):
    (folder / "a.svs").write_bytes(b"1")
    watch.ready()
    (scan,) = watch.ready()
    watch.settle(scan)
    assert watch.ready() == []
    assert watch.ready() == []
    (folder / "b.svs").write_bytes(b"2")
    watch.ready()
    assert names(watch.ready()) == ["b.svs"]
    (folder / "a.svs").write_bytes(b"other")
    watch.ready()
    assert names(watch.ready()) == ["a.svs", "b.svs"]


def test_a_scan_that_changes_between_the_look_and_its_settling_comes_again(watch, folder):
    (folder / "a.svs").write_bytes(b"1")
    watch.ready()
    (scan,) = watch.ready()
    (folder / "a.svs").write_bytes(b"while it was ingested")
    watch.settle(scan)
    watch.ready()
    assert names(watch.ready()) == ["a.svs"]


def test_an_empty_file_is_about_to_be_written(watch, folder):
    (folder / "a.svs").touch()
    for _ in range(3):
        assert watch.ready() == []


def test_all_files_of_a_scan_must_have_come(watch, folder):
    for name in ("s.mrxs", "s/Slidedat.ini"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"1")
    watch.ready()
    (folder / "s" / "Data0000.dat").write_bytes(b"1")  # one more of the same scan
    assert watch.ready() == []
    (scan,) = watch.ready()
    assert len(scan.files) == 3


def test_a_folder_of_dicom_is_one_scan(watch, folder, shared_data):
    source = shared_data / "slides/dicom-radiology/dicomdir/98892001/CT5N"
    shutil.copytree(source, folder / "series")
    watch.ready()
    (scan,) = watch.ready()
    assert len(scan.files) == len(list(source.iterdir())) > 1


def test_a_file_that_goes_away_and_a_folder_that_does(watch, folder):
    (folder / "a.svs").write_bytes(b"1")
    watch.ready()
    (folder / "a.svs").unlink()
    assert watch.ready() == []
    folder.rmdir()
    with pytest.raises(NotFound):
        watch.ready()


def test_a_folder_that_was_away_for_a_moment_brings_nothing_again(watch, folder, tmp_path):
    for name in ("a.svs", "b.svs"):
        (folder / name).write_bytes(name.encode())
    watch.ready()
    for scan in watch.ready():
        watch.settle(scan)
    folder.rename(tmp_path / "away")
    folder.mkdir()  # the empty place where a disk is mounted
    assert watch.ready() == []
    assert names(watch.known) == ["a.svs", "b.svs"]
    folder.rmdir()
    (tmp_path / "away").rename(folder)
    assert [watch.ready() for _ in range(3)] == [[], [], []]


def test_what_is_known_are_the_scans_that_are_there_and_the_settled_ones_that_were_taken_out(watch, folder):
    (folder / "a.svs").write_bytes(b"1")
    watch.ready()
    (scan,) = watch.ready()
    watch.settle(scan)
    (folder / "b.svs").touch()  # not whole yet
    (folder / "a.svs").unlink()
    watch.ready()
    assert names(watch.known) == ["b.svs", "a.svs"]


def test_a_scan_that_was_moved_is_known_where_it_is(watch, folder):
    (folder / "a.svs").write_bytes(b"1")
    watch.ready()
    (scan,) = watch.ready()
    watch.settle(scan)
    (folder / "done").mkdir()
    (folder / "a.svs").rename(folder / "done" / "a.svs")
    watch.ready()
    assert watch.known == watch.ready()
    assert names(watch.known) == ["a.svs"]


def test_a_file_that_somebody_writes_is_left_alone(folder):
    watch = FolderWatch(folder)
    path = folder / "a.svs"
    path.write_bytes(b"1")
    program = "import sys; file = open(sys.argv[1], 'r+b'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        writer.stdout.readline()
        watch.ready()
        assert watch.ready() == []
        writer.stdin.close()
        writer.wait()
    assert names(watch.ready()) == ["a.svs"]


def test_who_only_reads_is_no_writer(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    status = path.stat()
    with path.open("rb"):
        assert (status.st_dev, status.st_ino) not in set(open_for_writing())
    with path.open("ab"):
        assert (status.st_dev, status.st_ino) in set(open_for_writing())
