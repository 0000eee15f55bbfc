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
from pathserve.annotations.packing import Packer
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
    kinds = draw(st.sampled_from([[polygon], [polygon, several], [point], [polygon, point, line, several]]))
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


def section(*, lengths, closed, scale, places, width, deltas):
    """Write the geometry of one polygon by hand, as the documentation of chunks has it."""
    out = Packer()
    for counts in ([1], [len(lengths)], lengths):
        out.ints(np.array(counts))
    out.raw(bytes([closed]))
    out.raw(int(scale).to_bytes(4, "little") + len(places).to_bytes(4, "little"))
    out.ints(np.array(places, np.int64))
    out.raw(np.full(len(places), 0.5).tobytes())
    planes = np.array(deltas, f"<i{width}").view(np.uint8).reshape(-1, width).T
    out.raw(bytes([width]) + planes.tobytes())
    return out.packed()


@BOTH
@pytest.mark.parametrize("width", [1, 2, 4, 8])
@pytest.mark.parametrize("closed", [0, 1])
def test_differences_of_every_width_are_summed(with_kernels, width, closed):
    steps = [[-3, 100], [2, -100], [7, 7], [1, -1], [-128, 127], [0, 5]]
    lengths = [3 + closed, 3 + closed]
    text = section(lengths=lengths, closed=closed, scale=4, places=[3, 10], width=width, deltas=steps)
    with unpacking(with_kernels=with_kernels):
        got = chunk_shapes.unpack_shapes(text, rows=1, parts=1, rings=2, positions=6 + 2 * closed)
    # The second ring begins where the first one began, and a step further on.
    first = np.cumsum(steps[:3], axis=0)
    second = np.cumsum([np.add(steps[0], steps[3]), *steps[4:]], axis=0)
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
        {"deltas": [[1, 1]] * 5},
        {"deltas": [[1, 1]] * 7},
    ],
)
def test_wrong_counts_and_places_are_refused(with_kernels, wrong):
    right = {"lengths": [4, 4], "closed": 1, "scale": 4, "places": [], "width": 2, "deltas": [[1, 1]] * 6}
    with unpacking(with_kernels=with_kernels):
        chunk_shapes.unpack_shapes(section(**right), rows=1, parts=1, rings=2, positions=8)
        with pytest.raises(Corrupt):
            chunk_shapes.unpack_shapes(section(**right | wrong), rows=1, parts=1, rings=2, positions=8)
