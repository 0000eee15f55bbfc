"""Many annotations as arrays: what bulk import, chunks, vector tiles, masks and export work on.

Building an object per cell costs more than anything else that is done with a million cells, so nothing on those paths
does. One annotation has one or more parts, a part one or more rings (a polygon's shell and its holes; a line; a run of
points), a ring a run of positions.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import chain
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.labels.texts import Texts
from pathserve.labels.values import EXHAUSTIVE, Color, NewAnnotation

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class GeometryKind(IntEnum):
    """Type of a GeoJSON geometry, as one byte."""

    POINT = 1
    MULTI_POINT = 2
    LINE = 3
    MULTI_LINE = 4
    POLYGON = 5
    MULTI_POLYGON = 6
    COLLECTION = 7


GEOJSON_TYPES: Mapping[GeometryKind, str] = {
    GeometryKind.POINT: "Point",
    GeometryKind.MULTI_POINT: "MultiPoint",
    GeometryKind.LINE: "LineString",
    GeometryKind.MULTI_LINE: "MultiLineString",
    GeometryKind.POLYGON: "Polygon",
    GeometryKind.MULTI_POLYGON: "MultiPolygon",
    GeometryKind.COLLECTION: "GeometryCollection",
}
_KINDS = {name: kind for kind, name in GEOJSON_TYPES.items()}

Rings = list[list[Sequence[float]]]

_AT_ONCE = 64

_CLOSED = 4
"""Fewest positions of a closed ring (RFC 7946, 3.1.6)."""


@dataclass(frozen=True, slots=True)
class Columns:
    """N annotations of one layer as arrays; row i of every array is annotation i.

    Parameters
    ----------
    ids
        (N, 16) uint8: the bytes of each UUID; all zero where the store shall make one.
    numbers, revisions, firsts
        (N,) int64: number on the slide, revision of this version, revision of the first one; 0 when not stored yet.
    kinds
        (N,) uint8, `GeometryKind`.
    classes
        (N,) int32: index into ``class_names``, -1 for none.
    states
        (N,) int32: index into ``state_names``.
    scores
        (N,) float64, NaN for none.
    exhaustive
        (N,) bool: marked as exhaustively annotated areas (what exactly is marked stands in ``properties``).
    xy
        (V, 2) float64 positions in level-0 pixels, as they came in.
    ring_starts
        (R + 1,) int64: ring r has the positions ``xy[ring_starts[r]:ring_starts[r + 1]]``; closed rings repeat their
        first position.
    part_starts
        (P + 1,) int64: part p has the rings ``part_starts[p]`` to ``part_starts[p + 1]``.
    starts
        (N + 1,) int64: annotation i has the parts ``starts[i]`` to ``starts[i + 1]``.
    properties
        N JSON objects (UTF-8), as `NewAnnotation.properties` has them; ``b""`` means ``{}``. They hold state, score and
        exhaustive too, as they came in: the arrays are what questions look at.
    geometries
        Row -> GeoJSON geometry (UTF-8) of those that the arrays cannot give back whole: collections, positions of more
        than two numbers, foreign members. Their arrays hold what can be drawn of them.
    drawn
        Row -> GeoJSON geometry (UTF-8) as drawn, of those that were repaired.
    layer
        Name of their layer; empty when not stored yet.
    """

    ids: npt.NDArray[np.uint8]
    numbers: Ints
    revisions: Ints
    firsts: Ints
    kinds: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.int32]
    class_names: tuple[str, ...]
    states: npt.NDArray[np.int32]
    state_names: tuple[str, ...]
    scores: Floats
    exhaustive: npt.NDArray[np.bool_]
    xy: Floats
    ring_starts: Ints
    part_starts: Ints
    starts: Ints
    properties: Texts
    geometries: Mapping[int, bytes] = field(default_factory=dict)
    drawn: Mapping[int, bytes] = field(default_factory=dict)
    layer: str = ""

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays and texts."""
        arrays = sum(value.nbytes for name in self.__slots__ if isinstance(value := getattr(self, name), np.ndarray))
        texts = chain(self.geometries.values(), self.drawn.values())
        return arrays + self.properties.nbytes + sum(map(len, texts))

    def identified(self) -> npt.NDArray[np.bool_]:
        """Tell (N,) which have an id."""
        halves = np.ascontiguousarray(self.ids).view(np.uint64)
        found: npt.NDArray[np.bool_] = (halves[:, 0] | halves[:, 1]) != 0
        return found

    def first_positions(self) -> Ints:
        """Give (N + 1,) int64: annotation i has the positions ``xy[p[i]:p[i + 1]]``."""
        positions: Ints = self.ring_starts[self.part_starts[self.starts]]
        return positions

    def boxes(self) -> Floats:
        """Give (N, 4) float64: x0, y0, x1, y1 of each; every annotation has a position."""
        if not len(self):
            return np.empty((0, 4))
        first = self.first_positions()[:-1]
        low, high = np.minimum.reduceat(self.xy, first), np.maximum.reduceat(self.xy, first)
        return np.concatenate((low, high), axis=1)

    def geometry(self, row: int) -> dict[str, Any]:
        """Give one geometry as a GeoJSON object, with the numbers that came in."""
        return next(self._some_geometries(row, row + 1))

    def new_annotation(self, row: int, *, colors: Mapping[str, Color] | None = None) -> NewAnnotation:
        """Give one row as a single value."""
        return next(self._some_annotations(row, row + 1, colors or {}))

    def new_annotations(self, *, colors: Mapping[str, Color] | None = None) -> Iterator[NewAnnotation]:
        """Give every row as a single value, a few of them made out of the arrays at once."""
        for first in range(0, len(self), _AT_ONCE):
            yield from self._some_annotations(first, min(first + _AT_ONCE, len(self)), colors or {})

    def _some_annotations(self, first: int, end: int, colors: Mapping[str, Color]) -> Iterator[NewAnnotation]:
        names = (*self.class_names, None)  # the last one is that of -1
        classes, ids = self.classes[first:end].tolist(), self.ids[first:end].tobytes()
        for row, (index, geometry) in enumerate(zip(classes, self._some_geometries(first, end), strict=True), first):
            drawn, name = self.drawn.get(row), names[index]
            identity = ids[16 * (row - first) : 16 * (row - first + 1)]
            yield NewAnnotation(
                geometry=geometry,
                id=UUID(bytes=identity) if any(identity) else None,
                class_name=name,
                class_color=colors.get(name or ""),
                properties=orjson.loads(self.properties[row] or b"{}"),
                drawn=None if drawn is None else orjson.loads(drawn),
            )

    def _some_geometries(self, first: int, end: int) -> Iterator[dict[str, Any]]:
        starts = self.starts[first : end + 1]
        part_starts = self.part_starts[starts[0] : starts[-1] + 1]
        ring_starts = self.ring_starts[part_starts[0] : part_starts[-1] + 1]
        xy = self.xy[ring_starts[0] : ring_starts[-1]].tolist()
        shape_at, part_at, ring_at = ((some - some[0]).tolist() for some in (starts, part_starts, ring_starts))
        for place, kind in enumerate(self.kinds[first:end].tolist()):
            whole = self.geometries.get(first + place)
            if whole is not None:
                yield orjson.loads(whole)
                continue
            parts = [
                [xy[ring_at[ring] : ring_at[ring + 1]] for ring in range(part_at[part], part_at[part + 1])]
                for part in range(shape_at[place], shape_at[place + 1])
            ]
            yield {"type": GEOJSON_TYPES[kind], "coordinates": _coordinates(kind, parts)}

    def take(self, rows: npt.NDArray[Any]) -> "Columns":
        """Give some rows (indices, or a mask of N) in the order asked for."""
        wanted = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64, copy=False)
        if len(wanted) == len(self) and np.array_equal(wanted, np.arange(len(self))):
            return self
        if len(self.ring_starts) == len(self.starts):  # one ring each
            starts = part_starts = np.arange(len(wanted) + 1)
            rings = wanted
        else:
            parts, starts = _gather(self.starts, wanted)
            rings, part_starts = _gather(self.part_starts, parts)
        positions, ring_starts = _gather(self.ring_starts, rings)
        # `take` is many times faster than an index array where a row is more than one number.
        places = list(enumerate(wanted.tolist())) if self.geometries or self.drawn else []
        return Columns(
            ids=self.ids.take(wanted, axis=0),
            numbers=self.numbers.take(wanted, axis=0),
            revisions=self.revisions.take(wanted, axis=0),
            firsts=self.firsts.take(wanted, axis=0),
            kinds=self.kinds.take(wanted, axis=0),
            classes=self.classes.take(wanted, axis=0),
            class_names=self.class_names,
            states=self.states.take(wanted, axis=0),
            state_names=self.state_names,
            scores=self.scores.take(wanted, axis=0),
            exhaustive=self.exhaustive.take(wanted, axis=0),
            xy=self.xy.take(positions, axis=0),
            ring_starts=ring_starts,
            part_starts=part_starts,
            starts=starts,
            properties=self.properties.take(wanted),
            geometries={new: self.geometries[old] for new, old in places if old in self.geometries},
            drawn={new: self.drawn[old] for new, old in places if old in self.drawn},
            layer=self.layer,
        )

    @classmethod
    def of(cls, annotations: Sequence[NewAnnotation], *, default_state: str = "draft") -> "Columns":
        """Put single annotations, which have passed the geometry gate, into columns."""
        classes, states = _Names(), _Names()
        count = len(annotations)
        shapes = [_parts(item.geometry) for item in annotations]
        parts = [part for _, shape, _ in shapes for part in shape]
        rings = [ring for part in parts for ring in part]
        return cls(
            ids=np.frombuffer(b"".join(_id_bytes(item.id) for item in annotations), np.uint8).reshape(count, 16),
            numbers=np.zeros(count, np.int64),
            revisions=np.zeros(count, np.int64),
            firsts=np.zeros(count, np.int64),
            kinds=np.array([kind for kind, _, _ in shapes], np.uint8),
            classes=np.array([classes.index(item.class_name) for item in annotations], np.int32),
            states=np.array([states.index(state_of(item.properties, default_state)) for item in annotations], np.int32),
            class_names=classes.all,
            state_names=states.all,
            scores=np.array([score_of(item.properties) for item in annotations], np.float64),
            exhaustive=np.array([bool(item.properties.get(EXHAUSTIVE)) for item in annotations], np.bool_),
            xy=np.array([position[:2] for ring in rings for position in ring], np.float64).reshape(-1, 2),
            ring_starts=_offsets(map(len, rings)),
            part_starts=_offsets(map(len, parts)),
            starts=_offsets(len(shape) for _, shape, _ in shapes),
            properties=Texts.of(orjson.dumps(item.properties) if item.properties else b"" for item in annotations),
            geometries={
                row: orjson.dumps(annotations[row].geometry) for row, (_, _, whole) in enumerate(shapes) if not whole
            },
            drawn={row: orjson.dumps(item.drawn) for row, item in enumerate(annotations) if item.drawn is not None},
        )

    @classmethod
    def join(cls, several: Sequence["Columns"]) -> "Columns":
        """Put the rows of several columns of one layer (at least one) one after another."""
        classes, states = _Names(), _Names()
        bases = np.cumsum([0, *map(len, several)])
        return cls(
            ids=np.concatenate([c.ids for c in several]),
            numbers=np.concatenate([c.numbers for c in several]),
            revisions=np.concatenate([c.revisions for c in several]),
            firsts=np.concatenate([c.firsts for c in several]),
            kinds=np.concatenate([c.kinds for c in several]),
            classes=np.concatenate([classes.translate(c.class_names, c.classes) for c in several]),
            class_names=classes.all,
            states=np.concatenate([states.translate(c.state_names, c.states) for c in several]),
            state_names=states.all,
            scores=np.concatenate([c.scores for c in several]),
            exhaustive=np.concatenate([c.exhaustive for c in several]),
            xy=np.concatenate([c.xy for c in several]),
            ring_starts=_join_offsets([c.ring_starts for c in several]),
            part_starts=_join_offsets([c.part_starts for c in several]),
            starts=_join_offsets([c.starts for c in several]),
            properties=Texts.join([c.properties for c in several]),
            geometries={
                int(base) + row: v for base, c in zip(bases, several, strict=False) for row, v in c.geometries.items()
            },
            drawn={int(base) + row: v for base, c in zip(bases, several, strict=False) for row, v in c.drawn.items()},
            layer=several[0].layer,
        )


def areas(columns: Columns) -> Floats:
    """Measure every annotation, in square level-0 pixels.

    Returns
    -------
    Floats
        (N,) float64: areas of the shells less those of their holes by the shoelace formula; 0 for points and lines.
        Closed rings of collections count. Rounded to float32, so that an area is the same number wherever it is kept.
    """
    first, end = columns.ring_starts[:-1], columns.ring_starts[1:]
    if not len(first):
        return np.zeros(len(columns))
    ring_of = np.repeat(np.arange(len(first)), end - first)
    row_of = np.repeat(np.arange(len(columns)), np.diff(columns.part_starts[columns.starts]))
    with np.errstate(over="ignore", invalid="ignore"):
        # From each ring's own first position: far from the origin the products would eat the digits.
        x, y = (values - values[first][ring_of] for values in columns.xy.T)
        cross = np.zeros(len(x))
        np.subtract(x[:-1] * y[1:], y[:-1] * x[1:], out=cross[:-1])
        cross[end - 1] = 0.0
        # `bincount` adds one after another, so that machine code which does the same gives the same number.
        rings = np.abs(np.bincount(ring_of, cross)) / 2
        shells = np.zeros(len(first), np.bool_)
        shells[columns.part_starts[:-1]] = True
        signed = np.where(shells, rings, -rings)
        signed[~areal_rings(columns)] = 0.0
        sums = np.bincount(row_of, signed)
        single = np.clip(np.nan_to_num(sums), 0.0, np.finfo(np.float32).max).astype(np.float32)
    found: Floats = single.astype(np.float64)
    return found


def areal_rings(columns: Columns) -> npt.NDArray[np.bool_]:
    """Tell which rings enclose an area: those of polygons, and closed ones of collections."""
    kinds = np.repeat(columns.kinds, np.diff(columns.part_starts[columns.starts]))
    first, end = columns.ring_starts[:-1], columns.ring_starts[1:]
    x, y = columns.xy[:, 0], columns.xy[:, 1]
    closed = (end - first >= _CLOSED) & (x[first] == x[end - 1]) & (y[first] == y[end - 1])
    polygons = (kinds == GeometryKind.POLYGON) | (kinds == GeometryKind.MULTI_POLYGON)
    areal: npt.NDArray[np.bool_] = polygons | ((kinds == GeometryKind.COLLECTION) & closed)
    return areal


def state_of(properties: Mapping[str, Any], default: str) -> str:
    """Read the review state out of properties."""
    state = properties.get("state")
    return state if isinstance(state, str) else default


def score_of(properties: Mapping[str, Any]) -> float:
    """Read the score out of properties; NaN when there is none."""
    score = properties.get("score")
    return float(score) if isinstance(score, int | float) and not isinstance(score, bool) else float("nan")


class _Names:
    """Texts and their indices, in the order in which they were first met."""

    def __init__(self) -> None:
        self._indices: dict[str, int] = {}

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(self._indices)

    def index(self, name: str | None) -> int:
        return -1 if name is None else self._indices.setdefault(name, len(self._indices))

    def translate(self, names: Sequence[str], indices: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        table = np.array([*(self.index(name) for name in names), -1], np.int32)
        return table[indices]


def _id_bytes(identity: UUID | None) -> bytes:
    return bytes(16) if identity is None else identity.bytes


def _offsets(lengths: Iterable[int]) -> Ints:
    return np.cumsum(np.fromiter(chain((0,), lengths), np.int64))


def _join_offsets(several: Sequence[Ints]) -> Ints:
    lengths = np.concatenate([np.diff(offsets) for offsets in several])
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def _gather(offsets: Ints, wanted: Ints) -> tuple[Ints, Ints]:
    """Give the members of the runs ``wanted`` and the offsets of these runs among them."""
    begins = offsets.take(wanted)
    lengths = offsets.take(wanted + 1) - begins
    fresh = np.zeros(len(wanted) + 1, np.int64)
    np.cumsum(lengths, out=fresh[1:])
    members = np.repeat(begins - fresh[:-1], lengths)
    members += np.arange(len(members))
    return members, fresh


def _coordinates(kind: GeometryKind, parts: list[Rings]) -> Any:  # noqa: ANN401 - depth goes by kind
    match kind:
        case GeometryKind.POINT:
            return parts[0][0][0]
        case GeometryKind.MULTI_POINT | GeometryKind.LINE:
            return parts[0][0]
        case GeometryKind.MULTI_LINE:
            return [part[0] for part in parts]
        case GeometryKind.POLYGON:
            return parts[0]
        case _:
            return parts


def _parts(geometry: Mapping[str, Any]) -> tuple[GeometryKind, list[Rings], bool]:
    """Take a geometry apart; tells also whether kind and positions are all that it has."""
    kind = _KINDS[geometry["type"]]
    if kind is GeometryKind.COLLECTION:
        return kind, [part for member in geometry["geometries"] for part in _member_parts(member)], False
    coordinates = geometry["coordinates"]
    match kind:
        case GeometryKind.POINT:
            parts = [[[coordinates]]]
        case GeometryKind.MULTI_POINT | GeometryKind.LINE:
            parts = [[coordinates]]
        case GeometryKind.MULTI_LINE:
            parts = [[line] for line in coordinates]
        case GeometryKind.POLYGON:
            parts = [coordinates]
        case _:
            parts = coordinates
    plain = len(geometry) == 2 and all(len(position) == 2 for part in parts for ring in part for position in ring)
    return kind, parts, plain


def _member_parts(member: Mapping[str, Any]) -> list[Rings]:
    """Give the parts of a collection's member; points are a part each, for several positions may be those of a line."""
    kind, parts, _ = _parts(member)
    return [[[position]] for position in parts[0][0]] if kind is GeometryKind.MULTI_POINT else parts
