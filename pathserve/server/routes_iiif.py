"""The IIIF Image API over HTTP, versions 3.0 and 2.1, level 2 of both."""

import hashlib
import re
from urllib.parse import quote

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from pathserve.access import Action
from pathserve.catalog import SlideRecord
from pathserve.errors import NotAcceptable
from pathserve.server.accept import preferred
from pathserve.server.base_url import base_url
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.params import ImageQuery
from pathserve.server.routes_tiles import cache_headers, find_tile, made_picture, not_modified
from pathserve.tiles import PICTURE_TYPES
from pathserve.tiles.iiif import Address, Limits, Plan, Version, plan
from pathserve.tiles.iiif_info import context, describe, profile
from pathserve.tiles.iiif_picture import finish

_JSON, _JSON_LD = "application/json", "application/ld+json"
_PARAMETER = re.compile(r';\s*(?:profile|charset)=(?:"[^"]*"|[^\s,;"]*)', re.IGNORECASE)
"""What clients write behind these media types, and what makes no difference here."""


async def iiif3_information(call: Call[ImageQuery]) -> Response:
    """Give the image information document of version 3.0."""
    return await _information(call, 3)


async def iiif2_information(call: Call[ImageQuery]) -> Response:
    """Give the image information document of version 2.1."""
    return await _information(call, 2)


async def iiif3_picture(call: Call[ImageQuery]) -> Response:
    """Give a picture by an address of version 3.0."""
    return await _picture(call, 3)


async def iiif2_picture(call: Call[ImageQuery]) -> Response:
    """Give a picture by an address of version 2.1."""
    return await _picture(call, 2)


async def iiif3_redirect(call: Call[ImageQuery]) -> Response:
    """Lead from the bare id to the image information document."""
    return RedirectResponse(f"{_base(call, 3, call.slide())}/info.json{_query(call)}", status_code=303)


async def iiif2_redirect(call: Call[ImageQuery]) -> Response:
    """Lead from the bare id to the image information document."""
    return RedirectResponse(f"{_base(call, 2, call.slide())}/info.json{_query(call)}", status_code=303)


def _base(call: Call[ImageQuery], version: Version, slide: SlideRecord) -> str:
    return f"{base_url(call)}/iiif/{version}/{slide.id}"


def _query(call: Call[ImageQuery]) -> str:
    """Give the query, which is the same for a picture and its canonical address, fit to stand in a header."""
    query = quote(call.request.scope["query_string"], safe="=&,:;%+-._~")
    return f"?{query}" if query else ""


def _limits(call: Call[ImageQuery]) -> Limits:
    return Limits(call.services.settings.max_output_pixels)


async def _information(call: Call[ImageQuery], version: Version) -> Response:
    slide = call.slide()
    pyramid = await run_in_threadpool(call.services.tiles.pyramid, slide.id)
    call.query.view.shown(pyramid.facts)  # else a viewer would find out by missing tiles
    body = orjson.dumps(describe(version, _base(call, version, slide), pyramid.facts, _limits(call)))
    json_ld = _wants_json_ld(call, version)
    etag = f'"iiif-{hashlib.sha256(body).hexdigest()[:32]}{"-ld" if json_ld else ""}"'
    headers = cache_headers(etag, slide, call.query.g) | {
        "vary": "Accept",
        "link": f'<{profile(version)}>;rel="profile"',
    }
    media_type = f'{_JSON_LD};profile="{context(version)}"' if json_ld else _JSON
    if not json_ld:
        headers["link"] += f', <{context(version)}>;rel="http://www.w3.org/ns/json-ld#context";type="{_JSON_LD}"'
    return not_modified(call, headers) or Response(body, media_type=media_type, headers=headers)


def _wants_json_ld(call: Call[ImageQuery], version: Version) -> bool:
    """Choose the media type: JSON-LD in version 3.0 unless the client would rather not, JSON in 2.1 unless it asks."""
    offered = {_JSON_LD: _JSON_LD, _JSON: _JSON} if version == 3 else {_JSON: _JSON, _JSON_LD: _JSON_LD}
    accept = _PARAMETER.sub("", ",".join(call.request.headers.getlist("accept")))
    try:
        return preferred(accept, offered) == _JSON_LD
    except NotAcceptable:
        return version == 3  # a viewer that names other types is better served by this than by an error


async def _picture(call: Call[ImageQuery], version: Version) -> Response:
    slide, query, tiles = call.slide(), call.query, call.services.tiles
    part = call.request.path_params
    address = Address(part["region"], part["size"], part["rotation"], part["quality"], part["format"])

    def planned(*, wait: bool) -> Plan:
        return plan(version, address, tiles.deepzoom(slide.id, wait=wait), _limits(call))

    def draw() -> bytes:
        with call.timed("read"):
            if wanted.tile is not None:
                pixels = tiles.tile_pixels(slide.id, *wanted.tile, color=query.color, view=query.view)
            else:
                pixels = tiles.region(slide.id, wanted.grid, color=query.color, view=query.view)
        with call.timed("encode"):
            return finish(wanted, pixels)

    try:
        wanted = planned(wait=False)
    except BlockingIOError:
        wanted = await run_in_threadpool(planned, wait=True)
    tile = None
    if wanted.tile is not None and wanted.is_plain:
        tile = await find_tile(call, (slide.id, *wanted.tile), wanted.format)
    etag = tile.etag if tile else f'"iiif-{slide.generation}-{wanted.tag}-{query.color}{query.view.tag}"'
    canonical = f"{_base(call, version, slide)}/{wanted.canonical}{_query(call)}"
    link = f'<{profile(version)}>;rel="profile", <{canonical}>;rel="canonical"'
    headers = cache_headers(etag, slide, query.g) | {"link": link}
    media_type = PICTURE_TYPES[wanted.format]
    if tile is None:
        return await made_picture(call, call.services.drawing, draw, media_type, headers)
    return not_modified(call, headers) or Response(tile.body, media_type=media_type, headers=headers)


_DOCUMENT = {200: Answer("The document.", (_JSON, _JSON_LD)), 304: Answer("Not changed.", ())}
_IMAGE = {200: Answer("The picture.", tuple(PICTURE_TYPES.values())), 304: Answer("Not changed.", ())}
_REDIRECT = {303: Answer("To `info.json`.", ())}
_PICTURE_PATH = "{slide}/{region}/{size}/{rotation}/{quality}.{format}"

ENDPOINTS = (
    Endpoint(
        "GET",
        f"/iiif/3/{_PICTURE_PATH}",
        iiif3_picture,
        Action.SLIDE_READ,
        "A picture by IIIF Image API 3.0",
        ImageQuery,
        _IMAGE,
        tag="pixels",
    ),
    Endpoint(
        "GET",
        f"/iiif/2/{_PICTURE_PATH}",
        iiif2_picture,
        Action.SLIDE_READ,
        "A picture by IIIF Image API 2.1",
        ImageQuery,
        _IMAGE,
        tag="pixels",
    ),
    Endpoint(
        "GET",
        "/iiif/3/{slide}/info.json",
        iiif3_information,
        Action.SLIDE_READ,
        "Image information by IIIF Image API 3.0",
        ImageQuery,
        _DOCUMENT,
        tag="pixels",
    ),
    Endpoint(
        "GET",
        "/iiif/2/{slide}/info.json",
        iiif2_information,
        Action.SLIDE_READ,
        "Image information by IIIF Image API 2.1",
        ImageQuery,
        _DOCUMENT,
        tag="pixels",
    ),
    Endpoint(
        "GET",
        "/iiif/3/{slide}",
        iiif3_redirect,
        Action.SLIDE_READ,
        "Leads to the image information",
        ImageQuery,
        _REDIRECT,
        tag="pixels",
    ),
    Endpoint(
        "GET",
        "/iiif/2/{slide}",
        iiif2_redirect,
        Action.SLIDE_READ,
        "Leads to the image information",
        ImageQuery,
        _REDIRECT,
        tag="pixels",
    ),
)
