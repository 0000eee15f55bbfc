"""What was found about quality, over HTTP; and slides whose levels are still being built."""

import io
from dataclasses import replace

import numpy as np
import openslide
import pytest
from PIL import Image

from pathserve.catalog import READY
from pathserve.errors import Busy
from pathserve.ingest import ingest_scan
from pathserve.ingest.quality import judge_slide
from pathserve.pyramid import reader


@pytest.fixture
def judged(site):
    """The site with both slides judged; gives their stored judgements."""
    services = site.services
    known = [services.catalog.slide(slide) for slide in (site.slide, site.field)]
    return [judge_slide(slide, settings=services.settings, catalog=services.catalog) for slide in known]


def test_a_slide_that_nobody_has_judged_says_so(site) -> None:
    client = site.client("viewer")
    assert {slide["quality"] for slide in client.get("/api/slides").json()["items"]} == {None}
    for path in ("quality", "quality/tissue.png"):
        assert client.get(f"/api/slides/{site.slide}/{path}").status_code == 404


def test_lists_and_pages_tell_what_was_found(site, judged) -> None:
    client = site.client("viewer")
    listed = {slide["id"]: slide for slide in client.get("/api/slides").json()["items"]}
    for stored in judged:
        quality = listed[stored.slide]["quality"]
        assert quality == client.get(f"/api/slides/{stored.slide}").json()["quality"] == stored.summary
        assert set(quality) == {"tissue_share", "focus", "hints"}
        detail = client.get(f"/api/slides/{stored.slide}/quality").json()
        assert {key: detail[key] for key in quality} == quality
        assert detail["reason"] is None
        assert detail["tiles"]
        width, height = listed[stored.slide]["width"], listed[stored.slide]["height"]
        for box in [*detail["parts"], *(tile["box"] for tile in detail["tiles"])]:
            assert 0 <= box[0] < box[2] <= width
            assert 0 <= box[1] < box[3] <= height
    # The field is a JPEG that states no pixel size; the SVS states 0.499.
    kinds = [{hint["kind"] for hint in listed[slide]["quality"]["hints"]} for slide in (site.slide, site.field)]
    assert ["mpp-missing" in found for found in kinds] == [False, True]


def test_the_tissue_mask_covers_the_slide_and_agrees_with_the_share(site, judged, sample_slide) -> None:
    client, address = site.client("viewer"), f"/api/slides/{site.slide}/quality"
    answer = client.get(f"{address}/tissue.png", params={"g": 1})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["cache-control"] == "private, no-cache"
    with Image.open(io.BytesIO(answer.content)) as picture:
        mask = np.asarray(picture.convert("L")) > 127
    detail = client.get(address).json()
    step = detail["mask_downsample"]
    assert mask.shape == (-(-2967 // step), -(-2220 // step))
    assert abs(mask.mean() - detail["tissue_share"]) < 0.02
    with openslide.OpenSlide(sample_slide) as scan:
        colours = np.asarray(scan.get_thumbnail(mask.shape[::-1]).convert("HSV").resize(mask.shape[::-1]))
    # H&E is coloured, glass is not: tissue by any measure is more saturated than the rest.
    assert colours[mask, 1].mean() > colours[~mask, 1].mean() + 20
    again = client.get(f"{address}/tissue.png", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert client.get(f"{address}/tissue.png", params={"x": 1}).status_code == 422


def test_what_was_found_about_other_pixels_or_by_an_older_method_is_not_told(site, judged) -> None:
    judgements = site.services.catalog.judgements
    for old in (replace(judged[0], generation=0), replace(judged[0], version=0)):
        judgements.put(old, detail={}, tissue=b"")
        assert site.client().get(f"/api/slides/{site.slide}").json()["quality"] is None
        assert site.client().get(f"/api/slides/{site.slide}/quality").status_code == 404


def test_why_a_slide_could_not_be_judged_is_told(site, judged) -> None:
    judgements = site.services.catalog.judgements
    judgements.put(replace(judged[0], summary=None, reason="It has no colour."), detail=None, tissue=None)
    assert site.client().get(f"/api/slides/{site.slide}").json()["quality"] is None
    detail = site.client().get(f"/api/slides/{site.slide}/quality").json()
    assert (detail["reason"], detail["tissue_share"], detail["hints"]) == ("It has no colour.", None, [])
    assert site.client().get(f"/api/slides/{site.slide}/quality/tissue.png").status_code == 404


def test_facts_of_a_slide_are_told_changed_and_searched(site) -> None:
    client, address = site.client("reviewer"), f"/api/slides/{site.slide}"
    facts = {"case": "C-1", "patient": "P-7", "stain": "H&E"}
    told = client.patch(address, json=facts).json()
    assert {key: told[key] for key in facts} == facts
    for key, value in facts.items():
        found = client.get("/api/slides", params={key: value}).json()["items"]
        assert [slide["id"] for slide in found] == [site.slide]
        assert client.get("/api/slides", params={key: value + "x"}).json()["items"] == []
    told = client.patch(address, json={"stain": None}).json()
    assert (told["stain"], told["case"]) == (None, "C-1")
    assert (told["status"], told["mpp_plausible"]) == (READY, True)
    assert client.patch(address, json={"status": "building"}).status_code == 422


def test_a_slide_is_served_while_its_levels_are_built(site, idle, sample_slide, monkeypatch) -> None:
    complete, client = site.client(), idle.client("viewer")
    phase = [""]

    def stop_when_listed() -> bool:
        if phase[0] == "finishing":
            raise Busy("The process is stopped.")
        return False

    with pytest.raises(Busy, match="stopped"):
        ingest_scan(
            sample_slide,
            settings=idle.services.settings,
            catalog=idle.services.catalog,
            progress=lambda progress: phase.append(progress.phase) or phase.pop(0),
            cancelled=stop_when_listed,
        )
    (slide,) = client.get("/api/slides").json()["items"]
    assert slide["status"] == "building"
    for level in (12, 11, 10):
        made = client.get(f"/dzi/{slide['id']}_files/{level}/0_0.jpeg")
        assert made.status_code == 200
        assert made.content == complete.get(f"/dzi/{site.slide}_files/{level}/0_0.jpeg").content
    monkeypatch.setattr(reader, "MOST_STEPS", 0)
    idle.services.tiles.forget(slide["id"])
    late = client.get(f"/dzi/{slide['id']}_files/10/0_0.jpeg")
    assert (late.status_code, late.json()["code"], late.headers["retry-after"]) == (503, "building", "1")
