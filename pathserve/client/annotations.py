"""Annotations as the client asks for them: filters, pages, edits, and what happens to them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypedDict

import orjson

from pathserve import errors
from pathserve.client.wire import JSON, Query, Wire

MOST_EDITS = 10_000
"""Edits that are sent in one request."""

_AGAIN_SECONDS = 2.0
_MOST_FAILURES = 5


class Filters(TypedDict, total=False):
    """Which annotations; what is left out leaves a filter out.

    ``classes``, ``layers``, ``authors``, ``states``, ``numbers`` and ``ids`` mean "any of these"; ``min_area`` and
    ``max_area`` are square level-0 pixels; ``polygon`` is one ring of (x, y) in level-0 pixels; ``text`` stands in the
    properties in any case; ``where`` is a condition such as ``class = 'Tumor' AND area > 40``; ``as_of`` is a revision
    number or an RFC 3339 time.
    """

    classes: Sequence[str]
    layers: Sequence[str]
    authors: Sequence[str]
    states: Sequence[str]
    numbers: Sequence[int]
    ids: Sequence[str]
    min_score: float | None
    max_score: float | None
    min_area: float | None
    max_area: float | None
    polygon: Sequence[tuple[float, float]] | None
    text: str | None
    where: str | None
    as_of: int | str | None


_REPEATED = {
    "classes": "class",
    "layers": "layer",
    "authors": "author",
    "states": "state",
    "numbers": "number",
    "ids": "id",
}
_SINGLE = {
    "min_score": "min_score",
    "max_score": "max_score",
    "min_area": "min_area",
    "max_area": "max_area",
    "text": "q",
    "where": "filter",
    "as_of": "as_of",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a slide.

    Parameters
    ----------
    name
        ``changed`` or ``presence``.
    data
        What the server tells of it; members as in the reference of the HTTP interface.
    revision
        Everything up to this revision has been told: where to go on after a break.
    """

    name: str
    data: Mapping[str, Any]
    revision: int


def filter_query(filters: Filters) -> Query:
    """Write filters as parameters.

    Raises
    ------
    TypeError
        For a filter that there is not.
    """
    query: Query = []
    for name, value in filters.items():
        if name in _REPEATED and isinstance(value, Sequence) and not isinstance(value, str):
            query += [(_REPEATED[name], str(item)) for item in value]
        elif value is None:
            continue
        elif name == "polygon" and isinstance(value, Sequence):
            query.append((name, ",".join(f"{float(x)!r},{float(y)!r}" for x, y in value)))
        elif name in _SINGLE:
            query.append((_SINGLE[name], str(value)))
        else:
            raise TypeError(f"there is no filter {name} of this type")
    return query


def box_query(bbox: tuple[float, float, float, float] | None) -> Query:
    """Write a box as a parameter."""
    return [] if bbox is None else [("bbox", ",".join(repr(float(edge)) for edge in bbox))]


def pages(wire: Wire, path: str, query: Query, *, member: str = "items") -> Iterator[dict[str, Any]]:
    """Give the items of all pages of a list."""
    cursor: str | None = None
    while True:
        page = wire.get_json(path, [*query, ("cursor", cursor)] if cursor else query)
        yield from page[member]
        cursor = page["next"]
        if cursor is None:
            return


def send_edits(wire: Wire, path: str, edits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Send edits, in parts that one request takes; gives what became of each."""
    results = list[dict[str, Any]]()
    for start in range(0, len(edits), MOST_EDITS):
        body = orjson.dumps({"edits": list(edits[start : start + MOST_EDITS])})
        results += orjson.loads(wire.request("POST", path, body=body, headers=JSON))["results"]
    return results


def happenings(wire: Wire, path: str, since: int | None) -> Iterator[Happening]:
    """Follow server-sent events; a lost connection is made anew, and nothing is missed.

    Raises
    ------
    PathServeError
        When the server refuses, such as after the token was revoked; `Busy` when it cannot be reached five times in a
        row.
    """
    failures = 0
    while True:
        headers = {"accept": "text/event-stream"} | ({} if since is None else {"last-event-id": str(since)})
        try:
            with wire.lines(path, headers=headers) as lines:
                for happening in _parsed(lines, since or 0):
                    failures, since = 0, happening.revision
                    if happening.name:
                        yield happening
        except errors.Busy:
            failures += 1
            if failures >= _MOST_FAILURES:
                raise
        time.sleep(_AGAIN_SECONDS)


def _parsed(lines: Iterator[str], since: int) -> Iterator[Happening]:
    """Read events (HTML standard, 9.2.6); one without a name only tells where the stream begins."""
    name, data, told = "", "", False
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            with suppress(ValueError):
                since, told = int(value), True
        elif field == "event":
            name = value
        elif field == "data":
            data = value
        elif not line and (data or told):
            yield Happening(name if data else "", orjson.loads(data) if data else {}, since)
            name, data, told = "", "", False
