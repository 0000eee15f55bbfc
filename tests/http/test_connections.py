"""Clients that keep the server waiting are let go, and everybody else is served meanwhile."""

import logging
import re
import resource
import select
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from pathserve.access import Role
from pathserve.config import Settings
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.server import connections, protocol, routes_exchange, routes_tiles
from pathserve.server.app import create_app
from pathserve.server.connections import Connections, Waiting, allow_open_files, most_connections, open_files
from pathserve.server.protocol import STATE, TileProtocol
from pathserve.server.services import Services
from pathserve.tiles import encode_image
from pathserve.tiles import service as tiles_service

SECONDS = 30  # after which a test has failed


# the keeper alone, with a clock of the test's own


@dataclass(eq=False)
class Guest:
    """A connection whose state the test chooses."""

    state: Waiting = Waiting.FOR_HEAD
    since: float = 0.0
    overdue: bool = False
    ended: list[str] = field(default_factory=list)

    def waiting(self) -> Waiting:
        return self.state

    def waiting_since(self) -> float:
        return self.since

    def is_overdue(self, now: float) -> bool:
        return self.overdue

    def drop(self) -> None:
        self.ended.append("dropped")

    def time_out(self) -> None:
        self.ended.append("timed out")


@dataclass
class Clock:
    """As much of a loop as the keeper needs: a clock, and a timer that never goes off."""

    now: float = 0.0

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., None], *args: object) -> "Clock":
        return self

    def cancel(self) -> None:
        """Nothing was started."""


def test_room_is_made_by_those_who_have_asked_for_nothing_and_then_by_the_longest_idle() -> None:
    keeper, clock = Connections(4), Clock(100.0)
    busy = Guest(Waiting.BUSY, 1.0)
    idle, older_idle = Guest(Waiting.BETWEEN, 20.0), Guest(Waiting.BETWEEN, 10.0)
    silent = Guest(Waiting.FOR_HEAD, 50.0)
    for guest in (busy, idle, older_idle, silent):
        assert keeper.enter(guest, clock)
    for leaver in (silent, older_idle, idle):
        clock.now += 10
        assert keeper.enter(Guest(Waiting.BUSY, clock.now), clock)
        assert leaver.ended == ["dropped"]
        assert len(keeper) == 4
    assert not busy.ended
    clock.now += 10
    assert not keeper.enter(Guest(), clock)  # all are busy: it is let in to be told so
    assert len(keeper) == 5


def test_a_flood_costs_one_search_for_many() -> None:
    keeper, clock = Connections(100), Clock(5.0)
    asked = [0]

    class Counted(Guest):
        def waiting(self) -> Waiting:
            asked[0] += 1
            return self.state

    guests = [Counted(since=float(n)) for n in range(1100)]
    for guest in guests:
        keeper.enter(guest, clock)
        clock.now += 0.001
    assert len(keeper) == 100
    assert [guest for guest in guests if not guest.ended] == guests[-100:]
    assert asked[0] < 10_000  # 1,000 searches among 100 would ask 200,000 times


@given(st.lists(st.tuples(st.sampled_from(list(Waiting)), st.floats(0, 100)), max_size=40), st.integers(1, 10))
def test_there_are_never_more_than_allowed_but_for_those_who_are_refused(arrivals, most: int) -> None:
    keeper, clock, refused = Connections(most), Clock(), 0
    for state, moment in arrivals:
        clock.now += moment
        refused += not keeper.enter(Guest(state, clock.now), clock)
        assert len(keeper) <= most + refused


def test_only_what_is_overdue_is_closed() -> None:
    keeper, clock = Connections(), Clock()
    late, good = Guest(overdue=True), Guest()
    for guest in (late, good):
        keeper.enter(guest, clock)
    keeper.sweep(1.0)
    assert (late.ended, good.ended) == (["timed out"], [])


def test_limits_follow_what_the_system_allows() -> None:
    assert [most_connections(files) for files in (10, 1024, 20_000, 1 << 20)] == [16, 512, 4096, 4096]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 512), before[1]))
        allow_open_files()
        assert open_files() == min(before[1], 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


# real sockets, with deadlines of fractions of a second


@dataclass
class Running:
    """A server in a thread of this process."""

    services: Services
    port: int
    token: str

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        made = socket.socket()
        if receive_buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.settimeout(SECONDS)
        made.connect(("127.0.0.1", self.port))
        return made

    def request(self, path: str, *headers: str, method: str = "GET") -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Authorization: Bearer {self.token}", *headers]
        return "\r\n".join([*lines, "", ""]).encode()


def until_closed(wire: socket.socket) -> bytes:
    """Read all that comes until the server closes the connection."""
    received = bytearray()
    try:
        while data := wire.recv(1 << 16):
            received += data
    except ConnectionResetError:
        pass
    return bytes(received)


@contextmanager
def running(app: Starlette, most: int | None = None) -> Iterator[Running]:
    services: Services = app.state.services
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(
        app, http=TileProtocol, ws="none", access_log=False, log_level="critical", timeout_graceful_shutdown=3
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        end = time.monotonic() + SECONDS
        while not server.started and time.monotonic() < end:
            time.sleep(0.01)
        if most is not None:
            server.lifespan.state[STATE].connections = Connections(most)
        token = services.accounts.create_token("admin", role=Role.ADMIN).secret
        yield Running(services, listener.getsockname()[1], token)
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive()


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch) -> Iterator[Running]:
    """A server whose deadlines end soon."""
    monkeypatch.setattr(connections, "_SWEEP_SECONDS", 0.05)
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "WRITE_SECONDS", "IDLE_SECONDS"):
        monkeypatch.setattr(protocol, name, 0.6)
    with running(create_app(Settings(data=tmp_path / "data", disk_reserve_bytes=0))) as server:
        yield server


def test_a_connection_that_says_nothing_is_closed(hasty: Running) -> None:
    with closing(hasty.connect()) as wire:
        assert until_closed(wire) == b""


@pytest.mark.parametrize("after", [b"", b"GET /healthz HTTP/1.1\r\n\r\n"])
def test_half_a_head_is_told_and_closed(hasty: Running, after: bytes) -> None:
    with closing(hasty.connect()) as wire:
        wire.sendall(after + b"GET /api/slides HTTP/1.1\r\nHost:")
        told = until_closed(wire)
    assert told.count(b"HTTP/1.1 200 OK") == bool(after)
    assert told[told.rfind(b"HTTP/1.1") :].startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_dripping_does_not_move_the_deadline_of_a_head(hasty: Running) -> None:
    with closing(hasty.connect()) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\n")
        sent = 0
        while not select.select([wire], [], [], 0.02)[0]:
            wire.sendall(b"a")
            sent += 1
            assert sent < 3000
        assert until_closed(wire).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_stops_coming_ends_its_request(hasty: Running) -> None:
    with closing(hasty.connect()) as wire:
        wire.sendall(hasty.request("/sign-in", "Content-Length: 100", method="POST") + b'{"code":')
        assert b"HTTP/1.1 2" not in until_closed(wire)


def test_a_body_that_comes_slowly_but_comes_is_waited_for(hasty: Running) -> None:
    body = b'{"code": "' + b"x" * 20 + b'"}'
    with closing(hasty.connect()) as wire:
        wire.sendall(hasty.request("/sign-in", f"Content-Length: {len(body)}", "Connection: close", method="POST"))
        for at in range(len(body)):  # longer in all than the deadline
            wire.sendall(body[at : at + 1])
            time.sleep(0.04)
        assert b"application/problem+json" in until_closed(wire)


def test_an_upload_has_its_own_rule_and_is_told(hasty: Running, monkeypatch) -> None:
    monkeypatch.setattr("pathserve.server.routes_uploads._IDLE_SECONDS", 0.2)
    tus = ("Tus-Resumable: 1.0.0",)
    with closing(hasty.connect()) as wire:
        wire.sendall(hasty.request("/api/uploads", *tus, "Upload-Length: 1000", "Content-Length: 0", method="POST"))
        place = re.search(rb"(?i)location: (\S+)", wire.recv(1 << 16))[1].decode()
        part = ("Content-Type: application/offset+octet-stream", "Upload-Offset: 0", "Content-Length: 1000")
        wire.sendall(hasty.request(re.sub(r"https?://[^/]+", "", place), *tus, *part, method="PATCH") + b"a" * 10)
        assert until_closed(wire).startswith(b"HTTP/1.1 408 ")


def test_a_stream_of_events_stays_open_and_an_idle_connection_does_not(hasty: Running) -> None:
    with closing(hasty.connect()) as stream, closing(hasty.connect()) as idle:
        stream.sendall(hasty.request("/api/jobs/events", "Accept: text/event-stream"))
        idle.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert until_closed(idle).startswith(b"HTTP/1.1 200 OK\r\n")
        time.sleep(1.0)  # much longer than any deadline
        hasty.services.catalog.add_project("news")
        assert stream.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")
        assert select.select([stream], [], [], 0)[0] == [] or stream.recv(1 << 16)


def test_a_client_that_reads_nothing_is_closed_and_one_that_reads_slowly_is_not(hasty: Running) -> None:
    path = "/api/openapi.json"
    with closing(hasty.connect(4096)) as stuck, closing(hasty.connect(4096)) as slow:
        for wire in (stuck, slow):
            wire.sendall(hasty.request(path) * 200)  # some megabytes of answers
        received, end = 0, time.monotonic() + 1.5
        while time.monotonic() < end:
            received += len(slow.recv(20_000))
            time.sleep(0.02)
        slow.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        left = until_closed(slow)
        assert left.count(b"HTTP/1.1 200 OK") > 100
        assert b"connection: close" in left
        assert until_closed(stuck).count(b"HTTP/1.1 200 OK") < 200


def test_a_client_that_takes_a_trickle_is_closed(hasty: Running) -> None:
    with closing(hasty.connect(4096)) as wire:
        wire.sendall(hasty.request("/api/openapi.json") * 200)
        received, end = 0, time.monotonic() + 1.5
        while time.monotonic() < end:  # some ten kilobytes in each time in which it has to take 32
            received += len(wire.recv(400))
            time.sleep(0.02)
        assert received > 10_000
        assert until_closed(wire).count(b"HTTP/1.1 200 OK") < 150


def test_what_is_no_http_is_refused_without_a_line_in_the_log(hasty: Running, caplog) -> None:
    log = logging.getLogger("uvicorn.error")
    with caplog.at_level(logging.INFO, "uvicorn.error"), held_by(log, caplog.handler):
        for request in (b"GET x HTTP/1.1\r\nX : y\r\n\r\n", b"\x16\x03\x01", hasty.request("/healthz", "Upgrade: a")):
            with closing(hasty.connect()) as wire:
                wire.sendall(request + b"\r\n\r\n")
                assert until_closed(wire).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 200 "))
        assert caplog.records == []
        log.warning("something else")
    assert set(caplog.messages) == {"something else"}


@contextmanager
def held_by(log: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


@pytest.mark.parametrize("path", ["/region?x=0&y=0&width=64&height=64", "/thumbnail"])
def test_pictures_whose_clients_have_gone_are_not_made(ingested: Path, tmp_path: Path, monkeypatch, path: str) -> None:
    data = tmp_path / "data"
    shutil.copytree(ingested, data)
    begun, gate, made = threading.Event(), threading.Event(), [0]

    def gated(*arguments) -> bytes:
        begun.set()
        assert gate.wait(SECONDS)
        made[0] += 1
        return encode_image(*arguments)

    for module in (routes_tiles, tiles_service):
        monkeypatch.setattr(module, "encode_image", gated)
    with running(create_app(Settings(data=data))) as server, ExitStack() as stack:
        services = server.services
        request = server.request(f"/api/slides/{services.catalog.slides()[0][0].id}{path}")
        turns = services.drawing if "region" in path else services.making
        stays, *leave = [stack.enter_context(closing(server.connect())) for _ in range(30)]
        try:
            stays.sendall(request)
            assert begun.wait(SECONDS)
            for wire in leave:
                wire.sendall(request)
            until(lambda: turns._asked["admin"] == 30)
            for wire in leave:
                wire.close()
            until(lambda: turns._asked["admin"] <= turns._of_one)
        finally:
            gate.set()
        assert stays.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
        until(lambda: not turns._asked)
        assert 1 <= made[0] <= turns._of_one


def test_a_report_of_an_export_ends_when_its_client_has_gone(ingested: Path, tmp_path: Path, monkeypatch) -> None:
    data = tmp_path / "data"
    shutil.copytree(ingested, data)
    begun, ended = threading.Event(), threading.Event()

    class Endless:
        """Stands for an export of many blocks."""

        def write(self, _: object, progress: Callable[[int], None]) -> None:
            begun.set()
            try:
                while not ended.wait(0.01):
                    progress(1)
            finally:
                ended.set()

    monkeypatch.setattr(routes_exchange, "_begin_export", lambda *_: Endless())
    with running(create_app(Settings(data=data))) as server, closing(server.connect()) as wire:
        slide = server.services.catalog.slides()[0][0].id
        wire.sendall(server.request(f"/api/slides/{slide}/annotations/export/report?format=halo"))
        try:
            assert begun.wait(SECONDS)
            wire.close()
            assert ended.wait(SECONDS)
        finally:
            ended.set()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# limits of what is asked


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Iterator[Running]:
    """A server that keeps eight connections."""
    with running(create_app(Settings(data=tmp_path_factory.mktemp("small"))), most=8) as server:
        yield server


def test_a_head_that_is_too_long_is_refused(small: Running) -> None:
    ranges = "bytes=" + ",".join(f"{n}-{n}" for n in range(100_000))
    for header in (f"Range: {ranges}", "X: " + "a" * 70_000, "\r\n".join(f"X-{n}: a" for n in range(9000))):
        with closing(small.connect()) as wire:
            with suppress(ConnectionError):  # it was refused before all of it was sent
                wire.sendall(small.request("/healthz", header))
            assert until_closed(wire)[:13] in (b"HTTP/1.1 431 ", b"")
    with closing(small.connect()) as wire:
        wire.sendall(small.request("/healthz", "X: " + "a" * 60_000, "Connection: close"))
        assert until_closed(wire).startswith(b"HTTP/1.1 200 OK")
    with closing(small.connect()) as wire:
        wire.sendall(small.request("/healthz", "X: " + "a" * 66_000))
        told = until_closed(wire)
    assert told.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


@pytest.mark.parametrize("length", [65_535, 65_536, 70_000])
def test_an_address_that_is_too_long_is_refused_as_a_head_is(small: Running, length: int) -> None:
    path = "/healthz?" + "a" * (length - len("/healthz?"))
    for request in (small.request(path), f"GET {path} HTTP/1.1\r\n\r\n".encode()):
        with closing(small.connect()) as wire:
            wire.sendall(request)
            told = until_closed(wire)
        assert told.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        assert b"content-type: application/problem+json\r\n" in told
        assert b'"code":"head_too_long"' in told
        assert told.count(b"HTTP/1.1 ") == 1


def test_endless_heads_are_cut_off_early(small: Running) -> None:
    with closing(small.connect()) as wire:
        sent = 0
        with suppress(ConnectionError):
            wire.sendall(b"GET /healthz HTTP/1.1\r\n")
            while sent < 50_000_000:
                wire.sendall(b"X: " + b"a" * 1000 + b"\r\n")
                sent += 1005
        assert sent < 20_000_000  # most of it in the buffers of the system


def test_idle_ones_make_room_and_busy_ones_do_not(small: Running) -> None:
    ask = b"GET /healthz HTTP/1.1\r\n\r\n"
    with ExitStack() as open_ones:
        idle = [open_ones.enter_context(closing(small.connect())) for _ in range(8)]
        for wire in idle:
            wire.sendall(ask)
            assert wire.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
        with closing(small.connect()) as more:
            more.sendall(ask)
            assert more.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
            assert until_closed(idle[0]) == b""  # the one that was idle for longest
    with ExitStack() as open_ones:
        for _ in range(8):
            stream = open_ones.enter_context(closing(small.connect()))
            stream.sendall(small.request("/api/jobs/events", "Accept: text/event-stream"))
            assert stream.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
        with closing(small.connect()) as refused:
            refused.sendall(small.request("/healthz"))
            told = until_closed(refused)
        assert told.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"retry-after: 1" in told
        assert b'"code":"busy"' in told


# a crowd


@pytest.fixture
def allowed() -> Iterator[None]:
    """Let this process have as many connections as the crowd has."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_open_files()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_good_clients_are_served_among_fifteen_hundred_bad_ones(
    serve, ingested: Path, allowed: None, sample_slide: Path
) -> None:
    served = serve()
    services = Services.open(Settings(data=served.data))
    (outcome,) = ingest_scan(
        sample_slide, settings=services.settings, catalog=services.catalog,
        options=IngestOptions(workers=1), progress=lambda _: None,
    )  # fmt: skip
    services.close()
    port = int(served.address.rpartition(":")[2])
    slide = outcome.slide.id
    tile = f"/dzi/{slide}_files/12/3_4.jpeg"
    bearer = f"Authorization: Bearer {served.tokens['viewer']}"
    with ExitStack() as crowd:
        for number in range(1500):
            wire = crowd.enter_context(closing(socket.create_connection(("127.0.0.1", port), SECONDS)))
            wire.sendall((b"", b"GET /dzi/", b"POST /sign-in HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")[number % 3])
        for _ in range(100):
            wire = crowd.enter_context(closing(socket.socket()))
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.connect(("127.0.0.1", port))
            wire.sendall(f"GET {tile} HTTP/1.1\r\n{bearer}\r\n\r\n".encode() * 30)
        statuses = []
        for _ in range(10):
            with served.client("viewer") as client:
                statuses += [client.get(tile).status_code for _ in range(10)]
                hostile = _hostile(client, slide, tile)
        assert statuses == [200] * 100
        assert hostile == [431, 413, 404, 422, 404]
    for nonsense in (b"X : y\r\n", b"Connection: Upgrade\r\nUpgrade: foo\r\n", b"\x80\r\n"):
        with closing(socket.create_connection(("127.0.0.1", port), SECONDS)) as wire:
            wire.sendall(b"GET /healthz HTTP/1.1\r\n" + nonsense + b"\r\n")
            assert until_closed(wire).startswith(b"HTTP/1.1 ")
    said = served.stop()
    assert not re.search("Traceback|WARNING|Invalid HTTP|pgrade", said)  # nobody can fill the log


def _hostile(client: httpx2.Client, slide: str, tile: str) -> list[int]:
    """Ask for what nobody needs."""
    ranges = "bytes=" + ",".join(f"{n}-{n}" for n in range(100_000))
    region = f"/api/slides/{slide}/region?x=0&y=0"
    try:
        first = client.get(tile, headers={"range": ranges}).status_code
    except httpx2.TransportError:
        first = 431  # it was refused before all of it was sent
    paths = [
        f"{region}&width=1000000&height=1000000",
        f"{tile}?c=9",
        f"{region}&width=1000001&height=1",
        f"{region}&width=10&height=10&c=7",
    ]
    return [first, *(client.get(path).status_code for path in paths)]
