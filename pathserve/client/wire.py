"""What the parts of the client share: how it asks, and which error an answer is."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pathserve import errors

Query = list[tuple[str, str | int | float | bool | None]]

JSON = {"content-type": "application/json"}

_CURRENT = re.compile(r'"[rc](\d{1,18})"')

_ERRORS: dict[int, type[errors.PathServeError]] = {
    401: errors.Unauthenticated,
    403: errors.Denied,
    404: errors.NotFound,
    409: errors.Conflict,
    412: errors.Stale,
    413: errors.TooLarge,
    422: errors.Invalid,
    428: errors.PreconditionNeeded,
    503: errors.Busy,
}


class Wire(Protocol):
    """Asks a server; what a slide needs of its client."""

    def get_json(self, path: str, query: Query | None = None) -> Any:  # noqa: ANN401 - any JSON value
        """Read any address of the interface that answers JSON."""
        ...

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send one request and give the answer's bytes."""
        ...

    def lines(
        self,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Query | None = None,
        body: Iterable[bytes] | None = None,
    ) -> AbstractContextManager[Iterator[str]]:
        """Read an answer line by line, as it comes; with a body, to a POST of it."""
        ...

    def blocks(self, path: str, *, query: Query | None = None) -> AbstractContextManager[Iterator[bytes]]:
        """Read an answer block by block, as it comes."""
        ...


def error_of(status: int, problem: object, *, etag: str = "") -> errors.PathServeError:
    """Give the error that a problem document (RFC 9457), or an answer that is none, stands for.

    Parameters
    ----------
    etag
        The answer's entity tag: it names what is current where a write was stale.
    """
    kind = _ERRORS.get(status, errors.PathServeError)
    if not (isinstance(problem, Mapping) and "detail" in problem and "code" in problem):
        return kind(f"The server answered with status {status}.")
    message, code = str(problem["detail"]), str(problem["code"])
    if kind is errors.Stale:
        current = _CURRENT.fullmatch(etag)
        return errors.Stale(message, code=code, revision=None if current is None else int(current[1]))
    return kind(message, code=code)
