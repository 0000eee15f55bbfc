import io
import time

import numpy as np
import pytest
from PIL import Image

from pathserve.errors import TooLarge, Unsupported
from pathserve.masks import encode_npy, encode_npz, encode_png


def test_png_holds_the_values_themselves():
    values = np.arange(256, dtype=np.uint8).reshape(8, 32)
    image = Image.open(io.BytesIO(encode_png(values)))
    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), values)


def test_png_holds_object_numbers_up_to_16_bits():
    numbers = np.array([[0, 1, 255], [256, 40_000, 65_535]], np.uint32)
    image = Image.open(io.BytesIO(encode_png(numbers)))
    assert image.size == (3, 2)
    assert np.array_equal(np.asarray(image), numbers)
    numbers[0, 0] = 65_536
    with pytest.raises(TooLarge, match="npy"):
        encode_png(numbers)


def test_png_refuses_floats():
    with pytest.raises(Unsupported, match="npy"):
        encode_png(np.zeros((2, 2), np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.float32])
def test_npy_is_what_numpy_reads(dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    for given in (array, array[:, ::2], array.T):
        read = np.load(io.BytesIO(encode_npy(given)), allow_pickle=False)
        assert read.dtype == dtype
        assert np.array_equal(read, given)


def test_npz_is_what_numpy_reads_and_is_not_deflated():
    members = {
        "image": np.zeros((100, 100, 3), np.uint8),
        "mask": np.ones((100, 100), np.uint32),
        "text": np.array("a"),
    }
    data = encode_npz(members)
    assert len(data) > 70_000
    read = np.load(io.BytesIO(data), allow_pickle=False)
    assert read.files == ["image", "mask", "text"]
    for name, array in members.items():
        assert np.array_equal(read[name], array)


def test_the_same_arrays_give_the_same_bytes_at_any_time(monkeypatch):
    members = {"mask": np.ones((3, 4), np.uint8)}
    first = encode_npz(members), encode_npy(members["mask"]), encode_png(members["mask"])
    then = time.localtime(time.time() + 400 * 86_400)
    monkeypatch.setattr(time, "localtime", lambda *_: then)
    assert (encode_npz(members), encode_npy(members["mask"]), encode_png(members["mask"])) == first
