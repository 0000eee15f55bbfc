"""Reading a pyramid again against its manifest."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pathserve.pyramid.manifest import FileRecord
from pathserve.pyramid.storage import Files, as_files, load_manifest

_READERS = 2


@dataclass(frozen=True, slots=True)
class Damage:
    """One damaged file: its path inside the group and one sentence."""

    path: str
    message: str


def verify_pyramid(where: Path | Files, progress: Callable[[int, int], None] | None = None) -> list[Damage]:
    """Re-read every file of a pyramid and name those that are damaged.

    Parameters
    ----------
    progress
        Told how many files are read and how many there are.

    Raises
    ------
    NotFound
        When there is no pyramid.
    Corrupt
        When the manifest itself is missing or damaged, so that nothing can be said of the rest.
    """
    stored = as_files(where)
    return verify_files(stored, load_manifest(stored).files, progress)


def verify_files(
    where: Path | Files, files: Mapping[str, FileRecord], progress: Callable[[int, int], None] | None = None
) -> list[Damage]:
    """Re-read some files of a pyramid; parameters and answer as :func:`verify_pyramid`."""
    stored, damaged = as_files(where), []
    # Two read at once: hashing lets other threads run, and nobody sees a slide before it is checked.
    readers, ordered = ThreadPoolExecutor(_READERS, thread_name_prefix="verify"), sorted(files.items())
    try:
        messages = readers.map(lambda item: _fault(stored, *item), ordered)
        for number, ((path, _), message) in enumerate(zip(ordered, messages, strict=True), start=1):
            if message is not None:
                damaged.append(Damage(path, message))
            if progress is not None:
                progress(number, len(files))
    finally:
        readers.shutdown(cancel_futures=True)
    return damaged


def _fault(stored: Files, path: str, expected: FileRecord) -> str | None:
    """Read a file and say in one sentence what is wrong with it, if anything is."""
    try:
        found = stored.record(path)
    except FileNotFoundError:
        return "The file is missing."
    except OSError:
        return "The file cannot be read."
    if found.size != expected.size:
        return f"The file has {found.size:,} bytes instead of {expected.size:,}."
    return None if found == expected else "The file's content has changed."
