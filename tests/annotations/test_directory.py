"""Directories that are kept and brought up to date against those that are read anew, at every revision."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from pathserve.annotations import AnnotationStore, CompactionRule, Edit, directory
from pathserve.annotations.directory import Directories, Directory, read_state
from pathserve.annotations.layers import Layers
from pathserve.db import Database
from pathserve.errors import NotFound
from pathserve.labels import Columns, NewAnnotation

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def cells(count: int, start: int) -> list[NewAnnotation]:
    return [
        NewAnnotation({"type": "Point", "coordinates": [n % 50, n // 50]}, UUID(int=start + n), "A")
        for n in range(count)
    ]


def told(found: Directory) -> tuple[Any, ...]:
    hidden = {chunk: sorted(rows.tolist()) for chunk, rows in found.hidden.items()}
    arrays = (found.boxes, found.extents, found.exhaustive, found.numbers)
    return list(found.chunks), [a.tolist() for a in arrays], hidden, found.layers, found.beside


def test_what_is_kept_says_what_is_read_anew(
    db: Database, store: AnnotationStore, slide: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_EDITED_AT_ONCE", 10)
    kept, layers = Directories(), Layers(db)
    now: list[tuple[Any, ...]] = []

    def look() -> None:
        newest = store.revision(slide)
        for revision in range(newest, -1, -1):
            fresh = db.read(lambda tx: Directories().of(tx, slide, revision))  # noqa: B023 - called at once
            known = db.read(lambda tx: kept.of(tx, slide, revision))  # noqa: B023 - called at once
            # That nothing lies beside chunks is only said of now; it stays right later.
            assert told(known)[:-1] == told(fresh)[:-1]
            assert known.beside <= fresh.beside
            if revision == newest:
                assert known.beside == fresh.beside
                now.append(told(fresh))

    look()
    for start in (1, 5001):
        with store.bulk(slide, layer=f"cells {start}", author="m") as bulk:
            bulk.add(Columns.of(cells(1200, start)))
            bulk.publish()
        look()
    store.edit_many(slide, [Edit(UUID(int=n), 1, class_name="B") for n in range(1, 13)], author="a")
    look()
    store.delete(UUID(int=5001), expected=2, author="a")
    store.delete(UUID(int=40), expected=1, author="a")  # two revisions since somebody looked
    look()
    store.revert(UUID(int=40), 1, expected=5, author="a")
    layers.rename(slide, "cells 1", "other", author="a")
    look()
    assert store.compact(slide, CompactionRule(overridden=0.0, versions=1)) > 0
    look()
    store.edit_many(slide, [Edit(UUID(int=n), 1, class_name="C") for n in range(50, 58)], author="a")
    look()
    layers.remove(slide, "other", author="a")
    look()
    assert len({repr(each) for each in now}) == len(now)
    hidden = [sum(map(len, each[2].values())) for each in now]
    assert hidden == [0, 0, 0, 12, 14, 14, 0, 8, 8]


def test_states_are_named_by_revision_and_publications(db: Database, store: AnnotationStore, slide: str) -> None:
    store.add(slide, cells(2, 1), layer="a", author="a")
    before = db.read(lambda tx: read_state(tx, slide))
    assert (before.revision, before.published) == (1, 0)
    store.compact(slide, CompactionRule(overridden=0.0, versions=1))
    assert db.read(lambda tx: read_state(tx, slide)).published == 1
    with pytest.raises(NotFound):
        db.read(lambda tx: read_state(tx, "none"))
    found = db.read(lambda tx: Directories().of(tx, slide, 1))
    assert (len(found.chunks), found.beside) == (1, False)
    assert found.chunks[:][0] is found.chunks[0]
    np.testing.assert_array_equal(found.numbers, [[1, 2]])
