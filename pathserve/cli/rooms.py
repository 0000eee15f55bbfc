"""What the commands open that work without pixels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathserve.catalog import Catalog, SlideRecord
from pathserve.cli.options import settings_of
from pathserve.errors import NotFound
from pathserve.server.rooms import Rooms


@contextmanager
def open_rooms(data: Path | None, store: str | None = None, *, make: bool = False) -> Iterator[Rooms]:
    """Open the database of the data folder for the time of one command; a running server is not disturbed.

    Parameters
    ----------
    make
        Whether a data folder that is not there is made.

    Raises
    ------
    NotFound
        When it is not there and not made: its name is mistaken, and an empty one would look like an answer.
    """
    settings = settings_of(data, store)
    if not make and isinstance(settings.database, Path) and not settings.database.exists():
        raise NotFound(
            "There is no data folder there: `--data` or PATHSERVE_DATA names one, `pathserve ingest` makes one."
        )
    rooms = Rooms.open(settings)
    try:
        yield rooms
    finally:
        rooms.close()


def all_slides(catalog: Catalog) -> list[SlideRecord]:
    """Give every slide of the catalog."""
    found, after = catalog.slides()
    while after is not None:
        more, after = catalog.slides(after=after)
        found += more
    return found
