"""What every test may use: the shared data of other tools, the package's own scans, an empty database."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from pathserve.config import Settings
from pathserve.db import Database

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files of other tools, beside the checkout; too large or too restricted to be part of it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.fail("these tests read real scans from ../shared/data, which is not here; see tests/README.md")
    return folder


@pytest.fixture(scope="session")
def sample_slide() -> Path:
    """CMU-1-Small-Region.svs (CC0): 2220 x 2967 px, JPEG tiles of 240 px, 0.499 micrometres per pixel."""
    return Path(str(resources.files("pathserve._demo") / "CMU-1-Small-Region.svs"))


@pytest.fixture(scope="session")
def sample_field() -> Path:
    """hgsc_nest.jpg (BSD-3): a plain JPEG of 1500 x 1500 px with 1,295 outlined nuclei."""
    return Path(str(resources.files("pathserve._demo") / "hgsc_nest.jpg"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database)
    yield database
    database.close()
