"""Large bodies of annotations, which go through a file; see also tests/exchange/test_posted.py."""

import uuid

import orjson
import pytest

from pathserve.exchange import posted
from pathserve.server import routes_annotations
from pathserve.server.models import AddedModel

SEQUENCE = {"content-type": "application/geo+json-seq"}


@pytest.fixture
def site(new_slide):
    return new_slide()


@pytest.fixture
def path(site):
    return f"/api/slides/{site.slide}/annotations"


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch):
    monkeypatch.setattr(posted, "PLAIN_BYTES", 0)


def point(x, **members):
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": [x, 5]}, "properties": {}, **members}


def records(features):
    return b"".join(b"\x1e" + orjson.dumps(feature) + b"\n" for feature in features)


def in_pieces(body, size=97):
    return iter([body[start : start + size] for start in range(0, len(body), size)])


def test_a_sequence_is_one_revision_and_reported_as_a_whole(site, path):
    features = [point(n, id=str(uuid.uuid4())) for n in range(40)]
    features[7]["geometry"] = None
    features[30]["geometry"]["coordinates"] = [1e308, 0]
    features[35] = point(99, id=features[3]["id"])
    bow_tie = [[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]
    features[20]["geometry"] = {"type": "Polygon", "coordinates": [bow_tie]}
    answer = site.client("annotator").post(path, content=in_pieces(records(features)), headers=SEQUENCE)
    report = answer.json()
    assert (answer.status_code, report["created"], len(report["ids"])) == (201, 37, 37)
    assert [(i["index"], i["code"]) for i in report["refused"]] == [
        (7, "no_geometry"),
        (30, "out_of_range"),
        (35, "conflict"),
    ]
    assert [(i["index"], i["code"]) for i in report["repaired"]] == [(20, "geometry_repaired")]
    assert report["ids"] == [f["id"] for n, f in enumerate(features) if n not in (7, 30, 35)]
    assert report["revision"] == 1
    again = site.client("annotator").post(path, content=in_pieces(records(features)), headers=SEQUENCE).json()
    assert (again["created"], again["ids"]) == (0, report["ids"])


def test_what_is_no_sequence_is_read_as_what_it_is(site, path):
    body = orjson.dumps({"type": "FeatureCollection", "features": [point(n) for n in range(40)]})
    answer = site.client("annotator").post(path, content=in_pieces(body), headers=SEQUENCE)
    assert (answer.status_code, answer.json()["created"], answer.json()["revision"]) == (201, 40, 1)
    assert site.client("annotator").post(path, content=b"", headers=SEQUENCE).json()["code"] == "not_json"


def test_a_damaged_record_is_refused_alone(site, path):
    body = records([point(1)]) + b'\x1e{"type": "Fea\n' + records([point(n) for n in range(20)])
    report = site.client("annotator").post(path, content=in_pieces(body), headers=SEQUENCE).json()
    assert (report["created"], [(i["index"], i["code"]) for i in report["refused"]]) == (21, [(1, "not_json")])


def test_limits_hold_for_the_whole(site, path):
    # The application of these tests takes 5,000 features and 2 MB at once.
    answer = site.client("annotator").post(path, content=records([point(n) for n in range(5001)]), headers=SEQUENCE)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_features")
    long = point(1, properties={"a": "x" * 2_100_000})
    answer = site.client("annotator").post(path, content=in_pieces(records([long]), 50_000), headers=SEQUENCE)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_an_answer_of_many_pieces_is_as_described(site, path, monkeypatch):
    monkeypatch.setattr(routes_annotations, "_REPORTED_AT_ONCE", 7)
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]}
    features = [point(n) if n % 3 else point(n, geometry=None if n % 2 else bow_tie) for n in range(90)]
    body = orjson.dumps({"type": "FeatureCollection", "features": features, "crs": {}})
    answer = site.client("annotator").post(path, content=body)
    report = AddedModel.model_validate(answer.json(), strict=True)
    assert answer.json() == report.model_dump()
    assert (report.created, report.revision, len(set(report.ids))) == (75, 1, 75)
    assert [issue.index for issue in report.refused] == list(range(3, 90, 6))
    assert [issue.index for issue in report.repaired] == list(range(0, 90, 6))
    assert [(loss.code, loss.count) for loss in report.losses] == [("crs_ignored", 1)]


def test_all_refused_is_a_problem(site, path):
    answer = site.client("annotator").post(path, content=records([point(1, geometry=None)] * 3), headers=SEQUENCE)
    assert (answer.status_code, len(answer.json()["refused"])) == (422, 3)
