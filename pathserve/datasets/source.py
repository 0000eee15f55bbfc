"""What the store holds, drawn as a mask: which annotations, in which order, with which values."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from pathserve.annotations import AnnotationQuery, AnnotationStore
from pathserve.geometry import PixelGrid
from pathserve.labels import EXHAUSTIVE, Annotation, ClassSchema
from pathserve.masks import (
    MaskKind,
    Window,
    as_kind,
    boundary,
    coverage,
    distance,
    instance,
    needed_region,
    semantic,
)


def read_mask(
    store: AnnotationStore,
    schema: ClassSchema,
    query: AnnotationQuery,
    grid: PixelGrid,
    kind: MaskKind | str,
    *,
    window: Window | None = None,
) -> npt.NDArray[Any]:
    """Ask the store for what meets a grid and draw it.

    Parameters
    ----------
    query
        Slide and filters; its ``bbox`` is replaced by what the grid needs. A named revision gives the same mask as long
        as the schema's priorities stand.
    window
        Only this part of the grid, as for `pathserve.masks.rasterize`: the same bits as in the whole.

    Returns
    -------
    Array (h, w); dtype by kind, see `pathserve.masks.dtype_of`. Memory: the mask and the annotations that meet it.

    Raises
    ------
    Invalid
        When there is no such kind or revision.
    NotFound
        When there is no such slide.
    """
    # One revision for both questions, whatever is written meanwhile.
    query = replace(query, as_of=store.resolve(query.slide, query.as_of))
    needed = replace(query, bbox=needed_region(grid, kind, window=window).bounds)
    # Marked areas hold wherever they lie and whatever the filters leave out: a slide that has one has unknown places.
    marked = replace(query, classes=(), layers=(), authors=(), states=(), min_score=None, exhaustive_only=True)
    annotations = store.each(needed)
    areas = store.each(marked) if as_kind(kind) is MaskKind.SEMANTIC else ()
    return draw_mask(annotations, areas, schema, grid, kind, asked=query.classes, window=window)


def draw_mask(
    annotations: Iterable[Annotation],
    areas: Iterable[Annotation],
    schema: ClassSchema,
    grid: PixelGrid,
    kind: MaskKind | str,
    *,
    asked: Sequence[str] = (),
    window: Window | None = None,
) -> npt.NDArray[Any]:
    """Draw annotations as a mask.

    They are drawn in the order of their class's priority, then revision, then number, so the last of these lies on top,
    whatever the order of ``annotations``. Exhaustive areas are not drawn as objects. Objects without a class have no
    value and are drawn in all kinds but semantic.

    Parameters
    ----------
    areas
        All exhaustively annotated areas of the slide; only semantic masks look at them.
    asked
        The classes that the mask is about; empty means all of the schema.
    window
        Only this part of the grid.

    Raises
    ------
    Invalid
        When there is no such kind.
    """
    priority = {item.name: item.priority for item in schema}
    objects = sorted(
        (a for a in annotations if not a.properties.get(EXHAUSTIVE)),
        key=lambda a: (priority.get(a.class_name or "", 0), a.revision, a.number),
    )
    geometries = [a.geometry for a in objects]
    match as_kind(kind):
        case MaskKind.SEMANTIC:
            return _semantic(objects, areas, schema, grid, asked, window)
        case MaskKind.INSTANCE:
            return instance(geometries, [a.number for a in objects], grid, window=window)
        case MaskKind.BOUNDARY:
            return boundary(geometries, grid, window=window)
        case MaskKind.DISTANCE:
            return distance(geometries, grid, window=window)
        case MaskKind.COVERAGE:
            return coverage(geometries, grid, window=window)


def _semantic(
    objects: Sequence[Annotation],
    areas: Iterable[Annotation],
    schema: ClassSchema,
    grid: PixelGrid,
    asked: Sequence[str],
    window: Window | None,
) -> npt.NDArray[Any]:
    values = schema.values
    drawn = [a for a in objects if a.class_name in values]
    wanted = set(asked) or set(values)
    whole, partly, any_area = list[Any](), list[Any](), False
    for area in areas:
        any_area = True
        marked = area.properties[EXHAUSTIVE]
        if not isinstance(marked, list) or wanted <= set(map(str, marked)):
            whole.append(area.geometry)
        elif wanted & set(map(str, marked)):
            partly.append(area.geometry)
    return semantic(
        [a.geometry for a in drawn],
        [values[a.class_name] for a in drawn if a.class_name is not None],
        grid,
        exhaustive=whole if any_area else None,
        partly_exhaustive=partly,
        window=window,
    )
