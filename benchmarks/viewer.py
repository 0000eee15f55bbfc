"""What a reader waits for and what moving costs: the first full view of a slide, and panning at full resolution.

With ``--cells FILE`` (as `benchmarks.make_cells` makes it) the slide gets these objects through `pathserve annotations
import` first, and a third case pans at every zoom, points at objects and selects them.

All in a real Chromium at 1440 x 900 without a graphics card, as in a remote desktop of a hospital. For every first
view server and browser are started anew, so no cache of theirs holds anything; the disk's own may.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks.measure import Figures, interleave, machine, spreads, table, write_json
from benchmarks.servers import ingest, pathserve, serve_pathserve

_SCREEN = (1440, 900)
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_MOST_VIEW_MS, _MOST_FRAME_MS = 1000.0, 6.0
_MOST_CELLS_FRAME_MS, _MOST_PICK_MS = 10.0, 20.0
_FRAMES, _STEP = 240, 6
_ZOOMS = (4.0, 1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)
_PICKS = 100
_WAIT_MS = 30_000
_REST_MS = 1500

# Drags the slide by a step in every frame, as a mouse does: to and fro, so that new tiles come in and far out no edge
# of the slide stops it.
_PAN = """async ([frames, step]) => {
  const target = document.querySelector('.ol-viewport')
  const box = target.getBoundingClientRect()
  const centre = [Math.round(box.left + box.width / 2), Math.round(box.top + box.height / 2)]
  const send = (type, x, y) => target.dispatchEvent(new PointerEvent(type, {
    bubbles: true, cancelable: true, pointerId: 1, pointerType: 'mouse', isPrimary: true, button: type === 'pointermove'
      ? -1 : 0, buttons: type === 'pointerup' ? 0 : 1, clientX: x, clientY: y,
  }))
  const frame = () => new Promise(requestAnimationFrame)
  const state = () => window.pathserve.view.state()
  const moveTo = (type, n) => send(type, centre[0] - n * step, centre[1] - Math.round(n * step / 3))
  const before = state()
  const half = frames / 2
  send('pointerdown', ...centre)
  const times = []
  let moved = 0
  for (let n = 1; n <= frames; n++) {
    times.push(await frame())
    if (n === half + 1) moved = Math.hypot(state().x - before.x, state().y - before.y)
    moveTo('pointermove', half - Math.abs(half - n))
  }
  moveTo('pointerup', 0)
  await frame()
  return { moved, seconds: (times.at(-1) - times[0]) / 1000 }
}"""

# Moves the pointer to random places one after the other, and gives the milliseconds until each was looked at, as the
# median and the slowest but one in twenty.
_POINT = """async (count) => {
  const target = document.querySelector('.ol-viewport')
  const box = target.getBoundingClientRect()
  const state = () => window.pathserve.view.state()
  const turn = () => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = resolve
    port2.postMessage(0)
  })
  const send = (type, x, y, buttons) => target.dispatchEvent(new PointerEvent(type, {
    bubbles: true, cancelable: true, pointerId: 1, pointerType: 'mouse', isPrimary: true, button: type === 'pointermove'
      ? -1 : 0, buttons, clientX: x, clientY: y,
  }))
  const until = async (done, start) => {
    while (!done() && performance.now() - start < 5000) await turn()
    return performance.now() - start
  }
  const [hovers, selects] = [[], []]
  let last = null
  for (let n = 0; n < count; n++) {
    const x = Math.round(box.left + 90 + Math.random() * (box.width - 180))
    const y = Math.round(box.top + 90 + Math.random() * (box.height - 180))
    const { looks } = state()
    const moved = performance.now()
    send('pointermove', x, y, 0)
    hovers.push(await until(() => state().looks > looks, moved))
    const { hover, selected } = state()
    if (hover === null || hover === last) continue
    last = hover
    const pressed = performance.now()
    send('pointerdown', x, y, 1)
    send('pointerup', x, y, 0)
    selects.push(await until(() => ![selected, null].includes(state().selected), pressed))
    // Two clicks that come close together would zoom.
    await new Promise((resolve) => setTimeout(resolve, 400))
  }
  const rank = (list, share) => list.sort((a, b) => a - b)[Math.floor((list.length - 1) * share)] ?? 0
  return {
    hover: rank(hovers, 0.5), 'hover, 95 %': rank(hovers, 0.95),
    select: rank(selects, 0.5), 'select, 95 %': rank(selects, 0.95), selected: selects.length,
  }
}"""

# When the first view stood there with all its tiles and annotations, and what had been asked for until then.
_LOADED = """async () => {
  await window.pathserve.ready
  const [shown] = performance.getEntriesByName('pathserve-first-view')
  const parts = performance.getEntriesByType('resource').filter((part) => part.startTime < shown.startTime)
  const [page] = performance.getEntriesByType('navigation')
  const sum = (list, of) => list.reduce((total, part) => total + of(part), 0)
  const tiles = parts.filter((part) => part.name.includes('_files/'))
  const scripts = parts.filter((part) => /\\.(js|css)$/.test(part.name))
  return {
    view: shown.startTime,
    page: page.responseEnd,
    scripts: Math.max(0, ...scripts.map((part) => part.responseEnd)),
    'first tile': Math.min(...tiles.map((part) => part.startTime)),
    'last tile': Math.max(...tiles.map((part) => part.responseEnd)),
    tiles: tiles.length,
    'script bytes': sum(scripts, (part) => part.encodedBodySize),
    waterfall: parts.map((part) => [part.name, part.startTime, part.responseStart, part.responseEnd]),
  }
}"""


@contextmanager
def _page(address: str, token: str) -> Iterator[Page]:
    """Open an empty page of a new browser that is signed in."""
    executable = shutil.which("chromium")
    if executable is None:
        raise RuntimeError("This benchmark needs Chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_FLAGS))
        context = browser.new_context(viewport={"width": _SCREEN[0], "height": _SCREEN[1]})
        context.request.post(f"{address}/sign-in", data={"code": token})
        yield context.new_page()
        browser.close()


class Bench:
    """Runs the cases on one slide of a data folder."""

    def __init__(self, data: Path, slide: str, port: int, *, show: bool) -> None:
        self.data, self.slide, self.port, self.show = data, slide, port, show
        self.address = f"http://127.0.0.1:{port}"

    @contextmanager
    def reader(self) -> Iterator[Page]:
        """Start server and browser, both with nothing in memory."""
        link = pathserve("user", "link", "benchmark", "--data", self.data).strip()
        with serve_pathserve(self.data, self.port), _page(self.address, link.rpartition("#")[2]) as page:
            yield page

    def first_view(self) -> Figures:
        """Open the slide and give milliseconds until all of its first view is drawn."""
        with self.reader() as page:
            found = self._open(page, "")
            if self.show:
                _print_waterfall(found)
        return {name: float(value) for name, value in found.items() if name != "waterfall"}

    def pan(self) -> Figures:
        """Drag the slide about at full resolution and give the main thread's CPU time for each frame."""
        with self.reader() as page:
            self._open(page, "?x=12000&y=9000&z=1")
            return self._panned(page, _FRAMES, zoom=1)

    def cells(self) -> Figures:
        """Drag the slide about at every zoom, point at objects and select them; figures carry the zoom's name."""
        figures: Figures = {}
        with self.reader() as page:
            for zoom in _ZOOMS:
                self._open(page, f"?x=12000&y=9000&z={zoom}")
                page.evaluate("async () => { await window.pathserve.ready }")
                found = self._panned(page, _FRAMES // 2, zoom=zoom)
                page.wait_for_timeout(_REST_MS)
                found |= dict(page.evaluate(_POINT, _PICKS))
                figures |= {f"{name} at {zoom:g}": float(value) for name, value in found.items()}
        return figures

    def _panned(self, page: Page, frames: int, *, zoom: float) -> Figures:
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")

        def metric(name: str) -> float:
            metrics = devtools.send("Performance.getMetrics")["metrics"]
            return float(next(each["value"] for each in metrics if each["name"] == name))

        page.evaluate(_PAN, [30, _STEP])
        # A stream of events stays open, so there is no idle network to wait for.
        page.wait_for_timeout(_REST_MS)
        before = metric("ThreadTime")
        moved = page.evaluate(_PAN, [frames, _STEP])
        took = metric("ThreadTime") - before
        if moved["moved"] * zoom < frames / 2 * _STEP * 0.9:
            raise RuntimeError(f"At zoom {zoom:g} the slide was not moved.")
        return {"frame": took / frames * 1000, "frames a second": (frames - 1) / moved["seconds"]}

    def _open(self, page: Page, query: str) -> dict[str, Any]:
        page.goto(f"{self.address}/slides/{self.slide}{query}", wait_until="commit")
        page.wait_for_function("() => 'pathserve' in window", timeout=_WAIT_MS)
        return dict(page.evaluate(_LOADED))


def _print_waterfall(found: dict[str, Any]) -> None:
    for name, start, first, end in sorted(found["waterfall"], key=lambda part: part[1]):
        place = name.partition("://")[2].partition("/")[2].partition("?")[0]
        print(f"{start:8.0f} {first:8.0f} {end:8.0f}  /{place}", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", type=Path, help="a scan, such as `benchmarks.make_slide --reduced` makes it")
    parser.add_argument("--data", type=Path, help="a data folder to use and keep")
    parser.add_argument("--cells", type=Path, help="objects to import and look at too, such as `make_cells` makes them")
    parser.add_argument("--scale", type=float, default=1.0, help="by which the objects are shrunk to lie on the slide")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--port", type=int, default=8960)
    parser.add_argument("--waterfall", action="store_true", help="print when each part was asked for and came")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _run(given: argparse.Namespace, data: Path) -> None:
    slide = ingest(given.slide, data)
    users = subprocess.run(
        [sys.executable, "-m", "pathserve", "user", "add", "benchmark", "--role", "viewer", "--data", str(data)],
        capture_output=True,
        check=False,
    )
    if users.returncode not in (0, 1):
        raise RuntimeError("The reader's account could not be made.")
    bench = Bench(data, slide, given.port, show=given.waterfall)
    cases = {"first view": bench.first_view, "pan": bench.pan}
    if given.cells is not None:
        affine = f"{given.scale},0,0,0,{given.scale},0"
        options = ("--layer", "cells", "--affine", affine, "--data", data)
        pathserve("annotations", "import", slide, given.cells, *options)
        cases["cells"] = bench.cells
    runs = interleave(cases, rounds=given.rounds)
    views = {name: spreads({"": runs["first view"]}, name)[""] for name in runs["first view"][0]}
    pans = {name: spreads({"": runs["pan"]}, name)[""] for name in runs["pan"][0]}
    rows = [[name, spread.text("{:,.0f}"), ""] for name, spread in views.items()]
    rows += [["CPU of the main thread, ms a frame", pans["frame"].text("{:,.2f}"), f"{_MOST_FRAME_MS:.0f}"]]
    rows += [["frames a second", pans["frames a second"].text(), ""]]
    rows[0] = ["first view, ms", rows[0][1], f"{_MOST_VIEW_MS:,.0f}"]
    cells = {name: spreads({"": runs["cells"]}, name)[""] for name in runs["cells"][0]} if "cells" in runs else {}
    rows += [[f"cells: {name}", spread.text("{:,.2f}"), _most(name)] for name, spread in cells.items()]
    print(table(["", "median (least-most)", "at most"], rows))
    if given.json is not None:
        write_json(given.json, machine=machine(), first_view=views, pan=pans, cells=cells)


def _most(name: str) -> str:
    """Give the limit of a figure with cells; the slowest have none."""
    if name.startswith("frame at"):
        return f"{_MOST_CELLS_FRAME_MS:.0f}"
    return f"{_MOST_PICK_MS:.0f}" if name.startswith(("hover at", "select at")) else ""


def main() -> None:
    """Run from the command line."""
    given = _arguments()
    if given.data is not None:
        _run(given, given.data)
        return
    with tempfile.TemporaryDirectory() as folder:
        _run(given, Path(folder))


if __name__ == "__main__":
    main()
