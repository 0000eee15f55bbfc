"""Files of annotations in and out over HTTP."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import uuid

import anyio
import orjson
import pytest
from anyio import CapacityLimiter, to_thread
from starlette.responses import Response

from pathserve.errors import Cancelled, Invalid
from pathserve.server import exchanging
from pathserve.server.exchanging import ImportEvents, written_blocks
from pathserve.server.staged import staged, sweep_staged

SQUARE = [[0, 0], [40, 0], [40, 40], [0, 40], [0, 0]]
BOW_TIE = [[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]


def polygon(ring, x=0):
    return {"type": "Polygon", "coordinates": [[[a + x, b] for a, b in ring]]}


def feature(geometry, **members):
    return {"type": "Feature", "geometry": geometry, "properties": {}, **members}


def text(*features):
    return orjson.dumps({"type": "FeatureCollection", "features": features})


@pytest.fixture
def site(new_slide):
    return new_slide()


@pytest.fixture
def path(site):
    return f"/api/slides/{site.slide}/annotations"


def bring(site, path, body, *, role="annotator", headers=None, **query):
    return site.client(role).post(f"{path}/import", params=query, content=body, headers=headers or {})


def events(answer):
    found = []
    for block in answer.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def test_a_file_is_imported_and_reported(site, path):
    body = text(feature(polygon(SQUARE)), feature(polygon(BOW_TIE)), feature(None))
    answer = bring(site, path, body, layer="tools")
    report = answer.json()
    assert answer.status_code == 201
    assert (report["format"], report["layer"], report["read"], report["created"]) == ("geojson", "tools", 3, 2)
    assert [(i["index"], i["code"]) for i in report["repaired"]] == [(1, "geometry_repaired")]
    assert [(i["index"], i["code"]) for i in report["refused"]] == [(2, "no_geometry")]
    assert report["frame"] == {"origin": "slide", "unit": "px", "mpp": None, "to_slide": [1, 0, 0, 0, 1, 0]}
    assert report["assumed"] == ["format", "origin", "unit"]
    features = site.client().get(path).json()["features"]
    assert {(f["properties"]["layer"], f["properties"]["author"]) for f in features} == {("tools", "annotator")}
    again = bring(site, path, body, layer="tools").json()
    assert (again["created"], again["there_already"], again["revision"]) == (0, 2, report["revision"])


def test_nothing_accepted_is_a_problem_with_the_report(site, path):
    answer = bring(site, path, text(feature(None), feature({"type": "Point", "coordinates": [1e308, 0]})))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "all_refused")
    assert [i["code"] for i in problem["report"]["refused"]] == ["no_geometry", "out_of_range"]


@pytest.mark.parametrize(
    ("body", "query", "status", "code"),
    [
        (b"", {}, 422, "empty_file"),
        (b"\xac\xed\x00\x05w", {}, 422, "qupath_data"),
        (b"name,x,y\na,1,2\n", {}, 422, "table"),
        (b'{"type":"FeatureCollection","features":[{]}', {}, 422, "not_json"),
        (b"[]", {"format": "shapefile"}, 422, "bad_format"),
        (b"[]", {"affine": "1,2"}, 422, "bad_affine"),
        (b"[]", {"affine": "0,0,0,0,0,0", "format": "geojson"}, 422, "bad_affine"),
        (b"[]", {"origin": "moon"}, 422, "invalid"),
        (b"[]", {"option": "nothing"}, 422, "bad_option"),
        (b'{"type":"FeatureCollection","features":[]}', {"option": "kind=instance"}, 422, "bad_option"),
        (b"[]", {"layer": " "}, 422, "bad_name"),
        (b"[]", {"typo": "1"}, 422, "invalid"),
    ],
)
def test_what_is_wrong_is_told(site, path, body, query, status, code):
    answer = bring(site, path, body, **query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_rights(site, path):
    assert site.anonymous.post(f"{path}/import", content=b"[]").status_code == 401
    assert bring(site, path, b"[]", role="viewer").status_code == 403
    assert site.anonymous.get(f"{path}/export").status_code == 401
    for place in ("import", "export"):
        assert (
            site.client()
            .request("POST" if place == "import" else "GET", f"/api/slides/nothing/annotations/{place}")
            .status_code
            == 404
        )


def test_progress_comes_as_events(site, path):
    body = text(*(feature(polygon(SQUARE, n)) for n in range(3000)))
    answer = bring(site, path, body, headers={"accept": "text/event-stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer)
    assert [name for name, _ in told[:-1]] == ["progress"] * (len(told) - 1)
    assert told[-1][0] == "report"
    assert told[-1][1]["created"] == 3000
    answer = bring(site, path, b"{}", headers={"accept": "text/event-stream"})
    name, problem = events(answer)[-1]
    assert (answer.status_code, name, problem["code"]) == (200, "problem", "unknown_json")


def test_a_file_has_a_limit_and_leaves_nothing_behind(site, path, monkeypatch):
    folder = site.services.settings.imports
    monkeypatch.setattr(type(site.services.settings), "max_import_bytes", 1000, raising=False)
    body = text(*(feature(polygon(SQUARE, n)) for n in range(3)))
    assert len(body) < 1000
    assert bring(site, path, body).status_code == 201
    long = bring(site, path, body + b" " * 1000)
    assert (long.status_code, long.json()["code"]) == (413, "too_large")
    slow = site.client().post(f"{path}/import", content=iter([body, b" " * 1000]))  # tells no length
    assert slow.status_code == 413
    assert list(folder.iterdir()) == []


HOLDER = """
import sys
from pathlib import Path
from pathserve.server.staged import staged

with staged(Path(sys.argv[1])) as path:
    path.write_bytes(b"names")
    print(flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_server_leaves_behind_goes(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        with staged(tmp_path) as mine:
            theirs = next(path for path in tmp_path.iterdir() if path != mine.parent)
            for folder in tmp_path.iterdir():
                os.utime(folder, (0, 0))
            sweep_staged(tmp_path)
            assert {*tmp_path.iterdir()} == {theirs, mine.parent}  # both are at work
            other.kill()
            other.wait()
            (tmp_path / "import-new").mkdir()
            sweep_staged(tmp_path)
            assert {*tmp_path.iterdir()} == {tmp_path / "import-new", mine.parent}
        assert not mine.exists()


def test_the_server_sweeps_what_is_left_of_imports(site):
    left = site.services.settings.imports / "import-left"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    site.services.queue.sweep()
    assert not left.exists()


def test_an_export_is_a_file_of_any_format(site, path):
    bring(site, path, text(feature(polygon(SQUARE)), feature(polygon(SQUARE, 50))), layer="a")
    bring(site, path, text(feature(polygon(SQUARE, 9))), layer="b")
    answer = site.client("viewer").get(f"{path}/export")
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["content-disposition"] == f'attachment; filename="annotations-{site.slide}.geojson"'
    assert answer.headers["pathserve-revision"] == "2"
    assert len(answer.json()["features"]) == 3
    assert len(site.client().get(f"{path}/export", params={"layer": "b"}).json()["features"]) == 1
    assert len(site.client().get(f"{path}/export", params={"as_of": 1}).json()["features"]) == 2
    assert len(site.client().get(f"{path}/export", params={"bbox": "45,0,60,9"}).json()["features"]) == 2
    records = site.client().get(f"{path}/export", params={"format": "geojsonl"}).content.split(b"\x1e")[1:]
    assert len(records) == 3
    assert site.client().get(f"{path}/export", params={"format": "x"}).json()["code"] == "bad_format"
    assert site.client().get(f"{path}/export", params={"as_of": 99}).status_code == 422
    none = site.client().get(f"{path}/export", params={"class": "no such class"})
    assert (none.status_code, none.json()["features"]) == (200, [])
    scale = site.client().get(f"{path}/export", params={"format": "dicom-seg"}).json()
    assert scale["code"] == "choose_downsample"
    assert "with the option downsample=4," in scale["detail"]
    assert "--" not in scale["detail"]
    for place in ("export", "export/report"):
        mistaken = site.client().get(f"{path}/{place}", params={"layer": ["b", "c"]})
        assert (mistaken.status_code, mistaken.json()["code"]) == (404, "not_found")
        assert mistaken.json()["detail"].startswith("There is no such layer. Layers are: ")
    moved = site.client().get(f"{path}/export", params={"affine": "1,0,5,0,1,0", "layer": "b"}).json()
    assert moved["features"][0]["geometry"]["coordinates"][0][0] == [4, 0]


def test_what_an_export_would_lose_is_told_before(site, path):
    bring(site, path, text(feature(polygon(SQUARE))))
    report = site.client().get(f"{path}/export/report", params={"format": "qupath"}).json()
    assert (report["written"], [loss["code"] for loss in report["losses"]]) == (1, ["server_members"])


def test_formats_are_listed(site):
    items = {item["name"]: item for item in site.client("viewer").get("/api/annotation-formats").json()["items"]}
    assert items["qupath"]["reads"]
    assert items["qupath"]["writes"]
    assert items["geojson"]["endings"][0] == ".geojson"


def test_every_format_that_is_written_comes_out(site, path):
    bring(site, path, text(feature(polygon(SQUARE), properties={"classification": {"name": "Tumor"}})))
    for item in site.client().get("/api/annotation-formats").json()["items"]:
        if item["writes"]:
            answer = site.client().get(f"{path}/export", params={"format": item["name"]})
            assert answer.status_code in (200, 422), item["name"]
            if answer.status_code == 200:
                assert answer.content


def test_blocks_wait_for_who_takes_them():
    written = []

    def write(out):
        for n in range(100):
            out.write(bytes(exchanging._BLOCK))
            written.append(n)

    async def take(count):
        blocks = written_blocks(write, CapacityLimiter(2))
        taken = 0
        async for block in blocks:
            taken += len(block)
            if taken >= count * exchanging._BLOCK:
                break
        await blocks.aclose()
        return taken

    anyio.run(take, 3)
    assert len(written) <= 3 + exchanging._BLOCKS_AHEAD + 1
    deadline = time.monotonic() + 5
    while any(thread.name == "export" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    written.clear()
    assert anyio.run(take, 1000) == 100 * exchanging._BLOCK


def test_an_error_of_a_writer_is_raised_where_blocks_are_taken():
    def write(out):
        out.write(b"something")
        raise Invalid("Not this.", code="some_code")

    async def take():
        async for _ in written_blocks(write, CapacityLimiter(2)):
            pass

    with pytest.raises(Invalid):
        anyio.run(take)


def test_an_import_whose_client_leaves_stops():
    outcome = []

    def work(tell):
        try:
            while True:
                tell("reading", len(outcome), None)
                time.sleep(0.01)
        except Cancelled as error:
            outcome.append(error)
            raise

    async def run():
        async def receive():
            await anyio.sleep(0.3)
            return {"type": "http.disconnect"}

        async def send(message):
            await to_thread.run_sync(lambda: None)

        events = ImportEvents(
            work, lambda _: Response(b"{}", status_code=409), CapacityLimiter(1), contextlib.ExitStack()
        )
        with anyio.fail_after(10):
            await events({}, receive, send)

    anyio.run(run)
    assert len(outcome) == 1


def test_ids_stay(site, path):
    own = str(uuid.uuid4())
    bring(site, path, text(feature(polygon(SQUARE), id=own)))
    answer = bring(site, path, text(feature(polygon(SQUARE, 1), id=own)))
    assert (answer.status_code, answer.json()["report"]["refused"][0]["code"]) == (422, "conflict")
    assert bring(site, path, text(feature(polygon(SQUARE, 1), id=own)), on_conflict="replace").json()["replaced"] == 1
    assert site.client().get(f"/api/annotations/{own}").json()["geometry"] == polygon(SQUARE, 1)
