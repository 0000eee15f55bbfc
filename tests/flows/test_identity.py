"""Names that stand in scans, wherever it be, are in nothing that PathServe writes; and ``inspect`` lists them all."""

import base64
import json
import re
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from proofs.planted import Plant, Planter, layers, traces

from pathserve.ingest.inspect import inspect_identity

ORIGINAL = "Zq99Featherstonehaugh"
UPLOADED = ("svs", "dicom", "jpeg", "png")


def run(*words: str, check: bool = True) -> "subprocess.CompletedProcess[bytes]":
    done = subprocess.run([sys.executable, "-m", "pathserve", *words], capture_output=True)
    assert not check or done.returncode == 0, done.stderr.decode()
    return done


@pytest.fixture(scope="module")
def plants(tmp_path_factory, shared_data, sample_slide) -> list[Plant]:
    return Planter(shared_data / "slides", sample_slide, tmp_path_factory.mktemp("scans")).plant_all()


@pytest.fixture(scope="module")
def scans(plants) -> list[Path]:
    return list(dict.fromkeys(plant.scan for plant in plants))


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give everything in a folder: names, and contents."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        yield f"name of {name}", name.encode()
        if path.is_file():
            yield name, path.read_bytes()


def found_in(plants: list[Plant], parts: Iterator[tuple[str, bytes]]) -> list[str]:
    return [
        f"{plant.name} in {place}: {trace}"
        for place, data in parts
        for plant in plants
        for trace in traces(plant, data)
    ]


def test_the_names_are_in_the_scans(plants):
    # A search that finds nothing where something is would prove nothing.
    assert len({plant.text for plant in plants}) == len(plants) >= 20
    for plant in plants:
        files = [plant.scan] if plant.scan.is_file() else [path for path in plant.scan.rglob("*") if path.is_file()]
        parts = [(str(path), str(path).encode() + path.read_bytes()) for path in files]
        assert found_in([plant], iter(parts)), plant.name


def test_inspect_lists_every_one(plants, scans):
    missing = []
    for scan in scans:
        shown = inspect_identity(scan, values="shown").identity.to_dict()["found"]
        missing += [
            (plant.name, [item for item in shown if plant.text in str(item)])
            for plant in plants
            if plant.scan == scan and not any(matches(plant, item) for item in shown)
        ]
        masked = inspect_identity(scan, values="masked").identity.to_dict()
        assert found_in(plants, iter([("masked", json.dumps(masked).encode())])) == []
    assert missing == []


def test_the_command_shows_values_only_when_asked(plants, scans):
    of_first = [plant for plant in plants if plant.scan == scans[0]]
    for words in (["--json"], []):
        told = run("inspect", str(scans[0]), *words)
        assert found_in(plants, iter([("inspect", told.stdout + told.stderr)])) == []
    shown = json.loads(run("inspect", str(scans[0]), "--json", "--show-values").stdout)["identity"]
    assert [plant.name for plant in of_first if not any(matches(plant, item) for item in shown)] == []


def matches(plant: Plant, item: dict) -> bool:
    return (
        re.fullmatch(plant.place, item["place"]) is not None
        and re.fullmatch(plant.field, item["field"]) is not None
        and item["kind"] in plant.kinds
        and (not plant.values or plant.text in " ".join(item["values"]))
    )


@pytest.fixture(scope="module")
def ingested(tmp_path_factory, scans) -> tuple[Path, bytes]:
    """A folder that the command line has filled, with a manifest, and everything that it said meanwhile."""
    folder = tmp_path_factory.mktemp("command line")
    data, manifest = folder / "data", folder / "manifest.csv"
    # Each has its line: a scan without one is named on the terminal of whoever named it there.
    lines = [f"{scan},Field {number},C{number},P{number}," for number, scan in enumerate(scans)]
    manifest.write_text("\n".join(["file,name,case,patient,original_patient", *lines]) + ORIGINAL + "\n")
    said = b""
    ingest = ["ingest", *map(str, scans), "--manifest", str(manifest)]
    for words in (ingest, ["slides", "--json"], ["slides"], ["verify"], ["verify", "--json"], ["jobs", "list"]):
        done = run(*words, "--data", str(data))
        said += done.stdout + done.stderr
    return data, said


def test_the_command_line_writes_none_of_them(plants, scans, ingested):
    data, said = ingested
    assert len(list((data / "slides").glob("*.zarr"))) >= len(scans)
    assert found_in(plants, written(data)) == []
    assert found_in(plants, iter([("what was said", said)])) == []


def test_an_original_is_in_the_file_of_pseudonyms_alone(ingested):
    data, said = ingested
    plant = Plant("original", ORIGINAL, data, "", "", ())
    where = {place for place, part in written(data) for _ in traces(plant, part)}
    assert where
    assert all(place.startswith("pseudonyms.db") for place in where)
    assert traces(plant, said) == []
    assert ORIGINAL in run("pseudonyms", "list", "--data", str(data)).stdout.decode()


@pytest.fixture
def site(tmp_path) -> Iterator[tuple[Path, httpx2.Client, list[bytes]]]:
    """A running server with an empty folder, an administrator of it, and what the server says in the end."""
    data = tmp_path / "data"
    token = run("token", "create", "tests", "--role", "admin", "--data", str(data)).stdout.decode().strip()
    words = [sys.executable, "-m", "pathserve", "serve", "--port", "0", "--data", str(data)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = [b""]
    while (address := re.search(rb"http://127\.0\.0\.1:(\d+)", said[0])) is None:
        line = process.stdout.readline()
        assert line, said
        said[0] += line
    headers = {"authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=address[0].decode(), headers=headers, timeout=60) as client:
        yield data, client, said
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    said[0] += process.communicate(timeout=60)[0]


def upload(client: httpx2.Client, scan: Path) -> str:
    """Bring a file in as a browser does, its name with it; give the job."""
    coded = base64.b64encode(scan.name.encode()).decode()
    headers = {
        "tus-resumable": "1.0.0",
        "upload-length": str(scan.stat().st_size),
        "upload-metadata": f"filename {coded}",
        "content-type": "application/offset+octet-stream",
    }
    answer = client.post("/api/uploads", content=scan.read_bytes(), headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["pathserve-job"]


def wait_for(client: httpx2.Client, job: str) -> dict:
    deadline = time.monotonic() + 120
    while (state := client.get(f"/api/jobs/{job}").json())["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, state
        time.sleep(0.1)
    assert state["state"] == "done", state
    return state


def answers(client: httpx2.Client, slides: list[str], jobs: list[str]) -> Iterator[tuple[str, bytes]]:
    """Give what the server tells about everything that was brought in."""
    addresses = ["/api/slides", "/api/jobs", "/api/pseudonyms", "/api/audit", "/metrics"]
    addresses += [f"/api/jobs/{job}" for job in jobs]
    for slide in slides:
        parts = (
            "",
            "/identity",
            "/quality",
            "/thumbnail",
            "/associated/thumbnail",
            "/associated/label",
            "/annotations",
        )
        addresses += [f"/api/slides/{slide}{part}" for part in parts]
        addresses += [f"/dzi/{slide}.dzi", f"/dzi/{slide}_files/9/0_0.jpeg", f"/iiif/3/{slide}/info.json"]
    for address in addresses:
        answer = client.get(address)
        yield address, str(dict(answer.headers)).encode() + answer.content


def test_uploads_leave_none_of_them_anywhere(plants, site):
    data, client, said = site
    scans = list(dict.fromkeys(plant.scan for plant in plants if plant.scan.suffix in (".svs", ".dcm", ".jpg", ".png")))
    assert len(scans) == len(UPLOADED)
    jobs = [upload(client, scan) for scan in scans]
    slides = [slide for job in jobs for slide in wait_for(client, job)["slides"]]
    assert len(slides) == len(scans)
    while_running = found_in(plants, written(data)) + found_in(plants, answers(client, slides, jobs))
    assert while_running == []
    (refused,) = [client.post("/api/uploads", headers={"upload-metadata": "filename " + "x"})]
    assert found_in(plants, iter([("a refusal", refused.content), ("the server's log", said[0])])) == []


def test_what_is_deflated_or_escaped_is_found_too():
    name = b"name=Zq77Featherstonehaugh"
    for hidden in (zlib.compress(name), name.replace(b"77", b"\\u0037\\u0037")):
        assert any(b"Zq77Feather" in part for part in layers(b"xx" + hidden + b"yy"))
