"""Counts of whole layers that are stored: right through imports, edits and folding, and read without any chunk."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import mapbox_vector_tile
import numpy as np
import pytest

from pathserve.annotations import AnnotationQuery, AnnotationStore, CompactionRule, Edit
from pathserve.annotations.chunk_reader import ChunkReader
from pathserve.annotations.tile_reader import VectorTiles
from pathserve.annotations.vector_tiles import TileBox
from pathserve.db import Database
from pathserve.errors import Corrupt
from pathserve.labels import Columns, GeometryKind, NewAnnotation

SIDE = 1 << 16
LEVELS = 8
CLASSES = ("Tumor", "Stroma")
Bins = Counter[tuple[str | None, str, int, int]]


def points(seed: int, count: int) -> Columns:
    rng = np.random.default_rng(seed)
    one = Columns.of([NewAnnotation({"type": "Point", "coordinates": [0, 0]}, None, name) for name in CLASSES])
    made = one.take(np.arange(count) % 2)
    assert (made.kinds == GeometryKind.POINT).all()
    object.__setattr__(made, "xy", rng.uniform(0, SIDE, (count, 2)).round(2))
    return made


def counted(tiles: VectorTiles, query: AnnotationQuery, z: int, revision: int) -> Bins:
    """Counts of all tiles of a level by class, layer, and bin of 4 screen pixels."""
    found: Bins = Counter()
    for y, x in product(range(1 << z), repeat=2):
        tile = TileBox.at(z, x, y, max_level=LEVELS, tile_size=256)
        data = tiles.tile(query, tile, revision=revision)
        decoded = mapbox_vector_tile.decode(data, default_options={"y_coord_down": True}) if data else {}
        assert "objects" not in decoded
        for feature in decoded.get("density", {}).get("features", ()):
            tags, shape = feature["properties"], feature["geometry"]
            places = [shape["coordinates"]] if shape["type"] == "Point" else shape["coordinates"]
            for cx, cy in places:
                found[tags.get("class"), tags["layer"], 64 * x + cx // 64, 64 * y + cy // 64] += tags["count"]
    return found


def expected(store: AnnotationStore, query: AnnotationQuery, z: int) -> Bins:
    """The same out of all annotations by the rule as it is written down."""
    width, found = 4 << (LEVELS - z), Counter[Any]()
    for columns in store.columns(query, properties=False):
        names = np.array([*columns.class_names, None], object)[columns.classes]
        bins = (columns.xy // width).astype(int)
        found.update(zip(names.tolist(), [columns.layer] * len(columns), *bins.T.tolist(), strict=True))
    return found


@pytest.fixture
def filled(db: Database, slide: str) -> AnnotationStore:
    store = AnnotationStore(db)
    bulk_of(store, slide, points(1, 18_000))
    return store


def bulk_of(store: AnnotationStore, slide: str, columns: Columns, layer: str = "AI") -> None:
    with store.bulk(slide, layer=layer, author="model") as bulk:
        bulk.add(columns)
        bulk.publish()


def stored(db: Database) -> list[tuple[Any, ...]]:
    return db.read(lambda tx: tx.rows("select id, layer from density"))


def changed(store: AnnotationStore, slide: str) -> Iterator[int]:
    """Change the slide now and then, and give its revision each time."""
    yield 1
    rng = np.random.default_rng(5)
    numbers = tuple((rng.choice(3_000, 40, replace=False) + 1).tolist())
    some = list(store.each(AnnotationQuery(slide, numbers=numbers)))
    edits = [Edit(a.id, a.revision, deleted=True) for a in some[:20]]
    store.edit_many(slide, [*edits, *(Edit(a.id, a.revision, class_name="Necrosis") for a in some[20:])], author="ada")
    yield 2
    assert store.compact(slide, CompactionRule(overridden=0.001, versions=1)) > 0  # some chunks go, others come
    yield 2
    bulk_of(store, slide, points(2, 3_000))
    yield 3
    assert move_some(store, slide) == 4
    yield 4
    bulk_of(store, slide, points(3, 15_000))  # more than a fourth of what there was
    yield 5


def move_some(store: AnnotationStore, slide: str) -> int:
    """Replace what lies in a corner, edited or not: all of it lies elsewhere and is of another class."""
    query = AnnotationQuery(slide, bbox=(0, 0, SIDE / 4, SIDE / 2))
    with store.bulk(slide, layer="AI", author="model") as bulk:
        for columns in list(store.columns(query)):
            moved = replace(
                columns, classes=np.zeros_like(columns.classes), class_names=("Other",), xy=columns.xy + 500
            )
            assert len(bulk.add(moved, on_conflict="replace").replaced) == len(columns)
        return bulk.publish()


@pytest.mark.databases("sqlite", "postgresql")
def test_counts_stay_right_through_imports_edits_and_folding(db: Database, filled: AnnotationStore, slide: str) -> None:
    query, kept = AnnotationQuery(slide), VectorTiles(db, ChunkReader())
    bases = []
    for revision in changed(filled, slide):
        for tiles in (kept, VectorTiles(db, ChunkReader())):
            assert counted(tiles, query, 1, revision) == expected(filled, query, 1)
        bases.append(stored(db))
    assert [len(some) for some in bases] == [1] * 6
    # It is made anew when many chunks have come, and is good for what there was before as long as that is near.
    assert bases[0] == bases[1] == bases[2] == bases[3] == bases[4] != bases[5]
    earlier = AnnotationQuery(slide, as_of=1)
    assert counted(VectorTiles(db, ChunkReader()), query, 1, 1) == expected(filled, earlier, 1)
    assert counted(kept, query, 1, 1) == expected(filled, earlier, 1)
    assert stored(db) == bases[5]


def test_a_far_tile_reads_nothing_of_chunks(db: Database, filled: AnnotationStore, slide: str) -> None:
    query = AnnotationQuery(slide, classes=("Tumor",))
    before = counted(VectorTiles(db, ChunkReader()), query, 2, 1)
    assert sum(before.values()) == 9_000
    for table in ("chunk_density", "chunk_data"):
        db.write(lambda tx, table=table: tx.run(f"delete from {table}"))  # noqa: S608 - constants only
    assert counted(VectorTiles(db, ChunkReader()), query, 2, 1) == before


def test_another_process_may_replace_what_is_stored(db: Database, filled: AnnotationStore, slide: str) -> None:
    query = AnnotationQuery(slide)
    VectorTiles(db, ChunkReader()).tile(query, TileBox(0, 0, SIDE, 256), revision=1)
    reader = VectorTiles(db, ChunkReader())
    first, rest = TileBox.at(2, 0, 0, max_level=LEVELS, tile_size=256), expected(filled, query, 2)
    reader.tile(query, first, revision=1)
    bulk_of(filled, slide, points(2, 18_000))
    assert counted(VectorTiles(db, ChunkReader()), query, 2, 2) == expected(filled, query, 2)
    assert counted(reader, query, 2, 1) == rest


def test_damaged_blocks_are_an_error(db: Database, filled: AnnotationStore, slide: str) -> None:
    tile = TileBox(0, 0, SIDE, 256)
    VectorTiles(db, ChunkReader()).tile(AnnotationQuery(slide), tile, revision=1)
    db.write(lambda tx: tx.run("update density_block set data = ?", b"damaged"))
    with pytest.raises(Corrupt):
        VectorTiles(db, ChunkReader()).tile(AnnotationQuery(slide), tile, revision=1)
