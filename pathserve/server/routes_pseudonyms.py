"""What staff call the patients, cases and slides that have pseudonyms: for admins of all projects alone."""

from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.catalog import Kind
from pathserve.server.bodies import json_response
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models_projects import OriginalModel, OriginalPage
from pathserve.server.params import OriginalsQuery


async def list_pseudonyms(call: Call[OriginalsQuery]) -> Response:
    """Find originals; like every JSON answer of ours it is stored by no cache."""
    query = call.query
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


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/pseudonyms",
        list_pseudonyms,
        Action.PSEUDONYMS,
        "Find what staff call patients, cases and slides, and the slides that it leads to",
        OriginalsQuery,
        {200: Answer("A page of originals.", model=OriginalPage)},
        tag="pseudonyms",
    ),
)
