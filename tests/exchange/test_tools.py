"""Other tools' files through the whole bridge: into the store, once more, out in every format and in again."""

import io
from dataclasses import replace

import pytest
import shapely.geometry

from pathserve.annotations import AnnotationQuery, ClassSchemas
from pathserve.annotations.revisions import revision_log
from pathserve.exchange import ExportOptions, begin_export
from pathserve.formats.contract import SlideFrame
from pathserve.formats.registry import by_name
from pathserve.geometry import Mpp, Size

FRAME = SlideFrame(Size(100_000, 180_000), Mpp(0.25, 0.25))
FILES = {
    "asap/asap-polygon.xml": 1,
    "asap/asap-pointset.xml": 1,
    "aperio/CMU-1-JP2K-33005.xml": 4,
    "halo/halo_holes.annotations": 4,
    "camelyon16-ncrf/Tumor_001.json": 2,
    "camelyon16-ncrf/Tumor_009.json": 6,
    "camelyon16-ncrf/Tumor_042.json": 1,
    "dlup/dlup_xml_example.xml": 7,
    "dsa/sample.anot": 2,
    "dsa/sample_annotation.json": 2,
    "ome-xml/ROI.ome.xml": 7,
    "ome-xml/transformations-upgrade.ome.xml": 13,
    "w3c/annotations.w3c.json": 3,
    "histomicstk/sample_contours_df.tsv": 46,
    "spatialdata/polygon.json": 2,
    "tiatoolbox/sample_patch_extraction.json": 1860,
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_tools_are_imported_once(bring, store, slide, shared_data, name):
    path = shared_data / "annotations" / name
    first = bring(path, slide_frame=FRAME)
    assert (first.read, first.created, first.refused.count) == (FILES[name], FILES[name], 0)
    again = bring(path, slide_frame=FRAME)
    assert (again.created, again.replaced) == (0, 0)
    assert again.known == first.created
    assert store.revision(slide.id) == first.revision


@pytest.mark.parametrize("form", ["asap", "imagescope", "omexml", "dsa", "w3c", "wkt"])
def test_what_was_exported_is_nothing_new(bring, store, slide, db, shared_data, form):
    for name in ("halo/halo_holes.annotations", "dsa/sample.anot", "w3c/annotations.w3c.json", "ome-xml/ROI.ome.xml"):
        bring(shared_data / "annotations" / name, slide_frame=FRAME)
    revision = store.revision(slide.id)
    export = begin_export(
        store,
        AnnotationQuery(slide.id),
        ExportOptions(by_name(form)),
        frame=FRAME,
        schema=ClassSchemas(db).of("default"),
        revisions=revision_log(db, slide.id),
    )
    out = io.BytesIO()
    export.write(out)
    before = {a.id: a for a in store.each(AnnotationQuery(slide.id))}
    report = bring(out.getvalue(), slide_frame=FRAME, on_conflict="replace")
    after = {a.id: a for a in store.each(AnnotationQuery(slide.id))}
    assert report.created == 0
    assert before.keys() == after.keys()
    for identity, annotation in before.items():
        ours, theirs = annotation, after[identity]
        assert (theirs.class_name, theirs.properties) == (ours.class_name, ours.properties)
        one, other = (shapely.geometry.shape(a.geometry) for a in (ours, theirs))
        assert other.equals_exact(one, 1e-9)
    if form != "dsa":  # angles of ellipses go through radians there
        assert (report.replaced, store.revision(slide.id)) == (0, revision)


def test_a_frame_is_stated_for_what_counts_from_elsewhere(bring, store, slide):
    given = b'{"collection":[{"id":1,"image":2,"location":"POINT (10 20)"}]}'
    report = bring(given, slide_frame=replace(FRAME, size=Size(100, 1000)))
    assert report.created == 1
    (found,) = store.each(AnnotationQuery(slide.id))
    assert found.geometry["coordinates"] == [10.0, 980.0]
