"""Colour profiles of real scans, as every reader keeps them; read for comparison by other programs."""

import io
import struct
from pathlib import Path

import numpy as np
import openslide
import pydicom
import pytest
import tifffile
from PIL import Image, ImageCms

from pathserve.geometry import LevelRegion
from pathserve.slides import open_slide
from pathserve.slides.icc import neutral_profile
from pathserve.slides.jp2 import find_codestream, find_profile
from pathserve.slides.limits import MAX_ICC_BYTES

ICC = 34675
PICTURES = ("png", "jpg", "jp2")


def by_tifffile(path: Path) -> bytes:
    with tifffile.TiffFile(path) as tiff:
        return bytes(tiff.pages[0].tags[ICC].value)


def by_pydicom(path: Path) -> bytes:
    header = pydicom.dcmread(path, stop_before_pixels=True)
    return bytes(header.OpticalPathSequence[0].ICCProfile)


def colours(profile: bytes) -> np.ndarray:
    """What Pillow makes of a grid of colours with a profile."""
    steps = np.arange(0, 256, 5, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(len(steps), -1, 3)
    converted = ImageCms.profileToProfile(
        Image.fromarray(cube),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.asarray(converted)


@pytest.fixture(scope="module")
def profile(shared_data) -> bytes:
    """The profile of a real scanner: colours change by 13 of 255 on average."""
    return by_tifffile(shared_data / "slides" / "aperio" / "TCGA-DU-6399-01A-01-TS1.svs")


@pytest.mark.parametrize(
    ("scan", "truth"),
    [
        ("generic-tiff/boxes.tiff", by_tifffile),
        ("dicom-wsm/highdicom/sm_image.dcm", by_pydicom),
        ("dicom-wsm/cytomine-a/level0-3840x3200.dcm", by_pydicom),
        ("dicom-wsm/openslide-boxes/boxes_0.dcm", by_pydicom),
        ("dicom-wsm/cmu-1-small-region/volume.dcm", by_pydicom),
    ],
)
def test_tiff_and_dicom_keep_the_files_own_bytes(shared_data, scan: str, truth) -> None:
    path = shared_data / "slides" / scan
    with open_slide(path) as source:
        assert source.info.icc_profile == truth(path)


def test_aperio_keeps_what_openslide_gives(shared_data, profile) -> None:
    path = shared_data / "slides" / "aperio" / "TCGA-DU-6399-01A-01-TS1.svs"
    with open_slide(path) as source, openslide.OpenSlide(path) as slide:
        assert slide.color_profile is not None
        kept = source.info.icc_profile
        assert kept is not None
        assert np.array_equal(colours(kept), colours(slide.color_profile.tobytes()))
        assert np.array_equal(colours(kept), colours(profile))


@pytest.mark.parametrize("ending", PICTURES)
def test_plain_pictures_keep_it(tmp_path, sample_field, profile, ending: str) -> None:
    path = tmp_path / f"field.{ending}"
    Image.open(sample_field).crop((0, 0, 300, 200)).save(path, icc_profile=profile)
    with Image.open(path) as written:
        assert written.info.get("icc_profile") == (profile if ending != "jp2" else None)
    if ending == "jp2":
        path.write_bytes(_with_profile(path.read_bytes(), profile))
    with open_slide(path) as source:
        assert source.info.icc_profile == profile


def test_a_deep_jp2_with_a_large_profile_keeps_all_its_bits(tmp_path, profile) -> None:
    values = (np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)
    path = tmp_path / "deep.jp2"
    Image.fromarray(values).save(path, irreversible=False)
    path.write_bytes(_with_profile(path.read_bytes(), profile))
    with open_slide(path) as source:
        assert (source.info.dtype, source.info.icc_profile) == ("uint16", profile)
        assert np.array_equal(source.read(0, LevelRegion(0, 0, 64, 64))[..., 0], values)


@pytest.mark.parametrize("at", ["jp2h", "colr", "jp2c"])
@pytest.mark.parametrize("size", [0, 1, 2, 7, 9, 0x7FFFFFFF, 0xFFFFFFFF])
def test_boxes_of_wrong_sizes_end_the_search(tmp_path, sample_field, profile, at: str, size: int) -> None:
    path = tmp_path / "field.jp2"
    Image.open(sample_field).crop((0, 0, 64, 64)).save(path)
    data = bytearray(_with_profile(path.read_bytes(), profile))
    struct.pack_into(">I", data, data.index(at.encode()) - 4, size)
    path.write_bytes(data)
    assert find_profile(path) in (None, profile) or size == 0
    assert find_codestream(path) is None or find_codestream(path) < len(data)


def _with_profile(jp2: bytes, profile: bytes) -> bytes:
    """Put a restricted ICC profile (method 2, ISO 15444-1, I.5.3) in place of the colour box of a JP2."""
    header, colour = jp2.index(b"jp2h") - 4, jp2.index(b"colr") - 4
    (header_size,), (size,) = struct.unpack_from(">I", jp2, header), struct.unpack_from(">I", jp2, colour)
    box = b"colr" + bytes([2, 0, 0]) + profile
    box = struct.pack(">I", len(box) + 4) + box
    grown = struct.pack(">I", header_size + len(box) - size)
    return jp2[:header] + grown + jp2[header + 4 : colour] + box + jp2[colour + size :]


@pytest.mark.parametrize("kind", ["generic", "ome"])
def test_a_made_tiff_keeps_it(tmp_path, sample_field, profile, kind: str) -> None:
    path = tmp_path / ("field.ome.tif" if kind == "ome" else "field.tif")
    pixels = np.asarray(Image.open(sample_field))[:512, :512]
    tifffile.imwrite(
        path, pixels, photometric="rgb", tile=(256, 256), compression="zlib", iccprofile=profile, ome=kind == "ome"
    )
    with open_slide(path) as source:
        assert source.info.icc_profile == by_tifffile(path) == profile


def test_ndpi_keeps_it_though_openslide_does_not(shared_data, tmp_path, profile) -> None:
    path = tmp_path / "scan.ndpi"
    path.write_bytes(
        _with_tag((shared_data / "slides" / "hamamatsu" / "test3-DAPI-2-(387).ndpi").read_bytes(), profile)
    )
    with open_slide(path) as source, openslide.OpenSlide(path) as slide:
        assert slide.properties["openslide.vendor"] == "hamamatsu"
        assert slide.color_profile is None
        assert source.info.icc_profile == by_tifffile(path) == profile


def _with_tag(ndpi: bytes, profile: bytes) -> bytes:
    """Add a colour profile to the first image of an NDPI: 12 bytes an entry, then 4 high bytes for each."""
    (at,) = struct.unpack_from("<I", ndpi, 4)
    (count,) = struct.unpack_from("<H", ndpi, at)
    entries, end = at + 2, at + 2 + 12 * count
    tags = [
        (ndpi[entries + 12 * i : entries + 12 * i + 12], ndpi[end + 8 + 4 * i : end + 12 + 4 * i]) for i in range(count)
    ]
    tags.append((struct.pack("<HHII", ICC, 7, len(profile), len(ndpi)), bytes(4)))
    tags.sort(key=lambda tag: tag[0][1::-1])
    whole = ndpi + profile + bytes((len(ndpi) + len(profile)) % 2)
    directory = struct.pack("<H", count + 1) + b"".join(tag for tag, _ in tags)
    directory += ndpi[end : end + 8] + b"".join(high for _, high in tags)
    return whole[:4] + struct.pack("<I", len(whole)) + whole[8:] + directory


@pytest.mark.parametrize("scan", ["czi/mini_czi.czi", "ome-zarr/CMU-1-Small-Region-crop.v05", "plain/hgsc_nest.jpg"])
def test_what_has_none_gets_none(shared_data, scan: str) -> None:
    (path,) = (shared_data / "slides" / Path(scan).parent).glob(f"{Path(scan).name}*")
    with open_slide(path) as source:
        assert source.info.icc_profile is None


def test_a_profile_that_is_too_large_is_left_out(tmp_path, sample_field, profile) -> None:
    path = tmp_path / "field.tif"
    pixels = np.asarray(Image.open(sample_field))[:64, :64]
    tifffile.imwrite(path, pixels, photometric="rgb", iccprofile=profile + bytes(MAX_ICC_BYTES))
    with open_slide(path) as source:
        assert source.info.icc_profile is None


def test_what_is_stored_converts_as_the_scan_s_own(shared_data, profile) -> None:
    stored = neutral_profile(profile)
    assert stored is not None
    assert np.array_equal(colours(stored), colours(profile))
