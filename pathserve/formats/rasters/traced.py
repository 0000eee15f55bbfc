"""What `pathserve.masks.vectorize` traces, as annotations."""

from collections.abc import Callable, Iterator

import numpy as np

from pathserve.formats.contract import Item, ReadContext
from pathserve.formats.tables.wkb import Row, columns_of
from pathserve.labels import FeatureIssue, GeometryKind
from pathserve.masks.vectorize import Bands, LabelImage, Traced, join, last_rows, merge_labels, reorder, trace_bands

_BATCH = 4096

Scale = tuple[float, float]


def items_of_traced(
    traced: Traced,
    row_of: Callable[[int], Row],
    context: ReadContext,
    *,
    scale: Scale = (1.0, 1.0),
    corner: tuple[float, float] = (0.0, 0.0),
) -> Iterator[Item]:
    """Turn traced objects into columns.

    Parameters
    ----------
    row_of
        Gives class and properties of a label.
    scale, corner
        Level-0 pixels per pixel of the image, and where its corner lies.
    """
    for first in range(0, len(traced), _BATCH):
        some = reorder(traced, np.arange(first, min(first + _BATCH, len(traced))))
        vertices = np.diff(some.ring_starts[some.part_starts[some.starts]])
        large = np.flatnonzero(vertices > context.max_vertices)
        for _ in large:
            yield FeatureIssue(0, "too_many_vertices", "The geometry has too many vertices.")
        if len(large):
            some = reorder(some, np.flatnonzero(vertices <= context.max_vertices))
        if not len(some):
            continue
        several = np.diff(some.starts) > 1
        rows = {label: row_of(label) for label in set(some.labels.tolist())}
        yield columns_of(
            [rows[label] for label in some.labels.tolist()],
            kinds=np.where(several, GeometryKind.MULTI_POLYGON, GeometryKind.POLYGON).astype(np.uint8),
            xy=some.xy * np.array(scale) + np.array(corner),
            ring_starts=some.ring_starts,
            part_starts=some.part_starts,
            starts=some.starts,
        )


class _Counted:
    """Bands, and how many rows of them were given so far."""

    def __init__(self, bands: Bands) -> None:
        self._bands = bands
        self.rows = 0

    def __iter__(self) -> Iterator[LabelImage]:
        for band in self._bands:
            self.rows += band.shape[0]
            yield band


def trace_labels(bands: Callable[[], Bands]) -> Iterator[Traced]:
    """Trace an image in which each label is one object, of however many regions.

    Goes through the image twice: once to learn where each label ends, and once to trace it.

    Parameters
    ----------
    bands
        Gives the bands from the top, each time anew.
    """
    ends = last_rows(bands())
    counted = _Counted(bands())
    waiting: Traced | None = None
    for traced in trace_bands(counted):
        both = traced if waiting is None else join([waiting, traced])
        # What ends above the last row has been traced; what lies in that row may go on in the next band.
        complete = np.array([ends[label] < counted.rows - 1 for label in both.labels.tolist()], np.bool_)
        if complete.any():
            yield merge_labels(reorder(both, np.flatnonzero(complete)))
        waiting = reorder(both, np.flatnonzero(~complete))
    if waiting is not None and len(waiting):
        yield merge_labels(waiting)
