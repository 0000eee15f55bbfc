"""Running a program and its children to the end: wall clock, CPU, and the most memory that each process had at once."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program took.

    ``cpu_seconds`` is user and system time of the program and of all children that it waited for, exactly.
    ``peaks`` are the greatest resident sizes (VmHWM) in bytes: the program's own first, then one for each child, read
    every 20 ms, so that what a process takes in its very last moment is missed.
    """

    wall_seconds: float
    cpu_seconds: float
    peaks: tuple[int, ...]
    output: bytes


def run(module: str, *arguments: str | Path) -> Finished:
    """Run ``python -m module``.

    Raises
    ------
    RuntimeError
        When it fails.
    """
    return run_command([sys.executable, "-m", module, *map(str, arguments)])


def run_command(command: Sequence[str]) -> Finished:
    """Run any program; its errors are shown, its output is given back.

    Raises
    ------
    RuntimeError
        When it fails.
    """
    peaks: dict[int, int] = {}
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=_environment()) as process:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            for member in (process.pid, *children(process.pid)):
                peaks[member] = max(peaks.get(member, 0), _peak(member))
            time.sleep(_SAMPLE_SECONDS)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output = process.stdout.read() if process.stdout else b""
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} failed.")
    return Finished(wall, usage.ru_utime + usage.ru_stime, tuple(peaks.values()), output)


def _environment() -> dict[str, str]:
    """Let Python keep what it compiles, as it does for every user: else each start would compile the checkout anew."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def children(pid: int) -> Iterator[int]:
    """List the children of all threads of a process, and theirs."""
    try:
        found = [
            int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()
        ]
    except OSError:  # it has just ended
        return
    for child in found:
        yield child
        yield from children(child)


def _peak(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
