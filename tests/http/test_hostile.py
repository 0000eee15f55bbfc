"""No input of a client ends in a bug: hostile addresses, parameters and bodies get a clear answer."""

import uuid

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(["1e-320", "1e308", "-1e308", "9" * 5000, "0x1", "", "nan", "\u0661", "1_000", "\x00"]),
)
WORDS = st.one_of(st.text(max_size=40), st.sampled_from(["semantic", "npy", "png", "jpeg", "srgb", "source"]))
QUERY = st.fixed_dictionaries(
    {"x": NUMBERS, "y": NUMBERS, "width": NUMBERS, "height": NUMBERS},
    optional={
        "downsample": NUMBERS,
        "mpp": NUMBERS,
        "format": WORDS,
        "kind": WORDS,
        "color": WORDS,
        "class": WORDS,
        "as_of": st.one_of(NUMBERS, WORDS, st.datetimes().map(lambda at: at.isoformat() + "+14:00")),
        "g": NUMBERS,
        "bbox": WORDS,
    },
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
SEARCH = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@SEARCH
@given(query=QUERY, what=st.sampled_from(["region", "mask", "pair", "annotations", "thumbnail"]))
def test_any_query_is_answered(site, query, what: str) -> None:
    small = {key: value for key, value in query.items() if key != "bbox" or what == "annotations"}
    answer = site.client().get(f"/api/slides/{site.slide}/{what}", params=small)
    assert answer.status_code in (200, 404, 413, 422), (query, answer.text)


@SEARCH
@given(geometry=JSON, properties=JSON)
def test_any_feature_is_answered(site, geometry, properties) -> None:
    body = (
        orjson.dumps(
            {"type": "Feature", "geometry": geometry, "properties": properties}, option=orjson.OPT_NON_STR_KEYS
        )
        if _fits([geometry, properties])
        else b"{}"
    )
    answer = site.client().post(f"/api/slides/{site.slide}/annotations", content=body)
    assert answer.status_code in (201, 422), answer.text


@SEARCH
@given(patch=JSON)
def test_any_patch_is_answered(site, patch) -> None:
    path = f"/api/slides/{site.slide}/annotations"
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": {}}
    one = f"/api/annotations/{site.client().post(path, json=point).json()['ids'][0]}"
    body = orjson.dumps(patch) if _fits(patch) else b"[]"
    tag = site.client().get(one).headers["etag"]
    answer = site.client().patch(one, content=body, headers={"if-match": tag})
    assert answer.status_code in (200, 422), answer.text


def _fits(value) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize(
    "place",
    ["9" * 5000 + "/0_0", "0/" + "9" * 5000 + "_0", "12/0_" + "9" * 30, "\u0661/0_0", "12/+1_0", "12/ 1_0", "%00/0_0"],
)
def test_no_tile_is_at_a_hostile_address(site, place: str) -> None:
    assert site.client().get(f"/dzi/{site.slide}_files/{place}.jpeg").status_code == 404


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("region", {"x": 0, "y": 0, "width": 1, "height": 1, "downsample": 1e-320}),
        ("mask", {"x": 0, "y": 0, "width": 1, "height": 1, "downsample": 1e-320}),
        ("annotations", {"as_of": "0001-01-01T00:00:00+14:00"}),
        ("annotations", {"as_of": "9999-12-31T23:59:59-14:00"}),
        ("annotations", {"as_of": str(2**63)}),
    ],
)
def test_extreme_parameters_are_refused(site, path: str, query) -> None:
    assert site.client().get(f"/api/slides/{site.slide}/{path}", params=query).status_code == 422


def test_deep_long_and_unclear_bodies_are_refused(site) -> None:
    client, path = site.client(), f"/api/slides/{site.slide}/annotations"
    deep = b"[" * 300 + b"]" * 300
    collection = b'{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,1]}],"coordinates":'
    bodies = [
        b'{"type":"Feature","geometry":' + collection + deep + b'},"properties":{}}',
        b'{"type":"Feature","geometry":{"type":"Point","coordinates":[1,1]},"properties":{"a":1,"a":'
        + b"9" * 400
        + b"}}",
    ]
    bodies += [
        orjson.dumps(
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [1, 1]},
                "properties": {"exhaustive": mark},
            }
        )
        for mark in ("false", "tumour", 1, {}, [1], None)
    ]
    for body in bodies:
        assert client.post(path, content=body).status_code == 422, body[:80]
    point = b'{"type":"Feature","geometry":{"type":"Point","coordinates":[1,1]},"properties":{}}'
    one = f"/api/annotations/{client.post(path, content=point).json()['ids'][0]}"
    for depth in (65, 300, 1000, 100_000):
        body = b'{"properties":{"a":' + b"[" * depth + b"]" * depth + b"}}"
        assert client.patch(one, content=body, headers={"if-match": '"r1"'}).status_code == 422, depth
    for revision in (2**63, -1, "x", "1", 1.5, 1.0, True):
        answer = client.post(f"{one}/revert", json={"revision": revision}, headers={"if-match": '"r1"'})
        assert answer.status_code == 422, revision
    assert client.get(f"/api/annotations/{uuid.uuid4()}").status_code == 404
