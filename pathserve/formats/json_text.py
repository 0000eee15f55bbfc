"""JSON text taken apart into the features in it, whatever is around them, with limits on their number and depth."""

import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from pathserve.errors import Invalid, TooLarge

MAX_DEPTH = 64
"""Objects and arrays may lie this deep within one another, the coordinates of a geometry apart."""

RECORD_SEPARATOR = b"\x1e"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_QUOTE, _COLON = b'":'
_COUNT_BLOCK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Found:
    """One member of the input.

    Parameters
    ----------
    value
        What stands there: a Feature or a geometry, if all is well.
    refusal
        Why it cannot be looked at, as a code and a sentence, or None.
    repeated_keys
        Whether an object within it names a member twice; the last one counts.
    """

    value: Any
    refusal: tuple[str, str] | None = None
    repeated_keys: bool = False


class _RepeatedKeys(dict[str, Any]):
    """An object whose text named a member twice."""


def find_features(data: bytes, *, max_features: int) -> Iterator[Found]:
    """Walk through the features of a text.

    Parameters
    ----------
    data
        UTF-8 text: a Feature, a FeatureCollection, a geometry, an array of Features, a GeoJSON text sequence
        (RFC 8142), or one JSON text a line.
    max_features
        Most features.

    Yields
    ------
    Each member in order. A sequence is read record by record; a record that is not JSON is one refused member.
    Memory: the text and its largest document as Python objects, about ten times the text.

    Raises
    ------
    Invalid
        When the text as a whole is not JSON, or not GeoJSON.
    TooLarge
        When there are more than ``max_features``.
    """
    count = 0
    with _collector_paused():
        for document in _documents(data.removeprefix(_BYTE_ORDER_MARK)):
            for found in document:
                count += 1
                if count > max_features:
                    raise TooLarge(f"At most {max_features:,} features are taken at once.", code="too_many_features")
                yield found


def read_item(text: bytes) -> Found:
    """Read one member by itself; raises `orjson.JSONDecodeError` when it is no JSON."""
    with _collector_paused():
        value = orjson.loads(text)
        survey = _survey(value)
        if survey.keys != _count_colons(text):
            value = _load_marking_repeated_keys(text)
            survey = _survey(value)
    return _found(value, survey)


def read_document(text: bytes) -> list[Found]:
    """Read one record of a sequence: its members, or one refused member when it is not JSON."""
    with _collector_paused():
        return _record(text)


def _documents(text: bytes) -> Iterator[list[Found]]:
    """Walk through the JSON documents of a text, each as its members."""
    if text.lstrip()[:1] == RECORD_SEPARATOR:
        for record in text.lstrip().split(RECORD_SEPARATOR):
            if record.strip():
                yield _record(record)
        return
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not _is_json_object(lines[0]):
            raise Invalid("The text is not JSON.", code="not_json") from None
        for line in lines:
            yield _record(line)
        return
    members = _members(document, text)
    is_list = isinstance(document, list) or (isinstance(document, dict) and document.get("type") == "FeatureCollection")
    yield members if is_list else [part for found in members for part in apart(found)]


def _record(text: bytes) -> list[Found]:
    """Read one record of a sequence."""
    try:
        return _members(orjson.loads(text), text)
    except (orjson.JSONDecodeError, Invalid):
        return [Found(None, refusal=("not_json", "The record is not JSON, or is cut off."))]


def _is_json_object(text: bytes) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _members(document: object, text: bytes) -> list[Found]:
    """Find the features of a document and what is wrong with their text."""
    items = _items(document)
    surveys = [_survey(item) for item in items]
    around = 0
    if isinstance(document, dict) and items is document.get("features"):
        around = 1 + _survey({key: value for key, value in document.items() if key != "features"}).keys
    if around + sum(survey.keys for survey in surveys) != _count_colons(text):
        items = _items(_load_marking_repeated_keys(text))
        surveys = [_survey(item) for item in items]
    return [_found(item, survey) for item, survey in zip(items, surveys, strict=True)]


def apart(found: Found) -> list[Found]:
    """Give the members of a collection of several geometries that is a whole text: there it is a list of shapes.

    spatialdata, for one, writes such. Within a Feature a collection is one object.
    """
    value = found.value
    several = value.get("geometries") if isinstance(value, dict) and value.get("type") == "GeometryCollection" else None
    if found.refusal is not None or not isinstance(several, list) or len(several) < 2:
        return [found]
    return [Found(member, repeated_keys=found.repeated_keys) for member in several]


def _found(item: object, survey: "_Survey") -> Found:
    too_deep = ("too_deep", f"It is nested more than {MAX_DEPTH} levels deep.")
    return Found(item, refusal=too_deep if survey.too_deep else None, repeated_keys=survey.repeated)


def _items(document: object) -> list[Any]:
    """Give the members of a document that should each be a Feature or a geometry."""
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        raise Invalid("The text is JSON but not GeoJSON.", code="not_geojson")
    if document.get("type") != "FeatureCollection":
        return [document]
    features = document.get("features")
    if not isinstance(features, list):
        raise Invalid("A FeatureCollection needs an array of features.", code="not_geojson")
    return features


@dataclass(frozen=True, slots=True)
class _Survey:
    keys: int
    too_deep: bool
    repeated: bool


def _survey(item: object) -> _Survey:
    """Count an item's members, and see how deep it goes, without recursion.

    The coordinates of the item's geometry are left out: they hold no members, and the geometry gate reads them.
    """
    keys, too_deep, repeated = 0, False, False
    skipped = _coordinates_of(item)
    waiting = [(item, 1)]
    while waiting:
        value, depth = waiting.pop()
        if value is skipped and value is not None:
            continue
        too_deep = too_deep or depth > MAX_DEPTH
        inner: Any = ()
        if isinstance(value, dict):
            keys += len(value)
            repeated = repeated or isinstance(value, _RepeatedKeys)
            inner = value.values()
        elif isinstance(value, list):
            inner = value
        waiting += [(child, depth + 1) for child in inner if isinstance(child, dict | list)]
    return _Survey(keys, too_deep, repeated)


def _coordinates_of(item: object) -> object:
    """Find the coordinates of a Feature's geometry or of a bare geometry, where its type has them."""
    if not isinstance(item, Mapping):
        return None
    geometry = item.get("geometry", item)
    if not isinstance(geometry, Mapping) or geometry.get("type") == "GeometryCollection":
        return None
    return geometry.get("coordinates")


def _load_marking_repeated_keys(text: bytes) -> object:
    """Read a document once more, with the objects marked that name a member twice."""

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        return members if len(members) == len(pairs) else _RepeatedKeys(members)

    try:
        return json.loads(text, object_pairs_hook=build, parse_int=_whole_number)
    except (RecursionError, ValueError):
        raise Invalid("The text is nested too deeply or holds numbers that are too long.", code="not_json") from None


def _whole_number(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**64:
        raise ValueError("longer than JSON is written with here")
    return number


def _count_colons(text: bytes) -> int:
    """Count the colons outside of strings: as many as the text names members."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    count, inside = 0, False
    for start in range(0, len(text), _COUNT_BLOCK):
        block = np.frombuffer(text, np.uint8, count=min(_COUNT_BLOCK, len(text) - start), offset=start)
        within = np.logical_xor.accumulate(block == _QUOTE) ^ inside
        count += int(np.count_nonzero((block == _COLON) & ~within))
        inside = bool(within[-1])
    return count


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Hold the cyclic garbage collector off: it would walk through all objects again and again while they are made."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
