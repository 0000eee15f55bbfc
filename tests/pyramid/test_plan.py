"""Plans: sizes, sources and order, without any file."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathserve.geometry import Size
from pathserve.pixels import Level, SlideInfo
from pathserve.pyramid.layout import grid_of
from pathserve.pyramid.plan import DECODED, OVERVIEW, REDUCED, Decode, Reduce, Verbatim, plan_pyramid

TILE = Size(256, 256)


def scan(*levels):
    return SlideInfo("made", tuple(levels), None, True, None, "jpeg")


def kept(width, height, tile=TILE):
    return Level(Size(width, height), 1.0, tile, "jpeg")


def decoded(width, height, tile=None):
    return Level(Size(width, height), 1.0, tile, "other")


sizes = st.builds(Size, st.integers(1, 60_000), st.integers(1, 60_000))


@given(sizes, st.sampled_from([kept, decoded]))
def test_levels_are_halves_rounded_up_down_to_one_tile(size, kind):
    plan = plan_pyramid(scan(kind(size.width, size.height)))
    for level in plan.levels:
        assert level.size == Size(math.ceil(size.width / 2**level.index), math.ceil(size.height / 2**level.index))
    assert max(plan.levels[-1].size.width, plan.levels[-1].size.height) <= 256
    if len(plan.levels) > 1:
        assert max(plan.levels[-2].size.width, plan.levels[-2].size.height) > 256


@given(sizes)
def test_shards_partition_the_chunks_and_come_after_what_they_need(size):
    plan = plan_pyramid(scan(kept(size.width, size.height)))
    seen, done = set(), set()
    for task in plan.tasks():
        chunks = {(task.level, col, row) for col, row in plan.chunks_of(task)}
        assert chunks
        assert not chunks & seen
        assert set(task.needs) <= done
        assert len(task.needs) <= 4
        seen |= chunks
        done.add(task.path)
    grids = [grid_of(level.size, plan.tile) for level in plan.levels]
    assert len(seen) == sum(columns * rows for columns, rows in grids)


@given(sizes)
def test_a_reduced_shard_needs_exactly_the_shards_under_it(size):
    plan = plan_pyramid(scan(kept(size.width, size.height)))
    paths = {(task.level, task.row, task.col): task.path for task in plan.tasks()}
    for task in plan.tasks():
        if task.level == 0:
            assert task.needs == ()
            continue
        under = set()
        for col, row in plan.chunks_of(task):
            for child_row in (2 * row, 2 * row + 1):
                for child_col in (2 * col, 2 * col + 1):
                    under.add(paths.get((task.level - 1, child_row // 16, child_col // 16)))
        assert set(task.needs) == under - {None}


def test_aperio_levels_are_kept_and_the_others_made():
    plan = plan_pyramid(scan(kept(40_000, 20_000), kept(10_000, 5_000), kept(2_500, 1_250)))
    sources = [type(level.source) for level in plan.levels]
    assert sources[:5] == [Verbatim, Reduce, Verbatim, Reduce, Verbatim]
    assert set(sources[5:]) == {Reduce}
    assert [level.encoding for level in plan.levels[:4]] == [REDUCED, REDUCED, REDUCED, OVERVIEW]


@pytest.mark.parametrize(
    ("width", "height", "is_kept"),
    [(501, 301, True), (500, 300, True), (500, 301, True), (499, 301, False), (502, 301, False), (501, 302, False)],
)
def test_a_level_is_kept_only_when_its_size_is_that_or_one_pixel_less(width, height, is_kept):
    plan = plan_pyramid(scan(kept(1001, 601), kept(width, height)))
    assert plan.levels[1].source == (Verbatim(1, Size(width, height)) if is_kept else Reduce())


def test_a_level_of_other_tiles_is_not_kept():
    plan = plan_pyramid(scan(kept(1000, 600), kept(500, 300, Size(512, 512))))
    assert plan.levels[1].source == Reduce()


def test_only_chunks_wholly_covered_by_the_scan_s_level_are_copied():
    plan = plan_pyramid(scan(kept(1025, 600), kept(512, 300)))  # planned: 513 x 300
    assert plan.levels[1].size == Size(513, 300)
    copied = {(col, row) for col in range(3) for row in range(2) if plan.copies(1, col, row)}
    assert copied == {(0, 0), (1, 0), (0, 1), (1, 1)}  # the third column is the missing one
    (task,) = [task for task in plan.tasks() if task.level == 1]
    assert task.needs == ()  # a missing column is made of the scan's own finer tiles


def test_a_wholly_kept_level_waits_for_nothing():
    plan = plan_pyramid(scan(kept(1024, 600), kept(512, 300)))
    assert [task.needs for task in plan.tasks()][:2] == [(), ()]


@pytest.mark.parametrize(
    ("level", "tile"),
    [
        (decoded(1000, 1000), Size(256, 256)),
        (decoded(1000, 1000, Size(240, 240)), Size(240, 240)),
        (decoded(1000, 1000, Size(3968, 8)), Size(256, 256)),
        (decoded(1000, 1000, Size(1024, 1024)), Size(256, 256)),
        (decoded(1000, 1000, Size(64, 64)), Size(256, 256)),
        (kept(1000, 1000, Size(512, 128)), Size(512, 128)),
        (kept(1000, 1000, Size(255, 255)), Size(256, 256)),
    ],
)
def test_tiles_are_the_scan_s_own_where_they_can_be(level, tile):
    assert plan_pyramid(scan(level)).tile == tile


def test_decoded_scans_are_encoded_well_at_every_level():
    plan = plan_pyramid(scan(decoded(5000, 5000)))
    assert isinstance(plan.levels[0].source, Decode)
    assert {level.encoding for level in plan.levels} == {DECODED}


def test_recompressing_gives_up_the_scan_s_own_tiles():
    plan = plan_pyramid(scan(kept(5000, 5000)), recompress=70)
    assert isinstance(plan.levels[0].source, Decode)
    assert {level.encoding.quality for level in plan.levels} == {70}
