"""Which files are one scan."""

from dataclasses import dataclass
from pathlib import Path

from pathserve.slides.dicom import is_dicom, series_of
from pathserve.slides.pointers import named_beside


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan as it lies on a disk.

    Parameters
    ----------
    main
        The file or folder by which it is opened.
    files
        Every file whose bytes belong to it, sorted; ``(main,)`` for most.
    """

    main: Path
    files: tuple[Path, ...]

    @classmethod
    def of(cls, path: Path) -> "Scan":
        """Take a file, or a folder with everything in it, as one scan."""
        if path.is_dir():
            return cls(path, tuple(sorted(inner for inner in path.rglob("*") if inner.is_file())))
        return cls(path, (path,))


def with_companions(path: Path) -> Scan:
    """Take a file with the further ones that it keeps its pixels in, or a folder, as one scan.

    MIRAX (``.mrxs``) has them in a folder of its own name; Hamamatsu's VMS and VMU name them in their text; those of
    DICOM say which series they belong to, and the first of them by name is the main one, whichever was given.
    """
    if path.is_dir():
        return Scan.of(path)
    if is_dicom(path):
        series = series_of(path)
        return Scan(series[0], series)
    suffix = path.suffix.lower()
    if suffix == ".mrxs" and path.with_suffix("").is_dir():
        return Scan(path, (path, *Scan.of(path.with_suffix("")).files))
    if suffix in (".vms", ".vmu"):
        return Scan(path, (path, *named_beside(path)))
    return Scan.of(path)
