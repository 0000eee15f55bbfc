"""Which scans a list of files and folders stands for."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pathserve.errors import NotFound, Unsupported
from pathserve.pyramid.layout import MANIFEST
from pathserve.slides import Scan, is_zarr
from pathserve.slides.dicom import group_files, is_dicom
from pathserve.slides.scan import with_companions


def _pass(_: Path) -> None:
    """Take news that nobody asked for."""


def find_scans(paths: Iterable[Path], *, unreadable: Callable[[Path], None] = _pass) -> list[Scan]:
    """List the scans that are named, and those in folders that are named, at any depth.

    A Zarr store is one scan; a scan that keeps its pixels in further files has those with it, and the DICOM files of
    one series in one folder are one scan. Hidden files and folders are left out of folders, and so are indexes of DICOM
    files (DICOMDIR) and PathServe's own slides; what is named is always in. Links to files are followed, links to
    folders in folders are not.

    Parameters
    ----------
    unreadable
        Told of each folder that cannot be looked into; the others are looked into all the same.

    Returns
    -------
    Sorted, each scan once.

    Raises
    ------
    NotFound
        When something that is named does not exist.
    Unsupported
        When it is neither a file nor a folder.
    """
    found: dict[Path, Scan] = {}
    for path in paths:
        if not path.exists():
            raise NotFound("There is no such file or folder.")
        if not (path.is_file() or path.is_dir()):
            raise Unsupported("Only ordinary files can be ingested.")
        for scan in [with_companions(path)] if path.is_file() or is_zarr(path) else _scans_in(path, unreadable):
            found.setdefault(scan.main, scan)
    companions = {file for scan in found.values() for file in scan.files if file != scan.main}
    return sorted((scan for main, scan in found.items() if main not in companions), key=lambda scan: scan.main)


def _scans_in(folder: Path, unreadable: Callable[[Path], None]) -> Iterator[Scan]:
    """List the scans of a folder; DICOM files are looked at once, all together."""
    dicom: list[Path] = []
    for path in _entries(folder, unreadable):
        if is_dicom(path):
            dicom.append(path)
        else:
            yield with_companions(path)
    yield from (Scan(files[0], files) for files in group_files(dicom))


def _entries(folder: Path, unreadable: Callable[[Path], None]) -> Iterator[Path]:
    """List the files of a folder and the Zarr stores in it."""
    for parent, folders, names in os.walk(folder, onerror=lambda error: unreadable(Path(error.filename))):
        visible = [name for name in folders if not name.startswith(".")]
        stores = [name for name in visible if _is_store(Path(parent) / name)]
        folders[:] = [name for name in visible if name not in stores]
        for name in [*stores, *(name for name in names if not name.startswith("."))]:
            path = Path(parent) / name
            if path.is_file() or (path.is_dir() and not (path / MANIFEST).is_file()):
                yield path


def _is_store(folder: Path) -> bool:
    """Tell whether a folder is a Zarr store; one that only has the name of one is refused as a whole."""
    return folder.suffix == ".zarr" or is_zarr(folder)
