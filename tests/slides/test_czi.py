"""CZI: real files against their tiles decoded apart from the library, made ones against what was written."""

import io
import sys
import warnings

import czifile
import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pylibCZIrw import czi

from pathserve.errors import NotFound, TooLarge, Unsupported
from pathserve.geometry import LevelRegion, Size
from pathserve.pixels import RGB_CHANNELS, Plane
from pathserve.slides import open_slide
from pathserve.slides.associated import read_associated
from pathserve.slides.czi import CziSource
from pathserve.slides.czi import source as czi_source
from pathserve.slides.czi.metadata import read_metadata

JPEG_XR, ZSTD, ZSTD_HEADER = 4, 5, 6


@pytest.fixture
def folder(shared_data):
    return shared_data / "slides" / "czi"


def whole(source, plane=Plane()):  # noqa: B008 - frozen
    size = source.info.size
    return source.read(0, LevelRegion(0, 0, size.width, size.height), plane)


def decoded(entry):
    """Decode a tile to (h, w, n): by imagecodecs, whatever the library does."""
    segment = entry.data_segment()
    data = segment.data(raw=True)
    at = {dimension.dimension: dimension for dimension in entry.dimension_entries}
    height, width = at["Y"].stored_size, at["X"].stored_size
    if entry.compression == JPEG_XR:
        return imagecodecs.jpegxr_decode(data).reshape(height, width, -1)[..., ::1]
    if entry.compression == ZSTD_HEADER:
        # A header of as many bytes as its first says; a chunk 1 says whether low and high bytes lie apart.
        header, packed = data[: data[0]], False
        if len(header) > 1 and header[1] == 1:
            packed = bool(header[2] & 1)
        values = np.frombuffer(imagecodecs.zstd_decode(data[data[0] :]), np.uint8)
        if packed:
            values = np.ascontiguousarray(values.reshape(2, -1).T).ravel()
        return values.view("<u2").reshape(height, width, 1)
    raise AssertionError(entry.compression)


def placed(path, scene, t=0, c=0, z=0):
    """Lay the tiles of a plane at full resolution on one raster, by their order in the mosaic."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = czifile.CziFile(path)
    with file:
        tiles = []
        for entry in file.subblock_directory:
            at = {dimension.dimension: dimension for dimension in entry.dimension_entries}
            where = tuple(at[axis].start if axis in at else 0 for axis in "STCZ")
            if where == (scene, t, c, z) and at["X"].size == at["X"].stored_size:
                tiles.append((entry.mosaic_index, at["X"].start, at["Y"].start, decoded(entry)))
    left, top = min(tile[1] for tile in tiles), min(tile[2] for tile in tiles)
    right = max(tile[1] + tile[3].shape[1] for tile in tiles)
    bottom = max(tile[2] + tile[3].shape[0] for tile in tiles)
    samples = tiles[0][3].shape[2]
    out = np.full((bottom - top, right - left, samples), 255 if samples == 3 else 0, tiles[0][3].dtype)
    for _, x, y, pixels in sorted(tiles, key=lambda tile: tile[0]):
        out[y - top : y - top + pixels.shape[0], x - left : x - left + pixels.shape[1]] = pixels
    return out


def test_a_brightfield_mosaic_in_jpeg_xr_has_its_tiles_pixels(folder):
    path = folder / "mini_czi.czi"
    with open_slide(path) as source:
        info = source.info
        assert isinstance(source, CziSource)
        assert (info.vendor, info.codec, info.channels, info.scenes) == ("zeiss", "jpeg-xr", RGB_CHANNELS, 1)
        assert info.objective_power == 20
        assert info.mpp is not None
        assert info.mpp.x == info.mpp.y == pytest.approx(0.22033799848968316)
        np.testing.assert_array_equal(whole(source), placed(path, 0))


def test_times_planes_and_channels_in_zstd_have_their_tiles_pixels(folder):
    path = folder / "CellDivision_T3_Z5_CH2_comp1.czi"
    with open_slide(path) as source:
        info = source.info
        assert (info.times, info.planes, len(info.channels), info.dtype) == (3, 5, 2, "uint16")
        assert info.codec == "zstd"
        assert info.mpp is None  # it states 0
        for plane in info.each_plane():
            np.testing.assert_array_equal(whole(source, plane), placed(path, 0, plane.t, plane.c, plane.z))


def test_every_scene_is_a_slide_of_its_own(folder):
    path = folder / "S3_1Pos_2Mosaic_T1_Z1_CH1.czi"
    sizes = []
    for scene in range(3):
        with open_slide(path, scene=scene) as source:
            assert source.info.scenes == 3
            sizes.append(source.info.size)
            expected = placed(path, scene)
            np.testing.assert_array_equal(whole(source), expected)
            part = source.read(0, LevelRegion(10, 7, 40, 30))
            np.testing.assert_array_equal(part, expected[7:37, 10:50])
    assert sizes == [Size(295, 122), Size(64, 64), Size(352, 237)]
    with pytest.raises(NotFound):
        open_slide(path, scene=3)


def test_channels_have_their_names_colours_and_windows(folder):
    # <Color>#FF00A1FF</Color>, <Low>0.0020364</Low>, <High>0.0576515</High> of the full range of 16 bits
    with open_slide(folder / "S3_1Pos_2Mosaic_T1_Z1_CH1.czi") as source:
        (channel,) = source.info.channels
        assert (channel.name, channel.color) == ("DAPI", (0, 161, 255))
        assert channel.window == pytest.approx((0.0020364104691576275 * 65_535, 0.057651505578748465 * 65_535))
        assert source.info.mpp is not None
        assert source.info.mpp.x == source.info.mpp.y == pytest.approx(1.6)
        assert source.info.objective_power == 5


@pytest.mark.parametrize(("name", "part"), [("label", b"Label"), ("macro", b"SlidePreview")])
def test_label_and_macro_are_the_scans_inside_the_scan(folder, tmp_path, name, part):
    path = folder / "mini_czi.czi"
    with czifile.CziFile(path) as file:
        (inner,) = (each for each in file.attachments() if each.attachment_entry.name.encode() == part)
        (tmp_path / "inner.czi").write_bytes(inner.data(raw=True))
    with open_slide(path) as source:
        assert source.info.associated == ("label", "macro", "thumbnail")
        got = read_associated(source, path, name)
    with czi.open_czi(str(tmp_path / "inner.czi")) as file:
        values = file.read()[..., ::-1]
    assert values.dtype == np.uint16
    assert 2_048 <= values.max() < 4_096  # a camera of 12 bits
    np.testing.assert_array_equal(got, values // 16)


def test_the_thumbnail_is_its_jpeg(folder):
    path = folder / "mini_czi.czi"
    with czifile.CziFile(path) as file:
        (inner,) = (each for each in file.attachments() if each.attachment_entry.name == "Thumbnail")
        data = inner.data(raw=True)
    with open_slide(path) as source:
        got = source.associated_image("thumbnail")
    np.testing.assert_array_equal(got, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_names_of_what_is_dropped_are_told_and_no_values(folder):
    with open_slide(folder / "mini_czi.czi") as source:
        assert "UserName" in source.info.dropped_metadata
        shown = repr(source.info)
    with czifile.CziFile(folder / "mini_czi.czi") as file:
        text = file.metadata()
    user = text.partition("<UserName>")[2].partition("</UserName>")[0]
    assert user
    assert user not in shown


def noise(*shape, dtype="uint16"):
    return np.random.default_rng(3).integers(0, np.iinfo(dtype).max, shape, dtype)


@pytest.mark.parametrize("compression", ["uncompressed:", "zstd0:ExplicitLevel=3", "zstd1:ExplicitLevel=3"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "colour", "deep colour"])
def test_every_kind_of_samples_is_kept(tmp_path, kind, compression):
    if kind == "float32":
        data = np.random.default_rng(0).normal(0, 1e5, (90, 70, 1)).astype(np.float32)
    else:
        dtype = {"colour": "uint8", "deep colour": "uint16"}.get(kind, kind)
        data = noise(90, 70, 3 if "colour" in kind else 1, dtype=dtype)
    if (kind, compression) == ("float32", "zstd1:ExplicitLevel=3"):
        compression = "zstd0:ExplicitLevel=3"
    path = tmp_path / "a.czi"
    with czi.create_czi(str(path)) as file:
        file.write(data=data, location=(-40, 25), compression_options=compression)
    with open_slide(path) as source:
        info = source.info
        assert info.dtype == data.dtype.name
        assert info.rgb == (kind == "colour")
        got = np.concatenate([whole(source, plane) for plane in info.each_plane()], axis=2)
        np.testing.assert_array_equal(got, data[..., ::-1] if "colour" in kind else data)


def test_later_tiles_of_a_mosaic_lie_on_top_and_gaps_are_empty(tmp_path):
    path = tmp_path / "a.czi"
    first, second = noise(40, 40, 1), noise(40, 40, 1) // 2
    with czi.create_czi(str(path)) as file:
        file.write(data=first, location=(0, 0))
        file.write(data=second, location=(20, 20))
    expected = np.zeros((60, 60, 1), np.uint16)
    expected[:40, :40] = first
    expected[20:, 20:] = second
    with open_slide(path) as source:
        np.testing.assert_array_equal(whole(source), expected)


def test_gaps_in_colour_are_white(tmp_path):
    path = tmp_path / "a.czi"
    with czi.create_czi(str(path)) as file:
        file.write(data=noise(10, 10, 3, dtype="uint8"), location=(0, 0))
        file.write(data=noise(10, 10, 3, dtype="uint8"), location=(30, 0))
    with open_slide(path) as source:
        assert (source.read(0, LevelRegion(10, 0, 20, 10)) == 255).all()


def test_too_many_planes_are_refused(tmp_path):
    path = tmp_path / "a.czi"
    with czi.create_czi(str(path)) as file:
        file.write(data=noise(4, 4, 1), plane={"T": 0, "Z": 0, "C": 0})
        file.write(data=noise(4, 4, 1), plane={"T": 5_000, "Z": 0, "C": 0})
    with pytest.raises(TooLarge, match="planes"):
        open_slide(path)


def test_tiles_a_light_year_apart_are_refused(tmp_path):
    path = tmp_path / "a.czi"
    with czi.create_czi(str(path)) as file:
        file.write(data=noise(4, 4, 1), location=(0, 0))
        file.write(data=noise(4, 4, 1), location=(1 << 30, 0))
    with pytest.raises(TooLarge, match="pixels a side"):
        open_slide(path)


def test_channels_of_different_kinds_are_refused(tmp_path):
    path = tmp_path / "a.czi"
    with czi.create_czi(str(path)) as file:
        file.write(data=noise(4, 4, 1), plane={"C": 0})
        file.write(data=noise(4, 4, 1, dtype="uint8"), plane={"C": 1})
    with pytest.raises(Unsupported, match="different kinds"):
        open_slide(path)


def test_without_the_library_the_message_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pylibCZIrw.czi", None)
    with pytest.raises(Unsupported, match=r"install pathserve\[czi\]"):
        open_slide(folder / "mini_czi.czi")


def test_attachments_over_the_limit_are_not_read(folder, monkeypatch):
    monkeypatch.setattr("pathserve.slides.czi.attachments.MAX_BYTES", 1_000)
    with open_slide(folder / "mini_czi.czi") as source, pytest.raises(TooLarge, match="picture"):
        source.associated_image("label")


@pytest.mark.parametrize("low", ["-1", "nonsense", "nan", "1.5"])
def test_windows_that_are_no_shares_are_none(low):
    stated = read_metadata(
        "<ImageDocument><Metadata><Information><Image><Dimensions><Channels><Channel Id='a' Name='x'/></Channels>"
        "</Dimensions></Image></Information><DisplaySetting><Channels><Channel Id='a'>"
        f"<Low>{low}</Low><High>0.5</High></Channel></Channels></DisplaySetting></Metadata></ImageDocument>"
    )
    assert stated.make_channels(1, "uint16")[0].window is None


def test_the_library_holds_a_bounded_cache():
    assert czi_source.KEPT_BYTES <= 64 << 20
