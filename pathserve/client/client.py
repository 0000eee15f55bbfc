"""The connection to a server."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import httpx2
import orjson

from pathserve import errors
from pathserve.client.slide import Slide, slide_of
from pathserve.client.wire import Query, error_of

_SILENCE_SECONDS = 45.0
"""A server says something every 15 seconds on a stream; after this long the connection is lost."""


class Client:
    """A connection to a server; use it as a context manager or call `close`.

    Parameters
    ----------
    url
        Address of the server, such as ``"http://127.0.0.1:8000"``.
    token
        An API token (``pathserve token create NAME``).
    timeout
        Seconds without any byte before a request is given up.

    Raises
    ------
    PathServeError
        Every method raises the class that fits the server's problem, with its ``code``; `Busy` when the server
        cannot be reached.
    """

    def __init__(self, url: str, *, token: str, timeout: float = 60.0) -> None:
        self._http = httpx2.Client(
            base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=timeout, follow_redirects=False
        )

    def slides(self) -> Iterator[Slide]:
        """List the slides that the token may see, oldest first."""
        cursor = None
        while True:
            page = self.get_json("/api/slides", [("cursor", cursor)] if cursor else [])
            yield from (slide_of(self, item) for item in page["items"])
            cursor = page["next"]
            if cursor is None:
                return

    def slide(self, slide_id: str) -> Slide:
        """Find one slide by its id."""
        return slide_of(self, self.get_json(f"/api/slides/{slide_id}"))

    def get_json(self, path: str, query: Query | None = None) -> Any:  # noqa: ANN401 - any JSON value
        """Read any address of the interface that answers JSON."""
        return orjson.loads(self.request("GET", path, query=query))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send one request and give the answer's bytes.

        Raises
        ------
        PathServeError
            For every answer that is no success.
        """
        try:
            response = self._http.request(method, path, params=query or [], content=body, headers=dict(headers or {}))
        except httpx2.TransportError as error:
            raise errors.Busy("The server cannot be reached.", code="unreachable") from error
        if response.is_success:
            return response.content
        raise error_of(response.status_code, _problem(response.content))

    @contextmanager
    def lines(
        self,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Query | None = None,
        body: Iterable[bytes] | None = None,
    ) -> Iterator[Iterator[str]]:
        """Read an answer line by line, as it comes; with a body, to a POST of it.

        Raises
        ------
        PathServeError
            For every answer that is no success; `Busy` when the connection is lost.
        """
        with self._answer("GET" if body is None else "POST", path, query, headers, body) as response:
            yield response.iter_lines()

    @contextmanager
    def blocks(self, path: str, *, query: Query | None = None) -> Iterator[Iterator[bytes]]:
        """Read an answer block by block, as it comes; raises as `lines`."""
        with self._answer("GET", path, query, {}, None) as response:
            yield response.iter_bytes()

    @contextmanager
    def _answer(
        self, method: str, path: str, query: Query | None, headers: Mapping[str, str], body: Iterable[bytes] | None
    ) -> Iterator[httpx2.Response]:
        timeout = httpx2.Timeout(_SILENCE_SECONDS)
        sent = self._http.stream(method, path, params=query or [], headers=dict(headers), content=body, timeout=timeout)
        try:
            with sent as response:
                if not response.is_success:
                    raise error_of(response.status_code, _problem(response.read()))
                yield response
        except (httpx2.TransportError, httpx2.StreamError) as error:
            raise errors.Busy("The connection to the server was lost.", code="unreachable") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _problem(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
