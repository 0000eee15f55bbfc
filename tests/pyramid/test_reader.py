"""Reading published pyramids, whole and damaged."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.errors import Conflict, Corrupt, NotFound
from pathserve.geometry import LevelRegion
from pathserve.pyramid import Pyramid, publish, verify_pyramid
from pathserve.pyramid.reader import SHARD_BYTES, ReadCache
from pathserve.pyramid.shards import TAIL_BYTES


@pytest.fixture
def copy(sample_pyramid, tmp_path):
    """A pyramid that may be damaged."""
    shutil.copytree(sample_pyramid, tmp_path / "copy.zarr")
    return tmp_path / "copy.zarr"


@pytest.mark.parametrize("address", [(5, 0, 0), (-1, 0, 0), (0, 10, 0), (0, 0, 13), (0, -1, 0), (0, 0, -1), (4, 1, 0)])
def test_addresses_outside_are_not_found(sample_pyramid, address):
    with pytest.raises(NotFound):
        Pyramid.open(sample_pyramid).chunk(*address)


def test_a_region_outside_its_level_is_the_caller_s_fault(sample_pyramid):
    pyramid = Pyramid.open(sample_pyramid)
    with pytest.raises(ValueError, match="inside"):
        pyramid.read(0, LevelRegion(2200, 0, 21, 10))
    with pytest.raises(NotFound):
        pyramid.read(5, LevelRegion(0, 0, 1, 1))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_region_is_the_same_part_of_the_whole(sample_pyramid, data):
    pyramid = Pyramid.open(sample_pyramid)
    level = data.draw(st.integers(1, 4))
    size = pyramid.levels[level]
    whole = pyramid.read(level, LevelRegion(0, 0, size.width, size.height))
    x, y = data.draw(st.integers(0, size.width - 1)), data.draw(st.integers(0, size.height - 1))
    width, height = data.draw(st.integers(1, size.width - x)), data.draw(st.integers(1, size.height - y))
    got = pyramid.read(level, LevelRegion(x, y, width, height))
    np.testing.assert_array_equal(got, whole[y : y + height, x : x + width])


def test_each_shard_s_index_is_read_once(sample_pyramid, monkeypatch):
    pyramid = Pyramid.open(sample_pyramid)
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda *args, **more: opened.append(args[0]) or real(*args, **more))
    for row in range(13):
        for col in range(10):
            pyramid.chunk(0, col, row)
    assert len(opened) == 1


def test_a_small_budget_of_indexes_only_costs_reads(build, make_tiff):
    folder = build(make_tiff([(700, 650)], tile=16))  # nine shards at level 0
    plenty = Pyramid.open(folder)
    scarce = Pyramid(folder, plenty.facts, plenty.manifest, cache=ReadCache(index_budget=2 * SHARD_BYTES))
    before = len(os.listdir("/proc/self/fd"))
    for col in range(44):
        for row in range(41):
            assert scarce.chunk(0, col, row) == plenty.chunk(0, col, row)
    assert len(os.listdir("/proc/self/fd")) - before <= 9 + 2
    del plenty, scarce
    assert len(os.listdir("/proc/self/fd")) == before


def test_threads_read_the_same(build, make_tiff):
    folder = build(make_tiff([(700, 650)], tile=16))
    pyramid = Pyramid.open(folder)
    scarce = Pyramid(folder, pyramid.facts, pyramid.manifest, cache=ReadCache(index_budget=SHARD_BYTES))
    addresses = [(col, row) for col in range(44) for row in range(41)]
    expected = [pyramid.chunk(0, *address) for address in addresses]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda address: scarce.chunk(0, *address), addresses)) == expected


def test_without_waiting_only_what_is_at_hand_is_given(sample_pyramid):
    pyramid = Pyramid.open(sample_pyramid)
    with pytest.raises(BlockingIOError):
        pyramid.chunk(0, 0, 0, wait=False)  # its index has not been read
    body = pyramid.chunk(0, 0, 0)
    assert pyramid.chunk(0, 0, 0, wait=False) == body


def test_no_folder_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        Pyramid.open(tmp_path / "none.zarr")


@pytest.mark.parametrize("name", ["manifest.json", "zarr.json"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"{}", b"[]", b'{"format": 1, "files": 3}'])
def test_damaged_metadata_is_corrupt(copy, name, content):
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(content)
    with pytest.raises(Corrupt):
        Pyramid.open(copy)


def test_a_missing_shard_is_corrupt_never_white(copy):
    (copy / "0/c/0/0/0").unlink()
    with pytest.raises(Corrupt):
        Pyramid.open(copy).chunk(0, 0, 0)
    assert [(damage.path, damage.message) for damage in verify_pyramid(copy)] == [("0/c/0/0/0", "The file is missing.")]


def test_a_shard_cut_short_is_corrupt(copy):
    shard = copy / "0/c/0/0/0"
    os.truncate(shard, shard.stat().st_size - 1)
    with pytest.raises(Corrupt):
        Pyramid.open(copy).chunk(0, 0, 0)
    (damage,) = verify_pyramid(copy)
    assert damage.path == "0/c/0/0/0"
    assert "bytes instead of" in damage.message


def test_a_flipped_bit_in_the_index_is_corrupt(copy):
    shard = copy / "0/c/0/0/0"
    data = bytearray(shard.read_bytes())
    data[-TAIL_BYTES] ^= 1  # the first chunk would begin one byte later: possible, but wrong
    shard.write_bytes(data)
    with pytest.raises(Corrupt, match="index"):
        Pyramid.open(copy).chunk(0, 0, 0)


def test_verify_finds_a_flipped_bit_anywhere(copy):
    assert verify_pyramid(copy) == []
    for name in ("0/c/0/0/0", "2/zarr.json"):
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / name).write_bytes(data)
    damaged = verify_pyramid(copy)
    assert [damage.path for damage in damaged] == ["0/c/0/0/0", "2/zarr.json"]
    assert {damage.message for damage in damaged} == {"The file's content has changed."}


def test_a_damaged_pyramid_is_not_published(copy, tmp_path):
    (copy / "1/c/0/0/0").unlink()
    with pytest.raises(Corrupt):
        publish(copy, tmp_path / "target.zarr")
    assert not (tmp_path / "target.zarr").exists()


def test_a_published_id_is_never_overwritten(copy, tmp_path, sample_pyramid):
    shutil.copytree(sample_pyramid, tmp_path / "target.zarr")
    with pytest.raises(Conflict):
        publish(copy, tmp_path / "target.zarr")
    assert copy.is_dir()
