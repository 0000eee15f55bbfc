"""One colour for a pixel on a whole scan that states its own: TCGA-DU-6399, 441 megapixels and a profile."""

import io

import numpy as np
import openslide
import pytest
from PIL import Image, ImageCms

from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.geometry import PixelGrid
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.tiles import TileService

SEED = 6399
TILES = 12

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def picture(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)))


def test_every_level_has_one_colour_in_tile_region_and_thumbnail(tmp_path, shared_data, tell) -> None:
    scan = shared_data / "slides" / "aperio" / "TCGA-DU-6399-01A-01-TS1.svs"
    settings = Settings(data=tmp_path / "data")
    db = open_database(settings.database)
    (made,) = ingest_scan(
        scan, settings=settings, catalog=Catalog(db), options=IngestOptions(workers=2), progress=lambda _: None
    )
    db.close()
    tiles, slide = TileService(settings.slides), made.slide.id
    grid, random = tiles.deepzoom(slide), np.random.default_rng(SEED)
    with openslide.OpenSlide(scan) as opened:
        transform = ImageCms.buildTransform(
            opened.color_profile,
            ImageCms.createProfile("sRGB"),
            "RGB",
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    compared, moved = 0, []
    for halvings in range(tiles.pyramid(slide).facts.level_count):
        level, step = grid.level_count - 1 - halvings, 2.0**halvings
        size, (columns, rows) = grid.level_size(level), grid.level_tiles(level)
        whole = None
        if max(size.width, size.height) <= 4096:
            longer = max(size.width, size.height)
            whole = picture(tiles.thumbnail(slide, longer, color="srgb", image_format="png"))
        for col, row in {(int(random.integers(columns)), int(random.integers(rows))) for _ in range(TILES)}:
            place = grid.tile_region(level, col, row)
            right, bottom = place.lv_x + place.width, place.lv_y + place.height
            source, shown = (
                picture(tiles.tile(slide, level, col, row, color=color, image_format="png").body)
                for color in ("source", "srgb")
            )
            assert np.array_equal(shown, np.asarray(transform.apply(Image.fromarray(source))))
            # A pixel whose centre lies outside the slide is white in a region; a tile has it, as its level does.
            across = (np.arange(place.lv_x, right) + 0.5) * step < grid.size.width
            down = (np.arange(place.lv_y, bottom) + 0.5) * step < grid.size.height
            area = PixelGrid(place.lv_x * step, place.lv_y * step, place.width, place.height, step, step)
            region = tiles.region(slide, area, color="srgb")
            assert np.array_equal(region[down][:, across], shown[down][:, across])
            if whole is not None:
                assert np.array_equal(whole[place.lv_y : bottom, place.lv_x : right], shown)
            compared += 1
            moved.append(np.abs(shown.astype(int) - source).mean())
    tell(
        f"seed {SEED}: {compared} places of one colour, {np.mean(moved):.1f} to {max(moved):.1f} of 255 from the scan's"
    )
    assert max(moved) > 2  # most of it is glass, which stays white
