"""Options that several commands share, and the rooms that they open."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pathserve.config import Settings, data_folder, store_address
from pathserve.errors import Invalid
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


_BYTES = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?(|[KMGT]i?B?|B)", re.IGNORECASE)
_UNITS = "bkmgt"


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
    kept = None if reserve is None else parse_bytes(reserve)
    services = Services.open(Settings(data=data_folder(data), store=store_address(store), disk_reserve_bytes=kept))
    try:
        if probe:
            services.published.probe()
        yield services
    finally:
        services.close()


def parse_bytes(text: str) -> int:
    """Read a size: ``500``, ``10GB`` (powers of 1,000) or ``10GiB`` (powers of 1,024).

    Raises
    ------
    Invalid
        When it is none.
    """
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise Invalid("A size is a number of bytes, or one with KB, MB, GB, TB, KiB, MiB, GiB or TiB behind it.")
    unit = match[2].lower()
    power = _UNITS.index(unit[:1] or "b")
    return int(float(match[1]) * (1024 if "i" in unit else 1000) ** power)
