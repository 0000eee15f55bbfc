"""Which rows of some columns a question asks for, by arrays: no annotation is looked at by itself unless it must be."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise, repeat
from threading import get_ident
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pathserve.annotations.chunks import Attributes
from pathserve.annotations.gathering import loaded_kernels
from pathserve.annotations.query import MAX_POLYGON_POSITIONS, AnnotationQuery, Box
from pathserve.errors import Invalid
from pathserve.labels import Columns, GeometryKind
from pathserve.native import places_of

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

_FEWEST = 3
_BOXES = (np.dtype(np.float64), 2)


def needs_columns(query: AnnotationQuery) -> bool:
    """Tell whether attributes alone cannot answer the question."""
    return query.polygon is not None or query.where is not None or bool(query.text)


def needs_properties(query: AnnotationQuery) -> bool:
    """Tell whether properties are asked for."""
    return bool(query.text) or (query.where is not None and query.where.reads_properties)


def asks_for_box_alone(query: AnnotationQuery) -> bool:
    """Tell whether a box is all that attributes are asked about: what a viewport asks."""
    plain = AnnotationQuery(query.slide, query.bbox, layers=query.layers, as_of=query.as_of)
    return query.bbox is not None and query == plain


def rows_in_box(several: Sequence[npt.NDArray[np.float64]], box: Box) -> list[Rows]:
    """Give of each of some (N, 4) boxes the rows that meet a half-open one."""
    kernels = loaded_kernels()
    if kernels is None:
        return [_meets(boxes, box).nonzero()[0] for boxes in several]
    places = np.array(places_of(several, repeat(_BOXES)), np.int64).reshape(-1, 3)
    rows, ends = np.empty(sum(map(len, several)), np.int64), np.empty(len(several), np.int64)
    kernels.meet(places, *box, rows, ends)
    return [rows[first:end] for first, end in pairwise((0, *ends.tolist()))]


def match_attributes(query: AnnotationQuery, found: Attributes, authored: frozenset[int] | None) -> Mask:
    """Ask everything that attributes answer.

    Parameters
    ----------
    authored
        Revisions of the authors that are asked for; None when every author is.

    Returns
    -------
    Mask (N,).
    """
    mask = np.ones(len(found), np.bool_) if query.bbox is None else _meets(found.boxes, query.bbox)
    if query.polygon is not None:
        mask &= _meets(found.boxes, polygon_of(query.polygon).bounds, closed=True)
    for wanted, names, indices in (
        (query.classes, found.class_names, found.classes),
        (query.states, found.state_names, found.states),
    ):
        if wanted:
            mask &= _named(wanted, names, indices)
    _keep_between(mask, found.scores, query.min_score, query.max_score)
    _keep_between(mask, found.areas, query.min_area, query.max_area)
    if query.exhaustive_only:
        mask &= found.exhaustive
    if query.numbers:
        mask &= np.isin(found.numbers, np.array(query.numbers, np.int64))
    if query.ids:
        asked = np.frombuffer(b"".join(i.bytes for i in query.ids), np.uint8).reshape(-1, 16)
        mask &= np.isin(id_keys(found.ids), id_keys(asked))
    if authored is not None:
        mask &= np.isin(found.revisions, np.array(sorted(authored), np.int64))
    return mask


def match_columns(query: AnnotationQuery, columns: Columns, rows: Rows, authors: Mapping[int, str]) -> Rows:
    """Keep those of some rows that also hold what only geometry, properties and filter expressions tell.

    Parameters
    ----------
    authors
        Author by revision, for a filter that asks for them.
    """
    if query.polygon is not None and len(rows):
        area = _prepared(polygon_of(query.polygon), get_ident())
        rows = rows[shapely.intersects(area, shapes_of(columns.take(rows)))]
    if query.text and len(rows):
        rows = _with_text(query.text, columns.properties, rows)
    if query.where is not None and len(rows):
        rows = rows[query.where.mask(columns.take(rows), authors)]
    return rows


def id_keys(ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.bytes_]:
    """See (N, 16) bytes as (N,) values that sort and compare whole."""
    return np.ascontiguousarray(ids).view("S16").reshape(len(ids))


def polygon_of(positions: Sequence[tuple[float, float]]) -> BaseGeometry:
    """Make the area of a ring of positions; one that crosses itself encloses what it goes around.

    Raises
    ------
    Invalid
        When it has fewer than 3 or more than 10,000 positions, or encloses nothing.
    """
    return _polygon_of(tuple((float(x), float(y)) for x, y in positions))


@lru_cache(maxsize=16)
def _polygon_of(positions: tuple[tuple[float, float], ...]) -> BaseGeometry:
    if not _FEWEST <= len(positions) <= MAX_POLYGON_POSITIONS or not np.isfinite(positions).all():
        raise Invalid(f"A polygon to search in has {_FEWEST} to {MAX_POLYGON_POSITIONS:,} finite positions.")
    area: BaseGeometry = shapely.Polygon(positions)
    if not area.is_valid:
        area = shapely.make_valid(area, method="structure", keep_collapsed=False)
    if area.is_empty or not area.area:
        raise Invalid("A polygon to search in encloses an area.")
    return area


@lru_cache(maxsize=64)
def _prepared(area: BaseGeometry, _thread: int) -> BaseGeometry:
    """Prepare a copy for one thread alone: GEOS makes the indexes of a prepared area when they are first asked for."""
    own: BaseGeometry = shapely.from_wkb(shapely.to_wkb(area))
    shapely.prepare(own)
    return own


def shapes_of(columns: Columns) -> npt.NDArray[np.object_]:
    """Give the annotations as shapely geometries, (N,)."""
    shapes = np.empty(len(columns), object)
    for kind in np.unique(columns.kinds):
        rows = np.flatnonzero(columns.kinds == kind)
        if kind == GeometryKind.COLLECTION:
            shapes[rows] = [_collection(columns, row) for row in rows.tolist()]
        else:
            shapes[rows] = _ragged(GeometryKind(int(kind)), columns.take(rows))
    return shapes


_RAGGED = {
    GeometryKind.POINT: shapely.GeometryType.POINT,
    GeometryKind.MULTI_POINT: shapely.GeometryType.MULTIPOINT,
    GeometryKind.LINE: shapely.GeometryType.LINESTRING,
    GeometryKind.MULTI_LINE: shapely.GeometryType.MULTILINESTRING,
    GeometryKind.POLYGON: shapely.GeometryType.POLYGON,
    GeometryKind.MULTI_POLYGON: shapely.GeometryType.MULTIPOLYGON,
}


def _ragged(kind: GeometryKind, c: Columns) -> npt.NDArray[np.object_]:
    """Build all geometries of one kind at once; offsets go from the innermost to the outermost."""
    positions = c.first_positions()
    match kind:
        case GeometryKind.POINT:
            points: npt.NDArray[np.object_] = np.asarray(shapely.points(c.xy[positions[:-1]]), object)
            return points
        case GeometryKind.MULTI_POINT | GeometryKind.LINE:
            offsets: tuple[Any, ...] = (positions,)
        case GeometryKind.MULTI_LINE:
            offsets = (c.ring_starts, c.part_starts[c.starts])
        case GeometryKind.POLYGON:
            offsets = (c.ring_starts, c.part_starts[c.starts])
        case _:
            offsets = (c.ring_starts, c.part_starts, c.starts)
    built: npt.NDArray[np.object_] = shapely.from_ragged_array(_RAGGED[kind], c.xy, offsets)
    return built


def _collection(columns: Columns, row: int) -> BaseGeometry:
    if row in columns.geometries:
        return shape(orjson.loads(columns.geometries[row]))
    # Without its text, what can be drawn of it: a ring each.
    first, end = columns.part_starts[columns.starts[row]], columns.part_starts[columns.starts[row + 1]]
    rings = [columns.xy[columns.ring_starts[r] : columns.ring_starts[r + 1]] for r in range(first, end)]
    return shapely.GeometryCollection([_of_ring(ring) for ring in rings])


def _of_ring(ring: npt.NDArray[np.float64]) -> BaseGeometry:
    if len(ring) == 1:
        return shapely.Point(ring[0])
    closed = len(ring) > _FEWEST and bool((ring[0] == ring[-1]).all())
    return shapely.Polygon(ring) if closed else shapely.LineString(ring)


def _meets(boxes: npt.NDArray[np.float64], box: Sequence[float], *, closed: bool = False) -> Mask:
    x0, y0, x1, y1 = box
    if closed:
        x1, y1 = float(np.nextafter(x1, np.inf)), float(np.nextafter(y1, np.inf))
    # Half-open like every region; a box without extent (a point on the left edge) still counts.
    found: Mask = (boxes[:, 0] < x1) & (boxes[:, 2] >= x0) & (boxes[:, 1] < y1) & (boxes[:, 3] >= y0)
    return found


def _keep_between(mask: Mask, values: npt.NDArray[Any], low: float | None, high: float | None) -> None:
    if low is not None:
        mask &= values >= low
    if high is not None:
        mask &= values <= high


def _named(wanted: Sequence[str], names: Sequence[str], indices: npt.NDArray[np.int32]) -> Mask:
    table = np.array([*(name in wanted for name in names), False], np.bool_)
    found: Mask = table[indices]
    return found


def _with_text(text: str, properties: Sequence[bytes], rows: Rows) -> Rows:
    wanted = text.casefold()
    plain = orjson.dumps(wanted)[1:-1].decode()  # as it stands in JSON that escapes no more than it must

    def found(row: int) -> bool:
        raw = properties[row].decode("utf-8", "replace")
        # Most rows end here: a text is in the JSON as it is, or some of it is escaped.
        if plain not in raw.casefold() and "\\" not in raw:
            return False
        return any(wanted in each.casefold() for each in _texts(orjson.loads(raw or "{}")))

    return rows[np.fromiter(map(found, rows.tolist()), np.bool_, len(rows))]


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Give every text of a JSON value; names of members are none."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
