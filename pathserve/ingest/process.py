"""Running a worker: messages under a deadline, and every way in which it can end made into one clear error."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from pathserve.errors import Busy, Corrupt
from pathserve.ingest.messages import MAX_LINE, Order, parse_error, parse_info
from pathserve.pixels import SlideInfo

_READ = 1 << 16
_EXIT_SECONDS = 10.0
_STOPPED = {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP}
_UNREADABLE = "Reading this file made its reader fail: it is damaged, or no scan."


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that opening a scan may take, and seconds that may pass without progress while it is read."""

    opening: float = 30.0
    stalled: float = 120.0


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """What a worker found, and where it built the pyramid when it was asked to."""

    info: SlideInfo
    built: Path | None
    resumed_shards: int


def run_worker(order: Order, progress: Callable[[int, int], None], deadlines: Deadlines) -> WorkerResult:
    """Carry out an order in a process of its own.

    Raises
    ------
    PathServeError
        As the worker reports it; ``Corrupt`` when it crashes or hangs; ``Busy`` when it is stopped from outside.
    """
    info: SlideInfo | None = None
    built: Path | None = None
    resumed = 0
    with _started(order) as (process, pipe):
        for message in _messages(process, pipe, deadlines):
            if "error" in message:
                raise parse_error(message)
            if "opened" in message:
                info = parse_info(message["opened"])
            elif "built" in message:
                built, resumed = Path(message["built"]), int(message["resumed"])
            else:
                progress(int(message["done"]), int(message["total"]))
        code = _exit_code(process)
    if -code in _STOPPED:
        raise Busy("The process that read the scan was stopped from outside; a new ingest goes on where it stopped.")
    if code != 0 or info is None or (built is None) != (order.staging is None):
        raise Corrupt(_UNREADABLE)
    return WorkerResult(info, built, resumed)


@contextmanager
def _started(order: Order) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a worker, and leave none behind; its output is discarded, for it may hold a scan's metadata."""
    pipe, theirs = os.pipe()
    try:
        try:
            process = _spawn(theirs)
        finally:
            os.close(theirs)
        with process:
            try:
                if process.stdin is None:
                    raise Busy("The process that reads scans cannot be started.")
                process.stdin.write(order.to_bytes())
                process.stdin.flush()
                yield process, pipe
            finally:
                process.kill()
    except BrokenPipeError:
        raise Corrupt(_UNREADABLE) from None
    finally:
        os.close(pipe)


def _spawn(reports: int) -> subprocess.Popen[bytes]:
    """Start a worker that imports this very package, and nothing out of the current folder."""
    package = Path(__file__).parent.parent.parent
    path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(  # noqa: S603 - our own module, no shell
        [sys.executable, "-P", "-m", "pathserve.ingest.worker", str(reports)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(reports,),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path},
    )


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    """Wait for a worker that has said everything; one that does not end has failed."""
    try:
        return process.wait(_EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        return 1


def _messages(process: subprocess.Popen[bytes], pipe: int, deadlines: Deadlines) -> Iterator[dict[str, Any]]:
    """Give the worker's messages as they come.

    Raises
    ------
    Corrupt
        When it says nothing for too long (it is killed then), or something that no worker says.
    """
    limit, opened, buffered = time.monotonic() + deadlines.opening, False, b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, limit - time.monotonic())):
                process.kill()
                raise Corrupt("Reading this scan took too long and was stopped: it is damaged, or no scan.")
            data = os.read(pipe, _READ)
            if not data:
                return
            *lines, buffered = (buffered + data).split(b"\n")
            if len(buffered) > MAX_LINE:
                raise Corrupt(_UNREADABLE)
            for line in lines:
                message = _parse(line)
                opened = opened or "opened" in message
                if opened:
                    limit = time.monotonic() + deadlines.stalled
                yield message


def _parse(line: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        raise Corrupt(_UNREADABLE)
    return message
