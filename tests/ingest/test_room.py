"""The disk's reserve: what is refused before it is broken, and that a disk that fills harms nobody who reads."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pathserve.errors import Busy
from pathserve.ingest import room
from pathserve.ingest.room import RoomWatch, require_room

GIB = 1 << 30


@pytest.fixture
def disk(monkeypatch):
    """Let the disk have this many free bytes of so many in all, in blocks of 4096; counts how often it is asked."""

    def use(free, total):
        asked = []

        def statvfs(path):
            asked.append(path)
            # Blocks that only root may use are not free.
            return SimpleNamespace(f_bavail=free // 4096, f_bfree=total // 4096, f_blocks=total // 4096, f_frsize=4096)

        monkeypatch.setattr(room.os, "statvfs", statvfs)
        return asked

    return use


@pytest.mark.parametrize(
    ("reserve", "total", "kept"),
    [(None, 1000 * GIB, 5 * GIB), (None, 20 * GIB, GIB), (0, 1000 * GIB, 0), (8 * GIB, 20 * GIB, 8 * GIB)],
)
def test_the_reserve_is_what_is_set_else_5_gib_or_5_percent_of_a_smaller_disk(settings, disk, reserve, total, kept):
    settings = replace(settings, disk_reserve_bytes=reserve)
    disk(kept + 4096, total)
    require_room(settings)
    require_room(settings, 4096)
    with pytest.raises(Busy) as refused:
        require_room(settings, 4097)
    assert refused.value.code == "disk_full"
    assert str(settings.data) not in refused.value.message


def test_the_sentence_says_how_much_is_free_needed_and_kept(settings, disk):
    disk(3 * GIB, 1000 * GIB)
    with pytest.raises(Busy, match=r"3\.0 GiB are free, 1\.5 GiB are needed, and 5\.0 GiB are kept free"):
        require_room(settings, 3 * GIB // 2)


def test_a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_above(settings):
    require_room(replace(settings, data=settings.data / "a" / "b", disk_reserve_bytes=0))
    free = os.statvfs(settings.data.parent)
    with pytest.raises(Busy):
        require_room(settings, free.f_frsize * free.f_blocks)


def test_a_watch_asks_the_disk_at_once_and_then_once_a_second(settings, disk):
    now = [100.0]
    asked = disk(GIB, 2 * GIB)
    watch = RoomWatch(settings, lambda: now[0])
    for _ in range(10):
        watch.look()
        now[0] += 0.25
    assert len(asked) == 3
    disk(0, 2 * GIB)
    now[0] += 1
    with pytest.raises(Busy):
        watch.look()


def test_a_scan_that_has_no_room_is_refused_before_anything_is_written(ingest, settings, disk, sample_slide):
    disk(GIB + 1000, 20 * GIB)  # a reserve of 1 GiB, and less than the scan beyond it
    with pytest.raises(Busy) as refused:
        ingest(sample_slide)
    assert refused.value.code == "disk_full"
    assert [path for path in settings.slides.rglob("*") if path.is_file()] == []


def test_a_scan_that_is_there_already_needs_no_room(ingest, disk, sample_slide):
    slide = ingest(sample_slide).slide
    disk(0, 20 * GIB)
    assert ingest(sample_slide).slide == slide


# A disk of its own, of 14 MiB: in a mount namespace, which ends with its process.
PROGRAM = """
import json, os, sys
from pathlib import Path
import numpy as np
import tifffile
from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.geometry import LevelRegion
from pathserve.ingest.queue import IngestQueue
from pathserve.jobs import Jobs
from pathserve.pyramid import Pyramid, verify_pyramid

disk, scans, good, reserve = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
os.system(f"mount -t tmpfs -o size=14m none {disk}") == 0 or sys.exit("no tmpfs")
settings = Settings(data=disk / "data", disk_reserve_bytes=reserve)
db = open_database(settings.database)
catalog, jobs = Catalog(db), Jobs(db, settings.runners)
queue, runner = IngestQueue(settings, catalog, jobs), jobs.runner()

phases = []


def run(path):
    phases.clear()
    jobs.enqueue(path, project="default", keep_source=True, recompress=95)
    return queue.run(jobs.claim(runner.id, at_once=1), progress=lambda p: phases.append(p.phase))


first = run(good)
folder = settings.slides / f"{first.slides[0]}.zarr"
before = Pyramid.open(folder).read(0, LevelRegion(0, 0, 500, 500))
full = run(scans)
began = "building" in phases
after = Pyramid.open(folder).read(0, LevelRegion(0, 0, 500, 500))
listed, _ = catalog.slides()
again = run(good)
print(json.dumps({
    "first": first.state, "state": full.state, "code": full.error.code, "message": full.error.message,
    "same": bool(np.array_equal(before, after)), "damage": [d.path for d in verify_pyramid(folder)],
    "listed": [slide.id for slide in listed] == list(first.slides),
    "left": [str(p) for p in (settings.slides / ".staging").rglob("*") if p.is_file()],
    "again": again.state, "began": began,
}))
"""


@pytest.mark.parametrize("reserve", [0, 3 << 20])
def test_a_disk_that_fills_while_a_slide_is_built(tmp_path, reserve, sample_field):
    # Noise of low quality, 3 MB: it begins. At quality 95 its level 0 alone takes 12 MB.
    noise = np.random.default_rng(3).integers(0, 255, (4000, 4000), dtype=np.uint8)
    Image.fromarray(noise).convert("RGB").save(tmp_path / "noise.jpg", quality=10, subsampling=2)
    disk = tmp_path / "disk"
    disk.mkdir()
    namespace = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-Urm"]
    command = [*namespace, sys.executable, "-c", PROGRAM]
    run = subprocess.run(
        [*command, str(disk), str(tmp_path / "noise.jpg"), str(sample_field), str(reserve)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert (told["first"], told["state"], told["code"]) == ("done", "failed", "disk_full")
    assert told["began"]
    assert (told["same"], told["damage"], told["listed"], told["left"]) == (True, [], True, [])
    assert told["again"] == "done"  # the database can be written, and what is there is known
    assert "noise" not in told["message"]
