"""The program on PostgreSQL: the same commands, and one more word."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import orjson
import psycopg
import pytest

SECRET = "Zq50secret"  # noqa: S105 - of a database that ends with the test
SQUARE = {"type": "Polygon", "coordinates": [[[100, 100], [300, 100], [300, 300], [100, 300], [100, 100]]]}


@pytest.fixture(scope="module")
def server(private_postgres):
    """A PostgreSQL whose user has a password; gives it and the address of a database, without the password."""
    with private_postgres() as postgres:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f"create role ada login password '{SECRET}'")
            connection.execute("create database slides owner ada")
            (postgres.data / "pg_hba.conf").write_text("local all pathserve trust\nlocal all all scram-sha-256\n")
            connection.execute("select pg_reload_conf()")
        yield postgres, postgres.url("slides").replace("pathserve@", "ada@")


class Program:
    """Starts the program; keeps all that it ever said."""

    def __init__(self, data: Path, address: str) -> None:
        self.data = data
        self.words = ["--data", str(data), "--database", address]
        self.environment = {**os.environ, "COLUMNS": "200", "PGPASSWORD": SECRET}
        self.said = ""

    def run(self, *words: object, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pathserve", *map(str, words), *self.words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.said += done.stdout + done.stderr
        assert done.returncode == status, done.stderr
        return done.stdout

    def serve(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "pathserve", "serve", "--port", "0", "--workers", "2", *self.words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="module")
def program(tmp_path_factory, server) -> Program:
    return Program(tmp_path_factory.mktemp("postgresql") / "data", server[1])


@pytest.fixture(scope="module")
def served(program: Program, sample_slide: Path) -> Iterator[tuple[str, httpx2.Client]]:
    """Give the id of the ingested sample and a client who has signed in to a server with two processes."""
    (made,) = orjson.loads(program.run("ingest", sample_slide, "--json"))["items"]
    with program.serve() as process:
        try:
            said = process.stdout.readline() + process.stdout.readline()
            with httpx2.Client(base_url=re.search(r"http://[\d.:]+", said)[0], timeout=60) as client:
                client.post("/sign-in", json={"code": re.search(r"#(\S+)", said)[1]}).raise_for_status()
                yield made["slide"], client
        finally:
            commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
            process.send_signal(signal.SIGTERM)
            program.said += said + "".join(process.communicate(timeout=60))
    assert any(b"pathserve" in command for command in commands)
    for told in (program.said.encode(), *commands):
        assert SECRET.encode() not in told


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_scan_its_annotations_and_its_people_live_in_the_database(served, program: Program, tmp_path: Path) -> None:
    slide, client = served
    assert not list(program.data.glob("pathserve.db*"))
    assert client.get(f"/dzi/{slide}_files/11/1_1.jpeg").status_code == 200
    made = client.post(
        f"/api/slides/{slide}/annotations", json={"type": "Feature", "geometry": SQUARE, "properties": {}}
    )
    assert made.status_code == 201, made.text
    one = f"/api/annotations/{made.json()['ids'][0]}"
    got = client.get(one)
    item = got.json()
    moved = {**item, "geometry": {"type": "Point", "coordinates": [7.25, 8]}}
    done = client.put(one, json=moved, headers={"if-match": got.headers["etag"]})
    assert done.status_code == 200, done.text
    assert client.put(one, json=moved, headers={"if-match": got.headers["etag"]}).status_code == 412

    target = tmp_path / "out.geojson"
    program.run("annotations", "export", slide, "-o", target)
    (exported,) = orjson.loads(target.read_bytes())["features"]
    assert (exported["id"], exported["geometry"]["coordinates"]) == (item["id"], [7.25, 8])
    assert [row["state"] for row in orjson.loads(program.run("jobs", "list", "--json"))["items"]] == ["done"]


def test_what_another_process_revokes_ends_soon(served, program: Program) -> None:
    slide, client = served
    token = program.run("token", "create", "robot", "--role", "viewer").split()[-1]
    tile, headers = f"/dzi/{slide}_files/11/1_1.jpeg", {"authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=client.base_url, headers=headers, timeout=60) as robot:
        for _ in range(20):
            assert robot.get(tile).status_code == 200
        program.run("token", "revoke", "robot")
        wait_until(lambda: robot.get(tile).status_code == 401)
        for _ in range(20):
            assert robot.get(tile).status_code == 401


def test_a_server_outlives_a_restart_of_the_database(served, server) -> None:
    slide, client = served
    postgres, _ = server
    before = client.get(f"/api/slides/{slide}/annotations").json()["features"]
    postgres.stop(signal.SIGKILL)
    wait_until(lambda: client.get("/readyz").status_code == 503)
    assert client.get("/healthz").status_code == 200
    with httpx2.Client(base_url=client.base_url, cookies={"pathserve_session": "a" * 43}) as signed_in:
        assert signed_in.get("/healthz").status_code == 200
    refused = client.post(
        f"/api/slides/{slide}/annotations", json={"type": "Feature", "geometry": SQUARE, "properties": {}}
    )
    assert refused.status_code == 503
    assert refused.json()["code"] == "busy"
    postgres.start()
    wait_until(lambda: client.get("/readyz").status_code == 200)
    assert client.get(f"/api/slides/{slide}/annotations").json()["features"] == before


def test_an_address_with_a_password_is_refused_as_an_argument(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pathserve", "slides", "--database", f"postgresql://ada:{SECRET}@host/db"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "command line" in done.stderr
    assert SECRET not in done.stdout + done.stderr
