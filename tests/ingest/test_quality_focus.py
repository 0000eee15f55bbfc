"""Focus: real tiles put out of focus by a known amount."""

import numpy as np
import pytest
from openslide import OpenSlide
from PIL import Image

from pathserve.ingest.quality.focus import MOST_BLUR, blur_of, focus_limit

SIGMAS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)


def ranks(values):
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return ((ends - counts + ends - 1) / 2)[places]


def spearman(one, other):
    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


@pytest.fixture(scope="module")
def tiles(shared_data):
    """Tiles of 256 px in tissue, by stain."""

    def cut(name, corners):
        with Image.open(shared_data / "slides" / name) as image:
            pixels = np.asarray(image.convert("RGB"))
        return [pixels[y : y + 256, x : x + 256] for x, y in corners]

    def scanned(name, corners):
        with OpenSlide(shared_data / "slides" / name) as scan:
            return [np.asarray(scan.read_region(at, 0, (256, 256)).convert("RGB")) for at in corners]

    return {
        "skin, 20x": scanned("aperio/CMU-1-Small-Region.svs", [(900, 1800), (1000, 2400), (700, 1400)]),
        "brain, 40x": scanned("aperio/TCGA-DU-6399-01A-01-TS1.svs", [(5600, 6800), (6400, 6400), (22400, 5600)]),
        "field": cut("plain/hgsc_nest.jpg", [(400, 400), (700, 700), (1000, 300)]),
        "DAB": cut("plain/ihc.png", [(0, 0), (256, 0), (0, 256)]),
    }


STAINS = ["skin, 20x", "brain, 40x", "field", "DAB"]


@pytest.mark.parametrize("stain", STAINS)
def test_more_blur_is_more_blur_in_every_stain(truth, tiles, stain) -> None:
    found = [(s, blur_of(truth.compressed(truth.blurred(tile, s), 85))) for tile in tiles[stain] for s in SIGMAS]
    assert spearman(*zip(*found, strict=True)) > 0.9


def test_blurs_of_different_stains_compare(truth, tiles) -> None:
    found = [(s, blur_of(truth.blurred(tile, s))) for stain in STAINS for tile in tiles[stain] for s in SIGMAS]
    assert spearman(*zip(*found, strict=True)) > 0.9


@pytest.mark.parametrize("stain", STAINS)
@pytest.mark.parametrize("sigma", [0.0, 2.0])
def test_a_paler_stain_is_no_blur(truth, tiles, stain, sigma) -> None:
    for tile in tiles[stain]:
        soft = truth.blurred(tile, sigma)
        pale = np.rint(255 - (255 - soft.astype(np.float64)) * 0.4).astype(np.uint8)
        assert blur_of(pale) == pytest.approx(blur_of(soft), abs=0.3)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 3.0])
def test_the_blur_of_edges_is_measured_in_pixels(truth, sigma) -> None:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:256, :256]
    light = np.full((256, 256), 128.0)
    for _ in range(400):  # discs that hide each other: a scene of edges and nothing else
        cx, cy, radius = *rng.uniform(0, 256, 2), rng.uniform(8, 40)
        light[(x - cx) ** 2 + (y - cy) ** 2 < radius**2] = rng.uniform(40, 215)
    scene = np.repeat(light[..., None], 3, axis=2).astype(np.uint8)
    assert blur_of(truth.blurred(scene, sigma)) == pytest.approx(sigma, rel=0.25)


@pytest.mark.parametrize("shape", [(256, 256), (240, 240), (17, 300), (1, 1)])
def test_where_nothing_is_to_be_seen_nothing_is_said(shape) -> None:
    assert blur_of(np.full((*shape, 3), 240, np.uint8)) is None


def test_no_blur_is_beyond_the_scale(truth, tiles) -> None:
    soft = truth.blurred(tiles["field"][0], 12.0)
    assert (blur_of(soft) or MOST_BLUR) <= MOST_BLUR
    assert all(blur_of(tile) >= 0 for stain in STAINS for tile in tiles[stain])


@pytest.mark.parametrize(("mpp", "limit"), [(0.25, 3.0), (0.3, 2.5), (0.5, 1.5), (1.0, 1.5), (2.5, None), (None, 2.0)])
def test_the_limit_follows_the_pixel_size_within_bounds(mpp, limit) -> None:
    assert focus_limit(mpp) == (None if limit is None else pytest.approx(limit))
