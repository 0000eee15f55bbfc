"""Annotations over HTTP: what goes in comes out, nothing is lost, nothing stale gets in."""

import uuid

import orjson
import pytest


def polygon(*points, **properties):
    ring = [list(point) for point in (*points, points[0])]
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties}


TRIANGLE = polygon((0.25, 0.5), (100.125, 3), (50, 80.75), classification={"name": "Tumour", "color": [200, 0, 0]})


@pytest.fixture
def path(site) -> str:
    return f"/api/slides/{site.slide}/annotations"


def add(client, path: str, feature=TRIANGLE, **query) -> str:
    answer = client.post(path, json=feature, params=query)
    assert answer.status_code == 201, answer.text
    return answer.json()["ids"][0]


def test_a_polygon_comes_back_with_its_exact_vertices(site, path: str) -> None:
    client = site.client("annotator")
    feature_id = str(uuid.uuid4())
    answer = client.post(path, json=TRIANGLE | {"id": feature_id})
    assert answer.json() == {
        "created": 1,
        "ids": [feature_id],
        "repaired": [],
        "refused": [],
        "losses": [],
        "revision": 1,
    }
    page = client.get(path).json()
    assert (page["type"], page["next"], len(page["features"])) == ("FeatureCollection", None, 1)
    found = page["features"][0]
    assert found["id"] == feature_id
    assert found["geometry"] == TRIANGLE["geometry"]
    properties = found["properties"]
    assert properties["classification"] == {"name": "Tumour", "color": [200, 0, 0]}
    assert (properties["layer"], properties["author"], properties["revision"]) == ("annotator", "annotator", 1)
    assert properties["state"] == "draft"
    classes = client.get(f"/api/slides/{site.slide}/classes").json()
    assert [(c["name"], c["color"], c["value"]) for c in classes["items"]] == [("Tumour", [200, 0, 0], 1)]
    layers = client.get(f"/api/slides/{site.slide}/layers").json()["items"]
    assert layers == [{"name": "annotator", "author": "annotator", "kind": "author", "annotations": 1}]


def test_many_at_once_with_a_report(site, path: str) -> None:
    bow_tie = polygon((0, 0), (10, 10), (10, 0), (0, 10))
    empty = {"type": "Feature", "geometry": None, "properties": {}}
    body = {"type": "FeatureCollection", "features": [TRIANGLE, empty, bow_tie, TRIANGLE], "crs": {"type": "name"}}
    answer = site.client("annotator").post(path, json=body, params={"layer": "batch"})
    report = answer.json()
    assert (answer.status_code, report["created"], len(report["ids"])) == (201, 3, 3)
    assert [issue["index"] for issue in report["refused"]] == [1]
    assert [issue["index"] for issue in report["repaired"]] == [2]
    assert [(loss["code"], loss["count"]) for loss in report["losses"]] == [("crs_ignored", 1)]


def test_a_feature_that_is_no_json_is_refused_alone(site, path: str) -> None:
    good, bad = orjson.dumps(TRIANGLE), b'{"type":"Point","coordinates":[1e999,0]}'
    before = b'{"type":"FeatureCollection","features":[' + good + b","
    answer = site.client("annotator").post(path, content=before + bad + b"," + good + b"]}")
    report = answer.json()
    assert (answer.status_code, report["created"]) == (201, 2)
    assert [(issue["index"], issue["code"]) for issue in report["refused"]] == [(1, "out_of_range")]
    assert f"at byte {len(before) + bad.index(b'1e999'):,}, line 1" in report["refused"][0]["message"]
    twice = before[:-1] + b'],"features":[' + good + b"]}"
    assert site.client("annotator").post(path, content=twice).json()["code"] == "features_repeated"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b'{"type":"Feature"}',
        orjson.dumps(polygon((0, 0), (1e308, 1), (1, 1))),
        orjson.dumps(polygon((0, 0), (1e9, 1), (1, 1))),
        b'{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[NaN,1],[1,1],[0,0]]]},"properties":{}}',
        b'{"type":"Feature","geometry":{"type":"Polygon","coordinates":[]},"properties":{}}',
        b'{"type":"Feature","geometry":{"type":"Polygon","coordinates":"x"},"properties":{}}',
        b'{"type":"Feature","geometry":{"type":"Circle","coordinates":[0,0]},"properties":{}}',
        orjson.dumps(polygon((0, 0), (5, 5), (10, 10))),
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_nonsense_is_refused_whole_and_clearly(site, path: str, body: bytes) -> None:
    answer = site.client("annotator").post(path, content=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert site.client().get(path).json()["features"] == []


def test_limits_of_bodies_and_features(site, path: str) -> None:
    client = site.client("annotator")
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": {}}
    many = {"type": "FeatureCollection", "features": [point] * 5001}
    assert client.post(path, json=many).status_code in (413, 422)
    assert client.post(path, content=b" " * 2_000_001).json()["code"] == "too_large"
    assert client.post(path, content=(b" " * 1_000_000 for _ in range(3))).json()["code"] == "too_large"
    assert client.get(path).json()["features"] == []


def test_a_retry_is_no_second_object_and_another_content_is_a_conflict(site, path: str) -> None:
    client = site.client("annotator")
    feature = TRIANGLE | {"id": str(uuid.uuid4())}
    assert client.post(path, json=feature).json()["created"] == 1
    again = client.post(path, json=feature)
    assert (again.status_code, again.json()["created"], again.json()["ids"]) == (201, 0, [feature["id"]])
    other = client.post(path, json=polygon((0, 0), (5, 0), (5, 5)) | {"id": feature["id"]})
    assert (other.status_code, other.json()["refused"][0]["code"]) == (422, "conflict")


def test_conditional_writes(site, path: str) -> None:
    client = site.client("annotator")
    feature_id = add(client, path)
    one = f"/api/annotations/{feature_id}"
    first = client.get(one)
    assert first.headers["etag"] == '"r1"'
    assert client.get(one, headers={"if-none-match": '"r1"'}).status_code == 304
    assert client.get(one, headers={"if-none-match": '"r2"'}).status_code == 200
    moved = polygon((1, 1), (5, 1), (5, 5), classification={"name": "Stroma", "color": [0, 200, 0]})
    assert client.put(one, json=moved).status_code == 428
    assert client.put(one, json=moved, headers={"if-match": "*"}).status_code == 428
    done = client.put(one, json=moved, headers={"if-match": '"r1"'})
    assert (done.status_code, done.headers["etag"]) == (200, '"r2"')
    assert done.json()["geometry"] == moved["geometry"]
    for stale in ('"r1"', 'W/"r2"', '"x"', '"r2", "r3"'):
        for method in ("PUT", "PATCH", "DELETE"):
            lost = client.request(method, one, json=TRIANGLE, headers={"if-match": stale})
            assert (lost.status_code, lost.headers["etag"]) == (412, '"r2"'), (stale, method)
            assert lost.json()["current"] == done.json()
    assert client.delete(one).status_code == 428
    assert client.post(f"{one}/revert", json={"revision": 1}).status_code == 428


@pytest.mark.parametrize("state", [5, "", "a\nb", "x" * 201, ["approved"]])
def test_every_way_in_refuses_the_same_states(site, path: str, state: object) -> None:
    client = site.client("annotator")
    one = f"/api/annotations/{add(client, path)}"
    odd = TRIANGLE | {"properties": {"state": state}}
    match = {"if-match": '"r1"'}
    for answer in (
        client.put(one, json=odd, headers=match),
        client.patch(one, json={"properties": {"state": state}}, headers=match),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_name")
    (refused,) = client.post(path, json=[odd]).json()["refused"]
    assert (refused["index"], refused["code"]) == (0, "bad_name")
    edit = {"number": 1, "revision": 1, "state": state}
    assert client.post(f"{path}/edits", json={"edits": [edit]}).status_code == 422
    kept = client.patch(one, json={"properties": {"state": None, "score": "high"}}, headers=match).json()["properties"]
    assert (kept["state"], kept["score"]) == ("draft", "high")
    assert client.get(f"{path}/summary").json()["states"] == [{"name": "draft", "count": 1}]


def test_a_feature_can_be_put_back_as_it_was_got(site, path: str) -> None:
    client = site.client("annotator")
    one = f"/api/annotations/{add(client, path)}"
    got = client.get(one)
    foreign = got.json() | {"properties": got.json()["properties"] | {"measurements": {"a": 1.5}, "mine": [1]}}
    put = client.put(one, json=foreign, headers={"if-match": got.headers["etag"]}).json()
    assert put["geometry"] == got.json()["geometry"]
    assert (put["properties"]["measurements"], put["properties"]["mine"]) == ({"a": 1.5}, [1])
    assert (put["properties"]["author"], put["properties"]["revision"]) == ("annotator", 2)
    assert client.put(one, json=foreign | {"id": str(uuid.uuid4())}, headers={"if-match": '"r2"'}).status_code == 422


def test_a_patch_changes_only_what_it_names(site, path: str) -> None:
    client = site.client("annotator")
    one = f"/api/annotations/{add(client, path, TRIANGLE | {'properties': {'name': 'a', 'keep': 1}})}"
    patch = {"properties": {"classification": {"name": "Stroma", "color": [1, 2, 3]}, "name": None}}
    got = client.patch(one, json=patch, headers={"if-match": '"r1"'}).json()
    assert got["properties"]["classification"]["name"] == "Stroma"
    assert "name" not in got["properties"]
    assert got["properties"]["keep"] == 1
    assert got["geometry"] == TRIANGLE["geometry"]
    assert client.patch(one, json=[1], headers={"if-match": '"r2"'}).status_code == 422


def test_delete_history_and_revert(site, path: str) -> None:
    client = site.client("annotator")
    feature_id = add(client, path)
    one = f"/api/annotations/{feature_id}"
    gone = client.delete(one, headers={"if-match": '"r1"'})
    assert (gone.status_code, gone.headers["etag"]) == (204, '"r2"')
    assert client.get(one).status_code == 404
    assert client.get(path).json()["features"] == []
    stale = client.put(one, json=TRIANGLE, headers={"if-match": '"r1"'})
    assert (stale.status_code, stale.json()["current"], stale.headers["etag"]) == (412, None, '"r2"')
    versions = client.get(f"{one}/revisions").json()["items"]
    assert [v["properties"]["revision"] for v in versions] == [1, 2]
    back = client.post(f"{one}/revert", json={"revision": 1}, headers={"if-match": '"r2"'})
    assert (back.status_code, back.json()["geometry"]) == (200, TRIANGLE["geometry"])
    assert [f["id"] for f in client.get(path).json()["features"]] == [feature_id]
    assert client.get(path, params={"as_of": 2}).json()["features"] == []
    assert len(client.get(path, params={"as_of": 1}).json()["features"]) == 1


def test_pages_and_the_text_sequence_hold_everything_once(site, path: str) -> None:
    client = site.client("annotator")
    features = [polygon((n, 0), (n + 5, 0), (n, 5)) for n in range(2500)]
    client.post(path, json={"type": "FeatureCollection", "features": features})
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = client.get(path, params={"limit": 1000} | ({"cursor": cursor} if cursor else {})).json()
        seen += [f["geometry"]["coordinates"][0][0][0] for f in page["features"]]
        cursor, pages = page["next"], pages + 1
    assert (pages, seen) == (3, list(range(2500)))
    answer = client.get(path, headers={"accept": "application/geo+json-seq"})
    assert answer.headers["content-type"] == "application/geo+json-seq"
    records = answer.content.split(b"\x1e")
    assert records[0] == b""
    assert [orjson.loads(r)["geometry"]["coordinates"][0][0][0] for r in records[1:]] == list(range(2500))


@pytest.mark.parametrize("layout", [b"\x1e%s\n\x1e%s\n", b"%s\n%s\n"])
def test_a_text_sequence_is_accepted(site, path: str, layout: bytes) -> None:
    body = layout % (orjson.dumps(TRIANGLE), orjson.dumps(polygon((0, 0), (9, 0), (0, 9))))
    answer = site.client("annotator").post(path, content=body, headers={"content-type": "application/geo+json-seq"})
    assert (answer.status_code, answer.json()["created"]) == (201, 2)


def test_filters(site, path: str) -> None:
    client = site.client("annotator")
    add(client, path, TRIANGLE, layer="first")
    add(client, path, polygon((500, 500), (510, 500), (510, 510), score=0.25), layer="second")

    def count(**query) -> int:
        return len(client.get(path, params=query).json()["features"])

    assert count() == 2
    assert count(**{"class": "Tumour"}) == 1
    assert count(layer=["first", "second"]) == 2
    assert count(layer="third") == 0
    assert count(bbox="400,400,600,600") == 1
    assert count(min_score=0.2) == 1
    assert count(min_score=0.3) == 0
    assert count(author="annotator", state="draft") == 2
    assert count(as_of="2020-01-01T00:00:00Z") == 0
    for wrong in (
        {"bbox": "1,2,3"},
        {"bbox": "nan,0,1,1"},
        {"bbox": "5,5,1,1"},
        {"limit": 0},
        {"limit": 10_001},
        {"cursor": "x"},
        {"as_of": "x"},
        {"as_of": 99},
        {"as_of": "2020-01-01T00:00:00"},
        {"colour": 1},
    ):
        assert client.get(path, params=wrong).status_code == 422, wrong


def test_unknown_annotations_and_slides_are_404(site) -> None:
    client = site.client()
    for path in (
        "/api/annotations/x",
        f"/api/annotations/{uuid.uuid4()}",
        "/api/slides/x/annotations",
        f"/api/annotations/{uuid.uuid4()}/revisions",
    ):
        assert client.get(path).status_code == 404
    assert client.post("/api/slides/x/annotations", json=TRIANGLE).status_code == 404
    assert client.put(f"/api/annotations/{uuid.uuid4()}", json=TRIANGLE).status_code == 404


def test_a_deleted_or_old_version_stays_readable_in_history_only(site, path: str) -> None:
    client = site.client("annotator")
    one = f"/api/annotations/{add(client, path)}"
    client.put(one, json=polygon((0, 0), (7, 0), (7, 7)), headers={"if-match": '"r1"'})
    versions = client.get(f"{one}/revisions").json()["items"]
    assert versions[0]["geometry"] == TRIANGLE["geometry"]
    assert versions[1] == client.get(one).json()
    client.delete(one, headers={"if-match": '"r2"'})
    versions = client.get(f"{one}/revisions").json()["items"]
    assert [version.get("deleted") for version in versions] == [None, None, True]


def test_every_list_has_pages(site, path: str) -> None:
    client = site.client("annotator")
    for name in ("A", "B", "C"):
        add(client, path, polygon((0, 0), (9, 0), (9, 9), classification={"name": name}), layer=f"layer {name}")
    one = f"/api/annotations/{add(client, path)}"
    for revision in (4, 5):
        client.put(one, json=TRIANGLE, headers={"if-match": f'"r{revision}"'})
    for address, total in (
        ("/api/slides", 2),
        (f"/api/slides/{site.slide}/classes", 4),
        (f"/api/slides/{site.slide}/layers", 4),
        (f"{one}/revisions", 3),
    ):
        whole = client.get(address).json()
        assert (len(whole["items"]), whole["next"]) == (total, None), address
        seen, cursor = [], ""
        while cursor is not None:
            page = client.get(address, params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
            seen += page["items"]
            cursor = page["next"]
        assert seen == whole["items"], address
        assert client.get(address, params={"cursor": "x"}).status_code == 422
