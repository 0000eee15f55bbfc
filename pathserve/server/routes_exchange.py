"""Files of annotations over HTTP, in every format: in, out, and what a format would lose."""

import io
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event
from typing import BinaryIO, cast

from anyio import to_thread
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.annotations.revisions import revision_log
from pathserve.catalog import SlideRecord
from pathserve.errors import Cancelled, Invalid, PathServeError
from pathserve.exchange import (
    Export,
    ExportOptions,
    ImportOptions,
    ImportReport,
    begin_export,
    import_file,
    parse_told,
    slide_frame,
    slide_tissue,
)
from pathserve.formats.registry import FORMATS, by_name
from pathserve.ingest.room import require_room
from pathserve.labels import clean_name
from pathserve.server.blocks import BlockResponse
from pathserve.server.bodies import json_response
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.events import wants_events
from pathserve.server.exchanging import ImportEvents, Told, with_first, write_body, written_blocks
from pathserve.server.models_exchange import ExportModel, FormatModel, FormatsModel, ImportModel
from pathserve.server.params import NoQuery
from pathserve.server.params_exchange import ExportQuery, ImportQuery
from pathserve.server.problems import error_response
from pathserve.server.services import Services
from pathserve.server.staged import staged


async def import_annotations(call: Call[ImportQuery]) -> Response:
    """Bring a file of annotations in as one revision."""
    slide, services = call.slide(), call.services
    options = _import_options(call)
    with ExitStack() as held:
        held.enter_context(services.exchanging.hold(call.actor))
        path = held.enter_context(staged(services.settings.imports))
        await write_body(
            call.request,
            path,
            limit=services.settings.max_import_bytes,
            require_room=partial(require_room, services.settings),
            limiter=services.uploading,
        )
        work = partial(_import, services, slide, path, options)
        answer = partial(_answer, call)
        if wants_events(call.request):
            return ImportEvents(work, answer, services.exchange_threads, held.pop_all())
        return answer(await to_thread.run_sync(work, limiter=services.exchange_threads))


def _import(
    services: Services, slide: SlideRecord, path: Path, options: ImportOptions, tell: Told = lambda *_: None
) -> ImportReport:
    return import_file(
        services.annotations,
        slide.id,
        path,
        options,
        frame=slide_frame(slide, services.published),
        tissue=slide_tissue(slide, services.catalog.judgements),
        progress=tell,
    )


def _import_options(call: Call[ImportQuery]) -> ImportOptions:
    """Read the parameters; raises `Invalid` before anything of the body is read."""
    query, limits = call.query, call.services.settings
    return ImportOptions(
        layer=call.actor.name if query.layer is None else clean_name(query.layer, "layer name"),
        author=call.actor.name,
        form=None if query.format is None else by_name(query.format).name,
        frame=query.frame,
        on_conflict=query.on_conflict,
        force=query.force,
        told=parse_told(query.option),
        max_vertices=limits.max_vertices,
    )


def _answer(call: Call[ImportQuery], outcome: ImportReport | PathServeError) -> Response:
    """Answer with a report, or with the problem that nothing came in."""
    if isinstance(outcome, PathServeError):
        return error_response(call.request.scope, outcome)
    report = ImportModel.model_validate(outcome.to_json())
    if not outcome.is_refused:
        return json_response(report, status=201)
    first = report.refused[0]
    refusal = Invalid(f"Nothing was accepted. Feature {first.index}: {first.message}", code="all_refused")
    return error_response(call.request.scope, refusal, members={"report": report.model_dump()})


async def export_annotations(call: Call[ExportQuery]) -> Response:
    """Send annotations as a file, block by block."""
    slide, services = call.slide(), call.services
    export = await run_in_threadpool(_begin_export, services, slide, call.query)
    blocks = await with_first(written_blocks(export.write, services.exchange_threads))
    form = export.form
    headers = {
        "content-type": form.media_type,
        "content-disposition": f'attachment; filename="annotations-{slide.id}{form.endings[0]}"',
        "pathserve-revision": str(export.revision),
        "cache-control": "no-store",
    }
    return BlockResponse(blocks, services.sending, call.actor, headers=headers)


async def report_export(call: Call[ExportQuery]) -> Response:
    """Tell what the file would hold and lose, without sending it."""
    slide, services = call.slide(), call.services
    stop = Event()

    def heed(_: int) -> None:
        if stop.is_set():
            raise Cancelled("Who asked for this report has gone.")

    def work() -> ExportModel:
        report = _begin_export(services, slide, call.query).write(cast(BinaryIO, _Nowhere()), heed)
        return ExportModel.model_validate(report.to_json())

    # Formats of other tools take half a minute for a million objects.
    return json_response(await call.in_turn(services.making, work, gone=stop.set))


def _begin_export(services: Services, slide: SlideRecord, query: ExportQuery) -> Export:
    return begin_export(
        services.annotations,
        query.asked(slide),
        ExportOptions(by_name(query.format), query.frame, parse_told(query.option)),
        frame=slide_frame(slide, services.published),
        schema=services.classes.of(slide.project),
        revisions=revision_log(services.db, slide.id),
    )


class _Nowhere(io.RawIOBase):
    """A file that keeps nothing."""

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def write(self, data: object, /) -> int:
        """Forget some bytes."""
        return len(cast(bytes, data))


async def list_formats(call: Call[NoQuery]) -> Response:  # noqa: ARG001 - as every handler is called
    """List the formats of annotations."""
    items = [
        FormatModel(
            name=form.name,
            title=form.title,
            endings=list(form.endings),
            reads=form.read is not None,
            writes=form.write is not None,
            origin=form.origin,
            unit=form.unit,
        )
        for form in FORMATS
    ]
    return json_response(FormatsModel(items=items))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/slides/{slide}/annotations/import",
        import_annotations,
        Action.ANNOTATION_WRITE,
        "Import a file of annotations",
        ImportQuery,
        {201: Answer("What was created, repaired, refused and lost.", model=ImportModel)},
        body_types=("application/octet-stream",),
        tag="annotations",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/annotations/export",
        export_annotations,
        Action.ANNOTATION_READ,
        "Export annotations as a file",
        ExportQuery,
        {200: Answer("The file, in the media type of its format.", ("application/octet-stream",))},
        tag="annotations",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/annotations/export/report",
        report_export,
        Action.ANNOTATION_READ,
        "What an export would hold and lose",
        ExportQuery,
        {200: Answer("The report.", model=ExportModel)},
        tag="annotations",
    ),
    Endpoint(
        "GET",
        "/api/annotation-formats",
        list_formats,
        Action.ANNOTATION_READ,
        "Formats of annotations",
        NoQuery,
        {200: Answer("All of them.", model=FormatsModel)},
        tag="annotations",
    ),
)
