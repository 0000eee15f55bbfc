"""What was found about a slide's quality when it came in: in full, and where its tissue is."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.catalog.judgements import StoredJudgement
from pathserve.errors import NotFound
from pathserve.server.bodies import json_response
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models import QualityDetailModel
from pathserve.server.params import GenerationQuery, NoQuery
from pathserve.server.routes_tiles import not_modified


async def quality(call: Call[NoQuery]) -> Response:
    """Give all that was found."""
    slide = call.slide()

    def work() -> QualityDetailModel:
        found = _require(call.services.catalog.judgements.current([slide]).get(slide.id))
        detail = call.services.catalog.judgements.detail(slide.id) or {}
        return QualityDetailModel.model_validate({**(found.summary or {}), **detail, "reason": found.reason})

    return json_response(await run_in_threadpool(work))


async def tissue(call: Call[GenerationQuery]) -> Response:
    """Give the tissue mask."""
    slide = call.slide()

    def work() -> tuple[StoredJudgement, bytes | None]:
        found = _require(call.services.catalog.judgements.current([slide]).get(slide.id))
        return found, call.services.catalog.judgements.tissue(slide.id)

    found, picture = await run_in_threadpool(work)
    if picture is None:
        raise NotFound("This slide could not be judged.")
    # Not immutable, whatever generation is asked for: a better method may find other tissue in the same pixels.
    headers = {"etag": f'"tissue-{found.generation}-{found.version}"', "cache-control": "private, no-cache"}
    return not_modified(call, headers) or Response(picture, media_type="image/png", headers=headers)


def _require(found: StoredJudgement | None) -> StoredJudgement:
    if found is None:
        raise NotFound("This slide has not been judged yet.")
    return found


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides/{slide}/quality",
        quality,
        Action.SLIDE_READ,
        "What was found about a slide's quality: hints for people, never a verdict",
        NoQuery,
        {200: Answer("What was found.", model=QualityDetailModel)},
        tag="quality",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/quality/tissue.png",
        tissue,
        Action.SLIDE_READ,
        "Where tissue was found: the whole slide at `mask_downsample`, white is tissue",
        GenerationQuery,
        {200: Answer("The mask.", ("image/png",)), 304: Answer("Not changed.", ())},
        tag="quality",
    ),
)
