"""Which files a list of files and folders stands for."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pathserve.errors import NotFound
from pathserve.pyramid.layout import SUFFIX


def find_scans(paths: Iterable[Path]) -> list[Path]:
    """List the files that are named, and those in folders that are named, at any depth.

    Hidden files and folders are left out of folders, and so are Zarr stores; a file that is named is always in.

    Returns
    -------
    Sorted, each file once.

    Raises
    ------
    NotFound
        When something that is named does not exist.
    """
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found.update(_files_in(path))
        elif path.exists():
            found.add(path)
        else:
            raise NotFound("There is no such file or folder.")
    return sorted(found)


def _files_in(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and not name.endswith(SUFFIX)]
        for name in names:
            path = Path(parent) / name
            if not name.startswith(".") and path.is_file():
                yield path
