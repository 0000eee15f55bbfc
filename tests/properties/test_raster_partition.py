"""What shares edges shares no pixel, and leaves none out: the half-open rule, without looking at any one pixel."""

import numpy as np
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pathserve.geometry import PixelGrid
from pathserve.masks import coverage, rasterize

on_the_grid = st.integers(0, 32).map(lambda k: k / 2)
anywhere = st.floats(0, 16).map(lambda value: round(value, 6))
points = st.lists(st.tuples(on_the_grid, on_the_grid) | st.tuples(anywhere, anywhere), min_size=4, max_size=25)
steps = st.sampled_from([0.5, 1.0, 1.5, 0.3, 2.0161290322580645])


@given(points, steps, steps)
@settings(deadline=None)
def test_the_triangles_of_a_hull_cover_each_of_its_pixels_once(corners, along_x, along_y):
    triangles = shapely.get_parts(shapely.delaunay_triangles(shapely.MultiPoint(corners)))
    assume(len(triangles) > 1)
    # The outline of the mesh: the edges that belong to one triangle only. Its vertices are the triangles' own.
    outline = shapely.coverage_union_all(triangles)
    assume(outline.geom_type == "Polygon")
    grid = PixelGrid(-1, -1, int(18 / along_x), int(18 / along_y), along_x, along_y)
    layers = [rasterize([triangle], [1], grid).astype(int) for triangle in triangles]
    assert np.array_equal(sum(layers), rasterize([outline], [1], grid))


@given(points, st.floats(0.3, 3), st.floats(0.3, 3))
@settings(deadline=None)
def test_shares_add_up_to_the_area_whatever_the_grid(corners, along_x, along_y):
    hull = shapely.MultiPoint(corners).convex_hull
    assume(hull.geom_type == "Polygon")
    grid = PixelGrid(-1, -1, int(18 / along_x) + 1, int(18 / along_y) + 1, along_x, along_y)
    shares = coverage([hull], grid).sum(dtype=np.float64)
    assert abs(shares * along_x * along_y - hull.area) < 1e-4
