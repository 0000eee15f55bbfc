"""The connection to a server."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import httpx2
import orjson

from pathserve import errors
from pathserve.client.annotations import pages
from pathserve.client.single import address, feature_of, if_match, write
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

    def annotation(self, annotation_id: str) -> dict[str, Any]:
        """Read one annotation as a GeoJSON Feature; its ``properties`` name its ``revision``.

        Raises
        ------
        NotFound
            When there is none of this id, or it is deleted.
        """
        return feature_of(self.request("GET", address(annotation_id)))

    def replace_annotation(self, feature: Mapping[str, Any], *, revision: int | None = None) -> dict[str, Any]:
        """Write a Feature as the next version of the annotation of its ``id``.

        Parameters
        ----------
        feature
            As `annotation` gave it, and changed; what the server owns is passed over.
        revision
            The revision that was seen; None: the one that the Feature itself names.

        Returns
        -------
        The Feature as it is now, with its new revision.

        Raises
        ------
        Stale
            When somebody has changed or deleted it since; `Stale.revision` is the current one.
        """
        seen = feature["properties"]["revision"] if revision is None else revision
        return write(self, "PUT", address(feature["id"]), seen, feature)

    def patch_annotation(self, annotation_id: str, patch: Mapping[str, Any], *, revision: int) -> dict[str, Any]:
        """Change members of one annotation; returns and raises as `replace_annotation`.

        Parameters
        ----------
        patch
            Merged into the Feature (RFC 7396): ``{"properties": {"classification": {"name": "Tumor"}}}``; None takes
            a member away.
        revision
            The revision that was seen.
        """
        return write(self, "PATCH", address(annotation_id), revision, patch)

    def delete_annotation(self, annotation_id: str, *, revision: int) -> None:
        """Delete one annotation; its history stays. Raises as `replace_annotation`."""
        self.request("DELETE", address(annotation_id), headers=if_match(revision))

    def history(self, annotation_id: str) -> Iterator[dict[str, Any]]:
        """Read every version of one annotation, oldest first, also of a deleted one.

        Each is a Feature; its member ``deleted`` is true for a version that is a deletion.
        """
        return pages(self, address(annotation_id) + "/revisions", [])

    def revert_annotation(self, annotation_id: str, to: int, *, revision: int) -> dict[str, Any]:
        """Bring the version of revision ``to`` back as the next one; undeletes.

        Parameters
        ----------
        revision
            The revision that was seen, that of the deletion where it is deleted.

        Raises
        ------
        Invalid
            When it has no content at that revision.
        Stale
            As `replace_annotation`.
        """
        return write(self, "POST", address(annotation_id) + "/revert", revision, {"revision": to})

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
        raise error_of(response.status_code, _problem(response.content), etag=response.headers.get("etag", ""))

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
