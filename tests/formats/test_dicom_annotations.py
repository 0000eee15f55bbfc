"""DICOM Microscopy Bulk Simple Annotations. The oracles: highdicom, pydicom, shapely and dciodvfy."""

import io
import subprocess
from pathlib import Path
from uuid import UUID

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.color import CIELabColor
from highdicom.sr.coding import CodedConcept
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid
from shapely.geometry import shape

from pathserve.errors import Invalid, PathServeError, TooLarge, Unsupported
from pathserve.formats import registry
from pathserve.formats.contract import HEAD_BYTES, ReadContext, SlideFrame, WriteContext
from pathserve.formats.dicom.cielab import color_of, to_cielab
from pathserve.formats.dicom.dicom import DICOM_ANN
from pathserve.formats.tools.drawn_shapes import ELLIPSE, SHAPE, ellipse_property, ellipse_ring
from pathserve.geometry import Mpp
from pathserve.labels import AnnotationClass, ClassSchema, CodedTerm, Columns, NewAnnotation

REAL = Path(__file__).resolve().parents[3] / "shared/data/annotations/dicom-ann/sm_annotations.dcm"
SLIDE = Path(__file__).resolve().parents[3] / "shared/data/slides/dicom-wsm/highdicom/sm_image.dcm"
needs_data = pytest.mark.usefixtures("shared_data")

TUMOR = CodedTerm("SCT", "108369006", "Neoplasm")
SCHEMA = ClassSchema((AnnotationClass("Tumor", (200, 0, 0), 1, code=TUMOR),))
SQUARE = [[0.1, 0.0], [10.5, 0.0], [10.5, 10.25], [0.1, 10.25], [0.1, 0.0]]
HOLE = [[2.0, 2.0], [2.0, 4.0], [4.0, 4.0], [4.0, 2.0], [2.0, 2.0]]
BOX = [[0.0, 0.0], [4.0, 0.0], [4.0, 2.0], [0.0, 2.0], [0.0, 0.0]]
ROUND = (50.0, 60.0, 10.0, 20.0, 30.0)
SHAPES = [
    ({"type": "Polygon", "coordinates": [SQUARE]}, {}),
    ({"type": "Polygon", "coordinates": [SQUARE, HOLE]}, {"score": 0.5}),
    ({"type": "MultiPolygon", "coordinates": [[SQUARE], [HOLE]]}, {"name": "é"}),
    ({"type": "Point", "coordinates": [1.5, 2.0]}, {}),
    ({"type": "MultiPoint", "coordinates": [[1.5, 2.0], [3.0, 4.0]]}, {}),
    ({"type": "LineString", "coordinates": [[1.5, 2.0], [3.0, 4.0]]}, {"measurements": {"Length": 3}}),
    ({"type": "Polygon", "coordinates": [BOX]}, {SHAPE: "rectangle"}),
    ({"type": "Polygon", "coordinates": [ellipse_ring(*ROUND)]}, {ELLIPSE: ellipse_property(*ROUND)}),
    ({"type": "Point", "coordinates": [1.0, 2.0, 3.0]}, {}),
    ({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1.0, 2.0]},
                                                   {"type": "Polygon", "coordinates": [SQUARE]}]}, {}),
]  # fmt: skip


def sample():
    return [
        NewAnnotation(geometry, UUID(int=77 + place), ["Tumor", None, "other"][place % 3], properties=properties)
        for place, (geometry, properties) in enumerate(SHAPES * 2)
    ]


def write(annotations, **options):
    out = io.BytesIO()
    context = WriteContext(schema=SCHEMA, options=options)
    DICOM_ANN.write(iter([Columns.of(annotations)] if annotations else []), out, context)
    return out.getvalue(), {code: count for code, _, count in context.losses.items()}


def read(path, **context):
    made = ReadContext(**context)
    found = []
    for item in DICOM_ANN.read(path, made):
        found.extend([item.new_annotation(row) for row in range(len(item))] if isinstance(item, Columns) else [item])
    return found, made


def _file(path, data):
    path.write_bytes(data)
    return path


def test_our_own_export_comes_back_whole(tmp_path):
    data, losses = write(sample())
    assert registry.recognise(data[:HEAD_BYTES]) is DICOM_ANN
    found, context = read(_file(tmp_path / "file", data))
    assert sorted(found, key=lambda a: a.id.int) == sample()
    assert context.losses.items() == []
    assert set(losses) == {"made_up_uids", "private_members"}
    assert context.codes == {"Tumor": TUMOR}
    assert context.colors == {"Tumor": (200, 0, 0)}


@given(st.tuples(*[st.integers(0, 255)] * 3))
@example((0, 0, 0))
@example((255, 255, 255))
def test_colours_are_those_of_highdicom_and_come_back(color):
    stated = Dataset()
    stated.RecommendedDisplayCIELabValue = to_cielab(color)
    np.testing.assert_allclose(to_cielab(color), CIELabColor.from_rgb(*color).value, atol=8)
    assert color_of(stated) == color


@pytest.mark.parametrize("values", [None, [1, 2], 7])
def test_what_is_no_colour_is_none(values):
    stated = Dataset()
    if values is not None:
        stated.RecommendedDisplayCIELabValue = values
    assert color_of(stated) is None


def test_highdicom_opens_our_export(tmp_path):
    data, _ = write(sample())
    opened = highdicom.ann.annread(_file(tmp_path / "file.dcm", data))
    assert opened.annotation_coordinate_type.value == "2D"
    outlines = []
    for group in opened.get_annotation_groups():
        outlines.extend((group.graphic_type.value, item) for item in group.get_graphic_data("2D"))
        if group.label == "Tumor":
            assert group.annotated_property_type == CodedConcept("108369006", "SCT", "Neoplasm")
            stated = CIELabColor.from_dicom_value(tuple(group.RecommendedDisplayCIELabValue))
            np.testing.assert_allclose(stated.to_rgb(), (200, 0, 0), atol=1)
    # One for each part: 13 polygons and boxes, 2 x 1 ellipse, 2 x (1 + 2 + 1 + 1) points, 2 x 1 lines.
    kinds = [kind for kind, _ in outlines]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "POLYGON": 10, "RECTANGLE": 2, "ELLIPSE": 2, "POINT": 10, "POLYLINE": 2
    }  # fmt: skip
    polygons = [item.tolist() for kind, item in outlines if kind == "POLYGON"]
    assert polygons.count(SQUARE[:-1]) == 8
    ellipse = next(item for kind, item in outlines if kind == "ELLIPSE")
    np.testing.assert_allclose(ellipse.mean(axis=0), ROUND[:2])
    assert np.hypot(*(ellipse[1] - ellipse[0])) == pytest.approx(40)
    assert np.hypot(*(ellipse[3] - ellipse[2])) == pytest.approx(20)


def test_labels_that_dicom_cannot_hold_are_changed_and_counted(tmp_path):
    names = ["A\\B", "x" * 65, "y" * 64]
    given = [NewAnnotation({"type": "Point", "coordinates": [1.0, 2.0]}, class_name=name) for name in names]
    data, losses = write(given)
    path = _file(tmp_path / "file.dcm", data)
    groups = highdicom.ann.annread(path).get_annotation_groups()
    expected = ["A/B", "x" * 64, "y" * 64]
    assert [group.label for group in groups] == expected
    assert [group.annotated_property_type.meaning for group in groups] == expected
    assert groups[0].annotated_property_type.value == "A/B"
    assert losses["label_changed"] == 2
    assert [a.class_name for a in read(path)[0]] == names


def test_the_validator_finds_no_error(tmp_path):
    path = _file(tmp_path / "file.dcm", write(sample())[0])
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False).stderr
    # It says so of every file without this element, too.
    known = "Error - Only valid for AnnotationCoordinateType of 3D - attribute <CommonZCoordinateValue> = <>"
    assert {line for line in said.splitlines() if line.startswith("Error")} <= {known}


@needs_data
def test_a_real_file():
    assert registry.recognise(REAL.read_bytes()[:HEAD_BYTES]) is DICOM_ANN
    found, context = read(REAL)
    dataset = pydicom.dcmread(REAL)
    group = dataset.AnnotationGroupSequence[0]
    places = np.frombuffer(group.DoublePointCoordinatesData, "<f8").reshape(-1, 2).tolist()
    assert [item.geometry for item in found] == [{"type": "Point", "coordinates": place} for place in places]
    areas = np.frombuffer(group.MeasurementsSequence[0].MeasurementValuesSequence[0].FloatingPointValues, "<f4")
    assert [item.properties["measurements"] for item in found] == [{"Area": float(area)} for area in areas]
    assert [item.class_name for item in found] == ["Nucleus"] * 2
    assert context.codes == {"Nucleus": CodedTerm("SCT", "84640000", "Nucleus")}
    about = found[0].properties["dicom"]
    assert about["group"] == "nuclei"
    assert about["generation"] == "MANUAL"
    assert about["category"] == {"system": "SCT", "code": "91723000", "meaning": "Anatomical Stucture"}
    assert about["measurements"]["Area"]["unit"]["code"] == "um2"
    assert "Test^Patient" not in str(found)


@needs_data
def test_what_a_real_file_says_stands_in_our_export_too(tmp_path):
    found, _ = read(REAL)
    path = _file(tmp_path / "file", write(found, study="1.2.3", series="1.2.4", instance="1.2.5")[0])
    again, _ = read(path)
    assert [(a.geometry, a.properties) for a in again] == [(a.geometry, a.properties) for a in found]
    group = highdicom.ann.annread(path).get_annotation_groups()[0]
    names, values, units = group.get_measurements()
    assert [name.meaning for name in names] == ["Area"]
    assert units[0].value == "um2"
    assert values[:, 0].tolist() == [a.properties["measurements"]["Area"] for a in found]
    assert pydicom.dcmread(path).ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.5"


def groups_of_highdicom(kind, graphic, data):
    algorithm = highdicom.AlgorithmIdentificationSequence(
        "made", CodedConcept("123110", "DCM", "Artificial Intelligence"), "v1"
    )
    return [
        highdicom.ann.AnnotationGroup(
            number=1,
            uid=generate_uid(),
            label="cells",
            annotated_property_category=CodedConcept("91723000", "SCT", "Anatomical Structure"),
            annotated_property_type=CodedConcept("4421005", "SCT", "Cell"),
            graphic_type=graphic,
            graphic_data=data,
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
        )
    ]


def file_of_highdicom(path, kind, graphic, data):
    made = highdicom.ann.MicroscopyBulkSimpleAnnotations(
        source_images=[highdicom.imread(SLIDE)],
        annotation_coordinate_type=kind,
        annotation_groups=groups_of_highdicom(kind, graphic, data),
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="n",
        software_versions="1",
        device_serial_number="1",
    )
    made.save_as(path)
    return path


TRIANGLES = [
    np.array([[1.0, 1.5], [9.0, 2.0], [4.0, 8.0]]),
    np.array([[20.0, 20.0], [30.0, 20.5], [30.0, 30.0], [21.0, 33.0]]),
]


@needs_data
@pytest.mark.parametrize("graphic", ["POLYGON", "POLYLINE", "POINT", "RECTANGLE", "ELLIPSE"])
def test_files_of_highdicom(tmp_path, graphic):
    data = {
        "POINT": [np.array([[1.0, 2.0]]), np.array([[3.0, 4.5]])],
        "RECTANGLE": [np.array([[1.0, 1.0], [5.0, 1.0], [5.0, 3.0], [1.0, 3.0]])],
        "ELLIPSE": [np.array([[10.0, 20.0], [30.0, 20.0], [20.0, 15.0], [20.0, 25.0]])],
    }.get(graphic, TRIANGLES)
    found, context = read(file_of_highdicom(tmp_path / "file", "2D", graphic, data))
    assert len(found) == len(data)
    assert context.codes == {"Cell": CodedTerm("SCT", "4421005", "Cell")}
    for item, points in zip(found, data, strict=True):
        assert item.properties["dicom"]["algorithm"] == {
            "family": {"system": "DCM", "code": "123110", "meaning": "Artificial Intelligence"},
            "name": "made",
            "version": "v1",
        }
        geometry, given = shape(item.geometry), points.tolist()
        if graphic == "ELLIPSE":
            assert geometry.bounds == pytest.approx((10, 15, 30, 25), abs=0.1)
            assert geometry.area == pytest.approx(np.pi * 10 * 5, rel=0.02)
        elif graphic in ("POLYGON", "RECTANGLE"):
            assert item.geometry["coordinates"] == [[*given, given[0]]]
        else:
            assert item.geometry["coordinates"] == (given[0] if graphic == "POINT" else given)


@needs_data
def test_millimetres_on_the_glass(tmp_path):
    """highdicom turns pixels into millimetres; we turn them back."""
    slide = pydicom.dcmread(SLIDE)
    spacing = slide.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    origin = slide.TotalPixelMatrixOriginSequence[0]
    position = (origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem, 0.0)
    to_glass = highdicom.spatial.ImageToReferenceTransformer(
        image_position=position, image_orientation=slide.ImageOrientationSlide, pixel_spacing=spacing
    )
    data = [to_glass(points) for points in TRIANGLES]
    path = file_of_highdicom(tmp_path / "file", "3D", "POLYGON", data)
    options = {
        "matrix_origin": f"{position[0]},{position[1]}",
        "matrix_orientation": ",".join(str(float(part)) for part in slide.ImageOrientationSlide),
    }
    frame = SlideFrame(mpp=Mpp(float(spacing[1]) * 1000, float(spacing[0]) * 1000))
    found, _ = read(path, slide=frame, options=options)
    for item, points in zip(found, TRIANGLES, strict=True):
        np.testing.assert_allclose(item.geometry["coordinates"][0][:-1], points, atol=1e-6)
    for missing in ({"options": options}, {"slide": frame, "options": {"matrix_origin": "1,2"}}):
        with pytest.raises(Invalid) as caught:
            read(path, **missing)
        assert caught.value.code == "slide_coordinates"
    for wrong in ("1", "a,b", "nan,1"):
        with pytest.raises(Invalid):
            read(path, slide=frame, options={**options, "matrix_origin": wrong})
    with pytest.raises(Invalid):
        read(path, slide=frame, options={**options, "matrix_orientation": "1,0,0,1,0,0"})


def changed(data, change):
    dataset = pydicom.dcmread(io.BytesIO(data))
    for group in dataset.AnnotationGroupSequence:
        if group.GraphicType == "POLYGON":
            change(group)
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def _set(name, value):
    return lambda group: setattr(group, name, value)


@pytest.mark.parametrize(
    "change",
    [
        _set("LongPrimitivePointIndexList", np.array([1], "<u4").tobytes()),
        _set("LongPrimitivePointIndexList", np.array([1, 2**32 - 1], "<u4").tobytes()),
        _set("LongPrimitivePointIndexList", np.array([9, 1], "<u4").tobytes()),
        _set("LongPrimitivePointIndexList", np.array([1, 4], "<u4").tobytes()),
        _set("LongPrimitivePointIndexList", np.array([3, 9], "<u4").tobytes()),
        _set("LongPrimitivePointIndexList", b"123"),
        _set("NumberOfAnnotations", 2**32 - 1),
        _set("NumberOfAnnotations", 1),
        _set("DoublePointCoordinatesData", b"12345678" * 3),
        _set("GraphicType", "SPIRAL"),
        lambda group: group.__delitem__("LongPrimitivePointIndexList"),
        lambda group: group.__delitem__("DoublePointCoordinatesData"),
        lambda group: group.__delitem__("GraphicType"),
    ],
)
def test_counts_and_indices_that_lie(tmp_path, change):
    polygons = [NewAnnotation({"type": "Polygon", "coordinates": [SQUARE]})] * 2
    path = _file(tmp_path / "file", changed(write(polygons)[0], change))
    with pytest.raises((Invalid, Unsupported, TooLarge)):
        read(path)


def test_files_that_were_cut_off_or_damaged(tmp_path):
    data, _ = write(sample())
    random = np.random.default_rng(3)
    for turn in range(60):
        broken = bytearray(data)
        for place in random.integers(0, len(data), 5):
            broken[place] = random.integers(256)
        if turn % 3 == 0:
            del broken[random.integers(200, len(data) - 1) :]
        try:
            found, _ = read(_file(tmp_path / "file", bytes(broken)))
        except PathServeError:
            continue
        assert len(found) <= 40


@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "delimiters"])
def test_no_file_that_was_cut_off_is_read_in_part(tmp_path, undefined):
    dataset = pydicom.dcmread(_file(tmp_path / "whole", write(sample())[0]))
    groups = dataset["AnnotationGroupSequence"]
    groups.is_undefined_length = undefined
    for item in groups.value:
        item.is_undefined_length_sequence_item = undefined
    dataset.save_as(tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    read_whole = 0
    for end in {*range(200, len(data), 41), *range(len(data) - 40, len(data) + 1)}:
        try:
            found, _ = read(_file(tmp_path / "file", data[:end]))
        except PathServeError:
            continue
        assert len(found) == len(sample())  # what is cut off stands behind the objects
        read_whole += 1
    assert 0 < read_whole < 40


def test_limits_and_what_is_not_read(tmp_path):
    path = _file(tmp_path / "file", write(sample())[0])
    with pytest.raises(TooLarge):
        read(path, max_features=10)
    dataset = pydicom.dcmread(path)
    dataset.PixelOriginInterpretation = "FRAME"
    dataset.save_as(path)
    with pytest.raises(Unsupported):
        read(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    with pytest.raises(Unsupported):
        read(path)
    with pytest.raises(Invalid):
        write(sample(), study="no identifier")


def test_nothing_to_write(tmp_path):
    assert read(_file(tmp_path / "file", write([])[0]))[0] == []
