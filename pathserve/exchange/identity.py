"""Ids made from content, where a file has none or its own are taken: importing such a file again changes nothing."""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from pathserve.labels import Columns

Ids = npt.NDArray[np.uint8]


class ContentIds:
    """Makes UUIDs (version 8 of RFC 9562) of slide, layer, geometry, class, properties and occurrence.

    The second feature of the same content gets another id than the first, and so on. Memory: 8 bytes a feature.
    """

    def __init__(self, slide: str, layer: str) -> None:
        self._start = blake2b(digest_size=16, person=b"pathserve-id")
        for text in (slide, layer):
            self._start.update(_framed(text.encode()))
        self._seen = [np.empty(0, np.uint64)]
        self._again = Counter[bytes]()

    def fill(self, columns: Columns) -> Ids:
        """Give the ids of some rows: their own, and made ones where they have none."""
        missing = np.flatnonzero(~columns.identified())
        if not len(missing):
            return columns.ids
        digests = [self._digest(columns, row) for row in missing.tolist()]
        keys = np.frombuffer(b"".join(digests), np.uint64)[::2].copy()
        order = np.argsort(keys, kind="stable")
        repeated = np.zeros(len(keys), np.bool_)
        repeated[order[1:]] = keys[order[1:]] == keys[order[:-1]]
        for seen in self._seen:
            repeated |= _is_in(keys, seen)
        for place in np.flatnonzero(repeated).tolist():
            digest = digests[place]
            self._again[digest] += 1
            digests[place] = self._later(digest, self._again[digest])
        self._remember(keys[~repeated])
        ids = columns.ids.copy()
        ids[missing] = _as_uuids(digests)
        return ids

    def made_anew(self, columns: Columns) -> Ids:
        """Give other ids, made of the own one of each row as well: the same row gets the same again."""
        made = list[bytes]()
        for row in range(len(columns)):
            found = self._start.copy()
            found.update(columns.ids[row].tobytes() + self._digest(columns, row))
            made.append(found.digest())
        return _as_uuids(made)

    def _digest(self, columns: Columns, row: int) -> bytes:
        found = self._start.copy()
        parts = slice(columns.starts[row], columns.starts[row + 1] + 1)
        rings = slice(columns.part_starts[parts][0], columns.part_starts[parts][-1] + 1)
        positions = columns.ring_starts[rings]
        index = int(columns.classes[row])
        found.update(columns.kinds[row : row + 1].tobytes())
        for piece in (
            (columns.part_starts[parts] - columns.part_starts[parts][0]).astype("<i8").tobytes(),
            (positions - positions[0]).astype("<i8").tobytes(),
            columns.xy[positions[0] : positions[-1]].astype("<f8").tobytes(),
            b"" if index < 0 else columns.class_names[index].encode(),
            columns.properties[row] or b"{}",
            columns.geometries.get(row, b""),
            columns.drawn.get(row, b""),
        ):
            found.update(_framed(piece))
        return found.digest()

    def _later(self, digest: bytes, occurrence: int) -> bytes:
        found = self._start.copy()
        found.update(digest + occurrence.to_bytes(8, "little"))
        return found.digest()

    def _remember(self, keys: npt.NDArray[np.uint64]) -> None:
        """Keep sorted runs, of which none is more than half as long as the one before: few to look into."""
        run = np.sort(keys)
        while self._seen and len(self._seen[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate((self._seen.pop(), run)))
        self._seen.append(run)


def _as_uuids(digests: Sequence[bytes]) -> Ids:
    ids = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16).copy()
    ids[:, 6] = (ids[:, 6] & 0x0F) | 0x80
    ids[:, 8] = (ids[:, 8] & 0x3F) | 0x80
    return ids


def _is_in(keys: npt.NDArray[np.uint64], run: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    if not len(run):
        return np.zeros(len(keys), np.bool_)
    place = np.minimum(np.searchsorted(run, keys), len(run) - 1)
    return np.asarray(run[place] == keys)


def _framed(piece: bytes) -> bytes:
    return len(piece).to_bytes(8, "little") + piece
