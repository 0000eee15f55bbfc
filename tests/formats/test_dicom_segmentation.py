"""DICOM segmentations. The oracles: highdicom, pydicom, dciodvfy, and the pixels of drawn masks."""

import io
import subprocess
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.sr.coding import CodedConcept
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from pathserve.errors import Invalid, PathServeError, TooLarge, Unsupported
from pathserve.formats import registry
from pathserve.formats.contract import HEAD_BYTES, ReadContext, SlideFrame, WriteContext
from pathserve.formats.dicom.dicom import DICOM_SEG
from pathserve.geometry import Mpp, Size
from pathserve.labels import AnnotationClass, ClassSchema, CodedTerm, Columns, NewAnnotation
from pathserve.masks import rasterize

DATA = Path(__file__).resolve().parents[3] / "shared/data"
DOTS = DATA / "annotations" / "dicom-seg" / "seg_image_sm_dots.dcm"
SLIDE = DATA / "slides" / "dicom-wsm" / "highdicom" / "sm_image.dcm"
needs_data = pytest.mark.usefixtures("shared_data")

SCHEMA = ClassSchema((AnnotationClass("Tumor", (9, 9, 9), 1, code=CodedTerm("SCT", "108369006", "Neoplasm")),))
WIDTH, HEIGHT = 1300, 1100
FRAME = SlideFrame(Size(WIDTH, HEIGHT), Mpp(0.25, 0.25))


def polygon(*rings):
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]] for ring in rings]}


SHAPES = [
    ("Tumor", polygon([[10.2, 10], [600, 40], [700, 900], [20, 700]], [[100, 100], [300, 110], [200, 300]])),
    ("Tumor", polygon([[1200, 1000], [1299, 1000], [1299, 1099.5]])),
    (None, polygon([[400, 400], [900, 500], [500, 1050]])),
    ("Tumor", {"type": "Point", "coordinates": [5, 5]}),
]


def write(annotations=None, frame=FRAME, **options):
    out = io.BytesIO()
    context = WriteContext(frame, schema=SCHEMA, options=options)
    made = [
        NewAnnotation(geometry, class_name=name) for name, geometry in (SHAPES if annotations is None else annotations)
    ]
    DICOM_SEG.write(iter([Columns.of(made)] if made else []), out, context)
    return out.getvalue(), {code: count for code, _, count in context.losses.items()}


def read(path, **context):
    made = ReadContext(**context)
    found = []
    for item in DICOM_SEG.read(path, made):
        found.extend([item.new_annotation(row) for row in range(len(item))] if isinstance(item, Columns) else [item])
    return found, made


def _file(path, data):
    path.write_bytes(data)
    return path


def redrawn(found, names, width, height, downsample=1):
    """One mask for each class."""
    return {
        name: rasterize(
            [a.geometry for a in found if a.class_name == name],
            [1] * sum(a.class_name == name for a in found),
            (0, 0, width, height),
            downsample,
        )
        for name in names
    }


@pytest.mark.parametrize("downsample", [1, 4])
def test_our_own_export_comes_back_to_the_pixel(tmp_path, downsample):
    data, losses = write(downsample=str(downsample))
    assert registry.recognise(data[:HEAD_BYTES]) is DICOM_SEG
    assert losses == {"no_area": 1, "rasterized": 4, "made_up_uids": 1, "made_up_position": 1}
    found, context = read(_file(tmp_path / "file", data), slide=FRAME)
    width, height = -(-WIDTH // downsample), -(-HEIGHT // downsample)
    masks = redrawn(found, ["Neoplasm", "unclassified"], width, height, downsample)
    for name, ours in (("Neoplasm", "Tumor"), ("unclassified", None)):
        shapes = [geometry for known, geometry in SHAPES if known == ours]
        expected = rasterize(shapes, [1] * len(shapes), (0, 0, width, height), downsample)
        np.testing.assert_array_equal(masks[name], expected)
    assert context.codes["Neoplasm"] == SCHEMA.get("Tumor").code
    assert context.colors["Neoplasm"] == SCHEMA.get("Tumor").color
    assert [code for code, _, _ in context.losses.items()] == (["scaled"] if downsample == 4 else [])


def test_highdicom_opens_our_export(tmp_path):
    opened = highdicom.seg.segread(_file(tmp_path / "file.dcm", write(downsample="2")[0]))
    labels = [segment.SegmentLabel for segment in opened.SegmentSequence]
    assert sorted(labels) == ["Tumor", "unclassified"]
    theirs = opened.get_total_pixel_matrix(combine_segments=False)
    for index, label in enumerate(labels):
        name = "Tumor" if label == "Tumor" else None
        shapes = [geometry for known, geometry in SHAPES if known == name]
        expected = rasterize(shapes, [1] * len(shapes), (0, 0, WIDTH // 2, HEIGHT // 2), 2)
        np.testing.assert_array_equal(theirs[:, :, index], expected)


def test_labels_that_dicom_cannot_hold_are_changed_and_counted(tmp_path):
    square = SHAPES[0][1]
    data, losses = write([("A\\B", square), ("x" * 65, square)], downsample="2")
    path = _file(tmp_path / "file.dcm", data)
    expected = ["A/B", "x" * 64]
    assert [segment.SegmentLabel for segment in highdicom.seg.segread(path).SegmentSequence] == expected
    assert losses["label_changed"] == 2
    assert [a.class_name for a in read(path, slide=FRAME)[0]] == expected


def test_the_validator_finds_no_error(tmp_path):
    path = _file(tmp_path / "file.dcm", write(downsample="2")[0])
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False).stderr
    assert [line for line in said.splitlines() if line.startswith("Error")] == []


def test_what_an_export_needs():
    for frame, options, code in (
        (FRAME, {}, "choose_downsample"),
        (SlideFrame(Size(10, 10)), {"downsample": "1"}, "no_size"),
        (SlideFrame(mpp=Mpp(1, 1)), {"downsample": "1"}, "no_size"),
        (FRAME, {"downsample": "x"}, "bad_option"),
        (FRAME, {"downsample": "0"}, "bad_option"),
    ):
        with pytest.raises((Unsupported, Invalid)) as caught:
            write(frame=frame, **options)
        assert caught.value.code == code
    with pytest.raises(Invalid):
        write([], downsample="1")


@needs_data
def test_a_real_file_with_fifty_segments():
    assert registry.recognise(DOTS.read_bytes()[:HEAD_BYTES]) is DICOM_SEG
    found, context = read(DOTS)
    opened = highdicom.seg.segread(DOTS)
    theirs = opened.get_total_pixel_matrix(combine_segments=False)
    for number in opened.segment_numbers:
        mine = [a.geometry for a in found if a.properties["dicom"]["segment"] == number]
        drawn = rasterize(mine, [1] * len(mine), (0, 0, theirs.shape[1], theirs.shape[0]))
        np.testing.assert_array_equal(drawn, theirs[:, :, number - 1])
    assert {a.class_name for a in found} == {"Connective tissue"}
    assert context.codes == {"Connective tissue": CodedTerm("SCT", "21793004", "Connective tissue")}
    assert found[0].properties["dicom"]["algorithm"]["name"] == "test"


@needs_data
@pytest.mark.parametrize("name", ["seg_image_ct_binary.dcm", "seg_image_ct_binary_overlap.dcm"])
def test_slices_in_a_patient_are_refused(name):
    path = DOTS.parent / name
    assert registry.recognise(path.read_bytes()[:HEAD_BYTES]) is DICOM_SEG
    with pytest.raises(Unsupported) as caught:
        read(path)
    assert caught.value.code == "not_a_slide"


def segmentation_of_highdicom(path, pixels, kind, **options):
    descriptions = [
        highdicom.seg.SegmentDescription(
            segment_number=number + 1,
            segment_label=f"part {number}",
            segmented_property_category=CodedConcept("91723000", "SCT", "Anatomical Structure"),
            segmented_property_type=CodedConcept(str(1000 + number), "99TEST", f"Thing {number}"),
            algorithm_type="MANUAL",
        )
        for number in range(2)
    ]
    made = highdicom.seg.Segmentation(
        source_images=[highdicom.imread(SLIDE)],
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="n",
        software_versions="1",
        device_serial_number="1",
        tile_pixel_array=True,
        **options,
    )
    made.save_as(path)
    return path


@needs_data
@pytest.mark.parametrize("full", ["TILED_FULL", "TILED_SPARSE"])
@pytest.mark.parametrize(
    ("kind", "syntax"),
    [  # single bits are never compressed
        ("BINARY", ExplicitVRLittleEndian),
        ("FRACTIONAL", ExplicitVRLittleEndian),
        ("FRACTIONAL", RLELossless),
        ("LABELMAP", ExplicitVRLittleEndian),
        ("LABELMAP", RLELossless),
    ],
)
def test_files_of_highdicom(tmp_path, kind, full, syntax):
    random = np.random.default_rng(4)
    coarse = random.random((2, 10, 10)) > 0.6
    masks = np.kron(coarse, np.ones((5, 5), bool)).transpose(1, 2, 0)
    if kind == "LABELMAP":
        masks[:, :, 1] &= ~masks[:, :, 0]
    pixels = masks.astype(np.uint8)[None]
    if kind == "FRACTIONAL":
        pixels = np.where(masks, 0.75, 0.25).astype(np.float32)[None]
    path = segmentation_of_highdicom(
        tmp_path / "file",
        pixels,
        kind,
        dimension_organization_type=full,
        transfer_syntax_uid=syntax,
        omit_empty_frames=full == "TILED_SPARSE",
    )
    found, context = read(path)
    for number in range(2):
        mine = [a.geometry for a in found if a.class_name == f"Thing {number}"]
        drawn = rasterize(mine, [1] * len(mine), (0, 0, 50, 50))
        np.testing.assert_array_equal(drawn, masks[:, :, number])
    assert [code for code, _, _ in context.losses.items()] == (["thresholded"] if kind == "FRACTIONAL" else [])
    if kind == "FRACTIONAL":
        assert read(path, options={"threshold": "0.9"})[0] == []
        with pytest.raises(Invalid):
            read(path, options={"threshold": "0"})


def test_scale_is_what_both_files_state(tmp_path):
    path = _file(tmp_path / "file", write(downsample="4")[0])
    slide = SlideFrame(Size(WIDTH, HEIGHT), Mpp(0.2501, 0.2501))
    by_ratio, context = read(path, slide=slide)
    stated, _ = read(path, options={"downsample": "4"})
    assert [a.geometry for a in by_ratio] == [a.geometry for a in stated]
    assert [code for code, _, _ in context.losses.items()] == ["scaled"]
    unknown, _ = read(path)
    assert unknown[0].geometry["coordinates"][0][0][0] * 4 == stated[0].geometry["coordinates"][0][0][0]
    for wrong in ("0", "nan", "x"):
        with pytest.raises(Invalid):
            read(path, options={"downsample": wrong})


def changed(data, change):
    dataset = pydicom.dcmread(io.BytesIO(data))
    change(dataset)
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def _set(name, value):
    return lambda dataset: setattr(dataset, name, value)


@pytest.mark.parametrize(
    "change",
    [
        _set("NumberOfFrames", 2**31 - 1),
        _set("NumberOfFrames", 0),
        _set("Rows", 65_535),
        _set("TotalPixelMatrixColumns", 2**32 - 1),
        _set("TotalPixelMatrixColumns", 0),
        _set("PixelData", b"12"),
        _set("BitsAllocated", 32),
        _set("SegmentationType", "ROUND"),
        _set("DimensionOrganizationType", "TILED_FULL"),
        lambda d: d.__delitem__("PixelData"),
        lambda d: d.__delitem__("SegmentSequence"),
        lambda d: d.SegmentSequence.append(d.SegmentSequence[0]),
        lambda d: d.PerFrameFunctionalGroupsSequence.pop(),
        lambda d: setattr(
            d.PerFrameFunctionalGroupsSequence[0].PlanePositionSlideSequence[0],
            "ColumnPositionInTotalImagePixelMatrix",
            -5,
        ),
        lambda d: setattr(
            d.PerFrameFunctionalGroupsSequence[0].PlanePositionSlideSequence[0],
            "RowPositionInTotalImagePixelMatrix",
            2**31 - 1,
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom tells of some of these lies when it writes them
def test_sizes_and_places_that_lie(tmp_path, change):
    path = _file(tmp_path / "file", changed(write(downsample="2")[0], change))
    with pytest.raises((Invalid, Unsupported, TooLarge)):
        read(path)


def test_files_that_were_cut_off_or_damaged(tmp_path):
    data, _ = write(downsample="8")
    random = np.random.default_rng(3)
    for turn in range(60):
        broken = bytearray(data)
        for place in random.integers(0, min(len(data), 6000), 4):
            broken[place] = random.integers(256)
        if turn % 3 == 0:
            del broken[random.integers(200, len(data) - 1) :]
        try:
            read(_file(tmp_path / "file", bytes(broken)), max_features=1000)
        except PathServeError:
            continue
