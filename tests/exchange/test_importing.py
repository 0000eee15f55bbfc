import uuid

import numpy as np
import orjson
import pytest

from pathserve.annotations import AnnotationQuery, ClassSchemas
from pathserve.errors import Invalid, TooLarge, Unsupported
from pathserve.exchange import FrameOptions, Tissue, frame_options, importing
from pathserve.exchange.report import MAX_NAMED
from pathserve.formats.contract import SlideFrame
from pathserve.formats.geojson import geojson_file
from pathserve.labels import NewAnnotation

ID = "6f3c0b0e-8d1a-4f5e-9f2a-0123456789ab"
SQUARE = [[0, 0], [40, 0], [40, 40], [0, 40], [0, 0]]
BOW_TIE = [[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]


def polygon(ring, x=0, y=0):
    return {"type": "Polygon", "coordinates": [[[a + x, b + y] for a, b in ring]]}


def feature(geometry, **members):
    return {"type": "Feature", "geometry": geometry, "properties": {}, **members}


def text(*features):
    return orjson.dumps({"type": "FeatureCollection", "features": features})


def shape_xy(geometry):
    single = geometry["type"] == "Polygon"
    return geometry["coordinates"][0] if single else geometry["coordinates"][0][0]


def stored(store, slide, **question):
    return list(store.each(AnnotationQuery(slide.id, **question)))


def boxes(store, slide):
    found = [np.array(a.geometry["coordinates"], float).reshape(-1, 2) for a in stored(store, slide)]
    return sorted((*xy.min(axis=0).tolist(), *xy.max(axis=0).tolist()) for xy in found)


@pytest.fixture(params=["objects", "kernels"])
def either_way(request, monkeypatch):
    """Small files are read as objects, large ones by kernels: each test runs both ways."""
    if request.param == "kernels":
        monkeypatch.setattr(geojson_file, "FEW_BYTES", 0)


def test_a_file_is_imported_as_one_revision(bring, store, slide, either_way):
    classed = {"classification": {"name": "Tumor", "color": [1, 2, 3]}, "measurements": {"Area": 3.5}}
    report = bring(text(feature(polygon(SQUARE), id=ID, properties=classed), feature(polygon(BOW_TIE)), feature(None)))
    assert (report.read, report.created, report.known, report.replaced) == (3, 2, 0, 0)
    assert (report.made_ids, report.revision, store.revision(slide.id)) == (1, 1, 1)
    assert [(i.index, i.code) for i in report.repaired.named] == [(1, "geometry_repaired")]
    assert [(i.index, i.code) for i in report.refused.named] == [(2, "no_geometry")]
    assert report.is_partly_refused
    assert not report.is_refused
    assert set(report.assumed) == {"format", "origin", "unit"}
    (one,) = [a for a in stored(store, slide) if str(a.id) == ID]
    assert (one.class_name, one.properties, one.layer, one.author) == (
        "Tumor",
        {"measurements": {"Area": 3.5}},
        "imported",
        "ana",
    )


def test_importing_again_changes_nothing(bring, store, slide, either_way):
    twice = feature(polygon(SQUARE))
    data = text(feature(polygon(SQUARE), id=ID), twice, twice, feature(polygon(BOW_TIE)), feature(polygon(SQUARE, 9)))
    assert bring(data).created == 5
    before = {a.id: a.revision for a in stored(store, slide)}
    assert len(before) == 5
    again = bring(data)
    assert (again.created, again.known, again.revision) == (0, 5, 1)
    assert {a.id: a.revision for a in stored(store, slide)} == before
    made = [i for i in before if str(i) != ID]
    assert {i.version for i in made} == {8}
    assert {i.variant for i in made} == {uuid.RFC_4122}
    assert bring(data, layer="another").created == 4  # an id of its own is there already


def test_blanks_at_the_ends_of_class_names_go_and_are_counted(bring, store, slide, db, either_way):
    def of(name, x, **color):
        return feature(polygon(SQUARE, x), properties={"classification": {"name": name, **color}})

    plain = feature(polygon(SQUARE, 36))
    data = text(of(" Tumor", 0, color=[1, 2, 3]), of("Tumor ", 9), of("Tumor", 18), of("a b", 27), plain)
    report = bring(data)
    assert [(code, count) for code, _, count in report.losses.items()] == [("class_trimmed", 2)]
    assert sorted(str(a.class_name) for a in stored(store, slide)) == ["None", "Tumor", "Tumor", "Tumor", "a b"]
    schema = ClassSchemas(db).of("default")
    assert sorted(c.name for c in schema) == ["Tumor", "a b"]
    assert schema.get("Tumor").color == (1, 2, 3)
    assert bring(data).known == 5


def test_a_conflict_says_what_differs(bring, store, slide, either_way):
    def said(*features):
        return [issue.message for issue in bring(text(*features)).refused.named]

    there, tumor = "An annotation of this id is there with ", {"classification": {"name": "Tumor"}}
    bring(text(feature(polygon(SQUARE), properties={"a": 1} | tumor, id=ID)))
    square, moved = polygon(SQUARE), polygon(SQUARE, 5)
    assert said(feature(square, properties={"a": 1}, id=ID)) == [f"{there}another class."]
    assert said(feature(square, properties={"a": 2} | tumor, id=ID)) == [f"{there}other properties."]
    assert said(feature(moved, id=ID)) == [f"{there}another geometry, another class and other properties."]
    other = ID[:-1] + ("0" if ID[-1] != "0" else "1")
    twins = feature(square, id=other), feature(moved, id=other)
    assert said(*twins) == ["An earlier one of those given has the same id and other content."]
    store.delete(uuid.UUID(ID), expected=1, author="ana")
    assert said(feature(square, id=ID)) == ["An annotation of this id was there and was deleted."]
    assert said(feature(moved, id=other)) == [f"{there}another geometry."]
    (made,) = bring(text(feature(moved, id=other)), on_conflict="new").conflicts.named
    assert made.message == f"{there}another geometry: it got an id of its own."


def test_conflicts_are_met_in_three_ways(bring, store, slide, either_way):
    bring(text(feature(polygon(SQUARE), id=ID)))
    other = text(feature(polygon(SQUARE, 5), id=ID))
    report = bring(other)
    assert (report.created, report.conflicts.count, report.refused.count, report.is_refused) == (0, 0, 1, True)
    assert [(i.index, i.code) for i in report.refused.named] == [(0, "conflict")]
    assert report.refused.named[0].message == "An annotation of this id is there with another geometry."
    assert boxes(store, slide) == [(0, 0, 40, 40)]
    report = bring(other, on_conflict="new")
    assert (report.created, report.conflicts.count, report.refused.count) == (1, 1, 0)
    assert boxes(store, slide) == [(0, 0, 40, 40), (5, 0, 45, 40)]
    report = bring(other, on_conflict="replace")
    assert (report.replaced, report.created, report.refused.count) == (1, 0, 0)
    assert boxes(store, slide) == [(5, 0, 45, 40)] * 2


def test_a_file_that_names_an_id_twice_replaces_nothing_with_the_second_feature(bring, store, slide, either_way):
    file = text(feature(polygon(SQUARE), id=ID), feature(polygon(SQUARE, 5), id=ID), feature(polygon(SQUARE), id=ID))
    revisions = []
    for on_conflict in ("report", "replace", "replace"):
        report = bring(file, on_conflict=on_conflict)
        revisions.append(report.revision)
        assert (report.replaced, [issue.index for issue in report.refused.named]) == (0, [1])
    assert revisions == [1, 1, 1]
    assert boxes(store, slide) == [(0, 0, 40, 40)]


def test_new_copies_are_there_already_when_the_file_comes_again(bring, store, slide, either_way):
    bring(text(feature(polygon(SQUARE), id=ID)))
    file = text(
        feature(polygon(SQUARE), id=ID),
        feature(polygon(SQUARE, 5), id=ID),
        feature(polygon(SQUARE, 9), id=ID),
        feature(polygon(SQUARE, 9), id=ID),
    )
    made = [bring(file, on_conflict="new") for _ in range(3)]
    counts = [(r.created, r.known, r.conflicts.count, r.refused.count) for r in made]
    assert counts == [(2, 2, 2, 0), (0, 4, 0, 0), (0, 4, 0, 0)]
    assert boxes(store, slide) == [(0, 0, 40, 40), (5, 0, 45, 40), (9, 0, 49, 40)]
    assert {a.id.version for a in stored(store, slide)} == {4, 8}
    assert bring(file, on_conflict="new", layer="another").created == 2


def test_a_copy_that_was_changed_gets_another_beside_it_once(bring, store, slide, monkeypatch):
    bring(text(feature(polygon(SQUARE), id=ID)))
    file = text(feature(polygon(SQUARE, 5), id=ID))
    bring(file, on_conflict="new")
    (copy,) = (a for a in stored(store, slide) if a.id != uuid.UUID(ID))
    store.delete(copy.id, expected=copy.revision, author="ana")
    again = [bring(file, on_conflict="new") for _ in range(2)]
    assert [(r.created, r.known) for r in again] == [(1, 0), (0, 1)]
    assert boxes(store, slide) == [(0, 0, 40, 40), (5, 0, 45, 40)]
    monkeypatch.setattr(importing, "MAX_COPIES", 1)
    assert [(i.index, i.code) for i in bring(file, on_conflict="new").refused.named] == [(0, "conflict")]


def test_each_feature_is_counted_once(bring, either_way):
    there, other = feature(polygon(SQUARE), id=ID), feature(polygon(SQUARE, 5), id=ID)
    bring(text(there))
    broken = feature({"type": "Polygon", "coordinates": []})
    for on_conflict in ("report", "new", "replace"):
        file = text(there, other, feature(polygon(SQUARE, 9)), broken)
        report = bring(file, on_conflict=on_conflict, layer=on_conflict).to_json()
        parts = [report[name] for name in ("created", "there_already", "replaced", "refused_count")]
        assert sum(parts) == report["read"] == 4
        assert report["conflicts_count"] == (1 if on_conflict == "new" else 0)


ODD_STATES = (5, "", " ", "a\nb", "x" * 201, True, ["approved"], {})


def test_a_state_is_a_name_or_refused(bring, store, slide, either_way):
    states = ["approved", None, "draft", *ODD_STATES]
    report = bring(text(*(feature(polygon(SQUARE, x), properties={"state": s}) for x, s in enumerate(states))))
    assert [(i.index, i.code) for i in report.refused.named] == [(n, "bad_name") for n in range(3, len(states))]
    assert {i.message for i in report.refused.named} == {"A state needs 1 to 200 printable characters."}
    assert [a.properties for a in stored(store, slide)] == [{"state": "approved"}, {}, {}]
    assert store.summary(AnnotationQuery(slide.id)).states == {"approved": 1, "draft": 2}


def test_a_state_of_another_form_is_a_name_or_refused(bring):
    states = ("approved", "x" * 201)
    table = "wkt,state\n" + "".join(f"POINT ({x} 1),{state}\n" for x, state in enumerate(states))
    marks = ({"id": None, "type": "Point", "properties": {"state": state}} for state in (*states, 5))
    points = [{"type": "point", "center": [x, 2, 0], "user": {"pathserve": mark}} for x, mark in enumerate(marks)]
    for file in (table.encode(), orjson.dumps({"name": "a", "elements": points})):
        report = bring(file)
        assert report.created == 1
        assert {i.code for i in report.refused.named} == {"bad_name"}


def test_what_is_the_same_of_many_features_is_said_once(bring):
    far = feature({"type": "Point", "coordinates": [1e9, 0]})
    many = bring(text(feature(polygon(SQUARE)), *[far] * (MAX_NAMED + 5))).refused
    (line,) = many.lines()
    assert line.startswith(f"{MAX_NAMED + 5:,} features (1, 2, 3, 4, 5, ...): A coordinate")
    one = bring(text(far, feature(None), feature(None))).refused
    assert [line.split(":")[0] for line in one.lines()] == ["feature 0", "2 features (1, 2)"]
    bad = b"[" + b",".join([b'{"type":"Point","coordinates":[NaN,1]}'] * 9) + b"]"
    places = bring(bad).refused.lines()
    assert [line.split(":")[0] for line in places[:3]] == ["feature 0", "feature 1", "feature 2"]
    assert places[3:] == ["6 more of this kind (not_json)."]


def test_what_is_there_already_in_another_layer_is_told(bring, store, slide, either_way):
    data = text(feature(polygon(SQUARE), id=ID), feature(polygon(SQUARE, 5), id=ID[:-1] + "0"))
    assert bring(data, layer="GX").known_elsewhere == {}
    assert bring(data, layer="GX").known_elsewhere == {}
    report = bring(data, layer="GY")
    assert (report.created, report.known, report.known_elsewhere) == (0, 2, {"GX": 2})
    assert report.to_json()["there_already_elsewhere"] == [{"layer": "GX", "count": 2}]
    edited = stored(store, slide)[0]
    moved = NewAnnotation(geometry=polygon(SQUARE, 7))
    later = store.replace(edited.id, moved, expected=edited.revision, author="ada")
    store.revert(edited.id, edited.revision, expected=later.revision, author="ada")
    assert bring(data, layer="GY").known_elsewhere == {"GX": 2}


def test_an_id_twice_in_one_file(bring, either_way):
    same = feature(polygon(SQUARE), id=ID)
    report = bring(text(same, same, feature(polygon(SQUARE, 3), id=ID)))
    assert (report.created, report.known, report.refused.count, report.conflicts.count) == (1, 1, 1, 0)
    assert report.refused.named[0].index == 2


@pytest.mark.parametrize(
    "first",
    [
        {"geometry": {"type": "Point", "coordinates": [1, 2, 3]}},
        {"geometry": polygon(SQUARE), "foreign": {"member": 1}},
        {"geometry": polygon(BOW_TIE)},
    ],
    ids=["further numbers", "foreign member", "repaired"],
)
def test_of_two_with_one_id_the_first_is_kept_whatever_it_is(bring, store, slide, either_way, first):
    features = [{"type": "Feature", "id": ID, "properties": {"place": 0}} | first]
    features += [feature(polygon(SQUARE, 50), id=ID), feature(polygon(SQUARE, 70))]
    report = bring(text(*features))
    assert [(issue.index, issue.code) for issue in report.refused.named] == [(1, "conflict")]
    assert [a.properties.get("place") for a in stored(store, slide) if str(a.id) == ID] == [0]


def test_nothing_is_there_before_all_of_it_is(bring, store, slide, either_way):
    data = text(*(feature(polygon(SQUARE, n)) for n in range(20)))
    for broken in (data[:-30], data + b"x", data.replace(b",{", b" {", 1)):
        with pytest.raises(Invalid) as refused:
            bring(broken)
        assert refused.value.code == "not_json"
    with pytest.raises(TooLarge):
        bring(data, max_features=10)
    assert stored(store, slide) == []
    assert store.revision(slide.id) == 0


def test_frames(bring, store, slide, either_way):
    data = text(feature(polygon(SQUARE, 100, 100)))
    for said, box in (
        ({}, (100, 100, 140, 140)),
        ({"origin": "bounds"}, (1100, 600, 1140, 640)),
        ({"unit": "um"}, (400, 200, 560, 280)),
        ({"unit": "um", "mpp": "0.5"}, (200, 200, 280, 280)),
        ({"unit": "um", "origin": "bounds"}, (1400, 700, 1560, 780)),
        ({"affine": "2,0,7,0,3,9"}, (207, 309, 287, 429)),
        ({"affine": "0,1,0,1,0,5", "unit": "um"}, (400, 210, 560, 290)),
    ):
        report = bring_with(bring, data, said, str(box))
        assert report.outside == 0
        (found,) = stored(store, slide, layers=(str(box),))
        xy = np.array(found.geometry["coordinates"][0])
        assert (*xy.min(axis=0), *xy.max(axis=0)) == box
        assert [name for name in ("origin", "unit") if name not in said] == list(report.frame.assumed)


def bring_with(bring, data, said, layer="imported", **more):
    return bring(data, layer=layer, frame=frame_options(**said), **more)


def test_what_stands_as_json_is_moved_too(bring, store, slide, either_way):
    cell = feature({**polygon(SQUARE), "plane": {"z": 1}}, nucleusGeometry=polygon(BOW_TIE))
    plain = feature(polygon(SQUARE, 200), nucleusGeometry=polygon(BOW_TIE, 200))
    bow_tie = feature(polygon(BOW_TIE, 400))
    bring_with(bring, text(cell, plain, bow_tie), {"origin": "bounds"})
    found = {np.ravel(np.array(shape_xy(a.geometry)))[0]: a for a in stored(store, slide)}
    moved = found[1000]
    assert moved.geometry["plane"] == {"z": 1}
    for shape, x in ((moved, 0), (found[1200], 200)):
        nucleus = shape.properties["foreignMembers"]["nucleusGeometry"]
        assert nucleus == polygon(BOW_TIE, 1000 + x, 500)
    (repaired,) = [a for a in found.values() if a.drawn is not None]
    assert repaired.drawn == polygon(BOW_TIE, 1400, 500)


def test_a_frame_that_cannot_be_had_is_refused(bring):
    data = text(feature(polygon(SQUARE)))
    with pytest.raises(Invalid) as refused:
        bring_with(bring, data, {"unit": "um"}, slide_frame=SlideFrame())
    assert refused.value.code == "no_mpp"
    with pytest.raises(Invalid) as refused:
        bring_with(bring, data, {"affine": "1,1,0,1,1,0"})
    assert refused.value.code == "bad_affine"
    for said in ({"mpp": "0.5"}, {"mpp": "0.5", "unit": "px"}):
        with pytest.raises(Invalid, match="say the unit um too"):
            bring_with(bring, data, said)
    for said in ({"origin": "here"}, {"unit": "mm"}, {"mpp": "0"}, {"mpp": "nan"}, {"mpp": "1,2,3"}, {"affine": "1"}):
        with pytest.raises(Invalid):
            frame_options(**said)


def test_how_well_each_frame_would_fit_is_told(bring, slide, either_way):
    mask = np.zeros((8, 10), np.bool_)
    mask[:, 1:3] = True  # tissue from x = 1000 to 3000
    data = text(feature(polygon(SQUARE, 100, 100)), feature(polygon(SQUARE, 9500, 100)))
    report = bring(data, tissue=Tissue(mask))
    found = {(fit.origin, fit.unit): (fit.on_slide, fit.on_tissue) for fit in report.fit}
    assert found == {
        ("slide", "px"): (1.0, 0.0),
        ("bounds", "px"): (0.5, 0.5),
        ("slide", "um"): (0.5, 0.0),
        ("bounds", "um"): (0.5, 0.5),
    }
    assert bring(text(feature(polygon(SQUARE, -20)))).outside == 1


def test_what_lies_partly_outside_the_slide_is_counted_once(bring, either_way):
    width, height = 10_000, 8_000  # of the slide
    inside = [(0, 0), (width - 40, 0), (0, height - 40), (100, 100)]
    outside = [(-20, 100), (width - 20, 100), (100, -1), (100, height - 39), (width - 1, height - 1)]
    places = [*outside[:2], *inside, *outside[2:]]
    assert bring(text(*(feature(polygon(SQUARE, *place)) for place in places))).outside == len(outside)


def test_lists_of_a_report_end_and_all_are_counted(bring, either_way):
    report = bring(text(*[feature(None)] * 1500, *(feature(polygon(BOW_TIE, n)) for n in range(1200))))
    assert (report.refused.count, len(report.refused.named)) == (1500, MAX_NAMED)
    assert (report.repaired.count, len(report.repaired.named)) == (1200, MAX_NAMED)
    assert report.repaired.named[0].index == 1500
    assert len(orjson.dumps(report.to_json())) < 400_000


def test_repairs_end_and_can_be_forced(bring, monkeypatch, either_way):
    hole = [[39, 10], [42, 10], [42, 20], [39, 20], [39, 10]]
    lossy = {"type": "Polygon", "coordinates": [[[30, 10], [40, 10], [40, 20], [30, 20], [30, 10]], hole]}
    report = bring(text(feature(lossy)))
    assert [i.code for i in report.refused.named] == ["not_repairable"]
    assert bring(text(feature(lossy)), force=True, layer="forced").created == 1
    monkeypatch.setattr(importing, "MAX_REPAIR_SECONDS", 0.0)
    report = bring(text(feature(polygon(BOW_TIE)), feature(polygon(SQUARE))), layer="late")
    assert [(i.index, i.code) for i in report.refused.named] == [(0, "too_many_repairs")]


def test_a_tangle_of_200_vertices_does_not_hold_up_the_rest(bring, either_way):
    turns = np.random.default_rng(7).permutation(200) * (2 * np.pi / 200)
    ring = (500 + 400 * np.stack((np.cos(turns), np.sin(turns)), axis=1)).tolist()
    report = bring(text(feature(polygon([*ring, ring[0]])), feature(polygon(SQUARE))))
    assert report.read == 2
    assert report.created >= 1


def test_all_kinds_of_geometry_arrive(bring, store, slide, either_way):
    ring = [[x + 100.0, y + 0.25] for x, y in SQUARE]
    kinds = [
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]},
        {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
        {"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]},
        {"type": "Polygon", "coordinates": [ring, [[x / 4 + 110, y / 4 + 10] for x, y in SQUARE]]},
        {"type": "MultiPolygon", "coordinates": [[ring], [[[x + 300.0, y] for x, y in SQUARE]]]},
        {"type": "Point", "coordinates": [1, 2, 3]},
    ]
    assert bring(text(*map(feature, kinds))).created == len(kinds)
    found = [a.geometry for a in stored(store, slide)]
    assert all(kind in found for kind in kinds)


def test_progress_is_told(bring):
    told = []
    bring(text(*(feature(polygon(SQUARE, n)) for n in range(2500))), progress=lambda *at: told.append(at))
    assert [at for at in told if at[0] == "reading"][-1] == ("reading", 2500, None)
    assert told[-1] == ("writing", 2500, 2500)


def test_a_feature_that_is_no_json_is_refused_alone(bring, store, slide, either_way):
    data = text(*(feature(polygon(SQUARE, n)) for n in range(20))).replace(b"[40,0]", b"[NaN,0]", 1)
    report = bring(data)
    assert (report.read, report.created, len(stored(store, slide))) == (20, 19, 19)
    (issue,) = report.refused.named
    assert (issue.index, issue.code) == (0, "not_json")
    assert f"at byte {data.index(b'NaN'):,}, line 1: NaN" in issue.message


def test_what_is_no_annotation_file_is_refused(bring, shared_data):
    for name in (
        "qupath/project/data/1/data.qpdata",
        "qupath/project/project.qpproj",
        "histomicstk/sample_GTcodes.csv",
    ):
        with pytest.raises(Unsupported):
            bring(shared_data / "annotations" / name)
    with pytest.raises(Invalid):
        bring(text(), form="shapefile")


def test_a_hostile_number_of_features_and_depth(bring):
    deep = b'[{"type":"Feature","geometry":null,"properties":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}]"
    assert [(i.index, i.code) for i in bring(deep).refused.named] == [(0, "too_deep")]
    huge = text(feature({"type": "Point", "coordinates": [1e308, 0]}), feature(polygon(SQUARE)))
    assert [(i.index, i.code) for i in bring(huge).refused.named] == [(0, "out_of_range")]


def test_options_are_left_alone_by_default():
    assert frame_options() == FrameOptions()
