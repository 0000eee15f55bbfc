"""Ellipses, rectangles and curves as rings of positions, and whether a ring still is what somebody drew.

Level-0 pixels; angles in degrees, from the x axis towards the y axis (clockwise on a screen, where y grows down).
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from pathserve.errors import Invalid

TOLERANCE = 0.1
"""Pixels by which a curve may differ from its polygon."""

ELLIPSE = "ellipse"
"""Property that keeps the ellipse of which the polygon was made: ``{center, radii, rotation}``, as the file has it."""

SHAPE = "shape"
"""Property that keeps what a geometry is drawn as: ``"rectangle"``, ``"arrow"``, ``"ruler"``, ``"spline"``, ..."""

_MOST_SEGMENTS = 65_536
_FEWEST_SEGMENTS = 16

Ring = list[list[float]]


def ellipse_ring(x: float, y: float, rx: float, ry: float, rotation: float = 0.0) -> Ring:
    """Make the closed ring of an ellipse; its vertices lie on it, its edges within `TOLERANCE`.

    Raises
    ------
    Invalid
        When a number is not finite or a radius is not above 0.
    """
    if not all(map(math.isfinite, (x, y, rx, ry, rotation))) or rx <= 0 or ry <= 0:
        raise Invalid("An ellipse needs finite numbers and radii above 0.", code="bad_ellipse")
    count = _segments(max(rx, ry))
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    ring = []
    for index in range(count):
        u, v = rx * math.cos(2 * math.pi * index / count), ry * math.sin(2 * math.pi * index / count)
        ring.append([x + u * cos - v * sin, y + u * sin + v * cos])
    ring.append(list(ring[0]))
    return ring


def ellipse_property(x: float, y: float, rx: float, ry: float, rotation: float = 0.0) -> dict[str, Any]:
    """Give the value of the property `ELLIPSE`."""
    return {"center": [x, y], "radii": [rx, ry], "rotation": rotation}


def ellipse_of(
    properties: Mapping[str, Any], geometry: Mapping[str, Any]
) -> tuple[float, float, float, float, float] | None:
    """Give (x, y, rx, ry, rotation) when a polygon still is what its property `ELLIPSE` says; else None."""
    value = properties.get(ELLIPSE)
    if geometry.get("type") != "Polygon" or len(geometry["coordinates"]) != 1 or not isinstance(value, Mapping):
        return None
    try:
        (x, y), (rx, ry), rotation = value["center"], value["radii"], value["rotation"]
        found = float(x), float(y), float(rx), float(ry), float(rotation)
        ring = ellipse_ring(*found)
    except (KeyError, TypeError, ValueError, Invalid):
        return None
    return found if _same(ring, geometry["coordinates"][0]) else None


def rectangle_ring(x: float, y: float, width: float, height: float, rotation: float = 0.0) -> Ring:
    """Make the closed ring of a rectangle around its centre (x, y)."""
    corners = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5))
    if rotation == 0:
        return [[x + u * width, y + v * height] for u, v in corners]
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    return [[x + u * width * cos - v * height * sin, y + u * width * sin + v * height * cos] for u, v in corners]


def box_ring(x0: float, y0: float, x1: float, y1: float) -> Ring:
    """Make the closed ring of a box from two opposite corners, which stay what they are."""
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]


def box_of(properties: Mapping[str, Any], geometry: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Give (x0, y0, x1, y1) when a polygon was drawn as a rectangle and still is what `box_ring` makes of these."""
    if properties.get(SHAPE) != "rectangle" or geometry.get("type") != "Polygon" or len(geometry["coordinates"]) != 1:
        return None
    ring = [list(position) for position in geometry["coordinates"][0]]
    if len(ring) != 5:
        return None
    x0, y0, x1, y1 = float(ring[0][0]), float(ring[0][1]), float(ring[2][0]), float(ring[2][1])
    return (x0, y0, x1, y1) if ring == box_ring(x0, y0, x1, y1) else None


def close_ring(ring: Ring) -> Ring:
    """Repeat the first position at the end, if it is not there."""
    return [*ring, list(ring[0])] if ring and ring[0] != ring[-1] else ring


def open_ring(ring: Ring) -> Ring:
    """Leave out the repeated last position."""
    return ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring


def bezier(points: Sequence[Sequence[float]]) -> Ring:
    """Flatten a quadratic or cubic Bezier curve (3 or 4 control points) within `TOLERANCE`, without its first point.

    The number of equal steps follows from the largest second difference of the control points (Wang's formula).
    """
    degree = len(points) - 1
    bend = max(
        math.hypot(a[0] - 2 * b[0] + c[0], a[1] - 2 * b[1] + c[1])
        for a, b, c in zip(points, points[1:], points[2:], strict=False)
    )
    if not math.isfinite(bend):
        raise Invalid("A curve needs finite numbers.", code="bad_curve")
    steps = min(max(math.ceil(math.sqrt(degree * (degree - 1) / 8 * bend / TOLERANCE)), 1), _MOST_SEGMENTS)
    return [_on_curve(points, step / steps) for step in range(1, steps)] + [list(points[-1])]


def spline(points: Sequence[Sequence[float]]) -> Ring:
    """Flatten a closed uniform Catmull-Rom spline through ``points`` within `TOLERANCE`; the ring is closed."""
    if len(points) < 3:
        return close_ring([list(point) for point in points])
    ring: Ring = [list(points[0])]
    count = len(points)
    for index in range(count):
        before, start, end, after = (points[(index + step) % count] for step in (-1, 0, 1, 2))
        first = [start[axis] + (end[axis] - before[axis]) / 6 for axis in (0, 1)]
        second = [end[axis] - (after[axis] - start[axis]) / 6 for axis in (0, 1)]
        ring += bezier((start, first, second, end))
    return ring


def _on_curve(points: Sequence[Sequence[float]], t: float) -> list[float]:
    """Give the position at ``t`` by de Casteljau's scheme."""
    current = [(float(point[0]), float(point[1])) for point in points]
    while len(current) > 1:
        current = [(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for a, b in pairwise(current)]
    return [current[0][0], current[0][1]]


def _segments(radius: float) -> int:
    """Give how many edges, a multiple of four, keep within `TOLERANCE` of a circle: sagitta r (1 - cos(pi / n))."""
    ratio = 1 - TOLERANCE / radius if radius > 2 * TOLERANCE else 0.5
    count = math.ceil(math.pi / math.acos(ratio)) if ratio < 1 else _MOST_SEGMENTS
    return min(max(-(-count // 4) * 4, _FEWEST_SEGMENTS), _MOST_SEGMENTS)


def _same(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> bool:
    return len(first) == len(second) and all(
        abs(a[0] - b[0]) <= 1e-6 and abs(a[1] - b[1]) <= 1e-6 for a, b in zip(first, second, strict=True)
    )
