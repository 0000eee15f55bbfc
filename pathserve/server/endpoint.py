"""One address of the interface, declared once: its route, its permission, its parameters and its description."""

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pathserve.access import Action, Actor, Resource, require
from pathserve.catalog import SlideRecord
from pathserve.errors import NotFound, Unauthenticated
from pathserve.labels import Annotation
from pathserve.server.params import parse_query
from pathserve.server.services import Services
from pathserve.server.shares import Turns
from pathserve.server.timing import timed

_CONVERTER = re.compile(r":\w+\}")
_T = TypeVar("_T")
_Q = TypeVar("_Q", bound=BaseModel)
_Q_co = TypeVar("_Q_co", bound=BaseModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Call(Generic[_Q_co]):
    """One request on its way through a handler, after its caller was recognised and its query parsed."""

    request: Request
    services: Services
    action: Action
    query: _Q_co
    named_slide: SlideRecord | None

    @property
    def actor(self) -> Actor:
        """Who is asking."""
        actor = self.request.state.actor
        if not isinstance(actor, Actor):
            raise Unauthenticated("Sign in, or send a token as `Authorization: Bearer TOKEN`.")
        return actor

    def slide(self) -> SlideRecord:
        """Give the slide that the address names when the caller may do this to it."""
        return self._allowed(self.named_slide, "slide")

    def slide_of(self, annotation: Annotation) -> SlideRecord:
        """Give the slide of an annotation when the caller may do this to it; only in a thread that may block."""
        return self._allowed(self.services.slides.get_here(annotation.slide), "annotation")

    def _allowed(self, slide: SlideRecord | None, what: str) -> SlideRecord:
        if slide is None:
            raise NotFound(f"There is no such {what}.")
        require(self.actor, self.action, Resource(slide.project), what=what)
        return slide

    def timed(self, part: str) -> AbstractContextManager[None]:
        """Measure a part of the work, which is told to an administrator."""
        return timed(self.request.scope["state"], part)

    async def in_turn(self, turns: Turns, work: Callable[[], _T], *, gone: Callable[[], object] | None = None) -> _T:
        """Do work in a thread when the caller's turn comes, as :meth:`Turns.run` does."""
        return await turns.run(self.actor, work, self.request.receive, gone=gone)

    def annotation_id(self) -> UUID:
        """Give the annotation's id out of the address."""
        try:
            return UUID(self.request.path_params["annotation"])
        except ValueError as error:
            raise NotFound("There is no such annotation.") from error


@dataclass(frozen=True, slots=True)
class Answer:
    """One kind of answer for the interface's description; ``model`` is None for an answer that is no JSON."""

    description: str
    media_types: tuple[str, ...] = ("application/json",)
    model: type[BaseModel] | None = None


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[_Q]):
    """One method of one address.

    Parameters
    ----------
    action
        What the caller must be allowed to do; `Action.PUBLIC` opens the address to everybody, on purpose.
    query
        The model that parses the query string, and that describes it.
    answers
        By status; errors are described once for all addresses.
    body_types
        Media types of the request's body.
    """

    method: str
    path: str
    handler: Callable[[Call[_Q]], Awaitable[Response]]
    action: Action
    summary: str
    query: type[_Q]
    answers: Mapping[int, Answer]
    body_types: tuple[str, ...] = ()
    body_model: type[BaseModel] | None = None
    tag: str = "slides"
    described: bool = True

    def route(self, services: Services) -> Route:
        """Make the Starlette route."""
        kind = services.metrics.kind(self.method, _CONVERTER.sub("}", self.path))

        async def endpoint(request: Request) -> Response:
            state = request.scope["state"]
            state["kind"], state["reached"] = kind, perf_counter_ns()
            query = parse_query(request.scope["query_string"], self.query)
            slide_id = request.path_params.get("slide")
            slide = None if slide_id is None else await services.slides.get(slide_id, request.state.version)
            state["found"] = perf_counter_ns()
            call = Call(request, services, self.action, query, slide)
            if self.action is not Action.PUBLIC:
                require(call.actor, self.action, Resource())
            return await self.handler(call)

        return Route(self.path, endpoint, methods=[self.method])
