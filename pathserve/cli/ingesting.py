"""Ingest from the command line: every scan is a job that this process alone runs, so that admins see it."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from pathserve.catalog import SlideRecord
from pathserve.cli.output import bug, note, readable, say
from pathserve.cli.progress import bar
from pathserve.errors import Cancelled, Conflict, PathServeError
from pathserve.ingest import IngestOptions, IngestOutcome
from pathserve.ingest.manifest_apply import apply_row, contradicts
from pathserve.ingest.manifest_csv import ManifestRow
from pathserve.jobs import Job, JobError, RunnerLock
from pathserve.server.services import Services
from pathserve.slides import Scan
from pathserve.slides.identity import IdentityReport


@dataclass(slots=True)
class ScanResult:
    """What became of one scan.

    Parameters
    ----------
    job
        Id of its job.
    row
        The line of a manifest that speaks of it.
    stopped
        Whether this process was told to end meanwhile.
    """

    scan: Scan
    job: str
    row: ManifestRow | None = None
    outcomes: list[IngestOutcome] = field(default_factory=list)
    error: PathServeError | None = None
    stopped: bool = False

    def made(self, scan: Scan, outcome: IngestOutcome) -> None:
        """Take down a slide that the scan became."""
        del scan
        self.outcomes.append(outcome)

    def refused(self, scan: Scan, error: PathServeError) -> None:
        """Take down why the scan was refused."""
        del scan
        self.error = error

    def keeps_other_name(self, name: str | None) -> bool:
        """Tell whether the scan was in the catalog already, by another name than was asked for."""
        return name is not None and any(not each.created and each.slide.name != name for each in self.outcomes)

    @property
    def word(self) -> str:
        """Say in a word what became of the slides."""
        if any(outcome.resumed for outcome in self.outcomes):
            return "resumed and done"
        return "done" if any(outcome.created for outcome in self.outcomes) else "was there already"

    def item(self) -> dict[str, Any]:
        """Give it as JSON values."""
        line = None if self.row is None else self.row.line
        common = {"file": readable(self.scan.main), "job": self.job, "line": line}
        slides = [outcome.slide for outcome in self.outcomes]
        if self.error is not None:
            failure = {"code": self.error.code, "error": self.error.message}
            return common | {"slide": None, "slides": [slide.id for slide in slides]} | failure
        first = self.outcomes[0]
        return common | {
            "slide": first.slide.id,
            "slides": [slide.id for slide in slides],
            "name": first.slide.name,
            "created": first.created,
            "resumed": any(outcome.resumed for outcome in self.outcomes),
            "status": first.slide.status,
            "format": None if first.info is None else first.info.vendor,
            "width": first.slide.width,
            "height": first.slide.height,
            "missing_tiles": 0 if first.info is None else first.info.missing_tiles,
            "dropped": _dropped(first.identity),
        }


class ScanJobs:
    """Runs scans as jobs, one after the other, with a bar each.

    Parameters
    ----------
    runner
        This process's sign of life.
    stop
        Set when this process shall end: the scan at work is given up then, and can be taken up later.
    """

    def __init__(self, services: Services, runner: RunnerLock, stop: threading.Event) -> None:
        self._services = services
        self._runner = runner
        self._stop = stop
        self._said = dict[str, dict[Path, ManifestRow]]()

    def run(self, scan: Scan, options: IngestOptions, *, row: ManifestRow | None = None, shown: str = "") -> ScanResult:
        """Ingest one scan and put into the catalog what a manifest says of it."""
        jobs, facts = self._services.jobs, None if row is None else row.facts
        job = jobs.enqueue(
            scan.main,
            project=(facts.project if facts is not None else None) or options.project,
            name=(facts.name if facts is not None else None) or options.name,
            keep_source=True,
            recompress=options.recompress,
            lossless=options.lossless,
            keep_label=options.keep_label,
            runner=self._runner.id,
        )
        result = ScanResult(scan, job.id, row)
        started = jobs.start(job.id, self._runner.id)
        if started is None:
            result.error = Cancelled("This job was cancelled before it began.")
            return result
        try:
            with bar(shown) as moved:
                ended = self._services.queue.run(
                    started,
                    progress=lambda at: moved(at.phase, at.done, at.total),
                    stop=self._stop.is_set,
                    put_back=False,
                    scheduler=options.scheduler,
                    # Where a manifest states a project the slide is moved there afterwards.
                    any_project=options.any_project or (facts is not None and facts.project is not None),
                    done=result.made,
                    failed=result.refused,
                )
            self._judge(result, ended)
        except PathServeError as error:  # the database did not take what became of it
            self._give_up(result, started, error)
        except Exception as error:  # noqa: BLE001 - a bug in one scan is no reason to leave out the others
            self._give_up(result, started, PathServeError(f"{bug(error)}.", code="internal"))
        return result

    def _judge(self, result: ScanResult, ended: Job) -> None:
        """Take down how the job has ended; when well, say of its slides what the manifest does."""
        if ended.state == "cancelled":
            result.stopped = self._stop.is_set()
            result.error = Cancelled("The ingest was stopped." if result.stopped else "The ingest was cancelled.")
        elif ended.state == "failed" and result.error is None and ended.error is not None:
            result.error = PathServeError(ended.error.message, code=ended.error.code)
        if result.error is None:
            self._describe(result)

    def _give_up(self, result: ScanResult, job: Job, error: PathServeError) -> None:
        """End a job that failed where no ingest may fail; a database that takes nothing lets it wait for recovery."""
        result.error = error
        with suppress(PathServeError):
            if not self._services.jobs.find(job.id).ended:
                self._services.jobs.end(job, "failed", error=JobError(error.code, error.message))

    def _describe(self, result: ScanResult) -> None:
        """Put what the manifest says into the catalog, and take the slides as they are at the end."""
        catalog = self._services.catalog
        try:
            slides = [catalog.slide(outcome.slide.id) for outcome in result.outcomes]
            if result.row is not None:
                self._require_agreement(result.scan, result.row, slides)
                slides = apply_row(result.row, slides, catalog=catalog, pseudonyms=self._services.pseudonyms)
        except PathServeError as error:
            result.error = error
        else:
            result.outcomes = [
                IngestOutcome(slide, outcome.created, outcome.resumed, outcome.info, outcome.identity)
                for slide, outcome in zip(slides, result.outcomes, strict=True)
            ]

    def _require_agreement(self, scan: Scan, row: ManifestRow, slides: Sequence[SlideRecord]) -> None:
        """See to it that two scans of equal bytes, which are one slide, are not said to be different ones.

        Raises
        ------
        Conflict
            When a line has said something else of the same slide; that line holds.
        """
        for slide in slides:
            for main, earlier in self._said.get(slide.id, {}).items():
                if main != scan.main and contradicts(row, earlier):
                    raise Conflict(
                        f"Line {row.line} of the manifest: this scan has the bytes of that in line {earlier.line}, and "
                        f"something else is said of it there; line {earlier.line} holds.",
                        code="manifest",
                    )
        for slide in slides:
            self._said.setdefault(slide.id, {})[scan.main] = row


@contextmanager
def scan_jobs(services: Services) -> Iterator[tuple[ScanJobs, threading.Event]]:
    """Make ready to run jobs; Ctrl-C and SIGTERM end the scan at work, a second one ends the process."""
    stop, runner = threading.Event(), services.jobs.runner()
    try:
        with _stopped_by_signals(stop):
            yield ScanJobs(services, runner, stop), stop
    finally:
        runner.release()


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    def told(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_result(result: ScanResult, *, quietly: bool) -> None:
    """Tell what became of a scan: a line for each slide on standard output, what went wrong on standard error."""
    if result.error is not None:
        note(f"pathserve: {result.scan.main}: {result.error.message}")
        return
    for outcome in result.outcomes:
        slide, missing = outcome.slide, 0 if outcome.info is None else outcome.info.missing_tiles
        if missing:
            note(f"{result.scan.main}: the scan holds nothing for {missing:,} of its tiles; they are empty.")
        if not quietly:
            say(f"{slide.id}  {slide.name}  {slide.width:,} x {slide.height:,} px  {result.word}")


def _dropped(report: IdentityReport | None) -> dict[str, int]:
    return {} if report is None else dict(report.summary()["kinds"])


def bases_of(paths: list[Path], manifest: Path) -> list[Path]:
    """Give the folders that paths in a manifest may start from: what was named, and where the manifest lies."""
    named = [path if path.is_dir() else path.parent for path in paths]
    return list(dict.fromkeys([*named, manifest.absolute().parent, Path.cwd()]))
