"""DICOM: slides (VL Whole Slide Microscopy) as pyramids, series of other pictures as volumes.

pydicom parses the headers; frames are found and read here, one at a time, by their places in the file.

A process that meets no DICOM file never loads pydicom: it would take 9 MB of every worker, as much as all that one
holds of a scan. So what needs it is loaded when the first function here is called.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from pathserve.pixels import PixelSource
from pathserve.slides.dicom.bytesource import is_dicom

__all__ = ["group_files", "is_dicom", "open_dicom", "series_of"]


def open_dicom(files: Sequence[Path], scene: int = 0) -> PixelSource:
    """Open the files of one series; see :func:`pathserve.slides.dicom.opening.open_dicom`."""
    source: PixelSource = _part("opening").open_dicom(files, scene)
    return source


def group_files(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Put files that are one scan together; see :func:`pathserve.slides.dicom.group.group_files`."""
    groups: list[tuple[Path, ...]] = _part("group").group_files(paths)
    return groups


def series_of(path: Path) -> tuple[Path, ...]:
    """List the files that are one scan with this one; see :func:`pathserve.slides.dicom.group.series_of`."""
    files: tuple[Path, ...] = _part("group").series_of(path)
    return files


def _part(name: str) -> ModuleType:
    return import_module(f"pathserve.slides.dicom.{name}")
