"""Machine code is made anew when anything that it is made of changes."""

from pathlib import Path

import pytest

from pathserve.native import sources


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    for name, text in {
        "room/upper.py": "from pathserve.room.middle import sum_up\n",
        "room/middle.py": "import numpy as np\n\nfrom pathserve.room.lower import (\n    add,\n)\n",
        "room/lower.py": "STEP = 1\n",
        "room/other.py": "STEP = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sources, "_PACKAGE", tmp_path)
    return tmp_path


def keys() -> dict[str, str]:
    sources.digest_of.cache_clear()
    return {name: sources.digest_of(f"pathserve.room.{name}") for name in ("upper", "middle", "lower", "other")}


@pytest.fixture(autouse=True)
def _forget():
    yield
    sources.digest_of.cache_clear()


def test_a_change_of_a_module_changes_all_that_are_made_of_it(package):
    before = keys()
    assert keys() == before
    (package / "room" / "lower.py").write_text("STEP = 2\n")
    after = keys()
    assert [name for name in before if before[name] != after[name]] == ["upper", "middle", "lower"]
    (package / "room" / "upper.py").write_text("from pathserve.room.middle import sum_up as add\n")
    assert [name for name in after if after[name] != keys()[name]] == ["upper"]


@pytest.mark.parametrize(
    "line",
    [
        "from pathserve.room import lower",
        "from pathserve.room import (\n    other as one,\n    lower as another,\n)",
        "from pathserve import room\nimport pathserve.room.lower",
        "import pathserve.room.lower as lower",
    ],
)
def test_modules_are_followed_however_they_are_imported(package, line):
    (package / "room" / "__init__.py").write_text("")
    (package / "room" / "upper.py").write_text(f"{line}\n")
    before = keys()
    (package / "room" / "lower.py").write_text("STEP = 2\n")
    assert keys()["upper"] != before["upper"]


def test_other_versions_need_other_code(package, monkeypatch):
    before = sources.key_of(["pathserve.room.upper"])
    assert sources.key_of(["pathserve.room.upper"]) == before
    assert sources.key_of(["pathserve.room.upper", "pathserve.room.other"]) != before
    monkeypatch.setattr(sources, "version", lambda name: "0")
    assert sources.key_of(["pathserve.room.upper"]) != before
