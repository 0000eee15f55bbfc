"""Who is asking: every request is answered with 401 before anything else looks at it, but for the public addresses."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pathserve.access import Actor
from pathserve.errors import Denied, PathServeError, Unauthenticated
from pathserve.server.problems import error_response
from pathserve.server.services import Services

Recognise = Callable[[int], Awaitable[Actor | None]]
"""Tells at a version of the database who is asking; None when the session or token has ended."""

SESSION_COOKIE = "pathserve_session"

_PUBLIC = frozenset({"/sign-in", "/healthz", "/readyz"})
_PUBLIC_PREFIX = "/assets/"
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


def _is_public(path: str) -> bool:
    return path in _PUBLIC or path.startswith(_PUBLIC_PREFIX)


class Authentication:
    """Finds the actor of each request, or answers 401, 403 or a redirect to sign-in.

    Sets ``scope["state"]["actor"]``, and ``["version"]``: the database's version at that moment. ``["recognise"]``, a
    `Recognise`, tells later who the caller is then, for answers that take long.

    Parameters
    ----------
    options
        Headers by which the addresses that begin so describe themselves to ``OPTIONS``.
    """

    def __init__(self, app: ASGIApp, services: Services, options: Mapping[str, Mapping[str, str]]) -> None:
        self._app = app
        self._services = services
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            about = next((told for start, told in self._options.items() if scope["path"].startswith(start)), {})
            await Response(status_code=204, headers={"allow": _METHODS, **about})(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            version = self._services.db.version()
            actor, by_cookie = await self._find(headers, version)
            public = _is_public(scope["path"])
            if by_cookie or public:
                _refuse_foreign_writes(scope["method"], headers)
            if not public:
                _require_somebody(actor)
        except Unauthenticated as error:
            if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
                await RedirectResponse(_sign_in_address(scope), status_code=303)(scope, receive, send)
            else:
                await error_response(scope, error)(scope, receive, send)
            return
        except PathServeError as error:
            await error_response(scope, error)(scope, receive, send)
            return
        recognise = partial(self._again, headers)
        scope.setdefault("state", {}).update(actor=actor, version=version, recognise=recognise)
        await self._app(scope, receive, send)

    async def _again(self, headers: Headers, version: int) -> Actor | None:
        actor, _ = await self._find(headers, version)
        return actor

    async def _find(self, headers: Headers, version: int) -> tuple[Actor | None, bool]:
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, secret = authorization.partition(" ")
            actor = await self._services.token_actor(secret.strip(), version) if scheme.lower() == "bearer" else None
            return actor, False
        cookies = cookie_parser(headers.get("cookie", ""))
        return await self._services.session_actor(cookies.get(SESSION_COOKIE, ""), version), True


def _require_somebody(actor: Actor | None) -> None:
    if actor is None:
        raise Unauthenticated("Sign in, or send a token as `Authorization: Bearer TOKEN`.")


def _refuse_foreign_writes(method: str, headers: Headers) -> None:
    """Refuse a write that another site's page made a browser send (Sec-Fetch-Site, else Origin against Host)."""
    if method in _SAFE_METHODS:
        return
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise Denied("This write came from another site's page.", code="cross_site")
        return
    origin = headers.get("origin")
    # Without either header it is no browser of today, so no foreign page can be behind it.
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise Denied("This write came from another site's page.", code="cross_site")


def _sign_in_address(scope: Scope) -> str:
    path = scope["path"]
    query = scope["query_string"].decode("latin-1")
    return "/sign-in?next=" + quote(f"{path}?{query}" if query else path, safe="/")
