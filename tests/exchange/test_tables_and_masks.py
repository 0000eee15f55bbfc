"""Files of tables, masks and DICOM on their whole way into the store, out of it, and in again."""

import io
import re
from pathlib import Path

import pytest

from pathserve.annotations import AnnotationQuery, ClassSchemas
from pathserve.errors import Invalid
from pathserve.exchange import ExportOptions, begin_export, parse_told
from pathserve.formats.contract import SlideFrame
from pathserve.formats.registry import FORMATS, by_name
from pathserve.geometry import Mpp, Size
from pathserve.labels import ClassSchema, CodedTerm

DATA = Path(__file__).resolve().parents[3] / "shared/data/annotations"
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


@pytest.mark.usefixtures("shared_data")
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


@pytest.mark.usefixtures("shared_data")
def test_coded_terms_and_colours_of_new_classes_go_into_the_schema(bring, db):
    bring(DATA / "dicom-ann" / "sm_annotations.dcm", slide_frame=SLIDE)
    bring(b'{"images":[{"id":1,"file_name":"x"}],"categories":[{"id":1,"name":"Nucleus","color":[1,2,3]},'
          b'{"id":2,"name":"Gland","color":[4,5,6]}],"annotations":[{"id":1,"image_id":1,"category_id":2,"bbox":[1,2,3,4]},'
          b'{"id":2,"image_id":1,"category_id":1,"bbox":[1,2,3,4]}]}')  # fmt: skip
    schema = ClassSchemas(db).of("default")
    assert schema.get("Nucleus").code == CodedTerm("SCT", "84640000", "Nucleus")
    assert schema.get("Nucleus").color != (1, 2, 3)
    assert (schema.get("Gland").color, schema.get("Gland").code) == ((4, 5, 6), None)


def test_a_format_is_told_only_what_it_takes(bring, store, slide):
    said, coco = {"Image": "7"}, by_name("coco")
    with pytest.raises(Invalid) as told:
        bring(b"[]", form="coco", told=said)
    assert told.value.message == f"{coco.title} takes the options image, bbox, rle alone."
    form = ExportOptions(by_name("geojson"), told=said)
    with pytest.raises(Invalid) as told:
        begin_export(store, AnnotationQuery(slide.id), form, frame=SLIDE, schema=ClassSchema(), revisions={})
    assert told.value.message == "GeoJSON takes no options."


def test_every_option_of_a_format_is_described():
    said = (Path(__file__).resolve().parents[2] / "docs/reference/formats.md").read_text()
    table = said.split("| `--option` | of | says |")[1].split("\n\n")[0]
    cells = " ".join(line.split("|")[1] for line in table.splitlines() if line)
    described = set(re.findall(r"`([a-z_]+)=", cells)) | set(re.findall(r"--option ([a-z_]+)=", said))
    assert described == {name for form in FORMATS for name in form.options}


def test_what_a_format_is_told():
    assert parse_told(["image=7", "classes=A=1,B=2"]) == {"image": "7", "classes": "A=1,B=2"}
    for wrong in (["image"], ["=1"], ["a=1", "a=2"], ["a=" + "x" * 10_000], [f"{n}=" for n in range(21)]):
        with pytest.raises(Invalid):
            parse_told(wrong)
