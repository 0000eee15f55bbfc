"""Scans whose texts name further files: their own are read, anybody else's are never opened."""

import numpy as np
import openslide
import pytest
from PIL import Image

from pathserve.errors import Corrupt, TooLarge, Unsupported
from pathserve.geometry import LevelRegion
from pathserve.slides import open_slide
from pathserve.slides.identity import search_scan

KEYS = {
    "NoLayers": "1",
    "NoJpegColumns": "1",
    "NoJpegRows": "1",
    "ImageFile": "image.jpg",
    "MapFile": "map.jpg",
    "MacroImage": "macro.jpg",
}


@pytest.fixture
def picture():
    noise = np.random.default_rng(7).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(noise.repeat(16, 0).repeat(16, 1))


@pytest.fixture
def vms(tmp_path, picture):
    """Make a scan as Hamamatsu's VMS are, beside a folder with a picture of somebody else's."""
    folder, secret = tmp_path / "scan", tmp_path / "secret"
    folder.mkdir()
    secret.mkdir()
    for path in (folder / "image.jpg", folder / "map.jpg", folder / "macro.jpg", secret / "patient.jpg"):
        picture.save(path, quality=95, subsampling=0, restart_marker_blocks=8)  # OpenSlide asks for such marks

    def make(name="scan.vms", group="Virtual Microscope Specimen", newline="\n", **keys):
        path = folder / name
        lines = [f"[{group}]", *(f"{key}={value}" for key, value in {**KEYS, **keys}.items())]
        path.write_bytes((newline.join(lines) + newline).encode("utf-8", "surrogateescape"))
        return path

    return make


@pytest.mark.parametrize("name", ["scan.vms", "no suffix"])
def test_a_vms_scan_of_its_own_files_has_openslide_s_pixels(vms, name):
    path = vms(name)
    with open_slide(path) as source, openslide.OpenSlide(path) as slide:
        assert source.info.vendor == "hamamatsu"
        width, height = slide.dimensions
        expected = np.asarray(slide.read_region((0, 0), 0, (width, height)))[..., :3]
        np.testing.assert_array_equal(source.read(0, LevelRegion(0, 0, width, height)), expected)


@pytest.mark.parametrize("key", ["ImageFile", "MapFile", "MacroImage", "OptimisationFile"])
@pytest.mark.parametrize(
    "value", ["../secret/patient.jpg", "\x0b../secret/patient.jpg", "/etc/hostname", "..", "a\\\\b"]
)
def test_a_vms_scan_cannot_have_other_files_opened(vms, key, value):
    path = vms(**{key: value})
    with pytest.raises(Corrupt, match="outside its own folder"):
        open_slide(path)


def test_openslide_itself_would_open_them(vms):
    with openslide.OpenSlide(vms(ImageFile="../secret/patient.jpg")) as slide:
        assert slide.dimensions == (128, 96)


def test_a_link_out_of_the_folder_is_no_file_of_the_scan(vms):
    path = vms(ImageFile="link.jpg")
    (path.parent / "link.jpg").symlink_to(path.parent / "image.jpg")
    open_slide(path).close()
    (path.parent / "link.jpg").unlink()
    (path.parent / "link.jpg").symlink_to("../secret/patient.jpg")
    with pytest.raises(Corrupt, match="outside its own folder"):
        open_slide(path)


def test_a_text_that_readers_could_see_in_two_ways_or_too_long_is_refused(vms):
    with pytest.raises(Corrupt, match="damaged"):
        open_slide(vms(Note="a\0b"))
    with pytest.raises((TooLarge, Unsupported)):
        open_slide(vms(Note="a" * (1 << 20)))


def test_the_search_for_names_opens_no_other_files_either(vms):
    found = search_scan(vms("no suffix", MacroImage="../secret/patient.jpg"))
    assert not [one for one in found.findings if one.place == "properties"]
    found = search_scan(vms("no suffix"))
    assert [one for one in found.findings if one.place == "properties"]


MIRAX = "[GENERAL]\nSLIDE_ID=1\n[HIERARCHICAL]\nINDEXFILE={index}\n[DATAFILE]\nFILE_COUNT=1\nFILE_0={data}\n"


@pytest.mark.parametrize(
    ("index", "data"),
    [("../../secret/Index.dat", "Data0.dat"), ("Index.dat", "../Data0.dat"), ("Index.dat", "link.dat")],
)
def test_a_mirax_scan_cannot_have_other_files_opened(tmp_path, index, data):
    path, folder = tmp_path / "a.mrxs", tmp_path / "a"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    folder.mkdir()
    (folder / "link.dat").symlink_to(tmp_path / "other.dat")
    text = folder / "Slidedat.ini"
    text.write_text(MIRAX.format(index=index, data=data))
    with pytest.raises(Corrupt, match="outside its own folder"):
        open_slide(path)
    text.write_text(MIRAX.format(index="Index.dat", data="Data0.dat"))
    with pytest.raises(Unsupported, match="variant"):
        open_slide(path)


@pytest.mark.parametrize("linked", ["a", "a/Slidedat.ini"])
def test_the_folder_of_a_mirax_scan_and_its_text_are_no_links_out(tmp_path, linked):
    (tmp_path / "scan").mkdir()
    path = tmp_path / "scan" / "a.mrxs"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    other = tmp_path / "other"
    other.mkdir()
    (other / "Slidedat.ini").write_text(MIRAX.format(index="Index.dat", data="Data0.dat"))
    link = tmp_path / "scan" / linked
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(other if linked == "a" else other / "Slidedat.ini")
    with pytest.raises(Corrupt, match="outside its own folder"):
        open_slide(path)
