"""Label and macro of an open scan, written for the parent to keep."""

import os
import shutil
from pathlib import Path

from pathserve.pixels import PixelSource
from pathserve.slides.associated import NAMES, encode_neutral, read_associated

SUFFIX = ".jpg"


def write_pictures(source: PixelSource, path: Path, folder: Path) -> tuple[str, ...]:
    """Write the label and macro of an open scan into a folder; give the names of what there was."""
    _fresh(folder)
    written = []
    for name in NAMES:
        picture = read_associated(source, path, name)
        if picture is not None:
            _write(folder / (name + SUFFIX), encode_neutral(picture))
            written.append(name)
    return tuple(written)


def _fresh(folder: Path) -> None:
    """Make an empty folder, whatever an interrupted ingest left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
