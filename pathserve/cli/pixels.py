"""What the commands open that work with pixels: all that the server has."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathserve.cli.options import settings_of
from pathserve.server.services import Services


@contextmanager
def open_services(data: Path | None, store: str | None = None, *, reserve: str | None = None) -> Iterator[Services]:
    """Open the data folder for the time of one command, and try its object store; a running server is not disturbed.

    Parameters
    ----------
    reserve
        How much of the disk ingest leaves free, as somebody writes it; None: what is usual.
    """
    services = Services.open(settings_of(data, store, reserve=reserve))
    try:
        services.published.probe()
        yield services
    finally:
        services.close()
