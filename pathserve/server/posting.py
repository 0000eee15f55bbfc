"""Bodies of annotations that are posted: small ones in memory, others by way of a file, read block by block."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from anyio import to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pathserve.formats.geojson.geojson_file import PLAIN_BYTES
from pathserve.ingest.room import require_room
from pathserve.server.bodies import read_body
from pathserve.server.exchanging import write_body
from pathserve.server.services import Services
from pathserve.server.staged import staged


async def with_posted(request: Request, services: Services, work: Callable[[bytes | Path], Response]) -> Response:
    """Do something with a body in a thread once all of it is there.

    Raises
    ------
    TooLarge
        As soon as there is too much of it.
    Busy
        When too little of the disk would be left.
    """
    limit = services.settings.max_body_bytes
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) <= min(limit, PLAIN_BYTES):
        return await run_in_threadpool(work, await read_body(request, limit=limit))
    with staged(services.settings.imports) as path:
        await write_body(
            request,
            path,
            limit=limit,
            require_room=partial(require_room, services.settings),
            limiter=services.uploading,
        )
        return await to_thread.run_sync(work, path, limiter=services.exchange_threads)
