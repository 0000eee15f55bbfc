"""Long answers, sent block by block."""

from collections.abc import AsyncIterator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pathserve.server.services import Places


class BlockResponse(StreamingResponse):
    """A long answer, of which only so many are under way at once; ends when the client leaves or is given up.

    Memory: one block, and what the connection holds back.
    """

    def __init__(
        self, blocks: AsyncIterator[bytes], places: Places, *, status_code: int = 200, headers: Mapping[str, str]
    ) -> None:
        super().__init__(blocks, status_code=status_code, headers=headers)
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the blocks until the last one, or until the client is gone."""
        with self._places.hold():
            await super().__call__(scope, receive, send)
