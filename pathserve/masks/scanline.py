"""Even-odd scanline fill, exact to the pixel-centre rule.

Every edge is cut with every row of pixel centres between its ends; a row's crossings, sorted, bound its spans. An
edge counts for the rows ``top <= centre < bottom`` and a crossing for the columns ``crossing <= centre``, which makes
left and top edges in, right and bottom ones out. All polygons go through in one pass, a band of rows at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from pathserve.masks.axis import EPS, INT_BITS, Axis, Floats, Integers, fraction_bits
from pathserve.masks.outlines import Outlines
from pathserve.masks.ranges import ranges

_BAND_CROSSINGS = 2_000_000
_PAINT_PIXELS = 1_000_000
_LONG_SPAN = 96


@dataclass(frozen=True, slots=True)
class Spans:
    """Runs of pixels inside one polygon part, by part and then by row.

    Parameters
    ----------
    part, row, start, end
        Arrays (n,): part of the outlines, row of the grid, first column and the column after the last.
    """

    part: Integers
    row: Integers
    start: Integers
    end: Integers


@dataclass(frozen=True, slots=True)
class _Edges:
    """Edges that cross rows of the grid, upper end first, with their crossing as a line in pixel units."""

    x0: Floats
    y0: Floats
    x1: Floats
    y1: Floats
    part: Integers
    top: Integers
    bottom: Integers
    column: Floats
    row: Floats
    slope: Floats
    error: Floats


def fill(outlines: Outlines, x_axis: Axis, y_axis: Axis) -> Iterator[Spans]:
    """Find the pixels whose centres lie inside each polygon part.

    Parameters
    ----------
    outlines
        Polygons in level-0 pixels; holes, crossings and rings inside rings follow the even-odd rule within a part.
    x_axis, y_axis
        The grid.

    Yields
    ------
    Spans of one band of rows after the other. Memory: about 100 bytes for each of 2 million crossings, or for each
    edge when they are more.
    """
    edges = _edges(outlines, x_axis, y_axis)
    for first, last in _bands(edges, y_axis.count):
        yield _band_spans(edges, first, last, x_axis, y_axis)


def paint(spans: Spans, values: npt.NDArray[np.generic], out: npt.NDArray[np.generic]) -> None:
    """Write one value a part into the grid, later parts on top.

    Parameters
    ----------
    spans
        As `fill` gives them.
    values
        Array (parts,) of the values, of the dtype of ``out``.
    out
        C-contiguous array (h, w), changed in place.
    """
    length = spans.end - spans.start
    total = np.cumsum(length)
    flat = out.reshape(-1)
    begin = spans.row * out.shape[1] + spans.start
    value = values[spans.part]
    at = 0
    while at < len(length):
        done = total[at - 1] if at else 0
        stop = max(at + 1, int(np.searchsorted(total, done + _PAINT_PIXELS, side="right")))
        chunk = slice(at, stop)
        count = length[chunk]
        if total[stop - 1] - done > _LONG_SPAN * (stop - at):
            for index in range(at, stop):
                flat[begin[index] : begin[index] + length[index]] = value[index]
        else:
            # One assignment for all: where spans overlap, numpy leaves the last value, which is the later part's.
            flat[ranges(begin[chunk], count)] = np.repeat(value[chunk], count)
        at = stop


def _edges(outlines: Outlines, x_axis: Axis, y_axis: Axis) -> _Edges:
    """Keep the edges that have rows of the grid between their ends, and describe them in pixel units."""
    row = y_axis.first_at_or_after(outlines.xy[:, 1])
    start = np.flatnonzero(row != row[outlines.following]) if len(row) else row
    end = outlines.following[start]
    swap = row[start] > row[end]
    upper, lower = np.where(swap, end, start), np.where(swap, start, end)
    (x0, y0), (x1, y1) = outlines.xy[upper].T, outlines.xy[lower].T
    column, column_error = x_axis.position(x0)
    row_position, row_error = y_axis.position(y0)
    width = (x1 - x0) / x_axis.step
    # Ends that differ by next to nothing give an infinite slope and so an infinite error: settled exactly below.
    with np.errstate(over="ignore", invalid="ignore"):
        slope = width / ((y1 - y0) / y_axis.step)
        error = column_error + np.abs(slope) * row_error + 8 * EPS * (np.abs(width) + np.abs(column) + 1)
    return _Edges(
        x0=x0,
        y0=y0,
        x1=x1,
        y1=y1,
        part=outlines.part[start],
        top=row[upper],
        bottom=row[lower],
        column=column,
        row=row_position,
        slope=slope,
        error=error,
    )


def _bands(edges: _Edges, rows: int) -> Iterator[tuple[int, int]]:
    """Cut the rows into bands of at most `_BAND_CROSSINGS` crossings, at least one row each."""
    change = np.bincount(edges.top, minlength=rows + 1) - np.bincount(edges.bottom, minlength=rows + 1)
    per_row = np.cumsum(change)[:rows]
    total = np.cumsum(per_row)
    first = 0
    while first < rows:
        done = total[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(total, done + _BAND_CROSSINGS, side="right")))
        if total[last - 1] > done:
            yield first, last
        first = last


def _band_spans(edges: _Edges, first: int, last: int, x_axis: Axis, y_axis: Axis) -> Spans:
    """Find the spans of the rows ``first`` to ``last``."""
    top, bottom = np.maximum(edges.top, first), np.minimum(edges.bottom, last)
    chosen = np.flatnonzero(bottom > top)
    count = (bottom - top)[chosen]
    edge = np.repeat(chosen, count)
    row = ranges(top[chosen], count)
    column = _columns(edges, edge, row, x_axis, y_axis)
    # One key for part, row and column, so that one sort brings each row's crossings of each part together in pairs.
    rows, columns = last - first, x_axis.count + 1
    key = (edges.part[edge] * rows + (row - first)) * columns + column
    key.sort()
    start, length = key[0::2], key[1::2] - key[0::2]
    some = length > 0
    line, start_column = np.divmod(start[some], columns)
    part, band_row = np.divmod(line, rows)
    return Spans(part=part, row=band_row + first, start=start_column, end=start_column + length[some])


def _columns(edges: _Edges, edge: Integers, row: Integers, x_axis: Axis, y_axis: Axis) -> Integers:
    """Find the first column whose centre is at or right of each crossing, exactly."""
    with np.errstate(over="ignore", invalid="ignore"):
        position = edges.column[edge] + (row - edges.row[edge]) * edges.slope[edge]
    error = edges.error[edge]
    nearest = np.rint(position)
    sure = error < 0.25
    near = (np.abs(position - nearest) <= error) & (nearest >= 0) & (nearest < x_axis.count)
    unsure = np.flatnonzero(near | ~sure)
    position[~sure] = 0
    column = np.clip(np.ceil(position), 0, x_axis.count).astype(np.int64)
    if len(unsure):
        nearest[~sure] = 0
        guess = nearest[unsure].astype(np.int64)
        column[unsure] = _settle(edges, edge[unsure], row[unsure], guess, (x_axis, y_axis))
    return column


def _settle(edges: _Edges, edge: Integers, row: Integers, nearest: Integers, axes: tuple[Axis, Axis]) -> Integers:
    """Decide exactly between column ``nearest`` and the one after it; anew where even that is not sure."""
    x_axis, y_axis = axes
    x0, y0, x1, y1 = edges.x0[edge], edges.y0[edge], edges.x1[edge], edges.y1[edge]
    x_bits = np.maximum(np.maximum(fraction_bits(x0), fraction_bits(x1)), x_axis.bits)
    y_bits = np.maximum(np.maximum(fraction_bits(y0), fraction_bits(y1)), y_axis.bits)
    across, down = np.abs(x1 - x0) + 2 * x_axis.step, y1 - y0 + 2 * y_axis.step
    reach_x = x_bits + np.log2(np.abs(x0) + across + x_axis.reach)
    reach_y = y_bits + np.log2(np.abs(y0) + down + y_axis.reach)
    product = x_bits + y_bits + np.log2(across) + np.log2(down)
    upright = x0 == x1
    fits = (np.maximum(np.maximum(reach_x, reach_y), product) < INT_BITS) & (edges.error[edge] < 0.25) & ~upright
    column = np.empty_like(nearest)
    column[upright] = x_axis.first_at_or_after(x0[upright])
    some = np.flatnonzero(fits)
    x_bits, y_bits = x_bits[some], y_bits[some]
    left, upper = _scaled(x0[some], x_bits), _scaled(y0[some], y_bits)
    width, height = _scaled(x1[some], x_bits) - left, _scaled(y1[some], y_bits) - upper
    right = x_axis.scaled_centres(nearest[some], x_bits) - left
    below = y_axis.scaled_centres(row[some], y_bits) - upper
    column[some] = nearest[some] + (right * height < below * width)
    for index in np.flatnonzero(~(fits | upright)):
        column[index] = _exact_column(edges, int(edge[index]), int(row[index]), x_axis, y_axis)
    return column


def _scaled(values: Floats, bits: Integers) -> Integers:
    """Give each value in units of ``2 ** -bits``, exactly."""
    return np.ldexp(values, bits).astype(np.int64)


def _exact_column(edges: _Edges, edge: int, row: int, x_axis: Axis, y_axis: Axis) -> int:
    """Find one crossing's column in rational arithmetic."""
    x0, y0, x1, y1 = (Fraction(float(ends[edge])) for ends in (edges.x0, edges.y0, edges.x1, edges.y1))
    return x_axis.exact_first(x0 + (y_axis.exact_centre(row) - y0) * (x1 - x0) / (y1 - y0))
