"""Pyramids: OME-Zarr 0.5 groups whose chunks are complete JPEGs, so that a tile is sent as it lies on disk.

``plan`` decides (pure), ``build`` writes, ``publish`` makes visible in one step, ``reader`` reads, ``verify`` checks.
"""

from pathserve.pyramid.build import build_pyramid, build_reduced
from pathserve.pyramid.plan import PyramidPlan, plan_pyramid
from pathserve.pyramid.publish import publish, publish_rest
from pathserve.pyramid.reader import Pyramid, ReadCache
from pathserve.pyramid.verify import Damage, verify_pyramid

__all__ = [
    "Damage",
    "Pyramid",
    "PyramidPlan",
    "ReadCache",
    "build_pyramid",
    "build_reduced",
    "plan_pyramid",
    "publish",
    "publish_rest",
    "verify_pyramid",
]
