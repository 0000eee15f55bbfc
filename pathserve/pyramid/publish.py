"""From staging to published in one atomic step: a reader sees all of a slide or nothing."""

import os
from collections.abc import Callable
from pathlib import Path

from pathserve.errors import Conflict, Corrupt
from pathserve.pyramid.layout import MANIFEST
from pathserve.pyramid.manifest import Manifest, fsync_folder, write_file
from pathserve.pyramid.verify import verify_pyramid


def seal(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, the last file of a pyramid."""
    write_file(folder / MANIFEST, manifest.to_bytes())


def publish(staged: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Check a complete pyramid, bring it to the disk, and give it its public name.

    Parameters
    ----------
    progress
        Told how many files are checked and how many there are.

    Raises
    ------
    Corrupt
        When a file differs from the manifest; nothing is published then.
    Conflict
        When something is published under this name already.
    """
    if verify_pyramid(staged, progress):
        raise Corrupt("What was written of the slide differs from what was meant: the disk may be failing.")
    if target.exists():
        raise Conflict("A slide is published under this id already.")
    for folder, _, _ in os.walk(staged, topdown=False):
        fsync_folder(Path(folder))
    staged.rename(target)
    fsync_folder(target.parent)
    fsync_folder(staged.parent)
