"""What a scan's files hold, as one name: so that the same scan is ingested once, whatever it is called."""

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from pathserve.errors import Corrupt, NotFound, Unsupported
from pathserve.slides import Scan

_BLOCK = 1 << 20
MAX_FILES = 1_000_000
"""Most files of one scan; an OME-Zarr folder has one for each chunk."""

Identity = tuple[tuple[int, int, int, int], ...]


def resolved(scan: Scan | Path) -> Scan:
    """Follow the links that lead to a scan; a path stands for the file, or the folder with all that lies in it.

    Raises
    ------
    Corrupt
        When a link beside or in the scan leads to files elsewhere: they are somebody else's.
    """
    given = scan if isinstance(scan, Scan) else Scan.of(scan)
    try:
        main, files = given.main.resolve(), tuple(path.resolve() for path in given.files)
    except (OSError, RuntimeError):
        raise NotFound("There is no such file.") from None
    # A folder may be full of links into one store; what is beside one file of a scan may be beside the others.
    homes = {main} if main.is_dir() else {main.parent, given.main.parent.resolve()}
    if not all(path == main or homes.intersection(path.parents) for path in files):
        raise Corrupt("A link in this scan's folder leads out of it.")
    return Scan(main, files)


def identity_of(scan: Scan) -> Identity:
    """Tell which files a scan is and when they last changed.

    Raises
    ------
    NotFound, Unsupported
        When one is missing, or is no ordinary file.
    """
    if not scan.files:
        raise NotFound("There is no file in this folder.")
    if len(scan.files) > MAX_FILES:
        raise Unsupported(f"A scan may consist of at most {MAX_FILES:,} files.")
    return tuple(_identity(path) for path in scan.files)


def _identity(path: Path) -> tuple[int, int, int, int]:
    try:
        status = path.stat()
    except OSError:
        raise NotFound("There is no such file.") from None
    if not stat.S_ISREG(status.st_mode):
        raise Unsupported("Only ordinary files can be ingested.")
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def content_hash(scan: Scan, progress: Callable[[int, int], None]) -> str:
    """Take the SHA-256 of a scan's bytes, in hexadecimal.

    One file is its own bytes. Of several files it is taken over their sorted digests, so that their names do not
    matter; inside a folder that is opened as one, they do, and stand before the digests.

    Parameters
    ----------
    progress
        Told how many bytes are read and how many there are.
    """
    total, done = sum(size for _, _, size, _ in identity_of(scan)), 0
    digests = []
    for path in scan.files:
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    done += len(block)
                    progress(done, total)
        except OSError:
            raise NotFound("The file cannot be read.") from None
        digests.append(digest.hexdigest())
    if scan.files == (scan.main,):
        return digests[0]
    if scan.main.is_dir():
        names = (os.fsencode(path.relative_to(scan.main)) for path in scan.files)
        lines = sorted(name + b"\0" + digest.encode() for name, digest in zip(names, digests, strict=True))
    else:
        lines = sorted(digest.encode() for digest in digests)
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def scene_hash(content: str, scene: int) -> str:
    """Name one of the pictures that a scan holds; the first has the name of the scan."""
    return content if scene == 0 else hashlib.sha256(f"{content} scene {scene}".encode()).hexdigest()
