"""Which chunks are visible at a revision of a slide, with what they tell before they are opened; kept in memory.

A directory is right as long as nothing was published or folded since. Both leave a row in ``batch`` for ever, so the
count of these rows beside the revision is the key: who reads in one transaction sees both and everything else as of the
same moment. Between two of them chunks stay what they are, so after an edit only what it touched is read.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import overload
from uuid import UUID

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_reader import ChunkRef
from pathserve.annotations.layers import LayerState, layers_at
from pathserve.db import Row, Transaction, as_int, placeholders
from pathserve.errors import NotFound

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_KEPT = 32
_EDITED_AT_ONCE = 1000
"""Annotations that are looked up one by one; after more were edited, all is read again."""

_FACTS, _TOLD = 8, 6
_BORN, _DIED = 6, 7
_FOR_EVER = 1 << 53
_SHOWN = "s.slide = ? and s.born <= ? and (s.died is null or s.died > ?)"


@dataclass(frozen=True, slots=True)
class SlideState:
    """What names the state of a slide that a transaction sees.

    Parameters
    ----------
    revision
        The newest one.
    published
        How often chunks were published or folded.
    """

    revision: int
    published: int


class ChunkRefs(Sequence[ChunkRef]):
    """References to chunks out of an (N, 7) array of their facts, made when asked for: questions ask for few."""

    def __init__(self, facts: Ints) -> None:
        self._facts = facts
        self._made: dict[int, ChunkRef] = {}

    def __len__(self) -> int:
        return len(self._facts)

    @property
    def ids(self) -> Ints:
        """Give the ids of all."""
        found: Ints = self._facts[:, 0]
        return found

    @property
    def layers(self) -> Ints:
        """Give the layer of each."""
        found: Ints = self._facts[:, 1]
        return found

    @overload
    def __getitem__(self, place: int) -> ChunkRef: ...
    @overload
    def __getitem__(self, place: slice) -> list[ChunkRef]: ...
    def __getitem__(self, place: int | slice) -> ChunkRef | list[ChunkRef]:
        if isinstance(place, slice):
            return [self[n] for n in range(len(self))[place]]
        made = self._made.get(place)
        if made is None:
            i, layer, size, own, first, last, born = self._facts[place].tolist()
            made = self._made[place] = ChunkRef(i, layer, size, bool(own), first, last, born)
        return made

    def __iter__(self) -> Iterator[ChunkRef]:
        return (self[n] for n in range(len(self)))


@dataclass(frozen=True, slots=True)
class Directory:
    """All layers and visible chunks at a revision.

    Parameters
    ----------
    chunks
        N chunks, those with the lowest numbers first.
    boxes
        (N, 4) float64: x0, y0, x1, y1 of all in each; column by column in memory, for each is looked at by itself.
    extents
        (N,) float64: longest side of a box in each.
    exhaustive
        (N,) int64: how many rows of each are marked as exhaustively annotated areas.
    numbers
        (N, 2) int64: lowest and highest number of each.
    hidden
        Rows of chunks that are no longer part of the state, by chunk.
    beside
        Whether the state may have versions beside chunks; those of now that say no have none.
    """

    layers: dict[int, LayerState]
    chunks: ChunkRefs
    boxes: Floats
    extents: Floats
    exhaustive: Ints
    numbers: Ints
    hidden: dict[int, Ints]
    beside: bool


@dataclass(frozen=True, slots=True)
class _Published:
    """All N chunks that a slide has had published up to now.

    Parameters
    ----------
    facts
        (N, 8) int64: id, layer, size, scattered, lowest and highest number, born, died.
    told
        (N, 6) float64: x0, y0, x1, y1, longest side of a box, exhaustive areas.
    settled
        From this revision on every state has the same chunks.
    current
        These chunks, as a directory without the rest.
    """

    facts: Ints
    told: Floats
    settled: int
    current: Directory


class Directories:
    """Keeps the directories that were used last, about 300 bytes a chunk; for several threads."""

    def __init__(self) -> None:
        self._published: OrderedDict[tuple[str, int], _Published] = OrderedDict()
        self._kept: OrderedDict[tuple[str, int, int], Directory] = OrderedDict()
        self._lock = Lock()

    def of(self, tx: Transaction, slide: str, revision: int, state: SlideState | None = None) -> Directory:
        """Give the directory of a revision; no statement when it is kept and the slide's state is at hand."""
        state = read_state(tx, slide) if state is None else state
        count = state.published
        with self._lock:
            known = self._kept.get((slide, revision, count))
            if known is not None:
                self._kept.move_to_end((slide, revision, count))
                return known
            published = self._published.get((slide, count))
            earlier = [r for s, r, c in self._kept if (s, c) == (slide, count) and r < revision]
            before = max(earlier, default=-1)
            last = self._kept.get((slide, before, count))
        if published is None:
            published = _read_published(tx, slide)
        made = None
        if last is not None and published.settled <= before:
            made = _read_changed(tx, slide, last, before, revision)
        if made is None:
            made = _read(tx, slide, published, revision)
        made = replace(made, layers=layers_at(tx, slide, revision), beside=_any_beside(tx, slide, revision, state))
        with self._lock:
            self._published[slide, count] = published
            self._kept[slide, revision, count] = made
            for kept in (self._published, self._kept):
                while len(kept) > _KEPT:
                    kept.popitem(last=False)
        return made


def read_state(tx: Transaction, slide: str) -> SlideState:
    """Read what names a slide's state: one statement.

    Raises
    ------
    NotFound
        When there is no such slide.
    """
    row = tx.row(
        "select s.revision, (select count(*) from batch b where b.slide = s.id and b.revision is not null) "
        "from slide s where s.id = ?",
        slide,
    )
    if row is None:
        raise NotFound("There is no such slide.")
    return SlideState(as_int(row[0]), as_int(row[1]))


def _read_published(tx: Transaction, slide: str) -> _Published:
    rows = tx.rows(
        "select id, layer, size, scattered, first_number, last_number, born, coalesce(died, ?), "
        "x0, y0, x1, y1, max_extent, exhaustive from chunk where slide = ? and born is not null "
        "order by first_number, id",
        _FOR_EVER,
        slide,
    )
    # Whole numbers here stay far below 2**53, so float64 holds each of them.
    values = np.array(rows, np.float64).reshape(-1, _FACTS + _TOLD)
    facts, told = values[:, :_FACTS].astype(np.int64), values[:, _FACTS:]
    moments = facts[:, [_BORN, _DIED]]
    settled = int(moments[moments < _FOR_EVER].max(initial=0))
    return _Published(facts, told, settled, _visible(facts, told, settled))


def _visible(facts: Ints, told: Floats, revision: int) -> Directory:
    shown = np.flatnonzero((facts[:, _BORN] <= revision) & (facts[:, _DIED] > revision))
    some, about = facts[shown], np.asfortranarray(told[shown])
    return Directory(
        layers={},
        chunks=ChunkRefs(some[:, :_DIED]),
        boxes=about[:, :4],
        extents=about[:, 4],
        exhaustive=about[:, 5].astype(np.int64),
        numbers=np.asfortranarray(some[:, 4:6]),
        hidden={},
        beside=False,
    )


def _read(tx: Transaction, slide: str, published: _Published, revision: int) -> Directory:
    """Read the rows that are hidden of all chunks."""
    visible = published.current
    if revision < published.settled:
        visible = _visible(published.facts, published.told, revision)
    gone = tx.rows(
        f"select o.chunk, o.place from chunk s join overridden o on o.chunk = s.id where {_SHOWN} "  # noqa: S608 - constants only
        "and o.revision <= ?",
        slide,
        revision,
        revision,
        revision,
    )
    return _hiding(visible, gone)


def _read_changed(tx: Transaction, slide: str, last: Directory, before: int, revision: int) -> Directory | None:
    """Read what was edited after the revision of a directory that has the same chunks; None when that is too much."""
    edited = tx.rows(
        "select distinct id from feature_version where slide = ? and revision > ? and revision <= ? limit ?",
        slide,
        before,
        revision,
        _EDITED_AT_ONCE + 1,
    )
    if len(edited) > _EDITED_AT_ONCE:
        return None
    gone = tx.rows(
        "select o.chunk, o.place from located p join overridden o on o.chunk = p.chunk and o.place = p.place "  # noqa: S608 - placeholders and constants only
        f"join chunk s on s.id = o.chunk where {_SHOWN} and o.revision > ? and o.revision <= ? "
        f"and p.id in ({placeholders(len(edited))})",
        slide,
        revision,
        revision,
        before,
        revision,
        *(UUID(str(i)).bytes for (i,) in edited),
    )
    return _hiding(last, gone)


def _hiding(chunks: Directory, gone: Sequence[Row]) -> Directory:
    """Give the same chunks with more rows hidden."""
    places: dict[int, list[int]] = defaultdict(list)
    for chunk, place in gone:
        places[as_int(chunk)].append(as_int(place))
    none = np.empty(0, np.int64)
    more = {i: np.concatenate((chunks.hidden.get(i, none), np.array(some, np.int64))) for i, some in places.items()}
    return replace(chunks, hidden={**chunks.hidden, **more})


def _any_beside(tx: Transaction, slide: str, revision: int, state: SlideState) -> bool:
    if revision < state.revision:
        return True
    row = tx.row("select 1 from feature_version where slide = ? and until is null and deleted = 0 limit 1", slide)
    return row is not None
