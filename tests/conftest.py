"""What every test may use: the shared data of other tools, the package's own scans, an empty database."""

import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
import pytest
import tifffile
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from pathserve.config import Settings
from pathserve.db import Database, open_database

REPOSITORY = Path(__file__).parent.parent

# No test is a matter of time: a busy machine is no fault of the code.
hypothesis_settings.register_profile("pathserve", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("pathserve")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files of other tools, beside the checkout; too large or too restricted to be part of it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.fail("these tests read real scans from ../shared/data, which is not here; see tests/README.md")
    return folder


@pytest.fixture(scope="session")
def sample_slide() -> Path:
    """CMU-1-Small-Region.svs (CC0): 2220 x 2967 px, JPEG tiles of 240 px, 0.499 micrometres per pixel."""
    return Path(str(resources.files("pathserve._demo") / "CMU-1-Small-Region.svs"))


@pytest.fixture(scope="session")
def sample_field() -> Path:
    """hgsc_nest.jpg (BSD-3): a plain JPEG of 1500 x 1500 px with 1,295 outlined nuclei."""
    return Path(str(resources.files("pathserve._demo") / "hgsc_nest.jpg"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests with the mark ``databases`` once with each database that it names."""
    mark = metafunc.definition.get_closest_marker("databases")
    if mark is not None and "database_url" in metafunc.fixturenames:
        metafunc.parametrize("database_url", mark.args, indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Give the address of an empty PostgreSQL database to tests that ask for that one; None is SQLite."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    return Settings(data=tmp_path / "data", database_url=database_url)


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    database = open_database(settings.database)
    yield database
    database.close()


MakeTiff = Callable[..., Path]


@pytest.fixture
def empty_tiles() -> Callable[[Path, list[int]], Path]:
    """Take the bytes of some tiles of a TIFF's first image away, as scanners do that leave out empty glass."""

    def take(path: Path, tiles: list[int]) -> Path:
        with tifffile.TiffFile(path) as tiff:
            counts = tiff.pages.first.tags[325]
            width, start = {3: 2, 4: 4}[int(counts.dtype)], counts.valueoffset
        with path.open("r+b") as file:
            for tile in tiles:
                file.seek(start + width * tile)
                file.write(bytes(width))
        return path

    return take


@pytest.fixture
def make_tiff(tmp_path: Path) -> MakeTiff:
    """Write a pyramidal, JPEG-tiled TIFF whose pixels follow a formula.

    The function takes the level sizes ``[(width, height), ...]`` (finest first), and keyword arguments: ``tile``
    (side in pixels), ``name``, and anything that tifffile writes.
    """

    def formula(width: int, height: int, step: int) -> npt.NDArray[np.uint8]:
        y, x = (np.mgrid[0:height, 0:width] + 0.5) * step
        red, green = 128 + 100 * np.sin(x / 37 + y / 91), 128 + 90 * np.sin((x - y) / 300)
        blue = 128 + 80 * np.cos(x / 53 - y / 29)
        return np.stack([red, green, blue], axis=-1).astype(np.uint8)

    def write(
        sizes: list[tuple[int, int]],
        *,
        tile: int | tuple[int, int] = 256,
        name: str = "made.tiff",
        **more: Any,
    ) -> Path:
        shape = (tile, tile) if isinstance(tile, int) else tile
        with tifffile.TiffWriter(tmp_path / name) as tiff:
            for index, size in enumerate(sizes):
                tiff.write(
                    formula(*size, round(sizes[0][0] / size[0])),
                    tile=shape,
                    compression="jpeg",
                    compressionargs={"level": 90},
                    photometric="rgb",  # of the input: stored as YCbCr, as JPEG has it
                    subfiletype=1 if index else 0,
                    metadata=None,
                    **more,
                )
        return tmp_path / name

    return write


Serving = Callable[[type[BaseHTTPRequestHandler]], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def serving() -> Serving:
    """Answer requests by a handler, in threads, for a while; gives host and port."""

    @contextmanager
    def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield f"127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()

    return serve


class ObjectStore:
    """A real server that speaks S3, in a process of its own, with one bucket: ``slides``."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, method: str) -> int:
        """Ask for the bucket; 0 when nobody answers."""
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            asked.request(method, "/slides")
            return asked.getresponse().status
        except OSError:
            return 0
        finally:
            asked.close()

    def start(self) -> None:
        """Start it on a free port, and wait until it has made the bucket."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=log)
        deadline = time.monotonic() + 120
        while (status := self.ask("PUT")) != 200:
            assert time.monotonic() < deadline, (status, self._process.poll(), self._log.read_text())
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="session")
def object_store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    server = ObjectStore(tmp_path_factory.mktemp("object-store") / "log")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def object_store_address(object_store_server: ObjectStore) -> str:
    """Give its address, once it is seen to answer; the server is no part of what is tested."""
    if object_store_server.ask("GET") != 200:
        object_store_server.stop()
        object_store_server.start()
    return f"http://127.0.0.1:{object_store_server.port}"


@pytest.fixture
def object_store(object_store_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the address of an empty store, whose credentials stand in the environment as a user would set them."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store_address)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-told")
    return f"s3://slides/{secrets.token_hex(8)}"


class PostgresServer:
    """A PostgreSQL server of its own, in a folder of its own, reached through a socket there.

    Parameters
    ----------
    folder
        Which the user that it runs as can enter; root may not run it.
    """

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.user = "postgres" if os.getuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        if self.user is not None:
            shutil.chown(folder, self.user, self.user)
        # Texts of this server sort as an English reader expects, which is not how PathServe's do.
        words = ["-U", "pathserve", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=icu"]
        self._run("initdb", "-D", str(self.data), *words, "--icu-locale=en-US", "--no-sync", *more)

    def command(self, *more: str) -> list[str]:
        """Give the words that start it."""
        words = ["-D", str(self.data), "-k", str(self.folder), "-c", "listen_addresses=", "-c", "shared_buffers=32MB"]
        return [str(postgres_program("postgres")), *words, "-c", "fsync=on", *more]

    def start(self, *more: str) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(*more), stdout=log, stderr=log, user=self.user, group=self.user, start_new_session=True
            )
        self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + 120
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                is_over = self._process is None or self._process.poll() is not None
                assert not is_over, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: at once and in order (SIGINT), or without (SIGQUIT, or SIGKILL of all its processes)."""
        if self._process is not None and self._process.poll() is None:
            own = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
            self._process.send_signal(number)
            if number == signal.SIGKILL:
                for pid in own:
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), number)
            self._process.wait(60)
            while any(Path(f"/proc/{pid}").exists() for pid in own):
                time.sleep(0.005)

    @contextmanager
    def on(self, data: Path) -> Iterator[None]:
        """Run it on another folder for a while."""
        own, self.data = self.data, data
        try:
            if self.user is not None:
                subprocess.run(["chown", "-R", f"{self.user}:", str(data)], check=True)
            data.chmod(0o700)
            self.start()
            yield
        finally:
            self.stop(signal.SIGQUIT)
            self.data = own

    def url(self, database: str) -> str:
        """Give the address of a database."""
        return f"postgresql://pathserve@/{database}?host={self.folder}"

    def create(self) -> str:
        """Make an empty database; gives its address."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name}")
        return self.url(name)

    def _run(self, program: str, *words: str) -> None:
        command = [str(postgres_program(program)), *words]
        subprocess.run(command, check=True, capture_output=True, user=self.user, group=self.user, cwd=self.folder)


def postgres_program(name: str) -> Path:
    """Find a program of PostgreSQL; Debian keeps those of the server out of the way."""
    found = shutil.which(name)
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if found is None and not folders:
        pytest.fail("these tests need PostgreSQL: apt-get install postgresql")
    return Path(found) if found is not None else folders[-1] / name


@contextmanager
def running_postgres(*more: str) -> Iterator[PostgresServer]:
    """Run a PostgreSQL server for a while; ``more`` says how its cluster is made."""
    # Not in pytest's own folders: they are closed to the user that the server runs as, and too deep for a socket.
    folder = Path(tempfile.mkdtemp(prefix="pathserve-pg-"))
    server = None
    try:
        server = PostgresServer(folder, *more)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop(signal.SIGQUIT)  # nothing of it is kept
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL, started when the first test needs it; nobody may stop it."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def private_postgres() -> Callable[..., AbstractContextManager[PostgresServer]]:
    """Give what runs another one for a while."""
    return running_postgres


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL that the test may stop and start as it likes."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def shared_postgres_url(postgres_server: PostgresServer) -> str:
    """Give the address of the database that tests use in turn."""
    return postgres_server.create()


@pytest.fixture
def postgres_url(shared_postgres_url: str) -> Iterator[str]:
    """Give the address of a database without rows; making one anew for each test would take far longer."""
    yield shared_postgres_url
    with psycopg.connect(shared_postgres_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")  # rows go in any order
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        emptied = [f"delete from {table}" for (table,) in tables if table != "pathserve_format"]  # noqa: S608 - our own
        connection.execute("; ".join(emptied) or "select 1")
