"""A manifest that may be rewritten at any time: only what was written to its end is taken."""

import os

import pytest

from pathserve.errors import Invalid, TooLarge
from pathserve.ingest.manifest_csv import MAX_BYTES
from pathserve.ingest.manifest_file import ManifestWatch, read_manifest


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "table.csv"
    made.write_text("file,case\na.svs,C-1\n")
    return made


def cases(table):
    return [row.facts.case for row in table.rows]


def test_a_manifest_is_taken_when_it_looks_the_same_twice_and_read_once(path):
    lines = ManifestWatch(path)
    assert lines.table() is None
    table = lines.table()
    assert cases(table) == ["C-1"]
    assert lines.table() is table
    path.write_text("file,case\na.svs,C-1\nb.svs,C")  # cut off: the case is C-2
    assert lines.table() is None
    path.write_text("file,case\na.svs,C-1\nb.svs,C-2\n")
    assert lines.table() is None
    assert cases(lines.table()) == ["C-1", "C-2"]


def test_the_same_size_at_another_time_is_another_manifest(path):
    lines = ManifestWatch(path)
    assert [lines.table() is None, lines.table() is None] == [True, False]
    path.write_text("file,case\na.svs,C-9\n")
    os.utime(path, ns=(1, 1))
    assert lines.table() is None
    assert cases(lines.table()) == ["C-9"]


def test_a_manifest_that_goes_away_and_comes_back(path):
    lines = ManifestWatch(path)
    lines.table()
    lines.table()
    before = path.rename(path.with_name("before.csv"))
    with pytest.raises(Invalid, match="The manifest cannot be read: no such file"):
        lines.table()
    before.rename(path)
    assert lines.table() is None
    assert cases(lines.table()) == ["C-1"]


def test_an_empty_manifest_is_none(path):
    path.write_bytes(b"")
    lines = ManifestWatch(path)
    lines.table()
    for _ in range(2):
        with pytest.raises(Invalid, match="first line"):
            lines.table()


def test_what_cannot_be_read_is_said_to_be_the_manifest(tmp_path):
    with pytest.raises(Invalid, match="The manifest cannot be read") as caught:
        read_manifest(tmp_path / "JANE.csv")
    assert "JANE" not in caught.value.message
    with pytest.raises(Invalid, match="The manifest cannot be read"):
        read_manifest(tmp_path)
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(TooLarge):
        read_manifest(tmp_path / "large.csv")
