"""One ingest with a chosen number of threads, and when it reached what: ``python -m benchmarks.timed_ingest``.

Runs in a process of its own. The moments count from the call, after PathServe is imported; CPU is that of this process
and of the worker.
"""

import os
import sys
import time
from contextlib import closing
from pathlib import Path

import orjson

from benchmarks.measure import process_cpu_seconds
from benchmarks.processes import children
from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.ingest import IngestOptions, Progress, ingest_scan
from pathserve.slides import Scan

HASHED, VIEWABLE, READY = "hashed", "viewable", "ready"


class Moments:
    """Notes when an ingest goes over to another part of its work."""

    def __init__(self) -> None:
        self._begun = self._spent()
        self.reached: dict[str, dict[str, float]] = {}

    def progress(self, now: Progress) -> None:
        """Take what the ingest tells."""
        if now.phase == "opening":
            self.reach(HASHED)
        elif now.phase == "finishing":
            self.reach(VIEWABLE)

    def reach(self, what: str) -> None:
        """Note that something is reached, the first time."""
        if what not in self.reached:
            wall, cpu = (now - begun for now, begun in zip(self._spent(), self._begun, strict=True))
            self.reached[what] = {"wall_s": wall, "cpu_s": cpu}

    def _spent(self) -> tuple[float, float]:
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return time.perf_counter(), own + sum(process_cpu_seconds(child) for child in children(os.getpid()))


def main() -> None:
    slide, data, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    settings = Settings(data=data)
    data.mkdir(parents=True, exist_ok=True)
    with closing(open_database(settings.database)) as database:
        moments = Moments()
        options = IngestOptions(workers=threads)
        outcomes = ingest_scan(
            Scan.of(slide),
            settings=settings,
            catalog=Catalog(database),
            options=options,
            progress=moments.progress,
        )
        moments.reach(VIEWABLE)
        moments.reach(READY)
    print(orjson.dumps({"slide": outcomes[0].slide.id, "moments": moments.reached}).decode())


if __name__ == "__main__":
    main()
