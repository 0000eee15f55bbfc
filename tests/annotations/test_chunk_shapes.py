"""Shapes and attributes come out of a chunk to the last bit, with machine code and without it; damaged ones do not."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.annotations import chunk_shapes
from pathserve.annotations.chunks import Chunk, assemble, encode_chunk
from pathserve.annotations.packing import Packer
from pathserve.errors import Corrupt
from pathserve.labels import Columns, NewAnnotation
from pathserve.labels.columns import areas
from pathserve.native import functions

BOTH = pytest.mark.parametrize("with_kernels", [False, True])


@contextmanager
def unpacking(*, with_kernels: bool) -> Iterator[None]:
    """Let chunks be unpacked with machine code, or as a process does that has not loaded it."""
    chunk_shapes.load_kernels()
    with pytest.MonkeyPatch.context() as patch:
        if not with_kernels:
            patch.delitem(functions._loaded(), "pathserve.annotations.chunk_kernels")
        assert (chunk_shapes.loaded_kernels() is not None) == with_kernels
        yield


ODD = st.sampled_from([-0.0, 5e-324, -1e300, 2.0**53 + 2, 0.1, float(np.float32(0.1))])
GRIDS = st.sampled_from([1, 4, 10, 100, 1000]).flatmap(
    lambda scale: st.integers(-(10**6), 10**6).map(lambda k: k / scale) | ODD
)


@st.composite
def walks(draw):
    """Lines of small steps with a few that need more bits, or more than 16."""
    steps = np.array(draw(st.lists(st.integers(-128, 127), min_size=40, max_size=80)))
    for place in draw(st.sets(st.integers(0, len(steps) - 1), max_size=4)):
        steps[place] = draw(st.sampled_from([32767, -32768, 32768, -32769, 2**31, -(2**40)]))
    xy = np.cumsum(steps[: len(steps) // 2 * 2].reshape(-1, 2), axis=0) / draw(st.sampled_from([1, 4, 1000]))
    return {"type": "LineString", "coordinates": xy.tolist()}


@st.composite
def shapes(draw):
    """Polygons, multipolygons and points; all rings closed, or lines among them."""
    coordinate = draw(
        st.sampled_from([GRIDS, st.integers(0, 50).map(float), st.integers(-(10**12), 10**12).map(float)])
    )
    position = st.tuples(coordinate, coordinate).map(list)
    ring = st.lists(position, min_size=3, max_size=6).map(lambda r: [*r, r[0]])
    rings = st.lists(ring, min_size=1, max_size=3)
    polygon = rings.map(lambda c: {"type": "Polygon", "coordinates": c})
    several = st.lists(rings, min_size=1, max_size=3).map(lambda c: {"type": "MultiPolygon", "coordinates": c})
    point = position.map(lambda c: {"type": "Point", "coordinates": c})
    line = st.lists(position, min_size=2, max_size=4).map(lambda c: {"type": "LineString", "coordinates": c})
    kinds = draw(st.sampled_from([[polygon], [polygon, several], [point], [polygon, point, line, several], [walks()]]))
    return draw(st.lists(st.one_of(kinds), min_size=1, max_size=6))


def rings_of(geometry):
    coordinates = geometry["coordinates"]
    match geometry["type"]:
        case "Point":
            return [[[coordinates]]]
        case "LineString":
            return [[coordinates]]
        case "Polygon":
            return [coordinates]
        case _:
            return coordinates


@BOTH
@settings(max_examples=60, deadline=None)
@given(shapes())
def test_shapes_come_back_to_the_last_bit(with_kernels, geometries):
    data = encode_chunk(Columns.of([NewAnnotation(geometry) for geometry in geometries]))
    with unpacking(with_kernels=with_kernels):
        found = Chunk(data).columns(with_properties=False)
    parts = [rings_of(geometry) for geometry in geometries]
    given_xy = np.array([p for part in parts for rings in part for ring in rings for p in ring], np.float64)
    assert found.xy.tobytes() == given_xy.tobytes()
    assert not found.xy.flags.writeable
    assert np.diff(found.starts).tolist() == [len(part) for part in parts]
    assert np.diff(found.part_starts).tolist() == [len(rings) for part in parts for rings in part]
    assert np.diff(found.ring_starts).tolist() == [len(ring) for part in parts for rings in part for ring in rings]


def section(*, lengths, closed, scale, places, firsts, width, steps, far_places=(), far=()):
    """Write the geometry of one polygon by hand, as the documentation of chunks has it."""
    out = Packer()
    for counts in ([1], [len(lengths)], lengths):
        out.ints(np.array(counts))
    out.raw(bytes([closed]))
    out.raw(int(scale).to_bytes(4, "little") + len(places).to_bytes(4, "little"))
    out.ints(np.array(places, np.int64))
    out.raw(np.full(len(places), 0.5).tobytes())
    out.ints(np.array(firsts))
    out.raw(len(far_places).to_bytes(4, "little"))
    out.ints(np.array(far_places, np.int64))
    out.ints(np.array(far, np.int64))
    planes = np.array(steps, f"<i{width}").view(np.uint8).reshape(-1, width).T
    out.raw(bytes([width]) + planes.tobytes())
    return out.packed()


@BOTH
@pytest.mark.parametrize("width", [1, 2, 4, 8])
@pytest.mark.parametrize("closed", [0, 1])
def test_differences_of_every_width_are_summed(with_kernels, width, closed):
    firsts, steps = [[-3, 100_000], [1, -1]], [[2, -100], [7, 7], [-128, 127], [0, 0]]
    lengths = [3 + closed, 3 + closed]
    text = section(
        lengths=lengths,
        closed=closed,
        scale=4,
        places=[3, 10],
        firsts=firsts,
        width=width,
        steps=steps,
        far_places=[2, 6, 7],
        far=[-(2**40), 2**33, 9],
    )
    with unpacking(with_kernels=with_kernels):
        got = chunk_shapes.unpack_shapes(text, rows=1, parts=1, rings=2, positions=6 + 2 * closed)
    # The second ring begins where the first one began, and a step further on. Numbers 2, 6 and 7 of the steps are far.
    first = np.cumsum([firsts[0], steps[0], [7 - 2**40, 7]], axis=0)
    second = np.cumsum([np.add(*firsts), steps[2], [2**33, 9]], axis=0)
    wanted = [first / 4, second / 4]
    wanted[0][1, 1] = wanted[1][2, 0] = 0.5  # numbers 3 and 10 are exceptions
    if closed:
        wanted = [np.concatenate((ring, ring[:1])) for ring in wanted]
    np.testing.assert_array_equal(got[3], np.concatenate(wanted))
    assert [end - start for start, end in pairwise(got[2].tolist())] == lengths


@BOTH
@pytest.mark.parametrize(
    "wrong",
    [
        {"lengths": [0, 8]},
        {"lengths": [1, 7]},
        {"lengths": [4, 5]},
        {"places": [12]},
        {"places": [-1]},
        {"places": [3, 3]},
        {"places": [5, 4]},
        {"firsts": [[1, 1]]},
        {"firsts": [[1, 1]] * 3},
        {"steps": [[1, 1]] * 3},
        {"steps": [[1, 1]] * 5},
        {"far_places": [8], "far": [1]},
        {"far_places": [-1], "far": [1]},
        {"far_places": [1, 1], "far": [1, 1]},
        {"far_places": [2, 1], "far": [1, 1]},
        {"far_places": [1], "far": []},
    ],
)
def test_wrong_counts_and_places_are_refused(with_kernels, wrong):
    right = {"lengths": [4, 4], "closed": 1, "scale": 4, "places": []}
    right |= {"firsts": [[1, 1]] * 2, "width": 2, "steps": [[1, 1]] * 4, "far_places": [7], "far": [40_000]}
    with unpacking(with_kernels=with_kernels):
        chunk_shapes.unpack_shapes(section(**right), rows=1, parts=1, rings=2, positions=8)
        with pytest.raises(Corrupt):
            chunk_shapes.unpack_shapes(section(**right | wrong), rows=1, parts=1, rings=2, positions=8)


def unpacked_bytes(data: bytes) -> int:
    """Read from the head of a chunk how many bytes its geometry has."""
    return int.from_bytes(data[40:44], "little")


@pytest.mark.parametrize(("far", "taken_out"), [([], 0), ([32_768], 1), ([-32_769] * 4, 4), ([32_768] * 13, 0)])
def test_only_what_is_far_is_kept_wide(far, taken_out):
    steps = np.full((100, 2), 300)
    steps.reshape(-1)[7 : 7 + len(far)] = far
    xy = np.cumsum(steps, axis=0)
    lines = [{"type": "LineString", "coordinates": (xy + corner).tolist()} for corner in (0, 10_000_000)]
    data = encode_chunk(Columns.of([NewAnnotation(line) for line in lines]))
    # By the documentation: counts of 2, whether closed, scale, no exceptions, firsts of 4 bytes, far ones, steps.
    wide = 4 if far and not taken_out else 2
    pieces = [3 * (1 + 2), 1, 4, 4 + 1, 1 + 4 * 4, 4 + 1 + 1, 2 * taken_out * (2 + 4), 1 + 2 * 198 * wide]
    assert unpacked_bytes(data) == sum(pieces)


SMALL = st.sampled_from([-(2**40), -129, 0, 1, 300])


@st.composite
def stored_cells(draw):
    """Annotations with all that attributes tell, as a store has them."""
    geometries = draw(shapes())
    score = st.none() | st.integers(0, 100).map(lambda k: k / 100) | ODD
    told = {"state": st.sampled_from(["draft", "approved"]), "exhaustive": st.booleans(), "score": score}
    classes = st.none() | st.sampled_from(["tumour", "stroma"])
    columns = Columns.of(
        [NewAnnotation(g, class_name=draw(classes), properties=draw(st.fixed_dictionaries(told))) for g in geometries]
    )
    numbers, revisions, firsts = (
        np.array(draw(st.lists(SMALL, min_size=len(columns), max_size=len(columns)))) for _ in range(3)
    )
    return replace(columns, numbers=numbers, revisions=revisions, firsts=firsts)


@BOTH
@settings(max_examples=60, deadline=None)
@given(stored_cells())
def test_attributes_come_back_to_the_last_bit(with_kernels, columns):
    data = encode_chunk(columns)
    with unpacking(with_kernels=with_kernels):
        found = Chunk(data).attributes()
    for name in ("ids", "numbers", "revisions", "firsts", "kinds", "classes", "states", "exhaustive", "scores"):
        got, given_in = getattr(found, name), getattr(columns, name)
        assert got.dtype == given_in.dtype, name
        assert got.tobytes() == given_in.tobytes(), name
        assert not got.flags.writeable, name
    assert found.boxes.tobytes() == columns.boxes().tobytes()
    assert found.areas.tolist() == areas(columns).tolist()


HEAD = 64
"""Bytes in front of the first section."""


def unpacked(data: bytes) -> tuple[tuple[int, ...], list[bytes]]:
    """Take a chunk apart: numbers of annotations, parts, rings and positions, and its sections."""
    chunk = Chunk(data)
    ends = (HEAD, chunk.attributes_end, chunk.geometry_end, len(data))
    return struct.unpack_from("<4I", data, 8), [bytes(imagecodecs.zstd_decode(data[a:b])) for a, b in pairwise(ends)]


def told(data: bytes) -> list[bytes] | None:
    """Give the bytes of all arrays in a chunk; None when it is refused."""
    try:
        attributes = Chunk(data).attributes()
        columns = Chunk(data).columns(with_properties=False, attributes=attributes)
    except Corrupt:
        return None
    arrays = [getattr(attributes, name) for name in ("numbers", "firsts", "classes", "exhaustive", "scores", "boxes")]
    return [a.tobytes() for a in (*arrays, columns.starts, columns.part_starts, columns.ring_starts, columns.xy)]


@settings(max_examples=200, deadline=None)
@given(stored_cells(), st.data())
def test_whatever_the_bytes_are_machine_code_gives_what_arrays_give(columns, data):
    sizes, sections = unpacked(encode_chunk(columns))
    which = data.draw(st.integers(0, 1))
    raw = bytearray(sections[which])
    # The names, which machine code does not read, stand in front of the attributes.
    first = 0 if which else 4 + int.from_bytes(raw[:4], "little")
    for place in data.draw(st.lists(st.integers(first, len(raw) - 1), max_size=3)):
        raw[place] = data.draw(st.sampled_from([0, 1, 2, 3, 4, 8, 127, 128, 255]))
    end = data.draw(st.sampled_from([len(raw), len(raw), len(raw), data.draw(st.integers(first, len(raw)))]))
    sections[which] = bytes(raw[:end]) + data.draw(st.sampled_from([b"", b"", b"\0", b"\1\0"]))
    made = b"".join(assemble(sizes, sections))
    with unpacking(with_kernels=False):
        wanted = told(made)
    with unpacking(with_kernels=True):
        assert told(made) == wanted
