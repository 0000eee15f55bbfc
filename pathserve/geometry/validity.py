"""The geometry gate: what a GeoJSON geometry must be before anything is done with it.

Nothing about a valid geometry changes: ring start and direction, further numbers of a position, foreign members and
the coordinates themselves stay exactly as they came in.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from pathserve.errors import Invalid, PathServeError, TooLarge, Unsupported
from pathserve.geometry.frames import Size
from pathserve.geometry.repair import Rings, effort_of, repair

MAX_COORDINATE = 1e9
"""Largest coordinate, in level-0 pixels, when no slide is known."""

FRAME_FACTOR = 10
"""A coordinate may lie this many times the slide's longer side away from its corner."""

CLOSED_NOTE = "A ring was not closed; its first position was repeated at its end."
FORCED_NOTE = (
    "The outline crossed itself; a repair was forced that lost more than 1 % of its area; it was kept as drawn."
)
REPAIRED_NOTE = "The outline crossed or touched itself; it was repaired, and the outline as drawn was kept."

OUT_OF_RANGE = "out_of_range"
TOO_FAR = "A coordinate is not finite or lies too far outside the slide."

Bounds = tuple[float, float, float, float]
Coordinates = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CheckedGeometry:
    """A geometry that passed the gate.

    Parameters
    ----------
    geometry
        GeoJSON geometry object in level-0 pixels; the very object that came in unless it was repaired.
    drawn
        The geometry as it came in when it was repaired, otherwise None.
    repaired
        Whether anything had to be changed.
    note
        One sentence on what was changed, or None.
    bounds
        ``(x0, y0, x1, y1)`` in level-0 pixels.
    area
        Square level-0 pixels; 0 for points and lines.
    """

    geometry: Mapping[str, Any]
    drawn: Mapping[str, Any] | None
    repaired: bool
    note: str | None
    bounds: Bounds
    area: float


class _Reader:
    """Reads coordinates against the limits and counts their vertices.

    Parameters
    ----------
    limit
        Largest absolute value of a coordinate.
    max_vertices
        Most vertices of the whole geometry.
    may_repair, force
        Whether outlines that are not valid may be repaired, and at any loss.
    """

    def __init__(self, limit: float, max_vertices: int, may_repair: bool, force: bool) -> None:
        self._limit = limit
        self.may_repair = may_repair
        self.force = force
        self._max_vertices = max_vertices
        self._vertices = 0
        self.closed = False
        self.xy: list[Coordinates] = []

    def positions(self, value: object, least: int = 1) -> Coordinates:
        """Read an array of positions into an array (n, 2)."""
        positions = _array(value)
        if len(positions) < least:
            raise Invalid(f"At least {least} positions are needed here.", code="too_few_positions")
        self._vertices += len(positions)
        if self._vertices > self._max_vertices:
            raise TooLarge(f"A geometry may have at most {self._max_vertices:,} vertices.", code="too_many_vertices")
        xy = _numbers(positions)
        # Written so that NaN fails as well.
        if not np.all(np.abs(xy) <= self._limit):
            raise Invalid(TOO_FAR, code=OUT_OF_RANGE)
        self.xy.append(xy)
        return xy

    def ring(self, value: object) -> tuple[Sequence[Any], Coordinates]:
        """Read one ring, and close it when it is open."""
        ring = _array(value)
        xy = self.positions(ring, least=3)
        if not np.array_equal(xy[0], xy[-1]):
            self.closed = True
            ring, xy = [*ring, ring[0]], np.concatenate([xy, xy[:1]])
        if len(xy) < 4:
            raise Invalid("A ring needs at least four positions, the last one equal to the first.", code="short_ring")
        return ring, xy

    def polygon(self, value: object) -> tuple[list[Sequence[Any]], Rings]:
        """Read the rings of one polygon, shell first."""
        rings = [self.ring(ring) for ring in _array(value)]
        if not rings:
            raise Invalid("A polygon needs at least one ring.", code="empty_geometry")
        return [ring for ring, _ in rings], [xy for _, xy in rings]

    @property
    def bounds(self) -> Bounds:
        """Bounds of everything that was read."""
        xy = self.xy[0] if len(self.xy) == 1 else np.concatenate(self.xy)
        (x0, y0), (x1, y1) = xy.min(axis=0).tolist(), xy.max(axis=0).tolist()
        return x0, y0, x1, y1


def check_geometry(
    geometry: Mapping[str, Any],
    *,
    frame: Size | None,
    max_vertices: int,
    may_repair: bool = True,
    force: bool = False,
) -> CheckedGeometry:
    """Let a geometry pass, repair it, or refuse it.

    Parameters
    ----------
    geometry
        GeoJSON geometry object: Point, MultiPoint, LineString, MultiLineString, Polygon, MultiPolygon, or a
        GeometryCollection with exactly one such member, which is unwrapped.
    frame
        Level-0 size of the slide: coordinates may lie at most ten times its longer side away. None: at most
        `MAX_COORDINATE`.
    max_vertices
        Most vertices.
    may_repair
        False refuses what would have to be repaired.
    force
        True keeps a repair that loses more than 1 % of the area as drawn.

    Returns
    -------
    The geometry with its bounds and area. Memory: a few times the input.

    Raises
    ------
    Invalid
        When it breaks a rule and cannot be repaired.
    Unsupported
        When it is a GeometryCollection of several members.
    TooLarge
        When it has too many vertices, or could take too long to check or to repair, or must not be repaired.
    """
    if not isinstance(geometry, Mapping):
        raise Invalid("A geometry must be a JSON object.", code="not_a_geometry")
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        return _check_collection(geometry, frame=frame, max_vertices=max_vertices, may_repair=may_repair, force=force)
    check = _CHECKS.get(kind) if isinstance(kind, str) else None
    if check is None:
        raise Invalid("This is not a GeoJSON geometry.", code="not_a_geometry")
    return check(geometry, _Reader(farthest(frame), max_vertices, may_repair, force))


def check_many(
    geometries: Iterable[Mapping[str, Any]],
    *,
    frame: Size | None,
    max_vertices: int,
    may_repair: Callable[[], bool],
    force: bool = False,
) -> Iterator[CheckedGeometry | PathServeError]:
    """Do with many what `check_geometry` does with each, GEOS being asked about all of them at once.

    Memory: a few times the input.

    Parameters
    ----------
    may_repair
        Asked before each repair.
    """
    read = list[_Polygons | CheckedGeometry | PathServeError]()
    for geometry in geometries:
        try:
            if isinstance(geometry, Mapping) and geometry.get("type") in ("Polygon", "MultiPolygon"):
                read.append(_read_polygons(geometry, _Reader(farthest(frame), max_vertices, True, force)))
            else:
                read.append(
                    check_geometry(
                        geometry, frame=frame, max_vertices=max_vertices, may_repair=may_repair(), force=force
                    )
                )
        except PathServeError as error:
            read.append(error)
    verdicts = iter(_verdicts([item for item in read if isinstance(item, _Polygons)]))
    for item in read:
        try:
            yield item.judge(*next(verdicts), may_repair()) if isinstance(item, _Polygons) else item
        except PathServeError as error:
            yield error


def farthest(frame: Size | None) -> float:
    """Give the largest coordinate that is taken, on both sides of 0."""
    return MAX_COORDINATE if frame is None else float(FRAME_FACTOR * max(frame.width, frame.height))


def _check_collection(
    geometry: Mapping[str, Any], *, frame: Size | None, max_vertices: int, may_repair: bool, force: bool
) -> CheckedGeometry:
    """Unwrap a collection of one geometry; any other is refused."""
    members = geometry.get("geometries")
    if not isinstance(members, list | tuple) or len(members) != 1:
        raise Unsupported("A GeometryCollection is taken only with exactly one member.", code="geometry_collection")
    member = members[0]
    if not isinstance(member, Mapping) or member.get("type") == "GeometryCollection":
        raise Unsupported("A GeometryCollection is taken only with one plain geometry.", code="geometry_collection")
    checked = check_geometry(member, frame=frame, max_vertices=max_vertices, may_repair=may_repair, force=force)
    return CheckedGeometry(
        geometry=checked.geometry,
        drawn=geometry,
        repaired=True,
        note="A GeometryCollection of one geometry was replaced by that geometry.",
        bounds=checked.bounds,
        area=checked.area,
    )


def _check_points(geometry: Mapping[str, Any], reader: _Reader) -> CheckedGeometry:
    coordinates = geometry.get("coordinates")
    reader.positions([coordinates] if geometry["type"] == "Point" else coordinates)
    return CheckedGeometry(geometry, None, False, None, reader.bounds, 0.0)


def _check_lines(geometry: Mapping[str, Any], reader: _Reader) -> CheckedGeometry:
    coordinates = geometry.get("coordinates")
    lines = [coordinates] if geometry["type"] == "LineString" else _array(coordinates)
    if not lines:
        raise Invalid("A line needs at least two positions.", code="empty_geometry")
    for line in lines:
        xy = reader.positions(line, least=2)
        if np.all(xy == xy[0]):
            raise Invalid("A line must not have all its positions in one place.", code="no_length")
    return CheckedGeometry(geometry, None, False, None, reader.bounds, 0.0)


@dataclass(frozen=True, slots=True)
class _Polygons:
    """Polygons that were read, and what they are made of."""

    geometry: Mapping[str, Any]
    rings: list[list[Sequence[Any]]]
    parts: list[Rings]
    reader: _Reader

    def judge(self, valid: bool, area: float, may_repair: bool) -> CheckedGeometry:
        """Let them pass, repair or refuse them, now that GEOS has said whether they are valid."""
        geometry, reader = self.geometry, self.reader
        if valid:
            if not area > 0:
                raise Invalid("The outline has no area.", code="no_area")
            if not reader.closed:
                return CheckedGeometry(geometry, None, False, None, reader.bounds, area)
            closed = {**geometry, "coordinates": self.rings[0] if geometry["type"] == "Polygon" else self.rings}
            return CheckedGeometry(closed, geometry, True, CLOSED_NOTE, reader.bounds, area)
        if not may_repair:
            raise TooLarge(
                "The outline crosses itself, like too many others with it: send fewer at once.",
                code="too_many_repairs",
            )
        repaired = repair(self.parts, force=reader.force)
        shape, note = repaired.shape, FORCED_NOTE if repaired.is_forced else REPAIRED_NOTE
        mended = {**geometry, "type": shape.geom_type, "coordinates": _lists(shapely.geometry.mapping(shape))}
        x0, y0, x1, y1 = (float(edge) for edge in shape.bounds)
        return CheckedGeometry(mended, geometry, True, note, (x0, y0, x1, y1), float(shape.area))


def _read_polygons(geometry: Mapping[str, Any], reader: _Reader) -> _Polygons:
    coordinates = geometry.get("coordinates")
    read = [reader.polygon(part) for part in ([coordinates] if geometry["type"] == "Polygon" else _array(coordinates))]
    if not read:
        raise Invalid("A polygon needs at least one ring.", code="empty_geometry")
    parts = [xy for _, xy in read]
    effort_of(parts).require_check()
    return _Polygons(geometry, [rings for rings, _ in read], parts, reader)


def _check_polygons(geometry: Mapping[str, Any], reader: _Reader) -> CheckedGeometry:
    read = _read_polygons(geometry, reader)
    ((valid, area),) = _verdicts([read])
    return read.judge(valid, area, reader.may_repair)


def _verdicts(polygons: Sequence[_Polygons]) -> list[tuple[bool, float]]:
    """Ask GEOS about all of them together: whether each is valid, and its area.

    A call for each of many would let go of the interpreter's lock and take it again so often that other threads, which
    only ask for it when it was held for a while, could wait for very long.
    """
    if not polygons:
        return []
    rings = [ring for read in polygons for part in read.parts for ring in part]
    ends = np.cumsum([0, *map(len, rings)])
    parts = np.cumsum([0, *(len(part) for read in polygons for part in read.parts)])
    wholes = np.cumsum([0, *(len(read.parts) for read in polygons)])
    shapes = shapely.from_ragged_array(shapely.GeometryType.MULTIPOLYGON, np.concatenate(rings), (ends, parts, wholes))
    return list(zip(are_valid(shapes).tolist(), shapely.area(shapes).tolist(), strict=True))


def are_valid(polygons: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Tell which polygons are valid, (N,) bool; one that GEOS cannot tell of, and raises an error instead, is not.

    Edges so small that their products underflow to 0 do that. The error says not whose they are, so the halves are
    asked again.
    """
    try:
        return np.asarray(shapely.is_valid(polygons))
    except shapely.errors.GEOSException:
        half = len(polygons) // 2
        if not half:
            return np.zeros(len(polygons), np.bool_)
        return np.concatenate((are_valid(polygons[:half]), are_valid(polygons[half:])))


_CHECKS: dict[str, Callable[[Mapping[str, Any], _Reader], CheckedGeometry]] = {
    "Point": _check_points,
    "MultiPoint": _check_points,
    "LineString": _check_lines,
    "MultiLineString": _check_lines,
    "Polygon": _check_polygons,
    "MultiPolygon": _check_polygons,
}


def _array(value: object) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise Invalid("The coordinates are not nested as the geometry's type asks for.", code="bad_coordinates")
    return value


def _numbers(positions: Sequence[Any]) -> Coordinates:
    """Read positions into an array (n, 2); every further number of a position must be a finite number too."""
    if not set(map(type, positions)) <= {list, tuple}:
        raise Invalid("The coordinates are not nested as the geometry's type asks for.", code="bad_coordinates")
    lengths = set(map(len, positions))
    if min(lengths) < 2:
        raise Invalid("A position needs at least two numbers.", code="bad_coordinates")
    # Exact types: true and false are no numbers, neither is text.
    if not set(map(type, chain.from_iterable(positions))) <= {int, float}:
        raise Invalid("A position must consist of numbers.", code="bad_coordinates")
    try:
        if lengths == {2}:
            return np.fromiter(chain.from_iterable(positions), np.float64).reshape(-1, 2)
        further = all(math.isfinite(number) for position in positions for number in position[2:])
        xy = np.array([position[:2] for position in positions], dtype=np.float64)
    except OverflowError:
        raise Invalid("A coordinate is not a finite number.", code="out_of_range") from None
    if not further:
        raise Invalid("A coordinate is not a finite number.", code="out_of_range")
    return xy


def _lists(mapping: Mapping[str, Any]) -> list[Any]:
    """Turn the nested tuples of a shapely mapping into the nested lists that JSON gives."""
    coordinates: list[Any] = [
        [[list(position) for position in ring] for ring in part]
        for part in ([mapping["coordinates"]] if mapping["type"] == "Polygon" else mapping["coordinates"])
    ]
    return list(coordinates[0]) if mapping["type"] == "Polygon" else coordinates
