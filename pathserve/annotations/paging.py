"""Pages of an answer, in any order, and what is counted of a whole answer."""

import binascii
import heapq
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef
from pathserve.annotations.directory import Directories, read_state
from pathserve.annotations.query import ORDERS, AnnotationPage, AnnotationQuery, Order, Summary
from pathserve.annotations.reading import (
    SOURCES_AT_ONCE,
    Found,
    Plan,
    Source,
    VersionGroup,
    make_plan,
    read_sources,
)
from pathserve.annotations.revisions import moments, resolve_revision
from pathserve.annotations.rows import COLUMNS, JOINS, to_annotation
from pathserve.db import Transaction
from pathserve.errors import Invalid
from pathserve.labels import Annotation, Columns

Key = float | str | None

_SOURCES_OF_A_PAGE = 8
_CURSOR_PARTS = 6


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a page goes on: after the annotation of this key and number.

    Parameters
    ----------
    asked
        Digest of the filters, so that nobody goes on with others.
    as_of
        As the first page was asked for; a moment in ISO 8601.
    """

    revision: int
    order: Order
    key: Key
    number: int
    asked: str
    as_of: int | str | None


@dataclass(frozen=True, slots=True)
class _Hit:
    """One annotation of a page: which row of which source."""

    number: int
    source: Source
    row: int


def read_page(
    tx: Transaction,
    reader: ChunkReader,
    directories: Directories,
    query: AnnotationQuery,
    *,
    limit: int,
    cursor: str | None,
    order: Order | None = None,
) -> AnnotationPage:
    """Read one page.

    Parameters
    ----------
    query
        With a cursor the same filters as before; ``as_of`` may be left out, it is kept.
    order
        With a cursor the same as before, or None; without one None is by number.

    Raises
    ------
    Invalid
        When the cursor is none of ours or of another question, or there is no such revision or order.
    NotFound
        When there is no such slide.
    """
    state = read_state(tx, query.slide)
    newest = state.revision
    if order is not None and order not in ORDERS:
        raise Invalid("Annotations cannot be put in this order.")
    if cursor is None:
        revision = newest if query.as_of is None else resolve_revision(tx, query.slide, query.as_of)
        at = _Cursor(revision, order or "number", None, 0, _digest(query), _told(query.as_of))
    else:
        at = _parse_cursor(cursor, newest)
        _require_same(at, query, order)
    if at.order == "number":
        plan = make_plan(
            tx, query, revision=at.revision, newest=newest, after_number=at.number, directories=directories, state=state
        )
        hits, following = _by_number(tx, reader, plan, at, limit=limit)
    else:
        plan = make_plan(tx, query, revision=at.revision, newest=newest, directories=directories, state=state)
        hits, following = _by_key(tx, reader, plan, at, limit=limit, first=cursor is None)
    annotations = _annotations(tx, reader, plan, hits)
    return AnnotationPage(annotations, at.revision, None if following is None else _make_cursor(following))


def summarise(tx: Transaction, reader: ChunkReader, directories: Directories, query: AnnotationQuery) -> Summary:
    """Count an answer, exactly."""
    state = read_state(tx, query.slide)
    newest = state.revision
    revision = newest if query.as_of is None else resolve_revision(tx, query.slide, query.as_of)
    plan = make_plan(tx, query, revision=revision, newest=newest, directories=directories, state=state)
    classes, layers, states = Counter[str | None](), Counter[str](), Counter[str]()
    for found in each_found(tx, reader, plan):
        told, rows = found.attributes, found.rows
        layers[plan.layers[found.source.layer].layer.name] += len(rows)
        _tally(classes, (*told.class_names, None), told.classes[rows])
        _tally(states, told.state_names, told.states[rows])
    return Summary(revision, sum(layers.values()), dict(classes), dict(layers), dict(states))


def each_found(tx: Transaction, reader: ChunkReader, plan: Plan) -> Iterator[Found]:
    """Walk through the attributes of an answer, source after source."""
    sources = plan.sources
    for start in range(0, len(sources), SOURCES_AT_ONCE):
        some = sources[start : start + SOURCES_AT_ONCE]
        yield from read_sources(tx, reader, plan, some, columns=False, properties=False)


def _tally(counter: "Counter[Any]", names: Sequence[str | None], indices: npt.NDArray[np.int32]) -> None:
    # An index of -1 means none, which stands last.
    counts = np.bincount(np.where(indices < 0, len(names) - 1, indices), minlength=len(names))
    for name, count in zip(names, counts.tolist(), strict=True):
        if count:
            counter[name] += count


def _by_number(
    tx: Transaction, reader: ChunkReader, plan: Plan, at: _Cursor, *, limit: int
) -> tuple[list[_Hit], _Cursor | None]:
    """Read sources in the order of their lowest numbers until no later one can hold a lower number than the page's."""
    sources, hits = plan.sources, list[tuple[int, int, _Hit]]()
    for start in range(0, len(sources), _SOURCES_OF_A_PAGE):
        some = sources[start : start + _SOURCES_OF_A_PAGE]
        if len(hits) > limit and heapq.nsmallest(limit + 1, hits)[-1][0] < some[0].first_number:
            break
        for found in read_sources(tx, reader, plan, some, columns=False, properties=False):
            numbers = found.attributes.numbers[found.rows]
            hits += [
                (number, len(hits), _Hit(number, found.source, row))
                for number, row in zip(numbers.tolist(), found.rows.tolist(), strict=True)
                if number > at.number
            ]
    page = [hit for _, _, hit in heapq.nsmallest(limit + 1, hits)]
    if len(page) <= limit:
        return page, None
    return page[:limit], replace(at, number=page[limit - 1].number)


def _by_key(
    tx: Transaction, reader: ChunkReader, plan: Plan, at: _Cursor, *, limit: int, first: bool
) -> tuple[list[_Hit], _Cursor | None]:
    founds = list(each_found(tx, reader, plan))
    if not founds:
        return [], None
    what, backwards = at.order.lstrip("-"), at.order.startswith("-")
    keys: npt.NDArray[Any] = np.concatenate([_keys(what, found) for found in founds])
    numbers = np.concatenate([found.attributes.numbers[found.rows] for found in founds])
    ranks, names = _ranks(keys)
    missing = np.isnan(ranks)
    signed = np.where(missing, np.inf, -ranks if backwards else ranks)
    some = np.arange(len(signed))
    if not first:
        place = _rank_of(at.key, names)
        mine = math.inf if math.isnan(place) else (-place if backwards else place)
        later = (signed > mine) | ((signed == mine) & (numbers > at.number))
        some = np.flatnonzero(later)
    chosen = _lowest(signed, numbers, some, limit + 1).tolist()
    owners = np.repeat(np.arange(len(founds)), [len(found.rows) for found in founds])
    rows = np.concatenate([found.rows for found in founds])
    hits = [_Hit(int(numbers[c]), founds[int(owners[c])].source, int(rows[c])) for c in chosen[:limit]]
    if len(chosen) <= limit:
        return hits, None
    last = chosen[limit - 1]
    key: Key = None if missing[last] else (names[int(ranks[last])] if names is not None else float(ranks[last]))
    return hits, replace(at, key=key, number=int(numbers[last]))


def _lowest(
    keys: npt.NDArray[np.float64], numbers: npt.NDArray[np.int64], some: npt.NDArray[np.intp], count: int
) -> npt.NDArray[np.intp]:
    """Give the places of the lowest keys among some, in order, ties by number; all others are never put in order."""
    if len(some) > count:
        greatest = np.partition(keys[some], count - 1)[count - 1]
        some = some[keys[some] <= greatest]
    return some[np.lexsort((numbers[some], keys[some]))][:count]


def _keys(what: str, found: Found) -> npt.NDArray[Any]:
    """Give what rows are sorted by: numbers (NaN for none), or texts (None for none)."""
    told, rows = found.attributes, found.rows
    match what:
        case "number":
            return told.numbers[rows].astype(np.float64)
        case "area":
            return told.areas[rows].astype(np.float64)
        case "score":
            return told.scores[rows]
        case "updated":
            return told.revisions[rows].astype(np.float64)
        case "class":
            return np.array([*told.class_names, None], object)[told.classes[rows]]
        case _:
            return np.array([*told.state_names, None], object)[told.states[rows]]


def _ranks(keys: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], list[str] | None]:
    """Turn texts into their places among all texts; numbers stay."""
    if keys.dtype != object:
        return keys.astype(np.float64), None
    names = sorted({key for key in keys.tolist() if key is not None})
    place: dict[str | None, float] = {name: float(n) for n, name in enumerate(names)}
    return np.array([place.get(key, math.nan) for key in keys.tolist()]), names


def _rank_of(key: Key, names: list[str] | None) -> float:
    if key is None:
        return math.nan
    if isinstance(key, str) != (names is not None):
        raise _foreign()
    if names is None:
        return float(key)
    # Half a place before the name that follows, should it not be there any more.
    return float(names.index(str(key))) if key in names else sum(name < str(key) for name in names) - 0.5


def _annotations(tx: Transaction, reader: ChunkReader, plan: Plan, hits: Sequence[_Hit]) -> list[Annotation]:
    """Build the annotations of a page, in its order."""
    made = dict[int, Annotation]()
    by_source = dict[int, tuple[Source, list[_Hit]]]()
    for hit in hits:
        by_source.setdefault(id(hit.source), (hit.source, []))[1].append(hit)
    groups = list(by_source.values())
    for source, some in groups:
        if isinstance(source, VersionGroup):
            layer = plan.layers[source.layer].layer.name
            made |= {number: replace(a, layer=layer) for number, a in _of_versions(tx, source, some).items()}
    chunks = [(source, some) for source, some in groups if isinstance(source, ChunkRef)]
    for start in range(0, len(chunks), SOURCES_AT_ONCE):
        part = chunks[start : start + SOURCES_AT_ONCE]
        whole = reader.columns(tx, [source for source, _ in part], properties=True)
        for (source, some), columns in zip(part, whole, strict=True):
            layer = plan.layers[source.layer].layer.name
            rows = [hit.row for hit in some]
            found = annotations_of(tx, plan.query.slide, layer, columns, rows)
            made |= {hit.number: annotation for hit, annotation in zip(some, found, strict=True)}
    return [made[hit.number] for hit in hits]


def _of_versions(tx: Transaction, group: VersionGroup, hits: Sequence[_Hit]) -> dict[int, Annotation]:
    keys = {key.number: key for key in group.keys}
    wanted = [(keys[hit.number].id, keys[hit.number].revision) for hit in hits]
    found = read_annotations(tx, wanted)
    return {annotation.number: annotation for annotation in found}


def read_annotations(tx: Transaction, keys: Sequence[tuple[str, int]]) -> list[Annotation]:
    """Read versions (id, revision) as annotations, in any order."""
    wanted = ", ".join(["(?, ?)"] * len(keys))
    rows = tx.rows(
        f"with wanted (id, revision) as (values {wanted}) select {COLUMNS} from wanted w "  # noqa: S608 - placeholders only
        f"join feature_version v on v.id = w.id and v.revision = w.revision {JOINS}",
        *(value for key in keys for value in key),
    )
    return [to_annotation(row) for row in rows]


def annotations_of(tx: Transaction, slide: str, layer: str, columns: Columns, rows: Sequence[int]) -> list[Annotation]:
    """Build annotations of some rows."""
    some = list(rows)
    revisions = columns.revisions[some].tolist()
    firsts = columns.firsts[some].tolist()
    when = moments(tx, slide, [*revisions, *firsts])
    found = list[Annotation]()
    for row, revision, first in zip(some, revisions, firsts, strict=True):
        new = columns.new_annotation(row)
        author, updated = when[revision]
        found.append(
            Annotation(
                id=UUID(bytes=columns.ids[row].tobytes()),
                number=int(columns.numbers[row]),
                slide=slide,
                layer=layer,
                author=author,
                revision=revision,
                geometry=new.geometry,
                class_name=new.class_name,
                properties=new.properties,
                created=datetime.fromisoformat(when[first][1]),
                updated=datetime.fromisoformat(updated),
                drawn=new.drawn,
            )
        )
    return found


def _make_cursor(cursor: _Cursor) -> str:
    return urlsafe_b64encode(orjson.dumps(astuple(cursor))).decode().rstrip("=")


def _parse_cursor(cursor: str, newest: int) -> _Cursor:
    try:
        parts = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise _foreign() from error
    parsed = _Cursor(*parts) if isinstance(parts, list) and len(parts) == _CURSOR_PARTS else None
    if parsed is None or not _is_sound(parsed, newest):
        raise _foreign()
    return parsed


def _require_same(cursor: _Cursor, query: AnnotationQuery, order: Order | None) -> None:
    """Refuse to go on with another question than the one that the cursor is of."""
    if cursor.asked != _digest(query):
        raise Invalid("This cursor is of a list with other filters: repeat those of its first page.")
    if order not in (None, cursor.order):
        raise Invalid("This cursor is of a list in another order.")
    if query.as_of is not None and _told(query.as_of) not in (cursor.as_of, cursor.revision):
        raise Invalid("This cursor is of a list as of another time.")


def _digest(query: AnnotationQuery) -> str:
    """Make a short text of all filters: another one for other filters."""
    return blake2b(repr(replace(query, as_of=None)).encode(), digest_size=12).hexdigest()


def _told(as_of: int | datetime | None) -> int | str | None:
    return as_of.isoformat() if isinstance(as_of, datetime) else as_of


def _is_sound(cursor: _Cursor, newest: int) -> bool:
    return (
        type(cursor.revision) is int
        and type(cursor.number) is int
        and cursor.order in ORDERS
        and (cursor.key is None or isinstance(cursor.key, str | float | int))
        and 0 <= cursor.revision <= newest
        and 0 <= cursor.number < 2**63
    )


def _foreign() -> Invalid:
    return Invalid("This cursor is none that this server gave.")
