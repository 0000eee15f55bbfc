"""What touches identity: the kept label and macro pictures, and the report of what ingest dropped."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action, Resource, allow
from pathserve.ingest import kept_pictures, picture_bytes
from pathserve.server.bodies import json_response
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models import AssociatedModel, AssociatedPage, IdentityModel
from pathserve.server.params import NoQuery, PictureQuery, ThumbnailQuery
from pathserve.server.routes_tiles import NOT_ACCEPTABLE, negotiated, thumbnail
from pathserve.slides import jpeg
from pathserve.tiles import PICTURE_TYPES, encode_image

# Such a picture must not lie in any cache, not even the browser's.
_HEADERS = {"cache-control": "no-store"}
_ALSO_CALLED = {"overview": "macro"}  # DICOM's word


async def overview(call: Call[ThumbnailQuery]) -> Response:
    """Give a thumbnail under the name that other servers have for it: made from the slide, so it shows no label."""
    return await thumbnail(call)


async def list_associated(call: Call[NoQuery]) -> Response:
    """List the pictures beside the slide's pixels that the caller may see."""
    slide = call.slide()
    kept: tuple[str, ...] = ()
    if allow(call.actor, Action.ASSOCIATED_READ, Resource(slide.project)).allowed:
        kept = await run_in_threadpool(kept_pictures, call.services.settings, slide.id)
    items = [AssociatedModel.of(slide.id, name) for name in (*kept, "thumbnail")]
    return json_response(AssociatedPage(items=items, next=None))


async def associated(call: Call[PictureQuery]) -> Response:
    """Give the label or macro picture: as a JPEG the stored one, in other formats made of it."""
    slide = call.slide()
    kind, vary = negotiated(call, call.query.format, PICTURE_TYPES)
    name = call.request.path_params["name"]

    def work() -> bytes:
        stored = picture_bytes(call.services.settings, slide.id, _ALSO_CALLED.get(name, name))
        return stored if kind == "jpeg" else encode_image(jpeg.decode(stored), kind)

    body = await run_in_threadpool(work)
    return Response(body, media_type=PICTURE_TYPES[kind], headers=_HEADERS | vary)


async def identity(call: Call[NoQuery]) -> Response:
    """Give the report of what ingest dropped."""
    slide = call.slide()
    report = await run_in_threadpool(call.services.catalog.identity_report, slide.id)
    return json_response(IdentityModel.model_validate(report))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides/{slide}/associated",
        list_associated,
        Action.SLIDE_READ,
        "The pictures beside the slide's pixels that the caller may see",
        NoQuery,
        {200: Answer("The pictures.", model=AssociatedPage)},
        tag="identity",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/associated/thumbnail",
        overview,
        Action.SLIDE_READ,
        "A small picture of the whole slide, made from the slide itself",
        ThumbnailQuery,
        {
            200: Answer("The picture.", tuple(PICTURE_TYPES.values())),
            304: Answer("Not changed.", ()),
            406: NOT_ACCEPTABLE,
        },
        tag="identity",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/associated/{name}",
        associated,
        Action.ASSOCIATED_READ,
        "The `label` or `macro` (or `overview`) picture, when it was kept",
        PictureQuery,
        {200: Answer("The picture.", tuple(PICTURE_TYPES.values())), 406: NOT_ACCEPTABLE},
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
