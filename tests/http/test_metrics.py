"""What the server counts, read by Prometheus' own parser."""

import asyncio
import os
import shutil
from pathlib import Path

import httpx2
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from pathserve.access import Role
from pathserve.config import Settings
from pathserve.server.app import ENDPOINTS, create_app
from pathserve.server.metrics import ACCESS, BOUNDS, TILE, Metrics, Tally, counters_folder
from pathserve.server.middleware import Counting
from pathserve.server.services import Services

LOCAL = ("127.0.0.1", 50_000)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Give values by name and the labels' values, in the order of the labels' names."""
    families = text_string_to_metric_families(text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def scrape(client) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return samples(answer.text)


def tile_of(site, level: int = 9) -> str:
    return f"/dzi/{site.slide}_files/{level}/0_0.jpeg"


def test_requests_are_counted_by_the_address_without_ids(site) -> None:
    client = site.client()
    sent = sum(len(client.get(tile_of(site)).content) for _ in range(3))
    missing = client.get(f"/dzi/{site.slide}_files/9/77_77.jpeg")
    assert missing.status_code == 404
    assert client.get(f"/api/slides/{site.slide}").status_code == 200
    assert client.get("/nowhere/Smith").status_code == 404
    assert site.anonymous.get("/api/slides").status_code == 401
    found = scrape(client)
    assert found["pathserve_requests_total", *TILE, "2xx"] == 3
    assert found["pathserve_requests_total", *TILE, "4xx"] == 1
    assert found["pathserve_response_bytes_total", *TILE] == sent + len(missing.content)
    assert found["pathserve_requests_total", "GET", "/api/slides/{slide}", "2xx"] == 1
    assert found["pathserve_requests_total", "other", "other", "4xx"] == 2
    assert found["pathserve_request_seconds_count", *TILE] == 4
    assert found["pathserve_build_info", "0.1.0"] == 1
    assert found["pathserve_processes",] == 1


def test_a_tile_is_of_an_address_that_exists() -> None:
    assert {TILE, ACCESS} <= {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


def test_no_name_and_no_id_of_anything_stands_in_it(site) -> None:
    client = site.client()
    slide = site.services.catalog.slides()[0][0]
    for path in (tile_of(site), f"/api/slides/{site.slide}", "/api/projects/Smith/members", "/Smith?q=Smith"):
        client.get(path)
    text = client.get("/metrics").text
    for word in (site.slide, site.field, slide.project, "Smith", "admin", *site.tokens.values()):
        assert f'"{word}"' not in text
        assert f"/{word}" not in text


def test_openmetrics_is_spoken_when_asked_for(site) -> None:
    answer = site.client().get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "pathserve_jobs" in {family.name for family in open_metrics(answer.text)}
    plain = site.client().get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert plain.headers["cache-control"] == "no-store"


def test_jobs_and_the_disk_are_told(site) -> None:
    job = site.services.jobs.enqueue(Path("/scan.svs"), project="p", runner="nobody")
    found = scrape(site.client())
    assert found["pathserve_jobs", "queued"] == 1
    site.services.jobs.cancel(job.id)
    found = scrape(site.client())
    assert (found["pathserve_jobs", "queued"], found["pathserve_jobs", "cancelled"]) == (0, 1)
    disk = os.statvfs(site.services.settings.data)
    assert found["pathserve_disk_size_bytes",] == disk.f_blocks * disk.f_frsize
    assert 0 < found["pathserve_disk_free_bytes",] < found["pathserve_disk_size_bytes",]


def here(app, client=LOCAL, **headers: str) -> int:
    with_names = {name.replace("_", "-"): value for name, value in headers.items()}
    return TestClient(app, client=client).get("/metrics", headers=with_names).status_code


def test_a_program_of_this_machine_needs_no_token(site) -> None:
    app = site.anonymous.app
    assert here(app) == 200
    assert here(app, client=("::1", 5)) == 200
    assert here(app, client=("192.0.2.7", 5)) == 401
    assert here(app, authorization="Bearer wrong") == 401
    for header in ("forwarded", "x_forwarded_for", "x_real_ip", "via"):  # somebody else asks through a proxy
        assert here(app, **{header: "203.0.113.9"}) == 401
    assert TestClient(app, client=LOCAL).get("/api/slides").status_code == 401


def test_behind_a_declared_proxy_everybody_needs_a_token(tmp_path: Path) -> None:
    app = create_app(Settings(data=tmp_path / "data", public_url="https://slides.example.org"))
    token = app.state.services.accounts.create_token("prometheus", role=Role.VIEWER).secret
    assert here(app) == 401
    assert here(app, authorization=f"Bearer {token}") == 200
    app.state.services.close()


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_every_role_may_see_it(site, role: str) -> None:
    assert site.client(role).get("/metrics").status_code == 200


def test_a_duration_falls_into_the_step_that_holds_it() -> None:
    metrics = Metrics()
    kind = metrics.kind("GET", "/x")
    durations = [0, 100_000, 100_001, 2_499_999, 10_000_000_000, 10_000_000_001]
    for duration in durations:
        metrics.count(kind, 200, 7, duration)
    counts = next(k for k in metrics.snapshot().kinds if k.route == "/x")
    expected = [sum(last < d / 1e9 <= bound for d in durations) for last, bound in zip((-1, *BOUNDS), BOUNDS)]  # noqa: B905 - the last bound begins no step
    assert counts.steps == (*expected, 1)
    assert (counts.sent, counts.nanoseconds) == (42, sum(durations))


def test_the_buckets_told_are_cumulative_and_end_with_all(site) -> None:
    client = site.client()
    for _ in range(5):
        client.get(tile_of(site))
    found = scrape(client)
    buckets = [found["pathserve_request_seconds_bucket", str(bound), *TILE] for bound in (*BOUNDS, "+Inf")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 5 == found["pathserve_request_seconds_count", *TILE]


def test_a_client_that_goes_before_its_answer_is_counted() -> None:
    async def gone(scope, receive, send) -> None:
        return

    metrics = Metrics()
    asyncio.run(Counting(gone, metrics)({"type": "http", "path": "/x"}, None, None))
    assert [k.statuses for k in metrics.snapshot().kinds if k.route == "other"] == [(0, 0, 0, 1, 0)]


def test_two_processes_are_added_and_one_that_ended_is_not_forgotten(tmp_path: Path) -> None:
    with counters_folder(tmp_path / "counters") as folder:
        first, second = Metrics(folder), Metrics(folder)
        for metrics, tiles in ((first, 3), (second, 4)):
            metrics.add(Tally.STREAMS)
            for _ in range(tiles):
                metrics.fast_tile(200, 1000, 5)
        for asked in (first, second):
            counts = asked.snapshot()
            assert (counts.tallies[Tally.TILES_FAST], counts.tallies[Tally.STREAMS], counts.processes) == (7, 2, 2)
        second.close()
        counts = first.snapshot()
        assert (counts.tallies[Tally.TILES_FAST], counts.tallies[Tally.STREAMS], counts.processes) == (7, 1, 1)
        third = Metrics(folder)  # takes the place, and the file, of the one that ended
        third.fast_tile(304, 0, 5)
        counts = first.snapshot()
        assert (counts.tallies[Tally.TILES_FAST], counts.tallies[Tally.STREAMS], counts.processes) == (8, 1, 2)
        assert len(list(folder.iterdir())) == 2
    assert list((tmp_path / "counters").iterdir()) == []


def test_what_a_killed_server_left_is_deleted_and_a_running_one_keeps_its_own(tmp_path: Path) -> None:
    parent = tmp_path / "counters"
    (parent / "left").mkdir(parents=True)
    (parent / "left" / "a.counts").write_bytes(b"x")
    with counters_folder(parent) as first, counters_folder(parent) as second:
        assert {first, second} == set(parent.iterdir())


def test_any_process_of_a_server_answers_for_all_of_them(serve, wait_for) -> None:
    served = serve(2)
    with served.client("viewer") as client:
        wait_for(lambda: scrape(client)["pathserve_processes",] == 2)
    for _ in range(20):
        with served.client("viewer") as client:  # a connection of its own, so either process may take it
            assert client.get("/api/slides").status_code == 200
    with served.client("viewer") as client:
        assert scrape(client)["pathserve_requests_total", "GET", "/api/slides", "2xx"] == 20
    counters = served.data / "counters"
    assert len(list(counters.iterdir())) == 1
    served.stop()
    assert list(counters.iterdir()) == []


def test_open_streams_of_events_are_counted_until_they_end(serve, wait_for) -> None:
    served = serve()
    with served.client() as client:
        with client.stream("GET", "/api/jobs/events") as answer:
            assert answer.status_code == 200
            wait_for(lambda: scrape(client)["pathserve_event_streams",] == 1)
        wait_for(lambda: scrape(client)["pathserve_event_streams",] == 0)


def test_tiles_are_told_apart_by_how_they_came_about(ingested: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(ingested, data)
    app = create_app(Settings(data=data))
    services = app.state.services
    slide = next(s.id for s in services.catalog.slides()[0] if s.name == "slide")
    token = services.accounts.create_token("t", role=Role.VIEWER).secret
    client = TestClient(app, headers={"authorization": f"Bearer {token}"})
    stored, edge = f"/dzi/{slide}_files/12/1_1.jpeg", f"/dzi/{slide}_files/12/9_12.jpeg"
    assert [client.get(path).status_code for path in (stored, stored, edge, edge, stored)] == [200] * 5
    assert client.get(edge, params={"color": "bad"}).status_code == 422
    found = scrape(client)
    assert found["pathserve_tiles_total", "plain"] == 4
    assert found["pathserve_tiles_total", "made"] == 1  # the edge was kept from the first time
    assert found["pathserve_tiles_total", "fast"] == 0  # there is no protocol in front of a test's client
    assert found["pathserve_index_lookups_total", "miss"] >= 1
    assert found["pathserve_index_lookups_total", "hit"] >= 2
    services.close()


def test_the_protocols_tiles_are_counted_too(serve, ingested: Path) -> None:
    served = serve()
    served.stop()
    shutil.rmtree(served.data)
    shutil.copytree(ingested, served.data)
    services = Services.open(Settings(data=served.data))
    token = services.accounts.create_token("t", role=Role.VIEWER).secret
    slide = next(s.id for s in services.catalog.slides()[0] if s.name == "slide")
    services.close()
    served.start()
    with httpx2.Client(base_url=served.address, headers={"authorization": f"Bearer {token}"}) as client:
        sizes = [len(client.get(f"/dzi/{slide}_files/12/1_1.jpeg").content) for _ in range(5)]
        assert [client.get(f"/api/slides/{slide}/access").status_code for _ in range(3)] == [204] * 3
        found = scrape(client)
    fast, plain = (found["pathserve_tiles_total", how] for how in ("fast", "plain"))
    assert (fast + plain, fast >= 1) == (5, True)
    assert found["pathserve_access_fast_total",] == 3  # who asks and about what is known from the tiles
    assert found["pathserve_requests_total", *TILE, "2xx"] == 5
    assert found["pathserve_response_bytes_total", *TILE] == sum(sizes)


GRID = {"x": 100, "y": 100, "width": 64, "height": 64}


def parts_of(answer) -> dict[str, float]:
    return {
        part.partition(";dur=")[0]: float(part.partition(";dur=")[2])
        for part in answer.headers["server-timing"].split(", ")
    }


@pytest.mark.parametrize(
    ("path", "query", "parts"),
    [
        ("/api/slides/{slide}/region", GRID, ["auth", "lookup", "read", "encode", "total"]),
        ("/api/slides/{slide}/mask", GRID, ["auth", "lookup", "read", "encode", "total"]),
        ("/api/slides/{slide}/pair", GRID, ["auth", "lookup", "read", "encode", "total"]),
        ("/api/slides/{slide}/annotations", {}, ["auth", "lookup", "read", "encode", "total"]),
        ("/api/slides/{slide}/thumbnail", {}, ["auth", "lookup", "read", "total"]),
        ("/dzi/{slide}_files/12/9_12.jpeg", {}, ["auth", "lookup", "read", "total"]),
        ("/dzi/{slide}_files/12/9_12.raw", {}, ["auth", "lookup", "read", "total"]),
        ("/api/slides/{slide}/histograms", {}, ["auth", "lookup", "read", "total"]),
        ("/zarr/{slide}/zarr.json", {}, ["auth", "lookup", "read", "total"]),
        ("/iiif/3/{slide}/full/100,/0/default.jpg", {}, ["auth", "lookup", "read", "encode", "total"]),
    ],
)
def test_admins_alone_see_where_the_time_went(site, path: str, query: dict[str, int], parts: list[str]) -> None:
    address = path.format(slide=site.slide)
    bound = site.services.accounts.create_token("bound", role=Role.ADMIN, project="default").secret
    for role in ("viewer", "annotator", "reviewer"):
        answer = site.client(role).get(address, params=query)
        assert (answer.status_code, "server-timing" in answer.headers) == (200, False)
    client = site.client()
    client.headers["authorization"] = f"Bearer {bound}"
    assert "server-timing" not in client.get(address, params=query).headers
    site.services.tiles.forget(site.slide)
    answer = site.client("admin").get(address, params=query)
    assert answer.status_code == 200
    found = parts_of(answer)
    assert list(found) == parts
    assert all(0 <= spent <= found["total"] for spent in found.values())
    assert sum(spent for name, spent in found.items() if name != "total") <= found["total"] + 0.01


def test_a_batch_tells_where_its_time_went_unless_it_is_sent_while_it_is_made(site) -> None:
    client, address = site.client("admin"), f"/api/slides/{site.slide}/tiles"
    short = client.post(address, json={"tiles": [[12, 9, 12]]})
    assert list(parts_of(short)) == ["auth", "lookup", "read", "total"]
    assert "server-timing" not in client.post(address, json={"tiles": [[12, 9, 12]] * 65}).headers
    assert "server-timing" not in site.client("reviewer").post(address, json={"tiles": [[12, 9, 12]]}).headers
