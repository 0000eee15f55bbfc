"""Server-sent events: answers that stay open and tell what changes, until who asked or the server has gone."""

import time
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pathserve.access import Actor
from pathserve.errors import Invalid
from pathserve.server.auth import Recognise
from pathserve.server.services import Services
from pathserve.server.shares import Places

MEDIA_TYPE = "text/event-stream"

_LOOK_SECONDS = 0.25
_BEAT_SECONDS = 15.0
_AGAIN_MILLISECONDS = 2000
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its name, its JSON, and the number that a client names when it comes back.

    Without a number the client keeps that of the event before: what this one told it is told again then, or not at all.
    """

    name: str
    data: str
    number: int | None

    def encoded(self) -> bytes:
        """Give its bytes; JSON of ours has no line breaks."""
        number = "" if self.number is None else f"id: {self.number}\n"
        return f"{number}event: {self.name}\ndata: {self.data}\n\n".encode()


@dataclass(frozen=True, slots=True)
class News:
    """What was found: events in their order, and whether nothing more will come."""

    events: list[Event]
    over: bool = False


Read = Callable[[Actor], News]
"""Gives what is new and the actor may know; in a thread that may block."""


class EventStream(StreamingResponse):
    """An answer of events; holds a place as long as it is open.

    Raises, before anything is sent, `Busy` when no place is left for its caller.
    """

    def __init__(self, content: AsyncIterator[bytes], places: Places, actor: Actor) -> None:
        # Without the last header some proxies keep events back until they have many.
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(content, media_type=MEDIA_TYPE, headers=headers)
        self._places = places
        self._actor = actor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the stream or the client ends."""
        with self._places.hold(self._actor):
            await super().__call__(scope, receive, send)


def last_event(request: Request) -> int | None:
    """Read the number of the last event that the client has, or None.

    Raises
    ------
    Invalid
        When it is no number of an event.
    """
    text = request.headers.get("last-event-id", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise Invalid("Last-Event-ID is no number of an event of this server.")
    return int(text)


def wants_events(request: Request) -> bool:
    """Tell whether the client asks for events and not for JSON."""
    return MEDIA_TYPE in request.headers.get("accept", "")


async def follow(
    services: Services,
    recognise: Recognise,
    read: Read,
    *,
    since: int,
    look: Callable[[], Hashable] = lambda: None,
) -> AsyncIterator[bytes]:
    """Give events as they come, with a sign of life in between.

    One cheap look at the database's version, four times a second, says whether there can be news. Ends with the
    caller's session or token, with the server, and when ``read`` says so.

    Parameters
    ----------
    since
        Number of the event after which this begins: a client that loses the connection before the first event knows
        from it where to go on.
    look
        Gives another value when there can be news that are in no database; on the event loop, so for no time.
    """
    yield f"retry: {_AGAIN_MILLISECONDS}\nid: {since}\n\n".encode()
    seen: tuple[int, Hashable] | None = None
    beat = time.monotonic()
    while not services.stopping.is_set():
        version = services.db.version()
        actor = await recognise(version)
        if actor is None:
            return
        looked = (version, look())
        if looked != seen:
            seen = looked
            news = await run_in_threadpool(read, actor)
            for event in news.events:
                yield event.encoded()
            if news.over:
                return
        if time.monotonic() - beat >= _BEAT_SECONDS:
            beat = time.monotonic()
            yield b":\n\n"
        await anyio.sleep(_LOOK_SECONDS)
