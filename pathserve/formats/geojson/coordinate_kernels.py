"""Coordinates of a GeoJSON geometry into the arrays of `Columns`, in machine code without the interpreter lock."""

from pathserve.formats.geojson.json_kernels import after_key, is_word, plain_key, skip_space, word
from pathserve.formats.geojson.number_kernels import read_number, read_plain
from pathserve.formats.geojson.scan_arrays import COORDINATES, PARTS, POSITIONS, RINGS, Shapes
from pathserve.native.compiling import Array, inlined, inner

_TYPE, _COORDINATES = word("type"), word("coordinates")
_POINT, _MULTIPOINT, _LINE = map(word, ("Point", "MultiPoint", "LineString"))
_MULTILINE, _POLYGON, _MULTIPOLYGON = map(word, ("MultiLineString", "Polygon", "MultiPolygon"))

_BLANK = 0x20
_QUOTE, _COMMA, _CLOSE, _OPEN_LIST, _CLOSE_LIST = map(ord, '",}[]')


@inlined
def _read_coordinate(text: Array, place: int, xy: Array, bits: Array, index: int) -> int:
    end: int
    end, value = read_plain(text, place)
    if end < 0:
        return read_number(text, place, xy, bits, index)
    xy[index] = value
    return end


@inlined
def _read_position(text: Array, place: int, xy: Array, bits: Array, row: int) -> int:
    """Read ``[x, y]``, whose bracket is at ``place``; its end, or -1."""
    # Most blanks are none or one: looking first is cheaper than a call.
    place += 1
    if text[place] <= _BLANK:
        place = skip_space(text, place)
    place = _read_coordinate(text, place, xy, bits, 2 * row)
    if place < 0:
        return -1
    if text[place] <= _BLANK:
        place = skip_space(text, place)
    if text[place] != _COMMA:
        return -1
    place += 1
    if text[place] <= _BLANK:
        place = skip_space(text, place)
    place = _read_coordinate(text, place, xy, bits, 2 * row + 1)
    if place < 0:
        return -1
    if text[place] <= _BLANK:
        place = skip_space(text, place)
    return place + 1 if text[place] == _CLOSE_LIST else -1


@inner
def _close_level(level: int, depth: int, shapes: Shapes, counts: Array) -> bool:
    """Take note of a ring or part that ends; False when there is no room for it."""
    if level == depth:
        if counts[RINGS] + 1 >= len(shapes.ring_starts):
            return False
        counts[RINGS] += 1
        shapes.ring_starts[counts[RINGS]] = counts[POSITIONS]
    elif depth == 3 and level == 2:
        if shapes.part_rings[0] + 1 >= len(shapes.part_rings):
            return False
        shapes.part_rings[0] += 1
        shapes.part_rings[shapes.part_rings[0]] = counts[RINGS]
    return True


@inner
def read_coordinates(text: Array, place: int, shapes: Shapes, counts: Array) -> tuple[int, int]:  # noqa: C901 - one loop over a grammar
    """Read nested arrays of positions; their end (or -1) and how deep positions lie in them, 0 for one position.

    ``part_rings`` gets the number of rings at the end of each part of depth 3, and how many there are in front.
    """
    depth, first = -1, place
    while text[place] == _OPEN_LIST:
        depth += 1
        first = place
        place = skip_space(text, place + 1)
    if not 0 <= depth <= 3:
        return -1, depth
    place, level = first, depth
    xy, bits, most = shapes.xy, shapes.bits, len(shapes.xy) // 2
    while True:
        if counts[POSITIONS] >= most or text[place] != _OPEN_LIST:
            return -1, depth
        place = _read_position(text, place, xy, bits, counts[POSITIONS])
        if place < 0:
            return -1, depth
        counts[POSITIONS] += 1
        while level:
            if text[place] <= _BLANK:
                place = skip_space(text, place)
            char = text[place]
            place += 1
            if char == _COMMA:
                break
            if char != _CLOSE_LIST or not _close_level(level, depth, shapes, counts):
                return -1, depth
            level -= 1
        if level == 0:
            return (place if depth or _close_level(0, 0, shapes, counts) else -1), depth
        if text[place] <= _BLANK:
            place = skip_space(text, place)
        while level < depth:
            if text[place] != _OPEN_LIST:
                return -1, depth
            level += 1
            place = skip_space(text, place + 1)


@inner
def _kind_of(text: Array, start: int, end: int) -> int:
    """Give the number of a geometry's type (`GeometryKind`), 0 for another."""
    if is_word(text, start, end, _POLYGON):
        return 5
    if is_word(text, start, end, _POINT):
        return 1
    if is_word(text, start, end, _MULTIPOLYGON):
        return 6
    if is_word(text, start, end, _LINE):
        return 3
    if is_word(text, start, end, _MULTIPOINT):
        return 2
    return 4 if is_word(text, start, end, _MULTILINE) else 0


@inner
def close_geometry(kind: int, first_ring: int, shapes: Shapes, counts: Array) -> bool:
    """Put the parts of a geometry down; False when there is no room for them."""
    parts = 1
    if kind == 6:
        parts = shapes.part_rings[0]
    elif kind == 4:
        parts = counts[RINGS] - first_ring
    if counts[PARTS] + parts >= len(shapes.part_starts):
        return False
    for part in range(parts):
        ring = counts[RINGS]
        if kind == 6:
            ring = shapes.part_rings[part + 1]
        elif kind == 4:
            ring = first_ring + part + 1
        counts[PARTS] += 1
        shapes.part_starts[counts[PARTS]] = ring
    return True


@inner
def read_geometry(text: Array, place: int, shapes: Shapes, counts: Array) -> tuple[int, int]:
    """Read a geometry of type and coordinates, whose bracket is at ``place``; its end (or -1) and kind."""
    kind, depth = 0, -1
    first_ring = counts[RINGS]
    shapes.part_rings[0] = 0
    while True:
        start = skip_space(text, place + 1)
        last = plain_key(text, start + 1) if text[start] == _QUOTE else -1
        place = after_key(text, last) if last >= 0 else -1
        if place < 0:
            return -1, 0
        if is_word(text, start + 1, last, _TYPE) and kind == 0 and text[place] == _QUOTE:
            last = plain_key(text, place + 1)
            kind = _kind_of(text, place + 1, last) if last >= 0 else 0
            if kind == 0:
                return -1, 0
            place = last + 1
            counts[COORDINATES] = 0
        elif is_word(text, start + 1, last, _COORDINATES) and depth < 0:
            counts[COORDINATES] = place if kind else 0
            place, depth = read_coordinates(text, place, shapes, counts)
            if place < 0:
                return -1, 0
        else:
            return -1, 0
        place = skip_space(text, place)
        if text[place] == _CLOSE:
            break
        if text[place] != _COMMA:
            return -1, 0
    # Point 0, MultiPoint and LineString 1, MultiLineString and Polygon 2, MultiPolygon 3.
    if kind == 0 or depth != kind >> 1 or not close_geometry(kind, first_ring, shapes, counts):
        return -1, 0
    return place + 1, kind
