"""Outlines that tools draw over others to take an area away, made into the holes that they mean."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace

import shapely
from shapely.errors import GEOSException

from pathserve.errors import TooLarge
from pathserve.formats.contract import Losses, ReadContext
from pathserve.formats.tools.drawn_shapes import Ring
from pathserve.formats.tools.pieces import Part, negative
from pathserve.labels import FeatureIssue

MAX_NEGATIVE_VERTICES = 20_000_000
"""Vertices of all outlines of a file that take away from others: they are held in memory."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What was read, and whether it takes away from the other outlines of its group."""

    part: Part
    group: Hashable = None
    negative: bool = False


@dataclass(slots=True)
class _Negatives:
    """The outlines of one group that take away, and which of them did."""

    parts: list[Part] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    _shapes: list[shapely.Polygon] = field(default_factory=list)
    _tree: shapely.STRtree | None = None

    def add(self, part: Part) -> None:
        self.parts.append(part)
        self._shapes.append(shapely.Polygon(_ring(part)))

    def within(self, part: Part) -> list[Ring]:
        """Give the rings that lie wholly within an outline."""
        if self._tree is None:
            self._tree = shapely.STRtree(self._shapes)
        shell = shapely.Polygon(_ring(part))
        shapely.prepare(shell)
        found = [int(index) for index in sorted(self._tree.query(shell)) if _covers(shell, self._shapes[int(index)])]
        self.used.update(found)
        return [_ring(self.parts[index]) for index in found]


def cut(
    read: Callable[[ReadContext], Iterator[Outline | FeatureIssue]], context: ReadContext, *, first: bool = True
) -> Iterator[Part | FeatureIssue]:
    """Give outlines with their holes.

    A negative outline becomes a hole of every outline of its group that it lies within; one that lies within none
    stays an object without a class, so that no mask paints it. Outlines with a mark of ours are put together later.

    Parameters
    ----------
    read
        Reads the file from its beginning; called twice, so that no more than the negative outlines is held. Losses of
        the first time are not counted.
    first
        False when it is known that there is no negative outline: then the file is read once.

    Raises
    ------
    TooLarge
        When there are more negative outlines than can be held.
    """
    groups = _collect(read(replace(context, losses=Losses()))) if first else {}
    for item in read(context):
        if isinstance(item, FeatureIssue):
            yield item
        elif not _takes_away(item):
            yield _with_holes(item, groups.get(item.group))
        elif not first:
            yield Part(negative(item.part.annotation))
    for negatives in groups.values():
        for index, part in enumerate(negatives.parts):
            if index not in negatives.used:
                context.losses.note(
                    "negative_region", "Negative outlines that lie within no other one stay objects without a class."
                )
                yield Part(negative(part.annotation))


def _collect(items: Iterator[Outline | FeatureIssue]) -> dict[Hashable, _Negatives]:
    """Hold the negative outlines of each group."""
    groups: dict[Hashable, _Negatives] = {}
    vertices = 0
    for item in items:
        if isinstance(item, Outline) and _takes_away(item):
            vertices += len(_ring(item.part))
            if vertices > MAX_NEGATIVE_VERTICES:
                raise TooLarge("The file has too many negative outlines.", code="too_many_negative_regions")
            groups.setdefault(item.group, _Negatives()).add(item.part)
    return groups


def _takes_away(item: Outline) -> bool:
    geometry = item.part.annotation.geometry
    return item.negative and item.part.mark is None and geometry["type"] == "Polygon"


def _with_holes(item: Outline, negatives: _Negatives | None) -> Part:
    annotation = item.part.annotation
    if negatives is None or item.negative or annotation.geometry["type"] != "Polygon":
        return item.part
    rings = negatives.within(item.part)
    if not rings:
        return item.part
    geometry = {"type": "Polygon", "coordinates": [*annotation.geometry["coordinates"], *rings]}
    return replace(item.part, annotation=replace(annotation, geometry=geometry))


def _ring(part: Part) -> Ring:
    ring: Ring = part.annotation.geometry["coordinates"][0]
    return ring


def _covers(shell: shapely.Polygon, hole: shapely.Polygon) -> bool:
    try:
        return bool(shell.covers(hole))
    except GEOSException:
        # An outline that crosses itself may have no answer; the geometry gate looks at it later.
        return False
