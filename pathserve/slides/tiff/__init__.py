"""TIFF in all its dialects: generic, Aperio, OME-TIFF, ImageJ and QPTIFF, as one source of pixels.

Tiles of baseline JPEG are handed on with the scan's own coefficients; everything else is decoded tile by tile or strip
by strip. Level 0 is the raster as it is stored, which is what OpenSlide, Bio-Formats and tifffile take for it; only
pictures that none of the slide dialects claims are turned upright by their Orientation tag, as photographs are.
"""

from pathserve.slides.tiff.directory import compression_name
from pathserve.slides.tiff.opening import open_tiff
from pathserve.slides.tiff.source import TiffSource

__all__ = ["TiffSource", "compression_name", "open_tiff"]
