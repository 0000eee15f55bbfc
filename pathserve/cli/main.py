"""The program: its commands, and how it ends when something is wrong."""

import os
import sys
from typing import Any, NoReturn

import typer

from pathserve import __version__
from pathserve.cli import (
    commands_accounts,
    commands_annotations,
    commands_bench,
    commands_classes,
    commands_ingest,
    commands_inspect,
    commands_jobs,
    commands_layers,
    commands_masks,
    commands_projects,
    commands_pseudonyms,
    commands_search,
    commands_serve,
    commands_slides,
)
from pathserve.cli.options import with_database_option
from pathserve.cli.output import Exit, bug, note, say
from pathserve.errors import PathServeError

app = typer.Typer(
    name="pathserve",
    help="Whole-slide digital-pathology tiling and annotation server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
commands_serve.register(app)
commands_ingest.register(app)
commands_jobs.register(app)
commands_slides.register(app)
commands_inspect.register(app)
commands_search.register()
commands_annotations.register(app)
commands_layers.register(app)
commands_classes.register(app)
commands_masks.register(app)
commands_accounts.register(app)
commands_projects.register(app)
commands_pseudonyms.register(app)
commands_bench.register(app)


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
    """Give the whole command line."""
    return with_database_option(typer.main.get_command(app))


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
