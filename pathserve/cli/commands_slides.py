"""Commands about slides: ingest, list, remove, verify."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from pathserve.catalog import DEFAULT_PROJECT, SlideRecord
from pathserve.cli.options import AsJson, Data, open_services
from pathserve.cli.output import Exit, note, say, say_items, say_table
from pathserve.cli.progress import ingest_with_bar
from pathserve.errors import Invalid, NotFound, PathServeError
from pathserve.ingest import IngestOptions, IngestOutcome, find_scans, remove_slide
from pathserve.pyramid import verify_pyramid
from pathserve.pyramid.layout import SUFFIX
from pathserve.server.models import SlideModel
from pathserve.server.services import Services
from pathserve.slides import Scan

Project = Annotated[str, typer.Option(help="Project to put the slides into.")]
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


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("ingest")(ingest)
    app.command("slides")(slides)
    app.command("remove")(remove)
    app.command("verify")(verify)


def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Scans, or folders of scans.")],
    project: Project = DEFAULT_PROJECT,
    name: Name = None,
    recompress: Recompress = None,
    lossless: Lossless = False,
    keep_label: KeepLabel = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Turn scans into pyramids that can be served; goes on where it was interrupted, skips what is there."""
    options = IngestOptions(
        project=project, name=name, recompress=recompress, lossless=lossless, keep_label=keep_label
    ).checked()
    report = _IngestReport(as_json)
    scans = _find(paths, report)
    if name is not None and len(scans) != 1:
        raise Invalid("--name names one slide; give one scan with it.")
    with open_services(data) as services:
        for number, scan in enumerate(scans, start=1):
            shown = f"{number}/{len(scans)} {scan.main.name}"
            try:
                outcomes = ingest_with_bar(services, scan, options, shown=shown)
            except PathServeError as error:
                report.failed(scan.main, error.code, error.message)
            except OSError as error:
                report.failed(scan.main, "system", f"{error.strerror or 'The system refused'}.")
            else:
                for outcome in outcomes:
                    report.done(scan.main, outcome)
    report.finish()


@dataclass(slots=True)
class _IngestReport:
    """What became of each scan, told as it happens or as JSON at the end."""

    as_json: bool
    items: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0

    def failed(self, scan: Path, code: str, message: str) -> None:
        """Name a scan that was not ingested, and why."""
        self.failures += 1
        note(f"pathserve: {scan}: {message}")
        self.items.append({"file": str(scan), "slide": None, "code": code, "error": message})

    def done(self, scan: Path, outcome: IngestOutcome) -> None:
        """Tell what a scan became."""
        slide = outcome.slide
        missing = outcome.info.missing_tiles if outcome.info is not None else 0
        self.items.append(
            {
                "file": str(scan),
                "slide": slide.id,
                "name": slide.name,
                "created": outcome.created,
                "missing_tiles": missing,
            }
        )
        if missing:
            note(f"{scan}: the scan holds nothing for {missing:,} of its tiles; they are white.")
        if not self.as_json:
            word = "resumed and done" if outcome.resumed else "done" if outcome.created else "was there already"
            say(f"{slide.id}  {slide.name}  {slide.width:,} x {slide.height:,} px  {word}")

    def finish(self) -> None:
        """End with the exit status that fits."""
        if self.as_json:
            say_items(self.items)
        if self.failures:
            raise typer.Exit(Exit.REFUSED if self.failures == len(self.items) else Exit.PARTLY)


def _find(paths: list[Path], report: _IngestReport) -> list[Scan]:
    """List the scans, each once; what cannot be found is part of the report."""
    scans = dict[Path, Scan]()
    for path in paths:
        try:
            found = find_scans([path])
        except NotFound as error:
            report.failed(path, error.code, error.message)
            continue
        if not found:
            report.failed(path, "not_found", "There is no file in this folder.")
        scans |= {scan.main: scan for scan in found}
    return list(scans.values())


def slides(data: Data = None, as_json: AsJson = False) -> None:
    """List the slides."""
    with open_services(data) as services:
        records = _all_slides(services)
        counts = services.annotations.counts([record.id for record in records])
        judged = services.judgements(records)
    models = [SlideModel.of(record, counts[record.id], judged.get(record.id)) for record in records]
    if as_json:
        say_items([model.model_dump() for model in models])
        return
    rows = [
        (
            m.id,
            m.name,
            m.project,
            f"{m.width:,} x {m.height:,}",
            "" if m.mpp_x is None else f"{m.mpp_x:.4g}{'' if m.mpp_plausible else ' ?'}",
            f"{m.annotations:,}",
        )
        for m in models
    ]
    say_table(("id", "name", "project", "pixels", "um/px", "annotations"), rows, empty="No slides yet.")


def _all_slides(services: Services) -> list[SlideRecord]:
    found, after = services.catalog.slides()
    while after is not None:
        more, after = services.catalog.slides(after=after)
        found += more
    return found


def remove(slide: Annotated[str, typer.Argument(metavar="SLIDE", help="Slide id.")], data: Data = None) -> None:
    """Remove a slide with its pixels and all its annotations."""
    with open_services(data) as services:
        count = services.annotations.counts([slide]).get(slide, 0)
        remove_slide(slide, settings=services.settings, catalog=services.catalog)
    say(f"{slide} is removed, with {count:,} annotations.")


def verify(
    slides: Annotated[list[str] | None, typer.Argument(metavar="[SLIDE]...", help="Slide ids; default all.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Re-read every stored file against its checksum and name what is damaged."""
    items = list[dict[str, Any]]()
    with open_services(data) as services:
        records = [services.catalog.slide(i) for i in slides] if slides else _all_slides(services)
        for record in records:
            damage = _damage(services.settings.slides / (record.id + SUFFIX))
            items.append({"slide": record.id, "ok": not damage, "damage": damage})
            if not as_json:
                say(f"{record.id}  {'damaged' if damage else 'ok'}")
                for place in damage:
                    note(f"pathserve: {record.id}: {place['path']}: {place['message']}")
    if as_json:
        say_items(items)
    elif not items:
        say("No slides yet.")
    damaged = sum(not item["ok"] for item in items)
    if damaged:
        raise typer.Exit(Exit.REFUSED if damaged == len(items) else Exit.PARTLY)


def _damage(folder: Path) -> list[dict[str, str]]:
    try:
        return [{"path": found.path, "message": found.message} for found in verify_pyramid(folder)]
    except NotFound:
        return [{"path": ".", "message": "The slide's folder is missing."}]
    except PathServeError as error:
        return [{"path": ".", "message": error.message}]
