"""What staff call the patients, cases and slides that have pseudonyms: for admins of all projects alone."""

from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.catalog import Kind
from pathserve.server.bodies import json_response, read_model
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models_projects import OriginalModel, OriginalPage, SlideOriginalsModel
from pathserve.server.params import NoQuery, OriginalsSearch


async def search_pseudonyms(call: Call[NoQuery]) -> Response:
    """Find originals; like every JSON answer of ours it is stored by no cache."""
    query = await read_model(call.request, OriginalsSearch)
    find = partial(
        call.services.pseudonyms.find,
        query.q,
        kind=None if query.kind is None else Kind(query.kind),
        project=query.project,
        after=query.offset,
        limit=query.limit,
    )
    found, following = await run_in_threadpool(find)
    items = [OriginalModel.of(original) for original in found]
    return json_response(OriginalPage(items=items, next=None if following is None else str(following)))


async def read_slide_originals(call: Call[NoQuery]) -> Response:
    """Give what is kept of one slide; its id names nobody, so it may stand in an address."""
    found = await run_in_threadpool(call.services.pseudonyms.of_slide, call.slide())
    originals = {kind.value: found.get(kind) for kind in Kind}
    return json_response(SlideOriginalsModel.model_validate(originals))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/pseudonyms/search",
        search_pseudonyms,
        Action.PSEUDONYMS,
        "Find what staff call patients, cases and slides, and the slides that it leads to",
        NoQuery,
        {200: Answer("A page of originals.", model=OriginalPage)},
        body_types=("application/json",),
        body_model=OriginalsSearch,
        tag="pseudonyms",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/originals",
        read_slide_originals,
        Action.PSEUDONYMS,
        "What staff call a slide, its case and its patient",
        NoQuery,
        {200: Answer("The originals.", model=SlideOriginalsModel)},
        tag="pseudonyms",
    ),
)
