"""IIIF requests against the examples and the tile formula of the specifications."""

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pathserve.errors import Malformed
from pathserve.geometry import Size
from pathserve.tiles import DeepZoom
from pathserve.tiles.iiif import Address, Limits, plan, turned
from pathserve.tiles.iiif_picture import finish

PLENTY = Limits(64 << 20)
SLIDE = DeepZoom(Size(2220, 2967), 240, 1)
EXAMPLE = DeepZoom(Size(300, 200), 256, 1)  # the picture of the specifications' examples


def wanted(region="full", size="max", rotation="0", quality="default", kind="jpg", **more):
    version, zoom, limits = more.get("version", 3), more.get("zoom", EXAMPLE), more.get("limits", PLENTY)
    return plan(version, Address(region, size, rotation, quality, kind), zoom, limits)


def extent(found):
    return found.size.width, found.size.height


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("region", "box"),
    [
        ("full", (0, 0, 300, 200)),
        ("square", (50, 0, 200, 200)),
        ("125,15,120,140", (125, 15, 120, 140)),
        ("pct:41.6,7.5,40,70", (125, 15, 120, 140)),
        ("125,15,200,200", (125, 15, 175, 185)),
        ("pct:41.6,7.5,66.6,100", (125, 15, 175, 185)),
        ("0,0,1000000,1000000", (0, 0, 300, 200)),
    ],
)
def test_regions_are_those_of_the_specification(version: int, region: str, box) -> None:
    found = wanted(region, "max", version=version).box
    assert (found.l0_x, found.l0_y, found.width, found.height) == box


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("max", (300, 200)),
        ("150,", (150, 100)),
        (",150", (225, 150)),
        ("pct:50", (150, 100)),
        ("225,100", (225, 100)),
        ("!225,100", (150, 100)),
        ("!1000,200", (300, 200)),
        ("^360,", (360, 240)),
        ("^,240", (360, 240)),
        ("^pct:120", (360, 240)),
        ("^360,360", (360, 360)),
        ("^!360,360", (360, 240)),
        ("^150,", (150, 100)),
    ],
)
def test_sizes_are_those_of_the_specification(size: str, expected) -> None:
    assert extent(wanted(size=size)) == expected


@pytest.mark.parametrize(("size", "expected"), [("max", (200, 133)), ("!300,1000", (200, 133))])
def test_max_stays_within_the_limits(size: str, expected) -> None:
    assert extent(wanted(size=size, limits=Limits(1 << 20, side=200))) == expected
    assert extent(wanted(size="^max", limits=Limits(1 << 20, side=360))) == (360, 240)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("full", (300, 200)),
        ("max", (300, 200)),
        ("360,", (360, 240)),
        ("pct:200", (600, 400)),
        ("!360,360", (300, 200)),
    ],
)
def test_version_2_enlarges_without_a_sign(size: str, expected) -> None:
    assert extent(wanted(size=size, version=2)) == expected


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 4000), st.integers(1, 4000), st.integers(200, 9_000_000)
)
def test_a_confined_size_is_the_largest_that_fits(width, height, most_width, most_height, area) -> None:
    zoom, limits = DeepZoom(Size(width, height), 256, 1), Limits(area)
    try:
        got = extent(wanted(size=f"^!{most_width},{most_height}", zoom=zoom, limits=limits))
    except Malformed:
        scale = min(most_width / width, most_height / height, math.sqrt(area / width / height))
        # The picture would be thinner than a pixel, and so be scaled along one side alone.
        assert min(width, height) * scale < 1
        return
    assert got[0] <= most_width
    assert got[1] <= most_height
    assert got[0] * got[1] <= area
    # One pixel more along both sides would leave the rectangle or the area.
    larger = got[0] + 1, got[1] + 1
    assert larger[0] > most_width or larger[1] > most_height or larger[0] * larger[1] > area


@given(
    st.integers(1, 40_000),
    st.integers(1, 40_000),
    st.sampled_from([240, 256]),
    st.integers(0, 15),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_every_tile_of_the_specifications_formula_is_a_stored_tile(width, height, side, halvings, n, m) -> None:
    zoom = DeepZoom(Size(width, height), side, 1)
    factor = 2 ** (halvings % zoom.level_count)
    left, top = n * side * factor % width, m * side * factor % height
    left, top = left - left % (side * factor), top - top % (side * factor)
    across, down = min(side * factor, width - left), min(side * factor, height - top)
    # Of the implementation notes: the last column and row are rounded up.
    size = (across + factor - 1) // factor, (down + factor - 1) // factor
    region = f"{left},{top},{across},{down}"
    forms = [(3, f"{size[0]},{size[1]}"), (2, f"{size[0]},{size[1]}")]
    # One column of pixels stays one column however often it is halved, so its width alone does not say how often.
    for version, text in [*forms, (2, f"{size[0]},")] if size[0] > 1 else forms:
        found = wanted(region, text, version=version, zoom=zoom)
        level, col, row = found.tile
        at = 2 ** (zoom.level_count - 1 - level)
        stored = zoom.tile_region(level, col, row)
        assert (stored.width, stored.height) == extent(found)
        assert (col * side * at, row * side * at) == (left, top)
        assert (min(stored.width * at, width - left), min(stored.height * at, height - top)) == (across, down)
        # A corner of a few pixels is the same at several levels; all others are told apart.
        if size[0] == side or size[1] == side:
            assert (extent(found), at) == (size, factor)


def test_only_pictures_on_the_grid_are_tiles() -> None:
    tile = ("480,480,480,480", "240,240")
    for same in ({}, {"kind": "png"}, {"quality": "color"}):
        found = wanted(*tile, zoom=SLIDE, **same)
        assert (found.tile, found.is_plain) == ((11, 1, 1), True)
    assert wanted("480,480,480,480", "pct:50", zoom=SLIDE).tile == (11, 1, 1)
    for other in ({"rotation": "90"}, {"rotation": "!0"}, {"quality": "gray"}, {"quality": "bitonal"}):
        found = wanted(*tile, **other, zoom=SLIDE)
        assert (found.tile, found.is_plain) == ((11, 1, 1), False)
    for region, size in (
        ("481,480,480,480", "240,240"),
        ("480,480,480,479", "240,240"),
        ("480,480,480,480", "239,240"),
    ):
        assert wanted(region, size, zoom=SLIDE).tile is None


@pytest.mark.parametrize(
    ("version", "parts", "canonical"),
    [
        (3, ("full", "max", "0", "default", "jpg"), "full/max/0/default.jpg"),
        (3, ("0,0,300,200", "300,200", "0.0", "color", "jpg"), "full/max/0/default.jpg"),
        (3, ("pct:0,0,100,100", "pct:50", "360", "gray", "png"), "full/150,100/0/gray.png"),
        (3, ("square", "^400,", "!22.50", "default", "png"), "50,0,200,200/^400,400/!22.5/default.png"),
        (3, ("full", "^!300,300", "90", "default", "jpg"), "full/max/90/default.jpg"),
        (3, ("125,15,200,200", "^max", "0", "bitonal", "webp"), "125,15,175,185/^max/0/bitonal.webp"),
        (3, ("125,15,200,200", "100,", ".50", "gray", "avif"), "125,15,175,185/100,106/0.5/gray.avif"),
        (2, ("full", "max", "0", "default", "jpg"), "full/full/0/default.jpg"),
        (2, ("full", ",100", "0", "default", "jpg"), "full/150,/0/default.jpg"),
        (2, ("full", "150,120", "0", "default", "jpg"), "full/150,120/0/default.jpg"),
        (2, ("square", "600,", "270", "color", "jpg"), "50,0,200,200/600,/270/default.jpg"),
    ],
)
def test_equal_pictures_have_one_canonical_form(version, parts, canonical) -> None:
    found = plan(version, Address(*parts), EXAMPLE, PLENTY)
    assert found.canonical == canonical
    region, size, rotation, last = canonical.split("/")
    assert plan(version, Address(region, size, rotation, *last.split(".")), EXAMPLE, PLENTY) == found
    assert not set(found.tag) & set(',"/ ')


@pytest.mark.parametrize(
    "parts",
    [
        {"region": text}
        for text in (
            *("", "all", "Full", "1,2,3", "1,2,3,4,5", "-1,0,5,5", "0,0,0,5", "0,0,5,0", "0.5,0,5,5", "300,0,5,5"),
            *("0,200,5,5", "0,0,99999999999,5", "pct:100,0,5,5", "pct:0,0,0,5", "pct:-1,0,5,5", "pct:1e1,0,5,5"),
            *("pct:0,0,nan,5", "0,0,5,\u0665", "0,0,5,5\n", "pct:0,0,0.001,5"),
        )
    ]
    + [
        {"size": text}
        for text in (
            *("", "full", "MAX", ",", "^", "!", "!5,", "!,5", "!0,5", "0,", ",0", "0,0", "-1,", "1.5,", "301,", ",201"),
            *(
                "301,200",
                "pct:",
                "pct:0",
                "pct:101",
                "pct:-5",
                "pct:1..5",
                "pct:0.001",
                "^^5,",
                "!^5,5",
                "99999999999,",
            ),
            *("^70000,", "^9000,9000", "^pct:9999", "300,1", "5,5,", "\u0665,", "max\n"),
        )
    ]
    + [{"size": text, "version": 2} for text in ("^max", "^5,", "70000,", "9000,9000")]
    + [{"rotation": text} for text in ("", "!", "-90", "361", "north", "!!0", "0!", "1e2", "nan", "90 ")]
    + [{"quality": text} for text in ("", "grey", "native", "Color")]
    + [{"kind": text} for text in ("", "gif", "tif", "pdf", "jp2", "jpeg", "JPG", "npy")],
)
def test_what_is_not_of_the_form_is_refused_with_a_sentence(parts) -> None:
    with pytest.raises(Malformed) as refused:
        wanted(**parts)
    assert refused.value.message.endswith(".")


def test_a_turned_picture_keeps_the_limits_too() -> None:
    strip = DeepZoom(Size(60_000, 4000), 256, 1)
    assert extent(wanted(size="60000,1000", rotation="90", zoom=strip)) == (60_000, 1000)
    with pytest.raises(Malformed):
        wanted(size="60000,1000", rotation="45", zoom=strip)  # 43,134 pixels a side
    with pytest.raises(Malformed):
        wanted(size="20000,1000", kind="webp", zoom=strip)  # a WebP holds 16,383 a side
    square = DeepZoom(Size(5000, 5000), 256, 1)
    assert extent(wanted(kind="jpg", zoom=square)) == (5000, 5000)
    with pytest.raises(Malformed):
        wanted(kind="avif", zoom=square)  # its encoder would take too much memory


PIXELS = np.random.default_rng(7).integers(0, 256, (60, 90, 3), np.uint8)


def picture(**parts):
    return Image.open(io.BytesIO(finish(wanted(kind="png", **parts), PIXELS)))


def test_mirroring_comes_before_turning() -> None:
    image = Image.fromarray(PIXELS)
    clockwise = {"90": Image.Transpose.ROTATE_270, "180": Image.Transpose.ROTATE_180, "270": Image.Transpose.ROTATE_90}
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert np.array_equal(picture(rotation="!0"), mirrored)
    for degrees, transpose in clockwise.items():
        assert np.array_equal(picture(rotation=degrees), image.transpose(transpose))
        assert np.array_equal(picture(rotation=f"!{degrees}"), mirrored.transpose(transpose))


def test_gray_is_luma_and_bitonal_is_black_and_white() -> None:
    luma = PIXELS @ np.array([0.299, 0.587, 0.114])
    gray = picture(quality="gray")
    assert gray.mode == "L"
    assert np.abs(np.asarray(gray) - luma).max() <= 1
    bitonal = np.asarray(picture(quality="bitonal"))
    clear = np.abs(luma - 127.5) > 2
    assert np.array_equal(bitonal[clear], np.where(luma > 127.5, 255, 0)[clear])
    assert set(np.unique(bitonal)) == {0, 255}
    jpeg = Image.open(io.BytesIO(finish(wanted(quality="gray"), PIXELS)))
    assert (jpeg.format, jpeg.mode) == ("JPEG", "L")


@pytest.mark.parametrize("quality", ["default", "gray"])
def test_what_shows_around_a_turned_picture_is_transparent_or_white(quality: str) -> None:
    found = picture(rotation="30", quality=quality)
    across, down = turned(Size(90, 60), 30)
    assert abs(found.width - across) <= 2
    assert abs(found.height - down) <= 2
    alpha = np.asarray(found)[..., 3]
    assert alpha[0, 0] == alpha[-1, -1] == 0
    assert alpha[found.height // 2, found.width // 2] == 255
    # As much is opaque as there are pixels in the picture.
    assert abs(int((alpha > 127).sum()) - 90 * 60) < 200
    jpeg = Image.open(io.BytesIO(finish(wanted(rotation="30", quality=quality), PIXELS))).convert("RGB")
    assert np.asarray(jpeg)[:4, :4].min() > 245
    # Clockwise: the top-left corner moves right along the top edge.
    assert int(np.argmax(alpha[2] > 127)) > found.width * 0.2


@given(st.floats(0, 360, exclude_max=True), st.integers(1, 400), st.integers(1, 400))
def test_a_turned_rectangle_has_the_size_of_its_corners(degrees, width, height) -> None:
    angle = math.radians(degrees)
    corners = [complex(x, y) * complex(math.cos(angle), math.sin(angle)) for x in (0, width) for y in (0, height)]
    across = max(z.real for z in corners) - min(z.real for z in corners)
    down = max(z.imag for z in corners) - min(z.imag for z in corners)
    got = turned(Size(width, height), degrees)
    assert got[0] == pytest.approx(across, abs=1.001)
    assert got[1] == pytest.approx(down, abs=1.001)


REGIONS = st.one_of(
    st.sampled_from(["full", "square"]),
    st.from_regex(r"(pct:)?\d{1,5}(\.\d{1,3})?(,\d{1,5}(\.\d{1,3})?){3}", fullmatch=True),
    st.text("0123456789.,:pct-+e", max_size=24),
)
SIZES = st.one_of(
    st.sampled_from(["max", "^max", "full"]),
    st.from_regex(r"\^?(!?\d{1,6},\d{1,6}|\d{1,6},|,\d{1,6}|pct:\d{1,4}(\.\d{1,3})?)", fullmatch=True),
    st.text("0123456789.,:pct!^-+e", max_size=16),
)
ROTATIONS = st.one_of(st.sampled_from(["0", "90", "!180"]), st.text("0123456789.!-+e", max_size=8))


@given(st.sampled_from([2, 3]), REGIONS, SIZES, ROTATIONS, st.sampled_from(["jpg", "png", "webp", "avif"]))
def test_whatever_is_asked_for_stays_within_slide_and_limits(version, region, size, rotation, kind) -> None:
    limits = Limits(3_000_000)
    try:
        found = wanted(region, size, rotation, kind=kind, version=version, zoom=SLIDE, limits=limits)
    except Malformed:
        return
    box = found.box
    assert 0 <= box.l0_x < box.l0_x + box.width <= SLIDE.size.width
    assert 0 <= box.l0_y < box.l0_y + box.height <= SLIDE.size.height
    assert limits.hold(*extent(found))
    assert limits.hold(*turned(found.size, found.degrees))
    assert (found.grid.region.l0_width, found.grid.region.l0_height) == pytest.approx((box.width, box.height))
    again = found.canonical.split("/")
    assert plan(version, Address(*again[:3], *again[3].split(".")), SLIDE, limits).size == found.size
