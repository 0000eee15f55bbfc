"""``pathserve slides``: which ones there are."""

import typer

from pathserve.cli.options import AsJson, Data, Store
from pathserve.cli.output import say_items, say_table
from pathserve.cli.rooms import all_slides, open_rooms
from pathserve.server.models import SlideModel


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("slides")(slides)


def slides(data: Data = None, store: Store = None, as_json: AsJson = False) -> None:
    """List the slides."""
    with open_rooms(data, store) as rooms:
        records = all_slides(rooms.catalog)
        counts = rooms.annotations.counts([record.id for record in records])
        judgements = rooms.catalog.judgements.current(records)
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
