"""DICOM from files to slides: the pixels of independent readers, nobody's name, and true reasons."""

import io

import numpy as np
import openslide
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.sequence import Sequence

from pathserve.errors import Corrupt, Unsupported
from pathserve.geometry import LevelRegion
from pathserve.ingest import IngestOptions, find_scans, ingest_scan
from pathserve.ingest.associated import kept_pictures
from pathserve.ingest.inspect import inspect_identity
from pathserve.pixels import Plane
from pathserve.pyramid import Pyramid, verify_pyramid


@pytest.fixture
def stored_scan(settings, ingest):
    """Ingest the one scan that a path stands for, and give what became of it."""

    def run(path, **options):
        (scan,) = find_scans([path])
        slide = ingest(scan, **options).slide
        pyramid = Pyramid.open(settings.slides / f"{slide.id}.zarr")
        assert verify_pyramid(pyramid.files) == []
        return slide, pyramid

    return run


def whole(pyramid, plane=None):
    size = pyramid.facts.levels[0]
    return pyramid.read(0, LevelRegion(0, 0, size.width, size.height), plane or Plane())


@pytest.mark.parametrize(
    ("name", "file", "lossless"),
    [
        ("cmu-1-small-region", "volume.dcm", False),
        ("cytomine-a", "level0-3840x3200.dcm", False),
        ("camelyon-jpeg.dcm", "", False),
        ("wsi2dcm-jpeg.dicom", "", False),
        ("openslide-boxes", "boxes_0.dcm", False),
        ("wsi2dcm-jpeg2000.dicom", "", True),
        ("highdicom/sm_image.dcm", "", True),
        ("highdicom/sm_image_dots.dcm", "", True),
    ],
)
def test_slides_keep_openslide_s_pixels(stored_scan, shared_data, name, file, lossless):
    path = shared_data / "slides" / "dicom-wsm" / name
    _, pyramid = stored_scan(path, lossless=lossless)
    with openslide.OpenSlide(path / file) as scan:
        expected = np.asarray(scan.read_region((0, 0), 0, scan.dimensions))[..., :3]
    np.testing.assert_array_equal(whole(pyramid), expected)


def test_grey_jpeg_tiles_of_optical_paths_are_kept(stored_scan, shared_data):
    folder = shared_data / "slides" / "dicom-wsm" / "fluorcell-4"
    slide, pyramid = stored_scan(folder / "5_0.dcm")
    assert [channel.name for channel in pyramid.facts.channels] == ["DAPI (Blue)", "FITC (green)", "Rhodamine (orange)"]
    assert (slide.width, slide.height, slide.tile_size) == (2816, 2816, 1024)
    frames = list(generate_frames(pydicom.dcmread(folder / "5_0.dcm").PixelData, number_of_frames=27))
    for channel in range(3):
        mosaic = np.zeros((3072, 3072), np.uint8)
        for tile in range(9):
            y, x = tile // 3 * 1024, tile % 3 * 1024
            mosaic[y : y + 1024, x : x + 1024] = Image.open(io.BytesIO(frames[channel * 9 + tile]))
        np.testing.assert_array_equal(whole(pyramid, Plane(c=channel))[..., 0], mosaic[:2816, :2816])


def test_a_series_is_a_volume_of_its_own_samples(stored_scan, shared_data):
    folder = shared_data / "slides/dicom-radiology/dicomdir/98892001/CT5N"
    _, pyramid = stored_scan(folder)
    slices = sorted(map(pydicom.dcmread, folder.iterdir()), key=lambda one: one.ImagePositionPatient[2])
    assert (pyramid.facts.planes, pyramid.facts.dtype) == (5, "int16")
    for z, one in enumerate(slices):
        np.testing.assert_array_equal(whole(pyramid, Plane(z=z))[..., 0], one.pixel_array)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "dicomdir/77654033/CR1"])
def test_single_pictures_keep_their_samples(stored_scan, shared_data, name):
    path = shared_data / "slides/dicom-radiology" / name
    _, pyramid = stored_scan(path)
    file = path if path.is_file() else next(path.iterdir())
    np.testing.assert_array_equal(whole(pyramid)[..., 0], pydicom.dcmread(file).pixel_array)


def test_the_directions_of_a_series_are_slides_of_their_own(settings, catalog, shared_data):
    (scan,) = find_scans([shared_data / "slides/dicom-radiology/dicomdir/98892003/MR2"])[1:2]
    outcomes = ingest_scan(scan, settings=settings, catalog=catalog, options=IngestOptions(), progress=lambda _: None)
    datasets = sorted(map(pydicom.dcmread, scan.files), key=lambda one: one.InstanceNumber)
    assert len(outcomes) == len(datasets) == 3
    for outcome, dataset in zip(outcomes, datasets, strict=True):
        pyramid = Pyramid.open(settings.slides / f"{outcome.slide.id}.zarr")
        np.testing.assert_array_equal(whole(pyramid)[..., 0], dataset.pixel_array)


def test_label_and_macro_are_kept_on_request_alone(stored_scan, settings, shared_data):
    folder = shared_data / "slides/dicom-wsm/cmu-1-small-region"
    slide, _ = stored_scan(folder)
    assert kept_pictures(settings, slide.id) == ()
    slide, _ = stored_scan(folder, keep_label=True)
    assert kept_pictures(settings, slide.id) == ("label", "macro")


def test_every_name_in_a_series_is_reported_and_none_is_kept(stored_scan, settings, shared_data, tmp_path):
    folder = shared_data / "slides/dicom-radiology/dicomdir/98892001/CT5N"
    (tmp_path / "in").mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(path)
        dataset.PatientName = f"Zwölfrüben^Adelheid{number}"
        inner, outer = Dataset(), Dataset()
        inner.add_new(0x00400006, "PN", "Krautmann^Nested")
        outer.ScheduledProtocolCodeSequence = Sequence([inner])
        dataset.RequestAttributesSequence = Sequence([outer])
        block = dataset.private_block(0x0099, "MAKER", create=True)
        block.add_new(1, "UN", b"Quastenflosser")
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.preamble = b"Preambelmann".ljust(128, b"\0")
        dataset.save_as(tmp_path / "in" / f"slice {number}.dcm")
    (scan,) = find_scans([tmp_path / "in"])
    report = inspect_identity(scan, values="shown").identity
    found = {(finding.place, finding.field): finding for finding in report.findings}
    assert found["DICOM files", "PatientName"].count == 5
    nested = "DICOM files / RequestAttributesSequence / ScheduledProtocolCodeSequence"
    assert found[nested, "ScheduledPerformingPhysicianName"].values == ("Krautmann^Nested",)
    assert any("Quastenflosser" in value for finding in report.findings for value in finding.values)
    assert found["DICOM files", "preamble"].count == 5
    stored_scan(tmp_path / "in")
    everything = b"".join(path.read_bytes() for path in settings.data.rglob("*") if path.is_file())
    for name in ("Adelheid", "Krautmann", "Quastenflosser", "Preambelmann", "slice 0"):
        assert name.encode() not in everything
        assert name.encode("utf-16-le") not in everything


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("broken/MR_truncated.dcm", Corrupt, "cut off"),
        ("broken/no_meta.dcm", Unsupported, "no scan"),
        ("broken/wsic-dicom-image-type-typo", Unsupported, "only its label"),
        ("slides/dicom-radiology/dicomdir/DICOMDIR", Unsupported, "index"),
        ("slides/dicom-radiology/dicomdir/TINY_ALPHA/PT000000", Unsupported, "no picture"),
    ],
)
def test_what_is_refused_says_the_true_reason(ingest, shared_data, name, error, reason):
    (scan,) = find_scans([shared_data / name])
    with pytest.raises(error, match=reason):
        ingest(scan)
