"""Masks and tile-mask pairs over HTTP, on the same grid as regions."""

from starlette.responses import Response

from pathserve.access import Action
from pathserve.datasets import TileMaskPair, encode_pair_npz, read_mask, schema_of
from pathserve.masks import encode_npy, encode_png
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.params_annotations import MaskQuery, PairQuery

_HEADERS = {"cache-control": "private, no-cache"}


async def mask(call: Call[MaskQuery]) -> Response:
    """Give a mask."""
    slide = call.slide()
    query, services = call.query, call.services
    grid = query.grid(slide, max_pixels=services.settings.max_output_pixels)
    question = query.question(slide)

    def work() -> bytes:
        schema = schema_of(services.db, services.classes, slide.project, slide.id, question.as_of)
        with call.timed("read"):
            array = read_mask(services.annotations, schema, question, grid, query.kind)
        with call.timed("encode"):
            return encode_png(array) if query.format == "png" else encode_npy(array)

    media_type = "image/png" if query.format == "png" else "application/x-npy"
    return Response(await call.in_turn(call.services.drawing, work), media_type=media_type, headers=_HEADERS)


async def pair(call: Call[PairQuery]) -> Response:
    """Give a region and its mask in one npz."""
    slide = call.slide()
    query, services = call.query, call.services
    grid = query.grid(slide, max_pixels=services.settings.max_output_pixels)
    question = query.question(slide)

    def work() -> bytes:
        schema = schema_of(services.db, services.classes, slide.project, slide.id, question.as_of)
        with call.timed("read"):
            labels = read_mask(services.annotations, schema, question, grid, query.kind)
            pixels = services.tiles.region(slide.id, grid, color=query.color, view=query.view)
        with call.timed("encode"):
            return encode_pair_npz(TileMaskPair(pixels, labels, schema.values))

    return Response(await call.in_turn(call.services.drawing, work), media_type="application/x-npz", headers=_HEADERS)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides/{slide}/mask",
        mask,
        Action.ANNOTATION_READ,
        "A mask on the same grid as a region",
        MaskQuery,
        {200: Answer("The mask; `npy` is (h, w).", ("image/png", "application/x-npy"))},
        tag="masks",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/pair",
        pair,
        Action.ANNOTATION_READ,
        "A region and its mask in one answer",
        PairQuery,
        {200: Answer("npz: `image` (h, w, 3) uint8, `mask` (h, w), `classes` (JSON text).", ("application/x-npz",))},
        tag="masks",
    ),
)
