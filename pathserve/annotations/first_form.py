"""What chunks of version 1 have in another form than those of version 2: boxes and positions.

Nothing writes this form any more. Chunks never change, so those that are there stay until their rows are folded into
new ones. All else is as the docstring of `chunks` has it; of the two numbers, k is told so:

Boxes
    integers: four for each annotation, x0 and y0 as difference to the row above, x1 and y1 to the box's own x0 and y0.
Positions
    integers: x and y of each, as difference to the position before in the ring; a ring's first as difference to the
    first of the ring before.

Only arrays read it: machine code knows the form that is written.
"""

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunk_shapes import Shapes, shapes_by_arrays, sum_steps
from pathserve.annotations.packing import Unpacker

Ints = npt.NDArray[np.int64]


def take_boxes(source: Unpacker, count: int) -> Ints:
    """Take the k of boxes, (count, 4)."""
    k = source.ints(4 * count).reshape(count, 4)
    np.cumsum(k[:, :2], axis=0, out=k[:, :2])
    k[:, 2:] += k[:, :2]
    return k


def unpack_shapes(section: bytes, *, rows: int, parts: int, rings: int, positions: int) -> Shapes:
    """Unpack the geometry of a chunk, as `chunk_shapes.unpack_shapes` does.

    Raises
    ------
    Corrupt
        When the bytes are not of that form, or not of so many.
    """
    source = Unpacker(section)
    shapes = shapes_by_arrays(source, (rows, parts, rings, positions), _take_positions)
    source.end()
    return shapes


def _take_positions(source: Unpacker, lengths: Ints) -> Ints:
    steps = source.ints(2 * int(lengths.sum())).reshape(-1, 2)
    first = np.cumsum(lengths) - lengths
    begin = np.cumsum(steps[first], axis=0)
    steps[first] = 0
    return sum_steps(begin, steps, lengths)
