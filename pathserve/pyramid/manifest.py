"""The manifest decides what exists: size and SHA-256 of every file of a pyramid. Written last."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from pathserve.errors import Corrupt, Unsupported
from pathserve.pyramid.layout import FORMAT

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file: its size in bytes and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every file of a pyramid by its path inside the group, and the SHA-256 of the scan that it was made from.

    ``missing_levels`` are still to be built, and are made on request until then.
    """

    content_hash: str
    files: Mapping[str, FileRecord]
    missing_levels: tuple[int, ...] = ()

    def to_bytes(self) -> bytes:
        """Give the stored form, the same bytes for the same content."""
        files = {path: [record.size, record.sha256] for path, record in sorted(self.files.items())}
        return orjson.dumps(
            {
                "format": FORMAT,
                "content_hash": self.content_hash,
                "files": files,
                "missing_levels": list(self.missing_levels),
            }
        )

    @classmethod
    def parse(cls, raw: bytes) -> "Manifest":
        """Read the stored form.

        Raises
        ------
        Corrupt
            When it is damaged.
        Unsupported
            When a newer PathServe wrote it.
        """
        try:
            document: Any = orjson.loads(raw)
            version = int(document["format"])
            files = {path: FileRecord(int(size), str(digest)) for path, (size, digest) in document["files"].items()}
            content_hash = str(document["content_hash"])
            missing = tuple(int(level) for level in document.get("missing_levels", ()))
        except (LookupError, TypeError, ValueError, AttributeError):
            raise Corrupt("The manifest of a stored slide is damaged.") from None
        if version > FORMAT:
            raise Unsupported("A newer version of PathServe wrote this slide.")
        return cls(content_hash, files, missing)


def write_file(path: Path, data: bytes) -> FileRecord:
    """Write a small file so that it is either there in full and on the disk, or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return FileRecord(len(data), hashlib.sha256(data).hexdigest())


def digest_of(path: Path) -> FileRecord:
    """Read a file in blocks and give what the manifest would say about it."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return FileRecord(size, digest.hexdigest())


def fsync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
