import gc
from collections.abc import Iterator

import pytest

from pathserve.server.collection import LongLived

FULL = {"generation": 2, "collected": 0, "uncollectable": 0}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    gc.unfreeze()  # what commands in this process have left out
    gc.collect()
    yield
    gc.unfreeze()


def test_what_has_come_to_stay_is_left_out_a_few_times() -> None:
    many = len(gc.get_objects(2)) + 20_000  # a process of many tests holds any number of objects
    long_lived = LongLived(many=many, times=2)
    long_lived.watch("stop", FULL)
    assert gc.get_freeze_count() == 0  # too little
    kept = [[[n] for n in range(40_000)]]
    gc.collect()
    for phase, info in (("start", FULL), ("stop", FULL | {"generation": 1})):
        long_lived.watch(phase, info)
        assert gc.get_freeze_count() == 0
    long_lived.watch("stop", FULL)
    first = gc.get_freeze_count()
    assert first > 40_000
    assert len(gc.get_objects(2)) < 20_000  # so a collection does not go through them
    more = many + 1000
    for _ in range(2):
        kept.append([[n] for n in range(more)])
        gc.collect()
        long_lived.watch("stop", FULL)
    assert first + more <= gc.get_freeze_count() < first + 2 * more


def test_it_begins_with_all_that_is_there() -> None:
    long_lived = LongLived()
    long_lived.begin()
    try:
        assert gc.get_freeze_count() > 10_000
        assert long_lived.watch in gc.callbacks
    finally:
        gc.callbacks.remove(long_lived.watch)
