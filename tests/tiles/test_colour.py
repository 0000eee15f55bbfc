"""Colour: one conversion by the scan's own profile, the same wherever a pixel is shown."""

import io
import shutil

import numpy as np
import openslide
import pytest
from PIL import Image, ImageCms

from pathserve.catalog import Catalog
from pathserve.geometry import PixelGrid
from pathserve.ingest import ingest_scan
from pathserve.tiles import TileService
from pathserve.tiles.colour import to_srgb


@pytest.fixture(scope="module")
def profile(shared_data) -> bytes:
    """The profile of a real scanner."""
    with openslide.OpenSlide(shared_data / "slides" / "aperio" / "TCGA-DU-6399-01A-01-TS1.svs") as slide:
        assert slide.color_profile is not None
        return slide.color_profile.tobytes()


def by_pillow(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    converted = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.asarray(converted)


@pytest.fixture
def service(settings, db, tmp_path, sample_field, profile) -> tuple[TileService, str]:
    picture = Image.open(sample_field).crop((0, 0, 600, 500))
    picture.save(tmp_path / "field.png", icc_profile=profile)
    (made,) = ingest_scan(tmp_path / "field.png", settings=settings, catalog=Catalog(db), progress=lambda _: None)
    return TileService(settings.slides), made.slide.id


def test_the_same_pixel_has_the_same_colour_in_tile_region_and_thumbnail(service, profile) -> None:
    tiles, slide = service
    grid = PixelGrid(0, 0, 600, 500)
    source, shown = tiles.region(slide, grid), tiles.region(slide, grid, color="srgb")
    assert np.array_equal(shown, by_pillow(source, profile))
    assert np.abs(shown.astype(int) - source).mean() > 3
    tile = np.asarray(Image.open(io.BytesIO(tiles.tile(slide, 10, 1, 0, color="srgb").body)))
    assert np.abs(tile.astype(int) - shown[:256, 256:512]).mean() < 2
    thumbnail = np.asarray(Image.open(io.BytesIO(tiles.thumbnail(slide, 600, color="srgb"))))
    assert np.abs(thumbnail.astype(int) - shown).mean() < np.abs(thumbnail.astype(int) - source).mean()


def test_an_etag_tells_the_two_apart_and_source_stays_verbatim(service) -> None:
    tiles, slide = service
    plain, shown = tiles.tile(slide, 10, 0, 0), tiles.tile(slide, 10, 0, 0, color="srgb")
    assert plain.etag != shown.etag
    assert tiles.tile_at_once(slide, 10, 0, 0) == plain
    assert tiles.tile_at_once(slide, 10, 0, 0, color="srgb") == shown


def test_without_a_profile_both_are_the_stored_bytes(settings, db, tmp_path, sample_slide) -> None:
    shutil.copy(sample_slide, tmp_path / "a.svs")
    (made,) = ingest_scan(tmp_path / "a.svs", settings=settings, catalog=Catalog(db), progress=lambda _: None)
    tiles = TileService(settings.slides)
    assert tiles.tile(made.slide.id, 12, 3, 4) == tiles.tile(made.slide.id, 12, 3, 4, color="srgb")


def test_a_damaged_profile_leaves_colours_alone_and_is_told(caplog) -> None:
    assert to_srgb(b"no profile at all") is None
    assert "colour profile" in caplog.text
    assert to_srgb(None) is None
