"""A polygon drawn with the mouse is on the server with its exact vertices, and its mask and pair follow from it."""

import io

import numpy as np
import openslide
import pytest
import shapely
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

# Offsets from the middle of the canvas in CSS pixels; no edge is upright or level.
OUTLINE = [(-180, -90), (40, -151), (203, -20), (97, 133), (-61, 47), (-140, 110)]
# JavaScript's and Python's sines may differ in the last bit; a level-0 pixel is 1.
EXACT = 1e-9

VIEWS = {
    "level 0": {"x": 1110, "y": 1480, "z": 1},
    "far out": {"x": 1110, "y": 1480, "z": 0.2},
    "enlarged, at the edge": {"x": 31.37, "y": 2911.4, "z": 3.1},
    "turned by 30 degrees": {"x": 903.21, "y": 1201.77, "z": 0.73, "rot": 30},
    "turned by 251.5 degrees, far in": {"x": 1400, "y": 700, "z": 8, "rot": 251.5},
}


def ring_of(feature) -> list[list[float]]:
    (ring,) = feature["geometry"]["coordinates"]
    return ring


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_clicks_become_exactly_these_vertices(site, reader, view) -> None:
    reader.open(**view)
    expected = reader.draw(reader.around(*OUTLINE))
    revision = reader.wait_saved()
    feature = site.only()
    assert ring_of(feature) == [pytest.approx(point, abs=EXACT) for point in expected]
    assert feature["properties"]["revision"] == revision
    assert feature["properties"]["author"] == reader.account
    assert feature["id"] == reader.state()["selection"]


def test_vertices_stay_exact_while_the_view_pans_zooms_and_turns_between_clicks(site, reader) -> None:
    reader.open(x=1000, y=1000, z=0.5)
    reader.key("p")
    reader.page.mouse.move(*reader.around((-150, 40))[0])
    moves = [
        lambda: reader.page.mouse.wheel(0, -240),
        lambda: reader.key("ArrowRight"),
        lambda: reader.key(">"),
        lambda: reader.drag(reader.around((0, 0), (-20, 10), (-60, 35)), button="middle"),
        lambda: reader.drag_with_space(reader.around((10, 10), (30, 20), (50, 80))),
    ]
    # each is set where it will lie outside of all the others
    offsets = [(-220, -140), (60, -190), (230, -30), (190, 160), (-30, 210)]
    expected = []
    for move, offset in zip(moves, offsets, strict=True):
        reader.moved_by(move)
        points = reader.around(offset)
        expected += reader.to_l0(points)
        reader.click(points)
    assert reader.state()["draft"] == [pytest.approx(point, abs=EXACT) for point in expected]
    reader.key("Enter")
    reader.wait_saved()
    assert ring_of(site.only()) == [pytest.approx(point, abs=EXACT) for point in [*expected, expected[0]]]


def test_a_drag_draws_freehand_through_every_point_of_the_pointer(site, reader) -> None:
    reader.open(x=1110, y=1480, z=0.6, rot=30)
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    path = reader.around(*[(round(150 * np.cos(a)), round(110 * np.sin(a))) for a in angles])
    expected = reader.to_l0([*path, path[0]])
    reader.key("p")
    reader.drag(path)
    reader.wait_saved()
    assert ring_of(site.only()) == [pytest.approx(point, abs=EXACT) for point in expected]


def test_double_click_and_first_vertex_close_backspace_takes_back_escape_gives_up(site, reader) -> None:
    reader.open(x=1110, y=1480, z=1)
    triangle = reader.around((-200, -150), (-60, -140), (-130, -30))
    expected = reader.to_l0([*triangle, triangle[0]])
    reader.key("p")
    reader.click([*triangle[:2], *reader.around((0, 190))])
    reader.key("Backspace")
    reader.page.mouse.dblclick(*triangle[2])
    reader.wait_saved()
    assert ring_of(site.only()) == [pytest.approx(point, abs=EXACT) for point in expected]
    first = site.only()["id"]
    other = reader.around((60, 40), (210, 55), (120, 180))
    expected = reader.to_l0([*other, other[0]])
    reader.click([*other, (other[0][0] + 4, other[0][1] - 3)])
    reader.wait_saved()
    (second,) = (feature for feature in site.annotations() if feature["id"] != first)
    assert ring_of(second) == [pytest.approx(point, abs=EXACT) for point in expected]
    reader.click(reader.around((-10, -10), (50, -60), (90, 10)))
    reader.key("Escape")
    reader.wait_state("s.draft === null")
    assert len(site.annotations()) == 2


def test_the_class_of_the_palette_is_stored_a_new_one_too(site, reader) -> None:
    reader.open(x=1110, y=1480, z=0.5)
    classes = {entry["name"]: entry for entry in site.get(f"/api/slides/{site.slide}/classes").json()["items"]}
    name = sorted(classes)[1]
    reader.test_id("class-row", **{"class": name}).click()
    reader.draw(reader.around(*OUTLINE))
    reader.wait_saved()
    first = site.only()
    assert first["properties"]["classification"] == {"name": name, "color": classes[name]["color"]}
    expect(reader.test_id("selected")).to_contain_text(name)

    reader.page.get_by_label("Name of a new class").fill("Lymph vessel")
    reader.key("Enter")
    reader.test_id("slide-canvas").hover()
    reader.page.evaluate("() => document.activeElement.blur()")
    reader.draw(reader.around((-250, -200), (-200, -250), (-210, -180)))
    reader.wait_saved()
    (second,) = (feature for feature in site.annotations() if feature["id"] != first["id"])
    assert second["properties"]["classification"]["name"] == "Lymph vessel"
    after = {entry["name"]: entry for entry in site.get(f"/api/slides/{site.slide}/classes").json()["items"]}
    assert "Lymph vessel" in after
    assert after["Lymph vessel"]["value"] not in {entry["value"] for entry in classes.values()}
    # the earlier object keeps its class
    assert site.get(f"/api/annotations/{first['id']}").json()["properties"]["classification"]["name"] == name


def test_a_drawing_on_a_screen_of_two_pixels_per_css_pixel(site, open_reader) -> None:
    reader = open_reader(device_scale_factor=2)
    reader.open(x=1110, y=1480, z=0.7, rot=30)
    expected = reader.draw(reader.around(*OUTLINE))
    reader.wait_saved()
    assert ring_of(site.only()) == [pytest.approx(point, abs=EXACT) for point in expected]


@pytest.mark.parametrize("downsample", [1, 2.7])
def test_mask_and_pair_of_a_drawn_polygon(site, reader, sample_slide, downsample: float) -> None:
    reader.open(x=1013.37, y=1480.91, z=0.83, rot=30)
    reader.draw(reader.around(*OUTLINE))
    reader.wait_saved()
    feature = site.only()
    outline = shapely.Polygon(ring_of(feature))
    left, top, right, bottom = outline.bounds
    x, y = int(left) - 5, int(top) - 7
    width, height = int((right - x) / downsample) + 9, int((bottom - y) / downsample) + 9
    params = {"x": x, "y": y, "width": width, "height": height, "downsample": downsample}
    mask = np.load(io.BytesIO(site.get(f"/api/slides/{site.slide}/mask", format="npy", **params).content))
    centre_x, centre_y = np.meshgrid(
        x + (np.arange(width) + 0.5) * downsample, y + (np.arange(height) + 0.5) * downsample
    )
    # no centre lies on the outline, so there is nothing that the rule for edges could excuse
    assert not shapely.intersects_xy(outline.exterior, centre_x, centre_y).any()
    inside = shapely.contains_xy(outline, centre_x, centre_y)
    assert mask.shape == (height, width)
    assert inside.any()
    assert not inside.all()
    assert np.array_equal(mask != 0, inside)
    name = feature["properties"]["classification"]["name"]
    values = {entry["name"]: entry["value"] for entry in site.get(f"/api/slides/{site.slide}/classes").json()["items"]}
    assert set(np.unique(mask)) == {0, values[name]}

    with np.load(io.BytesIO(site.get(f"/api/slides/{site.slide}/pair", format="npz", **params).content)) as pair:
        assert np.array_equal(pair["mask"], mask)
        image = pair["image"]
    assert image.shape == (height, width, 3)
    region = site.get(f"/api/slides/{site.slide}/region", format="npy", **params)
    assert np.array_equal(image, np.load(io.BytesIO(region.content)))
    if downsample == 1:
        with openslide.OpenSlide(sample_slide) as truth:
            expected = np.asarray(truth.read_region((x, y), 0, (width, height)).convert("RGB"))
        assert np.array_equal(image, expected)
