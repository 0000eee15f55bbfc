"""Positions, rings and parts out of a chunk's bytes: by machine code where it is loaded, by arrays elsewhere.

Both give the same bits. Loading machine code takes as long as unpacking `WORTH_LOADING` chunks without it.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.annotations.packing import Unpacker, damaged
from pathserve.native import kept_kernels_of, kernels_of, loaded_kernels_of

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Shapes = tuple[Ints, Ints, Ints, Floats]
"""``starts``, ``part_starts``, ``ring_starts`` and ``xy`` as `labels.Columns` has them."""

WORTH_LOADING = 100
WORTH_COMPILING = 500
"""Machine code that is not compiled yet is worth waiting for from so many chunks on, once after an installation."""

_MODULE = "pathserve.annotations.chunk_kernels"


def load_kernels() -> None:
    """Load the machine code: what unpacks many chunks does so before."""
    kernels_of(_MODULE)


def load_kernels_for(chunks: int) -> None:
    """Load the machine code if that is worth it for so many chunks."""
    if chunks >= WORTH_COMPILING:
        kernels_of(_MODULE)
    elif chunks >= WORTH_LOADING:
        kept_kernels_of(_MODULE)


def loaded_kernels() -> SimpleNamespace | None:
    """Give the machine code (each kernel of `chunk_kernels` by its name) if this process has it."""
    return loaded_kernels_of(_MODULE)


def unpack_shapes(section: bytes, *, rows: int, parts: int, rings: int, positions: int) -> Shapes:
    """Unpack the geometry of a chunk, as the docstring of `chunks` has it.

    Raises
    ------
    Corrupt
        When the bytes are not of that form, or not of so many.
    """
    kernels = loaded_kernels()
    if kernels is None:
        source = Unpacker(section)
        shapes = shapes_by_arrays(source, (rows, parts, rings, positions), _take_positions)
        source.end()
        return shapes
    if max(rows, parts, rings, positions) > len(section):  # each takes a byte or more
        raise damaged()
    starts, part_starts, ring_starts = (np.empty(count + 1, np.int64) for count in (rows, parts, rings))
    xy, data = np.empty((positions, 2)), np.frombuffer(section, np.uint8)
    if kernels.take_shapes(data, starts, part_starts, ring_starts, xy, xy.view(np.int64)) != len(data):
        raise damaged()
    return starts, part_starts, ring_starts, xy


def shapes_by_arrays(
    source: Unpacker, counts: Sequence[int], take_positions: Callable[[Unpacker, Ints], Ints]
) -> Shapes:
    """Take shapes without machine code.

    Parameters
    ----------
    counts
        Of annotations, parts, rings and positions.
    take_positions
        Takes the k of positions, given how many each ring has of its own.
    """
    several = [_starts(source.ints(count), total) for count, total in pairwise(counts)]
    ring_starts, closed = several[2], source.raw(1) == b"\x01"
    lengths = np.diff(ring_starts) - closed
    if len(lengths) and int(lengths.min()) < 1:
        raise damaged()
    xy = source.floats((int(lengths.sum()), 2), lambda: take_positions(source, lengths))
    return several[0], several[1], ring_starts, _closed(xy, ring_starts) if closed else xy


def _starts(lengths: Ints, total: int) -> Ints:
    starts = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    if starts[-1] != total or (len(lengths) and int(lengths.min()) < 1):
        raise damaged()
    return starts


def _far(source: Unpacker, steps: int) -> tuple[Ints, Ints]:
    places = source.places(steps)
    return places, source.ints(len(places))


def _take_positions(source: Unpacker, lengths: Ints) -> Ints:
    count = int(lengths.sum())
    begin = np.cumsum(source.ints(2 * len(lengths)).reshape(-1, 2), axis=0)
    places, far = _far(source, 2 * (count - len(lengths)))
    steps = source.ints(2 * (count - len(lengths)))
    steps[places] += far
    first = np.cumsum(lengths) - lengths
    is_step = np.ones(count, np.bool_)
    is_step[first] = False
    run = np.zeros((count, 2), np.int64)
    _pairs(run)[is_step] = _pairs(steps.reshape(-1, 2))
    return sum_steps(begin, run, lengths)


def sum_steps(begin: Ints, steps: Ints, lengths: Ints) -> Ints:
    """Make the k of positions of their differences.

    Parameters
    ----------
    begin
        (R, 2): those of the first position of each ring.
    steps
        (N, 2): to each position from the one before, 0 to the first of each ring; gets the answer.
    lengths
        (R,): positions of each ring.
    """
    first = np.cumsum(lengths) - lengths
    np.cumsum(steps, axis=0, out=steps)
    steps += np.repeat(_pairs(begin - steps[first]), lengths).view(np.int64).reshape(-1, 2)
    return steps


def _closed(xy: Floats, ring_starts: Ints) -> Floats:
    """Put the first position of each ring behind its last one too."""
    places = np.arange(int(ring_starts[-1])) - np.repeat(np.arange(len(ring_starts) - 1), np.diff(ring_starts))
    places[ring_starts[1:] - 1] = places[ring_starts[:-1]]
    found: Floats = _pairs(xy)[places].view(np.float64).reshape(-1, 2)
    return found


def _pairs(rows: npt.NDArray[Any]) -> npt.NDArray[np.complex128]:
    """See (n, 2) of 8 bytes as n of 16 bytes, which are moved several times faster; nothing is calculated with them."""
    return np.ascontiguousarray(rows).view(np.complex128).reshape(-1)
