"""Many tiles and regions in one answer: what single addresses give, in order, within limits."""

import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

from pathserve.access import Role
from pathserve.config import Settings
from pathserve.pyramid import Pyramid
from pathserve.pyramid.shards import ShardFile
from pathserve.server import routes_batch
from pathserve.server.app import create_app
from pathserve.server.services import Services

TOP = 12  # Deep Zoom level of the sample's full resolution: 10 x 13 tiles of 240 px, those at the edge cut


class Reader:
    """A client that may read, and the slide that it reads."""

    def __init__(self, app: Any) -> None:
        services: Services = app.state.services
        self.services = services
        self.slide = next(slide.id for slide in services.catalog.slides()[0] if slide.name == "slide")
        self.client = TestClient(app, raise_server_exceptions=False)
        token = services.accounts.create_token("reader", role=Role.VIEWER).secret
        self.client.headers["authorization"] = f"Bearer {token}"

    def post(self, body: Any, **more: Any) -> Any:
        return self.client.post(f"/api/slides/{self.slide}/tiles", json=body, **more)

    def members(self, body: Any) -> list[tuple[str, bytes]]:
        answer = self.post(body)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-tar"), answer.text
        with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:") as archive:
            return [(member.name, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def reader(ingested: Path, tmp_path_factory) -> Iterator[Reader]:
    data = tmp_path_factory.mktemp("batch") / "data"
    shutil.copytree(ingested, data)
    app = create_app(Settings(data=data, max_output_pixels=1_000_000))
    yield Reader(app)
    app.state.services.close()


@pytest.mark.parametrize("look", [{}, {"format": "png"}, {"format": "webp"}, {"color": "srgb"}])
def test_tiles_are_those_of_their_own_addresses_in_the_order_asked_for(reader, look: dict[str, str]) -> None:
    addresses = [
        (TOP, 3, 4),
        (TOP, 9, 12),
        (0, 0, 0),
        (TOP, 0, 0),
        (TOP - 1, 2, 2),
        (TOP, 3, 4),
        (5, 0, 0),
        (TOP, 9, 0),
    ]
    found = reader.members({"tiles": addresses} | look)
    image_format, query = look.get("format", "jpeg"), {k: v for k, v in look.items() if k != "format"}
    assert [name for name, _ in found] == [f"{number:06}.{image_format}" for number in range(len(addresses))]
    for (level, col, row), (_, body) in zip(addresses, found, strict=True):
        path = f"/dzi/{reader.slide}_files/{level}/{col}_{row}.{image_format}"
        assert body == reader.client.get(path, params=query).content, (level, col, row)


def test_regions_are_those_of_their_own_address_and_stand_behind_the_tiles(reader, sample_slide) -> None:
    grids: list[dict[str, Any]] = [
        {"x": 233, "y": 471, "width": 300, "height": 200},
        {"x": -10.5, "y": 2960, "width": 64, "height": 50, "downsample": 3.7},
        {"x": 100, "y": 100, "width": 50, "height": 60, "mpp": 1.0},
    ]
    found = reader.members({"regions": grids, "tiles": [(TOP, 0, 0)], "format": "npy"})
    assert [name for name, _ in found] == ["000000.npy", "000001.npy", "000002.npy", "000003.npy"]
    for grid, (_, body) in zip(grids, found[1:], strict=True):
        alone = reader.client.get(f"/api/slides/{reader.slide}/region", params={**grid, "format": "npy"})
        assert body == alone.content
    with openslide.OpenSlide(sample_slide) as slide:
        for (_, body), (place, size) in zip(found, [((0, 0), (240, 240)), ((233, 471), (300, 200))], strict=False):
            expected = np.asarray(slide.read_region(place, 0, size).convert("RGB"))
            assert np.array_equal(np.load(io.BytesIO(body), allow_pickle=False), expected)


def test_what_fails_is_its_problem_and_the_others_are_there(reader) -> None:
    tiles = [(TOP, 0, 0), (TOP, 10, 0), (99, 0, 0), (-1, 0, 0), (TOP, -1, 0), (TOP, 1, 2**62), (TOP, 1, 1)]
    regions = [{"x": 0, "y": 0, "width": 1, "height": 1, "downsample": 1e12}, {"x": 0, "y": 0, "width": 2, "height": 2}]
    found = reader.members({"tiles": tiles, "regions": regions})
    assert [name.partition(".")[2] for name, _ in found] == ["jpeg", *["json"] * 5, "jpeg", "json", "jpeg"]
    for name, body in found:
        if name.endswith("json"):
            problem = json.loads(body)
            assert set(problem) == {"type", "title", "status", "code", "detail", "request_id"}
            assert problem["code"] == ("invalid" if name == "000007.json" else "not_found")
        else:
            Image.open(io.BytesIO(body)).verify()


def test_the_same_question_has_the_same_bytes(reader) -> None:
    body = {"tiles": [(TOP, col, row) for col in range(10) for row in range(13)]}
    answers = [reader.post(body) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["cache-control"] == "no-store"


def test_what_is_in_memory_is_read_without_a_thread(reader, monkeypatch) -> None:
    body = {"tiles": [(TOP, col, row) for col in range(8) for row in range(8)]}
    expected = reader.post(body)
    assert expected.headers["content-length"] == str(len(expected.content))

    def read(*_: Any, **__: Any) -> None:
        raise AssertionError("no thread is needed")

    monkeypatch.setattr(routes_batch, "stored_chunks", read)
    assert reader.post(body).content == expected.content


def test_windows_change_nothing_and_chunks_are_read_once_in_the_order_in_which_they_lie(reader, monkeypatch) -> None:
    body = {"tiles": [(TOP, col, row) for col in range(8, -1, -1) for row in range(11, -1, -1)]}
    expected, slots, chunk = reader.post(body).content, list[int](), ShardFile.chunk

    def counted(self, slot, *, wait=True):
        if not wait:
            raise BlockingIOError
        slots.append(slot)
        return chunk(self, slot, wait=wait)

    def not_in_memory(self, slot):
        raise BlockingIOError

    monkeypatch.setattr(ShardFile, "chunk", counted)
    monkeypatch.setattr(ShardFile, "chunk_at_hand", not_in_memory)
    monkeypatch.setattr(routes_batch, "WINDOW", 200)
    assert reader.post(body).content == expected
    assert slots == sorted(set(slots))
    assert len(slots) == len(body["tiles"])
    monkeypatch.setattr(routes_batch, "WINDOW", 7)
    assert reader.post(body).content == expected


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"tiles": []}, 422, "invalid"),
        ([], 422, "invalid"),
        ("x", 422, "invalid"),
        ({"tiles": [[1, 2]]}, 422, "invalid"),
        ({"tiles": [[1, 2, 3, 4]]}, 422, "invalid"),
        ({"tiles": [[1, 2, "3"]]}, 422, "invalid"),
        ({"tiles": [[1, 2, 3.5]]}, 422, "invalid"),
        ({"tiles": [[1, 2, True]]}, 422, "invalid"),
        ({"tiles": [[1, 2, None]]}, 422, "invalid"),
        ({"tiles": {"a": 1}}, 422, "invalid"),
        ({"tiles": [[12, 0, 0]], "format": "gif"}, 422, "invalid"),
        ({"tiles": [[12, 0, 0]], "color": "red"}, 422, "invalid"),
        ({"tiles": [[12, 0, 0]], "tlies": []}, 422, "invalid"),
        ({"tiles": [[12, 0, 0]], "c": "x"}, 422, "invalid"),
        ({"tiles": [[12, 0, 0]], "z": -1}, 422, "invalid"),
        ({"regions": [{"x": 0, "y": 0, "width": 0, "height": 1}]}, 422, "invalid"),
        ({"regions": [{"x": 0, "y": 0, "width": 1}]}, 422, "invalid"),
        ({"regions": [{"x": 0, "y": 0, "width": 1, "height": 1, "mpp": 1, "downsample": 1}]}, 422, "invalid"),
        ({"regions": [{"x": 0, "y": 0, "width": 1000, "height": 600}] * 2}, 413, "too_large"),
        ({"tiles": [[12, 0, 0]] * 4096, "regions": [{"x": 0, "y": 0, "width": 1, "height": 1}]}, 413, "too_large"),
        ({"tiles": [[12, 0, 0]] * 4097}, 413, "too_large"),
        ({"tiles": [[12, 0, 0]] * 100_000}, 413, "too_large"),
    ],
)
def test_what_is_malformed_or_too_much_is_refused_as_a_whole(reader, body, status: int, code: str) -> None:
    answer = reader.post(body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ([], "The body: it must be an object."),
        ({"regions": [7]}, "The body's member regions[0]: it must be an object."),
        ({"regions": [{"x": 0, "y": 0, "width": 1}]}, "The body's member regions[0].height is missing."),
        ({"tiles": [], "tlies": []}, "The body has no member tlies."),
        (
            {"regions": [{"x" * 100: 0, "x": 0, "y": 0, "width": 1, "height": 1}]},
            "The body has no member regions[0].given.",
        ),
        (
            {"regions": [{"x": 0, "y": 0, "width": 1, "height": 1, "mpp": 1, "downsample": 1}]},
            "The body's member regions[0]: give mpp or downsample, not both.",
        ),
        ({"tiles": [[12, 0, "0"]]}, "The body's member tiles[0][2]: Input should be a valid integer."),
    ],
)
def test_what_is_wrong_is_told_in_plain_words(reader, body, detail: str) -> None:
    assert reader.post(body).json()["detail"] == detail


def test_every_body_s_mistakes_are_told_in_plain_words(reader) -> None:
    client = reader.client
    token = reader.services.accounts.create_token("admin", role=Role.ADMIN).secret
    admin = {"authorization": f"Bearer {token}"}
    for answer in (
        client.patch(f"/api/slides/{reader.slide}", json=[], headers=admin),
        client.post("/api/pseudonyms/search", json=[], headers=admin),
        client.put("/api/projects/default/members/1", json=[], headers=admin),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (422, "The body: it must be an object."), answer.url


@pytest.mark.parametrize("c", [0, "0", [0], ["0"]])
def test_in_a_body_numbers_may_stand_as_numbers(reader, c) -> None:
    address = f"/dzi/{reader.slide}_files/{TOP}/3_4.jpeg?c=0&z=0"
    assert reader.members({"tiles": [[TOP, 3, 4]], "c": c, "z": 0}) == [
        ("000000.jpeg", reader.client.get(address).content)
    ]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff", b'{"tiles": [[1,2,' + b"9" * 5000 + b"]]}", b"[" * 5000, b'{"tiles":NaN}']
)
def test_what_is_no_json_is_refused(reader, raw: bytes) -> None:
    answer = reader.client.post(f"/api/slides/{reader.slide}/tiles", content=raw)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@hypothesis_settings(max_examples=60)
@given(
    body=JSON
    | st.fixed_dictionaries({}, optional=dict.fromkeys(["tiles", "regions", "format", "color", "c", "z", "t"], JSON))
)
def test_any_body_is_answered(reader, body) -> None:
    assert reader.post(body).status_code in (200, 413, 422)


def test_channels_and_planes_may_be_named_as_in_an_address(reader) -> None:
    plain = reader.members({"tiles": [(TOP, 1, 1)]})
    for view in ({"c": "0,1,2"}, {"c": ["0", "1", "2"]}, {"z": 0}, {"z": "0"}, {"t": 0}):
        assert reader.members({"tiles": [(TOP, 1, 1)]} | view) == plain
    missing = reader.members({"tiles": [(TOP, 1, 1)], "z": 7})
    assert [name for name, _ in missing] == ["000000.json"]


def test_tiles_that_are_made_wait_their_turn_and_stored_ones_do_not(reader, monkeypatch) -> None:
    turns, run = list[int](), reader.services.drawing.run

    async def counted(*given, **more):
        turns.append(1)
        return await run(*given, **more)

    monkeypatch.setattr(type(reader.services.drawing), "run", staticmethod(counted))
    reader.members({"tiles": [(TOP, col, row) for col in range(9) for row in range(12)]})
    assert turns == []
    reader.members({"tiles": [(TOP, 9, row) for row in range(13)] + [(TOP, col, 12) for col in range(9)]})
    assert len(turns) == 2  # 22 cut tiles, 16 at a time
    reader.members({"regions": [{"x": 0, "y": 0, "width": 8, "height": 8}] * 3})
    assert len(turns) == 5


def test_a_damaged_chunk_takes_no_other_with_it(ingested, tmp_path) -> None:
    data = tmp_path / "data"
    shutil.copytree(ingested, data)
    app = create_app(Settings(data=data))
    reader = Reader(app)
    folder = data / "slides" / f"{reader.slide}.zarr"
    assert Pyramid.open(folder).chunk(1, 0, 0)
    (folder / "1/c/0/0/0").unlink()
    found = reader.members({"tiles": [(TOP, 0, 0), (TOP - 1, 0, 0), (TOP, 1, 0)]})
    assert [name for name, _ in found] == ["000000.jpeg", "000001.json", "000002.jpeg"]
    assert json.loads(found[1][1])["code"] == "corrupt"
    app.state.services.close()


def test_tiles_of_a_level_under_construction_are_those_that_will_be_built(ingested, tmp_path, take_back_levels) -> None:
    data = tmp_path / "data"
    shutil.copytree(ingested, data)
    app = create_app(Settings(data=data))
    reader = Reader(app)
    body = {"tiles": [(TOP - 1, col, row) for col in range(5) for row in range(7)]}
    built = reader.members(body)
    take_back_levels(data / "slides" / f"{reader.slide}.zarr")
    reader.services.tiles.forget(reader.slide)
    assert reader.members(body) == built
    app.state.services.close()


def test_a_slide_of_another_project_is_not_there_and_strangers_get_nothing(reader) -> None:
    secret = reader.services.accounts.create_token("elsewhere", role=Role.VIEWER, project="elsewhere").secret
    body = {"tiles": [(TOP, 0, 0)]}
    answer = reader.post(body, headers={"authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert reader.post(body, headers={"authorization": ""}).status_code == 401
