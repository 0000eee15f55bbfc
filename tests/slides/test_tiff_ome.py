"""OME-TIFFs as the specification allows them: several pictures, several files, pyramids below planes."""

import numpy as np
import pytest
import tifffile

from pathserve.errors import Corrupt, NotFound, Unsupported
from pathserve.geometry import LevelRegion, Mpp, Size
from pathserve.pixels import RGB_CHANNELS, Plane
from pathserve.slides import open_slide

UUIDS = ["urn:uuid:00000000-0000-4000-8000-00000000000" + str(n) for n in range(4)]


def whole(source, plane=Plane(), level=0):  # noqa: B008 - frozen
    size = source.info.levels[level].size
    return source.read(level, LevelRegion(0, 0, size.width, size.height), plane)


def noise(*shape, dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype)


def pixels_xml(inner, *, x=20, y=30, z=1, c=1, t=1, order="XYCZT", dtype="uint16"):
    return (
        f'<Pixels ID="Pixels:0" DimensionOrder="{order}" Type="{dtype}" SizeX="{x}" SizeY="{y}" SizeZ="{z}" '
        f'SizeC="{c}" SizeT="{t}">{inner}</Pixels>'
    )


def ome_xml(*images, uuid=UUIDS[0]):
    return f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">' + (
        "".join(f'<Image ID="Image:{n}">{image}</Image>' for n, image in enumerate(images)) + "</OME>"
    )


def write(path, images, description):
    with tifffile.TiffWriter(path) as tiff:
        for index, image in enumerate(images):
            tiff.write(
                image, photometric="minisblack", metadata=None, description=None if index else description.encode()
            )


@pytest.mark.parametrize("order", ["XYCZT", "XYCTZ", "XYZCT", "XYZTC", "XYTCZ", "XYTZC"])
def test_planes_lie_in_the_stated_order(tmp_path, order):
    sizes = {"Z": 2, "C": 3, "T": 4}
    images = noise(24, 30, 20)
    write(tmp_path / "a.tif", images, ome_xml(pixels_xml("<TiffData/>", z=2, c=3, t=4, order=order)))
    with open_slide(tmp_path / "a.tif") as source:
        assert (source.info.planes, len(source.info.channels), source.info.times) == (2, 3, 4)
        first, second, third = (sizes[axis] for axis in order[2:])
        stacked = images.reshape(third, second, first, 30, 20)
        for plane in source.info.each_plane():
            at = {"Z": plane.z, "C": plane.c, "T": plane.t}
            expected = stacked[tuple(at[axis] for axis in reversed(order[2:]))]
            np.testing.assert_array_equal(whole(source, plane)[..., 0], expected)


def test_blocks_place_images_wherever_they_say(tmp_path):
    images = noise(3, 30, 20)
    blocks = '<TiffData IFD="2" FirstZ="0"/><TiffData IFD="0" FirstZ="1"/><TiffData IFD="1" FirstZ="2"/>'
    write(tmp_path / "a.tif", images, ome_xml(pixels_xml(blocks, z=3)))
    with open_slide(tmp_path / "a.tif") as source:
        for z, image in enumerate((2, 0, 1)):
            np.testing.assert_array_equal(whole(source, Plane(z=z))[..., 0], images[image])


def test_a_pyramid_of_every_plane_written_by_tifffile(tmp_path):
    data = noise(2, 3, 256, 192)
    path = tmp_path / "a.ome.tif"
    facts = {
        "axes": "ZCYX",
        "PhysicalSizeX": 0.25,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 500,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 0.002,
        "PhysicalSizeZUnit": "mm",
        "Channel": {"Name": ["DAPI", "CD3", "CD8"], "Color": [0x0000FFFF, 0x00FF00FF, -16776961]},
    }
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(data, subifds=2, tile=(64, 64), compression="zstd", metadata=facts, photometric="minisblack")
        tiff.write(data[..., ::2, ::2], subfiletype=1, tile=(64, 64), compression="zstd", photometric="minisblack")
        tiff.write(data[..., ::4, ::4], subfiletype=1, tile=(64, 64), compression="zstd", photometric="minisblack")
    with open_slide(path) as source:
        info = source.info
        assert [level.size for level in info.levels] == [Size(192, 256), Size(96, 128), Size(48, 64)]
        assert info.mpp == Mpp(0.25, 0.5)
        assert info.plane_spacing == pytest.approx(2)
        assert [channel.name for channel in info.channels] == ["DAPI", "CD3", "CD8"]
        assert [channel.color for channel in info.channels] == [(0, 0, 255), (0, 255, 0), (255, 0, 0)]
        for plane in info.each_plane():
            for level in range(3):
                expected = data[plane.z, plane.c, :: 2**level, :: 2**level]
                np.testing.assert_array_equal(whole(source, plane, level)[..., 0], expected)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_pyramids_of_jpeg_tiles_can_be_copied(tmp_path, planar):
    data = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 256, 1) * np.ones(3, np.uint8)
    stored = data if planar == "contig" else np.moveaxis(data, -1, 0)
    axes = "YXS" if planar == "contig" else "SYX"
    path = tmp_path / "a.ome.tif"
    how = {"photometric": "rgb", "planarconfig": planar, "tile": (128, 128), "compression": "jpeg"}
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(stored, metadata={"axes": axes}, **how)
    with open_slide(path) as source:
        assert source.info.channels == RGB_CHANNELS
        assert source.info.levels[0].encoding == ("jpeg" if planar == "contig" else "other")
        expected = tifffile.imread(path)
        np.testing.assert_array_equal(whole(source), expected if planar == "contig" else np.moveaxis(expected, 0, -1))


def test_pictures_are_scenes_and_label_and_macro_are_none(tmp_path):
    path = tmp_path / "a.ome.tif"
    first, second, label = noise(40, 50), noise(2, 30, 20, seed=1), noise(10, 12, 3, dtype="uint8", seed=2)
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(first, metadata={"axes": "YX", "Name": "one"}, photometric="minisblack")
        tiff.write(label, metadata={"axes": "YXS", "Name": "Label image"}, photometric="rgb")
        tiff.write(second, metadata={"axes": "CYX", "Name": "two"}, photometric="minisblack")
    with open_slide(path, scene=0) as source:
        assert source.info.scenes == 2
        assert source.info.associated == ("label",)
        np.testing.assert_array_equal(whole(source)[..., 0], first)
        np.testing.assert_array_equal(source.associated_image("label"), label)
    with open_slide(path, scene=1) as source:
        np.testing.assert_array_equal(whole(source, Plane(c=1))[..., 0], second[1])
    with pytest.raises(NotFound):
        open_slide(path, scene=2)


def split(tmp_path, *, second="b.tif", uuid=UUIDS[1], stated=UUIDS[1], images=None):
    """Write an OME-TIFF of two files, one channel in each, both with all the metadata."""
    images = noise(2, 30, 20) if images is None else images
    blocks = (
        f'<TiffData FirstC="0" IFD="0" PlaneCount="1"><UUID FileName="a.tif">{UUIDS[0]}</UUID></TiffData>'
        f'<TiffData FirstC="1" IFD="0" PlaneCount="1"><UUID FileName="{second}">{stated}</UUID></TiffData>'
    )
    write(tmp_path / "a.tif", images[:1], ome_xml(pixels_xml(blocks, c=2)))
    write(tmp_path / "b.tif", images[1:], ome_xml(pixels_xml(blocks, c=2), uuid=uuid))
    return images


def test_planes_in_a_neighbouring_file_are_read(tmp_path):
    images = split(tmp_path)
    with open_slide(tmp_path / "a.tif") as source:
        assert len(source.info.channels) == 2
        for c in range(2):
            np.testing.assert_array_equal(whole(source, Plane(c=c))[..., 0], images[c])


def test_a_renamed_first_file_is_still_itself(tmp_path):
    images = split(tmp_path)
    (tmp_path / "a.tif").rename(tmp_path / "renamed.tif")
    with open_slide(tmp_path / "renamed.tif") as source:
        np.testing.assert_array_equal(whole(source, Plane(c=1))[..., 0], images[1])


def test_the_other_part_says_which_file_to_ingest(tmp_path):
    split(tmp_path)
    with pytest.raises(Unsupported, match="ingest the one that holds its first plane"):
        open_slide(tmp_path / "b.tif")


def test_a_part_that_is_missing_or_belongs_to_another_scan_is_refused(tmp_path):
    split(tmp_path)
    (tmp_path / "b.tif").unlink()
    with pytest.raises(Unsupported, match="several files"):
        open_slide(tmp_path / "a.tif")
    split(tmp_path, uuid=UUIDS[2])
    with pytest.raises(Unsupported, match="several files"):
        open_slide(tmp_path / "a.tif")


def test_a_neighbour_that_says_nothing_about_itself_is_somebody_else_s(tmp_path):
    split(tmp_path)
    tifffile.imwrite(tmp_path / "b.tif", noise(30, 20), metadata=None)
    with pytest.raises(Unsupported, match="several files"):
        open_slide(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["../secret.tif", "/etc/passwd", "folder/b.tif", "..", ".", "..\\b.tif", "link.tif"])
def test_names_of_parts_do_not_lead_out_of_the_folder(tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    split(folder, second=name)
    (folder / "b.tif").replace(tmp_path / "secret.tif")
    (folder / "link.tif").symlink_to(tmp_path / "secret.tif")
    (folder / "folder").mkdir()
    with pytest.raises(Unsupported, match="several files"):
        open_slide(folder / "a.tif")


def test_metadata_in_another_file_is_said_so(tmp_path):
    text = f'<OME UUID="{UUIDS[0]}"><BinaryOnly MetadataFile="b.tif" UUID="{UUIDS[1]}"/></OME>'
    write(tmp_path / "a.tif", noise(1, 30, 20), text)
    with pytest.raises(Unsupported, match="another file"):
        open_slide(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (pixels_xml("<TiffData/>", x=21), "different sizes"),
        (pixels_xml("<TiffData/>", z=2), "1 of the scan's 2 planes are nowhere"),
        (pixels_xml('<TiffData IFD="7"/>'), "cut off"),
        (pixels_xml("<TiffData/>", order="XYZZZ"), "order"),
        (pixels_xml("<TiffData/>", x=-20), "impossible number"),
        (pixels_xml('<TiffData IFD="1e3"/>'), "impossible number"),
    ],
)
def test_metadata_that_contradicts_the_file_is_corrupt(tmp_path, xml, message):
    write(tmp_path / "a.tif", noise(1, 30, 20), ome_xml(xml))
    with pytest.raises(Corrupt, match=message):
        open_slide(tmp_path / "a.tif")
