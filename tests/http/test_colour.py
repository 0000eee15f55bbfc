"""Colour over HTTP: by whatever address a pixel is asked for, it is the one that Pillow makes of OpenSlide's."""

import io
import tarfile

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image, ImageCms

from pathserve.ingest import IngestOptions, ingest_scan

WIDTH, HEIGHT = 601, 499


@pytest.fixture(scope="module")
def scan(tmp_path_factory, shared_data, sample_field):
    """A TIFF with the profile of a real scanner."""
    path = tmp_path_factory.mktemp("scan") / "field.tiff"
    with tifffile.TiffFile(shared_data / "slides" / "aperio" / "TCGA-DU-6399-01A-01-TS1.svs") as tiff:
        profile = bytes(tiff.pages[0].tags[34675].value)
    pixels = np.asarray(Image.open(sample_field))[200 : 200 + HEIGHT, 300 : 300 + WIDTH]
    tifffile.imwrite(
        path, pixels, photometric="rgb", tile=(256, 256), compression="jpeg", iccprofile=profile, metadata=None
    )
    return path


@pytest.fixture
def slide(site, scan) -> str:
    services = site.services
    options = IngestOptions(name="coloured", workers=1)
    (made,) = ingest_scan(
        scan, settings=services.settings, catalog=services.catalog, options=options, progress=lambda _: None
    )
    return made.slide.id


@pytest.fixture
def expected(scan):
    """What Pillow makes of OpenSlide's pixels with the profile that tifffile reads: by color."""
    with openslide.OpenSlide(scan) as opened:
        source = opened.read_region((0, 0), 0, opened.dimensions).convert("RGB")
    with tifffile.TiffFile(scan) as tiff:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(bytes(tiff.pages[0].tags[34675].value)))
    shown = ImageCms.profileToProfile(
        source,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return {"source": np.asarray(source), "srgb": np.asarray(shown)}


def rgb(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))


@pytest.mark.parametrize("color", ["source", "srgb"])
def test_every_address_gives_a_pixel_one_colour(site, slide, expected, color) -> None:
    client, pixels = site.client("viewer"), expected[color]
    assert np.abs(expected["srgb"].astype(int) - expected["source"]).mean() > 5
    whole = f"x=0&y=0&width={WIDTH}&height={HEIGHT}&color={color}"
    tiles = np.concatenate(
        [
            np.concatenate(
                [rgb(client.get(f"/dzi/{slide}_files/10/{col}_{row}.png?color={color}").content) for col in range(3)],
                axis=1,
            )
            for row in range(2)
        ]
    )
    seen = {
        "tiles": tiles,
        "region": rgb(client.get(f"/api/slides/{slide}/region?{whole}&format=png").content),
        "array": np.load(io.BytesIO(client.get(f"/api/slides/{slide}/region?{whole}&format=npy").content)),
        "thumbnail": rgb(client.get(f"/api/slides/{slide}/thumbnail?size={WIDTH}&color={color}&format=png").content),
        "pair": np.load(io.BytesIO(client.get(f"/api/slides/{slide}/pair?{whole}").content))["image"],
        "iiif": rgb(client.get(f"/iiif/3/{slide}/full/max/0/default.png?color={color}").content),
    }
    batch = {"regions": [{"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT}], "format": "png", "color": color}
    with tarfile.open(fileobj=io.BytesIO(client.post(f"/api/slides/{slide}/tiles", json=batch).content)) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        assert member is not None
        seen["batch"] = rgb(member.read())
    assert {name: np.array_equal(found, pixels) for name, found in seen.items()} == dict.fromkeys(seen, True)


def test_without_a_word_the_scans_own_values_are_given(site, slide, expected) -> None:
    answer = site.client("viewer").get(f"/api/slides/{slide}/thumbnail?size={WIDTH}&format=png")
    assert np.array_equal(rgb(answer.content), expected["source"])


def test_a_slide_says_how_its_colours_are_converted(site, slide) -> None:
    client = site.client("viewer")
    assert client.get(f"/api/slides/{slide}").json()["color"] == {
        "profile": True,
        "converted": True,
        "intent": "relative colorimetric",
        "black_point_compensation": True,
    }
    assert client.get(f"/api/slides/{site.slide}").json()["color"] == {
        "profile": False,
        "converted": False,
        "intent": None,
        "black_point_compensation": False,
    }


def test_a_slide_that_cannot_be_opened_is_still_described(site, slide) -> None:
    site.services.tiles.forget(slide)
    (site.services.settings.slides / f"{slide}.zarr" / "zarr.json").unlink()
    answer = site.client("viewer").get(f"/api/slides/{slide}")
    assert (answer.status_code, answer.json()["id"], answer.json()["color"]) == (200, slide, None)
