"""The pixels of one chunk: reduced from the level before, padded at the edges, laid over each other. No files."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pathserve.geometry import Size
from pathserve.pyramid.layout import FILL, grid_of
from pathserve.slides import jpeg

Pixels = npt.NDArray[np.uint8]
ChunkReader = Callable[[int, int], bytes | None]
"""Gives the JPEG of a chunk of one level by column and row, or None where it is white."""


def is_white(pixels: Pixels) -> bool:
    """Tell whether every value is the fill value."""
    return bool((pixels == FILL).all())


def valid_part(level: Size, tile: Size, col: int, row: int) -> Size:
    """How many pixels of a chunk lie on the level; the rest is padding."""
    return Size(min(tile.width, level.width - col * tile.width), min(tile.height, level.height - row * tile.height))


def pad_to(pixels: Pixels, size: Size) -> Pixels:
    """Repeat the last row and column until ``size`` is reached."""
    height, width, _ = pixels.shape
    if (width, height) == (size.width, size.height):
        return pixels
    return np.pad(pixels, ((0, size.height - height), (0, size.width - width), (0, 0)), mode="edge")


def mean_2x2(pixels: Pixels) -> Pixels:
    """Average blocks of 2 x 2 pixels, halves rounded up; an odd last row or column is taken twice."""
    height, width, _ = pixels.shape
    even = pad_to(pixels, Size(width + width % 2, height + height % 2)).astype(np.uint16)
    total = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return ((total + 2) >> 2).astype(np.uint8)


def reduced_chunk(read: ChunkReader, above: Size, tile: Size, col: int, row: int) -> Pixels | None:
    """Make the valid part of a chunk from the up to four chunks of the level before.

    Chunks that lie wholly on the level before are decoded at half size straight from their coefficients. Those at its
    edge are decoded in full and cut first, so that padding never bleeds into the picture.

    Parameters
    ----------
    read
        Reader of the level before.
    above
        Size of the level before.

    Returns
    -------
    (h, w, 3) uint8 of the part that lies on the level, or None when all of it is white.
    """
    valid = valid_part(above.halved(), tile, col, row)
    out = np.full((valid.height, valid.width, 3), FILL, np.uint8)
    columns, rows = grid_of(above, tile)
    half_width, half_height = tile.width // 2, tile.height // 2
    found = False
    for child_row in range(2 * row, min(2 * row + 2, rows)):
        for child_col in range(2 * col, min(2 * col + 2, columns)):
            data = read(child_col, child_row)
            if data is None:
                continue
            found = True
            part = _halved(data, valid_part(above, tile, child_col, child_row), tile)
            y, x = (child_row - 2 * row) * half_height, (child_col - 2 * col) * half_width
            out[y : y + part.shape[0], x : x + part.shape[1]] = part
    return out if found else None


def _halved(data: bytes, valid: Size, tile: Size) -> Pixels:
    if valid == tile:
        return jpeg.decode(data, half_of=tile)
    return mean_2x2(jpeg.decode(data)[: valid.height, : valid.width])
