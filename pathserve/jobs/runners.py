"""Which processes that run jobs are alive: each holds a lock that the system takes from it when it ends, however."""

import fcntl
import os
import secrets
from pathlib import Path


class RunnerLock:
    """A runner's sign of life: a locked file, named by a random id that is never used again.

    A process number or a heartbeat can lie (a number is used again, a busy machine is slow); the lock ends with its
    process, not before and not after.

    Parameters
    ----------
    folder
        Where the locks of all runners of a data folder lie.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.id = secrets.token_urlsafe(12)
        self._path = folder / self.id
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def release(self) -> None:
        """Say that this runner has ended."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def is_alive(folder: Path, runner: str) -> bool:
    """Tell whether the runner of this id still holds its lock; the file of one that does not is deleted."""
    path = folder / runner
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)
