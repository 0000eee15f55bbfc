"""Colour: one conversion by the scan's own profile, the same wherever a pixel is shown."""

import io
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openslide
import pydicom
import pytest
import tifffile
from PIL import Image, ImageCms

from pathserve.catalog import Catalog
from pathserve.geometry import PixelGrid
from pathserve.ingest import ingest_scan
from pathserve.tiles import TileService
from pathserve.tiles.colour import to_srgb


@pytest.fixture(scope="module")
def profile(shared_data) -> bytes:
    """The profile of a real scanner."""
    with openslide.OpenSlide(shared_data / "slides" / "aperio" / "TCGA-DU-6399-01A-01-TS1.svs") as slide:
        assert slide.color_profile is not None
        return slide.color_profile.tobytes()


def by_pillow(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    converted = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.asarray(converted)


def with_gamma(gamma: float) -> bytes:
    """Pillow's sRGB profile with its three curves replaced by one power (`curv` with one u8Fixed8 value)."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", made, 128)
    for at in range(132, 132 + 12 * count, 12):
        signature, offset, size = struct.unpack_from(">4sII", made, at)
        if signature in (b"rTRC", b"gTRC", b"bTRC"):
            made[offset : offset + size] = struct.pack(">4s4xIH", b"curv", 1, round(gamma * 256)).ljust(size, b"\x00")
    return bytes(made)


@pytest.fixture(scope="module")
def scan(tmp_path_factory, shared_data, profile) -> Path:
    """A piece of that scanner's slide with its profile: 1501 x 999 px, so that levels have uneven sizes."""
    path = tmp_path_factory.mktemp("scan") / "piece.tiff"
    with openslide.OpenSlide(shared_data / "slides" / "aperio" / "TCGA-DU-6399-01A-01-TS1.svs") as slide:
        piece = np.asarray(slide.read_region((24_064, 3_968), 0, (1501, 999)).convert("RGB"))
    tifffile.imwrite(
        path, piece, photometric="rgb", tile=(240, 240), compression="jpeg", iccprofile=profile, metadata=None
    )
    return path


@pytest.fixture(scope="module")
def piece(tmp_path_factory, scan, publish_scan) -> TileService:
    folder = tmp_path_factory.mktemp("slides")
    publish_scan(scan, folder, "piece")
    return TileService(folder)


def picture(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)))


def test_at_full_resolution_colours_are_those_of_pillow_and_openslide(piece, scan, profile) -> None:
    with openslide.OpenSlide(scan) as slide:
        source = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
    expected = by_pillow(source, profile)
    assert np.abs(expected.astype(int) - source).mean() > 5
    for color, pixels in (("source", source), ("srgb", expected)):
        grid, last = PixelGrid(0, 0, 1501, 999), piece.deepzoom("piece").level_count - 1
        assert np.array_equal(piece.region("piece", grid, color=color), pixels)
        assert np.array_equal(picture(piece.thumbnail("piece", 1501, color=color, image_format="png")), pixels)
        for col in range(7):
            for row in range(5):
                tile = picture(piece.tile("piece", last, col, row, color=color, image_format="png").body)
                assert np.array_equal(tile, pixels[240 * row : 240 * row + 240, 240 * col : 240 * col + 240])
    seen = picture(piece.tile("piece", last, 2, 1, color="srgb").body).astype(int)
    assert np.abs(seen - expected[240:480, 480:720]).mean() < 2  # the same as a JPEG


@pytest.mark.parametrize("color", ["source", "srgb"])
@pytest.mark.parametrize("halvings", [1, 2, 3, 4, 5, 6])  # the last three are stored no more
def test_on_every_level_a_pixel_has_one_colour_in_tile_region_and_thumbnail(piece, profile, color, halvings) -> None:
    deepzoom, step = piece.deepzoom("piece"), 2**halvings
    assert len(piece.pyramid("piece").levels) == 4
    level = deepzoom.level_count - 1 - halvings
    size = deepzoom.level_size(level)
    thumbnail = picture(piece.thumbnail("piece", size.width, color=color, image_format="png"))
    assert thumbnail.shape[1::-1] == (size.width, size.height)
    region = piece.region("piece", PixelGrid(0, 0, size.width, size.height, step, step), color=color)
    # A pixel whose centre lies outside the slide is white in a region; a tile has it, as its level does.
    inside = ((np.arange(size.height) + 0.5) * step < 999)[:, None] & ((np.arange(size.width) + 0.5) * step < 1501)
    assert inside[:-1, :-1].all()
    columns, rows = deepzoom.level_tiles(level)
    tiles = np.concatenate(
        [
            np.concatenate(
                [
                    picture(piece.tile("piece", level, col, row, color=color, image_format="png").body)
                    for col in range(columns)
                ],
                axis=1,
            )
            for row in range(rows)
        ]
    )
    assert np.array_equal(tiles, thumbnail)
    assert np.array_equal(tiles[inside], region[inside])
    if color == "srgb":
        source = picture(piece.thumbnail("piece", size.width, image_format="png"))
        assert np.array_equal(tiles, by_pillow(source, profile))


def test_a_profile_that_is_srgb_leaves_tiles_as_they_lie(tmp_path, shared_data, publish_scan) -> None:
    path = shared_data / "slides" / "generic-tiff" / "boxes.tiff"
    (tmp_path / "slides").mkdir()
    publish_scan(path, tmp_path / "slides", "boxes")
    tiles = TileService(tmp_path / "slides")
    assert tiles.pyramid("boxes").facts.icc_profile is not None
    level = tiles.deepzoom("boxes").level_count - 1
    assert tiles.tile("boxes", level, 0, 0, color="srgb") == tiles.tile("boxes", level, 0, 0)


@pytest.mark.parametrize(
    "name",
    [
        "highdicom/sm_image.dcm",  # sRGB IEC61966-2.1, whose curve is a table: off by one at most
        "cytomine-a/level1.dcm",
        "openslide-boxes/boxes_0.dcm",
        "fluorcell-4/5_0.dcm",
    ],
)
def test_profiles_that_are_srgb_convert_nothing(shared_data, name) -> None:
    path = shared_data / "slides" / "dicom-wsm" / name
    stated = bytes(pydicom.dcmread(path, stop_before_pixels=True).OpticalPathSequence[0].ICCProfile)
    steps = np.arange(0, 256, 3, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(86, -1, 3)
    assert np.abs(by_pillow(colours, stated).astype(int) - colours).max() <= 1
    assert to_srgb(stated) is None


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.3])
def test_profiles_that_differ_only_in_their_curve_convert(gamma) -> None:
    """Made by hand: sRGB's primaries with another gamma; 2.3 differs by 9 of 255 at most."""
    convert = to_srgb(with_gamma(gamma))
    assert convert is not None
    greys = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, -1, 3)
    light = (np.arange(256) / 255) ** gamma
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(convert(greys)[0, :, 1] - expected).max() < 2


@pytest.fixture
def service(settings, db, tmp_path, sample_field, profile) -> tuple[TileService, str]:
    picture = Image.open(sample_field).crop((0, 0, 600, 500))
    picture.save(tmp_path / "field.png", icc_profile=profile)
    (made,) = ingest_scan(tmp_path / "field.png", settings=settings, catalog=Catalog(db), progress=lambda _: None)
    return TileService(settings.slides), made.slide.id


def test_an_etag_tells_the_two_apart_and_source_stays_verbatim(service) -> None:
    tiles, slide = service
    plain, shown = tiles.tile(slide, 10, 0, 0), tiles.tile(slide, 10, 0, 0, color="srgb")
    assert plain.etag != shown.etag
    assert tiles.tile_at_once(slide, 10, 0, 0) == plain
    assert tiles.tile_at_once(slide, 10, 0, 0, color="srgb") == shown


def test_without_a_profile_both_are_the_stored_bytes(settings, db, tmp_path, sample_slide) -> None:
    shutil.copy(sample_slide, tmp_path / "a.svs")
    (made,) = ingest_scan(tmp_path / "a.svs", settings=settings, catalog=Catalog(db), progress=lambda _: None)
    tiles = TileService(settings.slides)
    assert tiles.tile(made.slide.id, 12, 3, 4) == tiles.tile(made.slide.id, 12, 3, 4, color="srgb")


def grey_profile(gamma: float) -> bytes:
    """A profile of greys by ICC.1:2001, made by hand: white point D50 and one curve."""
    white = struct.pack(">4s4x3I", b"XYZ ", 0xF6D6, 0x10000, 0xD32D)
    curve = struct.pack(">4s4xIHxx", b"curv", 1, round(gamma * 256))
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 156 + len(white), len(curve))
    head = struct.pack(">I4sI4s4s4s", 156 + len(white) + len(curve), b"", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    illuminant = struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    return (head.ljust(36, b"\0") + b"acsp").ljust(68, b"\0") + illuminant.ljust(60, b"\0") + tags + white + curve


def test_a_grey_picture_is_converted_by_its_profile_of_greys(settings, db, tmp_path, sample_field) -> None:
    gamma = 1.6
    grey = Image.open(sample_field).convert("L").crop((0, 0, 600, 500))
    grey.save(tmp_path / "grey.png", icc_profile=grey_profile(gamma))
    (made,) = ingest_scan(tmp_path / "grey.png", settings=settings, catalog=Catalog(db), progress=lambda _: None)
    tiles, grid = TileService(settings.slides), PixelGrid(0, 0, 600, 500)
    source = tiles.region(made.slide.id, grid)
    light = (source / 255.0) ** gamma
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(tiles.region(made.slide.id, grid, color="srgb") - expected).max() < 2
    assert np.abs(expected - source).mean() > 5


def test_threads_share_the_transform_of_a_slide(profile) -> None:
    convert = to_srgb(profile)
    assert convert is not None
    pictures = [np.random.default_rng(seed).integers(0, 256, (200, 200, 3), np.uint8) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        for picture, converted in zip(pictures, pool.map(convert, pictures), strict=True):
            assert np.array_equal(converted, by_pillow(picture, profile))


def test_a_damaged_profile_leaves_colours_alone_and_is_told(caplog) -> None:
    assert to_srgb(b"no profile at all") is None
    assert "colour profile" in caplog.text
    assert to_srgb(None) is None
