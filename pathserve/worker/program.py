"""The process that opens scans: ``python -m pathserve.worker.program``. It may abort, hang or be killed at any time.

It says on the pipe whose number is its only argument that it is ready, reads one order on its standard input, reports
on that pipe, and ends. In between it may wait for one more byte of input, by which the parent says that what was built
is published. It ends as well when its parent does.
"""

import ctypes
import errno
import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import orjson

from pathserve.errors import DISK_FULL, Busy, PathServeError, TooLarge
from pathserve.pixels import PixelSource
from pathserve.pyramid import plan_pyramid
from pathserve.pyramid.build import Runner, build_pyramid, build_reduced
from pathserve.pyramid.plan import Verbatim
from pathserve.slides import open_slide
from pathserve.slides.identity import search_scan
from pathserve.worker.messages import Order, error_message, info_message
from pathserve.worker.pictures import write_pictures

MEMORY_LIMIT = 4 << 30
"""Most address space of a worker."""

REST = "rest"
"""Folder inside the staging folder where levels are built that come after publication."""

RunnerOf = Callable[[Order, Path], Runner | None]
"""Gives what runs the shards that an order has built in a folder; None: threads of this process."""

_PUBLISHED = Event()
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


def _threads(_order: Order, _staging: Path) -> None:
    """Leave the shards to threads."""


def main(runner_of: RunnerOf = _threads) -> None:
    """Carry out one order."""
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    reports = _Reports(int(sys.argv[1]))
    reports.send({"ready": True})  # everything is loaded: what goes wrong from here on is the scan's doing
    order = Order.parse(sys.stdin.buffer.readline())
    Thread(target=_watch_input, daemon=True).start()
    try:
        _carry_out(order, reports, runner_of)
    except PathServeError as error:
        reports.send(error_message(error))
    except MemoryError:
        reports.send(error_message(TooLarge("Reading this scan takes more memory than it may have.")))
    except OSError as error:
        # Reading the scan raises PathServeErrors: what is left is the data folder.
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        busy = Busy("The disk is full.", code=DISK_FULL) if full else Busy("The data folder cannot be written.")
        reports.send(error_message(busy))


def _carry_out(order: Order, reports: _Reports, runner_of: RunnerOf = _threads) -> None:
    """Look at the scan, build what only it can tell, and then what can be made of that."""
    viewable = order.scan is None
    if order.scan is not None:
        with open_slide(order.scan, scene=order.scene) as source:
            reports.send({"opened": info_message(source.info)})
            if order.identity is not None:
                reports.send({"identity": search_scan(order.scan, values=order.identity).to_dict()})
            if order.pictures is not None:
                write_pictures(source, order.scan.main, order.pictures)
            gc.collect()  # parsing leaves cycles with a number for each tile: 7 MB of a scan of 5 gigapixels
            if order.staging is None:
                return
            viewable = _build(source, order, order.staging, reports, runner_of)
    if viewable and order.staging is not None and order.published is not None:
        rest = order.staging / REST
        rest.mkdir(exist_ok=True)
        built = build_reduced(
            order.published,
            rest,
            workers=order.workers,
            progress=reports.progress,
            run=runner_of(replace(order, scan=None), rest),
        )
        reports.send({"rest": str(built.folder), "resumed": built.resumed_shards})


def _build(source: PixelSource, order: Order, staging: Path, reports: _Reports, runner_of: RunnerOf) -> bool:
    """Build a pyramid; tell whether levels are left to be made now that everybody can see the others."""
    plan = plan_pyramid(source.info, recompress=order.recompress, lossless=order.lossless)
    # Copying takes seconds: what is copied is shown at once, and what is made of it comes while people look.
    later = isinstance(plan.levels[0].source, Verbatim) and bool(plan.reduced_levels)
    built = build_pyramid(
        source,
        plan,
        staging,
        content_hash=order.content_hash,
        workers=order.workers,
        progress=reports.progress,
        reduced=not later,
        run=runner_of(replace(order, published=None), staging),
    )
    reports.send({"built": str(built.folder), "resumed": built.resumed_shards})
    if later:
        _PUBLISHED.wait()
    return later


def _end_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent ends, for code that holds the interpreter and cannot notice."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _watch_input() -> None:
    """Note that the parent has published what was built, and end at once when its side of the input closes."""
    while os.read(0, 1):  # not sys.stdin: its lock would be in the way when the interpreter ends
        _PUBLISHED.set()
    os._exit(1)


if __name__ == "__main__":
    main()
