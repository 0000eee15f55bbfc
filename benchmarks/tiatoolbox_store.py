"""TIAToolbox's SQLiteStore as it is; runs in TIAToolbox's environment and prints JSON.

``python -m benchmarks.tiatoolbox_store import GEOJSON STORE``
``python -m benchmarks.tiatoolbox_store use STORE BOXES ROUNDS EDITS [EXPORT]``: BOXES is a JSON list of x0, y0, x1, y1.
"""

import json
import resource
import sqlite3
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


def sqlite_store() -> Any:  # noqa: ANN401 - a class of an untyped package
    """Give the class; pathserve's own environment has none of these packages."""
    # torchvision of PyPI is built for CUDA and finds none of its operators beside torch for the CPU.
    sys.modules["torchvision._meta_registrations"] = ModuleType("torchvision._meta_registrations")
    store = import_module("tiatoolbox.annotation.storage").SQLiteStore
    # It turns extensions on only to list how SQLite was built, which many builds of Python do not allow.
    store.compile_options = staticmethod(_compile_options)
    return store


def _compile_options() -> list[str]:
    with sqlite3.connect(":memory:") as connection:
        return [option for (option,) in connection.execute("pragma compile_options")]


def bring_in(geojson: Path, store: Path) -> dict[str, float]:
    """Read GeoJSON into a new store, and say what it took from the call to the last commit."""
    made = sqlite_store()(store)
    before, cpu = time.perf_counter(), time.process_time()
    made.add_from_geojson(geojson)
    made.commit()
    seconds, cpu = time.perf_counter() - before, time.process_time() - cpu
    made.close()
    return {"wall_s": seconds, "cpu_s": cpu, "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def use(store: Path, boxes: list[list[float]], rounds: int, edits: int, export: Path | None) -> dict[str, float]:
    """Ask for boxes, write edits one by one, and write everything as GeoJSON."""
    opened = sqlite_store().open(store)
    box = import_module("shapely").box
    found, cpu = 0, time.process_time()
    for _ in range(rounds):
        for edges in boxes:
            found += len(opened.query(box(*edges)))
    figures = {
        "query_ms": (time.process_time() - cpu) / rounds / len(boxes) * 1e3,
        "found": found / rounds / len(boxes),
    }
    keys = opened.iquery(box(*boxes[0]))[:edits]
    before = time.perf_counter()
    for key in keys:
        opened.patch(key, properties={"state": "approved"})
        opened.commit()
    figures["edit_ms"] = (time.perf_counter() - before) / max(1, len(keys)) * 1e3
    if export is not None:
        before, cpu = time.perf_counter(), time.process_time()
        opened.to_geojson(export)
        figures |= {"export_s": time.perf_counter() - before, "export_cpu_s": time.process_time() - cpu}
    figures["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    opened.close()
    return figures


def main() -> None:
    import_module("tiatoolbox").logger.setLevel("ERROR")
    match sys.argv[1:]:
        case ["import", geojson, store]:
            figures = bring_in(Path(geojson), Path(store))
        case ["use", store, boxes, rounds, edits, *export]:
            target = Path(export[0]) if export else None
            figures = use(Path(store), json.loads(boxes), int(rounds), int(edits), target)
        case _:
            sys.exit(__doc__)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
