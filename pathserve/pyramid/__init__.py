"""Pyramids: OME-Zarr 0.5 groups whose chunks are complete JPEGs, so that a tile is sent as it lies on disk.

``plan`` decides (pure), ``build`` writes, ``publish`` makes visible in one step, ``reader`` reads, ``verify`` checks.
``build`` is imported by its own name: it needs Dask, which who reads does without.
"""

from pathserve.pyramid.plan import PyramidPlan, plan_pyramid
from pathserve.pyramid.publish import publish, publish_rest
from pathserve.pyramid.reader import Pyramid, ReadCache
from pathserve.pyramid.verify import Damage, verify_pyramid

__all__ = [
    "Damage",
    "Pyramid",
    "PyramidPlan",
    "ReadCache",
    "plan_pyramid",
    "publish",
    "publish_rest",
    "verify_pyramid",
]
