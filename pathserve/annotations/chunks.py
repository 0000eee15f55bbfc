"""About a thousand neighbouring annotations as one block of bytes, and back, exactly.

Layout, version 2, little-endian::

    4s   magic "PSac"
    u16  version
    u16  0
    u32  annotations N
    u32  parts P
    u32  rings R
    u32  positions V
    3 x (u32 stored bytes, u32 bytes when unpacked, u32 CRC-32C of the stored bytes)
    u32  CRC-32C of all of the above
    then the three sections, each one zstd frame, in the order attributes, geometry, JSON

Attributes (what lists, counts and sorting ask for)
    one text (JSON): ``{"classes": [...], "states": [...], "layer": "..."}``; 16 N bytes of ids; integers: numbers,
    revisions and firsts (each as difference to the row above), kinds, classes, states, exhaustive; numbers: scores,
    then boxes (integers: x0 and y0 of each as difference to the row above; integers: widths and heights), then N
    float32 areas.
Geometry
    integers: parts of each annotation, rings of each part, positions of each ring; u8: 1 when every ring ends
    where it starts, so that last positions are left out; numbers: the positions, x and y in turn, in these parts:
    integers: the first of each ring, as difference to the first of the ring before; far steps, their places among the
    steps and integers that tell them; integers: the steps, from each position of a ring to the next, 0 for a far one.
    Far are steps of more than 16 bits, unless they are more than one in 16: so a few of them do not make all wider.
JSON
    integers: lengths of the N properties; u8 form of the properties: 0 as they are; 1 and 2 with their decimal numbers
    taken out (see `json_numbers`): a text, then for 1 the numbers as a text, for 2 u32 how many, u32 stride, and the
    numbers in the order `json_numbers.by_column`; u32 number of whole geometries, their rows (integers), a text each;
    the same for the geometries as drawn.

`packing` has the form of integers, numbers and texts. Chunks of version 1 are read too (`first_form`); what is written
is of version 2.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from types import SimpleNamespace
from typing import Any, NamedTuple

import google_crc32c
import imagecodecs
import numpy as np
import numpy.typing as npt
import orjson

from pathserve.annotations import first_form, json_numbers
from pathserve.annotations.chunk_shapes import Shapes, loaded_kernels, unpack_shapes
from pathserve.annotations.packing import Packer, Unpacker, damaged
from pathserve.errors import Unsupported
from pathserve.labels import Columns, GeometryKind, Texts
from pathserve.labels.columns import areas

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

VERSION = 2
MAX_ROWS = 1 << 20
"""Most annotations that one chunk can hold."""

_MAGIC = b"PSac"
_HEAD = struct.Struct("<4sHH4I9I")
_CRC = struct.Struct("<I")
_ATTRIBUTES, _GEOMETRY, _JSON = range(3)
_LEVEL = 3
_AS_TEXT, _AS_FLOATS = 1, 2
_TOLD = (np.int64, np.int64, np.int64, np.uint8, np.int32, np.int32, np.bool_, np.float64)
"""Of `Attributes`, what stands between ids and boxes."""

_Told = tuple[npt.NDArray[Any], ...]
_NEAR_BITS = 16
_MOST_FAR = 1 / 16
_MANY_BYTES = 256
"""Above so many bytes of properties an annotation, their numbers are taken out."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a chunk tells of its N annotations without their shapes; read-only arrays, as in `Columns`.

    Parameters
    ----------
    boxes
        (N, 4) float64: x0, y0, x1, y1 in level-0 pixels, exactly those of the positions.
    areas
        (N,) float32 square level-0 pixels, as `labels.columns.areas` has them.
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
    boxes: Floats
    areas: npt.NDArray[np.float32]
    layer: str

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        values = (getattr(self, item.name) for item in fields(self))
        return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


@dataclass(frozen=True, slots=True)
class _Section:
    start: int
    stored: int
    raw: int
    crc: int


class Chunk:
    """An encoded chunk; each section is checked and unpacked when it is asked for, and nothing is kept.

    Parameters
    ----------
    data
        What `encode_chunk` gave. Its first `attributes_end` bytes are enough for `attributes`, its first `geometry_end`
        bytes for `columns` without properties.
    more
        Its second and third part, where ``data`` is the first alone.

    Raises
    ------
    Corrupt
        When the head is damaged; the methods raise it for their sections.
    Unsupported
        When it is of a version that this program does not know.
    """

    def __init__(self, data: bytes, *more: bytes) -> None:
        if len(data) < _HEAD.size + _CRC.size:
            raise damaged()
        head = data[: _HEAD.size]
        magic, version, _, rows, parts, rings, positions, *sections = _HEAD.unpack(head)
        if magic != _MAGIC or _CRC.unpack_from(data, _HEAD.size)[0] != google_crc32c.value(head):
            raise damaged()
        form = _FORMS.get(version)
        if form is None:
            raise Unsupported(
                "Another version of PathServe stored these annotations, in a form that this one cannot read."
            )
        self._data, self._more, self._form = data, more, form
        self._rows, self._parts, self._rings, self._positions = rows, parts, rings, positions
        starts = accumulate(sections[0:6:3], initial=_HEAD.size + _CRC.size)
        self._sections = [_Section(start, *sections[3 * place : 3 * place + 3]) for place, start in enumerate(starts)]

    def __len__(self) -> int:
        return int(self._rows)

    @property
    def attributes_end(self) -> int:
        """Bytes from the start of the chunk that hold its attributes."""
        section = self._sections[_ATTRIBUTES]
        return section.start + section.stored

    @property
    def geometry_end(self) -> int:
        """Bytes from the start of the chunk that hold attributes and geometry."""
        section = self._sections[_GEOMETRY]
        return section.start + section.stored

    def attributes(self) -> Attributes:
        """Unpack the attributes alone."""
        source, count = Unpacker(self._section(_ATTRIBUTES)), self._rows
        class_names, state_names, layer = _names(source.text())
        ids = source.bytes_of(16 * count).reshape(count, 16)
        kernels = loaded_kernels() if self._form.has_kernels else None
        if kernels is None:
            told = _told_by_arrays(source, count, self._form.take_boxes)
        else:
            told = _told_by_kernels(source, count, kernels)
        areas = np.frombuffer(source.raw(4 * count), "<f4")
        source.end()
        for array in told:
            array.flags.writeable = False
        numbers, revisions, firsts, kinds, classes, states, exhaustive, scores, boxes = told
        # Machine code looks names up by these.
        _require_within(kinds, min(GeometryKind), max(GeometryKind))
        _require_within(classes, -1, len(class_names) - 1)
        _require_within(states, 0, len(state_names) - 1)
        return Attributes(
            ids=ids,
            numbers=numbers,
            revisions=revisions,
            firsts=firsts,
            kinds=kinds,
            classes=classes,
            class_names=class_names,
            states=states,
            state_names=state_names,
            exhaustive=exhaustive,
            scores=scores,
            boxes=boxes,
            areas=areas,
            layer=layer,
        )

    def columns(
        self, *, with_properties: bool, attributes: Attributes | None = None, layer: str | None = None
    ) -> Columns:
        """Unpack the annotations; arrays are read-only.

        Parameters
        ----------
        with_properties
            Whether properties, whole geometries and geometries as drawn are unpacked too; without them ``properties``
            are all empty, and ``geometries`` and ``drawn`` have no entries.
        attributes
            Those of this chunk, when they are at hand.
        layer
            Name of their layer, when that is not what it was when the chunk was written.
        """
        known = self.attributes() if attributes is None else attributes
        starts, part_starts, ring_starts, xy = self._shapes()
        properties, geometries, drawn = self._json() if with_properties else (Texts.empty(self._rows), {}, {})
        return Columns(
            ids=known.ids,
            numbers=known.numbers,
            revisions=known.revisions,
            firsts=known.firsts,
            kinds=known.kinds,
            classes=known.classes,
            class_names=known.class_names,
            states=known.states,
            state_names=known.state_names,
            scores=known.scores,
            exhaustive=known.exhaustive,
            xy=xy,
            ring_starts=ring_starts,
            part_starts=part_starts,
            starts=starts,
            properties=properties,
            geometries=geometries,
            drawn=drawn,
            layer=known.layer if layer is None else layer,
        )

    def _shapes(self) -> Shapes:
        shapes = self._form.unpack_shapes(
            self._section(_GEOMETRY),
            rows=self._rows,
            parts=self._parts,
            rings=self._rings,
            positions=self._positions,
        )
        for array in shapes:
            array.flags.writeable = False
        return shapes

    def _json(self) -> tuple[Texts, dict[int, bytes], dict[int, bytes]]:
        kernels = loaded_kernels()
        source = Unpacker(self._section(_JSON), None if kernels is None else kernels.take_ints)
        lengths = source.ints(self._rows)
        if not len(lengths) or int(lengths.min()) < 0:
            raise damaged()
        starts = np.zeros(self._rows + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        properties = Texts(_whole_texts(source, int(starts[-1])), starts)
        geometries, drawn = _texts(source), _texts(source)
        source.end()
        return properties, geometries, drawn

    def _section(self, place: int) -> bytes:
        section = self._sections[place]
        if place and self._more:
            stored = self._more[place - 1] if place <= len(self._more) else b""
        else:
            stored = self._data[section.start : section.start + section.stored]
        if len(stored) != section.stored or google_crc32c.value(stored) != section.crc:
            raise damaged()
        if not section.raw:
            return b""
        try:
            raw = bytes(imagecodecs.zstd_decode(stored, out=section.raw))
        except RuntimeError as error:
            raise damaged() from error
        if len(raw) != section.raw:
            raise damaged()
        return raw


def encode_chunk(columns: Columns, boxes: Floats | None = None) -> bytes:
    """Put annotations of one layer into one block of bytes.

    Parameters
    ----------
    columns
        1 to `MAX_ROWS` rows, each with at least one position; `hilbert.cut` gives good ones.
    boxes
        Those of the rows, when they are at hand.

    Raises
    ------
    ValueError
        When there are more rows, or none.
    """
    if not 0 < len(columns) <= MAX_ROWS:
        raise ValueError("a chunk holds 1 to 1,048,576 annotations")
    raws = (
        _attributes(columns, columns.boxes() if boxes is None else boxes),
        _geometry(columns),
        json_section(columns),
    )
    sizes = (len(columns), len(columns.part_starts) - 1, len(columns.ring_starts) - 1, len(columns.xy))
    return b"".join(assemble(sizes, raws))


def assemble(
    sizes: tuple[int, int, int, int], raws: Sequence[bytes | npt.NDArray[np.uint8]]
) -> tuple[bytes, bytes, bytes]:
    """Pack the three sections of a chunk; gives its head with the first, the second and the third.

    Parameters
    ----------
    sizes
        Annotations, parts, rings and positions.
    """
    attributes, geometry, json = (_pack(raw) for raw in raws)
    table = [
        number
        for packed, raw in zip((attributes, geometry, json), raws, strict=True)
        for number in (len(packed), len(raw), google_crc32c.value(packed))
    ]
    head = _HEAD.pack(_MAGIC, VERSION, 0, *sizes, *table)
    return b"".join((head, _CRC.pack(google_crc32c.value(head)), attributes)), geometry, json


def _pack(raw: Any) -> bytes:  # noqa: ANN401 - bytes, or an array of them
    return bytes(imagecodecs.zstd_encode(raw, level=_LEVEL)) if len(raw) else b""


def _names(text: bytes) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Read what `names_text` writes."""
    names = _object(text)
    classes, states, layer = (names.get(name) for name in ("classes", "states", "layer"))
    if not (isinstance(classes, list) and isinstance(states, list) and isinstance(layer, str)):
        raise damaged()
    if not all(isinstance(name, str) for name in (*classes, *states)):
        raise damaged()
    return tuple(classes), tuple(states), layer


def _require_within(values: npt.NDArray[Any], least: int, most: int) -> None:
    if len(values) and not least <= int(values.min()) <= int(values.max()) <= most:
        raise damaged()


def names_text(columns: Columns) -> bytes:
    """Write the names that stand in front of the attributes."""
    return orjson.dumps({"classes": columns.class_names, "states": columns.state_names, "layer": columns.layer})


def _attributes(columns: Columns, boxes: Floats) -> bytes:
    out = Packer()
    out.text(names_text(columns))
    out.raw(np.ascontiguousarray(columns.ids).tobytes())
    for column in (columns.numbers, columns.revisions, columns.firsts):
        out.ints(np.diff(column, prepend=0))
    for small in (columns.kinds, columns.classes, columns.states, columns.exhaustive):
        out.ints(small.astype(np.int64))
    out.floats(columns.scores)
    out.floats(boxes, lambda k: _put_boxes(out, k))
    out.raw(areas(columns).astype("<f4").tobytes())
    return out.packed()


def _geometry(columns: Columns) -> bytes:
    out = Packer()
    for starts in (columns.starts, columns.part_starts, columns.ring_starts):
        out.ints(np.diff(starts))
    xy, first, end = columns.xy, columns.ring_starts[:-1], columns.ring_starts[1:]
    lengths = end - first
    bits = np.ascontiguousarray(xy).view(np.int64)
    closed = bool((lengths > 1).all() and (bits[first] == bits[end - 1]).all())
    out.raw(bytes((closed,)))
    if closed:
        keep = np.ones(len(xy), np.bool_)
        keep[end - 1] = False
        xy, lengths = xy.take(np.flatnonzero(keep), axis=0), lengths - 1
    out.floats(xy, lambda k: _put_positions(out, k, lengths))
    return out.packed()


def json_section(columns: Columns) -> bytes:
    """Write properties, whole geometries and geometries as drawn."""
    out = Packer()
    out.ints(columns.properties.lengths)
    _put_texts(out, columns.properties)
    for texts in (columns.geometries, columns.drawn):
        out.raw(struct.pack("<I", len(texts)))
        out.ints(np.fromiter(texts, np.int64, len(texts)))
        for text in texts.values():
            out.text(text)
    return out.packed()


def _put_texts(out: Packer, texts: Texts) -> None:
    """Put properties in the form that packs best."""
    whole = texts.data.tobytes()
    taken = json_numbers.take_out(whole) if len(whole) > _MANY_BYTES * len(texts) else None
    if taken is None or not taken[2]:
        out.raw(b"\0" + whole)
        return
    rest, numbers, number_count = taken
    values = json_numbers.as_floats(numbers)
    out.raw(bytes((_AS_TEXT if values is None else _AS_FLOATS,)))
    out.text(rest)
    if values is None:
        out.text(numbers)
    else:
        stride = _stride(texts)
        out.raw(struct.pack("<II", number_count, stride))
        out.floats(values[json_numbers.by_column(number_count, stride)])


def _stride(texts: Texts) -> int:
    """Give how many decimal numbers a typical one of the texts has; the longest ones are what counts."""
    typical = texts[int(np.argsort(texts.lengths, kind="stable")[len(texts) * 3 // 4])]
    taken = json_numbers.take_out(typical)
    return max(1, taken[2] if taken else 1)


def _whole_texts(source: Unpacker, size: int) -> npt.NDArray[np.uint8]:
    form = source.raw(1)[0]
    if form == 0:
        return source.bytes_of(size)
    rest = source.text()
    if form == _AS_TEXT:
        numbers = source.text()
    else:
        count, stride = source.u32(), source.u32()
        if not stride:
            raise damaged()
        values = np.empty(count)
        values[json_numbers.by_column(count, stride)] = source.floats((count,))
        numbers = json_numbers.as_text(values)
    whole = json_numbers.put_back(rest, numbers, size)
    if whole is None:
        raise damaged()
    return np.frombuffer(whole, np.uint8)


def _texts(source: Unpacker) -> dict[int, bytes]:
    rows = source.ints(source.u32())
    return {row: source.text() for row in rows.tolist()}


def _put_boxes(out: Packer, k: Ints) -> None:
    out.ints(np.diff(k[:, :2], axis=0, prepend=0))
    out.ints(k[:, 2:] - k[:, :2])


def _take_boxes(source: Unpacker, count: int) -> Ints:
    corners, extents = source.ints(2 * count), source.ints(2 * count)
    k = np.empty((count, 4), np.int64)
    np.cumsum(corners.reshape(count, 2), axis=0, out=k[:, :2])
    np.add(k[:, :2], extents.reshape(count, 2), out=k[:, 2:])
    return k


def _told_by_arrays(source: Unpacker, count: int, take_boxes: Callable[[Unpacker, int], Ints]) -> _Told:
    """Take what `Attributes` have between ids and areas, in the order in which it stands there."""
    numbers, revisions, firsts = (np.cumsum(source.ints(count)) for _ in range(3))
    kinds, classes, states, exhaustive = (source.ints(count) for _ in range(4))
    scores = source.floats((count,))
    boxes = source.floats((count, 4), lambda: take_boxes(source, count))
    small = classes.astype(np.int32), states.astype(np.int32), exhaustive.astype(np.bool_)
    return numbers, revisions, firsts, kinds.astype(np.uint8), *small, scores, boxes


def _told_by_kernels(source: Unpacker, count: int, kernels: SimpleNamespace) -> _Told:
    told = tuple(np.empty(count, kind) for kind in _TOLD)
    *small, exhaustive, scores = told
    boxes, room = np.empty((count, 4)), np.empty(4 * count, np.int64)
    bits = scores.view(np.int64), boxes, boxes.reshape(-1).view(np.int64)
    source.take(kernels.take_attributes, *small, exhaustive.view(np.uint8), scores, *bits, room)
    return *told, boxes


class _Form(NamedTuple):
    """What differs from version to version."""

    take_boxes: Callable[[Unpacker, int], Ints]
    unpack_shapes: Callable[..., Shapes]
    has_kernels: bool


_FORMS = {
    1: _Form(first_form.take_boxes, first_form.unpack_shapes, has_kernels=False),
    VERSION: _Form(_take_boxes, unpack_shapes, has_kernels=True),
}
"""How chunks of each version are read; which of them machine code reads too is up to what stands here."""


def _put_positions(out: Packer, k: Ints, lengths: Ints) -> None:
    first = np.cumsum(lengths) - lengths
    out.ints(np.diff(k[first], axis=0, prepend=0))
    is_step = np.ones(len(k), np.bool_)
    is_step[first] = False
    ends = np.flatnonzero(is_step)
    steps = (k.take(ends, axis=0) - k.take(ends - 1, axis=0)).ravel()
    far = np.flatnonzero((steps >> (_NEAR_BITS - 1)) != (steps >> 63))
    if len(far) > _MOST_FAR * len(steps):
        far = far[:0]
    out.places(far)
    out.ints(steps[far])
    steps[far] = 0
    out.ints(steps)


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise damaged() from error
    return found
