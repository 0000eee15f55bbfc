"""What a viewer composes channels from: samples of tiles as they are stored, and histograms."""

from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.server.accept import takes_coding
from pathserve.server.bodies import json_response
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models_channels import ChannelsModel
from pathserve.server.params import NoQuery, SamplesQuery
from pathserve.server.routes_tiles import cache_headers, not_modified, tile_address

SAMPLES = "application/octet-stream"


async def samples(call: Call[SamplesQuery]) -> Response:
    """Give the samples of one channel of a tile: those that are not stored so wait their turn."""
    slide, tiles, view = call.slide(), call.services.tiles, call.query.view
    packed = takes_coding(",".join(call.request.headers.getlist("accept-encoding")), "zstd")
    level, col, row = tile_address(call)
    etag = f'"raw{slide.generation}-{level}-{col}-{row}{view.tag}{"-zstd" if packed else ""}"'
    headers = cache_headers(etag, slide, call.query.g) | {"vary": "Accept-Encoding"}
    unchanged = not_modified(call, headers, exists=False)
    if unchanged is not None:
        return unchanged
    stored = partial(tiles.samples_at_once, slide.id, level, col, row, view=view, packed=packed)
    found = stored()
    if found is None:
        made = partial(tiles.samples, slide.id, level, col, row, view=view, packed=packed)
        with call.timed("read"):
            found = await run_in_threadpool(stored, reads=True)
            found = found if found is not None else await call.in_turn(call.services.making, made)
    headers |= {"pathserve-dtype": found.dtype, "pathserve-shape": ",".join(map(str, found.shape))}
    headers |= {"content-encoding": "zstd"} if packed else {}
    return not_modified(call, headers) or Response(found.body, media_type=SAMPLES, headers=headers)


async def histograms(call: Call[NoQuery]) -> Response:
    """Give what a viewer needs to know of a slide's channels, and how often their values occur."""
    slide = call.slide()

    def work() -> ChannelsModel:
        with call.timed("read"):
            pyramid = call.services.tiles.pyramid(slide.id)
            return ChannelsModel.of(pyramid.facts, pyramid.histograms())

    return json_response(await run_in_threadpool(work))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/dzi/{slide}_files/{level}/{col}_{row}.raw",
        samples,
        Action.SLIDE_READ,
        "Samples of one channel of a Deep Zoom tile",
        SamplesQuery,
        {
            200: Answer("The samples, little-endian, channel by channel and row by row.", (SAMPLES,)),
            304: Answer("Not changed.", ()),
        },
        tag="pixels",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/histograms",
        histograms,
        Action.SLIDE_READ,
        "The slide's channels with their histograms",
        NoQuery,
        {200: Answer("The channels.", model=ChannelsModel)},
        tag="pixels",
    ),
)
