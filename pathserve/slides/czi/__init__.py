"""Zeiss CZI: each scene is a slide of its own, its mosaic put together on one raster.

The library that reads it, pylibCZIrw, is heavy and comes with the extra ``pathserve[czi]``.
"""

from pathserve.slides.czi.source import MAGIC, CziSource

__all__ = ["MAGIC", "CziSource"]
