"""One cheap question of a proxy: may this caller see this slide? It guards what the proxy keeps of it."""

from starlette.responses import Response

from pathserve.access import Action
from pathserve.errors import Denied, NotFound
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.params import NoQuery


async def access(call: Call[NoQuery]) -> Response:
    """Answer without a body when the caller may see the slide; both that it is hidden and that it is none are 403."""
    try:
        call.slide()
    except NotFound as error:
        # nginx's auth_request knows 401 and 403; of anything else it makes an error of its own.
        raise Denied(error.message) from None
    return Response(status_code=204, headers={"cache-control": "no-store"})


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides/{slide}/access",
        access,
        Action.SLIDE_READ,
        "Whether the caller may see a slide, for a proxy that asks before it answers from its own cache",
        NoQuery,
        {204: Answer("The caller may.", ())},
        tag="probes",
    ),
)
