"""How often a write waits for the disk, as the kernel sees it."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os
import sys
from pathlib import Path

from pathserve.annotations import AnnotationStore, Edit
from pathserve.catalog import Catalog, make_slide_id
from pathserve.db import SqliteDatabase
from pathserve.geometry import Size
from pathserve.labels import NewAnnotation
from pathserve.pixels import Level, SlideInfo

db, slide = SqliteDatabase(Path(sys.argv[1])), make_slide_id()
info = SlideInfo("jpeg", (Level(Size(100, 100), 1.0),), None, True, None, "jpeg")
Catalog(db).add_slide(
    slide_id=slide, content_hash="c", project="p", name=None, info=info, levels=1, tile_size=256
)
store = AnnotationStore(db)


def point(x):
    return NewAnnotation({"type": "Point", "coordinates": [x, 1]}, None, "Class", None, {})


ids = store.add(slide, [point(1) for _ in range(101)], layer="l", author="a").ids
for write in (
    lambda: store.add(slide, [point(2)], layer="m", author="a"),
    lambda: store.replace(ids[0], point(3), expected=1, author="a"),
    lambda: store.edit_many(slide, [Edit(i, 1, class_name="New") for i in ids[1:]], author="a"),
    lambda: store.delete(ids[0], expected=3, author="a"),
    lambda: store.revert(ids[0], 1, expected=5, author="a"),
):
    os.write(1, b"begin")
    write()
    os.write(1, b"end")
"""


TRACED = "trace=write,fsync,fdatasync,msync,sync_file_range,syncfs,sync"


def test_a_write_waits_for_the_disk_once(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    subprocess.run(
        ["strace", "-f", "-o", str(calls), "-e", TRACED, sys.executable, "-c", PROGRAM, str(tmp_path / "pathserve.db")],
        check=True,
        capture_output=True,
        timeout=120,
    )
    waits = list[int]()
    inside = False
    for line in calls.read_text().splitlines():
        if 'write(1, "' in line:
            inside = '"begin"' in line
            waits += [0] * inside
        elif inside and "sync(" in line:
            waits[-1] += 1
    assert waits == [1] * 5
