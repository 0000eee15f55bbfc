"""Vector tiles of a slide's annotations over HTTP, on the grid of its .dzi."""

from dataclasses import replace
from threading import Event

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.annotations import AnnotationQuery
from pathserve.annotations.vector_tiles import MEDIA_TYPE, TileBox
from pathserve.catalog import SlideRecord
from pathserve.errors import Invalid
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.metrics import Tally
from pathserve.server.params_annotations import VectorTileQuery
from pathserve.server.routes_tiles import IMMUTABLE, REVALIDATE, not_modified, tile_index
from pathserve.tiles import DeepZoom

_FORM = 2
"""Counts up with every change of what tiles hold, so that no cache keeps tiles of an older form."""


async def vector_tile(call: Call[VectorTileQuery]) -> Response:
    """Give one vector tile."""
    slide, query, services = call.slide(), call.query, call.services
    address = z, x, y = _address(call)
    tile = _box(slide, z, x, y)
    if query.r is not None and query.as_of is not None:
        raise Invalid("Give r or as_of, not both.")
    question = replace(query.question(slide), as_of=None)
    body = None if query.r is None else services.vector_cache.get((question, query.r, *address))
    if query.r is not None and body is not None:
        revision = query.r  # it is one that the slide has, for a tile was made of it
    else:
        asked = query.as_of_value if query.r is None else query.r
        revision = await run_in_threadpool(services.annotations.resolve, slide.id, asked)
        body = services.vector_cache.get((question, revision, *address))
    cached = REVALIDATE if query.r is None else IMMUTABLE
    headers = {"etag": f'"v{_FORM}-{revision}"', "cache-control": cached}
    unchanged = not_modified(call, headers)
    if unchanged is not None:
        return unchanged
    services.metrics.add(Tally.VECTOR_TILES_MADE if body is None else Tally.VECTOR_TILES_KEPT)
    if body is None:
        body = await _made(call, question, tile, revision)
        services.vector_cache.put((question, revision, *address), body)
    return Response(body, media_type=MEDIA_TYPE, headers=headers)


async def _made(call: Call[VectorTileQuery], question: AnnotationQuery, tile: TileBox, revision: int) -> bytes:
    """Make a tile. One that asks all rows takes seconds on a large slide: it waits with large pictures."""
    tiles = call.services.vector_tiles
    stop = Event()

    def work() -> bytes:
        with call.timed("read"):
            return tiles.tile(question, tile, revision=revision, stop=stop.is_set)

    if tiles.asks_all(question, tile):
        return await call.in_turn(call.services.drawing, work, gone=stop.set)
    return await call.in_turn(call.services.making, work)


def _address(call: Call[VectorTileQuery]) -> tuple[int, int, int]:
    place = call.request.path_params
    return tile_index(place["z"]), tile_index(place["x"]), tile_index(place["y"])


def _box(slide: SlideRecord, z: int, x: int, y: int) -> TileBox:
    """Give the place of a tile; raises `NotFound` outside of the grid."""
    grid = DeepZoom(slide.size, slide.tile_size, slide.generation)
    grid.tile_region(z, x, y)
    return TileBox.at(z, x, y, max_level=grid.level_count - 1, tile_size=slide.tile_size)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides/{slide}/annotations/tiles/{z}/{x}/{y}",
        vector_tile,
        Action.ANNOTATION_READ,
        "A vector tile of annotations (MVT 2.1, extent 4096) on the grid of the .dzi; far out, small ones as counts",
        VectorTileQuery,
        {
            200: Answer("The tile; no bytes where nothing is.", (MEDIA_TYPE,)),
            304: Answer("Not changed.", ()),
        },
        tag="annotations",
    ),
)
