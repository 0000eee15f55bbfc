"""What the benchmarks share: interleaved rounds, spreads, ratios within a run, the machine, tables and JSON."""

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openslide
import orjson

Figures = Mapping[str, float]
"""What one run of a case gave, by name of the figure."""

Runs = Mapping[str, Sequence[Figures]]
"""Figures of every round, by case."""

_PACKAGES = (
    "starlette", "uvicorn", "uvloop", "httptools", "openslide-python", "openslide-bin", "pillow", "simplejpeg", "numpy",
    "dask", "tifffile",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of a figure over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Take the spread of at least one value."""
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1])

    def text(self, pattern: str = "{:,.1f}") -> str:
        """Write it as ``median (least-most)``."""
        middle, low, high = (pattern.format(value) for value in (self.median, self.low, self.high))
        return f"{middle} ({low}-{high})"


def interleave(
    cases: Mapping[str, Callable[[], Figures]], *, rounds: int, warm_up: bool = True
) -> dict[str, list[Figures]]:
    """Run A B C A B C ..., so that what else the machine does meets all cases alike.

    Parameters
    ----------
    warm_up
        Run every case once before, and throw its figures away.
    """
    runs: dict[str, list[Figures]] = {name: [] for name in cases}
    for number in range(-1 if warm_up else 0, rounds):
        for name, case in cases.items():
            print(f"round {number + 1}/{rounds}: {name}", file=sys.stderr, flush=True)
            figures = case()
            if number >= 0:
                runs[name].append(figures)
    return runs


def spreads(runs: Runs, figure: str) -> dict[str, Spread]:
    """Give one figure of every case."""
    return {name: Spread.of(figures[figure] for figures in rounds) for name, rounds in runs.items()}


def ratio(runs: Runs, figure: str, of: str, to: str) -> Spread:
    """Give how many times a figure of one case is that of another, taken round by round."""
    return Spread.of(a[figure] / b[figure] for a, b in zip(runs[of], runs[to], strict=True))


def process_cpu_seconds(pid: int) -> float:
    """Give user and system time of all threads of a process so far, in steps of a clock tick (10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])  # fields 14 and 15 of proc_pid_stat(5)
    return (user + system) / os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, Any]:
    """Say on what the figures were taken; the load is that of the last minute before the run."""
    info = Path("/proc/cpuinfo").read_text("utf-8")
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "openslide": openslide.__library_version__,
        "commit": _commit(),
        "packages": {name: version(name) for name in _PACKAGES},
        "load_average_before": os.getloadavg()[0],
    }


def _commit() -> str:
    """Give the commit that is measured; empty outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    folder = Path(__file__).parent
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; all columns but the first are right-aligned."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_json(path: Path, **parts: object) -> None:
    """Write the figures for programs; spreads become objects."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_DATACLASS
    path.write_bytes(orjson.dumps(parts, default=_plain, option=options) + b"\n")


def _plain(value: object) -> object:
    if isinstance(value, Spread):
        return asdict(value)
    raise TypeError
