"""Masks and tile-mask pairs over HTTP, on the same grid as regions."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve import datasets
from pathserve.masks import encode
from pathserve.server.endpoint import Call
from pathserve.server.params import MaskQuery, PairQuery
from pathserve.server.routes_annotations import to_query

_HEADERS = {"cache-control": "private, no-cache"}


async def mask(call: Call[MaskQuery]) -> Response:
    """Give a mask."""
    slide = call.slide()
    query = call.query
    grid = query.grid(slide, max_pixels=call.services.settings.max_output_pixels)

    def work() -> tuple[bytes, str]:
        array = datasets.read_mask(
            call.services.annotations, call.services.classes.of(slide.project), question, grid, query.kind
        )
        if query.format == "png":
            return encode.png(array, query.kind), "image/png"
        return encode.npy(array), "application/octet-stream"

    question = to_query(slide, query)
    body, media_type = await run_in_threadpool(work)
    return Response(body, media_type=media_type, headers=_HEADERS)


async def pair(call: Call[PairQuery]) -> Response:
    """Give a region and its mask in one npz."""
    slide = call.slide()
    query = call.query
    grid = query.grid(slide, max_pixels=call.services.settings.max_output_pixels)
    question = to_query(slide, query)
    services = call.services

    def work() -> bytes:
        schema = services.classes.of(slide.project)
        made = datasets.TileMaskPair(
            image=services.tiles.region(slide.id, grid),
            mask=datasets.read_mask(services.annotations, schema, question, grid, query.kind),
            classes=schema.values,
        )
        return datasets.encode_pair_npz(made)

    return Response(await run_in_threadpool(work), media_type="application/x-npz", headers=_HEADERS)
