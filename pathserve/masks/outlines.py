"""Geometries taken apart into arrays: vertices, rings, polygon parts and the geometry that each part belongs to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from pathserve.errors import Invalid
from pathserve.labels import Columns
from pathserve.labels.columns import areal_rings
from pathserve.masks.axis import MAX_COORDINATE, Floats, Integers

Geometry = Mapping[str, Any] | BaseGeometry
Geometries = Sequence[Geometry] | npt.NDArray[np.object_] | Columns
"""GeoJSON geometry objects, shapely geometries, or both; or the rows of columns, whose arrays are taken as they are."""

_POLYGON = 3


@dataclass(frozen=True, slots=True)
class Outlines:
    """The polygons of many geometries; points and lines have no area and leave nothing here.

    Parameters
    ----------
    xy
        Vertices, array (n, 2) of (x, y), ring after ring; a ring's last vertex may repeat its first.
    following
        Array (n,): index of the vertex that follows along the ring. Edge k runs from vertex k to ``following[k]``.
    part
        Array (n,): polygon that the vertex belongs to, ascending.
    owner
        Array (parts,): geometry that the polygon belongs to, ascending.
    """

    xy: Floats
    following: Integers
    part: Integers
    owner: Integers


def outlines_of(geometries: Geometries) -> Outlines:
    """Take geometries apart.

    Parameters
    ----------
    geometries
        GeoJSON geometry objects or shapely geometries, or both; or columns.

    Returns
    -------
    Their outlines; about 50 bytes a vertex.

    Raises
    ------
    Invalid
        When something is no geometry or a coordinate is not finite or beyond `MAX_COORDINATE`.
    """
    if isinstance(geometries, Columns):
        xy, lengths, ring_part, owner = _from_columns(geometries)
    elif len(geometries) and all(isinstance(geometry, BaseGeometry) for geometry in geometries):
        xy, lengths, ring_part, owner = _from_shapely(np.array(geometries, dtype=object))
    else:
        xy, lengths, ring_part, owner = _from_mappings(geometries)
    if not np.all(np.abs(xy) <= MAX_COORDINATE):  # written so that NaN fails as well
        raise Invalid("A coordinate is not finite or is out of range.")
    ends = np.cumsum(lengths)
    following = np.arange(1, len(xy) + 1)
    some = lengths > 0
    following[ends[some] - 1] = (ends - lengths)[some]
    return Outlines(xy=xy, following=following, part=np.repeat(ring_part, lengths), owner=owner)


_Arrays = tuple[Floats, Integers, Integers, Integers]


def _from_columns(columns: Columns) -> _Arrays:
    """Give vertices, ring lengths, polygon of each ring and annotation of each polygon."""
    part_owner = np.repeat(np.arange(len(columns)), np.diff(columns.starts))
    ring_part = np.repeat(np.arange(len(part_owner)), np.diff(columns.part_starts))
    lengths = np.diff(columns.ring_starts)
    rings = areal_rings(columns)
    parts = np.zeros(len(part_owner), np.bool_)
    parts[ring_part[rings]] = True
    place = np.cumsum(parts) - 1
    return columns.xy[np.repeat(rings, lengths)], lengths[rings], place[ring_part[rings]], part_owner[parts]


def _from_shapely(geometries: npt.NDArray[np.object_]) -> _Arrays:
    """Give vertices, ring lengths, polygon of each ring and geometry of each polygon."""
    parts, owner = shapely.get_parts(geometries, return_index=True)
    # Once more, for multipolygons within a collection.
    parts, outer = shapely.get_parts(parts, return_index=True)
    polygons = shapely.get_type_id(parts) == _POLYGON
    rings, ring_part = shapely.get_rings(parts[polygons], return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    lengths = np.bincount(ring, minlength=len(rings))
    return xy, lengths, ring_part.astype(np.int64), owner[outer][polygons].astype(np.int64)


def _from_mappings(geometries: Sequence[Geometry] | npt.NDArray[np.object_]) -> _Arrays:
    """Do the same for GeoJSON geometry objects."""
    positions: list[Sequence[float]] = []
    lengths: list[int] = []
    ring_part: list[int] = []
    owner: list[int] = []
    for index, geometry in enumerate(geometries):
        for polygon in _polygons(geometry):
            part = len(owner)
            owner.append(index)
            for ring in polygon:
                positions.extend(ring)
                lengths.append(len(ring))
                ring_part.append(part)
    return _vertices(positions), np.array(lengths, np.int64), np.array(ring_part, np.int64), np.array(owner, np.int64)


def _polygons(geometry: Geometry) -> Iterator[Sequence[Sequence[Sequence[float]]]]:
    """Walk through the polygons of one geometry."""
    mapping = shapely.geometry.mapping(geometry) if isinstance(geometry, BaseGeometry) else geometry
    try:
        kind = mapping["type"]
        if kind == "Polygon":
            yield mapping["coordinates"]
        elif kind == "MultiPolygon":
            yield from mapping["coordinates"]
        elif kind == "GeometryCollection":
            for member in mapping["geometries"]:
                yield from _polygons(member)
        elif kind not in ("Point", "MultiPoint", "LineString", "MultiLineString"):
            raise Invalid("This is not a GeoJSON or shapely geometry.")
    except (KeyError, TypeError):
        raise Invalid("This is not a GeoJSON or shapely geometry.") from None


def _vertices(positions: list[Sequence[float]]) -> Floats:
    """Turn positions of two or more numbers into an array (n, 2)."""
    try:
        if set(map(len, positions)) <= {2}:
            return np.fromiter(chain.from_iterable(positions), np.float64, count=2 * len(positions)).reshape(-1, 2)
        return np.array([(position[0], position[1]) for position in positions], dtype=np.float64)
    except (IndexError, TypeError, ValueError, OverflowError):
        raise Invalid("The coordinates of a geometry are not positions of finite numbers.") from None
