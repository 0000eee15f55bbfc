"""What is done with annotations that are stored; each runs in a process of its own and prints JSON.

``python -m benchmarks.annotation_use pathserve DATABASE SLIDE BOXES ROUNDS EDITS``: PathServe's store.
``python -m benchmarks.annotation_use import DATABASE SLIDE GEOJSON``: its import, without the start of a process.
``python -m benchmarks.annotation_use export DATABASE SLIDE FILE``: its export, likewise.
``python -m benchmarks.annotation_use rtree GEOJSON FILE BOXES ROUNDS``: SQLite's R*Tree with WKB, made when absent.
``python -m benchmarks.annotation_use json GEOJSON orjson|json``: only parsing.
``python -m benchmarks.annotation_use fsync FOLDER EDITS``: appending 4 KiB and an fsync, again and again.
"""

import gc
import json
import os
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import orjson
import shapely

from benchmarks.make_cells import HEAD, TAIL
from pathserve.annotations import AnnotationQuery, AnnotationStore, ClassSchemas
from pathserve.annotations.revision_log import revision_log
from pathserve.db import Database, open_database
from pathserve.exchange import ExportOptions, ImportOptions, begin_export, import_file
from pathserve.formats.contract import SlideFrame
from pathserve.formats.registry import by_name
from pathserve.geometry import Size
from pathserve.labels import NewAnnotation

Box = tuple[float, float, float, float]
Figures = dict[str, float]


def pathserve(database: str, slide: str, boxes: Sequence[Box], rounds: int, edits: int) -> Figures:
    """Ask for boxes, first with nothing in memory; write edits one by one; read histories."""
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
        return figures | _edit(store, slide, boxes[0], edits) | {"rss_mb": _peak()}


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


def _edit(store: AnnotationStore, slide: str, box: Box, edits: int) -> Figures:
    page = store.page(AnnotationQuery(slide, bbox=box), limit=max(1, edits))
    ids = [annotation.id for annotation in page.annotations]
    chosen = [(store.get(i), store.get(i).revision) for i in ids]
    wall, cpu = time.perf_counter(), time.process_time()
    for annotation, revision in chosen:
        properties = {**annotation.properties, "state": "approved"}
        new = NewAnnotation(annotation.geometry, annotation.id, annotation.class_name, properties=properties)
        store.replace(annotation.id, new, expected=revision, author="benchmark")
    count = max(1, len(ids))
    figures = {
        "edit_ms": (time.perf_counter() - wall) / count * 1e3,
        "edit_cpu_ms": (time.process_time() - cpu) / count * 1e3,
    }
    return figures | {"history_ms": _per(lambda: [store.history(i) for i in ids], count)}


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
            shape = shapely.Polygon(*(feature["geometry"]["coordinates"]))
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


def fsync(folder: Path, edits: int) -> Figures:
    """Append to a file and bring it to the disk."""
    file = folder / "fsync"
    block = os.urandom(4096)
    with file.open("wb", buffering=0) as out:
        out.write(block)
        os.fsync(out.fileno())
        wall = time.perf_counter()
        for _ in range(edits):
            out.write(block)
            os.fsync(out.fileno())
        figures = {"edit_ms": (time.perf_counter() - wall) / edits * 1e3}
    file.unlink()
    return figures


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
        case ["fsync", folder, edits]:
            figures = fsync(Path(folder), int(edits))
        case _:
            sys.exit(__doc__)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
