"""Many annotations at once over HTTP: how many there are, and edits that are made together."""

from collections.abc import Sequence
from uuid import UUID

import orjson
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.annotations import MAX_EDITS, AnnotationQuery, Edit
from pathserve.annotations.heads import find_deleted
from pathserve.errors import Invalid
from pathserve.server.bodies import json_response, read_body, require_shallow
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models_search import EditedModel, EditsBody, EditsModel, SummaryModel
from pathserve.server.params import NoQuery, body_sentence
from pathserve.server.params_annotations import SearchQuery
from pathserve.server.services import Services

_MAX_BODY = 4 * 1024 * 1024


async def summary(call: Call[SearchQuery]) -> Response:
    """Count annotations by class, layer and state."""
    question = call.query.asked(call.slide())

    def work() -> SummaryModel:
        with call.timed("read"):
            return SummaryModel.of(call.services.annotations.summary(question))

    return json_response(await call.in_turn(call.services.making, work))


async def edit_annotations(call: Call[NoQuery]) -> Response:
    """Edit many annotations as one revision."""
    slide, services, author = call.slide(), call.services, call.actor.name
    body = await read_body(call.request, limit=_MAX_BODY)

    def work() -> EditsModel:
        wanted = _parse(body).edits
        found = _by_number(services, slide.id, [item.number for item in wanted if item.number is not None])
        edits = [item.edit(found) for item in wanted]
        _require_each_once(edits)
        known = [edit for edit in edits if edit is not None]
        answers = iter(services.annotations.edit_many(slide.id, known, author=author))
        results = [EditedModel.of(None if edit is None else next(answers)) for edit in edits]
        return EditsModel(done=sum(result.result == "done" for result in results), results=results)

    return json_response(await run_in_threadpool(work))


def _parse(body: bytes) -> EditsBody:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid("The body is no JSON.") from error
    require_shallow(given, "A body of edits")
    try:
        wanted = EditsBody.model_validate(given)
    except ValidationError as error:
        raise Invalid(body_sentence(error)) from error
    for index, edit in enumerate(wanted.edits):
        try:
            edit.check()
        except Invalid as error:
            raise Invalid(f"The body's member edits[{index}]: {error.message}", code=error.code) from error
    return wanted


def _require_each_once(edits: Sequence[Edit | None]) -> None:
    first = dict[UUID, int]()
    for index, edit in enumerate(edits):
        if edit is not None and (before := first.setdefault(edit.id, index)) != index:
            raise Invalid(f"The body's members edits[{before}] and edits[{index}] name the same annotation.")


def _by_number(services: Services, slide: str, numbers: Sequence[int]) -> dict[int, UUID]:
    """Find the ids of some numbers; numbers never change hands, so what is found stays right."""
    if not numbers:
        return {}
    page = services.annotations.page(AnnotationQuery(slide, numbers=tuple(numbers)), limit=MAX_EDITS)
    found = {annotation.number: annotation.id for annotation in page.annotations}
    missing = [number for number in numbers if number not in found]
    return found | services.db.read(lambda tx: find_deleted(tx, slide, missing)) if missing else found


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides/{slide}/annotations/summary",
        summary,
        Action.ANNOTATION_READ,
        "How many annotations there are, by class, layer and state",
        SearchQuery,
        {200: Answer("Exact counts.", model=SummaryModel)},
        tag="annotations",
    ),
    Endpoint(
        "POST",
        "/api/slides/{slide}/annotations/edits",
        edit_annotations,
        Action.ANNOTATION_WRITE,
        "Edit up to 10,000 annotations as one revision",
        NoQuery,
        {200: Answer("What became of each edit, in their order.", model=EditsModel)},
        body_types=("application/json",),
        body_model=EditsBody,
        tag="annotations",
    ),
)
