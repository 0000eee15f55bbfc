"""large_image's tiles behind one Starlette route, under the addresses of a .dzi; runs in large_image's environment.

``python -m benchmarks.large_image_server SLIDE PORT KIND``, where KIND is

- ``default``: the slide as ``large_image.open(slide)`` opens it. Tiles are decoded, looked through for an ICC profile
  and encoded at quality 95; the route is a plain function, which Starlette runs in its thread pool.
- ``tuned``: no colour correction, so that large_image sends the JPEG stream of the file where there is one.
- ``loop``: the same without the thread pool, so that a slow tile or disk stops all others.
- ``cached``: the same, with large_image's own cache of finished tiles. All tiles of the benchmark fit into it.

All but the last keep three tiles in that cache, the fewest it can be set to: the benchmark asks for the same tiles
again and again, which a viewer does not.
"""

import sys
from importlib import import_module
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.serving import serve

PATH = "/dzi/slide_files/{level:int}/{col:int}_{row:int}.jpeg"
_TUNED: dict[str, Any] = {"style": {"icc": False}, "encoding": "JPEG"}


def app(slide: str, kind: str) -> Starlette:
    """Make the application; pathserve's own environment has no large_image."""
    large_image: Any = import_module("large_image")
    if kind != "cached":
        large_image.config.setConfig("cache_tileCache_maximum", 1)
    source = large_image.open(slide, **({} if kind == "default" else _TUNED))
    # The last level of a .dzi is numbered by the bits of the longer side less one.
    below = (max(source.sizeX, source.sizeY) - 1).bit_length() - (source.levels - 1)

    def tile(request: Request) -> Response:
        place = request.path_params
        body = source.getTile(place["col"], place["row"], place["level"] - below)
        return Response(bytes(body), media_type="image/jpeg")

    async def tile_at_once(request: Request) -> Response:
        return tile(request)

    return Starlette(routes=[Route(PATH, tile if kind in ("default", "tuned") else tile_at_once)])


def main() -> None:
    slide, port, kind = sys.argv[1:]
    serve(app(slide, kind), int(port))


if __name__ == "__main__":
    main()
