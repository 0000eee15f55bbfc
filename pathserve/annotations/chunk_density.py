"""Summaries beside their chunks: what far tiles count of a chunk, without the chunk.

One is a zstd frame, little-endian: uint8 form (1), uint32 rows N, uint32 bytes of names, the names (JSON: a list of
classes and one of states), then what is told of the N rows in 15 planes of N bytes: the first bytes of all, then the
second, and so on. A row has int32 column and row of its bin, int32 class (-1 for none), int16 state, uint8 first level.
"""

import struct
from collections.abc import Sequence

import imagecodecs
import numpy as np
import numpy.typing as npt
import orjson

from pathserve.annotations.density import Counts, Summary, Whole, summarize
from pathserve.annotations.packing import damaged
from pathserve.labels import Columns

_FORM = 1
_HEAD = struct.Struct("<BII")
_FIELDS = (("column", "<i4"), ("row", "<i4"), ("class", "<i4"), ("state", "<i2"), ("level", "<u1"))
_WIDTH = sum(np.dtype(kind).itemsize for _, kind in _FIELDS)
_LEVEL = 3

Fields = Sequence[tuple[str, str]]
"""Names and kinds of numbers (numpy's) of columns."""

Names = tuple[tuple[str, ...], tuple[str, ...]]
"""Classes and states."""


def summary_of(columns: Columns, boxes: npt.NDArray[np.float64]) -> Summary:
    """Count all rows of columns, given with their boxes."""
    return summarize(boxes, columns.classes, columns.class_names, columns.states, columns.state_names)


def pack_summary(summary: Summary) -> bytes:
    """Make the bytes of a summary of rows, as `summarize` gives it."""
    counts = summary.counts
    values = (counts.bins[:, 0], counts.bins[:, 1], counts.classes, counts.states, summary.levels)
    planes = pack_table(values, _FIELDS)
    names = orjson.dumps((counts.class_names, counts.state_names))
    head = _HEAD.pack(_FORM, len(summary.levels), len(names))
    return bytes(imagecodecs.zstd_encode(b"".join((head, names, planes)), level=_LEVEL))


def unpack_summaries(several: Sequence[bytes]) -> Summary:
    """Give several summaries as one, with an entry for each row.

    Raises
    ------
    Corrupt
        When the bytes are not what was written.
    """
    read = [_read(data) for data in several]
    planes = np.concatenate([np.empty((_WIDTH, 0), np.uint8), *(planes for _, planes in read)], axis=1)
    sizes = np.array([planes.shape[1] for _, planes in read], np.int64)
    values = dict(zip((name for name, _ in _FIELDS), _columns(planes, _FIELDS), strict=True))
    names = _Names()
    tables = [names.table(text) for text, _ in read]
    classes, class_names = _renamed(values["class"], [own for own, _ in tables], sizes), tuple(names.classes)
    states, state_names = _renamed(values["state"], [own for _, own in tables], sizes), tuple(names.states)
    bins = np.stack((values["column"], values["row"]), axis=1)
    counts = Counts(bins, classes, states, np.ones(len(bins), np.int32), class_names, state_names)
    return Summary(counts, values["level"].astype(np.uint8))


def pack_table(columns: Sequence[Whole], fields: Fields) -> bytes:
    """Put columns of N whole numbers into planes of N bytes: the first bytes of a column's numbers, then the second."""
    return b"".join(
        np.ascontiguousarray(some, kind).view(np.uint8).reshape(-1, np.dtype(kind).itemsize).T.tobytes()
        for some, (_, kind) in zip(columns, fields, strict=True)
    )


def unpack_table(data: bytes, fields: Fields) -> list[Whole]:
    """Give the columns of a table; raises `Corrupt` when its length is none that a table has."""
    width = sum(np.dtype(kind).itemsize for _, kind in fields)
    if len(data) % width:
        raise damaged()
    return _columns(np.frombuffer(data, np.uint8).reshape(width, -1), fields)


def _columns(planes: npt.NDArray[np.uint8], fields: Fields) -> list[Whole]:
    found, at = list[Whole](), 0
    for _, kind in fields:
        end = at + np.dtype(kind).itemsize
        found.append(np.ascontiguousarray(planes[at:end].T).view(kind)[:, 0])
        at = end
    return found


class _Names:
    """Puts the names of several summaries into one list of classes and one of states."""

    def __init__(self) -> None:
        self.classes: dict[str, int] = {}
        self.states: dict[str, int] = {}
        self._tables: dict[bytes, tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]] = {}

    def table(self, text: bytes) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Give what becomes of each class and state of one summary; the last place of both is that of -1."""
        known = self._tables.get(text)
        if known is None:
            try:
                classes, states = orjson.loads(text)
            except ValueError as error:
                raise damaged() from error
            known = _places(classes, self.classes), _places(states, self.states)
            self._tables[text] = known
        return known


def _places(own: Sequence[str], names: dict[str, int]) -> npt.NDArray[np.int32]:
    return np.array([*(names.setdefault(name, len(names)) for name in own), -1], np.int32)


def _renamed(codes: Whole, tables: Sequence[npt.NDArray[np.int32]], sizes: npt.NDArray[np.int64]) -> Whole:
    """Put the codes of several summaries, one after another, into those of one; sizes are their numbers of entries."""
    if not len(codes):
        return codes
    if all(table is tables[0] for table in tables):  # the first names are those of all
        if not -1 <= int(codes.min()) <= int(codes.max()) < len(tables[0]) - 1:
            raise damaged()
        return codes
    lengths = np.array([len(table) for table in tables], np.int64)
    firsts = np.repeat(np.cumsum(lengths) - lengths, sizes)
    lasts = np.repeat(lengths, sizes) - 1
    if int(codes.min()) < -1 or (codes >= lasts).any():
        raise damaged()
    found: npt.NDArray[np.int32] = np.concatenate(tables)[firsts + np.where(codes < 0, lasts, codes)]
    return found


def _read(data: bytes) -> tuple[bytes, npt.NDArray[np.uint8]]:
    """Give the names and the (15, N) planes of one summary."""
    try:
        raw = bytes(imagecodecs.zstd_decode(data))
        form, count, named = _HEAD.unpack_from(raw)
    except (imagecodecs.ZstdError, struct.error) as error:
        raise damaged() from error
    start = _HEAD.size + named
    if form != _FORM or len(raw) != start + _WIDTH * count:
        raise damaged()
    return raw[_HEAD.size : start], np.frombuffer(raw, np.uint8, offset=start).reshape(_WIDTH, count)
