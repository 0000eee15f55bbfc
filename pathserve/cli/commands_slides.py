"""Commands about slides: list, remove, verify, judge."""

from typing import Annotated, Any

import typer

from pathserve.catalog import READY, SlideRecord
from pathserve.catalog.judgements import StoredJudgement
from pathserve.cli.options import AsJson, Data, Store, open_services
from pathserve.cli.output import Exit, note, say, say_items, say_table
from pathserve.errors import Busy, NotFound, PathServeError
from pathserve.ingest import damaged_pictures, remove_slide
from pathserve.ingest.quality import judged
from pathserve.pyramid import verify_pyramid
from pathserve.pyramid.storage import Files
from pathserve.server.models import SlideModel
from pathserve.server.services import Services


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("slides")(slides)
    app.command("remove")(remove)
    app.command("verify")(verify)
    app.command("quality")(quality)


def slides(data: Data = None, store: Store = None, as_json: AsJson = False) -> None:
    """List the slides."""
    with open_services(data, store) as services:
        records = _all_slides(services)
        counts = services.annotations.counts([record.id for record in records])
        judgements = services.judgements(records)
    models = [SlideModel.of(record, counts[record.id], judgements.get(record.id)) for record in records]
    if as_json:
        say_items([model.model_dump() for model in models])
        return
    rows = [
        (
            m.id,
            m.name,
            m.project,
            m.case,
            m.stain,
            f"{m.width:,} x {m.height:,}",
            "" if m.mpp_x is None else f"{m.mpp_x:.4g}{'' if m.mpp_plausible else ' (implausible)'}",
            m.status,
            "" if m.quality is None else ", ".join(hint.kind for hint in m.quality.hints),
            f"{m.annotations:,}",
        )
        for m in models
    ]
    columns = ("id", "name", "project", "case", "stain", "pixels", "um/px", "status", "look at", "annotations")
    say_table(columns, rows, empty="No slides yet.")


def _all_slides(services: Services) -> list[SlideRecord]:
    found, after = services.catalog.slides()
    while after is not None:
        more, after = services.catalog.slides(after=after)
        found += more
    return found


def remove(
    slide: Annotated[str, typer.Argument(metavar="SLIDE", help="Slide id.")], data: Data = None, store: Store = None
) -> None:
    """Remove a slide with its pixels and all its annotations."""
    with open_services(data, store) as services:
        count = services.annotations.counts([slide]).get(slide, 0)
        remove_slide(slide, settings=services.settings, catalog=services.catalog)
    say(f"{slide} is removed, with {count:,} annotations.")


def verify(
    slides: Annotated[list[str] | None, typer.Argument(metavar="[SLIDE]...", help="Slide ids; default all.")] = None,
    data: Data = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Re-read every stored file against its checksum and name what is damaged."""
    items = list[dict[str, Any]]()
    with open_services(data, store) as services:
        records = [services.catalog.slide(i) for i in slides] if slides else _all_slides(services)
        for record in records:
            damage = _damage(services.published.files(record.id))
            damage += _damaged_pictures(services, record.id)
            items.append({"slide": record.id, "status": record.status, "ok": not damage, "damage": damage})
            if not as_json:
                state = "damaged" if damage else "ok" if record.status == READY else f"ok, {record.status}"
                say(f"{record.id}  {state}")
                for place in damage:
                    note(f"pathserve: {record.id}: {place['path']}: {place['message']}")
    if as_json:
        say_items(items)
    elif not items:
        say("No slides yet.")
    damaged = sum(not item["ok"] for item in items)
    if damaged:
        raise typer.Exit(Exit.REFUSED if damaged == len(items) else Exit.PARTLY)


def _damage(files: Files) -> list[dict[str, str]]:
    try:
        return [{"path": found.path, "message": found.message} for found in verify_pyramid(files)]
    except NotFound:
        return [{"path": ".", "message": "The slide's folder is missing."}]
    except Busy:  # the object store does not answer, which is no damage
        raise
    except PathServeError as error:
        return [{"path": ".", "message": error.message}]


def _damaged_pictures(services: Services, slide_id: str) -> list[dict[str, str]]:
    """Decode the label and macro that are kept of a slide."""
    names = damaged_pictures(services.settings, slide_id)
    return [{"path": name, "message": "This picture cannot be decoded."} for name in names]


def quality(
    slides: Annotated[list[str] | None, typer.Argument(metavar="[SLIDE]...", help="Slide ids; default all.")] = None,
    data: Data = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Say where a person should look at a slide before it is used; judges those that were not judged yet."""
    items, failed = list[dict[str, Any]](), 0
    with open_services(data, store) as services:
        records = [services.catalog.slide(i) for i in slides] if slides else _all_slides(services)
        for record, found in judged(records, settings=services.settings, catalog=services.catalog):
            items.append({"slide": record.id, "quality": found.summary, "reason": found.reason})
            failed += found.summary is None
            if not as_json:
                _say_quality(record, found)
    if as_json:
        say_items(items)
    elif not items:
        say("No slides yet.")
    if failed:
        raise typer.Exit(Exit.REFUSED if failed == len(items) else Exit.PARTLY)


def _say_quality(record: SlideRecord, found: StoredJudgement) -> None:
    if found.summary is None:
        note(f"pathserve: {record.id}: {found.reason}")
        return
    focus = found.summary["focus"]
    sharp = "focus not judged" if focus is None else f"{focus:.0%} of the tiles in focus"
    say(f"{record.id}  {record.name}  {found.summary['tissue_share']:.0%} tissue, {sharp}")
    for hint in found.summary["hints"]:
        say(f"    {hint['kind']}: {hint['sentence']}")
