"""A file's way into the store: recognised, read, moved to level-0 pixels, through the gate, published all at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pathserve.annotations import AnnotationStore, BulkAdded, BulkWriter, Difference, conflict_message
from pathserve.config import Settings
from pathserve.errors import PathServeError, Unsupported
from pathserve.exchange.class_names import trim_columns, trimmed_keys
from pathserve.exchange.frames import (
    IDENTITY,
    FitCheck,
    Frame,
    FrameOptions,
    Tissue,
    inverse,
    move,
    move_columns,
    move_geometry,
    move_nucleus,
    settle,
)
from pathserve.exchange.identity import ContentIds
from pathserve.exchange.options import OnFileConflict, require_told
from pathserve.exchange.report import ImportReport, Issues
from pathserve.formats.contract import Format, Item, ReadContext, SlideFrame
from pathserve.formats.registry import by_name, recognise_path
from pathserve.geometry.gate import Gate
from pathserve.geometry.validity import OUT_OF_RANGE, TOO_FAR
from pathserve.labels import Columns, FeatureIssue, NewAnnotation, unclear

MAX_REPAIR_SECONDS = 120.0
"""Processor time that one file may take for outlines that have to be repaired; what comes after is refused."""

Progress = Callable[[str, int, int | None], None]
"""Told the phase (``reading``, ``writing``), how many annotations are done, and of how many if that is known."""

MAX_COPIES = 100
"""How often a feature may find the id that is made for it taken as well, before it is refused."""

_LIMITS = Settings()
_TOGETHER = 64
# Few: a collection of garbage goes through all objects that are there while everybody waits.
_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What somebody says about an import.

    Parameters
    ----------
    layer, author
        Where the annotations go, and who brings them.
    form
        Name of the format; None tells it by content.
    on_conflict
        ``report`` refuses a feature whose id is there with other content, ``new`` gives it another id, which is made
        of that one and of what it says, ``replace`` writes it as the next version.
    force
        Keeps repairs that lose more than 1 % of an outline's area.
    told
        What the format has to be told beside its frame: ``{"image": "7"}``; see docs/reference/formats.md.
    """

    layer: str
    author: str
    form: str | None = None
    frame: FrameOptions = field(default_factory=FrameOptions)
    on_conflict: OnFileConflict = "report"
    force: bool = False
    told: Mapping[str, str] = field(default_factory=dict)
    max_vertices: int = _LIMITS.max_vertices
    max_features: int = 50_000_000


def _no_progress(phase: str, done: int, total: int | None) -> None:
    """Tell nobody."""


def import_file(
    store: AnnotationStore,
    slide: str,
    path: Path,
    options: ImportOptions,
    *,
    frame: SlideFrame,
    tissue: Tissue | None = None,
    progress: Progress = _no_progress,
) -> ImportReport:
    """Import a file as one revision; nothing of it is there before all of it is.

    Memory: about 100 MB for the reader of GeoJSON, and what `BulkWriter` takes; 8 bytes more for an object without id.

    Parameters
    ----------
    frame
        What is known of the slide.
    tissue
        Where it has tissue, if that is known.

    Raises
    ------
    Unsupported, Invalid
        When the file is of no known format, or not what it seems, or its format takes no option of a name.
    TooLarge
        When there is too much of it.
    Conflict
        When somebody else wrote the same ids meanwhile.
    """
    form = _format_of(path, options.form)
    if form.read is None:
        raise Unsupported(f"{form.title} is written and not read.", code="not_readable")
    require_told(form, options.told)
    settled = settle(options.frame, form, frame)
    assumed = (*(("format",) if options.form is None else ()), *settled.assumed)
    with store.bulk(slide, layer=options.layer, author=options.author, kind="imported") as bulk:
        work = _Import(slide, options, settled, frame, FitCheck(options.frame, settled, frame, tissue), bulk)
        for done in work.read(form.read(path, work.context)):
            progress("reading", done, None)
        elsewhere = bulk.known_elsewhere()
        total = work.created + work.replaced
        revision = bulk.publish(lambda done: progress("writing", done, total))
    return ImportReport(
        form=form,
        frame=settled,
        assumed=assumed,
        layer=options.layer,
        revision=revision,
        read=work.count,
        created=work.created,
        known=work.known,
        known_elsewhere=elsewhere,
        replaced=work.replaced,
        made_ids=work.made_ids,
        outside=work.outside,
        conflicts=work.conflicts,
        repaired=work.repaired,
        refused=work.refused,
        losses=work.context.losses,
        fit=work.fit.found(),
    )


def _format_of(path: Path, name: str | None) -> Format:
    return recognise_path(path) if name is None else by_name(name)


class _Import:
    """One import under way; every index is a feature's place in the file, from 0."""

    def __init__(
        self,
        slide: str,
        options: ImportOptions,
        frame: Frame,
        slide_frame: SlideFrame,
        fit: FitCheck,
        bulk: BulkWriter,
    ) -> None:
        self._options, self._matrix, self._slide, self._bulk = options, frame.to_slide, slide_frame, bulk
        self._gate = Gate(
            frame=slide_frame.size,
            max_vertices=options.max_vertices,
            seconds=MAX_REPAIR_SECONDS,
            force=options.force,
        )
        self.context = ReadContext(
            slide=slide_frame,
            max_vertices=options.max_vertices,
            max_features=options.max_features,
            options=options.told,
        )
        self.fit = fit
        self._ids = ContentIds(slide, options.layer)
        self.count = self.created = self.known = self.replaced = self.made_ids = self.outside = 0
        self.conflicts, self.repaired, self.refused = Issues(), Issues(), Issues()

    def read(self, items: Iterator[Item]) -> Iterator[int]:
        """Take all items; tells now and then how many there were."""
        singles, places = list[NewAnnotation](), list[int]()
        for item in items:
            if isinstance(item, Columns):
                if singles:  # of two with one id the first one counts
                    self._add_singles(singles, places)
                    singles, places = [], []
                self._add_columns(item, self.count)
                self.count += len(item)
                yield self.count
                continue
            if isinstance(item, FeatureIssue):
                self.refused.add(self.count, item.code, item.message)
            else:
                singles.append(item)
                places.append(self.count)
            self.count += 1
            if len(singles) == _AT_ONCE:
                self._add_singles(singles, places)
                singles, places = [], []
                yield self.count
        self._add_singles(singles, places)
        yield self.count

    def _add_columns(self, columns: Columns, first: int) -> None:
        self.fit.look(columns.xy)
        columns = move_columns(columns, self._matrix)
        good = self._gate.passing(columns)
        if good.all():
            self._add(columns, np.arange(first, first + len(columns)))
            return
        rows = np.flatnonzero(good)
        parts, places = [columns.take(rows)], [rows + first]
        far = self._gate.too_far(columns)
        for row in np.flatnonzero(far).tolist():
            self.refused.add(first + row, OUT_OF_RANGE, TOO_FAR)
        others = np.flatnonzero(~good & ~far).tolist()
        for start in range(0, len(others), _AT_ONCE):
            some = others[start : start + _AT_ONCE]
            checked, kept = self._checked([columns.new_annotation(row) for row in some], [first + row for row in some])
            parts.append(checked)
            places.append(kept)
        if not any(map(len, parts[1:])):
            self._add(parts[0], places[0])
            return
        both = np.concatenate(places)
        order = np.argsort(both)
        self._add(Columns.join(parts).take(order), both[order])

    def _add_singles(self, singles: list[NewAnnotation], places: list[int]) -> None:
        if self._matrix != IDENTITY:
            singles = [
                replace(
                    item,
                    geometry=move_geometry(item.geometry, self._matrix),
                    properties=move_nucleus(item.properties, self._matrix),
                    drawn=None if item.drawn is None else move_geometry(item.drawn, self._matrix),
                )
                for item in singles
            ]
        columns, kept = self._checked(singles, places)
        if len(columns):
            self._add(columns, kept)
            self.fit.look(move(columns.xy, inverse(self._matrix)))

    def _checked(self, singles: list[NewAnnotation], places: list[int]) -> tuple[Columns, npt.NDArray[np.int64]]:
        """Let annotations through the gate one by one; gives those that pass, and their places."""
        passed, kept = list[NewAnnotation](), list[int]()
        outcomes = self._gate.check(item.geometry for item in singles)
        for item, place, checked in zip(singles, places, outcomes, strict=True):
            if isinstance(checked, PathServeError):
                self.refused.add(place, checked.code, checked.message)
                continue
            if (refusal := unclear(item.properties)) is not None:
                self.refused.add(place, refusal.code, refusal.message)
                continue
            if checked.note is not None:
                self.repaired.add(place, "geometry_repaired", checked.note)
            passed.append(replace(item, geometry=checked.geometry, drawn=checked.drawn or item.drawn))
            kept.append(place)
            if item.class_name is not None and item.class_color is not None:
                self.context.colors.setdefault(item.class_name, item.class_color)
        return Columns.of(passed), np.array(kept, np.int64)

    def _add(self, columns: Columns, places: npt.NDArray[np.int64]) -> None:
        """Give rows that passed the gate to the store; ``places`` says where each stood in the file."""
        if not len(columns):
            return
        columns = trim_columns(columns, self.context.losses)
        without = ~columns.identified()
        self.made_ids += int(without.sum())
        columns = replace(columns, ids=self._ids.fill(columns))
        self._count_outside(columns)
        on_conflict = self._options.on_conflict
        added = self._give(columns, replaces=on_conflict == "replace")
        if on_conflict == "new":
            self._add_as_new(columns, places, added)
        else:
            self._refuse_taken(places[added.conflicts], added.differences)

    def _give(self, columns: Columns, *, replaces: bool = False) -> BulkAdded:
        context = self.context
        added = self._bulk.add(
            columns,
            on_conflict="replace" if replaces else "report",
            colors=trimmed_keys(context.colors),
            codes=trimmed_keys(context.codes),
        )
        self.known += len(added.known)
        self.replaced += len(added.replaced)
        self.created += len(columns) - len(added.known) - len(added.replaced) - len(added.conflicts)
        return added

    def _add_as_new(self, columns: Columns, places: npt.NDArray[np.int64], added: BulkAdded) -> None:
        """Give rows whose id is taken another one, made of it and of what they say: the same again is there already."""
        rows, differences = added.conflicts, added.differences
        for _ in range(MAX_COPIES):
            if not len(rows):
                return
            columns, places = columns.take(rows), places[rows]
            columns = replace(columns, ids=self._ids.made_anew(columns))
            added = self._give(columns)
            made = np.ones(len(columns), np.bool_)
            made[added.known] = made[added.conflicts] = False
            for row in np.flatnonzero(made).tolist():
                message = conflict_message(Difference(int(differences[row])))
                self.conflicts.add(int(places[row]), "conflict", f"{message[:-1]}: it got an id of its own.")
            rows, differences = added.conflicts, differences[added.conflicts]
        self._refuse_taken(places[rows], differences)

    def _refuse_taken(self, places: npt.NDArray[np.int64], differences: npt.NDArray[np.uint8]) -> None:
        for place, difference in zip(places.tolist(), differences.tolist(), strict=True):
            self.refused.add(place, "conflict", conflict_message(Difference(difference)))

    def _count_outside(self, columns: Columns) -> None:
        if self._slide.size is not None:
            size = self._slide.size
            low, high = _bounds(columns.xy)
            if (low >= 0).all() and (high <= (size.width, size.height)).all():
                return
            boxes = columns.boxes()
            self.outside += int(((boxes[:, :2] < 0) | (boxes[:, 2:] > (size.width, size.height))).any(axis=1).sum())


def _bounds(xy: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give the smallest and the largest x and y of positions (at least one)."""
    whole = len(xy) // _TOGETHER * _TOGETHER
    # Rows of two numbers are compared one by one, longer ones several numbers at a time.
    wide = np.ascontiguousarray(xy[:whole]).reshape(-1, 2 * _TOGETHER)
    some = [xy[whole:]]
    if len(wide):
        some += [wide.min(axis=0).reshape(-1, 2), wide.max(axis=0).reshape(-1, 2)]
    few = np.concatenate(some)
    return few.min(axis=0), few.max(axis=0)
