"""The store's way out into a file of any format."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import BinaryIO

from pathserve.annotations import AnnotationQuery, AnnotationStore
from pathserve.annotations.mistaken import require_layers
from pathserve.errors import Unsupported
from pathserve.exchange.frames import Frame, FrameOptions, inverse, move_columns, settle
from pathserve.exchange.options import require_told
from pathserve.exchange.report import ExportReport
from pathserve.formats.contract import Format, Losses, SlideFrame, WriteContext
from pathserve.labels import ClassSchema, Columns


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
        losses = self.context.losses
        return ExportReport(self.form, self.frame, self.revision, written - losses.left_out, losses)


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
        When the frame cannot be had, the revision is not there, or the format takes no option of a name.
    NotFound
        When a layer is asked for that is not there.
    """
    if options.form.write is None:
        raise Unsupported(f"{options.form.title} is read and not written.", code="not_writable")
    require_told(options.form, options.told)
    settled = settle(options.frame, options.form, frame)
    revision = store.resolve(query.slide, query.as_of)
    query = replace(query, as_of=revision)
    require_layers(store, query)
    context = WriteContext(slide=frame, losses=Losses(), schema=schema, revisions=revisions, options=options.told)
    return Export(store, query, options.form, settled, revision, context)
