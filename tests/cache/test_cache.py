"""The byte budget holds under any use."""

from hypothesis import given
from hypothesis import strategies as st

from pathserve.cache import ByteBudgetCache

BUDGET = 100
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 9), st.integers(0, 130)),
        st.tuples(st.just("get"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("discard"), st.integers(0, 9), st.just(0)),
    )
)


@given(steps)
def test_accounted_bytes_are_the_sum_of_the_entries(operations):
    cache: ByteBudgetCache[int, bytes] = ByteBudgetCache(BUDGET, len)
    for operation, key, size in operations:
        if operation == "put":
            cache.put(key, bytes(size))
        elif operation == "get":
            cache.get(key)
        else:
            cache.discard(lambda k, key=key: k == key)
        assert cache.used == sum(len(value) for _, value in cache.items())
        assert cache.used <= BUDGET
        assert len(cache) == len(cache.items())


@given(steps)
def test_what_is_found_is_what_was_put_last(operations):
    cache: ByteBudgetCache[int, bytes] = ByteBudgetCache(BUDGET, len)
    last: dict[int, bytes] = {}
    for number, (operation, key, size) in enumerate(operations):
        if operation == "put":
            last[key] = bytes([number % 256]) * size
            cache.put(key, last[key])
        found = cache.get(key)
        assert found is None or found == last[key]


def test_the_least_recently_used_goes_first():
    cache: ByteBudgetCache[str, bytes] = ByteBudgetCache(30, len)
    for key in "abc":
        cache.put(key, bytes(10))
    cache.get("a")
    cache.put("d", bytes(10))
    assert [key for key, _ in cache.items()] == ["c", "a", "d"]


def test_what_is_larger_than_the_budget_replaces_but_is_not_kept():
    cache: ByteBudgetCache[str, bytes] = ByteBudgetCache(30, len)
    cache.put("a", bytes(10))
    cache.put("a", bytes(31))
    assert cache.get("a") is None
    assert cache.used == 0
