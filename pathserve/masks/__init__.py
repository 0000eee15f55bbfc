"""Masks out of polygons: exact, the same for a tile as for the whole. Knows neither store nor pixels."""

from pathserve.masks.rasterize import rasterize

__all__ = ["rasterize"]
