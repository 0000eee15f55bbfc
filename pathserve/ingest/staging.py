"""Where a slide is built: one folder per scan content, locked, so that nobody builds it twice at once."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pathserve.errors import Busy
from pathserve.pyramid.layout import SUFFIX
from pathserve.pyramid.manifest import fsync_folder, write_file

_STAGING = ".staging"
_TRASH = ".trash"
_ID_FILE = "slide-id"


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
        fsync_folder(self.folder)

    def published(self, slide_id: str) -> Path:
        """Where the slide lies once it is published."""
        return self.slides / (slide_id + SUFFIX)

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def locked_staging(slides: Path, content_hash: str) -> Iterator[Staging]:
    """Hold the staging folder of a content.

    Raises
    ------
    Busy
        When another process or thread holds it.
    """
    root = slides / _STAGING
    root.mkdir(parents=True, exist_ok=True)
    # The name must not give the content away to whoever may list folders, nor depend on the file's name.
    name = content_hash[:32]
    lock = root / f"{name}.lock"
    descriptor = _lock(lock)
    try:
        yield Staging(root / name, slides)
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(path: Path) -> int:
    """Take the lock; a lock file that its owner has just removed is made anew."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise Busy("This scan is being ingested by another process.") from None
        os.close(descriptor)


@contextmanager
def discarded(slides: Path, slide_id: str) -> Iterator[None]:
    """Take a published slide out of sight in one step, and delete it at the end; one that is not there is fine.

    When what is done meanwhile fails, the slide is where it was.
    """
    trash, published = slides / _TRASH, slides / (slide_id + SUFFIX)
    trash.mkdir(parents=True, exist_ok=True)
    unseen = trash / f"{slide_id}-{os.getpid()}"
    with suppress(FileNotFoundError):
        published.rename(unseen)
        fsync_folder(slides)
    try:
        yield
    except BaseException:
        with suppress(FileNotFoundError):
            unseen.rename(published)
        raise
    for entry in trash.iterdir():  # also what an earlier removal left when it was killed
        shutil.rmtree(entry, ignore_errors=True)
