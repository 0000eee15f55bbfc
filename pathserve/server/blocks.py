"""Long answers, sent block by block."""

from collections.abc import AsyncIterator, Mapping

import anyio
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from pathserve.server.services import Places

STALLED_SECONDS = 60.0
"""How long a client may take over one block before it is given up."""


class BlockResponse(StreamingResponse):
    """A long answer; only so many are under way at once, and none to a client that has stopped.

    Memory: one block, and what the connection holds back.
    """

    def __init__(
        self, blocks: AsyncIterator[bytes], places: Places, *, status_code: int = 200, headers: Mapping[str, str]
    ) -> None:
        super().__init__(blocks, status_code=status_code, headers=headers)
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the blocks until the last one, or until the client is gone."""

        async def send_in_time(message: Message) -> None:
            with anyio.move_on_after(STALLED_SECONDS) as waiting:
                await send(message)
            if waiting.cancelled_caught:
                raise ClientDisconnect

        with self._places.hold():
            await super().__call__(scope, receive, send_in_time)
