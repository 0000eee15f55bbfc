"""Counts of whole layers in the database, block by block, so that a far tile reads one block and nothing else.

A base is the `DensityPyramid` of those chunks that a layer had when it was made. Chunks that came or went since are
added and taken away by who asks (see `layer_counts`), so a base stays of use until many have.

A block is a zstd frame: a table (`chunk_density.pack_table`) of int16 place (row * 64 + column), int32 class, int16
state, and int32 count, of each of its entries. Classes and states are places in the base's lists of names; -1 is none.
"""

from dataclasses import dataclass
from hashlib import sha256

import imagecodecs
import numpy as np
import numpy.typing as npt
import orjson

from pathserve.annotations.chunk_density import pack_table, unpack_table
from pathserve.annotations.density import BLOCK, Bins, Counts, DensityPyramid, some_of_bins
from pathserve.annotations.packing import damaged
from pathserve.cache import ByteBudgetCache
from pathserve.db import Transaction, Value, as_int

Ints = npt.NDArray[np.int64]

_FIELDS = (("place", "<i2"), ("class", "<i4"), ("state", "<i2"), ("count", "<i4"))
_BLOCK_BYTES = 64 * 1024 * 1024
_ROW_BYTES = 128
_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Base:
    """Which chunks a layer had when its counts were stored.

    Parameters
    ----------
    chunks
        Their ids, in order.
    """

    key: str
    chunks: Ints
    class_names: tuple[str, ...]
    state_names: tuple[str, ...]

    @classmethod
    def of(cls, chunks: Ints, pyramid: DensityPyramid) -> "Base":
        """Give the base that a pyramid of these chunks makes."""
        return cls(key_of(chunks), chunks, pyramid.class_names, pyramid.state_names)


def key_of(chunks: Ints) -> str:
    """Tell chunks from all others; ids of chunks are given once, so this says of which slide and layer they are too."""
    return sha256(chunks.astype("<i8").tobytes()).hexdigest()


class StoredDensity:
    """Reads blocks and keeps what was used last; for several threads."""

    def __init__(self, budget: int = _BLOCK_BYTES) -> None:
        self._blocks: ByteBudgetCache[tuple[str, int, int, int], Counts] = ByteBudgetCache(
            budget, lambda counts: counts.nbytes + _ROW_BYTES
        )

    def tile(self, tx: Transaction, base: Base, bins: Bins) -> list[Counts] | None:
        """Give the counts of a tile; None when the base has been replaced by another one."""
        wanted = [(base.key, bins.level, x, y) for x, y in bins.blocks()]
        known = dict(zip(wanted, map(self._blocks.get, wanted), strict=True))
        if any(counts is None for counts in known.values()):
            read = _read_blocks(tx, base, bins)
            if read is None:
                return None
            for key in wanted:
                counts = known[key] = read.get(key[2:]) or _unpacked(base, *key[2:], b"")
                self._blocks.put(key, counts)
        return [some_of_bins(counts, bins) for counts in known.values() if counts is not None]


def read_bases(tx: Transaction, slide: str) -> dict[int, Base]:
    """Give the bases of a slide by layer."""
    rows = tx.rows("select layer, id, chunks, names from density where slide = ?", slide)
    return {as_int(layer): _base(str(key), chunks, str(names)) for layer, key, chunks, names in rows}


def store_base(tx: Transaction, slide: str, layer: int, base: Base, pyramid: DensityPyramid) -> None:
    """Store the counts of a layer in the place of older ones; nothing when the slide has gone."""
    tx.run("delete from density where slide = ? and layer = ?", slide, layer)
    names = orjson.dumps((base.class_names, base.state_names)).decode()
    chunks = bytes(imagecodecs.zstd_encode(np.diff(base.chunks, prepend=0).astype("<i8").tobytes(), level=_LEVEL))
    added = tx.run(
        "insert into density (id, slide, layer, chunks, names) select ?, id, ?, ?, ? from slide where id = ?",
        base.key,
        layer,
        chunks,
        names,
        slide,
    )
    if added:
        tx.run_many(
            "insert into density_block (density, level, x, y, data) values (?, ?, ?, ?, ?)",
            ((base.key, level, x, y, _packed(counts)) for level, x, y, counts in pyramid.blocks()),
        )


def _base(key: str, chunks: Value, names: str) -> Base:
    try:
        raw = bytes(imagecodecs.zstd_decode(_bytes(chunks)))
        classes, states = orjson.loads(names)
    except (imagecodecs.ZstdError, ValueError) as error:
        raise damaged() from error
    return Base(key, np.cumsum(np.frombuffer(raw, "<i8"), dtype=np.int64), tuple(classes), tuple(states))


def _read_blocks(tx: Transaction, base: Base, bins: Bins) -> dict[tuple[int, int], Counts] | None:
    blocks = bins.blocks()
    (x0, y0), (x1, y1) = blocks[0], blocks[-1]
    rows = tx.rows(
        "select b.x, b.y, b.data from density d left join density_block b "
        "on b.density = d.id and b.level = ? and b.x >= ? and b.x <= ? and b.y >= ? and b.y <= ? where d.id = ?",
        bins.level,
        x0,
        x1,
        y0,
        y1,
        base.key,
    )
    if not rows:
        return None
    there = [(as_int(x), as_int(y), _bytes(data)) for x, y, data in rows if data is not None]
    return {(x, y): _unpacked(base, x, y, data) for x, y, data in there}


def _packed(counts: Counts) -> bytes:
    low = BLOCK - 1
    places = (counts.bins[:, 1] & low) * BLOCK + (counts.bins[:, 0] & low)
    table = pack_table((places, counts.classes, counts.states, counts.counts), _FIELDS)
    return bytes(imagecodecs.zstd_encode(table, level=_LEVEL))


def _unpacked(base: Base, x: int, y: int, data: bytes) -> Counts:
    try:
        raw = bytes(imagecodecs.zstd_decode(data)) if data else b""
    except imagecodecs.ZstdError as error:
        raise damaged() from error
    places, classes, states, counts = unpack_table(raw, _FIELDS)
    rows, columns = np.divmod(places.astype(np.int32), BLOCK)
    bins = np.stack((columns + x * BLOCK, rows + y * BLOCK), axis=1)
    most = (len(base.class_names), len(base.state_names))
    for codes, names in zip((classes, states), most, strict=True):
        if len(codes) and not -1 <= int(codes.min()) <= int(codes.max()) < names:
            raise damaged()
    return Counts(bins, classes, states, counts, base.class_names, base.state_names)


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise damaged()
    return value
