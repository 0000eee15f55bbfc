"""Rows of several columns as few, with and without machine code, against the annotations that they were made of."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.annotations import (
    AnnotationQuery,
    AnnotationStore,
    chunk_reader,
    gathering,
    matching,
)
from pathserve.annotations.gathering import Chosen, Gatherer, Kept
from pathserve.annotations.query import Box
from pathserve.labels import Columns, NewAnnotation, Texts
from pathserve.labels.columns import score_of, state_of
from pathserve.native import kernels_of

RING = [[0.1, 0.2], [9, 0], [9, 9.5], [0.1, 0.2]]
HOLE = [[3, 3], [3, 4], [4, 4], [3, 3]]
GEOMETRIES: list[dict[str, Any]] = [
    {"type": "Polygon", "coordinates": [RING]},
    {"type": "Point", "coordinates": [1.25, 2.5]},
    {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4.1]]},
    {"type": "LineString", "coordinates": [[0, 0], [1e-9, 7], [3, 3]]},
    {"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]], [[5, 5], [6, 6], [7, 5]]]},
    {"type": "Polygon", "coordinates": [RING, HOLE], "plane": {"z": 3}},
    {"type": "MultiPolygon", "coordinates": [[RING, HOLE], [[[20, 20], [29, 20], [29, 29], [20, 20]]]]},
    {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [5, 5]}]},
]
PROPERTIES: list[dict[str, Any]] = [
    {},
    {"state": "approved"},
    {"score": 0.25, "name": "Zelle Nº1 μ"},
    {"state": "draft", "exhaustive": True},
]


@pytest.fixture(params=[False, True], ids=["arrays", "kernels"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace | None:
    chosen = kernels_of("pathserve.annotations.gather_kernels") if request.param else None
    for module in (gathering, matching):
        monkeypatch.setattr(module, "loaded_kernels", lambda: chosen)
    return chosen


annotations = st.builds(
    lambda geometry, name, properties, drawn: NewAnnotation(
        geometry, None, name, None, properties, drawn=GEOMETRIES[0] if drawn else None
    ),
    st.sampled_from(GEOMETRIES),
    st.sampled_from([None, "A", "B", "C"]),
    st.sampled_from(PROPERTIES),
    st.booleans(),
)
sources = st.lists(
    st.tuples(st.lists(st.tuples(annotations, st.booleans()), min_size=1, max_size=12), st.sampled_from("xy")),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(sources, st.booleans())
def check_gathering(several: list[tuple[list[tuple[NewAnnotation, bool]], str]], with_json: bool) -> None:
    wanted, chosen = dict[UUID, tuple[Any, ...]](), list[Chosen]()
    for items, layer in several:
        first = len(wanted) + 1000 * len(chosen)
        made = [replace(item, id=UUID(int=first + n + 1)) for n, (item, _) in enumerate(items)]
        numbers = np.arange(first + 7, first + 7 + len(made))
        columns = replace(Columns.of(made), numbers=numbers, revisions=numbers + 1, firsts=numbers - 1)
        if not with_json:
            columns = replace(columns, properties=Texts.empty(len(made)), geometries={}, drawn={})
        rows = np.flatnonzero([is_asked for _, is_asked in items])
        if len(rows):
            chosen.append(Chosen(Kept(columns), rows, layer))
        for row in rows.tolist():
            new = made[row]
            facts = (row + first + 7, row + first + 8, row + first + 6, layer)
            score = score_of(new.properties)
            told = (
                state_of(new.properties, "draft"),
                None if np.isnan(score) else score,
                "exhaustive" in new.properties,
            )
            assert new.id is not None
            wanted[new.id] = (new.class_name, *facts, *told, _said(new, columns, row, with_json))
    found = dict[UUID, tuple[Any, ...]]()
    for columns in Gatherer().gather(chosen):
        assert columns.starts[0] == columns.part_starts[0] == columns.ring_starts[0] == 0
        assert columns.ring_starts[-1] == len(columns.xy)
        for row in range(len(columns)):
            index, score = int(columns.classes[row]), float(columns.scores[row])
            found[UUID(bytes=columns.ids[row].tobytes())] = (
                None if index < 0 else columns.class_names[index],
                *(int(facts[row]) for facts in (columns.numbers, columns.revisions, columns.firsts)),
                columns.layer,
                columns.state_names[columns.states[row]],
                None if np.isnan(score) else score,
                bool(columns.exhaustive[row]),
                _said(columns.new_annotation(row), columns, row, with_json),
            )
    assert found == wanted


def _said(new: NewAnnotation, columns: Columns, row: int, with_json: bool) -> Any:
    """Give geometry, properties and the drawn form; without JSON what arrays alone tell."""
    if with_json:
        return new.geometry, new.properties, new.drawn
    return columns.kinds[row], columns.xy[slice(*columns.first_positions()[row : row + 2])].tolist()


def test_gathered_rows_are_what_went_in(kernels: SimpleNamespace | None) -> None:
    check_gathering()


def test_a_copy_for_each_layer_and_none_of_what_is_whole(kernels: SimpleNamespace | None) -> None:
    whole = Columns.of([NewAnnotation(GEOMETRIES[0]), NewAnnotation(GEOMETRIES[1])])
    kept, some = Kept(whole), np.array([1])
    asked = [
        Chosen(kept, some, "x"),
        Chosen(kept, np.arange(2), ""),
        Chosen(kept, some, "x"),
        Chosen(kept, some, "y"),
    ]
    found = Gatherer().gather(asked)
    assert [len(c) for c in found] == ([1, 1, 1, 2] if kernels is None else [2, 1, 2])
    assert found[-1] is whole
    assert sorted({c.layer for c in found}) == ["", "x", "y"]


def test_machine_code_is_loaded_by_who_gathers_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "loaded_kernels", lambda: None)
    monkeypatch.setattr(gathering, "WORTH_LOADING", 3)
    whole = Columns.of([NewAnnotation(GEOMETRIES[0]), NewAnnotation(GEOMETRIES[1])])
    asked = [Chosen(Kept(whole), np.array([1]), "x")] * 2
    gatherer = Gatherer()
    assert len(gatherer.gather(asked)) == 2
    assert len(gatherer.gather(asked)) == 1


def test_machine_code_is_never_given_arrays_of_another_form() -> None:
    whole = Columns.of([NewAnnotation(GEOMETRIES[0]), NewAnnotation(GEOMETRIES[1])])
    for wrong in (
        {"scores": whole.scores.astype(np.float32)},
        {"numbers": np.zeros((2, 2), np.int64)[:, 0]},
        {"xy": np.asfortranarray(whole.xy)},
    ):
        with pytest.raises(TypeError, match="without gaps"):
            _ = Kept(replace(whole, **wrong)).places


edges = st.sampled_from([-1.0, 0.0, 1.0, 2.5, 3.0, float("nan"), float("inf")])


def test_rows_in_a_box(kernels: SimpleNamespace | None) -> None:
    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.lists(st.tuples(edges, edges, edges, edges), min_size=1, max_size=20), max_size=3),
        st.tuples(edges, edges, edges, edges),
    )
    def check(several: list[list[Box]], box: Box) -> None:
        x0, y0, x1, y1 = box
        # Half-open: the right and the lower edge are outside.
        meeting = [
            [n for n, (a, b, c, d) in enumerate(boxes) if a < x1 and c >= x0 and b < y1 and d >= y0]
            for boxes in several
        ]
        found = matching.rows_in_box([np.array(boxes) for boxes in several], box)
        assert [rows.tolist() for rows in found] == meeting

    check()


def test_machine_code_is_loaded_by_who_unpacks_much(
    store: AnnotationStore, slide: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = list[bool]()
    monkeypatch.setattr(chunk_reader, "WORTH_LOADING", 2)
    monkeypatch.setattr(chunk_reader, "load_kernels", lambda: loads.append(True))
    for _ in range(3):
        with store.bulk(slide, layer="x", author="a") as bulk:
            bulk.add(Columns.of([NewAnnotation(GEOMETRIES[0])]))
            bulk.publish()
        list(store.columns(AnnotationQuery(slide)))  # one more chunk each time
        list(store.columns(AnnotationQuery(slide)))  # out of memory
        assert len(loads) == (store.revision(slide) >= 2)
