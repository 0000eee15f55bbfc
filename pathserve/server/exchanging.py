"""Files of annotations on their way through the server: a body into a file, a writer's blocks out, and progress."""

import io
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, cast

import anyio
import orjson
from anyio import CapacityLimiter, create_task_group, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pathserve.errors import Cancelled, PathServeError, TooLarge
from pathserve.exchange import ImportReport
from pathserve.server.events import MEDIA_TYPE

_BLOCK = 256 * 1024
_BLOCKS_AHEAD = 4
_LOOK_SECONDS = 0.25
_BEAT_SECONDS = 10.0

Told = Callable[[str, int, int | None], None]


async def write_body(
    request: Request, path: Path, *, limit: int, require_room: Callable[[int], None], limiter: CapacityLimiter
) -> None:
    """Write a request's body to a file.

    Raises
    ------
    TooLarge
        As soon as more than ``limit`` bytes are announced or have come.
    Busy
        When too little of the disk would be left.
    """
    too_large = TooLarge(f"A file of annotations has at most {limit:,} bytes here.")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise too_large
    size = 0
    with path.open("wb", buffering=0) as file:
        parts, waiting = list[bytes](), 0

        def flush() -> None:
            require_room(waiting)
            file.write(b"".join(parts))

        async for part in request.stream():
            size += len(part)
            waiting += len(part)
            if size > limit:
                raise too_large
            parts.append(part)
            if waiting >= _BLOCK:
                await to_thread.run_sync(flush, limiter=limiter)
                parts.clear()
                waiting = 0
        await to_thread.run_sync(flush, limiter=limiter)


class _Blocks(io.RawIOBase):
    """A file without end whose blocks somebody else takes; writing waits until there is room for one more."""

    def __init__(self) -> None:
        self._queue = queue.Queue[bytes | BaseException | None](_BLOCKS_AHEAD)
        self._stopped = threading.Event()
        self._parts = list[bytes]()
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        """Take some bytes; raises `Cancelled` when nobody takes blocks any more."""
        part = bytes(cast(bytes, data))
        self._parts.append(part)
        self._size += len(part)
        if self._size >= _BLOCK:
            self.flush()
        return len(part)

    def flush(self) -> None:
        """Give what there is."""
        if self._parts:
            self._put(b"".join(self._parts))
            self._parts, self._size = [], 0

    def finish(self, error: BaseException | None) -> None:
        """Say that nothing follows."""
        with suppress(Cancelled):
            if error is None:
                self.flush()
            self._put(error)

    def take(self) -> bytes | BaseException | None:
        """Wait for the next block, an error, or None at the end."""
        return self._queue.get()

    def stop(self) -> None:
        """Take no more."""
        self._stopped.set()

    def _put(self, block: bytes | BaseException | None) -> None:
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._queue.put(block, timeout=_LOOK_SECONDS)
                return
        raise Cancelled("Nobody reads this any more.")


async def written_blocks(write: Callable[[BinaryIO], object], limiter: CapacityLimiter) -> AsyncIterator[bytes]:
    """Give what a function writes to a file, block by block, while it goes on in a thread.

    Memory: a few blocks. Whatever it raises is raised here.
    """
    blocks = _Blocks()

    def work() -> None:
        error: BaseException | None = None
        try:
            write(cast(BinaryIO, blocks))
        except BaseException as raised:  # noqa: BLE001 - it is raised again where blocks are taken
            error = raised
        blocks.finish(error)

    thread = threading.Thread(target=work, name="export", daemon=True)
    thread.start()
    try:
        while True:
            block = await to_thread.run_sync(blocks.take, limiter=limiter, abandon_on_cancel=True)
            if isinstance(block, BaseException):
                raise block
            if block is None:
                return
            yield block
    finally:
        blocks.stop()


async def with_first(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Wait for the first block, so that what goes wrong at once still gets its own answer; then give all."""
    try:
        first = await anext(blocks)
    except StopAsyncIteration:
        first = b""

    async def all_of_them() -> AsyncIterator[bytes]:
        yield first
        async for block in blocks:
            yield block

    return all_of_them()


class ImportEvents(Response):
    """Server-sent events of one import: ``progress``, then ``report`` or ``problem``.

    An import whose client leaves stops before anything of it is there.

    Parameters
    ----------
    work
        The import; told how to tell its progress.
    answer
        Turns its outcome into the body of the last event.
    held
        What is let go of at the end: the file, and the caller's place.
    """

    def __init__(
        self,
        work: Callable[[Told], ImportReport],
        answer: Callable[[ImportReport | PathServeError], Response],
        limiter: CapacityLimiter,
        held: ExitStack,
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"}, media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._work, self._answer, self._limiter = work, answer, limiter
        self._held = held
        self._at: tuple[str, int, int | None] = ("reading", 0, None)
        self._is_gone = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Send events until the import has ended or the client has gone."""
        with self._held:
            await self._run(receive, send)

    async def _run(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        outcome: list[ImportReport | PathServeError] = []
        done = anyio.Event()

        async def run() -> None:
            try:
                outcome.append(await to_thread.run_sync(self._work, self._tell, limiter=self._limiter))
            except PathServeError as error:
                outcome.append(error)
            done.set()

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            self._is_gone = True

        async with create_task_group() as tasks:
            tasks.start_soon(watch)
            tasks.start_soon(run)
            told, beat = None, time.monotonic()
            while not done.is_set():
                with anyio.move_on_after(_LOOK_SECONDS):
                    await done.wait()
                if told != self._at or time.monotonic() - beat > _BEAT_SECONDS:
                    told, beat = self._at, time.monotonic()
                    phase, count, total = told
                    await _send_event(send, "progress", orjson.dumps({"phase": phase, "done": count, "total": total}))
            tasks.cancel_scope.cancel()
        answer = self._answer(outcome[0])
        await _send_event(send, "problem" if answer.status_code >= 400 else "report", bytes(answer.body))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _tell(self, phase: str, done: int, total: int | None) -> None:
        self._at = (phase, done, total)
        if self._is_gone:
            raise Cancelled("Who asked for this import has gone.")


async def _send_event(send: Send, name: str, data: bytes) -> None:
    with suppress(ClientDisconnect):
        body = b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
        await send({"type": "http.response.body", "body": body, "more_body": True})
