"""From a scan to a catalog entry, on real scans."""

import os
import shutil
import subprocess
import sys

import numpy as np
import openslide
import pytest
from PIL import Image

from pathserve.errors import Busy, Conflict, Corrupt, Invalid, NotFound, Unsupported
from pathserve.geometry import LevelRegion, Mpp
from pathserve.ingest import find_scans, inspect_scan, remove_slide
from pathserve.ingest.inspect import inspect_identity
from pathserve.ingest.process import Deadlines
from pathserve.ingest.staging import locked_staging
from pathserve.pyramid import Pyramid, verify_pyramid
from pathserve.pyramid.manifest import digest_of
from pathserve.slides import open_slide


def left_behind(settings):
    """Every file in the slides folder."""
    return [path for path in settings.slides.rglob("*") if path.is_file()]


def hidden(settings):
    return [path for name in (".staging", ".trash") for path in (settings.slides / name).glob("*")]


def test_the_sample_slide_is_listed_published_and_exact(ingest, catalog, settings, sample_slide):
    outcome = ingest(sample_slide, project="kidney", name="Case 1")
    slide = outcome.slide
    assert outcome.created
    assert not outcome.resumed
    assert catalog.slide(slide.id) == slide
    assert (slide.name, slide.project, slide.width, slide.height) == ("Case 1", "kidney", 2220, 2967)
    assert (slide.mpp, slide.objective_power, slide.levels, slide.tile_size) == (Mpp(0.499, 0.499), 20.0, 5, 240)
    assert slide.content_hash == digest_of(sample_slide).sha256
    pyramid = Pyramid.open(settings.slides / f"{slide.id}.zarr")
    with openslide.OpenSlide(sample_slide) as scan:
        expected = np.asarray(scan.read_region((0, 0), 0, scan.dimensions))[..., :3]
    np.testing.assert_array_equal(pyramid.read(0, LevelRegion(0, 0, 2220, 2967)), expected)
    assert pyramid.manifest.content_hash == slide.content_hash
    assert verify_pyramid(pyramid.files) == []
    assert hidden(settings) == []


def test_the_outcome_says_what_the_scan_is_and_what_was_dropped(ingest, sample_slide):
    info = ingest(sample_slide).info
    with open_slide(sample_slide) as source:
        assert info == source.info
    assert "User" in info.dropped_metadata


def test_the_same_content_is_nothing_new_under_any_name(ingest, sample_slide, tmp_path, stored):
    first = ingest(sample_slide)
    before = stored()
    copy = tmp_path / "other name.tiff"
    shutil.copy(sample_slide, copy)
    again = ingest(copy, name="Other")
    assert not again.created
    assert again.slide == first.slide
    assert stored() == before


def test_content_of_another_project_is_refused_without_naming_slide_or_project(ingest, catalog, sample_slide, stored):
    first = ingest(sample_slide, project="kidney", name="Case 1").slide
    before = stored()
    for keep_label in (False, True):
        with pytest.raises(Conflict) as caught:
            ingest(sample_slide, project="ovary", keep_label=keep_label)
        assert caught.value.code == "in_other_project"
        assert not [word for word in (first.id, "Case", "kidney") if word in caught.value.message]
    assert stored() == before
    assert catalog.slides()[0] == [first]
    assert ingest(sample_slide, project="kidney").slide == first
    assert ingest(sample_slide, project="ovary", any_project=True).slide == first  # a manifest moves it then


def test_without_a_name_a_label_is_made_up(ingest, sample_slide, tmp_path):
    secret = tmp_path / "DOE^JANE 1950.svs"
    shutil.copy(sample_slide, secret)
    slide = ingest(secret).slide
    assert "JANE" not in repr(slide)
    assert slide.name


def test_the_file_name_is_nowhere_in_the_data_folder(ingest, sample_slide, tmp_path, settings):
    secret = tmp_path / "DOE^JANE 1950.svs"
    shutil.copy(sample_slide, secret)
    ingest(secret)
    for path in settings.data.rglob("*"):
        assert "JANE" not in str(path.relative_to(settings.data))
        if path.is_file():
            assert b"JANE" not in path.read_bytes()


def test_progress_goes_through_its_phases(ingest, sample_slide):
    told = []
    ingest(sample_slide, progress=told.append)
    phases = list(dict.fromkeys(progress.phase for progress in told))
    assert phases == ["hashing", "opening", "building", "publishing", "finishing"]
    for phase in ("hashing", "building", "publishing", "finishing"):
        last = [progress for progress in told if progress.phase == phase][-1]
        assert last.done == last.total


@pytest.mark.parametrize("name", ["notes.txt", "notes.svs", "notes"])
def test_a_text_file_leaves_nothing_behind_whatever_its_name(ingest, settings, tmp_path, name):
    path = tmp_path / name
    path.write_text("This is not a slide.\n" * 100)
    with pytest.raises(Unsupported, match="no scan"):
        ingest(path)
    assert hidden(settings) == []
    assert left_behind(settings) == []


def test_a_scan_refused_while_it_is_built_leaves_nothing_behind(ingest, settings, make_tiff):
    path = make_tiff([(2000, 2000)])
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(Corrupt):
        ingest(path)
    assert hidden(settings) == []
    assert left_behind(settings) == []


def test_the_scan_is_never_changed(ingest, sample_slide, tmp_path):
    copy = tmp_path / "scan.svs"
    shutil.copy(sample_slide, copy)
    copy.chmod(0o400)
    before = copy.stat().st_mtime_ns, digest_of(copy)
    ingest(copy)
    assert (copy.stat().st_mtime_ns, digest_of(copy)) == before


def test_a_scan_that_changes_meanwhile_is_refused(ingest, settings, sample_slide, tmp_path, catalog):
    copy = tmp_path / "scan.svs"
    shutil.copy(sample_slide, copy)

    def grow(progress):
        if progress.phase == "building" and progress.done == progress.total:
            with copy.open("ab") as file:
                file.write(b"more")

    with pytest.raises(Conflict, match="changed"):
        ingest(copy, progress=grow)
    assert catalog.slides() == ([], None)
    assert hidden(settings) == []


@pytest.mark.parametrize("quality", [0, 101, -3])
def test_a_quality_that_is_none_is_refused(ingest, sample_slide, quality):
    with pytest.raises(Invalid):
        ingest(sample_slide, recompress=quality)


def test_a_name_that_breaks_the_rules_is_refused_before_any_work(ingest, settings, sample_slide):
    for bad in ({"name": "\n"}, {"project": ""}, {"name": "x" * 300}):
        with pytest.raises(Invalid):
            ingest(sample_slide, **bad)
    assert left_behind(settings) == []


def test_recompressing_takes_fewer_bytes(ingest, settings, sample_field):
    slide = ingest(sample_field, recompress=40).slide
    size = sum(p.stat().st_size for p in (settings.slides / f"{slide.id}.zarr").rglob("*") if p.is_file())
    assert size < sample_field.stat().st_size


def test_missing_files_and_odd_ones_are_refused(ingest, tmp_path):
    with pytest.raises(NotFound):
        ingest(tmp_path / "nothing.svs")
    with pytest.raises(Unsupported):
        ingest(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unsupported):
        ingest(tmp_path / "pipe")


def test_two_ingests_of_one_scan_cannot_run_at_once(ingest, settings, sample_slide):
    content_hash = digest_of(sample_slide).sha256
    with locked_staging(settings.slides, content_hash), pytest.raises(Busy):
        ingest(sample_slide)
    with locked_staging(settings.slides, "0" * 64):
        assert ingest(sample_slide).created
    assert hidden(settings) == []


def test_staging_of_other_contents_is_left_alone(ingest, settings, sample_slide):
    other = settings.slides / ".staging" / "other" / "pyramid"
    other.mkdir(parents=True)
    (other / "half").write_bytes(b"half a shard")
    ingest(sample_slide)
    assert (other / "half").read_bytes() == b"half a shard"


def test_a_slide_published_but_not_listed_is_taken_up(ingest, settings, catalog, sample_slide, monkeypatch):
    def crash(*args, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(catalog), "add_slide", crash)
        with pytest.raises(KeyboardInterrupt):
            ingest(sample_slide)
    (published,) = settings.slides.glob("*.zarr")
    before = {path: path.stat().st_ino for path in (published / "0").rglob("*") if path.is_file()}
    assert len(before) > 1
    outcome = ingest(sample_slide)
    assert outcome.created
    assert outcome.resumed
    assert settings.slides / f"{outcome.slide.id}.zarr" == published
    assert {path: path.stat().st_ino for path in before} == before
    assert outcome.slide.status == "ready"
    assert hidden(settings) == []


def test_removing_takes_the_row_and_the_pixels(ingest, settings, catalog, sample_slide):
    slide = ingest(sample_slide).slide
    remove_slide(slide.id, settings=settings, catalog=catalog)
    with pytest.raises(NotFound):
        catalog.slide(slide.id)
    assert list(settings.slides.glob("*.zarr")) == []
    assert hidden(settings) == []
    with pytest.raises(NotFound):
        remove_slide(slide.id, settings=settings, catalog=catalog)
    assert ingest(sample_slide).created


def test_inspecting_tells_what_opening_tells_and_writes_nothing(settings, sample_slide, sample_field):
    for path in (sample_slide, sample_field):
        with open_slide(path) as source:
            assert inspect_scan(path) == source.info
    assert not settings.slides.exists()


def test_a_worker_that_takes_too_long_to_open_is_stopped(sample_slide):
    with pytest.raises(Corrupt, match="too long"):
        inspect_scan(sample_slide, deadlines=Deadlines(opening=0.0))


def test_ingest_works_from_a_script_without_a_main_guard(settings, sample_slide):
    program = f"""
from pathlib import Path
from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.ingest import ingest_scan
settings = Settings(data=Path({str(settings.data)!r}))
outcome = ingest_scan(Path({str(sample_slide)!r}), settings=settings, catalog=Catalog(open_database(settings.database)),
                      progress=lambda p: None)
print(outcome[0].slide.id)
"""
    run = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, check=True)
    assert (settings.slides / f"{run.stdout.strip()}.zarr").is_dir()


def test_a_scan_whose_name_is_no_utf_8_comes_in_like_any_other(ingest, sample_slide, tmp_path):
    path = tmp_path / os.fsdecode(b"Pr\xe4parat.svs")
    shutil.copy(sample_slide, path)
    outcome = ingest(path)
    assert outcome.created
    assert inspect_scan(path) == outcome.info
    assert "Pr parat.svs" in str(inspect_identity(path, values="shown").identity.to_dict())
    again = tmp_path / os.fsdecode(b"\xff.jpg")
    Image.new("RGB", (300, 200)).save(again)
    assert ingest(again).created


def test_links_that_lead_out_of_a_scan_are_refused(ingest, tmp_path):
    (tmp_path / "secret").write_bytes(b"somebody else's")
    store = tmp_path / "scans" / "a.zarr"
    (store / "0").mkdir(parents=True)
    (store / "zarr.json").write_text("{}")
    (store / "0" / "0").symlink_to(tmp_path / "secret")
    (tmp_path / "scans" / "a.mrxs").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "scans" / "a").mkdir()
    (tmp_path / "scans" / "a" / "Data0.dat").symlink_to(tmp_path / "secret")
    scans = find_scans([tmp_path / "scans"])
    assert [scan.main.name for scan in scans] == ["a.mrxs", "a.zarr"]
    for scan in scans:
        for look in (ingest, inspect_scan, inspect_identity):
            with pytest.raises(Corrupt, match="A link in this scan's folder leads out of it"):
                look(scan)


def test_a_scan_may_be_reached_through_links(sample_slide, shared_data, tmp_path):
    (tmp_path / "link.svs").symlink_to(sample_slide)
    series = shared_data / "slides" / "dicom-wsm" / "fluorcell-4"
    for path in series.iterdir():
        (tmp_path / path.name).symlink_to(path)
    svs, dicom = sorted(find_scans([tmp_path]), key=lambda scan: len(scan.files))
    assert inspect_scan(svs).vendor == "aperio"
    assert len(dicom.files) > 1
    assert inspect_scan(dicom).vendor == "dicom"
