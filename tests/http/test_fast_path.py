"""A tile that the protocol answers is the route's answer, byte for byte.

The same requests go to a server with the short way and to one without it, over real sockets.
"""

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
import uvicorn
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pathserve.access import Role, allow
from pathserve.catalog import DEFAULT_PROJECT, SlideFacts
from pathserve.config import Settings
from pathserve.server import fast_path
from pathserve.server.app import create_app
from pathserve.server.fast_path import FastPath, Visit
from pathserve.server.metrics import Tally
from pathserve.server.protocol import TileProtocol
from pathserve.server.services import Services

SECONDS = 30  # after which a test has failed
SHARED_PLACES, CALLERS = ("11/1_1", "11/0_1", "11/1_0"), ("viewer", "session")


@dataclass
class Running:
    """A server in a thread of this process."""

    services: Services
    server: uvicorn.Server
    port: int

    def fast(self) -> int:
        """Tell how many tiles went the short way so far."""
        return self.services.metrics.snapshot().tallies[Tally.TILES_FAST]

    def connect(self, receive_buffer: int | None = None) -> "Wire":
        made = socket.socket()
        if receive_buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.settimeout(SECONDS)
        made.connect(("127.0.0.1", self.port))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Wire(made)


@dataclass(frozen=True)
class Told:
    """One answer: its status line, its headers in their order, its body."""

    status: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def get(self, name: bytes) -> bytes:
        (value,) = [value for key, value in self.headers if key == name]
        return value

    def comparable(self) -> "Told":
        """Leave out what differs from answer to answer, after a look at its form."""
        headers = []
        for name, told in self.headers:
            value = told
            if name == b"date":
                assert re.fullmatch(rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", value)
            if name == b"x-request-id":
                assert re.fullmatch(rb"[0-9a-f]{16}", value)
            if name == b"location":
                value = re.sub(rb":\d+", b"", value)  # the port
            headers.append((name, b"" if name in (b"date", b"x-request-id") else value))
        body = re.sub(rb'"request_id":"[0-9a-f]{16}"', b"", self.body)
        return Told(self.status, tuple(headers), body)


@dataclass
class Wire:
    """A client's end of a connection, without a library that would tidy up what is sent."""

    socket: socket.socket
    buffer: bytearray = field(default_factory=bytearray)

    def close(self) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)
            if len(pieces) > 1:
                time.sleep(0.0005)  # so that they come one by one

    def read(self, *, is_head: bool = False) -> Told | None:
        """Read the next answer; None when the server has closed the connection."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                assert not self.buffer, self.buffer
                return None
        head, _, _ = bytes(self.buffer).partition(b"\r\n\r\n")
        del self.buffer[: len(head) + 4]
        status, *lines = head.split(b"\r\n")
        headers = tuple((name, value) for name, _, value in (line.partition(b": ") for line in lines))
        if status.startswith(b"HTTP/1.1 1"):
            return self.read(is_head=is_head)
        length = int(dict(headers).get(b"content-length", 0))
        # The parser refuses what is no HTTP before anybody knows that a HEAD was meant.
        if (is_head and not status.startswith(b"HTTP/1.1 400")) or status.split()[1] in (b"304", b"204"):
            length = 0
        while len(self.buffer) < length:
            assert self._more(), "an answer was cut off"
        body = bytes(self.buffer[:length])
        del self.buffer[:length]
        return Told(status, headers, body)

    def _more(self) -> bool:
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)


@contextmanager
def running(data: Path, protocol: type | str) -> Iterator[Running]:
    # Nothing is cleared or loaded meanwhile: what is written makes the short way ask anew, and loading holds others up.
    ready = threading.Event()
    app = create_app(Settings(data=data), runs_jobs=False, on_ready=ready.set)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        access_log=False,
        log_level="critical",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        end = time.monotonic() + SECONDS
        while not server.started and time.monotonic() < end:
            time.sleep(0.01)
        assert ready.wait(10 * SECONDS)  # machine code may have to be compiled first
        yield Running(app.state.services, server, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive()


@dataclass(frozen=True)
class Pair:
    """The two servers on one data folder, and what to ask them for."""

    fast: Running
    plain: Running
    slide: str
    other: str
    secrets: dict[str, str]
    data: Path

    def path(self, place: str = "12/3_4", query: str = "?g=1") -> str:
        return f"/dzi/{self.slide}_files/{place}.jpeg{query}"

    def request(self, *headers: str, place: str = "12/3_4", query: str = "?g=1", who: str = "viewer") -> bytes:
        lines = [f"GET {self.path(place, query)} HTTP/1.1", "Host: 127.0.0.1", *headers]
        if who:
            lines.append(self.secrets[who])
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def both(self, *pieces: bytes, answers: int = 1, is_head: bool = False, in_turn: bool = False) -> list[Told | None]:
        """Send the same to both, compare all answers and whether the connection is then still of use; gives them.

        ``in_turn`` sends each piece, which is a request then, after the answer to the one before.
        """
        found = []
        for server in (self.plain, self.fast):
            with closing(server.connect()) as wire:
                told = []
                if not in_turn:
                    wire.send(*pieces)
                for number in range(answers):
                    if in_turn:
                        wire.send(pieces[number])
                    told.append(wire.read(is_head=is_head))
                if told[-1] is not None:
                    wire.send(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
                    told += [wire.read(), wire.read()]
            found.append(told)
        assert [t and t.comparable() for t in found[1]] == [t and t.comparable() for t in found[0]]
        return found[1][:answers]


@pytest.fixture(scope="module")
def pair(ingested: Path, tmp_path_factory) -> Iterator[Pair]:
    data = tmp_path_factory.mktemp("pair") / "data"
    shutil.copytree(ingested, data)
    with running(data, TileProtocol) as fast, running(data, "httptools") as plain:
        accounts, catalog = fast.services.accounts, fast.services.catalog
        ids = {slide.name: slide.id for slide in catalog.slides()[0]}
        catalog.add_project("elsewhere")
        bearer = {
            "viewer": accounts.create_token("viewer", role=Role.VIEWER).secret,
            "admin": accounts.create_token("admin", role=Role.ADMIN).secret,
            "bound": accounts.create_token("bound", role=Role.ADMIN, project="elsewhere").secret,
            "expired": accounts.create_token("expired", role=Role.VIEWER, lifetime_seconds=0.001).secret,
            "unknown": "pst_" + "0" * 43,
            "long": "x" * 300,
        }
        secrets = {name: f"Authorization: Bearer {secret}" for name, secret in bearer.items()}
        secrets["lower case"] = f"authorization: bearer  {bearer['viewer']}"
        secrets["basic"] = "Authorization: Basic dXNlcjpwYXNz"
        account = accounts.add("reader", Role.VIEWER)
        session = accounts.sign_in(accounts.make_link(account.name).code)
        secrets["session"] = f"Cookie: a=b; pathserve_session={session}; c=d"
        secrets["both"] = f"{secrets['viewer']}\r\n{secrets['session']}"
        secrets["none"] = "Accept: */*"
        yield Pair(fast, plain, ids["slide"], ids["field"], secrets, data)


def warm(pair: Pair, who: str = "viewer", place: str = "12/3_4") -> None:
    """Let both know the caller, the slide and the page, as after the first tile."""
    for _ in range(2):
        pair.both(pair.request(who=who, place=place))


@pytest.mark.parametrize("who", ["viewer", "session", "lower case", "both"])
@pytest.mark.parametrize("query", ["", "?g=1", "?g=7", "?color=srgb", "?g=1&color=source", "?z=0&t=0"])
def test_a_usual_request_goes_the_short_way(pair: Pair, who: str, query: str) -> None:
    warm(pair, who)
    before = pair.fast.fast(), pair.plain.fast()
    (told,) = pair.both(pair.request("If-None-Match: *" if not query else "Accept: image/*", who=who, query=query))
    assert (pair.fast.fast() - before[0], pair.plain.fast() - before[1]) == (1, 0)
    if query:
        assert told.status == b"HTTP/1.1 200 OK"
        assert told.body == (pair.fast.services.tiles.tile(pair.slide, 12, 3, 4)).body
    else:
        assert told.status == b"HTTP/1.1 304 Not Modified"


@pytest.mark.parametrize("query", ["?g=1", "?z=0"])
def test_many_tiles_of_one_connection_are_the_routes(pair: Pair, query: str) -> None:
    warm(pair)
    places = [f"12/{col}_{row}" for row in range(12) for col in range(9)] + ["11/1_1", "12/003_04", "10/0_0"]
    before, told = pair.fast.fast(), {}
    for server in (pair.plain, pair.fast):
        with closing(server.connect()) as wire:
            for place in places:
                wire.send(pair.request(place=place, query=query))
                told.setdefault(place, []).append(wire.read().comparable())
    assert all(plain == fast for plain, fast in told.values())
    assert (told["12/1_1"][0].get(b"etag") == b'"g1-12-1-1"') == (query == "?g=1")  # a view has ETags of its own
    assert len({plain.body for plain, _ in told.values()}) > 100
    assert pair.fast.fast() - before >= len(places) - 3


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        ('"{}"', b"304"),
        ('W/"{}"', b"304"),
        ('"a", "{}" ,"b"', b"304"),
        ('"other"', b"200"),
        ("*", b"304"),
        ('"a,{}"', b"200"),
        ("", b"200"),
        ("garbage", b"200"),
    ],
)
def test_what_the_client_has_is_not_sent_again(pair: Pair, tags: str, status: bytes) -> None:
    warm(pair)
    (told,) = pair.both(pair.request())
    tag = told.get(b"etag").decode().strip('"')
    (again,) = pair.both(pair.request(f"If-None-Match: {tags.format(tag)}"))
    assert again.status.split()[1] == status


UNUSUAL = [
    ("Range: bytes=0-9",),
    ("Connection: close",),
    ("Upgrade: websocket",),
    ("Content-Length: 0",),
    ("Expect: 100-continue",),
    ("X-Something: else",),
    ("Host: another",),
    ("Accept: a", "Accept: b"),
    ("Cookie: a=b", "Cookie: c=d"),
    ("If-None-Match: *", "If-None-Match: *"),
    ("X-Long: " + "x" * 9000,),
    ("Accept : */*",),
    ("Accept: a\r\n b",),
    ("Accept: \x80\xff",),
    ("If-Modified-Since: Wed, 21 Oct 2015 07:28:00 GMT",),
]


@pytest.mark.parametrize("headers", UNUSUAL, ids=[headers[0][:20] for headers in UNUSUAL])
def test_an_unusual_request_goes_the_route(pair: Pair, headers: Sequence[str]) -> None:
    warm(pair)
    before = pair.fast.fast()
    pair.both(pair.request(*headers))
    assert pair.fast.fast() == before


@pytest.mark.parametrize(
    "line",
    [
        "GET {} HTTP/1.0",
        "GET {} HTTP/1.2",
        "GET {}",
        "get {} HTTP/1.1",
        "GET  {} HTTP/1.1",
        "GET {}  HTTP/1.1",
        "GET http://127.0.0.1{} HTTP/1.1",
        "GET /{} HTTP/1.1",
        "GET {}#part HTTP/1.1",
        "GET {}&unknown=1 HTTP/1.1",
        "GET {}&g=2 HTTP/1.1",
        "GET {}&format=png HTTP/1.1",
        "GET {}%00 HTTP/1.1",
        "GET {}&color=%73rgb HTTP/1.1",
        "POST {} HTTP/1.1",
        "DELETE {} HTTP/1.1",
        "OPTIONS {} HTTP/1.1",
        "\r\nGET {} HTTP/1.1",
    ],
)
def test_an_unusual_line_goes_the_route(pair: Pair, line: str) -> None:
    warm(pair)
    before = pair.fast.fast()
    request = pair.request().replace(f"GET {pair.path()} HTTP/1.1".encode(), line.format(pair.path()).encode())
    pair.both(request)
    assert pair.fast.fast() == before


@pytest.mark.parametrize("place", ["12/3_4", "12/9_1", "0/0_0"])
def test_admins_are_told_the_same(pair: Pair, place: str) -> None:
    warm(pair)
    for _ in range(2):  # the first one is made, and may say how long that took
        for server in (pair.plain, pair.fast):
            with closing(server.connect()) as wire:
                wire.send(pair.request(place=place, who="admin"))
                wire.read()
    before = pair.fast.fast()
    (told,) = pair.both(pair.request(place=place, who="admin"))
    assert told.status == b"HTTP/1.1 200 OK"
    assert pair.fast.fast() == before + 1


def test_head_has_no_body_and_goes_the_route(pair: Pair) -> None:
    warm(pair)
    before = pair.fast.fast()
    (told,) = pair.both(pair.request().replace(b"GET", b"HEAD", 1), is_head=True)
    assert told.get(b"content-type") == b"image/jpeg"
    assert pair.fast.fast() == before


@pytest.mark.parametrize(
    "place",
    ["12/9_0", "12/0_12", "12/10_0", "13/0_0", "5/0_0", "0/0_0", "12/0_99999999999", "12/-1_0", "12/a_0", "%31%32/3_4"],
)
def test_other_places_are_the_same(pair: Pair, place: str) -> None:
    warm(pair)
    for _ in range(2):  # made by the route at first, and at hand then
        pair.both(pair.request(place=place))


@pytest.mark.parametrize(
    "body",
    [
        ("Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"),
        ("Content-Length: 3", b"abc"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3", b"3\r\nabc\r\n0\r\n\r\n"),
    ],
)
def test_a_body_goes_the_route_and_the_next_request_does_not(pair: Pair, body: tuple[str, bytes]) -> None:
    warm(pair)
    request = pair.request(body[0])
    (told,) = pair.both(request + body[1])
    if b"400" not in told.status:  # after which a server closes, and what is sent then may undo its answer
        pair.both(request, body[1])


def test_every_split_of_a_request_is_put_together(pair: Pair) -> None:
    warm(pair)
    request = pair.request()
    before = pair.fast.fast()
    with closing(pair.fast.connect()) as wire:
        wire.send(request)
        whole = wire.read().comparable()
        for at in range(1, len(request)):
            wire.send(request[:at], request[at:])
            assert wire.read().comparable() == whole, at
    # Two pieces may meet on their way, so the one at the beginning is what is sure.
    assert before < pair.fast.fast() <= before + len(request)


def test_pipelined_requests_are_answered_in_order(pair: Pair) -> None:
    warm(pair)
    places = ["12/0_0", "12/1_0", "12/9_9", "12/2_0", "0/0_0", "12/3_0"]
    requests = [pair.request(place=place) for place in places]
    other = b"GET /api/session HTTP/1.1\r\n" + pair.secrets["viewer"].encode() + b"\r\n\r\n"
    pair.both(b"".join(requests), answers=6)
    pair.both(*requests, answers=6)
    pair.both(requests[0] + other, *requests[1:], answers=7)
    pair.both(other, requests[0], requests[1] + other + requests[2][:30], requests[2][30:], answers=5)


def test_nothing_overtakes_an_answer_that_is_under_way(pair: Pair) -> None:
    warm(pair)
    slow = (
        f"GET /api/slides/{pair.slide}/region?x=0&y=0&width=1500&height=1500&format=png HTTP/1.1\r\n"
        f"{pair.secrets['viewer']}\r\n\r\n"
    ).encode()
    told = pair.both(slow, pair.request(), pair.request(place="12/1_1"), answers=3)
    assert [answer.get(b"content-type") for answer in told] == [b"image/png", b"image/jpeg", b"image/jpeg"]


@pytest.mark.parametrize("who", ["bound", "expired", "unknown", "long", "basic", "none"])
def test_who_may_not_see_it_gets_the_routes_refusal(pair: Pair, who: str) -> None:
    warm(pair)
    before = pair.fast.fast()
    told = [pair.both(pair.request(who=who), pair.request(who=who), answers=2) for _ in range(2)]
    assert {answer.status.split()[1] for answers in told for answer in answers} == {
        b"404" if who == "bound" else b"401"
    }
    assert pair.fast.fast() == before


def test_rights_end_at_the_next_request_of_an_open_connection(pair: Pair) -> None:
    others = Services.open(Settings(data=pair.data))  # as another process would
    accounts = others.accounts
    token = accounts.create_token("short", role=Role.VIEWER)
    account = accounts.add("leaving", Role.VIEWER)
    gone, closed = (accounts.sign_in(accounts.make_link(account.name).code) for _ in range(2))
    pair.secrets["token"] = f"Authorization: Bearer {token.secret}"
    pair.secrets["gone"] = f"Cookie: pathserve_session={gone}"
    pair.secrets["closed"] = f"Cookie: pathserve_session={closed}"
    changes = {
        "token": lambda: accounts.revoke_token(token.record.id),
        "closed": lambda: accounts.sign_out(closed),
        "gone": lambda: accounts.disable(account.name),
    }
    for who, change in changes.items():
        with closing(pair.fast.connect()) as wire:
            for _ in range(3):
                wire.send(pair.request(who=who))
                assert wire.read().status == b"HTTP/1.1 200 OK"
            before = pair.fast.fast()
            wire.send(pair.request(who=who))
            assert wire.read().status == b"HTTP/1.1 200 OK"
            assert pair.fast.fast() == before + 1
            change()
            wire.send(pair.request(who=who))
            assert wire.read().status == b"HTTP/1.1 401 Unauthorized", who
        pair.both(pair.request(who=who))
    others.close()


def ask_in_turn(wires: Sequence[Wire], requests: Sequence[bytes], rounds: int = 1) -> list[Told]:
    """Send requests one after the other, each over the next connection."""
    told = []
    for number, request in enumerate([*requests] * rounds):
        wire = wires[number % len(wires)]
        wire.send(request)
        answer = wire.read()
        assert answer is not None
        told.append(answer)
    return told


def of_the_other(pair: Pair, request: bytes) -> bytes:
    return request.replace(pair.slide.encode(), pair.other.encode())


def test_slides_and_callers_that_share_connections_are_looked_up_once(pair: Pair, monkeypatch) -> None:
    requests = [pair.request("Accept: shared/1", who=who, place=place) for place in SHARED_PLACES for who in CALLERS]
    requests += [of_the_other(pair, request) for request in requests]
    plain = [pair.both(request)[0] for request in requests]
    monkeypatch.setattr(fast_path, "_MOMENT_SECONDS", float(SECONDS))
    looked_up = [0]

    def counted(*arguments):
        looked_up[0] += 1
        return allow(*arguments)

    monkeypatch.setattr(fast_path, "allow", counted)
    with ExitStack() as stack:
        wires = [stack.enter_context(closing(pair.fast.connect())) for _ in range(5)]
        told = ask_in_turn(wires, requests, rounds=10)
    assert [answer.comparable() for answer in told] == [answer.comparable() for answer in plain] * 10
    assert {answer.status for answer in told} == {b"HTTP/1.1 200 OK"}
    assert looked_up[0] <= 2 * 2 * len(CALLERS)  # two questions for each slide and caller; 240 without a memory


def test_rights_end_at_the_next_request_on_connections_that_many_share(pair: Pair, monkeypatch) -> None:
    monkeypatch.setattr(fast_path, "_MOMENT_SECONDS", float(SECONDS))
    others = Services.open(Settings(data=pair.data))  # as another process would
    token = others.accounts.create_token("shared", role=Role.VIEWER)
    pair.secrets["shared"] = f"Authorization: Bearer {token.secret}"
    own = pair.request(who="shared", place="11/1_1")
    requests = [own, pair.request(place="11/1_1"), of_the_other(pair, own)]
    with closing(pair.fast.connect()) as first, closing(pair.fast.connect()) as second:
        ask_in_turn((first, second), requests, rounds=4)
        before = pair.fast.fast()
        told = ask_in_turn((first, second), requests, rounds=4)
        assert {answer.status for answer in told} == {b"HTTP/1.1 200 OK"}
        assert pair.fast.fast() == before + len(told)
        others.accounts.revoke_token(token.record.id)
        told = ask_in_turn((first, second), requests, rounds=2)
    assert [answer.status.split()[1] for answer in told] == [b"401", b"200", b"401"] * 2
    others.close()


def test_what_is_known_of_requests_is_bounded(pair: Pair, monkeypatch) -> None:
    warm(pair)
    monkeypatch.setattr(fast_path, "_MOMENT_SECONDS", float(SECONDS))
    monkeypatch.setattr(fast_path, "MOST_KNOWN", 5)
    fast, told = FastPath(pair.fast.services), set[bytes]()
    for number in range(40):
        request = pair.request(f"Accept: bounded/{number}")
        for _ in range(2):
            answer = fast.answer(request, Visit(), b"")
            assert answer is not None
            told.add(bytes(answer[1]))
        assert 1 <= len(fast._known) <= 5
    assert len(told) == 1


def test_a_token_ends_in_its_moment_without_any_write(pair: Pair) -> None:
    token = pair.fast.services.accounts.create_token("soon", role=Role.VIEWER, lifetime_seconds=1.5)
    pair.secrets["soon"] = f"Authorization: Bearer {token.secret}"
    end, before = time.time() + 1.5, pair.fast.fast()
    with closing(pair.fast.connect()) as wire:
        statuses = []
        while not statuses or statuses[-1] == b"200":
            asked = time.time()
            wire.send(pair.request(who="soon"))
            statuses.append(wire.read().status.split()[1])
            assert asked < end + SECONDS
        assert statuses[-1] == b"401"
        assert asked > end - 0.5  # the answer before it was still right
        assert pair.fast.fast() > before


def test_a_slide_that_moves_or_goes_is_not_given_any_longer(pair: Pair) -> None:
    services = pair.fast.services
    member = services.accounts.create_token("member", role=Role.VIEWER, project=DEFAULT_PROJECT)
    pair.secrets["member"] = f"Authorization: Bearer {member.secret}"
    ask = pair.request(who="member")
    with closing(pair.fast.connect()) as wire:
        for _ in range(3):
            wire.send(ask)
            assert wire.read().status == b"HTTP/1.1 200 OK"
        services.catalog.edit_slide(pair.slide, SlideFacts(project="elsewhere"))
        wire.send(ask)
        assert wire.read().status == b"HTTP/1.1 404 Not Found"
        services.catalog.edit_slide(pair.slide, SlideFacts(project=DEFAULT_PROJECT))
        wire.send(ask)
        assert wire.read().status == b"HTTP/1.1 200 OK"


def test_a_slow_reader_gets_every_answer_whole_and_in_order(pair: Pair) -> None:
    warm(pair)
    places = [f"12/{n % 9}_{n // 9 % 12}" for n in range(600)]
    for server in (pair.plain, pair.fast):
        before = server.fast()
        with closing(server.connect(receive_buffer=4096)) as wire:
            # More than what the system buffers in all, and nobody reads: the requests themselves fit into its buffers.
            wire.send(*[pair.request(place=place) for place in places])
            held = [c.transport.get_write_buffer_size() for c in server.server.server_state.connections]
            assert max(held) < 300_000  # all answers have some 8 MB
            for place in places:
                told = wire.read()
                assert told.get(b"etag") == f'"g1-{place.replace("/", "-").replace("_", "-")}"'.encode()
                assert len(told.body) == int(told.get(b"content-length"))
        if server is pair.fast:
            assert 0 < server.fast() - before < len(places)  # it waits for the client as the route does


@pytest.mark.parametrize(
    ("where", "bugs"),
    [("pathserve.tiles.stored.StoredTiles.read", 3), ("pathserve.server.fast_path.allow", 6)],
)
def test_a_bug_in_the_short_way_is_answered_by_the_route(
    pair: Pair, where: str, bugs: int, monkeypatch, caplog
) -> None:
    warm(pair)
    places = ["12/3_4", "12/1_1", "12/2_2"]
    before = pair.fast.fast()
    with closing(pair.fast.connect()) as wire:
        wire.send(pair.request())
        whole = wire.read()
        with monkeypatch.context() as patch:
            patch.setattr(where, _broken)
            for place in places:
                # Other headers than before: at the first it asks anew who may see what, at the second it need not.
                # One after the other, for while a route answers the short way takes nothing.
                told = []
                for _ in range(2):
                    wire.send(pair.request(f"Accept: {place}-{bugs}", place=place))
                    told.append(wire.read())
                assert [answer.status for answer in told] == [b"HTTP/1.1 200 OK"] * 2
                assert told[0].body == told[1].body
        assert told[0].body != whole.body
        fast = pair.fast.fast()
        assert fast - before == 1 + 6 - bugs
        wire.send(pair.request())
        assert wire.read().comparable() == whole.comparable()
        assert pair.fast.fast() == fast + 1  # and after it the short way is open again
    until = time.monotonic() + 10
    while len(caplog.records) < bugs and time.monotonic() < until:  # the server writes them in another thread
        time.sleep(0.01)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == bugs
    for line in lines:
        assert line.startswith("ZeroDivisionError in the short way of tiles at pathserve.server.protocol:")
        assert "Doe" not in line


def _broken(*_: object, **__: object) -> None:
    """Stand for a mistake, whose text names a patient."""
    raise ZeroDivisionError("Doe, Jane")


def test_each_request_of_a_connection_stands_for_itself(pair: Pair) -> None:
    warm(pair)
    viewer = pair.secrets["viewer"]
    turned = viewer[:-1] + ("a" if viewer[-1] != "a" else "b")  # of the same length, and nobody's
    secrets = [viewer, turned, viewer, pair.secrets["bound"], viewer, pair.secrets["bound"], turned, viewer]
    told = {}
    for server in (pair.plain, pair.fast):
        with closing(server.connect()) as wire:
            for number, secret in enumerate(secrets):
                for query in ("?g=1", "?g=2", "?z=0", "?z=9"):
                    wire.send(pair.request(secret, who="", query=query))
                    told.setdefault((number, query), []).append(wire.read().comparable())
    assert all(plain == fast for plain, fast in told.values())
    statuses = [told[number, "?g=1"][0].status.split()[1] for number in range(len(secrets))]
    assert statuses == [b"200", b"401", b"200", b"404", b"200", b"404", b"401", b"200"]
    assert {told[0, query][0].get(b"cache-control") for query in ("?g=1", "?g=2")} == {
        b"private, max-age=31536000, immutable",
        b"private, no-cache",
    }


def test_a_request_inside_a_body_is_no_request(pair: Pair) -> None:
    warm(pair)
    hidden, before = pair.request(), pair.fast.fast()
    told = []
    for server in (pair.plain, pair.fast):
        with closing(server.connect()) as wire:
            outer = pair.request(f"Content-Length: {len(hidden)}").replace(b"GET", b"POST", 1)
            wire.send(outer)
            answers = [wire.read()]  # it is refused before its body has come
            wire.send(hidden)
            wire.send(b"GET /healthz HTTP/1.1\r\n\r\n")
            answers += [wire.read()]
            told.append([answer.comparable() for answer in answers])
    assert told[0] == told[1]
    assert [answer.status.split()[1] for answer in told[1]] == [b"405", b"200"]
    assert told[1][1].get(b"content-type") != b"image/jpeg"
    assert pair.fast.fast() == before


@pytest.mark.parametrize("in_one", [True, False], ids=["in one piece", "later"])
@pytest.mark.parametrize(
    "headers",
    [
        ("Connection: Upgrade", "Upgrade: foo"),
        ("Connection: keep-alive, Upgrade", "Upgrade: websocket"),
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    ],
    ids=["foo", "websocket", "h2c"],
)
def test_a_request_for_another_protocol_is_the_last_one_of_its_connection(
    pair: Pair, headers: Sequence[str], in_one: bool
) -> None:
    warm(pair)
    before = pair.fast.fast()
    slow = f"GET /api/slides/{pair.slide}/region?x=0&y=0&width=1500&height=1500&format=png HTTP/1.1".encode()
    first = slow + pair.request(*headers).removeprefix(f"GET {pair.path()} HTTP/1.1".encode())
    with closing(pair.fast.connect()) as wire:
        wire.send(*([first + pair.request()] if in_one else [first, pair.request(), pair.request()]))
        told = wire.read()
        assert (told.status, told.get(b"connection")) == (b"HTTP/1.1 200 OK", b"close")
        assert told.get(b"content-type") == b"image/png"
        assert wire.read() is None
    assert pair.fast.fast() == before


@pytest.mark.parametrize("in_one", [True, False], ids=["in one piece", "later"])
@pytest.mark.parametrize("method", [b"POST", b"CONNECT"])
def test_a_body_after_a_wish_for_another_protocol_is_no_request(pair: Pair, method: bytes, in_one: bool) -> None:
    warm(pair)
    hidden, before = pair.request(), pair.fast.fast()
    headers = ("Connection: Upgrade", "Upgrade: foo", f"Content-Length: {len(hidden)}")
    outer = pair.request(*headers).replace(b"GET", method, 1)
    with closing(pair.fast.connect()) as wire:
        wire.send(*([outer + hidden] if in_one else [outer, hidden]))
        told = wire.read()
        assert (told.status.split()[1], told.get(b"connection")) == (b"405", b"close")
        assert wire.read() is None
    assert pair.fast.fast() == before


@pytest.mark.parametrize("protocol", [TileProtocol, "httptools"], ids=["fast", "plain"])
def test_a_server_that_ends_finishes_what_it_answers(pair: Pair, protocol: type | str) -> None:
    with running(pair.data, protocol) as server:
        with closing(server.connect(receive_buffer=4096)) as first:
            for _ in range(8):
                first.send(pair.request())
                first.read()
            first.send(*[pair.request()] * 12)
            time.sleep(0.1)
            server.server.should_exit = True
            time.sleep(0.2)
            told = []
            while (answer := first.read()) is not None:
                told.append(answer)
        assert told  # each whole, as `read` has checked, and then the end


VALUES = st.sampled_from(["keep-alive", "close", "*", "a", '"x"', "text/html", "0", "chunked", "100-continue", "\t"])
NAMES = st.sampled_from(
    ["Host", "accept", "ACCEPT", "Connection", "If-None-Match", "Range", "Expect", "Content-Length", "Cookie", "Via",
     "Transfer-Encoding", "Upgrade", "X-Forwarded-For", "Origin", "Referer", "Sec-Fetch-Site", "User-Agent", "Accept "]
)  # fmt: skip
QUERIES = st.sampled_from(
    ["", "?", "?g=1", "?g=2", "?g=1&color=srgb", "?g=x", "?color=srgb&g=1", "?c=0", "?c=7", "?z=0", "?t=1", "?g=+1",
     "?unknown=1", "?g=1&g=1", "?g=%31", "?format=webp", "?color=source;g=1", "?g=1?g=1", "?z=max", "?g="]
)  # fmt: skip
PLACES = st.one_of(
    st.tuples(st.integers(0, 14), st.integers(0, 10), st.integers(0, 13)).map(lambda at: "{}/{}_{}".format(*at)),
    st.sampled_from(
        ["12/3_4", "12/3_4", "012/0003_4", "12/3_4_5", "12/3/4", "12/+3_4", "12//3_4", "12/3_4/", "12/%33_4"]
    ),
)


def test_any_request_has_the_same_answer_on_both_ways(pair: Pair) -> None:
    @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        method=st.sampled_from(["GET", "GET", "GET", "GET", "HEAD", "OPTIONS"]),
        place=PLACES,
        query=QUERIES,
        ending=st.sampled_from([".jpeg", ".jpeg", ".jpeg", ".jpg", ".png", ".JPEG", ".jpeg/", ""]),
        version=st.sampled_from(["1.1", "1.1", "1.1", "1.0"]),
        who=st.sampled_from(["viewer", "viewer", "session", "lower case", "both", "bound", "basic", "none"]),
        headers=st.lists(st.tuples(NAMES, st.sampled_from([": ", ":", ":  ", ":\t"]), VALUES), max_size=3),
        cuts=st.lists(st.integers(1, 400), max_size=3),
    )
    @example("GET", "12/3_4", "?g=1", ".jpeg", "1.1", "viewer", [], [])
    def check(method, place, query, ending, version, who, headers, cuts) -> None:
        lines = [f"{method} /dzi/{pair.slide}_files/{place}{ending}{query} HTTP/{version}", pair.secrets[who]]
        lines += ["".join(header) for header in headers]
        request = "\r\n".join([*lines, "", ""]).encode()
        if re.search(rb"(?i)content-length|transfer-encoding|upgrade", request):
            request = request.replace(b" HTTP/1.1\r\n", b" HTTP/1.1\r\nConnection: close\r\n", 1)
        edges = [0, *sorted({cut for cut in cuts if cut < len(request)}), len(request)]
        pieces = [request[start:end] for start, end in pairwise(edges)]
        if re.search(rb"(?i)transfer-encoding:\s*chunked", request):
            pieces = [request + b"0\r\n\r\n"]
        (told,) = pair.both(b"".join(pieces), is_head=method == "HEAD")
        if told is not None and b"400" not in told.status:  # after which what is sent may undo the answer
            pair.both(*pieces, is_head=method == "HEAD")

    warm(pair)
    before = pair.fast.fast()
    check()
    assert pair.fast.fast() > before  # else both would have gone the same way


def question(pair: Pair, who: str, slide: str, *headers: str, query: str = "") -> bytes:
    lines = [f"GET /api/slides/{slide}/access{query} HTTP/1.1", "Host: 127.0.0.1", *headers, pair.secrets[who]]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def fast_access(pair: Pair) -> int:
    return pair.fast.services.metrics.snapshot().tallies[Tally.ACCESS_FAST]


@pytest.mark.parametrize("who", ["viewer", "session", "both"])
def test_a_proxys_question_goes_the_short_way(pair: Pair, who: str) -> None:
    ask = question(pair, who, pair.slide, "X-Forwarded-For: 192.0.2.7", "Accept: */*", 'If-None-Match: "x"')
    pair.both(ask)
    before = fast_access(pair)
    told = pair.both(ask, ask, answers=2, in_turn=True)
    assert [(answer.status, answer.body) for answer in told] == [(b"HTTP/1.1 204 No Content", b"")] * 2
    assert fast_access(pair) == before + 2


@pytest.mark.parametrize("who", ["bound", "expired", "unknown", "long", "basic", "none"])
def test_a_proxy_hears_no_from_the_route(pair: Pair, who: str) -> None:
    warm(pair)
    before = fast_access(pair)
    told = [pair.both(question(pair, who, pair.slide))[0] for _ in range(2)]
    assert {answer.status.split()[1] for answer in told} == {b"403" if who == "bound" else b"401"}
    assert pair.both(question(pair, "viewer", "none"))[0].status.split()[1] == b"403"
    assert pair.both(question(pair, "viewer", pair.slide, query="?x=1"))[0].status.split()[1] == b"422"
    assert pair.both(question(pair, "viewer", pair.slide, "Range: bytes=0-1"))[0].status.split()[1] == b"204"
    assert fast_access(pair) == before


def test_a_proxys_question_and_tiles_share_a_connection_and_rights_end_for_both(pair: Pair) -> None:
    token = pair.fast.services.accounts.create_token("proxied", role=Role.VIEWER)
    pair.secrets["proxied"] = f"Authorization: Bearer {token.secret}"
    with closing(pair.fast.connect()) as wire:
        for _ in range(3):
            for ask, status in ((question(pair, "proxied", pair.slide), b"204"), (pair.request(who="proxied"), b"200")):
                wire.send(ask)
                assert wire.read().status.split()[1] == status
        before = fast_access(pair)
        wire.send(question(pair, "proxied", pair.slide))
        assert wire.read().status.split()[1] == b"204"
        # Another slide of the same connection is another question.
        wire.send(question(pair, "proxied", "none"))
        assert wire.read().status.split()[1] == b"403"
        assert fast_access(pair) == before + 1
        pair.fast.services.accounts.revoke_token(token.record.id)
        wire.send(question(pair, "proxied", pair.slide))
        assert wire.read().status.split()[1] == b"401"
        pair.fast.services.catalog.edit_slide(pair.slide, SlideFacts(project="elsewhere"))
        bound = question(pair, "bound", pair.slide)
        wire.send(bound)
        assert wire.read().status.split()[1] == b"204"
        pair.fast.services.catalog.edit_slide(pair.slide, SlideFacts(project=DEFAULT_PROJECT))
        wire.send(bound)
        assert wire.read().status.split()[1] == b"403"
