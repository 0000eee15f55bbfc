"""Live updates of a slide: what changes, as server-sent events, and who is looking where."""

import time
from collections.abc import Sequence
from itertools import pairwise

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action, Actor, Resource, allow
from pathserve.annotations import Change
from pathserve.annotations.revisions import changes_since
from pathserve.server.bodies import read_model
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.events import MEDIA_TYPE, Event, EventStream, News, follow, last_event
from pathserve.server.models_live import ChangedModel, HereModel, PresenceBody, PresentModel
from pathserve.server.params import NoQuery
from pathserve.server.presence import Present
from pathserve.server.services import Services

_AT_ONCE = 1000
_SMALL = 4096
_LOOK_AGAIN_SECONDS = 2.0


class SlideFeed:
    """Finds out what has become of a slide since the last time, and who is there.

    Parameters
    ----------
    since
        The revision after which it begins.
    """

    def __init__(self, services: Services, slide: str, *, since: int) -> None:
        self._services = services
        self._slide = slide
        self._since = since
        self._here = ""
        self._somebody = False

    def look(self) -> tuple[int, int]:
        """Give what is another when people have come, moved or gone; takes no time."""
        # Who says nothing more has gone: nothing but the clock tells that.
        again = int(time.monotonic() / _LOOK_AGAIN_SECONDS) if self._somebody else 0
        return self._services.presence.mark(self._slide), again

    def read(self, actor: Actor) -> News:
        """Give what is new; blocks. Nothing more comes once the slide is gone, or the caller may not see it."""
        slide = self._services.slides.get_here(self._slide)
        if slide is None or not allow(actor, Action.ANNOTATION_READ, Resource(slide.project)).allowed:
            return News([], over=True)
        events = list[Event]()
        while changes := changes_since(self._services.db, self._slide, self._since, limit=_AT_ONCE):
            self._since = changes[-1].revision
            events += _events(changes)
        return News([*events, *self._presence()])

    def _presence(self) -> list[Event]:
        present = self._services.presence.of(self._slide)
        here = HereModel(items=[PresentModel.of(each) for each in present]).model_dump_json()
        is_news = here != self._here and (self._somebody or bool(present))
        self._here, self._somebody = here, bool(present)
        return [Event("presence", here, None)] if is_news else []


def _events(changes: Sequence[Change]) -> list[Event]:
    """Make the events of some whole revisions.

    Only the last one of a revision names it: a client that comes back after an earlier one gets all of them again.
    """
    ends = [change.revision != following.revision for change, following in pairwise(changes)]
    return [
        Event("changed", ChangedModel.of(change).model_dump_json(), change.revision if is_last else None)
        for change, is_last in zip(changes, [*ends, True], strict=True)
    ]


async def watch_slide(call: Call[NoQuery]) -> Response:
    """Tell of a slide's annotations as they change, and of who is looking where."""
    slide = call.slide()
    newest = await run_in_threadpool(call.services.annotations.revision, slide.id)
    known = last_event(call.request)
    # A higher number than there is was another data folder's.
    since = newest if known is None else min(known, newest)
    feed = SlideFeed(call.services, slide.id, since=since)
    events = follow(call.services, call.request.state.recognise, feed.read, since=since, look=feed.look)
    return EventStream(events, call.services.streams, call.actor)


async def put_presence(call: Call[NoQuery]) -> Response:
    """Say where a viewer looks."""
    slide, presence = call.slide(), call.services.presence
    body = await read_model(call.request, PresenceBody, limit=_SMALL)
    present = Present(call.actor.name, body.client, body.model_dump(exclude={"client"}))
    await run_in_threadpool(presence.put, slide.id, present)
    return Response(status_code=204, headers={"cache-control": "no-store"})


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides/{slide}/events",
        watch_slide,
        Action.ANNOTATION_READ,
        "What happens to a slide's annotations, and who looks where, as server-sent events `changed` and `presence`",
        NoQuery,
        {200: Answer("Events; `Last-Event-ID`, a revision, goes on after it.", (MEDIA_TYPE,))},
        tag="annotations",
    ),
    Endpoint(
        "PUT",
        "/api/slides/{slide}/presence",
        put_presence,
        Action.ANNOTATION_READ,
        "Say where a viewer looks; it is forgotten after ten seconds",
        NoQuery,
        {204: Answer("Others are told.", ())},
        body_types=("application/json",),
        body_model=PresenceBody,
        tag="annotations",
    ),
)
