"""What a watched folder gives at each look, and what keeps scans waiting."""

import pytest

from pathserve.cli.watching import Arrivals
from pathserve.errors import Invalid, NotFound


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    return made


@pytest.fixture
def table(folder):
    """Write the manifest, which lies among the scans."""

    def write(*lines):
        (folder / "table.csv").write_text("\n".join(["file,case", *lines, ""]))
        return folder / "table.csv"

    return write


def put(folder, *files):
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(file.encode())


def look(arrivals, times=2):
    """Look that often, and settle what comes; gives the file and the case of each."""
    came = []
    for _ in range(times):
        for scan, row in arrivals.look():
            came.append((scan.main.parent.name + "/" + scan.main.name, row and row.facts.case))
            arrivals.settle(scan)
    return came


def test_without_a_manifest_every_scan_comes(folder):
    arrivals = Arrivals(folder, None)
    put(folder, "a.tif")
    assert look(arrivals, 3) == [("in/a.tif", None)]


def test_a_name_that_two_scans_have_is_the_line_of_neither(folder, table, capsys):
    arrivals = Arrivals(folder, table("x.tif,C-1"))
    put(folder, "a/x.tif", "b/x.tif")
    assert look(arrivals, 4) == []
    said = capsys.readouterr().err
    assert said.count("Line 2: several scans have this name; give the path.") == 1
    assert said.count("waits for its line in the manifest") == 2
    table("a/x.tif,C-1", "b/x.tif,C-2")
    assert look(arrivals, 4) == [("a/x.tif", "C-1"), ("b/x.tif", "C-2")]


@pytest.mark.parametrize("taken_out", [False, True])
def test_a_line_that_a_scan_has_had_is_not_given_to_the_next_of_this_name(folder, table, capsys, taken_out):
    arrivals = Arrivals(folder, table("x.tif,C-1"))
    put(folder, "a/x.tif")
    assert look(arrivals) == [("a/x.tif", "C-1")]
    if taken_out:
        (folder / "a" / "x.tif").unlink()
    put(folder, "b/x.tif")
    assert look(arrivals, 3) == []
    assert "Line 2: several scans have this name" in capsys.readouterr().err


def test_a_scan_waits_for_its_line_and_is_told_once(folder, table, capsys):
    arrivals = Arrivals(folder, table("later.tif,C-9"))
    put(folder, "a.tif")
    assert look(arrivals, 4) == []
    said = capsys.readouterr().err
    assert said.count("a.tif waits for its line in the manifest.") == 1
    assert "no such scan" not in said  # later.tif may come
    table("later.tif,C-9", "a.tif,C-1")
    assert look(arrivals, 3) == [("in/a.tif", "C-1")]


def test_lines_that_cannot_be_used_are_named_once_for_each_manifest(folder, table, capsys):
    arrivals = Arrivals(folder, table("a.tif,2024-01-31"))
    assert look(arrivals, 4) == []
    assert capsys.readouterr().err.count("Line 2: the case holds a date") == 1
    table("b.tif,C-1", "a.tif,2024-01-31")
    look(arrivals, 4)
    assert capsys.readouterr().err.count("Line 3: the case holds a date") == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot be read"), (b"", "first line"), (b'file,case\na.tif,"C', "Line 2 is no CSV")],
)
def test_a_manifest_that_is_being_rewritten_keeps_scans_waiting(folder, table, capsys, content, reason):
    path = table("a.tif,C-1")
    arrivals = Arrivals(folder, path)
    look(arrivals)
    put(folder, "a.tif")
    path.unlink() if content is None else path.write_bytes(content)
    assert look(arrivals, 5) == []
    said = capsys.readouterr().err
    assert (said.count(reason), said.count("Scans wait until it reads well.")) == (1, 1)
    table("a.tif,C-2")
    assert look(arrivals, 3) == [("in/a.tif", "C-2")]
    assert capsys.readouterr().err.count("The manifest reads well again.") == 1


def test_a_folder_that_goes_away_is_told_once_and_looked_for(folder, tmp_path, capsys):
    arrivals = Arrivals(folder, None)
    put(folder, "a.tif")
    assert look(arrivals) == [("in/a.tif", None)]
    folder.rename(tmp_path / "away")
    assert look(arrivals, 3) == []
    assert capsys.readouterr().err == "pathserve: There is no such folder.\n"
    (tmp_path / "away").rename(folder)
    put(folder, "b.tif")
    assert look(arrivals, 3) == [("in/b.tif", None)]
    assert capsys.readouterr().err == "The folder is there again.\n"


def test_what_is_missing_from_the_start_is_refused(folder, tmp_path):
    with pytest.raises(NotFound):
        Arrivals(tmp_path / "nothing", None)
    with pytest.raises(Invalid, match="The manifest cannot be read"):
        Arrivals(folder, tmp_path / "nope.csv")
