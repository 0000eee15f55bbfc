"""Kernels that find the features of a GeoJSON text and put those of the common form into arrays at once.

Machine code without the interpreter lock, so that a server goes on meanwhile. The common form is a Feature whose
geometry has nothing but its type and positions of two numbers, and whose id is a UUID or absent; whatever else the text
holds is only found, and read by `pathserve.formats.geojson.geojson`. Both read the same thing out of the same text.

Most files say the same of each object but for its id and coordinates. So what stands in front of these is first
compared with that of an object before, and its properties with those of some: bytes are compared eight at a time, and
equal ones mean the same.
"""

import numpy as np

from pathserve.formats.geojson.coordinate_kernels import close_geometry, read_coordinates, read_geometry
from pathserve.formats.geojson.json_kernels import (
    OBJECTS,
    STAMP,
    after_key,
    copy_string,
    copy_value,
    find_in_members,
    is_new,
    is_repeated,
    is_word,
    plain_key,
    skip_space,
    skip_value,
    word,
)
from pathserve.formats.geojson.number_kernels import read_number
from pathserve.formats.geojson.scan_arrays import (
    ARRAY,
    BAD,
    BYTES,
    CLASSES,
    COORDINATES,
    END,
    EXPECT,
    FULL,
    HEAD,
    INSPECT,
    ITEMS,
    KIND,
    LINES,
    MEMBERS,
    MET,
    MIDDLE,
    MORE,
    PARTS,
    PLACE,
    POSITIONS,
    RECORDS,
    RINGS,
    ROWS,
    START,
    Items,
    Memory,
    Rows,
    Shapes,
)
from pathserve.native.compiling import BYTE, FLOAT, INT, SMALL, TRUTH, WORD, Array, called, given, inner, together

_ID_SIZE = 36
_TRIES = 64

_TYPE, _ID, _GEOMETRY, _PROPERTIES, _BBOX = map(word, ("type", "id", "geometry", "properties", "bbox"))
_AS_DRAWN = word("asDrawn")
_FEATURE = word("Feature")
_CLASSIFICATION, _STATE, _SCORE, _EXHAUSTIVE = map(word, ("classification", "state", "score", "exhaustive"))
_OBJECT_TYPE, _ANNOTATION, _DRAFT, _FALSE = map(word, ("objectType", '"annotation"', '"draft"', "false"))
_FOREIGN, _OPEN_FOREIGN = word("foreignMembers"), word('"foreignMembers":{')
_AUTHOR, _REVISION, _LAYER, _PROVENANCE = map(word, ("author", "revision", "layer", "provenance"))
_CREATED, _UPDATED, _NUMBER, _SLIDE = map(word, ("created", "updated", "number", "slide"))

_RECORD, _NEWLINE = 0x1E, 0x0A
_QUOTE, _COMMA, _COLON, _MINUS = map(ord, '",:-')
_OPEN, _CLOSE, _CLOSE_LIST = map(ord, "{}]")


_HEX = np.full(256, 0xFF, np.uint8)
for _value, _char in enumerate(b"0123456789abcdef"):
    _HEX[_char] = _HEX[ord(chr(_char).upper())] = _value
_PAIRS = np.array([0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34], np.uint64)


@inner
def _read_uuid(text: Array, start: int, ids: Array, row: int) -> bool:
    """Read 36 characters as a UUID; tells whether they are one."""
    at, one = np.uint64(start), np.uint64(1)
    for dash in (8, 13, 18, 23):
        if text[at + np.uint64(dash)] != _MINUS:
            return False
    every = np.uint8(0)
    for index in range(16):
        place = at + _PAIRS[index]
        high, low = _HEX[text[place]], _HEX[text[place + one]]
        every |= high | low
        ids[row, index] = high << 4 | low
    return bool(every <= 0x0F)


@inner
def _is_owned(text: Array, start: int, end: int) -> bool:
    """Tell whether a property is the server's, and passed over."""
    if end - start < 5 or end - start > 10:
        return False
    return (
        is_word(text, start, end, _AUTHOR)
        or is_word(text, start, end, _REVISION)
        or is_word(text, start, end, _LAYER)
        or is_word(text, start, end, _PROVENANCE)
        or is_word(text, start, end, _CREATED)
        or is_word(text, start, end, _UPDATED)
        or is_word(text, start, end, _NUMBER)
        or is_word(text, start, end, _SLIDE)
    )


@inner
def _find_class(text: Array, start: int, end: int, rows: Rows) -> int:
    """Give the number of this classification's text among those of the block, -2 when there are too many."""
    classes, counts = rows.classes, rows.counts
    for index in range(counts[CLASSES] - 1, -1, -1):
        first, last = classes[index, 0], classes[index, 1]
        if last - first != end - start:
            continue
        offset = 0
        while offset < end - start and text[first + offset] == text[start + offset]:
            offset += 1
        if offset == end - start:
            return index
    if counts[CLASSES] == len(classes):
        return -2
    classes[counts[CLASSES], 0], classes[counts[CLASSES], 1] = start, end
    counts[CLASSES] += 1
    fresh: int = counts[CLASSES] - 1
    return fresh


@inner
def _judge(
    text: Array, key: int, last: int, value: int, end: int, written: int, size: int, row: int, rows: Rows
) -> int:
    """Look at a property that was copied: 1 to keep it, 0 to drop it, -1 when it is not for kernels."""
    if _is_owned(text, key, last):
        return 0
    if is_word(text, key, last, _OBJECT_TYPE):
        return 0 if is_word(rows.out, written, size, _ANNOTATION) else 1
    if is_word(text, key, last, _STATE):
        if is_word(rows.out, written, size, _DRAFT):
            return 0
        rows.flags[row] |= INSPECT
    elif is_word(text, key, last, _SCORE):
        if read_number(text, value, rows.scores, rows.score_bits, row) != end:
            rows.scores[row] = np.nan
            rows.flags[row] |= INSPECT
    elif is_word(text, key, last, _EXHAUSTIVE):
        return 1 if is_word(rows.out, written, size, _FALSE) else -1
    return -1 if is_word(text, key, last, _FOREIGN) else 1


@inner
def _copy_member(text: Array, key: int, last: int, size: int, row: int, rows: Rows, memory: Memory) -> tuple[int, int]:
    """Copy the member whose name begins at ``key``; its end (or -1) and the new size, the same when it is dropped."""
    out, before = rows.out, size
    _, size, more = copy_string(text, key - 1, out, size)
    rows.flags[row] |= more
    out[size] = _COLON
    written = size + 1
    value = after_key(text, last)
    place, size, more = copy_value(text, value, out, written, memory)
    if place < 0:
        return -1, before
    kept = _judge(text, key, last, value, place, written, size, row, rows)
    rows.flags[row] |= more
    return (place if kept >= 0 else -1), (size if kept > 0 else before)


@inner
def _is_worth(counts: Array) -> bool:
    """Tell whether properties are repeated often enough to look for them."""
    return bool(counts[MET] < _TRIES or 2 * counts[MET] < counts[ROWS])


@inner
def _repeat_properties(text: Array, place: int, end: int, size: int, row: int, rows: Rows) -> tuple[int, int]:
    """Take over what was read out of the same text before; its end, -1 when it was not met, and the new size."""
    met, out = rows.met, rows.out
    for index in range(min(rows.counts[MET], len(met) - 1) if _is_worth(rows.counts) else 0):
        many = met[index, 1]
        if place + many > end or not is_repeated(text, met[index, 0], place, many):
            continue
        first, written = met[index, 2], met[index, 3]
        for offset in range(written):
            out[size + offset] = out[first + offset]
        if written:
            out[size + written - 1] = _COMMA
        rows.class_at[row], rows.scores[row] = rows.class_at[met[index, 4]], rows.scores[met[index, 4]]
        rows.flags[row] |= met[index, 5]
        return place + many, size + written
    return -1, size


@inner
def _note_properties(place: int, end: int, first: int, size: int, row: int, rows: Rows) -> None:
    """Note what was read of properties from ``place`` to ``end``, until it is known what becomes of their row."""
    met, many = rows.met, len(rows.met) - 1
    met[many, 0], met[many, 1], met[many, 2], met[many, 3] = place, end - place, first, size - first
    met[many, 4], met[many, 5] = row, rows.flags[row]


@inner
def _remember(begin: int, id_at: int, coordinates: int, is_read: bool, kind: int, rows: Rows) -> None:
    """Keep of a Feature that was read whole what others are compared with."""
    counts = rows.counts
    if coordinates:
        counts[START], counts[KIND] = begin, kind
        counts[HEAD] = (id_at if id_at else coordinates) - begin
        counts[MIDDLE] = coordinates - id_at - _ID_SIZE if id_at else 0
    if is_read and _is_worth(counts):
        index = counts[MET] % (len(rows.met) - 1)
        for member in range(MEMBERS):
            rows.met[index, member] = rows.met[-1, member]
        counts[MET] += 1


@inner
def _repeat_head(text: Array, start: int, shapes: Shapes, rows: Rows) -> tuple[int, int]:
    """Read a Feature up to the end of its geometry if it begins as one before; the place behind it, and its kind.

    The kind is 0 when it does not, and nothing of it is read.
    """
    counts = rows.counts
    kind, first, head, middle = counts[KIND], counts[START], counts[HEAD], counts[MIDDLE]
    if kind == 0 or start + head + _ID_SIZE + middle >= len(text) or not is_repeated(text, first, start, head):
        return start, 0
    place = start + head
    if middle:
        is_same = _read_uuid(text, place, rows.ids, counts[ROWS])
        place += _ID_SIZE
        if not is_same or not is_repeated(text, first + head + _ID_SIZE, place, middle):
            return start, 0
        place += middle
    positions, rings, parts = counts[POSITIONS], counts[RINGS], counts[PARTS]
    shapes.part_rings[0] = 0
    place, depth = read_coordinates(text, place, shapes, counts)
    if place >= 0 and depth == kind >> 1:
        place = skip_space(text, place)
        if text[place] == _CLOSE and close_geometry(kind, rings, shapes, counts):
            place = skip_space(text, place + 1)
            if text[place] == _COMMA or text[place] == _CLOSE:
                return place, kind
    counts[POSITIONS], counts[RINGS], counts[PARTS] = positions, rings, parts
    return start, 0


@inner
def _read_properties(text: Array, place: int, size: int, row: int, rows: Rows, memory: Memory) -> tuple[int, int]:  # noqa: C901 - one loop over a grammar
    """Copy the properties that are kept, each with a comma behind it; their end (or -1) and the new size."""
    memory.marks[OBJECTS] += 1
    serial = memory.marks[OBJECTS]
    place = skip_space(text, place + 1)
    if text[place] == _CLOSE:
        return place + 1, size
    while True:
        key = place + 1
        last = plain_key(text, key) if text[place] == _QUOTE else -1
        if last < 0 or not is_new(text, key, last, serial, memory):
            return -1, size
        value = after_key(text, last)
        if value < 0:
            return -1, size
        if is_word(text, key, last, _CLASSIFICATION):
            place = skip_value(text, value, len(text) - 1)
            rows.class_at[row] = _find_class(text, value, place, rows) if place >= 0 else -2
            if rows.class_at[row] == -2:
                return -1, size
        else:
            before = size
            place, size = _copy_member(text, key, last, size, row, rows, memory)
            if place < 0:
                return -1, size
            if size > before:
                rows.out[size] = _COMMA
                size += 1
        place = skip_space(text, place)
        if text[place] == _CLOSE:
            return place + 1, size
        if text[place] != _COMMA:
            return -1, size
        place = skip_space(text, place + 1)


@inner
def _close_properties(text: Array, start: int, size: int, many: int, row: int, rows: Rows, memory: Memory) -> int:
    """Put ``many`` members that stand beside the properties into them, and close them; the new size, or -1."""
    out = rows.out
    if many:
        for index in range(len(_OPEN_FOREIGN)):
            out[size + index] = _OPEN_FOREIGN[index]
        size += len(_OPEN_FOREIGN)
        for member in range(many):
            key = rows.foreign[member]
            _, size, more = copy_string(text, key - 1, out, size)
            rows.flags[row] |= more
            out[size] = _COLON
            value = after_key(text, plain_key(text, key))
            place, size, more = copy_value(text, value, out, size + 1, memory)
            rows.flags[row] |= more
            if place < 0:
                return -1
            out[size] = _COMMA
            size += 1
        out[size - 1] = _CLOSE
        out[size] = _COMMA
        size += 1
    if size == start + 1:
        return start  # no properties are b""
    out[size - 1] = _CLOSE
    return size


@inner
def _read_feature(text: Array, place: int, end: int, shapes: Shapes, rows: Rows, memory: Memory) -> int:  # noqa: C901, PLR0915 - one loop over a grammar
    """Read a Feature of the common form at ``place`` into the next row; its end, or -1."""
    counts = rows.counts
    row, begin = counts[ROWS], place
    memory.marks[STAMP] += 1
    memory.marks[OBJECTS] = 0
    many, size = 0, counts[BYTES] + 1
    rows.out[size - 1] = _OPEN
    rows.class_at[row], rows.flags[row], rows.scores[row] = -1, 0, np.nan
    place, kind = _repeat_head(text, begin, shapes, rows)
    is_typed, is_identified = kind != 0, kind != 0 and counts[MIDDLE] != 0
    if not is_identified:
        rows.ids[row, :] = 0
    is_described, is_plain, is_read = False, True, False
    id_at, coordinates = 0, 0
    while text[place] != _CLOSE:
        place = skip_space(text, place + 1)
        start = place + 1
        last = plain_key(text, start) if text[place] == _QUOTE else -1
        place = after_key(text, last) if last >= 0 else -1
        if place < 0:
            return -1
        char = text[place]
        if is_word(text, start, last, _GEOMETRY):
            if kind or char != _OPEN:
                return -1
            place, kind = read_geometry(text, place, shapes, counts)
            if is_typed and is_plain:
                coordinates = counts[COORDINATES]
        elif is_word(text, start, last, _PROPERTIES):
            if is_described or char != _OPEN:
                return -1
            is_described = True
            is_plain = is_plain and kind != 0
            start, first = place, size
            place, size = _repeat_properties(text, start, end, first, row, rows)
            if place < 0:
                place, size = _read_properties(text, start, first, row, rows, memory)
                _note_properties(start, place, first, size, row, rows)
                is_read = True
        elif is_word(text, start, last, _TYPE):
            last = plain_key(text, place + 1)
            if is_typed or char != _QUOTE or not is_word(text, place + 1, last, _FEATURE):
                return -1
            is_typed = True
            place = last + 1
        elif is_word(text, start, last, _ID):
            last = plain_key(text, place + 1)
            if is_identified or char != _QUOTE or last != place + _ID_SIZE + 1:
                return -1
            is_identified = True
            if kind == 0:
                id_at = place + 1
            place = last + 1 if _read_uuid(text, place + 1, rows.ids, row) else -1
        else:
            is_plain = is_plain and kind != 0
            is_other = many == len(rows.foreign) or is_word(text, start, last, _AS_DRAWN)
            if is_other or not is_new(text, start, last, 0, memory):
                return -1
            if is_word(text, start, last, _BBOX):
                place, _, _ = copy_value(text, place, rows.out, size, memory)
            else:
                rows.foreign[many] = start
                many += 1
                place = skip_value(text, place, end)
        if place < 0:
            return -1
        place = skip_space(text, place)
        if text[place] != _CLOSE and text[place] != _COMMA:
            return -1
    if not is_typed or kind == 0:
        return -1
    size = _close_properties(text, counts[BYTES], size, many, row, rows, memory)
    if size < 0:
        return -1
    _remember(begin, id_at, coordinates, is_read, kind, rows)
    rows.kinds[row] = kind
    counts[BYTES] = size
    return place + 1


@inner
def _record_end(text: Array, place: int, end: int, mark: int) -> int:
    while place < end and text[place] != mark:
        place += 1
    return place


@inner
def _record_extent(text: Array, place: int, last: int, end: int, is_final: bool, mark: int) -> tuple[int, int]:
    """Give the end of a record (-1 when more of it may follow), and that of the Feature, -1 when it is not alone."""
    if last >= 0:
        stop = skip_space(text, last)
        between = _record_end(text, last, stop, mark)
        if between < stop:
            return between, last
        if text[stop] == mark if stop < end else is_final:
            return stop, last
    stop = _record_end(text, place, end, mark)
    return (stop if stop < end or is_final else -1), -1


@inner
def _scan(  # noqa: C901 - one loop over a grammar
    text: Array,
    place: int,
    end: int,
    is_final: bool,
    around: int,
    shapes: Shapes,
    rows: Rows,
    items: Items,
    memory: Memory,
) -> tuple[int, int]:
    """Do as `scan_items` says; how it ended, and the place up to which all is read."""
    counts = rows.counts
    mark = _NEWLINE if around == LINES else _RECORD
    while True:
        place = skip_space(text, place)
        while around == RECORDS and text[place] == _RECORD:
            place = skip_space(text, place + 1)
        if place >= end:
            return (END if is_final and around != ARRAY else MORE), place
        if around == ARRAY:
            if text[place] == _CLOSE_LIST and counts[EXPECT] != 2:
                return END, place + 1
            if counts[EXPECT] == 1:
                if text[place] != _COMMA:
                    return BAD, place
                counts[EXPECT] = 2
                place += 1
                continue
        if counts[ITEMS] >= len(items.starts):
            return FULL, place
        positions, rings, parts, classes = counts[POSITIONS], counts[RINGS], counts[PARTS], counts[CLASSES]
        last = -1
        if text[place] == _OPEN:
            last = _read_feature(text, place, end, shapes, rows, memory)
        stop = last
        if around != ARRAY:
            stop, last = _record_extent(text, place, last, end, is_final, mark)
        elif last < 0:
            stop = skip_value(text, place, end)
            if stop == -2:
                return BAD, place
        if last < 0:
            counts[POSITIONS], counts[RINGS], counts[PARTS], counts[CLASSES] = positions, rings, parts, classes
        if stop < 0:
            return MORE, place
        items.starts[counts[ITEMS]], items.ends[counts[ITEMS]] = place, stop
        items.rows[counts[ITEMS]] = -1
        if last >= 0:
            items.rows[counts[ITEMS]] = counts[ROWS]
            counts[ROWS] += 1
            shapes.starts[counts[ROWS]] = counts[PARTS]
            rows.out_ends[counts[ROWS]] = counts[BYTES]
        counts[ITEMS] += 1
        counts[EXPECT] = 1
        place = stop


@inner
def scan_items(
    text: Array,
    place: int,
    end: int,
    is_final: bool,
    around: int,
    shapes: Shapes,
    rows: Rows,
    items: Items,
    memory: Memory,
) -> int:
    """Find the items of a block of text and read those of the common form.

    Parameters
    ----------
    text
        uint8; ``place`` to ``end`` is looked at, ``text[end]`` is 0, and ``is_final`` tells that no more follows.
    around
        `ARRAY`, `LINES` or `RECORDS`.

    Returns
    -------
    How it ended; ``counts[PLACE]`` is the place up to which all is read.
    """
    ended, rows.counts[PLACE] = _scan(text, place, end, is_final, around, shapes, rows, items, memory)
    return ended


@inner
def find_features(text: Array, place: int, end: int, stops: bool, reached: Array) -> int:
    """Do as `find_in_members` does; how it ended, and the place goes into ``reached``."""
    ended, reached[0] = find_in_members(text, place, end, stops)
    return ended


_SHAPES = together(FLOAT[::1], WORD[::1], *4 * (INT[::1],), of=Shapes)
_ROWS = together(
    BYTE[:, ::1],
    BYTE[::1],
    SMALL[::1],
    INT[:, ::1],
    FLOAT[::1],
    WORD[::1],
    *2 * (BYTE[::1],),
    *2 * (INT[::1],),
    INT[:, ::1],
    INT[::1],
    of=Rows,
)
_ITEMS = together(*3 * (INT[::1],), of=Items)
_MEMORY = together(WORD[::1], *3 * (INT[::1],), of=Memory)

ENTRIES = {
    "scan_items": called(scan_items, INT, given(BYTE), INT, INT, TRUTH, INT, _SHAPES, _ROWS, _ITEMS, _MEMORY),
    "find_features": called(find_features, INT, given(BYTE), INT, INT, TRUTH, INT[::1]),
    "read_number": called(read_number, INT, given(BYTE), INT, FLOAT[::1], WORD[::1], INT),
}
