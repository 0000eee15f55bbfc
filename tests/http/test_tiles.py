"""Pixels over HTTP against OpenSlide and its DeepZoomGenerator."""

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import openslide
import pytest
from openslide.deepzoom import DeepZoomGenerator
from PIL import Image


def rgb(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))


def on_white(picture: Image.Image) -> np.ndarray:
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture.convert("RGBA"))
    return np.asarray(white.convert("RGB"))


@pytest.fixture(scope="module")
def truth(sample_slide):
    with openslide.OpenSlide(sample_slide) as slide:
        yield slide


def test_the_dzi_names_size_tile_and_generation(site) -> None:
    answer = site.client("viewer").get(f"/dzi/{site.slide}.dzi")
    assert answer.headers["content-type"] == "application/xml"
    image = ElementTree.fromstring(answer.content)  # noqa: S314 - our own answer
    space = "{http://schemas.microsoft.com/deepzoom/2008}"
    assert image.tag == f"{space}Image"
    assert (image.attrib["TileSize"], image.attrib["Overlap"], image.attrib["Format"]) == ("240", "0", "jpeg")
    assert image.attrib["Generation"] == "1"
    assert image.find(f"{space}Size").attrib == {"Width": "2220", "Height": "2967"}


def test_every_tile_has_the_size_and_the_looks_of_openslides(site, truth) -> None:
    client = site.client("viewer")
    peer = DeepZoomGenerator(truth, tile_size=240, overlap=0, limit_bounds=False)
    compared = 0
    for level, (columns, rows) in enumerate(peer.level_tiles):
        worst = 0.0
        for col in range(columns):
            for row in range(rows):
                answer = client.get(f"/dzi/{site.slide}_files/{level}/{col}_{row}.jpeg")
                ours, theirs = rgb(answer.content), np.asarray(peer.get_tile(level, (col, row)).convert("RGB"))
                assert ours.shape[1::-1] == peer.get_tile_dimensions(level, (col, row)), (level, col, row)
                # On levels of a few pixels its resampling keeps the aspect and misses its own stated size, and differs
                # by up to 29 from the exact mean of the scan, with which tests/tiles/test_service.py compares ours.
                if ours.shape == theirs.shape and min(peer.level_dimensions[level]) > 16:
                    compared += 1
                    worst = max(worst, float(np.abs(ours.astype(int) - theirs).mean()))
        # Level 0 is the scan's own pixels. Coarser ones went through JPEG once more, which costs about 4 grey levels on
        # this grainy scan, and were averaged where OpenSlide sharpens; a tile out of place differs by 30 and more.
        assert worst < 14, (level, worst)
        if level == peer.level_count - 1:
            assert worst < 3  # whole tiles are identical; those at the edge were cut and encoded again
    assert compared > 150


def test_addresses_outside_are_problems(site) -> None:
    client = site.client("viewer")
    outside = ["12/10_0", "12/0_13", "13/0_0", "0/0_1", "0/1_0", "99999999999/0_0", "12/99999999999999999999/0"]
    for place in [*outside, "-1/0_0", "12/-1_0", "12/a_0", "12/0_0.png"]:
        answer = client.get(f"/dzi/{site.slide}_files/{place}.jpeg")
        assert answer.status_code == 404, place
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "not_found"
    assert client.get("/dzi/nothing.dzi").status_code == 404
    assert client.get("/dzi/nothing_files/0/0_0.jpeg").status_code == 404


def test_caching_is_private_and_immutable_only_with_the_generation(site) -> None:
    client = site.client("viewer")
    path = f"/dzi/{site.slide}_files/12/0_0.jpeg"
    plain, current, old = (client.get(path + query) for query in ("", "?g=1", "?g=7"))
    assert plain.headers["cache-control"] == old.headers["cache-control"] == "private, no-cache"
    assert current.headers["cache-control"] == "private, max-age=31536000, immutable"
    tag = plain.headers["etag"]
    again = client.get(path, headers={"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_a_full_resolution_region_is_openslides_pixels(site, truth) -> None:
    path = f"/api/slides/{site.slide}/region"
    for x, y, width, height in ((0, 0, 300, 200), (1999, 2801, 221, 166), (233, 471, 500, 500)):
        query = {"x": x, "y": y, "width": width, "height": height}
        expected = on_white(truth.read_region((x, y), 0, (width, height)))
        npy = site.client("viewer").get(path, params=query | {"format": "npy"})
        assert np.array_equal(np.load(io.BytesIO(npy.content), allow_pickle=False), expected)
        png = site.client("viewer").get(path, params=query | {"format": "png", "mpp": 0.499})
        assert np.array_equal(rgb(png.content), expected)
        jpeg = site.client("viewer").get(path, params=query)
        assert np.abs(rgb(jpeg.content).astype(int) - expected).mean() < 3


def test_outside_the_slide_a_region_is_white(site, truth) -> None:
    query = {"x": -10, "y": 2960, "width": 40, "height": 20, "format": "npy"}
    got = np.load(io.BytesIO(site.client().get(f"/api/slides/{site.slide}/region", params=query).content))
    assert np.array_equal(got, on_white(truth.read_region((-10, 2960), 0, (40, 20))))
    assert (got[:, :10] == 255).all()
    assert (got[7:] == 255).all()


@pytest.mark.parametrize("downsample", [2, 3.7, 8.5, 0.5])
def test_a_resampled_region_lies_where_it_says(site, truth, downsample: float) -> None:
    query = {"x": 1000.5, "y": 1200.25, "width": 60, "height": 50, "downsample": downsample, "format": "npy"}
    got = np.load(io.BytesIO(site.client().get(f"/api/slides/{site.slide}/region", params=query).content))
    whole = Image.fromarray(on_white(truth.read_region((0, 0), 0, truth.dimensions)))

    def difference(shift_x: float, shift_y: float) -> float:
        """Compare with Pillow's resampling of level 0, moved by a part of an output pixel."""
        left, top = 1000.5 + shift_x * downsample, 1200.25 + shift_y * downsample
        box = (left, top, left + 60 * downsample, top + 50 * downsample)
        peer = np.asarray(whole.resize((60, 50), Image.Resampling.HAMMING, box=box)).astype(int)
        return float(np.abs(got - peer).mean())

    in_place = difference(0, 0)
    assert in_place < 12  # what JPEG and another filter cost on this grainy scan
    for shift in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)):
        assert difference(*shift) > in_place, shift


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("x=0&y=0&width=10", 422, "invalid"),
        ("x=0&y=0&width=0&height=10", 422, "invalid"),
        ("x=nan&y=0&width=1&height=1", 422, "invalid"),
        ("x=1e999&y=0&width=1&height=1", 422, "invalid"),
        ("x=0&y=0&width=1&height=1&downsample=0", 422, "invalid"),
        ("x=0&y=0&width=1&height=1&downsample=-1", 422, "invalid"),
        ("x=0&y=0&width=1&height=1&downsample=inf", 422, "invalid"),
        ("x=0&y=0&width=1&height=1&downsample=1&mpp=1", 422, "invalid"),
        ("x=0&y=0&width=1&height=1&format=gif", 422, "invalid"),
        ("x=0&y=0&width=1&height=1&widht=1", 422, "invalid"),
        ("x=0&x=1&y=0&width=1&height=1", 422, "invalid"),
        ("x=0&y=0&width=3000&height=3000", 413, "too_large"),
        ("x=0&y=0&width=99999999999&height=1", 422, "invalid"),
    ],
)
def test_a_wrong_region_is_a_clear_problem(site, query: str, status: int, code: str) -> None:
    answer = site.client().get(f"/api/slides/{site.slide}/region?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"type", "title", "status", "code", "detail", "request_id"}


def test_extreme_scales_and_places_answer_quickly_enough_to_test(site) -> None:
    for query in (
        "x=0&y=0&width=16&height=16&downsample=1e9",
        "x=1e12&y=-1e12&width=16&height=16",
        "x=0&y=0&width=16&height=16&downsample=1e-6",
        "x=-1e300&y=0&width=16&height=16&downsample=1e299",
    ):
        answer = site.client().get(f"/api/slides/{site.slide}/region?{query}&format=npy")
        assert answer.status_code in (200, 413, 422), query


def test_a_field_without_a_pixel_size_says_so(site) -> None:
    answer = site.client().get(f"/api/slides/{site.field}/region?x=0&y=0&width=1&height=1&mpp=0.5")
    assert (answer.status_code, answer.json()["code"]) == (422, "no_mpp")
    assert site.client().get(f"/api/slides/{site.field}").json()["mpp_x"] is None


def test_the_thumbnail_is_the_whole_slide(site, truth) -> None:
    answer = site.client("viewer").get(f"/api/slides/{site.slide}/thumbnail?size=300&g=1")
    assert answer.headers["cache-control"].startswith("private, max-age")
    got = rgb(answer.content)
    assert got.shape == (300, 224, 3)
    whole = Image.fromarray(on_white(truth.read_region((0, 0), 0, truth.dimensions)))
    expected = np.asarray(whole.resize((224, 300), Image.Resampling.BOX)).astype(int)
    assert np.abs(got - expected).mean() < 6


def test_a_removed_slide_is_gone_from_every_address(site) -> None:
    client = site.client()
    tile = f"/dzi/{site.slide}_files/12/0_0.jpeg?g=1"
    assert client.get(tile).status_code == 200
    assert client.delete(f"/api/slides/{site.slide}").status_code == 204
    for path in (tile, f"/dzi/{site.slide}.dzi", f"/api/slides/{site.slide}/thumbnail"):
        assert client.get(path).status_code == 404
    assert not list(site.services.settings.slides.glob(f"{site.slide}*"))
