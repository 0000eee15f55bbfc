"""Where published pyramids lie: the seam between those who read them and a disk or an object store."""

import os
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from pathserve.errors import Corrupt, NotFound
from pathserve.pyramid.layout import MANIFEST
from pathserve.pyramid.manifest import FileRecord, Manifest, digest_of
from pathserve.pyramid.shards import ShardFile

Told = Callable[[int, int], None] | None
"""Told how many files are done and how many there are."""


class Shard(Protocol):
    """A shard that is open: its index is in memory."""

    def chunk(self, slot: int, *, wait: bool = True) -> bytes | None:
        """Read the chunk of a slot; None when the shard holds none.

        Raises
        ------
        BlockingIOError
            When ``wait`` is False and the bytes are not at hand.
        Corrupt
            When the bytes cannot be read.
        Busy
            When the store does not answer.
        """

    def chunk_at_hand(self, slot: int) -> bytearray | None:
        """Read as :meth:`chunk` does when it shall not wait, in the cheapest way."""


class Files(Protocol):
    """The files of one pyramid, by their paths inside the group."""

    def exists(self) -> bool:
        """Tell whether anything is published here."""

    def read(self, path: str) -> bytes:
        """Read a small file; OSError when it is missing or cannot be read."""

    def part(self, path: str, start: int, length: int) -> bytes:
        """Read a part of a file, fewer bytes where it ends before; OSError as :meth:`read`.

        Nothing stays open in between, so that who stops in the middle leaves nothing behind.
        """

    def shard(self, path: str, size: int) -> Shard:
        """Open a shard of this size; Corrupt when it is missing, cut off or its index is damaged."""

    def record(self, path: str) -> FileRecord:
        """Read a file to its end and give its size and SHA-256; OSError when it is missing or cannot be read."""

    def identity(self, *, wait: bool = True) -> Hashable:
        """Tell which manifest lies here, so that a removed or replaced slide is noticed.

        Raises
        ------
        BlockingIOError
            When ``wait`` is False and a store would have to be asked.
        """


class Slides(Protocol):
    """All published pyramids of a data folder.

    A staging folder holds, in ``pyramid``, the group under construction, and belongs to one slide.
    """

    def probe(self) -> None:
        """Make sure that the store does what publishing and reading rely on.

        Raises
        ------
        Unsupported
            When it does not.
        Busy
            When it cannot be reached, or refuses the credentials.
        """

    def files(self, slide_id: str) -> Files:
        """Give the files of a slide, whether it is there or not."""

    def publish(self, staged: Path, slide_id: str, progress: Told = None) -> None:
        """Check a complete pyramid and make it visible in one step.

        Raises
        ------
        Corrupt
            When a file differs from the manifest; nothing is published then.
        Conflict
            When something is published under this id already.
        """

    def publish_rest(self, staged: Path, slide_id: str, progress: Told = None) -> None:
        """Give a published pyramid the levels that it lacks; raises as :meth:`publish`."""

    def at_hand(self, slide_id: str, staging: Path) -> Path:
        """Tell in which folder a process without access to the store finds what is published."""

    def bring(self, slide_id: str, staging: Path) -> None:
        """Make sure that what is published is in that folder."""

    def discarded(self, slide_id: str) -> AbstractContextManager[None]:
        """Take a slide out of sight in one step, and delete it at the end; one that is not there is fine.

        When what is done meanwhile fails, the slide is where it was.
        """

    def sweep(self, is_listed: Callable[[str], bool]) -> None:
        """Delete what was never published and what removals left, when nobody has gone on with it for long."""


class DiskFiles:
    """A pyramid in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest = str(folder / MANIFEST)

    def exists(self) -> bool:
        """Tell whether there is a folder."""
        return self.folder.is_dir()

    def read(self, path: str) -> bytes:
        """Read a small file."""
        return (self.folder / path).read_bytes()

    def part(self, path: str, start: int, length: int) -> bytes:
        """Read a part of a file."""
        descriptor = os.open(self.folder / path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, length, start)
        finally:
            os.close(descriptor)

    def shard(self, path: str, size: int) -> ShardFile:
        """Open a shard."""
        return ShardFile(self.folder / path, size)

    def record(self, path: str) -> FileRecord:
        """Read a file to its end."""
        return digest_of(self.folder / path)

    def identity(self, *, wait: bool = True) -> tuple[int, int]:
        """Ask the file system, which never has to be waited for; (0, 0) when there is no manifest."""
        del wait
        try:
            status = os.stat(self._manifest)
        except OSError:
            return 0, 0
        return status.st_ino, status.st_mtime_ns


def as_files(where: Path | Files) -> Files:
    """Take a folder as files."""
    return DiskFiles(where) if isinstance(where, Path) else where


def load_manifest(where: Path | Files) -> Manifest:
    """Read the manifest of a pyramid.

    Raises
    ------
    NotFound
        When there is no pyramid.
    Corrupt
        When the manifest is missing or damaged.
    Unsupported
        When a newer PathServe wrote it.
    Busy
        When the store does not answer.
    """
    files = as_files(where)
    try:
        raw = files.read(MANIFEST)
    except FileNotFoundError:
        if not files.exists():
            raise NotFound("There is no such slide.") from None
        raise Corrupt("The manifest of a stored slide is missing.") from None
    except OSError:
        raise Corrupt("The manifest of a stored slide is damaged.") from None
    return Manifest.parse(raw)
