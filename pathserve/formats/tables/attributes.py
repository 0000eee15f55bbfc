"""What a row of any table means: its class, its id, its properties; and back.

A property of the same plain type in all of the first rows gets a column of its own; whatever else a row has stands,
as a JSON object, in the column ``properties``. Reading puts both together again.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson

from pathserve.errors import Invalid, PathServeError
from pathserve.formats.classification import parse_classification
from pathserve.formats.contract import DRAWN_DROPPED, Losses, ReadContext, WriteContext
from pathserve.formats.geojson.geojson import SERVER_OWNED
from pathserve.formats.ids import ID_REPLACED, read_id
from pathserve.formats.tables.wkb import Row
from pathserve.formats.tools.colors import hex_color, parse_color
from pathserve.labels import Columns, FeatureIssue, require_name, unclear

CLASS_COLUMNS = ("class_name", "classification", "class", "type", "label")
"""Columns that may name the class; the first that a file has counts."""

_PLAIN = frozenset(CLASS_COLUMNS) - {"classification"}
"""Those whose texts are names as they stand, also a name that looks like JSON."""

ID, COLOR, REST = "id", "class_color", "properties"
RESERVED = frozenset((*CLASS_COLUMNS, ID, COLOR, REST, "geometry", "bbox", "fid", "ogc_fid")) | SERVER_OWNED
"""Names of columns that no property gets."""

MAX_PROPERTY_COLUMNS = 256
"""Most properties that get columns of their own."""

Kind = Literal["int64", "double", "bool", "string"]
_KINDS: dict[type, Kind] = {int: "int64", float: "double", bool: "bool", str: "string"}
_INT64 = 2**63


def class_column(names: Sequence[str], context: ReadContext) -> str | None:
    """Choose the column that names classes: what the user says (``--option class=NAME``), else by its name."""
    chosen = context.options.get("class")
    if chosen is not None:
        return chosen if chosen in names else None
    return next((name for name in CLASS_COLUMNS if name in names), None)


def read_row(given: Mapping[str, Any], context: ReadContext, *, class_in: str | None) -> Row | FeatureIssue:
    """Read one row; None is no value.

    Parameters
    ----------
    given
        Column -> value, the geometry apart.
    class_in
        Column that names its class.
    """
    values = {name: value for name, value in given.items() if value is not None and name not in SERVER_OWNED}
    properties = _rest(values.pop(REST, None))
    identity = values.pop(ID, None)
    color = values.pop(COLOR, None)
    try:
        value = values.pop(class_in, None) if class_in else None
        if class_in not in _PLAIN:
            value = _structured(value)
        name = _class(value, color, properties, context)
    except PathServeError as error:
        return FeatureIssue(0, error.code, error.message)
    for key, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            if not math.isnan(value):
                context.losses.note("not_finite", "Properties that are not finite numbers were left out.")
            continue
        properties[key] = value
    if (refusal := unclear(properties)) is not None:
        return FeatureIssue(0, refusal.code, refusal.message)
    found = read_id(identity, properties)
    if found is None and identity is not None:
        context.losses.note(*ID_REPLACED)
    return Row(found, name, properties)


def parse_json(text: str) -> Any:  # noqa: ANN401 - a JSON value
    """Read JSON, also with the NaN and Infinity that Python's own writer makes of them: they become null.

    Raises
    ------
    Invalid
        When it is no JSON.
    """
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError):
        pass
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, TypeError, RecursionError):
        raise Invalid("This is no JSON.", code="not_json") from None


def parse_numbers(text: str, count: int, name: str) -> list[float]:
    """Read an option that is some finite numbers with commas between them.

    Raises
    ------
    Invalid
        When it is not.
    """
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != count or not all(map(math.isfinite, found)):
        wanted = "one number" if count == 1 else f"{count} numbers with commas between them"
        raise Invalid(f"The option {name} is {wanted}.", code="bad_option")
    return found


def _rest(value: object) -> dict[str, Any]:
    """Read the properties that have no column: a JSON object, or a struct."""
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except Invalid:
            value = {REST: value}
    if value is None:
        return {}
    if not isinstance(value, dict):
        return {REST: value}
    return {key: part for key, part in value.items() if key not in SERVER_OWNED}


def _structured(value: object) -> object:
    """Give a JSON text of an object as that object, anything else as it is."""
    if isinstance(value, str) and value[:1] == "{":
        with suppress(Invalid):
            return parse_json(value)
    return value


def _class(value: object, color: object, properties: dict[str, Any], context: ReadContext) -> str | None:
    """Read a class: a text, or what QuPath's classification is as a struct."""
    if value is None or value == "":
        return None
    if not isinstance(value, dict):
        name, stated = require_name(str(value), "class name"), parse_color(color)
    else:
        classified = parse_classification(value)
        name, stated = classified.name or "", classified.color or parse_color(color)
        if classified.rest:
            properties["classification"] = classified.rest
    if name and stated:
        context.colors.setdefault(name, stated)
    return name or None


@dataclass(frozen=True, slots=True)
class PropertyColumns:
    """Properties that have columns of their own, with their types."""

    kinds: Mapping[str, Kind]

    @classmethod
    def plan(cls, sample: Iterable[bytes]) -> "PropertyColumns":
        """Choose by the first annotations' properties."""
        types: dict[str, type | None] = {}
        for text in sample:
            for name, value in (orjson.loads(text) if text else {}).items():
                known = types.setdefault(name, type(value))
                if known is not type(value):
                    types[name] = None
        plain = {
            name: _KINDS[kind]
            for name, kind in types.items()
            # Databases tell names in another case, or cut off at a NUL, not apart.
            if kind in _KINDS and name and name.isprintable() and name.lower() not in RESERVED
        }
        distinct = {name.lower(): name for name in reversed(plain)}
        chosen = [name for name in plain if distinct[name.lower()] == name]
        return cls({name: plain[name] for name in chosen[:MAX_PROPERTY_COLUMNS]})

    def split(self, texts: Sequence[bytes]) -> tuple[dict[str, list[Any]], list[str | None]]:
        """Give the columns of some annotations, and the rest of each as JSON, None for nothing."""
        columns: dict[str, list[Any]] = {name: [None] * len(texts) for name in self.kinds}
        rests: list[str | None] = []
        for row, text in enumerate(texts):
            rest = {}
            for name, value in (orjson.loads(text) if text else {}).items():
                if self._takes(name, value):
                    columns[name][row] = value
                else:
                    rest[name] = value
            rests.append(orjson.dumps(rest).decode() if rest else None)
        return columns, rests

    def _takes(self, name: str, value: object) -> bool:
        kind = self.kinds.get(name)
        if kind is None or _KINDS.get(type(value)) != kind:
            return False
        if isinstance(value, str):
            # FlatGeobuf's library ends a text there; JSON escapes it.
            return "\x00" not in value
        return not isinstance(value, int) or -_INT64 <= value < _INT64


def own_columns(columns: Columns, context: WriteContext) -> dict[str, list[Any]]:
    """Give what PathServe itself knows of each annotation: id, class, layer, number, author, moments."""
    names = [None if index < 0 else columns.class_names[index] for index in columns.classes.tolist()]
    colors = {made.name: hex_color(made.color) for made in context.schema}
    blank = bytes(16)
    revisions = columns.revisions.tolist()
    known = context.revisions
    return {
        ID: [None if (b := row.tobytes()) == blank else str(UUID(bytes=b)) for row in columns.ids],
        "class_name": names,
        COLOR: [colors.get(name or "") for name in names],
        "layer": [columns.layer or None] * len(columns),
        "number": columns.numbers.tolist(),
        "revision": revisions,
        "author": [known[r][0] if r in known else None for r in revisions],
        "updated": [known[r][1].isoformat() if r in known else None for r in revisions],
    }


OWN_KINDS: Mapping[str, Kind] = {
    ID: "string",
    "class_name": "string",
    COLOR: "string",
    "layer": "string",
    "number": "int64",
    "revision": "int64",
    "author": "string",
    "updated": "string",
}


def note_drawn(columns: Columns, losses: Losses) -> None:
    """Count outlines as drawn, before their repair, for formats that have no place for them."""
    if columns.drawn:
        losses.note(*DRAWN_DROPPED, len(columns.drawn))
