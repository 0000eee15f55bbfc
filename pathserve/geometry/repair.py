"""Repair of polygons that are not valid, with its cost bounded and its loss measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from pathserve.errors import Invalid, TooLarge
from pathserve.geometry.effort import Effort, effort

MAX_REPAIR_CROSSINGS = 20_000
"""A polygon that crosses itself more often than this is not repaired: each crossing costs about 30 us."""

MIN_KEPT_SHARE = 0.99
"""A repair that keeps less of the area as drawn than this is refused."""

# Each of a tangle's segments can meet all others: few at a time bound memory and time.
_CROSSING_BLOCK = 8
_PAIRS_AT_ONCE = 1_000_000
_SWEEP_CROSSINGS = 4_000_000
_SWEEP_LINES = (256, 4096)

Rings = Sequence[npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Repaired:
    """A valid polygon, and whether it lost more of its area than a repair may that nobody forced."""

    shape: Polygon | MultiPolygon
    is_forced: bool = False


def repair(parts: Sequence[Rings], *, force: bool = False) -> Repaired:
    """Make a valid polygon of rings that do not form one.

    Parameters
    ----------
    parts
        The polygons of the geometry; each is its rings, shell first, every ring an array (n, 2) of (x, y) whose last
        position repeats the first.
    force
        Whether a repair counts that loses more than 1 % of the area as drawn.

    Returns
    -------
    A valid polygon with an area above 0: the shells' area less that of the holes.

    Raises
    ------
    TooLarge
        When its effort is too large (`pathserve.geometry.effort`), or there are more than `MAX_REPAIR_CROSSINGS`
        crossings.
    Invalid
        When no area remains or the repair would lose more than 1 % of the area as drawn (even-odd rule).
    """
    effort_of(parts).require_repair()
    _require_few_crossings(parts)
    try:
        with np.errstate(all="ignore"):  # GEOS divides by lengths that underflow to 0
            kept = [_without_outside_holes(rings) for rings in parts]
            valid = _valid_areas(kept)
    except shapely.errors.GEOSException:
        raise Invalid("The outline is not valid and cannot be repaired.", code="not_repairable") from None
    if valid is None or valid.area <= 0:
        raise Invalid("Nothing with an area remains of the outline.", code="no_area")
    if valid.area >= MIN_KEPT_SHARE * drawn_area(kept):
        return Repaired(valid)
    if not force:
        raise Invalid("The outline crosses itself so that a repair would lose part of its area.", code="not_repairable")
    return Repaired(valid, is_forced=True)


def effort_of(parts: Sequence[Rings]) -> Effort:
    """Tell how much there is to look at in polygons, which are their rings as for `repair`."""
    rings = [ring for part in parts for ring in part]
    return effort(np.concatenate(rings), np.concatenate(([0], np.cumsum([len(ring) for ring in rings]))))


def drawn_area(parts: Sequence[Rings]) -> float:
    """Measure the area as drawn: even-odd within each part, the union over the parts.

    A sweep over 256 to 4096 horizontal lines, so the result is accurate to well under 1 % and its cost is bounded by
    about 4 million crossings whatever the outline.

    Parameters
    ----------
    parts
        As for `repair`.

    Returns
    -------
    Area in square units of the coordinates.
    """
    starts = np.concatenate([ring[:-1] for rings in parts for ring in rings])
    ends = np.concatenate([ring[1:] for rings in parts for ring in rings])
    owner = np.repeat(np.arange(len(parts)), [sum(len(ring) - 1 for ring in rings) for rings in parts])
    top, bottom = starts[:, 1].min(), starts[:, 1].max()
    lines = int(np.clip(_SWEEP_CROSSINGS // len(starts), *_SWEEP_LINES))
    step = (bottom - top) / lines
    if step == 0:
        return 0.0
    total = 0.0
    block = max(1, _SWEEP_CROSSINGS // len(starts))
    for first in range(0, lines, block):
        levels = top + (np.arange(first, min(first + block, lines)) + 0.5) * step
        total += _covered_length(starts, ends, owner, levels)
    return float(total * step)


def _covered_length(
    starts: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
    owner: npt.NDArray[np.int64],
    levels: npt.NDArray[np.float64],
) -> float:
    """Sum the covered lengths of the horizontal lines at ``levels`` (ascending)."""
    low = np.searchsorted(levels, np.minimum(starts[:, 1], ends[:, 1]))
    high = np.searchsorted(levels, np.maximum(starts[:, 1], ends[:, 1]))
    count = high - low
    edge = np.repeat(np.arange(len(starts)), count)
    line = np.arange(len(edge)) + np.repeat(low - (np.cumsum(count) - count), count)
    delta = ends[edge] - starts[edge]
    x = starts[edge, 0] + (levels[line] - starts[edge, 1]) * (delta[:, 0] / delta[:, 1])
    order = np.lexsort((x, owner[edge], line))
    x, line = x[order], line[order]
    # Within one part crossings enter and leave in turn; the union over parts is where more were entered than left.
    turn = np.where(np.arange(len(x)) % 2 == 0, 1, -1)
    order = np.lexsort((x, line))
    depth = np.cumsum(turn[order])[:-1]
    gap = np.diff(x[order])
    return float(gap[depth > 0].sum())


def _require_few_crossings(parts: Sequence[Rings]) -> None:
    """Refuse outlines whose segments meet each other too often.

    Raises
    ------
    TooLarge
        When more than `MAX_REPAIR_CROSSINGS` pairs of segments meet, neighbours along a ring not counted.
    """
    begin = np.concatenate([ring[:-1] for rings in parts for ring in rings])
    end = np.concatenate([ring[1:] for rings in parts for ring in rings])
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    boxes = np.asarray(shapely.box(*low.T, *high.T))
    tree = shapely.STRtree(boxes)
    met = -len(begin)  # every segment meets the next one
    for first in range(0, len(begin), _CROSSING_BLOCK):
        one, other = tree.query(boxes[first : first + _CROSSING_BLOCK])
        one += first
        one, other = one[one < other], other[one < other]
        for start in range(0, len(one), _PAIRS_AT_ONCE):
            some = slice(start, start + _PAIRS_AT_ONCE)
            met += _count_meetings(begin[one[some]], end[one[some]], begin[other[some]], end[other[some]])
        if met > MAX_REPAIR_CROSSINGS:
            raise TooLarge(f"The outline crosses itself over {MAX_REPAIR_CROSSINGS:,} times: too often to repair.")


def _count_meetings(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], c: npt.NDArray[np.float64], d: npt.NDArray[np.float64]
) -> int:
    """Count the pairs of segments a b and c d, whose boxes overlap, that cross or touch, but for rounding."""
    across = _sides(a, b, c) * _sides(a, b, d) <= 0
    across &= _sides(c, d, a) * _sides(c, d, b) <= 0
    return int(np.count_nonzero(across))


def _sides(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], c: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Tell on which side of each line a b each point c lies."""
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    sides: npt.NDArray[np.float64] = np.sign(ux * vy - uy * vx)
    return sides


def _without_outside_holes(rings: Rings) -> Rings:
    """Drop the holes that share no area with their shell."""
    if len(rings) == 1:
        return rings
    shell = shapely.make_valid(Polygon(rings[0]), method="structure", keep_collapsed=False)
    drawn = np.array([Polygon(ring) for ring in rings[1:]])
    holes = shapely.make_valid(drawn, method="structure", keep_collapsed=False)
    shapely.prepare(shell)  # an intersection goes through all of the shell: only few are asked for it
    inside = shapely.contains_properly(shell, holes) & (shapely.area(holes) > 0)
    asked = ~inside & shapely.intersects(shell, holes)
    inside[asked] = shapely.area(shapely.intersection(shell, holes[asked])) > 0
    return [rings[0], *(ring for ring, kept in zip(rings[1:], inside.tolist(), strict=True) if kept)]


def _valid_areas(parts: Sequence[Rings]) -> Polygon | MultiPolygon | None:
    """Let GEOS make polygons valid: None when they have no area, or are still not valid."""
    polygons = [Polygon(rings[0], rings[1:]) for rings in parts]
    drawn = polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)
    areas = _areas_of(shapely.make_valid(drawn, method="structure", keep_collapsed=False))
    return areas if areas is not None and areas.is_valid else None


def _areas_of(geometry: BaseGeometry) -> Polygon | MultiPolygon | None:
    """Take what has an area out of a repaired geometry."""
    # GEOS can return neighbours that share a whole edge, which is not valid: their union is.
    whole = geometry if shapely.is_valid(geometry) else shapely.union_all(shapely.get_parts(geometry))
    polygons = [part for part in shapely.get_parts(whole) if isinstance(part, Polygon) and part.area > 0]
    if not polygons:
        return None
    return polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)
