"""Vertices, classes, deletion, undo: each edit reaches the server as one new revision and touches nothing else."""

import httpx2
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

# Level-0 pixels with fractions that binary numbers hold only nearly: they must come back to the last bit.
SHELL = [[700.1, 900.2], [1500.3, 950.7], [1420.9, 1700.33], [1000.123456789, 1900.7], [640.6, 1500.1], [700.1, 900.2]]
HOLE = [[900.7, 1150.1], [880.3, 1400.9], [1150.2, 1390.6], [1130.4, 1120.8], [900.7, 1150.1]]
VIEW = {"x": 1100, "y": 1400, "z": 0.45, "rot": 30}
EXACT = 1e-9


def pixel(reader, point) -> tuple[int, int]:
    (x, y) = reader.to_page([point])[0]
    return round(x), round(y)


@pytest.fixture
def given(site):
    """A polygon with a hole that another client has made."""
    return site.add([SHELL, HOLE], note="kept", measurements=[{"name": "area", "value": 0.1 + 0.2}])


@pytest.fixture
def puts(reader):
    """Every PUT that the page sends, as it was sent."""
    sent = []
    reader.page.on("request", lambda request: request.method == "PUT" and sent.append(request))
    return sent


@pytest.fixture
def editor(reader, given):
    """The reader with that polygon selected for reshaping."""
    reader.open(**VIEW)
    reader.key("s")
    reader.click([pixel(reader, [800, 1000])])
    reader.wait_state(f"s.selection === '{given['id']}'")
    return reader


def drag(reader, start, end) -> list[float]:
    """Drag from over one level-0 point to over another; give the exact point where the mouse was let go."""
    start, end = pixel(reader, start), pixel(reader, end)
    reader.drag([start, ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2), end])
    return reader.to_l0([end])[0]


def test_a_dragged_vertex_moves_alone(site, editor, given, puts) -> None:
    to = drag(editor, SHELL[2], [1600, 1850])
    revision = editor.wait_saved()
    after = site.only()
    shell, hole = after["geometry"]["coordinates"]
    assert shell[2] == pytest.approx(to, abs=EXACT)
    assert shell[:2] + shell[3:] == SHELL[:2] + SHELL[3:]
    assert hole == HOLE
    # an edit has its own author and time; all else stays, what only other programs understand too
    own = {"revision": revision, "author": editor.account, "provenance": after["properties"]["provenance"]}
    assert after["properties"] == given["properties"] | own
    (put,) = puts
    assert put.headers["if-match"] == f'"r{given["properties"]["revision"]}"'
    assert revision > given["properties"]["revision"]
    # what was there before is not lost
    history = site.get(f"/api/annotations/{given['id']}/revisions").json()["items"]
    assert len(history) == 2


def test_the_first_vertex_closes_the_ring_wherever_it_goes(site, editor) -> None:
    to = drag(editor, SHELL[0], [600, 800])
    editor.wait_saved()
    shell, hole = site.only()["geometry"]["coordinates"]
    assert shell[0] == shell[-1] == pytest.approx(to, abs=EXACT)
    assert shell[1:-1] == SHELL[1:-1]
    assert hole == HOLE


def test_a_vertex_of_the_hole_moves_alone(site, editor) -> None:
    to = drag(editor, HOLE[2], [1190, 1440])
    editor.wait_saved()
    shell, hole = site.only()["geometry"]["coordinates"]
    assert shell == SHELL
    assert hole == [HOLE[0], HOLE[1], pytest.approx(to, abs=EXACT), HOLE[3], HOLE[4]]


def test_a_drag_on_an_edge_adds_a_vertex_and_an_alt_click_takes_one_out(site, editor) -> None:
    middle = [(SHELL[1][0] + SHELL[2][0]) / 2, (SHELL[1][1] + SHELL[2][1]) / 2]
    to = drag(editor, middle, [1700, 1300])
    first = editor.wait_saved()
    shell, hole = site.only()["geometry"]["coordinates"]
    assert shell == [*SHELL[:2], pytest.approx(to, abs=EXACT), *SHELL[2:]]
    assert hole == HOLE
    editor.page.keyboard.down("Alt")
    editor.click([pixel(editor, SHELL[4])])
    editor.page.keyboard.up("Alt")
    assert editor.wait_saved() == first + 1
    after, hole = site.only()["geometry"]["coordinates"]
    assert after == [*shell[:5], *shell[6:]]
    assert hole == HOLE


def test_undo_and_redo_go_through_the_server_bit_by_bit(site, editor, given) -> None:
    drag(editor, SHELL[1], [1580, 850])
    editor.wait_saved()
    drag(editor, SHELL[3], [1050, 2000])
    editor.wait_saved()
    moved = site.only()["geometry"]
    editor.key("Control+z")
    editor.key("Control+z")
    revision = editor.wait_saved()
    back = site.only()
    assert back["geometry"] == given["geometry"]
    assert back["properties"]["revision"] == revision > given["properties"]["revision"]
    editor.key("Control+Shift+z")
    editor.test_id("tool-redo").click()
    editor.wait_saved()
    assert site.only()["geometry"] == moved
    expect(editor.test_id("tool-redo")).to_be_disabled()


def test_a_class_is_changed_by_key_and_by_choice_and_nothing_else_is(site, editor, given) -> None:
    names = [row.get_attribute("data-class") for row in editor.test_id("class-row").all()]
    wanted = next(name for name in names if name and name != "Tumour")
    editor.test_id("class-row", **{"class": wanted}).click()
    editor.wait_saved()
    after = site.only()
    assert after["properties"]["classification"]["name"] == wanted
    assert after["geometry"] == given["geometry"]
    assert after["properties"]["note"] == "kept"
    assert after["properties"]["measurements"] == given["properties"]["measurements"]
    editor.test_id("selected").get_by_label("Class").select_option("")
    editor.wait_chip(rf"rev {after['properties']['revision'] + 1}$")
    assert site.only()["properties"].get("classification") is None
    editor.key("Control+z")
    editor.key("Control+z")
    editor.wait_saved()
    assert site.only()["properties"]["classification"]["name"] == "Tumour"


def test_deletion_can_be_undone_and_keeps_the_history(site, editor, given) -> None:
    editor.key("Delete")
    editor.wait_saved()
    path = f"{site.address}/api/annotations/{given['id']}"
    assert site.annotations() == []
    assert httpx2.get(path, headers={"authorization": f"Bearer {site.token}"}).status_code == 404
    editor.key("Control+z")
    editor.wait_saved()
    back = site.only()
    assert back["id"] == given["id"]
    assert back["geometry"] == given["geometry"]
    assert back["properties"]["classification"] == given["properties"]["classification"]
    assert back["properties"]["note"] == "kept"
    editor.test_id("delete").click()
    editor.wait_saved()
    assert site.annotations() == []


def test_what_was_drawn_can_be_undone_to_nothing_and_redone_as_itself(site, reader) -> None:
    reader.open(**VIEW)
    reader.draw(reader.around((-150, -100), (120, -130), (60, 140)))
    reader.wait_saved()
    drawn = site.only()
    reader.key("Control+z")
    reader.wait_saved()
    assert site.annotations() == []
    reader.key("Control+Shift+z")
    reader.wait_saved()
    again = site.only()
    assert (again["id"], again["geometry"]) == (drawn["id"], drawn["geometry"])


def test_a_locked_object_stays_as_it_is(site, reader) -> None:
    locked = site.add([SHELL], isLocked=True)
    reader.open(**VIEW)
    reader.key("s")
    reader.click([pixel(reader, [800, 1000])])
    reader.wait_state(f"s.selection === '{locked['id']}'")
    expect(reader.test_id("selected")).to_contain_text("locked")
    expect(reader.test_id("delete")).to_have_count(0)
    drag(reader, SHELL[1], [1580, 850])
    reader.key("Delete")
    assert reader.state()["waiting"] == 0
    assert site.only() == locked


def test_an_outline_that_crosses_itself_is_repaired_and_the_reader_is_told(site, reader) -> None:
    reader.open(x=1100, y=1400, z=0.5)
    reader.draw(reader.around((-150, -100), (150, 100), (150, -100), (-150, 120)))
    reader.wait_saved()
    geometry = site.only()["geometry"]
    assert geometry["type"] == "MultiPolygon"
    expect(reader.page.get_by_role("status").filter(has_text="repaired")).to_be_visible()
