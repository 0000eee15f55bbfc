"""How long nobody is answered while files of annotations come in and go out: gaps of a real server's event loop.

``python -m benchmarks.event_loop SLIDE``: cells out of the real nuclei of the sample field are written and read in
every format over HTTP, each by a server of its own. Meanwhile one client asks for ``/healthz`` again and again. A gap
is one of its waits, or the processor time of the server's process within it where that is less, so that other load of
the machine counts less. It still counts: where cores are rare, the thread that answers waits for one while another
works.
"""

import argparse
import http.client
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks import make_cells
from benchmarks.measure import machine, table, write_json
from benchmarks.servers import ingest, make_token, serve_pathserve
from pathserve.formats.registry import FORMATS

MOST_MS = 50.0
"""What a gap should stay below."""

_PAUSE = 0.002
_SECONDS = 600.0
_SETTLING, _QUIET = 1.0, 0.02
_BLOCK = 1 << 20
_OPTIONS = {"label-mask": ["kind=instance"], "camelyon": ["positive=inflammatory"], "ndpa": ["offset=0,0"]}
"""What a format has to be told: what of a million cells its file can hold, and what it does not say itself."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """What one request did to others.

    Parameters
    ----------
    status, seconds, cpu_s
        Its answer, how long it took, and the processor time of the server's process.
    asked
        How often ``/healthz`` was asked meanwhile.
    longest_ms
        The longest wait for it.
    worst_ms
        The worst gap: the most of a wait that can have been the server's own work.
    created
        How many annotations came in.
    """

    what: str
    status: int
    seconds: float
    cpu_s: float
    asked: int
    longest_ms: float
    worst_ms: float
    created: int | None

    def row(self) -> list[str]:
        """Write it for the table."""
        figures = f"{self.longest_ms:.0f}", f"{self.worst_ms:.0f}{' !' if self.worst_ms > MOST_MS else ''}"
        came = "" if self.created is None else f"{self.created:,}"
        return [
            self.what,
            str(self.status),
            came,
            f"{self.seconds:.1f}",
            f"{self.cpu_s:.1f}",
            str(self.asked),
            *figures,
        ]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    pid: int
    port: int
    token: str
    slide: str

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)

    def cpu_seconds(self) -> float:
        """Give the processor time of its process so far, in nanoseconds' steps."""
        return time.clock_gettime((~self.pid << 3) | 2)  # what clock_getcpuclockid(3) gives on Linux

    def settle(self) -> None:
        """Wait until it has loaded what it loads beside the first answers."""
        used = -1.0
        while self.cpu_seconds() - used > _QUIET * _SETTLING:
            used = self.cpu_seconds()
            time.sleep(_SETTLING)

    def measure(self, what: str, request: Callable[[], tuple[int, int | None]]) -> Gaps:
        """Make a request while another client asks for ``/healthz``."""
        waits, done = list[tuple[float, float]](), threading.Event()
        watch = threading.Thread(target=self._watch, args=(waits, done))
        watch.start()
        start, cpu = time.perf_counter(), self.cpu_seconds()
        try:
            status, created = request()
        finally:
            seconds, cpu = time.perf_counter() - start, self.cpu_seconds() - cpu
            done.set()
            watch.join()
        longest, worst = max(wait for wait, _ in waits), max(map(min, waits))
        return Gaps(what, status, seconds, cpu, len(waits), 1000 * longest, 1000 * worst, created)

    def _watch(self, waits: list[tuple[float, float]], done: threading.Event) -> None:
        connection = self.connect()
        while not done.is_set():
            start, cpu = time.perf_counter(), self.cpu_seconds()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            waits.append((time.perf_counter() - start, self.cpu_seconds() - cpu))
            time.sleep(_PAUSE)
        connection.close()

    def take_out(self, form: str, file: Path) -> tuple[int, None]:
        """Write an export to a file; gives the status."""
        answer = self._send("GET", f"/export?format={form}{_told(form)}")
        with file.open("wb") as out:
            while block := answer.read(_BLOCK):
                out.write(block)
        return answer.status, None

    def bring_in(self, form: str, file: Path) -> tuple[int, int | None]:
        """Import a file; gives the status, and how many annotations came."""
        path = f"/import?format={form}&layer=benchmark{_told(form)}"
        return self._finished("POST", path, file, "application/octet-stream")

    def post(self, file: Path) -> tuple[int, int | None]:
        """Post the annotations of a GeoJSON file; gives the status, and how many came."""
        return self._finished("POST", "?layer=benchmark", file, "application/geo+json")

    def _finished(self, method: str, path: str, file: Path, kind: str) -> tuple[int, int | None]:
        answer = self._send(method, path, file, kind)
        said = orjson.loads(answer.read())
        created = said.get("created")
        return answer.status, len(created) if isinstance(created, list) else created

    def _send(self, method: str, path: str, file: Path | None = None, kind: str = "") -> http.client.HTTPResponse:
        connection = self.connect()
        headers = {"Authorization": f"Bearer {self.token}"}
        if file is None:
            connection.request(method, f"/api/slides/{self.slide}/annotations{path}", headers=headers)
        else:
            headers |= {"Content-Type": kind, "Content-Length": str(file.stat().st_size)}
            with file.open("rb") as body:
                connection.request(method, f"/api/slides/{self.slide}/annotations{path}", body, headers)
        return connection.getresponse()


def _told(form: str) -> str:
    return "".join(f"&option={option}" for option in _OPTIONS.get(form, []))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the run keeps its things: an ingested slide without annotations is copied for each server."""

    scratch: Path
    empty: Path
    slide: str
    token: str
    port: int

    @contextmanager
    def serve(self) -> Iterator[Server]:
        """Run a server on a new copy."""
        data = self.scratch / "data"
        shutil.copytree(self.empty, data)
        try:
            with serve_pathserve(data, self.port) as pid:
                server = Server(pid, self.port, self.token, self.slide)
                server.settle()
                yield server
        finally:
            shutil.rmtree(data)


def measure(place: Place, cells: Path, only: list[str]) -> Iterator[Gaps]:
    """Post and import the cells, export them in every format, and import each file where nothing is."""
    with place.serve() as server:
        yield server.measure("POST", lambda: server.post(cells))
    forms = [form for form in FORMATS if form.write is not None and (not only or form.name in only)]
    for form in forms:
        file = place.scratch / f"cells{form.endings[0]}"
        with place.serve() as server:
            if server.bring_in("geojson", cells)[0] != 201:
                raise RuntimeError("The cells were not imported.")
            out = server.measure(f"export {form.name}", lambda: server.take_out(form.name, file))  # noqa: B023 - called now
        yield out
        if out.status == 200 and form.read is not None:
            with place.serve() as server:
                yield server.measure(f"import {form.name}", lambda: server.bring_in(form.name, file))  # noqa: B023 - as above
        file.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure for how long a server answers nobody.")
    parser.add_argument("slide", type=Path, help="a scan that is larger than the cells' square")
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--only", nargs="*", default=[], help="names of formats")
    parser.add_argument("--port", type=int, default=8972)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before, found = machine(), list[Gaps]()
    # Else servers compile machine code beside the first imports, which is another figure.
    subprocess.run([sys.executable, "-m", "pathserve.server.kernels"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        cells, empty = scratch / "made.geojson", scratch / "empty"
        make_cells.write(cells, make_cells.made(options.cells))
        slide = ingest(options.slide, empty)
        place = Place(scratch, empty, slide, make_token(empty, role="annotator"), options.port)
        for gaps in measure(place, cells, options.only):
            print("  ".join(gaps.row()), flush=True)
            found.append(gaps)
    header = ["request", "status", "created", "wall s", "CPU s", "asked", "longest wait ms", "worst gap, CPU ms"]
    print("\n" + table(header, [gaps.row() for gaps in found]))
    if options.json is not None:
        write_json(options.json, machine=before, results=found)


if __name__ == "__main__":
    main()
