"""The states in which a disk may be after a power cut, made from a recording.

The disk keeps what an fsync has brought to it and nothing else for certain. A file's content lasts from the fsync of
the file on; a name lasts from the fsync of its folder on. Of everything younger, any part may have arrived:

``none``
    nothing of it;
``all``
    all of it (the state after kill -9);
``names``
    all names and lengths, but none of the content: files of zeros, as file systems with delayed writing leave them;
``contents``
    all content, but no new name;
``parts``
    of each folder its first changes, of each file any of its writes, and of a write perhaps only its first sectors.

A rename is one step: nobody sees it half done. Changes of one folder arrive in their order.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from proofs.recording import Name, Operation, Recording, Sync, Truncate, Write

SECTOR = 512


@dataclass(frozen=True, slots=True)
class DiskState:
    """A folder after a power cut: files by path, folders by path, and how it came about."""

    label: str
    files: dict[str, bytes]
    folders: tuple[str, ...]
    at: int
    """How many operations had been completed."""

    def digest(self) -> bytes:
        """Name the content, so that equal states are tried once."""
        digest = hashlib.sha256()
        for path in self.folders:
            digest.update(f"folder {path}\n".encode())
        for path, content in sorted(self.files.items()):
            digest.update(f"file {path} {len(content)}\n".encode() + hashlib.sha256(content).digest())
        return digest.digest()

    def write_to(self, folder: Path) -> None:
        """Make the folder as the disk has it."""
        folder.mkdir(parents=True)
        for path in sorted(self.folders):
            (folder / path).mkdir(parents=True, exist_ok=True)
        for path, content in self.files.items():
            (folder / path).write_bytes(content)


def disk_states(
    recording: Recording, *, parts: int, seed: int, every: int = 1, since: int = 0, names_with_files: bool = False
) -> Iterator[DiskState]:
    """Give the states at each moment at which an fsync is about to happen, and at the end; each content once.

    Parameters
    ----------
    parts
        How many states of the kind ``parts`` are drawn at each moment.
    every
        Only every n-th moment; the last one always.
    since
        Only moments after that many operations.
    names_with_files
        Whether the fsync of a file makes its name last too. POSIX does not say so; ext4, XFS and btrfs do it.
    """
    random = np.random.default_rng(seed)
    total = len(recording.operations)
    moments = [at for at, operation in enumerate(recording.operations) if isinstance(operation, Sync) and at > since]
    seen: set[bytes] = set()
    for at in [*moments[::every], total]:
        disk = _Disk(recording, at, names_with_files=names_with_files)
        drawn = [(f"parts {k}", disk.state("parts", random)) for k in range(parts)]
        kinds = ("none", "all", "names", "contents")
        for kind, (files, folders) in [(kind, disk.state(kind, random)) for kind in kinds] + drawn:
            state = DiskState(f"operation {at} of {total}, {kind}", files, folders, at)
            if (digest := state.digest()) not in seen:
                seen.add(digest)
                yield state


class _Disk:
    """What is certain and what is not at one moment."""

    def __init__(self, recording: Recording, at: int, *, names_with_files: bool) -> None:
        self._names_with_files = names_with_files
        self._recording = recording
        self._done = recording.operations[:at]
        self._certain: dict[int | None, int] = {}
        for operation in self._done:
            if isinstance(operation, Sync):
                self._certain[operation.node] = max(self._certain.get(operation.node, 0), operation.before)

    def state(self, kind: str, random: np.random.Generator) -> tuple[dict[str, bytes], tuple[str, ...]]:
        """Give one state: files and folders by path."""
        entries: dict[int, dict[str, int]] = {}
        contents: dict[int, bytearray] = {}
        stopped: set[int] = set()
        for index, operation in enumerate(self._done):
            if isinstance(operation, Name):
                if self._arrives(index, operation, kind, stopped, random):
                    _apply(entries, operation)
            elif not isinstance(operation, Sync):
                _change(contents, operation, self._fate(index, operation, kind, random))
        files: dict[str, bytes] = {}
        folders: list[str] = []
        self._walk(0, "", entries, contents, files, folders)
        return files, tuple(sorted(folders))

    def _is_certain(self, index: int, node: int) -> bool:
        return index < max(self._certain.get(node, 0), self._certain.get(None, 0))

    def _arrives(self, index: int, operation: Name, kind: str, stopped: set[int], random: np.random.Generator) -> bool:
        if self._is_certain(index, operation.folder):
            return True
        if self._names_with_files and any(self._is_certain(index, node) for *_, node in operation.changes if node):
            return True
        if kind != "parts":
            return kind in ("all", "names")
        touched = {folder for folder, _, _ in operation.changes}
        if touched & stopped or random.random() < 0.3:
            stopped |= touched
            return False
        return True

    def _fate(self, index: int, operation: Operation, kind: str, random: np.random.Generator) -> str | int:
        """Tell what arrives of a write: all, its length alone, nothing, or its first bytes."""
        node = operation.file if isinstance(operation, Write | Truncate) else -1
        if self._is_certain(index, node) or kind in ("all", "contents"):
            return "all"
        if kind == "names":
            return "length"
        if kind == "none":
            return "nothing"
        draw = random.random()
        if draw < 0.4:
            return "all"
        if draw < 0.6:
            return "length"
        if draw < 0.8 or not isinstance(operation, Write):
            return "nothing"
        return int(random.integers(0, len(operation.data) // SECTOR + 1)) * SECTOR

    def _walk(
        self,
        folder: int,
        path: str,
        entries: dict[int, dict[str, int]],
        contents: dict[int, bytearray],
        files: dict[str, bytes],
        folders: list[str],
    ) -> None:
        for name, node in entries.get(folder, {}).items():
            if node in self._recording.folders:
                folders.append(path + name)
                self._walk(node, f"{path}{name}/", entries, contents, files, folders)
            else:
                files[path + name] = bytes(contents.get(node, b""))


def _apply(entries: dict[int, dict[str, int]], operation: Name) -> None:
    for folder, name, node in operation.changes:
        if node is None:
            entries.setdefault(folder, {}).pop(name, None)
        else:
            entries.setdefault(folder, {})[name] = node


def _change(contents: dict[int, bytearray], operation: Operation, fate: str | int) -> None:
    if fate == "nothing":
        return
    if isinstance(operation, Truncate):
        content = contents.setdefault(operation.file, bytearray())
        del content[operation.size :]
        content.extend(bytes(operation.size - len(content)))
    elif isinstance(operation, Write):
        content = contents.setdefault(operation.file, bytearray())
        data = operation.data[:fate] if isinstance(fate, int) else operation.data
        end = operation.offset + len(data)
        content.extend(bytes(max(0, end - len(content))))
        if fate != "length":
            content[operation.offset : end] = data
