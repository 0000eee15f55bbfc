"""The process that opens scans: ``python -m pathserve.ingest.worker``. It may abort, hang or be killed at any time.

It reads one order on its standard input, reports on the pipe whose number is its only argument, and ends. It ends as
well when its parent does.
"""

import ctypes
import os
import resource
import signal
import sys
import time
from threading import Lock, Thread
from typing import Any

import orjson

from pathserve.errors import Busy, PathServeError, TooLarge
from pathserve.ingest.messages import Order, error_message, info_message
from pathserve.pyramid import build_pyramid, plan_pyramid
from pathserve.slides import open_slide

MEMORY_LIMIT = 4 << 30
"""Most address space of a worker."""

_PR_SET_PDEATHSIG = 1
_REPORT_SECONDS = 0.1


class _Reports:
    """Writes messages, progress not more often than anybody can see."""

    def __init__(self, pipe: int) -> None:
        self._pipe = os.fdopen(pipe, "wb")
        self._lock = Lock()
        self._last = 0.0

    def send(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._pipe.write(orjson.dumps(message) + b"\n")
            self._pipe.flush()

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - self._last >= _REPORT_SECONDS:
            self._last = now
            self.send({"done": done, "total": total})


def main() -> None:
    """Carry out one order."""
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    reports = _Reports(int(sys.argv[1]))
    order = Order.parse(sys.stdin.buffer.readline())
    Thread(target=_exit_at_end_of_input, daemon=True).start()
    try:
        _carry_out(order, reports)
    except PathServeError as error:
        reports.send(error_message(error))
    except MemoryError:
        reports.send(error_message(TooLarge("Reading this scan takes more memory than it may have.")))
    except OSError:
        # Reading the scan raises PathServeErrors: what is left is the data folder.
        reports.send(error_message(Busy("The data folder cannot be written; the disk may be full.")))


def _carry_out(order: Order, reports: _Reports) -> None:
    with open_slide(order.scan) as source:
        reports.send({"opened": info_message(source.info)})
        if order.staging is None:
            return
        plan = plan_pyramid(source.info, recompress=order.recompress)
        built = build_pyramid(
            source,
            plan,
            order.staging,
            content_hash=order.content_hash,
            workers=order.workers,
            progress=reports.progress,
        )
    reports.send({"built": str(built.folder), "resumed": built.resumed_shards})


def _end_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent ends, for code that holds the interpreter and cannot notice."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _exit_at_end_of_input() -> None:
    """End at once when the parent's side of the input closes."""
    while os.read(0, 1):  # not sys.stdin: its lock would be in the way when the interpreter ends
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
