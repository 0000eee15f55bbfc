"""Chunks out of the records of an import, without what lies between: the same bytes as those of `chunks.encode_chunk`.

Most imports hold cells of one model: all rings closed, all coordinates of as many digits. Neighbours of which that is
true go into a chunk as they are; any others are made columns first.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pathserve.annotations.chunks import assemble, json_section, names_text
from pathserve.annotations.packing import Packer
from pathserve.annotations.record_places import CLOSED, PARTS, POSITIONS, RAW, REACH, RINGS, SCALE
from pathserve.annotations.records import Records, kernels
from pathserve.labels import Columns

_SLACK = 4096
_ROW_BYTES = 16 + 3 + 4 * 8 + 4 * 8 + 4 + 8
"""Most bytes of a row in the section of attributes, but for its score, and its parts in that of geometry."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordChunk:
    """A chunk made of records.

    Parameters
    ----------
    data
        The three parts in which it is stored.
    columns
        Its rows, without positions.
    boxes
        (N, 4) float64, exactly those of the positions.
    """

    data: tuple[bytes, bytes, bytes]
    columns: Columns
    boxes: npt.NDArray[np.float64]


def chunk_of_records(records: Records) -> RecordChunk | None:
    """Encode some records; None when they are not of one scale, or not all closed or all open."""
    told = records.told()
    if told[RAW] or told[CLOSED] not in (0, len(records)):
        return None
    columns, areas = records.unpack(told, with_positions=False)
    scale = int(told[SCALE])
    boxes = np.empty((len(records), 4), np.int64)
    sizes = len(records), int(told[PARTS]), int(told[RINGS]), int(told[POSITIONS])
    starts = columns.starts, columns.part_starts, columns.ring_starts
    # Not much more than is written: what is large comes from the system anew each time.
    geometry = np.empty(8 * sum(sizes[:3]) + 16 * sizes[2] + 4 * sizes[3] + _SLACK, np.uint8)
    room = np.empty(2 * sizes[2], np.int64)
    size = kernels().put_geometry(*records.views, records.places, *starts, told[REACH], geometry, boxes, room)
    raws = (_attributes(columns, boxes, scale, areas), geometry[:size], json_section(columns))
    return RecordChunk(assemble(sizes, raws), columns, boxes / float(scale))


def _attributes(
    columns: Columns, boxes: npt.NDArray[np.int64], scale: int, areas: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    names, scores = Packer(), Packer()
    names.text(names_text(columns))
    scores.floats(columns.scores)
    head, packed = np.frombuffer(names.packed(), np.uint8), np.frombuffer(scores.packed(), np.uint8)
    out = np.empty(len(head) + len(packed) + _ROW_BYTES * len(columns) + _SLACK, np.uint8)
    out[: len(head)] = head
    corners, extents = np.empty((2, 2 * len(columns)), np.int64)
    size = kernels().put_attributes(
        out,
        len(head),
        columns.ids.reshape(-1),
        columns.kinds,
        columns.classes,
        columns.states,
        columns.exhaustive.view(np.uint8),
        packed,
        boxes,
        scale,
        areas.view(np.uint8),
        corners,
        extents,
    )
    found: npt.NDArray[np.uint8] = out[:size]
    return found
