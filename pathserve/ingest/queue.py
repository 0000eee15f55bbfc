"""Running ingest jobs: the server's own thread, and the command line for the jobs that it reserves for itself."""

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.errors import DISK_FULL, Busy, Cancelled, NotFound, PathServeError
from pathserve.ingest.find import find_scans
from pathserve.ingest.ingest import IngestOptions, IngestOutcome, Progress, finish_slide, ingest_scan
from pathserve.ingest.process import never
from pathserve.ingest.quality import judge_at_ingest
from pathserve.ingest.staging import sweep_staging, sweep_trash
from pathserve.jobs import Facts, Job, JobError, Jobs
from pathserve.pyramid.stores import open_slides
from pathserve.slides import Scan
from pathserve.slides.identity import IdentityReport

_LOG = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
"""How often a loop without work asks for some; that costs one read of the database."""

_RECOVER_SECONDS = 10.0
_FINISH_SECONDS = 60.0
_SWEEP_SECONDS = 3600.0
_WRITE_SECONDS = 0.5
_ASK_SECONDS = 0.5
_FULL = {errno.ENOSPC, errno.EDQUOT}

Done = Callable[[Scan, IngestOutcome], None]
Failed = Callable[[Scan, PathServeError], None]


class _Stopped(Busy):
    """The process shall end; what was built stays, so that the job can go on."""


def _ignore(*_: object) -> None:
    """Take news that nobody asked for."""


class IngestQueue:
    """Runs jobs; every method blocks its thread. Several threads and processes may run one each.

    Parameters
    ----------
    sweeps
        What else is cleaned up once an hour, such as old uploads.
    """

    def __init__(
        self, settings: Settings, catalog: Catalog, jobs: Jobs, *, sweeps: Sequence[Callable[[], object]] = ()
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._jobs = jobs
        self._sweeps = (jobs.sweep, self._sweep_slides, *sweeps)
        self._unfinishable = set[str]()

    def run(
        self,
        job: Job,
        *,
        progress: Callable[[Progress], None] = _ignore,
        stop: Callable[[], bool] = never,
        put_back: bool = True,
        scheduler: str | None = None,
        any_project: bool = False,
        done: Done = _ignore,
        failed: Failed = _ignore,
    ) -> Job:
        """Ingest every scan of a job that was claimed or started, and write down what became of it.

        Parameters
        ----------
        stop
            Asked several times a second: whether this process shall end.
        put_back
            Whether a job that was stopped so waits again; else it is cancelled, and what was built stays for a week.
        scheduler
            Address of the Dask scheduler whose workers build; None: this machine does.
        any_project
            As of :class:`IngestOptions`.
        done, failed
            Told of each slide and of each scan that was refused.

        Returns
        -------
        The job as it stands then. One of whose scans some failed has failed, and names the slides that it made.
        """
        run = _Run(self._jobs, job, progress, stop)
        told = _Tally(done, failed)
        try:
            scans = find_scans(job.source)
            if not scans:
                raise NotFound("There is no scan in what was given.")
            told.scans = len(scans)
            self._jobs.learned(job.id, Facts(bytes=_size(scans)))
            for number, scan in enumerate(scans, start=1):
                options = replace(_options(job, number if len(scans) > 1 else None), scheduler=scheduler)
                options = replace(options, any_project=any_project)
                self._ingest(run, scan, options, told)
        except _Stopped:
            if put_back:
                self._jobs.put_back(job)
                return self._jobs.find(job.id)
            return self._jobs.end(job, "cancelled", slides=told.slides)
        except Cancelled:
            return self._jobs.end(job, "cancelled", slides=told.slides, facts=told.facts(run), resumed=told.resumed)
        except PathServeError as error:
            told.errors.append(error)
        return self._jobs.end(
            job,
            "failed" if told.errors else "done",
            slides=told.slides,
            facts=told.facts(run),
            error=told.error(),
            resumed=told.resumed,
        )

    def _ingest(self, run: "_Run", scan: Scan, options: IngestOptions, told: "_Tally") -> None:
        """Ingest one scan of a job; one that is refused does not keep the others from coming in.

        Raises
        ------
        Cancelled
            When somebody has cancelled the job.
        Busy
            When the process shall stop, or the disk is full: nothing more can come in then.
        """
        try:
            outcomes = ingest_scan(
                scan,
                settings=self._settings,
                catalog=self._catalog,
                options=options,
                progress=run.moved,
                cancelled=run.cancelled,
                held=run.wait,
            )
            told.made(scan, outcomes)
            self._jobs.learned(run.job.id, told.facts(run))
            for outcome in outcomes:
                if outcome.created or outcome.resumed:
                    run.moved(Progress("judging", 0, 1))
                    judge_at_ingest(outcome.slide.id, settings=self._settings, catalog=self._catalog)
        except (_Stopped, Cancelled):
            raise
        except PathServeError as error:
            told.refused(scan, error)
        except OSError as error:
            told.refused(scan, _system_error(error))
        if told.errors and told.errors[-1].code == DISK_FULL:
            raise told.errors.pop()

    # the server's thread

    def loop(self, stop: threading.Event) -> None:
        """Run waiting jobs until ``stop`` is set, and clean up; jobs that run by then are put back."""
        runner = self._jobs.runner()
        at_once = max(1, self._settings.jobs_at_once)
        chores = (
            _Chore(self._recover, _RECOVER_SECONDS),
            _Chore(lambda: self.finish_slides(stop.is_set), _FINISH_SECONDS),
            _Chore(self.sweep, _SWEEP_SECONDS),
        )
        try:
            with ThreadPoolExecutor(at_once, thread_name_prefix="ingest") as pool:
                running = set[Future[None]]()
                while not stop.is_set():
                    running = {future for future in running if not future.done()}
                    for chore in chores:
                        _guarded(chore.do_when_due)
                    job = self._claim(runner.id) if len(running) < at_once else None
                    if job is None:
                        stop.wait(IDLE_SECONDS)
                    else:
                        running.add(pool.submit(self._run_guarded, job, stop.is_set))
        finally:
            runner.release()

    def finish_slides(self, stop: Callable[[], bool] = never) -> None:
        """Build what slides still lack whose ingest was killed after they were shown; others' work is left alone."""
        for slide in self._catalog.unfinished():
            if stop() or slide.id in self._unfinishable:
                continue
            try:
                finish_slide(
                    slide.id,
                    settings=self._settings,
                    catalog=self._catalog,
                    progress=_ignore,
                    cancelled=_raises_when(stop),
                    workers=os.cpu_count() or 1,
                )
                judge_at_ingest(slide.id, settings=self._settings, catalog=self._catalog)
            except Busy:
                continue  # somebody is at it, or the disk is full: it is looked at again
            except PathServeError as error:
                self._unfinishable.add(slide.id)
                _LOG.warning("a slide could not be finished: %s", error.code)

    def sweep(self) -> None:
        """Delete what nobody needs any more: old uploads, old half-built slides, what removals have left."""
        for sweep in self._sweeps:
            _guarded(sweep)

    def _sweep_slides(self) -> None:
        published = open_slides(self._settings)

        def is_listed(slide: str) -> bool:
            return self._catalog.find_slide(slide) is not None

        sweep_staging(self._settings.slides, published=published, is_listed=is_listed)
        published.sweep(is_listed)
        sweep_trash(self._settings.slides)

    def _recover(self) -> None:
        count = self._jobs.recover()
        if count:
            _LOG.info("%d jobs of processes that ended wait again", count)

    def _claim(self, runner: str) -> Job | None:
        try:
            return self._jobs.claim(runner, at_once=max(1, self._settings.jobs_at_once))
        except PathServeError as error:
            _LOG.warning("no job could be claimed: %s", error.code)
            return None

    def _run_guarded(self, job: Job, stop: Callable[[], bool]) -> None:
        """Run a job; a mistake of PathServe ends the job, never the thread."""
        try:
            self.run(job, stop=stop)
        except PathServeError as error:  # the database did not take what became of it
            self._end(job, JobError(error.code, error.message), stop)
        except Exception as error:  # noqa: BLE001 - the thread's last place: a bug in one job is no reason to run none
            _LOG.error("a job ended by a mistake: %s", _place(error))
            sorry = "This job ended by a mistake in PathServe; the server's log says where."
            self._end(job, JobError("internal", sorry), stop)

    def _end(self, job: Job, error: JobError, stop: Callable[[], bool]) -> None:
        """End a job that failed as soon as the database can be written; if the process ends first, it waits again."""
        while not stop():
            try:
                self._jobs.end(job, "failed", error=error)
            except PathServeError:
                time.sleep(IDLE_SECONDS)
            else:
                return


@dataclass(slots=True)
class _Run:
    """One job while it runs: whether it shall go on, how far it is, how fast."""

    jobs: Jobs
    job: Job
    shown: Callable[[Progress], None]
    stop: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    _phase: str = ""
    _asked: float = 0.0
    _written: float = 0.0
    _first: tuple[float, int] | None = None
    tiles: int = 0
    seconds: float = 0.0

    def cancelled(self) -> bool:
        """Tell whether somebody has cancelled the job.

        Raises
        ------
        _Stopped
            When the process shall end.
        """
        if self.stop():
            raise _Stopped("The process that ran this job was stopped; the job waits again.")
        now = self.clock()
        if now - self._asked < _ASK_SECONDS:
            return False
        self._asked = now
        return self.jobs.is_cancelled(self.job.id)

    def wait(self) -> None:
        """Wait a moment while somebody else ingests the same scan."""
        time.sleep(_ASK_SECONDS)
        if self.cancelled():
            raise Cancelled("The ingest was cancelled.")

    def moved(self, progress: Progress) -> None:
        """Take note of progress: at once to who looks on, a few times a second to the database."""
        self.shown(progress)
        if self.cancelled():
            raise Cancelled("The ingest was cancelled.")
        now = self.clock()
        self._measure(progress, now)
        if progress.phase != self._phase or now - self._written >= _WRITE_SECONDS:
            self._phase, self._written = progress.phase, now
            self.jobs.moved(self.job.id, progress.phase, progress.done, progress.total)

    def _measure(self, progress: Progress, now: float) -> None:
        """Count tiles from the first news of a build on: what an earlier run had built is in there."""
        if progress.phase not in ("building", "finishing"):
            self._first = None
        elif self._first is None or progress.done < self._first[1]:
            self._first = (now, progress.done)
        else:
            began, before = self._first
            self.tiles, self.seconds = self.tiles + progress.done - before, self.seconds + now - began
            self._first = (now, progress.done)


@dataclass(slots=True)
class _Tally:
    """What has become of a job's scans."""

    done: Done
    failed: Failed
    scans: int = 1
    slides: list[str] = field(default_factory=list)
    errors: list[PathServeError] = field(default_factory=list)
    resumed: bool = False
    _firsts: list[IngestOutcome] = field(default_factory=list)

    def made(self, scan: Scan, outcomes: Sequence[IngestOutcome]) -> None:
        self._firsts.append(outcomes[0])
        for outcome in outcomes:
            self.slides.append(outcome.slide.id)
            self.resumed = self.resumed or outcome.resumed
            self.done(scan, outcome)

    def refused(self, scan: Scan, error: PathServeError) -> None:
        self.errors.append(error)
        self.failed(scan, error)

    def error(self) -> JobError | None:
        """Say in one sentence what went wrong; None when nothing did."""
        if not self.errors:
            return None
        first, count = self.errors[0], len(self.errors)
        if self.scans == 1:
            return JobError(first.code, first.message)
        which = f"{count} of {self.scans} scans were not ingested" if self.slides else f"None of {self.scans} scans was"
        code = "partly" if self.slides and first.code != DISK_FULL else first.code
        return JobError(code, f"{which}; the first one's reason: {first.message}")

    def facts(self, run: _Run) -> Facts:
        """Give what is known by now; the picture's facts are those of the first slide."""
        if not self._firsts:
            return Facts()
        first = self._firsts[0]
        infos = [outcome.info for outcome in self._firsts if outcome.info is not None]
        reports = [outcome.identity for outcome in self._firsts if outcome.identity is not None]
        formats = list(dict.fromkeys(info.vendor for info in infos))
        return Facts(
            format=", ".join(formats) or None,
            width=first.slide.width,
            height=first.slide.height,
            content_hash=first.slide.content_hash if self.scans == 1 else None,
            tiles_per_second=round(run.tiles / run.seconds, 1) if run.tiles and run.seconds > 0 else None,
            missing_tiles=sum(info.missing_tiles for info in infos) if infos else None,
            identity=_joined(reports).summary() if reports else None,
        )


@dataclass(slots=True)
class _Chore:
    """Something that is done now and then, first at once."""

    work: Callable[[], None]
    every: float
    clock: Callable[[], float] = time.monotonic
    _next: float = 0.0

    def do_when_due(self) -> None:
        if self.clock() >= self._next:
            self._next = self.clock() + self.every
            self.work()


def _options(job: Job, number: int | None) -> IngestOptions:
    """Give the options of a scan; one of several gets its number behind the name."""
    name = job.name if job.name is None or number is None else f"{job.name} {number}"
    options = IngestOptions(project=job.project, name=name, recompress=job.recompress)
    return replace(options, lossless=job.lossless, keep_label=job.keep_label, workers=os.cpu_count() or 1)


def _size(scans: Sequence[Scan]) -> int:
    total = 0
    for scan in scans:
        for path in scan.files:
            total += path.stat().st_size if path.exists() else 0
    return total


def _joined(reports: Sequence[IdentityReport]) -> IdentityReport:
    return IdentityReport(
        tuple(finding for report in reports for finding in report.findings),
        sum(report.more for report in reports),
        tuple(dict.fromkeys(place for report in reports for place in report.incomplete)),
    )


def _raises_when(stop: Callable[[], bool]) -> Callable[[], bool]:
    def asked() -> bool:
        if stop():
            raise _Stopped("The process that built this slide was stopped.")
        return False

    return asked


def _system_error(error: OSError) -> Busy:
    """Say what the system refused, without the path that it would name."""
    if error.errno in _FULL:
        return Busy("The disk is full.", code=DISK_FULL)
    return Busy(f"{error.strerror or 'The system refused'}.", code="system")


def _guarded(work: Callable[[], object]) -> None:
    """Do something that is tried again later when it fails."""
    try:
        work()
    except PathServeError as error:
        _LOG.warning("a step of the queue failed: %s", error.code)
    except OSError as error:
        _LOG.warning("a step of the queue failed: %s", error.strerror)


def _place(error: BaseException) -> str:
    """Name a mistake by its class and line; its text can hold a path."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else "an unknown place"
    return f"{type(error).__name__} at {where}"
