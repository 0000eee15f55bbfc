"""No stroke is ever lost: offline, reload, crash, a killed server, a lost answer, another reader, an ended session."""

import contextlib
import signal

import httpx2
import pytest
from playwright.sync_api import Error, expect

pytestmark = pytest.mark.browser

OUTLINE = [(-180, -90), (40, -151), (203, -20), (97, 133), (-61, 47)]
VIEW = {"x": 1110, "y": 1480, "z": 0.5}
EXACT = 1e-9
SHELL = [[700.1, 900.2], [1500.3, 950.7], [1420.9, 1700.33], [640.6, 1500.1], [700.1, 900.2]]


def assert_saved_once(site, ring) -> None:
    (found,) = site.only()["geometry"]["coordinates"]
    assert found == [pytest.approx(point, abs=EXACT) for point in ring]


@pytest.fixture
def refused_by_network(reader):
    """The console names every request that got no answer."""
    reader.expect_problem("net::ERR_")
    return reader


def test_offline_strokes_outlive_the_closed_page(site, refused_by_network) -> None:
    reader = refused_by_network
    reader.open(**VIEW)
    reader.context.set_offline(True)
    ring = reader.draw(reader.around(*OUTLINE))
    reader.wait_chip("Offline · 1 to save")
    assert reader.state()["waiting"] == 1
    assert site.annotations() == []
    reader.page.close()
    reader.context.set_offline(False)
    reader.new_page()
    reader.open(**VIEW)
    reader.wait_saved()
    reader.wait_state("s.objects === 1")
    assert_saved_once(site, ring)


def test_another_window_sends_what_a_closed_one_has_left(site, refused_by_network) -> None:
    reader = refused_by_network
    reader.open(**VIEW)
    closed = reader.page
    reader.new_page()
    reader.open(**VIEW)
    other = reader.page
    writes = "**/api/slides/*/annotations"
    reader.context.route(writes, lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    reader.page = closed
    ring = reader.draw(reader.around(*OUTLINE))
    reader.wait_chip("Offline · 1 to save")
    reader.page = other
    # as long as its window is there, the stroke is that one's
    other.evaluate("window.dispatchEvent(new Event('focus'))")
    other.wait_for_timeout(800)
    assert reader.state()["waiting"] == 0
    closed.close()
    reader.wait_chip("Offline · 1 to save")
    assert site.annotations() == []
    reader.context.unroute(writes)
    reader.wait_saved()
    reader.wait_state("s.objects === 1")
    assert_saved_once(site, ring)


def test_strokes_are_sent_by_themselves_when_the_network_is_back(site, refused_by_network) -> None:
    reader = refused_by_network
    reader.open(**VIEW)
    reader.context.set_offline(True)
    first = reader.draw(reader.around(*OUTLINE))
    reader.draw(reader.around((-250, -200), (-200, -250), (-210, -180)))
    reader.wait_chip("Offline · 2 to save")
    reader.key("Control+z")
    reader.context.set_offline(False)
    reader.wait_saved()
    assert_saved_once(site, first)


def test_a_reload_and_a_crash_with_unsaved_strokes(site, refused_by_network) -> None:
    reader = refused_by_network
    reader.open(**VIEW)
    writes = "**/api/slides/*/annotations"
    reader.context.route(writes, lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    ring = reader.draw(reader.around(*OUTLINE))
    reader.wait_chip("Offline · 1 to save")
    reader.page.reload()
    reader.wait_ready()
    reader.wait_chip("1 to save")
    assert reader.state()["objects"] == 1
    # as when the page runs out of memory
    with reader.page.expect_event("crash"), contextlib.suppress(Error):
        reader.page.goto("chrome://crash")
    reader.page.close()
    reader.context.unroute(writes)
    reader.new_page()
    reader.open(**VIEW)
    reader.wait_saved()
    assert_saved_once(site, ring)


def test_an_unfinished_polygon_is_there_again_after_a_reload(site, reader) -> None:
    reader.open(**VIEW)
    reader.key("p")
    points = reader.around(*OUTLINE)
    ring = reader.to_l0([*points, points[0]])
    reader.click(points[:3])
    reader.page.reload()
    reader.wait_ready()
    assert reader.state()["draft"] == [pytest.approx(point, abs=EXACT) for point in ring[:3]]
    reader.click(points[3:])
    reader.key("Enter")
    reader.wait_saved()
    assert_saved_once(site, ring)


def test_a_killed_server(site, refused_by_network) -> None:
    reader = refused_by_network
    reader.open(**VIEW)
    site.stop(signal.SIGKILL)
    ring = reader.draw(reader.around(*OUTLINE))
    reader.wait_chip("Offline · 1 to save")
    site.start()
    reader.wait_saved()
    assert_saved_once(site, ring)
    assert len(site.get(f"/api/annotations/{site.only()['id']}/revisions").json()["items"]) == 1


def test_a_creation_whose_answer_is_lost_is_made_once(site, refused_by_network) -> None:
    reader = refused_by_network
    reader.open(**VIEW)
    lost = []

    def lose_first_answer(route) -> None:
        if route.request.method != "POST" or lost:
            route.continue_()
            return
        lost.append(route.fetch().status)
        site.stop(signal.SIGKILL)
        route.abort("connectionreset")

    reader.page.route("**/api/slides/*/annotations", lose_first_answer)
    ring = reader.draw(reader.around(*OUTLINE))
    reader.wait_chip("Offline · 1 to save")
    assert lost == [201]
    site.start()
    reader.wait_saved()
    assert_saved_once(site, ring)
    assert len(site.get(f"/api/annotations/{site.only()['id']}/revisions").json()["items"]) == 1


def test_a_change_whose_answer_is_lost_is_no_conflict(site, refused_by_network) -> None:
    reader = refused_by_network
    reader.expect_problem("status of 412")
    given = site.add([SHELL])
    select(reader, given)
    lost = []

    def lose_first_answer(route) -> None:
        if route.request.method != "PUT" or lost:
            route.continue_()
            return
        lost.append(route.fetch().status)
        route.abort("connectionreset")

    reader.page.route("**/api/annotations/*", lose_first_answer)
    to = move_vertex(reader)
    reader.wait_chip("Offline")
    reader.wait_saved()
    assert lost == [200]
    (shell,) = site.only()["geometry"]["coordinates"]
    assert shell == [SHELL[0], pytest.approx(to, abs=EXACT), *SHELL[2:]]
    assert len(site.get(f"/api/annotations/{given['id']}/revisions").json()["items"]) == 2


def select(reader, feature) -> None:
    reader.open(**VIEW)
    reader.key("s")
    reader.click([tuple(map(round, reader.to_page([[1000, 1300]])[0]))])
    reader.wait_state(f"s.selection === '{feature['id']}'")


def move_vertex(reader) -> list[float]:
    """Move the second vertex; give where it went."""
    x, y = map(round, reader.to_page([SHELL[1]])[0])
    reader.drag([(x, y), (x + 15, y - 20), (x + 45, y - 50)])
    return reader.to_l0([(x + 45, y - 50)])[0]


@pytest.fixture
def conflict(site, reader):
    """The reader's and another client's form of one object; the dialog is open."""
    reader.expect_problem("status of 412")
    given = site.add([SHELL])
    select(reader, given)
    theirs = given | {"geometry": {"type": "Polygon", "coordinates": [[*SHELL[:3], [600, 1400], SHELL[0]]]}}
    their_revision = site.change(theirs)
    mine = [SHELL[0], move_vertex(reader), *SHELL[2:]]
    reader.wait_chip("Conflict")
    # nothing was written over while the reader has not chosen
    assert site.only()["geometry"] == theirs["geometry"]
    reader.test_id("saved-chip").click()
    expect(reader.page.get_by_role("dialog")).to_contain_text(f"rev {their_revision} by tests")
    expect(reader.test_id("conflict-differences")).to_have_text("outline")
    return given, [pytest.approx(point, abs=EXACT) for point in mine], theirs["geometry"]["coordinates"][0]


def test_a_conflict_settled_for_mine(site, reader, conflict) -> None:
    given, mine, theirs = conflict
    reader.test_id("conflict-mine").click()
    reader.wait_saved()
    after = site.only()
    assert (after["id"], after["geometry"]["coordinates"]) == (given["id"], [mine])
    history = site.get(f"/api/annotations/{given['id']}/revisions").json()["items"]
    assert len(history) == 3
    as_of = site.annotations(as_of=after["properties"]["revision"] - 1)
    assert as_of[0]["geometry"]["coordinates"] == [theirs]


def test_a_conflict_settled_for_theirs(site, reader, conflict) -> None:
    given, _, theirs = conflict
    reader.test_id("conflict-theirs").click()
    expect(reader.test_id("saved-chip")).to_be_focused()
    reader.wait_saved()
    after = site.only()
    assert (after["id"], after["geometry"]["coordinates"]) == (given["id"], [theirs])
    assert len(site.get(f"/api/annotations/{given['id']}/revisions").json()["items"]) == 2
    # and the next edit starts from theirs
    x, y = map(round, reader.to_page([theirs[3]])[0])
    reader.drag([(x, y), (x - 10, y + 10), (x - 30, y + 25)])
    to = reader.to_l0([(x - 30, y + 25)])[0]
    reader.wait_saved()
    (shell,) = site.only()["geometry"]["coordinates"]
    assert shell == [*theirs[:3], pytest.approx(to, abs=EXACT), theirs[4]]


def test_a_conflict_settled_for_both(site, reader, conflict) -> None:
    given, mine, theirs = conflict
    reader.test_id("conflict-both").click()
    reader.wait_saved()
    by_id = {feature["id"]: feature for feature in site.annotations()}
    assert len(by_id) == 2
    kept = by_id.pop(given["id"])
    assert kept["geometry"]["coordinates"] == [theirs]
    (copy,) = by_id.values()
    assert copy["geometry"]["coordinates"] == [mine]
    assert copy["properties"]["classification"] == kept["properties"]["classification"]


def test_a_conflict_waits_through_a_reload(site, reader, conflict) -> None:
    mine = conflict[1]
    reader.page.reload()
    reader.wait_ready()
    reader.wait_chip("Conflict")
    reader.test_id("saved-chip").click()
    reader.test_id("conflict-mine").click()
    reader.wait_saved()
    assert site.only()["geometry"]["coordinates"] == [mine]


def test_a_conflict_with_a_deletion(site, reader) -> None:
    reader.expect_problem("status of 412")
    given = site.add([SHELL])
    select(reader, given)
    site.clear()
    mine = [SHELL[0], pytest.approx(move_vertex(reader), abs=EXACT), *SHELL[2:]]
    reader.wait_chip("Conflict")
    reader.test_id("saved-chip").click()
    expect(reader.page.get_by_role("dialog")).to_contain_text("deleted")
    reader.test_id("conflict-mine").click()
    reader.wait_saved()
    after = site.only()
    assert (after["id"], after["geometry"]["coordinates"]) == (given["id"], [mine])


def test_an_ended_session_keeps_the_stroke_until_the_next_sign_in(site, reader) -> None:
    reader.expect_problem("status of 401")
    reader.open(**VIEW)
    (cookie,) = reader.context.cookies()
    ended = httpx2.delete(f"{site.address}/api/session", headers={"cookie": f"{cookie['name']}={cookie['value']}"})
    assert ended.status_code == 204
    points = reader.around(*OUTLINE)
    ring = reader.to_l0([*points, points[0]])
    reader.key("p")
    reader.click(points)
    reader.key("Enter")
    field = reader.page.get_by_label("Sign-in link or code")
    expect(field).to_be_visible()
    told = reader.test_id("session-ended")
    expect(told).to_contain_text("Your session has ended")
    expect(told).to_contain_text("kept in this browser")
    assert site.annotations() == []
    field.fill(site.sign_in_code(reader.account))
    reader.key("Enter")
    reader.wait_ready()
    reader.wait_saved()
    assert_saved_once(site, ring)
    assert site.only()["properties"]["author"] == reader.account


def test_another_person_at_the_same_browser_does_not_send_my_stroke(site, open_reader) -> None:
    reader = open_reader()
    reader.expect_problem("net::ERR_")
    reader.open(**VIEW)
    reader.context.set_offline(True)
    ring = reader.draw(reader.around(*OUTLINE))
    reader.wait_chip("Offline · 1 to save")
    reader.page.close()
    reader.context.set_offline(False)
    mine, reader.account = reader.account, site.add_account("annotator")
    reader.sign_in()
    reader.new_page()
    reader.open(**VIEW)
    assert (reader.state()["waiting"], reader.state()["objects"]) == (0, 0)
    assert site.annotations() == []
    reader.account = mine
    reader.sign_in()
    reader.open(**VIEW)
    reader.wait_saved()
    assert_saved_once(site, ring)
    assert site.only()["properties"]["author"] == mine
