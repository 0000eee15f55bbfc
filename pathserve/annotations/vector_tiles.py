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
from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np
import numpy.typing as npt

from pathserve.annotations.density import BIN_PIXELS, NEAREST, SMALL, Bins, Counts, Whole, choose, longer_sides
from pathserve.labels import Columns

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Value = str | int | bool

EXTENT = 4096
BUFFER = 256
MEDIA_TYPE = "application/vnd.mapbox-vector-tile"

_DRAFT = ("", "draft")
_SCREEN_SHARE = 0.5
_MOST_LOOKED_UP = 1 << 16


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

    def drawn(self, boxes: Floats) -> npt.NDArray[np.bool_]:
        """Tell which objects, given by their (N, 4) boxes, may have a feature in ``objects``."""
        x0, y0, x1, y1 = self.reach
        wanted: npt.NDArray[np.bool_] = (
            (boxes[:, 0] <= x1) & (boxes[:, 2] >= x0) & (boxes[:, 1] <= y1) & (boxes[:, 3] >= y0)
        )
        smallest = self.smallest()
        if smallest:
            wanted &= longer_sides(boxes) >= smallest
        return wanted

    def smallest(self) -> float:
        """Longest box side in level-0 pixels below which an object has no feature here; 0 when all have."""
        return 0.0 if self.downsample < NEAREST else SMALL * self.downsample


@dataclass(frozen=True, slots=True)
class TilePart:
    """Some annotations that a tile may show.

    Parameters
    ----------
    columns
        With numbers and a layer; properties are not looked at.
    boxes
        (N, 4) float64 of all rows of ``columns``.
    rows
        (N,) bool: which rows are wanted; all when None.
    """

    columns: Columns
    boxes: Floats
    rows: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class TileCounts:
    """Counts of one layer for a tile, in any number of pieces; those of rows that no longer hold are negated."""

    layer: str
    pieces: Iterable[Counts]


def encode_tile(
    parts: Iterable[TilePart],
    tile: TileBox,
    counts: Iterable[TileCounts] = (),
    *,
    classes: Collection[str] | None = None,
    states: Collection[str] | None = None,
) -> bytes:
    """Make one tile.

    Parameters
    ----------
    parts
        Annotations that may be in it; what is not, or is counted instead, is left out here.
    tile
        Which tile.
    counts
        What `Summary.tile` and `DensityPyramid.tile` gave for ``tile.bins``.
    classes, states
        Only counts of these; all when None. (Rows of ``parts`` are chosen by who gives them.)

    Returns
    -------
    bytes
        A tile; empty when nothing is in it.
    """
    objects = _Layer("objects")
    for part in parts:
        _put_objects(objects, part, tile)
    density = _Layer("density")
    bins = tile.bins
    if bins is not None:
        _put_counts(density, [(one.layer, choose(one.pieces, classes, states)) for one in counts], tile)
    return objects.encoded() + density.encoded()


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

    def add(self, features: npt.NDArray[np.uint8]) -> None:
        """Take features as a kernel wrote them."""
        if features.size:
            self._features.append(features.tobytes())

    def end(self, values: npt.NDArray[np.uint8]) -> None:
        """Take values as a kernel wrote them; no others may come behind."""
        self._more_values = values.tobytes()

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


def _put_objects(layer: _Layer, part: TilePart, tile: TileBox) -> None:
    columns = part.columns
    wanted = tile.drawn(part.boxes)
    if part.rows is not None:
        wanted &= part.rows
    rows = np.flatnonzero(wanted)
    if not len(rows):
        return
    states = len(columns.state_names)
    looks = (columns.classes[rows].astype(np.int64) * states + columns.states[rows]) * 2 + columns.exhaustive[rows]
    different, tags = np.unique(looks, return_inverse=True)
    packed = [
        layer.tags(_named(columns, look // 2 // states, look // 2 % states, look % 2)) for look in different.tolist()
    ]
    units = EXTENT / tile.side
    tolerance = _SCREEN_SHARE * tile.downsample * units if tile.downsample > 1 else 0.0
    layer.add(
        _kernels().put_objects(
            np.ascontiguousarray(columns.xy, np.float64),
            *(np.ascontiguousarray(starts, np.int64) for starts in _starts(columns)),
            np.ascontiguousarray(columns.kinds, np.uint8),
            np.ascontiguousarray(columns.numbers, np.int64),
            rows,
            tags,
            *_bytes_of(packed),
            np.array([tile.x, tile.y, units, tolerance]),
        )
    )


def _starts(columns: Columns) -> tuple[Ints, Ints, Ints]:
    return columns.ring_starts, columns.part_starts, columns.starts


def _named(columns: Columns, class_index: int, state: int, exhaustive: int) -> dict[str, Value]:
    named: dict[str, Value] = {}
    if class_index >= 0:
        named["class"] = columns.class_names[class_index]
    named["layer"] = columns.layer
    if columns.state_names[state] not in _DRAFT:
        named["state"] = columns.state_names[state]
    if exhaustive:
        named["exhaustive"] = True
    return named


def _put_counts(layer: _Layer, several: Sequence[tuple[str, Counts]], tile: TileBox) -> None:
    """Put counts of some layers, each with its name: one feature for all bins of a class with the same count."""
    packed, looks = list[bytes](), [np.empty(0, np.int64)]
    for name, counts in several:
        classes, tags = _different(counts.classes + 1)
        looks.append(tags + len(packed))
        named: list[dict[str, Value]] = [{"class": counts.class_names[i - 1]} if i else {} for i in classes.tolist()]
        packed += [layer.tags(one | {"layer": name}) + layer.key("count") for one in named]
    if not packed:
        return
    numbers, indices = _different(np.concatenate([counts.counts for _, counts in several]))
    groups = np.concatenate(looks) * len(numbers) + indices
    # Row by row: small steps are few bytes. And 16 bits are sorted ten times as fast.
    order = np.argsort(groups.astype(np.uint16) if groups.max() < 1 << 16 else groups, kind="stable")
    groups = groups[order]
    firsts = np.flatnonzero(np.diff(groups, prepend=-1))
    width = BIN_PIXELS * tile.downsample
    centres = (np.concatenate([counts.bins for _, counts in several])[order] + 0.5) * width - (tile.x, tile.y)
    places = np.rint(centres * (EXTENT / tile.side)).astype(np.int64)
    layer.add(
        _kernels().put_counts(
            np.ascontiguousarray(places[:, 0]),
            np.ascontiguousarray(places[:, 1]),
            np.append(firsts, len(groups)),
            groups[firsts] // len(numbers),
            *_bytes_of(packed),
            groups[firsts] % len(numbers) + layer.values,
        )
    )
    layer.end(_kernels().put_numbers(numbers))


def _different(values: Whole) -> tuple[Ints, Ints]:
    """Give the different ones of whole numbers from 0 on, in order, and the place of each among them."""
    if not len(values) or values.max() > _MOST_LOOKED_UP:
        found, places = np.unique(values, return_inverse=True)
        return found.astype(np.int64), places.astype(np.int64)
    there = np.bincount(values)
    there[there > 0] = 1
    return np.flatnonzero(there), (np.cumsum(there) - 1)[values]


@cache
def _kernels() -> ModuleType:
    """Load machine code when it is first needed: most commands never do."""
    return import_module("pathserve.annotations.kernels")


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
