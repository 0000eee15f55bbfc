"""Mapbox vector tiles (specification 2.1) of annotations, on the grid of a slide's .dzi.

A tile has up to two layers, extent 4096, y down:

``objects``
    One feature for each annotation (for a collection one for each type of geometry in it): ``id`` is its number on the
    slide; tags ``class``, ``layer``, ``state`` (absent when none or draft), ``exhaustive`` (true for such areas).
``density``
    For each class and layer one point at the centre of each bin of 4 screen pixels; tags ``class``, ``layer``,
    ``count``. Bins of the same three are the points of one feature.

Up to a downsample of 8 every object is in ``objects``. Further out an object whose box is under 2.5 screen pixels is in
``density`` alone (see `density`), so each is in exactly one of the two. Shapes are simplified by at most half a screen
pixel, except at full resolution, and cut 256 units outside the tile. What would fall to nothing is drawn as one screen
pixel.

Everything is pure: columns in, bytes out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunks import Attributes
from pathserve.annotations.density import (
    BIN_PIXELS,
    NEAREST,
    SMALL,
    Bins,
    Counts,
    Whole,
    level_0_width,
    some_of,
    summed,
)
from pathserve.labels import Columns
from pathserve.native import kernels_of, places_of

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Value = str | int | bool
_Drawn = tuple[npt.NDArray[Any], ...]

EXTENT = 4096
BUFFER = 256
MEDIA_TYPE = "application/vnd.mapbox-vector-tile"

_DRAFT = ("", "draft")
_SCREEN_SHARE = 0.5
_MOST_LOOKED_UP = 1 << 16
_AT_ONCE = 64
"""So many parts are asked about together."""

_BOXES, _INTS = (np.dtype("f8"), 2), (np.dtype("i8"), 1)
_LOOKED = (_BOXES, (np.dtype("i4"), 1), (np.dtype("i4"), 1), (np.dtype("?"), 1), _INTS, _INTS, _INTS)
_DRAWN = ((np.dtype("f8"), 2), _INTS, _INTS, _INTS, (np.dtype("u1"), 1), _INTS, _BOXES, _INTS, _INTS, _INTS)
"""Types and dimensions of `tile_kernels.Looked` and `tile_kernels.Drawn`."""

_FIRST_ROOM = (1 << 10, 1 << 7, 1 << 12, 1 << 16)
"""Enough for a few dozen cells."""
_POINT_BYTES, _NUMBER_BYTES, _COUNT_BYTES = 20, 16, 128
"""Most bytes of a place, a number as a value and all of a feature but its tags and places, as kernels write them."""


@dataclass(frozen=True, slots=True)
class TileBox:
    """One tile as a square of level-0 pixels; the tiles at a slide's edge are whole squares too.

    Parameters
    ----------
    x, y
        Level-0 pixels of the upper left corner.
    side
        Level-0 pixels of a side.
    downsample
        Level-0 pixels of a screen pixel, a power of two.
    """

    x: float
    y: float
    side: float
    downsample: int

    @classmethod
    def at(cls, z: int, x: int, y: int, *, max_level: int, tile_size: int) -> "TileBox":
        """Give the tile in column x and row y of Deep Zoom level z, of 0 to ``max_level`` (full resolution)."""
        downsample = 1 << (max_level - z)
        side = tile_size * downsample
        return cls(x * side, y * side, side, downsample)

    @property
    def reach(self) -> tuple[float, float, float, float]:
        """Level-0 x0, y0, x1, y1 of all that the tile may show: itself and 256 units around."""
        more = self.side * BUFFER / EXTENT
        return self.x - more, self.y - more, self.x + self.side + more, self.y + self.side + more

    @property
    def bins(self) -> Bins | None:
        """The bins of this tile; None where every object is drawn."""
        if self.downsample < NEAREST:
            return None
        return Bins.of(self.x, self.y, self.side, self.downsample)

    def smallest(self) -> float:
        """Longest box side in level-0 pixels below which an object has no feature here; 0 when all have."""
        return 0.0 if self.downsample < NEAREST else SMALL * self.downsample


@dataclass(frozen=True, slots=True)
class TilePart:
    """Some annotations of one layer that a tile may show.

    Parameters
    ----------
    told
        What is known of them without their shapes.
    shapes
        All of ``told`` with their shapes; None when all of them are too small to be drawn.
    layer
        Name of their layer now.
    rows
        (M,) int64: which rows are wanted.
    """

    told: Attributes
    shapes: Columns | None
    layer: str
    rows: Ints


@dataclass(frozen=True, slots=True)
class TileCounts:
    """Counts of one layer for a tile, in any number of pieces; those of rows that no longer hold are negated."""

    layer: str
    pieces: Iterable[Counts]


def encode_tile(
    parts: Iterable[TilePart],
    tile: TileBox,
    counts: Iterable[TileCounts] | None = None,
    *,
    classes: Collection[str] | None = None,
    states: Collection[str] | None = None,
) -> bytes:
    """Make one tile.

    Parameters
    ----------
    parts
        Annotations that may be in it; what is not is left out here.
    tile
        Which tile.
    counts
        What `Summary.tile` and `DensityPyramid.tile` gave for ``tile.bins``; None when ``parts`` hold all that is to be
        counted too.
    classes, states
        Only counts of these; all when None. (Rows of ``parts`` are chosen by who gives them.)

    Returns
    -------
    bytes
        A tile; empty when nothing is in it.
    """
    objects, density = _Objects(tile), _Density(tile)
    left = iter(parts)
    while some := list(islice(left, _AT_ONCE)):
        for keys in objects.put(some, density):
            if counts is None:
                density.count(keys)
    for one in counts or ():
        for piece in one.pieces:
            density.add(one.layer, piece, classes, states)
    return objects.layer.encoded() + density.encoded()


class _Layer:
    """One layer of a tile that is being put together: its features, and the keys and values that their tags name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._keys: dict[str, int] = {}
        self._values: dict[tuple[type, Value], int] = {}
        self._features: list[bytes] = []
        self._more_values = b""

    @property
    def values(self) -> int:
        """How many values there are by now."""
        return len(self._values)

    def tags(self, named: Mapping[str, Value]) -> bytes:
        """Give the packed tags of a feature (4.4)."""
        return b"".join(self.key(key) + _varint(self.value(value)) for key, value in named.items())

    def key(self, name: str) -> bytes:
        """Give the place of a key, as tags have it."""
        return _varint(self._keys.setdefault(name, len(self._keys)))

    def value(self, value: Value) -> int:
        """Give the place of a value."""
        return self._values.setdefault((type(value), value), len(self._values))

    def add(self, features: bytes) -> None:
        """Take features as a kernel wrote them."""
        if features:
            self._features.append(features)

    def end(self, values: bytes) -> None:
        """Take values as a kernel wrote them; no others may come behind."""
        self._more_values = values

    def encoded(self) -> bytes:
        """Give the layer as field 3 of a tile (4.1); nothing when it has no features."""
        if not self._features:
            return b""
        body = b"".join(
            (
                b"\x78\x02",
                _field(0x0A, self._name.encode()),
                *self._features,
                *(_field(0x1A, key.encode()) for key in self._keys),
                *(_field(0x22, _value(value)) for _, value in self._values),
                self._more_values,
                b"\x28" + _varint(EXTENT),
            )
        )
        return _field(0x1A, body)


class _Room:
    """What a kernel draws in, kept from one part of a tile to the next: a `tile_kernels.Room`."""

    def __init__(self) -> None:
        self._sizes = np.array(_FIRST_ROOM, np.int64)
        self._make()

    def _make(self) -> None:
        clipped, longest, geometry, out = self._sizes.tolist()
        arrays = (
            np.empty((clipped, 2)),
            np.empty((clipped, 2)),
            np.empty((clipped, 2), np.int64),
            np.empty(longest, np.bool_),
            np.empty((longest, 2), np.int64),
            np.empty(2, np.int64),
            np.empty(geometry, np.uint8),
            np.empty(out, np.uint8),
        )
        places = places_of(arrays, ((array.dtype, array.ndim) for array in arrays))
        self._arrays, self._table = arrays, np.array(places, np.int64)

    def written(self, *given: object) -> bytes:
        """Give what `put_objects` writes; there is more room when it needs more."""
        put, sizes = _kernels().put_objects, np.empty(4, np.int64)
        end = put(*given, self._table, sizes)
        if end < 0:
            np.maximum(self._sizes, sizes + sizes // 2, out=self._sizes)
            self._make()
            end = put(*given, self._table, sizes)
        return self._arrays[-1][:end].tobytes()


class _Objects:
    """The layer of what is drawn, as parts come in."""

    def __init__(self, tile: TileBox) -> None:
        self.layer = _Layer("objects")
        units = EXTENT / tile.side
        tolerance = _SCREEN_SHARE * tile.downsample * units if tile.downsample > 1 else 0.0
        self._place = np.array([tile.x, tile.y, units, tolerance])
        self._reach = np.array([*tile.reach, tile.smallest(), level_0_width()])
        bins = tile.bins
        self._grid = np.zeros(5, np.int64) if bins is None else np.array([bins.level, *bins.range], np.int64)
        self._looks: dict[tuple[tuple[str, ...], tuple[str, ...], str], Ints] = {}
        self._tags: list[bytes] = []
        self._packed = _bytes_of([])
        self._room: _Room | None = None

    def put(self, parts: Sequence[TilePart], density: "_Density") -> list[Ints]:
        """Write what is drawn of some parts; gives the keys of what is counted of each."""
        looks = [self._looks_of(part) for part in parts]
        looked = [
            (
                np.ascontiguousarray(part.told.boxes),
                np.ascontiguousarray(part.told.classes, np.int32),
                np.ascontiguousarray(part.told.states, np.int32),
                part.told.exhaustive,
                np.ascontiguousarray(part.rows),
                some,
                density.kinds_of(part),
            )
            for part, some in zip(parts, looks, strict=True)
        ]
        ends = list(accumulate((len(part.rows) for part in parts), initial=0))
        out, found = np.empty((3, ends[-1]), np.int64), np.empty((len(parts), 2), np.int64)
        _kernels().select(_places(looked, _LOOKED), self._reach, self._grid, out, found)
        keys, drawn = list[Ints](), list[_Drawn]()
        for part, some, first, end, (shown, small) in zip(parts, looks, ends, ends[1:], found.tolist(), strict=False):
            if shown and part.shapes is not None:
                rows, tags = out[:2, first : first + shown]
                drawn.append(_drawn(part, part.shapes, rows, tags, some))
            keys.append(out[2, end - small : end])
        if drawn:
            self._make_tags(parts, looks)
            self._room = self._room or _Room()
            self.layer.add(self._room.written(_places(drawn, _DRAWN), *self._packed, self._place))
        return keys

    def _looks_of(self, part: TilePart) -> Ints:
        """Give the tags of each class, state and exhaustive or not; those that are not made yet are -1."""
        told = part.told
        key = told.class_names, told.state_names, part.layer
        known = self._looks.get(key)
        if known is None:
            known = self._looks[key] = np.full((len(told.class_names) + 1) * len(told.state_names) * 2, -1)
        return known

    def _make_tags(self, parts: Sequence[TilePart], looks: Sequence[Ints]) -> None:
        """Make the tags that were missed, in the order of parts."""
        missed = [
            (-2 - int(some[look]), -look)
            for some in {id(some): some for some in looks}.values()
            for look in np.flatnonzero(some < -1).tolist()
        ]
        for n, place in sorted(missed):
            look = -place
            looks[n][look] = len(self._tags)
            states = len(parts[n].told.state_names)
            self._tags.append(self.layer.tags(_named(parts[n], look // 2 // states, look // 2 % states, look % 2)))
        if missed:
            self._packed = _bytes_of(self._tags)


def _drawn(part: TilePart, shapes: Columns, rows: Ints, tags: Ints, looks: Ints) -> _Drawn:
    """Give what is told of a part that is drawn, as `tile_kernels.Drawn` has it."""
    return (
        np.ascontiguousarray(shapes.xy, np.float64),
        *(np.ascontiguousarray(starts, np.int64) for starts in _starts(shapes)),
        np.ascontiguousarray(part.told.kinds, np.uint8),
        np.ascontiguousarray(part.told.numbers, np.int64),
        np.ascontiguousarray(part.told.boxes),
        rows,
        tags,
        looks,
    )


def _places(several: Sequence[tuple[npt.NDArray[Any], ...]], kinds: Sequence[tuple[np.dtype[Any], int]]) -> Ints:
    """Give where arrays lie in memory, which must be kept meanwhile."""
    return np.array([places_of(arrays, kinds) for arrays in several], np.int64)


def _starts(columns: Columns) -> tuple[Ints, Ints, Ints]:
    return columns.ring_starts, columns.part_starts, columns.starts


def _named(part: TilePart, class_index: int, state: int, exhaustive: int) -> dict[str, Value]:
    named: dict[str, Value] = {}
    if class_index < len(part.told.class_names):
        named["class"] = part.told.class_names[class_index]
    named["layer"] = part.layer
    if part.told.state_names[state] not in _DRAFT:
        named["state"] = part.told.state_names[state]
    if exhaustive:
        named["exhaustive"] = True
    return named


class _Density:
    """The layer of what is counted, as counts come in: a key for each says what it is, and in which bin of the tile."""

    def __init__(self, tile: TileBox) -> None:
        self._tile = tile
        self._bins = tile.bins or Bins(0, 0, 0, 0, 0)
        self._kinds: dict[tuple[str | None, str], int] = {}
        self._tables: dict[tuple[tuple[str, ...], str], Ints] = {}
        self._keys: list[Ints] = []
        self._counts: list[Whole] = []

    def kinds_of(self, part: TilePart) -> Ints:
        """Give the number of each class of a part, that of no class last."""
        return self._table(part.told.class_names, part.layer)

    def count(self, keys: Ints) -> None:
        """Count one for each key."""
        if len(keys):
            self._keys.append(keys)
            self._counts.append(np.ones(len(keys), np.int64))

    def add(self, layer: str, counts: Counts, classes: Collection[str] | None, states: Collection[str] | None) -> None:
        """Add counts of a layer, but only those of some classes and states."""
        some, bins = some_of(counts, classes, states), self._bins
        if not len(some.counts):
            return
        kinds = self._table(some.class_names, layer)[some.classes]
        places = (some.bins[:, 1] - bins.y0) * np.int64(bins.across) + (some.bins[:, 0] - bins.x0)
        self._keys.append(kinds * bins.count + places)
        self._counts.append(some.counts)

    def _table(self, class_names: tuple[str, ...], layer: str) -> Ints:
        known = self._tables.get((class_names, layer))
        if known is None:
            numbers = [self._kinds.setdefault((name, layer), len(self._kinds)) for name in (None, *class_names)]
            known = self._tables[class_names, layer] = np.roll(np.array(numbers, np.int64), -1)
        return known

    def encoded(self) -> bytes:
        """Give the layer: one feature for all bins of a class and layer with the same count."""
        if not self._keys:
            return b""
        layer, bins, tile = _Layer("density"), self._bins, self._tile
        keys, sums = summed(np.concatenate(self._keys), np.concatenate(self._counts), len(self._kinds) * bins.count)
        if not len(keys):
            return b""
        kinds, places = np.divmod(keys, bins.count)
        there, tags = _different(kinds)
        numbers, indices = _different(sums)
        groups = tags * len(numbers) + indices
        # Row by row: small steps are few bytes. And 16 bits are sorted ten times as fast.
        order = np.argsort(groups.astype(np.uint16) if groups[-1] < 1 << 16 else groups, kind="stable")
        groups = groups[order]
        firsts = np.flatnonzero(np.diff(groups, prepend=-1))
        named = list(self._kinds)
        packed = [layer.tags(_named_count(*named[kind])) + layer.key("count") for kind in there.tolist()]
        rows, columns = np.divmod(places[order], bins.across)
        width, units = BIN_PIXELS * tile.downsample, EXTENT / tile.side
        xs = np.rint(((columns + (bins.x0 + 0.5)) * width - tile.x) * units).astype(np.int64)
        ys = np.rint(((rows + (bins.y0 + 0.5)) * width - tile.y) * units).astype(np.int64)
        tags, values = np.divmod(groups[firsts], len(numbers))
        layer.add(_points(xs, ys, np.append(firsts, len(groups)), tags, packed, values + layer.values))
        layer.end(_numbers(numbers))
        return layer.encoded()


def _points(xs: Ints, ys: Ints, starts: Ints, tags: Ints, packed: list[bytes], values: Ints) -> bytes:
    """Give features of points, as `put_counts` writes them."""
    tag_bytes, tag_starts = _bytes_of(packed)
    size = int(np.diff(tag_starts)[tags].sum()) + _COUNT_BYTES * len(values) + _POINT_BYTES * len(xs)
    out, mine = np.empty(size, np.uint8), np.empty(len(tag_bytes) + _NUMBER_BYTES, np.uint8)
    geometry = np.empty(_POINT_BYTES * (len(xs) + 1), np.uint8)
    end = _mvt_kernels().put_counts(xs, ys, starts, tags, tag_bytes, tag_starts, values, geometry, mine, out)
    return out[:end].tobytes()


def _numbers(numbers: Ints) -> bytes:
    out = np.empty(_NUMBER_BYTES * len(numbers), np.uint8)
    return out[: _mvt_kernels().put_numbers(numbers, out)].tobytes()


def _named_count(class_name: str | None, layer: str) -> dict[str, Value]:
    return {"layer": layer} if class_name is None else {"class": class_name, "layer": layer}


def _different(values: Whole) -> tuple[Ints, Ints]:
    """Give the different ones of whole numbers from 0 on, in order, and the place of each among them."""
    if not len(values) or values.max() > _MOST_LOOKED_UP:
        found, places = np.unique(values, return_inverse=True)
        return found.astype(np.int64), places.astype(np.int64)
    there = np.bincount(values)
    there[there > 0] = 1
    return np.flatnonzero(there), (np.cumsum(there) - 1)[values]


def _kernels() -> SimpleNamespace:
    """Load machine code when it is first needed: most commands never do."""
    return kernels_of("pathserve.annotations.tile_kernels")


def _mvt_kernels() -> SimpleNamespace:
    return kernels_of("pathserve.annotations.mvt_kernels")


def _bytes_of(pieces: list[bytes]) -> tuple[npt.NDArray[np.uint8], Ints]:
    starts = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
    return np.frombuffer(b"".join(pieces), np.uint8), starts


def _varint(value: int) -> bytes:
    if value < 1 << 7:
        return bytes((value,))
    if value < 1 << 14:
        return bytes((value & 0x7F | 0x80, value >> 7))
    out = bytearray()
    while value >= 1 << 7:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(key: int, body: bytes) -> bytes:
    return bytes((key,)) + _varint(len(body)) + body


def _value(value: Value) -> bytes:
    """Give a value message (4.1): a text, a truth, or a whole number from 0 on."""
    if isinstance(value, str):
        return _field(0x0A, value.encode())
    if isinstance(value, bool):
        return b"\x38" + _varint(int(value))
    return b"\x28" + _varint(value)
