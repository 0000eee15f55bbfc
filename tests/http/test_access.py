"""Nobody gets anything without signing in, and nobody gets more than their role."""

import re
from urllib.parse import quote

import pytest
from starlette.routing import Mount, Route

from pathserve.access import Action, Role
from pathserve.catalog import SlideFacts
from pathserve.server.app import ENDPOINTS

GRID = {"x": 0, "y": 0, "width": 1, "height": 1}
PUBLIC = {("GET", "/sign-in"), ("POST", "/sign-in"), ("GET", "/healthz"), ("GET", "/readyz")}
WHERE = {"slide": "abc", "annotation": "00000000-0000-4000-8000-000000000000", "level": "0", "col": "0", "row": "0"}


def address(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: WHERE.get(match[1], "x"), path)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_without_a_token_there_is_nothing_but_what_is_public(site, endpoint) -> None:
    answer = site.anonymous.request(endpoint.method, address(endpoint.path))
    if (endpoint.method, endpoint.path) in PUBLIC:
        assert answer.status_code != 401
    else:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "unauthenticated"


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/nothing", "/zarr/x", "/metrics", "/assets", "/sign-in/x", "//sign-in"]
)
def test_unknown_addresses_are_401_too(site, path: str) -> None:
    assert site.anonymous.get(path).status_code == 401


def test_every_route_is_declared_with_a_permission(site) -> None:
    routes = [r for r in site.anonymous.app.routes if isinstance(r, Route)]
    assert {(m, r.path) for r in routes for m in r.methods - {"HEAD"}} == {(e.method, e.path) for e in ENDPOINTS}
    assert [r.path for r in site.anonymous.app.routes if isinstance(r, Mount)] == ["/assets"]
    assert {(e.method, e.path) for e in ENDPOINTS if e.action == "public"} == PUBLIC


@pytest.mark.parametrize("secret", ["", "pst_wrong", "a b", "é".encode().decode("latin-1")])
def test_a_wrong_token_is_nobody_even_beside_a_good_session(site, secret: str) -> None:
    code = site.services.accounts.ensure_admin().code
    assert site.anonymous.post("/sign-in", json={"code": code}).status_code == 204
    assert site.anonymous.get("/api/session").json()["user"] == "admin"
    answer = site.anonymous.get("/api/session", headers={"authorization": f"Bearer {secret}".encode("latin-1")})
    assert answer.status_code == 401


def test_a_browser_is_sent_to_sign_in_and_comes_back(site) -> None:
    answer = site.anonymous.get("/slides/abc?x=1&y=2", headers={"accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/slides/abc%3Fx%3D1%26y%3D2")


def test_options_answers_everybody_and_tells_nothing(site) -> None:
    for path in ("/api/slides", f"/api/slides/{site.slide}", "/nothing"):
        answer = site.anonymous.options(path)
        assert (answer.status_code, answer.content) == (204, b"")


def test_a_session_cookie_cannot_be_read_by_scripts_or_sent_by_other_sites(site) -> None:
    code = site.services.accounts.ensure_admin().code
    cookie = site.anonymous.post("/sign-in", json={"code": code}).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_a_used_code_signs_nobody_in(site) -> None:
    code = site.services.accounts.ensure_admin().code
    assert site.anonymous.post("/sign-in", json={"code": code}).status_code == 204
    again = site.anonymous.post("/sign-in", json={"code": code})
    assert (again.status_code, code in again.text) == (401, False)


def test_signing_out_ends_the_session(site) -> None:
    site.anonymous.post("/sign-in", json={"code": site.services.accounts.ensure_admin().code})
    kept = dict(site.anonymous.cookies)
    assert site.anonymous.delete("/api/session").status_code == 204
    site.anonymous.cookies.update(kept)
    assert site.anonymous.get("/api/session").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 204),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://testserver"}, 204),
        ({}, 204),
    ],
)
def test_another_sites_page_cannot_write_with_a_visitors_session(site, headers, status: int) -> None:
    site.anonymous.post("/sign-in", json={"code": site.services.accounts.ensure_admin().code})
    assert site.anonymous.delete("/api/session", headers=headers).status_code == status


def test_a_window_of_one_account_does_not_write_as_another(site) -> None:
    site.anonymous.post("/sign-in", json={"code": site.services.accounts.ensure_admin().code})
    name = site.anonymous.get("/api/session").json()["user"]
    address = f"/api/slides/{site.slide}/annotations"
    square = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]},
        "properties": {},
    }
    refused = site.anonymous.post(address, json=square, headers={"pathserve-account": "%C3%98degaard"})
    assert (refused.status_code, refused.json()["code"]) == (401, "other_account")
    assert site.anonymous.get(address, headers={"pathserve-account": "%C3%98degaard"}).json()["features"] == []
    for headers in ({"pathserve-account": quote(name)}, {}):
        assert site.anonymous.post(address, json=square, headers=headers).status_code == 201


def test_roles(site) -> None:
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": {}}
    path = f"/api/slides/{site.slide}"
    expected = {"viewer": (403, 403, 403), "annotator": (201, 403, 403), "reviewer": (201, 200, 403)}
    for role, statuses in expected.items():
        client = site.client(role)
        assert client.get(path).status_code == 200
        got = (
            client.post(f"{path}/annotations", json=point).status_code,
            client.patch(path, json={"name": role}).status_code,
            client.delete(path).status_code,
        )
        assert got == statuses, role
    assert site.client("admin").delete(path).status_code == 204
    assert site.client("admin").get(path).status_code == 404


def test_a_revoked_token_ends_at_once(site) -> None:
    client = site.client("viewer")
    assert client.get("/api/slides").status_code == 200
    site.services.accounts.revoke_token("viewer")
    assert client.get("/api/slides").status_code == 401


def test_a_project_token_knows_nothing_of_other_projects(site) -> None:
    site.services.catalog.edit_slide(site.field, SlideFacts(project="other"))
    token = site.services.accounts.create_token("p", role=Role.ADMIN, project="other").secret
    client = site.client()
    client.headers["authorization"] = f"Bearer {token}"
    assert [slide["id"] for slide in client.get("/api/slides").json()["items"]] == [site.field]
    made = site.client().post(
        f"/api/slides/{site.slide}/annotations",
        json={"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": {}},
    )
    annotation = made.json()["ids"][0]
    there = {"slide": site.slide, "annotation": annotation, "name": "label"}
    there |= {"level": "12", "col": "0", "row": "0", "format": "jpg"}
    there |= {"z": "12", "x": "0", "y": "0", "layer": "annotator", "path": "zarr.json"}
    there |= {"region": "full", "size": "max", "rotation": "0", "quality": "default"}
    needed = {"region": GRID, "mask": GRID, "pair": GRID}
    about_one = [e for e in ENDPOINTS if re.search(r"\{(slide|annotation)\}", e.path) and e.path != "/slides/{slide}"]
    assert len(about_one) > 15
    for endpoint in about_one:
        path = re.sub(r"\{(\w+)(:path)?\}", lambda match: there[match[1]], endpoint.path)
        answer = client.request(
            endpoint.method,
            path,
            params=needed.get(path.rsplit("/", 1)[1], {}),
            json={"revision": 1} if path.endswith("revert") else {"name": "x"},
            headers={"if-match": '"r1"'},
        )
        # What is for admins of all projects alone is denied before it is looked which slide it is about.
        # A proxy's question is answered so that nginx understands it.
        expected = 403 if endpoint.action is Action.PSEUDONYMS or path.endswith("/access") else 404
        assert answer.status_code == expected, (endpoint.method, path, answer.text)
    assert site.client().get(f"/api/annotations/{annotation}").headers["etag"] == '"r1"'
    assert client.patch(f"/api/slides/{site.field}", json={"project": "default"}).status_code == 404
