"""Shards on a real Dask cluster: the same bytes as local threads, whatever dies."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import distributed
import orjson
import pytest
import tifffile

from pathserve.catalog import READY, Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.errors import Busy, Invalid, PathServeError
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.pyramid import Pyramid, verify_pyramid
from pathserve.pyramid.bucket import Bucket
from pathserve.slides import Scan
from pathserve.worker.cluster import Job, write_shard
from pathserve.worker.messages import Order
from pathserve.worker.scheduler import checked_scheduler, require_private

PACKAGE = Path(__file__).parents[2]


@contextmanager
def program(*words):
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def scheduler_only(protocol="tcp"):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard", "--no-show")
    with program(*words, "--protocol", protocol):
        yield f"{protocol}://127.0.0.1:{port}"


WORKER = ("distributed.cli.dask_worker", "--no-nanny", "--nthreads", 1, "--no-dashboard", "--memory-limit", "2GiB")


@contextmanager
def two_workers(folder):
    """Start a scheduler and two workers of one thread each; give the address and the workers' processes."""
    with scheduler_only() as address:
        folders = ("--local-directory", folder)
        with program(*WORKER, address, *folders) as one, program(*WORKER, address, *folders) as two:
            with distributed.Client(address, timeout=60, set_as_default=False) as client:
                client.wait_for_workers(2, timeout=60)
            yield address, [one, two]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with two_workers(tmp_path_factory.mktemp("dask")) as (address, _):
        yield address


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def local(tmp_path):
    """Ingest a scan with threads, into a data folder of its own; gives every file of its pyramid."""

    def run(scan):
        settings = Settings(data=tmp_path / "local")
        db = open_database(settings.database)
        (made,) = ingest_scan(scan, settings=settings, catalog=Catalog(db), progress=lambda _: None)
        db.close()
        return files(settings.slides / f"{made.slide.id}.zarr")

    return run


@pytest.fixture
def on_cluster(tmp_path):
    """Ingest with the program, as a user would; gives the exit status, what it said and the slides folder."""

    def run(scan, address):
        data = tmp_path / "other"
        done = subprocess.run(
            [sys.executable, "-m", "pathserve", "ingest", scan, "--scheduler", address, "--data", data, "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done, data / "slides"

    return run


def test_copied_and_reduced_levels_are_those_of_local_threads(make_tiff, local, cluster, on_cluster):
    scan = make_tiff([(1900, 1500), (950, 750)], tile=16)
    expected = local(scan)
    done, slides = on_cluster(scan, cluster)
    assert (done.returncode, done.stderr) == (0, "")
    (item,) = orjson.loads(done.stdout)["items"]
    folder = slides / f"{item['slide']}.zarr"
    assert files(folder) == expected
    assert verify_pyramid(folder) == []
    assert Pyramid.open(folder).manifest.missing_levels == ()
    assert list((slides / ".staging").iterdir()) == []


def test_into_an_object_store(make_tiff, local, cluster, on_cluster, object_store, monkeypatch):
    scan = make_tiff([(1900, 1500), (950, 750)], tile=16)
    expected = local(scan)
    monkeypatch.setenv("PATHSERVE_STORE", object_store)
    done, _ = on_cluster(scan, cluster)
    assert (done.returncode, done.stderr) == (0, "")
    bucket, prefix = Bucket(object_store), f"{orjson.loads(done.stdout)['items'][0]['slide']}.zarr/"
    assert {key.removeprefix(prefix): bucket.get(key)[0] for key in bucket.list("")} == expected


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
        pass


def tall(tmp_path):
    """A scan that is decoded and encoded anew: two shards of 16 Mpx on level 0, each the work of a good while."""
    grain = os.urandom(1 << 16)
    with tifffile.TiffWriter(tmp_path / "tall.tiff") as tiff:
        tiles = (memoryview((grain * 4)[i : i + 256 * 256 * 3]) for i in range(16 * 30))
        tiff.write(
            tiles, shape=(256 * 30, 256 * 16, 3), dtype="uint8", tile=(256, 256), photometric="rgb", compression=None
        )
    return tmp_path / "tall.tiff"


def test_a_worker_that_is_killed_in_mid_write_costs_nothing_but_time(tmp_path, settings, local):
    scan = tall(tmp_path)
    expected = local(scan)
    with two_workers(tmp_path / "dask") as (address, workers):
        ingest_while_one_is_killed(scan, settings, address, workers)
    (folder,) = settings.slides.glob("*.zarr")
    assert files(folder) == expected
    assert list((settings.slides / ".staging").iterdir()) == []


def ingest_while_one_is_killed(scan, settings, address, workers):
    program = f"""
from pathlib import Path
from pathserve.cli.main import main
import sys
sys.argv = ["pathserve", "ingest", {str(scan)!r}, "--scheduler", {address!r}, "--data", {str(settings.data)!r}]
main()
"""
    ingest = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    by_pid = {worker.pid: worker for worker in workers}
    torn, deadline = False, time.monotonic() + 120
    while not torn and time.monotonic() < deadline:
        for begun in settings.slides.glob(".staging/*/unfinished/*"):
            victim = by_pid[int(begun.name.partition("-")[0])]
            stop(victim.pid)
            torn = begun.exists() and begun.stat().st_size > 100_000  # it has no name yet: this is mid-write
            os.kill(victim.pid, signal.SIGKILL if torn else signal.SIGCONT)
            if torn:
                victim.wait()
                break
    _, errors = ingest.communicate(timeout=200)
    assert (ingest.returncode, errors) == (0, b"")
    assert torn


def test_what_a_killed_ingest_had_of_it_is_not_done_again(tmp_path, settings, catalog, cluster, local):
    scan = tall(tmp_path)
    expected = local(scan)

    def stop(progress):
        if progress.phase == "building" and progress.done > 0:
            raise Busy("stopped by the test")

    options = IngestOptions(scheduler=cluster)
    with pytest.raises(Busy, match="by the test"):
        ingest_scan(scan, settings=settings, catalog=catalog, options=options, progress=stop)
    (outcome,) = ingest_scan(scan, settings=settings, catalog=catalog, options=options, progress=lambda _: None)
    assert outcome.resumed
    assert outcome.slide.status == READY
    assert files(settings.slides / f"{outcome.slide.id}.zarr") == expected


def test_a_damaged_scan_is_refused_by_its_workers_and_leaves_nothing(make_tiff, cluster, on_cluster):
    path = make_tiff([(700, 650)])
    with tifffile.TiffFile(path) as tiff:
        last = tiff.pages.first.dataoffsets[-1]
    with path.open("r+b") as file:
        file.seek(last)
        file.write(bytes(500))
    done, slides = on_cluster(path, cluster)
    assert done.returncode == 1
    (item,) = orjson.loads(done.stdout)["items"]
    assert item["code"] == "corrupt"
    assert list(slides.glob("*.zarr")) == list((slides / ".staging").iterdir()) == []


def test_a_cluster_with_certificates(tmp_path, monkeypatch, make_tiff, local, on_cluster):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=pathserve"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    scan = make_tiff([(700, 650)])
    with scheduler_only() as plain:
        refused, _ = on_cluster(scan, plain.replace("tcp://", "tls://"))  # it has no certificates to show
    assert refused.returncode == 1
    assert "certificates are not set up" in refused.stderr
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION", "true")
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__CA_FILE", str(certificate))
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT", str(certificate))
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY", str(key))
    with scheduler_only("tls") as address, program(*WORKER, address, "--local-directory", tmp_path / "dask"):
        done, slides = on_cluster(scan, address)
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = slides.glob("*.zarr")
    assert files(folder) == local(scan)


def test_a_cluster_without_workers_or_without_a_scheduler_is_told(settings, catalog, sample_slide):
    job = {"settings": settings, "catalog": catalog, "progress": lambda _: None}
    with pytest.raises(Busy, match="No Dask scheduler"):
        ingest_scan(sample_slide, options=IngestOptions(scheduler="tcp://127.0.0.1:1"), **job)
    with scheduler_only() as address, pytest.raises(Busy, match="no workers"):
        ingest_scan(sample_slide, options=IngestOptions(scheduler=address), **job)
    assert catalog.slides() == ([], None)


@pytest.mark.parametrize(
    "address",
    [
        "tcp://10.0.0.1:8786",
        "tcp://scheduler.example:8786",
        "tcp://localhost.example:1",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:1/x",
        "ws://127.0.0.1:80",
        "inproc://1/2",
        "127.0.0.1:8786",
        "tls://name:secret@host:1",
        "tls://host:x",
    ],
)
def test_a_scheduler_that_others_could_give_code_to_is_refused(address):
    with pytest.raises(Invalid) as refused:
        IngestOptions(scheduler=address).checked()
    assert "secret" not in refused.value.message


def test_a_scheduler_with_tls_or_of_this_machine_is_taken():
    for address in ("tls://scheduler.example:8786", "tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1"):
        assert checked_scheduler(address) == address


def test_a_worker_that_listens_to_the_network_is_refused():
    with pytest.raises(Invalid):
        require_private(["tcp://127.0.0.1:8786", "tcp://192.168.1.7:4711"])


def test_a_worker_says_what_it_does_not_see(tmp_path, sample_slide):
    """As it runs on another machine: no such folder, another scan under the same name, another version."""
    scan = Scan.of(sample_slide)
    job = Job(Order(scan), tmp_path, "fingerprint", "stamp")
    address = (0, 0, 0, 0, 0, 0)
    assert "data folder" in write_shard(job.to_bytes(), address, ())["message"]
    (tmp_path / "journal").write_bytes(b'{"build":"fingerprint"}\n')
    assert "same scan" in write_shard(job.to_bytes(), address, ())["message"]
    other = job.to_bytes().replace(b'"version":"', b'"version":"9')
    assert "another version" in write_shard(other, address, ())["message"]
    assert not issubclass(type(write_shard(b"no job", address, ())), PathServeError)
    assert str(sample_slide) not in repr(write_shard(b"no job", address, ()))
