"""Which picture a client gets: by the address, by ``format``, by ``Accept``; and that each holds the same pixels."""

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import openslide
import pytest
from openslide.deepzoom import DeepZoomGenerator
from PIL import Image

from pathserve.errors import NotAcceptable
from pathserve.server.accept import preferred
from pathserve.tiles import PICTURE_TYPES

LOSSY = ("jpeg", "webp", "avif")


def picture(body: bytes) -> tuple[str, np.ndarray]:
    image = Image.open(io.BytesIO(body))
    return str(image.format).lower(), np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def truth(sample_slide):
    with openslide.OpenSlide(sample_slide) as slide:
        yield slide


@pytest.mark.parametrize(
    ("media", "weight"),
    [("text/plain", 0.7), ("text/html", 0.3), ("image/jpeg", 0.5)],
)
def test_weights_are_those_of_the_example_in_rfc_9110(media: str, weight: float) -> None:
    """Section 12.5.1; each is put beside a form of a known weight, just below and just above."""
    example = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"
    for other, expected in ((weight - 0.001, "this"), (weight + 0.001, "other")):
        accept = f"{example}, application/other;q={other:.3f}"
        assert preferred(accept, {"other": "application/other", "this": media}) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "jpeg"),
        ("*/*", "jpeg"),
        ("image/*", "jpeg"),
        ("image/png", "png"),
        ("IMAGE/PNG ; Q=0.5", "png"),
        ("image/webp;q=0.5, image/png;q=0.501", "png"),
        ("image/webp, */*;q=0.8", "webp"),
        ("image/*, image/jpeg;q=0", "webp"),
        ("image/*;q=0.9, image/avif", "avif"),
        ("*/*, image/jpeg;q=0.2, image/webp;q=0.1, image/avif;q=0", "png"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "jpeg"),
        # What Chromium and Firefox send for an <img>.
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "jpeg"),
        ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "webp"),
        # What cannot be read asks for nothing.
        ("nonsense", "jpeg"),
        ("image/png;q=2, image/webp;q=x, */png, ;;,", "jpeg"),
        ("image/png;q=2, image/webp;q=0.1", "webp"),
    ],
)
def test_accept_chooses(accept: str, expected: str) -> None:
    assert preferred(accept, PICTURE_TYPES) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/gif, image/tiff", "*/*;q=0", "image/*;q=0.0, text/*"])
def test_nothing_acceptable_is_an_error(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="image/jpeg"):
        preferred(accept, PICTURE_TYPES)


def test_a_long_header_is_read_at_once() -> None:
    assert preferred(",".join(["image/gif;q=0.1"] * 5000 + ["image/png"]), PICTURE_TYPES) == "png"


@pytest.mark.parametrize("ending", [*PICTURE_TYPES, "jpg"])
def test_tiles_have_the_size_of_openslides_in_every_format(site, truth, ending: str) -> None:
    client, peer = site.client("viewer"), DeepZoomGenerator(truth, tile_size=240, overlap=0, limit_bounds=False)
    last, kind = peer.level_count - 1, "jpeg" if ending == "jpg" else ending
    for level, col, row in ((last, 3, 4), (last, 9, 4), (last, 3, 12), (last, 9, 12), (last - 1, 4, 6), (3, 0, 0)):
        answer = client.get(f"/dzi/{site.slide}_files/{level}/{col}_{row}.{ending}")
        assert answer.headers["content-type"] == f"image/{kind}"
        found, pixels = picture(answer.content)
        assert (found, pixels.shape[1::-1]) == (kind, peer.get_tile_dimensions(level, (col, row)))
        if level == last:
            exact = np.asarray(peer.get_tile(level, (col, row)).convert("RGB")).astype(int)
            difference = np.abs(pixels - exact)
            assert difference.max() == 0 if kind == "png" else difference.mean() < 8


def test_a_tiles_ending_says_what_it_is_whatever_accept_says(site) -> None:
    client, place = site.client("viewer"), f"/dzi/{site.slide}_files/12/3_4"
    plain = client.get(f"{place}.jpeg")
    for accept in ("image/png", "text/html;q=0.1, image/webp"):
        again = client.get(f"{place}.jpeg", headers={"accept": accept})
        assert (again.content, again.headers["etag"]) == (plain.content, plain.headers["etag"])
        assert "vary" not in again.headers
    assert client.get(f"{place}.jpg").content == plain.content
    assert client.get(f"{place}.jpeg?format=png").content == plain.content
    tags = {client.get(f"{place}.{kind}").headers["etag"] for kind in PICTURE_TYPES}
    assert len(tags) == len(PICTURE_TYPES)
    for ending in ("gif", "npy", "PNG", "jpeg.png", ""):
        assert client.get(f"{place}.{ending}").status_code == 404


def test_the_dzi_names_the_tiles_that_are_asked_for(site) -> None:
    client = site.client("viewer")
    tags = set()
    for query, kind in (("", "jpeg"), ("?format=png", "png"), ("?format=avif", "avif")):
        answer = client.get(f"/dzi/{site.slide}.dzi{query}")
        assert ElementTree.fromstring(answer.content).attrib["Format"] == kind  # noqa: S314 - our own answer
        tags.add(answer.headers["etag"])
    assert len(tags) == 3
    assert client.get(f"/dzi/{site.slide}.dzi?format=npy").status_code == 422


@pytest.mark.parametrize("what", ["region?x=500&y=700&width=300&height=200&", "thumbnail?size=300&"])
def test_accept_decides_where_no_format_is_given(site, what: str) -> None:
    client, tags = site.client("viewer"), set()
    address = f"/api/slides/{site.slide}/{what}"
    for kind, media in PICTURE_TYPES.items():
        named = client.get(f"{address}format={kind}", headers={"accept": "text/html"})
        assert "vary" not in named.headers
        chosen = client.get(address, headers={"accept": f"text/html, {media};q=0.5, */*;q=0.1"})
        assert chosen.headers["vary"] == "Accept"
        assert chosen.content == named.content
        assert chosen.headers["content-type"] == named.headers["content-type"] == media
        assert picture(chosen.content)[0] == kind
        unchanged = client.get(address, headers={"accept": media, "if-none-match": chosen.headers["etag"]})
        assert (unchanged.status_code, unchanged.headers["vary"]) == (304, "Accept")
        tags.add(chosen.headers["etag"])
    assert len(tags) == len(PICTURE_TYPES)
    refused = client.get(address, headers={"accept": "image/gif, text/html"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")
    assert refused.headers["content-type"] == "application/problem+json"


def test_a_region_is_the_same_pixels_in_every_format(site, truth) -> None:
    client = site.client("viewer")
    address = f"/api/slides/{site.slide}/region?x=1900&y=2700&width=400&height=300"
    array = client.get(address, headers={"accept": "application/x-npy"})
    assert array.headers["content-type"] == "application/x-npy"
    pixels = np.load(io.BytesIO(array.content), allow_pickle=False)
    inside = np.asarray(truth.read_region((1900, 2700), 0, (320, 267)).convert("RGB"))
    assert np.array_equal(pixels[:267, :320], inside)
    assert np.array_equal(picture(client.get(f"{address}&format=png").content)[1], pixels)
    for kind in LOSSY:
        assert np.abs(picture(client.get(f"{address}&format={kind}").content)[1].astype(int) - pixels).mean() < 8


@pytest.mark.parametrize(("kind", "most"), [("webp", 16_383), ("avif", 32_768), ("jpeg", 65_500)])
def test_a_picture_that_its_format_cannot_hold_is_a_clear_problem(site, kind: str, most: int) -> None:
    query = {"x": 0, "y": 0, "width": most + 1, "height": 1, "downsample": 0.01, "format": kind}
    answer = site.client().get(f"/api/slides/{site.slide}/region", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert f"{most:,}" in answer.json()["detail"]
    assert site.client().get(f"/api/slides/{site.slide}/region", params=query | {"format": "png"}).status_code == 200
