"""What the routes work with, made once per process and handed to each call."""

import os
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from anyio import CapacityLimiter
from starlette.concurrency import run_in_threadpool

from pathserve.access import Accounts, Actor, Members, digest
from pathserve.annotations import AnnotationQuery, AnnotationStore, ClassSchemas, Layers, sweep_unpublished
from pathserve.annotations.tile_reader import VectorTiles
from pathserve.cache import ByteBudgetCache
from pathserve.catalog import Catalog, Pseudonyms, SlideRecord
from pathserve.config import Settings
from pathserve.db import Database
from pathserve.ingest.queue import IngestQueue
from pathserve.ingest.room import require_room
from pathserve.ingest.uploads import UploadLimits, Uploads
from pathserve.jobs import Jobs
from pathserve.pyramid.storage import Slides
from pathserve.pyramid.stores import open_slides
from pathserve.server.metrics import Metrics, Tally
from pathserve.server.presence import Presence
from pathserve.server.rooms import Rooms
from pathserve.server.shares import Places, Turns
from pathserve.server.staged import sweep_staged
from pathserve.tiles import TileService

_K = TypeVar("_K", bound=Hashable)
_T = TypeVar("_T")

_MAX_ENTRIES = 10_000
MAX_SECRET = 200
"""Characters of a session or token that is looked for."""

_UPLOADING_THREADS = 8
_MAX_STREAMS, _STREAMS_OF_ONE = 128, 32
_MAX_SENDINGS, _SENDINGS_OF_ONE = 64, 16
_MAX_IMPORTS, _IMPORTS_OF_ONE = 4, 2
_EXCHANGE_THREADS = 12
_VECTOR_TILE_BYTES, _ENTRY_BYTES = 64 * 1024 * 1024, 512


class Lookups(Generic[_K, _T]):
    """Answers that hold as long as nobody, in any process, has written to the database.

    A tile request needs its caller and its slide; asking the database for both would cost more than the tile. Absence
    is not remembered, so strangers cannot fill the memory. For several threads.

    Parameters
    ----------
    find
        Asks the database; blocks.
    """

    def __init__(self, db: Database, find: Callable[[_K], _T | None]) -> None:
        self._db = db
        self._find = find
        self._lock = threading.Lock()
        self._version = -1
        self._entries = dict[_K, _T]()

    async def get(self, key: _K, version: int) -> _T | None:
        """Give the answer from memory when it still holds, else from the database in a thread.

        ``version`` is the database's, looked up once for a request: that costs as much as all else here.
        """
        known = self.known(key, version)
        if known is not None:
            return known
        return self._remember(version, key, await run_in_threadpool(self._find, key))

    def get_here(self, key: _K) -> _T | None:
        """Give the answer in a thread that may block."""
        version = self._db.version()
        known = self.known(key, version)
        return known if known is not None else self._remember(version, key, self._find(key))

    def known(self, key: _K, version: int) -> _T | None:
        """Give the answer from memory when it still holds at this version of the database; asks nobody."""
        with self._lock:
            return self._entries.get(key) if version == self._version else None

    def _remember(self, version: int, key: _K, value: _T | None) -> _T | None:
        # What was found while somebody wrote may be old already: it answers this one call and is not kept.
        if value is None or self._db.version() != version:
            return value
        with self._lock:
            if self._version != version or len(self._entries) >= _MAX_ENTRIES:
                self._entries.clear()
                self._version = version
            self._entries[key] = value
        return value


@dataclass(frozen=True, slots=True)
class Services:
    """The rooms that the server speaks to.

    Parameters
    ----------
    drawing
        Turns of pictures and masks that can be large.
    making
        Turns of small pictures, such as tiles, that are not stored as they look: they do not wait for large ones.
    uploading
        Threads that write what is uploaded: disks can be slow, and other requests have threads of their own.
    streams
        Places of those who follow events.
    sending
        Places of long answers that are sent block by block.
    exchanging
        Places of imports of files of annotations, each of which takes some memory.
    exchange_threads
        Threads of imports, and of those who wait for the blocks of exports.
    metrics
        What this process counts.
    vector_cache
        Vector tiles that were made, by question, revision and address.
    presence
        Who is looking at which slide now.
    stopping
        Set when the server is about to end: who waits for something then stops waiting.
    """

    settings: Settings
    db: Database
    catalog: Catalog
    pseudonyms: Pseudonyms
    accounts: Accounts
    members: Members
    annotations: AnnotationStore
    classes: ClassSchemas
    layers: Layers
    vector_tiles: VectorTiles
    published: Slides
    tiles: TileService
    jobs: Jobs
    uploads: Uploads
    queue: IngestQueue = field(repr=False)
    slides: Lookups[str, SlideRecord] = field(repr=False)
    _sessions: Lookups[bytes, tuple[Actor, float]] = field(repr=False)
    _tokens: Lookups[bytes, tuple[Actor, float]] = field(repr=False)
    drawing: Turns = field(repr=False)
    making: Turns = field(repr=False)
    uploading: CapacityLimiter = field(repr=False)
    streams: Places = field(repr=False)
    sending: Places = field(repr=False)
    exchanging: Places = field(repr=False)
    exchange_threads: CapacityLimiter = field(repr=False)
    stopping: threading.Event = field(repr=False)
    metrics: Metrics = field(repr=False)
    presence: Presence = field(repr=False)
    vector_cache: ByteBudgetCache[tuple[AnnotationQuery, int, int, int, int], bytes] = field(repr=False)

    @classmethod
    def open(cls, settings: Settings) -> "Services":
        """Open the data folder; an object store is not asked for anything yet."""
        published = open_slides(settings)
        rooms = Rooms.open(settings)
        db, accounts, jobs = rooms.db, rooms.accounts, rooms.jobs
        metrics = Metrics(settings.counters)
        tiles = TileService(published, counts=metrics.tally(Tally.INDEX_HITS, 2))
        presence = Presence(settings.presence)
        processors = max(1, (os.cpu_count() or 1) // settings.processes)
        limits = UploadLimits(settings.max_upload_bytes, partial(require_room, settings))
        uploads = Uploads(db, settings.uploads, limits, partial(_enqueue, jobs))
        return cls(
            settings=settings,
            db=db,
            catalog=rooms.catalog,
            pseudonyms=rooms.pseudonyms,
            accounts=accounts,
            members=rooms.members,
            annotations=rooms.annotations,
            classes=rooms.classes,
            layers=rooms.layers,
            vector_tiles=VectorTiles(db, rooms.chunks, rooms.directories),
            published=published,
            tiles=tiles,
            jobs=jobs,
            uploads=uploads,
            queue=IngestQueue(
                settings,
                rooms.catalog,
                jobs,
                sweeps=(
                    uploads.sweep,
                    tiles.sweep,
                    presence.sweep,
                    partial(sweep_unpublished, db),
                    partial(sweep_staged, settings.imports),
                ),
            ),
            slides=Lookups(db, rooms.catalog.find_slide),
            _sessions=Lookups(db, accounts.session_actor),
            _tokens=Lookups(db, accounts.token_actor),
            drawing=Turns(processors),
            making=Turns(processors),
            uploading=CapacityLimiter(_UPLOADING_THREADS),
            sending=Places(_MAX_SENDINGS, _SENDINGS_OF_ONE),
            exchanging=Places(_MAX_IMPORTS, _IMPORTS_OF_ONE),
            exchange_threads=CapacityLimiter(_EXCHANGE_THREADS),
            streams=Places(_MAX_STREAMS, _STREAMS_OF_ONE, metrics.tally(Tally.STREAMS)),
            stopping=threading.Event(),
            metrics=metrics,
            presence=presence,
            vector_cache=ByteBudgetCache(_VECTOR_TILE_BYTES, lambda body: len(body) + _ENTRY_BYTES),
        )

    async def session_actor(self, secret: str, version: int) -> Actor | None:
        """Find whose browser session this is."""
        return await _live(self._sessions, secret, version)

    async def token_actor(self, secret: str, version: int) -> Actor | None:
        """Find what program this token belongs to."""
        return await _live(self._tokens, secret, version)

    def actor_at_once(self, secret_digest: bytes, version: int, *, is_token: bool) -> tuple[Actor, float] | None:
        """Find whose session or token this is, and when it ends (seconds since 1970), as far as memory knows."""
        return (self._tokens if is_token else self._sessions).known(secret_digest, version)

    def close(self) -> None:
        """Let go of the data folder."""
        self.db.close()
        self.metrics.close()


def _enqueue(jobs: Jobs, path: Path, project: str, name: str | None, account: str) -> str:
    return jobs.enqueue(path, project=project, name=name, keep_source=False, owner=account).id


async def _live(lookups: Lookups[bytes, tuple[Actor, float]], secret: str, version: int) -> Actor | None:
    if not secret or len(secret) > MAX_SECRET:
        return None
    found = await lookups.get(digest(secret), version)
    return found[0] if found is not None and time.time() < found[1] else None
