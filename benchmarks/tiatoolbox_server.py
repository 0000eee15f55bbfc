"""TIAToolbox's TileServer as it is, on uvicorn; runs in TIAToolbox's environment.

``python -m benchmarks.tiatoolbox_server SLIDE PORT TILE``. Its own command runs Flask's development server, which
closes the connection after each tile. Tiles are of the size that is named, in place of 256; they are WebP, as it sends
them.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from benchmarks.serving import serve


def app(slide: str, tile_size: int) -> Any:  # noqa: ANN401 - an ASGI application of an untyped package
    """Make the application; pathserve's own environment has none of these packages."""
    # torchvision of PyPI is built for CUDA and finds none of its operators beside torch for the CPU; it then fails to
    # describe them. A tile needs none.
    sys.modules["torchvision._meta_registrations"] = ModuleType("torchvision._meta_registrations")
    readers: Any = import_module("tiatoolbox.wsicore.wsireader")
    tileserver: Any = import_module("tiatoolbox.visualization.tileserver")
    pyramids: Any = import_module("tiatoolbox.tools.pyramid")
    a2wsgi: Any = import_module("a2wsgi")
    # On levels that the file lacks it warns of each tile that it enlarges what it reads.
    import_module("tiatoolbox").logger.setLevel("ERROR")
    reader = readers.WSIReader.open(slide)
    flask = tileserver.TileServer("Benchmark", {"slide": reader})
    flask.pyramids["default"]["slide"] = pyramids.ZoomifyGenerator(reader, tile_size=tile_size)
    return a2wsgi.WSGIMiddleware(flask)


def main() -> None:
    slide, port, tile_size = sys.argv[1:]
    serve(app(slide, int(tile_size)), int(port))


if __name__ == "__main__":
    main()
