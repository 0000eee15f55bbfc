"""Shapes come out of a chunk to the last bit, with machine code and without it; damaged ones do not."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathserve.annotations import chunk_shapes
from pathserve.annotations.chunks import Chunk, encode_chunk
from pathserve.annotations.packing import Packer, Unpacker
from pathserve.errors import Corrupt
from pathserve.labels import Columns, NewAnnotation

BOTH = pytest.mark.parametrize("with_kernels", [False, True])


@contextmanager
def unpacking(*, with_kernels: bool) -> Iterator[None]:
    """Let chunks be unpacked with machine code, or as a process does that has not loaded it."""
    chunk_shapes.load_kernels()
    if not with_kernels:
        chunk_shapes.forget_kernels()
    try:
        assert (chunk_shapes.loaded_kernels() is not None) == with_kernels
        yield
    finally:
        chunk_shapes.load_kernels()


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


@BOTH
@pytest.mark.parametrize("wrong", [b"", b"\2\0\1\2\3\1\1", b"\3" + b"\0" * 20, b"\2" + b"\0" * 6 + b"\1" + b"\0" * 2])
def test_several_columns_are_taken_at_once_but_not_out_of_too_few_bytes(with_kernels, wrong):
    out = Packer()
    out.ints(np.array([300, -300, 7]))
    out.ints(np.array([1, 2, -128]))
    with unpacking(with_kernels=with_kernels):
        right = Unpacker(out.packed(), chunk_shapes.loaded_kernels())
        assert right.columns(2, 3).tolist() == [[300, -300, 7], [1, 2, -128]]
        right.end()
        with pytest.raises(Corrupt):
            Unpacker(wrong, chunk_shapes.loaded_kernels()).columns(2, 3)
