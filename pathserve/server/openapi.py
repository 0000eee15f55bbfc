"""OpenAPI 3.1 made from the endpoints themselves: the models that parse are the models that are described."""

import re
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any

import orjson
from openapi_pydantic import OpenAPI
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from pathserve import __version__
from pathserve.access import Action
from pathserve.server.endpoint import Answer, Endpoint
from pathserve.server.models import ProblemModel
from pathserve.server.params import GridQuery, ViewQuery

_CONVERTER = re.compile(r":\w+(?=\})")
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_WHOLE_NUMBERS = frozenset({"level", "col", "row"})
_PROBLEM_STATUSES = {
    "401": "Nobody knows who is asking.",
    "403": "The caller's role does not do this.",
    "404": "There is no such thing, or the caller may not know of it.",
    "422": "A parameter or the body breaks a rule.",
}
_TOO_LARGE = {"413": "More is asked for or sent than the limits allow."}
_BUSY = {"503": "Not now, or the level is still being built; try again after `Retry-After` seconds."}
_MALFORMED = {"400": "The address is none that the IIIF Image API allows, or asks for more than the limits."}
_CONDITIONAL_STATUSES = {
    "412": "Another version is current; `current` holds it.",
    "428": "If-Match is missing.",
}


class Description:
    """The description of the interface as JSON, made when it is first asked for and kept; for several threads.

    Making it takes longer than all else at the start of a server, and few servers are ever asked for it.
    """

    def __init__(self, endpoints: Sequence[Endpoint[Any]]) -> None:
        self._endpoints = endpoints
        self._lock = Lock()
        self._text: bytes | None = None

    def text(self) -> bytes:
        """Give the document; the first call takes some tenths of a second."""
        with self._lock:
            if self._text is None:
                self._text = orjson.dumps(describe(self._endpoints))
            return self._text


def describe(endpoints: Iterable[Endpoint[Any]]) -> dict[str, Any]:
    """Build the OpenAPI document of all described endpoints, as plain JSON values."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        if endpoint.described:
            paths.setdefault(_CONVERTER.sub("", endpoint.path), {})[endpoint.method.lower()] = _operation(endpoint)
    document = OpenAPI.model_validate(
        {
            "openapi": "3.1.1",
            "info": {
                "title": "PathServe",
                "version": __version__,
                "description": "Whole-slide tiles, annotations and masks. Every coordinate is in level-0 pixels, "
                "x right, y down, (0, 0) the outer top-left corner of the first pixel.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "paths": paths,
            "components": {
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer"},
                    "session": {"type": "apiKey", "in": "cookie", "name": "pathserve_session"},
                }
            },
            "security": [{"token": []}, {"session": []}],
        }
    )
    with_schemas = construct_open_api_with_schema_class(document, by_alias=True)
    return with_schemas.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


def _operation(endpoint: Endpoint[Any]) -> dict[str, Any]:
    conditional = endpoint.method in ("PUT", "PATCH", "DELETE") and "{annotation}" in endpoint.path
    conditional = conditional or endpoint.path.endswith("/revert")
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "summary": endpoint.summary,
        "description": f"Permission: `{endpoint.action.value}`.",
        "tags": [endpoint.tag],
        "parameters": [*_path_parameters(_CONVERTER.sub("", endpoint.path)), *_query_parameters(endpoint.query)],
        "responses": {str(status): _response(answer) for status, answer in endpoint.answers.items()}
        | _problems(_PROBLEM_STATUSES | _limits(endpoint) | (_CONDITIONAL_STATUSES if conditional else {})),
    }
    if conditional:
        operation["parameters"].append(
            {"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}}
        )
    if endpoint.action is Action.PUBLIC:
        operation["security"] = []
    if endpoint.body_types:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: _content(endpoint.body_model) for kind in endpoint.body_types},
        }
    return operation


def _limits(endpoint: Endpoint[Any]) -> dict[str, str]:
    """Tell which limits an address has: those of bodies, of grids and views, of the places where pixels are made."""
    statuses = dict[str, str]()
    if endpoint.body_types or issubclass(endpoint.query, GridQuery | ViewQuery):
        statuses |= _TOO_LARGE
    if endpoint.tag in ("pixels", "masks"):
        statuses |= _BUSY
    return statuses | (_MALFORMED if "{quality}" in endpoint.path else {})


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if name in _WHOLE_NUMBERS else "string"},
        }
        for name in _PATH_PARAMETER.findall(path)
    ]


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(by_alias=True)
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": described.get("description", ""),
            "schema": {key: value for key, value in described.items() if key not in ("title", "description")},
        }
        for name, described in schema.get("properties", {}).items()
    ]


def _response(answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.description}
    if answer.media_types:
        response["content"] = {kind: _content(answer.model) for kind in answer.media_types}
    return response


def _content(model: type[BaseModel] | None) -> dict[str, Any]:
    return {} if model is None else {"schema": PydanticSchema(schema_class=model, enum=None)}


def _problems(statuses: dict[str, str]) -> dict[str, Any]:
    return {
        status: {
            "description": description,
            "content": {"application/problem+json": {"schema": PydanticSchema(schema_class=ProblemModel, enum=None)}},
        }
        for status, description in statuses.items()
    }
