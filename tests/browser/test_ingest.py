"""Bringing scans in from the browser: choosing, dropping, pausing, reloading, and what becomes of it."""

import base64
import hashlib
import re
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Request, expect

from pathserve.config import Settings
from pathserve.server.services import Services

pytestmark = pytest.mark.browser

LONG = 60_000
SLOW = 200_000  # bytes a second: slow enough to act while a part is under way


@pytest.fixture
def admin(site, open_reader):
    """An administrator on the page for adding slides."""
    reader = open_reader("admin")
    reader.page.goto(f"{site.address}/ingest")
    expect(reader.test_id("drop-zone")).to_be_visible()
    return reader


@pytest.fixture
def scan(sample_slide, tmp_path, request) -> Path:
    """The sample as a scan that PathServe has not seen: bytes after a TIFF's end change nothing but its checksum."""
    path = tmp_path / "Doe^Jane 1970.svs"
    path.write_bytes(sample_slide.read_bytes() + request.node.name.encode())
    return path


@contextmanager
def rooms(site) -> Iterator[Services]:
    """The server's rooms, as another process of the same machine opens them."""
    with closing(Services.open(Settings(data=site.data))) as services:
        yield services


def choose(reader, *paths: Path) -> None:
    reader.test_id("pick-files").set_input_files([str(path) for path in paths])


def limit_upload(reader, bytes_per_second: int) -> None:
    """Slow the reader's network down, or (-1) not."""
    session = reader.context.new_cdp_session(reader.page)
    speeds = {"uploadThroughput": bytes_per_second, "downloadThroughput": -1}
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", {"offline": False, "latency": 0, **speeds})


def is_under_way(reader) -> Locator:
    """Wait until some of the one upload has gone, but not all."""
    row = reader.test_id("upload-row", phase="sending")
    reader.page.wait_for_function(
        "() => { const bar = document.querySelector('[data-testid=upload-row] progress');"
        " return bar && bar.value > 0.05 && bar.value < 0.9 }"
    )
    return row


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def arrives(reader, path: Path) -> Locator:
    """Wait for the job of a scan to end well; its checksum proves that the bytes are those of the file."""
    row = reader.test_id("job-row", state="done").filter(has=reader.page.get_by_title(f"SHA-256 {sha256(path)}"))
    expect(row).to_have_count(1, timeout=LONG)
    return row


def test_a_chosen_scan_becomes_a_slide_that_opens(site, admin, scan) -> None:
    admin.page.get_by_label("Into the project").fill("Colon")
    choose(admin, scan)
    row = arrives(admin, scan)
    expect(row).to_contain_text("Colon · ")
    expect(row).to_contain_text(re.compile(r"2,220 . 2,967 px · 1\.94 MB"))
    expect(row).to_contain_text("tiles/s")
    # the upload has become the job's row, which alone of all rows in this tab says what the file is called
    expect(admin.test_id("upload-row")).to_have_count(0)
    expect(row).to_contain_text(scan.name)
    row.get_by_text("Identity:").click()
    report = row.get_by_role("region", name="What was dropped")
    expect(report).to_contain_text("file name")
    expect(report).not_to_contain_text("Jane")
    row.get_by_role("link", name="Open slide").click()
    admin.wait_ready()
    slide = site.get(f"/api/slides/{admin.page.url.split('/')[-1].split('?')[0]}").json()
    assert (slide["project"], slide["width"], slide["height"]) == ("Colon", 2220, 2967)
    assert "Jane" not in slide["name"]


def test_a_dropped_scan_is_taken_and_the_whole_page_is_the_target(admin, scan) -> None:
    content = base64.b64encode(scan.read_bytes()).decode()
    transfer = admin.page.evaluate_handle(
        """(content) => {
          const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0))
          const transfer = new DataTransfer()
          transfer.items.add(new File([bytes], 'dropped.svs', { lastModified: 1 }))
          return transfer
        }""",
        content,
    )
    admin.page.dispatch_event("h1", "dragover", {"dataTransfer": transfer})
    expect(admin.test_id("drop-zone")).to_have_class(re.compile("drop-over"))
    admin.page.dispatch_event("h1", "drop", {"dataTransfer": transfer})
    arrives(admin, scan)


def test_a_folder_travels_as_one_set(admin, shared_data) -> None:
    folder = shared_data / "slides" / "ome-zarr"
    store = min(path for path in folder.iterdir() if path.is_dir())
    files = [path for path in store.rglob("*") if path.is_file()]
    admin.test_id("pick-folder").set_input_files(str(store))
    job = admin.test_id("job-row").filter(has_text=store.name)
    expect(job).to_have_attribute("data-state", "done", timeout=LONG)
    assert len(files) > 1
    expect(job.get_by_test_id("job-slide").first).to_be_visible()


def test_a_folder_that_was_paused_in_mid_file_and_reloaded_goes_on(admin, shared_data) -> None:
    store = shared_data / "slides" / "ome-zarr" / "CMU-1-Small-Region-crop.v05.ome.zarr"
    limit_upload(admin, SLOW)
    admin.test_id("pick-folder").set_input_files(str(store))
    is_under_way(admin)
    # files are under way whose address the page has not been told yet
    admin.page.get_by_role("button", name=f"Pause {store.name}").click()
    admin.page.get_by_role("button", name=f"Resume {store.name}").click()
    is_under_way(admin)
    admin.page.on("dialog", lambda dialog: dialog.accept())
    admin.page.reload()
    limit_upload(admin, -1)
    row = admin.test_id("unfinished-row")
    expect(row.get_by_role("button", name="Choose its folder again")).to_be_visible()
    row.get_by_test_id("pick-again").set_input_files(str(store))
    job = admin.test_id("job-row").filter(has_text=store.name)
    expect(job).to_have_attribute("data-state", "done", timeout=LONG)
    expect(job).to_contain_text(re.compile(r"[\d,]+ . [\d,]+ px"))


def test_a_paused_upload_goes_on_after_a_reload_with_the_bytes_that_are_missing(admin, scan) -> None:
    limit_upload(admin, SLOW)
    choose(admin, scan)
    row = is_under_way(admin)
    expect(row).to_contain_text(re.compile(r"kB/s|MB/s"))
    expect(row).to_contain_text("left")
    admin.page.get_by_role("button", name=f"Pause {scan.name}").click()
    expect(admin.test_id("upload-row", phase="paused")).to_be_visible()
    admin.page.reload()
    row = admin.test_id("unfinished-row")
    expect(row).to_contain_text(scan.name)
    expect(row).to_contain_text("of 1.94 MB")
    expect(admin.page.get_by_text("Choose or drop the same file again")).to_be_visible()
    limit_upload(admin, -1)
    offsets: list[int] = []
    admin.page.on("request", lambda request: offsets.extend(offset_of(request)))
    row.get_by_test_id("pick-again").set_input_files(str(scan))
    arrives(admin, scan)
    expect(admin.test_id("unfinished-row")).to_have_count(0)
    assert len(offsets) == 1
    assert 0 < offsets[0] < scan.stat().st_size


def offset_of(request: Request) -> list[int]:
    return [int(request.headers["upload-offset"])] if request.method == "PATCH" else []


def test_another_file_is_not_taken_for_an_interrupted_one(admin, scan, tmp_path) -> None:
    limit_upload(admin, SLOW)
    choose(admin, scan)
    is_under_way(admin)
    admin.page.on("dialog", lambda dialog: dialog.accept())
    admin.page.reload()
    limit_upload(admin, -1)
    other = tmp_path / "other.svs"
    other.write_bytes(scan.read_bytes() + b"more")
    admin.test_id("pick-again").set_input_files(str(other))
    expect(admin.page.get_by_role("alert")).to_contain_text("another file")
    arrives(admin, other)
    admin.page.get_by_role("button", name=f"Discard {scan.name}").click()
    expect(admin.test_id("unfinished-row")).to_have_count(0)
    admin.page.reload()
    expect(admin.test_id("job-row").first).to_be_visible()
    expect(admin.test_id("unfinished-row")).to_have_count(0)


def test_an_upload_waits_for_a_server_that_is_gone_and_goes_on_by_itself(site, admin, scan) -> None:
    admin.expect_problem("ERR_")
    limit_upload(admin, SLOW)
    choose(admin, scan)
    is_under_way(admin)
    site.stop(signal.SIGKILL)
    row = admin.test_id("upload-row", phase="waiting")
    expect(row).to_contain_text("The server cannot be reached.", timeout=LONG)
    limit_upload(admin, -1)
    site.start()
    arrives(admin, scan)


def test_a_cancelled_upload_is_gone_on_the_server_too(site, admin, scan) -> None:
    before = uploaded(site)
    limit_upload(admin, SLOW)
    with admin.page.expect_request(lambda request: request.method == "PATCH") as sent:
        choose(admin, scan)
    is_under_way(admin)
    with admin.page.expect_response(lambda response: response.request.method == "DELETE") as answer:
        admin.page.get_by_role("button", name=f"Cancel {scan.name}").click()
    assert answer.value.status == 204
    expect(admin.test_id("upload-row")).to_have_count(0)
    asked = admin.context.request.get(sent.value.url, headers={"tus-resumable": "1.0.0"})
    assert asked.status == 404
    assert uploaded(site) <= before


def uploaded(site) -> set[Path]:
    """Everything that uploads have left on the server's disk."""
    return {path for path in (site.data / "uploads").rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_refused_file_shows_the_sentence_of_the_server(site, admin, tmp_path) -> None:
    path = tmp_path / "letter.svs"
    path.write_text("Dear Jane Doe")
    choose(admin, path)
    row = admin.test_id("job-row", state="failed")
    expect(row).to_have_count(1, timeout=LONG)
    job = site.get("/api/jobs", state="failed").json()["items"][0]
    expect(row).to_contain_text(job["error"]["message"])
    expect(row).to_contain_text("failed")
    name = f"Try again {job['label']}"
    with admin.page.expect_response(lambda response: response.url.endswith("/retry")) as answer:
        row.get_by_role("button", name=name).click()
    assert answer.value.status == 200
    admin.page.wait_for_function(
        "async ([id, before]) => (await (await fetch(`/api/jobs/${id}`)).json()).finished > before",
        arg=[job["id"], job["finished"]],
    )
    expect(row.get_by_role("button", name=name)).to_be_visible(timeout=LONG)
    row.get_by_role("button", name=f"Remove {job['label']}").click()
    expect(row).to_have_count(0)
    assert job["id"] not in [item["id"] for item in site.get("/api/jobs").json()["items"]]


def test_jobs_of_others_appear_by_themselves_and_can_be_cancelled(site, admin, scan) -> None:
    with rooms(site) as services:
        runner = services.jobs.runner()
        job = services.jobs.enqueue(scan, project="default", keep_source=True, label="Night run", runner=runner.id)
        row = admin.page.locator(f'[data-job="{job.id}"]')
        expect(row).to_contain_text("waiting for its turn")
        row.get_by_role("button", name="Cancel Night run").click()
        expect(row).to_have_attribute("data-state", "cancelled")
        services.jobs.remove(job.id)
        expect(row).to_have_count(0)
        runner.release()


def test_only_administrators_add_slides(site, open_reader) -> None:
    reader = open_reader("reviewer")
    reader.page.goto(f"{site.address}/")
    expect(reader.test_id("slide-card").first).to_be_visible()
    expect(reader.page.get_by_role("link", name="Add slides")).to_have_count(0)
    reader.page.goto(f"{site.address}/ingest")
    expect(reader.page.get_by_text("Only administrators add slides.")).to_be_visible()
    expect(reader.test_id("drop-zone")).to_have_count(0)


def test_the_gallery_takes_what_is_dropped_and_shows_the_slide_without_a_reload(site, admin, open_reader, scan) -> None:
    onlooker = open_reader("admin")
    onlooker.page.goto(f"{site.address}/")
    expect(onlooker.test_id("slide-card").first).to_be_visible()
    before = onlooker.test_id("slide-card").count()
    onlooker.page.evaluate("() => { window.same = true }")
    choose(admin, scan)
    arrives(admin, scan)
    expect(onlooker.test_id("slide-card")).to_have_count(before + 1)
    assert onlooker.page.evaluate("() => window.same")


def test_keys_alone_reach_every_control(admin, tmp_path) -> None:
    path = tmp_path / "no-scan.svs"
    path.write_text("no scan")
    choose(admin, path)
    failed = admin.test_id("job-row", state="failed").filter(has_text=path.name)
    expect(failed).to_have_count(1, timeout=LONG)
    admin.page.get_by_role("button", name="Choose files").focus()
    seen = []
    for _ in range(60):
        seen.append(admin.page.evaluate("() => document.activeElement.getAttribute('aria-label') ?? ''"))
        if seen[-1].startswith("Try again"):
            break
        admin.key("Tab")
    assert seen[-1].startswith("Try again")
    admin.key("Tab")
    admin.key("Enter")
    expect(failed).to_have_count(0)
