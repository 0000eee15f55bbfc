"""Fluorescence, stacks and series: channels put together in the browser, just as the server does it."""

import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import orjson
import pytest
from PIL import Image, ImageCms
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

DATA = Path(__file__).parents[3] / "shared" / "data" / "slides"
AXE = Path(__file__).parents[2] / "viewer" / "node_modules" / "axe-core" / "axe.min.js"
CANVAS = (914, 734)
"""CSS pixels of the canvas beside the panel, on the desk."""
WIDTH, HEIGHT = 700, 600
"""Of it the part that is looked at: scale bar and overview lie outside of it."""
DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

# Notes for every frame the least alpha of some points in the middle of the canvas, until told to stop.
WATCH = """() => {
  window.seen = []
  const look = () => {
    const canvas = document.querySelector('.ol-layer canvas')
    const pixels = canvas.getContext('2d').getImageData(canvas.width / 2 - 50, canvas.height / 2 - 50, 100, 100).data
    window.seen.push(Math.min(...pixels.filter((_, at) => at % 4 === 3)))
    window.watching = requestAnimationFrame(look)
  }
  look()
}"""


def ingest(site, *paths: Path) -> list[str]:
    words = [sys.executable, "-m", "pathserve", "ingest", *map(str, paths), "--data", str(site.data), "--json"]
    items = orjson.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)["items"]
    return [item["slide"] for item in items]


@pytest.fixture(scope="module")
def slides(site):
    """A slide of three stains, and a stack of 5 planes and 3 times with two channels of 16 bits."""
    paths = DATA / "dicom-wsm" / "fluorcell-4", DATA / "czi" / "CellDivision_T3_Z5_CH2_comp1.czi"
    if not all(path.exists() for path in paths):
        pytest.fail("the real slides are missing; see tests/README.md")
    return ingest(site, *paths)


@pytest.fixture
def stains(slides) -> str:
    return slides[0]


@pytest.fixture
def stack(slides) -> str:
    return slides[1]


class Samples:
    """Every address of samples that the page, or its worker, has asked for."""

    def __init__(self, reader) -> None:
        self.asked: list[str] = []
        reader.context.on("request", lambda request: ".raw?" in request.url and self.asked.append(request.url))

    def values(self, name: str) -> set[str]:
        return {value for url in self.asked for value in parse_qs(urlsplit(url).query).get(name, [])}


def expected(site, slide: str, level: int, **look: str):
    """The server's own picture of the first tile of a level, without loss."""
    answer = site.get(f"/dzi/{slide}_files/{level}/0_0.png", **look)
    return np.asarray(Image.open(BytesIO(answer.content)).convert("RGB"))


def screen(reader, width: int, height: int):
    """What is on the screen from the slide's top left corner on."""
    (x, y), *_ = reader.to_page([(0, 0)])
    assert x == pytest.approx(round(x), abs=1e-6)
    assert y == pytest.approx(round(y), abs=1e-6)
    return reader.picture(round(x), round(y), width, height)


def open_corner(reader, slide: str, zoom: float, **look: str) -> None:
    """Show the slide's top left corner 20 pixels inside the canvas, with pixels of a level on those of the screen."""
    x, y = ((side / 2 - 20) / zoom for side in CANVAS)
    reader.open(slide, x=x, y=y, z=zoom, **look)
    box = reader.box()
    assert (box["width"], box["height"]) == CANVAS


def wait_for_picture(reader, wanted, width: int, height: int, measure=np.max, most: float = 1) -> None:
    """Wait until the screen shows these pixels, to one grey level (or as another measure says)."""
    for _ in range(40):
        reader.settle()
        found = screen(reader, width, height)
        difference = measure(np.abs(found.astype(int) - wanted[:height, :width].astype(int)))
        if difference <= most:
            return
        reader.page.wait_for_timeout(50)
    pytest.fail(f"the picture differs by {difference} grey levels")


@pytest.mark.parametrize(
    "channels", ["", "0:ff8000:10-120:0.6,2", "0:auto,1:00ffff:200-20,2:ffffff:0-90:2.5", "1:1e2-180"]
)
def test_stains_are_put_together_as_the_server_does(site, reader, stains: str, channels: str) -> None:
    look = {"c": channels} if channels else {}
    open_corner(reader, stains, 0.5, **look)
    wanted = expected(site, stains, 11, **look)
    assert wanted[:HEIGHT, :WIDTH].max() > 50
    wait_for_picture(reader, wanted, WIDTH, HEIGHT)


def test_16_bits_planes_and_times_too(site, reader, stack: str) -> None:
    for page, server in (
        ({}, {}),
        ({"plane": "0", "time": "2"}, {"z": "0", "t": "2"}),
        ({"plane": "max", "c": "0:200-3000:0.5,1:auto"}, {"z": "max", "c": "0:200-3000:0.5,1:auto"}),
        ({"plane": "1-3"}, {"z": "1-3"}),
    ):
        open_corner(reader, stack, 1, **page)
        wait_for_picture(reader, expected(site, stack, 8, **server), 240, 170)


def test_the_keys_go_through_planes_and_times(site, reader, stack: str) -> None:
    samples = Samples(reader)
    open_corner(reader, stack, 1)
    expect(reader.test_id("status-plane")).to_have_text("z 3/5")
    reader.key("PageUp")
    expect(reader.test_id("status-plane")).to_have_text("z 4/5")
    wait_for_picture(reader, expected(site, stack, 8, z="3"), 240, 170)
    reader.key("Shift+PageUp")
    expect(reader.test_id("status-time")).to_have_text("t 2/3")
    wait_for_picture(reader, expected(site, stack, 8, z="3", t="1"), 240, 170)
    reader.key("i")
    expect(reader.test_id("status-plane")).to_have_text("z max")
    wait_for_picture(reader, expected(site, stack, 8, z="max", t="1"), 240, 170)
    expect(reader.test_id("projection")).to_have_attribute("aria-checked", "true")
    expect(reader.page).to_have_url(re.compile(r"plane=max&time=1"))
    for _ in range(9):
        reader.key("PageDown")
    expect(reader.test_id("status-plane")).to_have_text("z 1/5")
    wait_for_picture(reader, expected(site, stack, 8, z="0", t="1"), 240, 170)
    assert {"3", "max", "0"} <= samples.values("z")
    reader.page.get_by_label("Plane", exact=True).fill("5")
    expect(reader.test_id("status-plane")).to_have_text("z 5/5")
    reader.key("?")
    dialog = reader.page.get_by_role("dialog", name="Keys and gestures")
    for text in ("Next plane", "PgUp", "All planes at once", "Previous time", "⇧ PgDn"):
        expect(dialog.get_by_text(text, exact=True)).to_be_visible()


def test_a_colour_scan_has_no_keys_for_planes(site, reader) -> None:
    reader.open()
    expect(reader.page.get_by_role("tab", name="Display")).to_have_count(0)
    reader.key("?")
    expect(reader.page.get_by_role("dialog").get_by_text("Whole slide")).to_be_visible()
    expect(reader.page.get_by_text("Next plane")).to_have_count(0)


def test_a_slider_fetches_nothing_and_never_leaves_the_screen_blank(site, reader, stains: str) -> None:
    samples = Samples(reader)
    open_corner(reader, stains, 0.5)
    wait_for_picture(reader, expected(site, stains, 11), WIDTH, HEIGHT)
    reader.wait_quiet()
    assert samples.values("c") == {"0", "1", "2"}
    before = len(samples.asked)
    reader.page.evaluate(WATCH)
    slider = reader.page.get_by_label("FITC (green): full colour at")
    slider.focus()
    for _ in range(60):
        reader.key("ArrowLeft")
    expect(slider).to_have_value("195")
    wait_for_picture(reader, expected(site, stains, 11, c="0,1:0-195,2"), WIDTH, HEIGHT)
    seen = reader.page.evaluate("() => { cancelAnimationFrame(window.watching); return window.seen }")
    assert len(seen) > 20
    assert set(seen) == {255}
    assert len(samples.asked) == before
    # arrows belong to the slider that has the focus: the slide has not moved
    assert reader.state()["x"] == pytest.approx((CANVAS[0] / 2 - 20) / 0.5)


def test_hidden_channels_are_not_fetched_and_shown_ones_once(site, reader, stains: str) -> None:
    samples = Samples(reader)
    open_corner(reader, stains, 0.5, c="1")
    reader.wait_quiet()
    assert samples.values("c") == {"1"}
    reader.page.get_by_role("switch", name="Show DAPI (Blue)").click()
    wait_for_picture(reader, expected(site, stains, 11, c="0,1"), WIDTH, HEIGHT)
    assert samples.values("c") == {"0", "1"}
    assert len(set(samples.asked)) == len(samples.asked)


def test_everything_of_the_panel_by_keyboard_and_in_the_address(site, reader, stains: str) -> None:
    open_corner(reader, stains, 0.5)
    page = reader.page
    channel = reader.test_id("channel", channel="0")
    page.get_by_role("switch", name="Show Rhodamine (orange)").focus()
    reader.key(" ")
    expect(page).to_have_url(re.compile(r"c=0,1(&|$)"))
    channel.get_by_role("button", name="Magenta").focus()
    reader.key("Enter")
    expect(page).to_have_url(re.compile(r"c=0:ff00ff,1(&|$)"))
    expect(channel.get_by_role("button", name="Magenta")).to_have_attribute("aria-pressed", "true")
    channel.get_by_label("Colour of DAPI (Blue)", exact=True).fill("#80ff00")
    for label, value in (("Black at", "12"), ("Full at", "90"), ("Gamma", "0.5")):
        channel.get_by_label(re.compile(f"^{label}")).fill(value)
        reader.key("Enter")
    expect(page).to_have_url(re.compile(r"c=0:80ff00:12-90:0\.5,1(&|$)"))
    look = {"c": "0:80ff00:12-90:0.5,1"}
    wait_for_picture(reader, expected(site, stains, 11, **look), WIDTH, HEIGHT)
    # what is out of bounds or no number is put back
    channel.get_by_label(re.compile("^Gamma")).fill("50")
    reader.key("Enter")
    expect(channel.get_by_label(re.compile("^Gamma"))).to_have_value("0.5")
    # the address alone shows the same again
    page.reload()
    reader.wait_ready()
    wait_for_picture(reader, expected(site, stains, 11, **look), WIDTH, HEIGHT)
    channel.get_by_role("button", name="Auto").focus()
    reader.key("Enter")
    expect(page).to_have_url(re.compile(r"c=0:80ff00:auto:0\.5,1(&|$)"))
    channel.get_by_role("button", name="Reset").focus()
    reader.key("Enter")
    expect(page).to_have_url(re.compile(r"c=0,1(&|$)"))
    page.get_by_role("button", name="Reset all").click()
    expect(page).not_to_have_url(re.compile("c="))
    page.get_by_role("button", name="Auto all").click()
    expect(page).to_have_url(re.compile(r"c=0:auto,1:auto,2:auto(&|$)"))


def test_no_channel_at_all_is_black(site, reader, stains: str) -> None:
    open_corner(reader, stains, 0.5, c="none")
    assert screen(reader, WIDTH, HEIGHT).max() == 0
    expect(reader.page).to_have_url(re.compile("c=none"))


def test_the_overview_takes_the_look_on(site, reader, stains: str) -> None:
    open_corner(reader, stains, 0.5)
    with reader.page.expect_response(lambda answer: "/thumbnail?" in answer.url) as said:
        reader.page.get_by_role("switch", name="Show DAPI (Blue)").click()
    assert parse_qs(urlsplit(said.value.url).query)["c"] == ["1,2"]
    assert said.value.status == 200


def test_without_histograms_the_server_puts_channels_together(site, reader, stains: str) -> None:
    reader.expect_problem("status of 503")
    problem = {"status": 503, "code": "busy", "detail": "Not now."}
    reader.page.route("**/histograms", lambda route: route.fulfill(status=503, json=problem))
    tiles: list[str] = []
    reader.page.on("request", lambda request: "_files/" in request.url and tiles.append(request.url))
    open_corner(reader, stains, 0.5, c="0:ff0000,1")
    note = reader.page.get_by_text("The histograms could not be loaded.")
    expect(note).to_be_visible()
    assert {parse_qs(urlsplit(url).query)["c"][0] for url in tiles} == {"0:ff0000,1"}
    assert {urlsplit(url).path.rpartition(".")[2] for url in tiles} == {"jpeg"}
    reader.page.unroute("**/histograms")
    reader.page.get_by_role("button", name="Try again").click()
    expect(note).to_have_count(0)
    wait_for_picture(reader, expected(site, stains, 11, c="0:ff0000,1"), WIDTH, HEIGHT)


def test_a_finger_moves_the_window(site, open_reader, stains: str) -> None:
    reader = open_reader(**PHONE)
    reader.open(stains)
    reader.test_id("tool-toggle-panel").tap()
    reader.page.get_by_role("button", name="DAPI (Blue)", exact=True).tap()
    slider = reader.page.get_by_label("DAPI (Blue): full colour at")
    box = slider.bounding_box()
    assert box is not None
    assert box["height"] >= 24
    devtools = reader.context.new_cdp_session(reader.page)
    x, y = box["x"] + box["width"] - 13, box["y"] + box["height"] / 2
    for kind, at in (("Start", x), ("Move", x - 40), ("Move", x - 120)):
        devtools.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": [{"x": at, "y": y}]})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    # the thumb's middle goes from one end to the other of what the slider leaves of its width
    moved = 120 / (box["width"] - 26) * 255
    assert abs(255 - float(slider.input_value()) - moved) < 8
    expect(reader.page.get_by_label("DAPI (Blue): black at")).to_have_value("0")


@pytest.mark.parametrize("options", [DESK, PHONE], ids=["desk", "phone"])
def test_the_panel_breaks_no_rule_of_axe(site, open_reader, stack: str, options) -> None:
    if not AXE.is_file():
        pytest.fail("axe-core is missing: run `npm ci` in viewer/; see tests/README.md")
    reader = open_reader(**options)
    reader.open(stack)
    if reader.test_id("channel").count() == 0:
        reader.test_id("tool-toggle-panel").click()
    folded = reader.page.locator(".channel-name[aria-expanded=false]")
    while folded.count():
        folded.first.click()
    reader.page.get_by_role("switch", name="Show Channel 1").click()
    reader.page.evaluate(AXE.read_text())
    found = reader.page.evaluate("() => window.axe.run().then((report) => report.violations)")
    serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in serious] == []
    assert reader.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture(scope="module")
def field(site, sample_field, tmp_path_factory) -> str:
    """A picture in colour whose profile says that its red is blue and its blue is red, as no scanner's does."""
    path = tmp_path_factory.mktemp("field") / "field.png"
    Image.open(sample_field).crop((0, 0, 700, 600)).save(path, icc_profile=swapped_profile())
    return ingest(site, path)[0]


def swapped_profile() -> bytes:
    """The profile of sRGB in which red and blue name each other's numbers."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # behind the header of 128 bytes: how many tags there are, and for each its name, offset and size (ICC.1, 7.3)
    places = range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12)
    tags = {bytes(profile[at : at + 4]): at for at in places}
    for red, blue in ((tags[b"rXYZ"], tags[b"bXYZ"]), (tags[b"rTRC"], tags[b"bTRC"])):
        one, other = profile[red + 4 : red + 12], profile[blue + 4 : blue + 12]
        profile[red + 4 : red + 12], profile[blue + 4 : blue + 12] = other, one
    return bytes(profile)


def test_the_scanners_own_values_are_a_press_away(site, reader, field: str) -> None:
    assert site.get(f"/api/slides/{field}").json()["color"]["converted"]
    region = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "format": "npy"}
    stored = np.load(BytesIO(site.get(f"/api/slides/{field}/region", **region, color="source").content))

    def wait_for(wanted) -> None:
        # tiles are JPEG and lose a little; with red and blue exchanged the difference is tens
        wait_for_picture(reader, wanted, WIDTH, HEIGHT, np.mean, 2.5)

    def choose(name: str) -> Locator:
        reader.page.get_by_role("tab", name="Display").click()
        return reader.page.get_by_role("group", name="Colours").get_by_role("button", name=name)

    assert np.abs(stored.astype(int) - stored[..., ::-1]).mean() > 10
    open_corner(reader, field, 1)
    wait_for(stored[..., ::-1])
    choose("own values").click()
    wait_for(stored)
    expect(reader.page).to_have_url(re.compile("color=source"))
    reader.page.reload()
    reader.wait_ready()
    wait_for(stored)
    expect(choose("own values")).to_have_attribute("aria-pressed", "true")
    choose("sRGB").click()
    wait_for(stored[..., ::-1])
    expect(reader.page).not_to_have_url(re.compile("color="))


def test_without_a_worker_the_server_puts_channels_together(site, reader, stains: str) -> None:
    reader.expect_problem("status of 404")
    reader.page.route("**/tile-worker-*", lambda route: route.fulfill(status=404))
    open_corner(reader, stains, 0.5, c="0:ff0000,1")
    # tiles of the server are JPEG here, so only about the same
    wait_for_picture(reader, expected(site, stains, 11, c="0:ff0000,1"), WIDTH, HEIGHT, np.mean, 1.5)
    assert screen(reader, WIDTH, HEIGHT).max() > 100


def test_an_address_that_asks_for_more_than_there_is_says_so(open_reader, stack) -> None:
    reader = open_reader(**DESK)
    reader.open(stack, plane="9", c="0")
    expect(reader.page.get_by_role("status").filter(has_text="that this slide does not have")).to_be_visible()
    reader.open(stack, plane="4", c="0")
    expect(reader.page.get_by_text("that this slide does not have")).to_have_count(0)
