"""What the routes work with, made once per process and handed to each call."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pathserve.access import Accounts, Actor
from pathserve.annotations import AnnotationStore, ClassSchemas
from pathserve.catalog import Catalog, SlideRecord
from pathserve.config import Settings
from pathserve.db import Database
from pathserve.tiles import TileService

_T = TypeVar("_T")
_MAX_ENTRIES = 10_000


class Lookups(Generic[_T]):
    """Answers that hold as long as nobody, in any process, has written to the database.

    A tile request needs its caller and its slide; asking the database for both would cost more than the tile.
    Only for the event loop's thread.
    """

    def __init__(self, db: Database, find: Callable[[str], _T]) -> None:
        self._db = db
        self._find = find
        self._version = -1
        self._entries = dict[str, _T]()

    def get(self, key: str) -> _T:
        """Give the answer for ``key``, from memory when it still holds."""
        version = self._db.version()
        if version != self._version or len(self._entries) > _MAX_ENTRIES:
            self._entries.clear()
            self._version = version
        try:
            return self._entries[key]
        except KeyError:
            value = self._entries[key] = self._find(key)
            return value


@dataclass(frozen=True, slots=True)
class Services:
    """The rooms that the server speaks to."""

    settings: Settings
    db: Database
    catalog: Catalog
    accounts: Accounts
    annotations: AnnotationStore
    classes: ClassSchemas
    tiles: TileService
    _slides: Lookups[SlideRecord] = field(repr=False)
    _sessions: Lookups[tuple[Actor, float] | None] = field(repr=False)
    _tokens: Lookups[tuple[Actor, float] | None] = field(repr=False)

    @classmethod
    def open(cls, settings: Settings) -> "Services":
        """Open the data folder."""
        db = Database(settings.database)
        settings.slides.mkdir(parents=True, exist_ok=True)
        catalog = Catalog(db)
        accounts = Accounts(db, session_seconds=settings.session_hours * 3600, link_seconds=settings.link_minutes * 60)
        return cls(
            settings=settings,
            db=db,
            catalog=catalog,
            accounts=accounts,
            annotations=AnnotationStore(db),
            classes=ClassSchemas(db),
            tiles=TileService(settings.slides),
            _slides=Lookups(db, catalog.slide),
            _sessions=Lookups(db, accounts.session_actor),
            _tokens=Lookups(db, accounts.token_actor),
        )

    def slide(self, slide_id: str) -> SlideRecord:
        """Find a slide, from memory when nothing was written since."""
        return self._slides.get(slide_id)

    def session_actor(self, secret: str) -> Actor | None:
        """Find whose browser session this is."""
        return _unless_over(self._sessions.get(secret))

    def token_actor(self, secret: str) -> Actor | None:
        """Find what program this token belongs to."""
        return _unless_over(self._tokens.get(secret))

    def close(self) -> None:
        """Let go of the data folder."""
        self.db.close()


def _unless_over(found: tuple[Actor, float] | None) -> Actor | None:
    return found[0] if found is not None and time.time() < found[1] else None
