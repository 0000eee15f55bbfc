"""Debian's nginx in front of two processes, with the very configuration of the how-to."""

import base64
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pathserve.access import Role
from pathserve.catalog import SlideFacts
from pathserve.config import Settings
from pathserve.server.metrics import ACCESS, TILE
from pathserve.server.services import Services

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "nginx.md"


def spare_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Front:
    """nginx, the server behind it, and who may come in."""

    address: str
    behind: str
    folder: Path
    tokens: dict[str, str]
    services: Services
    slide: str
    other: str
    trust: ssl.SSLContext

    def client(self, name: str | None = "viewer", *, through: bool = True) -> httpx2.Client:
        headers = {} if name is None else {"authorization": f"Bearer {self.tokens[name]}"}
        base = self.address if through else self.behind
        return httpx2.Client(base_url=base, headers=headers, verify=self.trust, timeout=60)

    def counted(self, kind: tuple[str, str]) -> float:
        """How often PathServe itself answered with a 2xx."""
        with self.client("admin", through=False) as client:
            families = text_string_to_metric_families(client.get("/metrics").text)
        wanted = {"method": kind[0], "route": kind[1], "status": "2xx"}
        return sum(s.value for f in families for s in f.samples if s.labels == wanted)

    def tally(self, name: str, how: str) -> float:
        with self.client("admin", through=False) as client:
            families = text_string_to_metric_families(client.get("/metrics").text)
        return sum(s.value for f in families for s in f.samples if (s.name, s.labels.get("how")) == (name, how))

    def tile(self, place: str, slide: str | None = None) -> str:
        slide = slide or self.slide
        generation = self.services.catalog.slide(slide).generation
        return f"/dzi/{slide}_files/{place}.jpeg?g={generation}"


def configuration(changes: dict[str, str]) -> str:
    """Take the configuration out of the how-to, and put this machine's ports and paths into it."""
    blocks = re.findall(r"^ *```nginx\n(.*?)^ *```", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    text = str(blocks[0])
    for old, new in changes.items():
        assert text.count(old) >= 1, old
        text = text.replace(old, new)
    return text


def start_nginx(folder: Path, text: str) -> subprocess.Popen[bytes]:
    """Start it as somebody without rights, also when the tests run as root."""
    (folder / "site.conf").write_text(text)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{ worker_connections 256; }}\n"
        f"http {{ access_log {folder}/access.log; client_body_temp_path {folder}/body;\n{temporary}"
        f"include {folder}/site.conf; }}\n"
    )
    nobody = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    if nobody:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, "nobody", "nogroup")
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "nginx is missing; tests/run.sh installs it"
    words = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **nobody)  # type: ignore[call-overload,no-any-return]


def make_certificate(folder: Path) -> ssl.SSLContext:
    key, certificate = folder / "site.key", folder / "site.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *words.split(), *more], check=True, capture_output=True)
    return ssl.create_default_context(cafile=str(certificate))


def start_server(data: Path, port: int, public_url: str) -> subprocess.Popen[str]:
    words = ["serve", "--data", str(data), "--port", str(port), "--workers", "2", "--public-url", public_url]
    process = subprocess.Popen([sys.executable, "-m", "pathserve", *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert public_url in process.stdout.readline()
    return process


def wait_until_open(nginx: subprocess.Popen[bytes], folder: Path, port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            assert nginx.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that somebody without rights can reach, unlike those of pytest."""
    path = Path(tempfile.mkdtemp(prefix="pathserve-nginx-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def front(ingested: Path, folder: Path, tmp_path_factory) -> Iterator[Front]:
    data = tmp_path_factory.mktemp("behind") / "data"
    shutil.copytree(ingested, data)
    services = Services.open(Settings(data=data))
    by_name = {slide.name: slide.id for slide in services.catalog.slides()[0]}
    services.catalog.edit_slide(by_name["field"], SlideFacts(project="other"))
    tokens = {role.value: services.accounts.create_token(role.value, role=role).secret for role in Role}
    tokens["stranger"] = services.accounts.create_token("stranger", role=Role.ADMIN, project="other").secret
    plain, tls, behind = spare_port(), spare_port(), spare_port()
    address = f"https://localhost:{tls}"
    trust = make_certificate(folder)
    text = configuration(
        {
            "127.0.0.1:8000": f"127.0.0.1:{behind}",
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl": f"listen 127.0.0.1:{tls} ssl",
            "server_name slides.example.org": "server_name localhost",
            "/etc/ssl/certs/slides.example.org.pem": str(folder / "site.pem"),
            "/etc/ssl/private/slides.example.org.key": str(folder / "site.key"),
            "/var/cache/nginx/pathserve": str(folder / "cache"),
        }
    )
    server = start_server(data, behind, address)
    nginx = start_nginx(folder, text)
    try:
        wait_until_open(nginx, folder, tls)
        yield Front(
            address,
            f"http://127.0.0.1:{behind}",
            folder,
            tokens,
            services,
            by_name["slide"],
            by_name["field"],
            trust,
        )
    finally:
        nginx.send_signal(signal.SIGQUIT)
        server.send_signal(signal.SIGINT)
        nginx.wait(60)
        server.communicate(timeout=60)
        services.close()


def test_a_tile_is_the_same_and_the_second_one_is_nginxs_own(front: Front) -> None:
    with front.client(through=False) as direct, front.client() as client:
        for place in ("12/0_0", "12/3_4", "9/1_1"):
            expected = direct.get(front.tile(place))
            before = front.counted(TILE)
            first = client.get(front.tile(place))
            assert front.counted(TILE) == before + 1
            asked = front.counted(ACCESS)
            again = [client.get(front.tile(place)) for _ in range(5)]
            assert (front.counted(TILE), front.counted(ACCESS)) == (before + 1, asked + 5)
            for answer in (first, *again):
                assert (answer.status_code, answer.content) == (200, expected.content)
                for name in ("etag", "cache-control", "content-type", "x-content-type-options"):
                    assert answer.headers[name] == expected.headers[name]
                assert "server-timing" not in answer.headers
            assert [answer.headers["x-cache"] for answer in (first, *again)] == ["MISS", *["HIT"] * 5]
            unchanged = client.get(front.tile(place), headers={"if-none-match": expected.headers["etag"]})
            assert (unchanged.status_code, front.counted(TILE)) == (304, before + 1)


def test_what_is_not_immutable_is_never_kept(front: Front) -> None:
    right = front.tile("11/1_1")
    for address in (right.partition("?")[0], right.replace("g=", "g=9")):
        with front.client() as client:
            before = front.counted(TILE)
            assert [client.get(address).status_code for _ in range(3)] == [200] * 3
            assert front.counted(TILE) == before + 3


def test_what_nginx_passes_on_is_still_answered_without_a_route(front: Front) -> None:
    before = front.tally("pathserve_tiles_total", "fast")
    with front.client() as client:
        for _ in range(10):
            assert client.get(front.tile("11/2_2").replace("g=", "g=9")).status_code == 200
    assert front.tally("pathserve_tiles_total", "fast") > before


def test_a_tile_in_the_cache_leaks_to_nobody(front: Front) -> None:
    tile = front.tile("12/5_5")
    with front.client("viewer") as client:
        assert [client.get(tile).headers["x-cache"] for _ in range(2)] == ["MISS", "HIT"]
    with front.client(None) as nobody:
        for headers in ({}, {"accept": "text/html"}, {"cookie": "pathserve_session=x"}):
            assert nobody.get(tile, headers=headers).status_code == 401
        assert nobody.get(tile, headers={"authorization": "Bearer wrong"}).status_code == 401
        assert nobody.head(tile).status_code == 401
        assert nobody.get("/_pathserve_access").status_code == 404
    with front.client("stranger") as client:
        assert client.get(tile).status_code == 403
        # Their own slide opens, and no spelling makes it stand for the other one.
        own = front.tile("10/0_0", front.other)
        assert client.get(own).status_code == 200
        for path in (
            tile.replace("/dzi/", f"/dzi/{front.other}_files/../"),
            tile.replace("/dzi/", f"/dzi/{front.other}_files/%2e%2e/"),
            tile.replace("/dzi/", "//dzi//"),
            tile.replace("_files", "%5ffiles"),
            tile.replace("/dzi/", f"/dzi/{front.other}_files/0/0_0.jpeg/../../../"),
            tile + f"&slide={front.other}",
        ):
            answer = client.get(front.address + path)
            assert answer.status_code in (403, 404, 422), path
    kept = [path for path in (front.folder / "cache").rglob("*") if path.is_file()]
    assert len(kept) > 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)


def test_a_revoked_token_is_refused_at_once_though_the_tile_lies_in_the_cache(front: Front) -> None:
    front.tokens["leaver"] = front.services.accounts.create_token("leaver", role=Role.VIEWER).secret
    tile = front.tile("12/6_6")
    with front.client("leaver") as client:
        assert [client.get(tile).headers["x-cache"] for _ in range(2)] == ["MISS", "HIT"]
        front.services.accounts.revoke_token("leaver")
        assert client.get(tile).status_code == 401
    with front.client("viewer") as client:
        assert client.get(tile).headers["x-cache"] == "HIT"


def test_a_slide_that_moves_to_another_project_is_hidden_at_once(front: Front) -> None:
    tile = front.tile("10/0_0", front.other)
    front.tokens["member"] = front.services.accounts.create_token("member", role=Role.VIEWER, project="other").secret
    with front.client("member") as client:
        assert [client.get(tile).status_code for _ in range(2)] == [200] * 2
        front.services.catalog.edit_slide(front.other, SlideFacts(project="third"))
        assert client.get(tile).status_code == 403
        front.services.catalog.edit_slide(front.other, SlideFacts(project="other"))
        assert client.get(tile).status_code == 200


def test_people_sign_in_and_out_through_it(front: Front) -> None:
    code = front.services.accounts.make_link("admin").code
    with front.client(None) as browser:
        headers = {"origin": front.address}
        answer = browser.post("/sign-in", json={"code": code}, headers=headers)
        assert answer.status_code == 204
        assert "secure" in answer.headers["set-cookie"].lower()
        assert browser.get("/api/session").json()["user"] == "admin"
        assert browser.get(front.tile("12/0_0")).status_code == 200
        foreign = browser.delete("/api/session", headers={"origin": "https://evil.example"})
        assert foreign.json()["code"] == "cross_site"
        assert browser.delete("/api/session", headers=headers).status_code == 204
        assert browser.get(front.tile("12/0_0")).status_code == 401
    with front.client(None) as browser:
        to_sign_in = browser.get("/slides/x", headers={"accept": "text/html"})
        assert (to_sign_in.status_code, to_sign_in.headers["location"]) == (303, "/sign-in?next=/slides/x")


def test_an_upload_streams_in_and_its_events_come_at_once(front: Front) -> None:
    body = os.urandom(3 << 20)
    headers = {"tus-resumable": "1.0.0"}
    with front.client("admin") as client, client.stream("GET", "/api/jobs/events") as events:
        lines = events.iter_lines()
        assert next(lines).startswith("retry:")
        name = base64.b64encode(b"default").decode()
        made = client.post(
            "/api/uploads",
            headers={**headers, "upload-length": str(len(body)), "upload-metadata": f"project {name}"},
        )
        assert (made.status_code, made.headers["location"].startswith("/api/uploads/")) == (201, True)
        where = made.headers["location"]
        at = 0
        for end in (1 << 20, len(body)):
            part = {**headers, "upload-offset": str(at), "content-type": "application/offset+octet-stream"}
            answer = client.patch(where, headers=part, content=body[at:end])
            assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(end))
            at = end
        job = answer.headers["pathserve-job"]
        assert any(job in line for line in lines if line.startswith("data:"))


def test_an_uploads_bytes_reach_the_server_before_the_upload_has_ended(front: Front) -> None:
    """Buffered by nginx, the first half would not have been there while the second one was still to come."""
    headers = {"tus-resumable": "1.0.0"}
    with front.client("admin") as client:
        made = client.post("/api/uploads", headers={**headers, "upload-length": str(2 << 20)})
        where = made.headers["location"]
        mine = front.services.settings.uploads / where.rpartition("/")[2]
        seen = []

        def parts() -> Iterator[bytes]:
            yield bytes(1 << 20)
            end = time.monotonic() + 30
            while not seen and time.monotonic() < end:
                arrived = sum(f.stat().st_size for f in mine.rglob("*") if f.is_file())
                seen.extend([arrived] if arrived >= 1 << 20 else [])
                time.sleep(0.05)
            yield bytes(1 << 20)

        part = {**headers, "upload-offset": "0", "content-type": "application/offset+octet-stream"}
        part["content-length"] = str(2 << 20)
        assert client.patch(where, headers=part, content=parts()).status_code == 204
        assert seen != []
        client.delete(where, headers=headers)


def test_a_range_of_a_big_file_is_that_part_of_it(front: Front) -> None:
    root = front.services.settings.slides / f"{front.slide}.zarr"
    shard = max((path for path in root.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = shard.read_bytes()
    address = f"/zarr/{front.slide}/{shard.relative_to(root).as_posix()}"
    with front.client() as client:
        answer = client.get(address, headers={"range": "bytes=100000-199999"})
        assert (answer.status_code, answer.content) == (206, content[100_000:200_000])
        assert answer.headers["content-range"] == f"bytes 100000-199999/{len(content)}"
        assert client.get(address, headers={"range": "bytes=-1028"}).content == content[-1028:]
        assert client.get(address).content == content


def test_no_program_of_this_machine_is_one_behind_a_proxy(front: Front) -> None:
    for through in (True, False):
        with front.client(None, through=through) as client:
            assert client.get("/metrics").status_code == 401
