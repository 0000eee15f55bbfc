"""Probes for whoever watches the server."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.server.bodies import json_response
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models import HealthModel
from pathserve.server.params import NoQuery


async def alive(call: Call[NoQuery]) -> Response:  # noqa: ARG001 - a handler's signature
    """Say that the process answers."""
    return json_response(HealthModel(status="ok"))


async def ready(call: Call[NoQuery]) -> Response:
    """Say that the database answers too."""
    await run_in_threadpool(call.services.db.read, lambda tx: tx.row("select 1"))
    return json_response(HealthModel(status="ready"))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/healthz",
        alive,
        Action.PUBLIC,
        "The process answers",
        NoQuery,
        {200: Answer("It does.", model=HealthModel)},
        tag="probes",
    ),
    Endpoint(
        "GET",
        "/readyz",
        ready,
        Action.PUBLIC,
        "The server can do its work",
        NoQuery,
        {200: Answer("It can.", model=HealthModel)},
        tag="probes",
    ),
)
