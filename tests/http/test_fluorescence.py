"""Channels over HTTP: views in addresses, raw samples, histograms, and what is refused."""

import io
import math
import tarfile
from urllib.parse import parse_qsl

import numpy as np
import pytest
import tifffile
from numcodecs import zstd
from PIL import Image
from starlette.testclient import TestClient

from pathserve.access import Role
from pathserve.config import Settings
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.server.accept import takes_coding
from pathserve.server.app import create_app


@pytest.fixture(scope="module")
def site(tmp_path_factory, shared_data, sample_field):
    """A client that may look, and by name the ids of a slide of three channels, a stack and a colour scan."""
    app = create_app(Settings(data=tmp_path_factory.mktemp("fluorescence") / "data"))
    services = app.state.services
    paths = {
        "vectra": shared_data / "slides" / "qptiff" / "small_vectra.qptiff",
        "stack": shared_data / "slides" / "ome-tiff" / "test_ome.tiff",
        "colour": sample_field,
    }
    ids = {}
    for name, path in paths.items():
        (outcome,) = ingest_scan(
            path,
            settings=services.settings,
            catalog=services.catalog,
            options=IngestOptions(name=name, workers=2),
            progress=lambda _: None,
        )
        ids[name] = outcome.slide.id
    token = services.accounts.create_token("viewer", role=Role.VIEWER).secret
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        client.headers["authorization"] = f"Bearer {token}"
        client.headers["accept-encoding"] = "gzip, br"
        yield client, ids


@pytest.fixture(scope="module")
def stack(shared_data):
    return np.moveaxis(tifffile.imread(shared_data / "slides" / "ome-tiff" / "test_ome.tiff"), 1, 0)  # c, z, y, x


def png(answer):
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"))


@pytest.mark.parametrize(("name", "view"), [("vectra", "c=0:auto,2:ff8000:0.7"), ("stack", "z=max"), ("colour", "")])
def test_below_the_smallest_stored_level_a_pixel_has_one_colour_at_every_address(site, name, view):
    client, slide = site[0], site[1][name]
    services = client.app.state.services
    grid, levels = services.tiles.deepzoom(slide), services.tiles.pyramid(slide).levels
    level = grid.level_count - 1 - len(levels)
    size, step = grid.level_size(level), 2 ** len(levels)
    # As many pixels as have their centres on the slide.
    width, height = (math.ceil(side / step - 0.5) for side in (grid.size.width, grid.size.height))
    longer = max(size.width, size.height)
    box = {"x": 0, "y": 0, "width": width, "height": height, "downsample": step}
    part = f"full/{size.width},{size.height}/0/default.png"
    tile = png(client.get(f"/dzi/{slide}_files/{level}/0_0.png?{view}"))
    assert tile.shape == (size.height, size.width, 3)
    assert tile.std() > 1
    assert np.array_equal(png(client.get(f"/iiif/3/{slide}/{part}?{view}")), tile)
    assert np.array_equal(png(client.get(f"/iiif/2/{slide}/{part}?{view}")), tile)
    assert np.array_equal(png(client.get(f"/api/slides/{slide}/thumbnail?size={longer}&format=png&{view}")), tile)
    inside, query = tile[:height, :width], "&".join(f"{name}={value}" for name, value in box.items())
    assert np.array_equal(png(client.get(f"/api/slides/{slide}/region?{query}&format=png&{view}")), inside)
    pair = np.load(io.BytesIO(client.get(f"/api/slides/{slide}/pair?{query}&{view}").content))
    assert np.array_equal(pair["image"], inside)
    body = {"tiles": [[level, 0, 0]], "regions": [box], "format": "npy"} | dict(parse_qsl(view))
    with tarfile.open(fileobj=io.BytesIO(client.post(f"/api/slides/{slide}/tiles", json=body).content)) as archive:
        many = [np.load(io.BytesIO(archive.extractfile(member).read())) for member in archive.getmembers()]
    assert np.array_equal(many[0], tile)
    assert np.array_equal(many[1], inside)


def test_one_view_means_the_same_at_every_address(site, stack):
    client, ids = site
    view = "c=0:ff0000:1000-50000,1:0000ff:0-65535:0.5&z=max"
    share = np.clip((stack[0].max(axis=0).astype(float) - 1000) / 49_000, 0, 1)
    red, blue = np.rint(share * 255), np.rint((stack[1].max(axis=0) / 65_535) ** 0.5 * 255)
    region = f"/api/slides/{ids['stack']}/region?x=0&y=0&width=70&height=72&{view}"
    expected = np.load(io.BytesIO(client.get(f"{region}&format=npy").content))
    assert np.abs(expected[..., 0] - red).max() <= 1
    assert np.abs(expected[..., 2] - blue).max() <= 1
    assert (expected[..., 1] == 0).all()
    pair = client.get(region.replace("/region", "/pair"))
    assert np.array_equal(np.load(io.BytesIO(pair.content))["image"], expected)
    assert np.array_equal(png(client.get(f"/dzi/{ids['stack']}_files/7/0_0.png?{view}")), expected)
    assert np.array_equal(png(client.get(f"/api/slides/{ids['stack']}/thumbnail?size=72&format=png&{view}")), expected)
    assert np.array_equal(png(client.get(f"/iiif/3/{ids['stack']}/full/max/0/default.png?{view}")), expected)
    turned = png(client.get(f"/iiif/2/{ids['stack']}/3,4,50,60/full/!180/default.png?{view}"))
    assert np.array_equal(turned, expected[4:64, 3:53][::-1])
    for version in (2, 3):
        iiif = client.get(
            f"/iiif/{version}/{ids['stack']}/full/{'full' if version == 2 else 'max'}/0/default.png?{view}"
        )
        assert np.array_equal(png(iiif), expected)


def test_etags_tell_views_apart_and_know_what_the_client_has(site):
    client, ids = site
    path, tags = f"/dzi/{ids['vectra']}_files/11/0_0.jpeg", set()
    for query in ("", "?c=0,1", "?c=0:auto,1", "?c=0,1:0.5", "?c=0:ff0000,1", "?c=0,1:1-9", "?c=0,1&z=max"):
        answer = client.get(path + query)
        tags.add(answer.headers["etag"])
        again = client.get(path + query, headers={"if-none-match": f'"other", {answer.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
    assert len(tags) == 7
    same = [client.get(f"{path}?{query}").headers["etag"] for query in ("c=1:FF0000:9-1.0e2,0", "c=0,1:9-100:ff0000")]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("c=3", 404, "channel"),
        ("c=0,99999:auto", 404, "channel"),
        ("z=1", 404, "plane"),
        ("z=0-1", 404, "plane"),
        ("t=1", 404, "point in time"),
        ("c=0,0", 422, "once"),
        ("c=0:ff00", 422, "colour"),
        ("c=0:5-5", 422, "window"),
        ("c=0:11", 422, "gamma"),
        ("c=0:nan-1", 422, "window"),
        ("c=" + ",".join(map(str, range(65))), 422, "64 channels"),
        ("c=<script>", 422, "numbers of channels"),
        ("z=min", 422, "plane"),
        ("z=1&z=2", 422, "more than once"),
        ("t=max", 422, "parameter t"),
    ],
)
def test_a_wrong_view_is_a_clear_problem_at_every_address(site, query, status, words):
    client, ids = site
    slide = ids["vectra"]
    places = [
        f"/dzi/{slide}_files/11/0_0.jpeg?",
        f"/dzi/{slide}_files/11/0_0.raw?",
        f"/api/slides/{slide}/region?x=0&y=0&width=9&height=9&",
        f"/api/slides/{slide}/thumbnail?",
        f"/api/slides/{slide}/pair?x=0&y=0&width=9&height=9&",
    ]
    for place in places:
        answer = client.get(place + query)
        if place.endswith(".raw?") and "c=" not in query and status == 404:
            answer = client.get(f"{place}c=0&{query}")
        assert answer.status_code == status, place
        problem = answer.json()
        assert words in problem["detail"]
        assert problem["code"] == ("not_found" if status == 404 else "invalid")
        assert "script" not in answer.text


def test_a_colour_scan_looks_the_same_whatever_its_channels(site):
    client, ids = site
    path = f"/dzi/{ids['colour']}_files/11/1_1.jpeg"
    plain = client.get(path)
    assert client.get(f"{path}?c=0:00ff00:auto:2").content == plain.content
    assert client.get(f"{path}?c=3").status_code == 404


@pytest.mark.parametrize(
    ("accept", "packed"),
    [("zstd", True), ("gzip, deflate, br, zstd", True), ("gzip", False), ("zstd;q=0", False), ("", False)],
)
def test_raw_samples_are_little_endian_and_packed_only_for_whom_takes_it(site, stack, accept, packed):
    client, ids = site
    path = f"/dzi/{ids['stack']}_files/7/0_0.raw?c=1&z=2&g=1"
    # Without decoding: the client of the tests may or may not know Zstandard.
    with client.stream("GET", path, headers={"accept-encoding": accept}) as answer:
        body = b"".join(answer.iter_raw())
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert (answer.headers["pathserve-dtype"], answer.headers["pathserve-shape"]) == ("uint16", "1,72,70")
    assert answer.headers.get("content-encoding") == ("zstd" if packed else None)
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    assert {"ETag", "Pathserve-Dtype", "Pathserve-Shape"} <= exposed  # pages of other sites compose channels too
    body = zstd.decompress(body) if packed else body
    np.testing.assert_array_equal(np.frombuffer(body, "<u2").reshape(72, 70), stack[1, 2])
    known = {"accept-encoding": accept, "if-none-match": answer.headers["etag"]}
    again = client.get(path, headers=known)
    assert (again.status_code, again.content, again.headers["vary"]) == (304, b"", "Accept-Encoding")
    other = client.get(path, headers=known | {"accept-encoding": "gzip" if packed else "zstd"})
    assert other.status_code == 200


def test_raw_projections_and_low_levels_are_there_too(site, stack):
    client, ids = site
    answer = client.get(f"/dzi/{ids['stack']}_files/7/0_0.raw?c=0&z=max")
    np.testing.assert_array_equal(np.frombuffer(answer.content, "<u2").reshape(72, 70), stack[0].max(axis=0))
    answer = client.get(f"/dzi/{ids['stack']}_files/5/0_0.raw?c=0")
    assert answer.headers["pathserve-shape"] == "1,18,18"
    assert len(answer.content) == 2 * 18 * 18


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("7/0_0.raw", 422),
        ("7/0_0.raw?c=0,1", 422),
        ("7/0_0.raw?c=0:auto", 422),
        ("7/0_0.raw?c=0&color=srgb", 422),
        ("7/1_0.raw?c=0", 404),
        ("8/0_0.raw?c=0", 404),
        ("99999999999/0_0.raw?c=0", 404),
        ("-1/0_0.raw?c=0", 404),
    ],
)
def test_what_is_no_raw_tile_is_a_problem(site, place, status):
    client, ids = site
    answer = client.get(f"/dzi/{ids['stack']}_files/{place}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_histograms_say_what_a_viewer_needs(site, stack):
    client, ids = site
    answer = client.get(f"/api/slides/{ids['stack']}/histograms").json()
    facts = {name: answer[name] for name in ("rgb", "dtype", "planes", "default_plane", "times", "percentiles", "next")}
    assert facts == {
        "rgb": False,
        "dtype": "uint16",
        "planes": 4,
        "default_plane": 2,
        "times": 1,
        "percentiles": [0.1, 99.9],
        "next": None,
    }
    for channel, values in zip(answer["items"], stack, strict=True):
        assert channel["auto"] == pytest.approx(np.percentile(values, (0.1, 99.9)).tolist())
        assert channel["window"] == channel["auto"]
        assert (channel["min"], channel["max"]) == (values.min(), values.max())
        assert channel["counts"] == np.histogram(values.astype(float), channel["edges"])[0].tolist()
    assert [channel["name"] for channel in answer["items"]] == ["Ch1-T1", "ChS2-T3"]
    colour = client.get(f"/api/slides/{ids['colour']}/histograms").json()
    assert (colour["rgb"], colour["dtype"], len(colour["items"])) == (True, "uint8", 3)
    assert client.get("/api/slides/nothing/histograms").status_code == 404


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("zstd", True),
        ("GZIP, ZSTD ;q=0.5", True),
        ("br;q=1.0, zstd; q=1", True),
        ("zstd;q=0", False),
        ("zstd; Q = 0.000", False),
        ("zstd;q=0.001", True),
        ("*", False),
        ("zstdx", False),
        ("", False),
        (",;,", False),
    ],
)
def test_zstandard_is_taken_by_name(header, takes):
    assert takes_coding(header, "zstd") is takes


@pytest.mark.parametrize("view", ["c=99", "c=0&z=99", "t=1"])
def test_what_a_slide_does_not_have_is_not_found_at_every_address(site, view):
    client, slide = site[0], site[1]["vectra"]
    for address in (
        f"/dzi/{slide}.dzi?g=1&{view}",
        f"/iiif/3/{slide}/info.json?g=1&{view}",
        f"/iiif/2/{slide}/info.json?{view}",
        f"/iiif/3/{slide}/full/97,/0/default.jpg?{view}",
        f"/dzi/{slide}_files/11/0_0.png?{view}",
        f"/dzi/{slide}_files/11/0_0.raw?{'' if 'c=' in view else 'c=0&'}{view}",
        f"/dzi/{slide}_files/11/99_0.raw?c=0",
        f"/api/slides/{slide}/region?x=0&y=0&width=9&height=9&{view}",
        f"/api/slides/{slide}/thumbnail?{view}",
    ):
        for headers in ({}, {"if-none-match": "*"}):  # which asks for nothing that is there, and nothing is
            assert client.get(address, headers=headers).status_code == 404, address


def test_a_star_is_answered_as_the_tag_of_what_is_there(site):
    client, slide = site[0], site[1]["vectra"]
    for address in (
        f"/dzi/{slide}.dzi?c=1",
        f"/iiif/3/{slide}/full/97,/0/default.jpg?c=1",
        f"/dzi/{slide}_files/11/0_0.raw?c=1",
        f"/api/slides/{slide}/region?x=0&y=0&width=9&height=9&c=1",
        f"/api/slides/{slide}/thumbnail?c=1",
    ):
        plain = client.get(address)
        assert plain.status_code == 200
        for tag in ("*", plain.headers["etag"]):
            answer = client.get(address, headers={"if-none-match": tag})
            assert (answer.status_code, answer.content) == (304, b""), (address, tag)
            assert answer.headers["etag"] == plain.headers["etag"]


def test_different_pictures_have_different_tags(site):
    client, slide = site[0], site[1]["vectra"]
    region = f"/api/slides/{slide}/region?x=0&y=0&width=9&height=9"
    addresses = [
        *(f"{region}{more}" for more in ("", "&c=1", "&c=1:ff0000", "&format=png", "&downsample=2", "&color=srgb")),
        *(
            f"/api/slides/{slide}/thumbnail?size={size}{more}"
            for size in (64, 65)
            for more in ("", "&c=1", "&format=png")
        ),
    ]
    tags = [client.get(address).headers["etag"] for address in addresses]
    assert len(set(tags)) == len(addresses)
