"""The table of jobs: every step of a job's life is one transaction, so two processes never run one job."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson

from pathserve.db import Database, Transaction, Value, as_int, now, placeholders
from pathserve.errors import Conflict, NotFound
from pathserve.jobs.records import COLUMNS, REMOVED, Facts, Job, JobError, State, make_job_id, source_text, to_job
from pathserve.jobs.runners import RunnerLock, is_alive
from pathserve.labels import clean_name

KEEP_SECONDS = 7 * 24 * 3600
"""How long the files of an upload are kept for a retry after its job failed."""

_TOLD_SECONDS = 24 * 3600  # how long those who were away can still learn that a job was removed


class Jobs:
    """The jobs of a data folder; every method blocks its thread.

    A path can name a patient. That of somebody's own file is in the database only while its job waits or runs, and is
    overwritten in the transaction in which the job ends. Files that were uploaded have opaque paths, which stay until
    the files are deleted, so that the job can be tried again.

    Parameters
    ----------
    runners
        Folder of the runners' locks.
    """

    def __init__(self, db: Database, runners: Path) -> None:
        self._db = db
        self._runners = runners

    def runner(self) -> RunnerLock:
        """Make the sign of life of a process that will run jobs."""
        return RunnerLock(self._runners)

    def enqueue(
        self,
        path: Path,
        *,
        project: str,
        name: str | None = None,
        label: str | None = None,
        keep_source: bool = False,
        owner: str = "",
        files: Sequence[Path] = (),
        recompress: int | None = None,
        lossless: bool = False,
        keep_label: bool = False,
        runner: str | None = None,
    ) -> Job:
        """Put a scan, or a folder of scans, into the queue.

        Parameters
        ----------
        path, files
            The scan, and other files that belong to it.
        label
            What people see of the job; never a file's name. Default: a made-up one.
        keep_source
            Whether the files are somebody's own; else they are deleted with the job, or when it has ended well.
        owner
            The account that asks.
        runner
            The only runner that may run it, as long as that lives. It is given a job of the same files that waits for
            anybody, when there is one.
        """
        project = clean_name(project, "project name")
        name = None if name is None else clean_name(name, "slide name")
        label = None if label is None else clean_name(label, "label")
        how: dict[str, Value] = {"recompress": recompress, "lossless": int(lossless), "keep_label": int(keep_label)}
        source = source_text(tuple(part.absolute() for part in (path, *files)))

        def work(tx: Transaction) -> Job:
            if runner is not None:
                waiting = "select id from job where state = 'queued' and runner is null and source = ? and project = ?"
                row = tx.row(waiting, source, project)
                if row is not None:
                    job_id = str(row[0])
                    _set(tx, job_id, runner=runner, reserved=1, name=name, **how)
                    return _job(tx, job_id)
            job_id, number = make_job_id(), _next(tx, "job")
            shown = label or f"{'Scan' if keep_source else 'Upload'} {number}"
            tx.run(
                "insert into job (id, number, change, kind, state, project, name, label, account, source, keep_source, "
                "recompress, lossless, keep_label, runner, reserved, created) "
                "values (?, ?, ?, 'ingest', 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *(job_id, number, _next(tx, "job change"), project, name, shown, owner, source, int(keep_source)),
                *(*how.values(), runner, int(runner is not None), now()),
            )
            return _job(tx, job_id)

        return self._db.write(work)

    # asking

    def find(self, job_id: str) -> Job:
        """Find one job.

        Raises
        ------
        NotFound
            When there is none of this id.
        """
        return self._db.read(lambda tx: _job(tx, job_id))

    def page(
        self,
        *,
        state: State | None = None,
        projects: Sequence[str] | None = None,
        before: int | None = None,
        limit: int = 1000,
    ) -> tuple[list[Job], int | None]:
        """List jobs, youngest first, and the number before which the next page begins (None at the end).

        Parameters
        ----------
        projects
            Only jobs of these projects; None means all.
        """
        where, values = ["state = ?" if state else "state <> ?"], list[Value]([state or REMOVED])
        if before is not None:
            where.append("number < ?")
            values.append(before)
        if projects is not None:
            where.append(f"project in ({placeholders(len(projects))})")
            values.extend(projects)
        sql = f"select {COLUMNS} from job where {' and '.join(where)} order by number desc limit ?"  # noqa: S608 - placeholders only
        found = [to_job(row) for row in self._db.read(lambda tx: tx.rows(sql, *values, limit + 1))]
        return found[:limit], found[limit - 1].number if len(found) > limit else None

    def changed_since(self, change: int, limit: int) -> list[Job]:
        """List jobs that have changed since then, oldest change first; those that were removed are among them."""
        sql = f"select {COLUMNS} from job where change > ? order by change limit ?"  # noqa: S608 - constants only
        return [to_job(row) for row in self._db.read(lambda tx: tx.rows(sql, change, limit))]

    def last_change(self) -> int:
        """Give the number of the latest change."""
        row = self._db.read(lambda tx: tx.row("select value from counter where name = 'job change'"))
        return 0 if row is None else as_int(row[0])

    # running

    def claim(self, runner: str, *, at_once: int) -> Job | None:
        """Take the oldest job that anybody may run, unless ``at_once`` such jobs run already in all processes."""
        waiting = "select id from job where state = 'queued' and runner is null order by number limit 1"
        if self._db.read(lambda tx: tx.row(waiting)) is None:
            return None  # the usual case costs no write

        def work(tx: Transaction) -> Job | None:
            busy = tx.row("select count(*) from job where state = 'running' and reserved = 0")
            row = tx.row(waiting)
            if row is None or (busy is not None and as_int(busy[0]) >= at_once):
                return None
            return _begin(tx, str(row[0]), runner)

        return self._db.write(work)

    def start(self, job_id: str, runner: str) -> Job | None:
        """Begin a job that waits for this very runner; None when it was cancelled or removed meanwhile."""

        def work(tx: Transaction) -> Job | None:
            if tx.row("select 1 from job where id = ? and state = 'queued' and runner = ?", job_id, runner) is None:
                return None
            return _begin(tx, job_id, runner)

        return self._db.write(work)

    def moved(self, job_id: str, phase: str, done: int, total: int) -> None:
        """Write down how far a running job is."""
        self._db.write(lambda tx: _set(tx, job_id, phase=phase, done=done, total=total))

    def learned(self, job_id: str, facts: Facts) -> None:
        """Write down what has become known of a running job's scan."""
        self._db.write(lambda tx: _set(tx, job_id, **_columns_of(facts)))

    def is_cancelled(self, job_id: str) -> bool:
        """Tell whether somebody has asked a running job to stop."""
        row = self._db.read(lambda tx: tx.row("select cancel from job where id = ?", job_id))
        return row is None or bool(row[0])

    def end(
        self,
        job: Job,
        state: State,
        *,
        slides: Sequence[str] = (),
        facts: Facts | None = None,
        error: JobError | None = None,
        resumed: bool = False,
    ) -> Job:
        """Write down what became of a job, and forget where its files are unless they are uploaded ones."""
        values: dict[str, Value] = {
            "state": state,
            "runner": None,
            "slides": orjson.dumps(list(slides)).decode(),
            "error_code": None if error is None else error.code,
            "error_message": None if error is None else error.message,
            "resumed": int(resumed or job.resumed),
            "finished": now(),
        }
        if job.keep_source:
            values["source"] = None

        def work(tx: Transaction) -> Job:
            if state == "done":  # in no phase any more, and all of it done
                values.update(phase="", done=_job(tx, job.id).total)
            _set(tx, job.id, **values, **({} if facts is None else _columns_of(facts)))
            return _job(tx, job.id)

        ended = self._db.write(work)
        if job.keep_source:
            self._db.overwrite_deleted()
        elif state == "done":
            self._drop_source(ended)
        return replace(ended, source=())

    def put_back(self, job: Job) -> None:
        """Let a job wait again whose runner stops."""
        self._db.write(lambda tx: _wait_again(tx, job.id))

    def recover(self) -> int:
        """Let the jobs wait again whose runner has died; gives how many those are."""
        held = "select distinct runner from job where runner is not null"
        runners = [str(row[0]) for row in self._db.read(lambda tx: tx.rows(held))]
        dead = [runner for runner in runners if not is_alive(self._runners, runner)]
        if not dead:
            return 0

        def work(tx: Transaction) -> int:
            marks = placeholders(len(dead))
            rows = tx.rows(f"select id, cancel from job where runner in ({marks})", *dead)  # noqa: S608 - placeholders only
            for job_id, cancel in rows:
                if cancel:
                    _cancel(tx, _job(tx, str(job_id)))
                else:
                    _wait_again(tx, str(job_id))
            return len(rows)

        return self._db.write(work)

    # deciding

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; one that waits is cancelled at once, one that runs within a second.

        Raises
        ------
        NotFound
            When there is none.
        Conflict
            When it has ended.
        """

        def work(tx: Transaction) -> Job:
            job = _job(tx, job_id)
            if job.ended:
                raise Conflict("This job has ended.", code="job_ended")
            if job.state == "running":
                _set(tx, job_id, cancel=1)
            else:
                _cancel(tx, job)
            return _job(tx, job_id)

        job = self._db.write(work)
        self._db.overwrite_deleted()
        return job

    def retry(self, job_id: str) -> Job:
        """Let a job that failed or was cancelled wait again.

        Raises
        ------
        NotFound
            When there is none.
        Conflict
            When it has not failed, or where its files are is not known any more.
        """

        def work(tx: Transaction) -> Job:
            job = _job(tx, job_id)
            if job.state not in ("failed", "cancelled"):
                raise Conflict("Only a job that failed or was cancelled can be tried again.", code="not_failed")
            if not job.source:
                raise Conflict(
                    "Where this scan lies is not kept after its job has ended; ingest it again from there.",
                    code="source_forgotten",
                )
            _wait_again(tx, job_id)
            return _job(tx, job_id)

        return self._db.write(work)

    def remove(self, job_id: str) -> None:
        """Take a job that has ended off the list, and delete its uploaded files; its slides stay.

        Raises
        ------
        NotFound
            When there is none.
        Conflict
            When it has not ended.
        """

        def work(tx: Transaction) -> Job:
            job = _job(tx, job_id)
            if not job.ended:
                raise Conflict("This job has not ended; cancel it first.", code="job_not_ended")
            return job

        job = self._db.read(work)
        self._drop_source(job)
        blank: dict[str, Value] = {"name": None, "account": "", "identity": None, "content_hash": None, "label": ""}
        self._db.write(lambda tx: _set(tx, job_id, state=REMOVED, finished=now(), **blank))
        self._db.overwrite_deleted()

    def sweep(self) -> None:
        """Delete uploaded files of jobs that ended well or that nobody has tried again for a week."""
        old, told = _ago(KEEP_SECONDS), _ago(_TOLD_SECONDS)
        left = (
            f"select {COLUMNS} from job where source is not null and keep_source = 0 "  # noqa: S608 - constants only
            "and (state = 'done' or (state in ('failed', 'cancelled') and finished < ?))"
        )
        for row in self._db.read(lambda tx: tx.rows(left, old)):
            self._drop_source(to_job(row))
        gone = "from job where state = ? and finished < ?"
        if self._db.read(lambda tx: tx.row(f"select 1 {gone} limit 1", REMOVED, told)) is not None:
            self._db.write(lambda tx: tx.run(f"delete {gone}", REMOVED, told))

    def _drop_source(self, job: Job) -> None:
        """Delete uploaded files, then forget them: killed in between, a later sweep goes on."""
        if not job.source:
            return
        if not job.keep_source:
            for path in job.source:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        self._db.write(lambda tx: _set(tx, job.id, source=None))


def _ago(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds, UTC).isoformat(timespec="milliseconds")


def _next(tx: Transaction, counter: str) -> int:
    sql = "insert into counter values (?, 1) on conflict (name) do update set value = counter.value + 1 returning value"
    row = tx.row(sql, counter)
    return as_int(row[0]) if row else 1


def _job(tx: Transaction, job_id: str) -> Job:
    row = tx.row(f"select {COLUMNS} from job where id = ? and state <> ?", job_id, REMOVED)  # noqa: S608 - constants only
    if row is None:
        raise NotFound("There is no such job.")
    return to_job(row)


def _set(tx: Transaction, job_id: str, **values: Value) -> None:
    """Change columns of a job; who watches learns of it by the number of the change."""
    names = ", ".join(f"{name} = ?" for name in values)
    tx.run(
        f"update job set {names}, change = ? where id = ?",  # noqa: S608 - names of columns, out of this module
        *values.values(),
        _next(tx, "job change"),
        job_id,
    )


def _begin(tx: Transaction, job_id: str, runner: str) -> Job:
    values: dict[str, Value] = {"state": "running", "runner": runner, "phase": "", "done": 0, "total": 0, "cancel": 0}
    _set(tx, job_id, **values, started=now())
    return _job(tx, job_id)


def _wait_again(tx: Transaction, job_id: str) -> None:
    values: dict[str, Value] = {"state": "queued", "runner": None, "reserved": 0, "cancel": 0, "finished": None}
    _set(tx, job_id, **values, error_code=None, error_message=None)


def _cancel(tx: Transaction, job: Job) -> None:
    values: dict[str, Value] = {"state": "cancelled", "runner": None, "finished": now()}
    _set(tx, job.id, **values, **({"source": None} if job.keep_source else {}))


def _columns_of(facts: Facts) -> dict[str, Value]:
    """Give what is known; what is not known yet stays as it is."""
    known: dict[str, Value] = {
        "format": facts.format,
        "width": facts.width,
        "height": facts.height,
        "bytes": facts.bytes,
        "content_hash": facts.content_hash,
        "tiles_per_second": facts.tiles_per_second,
        "missing_tiles": facts.missing_tiles,
        "identity": None if facts.identity is None else orjson.dumps(facts.identity).decode(),
    }
    return {name: value for name, value in known.items() if value is not None}
