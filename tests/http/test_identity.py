"""What touches identity: label and macro for those who may see them, a report without values, no file name anywhere."""

import io
import logging

import numpy as np
import openslide
import pytest
from PIL import Image

# Out of the sample's own ImageDescription: what a report, an answer or a log must never repeat.
SAMPLE_WORDS = ("CPAPERIOCS", "1004486", "12/29/09", "CMU-1", "hgsc_nest", "b414003d-95c6-48b0-9369-8010ed517ba7")
READABLE = ("", "/identity", "/classes", "/layers", "/annotations")


@pytest.mark.parametrize("name", ["label", "macro"])
def test_a_kept_picture_shows_what_openslide_shows_and_lies_in_no_cache(site, sample_slide, name: str) -> None:
    answer = site.client().get(f"/api/slides/{site.slide}/associated/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["cache-control"] == "no-store"
    with openslide.OpenSlide(sample_slide) as scan:
        expected = np.asarray(scan.associated_images[name].convert("RGB"), float)
    with Image.open(io.BytesIO(answer.content)) as picture:
        got = np.asarray(picture.convert("RGB"), float)
        assert not picture.getexif()
    assert got.shape == expected.shape
    assert np.abs(got - expected).mean() < 4


def test_the_list_names_what_the_caller_may_see(site) -> None:
    def names(role: str, slide: str) -> list[str]:
        answer = site.client(role).get(f"/api/slides/{slide}/associated")
        assert answer.json()["next"] is None
        for item in answer.json()["items"]:
            assert site.client(role).get(item["address"]).status_code == 200
        return [item["name"] for item in answer.json()["items"]]

    assert names("admin", site.slide) == ["label", "macro", "thumbnail"]
    assert names("viewer", site.slide) == names("admin", site.field) == ["thumbnail"]
    assert site.client().get("/api/slides/nothing/associated").status_code == 404


@pytest.mark.parametrize("name", ["label", "macro", "overview"])
def test_a_kept_picture_comes_in_the_format_that_is_asked_for(site, name: str) -> None:
    client, address = site.client(), f"/api/slides/{site.slide}/associated/{name}"
    stored = client.get(address)
    with Image.open(io.BytesIO(stored.content)) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    for kind in ("jpeg", "png", "webp", "avif"):
        named = client.get(address, params={"format": kind})
        chosen = client.get(address, headers={"accept": f"text/html, image/{kind}"})
        assert named.content == chosen.content
        assert (named.headers.get("vary"), chosen.headers["vary"]) == (None, "Accept")
        assert chosen.headers["content-type"] == f"image/{kind}"
        assert chosen.headers["cache-control"] == "no-store"
        with Image.open(io.BytesIO(named.content)) as picture:
            assert (picture.format, picture.size) == (kind.upper(), pixels.shape[1::-1])
            if kind == "png":
                assert np.array_equal(np.asarray(picture), pixels)
    assert client.get(address, params={"format": "jpeg"}).content == stored.content
    refused = client.get(address, headers={"accept": "text/html"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")
    assert client.get(address, params={"format": "npy"}).status_code == 422


@pytest.mark.parametrize("role", ["viewer", "annotator", "reviewer"])
def test_only_admins_see_label_macro_and_report(site, role: str) -> None:
    for path in ("associated/label", "associated/macro", "identity"):
        answer = site.client(role).get(f"/api/slides/{site.slide}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "denied")
    assert site.client(role).get(f"/api/slides/{site.slide}/associated/thumbnail").status_code == 200


def test_a_picture_that_was_not_kept_or_is_none_of_ours_is_not_there(site) -> None:
    client = site.client()
    assert client.get(f"/api/slides/{site.field}/associated/label").status_code == 404
    for name in ("thumbnail.jpg", "..%2f..%2fpathserve.db", "%2e%2e", "Label", "label.jpg"):
        assert client.get(f"/api/slides/{site.slide}/associated/{name}").status_code == 404


def test_the_thumbnail_among_them_is_made_from_the_slide(site) -> None:
    client = site.client()
    same = client.get(f"/api/slides/{site.slide}/thumbnail", params={"size": 200})
    answer = client.get(f"/api/slides/{site.slide}/associated/thumbnail", params={"size": 200})
    assert answer.content == same.content
    again = client.get(
        f"/api/slides/{site.slide}/associated/thumbnail",
        params={"size": 200},
        headers={"if-none-match": answer.headers["etag"]},
    )
    assert again.status_code == 304


def test_the_report_counts_what_was_dropped_and_repeats_nothing_of_it(site) -> None:
    answer = site.client().get(f"/api/slides/{site.slide}/identity")
    report = answer.json()
    assert set(report) == {"kinds", "dropped", "more", "incomplete"}
    assert sum(report["kinds"].values()) == sum(line["count"] for line in report["dropped"]) + report["more"]
    assert report["kinds"]
    assert report["incomplete"] == []


def test_no_answer_and_no_log_repeats_the_scans_own_words(site, caplog) -> None:
    client = site.client()
    with caplog.at_level(logging.DEBUG):
        paths = [f"/api/slides/{slide}{path}" for slide in (site.slide, site.field) for path in READABLE]
        paths += ["/api/slides", f"/api/slides/{site.slide}/nothing", f"/dzi/{site.slide}.dzi"]
        told = [client.get(path) for path in paths]
        raw = [client.get(f"/api/slides/{site.slide}/{path}").content for path in ("thumbnail", "associated/label")]
    everything = "".join(answer.text + str(dict(answer.headers)) for answer in told) + caplog.text
    for word in SAMPLE_WORDS:
        assert word not in everything
        assert all(word.encode() not in body for body in raw)
