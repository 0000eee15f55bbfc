"""Pixels over HTTP: deep-zoom tiles, regions, thumbnails."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.catalog import SlideRecord
from pathserve.errors import NotFound
from pathserve.server.accept import preferred
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.metrics import Tally
from pathserve.server.models import ProblemModel
from pathserve.server.params import DeepZoomQuery, ImageQuery, NoQuery, RegionQuery, ThumbnailQuery
from pathserve.server.shares import Turns
from pathserve.tiles import MEDIA_TYPES, PICTURE_TYPES, PictureFormat, Tile, encode_image, require_encodable

_K = TypeVar("_K", bound=str)

TILE_ENDINGS: Mapping[str, PictureFormat] = {
    "jpeg": "jpeg",
    "jpg": "jpeg",
    "png": "png",
    "webp": "webp",
    "avif": "avif",
}
"""What a tile's address can end with, and what it is then."""

LARGE_THUMBNAIL = 1024
"""A thumbnail with a longer side than this waits its turn with regions and masks, a smaller one with tiles."""

NOT_ACCEPTABLE = Answer("It comes in no form that `Accept` takes.", ("application/problem+json",), ProblemModel)

IMMUTABLE = "private, max-age=31536000, immutable"
REVALIDATE = "private, no-cache"


def cache_headers(etag: str, slide: SlideRecord, generation: int | None) -> dict[str, str]:
    """Give the caching headers of an image: immutable only when the address names the slide's generation."""
    return {"etag": etag, "cache-control": IMMUTABLE if generation == slide.generation else REVALIDATE}


def not_modified(call: Call[NoQuery], headers: dict[str, str], *, exists: bool = True) -> Response | None:
    """Answer 304 when the client has this very image already.

    ``exists`` False: nobody knows yet that there is such an image, so ``*``, which means any that there is, says
    nothing.
    """
    known = call.request.headers.get("if-none-match")
    if known is None:
        return None
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    ours = {headers["etag"], "*"} if exists else {headers["etag"]}
    return Response(status_code=304, headers=headers) if tags & ours else None


def negotiated(call: Call[NoQuery], given: _K | None, offered: Mapping[_K, str]) -> tuple[_K, dict[str, str]]:
    """Choose a format: the one that the address names, else by ``Accept``; with the header that tells caches so."""
    if given is not None:
        return given, {}
    return preferred(",".join(call.request.headers.getlist("accept")), offered), {"vary": "Accept"}


async def dzi(call: Call[DeepZoomQuery]) -> Response:
    """Give the Deep Zoom description."""
    slide, ending = call.slide(), call.query.format
    headers = cache_headers(f'"dzi-{slide.generation}-{ending}"', slide, call.query.g)

    def described() -> bytes:
        tiles = call.services.tiles
        call.query.view.shown(tiles.pyramid(slide.id).facts)  # else a viewer would find out by missing tiles
        return tiles.deepzoom(slide.id).to_xml(ending)

    document = await run_in_threadpool(described)
    return not_modified(call, headers) or Response(document, media_type="application/xml", headers=headers)


async def tile(call: Call[DeepZoomQuery]) -> Response:
    """Give one Deep Zoom tile."""
    slide = call.slide()
    address, place = (slide.id, *tile_address(call)), call.request.path_params
    kind = TILE_ENDINGS.get(place["format"])
    if kind is None:
        raise NotFound("The slide has no such tile.")
    found = await find_tile(call, address, kind)
    call.services.metrics.add(Tally.TILES_MADE if found.made else Tally.TILES_PLAIN)
    headers = cache_headers(found.etag, slide, call.query.g)
    return not_modified(call, headers) or Response(found.body, media_type=found.media_type, headers=headers)


async def find_tile(
    call: Call[DeepZoomQuery] | Call[ImageQuery], address: tuple[str, int, int, int], kind: PictureFormat
) -> Tile:
    """Give a tile: what is stored is read among all other requests, what has to be made waits its turn."""
    tiles, color, view = call.services.tiles, call.query.color, call.query.view
    stored = partial(tiles.tile_at_once, *address, color=color, view=view, image_format=kind)
    made = partial(tiles.tile, *address, color=color, view=view, image_format=kind)
    found = stored()
    if found is not None:
        return found
    with call.timed("read"):
        found = await run_in_threadpool(stored, reads=True)
        return found if found is not None else await call.in_turn(call.services.making, made)


def tile_address(call: Call[NoQuery]) -> tuple[int, int, int]:
    """Give level, column and row out of a tile's address."""
    place = call.request.path_params
    return tile_index(place["level"]), tile_index(place["col"]), tile_index(place["row"])


def tile_index(text: str) -> int:
    """Read a number of a tile's address; raises `NotFound` when it is none."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound("The slide has no such tile.")
    return int(text)


async def made_picture(
    call: Call[NoQuery], turns: Turns, make: Callable[[], bytes], media_type: str, headers: dict[str, str]
) -> Response:
    """Make a picture when its turn comes, unless the client has it already; ``headers`` hold its ETag."""
    unchanged = not_modified(call, headers, exists=False)
    if unchanged is not None:
        return unchanged
    body = await call.in_turn(turns, make)
    return not_modified(call, headers) or Response(body, media_type=media_type, headers=headers)


async def region(call: Call[RegionQuery]) -> Response:
    """Give the pixels of a region on any grid."""
    slide, query = call.slide(), call.query
    grid = query.grid(slide, max_pixels=call.services.settings.max_output_pixels)
    kind, vary = negotiated(call, query.format, MEDIA_TYPES)
    require_encodable(kind, grid.width, grid.height)
    tag = f'"region-{slide.generation}-{grid.l0_x}-{grid.l0_y}-{grid.width}-{grid.height}-{grid.downsample_x}'
    headers = cache_headers(f'{tag}-{grid.downsample_y}-{kind}-{query.color}{query.view.tag}"', slide, query.g) | vary

    def work() -> bytes:
        with call.timed("read"):
            pixels = call.services.tiles.region(slide.id, grid, color=query.color, view=query.view)
        with call.timed("encode"):
            return encode_image(pixels, kind)

    return await made_picture(call, call.services.drawing, work, MEDIA_TYPES[kind], headers)


async def thumbnail(call: Call[ThumbnailQuery]) -> Response:
    """Give a small picture of the whole slide."""
    slide, query = call.slide(), call.query
    kind, vary = negotiated(call, query.format, PICTURE_TYPES)
    tag = f'"thumbnail-{slide.generation}-{query.size}-{kind}-{query.color}{query.view.tag}"'
    headers = cache_headers(tag, slide, query.g) | vary

    def work() -> bytes:
        tiles = call.services.tiles
        with call.timed("read"):
            return tiles.thumbnail(slide.id, query.size, color=query.color, view=query.view, image_format=kind)

    turns = call.services.drawing if query.size > LARGE_THUMBNAIL else call.services.making
    return await made_picture(call, turns, work, MEDIA_TYPES[kind], headers)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/dzi/{slide}_files/{level}/{col}_{row}.{format}",
        tile,
        Action.SLIDE_READ,
        "A Deep Zoom tile; `format` is `jpeg`, `jpg`, `png`, `webp` or `avif`",
        DeepZoomQuery,
        {200: Answer("The tile.", tuple(PICTURE_TYPES.values())), 304: Answer("Not changed.", ())},
        tag="pixels",
    ),
    Endpoint(
        "GET",
        "/dzi/{slide}.dzi",
        dzi,
        Action.SLIDE_READ,
        "The Deep Zoom description",
        DeepZoomQuery,
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
            406: NOT_ACCEPTABLE,
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
        {
            200: Answer("The picture.", tuple(PICTURE_TYPES.values())),
            304: Answer("Not changed.", ()),
            406: NOT_ACCEPTABLE,
        },
        tag="pixels",
    ),
)
