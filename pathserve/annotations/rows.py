"""Annotations as rows: what is stored of one version, and how it is read back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from pathserve.annotations.differences import Difference
from pathserve.db import Value, as_int
from pathserve.labels import EXHAUSTIVE, Annotation, Columns, NewAnnotation
from pathserve.labels.columns import score_of, state_of

DEFAULT_STATE = "draft"

# The order in which `to_annotation` reads; v is feature_version, h head, l layer.
COLUMNS = (
    "v.id, h.number, v.slide, l.name, v.author, v.revision, v.geometry, v.class, v.properties, h.created, v.at, "
    "v.deleted, v.drawn"
)
JOINS = "join head h on h.id = v.id join layer l on l.id = v.layer"


@dataclass(frozen=True, slots=True)
class Content:
    """What one version says, ready to be stored.

    ``box`` is (x0, y0, x1, y1) in level-0 pixels; the texts are JSON.
    """

    box: tuple[float, float, float, float]
    class_name: str | None
    state: str
    score: float | None
    exhaustive: bool
    geometry: str
    properties: str
    drawn: str | None

    def differences(self, other: "Content") -> Difference:
        """Tell in what a newer version differs, whatever the form of numbers and the order of members.

        One that tells nothing of an outline before its repair says the same: many files have no place for it.
        """
        found = Difference.NONE
        if not _same_json(self.geometry, other.geometry):
            found |= Difference.GEOMETRY
        if self.class_name != other.class_name:
            found |= Difference.CLASS
        if not _same_json(self.properties, other.properties):
            found |= Difference.PROPERTIES
        if other.drawn is not None and not _same_json(self.drawn or "null", other.drawn):
            found |= Difference.DRAWN
        return found


def to_content(new: NewAnnotation) -> Content:
    """Turn an annotation that passed the geometry gate into what is stored of it."""
    return Content(
        box=_box(new.geometry),
        class_name=new.class_name,
        state=state_of(new.properties, DEFAULT_STATE),
        score=_score_of(new.properties),
        exhaustive=bool(new.properties.get(EXHAUSTIVE)),
        geometry=_text(new.geometry),
        properties=_text(new.properties),
        drawn=None if new.drawn is None else _text(new.drawn),
    )


def content_with(content: Content, properties: Mapping[str, Any]) -> Content:
    """Give content with other properties, and with what they say."""
    return replace(
        content,
        state=state_of(properties, DEFAULT_STATE),
        score=_score_of(properties),
        exhaustive=bool(properties.get(EXHAUSTIVE)),
        properties=_text(properties),
    )


def to_annotation(row: tuple[Value, ...]) -> Annotation:
    """Build an annotation from a row of `COLUMNS`."""
    feature_id, number, slide, layer, author, revision, geometry, class_name, properties, *rest = row
    created, updated, deleted, drawn = rest
    return Annotation(
        id=UUID(str(feature_id)),
        number=as_int(number),
        slide=str(slide),
        layer=str(layer),
        author=str(author),
        revision=as_int(revision),
        geometry=orjson.loads(str(geometry)),
        class_name=None if class_name is None else str(class_name),
        properties=orjson.loads(str(properties)),
        created=datetime.fromisoformat(str(created)),
        updated=datetime.fromisoformat(str(updated)),
        deleted=bool(deleted),
        drawn=None if drawn is None else orjson.loads(str(drawn)),
    )


def content_of_row(columns: Columns, row: int) -> Content:
    """Give what one row of columns says, as it is stored of a single annotation."""
    return to_content(columns.new_annotation(row))


def version_row(
    feature_id: str,
    revision: int,
    slide: str,
    layer: int,
    previous: int | None,
    deleted: bool,
    content: Content,
    *,
    author: str,
    at: str,
    until: int | None = None,
) -> tuple[Value, ...]:
    """Give the row of one version, in the order of the table's columns."""
    return (
        feature_id,
        revision,
        slide,
        layer,
        previous,
        int(deleted),
        *content.box,
        content.class_name,
        content.state,
        content.score,
        int(content.exhaustive),
        content.geometry,
        content.properties,
        content.drawn,
        author,
        at,
        until,
    )


def _text(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value).decode()


def _score_of(properties: Mapping[str, Any]) -> float | None:
    score = score_of(properties)
    return None if math.isnan(score) else score


def _same_json(one: str, other: str) -> bool:
    return one == other or bool(orjson.loads(one) == orjson.loads(other))


def _box(geometry: Mapping[str, Any]) -> tuple[float, float, float, float]:
    # Every geometry here has passed the gate, so it has coordinates; extra numbers of a position are left out.
    positions = [
        position for part in geometry.get("geometries", [geometry]) for position in _positions(part["coordinates"])
    ]
    xs = [p[0] for p in positions]
    ys = [p[1] for p in positions]
    return float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys))


def _positions(coordinates: list[Any]) -> list[list[float]]:
    if isinstance(coordinates[0], int | float):
        return [coordinates]
    if isinstance(coordinates[0][0], int | float):
        return coordinates
    return [position for part in coordinates for position in _positions(part)]
