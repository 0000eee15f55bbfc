"""Killed at any moment, the next ingest completes, and nobody ever sees half a slide."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.errors import Busy
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.pyramid import Pyramid, verify_pyramid
from pathserve.slides import Scan
from pathserve.worker.messages import Order

PROGRAM = """
import sys, time
from pathlib import Path
from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.ingest import IngestOptions, ingest_scan
settings = Settings(data=Path(sys.argv[1]))
catalog = Catalog(open_database(settings.database))
def progress(state):
    print(state.phase, state.done, state.total, flush=True)
options = IngestOptions(workers=2)
(outcome,) = ingest_scan(Path(sys.argv[2]), settings=settings, catalog=catalog, options=options, progress=progress)
print("resumed" if outcome.resumed else "fresh", flush=True)
"""


@pytest.fixture
def scan(make_tiff):
    return make_tiff([(1900, 1500), (950, 750)], tile=16)  # 119 x 94 tiles: dozens of shards


def start(settings, scan):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(settings.data), str(scan)], stdout=subprocess.PIPE, text=True
    )


def digests(folder):
    return Pyramid.open(folder).manifest.to_bytes()


def published(settings):
    return sorted(settings.slides.glob("*.zarr"))


@pytest.fixture
def undisturbed(tmp_path, scan):
    settings = Settings(data=tmp_path / "undisturbed")
    db = open_database(settings.database)
    (made,) = ingest_scan(scan, settings=settings, catalog=Catalog(db), progress=lambda p: None)
    db.close()
    return digests(settings.slides / f"{made.slide.id}.zarr")


def children_of(pid):
    """List the workers of a process; a test's own servers may be its children as well."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
                words = Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue
            if int(fields[1]) == pid and b"pathserve.worker" in words:
                found.append(int(entry))
    return found


def test_kill_9_at_random_moments_then_a_rerun_completes(settings, scan, undisturbed):
    moments = np.random.default_rng(5).uniform(0.05, 0.6, 2)
    for attempt in range(6):
        process = start(settings, scan)
        if attempt < 2:
            time.sleep(moments[attempt])
        else:
            # In the middle of the build, further on each time.
            for line in process.stdout:
                phase, *numbers = line.split()
                if phase == "building" and int(numbers[0]) > int(numbers[1]) * (0.1 + 0.2 * (attempt - 2)):
                    break
        process.kill()
        process.wait()
        process.stdout.close()
        for folder in published(settings):  # whatever is published is whole
            assert verify_pyramid(folder) == []
        database = open_database(settings.database)
        listed, _ = Catalog(database).slides()
        database.close()
        assert all((settings.slides / f"{slide.id}.zarr").is_dir() for slide in listed)
    process = start(settings, scan)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert output.splitlines()[-1] == "resumed"
    (folder,) = published(settings)
    assert digests(folder) == undisturbed
    assert verify_pyramid(folder) == []
    assert list((settings.slides / ".staging").iterdir()) == []


def test_when_the_parent_is_killed_its_worker_ends(settings, scan):
    process = start(settings, scan)
    for line in process.stdout:
        if line.startswith("building"):
            break
    (worker,) = children_of(process.pid)
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}").exists()


def test_when_the_worker_is_killed_the_next_ingest_goes_on(settings, catalog, scan, undisturbed):
    def kill_worker(progress):
        if progress.phase == "building" and progress.done > progress.total * 0.6:
            for worker in children_of(os.getpid()):
                os.kill(worker, signal.SIGKILL)

    options = {"settings": settings, "catalog": catalog, "options": IngestOptions(workers=2)}
    with pytest.raises(Busy):
        ingest_scan(scan, progress=kill_worker, **options)
    assert published(settings) == []
    assert catalog.slides() == ([], None)
    (outcome,) = ingest_scan(scan, progress=lambda p: None, **options)
    assert outcome.resumed
    assert digests(settings.slides / f"{outcome.slide.id}.zarr") == undisturbed


def test_no_worker_is_left_after_an_ingest(settings, catalog, scan):
    ingest_scan(scan, settings=settings, catalog=catalog, progress=lambda p: None)
    assert children_of(os.getpid()) == []


def test_an_order_comes_back_as_it_was_given(tmp_path):
    scan = Scan(tmp_path / "a b.svs", (tmp_path / "a b.svs", tmp_path / "c"))
    order = Order(scan, 2, tmp_path, tmp_path / "slide.zarr", "c" * 64, 80, lossless=True, workers=3)
    assert Order.parse(order.to_bytes()) == order


def test_the_kernel_ends_a_worker_that_holds_the_interpreter(tmp_path):
    child = "import ctypes; from pathserve.worker.program import _end_with_parent; _end_with_parent(); "
    child += "print('ready', flush=True); ctypes.PyDLL(None).sleep(200)"  # a call that never gives the lock away
    parent = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}], stdin=subprocess.PIPE); "
    parent += "print(p.pid, flush=True); p.wait()"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    worker = int(process.stdout.readline())
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait()
    # The pipe ends when the worker, who holds the other end, has ended.
    ended, _, _ = select.select([process.stdout], [], [], 30)
    if not ended:
        os.kill(worker, signal.SIGKILL)
    assert ended
    process.stdout.close()


def test_a_worker_ends_when_its_input_does():
    program = "import time; from threading import Thread; from pathserve.worker import program as worker; "
    program += "Thread(target=worker._watch_input, daemon=True).start(); print('ready', flush=True); "
    program += "time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.stdin.close()
    assert process.wait(30) == 1
    process.stdout.close()
