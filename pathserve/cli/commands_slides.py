"""Commands about slides: ingest, inspect, list, remove, verify."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from pathserve.catalog import DEFAULT_PROJECT, SlideRecord
from pathserve.cli.options import AsJson, Data, open_services
from pathserve.cli.output import Exit, note, say, say_items, say_json, say_table
from pathserve.cli.progress import ingest_with_bar
from pathserve.errors import Invalid, NotFound, PathServeError
from pathserve.ingest import IngestOutcome, find_scans, inspect_scan, remove_slide
from pathserve.pixels import SlideInfo
from pathserve.pyramid import verify_pyramid
from pathserve.pyramid.layout import SUFFIX
from pathserve.server.models import SlideModel
from pathserve.server.services import Services

Project = Annotated[str, typer.Option(help="Project to put the slides into.")]
Name = Annotated[str | None, typer.Option(help="The slide's name; only with one scan. Default: a made-up label.")]
Recompress = Annotated[
    int | None, typer.Option(min=1, max=100, help="JPEG quality for scans that must be encoded anew; default 90.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("ingest")(ingest)
    app.command("inspect")(inspect)
    app.command("slides")(slides)
    app.command("remove")(remove)
    app.command("verify")(verify)


def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Scans, or folders of scans.")],
    project: Project = DEFAULT_PROJECT,
    name: Name = None,
    recompress: Recompress = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Turn scans into pyramids that can be served; goes on where it was interrupted, skips what is there."""
    report = _IngestReport(as_json)
    scans = _find(paths, report)
    if name is not None and len(scans) != 1:
        raise Invalid("--name names one slide; give one scan with it.")
    with open_services(data) as services:
        for number, scan in enumerate(scans, start=1):
            shown = f"{number}/{len(scans)} {scan.name}"
            try:
                outcome = ingest_with_bar(
                    services, scan, project=project, name=name, recompress=recompress, shown=shown
                )
            except PathServeError as error:
                report.failed(scan, error.code, error.message)
            except OSError as error:
                report.failed(scan, "system", f"{error.strerror or 'The system refused'}.")
            else:
                report.done(scan, outcome)
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


def _find(paths: list[Path], report: _IngestReport) -> list[Path]:
    """List the scans, each once; what cannot be found is part of the report."""
    scans = dict[Path, None]()
    for path in paths:
        try:
            found = find_scans([path])
        except NotFound as error:
            report.failed(path, error.code, error.message)
            continue
        if not found:
            report.failed(path, "not_found", "There is no file in this folder.")
        scans |= dict.fromkeys(found)
    return list(scans)


def inspect(scan: Annotated[Path, typer.Argument(metavar="FILE")], as_json: AsJson = False) -> None:
    """Say what a scan is, without ingesting it."""
    info = inspect_scan(scan)
    facts = _facts(info)
    if as_json:
        say_json(facts)
        return
    width = max(map(len, facts))
    for key, value in facts.items():
        say(f"{key.replace('_', ' '):{width}}  {_shown(value)}")


def _facts(info: SlideInfo) -> dict[str, Any]:
    return {
        "vendor": info.vendor,
        "width": info.size.width,
        "height": info.size.height,
        "mpp_x": None if info.mpp is None else info.mpp.x,
        "mpp_y": None if info.mpp is None else info.mpp.y,
        "mpp_plausible": info.mpp_plausible,
        "objective_power": info.objective_power,
        "codec": info.codec,
        "levels": [
            {
                "width": level.size.width,
                "height": level.size.height,
                "downsample": level.downsample,
                "tile": None if level.tile is None else [level.tile.width, level.tile.height],
                "encoding": level.encoding,
            }
            for level in info.levels
        ],
        "channels": [channel.name for channel in info.channels],
        "planes": info.planes,
        "missing_tiles": info.missing_tiles,
        "icc_profile": info.icc_profile is not None,
        "associated": list(info.associated),
        "not_kept": list(info.dropped_metadata),
    }


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value is None:
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            return ", ".join(f"{level['width']} x {level['height']}" for level in value)
        return ", ".join(map(str, value)) or "none"
    return str(value)


def slides(data: Data = None, as_json: AsJson = False) -> None:
    """List the slides."""
    with open_services(data) as services:
        records = _all_slides(services)
        counts = services.annotations.counts([record.id for record in records])
    models = [SlideModel.of(record, counts[record.id]) for record in records]
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
