"""Reading a pyramid again against its manifest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pathserve.pyramid.manifest import FileRecord, Manifest, digest_of


@dataclass(frozen=True, slots=True)
class Damage:
    """One damaged file: its path inside the group and one sentence."""

    path: str
    message: str


def verify_pyramid(folder: Path, progress: Callable[[int, int], None] | None = None) -> list[Damage]:
    """Re-read every file of a pyramid and name those that are damaged.

    Parameters
    ----------
    progress
        Told how many files are read and how many there are.

    Raises
    ------
    NotFound
        When there is no pyramid in the folder.
    Corrupt
        When the manifest itself is missing or damaged, so that nothing can be said of the rest.
    """
    return verify_files(folder, Manifest.load(folder).files, progress)


def verify_files(
    folder: Path, files: Mapping[str, FileRecord], progress: Callable[[int, int], None] | None = None
) -> list[Damage]:
    """Re-read some files of a pyramid; parameters and answer as :func:`verify_pyramid`."""
    damaged = []
    for number, (path, expected) in enumerate(sorted(files.items()), start=1):
        try:
            found = digest_of(folder / path)
        except FileNotFoundError:
            damaged.append(Damage(path, "The file is missing."))
        except OSError:
            damaged.append(Damage(path, "The file cannot be read."))
        else:
            if found.size != expected.size:
                damaged.append(Damage(path, f"The file has {found.size:,} bytes instead of {expected.size:,}."))
            elif found != expected:
                damaged.append(Damage(path, "The file's content has changed."))
        if progress is not None:
            progress(number, len(files))
    return damaged
