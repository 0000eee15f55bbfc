"""What PathServe's tile route is held against, as servers with the same uvicorn settings.

``python -m benchmarks.peers deepzoom SLIDE PORT TILE OVERLAP``: OpenSlide's DeepZoomGenerator behind one Starlette
route.
``python -m benchmarks.peers memory FOLDER PORT``: one Starlette route that sends files of a folder out of memory; no
tile server on Starlette can need less.
"""

import io
import sys
from pathlib import Path

import uvicorn
from openslide import OpenSlide
from openslide.deepzoom import DeepZoomGenerator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

QUALITY = 75
"""JPEG quality of OpenSlide's own example server."""

PATH = "/dzi/slide_files/{level:int}/{col:int}_{row:int}.jpeg"


def open_deepzoom(slide: Path, tile_size: int, overlap: int) -> DeepZoomGenerator:
    """Open a slide with OpenSlide's own cache as it is by default."""
    return DeepZoomGenerator(OpenSlide(slide), tile_size=tile_size, overlap=overlap)


def deepzoom_tile(deepzoom: DeepZoomGenerator, level: int, col: int, row: int) -> bytes:
    """Make one tile as OpenSlide's example server does."""
    buffer = io.BytesIO()
    deepzoom.get_tile(level, (col, row)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def deepzoom_app(slide: Path, tile_size: int, overlap: int) -> Starlette:
    """Make the application around DeepZoomGenerator; Starlette runs a plain function in its thread pool."""
    deepzoom = open_deepzoom(slide, tile_size, overlap)

    def tile(request: Request) -> Response:
        place = request.path_params
        body = deepzoom_tile(deepzoom, place["level"], place["col"], place["row"])
        return Response(body, media_type="image/jpeg")

    return Starlette(routes=[Route(PATH, tile)])


def memory_app(folder: Path) -> Starlette:
    """Make the application that has everything in memory: files are named LEVEL_COL_ROW."""
    bodies = {tuple(map(int, file.name.split("_"))): file.read_bytes() for file in folder.iterdir()}

    async def tile(request: Request) -> Response:
        place = request.path_params
        return Response(bodies[place["level"], place["col"], place["row"]], media_type="image/jpeg")

    return Starlette(routes=[Route(PATH, tile)])


def main() -> None:
    kind, source, port, *grid = sys.argv[1:]
    if kind == "deepzoom":
        tile_size, overlap = map(int, grid)
        app = deepzoom_app(Path(source), tile_size, overlap)
    else:
        app = memory_app(Path(source))
    uvicorn.run(  # the settings of pathserve.server.run
        app,
        host="127.0.0.1",
        port=int(port),
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
