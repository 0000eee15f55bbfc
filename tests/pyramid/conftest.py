"""Pyramids built once for the tests that only read them."""

import pytest

from pathserve.pyramid import plan_pyramid, publish
from pathserve.pyramid.build import build_pyramid
from pathserve.slides import open_slide


def _ignore(done, total):
    pass


@pytest.fixture
def build(tmp_path):
    """Build and publish the pyramid of a scan; gives the published folder."""

    def run(path, *, name="slide", workers=2, progress=_ignore, **options):
        staging = tmp_path / f"staging-{name}"
        staging.mkdir(exist_ok=True)
        with open_slide(path) as source:
            plan = plan_pyramid(source.info, **options)
            built = build_pyramid(source, plan, staging, content_hash="c" * 64, workers=workers, progress=progress)
        target = tmp_path / f"{name}.zarr"
        publish(built.folder, target)
        return target

    return run


@pytest.fixture(scope="session")
def sample_pyramid(sample_slide, tmp_path_factory):
    """The published pyramid of the sample slide; nobody may change it."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "staging").mkdir()
    with open_slide(sample_slide) as source:
        plan = plan_pyramid(source.info)
        built = build_pyramid(source, plan, folder / "staging", content_hash="c" * 64, workers=2, progress=_ignore)
    publish(built.folder, folder / "sample.zarr")
    return folder / "sample.zarr"
