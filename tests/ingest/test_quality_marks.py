"""Pens and folds: put on real scans on purpose, and the real scans themselves."""

import numpy as np
import pytest

from pathserve.ingest.quality.marks import MOST_BOXES, find_folds, find_ink
from pathserve.ingest.quality.tissue import find_tissue

BRAIN = ("aperio/TCGA-DU-6399-01A-01-TS1.svs", 2, 2), 7.86
SKIN = ("generic-tiff/CMU-0-small.tiff", 1, 1), 6.39
EPIDERMIS = ("aperio/CMU-1-Small-Region.svs", 0, 16), 7.98
LYMPH_NODE = ("dicom-wsm/camelyon-jpeg.dcm", 0, 1), 28.97
MARROW = ("dicom-wsm/wsi2dcm-jpeg.dicom", 0, 1), 16.78


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("colour", ["green", "blue", "red", "black"])
def test_a_stroke_of_a_pen_is_found_by_its_colour(truth, low_power, colour, seed) -> None:
    name, mpp = BRAIN
    picture, stroke = truth.pen_stroke(low_power(*name), colour, seed, width=60)
    picture = truth.compressed(picture)
    found = find_ink(picture, find_tissue(picture), mpp)
    assert list(found) == [colour]
    assert truth.overlap(found[colour].mask, stroke) > 0.6
    x0, y0, x1, y1 = found[colour].boxes[0]
    assert (stroke[y0:y1, x0:x1]).sum() > 0.6 * stroke.sum()


@pytest.mark.parametrize("scan", [BRAIN, SKIN, EPIDERMIS, LYMPH_NODE, MARROW], ids=lambda scan: scan[0][0])
@pytest.mark.parametrize("known", [True, False])
def test_no_stain_of_a_real_scan_is_taken_for_ink(low_power, scan, known) -> None:
    name, mpp = scan
    picture = low_power(*name)
    assert find_ink(picture, find_tissue(picture), mpp if known else None) == {}


def test_the_real_fold_is_found_and_nothing_else(low_power) -> None:
    name, mpp = SKIN
    picture = low_power(*name)
    (box,) = find_folds(picture, find_tissue(picture), mpp).boxes
    x0, y0, x1, y1 = box
    assert 275 <= x0 < x1 <= 327  # read off the scan by eye: the dark red wedge in the upper right piece
    assert 33 <= y0 < y1 <= 52


@pytest.mark.parametrize("scan", [BRAIN, EPIDERMIS, MARROW, LYMPH_NODE], ids=lambda scan: scan[0][0])
def test_dense_tissue_is_no_fold(low_power, scan) -> None:
    name, mpp = scan
    picture = low_power(*name)
    assert find_folds(picture, find_tissue(picture), mpp).boxes == ()


def test_most_folds_are_found_and_what_is_found_is_one(truth, low_power) -> None:
    name, mpp = BRAIN
    picture = low_power(*name)
    tissue = find_tissue(picture).mask
    hits = 0
    for seed in range(10):
        folded, band = truth.fold(picture, tissue, mpp, seed)
        folded = truth.compressed(folded)
        found = find_folds(folded, find_tissue(folded), mpp)
        hits += bool((found.mask & band).any())
        assert all(band[y0:y1, x0:x1].any() for x0, y0, x1, y1 in found.boxes)
    assert hits >= 6


@pytest.mark.parametrize("mpp", [None, 0.5, 30.0])
def test_folds_are_looked_for_at_low_power_only(truth, low_power, mpp) -> None:
    picture = low_power(*SKIN[0])
    assert find_folds(picture, find_tissue(picture), mpp).boxes == ()


def test_boxes_are_the_largest_few(truth) -> None:
    picture = truth.glass(600, 1000)
    picture[20:580, 620:980] = (225, 150, 190)
    for n in range(12):
        y, x = divmod(n, 4)
        picture[y * 200 + 20 : y * 200 + 80 + 5 * n, x * 150 + 20 : x * 150 + 80] = (20, 140, 60)
    found = find_ink(picture, find_tissue(picture), None)["green"]
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in found.boxes]
    assert len(areas) == MOST_BOXES
    assert areas == sorted(areas, reverse=True)
    assert np.mean(found.mask) > 0.05  # all twelve, not only those that have a box
