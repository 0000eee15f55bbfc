"""Annotations of Sectra's pathology viewer as JSON: outlines in fractions of the picture.

The format is not published. Whether both axes count in widths of the picture, or each in its own length, is told by the
area that the file itself states (``result: "5.33 mm²"``), or by the user: ``--option fractions=width`` or ``own``.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pathserve.errors import Invalid, PathServeError
from pathserve.formats.contract import HEAD_BYTES, Format, Item, ReadContext
from pathserve.formats.json_head import Outline, outline
from pathserve.formats.tools import pieces, reading
from pathserve.formats.tools.drawn_shapes import Ring
from pathserve.formats.tools.json_stream import ITEMS, WHOLE, read_items
from pathserve.labels import FeatureIssue, NewAnnotation

_AREA = re.compile(r"\s*([\d.,]+)\s*(mm|µm|μm|um)²?2?\s*")
_CLOSE = 0.03
_OWN = frozenset(("id", "content", "name", "modifiedInfo", "modifiedAt"))


def recognise(head: bytes) -> bool:
    """Tell by the members that only these annotations have together."""
    found = outline(head)
    objects = (found, found.first.get("", Outline()))
    return any({"content", "slideId", "rowVersion"} <= item.members.keys() for item in objects)


def read(path: Path, context: ReadContext) -> Iterator[Item]:
    """Read a file.

    Raises
    ------
    Invalid
        When the size of the slide is not known, or the user names no such fractions.
    """
    if context.slide.size is None:
        raise Invalid("Sectra's outlines are fractions of the picture: its size must be known.", code="size_needed")
    if context.options.get("fractions", "width") not in ("width", "own"):
        raise Invalid("The option fractions is width or own.", code="bad_option")
    return reading.limited(_read(path, context), context)


def _read(path: Path, context: ReadContext) -> Iterator[Item]:
    with path.open("rb") as file:
        route = WHOLE if outline(file.read(HEAD_BYTES)).kind == "{" else ITEMS
    for given in read_items(path, route):
        try:
            yield _annotation(given, context)
        except PathServeError as error:
            yield FeatureIssue(0, error.code, error.message)


def _annotation(given: object, context: ReadContext) -> NewAnnotation:
    if not isinstance(given, dict) or given.get("type") != "Area" or not isinstance(given.get("content"), list):
        raise Invalid("Of Sectra's annotations only areas are read.", code="unknown_shape")
    reading.check_count(len(given["content"]), context)
    ring = [_position(point) for point in given["content"]]
    if len(ring) < 3:
        raise Invalid("The outline has fewer than three corners.", code="short_ring")
    scale = _scale(ring, given.get("result"), context)
    properties: dict[str, Any] = {}
    reading.set_text(properties, pieces.NAME, given.get("name"))
    reading.set_text(properties, pieces.ORIGINAL_AUTHOR, given.get("modifiedInfo"))
    reading.set_text(properties, pieces.ORIGINAL_CREATED, given.get("modifiedAt"))
    properties["sectra"] = {key: value for key, value in given.items() if key not in _OWN and value is not None}
    placed = [[x * scale[0], y * scale[1]] for x, y in ring]
    identity = reading.read_id(given.get("id"), properties)
    return NewAnnotation(geometry=reading.polygon(placed), id=identity, properties=properties)


def _position(point: object) -> list[float]:
    found = [point.get(name) for name in ("x", "y")] if isinstance(point, dict) else []
    if len(found) != 2 or any(isinstance(part, bool) or not isinstance(part, int | float) for part in found):
        raise Invalid("A corner of the outline has no two numbers.", code="bad_coordinates")
    return [float(part) for part in found if isinstance(part, int | float)]


def _scale(ring: Ring, result: object, context: ReadContext) -> tuple[float, float]:
    """Give pixels per unit along x and y."""
    size = context.slide.size
    if size is None:
        raise Invalid("Sectra's outlines are fractions of the picture: its size must be known.", code="size_needed")
    scales = {"width": (float(size.width), float(size.width)), "own": (float(size.width), float(size.height))}
    chosen = context.options.get("fractions")
    if chosen is not None:
        return scales[chosen]
    stated = _stated_area(result)
    mpp = context.slide.mpp
    if stated is not None and mpp is not None:
        unit = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))) / 2
        fitting = [
            scale
            for scale in scales.values()
            if math.isclose(unit * scale[0] * scale[1] * mpp.x * mpp.y, stated, rel_tol=_CLOSE)
        ]
        if len(set(fitting)) == 1:
            context.losses.note("fractions_told", "How fractions count was told by the areas that the file states.")
            return fitting[0]
    raise Invalid(
        "Whether y is a fraction of the picture's width or height is not clear: say fractions=width or fractions=own.",
        code="fractions_needed",
    )


def _stated_area(result: object) -> float | None:
    """Give the area that the file states, in square micrometres."""
    match = _AREA.fullmatch(result) if isinstance(result, str) else None
    if match is None:
        return None
    try:
        area = float(match[1].replace(",", "."))
    except ValueError:
        return None
    return area * (1e6 if match[2] == "mm" else 1.0)


SECTRA = Format(
    "sectra",
    "Sectra JSON",
    (".json",),
    "application/json",
    recognise,
    read,
    origin=None,
    unit=None,
    options=("fractions",),
)
