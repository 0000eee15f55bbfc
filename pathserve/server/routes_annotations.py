"""Annotations over HTTP: GeoJSON in level-0 pixels, with revisions and conditional writes."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Scope

from pathserve.access import Action
from pathserve.annotations import AnnotationQuery, Order
from pathserve.annotations.revisions import revision_log
from pathserve.catalog import SlideRecord
from pathserve.errors import Invalid, NotFound, Stale
from pathserve.exchange import Posted, Posting, post_file, post_text
from pathserve.formats.contract import WriteContext
from pathserve.formats.geojson import geojson
from pathserve.formats.geojson.geojson_text import write_sequence
from pathserve.labels import Annotation, NewAnnotation, clean_name
from pathserve.server.blocks import BlockResponse
from pathserve.server.bodies import (
    etag,
    expected_revision,
    read_body,
    read_model,
    require_shallow,
)
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.exchanging import with_first, written_blocks
from pathserve.server.features import feature_writer
from pathserve.server.models import (
    AddedModel,
    FeatureModel,
    FeaturePage,
    RevertBody,
    RevisionPage,
)
from pathserve.server.params import NoQuery, PageQuery
from pathserve.server.params_annotations import AnnotationsQuery, LayerQuery
from pathserve.server.posting import with_posted
from pathserve.server.problems import error_response
from pathserve.server.services import Services

_GEOJSON = "application/geo+json"
_SEQUENCE = "application/geo+json-seq"
_SEQUENCE_PAGE = 1000
_REPORTED_AT_ONCE = 10_000


async def list_annotations(call: Call[AnnotationsQuery]) -> Response:
    """Give a page of annotations, or all of them as a GeoJSON text sequence."""
    slide = call.slide()
    question = call.query.asked(slide)
    services = call.services
    headers = {"cache-control": "no-store"}
    if _SEQUENCE in call.request.headers.get("accept", ""):
        write = partial(_write_sequence, services, slide, question, call.query.order)
        # The first block is waited for, so that a wrong question still gets its error.
        blocks = await with_first(written_blocks(write, services.exchange_threads))
        return BlockResponse(blocks, services.sending, call.actor, headers=headers | {"content-type": _SEQUENCE})

    def work() -> bytes:
        with call.timed("read"):
            query = call.query
            page = services.annotations.page(question, limit=query.limit, cursor=query.cursor, order=query.order)
        write = feature_writer(services.classes, slide)
        features = map(write, page.annotations)
        with call.timed("encode"):
            return orjson.dumps(geojson.feature_collection(features, next=page.next, revision=page.revision))

    # What may take long waits its turn, so that nobody's searches hold up what others do.
    body = await (call.in_turn(services.making, work) if call.query.looks_at_all else run_in_threadpool(work))
    return Response(body, media_type=_GEOJSON, headers=headers)


def _write_sequence(
    services: Services, slide: SlideRecord, question: AnnotationQuery, order: Order | None, out: BinaryIO
) -> None:
    """Write all that a question finds; in no particular order it is many times as fast."""
    store = services.annotations
    if order is None:
        context = WriteContext(schema=services.classes.of(slide.project), revisions=revision_log(services.db, slide.id))
        write_sequence(store.columns(question, keep=False), out, context)
        return
    write = feature_writer(services.classes, slide)
    page = store.page(question, limit=_SEQUENCE_PAGE, order=order)
    out.writelines(geojson.feature_sequence(map(write, page.annotations)))
    while page.next is not None:
        page = store.page(question, limit=_SEQUENCE_PAGE, cursor=page.next)
        out.writelines(geojson.feature_sequence(map(write, page.annotations)))


async def add_annotations(call: Call[LayerQuery]) -> Response:
    """Add one Feature, a FeatureCollection or a sequence of Features."""
    slide, services, author = call.slide(), call.services, call.actor.name
    layer = author if call.query.layer is None else clean_name(call.query.layer, "layer name")
    limits = services.settings
    posting = Posting(slide.id, slide.size, layer, author, limits.max_features, limits.max_vertices)
    return await with_posted(call.request, services, partial(_post, services, posting, call.request.scope))


def _post(services: Services, posting: Posting, scope: Scope, body: bytes | Path) -> Response:
    """Write what was posted and answer; may take long."""
    store = services.annotations
    posted = post_text(store, body, posting) if isinstance(body, bytes) else post_file(store, body, posting)
    if posted.refused and not posted.ids:
        first = posted.refused[0]
        refusal = Invalid(f"Nothing was accepted. Feature {first.index}: {first.message}", code="all_refused")
        return error_response(scope, refusal, members={"refused": posted.refused[:]})
    headers = {"cache-control": "no-store"}
    return Response(b"".join(_report(posted)), status_code=201, media_type="application/json", headers=headers)


def _report(posted: Posted) -> Iterator[bytes]:
    """Write an `AddedModel` piece by piece: a million of ids or issues in one call, or as objects, hold others up."""
    yield b'{"created":%d,"revision":%d,"losses":' % (posted.created, posted.revision)
    yield orjson.dumps([{"code": code, "message": message, "count": n} for code, message, n in posted.losses.items()])
    members: dict[str, Sequence[object]] = {"ids": posted.ids, "repaired": posted.repaired, "refused": posted.refused}
    for name, values in members.items():
        yield b',"%s":[' % name.encode()
        for start in range(0, len(values), _REPORTED_AT_ONCE):
            yield b"," if start else b""
            yield orjson.dumps(values[start : start + _REPORTED_AT_ONCE])[1:-1]
        yield b"]"
    yield b"}"


def _parse(services: Services, slide: SlideRecord, body: bytes) -> geojson.ParsedFeatures:
    return geojson.parse_features(
        body,
        frame=slide.size,
        max_features=services.settings.max_features,
        max_vertices=services.settings.max_vertices,
    )


def _parse_one(services: Services, slide: SlideRecord, body: bytes, current: Annotation) -> NewAnnotation:
    """Read the one Feature of a PUT or PATCH.

    Raises
    ------
    Invalid
        When it is refused, is not one Feature, or names another annotation.
    """
    parsed = _parse(services, slide, body)
    if parsed.refused:
        raise Invalid(parsed.refused[0].message, code=parsed.refused[0].code)
    if len(parsed.annotations) != 1:
        raise Invalid("The body must be one Feature.")
    new = parsed.annotations[0]
    if new.id not in (None, current.id):
        raise Invalid("The Feature's id is another one than the address names.")
    return new


def _respond(call: Call[NoQuery], annotation: Annotation, slide: SlideRecord) -> Response:
    feature = feature_writer(call.services.classes, slide)(annotation)
    headers = {"etag": etag(annotation.revision), "cache-control": "no-cache"}
    return Response(orjson.dumps(feature), media_type=_GEOJSON, headers=headers)


async def get_annotation(call: Call[NoQuery]) -> Response:
    """Give one annotation with its entity tag."""
    feature_id = call.annotation_id()

    def work() -> Response:
        with call.timed("read"):
            annotation = call.services.annotations.get(feature_id)
        slide = call.slide_of(annotation)
        if call.request.headers.get("if-none-match") == etag(annotation.revision):
            return Response(status_code=304, headers={"etag": etag(annotation.revision)})
        return _respond(call, annotation, slide)

    return await run_in_threadpool(work)


async def _write(call: Call[NoQuery], change: Callable[[Annotation, SlideRecord, int], Annotation]) -> Response:
    """Carry out one conditional write; a stale one is answered with the current version."""
    feature_id = call.annotation_id()

    def work() -> Response:
        current = call.services.annotations.latest(feature_id)
        slide = call.slide_of(current)
        try:
            written = change(current, slide, expected_revision(call.request))
        except Stale as error:
            now = call.services.annotations.latest(feature_id)
            member = None if now.deleted else feature_writer(call.services.classes, slide)(now)
            headers = {"etag": etag(now.revision)}
            return error_response(call.request.scope, error, headers=headers, members={"current": member})
        if written.deleted:
            return Response(status_code=204, headers={"etag": etag(written.revision)})
        return _respond(call, written, slide)

    return await run_in_threadpool(work)


async def put_annotation(call: Call[NoQuery]) -> Response:
    """Replace one annotation."""
    body = await read_body(call.request, limit=call.services.settings.max_body_bytes)
    services, author = call.services, call.actor.name

    def change(current: Annotation, slide: SlideRecord, expected: int) -> Annotation:
        _require_current(current, expected)
        new = _parse_one(services, slide, body, current)
        return services.annotations.replace(current.id, new, expected=expected, author=author)

    return await _write(call, change)


async def patch_annotation(call: Call[NoQuery]) -> Response:
    """Change members of one annotation (JSON merge patch, RFC 7396)."""
    body = await read_body(call.request, limit=call.services.settings.max_body_bytes)
    services, author = call.services, call.actor.name
    try:
        patch = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid("The body is no JSON.") from error
    if not isinstance(patch, dict):
        raise Invalid("A merge patch is a JSON object.")
    require_shallow(patch, "A merge patch")

    def change(current: Annotation, slide: SlideRecord, expected: int) -> Annotation:
        _require_current(current, expected)
        merged = _merge(feature_writer(services.classes, slide)(current), patch)
        new = _parse_one(services, slide, orjson.dumps(merged), current)
        return services.annotations.replace(current.id, new, expected=expected, author=author)

    return await _write(call, change)


def _require_current(current: Annotation, expected: int) -> None:
    # A stale write is told so before its body is looked at: what it holds may only make sense for the old version.
    if current.revision != expected:
        raise Stale("This annotation was changed meanwhile; read it again and write with its current revision.")
    if current.deleted:
        raise NotFound("There is no such annotation.")


def _merge(target: Any, patch: Any) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value)
    return result


async def delete_annotation(call: Call[NoQuery]) -> Response:
    """Delete one annotation; its history stays."""
    services, author = call.services, call.actor.name

    def change(current: Annotation, slide: SlideRecord, expected: int) -> Annotation:  # noqa: ARG001 - see _write
        return services.annotations.delete(current.id, expected=expected, author=author)

    return await _write(call, change)


async def revert_annotation(call: Call[NoQuery]) -> Response:
    """Bring back the content of an earlier revision; undeletes."""
    wanted = await read_model(call.request, RevertBody)
    services, author = call.services, call.actor.name

    def change(current: Annotation, slide: SlideRecord, expected: int) -> Annotation:  # noqa: ARG001 - see _write
        return services.annotations.revert(current.id, wanted.revision, expected=expected, author=author)

    return await _write(call, change)


async def list_revisions(call: Call[PageQuery]) -> Response:
    """Give every version of one annotation."""
    feature_id = call.annotation_id()

    def work() -> bytes:
        history = call.services.annotations.history(feature_id)
        write = feature_writer(call.services.classes, call.slide_of(history[0]))
        versions, following = call.query.page(history)
        items = [write(version) | ({"deleted": True} if version.deleted else {}) for version in versions]
        return orjson.dumps({"items": items, "next": following})

    body = await run_in_threadpool(work)
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})


_FEATURE = {200: Answer("The Feature; its ETag names the revision.", (_GEOJSON,), FeatureModel)}
_BODY = ("application/geo+json", "application/json")

ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides/{slide}/annotations",
        list_annotations,
        Action.ANNOTATION_READ,
        "Annotations of a slide",
        AnnotationsQuery,
        {200: Answer("A page; or all of them as application/geo+json-seq when asked for.", (_GEOJSON,), FeaturePage)},
        tag="annotations",
    ),
    Endpoint(
        "POST",
        "/api/slides/{slide}/annotations",
        add_annotations,
        Action.ANNOTATION_WRITE,
        "Add annotations",
        LayerQuery,
        {201: Answer("What was added, repaired and refused.", model=AddedModel)},
        body_types=(*_BODY, _SEQUENCE),
        tag="annotations",
    ),
    Endpoint(
        "GET",
        "/api/annotations/{annotation}",
        get_annotation,
        Action.ANNOTATION_READ,
        "One annotation",
        NoQuery,
        _FEATURE,
        tag="annotations",
    ),
    Endpoint(
        "PUT",
        "/api/annotations/{annotation}",
        put_annotation,
        Action.ANNOTATION_WRITE,
        "Replace one annotation",
        NoQuery,
        _FEATURE,
        body_types=_BODY,
        body_model=FeatureModel,
        tag="annotations",
    ),
    Endpoint(
        "PATCH",
        "/api/annotations/{annotation}",
        patch_annotation,
        Action.ANNOTATION_WRITE,
        "Change members of one annotation",
        NoQuery,
        _FEATURE,
        body_types=("application/merge-patch+json", "application/json"),
        tag="annotations",
    ),
    Endpoint(
        "DELETE",
        "/api/annotations/{annotation}",
        delete_annotation,
        Action.ANNOTATION_WRITE,
        "Delete one annotation",
        NoQuery,
        {204: Answer("Deleted; its ETag names the deletion's revision.", ())},
        tag="annotations",
    ),
    Endpoint(
        "GET",
        "/api/annotations/{annotation}/revisions",
        list_revisions,
        Action.ANNOTATION_READ,
        "History of one annotation",
        PageQuery,
        {200: Answer("Every version, oldest first.", model=RevisionPage)},
        tag="annotations",
    ),
    Endpoint(
        "POST",
        "/api/annotations/{annotation}/revert",
        revert_annotation,
        Action.ANNOTATION_WRITE,
        "Bring back an earlier revision",
        NoQuery,
        _FEATURE,
        body_types=("application/json",),
        body_model=RevertBody,
        tag="annotations",
    ),
)
