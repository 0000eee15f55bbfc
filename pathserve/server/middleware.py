"""Pure ASGI middleware: a request id and the headers that every answer has."""

import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
"""On every answer: what is no script is never run as one, and no address of ours is told to other sites."""

_RAW = [(name.encode(), value.encode()) for name, value in ALWAYS.items()]


class Envelope:
    """Gives each request an id, and each answer that id and the headers of `ALWAYS`."""

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

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)
