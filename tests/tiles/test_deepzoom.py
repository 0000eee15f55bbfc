"""DeepZoom addresses against OpenSlide's DeepZoomGenerator."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openslide import ImageSlide
from openslide.deepzoom import DeepZoomGenerator
from PIL import Image

from pathserve.errors import NotFound
from pathserve.geometry import LevelRegion, Size
from pathserve.tiles import DeepZoom


def openslide_grid(width, height, tile_size):
    with Image.new("1", (width, height)) as image:
        return DeepZoomGenerator(ImageSlide(image), tile_size=tile_size, overlap=0, limit_bounds=False)


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([64, 240, 256, 512]))
def test_levels_tiles_and_sizes_are_those_of_openslide(width, height, tile_size):
    ours, theirs = DeepZoom(Size(width, height), tile_size, 1), openslide_grid(width, height, tile_size)
    assert ours.level_count == theirs.level_count
    for level in range(ours.level_count):
        size = ours.level_size(level)
        assert (size.width, size.height) == theirs.level_dimensions[level]
        columns, rows = ours.level_tiles(level)
        assert (columns, rows) == theirs.level_tiles[level]
        for col, row in {(0, 0), (columns - 1, 0), (0, rows - 1), (columns - 1, rows - 1)}:
            region = ours.tile_region(level, col, row)
            assert (region.width, region.height) == theirs.get_tile_dimensions(level, (col, row))


@given(st.integers(1, 2000), st.integers(1, 2000), st.sampled_from([64, 240]))
def test_tiles_partition_their_level(width, height, tile_size):
    grid = DeepZoom(Size(width, height), tile_size, 1)
    for level in range(grid.level_count):
        size, (columns, rows) = grid.level_size(level), grid.level_tiles(level)
        xs = [grid.tile_region(level, col, 0) for col in range(columns)]
        ys = [grid.tile_region(level, 0, row) for row in range(rows)]
        assert [region.lv_x for region in xs] == [tile_size * col for col in range(columns)]
        assert [region.lv_y for region in ys] == [tile_size * row for row in range(rows)]
        assert xs[-1].lv_x + xs[-1].width == size.width
        assert ys[-1].lv_y + ys[-1].height == size.height


@pytest.mark.parametrize("address", [(13, 0, 0), (-1, 0, 0), (12, 10, 0), (12, 0, 13), (12, -1, 0), (0, 1, 0)])
def test_addresses_outside_are_not_found(address):
    with pytest.raises(NotFound):
        DeepZoom(Size(2220, 2967), 240, 1).tile_region(*address)


def test_the_document_says_what_a_viewer_needs():
    root = ElementTree.fromstring(DeepZoom(Size(2220, 2967), 240, 7).to_xml())  # noqa: S314 - our own document
    space = "{http://schemas.microsoft.com/deepzoom/2008}"
    assert root.tag == f"{space}Image"
    assert root.attrib == {"Format": "jpeg", "Overlap": "0", "TileSize": "240", "Generation": "7"}
    size = root.find(f"{space}Size")
    assert size is not None
    assert size.attrib == {"Width": "2220", "Height": "2967"}


def test_a_tile_at_the_far_corner_is_cut():
    assert DeepZoom(Size(2220, 2967), 240, 1).tile_region(12, 9, 12) == LevelRegion(2160, 2880, 60, 87)
