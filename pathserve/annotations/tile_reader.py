"""Vector tiles of a slide's annotations at a revision, out of the store.

What is drawn is read as every other answer is. What is counted far out comes from summaries: one for each chunk, stored
beside it, joined to a pyramid for each layer; rows that are history are taken away again, and live versions added. So a
tile costs what is in it, and counts are exact at every revision.
"""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby
from threading import Lock

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_density import pack_summary, unpack_summaries
from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.chunks import Attributes
from pathserve.annotations.density import PYRAMID_FROM, Bins, Counts, DensityPyramid, Summary, summarize
from pathserve.annotations.directory import Directories, Directory
from pathserve.annotations.layers import LayerState
from pathserve.annotations.matching import Rows
from pathserve.annotations.query import AnnotationQuery, Box
from pathserve.annotations.reading import SOURCES_AT_ONCE, Found, Plan, Source, make_plan, read_sources
from pathserve.annotations.revisions import current_revision
from pathserve.annotations.vector_tiles import TileBox, TileCounts, TilePart, encode_tile
from pathserve.cache import ByteBudgetCache
from pathserve.db import Database, Transaction, Value, as_int, as_real, placeholders
from pathserve.errors import Busy

_HIDDEN_BYTES = 8 * 1024 * 1024
_CHANGED_BYTES = 32 * 1024 * 1024
_PYRAMID_BYTES = 128 * 1024 * 1024
_DIRECTORIES = 32
_CHUNKS_AT_ONCE = 256

_EVERYWHERE: Box = (-math.inf, -math.inf, math.inf, math.inf)
_MEETS = "s.x0 < ? and s.x1 >= ? and s.y0 < ? and s.y1 >= ? "

Codes = npt.NDArray[np.int32]
_Pieces = dict[int, list[Counts]]
"""Counts by layer."""


class VectorTiles:
    """Makes vector tiles; blocks. For several threads.

    Memory: what it keeps is bounded by bytes; a tile takes `SOURCES_AT_ONCE` chunks at a time beside that.

    Parameters
    ----------
    reader, directories
        Those of the store: both use the same decoded chunks and directories.
    """

    def __init__(self, db: Database, reader: ChunkReader, directories: Directories | None = None) -> None:
        self._db = db
        self._reader = reader
        # Chunks never change, so nothing kept here goes stale; of rows that are history there are only ever more.
        self._gone: ByteBudgetCache[tuple[int, int], Summary] = ByteBudgetCache(_HIDDEN_BYTES, lambda s: s.nbytes)
        self._pyramids: ByteBudgetCache[bytes, DensityPyramid] = ByteBudgetCache(_PYRAMID_BYTES, lambda p: p.nbytes)
        self._directories = directories or Directories()
        self._changes: ByteBudgetCache[int, _Changes] = ByteBudgetCache(_CHANGED_BYTES, lambda c: c.nbytes)
        self._unstored: dict[int, bytes] = {}
        self._groups = OrderedDict[int, _Grouped]()
        self._lock = Lock()
        self._building = Lock()

    def tile(self, query: AnnotationQuery, tile: TileBox, *, revision: int) -> bytes:
        """Make one tile.

        Parameters
        ----------
        query
            Which annotations; its box and ``as_of`` are not looked at.
        revision
            The state to show, one that the slide has.

        Returns
        -------
        bytes
            As `encode_tile` gives it: empty when nothing is there.

        Raises
        ------
        NotFound
            When the slide has gone.
        """
        asked = replace(query, bbox=tile.reach)

        def work(tx: Transaction) -> bytes:
            newest = current_revision(tx, query.slide)
            bins = tile.bins
            if bins is None or bins.level < PYRAMID_FROM:
                plan = self._plan(tx, asked, revision, newest)
                return encode_tile(self._parts(tx, plan, tile), tile)
            beside = self._draws_versions(tx, query.slide, revision, bins)
            plan = self._plan(tx, asked, revision, newest, min_extent=tile.smallest(), beside=beside)
            parts = self._parts(tx, plan, tile)
            if not _is_plain(query):
                every = self._plan(tx, asked, revision, newest)
                return encode_tile(parts, tile, _named(plan.layers, self._counted(tx, every, bins)))
            counts = self._summed(tx, plan, bins)
            return encode_tile(
                parts, tile, _named(plan.layers, counts), classes=query.classes or None, states=query.states or None
            )

        made = self._db.read(work)
        if self._unstored:
            self._store_summaries()
        return made

    def _parts(self, tx: Transaction, plan: Plan, tile: TileBox) -> Iterator[TilePart]:
        """Give what is asked for; shapes of those sources alone in which something may be large enough to be drawn."""
        known = self._grouped(self._directories.of(tx, plan.query.slide, plan.revision))
        large, small = list[Source](), list[Source]()
        for source in plan.sources:
            is_small = isinstance(source, ChunkRef) and known.extent(source) < tile.smallest()
            (small if is_small else large).append(source)
        for sources, columns in ((large, True), (small, False)):
            for found in _each(tx, self._reader, plan, sources, columns=columns):
                layer = plan.layers[found.source.layer].layer.name
                yield TilePart(found.attributes, found.columns, layer, found.rows)

    def _counted(self, tx: Transaction, plan: Plan, bins: Bins) -> _Pieces:
        """Count row by row, for questions that summaries cannot answer."""
        pieces: _Pieces = defaultdict(list)
        for found in _each(tx, self._reader, plan, plan.sources, columns=False):
            pieces[found.source.layer].append(_summary_of(found.attributes).of_rows(found.rows).tile(bins))
        return pieces

    def _summed(self, tx: Transaction, plan: Plan, bins: Bins) -> _Pieces:
        """Count by summaries: of chunks, less what is history, and what is live beside them."""
        pieces: _Pieces = defaultdict(list)
        slide, revision = plan.query.slide, plan.revision
        known = self._grouped(self._directories.of(tx, slide, revision))
        for layer, some in known.layers.items():
            if layer in plan.layers:
                pieces[layer].append(self._pyramid(tx, some).tile(bins))
        for layer, summary in self._changes_of(tx, known, slide, revision).layers.items():
            pieces[layer].append(summary.tile(bins))
        return pieces

    def _changes_of(self, tx: Transaction, known: "_Grouped", slide: str, revision: int) -> "_Changes":
        """Give what is to be added to the counts of chunks on the whole slide; read once for many tiles."""
        kept = self._changes.get(id(known.directory))
        if kept is None:
            live = list(_live(tx, slide, revision, _EVERYWHERE))
            found: dict[int, list[Summary]] = defaultdict(list)
            for layer, summary in (*self._history_in(tx, known, _EVERYWHERE), *live):
                found[layer].append(summary)
            layers = {layer: Summary.join(some) for layer, some in found.items()}
            drawn_before = max((int(summary.levels.max()) for _, summary in live), default=0)
            kept = _Changes(known.directory, layers, drawn_before)
            self._changes.put(id(known.directory), kept)
        return kept

    def _history_in(self, tx: Transaction, known: "_Grouped", reach: Box) -> Iterator[tuple[int, Summary]]:
        """Give by layer, negated, those rows of chunks that are history."""
        # With every revision a chunk has more of them, never others: their number names them.
        hidden = [(ref, rows, self._gone.get((ref.id, len(rows)))) for ref, rows in known.history(reach)]
        yield from ((ref.layer, made) for ref, _, made in hidden if made is not None)
        missing = [(ref, rows) for ref, rows, made in hidden if made is None]
        for start in range(0, len(missing), _CHUNKS_AT_ONCE):
            some = missing[start : start + _CHUNKS_AT_ONCE]
            for (ref, rows), data in zip(some, self._packed(tx, [ref for ref, _ in some]), strict=True):
                made = unpack_summaries([data]).of_rows(rows).negated()
                self._gone.put((ref.id, len(rows)), made)
                yield ref.layer, made

    def _plan(
        self,
        tx: Transaction,
        query: AnnotationQuery,
        revision: int,
        newest: int,
        *,
        min_extent: float = 0.0,
        beside: bool = True,
    ) -> Plan:
        return make_plan(
            tx,
            query,
            revision=revision,
            newest=newest,
            min_extent=min_extent,
            directories=self._directories,
            beside=beside,
        )

    def _draws_versions(self, tx: Transaction, slide: str, revision: int, bins: Bins) -> bool:
        """Tell whether any version beside chunks may be large enough to be drawn."""
        known = self._grouped(self._directories.of(tx, slide, revision))
        return self._changes_of(tx, known, slide, revision).drawn_before > bins.level

    def _grouped(self, directory: Directory) -> "_Grouped":
        """Group a directory's chunks; those of thousands are grouped once for all their tiles."""
        with self._lock:
            known = self._groups.get(id(directory))  # it is kept with its groups, so that no other one gets its id
            if known is None:
                known = self._groups[id(directory)] = _Grouped.of(directory)
                while len(self._groups) > _DIRECTORIES:
                    self._groups.popitem(last=False)
        return known

    def _pyramid(self, tx: Transaction, some: "_Group") -> DensityPyramid:
        known = self._pyramids.get(some.key)
        if known is None:
            with self._building:  # whoever comes second finds it done
                known = self._pyramids.get(some.key)
                if known is None:
                    known = DensityPyramid(self._all_summaries(tx, some.refs))
                    self._pyramids.put(some.key, known)
        return known

    def _all_summaries(self, tx: Transaction, refs: Sequence[ChunkRef]) -> Iterator[Summary]:
        """Give the summaries of many chunks, some hundred as one."""
        for start in range(0, len(refs), _CHUNKS_AT_ONCE):
            yield unpack_summaries(self._packed(tx, refs[start : start + _CHUNKS_AT_ONCE]))

    def _packed(self, tx: Transaction, refs: Sequence[ChunkRef]) -> list[bytes]:
        """Give the stored summaries of some chunks; what older chunks lack is made."""
        if not refs:
            return []
        rows = tx.rows(
            f"select chunk, data from chunk_density where chunk in ({placeholders(len(refs))})",  # noqa: S608 - placeholders only
            *(ref.id for ref in refs),
        )
        found = {as_int(chunk): data for chunk, data in rows if isinstance(data, bytes)}
        lacking = [ref for ref in refs if ref.id not in found]
        for start in range(0, len(lacking), SOURCES_AT_ONCE):
            some = lacking[start : start + SOURCES_AT_ONCE]
            told = self._reader.attributes(tx, some)
            made = {r.id: pack_summary(_summary_of(one)) for r, one in zip(some, told, strict=True)}
            found |= made
            with self._lock:
                self._unstored |= made
        return [found[ref.id] for ref in refs]

    def _store_summaries(self) -> None:
        """Store what chunks lacked that were written before summaries were; should that fail, it is made again."""
        with self._lock:
            made, self._unstored = self._unstored, {}
        rows = [(data, chunk) for chunk, data in made.items()]
        with suppress(Busy):
            self._db.write(
                lambda tx: tx.run_many(
                    "insert into chunk_density (chunk, data) select id, ? from chunk where id = ? "
                    "on conflict (chunk) do nothing",
                    rows,
                )
            )


@dataclass(frozen=True, slots=True)
class _Group:
    """Chunks of one layer in the order in which they were made, and a key that tells them from all others."""

    refs: tuple[ChunkRef, ...]
    key: bytes

    @classmethod
    def of(cls, refs: Iterable[ChunkRef]) -> "_Group":
        some = tuple(refs)
        return cls(some, sha256(np.array([ref.id for ref in some], np.int64).tobytes()).digest())


@dataclass(frozen=True, slots=True)
class _Grouped:
    """The chunks of a directory by layer, and the place of each by its id."""

    directory: Directory
    layers: dict[int, _Group]
    places: dict[int, int]

    @classmethod
    def of(cls, directory: Directory) -> "_Grouped":
        refs = sorted(directory.chunks, key=lambda ref: (ref.layer, ref.id))
        layers = {layer: _Group.of(some) for layer, some in groupby(refs, key=lambda ref: ref.layer)}
        return cls(directory, layers, {ref.id: place for place, ref in enumerate(directory.chunks)})

    def extent(self, ref: ChunkRef) -> float:
        """Give the longest side of a box in a chunk."""
        return float(self.directory.extents[self.places[ref.id]])

    def history(self, reach: Box) -> list[tuple[ChunkRef, Rows]]:
        """Give the chunks of a box with rows that are no longer current, and these rows."""
        hidden = [(self.places[i], rows) for i, rows in self.directory.hidden.items() if i in self.places]
        if not hidden:
            return []
        near = _meet(self.directory.boxes[[place for place, _ in hidden]], reach)
        return [
            (self.directory.chunks[place], rows) for (place, rows), is_near in zip(hidden, near, strict=True) if is_near
        ]


@dataclass(frozen=True, slots=True)
class _Changes:
    """What edits have changed of the counts of a directory's chunks.

    Parameters
    ----------
    directory
        Kept so that no other one gets the number that names it.
    layers
        By layer: what is no longer so negated, and versions beside chunks.
    drawn_before
        From this level on all versions beside chunks are counted, and none is drawn.
    """

    directory: Directory
    layers: dict[int, Summary]
    drawn_before: int

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, and some for each entry."""
        return 1024 + sum(summary.nbytes for summary in self.layers.values())


def _meet(boxes: npt.NDArray[np.float64], reach: Box) -> npt.NDArray[np.bool_]:
    x0, y0, x1, y1 = reach
    meet: npt.NDArray[np.bool_] = (boxes[:, 0] < x1) & (boxes[:, 2] >= x0) & (boxes[:, 1] < y1) & (boxes[:, 3] >= y0)
    return meet


def _is_plain(query: AnnotationQuery) -> bool:
    """Tell whether class, layer and state are all that is asked for."""
    plain = AnnotationQuery(query.slide, classes=query.classes, layers=query.layers, states=query.states)
    return replace(query, bbox=None, as_of=None) == plain


def _each(
    tx: Transaction, reader: ChunkReader, plan: Plan, sources: Sequence[Source], *, columns: bool
) -> Iterator[Found]:
    for start in range(0, len(sources), SOURCES_AT_ONCE):
        some = sources[start : start + SOURCES_AT_ONCE]
        yield from read_sources(tx, reader, plan, some, columns=columns, properties=False)


def _named(layers: Mapping[int, LayerState], pieces: _Pieces) -> Iterable[TileCounts]:
    return [TileCounts(state.layer.name, pieces[i]) for i, state in layers.items() if i in pieces]


def _summary_of(found: Attributes) -> Summary:
    return summarize(found.boxes, found.classes, found.class_names, found.states, found.state_names)


def _live(tx: Transaction, slide: str, revision: int, reach: Box) -> Iterator[tuple[int, Summary]]:
    """Give by layer where the versions are that are current at a revision; their shapes are not read."""
    rows = tx.rows(
        "select s.layer, s.x0, s.y0, s.x1, s.y1, s.class, s.state from feature_version s where s.slide = ? "  # noqa: S608 - constants only
        f"and s.deleted = 0 and s.revision <= ? and (s.until is null or s.until > ?) and {_MEETS}order by s.layer",
        slide,
        revision,
        revision,
        *_around(reach),
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


def _around(reach: Box) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = reach
    return x1, x0, y1, y0
