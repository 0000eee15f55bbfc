"""All machine code, loaded when a server starts: commands that need none of it are spared what it takes.

A request that came first would wait for a second, and all others with it. A server that loads them later would also
mix them with what an update has put in the place of older modules meanwhile.

After an installation or an update the code must be compiled first: half a minute of processor time, once. A server has
it done by another process of low priority, so that its answers do not wait. ``python -m
pathserve.server.kernels`` does it beforehand, as when an image is built.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile

from pathserve.annotations import chunk_shapes
from pathserve.formats.geojson import geojson_text

MODULES = (
    "pathserve.annotations.mvt_kernels",
    "pathserve.annotations.tile_kernels",
    "pathserve.annotations.gather_kernels",
    "pathserve.annotations.id_kernels",
    "pathserve.annotations.json_number_kernels",
    "pathserve.annotations.record_kernels",
    "pathserve.formats.geojson.json_kernels",
    "pathserve.formats.geojson.scan",
    "pathserve.geometry.ring_kernels",
)

_CACHE = "NUMBA_CACHE_DIR"
_LOW_PRIORITY = 10
_LOOK_SECONDS = 0.2
_PACKAGE = Path(__file__).parent.parent
_SOURCES = ("*kernels.py", "scan.py", "compiling.py")


def load_kernels() -> None:
    """Load them; takes a second or two of processor time once they are compiled."""
    for name in MODULES:
        import_module(name)
    chunk_shapes.load_kernels()
    geojson_text.load_kernel()


def use_writable_cache(data: Path) -> Path:
    """Choose the folder that keeps compiled code, and give it.

    That is what ``NUMBA_CACHE_DIR`` says, else the installation. When this process may not write there, it is a folder
    of the data folder: without any, numba compiles nothing at all. Must be called before numba is loaded.
    """
    told = os.environ.get(_CACHE)
    folder = Path(told) if told else _PACKAGE / "__pycache__"
    if not _is_writable(folder):
        folder = data / "machine-code"
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ[_CACHE] = str(folder)
    return folder


def compile_apart(folder: Path, wait: Callable[[float], bool]) -> None:
    """Have another process compile what is not in the cache yet; should that fail, it is compiled when it is needed.

    Parameters
    ----------
    folder
        What `use_writable_cache` gave.
    wait
        Waits so many seconds at most, and tells whether this process is about to end.
    """
    if _mark(folder).exists():
        return
    try:
        child = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - this program
    except OSError:
        return
    while child.poll() is None:
        if wait(_LOOK_SECONDS):
            child.terminate()
            child.wait()


def main() -> None:
    """Compile everything into the cache of the environment, and leave a mark there; one process at a time does it."""
    os.nice(_LOW_PRIORITY)
    told = os.environ.get(_CACHE)
    folder = Path(told) if told else _PACKAGE / "__pycache__"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pathserve-kernels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark = _mark(folder)
        if not mark.exists():
            load_kernels()
            for old in folder.glob("pathserve-kernels-*"):
                old.unlink(missing_ok=True)
            mark.touch()


def _mark(folder: Path) -> Path:
    """Give the file that is there when everything has been compiled out of what the sources are now."""
    digest = sha256()
    for file in sorted(file for pattern in _SOURCES for file in _PACKAGE.rglob(pattern)):
        digest.update(file.read_bytes())
    return folder / f"pathserve-kernels-{sys.implementation.cache_tag}-{digest.hexdigest()[:16]}"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
