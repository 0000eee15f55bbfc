"""One file that arrives in parts: appended under a lock, durable at each part's end, checked when a part says how."""

import fcntl
import hashlib
import os
from pathlib import Path, PurePosixPath

from pathserve.errors import Busy, Conflict, Invalid, busy_when_full
from pathserve.pyramid.manifest import fsync_folder, write_file

CHECKSUMS = ("sha256", "sha1")
"""Checksums of a part that are understood."""

_MAX_PATH_BYTES = 1024
_MAX_NAME_BYTES = 255
_MAX_DEPTH = 32


class UploadFile:
    """The bytes of one upload that have come so far; held by one thread of one process at a time.

    Bytes of a part with a checksum count only once the part has been checked: a mark beside the file says where such a
    part began, so that neither a lost connection nor a killed server leaves unchecked bytes behind.

    Parameters
    ----------
    path
        The file; made with its folders when absent, readable by its owner only.
    mark
        Where the mark lies while a checked part arrives.

    Raises
    ------
    Busy
        When somebody else is appending.
    Conflict
        When something that is no folder lies on the way to the file, or a folder in its place.
    """

    def __init__(self, path: Path, mark: Path) -> None:
        self._mark = mark
        self._descriptor = _open(path)
        self._checksum: hashlib._Hash | None = None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            begun = _begun(mark)
            if begun is not None:
                os.ftruncate(self._descriptor, begun)
                mark.unlink(missing_ok=True)
            self._offset = os.lseek(self._descriptor, 0, os.SEEK_END)
        except BlockingIOError:
            os.close(self._descriptor)
            raise Busy("Another request is still sending this upload; try again.", code="upload_locked") from None
        except BaseException:
            os.close(self._descriptor)
            raise
        self._start = self._offset

    @property
    def offset(self) -> int:
        """How many bytes the file has."""
        return self._offset

    def begin_checked(self, algorithm: str) -> None:
        """Say that the part that comes now is to be checked; one of `CHECKSUMS`."""
        self._checksum = hashlib.new(algorithm, usedforsecurity=False)
        self._mark.parent.mkdir(mode=0o700, exist_ok=True)
        write_file(self._mark, str(self._offset).encode("ascii"))
        fsync_folder(self._mark.parent)

    def append(self, data: bytes) -> None:
        """Append bytes.

        Raises
        ------
        Busy
            When the disk is full; what fitted is kept.
        """
        rest = memoryview(data)
        try:
            while rest:
                written = os.write(self._descriptor, rest)
                self._offset += written
                rest = rest[written:]
        except OSError as error:
            if (full := busy_when_full(error)) is not None:
                raise full from error
            raise
        if self._checksum is not None:
            self._checksum.update(data)

    def end(self, expected: bytes | None) -> None:
        """Make the part durable, or take it back when it was to be checked and is not what it should be.

        Parameters
        ----------
        expected
            The digest of a checked part that came whole, else None.

        Raises
        ------
        Invalid
            When the digest of a whole part differs (code ``checksum_mismatch``).
        """
        if self._checksum is None:
            os.fsync(self._descriptor)
            return
        good = expected is not None and self._checksum.digest() == expected
        if not good:
            os.ftruncate(self._descriptor, self._start)
            self._offset = self._start
        os.fsync(self._descriptor)
        self._mark.unlink(missing_ok=True)
        if expected is not None and not good:
            raise Invalid("The bytes of this part do not have the checksum that it states.", code="checksum_mismatch")

    def close(self) -> None:
        """Let go of the file and of its lock."""
        os.close(self._descriptor)


def durable_size(path: Path, mark: Path) -> int:
    """Tell how many bytes of an upload are on disk for good; 0 when there is no file yet. Needs no lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    begun = _begun(mark)
    return size if begun is None else min(size, begun)


def safe_relative(text: str) -> PurePosixPath:
    """Read a relative path that a client gives to a file of a set; it cannot lead out of the set's folder.

    Raises
    ------
    Invalid
        When it is absolute, climbs, is too long or too deep, or has characters that no scan's file name needs.
    """
    parts = text.split("/")
    fine = (
        len(text.encode("utf-8", "surrogatepass")) <= _MAX_PATH_BYTES
        and len(parts) <= _MAX_DEPTH
        and all(_is_plain(part) for part in parts)
    )
    if not fine:
        raise Invalid("The path of an uploaded file must be relative, without `..`, and of usual length and letters.")
    return PurePosixPath(*parts)


def _is_plain(part: str) -> bool:
    return (
        part not in ("", ".", "..")
        and part.isprintable()
        and not set(part) & set('\\:*?"<>|')
        and len(part.encode()) <= _MAX_NAME_BYTES
    )


def _begun(mark: Path) -> int | None:
    try:
        return int(mark.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return None


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise Conflict("Another file of this set has this path, or a part of it.") from None
