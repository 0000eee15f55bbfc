"""TIAToolbox's store, GeoParquet, GeoFeather and FlatGeobuf. The oracles: shapely, pyarrow, geopandas and sqlite3."""

import io
import json
import sqlite3
import struct
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import geopandas
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import shapely
from shapely.geometry import shape

from pathserve.errors import Invalid, PathServeError, TooLarge, Unsupported
from pathserve.formats import registry
from pathserve.formats.contract import HEAD_BYTES, ReadContext, WriteContext
from pathserve.formats.tables import wkb
from pathserve.formats.tables.flatgeobuf import FLATGEOBUF
from pathserve.formats.tables.geoparquet import GEOFEATHER, GEOPARQUET
from pathserve.formats.tables.tiatoolbox import TIATOOLBOX
from pathserve.labels import AnnotationClass, ClassSchema, Columns, FeatureIssue, NewAnnotation
from pathserve.masks import rasterize
from pathserve.masks.vectorize import vectorize

DATA = Path(__file__).resolve().parents[3] / "shared/data/annotations"
NEST = DATA / "histolytics" / "hgsc_nest.parquet"
STORE = DATA / "tiatoolbox" / "hgsc_nest.db"
FORMATS = (TIATOOLBOX, GEOPARQUET, GEOFEATHER, FLATGEOBUF)
by_format = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)

needs_data = pytest.mark.usefixtures("shared_data")

SQUARE = [[0.0, 0.0], [10.5, 0.0], [10.5, 10.25], [0.0, 10.25], [0.0, 0.0]]
HOLE = [[2.0, 2.0], [2.0, 4.0], [4.0, 4.0], [4.0, 2.0], [2.0, 2.0]]
FAR = [[x + 100.1, y - 70.7] for x, y in SQUARE]
KINDS = [
    {"type": "Polygon", "coordinates": [SQUARE, HOLE]},
    {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [FAR]]},
    {"type": "Point", "coordinates": [0.1, 1e-7]},
    {"type": "MultiPoint", "coordinates": [[1.0, 2.0], [3.0, 4.0]]},
    {"type": "LineString", "coordinates": [[1.0, 2.0], [3.0, 4.0], [5.5, 6.0]]},
    {"type": "MultiLineString", "coordinates": [[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [1.0, 1.0], [2.0, 5.0]]]},
    {"type": "Polygon", "coordinates": [[[x, y, 7.0] for x, y in SQUARE]]},
    {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1.0, 2.0]},
                                                  {"type": "Polygon", "coordinates": [SQUARE]}]},
]  # fmt: skip
PROPERTIES = [
    {"score": 0.25, "state": "approved", "name": "Zelle é ß", "isLocked": True},
    {"measurements": {"Area µm^2": 1.5, "n": 3}, "count": 2, "type": "an own property", "pathserve": 1},
    {"count": 9, "nothing": None, "exhaustive": ["Tumor"], "mixed": 1},
    {"mixed": 1.0, "Count": "another case", "geometry": "a name that is taken", "score": 1},
    {"classification": {"secondary": [1, 2]}, "mixed": "text", "long": 2**63, "original_id": 7},
]
SCHEMA = ClassSchema((AnnotationClass("Tumor", (200, 0, 0), 1), AnnotationClass("Stroma: ö", (0, 90, 7), 2)))


def sample():
    """Every kind of geometry with every sort of property."""
    return [
        NewAnnotation(
            geometry=geometry,
            id=UUID(int=0x1234_0000 + place),
            class_name=[None, "Tumor", "Stroma: ö"][place % 3],
            properties=PROPERTIES[place % len(PROPERTIES)],
        )
        for place, geometry in enumerate(KINDS * 5)
    ]


def write(form, annotations, **context):
    out = io.BytesIO()
    made = WriteContext(schema=SCHEMA, **context)
    form.write(iter([Columns.of(annotations[:7]), Columns.of(annotations[7:])]), out, made)
    return out.getvalue(), made


def read(form, path, **context):
    """Give everything as single annotations and issues."""
    made = ReadContext(**context)
    found = []
    for item in form.read(path, made):
        found.extend([item.new_annotation(row) for row in range(len(item))] if isinstance(item, Columns) else [item])
    return found, made


def same(one, other):
    return (one.id, one.class_name, one.geometry, one.properties) == (
        other.id, other.class_name, other.geometry, other.properties
    )  # fmt: skip


@by_format
def test_our_own_export_comes_back_whole(form, tmp_path):
    path = tmp_path / "file"
    given = sample()
    data, wrote = write(form, given)
    path.write_bytes(data)
    assert registry.recognise(data[:HEAD_BYTES]) is form
    found, context = read(form, path)
    high = [shape(a.geometry).has_z for a in given] if form is FLATGEOBUF else [False] * len(given)
    assert [a for a, b, z in zip(given, found, high, strict=True) if not (same(a, b) or z)] == []
    assert context.colors == {"Tumor": (200, 0, 0), "Stroma: ö": (0, 90, 7)}
    assert {code: count for code, _, count in wrote.losses.items()} == ({"height_dropped": 5} if any(high) else {})
    assert context.losses.items() == []


@by_format
def test_odd_texts_come_back(form, tmp_path):
    path = tmp_path / "file"
    names = ['{"a":1}', '{"name":"b"}', "{", '{"a":1} ']
    point = {"type": "Point", "coordinates": [1.0, 2.0]}
    given = [
        NewAnnotation(point, id=UUID(int=place), class_name=name, properties={"remark": f"a{name}\0b", "note": "\0"})
        for place, name in enumerate(names, 1)
    ]
    data, wrote = write(form, given)
    path.write_bytes(data)
    found, _ = read(form, path)
    assert [same(a, b) for a, b in zip(given, found, strict=True)] == [True] * 4
    assert wrote.losses.items() == []


@by_format
def test_what_is_not_held_is_counted(form):
    plane = {"type": "Point", "coordinates": [1.0, 2.0], "plane": {"z": 3}}
    repaired = NewAnnotation({"type": "Point", "coordinates": [1.0, 2.0]}, drawn=plane)
    _, wrote = write(form, [NewAnnotation(plane), repaired])
    assert [(code, count) for code, _, count in wrote.losses.items()] == [
        ("drawn_dropped", 1),
        ("geometry_members", 1),
    ]


@by_format
def test_nothing_can_be_written_and_read(form, tmp_path):
    out = io.BytesIO()
    form.write(iter([]), out, WriteContext())
    (tmp_path / "file").write_bytes(out.getvalue())
    assert read(form, tmp_path / "file")[0] == []


@by_format
def test_limits(form, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(write(form, sample())[0])
    with pytest.raises(TooLarge):
        read(form, path, max_features=39)
    found, _ = read(form, path, max_vertices=5)
    assert {item.code for item in found if isinstance(item, FeatureIssue)} == {"too_many_vertices"}
    large = [shapely.get_num_coordinates(shape(a.geometry)) > 5 for a in sample()]
    assert [isinstance(item, FeatureIssue) for item in found] == large


@by_format
def test_files_that_were_cut_off_or_damaged(form, tmp_path):
    path = tmp_path / "file"
    data, _ = write(form, sample())
    whole = len(read(form, _file(path, data))[0])
    random = np.random.default_rng(5)
    for cut in [*random.integers(1, len(data) - 1, 12).tolist(), len(data) - 3]:
        with_error(form, _file(path, data[:cut]), whole)
    for _ in range(30):
        broken = bytearray(data)
        for place in random.integers(0, len(data), 4):
            broken[place] = random.integers(256)
        with_error(form, _file(path, bytes(broken)), whole)


def _file(path, data):
    path.write_bytes(data)
    return path


def with_error(form, path, whole):
    """What is damaged is refused by an error of ours, or read as far as it is right."""
    with suppress(PathServeError):
        assert len(read(form, path)[0]) <= whole


# ------------------------------------------------------------------------------------------- tables of geometry


@needs_data
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("histolytics/cancer_nuclei.parquet", 440),
        ("histolytics/cancer_tissue.parquet", 8),
        ("histolytics/hgsc_nest.parquet", 1295),
        ("histolytics/hgsc_tissue_wsi.parquet", 3712),
        ("histolytics/hgsc_nuclei_wsi_west.parquet", 197_450),
        ("cellseg-gsontools/gland_areas.feather", 4),
        ("cellseg-gsontools/gland_cells.feather", 1359),
    ],
)
def test_real_tables(name, count):
    path = DATA / name
    with path.open("rb") as file:
        form = registry.recognise(file.read(HEAD_BYTES))
    context = ReadContext()
    parts = list(form.read(path, context))
    assert all(isinstance(part, Columns) for part in parts)
    table = (pyarrow.parquet if path.suffix == ".parquet" else pyarrow.feather).read_table(path)
    expected = shapely.from_wkb(table["geometry"].to_numpy())
    found = np.concatenate([wkb.shapes_of(part, WriteContext().losses) for part in parts])
    assert len(found) == len(expected) == count
    assert shapely.equals_exact(found, expected, 0).all()
    classes = [part.class_names[index] for part in parts for index in part.classes]
    assert classes == table["class_name"].to_pylist()
    others = [column for column in table.column_names if column not in ("geometry", "class_name")]
    properties = [orjson.loads(text or b"{}") for part in parts for text in part.properties]
    assert properties == table.select(others).to_pylist() if others else [{}] * count
    assert context.losses.items() == []


@needs_data
def test_table_store_and_mask_of_the_same_nuclei_agree():
    table, store = read(GEOPARQUET, NEST)[0], read(TIATOOLBOX, STORE)[0]
    for form, found in ((GEOPARQUET, table), (TIATOOLBOX, store)):
        assert len(found) == 1295, form.name
    key = [(a.class_name, shape(a.geometry).normalize().wkb) for a in table]
    assert sorted(key) == sorted((a.class_name, shape(a.geometry).normalize().wkb) for a in store)
    # The mask was drawn by another program, by its own rule: most pixels agree, and each object has its outline.
    mask = np.load(DATA / "histolytics" / "hgsc_nest_inst_mask.npz")["nuc_raster"]
    drawn = rasterize([a.geometry for a in table], [1] * len(table), (0, 0, *mask.shape[::-1])) > 0
    both, either = (drawn & (mask > 0)).sum(), (drawn | (mask > 0)).sum()
    assert both / either > 0.9
    traced = vectorize(mask, merge=True)
    assert len(traced) == 1294
    tree = shapely.STRtree([shape(a.geometry) for a in table])
    first = traced.ring_starts[traced.part_starts[traced.starts[:-1]]]
    hit = tree.query(shapely.points(traced.xy[first] + 0.5), predicate="dwithin", distance=2.5)[0]
    assert len(set(hit.tolist())) == 1294


@pytest.mark.parametrize("form", [GEOPARQUET, GEOFEATHER, FLATGEOBUF], ids=lambda form: form.name)
def test_geopandas_opens_our_tables(form, tmp_path):
    given = [a for a in sample() if a.geometry["type"] != "GeometryCollection" and not shape(a.geometry).has_z]
    path = _file(tmp_path / f"file{form.endings[0]}", write(form, given)[0])
    opened = {GEOPARQUET: geopandas.read_parquet, GEOFEATHER: geopandas.read_feather, FLATGEOBUF: geopandas.read_file}
    frame = opened[form](path)
    assert [g.wkt for g in frame.geometry] == [shape(a.geometry).wkt for a in given]
    assert [UUID(text) for text in frame["id"]] == [a.id for a in given]
    assert [None if name != name else name for name in frame["class_name"]] == [a.class_name for a in given]
    assert frame["isLocked"].dropna().astype(bool).all()
    assert frame.crs is None or frame.crs.is_engineering
    assert json.loads(frame["properties"].iloc[1])["measurements"] == {"Area µm^2": 1.5, "n": 3}


def test_a_covering_lets_readers_skip_rows(tmp_path):
    path = _file(tmp_path / "file.parquet", write(GEOPARQUET, sample())[0])
    frame = geopandas.read_parquet(path, bbox=(100, -71, 110, -60))
    assert set(frame.geometry.geom_type) == {"MultiPolygon"}


def test_other_peoples_columns(tmp_path):
    """Structs, moments, lists and bytes; QuPath's classification as a text; a geometry column of another name."""
    table = pa.table(
        {
            "shape": [shapely.to_wkb(shapely.Point(1, 2)), None, b"\x01\x03", shapely.to_wkb(shapely.Point())],
            "classification": ['{"name": "A", "color": [1, 2, 3]}', "B", None, None],
            "when": pa.array([0, 1, None, 2], pa.timestamp("s")),
            "more": [{"a": [1, None]}, None, None, None],
            "id": ["7", None, None, None],
            "thumb": [b"x", b"y", None, None],
            "size": [float("nan"), float("inf"), 1.0, 2.0],
            "author": ["somebody"] * 4,
        }
    )
    geo = {
        "version": "1.0.0",
        "primary_column": "shape",
        "columns": {"shape": {"encoding": "WKB", "geometry_types": []}},
    }
    pa.parquet.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), tmp_path / "file")
    found, context = read(GEOPARQUET, tmp_path / "file")
    assert found[0].geometry == {"type": "Point", "coordinates": [1.0, 2.0]}
    assert (found[0].class_name, context.colors) == ("A", {"A": (1, 2, 3)})
    assert found[0].properties == {"when": "1970-01-01T00:00:00", "more": {"a": [1, None]}, "original_id": "7"}
    assert [item.code for item in found[1:]] == ["bad_geometry"] * 3
    assert {code: count for code, _, count in context.losses.items()} == {
        "binary_column": 4, "id_replaced": 1, "not_finite": 1
    }  # fmt: skip


def test_tables_without_geometry_are_refused(tmp_path):
    pa.parquet.write_table(pa.table({"x": [1]}), tmp_path / "file")
    with pytest.raises(Unsupported):
        read(GEOPARQUET, tmp_path / "file")
    geo = {"columns": {"geometry": {"encoding": "point"}}, "primary_column": "geometry"}
    table = pa.table({"geometry": [{"x": 1.0, "y": 2.0}]}).replace_schema_metadata({"geo": json.dumps(geo)})
    pa.feather.write_feather(table, tmp_path / "file")
    with pytest.raises(Unsupported):
        read(GEOFEATHER, tmp_path / "file")


@pytest.mark.parametrize("form", [GEOPARQUET, GEOFEATHER, FLATGEOBUF], ids=lambda form: form.name)
def test_two_columns_of_one_name_are_refused(form, tmp_path):
    given = [replace(annotation, properties={"aaaa": 1, "bbbb": 2}) for annotation in sample()]
    data, _ = write(form, given)
    assert b"bbbb" in data
    with pytest.raises(Invalid):
        read(form, _file(tmp_path / "file", data.replace(b"bbbb", b"aaaa")))


# -------------------------------------------------------------------------------------------- well-known binary


def test_nested_collections_do_not_reach_geos():
    """GEOS reads collections by recursion, without a limit: 100,000 levels would end the process."""
    level = b"\x01" + struct.pack("<II", 7, 1)
    point = shapely.to_wkb(shapely.Point(1, 2))
    multi = b"\x01" + struct.pack("<II", 6, 1)
    blobs = [level * 100_000 + point, multi * 100_000 + point, level * 3 + point, level * 100_000]
    found = wkb.read_wkb(blobs)
    assert [item is None for item in found] == [True, True, False, True]
    assert found[2].geom_type == "GeometryCollection"


def test_counts_that_lie():
    """A polygon of four thousand million rings in nine bytes."""
    huge = [b"\x01" + struct.pack("<II", kind, 2**32 - 1) for kind in range(2, 8)]
    assert [item is None for item in wkb.read_wkb([*huge, b"", b"\x01", None])] == [True] * 9


@pytest.mark.parametrize("flavor", ["iso", "extended"])
def test_other_flavours_of_well_known_binary(flavor):
    geometry = shapely.from_wkt("GEOMETRYCOLLECTION Z (MULTIPOINT Z (1 2 3), POLYGON Z ((0 0 1, 1 0 1, 1 1 1, 0 0 1)))")
    for byte_order in (0, 1):
        blob = shapely.to_wkb(geometry, flavor=flavor, byte_order=byte_order, output_dimension=3)
        assert shapely.equals_exact(wkb.read_wkb([blob])[0], geometry, 0)


# ---------------------------------------------------------------------------------------------- SQLite


def _database(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(*statement) if isinstance(statement, tuple) else connection.execute(statement)
    connection.commit()
    connection.close()
    return path


ANNOTATIONS = (
    "create table annotations (id integer primary key, key text, objtype text, cx, cy, geometry blob, properties)"
)


def test_views_generated_columns_and_virtual_tables_are_refused(tmp_path):
    base = ANNOTATIONS.replace("annotations", "real", 1)
    hostile = [
        (base, "create view annotations as select *, 1 as area from real"),
        (ANNOTATIONS.replace("geometry blob", "geometry blob as (zeroblob(1000000000))"),),
        ("create virtual table annotations using rtree(key, cx, cy, geometry, properties)",),
        (ANNOTATIONS.replace("geometry blob,", ""),),
        (ANNOTATIONS, "create table metadata (key, value)", "insert into metadata values ('compression', '\"lzma\"')"),
    ]
    for place, statements in enumerate(hostile):
        with pytest.raises((Invalid, Unsupported)):
            read(TIATOOLBOX, _database(tmp_path / f"{place}.db", *statements))


def test_rows_that_lie(tmp_path):
    good = zlib.compress(shapely.to_wkb(shapely.Point(1, 2)))
    bomb = zlib.compress(bytes(80_000_000))
    rows = [
        ("a", 0, 0, good, '{"type": 3, "x": NaN}'),
        ("b", 0, 0, bomb, "{}"),
        ("c", 0, 0, good[:-4], "{}"),
        ("d", 4.5, 5, None, None),
        ("e", "x", None, None, "{}"),
        ("f", 0, 0, good, "[1]"),
        ("g", 0, 0, good, "{" * 2000),
        ("h", 0, 0, good, '{"type": [1]}'),
        ("i", 0, 0, "POINT (1 2)", "{}"),
        (b"j", 0, 0, good, '{"type": "\\u0007"}'),
    ]
    path = _database(
        tmp_path / "rows.db",
        ANNOTATIONS,
        "create table metadata (key, value)",
        "insert into metadata values ('compression', '\"zlib\"')",
        *(("insert into annotations values (null, ?, 'x', ?, ?, ?, ?)", row) for row in rows),
        "create trigger t before insert on annotations begin select 1; end",
    )
    found, _ = read(TIATOOLBOX, path)
    assert [getattr(item, "code", "") for item in found] == [
        "", "bad_geometry", "bad_geometry", "", "bad_geometry", "bad_properties", "bad_properties",
        "bad_classification", "bad_geometry", "bad_name",
    ]  # fmt: skip
    assert found[0].class_name == "3"
    assert found[0].properties == {"x": None, "original_id": "a"}
    assert found[3].geometry == {"type": "Point", "coordinates": [4.5, 5.0]}


def test_our_store_is_laid_out_as_theirs(tmp_path):
    """The tables, their columns, the index and the metadata of a store that TIAToolbox itself wrote."""
    path = _file(tmp_path / "store.db", write(TIATOOLBOX, sample())[0])
    ours, facts = sqlite3.connect(path), []
    stores = [ours, sqlite3.connect(f"file:{STORE}?immutable=1", uri=True)] if STORE.exists() else [ours]
    for store in stores:
        tables = {name for (name,) in store.execute("select name from sqlite_master where type = 'table'")}
        columns = [row[1:4] for row in store.execute("pragma table_info(annotations)")]
        columns = [(name, kind.upper(), needed) for name, kind, needed in columns]
        facts.append((tables, columns, sorted(key for (key,) in store.execute("select key from metadata"))))
    assert all(fact == facts[0] for fact in facts)
    assert ours.execute("pragma integrity_check").fetchone() == ("ok",)
    for number, x, y, area, blob, low, high in ours.execute(
        "select id, cx, cy, area, geometry, min_x, max_y from annotations join rtree using (id)"
    ):
        geometry = shape(sample()[number - 1].geometry)
        assert shapely.from_wkb(zlib.decompress(blob)).equals_exact(geometry, 0)
        assert area == pytest.approx(geometry.area)
        assert geometry.distance(shapely.Point(x, y)) < 1e-9
        assert (low, high) == pytest.approx((geometry.bounds[0], geometry.bounds[3]), rel=1e-6)
    for store in stores:
        store.close()
