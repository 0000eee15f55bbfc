"""What is done with annotations that are stored; each runs in a process of its own and prints JSON.

``python -m benchmarks.annotation_use pathserve DATABASE SLIDE BOXES ROUNDS EDITS``: PathServe's store. After each edit
comes what none can do without: an fsync after appending 4 KiB, and after as much as the edit wrote; in PostgreSQL the
commit of one row.
``python -m benchmarks.annotation_use import DATABASE SLIDE GEOJSON``: its import, without the start of a process.
``python -m benchmarks.annotation_use export DATABASE SLIDE FILE``: its export, likewise.
``python -m benchmarks.annotation_use rtree GEOJSON FILE BOXES ROUNDS``: SQLite's R*Tree with WKB, made when absent.
``python -m benchmarks.annotation_use json GEOJSON orjson|json``: only parsing.
"""

import gc
import json
import os
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

import orjson
import psycopg
import shapely.geometry

from benchmarks.make_cells import HEAD, TAIL
from pathserve.annotations import AnnotationQuery, AnnotationStore, ClassSchemas
from pathserve.annotations.revisions import revision_log
from pathserve.db import Database, open_database
from pathserve.exchange import ExportOptions, ImportOptions, begin_export, import_file
from pathserve.formats.contract import SlideFrame
from pathserve.formats.registry import by_name
from pathserve.geometry import Size
from pathserve.labels import NewAnnotation
from pathserve.server.kernels import load_kernels

Box = tuple[float, float, float, float]
Figures = dict[str, float]
Floor = Callable[[int], object]


def pathserve(database: str, slide: str, boxes: Sequence[Box], rounds: int, edits: int) -> Figures:
    """Ask for boxes as a server does, first with nothing in memory; write edits one by one; read histories."""
    load_kernels()
    with closing(open_database(database if "://" in database else Path(database))) as db:
        store = AnnotationStore(db)
        _ask(store, slide, [(0, 0, 1, 1)])  # what is loaded once per process
        figures = {"first_ms": _per(lambda: _ask(store, slide, boxes), len(boxes))}
        found = 0
        cpu = time.process_time()
        for _ in range(rounds):
            found += _ask(store, slide, boxes)
        queries = rounds * len(boxes)
        figures |= {"query_ms": (time.process_time() - cpu) / queries * 1e3, "found": found / queries}
        with _floors(database) as floors:
            figures |= _edit(store, slide, boxes[0], edits, floors)
        return figures | {"rss_mb": _peak()}


def bring(database: Path, slide: str, geojson: Path) -> Figures:
    """Import a file into an empty layer; its kernels are loaded meanwhile, but were compiled before."""
    with closing(open_database(database)) as db:
        _, frame = _about(db, slide)
        store = AnnotationStore(db)
        wall, cpu = time.perf_counter(), time.process_time()
        report = import_file(store, slide, geojson, ImportOptions(layer="cells", author="benchmark"), frame=frame)
        figures = {"call_s": time.perf_counter() - wall, "call_cpu_s": time.process_time() - cpu}
        return figures | {"call_rss_mb": _peak(), "created": report.created}


def take_out(database: Path, slide: str, file: Path) -> Figures:
    """Export everything into a file of GeoJSON."""
    with closing(open_database(database)) as db, file.open("wb") as out:
        project, frame = _about(db, slide)
        schema, revisions = ClassSchemas(db).of(project), revision_log(db, slide)
        query, options = AnnotationQuery(slide), ExportOptions(by_name("geojson"))
        wall, cpu = time.perf_counter(), time.process_time()
        export = begin_export(AnnotationStore(db), query, options, frame=frame, schema=schema, revisions=revisions)
        written = export.write(out).written
        figures = {"export_s": time.perf_counter() - wall, "export_cpu_s": time.process_time() - cpu}
        return figures | {"export_rss_mb": _peak(), "written": written}


def _about(db: Database, slide: str) -> tuple[str, SlideFrame]:
    row = db.read(lambda tx: tx.row("select project, width, height from slide where id = ?", slide))
    if row is None:
        raise ValueError("there is no such slide")
    project, width, height = map(str, row)
    return project, SlideFrame(size=Size(int(width), int(height)))


def _ask(store: AnnotationStore, slide: str, boxes: Sequence[Box]) -> int:
    return sum(
        len(columns) for box in boxes for columns in store.columns(AnnotationQuery(slide, bbox=box), properties=False)
    )


def _edit(store: AnnotationStore, slide: str, box: Box, edits: int, floors: Mapping[str, Floor]) -> Figures:
    """Edit objects one by one that lie in chunks alone, then the same ones again; what a chunk says is copied first."""
    page = store.page(AnnotationQuery(slide, bbox=box), limit=max(1, edits))
    ids = [annotation.id for annotation in page.annotations]
    figures = _edit_each(store, ids, "edit", floors) | _edit_each(store, ids, "edit_again", floors)
    return figures | {"history_ms": _per(lambda: [store.history(i) for i in ids], max(1, len(ids)))}


def _edit_each(store: AnnotationStore, ids: Sequence[UUID], name: str, floors: Mapping[str, Floor]) -> Figures:
    """Take the mean of edits, and, after each of them, of what no edit can do without."""
    spent = dict.fromkeys(
        (f"{name}_ms", f"{name}_cpu_ms", f"{name}_bytes", *(f"{name}_{floor}" for floor in floors)), 0.0
    )
    for annotation in [store.get(i) for i in ids]:
        state = "rejected" if annotation.properties.get("state") == "approved" else "approved"
        properties = {**annotation.properties, "state": state}
        new = NewAnnotation(annotation.geometry, annotation.id, annotation.class_name, properties=properties)
        written, cpu, wall = _written(), time.process_time(), time.perf_counter()
        store.replace(annotation.id, new, expected=annotation.revision, author="benchmark")
        spent[f"{name}_ms"] += (time.perf_counter() - wall) * 1e3
        spent[f"{name}_cpu_ms"] += (time.process_time() - cpu) * 1e3
        written = _written() - written
        spent[f"{name}_bytes"] += written
        for floor, work in floors.items():
            wall = time.perf_counter()
            work(written)
            spent[f"{name}_{floor}"] += (time.perf_counter() - wall) * 1e3
    return {figure: value / max(1, len(ids)) for figure, value in spent.items()}


def _written() -> int:
    """Tell how many bytes this process has given to files so far."""
    lines = Path("/proc/self/io").read_text("ascii").splitlines()
    return next(int(line.partition(":")[2]) for line in lines if line.startswith("wchar"))


@contextmanager
def _floors(database: str) -> Iterator[Mapping[str, Floor]]:
    """Give what no durable edit can do without, by the name of its figure; told how many bytes an edit wrote."""
    if "://" in database:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("create table if not exists benchmark_row (text text)")
            yield {"commit_ms": lambda _: connection.execute("insert into benchmark_row values (%s)", ["a row"])}
            connection.execute("drop table benchmark_row")
        return
    file = Path(f"{database}.fsync")
    with file.open("wb", buffering=0) as out:

        def synced(count: int) -> None:
            out.write(bytes(count))
            os.fsync(out.fileno())

        yield {"fsync_ms": lambda _: synced(4096), "fsync_same_ms": synced}
    file.unlink()


def rtree(geojson: Path, file: Path, boxes: Sequence[Box], rounds: int) -> Figures:
    """Ask for boxes through SQLite's R*Tree; every answer becomes shapely geometries, ids and classes."""
    with closing(sqlite3.connect(file)) as connection:
        if not connection.execute("select 1 from sqlite_master where name = 'cell'").fetchone():
            _make_rtree(connection, geojson)
        found = 0
        cpu = time.process_time()
        for _ in range(rounds):
            for x0, y0, x1, y1 in boxes:
                rows = connection.execute(
                    "select c.id, c.class, c.wkb from box b join cell c on c.number = b.number "
                    "where b.x0 < ? and b.x1 >= ? and b.y0 < ? and b.y1 >= ?",
                    (x1, x0, y1, y0),
                ).fetchall()
                shapely.from_wkb([wkb for _, _, wkb in rows])
                found += len(rows)
        queries = rounds * len(boxes)
        return {"query_ms": (time.process_time() - cpu) / queries * 1e3, "found": found / queries}


def _make_rtree(connection: sqlite3.Connection, geojson: Path) -> None:
    connection.execute("create table cell (number integer primary key, id text, class text, wkb blob)")
    connection.execute("create virtual table box using rtree (number, x0, x1, y0, y1)")
    with geojson.open("rb") as lines:
        for number, line in enumerate(lines):
            # `make_cells` writes one Feature a line.
            feature = orjson.loads(line.strip().removeprefix(HEAD).removesuffix(TAIL).rstrip(b","))
            shape = shapely.geometry.shape(feature["geometry"])
            x0, y0, x1, y1 = shape.bounds
            name = feature["properties"]["classification"]["name"]
            connection.execute("insert into cell values (?, ?, ?, ?)", (number, feature["id"], name, shape.wkb))
            connection.execute("insert into box values (?, ?, ?, ?, ?)", (number, x0, x1, y0, y1))
    connection.commit()


def parse(geojson: Path, how: str) -> Figures:
    """Parse a whole text and count its Features."""
    gc.disable()  # collecting would take most of the time
    wall, cpu = time.perf_counter(), time.process_time()
    found = orjson.loads(geojson.read_bytes()) if how == "orjson" else json.loads(geojson.read_bytes())
    figures = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "rss_mb": _peak()}
    return figures | {"found": len(found["features"])}


def _per(work: Callable[[], object], count: int) -> float:
    wall = time.perf_counter()
    work()
    return (time.perf_counter() - wall) / count * 1e3


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    match sys.argv[1:]:
        case ["pathserve", database, slide, boxes, rounds, edits]:
            figures = pathserve(database, slide, orjson.loads(boxes), int(rounds), int(edits))
        case ["import", database, slide, geojson]:
            figures = bring(Path(database), slide, Path(geojson))
        case ["export", database, slide, file]:
            figures = take_out(Path(database), slide, Path(file))
        case ["rtree", geojson, file, boxes, rounds]:
            figures = rtree(Path(geojson), Path(file), orjson.loads(boxes), int(rounds))
        case ["json", geojson, how]:
            figures = parse(Path(geojson), how)
        case _:
            sys.exit(__doc__)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
