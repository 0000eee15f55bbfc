"""One scan in, its slides of the catalog out; and back."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pathserve.catalog import BUILDING, READY, Catalog, SlideRecord, make_slide_id
from pathserve.config import Settings
from pathserve.errors import DISK_FULL, Busy, Conflict, Corrupt, Invalid, NotFound, PathServeError
from pathserve.ingest.associated import forget_pictures, keep_pictures
from pathserve.ingest.content import Identity, content_hash, identity_of, resolved, scene_hash
from pathserve.ingest.process import Deadlines, Listener, never, run_worker
from pathserve.ingest.room import RoomWatch, require_room
from pathserve.ingest.staging import Staging, being_ingested, clear_staging, locked_staging
from pathserve.labels import clean_name
from pathserve.pixels import SlideInfo
from pathserve.pyramid import Pyramid
from pathserve.pyramid.storage import Files, Slides, load_manifest
from pathserve.pyramid.stores import open_slides
from pathserve.slides import Scan
from pathserve.slides.identity import IdentityReport
from pathserve.tiles import DeepZoom
from pathserve.worker.messages import Order
from pathserve.worker.scheduler import checked_scheduler

_PICTURES = "pictures"
"""Folder inside the staging folder for the label and macro."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingest is: bytes while hashing, chunks while building, files while publishing.

    ``finishing`` builds the levels that are made of others, while the slide can be viewed already; ``judging`` looks at
    its quality.
    """

    phase: Literal["hashing", "opening", "building", "publishing", "finishing", "judging"]
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What an admin chooses for a scan.

    Parameters
    ----------
    name
        The slide's name; those of several scenes get a number behind it. None makes one up.
    recompress
        JPEG quality 1 to 100 at which level 0 is encoded anew; None keeps JPEG tiles and encodes others at 90.
    lossless
        Whether scans in colour that have no JPEG tiles are stored without loss.
    keep_label
        Whether the scan's label and macro pictures are kept, apart from the slide.
    workers
        Threads that decode and encode.
    scheduler
        Address of the Dask scheduler whose workers do it instead; None: this machine does.
    any_project
        Whether a slide of the same content that is in another project is given back all the same.
    """

    project: str = "default"
    name: str | None = None
    recompress: int | None = None
    lossless: bool = False
    keep_label: bool = False
    workers: int = 1
    scheduler: str | None = None
    any_project: bool = False

    def checked(self) -> "IngestOptions":
        """Give the options with clean names.

        Raises
        ------
        Invalid
            When one of them breaks a rule.
        Unsupported
            When a cluster is asked for and PathServe was installed without what it needs.
        """
        if self.scheduler is not None:
            checked_scheduler(self.scheduler)
        if self.recompress is not None and not 1 <= self.recompress <= 100:
            raise Invalid("The JPEG quality must be 1 to 100.")
        if self.recompress is not None and self.lossless:
            raise Invalid("A scan is stored with a JPEG quality or without loss, not both.")
        name = None if self.name is None else clean_name(self.name, "slide name")
        return replace(self, project=clean_name(self.project, "project name"), name=name)


DEFAULT_OPTIONS = IngestOptions()


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """The slide; whether this call listed it; whether it went on with what an interrupted one had begun.

    ``info`` says what the scan is, and which metadata was not kept; None when the content was in the catalog already.
    """

    slide: SlideRecord
    created: bool
    resumed: bool
    info: SlideInfo | None = None
    identity: IdentityReport | None = None


def inspect_scan(scan: Scan | Path, *, scene: int = 0, deadlines: Deadlines | None = None) -> SlideInfo:
    """Tell what a scan is, in a worker process.

    Raises
    ------
    NotFound, Unsupported, Corrupt, TooLarge
        As :func:`ingest_scan`.
    """
    scan = resolved(scan)
    identity_of(scan)
    found: list[SlideInfo] = []
    run_worker(Order(scan, scene), Listener(opened=found.append), deadlines or Deadlines())
    return found[0]


def ingest_scan(
    scan: Scan | Path,
    *,
    settings: Settings,
    catalog: Catalog,
    options: IngestOptions = DEFAULT_OPTIONS,
    progress: Callable[[Progress], None],
    cancelled: Callable[[], bool] = never,
    held: Callable[[], None] = being_ingested,
    deadlines: Deadlines | None = None,
) -> tuple[IngestOutcome, ...]:
    """Bring a scan into the catalog, one slide for each of its scenes; what is there already is given back as it is.

    The scan is only read. An ingest that was interrupted, however hard, is taken up by the next one of the same
    content; a scan that is refused leaves nothing behind. A slide is listed, and can be viewed, as soon as all that
    only the scan can tell is published.

    Parameters
    ----------
    cancelled
        Asked several times a second while a worker is at work; what it has built goes then.
    held
        Called again and again while somebody else ingests the same content; waits a moment, or raises.

    Raises
    ------
    NotFound
        When there is no such file.
    Unsupported, Corrupt, TooLarge
        When it is no scan, damaged, or over a limit.
    Busy
        When this content is being ingested already, the worker was stopped, or the data folder cannot be written. With
        the code ``disk_full`` the disk's reserve would be broken: what was built goes, a slide that is shown stays.
    Conflict
        When the file changed meanwhile, or the content is a slide of another project (code ``in_other_project``);
        ``Cancelled`` when somebody stopped it.
    Invalid
        When an option breaks a rule.
    """
    options, scan = options.checked(), resolved(scan)
    before = identity_of(scan)
    content = content_hash(scan, lambda done, total: progress(Progress("hashing", done, total)))
    call = _Call(settings, catalog, open_slides(settings), options, progress, cancelled, deadlines or Deadlines(), held)
    first = _ingest_scene(call, scan, before, content, 0)
    # Scenes are slides of one case, and a case belongs to one project.
    call = replace(call, case_of=first.slide.id, options=replace(options, project=first.slide.project))
    others = range(1, first.slide.scenes)
    return (first, *(_ingest_scene(call, scan, before, content, scene) for scene in others))


def finish_slide(
    slide_id: str,
    *,
    settings: Settings,
    catalog: Catalog,
    progress: Callable[[Progress], None],
    cancelled: Callable[[], bool] = never,
    workers: int = 1,
) -> SlideRecord:
    """Build what a slide still lacks, without its scan; one that lacks nothing is given back as it is.

    Raises
    ------
    NotFound
        When there is no such slide.
    Busy
        When this is being done already.
    Corrupt
        When a published tile cannot be decoded.
    """
    slide = catalog.slide(slide_id)
    with locked_staging(settings.slides, slide.content_hash) as staging:
        options = IngestOptions(workers=workers)
        call = _Call(settings, catalog, open_slides(settings), options, progress, cancelled, Deadlines())
        _Making(call, staging, slide_id).finish()
        staging.remove()
    return catalog.slide(slide_id)


def remove_slide(slide_id: str, *, settings: Settings, catalog: Catalog) -> None:
    """Take a slide's pixels out of sight and the slide off the catalog with all its annotations, then delete them.

    Interrupted in between, the slide is still listed, without pixels; removing it again goes on.

    Raises
    ------
    NotFound
        When there is no such slide.
    """
    catalog.slide(slide_id)
    forget_pictures(settings, slide_id)
    with open_slides(settings).discarded(slide_id):
        catalog.remove_slide(slide_id)


@dataclass(frozen=True, slots=True)
class _Call:
    """What one call of :func:`ingest_scan` or :func:`finish_slide` works with."""

    settings: Settings
    catalog: Catalog
    published: Slides
    options: IngestOptions
    progress: Callable[[Progress], None]
    cancelled: Callable[[], bool]
    deadlines: Deadlines
    held: Callable[[], None] = being_ingested
    case_of: str | None = None


def _ingest_scene(call: _Call, scan: Scan, before: Identity, content: str, scene: int) -> IngestOutcome:
    """Bring one scene of a scan into the catalog."""
    digest = scene_hash(content, scene)
    known = _known(call, digest)
    if known is not None and known.status == READY and not call.options.keep_label:
        clear_staging(call.settings.slides, digest)
        return IngestOutcome(known, created=False, resumed=False)
    with locked_staging(call.settings.slides, digest, call.held) as staging:
        known = _known(call, digest)  # another process may just have finished it
        if known is None:
            if staging.slide_id is None and scene == 0:
                require_room(call.settings, sum(size for _, _, size, _ in before))
            made = _Making(call, staging, staging.slide_id or make_slide_id())
            outcome = made.from_scan(scan, before, digest, scene)
        else:  # an ingest was interrupted while people could look at the slide already
            resumed = known.status != READY
            made = _Making(call, staging, known.id)
            made.finish()
            if call.options.keep_label:
                made.keep_pictures_of(scan, scene)
            outcome = IngestOutcome(call.catalog.slide(known.id), created=False, resumed=resumed)
        staging.remove()
    return outcome


def _known(call: _Call, digest: str) -> SlideRecord | None:
    """Find the slide of a content; its pixels are stored once in a data folder, in one project.

    Raises
    ------
    Conflict
        When it is in another project: whoever ingests may not know of that one, so neither is named.
    """
    known = call.catalog.find_by_content(digest)
    options = call.options
    if known is not None and known.project != options.project and not options.any_project:
        raise Conflict("This scan is in the catalog already, in another project.", code="in_other_project")
    return known


class _Making:
    """A slide that is being made, under the lock of its staging folder; listens to its worker."""

    def __init__(self, call: _Call, staging: Staging, slide_id: str) -> None:
        self._call = call
        self._staging = staging
        self._slide_id = slide_id
        self._published = call.published
        self._files = call.published.files(slide_id)
        self._info: SlideInfo | None = None
        self._report: IdentityReport | None = None
        self._pictures = staging.folder.resolve() / _PICTURES if call.options.keep_label else None
        self._resumed = False
        self._listed = False
        self._room = RoomWatch(call.settings)

    def from_scan(self, scan: Scan, before: Identity, digest: str, scene: int) -> IngestOutcome:
        """Build, publish and list the slide; what an earlier, interrupted call has done of it is not done again."""
        call = self._call
        call.progress(Progress("opening", 0, 1))
        if self._staging.slide_id is None:
            self._staging.begin(self._slide_id)
        # Published and not listed: the pixels are there, and the scan only has to say what it is.
        adopts = _is_published(self._files, digest)
        options = call.options
        order = Order(scan, scene, content_hash=digest, workers=options.workers)
        order = replace(order, recompress=options.recompress, lossless=options.lossless)
        order = replace(order, identity="none", pictures=self._pictures)

        def built(folder: Path, resumed_shards: int) -> None:
            self._resumed = resumed_shards > 0
            if identity_of(scan) != before:
                raise Conflict("The file changed while it was read; ingest it again when it has stopped changing.")
            self._published.publish(folder, self._slide_id, self._publishing)
            self._list(digest, scene)

        try:
            if adopts:
                self._work(order)
                self._list(digest, scene)
                self.finish()
            else:
                self._work(self._here(order), built)
        except Busy:
            raise
        except PathServeError:
            self._take_back()
            raise
        slide = call.catalog.slide(self._slide_id)
        resumed = self._resumed or adopts
        return IngestOutcome(slide, created=True, resumed=resumed, info=self._info, identity=self._report)

    def keep_pictures_of(self, scan: Scan, scene: int) -> None:
        """Keep the label and macro of a slide that was ingested without them."""
        self._staging.begin(self._slide_id)
        self._work(Order(scan, scene, pictures=self._pictures))
        self._keep_pictures()

    def _keep_pictures(self) -> None:
        if self._pictures is not None:
            keep_pictures(self._call.settings, self._slide_id, self._pictures)

    def finish(self) -> None:
        """Build what the published pyramid lacks, and call the slide ready."""
        self._listed = True
        if load_manifest(self._files).missing_levels:
            self._staging.begin(self._slide_id)
            self._published.bring(self._slide_id, self._staging.folder)
            self._work(self._here(Order(workers=self._call.options.workers)))
        else:
            self._call.catalog.set_status(self._slide_id, READY)

    def _here(self, order: Order) -> Order:
        folder = self._staging.folder.resolve()
        order = replace(order, staging=folder, published=self._published.at_hand(self._slide_id, folder))
        return replace(order, scheduler=self._call.options.scheduler)

    def _work(self, order: Order, built: Callable[[Path, int], None] | None = None) -> None:
        listener = Listener(self._building, self._opened, built or _unasked, self._rest_built, self._is_cancelled)
        listener = replace(listener, searched=self._searched)
        try:
            run_worker(order, listener, self._call.deadlines)
        except Busy as error:
            # Others need the room; the id of a slide that is published and not listed yet is still needed.
            if error.code == DISK_FULL and self._listed:
                self._staging.remove()
            elif error.code == DISK_FULL and not self._files.exists():
                with self._published.discarded(self._slide_id):
                    self._staging.remove()
            raise

    def _is_cancelled(self) -> bool:
        self._room.look()
        return self._call.cancelled()

    def _opened(self, info: SlideInfo) -> None:
        self._info = info

    def _searched(self, report: IdentityReport) -> None:
        self._report = report

    def _building(self, done: int, total: int) -> None:
        self._call.progress(Progress("finishing" if self._listed else "building", done, total))

    def _publishing(self, done: int, total: int) -> None:
        self._call.progress(Progress("publishing", done, total))

    def _rest_built(self, folder: Path, resumed_shards: int) -> None:
        self._resumed = self._resumed or resumed_shards > 0
        self._published.publish_rest(folder, self._slide_id, self._publishing)
        self._call.catalog.set_status(self._slide_id, READY)

    def _list(self, digest: str, scene: int) -> None:
        """List the published slide: from here on people see it."""
        if self._info is None or self._report is None:
            raise Corrupt("The scan did not say what it is.")
        self._keep_pictures()
        pyramid = Pyramid.open(self._files)
        options, info = self._call.options, self._info
        name = options.name if info.scenes == 1 or options.name is None else f"{options.name} ({scene + 1})"
        self._call.catalog.add_slide(
            slide_id=self._slide_id,
            project=options.project,
            name=name,
            info=replace(info, channels=pyramid.facts.channels),
            levels=pyramid.facts.level_count,
            tile_size=DeepZoom.of(pyramid.facts).tile_size,
            content_hash=digest,
            scene=scene,
            status=BUILDING if pyramid.manifest.missing_levels else READY,
            identity=self._report.summary(),
            case_of=self._call.case_of,
        )
        self._listed = True

    def _take_back(self) -> None:
        """Leave nothing of a scan that turned out to be damaged; a slide that somebody works on already stays."""
        with suppress(Conflict), self._published.discarded(self._slide_id):
            self._call.catalog.discard_unused(self._slide_id)
            forget_pictures(self._call.settings, self._slide_id)
        self._staging.remove()


def _unasked(folder: Path, resumed_shards: int) -> None:
    raise Corrupt(f"A pyramid was built twice ({folder.name}, {resumed_shards}).")


def _is_published(files: Files, content_hash: str) -> bool:
    try:
        return load_manifest(files).content_hash == content_hash
    except NotFound:
        return False
