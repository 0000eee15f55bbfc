"""Radiology: slices to volumes, told by their places; samples as they are stored."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from pathserve.errors import Corrupt, NotFound, Unsupported
from pathserve.ingest import find_scans
from pathserve.pixels import Plane
from pathserve.slides.dicom.opening import open_dicom

AXIAL = [1, 0, 0, 0, 1, 0]
OBLIQUE = [0.6, 0.8, 0, 0, 0, -1]  # its normal is (-0.8, 0.6, 0)


def item(**elements):
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def series(shared_data, folder):
    return find_scans([shared_data / "slides/dicom-radiology" / folder])


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm"])
def test_a_picture_has_pydicom_s_samples(shared_data, pixels, name):
    path = shared_data / "slides/dicom-radiology" / name
    got = pixels(path)[..., 0]
    expected = pydicom.dcmread(path).pixel_array
    assert got.dtype == expected.dtype == np.int16
    np.testing.assert_array_equal(got, expected)


def test_slices_of_a_real_series_are_sorted_by_height(shared_data, pixels):
    (scan,) = series(shared_data, "dicomdir/98892001/CT5N")
    datasets = sorted(map(pydicom.dcmread, scan.files), key=lambda one: one.ImagePositionPatient[2])
    with open_dicom(scan.files) as source:
        info = source.info
    assert (info.planes, info.plane_spacing, info.dtype) == (5, pytest.approx(2_500), "int16")
    assert (info.mpp.x, info.mpp_plausible) == (pytest.approx(488.281), True)
    assert info.channels[0].name == "CT"
    assert info.channels[0].window == (40 - 0.5 - 399 / 2 + 1024, 40 - 0.5 + 399 / 2 + 1024)  # level 40, width 400
    for z, dataset in enumerate(datasets):
        np.testing.assert_array_equal(pixels(*scan.files, plane=Plane(z=z))[..., 0], dataset.pixel_array)


def test_a_gap_in_a_real_series_leaves_the_spacing_unknown(shared_data):
    (scan,) = series(shared_data, "dicomdir/77654033/CT2")
    with open_dicom(scan.files) as source:
        assert (source.info.planes, source.info.plane_spacing) == (4, None)


@pytest.mark.parametrize(
    ("heights", "missing"),
    [
        ([0, 2.5, 5, 7.5, 10], 0),
        ([0, 2.5, 5, 10, 12.5], 1),
        ([0, 2.5, 5, 7.51, 17.49, 20, 22.5], 3),
        ([0, 2.5, 5, 8.8, 11.3], 0),  # no whole multiple: they lie unevenly
        ([0, 1, 3], 0),  # too few to tell
        ([0], 0),
    ],
)
def test_slices_that_a_volume_lacks_are_counted(picture, write_slice, heights, missing):
    image = picture(48, 32, dtype="int16")
    files = [
        write_slice(image, f"{index}.dcm", ImageOrientationPatient=AXIAL, ImagePositionPatient=[0, 0, height])
        for index, height in enumerate(heights)
    ]
    with open_dicom(tuple(files)) as source:
        assert (source.info.planes, source.info.missing_tiles) == (len(heights), missing)


def test_directions_of_a_real_series_are_scenes_by_instance_number(shared_data, pixels):
    (scan,) = series(shared_data, "dicomdir/98892003/MR700")
    datasets = sorted(map(pydicom.dcmread, scan.files), key=lambda one: one.InstanceNumber)
    with open_dicom(scan.files) as source:
        assert (source.info.scenes, source.info.planes) == (7, 1)
    for scene, dataset in enumerate(datasets):
        np.testing.assert_array_equal(pixels(*scan.files, scene=scene)[..., 0], dataset.pixel_array)
    with pytest.raises(NotFound):
        open_dicom(scan.files, 7)


def test_radiographs_are_shown_the_right_way_round_and_have_no_guessed_size(shared_data):
    (scan,) = series(shared_data, "dicomdir/77654033/CR1")
    with open_dicom(scan.files) as source:
        assert source.info.mpp is None  # what is stated is the size of the detector's elements
        low, high = source.info.channels[0].window
    assert low > high  # MONOCHROME1
    dataset = pydicom.dcmread(scan.files[0])
    assert low * dataset.RescaleSlope + dataset.RescaleIntercept == pytest.approx(1600 - 0.5 + 2799 / 2)


def test_heights_are_measured_along_the_normal(picture, write_slice, pixels):
    images = [picture(48, 32, dtype="int16", seed=seed) for seed in range(4)]
    files = [
        write_slice(
            images[z],
            f"{name}.dcm",
            InstanceNumber=name,
            ImageOrientationPatient=OBLIQUE,
            # along the normal, and shifted along the rows, which does not matter
            ImagePositionPatient=[-0.8 * 3 * z + 0.6 * name, 0.6 * 3 * z + 0.8 * name, 7],
            PixelSpacing=[0.5, 0.5],
        )
        for name, z in enumerate([2, 0, 3, 1])
    ]
    with open_dicom(files) as source:
        assert (source.info.planes, source.info.plane_spacing) == (4, pytest.approx(3_000))
    for z, image in enumerate(images):
        np.testing.assert_array_equal(pixels(*files, plane=Plane(z=z))[..., 0], image)


@pytest.mark.parametrize(
    ("keyword", "values", "shape"),
    [
        ("EchoTime", [80.0, 20.0], (1, 2)),
        ("TemporalPositionIdentifier", [9, 4], (2, 1)),
        ("AcquisitionNumber", [2, 1], (2, 1)),
    ],
)
def test_pictures_of_one_place_are_told_apart(picture, write_slice, pixels, keyword, values, shape):
    images = {}
    files = []
    for second, value in enumerate(values):
        for z in range(3):
            image = images[second, z] = picture(48, 32, dtype="uint16", seed=100 * second + z)
            place = {"ImageOrientationPatient": AXIAL, "ImagePositionPatient": [0, 0, 2.0 * z]}
            files.append(write_slice(image, f"{len(files)}.dcm", **{keyword: value}, **place))
    with open_dicom(files) as source:
        info = source.info
        assert (info.times, len(info.channels), info.planes) == (*shape, 3)
        if keyword == "EchoTime":
            assert [channel.name for channel in info.channels] == ["Echo 20 ms", "Echo 80 ms"]
    for (second, z), image in images.items():
        rank = 1 - second  # the later value came first
        plane = Plane(c=rank, z=z) if keyword == "EchoTime" else Plane(t=rank, z=z)
        np.testing.assert_array_equal(pixels(*files, plane=plane)[..., 0], image)


def test_pictures_that_nothing_tells_apart_are_refused(picture, write_slice):
    place = {"ImageOrientationPatient": AXIAL, "ImagePositionPatient": [0, 0, 2.0]}
    files = [write_slice(picture(48, 32, seed=seed), f"{seed}.dcm", **place) for seed in range(2)]
    with pytest.raises(Unsupported, match="same place"):
        open_dicom(files)


def enhanced(places, times=None):
    """Give the functional groups of an enhanced multi-frame file."""

    def change(dataset):
        dataset.SharedFunctionalGroupsSequence = Sequence(
            [
                item(
                    PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=AXIAL)]),
                    PixelMeasuresSequence=Sequence([item(PixelSpacing=[0.7, 0.6])]),
                    PixelValueTransformationSequence=Sequence([item(RescaleSlope=2, RescaleIntercept=-100)]),
                    FrameVOILUTSequence=Sequence([item(WindowCenter=50.5, WindowWidth=201)]),
                )
            ]
        )
        frames = []
        for number, z in enumerate(places):
            frame = item(PlanePositionSequence=Sequence([item(ImagePositionPatient=[0, 0, z])]))
            if times is not None:
                frame.FrameContentSequence = Sequence([item(TemporalPositionIndex=times[number])])
            frames.append(frame)
        dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)

    return change


def test_an_enhanced_file_is_a_volume(picture, write_slice, pixels):
    images = [picture(48, 32, dtype="int16", seed=seed) for seed in range(3)]
    path = write_slice([images[1], images[2], images[0]], "e.dcm", change=enhanced([5.0, 6.25, 3.75]))
    with open_dicom([path]) as source:
        info = source.info
    assert (info.planes, info.times, info.plane_spacing) == (3, 1, pytest.approx(1_250))
    assert (info.mpp.x, info.mpp.y) == (pytest.approx(600), pytest.approx(700))
    assert info.channels[0].window == ((50 - 100 + 100) / 2, (50 + 100 + 100) / 2)
    for z, image in enumerate(images):
        np.testing.assert_array_equal(pixels(path, plane=Plane(z=z))[..., 0], image)


def test_an_enhanced_file_has_times(picture, write_slice, pixels):
    images = [picture(48, 32, seed=seed) for seed in range(4)]
    path = write_slice(images, "e.dcm", change=enhanced([1.0, 2.0, 1.0, 2.0], times=[1, 1, 2, 2]))
    with open_dicom([path]) as source:
        assert (source.info.planes, source.info.times) == (2, 2)
    np.testing.assert_array_equal(pixels(path, plane=Plane(t=1, z=0))[..., 0], images[2])


def test_frames_without_a_place_are_planes_or_a_film(picture, write_slice, pixels):
    images = [picture(48, 32, seed=seed) for seed in range(3)]
    for elements, shape in (({}, (3, 1)), ({"FrameTime": 40}, (1, 3))):
        path = write_slice(images, "film.dcm", **elements)
        with open_dicom([path]) as source:
            assert (source.info.planes, source.info.times) == shape
    np.testing.assert_array_equal(pixels(path, plane=Plane(t=2))[..., 0], images[2])


@pytest.mark.parametrize("place", ["nan\\0\\0", "1\\2", "x\\y\\z", "1e400\\0\\0"])
def test_places_that_are_no_numbers_are_refused(picture, write_slice, place):
    images = [picture(48, 32, seed=seed) for seed in range(2)]
    path = write_slice(images, "e.dcm", change=enhanced([1.0, 1234567.25]))
    stated = b"0.0\\0.0\\1234567.25"
    data = path.read_bytes()
    assert data.count(stated) == 1
    path.write_bytes(data.replace(stated, place.encode().ljust(len(stated))))
    with pytest.raises(Corrupt):
        open_dicom([path])


def test_a_directory_and_files_without_pictures_say_what_they_are(shared_data):
    radiology = shared_data / "slides/dicom-radiology/dicomdir"
    with pytest.raises(Unsupported, match="index"):
        open_dicom([radiology / "DICOMDIR"])
    with pytest.raises(Unsupported, match="no picture"):
        open_dicom([radiology / "TINY_ALPHA/PT000000/ST000000/SE000000/IM000000"])
    with pytest.raises(Unsupported, match="segmentation"):
        open_dicom([shared_data / "annotations/dicom-seg/seg_image_ct_binary.dcm"])
