"""Real files of all tools in one layer, out in every format that is written, and into the same layer again."""

import io

import pytest

from pathserve.annotations import AnnotationQuery, AnnotationStore, ClassSchemas
from pathserve.annotations.revisions import revision_log
from pathserve.catalog import Catalog, make_slide_id
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.exchange import ExportOptions, ImportOptions, begin_export, import_file
from pathserve.formats.contract import SlideFrame
from pathserve.formats.registry import FORMATS, by_name
from pathserve.geometry import Mpp, Size
from pathserve.pixels import Level, SlideInfo

SIZE = Size(100_000, 180_000)
FRAME = SlideFrame(SIZE, Mpp(0.25, 0.25), (1000.0, 500.0))
INFO = SlideInfo("mirax", (Level(SIZE, 1.0),), Mpp(0.25, 0.25), True, 40.0, "jpeg", bounds=(1000, 500))

FILES = (
    "asap/asap-polygon.xml",
    "asap/asap-pointset.xml",
    "aperio/CMU-1-JP2K-33005.xml",
    "halo/halo_holes.annotations",
    "camelyon16-ncrf/Tumor_042.json",
    "dlup/dlup_xml_example.xml",
    "dsa/sample.anot",
    "dsa/sample.geojson",
    "dsa/sample_annotation.json",
    "ome-xml/ROI.ome.xml",
    "ome-xml/transformations-upgrade.ome.xml",
    "w3c/annotations.w3c.json",
    "histomicstk/sample_contours_df.tsv",
    "spatialdata/polygon.json",
    "histolytics/cancer_tissue.parquet",
    "cellseg-gsontools/gland_areas.feather",
    "dicom-ann/sm_annotations.dcm",
    "dicom-seg/seg_image_sm_dots.dcm",
    "qupath/rois.geojson",
    "qupath/test-anno-data.geojson",
    "qupath/TD_01_verysmall_mIF.geojson",
    "qupath/CD163_CD31_CDH1.geojson",
    "qupath/polygon-geometry-only.geojson",
    "qupath/wsidicom/qupath-ellipse.json",
    "qupath/wsidicom/qupath-multipoint.json",
    "qupath/wsidicom/qupath-point.json",
)
REPAIRED = 8
"""Outlines that the import of these repairs, at least."""

WITHOUT_IDS = {"halo": {}, "ndpa": {"offset": "1500000,-2500000"}, "dlup": {}, "camelyon": {}, "histomicstk": {}}
"""Formats of other tools that have no place for ids: what comes back is new, and what was left out is named."""

WHOLE_PIXELS = ("halo", "histomicstk")

PIXELS = "dicom-seg"
"""Holds pixels, no outlines: what comes back is traced anew."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory, shared_data):
    """A store with all these files in one layer; gives it, its database and the slide."""
    folder = tmp_path_factory.mktemp("filled")
    db = open_database(Settings(data=folder / "data").database)
    slide = Catalog(db).add_slide(
        slide_id=make_slide_id(), project="default", name=None, info=INFO, levels=1, tile_size=256, content_hash="c"
    )
    store = AnnotationStore(db, spool=folder)
    repaired = 0
    for name in FILES:
        said = ImportOptions(layer="imported", author="ana")
        report = import_file(store, slide.id, shared_data / "annotations" / name, said, frame=FRAME)
        assert (report.created, report.refused.count) == (report.read, 0)
        repaired += report.repaired.count
    assert repaired >= REPAIRED
    yield store, db, slide.id
    db.close()


def out_and_in(filled, folder, form, on_conflict="report"):
    """Export what the files brought, and import it again; gives both reports."""
    store, db, slide = filled
    told = WITHOUT_IDS.get(form, {})
    export = begin_export(
        store,
        AnnotationQuery(slide, as_of=len(FILES)),
        ExportOptions(by_name(form), told=told),
        frame=FRAME,
        schema=ClassSchemas(db).of("default"),
        revisions=revision_log(db, slide),
    )
    out = io.BytesIO()
    written = export.write(out)
    path = folder / "given"
    path.write_bytes(out.getvalue())
    said = ImportOptions(layer="imported", author="ana", on_conflict=on_conflict, told=told)
    return written, import_file(store, slide, path, said, frame=FRAME)


WITH_IDS = [f.name for f in FORMATS if f.write is not None and f.name not in (*WITHOUT_IDS, PIXELS)]


@pytest.mark.parametrize("form", WITH_IDS)
def test_what_was_exported_is_there_already_or_named_as_lost(filled, tmp_path, form):
    written, again = out_and_in(filled, tmp_path, form)
    losses = {code: count for code, _, count in written.losses.items()}
    changed = sum(losses.get(code, 0) for code in ("height_dropped", "geometry_members", "rounded"))
    assert again.form.name == form
    assert again.read == written.written > 200
    assert again.created == again.replaced == again.conflicts.count == again.repaired.count == 0
    assert again.known + again.refused.count == again.read
    assert again.refused.count <= changed
    assert {issue.message for issue in again.refused.named} <= {
        "An annotation of this id is there with another geometry."
    }


@pytest.mark.parametrize("form", ["geojson", "qupath", "asap", "imagescope", "omexml", "dsa", "w3c", "cytomine"])
def test_our_marks_keep_all_of_it(filled, tmp_path, form):
    store, _, slide = filled
    written, again = out_and_in(filled, tmp_path, form, on_conflict="replace")
    lost = {"drawn_dropped", "geometry_members", "height_dropped", "rounded", "color_dropped", "properties_dropped"}
    assert not lost & {code for code, _, _ in written.losses.items()}
    assert (again.known, again.replaced, again.refused.count) == (again.read, 0, 0)
    assert again.revision == store.revision(slide)


@pytest.mark.parametrize("form", WITHOUT_IDS)
def test_formats_without_ids_name_what_they_lose(filled, tmp_path, form):
    written, again = out_and_in(filled, tmp_path, form)
    assert "id_dropped" in {code for code, _, _ in written.losses.items()}
    assert again.form.name == form
    assert again.replaced == 0
    # Whole pixels make one traced outline cross itself everywhere.
    assert {issue.code for issue in again.refused.named} == ({"too_large"} if form in WHOLE_PIXELS else set())
