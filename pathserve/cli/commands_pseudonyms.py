"""``pathserve pseudonyms``: what staff call the patients, cases and slides. For admins alone."""

import csv
import io
import os
from pathlib import Path
from typing import Annotated

import typer

from pathserve.catalog import Kind, Original, PseudonymKey
from pathserve.cli.options import AsJson, Data
from pathserve.cli.output import say, say_items, say_table
from pathserve.cli.rooms import open_rooms
from pathserve.errors import Conflict, Invalid, TooLarge
from pathserve.server.rooms import Rooms

_COLUMNS = ["kind", "project", "pseudonym", "original"]
_MAX_BYTES = 64 << 20

pseudonyms = typer.Typer(help="The originals of pseudonyms, which are kept apart.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(pseudonyms, name="pseudonyms")


@pseudonyms.command("list")
def list_pseudonyms(
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="A part of the original or the pseudonym.")] = "",
    kind: Annotated[Kind | None, typer.Option(help="Only these.")] = None,
    project: Annotated[str | None, typer.Option(help="Only this project's patients and cases.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Find the slides of somebody, or the original of a pseudonym. Prints names."""
    with open_rooms(data) as rooms:
        found = _all(rooms, text, kind, project)
    if as_json:
        say_items([_item(original) | {"slides": list(original.slides)} for original in found])
        return
    rows = [(*_item(original).values(), ", ".join(original.slides)) for original in found]
    say_table((*_COLUMNS, "slides"), rows, empty="No originals are kept, or none holds this.")


@pseudonyms.command("export")
def export_pseudonyms(
    output: Annotated[Path, typer.Option("--output", "-o", help="The CSV file; made for its owner alone.")],
    data: Data = None,
) -> None:
    """Write all originals to a CSV file, to keep them elsewhere. The file names people."""
    with open_rooms(data) as rooms:
        found = _all(rooms, "", None, None)
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS)
    writer.writeheader()
    writer.writerows(_item(original) for original in found)
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Conflict("There is such a file already.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text.getvalue())
    say(f"{len(found):,} originals are written.")


@pseudonyms.command("import")
def import_pseudonyms(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV as `pseudonyms export` writes it.")],
    data: Data = None,
) -> None:
    """Keep originals out of a CSV file; all of them, or none when one names nobody in the catalog."""
    originals = _parse(file)
    with open_rooms(data) as rooms:
        rooms.pseudonyms.set(originals)
    say(f"{len(originals):,} originals are kept.")


@pseudonyms.command("remove")
def remove_pseudonym(
    kind: Kind,
    pseudonym: Annotated[str, typer.Argument(help="The pseudonym; of a slide its id.")],
    project: Annotated[str, typer.Option(help="Project of the patient or case.")] = "",
    data: Data = None,
) -> None:
    """Forget one original."""
    key = PseudonymKey.of_slide(pseudonym) if kind is Kind.SLIDE else PseudonymKey(kind, project, pseudonym)
    with open_rooms(data) as rooms:
        rooms.pseudonyms.remove(key)
    say("The original is forgotten.")


def _all(rooms: Rooms, text: str, kind: Kind | None, project: str | None) -> list[Original]:
    found, after = rooms.pseudonyms.find(text, kind=kind, project=project)
    while after is not None:
        more, after = rooms.pseudonyms.find(text, kind=kind, project=project, after=after)
        found += more
    return found


def _item(original: Original) -> dict[str, str]:
    key = original.key
    return {"kind": key.kind.value, "project": key.project, "pseudonym": key.pseudonym, "original": original.text}


def _parse(file: Path) -> dict[PseudonymKey, str]:
    with file.open("rb") as stream:
        content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise TooLarge(f"Such a file has at most {_MAX_BYTES >> 20} MiB.")
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        if rows.fieldnames != _COLUMNS:
            raise Invalid(f"The file needs the columns {', '.join(_COLUMNS)}.")
        return {PseudonymKey(Kind(row["kind"]), row["project"], row["pseudonym"]): str(row["original"]) for row in rows}
    except (UnicodeDecodeError, csv.Error, ValueError):
        raise Invalid("The file is no CSV in UTF-8 as `pathserve pseudonyms export` writes it.") from None
