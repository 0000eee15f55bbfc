"""The OME-Zarr group over HTTP: the bytes on the disk, by RFC 9110, and nothing beside them."""

import asyncio
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import obstore.exceptions
import openslide
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import HTTPStore
from starlette.testclient import TestClient
from zarr.storage import ObjectStore

from pathserve.access import Actor, Role
from pathserve.catalog import SlideFacts
from pathserve.config import Settings
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.pyramid.storage import DiskFiles
from pathserve.server import routes_zarr
from pathserve.server.app import create_app
from pathserve.server.services import Services

SHARD = "0/c/0/0/0"


@dataclass(frozen=True)
class Group:
    """A slide's group over HTTP, and the folder that it is published in."""

    client: TestClient
    slide: str
    folder: Path

    def get(self, path: str, **headers: str):
        return self.client.get(
            f"/zarr/{self.slide}/{path}", headers={k.replace("_", "-"): v for k, v in headers.items()}
        )


def group_of(app, folder: Path) -> Group:
    services: Services = app.state.services
    token = services.accounts.create_token("reader", role=Role.VIEWER).secret
    slide = next(slide.id for slide in services.catalog.slides()[0] if slide.name == "slide")
    client = TestClient(app, raise_server_exceptions=False, follow_redirects=False)
    client.headers["authorization"] = f"Bearer {token}"
    return Group(client, slide, folder / "slides" / f"{slide}.zarr")


@pytest.fixture
def group(ingested: Path, tmp_path: Path) -> Iterator[Group]:
    """A group that a test may damage."""
    data = tmp_path / "data"
    shutil.copytree(ingested, data)
    app = create_app(Settings(data=data))
    yield group_of(app, data)
    app.state.services.close()


@pytest.fixture(scope="module")
def sound(ingested: Path, tmp_path_factory) -> Iterator[Group]:
    """A group that stays as it is."""
    data = tmp_path_factory.mktemp("zarr") / "data"
    shutil.copytree(ingested, data)
    app = create_app(Settings(data=data))
    yield group_of(app, data)
    app.state.services.close()


def test_every_published_file_is_given_as_it_lies(sound) -> None:
    files = [path for path in sound.folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    assert len(files) > 8
    for file in files:
        body, path = file.read_bytes(), str(file.relative_to(sound.folder))
        for address in (f"/zarr/{sound.slide}/{path}", f"/zarr/{sound.slide}.zarr/{path}"):
            answer = sound.client.get(address)
            assert (answer.status_code, answer.content) == (200, body)
            assert answer.headers["etag"] == f'"{hashlib.sha256(body).hexdigest()}"'
            assert answer.headers["accept-ranges"] == "bytes"
            assert answer.headers["cache-control"] == "private, no-cache"
            kind = "application/json" if path.endswith(".json") else "application/octet-stream"
            assert answer.headers["content-type"] == kind
            head = sound.client.head(address, headers={"range": "bytes=0-3"})  # Range is for GET alone
            different = {"x-request-id"}
            assert (head.status_code, head.content) == (200, b"")
            assert {k: v for k, v in head.headers.items() if k not in different} == {
                k: v for k, v in answer.headers.items() if k not in different
            }


@given(data=st.data())
def test_any_range_is_that_slice_of_the_file(sound, data) -> None:
    path = data.draw(st.sampled_from([SHARD, "1/c/0/0/0", "zarr.json", "3/zarr.json"]))
    body = (sound.folder / path).read_bytes()
    start = data.draw(st.integers(0, len(body) - 1))
    kind = data.draw(st.sampled_from(["both", "from", "last"]))
    if kind == "both":
        last = data.draw(st.integers(start, len(body) + 1000) | st.integers(start, 10**30))
        header, expected = f"bytes={start}-{last}", body[start : last + 1]
    elif kind == "from":
        header, expected = f"bytes={start}-", body[start:]
    else:
        count = data.draw(st.integers(1, len(body) + 1000))
        header, expected = f"bytes=-{count}", body[-count:]
    answer = sound.get(path, range=header)
    assert (answer.status_code, answer.content) == (206, expected)
    first = 0 if kind == "last" and count > len(body) else len(body) - count if kind == "last" else start
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(body)}"
    assert answer.headers["content-length"] == str(len(expected))


@pytest.mark.parametrize(
    "header",
    ["bytes=5-4", "bytes=" + "9" * 40 + "-" + "9" * 39, "bytes=", "bytes=-", "bytes=a-b", "bytes 0-1", "items=0-1",
     "bytes=0-0,-1", "bytes=0-1,5-6", "bytes=0x1-2", "bytes=\u0661-2", "bytes=1.0-2", "bytes=+1-2", ""],
)  # fmt: skip
def test_a_range_that_means_nothing_or_more_than_one_gives_the_whole_file(sound, header: str) -> None:
    answer = sound.client.get(f"/zarr/{sound.slide}/zarr.json", headers={"range": header.encode()})
    assert (answer.status_code, answer.content) == (200, (sound.folder / "zarr.json").read_bytes())
    assert "content-range" not in answer.headers


def test_blanks_and_capitals_in_a_range_mean_nothing(sound) -> None:
    body = (sound.folder / "zarr.json").read_bytes()
    for header in ("Bytes=2-5", "bytes= 2-5", "bytes=,2-5 ,", "bytes=02-0005"):
        assert sound.get("zarr.json", range=header).content == body[2:6]


@pytest.mark.parametrize("header", ["bytes={size}-", "bytes={size}-{size}", "bytes=99999999999999999999-", "bytes=-0"])
def test_a_range_behind_the_end_is_416_and_names_the_size(sound, header: str) -> None:
    size = (sound.folder / SHARD).stat().st_size
    answer = sound.get(SHARD, range=header.format(size=size))
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{size}"


def test_a_hundred_thousand_ranges_are_refused_without_reading_anything(sound, monkeypatch) -> None:
    def read(*_):
        raise AssertionError("nothing is to be read")

    monkeypatch.setattr(DiskFiles, "part", read)
    answer = sound.get(SHARD, range="bytes=" + ",".join(f"{n}-{n}" for n in range(100_000)))
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert sound.get(SHARD, range="bytes=5000000000-").status_code == 416


def test_conditions_come_before_ranges(sound) -> None:
    whole = sound.get(SHARD)
    tag, part = whole.headers["etag"], "bytes=10-19"
    assert sound.get(SHARD, range=part, if_range=tag).content == whole.content[10:20]
    for other in ('"other"', f"W/{tag}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert sound.get(SHARD, range=part, if_range=other).status_code == 200
    for known in (tag, "*", f'"other", {tag}', f"W/{tag}"):
        answer = sound.get(SHARD, range=part, if_none_match=known)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert sound.get(SHARD, range=part, if_none_match='"other"').status_code == 206
    assert sound.get(SHARD, range=part, if_match=tag).status_code == 206
    for wrong in ('"other"', f"W/{tag}"):
        answer = sound.get(SHARD, range=part, if_match=wrong)
        assert (answer.status_code, answer.json()["code"]) == (412, "stale")


def test_only_the_generation_in_the_address_makes_it_immutable(sound) -> None:
    for query, expected in (("?g=1", "private, max-age=31536000, immutable"), ("?g=2", "private, no-cache")):
        assert sound.get(f"zarr.json{query}").headers["cache-control"] == expected
    assert sound.get("zarr.json?x=1").status_code == 422


@pytest.mark.parametrize(
    "path",
    ["", "manifest.json", "0", "0/", "0/c", "0/c/0/9/9", "99/zarr.json", "0/.zarray", ".zattrs", "zarr.json/",
     "zarr.json%00", "0/c/0/0/0%00", "./zarr.json", "0/../zarr.json", "..%2f..%2fpathserve.db",
     "%2e%2e/%2e%2e/pathserve.db", "..%5c..%5cpathserve.db", "%2fetc%2fpasswd",
     "//etc/passwd", "0//zarr.json", "%ff", "ZARR.JSON", "a" * 20_000],
)  # fmt: skip
def test_what_the_manifest_does_not_list_is_not_there(sound, path: str) -> None:
    # Sent as it is written: the test client would tidy it up.
    seen = asyncio.run(raw_get(sound, f"/zarr/{sound.slide}/{path}"))
    assert (seen.status, seen.problem) == (404, "not_found")


@dataclass
class Seen:
    status: int = 0
    body: bytes = b""

    @property
    def problem(self) -> str:
        return str(json.loads(self.body)["code"])


async def raw_get(group: Group, target: str, *, leave_after: int | None = None) -> Seen:
    """Ask as a server process would pass it on; leave after so many bytes."""
    headers = [(b"authorization", group.client.headers["authorization"].encode())]
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": unquote(target, errors="replace"), "raw_path": target.encode(), "query_string": b"",
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    seen, gone, asked = Seen(), asyncio.Event(), False

    async def receive():
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.start":
            seen.status = message["status"]
            return
        seen.body += message.get("body", b"")
        if leave_after is not None and len(seen.body) >= leave_after:
            gone.set()
            await asyncio.sleep(0)

    await group.client.app(scope, receive, send)
    return seen


def count_reads(monkeypatch) -> list[int]:
    reads, part = list[int](), DiskFiles.part

    def counted(self, path, start, length):
        reads.append(length)
        return part(self, path, start, length)

    monkeypatch.setattr(DiskFiles, "part", counted)
    monkeypatch.setattr(routes_zarr, "BLOCK", 10_000)
    return reads


def test_a_long_file_is_read_block_by_block(sound, monkeypatch) -> None:
    reads, body = count_reads(monkeypatch), (sound.folder / SHARD).read_bytes()
    assert sound.get(SHARD).content == body
    assert reads == [10_000] * (len(body) // 10_000) + [len(body) % 10_000]
    reads.clear()
    assert sound.get(SHARD, range="bytes=7-25006").content == body[7:25_007]
    assert reads == [10_000, 10_000, 5_000]


def test_a_client_that_leaves_ends_the_reading_and_frees_its_place(sound, monkeypatch) -> None:
    reads = count_reads(monkeypatch)
    blocks = (sound.folder / SHARD).stat().st_size // 10_000
    for _ in range(70):  # more than there are places
        reads.clear()
        asyncio.run(raw_get(sound, f"/zarr/{sound.slide}/{SHARD}", leave_after=20_000))
        assert 2 <= len(reads) <= 6 < blocks
    assert len(sound.get(SHARD).content) > 100_000


def test_too_many_long_answers_at_once_are_sent_away_and_short_ones_are_not(sound, monkeypatch) -> None:
    count_reads(monkeypatch)
    sending = sound.client.app.state.services.sending
    held = [sending.hold(Actor(f"reader {number // 16}", Role.VIEWER)) for number in range(64)]
    for place in held:
        place.__enter__()
    answer = sound.get(SHARD)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert sound.get(SHARD, range="bytes=-4100").status_code == 206
    for place in held:
        place.__exit__(None, None, None)
    assert sound.get(SHARD).status_code == 200


def test_a_missing_or_cut_shard_is_damage_and_never_nothing(group) -> None:
    shard = group.folder / SHARD
    with shard.open("r+b") as file:
        file.truncate(50_000)
    for header in ("bytes=49990-50009", "bytes=0-60000", "bytes=-4100"):
        answer = group.get(SHARD, range=header)
        assert (answer.status_code, answer.json()["code"]) == (500, "corrupt"), header
    shard.unlink()
    answer = group.get(SHARD, range="bytes=0-9")
    assert (answer.status_code, answer.json()["code"]) == (500, "corrupt")


def test_a_level_that_is_still_being_built_is_not_taken_for_an_empty_one(group, take_back_levels) -> None:
    take_back_levels(group.folder)
    assert group.get("1/zarr.json").status_code == 200
    answer = group.get("1/c/0/0/0")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "building", "1")
    assert group.get(SHARD).status_code == 200
    assert group.get("1/.zattrs").status_code == 404


def test_a_slide_of_another_project_is_not_there(group) -> None:
    services = group.client.app.state.services
    secret = services.accounts.create_token("elsewhere", role=Role.VIEWER, project="elsewhere").secret
    other = {"authorization": f"Bearer {secret}"}
    for path in ("zarr.json", SHARD):
        answer = group.client.get(f"/zarr/{group.slide}/{path}", headers=other)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.json()["detail"] == group.client.get(f"/zarr/nothing/{path}").json()["detail"]
    services.catalog.edit_slide(group.slide, SlideFacts(project="elsewhere"))
    assert group.client.get(f"/zarr/{group.slide}/zarr.json", headers=other).status_code == 200


def test_the_metadata_holds_technical_facts_only(sound) -> None:
    own = sound.get("zarr.json").json()["attributes"]["pathserve"]
    assert set(own) <= {
        "format", "generation", "size", "tile", "levels", "vendor", "codec", "mpp", "mpp_plausible", "objective_power",
        "icc_profile", "channels", "rgb", "dtype", "planes", "plane_spacing", "times", "storage", "encodings", "bounds",
    }  # fmt: skip


def test_out_of_an_object_store_it_is_the_same(object_store, sample_slide, sound, tmp_path) -> None:
    settings = Settings(data=tmp_path / "data", store=object_store)
    app = create_app(settings)
    services: Services = app.state.services
    options = IngestOptions(name="slide", workers=2)
    ingest_scan(sample_slide, settings=settings, catalog=services.catalog, options=options, progress=lambda _: None)
    stored = group_of(app, tmp_path)
    for path in ("zarr.json", SHARD):
        ours, expected = stored.get(path), (sound.folder / path).read_bytes()
        assert (ours.content, ours.headers["etag"]) == (expected, f'"{hashlib.sha256(expected).hexdigest()}"')
        assert stored.get(path, range="bytes=100-299").content == expected[100:300]
    services.close()


@pytest.fixture
def address(group) -> Iterator[str]:
    """The same folder behind `pathserve serve`; the address of its group."""
    words = ["serve", "--data", str(group.folder.parents[1]), "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "pathserve", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert found is not None
        yield f"{found[0]}/zarr/{group.slide}"
        process.terminate()


def level(root: zarr.Group, number: int) -> Any:
    array = root[str(number)]
    assert isinstance(array, zarr.Array)
    return array


def test_zarr_python_opens_it_and_reads_openslides_pixels(group, address, sample_slide, take_back_levels) -> None:
    take_back_levels(group.folder)
    options: Any = {"default_headers": {"authorization": group.client.headers["authorization"]}, "allow_http": True}
    # What is busy is asked for again; here that would only take time.
    store = ObjectStore(
        HTTPStore.from_url(address, client_options=options, retry_config={"max_retries": 0}), read_only=True
    )
    root = zarr.open_group(store, mode="r")
    attributes: Any = root.attrs.asdict()
    assert attributes["ome"]["version"] == "0.5"
    pixels = np.moveaxis(level(root, 0)[:], 0, -1)
    with openslide.OpenSlide(sample_slide) as slide:
        expected = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
    assert np.array_equal(pixels, expected)
    with pytest.raises(obstore.exceptions.BaseError):
        level(root, 1)[:]
