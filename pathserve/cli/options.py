"""Options that several commands share."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from pathserve.config import (
    DATABASE_VARIABLE,
    Settings,
    data_folder,
    database_address,
    disk_reserve,
    store_address,
)
from pathserve.errors import Invalid

Data = Annotated[
    Path | None,
    typer.Option("--data", help="The data folder. Default: PATHSERVE_DATA, else ./pathserve-data.", show_default=False),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Object store of the slides, s3://bucket/prefix. Default: PATHSERVE_STORE, else the data folder.",
        show_default=False,
    ),
]
Slide = Annotated[str, typer.Argument(metavar="SLIDE", help="Slide id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs.")]
Reserve = Annotated[
    str | None,
    typer.Option(
        help="How much of the disk stays free, such as 10GB. Default: PATHSERVE_RESERVE, else 5 GiB, or 5 % if less.",
        show_default=False,
    ),
]

AUTHOR = "command line"
"""Who has done what commands do."""

_DATABASE_HELP = (
    "PostgreSQL database, postgresql://USER@HOST/DATABASE. Default: PATHSERVE_DATABASE, else a file in the data folder."
)


def _remember_database(given: str | None) -> None:
    address = database_address(given)
    if address is not None:
        os.environ[DATABASE_VARIABLE] = address


def _takes_database(
    database: Annotated[
        str | None,
        typer.Option(help=_DATABASE_HELP, show_default=False, expose_value=False, callback=_remember_database),
    ] = None,
) -> None: ...


def with_database_option(command: Any) -> Any:  # noqa: ANN401 - Typer brings Click along, or has it beside itself
    """Let a command, or each of a group, take ``--database`` where it takes ``--data``.

    What is given goes into the environment: that is where a command and the processes of a server learn of it.
    """
    for inner in getattr(command, "commands", {}).values():
        with_database_option(inner)
    if any(parameter.name == "data" for parameter in command.params):
        holder = typer.Typer(add_completion=False)
        holder.command()(_takes_database)
        command.params += typer.main.get_command(holder).params
    return command


@contextmanager
def usage() -> Iterator[None]:
    """Take what is wrong with an option for wrong usage of the command."""
    try:
        yield
    except Invalid as error:
        raise typer.BadParameter(error.message) from error


def settings_of(data: Path | None, store: str | None = None, *, reserve: str | None = None) -> Settings:
    """Give the settings of a command.

    Parameters
    ----------
    reserve
        How much of the disk ingest leaves free, as somebody writes it; None: what is usual.
    """
    folder = data_folder(data)
    if folder.exists() and not folder.is_dir():
        raise typer.BadParameter("The data folder is a file.")
    return Settings(
        data=folder,
        database_url=database_address(),
        store=store_address(store),
        disk_reserve_bytes=disk_reserve(reserve),
    )
