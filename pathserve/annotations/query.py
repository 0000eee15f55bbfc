"""Questions to the store: which annotations of one slide, in which order, at which revision. Values only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from pathserve.annotations.filters import Filter
from pathserve.labels import Annotation

Box = tuple[float, float, float, float]
Order = Literal[
    "number",
    "-number",
    "area",
    "-area",
    "score",
    "-score",
    "class",
    "-class",
    "updated",
    "-updated",
    "state",
    "-state",
]
"""What a page is sorted by; a minus sign turns it round. Ties go by number; what has no such value comes last."""

ORDERS: tuple[Order, ...] = get_args(Order)

MAX_POLYGON_POSITIONS = 10_000


@dataclass(frozen=True, slots=True)
class AnnotationQuery:
    """Which annotations of one slide are asked for; an empty tuple or None leaves a filter out.

    Parameters
    ----------
    bbox
        (x0, y0, x1, y1) in level-0 pixels: annotations whose bounding box meets this half-open rectangle.
    as_of
        The state at this revision, or at this moment; None is now.
    exhaustive_only
        Only areas that are marked as exhaustively annotated.
    max_score, min_area, max_area
        Both ends count; areas in square level-0 pixels, 0 for points and lines. Without a score there is no match.
    numbers, ids
        Only these.
    polygon
        Positions (x, y) in level-0 pixels of one ring: annotations that have a position in common with its area.
    text
        Found anywhere in a text of the properties, whatever upper and lower case.
    where
        A filter expression (`filters.parse_filter`).
    """

    slide: str
    bbox: Box | None = None
    classes: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    min_score: float | None = None
    as_of: int | datetime | None = None
    exhaustive_only: bool = False
    max_score: float | None = None
    min_area: float | None = None
    max_area: float | None = None
    numbers: tuple[int, ...] = ()
    ids: tuple[UUID, ...] = ()
    polygon: Sequence[tuple[float, float]] | None = None
    text: str | None = None
    where: Filter | None = None


@dataclass(frozen=True, slots=True)
class AnnotationPage:
    """One page of an answer, in the order asked for.

    Parameters
    ----------
    revision
        The slide's revision whose state this is; later pages of the same cursor show the same one.
    next
        Cursor of the next page, or None at the end.
    """

    annotations: list[Annotation]
    revision: int
    next: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """How many annotations of a question there are, all of them and by what they say; nothing is estimated.

    Parameters
    ----------
    classes
        By class name; None for those without a class.
    """

    revision: int
    total: int
    classes: dict[str | None, int]
    layers: dict[str, int]
    states: dict[str, int]
