"""The program itself, started as its users start it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Run:
    def start(*words: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATHSERVE_DATA": str(data), "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-m", "pathserve", *map(str, words)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return start
