"""What gallery and viewer say about a slide's quality, its facts, and how far it is built."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from pathserve.catalog import SlideFacts
from pathserve.catalog.judgements import METHOD_VERSION, StoredJudgement
from pathserve.config import Settings
from pathserve.ingest.staging import locked_staging
from pathserve.server.services import Services

pytestmark = pytest.mark.browser

PLACES = [[200, 300, 600, 500], [1500, 2100, 1900, 2700]]
HINTS = [
    {"kind": "blur", "share": 0.4, "boxes": PLACES, "sentence": "40 % of the tissue tiles looked at are out of focus."},
    {"kind": "pen", "share": 0.02, "boxes": [], "sentence": "There seem to be pen marks (green)."},
]
SUMMARY = {"tissue_share": 0.314, "focus": 0.8, "hints": HINTS}


@pytest.fixture
def rooms(site) -> Iterator[Services]:
    """The server's rooms, as another process of the same machine opens them."""
    with closing(Services.open(Settings(data=site.data))) as services:
        yield services


@pytest.fixture
def judged(site, rooms) -> None:
    """The slide has hints, a case and a stain."""
    slide = rooms.catalog.slide(site.slide)
    rooms.catalog.edit_slide(slide.id, SlideFacts(case="K-12", stain="H&E"))
    judge(rooms, slide.id, SUMMARY)


def judge(rooms: Services, slide_id: str, summary: dict[str, Any]) -> None:
    generation = rooms.catalog.slide(slide_id).generation
    stored = StoredJudgement(slide_id, generation, METHOD_VERSION, summary, None)
    rooms.catalog.judgements.put(stored, detail=None, tissue=None)


def test_cards_and_table_show_hints_case_and_stain(site, judged, reader) -> None:
    reader.page.goto(f"{site.address}/")
    card = reader.test_id("slide-card", slide=site.slide)
    expect(card).to_contain_text("K-12 · H&E")
    badges = card.get_by_test_id("hint-badge")
    expect(badges).to_have_text([re.compile("^out of focus"), re.compile("^pen marks")])
    # said by an icon and words, and in full to those who hover or listen
    expect(badges.first.locator("svg")).to_be_visible()
    expect(badges.first).to_have_attribute("title", HINTS[0]["sentence"])
    reader.page.get_by_role("button", name="Table").click()
    row = reader.test_id("slide-row").filter(has_text="CMU-1")
    expect(row).to_contain_text("K-12")
    expect(row.get_by_test_id("hint-badge")).to_have_count(2)


def test_the_gallery_narrows_to_a_stain_or_a_hint(site, judged, reader) -> None:
    reader.page.goto(f"{site.address}/")
    cards = reader.test_id("slide-card")
    expect(cards).to_have_count(2)
    for group, value in (("Stain", "H&E 1"), ("Quality", "out of focus 1")):
        facet = reader.page.get_by_role("navigation", name=group).get_by_role("button", name=value)
        facet.click()
        expect(cards).to_have_count(1)
        expect(cards).to_have_attribute("data-slide", site.slide)
        facet.click()
        expect(cards).to_have_count(2)


def test_a_hint_leads_to_its_places(site, judged, reader) -> None:
    reader.open()
    reader.page.get_by_role("tab", name="Slide").click()
    section = reader.test_id("quality")
    expect(section).to_contain_text("31 % of the scanned area")
    expect(section).to_contain_text(HINTS[1]["sentence"])
    for number, (x0, y0, x1, y1) in enumerate(PLACES, start=1):
        button = section.get_by_role("button", name=f"Show place {number} of out of focus")
        reader.moved_by(button.click)
        state = reader.state()
        assert (state["x"], state["y"]) == pytest.approx(((x0 + x1) / 2, (y0 + y1) / 2), abs=1)
        # all of it is on the screen, framed
        corners = reader.to_page([[x0, y0], [x1, y1]])
        box = reader.box()
        assert all(box["x"] <= x <= box["x"] + box["width"] for x, _ in corners)
        assert all(box["y"] <= y <= box["y"] + box["height"] for _, y in corners)
        drawn = str(reader.test_id("mark").locator("polygon").last.get_attribute("points"))
        ring = [[float(value) for value in point.split(",")] for point in drawn.split()]
        upright = [(x - box["x"], y - box["y"]) for x, y in reader.to_page([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])]
        assert np.allclose(ring, upright, atol=0.5)
        expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(reader.test_id("mark")).to_have_count(0)


def test_an_implausible_pixel_size_is_marked(site, rooms, reader) -> None:
    rooms.db.write(lambda tx: tx.run("update slide set mpp_x = 800000, mpp_y = 800000 where id = ?", site.field))
    rooms.db.write(lambda tx: tx.run("update slide set mpp_plausible = 0 where id = ?", site.field))
    reader.page.goto(f"{site.address}/")
    card = reader.test_id("slide-card", slide=site.field)
    expect(card.get_by_test_id("hint-badge")).to_have_text([re.compile("^pixel size implausible")])
    expect(card).not_to_contain_text(" mm")


@pytest.fixture
def being_built(site, rooms) -> Iterator[None]:
    """The slide waits for levels; somebody else is at it, so the server leaves it alone."""
    with locked_staging(rooms.settings.slides, rooms.catalog.slide(site.slide).content_hash):
        rooms.catalog.set_status(site.slide, "building")
        yield


def test_a_slide_that_is_being_built_says_so_until_it_is_ready(site, rooms, being_built, open_reader) -> None:
    in_gallery, in_viewer = open_reader(), open_reader()
    in_gallery.page.goto(f"{site.address}/")
    card = in_gallery.test_id("slide-card", slide=site.slide)
    expect(card.get_by_role("progressbar")).to_be_visible()
    expect(card).to_contain_text("building")
    in_viewer.open()
    expect(in_viewer.test_id("building-note")).to_contain_text("You can use the slide")
    for reader in (in_gallery, in_viewer):
        reader.page.evaluate("() => { window.same = true }")
    rooms.catalog.set_status(site.slide, "ready")
    expect(in_viewer.test_id("building-note")).to_have_count(0, timeout=20_000)
    expect(card.get_by_role("progressbar")).to_have_count(0, timeout=20_000)
    for reader in (in_gallery, in_viewer):
        assert reader.page.evaluate("() => window.same")


def test_label_and_macro_are_shown_to_administrators_when_they_ask(site, rooms, open_reader) -> None:
    folder = site.data / "labels" / site.slide
    folder.mkdir(parents=True)
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(folder / "label.jpg")
    admin = open_reader("admin")
    admin.expect_problem("status of 404")
    asked: list[str] = []
    admin.page.on("request", lambda request: asked.append(request.url))
    admin.open()
    admin.page.get_by_role("tab", name="Slide").click()
    button = admin.page.get_by_role("button", name="Show label and macro")
    expect(button).to_be_visible()
    assert not [url for url in asked if "/associated/" in url]
    button.click()
    label = admin.test_id("associated-label")
    expect(label).to_be_visible()
    assert label.evaluate("(img) => [img.naturalWidth, img.naturalHeight]") == [60, 40]
    expect(admin.page.get_by_text("The macro was not kept.")).to_be_visible()
    admin.page.get_by_role("button", name="Hide").click()
    expect(label).to_have_count(0)

    other = open_reader("reviewer")
    other.open()
    other.page.get_by_role("tab", name="Slide").click()
    expect(other.test_id("quality")).to_be_visible()
    expect(other.page.get_by_role("button", name="Show label and macro")).to_have_count(0)
