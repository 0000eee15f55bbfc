"""An object store behind a few typed calls: what obstore raises becomes an error with a safe sentence.

Its own messages hold addresses, keys and what a server said; none of that is passed on. Credentials are never given to
PathServe: obstore takes them from the environment, or from the machine that it runs on.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import from_url

from pathserve.errors import Busy, Conflict, Invalid, Unsupported
from pathserve.pyramid.manifest import FileRecord

PROBES = ".probe"
"""Where the objects of probes are for a moment."""

_RETRY = timedelta(seconds=30)
_RETRIES = 5
_BLOCK = 1 << 20
_NO_ANSWER = "The object store does not answer."
_REFUSED = "The object store refuses these credentials; it takes them from the environment or the machine."
_UNFIT = "This object store cannot hold slides: "


@dataclass(frozen=True, slots=True)
class Version:
    """What an object store calls one state of an object, and how large and old it is."""

    e_tag: str | None
    version: str | None
    size: int = 0
    modified: datetime | None = None

    @property
    def name(self) -> tuple[str | None, str | None]:
        """What changes with every write."""
        return self.e_tag, self.version


class Bucket:
    """The objects under one address.

    Methods raise FileNotFoundError when there is no such object, ``Busy`` when the store does not answer or refuses
    the credentials.

    Parameters
    ----------
    url
        ``s3://bucket/prefix`` or another one, as :func:`pathserve.pyramid.stores.checked_url` gives it.

    Raises
    ------
    Invalid
        When it is no such address.
    """

    def __init__(self, url: str) -> None:
        # No options of the client: they would take the place of all that the environment says, proxies included.
        retry: Any = {"max_retries": _RETRIES, "retry_timeout": _RETRY}
        try:
            self._store: Any = from_url(url, retry_config=retry)
        except (BaseError, ValueError, TypeError):
            raise Invalid("This is no address of an object store that PathServe can use.") from None

    def get(self, key: str) -> tuple[bytes, Version]:
        """Read a small object and tell which state of it was read."""
        result = _asked(lambda: obstore.get(self._store, key))
        data: bytes = _asked(lambda: bytes(result.bytes()))
        return data, _version(result.meta)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read a part of an object; fewer bytes where it ends before."""
        data: bytes = _asked(lambda: bytes(obstore.get_range(self._store, key, start=start, length=length)))
        return data

    def head(self, key: str) -> Version:
        """Ask for the state of an object."""
        return _version(_asked(lambda: obstore.head(self._store, key)))

    def record(self, key: str) -> FileRecord:
        """Read an object to its end, in blocks."""
        digest, size = hashlib.sha256(), 0
        result = _asked(lambda: obstore.get(self._store, key))
        blocks = result.stream(min_chunk_size=_BLOCK)
        while (block := _asked(lambda: next(blocks, None))) is not None:
            digest.update(block)
            size += len(block)
        return FileRecord(size, digest.hexdigest())

    def put(self, key: str, data: bytes) -> str | None:
        """Write an object, whatever was there, and give its ETag."""
        result: dict[str, str | None] = _asked(lambda: obstore.put(self._store, key, data))
        return result["e_tag"]

    def create(self, key: str, data: bytes) -> None:
        """Write an object that is not there yet; ``Conflict`` when it is."""
        _asked(lambda: obstore.put(self._store, key, data, mode="create"))

    def replace(self, key: str, data: bytes, version: Version) -> None:
        """Write an object that is still in this state; ``Conflict`` when it is not."""
        mode: Any = {"e_tag": version.e_tag, "version": version.version}
        mode = {name: value for name, value in mode.items() if value is not None}
        _asked(lambda: obstore.put(self._store, key, data, mode=mode))

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is fine."""
        with suppress(FileNotFoundError):
            _asked(lambda: obstore.delete(self._store, key))

    def list(self, prefix: str) -> dict[str, Version]:
        """List every object below a prefix (whole segments of a path)."""
        pages: Iterator[Any] = _asked(lambda: obstore.list(self._store, prefix, chunk_size=1000))
        found = dict[str, Version]()
        while (page := _asked(lambda: next(pages, None))) is not None:
            found |= {str(meta["path"]): _version(meta) for meta in page}
        return found


def probe(bucket: Bucket) -> None:
    """Try with a small object what publishing and reading rely on: conditional writes, ranges, lists.

    Raises
    ------
    Unsupported
        When the store lacks one of them.
    Busy
        When it does not answer, or refuses the credentials.
    """
    key = f"{PROBES}/{secrets.token_hex(8)}"
    try:
        bucket.create(key, b"0123456789")
        if not _conflicts(lambda: bucket.create(key, b"again")):
            raise Unsupported(_UNFIT + "it overwrites objects that were to be created only (If-None-Match).")
        old = bucket.head(key)
        bucket.replace(key, b"9876543210", old)
        if not _conflicts(lambda: bucket.replace(key, b"again", old)):
            raise Unsupported(_UNFIT + "it overwrites objects that have changed (If-Match).")
        if not _gives_parts(bucket, key):
            raise Unsupported(_UNFIT + "it does not give parts of objects (Range).")
        if key not in bucket.list(PROBES):
            raise Unsupported(_UNFIT + "it does not list them.")
    except Conflict:
        raise Unsupported(_UNFIT + "its conditional writes do not work.") from None
    except FileNotFoundError:
        raise Unsupported("There is no such bucket, or it does not keep what is written.") from None
    finally:
        with suppress(Busy, Unsupported):
            bucket.delete(key)


def _gives_parts(bucket: Bucket, key: str) -> bool:
    try:
        return bucket.get_range(key, 2, 3) == b"765"
    except Busy:  # it has answered until now: it answers this with something else than a part
        return False


def _conflicts(write: Callable[[], None]) -> bool:
    try:
        write()
    except Conflict:
        return True
    return False


def _version(meta: Any) -> Version:  # noqa: ANN401 - a TypedDict that exists for type checkers only
    return Version(meta["e_tag"], meta["version"], meta["size"], meta["last_modified"])


def _asked(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever obstore answers; typed by the methods
    """Ask the store.

    Raises
    ------
    FileNotFoundError
        Without a text: the store's own names keys.
    Conflict, Unsupported, Busy
        By cause.
    """
    try:
        return call()
    except FileNotFoundError:
        raise FileNotFoundError from None
    except (AlreadyExistsError, PreconditionError):
        raise Conflict("Somebody else has written this object.") from None
    except (NotSupportedError, NotImplementedError):
        raise Unsupported(_UNFIT + "it does not know conditional writes.") from None
    except (PermissionDeniedError, UnauthenticatedError):
        raise Busy(_REFUSED) from None
    except (BaseError, OSError, ValueError):
        raise Busy(_NO_ANSWER) from None
