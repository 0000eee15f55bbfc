"""Uploads over HTTP: the tus protocol 1.0.0, so that any tus client can bring scans in, and sets of files on top."""

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from email.utils import format_datetime
from functools import partial, wraps
from typing import TypeVar

from anyio import CancelScope, fail_after, to_thread
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pathserve.access import Action, Resource, require
from pathserve.catalog import DEFAULT_PROJECT
from pathserve.config import Settings
from pathserve.errors import Conflict, Invalid, PathServeError, TooLarge
from pathserve.ingest.upload_file import CHECKSUMS, UploadFile
from pathserve.ingest.uploads import NewUpload, Upload
from pathserve.server.bodies import json_response, read_model
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.params import NoQuery
from pathserve.server.problems import error_response, problem

VERSION = "1.0.0"
ADDRESS = "/api/uploads"
PART = "application/offset+octet-stream"
JOB_HEADER = "pathserve-job"

_EXTENSIONS = "creation,creation-with-upload,expiration,termination,checksum"
_BLOCK = 1024 * 1024
_IDLE_SECONDS = 30.0
_MAX_METADATA = 8192
_MAX_DIGITS = 18
_TUS = {"tus-resumable": VERSION}

_T = TypeVar("_T")
_Handler = Callable[[Call[NoQuery]], Awaitable[Response]]

# By code: what tus answers with a status of its own.
_STATUS: dict[str, tuple[int, str]] = {
    "tus_version": (412, "Precondition failed"),
    "tus_header": (400, "Bad request"),
    "media_type": (415, "Unsupported media type"),
    "checksum_mismatch": (460, "Checksum mismatch"),
    "slow_upload": (408, "Request timeout"),
}


class UploadModel(BaseModel):
    """One upload."""

    id: str
    length: int = Field(description="Bytes that it has when it is complete.")
    offset: int = Field(description="Bytes that are on disk for good.")
    complete: bool
    job: str | None = Field(description="The ingest job that it became.")


class SetBody(BaseModel):
    """What the slides of a set become."""

    model_config = ConfigDict(extra="forbid")
    project: str | None = Field(None, max_length=200)
    name: str | None = Field(None, max_length=200)


class StartedModel(BaseModel):
    """The ingest job that was made."""

    job: str


@dataclass(frozen=True, slots=True)
class _Checksum:
    """What a part says about its bytes."""

    algorithm: str
    digest: bytes


def options(settings: Settings) -> Mapping[str, str]:
    """Give the headers by which a tus client learns what this server does."""
    return {
        **_TUS,
        "tus-version": VERSION,
        "tus-extension": _EXTENSIONS,
        "tus-max-size": str(settings.max_upload_bytes),
        "tus-checksum-algorithm": ",".join(CHECKSUMS),
    }


def _tus(handler: _Handler) -> _Handler:
    """Check the protocol's version before a handler and put it on every answer, also on refusals."""

    @wraps(handler)
    async def answer(call: Call[NoQuery]) -> Response:
        try:
            if call.request.method != "GET" and call.request.headers.get("tus-resumable") != VERSION:
                raise Invalid(f"Send the header Tus-Resumable: {VERSION}.", code="tus_version")
            response = await handler(call)
        except PathServeError as error:
            response = _refusal(call.request, error)
        response.headers.update(_TUS)
        return response

    return answer


def _refusal(request: Request, error: PathServeError) -> Response:
    headers = {"tus-version": VERSION} if error.code == "tus_version" else {}
    if error.code == "slow_upload":
        headers["connection"] = "close"
    if error.code not in _STATUS:
        return error_response(request.scope, error, headers=headers)
    status, title = _STATUS[error.code]
    return problem(request.scope, status=status, code=error.code, title=title, detail=error.message, headers=headers)


@_tus
async def create_upload(call: Call[NoQuery]) -> Response:
    """Begin an upload, with its first bytes when the body has some."""
    wanted = _wanted(call)
    uploads = call.services.uploads
    checksum = _checksum(call.request)
    upload = await run_in_threadpool(uploads.create, call.actor.name, wanted)
    begins = call.request.headers.get("content-type") == PART or upload.length == 0
    if begins and not upload.complete:
        upload = await _receive(call, upload, 0, checksum)
    headers = await _state(call, upload)
    return Response(status_code=201, headers=headers | {"location": f"{ADDRESS}/{upload.id}"})


@_tus
async def get_upload(call: Call[NoQuery]) -> Response:
    """Tell how much of an upload has come."""
    upload = await run_in_threadpool(call.services.uploads.find, call.request.path_params["upload"], call.actor.name)
    headers = await _state(call, upload)
    model = UploadModel(
        id=upload.id,
        length=upload.length,
        offset=int(headers["upload-offset"]),
        complete=upload.complete,
        job=upload.job,
    )
    return json_response(model, headers=headers)


@_tus
async def append_upload(call: Call[NoQuery]) -> Response:
    """Append a part; what has come is kept when the connection breaks."""
    if call.request.headers.get("content-type") != PART:
        raise Invalid(f"Send a part as Content-Type: {PART}.", code="media_type")
    offset = _number(call.request, "upload-offset")
    checksum = _checksum(call.request)
    upload = await run_in_threadpool(call.services.uploads.find, call.request.path_params["upload"], call.actor.name)
    upload = await _receive(call, upload, offset, checksum)
    return Response(status_code=204, headers=await _state(call, upload))


@_tus
async def cancel_upload(call: Call[NoQuery]) -> Response:
    """Cancel an upload and delete its bytes."""
    uploads = call.services.uploads
    upload = await run_in_threadpool(uploads.find, call.request.path_params["upload"], call.actor.name)
    await run_in_threadpool(uploads.remove, upload)
    return Response(status_code=204)


async def ingest_upload_set(call: Call[NoQuery]) -> Response:
    """End a set of uploads: one job ingests all scans in it."""
    body = await read_model(call.request, SetBody)
    project = _project(call, body.project)
    key = call.request.path_params["set"]
    end = partial(call.services.uploads.ingest_set, call.actor.name, key, project=project, name=body.name)
    job = await run_in_threadpool(end)
    return json_response(StartedModel(job=job), status=202, headers={JOB_HEADER: job})


async def cancel_upload_set(call: Call[NoQuery]) -> Response:
    """Cancel a set of uploads and delete its bytes."""
    await run_in_threadpool(call.services.uploads.remove_set, call.actor.name, call.request.path_params["set"])
    return Response(status_code=204)


async def _receive(call: Call[NoQuery], upload: Upload, offset: int, checksum: _Checksum | None) -> Upload:
    """Take the body as the bytes of an upload from ``offset`` on.

    Memory: one block of 1 MiB, whatever comes. No thread waits for the client.

    Raises
    ------
    Conflict
        When the upload has another offset.
    TooLarge
        When more comes than the upload was to have.
    Invalid
        When the checksum differs, or nothing comes for half a minute.
    """
    uploads, disk = call.services.uploads, partial(_disk, call)
    file = await disk(uploads.grow, upload)
    try:
        if file.offset != offset:
            raise Conflict(f"The upload has {file.offset} bytes; go on from there.", code="wrong_offset")
        announced = call.request.headers.get("content-length", "")
        if announced.isdigit() and offset + int(announced) > upload.length:
            raise TooLarge("This part has more bytes than are missing from the upload.")
        if checksum is not None:
            await disk(file.begin_checked, checksum.algorithm)
        whole = False
        try:
            await _pour(call, file, upload.length)
            whole = True
        finally:
            # Also for a client that has gone: its next request goes on from here.
            with CancelScope(shield=True):
                await disk(file.end, checksum.digest if checksum is not None and whole else None)
        if file.offset == upload.length:
            return await disk(uploads.finish, upload)
    finally:
        file.close()
    return upload


async def _pour(call: Call[NoQuery], file: UploadFile, length: int) -> None:
    block = bytearray()
    left = length - file.offset
    try:
        async with aclosing(call.request.stream()) as stream:
            while True:
                with fail_after(_IDLE_SECONDS):
                    part = await anext(stream, None)
                if part is None:
                    break
                left -= len(part)
                if left < 0:
                    raise TooLarge("This part has more bytes than are missing from the upload.")
                block += part
                if len(block) >= _BLOCK:
                    await _disk(call, file.append, bytes(block))
                    block.clear()
    except TimeoutError as error:
        await _disk(call, file.append, bytes(block))
        raise Invalid("Nothing came for too long; ask by HEAD and go on.", code="slow_upload") from error
    except ClientDisconnect:
        await _disk(call, file.append, bytes(block))
        raise
    await _disk(call, file.append, bytes(block))


async def _disk(call: Call[NoQuery], work: Callable[..., _T], *arguments: object) -> _T:
    return await to_thread.run_sync(partial(work, *arguments), limiter=call.services.uploading)


async def _state(call: Call[NoQuery], upload: Upload) -> dict[str, str]:
    """Give the headers that say where an upload stands."""
    uploads = call.services.uploads
    offset = await _disk(call, uploads.offset, upload)
    headers = {
        "cache-control": "no-store",
        "upload-offset": str(offset),
        "upload-length": str(upload.length),
    }
    if upload.job is not None:
        headers[JOB_HEADER] = upload.job
    elif not upload.complete:
        headers["upload-expires"] = format_datetime(uploads.expires(upload), usegmt=True)
    return headers


def _wanted(call: Call[NoQuery]) -> NewUpload:
    """Read what is to be uploaded out of the headers; the file's name among them is passed over."""
    metadata = _metadata(call.request.headers.get("upload-metadata", ""))
    return NewUpload(
        length=_number(call.request, "upload-length"),
        project=_project(call, metadata.get("project")),
        name=metadata.get("name"),
        set_key=metadata.get("set"),
        path=metadata.get("path"),
    )


def _project(call: Call[NoQuery], asked: str | None) -> str:
    project = asked or call.actor.project or DEFAULT_PROJECT
    require(call.actor, call.action, Resource(project), what="project")
    return project


def _metadata(header: str) -> dict[str, str]:
    if len(header) > _MAX_METADATA:
        raise TooLarge(f"Upload-Metadata has at most {_MAX_METADATA:,} bytes.")
    found = dict[str, str]()
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, encoded = pair.partition(" ")
        if key in ("project", "name", "set", "path"):
            try:
                found[key] = base64.b64decode(encoded.strip(), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError) as error:
                raise Invalid("Upload-Metadata is pairs of a key and a Base64 value.", code="tus_header") from error
    return found


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise Invalid(f"Send the header {name.title()} with a whole number.", code="tus_header")
    return int(text)


def _checksum(request: Request) -> _Checksum | None:
    header = request.headers.get("upload-checksum")
    if header is None:
        return None
    algorithm, _, encoded = header.partition(" ")
    try:
        digest = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        digest = b""
    if algorithm not in CHECKSUMS or len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise Invalid(f"Upload-Checksum is one of {', '.join(CHECKSUMS)}, and its digest in Base64.", code="tus_header")
    return _Checksum(algorithm, digest)


ENDPOINTS = (
    Endpoint(
        "POST",
        ADDRESS,
        create_upload,
        Action.SLIDE_INGEST,
        "Begin an upload (tus 1.0.0)",
        NoQuery,
        {201: Answer("Begun; `Location` is its address.", ())},
        tag="uploads",
    ),
    Endpoint(
        "GET",
        ADDRESS + "/{upload}",
        get_upload,
        Action.SLIDE_INGEST,
        "How much of an upload has come; HEAD gives the same headers",
        NoQuery,
        {200: Answer("Its state, also in the headers of tus.", model=UploadModel)},
        tag="uploads",
    ),
    Endpoint(
        "PATCH",
        ADDRESS + "/{upload}",
        append_upload,
        Action.SLIDE_INGEST,
        "Append a part to an upload",
        NoQuery,
        {204: Answer("The part is on disk; with the last one `Pathserve-Job` names the ingest job.", ())},
        body_types=(PART,),
        tag="uploads",
    ),
    Endpoint(
        "DELETE",
        ADDRESS + "/{upload}",
        cancel_upload,
        Action.SLIDE_INGEST,
        "Cancel an upload",
        NoQuery,
        {204: Answer("Its bytes are deleted.", ())},
        tag="uploads",
    ),
    Endpoint(
        "POST",
        ADDRESS + "/sets/{set}/ingest",
        ingest_upload_set,
        Action.SLIDE_INGEST,
        "End a set of uploads and ingest it",
        NoQuery,
        {202: Answer("The job.", model=StartedModel)},
        body_types=("application/json",),
        body_model=SetBody,
        tag="uploads",
    ),
    Endpoint(
        "DELETE",
        ADDRESS + "/sets/{set}",
        cancel_upload_set,
        Action.SLIDE_INGEST,
        "Cancel a set of uploads",
        NoQuery,
        {204: Answer("Its bytes are deleted.", ())},
        tag="uploads",
    ),
)
