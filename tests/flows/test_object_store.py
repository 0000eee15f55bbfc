"""From a scan to a tile by way of an object store, with the program alone."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import httpx2
import orjson
import pytest
import tifffile

from pathserve.pyramid.bucket import Bucket


@pytest.fixture
def run(tmp_path):
    def start(*words, data="data", **environment):
        return subprocess.run(
            [sys.executable, "-m", "pathserve", *map(str, words), "--data", str(tmp_path / data)],
            env={**os.environ, "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return start


def tiles(tmp_path, data, slide, *more):
    """Start the server, sign in, and read some tiles and the thumbnail."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "pathserve", "serve", "--port", "0", "--data", str(tmp_path / data), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            said = process.stdout.readline() + process.stdout.readline()
            address = re.search(r"http://[\d.:]+", said)[0]
            code = re.search(r"#(\S+)", said)[1]
            with httpx2.Client(base_url=address, timeout=60) as client:
                client.post("/sign-in", json={"code": code}).raise_for_status()
                found = []
                for place in ("12/0_0", "12/9_12", "11/3_2", "5/0_0"):
                    answer = client.get(f"/dzi/{slide}_files/{place}.jpeg").raise_for_status()
                    found.append(answer.content)
                found.append(client.get(f"/api/slides/{slide}/thumbnail?size=256").raise_for_status().content)
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
    assert "not-to-be-told" not in errors
    return found


def test_the_same_tiles_as_from_the_disk_and_nothing_left_in_the_end(tmp_path, run, object_store, sample_slide):
    local = run("ingest", sample_slide, "--json", data="local")
    (on_disk,) = orjson.loads(local.stdout)["items"]
    made = run("ingest", sample_slide, "--store", object_store, "--json")
    assert (made.returncode, made.stderr) == (0, "")
    (item,) = orjson.loads(made.stdout)["items"]
    bucket = Bucket(object_store)
    keys = bucket.list("")
    folder = tmp_path / "local" / "slides" / f"{on_disk['slide']}.zarr"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {key.removeprefix(f"{item['slide']}.zarr/") for key in keys} == files
    assert list((tmp_path / "data" / "slides").glob("*.zarr")) == []  # no copy on the disk
    assert list((tmp_path / "data" / "slides" / ".staging").iterdir()) == []

    again = run("ingest", sample_slide, PATHSERVE_STORE=object_store)
    assert "was there already" in again.stdout

    expected = tiles(tmp_path, "local", on_disk["slide"])
    assert tiles(tmp_path, "data", item["slide"], "--store", object_store) == expected

    verified = run("verify", "--store", object_store)
    assert (verified.returncode, verified.stdout.split()) == (0, [item["slide"], "ok"])
    shard = next(key for key in keys if "/0/c/" in key)
    bucket.put(shard, bytes(keys[shard].size))
    damaged = run("verify", "--store", object_store, "--json")
    assert damaged.returncode == 1
    (report,) = orjson.loads(damaged.stdout)["items"]
    assert [place["path"] for place in report["damage"]] == [shard.partition("/")[2]]

    assert run("remove", item["slide"], "--store", object_store).returncode == 0
    assert bucket.list("") == {}


def test_killed_at_any_moment_the_next_ingest_completes(tmp_path, run, object_store, make_tiff):
    scan = make_tiff([(1900, 1500), (950, 750)], tile=16)
    (expected,) = orjson.loads(run("ingest", scan, "--json", data="local").stdout)["items"]
    folder = tmp_path / "local" / "slides" / f"{expected['slide']}.zarr"
    wanted = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    bucket = Bucket(object_store)
    words = [sys.executable, "-m", "pathserve", "ingest", str(scan), "--store", object_store]
    for least in (1, 12, 24, len(wanted) - 3):
        process = subprocess.Popen([*words, "--data", str(tmp_path / "data")], stderr=subprocess.DEVNULL)
        while process.poll() is None and len(bucket.list("")) < least:
            time.sleep(0.01)
        process.kill()
        process.wait()
    done = run("ingest", scan, "--store", object_store, "--json")
    (item,) = orjson.loads(done.stdout)["items"]
    found = {key.removeprefix(f"{item['slide']}.zarr/"): version.size for key, version in bucket.list("").items()}
    # What was left by one killed as it began, or after its last step, is swept later and is no part of a slide.
    assert {key: size for key, size in found.items() if not key.startswith((".writers/", ".probe/"))} == wanted
    assert bucket.get(f"{item['slide']}.zarr/manifest.json")[0] == (folder / "manifest.json").read_bytes()
    assert run("verify", "--store", object_store).returncode == 0


def test_a_scan_that_is_refused_leaves_nothing_in_the_store(run, object_store, make_tiff):
    path = make_tiff([(700, 650)])
    with tifffile.TiffFile(path) as tiff:
        last = tiff.pages.first.dataoffsets[-1]
    with path.open("r+b") as file:
        file.seek(last)
        file.write(bytes(500))
    assert run("ingest", path, "--store", object_store).returncode == 1
    assert Bucket(object_store).list("") == {}


def test_a_folder_as_a_store(tmp_path, run, sample_field):
    store = tmp_path / "elsewhere"
    made = run("ingest", sample_field, "--store", store.as_uri(), "--json")
    (item,) = orjson.loads(made.stdout)["items"]
    assert (store / f"{item['slide']}.zarr" / "manifest.json").is_file()
    assert run("verify", PATHSERVE_STORE=store.as_uri()).returncode == 0
    assert run("remove", item["slide"], "--store", store.as_uri()).returncode == 0
    assert list(store.glob("*.zarr")) == []


def test_a_store_that_is_not_there_is_told_before_anything_is_done(tmp_path, run, object_store, sample_field):
    refused = run("ingest", sample_field, "--store", object_store, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert refused.returncode == 1
    assert refused.stderr == "pathserve: The object store does not answer.\n"
    refused = run("serve", "--port", 0, "--store", "s3://name:secret@bucket/x")
    assert refused.returncode == 1
    assert "secret" not in refused.stderr + refused.stdout
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
