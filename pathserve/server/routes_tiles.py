"""Pixels over HTTP: deep-zoom tiles, regions, thumbnails."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.catalog import SlideRecord
from pathserve.errors import NotFound
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.params import ImageQuery, NoQuery, RegionQuery, ThumbnailQuery
from pathserve.tiles import MEDIA_TYPES, encode_image

_IMMUTABLE = "private, max-age=31536000, immutable"
_REVALIDATE = "private, no-cache"


def cache_headers(etag: str, slide: SlideRecord, generation: int | None) -> dict[str, str]:
    """Give the caching headers of an image: immutable only when the address names the slide's generation."""
    return {"etag": etag, "cache-control": _IMMUTABLE if generation == slide.generation else _REVALIDATE}


def not_modified(call: Call[NoQuery], headers: dict[str, str]) -> Response | None:
    """Answer 304 when the client has this very image already."""
    known = call.request.headers.get("if-none-match")
    if known is None:
        return None
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return Response(status_code=304, headers=headers) if tags & {headers["etag"], "*"} else None


async def dzi(call: Call[ImageQuery]) -> Response:
    """Give the Deep Zoom description."""
    slide = call.slide()
    headers = cache_headers(f'"dzi-{slide.generation}"', slide, call.query.g)
    unchanged = not_modified(call, headers)
    if unchanged is not None:
        return unchanged
    grid = await run_in_threadpool(call.services.tiles.deepzoom, slide.id)
    return Response(grid.to_xml(), media_type="application/xml", headers=headers)


async def tile(call: Call[ImageQuery]) -> Response:
    """Give one Deep Zoom tile: at once when the page cache holds it, else in a thread."""
    slide = call.slide()
    tiles, place = call.services.tiles, call.request.path_params
    address = slide.id, _index(place["level"]), _index(place["col"]), _index(place["row"])
    color, view = call.query.color, call.query.view
    found = tiles.tile_at_once(*address, color=color, view=view)
    if found is None:
        found = await run_in_threadpool(tiles.tile, *address, color=color, view=view)
    headers = cache_headers(found.etag, slide, call.query.g)
    return not_modified(call, headers) or Response(found.body, media_type=found.media_type, headers=headers)


def _index(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound("The slide has no such tile.")
    return int(text)


async def region(call: Call[RegionQuery]) -> Response:
    """Give the pixels of a region on any grid."""
    slide = call.slide()
    query = call.query
    grid = query.grid(slide, max_pixels=call.services.settings.max_output_pixels)
    tag = f'"region-{slide.generation}-{grid.l0_x}-{grid.l0_y}-{grid.width}-{grid.height}-{grid.downsample_x}'
    headers = cache_headers(f'{tag}-{grid.downsample_y}-{query.format}-{query.color}{query.view.tag}"', slide, query.g)

    unchanged = not_modified(call, headers)
    if unchanged is not None:
        return unchanged

    def work() -> bytes:
        pixels = call.services.tiles.region(slide.id, grid, color=query.color, view=query.view)
        return encode_image(pixels, query.format)

    return Response(await call.services.drawing.run(work), media_type=MEDIA_TYPES[query.format], headers=headers)


async def thumbnail(call: Call[ThumbnailQuery]) -> Response:
    """Give a small picture of the whole slide."""
    slide = call.slide()
    size, color, view = call.query.size, call.query.color, call.query.view
    headers = cache_headers(f'"thumbnail-{slide.generation}-{size}-{color}{view.tag}"', slide, call.query.g)
    unchanged = not_modified(call, headers)
    if unchanged is not None:
        return unchanged
    body = await run_in_threadpool(call.services.tiles.thumbnail, slide.id, size, color=color, view=view)
    return Response(body, media_type="image/jpeg", headers=headers)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/dzi/{slide}_files/{level}/{col}_{row}.jpeg",
        tile,
        Action.SLIDE_READ,
        "A Deep Zoom tile",
        ImageQuery,
        {200: Answer("The tile.", ("image/jpeg",)), 304: Answer("Not changed.", ())},
        tag="pixels",
    ),
    Endpoint(
        "GET",
        "/dzi/{slide}.dzi",
        dzi,
        Action.SLIDE_READ,
        "The Deep Zoom description",
        ImageQuery,
        {200: Answer("The description.", ("application/xml",)), 304: Answer("Not changed.", ())},
        tag="pixels",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/region",
        region,
        Action.SLIDE_READ,
        "Pixels of a region, on any grid",
        RegionQuery,
        {
            200: Answer("The pixels; `npy` is (h, w, 3) uint8.", tuple(MEDIA_TYPES.values())),
            304: Answer("Not changed.", ()),
        },
        tag="pixels",
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}/thumbnail",
        thumbnail,
        Action.SLIDE_READ,
        "A small picture of the whole slide",
        ThumbnailQuery,
        {200: Answer("The picture.", ("image/jpeg",)), 304: Answer("Not changed.", ())},
        tag="pixels",
    ),
)
