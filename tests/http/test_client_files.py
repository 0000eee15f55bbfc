"""The Python client's files of annotations, sent to a real server and fetched from it."""

from uuid import uuid4

import orjson
import pytest

from pathserve.client import Client
from pathserve.config import Settings
from pathserve.errors import Invalid
from pathserve.server.services import Services

RING = [[700, 700], [740, 700], [740, 740], [700, 740], [700, 700]]
CELL = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [RING]}, "properties": {"name": "a"}}


@pytest.fixture
def slide(serve, add_slide):
    served = serve()
    services = Services.open(Settings(data=served.data))
    slide_id = add_slide(services)
    services.close()
    with Client(served.address, token=served.tokens["annotator"]) as client:
        yield client.slide(slide_id)


def test_files_of_annotations_go_both_ways(slide, tmp_path):
    given, back, told = tmp_path / "given.geojsonl", tmp_path / "back.geojson", []
    given.write_bytes(b"".join(b"\x1e" + orjson.dumps(CELL | {"id": str(uuid4())}) + b"\n" for _ in range(1500)))
    report = slide.import_annotations(given, layer="files", progress=lambda *at: told.append(at), origin="slide")
    assert (report["format"], report["created"], report["assumed"]) == ("geojsonl", 1500, ["format", "unit"])
    assert told
    slide.export_annotations(
        str(back), format="qupath", layers=["files"], frame={"unit": "px", "affine": (1, 0, 5, 0, 1, 0)}
    )
    features = orjson.loads(back.read_bytes())["features"]
    assert len(features) == 1500
    assert features[0]["geometry"]["coordinates"][0][0] == [695, 700]
    with pytest.raises(Invalid) as refused:
        slide.import_annotations(str(given), format="qupath", on_conflict="report", affine=(1, 0, 1, 0, 1, 0))
    assert refused.value.code == "all_refused"
    with pytest.raises(Invalid):
        slide.export_annotations(back, format="nothing")
    assert orjson.loads(back.read_bytes())["features"] == features
    assert sorted(path.name for path in tmp_path.glob("*.part")) == []
