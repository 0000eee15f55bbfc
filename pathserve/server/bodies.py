"""Request bodies within their limits, and the headers of conditional writes."""

import re
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from pathserve.errors import Invalid, PreconditionNeeded, Stale, TooLarge
from pathserve.server.params import body_sentence

_M = TypeVar("_M", bound=BaseModel)

SMALL_BODY = 64 * 1024
_MAX_DEPTH = 64
_ETAG = re.compile(r'"([rc])([0-9]{1,18})"')


async def read_body(request: Request, *, limit: int) -> bytes:
    """Read a request's body.

    Raises
    ------
    TooLarge
        As soon as more than ``limit`` bytes are announced or have come.
    """
    too_large = TooLarge(f"A request body of this address has at most {limit:,} bytes.")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise too_large
    parts, size = list[bytes](), 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
    return b"".join(parts)


async def read_model(request: Request, model: type[_M], *, limit: int = SMALL_BODY) -> _M:
    """Read a JSON body.

    Raises
    ------
    Invalid
        When it is no JSON or not of this shape.
    """
    body = await read_body(request, limit=limit)
    try:
        return model.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise Invalid("The body is no JSON.") from error
    except ValidationError as error:
        raise Invalid(body_sentence(error)) from error


def require_shallow(value: object, what: str) -> None:
    """Refuse JSON that is nested deeper than any Feature, before anything walks through it by recursion.

    Raises
    ------
    Invalid
        When it is.
    """
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise Invalid(f"{what} is nested at most {_MAX_DEPTH} deep.")


def etag(revision: int) -> str:
    """Give the strong entity tag of an annotation's revision."""
    return f'"r{revision}"'


def version_etag(version: int) -> str:
    """Give the strong entity tag of a class schema's version."""
    return f'"c{version}"'


def expected_revision(request: Request) -> int:
    """Read the revision that a write names in ``If-Match``.

    Raises
    ------
    PreconditionNeeded
        When the header is missing, or is ``*``, which names no revision.
    Stale
        When it names something that was never this annotation's entity tag.
    """
    return _expected(request, "r", "annotation")


def expected_version(request: Request) -> int:
    """Read the version that a write of classes names in ``If-Match``; raises as `expected_revision`."""
    return _expected(request, "c", "class schema")


def _expected(request: Request, letter: str, what: str) -> int:
    given = request.headers.get("if-match", "").strip()
    if given in ("", "*"):
        raise PreconditionNeeded(f'Send If-Match with the ETag of the version that you saw, such as "{letter}12".')
    match = _ETAG.fullmatch(given)
    if match is None or match[1] != letter:
        raise Stale(f"If-Match names no version of this {what}; read it again and send its ETag.")
    return int(match[2])


def json_response(model: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with a model as JSON, never stored by caches."""
    return Response(
        model.model_dump_json(),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store"} | (headers or {}),
    )
