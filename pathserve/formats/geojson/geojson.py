"""GeoJSON text to annotations and back, in level-0 pixels.

What a Feature brings along is kept as it was:

- ``geometry`` passes the geometry gate; a valid one is not changed at all.
- ``id`` is kept when it is a UUID; any other is replaced and stays as the property ``original_id``.
- ``properties.classification`` becomes the class; members of it other than name and colour stay in the property
  ``classification``.
- Members of the Feature that GeoJSON does not define (``nucleusGeometry``, for one) stay in the property
  ``foreignMembers`` and are members of the Feature again when it is written. ``bbox`` is dropped: it follows from
  the geometry.
- ``asDrawn`` is the outline as it was before its repair; see `pathserve.formats.geojson.as_drawn`.
- Members that the server owns (`SERVER_OWNED`) are ignored; all other properties are kept.
- ``state: draft`` (or null) and ``objectType: annotation`` are what a Feature without them means, so they are not
  stored.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import geojson
import orjson

from pathserve.config import Settings
from pathserve.errors import Invalid, PathServeError
from pathserve.formats.classification import Classified, parse_classification, write_classification
from pathserve.formats.contract import Losses
from pathserve.formats.geojson.as_drawn import AS_DRAWN, read_as_drawn, write_as_drawn
from pathserve.formats.geojson.json_text import RECORD_SEPARATOR, Found, find_features
from pathserve.formats.ids import ID_REPLACED, read_id
from pathserve.geometry import Size
from pathserve.geometry.gate import Gate
from pathserve.labels import STATE, Annotation, Color, FeatureIssue, NewAnnotation, require_clear

SERVER_OWNED = frozenset(("author", "revision", "layer", "provenance", "created", "updated", "number", "slide"))
"""Properties that only the server writes; what stands there in the input is ignored."""

FOREIGN_MEMBERS = "foreignMembers"
"""Property that holds the Feature's members which GeoJSON does not define."""

MAX_REPAIR_SECONDS = 10.0
"""Processor time that one text may take for outlines that have to be repaired; what comes after is refused."""


_DEFAULTS = {STATE: "draft", "objectType": "annotation"}
GEOMETRIES = frozenset(
    ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")
)
_OWN_MEMBERS = frozenset(("type", "id", "geometry", "properties", "bbox", AS_DRAWN))
_LIMITS = Settings()


@dataclass(slots=True)
class ParsedFeatures:
    """What a text held.

    Parameters
    ----------
    annotations
        What was accepted, in the order of the input.
    sources
        For each annotation, the place of its Feature in the input, from 0.
    repaired
        What was changed; such Features are among the annotations.
    refused
        Features that are not among the annotations, and why.
    losses
        What a collection says beside its features, which is not kept.
    """

    annotations: list[NewAnnotation] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    repaired: list[FeatureIssue] = field(default_factory=list)
    refused: list[FeatureIssue] = field(default_factory=list)
    losses: Losses = field(default_factory=Losses)


def parse_features(
    data: bytes,
    *,
    frame: Size | None,
    max_features: int = _LIMITS.max_features,
    max_vertices: int = _LIMITS.max_vertices,
) -> ParsedFeatures:
    """Read a text.

    Parameters
    ----------
    data
        UTF-8 text: a Feature, a FeatureCollection, a geometry, an array of Features as older QuPath writes it, a
        GeoJSON text sequence (RFC 8142), or one Feature a line. Coordinates are level-0 pixels.
    frame
        Level-0 size of the slide, or None when it is not known.
    max_features, max_vertices
        Most features of the text, and most vertices of one geometry.

    Returns
    -------
    What was accepted, repaired and refused. Memory: about ten times the text.

    Raises
    ------
    Invalid
        When the text as a whole is not GeoJSON.
    TooLarge
        When it has too many features.
    """
    parsed = ParsedFeatures()
    gate = Gate(frame=frame, max_vertices=max_vertices, seconds=MAX_REPAIR_SECONDS)
    for index, found in enumerate(find_features(data, max_features=max_features, note=parsed.losses.note)):
        notes: list[tuple[str, str]] = []
        try:
            annotation = _parse(found, notes, gate)
        except PathServeError as error:
            parsed.refused.append(FeatureIssue(index, error.code, error.message))
            continue
        parsed.annotations.append(annotation)
        parsed.sources.append(index)
        parsed.repaired.extend(FeatureIssue(index, code, message) for code, message in notes)
    return parsed


def _parse(found: Found, notes: list[tuple[str, str]], gate: Gate) -> NewAnnotation:
    """Read one Feature or bare geometry and let its geometry through the gate."""
    read = read_feature(found, notes)
    (checked,) = gate.check([read.geometry])
    if isinstance(checked, PathServeError):
        raise checked
    if checked.note is not None:
        notes.append(("geometry_repaired", checked.note))
    return replace(read, geometry=checked.geometry, drawn=checked.drawn or read.drawn)


def read_feature(found: Found, notes: list[tuple[str, str]]) -> NewAnnotation:
    """Read one Feature or bare geometry, whose geometry has not passed the gate yet.

    Parameters
    ----------
    notes
        Gets the code and a sentence of whatever is changed about it.

    Raises
    ------
    Invalid
        When it is refused.
    """
    if found.refusal is not None:
        code, message = found.refusal
        raise Invalid(message, code=code)
    if found.repeated_keys:
        notes.append(("duplicate_key", "An object named a member twice; the last one was taken."))
    item = found.value
    kind = item.get("type") if isinstance(item, dict) else None
    if isinstance(kind, str) and kind in GEOMETRIES:
        item = {"type": "Feature", "geometry": item}
    elif kind != "Feature":
        raise Invalid("This is neither a Feature nor a geometry.", code="not_a_feature")
    geometry = item.get("geometry")
    if geometry is None:
        raise Invalid("The Feature has no geometry.", code="no_geometry")
    if not isinstance(geometry, dict):
        raise Invalid("A geometry must be a JSON object.", code="not_a_geometry")
    given = item.get("properties")
    if not isinstance(given, dict | None):
        raise Invalid("The properties of a Feature must be an object.", code="bad_properties")
    properties, classified = _parse_properties(given or {}, notes)
    _keep_foreign_members(item, properties)
    return NewAnnotation(
        geometry=geometry,
        id=_parse_id(item.get("id"), properties, notes),
        class_name=classified.name,
        class_color=classified.color,
        properties=properties,
        drawn=read_as_drawn(item.get(AS_DRAWN), geometry),
    )


def _parse_properties(given: dict[str, Any], notes: list[tuple[str, str]]) -> tuple[dict[str, Any], Classified]:
    """Take the class out of the properties, and drop what is the server's or goes without saying."""
    properties = {
        key: value
        for key, value in given.items()
        if key != "classification" and key not in SERVER_OWNED and not (key in _DEFAULTS and _DEFAULTS[key] == value)
    }
    if properties.get(STATE, _DEFAULTS[STATE]) is None:
        del properties[STATE]
    require_clear(properties)
    classified = parse_classification(given.get("classification"))
    if classified.note is not None:
        notes.append(("bad_color", classified.note))
    if classified.rest:
        properties["classification"] = classified.rest
    return properties, classified


def _keep_foreign_members(item: dict[str, Any], properties: dict[str, Any]) -> None:
    """Put the Feature's members that GeoJSON does not define into the properties."""
    foreign = {key: value for key, value in item.items() if key not in _OWN_MEMBERS}
    if foreign:
        before = properties.get(FOREIGN_MEMBERS)
        properties[FOREIGN_MEMBERS] = {**before, **foreign} if isinstance(before, dict) else foreign


def _parse_id(value: object, properties: dict[str, Any], notes: list[tuple[str, str]]) -> UUID | None:
    found = read_id(value, properties)
    if found is None and value is not None:
        notes.append(ID_REPLACED)
    return found


def feature(annotation: Annotation, color: Color | None) -> dict[str, Any]:
    """Write one annotation as a Feature.

    Parameters
    ----------
    annotation
        The annotation; its geometry is written exactly as it is stored, in level-0 pixels.
    color
        Colour of its class, or None to take a neutral grey: QuPath refuses a class without a colour.

    Returns
    -------
    A dict (a ``geojson.Feature``), ready for `orjson.dumps`.
    """
    server = {
        "layer": annotation.layer,
        "author": annotation.author,
        "number": annotation.number,
        "revision": annotation.revision,
        "provenance": {"created": moment(annotation.created), "updated": moment(annotation.updated)},
    }
    properties, beside = write_properties(annotation.properties, annotation.class_name, color)
    properties |= server
    # The geometry is set afterwards: the package would round coordinates to six decimals.
    made = cast(dict[str, Any], geojson.Feature(id=str(annotation.id), properties=properties))
    made["geometry"] = dict(annotation.geometry)
    if annotation.drawn is not None:
        made[AS_DRAWN] = write_as_drawn(annotation.drawn, annotation.geometry)
    made.update(beside)
    return made


def write_properties(
    given: Mapping[str, Any], class_name: str | None, color: Color | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the properties of a Feature, but for the server's own, and the members that stand beside them."""
    properties = {**_DEFAULTS, **given}
    foreign = properties.get(FOREIGN_MEMBERS)
    if isinstance(foreign, Mapping):
        del properties[FOREIGN_MEMBERS]
    classification = write_classification(class_name, color, properties.pop("classification", None))
    if classification is not None:
        properties["classification"] = classification
    beside = foreign if isinstance(foreign, Mapping) else {}
    return properties, {key: value for key, value in beside.items() if key not in _OWN_MEMBERS}


def feature_collection(features: Iterable[Mapping[str, Any]], **members: object) -> dict[str, Any]:
    """Put Features into a FeatureCollection, with further members such as ``next`` beside them."""
    return {"type": "FeatureCollection", "features": list(features), **members}


def feature_sequence(features: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Write Features as records of a GeoJSON text sequence (RFC 8142), one at a time."""
    for item in features:
        yield RECORD_SEPARATOR + orjson.dumps(item) + b"\n"


def moment(at: datetime) -> str:
    """Write a moment as RFC 3339 has it, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
