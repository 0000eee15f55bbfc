"""Options that several commands share, and the rooms that they open."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pathserve.config import Settings, data_folder, disk_reserve, store_address
from pathserve.server.services import Services

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
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs.")]
Reserve = Annotated[
    str | None,
    typer.Option(
        help="How much of the disk stays free, such as 10GB. Default: PATHSERVE_RESERVE, else 5 GiB, or 5 % if less.",
        show_default=False,
    ),
]


@contextmanager
def open_services(
    data: Path | None, store: str | None = None, *, reserve: str | None = None, probe: bool = False
) -> Iterator[Services]:
    """Open the data folder for the time of one command; a running server is not disturbed.

    Parameters
    ----------
    reserve
        How much of the disk ingest leaves free, as somebody writes it; None: what is usual.
    probe
        Whether an object store is tried first, for commands that write slides to it or serve them.
    """
    settings = Settings(data=data_folder(data), store=store_address(store), disk_reserve_bytes=disk_reserve(reserve))
    services = Services.open(settings)
    try:
        if probe:
            services.published.probe()
        yield services
    finally:
        services.close()
