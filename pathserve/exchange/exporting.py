"""The store's way out into a file of any format."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import BinaryIO

from pathserve.annotations import AnnotationQuery, AnnotationStore
from pathserve.errors import NotFound, Unsupported
from pathserve.exchange.frames import Frame, FrameOptions, inverse, move_columns, settle
from pathserve.exchange.report import ExportReport
from pathserve.formats.contract import Format, Losses, SlideFrame, WriteContext
from pathserve.labels import ClassSchema, Columns

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What somebody says about an export: the format, the frame of its coordinates, and what the format is told."""

    form: Format
    frame: FrameOptions = field(default_factory=FrameOptions)
    told: Mapping[str, str] = field(default_factory=dict)


def _no_progress(done: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Export:
    """An export that can be written: all about it that can be wrong was looked at.

    Parameters
    ----------
    query
        What is exported; ``as_of`` is a revision.
    """

    store: AnnotationStore
    query: AnnotationQuery
    form: Format
    frame: Frame
    revision: int
    context: WriteContext

    def write(self, out: BinaryIO, progress: Callable[[int], None] = _no_progress) -> ExportReport:
        """Write everything; memory is bounded whatever there is."""
        if self.form.write is None:
            raise Unsupported(f"{self.form.title} is read and not written.", code="not_writable")
        written = 0

        def told() -> Iterator[Columns]:
            nonlocal written
            way = inverse(self.frame.to_slide)
            for columns in self.store.columns(self.query, keep=False):
                yield move_columns(columns, way)
                written += len(columns)
                progress(written)

        self.form.write(told(), out, self.context)
        return ExportReport(self.form, self.frame, self.revision, written, self.context.losses)


def begin_export(
    store: AnnotationStore,
    query: AnnotationQuery,
    options: ExportOptions,
    *,
    frame: SlideFrame,
    schema: ClassSchema,
    revisions: Mapping[int, tuple[str, datetime]],
) -> Export:
    """Settle an export before its first byte.

    Raises
    ------
    Unsupported
        When the format is not written.
    Invalid
        When the frame cannot be had, or the revision is not there.
    NotFound
        When a layer is asked for that is not there.
    """
    if options.form.write is None:
        raise Unsupported(f"{options.form.title} is read and not written.", code="not_writable")
    settled = settle(options.frame, options.form, frame)
    revision = store.resolve(query.slide, query.as_of)
    if query.layers:
        _require_layers(query.layers, [layer.name for layer, _ in store.layers(query.slide, revision=revision)])
    context = WriteContext(slide=frame, losses=Losses(), schema=schema, revisions=revisions, options=options.told)
    return Export(store, replace(query, as_of=revision), options.form, settled, revision, context)


def _require_layers(wanted: Sequence[str], there: Sequence[str]) -> None:
    """Refuse a name that is mistaken: a file with nothing in it would look like an answer."""
    if set(wanted) <= set(there):
        return
    named = ", ".join(there[:_MOST_NAMED])
    more = f" and {len(there) - _MOST_NAMED:,} more" if len(there) > _MOST_NAMED else ""
    raise NotFound(f"There is no such layer. Layers are: {named}{more}." if there else "There are no layers yet.")
