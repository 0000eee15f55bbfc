"""Columns to well-known binary and back: geometry as databases and tables of geometry keep it.

Form: OGC Simple Features Access 1.2.1, 8.2 (and PostGIS' extended form when reading). Coordinates are float64 on both
sides, so that nothing changes on the way.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson
import shapely
import shapely.geometry

from pathserve.formats.contract import GEOMETRY_MEMBERS, Item, Losses
from pathserve.labels import EXHAUSTIVE, Columns, FeatureIssue, GeometryKind, NewAnnotation, Texts
from pathserve.labels.columns import score_of, state_of

Shapes = npt.NDArray[np.object_]

MAX_NESTING = 16
"""Collections may lie this deep within one another."""

_KIND_OF_TYPE = np.array([1, 3, 0, 5, 2, 4, 6, 0], np.uint8)
"""`GeometryKind` by shapely's type; 0 for rings and collections, which go one by one."""

_TYPE_OF_KIND = {
    GeometryKind.POINT: shapely.GeometryType.POINT,
    GeometryKind.MULTI_POINT: shapely.GeometryType.MULTIPOINT,
    GeometryKind.LINE: shapely.GeometryType.LINESTRING,
    GeometryKind.MULTI_LINE: shapely.GeometryType.MULTILINESTRING,
    GeometryKind.POLYGON: shapely.GeometryType.POLYGON,
    GeometryKind.MULTI_POLYGON: shapely.GeometryType.MULTIPOLYGON,
}
_BAD = FeatureIssue(0, "bad_geometry", "The geometry is damaged, empty, or of a kind that PathServe does not hold.")
_LARGE = FeatureIssue(0, "too_many_vertices", "The geometry has too many vertices.")


@dataclass(frozen=True, slots=True)
class Row:
    """What a table says of one annotation beside its geometry."""

    id: UUID | None
    class_name: str | None
    properties: dict[str, Any]


def shapes_of(columns: Columns, losses: Losses) -> Shapes:
    """Give the geometries of N annotations as N shapely geometries.

    Third numbers of positions are kept; further members of a geometry object are not, and are counted.
    """
    shapes = np.empty(len(columns), dtype=object)
    for kind, shape_type in _TYPE_OF_KIND.items():
        rows = np.flatnonzero(columns.kinds == kind)
        if len(rows):
            some = columns if len(rows) == len(columns) else columns.take(rows)
            shapes[rows] = shapely.from_ragged_array(shape_type, some.xy, _offsets(kind, some))
    for row, text in columns.geometries.items():
        geometry = orjson.loads(text)
        if len(geometry) > 2:
            losses.note(*GEOMETRY_MEMBERS)
        shapes[row] = shapely.geometry.shape(geometry)
    return shapes


def _offsets(kind: GeometryKind, columns: Columns) -> tuple[npt.NDArray[np.int64], ...] | None:
    match kind:
        case GeometryKind.POINT:
            return None
        case GeometryKind.LINE | GeometryKind.MULTI_POINT:
            return (columns.ring_starts,)
        case GeometryKind.MULTI_LINE | GeometryKind.POLYGON:
            rings = columns.part_starts if kind is GeometryKind.POLYGON else columns.starts
            return columns.ring_starts, rings
        case _:
            return columns.ring_starts, columns.part_starts, columns.starts


def read_wkb(blobs: Sequence[bytes | None]) -> Shapes:
    """Read well-known binary; None for what is damaged, or nested so deeply that reading it is a danger."""
    safe = [blob if blob is not None and _is_shallow(blob) else None for blob in blobs]
    shapes: Shapes = shapely.from_wkb(np.array([*safe, None], dtype=object)[:-1], on_invalid="ignore")
    return shapes


def items_of(shapes: Shapes, rows: Sequence[Row | FeatureIssue], max_vertices: int) -> Iterator[Item]:
    """Put geometries and rows together, in their order.

    Parameters
    ----------
    shapes
        (N,) shapely geometries, None where there is none.
    rows
        What else is known of each, or why it is refused.

    Yields
    ------
    Columns, as long as possible; what they do not take (collections, positions of three numbers) one by one.
    """
    kinds = _KIND_OF_TYPE[shapely.get_type_id(shapes)]
    # -1, no geometry, is the table's last place.
    bad = shapely.is_empty(shapes) | shapely.is_missing(shapes)
    large = shapely.get_num_coordinates(shapes) > max_vertices
    refused = np.array([isinstance(row, FeatureIssue) for row in rows], np.bool_)
    single = (kinds == 0) | shapely.has_z(shapes) | bad | large | refused
    cuts = np.flatnonzero(np.diff(single) | single[1:]) + 1
    for first, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(rows)], strict=True):
        if first == end:
            continue
        if not single[first]:
            yield _columns(shapes[first:end], kinds[first:end], rows[first:end])
            continue
        row = rows[first]
        if isinstance(row, FeatureIssue):
            yield row
        elif bad[first] or large[first]:
            yield _BAD if bad[first] else _LARGE
        else:
            geometry = _plain(shapely.geometry.mapping(shapes[first]))
            yield NewAnnotation(geometry, row.id, row.class_name, properties=row.properties)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    """Turn the tuples of shapely's mapping into lists, and a ring into the line that it is."""
    if isinstance(value, dict):
        plain = {key: _plain(part) for key, part in value.items()}
        return {**plain, "type": "LineString"} if plain.get("type") == "LinearRing" else plain
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value


def _columns(shapes: Shapes, kinds: npt.NDArray[np.uint8], given: Sequence[Row | FeatureIssue]) -> Columns:
    rows = [row for row in given if isinstance(row, Row)]
    count = len(rows)
    whole = kinds == GeometryKind.MULTI_POINT
    parts, owner = shapely.get_parts(shapes, return_index=True)
    some = ~shapely.is_empty(parts)
    parts, owner = parts[some], owner[some]
    if whole.any():
        # A run of points is one part; all other members are parts of their own.
        keep = ~whole[owner]
        order = np.concatenate((owner[keep], np.flatnonzero(whole)))
        parts = np.concatenate((parts[keep], shapes[whole]))[np.argsort(order, kind="stable")]
        owner = np.sort(order, kind="stable")
    polygon = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    rings, ring_part = shapely.get_rings(parts[polygon], return_index=True)
    some = ~shapely.is_empty(rings)
    rings, ring_part = rings[some], ring_part[some]
    ring_part = np.concatenate((np.flatnonzero(polygon)[ring_part], np.flatnonzero(~polygon)))
    order = np.argsort(ring_part, kind="stable")
    rings = np.concatenate((rings, parts[~polygon]))[order]
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    return columns_of(
        rows,
        kinds=kinds,
        xy=xy,
        ring_starts=_starts(ring, len(rings)),
        part_starts=_starts(ring_part, len(parts)),
        starts=_starts(owner, count),
    )


def columns_of(
    rows: Sequence[Row],
    *,
    kinds: npt.NDArray[np.uint8],
    xy: npt.NDArray[np.float64],
    ring_starts: npt.NDArray[np.int64],
    part_starts: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
) -> Columns:
    """Put rows and geometry that is in arrays already, as `Columns` has it, together."""
    count = len(rows)
    classes, states = _indices([row.class_name for row in rows]), _indices([_state(row) for row in rows])
    ids = b"".join(row.id.bytes if row.id else bytes(16) for row in rows)
    return Columns(
        ids=np.frombuffer(ids, np.uint8).reshape(count, 16),
        numbers=np.zeros(count, np.int64),
        revisions=np.zeros(count, np.int64),
        firsts=np.zeros(count, np.int64),
        kinds=kinds,
        classes=classes[0],
        class_names=classes[1],
        states=states[0],
        state_names=states[1],
        scores=np.array([score_of(row.properties) for row in rows], np.float64),
        exhaustive=np.array([bool(row.properties.get(EXHAUSTIVE)) for row in rows], np.bool_),
        xy=xy,
        ring_starts=ring_starts,
        part_starts=part_starts,
        starts=starts,
        properties=Texts.of(orjson.dumps(row.properties) if row.properties else b"" for row in rows),
    )


def _state(row: Row) -> str:
    return state_of(row.properties, "draft")


def _indices(names: Sequence[str | None]) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    table: dict[str, int] = {}
    found = [-1 if name is None else table.setdefault(name, len(table)) for name in names]
    return np.array(found, np.int32), tuple(table)


def _starts(owner: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    """Give the offsets of what belongs to each of ``count``."""
    return np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=count)))).astype(np.int64)


_MEMBERS = {4: (1,), 5: (2,), 6: (3,), 7: (1, 2, 3, 4, 5, 6, 7)}
_SRID = 0x20000000


def _is_shallow(blob: bytes) -> bool:
    """Tell whether well-known binary can be read without recursing deeply: GEOS has no limit of its own."""
    if len(blob) < 5 or blob[1 if blob[0] else 4] % 8 not in _MEMBERS:
        return len(blob) >= 5
    try:
        return _walk(blob)
    except (struct.error, KeyError):
        return False


def _walk(blob: bytes) -> bool:
    place, open_members = 0, [1]
    allowed: list[tuple[int, ...]] = [tuple(range(1, 8))]
    while open_members:
        if not open_members[-1]:
            open_members.pop()
            allowed.pop()
            continue
        open_members[-1] -= 1
        order = "<" if blob[place : place + 1] == b"\x01" else ">"
        (code,) = struct.unpack_from(f"{order}I", blob, place + 1)
        place += 9 if code & _SRID else 5
        kind = code % 1000 & 7
        if kind not in allowed[-1] or len(open_members) > MAX_NESTING:
            return False
        if kind in _MEMBERS:
            (count,) = struct.unpack_from(f"{order}I", blob, place)
            place += 4
            open_members.append(count)
            allowed.append(_MEMBERS[kind])
        else:
            place = _after(blob, place, order, kind, _width(code))
    return True


def _width(code: int) -> int:
    """Give the bytes of one position."""
    extended = bool(code & 0x80000000) + bool(code & 0x40000000)
    return 8 * (2 + extended + (0, 1, 1, 2)[(code & 0xFFFFFFF) // 1000 % 4])


def _after(blob: bytes, place: int, order: str, kind: int, width: int) -> int:
    """Give the place behind a point, a line or a polygon."""
    if kind == 1:
        return place + width
    count: int = struct.unpack_from(f"{order}I", blob, place)[0]
    place += 4
    if kind == 2:
        return place + count * width
    for _ in range(count):
        positions: int = struct.unpack_from(f"{order}I", blob, place)[0]
        place += 4 + positions * width
    return place
