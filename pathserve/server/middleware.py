"""Pure ASGI middleware: what every request and every answer has, also when something goes wrong."""

import secrets
from time import perf_counter_ns

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pathserve.server.cors import answer_headers
from pathserve.server.metrics import Metrics
from pathserve.server.problems import on_unexpected
from pathserve.server.timing import HEADER, timing_of

# What is no script is never run as one, and no address of ours is told to other sites.
SAME_FOR_ALL = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_GONE = 499  # no status of HTTP: the client went before it was answered


class Envelope:
    """Gives each request an id, each answer that id and two headers, and each bug an answer without its text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        added = [(b"x-request-id", request_id.encode()), *SAME_FOR_ALL, *answer_headers(scope["path"])]
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as error:  # noqa: BLE001 - let through, its text would reach the log, and that can name a patient
            answer = on_unexpected(scope, error)
            if not started:
                await answer(scope, receive, send_with_headers)


class Counting:
    """Counts each request by its kind, which the route sets as ``scope["state"]["kind"]``; the outermost one.

    Sets ``scope["state"]["arrived"]``, nanoseconds of `time.perf_counter_ns`. What counts is the time until an answer
    begins: after that it is the client who is fast or slow.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._assets = metrics.kind("GET", "/assets/{file}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        arrived = began = perf_counter_ns()
        state = scope.setdefault("state", {})
        state["arrived"] = arrived
        status, sent = _GONE, 0

        async def send_and_count(message: Message) -> None:
            nonlocal status, sent, began
            if message["type"] == "http.response.start":
                status, began = message["status"], perf_counter_ns()
                timing = timing_of(state)
                if timing is not None:
                    message["headers"] = [*message.get("headers", ()), (HEADER, timing.header(began))]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_and_count)
        finally:
            kind = state.get("kind")
            if kind is None:
                kind = self._assets if scope["path"].startswith("/assets/") else self._metrics.other
            self._metrics.count(kind, status, sent, (began if began > arrived else perf_counter_ns()) - arrived)
