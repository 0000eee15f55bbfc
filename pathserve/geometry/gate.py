"""The geometry gate for many at once: which geometries pass it as they are. The others are looked at one by one.

The verdict is that of `pathserve.geometry.validity.check_geometry`; only the way to it is another.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import shapely

from pathserve.errors import PathServeError, TooLarge
from pathserve.geometry.effort import FEW_POSITIONS, effort
from pathserve.geometry.frames import Size
from pathserve.geometry.ring_boxes import BOXES
from pathserve.geometry.validity import CheckedGeometry, are_valid, check_many, farthest
from pathserve.native import kernels_of

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

FEW = 1000
"""So many polygons are left to shapely alone: loading the kernels would take longer."""

_POINT, _LINE, _POLYGON, _MULTI_POLYGON = 1, 3, 5, 6
_VERTICES_AT_ONCE = 100_000


class Shapes(Protocol):
    """Geometries as arrays, as `pathserve.labels.Columns` has them, in level-0 pixels."""

    @property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """(N,) 1 Point, 2 MultiPoint, 3 LineString, 4 MultiLineString, 5 Polygon, 6 MultiPolygon."""
        ...

    @property
    def xy(self) -> npt.NDArray[np.float64]:
        """(P, 2) positions."""
        ...

    @property
    def ring_starts(self) -> Ints:
        """Where the positions of each ring begin, and where they all end."""
        ...

    @property
    def part_starts(self) -> Ints:
        """The same for the rings of each part."""
        ...

    @property
    def starts(self) -> Ints:
        """The same for the parts of each geometry."""
        ...


class Gate:
    """The gate for the geometries of one text or file, whose repairs together take only so long; for one thread.

    Parameters
    ----------
    frame, max_vertices, force
        As `pathserve.geometry.validity.check_geometry` takes them.
    seconds
        Processor time that repairs, and refusals, may take; what would have to be repaired after that is refused.
    """

    def __init__(self, *, frame: Size | None, max_vertices: int, seconds: float, force: bool = False) -> None:
        self._frame, self._max_vertices, self._force = frame, max_vertices, force
        self._left = seconds

    def check(self, geometries: Iterable[Mapping[str, Any]]) -> Iterator[CheckedGeometry | PathServeError]:
        """Let each geometry pass, or repair it; or say why it is refused (`check_geometry`)."""
        checked = check_many(
            geometries,
            frame=self._frame,
            max_vertices=self._max_vertices,
            may_repair=lambda: self._left > 0,
            force=self._force,
        )
        while True:
            start = time.thread_time()
            outcome = next(checked, None)
            if outcome is None:
                return
            if isinstance(outcome, PathServeError) or outcome.repaired:
                self._left -= time.thread_time() - start
            yield outcome

    def passing(self, shapes: Shapes) -> Mask:
        """Tell which geometries pass as they are."""
        return passing(shapes, frame=self._frame, max_vertices=self._max_vertices)

    def too_far(self, shapes: Shapes) -> Mask:
        """Tell which are refused for certain because a position lies too far outside."""
        return too_far(shapes, frame=self._frame, max_vertices=self._max_vertices)


def passing(shapes: Shapes, *, frame: Size | None, max_vertices: int) -> Mask:
    """Tell which geometries pass the gate as they are.

    Parameters
    ----------
    shapes
        N geometries; a kind that is none of the six fails.
    frame, max_vertices
        As `pathserve.geometry.validity.check_geometry` takes them.

    Returns
    -------
    (N,) bool. Memory: a few times the input.
    """
    if len(shapes.kinds) <= FEW:
        return _passing(shapes, frame, max_vertices)
    good = _certain(shapes, frame, max_vertices)
    others = np.flatnonzero(~good)
    if len(others):
        good[others] = _passing(_some(shapes, others), frame, max_vertices)
    return good


def _certain(shapes: Shapes, frame: Size | None, max_vertices: int) -> Mask:
    """Tell which geometries certainly pass."""
    arrays = shapes.kinds, np.ascontiguousarray(shapes.xy), shapes.ring_starts, shapes.part_starts, shapes.starts
    good, boxes = np.empty(len(shapes.kinds), np.bool_), np.empty((BOXES, 4))
    kernels = kernels_of("pathserve.geometry.ring_kernels")
    kernels.certainly_passing(*arrays, farthest(frame), max_vertices, boxes, good)
    return good


@dataclass(frozen=True, slots=True)
class _Some:
    kinds: npt.NDArray[np.uint8]
    xy: npt.NDArray[np.float64]
    ring_starts: Ints
    part_starts: Ints
    starts: Ints


def _some(shapes: Shapes, rows: Ints) -> _Some:
    parts, starts = _runs(shapes.starts, rows)
    rings, part_starts = _runs(shapes.part_starts, parts)
    positions, ring_starts = _runs(shapes.ring_starts, rings)
    return _Some(shapes.kinds[rows], shapes.xy[positions], ring_starts, part_starts, starts)


def _passing(shapes: Shapes, frame: Size | None, max_vertices: int) -> Mask:
    """Tell which geometries pass without machine code."""
    kinds, xy = shapes.kinds, shapes.xy
    ring_starts, part_starts, starts = shapes.ring_starts, shapes.part_starts, shapes.starts
    if not len(kinds):
        return np.zeros(0, np.bool_)
    first_rings = part_starts[starts]
    vertices = np.diff(ring_starts[first_rings])
    inside = _are_near(xy, frame)
    good = (vertices > 0) & (vertices <= max_vertices) & (np.diff(starts) > 0)
    good &= _all_within(inside, ring_starts[first_rings])
    rings = _good_rings(kinds, xy, ring_starts, first_rings)
    good &= _all_within(rings, first_rings) & (np.diff(first_rings) > 0) & (kinds >= _POINT) & (kinds <= _MULTI_POLYGON)
    good &= _parts_have_rings(part_starts, starts)
    areas = np.flatnonzero(good & (kinds >= _POLYGON))
    good[areas] = False
    for some in _in_blocks(areas[~_are_dear(areas, shapes, vertices)], vertices):
        good[some] = _are_valid(some, shapes)
    return good


def too_far(shapes: Shapes, *, frame: Size | None, max_vertices: int) -> Mask:
    """Tell which geometries `check_geometry` refuses for certain because a position lies too far outside.

    Their first ring, which is looked at first, has nothing else against it by then. Others may be refused for the same
    reason. The parameters are those of `passing`.
    """
    kinds, xy, ring_starts = shapes.kinds, shapes.xy, shapes.ring_starts
    found = np.zeros(len(kinds), np.bool_)
    inside = _are_near(xy, frame)
    if inside.all():
        return found
    first_rings = shapes.part_starts[shapes.starts]
    rows = np.flatnonzero((np.diff(first_rings) > 0) & (kinds >= _POINT) & (kinds <= _MULTI_POLYGON))
    first, end = ring_starts[first_rings[rows]], ring_starts[first_rings[rows] + 1]
    least = np.where(kinds[rows] >= _POLYGON, 3, np.where(kinds[rows] >= _LINE, 2, 1))
    outside = np.concatenate(([0], np.cumsum(~inside)))
    found[rows] = (end - first >= least) & (end - first <= max_vertices) & (outside[end] > outside[first])
    return found


def _are_near(xy: npt.NDArray[np.float64], frame: Size | None) -> Mask:
    # Written so that NaN fails as well.
    near = np.abs(xy) <= farthest(frame)
    return np.asarray(near[:, 0] & near[:, 1])


def _all_within(values: Mask, offsets: Ints) -> Mask:
    """Tell of each run whether all its values are true; one without values has none that is not."""
    wrong = np.concatenate(([0], np.cumsum(~values)))
    return np.asarray(wrong[offsets[1:]] == wrong[offsets[:-1]])


def _good_rings(
    kinds: npt.NDArray[np.uint8], xy: npt.NDArray[np.float64], ring_starts: Ints, first_rings: Ints
) -> Mask:
    """Tell of each ring whether it has as many positions as its geometry's type asks for, and is closed or no point."""
    kind = np.repeat(kinds, np.diff(first_rings))
    lengths, first = np.diff(ring_starts), ring_starts[:-1]
    least = np.where(kind >= _POLYGON, 4, np.where(kind >= _LINE, 2, 1))
    good = np.asarray(lengths >= least)
    ends = np.minimum(first, len(xy) - 1), np.maximum(ring_starts[1:] - 1, 0)
    x, y = xy[:, 0], xy[:, 1]
    closed = (x[ends[0]] == x[ends[1]]) & (y[ends[0]] == y[ends[1]])
    good &= closed | (kind < _POLYGON)
    if not ((kind >= _LINE) & (kind < _POLYGON)).any():
        return good
    moves = np.zeros(len(xy), np.bool_)
    moves[1:] = (x[1:] != x[:-1]) | (y[1:] != y[:-1])
    moves[first[lengths > 0]] = False
    moved = np.concatenate(([0], np.cumsum(moves)))
    has_length = moved[ring_starts[1:]] > moved[first]
    return np.asarray(good & (has_length | (kind < _LINE) | (kind >= _POLYGON)))


def _parts_have_rings(part_starts: Ints, starts: Ints) -> Mask:
    return _all_within(np.diff(part_starts) > 0, starts)


def _in_blocks(rows: Ints, vertices: Ints) -> Iterator[Ints]:
    """Cut rows into blocks of so few vertices that none holds up others for long."""
    if not len(rows):
        return
    block = np.cumsum(vertices[rows]) // _VERTICES_AT_ONCE
    yield from np.split(rows, np.flatnonzero(np.diff(block)) + 1)


def _are_dear(rows: Ints, shapes: Shapes, vertices: Ints) -> Mask:
    """Tell which of some polygons could take too long to check; they are refused one by one."""
    dear = np.zeros(len(rows), np.bool_)
    for place in np.flatnonzero(vertices[rows] > FEW_POSITIONS).tolist():
        first, end = shapes.part_starts[shapes.starts[rows[place] : rows[place] + 2]]
        ring_starts = shapes.ring_starts[first : end + 1]
        try:
            effort(shapes.xy[ring_starts[0] : ring_starts[-1]], ring_starts - ring_starts[0]).require_check()
        except TooLarge:
            dear[place] = True
    return dear


def _are_valid(rows: Ints, shapes: Shapes) -> Mask:
    """Ask shapely about polygons whose rings are closed; single ones too as multipolygons, which changes no verdict."""
    some = _some(shapes, rows)
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.MULTIPOLYGON, some.xy, (some.ring_starts, some.part_starts, some.starts)
    )
    return np.asarray(are_valid(polygons) & (shapely.area(polygons) > 0))


def _runs(offsets: Ints, wanted: Ints) -> tuple[Ints, Ints]:
    """Give the members of some runs, and the offsets of these runs among them."""
    lengths = offsets[wanted + 1] - offsets[wanted]
    fresh = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    return np.arange(fresh[-1]) + np.repeat(offsets[wanted] - fresh[:-1], lengths), fresh
