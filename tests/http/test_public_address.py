"""A declared public address: what it can be, and what follows from it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from pathserve.config import PUBLIC_URL_VARIABLE, Settings, parse_public_url, public_address
from pathserve.errors import Invalid
from pathserve.server.app import create_app

PUBLIC = "https://slides.example.org"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://slides.example.org", "https://slides.example.org"),
        (" HTTPS://Slides.Example.ORG/ ", "https://slides.example.org"),
        ("https://slides.example.org:443", "https://slides.example.org"),
        ("https://slides.example.org:8443/", "https://slides.example.org:8443"),
        ("http://10.0.0.7:80", "http://10.0.0.7"),
        ("http://[2001:DB8::7]:8000", "http://[2001:db8::7]:8000"),
    ],
)
def test_an_address_is_read_as_browsers_write_an_origin(text: str, expected: str) -> None:
    assert parse_public_url(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("slides.example.org", "ftp://slides.example.org", "https://", "https://:443", "https://a b"),
        *("https://slides.example.org/pathology", "https://ada@slides.example.org", "https://a?b", "https://a#b"),
        *("https://a:b", "https://a:99999", "https://[::1", 'https://a"b', "https://a\r\nb", ""),
    ],
)
def test_what_is_more_or_less_than_that_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_public_url(text)


def test_what_is_given_wins_over_the_environment(monkeypatch) -> None:
    monkeypatch.delenv(PUBLIC_URL_VARIABLE, raising=False)
    assert public_address() is None
    monkeypatch.setenv(PUBLIC_URL_VARIABLE, PUBLIC)
    assert public_address() == PUBLIC
    assert public_address("http://lab") == "http://lab"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """Sign in as a browser does that a proxy stands in front of; it passes another Host on."""
    services = []

    def sign_in(public_url: str | None) -> TestClient:
        app = create_app(Settings(data=tmp_path / f"data-{len(services)}", public_url=public_url))
        services.append(app.state.services)
        client = TestClient(app, base_url="http://upstream:8000", raise_server_exceptions=False)
        code = app.state.services.accounts.make_link(app.state.services.accounts.ensure_admin().account).code
        answer = client.post("/sign-in", json={"code": code})
        assert answer.status_code == 204
        client.headers["cookie"] = answer.headers["set-cookie"].partition(";")[0]
        client.signed_in = answer  # type: ignore[attr-defined]
        return client

    yield sign_in
    for opened in services:
        opened.close()


@pytest.mark.parametrize("path", ["/api/slides/", "/iiif/3/any/", "/dzi/any.dzi/", "/sign-in/", "/readyz/"])
def test_no_address_leads_to_the_host_that_a_request_names(browser, path: str) -> None:
    client = browser(PUBLIC)
    answer = client.get(path, headers={"host": "evil.example", "x-forwarded-proto": "https"}, follow_redirects=False)
    assert (answer.status_code, "location" in answer.headers) == (404, False)


@pytest.mark.parametrize(("public_url", "secure"), [(PUBLIC, True), ("http://lab", False), (None, False)])
def test_cookies_are_secure_when_people_come_by_https(browser, public_url: str | None, secure: bool) -> None:
    cookie = browser(public_url).signed_in.headers["set-cookie"].lower()
    assert ("; secure" in cookie) == secure


@pytest.mark.parametrize(
    ("public_url", "origin", "status"),
    [
        (PUBLIC, PUBLIC, 204),
        (PUBLIC, "http://slides.example.org", 403),
        (PUBLIC, "https://slides.example.org.evil.example", 403),
        (PUBLIC, "http://upstream:8000", 403),  # whoever makes a browser believe that this host is theirs
        (PUBLIC, "null", 403),
        (None, "http://upstream:8000", 204),
        (None, PUBLIC, 403),
    ],
)
def test_a_browsers_write_comes_from_the_public_address(browser, public_url, origin: str, status: int) -> None:
    assert browser(public_url).delete("/api/session", headers={"origin": origin}).status_code == status


def start(tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pathserve", "serve", "--data", str(tmp_path / "data"), "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_other_machines_are_let_in_only_when_it_is_said_how_they_come(tmp_path: Path) -> None:
    process = start(tmp_path, "--host", "0.0.0.0")  # noqa: S104 - what is refused
    said, noted = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "")
    assert "--public-url" in noted
    assert noted.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_the_first_sign_in_link_is_of_the_public_address(tmp_path: Path) -> None:
    process = start(tmp_path, "--host", "0.0.0.0", "--public-url", PUBLIC)  # noqa: S104 - with it, it is allowed
    assert process.stdout is not None
    where, link = process.stdout.readline(), process.stdout.readline()
    assert link.startswith(f"Sign in, once, with: {PUBLIC}/sign-in#")
    port = where.split(", for people at")[0].rpartition(":")[2]
    # The process of the server knows it too: nobody is of this machine.
    assert httpx2.get(f"http://127.0.0.1:{port}/metrics").status_code == 401
    process.terminate()
    process.communicate(timeout=60)


def test_links_are_printed_for_the_public_address_of_the_environment(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(PUBLIC_URL_VARIABLE, PUBLIC + "/")
    words = ["user", "add", "ada", "--data", str(tmp_path / "data")]
    done = subprocess.run([sys.executable, "-m", "pathserve", *words], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{PUBLIC}/sign-in#")
