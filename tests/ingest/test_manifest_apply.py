"""Which line of a manifest is of which scan, and what it does to the catalog."""

import shutil

import pytest

from pathserve.annotations import AnnotationStore
from pathserve.catalog import Catalog, Kind, Pseudonyms
from pathserve.errors import Conflict
from pathserve.ingest import ingest_scan
from pathserve.ingest.find import find_scans
from pathserve.ingest.manifest_apply import apply_row, match_rows
from pathserve.ingest.manifest_csv import parse_manifest
from pathserve.labels import NewAnnotation


@pytest.fixture
def tree(tmp_path):
    for name in ("a.svs", "deep/b.svs", "deep/twice.svs", "other/twice.svs", "set/s.mrxs", "set/s/Slidedat.ini"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.fixture
def matched(tree):
    """Match files of a manifest; gives the scan of each line, and what is wrong, by line."""

    def match(*files):
        lines = "\n".join(["file,name", *(f'"{file}",n{number}' for number, file in enumerate(files))])
        rows = parse_manifest(lines.encode()).rows
        matches = match_rows(rows, find_scans([tree]), [tree])
        found = {row.line: str(main.relative_to(tree)) for main, row in matches.rows.items()}
        return found, {issue.line: issue.message for issue in matches.issues}, matches.unnamed

    return match


def test_lines_are_found_by_path_and_by_name(matched, tree):
    found, issues, unnamed = matched(
        "a.svs", "deep/b.svs", "deep\\twice.svs", str(tree / "other" / "twice.svs"), "s.mrxs"
    )
    assert found == {2: "a.svs", 3: "deep/b.svs", 4: "deep/twice.svs", 5: "other/twice.svs", 6: "set/s.mrxs"}
    assert (issues, unnamed) == ({}, ())


def test_a_name_alone_is_found_in_any_folder_when_it_is_the_only_one(matched):
    found, issues, unnamed = matched("b.svs", "twice.svs", "nothing.svs", "deep/b.svs", "deep/../a.svs")
    assert found == {2: "deep/b.svs", 6: "a.svs"}
    assert issues == {
        3: "Line 3: several scans have this name; give the path.",
        4: "Line 4: there is no such scan.",
        5: "Line 5: line 2 is of the same scan.",
    }
    assert [scan.main.name for scan in unnamed] == ["twice.svs", "twice.svs", "s.mrxs"]


def test_a_folder_that_holds_one_scan_alone_stands_for_it(matched, tree, shared_data):
    shutil.copytree(shared_data / "slides/dicom-radiology/dicomdir/98892001/CT5N", tree / "series")
    found, issues, _ = matched("series", "other")
    assert found[2].startswith("series/")
    assert issues == {3: "Line 3: there is no such scan."}


def test_a_line_changes_what_is_said_and_keeps_originals_apart(db, settings, sample_field):
    pseudonyms = Pseudonyms(db, settings.pseudonyms)
    catalog = Catalog(db, pseudonyms)
    outcomes = ingest_scan(sample_field, settings=settings, catalog=catalog, progress=lambda p: None)
    table = (
        "file,name,case,patient,stain,project,original_name,original_case,original_patient\n"
        "x.jpg,Nest,C-1,P-1,HE,ovary,Block 7,2024-77,Jane Doe\n"
    )
    (row,) = parse_manifest(table.encode()).rows
    for _ in range(2):  # the same again changes nothing
        (slide,) = apply_row(row, [outcomes[0].slide], catalog=catalog, pseudonyms=pseudonyms)
        assert (slide.name, slide.case, slide.patient, slide.stain, slide.project) == (
            "Nest",
            "C-1",
            "P-1",
            "HE",
            "ovary",
        )
        kept = {original.key.kind: (original.text, [*original.slides]) for original in pseudonyms.find()[0]}
        assert kept == {
            Kind.SLIDE: ("Block 7", [slide.id]),
            Kind.CASE: ("2024-77", [slide.id]),
            Kind.PATIENT: ("Jane Doe", [slide.id]),
        }
    for path in settings.data.glob("pathserve.db*"):
        assert b"Jane Doe" not in path.read_bytes()


def test_a_slide_with_annotations_does_not_change_its_project(db, settings, sample_field):
    catalog, pseudonyms = Catalog(db), Pseudonyms(db, settings.pseudonyms)
    (made,) = ingest_scan(sample_field, settings=settings, catalog=catalog, progress=lambda p: None)
    point = NewAnnotation({"type": "Point", "coordinates": [1, 1]})
    AnnotationStore(db).add(made.slide.id, [point], layer="l", author="a")
    (row,) = parse_manifest(b"file,project\nx.jpg,other\n").rows
    with pytest.raises(Conflict):
        apply_row(row, [made.slide], catalog=catalog, pseudonyms=pseudonyms)
