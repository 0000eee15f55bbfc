"""Class schemas over HTTP: versions, conditional writes, who may."""

import pytest

from pathserve.access import Role

CODE = {"system": "SCT", "code": "108369006", "meaning": "Neoplasm"}
TUMOR = {"name": "Tumor", "color": [200, 0, 0], "priority": 2, "hotkey": "t", "code": CODE}


@pytest.fixture
def site(new_slide):
    return new_slide()


@pytest.fixture
def path(site) -> str:
    """The classes of a project without any."""
    return f"/api/projects/{site.slide}/classes"


@pytest.fixture
def client(site):
    return site.client("reviewer")


def put(client, path: str, items, match: str | None = None):
    return client.put(path, json={"items": items}, headers={} if match is None else {"if-match": match})


def test_classes_are_written_as_they_were_seen(site, client, path: str) -> None:
    empty = client.get(path)
    assert (empty.json(), empty.headers["etag"]) == ({"items": [], "next": None, "version": 0}, '"c0"')
    made = put(client, path, [TUMOR], empty.headers["etag"])
    assert (made.status_code, made.headers["etag"]) == (200, '"c1"')
    assert made.json() == {"items": [TUMOR | {"value": 1}], "next": None, "version": 1}
    of_slide = client.get(f"/api/slides/{site.slide}/classes")
    assert (of_slide.json(), of_slide.headers["etag"]) == (made.json(), '"c1"')
    # what GET gave can be sent back as it is
    body = made.json()
    body["items"][0]["color"] = [1, 2, 3]
    changed = client.put(path, json=body, headers={"if-match": '"c1"'})
    assert [(c["color"], c["value"]) for c in changed.json()["items"]] == [([1, 2, 3], 1)]
    for as_of, color in (("1", [200, 0, 0]), ("2", [1, 2, 3])):
        assert client.get(path, params={"as_of": as_of}).json()["items"][0]["color"] == color
    assert client.get(path, params={"as_of": "2020-01-01T00:00:00Z"}).json()["items"] == []
    assert client.get(path, params={"as_of": "3"}).status_code == 404
    history = client.get(f"{path}/history").json()["items"]
    assert [(v["version"], v["author"], v["changed"]) for v in history] == [
        (1, "reviewer", ["Tumor"]),
        (2, "reviewer", ["Tumor"]),
    ]


def test_a_write_without_or_with_an_old_tag_changes_nothing(client, path: str) -> None:
    put(client, path, [TUMOR], '"c0"')
    assert put(client, path, [TUMOR]).json()["code"] == "precondition_required"
    assert put(client, path, [TUMOR], "*").status_code == 428
    for tag in ('"c0"', '"c2"', '"r1"', 'W/"c1"', "1"):
        stale = put(client, path, [TUMOR | {"color": [9, 9, 9]}], tag)
        assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    stale = put(client, path, [], '"c0"')
    assert (stale.headers["etag"], stale.json()["current"]["items"]) == ('"c1"', [TUMOR | {"value": 1}])
    assert client.get(path).json()["version"] == 1


def test_an_annotation_of_a_new_class_makes_a_version_by_its_author(site, client, path: str) -> None:
    point = {"type": "Point", "coordinates": [1, 1]}
    feature = {"type": "Feature", "geometry": point, "properties": {"classification": {"name": "New"}}}
    assert site.client("annotator").post(f"/api/slides/{site.slide}/annotations", json=feature).status_code == 201
    (version,) = client.get(f"{path}/history").json()["items"]
    assert (version["author"], version["changed"]) == ("annotator", ["New"])


@pytest.mark.parametrize(
    "item",
    [
        {"name": "A"},
        {"name": "A", "color": [1, 2]},
        {"name": "A", "color": [1, 2, 256]},
        {"name": "A", "color": [1, 2, -1]},
        {"name": "", "color": [1, 2, 3]},
        {"name": "x" * 201, "color": [1, 2, 3]},
        {"name": "a\nb", "color": [1, 2, 3]},
        {"name": "A", "color": [1, 2, 3], "hotkey": "ab"},
        {"name": "A", "color": [1, 2, 3], "hotkey": "\t"},
        {"name": "A", "color": [1, 2, 3], "priority": 10**9},
        {"name": "A", "color": [1, 2, 3], "code": {"system": "SCT"}},
        {"name": "A", "color": [1, 2, 3], "code": CODE | {"meaning": ""}},
        {"name": "A", "color": [1, 2, 3], "colour": 1},
        5,
    ],
)
def test_what_breaks_the_rules_is_refused(client, path: str, item) -> None:
    answer = put(client, path, [item], '"c0"')
    assert answer.status_code == 422, answer.text
    assert client.get(path).json()["version"] == 0


def test_limits(client, path: str) -> None:
    many = [{"name": f"c{n}", "color": [1, 2, 3]} for n in range(255)]
    assert put(client, path, many, '"c0"').status_code == 422
    assert put(client, path, many[:254], '"c0"').status_code == 200
    assert put(client, path, many[254:], '"c1"').json()["code"] == "too_large"
    huge = client.put(path, content=b"[" * 300_000, headers={"if-match": '"c1"'})
    assert huge.status_code == 413


def test_who_may(site, path: str) -> None:
    for role in ("viewer", "annotator"):
        assert put(site.client(role), path, [TUMOR], '"c0"').status_code == 403
        assert site.client(role).get(path).status_code == 200
        assert site.client(role).get(f"{path}/history").status_code == 200
    other = site.client()
    secret = site.services.accounts.create_token("p", role=Role.ADMIN, project="elsewhere").secret
    other.headers["authorization"] = f"Bearer {secret}"
    for answer in (
        other.get(path),
        other.get(f"{path}/history"),
        put(other, path, [TUMOR], '"c0"'),
        site.client().get("/api/projects/absent/classes"),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such project.")
