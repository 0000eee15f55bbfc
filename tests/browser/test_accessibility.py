"""No page breaks the rules that axe-core can check, on a desk and on a phone."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "viewer" / "node_modules" / "axe-core" / "axe.min.js"
SCREENS = {
    "desk": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}
SHELL = [[700, 900], [1500, 950], [1400, 1700], [700, 900]]


def violations(reader) -> list[str]:
    """What axe-core finds serious or critical, with the elements."""
    if not AXE.is_file():
        pytest.fail("axe-core is missing: run `npm ci` in viewer/; see tests/README.md")
    if not reader.page.evaluate("() => 'axe' in window"):
        reader.page.evaluate(AXE.read_text())
    found = reader.page.evaluate("() => window.axe.run().then((report) => report.violations)")
    return [
        f"{rule['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.fixture(params=SCREENS.values(), ids=SCREENS.keys())
def screen(request):
    return request.param


@pytest.fixture
def visitor(screen, open_reader):
    return open_reader("reviewer", signed_in=False, **screen)


@pytest.fixture
def member(visitor):
    visitor.sign_in()
    return visitor


def test_the_sign_in_page(site, visitor) -> None:
    visitor.expect_problem("status of 401")
    visitor.page.goto(f"{site.address}/sign-in")
    expect(visitor.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert violations(visitor) == []
    visitor.page.get_by_label("Sign-in link or code").fill("wrong")
    visitor.key("Enter")
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    assert violations(visitor) == []


def test_the_gallery(site, member) -> None:
    member.page.goto(f"{site.address}/")
    expect(member.test_id("slide-card")).to_have_count(2)
    assert violations(member) == []
    member.page.get_by_role("button", name="Table").click()
    expect(member.test_id("slide-row")).to_have_count(2)
    assert violations(member) == []
    member.page.get_by_role("searchbox").fill("nothing of this name")
    expect(member.page.get_by_text("No slide matches")).to_be_visible()
    assert violations(member) == []


def test_the_page_for_adding_slides(site, open_reader, sample_slide, tmp_path, screen) -> None:
    admin = open_reader("admin", **screen)
    admin.page.goto(f"{site.address}/ingest")
    expect(admin.test_id("drop-zone")).to_be_visible()
    assert violations(admin) == []
    letter, scan = tmp_path / "letter.svs", tmp_path / "new.svs"
    letter.write_text("no scan")
    scan.write_bytes(sample_slide.read_bytes() + str(screen).encode())
    admin.test_id("pick-files").set_input_files([str(letter), str(scan)])
    expect(admin.test_id("job-row", state="failed").first).to_be_visible(timeout=60_000)
    done = admin.test_id("job-row", state="done").first
    expect(done).to_be_visible(timeout=60_000)
    done.get_by_text("Identity:").click()
    assert violations(admin) == []
    # what an earlier visit has left behind
    record = {"user": admin.account, "project": "p", "count": 1, "total": 1000, "sent": 300, "files": {}}
    admin.page.evaluate(
        "(record) => localStorage.setItem('pathserve-upload-x', JSON.stringify({ ...record, saved: Date.now() }))",
        record,
    )
    admin.page.reload()
    expect(admin.test_id("unfinished-row")).to_be_visible()
    assert violations(admin) == []
    assert admin.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_the_viewer_with_a_selection_and_its_dialogs(site, member) -> None:
    member.expect_problem("status of 412")
    feature = site.add([SHELL])
    member.open(x=1100, y=1200, z=0.2)
    if member.test_id("class-row").count() == 0:
        assert violations(member) == []
        member.test_id("tool-toggle-panel").click()
    member.key("s")
    member.click([tuple(map(round, member.to_page([[1000, 1100]])[0]))])
    member.wait_state(f"s.selection === '{feature['id']}'")
    expect(member.test_id("selected")).to_be_visible()
    assert violations(member) == []
    member.page.get_by_role("tab", name="Slide").click()
    expect(member.page.get_by_label("Name of the slide")).to_be_visible()
    assert violations(member) == []
    member.page.get_by_role("tab").first.click()

    member.test_id("tool-help").click()
    expect(member.page.get_by_role("dialog", name="Keys and gestures")).to_be_visible()
    assert violations(member) == []
    member.key("Escape")

    site.change(feature | {"geometry": {"type": "Polygon", "coordinates": [[*SHELL[:3], [600, 1400], SHELL[0]]]}})
    member.test_id("selected").get_by_label("Class").select_option("")
    member.wait_chip("Conflict")
    assert violations(member) == []
    member.test_id("saved-chip").click()
    expect(member.page.get_by_role("dialog", name="Two versions of one object")).to_be_visible()
    assert violations(member) == []


def test_layers_classes_objects_and_the_dialogs_of_files(site, member, shared_data) -> None:
    site.add([SHELL])
    member.open(x=1100, y=1200, z=0.2)
    if member.test_id("class-row").count() == 0:
        member.test_id("tool-toggle-panel").click()
    member.page.get_by_role("button", name="Rename or delete given").click()
    member.page.get_by_role("button", name="Delete…").click()
    assert violations(member) == []
    member.page.get_by_role("button", name="Keep").click()

    member.test_id("edit-classes").click()
    member.page.get_by_role("button", name="New class").click()
    expect(member.page.get_by_text("A class needs a name.")).to_be_visible()
    assert violations(member) == []
    member.key("Escape")

    member.test_id("import-button").click()
    member.page.get_by_text("Advanced:").click()
    assert violations(member) == []
    file = shared_data / "annotations" / "dlup" / "dlup_xml_example.xml"
    member.test_id("import-file").set_input_files(str(file))
    member.test_id("start-import").click()
    expect(member.test_id("import-report")).to_be_visible()
    assert violations(member) == []
    member.key("Escape")

    member.test_id("export-button").click()
    member.test_id("look-export").click()
    expect(member.test_id("export-report")).to_be_visible()
    assert violations(member) == []
    member.key("Escape")

    member.page.get_by_role("tab", name="Objects").click()
    member.test_id("object-row").first.click()
    expect(member.test_id("object-actions")).to_be_visible()
    assert violations(member) == []
    assert member.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_drawing_and_an_unknown_slide(site, member) -> None:
    member.expect_problem("status of 404")
    member.open(x=1100, y=1200, z=0.2)
    member.test_id("tool-polygon").click()
    member.click(member.around((-60, -50), (50, -60), (40, 70)))
    expect(member.page.get_by_role("button", name="Close").first).to_be_visible()
    assert violations(member) == []
    member.key("Escape")
    member.page.goto(f"{site.address}/slides/nothing")
    expect(member.page.get_by_text("This slide cannot be shown")).to_be_visible()
    assert violations(member) == []


def test_the_api_description_opens_without_an_error(site, member) -> None:
    member.page.goto(f"{site.address}/api/docs")
    expect(member.page.get_by_text("/api/slides").first).to_be_visible()


def test_history_and_deleted_objects(site, member) -> None:
    feature, other = site.add([SHELL]), site.add([[[100, 100], [200, 100], [200, 200], [100, 100]]])
    path = f"/api/annotations/{other['id']}"
    site.request("DELETE", path, headers={"if-match": site.get(path).headers["etag"]})
    member.open(x=1100, y=1200, z=0.2)
    if member.test_id("class-row").count() == 0:
        member.test_id("tool-toggle-panel").click()
    member.key("n")
    member.wait_state(f"s.selection === '{feature['id']}'")
    member.test_id("exhaustive-toggle").check()
    member.page.get_by_label("Classes that are annotated exhaustively").select_option("some")
    member.test_id("history").locator("summary").click()
    expect(member.test_id("version").first).to_be_visible()
    assert violations(member) == []
    member.page.get_by_role("tab", name="Objects").click()
    member.test_id("deleted-button").click()
    expect(member.test_id("deletion").first).to_be_visible()
    assert violations(member) == []
