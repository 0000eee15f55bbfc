"""The bytes of one DICOM file, deflated or not."""

import os
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

from pathserve.errors import Corrupt, NotFound, TooLarge

MAX_INFLATED = 1 << 30
"""Most bytes of a deflated file when it is inflated."""

_PREAMBLE = 128
_MAGIC = b"DICM"
_BLOCK = 1 << 20

START = _PREAMBLE + len(_MAGIC)
"""Where the first element of a file lies."""


def is_dicom(path: Path) -> bool:
    """Tell whether a file begins as DICOM files do; False when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(START)[_PREAMBLE:] == _MAGIC
    except OSError:
        return False


class ByteSource:
    """Bytes by their place; a file is opened for each reading, so a series of a thousand files holds none open.

    Parameters
    ----------
    path
        The file.
    inflated
        An open file to read instead; it is owned by this object.
    """

    def __init__(self, path: Path, inflated: BinaryIO | None = None) -> None:
        self._path = path
        self._inflated = inflated

    def open(self) -> BinaryIO:
        """Open for reading in sequence; the caller closes it.

        Raises
        ------
        NotFound
            When the file is gone.
        """
        try:
            if self._inflated is not None:
                return os.fdopen(os.dup(self._inflated.fileno()), "rb")
            return self._path.open("rb")
        except OSError:
            raise NotFound("A file of the scan cannot be read.") from None

    def size(self) -> int:
        """Count the bytes."""
        with self.open() as file:
            return os.fstat(file.fileno()).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Read bytes at a place.

        Raises
        ------
        Corrupt
            When there are fewer.
        """
        with self.open() as file:
            try:
                data = os.pread(file.fileno(), count, offset)
            except (OSError, OverflowError):
                raise Corrupt("A part of the scan cannot be read.") from None
        if len(data) != count:
            raise Corrupt("The scan ends before its last picture.")
        return data

    def close(self) -> None:
        """Let go of what was inflated; a second time does nothing."""
        if self._inflated is not None:
            self._inflated.close()


def inflate(path: Path, start: int) -> BinaryIO:
    """Inflate a file from ``start`` to its end into a temporary file that has no name.

    Raises
    ------
    Corrupt
        When the bytes are not deflated.
    TooLarge
        When they inflate to more than ``MAX_INFLATED``.
    """
    out = tempfile.TemporaryFile()  # noqa: SIM115 - handed on
    try:
        _inflate(path, start, out)
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return out


def _inflate(path: Path, start: int, out: BinaryIO) -> None:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    with path.open("rb") as file:
        file.seek(start)
        while not inflater.eof and (block := inflater.unconsumed_tail or file.read(_BLOCK)):
            try:
                out.write(inflater.decompress(block, _BLOCK))
            except zlib.error:
                raise Corrupt("The file's compression is damaged.") from None
            if out.tell() > MAX_INFLATED:
                raise TooLarge(f"A deflated file may hold at most {MAX_INFLATED >> 20:,} MiB.")
    if not inflater.eof:
        raise Corrupt("The file was cut off.")
    out.flush()
