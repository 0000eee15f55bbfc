"""One scan in, one slide of the catalog out; and back."""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pathserve.catalog import Catalog, SlideRecord, make_slide_id
from pathserve.config import Settings
from pathserve.errors import Busy, Conflict, Corrupt, Invalid, NotFound, PathServeError, Unsupported
from pathserve.ingest.messages import Order
from pathserve.ingest.process import Deadlines, run_worker
from pathserve.ingest.staging import Staging, discarded, locked_staging
from pathserve.labels import clean_name
from pathserve.pixels import SlideInfo
from pathserve.pyramid import Pyramid, publish
from pathserve.pyramid.manifest import Manifest
from pathserve.tiles import DeepZoom

_BLOCK = 1 << 20
_Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingest is: bytes while hashing, chunks while building, files while publishing."""

    phase: Literal["hashing", "opening", "building", "publishing"]
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """The slide; whether this call listed it; whether it went on with what an interrupted one had begun.

    ``info`` says what the scan is, and which metadata was not kept; None when the content was in the catalog already.
    """

    slide: SlideRecord
    created: bool
    resumed: bool
    info: SlideInfo | None = None


def inspect_scan(path: Path, *, deadlines: Deadlines | None = None) -> SlideInfo:
    """Tell what a scan is, in a worker process.

    Raises
    ------
    NotFound, Unsupported, Corrupt, TooLarge
        As :func:`ingest_scan`.
    """
    _identity(path)
    return run_worker(Order(path.resolve()), _ignore, deadlines or Deadlines()).info


def ingest_scan(
    path: Path,
    *,
    settings: Settings,
    catalog: Catalog,
    project: str = "default",
    name: str | None = None,
    recompress: int | None = None,
    workers: int,
    progress: Callable[[Progress], None],
    deadlines: Deadlines | None = None,
) -> IngestOutcome:
    """Bring a scan into the catalog; what is there already, by content, is given back as it is.

    The scan is only read. An ingest that was interrupted, however hard, is taken up by the next one of the same
    content; a scan that is refused leaves nothing behind.

    Parameters
    ----------
    recompress
        JPEG quality 1 to 100 at which level 0 is encoded anew; None keeps JPEG tiles and encodes others at 90.
    workers
        Threads that decode and encode.

    Raises
    ------
    NotFound
        When there is no such file.
    Unsupported, Corrupt, TooLarge
        When it is no scan, damaged, or over a limit.
    Busy
        When this content is being ingested already, the worker was stopped, or the data folder cannot be written.
    Conflict
        When the file changed meanwhile.
    Invalid
        When a parameter breaks a rule.
    """
    if recompress is not None and not 1 <= recompress <= 100:
        raise Invalid("The JPEG quality must be 1 to 100.")
    project = clean_name(project, "project name")
    name = None if name is None else clean_name(name, "slide name")
    before = _identity(path)
    content_hash = _hash(path, progress)
    order = Order(path.resolve(), None, content_hash, recompress, workers)
    known = catalog.find_by_content(content_hash)
    if known is not None:
        return IngestOutcome(known, created=False, resumed=False)
    with locked_staging(settings.slides, content_hash) as staging:
        known = catalog.find_by_content(content_hash)
        if known is not None:  # another process has just finished it
            staging.remove()
            return IngestOutcome(known, created=False, resumed=False)
        try:
            slide_id, info, resumed = _published(order, before, staging, progress, deadlines or Deadlines())
        except Busy:
            raise
        except PathServeError:
            staging.remove()
            raise
        facts = Pyramid.open(staging.published(slide_id)).facts
        slide = catalog.add_slide(
            slide_id=slide_id,
            project=project,
            name=name,
            info=info,
            levels=facts.level_count,
            tile_size=DeepZoom.of(facts).tile_size,
            content_hash=content_hash,
        )
        staging.remove()
    return IngestOutcome(slide, created=True, resumed=resumed, info=info)


def remove_slide(slide_id: str, *, settings: Settings, catalog: Catalog) -> None:
    """Take a slide's pixels out of sight and the slide off the catalog with all its annotations, then delete them.

    Interrupted in between, the slide is still listed, without pixels; removing it again goes on.

    Raises
    ------
    NotFound
        When there is no such slide.
    """
    catalog.slide(slide_id)
    with discarded(settings.slides, slide_id):
        catalog.remove_slide(slide_id)


def _published(
    order: Order,
    before: _Identity,
    staging: Staging,
    progress: Callable[[Progress], None],
    deadlines: Deadlines,
) -> tuple[str, SlideInfo, bool]:
    """Give the id of the published slide, what the scan is, and whether an interrupted ingest was taken up."""
    progress(Progress("opening", 0, 1))
    slide_id = staging.slide_id
    if slide_id is not None and _is_published(staging.published(slide_id), order.content_hash):
        # Interrupted between publishing and listing: the pixels are complete.
        return slide_id, run_worker(order, _ignore, deadlines).info, True
    if slide_id is None:
        slide_id = make_slide_id()
        staging.begin(slide_id)
    building = replace(order, staging=staging.folder.resolve())
    result = run_worker(building, lambda done, total: progress(Progress("building", done, total)), deadlines)
    if result.built is None:
        raise Corrupt("The pyramid of the scan was not built.")
    if _identity(order.scan) != before:
        raise Conflict("The file changed while it was read; ingest it again when it has stopped changing.")
    publish(
        result.built,
        staging.published(slide_id),
        lambda done, total: progress(Progress("publishing", done, total)),
    )
    return slide_id, result.info, result.resumed_shards > 0


def _is_published(folder: Path, content_hash: str) -> bool:
    try:
        return Manifest.load(folder).content_hash == content_hash
    except NotFound:
        return False


def _identity(path: Path) -> _Identity:
    """Tell which file a path is and when it last changed.

    Raises
    ------
    NotFound, Unsupported
        When there is none, or it is no ordinary file.
    """
    try:
        status = path.stat()
    except OSError:
        raise NotFound("There is no such file.") from None
    if not stat.S_ISREG(status.st_mode):
        raise Unsupported("Only ordinary files can be ingested.")
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _hash(path: Path, progress: Callable[[Progress], None]) -> str:
    """Take the SHA-256 of a file's bytes."""
    digest, done = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            total = os.fstat(file.fileno()).st_size
            while block := file.read(_BLOCK):
                digest.update(block)
                done += len(block)
                progress(Progress("hashing", done, total))
    except OSError:
        raise NotFound("The file cannot be read.") from None
    return digest.hexdigest()


def _ignore(done: int, total: int) -> None:
    """Take progress that nobody asked for."""
