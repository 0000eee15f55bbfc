"""Bringing scans in: ``pathserve ingest`` and ``pathserve watch``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from pathserve.catalog import DEFAULT_PROJECT
from pathserve.cli.ingesting import ScanResult, bases_of, say_result, scan_jobs
from pathserve.cli.options import AsJson, Data, Reserve, Store
from pathserve.cli.output import Exit, note, readable, say_items
from pathserve.cli.pixels import open_services
from pathserve.cli.watching import Arrivals, without
from pathserve.errors import DISK_FULL, Invalid, NotFound, Unsupported
from pathserve.ingest import IngestOptions, find_scans
from pathserve.ingest.manifest_apply import match_rows
from pathserve.ingest.manifest_csv import LineIssue, Manifest, ManifestRow
from pathserve.ingest.manifest_file import read_manifest
from pathserve.slides import Scan

Project = Annotated[
    str | None,
    typer.Option(
        help=f"Project to put the slides into. Default: {DEFAULT_PROJECT}, or the one where the scan is already.",
        show_default=False,
    ),
]
Name = Annotated[str | None, typer.Option(help="The slide's name; only with one scan. Default: a made-up label.")]
Recompress = Annotated[
    int | None, typer.Option(min=1, max=100, help="JPEG quality for scans that must be encoded anew; default 90.")
]
Lossless = Annotated[
    bool, typer.Option("--lossless", help="Store scans in colour that have no JPEG tiles without loss.")
]
KeepLabel = Annotated[
    bool, typer.Option("--keep-label", help="Keep label and macro pictures, apart from the slide, for admins alone.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(help="Build on the Dask cluster of this scheduler: tls://host:port or tcp://127.0.0.1:port."),
]
ManifestFile = Annotated[
    Path | None, typer.Option("--manifest", help="CSV with file, name, case, patient, stain, project of each scan.")
]

_PASSING = (DISK_FULL, "busy", "system", "worker_failed")
"""Codes of what is no fault of a scan: `watch` tries it again."""


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("ingest")(ingest)
    app.command("watch")(watch)


def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Scans, or folders of scans.")],
    project: Project = None,
    name: Name = None,
    manifest: ManifestFile = None,
    recompress: Recompress = None,
    lossless: Lossless = False,
    keep_label: KeepLabel = False,
    scheduler: Scheduler = None,
    reserve: Reserve = None,
    data: Data = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Turn scans into pyramids that can be served; goes on where it was interrupted, skips what is there."""
    options = _options(project, name, recompress, scheduler, lossless=lossless, keep_label=keep_label)
    report = _Report(as_json)
    scans = without(manifest, _find(paths, report))
    if name is not None and len(scans) != 1:
        raise Invalid("--name names one slide; give one scan with it.")
    rows = {} if manifest is None else report.matched(read_manifest(manifest), scans, bases_of(paths, manifest))
    with open_services(data, store, reserve=reserve) as services, scan_jobs(services) as (jobs, stop):
        for number, scan in enumerate(scans, start=1):
            if stop.is_set():
                break
            shown = f"{number}/{len(scans)} {scan.main.name}"
            result = jobs.run(scan, options, row=rows.get(scan.main), shown=shown)
            report.add(result)
            if result.keeps_other_name(options.name):
                note("The slide was there already and keeps its name; rename it in the viewer.")
            if result.error is not None and result.error.code == DISK_FULL:
                break
        report.finish(scans, stopped=stop.is_set())


def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that scans are put into, at any depth.")],
    project: Project = None,
    manifest: ManifestFile = None,
    recompress: Recompress = None,
    lossless: Lossless = False,
    keep_label: KeepLabel = False,
    scheduler: Scheduler = None,
    reserve: Reserve = None,
    interval: Annotated[float, typer.Option(min=0.1, max=86_400, help="Seconds between two looks.")] = 10.0,
    data: Data = None,
    store: Store = None,
) -> None:
    """Ingest what arrives in a folder and has stopped growing, until Ctrl-C or SIGTERM."""
    options = _options(project, None, recompress, scheduler, lossless=lossless, keep_label=keep_label)
    arrivals = Arrivals(folder, manifest)
    with open_services(data, store, reserve=reserve) as services, scan_jobs(services) as (jobs, stop):
        note(f"Watching, every {interval:g} seconds; Ctrl-C ends it.")
        while not stop.is_set():
            for scan, row in arrivals.look():
                if stop.is_set():
                    break
                result = jobs.run(scan, options, row=row, shown=scan.main.name)
                say_result(result, quietly=False)
                if result.error is None or result.error.code not in _PASSING:
                    arrivals.settle(scan)
            stop.wait(interval)


def _options(
    project: str | None,
    name: str | None,
    recompress: int | None,
    scheduler: str | None,
    *,
    lossless: bool,
    keep_label: bool,
) -> IngestOptions:
    wanted, anywhere = project or DEFAULT_PROJECT, project is None
    options = IngestOptions(wanted, name, recompress, lossless, keep_label, scheduler=scheduler, any_project=anywhere)
    return options.checked()


@dataclass(slots=True)
class _Report:
    """What became of each scan and of each line of the manifest, told as it happens or as JSON at the end."""

    as_json: bool
    items: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0
    done: set[Path] = field(default_factory=set)

    def refused(self, path: Path, code: str, message: str) -> None:
        """Name a path that holds no scan, and why."""
        self.failures += 1
        note(f"pathserve: {path}: {message}")
        self.items.append(
            {"file": readable(path), "job": None, "slide": None, "slides": [], "code": code, "error": message}
        )

    def add(self, result: ScanResult) -> None:
        """Tell what a scan became."""
        self.failures += result.error is not None
        self.done.add(result.scan.main)
        say_result(result, quietly=self.as_json)
        self.items.append(result.item())

    def matched(self, table: Manifest, scans: list[Scan], bases: list[Path]) -> Mapping[Path, ManifestRow]:
        """Give the line of each scan; name the lines that belong to no scan, and the scans that have no line."""
        matches = match_rows(table.rows, scans, bases)
        for issue in sorted((*table.issues, *matches.issues), key=lambda issue: issue.line):
            self._bad_line(issue)
        if table.unknown:
            note(f"Nothing is taken from these columns of the manifest: {', '.join(table.unknown)}.")
        for scan in matches.unnamed:
            note(f"{scan.main}: no line of the manifest is of this scan.")
        return matches.rows

    def _bad_line(self, issue: LineIssue) -> None:
        self.failures += 1
        note(f"pathserve: manifest: {issue.message}")
        self.items.append(
            {"file": None, "job": None, "slide": None, "slides": [], "line": issue.line, "code": "manifest"}
            | {"error": issue.message}
        )

    def finish(self, scans: list[Scan], *, stopped: bool) -> None:
        """End with the exit status that fits."""
        left = len([scan for scan in scans if scan.main not in self.done])
        if self.as_json:
            say_items(self.items)
        if stopped:
            note("Stopped; the same command goes on where this one was.")
        elif left:
            note(f"pathserve: {left:,} scans were not tried.")
        if self.failures or left:
            raise typer.Exit(Exit.REFUSED if self.failures == len(self.items) else Exit.PARTLY)


def _find(paths: list[Path], report: _Report) -> list[Scan]:
    """List the scans, each once; what cannot be found is part of the report."""
    scans = dict[Path, Scan]()
    for path in paths:
        try:
            closed = list[Path]()
            found = find_scans([path], unreadable=closed.append)
        except (NotFound, Unsupported) as error:
            report.refused(path, error.code, error.message)
            continue
        for folder in closed:
            report.refused(folder, "system", "This folder cannot be read.")
        if not found and not closed:
            report.refused(path, "not_found", "There is no file in this folder.")
        scans |= {scan.main: scan for scan in found}
    return list(scans.values())
