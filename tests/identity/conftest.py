"""Ways to plant a text in a TIFF, and every form in which a text may come out again."""

from collections.abc import Callable

import pytest
from proofs import planted


@pytest.fixture(scope="session")
def forms() -> Callable[[str], tuple[bytes, ...]]:
    return planted.forms


@pytest.fixture(scope="session")
def plant_in_tiff() -> Callable[..., None]:
    return planted.plant_in_tiff
