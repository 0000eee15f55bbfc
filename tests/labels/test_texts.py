"""Texts in one run of bytes behave as a list of them does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathserve.labels import Texts

LISTS = st.lists(st.binary(max_size=5), max_size=8)


@given(LISTS)
def test_they_are_a_sequence(wanted):
    texts = Texts.of(wanted)
    assert list(texts) == wanted
    assert [texts[row] for row in range(-len(wanted), len(wanted))] == wanted + wanted
    assert texts.lengths.tolist() == [len(text) for text in wanted]
    assert texts.nbytes == sum(map(len, wanted)) + 8 * (len(wanted) + 1)
    assert list(texts[1:-1]) == wanted[1:-1]
    assert list(texts[::-2]) == wanted[::-2]
    assert list(reversed(texts)) == wanted[::-1]
    with pytest.raises(IndexError):
        texts[len(wanted)]


@given(LISTS, st.data())
def test_rows_are_taken_in_any_order(wanted, data):
    place = st.integers(0, len(wanted) - 1) if wanted else st.nothing()
    rows = data.draw(st.lists(place, max_size=10) if wanted else st.just([]))
    taken = Texts.of(wanted).take(np.array(rows, np.int64))
    assert taken == Texts.of(wanted[row] for row in rows)
    assert (taken.starts[0], taken.starts[-1]) == (0, len(taken.data))


@given(st.lists(LISTS, min_size=1, max_size=4))
def test_several_are_joined(several):
    joined = Texts.join([Texts.of(each) for each in several])
    assert list(joined) == [text for each in several for text in each]
    assert (joined.starts[0], joined.starts[-1]) == (0, len(joined.data))


@given(LISTS, LISTS)
def test_they_are_equal_when_all_texts_are(left, right):
    assert (Texts.of(left) == Texts.of(right)) == (left == right)
    assert Texts.of(left) != left


def test_empty_ones_and_those_that_are_texts_already():
    assert list(Texts.empty(3)) == [b""] * 3
    texts = Texts.of([b"a"])
    assert Texts.of(texts) is texts
