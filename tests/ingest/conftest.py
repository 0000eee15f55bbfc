"""A catalog over an empty data folder."""

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import openslide
import pytest

from pathserve.catalog import Catalog
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.ingest.process import never


def _ignore(progress):
    pass


@pytest.fixture
def catalog(db):
    return Catalog(db)


@pytest.fixture
def ingest(settings, catalog):
    """Ingest one scan into the empty data folder; gives the outcome of its first scene."""

    def run(path, *, progress=_ignore, cancelled=never, deadlines=None, workers=2, catalog=catalog, **options):
        return ingest_scan(
            path,
            settings=settings,
            catalog=catalog,
            options=IngestOptions(workers=workers, **options),
            progress=progress,
            cancelled=cancelled,
            deadlines=deadlines,
        )[0]

    return run


@pytest.fixture(scope="session")
def truth() -> ModuleType:
    """Give what makes pictures whose truth is known; the report of `benchmarks/quality.py` uses the same."""
    path = Path(__file__).parents[2] / "benchmarks" / "quality_truth.py"
    spec = importlib.util.spec_from_file_location("quality_truth", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def low_power(shared_data):
    """Give a whole scan as OpenSlide and Pillow do: one of its levels, reduced by averaging."""

    def picture(name, level=0, reduction=1):
        with openslide.OpenSlide(shared_data / "slides" / name) as scan:
            image = scan.read_region((0, 0), level, scan.level_dimensions[level]).convert("RGB")
        return np.asarray(image.reduce(reduction))

    return picture


@pytest.fixture
def stored(settings):
    """Every file under the slides folder with its digest, hidden ones included."""

    def listing():
        return {
            str(path.relative_to(settings.slides)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(settings.slides.rglob("*"))
            if path.is_file()
        }

    return listing
