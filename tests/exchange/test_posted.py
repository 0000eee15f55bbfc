"""Posting a text at once and by way of a file gives the same answer, and only the second holds nobody up."""

import gc
import uuid

import numpy as np
import orjson
import pytest

from pathserve.annotations import AnnotationQuery
from pathserve.errors import Invalid, TooLarge
from pathserve.exchange import Posting, post_file, post_text, posted
from pathserve.formats.geojson import blocks
from pathserve.labels import FeatureIssue

SQUARE = [[0, 0], [40, 0], [40, 40], [0, 40], [0, 0]]
BOW_TIE = [[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]
ID = "6f3c0b0e-8d1a-4f5e-9f2a-0123456789ab"


def feature(ring, **members):
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}, **members}


def classed(color):
    return {"classification": {"name": "Tumor", "color": color}, "measurements": {"Area": 3.5}}


def collection(*features, **members):
    return orjson.dumps({"type": "FeatureCollection", "features": features, **members})


@pytest.fixture
def posting(slide):
    return Posting(slide.id, slide.size, "ana", "ana", max_features=1000, max_vertices=1000)


@pytest.fixture
def post(store, posting, tmp_path, monkeypatch):
    """Post a text by way of a file."""
    monkeypatch.setattr(posted, "PLAIN_BYTES", 0)

    def post(text):
        path = tmp_path / "body"
        path.write_bytes(text)
        return post_file(store, path, posting)

    return post


def stored(store, slide):
    return [
        (a.geometry, a.class_name, dict(a.properties), a.drawn, a.layer, a.author)
        for a in store.each(AnnotationQuery(slide.id))
    ]


def told(answer):
    return (
        answer.created,
        answer.revision,
        [(i.index, i.code, i.message) for i in answer.repaired],
        [(i.index, i.code, i.message) for i in answer.refused],
        answer.losses.items(),
    )


FEATURES = [
    feature(SQUARE, id=ID, properties=classed([1, 2, 3])),
    feature(BOW_TIE, id="cell-7"),
    feature(SQUARE[:2]),
    feature(SQUARE, id=ID),
    feature([[5, 5], [9, 5], [9, 9], [5, 9], [5, 5]], properties=classed("pink"), id=str(uuid.UUID(int=7))),
    {"type": "Feature", "geometry": None, "properties": {}},
    feature(BOW_TIE, properties=classed([4, 5, 6])),
    feature([[x + 1e7, y] for x, y in SQUARE]),
    feature(SQUARE, nucleusGeometry={"type": "Point", "coordinates": [3, 3]}, id=ID),
    {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1.25, 7]}, "properties": {"score": 0.5}},
]

TEXTS = {
    "collection": collection(*FEATURES, crs={}, more=1),
    "one bad": b'{"type":"FeatureCollection","features":[%s,{"type":"Point","coordinates":[1e999,0]},%s]}'
    % (orjson.dumps(FEATURES[0]), orjson.dumps(FEATURES[4])),
    "array": orjson.dumps(FEATURES),
    "sequence": b"".join(b"\x1e" + orjson.dumps(f) + b"\n" for f in FEATURES),
    "blanks": collection(*(feature(SQUARE, properties={"classification": {"name": n}}) for n in (" T", "T ", "T"))),
    "lines": b"".join(orjson.dumps(f) + b"\n" for f in FEATURES),
    "feature": orjson.dumps(FEATURES[1]),
    "several shapes": orjson.dumps(
        {"type": "GeometryCollection", "geometries": [FEATURES[1]["geometry"], FEATURES[9]["geometry"]]}
    ),
    "twice": b'{"type":"Feature","type":"Feature","geometry":{"type":"Point","coordinates":[1,1]},"properties":{}}',
}


@pytest.mark.parametrize("name", TEXTS)
def test_both_ways_say_and_write_the_same(post, store, slide, posting, name):
    answer = post(TEXTS[name])
    written = stored(store, slide)
    for identity in answer.ids:
        store.delete(uuid.UUID(identity), expected=answer.revision, author="ana")
    assert written
    # An id that was there is not free: the same text with other ids.
    text = TEXTS[name].replace(ID.encode(), str(uuid.uuid4()).encode()).replace(b"00000007", b"00000008")
    gone = store.revision(slide.id)
    other = post_text(store, text, posting)
    assert told(answer)[0] == other.created
    assert told(answer)[2:] == told(other)[2:]
    assert other.revision == gone + 1
    for row in stored(store, slide):  # in another order: many are numbered as they lie on the slide
        written.remove(row)
    assert written == []
    assert len(answer.ids) == len(other.ids) == answer.created


def test_blanks_at_the_ends_of_class_names_go_and_are_counted(post, store, slide):
    answer = post(TEXTS["blanks"])
    assert [(code, count) for code, _, count in answer.losses.items()] == [("class_trimmed", 2)]
    assert {name for _, name, *_ in stored(store, slide)} == {"T"}


def test_ids_come_in_the_order_of_the_text_whatever_is_repaired_on_the_way(post, store, slide):
    ids = [str(uuid.uuid4()) for _ in range(60)]
    rings = [BOW_TIE if n % 7 == 3 else SQUARE for n in range(60)]
    text = collection(*(feature(ring, id=i) for ring, i in zip(rings, ids, strict=True)))
    answer = post(text)
    assert (answer.ids, answer.created, answer.revision, len(answer.refused)) == (ids, 60, 1, 0)
    assert [i.index for i in answer.repaired] == [n for n in range(60) if n % 7 == 3]
    assert {str(a.id) for a in store.each(AnnotationQuery(slide.id))} == set(ids)
    again = post(text)
    assert (again.ids, again.created, again.revision) == (ids, 0, 1)


def test_all_of_it_or_nothing_is_written(post, store, slide):
    whole = collection(*(feature(SQUARE, id=str(uuid.uuid4())) for _ in range(50)))
    with pytest.raises(Invalid) as cut:
        post(whole[:-400])
    assert cut.value.code == "not_json"
    with pytest.raises(TooLarge) as many:
        post(collection(*[feature(SQUARE)] * 1001))
    assert many.value.code == "too_many_features"
    assert (store.revision(slide.id), stored(store, slide)) == (0, [])
    assert store.layers(slide.id) == []


def test_one_text_can_ask_for_so_much_repair_and_no_more(post, monkeypatch):
    monkeypatch.setattr(posted, "MAX_REPAIR_SECONDS", 1e-9)
    answer = post(collection(feature(BOW_TIE), feature(BOW_TIE), feature(SQUARE)))
    assert [i.index for i in answer.repaired] == [0]
    assert [(i.index, i.code) for i in answer.refused] == [(1, "too_many_repairs")]


def test_no_call_gets_more_than_a_feature_or_a_block_at_once(post, store, slide, monkeypatch):
    given, windows, load = list[int](), list[int](), orjson.loads

    def counting(text):
        given.append(len(text))
        return load(text)

    monkeypatch.setattr(orjson, "loads", counting)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 4096)
    arrays = blocks._Arrays.scan

    def scan(self, window, around):
        windows.append(window.end - window.place)
        return arrays(self, window, around)

    monkeypatch.setattr(blocks._Arrays, "scan", scan)
    turns = np.linspace(0, 2 * np.pi, 40)[:-1]
    rings = [(np.stack((np.cos(turns), np.sin(turns)), 1) * 20 + 100 + n).round(2).tolist() for n in range(300)]
    text = collection(*(feature([*ring, ring[0]], id=None if n % 5 else "odd") for n, ring in enumerate(rings)))
    assert len(text) > 40 * 4096
    assert post(text).created == 300
    assert max(given) < 2000
    assert max(windows) <= 4096
    assert sum(windows) >= len(text) - 4096


def test_a_million_issues_are_no_million_objects():
    issues = posted.FeatureIssues(FeatureIssue(n, "a", "A.") for n in range(5, 10))
    before = len(gc.get_objects())
    for n in range(20_000):
        issues.add(n % 5, "ab"[n % 2], "AB"[n % 2] + ".")
    assert len(gc.get_objects()) - before < 100
    issues.put_in_order()
    assert len(issues) == 20_005
    assert [issue.index for issue in issues] == sorted([*(n % 5 for n in range(20_000)), *range(5, 10)])
    assert issues[:4] == [FeatureIssue(0, "ab"[n % 2], "AB"[n % 2] + ".") for n in range(0, 20, 5)]
    assert (issues[-1], issues[20_005:]) == (FeatureIssue(9, "a", "A."), [])
