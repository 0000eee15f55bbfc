"""Scans that come in by tus 1.0.0: whole, in parts, broken off, twice at once, from strangers, under hostile names."""

import asyncio
import base64
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from pathserve.access import Role
from pathserve.ingest import find_scans
from pathserve.ingest.upload_file import UploadFile
from pathserve.server import routes_uploads

PART = "application/offset+octet-stream"
TUS = {"tus-resumable": "1.0.0"}
SET = "a-set-of-files"


def metadata(**values: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


def begin(client, length: int, body: bytes | None = None, **values: str):
    headers = {**TUS, "upload-length": str(length)}
    if values:
        headers["upload-metadata"] = metadata(**values)
    if body is not None:
        headers["content-type"] = PART
    return client.post("/api/uploads", headers=headers, content=body or b"")


def append(client, where: str, offset: int, body: bytes, **more: str):
    return client.patch(
        where, headers={**TUS, "upload-offset": str(offset), "content-type": PART, **more}, content=body
    )


def offset_of(client, where: str) -> int:
    answer = client.head(where, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


def checksum(algorithm: str, data: bytes) -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


def test_the_address_says_what_it_can(idle) -> None:
    answer = idle.anonymous.options("/api/uploads")
    assert (answer.status_code, answer.headers["tus-version"]) == (204, "1.0.0")
    extensions = set(answer.headers["tus-extension"].split(","))
    assert extensions == {"creation", "creation-with-upload", "expiration", "termination", "checksum"}
    assert answer.headers["tus-max-size"] == "10000000"
    assert set(answer.headers["tus-checksum-algorithm"].split(",")) == {"sha1", "sha256"}
    assert "tus-version" not in idle.anonymous.options("/api/slides").headers


def test_an_upload_in_parts_becomes_one_job_with_these_bytes(idle) -> None:
    client, content = idle.client(), os.urandom(3_000_001)
    made = begin(client, len(content), name="Block 3", filename="Doe_Jane.svs")
    assert (made.status_code, made.headers["upload-offset"], made.headers["tus-resumable"]) == (201, "0", "1.0.0")
    where = made.headers["location"]
    assert made.headers["upload-expires"].endswith("GMT")
    for start in range(0, len(content), 1_000_000):
        part = content[start : start + 1_000_000]
        answer = append(client, where, start, part)
        assert (answer.status_code, answer.content) == (204, b"")
        assert int(answer.headers["upload-offset"]) == offset_of(client, where) == start + len(part)
    state = client.get(where).json()
    (job,) = idle.services.jobs.page()[0]
    assert state == {"id": state["id"], "length": 3_000_001, "offset": 3_000_001, "complete": True, "job": job.id}
    assert answer.headers["pathserve-job"] == job.id
    assert (job.state, job.name, job.account, job.keep_source) == ("queued", "Block 3", "admin", False)
    assert [path.read_bytes() for path in job.source[0].iterdir()] == [content]
    assert append(client, where, len(content), b"").json()["code"] == "wrong_offset"
    assert client.delete(where, headers=TUS).json()["code"] == "conflict"
    assert len(idle.services.jobs.page()[0]) == 1


def test_a_whole_upload_fits_into_one_request(idle) -> None:
    made = begin(idle.client(), 5, b"bytes")
    assert (made.status_code, made.headers["upload-offset"]) == (201, "5")
    assert made.headers["pathserve-job"] == idle.services.jobs.page()[0][0].id


def test_requests_that_break_the_protocol_change_nothing(idle) -> None:
    client = idle.client()
    where = begin(client, 10).headers["location"]
    good = {**TUS, "upload-offset": "0", "content-type": PART}
    cases = [
        ({**good, "tus-resumable": "0.2.2"}, 412, "tus_version"),
        ({**good, "content-type": "image/tiff"}, 415, "media_type"),
        ({**good, "upload-offset": "1"}, 409, "wrong_offset"),
        ({**good, "upload-offset": "-1"}, 400, "tus_header"),
        ({**good, "upload-offset": "\u0661".encode()}, 400, "tus_header"),
        ({**good, "upload-checksum": "md5 AAAA"}, 400, "tus_header"),
        ({**good, "upload-checksum": "sha256 !"}, 400, "tus_header"),
    ]
    for headers, status, code in cases:
        answer = client.patch(where, headers=headers, content=b"12345")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["tus-resumable"] == "1.0.0"
    assert client.patch(where, headers=cases[0][0]).headers["tus-version"] == "1.0.0"
    assert client.post("/api/uploads", headers=TUS).json()["code"] == "tus_header"
    bad = client.post("/api/uploads", headers={**TUS, "upload-length": "3", "upload-metadata": "name ???"})
    assert bad.json()["code"] == "tus_header"
    assert client.get(where, params={"x": 1}).status_code == 422
    assert offset_of(client, where) == 0


def test_more_than_was_announced_or_allowed_is_refused(idle) -> None:
    client = idle.client()
    assert begin(client, 10_000_001).status_code == 413
    assert begin(client, 0).status_code == 422
    where = begin(client, 10).headers["location"]
    assert append(client, where, 0, b"x" * 11).status_code == 413
    assert offset_of(client, where) == 0
    pieces = client.patch(
        where, headers={**TUS, "upload-offset": "0", "content-type": PART}, content=iter([b"x" * 8] * 2)
    )
    assert (pieces.status_code, offset_of(client, where) <= 10) == (413, True)
    long = client.post("/api/uploads", headers={**TUS, "upload-length": "1", "upload-metadata": "x" * 8193})
    assert long.status_code == 413


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_part_with_a_checksum_counts_whole_or_not_at_all(idle, algorithm: str) -> None:
    client = idle.client()
    where = begin(client, 8, b"1234").headers["location"]
    wrong = append(client, where, 4, b"5678", **{"upload-checksum": checksum(algorithm, b"5679")})
    assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum_mismatch")
    assert offset_of(client, where) == 4
    right = append(client, where, 4, b"5678", **{"upload-checksum": checksum(algorithm, b"5678")})
    assert right.status_code == 204
    (folder,) = idle.services.jobs.find(right.headers["pathserve-job"]).source
    assert [path.read_bytes() for path in folder.iterdir()] == [b"12345678"]


def test_a_cancelled_upload_is_gone_with_its_bytes(idle) -> None:
    client = idle.client()
    where = begin(client, 8, b"1234").headers["location"]
    files = idle.services.settings.uploads
    assert [path.stat().st_size for path in files.rglob("*") if path.is_file() and path.name[0] != "."] == [4]
    assert client.delete(where, headers=TUS).status_code == 204
    assert [path for path in files.iterdir() if path.name[0] != "."] == []
    for answer in (
        client.head(where, headers=TUS),
        append(client, where, 4, b"5678"),
        client.delete(where, headers=TUS),
    ):
        assert answer.status_code == 404


def test_what_nobody_goes_on_with_is_deleted_after_a_week(idle) -> None:
    client = idle.client()
    old, fresh = (begin(client, 8, b"1234").headers["location"] for _ in range(2))
    week = 7 * 24 * 3600
    idle.services.db.write(lambda tx: tx.run("update upload set created = '2020-01-01T00:00:00.000+00:00'"))
    past = time.time() - week - 60
    os.utime(idle.services.settings.uploads / old.rsplit("/", 1)[1] / "scan", (past, past))
    idle.services.uploads.sweep()
    assert client.head(old, headers=TUS).status_code == 404
    assert offset_of(client, fresh) == 4


def test_an_upload_is_not_there_for_others(idle) -> None:
    where = begin(idle.client(), 8, b"1234", set=SET, path="a/b.dcm").headers["location"]
    other = idle.client()
    secret = idle.services.accounts.create_token("other", role=Role.ADMIN).secret
    other.headers["authorization"] = f"Bearer {secret}"
    answers = [
        other.head(where, headers=TUS),
        other.get(where),
        append(other, where, 4, b"5678"),
        other.delete(where, headers=TUS),
        other.delete(f"/api/uploads/sets/{SET}"),
        other.post(f"/api/uploads/sets/{SET}/ingest", json={}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 6
    # The other's set of the same name is another one.
    assert begin(other, 1, b"x", set=SET, path="a/b.dcm").status_code == 201
    assert offset_of(idle.client(), where) == 4


def test_an_upload_takes_no_file_of_another_one(idle, shared_data) -> None:
    # Two files of one DICOM series: side by side in a folder they would be one scan.
    folder = shared_data / "slides" / "dicom-wsm" / "fluorcell-4"
    mine, theirs = ((folder / name).read_bytes() for name in ("5_0.dcm", "6_0.dcm"))
    other = idle.client()
    other.headers["authorization"] = f"Bearer {idle.services.accounts.create_token('other', role=Role.ADMIN).secret}"
    assert begin(other, len(theirs), theirs, project="kidney").headers["pathserve-job"]
    assert begin(other, len(theirs) + 1, theirs, project="kidney").status_code == 201
    job = idle.services.jobs.find(begin(idle.client(), len(mine), mine).headers["pathserve-job"])
    (scan,) = find_scans(job.source)
    assert [path.read_bytes() for path in scan.files] == [mine]


@pytest.mark.parametrize("role", ["viewer", "annotator", "reviewer"])
def test_only_admins_bring_scans_in(idle, role: str) -> None:
    assert begin(idle.client(role), 8).status_code == 403
    assert idle.client(role).get("/api/session").json()["can_ingest"] is False
    assert idle.client().get("/api/session").json()["can_ingest"] is True


def test_the_admin_of_one_project_brings_scans_into_that_one_only(idle) -> None:
    client = idle.client()
    secret = idle.services.accounts.create_token("p", role=Role.ADMIN, project="mine").secret
    client.headers["authorization"] = f"Bearer {secret}"
    assert begin(client, 1, b"x", project="other").status_code == 404
    assert begin(client, 1, b"x", set=SET, path="x").status_code == 201
    assert client.post(f"/api/uploads/sets/{SET}/ingest", json={"project": "other"}).status_code == 404
    assert begin(client, 1, b"x").status_code == 201
    assert [job.project for job in idle.services.jobs.page()[0]] == ["mine"]


def test_a_revoked_token_sends_nothing_more(idle) -> None:
    client = idle.client()
    where = begin(client, 8, b"1234").headers["location"]
    idle.services.accounts.revoke_token("admin")
    assert append(client, where, 4, b"5678").status_code == 401


def test_a_set_of_files_becomes_one_job_with_their_folders(idle) -> None:
    client = idle.client()
    files = {"scan/a.dcm": b"one", "scan/deep/b.dcm": b"two", "scan/empty": b""}
    first = begin(client, 3, set=SET, path="scan/a.dcm").headers["location"]
    ending = client.post(f"/api/uploads/sets/{SET}/ingest", json={})
    assert (ending.status_code, ending.json()["code"]) == (409, "upload_incomplete")
    assert append(client, first, 0, b"one").status_code == 204
    # A client that missed the answer asks again: the same upload, where it stands.
    again = begin(client, 3, b"one", set=SET, path="scan/a.dcm")
    assert (again.headers["location"], again.headers["upload-offset"]) == (first, "3")
    for path in list(files)[1:]:
        assert begin(client, len(files[path]), files[path], set=SET, path=path).status_code == 201
    made = client.post(f"/api/uploads/sets/{SET}/ingest", json={"project": "p", "name": "n"})
    assert made.status_code == 202
    job = idle.services.jobs.find(made.json()["job"])
    assert made.headers["pathserve-job"] == job.id
    (folder,) = job.source
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == files
    assert client.post(f"/api/uploads/sets/{SET}/ingest", json={}).json() == {"job": job.id}
    assert begin(client, 1, set=SET, path="late").status_code == 409
    assert len(idle.services.jobs.page()[0]) == 1


@pytest.mark.parametrize(
    "path",
    [
        *(
            "../x",
            "/etc/passwd",
            "a/../../x",
            "a//b",
            "./a",
            "a/.",
            "",
            "a\x00b",
            "a\nb",
            "..\\x",
            "C:x",
            "a/..",
            "~/\u202e",
        ),
        *("x" * 256, "a/" * 40 + "b", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1") * 600),
    ],
)
def test_a_path_cannot_lead_out_of_its_set(idle, path: str) -> None:
    answer = begin(idle.client(), 1, b"x", set=SET, path=path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert not idle.services.settings.uploads.exists() or list(idle.services.settings.uploads.rglob("x*")) == []


def test_a_file_cannot_take_the_place_of_a_folder(idle) -> None:
    client = idle.client()
    assert begin(client, 1, b"x", set=SET, path="a").status_code == 201
    assert begin(client, 1, b"x", set=SET, path="a/b").status_code == 409
    for key in ("short", "x" * 65, "a/b/c/d/e", "../../../x"):
        assert begin(client, 1, b"x", set=key, path="a").status_code == 422
    assert begin(client, 1, b"x", set=SET).status_code == 422


def test_no_file_name_is_kept_or_told(idle, caplog) -> None:
    client = idle.client()
    told = begin(client, 4, b"1234", filename="Doe_Jane.svs", name="Block 3")
    set_file = begin(client, 4, b"1234", set=SET, path="Doe_Jane/1.dcm", filename="Doe_Jane.dcm")
    ended = client.post(f"/api/uploads/sets/{SET}/ingest", json={})
    jobs = client.get("/api/jobs")
    told_all = "".join(answer.text + str(dict(answer.headers)) for answer in (told, set_file, ended, jobs))
    assert "Doe" not in told_all + caplog.text
    idle.services.db.overwrite_deleted()
    for path in idle.services.settings.data.glob("pathserve.db*"):
        assert b"Doe" not in path.read_bytes()


def drive(app, token: str, where: str, parts, *, length: int) -> dict:
    """Send a PATCH to the application itself, with parts that come when the test says; gives status and headers."""
    sent = list[dict]()

    async def receive() -> dict:
        return await parts()

    async def send(message: dict) -> None:
        sent.append(message)

    headers = {**TUS, "upload-offset": "0", "content-type": PART, "content-length": str(length)}
    headers |= {"authorization": f"Bearer {token}"}
    scope = {
        "type": "http",
        "method": "PATCH",
        "path": where,
        "raw_path": where.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("192.0.2.1", 1),
        "root_path": "",
        "asgi": {"version": "3.0"},
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]


def test_a_sender_who_falls_silent_is_sent_away_and_keeps_what_came(idle, monkeypatch) -> None:
    monkeypatch.setattr(routes_uploads, "_IDLE_SECONDS", 0.05)
    where = begin(idle.client(), 8).headers["location"]
    waiting = [{"type": "http.request", "body": b"1234", "more_body": True}]

    async def parts() -> dict:
        if waiting:
            return waiting.pop()
        return await asyncio.Event().wait()

    answer = drive(idle.anonymous.app, idle.tokens["admin"], where, parts, length=8)
    assert (answer["status"], dict(answer["headers"])[b"connection"]) == (408, b"close")
    assert offset_of(idle.client(), where) == 4


def test_a_part_takes_a_mebibyte_of_memory_however_large_it_is(idle, monkeypatch) -> None:
    blocks = list[int]()
    real = UploadFile.append
    monkeypatch.setattr(UploadFile, "append", lambda self, data: blocks.append(len(data)) or real(self, data))
    size, piece = 9_000_000, b"x" * 60_000
    where = begin(idle.client(), size).headers["location"]
    left = [size // len(piece)]

    async def parts() -> dict:
        left[0] -= 1
        return {"type": "http.request", "body": piece, "more_body": left[0] > 0}

    answer = drive(idle.anonymous.app, idle.tokens["admin"], where, parts, length=size)
    assert answer["status"] == 204
    assert sum(blocks) == size
    assert max(blocks) < (1 << 20) + len(piece)


@contextmanager
def half_sent(served, where: str, offset: int, body: bytes, announced: int) -> Iterator[socket.socket]:
    """Begin a PATCH whose rest never comes; the server has taken it up when this gives the connection."""
    at = urlsplit(served.address)
    lines = [
        f"PATCH {where} HTTP/1.1",
        f"Host: {at.netloc}",
        f"Authorization: Bearer {served.tokens['admin']}",
        "Tus-Resumable: 1.0.0",
        f"Content-Type: {PART}",
        f"Upload-Offset: {offset}",
        f"Content-Length: {announced}",
        "Expect: 100-continue",
    ]
    with socket.create_connection((at.hostname, at.port), timeout=60) as wire:
        wire.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        # The server asks for the body once it holds the upload.
        assert wire.recv(100).startswith(b"HTTP/1.1 100 ")
        wire.sendall(body)
        yield wire


def test_a_scan_survives_broken_connections_and_a_killed_server(serve, sample_slide, wait_for) -> None:
    served, content = serve(), sample_slide.read_bytes()
    third = len(content) // 3
    with served.client() as client:
        where = begin(client, len(content)).headers["location"]
        with half_sent(served, where, 0, content[:third], len(content)):
            # While it still sends, nobody else writes.
            locked = append(client, where, 0, b"x")
            assert locked.status_code == 503
            assert (locked.json()["code"], locked.headers["retry-after"]) == ("upload_locked", "1")
        wait_for(lambda: append(client, where, 0, b"x").json()["code"] == "wrong_offset")
        assert offset_of(client, where) == third
        with half_sent(served, where, third, content[third : 2 * third], len(content) - third):
            assert append(client, where, third, b"x").status_code == 503
            served.stop(how=9)
    served.start()
    with served.client() as client:
        offset = offset_of(client, where)
        assert third <= offset <= 2 * third
        done = append(client, where, offset, content[offset:])
        job = done.headers["pathserve-job"]
        ended = wait_for(lambda: (j := client.get(f"/api/jobs/{job}").json())["finished"] and j)
        assert (ended["state"], ended["error"]) == ("done", None)
        assert ended["content_hash"] == hashlib.sha256(content).hexdigest()
        slide = client.get(f"/api/slides/{ended['slides'][0]}").json()
        assert (slide["width"], slide["height"], slide["name"]) == (2220, 2967, "Slide 1")
    # A job is told to have ended a moment before its files are deleted.
    wait_for(lambda: not [path for path in (served.data / "uploads").iterdir() if path.name[0] != "."])


def test_two_servers_on_one_folder_write_an_upload_once(serve) -> None:
    served = serve(workers=2)
    content = os.urandom(2_000_000)
    with served.client() as client:
        for _ in range(3):
            where = begin(client, len(content)).headers["location"]
            answers = list[int]()

            def race(where: str = where, answers: list[int] = answers) -> None:
                with served.client() as mine:
                    answers.append(append(mine, where, 0, content).status_code)

            threads = [threading.Thread(target=race) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(answers)[0] == 204
            assert answers.count(204) == 1
            assert set(answers) <= {204, 409, 503}
            assert client.get(where).json()["complete"] is True
        assert len(client.get("/api/jobs").json()["items"]) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_the_reserve_of_serve_holds_in_every_process(serve, workers) -> None:
    served = serve(workers, "--reserve", "1000TB")
    for _ in range(4):  # each on a connection of its own
        with served.client() as client:
            answer = begin(client, 1000)
            assert (answer.status_code, answer.json()["code"]) == (503, "disk_full")


def test_another_size_of_a_path_that_the_set_has_is_told_as_that(idle) -> None:
    client = idle.client()
    assert begin(client, 5, set=SET, path="a/b").status_code == 201
    again = begin(client, 6, set=SET, path="a/b")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert again.json()["detail"] == "This set has a file of this path already, of another size."
