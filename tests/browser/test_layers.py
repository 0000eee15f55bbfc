"""Layers, classes and company in the viewer: what a reader does to them is what the server has then."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

VIEW = {"x": 1100, "y": 1200, "z": 0.2}
SHELL = [[700, 900], [1500, 950], [1400, 1700], [700, 900]]


def layers(site) -> dict[str, tuple[str, int]]:
    """Kind and number of annotations of each layer of the slide, by name."""
    items = site.get(f"/api/slides/{site.slide}/layers").json()["items"]
    return {item["name"]: (item["kind"], item["annotations"]) for item in items}


def schema(site) -> dict:
    return site.get("/api/projects/default/classes").json()


def layer_row(reader, name: str):
    return reader.test_id("layer-row", layer=name)


def test_a_layer_is_made_drawn_into_renamed_deleted_and_brought_back_by_keys_alone(site, reader) -> None:
    reader.open(**VIEW)
    page = reader.page
    page.get_by_label("Name of a new layer").focus()
    page.keyboard.type("Second read")
    reader.key("Tab")
    page.keyboard.type("task")
    reader.key("Tab")
    reader.key("Enter")
    row = layer_row(reader, "Second read")
    expect(row).to_contain_text("task")
    draw = page.get_by_role("button", name="Draw into Second read")
    expect(draw).to_have_attribute("aria-pressed", "true")
    assert layers(site)["Second read"] == ("task", 0)

    page.evaluate("() => document.activeElement.blur()")
    reader.draw(reader.around((-60, -50), (50, -60), (40, 70)))
    reader.wait_saved()
    assert site.only()["properties"]["layer"] == "Second read"
    expect(row.locator(".count")).to_have_text("1")

    page.get_by_role("button", name="Rename or delete Second read").focus()
    reader.key("Enter")
    field = page.get_by_label("New name of Second read")
    expect(field).to_be_focused()
    page.keyboard.type("Consensus")
    reader.key("Enter")
    expect(layer_row(reader, "Consensus")).to_be_visible()
    assert site.only()["properties"]["layer"] == "Consensus"
    expect(page.get_by_role("button", name="Draw into Consensus")).to_have_attribute("aria-pressed", "true")

    page.get_by_role("button", name="Rename or delete Consensus").focus()
    reader.key("Enter")
    page.get_by_role("button", name="Delete…").focus()
    reader.key("Enter")
    expect(page.get_by_text("Delete “Consensus” with its 1 object?")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).focus()
    reader.key("Enter")
    expect(layer_row(reader, "Consensus")).to_have_count(0)
    assert "Consensus" not in layers(site)
    expect(page.get_by_role("button", name="Bring it back")).to_be_focused()
    reader.key("Enter")
    expect(layer_row(reader, "Consensus").locator(".count")).to_have_text("1")
    assert site.only()["properties"]["layer"] == "Consensus"


def to_and_fro(reader) -> None:
    """Show another tab of the panel and this one again, with the focus on the page."""
    leave = "document.activeElement.blur()"
    for name in ("Slide", "Annotate"):
        reader.page.get_by_role("tab", name=name).evaluate(f"(tab) => {{ {leave}; tab.click() }}")
        expect(reader.page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
    reader.settle()  # what takes the focus when it is shown has taken it
    assert reader.page.evaluate("document.activeElement === document.body")


def test_the_focus_is_never_lost_while_a_layer_is_edited(site, reader) -> None:
    site.add([SHELL])
    reader.open(**VIEW)
    page = reader.page
    page.get_by_role("button", name="Rename or delete given").focus()
    reader.key("Enter")
    expect(page.get_by_label("New name of given")).to_be_focused()
    page.keyboard.type("Read twice")
    reader.key("Enter")
    opener = page.get_by_role("button", name="Rename or delete Read twice")
    expect(opener).to_be_focused()
    to_and_fro(reader)
    expect(opener).not_to_be_focused()
    opener.focus()
    reader.key("Enter")
    expect(page.get_by_label("New name of Read twice")).to_be_focused()
    page.get_by_role("button", name="Delete…").focus()
    reader.key("Enter")
    # what was pressed is gone: the focus is on what does no harm, and goes back to where it came from
    expect(page.get_by_role("button", name="Keep")).to_be_focused()
    reader.key("Escape")
    expect(opener).to_be_focused()
    reader.key("Enter")
    expect(page.get_by_label("New name of Read twice")).to_be_focused()
    page.get_by_role("button", name="Delete…").focus()
    reader.key("Enter")
    page.get_by_role("button", name="Delete", exact=True).focus()
    reader.key("Enter")
    back = page.get_by_role("button", name="Bring it back")
    expect(back).to_be_focused()
    to_and_fro(reader)
    expect(back).not_to_be_focused()
    back.focus()
    reader.key("Enter")
    expect(layer_row(reader, "Read twice")).to_be_visible()


def test_a_name_that_is_taken_is_refused_in_words(site, reader) -> None:
    reader.expect_problem("status of 409")
    site.add([SHELL])
    site.request("POST", f"/api/slides/{site.slide}/layers", json={"name": "other", "kind": "model"})
    reader.open(**VIEW)
    expect(layer_row(reader, "other")).to_contain_text("model")
    reader.page.get_by_role("button", name="Rename or delete other").click()
    reader.page.get_by_label("New name of other").fill("given")
    reader.key("Enter")
    expect(reader.page.get_by_text("Another layer of this slide has this name.")).to_be_visible()
    assert {"given", "other"} <= layers(site).keys()


def test_a_hidden_class_is_not_drawn_and_the_others_are(site, reader) -> None:
    site.add([SHELL], "Gland")
    site.add([[[x + 900, y] for x, y in SHELL]], "Vessel")
    reader.open(**VIEW)
    gland, vessel = (tuple(map(round, reader.to_page([[x, 1200]])[0])) for x in (1200, 2100))

    def seen(at) -> np.ndarray:
        reader.page.mouse.move(5, 5)
        reader.settle()
        return reader.picture(at[0] - 8, at[1] - 8, 16, 16).astype(int)

    both = seen(gland), seen(vessel)
    reader.page.get_by_role("switch", name="Show class Gland").click()
    reader.page.wait_for_function(
        "() => document.querySelector('[aria-label=\"Show class Gland\"]').getAttribute('aria-checked') === 'false'"
    )
    for _ in range(50):
        if np.abs(seen(gland) - both[0]).sum() > 0:
            break
        reader.page.wait_for_timeout(100)
    hidden = seen(gland)
    assert np.abs(hidden - both[0]).sum() > 0
    assert np.array_equal(seen(vessel), both[1])
    reader.key("a")
    for _ in range(50):
        if np.abs(seen(vessel) - both[1]).sum() > 0:
            break
        reader.page.wait_for_timeout(100)
    # without any object the slide looks there as it did without its class
    assert np.array_equal(seen(gland), hidden)


def test_classes_are_edited_and_nobody_is_written_over(site, open_reader) -> None:
    site.add([SHELL], "Tumour")
    site.add([SHELL], "Stroma")
    editor = open_reader("reviewer")
    editor.expect_problem("status of 412")
    editor.open(**VIEW)
    page = editor.page
    editor.test_id("edit-classes").click()
    page.get_by_label("Code system of Tumour").fill("SCT")
    page.get_by_label("Code of Tumour", exact=True).fill("108369006")
    expect(page.get_by_text("A code has three parts")).to_be_visible()
    expect(editor.test_id("save-classes")).to_be_disabled()
    page.get_by_label("Meaning of the code of Tumour").fill("Neoplasm")
    page.get_by_label("Colour of Tumour").fill("#102030")
    page.get_by_role("button", name="New class").click()
    expect(page.get_by_label("Name of the new class")).to_be_focused()
    page.get_by_label("Name of the new class").fill("Necrosis")

    # meanwhile somebody else gives another class a priority
    before = schema(site)
    stroma = next(item for item in before["items"] if item["name"] == "Stroma") | {"priority": 7}
    tag = {"if-match": f'"c{before["version"]}"'}
    site.request("PUT", "/api/projects/default/classes", json={"items": [stroma]}, headers=tag)
    editor.test_id("save-classes").click()
    note = editor.test_id("schema-conflict")
    expect(note).to_contain_text("Somebody else has changed “Stroma”")
    expect(note).to_contain_text("Nothing of yours is saved yet.")
    assert all(item["name"] != "Necrosis" for item in schema(site)["items"])

    page.get_by_role("button", name="Go on from theirs, with my changes").click()
    expect(page.get_by_label("Priority of Stroma")).to_have_value("7")
    editor.test_id("save-classes").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    found = {item["name"]: item for item in schema(site)["items"]}
    assert found["Tumour"]["color"] == [16, 32, 48]
    assert found["Tumour"]["code"] == {"system": "SCT", "code": "108369006", "meaning": "Neoplasm"}
    assert found["Stroma"]["priority"] == 7
    assert "Necrosis" in found
    editor.key("Escape")
    expect(editor.test_id("class-row", **{"class": "Tumour"})).to_contain_text("SCT 108369006")
    expect(editor.test_id("class-row", **{"class": "Necrosis"})).to_be_visible()


def test_only_reviewers_edit_classes_and_only_annotators_touch_layers(site, open_reader) -> None:
    site.add([SHELL])
    annotator = open_reader("annotator")
    annotator.open(**VIEW)
    expect(layer_row(annotator, "given")).to_be_visible()
    expect(annotator.test_id("edit-classes")).to_have_count(0)
    viewer = open_reader("viewer")
    viewer.open(**VIEW)
    expect(layer_row(viewer, "given")).to_be_visible()
    for name in ("draw-into", "edit-layer", "import-button"):
        expect(viewer.test_id(name)).to_have_count(0)
    expect(viewer.test_id("export-button")).to_be_visible()


def test_readers_see_each_other_and_what_the_other_changes(site, open_reader) -> None:
    ana, ben = open_reader(), open_reader()
    ana.open(**VIEW)
    expect(ana.test_id("company")).to_have_count(0)
    ben.open(x=600, y=700, z=1)
    expect(ana.test_id("company")).to_contain_text("2 here")
    # the outline in the overview is where the other one looks
    outline = ana.page.locator(f'.minimap-other[data-account="{ben.account}"]')
    frame, shown = ben.box(), ana.page.locator(".minimap").bounding_box()
    facts = site.get(f"/api/slides/{site.slide}").json()
    scale = shown["width"] / facts["width"]
    expected = [
        600 - frame["width"] / 2,
        700 - frame["height"] / 2,
        600 + frame["width"] / 2,
        700 + frame["height"] / 2,
    ]
    points = [float(part) for part in re.split(r"[ ,]", outline.get_attribute("points") or "")]
    found = [min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])]
    np.testing.assert_allclose(found, np.array(expected) * scale, atol=1)

    ben.draw(ben.around((-60, -50), (50, -60), (40, 70)))
    ben.wait_saved()
    expect(ana.test_id("change-note")).to_have_text(re.compile(rf"1 change by {re.escape(ben.account)}"))
    expect(ben.test_id("change-note")).to_have_count(0)

    menu, look = ana.test_id("company").locator("summary"), ana.page.get_by_text("look there")
    menu.click()
    expect(look).to_be_visible()
    # it lies over the tabs: Escape, and a press elsewhere, take it away
    ana.key("Escape")
    expect(look).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    expect(look).to_be_visible()
    ana.click(ana.around((0, 0)))
    expect(look).to_be_hidden()
    menu.click()
    ana.moved_by(lambda: ana.page.get_by_role("button", name=re.compile(rf"^{re.escape(ben.account)} · look")).click())
    assert (round(ana.state()["x"]), round(ana.state()["y"])) == (600, 700)
