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
from pathlib import Path

from pathserve.native import choose_folder, kernels_of, key_of

MODULES = (
    "pathserve.annotations.chunk_kernels",
    "pathserve.annotations.gather_kernels",
    "pathserve.annotations.id_kernels",
    "pathserve.annotations.json_number_kernels",
    "pathserve.annotations.mvt_kernels",
    "pathserve.annotations.record_kernels",
    "pathserve.annotations.tile_kernels",
    "pathserve.formats.geojson.scan",
    "pathserve.formats.geojson.text_kernels",
    "pathserve.geometry.ring_kernels",
)

_LOW_PRIORITY = 10
_LOOK_SECONDS = 0.2


def load_kernels() -> None:
    """Load them, which takes no numba once they are compiled."""
    for name in MODULES:
        kernels_of(name)


def compile_apart(wait: Callable[[float], bool]) -> None:
    """Have another process compile what is not kept yet; should that fail, it is compiled when it is needed.

    Parameters
    ----------
    wait
        Waits so many seconds at most, and tells whether this process is about to end.
    """
    if _mark(choose_folder()).exists():
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
    """Compile everything into the folder that is chosen, and leave a mark there; one process at a time does it."""
    os.nice(_LOW_PRIORITY)
    os.umask(0o022)  # what others could write would not be taken again
    folder = choose_folder()
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
    return folder / f"pathserve-kernels-{key_of(MODULES)}"


if __name__ == "__main__":
    main()
