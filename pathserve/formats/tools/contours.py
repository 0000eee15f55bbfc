"""HistomicsTK's table of contours: a row each, with ``group``, ``color`` and all coordinates as texts.

https://digitalslidearchive.github.io/HistomicsTK, annotations_and_masks: coordinates are whole pixels of the field that
the contours were traced in, so a table of a part of a slide needs that part's corner as an affine. It has no holes.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pathserve.errors import Invalid, PathServeError
from pathserve.formats.contract import HEAD_BYTES, Format, Item, ReadContext, WriteContext
from pathserve.formats.tools import drawn_shapes as shapes
from pathserve.formats.tools import pieces, reading
from pathserve.formats.tools.colors import parse_color
from pathserve.formats.tools.delimited import header_of, rows_of
from pathserve.formats.tools.xml_events import number
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

_NEEDED = frozenset(("group", "coords_x", "coords_y"))
_BOX = ("ymin", "ymax", "xmin", "xmax")
_EDGES = ("touches_edge-top", "touches_edge-left", "touches_edge-bottom", "touches_edge-right")
_OWN = _NEEDED | {"color", *_BOX}
_COLUMNS = ("group", "color", *_BOX, "has_holes", *_EDGES, "coords_x", "coords_y")


def recognise(head: bytes) -> bool:
    """Tell by the names of columns."""
    found = header_of(head)
    return found is not None and set(found[0]) >= _NEEDED


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file."""
    with path.open("rb") as file:
        found = header_of(file.read(HEAD_BYTES))
    if found is None:
        raise Invalid("The table has no header.", code="bad_table")
    return reading.limited(_read(path, found[1], context), context)


def _read(path: Path, mark: str, context: ReadContext) -> Iterator[Item]:
    for row in rows_of(path, mark):
        try:
            yield _annotation(row, context)
        except PathServeError as error:
            yield FeatureIssue(0, error.code, error.message)


def _annotation(row: Mapping[str, str], context: ReadContext) -> NewAnnotation:
    xs, ys = (reading.read_numbers(row.get(name, ""), ",", context) for name in ("coords_x", "coords_y"))
    if len(xs) != len(ys):
        raise Invalid("The row has more coordinates of one kind than of the other.", code="bad_coordinates")
    ring = reading.positions([number for pair in zip(xs, ys, strict=True) for number in pair])
    if number(row.get("has_holes", "0")) == 1:
        context.losses.note("holes_missing", "The table says that contours have holes, and does not hold these.")
    kept = {key: value for key, value in row.items() if key not in _OWN}
    return NewAnnotation(
        geometry=reading.polygon(ring),
        class_name=reading.read_class(row.get("group")),
        class_color=parse_color(row.get("color")),
        properties={"histomicstk": kept} if kept else {},
    )


def write(blocks: Iterator[Columns], file: BinaryIO, context: WriteContext) -> None:
    """Write a table, in whole pixels, as HistomicsTK reads it."""
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(("", *_COLUMNS))
    count = 0
    for row in pieces.rows(blocks, context):
        annotation = row.annotation
        split = pieces.split(row, context)
        _note_dropped(annotation, split, context)
        for index, piece in enumerate(split):
            if piece.kind == "Polygon" and not piece.hole:
                has_holes = index + 1 < len(split) and split[index + 1].hole
                table.writerow((count, *_fields(annotation, piece.positions, has_holes=has_holes)))
                count += 1
        file.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()
    file.write(text.getvalue().encode())


def _note_dropped(annotation: NewAnnotation, split: list[pieces.Piece], context: WriteContext) -> None:
    holes = sum(piece.hole for piece in split)
    areas = [piece for piece in split if piece.kind == "Polygon" and not piece.hole]
    if holes:
        context.losses.note("holes_dropped", "The format does not hold holes.", holes)
    if len(areas) > 1:
        context.losses.note("parts_split", "Objects of several parts became one object for each part.")
    if len(areas) + holes < len(split):
        dropped = "lines_dropped", "The format holds areas; points and lines are left out."
        (context.losses.note if areas else context.losses.leave_out)(*dropped)
    if annotation.id is not None:
        context.losses.note("id_dropped", "The format does not hold ids of objects.")
    if annotation.properties.keys() - {"histomicstk"}:
        context.losses.note("properties_dropped", "The format does not hold properties of objects.")
    if any(float(number) % 1 for piece in areas for position in piece.positions for number in position):
        context.losses.note("rounded", "Coordinates were rounded to whole pixels.")


def _fields(annotation: NewAnnotation, ring: shapes.Ring, *, has_holes: bool) -> list[Any]:
    kept = annotation.properties.get("histomicstk")
    edges = [kept.get(name, "0.0") if isinstance(kept, Mapping) else "0.0" for name in _EDGES]
    points = [(round(x), round(y)) for x, y in shapes.open_ring(ring)]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    color = annotation.class_color
    shown = "" if color is None else "rgb({},{},{})".format(*color)
    box = [float(extreme) for extreme in (min(ys), max(ys), min(xs), max(xs))]
    texts = [",".join(map(str, values)) for values in (xs, ys)]
    return [annotation.class_name or "", shown, *box, float(has_holes), *edges, *texts]


CONTOURS = Format(
    "histomicstk", "HistomicsTK contour table", (".tsv",), "text/tab-separated-values", recognise, read, write
)
