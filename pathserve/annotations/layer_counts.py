"""What far tiles count of each layer at a revision: exact, and from little.

A layer's counts are those that are stored for most of its chunks (`density_store`), and its changes: chunks that came
or went since, rows of chunks that are history, and versions beside chunks. Changes are read once for all tiles of a
state of the slide. When they are many, the counts of all chunks are made anew and stored.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from threading import Lock
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_density import pack_summary, unpack_summaries
from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.chunks import Attributes
from pathserve.annotations.density import Bins, Counts, DensityPyramid, Summary, summarize
from pathserve.annotations.density_store import Base, StoredDensity, key_of, read_bases, store_base
from pathserve.annotations.directory import Directory
from pathserve.annotations.revisions import current_revision
from pathserve.cache import ByteBudgetCache
from pathserve.db import Database, Transaction, Value, as_int, as_real, placeholders
from pathserve.errors import Busy

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

_HIDDEN_BYTES = 8 * 1024 * 1024
_STATE_BYTES = 32 * 1024 * 1024
_PYRAMID_BYTES = 128 * 1024 * 1024
_CHUNKS_AT_ONCE = 256
_READ_AT_ONCE = 64

_FEW, _SHARE = 16, 0.25
"""Counts are made anew when more chunks have come or gone than these, and than this share of those counted."""

_MANY_ENTRIES = 1 << 13
"""More entries than these are put into a pyramid: else each tile would look at all of them."""


class _Countable(Protocol):
    """Gives the counts of a tile, from a level of `density.PYRAMID_FROM` on."""

    def tile(self, bins: Bins) -> Counts: ...

    @property
    def nbytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Layer:
    """What the counts of a layer are made of.

    Parameters
    ----------
    base
        None when all of it is in ``changes``.
    """

    base: Base | None
    changes: _Countable | None


@dataclass(frozen=True, slots=True)
class CountedState:
    """The layers of a directory.

    Parameters
    ----------
    directory
        Kept so that no other one gets the number that names it.
    drawn_before
        From this level on all versions beside chunks are counted, and none is drawn.
    """

    directory: Directory
    layers: dict[int, _Layer]
    drawn_before: int

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, and some for each entry."""
        return 1024 + sum(
            (0 if one.changes is None else one.changes.nbytes) + (0 if one.base is None else one.base.chunks.nbytes)
            for one in self.layers.values()
        )


@dataclass(frozen=True, slots=True)
class _Unstored:
    slide: str
    layer: int
    base: Base
    pyramid: DensityPyramid


class LayerCounts:
    """Counts layers; blocks. For several threads. Memory: what it keeps is bounded by bytes."""

    def __init__(self, db: Database, reader: ChunkReader) -> None:
        self._db = db
        self._reader = reader
        # Chunks never change, so nothing kept here goes stale; of rows that are history there are only ever more.
        self._gone: ByteBudgetCache[tuple[int, int], Summary] = ByteBudgetCache(_HIDDEN_BYTES, lambda s: s.nbytes)
        self._states: ByteBudgetCache[int, CountedState] = ByteBudgetCache(_STATE_BYTES, lambda s: s.nbytes)
        self._pyramids: ByteBudgetCache[str, DensityPyramid] = ByteBudgetCache(_PYRAMID_BYTES, lambda p: p.nbytes)
        self._stored = StoredDensity()
        self._lacking: dict[int, bytes] = {}
        self._unstored: dict[str, _Unstored] = {}
        self._lock = Lock()
        self._building = Lock()

    def state(self, tx: Transaction, directory: Directory, slide: str, revision: int) -> CountedState:
        """Find what the counts of a directory's layers are made of; read once for many tiles."""
        known = self._states.get(id(directory))
        if known is None:
            live = list(_live(tx, slide, revision))
            changes: dict[int, list[Summary]] = defaultdict(list)
            for layer, summary in (*self._history(tx, directory), *live):
                changes[layer].append(summary)
            is_newest = revision == current_revision(tx, slide)
            bases = self._bases(tx, directory, slide, changes, is_newest)
            layers = {layer: _Layer(bases.get(layer), _joined(changes[layer])) for layer in {*changes, *bases}}
            drawn_before = max((int(summary.levels.max()) for _, summary in live), default=0)
            known = CountedState(directory, layers, drawn_before)
            self._states.put(id(directory), known)
        return known

    def tile(
        self, tx: Transaction, directory: Directory, slide: str, revision: int, layers: Collection[int], bins: Bins
    ) -> dict[int, list[Counts]]:
        """Give the counts of some layers, by layer, unmerged, from a level of `density.PYRAMID_FROM` on."""
        found = self._of_state(tx, self.state(tx, directory, slide, revision), layers, bins)
        while found is None:  # somebody has stored a base in the place of one that is known here
            self._states.discard(lambda key: key == id(directory))
            found = self._of_state(tx, self.state(tx, directory, slide, revision), layers, bins)
        return found

    def _of_state(
        self, tx: Transaction, state: CountedState, layers: Collection[int], bins: Bins
    ) -> dict[int, list[Counts]] | None:
        found: dict[int, list[Counts]] = {}
        for layer, one in state.layers.items():
            if layer not in layers:
                continue
            pieces = found[layer] = [] if one.changes is None else [one.changes.tile(bins)]
            if one.base is not None:
                counted = self._of_base(tx, one.base, bins)
                if counted is None:
                    return None
                pieces += counted
        return found

    def store(self) -> None:
        """Store what was made and was not there; outside of transactions. Should that fail, it is made again."""
        with self._lock:
            lacking, self._lacking = self._lacking, {}
            unstored, self._unstored = self._unstored, {}

        def work(tx: Transaction) -> None:
            tx.run_many(
                "insert into chunk_density (chunk, data) select id, ? from chunk where id = ? "
                "on conflict (chunk) do nothing",
                [(data, chunk) for chunk, data in lacking.items()],
            )
            for one in unstored.values():
                store_base(tx, one.slide, one.layer, one.base, one.pyramid)

        if lacking or unstored:
            with suppress(Busy):
                self._db.write(work)

    def _of_base(self, tx: Transaction, base: Base, bins: Bins) -> list[Counts] | None:
        pyramid = self._pyramids.get(base.key)
        return self._stored.tile(tx, base, bins) if pyramid is None else [pyramid.tile(bins)]

    def _bases(
        self,
        tx: Transaction,
        directory: Directory,
        slide: str,
        changes: dict[int, list[Summary]],
        is_newest: bool,
    ) -> dict[int, Base]:
        """Give the bases of all layers, and add to ``changes`` what they have too little and too much."""
        stored, found = read_bases(tx, slide), dict[int, Base]()
        for layer in np.unique(directory.chunks.layers).tolist():
            chunks, places = _of_layer(directory, layer)
            base = stored.get(layer)
            counted = chunks[:0] if base is None else base.chunks
            came = places[~np.isin(chunks, counted, assume_unique=True)].tolist()
            went = np.setdiff1d(counted, chunks, assume_unique=True).tolist()
            less = self._known_summaries(tx, went)
            if len(came) + len(went) > max(_FEW, _SHARE * len(counted)) or less is None:
                found[layer] = self._made(tx, slide, layer, directory, is_newest)
                continue
            if base is not None:
                found[layer] = base
            changes[layer] += [summary.negated() for summary in less]
            changes[layer] += list(self._summaries(tx, [directory.chunks[place] for place in came]))
        return found

    def _made(self, tx: Transaction, slide: str, layer: int, directory: Directory, is_newest: bool) -> Base:
        """Count all chunks of a layer; stored when that is how the slide is now."""
        chunks, _ = _of_layer(directory, layer)
        pyramid = self._pyramid(tx, directory, layer)
        base = Base.of(chunks, pyramid)
        if is_newest:
            with self._lock:
                self._unstored[base.key] = _Unstored(slide, layer, base, pyramid)
        return base

    def _pyramid(self, tx: Transaction, directory: Directory, layer: int) -> DensityPyramid:
        chunks, places = _of_layer(directory, layer)
        key = key_of(chunks)
        known = self._pyramids.get(key)
        if known is None:
            with self._building:  # whoever comes second finds it done
                known = self._pyramids.get(key)
                if known is None:
                    known = DensityPyramid(self._summaries(tx, [directory.chunks[n] for n in places.tolist()]))
                    self._pyramids.put(key, known)
        return known

    def _history(self, tx: Transaction, directory: Directory) -> Iterator[tuple[int, Summary]]:
        """Give by layer, negated, those rows of chunks that are history."""
        if not directory.hidden:
            return
        refs = {ref.id: ref for ref in directory.chunks if ref.id in directory.hidden}
        # With every revision a chunk has more of them, never others: their number names them.
        hidden = [(ref, rows) for i, rows in directory.hidden.items() if (ref := refs.get(i)) is not None]
        known = [self._gone.get((ref.id, len(rows))) for ref, rows in hidden]
        yield from ((ref.layer, made) for (ref, _), made in zip(hidden, known, strict=True) if made is not None)
        missing = [one for one, made in zip(hidden, known, strict=True) if made is None]
        for start in range(0, len(missing), _CHUNKS_AT_ONCE):
            some = missing[start : start + _CHUNKS_AT_ONCE]
            for (ref, rows), data in zip(some, self._packed(tx, [ref for ref, _ in some]), strict=True):
                made = unpack_summaries([data]).of_rows(rows).negated()
                self._gone.put((ref.id, len(rows)), made)
                yield ref.layer, made

    def _summaries(self, tx: Transaction, refs: Sequence[ChunkRef]) -> Iterator[Summary]:
        """Give the summaries of many chunks, some hundred as one."""
        for start in range(0, len(refs), _CHUNKS_AT_ONCE):
            yield unpack_summaries(self._packed(tx, refs[start : start + _CHUNKS_AT_ONCE]))

    def _known_summaries(self, tx: Transaction, chunks: Sequence[int]) -> list[Summary] | None:
        """Give the stored summaries of chunks that are no more; None when one has none."""
        found = list[Summary]()
        for start in range(0, len(chunks), _CHUNKS_AT_ONCE):
            some = chunks[start : start + _CHUNKS_AT_ONCE]
            stored = _read_packed(tx, some)
            if len(stored) < len(some):
                return None
            found.append(unpack_summaries(list(stored.values())))
        return found

    def _packed(self, tx: Transaction, refs: Sequence[ChunkRef]) -> list[bytes]:
        """Give the stored summaries of some chunks; what older chunks lack is made."""
        found = _read_packed(tx, [ref.id for ref in refs])
        lacking = [ref for ref in refs if ref.id not in found]
        for start in range(0, len(lacking), _READ_AT_ONCE):
            some = lacking[start : start + _READ_AT_ONCE]
            told = self._reader.attributes(tx, some)
            made = {r.id: pack_summary(summary_of_rows(one)) for r, one in zip(some, told, strict=True)}
            found |= made
            with self._lock:
                self._lacking |= made
        return [found[ref.id] for ref in refs]


def summary_of_rows(found: Attributes) -> Summary:
    """Count all rows of a source; entry k is row k."""
    return summarize(found.boxes, found.classes, found.class_names, found.states, found.state_names)


def _joined(several: Sequence[Summary]) -> _Countable | None:
    if not several:
        return None
    if sum(len(one.levels) for one in several) > _MANY_ENTRIES:
        return DensityPyramid(several)
    return Summary.join(several)


def _of_layer(directory: Directory, layer: int) -> tuple[Ints, Ints]:
    """Give the chunks of a layer by their ids, in order, and the place of each in the directory."""
    places = np.flatnonzero(directory.chunks.layers == layer)
    ids = directory.chunks.ids[places]
    order = np.argsort(ids)
    return ids[order], places[order]


def _read_packed(tx: Transaction, chunks: Sequence[int]) -> dict[int, bytes]:
    if not chunks:
        return {}
    rows = tx.rows(
        f"select chunk, data from chunk_density where chunk in ({placeholders(len(chunks))})",  # noqa: S608 - placeholders only
        *chunks,
    )
    return {as_int(chunk): data for chunk, data in rows if isinstance(data, bytes)}


def _live(tx: Transaction, slide: str, revision: int) -> Iterator[tuple[int, Summary]]:
    """Give by layer where the versions are that are current at a revision; their shapes are not read."""
    rows = tx.rows(
        "select s.layer, s.x0, s.y0, s.x1, s.y1, s.class, s.state from feature_version s where s.slide = ? "
        "and s.deleted = 0 and s.revision <= ? and (s.until is null or s.until > ?) order by s.layer",
        slide,
        revision,
        revision,
    )
    for layer, group in groupby(rows, key=lambda row: as_int(row[0])):
        some = list(group)
        classes, class_names = _codes(row[5] for row in some)
        states, state_names = _codes(row[6] for row in some)
        boxes = np.array([[as_real(edge) for edge in row[1:5]] for row in some])
        yield layer, summarize(boxes, classes, class_names, states, state_names)


def _codes(values: Iterable[Value]) -> tuple[Codes, tuple[str, ...]]:
    names = dict[str, int]()
    codes = [-1 if value is None else names.setdefault(str(value), len(names)) for value in values]
    return np.array(codes, np.int32), tuple(names)
