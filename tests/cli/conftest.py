"""The program itself, in this process where nothing else is asked for: its start takes longer than most commands."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pathserve.cli.main import main
from pathserve.config import Settings
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.server.rooms import Rooms

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data: Path, monkeypatch, capsys) -> Run:
    """Run a command in this process, as its entry point does."""
    monkeypatch.setenv("PATHSERVE_DATA", str(data))
    monkeypatch.setenv("COLUMNS", "200")

    def start(*words: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["pathserve", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, int(ended.value.code or 0), said.out, said.err)

    return start


@pytest.fixture
def program(data: Path) -> Run:
    """Run a command in a process of its own, as users do."""

    def start(*words: object, input: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pathserve", *map(str, words)],
            env={**os.environ, "PATHSERVE_DATA": str(data), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            input=input,
            check=False,
        )

    return start


@pytest.fixture(scope="session")
def ingested(tmp_path_factory, sample_slide: Path) -> tuple[Path, str]:
    """Give a data folder with the sample slide in it, which nobody writes to, and the slide's id."""
    settings = Settings(data=tmp_path_factory.mktemp("cli") / "data")
    with closing(Rooms.open(settings)) as rooms:
        (made,) = ingest_scan(
            sample_slide,
            settings=settings,
            catalog=rooms.catalog,
            options=IngestOptions(name="Sample", workers=2),
            progress=lambda _: None,
        )
    return settings.data, made.slide.id


@pytest.fixture
def slide(ingested: tuple[Path, str], data: Path) -> str:
    """Give the id of the sample slide, in a data folder of the test's own."""
    shutil.copytree(ingested[0], data)
    return ingested[1]
