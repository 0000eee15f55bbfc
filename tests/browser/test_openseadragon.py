"""OpenSeadragon on a page of another origin, with a token: every pixel of the slide where it belongs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openslide
import pytest
from PIL import Image
from playwright.sync_api import Browser, Error, Page

pytestmark = pytest.mark.browser

LIBRARY = Path(__file__).parents[2] / "viewer/node_modules/openseadragon/build/openseadragon/openseadragon.min.js"
WIDTH, HEIGHT, TILE, LAST_LEVEL = 2220, 2967, 240, 12
BACKGROUND = (1, 2, 3)
# By how many times smaller than the slide: corners, edges and the middle.
PLACES = {
    1: [(0, 0), (830, 1270), (WIDTH - 560, HEIGHT - 420), (WIDTH - 300, 1001), (777, HEIGHT - 200)],
    2: [(0, 0), (1110 - 500, 1484 - 400)],
    4: [(0, 0), (0, 742 - 400)],
    16: [(0, 0)],
}
SOURCES = ["/dzi/{}.dzi", "/iiif/3/{}/info.json", "/iiif/2/{}/info.json"]

PAGE = """<!doctype html><title>another site</title><script src="openseadragon.js"></script>
<style>html, body, #viewer { margin: 0; width: 100%; height: 100%; background: rgb(1, 2, 3) }</style>
<div id="viewer"></div>"""

# Puts pixel (x, y) of a level into the top-left corner of the page, two screen pixels for each of the level, and
# resolves when all tiles are drawn. `minPixelRatio` below keeps OpenSeadragon from going on to the next finer level.
SHOW = """([x, y, factor]) => new Promise((resolve) => {
  const { viewport, world } = window.viewer
  const [width, height] = [(innerWidth * factor) / 2, (innerHeight * factor) / 2]
  viewport.fitBounds(viewport.imageToViewportRectangle(x * factor, y * factor, width, height), true)
  const look = () => {
    if (world.getItemAt(0).getFullyLoaded() && !world.needsDraw()) requestAnimationFrame(() => resolve(null))
    else setTimeout(look, 20)
  }
  setTimeout(look, 100)
})"""
OPEN = """([source, token]) => new Promise((resolve, reject) => {
  window.viewer = OpenSeadragon({
    id: 'viewer',
    tileSources: source,
    drawer: 'canvas',
    loadTilesWithAjax: true,
    ajaxHeaders: { Authorization: `Bearer ${token}` },
    showNavigationControl: false,
    immediateRender: true,
    imageSmoothingEnabled: false,
    minPixelRatio: 1.5,
    blendTime: 0,
    maxImageCacheCount: 500,
    imageLoaderLimit: 6,
    visibilityRatio: 0,
    minZoomLevel: 0.01,
    maxZoomPixelRatio: 4,
    minZoomImageRatio: 0.01,
  })
  window.viewer.addHandler('open', () => resolve(null))
  window.viewer.addHandler('open-failed', (event) => reject(new Error(event.message)))
})"""


def another_site() -> type[BaseHTTPRequestHandler]:
    """Give what serves the page and the library from an origin of their own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = self.path == "/openseadragon.js"
            body = LIBRARY.read_bytes() if script else PAGE.encode()
            self.send_response_only(200)
            self.send_header("Content-Type", "text/javascript" if script else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@dataclass
class Guest:
    """Somebody who looks at a slide with OpenSeadragon on another site."""

    page: Page
    problems: list[str] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)

    def show(self, x: int, y: int, width: int, height: int, factor: int) -> npt.NDArray[np.uint8]:
        """Give pixels of the level that is so many times smaller than the slide, from (x, y), as (h, w, 3).

        Where tiles have no overlap, OpenSeadragon draws each one screen pixel wider and higher than it is, so that no
        seam shows. At two screen pixels for each of the level, that moves none of them off the second of its two.
        """
        screen = [2 * width + 2, 2 * height + 2]  # the last row and column of its canvas can be left out
        self.page.set_viewport_size({"width": screen[0], "height": screen[1]})
        self.page.wait_for_function(
            "([w, h]) => { const s = window.viewer.viewport.getContainerSize(); return s.x === w && s.y === h }",
            arg=screen,
        )
        self.page.evaluate(SHOW, [x, y, factor])
        picture = Image.open(BytesIO(self.page.screenshot())).convert("RGB")
        return np.asarray(picture)[1::2, 1::2][:height, :width]


OpenGuest = Callable[..., Guest]


@pytest.fixture
def guest(site, browser: Browser, serving) -> Iterator[OpenGuest]:
    with serving(another_site()) as host:
        origin = f"http://{host}/"
        context = browser.new_context(viewport={"width": 800, "height": 600})
        page = context.new_page()
        found = Guest(page)
        page.on("pageerror", lambda error: found.problems.append(str(error)))
        page.on("console", lambda said: found.problems.append(said.text) if said.type == "error" else None)
        page.on("response", lambda answer: found.answers.append((answer.url, answer.status)))

        def open_source(source: str, token: str = site.token) -> Guest:
            page.goto(origin)
            page.evaluate(OPEN, [f"{site.address}{source}", token])
            return found

        yield open_source
        context.close()


@pytest.fixture(scope="module")
def level(site) -> Callable[[int], npt.NDArray[np.uint8]]:
    """Give all pixels of a level, put together of its Deep Zoom tiles as Pillow decodes them."""
    known: dict[int, npt.NDArray[np.uint8]] = {}

    def whole(factor: int) -> npt.NDArray[np.uint8]:
        if factor not in known:
            size = -(-HEIGHT // factor), -(-WIDTH // factor)
            pixels = np.zeros((*size, 3), np.uint8)
            number = LAST_LEVEL + 1 - factor.bit_length()
            for row in range(-(-size[0] // TILE)):
                for col in range(-(-size[1] // TILE)):
                    body = site.get(f"/dzi/{site.slide}_files/{number}/{col}_{row}.jpeg").content
                    tile = np.asarray(Image.open(BytesIO(body)).convert("RGB"))
                    y, x = row * TILE, col * TILE
                    pixels[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
            known[factor] = pixels
        return known[factor]

    return whole


def test_level_0_is_what_openslide_reads(level, sample_slide) -> None:
    with openslide.OpenSlide(sample_slide) as slide:
        truth = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
    whole = slice(HEIGHT // TILE * TILE), slice(WIDTH // TILE * TILE)
    assert np.array_equal(level(1)[whole], truth[whole])
    assert np.abs(level(1).astype(int) - truth).mean() < 1  # at the edges tiles were cut and encoded again


@pytest.mark.parametrize("source", SOURCES)
def test_every_pixel_is_drawn_in_place(site, guest: OpenGuest, level, source: str) -> None:
    viewer = guest(source.format(site.slide))
    for factor, places in PLACES.items():
        expected = level(factor)
        for x, y in places:
            seen = viewer.show(x, y, 560, 420, factor)
            there = expected[y : y + 420, x : x + 560]
            difference = np.abs(seen[: there.shape[0], : there.shape[1]].astype(int) - there)
            assert difference.max() <= 2, (factor, x, y)  # two decoders may round differently
            # OpenSeadragon's one pixel more, then nothing.
            assert (seen[there.shape[0] + 1 :] == BACKGROUND).all(), (factor, x, y)
            assert (seen[:, there.shape[1] + 1 :] == BACKGROUND).all(), (factor, x, y)
    assert viewer.problems == []
    assert {status for _, status in viewer.answers} <= {200, 204}


def test_without_a_token_another_site_sees_nothing(site, guest: OpenGuest) -> None:
    with pytest.raises(Error, match="401"):
        guest(SOURCES[1].format(site.slide), token="wrong")  # noqa: S106 - meant to be none
