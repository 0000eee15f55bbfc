"""The life of a job in the database, with the processes that run jobs alive, gone, or several at once."""

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from pathserve.db import open_database
from pathserve.errors import Conflict, Invalid, NotFound
from pathserve.jobs import Facts, JobError, Jobs

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def jobs(db, settings):
    return Jobs(db, settings.runners)


@pytest.fixture
def upload(tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(b"scan")
    return path


def test_a_job_waits_in_its_turn_and_shows_no_file_name(jobs, tmp_path):
    first = jobs.enqueue(tmp_path / "DOE^JANE.svs", project="a", keep_source=True, owner="ada")
    second = jobs.enqueue(tmp_path / "x", project="a", label="Upload 3")
    assert (first.state, first.account, first.source) == ("queued", "ada", (tmp_path / "DOE^JANE.svs",))
    assert "JANE" not in first.label
    assert second.label == "Upload 3"
    runner = jobs.runner()
    assert [jobs.claim(runner.id, at_once=5).id for _ in range(2)] == [first.id, second.id]
    assert jobs.claim(runner.id, at_once=5) is None
    assert jobs.find(first.id).state == "running"
    runner.release()


def test_relative_paths_are_kept_as_absolute_ones(jobs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = jobs.enqueue(tmp_path / "a", project="a", files=[tmp_path.relative_to(tmp_path) / "b"])
    assert job.source == (tmp_path / "a", tmp_path / "b")


def test_names_that_break_the_rules_are_refused(jobs, tmp_path):
    for bad in ({"project": ""}, {"project": "a", "name": "\n"}, {"project": "a", "label": "x" * 300}):
        with pytest.raises(Invalid):
            jobs.enqueue(tmp_path, **bad)
    assert jobs.page() == ([], None)


def test_no_more_jobs_than_wanted_run_at_once_whoever_runs_them(jobs, tmp_path):
    for _ in range(3):
        jobs.enqueue(tmp_path, project="a")
    one, other = jobs.runner(), jobs.runner()
    assert jobs.claim(one.id, at_once=2) is not None
    assert jobs.claim(other.id, at_once=2) is not None
    assert jobs.claim(other.id, at_once=2) is None
    one.release()
    other.release()


def test_many_runners_never_take_the_same_job(settings, jobs, tmp_path):
    made = {jobs.enqueue(tmp_path, project="a").id for _ in range(20)}
    taken = []

    def take():
        own = open_database(settings.database)
        mine = Jobs(own, settings.runners)
        runner = mine.runner()
        while (job := mine.claim(runner.id, at_once=100)) is not None:
            taken.append(job.id)
        own.close()
        runner.release()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 20
    assert set(taken) == made


def test_a_reserved_job_is_for_its_runner_alone_and_counts_for_nobody_else(jobs, tmp_path):
    mine, other = jobs.runner(), jobs.runner()
    job = jobs.enqueue(tmp_path, project="a", runner=mine.id)
    assert jobs.claim(other.id, at_once=1) is None
    assert jobs.start(job.id, other.id) is None
    assert jobs.start(job.id, mine.id).state == "running"
    free = jobs.enqueue(tmp_path, project="a")
    assert jobs.claim(other.id, at_once=1).id == free.id
    mine.release()
    other.release()


def test_a_job_whose_runner_was_killed_waits_again_and_one_that_lives_is_left_alone(settings, jobs, tmp_path):
    where = f"Path({str(settings.database)!r})" if settings.database_url is None else repr(settings.database)
    program = f"""
import sys
from pathlib import Path
from pathserve.db import open_database
from pathserve.jobs import Jobs
jobs = Jobs(open_database({where}), Path({str(settings.runners)!r}))
runner = jobs.runner()
print(jobs.claim(runner.id, at_once=9).id, flush=True)
sys.stdin.read()
"""
    job = jobs.enqueue(tmp_path, project="a")
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == job.id
    assert jobs.recover() == 0
    process.kill()
    process.communicate()
    assert jobs.recover() == 1
    again = jobs.find(job.id)
    assert (again.state, again.runner) == ("queued", None)
    assert os.listdir(settings.runners) == []
    runner = jobs.runner()
    assert jobs.claim(runner.id, at_once=1).id == job.id
    runner.release()


def test_a_cancelled_job_whose_runner_died_is_not_taken_up(jobs, tmp_path):
    runner = jobs.runner()
    job = jobs.enqueue(tmp_path, project="a", keep_source=True, runner=runner.id)
    jobs.start(job.id, runner.id)
    jobs.cancel(job.id)
    runner.release()
    assert jobs.recover() == 1
    assert (jobs.find(job.id).state, jobs.find(job.id).source) == ("cancelled", ())


def test_a_new_run_of_the_same_scan_takes_over_what_a_killed_one_left(jobs, tmp_path):
    dead, alive = jobs.runner(), jobs.runner()
    left = jobs.enqueue(tmp_path / "a", project="a", keep_source=True, runner=dead.id)
    jobs.start(left.id, dead.id)
    dead.release()
    jobs.recover()
    assert jobs.enqueue(tmp_path / "b", project="a", keep_source=True, runner=alive.id).id != left.id
    assert jobs.enqueue(tmp_path / "a", project="b", keep_source=True, runner=alive.id).id != left.id
    taken = jobs.enqueue(tmp_path / "a", project="a", keep_source=True, runner=alive.id)
    assert (taken.id, taken.runner) == (left.id, alive.id)
    assert jobs.start(left.id, alive.id) is not None
    alive.release()


@pytest.mark.databases("sqlite")  # the other one cannot overwrite: docs/how-to/postgresql.md
def test_somebody_s_path_is_nowhere_in_the_database_once_its_job_has_ended(settings, jobs, db, tmp_path):
    scans = [tmp_path / f"DOE^JANE {n}.svs" for n in range(4)]
    made = [jobs.enqueue(scan, project="a", keep_source=True) for scan in scans]
    runner = jobs.runner()
    for scan in scans:
        scan.touch()
    assert any(b"JANE" in path.read_bytes() for path in settings.data.glob("pathserve.db*"))
    jobs.end(jobs.claim(runner.id, at_once=9), "done", slides=["s"])
    jobs.end(jobs.claim(runner.id, at_once=9), "failed", error=JobError("corrupt", "It is damaged."))
    jobs.cancel(made[2].id)
    jobs.end(jobs.claim(runner.id, at_once=9), "cancelled")
    for path in settings.data.glob("pathserve.db*"):
        assert b"JANE" not in path.read_bytes()
    assert all(scan.exists() for scan in scans)  # somebody's own files are never touched
    for job in made[1:3]:
        with pytest.raises(Conflict, match="not kept"):
            jobs.retry(job.id)
    runner.release()


def test_uploaded_files_go_when_the_job_ends_well(jobs, upload):
    runner = jobs.runner()
    jobs.enqueue(upload, project="a")
    job = jobs.end(jobs.claim(runner.id, at_once=1), "done", slides=["s1", "s2"])
    assert (job.slides, upload.exists(), jobs.find(job.id).source) == (("s1", "s2"), False, ())
    runner.release()


def test_uploaded_files_stay_for_a_retry_and_go_with_the_job(jobs, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "slide.mrxs").touch()
    runner = jobs.runner()
    jobs.enqueue(folder, project="a")
    jobs.end(jobs.claim(runner.id, at_once=1), "failed", error=JobError("busy", "Not now."))
    (job,), _ = jobs.page(state="failed")
    assert (job.error, job.can_retry) == (JobError("busy", "Not now."), True)
    assert jobs.retry(job.id).state == "queued"
    assert jobs.find(job.id).error is None
    with pytest.raises(Conflict):
        jobs.remove(job.id)
    jobs.cancel(job.id)
    assert folder.exists()
    jobs.remove(job.id)
    assert not folder.exists()
    with pytest.raises(NotFound):
        jobs.find(job.id)
    assert jobs.page() == ([], None)
    runner.release()


def test_uploaded_files_of_a_failed_job_are_deleted_after_a_week(jobs, db, tmp_path):
    paths = [tmp_path / name for name in ("old", "new", "waiting")]
    runner = jobs.runner()
    for path in paths:
        path.touch()
        jobs.enqueue(path, project="a")
    old, new = (jobs.end(jobs.claim(runner.id, at_once=9), "failed", error=JobError("x", "X.")) for _ in range(2))
    week_ago = (datetime.now(UTC) - timedelta(days=7, minutes=1)).isoformat(timespec="milliseconds")
    db.write(lambda tx: tx.run("update job set finished = ? where id = ?", week_ago, old.id))
    jobs.sweep()
    assert [path.exists() for path in paths] == [False, True, True]
    assert (jobs.find(old.id).can_retry, jobs.find(new.id).can_retry) == (False, True)
    runner.release()


def test_cancelling(jobs, tmp_path):
    runner = jobs.runner()
    running = jobs.enqueue(tmp_path, project="a")
    waiting = jobs.enqueue(tmp_path / "b", project="a", runner=runner.id)
    jobs.claim(runner.id, at_once=1)
    assert not jobs.is_cancelled(running.id)
    assert jobs.cancel(running.id).state == "running"
    assert jobs.is_cancelled(running.id)
    assert jobs.cancel(waiting.id).state == "cancelled"
    assert jobs.start(waiting.id, runner.id) is None
    for job, error in ((waiting.id, Conflict), ("nothing", NotFound)):
        with pytest.raises(error):
            jobs.cancel(job)
    runner.release()


def test_facts_come_piece_by_piece(jobs, tmp_path):
    job = jobs.enqueue(tmp_path, project="a")
    jobs.learned(job.id, Facts(bytes=12, content_hash="ab"))
    jobs.learned(job.id, Facts(format="aperio", width=3, height=4, identity={"dropped": ["User"]}))
    jobs.moved(job.id, "building", 5, 9)
    found = jobs.find(job.id)
    assert found.facts == Facts(
        format="aperio", width=3, height=4, bytes=12, content_hash="ab", identity={"dropped": ["User"]}
    )
    assert (found.phase, found.done, found.total) == ("building", 5, 9)


def test_pages_come_youngest_first_by_state_and_project(jobs, tmp_path):
    made = [jobs.enqueue(tmp_path / str(n), project="ab"[n % 2]) for n in range(5)]
    first, after = jobs.page(limit=2)
    rest, end = jobs.page(limit=3, before=after)
    assert [job.id for job in first + rest] == [job.id for job in reversed(made)]
    assert end is None
    assert [job.id for job in jobs.page(projects=["b"])[0]] == [made[3].id, made[1].id]
    jobs.cancel(made[0].id)
    assert [job.id for job in jobs.page(state="cancelled")[0]] == [made[0].id]
    assert jobs.page(projects=[])[0] == []


def test_who_watches_learns_of_every_change_once_and_of_removals(jobs, tmp_path):
    job, other = (jobs.enqueue(tmp_path / name, project="a") for name in "ab")
    start = jobs.last_change()
    jobs.moved(job.id, "building", 1, 2)
    jobs.moved(job.id, "building", 2, 2)
    (seen,) = jobs.changed_since(start, 10)
    assert (seen.id, seen.done, seen.change) == (job.id, 2, jobs.last_change())
    jobs.cancel(other.id)
    jobs.remove(other.id)
    (gone,) = jobs.changed_since(seen.change, 10)
    assert (gone.id, gone.state, gone.label) == (other.id, "removed", "")
    assert jobs.changed_since(gone.change, 10) == []


def test_a_job_that_is_done_is_in_no_phase_and_all_of_it_is_done(jobs, tmp_path):
    runner = jobs.runner()
    jobs.enqueue(tmp_path / "a", project="a", keep_source=True)
    job = jobs.claim(runner.id, at_once=1)
    jobs.moved(job.id, "judging", 0, 1)
    ended = jobs.end(job, "done")
    assert (ended.phase, ended.done, ended.total) == ("", 1, 1)
    jobs.enqueue(tmp_path / "b", project="a", keep_source=True)
    job = jobs.claim(runner.id, at_once=1)
    jobs.moved(job.id, "building", 3, 9)
    failed = jobs.end(job, "failed")
    assert (failed.phase, failed.done, failed.total) == ("building", 3, 9)  # how far it came
    runner.release()


def test_names_that_are_no_utf_8_are_kept_to_the_byte(jobs, tmp_path):
    path = tmp_path / os.fsdecode(b"Pr\xe4parat \xe2\x82\xac \xff.svs")
    job = jobs.enqueue(path, project="a", keep_source=True)
    assert [os.fsencode(one) for one in jobs.find(job.id).source] == [os.fsencode(path)]
