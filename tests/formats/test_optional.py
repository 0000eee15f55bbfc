"""Packages that only some formats need."""

import sys

import pytest

from pathserve.errors import Unsupported
from pathserve.formats.optional import load, read_libraries


def test_shared_libraries_of_a_package_are_read_before_it_is_imported(tmp_path, monkeypatch):
    sizes = {"made_up/a.so": 3_000_000, "made_up/inner/b.so.26": 10, "made_up.libs/c.so": 7, "made_up/__init__.py": 0}
    for name, size in {**sizes, "other/d.so": 5, "alone.py": 0}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    monkeypatch.syspath_prepend(tmp_path)
    assert read_libraries("made_up") == sum(sizes.values())
    assert "made_up" not in sys.modules
    assert read_libraries("alone") == 0  # beside it lies everything that is installed


def test_a_package_that_is_not_there_is_refused_with_what_to_install():
    assert read_libraries("pathserve_made_up") == 0
    with pytest.raises(Unsupported) as caught:
        load("pathserve_made_up.inner", "geo")
    assert caught.value.code == "package_missing"
    assert caught.value.message == "This format needs a further package: pip install 'pathserve[geo]'."
