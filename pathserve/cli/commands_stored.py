"""Commands about what is stored of slides: remove, verify, judge."""

from typing import Annotated, Any

import typer

from pathserve.catalog import READY, SlideRecord
from pathserve.catalog.judgements import StoredJudgement
from pathserve.cli.options import AsJson, Data, Store
from pathserve.cli.output import Exit, counted, note, say, say_items
from pathserve.cli.rooms import all_slides, open_rooms
from pathserve.config import Settings
from pathserve.errors import Busy, NotFound, PathServeError
from pathserve.ingest import damaged_pictures, remove_slide
from pathserve.ingest.quality import judged
from pathserve.pyramid import verify_pyramid
from pathserve.pyramid.storage import Files
from pathserve.pyramid.stores import open_slides


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("remove")(remove)
    app.command("verify")(verify)
    app.command("quality")(quality)


def remove(
    slide: Annotated[str, typer.Argument(metavar="SLIDE", help="Slide id.")], data: Data = None, store: Store = None
) -> None:
    """Remove a slide with its pixels and all its annotations."""
    with open_rooms(data, store) as rooms:
        count = rooms.annotations.counts([slide]).get(slide, 0)
        remove_slide(slide, settings=rooms.settings, catalog=rooms.catalog)
    say(f"{slide} is removed, with {counted(count, 'annotation')}.")


def verify(
    slides: Annotated[list[str] | None, typer.Argument(metavar="[SLIDE]...", help="Slide ids; default all.")] = None,
    data: Data = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Re-read every stored file against its checksum and name what is damaged."""
    items = list[dict[str, Any]]()
    with open_rooms(data, store) as rooms:
        stored = open_slides(rooms.settings)
        records = [rooms.catalog.slide(i) for i in slides] if slides else all_slides(rooms.catalog)
        for record in records:
            damage = _damage(stored.files(record.id))
            damage += _damaged_pictures(rooms.settings, record.id)
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


def _damaged_pictures(settings: Settings, slide_id: str) -> list[dict[str, str]]:
    """Decode the label and macro that are kept of a slide."""
    names = damaged_pictures(settings, slide_id)
    return [{"path": name, "message": "This picture cannot be decoded."} for name in names]


def quality(
    slides: Annotated[list[str] | None, typer.Argument(metavar="[SLIDE]...", help="Slide ids; default all.")] = None,
    data: Data = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Say where a person should look at a slide before it is used; judges those that were not judged yet."""
    items, failed = list[dict[str, Any]](), 0
    with open_rooms(data, store) as rooms:
        records = [rooms.catalog.slide(i) for i in slides] if slides else all_slides(rooms.catalog)
        for record, found in judged(records, settings=rooms.settings, catalog=rooms.catalog):
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
