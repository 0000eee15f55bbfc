"""Machine code for the records in which an import holds its rows; loaded by who needs it, when needed.

A record is a run of 64-bit words; the arrays that the kernels take (`Views`) are the same memory as other types. It is
never kept beyond its process, so its bytes are those of the machine. Nine words of head::

    w64[0:2]  id                                 f64[2]  score
    w32[6]    class      w32[7]  state           w32[8]  positions     w32[9]  rings
    w32[10]   parts      w8[44]  kind            w8[45]  exhaustive    w8[46]  1 when positions are kept as they are
    w8[47]    1 when every ring ends where it starts
    w32[12]   bytes of properties                w32[13] bytes of the whole geometry, 0 for none
    w32[14]   bytes of the geometry as drawn     w32[15] scale
    f32[16]   area                               w32[17] largest of all steps of k; of one below 0, -1 - step

Then, unless there is one ring, w32: the positions of each ring and the rings of each part, filled up to a word. Then
the positions: as they are, 2 w64 each; or as whole numbers k, where k / scale is the coordinate to the last bit: k of
each ring's first position as 2 w64, then the steps from each position to the next as 2 w16, without the last one when
every ring ends where it starts, filled up to a word. Then the three texts, filled up to a word.

The bytes of a chunk are those of `pathserve.annotations.chunks`.
"""

from typing import Any

import numpy as np

from pathserve.annotations.record_places import CLOSED, PARTS, POSITIONS, RAW, REACH, RINGS, SCALE, TEXTS
from pathserve.native.compiling import (
    BYTE,
    FLOAT,
    HALF,
    INT,
    NOTHING,
    SHORT,
    SMALL,
    TRUTH,
    Array,
    Arrays,
    called,
    given,
    inner,
    plain,
    together,
)

HEAD = 9
"""Words in front of a record's positions."""

_POLYGON, _COLLECTION = plain(np.int64(5)), plain(np.int64(7))
_MOST_K = 2.0**52
_MOST_STEP = plain(np.int64(32767))
_MOST_AREA = float(np.finfo(np.float32).max)
_NEGATIVE_ZERO = plain(np.int64(-(2**63)))
_ZERO = plain(np.int64(0))

_INTS, _BYTES, _FLOATS, _SMALLS = given(INT), given(BYTE), given(FLOAT), given(SMALL)

_RECORDS = together(_INTS, _SMALLS, given(SHORT), _BYTES, _FLOATS, given(HALF))
_ROOM = together(INT[::1], SMALL[::1], SHORT[::1], BYTE[::1], FLOAT[::1], HALF[::1])
_ROWS = together(given(INT, 2), _BYTES, _SMALLS, _SMALLS, _FLOATS, given(TRUTH))
_SHAPES = together(given(FLOAT, 2), given(INT, 2), _INTS, _INTS, _INTS)
_TEXTS = together(_BYTES, _INTS, _BYTES, _INTS, _BYTES, _INTS)


@inner
def _int(value: Any) -> int:  # noqa: ANN401 - a number of any type
    """Give a number as the type of places."""
    # A Python int is what this is to all callers; machine code knows but one kind of it.
    return np.int64(value)  # type: ignore[return-value]


@inner
def _area(xy: Array, ring_starts: Array, part_starts: Array, p0: int, p1: int, kind: int) -> float:
    """Measure one annotation, term by term as `pathserve.labels.columns.areas` does."""
    total = 0.0
    for part in range(p0, p1):
        shell = part_starts[part]
        for ring in range(shell, part_starts[part + 1]):
            first, last = ring_starts[ring], ring_starts[ring + 1] - 1
            x0, y0 = xy[first, 0], xy[first, 1]
            if kind == _COLLECTION and (last - first < 3 or x0 != xy[last, 0] or y0 != xy[last, 1]):
                continue
            area, x, y = 0.0, 0.0, 0.0
            for i in range(first + 1, last + 1):
                u, v = xy[i, 0] - x0, xy[i, 1] - y0
                area += x * v - y * u
                x, y = u, v
            area = abs(area) / 2
            total += area if ring == shell else -area
    return min(total, _MOST_AREA) if total > 0.0 else 0.0


@inner
def _is_closed(bits: Array, ring_starts: Array, r0: int, r1: int) -> bool:
    for ring in range(r0, r1):
        first, last = ring_starts[ring], ring_starts[ring + 1] - 1
        if last == first or bits[first, 0] != bits[last, 0] or bits[first, 1] != bits[last, 1]:
            return False
    return True


@inner
def _put_steps(
    w64: Array,
    w16: Array,
    at: int,
    xy: Array,
    bits: Array,
    ring_starts: Array,
    r0: int,
    r1: int,
    left: int,
    scale: float,
) -> tuple[int, int]:
    """Write the positions of some rings as whole numbers; the place (of w16) behind them, -1 if they are none."""
    d, reach, good = 4 * (at + 2 * (r1 - r0)), _ZERO, True
    for ring in range(r0, r1):
        i = ring_starts[ring]
        last = ring_starts[ring + 1] - left
        a, b = np.rint(xy[i, 0] * scale), np.rint(xy[i, 1] * scale)
        good &= abs(a) < _MOST_K and abs(b) < _MOST_K and a / scale == xy[i, 0] and b / scale == xy[i, 1]
        good &= bits[i, 0] != _NEGATIVE_ZERO and bits[i, 1] != _NEGATIVE_ZERO
        if not good:
            return -1, reach
        w64[at], w64[at + 1] = _int(a), _int(b)
        at += 2
        for j in range(i + 1, last):
            x, y = xy[j, 0], xy[j, 1]
            p, q = np.rint(x * scale), np.rint(y * scale)
            good &= p / scale == x and q / scale == y and bits[j, 0] != _NEGATIVE_ZERO and bits[j, 1] != _NEGATIVE_ZERO
            step_x, step_y = p - a, q - b
            far = max(step_x, -1 - step_x, step_y, -1 - step_y)  # of as many bits as the step is
            if not far <= _MOST_STEP:
                return -1, reach
            reach = max(reach, _int(far))
            w16[d], w16[d + 1] = np.int16(np.int64(step_x)), np.int16(np.int64(step_y))
            d += 2
            a, b = p, q
    return (d if good else -1), reach


@inner
def _put_text(w8: Array, to: int, data: Array, first: int, end: int) -> int:
    for i in range(first, end):
        w8[to + i - first] = data[i]
    return to + end - first


@inner
def _put_head(records: Arrays, at: int, row: int, rows: Arrays, texts: Arrays) -> None:
    """Write what a record holds of its row but for its shape."""
    w64, w32, _, w8, f64, _ = records
    ids, kinds, classes, states, scores, exhaustive = rows
    h, b = 2 * at, 8 * at
    w64[at], w64[at + 1], f64[at + 2] = ids[row, 0], ids[row, 1], scores[row]
    w32[h + 6], w32[h + 7] = classes[row], states[row]
    w8[b + 44], w8[b + 45] = kinds[row], exhaustive[row]
    _, starts, _, whole_starts, _, drawn_starts = texts
    w32[h + 12] = starts[row + 1] - starts[row]
    w32[h + 13] = whole_starts[row + 1] - whole_starts[row]
    w32[h + 14] = drawn_starts[row + 1] - drawn_starts[row]


@inner
def _put_lists(w32: Array, at: int, ring_starts: Array, part_starts: Array, p0: int, p1: int) -> int:
    """Write the lengths of rings and parts behind a head, unless there is one ring; gives the word behind them."""
    r0, r1 = part_starts[p0], part_starts[p1]
    if r1 - r0 == 1:
        return at
    to = 2 * at
    for ring in range(r0, r1):
        w32[to] = ring_starts[ring + 1] - ring_starts[ring]
        to += 1
    for part in range(p0, p1):
        w32[to] = part_starts[part + 1] - part_starts[part]
        to += 1
    return (to + 1) // 2


@inner
def _put_shape(records: Arrays, at: int, row: int, shapes: Arrays, scale: float) -> int:
    """Write the shape of a row; gives the word behind it."""
    w64, w32, w16, w8, _, _ = records
    xy, bits, ring_starts, part_starts, starts = shapes
    p0, p1 = starts[row], starts[row + 1]
    r0, r1 = part_starts[p0], part_starts[p1]
    h, b = 2 * at, 8 * at
    closed = _is_closed(bits, ring_starts, r0, r1)
    w32[h + 8], w32[h + 9], w32[h + 10] = ring_starts[r1] - ring_starts[r0], r1 - r0, p1 - p0
    at = _put_lists(w32, at + HEAD, ring_starts, part_starts, p0, p1)
    end, reach = _put_steps(w64, w16, at, xy, bits, ring_starts, r0, r1, 1 if closed else 0, scale)
    w8[b + 46], w8[b + 47] = end < 0, closed
    w32[h + 15], w32[h + 17] = scale, reach
    if end >= 0:
        return (end + 3) // 4
    for i in range(ring_starts[r0], ring_starts[r1]):
        w64[at], w64[at + 1] = bits[i, 0], bits[i, 1]
        at += 2
    return at


@inner
def _put_centre(xy: Array, first: int, end: int, centres: Array, row: int) -> None:
    x0, y0 = xy[first, 0], xy[first, 1]
    x1, y1 = x0, y0
    for i in range(first + 1, end):
        x, y = xy[i, 0], xy[i, 1]
        x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
    # Halves first: the sum of two large corners may not be a number.
    centres[row, 0], centres[row, 1] = x0 / 2 + x1 / 2, y0 / 2 + y1 / 2


@inner
def pack(
    records: Arrays,
    at: int,
    rows: Arrays,
    shapes: Arrays,
    texts: Arrays,
    scale: int,
    places: Array,
    centres: Array,
) -> int:
    """Write rows as records from word ``at`` on; gives the word behind them.

    Parameters
    ----------
    rows
        Ids (N, 2) as int64, kinds, classes, states, scores and exhaustive of each.
    shapes
        Positions, these as int64, and starts of rings, parts and rows, as `pathserve.labels.Columns` has them.
    texts
        Bytes and starts of properties, whole geometries and geometries as drawn.
    places, centres
        Get the word of each record, and the centre (x, y) of its box.
    """
    w8, f32 = records[3], records[5]
    kinds, (xy, _, ring_starts, part_starts, starts) = rows[1], shapes
    for row in range(len(kinds)):
        p0, p1 = starts[row], starts[row + 1]
        _put_centre(xy, ring_starts[part_starts[p0]], ring_starts[part_starts[p1]], centres, row)
        places[row] = at
        _put_head(records, at, row, rows, texts)
        f32[2 * at + 16] = _area(xy, ring_starts, part_starts, p0, p1, kinds[row]) if kinds[row] >= _POLYGON else 0.0
        to = 8 * _put_shape(records, at, row, shapes, np.float64(scale))
        to = _put_text(w8, to, texts[0], texts[1][row], texts[1][row + 1])
        to = _put_text(w8, to, texts[2], texts[3][row], texts[3][row + 1])
        to = _put_text(w8, to, texts[4], texts[5][row], texts[5][row + 1])
        at = (to + 7) // 8
    return at


@inner
def gather(words: Array, places: Array, sizes: Array, out: Array) -> None:
    """Copy records one behind another: those of so many words from these places on."""
    at = _ZERO
    for row in range(len(places)):
        first = places[row]
        for i in range(sizes[row]):
            out[at + i] = words[first + i]
        at += sizes[row]


@inner
def _rings_at(w32: Array, place: int) -> tuple[int, int]:
    """Give where (of w64) the positions of a record begin, and where (of w32) its lists do, -1 for none."""
    rings, parts = _int(w32[2 * place + 9]), _int(w32[2 * place + 10])
    if rings == 1:
        return place + HEAD, -1
    return place + HEAD + (rings + parts + 1) // 2, 2 * (place + HEAD)


@inner
def measure(records: Arrays, places: Array, told: Array) -> None:
    """Tell what the records at some words hold together.

    Parameters
    ----------
    told
        All 0; gets at `SCALE` that of the first; `RAW`: how many have another or none; `CLOSED`: how many have only
        rings that end where they start; `REACH`: largest step between positions, as the records have it; then sums,
        each of one count.
    """
    _, w32, _, w8, _, _ = records
    told[SCALE] = w32[2 * places[0] + 15]
    for place in places:
        h, b = 2 * place, 8 * place
        told[POSITIONS] += w32[h + 8]
        told[RINGS] += w32[h + 9]
        told[PARTS] += w32[h + 10]
        told[CLOSED] += w8[b + 47]
        for text in range(3):
            told[TEXTS + text] += w32[h + 12 + text]
        if w8[b + 46] or w32[h + 15] != told[SCALE]:
            told[RAW] += 1
            continue
        told[REACH] = max(told[REACH], w32[h + 17])


@inner
def _put_position(xy: Array, i: int, a: int, b: int, scale: float) -> int:
    xy[i, 0], xy[i, 1] = np.float64(a) / scale, np.float64(b) / scale
    return i + 1


@inner
def _take_positions(records: Arrays, place: int, xy: Array, i: int) -> int:
    """Give the positions of one record as they came in."""
    w64, w32, w16, w8, f64, _ = records
    at, lists = _rings_at(w32, place)
    rings, positions = _int(w32[2 * place + 9]), _int(w32[2 * place + 8])
    if w8[8 * place + 46]:
        for j in range(positions):
            xy[i + j, 0], xy[i + j, 1] = f64[at + 2 * j], f64[at + 2 * j + 1]
        return i + positions
    closed, scale = _int(w8[8 * place + 47]), np.float64(w32[2 * place + 15])
    d = 4 * (at + 2 * rings)
    for ring in range(rings):
        length = positions if lists < 0 else _int(w32[lists + ring])
        first, a, b = i, w64[at + 2 * ring], w64[at + 2 * ring + 1]
        i = _put_position(xy, i, a, b, scale)
        for _ in range(length - 1 - closed):
            a += w16[d]
            b += w16[d + 1]
            d += 2
            i = _put_position(xy, i, a, b, scale)
        if closed:
            xy[i, 0], xy[i, 1] = xy[first, 0], xy[first, 1]
            i += 1
    return i


@inner
def _steps_end(w32: Array, w8: Array, place: int) -> int:
    """Give the word behind the positions of a record."""
    at, _ = _rings_at(w32, place)
    rings, positions = _int(w32[2 * place + 9]), _int(w32[2 * place + 8])
    if w8[8 * place + 46]:
        return at + 2 * positions
    steps = positions - rings - (rings if w8[8 * place + 47] else 0)
    return at + 2 * rings + (steps + 1) // 2


@inner
def unpack(
    records: Arrays,
    places: Array,
    ids: Array,
    kinds: Array,
    classes: Array,
    states: Array,
    scores: Array,
    exhaustive: Array,
    areas: Array,
    starts: Array,
    part_starts: Array,
    ring_starts: Array,
    xy: Array,
    text_starts: Array,
    texts: Array,
    wholes: Array,
    drawn: Array,
) -> None:
    """Give the records at some words as arrays, which have the sizes that `measure` tells.

    Parameters
    ----------
    xy
        Stays empty when it is: positions are not asked for.
    text_starts
        (3, N + 1): starts of the three texts, of which the first are 0.
    """
    w64, w32, _, w8, f64, f32 = records
    ring, part, position = _ZERO, _ZERO, _ZERO
    for row in range(len(places)):
        place = places[row]
        h, b = 2 * place, 8 * place
        ids[row, 0], ids[row, 1], scores[row] = w64[place], w64[place + 1], f64[place + 2]
        classes[row], states[row] = w32[h + 6], w32[h + 7]
        kinds[row], exhaustive[row], areas[row] = w8[b + 44], w8[b + 45], f32[h + 16]
        rings, parts = _int(w32[h + 9]), _int(w32[h + 10])
        lists = 2 * (place + HEAD)
        for n in range(rings):
            length = w32[h + 8] if rings == 1 else w32[lists + n]
            ring_starts[ring + n + 1] = ring_starts[ring + n] + length
        ring += rings
        for n in range(parts):
            length = 1 if rings == 1 else w32[lists + rings + n]
            part_starts[part + n + 1] = part_starts[part + n] + length
        part += parts
        starts[row + 1] = part
        if len(xy):
            position = _take_positions(records, place, xy, position)
        at = 8 * _steps_end(w32, w8, place)
        for kind in range(3):
            length = _int(w32[h + 12 + kind])
            out = texts if kind == 0 else wholes if kind == 1 else drawn
            end = text_starts[kind, row]
            for i in range(length):
                out[end + i] = w8[at + i]
            at += length
            text_starts[kind, row + 1] = end + length


@inner
def _put_ints(out: Array, at: int, values: Array) -> int:
    """Write whole numbers as `pathserve.annotations.packing` says; gives the place behind them."""
    low, high = _ZERO, _ZERO
    for value in values:
        low, high = min(low, _int(value)), max(high, _int(value))
    most, count = max(high, -1 - low), len(values)
    width = 1 if most < 128 else 2 if most < 32768 else 4 if most < 2147483648 else 8
    out[at] = width
    at += 1
    for plane in range(width):
        for i in range(count):
            out[at + i] = (_int(values[i]) >> (8 * plane)) & 255
        at += count
    return at


@inner
def _put_u32(out: Array, at: int, value: int) -> int:
    for plane in range(4):
        out[at + plane] = (value >> (8 * plane)) & 255
    return at + 4


@inner
def _put_no_places(out: Array, at: int) -> int:
    at = _put_u32(out, at, _ZERO)
    out[at] = 1
    return at + 1


@inner
def put_attributes(
    out: Array,
    at: int,
    ids: Array,
    kinds: Array,
    classes: Array,
    states: Array,
    exhaustive: Array,
    scores: Array,
    boxes: Array,
    scale: int,
    areas: Array,
    corners: Array,
    extents: Array,
) -> int:
    """Write a chunk's section of attributes behind its names; gives its end.

    Parameters
    ----------
    ids, areas
        Their bytes.
    corners, extents
        (2 N,): scratch.
    scores
        Already packed.
    boxes
        (N, 4) whole numbers k, as `put_geometry` gives them.
    """
    count = len(kinds)
    at = _put_text(out, at, ids, _ZERO, len(ids))
    for _ in range(3):  # number, revision, first revision: given at publication
        out[at : at + count + 1] = 0
        out[at] = 1
        at += count + 1
    at = _put_ints(out, at, kinds)
    at = _put_ints(out, at, classes)
    at = _put_ints(out, at, states)
    at = _put_ints(out, at, exhaustive)
    at = _put_text(out, at, scores, _ZERO, len(scores))
    at = _put_no_places(out, _put_u32(out, at, scale))
    before_x, before_y = _ZERO, _ZERO
    for row in range(count):
        x, y = boxes[row, 0], boxes[row, 1]
        corners[2 * row], corners[2 * row + 1] = x - before_x, y - before_y
        extents[2 * row], extents[2 * row + 1] = boxes[row, 2] - x, boxes[row, 3] - y
        before_x, before_y = x, y
    at = _put_ints(out, _put_ints(out, at, corners), extents)
    return _put_text(out, at, areas, _ZERO, len(areas))


@inner
def _take_firsts(records: Arrays, places: Array, firsts: Array) -> None:
    """Put down the difference of each ring's first position to that of the ring before."""
    w64, w32 = records[0], records[1]
    i, before_x, before_y = _ZERO, _ZERO, _ZERO
    for place in places:
        word, _ = _rings_at(w32, place)
        for n in range(_int(w32[2 * place + 9])):
            x, y = w64[word + 2 * n], w64[word + 2 * n + 1]
            firsts[i], firsts[i + 1] = x - before_x, y - before_y
            before_x, before_y = x, y
            i += 2


@inner
def _put_box(records: Arrays, place: int, ring_starts: Array, ring: int, closed: int, box: Array) -> int:
    """Reckon the k of a record's box; gives its steps."""
    w64, w32, w16 = records[0], records[1], records[2]
    word, _ = _rings_at(w32, place)
    rings = _int(w32[2 * place + 9])
    d = 4 * (word + 2 * rings)
    first = d
    x0, y0 = w64[word], w64[word + 1]
    x1, y1 = x0, y0
    for n in range(rings):
        x, y = w64[word + 2 * n], w64[word + 2 * n + 1]
        x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
        for _ in range(ring_starts[ring + n + 1] - ring_starts[ring + n] - 1 - closed):
            x += w16[d]
            y += w16[d + 1]
            x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
            d += 2
    box[0], box[1], box[2], box[3] = x0, y0, x1, y1
    return d - first


@inner
def _put_lengths(out: Array, at: int, starts: Array, room: Array) -> int:
    count = len(starts) - 1
    for i in range(count):
        room[i] = starts[i + 1] - starts[i]
    return _put_ints(out, at, room[:count])


@inner
def put_geometry(
    records: Arrays,
    places: Array,
    starts: Array,
    part_starts: Array,
    ring_starts: Array,
    reach: int,
    out: Array,
    boxes: Array,
    room: Array,
) -> int:
    """Write a chunk's section of geometry out of records of one scale that are all closed, or none; gives its end.

    Parameters
    ----------
    reach
        Largest step of k between positions of a ring, as `measure` tells it.
    boxes
        (N, 4): gets k of each box.
    room
        (2 R,): scratch, for R rings.
    """
    _, w32, w16, w8, _, _ = records
    at = _put_lengths(out, _ZERO, starts, room)
    at = _put_lengths(out, at, part_starts, room)
    at = _put_lengths(out, at, ring_starts, room)
    closed, rings = _int(w8[8 * places[0] + 47]), len(ring_starts) - 1
    out[at] = closed
    at = _put_no_places(out, _put_u32(out, at + 1, _int(w32[2 * places[0] + 15])))
    _take_firsts(records, places, room)
    at = _put_no_places(out, _put_ints(out, at, room))
    out[at], out[at + 1] = 1, 1 if reach < 128 else 2  # no far steps: of one byte each
    at += 2
    count = 2 * (ring_starts[-1] - (1 + closed) * rings)
    low, high = out[at : at + count], out[at + count : at + 2 * count]
    i, ring = _ZERO, _ZERO
    for row in range(len(places)):
        place = places[row]
        word, _ = _rings_at(w32, place)
        d = 4 * (word + 2 * _int(w32[2 * place + 9]))
        steps = _put_box(records, place, ring_starts, ring, closed, boxes[row])
        ring += _int(w32[2 * place + 9])
        for j in range(steps):
            low[i + j] = w16[d + j] & 255
        if reach >= 128:
            for j in range(steps):
                high[i + j] = (w16[d + j] >> 8) & 255
        i += steps
    return _int(at + count * (1 if reach < 128 else 2))


_UNPACKED = (
    *(INT[:, ::1], BYTE[::1], SMALL[::1], SMALL[::1], FLOAT[::1], BYTE[::1], HALF[::1]),
    *(INT[::1], INT[::1], INT[::1], FLOAT[:, ::1], INT[:, ::1], BYTE[::1], BYTE[::1], BYTE[::1]),
)
_ATTRIBUTES = (
    *(BYTE[::1], INT, _BYTES, _BYTES, _SMALLS, _SMALLS, _BYTES, _BYTES, given(INT, 2), INT, _BYTES),
    *(INT[::1], INT[::1]),
)

ENTRIES = {
    "pack": called(pack, INT, _ROOM, INT, _ROWS, _SHAPES, _TEXTS, INT, INT[::1], FLOAT[:, ::1]),
    "gather": called(gather, NOTHING, _INTS, _INTS, _INTS, INT[::1]),
    "measure": called(measure, NOTHING, _RECORDS, _INTS, INT[::1]),
    "unpack": called(unpack, NOTHING, _RECORDS, _INTS, *_UNPACKED),
    "put_attributes": called(put_attributes, INT, *_ATTRIBUTES),
    "put_geometry": called(
        put_geometry, INT, _RECORDS, _INTS, _INTS, _INTS, _INTS, INT, BYTE[::1], INT[:, ::1], INT[::1]
    ),
}
