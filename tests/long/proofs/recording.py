"""Which changes a program and its children make to a folder, as the kernel sees them: recorded with strace.

Whoever writes, it is seen: Python, SQLite's C code, a worker process. What cannot be modelled (a file that is written
through shared memory) ends the reading of the recording with an error, so nothing is missed
silently. SQLite's ``-shm`` file is left out: it is no part of what a disk must keep, and is made anew.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CALLS = (
    "open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,rename,renameat,renameat2,link,linkat,symlink,symlinkat,"
    "fsync,fdatasync,sync_file_range,sync,syncfs,unlink,unlinkat,rmdir,mkdir,mkdirat,truncate,ftruncate,fallocate,"
    "copy_file_range,sendfile,splice,lseek,mmap"
)
_LINE = re.compile(rb"(\d+) +(.*)\Z", re.DOTALL)
_RESUMED = re.compile(rb"<\.\.\. \w+ resumed>,? ?(.*)\Z", re.DOTALL)
_CALL = re.compile(rb"(\w+)\((.*)\) += (-?\d+)(.*)\Z", re.DOTALL)
_TOKEN = re.compile(rb'\s*(?:"((?:\\x[0-9a-f]{2})*)"|(?:AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?|([^,]+))')
_UNFINISHED = b" <unfinished ...>"
_IGNORED = "-shm"


@dataclass(frozen=True, slots=True)
class Name:
    """Entries of folders that change in one step: (folder, name, what it names now or None)."""

    changes: tuple[tuple[int, str, int | None], ...]
    folder: int
    """The folder whose fsync makes the step last."""


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that go into a file."""

    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A new length of a file."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """The moment at which everything done to a file or folder by the first ``before`` operations is on the disk.

    ``node`` is None when it was done to all of them.
    """

    node: int | None
    before: int


Operation = Name | Write | Truncate | Sync


@dataclass(slots=True)
class Recording:
    """Operations in the order in which they were completed; folder 0 is the recorded one, empty at first."""

    operations: list[Operation] = field(default_factory=list)
    folders: set[int] = field(default_factory=lambda: {0})


def record(command: Sequence[str], folder: Path, trace: Path) -> Recording:
    """Run a program that ends well, and give what it did to an existing, empty folder.

    Raises
    ------
    RuntimeError
        When there is no strace, or the program fails.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise RuntimeError("This proof records system calls with strace, which is missing: apt-get install strace")
    options = ("-f", "-y", "-xx", "-s", "1000000000", "--seccomp-bpf", "-e", "signal=none", "-e", f"trace={_CALLS}")
    run = subprocess.run([strace, *options, "-o", str(trace), *command], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"the recorded program failed: {run.stderr[-2000:]}")
    return read_trace(trace, folder)


def read_trace(trace: Path, folder: Path) -> Recording:
    """Read what strace wrote."""
    reader = _Reader(os.fsencode(folder.resolve()))
    for line in _calls(trace):
        reader.take(*line)
    return reader.recording


def _calls(trace: Path) -> Iterator[tuple[bytes, int | None, bool]]:
    """Give each call as one text, with its thread where it only begins, and whether it is complete."""
    begun: dict[int, bytes] = {}
    with trace.open("rb") as file:
        for line in file:
            found = _LINE.match(line.rstrip(b"\n"))
            if found is None:
                continue
            thread, text = int(found[1]), found[2]
            if text.endswith(_UNFINISHED):
                begun[thread] = text.removesuffix(_UNFINISHED)
                yield begun[thread], thread, False
                continue
            resumed = _RESUMED.match(text)
            if resumed is not None:
                yield begun.pop(thread) + resumed[1], thread, True
            else:
                yield text, thread, True


def _bytes(hexadecimal: bytes) -> bytes:
    return bytes.fromhex(hexadecimal.replace(b"\\x", b"").decode())


@dataclass(slots=True)
class _Arguments:
    """The arguments of a call: texts, paths of file descriptors, and the rest as it is written."""

    texts: list[bytes] = field(default_factory=list)
    paths: list[bytes | None] = field(default_factory=list)
    rest: list[bytes] = field(default_factory=list)

    @classmethod
    def parse(cls, text: bytes) -> "_Arguments":
        made = cls()
        for found in _TOKEN.finditer(text):
            if found[1] is not None:
                made.texts.append(_bytes(found[1]))
            elif found[2] is not None:
                made.paths.append(None if found[3] else _bytes(found[2]))
            elif found[4].strip():
                made.rest.append(found[4].strip())
        return made

    def named(self, which: int = 0) -> bytes:
        """Give the absolute path of a name: a path of its own, or one below a descriptor's folder."""
        folder = self.paths[which] if which < len(self.paths) else None
        return os.path.normpath(os.path.join(folder or b"/", self.texts[which]))


class _Reader:
    """Follows names to what they name, as the kernel does."""

    def __init__(self, root: bytes) -> None:
        self.recording = Recording()
        self._root = root
        self._entries: dict[int, dict[str, int]] = {0: {}}
        self._sizes: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self._appending: set[int] = set()
        self._began: dict[int, int] = {}
        self._next = 1
        self._handlers: dict[bytes, Callable[[_Arguments, int], None]] = {
            **dict.fromkeys((b"open", b"openat"), self._open),
            b"write": self._write,
            b"pwrite64": self._pwrite,
            b"lseek": self._seek,
            b"ftruncate": self._truncate,
            **dict.fromkeys((b"rename", b"renameat", b"renameat2"), self._rename),
            **dict.fromkeys((b"link", b"linkat"), self._link),
            **dict.fromkeys((b"unlink", b"unlinkat", b"rmdir"), self._unlink),
            **dict.fromkeys((b"mkdir", b"mkdirat"), self._mkdir),
            b"mmap": self._map,
        }

    def take(self, text: bytes, thread: int | None, complete: bool) -> None:
        """Note one call; one that only begins is noted for what an fsync may count on."""
        if not complete:
            self._began[thread or 0] = len(self.recording.operations)
            return
        before = self._began.pop(thread or 0, len(self.recording.operations))
        found = _CALL.match(text)
        if found is None or int(found[3]) < 0:
            return
        name, given, result = found[1], _Arguments.parse(found[2]), int(found[3])
        if name in (b"fsync", b"fdatasync"):
            node = self._at(given.paths[0])
            if node is not None:
                self.recording.operations.append(Sync(node, before))
        elif name == b"sync":
            self.recording.operations.append(Sync(None, before))
        elif name in self._handlers:
            self._handlers[name](given, result)
        elif any(self._is_inside(path) for path in (*given.paths, *given.texts)):
            raise RuntimeError(f"the recorded program used {name.decode()}, which the model does not know")

    def _is_inside(self, path: bytes | None) -> bool:
        return path is not None and (path == self._root or path.startswith(self._root + b"/"))

    def _parts(self, path: bytes | None) -> list[str] | None:
        if path is None or not self._is_inside(path) or path.endswith(_IGNORED.encode()):
            return None
        return os.fsdecode(path[len(self._root) :]).strip("/").split("/") if path != self._root else []

    def _at(self, path: bytes | None) -> int | None:
        """Find what a path names; None outside of the folder, and for what is gone."""
        parts = self._parts(path)
        if parts is None:
            return None
        node: int | None = 0
        for part in parts:
            node = None if node is None else self._entries.get(node, {}).get(part)
        return node

    def _place(self, path: bytes) -> tuple[int, str] | None:
        parts = self._parts(path)
        if not parts:
            return None
        parent = self._at(os.path.dirname(path))
        if parent is None:
            raise RuntimeError("the recorded program used a folder that nobody made")
        return parent, parts[-1]

    def _name(self, *changes: tuple[int, str, int | None]) -> None:
        for folder, name, node in changes:
            if node is None:
                self._entries[folder].pop(name, None)
            else:
                self._entries[folder][name] = node
        self.recording.operations.append(Name(changes, changes[-1][0]))

    def _new(self) -> int:
        self._next += 1
        return self._next - 1

    def _open(self, given: _Arguments, result: int) -> None:
        path = given.named()
        flags = next((part for part in given.rest if b"O_" in part), b"")
        place = self._place(path) if b"O_CREAT" in flags else None
        if place is not None and self._at(path) is None:
            node = self._new()
            self._sizes[node] = 0
            self._name((*place, node))
        node_or_none = self._at(path)
        if node_or_none is None or node_or_none in self.recording.folders:
            return
        self._positions[node_or_none] = 0
        if b"O_APPEND" in flags:
            self._appending.add(node_or_none)
        if b"O_TRUNC" in flags and self._sizes[node_or_none]:
            self._set_size(node_or_none, 0)

    def _set_size(self, node: int, size: int) -> None:
        self._sizes[node] = size
        self.recording.operations.append(Truncate(node, size))

    def _put(self, node: int, offset: int, data: bytes) -> None:
        self._sizes[node] = max(self._sizes[node], offset + len(data))
        self.recording.operations.append(Write(node, offset, data))

    def _write(self, given: _Arguments, result: int) -> None:
        node = self._at(given.paths[0]) if given.paths else None
        if node is None:
            return
        offset = self._sizes[node] if node in self._appending else self._positions[node]
        self._put(node, offset, given.texts[0][:result])
        self._positions[node] = offset + result

    def _pwrite(self, given: _Arguments, result: int) -> None:
        node = self._at(given.paths[0])
        if node is not None:
            self._put(node, int(given.rest[-1]), given.texts[0][:result])

    def _seek(self, given: _Arguments, result: int) -> None:
        node = self._at(given.paths[0]) if given.paths else None
        if node is not None:
            self._positions[node] = result

    def _truncate(self, given: _Arguments, result: int) -> None:
        node = self._at(given.paths[0])
        if node is not None:
            self._set_size(node, int(given.rest[-1]))

    def _rename(self, given: _Arguments, result: int) -> None:
        old, new = given.named(0), given.named(1)
        if not (self._is_inside(old) or self._is_inside(new)):
            return
        source, target, node = self._place(old), self._place(new), self._at(old)
        if source is None or target is None or node is None:
            raise RuntimeError("the recorded program moved something in or out of the folder")
        self._name((*source, None), (*target, node))

    def _link(self, given: _Arguments, result: int) -> None:
        old, new = given.named(0), given.named(1)
        if not (self._is_inside(old) or self._is_inside(new)):
            return
        target, node = self._place(new), self._at(old)
        if target is None or node is None:
            raise RuntimeError("the recorded program linked something into or out of the folder")
        self._name((*target, node))

    def _unlink(self, given: _Arguments, result: int) -> None:
        path = given.named()
        place = self._place(path) if self._parts(path) is not None else None
        if place is not None:
            self._name((*place, None))

    def _mkdir(self, given: _Arguments, result: int) -> None:
        place = self._place(given.named()) if self._parts(given.named()) else None
        if place is not None:
            node = self._new()
            self._entries[node] = {}
            self.recording.folders.add(node)
            self._name((*place, node))

    def _map(self, given: _Arguments, result: int) -> None:
        shared = any(b"MAP_SHARED" in part for part in given.rest) and any(b"PROT_WRITE" in part for part in given.rest)
        if shared and given.paths and self._at(given.paths[0]) is not None:
            raise RuntimeError("the recorded program wrote a file through shared memory, which strace cannot see")
