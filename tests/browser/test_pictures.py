"""What is on the screen: tiles asked for once and drawn in place, nuclei drawn in their colours."""

from collections import Counter
from urllib.parse import parse_qs, urlsplit

import numpy as np
import openslide
import pytest
import shapely
import shapely.geometry
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

# Side of the compared square in CSS pixels, in the middle of the canvas, away from scale bar and minimap.
SIDE = 240
# How far a picture is shifted to see that it fits best where it should lie, in pixels.
SHIFT = 2


def expected_picture(path, state, turns: int, density: int = 1):
    """OpenSlide's pixels for the middle of the screen with a margin of SHIFT pixels, resampled as plain means."""
    step = 1 / state["zoom"] / density
    pixels = SIDE * density + 2 * SHIFT
    left, top = (state[axis] - pixels * step / 2 for axis in ("x", "y"))
    # one more pixel than needed on every side, so that a fraction of it can be taken
    reach = int(np.ceil(pixels * step)) + 2
    with openslide.OpenSlide(path) as slide:
        region = slide.read_region((int(left), int(top)), 0, (reach, reach))
    white = Image.new("RGB", region.size, "white")
    white.paste(region, mask=region.getchannel("A"))
    box = (left - int(left), top - int(top), left - int(left) + pixels * step, top - int(top) + pixels * step)
    picture = white.resize((pixels, pixels), Image.Resampling.BOX if step > 1 else Image.Resampling.BILINEAR, box)
    return np.rot90(np.asarray(picture), -turns)


def differences(seen, expected):
    """Mean absolute difference for every shift of what is seen against what is expected."""
    side = len(seen)
    found = {}
    for dy in range(-SHIFT, SHIFT + 1):
        for dx in range(-SHIFT, SHIFT + 1):
            part = expected[SHIFT + dy : SHIFT + dy + side, SHIFT + dx : SHIFT + dx + side]
            found[dx, dy] = float(np.abs(seen.astype(int) - part.astype(int)).mean())
    return found


def middle(reader, side: int = SIDE):
    box = reader.box()
    x, y = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    return reader.picture(x, y, side, side)


def open_aligned(reader, x: int, y: int, zoom: float, rotation: int = 0) -> None:
    """Open a view in which the compared square begins on a whole pixel of the screen and of the slide."""
    reader.open(x=x, y=y, z=zoom, rot=rotation)
    box = reader.box()
    # the square has an even side, so an odd canvas puts its corner between two pixels of the screen
    page = reader.page.viewport_size
    reader.page.set_viewport_size(
        {"width": page["width"] + int(box["width"]) % 2, "height": page["height"] + int(box["height"]) % 2}
    )
    reader.open(x=x, y=y, z=zoom, rot=rotation)
    assert int(reader.box()["width"]) % 2 == int(reader.box()["height"]) % 2 == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_level_0_is_drawn_pixel_by_pixel_as_openslide_reads_it(reader, sample_slide, turns: int) -> None:
    open_aligned(reader, 1200, 1500, 1, 90 * turns)
    found = differences(middle(reader), expected_picture(sample_slide, reader.state(), turns))
    # two JPEG decoders may round differently; a tile in the wrong place differs by tens
    assert found[0, 0] < 1.5
    assert min(value for shift, value in found.items() if shift != (0, 0)) > 3 * found[0, 0] + 2


@pytest.mark.parametrize("zoom", [0.5, 0.25, 0.125, 0.4])
def test_every_level_is_drawn_in_place(reader, sample_slide, zoom: float) -> None:
    open_aligned(reader, 1112, 1480, zoom)
    seen, expected = middle(reader), expected_picture(sample_slide, reader.state(), 0)
    found = differences(seen, expected)
    # reduced levels are JPEG of their own and differ pixel by pixel, but best fit where they should lie
    assert min(found, key=found.get) == (0, 0), found
    assert min(value for shift, value in found.items() if shift != (0, 0)) > 1.3 * found[0, 0]
    # and over squares of 12 pixels their colours are those of the scan
    inner = expected[SHIFT:-SHIFT, SHIFT:-SHIFT]
    assert np.abs(squares(seen) - squares(inner)).mean() < 1.5


def squares(picture):
    return picture.reshape(SIDE // 12, 12, SIDE // 12, 12, 3).mean(axis=(1, 3))


def test_a_dense_screen_shows_a_slide_pixel_on_each_of_its_own(open_reader, sample_slide) -> None:
    reader = open_reader(device_scale_factor=2)
    open_aligned(reader, 1200, 1500, 0.5)
    found = differences(middle(reader), expected_picture(sample_slide, reader.state(), 0, density=2))
    assert found[0, 0] < 1.5


class Tiles:
    """Every tile that the page asks for and how it is answered."""

    def __init__(self, page) -> None:
        self.asked: list[str] = []
        self.answers: list[tuple[str, int]] = []
        page.on("request", lambda request: "_files/" in request.url and self.asked.append(request.url))
        page.on("response", lambda answer: "_files/" in answer.url and self.answers.append((answer.url, answer.status)))


def test_each_tile_is_asked_for_once_and_is_there(site, reader) -> None:
    tiles = Tiles(reader.page)
    slide = site.get(f"/api/slides/{site.slide}").json()
    reader.open()
    moves = [
        lambda: reader.key("Shift+Digit4"),
        lambda: reader.key("ArrowLeft"),
        lambda: reader.page.mouse.wheel(0, 300),
        lambda: reader.key(">"),
        lambda: reader.key("0"),
        lambda: reader.key("Shift+Digit4"),
    ]
    reader.page.mouse.move(*reader.around((200, 200))[0])
    for move in moves:
        reader.moved_by(move)
    # a corner of the slide: most of the screen lies outside of it
    reader.open(x=2219, y=2966, z=2)
    reader.wait_quiet()
    assert {status for _, status in tiles.answers} <= {200, 304}
    assert len(tiles.asked) > 40
    again = {url: count for url, count in Counter(tiles.asked).items() if count > 1}
    # the second visit of the page may ask again for what the first one had, nothing else may
    assert set(again.values()) <= {2}
    assert {parse_qs(urlsplit(url).query)["g"][0] for url in tiles.asked} == {str(slide["generation"])}


def test_a_view_asks_for_no_tile_twice(site, reader) -> None:
    tiles = Tiles(reader.page)
    reader.open()
    reader.page.mouse.move(*reader.around((100, 100))[0])
    for delta in (-400, -400, -400, 400, 400, 400, -900):
        reader.moved_by(lambda delta=delta: reader.page.mouse.wheel(0, delta))
    reader.wait_quiet()
    assert max(Counter(tiles.asked).values()) == 1


def test_a_second_visit_has_its_tiles_from_the_browsers_cache(site, reader) -> None:
    reader.open(x=1110, y=1480, z=1)
    reader.wait_quiet()
    devtools = reader.context.new_cdp_session(reader.page)
    tiles, cached = {}, set()

    def note_answer(event) -> None:
        if "_files/" in event["response"]["url"]:
            tiles[event["requestId"]] = event["response"]["headers"]["cache-control"]
            if event["response"]["fromDiskCache"]:
                cached.add(event["requestId"])

    devtools.on("Network.responseReceived", note_answer)
    devtools.on("Network.requestServedFromCache", lambda event: cached.add(event["requestId"]))
    devtools.send("Network.enable")
    reader.page.reload()
    reader.wait_ready()
    reader.wait_quiet()
    assert len(tiles) > 10
    assert set(tiles) <= cached
    assert {frozenset(value.replace(" ", "").split(",")) for value in tiles.values()} == {
        frozenset({"private", "max-age=31536000", "immutable"})
    }


def test_all_nuclei_are_there_in_the_colours_of_their_classes(site, reader) -> None:
    reader.open(site.field, x=750, y=750, z=1)
    assert reader.state()["objects"] == 1295
    found = site.get(f"/api/slides/{site.field}/annotations", limit=2000).json()["features"]
    counts = Counter(feature["properties"]["classification"]["name"] for feature in found)
    assert sum(counts.values()) == 1295
    for name, count in counts.items():
        expect(reader.test_id("class-row", **{"class": name})).to_contain_text(f"{count:,}")
    # far in, an outline is wide enough to show its own colour
    for name in counts:
        nuclei = [each for each in found if each["properties"]["classification"]["name"] == name]
        outlines = sorted(nuclei, key=lambda each: shapely.geometry.shape(each["geometry"]).area)
        feature = outlines[len(outlines) // 2]
        outline = shapely.geometry.shape(feature["geometry"])
        reader.open(site.field, x=outline.centroid.x, y=outline.centroid.y, z=8)
        color = feature["properties"]["classification"]["color"]
        assert shows_outline(reader, outline, color), name
        with_objects = middle(reader)
        reader.key("a")
        wait_other_picture(reader, with_objects)
        assert not shows_outline(reader, outline, color), name


def test_the_keys_for_showing_and_filling(site, reader) -> None:
    reader.open(site.field, x=750, y=750, z=1)
    filled = middle(reader)
    reader.key("f")
    outlined = wait_other_picture(reader, filled)
    reader.key("a")
    bare = wait_other_picture(reader, outlined)
    changed = [np.abs(picture.astype(int) - bare.astype(int)).any(axis=2).mean() for picture in (filled, outlined)]
    assert changed[0] > changed[1] > 0.02
    reader.key("a")
    reader.key("f")
    wait_other_picture(reader, bare)


def wait_other_picture(reader, before):
    for _ in range(50):
        reader.settle()
        now = middle(reader)
        if not np.array_equal(now, before):
            return now
    pytest.fail("the picture has not changed")


def shows_outline(reader, outline, color) -> bool:
    """Whether most points along the outline that are on the screen have the colour.

    A line of 1.5 pixels covers at least three quarters of some pixel; the rest of that may be black or white.
    """
    box = reader.box()
    picture = middle(reader, 480)
    left, top = box["x"] + (box["width"] - 480) / 2, box["y"] + (box["height"] - 480) / 2
    points = [outline.exterior.interpolate(share, normalized=True) for share in np.linspace(0, 1, 200)]
    places = reader.to_page([(point.x, point.y) for point in points])
    inside = [(int(x - left), int(y - top)) for x, y in places if 2 <= x - left < 478 and 2 <= y - top < 478]
    near = []
    for x, y in inside:
        part = picture[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).astype(int)
        near.append(np.abs(part - np.array(color)).max(axis=1).min() <= 48)
    return len(near) > 100 and float(np.mean(near)) > 0.8
