"""Jobs that are run: what becomes of them, by threads and by real processes that are stopped, killed, or several."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.ingest import IngestOptions, ingest_scan, queue
from pathserve.ingest.queue import IngestQueue
from pathserve.ingest.staging import locked_staging
from pathserve.jobs import Jobs
from pathserve.pyramid import Pyramid, verify_pyramid
from pathserve.pyramid.manifest import digest_of


@pytest.fixture
def jobs(db, settings):
    return Jobs(db, settings.runners)


@pytest.fixture
def ingest_queue(settings, catalog, jobs):
    return IngestQueue(settings, catalog, jobs)


@pytest.fixture
def runner(jobs):
    lock = jobs.runner()
    yield lock
    lock.release()


@pytest.fixture
def claimed(jobs, runner):
    """Put a scan into the queue and claim its job."""

    def claim(path, **more):
        jobs.enqueue(path, **{"project": "default", "keep_source": True, **more})
        return jobs.claim(runner.id, at_once=1)

    return claim


@pytest.fixture
def scan(make_tiff):
    return make_tiff([(1900, 1500), (950, 750)], tile=16)  # 119 x 94 tiles: dozens of shards


def staged(settings):
    return [path for path in (settings.slides / ".staging").rglob("*") if path.is_file()]


def shards(settings):
    """Every finished shard on the disk: what is renamed into its place keeps its number."""
    return {p.stat().st_ino for p in settings.slides.rglob("c/**/*") if p.is_file() and p.suffix != ".tmp"}


def test_a_job_that_is_done_tells_what_the_scan_is_and_keeps_no_file(
    ingest_queue, claimed, jobs, catalog, settings, sample_slide, tmp_path
):
    upload = tmp_path / "upload"
    shutil.copy(sample_slide, upload)
    digest = digest_of(upload)
    job = ingest_queue.run(claimed(upload, keep_source=False, project="kidney", name="Case 1"))
    (slide,) = catalog.slides()[0]
    assert (job.state, job.error, job.slides, job.source) == ("done", None, (slide.id,), ())
    assert (slide.name, slide.project, slide.status) == ("Case 1", "kidney", "ready")
    facts = job.facts
    assert (facts.format, facts.width, facts.height, facts.missing_tiles) == ("aperio", 2220, 2967, 0)
    assert (facts.bytes, facts.content_hash) == (digest.size, digest.sha256)
    assert facts.tiles_per_second > 0
    assert facts.identity == catalog.identity_report(slide.id)
    assert facts.identity["kinds"]
    assert catalog.judgements.of([slide.id])[slide.id].summary["tissue_share"] > 0
    assert not upload.exists()
    assert replace(jobs.find(job.id), change=job.change) == job  # that its file is gone was one more change


def test_what_a_job_asks_for_is_done_and_asked_again_by_its_retry(
    ingest_queue, claimed, jobs, settings, runner, sample_field, tmp_path
):
    upload = tmp_path / "upload"
    shutil.copy(sample_field, upload)
    job = claimed(upload, keep_source=False, lossless=True, keep_label=True)
    jobs.cancel(job.id)
    assert ingest_queue.run(job).state == "cancelled"
    jobs.retry(job.id)
    again = jobs.claim(runner.id, at_once=1)
    assert (again.lossless, again.keep_label) == (True, True)
    done = ingest_queue.run(again)
    assert done.state == "done"


def test_a_job_of_which_some_scans_failed_says_so_and_names_no_file(
    ingest_queue, claimed, catalog, sample_field, tmp_path
):
    folder = tmp_path / "DOE JANE"
    folder.mkdir()
    shutil.copy(sample_field, folder / "good.jpg")
    (folder / "JANE 1.svs").write_bytes(b"II*\0" + bytes(100))
    (folder / "JANE 2.svs").write_text("no scan")
    told = []
    job = ingest_queue.run(claimed(folder), failed=lambda scan, error: told.append((scan.main.name, error.message)))
    assert (job.state, job.error.code) == ("failed", "partly")
    assert job.error.message.startswith("2 of 3 scans were not ingested; the first one's reason: ")
    assert "JANE" not in job.error.message
    assert job.slides == tuple(slide.id for slide in catalog.slides()[0])
    assert len(job.slides) == 1
    assert [name for name, _ in told] == ["JANE 1.svs", "JANE 2.svs"]


def test_a_job_that_fails_gives_the_scan_s_own_reason(ingest_queue, claimed, jobs, settings, tmp_path):
    path = tmp_path / "JANE.svs"
    path.write_text("no scan")
    job = ingest_queue.run(claimed(path))
    assert (job.state, job.error.code, job.slides, job.can_retry) == ("failed", "unsupported", (), False)
    assert "JANE" not in job.error.message
    assert staged(settings) == []
    path.unlink()
    assert ingest_queue.run(claimed(path)).error.code == "not_found"
    (tmp_path / "empty").mkdir()
    assert ingest_queue.run(claimed(tmp_path / "empty")).error.code == "not_found"


def test_several_scans_of_one_name_get_numbers(ingest_queue, claimed, catalog, sample_field, make_tiff, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    shutil.copy(sample_field, folder / "a.jpg")
    shutil.move(make_tiff([(300, 200)]), folder / "b.tif")
    job = ingest_queue.run(claimed(folder, name="Liver"))
    assert job.error is None
    assert [slide.name for slide in catalog.slides()[0]] == ["Liver 1", "Liver 2"]
    assert (job.facts.format.split(", ")[0], job.facts.content_hash) == ("jpeg", None)


def test_a_job_cancelled_in_the_middle_leaves_nothing(
    ingest_queue, claimed, jobs, catalog, settings, scan, monkeypatch
):
    monkeypatch.setattr(queue, "_ASK_SECONDS", 0.0)  # the build is shorter than what lies between two looks
    job = claimed(scan)

    def cancel(progress):
        if progress.phase == "building" and progress.done > progress.total / 2 and not jobs.is_cancelled(job.id):
            jobs.cancel(job.id)

    assert ingest_queue.run(job, progress=cancel).state == "cancelled"
    assert catalog.slides() == ([], None)
    assert [path for path in settings.slides.rglob("*") if path.is_file()] == []


def test_a_job_that_is_stopped_waits_and_goes_on_at_the_shard_where_it_was(
    ingest_queue, claimed, jobs, settings, scan, runner
):
    stopped = []

    def half(progress):
        if progress.phase == "building" and progress.done > progress.total / 2:
            stopped.append(progress.done)

    job = ingest_queue.run(claimed(scan), progress=half, stop=lambda: bool(stopped))
    assert (job.state, job.runner, job.source) == ("queued", None, (scan,))
    kept = shards(settings)
    assert len(kept) > 10
    first = []
    job = jobs.claim(runner.id, at_once=1)
    job = ingest_queue.run(job, progress=lambda p: first.append(p.done) if p.phase == "building" else None)
    assert (job.state, job.resumed) == ("done", True)
    assert kept <= shards(settings)  # not one of them was written again
    assert verify_pyramid(settings.slides / f"{job.slides[0]}.zarr") == []


def test_a_job_that_its_person_stopped_is_cancelled_and_can_be_taken_up(ingest_queue, claimed, catalog, settings, scan):
    stopped = []

    def half(progress):
        if progress.phase == "building" and progress.done > progress.total / 2:
            stopped.append(progress.done)

    job = ingest_queue.run(claimed(scan), progress=half, stop=lambda: bool(stopped), put_back=False)
    assert (job.state, job.source) == ("cancelled", ())
    assert len(staged(settings)) > 10
    assert ingest_queue.run(claimed(scan)).resumed


def test_progress_is_written_a_few_times_a_second_and_shown_always(settings, catalog, jobs, claimed, scan, monkeypatch):
    written, shown, now = [], [], [0.0]
    monkeypatch.setattr(jobs, "moved", lambda job, *what: written.append((now[0], *what)))
    monkeypatch.setattr(queue.time, "monotonic", lambda: now[0])

    def look(progress):
        shown.append(progress)
        now[0] += 0.01

    run = queue._Run(jobs, claimed(scan), look, lambda: False, lambda: now[0])
    for done in range(1000):
        run.moved(queue.Progress("building", done, 1000))
    assert len(shown) == 1000
    assert len(written) == 20  # ten seconds, every half
    assert run.tiles == 999
    assert run.tiles / run.seconds == pytest.approx(100)


def test_who_brings_the_same_scan_waits_for_who_was_first(ingest_queue, claimed, jobs, settings, sample_field):
    content = digest_of(sample_field).sha256
    job, ended = claimed(sample_field), []
    with locked_staging(settings.slides, content):
        thread = threading.Thread(target=lambda: ended.append(ingest_queue.run(job)))
        thread.start()
        while jobs.find(job.id).phase != "hashing":
            time.sleep(0.01)
        assert ended == []
    thread.join()
    assert ended[0].state == "done"


def test_waiting_for_the_same_scan_can_be_cancelled(ingest_queue, claimed, jobs, settings, sample_field):
    content = digest_of(sample_field).sha256
    job = claimed(sample_field)
    with locked_staging(settings.slides, content):
        jobs.cancel(job.id)
        assert ingest_queue.run(job).state == "cancelled"


def test_the_loop_costs_one_read_when_there_is_nothing_to_do(settings, catalog, jobs, db, monkeypatch):
    stop, reads, writes = threading.Event(), [], []
    loop = IngestQueue(settings, catalog, jobs)
    waits = []

    def wait(seconds):
        waits.append((len(reads), len(writes)))
        if len(waits) == 4:
            stop.set()
        return stop.is_set()

    read, write = db.read, db.write
    monkeypatch.setattr(db, "read", lambda work: reads.append(1) or read(work))
    monkeypatch.setattr(db, "write", lambda work: writes.append(1) or write(work))
    monkeypatch.setattr(stop, "wait", wait)
    loop.loop(stop)
    assert [later[0] - sooner[0] for sooner, later in pairwise(waits)] == [1, 1, 1]
    assert waits[-1][1] == 0
    assert list(settings.runners.iterdir()) == []


def test_the_loop_survives_a_job_that_ends_by_a_mistake(settings, catalog, jobs, sample_field, monkeypatch, caplog):
    bad = jobs.enqueue(sample_field.parent / "JANE.svs", project="default", keep_source=True)
    good = jobs.enqueue(sample_field, project="default", keep_source=True)
    find = queue.find_scans

    def mistake(paths):
        if "JANE" in str(paths):
            raise ZeroDivisionError(str(paths))
        return find(paths)

    monkeypatch.setattr(queue, "find_scans", mistake)
    run_loop_until(settings, catalog, jobs, good.id)
    assert (jobs.find(bad.id).state, jobs.find(bad.id).error.code) == ("failed", "internal")
    assert jobs.find(good.id).state == "done"
    assert "JANE" not in caplog.text + jobs.find(bad.id).error.message
    assert "ZeroDivisionError" in caplog.text


def run_loop_until(settings, catalog, jobs, job_id):
    stop = threading.Event()
    thread = threading.Thread(target=IngestQueue(settings, catalog, jobs).loop, args=(stop,))
    thread.start()
    while not jobs.find(job_id).ended:
        time.sleep(0.05)
    stop.set()
    thread.join()


def test_the_loop_finishes_a_slide_whose_ingest_ended_after_it_was_shown(settings, catalog, jobs, sample_slide):
    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.phase == "finishing":
            raise Killed

    with pytest.raises(Killed):
        ingest_scan(sample_slide, settings=settings, catalog=catalog, progress=kill)
    (slide,) = catalog.slides()[0]
    assert slide.status == "building"
    IngestQueue(settings, catalog, jobs).finish_slides()
    assert catalog.slide(slide.id).status == "ready"
    assert Pyramid.open(settings.slides / f"{slide.id}.zarr").manifest.missing_levels == ()
    assert staged(settings) == []
    assert slide.id in catalog.judgements.of([slide.id])


def test_half_built_slides_are_swept_after_a_week_and_trash_after_an_hour(
    settings, catalog, jobs, claimed, ingest_queue, scan, monkeypatch
):
    stopped = []
    ingest_queue.run(claimed(scan), progress=lambda p: stopped.append(p.done), stop=lambda: len(stopped) > 40)
    (settings.slides / ".trash" / "x-1").mkdir(parents=True)
    (settings.slides / ".staging" / ("0" * 32 + ".lock")).touch()
    ingest_queue.sweep()
    assert staged(settings)
    assert (settings.slides / ".trash" / "x-1").exists()
    real = time.time
    monkeypatch.setattr("pathserve.ingest.staging.time.time", lambda: real() + 8 * 24 * 3600)
    ingest_queue.sweep()
    assert list((settings.slides / ".staging").iterdir()) == []
    assert list((settings.slides / ".trash").iterdir()) == []


LOOP = """
import sys, threading
from pathlib import Path
from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.ingest.queue import IngestQueue
from pathserve.jobs import Jobs
settings = Settings(data=Path(sys.argv[1]), jobs_at_once=int(sys.argv[2]))
db = open_database(settings.database)
jobs = Jobs(db, settings.runners)
queue, stop = IngestQueue(settings, Catalog(db), jobs), threading.Event()
run = queue.run
def told(job, **more):
    print("began", job.id, flush=True)
    def building(progress):
        if progress.phase == "building" and progress.done > progress.total * 0.5:
            print("half", flush=True)
    ended = run(job, progress=building, **more)
    print("ended", job.id, ended.state, flush=True)
    return ended
queue.run = told
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
queue.loop(stop)
"""


def start_loop(settings, at_once=1):
    return subprocess.Popen(
        [sys.executable, "-c", LOOP, str(settings.data), str(at_once)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(process, word):
    lines = []
    for line in process.stdout:
        lines.append(line.split())
        if lines[-1][0] == word:
            return lines
    raise AssertionError(f"{word} never came: {lines}")


def test_a_server_killed_in_mid_job_is_recovered_and_the_result_is_the_same(settings, catalog, jobs, scan, tmp_path):
    alone = Settings(data=tmp_path / "alone")
    database = open_database(alone.database)
    (made,) = ingest_scan(
        scan, settings=alone, catalog=Catalog(database), options=IngestOptions(), progress=lambda p: None
    )
    database.close()
    job = jobs.enqueue(scan, project="default", keep_source=True)
    process = start_loop(settings)
    wait_for(process, "half")
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert jobs.find(job.id).state == "running"  # nobody has noticed yet
    kept = shards(settings)
    process = start_loop(settings)
    wait_for(process, "ended")
    process.stdin.close()
    assert process.wait(60) == 0
    process.stdout.close()
    ended = jobs.find(job.id)
    assert (ended.state, ended.resumed, ended.source) == ("done", True, ())
    assert kept <= shards(settings)
    assert Pyramid.open(settings.slides / f"{ended.slides[0]}.zarr").manifest.to_bytes() == (
        Pyramid.open(alone.slides / f"{made.slide.id}.zarr").manifest.to_bytes()
    )


def test_two_servers_never_run_one_job(settings, catalog, jobs, make_tiff):
    wanted = {
        jobs.enqueue(make_tiff([(300 + n, 200)], name=f"{n}.tif"), project="default", keep_source=True).id
        for n in range(6)
    }
    processes = [start_loop(settings, 2) for _ in range(2)]
    while not all(jobs.find(job).ended for job in wanted):
        time.sleep(0.1)
    began = []
    for process in processes:
        output, _ = process.communicate()
        began += [line.split()[1] for line in output.splitlines() if line.startswith("began")]
        assert process.returncode == 0
    assert sorted(began) == sorted(wanted)
    assert {jobs.find(job).state for job in wanted} == {"done"}
    assert len(catalog.slides()[0]) == 6


def test_a_server_that_is_told_to_end_puts_its_job_back(settings, jobs, scan):
    job = jobs.enqueue(scan, project="default", keep_source=True)
    process = start_loop(settings)
    wait_for(process, "half")
    process.stdin.close()
    rest = process.stdout.read()
    assert process.wait(60) == 0
    process.stdout.close()
    assert f"ended {job.id} queued" in rest
    assert (jobs.find(job.id).state, jobs.find(job.id).runner) == ("queued", None)
    assert list(settings.runners.iterdir()) == []


def test_a_stopped_child_is_no_damage(settings, jobs, scan, claimed, ingest_queue):
    """A worker killed from outside is a failure that can be tried again, in one safe sentence."""
    seen = []

    def kill(progress):
        if progress.phase == "building" and not seen:
            seen.append(progress)
            for entry in os.listdir("/proc"):
                # Servers that other tests share are children of this process too.
                if entry.isdigit() and f" {os.getpid()} " in _stat(entry) and b"pathserve.worker" in _words(entry):
                    os.kill(int(entry), signal.SIGKILL)

    job = ingest_queue.run(claimed(scan), progress=kill)
    assert (job.state, job.error.code) == ("failed", "busy")
    assert "stopped from outside" in job.error.message


def _words(entry):
    try:
        with open(f"/proc/{entry}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _stat(entry):
    try:
        with open(f"/proc/{entry}/stat") as file:
            state, parent = file.read().rsplit(")", 1)[1].split()[:2]
    except OSError:
        return ""
    return f" {parent} " if state != "Z" else ""
