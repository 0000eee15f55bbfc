"""Files of tables, masks and DICOM on their whole way into the store, out of it, and in again."""

import io
from pathlib import Path

import pytest

from pathserve.annotations import AnnotationQuery
from pathserve.errors import Invalid
from pathserve.exchange import ExportOptions, begin_export, parse_told
from pathserve.formats.contract import SlideFrame
from pathserve.formats.registry import by_name
from pathserve.geometry import Mpp, Size
from pathserve.labels import ClassSchema

DATA = Path("/work/shared/data/annotations")
SLIDE = SlideFrame(Size(70_000, 70_000), Mpp(0.499, 0.499))

FILES = [
    # file, what it is told, name of the format, annotations
    ("histolytics/cancer_nuclei.parquet", {}, "geoparquet", 440),
    ("histolytics/cancer_tissue.parquet", {}, "geoparquet", 8),
    ("histolytics/hgsc_nest.parquet", {}, "geoparquet", 1295),
    ("histolytics/hgsc_tissue_wsi.parquet", {}, "geoparquet", 3712),
    ("cellseg-gsontools/gland_areas.feather", {}, "geofeather", 4),
    ("cellseg-gsontools/gland_cells.feather", {}, "geofeather", 1359),
    ("tiatoolbox/hgsc_nest.db", {}, "tiatoolbox", 1295),
    ("coco/MIDOG++_human.json", {"image": "1", "bbox": "xyxy"}, "coco", 4),
    ("dicom-ann/sm_annotations.dcm", {}, "dicom-ann", 2),
    ("dicom-seg/seg_image_sm_dots.dcm", {}, "dicom-seg", 50),
    ("histolytics/hgsc_nest_inst_mask.npz", {"kind": "instance"}, "mask", 1294),
]


@pytest.mark.skipif(not DATA.exists(), reason="the shared test data is not on this machine")
@pytest.mark.parametrize(("name", "told", "form", "count"), FILES, ids=lambda value: str(value)[:40])
def test_every_real_file_comes_in_and_again_out_of_our_own_export(bring, store, slide, name, told, form, count):
    report = bring(DATA / name, slide_frame=SLIDE, told=told)
    assert report.form.name == form
    assert (report.read, report.created, report.refused.count) == (count, count, 0)
    if by_name(form).write is None or form == "dicom-seg":
        return
    query = AnnotationQuery(slide.id)
    export = begin_export(store, query, ExportOptions(by_name(form)), frame=SLIDE, schema=ClassSchema(), revisions={})
    out = io.BytesIO()
    assert export.write(out).written == count
    again = bring(out.getvalue(), slide_frame=SLIDE)
    assert (again.form.name, again.read, again.known, again.created, again.conflicts.count) == (
        form,
        count,
        count,
        0,
        0,
    )


def test_what_a_format_is_told():
    assert parse_told(["image=7", "classes=A=1,B=2"]) == {"image": "7", "classes": "A=1,B=2"}
    for wrong in (["image"], ["=1"], ["a=1", "a=2"], ["a=" + "x" * 10_000], [f"{n}=" for n in range(21)]):
        with pytest.raises(Invalid):
            parse_told(wrong)
