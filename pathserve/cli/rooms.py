"""What the commands open that work without pixels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathserve.catalog import Catalog, SlideRecord
from pathserve.cli.options import settings_of
from pathserve.server.rooms import Rooms


@contextmanager
def open_rooms(data: Path | None, store: str | None = None) -> Iterator[Rooms]:
    """Open the database of the data folder for the time of one command; a running server is not disturbed.

    A folder that is not there is made: accounts and classes can be prepared before the first `serve`.
    """
    rooms = Rooms.open(settings_of(data, store))
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
