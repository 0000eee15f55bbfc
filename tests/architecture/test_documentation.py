"""What can be named is documented: settings, commands, addresses, error codes; and what is documented is there."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from pathserve.cli.later import Later
from pathserve.cli.main import program
from pathserve.config import Settings
from pathserve.server.app import ENDPOINTS

REPOSITORY = Path(__file__).parents[2]
REFERENCE = REPOSITORY / "docs" / "reference"
SOURCES = [*(REPOSITORY / "pathserve").rglob("*.py")]


def table_cells(page: str) -> list[str]:
    lines = (REFERENCE / page).read_text().splitlines()
    return [line.split("|")[1].strip() for line in lines if line.startswith("| `")]


def test_every_setting_is_documented() -> None:
    cells = table_cells("settings.md")
    for field in dataclasses.fields(Settings):
        assert f"`{field.name}`" in cells


def commands(command: Any, name: str = "pathserve") -> list[tuple[str, Any]]:
    command = command.load() if isinstance(command, Later) else command
    inner = getattr(command, "commands", None)
    if inner is None:
        return [(name, command)]
    return [found for word, each in inner.items() for found in commands(each, f"{name} {word}")]


ALL_COMMANDS = commands(program())


@pytest.mark.parametrize(("name", "command"), ALL_COMMANDS, ids=[name for name, _ in ALL_COMMANDS])
def test_every_command_and_option_is_documented(name: str, command: Any) -> None:
    rows = [cell.strip("`") for cell in table_cells("command-line.md")]
    row = next((r for r in rows if r == name or r.startswith(name + " ")), None)
    assert row is not None
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name not in ("data", "database"):
            assert any(option in row.replace("=", " ") for option in parameter.opts), (name, parameter.opts)
    assert command.help


def test_every_address_is_documented_with_its_permission() -> None:
    page = (REFERENCE / "http.md").read_text()
    for endpoint in ENDPOINTS:
        path = re.sub(r":\w+\}", "}", endpoint.path)
        row = next((line for line in page.splitlines() if line.startswith(f"| `{endpoint.method} {path}`")), None)
        assert row is not None, (endpoint.method, path)
        assert row.rstrip().endswith(f"| {endpoint.action.value} |") or f"`{endpoint.action.value}`" in row


def test_every_error_code_of_the_server_is_documented() -> None:
    page = (REFERENCE / "http.md").read_text()
    server = (
        "".join(p.read_text() for p in SOURCES if {"server", "access"} & set(p.parts))
        + (REPOSITORY / "pathserve" / "errors.py").read_text()
    )
    codes = set(re.findall(r'code="(\w+)"', server)) | set(re.findall(r'code = "(\w+)"', server)) - {"error"}
    assert len(codes) > 10
    for code in codes:
        assert f"| `{code}` |" in page, code


def test_every_error_code_of_files_is_documented_and_is_there() -> None:
    rooms = {"formats", "exchange", "geometry", "labels", "masks"}
    texts = "".join(path.read_text() for path in SOURCES if rooms & set(path.relative_to(REPOSITORY).parts))
    codes = set(re.findall(r'(?:code=|code = |FeatureIssue\(\w+, )"(\w+)"', texts))
    assert len(codes) > 100
    cells = [*table_cells("formats.md"), *table_cells("http.md")]
    told = {code for cell in cells for code in re.findall(r"`(\w+)`", cell)}
    assert codes - told == set()
    section = (REFERENCE / "formats.md").read_text().split("### Codes of what is refused")[1]
    ours = "".join(path.read_text() for path in SOURCES)
    for cell in re.findall(r"(?m)^\| (`.*?) \|", section):
        for code in re.findall(r"`(\w+)`", cell):
            assert f'"{code}"' in ours, code


def links() -> list[tuple[Path, str]]:
    pages = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *(REPOSITORY / "docs").rglob("*.md")]
    pages += [
        REPOSITORY / "benchmarks" / "RESULTS.md",
        REPOSITORY / "viewer" / "README.md",
        REPOSITORY / "tests" / "README.md",
    ]
    return [(page, target) for page in pages for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())]


def test_no_link_between_pages_is_dead() -> None:
    dead = [
        (page.name, target) for page, target in links() if "://" not in target and not (page.parent / target).exists()
    ]
    assert dead == []


def test_the_two_commands_stand_on_the_first_screen() -> None:
    screen = "\n".join((REPOSITORY / "README.md").read_text().splitlines()[:24])
    assert "\npip install . && pathserve demo\n" in screen
    assert "\nbash tests/run.sh\n" in screen
