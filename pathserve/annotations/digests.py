"""What rows say as one number each, so that an import can tell in little memory whether two say the same."""

import os
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from pathserve.labels import Columns, Texts
from pathserve.native import kernels_of

Digests = npt.NDArray[np.uint64]

FEW = 1000
"""For so many rows no machine code is loaded."""

_SECRETS = np.frombuffer(os.urandom(24), np.uint64) | np.uint64(1)
"""Odd factors that nobody can know who makes a file of rows whose digests are to collide."""


def kernels() -> SimpleNamespace:
    """Load the machine code: who imports few rows is spared it."""
    return kernels_of("pathserve.annotations.id_kernels")


def row_digests(columns: Columns, *, few: int = FEW) -> Digests:
    """Give (N,) numbers of 64 bits that are equal for rows that say the same; only good within this process."""
    if not len(columns):
        return np.empty(0, np.uint64)
    names = np.array([*map(hash, columns.class_names), 0], np.int64).astype(np.uint64)
    if len(columns) <= few:
        found = _digests(columns, names)
    else:
        found = np.empty(len(columns), np.uint64)
        shapes = columns.ring_starts, columns.part_starts, columns.starts, columns.kinds
        texts = columns.properties.data, columns.properties.starts
        bits = np.ascontiguousarray(columns.xy).view(np.uint64)
        kernels().digest(bits, *shapes, names, columns.classes, *texts, _SECRETS, found)
    for members in (columns.geometries, columns.drawn):
        for row, text in members.items():
            found[row] ^= np.int64(hash(text)).astype(np.uint64)
    return found


def mix(value: Digests) -> Digests:
    """Spread the bits of each number: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Digests = value ^ (value >> np.uint64(31))
    return mixed


def _digests(columns: Columns, names: Digests) -> Digests:
    bits = (columns.xy + 0.0).view(np.uint64).reshape(-1, 2)  # plus nothing, so that there is one zero only
    positions, rings = columns.first_positions(), columns.part_starts[columns.starts]
    with np.errstate(over="ignore"):
        places = _places(positions)
        mixed = mix(bits[:, 0] * _SECRETS[0] + bits[:, 1] * _SECRETS[1] + places * _SECRETS[2])
        found = np.add.reduceat(mixed, positions[:-1])
        # Where in its annotation each ring begins, and how many parts there are.
        begins = columns.ring_starts[:-1] - np.repeat(positions[:-1], np.diff(rings))
        found += np.add.reduceat(mix(begins.astype(np.uint64) ^ np.uint64(1 << 40)), rings[:-1])
        found = mix(found + np.diff(columns.starts).astype(np.uint64))
        found = mix(found + columns.kinds.astype(np.uint64))
        found = mix(found + names[columns.classes])
        return mix(found + _text_digests(columns.properties))


def _text_digests(texts: Texts) -> Digests:
    letters = (texts.data.astype(np.uint64) + np.uint64(1)) * _SECRETS[0]
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(mix(letters + _places(texts.starts) * _SECRETS[2]))))
    return mix(sums[texts.starts[1:]] - sums[texts.starts[:-1]] + texts.lengths.astype(np.uint64))


def _places(starts: npt.NDArray[np.int64]) -> Digests:
    """Give the place of each member in its run, from 0."""
    return (np.arange(starts[-1]) - np.repeat(starts[:-1], np.diff(starts))).astype(np.uint64)
