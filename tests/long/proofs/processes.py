"""Starting an ingest, and ending its processes where it hurts."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from proofs.ingested import WHOLE_PROGRAM


def start_ingest(data: Path, scan: Path, **more: object) -> "subprocess.Popen[str]":
    """Start an ingest in processes of its own; its output is its progress, line by line."""
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-c", WHOLE_PROGRAM, str(data), str(scan)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def first_line(process: "subprocess.Popen[str]") -> str:
    """Wait until an ingest has begun: what comes before is Python's own start."""
    assert process.stdout is not None
    return process.stdout.readline()


def children_of(pid: int) -> list[int]:
    """List the processes that a process has started."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(entry))
    return found


def kill_one(process: "subprocess.Popen[str]", *, worker: bool) -> str:
    """Kill an ingest's parent, or its worker if it has one at this moment; say which it was."""
    workers = children_of(process.pid) if worker else []
    try:
        os.kill(workers[0] if workers else process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return "nothing: it had ended"
    return "worker" if workers else "parent"


def wait_for_end(process: "subprocess.Popen[str]", seconds: float = 120.0) -> None:
    """Wait until an ingest and its worker have ended."""
    workers = children_of(process.pid)
    process.communicate(timeout=seconds)
    deadline = time.monotonic() + seconds
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.01)
