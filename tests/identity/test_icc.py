"""Colour profiles lose their words and keep their colours."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from pathserve.slides.icc import neutral_profile, profile_texts

PIXELS = Image.fromarray(np.random.default_rng(1).integers(0, 256, (128, 128, 3), dtype=np.uint8))


def aperio_profile(shared_data) -> bytes:
    with tifffile.TiffFile(shared_data / "slides" / "aperio" / "TCGA-DU-6399-01A-01-TS1.svs") as tiff:
        return bytes(tiff.pages[0].tags.valueof(34675))


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def converted(profile: bytes, intent: int) -> np.ndarray:
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    return np.asarray(ImageCms.profileToProfile(PIXELS, opened, target, renderingIntent=intent, flags=flags))


@pytest.mark.parametrize("intent", list(ImageCms.Intent))
def test_a_neutral_profile_converts_as_the_scans_own(shared_data, intent) -> None:
    for profile in (aperio_profile(shared_data), srgb_profile()):
        np.testing.assert_array_equal(converted(neutral_profile(profile), intent), converted(profile, intent))


def test_texts_dates_makers_and_bytes_of_no_tag_are_gone(shared_data) -> None:
    profile = aperio_profile(shared_data)
    assert b"Aperio" in profile
    assert b"Steinfurt" in profile
    assert struct.unpack_from(">H", profile, 24) != (2000,)
    neutral = neutral_profile(profile + b"JANE DOE")
    for word in (b"Aperio", b"LOGO", b"Steinfurt", b"2007", b"2008", b"ScanScope", b"JANE"):
        assert word not in neutral
    assert struct.unpack_from(">H", neutral, 24) == (2000,)
    assert neutral[48:64] == bytes(16)
    assert [text.rstrip(b"\0") for _, text in profile_texts(neutral)] == [b"Scan", b"None"]


def test_a_neutral_profile_stays_as_it_is() -> None:
    once = neutral_profile(srgb_profile())
    assert neutral_profile(once) == once


@pytest.mark.parametrize("change", [slice(0, 100), slice(36, 40), slice(128, 132), slice(0, 0)])
def test_what_is_no_profile_is_left_out(change) -> None:
    damaged = bytearray(srgb_profile())
    if change == slice(0, 100):
        damaged = damaged[:100]
    else:
        damaged[change] = bytes(change.stop - change.start)
    expected = None if change != slice(0, 0) else neutral_profile(srgb_profile())
    assert neutral_profile(bytes(damaged)) == expected
    assert neutral_profile(None) is None
