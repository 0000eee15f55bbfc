"""A catalog over an empty data folder."""

import hashlib

import pytest

from pathserve.catalog import Catalog
from pathserve.ingest import ingest_scan


def _ignore(progress):
    pass


@pytest.fixture
def catalog(db):
    return Catalog(db)


@pytest.fixture
def ingest(settings, catalog):
    """Ingest one scan into the empty data folder."""

    def run(path, **options):
        return ingest_scan(
            path, **({"settings": settings, "catalog": catalog, "workers": 2, "progress": _ignore} | options)
        )

    return run


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
