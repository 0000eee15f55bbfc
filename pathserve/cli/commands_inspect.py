"""Looking at a scan before it is ingested: what it is, and what in it may name a person."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pathserve.cli.options import AsJson
from pathserve.cli.output import say, say_json, say_table
from pathserve.errors import Invalid
from pathserve.ingest import find_scans
from pathserve.ingest.inspect import inspect_identity
from pathserve.pixels import SlideInfo
from pathserve.slides.identity import IdentityReport

ShowValues = Annotated[
    bool, typer.Option("--show-values", help="Print the values themselves, not only how they begin. They are names.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("inspect")(inspect)


def inspect(
    scan: Annotated[Path, typer.Argument(metavar="FILE")], show_values: ShowValues = False, as_json: AsJson = False
) -> None:
    """Say what a scan is and what in it may name a person, without ingesting it. Nothing is stored or logged."""
    scans = find_scans([scan])
    if len(scans) != 1:
        raise Invalid("Name one scan; this folder holds none, or several.")
    inspection = inspect_identity(scans[0], values="shown" if show_values else "masked")
    facts, identity = _facts(inspection.info), inspection.identity
    if as_json:
        report = identity.to_dict()
        found = {"identity": report["found"], "identity_more": report["more"]}
        say_json(facts | found | {"identity_incomplete": report["incomplete"]})
        return
    width = max(map(len, facts))
    for key, value in facts.items():
        say(f"{key.replace('_', ' '):{width}}  {_shown(value)}")
    _say_identity(identity)


def _say_identity(report: IdentityReport) -> None:
    """Print what is understood as a table, and the names of all other fields place by place."""
    say("\nWhat may name a person (ingest keeps none of it):")
    rows = [
        (found.place, found.field, found.kind, f"{found.count:,}", "; ".join(found.values))
        for found in report.findings
        if found.kind != "unknown"
    ]
    say_table(("place", "field", "kind", "times", "value"), rows, empty="nothing found")
    others = dict[str, list[str]]()
    for found in report.findings:
        if found.kind == "unknown":
            others.setdefault(found.place, []).append(found.field)
    if others:
        say("\nFields that are not understood (not kept either):")
    for place, names in others.items():
        say(f"{place}: {', '.join(names)}")
    if report.more:
        say(f"... and {report.more:,} more.")
    for place in report.incomplete:
        say(f"{place}: could not be searched to the end.")


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
        "dtype": info.dtype,
        "planes": info.planes,
        "times": info.times,
        "scenes": info.scenes,
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
