"""Vector tiles of a slide's annotations at a revision, out of the store.

What is drawn is read as every other answer is. What is counted is told by the boxes of the same chunks at a downsample
of 16. Further out a tile would need too many of them: `layer_counts` knows what whole layers count there. A question
that it cannot answer is asked of all rows once, and what they count is kept for all tiles.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.density import PYRAMID_FROM, Bins, Counts, DensityPyramid, Summary, longer_sides
from pathserve.annotations.directory import Directories
from pathserve.annotations.layer_counts import LayerCounts, summary_of_rows
from pathserve.annotations.layers import LayerState
from pathserve.annotations.query import AnnotationQuery
from pathserve.annotations.reading import SOURCES_AT_ONCE, Found, Plan, Source, make_plan, read_sources
from pathserve.annotations.revisions import current_revision
from pathserve.annotations.vector_tiles import TileBox, TileCounts, TilePart, encode_tile
from pathserve.cache import ByteBudgetCache
from pathserve.db import Database, Transaction
from pathserve.errors import Cancelled

_ANSWER_BYTES = 128 * 1024 * 1024
_LOOK_SECONDS = 0.05

Stop = Callable[[], bool]
_Key = tuple[AnnotationQuery, int]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What all rows count that a question asks for, by layer."""

    layers: dict[int, DensityPyramid]

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, and some for each entry."""
        return 1024 + sum(pyramid.nbytes for pyramid in self.layers.values())


def _never() -> bool:
    return False


def _is_plain(query: AnnotationQuery) -> bool:
    """Tell whether class, layer and state are all that is asked for: far tiles of other questions ask every row."""
    plain = AnnotationQuery(query.slide, classes=query.classes, layers=query.layers, states=query.states)
    return replace(query, bbox=None, as_of=None) == plain


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
        self._directories = directories or Directories()
        self._counts = LayerCounts(db, reader)
        self._answers: ByteBudgetCache[_Key, _Answer] = ByteBudgetCache(_ANSWER_BYTES, lambda a: a.nbytes)
        self._asking: dict[_Key, list[Lock]] = {}
        self._lock = Lock()

    def asks_all(self, query: AnnotationQuery, tile: TileBox) -> bool:
        """Tell whether a tile asks all rows of the slide, unless one of the same question has been made."""
        bins = tile.bins
        return bins is not None and bins.level >= PYRAMID_FROM and not _is_plain(query)

    def tile(self, query: AnnotationQuery, tile: TileBox, *, revision: int, stop: Stop = _never) -> bytes:
        """Make one tile.

        Parameters
        ----------
        query
            Which annotations; its box and ``as_of`` are not looked at.
        revision
            The state to show, one that the slide has.
        stop
            Asked now and then while all rows are asked: nobody waits for the tile any more.

        Returns
        -------
        bytes
            As `encode_tile` gives it: empty when nothing is there.

        Raises
        ------
        NotFound
            When the slide has gone.
        Cancelled
            When ``stop`` said so.
        """
        bins = tile.bins
        if bins is None or bins.level < PYRAMID_FROM:
            return self._db.read(
                lambda tx: encode_tile(self._parts(tx, self._plan(tx, query, revision, tile), tile), tile)
            )
        if not self.asks_all(query, tile):
            made = self._db.read(lambda tx: self._far(tx, query, tile, revision, bins))
            self._counts.store()
            return made
        answer = self._answer(replace(query, bbox=None, as_of=None), revision, stop)

        def work(tx: Transaction) -> bytes:
            plan = self._plan(tx, query, revision, tile, min_extent=tile.smallest())
            counts = {layer: [pyramid.tile(bins)] for layer, pyramid in answer.layers.items()}
            return encode_tile(self._parts(tx, plan, tile), tile, _named(plan.layers, counts))

        return self._db.read(work)

    def _far(self, tx: Transaction, query: AnnotationQuery, tile: TileBox, revision: int, bins: Bins) -> bytes:
        """Make a tile whose counts are those of whole layers."""
        directory = self._directories.of(tx, query.slide, revision)
        beside = self._counts.state(tx, directory, query.slide, revision).drawn_before > bins.level
        plan = self._plan(tx, query, revision, tile, min_extent=tile.smallest(), beside=beside)
        counts = self._counts.tile(tx, directory, query.slide, revision, plan.layers, bins)
        parts = self._parts(tx, plan, tile)
        return encode_tile(
            parts, tile, _named(plan.layers, counts), classes=query.classes or None, states=query.states or None
        )

    def _plan(
        self,
        tx: Transaction,
        query: AnnotationQuery,
        revision: int,
        tile: TileBox,
        *,
        min_extent: float = 0.0,
        beside: bool = True,
    ) -> Plan:
        return make_plan(
            tx,
            replace(query, bbox=tile.reach),
            revision=revision,
            newest=current_revision(tx, query.slide),
            min_extent=min_extent,
            directories=self._directories,
            beside=beside,
        )

    def _parts(self, tx: Transaction, plan: Plan, tile: TileBox) -> Iterator[TilePart]:
        """Give what is asked for, with shapes where something is large enough to be drawn."""
        sources = plan.sources
        for start in range(0, len(sources), SOURCES_AT_ONCE):
            found = self._read(tx, plan, sources[start : start + SOURCES_AT_ONCE])
            large = [one.source for one in found if isinstance(one.source, ChunkRef) and _draws(one, tile)]
            shapes = self._reader.columns(tx, large, properties=False)
            known = dict(zip((ref.id for ref in large), shapes, strict=True))
            for one in found:
                layer = plan.layers[one.source.layer].layer.name
                columns = known.get(one.source.id) if isinstance(one.source, ChunkRef) else one.columns
                yield TilePart(one.attributes, columns, layer, one.rows)

    def _answer(self, question: AnnotationQuery, revision: int, stop: Stop) -> _Answer:
        """Ask all rows, or whoever asks them already."""
        key = question, revision
        with self._asks_alone(key, stop):
            known = self._answers.get(key)
            if known is None:
                known = self._ask(question, revision, stop)
                self._answers.put(key, known)
        return known

    @contextmanager
    def _asks_alone(self, key: _Key, stop: Stop) -> Iterator[None]:
        """Wait for others who ask the same; each question is waited for by itself."""
        with self._lock:
            waiting = self._asking.setdefault(key, [])
            lock = waiting[0] if waiting else Lock()
            waiting.append(lock)
        try:
            while not lock.acquire(timeout=_LOOK_SECONDS):
                if stop():
                    raise _cancelled()
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._lock:
                waiting.pop()
                if not waiting:
                    self._asking.pop(key, None)

    def _ask(self, question: AnnotationQuery, revision: int, stop: Stop) -> _Answer:
        """Ask all rows, some at a time: a plan stays right, whatever is written meanwhile."""

        def first(tx: Transaction) -> Plan:
            newest = current_revision(tx, question.slide)
            return make_plan(tx, question, revision=revision, newest=newest, directories=self._directories)

        plan = self._db.read(first)
        by_layer: dict[int, list[Source]] = defaultdict(list)
        for source in plan.sources:
            if not _is_by_others(plan, source):
                by_layer[source.layer].append(source)
        return _Answer({i: DensityPyramid(self._summaries(plan, some, stop)) for i, some in by_layer.items()})

    def _summaries(self, plan: Plan, sources: Sequence[Source], stop: Stop) -> Iterator[Summary]:
        for start in range(0, len(sources), SOURCES_AT_ONCE):
            if stop():
                raise _cancelled()
            some = sources[start : start + SOURCES_AT_ONCE]
            for found in self._db.read(partial(self._read, plan=plan, sources=some)):
                yield summary_of_rows(found.attributes).of_rows(found.rows)

    def _read(self, tx: Transaction, plan: Plan, sources: Sequence[Source]) -> list[Found]:
        return list(read_sources(tx, self._reader, plan, sources, columns=False, properties=False))


def _draws(found: Found, tile: TileBox) -> bool:
    smallest = tile.smallest()
    return not smallest or bool((longer_sides(found.attributes.boxes)[found.rows] >= smallest).any())


def _is_by_others(plan: Plan, source: Source) -> bool:
    """Tell whether all rows of a source are by authors who are not asked for."""
    if plan.authored is None or not isinstance(source, ChunkRef) or source.scattered:
        return False
    return source.born not in plan.authored


def _named(layers: Mapping[int, LayerState], pieces: Mapping[int, Iterable[Counts]]) -> Iterable[TileCounts]:
    return [TileCounts(state.layer.name, pieces[i]) for i, state in layers.items() if i in pieces]


def _cancelled() -> Cancelled:
    return Cancelled("Nobody waits for this tile any more.")
