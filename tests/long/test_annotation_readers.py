"""Readers of other people open the annotation files that we write: dlup ASAP's and its own, pyhaloxml HALO's."""

import io
import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import shapely.geometry

from pathserve.formats import registry
from pathserve.formats.contract import WriteContext
from pathserve.labels import AnnotationClass, ClassSchema, Columns, NewAnnotation

PEERS = ("dlup==0.9.4", "pyhaloxml==3.1.2")

READERS = """
import json, sys, warnings
warnings.simplefilter("ignore")
from dlup.annotations import SlideAnnotations
import pyhaloxml
folder = sys.argv[1]
found = {
    "asap": SlideAnnotations.from_asap_xml(folder + "/asap").as_geojson(),
    "dlup": SlideAnnotations.from_dlup_xml(folder + "/dlup").as_geojson(),
}
with pyhaloxml.HaloXMLFile(folder + "/halo") as halo:
    halo.matchnegative()
    found["halo"] = {
        layer.name: [[list(layer.linecolor.rgb), json.loads(json.dumps(r.as_geojson()))] for r in layer.regions]
        for layer in halo.layers
    }
print(json.dumps(found, default=str))
"""

RING = [[0.0, 0.0], [100.0, 0.0], [100.0, 80.0], [0.0, 100.0], [0.0, 0.0]]
HOLE = [[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 10.0]]
ANNOTATIONS = [
    NewAnnotation(
        {"type": "Polygon", "coordinates": [RING, HOLE]}, uuid.UUID(int=1), "Tumor", None, {"name": "a & <b>"}
    ),
    NewAnnotation({"type": "Point", "coordinates": [5.0, 7.0]}, uuid.UUID(int=2), "Cell"),
]


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_dlup_and_pyhaloxml_read_what_we_write(tmp_path: Path, tell: Callable[[str], None]) -> None:
    python = tmp_path / "peers" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "peers"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    schema = ClassSchema((AnnotationClass("Tumor", (200, 10, 20), 1), AnnotationClass("Cell", (1, 2, 3), 2)))
    for name in ("asap", "dlup", "halo"):
        write = registry.by_name(name).write
        assert write is not None
        text = io.BytesIO()
        write(iter([Columns.of(ANNOTATIONS)]), text, WriteContext(schema=schema))
        (tmp_path / name).write_bytes(text.getvalue())
    done = subprocess.run([python, "-c", READERS, tmp_path], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    tell(", ".join(PEERS))

    with_hole = shapely.geometry.Polygon(RING, [HOLE])
    for name in ("asap", "dlup"):
        features = found[name]["features"]
        areas = {f["properties"]["classification"]["name"]: shapely.geometry.shape(f["geometry"]) for f in features}
        colors = {
            f["properties"]["classification"]["name"]: f["properties"]["classification"]["color"] for f in features
        }
        assert areas["Cell"].equals(shapely.geometry.Point(5, 7))
        assert colors["Tumor"] == [200, 10, 20]
        if name == "dlup":
            assert areas["Tumor"].equals(with_hole)
        else:  # ASAP has no holes: they are outlines of a group of their own.
            assert areas["Tumor"].equals(shapely.geometry.Polygon(RING))
            assert areas["Tumor holes"].equals(shapely.geometry.Polygon(HOLE))
    (color, area) = found["halo"]["Tumor"][0]
    assert color == [200, 10, 20]
    assert shapely.geometry.shape(area).equals(with_hole)
    assert found["halo"]["Cell"][0][1]["coordinates"] == [5, 7]
