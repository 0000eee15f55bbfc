"""Many tiles or regions of one slide in one answer: a tar archive, streamed in the order that was asked for."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar

from pydantic import Field, field_validator
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.catalog import SlideRecord
from pathserve.errors import Invalid, PathServeError, TooLarge
from pathserve.server.blocks import BlockResponse
from pathserve.server.bodies import read_model
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.params import Color, GridQuery, NoQuery, ViewQuery
from pathserve.server.problems import error_response
from pathserve.tiles import ImageFormat, encode_image
from pathserve.tiles.encode import require_encodable
from pathserve.tiles.many import TileAddress, stored_chunks
from pathserve.tiles.tar import END, MEDIA_TYPE, member

MAX_ITEMS = 4096
"""Most tiles and regions of one call."""

MAX_BODY = 512 << 10

_LISTED: dict[str, Any] = {"maxItems": MAX_ITEMS}  # told to readers here and refused as too large below

WINDOW = 64
"""Tiles that are read before the first of them is sent; more in one go take no less work."""

BLOCK = 16
"""Tiles of one block of a long answer: larger ones have the memory for each asked of the system anew."""

DRAWN_AT_ONCE = 16
"""Tiles that are made before others who wait for pictures have their turn."""

_Index = Annotated[int, Field(strict=True)]
_T = TypeVar("_T")


class BatchBody(ViewQuery):
    """Tiles by their Deep Zoom address, regions on any grid, or both: first the tiles."""

    tiles: list[tuple[_Index, _Index, _Index]] = Field(
        [], json_schema_extra=_LISTED, description="`[level, col, row]` of each, as in the address of a tile."
    )
    regions: list[GridQuery] = Field(
        [], json_schema_extra=_LISTED, description="As the address of a region takes them."
    )
    format: ImageFormat = "jpeg"
    color: Color = "source"

    @field_validator("c", mode="before")
    @classmethod
    def _one_text(cls, given: object) -> object:
        return [given] if type(given) in (str, int) else given

    def require_few(self, max_pixels: int) -> None:
        """Refuse what is too much for one call.

        Raises
        ------
        Invalid
            When nothing is asked for.
        TooLarge
            When it is more than ``MAX_ITEMS``, or the regions together have more than ``max_pixels`` pixels.
        """
        count = len(self.tiles) + len(self.regions)
        if count == 0:
            raise Invalid("Ask for tiles or regions.")
        if count > MAX_ITEMS:
            raise TooLarge(f"One call gives at most {MAX_ITEMS:,} tiles and regions.")
        if sum(region.width * region.height for region in self.regions) > max_pixels:
            raise TooLarge(f"The regions of one call have at most {max_pixels:,} pixels together.")


async def tiles(call: Call[NoQuery]) -> Response:
    """Give many tiles or regions in one answer."""
    slide = call.slide()
    body = await read_model(call.request, BatchBody, limit=MAX_BODY)
    body.require_few(call.services.settings.max_output_pixels)
    headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store"}
    if len(body.tiles) > WINDOW or body.regions:
        return BlockResponse(_archive(call, slide, body), call.services.sending, call.actor, headers=headers)
    with call.timed("read"):
        pictures = await _window(call, slide, body, body.tiles)
    return Response(_members(call, pictures, body.format, 0, len(pictures)), headers=headers)


async def _archive(call: Call[NoQuery], slide: SlideRecord, body: BatchBody) -> AsyncIterator[bytes]:
    number, total = 0, len(body.tiles) + len(body.regions)
    for addresses in _cut(body.tiles, WINDOW):
        for pictures in _cut(await _window(call, slide, body, addresses), BLOCK):
            yield _members(call, pictures, body.format, number, total)
            number += len(pictures)
    for region in body.regions:
        picture = await _drawn(call, partial(_region, call, slide, body, region))
        yield _members(call, [picture], body.format, number, total)
        number += 1


def _cut(items: Sequence[_T], length: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), length):
        yield items[start : start + length]


async def _window(
    call: Call[NoQuery], slide: SlideRecord, body: BatchBody, addresses: Sequence[TileAddress]
) -> list[bytes | PathServeError]:
    """Give some tiles: stored ones at once or in one go, the others where regions are made, a few at a time."""
    found: list[bytes | PathServeError | None] = [None] * len(addresses)
    if body.format == "jpeg":
        found[:] = _at_once(call, slide, body, addresses)
        waiting = _missing(found)
        if waiting:
            read = partial(_stored, call, slide, body, [addresses[index] for index in waiting])
            for index, picture in zip(waiting, await run_in_threadpool(read), strict=True):
                found[index] = picture
    for indexes in _cut(_missing(found), DRAWN_AT_ONCE):
        make = [partial(_tile, call, slide, body, addresses[index]) for index in indexes]
        for index, outcome in zip(indexes, await _all_drawn(call, make), strict=True):
            found[index] = outcome
    return [picture for picture in found if picture is not None]


def _missing(found: Sequence[object]) -> list[int]:
    return [index for index, picture in enumerate(found) if picture is None]


def _at_once(
    call: Call[NoQuery], slide: SlideRecord, body: BatchBody, addresses: Sequence[TileAddress]
) -> Iterator[bytes | None]:
    """Give what lies in memory: fetching it here takes less than handing the work to a thread."""
    try:
        stored = call.services.tiles.stored_tiles(slide.id, color=body.color, view=body.view)
    except PathServeError:  # told of each tile by itself
        stored = None
    for address in addresses:
        picture = None if stored is None else stored.get(*address)
        yield None if picture is None else picture[0]


def _stored(
    call: Call[NoQuery], slide: SlideRecord, body: BatchBody, addresses: Sequence[TileAddress]
) -> Sequence[bytes | None]:
    service = call.services.tiles
    try:
        pyramid, grid = service.pyramid(slide.id), service.deepzoom(slide.id)
        converts = body.color == "srgb" and service.color_facts(slide.id).converted
        return stored_chunks(pyramid, grid, addresses, converts=converts, view=body.view)
    except PathServeError:  # as above
        return [None] * len(addresses)


def _tile(call: Call[NoQuery], slide: SlideRecord, body: BatchBody, address: TileAddress) -> bytes:
    service = call.services.tiles
    if body.format == "npy":
        return encode_image(service.tile_pixels(slide.id, *address, color=body.color, view=body.view), "npy")
    return service.tile(slide.id, *address, color=body.color, view=body.view, image_format=body.format).body


def _region(call: Call[NoQuery], slide: SlideRecord, body: BatchBody, region: GridQuery) -> bytes:
    grid = region.grid(slide, max_pixels=call.services.settings.max_output_pixels)
    require_encodable(body.format, grid.width, grid.height)
    return encode_image(call.services.tiles.region(slide.id, grid, color=body.color, view=body.view), body.format)


async def _drawn(call: Call[NoQuery], make: Callable[[], bytes]) -> bytes | PathServeError:
    return (await _all_drawn(call, [make]))[0]


async def _all_drawn(call: Call[NoQuery], makes: Sequence[Callable[[], bytes]]) -> list[bytes | PathServeError]:
    """Make pictures when their turn comes; what fails gives its error and leaves the others alone."""

    def work() -> list[bytes | PathServeError]:
        return [_outcome(make) for make in makes]

    try:
        return await call.in_turn(call.services.drawing, work)
    except PathServeError as busy:
        return [busy for _ in makes]


def _outcome(make: Callable[[], bytes]) -> bytes | PathServeError:
    try:
        return make()
    except PathServeError as error:
        return error


def _members(
    call: Call[NoQuery], pictures: Sequence[bytes | PathServeError], image_format: str, first: int, total: int
) -> bytes:
    """Give the members of some pictures as one block, with the archive's end behind the last of ``total``.

    What failed is its problem document. All is joined once: copies are most of what a stored tile costs.
    """
    parts = list[bytes]()
    for number, picture in enumerate(pictures, first):
        if isinstance(picture, bytes):
            parts += member(f"{number:06}.{image_format}", picture)
        else:
            parts += member(f"{number:06}.json", bytes(error_response(call.request.scope, picture).body))
    if first + len(pictures) == total:
        parts.append(END)
    return b"".join(parts)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "POST",
        "/api/slides/{slide}/tiles",
        tiles,
        Action.SLIDE_READ,
        "Many tiles or regions in one answer",
        NoQuery,
        {200: Answer("A tar archive of the pictures, in the order asked for.", (MEDIA_TYPE,))},
        body_types=("application/json",),
        body_model=BatchBody,
        tag="pixels",
    ),
)
