"""What an import keeps on disk comes back whole and in order, however much of it there is."""

import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pathserve.annotations import chunk_writer, import_ids, sorted_runs
from pathserve.annotations.chunk_writer import Placed, Placing
from pathserve.annotations.differences import Standing
from pathserve.annotations.import_ids import ImportIds
from pathserve.annotations.sorted_runs import ScratchFile, SortedRuns
from pathserve.errors import Busy

_MOST = 2**64 - 1


def _runs(keys: list[list[int]], folder: Path) -> tuple[SortedRuns, set[tuple[int, ...]]]:
    """Give runs of rows (key, number), and all rows."""
    runs, given = SortedRuns(2, folder), set[tuple[int, ...]]()
    for some in keys:
        rows = np.array([(key, len(given) + n) for n, key in enumerate(sorted(some))], np.uint64).reshape(-1, 2)
        given |= set(map(tuple, rows.tolist()))
        runs.add(rows)
    return runs, given


@pytest.mark.parametrize("most", [1, 100, 10**6])
@pytest.mark.parametrize(
    "keys",
    [
        [[0, _MOST], [5], [_MOST, 0, 5]],
        [np.random.default_rng(run).integers(0, 2**64, 900, np.uint64).tolist() for run in range(5)],
        [np.random.default_rng(run).integers(0, 20, 700).tolist() for run in range(3)],
        [list(range(1000)), list(range(500, 1500)), list(range(5000, 5100))],
    ],
)
def test_rows_come_back_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: list[list[int]], most: int
) -> None:
    monkeypatch.setattr(sorted_runs, "_STEP", 16)
    monkeypatch.setattr(sorted_runs, "_READ_AT_ONCE", 50)
    monkeypatch.setattr(sorted_runs, "_AHEAD", 10**6)
    runs, given = _runs(keys, tmp_path)
    found = [tuple(row) for block in runs.blocks(most) for row in block.tolist()]
    runs.close()
    assert [key for key, _ in found] == sorted(key for some in keys for key in some)
    assert len(found) == len(given)
    assert set(found) == given
    assert list(tmp_path.iterdir()) == []


def test_very_many_rows_of_one_key_are_not_in_memory_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_runs, "_READ_AT_ONCE", 200)
    runs, given = _runs([[7] * 5000, [3, *[7] * 4000], [7] * 3000, [9] * 10], tmp_path)
    blocks = list(runs.blocks(256))
    runs.close()
    assert max(map(len, blocks)) <= 4 * 256
    assert {tuple(row) for block in blocks for row in block.tolist()} == given
    assert [int(block[0, 0]) for block in (blocks[0], blocks[-1])] == [3, 9]


def test_numbers_are_read_where_they_were_written(tmp_path: Path) -> None:
    scratch = ScratchFile(tmp_path)
    scratch.append(np.arange(10, dtype=np.uint64))
    scratch.append(np.arange(10, 16).reshape(2, 3))
    assert (scratch.end, scratch.read(8, 4).tolist()) == (16, [8, 9, 10, 11])
    scratch.close()


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("wb", buffering=0))  # noqa: SIM115
    held = ScratchFile()
    with pytest.raises(Busy, match=r"The disk is full\.") as full:
        held.append(np.zeros(1, np.int64))
    assert full.value.code == "disk_full"
    held.close()


def test_ids_that_lie_in_a_file_are_compared_with_whole_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_ids, "_WAITING", 32)
    monkeypatch.setattr(import_ids, "_BLOCK", 8)
    # All halves of hashes are alike, so nothing but the ids themselves can tell them apart.
    monkeypatch.setattr(import_ids, "_hashes", lambda keys, _: keys[:, 0] & np.uint64(0xFF))
    rng = np.random.default_rng(8)
    ids = np.unique(rng.integers(0, 256, (300, 16), dtype=np.uint8), axis=0)
    rng.shuffle(ids)
    digests = np.arange(300, dtype=np.uint64)
    table = ImportIds(tmp_path)
    for start in range(0, 250, 50):
        table.add(ids[start : start + 50], digests[start : start + 50])
        assert table.compare(ids, digests).tolist() == [Standing.KNOWN] * (start + 50) + [0] * (250 - start)
    other = digests + np.uint64(1)
    assert table.compare(ids[::-1], other[::-1]).tolist() == [0] * 50 + [Standing.TAKEN] * 250
    table.close()
    assert list(tmp_path.iterdir()) == []


def test_an_id_takes_no_more_than_22_bytes_of_memory() -> None:
    count, batches, rng = 2**15, 16, np.random.default_rng(9)
    table, zero = ImportIds(), np.zeros(count, np.uint64)
    batch = [rng.integers(0, 256, (count, 16), dtype=np.uint8) for _ in range(batches)]
    table.compare(batch[0], zero)  # machine code is loaded once
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for ids in batch:
        table.add(ids, zero)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert table.compare(batch[0], zero).tolist() == [Standing.KNOWN] * count
    table.close()
    assert peak <= 22 * count * batches + 8 * 2**20


@pytest.mark.parametrize("rows", [10**6, 1000])  # in memory, and in a file
def test_where_ids_lie_comes_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(chunk_writer, "_RUN_ROWS", rows)
    rng = np.random.default_rng(10)
    ids = rng.integers(0, 256, (3500, 16), dtype=np.uint8)
    given = Placing(tmp_path)
    for chunk in range(7):
        given.add(ids[500 * chunk : 500 * chunk + 500], 2**40 + chunk)
    parts = list(given.parts(600))
    given.close()
    assert max(map(len, parts)) <= 600
    whole = Placed.join(parts)
    expected = sorted((row.tobytes(), 2**40 + n // 500, n % 500) for n, row in enumerate(ids))
    found = zip([row.tobytes() for row in whole.ids], whole.chunks.tolist(), whole.places.tolist(), strict=True)
    assert list(found) == expected
    assert list(tmp_path.iterdir()) == []
