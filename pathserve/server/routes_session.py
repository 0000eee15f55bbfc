"""Signing in by one-time link, signing out, and who one is."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.server.auth import SESSION_COOKIE
from pathserve.server.bodies import json_response, read_model
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models import SessionModel, SignInBody
from pathserve.server.params import NoQuery


async def sign_in(call: Call[NoQuery]) -> Response:
    """Exchange a link's code for a session cookie."""
    body = await read_model(call.request, SignInBody)
    secret = await run_in_threadpool(call.services.accounts.sign_in, body.code)
    response = Response(status_code=204, headers={"cache-control": "no-store"})
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=int(call.services.settings.session_hours * 3600),
        httponly=True,
        samesite="lax",
        secure=(call.services.settings.public_url or str(call.request.url)).startswith("https:"),
    )
    return response


async def who(call: Call[NoQuery]) -> Response:
    """Say who is asking."""
    return json_response(SessionModel.of(call.actor))


async def sign_out(call: Call[NoQuery]) -> Response:
    """End the browser's session."""
    secret = call.request.cookies.get(SESSION_COOKIE, "")
    await run_in_threadpool(call.services.accounts.sign_out, secret)
    response = Response(status_code=204, headers={"cache-control": "no-store"})
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response


ENDPOINTS = (
    Endpoint(
        "POST",
        "/sign-in",
        sign_in,
        Action.PUBLIC,
        "Sign in with the code of a one-time link",
        NoQuery,
        {204: Answer("Signed in; a session cookie is set.", ())},
        body_types=("application/json",),
        body_model=SignInBody,
        tag="session",
    ),
    Endpoint(
        "GET",
        "/api/session",
        who,
        Action.SELF,
        "Who is asking",
        NoQuery,
        {200: Answer("The caller.", model=SessionModel)},
        tag="session",
    ),
    Endpoint(
        "DELETE",
        "/api/session",
        sign_out,
        Action.SELF,
        "Sign out",
        NoQuery,
        {204: Answer("Signed out.", ())},
        tag="session",
    ),
)
