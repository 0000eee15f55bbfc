"""Where machine code is kept.

Whoever can write there has their code run by whoever loads it, so only folders that nobody else can write are taken.
"""

import atexit
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

INSTALLATION = Path(__file__).parent.parent / "__pycache__"
"""Where Python keeps what it compiles too."""

_TOLD = "NUMBA_CACHE_DIR"
_LOG = logging.getLogger(__name__)


def choose_folder(data: Path | None = None) -> Path:
    """Choose the folder, and tell the processes that this one starts.

    It is the one that ``NUMBA_CACHE_DIR`` names, else the installation, else ``machine-code`` in the data folder, else
    the user's cache: the first that this process can write, and nobody else but root. When there is none, it is one
    that goes with this process.

    Parameters
    ----------
    data
        The data folder, for whoever has one.
    """
    for folder in _places(data):
        if folder == INSTALLATION:
            # No more is asked of it than of the sources that lie there too.
            if os.access(folder if folder.exists() else folder.parent, os.W_OK | os.X_OK):
                os.environ.pop(_TOLD, None)
                return folder
        elif _can_keep(folder):
            os.environ[_TOLD] = str(folder)
            return folder
    folder = Path(tempfile.mkdtemp(prefix="pathserve-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[_TOLD] = str(folder)
    return folder


def _places(data: Path | None) -> Iterator[Path]:
    told = os.environ.get(_TOLD)
    if told:
        yield Path(told).absolute()
        _LOG.warning("Machine code is not kept where NUMBA_CACHE_DIR says: others can write there, or we cannot.")
    yield INSTALLATION
    if data is not None:
        yield data.absolute() / "machine-code"
    with suppress(RuntimeError):  # a user without a home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "pathserve"


def _can_keep(folder: Path) -> bool:
    """Tell whether a folder, which is made when it is absent, can be written by this process and nobody else."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.access(folder, os.W_OK | os.X_OK) and _is_closed(folder.resolve())
    except OSError:
        return False


def _is_closed(folder: Path) -> bool:
    """Tell whether nobody else can change what lies in a folder, or put another in its place."""
    if os.name == "nt":  # where folders of a user are closed by lists that are inherited
        return True
    if not _is_ours(folder.stat()):
        return False
    for above in folder.parents:
        about = above.stat()
        if not _is_ours(about) and not (about.st_uid == 0 and about.st_mode & stat.S_ISVTX):
            return False
    # What others cannot reach they cannot change, whatever it says itself.
    return not folder.stat().st_mode & 0o077 or all(_is_ours(inside.lstat()) for inside in folder.rglob("*"))


def _is_ours(about: os.stat_result) -> bool:
    return about.st_uid in (0, os.getuid()) and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
