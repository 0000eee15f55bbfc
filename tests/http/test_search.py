"""Finding, counting, sorting and editing many annotations over HTTP."""

import uuid

import orjson
import pytest

from pathserve.access import Role
from pathserve.annotations import AnnotationQuery, AnnotationStore


def square(x: float, y: float, side: float, **properties):
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return {
        "type": "Feature",
        "id": str(uuid.uuid4()),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties,
    }


TUMOR, STROMA = {"name": "Tumor"}, {"name": "Stroma"}
SIX = [
    square(0, 0, 10, classification=TUMOR, score=0.9, state="approved", measurements={"Nucleus: Area": 61.5}),
    square(100, 0, 2, classification=TUMOR, score=0.2, name="Mitosis?"),
    square(200, 0, 30, classification=STROMA, score=0.5),
    square(0, 200, 5, classification=STROMA, state="rejected"),
    square(500, 500, 1, note="a LONG story"),
    {
        "type": "Feature",
        "id": str(uuid.uuid4()),
        "geometry": {"type": "Point", "coordinates": [50, 50]},
        "properties": {"score": 1.0},
    },
]


@pytest.fixture(scope="module")
def found(bare):
    """A slide that is only read; its annotations have other ids."""
    fill(bare, [feature | {"id": str(uuid.uuid5(uuid.UUID(feature["id"]), "read"))} for feature in SIX])
    return bare


@pytest.fixture
def site(new_slide):
    return new_slide()


@pytest.fixture
def path(site) -> str:
    """Six annotations, numbers 1 to 6; the last two in a layer of their own, by a reviewer."""
    for feature in SIX:
        feature["id"] = str(uuid.uuid4())
    fill(site, SIX)
    return address(site)


def address(site) -> str:
    return f"/api/slides/{site.slide}/annotations"


def fill(site, features) -> None:
    for role, layer, some in (("annotator", "a", features[:4]), ("reviewer", "b", features[4:])):
        body = {"type": "FeatureCollection", "features": some}
        assert site.client(role).post(address(site), json=body, params={"layer": layer}).status_code == 201


def numbers(client, path: str, **query) -> list[int]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [feature["properties"]["number"] for feature in answer.json()["features"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"number": [2, 5, 99]}, [2, 5]),
        ({"max_score": 0.5}, [2, 3]),
        ({"min_score": 0.5, "max_score": 0.9}, [1, 3]),
        ({"min_area": 25}, [1, 3, 4]),
        ({"max_area": 1}, [5, 6]),
        ({"min_area": 4, "max_area": 25}, [2, 4]),
        ({"polygon": "0,0,105,0,0,105"}, [1, 2, 6]),
        ({"polygon": "POLYGON((0 0, 105 0, 0 105, 0 0))"}, [1, 2, 6]),
        ({"polygon": " polygon ( (190 -5, 300 -5, 300 100, 190 100) ) "}, [3]),
        ({"q": "mitosis"}, [2]),
        ({"q": "long STORY"}, [5]),
        ({"q": "nucleus"}, []),  # names of members are no texts
        ({"filter": "class = 'Tumor' AND measurements.\"Nucleus: Area\" > 40"}, [1]),
        ({"filter": "author = 'reviewer' OR layer = 'a' AND area >= 100"}, [1, 3, 5, 6]),
        ({"filter": "score IS NULL"}, [4, 5]),
        ({"filter": "state IN ('approved', 'rejected')", "class": "Stroma"}, [4]),
        ({"bbox": "0,0,150,150", "filter": "exhaustive = FALSE"}, [1, 2, 6]),
        ({"layer": "b", "as_of": "1"}, []),
        ({"author": ["annotator", "nobody"], "class": ["Stroma"]}, [3, 4]),
    ],
    ids=str,
)
def test_what_is_asked_for_is_found(found, query, expected: list[int]) -> None:
    client, path = found.client("viewer"), address(found)
    assert numbers(client, path, **query) == expected
    summary = client.get(f"{path}/summary", params=query).json()
    assert summary["total"] == len(expected)


def test_ids_are_found(site, path: str) -> None:
    assert numbers(site.client("viewer"), path, id=[SIX[3]["id"], SIX[0]["id"], str(uuid.uuid4())]) == [1, 4]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("number", [1, 2, 3, 4, 5, 6]),
        ("-number", [6, 5, 4, 3, 2, 1]),
        ("area", [6, 5, 2, 4, 1, 3]),
        ("-area", [3, 1, 4, 2, 5, 6]),
        ("score", [2, 3, 1, 6, 4, 5]),
        ("-score", [6, 1, 3, 2, 4, 5]),
    ],
)
def test_pages_in_any_order_hold_everything_once(site, path: str, order: str, expected: list[int]) -> None:
    client = site.client("viewer")
    assert numbers(client, path, order=order) == expected
    seen, cursor = list[int](), None
    while True:
        query = {"order": order, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(path, params=query).json()
        seen += [feature["properties"]["number"] for feature in page["features"]]
        if not seen[2:]:  # somebody writes meanwhile: the pages show the state of the first one
            site.client("annotator").post(path, json=square(0, 0, 3, score=0.4))
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == expected


def test_the_next_page_repeats_the_filters(site, path: str) -> None:
    client = site.client("annotator")
    client.post(path, json=square(0, 0, 4, classification={"name": "\N{MICROSCOPE}" * 200}))
    query = {"order": "-class", "limit": 1, "filter": "class IS NOT NULL"}
    page = client.get(path, params=query).json()
    rest = client.get(path, params=query | {"cursor": page["next"], "limit": 9}).json()
    assert [f["properties"]["number"] for f in page["features"] + rest["features"]] == [7, 1, 2, 3, 4]
    for other in ({}, {"class": "Tumor"}, query | {"q": "Mitosis"}, query | {"order": "number"}, query | {"as_of": 1}):
        refused = client.get(path, params=other | {"cursor": page["next"]})
        assert (refused.status_code, refused.json()["detail"][:25]) == (422, "This cursor is of a list "), other


def test_a_sequence_comes_in_the_order_that_is_asked_for(site, path: str) -> None:
    answer = site.client("viewer").get(
        path, params={"order": "-area", "filter": "area > 0"}, headers={"accept": "application/geo+json-seq"}
    )
    records = [orjson.loads(record) for record in answer.content.split(b"\x1e") if record]
    assert [record["properties"]["number"] for record in records] == [3, 1, 4, 2, 5]


def test_a_sequence_says_the_same_as_pages(site, path: str, monkeypatch) -> None:
    client = site.client("annotator")
    edit(client, path, {"number": 1, "revision": 1, "state": "approved"}, {"number": 2, "revision": 1, "delete": True})
    pages = client.get(path).json()["features"]
    # One statement after another for single ones would take minutes of a million.
    monkeypatch.delattr(AnnotationStore, "page")
    answer = client.get(path, headers={"accept": "application/geo+json-seq"})
    features = [orjson.loads(record) for record in answer.content.split(b"\x1e") if record]
    assert sorted(features, key=lambda f: f["properties"]["number"]) == pages
    wrong = client.get(path, params={"as_of": 99}, headers={"accept": "application/geo+json-seq"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")


def test_a_summary_counts_exactly(site, path: str) -> None:
    summary = site.client("viewer").get(f"{path}/summary").json()
    assert (summary["total"], summary["revision"]) == (6, 2)
    assert summary["classes"] == [
        {"name": None, "count": 2},
        {"name": "Stroma", "count": 2},
        {"name": "Tumor", "count": 2},
    ]
    assert summary["layers"] == [{"name": "a", "count": 4}, {"name": "b", "count": 2}]
    assert [(s["name"], s["count"]) for s in summary["states"]] == [("draft", 4), ("approved", 1), ("rejected", 1)]


@pytest.mark.parametrize(
    "query",
    [
        {"number": "0"},
        {"number": "x"},
        {"number": str(2**63)},
        {"number": ["1"] * 1001},
        {"id": "x"},
        {"max_score": "nan"},
        {"min_area": "inf"},
        {"polygon": ""},
        {"polygon": "1,2,3"},
        {"polygon": "1,2,3,4"},
        {"polygon": "0,0,1,1,2,2"},
        {"polygon": "0,0,1,nan,2,0"},
        {"polygon": "POLYGON((0 0, 9 0, 9 9), (1 1, 2 1, 2 2))"},
        {"polygon": "POLYGON Z((0 0 0, 9 0 0, 9 9 0))"},
        {"polygon": "POINT(1 1)"},
        {"q": ""},
        {"q": "x" * 201},
        {"order": "color"},
        {"order": "number; drop table slide"},
        {"filter": ""},
        {"filter": "class ="},
        {"filter": "__import__('os').system('x')"},
        {"filter": "area > 1 OR " * 300 + "area > 1"},
        {"filter": "(" * 500 + "area > 1" + ")" * 500},
        {"unknown": "1"},
    ],
    ids=lambda query: str(query)[:40],
)
def test_what_makes_no_sense_is_refused_and_not_repeated(found, query) -> None:
    for path in (address(found), f"{address(found)}/summary"):
        answer = found.client("viewer").get(path, params=query)
        assert answer.status_code == 422, answer.text
        assert "__import__" not in answer.text
        assert "drop" not in answer.text


def test_a_wrong_filter_has_a_code_of_its_own(site, path: str) -> None:
    answer = site.client("viewer").get(path, params={"filter": "nothing = 1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_filter")
    assert "character 1" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "turns"),
    [({}, 0), ({"bbox": "0,0,9,9"}, 0), ({"filter": "area > 1"}, 1), ({"q": "x"}, 1), ({"order": "-area"}, 1)],
    ids=str,
)
def test_what_looks_at_everything_waits_its_turn(found, monkeypatch, query, turns: int) -> None:
    making, asked = found.services.making, []
    run = making.run
    monkeypatch.setattr(making, "run", lambda *given, **more: asked.append(given) or run(*given, **more))
    numbers(found.client("viewer"), address(found), **query)
    assert len(asked) == turns


def test_masks_take_the_same_filters(site, path: str) -> None:
    grid = {"x": 0, "y": 0, "width": 110, "height": 20, "format": "npy", "kind": "instance"}
    mask = f"/api/slides/{site.slide}/mask"
    both = site.client("viewer").get(mask, params=grid)
    one = site.client("viewer").get(mask, params=grid | {"filter": "area < 50"})
    assert both.content.count(b"\x01\x00\x00\x00") == 100
    assert one.content.count(b"\x01\x00\x00\x00") == 0
    assert one.content.count(b"\x02\x00\x00\x00") == 4


# edits


def edit(client, path: str, *edits):
    return client.post(f"{path}/edits", json={"edits": list(edits)})


def test_many_are_edited_as_one_revision(site, path: str) -> None:
    client = site.client("annotator")
    answer = edit(
        client,
        path,
        {"number": 1, "revision": 1, "class": "Immune"},
        {"id": SIX[1]["id"], "revision": 1, "class": None, "properties": {"name": None, "grade": {"a": 3}}},
        {"number": 3, "revision": 1, "delete": True},
        {"number": 5, "revision": 2, "state": "approved"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"done": 4, "results": [{"result": "done", "revision": 3}] * 4}
    features = {f["properties"]["number"]: f["properties"] for f in client.get(path).json()["features"]}
    assert sorted(features) == [1, 2, 4, 5, 6]
    assert features[1]["classification"]["name"] == "Immune"
    assert features[1]["measurements"] == {"Nucleus: Area": 61.5}
    assert ("classification" in features[2], "name" in features[2], features[2]["grade"]) == (False, False, {"a": 3})
    assert (features[5]["state"], features[5]["note"]) == ("approved", "a LONG story")
    assert {features[n]["revision"] for n in (1, 2, 5)} == {3}
    assert "Immune" in [c["name"] for c in client.get(f"/api/slides/{site.slide}/classes").json()["items"]]
    back = edit(client, path, {"id": SIX[2]["id"], "revision": 3, "delete": False})
    assert back.json()["results"] == [{"result": "done", "revision": 4}]
    assert numbers(client, path, number=3) == [3]


def test_what_goes_without_saying_is_not_kept(site, path: str) -> None:
    client = site.client("annotator")
    edit(client, path, {"number": 1, "revision": 1, "state": "draft"})
    (stored,) = site.services.annotations.page(AnnotationQuery(site.slide, numbers=(1,)), limit=1).annotations
    assert "state" not in stored.properties
    (feature,) = client.get(path, params={"number": 1}).json()["features"]
    assert feature["properties"]["state"] == "draft"
    assert numbers(client, path, state="draft", number=1) == [1]


def test_each_edit_of_something_that_has_changed_is_told_so(site, path: str) -> None:
    client = site.client("annotator")
    edit(client, path, {"number": 1, "revision": 1, "state": "approved"}, {"number": 2, "revision": 1, "delete": True})
    answer = edit(
        client,
        path,
        {"number": 1, "revision": 1, "class": "X"},
        {"number": 3, "revision": 1, "class": "X"},
        {"id": SIX[1]["id"], "revision": 3, "class": "X"},
        {"number": 99, "revision": 1, "class": "X"},
        {"id": str(uuid.uuid4()), "revision": 1, "class": "X"},
    )
    assert answer.json() == {
        "done": 1,
        "results": [
            {"result": "stale", "revision": 3},
            {"result": "done", "revision": 4},
            {"result": "deleted", "revision": 3},
            {"result": "not_found", "revision": None},
            {"result": "not_found", "revision": None},
        ],
    }
    assert client.get(f"/api/annotations/{SIX[0]['id']}").json()["properties"]["classification"]["name"] == "Tumor"


def test_a_deleted_one_is_named_by_its_number_too(site, path: str) -> None:
    client = site.client("annotator")
    edit(client, path, *({"number": n, "revision": 1, "delete": True} for n in (2, 3)))
    answer = edit(
        client,
        path,
        {"number": 2, "revision": 3, "delete": False},
        {"number": 3, "revision": 3, "class": "X"},
        {"number": 4, "revision": 1, "class": "X"},
    )
    assert [r["result"] for r in answer.json()["results"]] == ["done", "deleted", "done"]
    assert numbers(client, path) == [1, 2, 4, 5, 6]
    (feature,) = client.get(path, params={"number": 2}).json()["features"]
    assert feature["id"] == SIX[1]["id"]


def test_edits_of_what_has_not_changed_since_the_slide_was_seen(site, path: str) -> None:
    client = site.client("annotator")
    seen = client.get(f"/api/slides/{site.slide}").json()["revision"]
    assert seen == client.get(path, params={"limit": 1}).json()["revision"] == 2
    edit(client, path, {"number": 1, "revision": 1, "state": "approved"}, {"number": 2, "revision": 1, "delete": True})
    since = {"unless_changed_since": seen, "class": "X"}
    answer = edit(client, path, *({"id": SIX[1]["id"]} | since, *({"number": n} | since for n in (1, 3, 5, 99))))
    assert [(r["result"], r["revision"]) for r in answer.json()["results"]] == [
        ("deleted", 3),
        ("stale", 3),
        ("done", 4),
        ("done", 4),
        ("not_found", None),
    ]
    assert client.get(f"/api/slides/{site.slide}").json()["revision"] == 4
    assert numbers(client, path, **{"class": "X"}) == [3, 5]
    # What nobody can have seen yet is refused, and so is an edit that says both or nothing.
    for item in (
        {"number": 4, "unless_changed_since": 5, "class": "Y"},
        {"number": 4, "unless_changed_since": 4, "revision": 1, "class": "Y"},
        {"number": 4, "class": "Y"},
    ):
        assert edit(client, path, item).status_code == 422
    assert numbers(client, path, **{"class": "Y"}) == []


def test_an_annotation_of_another_slide_is_not_there(site, path: str) -> None:
    answer = edit(
        site.client("annotator"),
        f"/api/slides/{site.field}/annotations",
        {"id": SIX[0]["id"], "revision": 1, "delete": True},
    )
    assert answer.json()["results"] == [{"result": "not_found", "revision": None}]
    assert numbers(site.client("viewer"), path, number=1) == [1]


@pytest.mark.parametrize(
    "item",
    [
        {"number": 1, "revision": 1},
        {"revision": 1, "state": "x"},
        {"number": 1, "id": str(uuid.UUID(int=7)), "revision": 1, "state": "x"},
        {"number": 1, "state": "x"},
        {"number": 1, "revision": -1, "state": "x"},
        {"number": 1, "revision": 1, "state": ""},
        {"number": 1, "revision": 1, "state": "a\nb"},
        {"number": 1, "revision": 1, "class": ""},
        {"number": 1, "revision": 1, "class": "a\x00b"},
        {"number": 1, "revision": 1, "class": "x" * 201},
        {"number": 1, "revision": 1, "class": {"name": "x"}},
        {"number": 1, "revision": 1, "properties": [1]},
        {"number": 1, "revision": 1, "properties": {"author": "me"}},
        {"number": 1, "revision": 1, "properties": {"classification": {"name": "x"}}},
        {"number": 1, "revision": 1, "properties": {"state": "x"}},
        {"number": 1, "revision": 1, "properties": {"exhaustive": "yes"}},
        {"number": 1, "revision": 1, "geometry": None},
        {"id": "x", "revision": 1, "delete": True},
        {"number": 1, "revision": "1", "state": "x"},
        {"number": 1, "revision": True, "state": "x"},
        {"number": 1.0, "revision": 1, "state": "x"},
        {"number": 1, "revision": 1, "delete": 1},
        5,
    ],
    ids=str,
)
def test_edits_that_make_no_sense_change_nothing(found, item) -> None:
    client, path = found.client("annotator"), address(found)
    answer = edit(client, path, {"number": 2, "revision": 1, "state": "approved"}, item)
    assert answer.status_code == 422, answer.text
    assert "edits[1]" in answer.json()["detail"]
    assert client.get(f"{path}/summary").json()["revision"] == 2


def test_limits_of_edits(site, path: str) -> None:
    client = site.client("annotator")
    one = {"number": 1, "revision": 1, "state": "x"}
    for count in (0, 10_001):
        answer = edit(client, path, *[one] * count)
        told = (answer.status_code, answer.json()["detail"])
        assert told == (422, "The body's member edits: it has 1 to 10,000 edits.")
    (same,) = client.get(path, params={"number": 1}).json()["features"]
    twice = edit(client, path, {**one, "number": 2}, one, {"id": same["id"], "revision": 1, "state": "y"})
    assert (twice.status_code, twice.json()["detail"]) == (
        422,
        "The body's members edits[1] and edits[2] name the same annotation.",
    )
    deep = '{"a":' * 100 + "1" + "}" * 100
    body = f'{{"edits": [{{"number": 1, "revision": 1, "properties": {deep}}}]}}'
    assert client.post(f"{path}/edits", content=body).status_code == 422
    assert client.post(f"{path}/edits", content=b"[" * 100_000).status_code == 422
    assert client.post(f"{path}/edits", content=b" " * (4 * 1024 * 1024 + 1)).status_code == 413
    many = [{"number": n, "revision": 1, "state": "x"} for n in range(1, 10_001)]
    assert edit(client, path, *many).json()["done"] == 4


# layers


def test_layers_are_made_renamed_taken_away_and_brought_back(site, path: str) -> None:
    client, layers = site.client("annotator"), f"/api/slides/{site.slide}/layers"
    made = client.post(layers, json={"name": "HoVer-Net", "kind": "model"})
    assert (made.status_code, made.json()) == (
        201,
        {"name": "HoVer-Net", "author": "annotator", "kind": "model", "annotations": 0},
    )
    assert client.post(layers, json={"name": "HoVer-Net"}).status_code == 409
    renamed = client.patch(f"{layers}/a", json={"name": "x/y?z"})
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["annotations"]) == (200, "x/y?z", 4)
    assert client.patch(f"{layers}/b", json={"name": "x/y?z"}).status_code == 409
    assert numbers(client, path, layer="x/y?z") == [1, 2, 3, 4]
    assert client.delete(f"{layers}/x%2Fy%3Fz").status_code == 204
    assert numbers(client, path) == [5, 6]
    assert numbers(client, path, as_of="2") == [1, 2, 3, 4, 5, 6]
    assert client.delete(f"{layers}/x%2Fy%3Fz").status_code == 404
    back = client.post(f"{layers}/x%2Fy%3Fz/restore")
    assert (back.status_code, back.json()["annotations"]) == (200, 4)
    assert client.post(f"{layers}/absent/restore").status_code == 404
    assert [layer["kind"] for layer in client.get(layers).json()["items"]] == ["author", "author", "model"]


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": " "}, {"name": "a\nb"}, {"name": "x" * 201}, {"name": "a", "kind": "x"}, {"nam": "a"}],
)
def test_a_layer_needs_a_name(site, body) -> None:
    answer = site.client("annotator").post(f"/api/slides/{site.slide}/layers", json=body)
    assert answer.status_code == 422


def test_who_may(site, path: str) -> None:
    layers = f"/api/slides/{site.slide}/layers"
    asked = [
        ("POST", f"{path}/edits", {"edits": [{"number": 1, "revision": 1, "delete": True}]}),
        ("POST", layers, {"name": "z"}),
        ("PATCH", f"{layers}/a", {"name": "z"}),
        ("DELETE", f"{layers}/a", None),
        ("POST", f"{layers}/a/restore", None),
    ]
    hidden = site.client()
    secret = site.services.accounts.create_token("p", role=Role.ADMIN, project="elsewhere").secret
    hidden.headers["authorization"] = f"Bearer {secret}"
    for method, address, body in asked:
        assert site.client("viewer").request(method, address, json=body).status_code == 403
        assert hidden.request(method, address, json=body).json()["detail"] == "There is no such slide."
    assert hidden.get(f"{path}/summary").status_code == 404
    assert numbers(site.client("viewer"), path, layer="a") == [1, 2, 3, 4]
