"""Fingers pan and pinch, a pen draws, and everything fits and can be hit on a phone."""

import math

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
EXACT = 1e-9
OUTLINE = [(-90, -60), (40, -101), (110, 20), (37, 93), (-61, 47)]
# The least side of a target for a finger, in CSS pixels.
TARGET = 40


class Hand:
    """Fingers and a pen, as the browser's own input events."""

    def __init__(self, reader) -> None:
        self.devtools = reader.context.new_cdp_session(reader.page)

    def touch(self, kind: str, points) -> None:
        fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    def fingers(self, *paths) -> None:
        """Move some fingers along their paths at the same time."""
        steps = list(zip(*paths, strict=True))
        self.touch("touchStart", steps[0])
        for points in steps[1:]:
            self.touch("touchMove", points)
        self.touch("touchEnd", [])

    def tap(self, point) -> None:
        self.fingers([point])

    def pen(self, path) -> None:
        """Draw with a pen along a path."""
        for number, (x, y) in enumerate([*path, path[-1]]):
            kind = "mousePressed" if number == 0 else "mouseReleased" if number == len(path) else "mouseMoved"
            self.devtools.send(
                "Input.dispatchMouseEvent",
                {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"},
            )


def line(start, end, steps: int = 40) -> list[tuple[float, float]]:
    return [tuple(a + (b - a) * i / steps for a, b in zip(start, end, strict=True)) for i in range(steps + 1)]


@pytest.fixture
def phone(open_reader):
    reader = open_reader(**PHONE)
    reader.open(x=1110, y=1480, z=0.4)
    return reader


@pytest.mark.parametrize("tool", ["move", "polygon"])
def test_one_finger_pans_with_any_tool(site, phone, tool: str) -> None:
    phone.test_id(f"tool-{tool}").tap()
    before = phone.state()
    (start, end) = phone.around((60, 50), (-40, -70))
    phone.moved_by(lambda: Hand(phone).fingers(line(start, end)))
    after = phone.state()
    # the slide follows the finger; the first few pixels tell a drag from a tap
    assert after["x"] - before["x"] == pytest.approx(100 / 0.4, abs=12 / 0.4)
    assert after["y"] - before["y"] == pytest.approx(120 / 0.4, abs=14 / 0.4)
    assert (after["zoom"], after["draft"]) == (before["zoom"], None)
    assert site.annotations() == []


@pytest.mark.parametrize("tool", ["move", "polygon"])
def test_two_fingers_pinch_about_the_place_between_them(site, phone, tool: str) -> None:
    phone.test_id(f"tool-{tool}").tap()
    (middle,) = phone.around((30, -40))
    anchor = phone.to_l0([middle])[0]
    left = line((middle[0] - 40, middle[1]), (middle[0] - 100, middle[1]))
    right = line((middle[0] + 40, middle[1]), (middle[0] + 100, middle[1]))
    phone.moved_by(lambda: Hand(phone).fingers(left, right))
    state = phone.state()
    assert state["zoom"] == pytest.approx(0.4 * 100 / 40, rel=0.2)
    x, y = phone.to_page([anchor])[0]
    assert math.hypot(x - middle[0], y - middle[1]) < 12
    assert state["draft"] is None
    assert site.annotations() == []


def test_taps_draw_a_polygon_that_a_button_closes(site, phone) -> None:
    hand = Hand(phone)
    phone.test_id("tool-polygon").tap()
    points = phone.around(*OUTLINE)
    ring = phone.to_l0([*points, points[0]])
    for count, point in enumerate(points, start=1):
        hand.tap(point)
        phone.wait_state(f"s.draft?.length === {count}")
    phone.page.get_by_role("button", name="Close").first.tap()
    phone.wait_saved()
    (found,) = site.only()["geometry"]["coordinates"]
    assert found == [pytest.approx(point, abs=EXACT) for point in ring]


def test_a_pen_draws_while_fingers_pan(site, phone) -> None:
    hand = Hand(phone)
    phone.test_id("tool-polygon").tap()
    (start, end) = phone.around((40, 60), (-20, -10))
    phone.moved_by(lambda: hand.fingers(line(start, end)))
    circle = [(round(90 * math.cos(a / 20 * math.pi)), round(80 * math.sin(a / 20 * math.pi))) for a in range(40)]
    path = phone.around(*circle)
    ring = phone.to_l0([*path, path[0]])
    before = phone.state()
    hand.pen(path)
    phone.wait_saved()
    (found,) = site.only()["geometry"]["coordinates"]
    assert found == [pytest.approx(point, abs=EXACT) for point in ring]
    assert phone.state()["x"] == before["x"]


def test_a_pen_drags_a_vertex(site, phone) -> None:
    shell = [[800, 1200], [1400, 1250], [1300, 1800], [800, 1200]]
    feature = site.add([shell])
    phone.page.reload()
    phone.wait_ready()
    hand = Hand(phone)
    phone.test_id("tool-select").tap()
    hand.tap(phone.to_page([[1150, 1400]])[0])
    phone.wait_state(f"s.selection === '{feature['id']}'")
    x, y = map(round, phone.to_page([shell[1]])[0])
    to = phone.to_l0([(x - 20, y - 50)])[0]
    hand.pen(line((x, y), (x - 20, y - 50), 5))
    phone.wait_saved()
    (after,) = site.only()["geometry"]["coordinates"]
    assert after == [shell[0], pytest.approx(to, abs=EXACT), *shell[2:]]


def assert_no_sideways_scrolling(reader) -> None:
    sizes = "() => [document.documentElement.scrollWidth, document.body.scrollWidth, window.innerWidth]"
    page, body, window = reader.page.evaluate(sizes)
    assert max(page, body) <= window == PHONE["viewport"]["width"]


def test_every_page_fits_a_phone(site, open_reader) -> None:
    reader = open_reader(signed_in=False, **PHONE)
    reader.page.goto(f"{site.address}/sign-in")
    expect(reader.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert_no_sideways_scrolling(reader)
    reader.sign_in()
    reader.page.goto(f"{site.address}/")
    expect(reader.test_id("slide-card")).to_have_count(2)
    assert_no_sideways_scrolling(reader)
    reader.page.get_by_role("button", name="Table").tap()
    expect(reader.test_id("slide-row")).to_have_count(2)
    assert_no_sideways_scrolling(reader)
    reader.open()
    assert_no_sideways_scrolling(reader)
    reader.test_id("tool-toggle-panel").tap()
    expect(reader.page.get_by_role("tablist")).to_be_visible()
    assert_no_sideways_scrolling(reader)


def test_tools_are_large_enough_for_fingers_and_lie_on_the_screen(phone) -> None:
    tools = phone.page.locator('[data-testid^="tool-"]')
    expect(tools.first).to_be_visible()
    assert tools.count() >= 10
    width, height = PHONE["viewport"]["width"], PHONE["viewport"]["height"]
    boxes = {tool.get_attribute("data-testid"): tool.bounding_box() for tool in tools.all() if tool.is_visible()}
    assert {"tool-move", "tool-select", "tool-polygon", "tool-undo", "tool-redo", "tool-toggle-panel"} <= set(boxes)
    for name, box in boxes.items():
        assert min(box["width"], box["height"]) >= TARGET, (name, box)
        assert box["x"] >= 0, (name, box)
        assert box["x"] + box["width"] <= width, (name, box)
        assert box["y"] + box["height"] <= height, (name, box)
    canvas = phone.box()
    assert canvas["width"] * canvas["height"] >= 0.6 * width * height
