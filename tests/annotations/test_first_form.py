"""Chunks of version 1, as an earlier PathServe wrote them, read, are drawn, edited and folded as those of today.

What is expected is the GeoJSON that they were made of.
"""

from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import mapbox_vector_tile
import numpy as np
import orjson
import pytest
import shapely
from shapely.geometry import shape

from pathserve.annotations import AnnotationQuery, AnnotationStore, CompactionRule, Edit, chunk_shapes
from pathserve.annotations.chunk_reader import ChunkReader, split_chunk
from pathserve.annotations.chunks import VERSION, Chunk
from pathserve.annotations.tile_reader import VectorTiles
from pathserve.annotations.vector_tiles import TileBox
from pathserve.db import Database, Transaction
from pathserve.errors import Corrupt
from pathserve.labels import Annotation, Columns, NewAnnotation
from pathserve.native import functions

SETS = orjson.loads((Path(__file__).parents[1] / "data" / "chunks_of_version_1.json").read_bytes())["sets"]
Feature = Mapping[str, Any]


def features(name: str) -> dict[UUID, Feature]:
    return {UUID(feature["id"]): feature for feature in SETS[name]["geojson"]["features"]}


def new_annotation(feature: Feature) -> NewAnnotation:
    return NewAnnotation(feature["geometry"], UUID(feature["id"]), class_of(feature), None, properties_of(feature))


def class_of(feature: Feature) -> str | None:
    name: str | None = feature["properties"].get("classification", {}).get("name")
    return name


def properties_of(feature: Feature) -> dict[str, Any]:
    return {key: value for key, value in feature["properties"].items() if key != "classification"}


def bits(geometry: Mapping[str, Any]) -> bytes:
    """Give all coordinates of a geometry as the float64 that they are; -0.0 is another than 0.0."""

    def flat(value: Any) -> list[float]:
        return [float(value)] if isinstance(value, int | float) else [x for item in value for x in flat(item)]

    return np.array(flat(geometry["coordinates"])).tobytes()


def row_ids(columns: Columns) -> list[UUID]:
    return [UUID(bytes=row.tobytes()) for row in columns.ids]


@pytest.fixture(params=["arrays", "machine code"])
def _unpacking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    chunk_shapes.load_kernels()
    if request.param == "arrays":
        monkeypatch.delitem(functions._loaded(), "pathserve.annotations.chunk_kernels")


@pytest.mark.usefixtures("_unpacking")
@pytest.mark.parametrize("name", SETS)
def test_what_went_in_comes_out_to_the_last_bit(name: str) -> None:
    chunk, there = Chunk(b64decode(SETS[name]["chunk"])), features(name)
    columns, told = chunk.columns(with_properties=True), chunk.attributes()
    assert set(row_ids(columns)) == there.keys()
    assert len(columns) == len(there)
    for row, identity in enumerate(row_ids(columns)):
        feature, got = there[identity], columns.new_annotation(row)
        assert got.geometry == feature["geometry"]
        assert bits(got.geometry) == bits(feature["geometry"])
        assert got.properties == properties_of(feature)
        assert got.class_name == class_of(feature)
        assert told.boxes[row].tolist() == list(shape(feature["geometry"]).bounds)


def test_damage_is_told() -> None:
    data = b64decode(SETS["a slide"]["chunk"])
    for place in range(0, len(data), 7):
        with pytest.raises(Corrupt):
            Chunk(data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]).columns(with_properties=True)


def version_of(stored: bytes) -> int:
    return int.from_bytes(stored[4:6], "little")  # behind the four letters


@pytest.fixture
def old(db: Database, slide: str) -> AnnotationStore:
    """A store whose one chunk is as the earlier PathServe wrote it."""
    there = features("a slide")
    with AnnotationStore(db).bulk(slide, layer="AI", author="model") as bulk:
        bulk.add(Columns.of([new_annotation(feature) for feature in there.values()]))
        bulk.publish()
    data = b64decode(SETS["a slide"]["chunk"])
    ids = row_ids(Chunk(data).columns(with_properties=False))
    assert set(ids) == there.keys()

    def work(tx: Transaction) -> bytes:
        for place, identity in enumerate(ids):  # it had an order of its own
            tx.run("update placed set place = ? where id = ?", place, identity.bytes)
        tx.run("update chunk_data set attributes = ?, geometry = ?, json = ?", *split_chunk(data))
        return stored(tx)[0]

    assert version_of(db.write(work)) == 1
    return AnnotationStore(db)


def stored(tx: Transaction) -> list[bytes]:
    """Give the first parts of all chunks that are current."""
    rows = tx.rows("select attributes from chunk_data where chunk in (select id from chunk where died is null)")
    return [data for (data,) in rows if isinstance(data, bytes)]


def said(annotation: Annotation) -> tuple[Any, ...]:
    return annotation.class_name, annotation.geometry, annotation.properties


def test_lists_find_and_count_them(old: AnnotationStore, slide: str) -> None:
    there = features("a slide")
    assert {a.id: said(a) for a in old.each(AnnotationQuery(slide))} == {
        identity: (class_of(feature), feature["geometry"], properties_of(feature))
        for identity, feature in there.items()
    }
    inside = AnnotationQuery(slide, bbox=(290, 290, 420, 420))
    assert {a.id for a in old.each(inside)} == {
        identity
        for identity, feature in there.items()
        if shape(feature["geometry"]).intersects(shapely.box(290, 290, 420, 420))
    }
    assert old.counts([slide]) == {slide: len(there)}


def test_tiles_draw_or_count_each(db: Database, old: AnnotationStore, slide: str) -> None:
    shapes = {a.number: shape(a.geometry) for a in old.each(AnnotationQuery(slide))}
    tiles = VectorTiles(db, ChunkReader())
    for y, x in np.ndindex(4, 4):
        tile = TileBox.at(10, x, y, max_level=10, tile_size=256)
        decoded = mapbox_vector_tile.decode(tiles.tile(AnnotationQuery(slide), tile, revision=1) or b"")
        drawn = {feature["id"] for feature in decoded.get("objects", {}).get("features", ())}
        assert drawn == {n for n, one in shapes.items() if one.intersects(shapely.box(*tile.reach))}
    far = TileBox.at(4, 0, 0, max_level=10, tile_size=256)  # 64 px of the slide are one of it
    decoded = mapbox_vector_tile.decode(tiles.tile(AnnotationQuery(slide), far, revision=1))
    extents = {n: max(x1 - x0, y1 - y0) for n, (x0, y0, x1, y1) in ((n, one.bounds) for n, one in shapes.items())}
    assert {feature["id"] for feature in decoded["objects"]["features"]} == {
        n for n, extent in extents.items() if extent >= 2.5 * 64
    }
    counted = sum(
        feature["properties"]["count"] * int(shapely.get_num_geometries(shape(feature["geometry"])))
        for feature in decoded["density"]["features"]
    )
    assert counted == sum(extent < 2.5 * 64 for extent in extents.values())


def test_edits_start_from_them_and_folding_writes_them_anew(db: Database, old: AnnotationStore, slide: str) -> None:
    there = features("a slide")
    before = {a.id: a for a in old.each(AnnotationQuery(slide))}
    edited, removed = list(there)[:2]
    old.edit_many(slide, [Edit(edited, 1, class_name="Necrosis"), Edit(removed, 1, deleted=True)], author="ada")
    assert said(next(a for a in old.history(edited) if a.revision == 1)) == said(before[edited])
    current = {a.id: said(a) for a in old.each(AnnotationQuery(slide))}
    assert current == {
        identity: ("Necrosis" if identity == edited else one.class_name, one.geometry, one.properties)
        for identity, one in before.items()
        if identity != removed
    }
    assert old.compact(slide, CompactionRule(overridden=0.0, versions=1)) >= 1
    assert {version_of(data) for data in db.read(stored)} == {VERSION} == {2}
    again = AnnotationStore(db)
    assert {a.id: said(a) for a in again.each(AnnotationQuery(slide))} == current
    assert {a.id: a for a in again.each(AnnotationQuery(slide, as_of=1))} == before
