"""Cells from vector tiles: what is drawn, counted, hovered, chosen and changed is what the server has."""

import threading
from collections import Counter
from uuid import uuid4

import numpy as np
import pytest
import shapely
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

VIEW = {"x": 750, "y": 750, "z": 1}
SIDE = 12


def cell(x: float, y: float, name: str, side: float = SIDE) -> dict:
    corners = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return {
        "type": "Feature",
        "id": str(uuid4()),
        "geometry": {"type": "Polygon", "coordinates": [corners]},
        "properties": {"classification": {"name": name, "color": [200, 30, 30]}},
    }


def nuclei(site) -> list[dict]:
    return list(site.on_field().values())


def class_of(feature) -> str:
    return feature["properties"]["classification"]["name"]


def counts_shown(reader) -> dict[str, int]:
    rows = reader.test_id("class-row").all()
    counts = {row.get_attribute("data-class"): row.locator(".count").text_content() for row in rows}
    return {name: int(count.replace(",", "")) for name, count in counts.items() if count != "0"}


def settled(reader) -> None:
    """Wait until tiles show all that has been saved."""
    reader.wait_state("s.settled && s.save === 'saved'")


def box(reader, x0, y0, x1, y1) -> None:
    """Draw a box around a level-0 place with Shift."""
    (ax, ay), (bx, by) = reader.to_page([[x0, y0], [x1, y1]])
    reader.page.keyboard.down("Shift")
    reader.drag([(ax, ay), ((ax + bx) / 2, (ay + by) / 2), (bx, by)])
    reader.page.keyboard.up("Shift")


@pytest.mark.parametrize("zoom", [0.1, 0.03, 2])
def test_counts_are_exact_at_every_zoom(site, reader, zoom) -> None:
    reader.open(site.field, x=750, y=750, z=zoom)
    assert counts_shown(reader) == Counter(map(class_of, nuclei(site)))
    assert reader.state()["objects"] == 1295


def test_the_density_picture_covers_where_cells_are_and_nothing_else(site, reader) -> None:
    """Far out every bin of 4 screen pixels with a cell is coloured, and no other is."""
    # 64 groups of 4 cells, 512 px apart, far out smaller than a screen pixel
    places = [(2000 + 16 * col, 2300 + 16 * row) for col in range(2) for row in range(2)]
    features = [cell(x - 1500, y - 1500, "Tumour", 4) for x, y in places]
    body = {"type": "FeatureCollection", "features": features}
    site.request("POST", f"/api/slides/{site.slide}/annotations", params={"layer": "given"}, json=body)
    zoom = 1 / 16
    reader.open(x=1110, y=1480, z=zoom)
    assert counts_shown(reader) == {"Tumour": 4}
    assert reader.state()["objects"] == 4
    reader.page.mouse.move(5, 5)
    frame = reader.box()
    whole = (frame["x"], frame["y"], frame["width"], frame["height"])
    with_cells = reader.picture(*whole).astype(int)
    reader.key("a")
    reader.settle()
    without = reader.picture(*whole).astype(int)
    changed = np.argwhere(np.abs(with_cells - without).sum(axis=2) > 12)
    x = 1110 + (changed[:, 1] + 0.5 - frame["width"] / 2) / zoom
    y = 1480 + (changed[:, 0] + 0.5 - frame["height"] / 2) / zoom
    centres = [(x0 - 1500 + 2, y0 - 1500 + 2) for x0, y0 in places]
    bins = {(cx // 64, cy // 64) for cx, cy in centres}
    # a bin is 64 level-0 px; the screen does not lie on the bins' grid, so its edge pixels may belong to either side
    inside = {(int(a // 64), int(b // 64)) for a, b in zip(x, y, strict=True)}
    assert bins <= inside
    left, top = min(b[0] for b in bins) * 64, min(b[1] for b in bins) * 64
    right, bottom = (max(b[0] for b in bins) + 1) * 64, (max(b[1] for b in bins) + 1) * 64
    slack = 1 / zoom
    assert left - slack <= x.min() <= x.max() <= right + slack
    assert top - slack <= y.min() <= y.max() <= bottom + slack


def test_the_smallest_cell_under_the_pointer_is_named_and_a_click_selects_it(site, reader) -> None:
    reader.open(site.field, **VIEW)
    shapes = [(shapely.geometry.shape(feature["geometry"]), feature) for feature in nuclei(site)]
    near = [
        (shape, feature) for shape, feature in shapes if 600 < shape.centroid.x < 900 and 600 < shape.centroid.y < 900
    ]
    for shape, feature in near[::12]:
        point = shape.representative_point()
        at = [(round(x), round(y)) for x, y in reader.to_page([[point.x, point.y]])]
        ((x, y),) = reader.to_l0(at)
        # tiles have outlines to 1/16 of a pixel: where shapes touch, either may be meant
        under = [(one.area, other) for one, other in shapes if one.distance(shapely.Point(x, y)) < 5]
        reader.page.mouse.move(*at[0])
        numbers = [other["properties"]["number"] for _, other in under]
        reader.wait_state(f"{numbers}.includes(s.hover)")
        expect(reader.page.locator(".hover-label")).to_be_visible()
        reader.click(at)
        ids = [other["id"] for _, other in under]
        reader.wait_state(f"{ids}.includes(s.selection)")
        if len(under) == 1:
            assert reader.state()["selection"] == feature["id"]
            expect(reader.test_id("selected")).to_contain_text(class_of(feature))


def test_two_quick_clicks_on_two_places_are_no_double_click(site, reader) -> None:
    reader.open(site.field, **VIEW)
    reader.click(reader.around((-100, 0), (100, 0)))
    reader.settle()
    assert reader.state()["zoom"] == VIEW["z"]
    reader.moved_by(lambda: reader.page.mouse.dblclick(*reader.around((0, 0))[0]))
    assert reader.state()["zoom"] == 2 * VIEW["z"]


def test_a_box_selects_exactly_the_cells_within_whichever_way_the_slide_lies(site, reader) -> None:
    for rotation in (0, 30):
        reader.open(site.field, rot=rotation, **VIEW)
        box(reader, 560, 580, 860, 900)
        reader.wait_state("s.chosen > 0")
        ((ax, ay), (bx, by)) = reader.to_page([[560, 580], [860, 900]])
        ring = shapely.Polygon(reader.to_l0([(ax, ay), (bx, ay), (bx, by), (ax, by)]))
        boxes = [shapely.box(*shapely.geometry.shape(feature["geometry"]).bounds) for feature in nuclei(site)]
        # tiles have outlines to 1/16 of a pixel: what comes nearer than that to the edge may be in or out
        certain = sum(ring.buffer(-1).contains(each) for each in boxes)
        possible = sum(ring.buffer(1).contains(each) for each in boxes)
        assert certain <= reader.state()["chosen"] <= possible
        assert certain > 10
        reader.key("Escape")
        reader.wait_state("s.chosen === 0")


def test_many_change_their_class_and_are_deleted_as_one_step_each(site, reader, field_as_it_was) -> None:
    before = Counter(map(class_of, field_as_it_was.values()))
    reader.open(site.field, **VIEW)
    revision = site.get(f"/api/slides/{site.field}/annotations", limit=1).json()["revision"]
    box(reader, 560, 580, 860, 900)
    reader.wait_state("s.chosen > 0")
    chosen = reader.state()["chosen"]
    expect(reader.test_id("chosen")).to_contain_text(f"{chosen} objects")
    rows = [row.get_attribute("data-class") for row in reader.test_id("class-row").all()]
    reader.key("3")
    expect(reader.test_id("chosen").locator("li")).to_have_count(1)
    reader.wait_saved()
    after = nuclei(site)
    changed = [feature for feature in after if feature["properties"]["revision"] > revision]
    assert {class_of(feature) for feature in changed} == {rows[2]}
    # those that had the class already stay as they were
    had = {feature["id"]: class_of(feature) for feature in field_as_it_was.values()}
    assert 0 < len(changed) <= chosen
    assert all(had[feature["id"]] != rows[2] for feature in changed)
    assert {feature["properties"]["revision"] for feature in changed} == {revision + 1}
    reader.wait_state("s.edition > 1")
    reader.wait_quiet()
    assert counts_shown(reader) == Counter(map(class_of, after))
    reader.key("Control+z")
    reader.wait_saved()
    reader.wait_state("s.edition > 2")
    reader.wait_quiet()
    assert Counter(map(class_of, nuclei(site))) == before == counts_shown(reader)
    reader.key("Delete")
    reader.wait_state(f"s.objects === {1295 - chosen} && s.chosen === 0")
    reader.wait_saved()
    assert len(nuclei(site)) == 1295 - chosen
    reader.key("Control+z")
    reader.wait_state("s.objects === 1295")
    reader.wait_saved()
    back = {feature["id"]: feature["geometry"] for feature in nuclei(site)}
    assert back == {identity: feature["geometry"] for identity, feature in field_as_it_was.items()}


def test_an_edit_is_seen_at_once_and_never_twice_nor_not_at_all(site, reader) -> None:
    """While tiles catch up, the object is drawn by the overlay, hidden in older tiles, and counted once."""
    given = site.add([[[700, 900], [1500, 950], [1420, 1700], [640, 1500], [700, 900]]])
    reader.open(x=1100, y=1400, z=0.45)
    assert reader.state()["objects"] == 1
    held = threading.Event()
    waiting = []

    def hold(route) -> None:
        if held.is_set():
            route.continue_()
        else:
            waiting.append(route)

    reader.context.route("**/annotations/tiles/**", hold)
    reader.key("s")
    (at,) = [(round(x), round(y)) for x, y in reader.to_page([[1000, 1300]])]
    reader.click([at])
    reader.wait_state(f"s.selection === '{given['id']}'")
    reader.key("Delete")
    reader.wait_saved()
    assert reader.state()["objects"] == 0
    assert not shows_color(reader, 1100, 925)
    reader.key("Control+z")
    reader.wait_saved()
    assert reader.state()["objects"] == 1
    assert shows_color(reader, 1100, 925)
    assert reader.state()["settled"] is False
    held.set()
    for route in waiting:
        route.continue_()
    settled(reader)
    assert reader.state()["objects"] == 1
    reader.key("Escape")
    reader.wait_quiet()
    assert shows_color(reader, 1100, 925)


def shows_color(reader, x: float, y: float) -> bool:
    """Whether the outline's red is seen near a level-0 point."""
    (px, py) = reader.to_page([[x, y]])[0]
    reader.page.mouse.move(5, 5)
    reader.settle()
    pixels = reader.picture(px - 6, py - 6, 12, 12).astype(int)
    return bool((np.abs(pixels - [200, 30, 30]).sum(axis=2) < 90).any())


def test_what_another_reader_does_is_seen_without_a_reload(site, reader) -> None:
    reader.open(x=1100, y=1400, z=0.45)
    assert reader.state()["objects"] == 0
    given = site.add([[[700, 900], [1500, 950], [1420, 1700], [640, 1500], [700, 900]]])
    reader.wait_state("s.objects === 1")
    reader.wait_quiet()
    assert shows_color(reader, 1100, 925)
    reader.key("s")
    (at,) = [(round(x), round(y)) for x, y in reader.to_page([[1000, 1300]])]
    reader.click([at])
    reader.wait_state(f"s.selection === '{given['id']}'")
    moved = given | {
        "geometry": {"type": "Polygon", "coordinates": [[[700, 900], [1500, 950], [800, 1700], [700, 900]]]}
    }
    revision = site.change(moved)
    note = reader.test_id("overtaken")
    expect(note).to_contain_text(f"rev {revision}")
    # not silently another: the reader's own form is still there to be measured
    expect(reader.test_id("selected")).to_contain_text("4 · 0")
    note.get_by_role("button").click()
    expect(note).to_have_count(0)
    expect(reader.test_id("selected")).to_contain_text("3 · 0")
    expect(reader.test_id("spoken")).to_have_text("Selected: Tumour")
    site.clear()
    expect(note).to_contain_text("tests has deleted this object")


def test_a_change_asks_only_for_the_tiles_that_it_meets(site, reader) -> None:
    site.add([[[300, 300], [320, 300], [320, 320], [300, 320], [300, 300]]])
    reader.open(x=1110, y=1000, z=1)
    reader.wait_quiet()
    asked = []
    reader.context.on("request", lambda request: "/annotations/tiles/" in request.url and asked.append(request.url))
    site.add([[[1000, 1000], [1010, 1000], [1010, 1010], [1000, 1010], [1000, 1000]]])
    reader.wait_state("s.objects === 2")
    reader.wait_quiet()
    places = {tuple(map(int, url.split("?")[0].rsplit("/", 3)[1:])) for url in asked}
    level = max(z for z, _, _ in places)
    assert {(x, y) for z, x, y in places if z == level} == {(1000 // 240, 1000 // 240)}
    # the other is the one that all counts come from
    assert len(places) == 2


def test_objects_are_gone_through_by_keyboard(site, reader) -> None:
    for x in (900, 700, 1100):
        site.add([[[x, 1000], [x + 50, 1000], [x + 50, 1050], [x, 1050], [x, 1000]]], str(x))
    reader.open(x=1000, y=1000, z=0.5)
    seen = []
    for key in ("n", "n", "n", "n", "Shift+N"):
        before = reader.state()["selection"]
        reader.key(key)
        reader.page.wait_for_function(
            "(old) => ![null, old].includes(window.pathserve.view.state().selection)", arg=before
        )
        expect(reader.test_id("selected")).to_be_visible()
        seen.append(site.get(f"/api/annotations/{reader.state()['selection']}").json())
    assert list(map(class_of, seen)) == ["700", "900", "1100", "700", "1100"]
