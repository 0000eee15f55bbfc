"""Tiles without a route: one whole request for a stored tile becomes one whole answer, in a few microseconds.

So does the question of a proxy that has a tile already and asks whether its caller may see the slide.

What is answered here has the same status, headers and bytes as from the route (`pathserve.server.routes_tiles`);
everything that is not exactly the usual request is None here, and the route answers it. So no error comes from here.
"""

import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter_ns

from pathserve.access import Action, Resource, allow, digest
from pathserve.catalog import SlideRecord
from pathserve.errors import PathServeError
from pathserve.server.auth import credentials
from pathserve.server.cors import answer_headers
from pathserve.server.middleware import SAME_FOR_ALL
from pathserve.server.params import DeepZoomQuery, parse_query
from pathserve.server.routes_tiles import cache_headers
from pathserve.server.services import MAX_SECRET, Services
from pathserve.tiles import StoredTiles, View
from pathserve.tiles.colour import Color

START = (b"GET /dzi/", b"GET /api/slides/")
MAX_REQUEST = 8192
"""Bytes of a request that is looked at; a longer one is unusual."""

_VERSION = b" HTTP/1.1\r\n"
_END = b"\r\n\r\n"
_PLACE = re.compile(rb"([0-9]{1,9})/([0-9]{1,9})_([0-9]{1,9})")
_TARGET = re.compile(
    rb"/dzi/(?P<slide>[A-Za-z0-9_-]{1,64})_files/(?P<level>[0-9]{1,9})/(?P<col>[0-9]{1,9})_(?P<row>[0-9]{1,9})"
    rb"\.jpeg(?:\?(?P<query>[A-Za-z0-9=&,.:-]{1,64}))?"
)
_QUESTION = re.compile(rb"/api/slides/(?P<slide>[A-Za-z0-9_-]{1,64})/access")
_VALUE = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")

# A header that is none of these could change the answer, now or in a later version; with it the route answers.
_HARMLESS = frozenset(
    b"host user-agent accept accept-encoding accept-language cookie authorization if-none-match connection referer "
    b"origin dnt cache-control pragma priority sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc "
    b"sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform x-forwarded-for x-forwarded-proto x-forwarded-host "
    b"x-real-ip".split()
)
_PARAMETERS = frozenset({"g", "color", "c", "z", "t"})
_JPEG = b"content-type: image/jpeg\r\n"
_SAME = b"\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % header for header in (*SAME_FOR_ALL, *answer_headers("/dzi/")))
_SAME_OF_ACCESS = b"\r\n%b\r\n" % b"".join(
    b"%b: %b\r\n" % header for header in (*SAME_FOR_ALL, *answer_headers("/api/slides/"))
)
_TILE = b"HTTP/1.1 200 OK\r\n%betag: %b\r\n%bcontent-length: %d\r\n" + _JPEG + b"x-request-id: %b" + _SAME
_FILES = b"_files/"
_MOMENT_SECONDS = 0.25
MOST_KNOWN = 1024
"""Of how many slides and callers something is known at a time."""

_REMEMBERED = 1024
_IDS = 256


@dataclass(frozen=True, slots=True)
class Head:
    """What the headers of a request say, as far as it matters for a tile.

    Parameters
    ----------
    secret
        The digest of the session or token, never itself.
    is_token
        Whether it came as ``Authorization: Bearer``.
    known
        Entity tags that the client has, or None.
    """

    secret: bytes
    is_token: bool
    known: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class _Wanted:
    color: Color
    view: View
    g: int | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What all requests for tiles of one slide by one caller have in common.

    It holds as long as all but the tile's place in the request are the same bytes, the database has the same version,
    and a moment has not passed: so a slide whose folder was taken away by hand is missed soon, too.

    Parameters
    ----------
    before, after
        What stands around the tile's place in the request.
    version
        Of the database.
    until
        Moment of `perf_counter_ns`.
    tiles
        None where the route has to answer.
    caching
        The header that tells how long the answer may be kept.
    """

    before: bytes
    after: bytes
    version: int
    until: int
    tiles: StoredTiles | None
    caching: bytes


_NOTHING = _Known(b"-", b"-", -1, 0, None, b"")  # no request begins so


class Visit:
    """What one connection has asked for last, so that the next tile of the same slide costs no look-up."""

    __slots__ = ("asked", "head", "known", "raw")

    def __init__(self) -> None:
        self.asked = (b"", -1, 0)  # a proxy's question that was answered with yes, at which version, until when
        self.raw = b""
        self.head: Head | None = None
        self.known = _NOTHING


class FastPath:
    """Answers whole requests for stored tiles; only for the event loop's thread."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._version = services.db.version
        self._count = services.metrics.fast_tile
        self._ids = _request_ids()
        # Of all connections: a proxy sends the requests of everybody over a few of them, and training reads many
        # slides in turn.
        self._known = dict[tuple[bytes, bytes], _Known]()
        self._forgets_at = 0

    def answer(self, request: bytes, visit: Visit, standing: bytes) -> tuple[bytes, bytes | bytearray] | None:
        """Give head and body of the answer to one complete request; None where the route has to answer.

        Parameters
        ----------
        request
            Bytes that begin with one of ``START`` and came in one piece.
        visit
            Of this connection.
        standing
            Headers that the server gives to every answer, each with its line end.
        """
        arrived = perf_counter_ns()
        version, known = self._version(), visit.known
        if not (request.startswith(known.before) and request.endswith(known.after)):
            known = self._remembered(request)
        if known.version != version or arrived >= known.until:
            return self._answer_anew(request, visit, standing, arrived)
        visit.known = known
        place = _PLACE.fullmatch(request, len(known.before), len(request) - len(known.after))
        if place is None or known.tiles is None:
            return None
        found = known.tiles.read(int(place[1]), int(place[2]), int(place[3]))
        if found is None:
            return self._answer_anew(request, visit, standing, arrived)
        body, etag = found
        size = len(body)
        told = _TILE % (standing, etag, known.caching, size, next(self._ids))
        self._count(200, size, perf_counter_ns() - arrived)
        return told, body

    def _remembered(self, request: bytes) -> _Known:
        """Give what is known of a request that another connection, or this one earlier, has sent for another tile."""
        start = request.find(_FILES) + len(_FILES)
        place = _PLACE.match(request, start)
        return _NOTHING if place is None else self._known.get((request[:start], request[place.end() :]), _NOTHING)

    def _remember(self, known: _Known, arrived: int) -> None:
        # All is forgotten at once, so nothing keeps slides open that nobody visits.
        if arrived >= self._forgets_at or len(self._known) >= MOST_KNOWN:
            self._known.clear()
            self._forgets_at = arrived + round(_MOMENT_SECONDS * 1e9)
        self._known[known.before, known.after] = known

    def _answer_anew(
        self, request: bytes, visit: Visit, standing: bytes, arrived: int
    ) -> tuple[bytes, bytes | bytearray] | None:
        """Read the whole request, and ask who may see what; nothing is known from the one before."""
        if not request.startswith(START[0]):
            return self._answer_access(request, visit, standing, arrived)
        visit.known = _NOTHING
        end = _target_end(request)
        if end is None:
            return None
        target = _TARGET.fullmatch(request, 4, end)
        if target is None:
            return None
        wanted, head = _wanted(target["query"] or b""), _head_of(request, end + len(_VERSION), visit)
        if wanted is None or head is None:
            return None
        version = self._version()
        allowed = self._allowed(head, target["slide"].decode("ascii"), version)
        if allowed is None:
            return None
        slide, seconds = allowed
        level, col, row = int(target["level"]), int(target["col"]), int(target["row"])
        tiles = self._services.tiles
        try:
            tile = tiles.tile_at_once(slide.id, level, col, row, color=wanted.color, view=wanted.view)
            stored = tiles.stored_tiles(slide.id, color=wanted.color, view=wanted.view) if head.known is None else None
        except PathServeError:
            return None
        caching = b"cache-control: %b\r\n" % cache_headers("", slide, wanted.g)["cache-control"].encode("ascii")
        before, after = request[: target.start("level")], request[target.end("row") :]
        until = arrived + round(min(seconds, _MOMENT_SECONDS) * 1e9)
        visit.known = _Known(before, after, version, until, stored, caching)
        if stored is not None:
            self._remember(visit.known, arrived)
        if tile is None:
            return None
        fresh = head.known is None or head.known.isdisjoint((tile.etag, "*"))
        body = tile.body if fresh else b""
        told = b"HTTP/1.1 %b\r\n%betag: %b\r\n%b%bx-request-id: %b%b" % (
            b"200 OK" if fresh else b"304 Not Modified",
            standing,
            tile.etag.encode("ascii"),
            caching,
            b"content-length: %d\r\n%b" % (len(body), _JPEG) if fresh else b"",
            next(self._ids),
            _SAME,
        )
        self._count(200 if fresh else 304, len(body), perf_counter_ns() - arrived)
        return told, body

    def _answer_access(
        self, request: bytes, visit: Visit, standing: bytes, arrived: int
    ) -> tuple[bytes, bytes | bytearray] | None:
        """Answer a proxy that asks whether its caller may see a slide, as `pathserve.server.routes_access` does.

        It asks at each tile that it has, so this must not cost more than the tile would.
        """
        version = self._version()
        known, known_version, until = visit.asked
        if request != known or version != known_version or arrived >= until:
            end = _target_end(request)
            if end is None:
                return None
            target, head = _QUESTION.fullmatch(request, 4, end), read_head(request[end + len(_VERSION) :])
            if target is None or head is None:
                return None
            allowed = self._allowed(head, target["slide"].decode("ascii"), version)
            if allowed is None:
                return None
            visit.asked = request, version, arrived + round(min(allowed[1], _MOMENT_SECONDS) * 1e9)
        told = b"HTTP/1.1 204 No Content\r\n%bcache-control: no-store\r\nx-request-id: %b%b" % (
            standing,
            next(self._ids),
            _SAME_OF_ACCESS,
        )
        self._services.metrics.fast_access(perf_counter_ns() - arrived)
        return told, b""

    def _allowed(self, head: Head, slide_id: str, version: int) -> tuple[SlideRecord, float] | None:
        """Give the slide and for how many seconds who asks may see it; None when memory does not say that they may."""
        services = self._services
        found = services.actor_at_once(head.secret, version, is_token=head.is_token)
        slide = services.slides.known(slide_id, version)
        if found is None or slide is None:
            return None
        actor, ends = found
        seconds = ends - time.time()
        may = allow(actor, Action.SLIDE_READ, Resource()).allowed
        if not (may and allow(actor, Action.SLIDE_READ, Resource(slide.project)).allowed and seconds > 0):
            return None
        return slide, seconds


def _target_end(request: bytes) -> int | None:
    """Find where the address of one whole request ends; None when it is longer than usual, or not just one."""
    end = request.find(_VERSION)
    whole = len(request) <= MAX_REQUEST and request.find(_END) == len(request) - len(_END)
    return end if end >= 0 and whole else None


def _head_of(request: bytes, start: int, visit: Visit) -> Head | None:
    """Read the headers; those of a connection are nearly always the same bytes again."""
    raw = request[start:]
    if raw != visit.raw:
        visit.raw, visit.head = raw, read_head(raw)
    return visit.head


def read_head(raw: bytes) -> Head | None:
    """Read headers as they came, with the empty line at their end; None when anything about them is unusual."""
    found = dict[bytes, str]()
    for line in raw[:-4].split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if not colon or name not in _HARMLESS or name in found or not _VALUE.fullmatch(value):
            return None
        found[name] = value.decode("ascii")
    if found.get(b"connection", "keep-alive").lower() != "keep-alive":
        return None
    secret, is_token = credentials(found.get(b"authorization"), found.get(b"cookie", ""))
    if not secret or len(secret) > MAX_SECRET:
        return None
    tags = found.get(b"if-none-match")
    known = None if tags is None else frozenset(tag.strip().removeprefix("W/") for tag in tags.split(","))
    return Head(digest(secret), is_token, known)


@lru_cache(maxsize=_REMEMBERED)
def _wanted(query: bytes) -> _Wanted | None:
    try:
        found = parse_query(query, DeepZoomQuery)
    except PathServeError:
        return None
    return _Wanted(found.color, found.view, found.g) if found.model_fields_set <= _PARAMETERS else None


def _request_ids() -> Iterator[bytes]:
    """Give ids as `Envelope` makes them, but ask the system for many at once."""
    while True:
        many = secrets.token_hex(8 * _IDS).encode()
        for start in range(0, len(many), 16):
            yield many[start : start + 16]
