"""OME-Zarr: pixels against zarr-python, which the reader does not use; metadata against what was written."""

import json
import os
import shutil
import zlib

import numpy as np
import pytest
import zarr
from numcodecs import LZ4, Blosc, GZip, Zlib, Zstd, blosc, zstd
from PIL import Image
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec, ZstdCodec

from pathserve.errors import Corrupt, NotFound, PathServeError, TooLarge, Unsupported
from pathserve.geometry import LevelRegion, Mpp, Size
from pathserve.pixels import RGB_CHANNELS, Plane
from pathserve.slides import open_slide
from pathserve.slides.omezarr.codecs import zstd_size

REAL = {
    "CMU-1-Small-Region-crop.v05.ome.zarr": ("", "s"),
    "coins.ome.zarr": ("0/", ""),
    "tubhiswt4D_sub.zarr": ("", ""),
}
SCALE = {"t": 1.0, "c": 1.0, "z": 2.5, "y": 0.5, "x": 0.25}


def values(shape, dtype="uint16"):
    """Different values along every axis."""
    count = int(np.prod(shape))
    return (np.arange(count) * 7919 % 251).reshape(shape).astype(dtype)


def multiscale(axes, paths=("0",), *, unit="micrometer", version="0.4"):
    kinds = {"t": "time", "c": "channel"}
    return {
        "version": version,
        "axes": [
            {"name": axis, "type": kinds.get(axis, "space"), **({} if axis in "tc" or not unit else {"unit": unit})}
            for axis in axes
        ],
        "datasets": [
            {
                "path": path,
                "coordinateTransformations": [
                    {
                        "type": "scale",
                        "scale": [SCALE[axis] * (2**level if axis in "yx" else 1) for axis in axes],
                    }
                ],
            }
            for level, path in enumerate(paths)
        ],
    }


def write(folder, data, axes, *, zarr_format=2, attributes=None, **array):
    """Write a picture of one level with zarr-python."""
    group = zarr.open_group(folder, mode="w", zarr_format=zarr_format)
    array.setdefault("chunks", tuple(min(n, 16) for n in data.shape))
    made = group.create_array("0", shape=data.shape, dtype=data.dtype, **array)
    made[...] = data
    described = {"multiscales": [multiscale(axes)], **(attributes or {})}
    if zarr_format == 3:
        described["multiscales"][0].pop("version")
        described = {"ome": {"version": "0.5", **described}}
    group.attrs.update(described)
    return folder


def change(file, **members):
    meta = json.loads(file.read_text())
    meta.update(members)
    file.write_text(json.dumps(meta))


def whole(source, plane, level=0):
    size = source.info.levels[level].size
    return source.read(level, LevelRegion(0, 0, size.width, size.height), plane)


def expected_planes(data, axes):
    """Yield every plane of an array by moving its axes to t, c, z, y, x."""
    order = [axes.index(axis) for axis in "tczyx" if axis in axes]
    full = data.transpose(order)
    for at, axis in enumerate("tczyx"):
        if axis not in axes:
            full = np.expand_dims(full, at)
    for t, c, z in np.ndindex(full.shape[:3]):
        yield Plane(t, c, z), full[t, c, z]


def assert_same(folder, data, axes):
    with open_slide(folder) as source:
        assert source.info.dtype == data.dtype.newbyteorder("=").name
        planes = list(expected_planes(data, axes))
        assert [plane for plane, _ in planes] == list(source.info.each_plane())
        for plane, pixels in planes:
            got = whole(source, plane)
            assert got.dtype == np.dtype(source.info.dtype)
            np.testing.assert_array_equal(got[..., 0], pixels)


@pytest.mark.parametrize("name", REAL)
def test_real_stores_have_the_pixels_that_zarr_python_gives(shared_data, name):
    image, prefix = REAL[name]
    folder = shared_data / "slides" / "ome-zarr" / name
    with open_slide(folder) as source:
        for level in range(len(source.info.levels)):
            data = zarr.open_array(folder / f"{image}{prefix}{level}", mode="r")[...]
            for plane in source.info.each_plane():
                want = np.moveaxis(data, 0, 2) if source.info.rgb else data[plane.t, plane.c, plane.z][..., None]
                np.testing.assert_array_equal(whole(source, plane, level), want)


def test_real_stores_are_told_as_their_metadata_says(shared_data):
    folder = shared_data / "slides" / "ome-zarr"
    with open_slide(folder / "CMU-1-Small-Region-crop.v05.ome.zarr") as source:
        assert (source.info.rgb, source.info.channels, source.info.codec) == (True, RGB_CHANNELS, "zstd")
        assert source.info.mpp == Mpp(0.499, 0.499)
        assert [level.size.width for level in source.info.levels] == [1100, 550, 275, 137, 68]
    with open_slide(folder / "tubhiswt4D_sub.zarr") as source:
        assert (source.info.times, source.info.planes, source.info.plane_spacing) == (3, 2, 1.0)
        assert source.info.channels[0].color == (0, 255, 255)
        assert source.info.channels[0].window == (54.0, 107.0)
    with open_slide(folder / "coins.ome.zarr") as source:
        assert (source.info.scenes, source.info.mpp, source.info.rgb) == (1, None, False)
        assert "OME-XML" in source.info.dropped_metadata


VERSION_2 = {
    "plain": {"compressors": None},
    "blosc": {"compressors": Blosc("lz4", 5, Blosc.SHUFFLE)},
    "blosc-bits": {"compressors": Blosc("zstd", 3, Blosc.BITSHUFFLE)},
    "zlib": {"compressors": Zlib(5)},
    "gzip": {"compressors": GZip(5)},
    "zstd": {"compressors": Zstd(3)},
    "lz4": {"compressors": LZ4()},
    "slashes": {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "dots": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "columns-first": {"order": "F"},
}


@pytest.mark.parametrize("name", VERSION_2)
def test_version_2_is_read_however_it_is_packed(tmp_path, name):
    data = values((2, 3, 40, 50))
    assert_same(write(tmp_path / "a.zarr", data, "tcyx", **VERSION_2[name]), data, "tcyx")


VERSION_3 = {
    "plain": {"compressors": None},
    "zstd-checked": {"compressors": ZstdCodec(level=3, checksum=True)},
    "blosc": {"compressors": BloscCodec(cname="lz4", shuffle="shuffle", typesize=2)},
    "gzip": {"compressors": GzipCodec(level=5)},
    "crc": {"compressors": [ZstdCodec(level=1), zarr.codecs.Crc32cCodec()]},
    "big-endian": {"serializer": BytesCodec(endian="big")},
    "transposed": {"filters": [TransposeCodec(order=(3, 1, 0, 2))]},
    "sharded": {"shards": (1, 2, 32, 64)},
    "sharded-crc-inside": {"shards": (2, 2, 32, 32), "compressors": [zarr.codecs.Crc32cCodec()]},
    "dots": {"chunk_key_encoding": {"name": "default", "separator": "."}},
    "keys-of-version-2": {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
}


@pytest.mark.parametrize("name", VERSION_3)
def test_version_3_is_read_however_it_is_packed(tmp_path, name):
    data = values((2, 3, 40, 50))
    made = write(tmp_path / "a.zarr", data, "tcyx", zarr_format=3, **{"chunks": (1, 1, 16, 16), **VERSION_3[name]})
    assert_same(made, data, "tcyx")


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"])
def test_every_type_of_samples_is_kept(tmp_path, dtype, zarr_format):
    data = values((20, 30), dtype)
    assert_same(write(tmp_path / "a.zarr", data, "yx", zarr_format=zarr_format), data, "yx")


@pytest.mark.parametrize("dtype", [">u2", ">i4", ">f4"])
def test_big_endian_samples_of_version_2_are_turned(tmp_path, dtype):
    data = values((20, 30), dtype)
    assert_same(write(tmp_path / "a.zarr", data, "yx"), data, "yx")


@pytest.mark.parametrize("axes", ["yx", "cyx", "zyx", "tyx", "czyx", "tczyx", "zcyx", "yxc", "xy"])
def test_axes_are_taken_by_their_names(tmp_path, axes):
    data = values([{"t": 2, "c": 3, "z": 4, "y": 20, "x": 37}[axis] for axis in axes])
    assert_same(write(tmp_path / "a.zarr", data, axes), data, axes)


@pytest.mark.parametrize("shards", [None, (32, 32)])
def test_chunks_that_are_not_there_have_the_fill_value_and_are_counted(tmp_path, shards):
    data = np.full((40, 64), 77, "uint8")
    data[:16, :16] = data[32:, 48:] = 1
    zarr_format = 3 if shards else 2
    write(tmp_path / "a.zarr", data, "yx", zarr_format=zarr_format, fill_value=77, shards=shards)
    with open_slide(tmp_path / "a.zarr") as source:
        np.testing.assert_array_equal(whole(source, Plane())[..., 0], data)
        assert source.info.missing_tiles == 3 * 4 - 2


def test_fill_values_of_floats_may_be_words(tmp_path):
    write(tmp_path / "a.zarr", np.full((8, 8), np.nan, "float32"), "yx", zarr_format=3, fill_value=np.nan)
    with open_slide(tmp_path / "a.zarr") as source:
        assert np.isnan(whole(source, Plane())).all()


@pytest.mark.parametrize(
    ("unit", "micrometres"),
    [("micrometer", 1), ("nanometer", 1e-3), ("millimeter", 1e3), ("meter", 1e6), ("angstrom", 1e-4), ("inch", 25400)],
)
def test_pixel_sizes_are_given_in_micrometres(tmp_path, unit, micrometres):
    folder = write(
        tmp_path / "a.zarr", values((2, 8, 8)), "zyx", attributes={"multiscales": [multiscale("zyx", unit=unit)]}
    )
    with open_slide(folder) as source:
        assert (source.info.mpp.x, source.info.mpp.y) == pytest.approx((0.25 * micrometres, 0.5 * micrometres))
        assert source.info.plane_spacing == pytest.approx(2.5 * micrometres)


@pytest.mark.parametrize("unit", [None, "second", "furlong"])
def test_a_scale_without_a_unit_of_length_is_no_pixel_size(tmp_path, unit):
    described = {"multiscales": [multiscale("zyx", unit=unit)]}
    with open_slide(write(tmp_path / "a.zarr", values((2, 8, 8)), "zyx", attributes=described)) as source:
        assert (source.info.mpp, source.info.plane_spacing) == (None, None)


def test_a_scale_of_the_whole_pyramid_counts_as_well(tmp_path):
    described = multiscale("yx")
    described["coordinateTransformations"] = [{"type": "scale", "scale": [3.0, 4.0]}]
    with open_slide(
        write(tmp_path / "a.zarr", values((8, 8)), "yx", attributes={"multiscales": [described]})
    ) as source:
        assert source.info.mpp == Mpp(1.0, 1.5)


RGB = ["FF0000", "00FF00", "0000FF"]


@pytest.mark.parametrize(
    ("colors", "dtype", "rgb"),
    [
        (RGB, "uint8", True),
        ([color.lower() for color in RGB], "uint8", True),
        (None, "uint8", True),
        ([None] * 3, "uint8", True),
        (RGB[::-1], "uint8", False),
        (["FF0000", "00FF00", "FFFFFF"], "uint8", False),
        (["FF0000", None, None], "uint8", False),
        (RGB, "uint16", False),
        (RGB[:2], "uint8", False),
    ],
)
def test_three_channels_of_bytes_are_a_colour_picture_when_nothing_else_is_said(tmp_path, colors, dtype, rgb):
    said = {} if colors is None else {"omero": {"channels": [{"color": color} for color in colors]}}
    data = values((len(colors or RGB), 20, 30), dtype)
    with open_slide(write(tmp_path / "a.zarr", data, "cyx", attributes=said)) as source:
        assert source.info.rgb is rgb
        got = whole(source, Plane())
    np.testing.assert_array_equal(got, np.moveaxis(data, 0, 2) if rgb else data[0][..., None])


def test_channels_have_the_names_colours_and_windows_of_omero(tmp_path):
    said = [
        {"label": "DAPI", "color": "0000ff", "window": {"start": 5, "end": 900.5, "min": 0, "max": 65535}},
        {"label": "a\nb" + "x" * 90, "color": "no colour", "window": {"start": 9, "end": 9}},
    ]
    made = write(tmp_path / "a.zarr", values((2, 8, 8)), "cyx", attributes={"omero": {"channels": said}})
    with open_slide(made) as source:
        first, second = source.info.channels
    assert (first.name, first.color, first.window) == ("DAPI", (0, 0, 255), (5.0, 900.5))
    assert (second.name, second.window) == ("Channel 2", None)


def test_levels_are_those_that_are_the_same_picture(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    for name, shape in {"0": (3, 41, 60), "1": (3, 20, 30), "2": (2, 10, 15), "3": (3, 8, 8)}.items():
        group.create_array(name, shape=shape, dtype="uint8", chunks=shape)[...] = values(shape, "uint8")
    group.attrs["multiscales"] = [multiscale("zyx", ("0", "1", "2", "3"))]
    with open_slide(tmp_path / "a.zarr") as source:
        assert [level.size for level in source.info.levels] == [Size(60, 41), Size(30, 20)]
        np.testing.assert_array_equal(whole(source, Plane(z=2), 1)[..., 0], values((3, 20, 30), "uint8")[2])


def series(folder, listed, *, zarr_format=2):
    root = zarr.open_group(folder, mode="w", zarr_format=zarr_format)
    layout = {"bioformats2raw.layout": 3}
    root.attrs.update({"ome": {"version": "0.5", **layout}} if zarr_format == 3 else layout)
    for number in range(3):
        write(folder / str(number), values((10 + number, 12)), "yx", zarr_format=zarr_format)
    if listed is not None:
        group = root.create_group("OME")
        group.attrs.update({"ome": {"version": "0.5", "series": listed}} if zarr_format == 3 else {"series": listed})
    return folder


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("listed", "heights"), [(["2", "0"], [12, 10]), (None, [10, 11, 12])])
def test_the_series_of_bioformats2raw_are_scenes(tmp_path, listed, heights, zarr_format):
    folder = series(tmp_path / "a.zarr", listed, zarr_format=zarr_format)
    for scene, height in enumerate(heights):
        with open_slide(folder, scene=scene) as source:
            assert (source.info.scenes, source.info.size.height) == (len(heights), height)
    with pytest.raises(NotFound):
        open_slide(folder, scene=len(heights))


@pytest.mark.parametrize(
    ("attributes", "word"),
    [
        ({"plate": {"wells": []}}, "plate"),
        ({"well": {"images": []}}, "well"),
        ({"labels": ["cells"]}, "labels"),
        ({"image-label": {}, "multiscales": [multiscale("yx")]}, "labels"),
        ({"else": 1}, "no OME-Zarr picture"),
        ({"multiscales": [multiscale("yx", version="0.3")]}, "versions"),
        ({"multiscales": [{**multiscale("yx"), "axes": [{"name": "y"}, {"name": "q"}]}]}, "axes"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(tmp_path, attributes, word):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", shape=(8, 8), dtype="uint8", chunks=(8, 8))
    group.attrs.update(attributes)
    with pytest.raises(Unsupported, match=word):
        open_slide(tmp_path / "a.zarr")


JPEG_ARRAY = {
    "zarr_format": 3,
    "node_type": "array",
    "data_type": "uint8",
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 255,
    "codecs": [
        {"name": "transpose", "configuration": {"order": [1, 2, 0]}},
        {"name": "imagecodecs_jpeg", "configuration": {}},
    ],
}


@pytest.fixture
def jpeg_store(tmp_path):
    """Two chunks of 32 x 48 pixels, of which the second is a JPEG by Pillow; and its pixels as Pillow decodes them."""
    folder = tmp_path / "a.zarr"
    (folder / "0" / "c" / "0" / "0").mkdir(parents=True)
    grid = {"name": "regular", "configuration": {"chunk_shape": [3, 48, 32]}}
    (folder / "0" / "zarr.json").write_text(json.dumps({**JPEG_ARRAY, "shape": [3, 48, 50], "chunk_grid": grid}))
    described = {"version": "0.5", "multiscales": [multiscale("cyx")]}
    (folder / "zarr.json").write_text(
        json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {"ome": described}})
    )
    y, x = np.mgrid[:48, :32]
    picture = Image.fromarray(np.stack([x * 8, y * 5, x + y], -1).astype("uint8"))
    picture.save(folder / "0" / "c" / "0" / "0" / "1", "JPEG", quality=80, subsampling=0)
    return folder, np.asarray(Image.open(folder / "0" / "c" / "0" / "0" / "1"))


def test_jpeg_chunks_are_copied_and_decode_as_pillow_says(jpeg_store, tmp_path):
    folder, pixels = jpeg_store
    with open_slide(folder) as source:
        assert (source.info.levels[0].encoding, source.info.levels[0].tile) == ("jpeg", Size(32, 48))
        np.testing.assert_array_equal(source.read(0, LevelRegion(32, 0, 18, 48)), pixels[:, :18])
        assert (source.read(0, LevelRegion(0, 0, 32, 48)) == 255).all()
        assert source.encoded_tile(0, 0, 0) is None
        (tmp_path / "tile.jpg").write_bytes(source.encoded_tile(0, 1, 0))
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "tile.jpg")), pixels)
        with pytest.raises(ValueError, match="inside"):
            source.encoded_tile(0, 2, 0)


def test_a_jpeg_chunk_of_another_size_is_damaged(jpeg_store):
    folder, _ = jpeg_store
    Image.new("RGB", (64, 64)).save(folder / "0" / "c" / "0" / "0" / "1", "JPEG")
    with open_slide(folder) as source, pytest.raises(Corrupt):
        source.read(0, LevelRegion(32, 0, 18, 48))
    with open_slide(folder) as source, pytest.raises(Corrupt):
        source.encoded_tile(0, 1, 0)


@pytest.mark.parametrize(
    "members",
    [
        {"dtype": "|O", "filters": [{"id": "pickle"}]},
        {"filters": [{"id": "pickle"}]},
        {"compressor": {"id": "pickle"}},
        {"compressor": {"id": "json2"}},
        {"dtype": "<f8"},
        {"dtype": [["a", "<u2"]]},
        {"dtype": "<U4"},
    ],
)
def test_codecs_and_types_that_are_not_known_are_refused_before_they_are_made(tmp_path, members):
    write(tmp_path / "a.zarr", values((8, 8)), "yx")
    change(tmp_path / "a.zarr" / "0" / ".zarray", **members)
    with pytest.raises(Unsupported):
        open_slide(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"codecs": [{"name": "bytes"}, {"name": "numcodecs.pickle"}]}, Unsupported),
        ({"codecs": [{"name": "bytes"}, {"name": "zstd"}, {"name": "gzip"}]}, Unsupported),
        ({"data_type": "float64"}, Unsupported),
        ({"data_type": {"name": "structured"}}, Unsupported),
        ({"storage_transformers": [{"name": "x"}]}, Unsupported),
        ({"codecs": []}, Corrupt),
        ({"codecs": 5}, Corrupt),
        ({"shape": [8, -8]}, Corrupt),
        ({"shape": [8, True]}, Corrupt),
        ({"shape": [8, 8, 8]}, Corrupt),
        ({"shape": [8, 1 << 30]}, TooLarge),
        ({"fill_value": 1e300}, Corrupt),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1 << 20, 1 << 20]}}}, TooLarge),
    ],
)
def test_metadata_beyond_the_rules_is_refused(tmp_path, members, error):
    write(tmp_path / "a.zarr", values((8, 8)), "yx", zarr_format=3)
    change(tmp_path / "a.zarr" / "0" / "zarr.json", **members)
    with pytest.raises(error):
        open_slide(tmp_path / "a.zarr")


@pytest.mark.parametrize("path", ["../secret", "/etc", "0/../../secret", "", ".", "a\\b", 5])
def test_paths_of_the_metadata_stay_in_the_folder(tmp_path, path):
    write(tmp_path / "secret", values((8, 8)), "yx")
    folder = write(tmp_path / "a.zarr", values((8, 8)), "yx", attributes={"multiscales": [multiscale("yx", (path,))]})
    with pytest.raises(Corrupt):
        open_slide(folder)


@pytest.mark.parametrize("link", ["0", "0/.zarray"])
def test_links_out_of_the_folder_are_not_followed(tmp_path, link):
    other = write(tmp_path / "other", values((8, 8)), "yx")
    folder = write(tmp_path / "a.zarr", values((8, 8)), "yx")
    os.rename(folder / link, tmp_path / "moved")
    (folder / link).symlink_to(other / link)
    with pytest.raises(Unsupported):
        open_slide(folder)


def test_a_store_may_be_reached_through_a_link(tmp_path):
    write(tmp_path / "a.zarr", values((8, 8)), "yx")
    (tmp_path / "b").symlink_to(tmp_path / "a.zarr")
    assert_same(tmp_path / "b", values((8, 8)), "yx")


def test_a_pipe_in_the_place_of_a_chunk_stops_nobody(tmp_path):
    write(tmp_path / "a.zarr", values((8, 8)), "yx")
    os.remove(tmp_path / "a.zarr" / "0" / "0.0")
    os.mkfifo(tmp_path / "a.zarr" / "0" / "0.0")
    with open_slide(tmp_path / "a.zarr") as source, pytest.raises(Corrupt):
        whole(source, Plane())


def _zstd_without_size(data):
    """Make a Zstandard frame of one raw block that does not state its content's size (RFC 8878)."""
    return b"\x28\xb5\x2f\xfd\x00\x58" + ((len(data) << 3) | 1).to_bytes(3, "little") + data


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        (Zstd(1), zstd.compress(bytes(1 << 26), 1)),
        (Zstd(1), zstd.compress(bytes(100), 1)),
        (Zstd(1), _zstd_without_size(bytes(100))),
        (Zstd(1), _zstd_without_size(bytes(200))),
        (Zstd(1), b""),
        (GZip(1), zlib.compress(bytes(1 << 26))),
        (Zlib(1), zlib.compress(bytes(127))),
        (Zlib(1), b"nothing"),
        (Blosc("lz4"), blosc.compress(bytes(1 << 26), b"lz4", 5, 1)),
        (Blosc("lz4"), blosc.compress(bytes(128), b"lz4", 5, 1)[:-1]),
        (Blosc("lz4"), b"short"),
        (LZ4(), LZ4().encode(bytes(1 << 26))),
        (LZ4(), b"\x80\x00\x00\x00nothing"),
        (None, bytes(127)),
        (None, bytes(1 << 18)),
    ],
)
def test_chunks_that_are_damaged_or_too_much_are_refused(tmp_path, codec, data):
    folder = write(tmp_path / "a.zarr", values((8, 8)), "yx", compressors=codec)
    (folder / "0" / "0.0").write_bytes(data)
    with open_slide(folder) as source, pytest.raises((Corrupt, TooLarge)):
        whole(source, Plane())


def test_frames_that_do_not_state_their_size_are_read(tmp_path):
    data = values((8, 8))
    folder = write(tmp_path / "a.zarr", data, "yx", compressors=Zstd(1))
    (folder / "0" / "0.0").write_bytes(_zstd_without_size(data.tobytes()))
    assert_same(folder, data, "yx")


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_791, 65_792, 1 << 20])
def test_the_size_that_a_frame_states_is_read(size):
    assert zstd_size(zstd.compress(bytes(size), 1)) == size


def test_shards_with_damaged_indexes_are_refused(tmp_path):
    folder = write(tmp_path / "a.zarr", values((32, 32)), "yx", zarr_format=3, shards=(32, 32))
    shard = folder / "0" / "c" / "0" / "0"
    good = shard.read_bytes()
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), good[:-40], good[:10]):
        shard.write_bytes(bad)
        with pytest.raises(Corrupt):
            open_slide(folder)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, '{"multiscales": 1}', '{"multiscales": [[]]}', "\xff"])
def test_metadata_that_cannot_be_read_is_refused(tmp_path, text):
    folder = write(tmp_path / "a.zarr", values((8, 8)), "yx")
    (folder / ".zattrs").write_bytes(text.encode("latin-1"))
    with pytest.raises(Corrupt):
        open_slide(folder)


@pytest.mark.parametrize("name", REAL)
def test_mutated_stores_are_refused_or_read(shared_data, tmp_path, name):
    """Whatever happens to bytes of metadata and chunks, nothing but a PathServeError comes out."""
    folder = tmp_path / name
    shutil.copytree(shared_data / "slides" / "ome-zarr" / name, folder, copy_function=shutil.copyfile)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "labels" not in path.parts)
    numbers, outcomes = np.random.default_rng(7), set()
    for _ in range(60):
        chosen = {path: path.read_bytes() for path in numbers.choice(files, 3)}
        for path, data in chosen.items():
            path.write_bytes(mutated(data, numbers))
        outcomes.add(outcome(folder))
        for path, data in chosen.items():
            path.write_bytes(data)
    assert {"read", "Corrupt"} <= outcomes


def mutated(data, numbers):
    changed = bytearray(data)
    for _ in range(int(numbers.integers(1, 8))):
        changed[int(numbers.integers(len(changed)))] = int(numbers.integers(256))
    return bytes(changed[: int(numbers.integers(1, len(changed) + 1))] if numbers.random() < 0.3 else changed)


def outcome(folder):
    try:
        with open_slide(folder) as source:
            for level in range(len(source.info.levels)):
                whole(source, Plane(), level)
    except PathServeError as error:
        return type(error).__name__
    return "read"
