"""Positions, rings and parts out of a chunk's bytes: by machine code where it is loaded, by arrays elsewhere.

Both give the same bits. Loading machine code takes as long as unpacking `WORTH_LOADING` chunks without it.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from pathserve.annotations.packing import Unpacker, damaged
from pathserve.native import load_functions

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Shapes = tuple[Ints, Ints, Ints, Floats]
"""``starts``, ``part_starts``, ``ring_starts`` and ``xy`` as `labels.Columns` has them."""

WORTH_LOADING = 100


@cache
def _kernels() -> SimpleNamespace:
    return SimpleNamespace(**load_functions("pathserve.annotations.chunk_kernels"))


def load_kernels() -> None:
    """Load the machine code: what unpacks many chunks does so before."""
    _kernels()


def loaded_kernels() -> SimpleNamespace | None:
    """Give the machine code (each kernel of `chunk_kernels` by its name) if this process has it."""
    return _kernels() if _kernels.cache_info().currsize else None


def forget_kernels() -> None:
    """Unload the machine code."""
    _kernels.cache_clear()


def unpack_shapes(section: bytes, *, rows: int, parts: int, rings: int, positions: int) -> Shapes:
    """Unpack the geometry of a chunk, as the docstring of `chunks` has it.

    Raises
    ------
    Corrupt
        When the bytes are not of that form, or not of so many.
    """
    kernels = loaded_kernels()
    source = Unpacker(section, kernels)
    counts = (rows, parts, rings, positions)
    shapes = _by_arrays(source, counts) if kernels is None else _by_kernels(source, counts, kernels)
    source.end()
    return shapes


def _by_kernels(source: Unpacker, counts: Sequence[int], kernels: SimpleNamespace) -> Shapes:
    several = list[Ints]()
    for count, total in pairwise(counts):
        starts, (at, width) = np.empty(count + 1, np.int64), source.planes(count)
        least = kernels.take_starts(source.data, at, width, starts)
        if least < 1 or starts[-1] != total:
            raise damaged()
        several.append(starts)
    ring_starts, closed = several[2], source.raw(1) == b"\x01"
    rings, positions = counts[2:]
    if closed and rings and int((ring_starts[1:] - ring_starts[:-1]).min()) < 2:
        raise damaged()
    count = 2 * (positions - closed * rings)
    scale, places, values = source.scale(count)
    if not scale:
        plain = source.plain_floats(count).reshape(-1, 2)
        return several[0], several[1], ring_starts, _closed(plain, ring_starts) if closed else plain
    at, width = source.planes(count)
    xy = np.empty((positions, 2))
    put = kernels.take_positions(source.data, at, width, scale, ring_starts, int(closed), places, values, xy)
    if put != len(places):
        raise damaged()
    return several[0], several[1], ring_starts, xy


def _by_arrays(source: Unpacker, counts: Sequence[int]) -> Shapes:
    several = [_starts(source.ints(count), total) for count, total in pairwise(counts)]
    ring_starts, closed = several[2], source.raw(1) == b"\x01"
    lengths = np.diff(ring_starts) - closed
    if len(lengths) and int(lengths.min()) < 1:
        raise damaged()
    xy = source.floats((int(lengths.sum()), 2), lambda k: _positions_back(k, lengths))
    return several[0], several[1], ring_starts, _closed(xy, ring_starts) if closed else xy


def _starts(lengths: Ints, total: int) -> Ints:
    starts = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    if starts[-1] != total or (len(lengths) and int(lengths.min()) < 1):
        raise damaged()
    return starts


def _positions_back(changed: Ints, lengths: Ints) -> Ints:
    first = np.cumsum(lengths) - lengths
    begin = np.cumsum(changed[first], axis=0)
    changed[first] = 0
    run = np.cumsum(changed, axis=0)
    run += np.repeat(_pairs(begin - run[first]), lengths).view(np.int64).reshape(-1, 2)
    return run


def _closed(xy: Floats, ring_starts: Ints) -> Floats:
    """Put the first position of each ring behind its last one too."""
    places = np.arange(int(ring_starts[-1])) - np.repeat(np.arange(len(ring_starts) - 1), np.diff(ring_starts))
    places[ring_starts[1:] - 1] = places[ring_starts[:-1]]
    found: Floats = _pairs(xy)[places].view(np.float64).reshape(-1, 2)
    return found


def _pairs(rows: npt.NDArray[Any]) -> npt.NDArray[np.complex128]:
    """See (n, 2) of 8 bytes as n of 16 bytes, which are moved several times faster; nothing is calculated with them."""
    return np.ascontiguousarray(rows).view(np.complex128).reshape(-1)
