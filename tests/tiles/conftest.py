"""Slides published once for the tests that only read them."""

import pytest

from pathserve.pyramid import plan_pyramid, publish
from pathserve.pyramid.build import build_pyramid
from pathserve.slides import open_slide
from pathserve.tiles import TileService


def _publish(path, slides, slide_id, **options):
    staging = slides / f".staging-{slide_id}"
    staging.mkdir(parents=True)
    with open_slide(path) as source:
        plan = plan_pyramid(source.info, **options)
        built = build_pyramid(
            source, plan, staging, content_hash="c" * 64, workers=2, progress=lambda done, total: None
        )
    publish(built.folder, slides / f"{slide_id}.zarr")


@pytest.fixture(scope="session")
def publish_scan():
    """Build and publish a scan: ``publish_scan(path, folder of slides, slide id, recompress=...)``."""
    return _publish


@pytest.fixture(scope="session")
def slides(tmp_path_factory, sample_slide, sample_field, shared_data):
    """A folder of published slides that nobody may change: ``sample``, ``field`` and ``small``."""
    folder = tmp_path_factory.mktemp("slides")
    _publish(sample_slide, folder, "sample")
    _publish(sample_field, folder, "field")
    _publish(shared_data / "slides" / "generic-tiff" / "CMU-0-small.tiff", folder, "small")
    return folder


@pytest.fixture
def service(slides):
    return TileService(slides)
