"""What belongs to a project does not exist for accounts and tokens that do not know the project."""

import re
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from pathserve.access import Action, Role
from pathserve.catalog import SlideFacts
from pathserve.db import SqliteDatabase
from pathserve.server.app import ENDPOINTS

GRID = {"x": 0, "y": 0, "width": 1, "height": 1}
NEEDED = {"region": GRID, "mask": GRID, "pair": GRID}
POINT = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": {}}
ABSENT = {"slide": "000000000000", "annotation": "00000000-0000-4000-8000-000000000000"}
ABOUT_ONE = [e for e in ENDPOINTS if re.search(r"\{(slide|annotation)\}", e.path) and e.path != "/slides/{slide}"]


@pytest.fixture
def divided(site):
    """The site with its field in project "a" and its slide in project "b"."""
    site.services.catalog.edit_slide(site.field, SlideFacts(project="a"))
    site.services.catalog.edit_slide(site.slide, SlideFacts(project="b"))
    return site


def annotate(site, slide: str) -> str:
    return site.client().post(f"/api/slides/{slide}/annotations", json=POINT).json()["ids"][0]


def sign_in(site, name: str) -> TestClient:
    client = TestClient(site.anonymous.app, raise_server_exceptions=False, follow_redirects=False)
    assert client.post("/sign-in", json={"code": site.services.accounts.make_link(name).code}).status_code == 204
    return client


def with_token(site, **more) -> TestClient:
    client = site.client()
    secret = site.services.accounts.create_token("t", **more).secret
    client.headers["authorization"] = f"Bearer {secret}"
    return client


def ask(client: TestClient, endpoint, place: dict[str, str]):
    there = {"level": "12", "col": "0", "row": "0", "format": "jpeg", "name": "label"} | place
    path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: there.get(match[1], "0"), endpoint.path)
    body = {"revision": 1} if path.endswith("revert") else {"name": "x"}
    params = NEEDED.get(path.rsplit("/", 1)[1], {})
    return client.request(endpoint.method, path, params=params, json=body, headers={"if-match": '"r1"'})


@pytest.mark.parametrize("how", ["viewer", "annotator", "reviewer", "token", "token of an account"])
def test_a_slide_of_a_hidden_project_is_answered_like_one_that_is_not_there(divided, how: str) -> None:
    annotation = annotate(divided, divided.slide)
    role = Role.REVIEWER if "token" in how else Role(how)
    divided.services.accounts.add("ada", role, ["a"])
    clients = {
        "token": lambda: with_token(divided, role=Role.ADMIN, project="a"),
        "token of an account": lambda: with_token(divided, role=Role.ADMIN, account="ada"),
    }
    client = clients.get(how, lambda: sign_in(divided, "ada"))()
    assert len(ABOUT_ONE) > 15
    found = 0
    for endpoint in ABOUT_ONE:
        hidden = ask(client, endpoint, {"slide": divided.slide, "annotation": annotation})
        absent = ask(client, endpoint, ABSENT)
        told = [(a.status_code, a.json()["code"], a.json()["detail"]) for a in (hidden, absent)]
        assert told[0] == told[1], (endpoint.method, endpoint.path)
        assert hidden.status_code in (404, 403)
        found += hidden.status_code == 404
        if endpoint.action is Action.PSEUDONYMS or endpoint.path.endswith("/access"):
            continue  # for those alone from whom no project is hidden; for a proxy, which knows no 404
        # A role that may do this at all is told that there is nothing; the admin of one project may do all.
        assert how != "token" or hidden.status_code == 404, (
            endpoint.method,
            endpoint.path,
        )
    assert found > 10
    assert divided.client().get(f"/api/annotations/{annotation}").headers["etag"] == '"r1"'
    assert [slide["id"] for slide in client.get("/api/slides").json()["items"]] == [divided.field]
    assert divided.slide not in client.get("/api/slides", params={"limit": 1}).text


def test_a_member_has_the_role_of_the_membership(divided) -> None:
    divided.services.accounts.add("ada", Role.VIEWER, ["a"])
    client = sign_in(divided, "ada")
    mine, other = f"/api/slides/{divided.field}", f"/api/slides/{divided.slide}"
    assert client.get(mine).status_code == 200
    assert client.post(f"{mine}/annotations", json=POINT).status_code == 403
    divided.services.members.add("ada", "a", Role.ANNOTATOR)
    assert client.post(f"{mine}/annotations", json=POINT).status_code == 201
    divided.services.members.add("ada", "b", Role.REVIEWER)
    assert client.patch(other, json={"name": "x"}).status_code == 200
    assert client.patch(mine, json={"name": "x"}).status_code == 403
    assert client.delete(other).status_code == 403
    # Her slides go to no project in which she is no reviewer, whether it is there or not.
    assert client.patch(other, json={"project": "a"}).status_code == 403
    assert client.patch(other, json={"project": "default"}).status_code == 404
    assert client.patch(other, json={"project": "new"}).status_code == 404


def test_an_open_session_loses_a_project_at_once(divided) -> None:
    divided.services.accounts.add("ada", Role.VIEWER, ["a", "b"])
    client = sign_in(divided, "ada")
    tile = f"/dzi/{divided.slide}_files/11/0_0.jpeg"
    assert client.get(tile).status_code == 200
    divided.services.members.remove("ada", "b")
    assert client.get(tile).status_code == 404
    divided.services.members.remove("ada", "a")
    assert client.get("/api/slides").json() == {"items": [], "next": None}
    assert client.get("/api/session").status_code == 200


def test_tiles_of_a_member_ask_the_database_nothing_when_nothing_changed(divided, monkeypatch) -> None:
    divided.services.accounts.add("ada", Role.VIEWER, ["b"])
    client = sign_in(divided, "ada")
    tile = f"/dzi/{divided.slide}_files/11/0_0.jpeg"
    assert client.get(tile).status_code == 200
    asked = []
    read = SqliteDatabase.read
    monkeypatch.setattr(SqliteDatabase, "read", lambda self, work: asked.append(work) or read(self, work))
    for _ in range(5):
        assert client.get(tile).status_code == 200
    assert asked == []
    divided.services.members.add("ada", "a")
    assert client.get(tile).status_code == 200
    assert len(asked) == 2  # the caller and the slide, once more


def test_everybody_sees_the_projects_that_they_know_and_their_role_there(divided) -> None:
    divided.services.accounts.add("ada", Role.VIEWER, ["a"])
    divided.services.members.add("ada", "a", Role.REVIEWER)
    (only,) = sign_in(divided, "ada").get("/api/projects").json()["items"]
    assert only == {"name": "a", "slides": 1, "role": "reviewer", "can_ingest": False}
    items = {item["name"]: item for item in divided.client().get("/api/projects").json()["items"]}
    assert {name: item["slides"] for name, item in items.items()} == {"a": 1, "b": 1, "default": 0}
    assert all(item["can_ingest"] and item["role"] == "admin" for item in items.values())
    bound = with_token(divided, role=Role.ADMIN, project="b").get("/api/projects").json()["items"]
    assert [item["name"] for item in bound] == ["b"]
    assert divided.client().get("/api/projects", params={"limit": 1}).json()["next"] == "1"


def test_admins_let_accounts_into_projects_and_out_again(divided) -> None:
    admin, name = divided.client(), "a/b & c"
    divided.services.catalog.add_project(name)
    divided.services.accounts.add("ada", Role.VIEWER, ["a"])
    for project in ("b", name):
        members = f"/api/projects/{quote(project, safe='')}/members"
        assert admin.get(members).json() == {"items": [], "next": None}
        made = admin.put(f"{members}/ada", json={"role": "annotator"})
        assert (made.status_code, made.json()) == (200, {"account": "ada", "role": "annotator"})
        assert admin.get(members).json()["items"] == [made.json()]
        assert admin.put(f"{members}/ada", json={}).json()["role"] == "viewer"
    ada = sign_in(divided, "ada")
    assert ada.get(f"/api/slides/{divided.slide}").status_code == 200
    assert admin.delete("/api/projects/b/members/ada").status_code == 204
    assert ada.get(f"/api/slides/{divided.slide}").status_code == 404
    assert admin.delete("/api/projects/b/members/ada").status_code == 404


def test_memberships_that_cannot_be_are_refused(divided) -> None:
    admin = divided.client()
    divided.services.accounts.add("ada", Role.VIEWER)
    divided.services.accounts.add("boss", Role.ADMIN)
    for path, body, status in (
        ("/api/projects/a/members/ada", {"role": "admin"}, 422),
        ("/api/projects/a/members/ada", {"role": "king"}, 422),
        ("/api/projects/a/members/ada", {"rule": "viewer"}, 422),
        ("/api/projects/a/members/boss", {"role": "viewer"}, 422),
        ("/api/projects/a/members/nobody", {}, 404),
        ("/api/projects/none/members/ada", {}, 404),
    ):
        assert admin.put(path, json=body).status_code == status, path
    assert admin.get("/api/projects/none/members").status_code == 404
    assert admin.get("/api/projects/a/members", params={"x": 1}).status_code == 422
    bound = with_token(divided, role=Role.ADMIN, project="a")
    for client in (bound, divided.client("reviewer")):
        assert client.get("/api/projects/a/members").status_code == 403
        assert client.put("/api/projects/a/members/ada", json={}).status_code == 403
        assert client.delete("/api/projects/a/members/ada").status_code == 403
