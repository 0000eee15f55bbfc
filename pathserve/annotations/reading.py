"""The state of a slide at one revision: rows of chunks that are not overridden, and versions beside them.

A `Plan` says where the answer of a question lies: it is read in one transaction, and stays right whatever is written
later, because neither chunks nor versions ever change. The rows themselves are read a group of sources at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.chunks import Attributes
from pathserve.annotations.directory import Directories, Directory, SlideState
from pathserve.annotations.gathering import Chosen, Gatherer, Kept
from pathserve.annotations.layers import LayerState
from pathserve.annotations.matching import (
    Rows,
    asks_for_box_alone,
    match_attributes,
    match_columns,
    needs_columns,
    needs_properties,
    polygon_of,
    rows_in_box,
)
from pathserve.annotations.query import AnnotationQuery, Box
from pathserve.annotations.revisions import moments, revisions_of
from pathserve.annotations.rows import DEFAULT_STATE
from pathserve.db import Transaction, Value, as_int, placeholders
from pathserve.labels import Columns, NewAnnotation, Texts
from pathserve.labels.columns import areas

SOURCES_AT_ONCE = 64
"""Chunks, or groups of versions, that are read together; bounds the memory of an answer."""

_VERSIONS_AT_ONCE = 500
_IDS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class VersionKey:
    """A version that is current at the revision of a plan."""

    id: str
    revision: int
    number: int
    layer: int


@dataclass(frozen=True, slots=True)
class VersionGroup:
    """Some versions of one layer, in the order of their numbers."""

    layer: int
    keys: tuple[VersionKey, ...]

    @property
    def first_number(self) -> int:
        """Number of the first."""
        return self.keys[0].number


Source = ChunkRef | VersionGroup


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the answer of a question lies.

    Parameters
    ----------
    query
        The question, for the rows of the sources.
    layers
        Those that are there at the revision and asked for, by id.
    hidden
        Rows of chunks that are no longer part of the state, by chunk.
    authored
        Revisions of the authors that are asked for; None when every author is.
    """

    query: AnnotationQuery
    revision: int
    layers: dict[int, LayerState]
    chunks: tuple[ChunkRef, ...]
    hidden: dict[int, npt.NDArray[np.int64]]
    versions: tuple[VersionKey, ...]
    authored: frozenset[int] | None = None

    @property
    def sources(self) -> list[Source]:
        """All sources, those with the lowest numbers first."""
        groups = list[Source](self.chunks)
        for layer, keys in groupby(sorted(self.versions, key=lambda k: (k.layer, k.number)), lambda k: k.layer):
            ordered = tuple(keys)
            groups += [
                VersionGroup(layer, ordered[start : start + _VERSIONS_AT_ONCE])
                for start in range(0, len(ordered), _VERSIONS_AT_ONCE)
            ]
        return sorted(groups, key=lambda source: source.first_number)


class Found(NamedTuple):
    """The rows of one source that a question asks for; at least one.

    Parameters
    ----------
    kept
        All rows of the source; None when only attributes were asked for.
    """

    source: Source
    attributes: Attributes
    kept: Kept | None
    rows: Rows

    @property
    def columns(self) -> Columns | None:
        """All rows of the source; None when only attributes were asked for."""
        return None if self.kept is None else self.kept.columns


def make_plan(
    tx: Transaction,
    query: AnnotationQuery,
    *,
    revision: int,
    newest: int,
    after_number: int = 0,
    min_extent: float = 0.0,
    directories: Directories | None = None,
    state: SlideState | None = None,
    beside: bool = True,
) -> Plan:
    """Find where an answer lies: a constant number of statements, none when directory and state are at hand.

    Parameters
    ----------
    directories
        Where directories are kept; without them one is read each time.
    state
        That of the slide, when it is at hand.
    beside
        Whether versions beside chunks may be part of the answer; looking for them takes microseconds for each.
    after_number
        Only annotations of a higher number are asked for; sources may hold others too.
    min_extent
        Only annotations whose box has a side of at least so many level-0 pixels are asked for; sources may hold others
        too.
    """
    directory = (directories or Directories()).of(tx, query.slide, revision, state)
    layers = {
        i: state
        for i, state in directory.layers.items()
        if not state.deleted and (not query.layers or state.layer.name in query.layers)
    }
    authored = frozenset(revisions_of(tx, query.slide, query.authors)) if query.authors else None
    # Where an annotation lies is known of now alone.
    holding = _holding(tx, query) if revision == newest else None
    mask = _mask(directory, query, after_number, min_extent)
    chunks = [directory.chunks[n] for n in np.flatnonzero(mask).tolist()]
    chunks = [c for c in chunks if c.layer in layers and (holding is None or c.id in holding)]
    versions = list[VersionKey]()
    if beside and directory.beside:
        found = _versions(tx, query, revision, newest, after_number, min_extent)
        versions = [v for v in found if v.layer in layers]
    return Plan(query, revision, layers, tuple(chunks), directory.hidden, tuple(versions), authored)


def read_sources(
    tx: Transaction, reader: ChunkReader, plan: Plan, sources: Sequence[Source], *, columns: bool, properties: bool
) -> Iterator[Found]:
    """Give the rows of some sources that the plan's question asks for.

    Parameters
    ----------
    sources
        At most `SOURCES_AT_ONCE`: they are in memory together.
    columns, properties
        Whether whole rows are asked for, and their JSON too; the question itself may need them as well.
    """
    query = plan.query
    refs = [s for s in sources if isinstance(s, ChunkRef)]
    attributes = dict(zip((r.id for r in refs), reader.attributes(tx, refs), strict=True))
    rows = dict(zip(attributes, _visible(plan, refs, list(attributes.values())), strict=True))
    wanted = [ref for ref in refs if len(rows[ref.id])]
    shapes = dict[int, Kept]()
    if columns or needs_columns(query):
        found = reader.kept(tx, wanted, properties=properties or needs_properties(query))
        shapes = dict(zip((r.id for r in wanted), found, strict=True))
    grouped = {id(s): _read_group(tx, plan, s) for s in sources if isinstance(s, VersionGroup)}
    for source in sources:
        if isinstance(source, ChunkRef):
            told, shown, some = attributes[source.id], shapes.get(source.id), rows[source.id]
        else:
            shown = Kept(grouped[id(source)])
            told = attributes_of(shown.columns)
            some = np.flatnonzero(match_attributes(query, told, plan.authored))
        if shown is not None and needs_columns(query):
            # What a chunk holds of its layer's name is what the layer was called when it was written, if anything.
            shown = Kept(replace(shown.columns, layer=plan.layers[source.layer].layer.name))
            some = match_columns(query, shown.columns, some, _authors(tx, plan, told, some))
        if len(some):
            yield Found(source, told, shown, some)


def read_columns(
    tx: Transaction,
    reader: ChunkReader,
    gatherer: Gatherer,
    plan: Plan,
    sources: Sequence[Source],
    *,
    properties: bool,
) -> list[Columns]:
    """Give the rows of some sources that the plan's question asks for, as columns with the name of their layer."""
    return gatherer.gather(
        [
            Chosen(found.kept, found.rows, plan.layers[found.source.layer].layer.name)
            for found in read_sources(tx, reader, plan, sources, columns=True, properties=properties)
            if found.kept is not None
        ]
    )


def attributes_of(columns: Columns) -> Attributes:
    """Give of columns what chunks tell without their shapes."""
    return Attributes(
        ids=columns.ids,
        numbers=columns.numbers,
        revisions=columns.revisions,
        firsts=columns.firsts,
        kinds=columns.kinds,
        classes=columns.classes,
        class_names=columns.class_names,
        states=columns.states,
        state_names=columns.state_names,
        scores=columns.scores,
        exhaustive=columns.exhaustive,
        boxes=columns.boxes(),
        areas=areas(columns).astype(np.float32),
        layer=columns.layer,
    )


def _authors(tx: Transaction, plan: Plan, told: Attributes, rows: Rows) -> dict[int, str]:
    where = plan.query.where
    if where is None or "author" not in where.names:
        return {}
    found = moments(tx, plan.query.slide, np.unique(told.revisions[rows]).tolist())
    return {revision: author for revision, (author, _) in found.items()}


def _visible(plan: Plan, refs: Sequence[ChunkRef], several: Sequence[Attributes]) -> list[Rows]:
    """Give the rows of some chunks that attributes find."""
    query = plan.query
    if query.bbox is not None and asks_for_box_alone(query):
        found = rows_in_box([told.boxes for told in several], query.bbox)
    else:
        found = [match_attributes(query, told, plan.authored).nonzero()[0] for told in several]
    for n, ref in enumerate(refs) if plan.hidden else ():
        hidden = plan.hidden.get(ref.id)
        if hidden is not None:
            shown = np.ones(ref.size, np.bool_)
            shown[hidden] = False
            found[n] = found[n][shown[found[n]]]
    return found


def _search_boxes(query: AnnotationQuery) -> list[Box]:
    """Give the half-open rectangles that whatever is looked at must meet."""
    boxes = list[Box]()
    if query.bbox is not None:
        boxes.append(query.bbox)
    if query.polygon is not None:
        x0, y0, x1, y1 = polygon_of(query.polygon).bounds
        boxes.append((x0, y0, float(np.nextafter(x1, np.inf)), float(np.nextafter(y1, np.inf))))
    return boxes


def _mask(directory: Directory, query: AnnotationQuery, after_number: int, min_extent: float) -> npt.NDArray[np.bool_]:
    """Tell which chunks must be looked at."""
    mask: npt.NDArray[np.bool_] = directory.extents >= min_extent
    for x0, y0, x1, y1 in _search_boxes(query):
        boxes = directory.boxes
        mask &= (boxes[:, 0] < x1) & (boxes[:, 2] >= x0) & (boxes[:, 1] < y1) & (boxes[:, 3] >= y0)
    if query.exhaustive_only:
        mask &= directory.exhaustive > 0
    if after_number or query.numbers:
        low, high = directory.numbers.T
        mask &= high > after_number
        if query.numbers:
            asked = np.sort(np.array(query.numbers, np.int64))
            mask &= np.searchsorted(asked, low) < np.searchsorted(asked, high, side="right")
    return mask


def _holding(tx: Transaction, query: AnnotationQuery) -> set[int] | None:
    """Find the chunks that hold the ids asked for; None when any chunk may: a list may be too long for a statement."""
    if not 0 < len(query.ids) <= _IDS_AT_ONCE:
        return None
    rows = tx.rows(
        f"select distinct chunk from located where id in ({placeholders(len(query.ids))})",  # noqa: S608 - placeholders only
        *(i.bytes for i in query.ids),
    )
    return {as_int(row[0]) for row in rows}


def _versions(
    tx: Transaction, query: AnnotationQuery, revision: int, newest: int, after_number: int, min_extent: float
) -> list[VersionKey]:
    conditions, values = "", list[Value]()
    for x0, y0, x1, y1 in _search_boxes(query):
        conditions += "and s.x0 < ? and s.x1 >= ? and s.y0 < ? and s.y1 >= ? "
        values += [x1, x0, y1, y0]
    if min_extent:
        conditions += "and (s.x1 - s.x0 >= ? or s.y1 - s.y0 >= ?) "
        values += [min_extent, min_extent]
    if query.exhaustive_only:
        conditions += "and s.exhaustive = 1 "
    if 0 < len(query.numbers) <= _IDS_AT_ONCE:
        conditions += f"and h.number in ({placeholders(len(query.numbers))}) "
        values += query.numbers
    if 0 < len(query.ids) <= _IDS_AT_ONCE:
        conditions += f"and s.id in ({placeholders(len(query.ids))}) "
        values += map(str, query.ids)
    if after_number:
        conditions += "and h.number > ? "
        values.append(after_number)
    if revision == newest:
        state, moment = "s.until is null", list[Value]()
    else:
        state, moment = "s.revision <= ? and (s.until is null or s.until > ?)", [revision, revision]
    rows = tx.rows(
        "select s.id, s.revision, h.number, s.layer from feature_version s join head h on h.id = s.id "  # noqa: S608 - placeholders only
        f"where s.slide = ? and s.deleted = 0 and {state} {conditions}",
        query.slide,
        *moment,
        *values,
    )
    return [VersionKey(str(i), as_int(r), as_int(number), as_int(layer)) for i, r, number, layer in rows]


def _read_group(tx: Transaction, plan: Plan, group: VersionGroup) -> Columns:
    name = plan.layers[group.layer].layer.name
    return read_versions(tx, [(key.id, key.revision) for key in group.keys], layer=name)


def read_versions(tx: Transaction, keys: Sequence[tuple[str, int]], *, layer: str) -> Columns:
    """Read versions (id, revision) as columns, in the order given."""
    wanted = ", ".join(["(?, ?)"] * len(keys))
    rows = tx.rows(
        f"with wanted (id, revision) as (values {wanted}) "  # noqa: S608 - placeholders only
        "select v.id, v.revision, h.number, h.first_revision, v.class, v.geometry, v.properties, v.drawn "
        "from wanted w join feature_version v on v.id = w.id and v.revision = w.revision join head h on h.id = v.id",
        *(value for key in keys for value in key),
    )
    place = {key: n for n, key in enumerate(keys)}
    rows.sort(key=lambda row: place[str(row[0]), as_int(row[1])])
    new = [
        NewAnnotation(
            geometry=orjson.loads(str(geometry)),
            id=UUID(str(i)),
            class_name=None if class_name is None else str(class_name),
            properties=orjson.loads(str(properties)),
            drawn=None if drawn is None else orjson.loads(str(drawn)),
        )
        for i, _, _, _, class_name, geometry, properties, drawn in rows
    ]
    return replace(
        Columns.of(new, default_state=DEFAULT_STATE),
        numbers=np.array([as_int(row[2]) for row in rows], np.int64),
        revisions=np.array([as_int(row[1]) for row in rows], np.int64),
        firsts=np.array([as_int(row[3]) for row in rows], np.int64),
        properties=Texts.of(str(row[6]).encode() for row in rows),
        layer=layer,
    )
