"""The chunks of one Zarr array: found in files and shards, decoded."""

import math
from threading import Lock

import numpy as np
import numpy.typing as npt

from pathserve.errors import Corrupt
from pathserve.pixels import Samples
from pathserve.slides import jpeg
from pathserve.slides.omezarr.array import ArraySpec, ChunkCoding
from pathserve.slides.omezarr.codecs import unchecked, unpack
from pathserve.slides.omezarr.folder import ZarrFolder

_ABSENT = np.uint64(0xFFFFFFFFFFFFFFFF)
_CRC_BYTES = 4
_KEPT_INDEXES = 64  # at most 16 MiB each, 4 KiB where shards have 256 chunks
_OVERHEAD = 1 << 16

Place = tuple[int, ...]
"""Where a chunk is in the grid of chunks, along each axis of the array."""


class ChunkedArray:
    """Reads chunks of one array, for several threads. Keeps the indexes of the shards that were used last."""

    def __init__(self, folder: ZarrFolder, spec: ArraySpec) -> None:
        self._folder = folder
        self.spec = spec
        self._indexes: dict[Place, npt.NDArray[np.uint64] | None] = {}
        self._lock = Lock()

    @property
    def grid(self) -> Place:
        """Chunks along each axis."""
        return tuple(-(-n // part) for n, part in zip(self.spec.shape, self.spec.coding.shape, strict=True))

    @property
    def files(self) -> int:
        """How many files the array has when none is left out."""
        return math.prod(-(-n // part) for n, part in zip(self.spec.shape, self.spec.file_shape, strict=True))

    def stored(self, place: Place) -> bytes | None:
        """Give the bytes of a chunk as they lie, or None where nothing is stored.

        Raises
        ------
        Corrupt, TooLarge
            When its file cannot be read, or is far larger than the chunk.
        """
        most = self.spec.coding.size + self.spec.coding.size // 8 + _OVERHEAD
        if self.spec.sharding is None:
            return self._folder.read(self.spec.file_name(place), most=most)
        shard = tuple(at // per for at, per in zip(place, self._per_shard, strict=True))
        index = self._index(shard)
        if index is None:
            return None
        offset, length = index[tuple(at % per for at, per in zip(place, self._per_shard, strict=True))]
        if offset == _ABSENT:
            return None
        if offset > np.uint64(1 << 62):
            raise Corrupt("The index of a shard is damaged.")
        return self._folder.read(self.spec.file_name(shard), most=most, offset=int(offset), length=int(length))

    def decoded(self, place: Place) -> Samples | None:
        """Decode a chunk to an array of the chunk's shape, in the computer's byte order; None where nothing is stored.

        Raises
        ------
        Corrupt, TooLarge
            When it is damaged, or not of the size that the metadata says.
        """
        data = self.stored(place)
        return None if data is None else _decode(data, self.spec.coding)

    def absent(self, most_files: int) -> int:
        """Count the chunks for which nothing is stored; 0 when that would mean to look at more than ``most_files``."""
        if self.files > most_files:
            return 0
        per = self._per_shard if self.spec.sharding else (1,) * len(self.grid)
        found = 0
        for shard in np.ndindex(*(-(-n // part) for n, part in zip(self.grid, per, strict=True))):
            if self.spec.sharding is None:
                found += not self._folder.exists(self.spec.file_name(shard))
                continue
            inner = tuple(slice(min(part, n - at * part)) for at, n, part in zip(shard, self.grid, per, strict=True))
            index = self._index(shard)
            held = 0 if index is None else int(np.count_nonzero(index[inner][..., 0] != _ABSENT))
            found += math.prod(cut.stop for cut in inner) - held
        return found

    @property
    def _per_shard(self) -> Place:
        return tuple(n // part for n, part in zip(self.spec.file_shape, self.spec.coding.shape, strict=True))

    def _index(self, shard: Place) -> npt.NDArray[np.uint64] | None:
        """Give offsets and lengths of the chunks of a shard, shape (chunks along each axis ..., 2)."""
        with self._lock:
            if shard in self._indexes:
                return self._indexes[shard]
        index = self._read_index(shard)
        with self._lock:
            if len(self._indexes) >= _KEPT_INDEXES:
                del self._indexes[next(iter(self._indexes))]
            self._indexes[shard] = index
        return index

    def _read_index(self, shard: Place) -> npt.NDArray[np.uint64] | None:
        sharding = self.spec.sharding
        name, chunks = self.spec.file_name(shard), math.prod(self._per_shard)
        size = self._folder.size(name)
        if sharding is None or size is None:
            return None
        length = 16 * chunks + (_CRC_BYTES if sharding.index_checked else 0)
        if size < length:
            raise Corrupt("A shard of the Zarr store was cut off.")
        start = 0 if sharding.index_first else size - length
        data = self._folder.read(name, most=length, offset=start, length=length)
        if data is None:
            return None
        body = unchecked(data) if sharding.index_checked else data
        return np.frombuffer(body, "<u8").reshape(*self._per_shard, 2)


def _decode(data: bytes, coding: ChunkCoding) -> Samples:
    shape = tuple(coding.shape[axis] for axis in coding.stored)
    if coding.jpeg:
        flat = _decoded_jpeg(data, shape).reshape(shape)
    else:
        body = unchecked(data) if coding.checked else data
        if coding.codec is not None:
            body = unpack(coding.codec, body, coding.size)
        elif len(body) != coding.size:
            raise Corrupt("A chunk of the Zarr store has the wrong size.")
        flat = np.frombuffer(body, coding.dtype).reshape(shape)
    native: Samples = flat.astype(coding.dtype.newbyteorder("="), copy=False)
    return native.transpose(np.argsort(coding.stored))


def _decoded_jpeg(data: bytes, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    frame = jpeg.read_frame(data)
    if (frame.height, frame.width, frame.components, frame.precision) != (*shape[-3:], 8):
        raise Corrupt("A JPEG tile of the scan is not of the size that the scan states.")
    return jpeg.decode(data)
