"""Many workers of ingest at the price of one start: a process that has imported them forks one for each scan.

``python -m proofs.nursery`` reads a line of JSON for each scan (``scan``, ``files``, ``staging``) and answers with one:
the worker's last messages, how it ended, and the seconds of CPU that it took. What a worker does, and its limits, are
ingest's own.
"""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from pathserve.slides import Scan
from pathserve.worker import program as worker
from pathserve.worker.messages import Order

SECONDS = 60.0
"""After so long a worker counts as one that hangs."""


def main() -> None:
    """Answer line by line."""
    for line in sys.stdin:
        asked = json.loads(line)
        scan = Scan(Path(asked["scan"]), tuple(map(Path, asked["files"])))
        order = Order(scan, staging=Path(asked["staging"]), content_hash="0" * 64, workers=2, identity="none")
        sys.stdout.write(json.dumps(_run(order)) + "\n")
        sys.stdout.flush()


def _run(order: Order) -> dict[str, object]:
    reports, theirs = os.pipe()
    orders, ours = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reports)
        os.close(ours)
        _be_worker(orders, theirs)
    os.close(theirs)
    os.close(orders)
    os.write(ours, order.to_bytes())
    said, hung = _listen(reports, child, ours)
    os.close(reports)
    _, status, usage = os.wait4(child, 0)
    os.close(ours)
    lines = [json.loads(line) for line in said.split(b"\n") if line.startswith(b"{") and line.endswith(b"}")]
    kept = [line for line in lines if "done" not in line]
    exit_code = os.waitstatus_to_exitcode(status)
    return {
        "said": kept,
        "raw": said.decode("latin-1"),
        "exit": exit_code,
        "hung": hung,
        "cpu": usage.ru_utime + usage.ru_stime,
    }


def _be_worker(orders: int, reports: int) -> None:
    os.dup2(orders, 0)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.argv = ["worker", str(reports)]
    try:
        worker.main()
    except BaseException:  # noqa: BLE001 - as the interpreter does it: any error ends the process
        os._exit(1)
    os._exit(0)


def _listen(reports: int, child: int, ours: int) -> tuple[bytes, bool]:
    said, deadline, told = b"", time.monotonic() + SECONDS, False
    os.set_blocking(reports, False)
    while True:
        try:
            data = os.read(reports, 1 << 16)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                return said, True
            time.sleep(0.002)
            continue
        if not data:
            return said, False
        said += data
        if not told and b'"built"' in said:
            told = True
            with suppress(BrokenPipeError):
                os.write(ours, b"\n")  # it may go on


if __name__ == "__main__":
    main()
