"""The program: its commands, and how it ends when something is wrong."""

import os
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from pathserve import __version__
from pathserve.cli.later import Later
from pathserve.cli.output import Exit, bug, note, say
from pathserve.errors import PathServeError


class Program(TyperGroup):
    """The whole command line, which says what is wrong with an option without the words of the library below."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer brings Click along, or has it beside itself
        """Run the command that is named."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            said = error.message.removeprefix("Value error, ")
            error.message = said.split(", ")[0].rstrip(".") + "." if said.startswith("Input should be ") else said
            raise


app = typer.Typer(
    name="pathserve",
    cls=Program,
    help="Whole-slide digital-pathology tiling and annotation server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
annotations = typer.Typer(
    name="annotations",
    help="Find, edit, import and export annotations.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

# By name, in the order of the help: the module, and the sentence that the help shows.
_FIRST = {
    "demo": (
        "commands_serve",
        "Ingest the two real samples that come with PathServe, start the server and print the sign-in link.",
    ),
    "serve": (
        "commands_serve",
        "Start the server and the viewer; the first start makes an admin and prints a one-time sign-in link.",
    ),
    "ingest": (
        "commands_ingest",
        "Turn scans into pyramids that can be served; goes on where it was interrupted, skips what is there.",
    ),
    "watch": (
        "commands_ingest",
        "Ingest what arrives in a folder and has stopped growing, until Ctrl-C or SIGTERM.",
    ),
    "slides": ("commands_slides", "List the slides."),
    "remove": ("commands_stored", "Remove a slide with its pixels and all its annotations."),
    "verify": ("commands_stored", "Re-read every stored file against its checksum and name what is damaged."),
    "quality": (
        "commands_stored",
        "Say where a person should look at a slide before it is used; judges those that were not judged yet.",
    ),
    "inspect": (
        "commands_inspect",
        "Say what a scan is and what in it may name a person, without ingesting it. Nothing is stored or logged.",
    ),
    "mask": ("commands_masks", "Draw the annotations of a region, or of the whole slide, as a mask."),
    "bench": ("commands_bench", "Measure tiles, annotation queries and masks on this machine, with your slides."),
    "jobs": ("commands_jobs", "Ingest jobs, of browsers and of this command line."),
}
_ANNOTATIONS = {
    "import": (
        "commands_exchange",
        "Import annotations of any format as one revision; says what was assumed, repaired, refused and lost.",
    ),
    "export": ("commands_exchange", "Export annotations in any format; says what it could not hold."),
    "list": ("commands_search", "List annotations of a slide, in any order, as they are or were at a revision."),
    "count": ("commands_search", "Count annotations of a slide exactly, all and by class, layer and state."),
    "edit": (
        "commands_search",
        "Change class or state of all annotations that are found, or delete them; says first how many there are.",
    ),
    "history": ("commands_search", "List every version of one annotation, oldest first, also of a deleted one."),
    "revert": ("commands_search", "Bring back an earlier version of one annotation as its next one; undeletes."),
}
_LAST = {
    "layers": ("commands_layers", "The layers of a slide."),
    "classes": ("commands_classes", "A project's class schema."),
    "user": ("commands_accounts", "Accounts of people."),
    "token": ("commands_accounts", "API tokens of programs."),
    "project": ("commands_projects", "Projects."),
    "member": ("commands_projects", "Who belongs to which project."),
    "pseudonyms": ("commands_pseudonyms", "The originals of pseudonyms, which are kept apart."),
}


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"pathserve {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    """Whole-slide digital-pathology tiling and annotation server."""


def program() -> Any:  # noqa: ANN401 - Typer brings Click along, or has it beside itself
    """Give the whole command line; the module of a command is imported when it is called."""
    inner = typer.main.get_group(annotations)
    top: Any = typer.main.get_command(app)
    inner.commands = _later(_ANNOTATIONS)
    top.commands = _later(_FIRST) | {"annotations": inner} | _later(_LAST)
    return top


def _later(commands: dict[str, tuple[str, str]]) -> dict[str, Any]:
    return {name: Later(name, f"pathserve.cli.{module}", words) for name, (module, words) in commands.items()}


def main() -> NoReturn:
    """Run the command line; an error is one sentence on standard error, never a traceback."""
    try:
        program()()
    except PathServeError as error:
        note(f"pathserve: {error.message}")
        sys.exit(Exit.REFUSED)
    except BrokenPipeError:
        # The reader of our output went away (`pathserve slides | head`): no error, and nothing left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.REFUSED)
    except OSError as error:
        # The text of the system's own error without the path that it would add.
        note(f"pathserve: {error.strerror or 'the system refused'}.")
        sys.exit(Exit.REFUSED)
    except Exception as error:  # noqa: BLE001 - the last place: a bug is told in one sentence, as promised to users
        note(f"pathserve: {bug(error)}.")
        sys.exit(Exit.REFUSED)
    sys.exit(Exit.DONE)
