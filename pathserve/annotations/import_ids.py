"""The ids of one import so far, each with a digest of what its row says."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pathserve.annotations.differences import Standing
from pathserve.annotations.digests import FEW, Digests, kernels, mix
from pathserve.annotations.sorted_runs import ScratchFile, Words

Ids = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

_FEWEST = 1024
_WIDTH = 3
_BLOCK = 1024
"""Ids that are read from the file together."""

_WAITING = 64 * _BLOCK
_PLACE_BITS = np.uint64(32)
_PLACE = np.uint64(0xFFFFFFFF)


class ImportIds:
    """Takes and finds many ids at once; for one thread.

    Memory: 11 to 22 bytes for each id. They and their digests lie in a file; in memory is a table with open addressing,
    of which each slot has the place of an id and half of its hash, so that hardly ever another id is read. A secret
    makes it no use to choose ids that collide.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._count = 0
        self._file = ScratchFile(folder)
        self._waiting = np.empty((_WAITING, _WIDTH), np.uint64)  # the last ones: halves of the id, and the digest
        self._slots = np.zeros(2 * _FEWEST, np.uint64)
        self._secret = np.uint64(int.from_bytes(os.urandom(8)))

    def add(self, ids: Ids, digests: Digests) -> None:
        """Take ids that are not there yet, each once."""
        first, self._count = self._count, self._count + len(ids)
        rows = np.empty((len(ids), _WIDTH), np.uint64)
        rows[:, :2], rows[:, 2] = np.ascontiguousarray(ids).view(np.uint64), digests
        self._keep(rows, first)
        if 4 * self._count <= 3 * len(self._slots):
            self._put(_hashes(rows, self._secret), first)
            return
        room = len(self._slots)
        while 4 * self._count > 3 * room:
            room *= 2
        del self._slots  # before there is another one
        self._slots = np.zeros(room, np.uint64)
        written = self._file.end // _WIDTH
        for start in range(0, written, _WAITING):
            rows = self._file.read(_WIDTH * start, _WIDTH * _WAITING).reshape(-1, _WIDTH)
            self._put(_hashes(rows, self._secret), start)
        self._put(_hashes(self._waiting[: self._count - written], self._secret), written)

    def compare(self, ids: Ids, digests: Digests) -> npt.NDArray[np.int8]:
        """Tell (N,) `Standing`: new, known, or taken by an earlier row of this import that says something else."""
        keys = np.ascontiguousarray(ids).view(np.uint64)
        hashes = _hashes(keys, self._secret)
        standing = np.zeros(len(keys), np.int8)
        rows, slots = np.arange(len(keys)), self._first_slots(hashes)
        while len(rows):
            places = self._find(hashes[rows], slots)
            met = places >= 0
            rows, slots, places = rows[met], slots[met], places[met]
            there = self._rows(places)
            hit = (there[:, 0] == keys[rows, 0]) & (there[:, 1] == keys[rows, 1])
            same = there[hit, 2] == digests[rows[hit]]
            standing[rows[hit]] = np.where(same, Standing.KNOWN, Standing.TAKEN)
            rows, slots = rows[~hit], self._next_slots(slots[~hit])
        return standing

    def close(self) -> None:
        """Let go of the file and of the memory."""
        self._file.close()
        self._count, self._slots, self._waiting = 0, self._slots[:0], self._waiting[:0]

    def _keep(self, rows: Words, first: int) -> None:
        """Write down what ids are, the first of which has a place."""
        done = 0
        while done < len(rows):
            at = (first + done) % _WAITING
            some = rows[done : done + _WAITING - at]
            self._waiting[at : at + len(some)] = some
            done += len(some)
            if at + len(some) == _WAITING:
                self._file.append(self._waiting)

    def _rows(self, places: Places) -> Words:
        """Give what was written down at some places."""
        found = np.empty((len(places), _WIDTH), np.uint64)
        written = self._file.end // _WIDTH
        late = places >= written
        found[late] = self._waiting[places[late] - written]
        early = np.flatnonzero(~late)
        early = early[np.argsort(places[early], kind="stable")]
        blocks = places[early] // _BLOCK
        for some in np.split(early, np.flatnonzero(np.diff(blocks)) + 1) if len(early) else ():
            block = int(places[some[0]]) // _BLOCK
            words = self._file.read(_WIDTH * _BLOCK * block, _WIDTH * _BLOCK).reshape(-1, _WIDTH)
            found[some] = words[places[some] - _BLOCK * block]
        return found

    def _find(self, hashes: Words, slots: Places) -> Places:
        """Give the place of the first id from a slot on whose half of the hash is the same, and set the slot to its.

        -1 where there is none.
        """
        places = np.full(len(hashes), -1, np.int64)
        if len(hashes) > FEW:
            kernels().find(self._slots, hashes, slots, places)
            return places
        rows = np.arange(len(hashes))
        while len(rows):
            there = self._slots[slots[rows]]
            filled = there != 0
            rows, there = rows[filled], there[filled]
            met = there >> _PLACE_BITS == hashes[rows] >> _PLACE_BITS
            places[rows[met]] = (there[met] & _PLACE).astype(np.int64) - 1
            rows = rows[~met]
            slots[rows] = self._next_slots(slots[rows])
        return places

    def _put(self, hashes: Words, first: int) -> None:
        """Note where ids lie of which none is there: the first of them at ``first``."""
        if len(hashes) > FEW:
            kernels().put(self._slots, hashes, first)
            return
        told = (hashes & ~_PLACE) + np.arange(first + 1, first + 1 + len(hashes)).astype(np.uint64)
        slots = self._first_slots(hashes)
        while len(told):
            free = self._slots[slots] == 0
            self._slots[slots[free]] = told[free]
            # Of several that meet at one slot the last has it.
            left = self._slots[slots] != told
            told, slots = told[left], self._next_slots(slots[left])

    def _first_slots(self, hashes: Words) -> Places:
        return (hashes & np.uint64(len(self._slots) - 1)).astype(np.int64)

    def _next_slots(self, slots: Places) -> Places:
        return (slots + 1) & (len(self._slots) - 1)


def _hashes(keys: Words, secret: np.uint64) -> Words:
    """Give a number of each id, whose halves are the first two columns."""
    return mix(mix(keys[:, 0] ^ secret) + keys[:, 1])
