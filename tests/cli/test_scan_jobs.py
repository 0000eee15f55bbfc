"""Scans one after the other in one command: what one of them says or does to the others."""

import json
import os
import shutil

import numpy as np
import pytest
import tifffile

from pathserve.cli.commands_serve import _prepare_demo
from pathserve.ingest import queue
from pathserve.server.services import Services


@pytest.fixture
def command(run):
    """Run a command; gives its exit status, its items and what it said."""

    def items(*words):
        done = run(*words, "--json")
        return done.returncode, json.loads(done.stdout)["items"], done.stderr

    return items


@pytest.fixture
def twins(tmp_path, sample_field):
    """Two files of equal bytes."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(sample_field, folder / name)
    return folder


def test_lines_that_contradict_each_other_about_equal_bytes_are_named_and_the_first_holds(command, twins, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("file,case,patient\na.jpg,C-1,P-1\nb.jpg,C-2,P-2\n")
    status, (first, second), said = command("ingest", twins, "--manifest", table)
    assert (status, second["code"], second["line"], second["slides"]) == (3, "manifest", 3, [first["slide"]])
    assert "Line 3" in second["error"]
    assert "line 2 holds" in said
    (slide,) = command("slides")[1]
    assert (slide["case"], slide["patient"]) == ("C-1", "P-1")
    # In another run a line corrects what is known.
    table.write_text("file,case,patient\nb.jpg,C-2,P-2\n")
    assert command("ingest", twins / "b.jpg", "--manifest", table)[0] == 0
    (slide,) = command("slides")[1]
    assert (slide["case"], slide["patient"]) == ("C-2", "P-2")


def test_lines_that_add_to_each_other_are_no_contradiction(command, twins, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("file,case,stain\na.jpg,C-1,\nb.jpg,C-1,HE\n")
    assert command("ingest", twins, "--manifest", table)[0] == 0
    (slide,) = command("slides")[1]
    assert (slide["case"], slide["stain"]) == ("C-1", "HE")


def test_a_bug_in_one_scan_leaves_the_others_alone(command, sample_field, tmp_path, monkeypatch):
    bad = tmp_path / "JANE.jpg"
    shutil.copy(sample_field, bad)
    find = queue.find_scans

    def mistake(paths):
        if "JANE" in str(paths):
            raise ZeroDivisionError(str(paths))
        return find(paths)

    monkeypatch.setattr(queue, "find_scans", mistake)
    status, (first, second), said = command("ingest", bad, sample_field)
    assert (status, first["code"], second["created"]) == (3, "internal", True)
    assert first["error"].startswith(f"a bug in PathServe (ZeroDivisionError at {__name__}:")
    assert f"{bad}: a bug in PathServe" in said
    jobs = command("jobs", "list")[1]
    assert [(job["state"], job["error"] and job["error"]["code"]) for job in jobs] == [
        ("done", None),
        ("failed", "internal"),
    ]
    assert "JANE" not in json.dumps(jobs)


def test_missing_tiles_of_a_scan_without_colour_are_not_called_white(command, tmp_path):
    tile = np.full((64, 64), 900, np.uint16)
    path = tmp_path / "holes.tif"
    tifffile.imwrite(path, iter([tile, None, tile, tile]), shape=(128, 128), dtype="uint16", tile=(64, 64))
    status, (item,), said = command("ingest", path)
    assert (status, item["missing_tiles"]) == (0, 1)
    assert "nothing for 1 of its tiles; they are empty." in said


def test_the_samples_of_the_demo_are_judged(command, settings):
    services = Services.open(settings)
    try:
        _prepare_demo(services)
    finally:
        services.close()
    assert [slide["quality"] is None for slide in command("slides")[1]] == [False, False]


def test_a_name_that_is_no_utf_8_is_told_as_well_as_it_can_be(command, tmp_path, sample_field):
    path = tmp_path / os.fsdecode(b"Pr\xe4parat.jpg")
    shutil.copy(sample_field, path)
    status, (item,), _ = command("ingest", path)
    assert (status, item["file"]) == (0, str(tmp_path / "Pr\N{REPLACEMENT CHARACTER}parat.jpg"))


def test_content_of_another_project_is_refused_unless_a_manifest_moves_it(command, twins, tmp_path):
    assert command("ingest", twins / "a.jpg", "--project", "kidney")[0] == 0
    status, (item,), _ = command("ingest", twins / "a.jpg", "--project", "ovary", "--name", "New")
    assert (status, item["code"]) == (1, "in_other_project")
    table = tmp_path / "table.csv"
    table.write_text("file,project\na.jpg,ovary\n")
    assert command("ingest", twins / "a.jpg", "--manifest", table)[0] == 0
    (slide,) = command("slides")[1]
    assert slide["project"] == "ovary"


def test_a_scan_is_skipped_wherever_it_is_when_no_project_is_asked_for(command, twins):
    assert command("ingest", twins / "a.jpg", "--project", "kidney", "--name", "Left")[0] == 0
    status, (item,), said = command("ingest", twins / "b.jpg", "--name", "Right")
    assert (status, item["created"], item["name"]) == (0, False, "Left")
    assert "keeps its name" in said
    (slide,) = command("slides")[1]
    assert (slide["project"], slide["name"]) == ("kidney", "Left")
