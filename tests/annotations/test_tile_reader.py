"""Vector tiles out of the store: at every level and revision each annotation is drawn once or counted once."""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

import mapbox_vector_tile
import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from pathserve.annotations import AnnotationQuery, AnnotationStore, CompactionRule, Edit
from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.directory import Directories
from pathserve.annotations.filters import parse_filter
from pathserve.annotations.layers import Layers
from pathserve.annotations.tile_reader import VectorTiles
from pathserve.annotations.vector_tiles import TileBox
from pathserve.db import Database
from pathserve.errors import Cancelled
from pathserve.labels import Annotation, Columns, NewAnnotation

SIDE = 1 << 15  # of a slide: 8 levels of tiles of 256 px
LEVELS = 7
CLASSES = ("Tumor", "Stroma", None)


def made(seed: int, count: int, *, low: float, high: float) -> list[NewAnnotation]:
    """Squares of sides between two lengths, all over the slide."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(count):
        x, y = rng.uniform(0, SIDE - high, 2).round(2).tolist()
        side = round(float(rng.uniform(low, high)), 2)
        ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
        state = {"state": "approved"} if k % 5 == 0 else {}
        properties = {"score": k % 10 / 10, **state}
        found.append(NewAnnotation({"type": "Polygon", "coordinates": [ring]}, None, CLASSES[k % 3], None, properties))
    return found


@pytest.fixture
def reader() -> ChunkReader:
    return ChunkReader()


@pytest.fixture
def filled(db: Database, reader: ChunkReader, slide: str) -> AnnotationStore:
    """Revision 1: cells in chunks; 2: drawn regions; 3: edits and deletions of both; 4: more cells in another layer."""
    store = AnnotationStore(db, reader=reader)
    with store.bulk(slide, layer="AI", author="model") as bulk:
        bulk.add(Columns.of(made(1, 1500, low=4, high=90)))
        bulk.publish()
    store.add(slide, made(2, 40, low=10, high=5000), layer="ada", author="ada")
    everything = list(store.each(AnnotationQuery(slide)))
    edits = [Edit(a.id, a.revision, class_name="Necrosis", state="approved") for a in everything[::31]]
    edits += [Edit(a.id, a.revision, deleted=True) for a in everything[5::37] if a.number % 31 != 1]
    store.edit_many(slide, edits, author="ada")
    with store.bulk(slide, layer="second", author="model") as bulk:
        bulk.add(Columns.of(made(3, 300, low=4, high=40)))
        bulk.publish()
    return store


@pytest.fixture
def asked(reader: ChunkReader, monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often the attributes of each chunk were asked for."""
    found, attributes = Counter[int](), reader.attributes

    def counted(tx: Any, refs: Any) -> Any:
        found.update(ref.id for ref in refs)
        return attributes(tx, refs)

    monkeypatch.setattr(reader, "attributes", counted)
    return found


def grid(z: int) -> Iterator[TileBox]:
    tiles = range(1 << z)
    for y, x in product(tiles, tiles):
        yield TileBox.at(z, x, y, max_level=LEVELS, tile_size=256)


def seen(tiles: VectorTiles, query: AnnotationQuery, z: int, revision: int) -> tuple[set[int], Counter[Any]]:
    """Numbers of what is drawn, and counts by class and layer, over all tiles of a level."""
    drawn, counts = set[int](), Counter[Any]()
    for tile in grid(z):
        data = tiles.tile(query, tile, revision=revision)
        decoded = mapbox_vector_tile.decode(data) if data else {}
        drawn |= {feature["id"] for feature in decoded.get("objects", {}).get("features", ())}
        for feature in decoded.get("density", {}).get("features", ()):
            tags = feature["properties"]
            bins = shapely.get_num_geometries(shape(feature["geometry"]))
            counts[tags.get("class"), tags["layer"]] += tags["count"] * int(bins)
    return drawn, counts


def expected(annotations: list[Annotation], z: int) -> tuple[set[int], Counter[Any]]:
    """The same by the rule as it is written down."""
    downsample = 1 << (LEVELS - z)
    drawn, counts = set[int](), Counter[Any]()
    for annotation in annotations:
        x0, y0, x1, y1 = shape(annotation.geometry).bounds
        if downsample <= 8 or max(x1 - x0, y1 - y0) >= 2.5 * downsample:
            drawn.add(annotation.number)
        else:
            counts[annotation.class_name, annotation.layer] += 1
    return drawn, counts


def test_each_is_drawn_or_counted_once_at_every_revision(
    db: Database, reader: ChunkReader, filled: AnnotationStore, slide: str
) -> None:
    tiles = VectorTiles(db, reader)
    for revision, count in ((4, 1799), (1, 1500), (2, 1540), (3, 1499)):
        there = list(filled.each(AnnotationQuery(slide, as_of=revision)))
        assert len(there) == count
        for z in (0, 1, 2, 3):
            assert seen(tiles, AnnotationQuery(slide), z, revision) == expected(there, z), (z, revision)


def test_near_every_object_is_drawn_where_it_is(
    db: Database, reader: ChunkReader, filled: AnnotationStore, slide: str
) -> None:
    tiles = VectorTiles(db, reader)
    there = {a.number: shape(a.geometry) for a in filled.each(AnnotationQuery(slide))}
    for x, y in ((0, 0), (3, 9), (15, 15)):
        tile = TileBox.at(4, x, y, max_level=LEVELS, tile_size=256)
        area = shapely.box(*tile.reach)
        decoded = mapbox_vector_tile.decode(tiles.tile(AnnotationQuery(slide), tile, revision=4))
        assert "density" not in decoded
        drawn = {feature["id"] for feature in decoded["objects"]["features"]}
        assert drawn == {number for number, geometry in there.items() if geometry.intersects(area)}


FILTERS: tuple[dict[str, Any], ...] = (
    {"classes": ("Tumor", "Necrosis")},
    {"layers": ("ada", "second")},
    {"states": ("approved",)},
    {"classes": ("Stroma",), "states": ("draft",), "layers": ("AI",)},
    {"min_score": 0.5},
    {"authors": ("ada",)},
    {"max_area": 400.0},
    {"numbers": (1, 2, 3, 1510)},
    {"where": parse_filter("class IS NULL AND score < 0.4")},
    {"text": "approved"},
    {"polygon": ((0, 0), (SIDE, 0), (0, SIDE))},
)


def test_filters_hold_for_what_is_drawn_and_for_what_is_counted(
    db: Database, reader: ChunkReader, filled: AnnotationStore, slide: str
) -> None:
    tiles = VectorTiles(db, reader)
    for more in FILTERS:
        query = AnnotationQuery(slide, **more)
        there = list(filled.each(query))
        assert there
        for z in (1, 3):
            assert seen(tiles, query, z, 4) == expected(there, z), (more, z)


def test_all_rows_are_asked_once_for_all_far_tiles_of_a_question(
    db: Database, reader: ChunkReader, filled: AnnotationStore, slide: str, asked: Counter[int]
) -> None:
    tiles, query = VectorTiles(db, reader), AnnotationQuery(slide, min_score=0.5)
    far = [*grid(0), *grid(1)]  # a downsample of 64 and more: no chunk has anything so large
    assert all(tiles.asks_all(query, tile) for tile in far)
    assert not tiles.asks_all(query, next(grid(3)))
    assert not any(tiles.asks_all(AnnotationQuery(slide, classes=("Tumor",)), tile) for tile in far)
    asked.clear()
    for tile in far:
        tiles.tile(query, tile, revision=4)
    assert asked
    assert set(asked.values()) == {1}
    tiles.tile(AnnotationQuery(slide, min_score=0.6), far[0], revision=4)
    assert set(asked.values()) == {2}
    # Chunks that came in one piece are by one author: others need not be read.
    asked.clear()
    tiles.tile(AnnotationQuery(slide, authors=("nobody",)), far[0], revision=4)
    assert not asked


def test_who_has_gone_is_asked_for_no_more(db: Database, filled: AnnotationStore, slide: str) -> None:
    tiles, query = VectorTiles(db, ChunkReader()), AnnotationQuery(slide, text="approved")
    far = next(grid(0))
    with pytest.raises(Cancelled):
        tiles.tile(query, far, revision=4, stop=lambda: True)
    with pytest.raises(Cancelled):  # and again: whoever stopped keeps nobody waiting
        tiles.tile(query, far, revision=4, stop=lambda: True)
    assert seen(tiles, query, 0, 4) == expected(list(filled.each(query)), 0)


@pytest.mark.databases("sqlite", "postgresql")
def test_folding_changes_no_tile(db: Database, reader: ChunkReader, filled: AnnotationStore, slide: str) -> None:
    tiles, query = VectorTiles(db, reader), AnnotationQuery(slide)
    asked = list(product((0, 2, 3), (2, 3, 4)))
    before = {(z, revision): seen(tiles, query, z, revision) for z, revision in asked}
    assert filled.compact(slide, CompactionRule(overridden=0.0, versions=1)) > 0
    assert {(z, revision): seen(tiles, query, z, revision) for z, revision in asked} == before
    # and a reader that begins now sees the same
    fresh = VectorTiles(db, ChunkReader())
    assert {(z, revision): seen(fresh, query, z, revision) for z, revision in asked} == before


@pytest.mark.databases("sqlite", "postgresql")
def test_a_layer_that_was_taken_away_is_in_earlier_tiles_alone(
    db: Database, reader: ChunkReader, filled: AnnotationStore, slide: str
) -> None:
    tiles, query = VectorTiles(db, reader), AnnotationQuery(slide)
    before = seen(tiles, query, 1, 4)
    Layers(db).remove(slide, "AI", author="ada")
    after = seen(tiles, query, 1, 5)
    assert {layer for _, layer in after[1]} == {"second", "ada"} & {layer for _, layer in before[1]}
    assert seen(tiles, query, 1, 4) == before
    Layers(db).rename(slide, "second", "renamed", author="ada")
    assert {layer for _, layer in seen(tiles, query, 1, 6)[1]} <= {"renamed", "ada"}


def test_a_tile_that_draws_nothing_of_chunks_reads_none(
    db: Database, reader: ChunkReader, filled: AnnotationStore, slide: str, asked: Counter[int]
) -> None:
    tiles, query = VectorTiles(db, reader), AnnotationQuery(slide)
    asked.clear()
    for tile in (*grid(0), *grid(1)):  # a downsample of 64 and more
        tiles.tile(query, tile, revision=4)
    assert not asked
    tiles.tile(query, next(grid(4)), revision=4)
    assert asked


@pytest.mark.databases("sqlite", "postgresql")
def test_what_is_counted_of_a_chunk_lies_beside_it(
    db: Database, reader: ChunkReader, filled: AnnotationStore, slide: str, asked: Counter[int]
) -> None:
    """No chunk is read for a far tile, whether it comes from an import or was folded; only of older ones once."""
    filled.compact(slide, CompactionRule(overridden=0.0, versions=1))
    query = AnnotationQuery(slide, classes=("Tumor", "Stroma"), states=("draft",))
    far = [TileBox.at(z, 0, 0, max_level=LEVELS, tile_size=256) for z in (0, 1, 2)]

    def seen_anew() -> list[bytes]:
        tiles = VectorTiles(db, reader)
        return [tiles.tile(query, tile, revision=4) for tile in far]

    def stored() -> list[Any]:
        return db.read(lambda tx: tx.rows("select chunk, data from chunk_density order by chunk"))

    asked.clear()
    expected, before = seen_anew(), stored()
    drawn = {ref.id for ref in read_drawn(db, slide)}
    assert all(expected)
    assert set(asked) <= drawn
    db.write(lambda tx: tx.run("delete from chunk_density"))  # as those of earlier versions are
    asked.clear()
    assert seen_anew() == expected
    assert set(asked) > drawn
    assert stored() == [row for row in before if row[0] in asked]
    asked.clear()
    assert seen_anew() == expected
    assert set(asked) <= drawn


def read_drawn(db: Database, slide: str) -> list[ChunkRef]:
    """Chunks with something large enough to be drawn at a downsample of 32."""
    directory = db.read(lambda tx: Directories().of(tx, slide, 4))
    return [ref for ref, extent in zip(directory.chunks, directory.extents, strict=True) if extent >= 80]
