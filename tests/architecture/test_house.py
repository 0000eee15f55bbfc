"""Promises about the house itself: floors, sizes, dependencies, documentation."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

REPOSITORY = Path(__file__).parents[2]
MODULES = sorted((REPOSITORY / "pathserve").rglob("*.py"))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())

# Below these versions each package has a known hole that PathServe's users would stand in.
FLOORS = {
    "numcodecs": "0.16.6",
    "pillow": "13.0.0",
    "openslide-bin": "4.0.1",
    "starlette": "1.3.1",
    "apsw": "3.51.3",
}


def test_a_module_imports_only_from_lower_floors() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_module_is_too_long_to_read(module: Path) -> None:
    assert module.read_text().count("\n") <= 600


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_import_hides_in_a_function_or_from_the_interpreter(module: Path) -> None:
    tree = ast.parse(module.read_text())
    hidden = [
        inner.lineno
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.If)
        for inner in ast.walk(outer)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


def test_no_class_has_more_than_twenty_methods() -> None:
    crowded = {
        node.name: count
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ClassDef)
        and (count := sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)) > 20
    }
    assert crowded == {}


def test_dependencies_keep_their_security_floors() -> None:
    required = {r.name: r for r in map(Requirement, PROJECT["project"]["dependencies"])}
    for name, floor in FLOORS.items():
        lowest = min(Version(s.version) for s in required[name].specifier if s.operator == ">=")
        assert lowest >= Version(floor), name


def test_every_dependency_has_a_range_and_a_reason() -> None:
    reasons = (REPOSITORY / "docs" / "explanation" / "dependencies.md").read_text()
    extras = [line for group in PROJECT["project"]["optional-dependencies"].values() for line in group]
    for line in [*PROJECT["project"]["dependencies"], *extras, *PROJECT["build-system"]["requires"]]:
        requirement = Requirement(line)
        assert any(s.operator == ">=" for s in requirement.specifier), line
        assert f"`{requirement.name}`" in reasons, requirement.name


def test_every_package_of_the_viewer_has_a_range_and_a_reason() -> None:
    reasons = (REPOSITORY / "docs" / "explanation" / "dependencies.md").read_text()
    package = json.loads((REPOSITORY / "viewer" / "package.json").read_text())
    for name, versions in (package["dependencies"] | package["devDependencies"]).items():
        assert versions[0] in "^~", name
        assert f"`{name}`" in reasons, name


def test_nothing_names_a_registry_or_a_folder_of_one_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    names = listed.stdout.split("\0") if listed.returncode == 0 else []
    words = ("pypi" r"\.org", "registry" r"\.npmjs", "files" r"\.pythonhosted", "/root/", "/home/")
    hosts = re.compile("|".join(words))
    found = []
    for name in filter(None, names):
        path = REPOSITORY / name
        if path == Path(__file__) or path.suffix in (".svs", ".jpg", ".png") or not path.is_file():
            continue
        if hosts.search(path.read_text(errors="replace")):
            found.append(name)
    assert found == []
