"""The proofs' counts and seeds are told even when a proof succeeds."""

import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def tell(capsys) -> Callable[[str], None]:
    """Write a line to the terminal, past pytest's capture."""

    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n  {line}\n")

    return say
