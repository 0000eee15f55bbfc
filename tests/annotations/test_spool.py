"""A spool gives every row once, whole, beside its neighbours, however many runs and whatever lies where."""

from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from pathserve.annotations import sorted_runs
from pathserve.annotations import spool as spool_module
from pathserve.annotations.spool import Spool
from pathserve.labels import Columns, NewAnnotation


def things(count: int, *, at_one_place: bool = False) -> list[NewAnnotation]:
    random = np.random.default_rng(1)
    made = []
    for n in range(count):
        x, y = (5.0, 5.0) if at_one_place else random.uniform(-100, 1100, 2).tolist()
        shapes: list[dict[str, Any]] = [
            {"type": "Point", "coordinates": [x, y]},
            {"type": "Polygon", "coordinates": [[[x, y], [x + 1, y], [x, y + 2], [x, y]]], "plane": {"z": n}},
            {"type": "MultiPolygon", "coordinates": [[[[x, y], [x + 1, y], [x, y + 2], [x, y]]]] * (n % 3 + 1)},
        ]
        drawn = {"type": "Point", "coordinates": [n, 0]} if n % 7 == 0 else None
        made.append(
            NewAnnotation(shapes[n % 3], UUID(int=n + 1), f"c{n % 5}", None, {"n": n, "state": f"s{n % 2}"}, drawn)
        )
    return made


@pytest.mark.parametrize("few", [0, 10**9])  # as records, or as they came
@pytest.mark.parametrize("words", [2**20, 20_000])  # in memory, and by a file of several runs
@pytest.mark.parametrize("at_one_place", [False, True])
def test_what_goes_in_comes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: int, few: int, at_one_place: bool
) -> None:
    monkeypatch.setattr(spool_module, "_FEW_ROWS", few)
    monkeypatch.setattr(spool_module, "_BUFFER_WORDS", words)
    monkeypatch.setattr(spool_module, "_BLOCK_WORDS", 30_000)
    monkeypatch.setattr(sorted_runs, "_STEP", 16)
    new = things(5000, at_one_place=at_one_place)
    spool = Spool(1000.0, tmp_path)
    for start in range(0, len(new), 333):
        spool.add(Columns.of(new[start : start + 333]))
    assert len(spool) == 5000
    chunks = list(spool.chunks())
    again = list(spool.chunks())
    spool.close()
    assert [chunk.ids.tobytes() for chunk in again] == [chunk.ids.tobytes() for chunk in chunks]
    found = [chunk.new_annotation(row) for chunk in chunks for row in range(len(chunk))]
    assert sorted(found, key=lambda item: item.id or UUID(int=0)) == new
    assert max(map(len, chunks)) <= 1024
    if not at_one_place:
        assert len(chunks) <= 7  # two or three more than whole ones: a block of the file is cut alone
        # Chunks of neighbours cover the slide about once, not each all of it.
        boxes = np.array([[*c.xy.min(axis=0), *c.xy.max(axis=0)] for c in chunks])
        assert np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).sum() < 2.5 * 1200 * 1200
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("few", [0, 10**9])
def test_a_chunk_of_very_many_positions_has_fewer_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(spool_module, "_FEW_ROWS", few)
    ring = [[float(n), float(n % 2)] for n in range(50_000)]
    new = [NewAnnotation({"type": "LineString", "coordinates": ring}, UUID(int=n + 1)) for n in range(12)]
    spool = Spool(1000.0, tmp_path)
    spool.add(Columns.of(new))
    assert sorted(len(chunk) for chunk in spool.chunks()) == [2, 5, 5]


@pytest.mark.parametrize(
    ("side", "low", "high", "few"),
    [
        (1000.0, 0, 1000, 0),
        (1000.0, -100, 1100, 10**9),  # as columns, else as records
        (1000.0, -1000, 2000, 0),
        (1000.0, -10_000, 10_000, 0),
        (1.0, 5, 10, 0),
    ],
)
def test_neighbours_share_chunks_wherever_they_may_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: float, low: int, high: int, few: int
) -> None:
    monkeypatch.setattr(spool_module, "_FEW_ROWS", few)
    # A grid of 128 x 128 cells, which come in any order: 16 chunks of them are about 32 x 32 each.
    cells = np.random.default_rng(3).permutation(128 * 128)
    step = (high - low) / 128
    points = low + (np.stack((cells // 128, cells % 128), axis=1) + 0.5) * step
    new = [NewAnnotation({"type": "Point", "coordinates": p}, UUID(int=n + 1)) for n, p in enumerate(points.tolist())]
    spool = Spool(side, tmp_path)
    spool.add(Columns.of(new))
    found = [(chunk.xy.min(axis=0), chunk.xy.max(axis=0)) for chunk in spool.chunks()]
    spool.close()
    assert len(found) == 16
    # A view of 16 x 16 cells cuts few chunks, wherever it is; each would cut many if what lies outside were a heap.
    views = [low + step * 16 * np.array([i, j]) for i in range(8) for j in range(8)]
    cut = [sum(bool((a <= view + 16 * step).all() and (b >= view).all()) for a, b in found) for view in views]
    assert max(cut) <= 6
    assert np.mean(cut) < 3.5
