"""IIIF over HTTP: against the specifications' formulas, OpenSlide's pixels and the tiles of the Deep Zoom grid."""

import io
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import openslide
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pathserve.access import Role
from pathserve.catalog import SlideFacts
from pathserve.config import Settings
from pathserve.server.app import create_app

SIZE = (2220, 2967)
TILE = 240
FACTORS = [1, 2, 4, 8, 16]


@pytest.fixture(scope="module")
def app(ingested: Path, tmp_path_factory) -> Iterator[TestClient]:
    """A server whose slides nobody changes, for all tests of this file."""
    data = tmp_path_factory.mktemp("iiif") / "data"
    shutil.copytree(ingested, data)
    application = create_app(Settings(data=data, max_output_pixels=8_000_000))
    with TestClient(application, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="module")
def client(app: TestClient) -> TestClient:
    secret = cast(Starlette, app.app).state.services.accounts.create_token("viewer", role=Role.VIEWER).secret
    client = TestClient(app.app, raise_server_exceptions=False, follow_redirects=False)
    client.headers["authorization"] = f"Bearer {secret}"
    return client


@pytest.fixture(scope="module")
def slide(app: TestClient) -> str:
    return next(
        slide.id for slide in cast(Starlette, app.app).state.services.catalog.slides()[0] if slide.name == "slide"
    )


@pytest.fixture(scope="module")
def level_0(sample_slide: Path) -> np.ndarray:
    with openslide.OpenSlide(sample_slide) as scan:
        return np.asarray(scan.read_region((0, 0), 0, SIZE).convert("RGB"))


def picture(answer) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def test_the_information_of_version_3(client, slide) -> None:
    answer = client.get(f"/iiif/3/{slide}/info.json")
    info = answer.json()
    assert next(iter(info)) == "@context"
    assert info["@context"] == "http://iiif.io/api/image/3/context.json"
    assert info["id"] == f"http://testserver/iiif/3/{slide}"
    assert (info["type"], info["protocol"], info["profile"]) == ("ImageService3", "http://iiif.io/api/image", "level2")
    assert (info["width"], info["height"]) == SIZE
    assert info["tiles"] == [{"width": TILE, "height": TILE, "scaleFactors": FACTORS}]
    expected = [{"width": -(-SIZE[0] // s), "height": -(-SIZE[1] // s)} for s in reversed(FACTORS)]
    assert info["sizes"] == expected
    assert (info["maxWidth"], info["maxHeight"], info["maxArea"]) == (65_500, 65_500, 8_000_000)
    assert info["extraQualities"] == ["color", "gray", "bitonal"]
    assert info["extraFormats"] == ["webp", "avif"]
    assert {"mirroring", "rotationArbitrary", "sizeUpscaling", "canonicalLinkHeader"} <= set(info["extraFeatures"])
    assert answer.headers["link"] == '<http://iiif.io/api/image/3/level2.json>;rel="profile"'


def test_the_information_of_version_2(client, slide) -> None:
    info = client.get(f"/iiif/2/{slide}/info.json").json()
    assert info["@context"] == "http://iiif.io/api/image/2/context.json"
    assert info["@id"] == f"http://testserver/iiif/2/{slide}"
    assert info["protocol"] == "http://iiif.io/api/image"
    assert (info["width"], info["height"]) == SIZE
    assert info["tiles"] == [{"width": TILE, "height": TILE, "scaleFactors": FACTORS}]
    level, more = info["profile"]
    assert level == "http://iiif.io/api/image/2/level2.json"
    assert more["maxArea"] == 8_000_000
    assert more["formats"] == ["webp", "avif"]
    assert {"regionSquare", "sizeAboveFull", "mirroring"} <= set(more["supports"])
    assert not {"type", "id", "extraFormats"} & set(info)


def test_sizes_are_within_the_limits(app, ingested: Path, slide, tmp_path: Path) -> None:
    shutil.copytree(ingested, tmp_path / "data")
    small = create_app(Settings(data=tmp_path / "data", max_output_pixels=500_000))
    secret = small.state.services.accounts.create_token("v", role=Role.VIEWER).secret
    with TestClient(small, headers={"authorization": f"Bearer {secret}"}) as client:
        info = client.get(f"/iiif/3/{slide}/info.json").json()
        assert [size["width"] for size in info["sizes"]] == [139, 278, 555]
        largest = picture(client.get(f"/iiif/3/{slide}/full/max/0/default.jpg"))
        assert 499_000 < largest.width * largest.height <= 500_000
        assert largest.width / largest.height == pytest.approx(SIZE[0] / SIZE[1], rel=0.002)
        assert client.get(f"/iiif/2/{slide}/full/full/0/default.jpg").json()["code"] == "malformed"


@pytest.mark.parametrize(
    ("version", "accept", "expected"),
    [
        (3, None, 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"'),
        (3, "*/*", 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"'),
        (3, "application/json", "application/json"),
        (3, "application/json, application/ld+json;q=0.5", "application/json"),
        (3, "application/json;charset=utf-8;q=0.9, application/ld+json;q=0.8", "application/json"),
        (3, "text/html", 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"'),
        (2, None, "application/json"),
        (2, "text/plain", "application/json"),
        (2, "application/ld+json", 'application/ld+json;profile="http://iiif.io/api/image/2/context.json"'),
        (
            2,
            'application/ld+json;profile="http://iiif.io/api/image/2/context.json", application/json;q=0.9',
            'application/ld+json;profile="http://iiif.io/api/image/2/context.json"',
        ),
    ],
)
def test_the_information_comes_in_the_media_type_that_is_asked_for(client, slide, version, accept, expected) -> None:
    client = TestClient(client.app, headers={"authorization": client.headers["authorization"]})
    client.headers.pop("accept")
    answer = client.get(f"/iiif/{version}/{slide}/info.json", headers={} if accept is None else {"accept": accept})
    assert answer.headers["content-type"] == expected
    assert answer.headers["vary"] == "Accept"
    assert ('rel="http://www.w3.org/ns/json-ld#context"' in answer.headers["link"]) == (expected == "application/json")


def test_information_and_pictures_are_cached_as_tiles_are(client, slide) -> None:
    for path in (
        "3/{}/info.json",
        "2/{}/info.json",
        "3/{}/0,0,240,240/240,240/0/default.jpg",
        "3/{}/full/90,/90/gray.png",
    ):
        address = "/iiif/" + path.format(slide)
        plain, current = client.get(address), client.get(address, params={"g": 1})
        assert plain.headers["cache-control"] == "private, no-cache"
        assert current.headers["cache-control"] == "private, max-age=31536000, immutable"
        tag = plain.headers["etag"]
        assert "," not in tag
        again = client.get(address, headers={"if-none-match": f'"other", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["access-control-allow-origin"] == "*"
        assert again.headers["link"] == plain.headers["link"]


def test_different_pictures_have_different_etags(client, slide) -> None:
    addresses = [
        f"/iiif/3/{slide}/{path}"
        for path in (
            *("full/90,/0/default.jpg", "full/90,/0/default.png", "full/90,/0/gray.jpg", "full/90,/90/default.jpg"),
            *("full/90,/!90/default.jpg", "full/91,/0/default.jpg", "square/90,/0/default.jpg"),
            *("full/90,/0/bitonal.jpg", "full/90,119/0/default.jpg", "0,0,240,240/max/0/default.jpg"),
            *("0,0,240,240/max/0/gray.jpg", "240,0,240,240/max/0/default.jpg"),
        )
    ]
    assert len({client.head(address).headers["etag"] for address in addresses}) == len(addresses)


@pytest.mark.parametrize("factor", FACTORS)
def test_what_viewers_ask_for_as_tiles_are_the_deep_zoom_tiles_byte_by_byte(client, slide, factor: int) -> None:
    level = 12 - FACTORS.index(factor)
    width, height = SIZE
    side = TILE * factor
    columns, rows = -(-width // side), -(-height // side)
    # All corners and edges, and what is inside; of level 0 a part.
    some = (
        {0, 1, columns // 2, columns - 2, columns - 1} & set(range(columns)),
        {0, rows - 2, rows - 1} & set(range(rows)),
    )
    for n in some[0]:
        for m in some[1]:
            x, y = n * side, m * side
            w, h = min(side, width - x), min(side, height - y)
            ws, hs = (w + factor - 1) // factor, (h + factor - 1) // factor
            expected = client.get(f"/dzi/{slide}_files/{level}/{n}_{m}.jpeg").content
            region = f"{x},{y},{w},{h}"
            for address in (
                f"3/{slide}/{region}/{ws},{hs}",
                f"2/{slide}/{region}/{ws},",
                f"2/{slide}/{region}/{ws},{hs}",
            ):
                assert client.get(f"/iiif/{address}/0/default.jpg").content == expected, (factor, n, m)
            turned = picture(client.get(f"/iiif/3/{slide}/{region}/{ws},{hs}/180/color.png"))
            assert np.array_equal(turned, np.asarray(Image.open(io.BytesIO(expected)).convert("RGB"))[::-1, ::-1]) or (
                (ws, hs) != (TILE, TILE) and turned.size == (ws, hs)  # those at the edge were encoded again
            )


@pytest.mark.parametrize("halvings", [1, 2, 4, 6])
def test_the_whole_at_a_level_s_size_is_that_level(client, slide, halvings: int) -> None:
    width, height = (math.ceil(side / 2**halvings) for side in SIZE)  # odd sides, so its step would be uneven
    thumbnail = picture(client.get(f"/api/slides/{slide}/thumbnail?size={height}&format=png"))
    seen = picture(client.get(f"/iiif/3/{slide}/full/{width},{height}/0/default.png"))
    assert seen.size == (width, height)
    assert np.array_equal(np.asarray(seen), np.asarray(thumbnail))
    first = picture(client.get(f"/dzi/{slide}_files/{12 - halvings}/0_0.png"))
    assert np.array_equal(np.asarray(seen)[: first.height, : first.width], np.asarray(first))


@pytest.mark.parametrize("version", [2, 3])
def test_full_resolution_is_openslides_pixels(client, slide, level_0, version: int) -> None:
    full = {2: "full", 3: "max"}[version]
    for x, y, w, h in ((0, 0, 100, 80), (777, 1234, 301, 199), (2000, 2900, 220, 67), (2219, 2966, 1, 1)):
        expected = level_0[y : y + h, x : x + w]
        base = f"/iiif/{version}/{slide}/{x},{y},{w},{h}/{full}"
        assert np.array_equal(picture(client.get(f"{base}/0/default.png")), expected)
        for degrees, turns in ((90, -1), (180, -2), (270, -3)):
            assert np.array_equal(picture(client.get(f"{base}/{degrees}/default.png")), np.rot90(expected, turns))
        mirrored = picture(client.get(f"{base}/!90/color.png"))
        assert np.array_equal(mirrored, np.rot90(expected[:, ::-1], -1))
        assert np.array_equal(picture(client.get(f"{base}/0/gray.png")), Image.fromarray(expected).convert("L"))
    # What reaches beyond the slide is cut off.
    cut = picture(client.get(f"/iiif/{version}/{slide}/2200,2950,1000000,1000000/{full}/0/default.png"))
    assert np.array_equal(cut, level_0[2950:, 2200:])


def test_scaled_regions_lie_where_they_should(client, slide, level_0) -> None:
    whole = Image.fromarray(level_0)
    for region, box, size in (
        ("100,200,900,600", (100, 200, 1000, 800), (150, 100)),
        ("pct:10,20,30,40", (222, 593, 888, 1780), (150, 267)),
        ("500,500,40,30", (500, 500, 540, 530), (400, 300)),
    ):
        got = np.asarray(picture(client.get(f"/iiif/3/{slide}/{region}/^{size[0]},{size[1]}/0/default.png"))).astype(
            int
        )
        step = (box[2] - box[0]) / size[0]
        kind = Image.Resampling.HAMMING if step > 1 else Image.Resampling.BILINEAR

        def difference(dx: float, dy: float) -> float:
            moved = [edge + shift * step for edge, shift in zip(box, (dx, dy) * 2, strict=True)]  # noqa: B023
            return float(np.abs(got - np.asarray(whole.resize(size, kind, moved))).mean())  # noqa: B023

        in_place = difference(0, 0)
        assert in_place < 12, region  # what JPEG and another filter cost on this grainy scan
        for shift in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)):
            assert difference(*shift) > in_place, (region, shift)


def test_formats_and_qualities(client, slide) -> None:
    for ending, name, media in (
        ("jpg", "JPEG", "image/jpeg"),
        ("png", "PNG", "image/png"),
        ("webp", "WEBP", "image/webp"),
        ("avif", "AVIF", "image/avif"),
    ):
        for path in ("0,0,240,240/max/0", "full/100,/0", "full/100,/22.5"):
            answer = client.get(f"/iiif/3/{slide}/{path}/default.{ending}")
            assert (picture(answer).format, answer.headers["content-type"]) == (name, media)
    assert picture(client.get(f"/iiif/3/{slide}/full/100,/0/gray.jpg")).mode == "L"
    assert set(np.unique(picture(client.get(f"/iiif/2/{slide}/full/100,/0/bitonal.png")))) == {0, 255}


def test_pictures_link_to_their_canonical_address(client, slide) -> None:
    answer = client.get(f"/iiif/3/{slide}/0,0,2220,2967/pct:50/0/color.jpg?c=0&color=srgb")
    profile, canonical = answer.headers["link"].split(", ")
    assert profile == '<http://iiif.io/api/image/3/level2.json>;rel="profile"'
    address, relation = canonical.split(";rel=")
    assert relation == '"canonical"'
    assert address == f"<http://testserver/iiif/3/{slide}/full/1110,1484/0/default.jpg?c=0&color=srgb>"
    same = client.get(address.strip("<>").removeprefix("http://testserver"))
    assert (same.content, same.headers["etag"]) == (answer.content, answer.headers["etag"])


@pytest.mark.parametrize("version", [2, 3])
def test_the_bare_id_leads_to_the_information(client, slide, version: int) -> None:
    answer = client.get(f"/iiif/{version}/{slide}")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"http://testserver/iiif/{version}/{slide}/info.json",
    )
    assert answer.headers["access-control-allow-origin"] == "*"
    assert client.get(f"/iiif/{version}/{slide}?g=1").headers["location"].endswith("/info.json?g=1")
    assert client.get(f"/iiif/{version}/nothing").status_code == 404


def test_addresses_begin_with_the_host_that_was_asked_or_with_the_public_one(
    client, slide, app, ingested, tmp_path
) -> None:
    def asked(host: str):
        return client.get(f"/iiif/3/{slide}/info.json", headers={"host": host})

    assert asked("slides.example.org:8443").json()["id"] == f"http://slides.example.org:8443/iiif/3/{slide}"
    assert asked("[::1]:8000").json()["id"] == f"http://[::1]:8000/iiif/3/{slide}"
    for host in ("a b", 'a"', "a>", "a/b", "user@a", "a:b", "a" * 300):
        assert asked(host).json()["code"] == "malformed", host
    shutil.copytree(ingested, tmp_path / "data")
    public = create_app(Settings(data=tmp_path / "data", public_url="https://slides.example.org"))
    secret = public.state.services.accounts.create_token("v", role=Role.VIEWER).secret
    with TestClient(public, headers={"authorization": f"Bearer {secret}"}, follow_redirects=False) as other:
        assert (
            other.get(f"/iiif/3/{slide}").headers["location"] == f"https://slides.example.org/iiif/3/{slide}/info.json"
        )


@pytest.mark.parametrize(
    "path",
    [
        "3/{}/0,0,0,0/max/0/default.jpg",
        "3/{}/2220,0,10,10/max/0/default.jpg",
        "3/{}/a,b,c,d/max/0/default.jpg",
        "3/{}/full/full/0/default.jpg",
        "3/{}/full/2221,/0/default.jpg",
        "3/{}/full/0,/0/default.jpg",
        "3/{}/full/^1000000,/0/default.jpg",
        "2/{}/full/1000000,1000000/0/default.jpg",
        "2/{}/full/^max/0/default.jpg",
        "3/{}/0,0,1000000,1000000/1000000,/0/default.jpg",
        "3/{}/full/2220,1/0/default.jpg",
        "3/{}/full/max/361/default.jpg",
        "3/{}/full/max/x/default.jpg",
        "3/{}/full/max/0/pretty.jpg",
        "3/{}/full/max/0/default.gif",
        "2/{}/full/full/0/native.jpg",
    ],
)
def test_what_is_malformed_or_over_a_limit_is_a_clear_problem(client, slide, path: str) -> None:
    answer = client.get("/iiif/" + path.format(slide))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert set(answer.json()) == {"type", "title", "status", "code", "detail", "request_id"}
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [("c=3", 404, "not_found"), ("z=5", 404, "not_found"), ("t=1", 404, "not_found"), ("colour=srgb", 422, "invalid")],
)
@pytest.mark.parametrize(
    "path", ["full/90,/0/default.jpg", "0,0,240,240/max/0/default.jpg", "0,0,240,240/max/0/gray.jpg"]
)
def test_channels_and_planes_that_are_not_there(client, slide, path: str, query: str, status: int, code: str) -> None:
    answer = client.get(f"/iiif/3/{slide}/{path}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_head_tells_the_same_without_the_body(client, slide) -> None:
    for path in ("info.json", "0,0,240,240/max/0/default.jpg", "full/90,/0/default.png"):
        whole, head = client.get(f"/iiif/3/{slide}/{path}"), client.head(f"/iiif/3/{slide}/{path}")
        assert head.content == b""
        for name in ("etag", "content-type", "content-length", "link", "cache-control"):
            assert head.headers[name] == whole.headers[name]


def test_who_may_not_see_a_slide_learns_nothing_of_it(site) -> None:
    site.services.catalog.edit_slide(site.field, SlideFacts(project="other"))
    token = site.services.accounts.create_token("p", role=Role.ADMIN, project="other").secret
    other = TestClient(site.anonymous.app, headers={"authorization": f"Bearer {token}"}, follow_redirects=False)
    for path in ("{}/info.json", "{}", "{}/full/90,/0/default.jpg", "{}/nonsense/90,/0/default.jpg"):
        for version in (2, 3):
            address = f"/iiif/{version}/{path}"
            assert other.get(address.format(site.slide)).json() | {"request_id": ""} == other.get(
                address.format("nothing")
            ).json() | {"request_id": ""}
            assert other.get(address.format(site.slide)).status_code == 404
            assert site.anonymous.get(address.format(site.slide)).status_code == 401
    assert other.get(f"/iiif/3/{site.field}/info.json").status_code == 200


OPEN = [
    "/iiif/3/{}/info.json",
    "/dzi/{}.dzi",
    "/dzi/{}_files/12/0_0.jpeg",
    "/dzi/{}_files/99/0_0.jpeg",
    "/zarr/{}/nothing",
]
CLOSED = [
    "/api/slides",
    "/api/slides/{}",
    "/api/slides/{}/region?x=0&y=0&width=1&height=1",
    "/healthz",
    "/",
    "/iiif",
    "/dzix/",
]


def test_other_sites_read_pixels_with_a_token_and_nothing_else(app, client, slide) -> None:
    origin = {"origin": "https://viewer.example.org"}
    for path in OPEN:
        for answer in (
            client.get(path.format(slide), headers=origin),
            app.get(path.format(slide), headers=origin),
            client.post(path.format(slide), headers=origin),
            client.get(path.format("nothing"), headers=origin),
        ):
            assert answer.headers.get_list("access-control-allow-origin") == ["*"]
            exposed = answer.headers["access-control-expose-headers"].split(", ")
            assert {"ETag", "Link", "Content-Range"} <= set(exposed)
            assert "access-control-allow-credentials" not in answer.headers
    for path in CLOSED:
        for answer in (
            client.get(path.format(slide), headers=origin),
            client.options(path.format(slide), headers=origin),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")], path


def test_a_browser_may_ask_beforehand_whether_it_may_send_a_token(app, slide) -> None:
    asks = {
        "origin": "https://viewer.example.org",
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization,range",
    }
    for path in OPEN:
        answer = app.options(path.format(slide), headers=asks)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert set(answer.headers["access-control-allow-methods"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
        allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
        assert {"authorization", "range", "if-none-match"} <= set(allowed)
        assert int(answer.headers["access-control-max-age"]) >= 600
        assert "access-control-allow-credentials" not in answer.headers
