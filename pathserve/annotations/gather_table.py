"""What `gather_kernels` takes and tells, in a module that needs no numba."""

from typing import Any, NamedTuple

import numpy.typing as npt

Array = npt.NDArray[Any]

ROWS, PARTS, RINGS, POSITIONS, BYTES = range(5)
SIZES = 5


class Table(NamedTuple):
    """The arrays of `pathserve.labels.Columns`; ids and xy as one run each, texts as `pathserve.labels.Texts`."""

    ids: Array
    numbers: Array
    revisions: Array
    firsts: Array
    kinds: Array
    classes: Array
    states: Array
    scores: Array
    exhaustive: Array
    starts: Array
    part_starts: Array
    ring_starts: Array
    xy: Array
    text_starts: Array
    texts: Array
