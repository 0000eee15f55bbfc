"""The viewer's scripts and styles: as they are, or gzipped for whoever takes that."""

from importlib import resources
from pathlib import Path

import pytest

VIEWER = Path(str(resources.files("pathserve"))) / "_viewer"


@pytest.fixture
def scripts() -> list[Path]:
    found = [path for path in VIEWER.iterdir() if path.suffix in (".js", ".css")]
    if not found:
        pytest.fail("the viewer has not been built: install PathServe with `pip install -e .`")
    return found


def test_every_script_and_style_comes_gzipped_and_plain_with_the_same_content(site, scripts) -> None:
    assert len(scripts) > 8
    for path in scripts:
        plain = site.anonymous.get(f"/assets/{path.name}", headers={"accept-encoding": "identity"})
        packed = site.anonymous.get(f"/assets/{path.name}", headers={"accept-encoding": "br, gzip"})
        assert plain.content == packed.content == path.read_bytes()  # the client unpacks
        assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
        assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
        assert plain.headers["content-type"] == packed.headers["content-type"]
        assert plain.headers["etag"] != packed.headers["etag"]
        for answer in (plain, packed):
            assert answer.headers["vary"] == "Accept-Encoding"
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("GZIP;q=0.5, br", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*", False),
        ("", False),
    ],
)
def test_only_who_takes_gzip_gets_it(site, scripts, accepted: str, packed: bool) -> None:
    answer = site.anonymous.get(f"/assets/{scripts[0].name}", headers={"accept-encoding": accepted})
    assert ("content-encoding" in answer.headers) is packed


def test_the_first_load_of_the_viewer_is_small(site) -> None:
    page = site.client().get("/slides/x").text
    names = [part.partition('"')[0] for part in page.split("/assets/")[1:]]
    sizes = {
        name: int(site.anonymous.get(f"/assets/{name}", headers={"accept-encoding": "gzip"}).headers["content-length"])
        for name in names
    }
    assert any(name.startswith("slide-page-") for name in sizes)
    assert sum(sizes.values()) < 200_000


def test_a_gzipped_answer_is_not_sent_twice(site, scripts) -> None:
    headers = {"accept-encoding": "gzip"}
    first = site.anonymous.get(f"/assets/{scripts[0].name}", headers=headers)
    again = site.anonymous.get(f"/assets/{scripts[0].name}", headers=headers | {"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    # and what is no file of the viewer is none with an ending either
    assert site.anonymous.get("/assets/index.html", headers=headers).status_code == 404
    assert site.anonymous.get("/assets/%2e%2e/__init__.py", headers=headers).status_code == 404


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_a_gzipped_file_has_no_address_of_its_own(site, scripts, accepted: str) -> None:
    for name in (f"{scripts[0].name}.gz", f"{scripts[0].name}%2egz", f"{scripts[0].name}.gz/", f"{scripts[0].name}.GZ"):
        answer = site.anonymous.get(f"/assets/{name}", headers={"accept-encoding": accepted})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "immutable" not in answer.headers.get("cache-control", "")
