"""The way in: the printed link, the gallery, what each role sees."""

import httpx2
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

LOADED = "(img) => img.complete && img.naturalWidth > 0 && img.naturalHeight > 0"


def test_the_printed_link_leads_to_the_gallery_and_leaves_no_code_behind(site, open_reader) -> None:
    reader = open_reader(signed_in=False)
    code = site.link.split("#")[1]
    reader.page.goto(site.link)
    cards = reader.test_id("slide-card")
    expect(cards).to_have_count(2)
    assert reader.page.url == f"{site.address}/"
    assert {card.get_attribute("data-slide") for card in cards.all()} == {site.slide, site.field}
    for card in cards.all():
        image = card.locator("img")
        image.scroll_into_view_if_needed()
        reader.page.wait_for_function(LOADED, arg=image.element_handle())
    assert "1,295" in cards.filter(has_text="HGSC").inner_text()
    # the way back leads past the code, too
    reader.page.go_back()
    assert code not in reader.page.url
    cookie = reader.context.cookies()[0]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] in ("Lax", "Strict")


def test_a_used_link_says_why_it_does_not_work(site, open_reader) -> None:
    reader = open_reader(signed_in=False)
    reader.expect_problem("status of 401")
    link = f"{site.address}/sign-in#{site.sign_in_code(reader.account)}"
    reader.page.goto(link)
    expect(reader.test_id("slide-card")).to_have_count(2)
    reader.context.clear_cookies()
    reader.page.goto("about:blank")
    reader.page.goto(link)
    expect(reader.page.get_by_role("alert")).to_contain_text("used already")
    assert "#" not in reader.page.url
    # somebody who pastes a whole new link into the field is in
    reader.page.get_by_label("Sign-in link or code").fill(f"{site.address}/sign-in#{site.sign_in_code(reader.account)}")
    reader.key("Enter")
    expect(reader.test_id("slide-card")).to_have_count(2)


def test_a_page_asked_for_without_a_session_comes_after_signing_in(site, open_reader) -> None:
    reader = open_reader(signed_in=False)
    reader.page.goto(f"{site.address}/slides/{site.slide}?x=700&y=800&z=0.5")
    field = reader.page.get_by_label("Sign-in link or code")
    expect(field).to_be_visible()
    expect(reader.test_id("session-ended")).to_have_count(0)
    field.fill(site.sign_in_code(reader.account))
    reader.page.get_by_role("button", name="Sign in").click()
    reader.wait_ready()
    state = reader.state()
    assert (state["x"], state["y"], state["zoom"]) == (700, 800, 0.5)


def test_who_cannot_be_signed_out_is_told_so(site, reader) -> None:
    reader.expect_problem("net::ERR_")
    reader.page.goto(f"{site.address}/")
    expect(reader.test_id("slide-card")).to_have_count(2)
    reader.page.get_by_text(reader.account).first.click()
    reader.context.set_offline(True)
    reader.page.get_by_role("button", name="Sign out").click()
    expect(reader.page.get_by_role("alert")).to_have_text("You are still signed in. The server cannot be reached.")
    reader.context.set_offline(False)
    reader.page.get_by_role("button", name="Sign out").click()
    expect(reader.page.get_by_label("Sign-in link or code")).to_be_visible()


def test_the_keyboard_alone_opens_a_slide_and_goes_through_its_objects(site, reader) -> None:
    reader.page.goto(f"{site.address}/")
    expect(reader.test_id("slide-card")).to_have_count(2)
    focused = "() => document.activeElement.dataset.slide ?? ''"
    for _ in range(40):
        reader.key("Tab")
        if reader.page.evaluate(focused) == site.field:
            break
    assert reader.page.evaluate(focused) == site.field
    reader.key("Enter")
    reader.wait_ready()
    assert reader.page.url.startswith(f"{site.address}/slides/{site.field}")
    reader.key("n")
    reader.wait_state("s.selection !== null")
    first = reader.state()["selection"]
    reader.key("n")
    reader.wait_state(f"![null, '{first}'].includes(s.selection)")
    second = reader.state()["selection"]
    expect(reader.test_id("selected")).to_contain_text(second[:4])


@pytest.mark.parametrize(("role", "draws"), [("viewer", False), ("annotator", True), ("reviewer", True)])
def test_drawing_tools_are_there_for_those_who_may_draw(site, open_reader, role: str, draws: bool) -> None:
    feature = site.add([[[800, 900], [1200, 950], [1100, 1500], [800, 900]]])
    reader = open_reader(role)
    reader.open(x=1100, y=1200, z=0.5)
    for tool in ("select", "polygon", "undo", "redo"):
        expect(reader.test_id(f"tool-{tool}")).to_have_count(1 if draws else 0)
    expect(reader.test_id("tool-move")).to_be_visible()
    reader.click([tuple(map(round, reader.to_page([[1000, 1100]])[0]))])
    reader.wait_state(f"s.selection === '{feature['id']}'")
    expect(reader.test_id("selected")).to_be_visible()
    expect(reader.test_id("delete")).to_have_count(1 if draws else 0)
    for key in ("p", "s", "Delete"):
        reader.key(key)
    assert reader.state()["tool"] == ("select" if draws else "move")
    if draws:
        reader.wait_saved()
        assert site.annotations() == []
    else:
        assert site.only()["id"] == feature["id"]
        expect(reader.page.get_by_text("read only")).to_be_visible()


def test_signing_out_ends_the_session(site, reader) -> None:
    reader.page.goto(f"{site.address}/")
    secret = reader.context.cookies()[0]["value"]
    reader.page.get_by_text(reader.account).first.click()
    reader.page.get_by_role("button", name="Sign out").click()
    expect(reader.page.get_by_label("Sign-in link or code")).to_be_visible()
    assert httpx2.get(f"{site.address}/api/session", cookies={"pathserve_session": secret}).status_code == 401
