"""What could take long to check or repair is told, and refused, before it begins."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.errors import TooLarge
from pathserve.geometry import effort as efforts
from pathserve.geometry.effort import FEW_POSITIONS, MAX_PAIRS, MAX_STEPS, effort
from pathserve.geometry.gate import Gate, passing
from pathserve.geometry.repair import repair
from pathserve.geometry.validity import check_geometry
from pathserve.labels import Columns, NewAnnotation


def zigzag(slopes):
    """A valid ring that goes up a long slope and down the next, again and again; each beside all others."""
    turns = np.arange(slopes, dtype=float)
    foot, top = np.stack([turns, 0 * turns], 1), np.stack([turns + 10_000, 0 * turns + 10_000], 1)
    odd = (turns % 2 == 1)[:, None]
    pairs = np.stack([np.where(odd, top, foot), np.where(odd, foot, top)], axis=1).reshape(-1, 2)
    return np.concatenate([pairs, [[40_000, -1], [0, -1], pairs[0]]])


def contour(positions, jitter=0.2):
    turn = np.linspace(0, 2 * np.pi, positions, endpoint=False)
    far = 4000 + 300 * np.sin(90 * turn) + np.random.default_rng(3).normal(0, jitter, positions)
    ring = np.stack([5000 + far * np.cos(turn), 5000 + far * np.sin(turn)], axis=1)
    return np.concatenate([ring, ring[:1]])


def brackets(count):
    """Holes in the form of corners, each in the box of those before, and their shell."""
    shell = np.array([[-10, -10], [20_000, -10], [20_000, 20_000], [-10, 20_000], [-10, -10.0]])
    rings = [shell]
    for a in (np.arange(count) * 0.5).tolist():
        b, end = a + 0.1, 9000 - a
        rings.append(np.array([[end, a], [a, a], [a, end], [b, end], [b, b], [end, b], [end, a]]))
    return rings


def of(rings):
    return effort(np.concatenate(rings), np.concatenate(([0], np.cumsum([len(ring) for ring in rings]))))


def polygon(rings):
    return {"type": "Polygon", "coordinates": [ring.tolist() for ring in rings]}


def check(rings):
    return check_geometry(polygon(rings), frame=None, max_vertices=10**6)


_RINGS = st.lists(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=3, max_size=12).map(
        lambda ring: np.array([*ring, ring[0]], float)
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(_RINGS)
def test_it_is_never_less_than_what_lies_side_by_side(rings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efforts, "FEW_POSITIONS", 0)
        found = of(rings)
    edges = shapely.envelope(shapely.linestrings(np.concatenate([np.stack([r[:-1], r[1:]], 1) for r in rings])))
    boxes = shapely.envelope(
        shapely.linestrings(np.concatenate(rings), indices=np.repeat(range(len(rings)), [*map(len, rings)]))
    )
    pairs = shapely.STRtree(edges).query(edges).shape[1] - len(edges)
    one, other = shapely.STRtree(boxes).query(boxes)
    steps = sum(len(rings[i]) for i, j in zip(one.tolist(), other.tolist(), strict=True) if i != j)
    assert found.pairs >= pairs / 2
    assert found.steps >= steps
    few = of(rings)
    assert few.pairs >= found.pairs
    assert few.steps >= found.steps


def test_a_zigzag_counts_all_its_pairs():
    assert 1 < of([zigzag(4000)]).pairs / (4000 * 3999 / 2) < 2.1
    assert of([contour(100_000)]).pairs < 3_000_000


def test_what_would_take_hours_is_refused_at_both_doors():
    rings = [zigzag(12_000)]
    assert of(rings).pairs > MAX_PAIRS
    with pytest.raises(TooLarge) as refused:
        check(rings)
    assert refused.value.code == "too_intricate"
    columns = Columns.of([NewAnnotation(polygon(r)) for r in ([zigzag(1200)], rings, [contour(3000, 0)])])
    assert passing(columns, frame=None, max_vertices=10**6).tolist() == [True, False, True]


def test_rings_in_the_boxes_of_others_count(monkeypatch):
    rings = brackets(2000)
    assert of(rings).steps > 7 * 1999 * 1000
    assert check(rings).note is None
    monkeypatch.setattr(efforts, "MAX_STEPS", 1_000_000)
    with pytest.raises(TooLarge):
        check(rings)
    assert MAX_STEPS > 1_000_000


def test_a_repair_may_cost_less_than_a_check(monkeypatch):
    monkeypatch.setattr(efforts, "MAX_REPAIR_PAIRS", 1_000_000)
    ring = zigzag(1500)
    assert check([ring]).note is None
    ring[-2] = [10, 5]  # crosses
    with pytest.raises(TooLarge, match="crosses itself, and too many"):
        check([ring])


def test_few_positions_are_looked_at_whatever_they_are():
    assert of([zigzag(FEW_POSITIONS // 2 - 5)]).pairs == pytest.approx(FEW_POSITIONS**2 / 2, rel=0.02)
    ring = zigzag(500)
    ring[-2] = [10, 5]
    checked = check([ring])
    assert checked.repaired
    assert shapely.geometry.shape(checked.geometry).is_valid


def test_holes_are_kept_when_they_share_area_with_their_shell():
    shell = np.array([[0, 0], [10, 0], [10, 10], [5, -1], [0, 10], [0, 0.0]])  # dips through its own base

    def hole(x, y):
        return np.array([[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1], [x, y]], float)

    inside, over_the_edge, beside, touching = hole(1, 1), hole(-0.01, 4), hole(20, 1), hole(-1, 2)
    kept = repair([[shell, inside, beside, touching]]).shape
    alone = repair([[shell]]).shape
    assert kept.area == pytest.approx(alone.area - 1)
    half_out = repair([[shell, over_the_edge]], force=True).shape
    assert half_out.area == pytest.approx(alone.area - 0.99)


def test_a_gate_repairs_no_more_when_its_time_is_over():
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]}
    square = {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]}
    gate = Gate(frame=None, max_vertices=100, seconds=1e-9)
    outcomes = list(gate.check([square, bow_tie, bow_tie, square]))
    assert [getattr(outcome, "code", None) for outcome in outcomes] == [None, None, "too_many_repairs", None]
    assert [getattr(outcome, "repaired", None) for outcome in outcomes] == [False, True, None, False]
    assert [outcome.code for outcome in gate.check([bow_tie])] == ["too_many_repairs"]
