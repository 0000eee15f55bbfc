"""Which files are one scan."""

from dataclasses import dataclass
from pathlib import Path


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
