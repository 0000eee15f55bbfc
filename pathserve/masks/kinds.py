"""The kinds of masks. Each is the same for a tile as for that part of the whole."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.errors import Invalid
from pathserve.geometry import PixelGrid, Region
from pathserve.labels import BACKGROUND, IGNORE
from pathserve.masks.area_share import covered_share
from pathserve.masks.outline_distance import edge_distance
from pathserve.masks.outlines import Geometries, outlines_of
from pathserve.masks.raster import Window, axes_of, draw, rasterize


class MaskKind(StrEnum):
    """What the values of a mask say."""

    SEMANTIC = "semantic"
    INSTANCE = "instance"
    BOUNDARY = "boundary"
    DISTANCE = "distance"
    COVERAGE = "coverage"


_DTYPES: dict[MaskKind, type[np.generic]] = {
    MaskKind.SEMANTIC: np.uint8,
    MaskKind.INSTANCE: np.uint32,
    MaskKind.BOUNDARY: np.uint8,
    MaskKind.DISTANCE: np.float32,
    MaskKind.COVERAGE: np.float32,
}


def dtype_of(kind: MaskKind | str) -> np.dtype[Any]:
    """Give the dtype of a kind of mask.

    Raises
    ------
    Invalid
        When there is no such kind.
    """
    return np.dtype(_DTYPES[as_kind(kind)])


def as_kind(kind: MaskKind | str) -> MaskKind:
    """Read the name of a kind.

    Raises
    ------
    Invalid
        When there is no such kind.
    """
    try:
        return MaskKind(kind)
    except ValueError:
        raise Invalid(f"A mask is one of {', '.join(MaskKind)}.") from None


def needed_region(grid: PixelGrid, kind: MaskKind | str, *, window: Window | None = None) -> Region:
    """Give the level-0 rectangle whose objects must be known to draw a mask of this kind.

    One output pixel more on every side for boundaries, whose outermost pixels have neighbours outside the grid; the
    rectangle of the grid, or of its window, for all others.
    """
    column, row, width, height = window or (0, 0, grid.width, grid.height)
    margin = 1 if as_kind(kind) is MaskKind.BOUNDARY else 0
    dx, dy = grid.downsample_x, grid.downsample_y
    return Region(
        grid.l0_x + (column - margin) * dx,
        grid.l0_y + (row - margin) * dy,
        (width + 2 * margin) * dx,
        (height + 2 * margin) * dy,
    )


def semantic(
    geometries: Geometries,
    values: Sequence[int] | npt.NDArray[np.integer[Any]],
    grid: PixelGrid,
    *,
    exhaustive: Geometries | None = None,
    partly_exhaustive: Geometries = (),
    window: Window | None = None,
) -> npt.NDArray[np.uint8]:
    """Draw class values; later geometries on top.

    Parameters
    ----------
    geometries, values
        Level-0 pixels; class values 1 to 254.
    grid, window
        As for `rasterize`.
    exhaustive
        Areas in which every object of every class asked for is annotated, so that what is left is background. None
        when the slide has no exhaustively annotated areas at all: then all unannotated pixels are background.
        Otherwise every pixel outside these areas and ``partly_exhaustive`` ones is `IGNORE`, annotated or not.
    partly_exhaustive
        Areas that are exhaustive for some of the classes asked for: what is annotated there is known, what is not
        is `IGNORE`.

    Returns
    -------
    uint8 array (h, w).
    """
    mask: npt.NDArray[np.uint8] = rasterize(geometries, values, grid, background=BACKGROUND, window=window)
    if exhaustive is None:
        return mask
    known = rasterize(exhaustive, [1] * len(exhaustive), grid, dtype=np.bool_, window=window)
    partly = rasterize(partly_exhaustive, [1] * len(partly_exhaustive), grid, dtype=np.bool_, window=window)
    partly &= mask != BACKGROUND
    mask[~(known | partly)] = IGNORE
    return mask


def instance(
    geometries: Geometries,
    numbers: Sequence[int] | npt.NDArray[np.integer[Any]],
    grid: PixelGrid,
    *,
    window: Window | None = None,
) -> npt.NDArray[np.uint32]:
    """Draw object numbers (above 0), later geometries on top; 0 where there is no object.

    Returns
    -------
    uint32 array (h, w).
    """
    mask: npt.NDArray[np.uint32] = rasterize(geometries, numbers, grid, dtype=np.uint32, window=window)
    return mask


def boundary(geometries: Geometries, grid: PixelGrid, *, window: Window | None = None) -> npt.NDArray[np.uint8]:
    """Mark the pixels whose object differs from that of a neighbour left, right, above or below.

    Pixels on both sides of an outline are marked, those of the background too. The grid goes on without end: pixels at
    its rim are compared with those outside.

    Returns
    -------
    uint8 array (h, w) of 0 and 1.
    """
    column, row, width, height = window or (0, 0, grid.width, grid.height)
    top = _topmost(geometries, grid, (column - 1, row - 1, width + 2, height + 2))
    centre = top[1:-1, 1:-1]
    differs: npt.NDArray[np.bool_] = centre != top[1:-1, :-2]
    differs |= centre != top[1:-1, 2:]
    differs |= centre != top[:-2, 1:-1]
    differs |= centre != top[2:, 1:-1]
    return differs.astype(np.uint8)


def distance(geometries: Geometries, grid: PixelGrid, *, window: Window | None = None) -> npt.NDArray[np.float32]:
    """Measure from each pixel's centre to the nearest edge of the object on top there; 0 where there is none.

    The distance is exact to the outline, whole objects are measured, and what lies over an object's other parts
    changes nothing.

    Returns
    -------
    float32 array (h, w) of level-0 pixels.
    """
    x_axis, y_axis = axes_of(grid, window)
    return edge_distance(outlines_of(geometries), _topmost(geometries, grid, window), x_axis, y_axis)


def coverage(geometries: Geometries, grid: PixelGrid, *, window: Window | None = None) -> npt.NDArray[np.float32]:
    """Measure the share of each pixel's area that the geometries cover together.

    Returns
    -------
    float32 array (h, w), 0 to 1.
    """
    x_axis, y_axis = axes_of(grid, window)
    return covered_share(outlines_of(geometries), x_axis, y_axis)


def _topmost(geometries: Geometries, grid: PixelGrid, window: Window | None) -> npt.NDArray[np.uint32]:
    """Give each pixel the place (from 1) of the geometry on top there, or 0."""
    places = np.arange(1, len(geometries) + 1, dtype=np.uint32)
    top: npt.NDArray[np.uint32] = draw(outlines_of(geometries), places, grid, window=window)
    return top
