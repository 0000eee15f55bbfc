"""The whole way: a scan is ingested, outlined over HTTP and comes back as a tile-mask pair, on a real server."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import openslide
import pytest
import shapely
import tifffile

from pathserve import errors
from pathserve.client import Client

OUTLINE = [[400.5, 400.25], [611.125, 430], [640, 600.75], [420, 590], [400.5, 400.25]]


@pytest.fixture(scope="module")
def stack(shared_data: Path) -> Path:
    """Two channels of several planes, 16 bits."""
    return shared_data / "slides" / "ome-tiff" / "test_ome.tiff"


@pytest.fixture(scope="module")
def served(tmp_path_factory, sample_slide: Path, stack: Path) -> Iterator[tuple[str, str, str]]:
    """Address, admin token and sign-in link of a real server in a process of its own."""
    environment = {**os.environ, "PATHSERVE_DATA": str(tmp_path_factory.mktemp("served") / "data")}

    def run(*words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "pathserve", *words], env=environment, capture_output=True, text=True, check=True
        ).stdout

    run("ingest", str(sample_slide))
    run("ingest", str(stack))
    token = run("token", "create", "pipeline", "--role", "annotator").strip()
    server = subprocess.Popen(
        [sys.executable, "-m", "pathserve", "serve", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    address = re.search(r"http://[\d.:]+", server.stdout.readline())
    link = server.stdout.readline().split(": ", 1)[1].strip()
    assert address is not None
    yield address[0], token, link
    server.send_signal(signal.SIGINT)
    server.stdout.close()
    assert server.wait(timeout=20) == 0


def test_a_pair_holds_image_and_mask_on_one_grid(served, sample_slide: Path) -> None:
    address, token, _ = served
    with Client(address, token=token) as client, openslide.OpenSlide(sample_slide) as truth:
        slide = next(client.slides())
        feature = {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [OUTLINE]},
            "properties": {"classification": {"name": "Tumour", "color": [200, 0, 0]}},
        }
        assert slide.add_annotations([feature])["created"] == 1
        assert [f["geometry"]["coordinates"] for f in slide.annotations()] == [[OUTLINE]]
        assert slide.classes() == {"Tumour": 1}
        pair = slide.pair(380, 390, 280, 230)
        expected_image = np.asarray(truth.read_region((380, 390), 0, (280, 230)).convert("RGB"))
        assert np.array_equal(pair.image, expected_image)
        x, y = np.meshgrid(380 + np.arange(280) + 0.5, 390 + np.arange(230) + 0.5)
        inside = shapely.contains_xy(shapely.Polygon(OUTLINE), x, y)
        assert np.array_equal(pair.mask, inside.astype(np.uint8))
        assert pair.classes == {"Tumour": 1}
        assert np.array_equal(slide.mask(380, 390, 280, 230), pair.mask)
        assert np.array_equal(slide.region(380, 390, 280, 230), pair.image)
        # 0.998 micrometres a pixel are two of this scan's pixels
        coarse = slide.pair(380, 390, 140, 115, mpp=0.998, kind="instance")
        x, y = np.meshgrid(380 + (np.arange(140) + 0.5) * 2, 390 + (np.arange(115) + 0.5) * 2)
        assert coarse.mask.dtype == np.uint32
        assert np.array_equal(coarse.mask > 0, shapely.contains_xy(shapely.Polygon(OUTLINE), x, y))
        assert coarse.image.shape == (115, 140, 3)


def test_many_tiles_and_regions_come_in_a_few_requests(served, sample_slide: Path, monkeypatch) -> None:
    address, token, _ = served
    asked, request = [], Client.request

    def counted(self, method, path, **more):
        asked.append(path)
        return request(self, method, path, **more)

    monkeypatch.setattr(Client, "request", counted)
    with Client(address, token=token) as client, openslide.OpenSlide(sample_slide) as truth:
        slide = next(client.slides())
        whole = np.asarray(truth.read_region((0, 0), 0, truth.dimensions).convert("RGB"))
        asked.clear()
        places = [(col, row) for row in range(12) for col in range(9)] * 3
        tiles = slide.tiles((12, col, row) for col, row in places)
        for (col, row), pixels in zip(places, tiles, strict=True):
            assert np.array_equal(pixels, whole[row * 240 :, col * 240 :][:240, :240])
        assert asked == [f"/api/slides/{slide.id}/tiles"] * 2  # 324 tiles
        asked.clear()
        boxes = [(x, 700.0, 1500, 1000) for x in (0.0, 10.0, 333.0, 500.0)] * 4
        for (x, y, width, height), pixels in zip(boxes, slide.regions(boxes), strict=True):
            assert np.array_equal(pixels, whole[int(y) : int(y) + height, int(x) : int(x) + width])
        assert len(asked) == 2  # 24 megapixels
        coarse = slide.region(100, 200, 50, 40, mpp=1.0)
        assert np.array_equal(next(slide.regions([(100, 200, 50, 40)], mpp=1.0)), coarse)
        assert [pixels.shape for pixels in slide.tiles([(12, 9, 12), (0, 0, 0)])] == [(87, 60, 3), (1, 1, 3)]
        assert list(slide.tiles([])) == list(slide.regions([])) == []
        with pytest.raises(errors.NotFound):
            list(slide.tiles([(12, 0, 0), (12, 99, 0)]))
        with pytest.raises(errors.Invalid):
            list(slide.regions([(0, 0, 0, 1)]))


def test_the_client_chooses_channels_and_planes(served, stack: Path) -> None:
    address, token, _ = served
    samples = np.moveaxis(tifffile.imread(stack), 1, 0).astype(float)  # c, z, y, x
    height, width = samples.shape[2:]
    with Client(address, token=token) as client:
        slide = list(client.slides())[1]
        assert (slide.width, slide.height) == (width, height)
        top = (max(width, height) - 1).bit_length()  # Deep Zoom's level of full resolution
        for look, values in (
            ({"c": "1:ffffff:0-65535", "z": 3}, samples[1, 3] / 65_535),
            ({"c": "0:ffffff:1000-50000", "z": "max"}, (samples[0].max(axis=0) - 1000) / 49_000),
        ):
            expected = np.repeat(np.rint(np.clip(values, 0, 1) * 255)[..., None], 3, axis=2)
            assert expected.std() > 5
            region = slide.region(0, 0, width, height, **look)
            assert np.abs(region - expected).max() <= 1
            assert np.array_equal(slide.pair(0, 0, width, height, **look).image, region)
            assert np.array_equal(next(slide.regions([(0, 0, width, height)], **look)), region)
            assert np.array_equal(next(slide.tiles([(top, 0, 0)], format="npy", **look)), region)
            assert np.abs(next(slide.tiles([(top, 0, 0)], **look)).astype(int) - region).max() > 0  # a JPEG
        both = slide.region(0, 0, width, height)
        alone = slide.region(0, 0, width, height, c=1)
        assert not np.array_equal(alone, both)
        assert np.array_equal(alone, slide.region(0, 0, width, height, c="1"))
        assert np.array_equal(next(slide.regions([(0, 0, width, height)], c=1)), alone)
        with pytest.raises(errors.NotFound):
            slide.pair(0, 0, width, height, t=1)
        with pytest.raises(errors.NotFound):
            slide.region(0, 0, width, height, c=2)


def test_the_clients_errors_are_the_servers(served) -> None:
    address, token, _ = served
    with Client(address, token=token[:-1]) as stranger, pytest.raises(errors.Unauthenticated):
        list(stranger.slides())
    with Client(address, token=token) as client:
        with pytest.raises(errors.NotFound):
            client.slide("nothing")
        slide = next(client.slides())
        with pytest.raises(errors.TooLarge):
            slide.region(0, 0, 100_000, 100_000)
        with pytest.raises(errors.Invalid) as refused:
            slide.add_annotations([{"type": "Feature", "geometry": None, "properties": {}}])
        assert refused.value.code == "all_refused"
        with pytest.raises(errors.Denied):
            client.request("DELETE", f"/api/slides/{slide.id}")
    with Client("http://127.0.0.1:9", token=token) as nowhere, pytest.raises(errors.Busy):
        list(nowhere.slides())


def test_the_printed_link_signs_in_once(served) -> None:
    address, _, link = served
    page, code = link.split("#")
    assert page == f"{address}/sign-in"
    with httpx2.Client(base_url=address) as browser:
        assert browser.get("/api/session").status_code == 401
        assert browser.post("/sign-in", content=json.dumps({"code": code})).status_code == 204
        assert browser.get("/api/session").json()["role"] == "admin"
    with httpx2.Client(base_url=address) as other:
        assert other.post("/sign-in", content=json.dumps({"code": code})).status_code == 401
