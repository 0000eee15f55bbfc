"""Who is asking: every request is answered with 401 before anything else looks at it, but for the public addresses."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import quote, unquote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pathserve.access import Actor, Role
from pathserve.errors import Denied, PathServeError, Unauthenticated
from pathserve.server.metrics import PATH as METRICS
from pathserve.server.problems import error_response
from pathserve.server.services import Services

Recognise = Callable[[int], Awaitable[Actor | None]]
"""Tells at a version of the database who is asking; None when the session or token has ended."""

SESSION_COOKIE = "pathserve_session"

LOCAL = Actor("this machine", Role.VIEWER, restricted=True)
"""Who asks for the server's counts from this very machine: it knows no project."""

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_PROBES = frozenset({"/healthz", "/readyz"})
_PUBLIC = _PROBES | {"/sign-in"}
_PUBLIC_PREFIX = "/assets/"
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_ACCOUNT = "pathserve-account"
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
            # Whether the process answers has nothing to do with who asks, nor with the database that knows it.
            actor, by_cookie = await self._find(headers, version) if scope["path"] not in _PROBES else (None, True)
            public = _is_public(scope["path"])
            if by_cookie or public:
                _refuse_foreign_writes(scope["method"], headers, self._services.settings.public_url)
            if actor is None and by_cookie and scope["path"] == METRICS and self._is_local(scope, headers):
                actor = LOCAL
            if not public:
                _require_somebody(actor)
                if by_cookie:
                    _refuse_another_accounts_writes(scope["method"], headers, actor)
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

    def _is_local(self, scope: Scope, headers: Headers) -> bool:
        """Tell whether a program of this machine asks; what a proxy passes on comes from somewhere else."""
        client = scope.get("client")
        if client is None or self._services.settings.public_url is not None:
            return False
        try:
            here = ipaddress.ip_address(client[0]).is_loopback
        except ValueError:
            return False
        return here and not any(name in headers for name in _FORWARDED)

    async def _again(self, headers: Headers, version: int) -> Actor | None:
        actor, _ = await self._find(headers, version)
        return actor

    async def _find(self, headers: Headers, version: int) -> tuple[Actor | None, bool]:
        secret, is_token = credentials(headers.get("authorization"), headers.get("cookie", ""))
        if is_token:
            return await self._services.token_actor(secret, version), False
        return await self._services.session_actor(secret, version), True


def credentials(authorization: str | None, cookie: str) -> tuple[str, bool]:
    """Find the secret in the two headers that can hold one, empty where there is none, and whether it is a token's.

    With ``Authorization`` no cookie counts, whatever the header holds.
    """
    if authorization is not None:
        scheme, _, secret = authorization.partition(" ")
        return secret.strip() if scheme.lower() == "bearer" else "", True
    return cookie_parser(cookie).get(SESSION_COOKIE, ""), False


def _require_somebody(actor: Actor | None) -> None:
    if actor is None:
        raise Unauthenticated("Sign in, or send a token as `Authorization: Bearer TOKEN`.")


def _refuse_foreign_writes(method: str, headers: Headers, public_url: str | None) -> None:
    """Refuse a write that another site's page made a browser send.

    Sec-Fetch-Site tells it; else Origin, against the public address, or against Host when none is declared.
    """
    if method in _SAFE_METHODS:
        return
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise Denied("This write came from another site's page.", code="cross_site")
        return
    origin = headers.get("origin")
    # Without either header it is no browser of today, so no foreign page can be behind it.
    if origin is None or (origin == public_url if public_url else urlsplit(origin).netloc == headers.get("host")):
        return
    raise Denied("This write came from another site's page.", code="cross_site")


def _refuse_another_accounts_writes(method: str, headers: Headers, actor: Actor | None) -> None:
    """Refuse a write of a page that was opened by one account and comes with the session of another.

    A browser has one session for all its windows: what was drawn in a window that is still open would go by the name
    of who signed in after its owner.
    """
    told = headers.get(_ACCOUNT)
    if method not in _SAFE_METHODS and told is not None and actor is not None and unquote(told) != actor.name:
        raise Unauthenticated("Somebody else has signed in in this browser since.", code="other_account")


def _sign_in_address(scope: Scope) -> str:
    path = scope["path"]
    query = scope["query_string"].decode("latin-1")
    return "/sign-in?next=" + quote(f"{path}?{query}" if query else path, safe="/")
