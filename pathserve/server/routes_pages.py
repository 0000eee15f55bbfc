"""The viewer's pages and files, as its build made them, and the interface's description."""

import os
import re
from importlib import resources
from pathlib import Path

from pydantic import ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pathserve.access import Action
from pathserve.errors import NotFound
from pathserve.server.accept import takes_coding
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.params import NoQuery

_VIEWER = Path(str(resources.files("pathserve"))) / "_viewer"
_HASHED = re.compile(r"-[\w-]{8,}\.\w+(?:\.gz)?$")
_TWIN = ".gz"

_PAGE_HEADERS = {
    "cache-control": "no-cache",
    # Everything comes from this server; styles may stand in elements because the canvas library sets them so.
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob: data:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
}


class _Assets(StaticFiles):
    """Static files; those whose name holds their content's hash never change, so browsers may keep them."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file; pages are none of these, because they need their own headers."""
        return ("", None) if path.endswith(".html") else super().lookup_path(path)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer one file, by its gzipped twin where there is one and the client takes it (RFC 9110, 12.5.3).

        Twins have no addresses of their own.
        """
        if path.lower().endswith(_TWIN):
            raise HTTPException(404)
        accepted = Headers(scope=scope).get("accept-encoding", "")
        twin = path + _TWIN
        packed = takes_coding(accepted, "gzip") and (await run_in_threadpool(self.lookup_path, twin))[1] is not None
        response = await super().get_response(twin if packed else path, scope)
        response.headers["vary"] = "Accept-Encoding"
        if packed:
            response.headers["content-encoding"] = "gzip"
        return response

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Answer one file."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        hashed = _HASHED.search(os.fspath(full_path)) is not None
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response


def assets() -> Mount:
    """Make the route of the viewer's scripts, styles and pictures."""
    return Mount("/assets", _Assets(directory=_VIEWER, check_dir=False), name="assets")


def _page(name: str) -> Response:
    path = _VIEWER / name
    if not path.is_file():
        raise NotFound("This installation was built without the viewer; install it with `pip install .`.")
    return FileResponse(path, media_type="text/html", headers=_PAGE_HEADERS)


async def gallery(call: Call[NoQuery]) -> Response:  # noqa: ARG001 - a handler's signature
    """Show the gallery."""
    return _page("index.html")


async def viewer(call: Call[NoQuery]) -> Response:  # noqa: ARG001 - a handler's signature
    """Show the viewer; which slide it shows is asked for by the page itself."""
    return _page("slide.html")


async def ingest_page(call: Call[NoQuery]) -> Response:  # noqa: ARG001 - a handler's signature
    """Show the page where administrators add slides; what they may is asked for by the page itself."""
    return _page("index.html")


async def sign_in_page(call: Call[NoQuery]) -> Response:  # noqa: ARG001 - a handler's signature
    """Show the sign-in page."""
    return _page("sign-in.html")


async def docs(call: Call[NoQuery]) -> Response:  # noqa: ARG001 - a handler's signature
    """Show the interface's description to people."""
    return _page("docs.html")


async def openapi(call: Call[NoQuery]) -> Response:
    """Give the interface's description to programs."""
    text = await run_in_threadpool(call.request.app.state.description.text)
    return Response(text, media_type="application/json")


class PageQuery(NoQuery):
    """A page keeps its own state in its address, which the server does not look at."""

    model_config = ConfigDict(extra="ignore", frozen=True)


_HTML = {200: Answer("A page.", ("text/html",))}

ENDPOINTS = (
    Endpoint("GET", "/", gallery, Action.SELF, "The gallery", PageQuery, _HTML, described=False),
    Endpoint("GET", "/slides/{slide}", viewer, Action.SELF, "The viewer", PageQuery, _HTML, described=False),
    Endpoint("GET", "/ingest", ingest_page, Action.SELF, "Adding slides", PageQuery, _HTML, described=False),
    Endpoint("GET", "/sign-in", sign_in_page, Action.PUBLIC, "The sign-in page", PageQuery, _HTML, described=False),
    Endpoint("GET", "/api/docs", docs, Action.SELF, "This description, for people", PageQuery, _HTML, described=False),
    Endpoint(
        "GET",
        "/api/openapi.json",
        openapi,
        Action.SELF,
        "This description, for programs",
        NoQuery,
        {200: Answer("OpenAPI 3.1.")},
        tag="description",
    ),
)
