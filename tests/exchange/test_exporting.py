import io

import numpy as np
import orjson
import pytest

from pathserve.annotations import AnnotationQuery, ClassSchemas
from pathserve.annotations.revisions import revision_log
from pathserve.errors import Invalid, NotFound, Unsupported
from pathserve.exchange import ExportOptions, begin_export, frame_options
from pathserve.formats.contract import Format, ReadContext, SlideFrame
from pathserve.formats.registry import FORMATS, by_name
from pathserve.geometry import Mpp, Size
from pathserve.labels import NewAnnotation

FRAME = SlideFrame(Size(10_000, 8_000), Mpp(0.25, 0.5), (1000.0, 500.0))
SQUARE = [[100, 100], [140.5, 100], [140.5, 140], [100, 140], [100, 100]]


@pytest.fixture
def take(store, slide, db):
    def take(form="geojson", **question):
        said = frame_options(**{k: question.pop(k) for k in ("origin", "unit", "mpp", "affine") if k in question})
        export = begin_export(
            store,
            AnnotationQuery(slide.id, **question),
            ExportOptions(form if isinstance(form, Format) else by_name(form), said),
            frame=FRAME,
            schema=ClassSchemas(db).of("default"),
            revisions=revision_log(db, slide.id),
        )
        out = io.BytesIO()
        return export.write(out), out.getvalue()

    return take


def collection(*squares):
    return orjson.dumps(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "geometry": {"type": "Polygon", "coordinates": [[[x + dx, y] for x, y in SQUARE]]},
                    "properties": {"classification": {"name": name, "color": [9, 8, 7]}},
                }
                for dx, name in squares
            ],
        }
    )


def test_an_export_says_who_wrote_what_and_when(bring, take):
    bring(collection((0, "Tumor"), (10, "Stroma")))
    report, text = take()
    assert (report.written, report.revision, report.losses.items()) == (2, 1, [])
    features = orjson.loads(text)["features"]
    for feature in features:
        properties = feature["properties"]
        assert (properties["author"], properties["layer"], properties["revision"]) == ("ana", "imported", 1)
        assert properties["classification"]["color"] == [9, 8, 7]
        assert properties["provenance"]["created"] == properties["provenance"]["updated"]
        assert properties["provenance"]["created"].endswith("Z")
    assert {f["properties"]["number"] for f in features} == {1, 2}


def test_filters_and_earlier_revisions(bring, take):
    bring(collection((0, "Tumor")), layer="a")
    bring(collection((10, "Tumor"), (20, "Stroma")), layer="b")
    questions = ({}, {"as_of": 1}, {"layers": ("b",)}, {"classes": ("Tumor",)})
    assert [take(**question)[0].written for question in questions] == [3, 1, 2, 2]
    with pytest.raises(Invalid):
        take(as_of=3)


def test_a_layer_that_is_not_there_is_an_error_that_names_those_that_are(bring, take, store, slide):
    with pytest.raises(NotFound, match="There are no layers yet"):
        take(layers=("a",))
    bring(collection((0, "Tumor")), layer="a")
    bring(collection((10, "Tumor")), layer="b")
    for wrong in (("c",), ("a", "c"), ("A",)):
        with pytest.raises(NotFound, match=r"There is no such layer\. Layers are: a, b\."):
            take(layers=wrong)
    assert take(layers=("a", "b"))[0].written == 2
    assert take(layers=("b",), as_of=1)[0].written == 0
    for n in range(20):
        store.add(slide.id, [NewAnnotation({"type": "Point", "coordinates": [n, n]})], layer=f"l{n:02}", author="x")
    with pytest.raises(NotFound, match=r"a, b, l00, .*l17 and 2 more\.$"):
        take(layers=("c",))


@pytest.mark.parametrize(
    ("said", "corner"),
    [
        ({}, (100, 100)),
        ({"origin": "bounds"}, (-900, -400)),
        ({"unit": "um"}, (25, 50)),
        ({"unit": "um", "mpp": "2"}, (200, 200)),
        ({"origin": "bounds", "unit": "um"}, (-225, -200)),
        ({"affine": "2,0,0,0,4,0"}, (50, 25)),
    ],
)
def test_frames(bring, take, said, corner):
    bring(collection((0, "Tumor")))
    _, text = take(**said)
    (feature,) = orjson.loads(text)["features"]
    assert tuple(feature["geometry"]["coordinates"][0][0]) == corner


@pytest.mark.parametrize(("form", "code"), [("geojson", "bad_option"), ("coco", "bad_option"), ("ndpa", "fixed_frame")])
def test_a_pixel_size_that_would_not_count_is_refused(bring, take, form, code):
    bring(collection((0, "Tumor")))
    with pytest.raises(Invalid) as refused:
        take(form, mpp="0.5")
    assert refused.value.code == code


@pytest.mark.parametrize("said", [{}, {"origin": "bounds", "unit": "um"}, {"affine": "0,2,5,-3,0,7"}])
@pytest.mark.parametrize("form", ["geojson", "geojsonl", "qupath"])
def test_what_is_exported_is_nothing_new(bring, take, slide, said, form):
    bring(collection((0, "Tumor"), (10, "Stroma")))
    _, text = take(form, **said)
    report = bring(text, frame=frame_options(**said))
    assert (report.created, report.refused.count) == (0, 0) if not said else report.read == 2
    assert report.form.name == form


@pytest.mark.parametrize("form", ["geojson", "geojsonl", "qupath"])
@pytest.mark.parametrize("is_edited", [False, True])
def test_an_outline_that_was_repaired_is_nothing_new_when_it_comes_back(bring, take, store, slide, form, is_edited):
    ring = [[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]
    bring(orjson.dumps({"type": "Polygon", "coordinates": [ring]}))
    (one,) = store.each(AnnotationQuery(slide.id))
    if is_edited:  # where single versions lie
        deleted = store.delete(one.id, expected=1, author="ana")
        store.revert(one.id, 1, expected=deleted.revision, author="ana")
    report, text = take(form)
    assert {code for code, _, _ in report.losses.items()} <= {"server_members"}
    revision = store.revision(slide.id)
    for on_conflict in ("report", "new", "replace"):
        again = bring(text, on_conflict=on_conflict)
        assert (again.known, again.read, again.revision) == (1, 1, revision)
    store.add(slide.id, [NewAnnotation(one.geometry, one.id)], layer="imported", author="ana")
    (after,) = store.each(AnnotationQuery(slide.id))
    assert after.drawn == one.drawn == {"type": "Polygon", "coordinates": [ring]}


BOW = {"type": "Polygon", "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]}


def test_outlines_as_drawn_come_back_with_any_frame_unless_what_became_of_them_was_changed(bring, take, store, slide):
    bring(orjson.dumps(BOW))
    (one,) = store.each(AnnotationQuery(slide.id))
    for said in ({}, {"affine": "2,0,0,0,4,0"}):
        _, text = take(**said)
        gone = store.delete(one.id, expected=store.revision(slide.id), author="ana")
        bring(text, frame=frame_options(**said), on_conflict="replace")
        (back,) = store.each(AnnotationQuery(slide.id))
        assert (back.id, back.revision, back.geometry) == (one.id, gone.revision + 1, one.geometry)
        assert back.drawn == BOW
    (feature,) = orjson.loads(take()[1])["features"]
    assert feature["asDrawn"]["geometry"] == BOW
    feature["geometry"] = {"type": "Polygon", "coordinates": [SQUARE]}
    report = bring(orjson.dumps(feature), on_conflict="replace")
    (changed,) = store.each(AnnotationQuery(slide.id))
    assert (report.replaced, changed.drawn, changed.properties) == (1, None, {})


@pytest.mark.parametrize(
    "odd", [None, 3, [], {"geometry": BOW}, {"geometry": {"type": "Polygon"}, "repaired": None}, {"repaired": "00"}]
)
def test_an_outline_as_drawn_that_is_none_is_passed_over(bring, store, slide, odd):
    square = {"type": "Polygon", "coordinates": [SQUARE]}
    bring(orjson.dumps({"type": "Feature", "geometry": square, "properties": {}, "asDrawn": odd}))
    (one,) = store.each(AnnotationQuery(slide.id))
    assert (one.geometry["type"], one.drawn, one.properties) == ("Polygon", None, {})


def test_the_loss_report_of_qupath(bring, take):
    bring(collection((0, "Tumor")))
    report, text = take("qupath")
    assert [(code, count) for code, _, count in report.losses.items()] == [("server_members", 1)]
    (feature,) = orjson.loads(text)["features"]
    assert feature["properties"] == {
        "objectType": "annotation",
        "classification": {"name": "Tumor", "color": [9, 8, 7]},
    }
    assert report.to_json()["losses"][0]["code"] == "server_members"


@pytest.mark.parametrize(("form", "held"), [("camelyon", 1), ("histomicstk", 2), ("dlup", 2), ("asap", 3)])
def test_what_a_format_leaves_out_is_not_counted_as_written(bring, take, tmp_path, form, held):
    line = {"type": "LineString", "coordinates": [[1, 2], [30, 4]]}
    features = orjson.loads(collection((0, "Tumor"), (50, "Stroma")))["features"]
    features.append({"type": "Feature", "geometry": line, "properties": {"classification": {"name": "Tumor"}}})
    bring(orjson.dumps({"type": "FeatureCollection", "features": features}))
    report, text = take(form)
    path = tmp_path / "given"
    path.write_bytes(text)
    again = list(by_name(form).read(path, ReadContext(slide=FRAME)))
    assert report.written == len(again) == held
    left_out = {"class_dropped", "lines_dropped"}
    assert sum(count for code, _, count in report.losses.items() if code in left_out) == 3 - held


def test_an_empty_export_of_every_format_is_a_file(take):
    for form in FORMATS:
        if form.write is not None and form.name in ("geojson", "geojsonl", "qupath"):
            assert take(form.name)[0].written == 0


def test_a_format_that_is_not_written_is_refused(take):
    with pytest.raises(Unsupported):
        take(Format("x", "X", (".x",), "text/plain", lambda _: False))


def test_numbers_come_out_as_they_went_in(bring, take, store, slide):
    rng = np.random.default_rng(5)
    xs = np.sort(rng.uniform(0, 900, 40)).tolist()
    line = {"type": "LineString", "coordinates": [[x, 1 / (x + 3)] for x in xs]}
    bring(orjson.dumps({"type": "Feature", "geometry": line, "properties": {}}))
    (feature,) = orjson.loads(take()[1])["features"]
    assert feature["geometry"] == line
