"""Which chunks are visible at a revision of a slide, with what they tell before they are opened; kept in memory.

A directory is right as long as nothing was published or folded since. Both leave a row in ``batch`` for ever, so the
count of these rows beside the revision is the key: who reads in one transaction sees both and everything else as of the
same moment.
"""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import groupby
from threading import Lock

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_reader import ChunkRef
from pathserve.annotations.layers import LayerState, layers_at
from pathserve.db import Transaction, as_int

Ints = npt.NDArray[np.int64]

_KEPT = 32


@dataclass(frozen=True, slots=True)
class Directory:
    """All layers and visible chunks at a revision.

    Parameters
    ----------
    chunks
        N chunks, those with the lowest numbers first.
    boxes
        (N, 4) float64: x0, y0, x1, y1 of all in each.
    extents
        (N,) float64: longest side of a box in each.
    exhaustive
        (N,) int64: how many rows of each are marked as exhaustively annotated areas.
    hidden
        Rows of chunks that are no longer part of the state, by chunk.
    """

    layers: dict[int, LayerState]
    chunks: tuple[ChunkRef, ...]
    boxes: npt.NDArray[np.float64]
    extents: npt.NDArray[np.float64]
    exhaustive: Ints
    hidden: dict[int, Ints]

    @property
    def numbers(self) -> Ints:
        """Give (N, 2): lowest and highest number of each."""
        return np.array([(c.first_number, c.last_number) for c in self.chunks], np.int64).reshape(-1, 2)


class Directories:
    """Keeps the directories that were used last, about 200 bytes a chunk; for several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, int], Directory] = OrderedDict()
        self._lock = Lock()

    def of(self, tx: Transaction, slide: str, revision: int) -> Directory:
        """Give the directory of a revision; one statement when it is kept."""
        row = tx.row("select count(*) from batch where slide = ? and revision is not null", slide)
        key = slide, revision, as_int(row[0]) if row else 0
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        made = read_directory(tx, slide, revision)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made


def read_directory(tx: Transaction, slide: str, revision: int) -> Directory:
    """Read a directory: three statements."""
    state = "s.slide = ? and s.born <= ? and (s.died is null or s.died > ?)"
    rows = tx.rows(
        "select s.id, s.layer, s.size, s.scattered, s.first_number, s.last_number, s.born, "  # noqa: S608 - constants only
        f"s.x0, s.y0, s.x1, s.y1, s.max_extent, s.exhaustive from chunk s where {state} order by s.first_number, s.id",
        slide,
        revision,
        revision,
    )
    gone = tx.rows(
        "select o.chunk, o.place from chunk s join overridden o on o.chunk = s.id "  # noqa: S608 - constants only
        f"where {state} and o.revision <= ? order by o.chunk",
        slide,
        revision,
        revision,
        revision,
    )
    told = np.array([row[7:] for row in rows], np.float64).reshape(-1, 6)
    return Directory(
        layers=layers_at(tx, slide, revision),
        chunks=tuple(
            ChunkRef(as_int(i), as_int(layer), as_int(size), bool(own), as_int(first), as_int(last), as_int(born))
            for i, layer, size, own, first, last, born, *_ in rows
        ),
        boxes=told[:, :4],
        extents=told[:, 4],
        exhaustive=told[:, 5].astype(np.int64),
        hidden={
            as_int(chunk): np.array([as_int(place) for _, place in places], np.int64)
            for chunk, places in groupby(gone, lambda row: row[0])
        },
    )
