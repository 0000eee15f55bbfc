"""Vector tiles of a slide's annotations at a revision, out of the store.

What is drawn is read as every other answer is. What is counted far out comes from summaries: one for each chunk, made
once and kept, joined to a pyramid for each layer; rows that are history are taken away again, and live versions added.
So a tile costs what is in it, and counts are exact at every revision.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from threading import Lock

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.chunks import Attributes
from pathserve.annotations.density import PYRAMID_FROM, Bins, Counts, DensityPyramid, Summary, summarize
from pathserve.annotations.directory import Directories, Directory
from pathserve.annotations.layers import LayerState
from pathserve.annotations.matching import Rows
from pathserve.annotations.query import AnnotationQuery, Box
from pathserve.annotations.reading import SOURCES_AT_ONCE, Found, Plan, make_plan, read_sources
from pathserve.annotations.revisions import current_revision
from pathserve.annotations.vector_tiles import TileBox, TileCounts, TilePart, encode_tile
from pathserve.cache import ByteBudgetCache
from pathserve.db import Database, Transaction, Value, as_int, as_real

_SUMMARY_BYTES = 64 * 1024 * 1024
_HIDDEN_BYTES = 8 * 1024 * 1024
_PYRAMID_BYTES = 128 * 1024 * 1024
_DIRECTORIES = 32

_MEETS = "s.x0 < ? and s.x1 >= ? and s.y0 < ? and s.y1 >= ? "

Codes = npt.NDArray[np.int32]
_Pieces = dict[int, list[Counts]]
"""Counts by layer."""


class VectorTiles:
    """Makes vector tiles; blocks. For several threads.

    Memory: what it keeps is bounded by bytes; a tile takes `SOURCES_AT_ONCE` chunks at a time beside that.

    Parameters
    ----------
    reader
        That of the store: both use the same decoded chunks.
    """

    def __init__(self, db: Database, reader: ChunkReader) -> None:
        self._db = db
        self._reader = reader
        # Chunks never change, so nothing kept here goes stale; of rows that are history there are only ever more.
        self._summaries: ByteBudgetCache[tuple[int, ...], Summary] = ByteBudgetCache(_SUMMARY_BYTES, lambda s: s.nbytes)
        self._gone: ByteBudgetCache[tuple[int, int], Summary] = ByteBudgetCache(_HIDDEN_BYTES, lambda s: s.nbytes)
        self._pyramids: ByteBudgetCache[tuple[int, ...], DensityPyramid] = ByteBudgetCache(
            _PYRAMID_BYTES, lambda p: p.nbytes
        )
        self._directories = Directories()
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
            plan = self._plan(tx, asked, revision, newest, min_extent=tile.smallest())
            parts = _parts(tx, self._reader, plan)
            bins = tile.bins
            if bins is None:
                return encode_tile(parts, tile)
            if not _is_plain(query):
                every = self._plan(tx, asked, revision, newest)
                return encode_tile(parts, tile, _named(plan.layers, self._counted(tx, every, bins)))
            counts = self._summed(tx, plan, bins)
            return encode_tile(
                parts, tile, _named(plan.layers, counts), classes=query.classes or None, states=query.states or None
            )

        return self._db.read(work)

    def _counted(self, tx: Transaction, plan: Plan, bins: Bins) -> _Pieces:
        """Count row by row, for questions that summaries cannot answer."""
        pieces: _Pieces = defaultdict(list)
        for found in _each(tx, self._reader, plan, columns=False):
            pieces[found.source.layer].append(_summary_of([(found.attributes, found.rows)]).tile(bins))
        return pieces

    def _summed(self, tx: Transaction, plan: Plan, bins: Bins) -> _Pieces:
        """Count by summaries: of chunks, less what is history, and what is live beside them."""
        pieces: _Pieces = defaultdict(list)
        slide, revision, reach = plan.query.slide, plan.revision, plan.query.bbox
        if reach is None:
            return pieces
        known = self._grouped(self._directories.of(tx, slide, revision))
        if bins.level < PYRAMID_FROM:
            for ref in known.meeting(reach):
                pieces[ref.layer].append(self._summary(tx, [ref]).tile(bins))
        else:
            for layer, refs in known.layers.items():
                if layer in plan.layers:
                    pieces[layer].append(self._pyramid(tx, refs).tile(bins))
        for ref, rows in known.history(reach):
            pieces[ref.layer].append(self._history(tx, ref, rows).tile(bins).negated())
        for layer, summary in _live(tx, slide, revision, reach):
            pieces[layer].append(summary.tile(bins))
        return pieces

    def _plan(
        self, tx: Transaction, query: AnnotationQuery, revision: int, newest: int, *, min_extent: float = 0.0
    ) -> Plan:
        return make_plan(
            tx, query, revision=revision, newest=newest, min_extent=min_extent, directories=self._directories
        )

    def _grouped(self, directory: Directory) -> "_Grouped":
        """Group a directory's chunks; those of thousands are grouped once for all their tiles."""
        with self._lock:
            known = self._groups.get(id(directory))  # it is kept with its groups, so that no other one gets its id
            if known is None:
                known = self._groups[id(directory)] = _Grouped.of(directory)
                while len(self._groups) > _DIRECTORIES:
                    self._groups.popitem(last=False)
        return known

    def _pyramid(self, tx: Transaction, refs: Sequence[ChunkRef]) -> DensityPyramid:
        key = tuple(ref.id for ref in refs)
        with self._building:  # whoever comes second finds it done
            known = self._pyramids.get(key)
            if known is None:
                # Neighbours in time make a group, so that later chunks leave most groups as they are.
                groups = [tuple(some) for _, some in groupby(refs, key=lambda ref: ref.id // SOURCES_AT_ONCE)]
                known = DensityPyramid(self._summary(tx, some) for some in groups)
                self._pyramids.put(key, known)
        return known

    def _summary(self, tx: Transaction, refs: Sequence[ChunkRef]) -> Summary:
        """Give one summary of some chunks."""
        key = tuple(ref.id for ref in refs)
        known = self._summaries.get(key)
        if known is None:
            known = _summary_of([(found, None) for found in self._reader.attributes(tx, refs)])
            self._summaries.put(key, known)
        return known

    def _history(self, tx: Transaction, ref: ChunkRef, rows: Rows) -> Summary:
        """Give where those rows of a chunk are that are history at a revision."""
        # With every revision a chunk has more of them, never others: their number names them.
        known = self._gone.get((ref.id, len(rows)))
        if known is None:
            (found,) = self._reader.attributes(tx, [ref])
            known = _summary_of([(found, rows)])
            self._gone.put((ref.id, len(rows)), known)
        return known


@dataclass(frozen=True, slots=True)
class _Grouped:
    """The chunks of a directory by layer, in the order in which they were made, and the place of each by its id."""

    directory: Directory
    layers: dict[int, tuple[ChunkRef, ...]]
    places: dict[int, int]

    @classmethod
    def of(cls, directory: Directory) -> "_Grouped":
        refs = sorted(directory.chunks, key=lambda ref: (ref.layer, ref.id))
        layers = {layer: tuple(some) for layer, some in groupby(refs, key=lambda ref: ref.layer)}
        return cls(directory, layers, {ref.id: place for place, ref in enumerate(directory.chunks)})

    def meeting(self, reach: Box) -> list[ChunkRef]:
        """Give the chunks that have something in a box."""
        return [self.directory.chunks[place] for place in np.flatnonzero(_meet(self.directory.boxes, reach)).tolist()]

    def history(self, reach: Box) -> list[tuple[ChunkRef, Rows]]:
        """Give the chunks of a box with rows that are no longer current, and these rows."""
        hidden = [(self.places[i], rows) for i, rows in self.directory.hidden.items() if i in self.places]
        if not hidden:
            return []
        near = _meet(self.directory.boxes[[place for place, _ in hidden]], reach)
        return [
            (self.directory.chunks[place], rows) for (place, rows), is_near in zip(hidden, near, strict=True) if is_near
        ]


def _meet(boxes: npt.NDArray[np.float64], reach: Box) -> npt.NDArray[np.bool_]:
    x0, y0, x1, y1 = reach
    meet: npt.NDArray[np.bool_] = (boxes[:, 0] < x1) & (boxes[:, 2] >= x0) & (boxes[:, 1] < y1) & (boxes[:, 3] >= y0)
    return meet


def _is_plain(query: AnnotationQuery) -> bool:
    """Tell whether class, layer and state are all that is asked for."""
    plain = AnnotationQuery(query.slide, classes=query.classes, layers=query.layers, states=query.states)
    return replace(query, bbox=None, as_of=None) == plain


def _parts(tx: Transaction, reader: ChunkReader, plan: Plan) -> Iterator[TilePart]:
    """Give what may be drawn."""
    for found in _each(tx, reader, plan, columns=True):
        if found.columns is not None:
            wanted = np.zeros(len(found.columns), np.bool_)
            wanted[found.rows] = True
            columns = replace(found.columns, layer=plan.layers[found.source.layer].layer.name)
            yield TilePart(columns, found.attributes.boxes, wanted)


def _each(tx: Transaction, reader: ChunkReader, plan: Plan, *, columns: bool) -> Iterator[Found]:
    sources = plan.sources
    for start in range(0, len(sources), SOURCES_AT_ONCE):
        some = sources[start : start + SOURCES_AT_ONCE]
        yield from read_sources(tx, reader, plan, some, columns=columns, properties=False)


def _named(layers: Mapping[int, LayerState], pieces: _Pieces) -> Iterable[TileCounts]:
    return [TileCounts(state.layer.name, pieces[i]) for i, state in layers.items() if i in pieces]


def _summary_of(several: Sequence[tuple[Attributes, Rows | None]]) -> Summary:
    """Count some rows, or all, of some attributes together."""
    some = [(found, slice(None) if rows is None else rows) for found, rows in several]
    classes, class_names = _joined([(found.classes[rows], found.class_names) for found, rows in some])
    states, state_names = _joined([(found.states[rows], found.state_names) for found, rows in some])
    boxes = np.concatenate([found.boxes[rows] for found, rows in some])
    return summarize(boxes, classes, class_names, states, state_names)


def _joined(several: Sequence[tuple[Codes, tuple[str, ...]]]) -> tuple[Codes, tuple[str, ...]]:
    """Put indices into different names into indices into one tuple of names."""
    names = dict[str, int]()
    tables = [np.array([*(names.setdefault(n, len(names)) for n in own), -1], np.int32) for _, own in several]
    codes = [table[own] for table, (own, _) in zip(tables, several, strict=True)]
    return np.concatenate(codes), tuple(names)


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
