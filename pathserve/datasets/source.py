"""What the store holds, drawn as a mask: which annotations, in which order, with which values."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.annotations import AnnotationQuery, AnnotationStore, ClassSchemas
from pathserve.db import Database
from pathserve.geometry import PixelGrid
from pathserve.labels import EXHAUSTIVE, Annotation, ClassSchema, Columns, NewAnnotation
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
    schema
        `schema_of` gives that of the query's revision.
    query
        Slide and filters; its ``bbox`` is replaced by what the grid needs. A named revision with its schema gives the
        same mask for ever.
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
    marked = AnnotationQuery(query.slide, as_of=query.as_of, exhaustive_only=True)
    objects = list(store.columns(needed, properties=False))
    areas = list(store.columns(marked)) if as_kind(kind) is MaskKind.SEMANTIC else []
    return draw_columns(objects, areas, schema, grid, kind, asked=query.classes, window=window)


def schema_of(
    db: Database, classes: ClassSchemas, project: str, slide: str, as_of: int | datetime | None
) -> ClassSchema:
    """Give a project's classes as they were at a revision of one of its slides, or at a moment; None is now."""
    if as_of is None:
        return classes.of(project)
    if isinstance(as_of, datetime):
        return classes.at(project, as_of)
    revision = as_of
    row = db.read(lambda tx: tx.row("select at from revision where slide = ? and revision = ?", slide, revision))
    # Before the first revision there is nothing to draw.
    return classes.of(project) if row is None else classes.at(project, datetime.fromisoformat(str(row[0])))


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
    """Draw single annotations as a mask; otherwise as `draw_columns`."""
    objects, marked = _columns(annotations), _columns(areas)
    return draw_columns(objects, marked, schema, grid, kind, asked=asked, window=window)


def draw_columns(
    several: Sequence[Columns],
    areas: Sequence[Columns],
    schema: ClassSchema,
    grid: PixelGrid,
    kind: MaskKind | str,
    *,
    asked: Sequence[str] = (),
    window: Window | None = None,
) -> npt.NDArray[Any]:
    """Draw annotations as a mask.

    They are drawn in the order of their class's priority, then revision, then number, so the last of these lies on top,
    whatever their order in ``several``. Exhaustive areas are not drawn as objects. Objects without a class have no
    value and are drawn in all kinds but semantic.

    Parameters
    ----------
    areas
        All exhaustively annotated areas of the slide, with their properties; only semantic masks look at them.
    asked
        The classes that the mask is about; empty means all of the schema.
    window
        Only this part of the grid.

    Raises
    ------
    Invalid
        When there is no such kind.
    """
    found = Columns.join(several) if several else Columns.of([])
    priorities = {item.name: item.priority for item in schema}
    ranks = np.array([*(priorities.get(name, 0) for name in found.class_names), priorities.get("", 0)])[found.classes]
    order = np.lexsort((found.numbers, found.revisions, ranks))
    objects = found.take(order[~found.exhaustive[order]])
    match as_kind(kind):
        case MaskKind.SEMANTIC:
            return _semantic(objects, areas, schema, grid, asked, window)
        case MaskKind.INSTANCE:
            return instance(objects, objects.numbers, grid, window=window)
        case MaskKind.BOUNDARY:
            return boundary(objects, grid, window=window)
        case MaskKind.DISTANCE:
            return distance(objects, grid, window=window)
        case MaskKind.COVERAGE:
            return coverage(objects, grid, window=window)


def _semantic(
    objects: Columns,
    areas: Sequence[Columns],
    schema: ClassSchema,
    grid: PixelGrid,
    asked: Sequence[str],
    window: Window | None,
) -> npt.NDArray[Any]:
    values = schema.values
    wanted = set(asked) or set(values)
    # A class that the schema does not know has no value, and nor has an object without one.
    table = np.array([*(values.get(name, 0) for name in objects.class_names), 0])[objects.classes]
    drawn = objects.take(table > 0)
    marked = Columns.join(areas) if areas else Columns.of([])
    whole, partly = list[int](), list[int]()
    for row, properties in enumerate(marked.properties):
        classes = orjson.loads(properties)[EXHAUSTIVE]
        if not isinstance(classes, list) or wanted <= set(map(str, classes)):
            whole.append(row)
        elif wanted & set(map(str, classes)):
            partly.append(row)
    return semantic(
        drawn,
        table[table > 0],
        grid,
        exhaustive=marked.take(np.array(whole, np.int64)) if len(marked) else None,
        partly_exhaustive=marked.take(np.array(partly, np.int64)),
        window=window,
    )


def _columns(annotations: Iterable[Annotation]) -> list[Columns]:
    listed = list(annotations)
    made = Columns.of([NewAnnotation(a.geometry, a.id, a.class_name, None, a.properties) for a in listed])
    numbers = np.array([a.number for a in listed], np.int64)
    return [replace(made, numbers=numbers, revisions=np.array([a.revision for a in listed], np.int64))]
