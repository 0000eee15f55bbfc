"""Where there is tissue: real stains laid on glass, so that the truth is known, and whole real scans."""

import numpy as np
import pytest
from PIL import Image

from pathserve.ingest.quality.tissue import find_tissue, is_fluorescent

SIDE = 400


@pytest.fixture(scope="module")
def stains(truth, shared_data):
    """Fields without any gap, at low power."""

    def field(name, box, reduction):
        with Image.open(shared_data / "slides" / name) as image:
            return truth.tiled(np.asarray(image.convert("RGB").crop(box).reduce(reduction)), SIDE, SIDE)

    return {
        "haematoxylin and eosin": field("plain/hgsc_nest.jpg", (300, 300, 1300, 1100), 8),
        "eosin": field("plain/kather1.tif", (0, 0, 224, 224), 4),
        "DAB": field("plain/ihc.png", (0, 0, 200, 180), 4),
    }


@pytest.mark.parametrize("stain", ["haematoxylin and eosin", "eosin", "DAB"])
@pytest.mark.parametrize("colour", [(243, 243, 243), (227, 223, 229), (227, 229, 224)], ids=str)
@pytest.mark.parametrize("strength", [1.0, 0.5, 0.25])
def test_tissue_on_glass_is_found_however_pale(truth, stains, stain, colour, strength) -> None:
    where = truth.blob(SIDE, SIDE, 0.3, seed=1)
    picture = truth.compressed(truth.on_glass(truth.glass(SIDE, SIDE, colour), stains[stain], where, strength))
    assert truth.overlap(find_tissue(picture).mask, where) > 0.85


@pytest.mark.parametrize("stain", ["haematoxylin and eosin", "eosin", "DAB"])
def test_a_field_without_glass_is_all_tissue(stains, stain) -> None:
    assert find_tissue(stains[stain]).share > 0.95


@pytest.mark.parametrize("colour", [(243, 243, 243), (227, 223, 229), (255, 255, 255)], ids=str)
def test_bare_glass_has_none(truth, colour) -> None:
    assert find_tissue(truth.compressed(truth.glass(SIDE, SIDE, colour))).share == 0


def test_padding_is_no_tissue_and_no_glass(truth, stains) -> None:
    where = truth.blob(SIDE, SIDE, 0.3, seed=2)
    where[:, :70] = False
    picture = truth.on_glass(truth.glass(SIDE, SIDE), stains["eosin"], where)
    picture[:, :60], picture[:, 390:] = 0, 255
    found = find_tissue(picture)
    assert np.mean(found.fill) == pytest.approx(60 / SIDE, abs=0.01)
    where[:, 390:] = False
    assert truth.overlap(found.mask, where) > 0.85
    assert found.share == pytest.approx(where.sum() / (SIDE * (SIDE - 60)), abs=0.03)


def test_the_edge_of_a_cover_slip_is_no_tissue(truth) -> None:
    picture = truth.glass(SIDE, SIDE).astype(np.float64)
    picture[100:106] *= 0.6
    picture[:, 200:203] *= 0.5
    assert find_tissue(np.rint(picture).astype(np.uint8)).share == 0


def test_uneven_light_is_no_tissue(truth) -> None:
    picture = truth.glass(SIDE, SIDE) * np.linspace(0.8, 1.0, SIDE)[:, None, None]
    assert find_tissue(np.rint(picture).astype(np.uint8)).share < 0.001


def test_in_fluorescence_tissue_is_what_shines(truth) -> None:
    where = truth.blob(SIDE, SIDE, 0.2, seed=3)
    noise = np.random.default_rng(0).poisson(4, (SIDE, SIDE)) + np.where(where, 60, 0)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[..., 2] = np.clip(noise, 0, 255)
    found = find_tissue(picture)
    assert found.fluorescent
    assert truth.overlap(found.mask, where) > 0.85


def test_a_grey_scan_is_judged_by_its_shade(truth) -> None:
    where = truth.blob(SIDE, SIDE, 0.3, seed=4)
    grey = np.where(where, 120, 240).astype(np.uint8)
    assert truth.overlap(find_tissue(np.repeat(grey[..., None], 3, axis=2)).mask, where) > 0.9


# The places were read off the scans by eye: corners of rectangles, (x0, y0, x1, y1) as shares of width and height.
PLACES = [
    ("aperio/TCGA-DU-6399-01A-01-TS1.svs", 2, [(0.15, 0.45, 0.22, 0.6)], [(0.35, 0.0, 0.5, 1.0), (0.0, 0.85, 1, 1)]),
    ("generic-tiff/CMU-0-small.tiff", 1, [(0.1, 0.5, 0.2, 0.75)], [(0.25, 0.0, 0.5, 0.35), (0.7, 0.7, 1.0, 1.0)]),
    ("dicom-wsm/camelyon-jpeg.dcm", 0, [(0.12, 0.25, 0.17, 0.7)], [(0.0, 0.92, 1.0, 1.0)]),
]


@pytest.mark.parametrize(("name", "level", "tissue", "glass"), PLACES, ids=lambda value: str(value)[:20])
def test_of_whole_scans_tissue_and_glass_are_told_apart(low_power, name, level, tissue, glass) -> None:
    found = find_tissue(low_power(name, level))

    def share(box):
        height, width = found.mask.shape
        x0, y0, x1, y1 = (round(edge * side) for edge, side in zip(box, (width, height, width, height), strict=True))
        return found.mask[y0:y1, x0:x1].mean()

    assert all(share(box) > 0.9 for box in tissue)
    assert all(share(box) < 0.01 for box in glass)


def test_a_real_scan_of_fluorescence_is_told_from_stains(low_power) -> None:
    assert is_fluorescent(low_power("hamamatsu/test3-DAPI-2-(387).ndpi", 3))
    assert not is_fluorescent(low_power("dicom-wsm/wsi2dcm-jpeg.dicom"))
