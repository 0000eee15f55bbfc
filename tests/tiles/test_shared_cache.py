"""All slides of a process share one budget of memory and of open files, and many slides in use cost no reading anew."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pathserve.errors import NotFound
from pathserve.pyramid import Pyramid, ReadCache
from pathserve.pyramid.layout import MANIFEST
from pathserve.pyramid.reader import SHARD_BYTES
from pathserve.pyramid.shards import INDEX_BYTES
from pathserve.pyramid.storage import DiskFiles
from pathserve.tiles import TileService

MOST = 4


def open_shards(folder: Path) -> int:
    """Count the shards below a folder that this process has open, as the system sees it."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
        found += target.startswith(f"{folder}/") and "/c/" in target
    return found


@pytest.fixture(scope="module")
def crowded(tmp_path_factory, sample_slide: Path, publish_scan) -> Path:
    """Three slides with the same content under ids of their own; each level is one shard."""
    folder = tmp_path_factory.mktemp("crowded").resolve()
    publish_scan(sample_slide, folder, "first")
    for other in ("second", "third"):
        shutil.copytree(folder / "first.zarr", folder / f"{other}.zarr")
    return folder


steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.sampled_from(["first", "second", "third"]), st.integers(0, 4)),
        st.tuples(st.just("discard"), st.sampled_from(["first", "second", "third"]), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_the_budget_holds_whatever_slides_are_read(crowded: Path, operations) -> None:
    counts = [0, 0]
    cache = ReadCache(index_budget=MOST * SHARD_BYTES, counts=counts)
    names = ("first", "second", "third")
    pyramids = {name: Pyramid.open(crowded / f"{name}.zarr", cache=cache, owner=name) for name in names}
    known: list[tuple[str, int]] = []  # a plain list as the model: least recently used first
    for operation, name, level in operations:
        if operation == "read":
            misses = counts[1]
            assert pyramids[name].chunk(level, 0, 0)[:2] == b"\xff\xd8"
            assert counts[1] - misses == ((name, level) not in known)
            known = [*(entry for entry in known if entry != (name, level)), (name, level)][-MOST:]
        else:
            cache.discard(lambda owner, gone=name: owner == gone)
            known = [entry for entry in known if entry[0] != name]
        assert [(place[0], place[1]) for place, _ in cache.shards.items()] == known
        assert cache.shards.used == len(known) * SHARD_BYTES <= MOST * SHARD_BYTES
        assert open_shards(crowded) == len(known)
    assert sum(counts) == sum(operation == "read" for operation, *_ in operations)


def test_a_shard_counts_as_more_than_its_index() -> None:
    assert SHARD_BYTES > INDEX_BYTES == 256 * 16


def test_a_shard_that_is_let_go_while_it_is_read_stays_open_until_then(crowded: Path) -> None:
    cache = ReadCache(index_budget=SHARD_BYTES)
    pyramid = Pyramid.open(crowded / "first.zarr", cache=cache, owner="first")
    body = pyramid.chunk(0, 0, 0)
    ((_, held),) = cache.shards.items()
    pyramid.chunk(1, 0, 0)
    assert len(cache.shards) == 1
    assert open_shards(crowded) == 2
    assert held.chunk(0) == body
    del held
    assert open_shards(crowded) == 1
    cache.discard(lambda owner: owner == "first")
    assert open_shards(crowded) == 0


def test_slides_do_not_mix_in_the_shared_cache(tmp_path: Path, make_tiff, publish_scan, sample_slide: Path) -> None:
    publish_scan(sample_slide, tmp_path, "one")
    publish_scan(make_tiff([(700, 650)], tile=64), tmp_path, "two")
    service = TileService(tmp_path)
    for name in ("one", "two"):
        alone = TileService(tmp_path)
        top = service.deepzoom(name).level_count - 1
        assert service.tile(name, top, 1, 1).body == alone.tile(name, top, 1, 1).body


@pytest.fixture
def many(tmp_path: Path, sample_slide: Path, publish_scan) -> Path:
    """A thousand slides, of which all but one are names for the first."""
    folder = tmp_path.resolve() / "many"
    publish_scan(sample_slide, folder, "s0")
    for number in range(1, 1000):
        (folder / f"s{number}.zarr").symlink_to(folder / "s0.zarr")
    return folder


def test_a_thousand_slides_in_use_are_each_opened_once(many: Path, monkeypatch) -> None:
    manifests, indexes = [], []
    read, shard = DiskFiles.read, DiskFiles.shard

    def counted_read(files: DiskFiles, path: str) -> bytes:
        if path == MANIFEST:
            manifests.append(files.folder.name)
        return read(files, path)

    def counted_shard(files: DiskFiles, path: str, size: int):
        indexes.append(path)
        return shard(files, path, size)

    monkeypatch.setattr(DiskFiles, "read", counted_read)
    monkeypatch.setattr(DiskFiles, "shard", counted_shard)
    service = TileService(many, most_files=50)
    for _ in range(2):
        for number in range(1000):
            assert service.tile(f"s{number}", 12, 0, 0).etag == '"g1-12-0-0"'
            if number % 90 == 89:
                assert open_shards(many) == 50
    assert len(manifests) == 1000
    assert len(indexes) == 2000  # open files are scarce here: only the last fifty slides keep one
    del indexes[:]
    for number in range(950, 1000):
        service.tile(f"s{number}", 12, 0, 0)
    assert not indexes


def test_a_removed_slide_lets_its_files_go(many: Path) -> None:
    service = TileService(many)
    service.tile("s0", 12, 0, 0)
    service.tile("s1", 12, 0, 0)
    assert open_shards(many) == 2
    (many / "s1.zarr").unlink()
    service.forget("s1")
    assert open_shards(many) == 1
    with pytest.raises(NotFound):
        service.tile("s1", 12, 0, 0)
    assert service.tile_at_once("s0", 12, 0, 0) is not None


def test_what_another_process_removed_is_let_go_by_the_sweep(many: Path) -> None:
    service = TileService(many)
    for name in ("s0", "s1", "s2"):
        service.tile(name, 12, 0, 0)
    (many / "s1.zarr").unlink()
    assert open_shards(many) == 3
    service.sweep()
    assert open_shards(many) == 2
    service.sweep()
    assert service.tile_at_once("s0", 12, 0, 0) is not None
    assert service.tile_at_once("s2", 12, 0, 0) is not None


def test_the_short_way_is_there_only_for_slides_that_are_open_and_tiles_that_are_whole(slides: Path) -> None:
    service = TileService(slides)
    assert service.stored_tiles("sample") is None
    service.tile("sample", 12, 3, 4)
    stored = service.stored_tiles("sample")
    for level, (columns, rows) in enumerate(map(service.deepzoom("sample").level_tiles, range(13))):
        for col in range(columns + 2):
            for row in range(rows + 2):
                found = stored.get(level, col, row)
                if found is None:
                    continue
                tile = service.tile("sample", level, col, row)
                assert found == (tile.body, tile.etag.encode())
    assert stored.get(12, 3, 4) is not None
    assert stored.get(12, 9, 4) is None  # cut at the right edge
    assert stored.get(13, 0, 0) is stored.get(0, 0, 0) is None
