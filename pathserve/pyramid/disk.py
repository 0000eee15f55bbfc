"""Published pyramids in a folder of this machine."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pathserve.pyramid.layout import SUFFIX
from pathserve.pyramid.manifest import fsync_folder
from pathserve.pyramid.publish import publish, publish_rest
from pathserve.pyramid.storage import DiskFiles, Slides, Told

TRASH = ".trash"


class DiskSlides:
    """The slides of one folder.

    Parameters
    ----------
    folder
        Holds ``<slide-id>.zarr`` of every slide.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def probe(self) -> None:
        """Do nothing: a file system has what is needed."""

    def files(self, slide_id: str) -> DiskFiles:
        """Give the files of a slide."""
        return DiskFiles(self._place(slide_id))

    def publish(self, staged: Path, slide_id: str, progress: Told = None) -> None:
        """Check a pyramid and rename it; see :func:`pathserve.pyramid.publish.publish`."""
        publish(staged, self._place(slide_id), progress)

    def publish_rest(self, staged: Path, slide_id: str, progress: Told = None) -> None:
        """Add levels; see :func:`pathserve.pyramid.publish.publish_rest`."""
        publish_rest(staged, self._place(slide_id), progress)

    def at_hand(self, slide_id: str, staging: Path) -> Path:
        """Give the folder of the slide itself."""
        del staging
        return self._place(slide_id).resolve()

    def bring(self, slide_id: str, staging: Path) -> None:
        """Do nothing: the slide is at hand."""

    @contextmanager
    def discarded(self, slide_id: str) -> Iterator[None]:
        """Take a slide out of sight by a rename."""
        with discarded(self._folder, slide_id):
            yield

    def sweep(self, is_listed: Callable[[str], bool]) -> None:
        """Do nothing: staging and trash folders are swept where they are made."""

    def _place(self, slide_id: str) -> Path:
        return self._folder / (slide_id + SUFFIX)


def as_slides(where: Path | Slides) -> Slides:
    """Take a folder as the slides in it."""
    return DiskSlides(where) if isinstance(where, Path) else where


@contextmanager
def discarded(slides: Path, slide_id: str) -> Iterator[None]:
    """Take a published slide out of sight in one step, and delete it at the end; one that is not there is fine.

    When what is done meanwhile fails, the slide is where it was.
    """
    trash, published = slides / TRASH, slides / (slide_id + SUFFIX)
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
