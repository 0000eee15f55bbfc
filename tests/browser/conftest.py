"""A real server in a process of its own, and readers who use it through a real Chromium."""

import cmath
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from pathserve.access import Role
from pathserve.config import Settings
from pathserve.server.services import Services

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# No test is a matter of time: a browser on a busy machine gets as long as it takes.
expect.set_options(timeout=30_000)
READY = '[data-testid="slide-canvas"][data-ready="true"]'

# Resolves when the view has not moved for this many frames, so that no animation is under way.
SETTLED = """() => new Promise((resolve) => {
  let [last, still] = ['', 0]
  const look = () => {
    const { x, y, zoom, rotation, width, height } = window.pathserve.view.state()
    const now = [x, y, zoom, rotation, width, height].join()
    still = now === last ? still + 1 : 0
    last = now
    if (still < 6) requestAnimationFrame(look)
    else resolve()
  }
  look()
})"""


@dataclass
class Site:
    """A running `pathserve demo` with both samples in its own data folder."""

    data: Path
    token: str
    port: int = 0
    link: str = ""
    process: subprocess.Popen[str] | None = None
    client: httpx2.Client = field(init=False)
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def slide(self) -> str:
        """CMU-1-Small-Region, without annotations."""
        return self.ids["CMU-1 small region, H&E"]

    @property
    def field(self) -> str:
        """hgsc_nest with its 1,295 nuclei."""
        return self.ids["HGSC nest with 1,295 nuclei, H&E"]

    def start(self) -> None:
        words = [sys.executable, "-m", "pathserve", "demo", "--data", str(self.data), "--port", str(self.port)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        said = ""
        while "Sign in" not in said:
            line = self.process.stdout.readline()
            assert line, f"the server ended: {said}"
            said += line
        (port,) = re.findall(r"PathServe is at http://127\.0\.0\.1:(\d+)", said)
        (self.link,) = re.findall(r"with: (\S+)", said)
        self.port = int(port)
        headers = {"authorization": f"Bearer {self.token}"}
        self.client = httpx2.Client(base_url=self.address, headers=headers, timeout=30)
        self.ids = {slide["name"]: slide["id"] for slide in self.get("/api/slides").json()["items"]}

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        if self.process is None:
            return
        self.client.close()
        self.process.send_signal(how)
        assert self.process.wait(timeout=30) == (0 if how == signal.SIGINT else -how)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None

    def request(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """Ask as a program with an administrator's token."""
        answer = self.client.request(method, path, **more)
        assert answer.status_code < 400, answer.text
        return answer

    def get(self, path: str, **params: Any) -> httpx2.Response:
        return self.request("GET", path, params=params)

    def annotations(self, **params: Any) -> list[dict[str, Any]]:
        """All annotations of the slide, as anybody gets them over HTTP."""
        found = self.get(f"/api/slides/{self.slide}/annotations", limit=10_000, **params).json()
        assert found["next"] is None
        return list(found["features"])

    def on_field(self) -> dict[str, dict[str, Any]]:
        """All annotations of the slide with nuclei, by id."""
        found = self.get(f"/api/slides/{self.field}/annotations", limit=10_000).json()
        assert found["next"] is None
        return {feature["id"]: feature for feature in found["features"]}

    def only(self) -> dict[str, Any]:
        """The one annotation of the slide."""
        (feature,) = self.annotations()
        return feature

    def add(self, coordinates: list[Any], class_name: str = "Tumour", **properties: Any) -> dict[str, Any]:
        """Add a polygon to the slide and give it as the server holds it."""
        feature = {
            "type": "Feature",
            "id": str(uuid4()),
            "geometry": {"type": "Polygon", "coordinates": coordinates},
            "properties": {"classification": {"name": class_name, "color": [200, 30, 30]}, **properties},
        }
        self.request("POST", f"/api/slides/{self.slide}/annotations", params={"layer": "given"}, json=feature)
        return dict(self.get(f"/api/annotations/{feature['id']}").json())

    def change(self, feature: dict[str, Any]) -> int:
        """Put a feature in place of its current version, as another client does; give the new revision."""
        path = f"/api/annotations/{feature['id']}"
        tag = self.get(path).headers["etag"]
        answer = self.request("PUT", path, json=feature, headers={"if-match": tag})
        return int(answer.headers["etag"].strip('"r'))

    def clear(self) -> None:
        """Leave the slide without annotations for the next test."""
        for feature in self.annotations():
            path = f"/api/annotations/{feature['id']}"
            self.request("DELETE", path, headers={"if-match": self.get(path).headers["etag"]})

    def sign_in_code(self, name: str) -> str:
        with closing(Services.open(Settings(data=self.data))) as services:
            return services.accounts.make_link(name).code

    def add_account(self, role: str) -> str:
        name = f"{role} {uuid4().hex[:8]}"
        with closing(Services.open(Settings(data=self.data))) as services:
            services.accounts.add(name, Role(role))
        return name


class Reader:
    """One person at one browser: opens slides, points, presses keys, and never sees an error unless it is expected."""

    def __init__(self, site: Site, context: BrowserContext, account: str) -> None:
        self.site = site
        self.context = context
        self.account = account
        self.problems: list[str] = []
        self.expected: list[str] = []
        self.last_traffic = 0.0
        self.page = self.new_page()

    def new_page(self) -> Page:
        """Open another tab; from now on this reader works there."""
        self.page = self.context.new_page()
        self.page.on("request", self._note_traffic)
        self.page.on("requestfinished", self._note_traffic)
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        self.page.on(
            "console",
            lambda said: (
                self.problems.append(f"console: {said.text} {said.location.get('url', '')}")
                if said.type == "error"
                else None
            ),
        )
        return self.page

    def _note_traffic(self, _: Request) -> None:
        self.last_traffic = time.monotonic()

    def wait_quiet(self) -> None:
        """Wait until nothing has been asked for or answered for half a second; streams of events stay open."""
        while (left := self.last_traffic + 0.5 - time.monotonic()) > 0:
            self.page.wait_for_timeout(left * 1000)

    def _listen(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.problems.append(f"console: {said.text}")

    def expect_problem(self, pattern: str) -> None:
        """Let this happen: the browser writes every refused or failed request into the console as an error."""
        self.expected.append(pattern)

    def unexpected(self) -> list[str]:
        return [text for text in self.problems if not any(re.search(pattern, text) for pattern in self.expected)]

    def sign_in(self) -> None:
        """Trade a new link's code for the context's cookie."""
        code = self.site.sign_in_code(self.account)
        answer = self.context.request.post(f"{self.site.address}/sign-in", data={"code": code})
        assert answer.status == 204

    def open(self, slide: str | None = None, **view: Any) -> None:
        """Open a slide (default: the one without annotations) at a view, and wait until it is on the screen."""
        query = f"?{urlencode(view)}" if view else ""
        self.page.goto(f"{self.site.address}/slides/{slide or self.site.slide}{query}")
        self.wait_ready()

    def wait_ready(self) -> None:
        expect(self.page.locator(READY)).to_be_visible(timeout=60_000)
        self.settle()

    def settle(self) -> None:
        self.page.evaluate(SETTLED)

    def moved_by(self, action: Callable[[], object]) -> None:
        """Do something that moves the view, and wait until it has come to rest somewhere else."""
        before = self.state()
        action()
        where = "[s.x, s.y, s.zoom, s.rotation].join()"
        js = f"(old) => {{ const place = (s) => {where}; return place(window.pathserve.view.state()) !== place(old) }}"
        self.page.wait_for_function(js, arg=before)
        self.settle()

    def state(self) -> dict[str, Any]:
        return dict(self.page.evaluate("() => window.pathserve.view.state()"))

    def wait_state(self, condition: str) -> None:
        """Wait for a condition (JavaScript) on the viewer's state ``s``."""
        self.page.wait_for_function(f"() => {{ const s = window.pathserve.view.state(); return {condition} }}")

    def test_id(self, name: str, **data: str) -> Locator:
        attributes = "".join(f'[data-{key}="{value}"]' for key, value in data.items())
        return self.page.locator(f'[data-testid="{name}"]{attributes}')

    def key(self, name: str) -> None:
        self.page.keyboard.press(name)

    # where things are, by plain arithmetic from the view's centre, zoom and rotation

    def _frame(self) -> tuple[complex, complex, complex]:
        state, box = self.state(), self.box()
        middle = complex(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        return middle, complex(state["x"], state["y"]), cmath.rect(state["zoom"], state["rotation"])

    def box(self) -> dict[str, float]:
        """The canvas on the page, in CSS pixels."""
        found = self.test_id("slide-canvas").bounding_box()
        assert found is not None
        return dict(found)

    def to_l0(self, points: list[tuple[float, float]]) -> list[list[float]]:
        """Level-0 points under points of the page; a clockwise turn is a positive angle because y points down."""
        middle, centre, turn = self._frame()
        found = [centre + (complex(*point) - middle) / turn for point in points]
        return [[z.real, z.imag] for z in found]

    def to_page(self, points: list[Any]) -> list[tuple[float, float]]:
        """Points of the page over level-0 points."""
        middle, centre, turn = self._frame()
        found = [middle + (complex(*point) - centre) * turn for point in points]
        return [(z.real, z.imag) for z in found]

    def around(self, *offsets: tuple[int, int]) -> list[tuple[int, int]]:
        """Whole page pixels at offsets from the middle of the canvas: a mouse has no fractions."""
        box = self.box()
        x, y = round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)
        return [(x + dx, y + dy) for dx, dy in offsets]

    # what a reader does

    def click(self, points: list[tuple[int, int]]) -> None:
        for x, y in points:
            self.page.mouse.click(x, y)

    def drag(self, points: list[tuple[int, int]], **button: Any) -> None:
        self.page.mouse.move(*points[0])
        self.page.mouse.down(**button)
        for x, y in points[1:]:
            self.page.mouse.move(x, y)
        self.page.mouse.up(**button)

    def drag_with_space(self, points: list[tuple[int, int]]) -> None:
        self.page.keyboard.down(" ")
        self.drag(points)
        self.page.keyboard.up(" ")

    def draw(self, points: list[tuple[int, int]]) -> list[list[float]]:
        """Draw a polygon by clicks and Enter; give its expected ring in level-0 pixels."""
        self.key("p")
        ring = self.to_l0([*points, points[0]])
        self.click(points)
        self.key("Enter")
        self.wait_state("s.draft === null && s.selection !== null")
        return ring

    def wait_chip(self, text: str) -> str:
        """Wait until the chip says this (a pattern); give all that it says."""
        chip = self.test_id("saved-chip")
        expect(chip).to_have_text(re.compile(text))
        return str(chip.text_content())

    def wait_saved(self) -> int:
        """Wait until everything is on the server; give the revision that the chip tells."""
        self.wait_state("s.save === 'saved' && s.waiting === 0")
        return int(self.wait_chip(r"^Saved · rev [\d,]+$").rsplit(" ", 1)[1].replace(",", ""))

    def picture(self, x: float, y: float, width: float, height: float) -> npt.NDArray[np.uint8]:
        """What is on the screen there, (h, w, 3) uint8, in the screen's own pixels."""
        shot = self.page.screenshot(clip={"x": x, "y": y, "width": width, "height": height})
        return np.asarray(Image.open(BytesIO(shot)).convert("RGB"))


OpenReader = Callable[..., Reader]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> tuple[Path, str]:
    """A data folder that `pathserve demo` has filled, and an administrator's token for it; tests work on copies."""
    site = Site(tmp_path_factory.mktemp("demo") / "data", token="")
    with closing(Services.open(Settings(data=site.data))) as services:
        site.token = services.accounts.create_token("tests", role=Role.ADMIN).secret
    site.start()
    site.stop()
    return site.data, site.token


@pytest.fixture(scope="module")
def site(prepared: tuple[Path, str], tmp_path_factory) -> Iterator[Site]:
    data, token = prepared
    copy = tmp_path_factory.mktemp("site") / "data"
    shutil.copytree(data, copy)
    running = Site(copy, token)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for one module: while Playwright runs, its event loop stands in the way of other tests' own."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.fail("the browser tests need Chromium; see tests/README.md")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def open_reader(site: Site, browser: Browser) -> Iterator[OpenReader]:
    """Make readers, each with a browser context and an account of their own; at the end none has seen an error."""
    readers: list[Reader] = []

    def make(role: str = "annotator", *, account: str | None = None, signed_in: bool = True, **options: Any) -> Reader:
        settings = {"viewport": {"width": 1280, "height": 800}, **options}
        context = browser.new_context(**settings)
        reader = Reader(site, context, account or site.add_account(role))
        readers.append(reader)
        if signed_in:
            reader.sign_in()
        return reader

    yield make
    for reader in readers:
        reader.context.close()
    if site.process is None:  # a test has failed while the server was down
        site.start()
    site.clear()
    assert [text for reader in readers for text in reader.unexpected()] == []


@pytest.fixture
def reader(open_reader: OpenReader) -> Reader:
    """An annotator at a screen of 1280 x 800 pixels."""
    return open_reader()


def _shown(feature: dict[str, Any]) -> tuple[Any, Any]:
    return feature["geometry"], feature["properties"]["classification"]["name"]


@pytest.fixture
def field_as_it_was(site: Site) -> Iterator[dict[str, dict[str, Any]]]:
    """Bring the slide with nuclei back to what it was after the test, deleted ones too; gives its features by id."""
    before = site.on_field()
    yield dict(before)
    for identity, feature in site.on_field().items():
        old = before.pop(identity, None)
        path = f"/api/annotations/{identity}"
        tag = {"if-match": f'"r{feature["properties"]["revision"]}"'}
        if old is None:
            site.request("DELETE", path, headers=tag)
        elif _shown(old) != _shown(feature):
            site.request("PUT", path, json=old, headers=tag)
    for identity, old in before.items():
        versions = site.get(f"/api/annotations/{identity}/revisions").json()["items"]
        newest = max(version["revision"] for version in versions)
        body = {"revision": old["properties"]["revision"]}
        site.request("POST", f"/api/annotations/{identity}/revert", json=body, headers={"if-match": f'"r{newest}"'})
