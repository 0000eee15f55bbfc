"""Running a worker: messages under a deadline, and every way in which it can end made into one clear error."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from pathserve.errors import Busy, Cancelled, Corrupt
from pathserve.pixels import SlideInfo
from pathserve.slides.identity import IdentityReport
from pathserve.worker.messages import MAX_LINE, Order, parse_error, parse_info

_READ = 1 << 16
_EXIT_SECONDS = 10.0
_POLL_SECONDS = 0.25
_START_SECONDS = 120.0
"""How long a worker may take to load what it needs, on a machine that has much else to do."""

_ENDS = {"opened", "built", "rest"}
_KEYS = ("AWS_", "AZURE_", "GOOGLE_", "GCP_", "OBJECT_STORE_", "PATHSERVE_DATABASE", "PG")
"""Beginnings of the names of variables that hold credentials."""

_STOPPED = {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP}
_TOO_LONG = "Reading this scan took too long and was stopped: it is damaged, or no scan."
_READY = "ready"
_UNREADABLE = "Reading this file made its reader fail: it is damaged, or no scan."


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that opening a scan may take, and seconds that may pass without progress while it is read."""

    opening: float = 30.0
    stalled: float = 120.0


def never() -> bool:
    """Tell that nobody cancels."""
    return False


def _pass(*_: object) -> None:
    """Take news that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Listener:
    """What is done about a worker's news; the worker's next one comes when it is done.

    Parameters
    ----------
    progress
        Told how many chunks are done, and how many there are in this part of the work.
    opened
        Told what the scan is.
    built
        Told where a pyramid was built and how many of its shards an earlier worker had finished; publishes it.
    rest_built
        The same for the levels that a published pyramid lacked.
    cancelled
        Tells whether the work is no longer wanted; asked several times a second.
    searched
        Told what in the scan may name a person.
    """

    progress: Callable[[int, int], None] = _pass
    opened: Callable[[SlideInfo], None] = _pass
    built: Callable[[Path, int], None] = _pass
    rest_built: Callable[[Path, int], None] = _pass
    cancelled: Callable[[], bool] = never
    searched: Callable[[IdentityReport], None] = _pass


def run_worker(order: Order, listener: Listener, deadlines: Deadlines) -> None:
    """Carry out an order in a process of its own.

    Raises
    ------
    PathServeError
        As the worker or the listener raises it; ``Corrupt`` when the worker crashes or hangs; ``Busy`` when it is
        stopped from outside, or (code ``worker_failed``) ends before it is ready, which is no fault of the scan;
        ``Cancelled`` when the work is no longer wanted.
    """
    said = set[str]()
    with _started(order) as (process, pipe):
        for message in _messages(process, pipe, deadlines, listener.cancelled):
            if "error" in message:
                raise parse_error(message)
            said.update(message)
            _tell(message, listener)
            if "built" in message:
                _go_on(process)
        code = _exit_code(process)
    if -code in _STOPPED:
        raise Busy("The process that read the scan was stopped from outside; a new ingest goes on where it stopped.")
    if _READY not in said:
        raise _not_started()
    if code != 0 or not said & _ENDS:
        raise Corrupt(_UNREADABLE)


def _tell(message: dict[str, Any], listener: Listener) -> None:
    if _READY in message:
        return
    if "opened" in message:
        listener.opened(parse_info(message["opened"]))
    elif "identity" in message:
        listener.searched(IdentityReport.parse(message["identity"]))
    elif "built" in message:
        listener.built(Path(message["built"]), int(message["resumed"]))
    elif "rest" in message:
        listener.rest_built(Path(message["rest"]), int(message["resumed"]))
    else:
        listener.progress(int(message["done"]), int(message["total"]))


def _go_on(process: subprocess.Popen[bytes]) -> None:
    """Let the worker build what can be made of what is published; one that has nothing to do has ended."""
    if process.stdin is not None:
        # Past the buffer: what it cannot write it tries again when it is closed, and fails then.
        with suppress(BrokenPipeError):
            os.write(process.stdin.fileno(), b"\n")


@contextmanager
def _started(order: Order) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a worker, and leave none behind; its output is discarded, for it may hold a scan's metadata."""
    pipe, theirs = os.pipe()
    try:
        try:
            process = _spawn(theirs, "program" if order.scheduler is None else "cluster_program")
        finally:
            os.close(theirs)
        with process:
            try:
                _give(process, order)
                yield process, pipe
            finally:
                process.kill()
    except BrokenPipeError:  # it ended before it read its order
        raise _not_started() from None
    finally:
        os.close(pipe)


def _give(process: subprocess.Popen[bytes], order: Order) -> None:
    """Write the order, which a worker reads when it is ready."""
    if process.stdin is None:
        raise _not_started()
    process.stdin.write(order.to_bytes())
    process.stdin.flush()


def _not_started() -> Busy:
    sentence = "The process that reads scans cannot be started; see the installation."
    return Busy(sentence, code="worker_failed")


def _spawn(reports: int, module: str) -> subprocess.Popen[bytes]:
    """Start a worker that imports this very package, and nothing out of the current folder."""
    package = Path(__file__).parent.parent.parent
    path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(  # noqa: S603 - our own module, no shell
        [sys.executable, "-P", "-m", f"pathserve.worker.{module}", str(reports)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(reports,),
        # One heap for all threads: each of its own would keep what a decoder once needed (5 MB of JPEG 2000).
        env={**_unprivileged(), "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "PYTHONPATH": path},
    )


def _unprivileged() -> dict[str, str]:
    """Give the environment without what opens an object store or a database: scans come from strangers."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_KEYS)}


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    """Wait for a worker that has said everything; one that does not end has failed."""
    try:
        return process.wait(_EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        return 1


def _messages(
    process: subprocess.Popen[bytes], pipe: int, deadlines: Deadlines, cancelled: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """Give the worker's messages as they come.

    Raises
    ------
    Corrupt
        When it says nothing for too long (it is killed then), or something that no worker says.
    Busy
        When it does not begin.
    Cancelled
        When the work is no longer wanted (it is killed then).
    """
    buffered = b""
    ready, limit = False, time.monotonic() + _START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            news = selector.select(min(_POLL_SECONDS, max(0.0, limit - time.monotonic())))
            if cancelled():
                process.kill()
                raise Cancelled("The ingest was cancelled.")
            if not news:
                if time.monotonic() >= limit:
                    process.kill()
                    raise Corrupt(_TOO_LONG) if ready else _not_started()
                continue
            data = os.read(pipe, _READ)
            if not data:
                return
            *lines, buffered = (buffered + data).split(b"\n")
            if len(buffered) > MAX_LINE:
                raise Corrupt(_UNREADABLE)
            for line in lines:
                yield _parse(line)
            if lines:  # counted from here: publishing, which the parent does meanwhile, takes its time
                opening = not ready and len(lines) == 1
                limit = time.monotonic() + (deadlines.opening if opening else deadlines.stalled)
                ready = True


def _parse(line: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        raise Corrupt(_UNREADABLE)
    return message
