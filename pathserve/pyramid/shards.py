"""Shard files: up to 256 chunks one behind the other, then their index and its CRC-32C."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np
import numpy.typing as npt

from pathserve.errors import Corrupt
from pathserve.pyramid.layout import SHARD_CHUNKS

CHUNKS = SHARD_CHUNKS * SHARD_CHUNKS
INDEX_BYTES = CHUNKS * 16
TAIL_BYTES = INDEX_BYTES + 4
_NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)
_NOWHERE = np.uint64(2**64 - 1)


class ShardWriter:
    """Writes one shard to a temporary file; it gets its name only when it is complete and on the disk.

    Memory: one chunk and the index. The digest is taken while writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._index = np.full((CHUNKS, 2), _NOWHERE, "<u8")
        self._size = 0

    def add(self, slot: int, data: bytes) -> None:
        """Append the chunk of a slot (row-major place in the shard, 0 to 255)."""
        self._index[slot] = (self._size, len(data))
        self._write(data)

    def finish(self) -> tuple[int, str]:
        """Append the index, bring everything to the disk, and give the shard's size and SHA-256."""
        index = self._index.tobytes()
        self._write(index)
        self._write(google_crc32c.value(index).to_bytes(4, "little"))
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._size, self._hash.hexdigest()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)


class ShardFile:
    """An open shard; its index is read once. Closes its file when nobody holds it any longer.

    Raises
    ------
    Corrupt
        When the file is missing, not of its expected size, or its index is damaged.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._descriptor = -1
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            real = os.fstat(self._descriptor).st_size
            tail = os.pread(self._descriptor, TAIL_BYTES, real - TAIL_BYTES) if real >= TAIL_BYTES else b""
        except OSError:
            raise Corrupt("A part of a stored slide is missing or cannot be read.") from None
        # As one row of numbers: a place in that costs a third of one in an array of two dimensions.
        self._index = memoryview(checked_tail(tail, real, size).reshape(-1))  # type: ignore[arg-type]  # it has one

    def chunk(self, slot: int, *, wait: bool = True) -> bytes | None:
        """Read the chunk of a slot; None when the shard holds none (white).

        Raises
        ------
        BlockingIOError
            When ``wait`` is False and the bytes are not in the page cache.
        Corrupt
            When the bytes cannot be read.
        """
        offset, size = self._index[2 * slot], self._index[2 * slot + 1]
        if offset < 0:
            return None
        if wait:
            try:
                data = os.pread(self._descriptor, size, offset)
            except OSError:
                raise Corrupt("A part of a stored slide cannot be read.") from None
        else:
            data = bytes(_cached(self._descriptor, size, offset))
        if len(data) != size:
            raise Corrupt("A part of a stored slide is cut off.")
        return data

    def chunk_at_hand(self, slot: int) -> bytearray | None:
        """Read the chunk of a slot from the page cache, without a copy more; as :meth:`chunk` without waiting."""
        offset, size = self._index[2 * slot], self._index[2 * slot + 1]
        return None if offset < 0 else _cached(self._descriptor, size, offset)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def _cached(descriptor: int, size: int, offset: int) -> bytearray:
    """Read what the page cache holds; BlockingIOError where it does not, or the system cannot tell."""
    buffer = bytearray(size)
    try:
        got = os.preadv(descriptor, [buffer], offset, _NOWAIT) if _NOWAIT else 0
    except OSError:
        got = 0
    if got != size:
        raise BlockingIOError
    return buffer


def checked_tail(tail: bytes, real: int, size: int) -> npt.NDArray[np.int64]:
    """Read the index at the end of a shard as (256, 2) int64: offset and size, offset -1 where there is no chunk.

    Parameters
    ----------
    tail
        The last ``TAIL_BYTES`` bytes.
    real, size
        Bytes that the shard has, and that it should have.

    Raises
    ------
    Corrupt
        When it is cut off or the index is damaged.
    """
    if real != size or len(tail) != TAIL_BYTES:
        raise Corrupt("A part of a stored slide is cut off.")
    index = tail[:INDEX_BYTES]
    if google_crc32c.value(index) != int.from_bytes(tail[INDEX_BYTES:], "little"):
        raise Corrupt("A part of a stored slide has a damaged index.")
    return _checked_index(index, real - TAIL_BYTES)


def _checked_index(index: bytes, end: int) -> npt.NDArray[np.int64]:
    """Read the index as (256, 2) int64, offset and size; offset -1 where there is no chunk."""
    raw = np.frombuffer(index, "<u8").reshape(CHUNKS, 2)
    absent = (raw == _NOWHERE).all(axis=1)
    present = raw[~absent]
    if (present > end).any() or (present[:, 0] + present[:, 1] > end).any():
        raise Corrupt("A part of a stored slide has a damaged index.")
    checked = np.full((CHUNKS, 2), -1, np.int64)
    checked[~absent] = present.astype(np.int64)
    return checked
