"""Reading a pyramid again against its manifest."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pathserve.pyramid.manifest import FileRecord, Manifest, digest_of

_READERS = 2


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
    # Two read at once: hashing lets other threads run, and nobody sees a slide before it is checked.
    readers, ordered = ThreadPoolExecutor(_READERS, thread_name_prefix="verify"), sorted(files.items())
    try:
        messages = readers.map(lambda item: _fault(folder / item[0], item[1]), ordered)
        for number, ((path, _), message) in enumerate(zip(ordered, messages, strict=True), start=1):
            if message is not None:
                damaged.append(Damage(path, message))
            if progress is not None:
                progress(number, len(files))
    finally:
        readers.shutdown(cancel_futures=True)
    return damaged


def _fault(path: Path, expected: FileRecord) -> str | None:
    """Read a file and say in one sentence what is wrong with it, if anything is."""
    try:
        found = digest_of(path)
    except FileNotFoundError:
        return "The file is missing."
    except OSError:
        return "The file cannot be read."
    if found.size != expected.size:
        return f"The file has {found.size:,} bytes instead of {expected.size:,}."
    return None if found == expected else "The file's content has changed."
