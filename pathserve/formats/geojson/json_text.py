"""JSON text taken apart into the features in it, whatever is around them, with limits on their number and depth."""

import gc
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from pathserve.errors import Invalid, TooLarge
from pathserve.formats.geojson.json_faults import MAX_DEPTH, TOO_DEEP, Places, Where, fault, take_apart, within_record
from pathserve.formats.json_members import value_end

RECORD_SEPARATOR = b"\x1e"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_QUOTE, _COLON = b'":'
_COUNT_BLOCK = 4 * 1024 * 1024
_INT64_DIGITS = 20
_COLLECTION_MEMBERS = frozenset({"type", "features", "bbox"})

Note = Callable[[str, str, int], None]
"""Takes a code, a sentence and a count, as `pathserve.formats.contract.Losses.note` does."""


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

    names: frozenset[str] = frozenset()
    """Which members."""


def _no_note(code: str, message: str, count: int) -> None:
    """Take note of nothing."""


def find_features(data: bytes, *, max_features: int, note: Note = _no_note) -> Iterator[Found]:
    """Walk through the features of a text.

    Parameters
    ----------
    data
        UTF-8 text: a Feature, a FeatureCollection, a geometry, an array of Features, a GeoJSON text sequence
        (RFC 8142), or one JSON text a line.
    max_features
        Most features.
    note
        Told what a collection says beside its features, which is not kept.

    Yields
    ------
    Each member in order. A member that is not JSON is refused alone, with its place, when the text's brackets and
    commas tell where it ends. Memory: the text and its largest document as Python objects, about ten times the text.

    Raises
    ------
    Invalid
        When the text as a whole is not JSON, or not GeoJSON; says where.
    TooLarge
        When there are more than ``max_features``.
    """
    count = 0
    with _collector_paused():
        for document in _documents(data.removeprefix(_BYTE_ORDER_MARK), note):
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
            try:
                value = _load_marking_repeated_keys(text)
            except RecursionError:
                return Found(None, refusal=TOO_DEEP)
            survey = _survey(value)
    return _found(value, survey)


def read_member(text: bytes, where: Where) -> Found:
    """Read one member by itself: refused when it is no JSON; ``where`` says where a byte of it is."""
    try:
        return read_item(text)
    except orjson.JSONDecodeError as error:
        return Found(None, refusal=fault(text, error, where))


def read_document(text: bytes) -> list[Found]:
    """Read one record of a sequence: its members, or one refused member when it is not JSON."""
    with _collector_paused():
        return _record(text)


def _documents(text: bytes, note: Note) -> Iterator[list[Found]]:
    """Walk through the JSON documents of a text, each as its members."""
    if text.lstrip()[:1] == RECORD_SEPARATOR:
        for record in text.lstrip().split(RECORD_SEPARATOR):
            if record.strip():
                yield _record(record)
        return
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and _is_whole_object(lines[0]):
            for line in lines:
                yield _record(line)
            return
        found = _read_apart(text, note)
        if found is None:
            code, message = fault(text, error, Places(text).where)
            raise Invalid(message, code=code) from None
        yield found
        return
    members = _members(document, text, note)
    is_list = isinstance(document, list) or (isinstance(document, dict) and document.get("type") == "FeatureCollection")
    yield members if is_list else [part for found in members for part in apart(found)]


def _record(text: bytes) -> list[Found]:
    """Read one record of a sequence."""
    try:
        return _members(orjson.loads(text), text, _no_note)
    except orjson.JSONDecodeError as error:
        return [Found(None, refusal=fault(text, error, within_record))]
    except Invalid as error:
        return [Found(None, refusal=(error.code, error.message))]


def _is_whole_object(text: bytes) -> bool:
    """Tell whether a line is one object, if its brackets are right."""
    text = text.strip()
    return text.startswith(b"{") and value_end(text, 0) == len(text)


def _members(document: object, text: bytes, note: Note) -> list[Found]:
    """Find the features of a document and what is wrong with their text."""
    items = _items(document)
    surveys = [_survey(item) for item in items]
    around = 0
    is_collection = isinstance(document, dict) and items is document.get("features")
    if isinstance(document, dict) and is_collection:
        beside = {key: value for key, value in document.items() if key != "features"}
        around = 1 + _survey(beside).keys
    if around + sum(survey.keys for survey in surveys) == _count_colons(text):
        if isinstance(document, dict) and is_collection:
            _note_members(document, note)
        return [_found(item, survey) for item, survey in zip(items, surveys, strict=True)]
    if not is_collection and not isinstance(document, list):
        return [read_item(text)]
    found = _read_apart(text, note)
    if found is None:
        raise Invalid("The collection names its features in no way that can be followed.", code="not_geojson")
    return found


def _read_apart(text: bytes, note: Note) -> list[Found] | None:
    """Read the features of an array or collection one by one, also when some are no JSON; None where none are found."""
    found = take_apart(text, "features")
    if found is None:
        return None
    where = Places(text).where
    around = text[: found.start] + b"[]" + text[found.end :]
    if around.strip() != b"[]":
        removed = found.end - found.start - 2
        read_around(around, lambda at: where(at + removed * (at > found.start)), note)
    where = Places(text).where
    return [read_member(text[a:b], _moved(where, a)) for a, b in found.items]


def _moved(where: Where, start: int) -> Where:
    return lambda place: where(start + place)


def read_around(text: bytes, where: Where, note: Note) -> None:
    """Check what stands around the features of a collection, and take note of what is not kept.

    Parameters
    ----------
    text
        The collection, with an empty array of features.
    where
        Says where a byte of it is.

    Raises
    ------
    Invalid
        When it is no JSON, no FeatureCollection, or has several members ``features``.
    """
    found = read_member(text, where)
    if found.refusal is not None:
        code, message = found.refusal
        raise Invalid(message, code=code)
    around = found.value
    if isinstance(around, _RepeatedKeys) and "features" in around.names:
        message = "The collection names its features more than once; it cannot be told which are meant."
        raise Invalid(message, code="features_repeated")
    if around.get("type") != "FeatureCollection" or around.get("features") != []:
        raise Invalid("The features do not stand in a FeatureCollection.", code="not_geojson")
    if found.repeated_keys:
        note("duplicate_key", "An object named a member twice; the last one was taken.", 1)
    _note_members(around, note)


def _note_members(collection: Mapping[str, Any], note: Note) -> None:
    """Take note of members of a collection that are passed over."""
    if "crs" in collection:
        note("crs_ignored", "The collection names a reference system; its coordinates were taken for the slide's.", 1)
    others = len(collection.keys() - _COLLECTION_MEMBERS - {"crs"})
    if others:
        note("collection_members", "Members of the collection itself, beside its features, are not kept.", others)


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
    return Found(item, refusal=TOO_DEEP if survey.too_deep else None, repeated_keys=survey.repeated)


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
        if len(members) == len(pairs):
            return members
        marked = _RepeatedKeys(members)
        marked.names = frozenset(name for name, many in Counter(name for name, _ in pairs).items() if many > 1)
        return marked

    return json.loads(text, object_pairs_hook=build, parse_int=_whole_number)


def _whole_number(text: str) -> int | float:
    """Read a whole number as `orjson` does: what 64 bits do not hold is a float."""
    if len(text) <= _INT64_DIGITS and -(2**63) <= int(text) < 2**64:
        return int(text)
    return float(text)


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
