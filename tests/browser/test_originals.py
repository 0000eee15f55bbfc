"""Finding a slide by what staff call it: for admins alone, with no name in addresses or the browser's storage."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Request, expect

from pathserve.catalog import Kind, PseudonymKey, SlideFacts
from pathserve.config import Settings
from pathserve.server.services import Services

pytestmark = pytest.mark.browser

PATIENT, GLASS = "Müller, Jane", "S-2024-0815"
KEPT = "() => JSON.stringify([{...localStorage}, {...sessionStorage}, history.state, location.href, document.title])"


@pytest.fixture
def named(site) -> Iterator[None]:
    """The slide and its patient have pseudonyms, and staff have other names for both."""
    with closing(Services.open(Settings(data=site.data))) as services:
        project = services.catalog.slide(site.slide).project
        services.catalog.edit_slide(site.slide, SlideFacts(case="K-12", patient="P-7"))
        patient = PseudonymKey(Kind.PATIENT, project, "P-7")
        services.pseudonyms.set({patient: PATIENT, PseudonymKey.of_slide(site.slide): GLASS})
        yield
        services.pseudonyms.follow(services.catalog.slide(site.slide), None)


def searches(requests: list[Request]) -> list[dict[str, object]]:
    return [json.loads(request.post_data or "") for request in requests if "/pseudonyms/" in request.url]


def test_an_admin_finds_a_slide_by_an_original_that_shows_on_demand(site, named, open_reader) -> None:
    admin = open_reader("admin")
    requests: list[Request] = []
    admin.page.on("request", lambda request: requests.append(request))
    admin.page.goto(f"{site.address}/")
    cards = admin.test_id("slide-card")
    expect(cards).to_have_count(2)
    field = admin.page.get_by_label("Search slides")
    field.press_sequentially("mÜller", delay=20)
    expect(cards).to_have_count(1)
    expect(cards).to_have_attribute("data-slide", site.slide)
    assert searches(requests) == [{"q": "mÜller", "limit": 1000}]
    assert "ller" not in "".join(request.url for request in requests)
    assert "ller" not in admin.page.evaluate(KEPT).lower()
    note = admin.test_id("found-by")
    expect(note).to_contain_text("found by original name")
    assert PATIENT not in admin.page.content()
    # by keys alone: the card is a link, the note behind it a button
    field.press("Tab")
    for _ in range(20):
        if note.get_by_role("button").evaluate("(button) => button === document.activeElement"):
            break
        admin.key("Tab")
    admin.key("Enter")
    expect(note).to_contain_text(f"Patient{PATIENT}")
    admin.key("Enter")
    expect(note).not_to_contain_text(PATIENT)
    admin.page.get_by_role("button", name="Table").click()
    expect(admin.test_id("slide-row").get_by_test_id("found-by")).to_be_visible()
    # what everybody sees is found as before, without the note
    field.fill("p-7")
    expect(admin.test_id("slide-row")).to_have_count(1)
    expect(note).to_have_count(0)


def test_the_search_goes_on_when_originals_cannot_be_searched(site, named, open_reader) -> None:
    admin = open_reader("admin")
    admin.expect_problem("Failed to load resource|ERR_FAILED")
    admin.page.route("**/api/pseudonyms/search", lambda route: route.abort())
    admin.page.goto(f"{site.address}/")
    admin.page.get_by_label("Search slides").fill("hgsc")
    expect(admin.page.get_by_text("Original names cannot be searched now.")).to_be_visible()
    expect(admin.test_id("slide-card")).to_have_attribute("data-slide", site.field)


def test_a_slides_page_tells_its_originals_to_admins_when_they_ask(site, named, open_reader) -> None:
    admin = open_reader("admin")
    asked: list[Request] = []
    admin.page.on("request", lambda request: asked.append(request))
    admin.open()
    admin.page.get_by_role("tab", name="Slide").click()
    section = admin.test_id("originals")
    expect(section.get_by_role("button", name="Show originals")).to_be_visible()
    assert not [request for request in asked if "/originals" in request.url]
    section.get_by_role("button", name="Show originals").click()
    expect(section).to_contain_text(f"Patient{PATIENT}Slide{GLASS}")
    section.get_by_role("button", name="Hide originals").click()
    expect(section).not_to_contain_text(PATIENT)
    assert PATIENT not in admin.page.content()
    admin.open(site.field)
    admin.page.get_by_role("tab", name="Slide").click()
    admin.page.get_by_role("button", name="Show originals").click()
    expect(section).to_contain_text("No originals are kept for this slide.")


def test_nobody_else_asks_for_originals(site, named, open_reader) -> None:
    other = open_reader("reviewer")
    requests: list[Request] = []
    other.page.on("request", lambda request: requests.append(request))
    other.page.goto(f"{site.address}/")
    expect(other.test_id("slide-card")).to_have_count(2)
    other.page.get_by_label("Search slides").fill("müller")
    expect(other.page.get_by_text("No slide matches.")).to_be_visible()
    other.page.wait_for_timeout(600)  # longer than the pause after which an admin's browser asks
    assert searches(requests) == []
    other.open()
    other.page.get_by_role("tab", name="Slide").click()
    expect(other.test_id("quality")).to_be_visible()
    expect(other.test_id("originals")).to_have_count(0)
