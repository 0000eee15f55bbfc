"""Errors: one shape, no identity, nothing of the inside."""

import logging
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.testclient import TestClient

from pathserve import errors
from pathserve.access import Role
from pathserve.server import openapi
from pathserve.server.app import ENDPOINTS, create_app
from pathserve.server.problems import on_unexpected, status_of


def leaves(kind: type[errors.PathServeError]) -> list[type[errors.PathServeError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in leaves(child))]


def test_every_error_class_has_a_status_of_its_own() -> None:
    kinds = [kind for kind in leaves(errors.PathServeError)[1:] if not kind.__name__.startswith("_")]
    statuses = {kind.__name__: status_of(kind("x"))[0] for kind in kinds}
    assert statuses == {
        "NotFound": 404,
        "Invalid": 422,
        "Unsatisfiable": 416,
        "Unsupported": 422,
        "NotAcceptable": 406,
        "Malformed": 400,
        "Conflict": 409,
        "Stale": 412,
        "PreconditionNeeded": 428,
        "Cancelled": 409,
        "Denied": 403,
        "Unauthenticated": 401,
        "Corrupt": 500,
        "TooLarge": 413,
        "Busy": 503,
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("POST", "/api/slides", 405),
        ("GET", "/api/slides/x", 404),
        ("GET", "/api/slides?a=1", 422),
    ],
)
def test_one_shape_for_all(site, method: str, path: str, status: int) -> None:
    answer = site.client().request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "code", "detail", "request_id"}
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]


def test_a_bug_tells_the_client_and_the_log_no_identity(caplog) -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": {"request_id": "abc"}}
    with caplog.at_level(logging.ERROR):
        try:
            Path("Smith_John_1950.svs").read_bytes()
        except FileNotFoundError as error:
            answer = on_unexpected(scope, error)
    assert (answer.status_code, b"abc" in answer.body) == (500, True)
    assert "Smith" not in answer.body.decode() + caplog.text
    assert "FileNotFoundError" in caplog.text
    assert "abc" in caplog.text


def test_damaged_pixels_are_a_problem_and_other_slides_go_on(site) -> None:
    shard = next((site.services.settings.slides / f"{site.slide}.zarr" / "0" / "c").rglob("0"))
    shards = [p for p in (site.services.settings.slides / f"{site.slide}.zarr" / "0").rglob("*") if p.is_file()]
    assert shard.exists()
    for path in shards:
        if path.name != "zarr.json":
            path.write_bytes(b"")
    answer = site.client().get(f"/dzi/{site.slide}_files/12/0_0.jpeg")
    assert (answer.status_code, answer.json()["code"]) == (500, "corrupt")
    assert site.client().get(f"/dzi/{site.field}_files/11/0_0.jpeg").status_code == 200


def test_the_interface_describes_itself_in_valid_openapi(site) -> None:
    document = site.client("viewer").get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()
    region = document["paths"]["/api/slides/{slide}/region"]["get"]
    assert {p["name"] for p in region["parameters"]} >= {"slide", "x", "y", "width", "height", "mpp", "downsample"}
    put = document["paths"]["/api/annotations/{annotation}"]["put"]
    assert {"412", "428"} <= set(put["responses"])


def test_the_description_is_made_once_and_only_when_asked_for(monkeypatch, settings) -> None:
    made = list[int]()

    def describe(endpoints) -> dict[str, object]:
        made.append(len(endpoints))
        return {"openapi": "3.1.1"}

    monkeypatch.setattr(openapi, "describe", describe)
    app = create_app(settings)
    token = app.state.services.accounts.create_token("t", role=Role.VIEWER).secret
    with TestClient(app, headers={"authorization": f"Bearer {token}"}) as client:
        assert client.get("/api/session").status_code == 200
        assert made == []
        answers = [client.get("/api/openapi.json") for _ in range(3)]
    assert [answer.json() for answer in answers] == [{"openapi": "3.1.1"}] * 3
    assert made == [len(ENDPOINTS)]


def test_the_description_names_the_limits_that_addresses_have(site) -> None:
    paths = site.client("viewer").get("/api/openapi.json").json()["paths"]

    def told(path: str, method: str = "get") -> set[str]:
        return set(paths[path][method]["responses"]) & {"400", "413", "503"}

    assert told("/iiif/3/{slide}/{region}/{size}/{rotation}/{quality}.{format}") == {"400", "413", "503"}
    assert told("/iiif/3/{slide}/info.json") == {"413", "503"}
    assert told("/api/slides/{slide}/tiles", "post") == {"413", "503"}
    for path in ("region", "mask", "pair", "thumbnail"):
        assert told(f"/api/slides/{{slide}}/{path}") == {"413", "503"}
    assert told("/zarr/{slide}/{path}") == {"503"}
    assert told("/api/slides") == set()
    # That they are true, of one each:
    client, slide = site.client("viewer"), site.slide
    assert client.get(f"/iiif/3/{slide}/full/max/0/default.gif").status_code == 400
    assert client.get(f"/api/slides/{slide}/region?x=0&y=0&width=1000000&height=1000000").status_code == 413
    assert client.get(f"/api/slides/{slide}/mask?x=0&y=0&width=1000000&height=1000000").status_code == 413


def test_security_headers(site) -> None:
    for path in ("/healthz", "/api/slides", "/nothing", "/assets/x", "/"):
        headers = site.client().get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-request-id"]
    for path in ("/", "/slides/x", "/sign-in", "/api/docs"):
        page = site.client().get(path)
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
