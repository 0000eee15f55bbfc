"""Damaged files of every format: a refusal within two seconds or a right slide, and tiles of others go on."""

import json
import os
import shutil
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from proofs.mutated import damaged_copy
from starlette.testclient import TestClient

from pathserve import errors
from pathserve.access import Role
from pathserve.config import Settings
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.pyramid import verify_pyramid
from pathserve.server.app import create_app
from pathserve.slides import Scan

SEED = 40
NAME = "Zq50Featherstonehaugh"
MOST_SECONDS = 2.0

FORMATS = {
    "svs": "aperio/CMU-1-Small-Region.svs",
    "aperio 16 bits": "aperio/aperio-16bit-1channel.tif",
    "tiff jpeg": "generic-tiff/CMU-0-small.tiff",
    "tiff grey": "generic-tiff/test_orient1.tif",
    "tiff deflate": "generic-tiff/boxes.tiff",
    "tiff webp": "generic-tiff/CMU-1-Small-Region.webp.tiff",
    "ome-tiff": "ome-tiff/cells-2c.ome.tif",
    "ome-tiff z": "ome-tiff/test_ome.tiff",
    "qptiff": "qptiff/small_vectra.qptiff",
    "ndpi": "hamamatsu/test3-DAPI-2-(387).ndpi",
    "dicom slide": "dicom-wsm/camelyon-jpeg.dcm",
    "dicom jpeg 2000": "dicom-wsm/wsi2dcm-jpeg2000.dicom",
    "dicom ct": "dicom-radiology/CT_small.dcm",
    "czi zstd": "czi/S3_1Pos_2Mosaic_T1_Z1_CH1.czi",
    "czi t z c": "czi/CellDivision_T3_Z5_CH2_comp1.czi",
    "ome-zarr 0.5": "ome-zarr/CMU-1-Small-Region-crop.v05.ome.zarr",
    "ome-zarr 0.4": "ome-zarr/coins.ome.zarr",
    "jpeg": "plain/hgsc_nest.jpg",
    "png": "plain/ihc.png",
    "jpeg 2000": "jp2/cells-1.jp2",
}

Try = Callable[[Path, Path], dict]


@pytest.fixture(scope="module")
def try_scan() -> Iterator[Try]:
    """Let a worker read a scan; gives what it said, how it ended and what it cost."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    words = [sys.executable, "-m", "proofs.nursery"]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )

    def run(scan: Path, staging: Path) -> dict:
        files = [str(file) for file in Scan.of(scan).files]
        process.stdin.write(json.dumps({"scan": str(scan), "files": files, "staging": str(staging)}) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield run
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


def judge(answer: dict, staging: Path) -> tuple[str, str]:
    """Name how a scan ended (right, refused, the worker died), and what is wrong with that."""
    if NAME in answer["raw"]:
        return "told", "a message holds the file's name"
    if answer["hung"]:
        return "hung", "the worker hung"
    last = answer["said"][-1] if answer["said"] else {}
    if "built" in last and answer["exit"] == 0:
        return "right", "; ".join(damage.message for damage in verify_pyramid(staging / "pyramid"))
    if answer["cpu"] > MOST_SECONDS:
        return "slow", f"refused after {answer['cpu']:.1f} seconds of CPU"
    if "error" not in last:
        return "died", ""  # the parent makes it one clear error
    is_ours = issubclass(getattr(errors, last["error"], object), errors.PathServeError)
    return "refused", "" if is_ours and last["message"].endswith(".") else f"said {last['message']!r}"


@pytest.mark.parametrize("name", list(FORMATS))
@pytest.mark.parametrize("count", [12, pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(7200)])])
def test_damaged_files_are_refused_quickly_or_right(try_scan, shared_data, tmp_path, tell, name, count):
    scan = shared_data / "slides" / FORMATS[name]
    random = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    ends, wrong = Counter[str](), list[str]()
    for number in range(count):
        target, staging = tmp_path / f"{NAME}{scan.suffix}", tmp_path / "staging"
        staging.mkdir()
        way = damaged_copy(scan, target, random)
        end, fault = judge(try_scan(target, staging), staging)
        ends[end] += 1
        if fault:
            wrong.append(f"{name}, damage {number} ({way}): {fault}")
        for path in (target, staging):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if count > 100:
        tell(f"{name}, seed {SEED}: {len(wrong)} of {count} wrong; {dict(ends)}")
    assert wrong == []


def test_an_undamaged_file_is_right(try_scan, shared_data, tmp_path):
    # Were the harness itself at fault, everything above would be refused, and rightly so.
    for number, path in enumerate(FORMATS.values()):
        staging = tmp_path / str(number)
        staging.mkdir()
        assert judge(try_scan(shared_data / "slides" / path, staging), staging) == ("right", ""), path


def test_tiles_go_on_while_damaged_files_are_ingested(shared_data, sample_field, tmp_path):
    data, scans = tmp_path / "data", tmp_path / "scans"
    app = create_app(Settings(data=data))
    services = app.state.services
    (made,) = ingest_scan(
        sample_field,
        settings=services.settings,
        catalog=services.catalog,
        options=IngestOptions(name="field"),
        progress=lambda _: None,
    )
    scans.mkdir()
    random = np.random.default_rng(SEED)
    for number, name in enumerate(("svs", "tiff deflate", "dicom slide", "png")):
        scan = shared_data / "slides" / FORMATS[name]
        damaged_copy(scan, scans / f"{number}{scan.suffix}", random)
    for path in (shared_data / "broken").iterdir():
        if path.is_file():
            shutil.copyfile(path, scans / path.name)
    token = services.accounts.create_token("reader", role=Role.VIEWER).secret
    address = f"/dzi/{made.slide.id}_files/11/1_1.jpeg"
    words = [sys.executable, "-m", "pathserve", "ingest", str(scans), "--data", str(data)]
    with TestClient(app, headers={"authorization": f"Bearer {token}"}) as client:
        tile = client.get(address).content
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        answers = 0
        while process.poll() is None:
            assert client.get(address).content == tile
            answers += 1
        _, errors_said = process.communicate()
    assert answers > 50
    assert process.returncode in (1, 3)
    assert "Traceback" not in errors_said
    assert errors_said.count("\n") >= 5
    for folder in (data / "slides").glob("*.zarr"):
        assert verify_pyramid(folder) == []
