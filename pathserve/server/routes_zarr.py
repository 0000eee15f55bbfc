"""The published OME-Zarr group itself over HTTP: metadata and shards as they lie, whole or in parts."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pathserve.access import Action
from pathserve.errors import Busy, Corrupt, NotFound, Stale, Unsatisfiable
from pathserve.pyramid import Pyramid
from pathserve.pyramid.layout import level_folder
from pathserve.pyramid.storage import Files
from pathserve.server.blocks import BlockResponse
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.params import FileQuery
from pathserve.server.problems import error_response
from pathserve.server.ranges import ByteRange, requested_range
from pathserve.server.routes_tiles import cache_headers, not_modified

BLOCK = 1 << 20
"""Bytes that are read and sent at a time."""

_JSON, _BYTES = "application/json", "application/octet-stream"
_DAMAGED = "A part of a stored slide is missing or cut off."


@dataclass(frozen=True, slots=True)
class _File:
    """A file that the manifest lists: its size in bytes and its SHA-256 are known before it is opened."""

    files: Files
    path: str
    size: int
    sha256: str

    def read(self, start: int, length: int) -> bytes:
        """Read bytes that the file must have; blocks.

        Raises
        ------
        Corrupt
            When it has not.
        """
        try:
            data = self.files.part(self.path, start, length)
        except OSError:
            raise Corrupt(_DAMAGED) from None
        if len(data) != length:
            raise Corrupt(_DAMAGED)
        return data


async def stored_file(call: Call[FileQuery]) -> Response:
    """Give one file of a slide's group, or a part of it."""
    slide = call.slide()
    pyramid = await run_in_threadpool(call.services.tiles.pyramid, slide.id)
    file = _listed(pyramid, call.request.path_params["path"])
    headers = cache_headers(f'"{file.sha256}"', slide, call.query.g) | {
        "accept-ranges": "bytes",
        "content-type": _JSON if file.path.endswith(".json") else _BYTES,
    }
    _require_match(call.request, headers["etag"])
    unchanged = not_modified(call, headers)
    if unchanged is not None:
        return unchanged
    try:
        part = _part(call.request, file, headers["etag"])
    except Unsatisfiable as error:
        return error_response(call.request.scope, error, headers={"content-range": f"bytes */{file.size}"})
    return await _answer(call, file, part, headers)


def _listed(pyramid: Pyramid, path: str) -> _File:
    """Find a file by the manifest alone: what a client writes never reaches the disk or the store otherwise.

    Raises
    ------
    NotFound
        When the manifest does not list it. Readers of Zarr take that for a chunk that holds nothing but fill.
    Busy
        When it belongs to a level that is still being built, which must not be taken for that.
    """
    record = pyramid.manifest.files.get(path)
    if record is not None:
        return _File(pyramid.files, path, record.size, record.sha256)
    if path.startswith(tuple(f"{level_folder(level)}/" for level in pyramid.manifest.missing_levels)):
        raise Busy("This level of the slide is still being built.", code="building")
    raise NotFound("The slide has no such file.")


def _require_match(request: Request, etag: str) -> None:
    wanted = request.headers.get("if-match")
    if wanted is not None and not {tag.strip() for tag in wanted.split(",")} & {etag, "*"}:
        raise Stale("The file is another one than If-Match names.")


def _part(request: Request, file: _File, etag: str) -> ByteRange | None:
    """Give the part that is asked for: of GET only, and of the very file that If-Range names."""
    if request.method != "GET" or request.headers.get("if-range", etag) != etag:
        return None
    return requested_range(request.headers.get("range"), file.size)


async def _answer(call: Call[FileQuery], file: _File, part: ByteRange | None, headers: dict[str, str]) -> Response:
    start, stop = (part.start, part.stop) if part is not None else (0, file.size)
    headers["content-length"] = str(stop - start)
    status = 200
    if part is not None:
        status = 206
        headers["content-range"] = f"bytes {start}-{stop - 1}/{file.size}"
    if call.request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    # The first block is read before anything is said, so that damage is still answered with an error.
    with call.timed("read"):
        first = await run_in_threadpool(file.read, start, min(BLOCK, stop - start))
    if len(first) == stop - start:
        return Response(first, status_code=status, headers=headers)
    following = _blocks(first, file.read, range(start + BLOCK, stop, BLOCK), stop)
    return BlockResponse(following, call.services.sending, call.actor, status_code=status, headers=headers)


async def _blocks(first: bytes, read: Callable[[int, int], bytes], starts: range, stop: int) -> AsyncIterator[bytes]:
    """Give the blocks one after the other; each is read when the one before has gone."""
    yield first
    for start in starts:
        yield await run_in_threadpool(partial(read, start, min(BLOCK, stop - start)))


_ANSWERS = {
    200: Answer("The file.", (_JSON, _BYTES)),
    206: Answer("The part of it that `Range` asks for.", (_JSON, _BYTES)),
    304: Answer("Not changed.", ()),
    412: Answer("The file is another one than `If-Match` names.", ("application/problem+json",)),
    416: Answer("The file has no such part.", ("application/problem+json",)),
}

ENDPOINTS = (
    # First, because the name of a slide in the address below would take the ending too.
    Endpoint(
        "GET",
        "/zarr/{slide}.zarr/{path:path}",
        stored_file,
        Action.SLIDE_READ,
        "A file of a slide's OME-Zarr group, for programs that know Zarr by the ending of its name",
        FileQuery,
        _ANSWERS,
        tag="pixels",
        described=False,
    ),
    Endpoint(
        "GET",
        "/zarr/{slide}/{path:path}",
        stored_file,
        Action.SLIDE_READ,
        "A file of a slide's OME-Zarr group",
        FileQuery,
        _ANSWERS,
        tag="pixels",
    ),
)
