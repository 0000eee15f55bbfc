"""What PathServe's tile route is held against, as servers with the same uvicorn settings.

``python -m benchmarks.peers plain DATA PORT``: PathServe itself without its fast path, on uvicorn's own protocol class,
so that every tile goes through Starlette.
``python -m benchmarks.peers deepzoom SLIDE PORT TILE OVERLAP``: OpenSlide's DeepZoomGenerator behind one Starlette
route.
``python -m benchmarks.peers memory FOLDER PORT``: one Starlette route that sends files of a folder out of memory; no
tile server on Starlette can need less.
"""

import io
import os
import sys
from pathlib import Path

from openslide import OpenSlide
from openslide.deepzoom import DeepZoomGenerator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.serving import serve
from pathserve.config import DATA_VARIABLE

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
    """Make the application that has everything in memory: files are named LEVEL/COL_ROW.jpeg, as in a .dzi."""
    files = {(int(file.parent.name), *map(int, file.stem.split("_"))): file for file in folder.glob("*/*.jpeg")}
    bodies = {address: file.read_bytes() for address, file in files.items()}

    async def tile(request: Request) -> Response:
        place = request.path_params
        return Response(bodies[place["level"], place["col"], place["row"]], media_type="image/jpeg")

    return Starlette(routes=[Route(PATH, tile)])


def main() -> None:
    kind, source, port, *grid = sys.argv[1:]
    if kind == "plain":
        os.environ[DATA_VARIABLE] = source
        serve("pathserve.server.run:application", int(port), factory=True)
    elif kind == "deepzoom":
        tile_size, overlap = map(int, grid)
        serve(deepzoom_app(Path(source), tile_size, overlap), int(port))
    else:
        serve(memory_app(Path(source)), int(port))


if __name__ == "__main__":
    main()
