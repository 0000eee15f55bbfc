"""The address bar holds place, zoom, rotation, hidden layers and selection: reload, a shared link, the back button."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

OUTLINE = [[800, 900], [1200, 950], [1100, 1500], [800, 900]]
# What the address holds: places to 1/100 pixel, the zoom to six digits, the turn to 1/100 degree.
PRECISION = {"x": 0.005, "y": 0.005, "zoom": 5e-6, "degrees": 0.005}


def assert_same_view(a, b) -> None:
    for name, tolerance in PRECISION.items():
        assert a[name] == pytest.approx(b[name], abs=tolerance), name
    assert (a["selection"], a["hiddenLayers"]) == (b["selection"], b["hiddenLayers"])


def wait_address(reader, pattern: str) -> None:
    expect(reader.page).to_have_url(re.compile(pattern))


@pytest.fixture
def moved(site, reader):
    """A reader who has selected an object, hidden another's layer, and turned, zoomed and moved the view."""
    feature = site.add([OUTLINE])
    reader.open(x=1100, y=1200, z=0.5)
    reader.click([tuple(map(round, reader.to_page([[1000, 1100]])[0]))])
    reader.wait_state(f"s.selection === '{feature['id']}'")
    reader.page.mouse.move(*reader.around((70, -40))[0])
    reader.moved_by(lambda: reader.page.mouse.wheel(0, -180))
    reader.moved_by(lambda: reader.key(">"))
    reader.moved_by(lambda: reader.drag(reader.around((120, 90), (100, 80), (60, 41))))
    state = reader.state()
    wait_address(reader, rf"[?&]x={round(state['x'], 2):g}.*rot=15.*sel={feature['id']}")
    return reader


def test_a_reload_shows_the_same(moved) -> None:
    before = moved.state()
    moved.page.reload()
    moved.wait_ready()
    assert_same_view(moved.state(), before)
    expect(moved.test_id("selected")).to_be_visible()


def test_a_second_person_with_the_link_sees_the_same(moved, open_reader) -> None:
    other = open_reader("viewer")
    other.page.goto(moved.page.url)
    other.wait_ready()
    assert_same_view(other.state(), moved.state())
    expect(other.test_id("selected")).to_be_visible()


def test_a_hidden_layer_stays_hidden(site, moved) -> None:
    moved.test_id("layer-row").filter(has_text="given").click()
    wait_address(moved, "hide=given")
    moved.page.reload()
    moved.wait_ready()
    assert moved.state()["hiddenLayers"] == ["given"]
    expect(moved.test_id("layer-row").filter(has_text="given")).to_have_attribute("aria-checked", "false")


def test_back_and_forward_go_through_jumps_and_out_to_the_gallery(site, reader) -> None:
    reader.page.goto(f"{site.address}/")
    reader.test_id("slide-card").and_(reader.page.locator(f'[data-slide="{site.slide}"]')).click()
    reader.wait_ready()
    start = reader.state()
    reader.moved_by(lambda: reader.page.get_by_role("button", name="20\N{MULTIPLICATION SIGN}").click())
    near = reader.state()
    # CMU-1 was scanned at 20x, so 20x is one screen pixel per pixel
    assert near["zoom"] == pytest.approx(1)
    expect(reader.test_id("magnification")).to_have_text("20\N{MULTIPLICATION SIGN}")
    minimap = reader.page.get_by_role("button", name="Overview").bounding_box()
    reader.moved_by(lambda: reader.page.mouse.click(minimap["x"] + 20, minimap["y"] + 30))
    there = reader.state()
    assert there["x"] == pytest.approx(20 / minimap["width"] * 2220, abs=10)
    assert there["y"] == pytest.approx(30 / minimap["height"] * 2967, abs=10)
    wait_address(reader, f"x={there['x']:.2f}".rstrip("0").rstrip("."))
    reader.moved_by(reader.page.go_back)
    assert_same_view(reader.state(), near)
    reader.moved_by(reader.page.go_back)
    assert_same_view(reader.state(), start)
    reader.moved_by(reader.page.go_forward)
    assert_same_view(reader.state(), near)
    for _ in range(2):
        reader.page.go_back()
    expect(reader.test_id("slide-card")).to_have_count(2)


def test_an_address_that_makes_no_sense_shows_the_whole_slide(site, reader) -> None:
    reader.open()
    whole = reader.state()
    reader.open(x="NaN", y="1e999", z=-4, rot="north", sel="nobody")
    assert {key: reader.state()[key] for key in ("x", "y", "zoom")} == {key: whole[key] for key in ("x", "y", "zoom")}
    reader.expect_problem("status of 404")
    reader.page.goto(f"{site.address}/slides/nothing")
    expect(reader.page.get_by_text("This slide cannot be shown")).to_be_visible()
