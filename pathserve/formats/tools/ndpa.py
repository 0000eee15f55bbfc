"""Hamamatsu's annotation files (NDPA): nanometres from the centre of the glass slide, one view state an annotation.

A position becomes x = (nm - offset) / (1000 mpp) + width / 2, where the offset is that of the scan's centre from the
slide's (OpenSlide: ``hamamatsu.XOffsetFromSlideCentre``), as ASAP (annotation/NDPARepository.cpp) does it too. The scan
alone tells the offset and PathServe does not keep it, so the user states it: ``--option offset=X,Y``, in nanometres.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pathserve.errors import Invalid, PathServeError
from pathserve.formats.contract import Format, Item, ReadContext, SlideFrame, WriteContext
from pathserve.formats.ids import ORIGINAL_ID
from pathserve.formats.tools import drawn_shapes as shapes
from pathserve.formats.tools import pieces, reading
from pathserve.formats.tools.colors import hex_color, parse_color
from pathserve.formats.tools.pieces import Piece, Row
from pathserve.formats.tools.xml_events import Element, attribute, number, opening_tags, read_elements, text
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

_NO_CLASS, _NO_NAME = "unclassified", "unnamed"
"""Attributes of ours that repeat a title which is no class, or was only made up: one that was changed is both."""

_STATE_OWN = frozenset(("title", "details", "coordformat", "annotation"))
_SHAPE_OWN = frozenset(("pointlist", "x", "y", "radius", "x1", "y1", "x2", "y2", "closed"))
_KEPT = frozenset((pieces.NAME, pieces.DESCRIPTION, "ndpa", shapes.SHAPE, shapes.ELLIPSE, ORIGINAL_ID))


@dataclass(frozen=True, slots=True)
class _Glass:
    """Where the scan lies on the glass: nanometres per pixel, offset of its centre in nm, its middle in pixels."""

    scale: tuple[float, float]
    offset: tuple[float, float]
    middle: tuple[float, float]

    @classmethod
    def of(cls, slide: SlideFrame, options: object) -> "_Glass":
        """Take together what the slide and the user say.

        Raises
        ------
        Invalid
            When something is missing.
        """
        if slide.mpp is None or slide.size is None:
            raise Invalid("NDPA files are read for slides of known size and micrometres per pixel.", code="mpp_needed")
        numbers = [number(part) for part in str(options or "").split(",")]
        if len(numbers) != 2 or not all(map(math.isfinite, numbers)):
            raise Invalid(
                "NDPA files count from the centre of the glass slide: state the scan's offset from it, in nanometres, "
                "as the option offset=X,Y (OpenSlide's hamamatsu.XOffsetFromSlideCentre and YOffsetFromSlideCentre).",
                code="offset_needed",
            )
        scale = (slide.mpp.x * 1000, slide.mpp.y * 1000)
        return cls(scale, (numbers[0], numbers[1]), (slide.size.width / 2, slide.size.height / 2))

    def pixels(self, ring: shapes.Ring) -> shapes.Ring:
        """Nanometres to level-0 pixels."""
        return [[(p[a] - self.offset[a]) / self.scale[a] + self.middle[a] for a in (0, 1)] for p in ring]

    def nanometres(self, ring: shapes.Ring) -> list[list[int]]:
        """Level-0 pixels to whole nanometres."""
        return [[round((p[a] - self.middle[a]) * self.scale[a] + self.offset[a]) for a in (0, 1)] for p in ring]


def recognise(head: bytes) -> bool:
    """Tell by ``ndpviewstate`` within ``annotations``."""
    tags = opening_tags(head)
    return bool(tags) and tags[0][0] == "annotations" and any(name == "ndpviewstate" for name, _ in tags)


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file.

    Raises
    ------
    Invalid
        When size or micrometres per pixel of the slide are not known, or no offset is stated.
    """
    glass = _Glass.of(context.slide, context.options.get("offset"))
    return reading.limited(_read(path, glass, context), context)


def _read(path: Path, glass: _Glass, context: ReadContext) -> Iterator[Item]:
    points = {"point": ("x", "y")}
    for found in read_elements(path, records=("ndpviewstate",), points=points, max_points=context.max_vertices):
        for child in found.element.children:
            if child.name == "annotation":
                try:
                    yield _annotation(found.element, child, glass, context)
                except PathServeError as error:
                    yield FeatureIssue(0, error.code, error.message)


def _annotation(state: Element, drawn: Element, glass: _Glass, context: ReadContext) -> NewAnnotation:
    if state.text_of("coordformat") not in ("", "nanometers"):
        raise Invalid("The coordinates are not in nanometres.", code="unknown_unit")
    properties: dict[str, Any] = {}
    title = state.text_of("title")
    is_made_up = title == state.get(_NO_NAME).strip() != ""
    is_class = not is_made_up and title != state.get(_NO_CLASS).strip()
    if not is_made_up:
        reading.set_text(properties, pieces.NAME, title)
    reading.set_text(properties, pieces.DESCRIPTION, state.text_of("details"))
    properties["ndpa"] = {
        "id": state.get("id"),
        "view": {child.name: child.text.strip() for child in state.children if child.name not in _STATE_OWN},
        "annotation": dict(drawn.attributes)
        | {child.name: child.text.strip() for child in drawn.children if child.name not in _SHAPE_OWN},
    }
    return NewAnnotation(
        geometry=_geometry(drawn, glass, properties, context),
        class_name=reading.class_from_label(title) if is_class else None,
        class_color=parse_color(drawn.get("color")) if is_class else None,
        properties=properties,
    )


def _geometry(drawn: Element, glass: _Glass, properties: dict[str, Any], context: ReadContext) -> dict[str, Any]:
    match drawn.get("type"):
        case "freehand":
            return _freehand(drawn, glass, properties, context)
        case "circle":
            (x, y), radius = glass.pixels(_ends(drawn, "x", "y"))[0], number(drawn.text_of("radius"))
            ellipse = (x, y, radius / glass.scale[0], radius / glass.scale[1])
            properties[shapes.ELLIPSE] = shapes.ellipse_property(*ellipse)
            context.losses.note("curve_flattened", "Curves became polygons that differ from them by at most 0.1 px.")
            return {"type": "Polygon", "coordinates": [shapes.ellipse_ring(*ellipse)]}
        case "pin":
            return {"type": "Point", "coordinates": glass.pixels(_ends(drawn, "x", "y"))[0]}
        case "pointer" | "linearmeasure" as kind:
            properties[shapes.SHAPE] = "arrow" if kind == "pointer" else "ruler"
            return {"type": "LineString", "coordinates": glass.pixels(_ends(drawn, "x1", "y1", "x2", "y2"))}
        case _:
            raise Invalid("The type of the annotation is none that is known of NDPA files.", code="unknown_shape")


def _freehand(drawn: Element, glass: _Glass, properties: dict[str, Any], context: ReadContext) -> dict[str, Any]:
    ring = glass.pixels(reading.vertices(drawn.child("pointlist"), context))
    if drawn.text_of("specialtype") == "rectangle":
        properties[shapes.SHAPE] = "rectangle"
    if drawn.text_of("closed") == "0" and len(ring) > 1:
        return {"type": "LineString", "coordinates": ring}
    return reading.polygon(ring)


def _ends(drawn: Element, *names: str) -> shapes.Ring:
    return reading.positions([number(drawn.text_of(name)) for name in names])


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write a file; coordinates are whole nanometres, as Hamamatsu's own.

    Raises
    ------
    Invalid
        As `read`.
    """
    glass = _Glass.of(context.slide, context.options.get("offset"))
    file.write(b'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<annotations>\n')
    count = 0
    for row in pieces.rows(blocks, context):
        annotation = row.annotation
        context.losses.note("rounded", "Coordinates were rounded to whole nanometres.")
        if annotation.id is not None:
            context.losses.note("id_dropped", "The format does not hold ids of objects.")
        if annotation.properties.keys() - _KEPT:
            context.losses.note("properties_dropped", "The format does not hold properties of objects.")
        split = pieces.split(row, context, points=False)
        pieces.note_split(split, context)
        for piece in split:
            count += 1
            file.write(_state(count, row, _shape(piece, row, glass, alone=len(split) == 1)).encode())
    file.write(b"</annotations>\n")


def _state(count: int, row: Row, shape: str) -> str:
    properties = row.annotation.properties
    details = properties.get(pieces.DESCRIPTION)
    title = row.annotation.class_name or row.name
    mark = _NO_CLASS if properties.get(pieces.NAME) == title else _NO_NAME
    own = "" if row.annotation.class_name is not None else f" {mark}={attribute(title)}"
    return (
        f'<ndpviewstate id="{count}"{own}>\n<title>{text(title)}</title>\n'
        f"<details>{text(details if isinstance(details, str) else '')}</details>\n"
        f"<coordformat>nanometers</coordformat>\n{shape}</ndpviewstate>\n"
    )


def _shape(piece: Piece, row: Row, glass: _Glass, *, alone: bool) -> str:
    annotation = row.annotation
    color = f"color={attribute(hex_color(annotation.class_color or (0, 0, 0)))}"
    nanometres = glass.nanometres(shapes.open_ring(piece.positions) if piece.kind == "Polygon" else piece.positions)
    (x, y) = nanometres[0]
    if piece.kind == "Point":
        return f'<annotation type="pin" displayname="AnnotatePin" {color}><x>{x}</x><y>{y}</y></annotation>\n'
    hint = annotation.properties.get(shapes.SHAPE)
    if piece.kind == "LineString" and len(nanometres) == 2 and hint in ("arrow", "ruler"):
        kind = "pointer" if hint == "arrow" else "linearmeasure"
        ends = "".join(f"<x{i}>{p[0]}</x{i}><y{i}>{p[1]}</y{i}>" for i, p in enumerate(nanometres, start=1))
        return f'<annotation type="{kind}" {color}>{ends}</annotation>\n'
    ellipse = shapes.ellipse_of(annotation.properties, annotation.geometry) if alone else None
    if ellipse is not None and math.isclose(ellipse[2] * glass.scale[0], ellipse[3] * glass.scale[1]):
        ((x, y),) = glass.nanometres([[ellipse[0], ellipse[1]]])
        radius = round(ellipse[2] * glass.scale[0])
        inner = f"<x>{x}</x><y>{y}</y><radius>{radius}</radius>"
        return f'<annotation type="circle" displayname="AnnotateCircle" {color}>{inner}</annotation>\n'
    points = "".join(f"<point><x>{p[0]}</x><y>{p[1]}</y></point>\n" for p in nanometres)
    closed = int(piece.kind == "Polygon")
    special = "<specialtype>rectangle</specialtype>" if hint == "rectangle" else ""
    head = f'<annotation type="freehand" displayname="AnnotateFreehand" {color}>'
    return f"{head}<closed>{closed}</closed>\n<pointlist>\n{points}</pointlist>\n{special}</annotation>\n"


NDPA = Format(
    "ndpa",
    "Hamamatsu NDPA",
    (".ndpa",),
    "application/xml",
    recognise,
    read,
    write,
    origin=None,
    unit=None,
    options=("offset",),
)
