"""The disk fills up: the ingest fails with one sentence, everybody's tiles go on, and with room again it completes."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from proofs.ingested import Judge, files_of
from proofs.processes import start_ingest
from starlette.testclient import TestClient

from pathserve.access import Role
from pathserve.config import Settings
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.server.app import create_app

SMALL_FILE = 1 << 20
"""Less than the sample's largest shard, more than the database of an empty folder."""

DISK_BYTES = 24 << 20
ROOMS = (200_000, 700_000, 1_200_000, 1_700_000)
"""How many bytes are free when the ingest begins: it needs some 2 MB."""


@pytest.fixture(scope="module")
def judge(tmp_path_factory, sample_slide):
    return Judge.of(sample_slide, tmp_path_factory.mktemp("undisturbed") / "data")


@contextmanager
def reader_of(data: Path, scan: Path) -> Iterator[tuple[str, TestClient, str]]:
    """Serve a folder with one other slide: its id, a client, and the address of one of its tiles."""
    app = create_app(Settings(data=data))
    services = app.state.services
    (made,) = ingest_scan(
        scan,
        settings=services.settings,
        catalog=services.catalog,
        options=IngestOptions(recompress=30),
        progress=lambda _: None,
    )
    token = services.accounts.create_token("reader", role=Role.VIEWER).secret
    with TestClient(app, headers={"authorization": f"Bearer {token}"}) as client:
        yield made.slide.id, client, f"/dzi/{made.slide.id}_files/11/1_1.jpeg"


def ingest_without_room(data: Path, judge: Judge, **more: object) -> str:
    """Ingest where there is no room; give what was said."""
    process = start_ingest(data, judge.scan, **more)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1, f"ended with {process.returncode}"
    return errors.strip()


def go_on(data: Path, judge: Judge, scan: Path, fail, word: str) -> None:
    """Fail for want of room beside somebody who reads, then make room and ingest again."""
    with reader_of(data, scan) as (other, client, address):
        tile, files = client.get(address), files_of(data / "slides" / f"{other}.zarr")
        assert tile.status_code == 200
        with fail() as said:
            assert word in said
            assert "\n" not in said
            assert said.endswith((".", "?"))
            assert client.get(address).content == tile.content
            listed = [item["id"] for item in client.get("/api/slides").json()["items"]]
            assert listed == [other]
            assert [path.name for path in (data / "slides").glob("*.zarr")] == [f"{other}.zarr"]
        assert files_of(data / "slides" / f"{other}.zarr") == files
        process = start_ingest(data, judge.scan)
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert output.split()[-1] in ("resumed", "fresh")
        (new,) = [path for path in (data / "slides").glob("*.zarr") if path.name != f"{other}.zarr"]
        assert files_of(new) == judge.files
        assert list((data / "slides" / ".staging").iterdir()) == []
        assert client.get(f"/api/slides/{new.stem}").json()["status"] == "ready"


def test_a_file_that_cannot_grow_ends_an_ingest_clean(judge, tmp_path, sample_field):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_FILE, SMALL_FILE))

    @contextmanager
    def fail():
        yield ingest_without_room(tmp_path / "data", judge, preexec_fn=limit)

    go_on(tmp_path / "data", judge, sample_field, fail, "cannot be written")


@pytest.mark.long
@pytest.mark.parametrize("room", ROOMS)
def test_a_full_disk_ends_an_ingest_clean(judge, tmp_path, sample_field, room):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)], check=True)
    try:

        @contextmanager
        def fail():
            free = shutil.disk_usage(disk).free
            descriptor = os.open(disk / "ballast", os.O_CREAT | os.O_WRONLY)
            os.posix_fallocate(descriptor, 0, free - room)
            os.close(descriptor)
            yield ingest_without_room(disk / "data", judge)
            (disk / "ballast").unlink()

        go_on(disk / "data", judge, sample_field, fail, "full")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
