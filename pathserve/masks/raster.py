"""Polygons to pixels by the pixel-centre rule: the pure function, usable alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.errors import Invalid
from pathserve.geometry import PixelGrid
from pathserve.masks.axis import Axis
from pathserve.masks.outlines import Geometries, Outlines, outlines_of
from pathserve.masks.scanline import fill, paint

RegionLike = tuple[float, float, int, int] | PixelGrid
"""``(x, y, width, height)``, with x and y in level-0 pixels but width and height in OUTPUT pixels; or a grid."""

Window = tuple[int, int, int, int]
"""``(column, row, width, height)`` of a part of a grid, in its output pixels; may reach beyond the grid."""


def rasterize(
    geometries: Geometries,
    values: Sequence[int] | npt.NDArray[np.integer[Any]],
    region: RegionLike,
    downsample: float | tuple[float, float] = 1.0,
    *,
    dtype: npt.DTypeLike = np.uint8,
    background: int = 0,
    window: Window | None = None,
) -> npt.NDArray[Any]:
    """Draw polygons into an array, each with its value, later ones on top.

    A pixel belongs to a polygon if and only if its centre lies inside it: holes are respected (even-odd within each
    polygon, the union over the polygons of a MultiPolygon), and a centre exactly on an edge follows the half-open
    rule: left and top edges in, right and bottom out. This is exact for any float64 coordinates and any downsample.
    Points and lines have no area and leave nothing.

    Parameters
    ----------
    geometries
        GeoJSON geometry objects or shapely geometries, or `labels.Columns`, in level-0 pixels.
    values
        One whole number for each geometry.
    region
        ``(x, y, width, height)``: x and y of the top-left corner in LEVEL-0 pixels (fractions allowed), width and
        height in OUTPUT pixels, as in the HTTP interface. The centre of output pixel (i, j) lies at
        ``(x + (i + 0.5) * downsample, y + (j + 0.5) * downsample)``. Or a `PixelGrid`, which brings its own downsample.
    downsample
        Level-0 pixels per output pixel, or ``(along x, along y)``; below 1 enlarges. Ignored for a `PixelGrid`.
    dtype
        Integer or boolean dtype of the result.
    background
        Value of the pixels that no geometry covers.
    window
        Only this part of the region: ``(column, row, width, height)`` in output pixels. The same bits as in the whole,
        also where the corner of the part, ``x + column * downsample``, is no float64.

    Returns
    -------
    Array (h, w) of ``dtype``. Memory: the array, and about 100 bytes for each crossing of an edge with a row of
    pixels, at most 2 million at a time.

    Raises
    ------
    Invalid
        When a geometry, the region or a value is not of that kind, or the numbers of both differ.
    """
    grid = _grid(region, downsample)
    outlines = outlines_of(geometries)
    if len(values) != len(geometries):
        raise Invalid("There must be one value for each geometry.")
    kind = np.dtype(dtype)
    drawn = _as_dtype(values, kind)
    return draw(outlines, drawn, grid, background=_as_dtype([background], kind)[0], window=window)


def draw(
    outlines: Outlines,
    values: npt.NDArray[Any],
    grid: PixelGrid,
    *,
    background: int = 0,
    window: Window | None = None,
) -> npt.NDArray[Any]:
    """Do the same as `rasterize` for outlines that are already taken apart.

    Parameters
    ----------
    outlines
        Polygons in level-0 pixels.
    values
        Array (geometries,); its dtype is that of the result.
    grid, background, window
        As for `rasterize`.

    Returns
    -------
    Array (h, w).
    """
    x_axis, y_axis = axes_of(grid, window)
    out = np.full((y_axis.count, x_axis.count), background, dtype=values.dtype)
    part_values = values[outlines.owner]
    for spans in fill(outlines, x_axis, y_axis):
        paint(spans, part_values, out)
    return out


def axes_of(grid: PixelGrid, window: Window | None = None) -> tuple[Axis, Axis]:
    """Give the columns and the rows of a grid, or of a part of it.

    Raises
    ------
    Invalid
        When the window has no pixels or the grid is beyond the range of the arithmetic.
    """
    column, row, width, height = window or (0, 0, grid.width, grid.height)
    if width < 1 or height < 1:
        raise Invalid("A window must be at least one pixel by one pixel.")
    # A grid may have been made of ints, which numpy would take for numbers of half precision in places.
    x_axis = Axis(float(grid.l0_x), float(grid.downsample_x), column, width)
    return x_axis, Axis(float(grid.l0_y), float(grid.downsample_y), row, height)


def _grid(region: RegionLike, downsample: float | tuple[float, float]) -> PixelGrid:
    """Make the grid of a region and a downsample."""
    if isinstance(region, PixelGrid):
        return region
    if len(region) != 4:
        raise Invalid("A region is x, y, width and height.")
    x, y, width, height = region
    if int(width) != width or int(height) != height:
        raise Invalid("Width and height are whole numbers of output pixels.")
    along_x, along_y = downsample if isinstance(downsample, tuple) else (downsample, downsample)
    return PixelGrid(float(x), float(y), int(width), int(height), float(along_x), float(along_y))


def _as_dtype(values: Sequence[int] | npt.NDArray[np.integer[Any]], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Convert values to the dtype, refusing those that it cannot hold."""
    if dtype.kind not in "iub":
        raise Invalid("A mask's dtype must be an integer one.")
    try:
        given = np.asarray(values, dtype=object if len(values) == 0 else None)
        converted = given.astype(dtype)
    except (OverflowError, TypeError, ValueError):
        raise Invalid("A value does not fit the mask's dtype.") from None
    if not np.array_equal(given, converted):
        raise Invalid("A value does not fit the mask's dtype.")
    return converted
