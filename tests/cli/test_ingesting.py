"""Bringing scans in from the command line: jobs, manifests, signals, a folder that fills."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from pathserve.config import parse_bytes
from pathserve.db import open_database
from pathserve.errors import Invalid
from pathserve.jobs import Jobs


@pytest.fixture
def start(data):
    """Start a command that runs on, as a shell would."""
    started = []

    def run(*words):
        process = subprocess.Popen(
            [sys.executable, "-m", "pathserve", *map(str, words)],
            env={**os.environ, "PATHSERVE_DATA": str(data)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    return folder


def jobs_of(run):
    return json.loads(run("jobs", "list", "--json").stdout)["items"]


def test_a_manifest_says_what_each_scan_is(run, scans, sample_slide, sample_field, data):
    shutil.copy(sample_slide, scans / "JANE 1.svs")
    shutil.copy(sample_field, scans / "JANE 2.jpg")
    table = scans / "table.csv"
    table.write_text(
        "file;name;case;patient;stain;project;original_patient;remark\n"
        "JANE 1.svs;Kidney 1;C-1;P-1;HE;kidney;Jane Doe;x\n"
        "JANE 3.svs;Kidney 3;C-1;P-1;HE;kidney;Jane Doe;\n"
        "JANE 4.svs;Kidney 4;C-1;Doe^Jane;HE;kidney;;\n"
    )
    done = run("ingest", scans, "--manifest", table, "--json")
    items = json.loads(done.stdout)["items"]
    assert done.returncode == 3
    assert {item["line"]: item["error"].partition(":")[0] for item in items if item.get("code") == "manifest"} == {
        3: "Line 3",
        4: "Line 4",
    }
    kidney, field = [item for item in items if item["slide"] is not None]
    assert (kidney["line"], kidney["name"], kidney["format"], kidney["status"]) == (2, "Kidney 1", "aperio", "ready")
    assert kidney["slides"] == [kidney["slide"]]
    assert kidney["dropped"]["date"] > 0
    assert (field["line"], field["name"], field["created"]) == (None, "Slide 2", True)
    assert "no line of the manifest" in done.stderr
    assert "remark" in done.stderr
    listed = {slide["id"]: slide for slide in json.loads(run("slides", "--json").stdout)["items"]}
    slide = listed[kidney["slide"]]
    assert (slide["project"], slide["case"], slide["patient"], slide["stain"]) == ("kidney", "C-1", "P-1", "HE")
    found = json.loads(run("pseudonyms", "list", "jane", "--json").stdout)["items"]
    assert [(item["kind"], item["original"], item["slides"]) for item in found] == [
        ("patient", "Jane Doe", [kidney["slide"]])
    ]
    for path in data.rglob("*"):
        if path.is_file() and path.name != "pseudonyms.db" and not path.name.startswith("pseudonyms.db-"):
            assert b"JANE" not in path.read_bytes(), path
    # Again, with another name: nothing is ingested, and the slide of the project is called so.
    table.write_text("file,name\nJANE 1.svs,Other\n")
    again = run("ingest", scans / "JANE 1.svs", "--project", "kidney", "--manifest", table, "--json")
    (item,) = json.loads(again.stdout)["items"]
    assert (again.returncode, item["created"], item["name"]) == (0, False, "Other")


def test_what_ingest_does_is_a_job_that_keeps_no_path(run, sample_field, tmp_path, data):
    bad = tmp_path / "JANE.svs"
    bad.write_text("no scan")
    assert run("ingest", sample_field, bad, "--lossless").returncode == 3
    failed, done = sorted(jobs_of(run), key=lambda job: job["state"], reverse=True)
    assert (done["state"], done["format"], len(done["slides"])) == ("done", "jpeg", 1)
    assert (failed["state"], failed["error"]["code"], failed["can_retry"]) == ("failed", "unsupported", False)
    assert "JANE" not in run("jobs", "list").stdout
    assert all(b"JANE" not in path.read_bytes() for path in data.glob("pathserve.db*"))
    assert run("jobs", "retry", failed["id"]).returncode == 1
    assert run("jobs", "cancel", done["id"]).returncode == 1
    assert run("jobs", "remove", failed["id"]).returncode == 0
    assert [job["id"] for job in jobs_of(run)] == [done["id"]]


@pytest.fixture
def large(make_tiff):
    return make_tiff([(4800, 4800)], tile=16)


def wait_for_job(data, wanted):
    """Wait until a job is as wanted; gives its id."""
    while not (data / "pathserve.db").exists():
        time.sleep(0.05)
    db = open_database(data / "pathserve.db")
    try:
        while True:
            for job in Jobs(db, data / "runners").page()[0]:
                if wanted(job):
                    return job.id
            time.sleep(0.05)
    finally:
        db.close()


def is_building(job):
    return job.state == "running" and job.phase == "building"


def test_a_job_of_the_command_line_can_be_cancelled_by_others(run, start, large, data):
    process = start("ingest", large)
    job = wait_for_job(data, is_building)
    assert run("jobs", "cancel", job).returncode == 0
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, "cancelled" in errors, "Traceback" in errors) == (1, True, False)
    assert [path for path in (data / "slides").rglob("*") if path.is_file()] == []
    assert jobs_of(run)[0]["state"] == "cancelled"


def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(run, start, large, data, sample_field):
    process = start("ingest", large, sample_field)
    wait_for_job(data, lambda job: is_building(job) and job.done > 0)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "goes on where this one was" in errors
    assert "Traceback" not in errors
    (job,) = jobs_of(run)  # the second scan was not begun
    assert job["state"] == "cancelled"
    assert list((data / "runners").iterdir()) == []
    again = run("ingest", large, "--json")
    (item,) = json.loads(again.stdout)["items"]
    assert (item["created"], item["resumed"]) == (True, True)


def test_a_command_that_was_killed_leaves_a_job_that_waits(run, start, large, data):
    process = start("ingest", large)
    wait_for_job(data, is_building)
    process.kill()
    process.communicate()
    (job,) = jobs_of(run)
    assert (job["state"], job["error"]) == ("queued", None)
    again = json.loads(run("ingest", large, "--json").stdout)["items"][0]
    assert (again["job"], again["created"]) == (job["id"], True)  # the same job, taken up
    assert [(job["state"], job["slides"]) for job in jobs_of(run)] == [("done", again["slides"])]


def test_a_reserve_that_would_be_broken_is_refused(run, sample_field, data):
    done = run("ingest", sample_field, "--reserve", "1000TB", "--json")
    (item,) = json.loads(done.stdout)["items"]
    assert (done.returncode, item["code"]) == (1, "disk_full")
    assert "kept free" in done.stderr
    assert [path for path in (data / "slides").rglob("*") if path.is_file()] == []
    assert run("ingest", sample_field, "--reserve", "much").returncode == 1


@pytest.mark.parametrize(
    ("text", "size"),
    [("500", 500), ("10GB", 10 * 1000**3), ("10 GiB", 10 * 1024**3), ("1.5k", 1500), ("2TiB", 2 * 1024**4), ("7B", 7)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "1PB", "1e9", "10 GB free", "1" * 20])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(Invalid):
        parse_bytes(text)


def test_watch_ingests_what_arrives_once_and_ends_on_sigterm(run, start, scans, sample_slide, sample_field, data):
    shutil.copy(sample_field, scans / "first.jpg")
    (scans / "bad.svs").write_text("no scan")
    process = start("watch", scans, "--interval", "0.3", "--project", "inbox")
    wait_for_job(data, lambda job: job.state == "failed")
    wait_for_job(data, lambda job: job.state == "done")
    shutil.copy(sample_slide, scans / "second.svs")
    wait_for_job(data, lambda job: job.state == "done" and job.facts.format == "aperio")
    shutil.copy(sample_slide, scans / "copy.svs")
    wait_for_job(data, lambda job: job.state == "done" and job.facts.format is None)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    lines = output.splitlines()
    assert [line.split("  ")[-1] for line in lines] == ["done", "done", "was there already"]
    assert errors.count("bad.svs") == 1  # not tried again
    assert "Traceback" not in errors
    slides = json.loads(run("slides", "--json").stdout)["items"]
    assert [slide["project"] for slide in slides] == ["inbox", "inbox"]
    assert list((data / "runners").iterdir()) == []


def test_watch_of_no_folder_is_refused(run, tmp_path):
    assert run("watch", tmp_path / "nothing", "--interval", "0.1").returncode == 1


def test_quality_is_told_of_every_slide(run, sample_slide):
    run("ingest", sample_slide)
    (item,) = json.loads(run("quality", "--json").stdout)["items"]
    assert 0.1 < item["quality"]["tissue_share"] < 0.9
    assert item["slide"] in run("quality").stdout
    assert run("quality", "nothing").returncode == 1


def test_kept_pictures_are_verified(run, sample_slide, data):
    run("ingest", sample_slide, "--keep-label")
    assert run("verify").returncode == 0
    (picture,) = (data / "labels").rglob("label.jpg")
    picture.write_bytes(picture.read_bytes()[:100])
    done = run("verify", "--json")
    (item,) = json.loads(done.stdout)["items"]
    assert (done.returncode, item["ok"], [place["path"] for place in item["damage"]]) == (1, False, ["label"])
