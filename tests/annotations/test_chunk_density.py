"""Summaries as bytes: what comes out is what went in, and damage is an error."""

from collections import Counter

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.annotations.chunk_density import pack_summary, unpack_summaries
from pathserve.annotations.density import Summary, summarize
from pathserve.errors import Corrupt

NAMES = st.lists(st.text(max_size=8), min_size=1, max_size=4, unique=True)
PLACE = st.one_of(st.floats(-1e9, 1e9), st.floats(0, 5000))


@st.composite
def summaries(draw: st.DrawFn) -> Summary:
    classes, states = draw(NAMES), draw(NAMES)
    side = st.sampled_from([0.0, 3.0, 50.0, 700.0, 1e6])
    row = st.tuples(PLACE, PLACE, side, st.integers(-1, len(classes) - 1), st.integers(0, len(states) - 1))
    rows = draw(st.lists(row, max_size=30))
    values = np.array(rows, np.float64).reshape(-1, 5)
    boxes = np.column_stack((values[:, :2], values[:, :2] + values[:, 2:3]))
    return summarize(boxes, values[:, 3].astype(np.int32), classes, values[:, 4].astype(np.int32), states)


def entries(summary: Summary) -> Counter[tuple[int, int, str | None, str, int]]:
    counts, found = summary.counts, Counter[tuple[int, int, str | None, str, int]]()
    for (x, y), cls, state, count, level in zip(
        counts.bins.tolist(),
        counts.classes.tolist(),
        counts.states.tolist(),
        counts.counts.tolist(),
        summary.levels.tolist(),
        strict=True,
    ):
        name = None if cls < 0 else counts.class_names[cls]
        found[x, y, name, counts.state_names[state], level] += count
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(summaries(), max_size=5))
def test_several_come_back_as_one(several: list[Summary]) -> None:
    expected = Counter[tuple[int, int, str | None, str, int]]()
    for one in several:
        expected.update(entries(one))
    assert entries(unpack_summaries([pack_summary(one) for one in several])) == expected


def packed() -> bytes:
    boxes = np.array([[0, 0, 8, 8], [500, 70, 508, 78]], np.float64)
    return pack_summary(summarize(boxes, np.array([0, -1], np.int32), ["a"], np.zeros(2, np.int32), ["draft"]))


def test_damaged_bytes_are_an_error() -> None:
    raw = bytes(imagecodecs.zstd_decode(packed()))
    class_of_first = len(raw) - 2 * 15 + 2 * 8
    for bad in (
        b"\x02" + raw[1:],
        raw[:-1],
        raw + b"\0",
        raw[:3],
        b"",
        raw.replace(b'["a"]', b'["a",'),
        raw.replace(b'[["a"],', b'[["a"] '),
        raw[:class_of_first] + b"\x07" + raw[class_of_first + 1 :],
    ):
        with pytest.raises(Corrupt):
            unpack_summaries([imagecodecs.zstd_encode(bad)])
    for data in (b"", b"nothing", packed()[:-4]):
        with pytest.raises(Corrupt):
            unpack_summaries([data])
