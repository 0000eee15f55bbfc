"""Errors as ``application/problem+json`` (RFC 9457): one table, matched along the class tree."""

import logging
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from pathserve import errors

_LOG = logging.getLogger("pathserve.server")

_STATUS: dict[type[errors.PathServeError], tuple[int, str]] = {
    errors.NotFound: (404, "Not found"),
    errors.Invalid: (422, "Not valid"),
    errors.Malformed: (400, "Bad request"),
    errors.Unsatisfiable: (416, "Range not satisfiable"),
    errors.Unsupported: (422, "Not supported"),
    errors.NotAcceptable: (406, "Not acceptable"),
    errors.Conflict: (409, "Conflict"),
    errors.Stale: (412, "Precondition failed"),
    errors.PreconditionNeeded: (428, "Precondition required"),
    errors.Denied: (403, "Forbidden"),
    errors.Unauthenticated: (401, "Not signed in"),
    errors.Corrupt: (500, "Stored data is damaged"),
    errors.TooLarge: (413, "Too large"),
    errors.Busy: (503, "Busy"),
}

_HTTP: dict[int, tuple[str, str, str]] = {
    404: ("not_found", "Not found", "There is nothing at this address."),
    405: ("method_not_allowed", "Method not allowed", "This address does not answer to this method."),
    400: ("bad_request", "Bad request", "The request could not be understood."),
}


def status_of(error: errors.PathServeError) -> tuple[int, str]:
    """Give the HTTP status and title of an error by the nearest class in the table."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 500, "Error"


def problem(
    scope: Scope,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    headers: dict[str, str] | None = None,
    members: dict[str, Any] | None = None,
) -> Response:
    """Build a problem document; ``request_id`` names the request in the server's log."""
    body = {
        "type": f"urn:pathserve:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id(scope),
    }
    return Response(
        orjson.dumps(body | (members or {})),
        status_code=status,
        media_type="application/problem+json",
        headers={"cache-control": "no-store"} | (headers or {}),
    )


def request_id(scope: Scope) -> str:
    """Give the id that the middleware gave this request."""
    return str(scope.get("state", {}).get("request_id", ""))


def error_response(
    scope: Scope,
    error: errors.PathServeError,
    *,
    headers: dict[str, str] | None = None,
    members: dict[str, Any] | None = None,
) -> Response:
    """Turn one of our errors into its problem document."""
    status, title = status_of(error)
    extra = dict(headers or {})
    if status == 401:
        extra["www-authenticate"] = "Bearer"
    if status == 503:
        extra["retry-after"] = "1"
    return problem(
        scope, status=status, code=error.code, title=title, detail=error.message, headers=extra, members=members
    )


def on_pathserve_error(request: Request, error: Exception) -> Response:
    """Answer an error that PathServe raised on purpose."""
    if not isinstance(error, errors.PathServeError):
        raise error
    if isinstance(error, errors.Corrupt):
        _LOG.error("stored data is damaged (request %s)", request_id(request.scope))
    return error_response(request.scope, error)


def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer Starlette's own errors (no such route, wrong method) in the same shape."""
    if not isinstance(error, HTTPException):
        raise error
    code, title, detail = _HTTP.get(error.status_code, ("error", "Error", "The request failed."))
    return problem(
        request.scope,
        status=error.status_code,
        code=code,
        title=title,
        detail=detail,
        headers=dict(error.headers or {}),
    )


def on_unexpected(scope: Scope, error: Exception) -> Response:
    """Answer a bug: the log gets the kind and the place, the client a request id; neither gets the error's text."""
    log_unexpected(error, f"request {request_id(scope)}")
    return problem(
        scope,
        status=500,
        code="internal",
        title="Internal error",
        detail="Something went wrong inside PathServe; the log names this request.",
    )


def log_unexpected(error: Exception, where: str) -> None:
    """Write a bug's kind and place into the log.

    The text of a foreign exception can hold a file name or a scan's metadata, which can be a patient's identity.
    """
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}")
        trace = trace.tb_next
    _LOG.error("%s in %s at %s", type(error).__name__, where, " > ".join(frames[-8:]))
