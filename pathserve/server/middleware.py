"""Pure ASGI middleware: what every request and every answer has, also when something goes wrong."""

import secrets

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pathserve.server.problems import on_unexpected

# What is no script is never run as one, and no address of ours is told to other sites.
_RAW = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]


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
        added = [(b"x-request-id", request_id.encode()), *_RAW]
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
