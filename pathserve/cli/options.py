"""Options that several commands share, and the rooms that they open."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pathserve.config import Settings, data_folder
from pathserve.server.services import Services

Data = Annotated[
    Path | None,
    typer.Option("--data", help="The data folder. Default: PATHSERVE_DATA, else ./pathserve-data.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs.")]


@contextmanager
def open_services(data: Path | None) -> Iterator[Services]:
    """Open the data folder for the time of one command; a running server is not disturbed."""
    services = Services.open(Settings(data=data_folder(data)))
    try:
        yield services
    finally:
        services.close()
