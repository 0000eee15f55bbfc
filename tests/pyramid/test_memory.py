"""What a worker's memory depends on: what it loads, and how much of a scan it decodes at once. Counted, not weighed."""

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from pathserve.geometry import LevelRegion
from pathserve.pyramid import plan_pyramid
from pathserve.pyramid.build import build_pyramid
from pathserve.slides import open_slide

WORK = """
import sys
from pathlib import Path
from pathserve.worker import program
from pathserve.worker.messages import Order
from pathserve.slides import Scan

class Silent:
    def send(self, message): pass
    def progress(self, done, total): pass

slide, staging = Path(sys.argv[1]), Path(sys.argv[2])
program._carry_out(Order(Scan.of(slide), staging=staging, recompress=80, workers=2, identity="none"), Silent())
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize("absent", ["pydicom", "distributed", "obstore", "zarr", "shapely", "starlette", "apsw"])
def test_a_worker_does_not_load_what_its_scan_does_not_need(sample_slide, tmp_path, absent):
    command = [sys.executable, "-c", WORK, str(sample_slide), str(tmp_path)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "dask" in loaded  # the work was done
    assert absent not in loaded


class Watched:
    """A source that notes how many pixels are asked for at once, and how many tiles."""

    def __init__(self, source):
        self._source = source
        self.info = source.info
        self.most = 0
        self.tiles = 0

    def read(self, level, region, plane):
        self.most = max(self.most, region.width * region.height)
        return self._source.read(level, region, plane)

    def encoded_tile(self, level, col, row, plane):
        self.tiles += 1
        return self._source.encoded_tile(level, col, row, plane)


def test_a_scan_is_decoded_a_few_tiles_at_a_time_however_wide_it_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 255, (300, 5000, 3), np.uint8)
    tifffile.imwrite(tmp_path / "wide.tif", pixels, tile=(256, 256), photometric="rgb", compression="deflate")
    with open_slide(tmp_path / "wide.tif") as source:
        watched = Watched(source)
        plan = plan_pyramid(source.info)
        build_pyramid(watched, plan, tmp_path, content_hash="c", workers=1, progress=lambda done, total: None)
    assert 0 < watched.most <= 2 * 256 * 256


def test_a_missing_column_is_made_of_the_finer_tiles_that_show_it_and_no_others(tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 255, (2001, 2001, 3), np.uint8)
    options = {"tile": (256, 256), "photometric": "rgb", "compression": "jpeg"}
    with tifffile.TiffWriter(tmp_path / "levels.tif") as writer:
        writer.write(pixels, subifds=1, **options)
        writer.write(pixels[1::2, 1::2], subfiletype=1, **options)  # 1,000 px where 1,001 are planned
    with open_slide(tmp_path / "levels.tif") as source:
        watched = Watched(source)
        plan, staging = plan_pyramid(source.info), tmp_path / "staging"
        staging.mkdir()
        build_pyramid(
            watched, plan, staging, content_hash="c", workers=1, progress=lambda done, total: None, reduced=False
        )
    copied = 8 * 8 + 3 * 3
    edge = 3 * 2 + 3 * 2 + 3  # tiles on the right, at the bottom, in the corner: each shows on half of its four
    assert watched.tiles == copied + edge


def test_an_open_tiff_keeps_no_python_number_for_each_of_its_tiles(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "tiles.tif", np.full((320, 320), 7, np.uint8), tile=(16, 16), compression="deflate")
    with open_slide(tmp_path / "tiles.tif") as source:
        pages = [each for each in gc.get_objects() if isinstance(each, tifffile.TiffPage)]
        mine = [page for page in pages if page.shape == (320, 320) and page.tile == (16, 16)]
        assert mine  # held by its decoder
        assert [len(page.dataoffsets) + len(page.databytecounts) for page in mine] == [0] * len(mine)
        assert (source.read(0, LevelRegion(0, 0, 320, 320)) == 7).all()
