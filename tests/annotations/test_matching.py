"""What of some rows a question finds, asked by several threads at once."""

from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
import shapely

from pathserve.annotations.matching import match_columns
from pathserve.annotations.query import AnnotationQuery
from pathserve.labels import Columns, NewAnnotation

POLYGON = ((0.0, 0.0), (20.0, 0.0), (20.0, 20.0), (0.0, 20.0))


def test_no_two_threads_ask_the_same_prepared_area(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = Columns.of([NewAnnotation({"type": "Point", "coordinates": [x, 5]}) for x in (1, 19, 21)])
    query, rows, together = AnnotationQuery("", polygon=POLYGON), np.arange(3), Barrier(2)
    asked, found, ask = list[Any](), list[list[int]](), shapely.intersects

    def intersects(area: Any, shapes: Any) -> Any:
        together.wait(10)
        asked.append(area)
        return ask(area, shapes)

    def work() -> None:
        found.append(match_columns(query, columns, rows, {}).tolist())

    monkeypatch.setattr(shapely, "intersects", intersects)
    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[0, 1], [0, 1]]
    one, other = asked
    assert one is not other
    assert shapely.is_prepared(one)
    assert shapely.is_prepared(other)
