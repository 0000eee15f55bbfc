"""The chunks through zarr-python, as any other program reads them."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import openslide
import zarr
from zarr.codecs import TransposeCodec
from zarr.storage import MemoryStore

from pathserve.geometry import LevelRegion
from pathserve.pyramid import Pyramid, codec
from pathserve.pyramid.layout import CODEC

REPOSITORY = Path(__file__).parent.parent.parent


def test_zarr_gives_openslide_s_pixels_exactly(sample_pyramid, sample_slide):
    codec.register()
    array = zarr.open_group(sample_pyramid, mode="r")["0"]
    assert isinstance(array, zarr.Array)
    with openslide.OpenSlide(sample_slide) as slide:
        expected = np.asarray(slide.read_region((0, 0), 0, slide.dimensions))[..., :3]
    np.testing.assert_array_equal(np.asarray(array[...]).transpose(1, 2, 0), expected)


def test_zarr_and_the_reader_agree_at_every_level(sample_pyramid):
    codec.register()
    group, pyramid = zarr.open_group(sample_pyramid, mode="r"), Pyramid.open(sample_pyramid)
    for level, size in enumerate(pyramid.levels):
        array = group[str(level)]
        assert isinstance(array, zarr.Array)
        assert array.shape == (3, size.height, size.width)
        whole = np.asarray(array[...]).transpose(1, 2, 0)
        x, y = size.width // 4, size.height // 3
        got = pyramid.read(level, LevelRegion(x, y, size.width - x, size.height - y))
        np.testing.assert_array_equal(got, whole[y:, x:])


def test_arrays_can_be_written_through_zarr_as_well():
    codec.register()
    y, x = np.mgrid[0:128, 0:96]
    picture = np.stack([x, y, x + y]).astype(np.uint8)
    array = zarr.create_array(
        MemoryStore(),
        shape=picture.shape,
        chunks=(3, 64, 48),
        dtype="uint8",
        filters=[TransposeCodec(order=(1, 2, 0))],
        serializer=codec.JpegCodec({"level": 95}),
        compressors=None,
    )
    array[...] = picture
    assert np.abs(np.asarray(array[...]).astype(int) - picture).mean() < 2


def test_configuration_of_other_implementations_is_kept():
    stored = {"name": CODEC, "configuration": {"level": 80, "subsampling": "422"}}
    assert codec.JpegCodec.from_dict(stored).to_dict() == stored
    assert codec.JpegCodec.from_dict({"name": CODEC}).to_dict() == {"name": CODEC, "configuration": {}}


def test_another_implementation_is_left_in_place():
    # In a process of its own, because zarr's registry lasts as long as the process.
    program = """
import json
from zarr.abc.codec import ArrayBytesCodec
from zarr.registry import get_codec_class, register_codec
from pathserve.pyramid import codec
from pathserve.pyramid.layout import CODEC
class Theirs(ArrayBytesCodec):
    pass
try:
    get_codec_class(CODEC)
    known = True
except KeyError:
    known = False
    register_codec(CODEC, Theirs)
codec.register()
print(json.dumps([known, get_codec_class(CODEC).__name__]))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    known, name = json.loads(run.stdout)
    assert name == ("JpegCodec" if known else "Theirs")


def test_the_package_declares_the_codec_as_an_entry_point():
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["entry-points"]["zarr.codecs"]
    assert declared == {CODEC: f"{codec.JpegCodec.__module__}:{codec.JpegCodec.__qualname__}"}
