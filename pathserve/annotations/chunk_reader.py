"""Chunks out of the database: which are visible at a revision, and what is in them, decoded once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pathserve.annotations.chunk_shapes import WORTH_LOADING, load_kernels
from pathserve.annotations.chunks import Attributes, Chunk
from pathserve.annotations.gathering import Kept
from pathserve.cache import ByteBudgetCache
from pathserve.db import Transaction, placeholders
from pathserve.errors import NotFound
from pathserve.labels import Columns, Texts

CACHE_BYTES = 256 * 1024 * 1024
"""Of all decoded chunks; half of it is for attributes: those of a million cells, so that counting and sorting them is
quick. The other half holds the shapes of twenty or thirty full viewports of 7,000 cells."""

_ALL = "attributes, geometry, json"


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """A published chunk.

    Parameters
    ----------
    scattered
        Whether its rows have numbers and revisions of their own, but for those of revision 0, which are of the revision
        ``born``; otherwise row k has the number ``first_number + k`` and the revision ``born``.
    """

    id: int
    layer: int
    size: int
    scattered: bool
    first_number: int
    last_number: int
    born: int


@dataclass(frozen=True, slots=True)
class UnreadChunk:
    """A chunk as it is stored, unpacked by whoever has it, as often as it is asked."""

    ref: ChunkRef
    chunk: Chunk

    def attributes(self) -> Attributes:
        """Give what it tells without its shapes."""
        return _numbered(self.ref, self.chunk.attributes())

    def columns(self, attributes: Attributes, layer: str) -> Columns:
        """Give its rows with their properties, when its attributes and the name of its layer are at hand."""
        return self.chunk.columns(with_properties=True, attributes=attributes, layer=layer)


class ChunkReader:
    """Decodes chunks and keeps what was used last; what it gives is read-only. For several threads.

    A chunk never changes, so what is kept never goes stale, whoever else writes to the database. After so many chunks
    that machine code would have paid for itself it is loaded.
    """

    def __init__(self, budget: int = CACHE_BYTES) -> None:
        self._unpacked = 0
        self._attributes: ByteBudgetCache[int, Attributes] = ByteBudgetCache(budget // 2, lambda a: a.nbytes)
        self._columns: ByteBudgetCache[tuple[int, bool], Kept] = ByteBudgetCache(
            budget // 2, lambda kept: kept.columns.nbytes
        )

    def attributes(self, tx: Transaction, refs: Sequence[ChunkRef]) -> list[Attributes]:
        """Give what some chunks tell without their shapes; one statement for all that are not kept."""
        ids = [ref.id for ref in refs]
        known = dict(zip(ids, self._attributes.get_each(ids), strict=True))
        missing = [ref for ref in refs if known[ref.id] is None]
        data = _data(tx, "attributes", missing)
        for ref in missing:
            made = _numbered(ref, Chunk(*data[ref.id]).attributes())
            self._attributes.put(ref.id, made)
            known[ref.id] = made
        return [found for ref in refs if (found := known[ref.id]) is not None]

    def columns(self, tx: Transaction, refs: Sequence[ChunkRef], *, properties: bool) -> list[Columns]:
        """Give the rows of some chunks as `kept` does."""
        return [found.columns for found in self.kept(tx, refs, properties=properties)]

    def kept(self, tx: Transaction, refs: Sequence[ChunkRef], *, properties: bool) -> list[Kept]:
        """Give the rows of some chunks; one statement for all that are not kept.

        Without ``properties`` these are empty, and so are ``geometries`` and ``drawn``.
        """
        ids = [ref.id for ref in refs]
        known = dict(zip(ids, self._columns.get_each([(i, properties) for i in ids]), strict=True))
        missing = [ref for ref in refs if known[ref.id] is None]
        if missing and not properties:
            whole = self._columns.get_each([(ref.id, True) for ref in missing])
            known |= {ref.id: _without_json(found) for ref, found in zip(missing, whole, strict=True)}
            missing = [ref for ref in missing if known[ref.id] is None]
        data = _data(tx, _ALL if properties else "attributes, geometry", missing)
        if self._unpacked < WORTH_LOADING <= self._unpacked + len(missing):
            load_kernels()
        self._unpacked += len(missing)
        for ref in missing:
            chunk = Chunk(*data[ref.id])
            attributes = self._attributes.get(ref.id)
            if attributes is None:
                attributes = _numbered(ref, chunk.attributes())
                self._attributes.put(ref.id, attributes)
            made = Kept(chunk.columns(with_properties=properties, attributes=attributes))
            self._columns.put((ref.id, properties), made)
            known[ref.id] = made
        return [found for ref in refs if (found := known[ref.id]) is not None]

    def unread(self, tx: Transaction, refs: Sequence[ChunkRef]) -> list[UnreadChunk]:
        """Give some chunks as they are stored; what is kept is not asked, and nothing is kept."""
        data = _data(tx, _ALL, refs)
        return [UnreadChunk(ref, Chunk(*data[ref.id])) for ref in refs]


def split_chunk(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Cut an encoded chunk into what is stored apart: attributes, geometry, JSON."""
    chunk = Chunk(data)
    first, second = chunk.attributes_end, chunk.geometry_end
    return data[:first], data[first:second], data[second:]


def _data(tx: Transaction, parts: str, refs: Sequence[ChunkRef]) -> dict[int, tuple[bytes, ...]]:
    if not refs:
        return {}
    rows = tx.rows(
        f"select chunk, {parts} from chunk_data where chunk in ({placeholders(len(refs))})",  # noqa: S608 - constants and placeholders only
        *(ref.id for ref in refs),
    )
    found = {int(str(chunk)): tuple(part for part in data if isinstance(part, bytes)) for chunk, *data in rows}
    if len(found) < len(refs):
        # The directory was read in an earlier transaction: the slide has been removed since.
        raise NotFound("There is no such slide.")
    return found


def _numbered(ref: ChunkRef, found: Attributes) -> Attributes:
    """Fill in what a chunk that was written before its publication could not know."""
    if ref.scattered:
        if found.revisions.all():
            return found
        revisions = np.where(found.revisions == 0, ref.born, found.revisions)
        revisions.flags.writeable = False
        return replace(found, revisions=revisions)
    numbers = np.arange(ref.first_number, ref.first_number + len(found))
    revisions = np.full(len(found), ref.born)
    for array in (numbers, revisions):
        array.flags.writeable = False
    return replace(found, numbers=numbers, revisions=revisions, firsts=revisions)


def _without_json(kept: Kept | None) -> Kept | None:
    if kept is None:
        return None
    columns = kept.columns
    return Kept(replace(columns, properties=Texts.empty(len(columns)), geometries={}, drawn={}))
