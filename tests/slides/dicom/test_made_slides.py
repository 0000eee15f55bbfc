"""Slides of every organisation: several files a level, sparse tiles, focal planes, optical paths."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEGBaseline8Bit, generate_uid

from pathserve.errors import Corrupt, NotFound, Unsupported
from pathserve.geometry import LevelRegion, Size
from pathserve.pixels import Plane
from pathserve.slides.dicom.opening import open_dicom


def nested(group, **elements):
    """Give a functional group: a sequence of one item."""
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    holder = Dataset()
    setattr(holder, group, Sequence([item]))
    return holder


def sparse(order, *, tile=32, columns=3, paths=None, heights=None):
    """Give what makes a file TILED_SPARSE: frame n is tile ``order[n]``, counted row by row."""

    def change(dataset):
        dataset.DimensionOrganizationType = "TILED_SPARSE"
        frames = []
        for number, index in enumerate(order):
            place = {
                "ColumnPositionInTotalImagePixelMatrix": index % columns * tile + 1,
                "RowPositionInTotalImagePixelMatrix": index // columns * tile + 1,
                "XOffsetInSlideCoordinateSystem": 1.0,
            }
            if heights is not None:
                place["ZOffsetInSlideCoordinateSystem"] = heights[number]
            frame = nested("PlanePositionSlideSequence", **place)
            if paths is not None:
                frame.update(nested("OpticalPathIdentificationSequence", OpticalPathIdentifier=paths[number]))
            frames.append(frame)
        dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)

    return change


def optical_paths(*identifiers):
    paths = []
    for identifier in identifiers:
        path = Dataset()
        path.OpticalPathIdentifier = identifier
        paths.append(path)
    return Sequence(paths)


def cut(image, tile=32):
    height, width = image.shape[:2]
    return [image[y : y + tile, x : x + tile] for y in range(0, height, tile) for x in range(0, width, tile)]


def test_levels_are_sorted_and_each_has_its_own_pixels(picture, write_slide):
    images = [picture(40, 30, rgb=True), picture(160, 120, rgb=True, seed=3), picture(80, 60, rgb=True, seed=5)]
    files = [write_slide(image, name=f"{number}.dcm") for number, image in enumerate(images)]
    with open_dicom(files) as source:
        assert [level.size for level in source.info.levels] == [Size(160, 120), Size(80, 60), Size(40, 30)]
        assert [level.downsample for level in source.info.levels] == [1.0, 2.0, 4.0]
        for level, image in enumerate([images[1], images[2], images[0]]):
            height, width = image.shape[:2]
            np.testing.assert_array_equal(source.read(level, LevelRegion(0, 0, width, height)), image)


def test_sparse_tiles_go_where_they_say_and_missing_ones_are_white(picture, write_slide, pixels):
    image = picture(96, 64, rgb=True)
    tiles = cut(image)
    order = [5, 0, 2, 4]

    def change(dataset):
        sparse(order)(dataset)
        dataset.NumberOfFrames = len(order)
        dataset.PixelData = b"".join(tiles[index].tobytes() for index in order)

    path = write_slide(image, change=change)
    expected = image.copy()
    expected[:32, 32:64] = 255
    expected[32:, :32] = 255
    np.testing.assert_array_equal(pixels(path), expected)
    with open_dicom([path]) as source:
        assert source.info.missing_tiles == 2


def test_sparse_optical_paths_and_focal_planes(picture, write_slide, pixels):
    images = [[picture(96, 64, dtype="uint16", seed=10 * c + z) for z in range(3)] for c in range(2)]
    order, paths, heights, frames = [], [], [], []
    for z in (2, 0, 1):
        for c in (1, 0):
            for index, tile in enumerate(cut(images[c][z])):
                order.append(index)
                paths.append(("red light", "blue light")[c])
                heights.append(-4.0 + 2.5 * z)
                frames.append(tile)

    def change(dataset):
        dataset.OpticalPathSequence = optical_paths("red light", "blue light")
        sparse(order, paths=paths, heights=heights)(dataset)
        dataset.NumberOfFrames = len(frames)
        dataset.PixelData = b"".join(frame.tobytes() for frame in frames)

    path = write_slide(images[0][0], change=change)
    with open_dicom([path]) as source:
        info = source.info
        assert [channel.name for channel in info.channels] == ["red light", "blue light"]
        assert (info.planes, info.plane_spacing) == (3, pytest.approx(2.5))
    for c in range(2):
        for z in range(3):
            np.testing.assert_array_equal(pixels(path, plane=Plane(c=c, z=z))[..., 0], images[c][z])


def test_full_focal_planes_run_before_optical_paths(picture, write_slide, pixels):
    images = [picture(96, 64, dtype="uint16", seed=number) for number in range(6)]  # path by path, plane by plane

    def change(dataset):
        dataset.OpticalPathSequence = optical_paths("a", "b")
        dataset.NumberOfOpticalPaths, dataset.TotalPixelMatrixFocalPlanes = 2, 3
        dataset.SharedFunctionalGroupsSequence = Sequence(
            [nested("PixelMeasuresSequence", PixelSpacing=[0.0005, 0.00025], SpacingBetweenSlices=0.0015)]
        )

    path = write_slide(images, change=change)
    with open_dicom([path]) as source:
        assert (source.info.planes, len(source.info.channels)) == (3, 2)
        assert source.info.plane_spacing == pytest.approx(1.5)
        assert (source.info.mpp.x, source.info.mpp.y) == (0.25, 0.5)
    for number, image in enumerate(images):
        np.testing.assert_array_equal(pixels(path, plane=Plane(c=number // 3, z=number % 3))[..., 0], image)


def test_focal_planes_in_files_of_their_own(picture, write_slide, pixels):
    images = [picture(96, 64, rgb=True, seed=number) for number in range(2)]

    def at(height):
        return lambda dataset: setattr(
            dataset,
            "SharedFunctionalGroupsSequence",
            Sequence([nested("PlanePositionSlideSequence", ZOffsetInSlideCoordinateSystem=height)]),
        )

    files = [write_slide(images[1], name="a.dcm", change=at(6.0)), write_slide(images[0], name="b.dcm", change=at(4.0))]
    for z, image in enumerate(images):
        np.testing.assert_array_equal(pixels(*files, plane=Plane(z=z)), image)


def test_colours_under_several_lights_are_scenes(picture, write_slide, pixels):
    images = [picture(96, 64, rgb=True, seed=number) for number in range(2)]

    def change(dataset):
        dataset.OpticalPathSequence = optical_paths("1", "2")
        dataset.NumberOfOpticalPaths = 2

    path = write_slide(images, change=change)
    with open_dicom([path]) as source:
        assert source.info.scenes == 2
    for scene, image in enumerate(images):
        np.testing.assert_array_equal(pixels(path, scene=scene), image)
    with pytest.raises(NotFound):
        open_dicom([path], 2)


def test_the_parts_of_a_concatenation_are_one_level(picture, write_slide, pixels):
    image = picture(96, 64, rgb=True)
    tiles, whole = cut(image), generate_uid()

    def part(first, last):
        def change(dataset):
            dataset.ConcatenationUID = whole
            dataset.ConcatenationFrameOffsetNumber = first
            dataset.NumberOfFrames = last - first
            dataset.PixelData = b"".join(tile.tobytes() for tile in tiles[first:last])

        return change

    files = [write_slide(image, name=f"{first}.dcm", change=part(first, last)) for first, last in ((4, 6), (0, 4))]
    np.testing.assert_array_equal(pixels(*files), image)
    with pytest.raises(Corrupt, match="missing"):
        open_dicom(files[:1])


def test_a_copy_of_a_file_beside_it_changes_nothing(picture, write_slide, pixels, tmp_path):
    image = picture(96, 64, rgb=True)
    path = write_slide(image)
    copy = tmp_path / "slide (1).dcm"
    copy.write_bytes(path.read_bytes())
    np.testing.assert_array_equal(pixels(path, copy), image)


def test_other_files_of_the_same_identifier_are_no_copies(picture, write_slide, pixels):
    images = [picture(96, 64, rgb=True), picture(48, 32, rgb=True)]

    def change(dataset):
        dataset.SOPInstanceUID = "1.2.3.4"

    files = [write_slide(image, name=f"{number}.dcm", change=change) for number, image in enumerate(images)]
    with open_dicom(files) as source:
        assert len(source.info.levels) == 2


def test_two_pictures_of_one_size_are_refused(picture, write_slide):
    files = [write_slide(picture(96, 64, rgb=True, seed=seed), name=f"{seed}.dcm") for seed in range(2)]
    with pytest.raises(Unsupported, match="same size and place"):
        open_dicom(files)


def test_sizes_that_are_no_levels_of_one_slide_are_refused(picture, write_slide):
    files = [write_slide(picture(*size, rgb=True), name=f"{size[0]}.dcm") for size in ((160, 120), (80, 80))]
    with pytest.raises(Unsupported, match="several slides"):
        open_dicom(files)


def test_tiles_beside_the_raster_are_refused(picture, write_slide):
    image = picture(96, 64, rgb=True)
    with pytest.raises(Unsupported, match="overlap"):
        open_dicom([write_slide(image, change=sparse(range(6), tile=20))])
    with pytest.raises(Corrupt, match="outside"):
        open_dicom([write_slide(image, change=sparse([*range(5), 12]))])


def test_jpeg_tiles_are_handed_out_and_others_are_not(picture, write_slide):
    image = picture(96, 64, rgb=True)
    with open_dicom([write_slide(image, syntax=JPEGBaseline8Bit)]) as source:
        assert source.info.levels[0].encoding == "jpeg"
        assert source.encoded_tile(0, 2, 1)[:2] == b"\xff\xd8"
    with open_dicom([write_slide(image)]) as source, pytest.raises(ValueError, match="no tile"):
        source.encoded_tile(0, 0, 0)
