"""Ingest jobs over HTTP: seen, followed, decided on, and run by the server itself."""

import base64
import hashlib
import subprocess
import sys
import threading
from contextlib import ExitStack

import openslide
import orjson
import pytest

from pathserve.access import Actor, Role
from pathserve.config import Settings
from pathserve.jobs import JobError
from pathserve.server.services import Services

PART = {"tus-resumable": "1.0.0", "content-type": "application/offset+octet-stream"}
EVENTS = {"accept": "text/event-stream"}


def waiting(idle, tmp_path, **more):
    """A job that no server runs."""
    path = tmp_path / "upload"
    path.write_bytes(b"scan")
    return idle.services.jobs.enqueue(path, **({"project": "p"} | more))


def run(idle, job):
    """Begin a job as a server would, and give it."""
    return idle.services.jobs.claim(idle.services.jobs.runner().id, at_once=9)


def test_an_uploaded_scan_becomes_a_slide_and_everybody_sees_how(serve, open_stream, sample_slide, wait_for) -> None:
    served, content = serve(), sample_slide.read_bytes()
    stream = open_stream(served)
    with served.client() as client:
        told = base64.b64encode(b"CMU-1-Small-Region.svs").decode()
        headers = PART | {"upload-length": str(len(content)), "upload-metadata": f"filename {told}"}
        job = client.post("/api/uploads", headers=headers, content=content).headers["pathserve-job"]
        own = open_stream(served, f"/api/jobs/{job}")
        assert own.ended.wait(120)
        assert not own.broke
        ended = client.get(f"/api/jobs/{job}").json()
        assert own.events[-1][2] == ended
        wait_for(lambda: stream.events and stream.events[-1][2]["state"] == "done")
        assert stream.events[-1][2] == ended
        # Who comes back with the last number is told that nothing more comes.
        again = client.get(f"/api/jobs/{job}", headers=EVENTS | {"last-event-id": own.last})
        assert (again.status_code, again.content) == (204, b"")
        slide = client.get(f"/api/slides/{ended['slides'][0]}").json()
        assert client.get(f"/dzi/{slide['id']}_files/12/0_0.jpeg").status_code == 200
    order = ["queued", "running", "done"]
    for seen in (stream, own):
        assert {(name, event["id"]) for _, name, event in seen.events} == {("job", job)}
        numbers = [int(number) for number, _, _ in seen.events]
        assert numbers == sorted(set(numbers))
        states = [order.index(event["state"]) for _, _, event in seen.events]
        assert states == sorted(states)
    assert stream.events[0][2]["state"] == "queued"
    stream.close()
    with openslide.OpenSlide(sample_slide) as scan:
        assert (ended["width"], ended["height"]) == (slide["width"], slide["height"]) == scan.dimensions
    assert (ended["format"], ended["bytes"], ended["label"]) == ("aperio", len(content), "Upload 1")
    assert ended["content_hash"] == hashlib.sha256(content).hexdigest()
    assert (ended["error"], ended["finished"] is None, ended["identity"]["kinds"]["name"] > 0) == (None, False, True)
    assert slide["status"] == "ready"
    assert slide["quality"]["tissue_share"] > 0
    said = served.stop()
    everything = said + orjson.dumps([event for _, _, event in stream.events]).decode()
    for word in ("CMU-1", "uploads", str(served.data)):
        assert word not in everything


def test_who_loses_the_connection_misses_nothing(serve, open_stream, wait_for) -> None:
    served = serve()
    with served.client() as client:

        def bring(content: bytes) -> str:
            headers = PART | {"upload-length": str(len(content))}
            return client.post("/api/uploads", headers=headers, content=content).headers["pathserve-job"]

        def is_over(job: str) -> bool:
            return client.get(f"/api/jobs/{job}").json()["finished"] is not None

        first = open_stream(served)
        early = bring(b"no scan")
        wait_for(lambda: is_over(early))
        wait_for(lambda: first.events and first.events[-1][2]["state"] == "failed")
        first.close()
        late = [bring(b"none either %d" % k) for k in range(3)]
        wait_for(lambda: all(map(is_over, late)))
        assert client.delete(f"/api/jobs/{early}").status_code == 204
        second = open_stream(served, last=first.last)
        wait_for(lambda: len(second.events) == 4)
        assert {event["id"] for _, name, event in second.events if name == "job"} == set(late)
        assert [event for _, name, event in second.events if name == "removed"] == [{"id": early}]
        assert all(int(number) > int(str(first.last)) for number, _, _ in second.events)
        failed = client.get(f"/api/jobs/{late[0]}").json()
        assert (failed["state"], failed["slides"], failed["can_retry"]) == ("failed", [], True)
        assert failed["error"]["code"] in ("unsupported", "corrupt")
        assert "/" not in failed["error"]["message"]
        second.close()


def test_a_stream_ends_with_the_server(serve, open_stream) -> None:
    served = serve()
    streams = [open_stream(served) for _ in range(2)]
    with served.client() as client:
        assert client.get("/api/session").json()["user"] == "admin"
        viewer = client.get("/api/jobs/events", headers={"authorization": f"Bearer {served.tokens['viewer']}"})
        assert viewer.status_code == 403
    said = served.stop()
    for stream in streams:
        assert stream.ended.wait(10)
        assert not stream.broke  # ended as HTTP ends an answer, not torn off
    assert "Cancel" not in said
    assert served.tokens["admin"] not in said


def test_a_stream_ends_when_its_token_is_revoked(serve, open_stream) -> None:
    served = serve()
    stream = open_stream(served)
    data = ["--data", str(served.data)]
    subprocess.run([sys.executable, "-m", "pathserve", "token", "revoke", "admin", *data], check=True)
    assert stream.ended.wait(30)
    assert not stream.broke


def test_a_server_that_stops_puts_its_job_back_and_the_next_one_goes_on(serve, shared_data, wait_for) -> None:
    served = serve()
    content = (shared_data / "slides" / "aperio" / "TCGA-DU-6399-01A-01-TS1.svs").read_bytes()
    with served.client() as client:
        headers = PART | {"upload-length": str(len(content))}
        job = client.post("/api/uploads", headers=headers, content=content).headers["pathserve-job"]
        address = f"/api/jobs/{job}"

        def builds() -> bool:
            told = client.get(address).json()
            return told["state"] == "running" and told["phase"] == "building"

        wait_for(builds)
        assert client.delete(address).json()["code"] == "job_not_ended"
        assert client.post(f"{address}/retry").json()["code"] == "not_failed"
    served.stop()
    services = Services.open(Settings(data=served.data))
    assert services.jobs.find(job).state == "queued"
    services.close()
    served.start()
    with served.client() as client:
        wait_for(builds)
        assert client.post(f"{address}/cancel").status_code == 200
        told = wait_for(lambda: (j := client.get(address).json())["finished"] and j)
        assert (told["state"], told["slides"], told["can_retry"]) == ("cancelled", [], True)
        assert client.get("/api/slides").json()["items"] == []
        assert client.post(f"{address}/cancel").json()["code"] == "job_ended"
        assert client.delete(address).status_code == 204
        assert client.get(address).status_code == 404
    assert [path for path in (served.data / "uploads").iterdir() if path.name[0] != "."] == []


def test_a_job_shows_neither_path_nor_account(idle, tmp_path) -> None:
    job = waiting(idle, tmp_path, owner="ada")
    told = idle.client().get(f"/api/jobs/{job.id}").json()
    assert set(told) == {
        *("id", "kind", "state", "phase", "done", "total", "project", "label", "slides", "format", "width", "height"),
        *("bytes", "content_hash", "tiles_per_second", "missing_tiles", "identity", "error", "resumed", "can_retry"),
        *("created", "started", "finished"),
    }
    assert "ada" not in str(told)
    assert str(tmp_path) not in str(told)
    assert (told["state"], told["phase"], told["project"]) == ("queued", None, "p")


def test_jobs_come_in_pages_youngest_first(idle, tmp_path) -> None:
    made = [waiting(idle, tmp_path, project=project).id for project in "aabab"]
    client = idle.client()
    first = client.get("/api/jobs", params={"limit": 2}).json()
    rest = client.get("/api/jobs", params={"limit": 9, "cursor": first["next"]}).json()
    assert [job["id"] for job in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None
    run(idle, made[0])
    assert [job["id"] for job in client.get("/api/jobs", params={"state": "running"}).json()["items"]] == made[:1]
    assert len(client.get("/api/jobs", params={"project": "b"}).json()["items"]) == 2
    assert client.get("/api/jobs", params={"project": "c"}).json()["items"] == []
    for bad in ({"state": "removed"}, {"cursor": "x"}, {"limit": 0}, {"x": 1}, {"project": ["a", "b"]}):
        assert client.get("/api/jobs", params=bad).status_code == 422


def test_jobs_of_hidden_projects_do_not_exist(idle, tmp_path) -> None:
    mine, other = waiting(idle, tmp_path, project="mine"), waiting(idle, tmp_path, project="other")
    client = idle.client()
    secret = idle.services.accounts.create_token("p", role=Role.ADMIN, project="mine").secret
    client.headers["authorization"] = f"Bearer {secret}"
    assert [job["id"] for job in client.get("/api/jobs").json()["items"]] == [mine.id]
    assert client.get("/api/jobs", params={"project": "other"}).json()["items"] == []
    for method, action in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")):
        hidden, absent = (client.request(method, f"/api/jobs/{key}{action}") for key in (other.id, "absent"))
        assert [hidden.status_code, hidden.json()["detail"]] == [404, absent.json()["detail"]]
    assert idle.services.jobs.find(other.id).state == "queued"
    told = events_until(idle, client, "/api/jobs/events", last="0")
    assert {event["id"] for event in told} == {mine.id}


def events_until(idle, client, path: str, last: str) -> list[dict]:
    """Read a stream of an application in this process until it is told to stop."""
    threading.Timer(1.0, idle.services.stopping.set).start()
    answer = client.get(path, headers=EVENTS | {"last-event-id": last})
    idle.services.stopping.clear()
    return [orjson.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


@pytest.mark.parametrize("role", ["viewer", "annotator", "reviewer"])
def test_only_admins_see_jobs(idle, tmp_path, role: str) -> None:
    job = waiting(idle, tmp_path)
    client = idle.client(role)
    asked = [("GET", ""), ("GET", "/events"), ("GET", f"/{job.id}"), ("DELETE", f"/{job.id}")]
    asked += [("POST", f"/{job.id}/cancel"), ("POST", f"/{job.id}/retry")]
    assert {client.request(method, f"/api/jobs{path}").status_code for method, path in asked} == {403}


def test_deciding(idle, tmp_path) -> None:
    client, jobs = idle.client(), idle.services.jobs
    job = waiting(idle, tmp_path)
    address = f"/api/jobs/{job.id}"
    assert client.post(f"{address}/cancel").json()["state"] == "cancelled"
    assert client.post(f"{address}/cancel").json()["code"] == "job_ended"
    assert client.post(f"{address}/retry").json()["state"] == "queued"
    jobs.end(run(idle, job), "failed", error=JobError("corrupt", "It is damaged."))
    assert client.get(address).json()["error"] == {"code": "corrupt", "message": "It is damaged."}
    assert client.post(f"{address}/retry").json()["error"] is None
    assert client.post(f"{address}/cancel").status_code == 200
    assert client.delete(address).status_code == 204
    assert not (tmp_path / "upload").exists()
    own = jobs.enqueue(tmp_path / "scan.svs", project="p", keep_source=True)
    client.post(f"/api/jobs/{own.id}/cancel")
    assert client.post(f"/api/jobs/{own.id}/retry").json()["code"] == "source_forgotten"


def test_there_are_places_for_some_streams_and_the_others_are_sent_away(idle) -> None:
    places = idle.services.streams
    with ExitStack() as stack:
        for number in range(128):
            stack.enter_context(places.hold(Actor(f"reader {number // 32}", Role.VIEWER)))
        answer = idle.client().get("/api/jobs/events")
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert events_until(idle, idle.client(), "/api/jobs/events", last="0") == []


@pytest.mark.parametrize("last", ["x", "-1", "1" * 19, "1.5"])
def test_a_number_that_no_event_had_is_refused(idle, last: str) -> None:
    assert idle.client().get("/api/jobs/events", headers={"last-event-id": last}).status_code == 422
