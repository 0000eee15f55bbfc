"""What readers and writers of other tools' formats share: single pieces of geometry, and how they come together again.

Most tools know a ring, a line and a point, but no holes, no objects of several parts and no properties. What we write
for them is such pieces one after another, each with a mark of ours where the format has room for one. A tool that does
not know the mark sees the pieces; our reader puts them together again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from pathserve.formats.contract import DRAWN_DROPPED, GEOMETRY_MEMBERS, Item, WriteContext
from pathserve.formats.drawn_shapes import Ring
from pathserve.formats.xml_events import allowed
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

ORIGINAL_AUTHOR, ORIGINAL_CREATED = "original_author", "original_created"
"""Properties that keep who drew something in another tool, and when; author and moments of ours are the server's."""

NAME, DESCRIPTION, NEGATIVE = "name", "description", "negative"

_SIMPLE = {"MultiPoint": "Point", "MultiLineString": "LineString", "MultiPolygon": "Polygon"}
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Row:
    """One annotation on its way out, with the colour of its class, who wrote it last, and when."""

    annotation: NewAnnotation
    number: int
    author: str | None
    moment: datetime | None

    @property
    def name(self) -> str:
        """What people call it."""
        name = self.annotation.properties.get(NAME)
        return name if isinstance(name, str) and name.strip() else f"Annotation {self.number}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A point, a set of points, a line, or one ring of a polygon, which may be a hole in the ring before it.

    Parameters
    ----------
    kind
        ``"Point"``, ``"MultiPoint"``, ``"LineString"`` or ``"Polygon"``.
    positions
        (x, y) each; rings are closed.
    """

    kind: str
    positions: Ring
    hole: bool = False

    @property
    def geometry(self) -> dict[str, Any]:
        """The piece alone, as a GeoJSON geometry."""
        match self.kind:
            case "Point":
                return {"type": "Point", "coordinates": self.positions[0]}
            case "Polygon":
                return {"type": "Polygon", "coordinates": [self.positions]}
            case _:
                return {"type": self.kind, "coordinates": self.positions}


@dataclass(frozen=True, slots=True)
class Mark:
    """What we write beside each piece, as JSON, so that our reader finds the whole again.

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
        All of them; only beside the first piece.
    """

    id: UUID | None
    type: str
    piece: int = 0
    of: int = 1
    hole: bool = False
    name: str = ""
    properties: Mapping[str, Any] | None = None

    def text(self) -> str:
        """Write it as JSON."""
        members: dict[str, Any] = {"id": None if self.id is None else str(self.id), "type": self.type}
        if self.of > 1:
            members |= {"piece": self.piece, "of": self.of} | ({"hole": True} if self.hole else {})
        if self.piece == 0:
            members |= {"name": self.name, "properties": dict(self.properties or {})}
        return orjson.dumps(members).decode()

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
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One piece as it was read, with what stands beside it."""

    annotation: NewAnnotation
    mark: Mark | None = None


def rows(
    blocks: Iterator[Columns], context: WriteContext, *, authors: bool = False, has_colors: bool = True
) -> Iterator[Row]:
    """Walk through annotations one by one.

    Parameters
    ----------
    authors, has_colors
        Whether the format can hold who wrote what, and when; and colours of classes.
    """
    colors = {known.name: known.color for known in context.schema}
    for block in blocks:
        for row in range(len(block)):
            annotation = block.new_annotation(row, colors=colors)
            if annotation.drawn is not None:
                context.losses.note(*DRAWN_DROPPED)
            if len(annotation.geometry) > 2:
                context.losses.note(*GEOMETRY_MEMBERS)
            if annotation.class_color is not None and not has_colors:
                context.losses.note("color_dropped", "The format does not hold colours of classes.")
            author, moment = context.revisions.get(int(block.revisions[row]), (None, None))
            if author is not None and not authors:
                context.losses.note("author_dropped", "The format does not hold who wrote an object, and when.")
            yield Row(annotation, int(block.numbers[row]), author, moment)


def split(geometry: Mapping[str, Any], context: WriteContext, *, points: bool = True) -> list[Piece]:
    """Take a geometry apart; ``points`` tells whether the format has sets of points."""
    pieces: list[Piece] = []
    _split(geometry, pieces, 0)
    if not points:
        pieces = [
            single
            for piece in pieces
            for single in ([Piece("Point", [p]) for p in piece.positions] if piece.kind == "MultiPoint" else [piece])
        ]
    if any(len(position) > 2 for piece in pieces for position in piece.positions):
        context.losses.note("height_dropped", "Positions of more than two numbers keep the first two.")
        pieces = [replace(piece, positions=[position[:2] for position in piece.positions]) for piece in pieces]
    return pieces


def _split(geometry: Mapping[str, Any], pieces: list[Piece], depth: int) -> None:
    kind = geometry["type"]
    if kind == "GeometryCollection":
        if depth < _DEEPEST:
            for member in geometry["geometries"]:
                _split(member, pieces, depth + 1)
        return
    coordinates = geometry["coordinates"]
    match kind:
        case "Point":
            pieces.append(Piece("Point", [coordinates]))
        case "MultiPoint" | "LineString":
            pieces.append(Piece(kind, coordinates))
        case "MultiLineString":
            pieces += [Piece("LineString", line) for line in coordinates]
        case _:
            for rings in coordinates if kind == "MultiPolygon" else [coordinates]:
                pieces += [Piece("Polygon", ring, hole=index > 0) for index, ring in enumerate(rings)]


def marks(row: Row, pieces: Sequence[Piece]) -> list[Mark]:
    """Give the mark of each piece of an annotation."""
    annotation = row.annotation
    return [
        Mark(
            annotation.id,
            str(annotation.geometry["type"]),
            index,
            len(pieces),
            piece.hole,
            allowed(row.name) if index == 0 else "",
            annotation.properties if index == 0 else None,
        )
        for index, piece in enumerate(pieces)
    ]


def note_split(pieces: Sequence[Piece], context: WriteContext) -> None:
    """Tell what becomes of holes and of objects of several parts in a format that has only single pieces."""
    holes = sum(piece.hole for piece in pieces)
    if holes:
        context.losses.note("holes_split", "Holes became outlines of their own.", holes)
    if len(pieces) - holes > 1:
        context.losses.note("parts_split", "Objects of several parts became one object for each part.")


def join(parts: Iterator[Part | FeatureIssue]) -> Iterator[Item]:
    """Put pieces that our marks tie together, and that still stand one after another, into one annotation each."""
    run: list[Part] = []
    for part in parts:
        if run and not _continues(run, part):
            yield from _joined(run)
            run = []
        if isinstance(part, FeatureIssue):
            yield part
        elif part.mark is None:
            yield part.annotation
        else:
            run.append(part)
            if len(run) == part.mark.of:
                yield from _joined(run)
                run = []
    yield from _joined(run)


def _continues(run: list[Part], part: Part | FeatureIssue) -> bool:
    if isinstance(part, FeatureIssue) or part.mark is None:
        return False
    last = run[-1].mark
    mark = part.mark
    return last is not None and (mark.id, mark.of, mark.piece) == (last.id, last.of, last.piece + 1)


def _joined(run: list[Part]) -> Iterator[NewAnnotation]:
    """Make one annotation of pieces; those without their first one stay alone, without the id."""
    if not run or run[0].mark is None:
        return
    first, mark = run[0].annotation, run[0].mark
    if mark.piece != 0:
        yield from (negative(part.annotation) if part.mark and part.mark.hole else part.annotation for part in run)
        return
    simple: list[dict[str, Any]] = []
    for part in run:
        geometry, hole = part.annotation.geometry, part.mark is not None and part.mark.hole
        if hole and simple and simple[-1]["type"] == geometry["type"] == "Polygon":
            simple[-1] = {"type": "Polygon", "coordinates": [*simple[-1]["coordinates"], *geometry["coordinates"]]}
        else:
            simple.append(dict(geometry))
    yield replace(first, id=mark.id, geometry=_whole(mark.type, simple), properties=_kept(first, mark))


def negative(annotation: NewAnnotation) -> NewAnnotation:
    """Mark an outline that takes away from others: it has no class, so that no mask paints it."""
    properties = {**annotation.properties, NEGATIVE: annotation.class_name or True}
    return replace(annotation, class_name=None, class_color=None, properties=properties)


def _whole(kind: str, simple: list[dict[str, Any]]) -> dict[str, Any]:
    single = _SIMPLE.get(kind)
    if single is not None and all(geometry["type"] == single for geometry in simple):
        return {"type": kind, "coordinates": [geometry["coordinates"] for geometry in simple]}
    if kind == "GeometryCollection" or len(simple) > 1:
        return {"type": "GeometryCollection", "geometries": simple}
    return simple[0]


def _kept(first: NewAnnotation, mark: Mark) -> dict[str, Any]:
    """Give the properties that we wrote; a name that was changed since then is the new one."""
    kept = dict(mark.properties or {})
    name = first.properties.get(NAME)
    if isinstance(name, str) and name != mark.name:
        kept[NAME] = name
    return kept


def moment(at: datetime) -> str:
    """Write a moment as RFC 3339 has it, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
