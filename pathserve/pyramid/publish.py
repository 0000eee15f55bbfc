"""From staging to published in one atomic step: a reader sees all of a slide or nothing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pathserve.errors import Conflict, Corrupt
from pathserve.pyramid.layout import MANIFEST, level_folder
from pathserve.pyramid.manifest import Manifest, fsync_folder, write_file
from pathserve.pyramid.storage import load_manifest
from pathserve.pyramid.verify import verify_files, verify_pyramid

_FAILING = "What was written of the slide differs from what was meant: the disk may be failing."


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
        raise Corrupt(_FAILING)
    if target.exists():
        raise Conflict("A slide is published under this id already.")
    _fsync_tree(staged)
    staged.rename(target)
    fsync_folder(target.parent)
    fsync_folder(staged.parent)


def publish_rest(staged: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Give a published pyramid the levels that it lacks, from a folder of :func:`build_reduced`.

    The new manifest is what makes them count, and takes the old one's place in one step. Interrupted before that, the
    slide is as it was.

    Raises
    ------
    Corrupt
        When a file differs from the manifest; nothing is published then.
    """
    manifest, levels = load_manifest(staged), load_manifest(target).missing_levels
    folders = tuple(f"{level_folder(level)}/" for level in levels)
    added = {path: record for path, record in manifest.files.items() if path.startswith(folders)}
    if verify_files(staged, added, progress):
        raise Corrupt(_FAILING)
    for level in levels:
        new, place = staged / level_folder(level), target / level_folder(level)
        _fsync_tree(new)
        shutil.rmtree(place, ignore_errors=True)  # left by a publication that was killed before its last step
        new.rename(place)
        fsync_folder(place.parent)
    seal(target, manifest)
    fsync_folder(target)


def _fsync_tree(top: Path) -> None:
    for folder, _, _ in os.walk(top, topdown=False):
        fsync_folder(Path(folder))
