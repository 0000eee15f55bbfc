"""Annotations by the thousand and by the million: PathServe's store, TIAToolbox's, SQLite's R*Tree with WKB.

Sets of cells are made (`benchmarks.make_cells`) or real ones brought along (``--real``). For each set, in one
interleaved run: import through ``pathserve annotations import``, into TIAToolbox's store, and parsing the text alone;
then, with everything stored, what a viewport of 7,000 cells, one durable edit, a history and an export take, against
the same in the others and an fsync after each edit; and bytes on the disk.

Set TIAToolbox up before: ``python -m benchmarks.tile_peers FOLDER``.
"""

import argparse
import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks import make_cells, processes
from benchmarks.make_slide import write_slide
from benchmarks.measure import Figures, Runs, Spread, interleave, machine, ratio, spreads, table, write_json
from benchmarks.pyramid_peers import python_of
from benchmarks.servers import ingest
from benchmarks.tile_peers import TIATOOLBOX

OURS, PEER, RTREE = "PathServe", "TIAToolbox SQLiteStore", "R*Tree + WKB"
ORJSON, JSON = "orjson.loads alone", "json.loads alone"
VIEWPORT = 7000
"""Cells in the box that is asked for."""

TARGETS = {
    ("import", PEER): 50.0,
    ("export", PEER): 100.0,
    ("viewport", PEER): 100.0,
    ("viewport", RTREE): 40.0,
    ("bytes", PEER): 4.0,
}
"""How many times ours the others should take."""

_BOXES, _EDITS, _PEER_EDITS = 20, 200, 5
_SEED = 7


@dataclass(frozen=True, slots=True)
class Cells:
    """A set of cells as GeoJSON: their number and the box that they cover, x0, y0, x1, y1 in level-0 pixels."""

    name: str
    file: Path
    count: int
    covers: tuple[float, float, float, float]

    def boxes(self) -> list[list[float]]:
        """Give boxes that hold about `VIEWPORT` cells each, or all where there are no more."""
        x0, y0, x1, y1 = self.covers
        side = min(x1 - x0, y1 - y0, math.sqrt((x1 - x0) * (y1 - y0) * VIEWPORT / self.count))
        corners = np.random.default_rng(_SEED).uniform((x0, y0), (x1 - side, y1 - side), (_BOXES, 2))
        return [[x, y, x + side, y + side] for x, y in corners.round(1).tolist()]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the run keeps its things."""

    scratch: Path
    peers: Path | None
    slide: Path

    def data(self, cells: Cells) -> Path:
        """Give the data folder of a set."""
        return self.scratch / f"data-{cells.name}"

    def store(self, cells: Cells) -> Path:
        """Give the file of TIAToolbox's store."""
        return self.scratch / f"{cells.name}.tiatoolbox.db"


def import_ours(place: Place, cells: Cells) -> Figures:
    """Import into a data folder that holds the slide and no annotations: by a call, then by a whole command."""
    data = place.data(cells)
    shutil.rmtree(data, ignore_errors=True)
    slide = ingest(place.slide, data)
    called = _figures(processes.run("benchmarks.annotation_use", "import", data / "pathserve.db", slide, cells.file))
    shutil.rmtree(data)
    slide = ingest(place.slide, data)
    before = _database_bytes(data)
    finished = processes.run("pathserve", "annotations", "import", slide, cells.file, "--data", data, "--json")
    created = orjson.loads(finished.output)["created"]
    if created != cells.count:
        raise RuntimeError(f"{created} of {cells.count} were imported")
    return dict(called) | _spent(finished) | {"bytes": (_database_bytes(data) - before) / cells.count}


def import_peer(place: Place, cells: Cells) -> Figures:
    """Import into a new store of TIAToolbox; what its process needs to start is not counted."""
    store = place.store(cells)
    store.unlink(missing_ok=True)
    figures = _peer(place, "import", cells.file, store)
    return {**figures, "call_cpu_s": figures["cpu_s"], "bytes": store.stat().st_size / cells.count}


def parse(how: str, cells: Cells) -> Figures:
    """Parse the text and do nothing with it."""
    return _figures(processes.run("benchmarks.annotation_use", "json", cells.file, how))


def use_ours(place: Place, cells: Cells, rounds: int) -> Figures:
    """Ask, edit and export in PathServe's store."""
    data = place.data(cells)
    slide = ingest(place.slide, data)
    boxes = orjson.dumps(cells.boxes()).decode()
    database = data / "pathserve.db"
    figures = _figures(
        processes.run("benchmarks.annotation_use", "pathserve", database, slide, boxes, str(rounds), str(_EDITS))
    )
    out = place.scratch / "export.geojson"
    called = _figures(processes.run("benchmarks.annotation_use", "export", database, slide, out))
    finished = processes.run("pathserve", "annotations", "export", slide, "--data", data, "-o", out)
    out.unlink()
    return {**figures, **called} | {f"export_command_{name}": value for name, value in _spent(finished).items()}


def use_peer(place: Place, cells: Cells) -> Figures:
    """Do the same in TIAToolbox's."""
    boxes = orjson.dumps(cells.boxes()[:3]).decode()
    out = place.scratch / "export.peer.geojson"
    figures = _peer(place, "use", place.store(cells), boxes, "1", str(_PEER_EDITS), out)
    out.unlink()
    return figures


def use_rtree(place: Place, cells: Cells, rounds: int) -> Figures:
    """Ask SQLite's R*Tree."""
    file = place.scratch / f"{cells.name}.rtree.db"
    boxes = orjson.dumps(cells.boxes()).decode()
    figures = _figures(processes.run("benchmarks.annotation_use", "rtree", cells.file, file, boxes, str(rounds)))
    return dict(figures) | {"bytes": file.stat().st_size / cells.count}


def measure(place: Place, cells: Cells, *, rounds: int, peers: bool) -> dict[str, Runs]:
    """Import, then use, in turns."""
    imports: dict[str, Callable[[], Figures]] = {OURS: partial(import_ours, place, cells)}
    uses: dict[str, Callable[[], Figures]] = {OURS: partial(use_ours, place, cells, rounds=5)}
    if peers:  # parsing alone takes many times the size of the text in memory
        imports |= {ORJSON: partial(parse, "orjson", cells), JSON: partial(parse, "json", cells)}
        uses[RTREE] = partial(use_rtree, place, cells, rounds=2)
    if peers and place.peers is not None:
        imports[PEER] = partial(import_peer, place, cells)
        uses[PEER] = partial(use_peer, place, cells)
    return {
        "import": interleave(imports, rounds=rounds, warm_up=False),
        "use": interleave(uses, rounds=rounds, warm_up=False),
    }


def report(cells: Cells, runs: dict[str, Runs]) -> str:
    """Write the tables of one set."""
    imports, uses = runs["import"], runs["use"]
    lines = [f"### {cells.name}: {cells.count:,} objects, {cells.file.stat().st_size / 1e6:,.0f} MB of GeoJSON", ""]
    rows = [
        [name, *(_cell(imports, figure, name) for figure in ("wall_s", "cpu_s", "call_cpu_s", "rss_mb", "bytes"))]
        for name in imports
    ]
    lines += [table(["import", "wall s", "CPU s", "call, CPU s", "peak MB", "bytes an object"], rows), ""]
    figures = (
        "query_ms",
        "first_ms",
        "edit_ms",
        "edit_again_ms",
        "history_ms",
        "export_command_cpu_s",
        "export_cpu_s",
        "export_s",
        "bytes",
    )
    rows = [[name, *(_cell(uses, figure, name) for figure in figures)] for name in uses]
    header = [
        "use",
        "viewport CPU ms",
        "first ms",
        "edit ms",
        "again ms",
        "history ms",
        "export, command CPU s",
        "export, call CPU s",
        "export, call s",
        "bytes",
    ]
    lines += [table(header, rows), ""]
    return "\n".join([*lines, *_ratios(imports, uses), ""])


def _ratios(imports: Runs, uses: Runs) -> list[str]:
    wanted: list[tuple[str, Runs, str, str, str]] = [
        ("import", imports, "call_cpu_s", PEER, "call_cpu_s"),
        ("bytes", imports, "bytes", PEER, "bytes"),
        ("viewport", uses, "query_ms", PEER, "query_ms"),
        ("viewport", uses, "query_ms", RTREE, "query_ms"),
        ("export", uses, "export_cpu_s", PEER, "export_cpu_s"),
    ]
    lines = [
        f"- {what}: {name} / {OURS} = {ratio(runs, figure, name, OURS).text()} (target >= {TARGETS[what, name]:g})"
        for what, runs, figure, name, _ in wanted
        if name in runs
    ]
    for name, what in (("edit", "edit of an object that lies in a chunk"), ("edit_again", "edit of one that does not")):
        size = Spread.of(figures[f"{name}_bytes"] / 1024 for figures in uses[OURS]).text()
        for floor, of in (("fsync_ms", "an fsync after 4 KiB"), ("fsync_same_ms", f"an fsync after its {size} KiB")):
            times = Spread.of(figures[f"{name}_ms"] / figures[f"{name}_{floor}"] for figures in uses[OURS])
            took = Spread.of(figures[f"{name}_{floor}"] for figures in uses[OURS]).text("{:.2f}")
            lines.append(f"- {what} / {of}, {took} ms = {times.text('{:.2f}')} (target <= 1.2)")
    return lines


def _cell(runs: Runs, figure: str, name: str) -> str:
    if figure not in runs[name][0]:
        return ""
    return spreads({name: runs[name]}, figure)[name].text("{:,.2f}")


def _peer(place: Place, *arguments: str | Path) -> Figures:
    if place.peers is None:
        raise ValueError("no environment of TIAToolbox")
    command = [str(python_of(place.peers, TIATOOLBOX)), "-m", "benchmarks.tiatoolbox_store", *map(str, arguments)]
    return _figures(processes.run_command(command))


def _figures(finished: processes.Finished) -> Figures:
    answer: dict[str, float] = orjson.loads(finished.output.splitlines()[-1])
    return answer


def _spent(finished: processes.Finished) -> dict[str, float]:
    return {"wall_s": finished.wall_seconds, "cpu_s": finished.cpu_seconds, "rss_mb": max(finished.peaks) / 2**20}


def _database_bytes(data: Path) -> int:
    return sum(file.stat().st_size for file in data.glob("pathserve.db*"))


def _sets(scratch: Path, counts: Sequence[int], real: Path | None) -> list[Cells]:
    found = []
    if real is not None:
        file = scratch / "real.geojson"
        count = make_cells.write(file, make_cells.of_parquet(real))
        found.append(Cells("real", file, count, make_cells.box_of_parquet(real)))
    for count in counts:
        file = scratch / f"made-{count}.geojson"
        make_cells.write(file, make_cells.made(count))
        side = float(make_cells.side_of(count))
        found.append(Cells(f"made-{count}", file, count, (0.0, 0.0, side, side)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the store of annotations.")
    parser.add_argument("--peers", type=Path, help="folder of benchmarks.tile_peers")
    parser.add_argument("--counts", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--peers-up-to", type=int, default=1_000_000, help="larger sets are measured alone")
    parser.add_argument("--real", type=Path, help="a GeoParquet file of real objects")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = machine()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        slide = scratch / "made.svs"
        write_slide(slide, gigapixels=1, reduced=True)
        place = Place(scratch, options.peers, slide)
        for cells in _sets(scratch, options.counts, options.real):
            peers = cells.count <= options.peers_up_to
            runs = measure(place, cells, rounds=options.rounds, peers=peers)
            print(report(cells, runs), flush=True)
            results[cells.name] = runs
    if options.json is not None:
        write_json(options.json, machine=before, results=results)


if __name__ == "__main__":
    main()
