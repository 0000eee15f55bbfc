"""All machine code, loaded when a server starts: commands that need none of it are spared what it takes.

A request that came first would wait for a second, and all others with it. A server that loads them later would also
mix them with what an update has put in the place of older modules meanwhile.
"""

from importlib import import_module

MODULES = (
    "pathserve.annotations.chunk_kernels",
    "pathserve.annotations.gather_kernels",
    "pathserve.annotations.id_kernels",
    "pathserve.annotations.mvt_kernels",
    "pathserve.annotations.tile_kernels",
    "pathserve.annotations.json_number_kernels",
    "pathserve.annotations.record_kernels",
    "pathserve.formats.geojson.json_kernels",
    "pathserve.formats.geojson.scan",
    "pathserve.formats.geojson.text_kernels",
    "pathserve.geometry.ring_kernels",
)


def load_kernels() -> None:
    """Load them; takes a second or two of processor time."""
    for name in MODULES:
        import_module(name)
