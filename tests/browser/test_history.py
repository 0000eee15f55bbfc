"""What has become of an object, and how what was deleted or changed comes back."""

import numpy as np
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SHELL = [[700, 900], [1500, 950], [1400, 1700], [700, 900]]
INSIDE = [1200, 1100]
LARGER = [[600, 900], [1600, 950], [1400, 1800], [600, 900]]
VIEW = {"x": 1100, "y": 1200, "z": 0.2}


def select(reader, feature) -> None:
    reader.key("m")
    reader.click([tuple(map(round, reader.to_page([INSIDE])[0]))])
    reader.wait_state(f"s.selection === '{feature['id']}'")


def versions(site, feature) -> list[dict]:
    return site.get(f"/api/annotations/{feature['id']}/revisions").json()["items"]


def words(reader) -> list[str]:
    return reader.test_id("version").locator("b").all_text_contents()


def delete_by_program(site, feature) -> int:
    path = f"/api/annotations/{feature['id']}"
    answer = site.request("DELETE", path, headers={"if-match": site.get(path).headers["etag"]})
    return int(answer.headers["etag"].strip('"r'))


def test_every_version_is_told_and_an_earlier_one_restored_by_keys_alone(site, reader) -> None:
    feature = site.add([SHELL])
    site.change(feature | {"geometry": {"type": "Polygon", "coordinates": [LARGER]}})
    reader.open(**VIEW)
    reader.key("n")
    reader.wait_state("s.selection !== null")
    selected = reader.test_id("selected")
    selected.get_by_label("Class").select_option("")
    reader.wait_saved()
    summary = reader.test_id("history").locator("summary")
    summary.focus()
    reader.key("Enter")
    expect(reader.test_id("version")).to_have_count(3)
    assert words(reader) == ["class Tumour → none", "outline", "drawn"]
    expect(reader.test_id("version").nth(0)).to_contain_text(reader.account)
    expect(reader.test_id("version").nth(2)).to_contain_text("tests")

    reader.key("Tab")
    reader.key("Tab")
    reader.key("Enter")  # the oldest one: the newest has nothing to restore
    reader.wait_saved()
    expect(reader.test_id("version")).to_have_count(4)
    assert words(reader)[0] == "class none → Tumour, outline"
    now = site.only()
    assert now["geometry"] == feature["geometry"]
    assert now["properties"]["classification"]["name"] == "Tumour"
    assert now["properties"]["layer"] == "given"

    # Enter has left the field: the keys mean the slide again.
    reader.key("Control+z")
    reader.wait_saved()
    assert site.only()["geometry"]["coordinates"] == [LARGER]
    assert "classification" not in site.only()["properties"]


def test_a_version_that_is_restored_over_somebody_elses_change_is_a_conflict(site, reader) -> None:
    reader.expect_problem("status of 412")
    feature = site.add([SHELL])
    site.change(feature | {"geometry": {"type": "Polygon", "coordinates": [LARGER]}})
    reader.open(**VIEW)
    select(reader, feature)
    reader.test_id("history").locator("summary").click()
    expect(reader.test_id("version")).to_have_count(2)
    # nobody tells the page before it writes
    reader.context.route("**/events", lambda route: route.abort())
    third = [[650, 900], [1550, 950], [1400, 1750], [650, 900]]
    site.change(feature | {"geometry": {"type": "Polygon", "coordinates": [third]}})
    reader.page.get_by_role("button", name="Restore this version").last.click()
    reader.wait_chip("Conflict")
    assert site.only()["geometry"]["coordinates"] == [third]


def test_the_state_is_one_of_those_in_use_or_any_other(site, reader) -> None:
    feature = site.add([SHELL])
    other = site.add([[[100, 100], [200, 100], [200, 200], [100, 100]]])
    site.change(other | {"properties": other["properties"] | {"state": "second opinion"}})
    reader.open(**VIEW)
    select(reader, feature)
    field = reader.test_id("state-field")
    expect(field).to_have_value("draft")
    field.focus()
    options = reader.page.locator("#known-states option")
    expect(options).to_have_count(5)
    known = options.evaluate_all("(all) => all.map((option) => option.value)")
    assert known == ["draft", "submitted", "approved", "rejected", "second opinion"]
    field.fill("for the tumour board")
    reader.key("Enter")
    reader.wait_saved()
    stored = site.get(f"/api/annotations/{feature['id']}").json()
    assert stored["properties"]["state"] == "for the tumour board"
    reader.page.evaluate("() => document.activeElement.blur()")
    reader.key("Control+z")
    reader.wait_saved()
    assert site.get(f"/api/annotations/{feature['id']}").json()["properties"]["state"] == "draft"


def test_an_area_is_marked_as_exhaustive_for_all_or_some_classes_and_drawn_as_a_frame(site, reader) -> None:
    feature = site.add([SHELL])
    reader.open(**VIEW)
    filled = pixel(reader, INSIDE)
    select(reader, feature)
    toggle = reader.test_id("exhaustive-toggle")
    toggle.focus()
    reader.key(" ")
    reader.wait_saved()
    assert site.only()["properties"]["exhaustive"] is True
    reader.page.get_by_label("Classes that are annotated exhaustively").select_option("some")
    reader.test_id("exhaustive").get_by_label("Tumour", exact=True).check()
    reader.wait_saved()
    assert site.only()["properties"]["exhaustive"] == ["Tumour"]
    # drawn by the overlay, and later by the tiles, it is a frame that tints nothing
    framed = pixel(reader, INSIDE)
    reader.key("Escape")
    reader.wait_state("s.settled && s.selection === null")
    reader.wait_quiet()
    from_tiles = pixel(reader, INSIDE)
    assert np.abs(framed - from_tiles).max() <= 6
    assert np.abs(framed - filled).max() > 6
    select(reader, feature)
    toggle.uncheck()
    reader.wait_saved()
    assert "exhaustive" not in site.only()["properties"]


def pixel(reader, at) -> np.ndarray:
    """The mean colour of some pixels around a level-0 point."""
    (x, y) = reader.to_page([at])[0]
    reader.page.mouse.move(5, 5)
    reader.settle()
    return reader.picture(x - 4, y - 4, 8, 8).reshape(-1, 3).mean(axis=0)


def test_deleted_objects_are_found_and_brought_back(site, reader) -> None:
    kept, feature = site.add([[[100, 100], [200, 100], [200, 200], [100, 100]]]), site.add([SHELL])
    gone = delete_by_program(site, feature)
    reader.open(**VIEW)
    reader.page.get_by_role("tab", name="Objects").click()
    reader.test_id("deleted-button").click()
    row = reader.test_id("deletion", revision=str(gone))
    expect(row).to_contain_text("1 object")
    expect(row).to_contain_text("given · tests")
    row.get_by_role("button", name="Bring back").click()
    reader.wait_state(f"s.selection === '{feature['id']}'")
    assert {each["id"] for each in site.annotations()} == {kept["id"], feature["id"]}
    assert site.get(f"/api/annotations/{feature['id']}").json()["geometry"] == feature["geometry"]
    assert [version.get("deleted", False) for version in versions(site, feature)] == [False, True, False]

    reader.test_id("deleted-button").click()
    expect(reader.page.get_by_role("dialog", name="Deleted objects")).to_have_attribute("open", "")
    expect(reader.page.locator('.deletions[aria-busy="false"]')).to_be_visible()
    expect(row).to_have_count(0)
    reader.key("Escape")
    reader.page.evaluate("() => document.activeElement.blur()")
    reader.key("Control+z")
    reader.wait_state("s.objects === 1")
    reader.wait_saved()
    assert [each["id"] for each in site.annotations()] == [kept["id"]]


def test_a_deletion_of_more_objects_than_are_named_comes_back_whole(site, reader) -> None:
    corners = [(100 + 20 * (n % 40), 100 + 20 * (n // 40)) for n in range(120)]
    features = [site_feature(x, y) for x, y in corners]
    body = {"type": "FeatureCollection", "features": features}
    path = f"/api/slides/{site.slide}/annotations"
    site.request("POST", path, params={"layer": "given"}, json=body)
    before = {each["id"]: each["properties"]["revision"] for each in site.annotations()}
    edits = [{"id": each, "revision": revision, "delete": True} for each, revision in before.items()]
    # one that stays, and one that had gone before: neither is part of it
    early = edits.pop()
    edits.pop()
    site.request("POST", f"{path}/edits", json={"edits": [early]})
    site.request("POST", f"{path}/edits", json={"edits": edits})
    revision = site.get(path, limit=1).json()["revision"]
    reader.open(**VIEW)
    reader.page.get_by_role("tab", name="Objects").click()
    reader.test_id("deleted-button").click()
    row = reader.test_id("deletion", revision=str(revision))
    expect(row).to_contain_text("118 objects")
    row.get_by_role("button", name="Bring back").click()
    reader.wait_state("s.objects === 119")
    assert {each["id"] for each in site.annotations()} == set(before) - {early["id"]}


def site_feature(x: int, y: int) -> dict:
    ring = [[x, y], [x + 10, y], [x + 10, y + 10], [x, y]]
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}}


def test_a_line_drawn_with_ctrl_and_shift_selects_what_is_within(site, reader) -> None:
    """A ring that goes around the middle: what lies in its bounding box but not within the line stays out."""
    for x, y in ((700, 700), (1500, 700), (1100, 1200), (700, 1600)):
        site.add([[[x, y], [x + 40, y], [x + 40, y + 40], [x, y]]])
    reader.open(**VIEW)
    reader.key("m")
    ring = [[600, 600], [900, 600], [900, 1500], [1700, 1500], [1700, 1800], [600, 1800], [600, 620]]
    points = reader.to_page(ring)
    reader.page.keyboard.down("Control")
    reader.page.keyboard.down("Shift")
    reader.drag(points)
    reader.page.keyboard.up("Shift")
    reader.page.keyboard.up("Control")
    reader.wait_state("s.chosen > 0")
    assert reader.state()["chosen"] == 2


def test_a_selection_is_shown_before_the_server_has_answered(site, reader) -> None:
    feature = site.add([SHELL])
    reader.open(**VIEW)
    waiting = []
    reader.context.route("**/annotations?*number=*", lambda route: waiting.append(route))
    reader.key("m")
    reader.click([tuple(map(round, reader.to_page([INSIDE])[0]))])
    number = feature["properties"]["number"]
    reader.wait_state(f"s.selected === {number} && s.selection === null")
    expect(reader.test_id("selected")).to_contain_text("Selected · Tumour")
    # what is asked of it meanwhile is done to it
    reader.key("Delete")
    reader.page.wait_for_timeout(100)
    assert site.only()["id"] == feature["id"]
    for route in waiting:
        route.continue_()
    reader.wait_state("s.objects === 0")
    reader.wait_saved()
    assert site.annotations() == []


def test_objects_come_when_their_workers_can_be_loaded_at_last(site, reader) -> None:
    reader.expect_problem("ERR_FAILED|object-worker")
    site.add([SHELL])
    reader.context.route("**/object-worker*", lambda route: route.abort())
    reader.page.goto(f"{site.address}/slides/{site.slide}?x=1100&y=1200&z=0.2")
    again = reader.page.get_by_role("button", name="Try again").first
    expect(again).to_be_visible()
    reader.context.unroute("**/object-worker*")
    again.click()
    reader.wait_state("s.objects === 1")
