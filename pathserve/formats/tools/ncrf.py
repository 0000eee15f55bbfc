"""CAMELYON16's contours as JSON: ``{"positive": [{"name", "vertices"}], "negative": [...]}``, in level-0 pixels.

https://github.com/baidu-research/NCRF, jsons/: made from CAMELYON's XML; positive polygons are tumour, negative ones
are normal tissue that was cut out of them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from pathserve.errors import Invalid, PathServeError
from pathserve.formats.contract import Format, Item, ReadContext, WriteContext
from pathserve.formats.json_head import outline
from pathserve.formats.tools import drawn_shapes as shapes
from pathserve.formats.tools import pieces, reading
from pathserve.formats.tools.holes import Outline, cut
from pathserve.formats.tools.json_stream import ITEMS, read_items
from pathserve.formats.tools.pieces import Part
from pathserve.formats.tools.sections import Sections
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

TUMOR = "Tumor"
"""The class of what is positive."""

_KEPT = frozenset((pieces.NAME,))


def recognise(head: bytes) -> bool:
    """Tell by both arrays, or by one with vertices in it."""
    found = outline(head)
    names = found.members.keys() & {"positive", "negative"}
    return bool(names) and (
        len(names) == 2 or any("vertices" in found.first[n].members for n in names & found.first.keys())
    )


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file; twice, since negative polygons become holes."""

    def outlines(context: ReadContext) -> Iterator[Outline | FeatureIssue]:
        for name in ("positive", "negative"):
            for polygon in read_items(path, f"{name}.{ITEMS}"):
                try:
                    part = Part(_annotation(polygon, context))
                except PathServeError as error:
                    yield FeatureIssue(0, error.code, error.message)
                else:
                    yield Outline(part, negative=name == "negative")

    return reading.limited(pieces.join(cut(outlines, context)), context)


def _annotation(value: object, context: ReadContext) -> NewAnnotation:
    if not isinstance(value, dict) or not isinstance(value.get("vertices"), list):
        raise Invalid("The polygon has no vertices.", code="no_geometry")
    reading.check_count(len(value["vertices"]), context)
    ring = [_position(vertex) for vertex in value["vertices"]]
    if not ring:
        raise Invalid("The polygon has no vertices.", code="no_geometry")
    properties: dict[str, Any] = {}
    reading.set_text(properties, pieces.NAME, value.get("name"))
    return NewAnnotation(geometry=reading.polygon(ring), class_name=TUMOR, properties=properties)


def _position(vertex: object) -> list[float]:
    if not isinstance(vertex, list) or len(vertex) != 2:
        raise Invalid("A vertex needs two numbers.", code="bad_coordinates")
    if any(isinstance(part, bool) or not isinstance(part, int | float) for part in vertex):
        raise Invalid("A vertex must consist of numbers.", code="bad_coordinates")
    return [float(vertex[0]), float(vertex[1])]


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write the areas of one class (``--option positive=NAME``, else ``Tumor``); their holes are negative polygons."""
    wanted = context.options.get("positive", TUMOR)
    with Sections() as sections:
        for row in pieces.rows(blocks, context, has_colors=False):
            annotation = row.annotation
            if annotation.class_name != wanted:
                context.losses.leave_out("class_dropped", "The format holds one class; objects of others are left out.")
                continue
            if annotation.id is not None:
                context.losses.note("id_dropped", "The format does not hold ids of objects.")
            if annotation.properties.keys() - _KEPT:
                context.losses.note("properties_dropped", "The format does not hold properties of objects.")
            split = pieces.split(row, context)
            if sum(piece.kind == "Polygon" and not piece.hole for piece in split) > 1:
                context.losses.note("parts_split", "Objects of several parts became one object for each part.")
            areas = [piece for piece in split if piece.kind == "Polygon"]
            if len(areas) < len(split):
                dropped = "lines_dropped", "The format holds areas; points and lines are left out."
                (context.losses.note if areas else context.losses.leave_out)(*dropped)
            for piece in areas:
                section = "negative" if piece.hole else "positive"
                text = orjson.dumps({"name": row.name, "vertices": shapes.open_ring(piece.positions)})
                sections.write(section, (b",\n" if section in sections.names else b"") + text)
        for index, section in enumerate(("positive", "negative")):
            file.write(b'{"positive":[\n' if index == 0 else b'],\n"negative":[\n')
            sections.copy(section, file)
        file.write(b"]}\n")


NCRF = Format(
    "camelyon",
    "CAMELYON contours (NCRF JSON)",
    (".json",),
    "application/json",
    recognise,
    read,
    write,
    options=("positive",),
)
