"""Where a slide is built: one folder per scan content, locked, so that nobody builds it twice at once."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pathserve.errors import Busy
from pathserve.pyramid.disk import TRASH
from pathserve.pyramid.manifest import fsync_folder, write_file
from pathserve.pyramid.storage import Slides

BEING_INGESTED = "being_ingested"
"""Code of what is refused because somebody else ingests the same content."""

KEEP_SECONDS = 7 * 24 * 3600
"""How long a half-built slide that nobody goes on with is kept."""

TRASH_SECONDS = 3600
"""How long what is being deleted is left to whoever deletes it."""

_STAGING = ".staging"
_ID_FILE = "slide-id"
_NAME_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Staging:
    """The staging folder of one scan content, held under its lock.

    Parameters
    ----------
    folder
        Holds the journal, the pyramid under construction and the id that the slide will have.
    slides
        Folder of published slides.
    """

    folder: Path
    slides: Path

    @property
    def slide_id(self) -> str | None:
        """The id that an earlier, interrupted ingest of this content chose, or None."""
        try:
            return (self.folder / _ID_FILE).read_text("ascii") or None
        except (OSError, UnicodeDecodeError):
            return None

    def begin(self, slide_id: str) -> None:
        """Make the folder and write the slide's id down: from here on an interrupted ingest can be taken up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_file(self.folder / _ID_FILE, slide_id.encode("ascii"))
        # The folders above may be as new as this one: a slide in a folder that a power cut takes away is lost.
        for folder in (self.folder, self.folder.parent, self.slides, self.slides.parent):
            fsync_folder(folder)

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)


def being_ingested() -> None:
    """Refuse to wait for somebody else's ingest of the same content.

    Raises
    ------
    Busy
        Always.
    """
    raise Busy("This scan is being ingested by another process.", code=BEING_INGESTED)


@contextmanager
def locked_staging(slides: Path, content_hash: str, held: Callable[[], None] = being_ingested) -> Iterator[Staging]:
    """Hold the staging folder of a content.

    Parameters
    ----------
    held
        Called again and again while another process or thread holds it; waits a moment, or raises.

    Raises
    ------
    Busy
        As ``held`` does, when another process or thread holds it.
    """
    root = slides / _STAGING
    root.mkdir(parents=True, exist_ok=True)
    # The name must not give the content away to whoever may list folders, nor depend on the file's name.
    folder = root / content_hash[:_NAME_DIGITS]
    with _held(_lock_file(folder), held):
        yield Staging(folder, slides)


def clear_staging(slides: Path, content_hash: str) -> None:
    """Remove what is left of the staging folder of a content that is ingested: after a power cut it can be back.

    One that somebody holds is left alone.
    """
    folder = slides / _STAGING / content_hash[:_NAME_DIGITS]
    if folder.exists() or _lock_file(folder).exists():
        with suppress(Busy), locked_staging(slides, content_hash) as staging:
            staging.remove()


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


@contextmanager
def _held(lock: Path, held: Callable[[], None]) -> Iterator[None]:
    descriptor = _lock(lock, held)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(path: Path, held: Callable[[], None]) -> int:
    """Take the lock; a lock file that its owner has just removed is made anew."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            held()
            continue
        os.close(descriptor)


def sweep_staging(slides: Path, *, published: Slides, is_listed: Callable[[str], bool]) -> None:
    """Delete half-built slides that nobody has gone on with for a week, and locks that nobody holds.

    Parameters
    ----------
    published
        Where the slides lie.
    is_listed
        Tells whether the catalog has a slide; one that was published and never listed goes with its staging folder.
    """
    root = slides / _STAGING
    if not root.is_dir():
        return
    for name in sorted({entry.name.removesuffix(".lock") for entry in root.iterdir()}):
        with suppress(Busy), _held(root / f"{name}.lock", being_ingested):
            staging = Staging(root / name, slides)
            if _last_change(staging.folder) > time.time() - KEEP_SECONDS:
                continue
            slide = staging.slide_id
            if slide is not None and not is_listed(slide):
                with published.discarded(slide):
                    staging.remove()
            staging.remove()


def sweep_trash(slides: Path) -> None:
    """Delete what removals have left that were killed."""
    trash = slides / TRASH
    for entry in trash.iterdir() if trash.is_dir() else ():
        with suppress(FileNotFoundError):
            if entry.stat().st_ctime < time.time() - TRASH_SECONDS:  # when it came here
                shutil.rmtree(entry, ignore_errors=True)


def _last_change(folder: Path) -> float:
    """Tell when anything in a folder last changed; 0 when there is no such folder."""
    latest = 0.0
    for parent, _, names in os.walk(folder):
        for path in (Path(parent), *(Path(parent) / name for name in names)):
            with suppress(FileNotFoundError):
                latest = max(latest, path.lstat().st_mtime)
    return latest
