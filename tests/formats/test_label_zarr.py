"""Labels of OME-Zarr. The oracles: zarr-python as reader and writer, and the pixels."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from pathserve.errors import Invalid, PathServeError, TooLarge, Unsupported
from pathserve.formats import registry
from pathserve.formats.contract import ReadContext
from pathserve.formats.rasters import label_zarr
from pathserve.formats.rasters.label_zarr import OME_ZARR_LABELS
from pathserve.labels import Columns
from pathserve.masks import rasterize

REAL = Path(__file__).resolve().parents[3] / "shared/data/slides/ome-zarr/tubhiswt4D_sub.zarr"
needs_data = pytest.mark.usefixtures("shared_data")


def read(path, **options):
    found = []
    for item in OME_ZARR_LABELS.read(path, ReadContext(options={"kind": "instance", **options})):
        found.extend([item.new_annotation(row) for row in range(len(item))] if isinstance(item, Columns) else [item])
    return found


def redrawn(found, shape):
    values = [a.properties["original_id"] for a in found]
    return rasterize([a.geometry for a in found], values, (0, 0, shape[1], shape[0]), dtype=np.int64)


def labels(height=150, width=130):
    coarse = np.random.default_rng(2).integers(0, 9, (height // 10 + 1, width // 10 + 1))
    return np.kron(coarse, np.ones((10, 10), np.int64))[:height, :width]


def store(path, names=("cells",), dtype="uint16", axes="yx", shards=None):
    """An OME-Zarr 0.5 image with labels, by zarr-python."""
    root = zarr.create_group(path, zarr_format=3)
    group = root.create_group("labels", attributes={"ome": {"version": "0.5", "labels": list(names)}})
    image = labels().astype(dtype)
    for name in names:
        multiscale = {
            "axes": [{"name": axis, "type": "space"} for axis in axes],
            "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0] * len(axes)}]}],
        }
        made = group.create_group(
            name, attributes={"ome": {"version": "0.5", "multiscales": [multiscale], "image-label": {}}}
        )
        data = image.T if axes == "xy" else image
        array = made.create_array("0", shape=data.shape, chunks=(32, 40), shards=shards, dtype=dtype)
        array[:] = data
    return image


@needs_data
@pytest.mark.parametrize("place", ["", "labels", "labels/embryo"])
def test_a_real_label_image(place):
    path = REAL / place
    assert registry.recognise_path(path) is OME_ZARR_LABELS
    truth = zarr.open_group(REAL, mode="r")["labels/embryo/0"][1, 0]
    found = read(path, t="1", z="0")
    assert len(found) == len(np.unique(truth[truth > 0]))
    np.testing.assert_array_equal(redrawn(found, truth.shape), truth)
    with pytest.raises(Invalid) as caught:
        read(path, t="1")
    assert caught.value.code == "choose_plane"
    for wrong in ("3", "-1", "x"):
        with pytest.raises(Invalid):
            read(path, t=wrong, z="0")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32"])
@pytest.mark.parametrize("axes", ["yx", "xy"])
@pytest.mark.parametrize("shards", [None, (64, 80)])
def test_made_label_images(tmp_path, dtype, axes, shards):
    image = store(tmp_path / "a.zarr", dtype=dtype, axes=axes, shards=shards)
    np.testing.assert_array_equal(redrawn(read(tmp_path / "a.zarr"), image.shape), image)


def test_classes_as_in_other_masks(tmp_path):
    image = store(tmp_path / "a.zarr")
    told = {"kind": "class", "classes": ",".join(f"c{value}={value}" for value in range(1, 9))}
    found = read(tmp_path / "a.zarr", **told)
    values = [int(a.class_name[1:]) for a in found]
    drawn = rasterize([a.geometry for a in found], values, (0, 0, image.shape[1], image.shape[0]))
    np.testing.assert_array_equal(drawn, image)


def test_which_labels_is_never_guessed(tmp_path):
    store(tmp_path / "a.zarr", names=("cells", "tissue"))
    with pytest.raises(Invalid) as caught:
        read(tmp_path / "a.zarr")
    assert caught.value.code == "choose_label"
    assert len(read(tmp_path / "a.zarr", label="tissue")) == 8
    with pytest.raises(Invalid):
        read(tmp_path / "a.zarr", label="../..")


def test_what_is_no_label_image(tmp_path, monkeypatch):
    with pytest.raises(Unsupported):
        registry.recognise_path(tmp_path)
    with pytest.raises(Invalid):
        read(tmp_path)
    zarr.create_group(tmp_path / "empty.zarr", zarr_format=3)
    with pytest.raises(Unsupported):
        read(tmp_path / "empty.zarr")
    store(tmp_path / "floats.zarr", dtype="float32")
    with pytest.raises(Unsupported):
        read(tmp_path / "floats.zarr")
    store(tmp_path / "gone.zarr")
    shutil.rmtree(tmp_path / "gone.zarr" / "labels" / "cells")
    with pytest.raises(PathServeError):
        read(tmp_path / "gone.zarr")
    store(tmp_path / "a.zarr")
    chunk = next(path for path in (tmp_path / "a.zarr").rglob("c/0/*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-3])
    with pytest.raises(Invalid):
        read(tmp_path / "a.zarr")
    monkeypatch.setattr(label_zarr, "_MAX_BAND_BYTES", 1000)
    with pytest.raises(TooLarge):
        read(tmp_path / "a.zarr")
