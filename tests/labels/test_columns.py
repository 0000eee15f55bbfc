"""Areas of many annotations against shapely's."""

from uuid import UUID

import numpy as np
import pytest
import shapely

from pathserve.labels import Columns, NewAnnotation
from pathserve.labels.columns import areas

FAR = 100_000.25


def square(x: float, y: float, side: float) -> list[list[float]]:
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]


GEOMETRIES = [
    {"type": "Polygon", "coordinates": [square(FAR, FAR, 0.5)]},
    {"type": "Polygon", "coordinates": [square(0, 0, 10)[::-1], square(2, 2, 3), square(6, 6, 2)[::-1]]},
    {"type": "MultiPolygon", "coordinates": [[square(0, 0, 4)], [square(9, 9, 5), square(10, 10, 2)]]},
    {"type": "Point", "coordinates": [3, 4]},
    {"type": "MultiPoint", "coordinates": square(0, 0, 4)},
    {"type": "LineString", "coordinates": square(0, 0, 4)},
    {"type": "MultiLineString", "coordinates": [square(0, 0, 4), [[1, 1], [2, 9]]]},
    {
        "type": "GeometryCollection",
        "geometries": [{"type": "Polygon", "coordinates": [square(1, 1, 3)]}, {"type": "Point", "coordinates": [0, 0]}],
    },
]


def test_areas_are_those_of_shapely():
    columns = Columns.of([NewAnnotation(geometry) for geometry in GEOMETRIES])
    expected = [shapely.geometry.shape(geometry).area for geometry in GEOMETRIES]
    assert areas(columns).tolist() == pytest.approx(expected, rel=1e-6)


def test_an_area_is_the_same_number_wherever_it_is_kept():
    columns = Columns.of([NewAnnotation({"type": "Polygon", "coordinates": [square(1 / 3, 0.1, 12.345)]})])
    assert areas(columns)[0] == np.float32(areas(columns)[0])


def test_no_rows_have_no_areas():
    assert areas(Columns.of([])).shape == (0,)


def test_rows_without_an_id_are_told_from_others():
    columns = Columns.of(
        [NewAnnotation(GEOMETRIES[3], id=identity) for identity in (None, UUID(int=1), UUID(int=1 << 127))]
    )
    assert columns.identified().tolist() == [False, True, True]
