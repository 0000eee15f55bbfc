"""What we write beside pieces of an annotation, so that our reader finds the whole again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from pathserve.formats.classification import parse_classification, write_classification
from pathserve.formats.geojson.as_drawn import AS_DRAWN
from pathserve.labels import Color

_GEOMETRY, _CLASS = "geometry", "classification"


@dataclass(frozen=True, slots=True)
class Mark:
    """What we write beside each piece, as JSON.

    Parameters
    ----------
    id
        The annotation, or None.
    type
        GeoJSON type of its whole geometry.
    piece, of
        Which piece of how many this is.
    name
        The name that was written for people, so that one which another tool changed is known.
    properties
        All of them. These and all that follows stand only beside the first piece.
    geometry
        The whole geometry, when the pieces do not say all of it.
    as_drawn
        See `pathserve.formats.geojson.as_drawn`.
    colored
        A class and its colour, in formats that have no place for it.
    """

    id: UUID | None
    type: str
    piece: int = 0
    of: int = 1
    hole: bool = False
    name: str = ""
    properties: Mapping[str, Any] | None = None
    geometry: Mapping[str, Any] | None = None
    as_drawn: Mapping[str, Any] | None = None
    colored: tuple[str, Color] | None = None

    def text(self) -> str:
        """Write it as JSON."""
        members: dict[str, Any] = {"id": None if self.id is None else str(self.id), "type": self.type}
        if self.of > 1:
            members |= {"piece": self.piece, "of": self.of} | ({"hole": True} if self.hole else {})
        if self.piece == 0:
            members |= {"name": self.name, "properties": dict(self.properties or {})}
        more = {_GEOMETRY: self.geometry, AS_DRAWN: self.as_drawn}
        members |= {name: value for name, value in more.items() if value is not None}
        if self.colored is not None:
            members[_CLASS] = write_classification(*self.colored, None)
        # XML can hold all that stands in JSON but these two, which JSON can say otherwise.
        return orjson.dumps(members).decode().replace("\ufffe", r"\ufffe").replace("\uffff", r"\uffff")

    @classmethod
    def parse(cls, value: object) -> "Mark | None":
        """Read a mark, as text or as what it holds; anything else is None, as it is another tool's."""
        try:
            members = orjson.loads(value) if isinstance(value, str) else value
            if not isinstance(members, dict) or not isinstance(members["type"], str):
                return None
            piece, of, properties = members.get("piece", 0), members.get("of", 1), members.get("properties")
            if type(piece) is not int or type(of) is not int or not isinstance(properties, dict | None):
                return None
            identity = None if members["id"] is None else UUID(members["id"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        name = members.get("name")
        return cls(
            identity,
            members["type"],
            piece,
            of,
            bool(members.get("hole")),
            name if isinstance(name, str) else "",
            properties,
            _object(members.get(_GEOMETRY)),
            _object(members.get(AS_DRAWN)),
            _colored(members.get(_CLASS)),
        )


def _object(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _colored(value: object) -> tuple[str, Color] | None:
    found = parse_classification(value)
    return None if found.name is None or found.color is None else (found.name, found.color)
