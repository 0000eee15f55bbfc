"""Long answers, sent block by block."""

from collections.abc import AsyncIterator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pathserve.access import Actor
from pathserve.server.shares import Places


class BlockResponse(StreamingResponse):
    """A long answer; ends when the client leaves or is given up.

    Only so many are under way at once, and so many of one caller.

    Memory: one block, and what the connection holds back.
    """

    def __init__(
        self,
        blocks: AsyncIterator[bytes],
        places: Places,
        actor: Actor,
        *,
        status_code: int = 200,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(blocks, status_code=status_code, headers=headers)
        self._places = places
        self._actor = actor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the blocks until the last one, or until the client is gone."""
        with self._places.hold(self._actor):
            await super().__call__(scope, receive, send)
