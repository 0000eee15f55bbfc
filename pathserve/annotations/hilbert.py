"""Neighbours in the plane become neighbours in a row: the Hilbert curve through the centres of boxes."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pathserve.labels import Columns

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CHUNK_ROWS = 1024
"""Annotations of one chunk."""

_ORDER = 16


def hilbert_distance(x: Ints, y: Ints, order: int) -> Ints:
    """Give the place of each cell on the Hilbert curve.

    Parameters
    ----------
    x, y
        (N,) whole numbers in [0, 2**order).
    order
        Steps of the curve; at most 31.

    Returns
    -------
    Ints
        (N,) in [0, 4**order). Cells that follow each other share an edge.
    """
    x, y = x.astype(np.int32), y.astype(np.int32)
    place = np.zeros(len(x), np.int64)
    for step in range(order - 1, -1, -1):
        right, low = (x >> step) & 1, (y >> step) & 1
        place <<= 2
        place |= (3 * right) ^ low
        # Each quarter is the same curve, mirrored (lower right) or turned about its diagonal (both upper ones): all
        # bits below are turned over, or change places. What is above is not looked at again.
        turned = low - 1
        mirrored = turned & -right
        x ^= mirrored
        y ^= mirrored
        changed = (x ^ y) & turned
        x ^= changed
        y ^= changed
    return place


def hilbert_order(columns: Columns) -> Ints:
    """Give the rows (N,) along the Hilbert curve through the centres of their boxes; ties keep their order."""
    return order_of_boxes(columns.boxes()) if len(columns) else np.empty(0, np.int64)


def order_of_boxes(boxes: Floats) -> Ints:
    """Give at least one box, (N, 4), along the Hilbert curve through the centres of all; ties keep their order."""
    # Halves first: the sum of two large corners may not be a number.
    centres = boxes[:, :2] / 2 + boxes[:, 2:] / 2
    low = centres.min(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        side = float(np.max(centres.max(axis=0) - low)) or 1.0
        cells = np.nan_to_num((centres - low) / side * ((1 << _ORDER) - 1))
    whole = np.clip(cells, 0, (1 << _ORDER) - 1).astype(np.int64)
    return np.argsort(hilbert_distance(whole[:, 0], whole[:, 1], _ORDER), kind="stable")


def cut(columns: Columns, size: int = CHUNK_ROWS) -> Iterator[Columns]:
    """Cut into neighbourhoods of at most ``size`` rows, all of nearly the same number; each row is in one of them."""
    order = hilbert_order(columns)
    if len(order):
        for rows in np.array_split(order, -(-len(order) // size)):
            yield columns.take(rows)
