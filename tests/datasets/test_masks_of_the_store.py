import io
import time
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np
import orjson
import pytest
import shapely
from shapely.affinity import translate
from shapely.geometry import box, mapping, shape

from pathserve import masks
from pathserve.annotations import AnnotationQuery, AnnotationStore, ClassSchemas, Edit
from pathserve.catalog import Catalog, make_slide_id
from pathserve.datasets import TileMaskPair, draw_mask, encode_pair_npz, read_mask, schema_of
from pathserve.errors import Invalid
from pathserve.formats.geojson.geojson import parse_features
from pathserve.geometry import PixelGrid, Size
from pathserve.labels import Annotation, AnnotationClass, ClassSchema, Columns, NewAnnotation
from pathserve.masks import MaskKind
from pathserve.pixels import Level, SlideInfo

GRID = PixelGrid(0, 0, 10, 10)
SCHEMA = ClassSchema(
    (
        AnnotationClass("tumour", (200, 0, 0), value=1),
        AnnotationClass("stroma", (0, 200, 0), value=2),
        AnnotationClass("cell", (0, 0, 200), value=9, priority=1),
    )
)
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def annotation(number, area, class_name="tumour", *, revision=1, **properties):
    return Annotation(
        id=uuid4(),
        number=number,
        slide="s",
        layer="l",
        author="a",
        revision=revision,
        geometry=mapping(area),
        class_name=class_name,
        properties=properties,
        created=NOW,
        updated=NOW,
    )


def semantic(annotations, areas=(), **options):
    return draw_mask(annotations, areas, SCHEMA, GRID, "semantic", **options)


def test_priority_decides_before_revision_and_revision_before_number():
    low = annotation(1, box(0, 0, 4, 4), "tumour", revision=5)
    newer = annotation(2, box(0, 0, 3, 3), "stroma", revision=6)
    same_revision = annotation(3, box(0, 0, 2, 2), "tumour", revision=6)
    first = annotation(4, box(0, 0, 1, 1), "cell", revision=1)
    expected = [[9, 1, 2, 1, 0], [1, 1, 2, 1, 0], [2, 2, 2, 1, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    for order in ([low, newer, same_revision, first], [first, same_revision, newer, low]):
        assert semantic(order)[:5, :5].tolist() == expected
        assert draw_mask(order, (), SCHEMA, GRID, "instance")[0, :5].tolist() == [4, 3, 2, 1, 0]


def test_what_has_no_class_has_no_value_but_is_an_object():
    given = [
        annotation(1, box(0, 0, 4, 4)),
        annotation(2, box(2, 2, 6, 6), None),
        annotation(3, box(8, 8, 9, 9), "new"),
    ]
    assert (semantic(given) == 1).sum() == semantic(given).sum() == 16
    numbers = draw_mask(given, (), SCHEMA, GRID, "instance")
    assert [(numbers == number).sum() for number in (1, 2, 3)] == [12, 16, 1]
    assert draw_mask(given, (), SCHEMA, GRID, "coverage").sum() == 29


@pytest.mark.parametrize("kind", list(MaskKind))
def test_exhaustive_areas_are_no_objects(kind):
    area = annotation(2, box(0, 0, 10, 10), exhaustive=True)
    given = [annotation(1, box(2, 2, 6, 6)), area]
    assert np.array_equal(
        draw_mask(given, [area], SCHEMA, GRID, kind), draw_mask(given[:1], [area], SCHEMA, GRID, kind)
    )


def test_unannotated_is_background_only_where_all_was_annotated():
    given = [annotation(1, box(0, 0, 2, 10))]
    assert set(np.unique(semantic(given))) == {0, 1}
    mask = semantic(given, [annotation(2, box(0, 0, 10, 3), None, exhaustive=True)])
    assert np.all(mask[3:] == 255)
    assert np.all(mask[:3, :2] == 1)
    assert np.all(mask[:3, 2:] == 0)
    # An area elsewhere on the slide: here nothing is known.
    assert np.all(semantic(given, [annotation(2, box(100, 100, 200, 200), None, exhaustive=True)]) == 255)


def test_an_area_may_be_exhaustive_for_some_classes():
    given = [annotation(1, box(0, 0, 2, 2))]
    area = annotation(2, box(0, 0, 4, 4), None, exhaustive=["tumour", "stroma"])
    whole = semantic(given, [area])
    assert (whole == 1).sum() == 4
    assert (whole == 255).sum() == 96  # a cell may lie where nothing is annotated
    asked = semantic(given, [area], asked=["tumour"])
    assert (asked == 0).sum() == 12
    assert (asked == 255).sum() == 84
    assert np.all(semantic([], [area], asked=["cell"]) == 255)


def test_an_unknown_kind_is_refused():
    with pytest.raises(Invalid):
        draw_mask([], (), SCHEMA, GRID, "colour")


@pytest.fixture
def stored(db, sample_field):
    info = SlideInfo("jpeg", (Level(Size(1500, 1500), 1.0),), None, True, None, "jpeg")
    slide = Catalog(db).add_slide(
        slide_id=make_slide_id(),
        project="default",
        name=None,
        info=info,
        levels=1,
        tile_size=256,
        content_hash="content",
    )
    parsed = parse_features(sample_field.with_suffix(".geojson").read_bytes(), frame=slide.size)
    store = AnnotationStore(db)
    store.add(slide.id, parsed.annotations, layer="nuclei", author="demo")
    return store, ClassSchemas(db).of("default"), slide.id, parsed.annotations


@pytest.mark.parametrize("kind", list(MaskKind))
def test_windows_read_from_the_store_equal_the_whole(stored, kind):
    store, schema, slide, _ = stored
    grid = PixelGrid(310, 205.5, 200, 150, 2.0161290322580645, 2.0161290322580645)
    query = AnnotationQuery(slide)
    whole = read_mask(store, schema, query, grid, kind)
    for window in ((0, 0, 100, 150), (100, 0, 100, 75), (100, 75, 100, 75)):
        column, row, width, height = window
        part = read_mask(store, schema, query, grid, kind, window=window)
        assert np.array_equal(part, whole[row : row + height, column : column + width])
    assert len(np.unique(whole)) > 1


def test_a_mask_of_the_store_is_that_of_its_outlines(stored):
    store, schema, slide, nuclei = stored
    grid = PixelGrid(400, 500, 300, 200)
    mask = read_mask(store, schema, AnnotationQuery(slide, classes=("neoplastic",)), grid, "semantic")
    union = shapely.union_all([shape(n.geometry) for n in nuclei if n.class_name == "neoplastic"])
    x, y = np.meshgrid(400.5 + np.arange(300), 500.5 + np.arange(200))
    clear = shapely.distance(union.boundary, shapely.points(x, y)) > 1e-9
    expected = shapely.contains_xy(union, x, y) * schema.values["neoplastic"]
    assert np.array_equal(mask[clear], expected[clear])
    assert mask.any()
    numbers = read_mask(store, schema, AnnotationQuery(slide), grid, "instance")
    assert set(np.unique(numbers)) <= set(range(1296))


@pytest.fixture
def several(db, stored):
    """The nuclei once more as chunks, a few of them changed, and areas; in a store of their own order."""
    store, _, slide, nuclei = stored
    moved = [
        NewAnnotation(mapping(translate(shape(n.geometry), 3, 1)), uuid4(), n.class_name, None, n.properties)
        for n in nuclei[:600]
    ]
    with store.bulk(slide, layer="model", author="model") as bulk:
        bulk.add(Columns.of(moved))
        bulk.publish()
    store.edit_many(slide, [Edit(n.id, 2, class_name="dead") for n in moved[:50]], author="ada")
    areas = [box(300, 200, 800, 700), box(600, 600, 900, 900)]
    marks = [True, ["neoplastic", "dead"]]
    new = [NewAnnotation(mapping(a), properties={"exhaustive": m}) for a, m in zip(areas, marks, strict=True)]
    store.add(slide, new, layer="areas", author="ada")
    return store, slide


@pytest.mark.parametrize("window", [None, (40, 30, 100, 90)])
@pytest.mark.parametrize("kind", list(MaskKind))
def test_a_mask_out_of_arrays_is_that_of_one_annotation_after_another(db, several, kind, window):
    store, slide = several
    classes = ClassSchemas(db)
    low = classes.of("default")
    schema = classes.set("default", [replace(c, priority=c.value % 3) for c in low])
    grid = PixelGrid(310, 205.5, 200, 150, 2.0161290322580645, 2.0161290322580645)
    found = list(store.each(AnnotationQuery(slide)))
    values, priority = schema.values, {c.name: c.priority for c in schema}
    objects = [a for a in found if "exhaustive" not in a.properties]
    objects.sort(key=lambda a: (priority.get(a.class_name, 0), a.revision, a.number))
    shapes = [a.geometry for a in objects]
    whole, partly = (a.geometry for a in found if "exhaustive" in a.properties)
    expected = {
        MaskKind.SEMANTIC: lambda: masks.semantic(
            [a.geometry for a in objects if a.class_name],
            [values[a.class_name] for a in objects if a.class_name],
            grid,
            exhaustive=[whole],
            partly_exhaustive=[partly],
            window=window,
        ),
        MaskKind.INSTANCE: lambda: masks.instance(shapes, [a.number for a in objects], grid, window=window),
        MaskKind.BOUNDARY: lambda: masks.boundary(shapes, grid, window=window),
        MaskKind.DISTANCE: lambda: masks.distance(shapes, grid, window=window),
        MaskKind.COVERAGE: lambda: masks.coverage(shapes, grid, window=window),
    }[kind]()
    mask = read_mask(store, schema, AnnotationQuery(slide), grid, kind, window=window)
    assert np.array_equal(mask, expected)
    assert len(np.unique(mask)) > 1


def test_a_mask_of_the_past_has_the_classes_of_the_past(db, several):
    store, slide = several
    classes = ClassSchemas(db)
    pair = [NewAnnotation(mapping(box(400, 400, 500, 500)), class_name=name) for name in ("dead", "neoplastic")]
    revision = store.add(slide, pair, layer="a", author="a").revision
    grid = PixelGrid(300, 200, 400, 400)

    def drawn(as_of):
        schema = schema_of(db, classes, "default", slide, as_of)
        return read_mask(store, schema, AnnotationQuery(slide, as_of=as_of), grid, "semantic")

    before = drawn(None)
    time.sleep(0.002)  # moments are kept in milliseconds
    classes.set("default", [replace(c, priority=int(c.name == "dead")) for c in classes.of("default")])
    assert not np.array_equal(drawn(None), before)
    assert np.array_equal(drawn(revision), before)
    assert not drawn(0).any()
    store.add(slide, [NewAnnotation(mapping(box(0, 0, 1, 1)), class_name="new")], layer="a", author="a")
    assert np.array_equal(drawn(None), drawn(revision + 1))
    assert np.array_equal(drawn(revision), before)


def test_a_pair_is_read_by_numpy_without_pickle_and_has_the_same_bytes_each_time():
    image = np.arange(10 * 10 * 3, dtype=np.uint8).reshape(10, 10, 3)
    pair = TileMaskPair(image, semantic([annotation(1, box(0, 0, 2, 2))]), SCHEMA.values)
    data = encode_pair_npz(pair)
    assert encode_pair_npz(TileMaskPair(image.copy(), pair.mask.copy(), dict(SCHEMA.values))) == data
    members = np.load(io.BytesIO(data), allow_pickle=False)
    assert members.files == ["image", "mask", "classes"]
    assert np.array_equal(members["image"], image)
    assert np.array_equal(members["mask"], pair.mask)
    assert orjson.loads(members["classes"].item()) == {"tumour": 1, "stroma": 2, "cell": 9}
