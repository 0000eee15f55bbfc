"""Where the body of an import lies until it is read: a file that goes with the import, or with the server."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX, _FILE = "import-", "file"
_UNLOCKED_SECONDS = 60.0


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give the path of an empty file that is gone afterwards; while it is there this process holds its lock."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=_PREFIX) as name:
        path = Path(name) / _FILE
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield path
        finally:
            os.close(descriptor)


def sweep_staged(folder: Path) -> None:
    """Delete what imports have left behind whose server was killed: nobody holds the lock of their file."""
    for left in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            # A younger one may be about to get its lock.
            if time.time() - left.stat().st_mtime > _UNLOCKED_SECONDS and not _is_held(left / _FILE):
                shutil.rmtree(left, ignore_errors=True)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
