"""Files and folders to files."""

import pytest

from pathserve.errors import NotFound
from pathserve.ingest import find_scans


@pytest.fixture
def tree(tmp_path):
    for name in ("b.svs", "a.tif", "deep/er/c.png", ".hidden.svs", ".folder/d.svs", "store.zarr/0/c/0/0/0"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_folders_give_their_files_at_any_depth_sorted_without_hidden_ones(tree):
    assert find_scans([tree]) == [tree / "a.tif", tree / "b.svs", tree / "deep/er/c.png"]


def test_a_named_file_is_always_in_and_nothing_is_in_twice(tree):
    found = find_scans([tree / ".hidden.svs", tree / "deep", tree / "deep/er/c.png"])
    assert found == [tree / ".hidden.svs", tree / "deep/er/c.png"]


def test_what_does_not_exist_is_not_found_and_not_named(tree):
    with pytest.raises(NotFound) as caught:
        find_scans([tree / "DOE^JANE.svs"])
    assert "JANE" not in caught.value.message


def test_an_empty_folder_gives_nothing(tmp_path):
    assert find_scans([tmp_path]) == []
