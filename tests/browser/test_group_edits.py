"""Many objects changed at once: shown at once, kept without a connection, and never over what others have done."""

import re
from collections import Counter

import pytest
from playwright.sync_api import expect

from tests.browser.test_cells import VIEW, box, class_of, counts_shown, nuclei

pytestmark = pytest.mark.browser

PLACE = (560, 580, 860, 900)


def chosen(reader) -> int:
    """Choose all objects of a place; give how many."""
    box(reader, *PLACE)
    reader.wait_state("s.chosen > 0")
    return int(reader.state()["chosen"])


def other_class(reader) -> str:
    """The class of the third key."""
    return str(reader.test_id("class-row").nth(2).get_attribute("data-class"))


def test_a_tunnel_costs_nothing(site, reader, field_as_it_was) -> None:
    reader.expect_problem("net::ERR_")
    before = Counter(map(class_of, field_as_it_was.values()))
    reader.open(site.field, **VIEW)
    revision = site.get(f"/api/slides/{site.field}").json()["revision"]
    count = chosen(reader)
    name = other_class(reader)
    reader.context.set_offline(True)
    reader.key("3")
    # The panel tells it at once, and the server knows nothing.
    expect(reader.test_id("chosen").locator("li")).to_have_count(1)
    reader.wait_chip(f"Offline · {count} to save")
    told = counts_shown(reader)
    assert told[name] > before[name]
    assert sum(told.values()) == 1295
    assert Counter(map(class_of, nuclei(site))) == before
    reader.test_id("state-chosen").fill("approved")
    reader.test_id("state-chosen").press("Enter")
    reader.wait_chip(f"Offline · {2 * count} to save")
    # The page is closed and opened again where there is a connection.
    reader.page.close()
    reader.context.set_offline(False)
    reader.new_page()
    reader.open(site.field, **VIEW)
    reader.wait_saved()
    reader.wait_state("s.settled")
    after = nuclei(site)
    assert told == Counter(map(class_of, after))
    changed = [feature for feature in after if feature["properties"]["revision"] > revision]
    assert len(changed) == count
    assert {(class_of(each), each["properties"]["state"]) for each in changed} == {(name, "approved")}
    assert {each["properties"]["revision"] for each in changed} == {revision + 2}
    reader.wait_quiet()
    assert counts_shown(reader) == told


def test_keys_after_a_state_mean_the_slide_again(site, reader, field_as_it_was) -> None:
    reader.open(site.field, **VIEW)
    revision = site.get(f"/api/slides/{site.field}").json()["revision"]
    count = chosen(reader)
    field = reader.test_id("state-chosen")
    # What is given up, or left half written, is nobody's state.
    for leave in ("Escape", "Tab"):
        field.fill("rejec")
        field.press(leave)
        expect(field).to_have_value("")
        expect(field).not_to_be_focused()
    field.fill("approved")
    field.press("Enter")
    expect(field).to_have_value("")
    reader.wait_saved()
    reader.page.keyboard.type("p")
    reader.wait_state("s.tool === 'polygon'")
    reader.page.mouse.click(700, 700)
    reader.key("Escape")
    reader.wait_saved()
    states = Counter(
        each["properties"].get("state") for each in nuclei(site) if each["properties"]["revision"] > revision
    )
    assert states == {"approved": count}
    # And so does Ctrl+Z.
    reader.key("Control+z")
    reader.wait_saved()
    assert not any(each["properties"].get("state") == "approved" for each in nuclei(site))


def test_what_is_taken_back_before_it_has_left_never_happens(site, reader, field_as_it_was) -> None:
    reader.expect_problem("net::ERR_")
    reader.open(site.field, **VIEW)
    revision = site.get(f"/api/slides/{site.field}").json()["revision"]
    count = chosen(reader)
    reader.context.set_offline(True)
    reader.key("Delete")
    reader.wait_state(f"s.objects === {1295 - count} && s.save === 'offline'")
    reader.key("Control+z")
    reader.wait_state("s.objects === 1295 && s.save === 'saved'")
    reader.context.set_offline(False)
    reader.wait_quiet()
    assert site.get(f"/api/slides/{site.field}").json()["revision"] == revision


@pytest.mark.parametrize("choice", ["mine", "theirs"])
def test_objects_that_others_have_changed_meanwhile_are_told_one_by_one(site, reader, field_as_it_was, choice) -> None:
    reader.expect_problem("net::ERR_")
    reader.open(site.field, **VIEW)
    count = chosen(reader)
    name = other_class(reader)
    reader.context.set_offline(True)
    reader.key("3")
    reader.wait_chip("Offline")
    x0, y0, x1, y1 = PLACE
    inside = site.get(
        f"/api/slides/{site.field}/annotations", bbox=f"{x0 + 60},{y0 + 60},{x1 - 60},{y1 - 60}", limit=1000
    ).json()["features"]
    theirs = next(each for each in inside if class_of(each) != name)
    revision = site.change(theirs | {"properties": theirs["properties"] | {"classification": {"name": "Somebody's"}}})
    reader.context.set_offline(False)
    reader.page.evaluate("() => window.dispatchEvent(new Event('online'))")
    reader.wait_chip("Conflict")
    number = theirs["properties"]["number"]
    reader.test_id("saved-chip").click()
    row = reader.test_id("left-row")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(f"#{number}Somebody's")
    expect(row).to_contain_text(f"rev {revision}")
    reader.test_id(f"group-{choice}").click()
    reader.wait_saved()
    now = {feature["id"]: feature for feature in nuclei(site)}
    changed = [
        each for each in now.values() if class_of(each) == name and class_of(field_as_it_was[each["id"]]) != name
    ]
    assert class_of(now[theirs["id"]]) == (name if choice == "mine" else "Somebody's")
    assert 0 < len(changed) <= count
    reader.key("Escape")
    reader.key("Control+z")
    reader.wait_saved()
    reader.wait_quiet()
    back = {feature["id"]: class_of(feature) for feature in nuclei(site)}
    before = {identity: class_of(feature) for identity, feature in field_as_it_was.items()}
    # What is taken back goes back to what it was: of the one in conflict that is what the other had made of it.
    assert back == before | {theirs["id"]: "Somebody's"}
    expect(reader.test_id("saved-chip")).to_have_text(re.compile("^Saved"))
