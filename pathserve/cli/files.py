"""Files that commands write: there as a whole or not at all."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO
from uuid import uuid4

STANDARD = Path("-")
"""How standard input and output are named."""


@contextmanager
def whole_file(output: Path) -> Iterator[BinaryIO]:
    """Give where to write what becomes the file ``output`` when all of it is there.

    Of a link, what it leads to becomes the file. A pipe or a device is written to as it is and stays what it is.
    """
    if output.exists() and not output.is_file():
        with output.open("wb") as file:
            yield file
        return
    target, part = _places(output)
    try:
        with part.open("xb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """Give the path of a folder to make, which becomes ``output`` when all of it is there; nothing may be there yet."""
    target, part = _places(output)
    try:
        yield part
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def as_file(given: Path, folder: Path) -> Iterator[Path]:
    """Give a file that can be read from its beginning again and again.

    What comes through a pipe, or for ``-`` from standard input, is kept in ``folder`` meanwhile.
    """
    if not (given == STANDARD or given.is_fifo() or given.is_socket()):
        yield given
        return
    with NamedTemporaryFile(dir=folder) as kept:
        with sys.stdin.buffer if given == STANDARD else given.open("rb") as source:
            shutil.copyfileobj(source, kept)
        kept.flush()
        yield Path(kept.name)


def _places(output: Path) -> tuple[Path, Path]:
    """Give where the result lies, and beside it where it grows."""
    target = output.resolve()
    return target, target.with_name(f".{uuid4().hex}.part")
