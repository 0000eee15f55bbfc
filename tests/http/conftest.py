"""The whole server in one process, on two real slides."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from starlette.testclient import TestClient

from pathserve.access import Role
from pathserve.catalog import make_slide_id
from pathserve.config import Settings
from pathserve.geometry import Mpp, Size
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.pixels import Level, SlideInfo
from pathserve.pyramid.layout import MANIFEST, level_folder
from pathserve.pyramid.storage import load_manifest
from pathserve.server.app import create_app
from pathserve.server.services import Services


@dataclass(frozen=True)
class Site:
    """A running server: a client without any sign-in, a token for each role, the ids of its two slides."""

    anonymous: TestClient
    services: Services
    tokens: dict[str, str]
    slide: str
    field: str

    def client(self, role: str = "admin") -> TestClient:
        """Give a client that sends the token of a role."""
        client = TestClient(self.anonymous.app, raise_server_exceptions=False, follow_redirects=False)
        client.headers["authorization"] = f"Bearer {self.tokens[role]}"
        return client


@pytest.fixture(scope="session")
def ingested(tmp_path_factory, sample_slide: Path, sample_field: Path) -> Path:
    """A data folder with both samples, ingested once; tests work on copies."""
    folder = tmp_path_factory.mktemp("ingested") / "data"
    services = Services.open(Settings(data=folder))
    for path, name in ((sample_slide, "slide"), (sample_field, "field")):
        ingest_scan(
            path,
            settings=services.settings,
            catalog=services.catalog,
            options=IngestOptions(name=name, workers=2, keep_label=name == "slide"),
            progress=lambda _: None,
        )
    services.close()
    return folder


@pytest.fixture
def site(ingested: Path, tmp_path: Path) -> Iterator[Site]:
    data = tmp_path / "data"
    shutil.copytree(ingested, data)
    app = create_app(Settings(data=data, max_body_bytes=2_000_000, max_features=5000, max_output_pixels=4_000_000))
    services: Services = app.state.services
    tokens = {role.value: services.accounts.create_token(role.value, role=role).secret for role in Role}
    by_name = {slide.name: slide.id for slide in services.catalog.slides()[0]}
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield Site(client, services, tokens, by_name["slide"], by_name["field"])


@pytest.fixture
def take_back_levels() -> Callable[[Path], None]:
    """Take a published slide, by its folder, back to where only its finest level is built."""

    def take(folder: Path) -> None:
        manifest = load_manifest(folder)
        levels = tuple(level for level in range(1, 20) if (folder / level_folder(level)).is_dir())
        assert levels
        reduced = tuple(f"{level_folder(level)}/" for level in levels)
        files = {path: record for path, record in manifest.files.items() if not path.startswith(reduced)}
        for level in levels:
            shutil.rmtree(folder / level_folder(level))
        (folder / MANIFEST).write_bytes(replace(manifest, files=files, missing_levels=levels).to_bytes())

    return take


@dataclass
class Served:
    """`pathserve serve` in processes of its own, on a data folder of its own."""

    data: Path
    tokens: dict[str, str]
    workers: int = 1
    options: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = None
    address: str = ""

    def start(self) -> None:
        words = ["serve", "--data", str(self.data), "--port", "0", "--workers", str(self.workers), *self.options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pathserve", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://[\d.:]+", line)
        assert found is not None, line
        self.address = found[0]

    def stop(self, how: signal.Signals = signal.SIGINT) -> str:
        """End it; gives what it has said since the start."""
        assert self.process is not None
        self.process.send_signal(how)
        said, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == (-how if how == signal.SIGKILL else 0)
        self.process = None
        return said

    def client(self, role: str = "admin") -> httpx2.Client:
        headers = {"authorization": f"Bearer {self.tokens[role]}", "tus-resumable": "1.0.0"}
        return httpx2.Client(base_url=self.address, headers=headers, timeout=60)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start a server on an empty data folder, with a token for each role."""
    started = list[Served]()

    def start(workers: int = 1, *options: str) -> Served:
        data = tmp_path / f"served-{len(started)}"
        services = Services.open(Settings(data=data))
        tokens = {role.value: services.accounts.create_token(role.value, role=role).secret for role in Role}
        services.close()
        served = Served(data, tokens, workers, options)
        started.append(served)
        served.start()
        return served

    yield start
    for served in started:
        if served.process is not None:
            served.stop()


class Stream:
    """Server-sent events as a browser reads them, in a thread of its own."""

    def __init__(self, served, path: str = "/api/jobs/events", role: str = "admin", last: str | None = None) -> None:
        self.events = list[tuple[str, str, dict]]()
        self.last = last
        self.ended = threading.Event()
        self.opened = threading.Event()
        self.broke = False
        self._client = served.client(role)
        headers = {"accept": "text/event-stream"} | ({} if last is None else {"last-event-id": last})
        self._thread = threading.Thread(target=self._read, args=(path, headers), daemon=True)
        self._thread.start()
        assert self.opened.wait(30)

    def _read(self, path: str, headers: dict[str, str]) -> None:
        try:
            with self._client, self._client.stream("GET", path, headers=headers) as answer:
                self._socket = answer.extensions["network_stream"].get_extra_info("socket")
                assert answer.status_code == 200
                assert answer.headers["content-type"].startswith("text/event-stream")
                assert answer.headers["cache-control"] == "no-store"
                name, data = "", ""
                for line in answer.iter_lines():
                    field, _, value = line.partition(": ")
                    if field == "id":
                        self.last = value
                        self.opened.set()
                    elif field == "event":
                        name = value
                    elif field == "data":
                        data = value
                    elif line == "" and data:
                        self.events.append((str(self.last), name, orjson.loads(data)))
                        data = ""
        except (httpx2.HTTPError, httpx2.StreamError):
            self.broke = True
        finally:
            self.ended.set()

    def close(self) -> None:
        """Lose the connection."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()


@pytest.fixture
def open_stream() -> type[Stream]:
    """Follow server-sent events of a server: ``open_stream(served, path, role, last)``."""
    return Stream


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Site]:
    """An application that was made and never started, on an empty data folder: no job runs by itself."""
    app = create_app(Settings(data=tmp_path / "idle", max_upload_bytes=10_000_000, disk_reserve_bytes=0))
    services: Services = app.state.services
    tokens = {role.value: services.accounts.create_token(role.value, role=role).secret for role in Role}
    yield Site(TestClient(app, raise_server_exceptions=False, follow_redirects=False), services, tokens, "", "")
    services.close()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An application for all tests of a module, made and never started; its two slides have no pixels.

    Each test takes slides of its own: see `new_slide`.
    """
    data = tmp_path_factory.mktemp("bare") / "data"
    app = create_app(Settings(data=data, max_body_bytes=2_000_000, max_features=5000, disk_reserve_bytes=0))
    services: Services = app.state.services
    tokens = {role.value: services.accounts.create_token(role.value, role=role).secret for role in Role}
    client = TestClient(app, raise_server_exceptions=False, follow_redirects=False)
    yield Site(client, services, tokens, add_bare_slide(services, "default"), add_bare_slide(services, "default"))
    services.close()


@pytest.fixture
def new_slide(bare: Site) -> Callable[[], Site]:
    """Give the application of `bare` with a new slide in a new project, whose name is the slide's id."""
    return lambda: replace(bare, slide=add_bare_slide(bare.services))


@pytest.fixture
def add_slide() -> Callable[..., str]:
    """Add a slide without pixels to a data folder; gives its id. Without a project it gets one of its own."""
    return add_bare_slide


def add_bare_slide(services: Services, project: str | None = None) -> str:
    info = SlideInfo("aperio", (Level(Size(2220, 2967), 1.0),), Mpp(0.5, 0.5), True, 20.0, "jpeg")
    slide_id = make_slide_id()
    services.catalog.add_slide(
        slide_id=slide_id,
        project=project or slide_id,
        name=None,
        info=info,
        levels=5,
        tile_size=256,
        content_hash=slide_id,
    )
    return slide_id


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    """Ask until the answer is true, and give it."""

    def wait(ask: Callable[[], Any], seconds: float = 120) -> Any:
        end = time.monotonic() + seconds
        while not (answer := ask()):
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.1)
        return answer

    return wait
