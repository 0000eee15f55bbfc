"""Label masks. The oracles: the pixels themselves, drawn again; tifffile and Pillow as writers."""

import io
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from pathserve.errors import Invalid, PathServeError, TooLarge, Unsupported
from pathserve.formats import registry
from pathserve.formats.contract import HEAD_BYTES, ReadContext
from pathserve.formats.rasters import label_tiff, traced
from pathserve.formats.rasters.label_mask import LABEL_MASK
from pathserve.labels import Columns, FeatureIssue
from pathserve.masks import encode_npy, encode_npz, encode_png, rasterize
from pathserve.masks.vectorize import vectorize

DATA = Path(__file__).resolve().parents[3] / "shared/data/annotations"
needs_data = pytest.mark.usefixtures("shared_data")
INSTANCE = {"kind": "instance"}


def read(path, context=None, **options):
    made = context or ReadContext(options=options)
    found = []
    for item in LABEL_MASK.read(path, made):
        found.extend([item.new_annotation(row) for row in range(len(item))] if isinstance(item, Columns) else [item])
    return found


def redrawn(found, shape, values, dtype=np.int64):
    return rasterize([a.geometry for a in found], values, (0, 0, shape[1], shape[0]), dtype=dtype)


def blobs(height=300, width=260, seed=0, most=400):
    """Labels in patches, some of several parts."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, most, (height // 10 + 1, width // 10 + 1))
    coarse[random.random(coarse.shape) < 0.4] = 0
    return np.kron(coarse, np.ones((10, 10), np.int64))[:height, :width]


def npz(path, **members):
    np.savez_compressed(path, **members)
    return path.with_suffix(".npz") if path.suffix != ".npz" else path


@needs_data
def test_a_real_instance_mask():
    path = DATA / "histolytics" / "hgsc_nest_inst_mask.npz"
    assert registry.recognise(path.read_bytes()[:HEAD_BYTES]) is LABEL_MASK
    mask = np.load(path)["nuc_raster"]
    with pytest.raises(Invalid) as caught:
        read(path)
    assert caught.value.code == "choose_kind"
    found = read(path, **INSTANCE)
    assert len(found) == 1294
    labels = [a.properties["original_id"] for a in found]
    assert sorted(labels) == np.unique(mask)[1:].tolist()
    np.testing.assert_array_equal(redrawn(found, mask.shape, labels), mask)


@needs_data
def test_a_real_class_mask():
    path = DATA / "histolytics" / "hgsc_nest_type_mask.npz"
    mask = np.load(path)["nuc_raster"]
    names = {f"type {value}": value for value in np.unique(mask[mask > 0]).tolist()}
    found = read(path, classes=",".join(f"{name}={value}" for name, value in names.items()))
    np.testing.assert_array_equal(redrawn(found, mask.shape, [names[a.class_name] for a in found]), mask)
    with pytest.raises(Invalid) as caught:
        read(path, classes="type 1=1")
    assert caught.value.code == "unnamed_value"


@needs_data
def test_a_real_class_mask_with_its_table(tmp_path):
    (path,) = (DATA / "histomicstk").glob("*.png")
    assert registry.recognise(path.read_bytes()[:HEAD_BYTES]) is LABEL_MASK
    context = ReadContext()
    found = read(path, context)
    mask = np.asarray(Image.open(path))
    codes = {"mostly_tumor": 1, "mostly_stroma": 2, "mostly_lymphocytic_infiltrate": 3, "exclude": 7,
             "normal_acinus_or_duct": 13, "blood_vessel": 18}  # fmt: skip
    assert {a.class_name for a in found} == set(codes)
    np.testing.assert_array_equal(redrawn(found, mask.shape, [codes[a.class_name] for a in found]), mask)
    assert context.colors["mostly_stroma"] == (255, 125, 0)
    alone = shutil.copy(path, tmp_path / "mask.png")
    with pytest.raises(Invalid) as caught:
        read(Path(alone))
    assert caught.value.code == "choose_kind"


def test_a_pair_of_our_own_brings_its_class_map(tmp_path):
    mask = np.zeros((40, 50), np.uint8)
    mask[3:9, 4:20], mask[20:30, 10:30], mask[35:] = 1, 7, 255
    path = tmp_path / "pair.npz"
    classes = np.array('{"Tumor":1,"Stroma":7}')
    path.write_bytes(encode_npz({"image": np.zeros((40, 50, 3), np.uint8), "mask": mask, "classes": classes}))
    found = read(path)
    assert sorted(a.class_name for a in found) == ["Stroma", "Tumor"]
    values = [{"Tumor": 1, "Stroma": 7}[a.class_name] for a in found]
    # What nobody looked at is no object.
    np.testing.assert_array_equal(redrawn(found, mask.shape, values), np.where(mask == 255, 0, mask))


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<i4", ">u4", "<i8"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tile": (64, 48)},
        {"rowsperstrip": 7},
        {"compression": "zlib", "tile": (64, 64)},
        {"compression": "zlib", "predictor": True, "rowsperstrip": 50},
        {"compression": "lzw", "tile": (64, 64), "predictor": True},
        {"compression": "zstd", "tile": (32, 64)},
        {"compression": "packbits", "rowsperstrip": 11},
        {"bigtiff": True, "tile": (128, 128)},
    ],
    ids=str,
)
def test_tiff_of_every_kind(tmp_path, dtype, options):
    mask = blobs(most=200).astype(dtype)
    path = tmp_path / "mask.tif"
    if mask.itemsize == 8:
        options = {key: value for key, value in options.items() if key != "predictor"}
    tifffile.imwrite(path, mask, byteorder=dtype[0] if dtype[0] in "<>" else None, **options)
    assert registry.recognise(path.read_bytes()[:HEAD_BYTES]) is LABEL_MASK
    bands = list(label_tiff.open_tiff(path).bands())
    np.testing.assert_array_equal(np.concatenate(bands), mask)
    found = read(path, **INSTANCE)
    np.testing.assert_array_equal(redrawn(found, mask.shape, [a.properties["original_id"] for a in found]), mask)


@pytest.mark.parametrize("name", ["png", "npy", "npz"])
def test_other_containers(tmp_path, name):
    mask = blobs(most=60_000).astype(np.uint32)
    path = tmp_path / f"mask.{name}"
    path.write_bytes({"png": encode_png, "npy": encode_npy, "npz": lambda m: encode_npz({"m": m})}[name](mask))
    assert registry.recognise(path.read_bytes()[:HEAD_BYTES]) is LABEL_MASK
    found = read(path, **INSTANCE)
    np.testing.assert_array_equal(redrawn(found, mask.shape, [a.properties["original_id"] for a in found]), mask)


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda s: arrays(np.int32, s, elements=st.integers(0, 3))),
    st.lists(st.integers(0, 9), max_size=4),
)
def test_labels_of_several_parts_are_one_object_however_the_bands_fall(image, cuts):
    bands = np.split(image, sorted(min(cut, len(image)) for cut in cuts))
    found = list(traced.trace_labels(lambda: bands))
    labels = [label for part in found for label in part.labels.tolist()]
    assert sorted(labels) == vectorize(image, merge=True).labels.tolist()
    items = [
        item
        for part in found
        for item in traced.items_of_traced(part, lambda n: traced.Row(None, None, {}), ReadContext())
    ]
    shapes = [item.geometry(row) for item in items for row in range(len(item))]
    np.testing.assert_array_equal(
        rasterize(shapes, labels, (0, 0, image.shape[1], image.shape[0]), dtype=np.int32), image
    )


def test_large_objects_and_many_objects_are_refused(tmp_path):
    path = tmp_path / "mask.npy"
    path.write_bytes(encode_npy(blobs()))
    with pytest.raises(TooLarge):
        read(path, ReadContext(options=INSTANCE, max_features=5))
    found = read(path, ReadContext(options=INSTANCE, max_vertices=5))
    assert {a.code for a in found if isinstance(a, FeatureIssue)} == {"too_many_vertices"}
    assert any(not isinstance(a, FeatureIssue) for a in found)


def test_options_that_make_no_sense(tmp_path):
    path = tmp_path / "mask.npy"
    path.write_bytes(encode_npy(blobs()))
    for options in ({"kind": "x"}, {"kind": "class"}, {"classes": "a"}, {"classes": "a=1,b=1"}, {"classes": "=1"}):
        with pytest.raises(Invalid):
            read(path, **options)
    both = npz(tmp_path / "two.npz", a=blobs(), b=blobs())
    with pytest.raises(Invalid) as caught:
        read(both, **INSTANCE)
    assert caught.value.code == "choose_member"
    assert len(read(both, member="b", **INSTANCE)) > 100


# ------------------------------------------------------------------------------------------------ hostile files


def header_only_png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_png_that_lies(tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(header_only_png(100_000, 100_000))
    with pytest.raises(TooLarge):
        read(path, **INSTANCE)
    path.write_bytes(header_only_png(2000, 2000))
    with pytest.raises(Invalid):
        read(path, **INSTANCE)
    Image.new("RGB", (4, 4)).save(path)
    with pytest.raises(Unsupported):
        read(path, **INSTANCE)


def npy_header(text, data=b""):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|O', 'fortran_order': False, 'shape': (2, 2)}",
        "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 2)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (9999999, 9999999)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (-2, 2)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2, 2)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (0, 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}",
        "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (2, 2)}",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (2, 2)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': 'x'}",
        "__import__('os').system('true')",
        "(" * 5000,
        "{}",
    ],
)
def test_arrays_that_lie(tmp_path, header):
    path = tmp_path / "mask.npy"
    path.write_bytes(npy_header(header, bytes(16)))
    with pytest.raises((Invalid, Unsupported, TooLarge)):
        read(path, **INSTANCE)


def test_pickled_arrays_are_refused(tmp_path):
    path = tmp_path / "mask.npy"
    np.save(path, np.array([[object()]]), allow_pickle=True)
    with pytest.raises(Unsupported) as caught:
        read(path, **INSTANCE)
    assert caught.value.code == "pickled"
    with pytest.raises(Unsupported):
        read(npz(tmp_path / "mask.npz", a=np.array([[None]])), **INSTANCE)


def test_archives_that_lie(tmp_path):
    path = tmp_path / "mask.npz"
    # 4 GB of zeros in 4 MB, of which the array claims a few.
    head = npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1000, 1000)}")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w", force_zip64=True) as out,
    ):
        out.write(head)
        for _ in range(16):
            out.write(bytes(16 * 1024 * 1024))
    assert read(path, **INSTANCE) == []
    data = path.read_bytes()
    for cut in (40, len(data) // 2, len(data) - 10):
        path.write_bytes(data[:cut])
        with pytest.raises((Invalid, Unsupported)):
            read(path, **INSTANCE)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", npy_header("{'descr': '<i4', 'fortran_order': False, 'shape': (8, 8)}", bytes(16)))
    path.write_bytes(buffer.getvalue())
    with pytest.raises(Invalid):
        read(path, **INSTANCE)


def test_tiff_that_lies(tmp_path):
    path, random = tmp_path / "mask.tif", np.random.default_rng(1)
    tifffile.imwrite(path, blobs().astype(np.uint16), tile=(64, 64), compression="zlib")
    data = path.read_bytes()
    for turn in range(400):
        broken = bytearray(data)
        for place in random.integers(0, 400 if turn % 2 else len(data), 3):
            broken[place] = random.choice([0, 255, random.integers(256)])
        if turn % 5 == 0:
            del broken[random.integers(8, len(data)) :]
        path.write_bytes(bytes(broken))
        try:
            read(path, **INSTANCE)
        except PathServeError:
            continue
    tifffile.imwrite(path, np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(Unsupported):
        read(path, **INSTANCE)
    tifffile.imwrite(path, np.zeros((4, 4), np.float32))
    with pytest.raises(Unsupported):
        read(path, **INSTANCE)
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="jpeg", tile=(16, 16))
    with pytest.raises(Unsupported):
        read(path, **INSTANCE)


def test_a_tiff_of_a_hundred_gigapixels_in_a_few_bytes(tmp_path):
    entries = [
        (256, 4, 300_000),
        (257, 4, 300_000),
        (258, 3, 8),
        (277, 3, 1),
        (278, 4, 300_000),
        (273, 4, 8),
        (279, 4, 1),
    ]
    table = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(entries))
    path = tmp_path / "mask.tif"
    path.write_bytes(b"II*\x00" + struct.pack("<IH", 8, len(entries)) + table + bytes(4))
    with pytest.raises(TooLarge):
        read(path, **INSTANCE)
