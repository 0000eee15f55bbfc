"""``pathserve classes``: a project's class schema and its versions."""

from pathlib import Path
from typing import Annotated

import typer

from pathserve.catalog import DEFAULT_PROJECT
from pathserve.cli.options import AsJson, Data
from pathserve.cli.output import counted, say, say_items, say_table
from pathserve.cli.rooms import open_rooms
from pathserve.formats.class_file import parse_class_file, write_classes

classes = typer.Typer(help="A project's class schema.", no_args_is_help=True)

Project = Annotated[str, typer.Option(help="The project.")]

_AUTHOR = "command line"


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(classes, name="classes")


@classes.command("list")
def list_classes(
    project: Project = DEFAULT_PROJECT,
    version: Annotated[int | None, typer.Option(help="The classes of this version; default: of now.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List a project's classes with their mask values."""
    with open_rooms(data) as rooms:
        rooms.catalog.require_project(project)
        schema = rooms.classes.of(project) if version is None else rooms.classes.at(project, version)
    if as_json:
        say_items(write_classes(schema))
        return
    rows = [
        (c.value, c.name, "#" + bytes(c.color).hex(), c.priority, c.hotkey, c.code and f"{c.code.system} {c.code.code}")
        for c in schema
    ]
    columns = ("value", "name", "color", "priority", "key", "code")
    say_table(columns, rows, empty="This project has no classes yet.")


@classes.command("set")
def set_classes(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON as `classes list --json` gives it, or QuPath's classes.json.")
    ],
    project: Project = DEFAULT_PROJECT,
    data: Data = None,
) -> None:
    """Set colours, priorities, hotkeys and codes of classes; new names are added, none is taken away."""
    wanted = parse_class_file(file.read_bytes())
    with open_rooms(data) as rooms:
        schema = rooms.classes.set(project, wanted, author=_AUTHOR)
    say(f"{counted(len(schema.classes), 'class', 'classes')}, version {schema.version}.")


@classes.command("history")
def class_history(project: Project = DEFAULT_PROJECT, data: Data = None, as_json: AsJson = False) -> None:
    """List the versions of a project's class schema: who changed which classes, and when."""
    with open_rooms(data) as rooms:
        rooms.catalog.require_project(project)
        versions = rooms.classes.history(project)
    moments = [version.at.isoformat(timespec="milliseconds") for version in versions]
    if as_json:
        say_items(
            [
                {"version": v.version, "author": v.author, "at": at, "changed": list(v.changed)}
                for v, at in zip(versions, moments, strict=True)
            ]
        )
        return
    rows = [(v.version, at, v.author, ", ".join(v.changed)) for v, at in zip(versions, moments, strict=True)]
    say_table(("version", "at", "author", "changed"), rows, empty="This project has no classes yet.")
