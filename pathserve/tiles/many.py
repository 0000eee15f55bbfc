"""Many tiles at once: which of them are stored chunks, and those read in the order in which they lie."""

from collections.abc import Sequence

from pathserve.errors import PathServeError
from pathserve.pyramid import Pyramid
from pathserve.pyramid.layout import SHARD_CHUNKS
from pathserve.tiles.compose import stored_plane
from pathserve.tiles.deepzoom import DeepZoom
from pathserve.tiles.view import View

TileAddress = tuple[int, int, int]
"""Deep Zoom level, column, row."""


def stored_chunks(
    pyramid: Pyramid, grid: DeepZoom, addresses: Sequence[TileAddress], *, converts: bool, view: View
) -> list[bytes | None]:
    """Read those of many tiles that are, as JPEG, whole stored chunks: at a fraction of what single ones cost.

    Shard by shard and row by row, so that a disk reads on instead of seeking.

    Parameters
    ----------
    converts
        Whether other colours are wanted than those that are stored; then there are none.

    Returns
    -------
    In the order of ``addresses``; None for every tile that has to be made, is not there or cannot be read.

    Raises
    ------
    NotFound
        When the slide has no such channel, plane or time.
    """
    plane = stored_plane(pyramid.facts, view)
    if plane is None or converts:
        return [None] * len(addresses)
    found: list[bytes | None] = [None] * len(addresses)
    whole = _whole_tiles(pyramid, grid)

    def place(index: int) -> tuple[int, int, int, int, int]:
        level, col, row = addresses[index]
        return level, row // SHARD_CHUNKS, col // SHARD_CHUNKS, row, col

    for index in sorted(range(len(addresses)), key=place):
        level, col, row = addresses[index]
        columns, rows = whole.get(level, (0, 0))
        if 0 <= col < columns and 0 <= row < rows:
            try:
                found[index] = pyramid.chunk(grid.reduction(level), col, row, plane)
            except PathServeError:  # told where the tile is asked for by itself
                continue
    return found


def _whole_tiles(pyramid: Pyramid, grid: DeepZoom) -> dict[int, tuple[int, int]]:
    """Count the whole columns and rows of every Deep Zoom level that is not still being built."""
    building = pyramid.manifest.missing_levels
    levels = (level for level in range(grid.level_count) if grid.reduction(level) not in building)
    return {level: grid.whole_chunks(pyramid.facts, level) for level in levels}
