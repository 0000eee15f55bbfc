"""Masks out of polygons and back: exact, the same for a tile as for the whole. Knows neither store nor pixels."""

from pathserve.masks.encode import encode_npy, encode_npz, encode_png
from pathserve.masks.kinds import (
    MaskKind,
    as_kind,
    boundary,
    coverage,
    distance,
    dtype_of,
    instance,
    needed_region,
    semantic,
)
from pathserve.masks.raster import Window, rasterize
from pathserve.masks.vectorize import Traced, trace_bands, vectorize

__all__ = [
    "MaskKind",
    "Traced",
    "Window",
    "as_kind",
    "boundary",
    "coverage",
    "distance",
    "dtype_of",
    "encode_npy",
    "encode_npz",
    "encode_png",
    "instance",
    "needed_region",
    "rasterize",
    "semantic",
    "trace_bands",
    "vectorize",
]
