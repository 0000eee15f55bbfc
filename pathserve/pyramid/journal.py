"""Which shards of a pyramid under construction are finished: so a build that was killed goes on where it stopped."""

import os
import shutil
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from pathserve.pyramid.manifest import FileRecord, fsync_folder

_NAME = "journal"


class Journal:
    """An append-only file beside the pyramid under construction: one line names the build, one each finished shard.

    A line is written when its shard is complete and on the disk. A build with another fingerprint starts afresh.

    Parameters
    ----------
    staging
        Folder that holds the journal and, in ``pyramid``, the group.
    fingerprint
        Names everything that the bytes of the shards depend on.
    """

    def __init__(self, staging: Path, fingerprint: str) -> None:
        self.folder = staging / "pyramid"
        self._path = staging / _NAME
        self._lock = Lock()
        found = self._load(fingerprint)
        if found is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._path.unlink(missing_ok=True)
        self.finished: dict[str, FileRecord] = found or {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._file).st_size
        if size == 0:
            self._append({"build": fingerprint})
            fsync_folder(staging)
        elif os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")  # the line at which the last build was killed stays alone and is ignored

    def add(self, path: str, record: FileRecord) -> None:
        """Note that a shard is finished."""
        with self._lock:
            self._append({"shard": path, "size": record.size, "sha256": record.sha256})
            self.finished[path] = record

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _append(self, entry: dict[str, Any]) -> None:
        os.write(self._file, orjson.dumps(entry) + b"\n")

    def _load(self, fingerprint: str) -> dict[str, FileRecord] | None:
        """Read which shards are finished and still there in their size; None when it is no journal of this build."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return None
        entries = [entry for line in lines if (entry := _parse(line)) is not None]
        if not entries or entries[0].get("build") != fingerprint:
            return None
        shards = [entry for entry in entries[1:] if entry.keys() >= {"shard", "size", "sha256"}]
        records = {entry["shard"]: FileRecord(entry["size"], entry["sha256"]) for entry in shards}
        return {path: record for path, record in records.items() if self._is_there(path, record)}

    def _is_there(self, path: str, record: FileRecord) -> bool:
        try:
            return (self.folder / path).stat().st_size == record.size
        except OSError:
            return False


def is_building(staging: Path, fingerprint: str) -> bool:
    """Tell whether a folder, seen from wherever this runs, is that of a build."""
    try:
        with (staging / _NAME).open("rb") as file:
            entry = _parse(file.readline())
    except OSError:
        return False
    return entry is not None and entry.get("build") == fingerprint


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) else None
