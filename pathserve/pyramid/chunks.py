"""The pixels of one chunk, made from those of the level before. No files."""

from collections.abc import Callable

import numpy as np

from pathserve.geometry import Size
from pathserve.pixels import Samples
from pathserve.pyramid.coding import Coding, mean_2x2, pad_to
from pathserve.pyramid.layout import grid_of
from pathserve.slides import jpeg

ChunkReader = Callable[[int, int], bytes | None]
"""Gives the bytes of a chunk of one level by column and row, or None where there is none."""


def valid_part(level: Size, tile: Size, col: int, row: int) -> Size:
    """How many pixels of a chunk lie on the level; the rest is padding."""
    return Size(min(tile.width, level.width - col * tile.width), min(tile.height, level.height - row * tile.height))


def reduced_chunk(read: ChunkReader, coding: Coding, fill: int, above: Size, col: int, row: int) -> Samples | None:
    """Make the valid part of a chunk from the up to four chunks of the level before.

    Chunks that lie wholly on the level before are decoded at half size straight from their coefficients. Those at its
    edge are decoded in full and cut first, so that padding never bleeds into the picture.

    Parameters
    ----------
    read
        Reader of the level before.
    fill
        Value of pixels whose chunk is not there.
    above
        Size of the level before.

    Returns
    -------
    (h, w, samples) of the part that lies on the level, or None when there is no chunk to make it from.
    """
    tile = coding.tile
    valid = valid_part(above.halved(), tile, col, row)
    out = np.full((valid.height, valid.width, coding.samples), fill, coding.dtype)
    columns, rows = grid_of(above, tile)
    half_width, half_height = tile.width // 2, tile.height // 2
    found = False
    for child_row in range(2 * row, min(2 * row + 2, rows)):
        for child_col in range(2 * col, min(2 * col + 2, columns)):
            data = read(child_col, child_row)
            if data is None:
                continue
            found = True
            part = _halved(data, valid_part(above, tile, child_col, child_row), coding)
            y, x = (child_row - 2 * row) * half_height, (child_col - 2 * col) * half_width
            out[y : y + part.shape[0], x : x + part.shape[1]] = part
    return out if found else None


def encoded_chunk(pixels: Samples, coding: Coding, fill: int, encoding: jpeg.Encoding) -> bytes | None:
    """Encode the valid part of a chunk, padded to the tile size; None when all of it has the fill value."""
    if bool((pixels == fill).all()):
        return None
    return coding.encode(pad_to(pixels, coding.tile), encoding)


def made_chunk(
    read: ChunkReader, coding: Coding, fill: int, above: Size, encoding: jpeg.Encoding, col: int, row: int
) -> bytes | None:
    """Make a chunk from the level before, always the same bytes from the same; parameters as `reduced_chunk`."""
    pixels = reduced_chunk(read, coding, fill, above, col, row)
    return None if pixels is None else encoded_chunk(pixels, coding, fill, encoding)


def _halved(data: bytes, valid: Size, coding: Coding) -> Samples:
    if valid == coding.tile:
        return coding.decode_halved(data)
    return mean_2x2(coding.decode(data)[: valid.height, : valid.width])
