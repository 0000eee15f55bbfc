"""What touches identity: the kept label and macro pictures, and the report of what ingest dropped."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.ingest import picture_bytes
from pathserve.server.bodies import json_response
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models import IdentityModel
from pathserve.server.params import NoQuery, ThumbnailQuery
from pathserve.server.routes_tiles import thumbnail

# Such a picture must not lie in any cache, not even the browser's.
_HEADERS = {"cache-control": "no-store"}


async def overview(call: Call[ThumbnailQuery]) -> Response:
    """Give a thumbnail under the name that other servers have for it: made from the slide, so it shows no label."""
    return await thumbnail(call)


async def associated(call: Call[NoQuery]) -> Response:
    """Give the label or macro picture."""
    slide = call.slide()
    name = call.request.path_params["name"]
    body = await run_in_threadpool(picture_bytes, call.services.settings, slide.id, name)
    return Response(body, media_type="image/jpeg", headers=_HEADERS)


async def identity(call: Call[NoQuery]) -> Response:
    """Give the report of what ingest dropped."""
    slide = call.slide()
    report = await run_in_threadpool(call.services.catalog.identity_report, slide.id)
    return json_response(IdentityModel.model_validate(report))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides/{slide}/associated/thumbnail",
        overview,
        Action.SLIDE_READ,
        "A small picture of the whole slide, made from the slide itself",
        ThumbnailQuery,
        {200: Answer("The picture.", ("image/jpeg",)), 304: Answer("Not changed.", ())},
        tag="identity",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/associated/{name}",
        associated,
        Action.ASSOCIATED_READ,
        "The `label` or `macro` picture, when it was kept",
        NoQuery,
        {200: Answer("The picture.", ("image/jpeg",))},
        tag="identity",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/identity",
        identity,
        Action.IDENTITY_READ,
        "What ingest dropped of the scan's metadata: places, kinds and counts, never a value",
        NoQuery,
        {200: Answer("The report.", model=IdentityModel)},
        tag="identity",
    ),
)
