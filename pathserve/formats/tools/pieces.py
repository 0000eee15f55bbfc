"""What readers and writers of other tools' formats share: single pieces of geometry, and how they come together again.

Most tools know a ring, a line and a point, but no holes, no objects of several parts and no properties. What we write
for them is such pieces one after another, each with a mark of ours where the format has room for one. A tool that does
not know the mark sees the pieces; our reader puts them together again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pathserve.formats.contract import DRAWN_DROPPED, GEOMETRY_MEMBERS, Item, WriteContext
from pathserve.formats.geojson.as_drawn import read_as_drawn, write_as_drawn
from pathserve.formats.tools.drawn_shapes import Ring
from pathserve.formats.tools.marks import Mark
from pathserve.formats.tools.xml_events import allowed
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

ORIGINAL_AUTHOR, ORIGINAL_CREATED = "original_author", "original_created"
"""Properties that keep who drew something in another tool, and when; author and moments of ours are the server's."""

NAME, DESCRIPTION, NEGATIVE = "name", "description", "negative"

_SIMPLE = {"MultiPoint": "Point", "MultiLineString": "LineString", "MultiPolygon": "Polygon"}
_DEEPEST = 8
_NEAR = 1e-6
"""Most that floats may differ of which one was computed from the other, in units of the file."""


@dataclass(frozen=True, slots=True)
class Row:
    """One annotation on its way out, with the colour of its class, who wrote it last, and when.

    Parameters
    ----------
    is_plain
        Whether its geometry is coordinates of two numbers and nothing else, and no collection.
    """

    annotation: NewAnnotation
    number: int
    author: str | None
    moment: datetime | None
    is_plain: bool

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
class Part:
    """One piece as it was read, with what stands beside it."""

    annotation: NewAnnotation
    mark: Mark | None = None


def rows(
    blocks: Iterator[Columns],
    context: WriteContext,
    *,
    authors: bool = False,
    has_colors: bool = True,
    marked: bool = False,
) -> Iterator[Row]:
    """Walk through annotations one by one.

    Parameters
    ----------
    authors, has_colors
        Whether the format can hold who wrote what, and when; and colours of classes.
    marked
        Whether a mark of ours stands beside each, which holds what the format does not.
    """
    colors = {known.name: known.color for known in context.schema}
    for block in blocks:
        revisions, numbers = block.revisions.tolist(), block.numbers.tolist()
        for row, annotation in enumerate(block.new_annotations(colors=colors)):
            if annotation.drawn is not None and not marked:
                context.losses.note(*DRAWN_DROPPED)
            is_plain = row not in block.geometries
            if not is_plain and len(annotation.geometry) > 2 and not marked:
                context.losses.note(*GEOMETRY_MEMBERS)
            if annotation.class_color is not None and not has_colors:
                context.losses.note("color_dropped", "The format does not hold colours of classes.")
            author, moment = context.revisions.get(revisions[row], (None, None))
            if author is not None and not authors:
                context.losses.note("author_dropped", "The format does not hold who wrote an object, and when.")
            yield Row(annotation, numbers[row], author, moment, is_plain)


def split(row: Row, context: WriteContext, *, points: bool = True, marked: bool = False) -> list[Piece]:
    """Take a geometry apart.

    Parameters
    ----------
    points
        Whether the format has sets of points.
    marked
        As for `rows`.
    """
    pieces: list[Piece] = []
    _split(row.annotation.geometry, pieces, 0)
    if not points and row.annotation.geometry["type"] not in ("Polygon", "MultiPolygon"):
        pieces = [
            single
            for piece in pieces
            for single in ([Piece("Point", [p]) for p in piece.positions] if piece.kind == "MultiPoint" else [piece])
        ]
    if not row.is_plain and any(len(position) > 2 for piece in pieces for position in piece.positions):
        if not marked:
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


def marks(row: Row, pieces: Sequence[Piece], *, has_colors: bool = True) -> list[Mark]:
    """Give the mark of each piece of an annotation; ``has_colors`` is as for `rows`."""
    if not pieces:
        return []
    of, kind = len(pieces), str(row.annotation.geometry["type"])
    first = first_mark(row, allowed(row.name), of=of, has_colors=has_colors, is_hole=pieces[0].hole)
    others = enumerate(pieces[1:], start=1)
    return [first, *(Mark(row.annotation.id, kind, index, of, piece.hole) for index, piece in others)]


def first_mark(
    row: Row, name: str, *, of: int = 1, has_colors: bool, rounded: bool = False, is_hole: bool = False
) -> Mark:
    """Give the first mark, with what pieces do not say: all of the geometry where it is needed, and how it was drawn.

    Parameters
    ----------
    name, of
        The name that is written for people, and how many pieces there are.
    has_colors
        As for `rows`.
    rounded
        Whether the pieces do not have the very same numbers.
    is_hole
        Whether the first piece is a hole.
    """
    annotation = row.annotation
    geometry, drawn = annotation.geometry, annotation.drawn
    class_name, color = annotation.class_name, annotation.class_color
    return Mark(
        annotation.id,
        str(geometry["type"]),
        of=of,
        hole=is_hole,
        name=name,
        properties=annotation.properties,
        geometry=geometry if rounded or (not row.is_plain and _says_more(geometry)) else None,
        as_drawn=None if drawn is None else write_as_drawn(drawn, geometry),
        colored=None if has_colors or class_name is None or color is None else (class_name, color),
    )


def _says_more(geometry: Mapping[str, Any]) -> bool:
    """Tell whether there is more than coordinates of two numbers."""
    if geometry["type"] == "GeometryCollection":
        return len(geometry) > 2 or any(map(_says_more, geometry["geometries"]))
    pieces: list[Piece] = []
    _split(geometry, pieces, 0)
    return len(geometry) > 2 or any(len(position) > 2 for piece in pieces for position in piece.positions)


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
    geometry = _unchanged(mark, _whole(mark.type, simple))
    is_same_class = mark.colored is not None and mark.colored[0] == first.class_name
    yield replace(
        first,
        id=mark.id,
        geometry=geometry,
        class_color=mark.colored[1] if mark.colored is not None and is_same_class else first.class_color,
        properties=_kept(first, mark),
        drawn=read_as_drawn(mark.as_drawn, geometry),
    )


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


def _unchanged(mark: Mark, geometry: dict[str, Any]) -> dict[str, Any]:
    """Give the geometry of the mark when what the pieces say is still the same, else that of the pieces."""
    if mark.geometry is None:
        return geometry
    ours: list[Piece] = []
    theirs: list[Piece] = []
    try:
        _split(mark.geometry, ours, 0)
        _split(geometry, theirs, 0)
        is_same = len(ours) == len(theirs) and all(map(_is_near, ours, theirs))
    except (KeyError, TypeError, IndexError):
        return geometry  # somebody has written into our mark
    return {**mark.geometry} if is_same else geometry


def _is_near(one: Piece, other: Piece) -> bool:
    """Tell whether two pieces are the same, but for the last digits of floats that were turned to and fro."""
    ours, theirs = _told(one), _told(other)
    return (one.kind, one.hole, len(ours)) == (other.kind, other.hole, len(theirs)) and all(
        abs(a - b) <= _NEAR for p, q in zip(ours, theirs, strict=True) for a, b in ((p[0], q[0]), (p[1], q[1]))
    )


def _told(piece: Piece) -> Ring:
    """Give the positions, those of a ring without its end, which some formats leave to the reader to close."""
    positions, end = piece.positions, len(piece.positions)
    if piece.kind == "Polygon":
        while end > 1 and positions[end - 1][:2] == positions[0][:2]:
            end -= 1
    return positions[:end]


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
